package main

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"quarterdeck/sources/demo"
)

// spent is what the process has used of a CPU since it began, all its threads together.
func (t *terminal) spent(b *testing.B) time.Duration {
	b.Helper()
	dir := fmt.Sprintf("/proc/%d/task", t.cmd.Process.Pid)
	tasks, err := os.ReadDir(dir)
	if err != nil {
		b.Fatal(err)
	}
	sum := time.Duration(0)
	for _, e := range tasks {
		s, err := os.ReadFile(filepath.Join(dir, e.Name(), "schedstat")) // nanoseconds on a CPU, waiting, slices
		if err != nil {
			b.Fatal(err)
		}
		ns, err := strconv.ParseInt(strings.Fields(string(s))[0], 10, 64)
		if err != nil {
			b.Fatal(err)
		}
		sum += time.Duration(ns)
	}
	return sum
}

// resident is the memory of the process that is in RAM, in MiB: all of it, and what no file backs (the
// rest is the binary's own pages).
func (t *terminal) resident(b *testing.B) (all, anonymous float64) {
	b.Helper()
	s, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", t.cmd.Process.Pid))
	if err != nil {
		b.Fatal(err)
	}
	for line := range bytes.Lines(s) {
		f := bytes.Fields(line)
		if len(f) < 2 {
			continue
		}
		kib, _ := strconv.ParseFloat(string(f[1]), 64)
		switch string(f[0]) {
		case "VmRSS:":
			all = kib / 1024
		case "RssAnon:":
			anonymous = kib / 1024
		}
	}
	return all, anonymous
}

// restTime is how long a console at rest is watched, after as long a settling time as the sparklines need.
func restTime() (settle, watch time.Duration) {
	settle, watch = 30*time.Second, 60*time.Second
	if d, err := time.ParseDuration(os.Getenv("QUARTERDECK_BENCH_REST")); err == nil {
		watch = d
	}
	return settle, watch
}

// BenchmarkAtRest is a console (the real binary, in a real terminal of 160x48) of 300 services and 1,200 tasks
// with every source live, in two views: the overview, whose figures, charts and log lines move by
// themselves, and one on which nothing moves. The platform is another process' (this one's).
func BenchmarkAtRest(b *testing.B) {
	bin := builtBinary(b)
	settle, watch := restTime()
	for _, view := range []struct{ name, key string }{{"overview", "1"}, {"still", "6"}} {
		b.Run(view.name, func(b *testing.B) {
			for range b.N {
				// A new one: after some minutes its alerts begin to fire, and news is no rest.
				d, err := demo.Start(b.Context(), demo.Options{Services: 300, Tasks: 1200, Seed: 1, Quiet: true})
				if err != nil {
					b.Fatal(err)
				}
				b.Cleanup(func() { d.Close() })
				t := openTerminal(b, bin, d)
				t.wait(b, 30*time.Second, "swarm LIVE", "loki LIVE", "prometheus LIVE", "alertmanager LIVE")
				t.keys(b, view.key)
				time.Sleep(settle)
				t.reset()
				before, began := t.spent(b), time.Now()
				time.Sleep(watch)
				used, took := t.spent(b)-before, time.Since(began)
				t.wait(b, time.Second, "swarm LIVE", "loki LIVE", "prometheus LIVE", "alertmanager LIVE")
				all, anonymous := t.resident(b)
				t.mu.Lock()
				b.ReportMetric(100*used.Seconds()/took.Seconds(), "%core")
				b.ReportMetric(all, "RSS-MiB")
				b.ReportMetric(anonymous, "anon-MiB")
				b.ReportMetric(float64(t.bytes)/took.Minutes(), "B/min")
				b.ReportMetric(float64(t.writes), "writes")
				b.ReportMetric(float64(t.idle), "B-in-vain")
				if os.Getenv("QUARTERDECK_BENCH_SHOW") != "" {
					for _, w := range t.bursts {
						fmt.Fprintf(os.Stderr, "%q\n", w) // a benchmark's log is cut
					}
					fmt.Fprintln(os.Stderr, t.emu.String())
				}
				t.mu.Unlock()
				t.close()
				d.Close()
			}
			b.ReportMetric(0, "ns/op")
		})
	}
}

// BenchmarkStart is from the start of the process (the real binary, in a real terminal of 160x48) until the
// terminal shows the services' table, and until each source has answered (the platform is this process').
func BenchmarkStart(b *testing.B) {
	bin := builtBinary(b)
	for name, o := range map[string]demo.Options{"small": {}, "1000-services": {Services: 1000, Tasks: 10000}} {
		b.Run(name, func(b *testing.B) {
			o.Seed, o.Quiet = 1, true
			d, err := demo.Start(b.Context(), o)
			if err != nil {
				b.Fatal(err)
			}
			b.Cleanup(func() { d.Close() })
			var table, live []time.Duration
			for range b.N {
				began := time.Now()
				t := openTerminal(b, bin, d)
				t.wait(b, 30*time.Second, "swarm LIVE", " healthy ")
				table = append(table, time.Since(began)-settleWrite) // the emulator is fed that late
				t.wait(b, 30*time.Second, "swarm LIVE", "loki LIVE", "prometheus LIVE", "alertmanager LIVE")
				live = append(live, time.Since(began)-settleWrite)
				t.close()
			}
			slices.Sort(table)
			slices.Sort(live)
			b.ReportMetric(float64(table[len(table)/2].Milliseconds()), "table-ms")
			b.ReportMetric(float64(table[len(table)-1].Milliseconds()), "table-max-ms")
			b.ReportMetric(float64(live[len(live)/2].Milliseconds()), "live-ms")
			b.ReportMetric(0, "ns/op")
		})
	}
}
