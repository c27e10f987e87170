package ui

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"quarterdeck/diagnosis"
	"quarterdeck/sources"
	"quarterdeck/sources/fleet"
	"quarterdeck/ui/chart"
)

// Which two charts the overview shows by itself: those of what is wrong with the selected service, as far as that is known anyway: from its
// alerts, the likeliest cause, its tasks, its error lines, and the series that are drawn. Nothing is asked for it.

// Places in graphs.
const (
	graphCPU = iota
	graphMemory
	graphRequests
	graphErrors
	graphLatency
	graphNetwork
	graphDisk
	graphThrottled
	graphRestarts
)

// usual are the two graphs of a service with which nothing is wrong, as far as is known.
var usual = [2]int{graphCPU, graphMemory}

// Bounds of what is called anomalous. What has been entered is left below a lower one, so that a figure that goes up and down about a bound
// does not change the charts with it.
const (
	autoHold    = 2 * time.Minute // how long charts stay when their reason is gone
	nearLimit   = 0.9             // of the fullest replica's memory limit; left below 0.85
	someErrors  = 0.01            // of the requests, and three times what is usual in the shown time; left below half of it
	slower      = 2.0             // times the p95 that is usual in the shown time; left below 1.5
	throttledAt = 0.25            // of the periods of its CPU quota; left below 0.15
	manyFailed  = 3               // tasks that failed within failedSpan
	failedSpan  = 10 * time.Minute
	errorLines  = 0.5 // error lines a second, and three times the least seen since the service was selected
)

// autoCharts is what was chosen, for which service, and why.
type autoCharts struct {
	service string
	pair    [2]int // places in graphs
	why     string // "": nothing is wrong, as far as is known
	rank    int    // of why, the lower the more it matters
	last    time.Time
	calm    float64 // the fewest error lines a second seen since the service was selected
	blank   uint    // a bit for each graph that the service has no figures for, as far as was asked
	seen    autoKey
}

// autoKey is what a choice was made from: without news there is no other.
type autoKey struct {
	seq     uint64
	answers uint64
	causes  uint64
	known   bool
	service string
}

// anomaly is something that is wrong, and the charts that show it.
type anomaly struct {
	rank int
	pair [2]int
	why  string
}

// Ranks: what is said by the diagnosis and by alerts, then figures by how much users feel them.
const (
	rankCause = iota
	rankAlert
	rankErrors
	rankMemory
	rankLatency
	rankThrottled
	rankFailed
	rankLines
)

// choose brings the choice up to date. A past moment keeps the charts that are shown.
func (a *autoCharts) choose(m *Model, service string) {
	key := autoKey{m.snap.Seq, m.metrics.answers, m.causes.generation, m.causes.known, service}
	if key == a.seen || !m.when.live() && service == a.service {
		return
	}
	a.seen = key
	if service != a.service {
		*a = autoCharts{service: service, pair: usual, calm: math.Inf(1), seen: key}
	}
	now := m.now()
	v := m.snap.Service(service)
	if v == nil {
		return
	}
	if v.ErrorRate < a.calm {
		a.calm = v.ErrorRate
	}
	a.noteBlank(&m.metrics)
	found := slices.DeleteFunc(a.anomalies(m, v, now), func(x anomaly) bool { return a.isBlank(x.pair[0]) })
	if a.why != "" && a.isBlank(a.pair[0]) {
		a.pair, a.why = usual, ""
	}
	best := slices.MinFunc(append(found, anomaly{rank: math.MaxInt}), func(x, y anomaly) int { return cmp.Compare(x.rank, y.rank) })
	mine := slices.IndexFunc(found, func(x anomaly) bool { return x.rank == a.rank && x.pair == a.pair })
	switch {
	case a.why != "" && mine >= 0 && found[mine].rank <= best.rank: // still the worst: its figure may have changed
		a.why, a.last = found[mine].why, now
	case best.rank < math.MaxInt && (a.why == "" || best.rank < a.rank || mine < 0 && now.Sub(a.last) >= autoHold):
		a.pair, a.why, a.rank, a.last = best.pair, best.why, best.rank, now
	case a.why != "" && len(found) == 0 && now.Sub(a.last) >= autoHold:
		a.pair, a.why = usual, ""
	}
}

// anomalies are what is wrong with a service, as far as is known.
func (a *autoCharts) anomalies(m *Model, v *fleet.Service, now time.Time) []anomaly {
	out := m.saidOf(v.Name)
	add := func(rank int, pair [2]int, format string, args ...any) {
		out = append(out, anomaly{rank, pair, fmt.Sprintf(format, args...)})
	}
	was := func(rank int, enter, leave float64) float64 {
		if a.why != "" && a.rank == rank {
			return leave
		}
		return enter
	}
	if m.metrics.service == v.Name {
		for _, r := range m.metrics.readings {
			if len(r.Answer.Series) == 0 {
				continue
			}
			last, median := lastAndUsual(r.Answer.Series[0].Points)
			switch r.Name {
			case fullest:
				if last >= was(rankMemory, nearLimit, 0.85) {
					add(rankMemory, memoryFirst, "memory at %s of its limit", chart.Humanize(last, "ratio"))
				}
			case "errors":
				if last >= was(rankErrors, max(someErrors, 3*median), max(someErrors, 3*median)/2) {
					add(rankErrors, errorsFirst, "errors rose to %s", chart.Humanize(last, "ratio"))
				}
			case "p95":
				if median > 0 && last >= was(rankLatency, slower, 1.5)*median {
					add(rankLatency, latencyFirst, "p95 is %.1f times the usual", last/median)
				}
			case "throttled":
				if last >= was(rankThrottled, throttledAt, 0.15) {
					add(rankThrottled, throttledFirst, "throttled in %s of its periods", chart.Humanize(last, "ratio"))
				}
			}
		}
	}
	if n := failedSince(v, now.Add(-failedSpan)); n >= manyFailed {
		add(rankFailed, restartsFirst, "%d tasks failed", n)
	}
	if least := max(errorLines, 3*a.calm); v.ErrorRate >= was(rankLines, least, least/2) && !math.IsInf(a.calm, 1) {
		add(rankLines, errorsFirst, "error lines rose to %s/s", chart.Humanize(v.ErrorRate, "1"))
	}
	return out
}

// saidOf is what the diagnosis and the alerts say of a service.
func (m *Model) saidOf(service string) []anomaly {
	var out []anomaly
	if c := m.causes.top(); c != nil && m.causes.question.Service == service && c.Service == service && c.Confidence >= diagnosis.Confident {
		if pair, ok := causePairs[c.ID]; ok {
			out = append(out, anomaly{rankCause, pair, "likely " + c.ID})
		}
	}
	for i := range m.snap.Alerts {
		al := &m.snap.Alerts[i]
		if al.Service != service || al.State != sources.Firing {
			continue
		}
		if pair, ok := alertPair(al.Name); ok {
			out = append(out, anomaly{rankAlert, pair, "alert " + al.Name})
		}
	}
	return out
}

// What is shown of what is wrong: it first, and beside it what it comes with.
var (
	memoryFirst    = [2]int{graphMemory, graphRestarts}
	errorsFirst    = [2]int{graphErrors, graphLatency}
	latencyFirst   = [2]int{graphLatency, graphErrors}
	throttledFirst = [2]int{graphThrottled, graphCPU}
	restartsFirst  = [2]int{graphRestarts, graphMemory}
)

// causePairs are the charts on which a cause is seen.
var causePairs = map[string][2]int{
	"oom-killed": memoryFirst, "memory-near-limit": memoryFirst, "cpu-throttled": throttledFirst, "crash-loop": restartsFirst, "healthcheck-failing": restartsFirst,
	"exits-cleanly": restartsFirst, "bad-deploy": errorsFirst, "errors-after-dependency": errorsFirst, "dependency-failing": errorsFirst,
}

// alertPair guesses from an alert's name which charts show it: a wrong guess shows charts that are in order, no more.
func alertPair(name string) (pair [2]int, ok bool) {
	name = strings.ToLower(name)
	for _, x := range []struct {
		word string
		pair [2]int
	}{{"error", errorsFirst}, {"5xx", errorsFirst}, {"latency", latencyFirst}, {"slow", latencyFirst}, {"memory", memoryFirst}, {"oom", memoryFirst},
		{"throttl", throttledFirst}, {"restart", restartsFirst}, {"crash", restartsFirst}, {"cpu", [2]int{graphCPU, graphThrottled}},
		{"traffic", [2]int{graphRequests, graphErrors}}, {"request", [2]int{graphRequests, graphErrors}}, {"network", [2]int{graphNetwork, graphRequests}},
		{"disk", [2]int{graphDisk, graphErrors}}} {
		if strings.Contains(name, x.word) {
			return x.pair, true
		}
	}
	return pair, false
}

// noteBlank notes which graphs the service has no figures for.
func (a *autoCharts) noteBlank(p *metricsPane) {
	if p.service != a.service {
		return
	}
	for i, g := range graphs {
		for _, r := range p.readings {
			if r.Name != g.names[0] {
				continue
			}
			if a.blank &^= 1 << i; len(r.Answer.Series) == 0 {
				a.blank |= 1 << i
			}
		}
	}
}

func (a *autoCharts) isBlank(graph int) bool { return a.blank&(1<<graph) != 0 }

// lastAndUsual are the last value and the median of all; NaN where there is none.
func lastAndUsual(points []sources.Point) (last, median float64) {
	values := make([]float64, 0, len(points))
	for _, p := range points {
		if !math.IsNaN(p.V) && !math.IsInf(p.V, 0) {
			values = append(values, p.V)
		}
	}
	if len(values) == 0 {
		return math.NaN(), math.NaN()
	}
	last = values[len(values)-1]
	slices.Sort(values)
	return last, values[len(values)/2]
}

// failedSince counts the tasks that failed since then.
func failedSince(v *fleet.Service, since time.Time) int {
	n := 0
	for i := range v.Tasks {
		if t := &v.Tasks[i]; (t.State == sources.TaskFailed || t.State == sources.TaskRejected) && t.Since.After(since) {
			n++
		}
	}
	return n
}

// shownPair is which two charts the overview shows, by their places in graphs.
func (p *metricsPane) shownPair() [2]int {
	switch {
	case p.pinned > 0:
		return overviewPairs[p.pinned-1]
	case p.auto.service == "":
		return usual
	}
	return p.auto.pair
}

// nextPair shows the next two charts, and after all others those again that are chosen by themselves. It says which.
func (p *metricsPane) nextPair() string {
	at := p.pinned
	p.pinned = 0
	own := p.shownPair()
	for at++; at <= len(overviewPairs); at++ {
		if pair := overviewPairs[at-1]; pair != own {
			p.pinned = at
			return "charts of " + pairWords(pair)
		}
	}
	return "charts by themselves: of what is wrong with the service, else of " + pairWords(usual)
}

// autoWords say why the overview shows the charts that it does; "": as ever, or because somebody chose them.
func (p *metricsPane) autoWords(service string) string {
	if p.pinned > 0 || p.auto.service != service || p.auto.why == "" {
		return ""
	}
	return "auto: " + inLine(p.auto.why)
}
