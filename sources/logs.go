package sources

import (
	"context"
	"time"
)

// Level is a log line's severity. Lines say it in many ways; adapters fold them.
type Level uint8

// The levels, in rising order.
const (
	LevelUnknown Level = iota
	LevelTrace
	LevelDebug
	LevelInfo
	LevelWarn
	LevelError
	LevelFatal
)

var levelNames = [...]string{"", "trace", "debug", "info", "warn", "error", "fatal"}

// String is the level's word, "" where it is unknown.
func (l Level) String() string {
	if int(l) < len(levelNames) {
		return levelNames[l]
	}
	return ""
}

// Stream is what the lines of one log stream share. Entries point to one
// Stream, so that a million lines cost one label set; never change it.
type Stream struct {
	Service, Stack, Task, Node, Container string
	Source                                string // loki | docker
	Labels                                map[string]string
}

// Entry is one log line. Line is as it came: hostile until it is drawn.
type Entry struct {
	Time   time.Time
	Line   string
	Level  Level
	Stream *Stream
}

// Gap says that lines are known to be missing between two moments.
type Gap struct {
	From, To time.Time
	Reason   string
	// Lost is how many lines at least; 0: not known.
	Lost int
	// Service that the gap is about, or "" for all.
	Service string
}

// LogQuery asks for lines. Its zero value means: everything, the last hour, newest first up to the limit.
type LogQuery struct {
	// Services by name; several are merged in time order. Empty with empty Stack and Expr: all services.
	Services []string
	Stack    string
	// Tasks narrows to these task ids, where the source can.
	Tasks []string
	// Expr is LogQL as written by the user; where set, the other selectors above are ignored.
	Expr string
	// Contains, Regexp (RE2) and Exclude (RE2) filter lines, on the server where it can.
	Contains, Regexp, Exclude string
	// Pattern keeps the lines of one pattern only: its text with <_> for what varies (see [Pattern]).
	Pattern string
	// Levels keeps these only; empty: all.
	Levels []Level
	// Since is inclusive and Until exclusive. Zero Until: now. Zero Since: an hour before Until.
	Since, Until time.Time
	// Limit bounds the lines of the answer; 0: 1,000. The adapter pages past the server's own limit.
	Limit int
	// Forward: the oldest first lines within the limit; else the newest. The answer is in rising time order either way.
	Forward bool
}

// LogPage is the answer to a LogQuery, in rising time order.
type LogPage struct {
	Entries []Entry
	Gaps    []Gap
	// More: the limit cut the answer.
	More bool
}

// LogBatch is what Follow hands over: new entries in order, and news about the stream itself.
type LogBatch struct {
	Entries []Entry
	Gap     *Gap
	Status  *Status
}

// VolumePoint is a count of lines by level in one step of time.
type VolumePoint struct {
	Time   time.Time
	Counts map[Level]float64
}

// Logs is a source of log lines. Safe for concurrent use.
type Logs interface {
	// Name is "loki" or "docker".
	Name() string
	// Query reads lines once. It returns what it got together with an error where it got only a part.
	Query(ctx context.Context, q LogQuery) (LogPage, error)
	// Follow hands lines over from q.Since on (zero: now) and goes on until ctx ends: each line once and in
	// order of time within a stream, reconnecting and filling gaps by itself. What cannot be filled comes as a Gap.
	// emit is called from one goroutine at a time; it may block, which slows reading and never loses lines.
	// It returns only ctx's error.
	Follow(ctx context.Context, q LogQuery, emit func(LogBatch)) error
	// Labels are the label names, or with a name its values, in a window.
	Labels(ctx context.Context, name string, since, until time.Time) ([]string, error)
	// Volume counts lines by level over the whole range, not over a page.
	Volume(ctx context.Context, q LogQuery, step time.Duration) ([]VolumePoint, error)
	// Rates is, by service, how many lines of level error and above a second came in the window before at.
	Rates(ctx context.Context, at time.Time, window time.Duration) (map[string]float64, error)
	// LineRates is, by service, how many lines of any level a second came in the window before at; who said nothing is not in it.
	LineRates(ctx context.Context, at time.Time, window time.Duration) (map[string]float64, error)
	Probe(ctx context.Context) Probe
}
