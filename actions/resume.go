package actions

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"quarterdeck/actions/journal"
	"quarterdeck/sources"
)

// recordedPlan is a plan as the journal keeps it, from which a run that was interrupted can go on.
type recordedPlan struct {
	Services []recordedService `json:"services"`
	Steps    []string          `json:"steps"`
	Material *recordedMaterial `json:"material,omitempty"`
	Silence  *recordedSilence  `json:"silence,omitempty"`
	Recovery *RecoveryChange   `json:"recovery,omitempty"`
	Day      *DayPlan          `json:"day,omitempty"`
	Attest   *AttestChange     `json:"attest,omitempty"`
	Stack    *recordedStack    `json:"stack,omitempty"`
	Scaling  *ScalingChange    `json:"scaling,omitempty"`
	Node     *NodeChange       `json:"node,omitempty"`
	Hook     string            `json:"hook,omitempty"` // its name, never its address
	HookTag  string            `json:"hook_tag,omitempty"`
	Of       string            `json:"of,omitempty"`
	Warnings []string          `json:"warnings,omitempty"`
	Deadline float64           `json:"deadline,omitempty"` // seconds
	TakeBack bool              `json:"take_back,omitempty"`
	NoWait   bool              `json:"no_wait,omitempty"`
}

type recordedService struct {
	Name    string        `json:"name"`
	ID      string        `json:"id"`
	Stack   string        `json:"stack,omitempty"`
	Version uint64        `json:"version"`
	Before  string        `json:"before"` // hashes of masked specs
	After   string        `json:"after"`
	Group   int           `json:"group,omitempty"`
	Rolls   bool          `json:"rolls,omitempty"`
	Make    bool          `json:"make,omitempty"`   // it was not there, and Before is ""
	Remove  bool          `json:"remove,omitempty"` // it is taken away, and After is ""
	Fields  []FieldReport `json:"fields"`
}

// writeBegin keeps the specs and writes the plan down: after it the run can be found, finished and taken back, whatever happens.
func (r *Running) writeBegin() error {
	key, err := r.d.key()
	if err != nil {
		return err
	}
	p := r.plan
	rec := p.recorded()
	rec.Services, rec.Steps, rec.Of, rec.Warnings = []recordedService{}, p.lines(), p.Of, p.Warnings
	rec.Deadline, rec.TakeBack, rec.NoWait, rec.HookTag = p.Deadline.Seconds(), p.TakeBack, p.NoWait, p.HookTag
	if p.Hook != nil {
		rec.Hook = p.Hook.Name()
	}
	seen := make([]sources.ServiceState, 0, len(p.Changes))
	for i := range p.Changes {
		if !p.Changes[i].Make {
			seen = append(seen, p.Changes[i].seen)
		}
	}
	if err := r.d.observe(seen); err != nil { // what the engine remembers from before is forgotten with the first change
		return err
	}
	var before, after []SpecRef
	for i := range p.Changes {
		c := &p.Changes[i]
		s := recordedService{Name: c.Service, ID: c.ID, Stack: c.Stack, Version: c.Version, Group: c.Group, Rolls: c.Rolls(), Make: c.Make, Remove: c.Remove}
		if !c.Make {
			masked := c.Before.Masked(key)
			if err := r.d.Journal.SaveSpec(masked.Hash(), masked.JSON()); err != nil {
				return err
			}
			s.Before, before = masked.Hash(), append(before, refOf(c.Service, c.ID, c.Version, c.Before, masked))
		}
		if !c.Remove {
			masked := c.After.Masked(key)
			if err := r.d.Journal.SaveSpec(masked.Hash(), masked.JSON()); err != nil {
				return err
			}
			s.After, after = masked.Hash(), append(after, refOf(c.Service, c.ID, 0, c.After, masked))
		}
		for _, f := range c.Fields {
			s.Fields = append(s.Fields, FieldReport{c.Service, f.Field, f.Before, f.After})
		}
		rec.Services = append(rec.Services, s)
	}
	if err := r.d.endTaken(p.Of, r.id); err != nil {
		return err
	}
	e := journal.Entry{Phase: phaseBegin, Before: raw(before), After: raw(after), Detail: raw(rec), Reason: r.reason}
	if about := p.subject(); about.before != nil {
		e.Before, e.After = raw(about.before), raw(about.after)
	}
	_, err = r.write(e)
	return err
}

// endTaken ends a run that was interrupted and is now being taken back.
func (d *Deck) endTaken(run, by string) error {
	if run == "" {
		return nil
	}
	open, err := d.Unfinished()
	if err != nil {
		return err
	}
	for i := range open {
		if open[i].ID == run {
			_, err := d.write(journal.Entry{Run: run, Action: open[i].Action, Target: open[i].Target, Phase: phaseEnd, Result: ResultInterrupted, Reason: "it is being taken back by run " + by})
			return err
		}
	}
	return nil
}

// Unfinished are the runs of this swarm that have no end and that no living process is executing, the oldest first.
func (d *Deck) Unfinished() ([]RunRecord, error) {
	d.history.mu.Lock()
	defer d.history.mu.Unlock()
	if err := d.history.refresh(d.Journal, d.cluster()); err != nil {
		return nil, err
	}
	free := map[string]bool{}
	for id := range d.history.began {
		free[id] = !d.Journal.Held(id)
	}
	// A run writes its end before it lets go: one that ended between the reading and the look at its lock is found by reading again.
	if err := d.history.refresh(d.Journal, d.cluster()); err != nil {
		return nil, err
	}
	var out []RunRecord
	for id, e := range d.history.began {
		if !free[id] {
			continue
		}
		r := RunRecord{ID: id, Action: e.Action, Target: e.Target, Actor: e.Actor, Host: e.Host, Context: e.Context, Cluster: e.Cluster, Began: e.Time, Why: e.Reason,
			Before: refsOf(e.Before), After: refsOf(e.After), Steps: slices.Clone(d.history.steps[id])}
		_ = json.Unmarshal(e.Detail, &r.plan) // what cannot be read cannot be resumed, and is said there
		r.Of = r.plan.Of
		out = append(out, r)
	}
	slices.SortFunc(out, func(a, b RunRecord) int { return a.Began.Compare(b.Began) })
	return out, nil
}

// Standing is how far an interrupted run has come, and what the services are now.
type Standing struct {
	Run RunRecord
	// Step is the one at which it was interrupted; Of how many steps the run has, and Done how many of those were done.
	Step     string
	Done, Of int
	Services []ServiceStanding
	// NoFinish says why it cannot be finished; "": it can. All its changes made: it only needs to be watched.
	NoFinish string
	AllMade  bool
	// NoLeave says why it cannot be left as it is; "": it can.
	NoLeave string
}

// ServiceStanding is one service of an interrupted run.
type ServiceStanding struct {
	Service string
	// State: "as before", "changed", "changed by somebody else", or "gone".
	State  string
	Health string
	Reason string
}

// Stand looks where an interrupted run stands.
func (d *Deck) Stand(ctx context.Context, r RunRecord) (Standing, error) {
	s := Standing{Run: r, Of: len(r.plan.Steps), Done: r.stepsDone(), AllMade: true}
	if s.Done < s.Of {
		s.Step = r.plan.Steps[s.Done]
	}
	if len(r.plan.Steps) == 0 {
		s.NoFinish = "its plan cannot be read from the journal"
	}
	err := r.kind().stand(ctx, d, &s)
	return s, err
}

// stepsDone counts the steps that are done, from the first on without a hole.
func (r *RunRecord) stepsDone() int {
	done := map[string]bool{}
	_, goesOn := r.kind().(lenient) // then one that failed is done as well
	for i := range r.Steps {
		if e := &r.Steps[i]; e.Phase == phaseStep && (e.State == stateDone || e.State == stateFailed && goesOn) {
			done[e.Step] = true
		}
	}
	for i, name := range r.plan.Steps {
		if !done[name] {
			return i
		}
	}
	return len(r.plan.Steps)
}

// Resume goes on with an interrupted run where it stopped: what is made already is not made again, and what is left is done and watched.
func (d *Deck) Resume(ctx context.Context, s Standing, notify func()) (*Running, error) {
	if d.Policy.ReadOnly {
		return nil, ErrReadOnly
	}
	if s.NoFinish != "" {
		return nil, &Refusal{s.NoFinish}
	}
	release, err := d.Journal.Hold(s.Run.ID)
	if errors.Is(err, journal.ErrHeld) {
		return nil, &Busy{s.Run.ID, s.Run.Target}
	}
	if err != nil {
		return nil, err
	}
	if err := d.unended(s.Run.ID); err != nil { // another process may have finished it since the look
		release()
		return nil, err
	}
	r, err := d.resumed(ctx, &s, notify)
	if err == nil {
		r.release = release
		_, err = r.write(journal.Entry{Phase: phaseResume, Reason: fmt.Sprintf("after %d of %d steps", s.Done, s.Of)})
	}
	if err != nil {
		release()
		return nil, err
	}
	r.launch(ctx)
	return r, nil
}

// Abandon ends an interrupted run as it is, where it can neither be finished nor taken back, or shall not be: nothing is changed, and its services
// are free again.
func (d *Deck) Abandon(run RunRecord, reason string) error {
	if d.Policy.ReadOnly {
		return ErrReadOnly
	}
	if k, locked := run.kind().(locking); locked {
		if err := k.leave(); err != nil {
			return &Refusal{err.Error()}
		}
	}
	release, err := d.Journal.Hold(run.ID)
	if errors.Is(err, journal.ErrHeld) {
		return &Busy{run.ID, run.Target}
	}
	if err != nil {
		return err
	}
	defer release()
	if err := d.unended(run.ID); err != nil {
		return err
	}
	_, err = d.write(journal.Entry{Run: run.ID, Action: run.Action, Target: run.Target, Phase: phaseEnd, Result: ResultInterrupted, Reason: strings.TrimSuffix("left as it is: "+reason, ": ")})
	return err
}

// unended refuses a run that has its end by now.
func (d *Deck) unended(run string) error {
	d.history.mu.Lock()
	defer d.history.mu.Unlock()
	if err := d.history.refresh(d.Journal, d.cluster()); err != nil {
		return err
	}
	if _, open := d.history.began[run]; !open {
		return &Refusal{"run " + run + " has ended meanwhile"}
	}
	return nil
}

func (d *Deck) resumed(ctx context.Context, s *Standing, notify func()) (*Running, error) {
	p, err := d.planOf(ctx, &s.Run)
	if err != nil {
		return nil, err
	}
	r := d.running(s.Run.ID, p, s.Run.Why, notify)
	r.skip, r.resumed, r.silent = s.Done, true, s.Run.silent
	r.progress.Began = s.Run.Began
	done := s.Run.applied()
	for i := range p.Changes {
		c := &p.Changes[i]
		ref, ok := done[c.ID]
		if !ok {
			continue
		}
		a := &applied{change: c, at: s.Run.Began, version: ref.Version, generation: ref.Generation, scaleOnly: !c.Rolls(), anySpec: ref.Generation == "" || p.Hook != nil}
		if ref.Replicas != nil {
			a.mode, a.desired = sources.Replicated, int(*ref.Replicas) //nolint:gosec // bounded by the engine
		}
		r.applied[c.ID] = a
		r.progress.Rollouts[i].Began = s.Run.Began
	}
	return r, p.kind().resume(ctx, r, s)
}

// planOf makes a run's plan again from the journal.
func (d *Deck) planOf(ctx context.Context, run *RunRecord) (*Plan, error) {
	rec := &run.plan
	p := rec.about()
	p.Action, p.At, p.Reason, p.Of, p.Warnings = run.Action, run.Began, run.Why, rec.Of, rec.Warnings
	p.Deadline, p.TakeBack, p.NoWait, p.HookTag = time.Duration(rec.Deadline*float64(time.Second)), rec.TakeBack, rec.NoWait, rec.HookTag
	key, err := d.key()
	if err != nil {
		return nil, err
	}
	for _, s := range rec.Services {
		st, err := d.Hands.ServiceState(ctx, s.ID)
		if err != nil {
			return nil, err
		}
		before, err := d.Spec(s.Before)
		if err != nil {
			return nil, err
		}
		after, err := d.Spec(s.After)
		if err != nil {
			return nil, err
		}
		c := Change{Service: s.Name, ID: s.ID, Stack: s.Stack, Version: s.Version, Group: s.Group, Policy: st.Update, Fields: sources.Diff(before, after)}
		c.Before, _, _ = before.Unmasked(st.Spec, key)
		var lost []string
		if c.After, _, lost = after.Unmasked(st.Spec, key); len(lost) > 0 {
			return nil, &Refusal{fmt.Sprintf("%s: values that are never written down are needed to go on: %v; take the run back", s.Name, lost)}
		}
		c.Usually = d.usually(c.Service, c.Rolls())
		p.Changes = append(p.Changes, c)
		if rec.Hook != "" {
			if p.Hook = d.Hooks[hookKey(d, &c)]; p.Hook == nil {
				return nil, &Refusal{"the webhook " + rec.Hook + " is not in the configuration any more"}
			}
		}
	}
	return p, nil
}
