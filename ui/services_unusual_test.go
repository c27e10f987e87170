package ui

import (
	"strings"
	"testing"

	"github.com/charmbracelet/x/ansi"

	"quarterdeck/sources"
	"quarterdeck/sources/fleet"
	"quarterdeck/ui/theme"
)

// TestUnusualStandsOut: a service that the swarm calls healthy, whose figures are far from its own normal, is marked in the figure's own cell by a
// sign that needs no colour, stands above the healthy ones and counts in the header.
func TestUnusualStandsOut(t *testing.T) {
	s := judgedServices(nil, nil)
	c := s.Services[2]
	c.LineRate, c.MemoryNow, c.Unusual = 670, 383<<20, fleet.Unusual{Lines: true, UsualLines: 5, Memory: true}
	c.Running, c.Resources.LimitBytes = 1, 384<<20
	var p servicesPane
	p.arrange(s, noon)
	if p.ids[0] != "c" || p.selected() != "c" {
		t.Errorf("rows %v, cursor on %s", p.ids, p.selected())
	}
	st, err := theme.New("none", true)
	if err != nil {
		t.Fatal(err)
	}
	widths := make([]int, colAge+1)
	for i, col := range serviceColumns(false) {
		widths[i] = col.width
	}
	cells := serviceCells(st, s, c, widths)
	for at, want := range map[int]string{colMemory: "!383MiB", colLines: "!670", colErrors: "0", colState: "● healthy !"} {
		if cells[at].text != want {
			t.Errorf("column %d says %q, not %q", at, cells[at].text, want)
		}
	}
	if n, by := needLook(s); n != 1 || by[fleet.Healthy] != 1 {
		t.Errorf("%d need a look: %v", n, by)
	}
	if got := strings.Join(unusualWords(c), "; "); got != "memory 383MiB, near its limit: 384MiB; writes 670 lines/s, usually 5.0" {
		t.Error(got)
	}
}

func TestStrikingKeepsItsWidth(t *testing.T) {
	st, err := theme.New("none", true)
	if err != nil {
		t.Fatal(err)
	}
	for text, want := range map[string]string{"99.9": "!99.9", "12.34": "!12.3", "1.25GiB": "!1.25"} {
		if got := striking(st, cell{text: text}, 5).text; got != want {
			t.Errorf("%s becomes %q, not %q", text, got, want)
		}
	}
}

// TestAlertsAndNodesAreNamed: at every size the overview says which alert fires, of what, and which node is lost; a count says neither.
func TestAlertsAndNodesAreNamed(t *testing.T) {
	for _, size := range [][2]int{{80, 24}, {120, 40}, {160, 48}} {
		f := filled()
		w := world()
		w.Nodes[2].State, w.Nodes[2].Message = "down", "heartbeat failure"
		f.Fold(sources.Change{World: w})
		m, _ := console(t, size[0], size[1], func(o *Options) { o.Fleet = f })
		frame := ansi.Strip(m.Frame())
		for _, want := range []string{"ServiceDown", "✗ nodes 2/3", "node node3 is down since", "heartbeat failure"} {
			if !strings.Contains(frame, want) {
				t.Errorf("%v: %q is not on the screen\n%s", size, want, frame)
			}
		}
	}
}
