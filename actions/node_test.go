package actions_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/moby/moby/api/types/swarm"
	"github.com/moby/moby/client"

	"quarterdeck/actions"
	"quarterdeck/actions/journal"
	"quarterdeck/sources"
	"quarterdeck/sources/demo"
	"quarterdeck/sources/fleet"
)

// node reads a node by the tests' own client.
func (p *platform) node(t testing.TB, name string) swarm.Node {
	t.Helper()
	got, err := p.api.NodeInspect(context.WithoutCancel(t.Context()), name, client.NodeInspectOptions{})
	if err != nil {
		t.Fatal(err)
	}
	return got.Node
}

// setNode changes a node by the tests' own client, as somebody else does.
func (p *platform) setNode(t testing.TB, name string, f func(*swarm.NodeSpec)) {
	t.Helper()
	for deadline := time.Now().Add(waitLimit); ; time.Sleep(20 * time.Millisecond) {
		n := p.node(t, name)
		f(&n.Spec)
		_, err := p.api.NodeUpdate(context.WithoutCancel(t.Context()), n.ID, client.NodeUpdateOptions{Version: n.Version, Spec: n.Spec})
		if err == nil {
			return
		}
		if !strings.Contains(err.Error(), "out of sequence") || time.Now().After(deadline) {
			t.Fatal(err)
		}
	}
}

// seen is a node as the fleet sees it.
func (p *platform) seen(t testing.TB, name string) *fleet.Node {
	t.Helper()
	return p.fleet.Snapshot().Node(p.node(t, name).ID)
}

func available(a swarm.NodeAvailability) func(*swarm.NodeSpec) {
	return func(s *swarm.NodeSpec) { s.Availability = a }
}

// activeAgain lets a node take tasks again with the test's end, whatever came of it.
func (p *platform) activeAgain(t testing.TB, name string) {
	t.Cleanup(func() { p.setNode(t, name, available(swarm.NodeAvailabilityActive)) })
}

func (r *rig) nodePlan(action, node string) *actions.Plan {
	r.t.Helper()
	return r.planned(r.PlanNode(r.t.Context(), action, node))
}

// nothingOn holds that nothing runs on a node, by its id.
func (p *platform) nothingOn(t testing.TB, id string) {
	t.Helper()
	list, err := p.api.TaskList(t.Context(), client.TaskListOptions{Filters: client.Filters{}.Add("node", id)})
	if err != nil {
		t.Fatal(err)
	}
	for _, x := range list.Items {
		if x.Status.State == swarm.TaskStateRunning {
			t.Errorf("task %s of %s still runs on it", x.ID, x.ServiceID)
		}
	}
}

// testDrain drains a node: nothing is left on it, what ran there runs elsewhere, and taken back it takes tasks again.
func testDrain(t *testing.T, p *platform, node string) {
	p.activeAgain(t, node)
	name := p.running(t, replicas(3))
	r := p.deck(t)
	before := p.node(t, node)
	plan := r.nodePlan(actions.Drain, node)
	if plan.Harm < actions.Serious || plan.Word() != node || plan.Title() != "drain "+node || plan.Node.Version != before.Version.Index {
		t.Errorf("%+v", plan)
	}
	report, err := r.run(plan, actions.ResultDone)
	if err != nil {
		t.Fatal(err)
	}
	if n := p.node(t, node); n.Spec.Availability != swarm.NodeAvailabilityDrain || n.Spec.Labels["storage"] != before.Spec.Labels["storage"] {
		t.Errorf("it was %+v, it is %+v", before.Spec, n.Spec)
	}
	p.nothingOn(t, before.ID)
	if n := p.runs(t, name, p.image); n != 3 {
		t.Errorf("%d tasks of %s run", n, name)
	}
	if c := report.Plan.Changes; report.Node != node || report.Service != "" || len(c) != 1 || c[0].Field != "availability" || c[0].Before != "active" || c[0].After != "drain" {
		t.Errorf("%+v", report)
	}
	if len(plan.Node.Moves) > 0 && len(report.Plan.Moves) != len(plan.Node.Moves) || report.Verify == nil || !report.Verify.Converged || len(report.Verify.Checks) == 0 || report.Undo != "quarterdeck undo "+report.Run {
		t.Errorf("%+v, %+v", report, report.Verify)
	}
	if begin := r.entries(report.Run)[0]; begin.Target != "node "+node || !strings.Contains(string(begin.After), `"availability":"drain"`) {
		t.Errorf("the journal says %s %s", begin.Target, begin.After)
	}
	again, err := r.PlanNode(t.Context(), actions.Drain, node)
	if err != nil || !strings.Contains(again.Nothing, "is so already") {
		t.Errorf("again: %+v %v", again, err)
	}
	undo := r.undo("") // it is the last that changed something
	if undo.Of != report.Run || undo.Title() != "activate "+node {
		t.Errorf("%+v", undo)
	}
	_, err = r.run(undo, actions.ResultDone)
	if n := p.node(t, node); err != nil || n.Spec.Availability != swarm.NodeAvailabilityActive {
		t.Errorf("taken back: %s %v", n.Spec.Availability, err)
	}
	if plan, err := r.PlanUndo(t.Context(), report.Run); err != nil || !strings.Contains(plan.Nothing, "taken back already") {
		t.Errorf("taken back twice: %+v %v", plan, err)
	}
}

func TestDrainDemo(t *testing.T) {
	t.Parallel()
	p := ownDemo(t, demo.Options{Seed: 5})
	testDrain(t, p, "node3")
	name := p.running(t, replicas(1), constraints("node.hostname==node3"))
	p.until(t, "its place is known", func() bool { return p.fleet.Snapshot().Service(name).Running == 1 })
	r := p.deck(t)
	plan := r.nodePlan(actions.Drain, "node3")
	if plan.Harm != actions.Guarded || !strings.Contains(plan.Why, "no place") || !strings.Contains(strings.Join(plan.Warnings, "\n"), name+": the only task finds no place: ") {
		t.Errorf("harm %d, %q, %q", plan.Harm, plan.Why, plan.Warnings)
	}
	_ = r.notStarted(plan, actions.Approval{Yes: true}, "node3")
	if _, err := r.run(plan, actions.ResultDone); err != nil { // it waits for nobody elsewhere, and for the last task here
		t.Error(err)
	}
	p.nothingOn(t, p.node(t, "node3").ID)
	p.setNode(t, "node3", available(swarm.NodeAvailabilityActive))
	p.until(t, "it has its place again", func() bool { return p.fleet.Snapshot().Service(name).Running == 1 })
	plan = r.nodePlan(actions.Drain, "node3")
	r.Policy.Protected = []string{name}
	if plan := r.nodePlan(actions.Drain, "node3"); !strings.Contains(plan.Why, name+" is protected") {
		t.Errorf("%q", plan.Why)
	}
	// A run that has no end, of a service whose tasks would leave.
	if _, err := r.Write(journal.Entry{Run: "20261130-000000-other", Action: actions.Scale, Target: name, Phase: "begin"}); err != nil {
		t.Fatal(err)
	}
	var busy *actions.Busy
	if err := r.notStarted(plan, actions.Approval{Typed: "node3"}, "in hand"); !errors.As(err, &busy) || busy.Service != name {
		t.Errorf("%v", err)
	}
	p.running(t, replicas(1), constraints("node.hostname==node3"), label(sources.LabelRun, "run-1"), label(sources.LabelService, "shop_db"))
	if plan, err := p.deck(t).PlanNode(t.Context(), actions.Drain, "node3"); err != nil || !strings.Contains(plan.Refused, "run run-1 has a container of shop_db on it") {
		t.Errorf("a run's container: %+v %v", plan, err)
	}
}

// TestNodeRoles: promotion and demotion wait for what comes of them, and are refused where the managers would lose their majority.
func TestNodeRoles(t *testing.T) {
	t.Parallel()
	p := ownDemo(t, demo.Options{Managers: 3})
	r := p.deck(t)
	has := func(plan *actions.Plan, words string) {
		t.Helper()
		if !strings.Contains(strings.Join(plan.Warnings, "\n"), words) {
			t.Errorf("%q is not among %q", words, plan.Warnings)
		}
	}
	plan := r.nodePlan(actions.Promote, "node4")
	has(plan, "4 managers stand no more losses than 3")
	report, err := r.run(plan, actions.ResultDone)
	if m := p.node(t, "node4").ManagerStatus; err != nil || m == nil || m.Reachability != swarm.ReachabilityReachable {
		t.Errorf("%+v %v", m, err)
	}
	must(t, p.demo.KillNode("node4"))
	p.until(t, "it answers no more", func() bool { return p.seen(t, "node4").Reachability == "unreachable" })
	plan = r.nodePlan(actions.Demote, "node2")
	if _, err = r.run(plan, actions.ResultDone); err != nil || p.node(t, "node2").ManagerStatus != nil {
		t.Errorf("%v", err)
	}
	p.until(t, "it is seen", func() bool { return p.seen(t, "node2").Role == "worker" })
	for node, why := range map[string]string{"node3": "of the 2 managers that would be left only 1 answer", "node1": "of the 2 managers"} {
		plan, err := r.PlanNode(t.Context(), actions.Demote, node)
		if err != nil || !strings.Contains(plan.Refused, why) {
			t.Errorf("%s: %+v %v", node, plan, err)
		} else {
			_ = r.notStarted(plan, actions.Approval{Yes: true}, "no majority")
		}
	}
	must(t, p.demo.ReviveNode("node4"))
	p.until(t, "it answers again", func() bool { return p.seen(t, "node4").Reachability == "reachable" })
	if plan, err := r.PlanNode(t.Context(), actions.Demote, "node1"); err != nil || !strings.Contains(plan.Refused, "this program talks to") {
		t.Errorf("%+v %v", plan, err)
	}
	if _, err = r.run(r.undo(report.Run), actions.ResultDone); err != nil || p.node(t, "node4").Spec.Role != swarm.NodeRoleWorker {
		t.Error(err)
	}
	if _, err := r.PlanNode(t.Context(), actions.Drain, "nod4"); sources.KindOf(err) != sources.BadQuestion || sources.NextOf(err) != "did you mean node4?" {
		t.Errorf("%v", err)
	}
}

// TestNodeMeetsAnother: nothing is forced over what somebody else wants of a node; what does not concern it is let be.
func TestNodeMeetsAnother(t *testing.T) {
	t.Parallel()
	p := ownDemo(t, demo.Options{})
	r := p.deck(t)
	plan := r.nodePlan(actions.Drain, "node3")
	p.setNode(t, "node3", available(swarm.NodeAvailabilityPause))
	var conflict *actions.Conflict
	if _, err := r.run(plan, actions.ResultFailed); !errors.As(err, &conflict) || conflict.Service != "node node3" {
		t.Errorf("%v", err)
	}
	if n := p.node(t, "node3"); n.Spec.Availability != swarm.NodeAvailabilityPause {
		t.Errorf("it is %s", n.Spec.Availability)
	}
	plan = r.nodePlan(actions.Activate, "node3")
	if plan.Harm != actions.Light {
		t.Errorf("harm %d", plan.Harm)
	}
	p.setNode(t, "node3", func(s *swarm.NodeSpec) { s.Labels = map[string]string{"disk": "new"} })
	plan.NoWait = true
	report, err := r.run(plan, actions.ResultDone)
	if n := p.node(t, "node3"); err != nil || n.Spec.Availability != swarm.NodeAvailabilityActive || n.Spec.Labels["disk"] != "new" || len(report.Steps) != 1 {
		t.Errorf("%+v %+v %v", n.Spec, report.Steps, err)
	}
	p.setNode(t, "node3", available(swarm.NodeAvailabilityDrain))
	if plan, err := r.PlanUndo(t.Context(), report.Run); err != nil || !strings.Contains(plan.Refused, "was changed again since") {
		t.Errorf("%+v %v", plan, err)
	}
	// One that comes to nothing in time is taken back, where that is asked for.
	p.running(t, replicas(1), constraints("node.hostname==node2"))
	plan = r.nodePlan(actions.Drain, "node2")
	plan.Deadline, plan.TakeBack = time.Nanosecond, true
	if _, err := r.run(plan, actions.ResultTakenBack); err == nil || p.node(t, "node2").Spec.Availability != swarm.NodeAvailabilityActive {
		t.Errorf("%s, %v", p.node(t, "node2").Spec.Availability, err)
	}
}

// TestNodeInterrupted kills a run of a node in its middle, and has it finished or taken back.
func TestNodeInterrupted(t *testing.T) {
	t.Parallel()
	p := ownDemo(t, demo.Options{Managers: 9}) // so many that the others make a majority, whoever is between two roles
	for i, j := range []job{{DieAtEntry: 2}, {DieAtEffect: 1}, {DieAtEntry: 3}, {DieAtEntry: 4}, {DieAtEffect: 1, Tag: "back"}} {
		j.Dir, j.Host, j.Image, j.Action, j.Service = t.TempDir(), p.host, p.image, actions.Demote, fmt.Sprint("node", i+2)
		t.Run(fmt.Sprintf("entry %d effect %d %s", j.DieAtEntry, j.DieAtEffect, j.Tag), func(t *testing.T) {
			t.Parallel()
			if said, killed := spawn(t, j).rest(); !killed {
				t.Fatalf("the child was not killed: %s", said)
			}
			r := p.deckIn(t, j.Dir)
			open, err := r.Unfinished()
			if err != nil || len(open) != 1 || open[0].Target != "node "+j.Service {
				t.Fatalf("%+v %v", open, err)
			}
			made := p.node(t, j.Service).Spec.Role == swarm.NodeRoleWorker
			st, err := r.Stand(t.Context(), open[0])
			want := map[bool]string{true: "changed", false: "as before"}[made]
			if err != nil || made == (j.DieAtEntry == 2) || st.AllMade != made || st.Of != 2 || len(st.Services) != 1 || st.Services[0].State != want {
				t.Fatalf("made %v: %+v %v", made, st, err)
			}
			drain := r.nodePlan(actions.Drain, j.Service)
			_ = r.notStarted(drain, actions.Approval{Yes: true, Typed: j.Service}, "in hand")
			if j.Tag == "back" {
				_, err = r.run(r.undo(open[0].ID), actions.ResultDone)
				if err != nil || p.node(t, j.Service).ManagerStatus == nil {
					t.Errorf("taken back: %v", err)
				}
				return
			}
			run, err := r.Resume(t.Context(), st, nil)
			if err != nil {
				t.Fatal(err)
			}
			report, err := r.ended(run, actions.ResultDone)
			if err != nil || p.node(t, j.Service).ManagerStatus != nil || report.Undo == "" {
				t.Errorf("%+v %v", report, err)
			}
			if left, err := r.Unfinished(); err != nil || len(left) > 0 {
				t.Errorf("%d unfinished, %v", len(left), err)
			}
		})
	}
}
