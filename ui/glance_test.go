package ui

import (
	"strings"
	"testing"

	"github.com/charmbracelet/x/ansi"

	"quarterdeck/sources"
)

func bottomLine(m *Model) string {
	lines := strings.Split(ansi.Strip(m.Frame()), "\n")
	return lines[len(lines)-1]
}

// TestAKeyThatMeansNothingSaysSo: nobody waits for what does not come.
func TestAKeyThatMeansNothingSaysSo(t *testing.T) {
	m, _ := console(t, 80, 24, nil)
	press(t, m, "9", "d")
	if got := bottomLine(m); !strings.Contains(got, "d (Services: what changed) means nothing in the nodes") {
		t.Errorf("%q", got)
	}
	press(t, m, "1", "Y")
	if got := bottomLine(m); !strings.Contains(got, "Y means nothing in the services; ? lists what does") {
		t.Errorf("%q", got)
	}
}

// TestTheLastLineBelongsToTheBox: below an open box no key stands that means something else in it.
func TestTheLastLineBelongsToTheBox(t *testing.T) {
	for _, size := range [][2]int{{80, 24}, {120, 40}, {160, 48}} {
		for _, key := range []string{"?", ":", "R"} {
			m, _ := console(t, size[0], size[1], nil)
			press(t, m, key)
			if m.overlay == nil {
				continue
			}
			if got := bottomLine(m); !strings.Contains(got, m.overlay.title()+": its keys stand in the box") {
				t.Errorf("%v, %s: %q", size, key, got)
			}
		}
	}
}

// TestALongReasonHasTwoLines: what the orchestrator says of a fault ends with what it is: of 80 columns that must not be the part that is cut.
func TestALongReasonHasTwoLines(t *testing.T) {
	f := filled()
	w := world()
	for i := range w.Tasks {
		if w.Tasks[i].State == sources.TaskFailed {
			w.Tasks[i].Err = "starting container failed: error while mounting volume: no such device of the name /dev/mapper/payments"
		}
	}
	f.Fold(sources.Change{World: w})
	m, _ := console(t, 80, 24, func(o *Options) { o.Fleet = f })
	frame := ansi.Strip(m.Frame())
	if !strings.Contains(frame, "/dev/mapper/payments") {
		t.Errorf("the fault itself is cut:\n%s", frame)
	}
}
