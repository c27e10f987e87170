package actions

import (
	"context"
	"fmt"
	"strings"
	"time"

	"quarterdeck/actions/journal"
	"quarterdeck/autoscale"
	"quarterdeck/sources"
)

// ScaleLease is the config by which autoscalers know which of them is the one that works.
const ScaleLease = "qd-lease-autoscale"

// Autoscale is the action of journal entries about decisions; their phases are PhaseDecision, and those of the stop.
const (
	Autoscale     = "autoscale"
	PhaseDecision = "decision"
	phaseStop     = "stop"
	phaseStart    = "start"
)

// stopNote bounds why the autoscaler is stopped, in bytes.
const stopNote = 500

// StopScaling stops every autoscaler of the swarm, by a config that they look for before each change. That one is there already is as good.
func (d *Deck) StopScaling(ctx context.Context, reason string) error {
	if err := d.recordStop(phaseStop, reason); err != nil {
		return err
	}
	note := strings.ToValidUTF8(reason, "\uFFFD")
	note = note[:min(len(note), stopNote)]
	_, err := d.Hands.CreateMaterial(ctx, sources.Config, sources.Material{Name: autoscale.StopConfig, Data: []byte("stop\n"),
		Labels: map[string]string{labelWho: d.Policy.Actor, labelAt: d.Now().UTC().Format(time.RFC3339), labelNote: strings.ToValidUTF8(note, "")}})
	if sources.KindOf(err) == sources.Conflict {
		return nil
	}
	return err
}

// StartScaling lets the autoscalers go on.
func (d *Deck) StartScaling(ctx context.Context, reason string) error {
	if err := d.recordStop(phaseStart, reason); err != nil {
		return err
	}
	c, err := d.Bench.ReadConfig(ctx, autoscale.StopConfig)
	if err == nil {
		err = d.Hands.RemoveMaterial(ctx, sources.Config, c.ID)
	}
	if sources.KindOf(err) == sources.NotFound {
		return nil
	}
	return err
}

func (d *Deck) recordStop(phase, reason string) error {
	if d.Policy.NeedReason && strings.TrimSpace(reason) == "" {
		return ErrNoReason
	}
	_, err := d.Write(journal.Entry{Action: Autoscale, Target: autoscale.StopConfig, Phase: phase, Reason: reason})
	return err
}

// MayScale asks the swarm itself, just before a change, whether an autoscaler may make it: nobody has stopped them all, and no run has the service in hand. An error says why not.
func (d *Deck) MayScale(ctx context.Context, service string) error {
	c, err := d.Bench.ReadConfig(ctx, autoscale.StopConfig)
	switch {
	case err == nil:
		return &Refusal{autoscale.StopWords(&c.Reference)}
	case sources.KindOf(err) != sources.NotFound:
		return err
	}
	lock, err := d.lockOf(ctx, service)
	switch {
	case err != nil:
		return err
	case lock != nil:
		return &Locked{lock.run(), lock.words()}
	}
	return nil
}

// PlanAutoscale plans what an autoscaler has decided: the service must still have the number that it was decided for. It is not waited for the verdict: the next decision looks.
func (d *Deck) PlanAutoscale(ctx context.Context, x *autoscale.Decision) (*Plan, error) {
	if x.Recommended < 1 || x.Recommended > MaxReplicas {
		return nil, &Refusal{fmt.Sprintf("%d replicas are no number for an autoscaler", x.Recommended)}
	}
	p, err := d.PlanScale(ctx, []ScaleTarget{{Service: x.ID, Replicas: uint64(x.Recommended)}}) //nolint:gosec // bounded above
	if err != nil {
		return nil, err
	}
	p.NoWait, p.Reason = true, x.Reason
	for i := range p.Changes {
		if now, _ := p.Changes[i].Before.Replicas(); now != uint64(x.Current) { //nolint:gosec // a number of replicas
			p.Refused = fmt.Sprintf("somebody has given it %d replicas meanwhile", now)
		}
	}
	return p, nil
}
