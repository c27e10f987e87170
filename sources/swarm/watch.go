package swarm

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/cenkalti/backoff/v5"
	"github.com/moby/moby/api/types/events"

	"quarterdeck/sources"
)

// Times and bounds of a watch.
const (
	coalesce    = 75 * time.Millisecond // events within it are read together
	staleAfter  = 3 * time.Second       // without an answer, what is shown is called stale
	firstRetry  = 250 * time.Millisecond
	slowestTry  = 15 * time.Second
	activeFor   = 15 * time.Second // after its last change a service is looked at often
	hotPeriod   = time.Second      // of the tasks of services in motion
	warmPeriod  = 3 * time.Second  // of the tasks that are not where they should be, and do not move
	restPeriod  = 5 * time.Second  // of all tasks while nothing moves
	pollsPerTry = 60               // listings without events before events are tried again
	costDivisor = 20               // listing takes at most a 20th of the time
	fewServices = 120              // up to so many are read by name (a URL of 6 KiB), more by reading all
)

// Watch lists, then streams changes into emit until ctx ends. The event stream is opened before the list is read, so nothing
// falls between; what has no events (tasks) is listed at a rate that follows how much moves and what a listing costs.
func (c *Client) Watch(ctx context.Context, emit func(sources.Change)) error {
	w := &watch{c: c, emit: emit, status: sources.Status{Name: name, Address: c.Address()}}
	w.say(sources.Connecting, "")
	b := backoff.NewExponentialBackOff()
	b.InitialInterval, b.MaxInterval = firstRetry, slowestTry
	hops := 0 // sessions that ended before their first listing because another manager was asked
	for {
		lived, err := w.session(ctx)
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if lived {
			b.Reset()
			hops = 0
		}
		if w.again = errors.Is(err, errTryEvents); w.again {
			continue
		}
		w.say(sources.StateOf(err), err.Error())
		c.log.Warn("swarm watch ended, trying again", "error", err)
		if hops < len(c.seats)-1 && (lived || errors.Is(err, errMoved)) { // somebody else can be asked at once
			hops++
			continue
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(b.NextBackOff()):
		}
	}
}

// errTryEvents ends a session without events, because the proxy may let them through by now. It is no failure.
var errTryEvents = errors.New("time to try the events again")

// watch is one Watch's state. Its methods run in Watch's goroutine; reads run beside it, one at a time, and hand their
// results back as functions.
type watch struct {
	c      *Client
	emit   func(sources.Change)
	mem    memories
	seen   seenEvents
	status sources.Status
	view   view
	// subscribed is when the first event stream was opened, by our clock.
	subscribed time.Time
	again      bool // the session before ended well: what it told need not be told again

	// Of the session under way.
	place   *place // the manager that it is with
	polling string // why there are no events; "": there are
	listed  bool   // the first listing is done
	dirty   dirty
	plan    plan
	done    chan outcome
	busy    bool
	started time.Time // of the read under way
	kind    string    // of the read under way
}

// outcome is what a read came to: apply folds it in.
type outcome struct {
	kind  string
	took  time.Duration
	apply func()
	err   error
}

// session is one connection's life, from the subscription to the first error. lived tells whether it got as far as a whole listing.
func (w *watch) session(parent context.Context) (lived bool, err error) {
	ctx, cancel := context.WithCancel(parent)
	var reads sync.WaitGroup
	defer reads.Wait()
	defer cancel()
	w.c.place().forget()
	w.polling, w.listed, w.busy, w.dirty, w.done = "", false, false, dirty{}, make(chan outcome, 1)
	w.plan = plan{poll: w.c.poll}
	began := time.Now()
	s, err := w.c.subscribe(ctx, w.since())
	switch {
	case err == nil:
		defer s.end()
		w.place = s.from
		if w.subscribed.IsZero() {
			w.subscribed = began
		}
	case refusedFor(err):
		w.polling = "events are not readable here, so the lists are read every few seconds"
		s = &stream{}
		w.place = w.c.place()
	default:
		return false, err
	}
	w.plan.polling = w.polling != ""
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		w.startRead(ctx, &reads)
		timer.Reset(w.untilNext())
		select {
		case <-ctx.Done():
			return w.listed, ctx.Err()
		case m := <-s.events:
			w.event(&m)
		case err := <-s.failed:
			return w.listed, w.c.streamError(ctx, s, err)
		case o := <-w.done:
			w.busy = false
			if o.err != nil {
				return w.listed, o.err
			}
			w.plan.note(o.kind, o.took)
			o.apply()
			if now := w.c.place(); now != w.place { // what is watched must be what is read
				return w.listed, now.failure("watch", errMoved)
			}
		case <-timer.C:
			if err := w.checkStale(); err != nil {
				return w.listed, err
			}
			if w.polling != "" && !w.busy && time.Since(began) > pollsPerTry*w.plan.fullPeriod() {
				return w.listed, errTryEvents
			}
		}
	}
}

// since is from when on a new stream is to replay events: from the last that came, by the engine's clock; else from the first
// subscription, a little earlier because the clocks may differ. What is replayed twice is told once.
func (w *watch) since() time.Time {
	switch {
	case !w.seen.last.IsZero():
		return w.seen.last
	case !w.subscribed.IsZero():
		return w.subscribed.Add(-2 * time.Second)
	}
	return time.Time{}
}

// startRead starts what is due, if nothing is being read.
func (w *watch) startRead(ctx context.Context, reads *sync.WaitGroup) {
	if w.busy {
		return
	}
	now := time.Now()
	kind, read := "", (func(context.Context) (func(), error))(nil)
	switch {
	case w.plan.fullDue(now):
		kind, read = "full", w.readAll(!w.listed)
	case w.dirty.ripe(now):
		kind, read = "dirty", w.readDirty()
	case w.view.noTasks:
	case w.plan.restDue(now):
		kind, read = "rest", w.readTasks(nil)
	default:
		hot, moving := w.view.restless(now)
		if !w.plan.focusDue(now, len(hot), moving) {
			return
		}
		if len(hot) > fewServices {
			kind, read = "rest", w.readTasks(nil)
		} else {
			kind, read = "focus", w.readTasks(hot)
		}
	}
	if read == nil {
		return
	}
	w.busy, w.started, w.kind = true, now, kind
	done := w.done
	reads.Go(func() {
		apply, err := read(ctx)
		done <- outcome{kind: kind, took: time.Since(now), apply: apply, err: err}
	})
}

// untilNext is how long nothing is to do unless something comes in.
func (w *watch) untilNext() time.Duration {
	now := time.Now()
	if w.busy {
		if w.status.State == sources.Stale || !w.listed {
			return w.c.timeout // the read itself ends by then
		}
		return max(w.plan.patience(w.kind)-now.Sub(w.started), time.Millisecond)
	}
	hot, moving := w.view.restless(now)
	next := w.plan.next(now, len(hot), moving)
	if d := w.dirty.until(now); d < next {
		next = d
	}
	return max(next, time.Millisecond)
}

// checkStale says so when a read has no answer for long, while it is still being waited for. Where there is another manager, that
// one is asked, and the error ends the session.
func (w *watch) checkStale() error {
	if !w.busy || !w.listed || time.Since(w.started) < w.plan.patience(w.kind) {
		return nil
	}
	waited := time.Since(w.started).Round(time.Second).String()
	slow := &sources.Error{Source: name, Kind: sources.Unreachable, Op: "watch", Err: errors.New("no answer for " + waited), Next: "the next manager is asked"}
	if w.c.moveOn(w.place, slow, false) {
		return slow
	}
	w.say(sources.Stale, "the engine at "+w.c.Address()+" has not answered for "+waited+"; it may be stopped or overloaded")
	return nil
}

// live says that an answer came.
func (w *watch) live(at time.Time) {
	state, detail := sources.Live, ""
	if w.polling != "" {
		state, detail = sources.Polling, w.polling
	}
	if moved := w.c.place().moved(w.view.engine.Name); moved != "" {
		if detail != "" {
			detail += "; "
		}
		detail += moved
	}
	if w.view.missing != "" {
		if detail != "" {
			detail += "; "
		}
		detail += "not readable here: " + w.view.missing
	}
	w.status.Fresh = at
	w.say(state, detail)
}

// say hands the state over.
func (w *watch) say(state sources.State, detail string) {
	now := time.Now()
	if state != w.status.State {
		w.status.State, w.status.Since = state, now
	}
	w.status.Detail, w.status.Address = detail, w.c.Address()
	s := w.status
	w.emit(sources.Change{At: now, Status: &s})
}

// event takes a message of the stream in: it is told, and what it names is marked to be read.
func (w *watch) event(m *events.Message) {
	if m.Type == events.NetworkEventType && m.Scope != "swarm" {
		return
	}
	e := toEvent(m)
	service := ""
	switch m.Type {
	case events.ContainerEventType:
		if service = m.Actor.Attributes[serviceOf]; service == "" {
			return
		}
	case events.ServiceEventType:
		service = m.Actor.ID
	}
	if !w.seen.add(&e) {
		return
	}
	now := time.Now()
	w.dirty.mark(now, m.Type, service)
	if service != "" {
		w.view.touch(service, now)
	}
	if m.Type == events.NodeEventType { // its tasks move with it, on whatever service
		w.plan.hurry(now)
	}
	if m.Type != events.ContainerEventType || telling(m.Action) {
		w.emit(sources.Change{At: now, Event: &e})
	}
}

// telling leaves out a container's ordinary life.
func telling(a events.Action) bool {
	return a == events.ActionDie || a == events.ActionOOM || len(a) > len(events.ActionHealthStatus) && a[:len(events.ActionHealthStatus)] == events.ActionHealthStatus
}

// dirty is what events have named since the last read.
type dirty struct {
	since    time.Time // of the first of them; zero: nothing is
	services map[string]bool
	types    map[events.Type]bool
}

func (d *dirty) mark(now time.Time, t events.Type, service string) {
	if d.since.IsZero() {
		*d = dirty{since: now, services: map[string]bool{}, types: map[events.Type]bool{}}
	}
	if service != "" {
		d.services[service] = true
	} else {
		d.types[t] = true
	}
}

func (d *dirty) ripe(now time.Time) bool { return !d.since.IsZero() && now.Sub(d.since) >= coalesce }

func (d *dirty) until(now time.Time) time.Duration {
	if d.since.IsZero() {
		return time.Hour
	}
	return coalesce - now.Sub(d.since)
}
