package actions_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"github.com/moby/moby/client"

	"quarterdeck/actions"
	"quarterdeck/sources"
	"quarterdeck/sources/portainer"
)

// fakePortainer answers a service's webhook as Portainer does, and then deploys what deploys says: its answer comes before the fact
// (https://docs.portainer.io/user/docker/services/webhooks). No Portainer can be had here.
func fakePortainer(t *testing.T, p *platform, service string, deploys func(tag string) string) sources.Hook {
	t.Helper()
	var wg sync.WaitGroup
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		image := deploys(r.URL.Query().Get("tag"))
		w.WriteHeader(http.StatusNoContent)
		if image == "" {
			return
		}
		wg.Go(func() {
			ctx := context.Background()
			got, err := p.api.ServiceInspect(ctx, service, client.ServiceInspectOptions{})
			if err != nil {
				t.Error(err)
				return
			}
			spec := got.Service.Spec
			spec.TaskTemplate.ContainerSpec.Image = image
			spec.TaskTemplate.ForceUpdate++
			if _, err := p.api.ServiceUpdate(ctx, service, client.ServiceUpdateOptions{Version: got.Service.Version, Spec: spec}); err != nil {
				t.Error(err)
			}
		})
	}))
	t.Cleanup(func() { s.Close(); wg.Wait() })
	h, err := portainer.New(portainer.Options{Name: service, URL: s.URL + "/api/webhooks/very-secret-token"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = h.Close() })
	return h
}

func (r *rig) pinned(ref string) string {
	r.t.Helper()
	i, err := r.Hands.ResolveImage(r.t.Context(), ref)
	if err != nil {
		r.t.Fatal(err)
	}
	return i.Pinned()
}

func testHook(t *testing.T, p *platform) {
	name, r := p.running(t), p.deck(t)
	image := r.pinned(p.image + "1.1")
	r.Hooks = map[string]sources.Hook{name: fakePortainer(t, p, name, func(tag string) string {
		if tag != "1.1" {
			t.Errorf("the webhook was asked for %q", tag)
		}
		return image
	})}
	plan, err := r.PlanRedeployHook(t.Context(), name, "1.1")
	if err != nil {
		t.Fatal(err)
	}
	r.proven(plan)
	if n := p.runs(t, name, p.image+"1.1"); n != 2 {
		t.Errorf("%d run the new image", n)
	}
	back := r.undo("")
	r.proven(back)
	if n := p.runs(t, name, p.image+"1.0"); n != 2 {
		t.Errorf("%d run the old image", n)
	}
	if strings.Contains(dump(t, r.Journal.Dir()), "very-secret-token") {
		t.Error("the webhook's address is in the journal")
	}
}

// A webhook that deploys something else than the registry has under the tag is found out by the digest.
func testHookOfAnotherImage(t *testing.T, p *platform) {
	name, r := p.running(t), p.deck(t)
	image := r.pinned(p.image + "1.1")
	r.Hooks = map[string]sources.Hook{name: fakePortainer(t, p, name, func(string) string { return image })}
	plan, err := r.PlanRedeployHook(t.Context(), name, "")
	if err != nil {
		t.Fatal(err)
	}
	report, err := r.run(plan, actions.ResultFailed)
	if err == nil || !strings.Contains(report.Reason, "another image") {
		t.Errorf("%v %v", report.Reason, err)
	}
	if strings.Contains(dump(t, r.Journal.Dir()), "very-secret-token") {
		t.Error("the webhook's address is in the journal")
	}
}

// Without a webhook in the configuration the plan says what to do.
func testNoHook(t *testing.T, p *platform) {
	name, r := p.running(t), p.deck(t)
	if _, err := r.PlanRedeployHook(t.Context(), name, ""); sources.KindOf(err) != sources.NotConfigured {
		t.Errorf("%v", err)
	}
}

func TestHooksDemo(t *testing.T) { hooksOn(t, sharedDemo(t)) }

func hooksOn(t *testing.T, p *platform) {
	for name, run := range map[string]func(*testing.T, *platform){"a webhook redeploys": testHook, "a webhook deploys another image": testHookOfAnotherImage, "no webhook": testNoHook} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			run(t, p)
		})
	}
}
