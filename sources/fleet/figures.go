package fleet

import (
	"maps"
	"math"
	"slices"
	"strings"
	"time"

	"quarterdeck/sources"
)

// usage is one figure of all services, as read at a moment.
type usage struct {
	by map[string][]sources.Point
	at time.Time
}

// of is a service's points, and its value as of the reading: NaN where the newest point has none, or
// is older than two steps (a service that stopped must not keep its last figure for ever).
func (u usage) of(service string) ([]sources.Point, float64) {
	p := u.by[service]
	if len(p) == 0 || p[len(p)-1].T.Before(u.at.Add(-2*SparkStep)) {
		return p, math.NaN()
	}
	return p, p[len(p)-1].V
}

// SetUsage takes one figure (cpu in cores, memory in bytes) of all services in, points in rising time
// order; nil: not known any more.
func (f *Fleet) SetUsage(figure string, by map[string][]sources.Point) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.setUsage(figure, by)
}

func (f *Fleet) setUsage(figure string, by map[string][]sources.Point) {
	old, next := f.usage[figure], usage{by: by, at: f.now()}
	f.usage[figure] = next
	for _, e := range f.services {
		was, wasNow := old.of(e.service.Name)
		is, isNow := next.of(e.service.Name)
		if !same(wasNow, isNow) || !slices.EqualFunc(was, is, samePoint) {
			e.figures = true
			f.touch()
		}
	}
}

// SetRates takes error lines a second by service name in; nil: not known any more.
func (f *Fleet) SetRates(by map[string]float64) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.rates = f.taken(f.rates, by)
}

// SetLineRates takes lines of any level a second by service name in; nil: not known any more.
func (f *Fleet) SetLineRates(by map[string]float64) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.lines = f.taken(f.lines, by)
}

// taken marks the services whose figure is another one than it was, and is what is so now. Callers hold mu.
func (f *Fleet) taken(was, is map[string]float64) map[string]float64 {
	for _, e := range f.services {
		if (was == nil) != (is == nil) || !same(was[e.service.Name], is[e.service.Name]) {
			e.figures = true
			f.touch()
		}
	}
	return is
}

// SetNodeUsage takes one figure (cpu, memory) of all nodes in, by node name.
func (f *Fleet) SetNodeUsage(figure string, by sources.Usage) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.setNodeUsage(figure, by)
}

func (f *Fleet) setNodeUsage(figure string, by sources.Usage) {
	if !maps.EqualFunc(f.nodeUse[figure], by, same) {
		f.touch()
	}
	f.nodeUse[figure] = by
	if figure == "memory" { // not a rate, which goes on for a while after the last sample
		f.hearNodes(by)
	}
}

// hearNodes notes whose exporters have gone silent: a scrape that fails ends its series at once, and Swarm gives a node 15 s before it calls it
// down. Where nobody's figures come it is not the nodes'.
func (f *Fleet) hearNodes(by sources.Usage) {
	now := f.now()
	for i := range f.nodes {
		name := f.nodes[i].Name
		_, here := by[name]
		_, before := f.nodeHeard[name]
		if quiet := !here && before && len(by) > 0; quiet != f.nodeQuiet[name] {
			f.nodeQuiet[name] = quiet
			f.touch()
		}
		if here {
			f.nodeHeard[name] = now
		}
	}
}

func same(a, b float64) bool { return a == b || math.IsNaN(a) && math.IsNaN(b) }

func samePoint(a, b sources.Point) bool { return a.T.Equal(b.T) && same(a.V, b.V) }

// SetAlerts takes the whole list of alerts in.
func (f *Fleet) SetAlerts(list []sources.Alert) {
	f.mu.Lock()
	defer f.mu.Unlock()
	alerts := slices.Clone(list)
	slices.SortStableFunc(alerts, alertOrder)
	if sameAlerts(alerts, f.alerts) {
		return
	}
	by := f.alertsFrom.name()
	active, count := map[string]bool{}, map[string]int{} // active: it fires, whether it is muted or not
	for i := range alerts {
		a := &alerts[i]
		if a.State == sources.Pending {
			continue
		}
		active[alertKey(a)] = true
		if a.State == sources.Firing {
			count[a.Service]++
		}
		f.history.add(Happening{Time: a.Since, Kind: AlertFiring, Service: a.Service, Text: strings.TrimSuffix(a.Name+": "+a.Summary, ": "),
			Source: by, Bad: true, Ref: a.Fingerprint, key: key(AlertFiring, alertKey(a), stamp(a.Since))})
	}
	now := f.now()
	f.endAlerts(f.alerts, alerts, now)
	for i := range f.alerts {
		a := &f.alerts[i]
		if a.State != sources.Pending && !active[alertKey(a)] {
			f.history.add(Happening{Time: now, Kind: AlertResolved, Service: a.Service, Text: a.Name, Source: by, Ref: a.Fingerprint, Began: a.Since})
		}
	}
	for _, e := range f.services {
		e.figures = e.figures || f.firing[e.service.Name] != count[e.service.Name]
	}
	f.alerts, f.firing = alerts, count
	f.touch()
}
