package actions

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"quarterdeck/sources"
)

// Labels of what a recovery makes in the swarm. runLabel names the run.
const (
	labelService = sources.LabelService
	labelPhase   = "qd.phase"
	labelOwner   = "qd.owner"
	labelJob     = "qd.job"
)

// lockPrefix is what a lock's name begins with (OPERATIONS.md, "Restore"). A config's name has at most 64 characters (swarmkit, api/validation).
const lockPrefix = "qd-lock-"

func lockName(service string) string { return shortName(lockPrefix + service) }

// shortName is a name that fits the swarm's bound of 63 characters: what is too long ends in a digest of the whole.
func shortName(name string) string {
	if len(name) <= 63 {
		return name
	}
	sum := sha256.Sum256([]byte(name))
	return name[:50] + "-" + hex.EncodeToString(sum[:6])
}

// lockDoc is what a lock says: all that another machine needs to go on with the run.
type lockDoc struct {
	Run    string       `json:"run"`
	Action string       `json:"action"`
	Actor  string       `json:"actor"`
	Host   string       `json:"host"`
	Began  time.Time    `json:"began"`
	Why    string       `json:"why,omitempty"`
	Plan   recordedPlan `json:"plan"`
}

// recoveryLock is a service's lock as the swarm has it.
type recoveryLock struct {
	sources.ConfigState
	doc lockDoc
}

func (l *recoveryLock) run() string { return l.Labels[runLabel] }

// words say who has the service in hand, and what to do.
func (l *recoveryLock) words() string {
	phase := orWords(l.Labels[labelPhase], "its beginning")
	return fmt.Sprintf("run %s of %s has %s in hand since %s, and is at %q: watch it there, or go on with it by `quarterdeck resume %s`", l.run(),
		orWords(l.Labels[labelOwner], "somebody"), orWords(l.Labels[labelService], "the service"), l.Created.UTC().Format("2006-01-02 15:04:05Z"), phase, l.run())
}

// lockOf reads the lock of a service; nil: there is none.
func (d *Deck) lockOf(ctx context.Context, service string) (*recoveryLock, error) {
	c, err := d.Bench.ReadConfig(ctx, lockName(service))
	if sources.KindOf(err) == sources.NotFound {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	l := &recoveryLock{ConfigState: c}
	_ = json.Unmarshal(c.Data, &l.doc) // what cannot be read cannot be gone on with from here, and is said there
	return l, nil
}

// locks are all locks of the swarm.
func (d *Deck) locks(ctx context.Context) ([]*recoveryLock, error) {
	list, err := d.Hands.Materials(ctx, sources.Config)
	if err != nil {
		return nil, err
	}
	var out []*recoveryLock
	for i := range list {
		if !strings.HasPrefix(list[i].Name, lockPrefix) {
			continue
		}
		l, err := d.lockOf(ctx, list[i].Labels[labelService])
		if err != nil {
			return nil, err
		}
		if l != nil {
			out = append(out, l)
		}
	}
	return out, nil
}

func (r *Running) owner() string { return r.d.owner() }

// lock makes the service's lock. A name that is taken is refused by the swarm: of two at the same moment one has it.
func (r *Running) lock(ctx context.Context) error {
	c := r.plan.Recovery
	doc, err := json.Marshal(lockDoc{Run: r.id, Action: r.plan.Action, Actor: r.d.Policy.Actor, Host: r.d.Policy.Host, Began: r.progress.Began.UTC(), Why: r.reason,
		Plan: recordedPlan{Services: []recordedService{}, Steps: r.plan.lines(), Recovery: c}})
	if err != nil {
		return err
	}
	labels := map[string]string{runLabel: r.id, labelService: c.Service, labelPhase: "lock " + c.Service, labelOwner: r.owner(), labelHolder: r.hold.token}
	return persist(ctx, func() error {
		_, err := r.d.Hands.CreateMaterial(ctx, sources.Config, sources.Material{Name: lockName(c.Service), Labels: labels, Data: doc})
		if err == nil || sources.KindOf(err) == sources.Unreachable {
			return err
		}
		held, rerr := r.d.lockOf(ctx, c.Service)
		switch {
		case rerr != nil:
			return rerr
		case held == nil:
			return err
		case held.run() == r.id: // made by a try whose answer was lost
			return nil
		case c.Safety != "" && held.run() == r.plan.Of: // of the run that is taken back
			return r.d.Bench.RelabelConfig(ctx, held.ID, held.Version, labels)
		}
		return &Locked{held.run(), held.words()}
	})
}

// fence looks before each step that the lock is still this process's, and says in it where the run is. Whoever has taken the run over has changed the lock:
// then nothing more is done here.
func (r *Running) fence(ctx context.Context, phase string) error {
	return r.hold.relabel(ctx, map[string]string{labelPhase: phase})
}

// unlock removes the lock, if it is this run's.
func (r *Running) unlock(ctx context.Context) error {
	return persist(ctx, func() error {
		l, err := r.d.lockOf(ctx, r.plan.Recovery.Service)
		if err != nil || l == nil || l.run() != r.id {
			return err
		}
		return r.d.Hands.RemoveMaterial(ctx, sources.Config, l.ID)
	})
}
