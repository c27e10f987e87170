package logview

import (
	"slices"
	"strings"
	"testing"

	tea "charm.land/bubbletea/v2"

	"quarterdeck/sources"
)

var takenLines = []sources.Entry{
	line(1, `retry a=b of order 5 failed`),
	line(2, `level=info status=503 user=ann`),
	line(3, `{"msg":"paid","http":{"method":"GET"},"amount":5}`),
	{Time: at(4), Line: "plain", Stream: &sources.Stream{Service: "shop_web", Labels: map[string]string{"team": "shop"}}},
}

// What is typed is a field's comparison where such a field is known, and text else; quotes decide it.
func TestTakenAs(t *testing.T) {
	p := newPane(Options{})
	feed(t, p, takenLines...)
	p.KnowFields([]string{"tenant"})
	p.SetFieldColumns([]string{"trace"})
	for text, want := range map[string]Taken{
		"a=b": TakenUnknown, "b!=c": TakenUnknown, `"status=503"`: TakenText, "failed": TakenText, "~a=b": TakenText, "sta=503": TakenUnknown,
		"status=503": TakenField, "status!=503": TakenField, "http.method=GET": TakenField, "http_method=GET": TakenField, "amount=5": TakenField, "team=shop": TakenField,
		"service=shop_web": TakenField, "level=warn": TakenField, "tenant=x": TakenField, "trace=1": TakenField,
		`a="b"`: TakenField, "a>5": TakenField, "a=~b.*": TakenField, "a>much": TakenNoNumber,
	} {
		if _, got := p.TakenAs(text); got != want {
			t.Errorf("%s is taken as %d, want %d", text, got, want)
		}
	}
	p.Reset()
	if _, got := p.TakenAs("tenant=x"); got != TakenUnknown {
		t.Errorf("after a reset: %d", got)
	}
}

// The input says what it takes the words as, the chip says it, and a chip is switched to the other.
func TestTakenIsSaidAndSwitched(t *testing.T) {
	p := newPane(Options{})
	p.SetSize(110, 20)
	feed(t, p, takenLines...)
	typed := func(s, hint string) {
		t.Helper()
		p.StartInput(InputFilter)
		p.UpdateInput(tea.PasteMsg{Content: s})
		settle(t, p)
		if got := screen(t, p); !strings.Contains(got, hint) {
			t.Errorf("%s: %q is not said:\n%s", s, hint, got)
		}
		must(t, p.AcceptInput())
	}
	typed("a=b", `text: no line here has a field a  a="…": field`)
	if got := chipTexts(p); !slices.Equal(got, []string{`text "a=b"`}) || len(shown(p)) != 1 || !strings.HasPrefix(shown(p)[0], "retry") {
		t.Fatalf("chips %q, shown %q", got, shown(p))
	}
	if s := strings.Split(screen(t, p), "\n")[1]; !strings.Contains(s, `[text "a=b"]`) {
		t.Errorf("chips' line: %s", s)
	}
	p.ClearFilters()
	typed("status=50", "field status  in quotes: text")
	typed("3", "~regexp")
	if got := chipTexts(p); !slices.Equal(got, []string{"field status=50", `"3"`}) || len(shown(p)) != 0 {
		t.Fatalf("chips %q, shown %q", got, shown(p))
	}
	if !p.Switch("field status=50") || p.Switch(`"3"`) || p.Switch("not there") {
		t.Error("a comparison switches, text that is none does not")
	}
	settle(t, p)
	if got := chipTexts(p); !slices.Equal(got, []string{`text "status=50"`, `"3"`}) || len(shown(p)) != 1 {
		t.Fatalf("chips %q, shown %q", got, shown(p))
	}
	if !p.Switch(`text "status=50"`) {
		t.Error("text does not switch back")
	}
	settle(t, p)
	if got := chipTexts(p); !slices.Equal(got, []string{"field status=50", `"3"`}) || len(shown(p)) != 0 {
		t.Errorf("chips %q, shown %q", got, shown(p))
	}
	p.ClearFilters()
	typed(`"status=503"`, "~regexp")
	if got := chipTexts(p); !slices.Equal(got, []string{`text "status=503"`}) || len(shown(p)) != 1 {
		t.Errorf("in quotes: chips %q, shown %q", got, shown(p))
	}
}

// Looking for a field is bounded, however much is loaded.
func BenchmarkTakenAsUnknown(b *testing.B) {
	p := New(Options{})
	p.Append(sources.LogBatch{Entries: benchLines(100_000)})
	p.Sync(start)
	for b.Loop() {
		p.TakenAs("e=much")
	}
}
