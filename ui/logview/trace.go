package logview

import (
	"strings"
	"time"

	"quarterdeck/sources"
)

// A stack trace that comes as a line an entry has a level on its first line
// alone. Its other lines take that level, so that a filter by level keeps a
// trace whole and it is drawn in one colour.
const (
	traceRows = 128                    // how far above the first line may stand
	traceSpan = 200 * time.Millisecond // how long before
)

// level is the row's own level, or that of the line which it continues.
func (c *chunk) level(r *rec) sources.Level {
	if r.level != sources.LevelUnknown || r.kind != kindLine || !continues(c.text(r)) {
		return r.level
	}
	at := c.find(r.key())
	for i := at - 1; i >= max(at-traceRows, 0); i-- {
		above := &c.recs[i]
		if r.ts-above.ts > int64(traceSpan) {
			break
		}
		if above.kind == kindLine && above.stream == r.stream && above.level != sources.LevelUnknown {
			return above.level
		}
	}
	return sources.LevelUnknown
}

// continues tells whether a line looks like one of a stack trace of Go, Java, Python or JavaScript, but the first.
func continues(line string) bool {
	if line == "" {
		return false
	}
	if line[0] == ' ' || line[0] == '\t' {
		return true
	}
	for _, p := range []string{"goroutine ", "created by ", "Caused by: ", "Traceback (most recent"} {
		if strings.HasPrefix(line, p) {
			return true
		}
	}
	// A call: main.checkout(0xc000014a80, 0x1)
	call, _, ok := strings.Cut(line, "(")
	return ok && len(line) < 1024 && strings.HasSuffix(line, ")") && strings.Contains(call, ".") && !strings.ContainsAny(call, " =:")
}
