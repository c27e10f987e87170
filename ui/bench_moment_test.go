package ui

import (
	"context"
	"fmt"
	"os"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"quarterdeck/sources"
	"quarterdeck/sources/demo"
	"quarterdeck/sources/fleet"
	"quarterdeck/sources/loki"
	"quarterdeck/sources/prometheus"
	"quarterdeck/sources/swarm"
)

// BenchmarkMoment is from the key that moves the moment to the drawn frame, from what is known: 300 services, 1,200 tasks, 160x48.
func BenchmarkMoment(b *testing.B) {
	for _, v := range []struct{ name, key string }{{"overview", "1"}, {"services", "2"}, {"metrics", "4"}} {
		b.Run(v.name, func(b *testing.B) {
			m, _ := console(b, 160, 48, func(o *Options) { o.Fleet = crowd(300, 4) })
			press(b, m, v.key)
			m.answer()
			took := make([]time.Duration, 0, b.N)
			for i := range b.N {
				key := "<"
				if i%20 >= 10 {
					key = ">"
				}
				began := time.Now()
				press(b, m, key)
				_ = m.Frame()
				took = append(took, time.Since(began))
			}
			report(b, took)
		})
	}
}

// onDemos measures on the embedded platform as it is, where service is one of its own, and on one of 300 services, where it is "".
func onDemos(b *testing.B, measure func(name string, p *demo.Platform, service string)) {
	for _, size := range []int{0, 300} {
		p, err := demo.Start(b.Context(), demo.Options{Seed: 1, Services: size, Tasks: 4 * size})
		if err != nil {
			b.Fatal(err)
		}
		name, service := "demo", "shop_web"
		if size > 0 {
			name, service = fmt.Sprintf("demo-%d-services", size), ""
		}
		measure(name, p, service)
		p.Close()
	}
}

// addresses are where a platform's APIs are.
type addresses struct{ docker, loki, prometheus string }

// BenchmarkMomentAsked is from the key that moves the moment by a quarter of the shown time until all panes of the overview (160x48),
// or the page of charts, are drawn with what the sources say of that moment: the table's figures, the charts, the lines around it.
// Nothing of it was asked for before, and what the console waits for by itself counts. It goes over HTTP to the embedded platform or,
// with QD_LAB=1, to the lab. b.N is the number of moves.
func BenchmarkMomentAsked(b *testing.B) {
	on := func(name string, a addresses, service string, deep int, before string) {
		for _, v := range []struct{ name, key string }{{"overview", "1"}, {"metrics", "4"}} {
			b.Run(name+"/"+v.name, func(b *testing.B) { benchmarkMoments(b, a, service, deep, before+v.key) })
		}
	}
	onDemos(b, func(name string, p *demo.Platform, service string) {
		on(name, addresses{p.DockerHost(), p.LokiAddr(), p.PrometheusURL()}, service, 8, "")
	})
	if os.Getenv("QD_LAB") != "" { // the lab has run for some minutes: a short time is shown, so that the moves stay within that
		on("lab", addresses{os.Getenv("DOCKER_HOST"), os.Getenv("LOKI_ADDR"), os.Getenv("PROMETHEUS_URL")}, "shop_web", 4, "}}")
	}
}

// arrived tells whether all panes show what the sources say of the moment; live, whether the charts and the stream are there.
func arrived(m *Model) bool {
	r := &m.logs.reach
	if m.metrics.loading || m.metrics.service != m.subject() {
		return false
	}
	if m.when.live() {
		return m.logs.at.IsZero()
	}
	known := m.past.figures(m.when.at)
	lines := m.layout().logs.h == 0 || !r.older && !r.newer
	return known != nil && lines && m.metrics.window.End.Equal(m.when.end)
}

// failed is what could not be had of the moment that is shown.
func failed(m *Model) error {
	if m.metrics.err != nil {
		return m.metrics.err
	}
	if f := m.past.figures(m.when.at); f != nil && f.usage != nil {
		return f.usage
	} else if f != nil && f.rates != nil {
		return f.rates
	}
	if m.logs.stuck {
		return fmt.Errorf("the lines around %s could not be read", m.when.at)
	}
	return nil
}

// lookedAt is for how long somebody looks at a moment at least before the next: what a held key passes over is not asked for, and moves one upon the other without
// an end measure how much Loki can take.
const lookedAt = 400 * time.Millisecond

func benchmarkMoments(b *testing.B, a addresses, service string, deep int, before string) {
	access := func(name, address string) sources.Access {
		return sources.Access{Source: name, Address: address, Timeout: 15 * time.Second}
	}
	c, err := swarm.New(swarm.Options{Host: a.docker, Timeout: 15 * time.Second})
	if err != nil {
		b.Fatal(err)
	}
	defer c.Close()
	l, err := loki.New(loki.Options{Access: access("loki", a.loki)})
	if err != nil {
		b.Fatal(err)
	}
	defer l.Close()
	p, err := prometheus.New(prometheus.Options{Access: access("prometheus", a.prometheus)})
	if err != nil {
		b.Fatal(err)
	}
	defer p.Close()
	logs := sources.WithFallback(l, swarm.NewLogs(c), sources.FallbackOptions{})
	f := fleet.New(time.Now, fleet.SwarmName, fleet.LokiName, fleet.PrometheusName)
	ctx, cancel := context.WithCancel(b.Context())
	var wg sync.WaitGroup
	defer wg.Wait()
	defer cancel()
	wg.Go(func() { f.Run(ctx, fleet.Feeds{Swarm: c, Logs: logs, Metrics: p}) })
	for deadline := time.Now().Add(20 * time.Second); !f.Snapshot().Ready(); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			b.Fatal("the swarm's picture does not come")
		}
	}
	m, err := New(Options{Fleet: f, Logs: logs, Metrics: p, Context: "bench", Theme: "dark", Now: time.Now, Location: time.UTC, LogBytes: 24 << 20})
	if err != nil {
		b.Fatal(err)
	}
	m.arrange()
	if service != "" {
		m.gotoService(service)
	}
	var wrong atomic.Pointer[error]
	var seated atomic.Bool
	t, rise := sit(b, m, &stamped{Model: m, complete: func(m *Model) bool {
		if err := failed(m); err != nil {
			wrong.Store(&err)
		}
		return seated.Load() && arrived(m)
	}})
	defer rise()
	first := t.await()
	for _, k := range []byte(before) {
		t.press(string(k))
	}
	seated.Store(true)
	t.wait(time.Now(), first, "the first look")
	var took []time.Duration
	for i := range b.N {
		if i > 0 && i%deep == 0 { // back to now: the next moves go to other moments
			live := t.await()
			t.wait(t.write("0"), live, "0")
			t.keys++
		}
		time.Sleep(lookedAt + time.Duration(i%15)*10*time.Millisecond)
		whole := t.await()
		t.keys++
		took = append(took, t.wait(t.write("["), whole, "["))
	}
	if err := wrong.Load(); err != nil {
		b.Fatal(*err)
	}
	report(b, took)
}
