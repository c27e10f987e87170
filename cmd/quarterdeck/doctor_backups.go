package main

import (
	"context"
	"fmt"
	"strings"
	"time"

	"quarterdeck/recovery"
	"quarterdeck/sources"
	"quarterdeck/sources/fleet"
	"quarterdeck/ui/chart"
	"quarterdeck/ui/plain"
)

// covered is how the services stand with their backups, or why that could not be looked at.
type covered struct {
	rows  []recovery.Coverage
	err   error
	audit *recovery.Audit // the last look through the repository; nil: there was none, or it could not be read
}

// coverage reads the swarm and the catalogue once, and holds the one against the other.
func (p *platform) coverage(ctx context.Context) covered {
	world, err := p.swarm.List(ctx)
	if err != nil {
		return covered{err: err}
	}
	f := fleet.New(time.Now, fleet.BackupsName)
	f.Fold(sources.Change{World: world})
	state := sources.Status{Name: fleet.BackupsName, State: sources.Absent}
	if p.saved != nil {
		state.State = sources.Live
		if err := p.saved.Read(ctx); err != nil {
			state.State, state.Detail = sources.StateOf(err), err.Error()
		}
	}
	f.SetStatus(state)
	c := covered{rows: recovery.Cover(f.Snapshot(), p.saved.Contents(), time.Now())}
	if state.State == sources.Live {
		c.audit, _ = recovery.LastAudit(ctx, p.backups, time.Now()) // that the store cannot be read is told by its own row
	}
	return c
}

// coverJSON is the coverage in doctor's document. Reason tells why there are no rows.
type coverJSON struct {
	Coverage []coverageJSON `json:"coverage"`
	Reason   string         `json:"reason,omitempty"`
	// Repository is the last look through it by the agent; null: there was none.
	Repository *repositoryJSON `json:"repository"`
}

type repositoryJSON struct {
	Checked time.Time     `json:"checked"`
	OK      bool          `json:"ok"`
	Code    recovery.Code `json:"code,omitempty"`
	Reason  string        `json:"reason,omitempty"`
}

type coverageJSON struct {
	Service  string           `json:"service,omitempty"`
	Volume   string           `json:"volume,omitempty"`
	Engine   recovery.Engine  `json:"engine,omitempty"`
	State    string           `json:"state"`
	Snapshot string           `json:"snapshot,omitempty"`
	Age      *float64         `json:"age"` // seconds; null: there is no snapshot that counts
	MaxAge   float64          `json:"max_age,omitempty"`
	Size     int64            `json:"size,omitempty"`
	Kept     int              `json:"kept"`
	Next     string           `json:"next,omitempty"`
	Drill    recoveryVerdict  `json:"drill"`
	SavedBy  string           `json:"saved_by,omitempty"`
	Problem  string           `json:"problem,omitempty"`
	Set      string           `json:"set,omitempty"`
	Labels   []policyProblems `json:"labels,omitempty"`
}

type recoveryVerdict struct {
	State string   `json:"state"`
	Age   *float64 `json:"age"`
	RTO   *float64 `json:"rto"`
	RPO   *float64 `json:"rpo"`
}

type policyProblems struct {
	Label string `json:"label"`
	Says  string `json:"says"`
	Set   string `json:"set,omitempty"`
	Fatal bool   `json:"fatal"`
}

func (c covered) json() coverJSON {
	out := coverJSON{Coverage: []coverageJSON{}}
	if c.err != nil {
		out.Reason = c.err.Error()
	}
	if a := c.audit; a != nil {
		out.Repository = &repositoryJSON{a.Began.UTC(), a.OK, a.Code, a.Reason}
	}
	for i := range c.rows {
		r := &c.rows[i]
		x := coverageJSON{Service: r.Service, Volume: r.Volume, Engine: r.Policy.Engine, State: string(r.State), Kept: r.Kept, Drill: recoveryVerdict{State: string(r.DrillState)},
			SavedBy: r.By, Problem: r.Problem, Set: r.Set}
		if r.Policy.Usable() {
			x.MaxAge = r.Policy.MaxAge.Seconds()
		}
		if !r.Next.IsZero() {
			x.Next = r.Next.UTC().Format(time.RFC3339)
		}
		if r.Newest != nil {
			age := r.Age.Seconds()
			x.Snapshot, x.Age, x.Size = r.Newest.ID, &age, r.Newest.Size
		}
		if d := r.Drill; d != nil {
			age := r.DrillAge.Seconds()
			x.Drill.Age = &age
			if d.OK {
				x.Drill.RTO, x.Drill.RPO = &d.RTO, &d.RPO
			}
		}
		for _, p := range r.Policy.Problems {
			x.Labels = append(x.Labels, policyProblems(p))
		}
		out.Coverage = append(out.Coverage, x)
	}
	return out
}

// write tells of what is not as it should be; what is well is counted.
func (c covered) write(b *strings.Builder) {
	if c.err != nil {
		fmt.Fprintf(b, "coverage      could not look: %s\n", plain.Line(c.err.Error()))
		return
	}
	if a := c.audit; a != nil {
		state := "whole"
		if !a.OK {
			state = "NOT GOOD: " + a.Reason
		}
		fmt.Fprintf(b, "repository    looked through %s ago: %s\n", chart.Age(time.Since(a.Began)), plain.Line(state))
	}
	if len(c.rows) == 0 {
		return
	}
	well := 0
	for i := range c.rows {
		if r := &c.rows[i]; r.Problem == "" && len(r.Policy.Problems) == 0 {
			well++
		}
	}
	fmt.Fprintf(b, "coverage      %d of %d as they should be\n", well, len(c.rows))
	for i := range c.rows {
		r := &c.rows[i]
		if r.Problem != "" {
			age := ""
			if r.Newest != nil {
				age = ", " + chart.Age(r.Age) + " old"
			}
			fmt.Fprintf(b, "  %-13s %s%s: %s\n", r.State, plain.Line(r.Name()), age, plain.Line(r.Problem))
		}
		for _, p := range r.Policy.Problems {
			if !strings.HasPrefix(r.Problem, p.String()) {
				fmt.Fprintf(b, "  %-13s %s: %s\n", "label", plain.Line(r.Name()), plain.Line(p.String()))
			}
		}
	}
}
