package sources_test

import (
	"strings"
	"testing"

	"quarterdeck/sources"
)

// Lines as the loggers of the field write them.
var levelLines = []struct {
	line string
	want sources.Level
}{
	// logfmt
	{`time="2026-01-02T03:04:05Z" level=warning msg="disk is 91% full"`, sources.LevelWarn},
	{`ts=2026-01-02T03:04:05Z caller=main.go:12 level=error msg="query failed" err="dial tcp: i/o timeout"`, sources.LevelError},
	{`lvl=dbug msg=x`, sources.LevelUnknown},
	{`level="info" msg="said level=error"`, sources.LevelInfo},
	{`msg="said level=error" level=info`, sources.LevelInfo},
	{`msg=ERROR level=debug`, sources.LevelDebug},
	{`time=2026-01-02T03:04:05.000Z level=INFO msg=hello`, sources.LevelInfo},
	{`severity=CRITICAL msg=x`, sources.LevelFatal},
	// JSON
	{`{"level":"error","ts":1,"msg":"boom"}`, sources.LevelError},
	{`{"time":"2026-01-02T03:04:05Z","level":"WARN","msg":"slow \"level\":\"fatal\""}`, sources.LevelWarn},
	{`{"msg":"x","ctx":{"level":"fatal"},"level" : "info"}`, sources.LevelInfo},
	{`{"level":50,"time":1,"msg":"pino"}`, sources.LevelError},
	{`{"level":30,"msg":"pino"}`, sources.LevelInfo},
	{`{"version":"1.1","level":3,"short_message":"gelf"}`, sources.LevelError},
	{`{"@t":"2026","@l":"Warning","@m":"serilog"}`, sources.LevelWarn},
	{`{"log.level":"error","message":"ecs"}`, sources.LevelError},
	{`{"severityText":"ERROR","body":"otel"}`, sources.LevelError},
	{`{"msg":"an ERROR in the text only"}`, sources.LevelUnknown},
	{`2026-01-02 app {"level":"debug"}`, sources.LevelDebug},
	// plain
	{`2026/01/02 03:04:05 [error] 12#12: *1 connect() failed (111: Connection refused)`, sources.LevelError},
	{`nginx: [warn] the "user" directive`, sources.LevelWarn},
	{`2026-01-02 03:04:05.123 UTC [41] FATAL:  password authentication failed`, sources.LevelFatal},
	{`2026-01-02 03:04:05 ERROR [main] c.e.App - it broke`, sources.LevelError},
	{"2026-01-02T03:04:05Z\tinfo\tserver/main.go:3\tzap console", sources.LevelInfo},
	{`2026-01-02 03:04:05,123 - app - warning - python`, sources.LevelWarn},
	{`ERROR:root:python's basicConfig`, sources.LevelError},
	{`WARN[0012] logrus text`, sources.LevelWarn},
	{"\x1b[31mERROR\x1b[0m[0001] in colour", sources.LevelError},
	{`3:04PM ERR zerolog console`, sources.LevelError},
	{`E0102 15:04:05.123456       1 reflector.go:138] klog`, sources.LevelError},
	{`panic: runtime error: index out of range [3]`, sources.LevelFatal},
	{`fatal error: all goroutines are asleep`, sources.LevelFatal},
	{`Traceback (most recent call last):`, sources.LevelError},
	{`npm ERR! code ELIFECYCLE`, sources.LevelError},
	{`Error: Cannot find module 'x'`, sources.LevelError},
	{`<warning> haproxy`, sources.LevelWarn},
	// words that are no level
	{`listening on :8080`, sources.LevelUnknown},
	{`GET /api/error/404 200 12ms`, sources.LevelUnknown},
	{`GET /ERROR HTTP/1.1`, sources.LevelUnknown},
	{`no errors found, info at the desk`, sources.LevelUnknown},
	{`for more info: see the manual`, sources.LevelUnknown},
	{`ERROR_CODE=5`, sources.LevelUnknown},
	{``, sources.LevelUnknown},
	{`"`, sources.LevelUnknown},
	{"\x1b[", sources.LevelUnknown},
	{strings.Repeat("x ", 200) + "ERROR", sources.LevelUnknown}, // too far in to be the line's level
	{strings.Repeat("a=b ", 500) + "level=error", sources.LevelError},
	{strings.Repeat("a=b ", 5000) + "level=error", sources.LevelUnknown},
}

func TestLevelOf(t *testing.T) {
	for _, c := range levelLines {
		if got := sources.LevelOf(c.line); got != c.want {
			t.Errorf("LevelOf(%.80q) = %q, want %q", c.line, got, c.want)
		}
	}
}

func TestLevelOfDoesNotAllocate(t *testing.T) {
	for _, c := range levelLines {
		if n := testing.AllocsPerRun(10, func() { sources.LevelOf(c.line) }); n != 0 {
			t.Errorf("LevelOf(%.60q) allocates %v times", c.line, n)
		}
	}
}

func FuzzLevelOf(f *testing.F) {
	for _, c := range levelLines {
		f.Add(c.line)
	}
	f.Fuzz(func(t *testing.T, line string) {
		got := sources.LevelOf(line)
		if got > sources.LevelFatal {
			t.Fatalf("no level: %d", got)
		}
		if got != sources.LevelUnknown && sources.ParseLevel(got.String()) != got {
			t.Fatalf("%v does not parse back", got)
		}
	})
}

func BenchmarkLevelOf(b *testing.B) {
	line := `time="2026-01-02T03:04:05Z" caller=server.go:120 trace_id=4bf92f3577b34da6 level=info msg="request served" method=GET path=/api/v1/orders status=200 took=12.4ms`
	b.SetBytes(int64(len(line)))
	for b.Loop() {
		sources.LevelOf(line)
	}
}
