package ui

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/charmbracelet/x/ansi"

	"quarterdeck/sources"
	"quarterdeck/sources/fleet"
	"quarterdeck/ui/chart"
)

// allKinds are all kinds of happenings, with the family that shares a sign.
var allKinds = map[string]string{
	fleet.DeployStarted: "deploy", fleet.DeployDone: "deploy", fleet.DeployPaused: "deploy", fleet.RolledBack: "deploy", fleet.Scaled: "deploy", fleet.Created: "deploy", fleet.Removed: "deploy",
	fleet.TaskStarted: "start", fleet.TaskDied: "death", fleet.HealthChanged: "health", fleet.NodeChanged: "node", fleet.AlertFiring: "alert", fleet.AlertResolved: "resolved",
	fleet.SilenceBegun: "silence", fleet.SilenceEnded: "silence", fleet.SourceChanged: "source", fleet.ActionBegun: "action", fleet.ActionEnded: "action",
	fleet.Annotated: "mark", fleet.SnapshotTaken: "backup", fleet.Drilled: "backup", fleet.Restored: "backup", fleet.IncidentPhase: "incident", fleet.CheckTurned: "check", fleet.OtherHappening: "other",
}

// TestOneSignAKind: a family has one sign, whether it went well or not, no other has it, and it is what the charts draw.
func TestOneSignAKind(t *testing.T) {
	for _, kinds := range happeningSorts {
		for _, k := range kinds.kinds {
			if allKinds[k] == "" {
				t.Errorf("%s is not looked at by this test", k)
			}
		}
	}
	for _, ascii := range []bool{false, true} {
		m, _ := console(t, 120, 40, func(o *Options) { o.ASCII, o.NoColor = ascii, true })
		family := map[string]string{}
		for kind, name := range allKinds {
			good, _ := m.kindStyle(kind, false)
			bad, _ := m.kindStyle(kind, true)
			if good != bad || ansi.StringWidth(good) != 1 {
				t.Errorf("%s is %q, and %q where it went badly", kind, good, bad)
			}
			if other := family[good]; other != "" && other != name {
				t.Errorf("ascii %v: %s and %s have the sign %q", ascii, name, other, good)
			}
			family[good] = name
			if k := signOf(kind); k.marked && chart.MarkSign(m.st, k.mark) != good {
				t.Errorf("%s is %q on charts and %q elsewhere", kind, chart.MarkSign(m.st, k.mark), good)
			}
		}
	}
}

// rolledBack puts a deploy that was rolled back into the history, told of by the swarm, by a run and by a mark on a dashboard.
func rolledBack(r *rig) {
	at := noon.Add(-30 * time.Minute)
	for _, h := range []fleet.Happening{
		{Time: at, Kind: fleet.DeployStarted, Service: "shop_web", Text: "web:1 → web:2", Source: fleet.SwarmName},
		{Time: at.Add(90 * time.Second), Kind: fleet.RolledBack, Service: "shop_web", Text: "update rolled back", Source: fleet.SwarmName, Bad: true, Began: at},
		{Time: at.Add(-time.Second), Kind: fleet.ActionBegun, Service: "shop_web", Target: "shop_web", Run: "r1", Action: "redeploy", Actor: "ada", Text: "ada: redeploy shop_web begun", Source: "journal"},
		{Time: at.Add(2 * time.Second), Kind: fleet.Annotated, Text: "shop_web 2 goes out", Source: "grafana"},
	} {
		r.o.Fleet.Note(h)
	}
	r.send(wakeMsg{snap: r.o.Fleet.Snapshot()})
}

// TestTheStripShowsRowsOnce: what three sources tell of is one mark and one line, of the sign that the list has.
func TestTheStripShowsRowsOnce(t *testing.T) {
	r := newRig(t, 160, 48, nil)
	rolledBack(r)
	r.press("1")
	r.when.set(noon.Add(-20*time.Minute), noon)
	r.send(wakeMsg{snap: r.o.Fleet.Snapshot()})
	lines := strings.Split(r.screen(), "\n")
	at := slices.IndexFunc(lines, func(l string) bool { return strings.Contains(l, "timeline, ") })
	if at < 0 {
		t.Fatalf("no strip:\n%s", r.screen())
	}
	strip := strings.Join(lines[at+2:at+5], "\n")
	if n := strings.Count(strip, "shop_web"); n != 1 || !strings.Contains(strip, "◆ rolled back") || !strings.Contains(strip, "by ada") {
		t.Errorf("the deploy is told %d times:\n%s", n, strip)
	}
	if row := lines[at+1]; strings.ContainsAny(row, "▸◌") || strings.Count(row, "◆") < 1 {
		t.Errorf("the strip: %s", row)
	}
	r.press("6")
	s := r.screen()
	if !strings.Contains(s, "◆ rolled back") {
		t.Errorf("the list has another sign:\n%s", s)
	}
	for row := range strings.SplitSeq(s, "\n") {
		if strings.Contains(row, "◆ rolled back") && (strings.Count(row, "rolled back") != 1 || strings.Contains(row, "shop_web") != strings.Contains(row, "back after 1 min 30 s")) {
			t.Errorf("what its kind says is said again, or how long it took is not told:\n%s", row)
		}
	}
	// As it was known a minute after it began.
	r.press("1")
	r.when.set(noon.Add(-29*time.Minute), noon)
	r.send(wakeMsg{snap: r.o.Fleet.Snapshot()})
	lines = strings.Split(r.screen(), "\n")
	if strip := strings.Join(lines[at+3:at+5], "\n"); strings.Contains(strip, "rolled back") {
		t.Errorf("a minute after it began it is told that it was rolled back:\n%s", strip)
	}
}

// TestTheMarkUnderTheCursorIsTold: on the strip and on the charts, on the cell of the mark and on those beside it, and no further.
func TestTheMarkUnderTheCursorIsTold(t *testing.T) {
	for _, size := range sizes {
		r := newRig(t, size[0], size[1], nil)
		rolledBack(r)
		start, end := noon.Add(-time.Hour), noon
		deploy := noon.Add(-30 * time.Minute)
		r.press("4")
		cell := end.Sub(start) / time.Duration(r.chartPoints()/2)
		for _, c := range []struct {
			off  time.Duration
			told bool
		}{{0, true}, {cell, true}, {-cell, true}, {3 * cell, false}, {-3 * cell, false}} {
			r.when.set(deploy.Add(c.off), noon)
			r.when.end = end
			r.send(wakeMsg{snap: r.o.Fleet.Snapshot()})
			title := strings.Split(r.screen(), "\n")[2]
			if strings.Contains(title, ": ◆ 11:30:00 rolled back") != c.told {
				t.Errorf("%v, %s off the deploy: %s", size, c.off, title)
			}
		}
		r.gotoService("shop_api")
		r.when.set(deploy, noon)
		r.send(wakeMsg{snap: r.o.Fleet.Snapshot()})
		if title := strings.Split(r.screen(), "\n")[2]; strings.Contains(title, "rolled back") {
			t.Errorf("%v: another service's deploy on the charts of shop_api: %s", size, title)
		}
		checkFrame(t, r.Model)
		r.press("1")
		if size[0] < wideWidth {
			continue
		}
		if s := r.screen(); !strings.Contains(s, "│11:30:00 ◆ rolled back") || strings.Count(s, "◆ rolled back") != 1 {
			t.Errorf("%v: the strip does not tell of the mark once:\n%s", size, s)
		}
		checkFrame(t, r.Model)
	}
}

// TestNodeMarksConcernAll: a node's change is a mark on each service's charts.
func TestNodeMarksConcernAll(t *testing.T) {
	r := newRig(t, 120, 40, nil)
	r.o.Fleet.Note(fleet.Happening{Time: noon.Add(-10 * time.Minute), Kind: fleet.NodeChanged, Node: "node2", Text: "label disk=ssd taken away", Source: fleet.SwarmName})
	r.send(wakeMsg{snap: r.o.Fleet.Snapshot()})
	for _, service := range []string{"shop_web", "shop_api"} {
		marks := r.chartMarks(service, sources.Window{Start: noon.Add(-time.Hour), End: noon})
		if !slices.ContainsFunc(marks, func(x chart.Mark) bool { return x.Kind == chart.MarkNode && x.Label == "label disk=ssd taken away" }) {
			t.Errorf("%s: %+v", service, marks)
		}
	}
}
