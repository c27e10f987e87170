package theme

import (
	"reflect"
	"strings"
	"testing"

	"github.com/charmbracelet/x/ansi"
	"go.uber.org/goleak"

	"quarterdeck/sources"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func all(t *testing.T) []Styles {
	t.Helper()
	var out []Styles
	for _, name := range Names() {
		for _, dark := range []bool{true, false} {
			s, err := New(name, dark)
			if err != nil {
				t.Fatal(err)
			}
			if s.Name != name {
				t.Errorf("theme %s calls itself %s", name, s.Name)
			}
			out = append(out, s, s.WithASCII())
		}
	}
	return out
}

func TestNew(t *testing.T) {
	for dark, want := range map[bool]string{true: Dark, false: Light} {
		if s, err := New("", dark); err != nil || s.Name != want {
			t.Errorf("no name, dark %v: %v, %v", dark, s.Name, err)
		}
	}
	s, err := New("solarized", true)
	if err == nil || !strings.Contains(err.Error(), "dark, light, high-contrast, none") || !s.IsZero() {
		t.Errorf("an unknown theme: %v", err)
	}
}

func TestEveryStateHasASignAndAWord(t *testing.T) {
	for _, s := range all(t) {
		check := func(what string, sign, word string, _ Style) {
			if ansi.StringWidth(sign) != 1 || ansi.StringWidthWc(sign) != 1 || word == "" {
				t.Errorf("%s: %s: sign %q, word %q", s.Name, what, sign, word)
			}
			if s.ASCII && (len(sign) != 1 || sign[0] < 0x21 || sign[0] > 0x7e) {
				t.Errorf("%s: %s: %q is no ASCII", s.Name, what, sign)
			}
		}
		seen := map[string]string{}
		for _, h := range []string{"healthy", "updating", "degraded", "down", "idle", "unknown", "", "odd"} {
			sign, word, style := s.Health(h)
			check(h, sign, word, style)
			if before, ok := seen[sign]; ok && h != "" && h != "odd" {
				t.Errorf("%s: %s and %s have the sign %s", s.Name, before, h, sign)
			}
			seen[sign] = h
		}
		for _, x := range []sources.State{sources.Connecting, sources.Live, sources.Polling, sources.Reconnecting, sources.HasGap, sources.Dropped, sources.Stale,
			sources.NoAuth, sources.Denied, sources.Faulty, sources.Absent, "PAUSED", "NEW"} {
			sign, word, style := s.Source(string(x))
			check(string(x), sign, word, style)
			if word != string(x) {
				t.Errorf("the state %s is shown as %s", x, word)
			}
		}
		for _, severity := range []string{"critical", "warning", "info", "page", "", "team's own"} {
			sign, word, style := s.Severity(severity)
			check(severity, sign, word, style)
			for _, state := range []string{"firing", "pending", "suppressed", ""} {
				sign, word, style := s.Alert(state, severity)
				check(state, sign, word, style)
			}
		}
	}
}

func TestWordsOfOthersAreHarmless(t *testing.T) {
	s, _ := New(Dark, true)
	for _, f := range []func(string) (string, string, Style){s.Health, s.Severity, s.Source} {
		if _, word, _ := f("\x1b[2Jbad\nword"); word != "bad⏎word" {
			t.Errorf("word %q", word)
		}
	}
}

func TestSignsAreOneCell(t *testing.T) {
	for _, s := range all(t) {
		v := reflect.ValueOf(s.Signs)
		for i := range v.NumField() {
			sign := v.Field(i).String()
			if ansi.StringWidth(sign) != 1 || ansi.StringWidthWc(sign) != 1 || (s.ASCII && len(sign) != 1) {
				t.Errorf("%s, ASCII %v: %s is %q", s.Name, s.ASCII, v.Type().Field(i).Name, sign)
			}
		}
	}
}

func TestWithASCIILeavesTheOriginal(t *testing.T) {
	s, _ := New(Dark, true)
	a := s.WithASCII()
	a.Series[0] = a.Warn
	if s.ASCII || s.Signs.Rule != "─" || !a.ASCII || a.Signs.Rule != "-" || reflect.DeepEqual(s.Series[0], a.Series[0]) {
		t.Error("the two share something")
	}
}

func TestLevels(t *testing.T) {
	s, _ := New(Dark, true)
	if got := s.Level(sources.LevelError).Full().GetForeground(); got != s.Error.Full().GetForeground() {
		t.Errorf("error is %v", got)
	}
	if got := s.Level(200).Render("x"); got != s.Text.Render("x") {
		t.Errorf("a level from nowhere is %q", got)
	}
}

func TestPenDrawsLikeItsStyle(t *testing.T) {
	for _, s := range all(t) {
		for name, st := range map[string]Style{"error": s.Error, "selection": s.Selection, "text": s.Text, "badge": s.DemoBadge, "match": s.MatchCurrent} {
			if got, want := st.Render("some"), st.Full().Render("some"); got != want {
				t.Errorf("%s %s: %q, want %q", s.Name, name, got, want)
			}
			var b strings.Builder
			st.Pen().Write(&b, "some")
			st.Pen().Write(&b, "")
			if b.String() != st.Full().Render("some") {
				t.Errorf("%s %s: wrote %q", s.Name, name, b.String())
			}
		}
	}
}

func BenchmarkStyleRender(b *testing.B) {
	s, _ := New(Dark, true)
	for b.Loop() {
		_ = s.Error.Full().Render("down")
	}
}

func BenchmarkPenRender(b *testing.B) {
	s, _ := New(Dark, true)
	p := s.Error.Pen()
	for b.Loop() {
		_ = p.Render("down")
	}
}
