package actions

import (
	"context"
	"maps"
	"testing"
	"testing/synctest"
	"time"

	"quarterdeck/sources"
)

// movedOn is a swarm with a lock whose version has moved on the first few times that somebody changes it.
type movedOn struct {
	sources.Workbench
	labels    map[string]string
	version   uint64
	conflicts int
	rival     string // takes the lock when the first conflict is answered
}

func (m *movedOn) ReadConfig(context.Context, string) (sources.ConfigState, error) {
	c := sources.ConfigState{Version: m.version}
	c.Labels = maps.Clone(m.labels)
	return c, nil
}

func (m *movedOn) RelabelConfig(_ context.Context, _ string, version uint64, labels map[string]string) error {
	if m.conflicts > 0 || version != m.version {
		m.conflicts--
		if m.rival != "" {
			m.labels[labelHolder] = m.rival
		}
		return &sources.Error{Source: "swarm", Kind: sources.Conflict, Op: "label config"}
	}
	m.labels, m.version = labels, m.version+1
	return nil
}

// TestHoldThatHasMovedOn: a version that has moved on is read again while the hold is this process's, and nobody's is changed who has it meanwhile.
func TestHoldThatHasMovedOn(t *testing.T) {
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
				h := newHold(m, "qd-lock-shop_db", "me on here")
				m.labels = map[string]string{labelHolder: h.token}
				var err error
				if x.take {
					m.labels[labelHolder] = "the dead one"
					err = h.take(t.Context(), &sources.ConfigState{})
				} else {
					err = h.relabel(t.Context(), map[string]string{labelPhase: "restore"})
				}
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

// TestVigil: what changes is alive, what was let go of is not, and what stands still is dead once deadAfter has passed by our own clock.
func TestVigil(t *testing.T) {
	now := time.Now()
	seen := func(version uint64, holder string) *sources.ConfigState {
		c := &sources.ConfigState{Version: version}
		c.Labels = map[string]string{labelHolder: holder}
		return c
	}
	var v vigil
	for _, x := range []struct {
		after   time.Duration
		version uint64
		holder  string
		want    bool
	}{
		{0, 7, "a", false}, {deadAfter - 1, 7, "a", false}, {deadAfter, 8, "a", false}, {2*deadAfter - 1, 8, "a", false}, {2 * deadAfter, 8, "a", true}, {2 * deadAfter, 9, "b", false}, {2 * deadAfter, 10, "", true},
	} {
		if got := v.silent(seen(x.version, x.holder), now.Add(x.after)); got != x.want {
			t.Errorf("after %v, version %d of %q: %v", x.after, x.version, x.holder, got)
		}
	}
}
