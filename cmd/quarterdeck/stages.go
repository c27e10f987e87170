package main

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"quarterdeck/actions"
	"quarterdeck/actions/journal"
	"quarterdeck/incident"
	"quarterdeck/sources/registry"
	"quarterdeck/stages"
	"quarterdeck/ui"
)

// stageSettings are the stages' thresholds with the team's own.
func (p *platform) stageSettings() (stages.Settings, error) {
	out := stages.Defaults()
	set := &p.settings.Stages
	return out, out.Customise(set.Thresholds, set.Optional)
}

// stageSources are what the stages' checks are gathered from, but for the fleet's snapshot. images is closed by who calls.
func (p *platform) stageSources(images *registry.Client, budget int) stages.Sources {
	from := stages.Sources{Backups: p.saved, Words: p.attestations}
	if images != nil {
		from.Images = &stages.Looker{Images: images, Budget: budget}
	}
	if p.grafana != nil {
		from.Dashboards = p.grafana
	}
	if p.loki != nil {
		from.Logs = p.loki
	}
	if p.metrics != nil {
		from.Metrics, from.Spending = p.metrics, &stages.Spending{}
	}
	p.systems.feed(&from, budget)
	return from
}

// looksEach is how many images the console looks at in one gathering: a registry gets at most four requests for each.
const looksEach = 7

// stageFeed judges the checks for the console.
func (p *platform) stageFeed(o ui.Options) (*stages.Feed, error) {
	settings, err := p.stageSettings()
	if err != nil {
		return nil, &exitStatus{exitUsage, fmt.Errorf("config: stages: %w", err)}
	}
	images, err := p.registry()
	if err != nil {
		return nil, err
	}
	p.closers = append(p.closers, images)
	f := &stages.Feed{Fleet: p.fleet.Snapshot, From: p.stageSources(images, looksEach), Settings: settings, Timeout: 2 * p.settings.Timeout, Now: time.Now}
	if o.Incidents != nil {
		f.From.Detect = func() stages.Detection { return detectionOf(o.Incidents, time.Now()) }
	}
	if d := o.Deck; d != nil {
		f.Keep = p.keeperOf(d)
	}
	return f, nil
}

// keeperOf writes down how the gates stand when that changes.
func (p *platform) keeperOf(d *actions.Deck) func(*stages.Record) {
	var last *stages.Record
	return func(r *stages.Record) {
		cluster := d.Fleet.Snapshot().Engine.ClusterID
		err := error(nil)
		if last == nil {
			last, _, err = stagesRecords(d.Journal, cluster, r.At)
		}
		if err == nil {
			err = keepStages(d.Journal, journal.Entry{Actor: d.Policy.Actor, Host: d.Policy.Host, Context: d.Policy.Context, Cluster: cluster}, r, last)
		}
		if err != nil {
			p.log.Warn("how the gates stand could not be written down", "error", err)
			return
		}
		last = r
	}
}

// inBackground runs f until stop is called or ctx ends; stop waits for its end.
func inBackground(ctx context.Context, f func(context.Context)) (stop func()) {
	ctx, cancel := context.WithCancel(ctx)
	done := make(chan struct{})
	go func() {
		defer close(done)
		f(ctx)
	}()
	return func() { cancel(); <-done }
}

// detectionSpan is how far back incidents tell how long trouble takes to be noticed.
const detectionSpan = 90 * 24 * time.Hour

// detectionOf is how long incidents of late have taken to be noticed.
func detectionOf(k *incident.Desk, now time.Time) stages.Detection {
	var out stages.Detection
	var sum float64
	for _, x := range k.All() {
		t := incident.TimesOf(&x, nil)
		if s := t.Detect.Seconds; s != nil && now.Sub(x.Started.At) <= detectionSpan {
			out.Incidents++
			sum += *s
		}
	}
	if out.Incidents > 0 {
		out.Measured = time.Duration(sum / float64(out.Incidents) * float64(time.Second))
	}
	return out
}

// stagesAction is the journal's word for how the gates stand; phaseGates is the one phase that it has.
const (
	stagesAction = "stages"
	phaseGates   = "gates"
)

// stagesRecords are how the gates stood, by the journal, for one swarm: the last time, and at a moment or the first time after it; nil: not known.
func stagesRecords(j *journal.Journal, cluster string, moment time.Time) (last, then *stages.Record, err error) {
	err = j.Read(func(e journal.Entry) bool {
		var r stages.Record
		if e.Action != stagesAction || e.Phase != phaseGates || e.Cluster != cluster || json.Unmarshal(e.After, &r) != nil {
			return true
		}
		last = &r
		if then == nil || !r.At.After(moment) {
			then = &r
		}
		return true
	})
	return last, then, err
}

// keepStages writes down how the gates stand, where it is not as it was.
func keepStages(j *journal.Journal, e journal.Entry, now, last *stages.Record) error {
	if now.Same(last) {
		return nil
	}
	after, err := json.Marshal(now)
	if err != nil {
		return err
	}
	e.Action, e.Target, e.Phase, e.After = stagesAction, stagesAction, phaseGates, after
	_, err = j.Append(e)
	return err
}
