package autoscale

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/robfig/cron/v3"

	"quarterdeck/recovery"
)

const (
	// mostHours is how many spans a schedule may have, longestHours how long one may be.
	mostHours    = 16
	longestHours = 7 * 24 * time.Hour
)

// Hours are a span of time that comes again, in which there are at least so many replicas.
type Hours struct {
	Min  int
	For  time.Duration
	Text string // as written

	starts cron.Schedule
}

// Covers tells whether a moment lies in the hours: they began within their length before it.
func (h *Hours) Covers(now time.Time) bool {
	began := h.starts.Next(now.Add(-h.For))
	return !began.IsZero() && !began.After(now)
}

// parseHours reads "0 8 * * 1-5 for 10h min 4", several with semicolons between. Without CRON_TZ=Europe/Berlin before it is by UTC.
func parseHours(text string, most int) ([]Hours, error) {
	parts := strings.Split(text, ";")
	if len(parts) > mostHours {
		return nil, fmt.Errorf("has %d spans, and may have %d", len(parts), mostHours)
	}
	var out []Hours
	for _, part := range parts {
		h, err := parseSpan(strings.TrimSpace(part), most)
		if err != nil {
			return nil, fmt.Errorf("has %q, %w", cut(part), err)
		}
		out = append(out, h)
	}
	return out, nil
}

func parseSpan(text string, most int) (Hours, error) {
	h := Hours{Text: cut(text)}
	when, rest, ok := strings.Cut(text, " for ")
	span, number, ok2 := strings.Cut(rest, " min ")
	if !ok || !ok2 {
		return h, fmt.Errorf("which is not like \"0 8 * * 1-5 for 10h min 4\"")
	}
	var err error
	if h.starts, err = recovery.ParseSchedule(strings.TrimSpace(when)); err != nil {
		return h, fmt.Errorf("whose beginning is no schedule of cron (%s)", cut(err.Error()))
	}
	if _, every := h.starts.(cron.ConstantDelaySchedule); every {
		return h, fmt.Errorf("which has no times of its own: write five fields of cron")
	}
	if h.For, err = recovery.ParseSpan(strings.TrimSpace(span)); err != nil || h.For < time.Minute || h.For > longestHours {
		return h, fmt.Errorf("whose length is no span of time from 1m to %s", recovery.SpanText(longestHours))
	}
	if h.Min, err = strconv.Atoi(strings.TrimSpace(number)); err != nil || h.Min < 1 || h.Min > most {
		return h, fmt.Errorf("whose minimum is no number from 1 to the maximum of %d", most)
	}
	return h, nil
}
