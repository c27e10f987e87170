package logview

import (
	"slices"
	"strings"
	"testing"
	"time"

	tea "charm.land/bubbletea/v2"

	"quarterdeck/sources"
)

func chipTexts(p *Pane) []string {
	var out []string
	for _, c := range p.Chips() {
		out = append(out, c.Text)
	}
	return out
}

func structured(lines ...string) []sources.Entry {
	out := make([]sources.Entry, len(lines))
	for i, l := range lines {
		out[i] = line(i, l)
		out[i].Level = sources.LevelOf(l)
	}
	return out
}

var structuredLines = []string{
	`level=info msg="order placed" status=200 dur=12ms size=3KB`,
	`level=warn msg="order slow" status=200 dur=1.2s size=3KB`,
	`level=error msg="order failed" status=503 dur=40ms`,
	`{"level":"error","msg":"no db","status":500,"db":{"host":"db-1","port":5432}}`,
	`plain text with status=200 in it`,
	`nothing at all`,
}

func TestFieldTerms(t *testing.T) {
	for _, c := range []struct {
		term string
		want []int
	}{
		{"status=200", []int{0, 1, 4}},
		{"status!=200", []int{2, 3, 5}},
		{"status>=500", []int{2, 3}},
		{"status<500", []int{0, 1, 4}},
		{"dur>100ms", []int{1}},
		{"dur<=12ms", []int{0}},
		{"size>2KB", []int{0, 1}},
		{"msg=~order (slow|failed)", []int{1, 2}},
		{"msg!~order.*", []int{3, 4, 5}},
		{`msg="order slow"`, []int{1}},
		{"db_host=db-1", []int{3}},
		{"db.port=5432", []int{3}},
		{"level>=error", []int{2, 3}},
		{"level=warn", []int{1}},
		{"service=shop_web", []int{0, 1, 2, 3, 4, 5}},
		{"node=elsewhere", nil},
	} {
		p := newPane(Options{})
		feed(t, p, structured(structuredLines...)...)
		term, ok := ParseFieldTerm(c.term)
		if !ok {
			t.Fatalf("%q is no term", c.term)
		}
		must(t, p.Add(term))
		settle(t, p)
		var want []string
		for _, i := range c.want {
			want = append(want, structuredLines[i])
		}
		if got := shown(p); !slices.Equal(got, want) {
			t.Errorf("%s: %q", c.term, got)
		}
	}
}

func TestNoFieldTerm(t *testing.T) {
	for _, s := range []string{"", "=", "a b=c", "status", "status=", "/path=1", "a=\"unclosed"} {
		if f, ok := ParseFieldTerm(s); ok {
			t.Errorf("%q became %v", s, f)
		}
	}
	for _, bad := range []FieldTerm{{"a", ">", "much"}, {"a", "=~", "("}} {
		if newPane(Options{}).Add(bad) == nil {
			t.Errorf("%v is taken", bad)
		}
	}
}

// Parts come off one by one, the last that came first, whatever kind they are of.
func TestChips(t *testing.T) {
	p := newPane(Options{})
	p.SetSize(160, 20)
	feed(t, p, structured(structuredLines...)...)
	must(t, p.Add(FieldTerm{"status", ">=", "200"}))
	must(t, p.Exclude(Term{Text: "slow"}))
	p.CycleLevel()
	must(t, p.AddPattern(`level=error msg="order <_>" status=<_> dur=<_>`, false))
	settle(t, p)
	want := []string{"status>=200", `!"slow"`, "level>=info", `|> level=error msg="order <_>" status=<_> dur=<_>`}
	if got := chipTexts(p); !slices.Equal(got, want) || !slices.Equal(shown(p), structuredLines[2:3]) {
		t.Fatalf("chips %q, shown %q", got, shown(p))
	}
	if s := strings.Split(screen(t, p), "\n")[1]; !strings.Contains(s, "[status>=200]") || !strings.Contains(s, `[!"slow"]`) {
		t.Errorf("chips' line: %s", s)
	}
	if !p.TakeOff(`!"slow"`) || p.TakeOff(`!"slow"`) {
		t.Error("a part is taken off once")
	}
	for _, last := range []string{want[3], want[2], want[0], ""} {
		if got := p.TakeOffLast(); got != last {
			t.Errorf("took %q off, want %q", got, last)
		}
	}
	settle(t, p)
	if !p.Filter().Zero() || len(shown(p)) != len(structuredLines) {
		t.Errorf("left: %+v", p.Filter())
	}
	must(t, p.AddPattern("nothing <_>", true))
	settle(t, p)
	if n := len(shown(p)); n != len(structuredLines)-1 {
		t.Errorf("%d shown with a pattern hidden", n)
	}
}

func TestFieldInput(t *testing.T) {
	p := newPane(Options{})
	feed(t, p, structured(structuredLines...)...)
	p.StartInput(InputFilter)
	p.UpdateInput(tea.PasteMsg{Content: "status>=500"})
	must(t, p.AcceptInput())
	p.StartInput(InputFilter)
	p.UpdateInput(tea.PasteMsg{Content: "order"})
	must(t, p.AcceptInput())
	settle(t, p)
	if got := chipTexts(p); !slices.Equal(got, []string{"status>=500", `"order"`}) || len(shown(p)) != 1 {
		t.Errorf("chips %q, shown %q", got, shown(p))
	}
	p.StartInput(InputFilter)
	p.UpdateInput(tea.PasteMsg{Content: "x=y"})
	p.CancelInput()
	if got := chipTexts(p); len(got) != 2 {
		t.Errorf("after esc: %q", got)
	}
}

func TestFieldColumns(t *testing.T) {
	p := newPane(Options{})
	p.SetSize(120, 20)
	feed(t, p, structured(structuredLines...)...)
	p.SetFieldColumns([]string{"status", "dur"})
	settle(t, p)
	s := strings.Split(screen(t, p), "\n")
	if !strings.Contains(s[1], "status dur") || !strings.Contains(s[1], "MESSAGE") {
		t.Errorf("no heading: %q", s[1])
	}
	if row := s[3]; !strings.Contains(row, "200    1.2s") || strings.Contains(row, "status=") {
		t.Errorf("row: %q", row)
	}
	p.SetFieldColumns(nil)
	settle(t, p)
	if s := screen(t, p); !strings.Contains(s, "status=200") || strings.Contains(s, "MESSAGE") {
		t.Errorf("columns stay: %s", s)
	}
}

// A bookmark finds its line again after another page was loaded in its place.
func TestMarksSurvivePaging(t *testing.T) {
	p := newPane(Options{})
	feed(t, p, numbered(0, 100)...)
	p.Top()
	p.Move(30)
	p.ToggleBookmark()
	marks := p.Marks()
	p.Reset()
	feed(t, p, numbered(5000, 50)...)
	if away, ok := p.NextBookmark(); !ok || away == nil || !away.At.Equal(marks[0].At) {
		t.Fatalf("away %v, %v", away, ok)
	}
	p.Reset()
	feed(t, p, numbered(10, 50)...)
	if p.SelectMark(marks[0]); selected(p) != "line 000030" {
		t.Errorf("at %s", selected(p))
	}
	if !strings.Contains(screen(t, p), "▪") {
		t.Error("the mark is not drawn")
	}
}

func TestReach(t *testing.T) {
	p := newPane(Options{})
	feed(t, p, numbered(0, 5000)...)
	p.CutBefore(line(3210, "").Time)
	settle(t, p)
	checkBuffer(t, p.buf)
	if got := shown(p); len(got) != 1790 || got[0] != "line 003210" {
		t.Errorf("%d left, from %s", len(got), got[0])
	}
	before := p.Status().Rate
	p.Extend(sources.LogPage{Entries: numbered(5000, 100)})
	settle(t, p)
	checkBuffer(t, p.buf)
	if got := shown(p); len(got) != 1890 || p.Status().Rate != before {
		t.Errorf("%d, rate %v", len(got), p.Status().Rate)
	}
	p.Top()
	first, last := p.Screen()
	if !first.Equal(line(3210, "").Time) || !last.After(first) || p.AtBottom() {
		t.Errorf("on the screen %v to %v", first, last)
	}
	p.Bottom()
	if !p.AtBottom() || !p.Covers(line(4000, "").Time) || p.Covers(line(9000, "").Time) {
		t.Error("bottom, or what is covered")
	}
	e := line(4000, "line 004000")
	if !p.SelectEntry(e) || selected(p) != "line 004000" {
		t.Errorf("at %s", selected(p))
	}
	if !p.SelectTime(e.Time.Add(time.Microsecond)) || selected(p) != "line 004000" {
		t.Errorf("at %s", selected(p))
	}
	p.CutBefore(line(9000, "").Time)
	settle(t, p)
	if len(shown(p)) != 0 || p.Status().Total != 0 {
		t.Errorf("%d left", len(shown(p)))
	}
	checkBuffer(t, p.buf)
}

// FuzzFieldValue: the quick look-up says what taking the line apart says.
func FuzzFieldValue(f *testing.F) {
	for _, l := range structuredLines {
		f.Add(l, "status")
	}
	f.Add(`{"a":"b\"c","d":[1,{"e":2}],"f":null}`, "f")
	f.Add(`a="x y" b= c="\n"`, "c")
	f.Fuzz(func(t *testing.T, line, key string) {
		v, ok := fieldValue(line, key)
		fields, structured := parseFields(line)
		if key == "" || !structured || strings.ContainsAny(key, "_.\\\"") {
			return
		}
		at := slices.IndexFunc(fields, func(x field) bool { return x.key == key })
		if at < 0 {
			return // the quick look does not judge the line as a whole
		}
		if strings.ContainsAny(line, "\\\x00\x01\x02\x7f\ufffd") || strings.ContainsFunc(line, func(r rune) bool { return r < ' ' || r == '\ufffd' }) {
			return // strange escapes are read by one as text and by the other not at all
		}
		if !ok || v != fields[at].value {
			t.Fatalf("%q of %q: %q %v, taken apart %q", key, line, v, ok, fields[at].value)
		}
	})
}
