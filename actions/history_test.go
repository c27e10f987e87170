package actions_test

import (
	"context"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/moby/moby/api/types/swarm"

	"quarterdeck/actions"
)

// An undo takes back what its run changed, and nothing else.
func testUndoLeavesOthers(t *testing.T, p *platform) {
	name, r := p.running(t, env("A=1")), p.deck(t)
	report := r.proven(r.redeploy(name, ":1.1"))
	p.change(t, name, env("B=2"), replicas(3), label("qd.other", "yes"))
	p.well(t, name)
	want := p.service(t, name).Spec
	withImage(p.image + "1.0")(&want)
	want.TaskTemplate.Placement = nil // the platforms of the new image came with it
	r.proven(r.undo(report.Run))
	if got := p.service(t, name).Spec; specJSON(t, got) != specJSON(t, want) {
		t.Errorf("the spec is\n%s\nwant\n%s", specJSON(t, got), specJSON(t, want))
	}
}

// A field that was changed again since is not taken back: the undo is refused and names it.
func testUndoRefuses(t *testing.T, p *platform) {
	name, r := p.running(t, replicas(1)), p.deck(t)
	report := r.proven(r.scale(name, 3))
	p.change(t, name, replicas(2))
	p.well(t, name)
	plan, err := r.PlanUndo(t.Context(), report.Run)
	if err != nil || !strings.Contains(plan.Refused, "was changed again since: replicas (now 2, would be 1)") {
		t.Fatalf("%+v %v", plan, err)
	}
	_ = r.notStarted(plan, actions.Approval{Yes: true}, "changed again")
	p.change(t, name, replicas(1)) // somebody has done it by hand
	p.well(t, name)
	plan, err = r.PlanUndo(t.Context(), report.Run)
	if err != nil || plan.Nothing == "" {
		t.Errorf("%+v %v", plan, err)
	}
}

// recording keeps a deck's history, as an open console does, until the test ends.
func (r *rig) recording() {
	ctx, cancel := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	wg.Go(func() { r.Record(ctx) })
	r.t.Cleanup(func() { cancel(); wg.Wait() })
}

// images are the tags of the states that are known, the newest first.
func (r *rig) images(name string) string {
	r.t.Helper()
	_, states, err := r.States(r.t.Context(), name)
	if err != nil {
		r.t.Fatal(err)
	}
	var out []string
	for _, s := range states {
		ref, _, _ := strings.Cut(s.Image, "@")
		out = append(out, ref[strings.LastIndexByte(ref, ':')+1:]+" "+s.Was)
	}
	return strings.Join(out, ", ")
}

// An open console keeps what others deploy, and what the swarm takes back by itself; each earlier state can be gone back to, exactly.
func testHistory(t *testing.T, p *platform) {
	name, r := p.running(t, env("A=1"), onFailure(swarm.UpdateFailureActionRollback)), p.deck(t)
	r.recording()
	first := p.service(t, name).Spec
	seen := func(want string) {
		t.Helper()
		p.until(t, "the history is "+want, func() bool {
			recorded := map[string]bool{}
			for _, e := range r.entries("") {
				for _, ref := range refs(t, e.After) {
					recorded[ref.Spec] = recorded[ref.Spec] || ref.Service == name
				}
			}
			_, states, err := r.States(t.Context(), name)
			return err == nil && r.images(name) == want && recorded[states[0].SpecRef.Spec]
		})
	}
	seen("1.0 seen")
	p.change(t, name, withImage(p.image+"1.1"), env("B=2"))
	seen("1.1 seen, 1.0 seen")
	p.well(t, name)
	second := p.service(t, name).Spec
	p.change(t, name, withImage(p.image+"2.0-bad"))
	p.until(t, "the swarm has taken it back", func() bool {
		u := p.service(t, name).UpdateStatus
		return u != nil && u.State == swarm.UpdateStateRollbackCompleted
	})
	if p.service(t, name).PreviousSpec != nil {
		t.Error("the engine has kept a previous spec: then this proves less than it should")
	}
	seen("1.1 seen, 2.0-bad seen, 1.1 seen, 1.0 seen")
	for _, want := range []struct {
		tag  string
		spec swarm.ServiceSpec
	}{{"1.0", first}, {"1.1", second}} {
		r.proven(r.planned(r.PlanRollback(t.Context(), name, actions.RollbackOptions{To: r.stateWith(name, want.tag)})))
		if got := p.service(t, name).Spec; specJSON(t, got) != specJSON(t, want.spec) {
			t.Errorf("%s came back as\n%s\nand was\n%s", want.tag, specJSON(t, got), specJSON(t, want.spec))
		}
	}
	_, states, err := r.States(t.Context(), name)
	must(t, err)
	fields, err := r.Between(states[1].SpecRef.Spec, states[0].SpecRef.Spec)
	if err != nil || len(fields) != 2 || fields[0].Field != "image" || fields[1].Field != "env B" {
		t.Errorf("%+v %v", fields, err)
	}
}

// A scaling in between overwrites the engine's previous spec, and not ours; the newest state that failed is passed over.
func testRollbackPassesOver(t *testing.T, p *platform) {
	name, r := p.running(t), p.deck(t)
	r.proven(r.redeploy(name, ":1.1"))
	r.failed(r.redeploy(name, ":2.0-bad"), actions.ResultFailed, "update paused")
	back := r.planned(r.PlanRollback(t.Context(), name, actions.RollbackOptions{}))
	r.proven(back)
	if !imageIs("1.1")(t, p, &job{Service: name}) {
		t.Errorf("it went back to %s", p.service(t, name).Spec.TaskTemplate.ContainerSpec.Image)
	}
	r.proven(r.scale(name, 3))
	r.proven(r.planned(r.PlanRollback(t.Context(), name, actions.RollbackOptions{})))
	if !imageIs("1.0")(t, p, &job{Service: name}) || p.replicas(t, name) != 3 {
		t.Errorf("it went back to %s", p.service(t, name).Spec.TaskTemplate.ContainerSpec.Image)
	}
}

// All services of a stack go back together, the ones that others depend on first, with one verdict.
func testRollbackStack(t *testing.T, p *platform) {
	stack := named(t)
	of := label("com.docker.stack.namespace", stack)
	made := map[string]option{"db": replicas(1), "api": env("DB_HOST=db"), "web": env("API=http://api:8080"), "idle": label("qd.test", "kept")}
	for short, o := range made {
		p.createNamed(t, p.spec(stack+"_"+short, replicas(1), of, o))
	}
	r := p.deck(t)
	r.recording()
	for short := range made {
		p.well(t, stack+"_"+short)
	}
	p.until(t, "all four are known", func() bool {
		n := 0
		for _, e := range r.entries("") {
			if strings.HasPrefix(e.Target, stack+"_") {
				n++
			}
		}
		return n == 4
	})
	for _, short := range []string{"db", "api", "web"} {
		p.change(t, stack+"_"+short, withImage(p.image+"1.1"))
	}
	for short := range made {
		p.well(t, stack+"_"+short)
	}
	p.until(t, "the deploy is known", func() bool { return strings.HasPrefix(r.images(stack+"_web"), "1.1 seen, 1.0 seen") })
	before := p.service(t, stack+"_idle").Version
	plan := r.planned(r.PlanRollbackStack(t.Context(), stack, actions.RollbackOptions{}))
	if plan.Target() != stack+"_db,"+stack+"_api,"+stack+"_web" || plan.Word() != stack || plan.Changes[0].Group != 0 || plan.Changes[2].Group != 2 {
		t.Fatalf("%s, word %s, groups %d %d %d", plan.Target(), plan.Word(), plan.Changes[0].Group, plan.Changes[1].Group, plan.Changes[2].Group)
	}
	report := r.proven(plan)
	if len(report.Steps) != 6 || report.Steps[1].Name != "verify "+stack+"_db" || report.Steps[2].Name != "update "+stack+"_api" {
		t.Errorf("%+v", report.Steps)
	}
	for _, short := range []string{"db", "api", "web"} {
		if !imageIs("1.0")(t, p, &job{Service: stack + "_" + short}) {
			t.Errorf("%s was not taken back", short)
		}
	}
	if p.service(t, stack+"_idle").Version != before {
		t.Error("the service that was not deployed was changed")
	}
	back := r.undo(report.Run)
	if !strings.HasPrefix(back.Target(), stack+"_web,") {
		t.Errorf("the undo goes in the order %s", back.Target())
	}
	r.proven(back)
	if _, err := r.PlanRollbackStack(t.Context(), stack+"-none", actions.RollbackOptions{}); err == nil {
		t.Error("a stack that is not there")
	}
	if at, err := r.PlanRollbackStack(t.Context(), stack, actions.RollbackOptions{At: time.Now()}); err != nil || at.Nothing == "" {
		t.Errorf("to now: %+v %v", at, err)
	}
}
