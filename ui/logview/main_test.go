package logview

import (
	"fmt"
	"testing"
	"time"

	"github.com/charmbracelet/x/ansi"
	"go.uber.org/goleak"

	"quarterdeck/sources"
	"quarterdeck/ui/theme"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var start = time.Date(2026, 11, 24, 8, 14, 29, 123e6, time.UTC)

var web = &sources.Stream{Service: "shop_web", Stack: "shop", Task: "shop_web.2.x7k2pq9", Node: "node-1", Source: "loki"}

var api = &sources.Stream{Service: "shop_api", Stack: "shop", Task: "shop_api.1.aa1bb2", Node: "node-2", Source: "loki"}

func at(ms int) time.Time { return start.Add(time.Duration(ms) * time.Millisecond) }

func line(ms int, text string) sources.Entry {
	return sources.Entry{Time: at(ms), Line: text, Level: sources.LevelInfo, Stream: web}
}

// numbered makes n lines a millisecond apart from number from on.
func numbered(from, n int) []sources.Entry {
	out := make([]sources.Entry, n)
	for i := range out {
		out[i] = line(from+i, fmt.Sprintf("line %06d", from+i))
	}
	return out
}

func newPane(o Options) *Pane {
	o.Location = time.UTC
	p := New(o)
	p.SetSize(80, 20)
	return p
}

// settle runs Sync and its commands until all is known.
func settle(tb testing.TB, p *Pane) {
	tb.Helper()
	cmd := p.Sync(start.Add(time.Minute))
	for n := 0; cmd != nil; n++ {
		if n > 1e6 {
			tb.Fatal("scanning does not end")
		}
		cmd = p.ApplyScan(cmd().(ScanMsg))
	}
	if got := p.Status().Progress; got != 1 {
		tb.Fatalf("nothing to do, and progress %v", got)
	}
}

func styles(tb testing.TB, name string) theme.Styles {
	tb.Helper()
	s, err := theme.New(name, true)
	if err != nil {
		tb.Fatal(err)
	}
	return s
}

// shown are the texts of the rows that pass the filter.
func shown(p *Pane) []string {
	var out []string
	for i := range p.list.len() {
		c, r := p.list.row(i)
		out = append(out, c.text(r))
	}
	return out
}

func selected(p *Pane) string {
	if e := p.Selected(); e != nil {
		return e.Line
	}
	return "(none)"
}

// screen is the pane drawn without colours.
func screen(tb testing.TB, p *Pane) string {
	tb.Helper()
	return ansi.Strip(p.View(styles(tb, "none")))
}
