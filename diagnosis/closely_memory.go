package diagnosis

import (
	"context"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"quarterdeck/sources"
	"quarterdeck/sources/fleet"
)

// How memory came to where it is. Two windows are read of each container: a near one, fine enough for a leak that fills the limit in minutes, and a far one
// for one that takes hours, which also tells what was usual.
const (
	memoryNear     = 20 * time.Minute
	memoryNearStep = 15 * time.Second
	memoryFar      = 6 * time.Hour
	memoryFarStep  = 2 * time.Minute
)

// memoryAsked is from which part of its limit on a service's memory is read through time: below it nothing can be near.
const memoryAsked = 0.5

// Course is how the memory of one container went, as parts of its limit (1 is the limit).
type Course struct {
	// Container is the series' name; it ends in the task's id.
	Container string
	Near, Far []sources.Point
}

// MemoryCourse is how the memory of a service's containers went, dead ones too.
type MemoryCourse struct {
	Of []Course
	// Resident is the largest part of its limit that a container's anonymous memory has, which the kernel cannot take back; NaN: not known.
	Resident             float64
	Query, ResidentQuery string
}

// nearQuery selects, of all services at once, those whose fullest container is at its limit, or over half of it and a tenth of it higher than ten minutes
// or three hours ago. %[1]s is the label of the service.
const nearQuery = `max by (%[1]s) (%[2]s) > 0.9 or max by (%[1]s) (%[2]s) > 0.5 and (max by (%[1]s) (%[2]s) - max by (%[1]s) (%[3]s) > 0.1 or max by (%[1]s) (%[2]s) - max by (%[1]s) (%[4]s) > 0.1)`

// shareOf is the part of its limit that each container's memory takes, as PromQL. No limit is 0 to cAdvisor, or (cgroup v1) a number near 2^63.
func shareOf(metric, sel, offset string) string {
	return fmt.Sprintf("%s%s%s / (container_spec_memory_limit_bytes%s%s > 0 < 1e18)", metric, sel, offset, sel, offset)
}

const workingSet = "container_memory_working_set_bytes"

// askNear asks which services come near their memory limits: the part of it, by service.
func (x *inquiry) askNear(ctx context.Context) (map[string]float64, error) {
	label, _, err := x.d.Metrics.ServiceLabel(ctx)
	if err != nil {
		return nil, err
	}
	sel := "{" + label + `!=""}`
	a, err := x.d.Metrics.Instant(ctx, fmt.Sprintf(nearQuery, label, shareOf(workingSet, sel, ""), shareOf(workingSet, sel, " offset 10m"), shareOf(workingSet, sel, " offset 3h")), x.q.At)
	if err != nil {
		return nil, err
	}
	out := map[string]float64{}
	for _, s := range a.Series {
		if v := valueOf(s); !math.IsNaN(v) {
			out[s.Labels[label]] = v
		}
	}
	return out, nil
}

// memoryCourse reads how the memory of a service's containers went; nil: it could not be read.
func (x *inquiry) memoryCourse(ctx context.Context, label, service string) *MemoryCourse {
	sel := fmt.Sprintf("{%s=%s}", label, strconv.Quote(service))
	m := &MemoryCourse{Resident: math.NaN(), Query: shareOf(workingSet, sel, ""), ResidentQuery: "max(" + shareOf("container_memory_rss", sel, "") + ")"}
	read := func(span, step time.Duration) []sources.Series {
		a, err := x.d.Metrics.Range(ctx, m.Query, sources.Window{Start: x.q.At.Add(-span), End: x.q.At, Step: step})
		if err != nil {
			x.failed(fleet.PrometheusName, "how the memory of "+service+" went", err)
		}
		return a.Series
	}
	var near, far []sources.Series
	var wg sync.WaitGroup
	wg.Go(func() { near = read(memoryNear, memoryNearStep) })
	wg.Go(func() { far = read(memoryFar, memoryFarStep) })
	wg.Go(func() {
		if a, err := x.d.Metrics.Instant(ctx, m.ResidentQuery, x.q.At); err == nil && len(a.Series) > 0 {
			m.Resident = valueOf(a.Series[0])
		}
	})
	wg.Wait()
	for _, s := range far {
		m.Of = append(m.Of, Course{Container: s.Labels["name"], Far: known(s.Points)})
	}
	for _, s := range near {
		i := slices.IndexFunc(m.Of, func(c Course) bool { return c.Container == s.Labels["name"] })
		if i < 0 {
			m.Of = append(m.Of, Course{Container: s.Labels["name"]})
			i = len(m.Of) - 1
		}
		m.Of[i].Near = known(s.Points)
	}
	slices.SortFunc(m.Of, func(a, b Course) int { return strings.Compare(a.Container, b.Container) })
	if len(m.Of) == 0 {
		return nil
	}
	return m
}

// known are the points that have a value.
func known(points []sources.Point) []sources.Point {
	return slices.DeleteFunc(slices.Clone(points), func(p sources.Point) bool { return math.IsNaN(p.V) || math.IsInf(p.V, 0) })
}
