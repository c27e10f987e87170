package actions_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/moby/moby/api/types/swarm"
	"github.com/moby/moby/client"

	"quarterdeck/actions"
	"quarterdeck/sources"
	sut "quarterdeck/sources/swarm"
)

// stackOf is a stack of two services, of which one calls the other: a network of its own, a config, and a secret that is to be there. more goes into the
// service that is called, text into the config.
func (p *platform) stackOf(t testing.TB, name, more, text string) *sources.Stack {
	t.Helper()
	common := "    image: " + p.image + "1.0\n    networks: [back]\n    stop_grace_period: 1s\n"
	if p.demo != nil { // the lab's image has a health check of its own
		common += "    healthcheck: {test: [CMD, /app/healthcheck], interval: 1s, retries: 2}\n"
	} else {
		common += "    logging: {driver: json-file}\n"
	}
	common += "    deploy: {endpoint_mode: dnsrr, update_config: {parallelism: 0, monitor: 1s, order: start-first}, restart_policy: {condition: any, delay: 500ms}}\n"
	file := "version: \"3.8\"\nservices:\n  api:\n" + common + "    secrets: [" + name + "-key]\n    configs: [{source: conf, target: /conf}]\n    environment: {RATE: \"0.2\"" + more + "}\n" +
		"  web:\n" + common + "    environment: {RATE: \"0.2\", UPSTREAM: \"http://api:8080\"}\n" +
		"networks:\n  back: {driver: overlay, internal: true}\n" +
		fmt.Sprintf("configs:\n  conf: {file: ./conf.txt, name: %q}\n", name+"-conf-"+text) +
		"secrets:\n  " + name + "-key: {external: true}\n"
	out, err := sut.StackOf(name, map[string][]byte{"conf.txt": []byte(text + "\n")}, []byte(file))
	if err != nil {
		t.Fatal(err)
	}
	out.Holds = map[string]string{name + "-key": "what the test says"}
	return out
}

// stackName is a name of this test's own, whose parts are removed with it.
func (p *platform) stackName(t testing.TB) string {
	t.Helper()
	name := named(t)
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), waitLimit)
		defer cancel()
		// All again until nothing is there: what is in use yet, by a task that ends or by a run that comes to its end, cannot be removed at the first time.
		var left []string
		for deadline := time.Now().Add(waitLimit); ; time.Sleep(200 * time.Millisecond) {
			for _, s := range []string{"_api", "_web"} {
				_, _ = p.api.ServiceRemove(ctx, name+s, client.ServiceRemoveOptions{}) // gone already in most tests
			}
			configs, _ := p.api.ConfigList(ctx, client.ConfigListOptions{Filters: client.Filters{}.Add("name", name)})
			for i := range configs.Items {
				if strings.HasPrefix(configs.Items[i].Spec.Name, name+"-") {
					_, _ = p.api.ConfigRemove(ctx, configs.Items[i].ID, client.ConfigRemoveOptions{})
				}
			}
			_, _ = p.api.NetworkRemove(ctx, name+"_back", client.NetworkRemoveOptions{})
			if left = p.stackParts(t, name); len(left) == 0 {
				break
			}
			if time.Now().After(deadline) {
				t.Errorf("it cannot be removed: %q", left)
				break
			}
		}
		p.dropSecrets(t, name)
	})
	return name
}

// stackSoon waits for a while until the parts of a stack are those that are wanted, and gives those that are there in the end. A real engine lists an overlay network from
// two places, and has its own share of a network for a while after the cluster has removed it.
func (p *platform) stackSoon(t testing.TB, name string, want ...string) []string {
	t.Helper()
	for deadline := time.Now().Add(waitLimit); ; time.Sleep(200 * time.Millisecond) {
		if got := p.stackParts(t, name); slices.Equal(got, want) || time.Now().After(deadline) {
			return got
		}
	}
}

// stackParts are the services, networks and configs whose names begin so, by the tests' own client.
func (p *platform) stackParts(t testing.TB, name string) []string {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), waitLimit)
	defer cancel()
	f := client.Filters{}.Add("name", name)
	services, err1 := p.api.ServiceList(ctx, client.ServiceListOptions{Filters: f})
	// Without the filter: the cluster takes a network's name whole and not as a beginning (swarmkit, ListNetworks), and a node lists by its beginning what it runs tasks of alone.
	networks, err2 := p.api.NetworkList(ctx, client.NetworkListOptions{})
	configs, err3 := p.api.ConfigList(ctx, client.ConfigListOptions{Filters: f})
	if err1 != nil || err2 != nil || err3 != nil {
		t.Fatal(err1, err2, err3)
	}
	var out []string
	for i := range services.Items {
		out = append(out, services.Items[i].Spec.Name)
	}
	for i := range networks.Items {
		out = append(out, networks.Items[i].Name)
	}
	for i := range configs.Items {
		out = append(out, configs.Items[i].Spec.Name)
	}
	out = slices.DeleteFunc(out, func(s string) bool { return !strings.HasPrefix(s, name+"_") && !strings.HasPrefix(s, name+"-") })
	slices.Sort(out)
	return out
}

// same holds that a stack that was applied differs in nothing.
func (r *rig) same(want *sources.Stack) {
	r.t.Helper()
	again, err := r.PlanApply(r.t.Context(), want, actions.Given{})
	if err != nil || !strings.Contains(again.Nothing, "runs as its files say") {
		r.t.Errorf("applied again: %q, refused %q, %v: %+v", again.Nothing, again.Refused, err, again.Changes)
	}
}

// testApply makes a stack from nothing, changes it by its files, and takes both back.
func testApply(t *testing.T, p *platform) {
	name, r := p.stackName(t), p.deck(t)
	first := p.stackOf(t, name, "", "one")
	without, err := r.PlanApply(t.Context(), first, actions.Given{})
	if err != nil || !strings.Contains(without.Refused, "what the test says): docker secret create "+name+"-key -") {
		t.Fatalf("without its secret: %q, %v", without.Refused, err)
	}
	p.secretOf(t, name+"-key", "hunter2-of-the-stack")
	plan := r.planned(r.PlanApply(t.Context(), first, actions.Given{}))
	if title := plan.Title(); title != "apply the stack "+name+": 2 services made" || plan.Harm != actions.Serious || len(plan.Stack.Parts) != 2 || plan.Changes[0].Service != name+"_api" || plan.Changes[0].Group == plan.Changes[1].Group {
		t.Errorf("%s, harm %d, %+v", title, plan.Harm, plan.Stack.Parts)
	}
	if got := p.stackParts(t, name); len(got) > 0 {
		t.Errorf("planning has made %v", got)
	}
	made := r.proven(plan)
	all := []string{name + "-conf-one", name + "_api", name + "_back", name + "_web"}
	if got := p.stackSoon(t, name, all...); !slices.Equal(got, all) {
		t.Fatalf("there are %v, want %v", got, all)
	}
	if image := p.service(t, name+"_web").Spec.TaskTemplate.ContainerSpec.Image; !strings.HasPrefix(image, p.image+"1.0@sha256:") {
		t.Errorf("the image is not pinned: %s", image)
	}
	r.same(first)

	second := p.stackOf(t, name, `, KEEP: "this"`, "two")
	plan = r.planned(r.PlanApply(t.Context(), second, actions.Given{}))
	if len(plan.Changes) != 1 || plan.Changes[0].Service != name+"_api" || plan.Changes[0].Make || len(plan.Stack.Parts) != 1 {
		t.Fatalf("%d changes, %+v", len(plan.Changes), plan.Stack.Parts)
	}
	before := p.service(t, name+"_web").Version
	changed := r.proven(plan)
	api := p.service(t, name+"_api").Spec.TaskTemplate.ContainerSpec
	if !slices.Contains(api.Env, "KEEP=this") || api.Configs[0].ConfigName != name+"-conf-two" || p.service(t, name+"_web").Version != before {
		t.Errorf("%v %+v", api.Env, api.Configs[0])
	}
	r.same(second)

	if report, err := r.run(r.undo(changed.Run), actions.ResultDone); err != nil || report.Undo != "" || !report.Verify.Converged {
		t.Errorf("%+v, %v", report, err)
	}
	if got := p.stackSoon(t, name, all...); !slices.Equal(got, all) {
		t.Errorf("there are %v, want %v", got, all)
	}
	r.same(first)
	p.change(t, name+"_web", env("BY=another"))
	if other, err := r.PlanUndo(t.Context(), made.Run); err != nil || !strings.Contains(other.Refused, name+"_web was changed since the run made it: env BY") {
		t.Errorf("over another's change: %q, %v", other.Refused, err)
	}
	plan = r.planned(r.PlanApply(t.Context(), first, actions.Given{}))
	r.proven(plan) // which takes the other's change away
	r.unmade(name, made.Run)
}

// unmade takes back the run that has made a stack.
func (r *rig) unmade(name, run string) {
	r.t.Helper()
	back := r.undo(run)
	if back.Harm != actions.Grave || !strings.HasSuffix(back.Title(), "2 services removed") || back.Changes[0].Service != name+"_web" {
		r.t.Errorf("%s, harm %d", back.Title(), back.Harm)
	}
	report, err := r.run(back, actions.ResultDone)
	if err != nil || report.Undo != "" || report.Verify == nil || len(report.Verify.Checks) != 2 || report.Verify.Checks[0].Name != "removed" {
		r.t.Errorf("%+v, %v", report, err)
	}
	if got := r.stackSoon(r.t, name); len(got) > 0 {
		r.t.Errorf("there are still %v", got)
	}
	if left := r.secrets(r.t, name); len(left) != 1 {
		r.t.Errorf("the secrets are %v", left)
	}
	if again, err := r.PlanUndo(r.t.Context(), report.Run); err != nil || !strings.Contains(again.Refused, "apply the stack "+name+" again") {
		r.t.Errorf("taking that back: %q, %v", again.Refused, err)
	}
	if strings.Contains(dump(r.t, r.Journal.Dir()), "hunter2-of-the-stack") {
		r.t.Error("the secret's value is in the journal")
	}
}

// testApplyRefused: what is in the way and is not the stack's is left alone.
func testApplyRefused(t *testing.T, p *platform) {
	name, r := p.stackName(t), p.deck(t)
	want := p.stackOf(t, name, "", "one")
	p.secretOf(t, name+"-key", "x")
	alien := p.spec(name+"_web", replicas(0))
	p.createNamed(t, alien)
	if _, err := p.api.NetworkCreate(t.Context(), name+"_back", client.NetworkCreateOptions{Driver: "overlay", Scope: "swarm"}); err != nil {
		t.Fatal(err)
	}
	if _, err := p.api.ConfigCreate(t.Context(), client.ConfigCreateOptions{Spec: swarm.ConfigSpec{Annotations: swarm.Annotations{Name: name + "-conf-one"}, Data: []byte("another")}}); err != nil {
		t.Fatal(err)
	}
	for i := range want.Services {
		if s := &want.Services[i]; s.Name == name+"_api" {
			s.Constraints = []string{"node.labels.nobody-has == this"}
		}
	}
	plan, err := r.PlanApply(t.Context(), want, actions.Given{})
	if err != nil {
		t.Fatal(err)
	}
	for _, says := range []string{name + "_web runs already and is not of the stack", "the network " + name + "_back is there and is not of the stack", "the config " + name + "-conf-one is there and holds something else",
		"no node has the label nobody-has=this: docker node update --label-add nobody-has=this NODE"} {
		if !strings.Contains(plan.Refused, says) {
			t.Errorf("%q is not said in %q", says, plan.Refused)
		}
	}
	if _, err := r.Start(context.Background(), plan, actions.Approval{Yes: true, Typed: plan.Word()}, nil); err == nil {
		t.Error("it begins all the same")
	}
	alien.Labels["com.docker.stack.namespace"] = name
	p.change(t, name+"_web", func(s *swarm.ServiceSpec) { s.Labels = alien.Labels })
	want.Services = slices.DeleteFunc(want.Services, func(s sources.ServiceState) bool { return s.Name == name+"_web" })
	if plan, err = r.PlanApply(t.Context(), want, actions.Given{}); err != nil || len(plan.Warnings) != 1 || !strings.Contains(plan.Warnings[0], name+"_web is of the stack and in none of its files") {
		t.Errorf("%q, %v", plan.Warnings, err)
	}
}

// testApplyTakesBack: what was made is removed again where the run cannot come to its end and that was asked for. Here somebody else is faster.
func testApplyTakesBack(t *testing.T, p *platform) {
	name, r := p.stackName(t), p.deck(t)
	p.secretOf(t, name+"-key", "x")
	plan := r.planned(r.PlanApply(t.Context(), p.stackOf(t, name, "", "one"), actions.Given{}))
	plan.TakeBack = true
	p.createNamed(t, p.spec(name+"_web", replicas(0)))
	report, _ := r.run(plan, actions.ResultTakenBack)
	if got := p.stackSoon(t, name, name+"_web"); !slices.Equal(got, []string{name + "_web"}) || report.Undo != "" || !strings.Contains(report.Reason, name+"_web was made by somebody else meanwhile") {
		t.Errorf("%s; there are %v; undo %q", report.Reason, got, report.Undo)
	}
}

// testApplyLeft: a run that nobody watches any more is taken back, or applied again, from where it stopped.
func testApplyLeft(t *testing.T, p *platform) {
	name, r := p.stackName(t), p.deck(t)
	want := p.stackOf(t, name, "", "one")
	p.secretOf(t, name+"-key", "x")
	left := func() actions.RunRecord {
		run := r.start(r.planned(r.PlanApply(t.Context(), want, actions.Given{})))
		p.until(t, "the first service is made", func() bool { return slices.Contains(p.stackParts(t, name), name+"_api") })
		run.Leave()
		open, err := r.Unfinished()
		if err != nil || len(open) != 1 || open[0].ID != run.ID() {
			t.Fatalf("%+v, %v", open, err)
		}
		return open[0]
	}
	one := left()
	stand, err := r.Stand(t.Context(), one)
	if err != nil || !strings.Contains(stand.NoFinish, "apply the stack "+name+" again") || len(stand.Services) != 2 || stand.Services[0].State != "there" {
		t.Errorf("%+v, %v", stand, err)
	}
	back := r.undo(one.ID)
	if _, err := r.run(back, actions.ResultDone); err != nil {
		t.Error(err)
	}
	if got := p.stackSoon(t, name); len(got) > 0 {
		t.Errorf("there are still %v", got)
	}
	two := left()
	if err := r.Abandon(two, "a test"); err != nil {
		t.Fatal(err)
	}
	plan := r.planned(r.PlanApply(t.Context(), want, actions.Given{}))
	plan.NoWait = true
	if _, err := r.run(plan, actions.ResultDone); err != nil {
		t.Error(err)
	}
	r.same(want)
}

// testApplyGiven: a secret and a node's label that a stack needs are made with it, where they are given, and go with it when it is taken back.
func testApplyGiven(t *testing.T, p *platform) {
	name, r := p.stackName(t), p.deck(t)
	want := p.stackOf(t, name, "", "one")
	label := "qd.test." + name
	for i := range want.Services {
		if s := &want.Services[i]; s.Name == name+"_web" {
			s.Constraints = []string{"node.labels." + label + " == yes"}
		}
	}
	plan, err := r.PlanApply(t.Context(), want, actions.Given{})
	if err != nil || len(plan.Stack.Needs) != 2 || plan.Stack.Needs[0].Kind != actions.PartSecret || plan.Stack.Needs[0].Text != "what the test says" || plan.Stack.Needs[1].Name != label+"=yes" {
		t.Fatalf("%+v, %v", plan.Stack.Needs, err)
	}
	for _, says := range []string{"docker secret create " + name + "-key -", "docker node update --label-add " + label + "=yes NODE"} {
		if strings.Count(plan.Refused, says) != 1 {
			t.Errorf("%q is not said once in %q", says, plan.Refused)
		}
	}
	given := actions.Given{Secrets: map[string][]byte{name + "-key": []byte("hunter2-of-the-stack"), "another": []byte("x")}, On: "no-such-node"}
	if plan, err = r.PlanApply(t.Context(), want, given); err != nil || !strings.Contains(plan.Refused, "there is no node no-such-node") {
		t.Errorf("%q, %v", plan.Refused, err)
	}
	given.Labels = map[string]string{label + "=yes": "node2"}
	empty := actions.Given{Secrets: map[string][]byte{name + "-key": nil}, Labels: given.Labels}
	if plan, err = r.PlanApply(t.Context(), want, empty); err != nil || !strings.Contains(plan.Refused, "has 0 bytes") {
		t.Errorf("%q, %v", plan.Refused, err)
	}
	plan = r.planned(r.PlanApply(t.Context(), want, given))
	var about []string
	for i := range plan.Stack.Parts {
		about = append(about, plan.Stack.Parts[i].About())
	}
	if !slices.Contains(about, "secret "+name+"-key") || !slices.Contains(about, "label "+label+"=yes of the node node2") || len(about) != 4 {
		t.Errorf("%q", about)
	}
	made := r.proven(plan)
	if n := p.node(t, "node2"); n.Spec.Labels[label] != "yes" {
		t.Errorf("the labels are %v", n.Spec.Labels)
	}
	if got := r.secrets(t, name); len(got) != 1 {
		t.Errorf("the secrets are %v", got)
	}
	r.same(want)
	if report, err := r.run(r.undo(made.Run), actions.ResultDone); err != nil {
		t.Errorf("%+v, %v", report, err)
	}
	if n := p.node(t, "node2"); n.Spec.Labels[label] != "" || len(r.secrets(t, name)) != 0 {
		t.Errorf("left behind: labels %v, secrets %v", n.Spec.Labels, r.secrets(t, name))
	}
	if strings.Contains(dump(t, r.Journal.Dir()), "hunter2-of-the-stack") {
		t.Error("the secret's value is in the journal")
	}
}

// testApplyFills: what the engine fills in of a setting that a file brings is no change of somebody else's.
func testApplyFills(t *testing.T, p *platform) {
	name, r := p.stackName(t), p.deck(t)
	p.secretOf(t, name+"-key", "x")
	want := p.stackOf(t, name, "", "one")
	r.proven(r.planned(r.PlanApply(t.Context(), want, actions.Given{})))
	p.change(t, name+"_web", func(s *swarm.ServiceSpec) { s.TaskTemplate.RestartPolicy, s.UpdateConfig = nil, nil })
	plan := r.planned(r.PlanApply(t.Context(), want, actions.Given{}))
	if len(plan.Changes) != 1 {
		t.Fatalf("%+v", plan.Changes)
	}
	again, err := r.run(plan, actions.ResultDone)
	if err != nil || !again.Verify.Converged {
		t.Errorf("%+v, %v", again, err)
	}
	if s := p.service(t, name+"_web").Spec; s.TaskTemplate.RestartPolicy.MaxAttempts == nil || s.UpdateConfig.Order != "start-first" {
		t.Errorf("%+v", s.TaskTemplate.RestartPolicy)
	}
	r.same(want)
	if report, err := r.run(r.undo(again.Run), actions.ResultDone); err != nil {
		t.Errorf("%+v, %v", report, err)
	}
	if x := p.service(t, name+"_web").Spec.TaskTemplate.RestartPolicy; x != nil && x.Delay != nil {
		t.Errorf("taken back, and still there: %+v", x)
	}
}
