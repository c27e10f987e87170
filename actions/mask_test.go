package actions_test

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"strings"
	"sync"
	"testing"

	"github.com/moby/moby/api/types/swarm"

	"quarterdeck/actions"
	"quarterdeck/sources"
)

// sink keeps what is pushed to the team's record, and what is marked on dashboards.
type sink struct {
	mu   sync.Mutex
	text strings.Builder
	n    int
}

func (s *sink) Push(_ context.Context, labels map[string]string, lines []sources.PushLine) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.n += len(lines)
	return json.NewEncoder(&s.text).Encode([]any{labels, lines})
}

func (s *sink) Annotate(_ context.Context, a sources.Annotation) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return json.NewEncoder(&s.text).Encode(a)
}

// Credentials in a spec, and the value of a secret, are nowhere but with the engine: not in the state directory, the report, the progress,
// the plan as shown, or what is pushed.
func testMasked(t *testing.T, p *platform) {
	hidden := []string{"hunter2-a", "hunter2-b", "hunter2-c", "hunter2-d", "hunter2-e", "hunter2-f", "hunter2-g"}
	name, secret := p.withSecret(t, replicas(1), env("DB_PASSWORD="+hidden[0], "DATABASE_URL=postgres://u:"+hidden[1]+"@db/x", "SHOWN=plain-value"), label("qd.api-token", hidden[2]),
		func(s *swarm.ServiceSpec) { s.TaskTemplate.ContainerSpec.Labels = map[string]string{"auth": hidden[3]} })
	r := p.deck(t)
	s := &sink{}
	r.Sink, r.Marks = s, s
	p.change(t, name, env("API_KEY="+hidden[4]))
	p.well(t, name)
	var shown strings.Builder
	keep := func(v any) {
		if err := json.NewEncoder(&shown).Encode(v); err != nil {
			t.Fatal(err)
		}
	}
	do := func(plan *actions.Plan) actions.Report {
		keep(plan.Report())
		keep(plan.Changes[0].Fields)
		keep(plan.Warnings)
		report := r.proven(plan)
		keep(report)
		return report
	}
	do(r.scale(name, 2))
	do(r.redeploy(name, ":1.1"))
	p.change(t, name, func(x *swarm.ServiceSpec) {
		box := x.TaskTemplate.ContainerSpec
		for i, e := range box.Env {
			if strings.HasPrefix(e, "API_KEY=") {
				box.Env[i] = "API_KEY=" + hidden[6]
			}
		}
	})
	p.well(t, name)
	to := r.planned(r.PlanRollback(t.Context(), name, actions.RollbackOptions{To: r.stateWith(name, "1.0")}))
	if !strings.Contains(strings.Join(to.Warnings, "\n"), "env API_KEY changed since; the value of today is kept") {
		t.Errorf("%q", to.Warnings)
	}
	do(to)
	if got := p.service(t, name).Spec.TaskTemplate.ContainerSpec; !strings.Contains(strings.Join(got.Env, " "), "API_KEY="+hidden[6]) || !strings.Contains(strings.Join(got.Env, " "), "DB_PASSWORD="+hidden[0]) || !strings.HasPrefix(got.Image, p.image+"1.0") {
		t.Errorf("the credentials in force are not kept: %q %s", got.Env, got.Image)
	}
	do(r.planned(r.PlanRotate(t.Context(), actions.RotateOptions{Kind: sources.Secret, Name: secret, Data: []byte(hidden[5])})))
	gone, err := r.PlanRollback(t.Context(), name, actions.RollbackOptions{To: r.stateWith(name, "1.1")})
	if err != nil || !strings.Contains(gone.Refused, "refers to secret "+secret+", which is gone") {
		t.Errorf("%+v %v", gone, err)
	}
	h, err := r.Handover(t.Context(), actions.HandoverOptions{})
	must(t, err)
	must(t, h.Markdown(&shown))
	must(t, r.Close(t.Context()))
	if s.n < 4*2 {
		t.Errorf("%d lines were pushed", s.n)
	}
	for place, text := range map[string]string{"the state directory": dump(t, r.Journal.Dir()), "what is shown": shown.String(), "what is pushed": s.text.String()} {
		for _, v := range hidden {
			if strings.Contains(text, v) || strings.Contains(text, encoded(v)) {
				t.Errorf("%s has %s", place, v)
			}
		}
		if place != "what is pushed" && !strings.Contains(text, "masked:") && place == "the state directory" {
			t.Errorf("%s has no mask at all", place)
		}
	}
	if !strings.Contains(dump(t, r.Journal.Dir()), "plain-value") {
		t.Error("what is no credential is masked too")
	}
}

// stateWith is the hash of the newest state that runs a tag.
func (r *rig) stateWith(name, tag string) string {
	r.t.Helper()
	_, states, err := r.States(r.t.Context(), name)
	if err != nil {
		r.t.Fatal(err)
	}
	for _, s := range states {
		if strings.Contains(s.Image, ":"+tag) {
			return s.SpecRef.Spec
		}
	}
	r.t.Fatalf("no state with %s in %+v", tag, states)
	return ""
}

// encoded is a text as the engine's API carries values.
func encoded(s string) string { return base64.StdEncoding.EncodeToString([]byte(s)) }
