package autoscale

import (
	"context"
	"errors"
	"fmt"
	"math"
	"strconv"
	"time"

	"quarterdeck/sources"
)

// PastStep is how far apart the moments of a replay are at least, pastPoints how many there are at most (Prometheus answers up to 11,000).
const (
	PastStep   = time.Minute
	pastPoints = 10_000
)

// Past is what Prometheus remembers of a service. It is a value.
type Past struct {
	Start time.Time
	Step  time.Duration
	// Replicas are how many there were at each moment; NaN: not known.
	Replicas []float64
	// Missing says why a metric is not known at all, by Metric.ID.
	Missing map[string]string

	service *sources.Service
	values  map[string][]float64 // by metric's kind, of a query by its text
}

// ReadPast reads what policies would have followed, a question for each metric. An error is that nothing of it is known.
func ReadPast(ctx context.Context, m sources.Metrics, s *sources.Service, policies []*Policy, from, to time.Time) (*Past, error) {
	step := PastStep
	for to.Sub(from) > pastPoints*step {
		step += PastStep
	}
	x := &Past{Start: from.UTC().Truncate(step), Step: step, Missing: map[string]string{}, service: s, values: map[string][]float64{}}
	n := int(to.Sub(x.Start)/step) + 1
	w := sources.Window{Start: x.Start, End: x.Start.Add(time.Duration(n-1) * step), Step: step}
	label, _, err := m.ServiceLabel(ctx)
	if err != nil {
		return nil, err
	}
	a, err := m.Range(ctx, fmt.Sprintf("count (container_memory_working_set_bytes{%s=%s})", label, strconv.Quote(s.Name)), w)
	if err != nil {
		return nil, err
	}
	x.Replicas = x.series(a.Series, n)
	var some error
	for _, p := range policies {
		for i := range p.Metrics {
			if err := x.read(ctx, m, &p.Metrics[i], w, n); err != nil {
				x.Missing[p.Metrics[i].ID()], some = err.Error(), err
			}
		}
	}
	if len(x.values) == 0 && some != nil {
		return nil, some
	}
	return x, nil
}

// read reads one metric, unless it was read for another policy.
func (x *Past) read(ctx context.Context, m sources.Metrics, metric *Metric, w sources.Window, n int) error {
	key := keyOf(metric)
	if _, had := x.values[key]; had {
		return nil
	}
	if metric.Kind == Query {
		a, err := m.Range(ctx, metric.Query, w)
		if err != nil {
			return err
		}
		list := a.Series
		if len(list) > 1 {
			list = nil
			for _, s := range a.Series {
				if s.Labels["swarm_service"] == x.service.Name || s.Labels["service"] == x.service.Name {
					list = append(list, s)
				}
			}
		}
		if len(list) != 1 {
			return fmt.Errorf("the query answers %d series for it, and not one", len(list))
		}
		x.values[key] = x.series(list, n)
		return nil
	}
	readings, err := m.Standard(ctx, x.service.Name, w, key)
	if err != nil {
		return err
	}
	if len(readings) == 0 || len(readings[0].Answer.Series) == 0 {
		why := "no figure of it"
		if len(readings) > 0 {
			why = readings[0].Reason
		}
		return errors.New(why)
	}
	x.values[key] = x.series(readings[0].Answer.Series, n)
	return nil
}

func keyOf(m *Metric) string {
	if m.Kind == Query {
		return "query " + m.Query
	}
	return string(m.Kind)
}

// series lays the points of the first series on the moments.
func (x *Past) series(list []sources.Series, n int) []float64 {
	out := make([]float64, n)
	for i := range out {
		out[i] = math.NaN()
	}
	if len(list) == 0 {
		return out
	}
	for _, p := range list[0].Points {
		if i := int(math.Round(float64(p.T.Sub(x.Start)) / float64(x.Step))); i >= 0 && i < n && !math.IsInf(p.V, 0) {
			out[i] = p.V
		}
	}
	return out
}

// Load is the past as a policy sees it.
func (x *Past) Load(p *Policy) *Load {
	l := &Load{Start: x.Start, Step: x.Step, Replicas: x.Replicas, CPU: Reserved(x.service, CPU), Memory: Reserved(x.service, Memory)}
	for i := range p.Metrics {
		v := x.values[keyOf(&p.Metrics[i])]
		if v == nil {
			v = x.series(nil, len(x.Replicas))
		}
		l.Values = append(l.Values, v)
	}
	return l
}
