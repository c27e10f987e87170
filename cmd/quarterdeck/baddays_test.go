package main

import (
	"fmt"
	"net/http"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"quarterdeck/sources"
	"quarterdeck/sources/alertmanager"
	"quarterdeck/sources/demo"
)

// badDay is one fault and the states that it may put a source into.
type badDay struct {
	name  string
	fault fault // nil: nothing listens
	want  map[string][]sources.State
	// why is a part of what the pane must say, in lower case; any of them.
	why []string
}

var everySource = []string{"swarm", "loki", "prometheus", "alertmanager"}

func all(states ...sources.State) map[string][]sources.State {
	m := map[string][]sources.State{}
	for _, s := range everySource {
		m[s] = states
	}
	return m
}

// wrongShape is valid JSON of no source.
func wrongShape(w http.ResponseWriter, r *http.Request, h http.Handler) {
	if strings.HasSuffix(r.URL.Path, "/events") { // a stream that ends is a cut connection
		w.(*countingWriter).ResponseWriter.WriteHeader(http.StatusOK)
		_ = http.NewResponseController(w).Flush()
		hangs(w, r, h)
	}
	bodyOf("application/json", `{"status":"success","data":{"resultType":"matrix","result":{"a":[1]}},"ApiVersion":7,"ID":[]}`)(w, r, h)
}

// badDays are what every source is put through. Bytes that are no HTTP may be taken for a broken connection.
var badDays = []badDay{
	{name: "refuses", want: all(sources.Reconnecting), why: []string{"refused"}},
	{name: "hangs", fault: hangs, want: all(sources.Reconnecting), why: []string{"no answer", "in time", "deadline", "timeout"}},
	{name: "cut in the middle", fault: cutInTheMiddle, want: all(sources.Reconnecting, sources.Faulty), why: []string{"cut", "eof", "middle"}},
	{name: "drips", fault: drips, want: all(sources.Reconnecting), why: []string{"no answer", "in time", "deadline", "timeout"}},
	{name: "noise", fault: noise, want: all(sources.Faulty), why: []string{"no http", "malformed"}},
	{name: "binary", fault: bodyOf("application/json", "\x00\x01\xff\xfe\x1b]0;x\a\x9b2J"), want: all(sources.Faulty), why: []string{"invalid character"}},
	{name: "wrong shape", fault: wrongShape, want: all(sources.Faulty), why: []string{"json", "cannot understand", "where a vector was expected"}},
	{name: "web page", fault: bodyOf("text/html; charset=utf-8", "<!DOCTYPE html><html><title>router</title><body>log in</body></html>"), want: all(sources.Faulty), why: []string{"web page"}},
	{name: "401", fault: status(401), want: all(sources.NoAuth), why: []string{"401"}},
	{name: "403", fault: status(403), want: all(sources.Denied), why: []string{"403"}},
	{name: "429", fault: status(429), want: all(sources.Reconnecting), why: []string{"429"}},
	{name: "500", fault: status(500), want: all(sources.Faulty), why: []string{"500"}},
}

// results are the table of what was seen, for the log.
type results struct {
	mu   sync.Mutex
	rows []string
}

func (r *results) add(source, fault string, s sources.Status, back time.Duration) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.rows = append(r.rows, fmt.Sprintf("%-13s %-18s %-13s back after %4.1f s  %s", source, fault, s.State, back.Seconds(), s.Detail))
}

func (r *results) log(t *testing.T) {
	slices.Sort(r.rows)
	t.Log("\n" + strings.Join(r.rows, "\n"))
}

// leaks fails where goroutines are left. Bubble Tea leaves the timers of tea.Tick to run out.
func leaks(t *testing.T, before goleak.Option) {
	t.Helper()
	http.DefaultClient.CloseIdleConnections()
	deadline := time.Now().Add(10 * time.Second)
	for {
		err := goleak.Find(before, goleak.IgnoreAnyFunction("charm.land/bubbletea/v2.Tick.func1"))
		if err == nil {
			return
		}
		if time.Now().After(deadline) {
			t.Fatal(err)
		}
	}
}

// anAlert has an alert fire on a platform on which all is well.
func anAlert(t *testing.T, d *demo.Platform) {
	t.Helper()
	if err := d.StartScenario("certificate-expiring"); err != nil {
		t.Fatal(err)
	}
	c, err := alertmanager.New(alertmanager.Options{Access: sources.Access{Address: d.AlertmanagerURL()}})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = c.Close() }()
	for deadline := time.Now().Add(raceSlows * 2 * time.Minute); ; time.Sleep(50 * time.Millisecond) {
		alerts, err := c.Alerts(t.Context())
		if len(alerts) > 0 {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("no alert fires, %v", err)
		}
	}
}

// TestBadDays gives each fault to each source, the others being well: the header says which source and what since
// when, the pane says why, the others stay live, and when the fault is gone the source comes back by itself.
func TestBadDays(t *testing.T) {
	before := goleak.IgnoreCurrent()
	d, err := demo.Start(t.Context(), demo.Options{Seed: 5, Quiet: true})
	if err != nil {
		t.Fatal(err)
	}
	anAlert(t, d) // an answer of "[]" is too short to drip or to be cut
	addresses := map[string]string{"swarm": d.DockerHost(), "loki": d.LokiAddr(), "prometheus": d.PrometheusURL(), "alertmanager": d.AlertmanagerURL()}
	var seen results
	t.Run("sources", func(t *testing.T) {
		const groups = 4 // of each source's faults; the first of a group is there from the start, the others hit a live console
		for _, source := range everySource {
			for g := range groups {
				t.Run(fmt.Sprintf("%s/%d", source, g), func(t *testing.T) {
					t.Parallel()
					proxy := newFaultProxy(t, addresses[source])
					address := "http://" + proxy.addr
					if source == "swarm" {
						address = "tcp://" + proxy.addr
					}
					var c *badConsole
					for i, day := range badDays {
						if i%groups != g {
							continue
						}
						if day.fault == nil {
							proxy.refuse()
						} else {
							proxy.set(t, day.fault)
						}
						fresh := c == nil
						if fresh {
							c = openBadConsole(t, d, map[string]string{source: address}, raceSlows*time.Second)
						}
						s := c.badDay(source, day, fresh)
						began := time.Now()
						proxy.set(t, nil)
						c.waitState(source, 20*time.Second, sources.Live)
						seen.add(source, day.name, s, time.Since(began))
						c.goesOn(source)
					}
					c.close()
				})
			}
		}
	})
	seen.log(t)
	if err := d.Close(); err != nil {
		t.Error(err)
	}
	leaks(t, before)
}

// badDay checks what is seen while a fault is in force.
func (c *badConsole) badDay(source string, day badDay, fresh bool) sources.Status {
	c.t.Helper()
	s := c.waitState(source, 20*time.Second, day.want[source]...)
	if s.Since.IsZero() || time.Since(s.Since) > time.Minute {
		c.t.Errorf("%s %s: since %v", source, day.name, s.Since)
	}
	for _, other := range everySource {
		if other != source {
			c.waitState(other, 20*time.Second, sources.Live)
		}
	}
	says := func(screen string) bool {
		_, screen, found := strings.Cut(flat(screen), source+" "+string(s.State)+" since "+s.Since.In(time.Local).Format("15:04:05")+": ")
		if source == "swarm" && fresh { // nothing else is in the pane
			_, screen, found = strings.Cut(flat(c.screen()), string(s.State)+": ")
		}
		if !found {
			return false
		}
		screen = strings.ToLower(screen)
		for _, w := range day.why {
			if strings.Contains(screen, w) {
				return true
			}
		}
		return false
	}
	what := source + ", " + day.name + ": the pane says why"
	c.press(map[string]string{"swarm": "2", "loki": "3", "prometheus": "4", "alertmanager": "5"}[source])
	c.wait(what, 20*time.Second, says)
	c.press("1")
	c.wait(what+" in the overview too", 20*time.Second, says)
	if source != "swarm" || !fresh {
		c.wait(source+", "+day.name+": the table goes on", 10*time.Second, func(s string) bool { return strings.Contains(s, "shop_web") && strings.Contains(s, "services 12") })
	}
	return s
}

// goesOn checks that after a fault everything is there again.
func (c *badConsole) goesOn(source string) {
	c.t.Helper()
	c.wait(source+": all is well again", 20*time.Second, func(s string) bool {
		return strings.Contains(s, "shop_web") && strings.Contains(s, "services 12") && !strings.Contains(header(s), "RECONNECTING") && !strings.Contains(header(s), "BAD ANSWER")
	})
}

// flat is the screen with the panes' lines joined, since what is told may be wrapped.
func flat(screen string) string { return strings.Join(strings.Fields(screen), " ") }

// TestEndlessAnswer: an answer without an end is given up at the bound, and memory stays bounded meanwhile.
func TestEndlessAnswer(t *testing.T) {
	if testing.Short() {
		t.Skip("64 MiB from each source")
	}
	d, err := demo.Start(t.Context(), demo.Options{Seed: 5, Quiet: true})
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	for _, source := range everySource {
		t.Run(source, func(t *testing.T) {
			address := map[string]string{"swarm": d.DockerHost(), "loki": d.LokiAddr(), "prometheus": d.PrometheusURL(), "alertmanager": d.AlertmanagerURL()}[source]
			proxy := newFaultProxy(t, address)
			proxy.set(t, endless)
			address = "http://" + proxy.addr
			if source == "swarm" {
				address = "tcp://" + proxy.addr
			}
			peak, stop := heapPeak()
			c := openBadConsole(t, d, map[string]string{source: address}, 30*time.Second)
			s := c.waitState(source, 30*time.Second, sources.Faulty)
			wrote := proxy.wrote.Load()
			c.close()
			stop()
			t.Logf("%s: %s; %d MiB written, heap at most %d MiB more than before: %s", source, s.State, wrote>>20, *peak>>20, s.Detail)
			if !strings.Contains(s.Detail, "larger than") {
				t.Errorf("the reason is not the size: %s", s.Detail)
			}
		})
	}
}

// heapPeak watches how far the heap grows until stop.
func heapPeak() (peak *uint64, stop func()) {
	peak = new(uint64)
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	base := m.HeapAlloc
	done, ended := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		for {
			select {
			case <-done:
				return
			case <-time.After(5 * time.Millisecond):
			}
			var m runtime.MemStats
			runtime.ReadMemStats(&m)
			if m.HeapAlloc > base {
				*peak = max(*peak, m.HeapAlloc-base)
			}
		}
	}()
	return peak, func() { close(done); <-ended }
}
