package logview

import (
	"bufio"
	"io"
	"os"
	"syscall"
	"testing"
	"time"

	"quarterdeck/sources"
)

// cpu is what the process has used of the cores.
func cpu() time.Duration {
	var u syscall.Rusage
	_ = syscall.Getrusage(syscall.RUSAGE_SELF, &u)
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// BenchmarkFile reads the log file that QUARTERDECK_BENCH_LOG names into a pane that holds it all, filters it by the regular expression
// QUARTERDECK_BENCH_EXPR and writes what passes to nowhere: what testdata/bench-logs lets lnav do with the same file.
func BenchmarkFile(b *testing.B) {
	path, expr := os.Getenv("QUARTERDECK_BENCH_LOG"), os.Getenv("QUARTERDECK_BENCH_EXPR")
	if path == "" {
		b.Skip("QUARTERDECK_BENCH_LOG names no file")
	}
	for range b.N {
		began, used := time.Now(), cpu()
		p := newPane(Options{MaxBytes: 1 << 30})
		lines := readInto(b, p, path)
		settle(b, p)
		loaded := time.Now()
		must(b, p.SetFilter(Filter{Include: []Term{{Text: expr, Regexp: true}}}))
		settle(b, p)
		filtered := time.Now()
		found, err := p.Save(io.Discard, FormatText)
		must(b, err)
		b.ReportMetric(float64(lines), "lines")
		b.ReportMetric(float64(found), "found")
		b.ReportMetric(loaded.Sub(began).Seconds(), "load-s")
		b.ReportMetric(float64(filtered.Sub(loaded).Microseconds())/1000, "filter-ms")
		b.ReportMetric(time.Since(began).Seconds(), "wall-s")
		b.ReportMetric((cpu() - used).Seconds(), "cpu-s")
	}
	b.ReportMetric(0, "ns/op")
}

// readInto appends a file's lines, each a microsecond after the one before, with the levels that they say.
func readInto(b *testing.B, p *Pane, path string) int {
	f, err := os.Open(path)
	must(b, err)
	defer f.Close()
	r := bufio.NewScanner(f)
	r.Buffer(make([]byte, 1<<20), 1<<20)
	batch, n := make([]sources.Entry, 0, 1000), 0
	flush := func() {
		p.Append(sources.LogBatch{Entries: batch})
		batch = batch[:0]
	}
	for r.Scan() {
		line := r.Text()
		batch = append(batch, sources.Entry{Time: start.Add(time.Duration(n) * time.Microsecond), Line: line, Level: sources.LevelOf(line), Stream: web})
		if n++; len(batch) == cap(batch) {
			flush()
		}
	}
	flush()
	must(b, r.Err())
	return n
}
