package agent

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"sync"
	"time"

	"quarterdeck/actions"
	"quarterdeck/actions/journal"
	"quarterdeck/autoscale"
	"quarterdeck/capacity"
	"quarterdeck/sources"
	"quarterdeck/sources/fleet"
)

// Times of a scaler.
const (
	// measureWithin bounds the questions of a round, changeWithin one change.
	measureWithin = autoscale.Every / 2
	changeWithin  = 20 * time.Second
	// provedFor is for how long a proof of the lease is enough for changes that follow it.
	provedFor = 5 * time.Second
	// billEvery is how often it is reckoned what services cost.
	billEvery = 5 * time.Minute
)

// Scaler decides every half minute how many replicas services should have and, where that is enforced, gives them to them, while it holds its lease. Its fields are set before
// Run and not changed afterwards. Deck needs a workbench, and a fleet that somebody keeps fresh.
type Scaler struct {
	Deck    *actions.Deck
	Metrics sources.Metrics
	Now     func() time.Time
	Log     *slog.Logger
	// Mode is what is done for services whose labels do not say: recommend, unless it is set.
	Mode autoscale.Mode
	// Only is a pattern (path.Match) of the services that it works for; "": all.
	Only string
	// Every is the time from one round to the next; 0: autoscale.Every. For tests.
	Every time.Duration

	lease  *actions.Lease
	loop   *autoscale.Loop
	term   time.Time // since when the lease was held when the loop began
	proved time.Time
	told   map[string]said // by service: what log and journal have heard last
	billed time.Time       // when it was reckoned last what services cost, or tried

	mu     sync.Mutex
	status ScaleStatus
}

// said is what was told of a decision.
type said struct {
	to    int
	limit autoscale.Limit
}

// ScaleStatus is what a scaler knows at a moment, for metrics. It is a value.
type ScaleStatus struct {
	// Held: the lease is held, and so what is told of services is this one's to tell. Holder is who has it, as far as is known.
	Held   bool
	Holder string
	// Turned is when the loop came round last, with the lease or without; Beat when services were decided about last.
	Turned, Beat time.Time
	Every        time.Duration
	// Stopped says who has stopped it, and why; "": nobody.
	Stopped string
	// Asked is how many questions Prometheus was asked in the last round, Took how long that round took.
	Asked int
	Took  time.Duration
	// Decisions are those of the last round, of services that have a policy.
	Decisions []autoscale.Decision
	// Bill is what services and nodes cost; nil: that is not known.
	Bill *capacity.Bill
	// Ups and Downs count changes that were made, Failures those that came to nothing, by service.
	Ups, Downs, Failures map[string]int
}

// Alive tells whether the loop goes round.
func (s *ScaleStatus) Alive(now time.Time) bool { return now.Sub(s.Turned) < hungAfter }

// Run decides until ctx ends, and then gives the lease up.
func (s *Scaler) Run(ctx context.Context) error {
	s.lease = s.Deck.Lease(actions.ScaleLease)
	s.begin()
	every := s.every()
	s.set(func(st *ScaleStatus) {
		st.Turned, st.Every = s.Now(), every
		st.Ups, st.Downs, st.Failures = map[string]int{}, map[string]int{}, map[string]int{}
	})
	leasing, stop := context.WithCancel(ctx)
	var held sync.WaitGroup
	held.Go(func() { s.lease.Run(leasing) })
	defer held.Wait()
	defer stop()
	tick := time.NewTicker(min(every, waitEvery))
	defer tick.Stop()
	var last time.Time // by the monotonic clock
	for {
		since, has := s.lease.Held()
		s.set(func(st *ScaleStatus) { st.Turned, st.Held, st.Holder = s.Now(), has, s.lease.Holder() })
		if has && !since.Equal(s.term) {
			s.term = since
			s.begin()
			last = time.Time{}
			s.Log.Info("the lease is held", "lease", actions.ScaleLease)
		}
		if has && (last.IsZero() || time.Since(last) >= every-waitEvery/2) {
			began := time.Now()
			if s.round(ctx) {
				last = began
				s.bill(ctx)
			}
		}
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}

// begin forgets what was: another may have decided meanwhile.
func (s *Scaler) begin() {
	s.loop, s.told = &autoscale.Loop{Mode: s.Mode, Only: s.Only}, map[string]said{}
}

func (s *Scaler) every() time.Duration {
	if s.Every > 0 {
		return s.Every
	}
	return autoscale.Every
}

// round decides once and does what is to be done. It tells whether it could: of a swarm that is not seen live nothing is decided.
func (s *Scaler) round(ctx context.Context) bool {
	began := s.Now()
	snap := s.Deck.Fleet.Snapshot()
	if !snap.Ready() || !snap.Source(fleet.SwarmName).OK() {
		return false
	}
	asking, cancel := context.WithTimeout(ctx, measureWithin)
	e := autoscale.Gather(asking, s.Metrics, s.loop.Policies(snap), began.Add(-2*autoscale.Every), began)
	cancel()
	snap = s.Deck.Fleet.Snapshot() // as it is after the questions
	if ctx.Err() != nil || !snap.Source(fleet.SwarmName).OK() {
		return false
	}
	list := slices.DeleteFunc(s.loop.Decide(snap, e, began), func(d autoscale.Decision) bool { return d.Skip == autoscale.NoPolicy })
	stopped := autoscale.Stopped(snap)
	for i := range list {
		d := &list[i]
		s.tell(d)
		late := s.Now().Sub(began) >= s.every() // then the next round is more to the point
		if d.Changes() && d.Mode == autoscale.Enforce && stopped == "" && !late && ctx.Err() == nil {
			s.change(ctx, d)
			s.set(func(st *ScaleStatus) { st.Turned = s.Now() })
		}
	}
	s.set(func(st *ScaleStatus) {
		if st.Stopped != stopped {
			s.Log.Warn("whether autoscaling is stopped has changed", "stopped", stopped != "", "why", stopped)
		}
		st.Beat, st.Stopped, st.Asked, st.Took, st.Decisions = s.Now(), stopped, e.Asked, s.Now().Sub(began), list
	})
	return true
}

// bill reckons what services cost, now and then. What cannot be read now is not told of.
func (s *Scaler) bill(ctx context.Context) {
	now := s.Now()
	if !s.billed.IsZero() && now.Sub(s.billed) < billEvery {
		return
	}
	s.billed = now
	asking, cancel := context.WithTimeout(ctx, measureWithin)
	defer cancel()
	b, err := capacity.Spent(asking, s.Deck.Fleet.Snapshot(), s.Metrics, now)
	if err != nil {
		if ctx.Err() == nil {
			s.Log.Warn("what services cost could not be reckoned", "error", err)
		}
		s.set(func(st *ScaleStatus) { st.Bill = nil })
		return
	}
	s.set(func(st *ScaleStatus) { st.Bill = &b })
}

// tell writes a decision to the log, and to the journal, where it is another than the one before.
func (s *Scaler) tell(d *autoscale.Decision) {
	was, had := s.told[d.ID]
	is := said{d.Recommended, d.Limit}
	if was == is || !had && !d.Changes() && (d.Limit == autoscale.Free || d.Limit == autoscale.ByWindow) {
		s.told[d.ID] = is
		return
	}
	s.told[d.ID] = is
	s.Log.Info("decided", "service", d.Service, "now", d.Current, "should", d.Recommended, "limited_by", string(d.Limit), "mode", string(d.Mode), "why", d.Reason)
	if passing(d.Limit) && !d.Changes() || passing(was.limit) && !d.Changes() && d.Limit == autoscale.Free {
		return // the next decision says more
	}
	if d.Changes() && d.Mode == autoscale.Enforce {
		return // the run's own entries say it
	}
	result := "held"
	if d.Changes() {
		result = "recommended"
	}
	if _, err := s.Deck.Write(journal.Entry{Action: actions.Autoscale, Target: d.Service, Phase: actions.PhaseDecision, Result: result, Reason: d.Reason,
		Before: replicasJSON(d.Current), After: replicasJSON(d.Recommended)}); err != nil {
		s.Log.Warn("a decision could not be written down", "service", d.Service, "error", err)
	}
}

// passing tells whether a limit is one that every climb and every descent goes through.
func passing(l autoscale.Limit) bool {
	return l == autoscale.BySamples || l == autoscale.ByStep || l == autoscale.ByWindow
}

func replicasJSON(n int) []byte { return fmt.Appendf(nil, `{"replicas":%d}`, n) }

// change carries a decision out, after a proof that this scaler is the one that may.
func (s *Scaler) change(ctx context.Context, d *autoscale.Decision) {
	ctx, cancel := context.WithTimeout(ctx, changeWithin)
	defer cancel()
	err := s.carryOut(ctx, d)
	var refusal *actions.Refusal
	var busy *actions.Busy
	switch {
	case err == nil:
		s.set(func(st *ScaleStatus) {
			by := st.Ups
			if d.Recommended < d.Current {
				by = st.Downs
			}
			by[d.Service]++
		})
	case errors.Is(err, actions.ErrNoLease):
		s.Log.Warn("the lease was lost: nothing is changed", "service", d.Service)
	case errors.As(err, &refusal), errors.As(err, &busy):
		s.Log.Info("not changed", "service", d.Service, "because", err)
	case ctx.Err() == nil || errors.Is(ctx.Err(), context.DeadlineExceeded):
		s.set(func(st *ScaleStatus) { st.Failures[d.Service]++ })
		s.Log.Warn("a change came to nothing", "service", d.Service, "should", d.Recommended, "error", err)
	}
}

func (s *Scaler) carryOut(ctx context.Context, d *autoscale.Decision) error {
	plan, err := s.Deck.PlanAutoscale(ctx, d)
	switch {
	case err != nil:
		return err
	case plan.Refused != "":
		return &actions.Refusal{Why: plan.Refused}
	}
	if err := s.Deck.MayScale(ctx, d.Service); err != nil {
		return err
	}
	if _, held := s.lease.Held(); !held || s.Now().Sub(s.proved) >= provedFor {
		if err := s.lease.Prove(ctx); err != nil {
			return err
		}
		s.proved = s.Now()
	}
	run, err := s.Deck.Start(ctx, plan, actions.Approval{Yes: true, Typed: plan.Word(), Reason: d.Reason}, nil)
	if err != nil {
		return err
	}
	report, err := run.Report()
	switch {
	case err != nil:
		return err
	case report.Result == actions.ResultDone, report.Result == actions.ResultNothing:
		return nil
	}
	return errors.New(report.Result + ": " + report.Reason)
}

// Status is as of now.
func (s *Scaler) Status() ScaleStatus {
	s.mu.Lock()
	defer s.mu.Unlock()
	st := s.status
	st.Ups, st.Downs, st.Failures = maps.Clone(st.Ups), maps.Clone(st.Downs), maps.Clone(st.Failures)
	if !st.Held {
		st.Decisions = nil
	}
	return st
}

func (s *Scaler) set(f func(*ScaleStatus)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	f(&s.status)
}
