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
func (p *Plan) Steps() []Step { return p.kind().steps(p) }

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
