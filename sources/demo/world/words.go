package world

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

const stamp = "2006-01-02T15:04:05.000Z"

func clock(ns int64) string { return time.Unix(0, ns).UTC().Format(stamp) }

func pick[T any](h uint64, of ...T) T { return of[h%uint64(len(of))] }

// fields is a line before it is written as JSON or logfmt: keys and values in turn.
type fields []any

// text is fmt.Sprint without its cost, for the types that lines are made of.
func text(v any) string {
	switch x := v.(type) {
	case string:
		return x
	case int:
		return strconv.Itoa(x)
	case Level:
		return x.String()
	case time.Duration:
		return x.String()
	}
	return fmt.Sprint(v)
}

func (f fields) json() string {
	var b strings.Builder
	b.WriteByte('{')
	for i := 0; i+1 < len(f); i += 2 {
		if i > 0 {
			b.WriteByte(',')
		}
		b.WriteString(strconv.Quote(f[i].(string))) //nolint:forcetypeassert // keys are literals of this file
		b.WriteByte(':')
		switch v := f[i+1].(type) {
		case int:
			b.WriteString(strconv.Itoa(v))
		case time.Duration:
			b.WriteString(strconv.FormatFloat(float64(v.Microseconds())/1000, 'f', -1, 64))
		default:
			b.WriteString(strconv.Quote(text(v)))
		}
	}
	b.WriteByte('}')
	return b.String()
}

func (f fields) logfmt() string {
	var b strings.Builder
	for i := 0; i+1 < len(f); i += 2 {
		if i > 0 {
			b.WriteByte(' ')
		}
		v := text(f[i+1])
		if v == "" || strings.ContainsAny(v, " \"=") {
			v = strconv.Quote(v)
		}
		b.WriteString(text(f[i]))
		b.WriteByte('=')
		b.WriteString(v)
	}
	return b.String()
}

func (f fields) in(format string) string {
	if format == "json" {
		return f.json()
	}
	return f.logfmt()
}

// words is the text of a generated line, by the kind of service.
func words(l *Line) string {
	p := &l.Box.owner.Profile
	h := l.seed
	if l.words != "" {
		return trouble(l, p)
	}
	switch p.Kind {
	case "access", "traefik":
		return accessLine(l, p)
	case "http":
		return httpLine(l, p)
	case "postgres":
		return postgresLine(l)
	case "redis":
		return "1:M " + time.Unix(0, l.T).UTC().Format("02 Jan 2006 15:04:05.000") + " " + redisWords(l.Level, h)
	case "worker":
		return workerLine(l, p)
	}
	msg := pick(h, "compaction done", "checkpoint written", "heartbeat", "flushed chunks", "reload finished", "ring is stable")
	f := fields{"ts", clock(l.T), "level", l.Level, "caller", pick(h>>8, "main.go:118", "store.go:402", "ring.go:77"), "msg", msg, "took", took(h, 0.02)}
	if l.Level == Error {
		f[7] = pick(h, "flush failed", "scrape failed", "write to ring failed")
		f = append(f, "err", pick(h>>4, "context deadline exceeded", "connection reset by peer"))
	}
	return f.in(p.Format)
}

func took(h uint64, median float64) time.Duration {
	z := unit(mix(h+5)) + unit(mix(h+6)) + unit(mix(h+7)) - 1.5
	d := median
	for i := 0; i < int(max(z, 0)*3); i++ {
		d *= 1.6
	}
	return time.Duration(d * (1 + z*0.4) * float64(time.Second)).Round(10 * time.Microsecond)
}

// lasted is how long a request took that a line tells of: as long as the histogram has it then.
func (l *Line) lasted(h uint64, median float64) time.Duration {
	if l.slow > 0 {
		median *= l.slow
	}
	return took(h, median)
}

func trace(h uint64) string { return fmt.Sprintf("%016x", mix(h+9)) }

var paths = []string{"/", "/products", "/products/42", "/cart", "/checkout", "/search?q=lamp", "/login", "/orders/8841"}

func accessLine(l *Line, p *Profile) string {
	h := l.seed
	status := 200
	switch l.Level {
	case Error:
		status = pick(h>>3, 500, 502, 503)
	case Warn:
		status = pick(h>>3, 404, 404, 429)
	case Info, Debug, Unknown:
	}
	return fields{
		"time", clock(l.T), "level", l.Level, "method", pick(h>>5, "GET", "GET", "GET", "POST"), "path", pick(h>>9, paths...), "status", status,
		"duration_ms", l.lasted(h, p.Median), "bytes", int(200 + h%9000), "remote", fmt.Sprintf("10.0.1.%d", 2+h>>20%200), "trace_id", trace(h), //nolint:gosec // small
	}.json()
}

func httpLine(l *Line, p *Profile) string {
	h := l.seed
	f := fields{
		"ts", clock(l.T), "level", l.Level, "msg", "request served", "method", pick(h>>5, "GET", "GET", "POST"), "path", pick(h>>9, paths...), "status", 200,
		"duration", l.lasted(h, p.Median), "trace_id", trace(h),
	}
	switch l.Level {
	case Error:
		f[5], f[11] = "request failed", pick(h>>3, 500, 502)
		f = append(f, "error", pick(h>>7, "deadlock detected on table orders", "dial tcp 10.0.3.7:5432: connect: connection refused", "unexpected end of JSON input"))
	case Warn:
		f[5] = "slow request"
		f[13] = took(h, p.Median*8)
	case Debug:
		f = fields{"ts", clock(l.T), "level", l.Level, "msg", "connection pool", "idle", int(h % 8), "open", 8, "waiting", 0} //nolint:gosec // small
	case Info, Unknown:
	}
	return f.in(p.Format)
}

func postgresLine(l *Line) string {
	h := l.seed
	head := time.Unix(0, l.T).UTC().Format("2006-01-02 15:04:05.000 UTC") + " [" + itoa(60+int(h%400)) + "] " //nolint:gosec // small
	switch l.Level {
	case Error:
		return head + "ERROR:  " + pick(h>>3, "duplicate key value violates unique constraint \"orders_pkey\"", "canceling statement due to statement timeout", "deadlock detected")
	case Warn:
		return head + "WARNING:  " + pick(h>>3, "there is no transaction in progress", "could not open statistics file: No such file or directory")
	case Debug, Info, Unknown:
	}
	return head + "LOG:  " + pick(h>>3,
		"checkpoint starting: time",
		fmt.Sprintf("checkpoint complete: wrote %d buffers (%.1f%%); write=%.3f s, sync=0.004 s", 20+h%900, float64(h%60)/10, float64(h%9000)/1000),
		fmt.Sprintf("duration: %.3f ms  statement: SELECT * FROM orders WHERE id = $1", float64(h%90000)/100),
		"automatic vacuum of table \"shop.public.orders\": index scans: 1")
}

func redisWords(level Level, h uint64) string {
	switch level {
	case Error:
		return "# MISCONF Errors writing to the AOF file: " + pick(h, "Input/output error", "Resource temporarily unavailable")
	case Warn:
		return "# WARNING memory usage near maxmemory"
	case Debug, Info, Unknown:
	}
	return "* " + pick(h>>3, "100 changes in 300 seconds. Saving...", "Background saving terminated with success", "DB saved on disk", "Fork CoW for RDB: current 1 MB, peak 1 MB, average 1 MB")
}

func workerLine(l *Line, p *Profile) string {
	h := l.seed
	f := fields{"ts", clock(l.T), "level", l.Level, "msg", "job finished", "job", pick(h>>5, "resize-images", "send-mail", "reindex", "nightly-report"), "run", int(h >> 40 % 100000), "took", took(h, p.Median), "rows", int(h % 50000)} //nolint:gosec // small
	switch l.Level {
	case Error:
		f[5] = "job failed"
		f = append(f, "error", pick(h>>3, "upload: connection reset by peer", "lease lost", "bad row 117: invalid input syntax for type uuid"))
	case Warn:
		f[5] = "job retried"
	case Debug:
		f[5] = "job started"
	case Info, Unknown:
	}
	return f.in(p.Format)
}

// slowStatement is the note of an effect whose lines are a database's slow statements.
const slowStatement = "slow statement"

// phrase marks the note of a line that is no trouble: its own message, at its own level.
const phrase = "phrase: "

// tooManyClients is a database's error that is fatal to a session.
const tooManyClients = "sorry, too many clients already"

// trouble is a line in an incident's words.
func trouble(l *Line, p *Profile) string {
	h := l.seed
	if msg, is := strings.CutPrefix(l.words, phrase); is {
		return fields{"ts", clock(l.T), "level", l.Level, "msg", msg, "order", int(1000 + h%9000), "key", "fallback-1", "trace_id", trace(h)}.in(p.Format) //nolint:gosec // small
	}
	if p.Format == "plain" {
		head := time.Unix(0, l.T).UTC().Format("2006-01-02 15:04:05.000 UTC") + " [" + itoa(60+int(h%400)) + "] " //nolint:gosec // small
		if l.words == slowStatement {
			return head + fmt.Sprintf("LOG:  duration: %.3f ms  statement: SELECT * FROM orders WHERE customer = $1 ORDER BY created", 1500+float64(h%400000)/100)
		}
		if l.words == tooManyClients {
			return head + "FATAL:  " + l.words
		}
		return head + "ERROR:  " + l.words
	}
	return fields{
		"ts", clock(l.T), "level", "error", "msg", "request failed", "path", pick(h>>9, paths...), "status", pick(h>>3, 500, 502, 504),
		"duration", l.lasted(h, p.Median), "trace_id", trace(h), "error", l.words,
	}.in(p.Format)
}

func burstText(format string, ns int64, id string, seq, of int) string {
	return fields{"ts", clock(ns), "level", "info", "msg", "burst", "burst", id, "seq", seq, "of", of, "pad", "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"}.in(format)
}

// lastWords is what a container says on its way down.
func (w *World) lastWords(t *Task) {
	if t.box == nil {
		return
	}
	now, p := w.now().UnixNano(), &t.service.Profile
	if p.Kind == "postgres" {
		w.say(t.box, Error, time.Unix(0, now).UTC().Format("2006-01-02 15:04:05.000 UTC")+" [1] FATAL:  could not load configuration: unrecognized parameter \"shared_bufers\"")
		return
	}
	w.say(t.box, Error,
		fields{"ts", clock(now), "level", "error", "msg", "startup failed", "error", "config: PAYMENT_TIMEOUT: time: invalid duration \"5\""}.in(p.Format),
		"panic: config: PAYMENT_TIMEOUT: time: invalid duration \"5\"",
		"",
		"goroutine 1 [running]:",
		"main.mustLoad(0xc0001b4000)",
		"\t/src/config.go:88 +0x1d4",
		"main.main()",
		"\t/src/main.go:41 +0x3a5",
	)
}
