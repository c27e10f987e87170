package ui

import (
	"testing"

	tea "charm.land/bubbletea/v2"

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
		p.arrange(step.snap)
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
