package loki

import "time"

// pace is every duration that the behaviour hangs on: one place to read them, and tests run faster.
type pace struct {
	retry time.Duration // first wait before a request is tried again

	// soonest is the shortest time from one poll of Follow to the next while lines come. With hold it
	// bounds how old a line is when it is shown: under 1.5 s.
	soonest time.Duration
	// hold is how long a line waits for others that belong before it.
	hold time.Duration
	// verify is the time between polls while the tail is open and says nothing.
	verify time.Duration
	// noTail is the time between polls without a tail.
	noTail time.Duration
	// deep is the time between polls that look for lines which come later than overlap.
	deep time.Duration
	// overlap is the least that a poll looks back behind the one before. The Docker driver's batches are
	// up to a second old when they arrive (batch-wait).
	overlap time.Duration
	// backoff and backoffMax bound the waits while Loki does not answer.
	backoff, backoffMax time.Duration
	// ping is how long the tail may be silent before we ask whether the other end lives, pong how long it may take.
	ping, pong time.Duration
	// refused is the wait after a tail that this Loki will not give (over its limit, forbidden, not there).
	refused time.Duration
	// grace is how long the tail may be away before the state is POLLING.
	grace time.Duration
}

func defaultPace() pace {
	return pace{
		retry:   200 * time.Millisecond,
		soonest: 700 * time.Millisecond, hold: 300 * time.Millisecond,
		verify: 5 * time.Second, noTail: time.Second, deep: 15 * time.Second, overlap: 2 * time.Second,
		backoff: 500 * time.Millisecond, backoffMax: 15 * time.Second,
		ping: 15 * time.Second, pong: 5 * time.Second, refused: time.Minute, grace: 3 * time.Second,
	}
}
