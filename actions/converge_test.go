package actions_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/moby/moby/api/types/swarm"
	"github.com/moby/moby/client"

	"quarterdeck/actions"
	"quarterdeck/sources"
)

// proven holds a run that went well: each step begun and done in the plan's order, the specs kept, the proof in the report, and not before
// the services have been stable for the window.
func (r *rig) proven(p *actions.Plan) actions.Report {
	r.t.Helper()
	began := time.Now()
	report, err := r.run(p, actions.ResultDone)
	judged := time.Now()
	if err != nil || report.Reason != "" {
		r.t.Errorf("%q, %v", report.Reason, err)
	}
	if took := time.Since(began); took < monitor {
		r.t.Errorf("the verdict came after %s, within the window of %s", took, monitor)
	}
	if v := report.Verify; v == nil || !v.Converged || v.StableFor != monitor.Seconds() || len(v.Checks) != 2*len(p.Changes) {
		r.t.Errorf("the proof: %+v", v)
	}
	if report.Undo != "quarterdeck undo "+report.Run {
		r.t.Errorf("undo: %q", report.Undo)
	}
	r.steps(p, report.Run)
	for i := range p.Changes {
		r.stable(p.Changes[i].Service, judged)
	}
	return report
}

// steps holds that the journal has each step of the plan, begun and done, and the specs that the steps made.
func (r *rig) steps(p *actions.Plan, run string) {
	r.t.Helper()
	var got, want []string
	for _, e := range r.entries(run) {
		got = append(got, strings.TrimSpace(strings.Join([]string{e.Phase, e.Step, e.State}, " ")))
		if e.Actor != "tester" || e.Host != "here" || e.Context != "test" || e.Action != p.Action || e.Cluster == "" {
			r.t.Errorf("entry %d: by %s on %s, context %s, cluster %q, action %s", e.Seq, e.Actor, e.Host, e.Context, e.Cluster, e.Action)
		}
		for _, raw := range [][]byte{e.Before, e.After} {
			for _, ref := range refs(r.t, raw) {
				if s, err := r.Spec(ref.Spec); err != nil || s.Name() != ref.Service {
					r.t.Errorf("entry %d: the spec of %s is not kept: %v", e.Seq, ref.Service, err)
				}
			}
		}
	}
	want = append(want, "begin")
	for _, s := range p.Steps() {
		want = append(want, "step "+s.Name+" started", "step "+s.Name+" done")
	}
	if want = append(want, "end"); strings.Join(got, "\n") != strings.Join(want, "\n") {
		r.t.Errorf("the journal has\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

// stable holds that each task that is to run has run for the window by now, as the engine says.
func (r *rig) stable(name string, judged time.Time) {
	r.t.Helper()
	list, err := r.api.TaskList(r.t.Context(), client.TaskListOptions{Filters: client.Filters{}.Add("service", name).Add("desired-state", "running")})
	if err != nil {
		r.t.Fatal(err)
	}
	for _, x := range list.Items {
		since, age := x.Status.Timestamp, time.Since(x.Status.Timestamp)
		switch {
		case x.Status.State == swarm.TaskStateRunning && age >= monitor-100*time.Millisecond:
		case r.demo == nil && since.After(judged) && r.replaced(&x, judged):
			// The engine has ended a task that was stable at the verdict, which no verdict can know.
			r.t.Logf("%s: after the verdict a task is %s since %s; the service's tasks:\n%s", name, x.Status.State, age, r.tasks(name))
		default:
			r.t.Errorf("%s: a task is %s since %s, judged %s ago; the service's tasks:\n%s", name, x.Status.State, age, time.Since(judged), r.tasks(name))
		}
	}
}

// replaced tells whether x stands where a task ran that was there for the window at the verdict and was ended after it.
func (r *rig) replaced(x *swarm.Task, judged time.Time) bool {
	list, err := r.api.TaskList(r.t.Context(), client.TaskListOptions{Filters: client.Filters{}.Add("service", x.ServiceID)})
	if err != nil {
		r.t.Fatal(err)
	}
	return slices.ContainsFunc(list.Items, func(old swarm.Task) bool {
		return old.ID != x.ID && old.Slot == x.Slot && old.NodeID != "" && reflect.DeepEqual(old.Spec.ContainerSpec, x.Spec.ContainerSpec) &&
			judged.Sub(old.CreatedAt) >= monitor && old.Status.Timestamp.After(judged)
	})
}

// tasks is every task of a service as the engine has it, for a failure's message.
func (r *rig) tasks(name string) string {
	list, err := r.api.TaskList(r.t.Context(), client.TaskListOptions{Filters: client.Filters{}.Add("service", name)})
	if err != nil {
		return err.Error()
	}
	var b strings.Builder
	for _, x := range list.Items {
		fmt.Fprintf(&b, "%s slot %d version %d created %s: wanted %s, %s at %s %s %s\n", x.ID, x.Slot, x.Version.Index, x.CreatedAt.Format(time.StampMilli), x.DesiredState,
			x.Status.State, x.Status.Timestamp.Format(time.StampMilli), x.Status.Message, x.Status.Err)
	}
	return b.String()
}

func testScale(t *testing.T, p *platform) {
	name, r := p.running(t), p.deck(t)
	before := p.service(t, name)
	plan := r.scale(name, 4)
	if plan.Harm != actions.Light || len(plan.Warnings) > 0 || plan.Title() != "scale "+name+" 2 → 4" {
		t.Errorf("harm %d, %q, %q", plan.Harm, plan.Warnings, plan.Title())
	}
	if now := p.service(t, name); now.Version != before.Version || len(r.entries("")) > 0 {
		t.Error("planning has changed or written something")
	}
	r.proven(plan)
	want := before.Spec
	replicas(4)(&want)
	if got := p.service(t, name).Spec; specJSON(t, got) != specJSON(t, want) {
		t.Errorf("the spec is\n%s\nwant\n%s", specJSON(t, got), specJSON(t, want))
	}
	if n := p.runs(t, name, p.image+"1.0"); n != 4 {
		t.Errorf("%d run", n)
	}
	by := r.planned(r.PlanScale(t.Context(), []actions.ScaleTarget{{Service: name, By: -3}}))
	if by.Harm != actions.Serious {
		t.Errorf("fewer is of harm %d", by.Harm)
	}
	r.proven(by)
	p.until(t, "one is left", func() bool { return p.runs(t, name, p.image+"1.0") == 1 })
}

func testRedeploySame(t *testing.T, p *platform) {
	name, r := p.running(t), p.deck(t)
	r.proven(r.redeploy(name, "")) // pins the digest, which the spec had not
	pinned := p.service(t, name).Spec
	if image := pinned.TaskTemplate.ContainerSpec.Image; !strings.HasPrefix(image, p.image+"1.0@sha256:") {
		t.Fatalf("the image is %s", image)
	}
	was := p.taskIDs(t, name)
	r.proven(r.redeploy(name, ""))
	now := p.service(t, name).Spec
	if specJSON(t, now) != specJSON(t, pinned) || now.TaskTemplate.ForceUpdate != pinned.TaskTemplate.ForceUpdate+1 {
		t.Errorf("force update %d after %d, and\n%s\nafter\n%s", now.TaskTemplate.ForceUpdate, pinned.TaskTemplate.ForceUpdate, specJSON(t, now), specJSON(t, pinned))
	}
	for id := range p.taskIDs(t, name) {
		if was[id] {
			t.Errorf("task %s was not replaced", id)
		}
	}
}

// taskIDs are the tasks that are to run.
func (p *platform) taskIDs(t testing.TB, name string) map[string]bool {
	t.Helper()
	list, err := p.api.TaskList(t.Context(), client.TaskListOptions{Filters: client.Filters{}.Add("service", name).Add("desired-state", "running")})
	if err != nil {
		t.Fatal(err)
	}
	out := map[string]bool{}
	for _, x := range list.Items {
		out[x.ID] = true
	}
	return out
}

func testRedeployOther(t *testing.T, p *platform) {
	name, r := p.running(t, env("KEEP=this")), p.deck(t)
	p.change(t, name, replicas(3)) // the live count stays
	p.well(t, name)
	plan := r.redeploy(name, ":1.1")
	if plan.Harm != actions.Serious || len(plan.Changes) != 1 || plan.Changes[0].Fields[0].Field != "image" {
		t.Errorf("harm %d, %+v", plan.Harm, plan.Changes)
	}
	r.proven(plan)
	got := p.service(t, name).Spec
	if image := got.TaskTemplate.ContainerSpec.Image; !strings.HasPrefix(image, p.image+"1.1@sha256:") || *got.Mode.Replicated.Replicas != 3 || got.TaskTemplate.ContainerSpec.Env[len(got.TaskTemplate.ContainerSpec.Env)-1] != "KEEP=this" {
		t.Errorf("%s", specJSON(t, got))
	}
	if n := p.runs(t, name, p.image+"1.1"); n != 3 {
		t.Errorf("%d run the new image", n)
	}
}

func testRollback(t *testing.T, p *platform) {
	name, r := p.running(t, env("A=1")), p.deck(t)
	before := p.service(t, name).Spec
	r.proven(r.redeploy(name, ":1.1"))
	r.proven(r.scale(name, 3))
	back := r.planned(r.PlanRollback(t.Context(), name, actions.RollbackOptions{}))
	r.proven(back)
	replicas(3)(&before) // the live count stays
	if got := p.service(t, name).Spec; specJSON(t, got) != specJSON(t, before) {
		t.Errorf("the spec is\n%s\nwant\n%s", specJSON(t, got), specJSON(t, before))
	}
	if n := p.runs(t, name, p.image+"1.0"); n != 3 {
		t.Errorf("%d run", n)
	}
	_, states, err := r.States(t.Context(), name)
	if err != nil {
		t.Fatal(err)
	}
	last := states[len(states)-1]
	two := r.planned(r.PlanRollback(t.Context(), name, actions.RollbackOptions{To: last.SpecRef.Spec[:12], WithReplicas: true}))
	r.proven(two)
	replicas(2)(&before)
	if got := p.service(t, name).Spec; specJSON(t, got) != specJSON(t, before) {
		t.Errorf("with replicas, the spec is\n%s\nwant\n%s", specJSON(t, got), specJSON(t, before))
	}
}

func testUndo(t *testing.T, p *platform) {
	name, r := p.running(t), p.deck(t)
	before := p.service(t, name).Spec
	first := r.proven(r.scale(name, 3))
	second := r.proven(r.redeploy(name, ":1.1"))
	for _, of := range []string{second.Run, first.Run} {
		plan := r.undo("") // the last that was not taken back
		if plan.Of != of {
			t.Fatalf("it would take %s back, want %s", plan.Of, of)
		}
		r.proven(plan)
		again, err := r.PlanUndo(t.Context(), of)
		if err != nil || !strings.Contains(again.Nothing, "taken back already") {
			t.Errorf("once more: %+v %v", again, err)
		}
	}
	if got := p.service(t, name).Spec; specJSON(t, got) != specJSON(t, before) {
		t.Errorf("the spec is\n%s\nwant\n%s", specJSON(t, got), specJSON(t, before))
	}
	if _, err := r.PlanUndo(t.Context(), ""); err == nil {
		t.Error("there is one more to take back")
	}
	runs, err := r.Runs()
	if err != nil || len(runs) != 4 || runs[0].UndoneBy != runs[3].ID || runs[1].UndoneBy != runs[2].ID {
		t.Errorf("%+v %v", runs, err)
	}
}

// secretOf makes a secret by the tests' own client.
func (p *platform) secretOf(t testing.TB, name, value string) string {
	t.Helper()
	made, err := p.api.SecretCreate(t.Context(), client.SecretCreateOptions{Spec: swarm.SecretSpec{Annotations: swarm.Annotations{Name: name, Labels: map[string]string{"owner": "test"}}, Data: []byte(value)}})
	if err != nil {
		t.Fatal(err)
	}
	return made.ID
}

func (p *platform) dropSecrets(t testing.TB, prefix string) {
	t.Helper()
	list, err := p.api.SecretList(context.Background(), client.SecretListOptions{})
	if err != nil {
		t.Error(err)
	}
	for _, x := range list.Items {
		if strings.HasPrefix(x.Spec.Name, prefix) {
			_, _ = p.api.SecretRemove(context.Background(), x.ID, client.SecretRemoveOptions{})
		}
	}
}

func withSecret(id, name, file string) option {
	return func(s *swarm.ServiceSpec) {
		s.TaskTemplate.ContainerSpec.Secrets = append(s.TaskTemplate.ContainerSpec.Secrets, &swarm.SecretReference{SecretID: id, SecretName: name,
			File: &swarm.SecretReferenceFileTarget{Name: file, UID: "0", GID: "0", Mode: 0o444}})
	}
}

// secrets are the secrets whose names begin so, by name.
func (p *platform) secrets(t testing.TB, prefix string) map[string]swarm.Secret {
	t.Helper()
	list, err := p.api.SecretList(t.Context(), client.SecretListOptions{})
	if err != nil {
		t.Fatal(err)
	}
	out := map[string]swarm.Secret{}
	for _, x := range list.Items {
		if strings.HasPrefix(x.Spec.Name, prefix) {
			out[x.Spec.Name] = x
		}
	}
	return out
}

// rotated is a service with a secret of its own, <name>_v1.
func (p *platform) withSecret(t testing.TB, options ...option) (service, secret string) {
	t.Helper()
	secret = named(t) + "_v1"
	id := p.secretOf(t, secret, "the old value")
	t.Cleanup(func() { p.dropSecrets(t, strings.TrimSuffix(secret, "1")) })
	service = p.running(t, append(options, withSecret(id, secret, "password"))...)
	return service, secret
}

func testRotate(t *testing.T, p *platform) {
	name, secret := p.withSecret(t)
	next := strings.TrimSuffix(secret, "1") + "2"
	other := p.create(t, withSecret(p.secrets(t, secret)[secret].ID, secret, "/etc/other"))
	p.well(t, other)
	r := p.deck(t)
	plan := r.planned(r.PlanRotate(t.Context(), actions.RotateOptions{Kind: sources.Secret, Name: secret, Data: []byte("the new value")}))
	if len(plan.Changes) != 2 || plan.Material.New != next {
		t.Fatalf("%d changes, %+v", len(plan.Changes), plan.Material)
	}
	report := r.proven(plan)
	left := p.secrets(t, strings.TrimSuffix(secret, "1"))
	if len(left) != 1 || left[next].Spec.Labels["owner"] != "test" {
		t.Errorf("there are %v", left)
	}
	for n, file := range map[string]string{name: "password", other: "/etc/other"} {
		got := p.service(t, n).Spec.TaskTemplate.ContainerSpec.Secrets
		if len(got) != 1 || got[0].SecretName != next || got[0].SecretID != left[next].ID || got[0].File.Name != file {
			t.Errorf("%s has %+v", n, got)
		}
	}
	undo, err := r.PlanUndo(t.Context(), report.Run)
	if err != nil || !strings.Contains(undo.Refused, "nobody has written down") {
		t.Errorf("undo: %+v %v", undo, err)
	}
	if all := dump(t, r.Journal.Dir()); strings.Contains(all, "the new value") {
		t.Error("the value is in the journal")
	}
}

func testToNothing(t *testing.T, p *platform) {
	name, r := p.running(t), p.deck(t)
	plan := r.scale(name, 0)
	if plan.Harm != actions.Grave || len(plan.Warnings) != 1 || !strings.Contains(plan.Warnings[0], "will not run at all") {
		t.Errorf("harm %d, %q", plan.Harm, plan.Warnings)
	}
	if _, err := r.run(plan, actions.ResultDone); err != nil {
		t.Error(err)
	}
	if n := p.runs(t, name, p.image); n != 0 {
		t.Errorf("%d run when the verdict is given", n)
	}
	same, err := r.PlanScale(t.Context(), []actions.ScaleTarget{{Service: name, Replicas: 0}})
	if err != nil || same.Nothing != name+" has 0 already" {
		t.Errorf("once more: %+v %v", same, err)
	}
	run := r.start(same)
	if report, err := run.Report(); report.Result != actions.ResultNothing || err != nil || len(r.entries(run.ID())) > 0 {
		t.Errorf("%+v %v", report, err)
	}
	r.proven(r.scale(name, 2))
}

func testNoWait(t *testing.T, p *platform) {
	name, r := p.running(t), p.deck(t)
	plan := r.redeploy(name, ":1.1")
	plan.NoWait = true
	report, err := r.run(plan, actions.ResultDone)
	if err != nil || report.Verify != nil || len(report.Steps) != 1 {
		t.Errorf("%+v %v", report, err)
	}
	if image := p.service(t, name).Spec.TaskTemplate.ContainerSpec.Image; !strings.HasPrefix(image, p.image+"1.1@") {
		t.Errorf("the image is %s", image)
	}
}

func refs(t testing.TB, raw []byte) []actions.SpecRef {
	t.Helper()
	if len(bytes.TrimSpace(raw)) == 0 {
		return nil
	}
	var out []actions.SpecRef
	if err := json.Unmarshal(raw, &out); err != nil {
		t.Fatal(fmt.Errorf("%s: %w", raw, err))
	}
	return out
}
