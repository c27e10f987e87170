package actions

import (
	"errors"
	"fmt"
	"path"
	"strings"
	"time"
)

// Policy is what the configuration allows and demands.
type Policy struct {
	// ReadOnly refuses every run.
	ReadOnly bool
	// Actor is who acts; Host the machine that the program runs on.
	Actor, Host string
	// Context is the platform's name in the configuration.
	Context string
	// NeedReason: a run without a reason is refused.
	NeedReason bool
	// Protected are patterns (path.Match) of services whose name must be typed.
	Protected []string
	// Quiet are the hours in which every change must be typed.
	Quiet []Hours
	// Deadline is how long a rollout may make no progress; 0: DefaultDeadline.
	Deadline time.Duration
}

// Hours are a span of the week that comes again: on these days from one time of day to another. Where To is not after From it ends the
// day after.
type Hours struct {
	Days     [7]bool // by time.Weekday
	From, To time.Duration
	Text     string // as written
}

var dayNames = map[string]time.Weekday{"sun": time.Sunday, "mon": time.Monday, "tue": time.Tuesday, "wed": time.Wednesday, "thu": time.Thursday, "fri": time.Friday, "sat": time.Saturday}

// ParseHours reads "fri-sun 16:00-24:00", "mon,wed 22:00-06:00", or "22:00-06:00" for every day.
func ParseHours(text string) (Hours, error) {
	h := Hours{Text: text}
	wrong := fmt.Errorf("%q are no hours: write \"22:00-06:00\" or \"fri-sun 16:00-24:00\"", text)
	fields := strings.Fields(strings.ToLower(text))
	if len(fields) == 0 || len(fields) > 2 {
		return h, wrong
	}
	if len(fields) == 1 {
		h.Days = [7]bool{true, true, true, true, true, true, true}
	} else {
		for _, part := range strings.Split(fields[0], ",") {
			first, last, span := strings.Cut(part, "-")
			a, ok := dayNames[first]
			b := a
			if span {
				var known bool
				b, known = dayNames[last]
				ok = ok && known
			}
			if !ok {
				return h, wrong
			}
			for d := a; ; d = (d + 1) % 7 {
				h.Days[d] = true
				if d == b {
					break
				}
			}
		}
	}
	from, to, ok := strings.Cut(fields[len(fields)-1], "-")
	var err1, err2 error
	h.From, err1 = timeOfDay(from)
	h.To, err2 = timeOfDay(to)
	if !ok || err1 != nil || err2 != nil {
		return h, wrong
	}
	return h, nil
}

func timeOfDay(s string) (time.Duration, error) {
	if s == "24:00" {
		return 24 * time.Hour, nil
	}
	t, err := time.Parse("15:04", s)
	return time.Duration(t.Hour())*time.Hour + time.Duration(t.Minute())*time.Minute, err
}

// In tells whether t, by its own clock on the wall, is within the hours.
func (h Hours) In(t time.Time) bool {
	at := time.Duration(t.Hour())*time.Hour + time.Duration(t.Minute())*time.Minute + time.Duration(t.Second())*time.Second
	today := h.Days[t.Weekday()]
	if h.From < h.To {
		return today && at >= h.From && at < h.To
	}
	yesterday := h.Days[(t.Weekday()+6)%7]
	return today && at >= h.From || yesterday && at < h.To
}

// guard raises what is asked for a plan by what the policy says of what it touches and of the hour. Quiet hours are for what may break
// something that runs.
func (p *Policy) guard(plan *Plan, now time.Time) {
	for _, name := range plan.touched() {
		for _, pattern := range p.Protected {
			if ok, err := path.Match(pattern, name); ok && err == nil {
				plan.raise(Guarded, name+" is protected")
				break
			}
		}
	}
	if plan.subject().harmless {
		return
	}
	for _, h := range p.Quiet {
		if h.In(now) {
			plan.raise(Guarded, "quiet hours ("+h.Text+")")
			break
		}
	}
}

// Refusals that the command line maps to exit code 4.
var (
	// ErrReadOnly: the policy refuses every change.
	ErrReadOnly = errors.New("refused: read-only (QUARTERDECK_READ_ONLY, --read-only, or the context's read-only)")
	// ErrNotConfirmed: nobody has said yes.
	ErrNotConfirmed = errors.New("refused: not confirmed")
	// ErrNoReason: the configuration demands one.
	ErrNoReason = errors.New("refused: the configuration asks for a reason (--reason)")
)

// Refusal is a plan that cannot be carried out, and why.
type Refusal struct{ Why string }

// Error is the reason.
func (r *Refusal) Error() string { return "refused: " + r.Why }

// Busy is another run that has one of the services in hand.
type Busy struct{ Run, Service string }

// Error says which, and what to do.
func (b *Busy) Error() string {
	return fmt.Sprintf("refused: run %s has %s in hand: watch it, finish it or take it back first (quarterdeck journal --run %s)", b.Run, b.Service, b.Run)
}

// Locked is a service that a run on another machine has in hand.
type Locked struct{ Run, Why string }

// Error is the reason.
func (l *Locked) Error() string { return l.Unwrap().Error() }

// Unwrap is the refusal that it is.
func (l *Locked) Unwrap() error { return &Refusal{l.Why} }

// Conflict is a service that somebody else has changed since the plan was made. Nothing was forced over it.
type Conflict struct {
	Service string
	// Changed is what the other has changed.
	Changed []string
}

// Error says who is in the way.
func (c *Conflict) Error() string {
	what := strings.Join(c.Changed, ", ")
	if what == "" {
		what = "its spec"
	}
	return fmt.Sprintf("refused: %s was changed by somebody else since the plan was made (%s): look at the plan again", c.Service, what)
}
