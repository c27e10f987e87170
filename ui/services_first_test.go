package ui

import (
	"strings"
	"testing"
	"time"

	tea "charm.land/bubbletea/v2"
	"github.com/charmbracelet/x/ansi"

	"quarterdeck/sources"
	"quarterdeck/sources/fleet"
)

func judgedServices(health map[string]fleet.Health, firing map[string]int) *fleet.Snapshot {
	s := &fleet.Snapshot{}
	for _, name := range []string{"a", "b", "c"} {
		v := &fleet.Service{Service: sources.Service{Name: name}}
		v.Health, v.Firing = fleet.Healthy, firing[name]
		if h, ok := health[name]; ok {
			v.Health = h
		}
		s.Services = append(s.Services, v)
	}
	return s
}

// TestTheWorstIsUnderTheCursorAtFirst: a console that nobody has touched is about the worst service, and stays on it when it gets well; once it is
// touched no news moves the cursor.
func TestTheWorstIsUnderTheCursorAtFirst(t *testing.T) {
	var p servicesPane
	for i, step := range []struct {
		snap *fleet.Snapshot
		want string
		pin  bool
	}{
		{judgedServices(nil, nil), "a", false},
		{judgedServices(map[string]fleet.Health{"c": fleet.Degraded}, nil), "c", false},
		{judgedServices(map[string]fleet.Health{"c": fleet.Degraded, "b": fleet.Down}, nil), "b", false},
		{judgedServices(nil, nil), "b", false},
		{judgedServices(nil, map[string]int{"c": 1}), "c", false}, // it runs, and its users are hit
		{judgedServices(map[string]fleet.Health{"a": fleet.Updating}, nil), "c", false},
		{judgedServices(map[string]fleet.Health{"a": fleet.Down}, nil), "c", true},
	} {
		p.pinned = step.pin
		p.arrange(step.snap, noon)
		if got := p.selected(); got != step.want {
			t.Errorf("step %d: the cursor is on %s, not on %s", i, got, step.want)
		}
	}
}

func TestAKeyPinsTheCursor(t *testing.T) {
	for name, msg := range map[string]tea.Msg{"a key": tea.KeyPressMsg{Code: '?', Text: "?"}, "a click": tea.MouseClickMsg{X: 1, Y: 1}} {
		m, _ := console(t, 120, 40, nil)
		if m.services.pinned {
			t.Fatal("nobody has touched it")
		}
		m.Update(msg)
		if !m.services.pinned {
			t.Errorf("%s does not pin the cursor", name)
		}
	}
}

// TestUsersAreHit: what runs and has alerts that fire, and what was just scaled to 0, comes before what is well and what is updated, and its row says so.
func TestUsersAreHit(t *testing.T) {
	s := judgedServices(map[string]fleet.Health{"a": fleet.Updating, "c": fleet.Idle}, map[string]int{"b": 2})
	s.At = noon
	s.Alerts = []sources.Alert{{Name: "Slow", Service: "b", Severity: "warning", State: sources.Firing, Summary: "b is slow"}, {Name: "Errors", Service: "b", Severity: "critical", State: sources.Firing, Summary: "b fails"},
		{Name: "Other", Service: "b", Severity: "critical", State: sources.Pending}}
	c := s.Services[2]
	c.Mode, c.Updated = sources.Replicated, noon.Add(-5*time.Minute)
	s.History = []fleet.Happening{{Time: noon.Add(-5 * time.Minute), Kind: fleet.Scaled, Service: "c", Text: "2 → 0"}}
	var p servicesPane
	p.arrange(s, noon)
	if got := strings.Join(p.ids, ""); got != "bca" {
		t.Errorf("the order is %s, not b, c, a", got)
	}
	m, _ := console(t, 160, 48, nil)
	for name, want := range map[string]string{"a": "↻ updating", "b": "● healthy ■2", "c": "▲ set to 0"} {
		if got := stateCell(m.st, s, s.Services[name[0]-'a'], 12).text; got != want {
			t.Errorf("%s: %q, not %q", name, got, want)
		}
	}
	c.Updated = noon.Add(-2 * time.Hour)
	if got := stateCell(m.st, s, c, 12).text; got != "○ idle" {
		t.Errorf("at 0 for long: %q", got)
	}
	c.Updated, s.History = noon.Add(-5*time.Minute), nil
	if stopped(s, c) {
		t.Error("nothing tells that it ran")
	}
	c.CPU = []sources.Point{{T: noon.Add(-6 * time.Minute), V: 0.2}}
	if !stopped(s, c) {
		t.Error("it had figures six minutes ago")
	}
	m.snap = s
	if got := m.whyOf(s.Services[1]); got != "Errors fires: b fails (and 1 more alert)" {
		t.Errorf("why: %q", got)
	}
}

// TestRowsStandStillUnderAMovingCursor: while somebody moves, news sorts nothing; what he asks for himself is done at once, and after a rest the
// worst is first again.
func TestRowsStandStillUnderAMovingCursor(t *testing.T) {
	var p servicesPane
	p.arrange(judgedServices(nil, nil), noon)
	p.pinned, p.moved = true, noon
	p.moveTo(1)
	bad := judgedServices(map[string]fleet.Health{"c": fleet.Down}, nil)
	p.arrange(bad, noon.Add(time.Second))
	if got := strings.Join(p.ids, ""); got != "abc" || p.index != 1 {
		t.Errorf("the rows are %s, the cursor at %d", got, p.index)
	}
	p.onlyBad = true
	p.arrange(bad, noon.Add(time.Second))
	if got := strings.Join(p.ids, ""); got != "c" {
		t.Errorf("another choice was asked for: %s", got)
	}
	p.onlyBad = false
	p.arrange(bad, noon.Add(time.Second))
	p.arrange(judgedServices(nil, nil), noon.Add(time.Second))
	if got := strings.Join(p.ids, ""); got != "cab" {
		t.Errorf("they do not stand still: %s", got)
	}
	p.arrange(p.of.snap, noon.Add(restTime))
	if got := strings.Join(p.ids, ""); got != "abc" || p.selected() != "c" {
		t.Errorf("after the rest they are %s, the cursor on %s", got, p.selected())
	}
}

// TestWhatIsWorseElsewhereIsTold: a cursor that somebody has put stays, the title says what is worse, and the key goes there.
func TestWhatIsWorseElsewhereIsTold(t *testing.T) {
	for _, size := range [][2]int{{80, 24}, {120, 40}, {160, 48}} {
		m, _ := console(t, size[0], size[1], nil)
		worst := m.services.selected()
		if strings.Contains(ansi.Strip(m.Frame()), ": W") {
			t.Fatal("the cursor is on the worst")
		}
		press(t, m, "G")
		if frame := ansi.Strip(m.Frame()); !strings.Contains(frame, "✗ "+worst+" down: W goes there") && !strings.Contains(frame, "✗ "+worst+": W") {
			t.Errorf("%v: what is worse is not told:\n%s", size, frame)
		}
		m.setFilter("batch")
		m.arrange()
		press(t, m, "W")
		if got := m.services.selected(); got != worst {
			t.Errorf("the key goes to %s, not to %s", got, worst)
		}
	}
}
