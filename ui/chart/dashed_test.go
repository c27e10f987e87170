package chart

import (
	"strings"
	"testing"
	"time"

	"github.com/charmbracelet/x/ansi"

	"quarterdeck/sources"
	"quarterdeck/ui/theme"
)

// TestDashed: a threshold that moves stands at the height that it has at each time, gives way to the lines, and does not press them down when it is far above them.
func TestDashed(t *testing.T) {
	step := []sources.Point{{T: t0, V: 1}, {T: t0.Add(15 * time.Minute), V: 1}, {T: t0.Add(30 * time.Minute), V: 2}, {T: t0.Add(45 * time.Minute), V: 2}, {T: t0.Add(time.Hour), V: 2}}
	for _, x := range []struct {
		name  string
		ascii bool
		dash  string
	}{{theme.None, false, "╌"}, {theme.Dark, false, "╌"}, {theme.None, true, "-"}} {
		s := base(t)
		s.Styles, s.ASCII = styles(t, x.name), x.ascii
		s.Series = []Series{{Name: "cpu", Points: wave(120, time.Hour, func(float64) float64 { return 0.8 })}, {Name: "target", Points: step, Dashed: true, Style: s.Styles.Limit}}
		lines := strings.Split(ansi.Strip(Line(s)), "\n")
		if !strings.Contains(lines[0], x.dash+" target 2") || strings.Contains(lines[0], "2 target") {
			t.Errorf("legend %q", lines[0])
		}
		var rows []int
		for i, l := range lines[1 : len(lines)-2] {
			if n := strings.Count(l, x.dash); n > 20 && n < 50 {
				rows = append(rows, i)
				half := len([]rune(l)) / 2
				if left := strings.Count(string([]rune(l)[:half]), x.dash) > 15; left == (len(rows) == 1) {
					t.Errorf("row %d is on the wrong side: %q", i, l)
				}
			}
		}
		if len(rows) != 2 && !x.ascii { // of ASCII the line itself is dashes as well
			t.Errorf("%d rows have it:\n%s", len(rows), strings.Join(lines, "\n"))
		}
	}
	far := base(t)
	far.Series = []Series{{Name: "cpu", Points: wave(120, time.Hour, func(x float64) float64 { return x / 10 })}, {Name: "target", Points: step, Dashed: true}}
	out := ansi.Strip(Line(far))
	if strings.Count(out, "╌") > 1 || !strings.Contains(out, "0.05") || !strings.Contains(out, "↑ target 2") {
		t.Errorf("it is drawn at twenty times the values:\n%s", out)
	}
	gap := base(t)
	gap.Series = []Series{{Name: "cpu", Points: wave(120, time.Hour, func(float64) float64 { return 0.4 })},
		{Name: "target", Points: wave(11, 10*time.Minute, func(float64) float64 { return 1 }), Dashed: true}}
	if n := strings.Count(ansi.Strip(Line(gap)), "╌"); n < 8 || n > 20 {
		t.Errorf("%d dashes, for a sixth of the time", n)
	}
}
