package logview

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"quarterdeck/sources"
)

// marked is numbered lines of which each n-th bears the word rare.
func marked(from, n, every int) []sources.Entry {
	out := numbered(from, n)
	for i := range out {
		if (from+i)%every == 0 {
			out[i].Line += " rare"
		}
	}
	return out
}

// TestFilterStaysBeforeTheMoment: a filter that hides the selected line selects the nearest one before it, on the screen; without it the line is selected again.
func TestFilterStaysBeforeTheMoment(t *testing.T) {
	for _, static := range []bool{false, true} {
		t.Run(fmt.Sprintf("static %v", static), func(t *testing.T) {
			p := newPane(Options{})
			feed(t, p, marked(1000, 5000, 500)...)
			p.SetStatic(static)
			p.SelectTime(at(3499))
			settle(t, p)
			if selected(p) != "line 003499" {
				t.Fatalf("selected %q", selected(p))
			}
			for _, c := range []struct{ filter, want string }{
				{"rare", "line 003000 rare"}, {"003", "line 003499"}, {"line 0035", "line 003500 rare"}, {"rare", "line 003000 rare"}, {"line 002", "line 002999"},
			} {
				if err := p.SetFilter(Filter{Include: []Term{{Text: c.filter}}}); err != nil {
					t.Fatal(err)
				}
				settle(t, p)
				if got := selected(p); got != c.want || !strings.Contains(screen(t, p), c.want) {
					t.Errorf("filter %q: selected %q, want %q on the screen:\n%s", c.filter, got, c.want, screen(t, p))
				}
			}
			if err := p.SetFilter(Filter{}); err != nil {
				t.Fatal(err)
			}
			settle(t, p)
			if got := selected(p); got != "line 003499" || !strings.Contains(screen(t, p), got) {
				t.Errorf("without a filter: %q:\n%s", got, screen(t, p))
			}
		})
	}
}

// TestFilterWaitsForOlder: where no loaded line before the moment passes, one that comes with an older page is selected and seen.
func TestFilterWaitsForOlder(t *testing.T) {
	p := newPane(Options{})
	late := numbered(3000, 3000)
	for i := range late[500:] {
		late[500+i].Line += " rare"
	}
	feed(t, p, late...)
	p.SetStatic(true)
	p.SelectTime(at(3400))
	if err := p.SetFilter(Filter{Include: []Term{{Text: "rare"}}}); err != nil {
		t.Fatal(err)
	}
	settle(t, p)
	if selected(p) != "line 003500 rare" {
		t.Fatalf("selected %q", selected(p))
	}
	older := marked(1000, 2000, 500)
	p.Prepend(sources.LogPage{Entries: slices.Clip(older)})
	settle(t, p)
	if got := selected(p); got != "line 002500 rare" || !strings.Contains(screen(t, p), got) {
		t.Errorf("selected %q:\n%s", got, screen(t, p))
	}
}
