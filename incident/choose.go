package incident

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"time"

	"quarterdeck/actions"
	"quarterdeck/sources"
	"quarterdeck/sources/fleet"
)

// Choose finds the incident that a report is about where none is named: without a time and a service the one that is open, or the newest;
// else the one that lies in that time and is about that service, if it is the only one.
func (k *Desk) Choose(a Asked) (Asked, error) {
	if a.ID != "" {
		return a, nil
	}
	if a.Since.IsZero() && a.Until.IsZero() && len(a.Services) == 0 {
		list := k.All()
		if len(list) == 0 {
			return a, bad("no incident is recorded", "give --since and --service: a report needs no incident")
		}
		a.ID = list[0].ID
		if open := k.Ongoing(); len(open) > 0 {
			a.ID = open[0].ID
		}
		return a, nil
	}
	var found []Incident
	for _, x := range k.All() {
		if (len(a.Services) == 0 || x.About(a.Services...)) && x.touches(a.Since, a.Until) {
			found = append(found, x)
		}
	}
	if len(found) == 1 {
		a.ID = found[0].ID
	}
	return a, nil
}

// touches tells whether an incident lies in a stretch of time; where no beginning is given, whether it is open.
func (x *Incident) touches(since, until time.Time) bool {
	if since.IsZero() {
		return x.Ongoing()
	}
	end := x.Resolved.At
	return (end.IsZero() || !end.Before(since)) && (until.IsZero() || !x.Started.At.After(until))
}

// EvidenceOf proposes when an incident's impact may have begun.
func (k *Desk) EvidenceOf(ctx context.Context, x *Incident) ([]Proposal, error) {
	r, err := k.Report(ctx, Asked{ID: x.ID})
	if err != nil {
		return nil, err
	}
	return r.Start.Proposed, nil
}

// sureLead is how long before the orchestrator says what is wrong its users may feel it: a node's heartbeats are missed, a health check is tried
// again, a rollout goes on for so long. What figures showed before that is of something else.
const sureLead = 5 * time.Minute

// First is the proposal to be taken where nobody says otherwise: the earliest that is no change. Where a cause is sure, what came long before it, or was over
// by then, does not count. nil: there is none.
func First(list []Proposal) *Proposal {
	var sure *Proposal
	for i := range list {
		if p := &list[i]; p.Sure && (sure == nil || p.At.Before(sure.At)) {
			sure = p
		}
	}
	var first *Proposal
	for i := range list {
		p := &list[i]
		if p.Before || sure != nil && p.over(sure.At) {
			continue
		}
		if first == nil || p.At.Before(first.At) {
			first = p
		}
	}
	return first
}

// over tells whether what a proposal stands on was over when a cause began: a figure that had fallen again, or what came long before.
func (p *Proposal) over(sure time.Time) bool {
	if !p.end.IsZero() {
		return p.end.Before(sure)
	}
	return p.At.Before(sure.Add(-sureLead))
}

// Fixes are the runs on an incident's services while it was open.
func Fixes(x *Incident, runs []actions.TeamRun) []Mitigation {
	var out []Mitigation
	for _, r := range runs {
		if between(r.Began, x.Started.At, x.Resolved.At) && x.About(split(r.Target)...) {
			out = append(out, ofTeam(r.Run, r.Action, r.Target, r.Actor, r.Began, r.Ended, r.Result, r.Reason, r.Why))
		}
	}
	return out
}

// TimesWith are incidents' times, with what this machine's journal knows of runs on their services.
func (k *Desk) TimesWith(list []Incident) ([]Times, error) {
	records, err := k.Deck.Runs()
	if err != nil {
		return nil, err
	}
	runs := make([]actions.TeamRun, 0, len(records))
	for i := range records {
		r := &records[i]
		runs = append(runs, actions.TeamRun{Run: r.ID, Action: r.Action, Target: r.Target, Actor: r.Actor, Host: r.Host, Began: r.Began, Ended: r.Ended, Result: r.Result, Reason: r.Reason, Why: r.Why})
	}
	out := make([]Times, len(list))
	for i := range list {
		out[i] = TimesOf(&list[i], Fixes(&list[i], runs))
	}
	return out, nil
}

func ofTeam(run, action, target, actor string, began, ended time.Time, result, reason, why string) Mitigation {
	m := Mitigation{Run: run, Action: action, Target: target, Actor: actor, Began: began.UTC(), Result: result, Reason: reason, Why: why}
	if !ended.IsZero() {
		ended = ended.UTC()
		m.Ended = &ended
	}
	return m
}

// Prefill fills in what an incident begins with: a title from the top cause, else from the worst of its services; the severity and the time of
// detection from the first alert that fires for them. Where the top cause is a lost node it is of that node, and of the services that had tasks there; where it is another service, of that
// as well, and of those that it hits. A stack's name stands for its services that are in trouble. Where nothing is named it is of what the likeliest cause of all is about.
func (k *Desk) Prefill(ctx context.Context, o Opening) Opening {
	k.unstack(ctx, &o)
	var wide []Cause
	o.Causes, wide = k.causesFor(ctx, &o)
	k.orElsewhere(&o, wide)
	o.widen(wide)
	if len(o.Services) == 0 && len(o.Causes) == 0 && len(o.Nodes) > 0 {
		o.Causes = slices.DeleteFunc(slices.Clone(wide), func(c Cause) bool { return !slices.Contains(o.Nodes, c.Node) })
	}
	k.ofNode(&o)
	if len(o.Causes) > 0 && o.Title == "" { // where it comes from is part of it
		if c := &o.Causes[0]; c.Service != "" && c.Confidence >= 0.5 && !slices.Contains(o.Services, c.Service) {
			o.Services = append(slices.Clone(o.Services), c.Service)
		}
	}
	if o.Title == "" && len(o.Causes) > 0 {
		o.Title = o.Causes[0].words()
	}
	snap := k.Deck.Fleet.Snapshot()
	var worst *fleet.Service
	for _, name := range o.Services {
		if s := snap.Service(name); s != nil && (worst == nil || s.Health.Rank() < worst.Health.Rank()) {
			worst = s
		}
	}
	alert := k.alertOf(&o)
	if o.Title == "" {
		switch {
		case worst != nil && worst.Health.Rank() <= fleet.Degraded.Rank():
			o.Title = joined(worst.Name+" is "+string(worst.Health), worst.Reason)
		case alert != nil:
			o.Title = joined(alert.Name, cmp.Or(alert.Summary, alert.Service))
		case len(o.Services) > 0:
			o.Title = "trouble with " + o.Services[0]
		case len(o.Nodes) > 0:
			o.Title = "trouble with node " + o.Nodes[0]
		}
	}
	if o.Severity == "" {
		switch {
		case alert != nil && alert.Severity != "":
			o.Severity = alert.Severity
		case worst != nil && worst.Health == fleet.Down:
			o.Severity = "critical"
		case worst != nil && worst.Health == fleet.Degraded:
			o.Severity = "warning"
		}
	}
	k.noticedBy(&o)
	return o
}

// alertOf is the alert that fires longest of what an opening is of; what fires for its node itself comes first. nil: none fires.
func (k *Desk) alertOf(o *Opening) *sources.Alert {
	snap := k.Deck.Fleet.Snapshot()
	alert := firstAlertOf(snap, func(a *sources.Alert) bool { return ownAlert(snap, a, o.Services, o.Nodes, o.Causes) })
	for _, n := range o.Nodes {
		if a := firstAlertOf(snap, func(a *sources.Alert) bool { return alertOfNode(snap, a, n) }); a != nil {
			alert = a
		}
	}
	return alert
}

// noticedBy has an incident be noticed by the alert that fires, where nobody has said when it was noticed. It is asked when the incident is
// declared as well: an alert may have begun to fire while somebody filled in what it is of.
func (k *Desk) noticedBy(o *Opening) {
	if a := k.alertOf(o); a != nil && !o.Detected.Known() && !a.Since.IsZero() {
		o.Detected = Moment{At: a.Since, By: fmt.Sprintf("alert %s (%s)", a.Name, k.Deck.Fleet.Snapshot().AlertsBy())}
	}
}

// firstAlert is the one of the alerts that fire for some services that fires longest.
func firstAlert(snap *fleet.Snapshot, about func(service string) bool) *sources.Alert {
	return firstAlertOf(snap, func(a *sources.Alert) bool { return about(a.Service) })
}

func firstAlertOf(snap *fleet.Snapshot, about func(*sources.Alert) bool) *sources.Alert {
	var out *sources.Alert
	for i := range snap.Alerts {
		a := &snap.Alerts[i]
		if a.State == sources.Firing && about(a) && (out == nil || a.Since.Before(out.Since)) {
			out = a
		}
	}
	return out
}
