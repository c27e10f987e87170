package diagnosis

import (
	"fmt"
	"regexp"
	"strings"
	"time"

	"quarterdeck/sources"
	"quarterdeck/sources/patterns"
)

// newLeast is how often a new pattern must have come to be told of: one line may be anything.
const newLeast = 5

// message is where structured lines have what they say.
var message = regexp.MustCompile(`(?:"(?:msg|message|event)"\s*:\s*|\b(?:msg|message|event)=)("(?:[^"\\]|\\.)+"|[^\s",}]+)`)

// saidBefore tells whether earlier lines have said the same, with other values beside it: a pattern may be new by its values alone.
func saidBefore(sample string, earlier ...[]sources.Entry) bool {
	m := message.FindStringSubmatch(sample)
	if m == nil {
		return false
	}
	for _, lines := range earlier {
		for i := range lines {
			if strings.Contains(lines[i].Line, m[1]) {
				return true
			}
		}
	}
	return false
}

// spokeBefore is how long a service must have spoken before a line is new in its mouth: what it says at its start is not.
const spokeBefore = 30 * time.Second

// longSilent tells whether a service spoke for so long before a pattern's first line that ten more of it would have come, had it been usual.
func longSilent(p sources.Pattern, spoke time.Time) bool {
	return p.First.Sub(spoke) >= max(spokeBefore, 10*p.Last.Sub(p.First)/time.Duration(p.Count-1))
}

// logPatternNew: a pattern of warnings or errors that the baseline, the time before and the same hour yesterday, has not.
func logPatternNew(s *Scene, _ *Wide) *Cause {
	if s.Logs == nil || s.Logs.Blind || len(s.Logs.Errors) == 0 || !s.Logs.BeforeSeen && s.Logs.Spoke.IsZero() {
		return nil
	}
	base := patterns.Mine(append(append([]sources.Entry{}, s.Logs.Before...), s.Logs.Yesterday...))
	var fresh []sources.Pattern
	for _, p := range patterns.New(base, patterns.Mine(s.Logs.Errors)) {
		if s.well() && !still(p.First, p.Last, p.Count, s.At) {
			continue // it has stopped to say so
		}
		if p.Level >= sources.LevelWarn && p.Count >= newLeast && (s.Logs.BeforeSeen || longSilent(p, s.Logs.Spoke)) && !saidBefore(p.Sample, s.Logs.Before, s.Logs.Yesterday) {
			fresh = append(fresh, p)
		}
	}
	if len(fresh) == 0 {
		return nil
	}
	first := fresh[0]
	c := &Cause{Title: "it says something new", Grade: Anomaly, Confidence: 0.5, Since: s.Logs.saidSince(first.First),
		Why: fmt.Sprintf("the %s before and the same time yesterday have no such line", short(beforeSpan))}
	switch {
	case !s.Logs.BeforeSeen:
		c.Confidence = 0.4
		c.Why = fmt.Sprintf("it has said things for %s before the first such line, and nothing older is known of it", short(first.First.Sub(s.Logs.Spoke)))
	case !s.Logs.YesterdaySeen:
		c.Confidence = 0.45
		c.Why = fmt.Sprintf("the %s before have no such line; of yesterday there is none to compare with", short(beforeSpan))
	}
	for _, p := range fresh[:min(len(fresh), 3)] {
		c.proves(s.Logs.Source, s.Logs.ErrorsQuery, p.First, "%s %s since %s: %s", plural(p.Count, "time"), p.Level, p.First.UTC().Format(time.TimeOnly), clip(orWord(p.Sample, p.Text), 240))
	}
	c.step("read its first lines", "logs", s.Service.Name)
	c.step("see what was changed", "change", s.Service.Name)
	return c
}
