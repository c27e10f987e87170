package loki

import (
	"strings"
	"testing"
	"time"

	"quarterdeck/sources"
	"quarterdeck/sources/demo"
)

// The embedded platform speaks as the real Loki does: lines by service, a burst over pages whole, once and in
// order, cut connections, labels, volume, rates, and errors of the same kinds.
func TestConformanceDemo(t *testing.T) {
	p, err := demo.Start(t.Context(), demo.Options{Quiet: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = p.Close() })
	g := httpTarget(p.LokiAddr())
	g.tune = shortWaits
	c := g.client(t)
	const service = "shop_web"
	k := follow(t, c, sources.LogQuery{Services: []string{service}})
	k.wait(t, 20*time.Second, "LIVE", inState(sources.Live))
	const n = 12_000
	if err := p.Burst(service, n); err != nil {
		t.Fatal(err)
	}
	p.DropConnections()
	k.wait(t, 30*time.Second, "the burst", hasLines(n))
	k.mu.Lock()
	followed := map[string]int{}
	for _, e := range k.entries {
		followed[e.Line]++
		if e.Stream.Service != service || e.Stream.Task == "" || e.Stream.Node == "" {
			t.Fatalf("a stream without its origin: %+v", e.Stream)
		}
	}
	checkOnce(t, k.entries, followed)
	first, last := k.entries[0].Time, k.entries[len(k.entries)-1].Time
	k.mu.Unlock()
	q := sources.LogQuery{Services: []string{service}, Since: first, Until: last.Add(1), Limit: 2 * n}
	for _, q.Forward = range []bool{true, false} {
		page, err := c.Query(t.Context(), q)
		if err != nil || page.More {
			t.Fatal(err, page.More)
		}
		inOrder(t, page.Entries)
		checkOnce(t, page.Entries, followed)
	}
	if names, err := c.Labels(t.Context(), "swarm_service", time.Time{}, time.Time{}); err != nil || !contains(names, service) {
		t.Errorf("services %v, %v", names, err)
	}
	points, err := c.Volume(t.Context(), sources.LogQuery{Services: []string{service}, Since: first.Add(-time.Minute), Until: last.Add(time.Minute)}, 10*time.Second)
	sum := 0.0
	for _, p := range points {
		for _, v := range p.Counts {
			sum += v
		}
	}
	if err != nil || sum < n {
		t.Errorf("volume %v, %v", sum, err)
	}
	if _, err := c.Rates(t.Context(), time.Time{}, time.Minute); err != nil {
		t.Error(err)
	}
	if pr := c.Probe(t.Context()); pr.State != sources.Live || !strings.Contains(strings.Join(pr.Allows, ","), "tail") {
		t.Errorf("probe %+v", pr)
	}
	t.Run("suite", func(t *testing.T) { conformance(t, g) })
}
