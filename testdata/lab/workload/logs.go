package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"sync"
	"time"
)

// logger writes one line an event: errors to stderr, the rest to stdout, so that
// the log driver's source label has both values. Safe for concurrent use.
type logger struct {
	mu            sync.Mutex
	json          bool
	name, version string
}

func newLogger(c config) *logger {
	return &logger{json: c.format == "json", name: c.name, version: c.version}
}

// event writes a line; kv are alternating keys and values.
func (l *logger) event(level, msg string, kv ...any) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.write(output(level), level, msg, kv)
}

func output(level string) io.Writer {
	if level == "error" {
		return os.Stderr
	}
	return os.Stdout
}

func (l *logger) write(w io.Writer, level, msg string, kv []any) {
	now := time.Now().UTC().Format("2006-01-02T15:04:05.000000Z07:00")
	all := append([]any{"ts", now, "level", level, "msg", msg, "service", l.name, "version", l.version}, kv...)
	var b strings.Builder
	if l.json {
		b.WriteByte('{')
	}
	for i := 0; i+1 < len(all); i += 2 {
		if i > 0 {
			b.WriteString(map[bool]string{true: ",", false: " "}[l.json])
		}
		if l.json {
			b.WriteString(jsonPair(all[i], all[i+1]))
		} else {
			b.WriteString(logfmtPair(all[i], all[i+1]))
		}
	}
	if l.json {
		b.WriteByte('}')
	}
	b.WriteByte('\n')
	_, _ = io.WriteString(w, b.String())
}

func jsonPair(key, value any) string {
	switch v := value.(type) {
	case error:
		value = v.Error()
	case time.Duration:
		value = float64(v.Microseconds()) / 1000
		key = fmt.Sprint(key, "_ms")
	}
	raw, err := json.Marshal(value)
	if err != nil {
		raw = []byte(`"?"`)
	}
	return fmt.Sprintf("%q:%s", key, raw)
}

func logfmtPair(key, value any) string {
	s := fmt.Sprint(value)
	if d, ok := value.(time.Duration); ok {
		s = d.Round(10 * time.Microsecond).String()
	}
	if s == "" || strings.ContainsAny(s, " \"=\n\t") {
		s = strconv.Quote(s)
	}
	return fmt.Sprintf("%v=%s", key, s)
}

// trace writes a stack trace over many lines, as a crashing program does: in
// neither format, and without a level of its own.
func (l *logger) trace(head string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	fmt.Fprintf(os.Stderr, `%s

goroutine 118 [running]:
main.(*ledger).apply(0xc0001b4000, {0x7f3a11c0, 0x2a, 0x40})
	/src/ledger/apply.go:211 +0x1d4
main.(*ledger).replay(0xc0001b4000)
	/src/ledger/replay.go:88 +0x9c
main.main()
	/src/main.go:54 +0x3a5
`, head)
}

// burst writes lines as fast as the pipe takes them. Each carries seq=1..lines
// and the burst's id, so that a reader can prove what it lost.
func (l *logger) burst(id string, lines, size int, level string) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	w := bufio.NewWriterSize(output(level), 64<<10)
	for i := 1; i <= lines; i++ {
		l.write(w, level, "burst", []any{"burst", id, "seq", i, "of", lines, "pad", strings.Repeat("x", max(size-150, 1))})
	}
	return w.Flush()
}
