package actions

import (
	"context"
	"crypto/rand"
	"encoding/base32"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"quarterdeck/actions/journal"
	"quarterdeck/recovery"
	"quarterdeck/sources"
)

// Approval is what somebody has said to a plan.
type Approval struct {
	// Yes: the plan was seen and confirmed. Of a grave plan: twice.
	Yes bool
	// Typed is what was typed to confirm a guarded plan.
	Typed string
	// Reason is why.
	Reason string
}

// Progress is a run as of one moment. It is a value: never changed once it is given out.
type Progress struct {
	Run, Title, Actor string
	Plan              *Plan
	Began, Ended      time.Time
	Steps             []StepReport
	Rollouts          []Rollout
	// Result is "" while it goes on.
	Result, Reason string
	// TakingBack: the rollout has failed and is being taken back.
	TakingBack bool
}

// Done counts the services that are proven well, of all.
func (p *Progress) Done() (done, all int) {
	for i := range p.Rollouts {
		if s := p.Rollouts[i].State; s == RolloutDone || s == RolloutGone {
			done++
		}
	}
	return done, len(p.Rollouts)
}

// Running is a run under way. Safe for concurrent use.
type Running struct {
	d       *Deck
	id      string
	plan    *Plan
	reason  string
	release func()
	notify  func()
	cancel  context.CancelFunc
	done    chan struct{}
	skip    int // steps that an earlier process has done
	resumed bool

	mu       sync.Mutex
	progress Progress
	report   Report
	err      error

	applied  map[string]*applied // by service id
	material string              // id of what was made
	parts    map[string]string   // ids of what was made of a stack beside its services, by the steps' names

	nodeSet bool // the node was told what is wanted of it

	silenceID string        // of the silence that was made or ended
	checks    []CheckReport // what was looked at of it; guarded by mu

	results   map[string]*recovery.Result // of a recovery's jobs; guarded by mu
	lines     map[string][]string         // the last lines of its runners; guarded by mu
	recovered *recovery.Drill             // its record; guarded by mu
	warnings  []string                    // what did not go well, and does not make it a failure; guarded by mu
	hold      *hold                       // on its service's lock; nil: it has none
	silent    uint64                      // version of the lock at which nobody has the run in hand any more; 0: that is not known
	day       *recovery.Day               // the record of a DR day; guarded by mu
}

// ID names the run.
func (r *Running) ID() string { return r.id }

// Progress is how far it is.
func (r *Running) Progress() Progress {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.progress
}

// Done is closed when the run has ended, or nobody watches it any more.
func (r *Running) Done() <-chan struct{} { return r.done }

// Report waits for the end. The error, where there is one, is why the run ended so: a Conflict, or a source's.
func (r *Running) Report() (Report, error) {
	<-r.done
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.report, r.err
}

// Leave ends the watching. What the swarm has been told goes on; the run stays unfinished in the journal, and is offered at the next start.
func (r *Running) Leave() { r.cancel(); <-r.done }

// newRunID is the time and a little chance: it sorts by time and can be typed.
func newRunID(now time.Time) string {
	var b [3]byte
	_, _ = rand.Read(b[:]) // never fails
	return now.UTC().Format("20060102-150405-") + strings.ToLower(base32.StdEncoding.WithPadding(base32.NoPadding).EncodeToString(b[:]))
}

// permit refuses what the policy, the plan or another run forbids.
func (d *Deck) permit(p *Plan, a Approval) error {
	switch {
	case d.Policy.ReadOnly:
		return ErrReadOnly
	case p.Refused != "":
		return &Refusal{p.Refused}
	case d.Policy.NeedReason && strings.TrimSpace(a.Reason) == "":
		return ErrNoReason
	case p.Harm == Guarded && a.Typed != p.Word():
		return &Refusal{fmt.Sprintf("%s: type %q to confirm (--confirm %s)", orWords(p.Why, "guarded"), p.Word(), p.Word())}
	case p.Harm != Guarded && !a.Yes:
		return ErrNotConfirmed
	}
	return d.free(p, "")
}

// free tells whether no run without an end, whoever executes it, has one of the plan's services in hand. The run that an undo takes back is no
// hindrance. own is the plan's own run, once it has begun: then only those that began before it count.
func (d *Deck) free(p *Plan, own string) error {
	h := &d.history
	h.mu.Lock()
	defer h.mu.Unlock()
	if err := h.refresh(d.Journal, d.cluster()); err != nil {
		return err
	}
	var first *Busy
	seq := h.began[own].Seq
	for id, e := range h.began {
		if id == p.Of || id == own || seq > 0 && e.Seq > seq {
			continue
		}
		for _, name := range strings.Split(e.Target, ",") {
			if p.changes(name) && (first == nil || id < first.Run) {
				first = &Busy{id, name}
			}
		}
	}
	if first == nil {
		return nil
	}
	return first
}

// Start begins a run of a plan that was confirmed. What is refused is refused here, before anything is written; from here on everything is
// in the journal before it happens. notify is called, from the run's goroutine, each time the progress differs; it must not block.
func (d *Deck) Start(ctx context.Context, p *Plan, a Approval, notify func()) (*Running, error) {
	if err := d.permit(p, a); err != nil {
		return nil, err
	}
	r := d.running(newRunID(d.Now()), p, a.Reason, notify)
	if p.Nothing != "" {
		if err := d.endTaken(p.Of, r.id); err != nil {
			return nil, err
		}
		r.progress.Result, r.progress.Reason, r.progress.Ended = ResultNothing, p.Nothing, d.Now()
		r.report = p.Report()
		r.report.Run = r.id
		r.cancel = func() {}
		close(r.done)
		return r, nil
	}
	release, err := d.Journal.Hold(r.id)
	if err != nil {
		return nil, err
	}
	r.release = release
	if err := r.writeBegin(); err != nil {
		release()
		return nil, fmt.Errorf("nothing was done, because it could not be written down: %w", err)
	}
	if err := d.free(p, r.id); err != nil { // of two that begin at the same moment the first goes on
		_, werr := r.write(journal.Entry{Phase: phaseEnd, Result: ResultFailed, Reason: err.Error()})
		release()
		return nil, errors.Join(err, werr)
	}
	r.launch(ctx)
	return r, nil
}

func (d *Deck) running(id string, p *Plan, reason string, notify func()) *Running {
	if notify == nil {
		notify = func() {}
	}
	r := &Running{d: d, id: id, plan: p, reason: reason, notify: notify, done: make(chan struct{}), applied: map[string]*applied{}, parts: map[string]string{}}
	r.progress = Progress{Run: id, Title: p.Title(), Actor: d.Policy.Actor, Plan: p, Began: d.Now()}
	if k, locked := p.kind().(locking); locked {
		k.prepare(r)
	}
	for i := range p.Changes {
		r.progress.Rollouts = append(r.progress.Rollouts, Rollout{Service: p.Changes[i].Service, State: RolloutWaiting})
	}
	return r
}

// launch runs it in a goroutine of its own. The run outlives the caller's context only as far as Leave says.
func (r *Running) launch(parent context.Context) {
	ctx, cancel := context.WithCancel(parent)
	r.cancel = cancel
	r.d.mu.Lock()
	r.d.runs = append(r.d.runs, r)
	r.d.mu.Unlock()
	go func() {
		defer func() { // last: what is among the active can be waited for
			r.d.mu.Lock()
			r.d.runs = slices.DeleteFunc(r.d.runs, func(x *Running) bool { return x == r })
			r.d.mu.Unlock()
			r.notify()
		}()
		defer close(r.done)
		defer cancel()
		defer r.release()
		r.end(ctx, r.execute(ctx))
	}()
}

// Active are the runs that this process has under way.
func (d *Deck) Active() []*Running {
	d.mu.Lock()
	defer d.mu.Unlock()
	return slices.Clone(d.runs)
}

// failure is a rollout that did not come to what was asked.
type failure struct {
	rollout Rollout
	// back: the swarm has taken it back by itself.
	back bool
}

func (f *failure) Error() string { return f.rollout.Service + ": " + f.rollout.Reason }

// execute does the steps in order. An error ends it: a *failure, a *Conflict, a source's, or the context's.
func (r *Running) execute(ctx context.Context) error {
	k := r.plan.kind()
	if o, opens := k.(opening); opens {
		shut, err := o.open(ctx, r)
		if err != nil {
			return err
		}
		defer shut()
	}
	for i, s := range r.plan.Steps() {
		if i < r.skip {
			continue
		}
		var failed *drillFailed
		if err := r.step(ctx, s); err != nil && !errors.As(err, &failed) {
			return err
		}
	}
	if l, goesOn := k.(lenient); goesOn {
		return l.verdict(r)
	}
	return nil
}

// step writes down that it begins, does it, and writes down what came of it.
func (r *Running) step(ctx context.Context, s Step) error {
	at := len(r.progress.Steps)
	began := r.d.Now()
	if _, err := r.write(journal.Entry{Phase: phaseStep, Step: s.Name, State: stateStarted}); err != nil {
		return fmt.Errorf("stopped before %q, because it could not be written down: %w", s.Name, err)
	}
	r.set(func(p *Progress) {
		p.Steps = append(slices.Clone(p.Steps), StepReport{Name: s.Name, State: stateStarted, Started: began.UTC()})
	})
	out, err := r.plan.kind().do(ctx, r, s)
	if ctx.Err() != nil && err != nil {
		return ctx.Err() // left: the step is open in the journal
	}
	e := journal.Entry{Phase: phaseStep, Step: s.Name, State: stateDone, Detail: out.detail}
	if len(out.after) > 0 {
		e.After = raw(out.after)
	}
	detail := ""
	if err != nil {
		e.State, e.Reason, detail = stateFailed, err.Error(), err.Error()
	}
	r.set(func(p *Progress) {
		p.Steps = slices.Clone(p.Steps)
		st := &p.Steps[at]
		st.State, st.Took = e.State, r.d.Now().Sub(began).Seconds()
		if s.Kind != StepJob || err != nil { // of a job the last that it said stays
			st.Detail = detail
		}
	})
	if _, werr := r.write(e); werr != nil && err == nil {
		err = fmt.Errorf("stopped after %q, because it could not be written down: %w", s.Name, werr)
	}
	return err
}

func (r *Running) set(f func(*Progress)) {
	r.mu.Lock()
	f(&r.progress)
	r.mu.Unlock()
	r.notify()
}

func (r *Running) write(e journal.Entry) (journal.Entry, error) {
	e.Run, e.Action, e.Target = r.id, r.plan.Action, r.progress.Plan.target()
	return r.d.write(e)
}

// end writes the result down, and makes the report.
func (r *Running) end(ctx context.Context, err error) {
	result, reason := ResultDone, ""
	var f *failure
	k := r.plan.kind()
	if l, locked := k.(locking); locked && err != nil && (ctx.Err() == nil || !errors.Is(err, ctx.Err())) {
		l.failed(ctx, r, err)
		return
	}
	switch {
	case err == nil:
	case ctx.Err() != nil && errors.Is(err, ctx.Err()):
		r.letGo(ctx)
		_, _ = r.write(journal.Entry{Phase: phaseLeft, Reason: "nobody watches it any more"}) // the run is found unfinished without it as well
		r.finish(ResultInterrupted, "nobody watches it any more; what the swarm was told goes on", nil)
		return
	case errors.As(err, &f) && f.rollout.State == RolloutUnseen:
		_, _ = r.write(journal.Entry{Phase: phaseLeft, Reason: f.Error()})
		r.finish(ResultInterrupted, f.Error(), &sources.Error{Source: "swarm", Kind: sources.Unreachable, Op: "watch the rollout", Err: f, Next: "the run is unfinished: quarterdeck undo, or open the console, once the swarm can be reached"})
		return
	case errors.As(err, &f) && f.back:
		result, reason = ResultTakenBack, f.Error()
	default:
		result, reason = ResultFailed, err.Error()
	}
	if result == ResultFailed && r.plan.TakeBack {
		switch did, back := k.takeBack(ctx, r); {
		case back != nil:
			reason += "; taking it back failed as well: " + back.Error()
		case did:
			result = ResultTakenBack
		}
	}
	if _, werr := r.write(journal.Entry{Phase: phaseEnd, Result: result, Reason: reason, Detail: raw(r.verifyReport(result))}); werr != nil {
		reason = strings.TrimPrefix(reason+"; the end could not be written down: "+werr.Error(), "; ")
		err = errors.Join(err, werr)
	}
	r.finish(result, reason, err)
}

func (r *Running) finish(result, reason string, err error) {
	report := r.progress.Plan.Report()
	report.Run, report.Result, report.Reason = r.id, result, reason
	report.Verify = r.verifyReport(result)
	r.plan.kind().finish(r, &report)
	r.set(func(p *Progress) { p.Result, p.Reason, p.Ended = result, reason, r.d.Now() })
	r.mu.Lock()
	defer r.mu.Unlock()
	report.Steps = append(report.Steps, r.progress.Steps...)
	r.report, r.err = report, err
}
