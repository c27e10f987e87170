package main

import (
	"encoding/json"
	"time"

	"quarterdeck/actions/journal"
	"quarterdeck/incident"
	"quarterdeck/sources/registry"
	"quarterdeck/stages"
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
	if p.loki != nil {
		from.Logs = p.loki
	}
	if p.metrics != nil {
		from.Metrics = p.metrics
	}
	return from
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
