package actions

import (
	"context"
	"crypto/rand"
	"maps"
	"sync"
	"time"

	"quarterdeck/sources"
)

// Who has something in hand is told by the labels of a config: the holder is a word that each process makes anew, and the beat changes as long as that process
// lives. Clocks of different machines are never compared: somebody who wants to take it over looks whether the config changes.
const (
	labelHolder = "qd.holder"
	labelBeat   = "qd.beat"

	// beatEvery is how often a living process changes the labels; deadAfter how long another waits for such a change before it takes the process for dead.
	beatEvery = 10 * time.Second
	deadAfter = 35 * time.Second
)

// hold is a config that one process at a time has in hand: the lock of a service, or the lease of the agents. It is changed against its version, so that of two
// that want it at the same moment one has it.
type hold struct {
	bench sources.Workbench
	name  string
	owner string // who that is, for people
	token string // the holder's word for itself
	// other says why the config is not what is held, but another one of that name; nil: it is.
	other func(*sources.ConfigState) error
	// patient tries again while no manager answers.
	patient func(ctx context.Context, f func() error) error
	mu      sync.Mutex // one at a time changes the labels
}

// newHold makes a hold of a config that need not be there yet.
func newHold(bench sources.Workbench, name, owner string) *hold {
	return &hold{bench: bench, name: name, owner: owner, token: rand.Text(), other: func(*sources.ConfigState) error { return nil }, patient: persist}
}

// mine tells whether the config names this process as its holder.
func (h *hold) mine(c *sources.ConfigState) bool { return c.Labels[labelHolder] == h.token }

// relabel changes labels, if this process still has it.
func (h *hold) relabel(ctx context.Context, change map[string]string) error {
	h.mu.Lock() // the beat and the steps change the same labels
	defer h.mu.Unlock()
	for try := 0; ; try++ {
		err := h.patient(ctx, func() error {
			c, err := h.read(ctx)
			switch {
			case err != nil:
				return err
			case !h.mine(c):
				return &Refusal{h.name + " was taken over by " + orWords(c.Labels[labelOwner], "somebody") + ", and goes on there"}
			}
			return h.label(ctx, c, change)
		})
		// The version has moved on: by a change of ours whose answer was lost, or a manager is behind. Whether it is still ours is read again.
		if sources.KindOf(err) != sources.Conflict || try >= sequenceTries || !pause(ctx, time.Second) {
			return err
		}
	}
}

// take makes it this process's, if it is as it was when it was seen: whoever has changed it since lives.
func (h *hold) take(ctx context.Context, seen *sources.ConfigState) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	sent := false
	return h.patient(ctx, func() error {
		if sent { // a try whose answer was lost
			if c, err := h.read(ctx); err != nil || h.mine(c) {
				return err
			}
		}
		sent = true
		return h.label(ctx, seen, map[string]string{labelHolder: h.token, labelOwner: h.owner})
	})
}

// release lets go of it: the next one need not wait.
func (h *hold) release(ctx context.Context) error {
	return h.relabel(ctx, map[string]string{labelHolder: ""})
}

func (h *hold) read(ctx context.Context) (*sources.ConfigState, error) {
	c, err := h.bench.ReadConfig(ctx, h.name)
	if sources.KindOf(err) == sources.NotFound {
		return nil, &Refusal{h.name + " is gone: somebody has removed it, and nothing more is done"}
	}
	if err == nil {
		err = h.other(&c)
	}
	return &c, err
}

// label changes labels of the config as it was read. Nothing is sent where nothing differs.
func (h *hold) label(ctx context.Context, c *sources.ConfigState, change map[string]string) error {
	labels := maps.Clone(c.Labels)
	if labels == nil {
		labels = map[string]string{}
	}
	maps.Copy(labels, change)
	if maps.Equal(labels, c.Labels) {
		return nil
	}
	return h.bench.RelabelConfig(ctx, c.ID, c.Version, labels)
}

// vigil watches whether something that another holds still changes.
type vigil struct {
	version uint64
	since   time.Time // by our own clock, when that version was seen first
}

// silent tells whether nobody has it in hand any more: it was let go of, or has not changed for deadAfter.
func (v *vigil) silent(c *sources.ConfigState, now time.Time) bool {
	if v.since.IsZero() || v.version != c.Version {
		v.version, v.since = c.Version, now
	}
	return c.Labels[labelHolder] == "" || now.Sub(v.since) >= deadAfter
}
