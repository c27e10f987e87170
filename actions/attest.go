package actions

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"quarterdeck/sources"
)

// A person's word is kept in the labels of a config of the swarm, one for each check, and in the journal with each change of it: every console that can see
// the swarm sees it, for as long as it holds, whatever else is away. Labels are what can be changed of a config, against its version.
const (
	attestPrefix = "qd-attest-"
	labelAttest  = "qd.attest"
	labelWho     = "qd.who"
	labelAt      = "qd.at"
	labelUntil   = "qd.until"
	labelNote    = "qd.note"

	// attestNote bounds a note, in bytes.
	attestNote = 500
)

// AttestChange is a person's word that a plan writes down, or one that it withdraws.
type AttestChange struct {
	Word sources.Attestation `json:"word"`
	// Withdraw: it is taken away, and not given.
	Withdraw bool `json:"withdraw,omitempty"`
	// Before is what was said before, or nil.
	Before *sources.Attestation `json:"before,omitempty"`
}

// Title is the change in a few words.
func (c *AttestChange) Title() string {
	if c.Withdraw {
		return "withdraw the word for " + c.Word.Check
	}
	return fmt.Sprintf("attest %s until %s", c.Word.Check, c.Word.Until.UTC().Format(time.DateOnly))
}

// Attestations reads what persons have said, by check. What cannot be read is left out.
func (d *Deck) Attestations(ctx context.Context) (map[string]sources.Attestation, error) {
	return ReadAttestations(ctx, d.Hands)
}

// ReadAttestations reads what persons have said, by check.
func ReadAttestations(ctx context.Context, from interface {
	Materials(ctx context.Context, kind sources.MaterialKind) ([]sources.Reference, error)
}) (map[string]sources.Attestation, error) {
	all, err := from.Materials(ctx, sources.Config)
	if err != nil {
		return nil, err
	}
	out := map[string]sources.Attestation{}
	for i := range all {
		if a, ok := attestationOf(all[i].Name, all[i].Labels); ok {
			out[a.Check] = a
		}
	}
	return out, nil
}

func attestationOf(name string, labels map[string]string) (sources.Attestation, bool) {
	a := sources.Attestation{Check: labels[labelAttest], Who: labels[labelWho], Note: labels[labelNote]}
	at, err1 := time.Parse(time.RFC3339, labels[labelAt])
	until, err2 := time.Parse(time.RFC3339, labels[labelUntil])
	a.At, a.Until = at, until
	return a, a.Check != "" && name == attestPrefix+a.Check && err1 == nil && err2 == nil
}

// PlanAttest plans to write a person's word down: that of who acts, from now on until a.Until. A note is asked for, because it is what the others go by.
func (d *Deck) PlanAttest(ctx context.Context, a sources.Attestation) (*Plan, error) {
	now := d.Now().UTC().Truncate(time.Second)
	a.Who, a.At, a.Until = d.Policy.Actor, now, a.Until.UTC().Truncate(time.Second)
	a.Note = strings.TrimSpace(strings.ToValidUTF8(a.Note, "\uFFFD"))
	p := &Plan{Action: Attest, Attest: &AttestChange{Word: a}, Reason: a.Note, Harm: Light}
	switch {
	case !a.Until.After(now):
		p.Refused = "it would be over before it begins"
	case a.Note == "":
		p.Refused = "a word needs a note: say what was seen, for the others"
	case len(a.Note) > attestNote:
		p.Refused = fmt.Sprintf("the note is longer than %d bytes", attestNote)
	}
	if p.Refused != "" {
		return d.finish(p), nil
	}
	return d.planWord(ctx, p)
}

// PlanWithdraw plans to take a person's word away.
func (d *Deck) PlanWithdraw(ctx context.Context, check string) (*Plan, error) {
	return d.planWord(ctx, &Plan{Action: Attest, Attest: &AttestChange{Word: sources.Attestation{Check: check}, Withdraw: true}, Harm: Light})
}

// planWord adds what is said now.
func (d *Deck) planWord(ctx context.Context, p *Plan) (*Plan, error) {
	known, err := d.Attestations(ctx)
	if err != nil {
		return nil, err
	}
	c := p.Attest
	if before, ok := known[c.Word.Check]; ok {
		c.Before = &before
		if before.Who != d.Policy.Actor {
			p.warn("%s has said so on %s: %s", before.Who, before.At.Format(time.DateOnly), before.Note)
		}
	} else if c.Withdraw {
		p.Nothing = "nobody has said so"
	}
	return d.finish(p), nil
}

// attest is the step that writes a word down, or takes it away.
func (r *Running) attest(ctx context.Context) error {
	c := r.plan.Attest
	name := attestPrefix + c.Word.Check
	state, err := r.d.Bench.ReadConfig(ctx, name)
	missing := sources.KindOf(err) == sources.NotFound
	switch {
	case err != nil && !missing:
		return err
	case c.Withdraw && missing:
		return nil
	case c.Withdraw:
		return r.d.Hands.RemoveMaterial(ctx, sources.Config, state.ID)
	}
	w := &c.Word
	labels := map[string]string{labelAttest: w.Check, labelWho: w.Who, labelAt: w.At.Format(time.RFC3339), labelUntil: w.Until.Format(time.RFC3339), labelNote: w.Note}
	if !missing {
		return r.d.Bench.RelabelConfig(ctx, state.ID, state.Version, labels)
	}
	data, err := json.Marshal(map[string]string{"check": w.Check, "read": "the labels"})
	if err != nil {
		return err
	}
	_, err = r.d.Hands.CreateMaterial(ctx, sources.Config, sources.Material{Name: name, Labels: labels, Data: data})
	return err
}

// attested is the proof: the swarm has the word as it was given.
func (r *Running) attested(ctx context.Context) error {
	c := r.plan.Attest
	known, err := r.d.Attestations(ctx)
	if err != nil {
		return err
	}
	got, there := known[c.Word.Check]
	check := CheckReport{Name: "word", OK: there != c.Withdraw && (c.Withdraw || got == c.Word), Detail: "the swarm has none for " + c.Word.Check}
	if there {
		check.Detail = fmt.Sprintf("%s until %s: %s", got.Who, got.Until.Format(time.DateOnly), got.Note)
	}
	r.mu.Lock()
	r.checks = []CheckReport{check}
	r.mu.Unlock()
	if !check.OK {
		return fmt.Errorf("somebody else has changed it meanwhile: %s", check.Detail)
	}
	return nil
}

func (c *AttestChange) subject(*Plan) subject {
	return subject{title: c.Title(), target: "check " + c.Word.Check, harmless: true}
}

func (c *AttestChange) steps(*Plan) []Step {
	return []Step{{Name: c.Title(), Kind: StepAttest}, {Name: "verify that the swarm has it so", Kind: StepAttested}}
}

func (c *AttestChange) report(*Plan, *Report) {}

func (c *AttestChange) do(ctx context.Context, r *Running, s Step) (stepped, error) {
	switch s.Kind {
	case StepAttest:
		return stepped{}, r.attest(ctx)
	case StepAttested:
		return stepped{}, r.attested(ctx)
	}
	return stepped{}, unknownStep(s)
}

// takeBack: where somebody else has said something meanwhile, that stays.
func (c *AttestChange) takeBack(context.Context, *Running) (did bool, err error) { return false, nil }

// finish offers no undo by itself: a word is withdrawn, or given again.
func (c *AttestChange) finish(*Running, *Report) {}

// names: a check is no service.
func (c *AttestChange) names(*RunRecord) []string { return nil }

// touched tells whether the word was written down, or taken away.
func (c *AttestChange) touched(run *RunRecord) bool { return run.didStep() }
func (c *AttestChange) offered(run *RunRecord) bool { return c.touched(run) }

// stand has nothing to look at: what is there already is looked at by the step.
func (c *AttestChange) stand(context.Context, *Deck, *Standing) error { return nil }

func (c *AttestChange) resume(context.Context, *Running, *Standing) error { return nil }

// undo plans to go back to what was said before.
func (c *AttestChange) undo(ctx context.Context, d *Deck, r *RunRecord) (*Plan, error) {
	if !c.touched(r) {
		return d.finish(&Plan{Action: Undo, Of: r.ID, Nothing: "run " + r.ID + " has changed nothing"}), nil
	}
	back := &AttestChange{Word: sources.Attestation{Check: c.Word.Check}, Withdraw: true}
	if c.Before != nil {
		back = &AttestChange{Word: *c.Before}
	}
	known, err := d.Attestations(ctx)
	if err != nil {
		return nil, err
	}
	p := &Plan{Action: Undo, Of: r.ID, Attest: back, Harm: Light}
	now, there := known[c.Word.Check]
	switch {
	case there:
		back.Before = &now
		if c.Withdraw || now != c.Word {
			p.Refused = now.Who + " has said something else since"
		}
	case !c.Withdraw:
		p.Nothing = "it was withdrawn meanwhile"
	}
	return d.finish(p), nil
}
