package actions

import (
	"context"
	"maps"
	"testing"
	"testing/synctest"

	"quarterdeck/sources"
)

// movedOn is a swarm with a lock whose version has moved on the first few times that somebody changes it.
type movedOn struct {
	sources.Workbench
	labels    map[string]string
	conflicts int
	rival     string // takes the lock when the first conflict is answered
}

func (m *movedOn) ReadConfig(context.Context, string) (sources.ConfigState, error) {
	c := sources.ConfigState{Version: 1}
	c.Labels = maps.Clone(m.labels)
	return c, nil
}

func (m *movedOn) RelabelConfig(_ context.Context, _ string, _ uint64, labels map[string]string) error {
	if m.conflicts > 0 {
		m.conflicts--
		if m.rival != "" {
			m.labels[labelHolder] = m.rival
		}
		return &sources.Error{Source: "swarm", Kind: sources.Conflict, Op: "label config"}
	}
	m.labels = labels
	return nil
}

// TestLockThatHasMovedOn: a version that has moved on is read again while the lock is this process's, and nobody's lock is changed who has it meanwhile.
func TestLockThatHasMovedOn(t *testing.T) {
	for _, x := range []struct {
		name      string
		conflicts int
		rival     string
		take, ok  bool
	}{
		{name: "ours still", conflicts: 3, ok: true},
		{name: "without end", conflicts: 1000},
		{name: "taken meanwhile", conflicts: 1, rival: "another"},
		{name: "two take it over", conflicts: 1, rival: "another", take: true},
	} {
		t.Run(x.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				m := &movedOn{conflicts: x.conflicts, rival: x.rival}
				r := &Running{d: &Deck{Bench: m}, id: "run", plan: &Plan{Recovery: &RecoveryChange{Service: "shop_db"}}}
				m.labels = map[string]string{runLabel: "run", labelHolder: r.holder()}
				err := r.relabel(t.Context(), map[string]string{labelPhase: "restore"}, x.take)
				if (err == nil) != x.ok {
					t.Errorf("the error is %v", err)
				}
				if changed := m.labels[labelPhase] == "restore"; changed != x.ok {
					t.Errorf("changed: %v", changed)
				}
				if x.rival != "" && m.labels[labelHolder] != x.rival {
					t.Errorf("the lock is of %q", m.labels[labelHolder])
				}
			})
		})
	}
}
