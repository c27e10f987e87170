package swarm

import "time"

// plan says when to read what. Its rates follow two things: how much moves, and what reading costs.
type plan struct {
	poll    time.Duration // period of the full listing, 0: the default
	polling bool          // there are no events

	fullAt, restAt, focusAt       time.Time // when each was last read; zero: never
	fullCost, restCost, focusCost time.Duration
	hurryUntil                    time.Time // all tasks are read often until then
}

// note takes in what a read cost.
func (p *plan) note(kind string, took time.Duration) {
	now := time.Now()
	switch kind {
	case "full":
		p.fullAt, p.fullCost = now, took
		p.restAt = now // it has read all tasks
	case "rest":
		p.restAt, p.restCost = now, took
		p.focusAt = now
	case "focus":
		p.focusAt, p.focusCost = now, took
	}
}

// hurry: all tasks may move for a while.
func (p *plan) hurry(now time.Time) { p.hurryUntil = now.Add(activeFor) }

// paced is base, or longer where a read of that cost would take more than its share of the time.
func paced(base, cost time.Duration) time.Duration { return max(base, cost*costDivisor) }

func (p *plan) fullPeriod() time.Duration {
	base := p.poll
	switch {
	case base > 0:
	case p.polling:
		base = pollAlone
	default:
		base = pollWithEvents
	}
	return paced(base, p.fullCost)
}

func (p *plan) restPeriod(now time.Time) time.Duration {
	if p.polling { // the full listing is as often, and reads the tasks too
		return time.Hour
	}
	base := restPeriod
	if now.Before(p.hurryUntil) {
		base = hotPeriod
	}
	return paced(base, max(p.restCost, 0))
}

func (p *plan) focusPeriod(services int, moving bool) time.Duration {
	base, cost := warmPeriod, p.focusCost
	if moving {
		base = hotPeriod
	}
	if services > fewServices {
		cost = p.restCost
	}
	return paced(base, cost)
}

func (p *plan) fullDue(now time.Time) bool {
	return p.fullAt.IsZero() || now.Sub(p.fullAt) >= p.fullPeriod()
}

func (p *plan) restDue(now time.Time) bool { return now.Sub(p.restAt) >= p.restPeriod(now) }

func (p *plan) focusDue(now time.Time, services int, moving bool) bool {
	return services > 0 && now.Sub(latest(p.focusAt, p.restAt)) >= p.focusPeriod(services, moving)
}

// next is how long until something is due.
func (p *plan) next(now time.Time, services int, moving bool) time.Duration {
	if p.fullAt.IsZero() {
		return 0
	}
	d := min(p.fullPeriod()-now.Sub(p.fullAt), p.restPeriod(now)-now.Sub(p.restAt))
	if services > 0 {
		d = min(d, p.focusPeriod(services, moving)-now.Sub(latest(p.focusAt, p.restAt)))
	}
	return d
}

// patience is how long a read may take before what is shown is called stale: a big swarm's listings are slow by nature.
func (p *plan) patience(kind string) time.Duration {
	cost := p.fullCost
	switch kind {
	case "rest":
		cost = p.restCost
	case "focus", "dirty":
		cost = p.focusCost
	}
	return max(staleAfter, 3*cost)
}

func latest(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}
