package actions

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"time"

	"github.com/sahilm/fuzzy"

	"quarterdeck/actions/journal"
	"quarterdeck/recovery"
	"quarterdeck/sources"
	"quarterdeck/sources/fleet"
)

// Deck plans and runs actions on one swarm. Hands, Fleet, Journal and Now are required; the fleet must be kept fresh by somebody else
// (fleet.Run). Safe for concurrent use.
type Deck struct {
	Hands    sources.Hands
	Fleet    *fleet.Fleet
	Journal  *journal.Journal
	Registry sources.Registry        // nil: tags cannot be listed
	Alerts   sources.Alerts          // nil: alerts cannot be silenced
	Logs     sources.Logs            // nil: a dead task's last lines are not shown
	Hooks    map[string]sources.Hook // by service or stack
	Metrics  sources.Metrics         // nil: what was used is not known, and nothing is right-sized
	Sink     sources.LogSink         // nil: the journal is not pushed
	Marks    sources.Annotator       // nil: no marks on dashboards
	// Bench, Objects and EngineLogs are for backups, drills and restores; nil: there are none. EngineLogs are the engine's own, where a runner's lines are read.
	Bench      sources.Workbench
	Objects    sources.Objects
	EngineLogs sources.Logs
	Recovery   RecoverySettings
	Policy     Policy
	Now        func() time.Time
	Logger     *slog.Logger // nil: nothing is logged
	// Heard is given each entry that is not of a run, of this machine and of the team's record, as FollowTeam reads it; some come more than
	// once. nil: nobody wants them. It must be set before FollowTeam.
	Heard func(*journal.Entry)

	history history
	publish publisher
	team    team
	// afterWrite is for tests that die at this point; nil: nothing happens.
	afterWrite func(*journal.Entry)

	mu        sync.Mutex
	runs      []*Running
	vigils    map[string]*vigil   // by run: what was seen of locks of other machines
	catalogue *recovery.Catalogue // of Objects
}

func (d *Deck) log() *slog.Logger {
	if d.Logger == nil {
		return slog.New(slog.DiscardHandler)
	}
	return d.Logger
}

// Ready waits until the fleet has been listed once, or gives the swarm's own words on why it cannot be.
func (d *Deck) Ready(ctx context.Context) (*fleet.Snapshot, error) {
	changed, stop := d.Fleet.Subscribe()
	defer stop()
	for {
		snap := d.Fleet.Snapshot()
		if snap.Ready() {
			return snap, nil
		}
		select {
		case <-ctx.Done():
			st := snap.Source(fleet.SwarmName)
			return nil, &sources.Error{Source: fleet.SwarmName, Kind: sources.Unreachable, Op: "read the swarm", Err: errors.New(orWords(st.Detail, string(st.State)))}
		case <-changed:
		}
	}
}

func orWords(s, other string) string {
	if s == "" {
		return other
	}
	return s
}

// begin reads a service that a plan is about.
func (d *Deck) begin(ctx context.Context, name string) (sources.ServiceState, error) {
	if name == "" {
		return sources.ServiceState{}, &Refusal{"no service is named"}
	}
	st, err := d.Hands.ServiceState(ctx, name)
	if err != nil {
		if sources.KindOf(err) == sources.NotFound {
			return st, d.unknownService(name)
		}
		return st, err
	}
	return st, nil
}

// unknownService names services that are spelled alike.
func (d *Deck) unknownService(name string) error {
	var all []string
	for _, s := range d.Fleet.Snapshot().Services {
		all = append(all, s.Name)
	}
	e := &sources.Error{Source: fleet.SwarmName, Kind: sources.BadQuestion, Op: "find service " + name, Next: "see `quarterdeck status` for the names there are", Err: errors.New("there is no such service")}
	if near := fuzzy.Find(name, all); len(near) > 0 {
		e.Next = "did you mean " + near[0].Str + "?"
	}
	return e
}

func (d *Deck) change(st *sources.ServiceState, after sources.Spec, key []byte) Change {
	c := Change{Service: st.Name, ID: st.ID, Stack: st.Stack, Version: st.Version, Before: st.Spec, After: after, Policy: st.Update, seen: *st}
	c.Fields = sources.Diff(st.Spec.Masked(key), after.Masked(key))
	c.Usually = d.usually(st.Name, c.Rolls())
	return c
}

// key is the journal's, which tells masked values apart. Without it masks say nothing, and that is said.
func (d *Deck) key() ([]byte, error) {
	k, err := d.Journal.Key()
	if err != nil {
		return nil, fmt.Errorf("the journal's key: %w", err)
	}
	return k, nil
}

// finish puts on a plan what holds for all: policy, runs in hand, services whose names come twice.
func (d *Deck) finish(p *Plan) *Plan {
	p.At = d.Now()
	if p.Deadline == 0 {
		p.Deadline = d.Policy.Deadline
	}
	slices.SortStableFunc(p.Changes, func(a, b Change) int { return a.Group - b.Group })
	if p.Refused == "" && p.Nothing == "" && len(p.Steps()) == 0 {
		p.Nothing = "nothing would change"
	}
	d.Policy.guard(p, p.At)
	return p
}

// whyBusy tells why a service cannot be scaled now: scaling a paused update would resume it, and one on its way would be changed in the
// middle (OPERATIONS.md, "Undo is ours").
func whyBusy(s *sources.Service) string {
	switch s.UpdateState {
	case "updating":
		return "an update is on its way: wait for it, or roll back"
	case "paused":
		return "its update is paused, and scaling would resume it: roll back or redeploy first"
	case "rollback_started":
		return "a rollback is on its way: wait for it"
	case "rollback_paused":
		return "its rollback is paused, and scaling would resume it: redeploy what should run first"
	}
	return ""
}
