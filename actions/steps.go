package actions

import "fmt"

// StepKind is what a step does.
type StepKind string

// The kinds of steps.
const (
	StepCreate StepKind = "create"
	StepUpdate StepKind = "update"
	StepHook   StepKind = "hook"
	StepVerify StepKind = "verify"
	StepRemove StepKind = "remove"
	// StepSilence makes or ends a silence, StepSilenced looks whether it is so.
	StepSilence  StepKind = "silence"
	StepSilenced StepKind = "silenced"
	// The steps of a recovery: its lock, a job in a container of its own, a copy of the service, the scaling to 0 and back, and the record.
	StepLock      StepKind = "lock"
	StepUnlock    StepKind = "unlock"
	StepJob       StepKind = "job"
	StepApart     StepKind = "apart"
	StepApartGone StepKind = "apart-gone"
	StepDown      StepKind = "down"
	StepRest      StepKind = "rest"
	StepUp        StepKind = "up"
	StepProve     StepKind = "prove"
	StepRecord    StepKind = "record"
	// StepDrill has one service of a DR day drilled, StepDay writes the day's record for good.
	StepDrill StepKind = "drill"
	StepDay   StepKind = "day"
	// StepAttest writes a person's word down, StepAttested looks whether it is there.
	StepAttest   StepKind = "attest"
	StepAttested StepKind = "attested"
	// StepMake makes a service of a stack, StepDrop takes one away again; StepPart and StepPartGone do so with its networks and configs.
	StepMake     StepKind = "make"
	StepDrop     StepKind = "drop"
	StepPart     StepKind = "part"
	StepPartGone StepKind = "part-gone"
	// StepScaling stops all autoscaling or lets it go on, StepScalingSet looks whether it is so.
	StepScaling    StepKind = "scaling"
	StepScalingSet StepKind = "scaling-set"
	// StepNode wants something of a node, StepNodeSo waits until it is so, and StepNodeBack takes it back.
	StepNode     StepKind = "node"
	StepNodeSo   StepKind = "node-so"
	StepNodeBack StepKind = "node-back"
)

// Step is one thing that a run does, named as the journal names it.
type Step struct {
	Name string
	Kind StepKind
	// At is the index of the change, of the DR day's drill or of the stack's part that the step is about; of a verify, the group's number.
	At int
	// Job names the job of a recovery's step or, of a copy, the place that it is on.
	Job string
}

// Steps are what a run of the plan does, in order.
func (p *Plan) Steps() []Step {
	var out []Step
	if p.Silence != nil {
		return []Step{{Name: p.Silence.Title(), Kind: StepSilence}, {Name: "verify that Alertmanager has it so", Kind: StepSilenced}}
	}
	if p.Attest != nil {
		return []Step{{Name: p.Attest.Title(), Kind: StepAttest}, {Name: "verify that the swarm has it so", Kind: StepAttested}}
	}
	if p.Scaling != nil {
		return []Step{{Name: p.Scaling.Title(), Kind: StepScaling}, {Name: "verify that the swarm has it so", Kind: StepScalingSet}}
	}
	if c := p.Node; c != nil {
		out = append(out, Step{Name: c.Title(), Kind: StepNode})
		if !p.NoWait {
			out = append(out, Step{Name: c.verifyName(), Kind: StepNodeSo})
		}
		return out
	}
	if p.Recovery != nil {
		if p.Refused != "" {
			return nil
		}
		return p.recoverySteps()
	}
	if p.Day != nil {
		if p.Refused != "" {
			return nil
		}
		return p.Day.steps()
	}
	if m := p.Material; m != nil && m.New != "" {
		out = append(out, Step{Name: fmt.Sprintf("create %s %s", m.Kind, m.New), Kind: StepCreate})
	}
	if p.Hook != nil {
		out = append(out, Step{Name: "call the webhook " + p.Hook.Name(), Kind: StepHook})
	}
	out = append(out, p.partSteps(false)...)
	for i := range p.Changes {
		if p.Hook == nil {
			out = append(out, p.Changes[i].step(i))
		}
		if last := i == len(p.Changes)-1; (last || p.Changes[i+1].Group != p.Changes[i].Group) && !p.NoWait && p.stays(p.Changes[i].Group) {
			out = append(out, Step{Name: p.verifyName(p.Changes[i].Group), Kind: StepVerify, At: p.Changes[i].Group})
		}
	}
	out = append(out, p.partSteps(true)...)
	if m := p.Material; m != nil && m.OldID != "" && !p.NoWait {
		out = append(out, Step{Name: fmt.Sprintf("remove %s %s", m.Kind, m.Old), Kind: StepRemove})
	}
	return out
}

func (p *Plan) verifyName(group int) string {
	var names []string
	for i := range p.Changes {
		if p.Changes[i].Group == group && !p.Changes[i].Remove {
			names = append(names, p.Changes[i].Service)
		}
	}
	if len(names) == 1 {
		return "verify " + names[0]
	}
	return fmt.Sprintf("verify %d services of group %d", len(names), group+1)
}

// lines are the steps in words, for people.
func (p *Plan) lines() []string {
	var out []string
	for _, s := range p.Steps() {
		out = append(out, s.Name)
	}
	return out
}
