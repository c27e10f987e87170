package metrics

import (
	"math"
	"slices"
	"strconv"

	"quarterdeck/sources/demo/world"
)

const (
	traefikInstance      = "10.20.0.11:8082"
	alertmanagerInstance = "10.20.0.11:9093"
)

// notifications are those of the weeks before the demo began, at the team's pace; without one nobody scrapes Alertmanager.
func notifications(b *builder, name string) {
	weekly := b.w.Alerting().Weekly
	if weekly == 0 {
		return
	}
	start := float64(b.w.Began().Unix()) - 30*86400
	b.add(name, []string{"job", "alertmanager", "instance", alertmanagerInstance, "integration", "webhook"}, func(i int) float64 {
		return max(math.Floor((b.t[i]-start)*weekly/(7*86400)), 0)
	})
}

// routed visits the services that Traefik routes, with the number of tasks that their load stands for.
func (b *builder) routed(f func(s *world.Signals, kv []string, from float64)) {
	start := float64(b.w.Began().Unix()) - 9*86400
	for _, name := range sortedNames(b.fig.Services) {
		s := b.fig.Services[name]
		if !s.Routed {
			continue
		}
		kv := []string{"job", "traefik", "instance", traefikInstance, "service", s.Name + "@swarm", "method", "GET", "protocol", "http"}
		f(s, kv, start)
	}
}

func traefikRequests(b *builder, name string) {
	b.routed(func(s *world.Signals, kv []string, start float64) {
		for _, code := range []string{"200", "404", "500", "502", "503"} {
			cv := s.Codes()[code]
			col, from := b.column(s.Name, "code"+code, cv), cv.At(start)
			b.add(name, append(kv[:len(kv):len(kv)], "code", code), func(i int) float64 { return math.Floor(col[i] - from) })
		}
	})
}

func traefikBuckets(b *builder, name string) {
	b.routed(func(s *world.Signals, kv []string, start float64) {
		for k, le := range []string{"0.1", "0.3", "1.2", "5", "+Inf"} { // world.Buckets
			b.add(name, append(kv[:len(kv):len(kv)], "code", "200", "le", le), b.upTo(s, start, k))
		}
	})
}

func traefikSum(b *builder, name string) {
	b.routed(func(s *world.Signals, kv []string, start float64) {
		col, from := b.column(s.Name, "latency", s.Latency()), s.Latency().At(start)
		b.add(name, append(kv[:len(kv):len(kv)], "code", "200"), func(i int) float64 { return col[i] - from })
	})
}

func traefikCount(b *builder, name string) {
	b.routed(func(s *world.Signals, kv []string, start float64) {
		b.add(name, append(kv[:len(kv):len(kv)], "code", "200"), b.upTo(s, start, len(world.Buckets)))
	})
}

// upTo counts the requests of bands 0 to k. Each band is whole by itself, so that a bucket never grows more than the next.
func (b *builder) upTo(s *world.Signals, start float64, k int) func(i int) float64 {
	sum := make([]float64, b.n)
	for j, cv := range s.Durations()[:k+1] {
		col, from := b.column(s.Name, "band"+strconv.Itoa(j), cv), cv.At(start)
		for i := range sum {
			sum[i] += math.Floor(col[i] - from)
		}
	}
	return func(i int) float64 { return sum[i] }
}

func certificates(b *builder, name string) {
	for i := range b.fig.Certificates {
		c := &b.fig.Certificates[i]
		b.add(name, []string{"job", "traefik", "instance", traefikInstance, "cn", c.Name, "sans", c.Name, "serial", c.Serial}, func(i int) float64 {
			switch t := b.t[i]; {
			case t < c.From:
				return math.NaN()
			case t < c.To:
				return math.Floor(c.NotAfter)
			case t-Scrape/1000 < c.To:
				return stale
			}
			return math.NaN()
		})
	}
}

// autoscaleEvery is how often the autoscaler of a team that has one decides, in seconds.
const autoscaleEvery = 30

// autoscaler makes a figure of the team's autoscaler; most have none.
func autoscaler(figure func(at float64) float64) func(b *builder, name string) {
	return func(b *builder, name string) {
		if b.w.Autoscales() {
			b.add(name, []string{"job", "quarterdeck-agent", "instance", "10.20.0.11:9116"}, func(i int) float64 { return figure(b.t[i]) })
		}
	}
}

func sortedNames(m map[string]*world.Signals) []string {
	out := make([]string, 0, len(m))
	for k := range m {
		out = append(out, k)
	}
	slices.Sort(out)
	return out
}
