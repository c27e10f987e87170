package capacity

import (
	"context"
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"quarterdeck/sources"
	"quarterdeck/sources/fleet"
)

const (
	// trendStep is how far apart the points are that a trend is made of.
	trendStep = time.Hour
	// LongestTrend bounds how far back a trend goes.
	LongestTrend = 90 * 24 * time.Hour
	// usualDays is with how many days before it a day is compared.
	usualDays = 7
	// spare is what is kept above the p95 of a task's use when a reservation is made to fit it.
	spare = 1.2
	// leastTrend is the fewest points for a percentile.
	leastTrend = 24
)

// Day is what a service cost in 24 hours that end where the trend ends, or a whole number of days before.
type Day struct {
	End  time.Time
	Hour float64 // the mean of an hour
	// Tasks, Cores and Bytes are means: of how many tasks it had, and of what they used together.
	Tasks, Cores, Bytes float64
	Points              int
}

// Trend is what a service cost over time.
type Trend struct {
	Service, Stack string
	Total          float64 // over all points that there are
	Mean           float64 // of an hour
	Days           []Day   // the newest last
	// Rise is the newest day's mean against the median of up to seven days before it: 0.3 is 30% more; NaN: there are too few days.
	Rise  float64
	Cause string // why it rose or fell; "" where it did not by a tenth
	// FitCores and FitBytes are what a task would reserve to fit what it uses (p95 and a fifth above it), Saves what that would save an hour; NaN: not known.
	FitCores, FitBytes, Saves float64
}

// Trends are those of all services, the dearest first, with their sum as the swarm's own.
type Trends struct {
	Start, End time.Time
	Services   []Trend
	All        Trend
	Reason     string // what of it is not known
}

// History is what was used: by service, cores, bytes, and how many tasks there were.
type History struct {
	Start, End           time.Time
	Cores, Bytes, Counts map[string][]sources.Point
}

// Read asks Prometheus for what was used over a time that ends now: three questions.
func Read(ctx context.Context, m sources.Metrics, since time.Duration, now time.Time) (*History, error) {
	if since < trendStep || since > LongestTrend {
		return nil, &sources.Error{Source: fleet.PrometheusName, Kind: sources.BadQuestion, Op: "read what was used", Next: fmt.Sprintf("ask for %s to %dd", trendStep, int(LongestTrend.Hours()/24)),
			Err: fmt.Errorf("a time of %s", since.Round(time.Second))}
	}
	w := sources.Window{Start: now.Add(-since), End: now, Step: trendStep}
	h := &History{Start: w.Start, End: w.End}
	for _, q := range []struct {
		figure string
		to     *map[string][]sources.Point
	}{{"cpu", &h.Cores}, {"memory", &h.Bytes}, {"tasks", &h.Counts}} {
		got, err := m.UsageAll(ctx, q.figure, w)
		if err != nil {
			return nil, err
		}
		*q.to = got
	}
	return h, nil
}

// TrendsOf reckons what services cost over a history. The nodes' prices and the services' reservations are today's, since nothing keeps those of then; a core and a byte
// cost what they cost on average over the nodes, since the history does not tell on which node a task was.
func TrendsOf(s *fleet.Snapshot, h *History) Trends {
	t := Trends{Start: h.Start, End: h.End, All: Trend{Rise: math.NaN(), Saves: math.NaN(), FitCores: math.NaN(), FitBytes: math.NaN()}}
	r, why := averageRate(s)
	t.Reason = why
	all := map[int64]*point{}
	for _, v := range s.Services {
		points := pointsOf(&v.Service, h, r)
		for _, p := range points {
			a := all[p.at.Unix()]
			if a == nil {
				a = &point{at: p.at}
				all[p.at.Unix()] = a
			}
			a.hour, a.tasks, a.cores, a.bytes = a.hour+p.hour, a.tasks+p.tasks, a.cores+p.cores, a.bytes+p.bytes
		}
		x := trendOf(points, h.End)
		x.Service, x.Stack = v.Name, v.Stack
		x.fit(&v.Service, points, r)
		t.Services = append(t.Services, x)
	}
	slices.SortStableFunc(t.Services, func(x, y Trend) int { return dearest(x.Total, y.Total) })
	sum := make([]point, 0, len(all))
	for _, p := range all {
		sum = append(sum, *p)
	}
	slices.SortFunc(sum, func(x, y point) int { return x.at.Compare(y.at) })
	fit := t.All
	t.All = trendOf(sum, h.End)
	t.All.FitCores, t.All.FitBytes, t.All.Saves = fit.FitCores, fit.FitBytes, 0
	for _, x := range t.Services {
		if x.Saves > 0 {
			t.All.Saves += x.Saves
		}
	}
	return t
}

// averageRate is what a core and a byte cost an hour over all nodes that have a price.
func averageRate(s *fleet.Snapshot) (r rate, why string) {
	var price, cores, bytes float64
	for i := range s.Nodes {
		n := &s.Nodes[i]
		p, none := Price(n)
		if none != "" {
			why = n.Name + ": " + none
			continue
		}
		price, cores, bytes = price+p, cores+float64(n.NanoCPUs)/1e9, bytes+float64(n.MemoryBytes)
	}
	if cores == 0 || bytes == 0 {
		return rate{math.NaN(), math.NaN()}, "no node has a price: docker node update --label-add " + PriceLabel + "=0.12 NODE"
	}
	return rate{price / 2 / cores, price / 2 / bytes}, why
}

// point is a service at a moment.
type point struct {
	at                        time.Time
	hour, tasks, cores, bytes float64
}

func pointsOf(v *sources.Service, h *History, r rate) []point {
	cores, bytes := byTime(h.Cores[v.Name]), byTime(h.Bytes[v.Name])
	var out []point
	for _, p := range h.Counts[v.Name] {
		at := p.T.Unix()
		c, ok := cores[at]
		b, ok2 := bytes[at]
		if !ok || !ok2 { // the exporter began in between
			continue
		}
		x := point{at: p.T, tasks: p.V, cores: c, bytes: b}
		x.hour = max(p.V*float64(v.Resources.ReserveNanoCPUs)/1e9, c)*r.core + max(p.V*float64(v.Resources.ReserveBytes), b)*r.byte
		out = append(out, x)
	}
	return out
}

func byTime(points []sources.Point) map[int64]float64 {
	out := make(map[int64]float64, len(points))
	for _, p := range points {
		out[p.T.Unix()] = p.V
	}
	return out
}

func trendOf(points []point, end time.Time) Trend {
	t := Trend{Rise: math.NaN(), FitCores: math.NaN(), FitBytes: math.NaN(), Saves: math.NaN()}
	days := map[int]*Day{}
	first := 0
	for _, p := range points {
		t.Total += p.hour * trendStep.Hours()
		back := int(end.Sub(p.at) / (24 * time.Hour))
		d := days[back]
		if d == nil {
			d = &Day{End: end.Add(-time.Duration(back) * 24 * time.Hour)}
			days[back] = d
			first = max(first, back)
		}
		d.Points++
		d.Hour, d.Tasks, d.Cores, d.Bytes = d.Hour+p.hour, d.Tasks+p.tasks, d.Cores+p.cores, d.Bytes+p.bytes
	}
	if len(points) > 0 {
		t.Mean = t.Total / trendStep.Hours() / float64(len(points))
	}
	for back := first; back >= 0; back-- {
		if d := days[back]; d != nil {
			n := float64(d.Points)
			d.Hour, d.Tasks, d.Cores, d.Bytes = d.Hour/n, d.Tasks/n, d.Cores/n, d.Bytes/n
			t.Days = append(t.Days, *d)
		}
	}
	t.compare()
	return t
}

// compare sets the newest day beside the median of the seven before it (STAGES.md, cost-anomaly).
func (t *Trend) compare() {
	n := len(t.Days)
	if n < 2 || t.Days[n-1].Points < leastTrend/2 {
		return
	}
	today, before := t.Days[n-1], t.Days[max(n-1-usualDays, 0):n-1]
	median := func(of func(Day) float64) float64 {
		v := make([]float64, len(before))
		for i, d := range before {
			v[i] = of(d)
		}
		slices.Sort(v)
		if len(v)%2 == 0 {
			return (v[len(v)/2-1] + v[len(v)/2]) / 2
		}
		return v[len(v)/2]
	}
	usual := median(func(d Day) float64 { return d.Hour })
	if usual <= 0 || math.IsNaN(usual) {
		return
	}
	if t.Rise = today.Hour/usual - 1; math.Abs(t.Rise) < 0.1 {
		return
	}
	var parts []string
	for _, x := range []struct {
		name      string
		now, then float64
		word      string
	}{
		{"replicas", today.Tasks, median(func(d Day) float64 { return d.Tasks }), "%.1f"},
		{"cores used", today.Cores, median(func(d Day) float64 { return d.Cores }), "%.2f"},
		{"MiB used", today.Bytes / (1 << 20), median(func(d Day) float64 { return d.Bytes }) / (1 << 20), "%.0f"},
	} {
		if x.then > 0 && math.Abs(x.now/x.then-1) >= 0.1 {
			parts = append(parts, fmt.Sprintf("%s "+x.word+" -> "+x.word, x.name, x.then, x.now))
		}
	}
	if t.Cause = strings.Join(parts, ", "); len(parts) == 0 {
		t.Cause = "its replicas and what they use, each by less than a tenth"
	}
}

// fit reckons the reservation that would fit what a task uses.
func (t *Trend) fit(v *sources.Service, points []point, r rate) {
	var cores, bytes []float64
	for _, p := range points {
		if p.tasks > 0 {
			cores, bytes = append(cores, p.cores/p.tasks), append(bytes, p.bytes/p.tasks)
		}
	}
	if len(cores) < leastTrend {
		return
	}
	t.FitCores, t.FitBytes = spare*p95(cores), spare*p95(bytes)
	tasks := points[len(points)-1].tasks
	t.Saves = tasks * ((float64(v.Resources.ReserveNanoCPUs)/1e9-t.FitCores)*r.core*boolFloat(v.Resources.ReserveNanoCPUs > 0) +
		(float64(v.Resources.ReserveBytes)-t.FitBytes)*r.byte*boolFloat(v.Resources.ReserveBytes > 0))
}

func boolFloat(b bool) float64 { return float64(boolInt(b)) }

// p95 is the value below which 95% lie, by the nearest rank.
func p95(v []float64) float64 {
	slices.Sort(v)
	return v[min(int(math.Ceil(0.95*float64(len(v))))-1, len(v)-1)]
}
