package actions

import (
	"context"
	"fmt"
	"strings"

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

// StopScaling stops every autoscaler of the swarm, by a config that they look for before each change. That one is there already is as good.
func (d *Deck) StopScaling(ctx context.Context, reason string) error {
	if err := d.recordStop(phaseStop, reason); err != nil {
		return err
	}
	return d.makeStop(ctx, reason, "")
}

// StartScaling lets the autoscalers go on.
func (d *Deck) StartScaling(ctx context.Context, reason string) error {
	if err := d.recordStop(phaseStart, reason); err != nil {
		return err
	}
	return d.liftStop(ctx)
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
		stop := autoscale.StopOf(&c.Reference)
		return &Refusal{stop.Words()}
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
	p, err := d.PlanRecommended(ctx, []autoscale.Decision{*x})
	if err != nil {
		return nil, err
	}
	p.NoWait = true
	return p, nil
}

// PlanRecommended plans what was recommended, for somebody who waits for the verdict. The services must still have the numbers that it was decided for.
func (d *Deck) PlanRecommended(ctx context.Context, list []autoscale.Decision) (*Plan, error) {
	targets, was, reasons := make([]ScaleTarget, len(list)), make(map[string]uint64, len(list)), make([]string, len(list))
	for i := range list {
		x := &list[i]
		if x.Recommended < 1 || x.Recommended > MaxReplicas {
			return nil, &Refusal{fmt.Sprintf("%d replicas are no number for an autoscaler", x.Recommended)}
		}
		targets[i] = ScaleTarget{Service: x.ID, Replicas: uint64(x.Recommended)} //nolint:gosec // bounded above
		was[x.ID] = uint64(x.Current)                                            //nolint:gosec // a number of replicas
		if reasons[i] = x.Reason; len(list) > 1 {
			reasons[i] = x.Service + ": " + x.Reason
		}
	}
	p, err := d.planScale(ctx, targets, true)
	if err != nil {
		return nil, err
	}
	p.Reason = strings.Join(reasons, "; ")
	for i := range p.Changes {
		c := &p.Changes[i]
		if now, _ := c.Before.Replicas(); now != was[c.ID] {
			p.Refused = fmt.Sprintf("somebody has given it %d replicas meanwhile", now)
			if len(list) > 1 {
				p.Refused = fmt.Sprintf("somebody has given %s %d replicas meanwhile", c.Service, now)
			}
		}
	}
	return p, nil
}
