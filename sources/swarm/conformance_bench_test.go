package swarm_test

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"quarterdeck/sources"
	sut "quarterdeck/sources/swarm"
)

// bench is a swarm in which a run may make things of its own.
type bench struct {
	host  string
	image string
	once  map[string]any // what makes a container of the image end by itself with exit 0
}

// testBench is what every swarm must do for what a run makes and takes away again. Each case leaves nothing behind.
func testBench(t *testing.T, b bench) {
	for _, c := range []struct {
		name string
		run  func(*testing.T, bench)
	}{
		{"a service that runs once", testOneShot},
		{"a name that is taken", testTaken},
		{"networks", testNetworks},
		{"configs and their labels", testConfigs},
		{"what is not there", testAbsent},
	} {
		t.Run(c.name, func(t *testing.T) { c.run(t, b) })
	}
}

func benchName(what string) string {
	return fmt.Sprintf("benchtest-%s-%d", what, time.Now().UnixNano()%1e9)
}

// spec is one of a service with one replica that is not started again.
func (b bench) spec(t *testing.T, name string, box map[string]any, networks ...string) sources.Spec {
	t.Helper()
	all := map[string]any{"Image": b.image, "StopGracePeriod": int64(time.Second)}
	for k, v := range box {
		all[k] = v
	}
	task := map[string]any{"ContainerSpec": all, "RestartPolicy": map[string]any{"Condition": "none"}, "LogDriver": map[string]any{"Name": "json-file"}}
	for _, n := range networks {
		task["Networks"] = []any{map[string]any{"Target": n}}
	}
	raw, err := json.Marshal(map[string]any{"Name": name, "Labels": map[string]string{"qd.test": name}, "TaskTemplate": task,
		"Mode": map[string]any{"Replicated": map[string]any{"Replicas": 1}}, "EndpointSpec": map[string]any{"Mode": "dnsrr"}})
	if err != nil {
		t.Fatal(err)
	}
	s, err := sources.NewSpec(raw)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// made makes a service, which goes with the test at the latest.
func made(t *testing.T, h *sut.Hands, s sources.Spec) string {
	t.Helper()
	id, err := h.CreateService(t.Context(), s)
	if err != nil || id == "" {
		t.Fatal(id, err)
	}
	t.Cleanup(func() { _ = h.RemoveService(context.WithoutCancel(t.Context()), id) })
	return id
}

// soon asks until the answer is yes.
func soon(t *testing.T, what string, yes func() bool) {
	t.Helper()
	for deadline := time.Now().Add(2 * waitLimit); !yes(); time.Sleep(50 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("it never was so: %s", what)
		}
	}
}

func benchRefused(t *testing.T, what string, err error, want sources.Kind) {
	t.Helper()
	if sources.KindOf(err) != want || sources.NextOf(err) == "" {
		t.Errorf("%s: want %s, got %v", what, want, err)
	}
}

func testOneShot(t *testing.T, b bench) {
	h, name := handsOf(t, b.host), benchName("once")
	id := made(t, h, b.spec(t, name, b.once))
	var last sources.Task
	soon(t, "its task is complete", func() bool {
		tasks, err := h.ServiceTasks(t.Context(), name)
		if err != nil {
			t.Fatal(err)
		}
		if len(tasks) > 0 {
			last = tasks[0]
		}
		return len(tasks) == 1 && last.State == sources.TaskComplete
	})
	if last.ServiceID != id || last.ExitCode != 0 || last.NodeID == "" || last.Err != "" {
		t.Errorf("%+v", last)
	}
	time.Sleep(time.Second) // a restart would come within its delay, which is none
	byID, err := h.ServiceTasks(t.Context(), id)
	if err != nil || len(byID) != 1 || byID[0].ID != last.ID {
		t.Errorf("it was started again, or is not found by its id: %+v, %v", byID, err)
	}
	if err := h.RemoveService(t.Context(), name); err != nil {
		t.Error(err)
	}
	_, err = h.ServiceTasks(t.Context(), name)
	benchRefused(t, "tasks of a service that is gone", err, sources.NotFound)
	for _, ref := range []string{id, name} {
		if err := h.RemoveService(t.Context(), ref); err != nil {
			t.Errorf("removed again: %v", err)
		}
	}
}

func testTaken(t *testing.T, b bench) {
	h, name := handsOf(t, b.host), benchName("taken")
	made(t, h, b.spec(t, name, nil))
	_, err := h.CreateService(t.Context(), b.spec(t, name, nil))
	benchRefused(t, "a service of that name", err, sources.Conflict)
	_, err = h.CreateService(t.Context(), b.spec(t, "no name", nil))
	benchRefused(t, "a name that is none", err, sources.BadQuestion)
}

func testNetworks(t *testing.T, b bench) {
	h, name := handsOf(t, b.host), benchName("net")
	labels := map[string]string{"qd.test.run": name}
	spec := sources.NetworkSpec{Name: name, Labels: labels, Attachable: true, Internal: true}
	id, err := h.CreateNetwork(t.Context(), spec)
	if err != nil || id == "" {
		t.Fatal(id, err)
	}
	t.Cleanup(func() { _ = h.RemoveNetwork(context.WithoutCancel(t.Context()), id) })
	_, err = h.CreateNetwork(t.Context(), spec)
	benchRefused(t, "a network of that name", err, sources.Conflict)
	if names, err := h.NetworkNames(t.Context(), "qd.test.run", name); err != nil || !slices.Equal(names, []string{name}) {
		t.Errorf("%q, %v", names, err)
	}
	soon(t, "the leader has given it a driver", func() bool { // none until then: swarmkit's allocator, allocateNetwork
		all, err := h.Networks(t.Context())
		at := slices.IndexFunc(all, func(n sources.Network) bool { return n.ID == id })
		if err != nil || at < 0 || all[at].Name != name || all[at].Scope != "swarm" || !all[at].Attachable || !all[at].Internal || all[at].Labels["qd.test.run"] != name {
			t.Fatalf("%+v, %v", all, err)
		}
		return all[at].Driver == "overlay"
	})
	if names, err := h.NetworkNames(t.Context(), "qd.test.run", name+"x"); err != nil || len(names) != 0 {
		t.Errorf("of another label: %q, %v", names, err)
	}
	service := benchName("on-net")
	made(t, h, b.spec(t, service, nil, name)) // by its name
	benchRefused(t, "a network with a service on it", h.RemoveNetwork(t.Context(), id), sources.Conflict)
	benchRefused(t, "the same by name", h.RemoveNetwork(t.Context(), name), sources.Conflict)
	soon(t, "its task runs", func() bool {
		tasks, err := h.ServiceTasks(t.Context(), service)
		return err == nil && len(tasks) == 1 && tasks[0].State == sources.TaskRunning
	})
	if err := h.RemoveService(t.Context(), service); err != nil {
		t.Fatal(err)
	}
	soon(t, "the network can be removed", func() bool {
		err := h.RemoveNetwork(t.Context(), name)
		if err != nil && sources.KindOf(err) != sources.Conflict {
			t.Fatal(err)
		}
		return err == nil
	})
	if err := h.RemoveNetwork(t.Context(), id); err != nil {
		t.Errorf("removed again: %v", err)
	}
	_, err = h.CreateService(t.Context(), b.spec(t, benchName("no-net"), nil, name))
	benchRefused(t, "a service on a network that is gone", err, sources.NotFound)
}

func testConfigs(t *testing.T, b bench) {
	h, name := handsOf(t, b.host), benchName("lock")
	id, err := h.CreateMaterial(t.Context(), sources.Config, sources.Material{Name: name, Labels: map[string]string{"phase": "1"}, Data: []byte(`{"run":"r"}`)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = h.RemoveMaterial(context.WithoutCancel(t.Context()), sources.Config, id) })
	c, err := h.ReadConfig(t.Context(), name)
	if err != nil || c.ID != id || c.Name != name || string(c.Data) != `{"run":"r"}` || c.Labels["phase"] != "1" || c.Version == 0 {
		t.Fatalf("%+v, %v", c, err)
	}
	if err := h.RelabelConfig(t.Context(), id, c.Version, map[string]string{"phase": "2", "more": "x"}); err != nil {
		t.Fatal(err)
	}
	benchRefused(t, "an old version", h.RelabelConfig(t.Context(), id, c.Version, map[string]string{"phase": "3"}), sources.Conflict)
	c, err = h.ReadConfig(t.Context(), id)
	if err != nil || c.Labels["phase"] != "2" || c.Labels["more"] != "x" || string(c.Data) != `{"run":"r"}` {
		t.Fatalf("%+v, %v", c, err)
	}
	errs := make([]error, 6)
	var wg sync.WaitGroup
	for i := range errs {
		wg.Go(func() {
			errs[i] = h.RelabelConfig(t.Context(), id, c.Version, map[string]string{"phase": fmt.Sprint("of ", i)})
		})
	}
	wg.Wait()
	won := -1
	for i, err := range errs {
		switch {
		case err == nil && won < 0:
			won = i
		case err == nil:
			t.Errorf("%d and %d both changed version %d", won, i, c.Version)
		default:
			benchRefused(t, "the second of two", err, sources.Conflict)
		}
	}
	if c, err = h.ReadConfig(t.Context(), id); err != nil || c.Labels["phase"] != fmt.Sprint("of ", won) {
		t.Errorf("%d won, and it says %+v, %v", won, c.Labels, err)
	}
	service := benchName("reads-lock")
	file := map[string]any{"Name": "/qd/test.json", "UID": "0", "GID": "0", "Mode": 0o400}
	made(t, h, b.spec(t, service, map[string]any{"Configs": []any{map[string]any{"ConfigID": id, "ConfigName": name, "File": file}}}))
	err = h.RemoveMaterial(t.Context(), sources.Config, id)
	if benchRefused(t, "a config in use", err, sources.Conflict); err != nil && !strings.Contains(err.Error(), service) {
		t.Errorf("who uses it is not said: %v", err)
	}
}

func testAbsent(t *testing.T, b bench) {
	h, none := handsOf(t, b.host), benchName("none")
	_, err := h.ReadConfig(t.Context(), none)
	benchRefused(t, "a config", err, sources.NotFound)
	benchRefused(t, "a config's labels", h.RelabelConfig(t.Context(), none, 1, nil), sources.NotFound)
	_, err = h.ServiceTasks(t.Context(), none)
	benchRefused(t, "a service's tasks", err, sources.NotFound)
	if err := h.RemoveService(t.Context(), none); err != nil {
		t.Error(err)
	}
	if err := h.RemoveNetwork(t.Context(), none); err != nil {
		t.Error(err)
	}
}
