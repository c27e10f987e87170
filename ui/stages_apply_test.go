package ui

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/charmbracelet/x/exp/golden"

	"quarterdeck/blueprint"
	"quarterdeck/sources"
)

// Networks are those of the tests' swarm: there are none.
func (b *bench) Networks(context.Context) ([]sources.Network, error) { return nil, nil }

// edgeOf is what the tests take for the stack edge, with its domain in it.
func edgeOf(st *blueprint.Stack, values blueprint.Values) (*sources.Stack, error) {
	if st.Name != "edge" {
		return nil, errors.New("not of these tests: " + st.Name)
	}
	spec, err := sources.NewSpec([]byte(fmt.Sprintf(`{"Name":"edge_traefik","Labels":{"com.docker.stack.namespace":"edge"},"TaskTemplate":{"ContainerSpec":{"Image":"traefik:v3.7.13","Env":["DOMAIN=%s"]},"Networks":[{"Target":"edge"}]},"Mode":{"Replicated":{"Replicas":1}}}`, values["DOMAIN"])))
	if err != nil {
		return nil, err
	}
	return &sources.Stack{Name: "edge", Networks: []sources.NetworkSpec{{Name: "edge", Attachable: true, Shared: true}},
		Services: []sources.ServiceState{{Service: sources.Service{Name: "edge_traefik", Stack: "edge", Mode: sources.Replicated, Desired: 1, Update: sources.UpdatePolicy{Order: "stop-first", FailureAction: "rollback", Parallelism: 1, Monitor: 30 * time.Second}}, Spec: spec}}}, nil
}

// applyRig is a console on the stages, with the cursor on a check that the stack edge answers.
func applyRig(t testing.TB, w, h int) *rig {
	t.Helper()
	r, _ := recoveryRig(t, w, h, savedRecords(t))
	r.o.Stages = judged(t, r.o.Fleet, r.o.Backups)
	r.Model.stages.report = r.o.Stages.Report()
	r.Model.o.Stack = edgeOf
	r.press("7")
	if !r.Model.stages.selectID("tls-expiry") {
		t.Fatal("there is no check tls-expiry")
	}
	return r
}

// asked is the question that is open.
func (r *rig) asked(of string) *askBox {
	r.t.Helper()
	r.until("a question about "+of, func() bool { b, ok := r.overlay.(*askBox); return ok && strings.Contains(b.head+b.input.Prompt, of) })
	return r.overlay.(*askBox)
}

// The stack that answers a check is applied by its key: what it needs is asked for, one by one, and then planned.
func TestStagesApply(t *testing.T) {
	r := applyRig(t, 120, 40)
	if !strings.Contains(r.screen(), "or: A applies the blueprint's stack edge") {
		t.Errorf("the way is not shown:\n%s", r.screen())
	}
	r.press("A")
	r.asked("file: ")
	r.press("enter")
	r.asked("DOMAIN").paste("no domain")
	r.press("enter")
	if b := r.asked("DOMAIN"); !strings.Contains(b.complain, "a domain's name") {
		t.Errorf("what is no domain: %q", b.complain)
	}
	r.asked("DOMAIN").input.SetValue("apps.example.com")
	r.press("enter")
	r.asked("ACME_MAIL").paste("ops@example.com")
	r.press("enter")
	plan := r.planned().plan
	if plan.Action != "apply" || plan.Stack == nil || len(plan.Stack.Parts) != 1 || len(plan.Changes) != 1 || !strings.Contains(string(plan.Changes[0].After.JSON()), "DOMAIN=apps.example.com") {
		t.Errorf("%+v", plan)
	}
	r.press("esc", "A")
	r.asked("file: ")
	r.press("enter")
	r.planned() // what was said once is not asked for again
	r.press("esc")
	r.Model.stages.selectID("restart-policy")
	r.press("A")
	if !strings.Contains(r.toast.text, "no stack of the blueprint answers this") {
		t.Errorf("on another check: %q", r.toast.text)
	}
}

// The values come from a file, too; what is wrong with it is said.
func TestStagesApplyReadsAFile(t *testing.T) {
	r := applyRig(t, 120, 40)
	file := filepath.Join(t.TempDir(), "values.yml")
	if err := os.WriteFile(file, []byte("DOMAIN: apps.example.com\nACME_MAIL: nobody\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	r.press("A")
	r.asked("file: ").paste(file)
	r.press("enter")
	r.until("what is wrong", func() bool { _, ok := r.overlay.(*noteBox); return ok })
	if s := r.screen(); !strings.Contains(s, "ACME_MAIL") {
		t.Errorf("it is not said:\n%s", s)
	}
	r.press("esc")
	if err := os.WriteFile(file, []byte("DOMAIN: apps.example.com\nACME_MAIL: ops@example.com\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	r.press("A")
	r.asked("file: ").paste(file)
	r.press("enter")
	if plan := r.planned().plan; plan.Stack == nil || plan.Refused != "" {
		t.Errorf("%+v", plan)
	}
	r.press("esc", "A")
	if b := r.asked("file: "); b.input.Value() != file {
		t.Errorf("the file is not remembered: %q", b.input.Value())
	}
}

func TestGoldenApply(t *testing.T) {
	for _, size := range sizes {
		t.Run(fmt.Sprintf("%dx%d", size[0], size[1]), func(t *testing.T) {
			r := applyRig(t, size[0], size[1])
			r.Model.stages.keep(blueprint.Values{"DOMAIN": "apps.example.com", "ACME_MAIL": "ops@example.com"})
			r.press("A", "enter")
			r.planned()
			checkFrame(t, r.Model)
			golden.RequireEqual(t, r.Frame()+"\n")
		})
	}
}

// complains waits until the question that is open says what is wrong with the answer.
func (r *rig) complains(of, says string) {
	r.t.Helper()
	r.until("a complaint about "+of, func() bool { return strings.Contains(r.asked(of).complain, says) })
}

// needyOf is a stack that needs a secret and the label of a node.
func needyOf(name string) (*sources.Stack, error) {
	spec, err := sources.NewSpec([]byte(`{"Name":"needy_web","Labels":{"com.docker.stack.namespace":"needy"},"TaskTemplate":{"ContainerSpec":{"Image":"web:1@sha256:` + strings.Repeat("a", 64) + `","Secrets":[{"SecretName":"web-key","File":{"Name":"web-key"}}]},"Placement":{"Constraints":["node.labels.front == yes"]}},"Mode":{"Replicated":{"Replicas":1}}}`))
	if err != nil {
		return nil, err
	}
	return &sources.Stack{Name: name, Holds: map[string]string{"web-key": "the key of the shop"},
		Services: []sources.ServiceState{{Service: sources.Service{Name: "needy_web", Stack: name, Mode: sources.Replicated, Desired: 1, Constraints: []string{"node.labels.front == yes"}}, Spec: spec}}}, nil
}

// What a stack file needs and the swarm does not have is asked for, and what is typed of a secret is never seen.
func TestApplyStackFile(t *testing.T) {
	r := applyRig(t, 120, 40)
	file := filepath.Join(t.TempDir(), "needy", "stack.yml")
	if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, []byte("services: {}"), 0o600); err != nil {
		t.Fatal(err)
	}
	r.Model.o.StackFrom = func(name string, files ...string) (*sources.Stack, error) {
		if len(files) != 1 || files[0] != file {
			return nil, fmt.Errorf("asked for %q", files)
		}
		return needyOf(name)
	}
	r.press(":")
	r.overlay.(*paletteBox).paste("apply a stack file")
	r.press("enter")
	r.asked("file: ").paste(file + ".none")
	r.press("enter")
	r.complains("file: ", "no such file")
	r.asked("file: ").input.SetValue(file)
	r.press("enter")
	if b := r.asked("stack: "); b.input.Value() != "needy" {
		t.Errorf("the name that is offered: %q", b.input.Value())
	}
	r.press("enter")
	r.asked("web-key").paste("two\nlines")
	if b := r.asked("web-key"); b.complain == "" || b.input.Value() != "" {
		t.Errorf("two lines: %q %q", b.complain, b.input.Value())
	}
	r.press("enter")
	if b := r.asked("web-key"); b.complain != "it is empty" {
		t.Errorf("nothing: %q", b.complain)
	}
	for _, k := range "@hunter2" {
		r.press(string(k))
	}
	if s := r.screen(); strings.Contains(s, "hunter2") || !strings.Contains(s, "********") || !strings.Contains(s, "tab from a file") || !strings.Contains(s, "the key of the shop. 1 more after it") {
		t.Errorf("a secret on the screen:\n%s", s)
	}
	r.press("tab")
	if s := r.screen(); strings.Contains(s, "hunter2") || !strings.Contains(s, "file: ") || r.asked("web-key").input.Value() != "" {
		t.Errorf("what was typed unseen is seen:\n%s", s)
	}
	key := filepath.Join(filepath.Dir(file), "key")
	r.asked("web-key").paste(key)
	r.press("enter")
	r.complains("web-key", "no such file")
	if err := os.WriteFile(key, []byte("two\nlines\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	r.press("enter")
	r.asked("front=yes").paste("nowhere")
	r.press("enter")
	if b := r.asked("front=yes"); b.complain != "no node has this name" {
		t.Errorf("%q", b.complain)
	}
	node := r.snap.Nodes[0].Name
	r.asked("front=yes").input.SetValue(node)
	r.press("enter")
	plan := r.planned().plan
	if plan.Refused != "" || len(plan.Stack.Parts) != 2 || len(plan.Changes) != 1 {
		t.Errorf("%+v %+v", plan.Refused, plan.Stack)
	}
	if s := r.screen(); !strings.Contains(s, "secret web-key is made") || !strings.Contains(s, "label front=yes of the node "+node+" is made") || strings.Contains(s, "hunter2") {
		t.Errorf("the plan:\n%s", s)
	}
}
