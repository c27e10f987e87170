package stages

import (
	"context"
	"sync"
	"time"

	"quarterdeck/sources/fleet"
)

// How often checks are judged: while somebody looks at them, and else.
const (
	watchedEvery = time.Minute
	restingEvery = 5 * time.Minute
	// firstAfter is after how long the first are judged where nobody looks: the console's own start comes first.
	firstAfter = 20 * time.Second
	// freshFor is how old a report may be that is shown to somebody who comes to look, without a new one.
	freshFor = 10 * time.Second
	// turnsKept bounds the turns that are remembered.
	turnsKept = 500
)

// Feed judges the checks again and again, and keeps the last report and what has turned. Safe for concurrent use.
type Feed struct {
	// Fleet is the swarm as it is known now.
	Fleet func() *fleet.Snapshot
	// From is what evidence is gathered from, but for the fleet.
	From Sources
	// Settings are in force as long as the feed runs.
	Settings Settings
	// Timeout bounds one gathering.
	Timeout time.Duration
	// Keep is told how the gates stand after each gathering; nil: nobody is.
	Keep func(*Record)
	Now  func() time.Time

	once    sync.Once
	wake    chan struct{}
	ask     chan bool // true: whatever there is
	mu      sync.Mutex
	watched bool
	report  *Report
	turns   []Happened
	last    *Record
}

// Happened is a check that has turned, and when that was seen.
type Happened struct {
	Turn
	At time.Time
	// Says is what was measured then.
	Says string
}

func (f *Feed) init() {
	f.once.Do(func() { f.wake, f.ask = make(chan struct{}, 1), make(chan bool, 1) })
}

// Report is the last one, never changed afterwards; nil: none was made yet.
func (f *Feed) Report() *Report {
	if f == nil {
		return nil
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.report
}

// Turned are the checks that have turned since the feed runs, the oldest first.
func (f *Feed) Turned() []Happened {
	if f == nil {
		return nil
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.turns[:len(f.turns):len(f.turns)]
}

// Changed is signalled after each gathering. Many make one signal. A nil feed's is never signalled.
func (f *Feed) Changed() <-chan struct{} {
	if f == nil {
		return nil
	}
	f.init()
	return f.wake
}

// Watch says whether somebody looks: then checks are judged more often, and at once where the last report is older than ten seconds.
func (f *Feed) Watch(on bool) {
	if f == nil {
		return
	}
	f.mu.Lock()
	was := f.watched
	f.watched = on
	f.mu.Unlock()
	if on && !was {
		f.init()
		select {
		case f.ask <- false:
		default:
		}
	}
}

// Refresh has the checks judged now. It does not wait; while a gathering is under way one more follows it.
func (f *Feed) Refresh() {
	if f == nil {
		return
	}
	f.init()
	select {
	case f.ask <- true:
	default:
	}
}

// Run judges until ctx ends, one gathering at a time.
func (f *Feed) Run(ctx context.Context) {
	f.init()
	timer := time.NewTimer(firstAfter)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-timer.C:
		case force := <-f.ask:
			if r := f.Report(); !force && r != nil && f.Now().Sub(r.At) < freshFor {
				timer.Reset(f.every() - f.Now().Sub(r.At))
				continue
			}
		}
		if s := f.Fleet(); s.Ready() { // before the first listing nothing is known, and everything would be unknown
			f.Once(ctx)
			timer.Reset(f.every())
		} else {
			timer.Reset(time.Second)
		}
	}
}

func (f *Feed) every() time.Duration {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.watched {
		return watchedEvery
	}
	return restingEvery
}

// Once judges now. Run calls it again and again; who runs a feed need not.
func (f *Feed) Once(ctx context.Context) {
	f.init()
	once, cancel := context.WithTimeout(ctx, f.Timeout)
	defer cancel()
	from := f.From
	from.Fleet = f.Fleet()
	r := Judge(Gather(once, from, f.Now()), &f.Settings)
	if ctx.Err() != nil { // what was not asked to the end says nothing
		return
	}
	record := r.Record()
	f.mu.Lock()
	if f.last != nil {
		for _, t := range record.Turns(f.last) {
			f.turns = append(f.turns, Happened{Turn: t, At: r.At, Says: r.value(t.Check.ID)})
		}
		f.turns = f.turns[max(len(f.turns)-turnsKept, 0):]
	}
	// What cannot be looked at for a while turns when it is seen again as something else than before.
	f.last, f.report = record.over(f.last), &r
	f.mu.Unlock()
	if f.Keep != nil {
		f.Keep(record)
	}
	select {
	case f.wake <- struct{}{}:
	default:
	}
}

// value is what a check has measured.
func (r *Report) value(id string) string {
	for i := range r.Stages {
		for k := range r.Stages[i].Results {
			if x := &r.Stages[i].Results[k]; x.Check.ID == id {
				return valueOf(x)
			}
		}
	}
	return ""
}

// over is the record with what was known before of checks that could not be looked at.
func (r *Record) over(before *Record) *Record {
	if before == nil {
		return r
	}
	out := *r
	out.States = make(map[string]State, len(r.States))
	for id, s := range r.States {
		if old, ok := before.States[id]; ok && s == Unknown {
			s = old
		}
		out.States[id] = s
	}
	return &out
}
