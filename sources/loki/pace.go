package loki

import "time"

// pace is every duration that the behaviour hangs on: one place to read them, and tests run faster.
type pace struct {
	retry time.Duration // first wait before a request is tried again
}

func defaultPace() pace {
	return pace{retry: 200 * time.Millisecond}
}
