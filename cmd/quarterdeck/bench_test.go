package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	tea "charm.land/bubbletea/v2"

	"quarterdeck/cmd/quarterdeck/config"
	"quarterdeck/sources"
	"quarterdeck/sources/demo"
	"quarterdeck/sources/fleet"
	"quarterdeck/ui"
)

// bigPlatform is a console's wiring on an embedded platform of 1,000 services and 10,000 tasks.
func bigPlatform(b *testing.B) (*demo.Platform, *platform) {
	b.Helper()
	d, err := demo.Start(b.Context(), demo.Options{Services: 1000, Tasks: 10000, Seed: 1, Quiet: true})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { d.Close() })
	set := &config.Settings{Name: "bench", Timeout: 15 * time.Second, LogMemory: config.DefaultLogMemory, Theme: "dark"}
	set.Context.Host = d.DockerHost()
	set.Loki.Address, set.Prometheus.Address, set.Alertmanager.Address = d.LokiAddr(), d.PrometheusURL(), d.AlertmanagerURL()
	p, err := openPlatform(set)
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { p.Close() })
	return d, p
}

// BenchmarkFirstFrame is from the list's answer to the first full frame: 1,000 services, 10,000 tasks, 160x48.
func BenchmarkFirstFrame(b *testing.B) {
	_, p := bigPlatform(b)
	w, err := p.swarm.List(b.Context())
	if err != nil {
		b.Fatal(err)
	}
	if len(w.Services) < 1000 || len(w.Tasks) < 10000 {
		b.Fatalf("%d services, %d tasks", len(w.Services), len(w.Tasks))
	}
	for b.Loop() {
		f := fleet.New(time.Now, fleet.SwarmName)
		f.Fold(sources.Change{At: w.At, World: w, Status: &sources.Status{Name: fleet.SwarmName, State: sources.Live}})
		o := p.console(true)
		o.Fleet, o.Logs, o.Metrics = f, nil, nil
		m, err := ui.New(o)
		if err != nil {
			b.Fatal(err)
		}
		m.Update(tea.WindowSizeMsg{Width: 160, Height: 48})
		if s := m.Frame(); !strings.Contains(s, "services 1000") {
			b.Fatal("no full frame")
		}
	}
}

// BenchmarkListAndFrame is the same with the listing itself, over HTTP.
func BenchmarkListAndFrame(b *testing.B) {
	_, p := bigPlatform(b)
	for b.Loop() {
		w, err := p.swarm.List(b.Context())
		if err != nil {
			b.Fatal(err)
		}
		f := fleet.New(time.Now, fleet.SwarmName)
		f.Fold(sources.Change{At: w.At, World: w})
		o := p.console(true)
		o.Fleet, o.Logs, o.Metrics = f, nil, nil
		m, err := ui.New(o)
		if err != nil {
			b.Fatal(err)
		}
		m.Update(tea.WindowSizeMsg{Width: 160, Height: 48})
		_ = m.Frame()
	}
}

// watched is a model that says which snapshot was drawn last.
type watched struct {
	*ui.Model
	drawn func()
}

func (w watched) Update(msg tea.Msg) (tea.Model, tea.Cmd) {
	_, cmd := w.Model.Update(msg)
	return w, cmd
}

func (w watched) View() tea.View {
	v := w.Model.View()
	w.drawn()
	return v
}

// BenchmarkEventToScreen is from the engine's answer to a change until the terminal is written the frame
// that has it, while 100 changes a second arrive for 10 s: 1,000 services, 10,000 tasks, all sources live.
func BenchmarkEventToScreen(b *testing.B) {
	d, p := bigPlatform(b)
	ctx, cancel := context.WithCancel(b.Context())
	m, err := ui.New(p.console(true))
	if err != nil {
		b.Fatal(err)
	}
	ledger := &ledger{open: map[string]change{}, shown: m.Shown}
	var wg sync.WaitGroup
	defer func() { cancel(); wg.Wait() }()
	wg.Go(func() { p.fleet.Run(ctx, p.feeds()) })
	wg.Go(func() {
		_ = ui.RunModel(ctx, m, watched{m, ledger.drawn}, tea.WithInput(nil), tea.WithOutput(ledger), tea.WithoutSignalHandler(), tea.WithWindowSize(160, 48))
	})
	for !p.fleet.Snapshot().Ready() {
		time.Sleep(10 * time.Millisecond)
	}
	snap := p.fleet.Snapshot()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	const changes = 1000
	b.ResetTimer()
	for i := range changes {
		<-tick.C
		s := snap.Services[i%40] // the table shows them
		version, err := scaleOverHTTP(ctx, d.DockerHost(), s.ID, 2+(i/40)%3)
		if err != nil {
			b.Fatal(err)
		}
		ledger.begin(s.ID, version)
	}
	deadline := time.Now().Add(5 * time.Second)
	for ledger.pending() > 0 && time.Now().Before(deadline) {
		time.Sleep(10 * time.Millisecond)
	}
	b.StopTimer()
	took, lost := ledger.done()
	slices.Sort(took)
	at := func(q float64) float64 {
		return float64(took[min(int(q*float64(len(took))), len(took)-1)].Microseconds()) / 1000
	}
	b.ReportMetric(at(0.5), "p50-ms")
	b.ReportMetric(at(0.95), "p95-ms")
	b.ReportMetric(at(0.99), "p99-ms")
	b.ReportMetric(float64(lost), "never-shown")
	b.ReportMetric(0, "ns/op")
}

type change struct {
	version uint64
	began   time.Time
}

// ledger keeps when a change was made and when the terminal was written the frame that has it. It is the
// program's output.
type ledger struct {
	shown func() *fleet.Snapshot
	mu    sync.Mutex
	open  map[string]change
	ready []time.Time // began, of changes that are in the last frame drawn
	took  []time.Duration
}

func (l *ledger) begin(id string, version uint64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if _, waiting := l.open[id]; !waiting { // a later change of the same service is seen with the earlier
		l.open[id] = change{version, time.Now()}
	}
}

// drawn is called after a View: what its snapshot knew is in the frame.
func (l *ledger) drawn() {
	snap := l.shown()
	l.mu.Lock()
	defer l.mu.Unlock()
	for id, c := range l.open {
		if s := snap.Service(id); s != nil && s.Version >= c.version {
			l.ready = append(l.ready, c.began)
			delete(l.open, id)
		}
	}
}

// Write is the terminal: what was drawn is on the screen now.
func (l *ledger) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	now := time.Now()
	for _, t := range l.ready {
		l.took = append(l.took, now.Sub(t))
	}
	l.ready = l.ready[:0]
	return len(p), nil
}

func (l *ledger) pending() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.open) + len(l.ready)
}

func (l *ledger) done() ([]time.Duration, int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.took, len(l.open) + len(l.ready)
}

// scaleOverHTTP changes a service's replicas as the docker command line does, and returns its new version.
func scaleOverHTTP(ctx context.Context, host, id string, replicas int) (uint64, error) {
	base := "http://" + strings.TrimPrefix(host, "tcp://")
	var s struct {
		Version struct{ Index uint64 }
		Spec    map[string]any
	}
	if err := call(ctx, http.MethodGet, base+"/services/"+id, nil, &s); err != nil {
		return 0, err
	}
	s.Spec["Mode"] = map[string]any{"Replicated": map[string]any{"Replicas": replicas}}
	body, err := json.Marshal(s.Spec)
	if err != nil {
		return 0, err
	}
	if err := call(ctx, http.MethodPost, fmt.Sprintf("%s/services/%s/update?version=%d", base, id, s.Version.Index), body, nil); err != nil {
		return 0, err
	}
	if err := call(ctx, http.MethodGet, base+"/services/"+id, nil, &s); err != nil {
		return 0, err
	}
	return s.Version.Index, nil
}

func call(ctx context.Context, method, url string, body []byte, into any) error {
	r, err := http.NewRequestWithContext(ctx, method, url, bytes.NewReader(body))
	if err != nil {
		return err
	}
	r.Header.Set("Content-Type", "application/json")
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		return err
	}
	if resp.StatusCode/100 != 2 {
		return fmt.Errorf("%s %s: %s: %s", method, url, resp.Status, b)
	}
	if into == nil {
		return nil
	}
	return json.Unmarshal(b, into)
}
