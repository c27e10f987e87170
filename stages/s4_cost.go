package stages

import (
	"context"
	"fmt"
	"math"
	"sync"
	"time"

	"quarterdeck/capacity"
	"quarterdeck/sources"
	"quarterdeck/sources/fleet"
)

var costPerService = &Check{
	ID: "cost-per-service", Stage: 4,
	Question:  "is it known what each service costs?",
	Why:       "What has no price is never made smaller. A figure for each service turns 'the cloud is dear' into one decision.",
	Threshold: func(*Settings) string { return "every node that runs tasks has a price; one without fails" },
	Fix:       "docker node update --label-add " + capacity.PriceLabel + "=0.12 NODE",
	judge: func(e *Evidence, _ *Settings) Finding {
		const evidence = "docker node inspect NODE: Spec.Labels " + capacity.PriceLabel
		if e.Fleet == nil || len(e.Fleet.Nodes) == 0 {
			return e.noNodes(evidence)
		}
		f := Finding{Evidence: evidence}
		for i := range e.Fleet.Nodes {
			n := &e.Fleet.Nodes[i]
			if _, why := capacity.Price(n); why != "" {
				f.Subjects = append(f.Subjects, Subject{Name: n.Name, State: Fail, Says: "what an hour of it costs is not known, so what runs on it has no cost: " + why, Set: capacity.PriceLabel + "=0.12"})
			}
		}
		f.State = worst(f.Subjects)
		f.Value = fmt.Sprintf("%d of %s have a price", len(e.Fleet.Nodes)-len(f.Subjects), count(len(e.Fleet.Nodes), "node"))
		return f
	},
}

// costMatters is the share of all cost from which on a service's own rise is told: a service that is nearly nothing doubles every day.
const costMatters = 0.05

var costAnomaly = &Check{
	ID: "cost-anomaly", Stage: 4,
	Question: "did a day's cost rise out of the ordinary?",
	Why:      "A forgotten replica costs until somebody reads the bill. Against its own week the rise is seen on the day that it begins.",
	Threshold: func(s *Settings) string {
		return fmt.Sprintf("under +%.0f%% of the median of the seven days before; under +%.0f%% is a warning", 100*s.CostPass, 100*s.CostWarn)
	},
	Fix: "quarterdeck cost --since 8d: what grew, and what it costs",
	judge: func(e *Evidence, s *Settings) Finding {
		const evidence = "quarterdeck cost --since 8d: the last day's mean against the median of the seven days before it"
		if e.Fleet == nil || e.Fleet.Listed.IsZero() {
			return unknown(evidence, e.reason(fleet.SwarmName, "the swarm has not been read"))
		}
		if e.Spent == nil {
			return unknown(evidence, e.reason(spentName, e.reason(fleet.PrometheusName, "what services cost is not followed over time")))
		}
		t := capacity.TrendsOf(e.Fleet, e.Spent)
		if math.IsNaN(t.All.Rise) {
			why := fmt.Sprintf("%s of use are known, and a day and one before it are wanted", count(len(t.All.Days), "day"))
			if math.IsNaN(t.All.Total) {
				why = t.Reason
			}
			return unknown(evidence, why)
		}
		f := Finding{Evidence: evidence, State: risen(t.All.Rise, s), Value: fmt.Sprintf("%+.0f%% against the median of %s", 100*t.All.Rise, count(min(len(t.All.Days)-1, 7), "day"))}
		if t.All.Cause != "" && f.State != Pass {
			f.Value += ": " + t.All.Cause
		}
		newest := t.All.Days[len(t.All.Days)-1].Hour
		for i := range t.Services {
			x := &t.Services[i]
			if len(x.Days) == 0 || x.Days[len(x.Days)-1].Hour < costMatters*newest || math.IsNaN(x.Rise) {
				continue
			}
			if state := risen(x.Rise, s); state != Pass {
				f.Subjects = append(f.Subjects, Subject{Name: x.Service, State: state, Says: fmt.Sprintf("%+.0f%%: %s", 100*x.Rise, x.Cause)})
			}
		}
		if w := worst(f.Subjects); w == Fail || f.State == Pass && len(f.Subjects) > 0 {
			f.State = w
		}
		return f
	},
}

func risen(rise float64, s *Settings) State {
	switch {
	case rise >= s.CostWarn:
		return Fail
	case rise >= s.CostPass:
		return Warn
	}
	return Pass
}

const (
	// spentSpan is how far back what was used is read, spentEvery how often, spentAgain after how long where it could not be.
	spentSpan  = 8 * 24 * time.Hour
	spentEvery = time.Hour
	spentAgain = 10 * time.Minute
	spentName  = "cost"
)

// Spending reads what services used over the last days, once an hour however often it is asked. The zero value is ready. Safe for concurrent use.
type Spending struct {
	mu   sync.Mutex
	at   time.Time
	last *capacity.History
	err  error
}

// Read is what is known, or why nothing is.
func (s *Spending) Read(ctx context.Context, m sources.Metrics, now time.Time) (*capacity.History, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	wait := spentEvery
	if s.err != nil {
		wait = spentAgain
	}
	if !s.at.IsZero() && now.Sub(s.at) < wait {
		return s.last, s.err
	}
	s.last, s.err = capacity.Read(ctx, m, spentSpan, now)
	if ctx.Err() == nil {
		s.at = now
	}
	return s.last, s.err
}
