package ui

import (
	"testing"

	tea "charm.land/bubbletea/v2"

	"quarterdeck/diagnosis"
)

// TestEachNextActionHasItsKey holds the diagnosis' actions against the keymap: each one that a cause may name has a key in the box of causes, that key is
// in the keymap's table, and there it means that action; the box promises none that the diagnosis does not know.
func TestEachNextActionHasItsKey(t *testing.T) {
	b := &causesBox{}
	for action := range diagnosis.Actions {
		k := actionKeys[action]
		if k == "" {
			t.Errorf("%s has no key", action)
			continue
		}
		msg := tea.KeyPressMsg{Text: k, Code: []rune(k)[0]}
		if k == "enter" {
			msg = tea.KeyPressMsg{Code: tea.KeyEnter}
		}
		got := lookup(msg, areaCauses, areaList)
		switch {
		case got == actNone:
			t.Errorf("%s: the keymap has no %q", action, k)
		case k == "enter" && got != actEnter, k != "enter" && b.stepOf(got) != action:
			t.Errorf("%s: %q does %q there", action, k, b.stepOf(got))
		}
	}
	for action := range actionKeys {
		if _, known := diagnosis.Actions[action]; !known {
			t.Errorf("the diagnosis knows no %s", action)
		}
	}
}
