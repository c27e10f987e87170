package blueprint

import (
	"fmt"
	"path"
	"slices"
	"strings"
	"testing"
	"time"

	"quarterdeck/sources"
	"quarterdeck/sources/fleet"
	"quarterdeck/sources/swarm"
	"quarterdeck/stages"
)

// services are those that the files make.
func services(t *testing.T, stacks []*Stack) []sources.ServiceState {
	t.Helper()
	files, err := Render(stacks, filled(t, stacks))
	if err != nil {
		t.Fatal(err)
	}
	var out []sources.ServiceState
	for _, s := range stacks {
		var bodies [][]byte
		for _, f := range s.Compose {
			bodies = append(bodies, files[slices.IndexFunc(files, func(x File) bool { return x.Path == path.Join(s.Name, f) })].Body)
		}
		got, err := swarm.ReadStack(s.Name, bodies...)
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, got...)
	}
	return out
}

// TestOurOwnChecks holds all services of the files against those checks of the first stage that a spec can answer. A tag without a digest is a warning
// for each; an exporter may be one task, which is a warning too.
func TestOurOwnChecks(t *testing.T) {
	now := time.Date(2026, 11, 30, 6, 0, 0, 0, time.UTC)
	fleetNow := &fleet.Snapshot{Listed: now}
	for _, s := range services(t, All) {
		fleetNow.Services = append(fleetNow.Services, &fleet.Service{Service: s.Service})
	}
	if len(fleetNow.Services) != 16 {
		t.Errorf("%d services", len(fleetNow.Services))
	}
	settings := stages.Defaults()
	report := stages.Judge(&stages.Evidence{Now: now, Fleet: fleetNow, Reasons: map[string]string{}}, &settings)
	want := map[string]stages.State{"svc-healthcheck": stages.Pass, "zero-downtime-update": stages.Warn, "restart-policy": stages.Pass, "secrets-not-env": stages.Pass, "image-pinned": stages.Warn}
	for i := range report.Stages[0].Results {
		r := &report.Stages[0].Results[i]
		if state, judged := want[r.Check.ID]; judged && r.State != state {
			t.Errorf("%s is %s: %+v", r.Check.ID, r.State, r.Subjects)
		}
		delete(want, r.Check.ID)
		if r.Check.ID != "zero-downtime-update" {
			continue
		}
		for _, x := range r.Subjects {
			if !strings.HasSuffix(x.Name, "-exporter") {
				t.Errorf("%s: %s", x.Name, x.Says)
			}
		}
	}
	if len(want) > 0 {
		t.Errorf("not judged: %v", want)
	}
}

// TestEachVolumeHasAPolicy: what keeps data says how it is saved, or that it is not.
func TestEachVolumeHasAPolicy(t *testing.T) {
	for _, s := range services(t, All) {
		for _, m := range s.Mounts {
			if m.Type == "volume" && s.Labels["qd.backup.engine"] == "" {
				t.Errorf("%s keeps %s and says nothing of it", s.Name, m.Source)
			}
		}
	}
}

func TestCompare(t *testing.T) {
	stacks := Of(1)
	want := services(t, stacks)
	with := func(s sources.ServiceState, change ...string) sources.ServiceState {
		raw := string(s.Spec.JSON())
		for i := 0; i < len(change); i += 2 {
			if !strings.Contains(raw, change[i]) {
				t.Fatalf("%s is not in %s", change[i], raw)
			}
			raw = strings.Replace(raw, change[i], change[i+1], 1)
		}
		var err error
		if s.Spec, err = sources.NewSpec([]byte(raw)); err != nil {
			t.Fatal(err)
		}
		return s
	}
	// What the engine adds is no difference: digests, ids, what is its default.
	engines := []sources.ServiceState{}
	for _, s := range want {
		s = with(s, `"Image":"`+s.Spec.Image()+`"`, `"Image":"`+s.Spec.Image()+`@sha256:`+strings.Repeat("ab", 32)+`","Isolation":"default","StopSignal":"SIGTERM"`)
		engines = append(engines, s)
	}
	if got := Compare(stacks, want, engines); len(got) != 0 {
		t.Errorf("%+v", got)
	}
	at := slices.IndexFunc(want, func(s sources.ServiceState) bool { return s.Name == "web_web" })
	engines[at] = with(engines[at], `"Replicas":2`, `"Replicas":1`, `"WEB_KEY_FILE=/run/secrets/web-key"`, `"WEB_KEY_FILE=/run/secrets/web-key","API_TOKEN=hunter2"`, `"Order":"start-first"`, `"Order":"stop-first"`)
	other := with(engines[0])
	other.Name, other.Stack = "edge_old", "edge"
	alien := with(engines[0])
	alien.Name, alien.Stack = "shop_web", "shop"
	got := Compare(stacks, want, append(slices.Clone(engines[1:]), other, alien))
	said := ""
	for _, d := range got {
		said += d.State + " " + d.Service + "\n"
		for _, f := range d.Fields {
			before, after := f.Text()
			said += fmt.Sprintf("%s: %s -> %s\n", f.Field, before, after)
		}
	}
	for _, has := range []string{"extra edge_old\n", "missing " + want[0].Name + "\n", "differs web_web\n", "replicas: 1 -> 2\n", "env API_TOKEN: ", "rollback-order: stop-first -> start-first\n"} {
		if !strings.Contains(said, has) {
			t.Errorf("%q is not told of:\n%s", has, said)
		}
	}
	if strings.Contains(said, "hunter2") || strings.Contains(said, "shop_web") {
		t.Errorf("too much is told:\n%s", said)
	}
}
