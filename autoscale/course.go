package autoscale

import (
	"context"
	"math"
	"time"

	"quarterdeck/sources"
)

// Course is how a service stood to its policy over a time, for charts: how many replicas there were, how many the policy would have had, and what each of its metrics was beside its
// target. Never changed after it is made.
type Course struct {
	Replicas, Should []sources.Point
	// Least is the smallest number that the policy had at each time: hours raise it.
	Least   []sources.Point
	Metrics []MetricCourse
}

// MetricCourse is one metric of a policy over a time.
type MetricCourse struct {
	Metric Metric
	// Value is of all replicas together (cores, bytes, what the query answered), and so is Target: it moves with the replicas that there were.
	Value, Target []sources.Point
	// Missing says why there is no value; "": there is one.
	Missing string
}

// ReadCourse reads the course of a service. An error is that nothing of it is known.
func ReadCourse(ctx context.Context, m sources.Metrics, s *sources.Service, p *Policy, from, to time.Time) (*Course, error) {
	past, err := ReadPast(ctx, m, s, []*Policy{p}, from, to)
	if err != nil {
		return nil, err
	}
	load := past.Load(p)
	c := &Course{Replicas: past.points(past.Replicas)}
	for _, x := range Replay(p, load).Moments {
		c.Should = append(c.Should, sources.Point{T: x.T, V: float64(x.Replicas)})
		least, _, _ := p.Bounds(x.T)
		c.Least = append(c.Least, sources.Point{T: x.T, V: float64(least)})
	}
	for i := range p.Metrics {
		metric := &p.Metrics[i]
		c.Metrics = append(c.Metrics, MetricCourse{Metric: *metric, Missing: past.Missing[metric.ID()], Value: past.points(load.Values[i]),
			Target: past.points(metric.targets(load))})
	}
	return c, nil
}

// targets are the target of all replicas together at each moment, in the unit of what is measured.
func (m *Metric) targets(l *Load) []float64 {
	out := make([]float64, len(l.Replicas))
	for i, n := range l.Replicas {
		switch {
		case m.Kind == CPU:
			out[i] = m.Target * l.CPU * n
		case m.Kind == Memory:
			out[i] = m.Target * l.Memory * n
		case m.Each:
			out[i] = m.Target * n
		default:
			out[i] = m.Target
		}
	}
	return out
}

// points are a series with its times. What is not known has no point.
func (x *Past) points(values []float64) []sources.Point {
	var out []sources.Point
	for i, v := range values {
		if !math.IsNaN(v) {
			out = append(out, sources.Point{T: x.Start.Add(time.Duration(i) * x.Step), V: v})
		}
	}
	return out
}
