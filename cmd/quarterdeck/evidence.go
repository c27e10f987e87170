package main

import (
	"time"

	"quarterdeck/actions"
	"quarterdeck/diagnosis"
	"quarterdeck/diagnosis/record"
)

// doctor makes what investigates. d may be nil: then nothing is known of what people have changed.
func (p *platform) doctor(d *actions.Deck) *diagnosis.Doctor {
	out := &diagnosis.Doctor{Fleet: p.fleet, Logs: p.logs, Now: time.Now, Logger: p.log}
	if p.metrics != nil {
		out.Metrics = p.metrics
	}
	if p.loki != nil {
		out.Explain = p.loki.Explain
	}
	if d != nil {
		out.Record = record.Deck{Deck: d}
	}
	return out
}
