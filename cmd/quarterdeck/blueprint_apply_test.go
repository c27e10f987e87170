package main

import (
	"strings"
	"testing"

	"github.com/moby/moby/api/types/swarm"
	"github.com/moby/moby/client"

	"quarterdeck/sources/demo"
)

// TestBlueprintApplyOnDemo holds `blueprint apply` to the contract of the commands that act: it makes a stack of the blueprint, finds nothing to do the second time,
// mends what somebody else has changed, and is taken back.
func TestBlueprintApplyOnDemo(t *testing.T) {
	p, err := demo.Start(t.Context(), demo.Options{Seed: 3, Quiet: true})
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	api, err := client.New(client.WithHost(p.DockerHost()))
	if err != nil {
		t.Fatal(err)
	}
	defer api.Close()
	a := &actor{target: target{env: map[string]string{"DOCKER_HOST": p.DockerHost(), "LOKI_ADDR": "", "PROMETHEUS_URL": "", "ALERTMANAGER_URL": "", "DOCKER_CONTEXT": "", "QUARTERDECK_CONFIG": "", "QUARTERDECK_STATE_DIR": t.TempDir(), "QUARTERDECK_READ_ONLY": ""}}, api: api}
	apply := func(code int, result string, args ...string) map[string]any {
		t.Helper()
		var doc any
		a.askJSON(t, &doc, code, append([]string{"blueprint", "apply", "web", "--set", "DOMAIN=apps.example.com"}, args...)...)
		r := fields(t, "apply", doc, "run", "action", "service", "plan", "result", "reason", "steps", "verify", "undo")
		if r["action"] != "apply" || r["result"] != result {
			t.Fatalf("%v is %v (%v), want %s", r["action"], r["result"], r["reason"], result)
		}
		return r
	}
	a.refuses(t, exitUsage, "name one stack: edge, web", "blueprint", "apply", "--stage", "1")
	a.refuses(t, exitUsage, "DOMAIN", "blueprint", "apply", "web", "--yes")
	a.refuses(t, exitRefused, "docker secret create web-key -", "blueprint", "apply", "web", "--set", "DOMAIN=apps.example.com", "--plan")
	if _, err := api.SecretCreate(t.Context(), client.SecretCreateOptions{Spec: swarm.SecretSpec{Annotations: swarm.Annotations{Name: "web-key"}, Data: []byte(hidden)}}); err != nil {
		t.Fatal(err)
	}
	said := map[string]bool{}
	plan := apply(exitDone, "planned", "--plan")["plan"].(map[string]any)
	for _, c := range list(t, plan, "changes") {
		said[fields(t, "change", c, "field", "before", "after")["field"].(string)] = true
	}
	if !said["network edge"] || !said["image"] || !said["label traefik.http.routers.web.rule"] || len(list(t, plan, "steps")) != 3 {
		t.Errorf("the plan: %v", plan)
	}
	a.refuses(t, exitRefused, "--yes", "blueprint", "apply", "web", "--set", "DOMAIN=apps.example.com")
	a.refuses(t, exitRefused, "read-only", "--read-only", "blueprint", "apply", "web", "--set", "DOMAIN=apps.example.com", "--yes")

	first := apply(exitDone, "done", "--yes", "--wait=false")
	web := a.look(t, "web_web")
	if web.Spec.Labels["com.docker.stack.namespace"] != "web" || !strings.Contains(web.Spec.TaskTemplate.ContainerSpec.Image, "@sha256:") || len(web.Spec.TaskTemplate.ContainerSpec.Secrets) != 1 {
		t.Errorf("%+v", web.Spec)
	}
	if again := apply(exitDone, "nothing-to-do", "--yes"); again["reason"] != "the stack web runs as its files say" {
		t.Errorf("%v", again["reason"])
	}
	spec := web.Spec
	spec.TaskTemplate.ContainerSpec.Env = append(spec.TaskTemplate.ContainerSpec.Env, "BY=another")
	if _, err := api.ServiceUpdate(t.Context(), web.ID, client.ServiceUpdateOptions{Version: web.Version, Spec: spec}); err != nil {
		t.Fatal(err)
	}
	a.refuses(t, exitRefused, "env BY", "undo", first["run"].(string), "--yes")
	mended := apply(exitDone, "done", "--yes", "--wait=false")
	if c := list(t, mended["plan"].(map[string]any), "changes"); len(c) != 1 || c[0].(map[string]any)["field"] != "env BY" {
		t.Errorf("%v", c)
	}
	var back any
	a.askJSON(t, &back, exitDone, "undo", first["run"].(string), "--yes", "--wait=false")
	if r := fields(t, "undo", back, "result", "undo"); r["result"] != "done" || r["undo"] != "" {
		t.Errorf("%v", r)
	}
	if _, err := api.ServiceInspect(t.Context(), "web_web", client.ServiceInspectOptions{}); err == nil {
		t.Error("web_web is still there")
	}
	if _, err := api.NetworkInspect(t.Context(), "edge", client.NetworkInspectOptions{}); err == nil {
		t.Error("the network edge is still there")
	}
}
