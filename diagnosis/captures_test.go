package diagnosis_test

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"quarterdeck/diagnosis"
	"quarterdeck/sources/fleet"
	sut "quarterdeck/sources/swarm"
)

// capture is what a real engine answered while a fault was on (testdata/captures/faults, written by `lab fault capture`).
type capture struct {
	Fault, ID, Service, Node string
	Expect                   []struct{ Service, ID string }
	Captured                 time.Time
	Services, Tasks, Nodes   json.RawMessage
}

// engine answers as the captured one did. What was not captured it does not allow, as a socket proxy would.
func (c *capture) engine(t *testing.T) string {
	t.Helper()
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Api-Version", "1.41")
		path := r.URL.Path
		if i := strings.Index(path[1:], "/"); strings.HasPrefix(path, "/v1.") && i > 0 {
			path = path[i+1:]
		}
		answer := map[string]json.RawMessage{"/services": c.Services, "/tasks": c.Tasks, "/nodes": c.Nodes, "/_ping": json.RawMessage("OK"),
			"/info":    json.RawMessage(`{"ServerVersion":"20.10.24","Swarm":{"LocalNodeState":"active","ControlAvailable":true,"Cluster":{"ID":"captured"}}}`),
			"/version": json.RawMessage(`{"Version":"20.10.24","ApiVersion":"1.41"}`)}[path]
		if answer == nil {
			http.Error(w, `{"message":"not captured"}`, http.StatusForbidden)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		_, _ = w.Write(answer)
	}))
	t.Cleanup(s.Close)
	return "tcp://" + s.Listener.Addr().String()
}

// silent are faults of which the swarm says nothing, or not enough: what tells of them are logs and metrics (docs/faults.md, the last point).
var silent = map[string]bool{"bad-deploy": true, "certificate": true, "dependency": true, "dependency-declared": true, "disk-full": true, "new-pattern": true, "throttled": true,
	"leak": true, "kill": true, "turns-unhealthy": true, "bad-health-check": true, "scaled-to-zero": true}

// TestCaptures holds the rules against what a real engine has said, without logs and metrics: the cause is first where the engine has words for it,
// and nothing wrong is ever said with confidence.
func TestCaptures(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("../testdata/captures/faults/*.json")
	must(t, err)
	if len(files) < 20 {
		t.Fatalf("there are %d captures", len(files))
	}
	for _, file := range files {
		raw, err := os.ReadFile(file)
		must(t, err)
		var c capture
		must(t, json.Unmarshal(raw, &c))
		t.Run(c.Fault, func(t *testing.T) {
			t.Parallel()
			c.check(t)
		})
	}
}

func (c *capture) check(t *testing.T) {
	t.Helper()
	client, err := sut.New(sut.Options{Host: c.engine(t)})
	must(t, err)
	t.Cleanup(func() { _ = client.Close() })
	now := func() time.Time { return c.Captured }
	f := fleet.New(now, fleet.SwarmName)
	must(t, f.Once(t.Context(), fleet.Feeds{Swarm: client}))
	d := &diagnosis.Doctor{Fleet: f, Now: now}
	rep, err := d.Investigate(t.Context(), diagnosis.Question{}, nil)
	must(t, err)
	expected := map[string]string{} // by service or node
	for _, e := range c.Expect {
		expected[e.Service] = e.ID
	}
	found := map[string]bool{}
	for i := range rep.Causes {
		x := &rep.Causes[i]
		on := x.Service
		if on == "" {
			on = x.Node
		}
		id := expected[on]
		if on == c.Node && on != "" {
			id = c.ID
		}
		if x.ID == id {
			found[on] = true
		} else if x.Confidence >= diagnosis.Confident && x.EffectOf == "" && (id != "bad-deploy" || x.ID != "crash-loop") {
			t.Errorf("confident and wrong, expected %q of %s:%s", id, on, words(&rep))
		}
	}
	if silent[c.Fault] {
		return
	}
	for on := range expected {
		if !found[on] && c.Node == "" {
			t.Errorf("%s of %s is not found:%s", expected[on], on, words(&rep))
		}
	}
	if c.Node != "" && !found[c.Node] {
		t.Errorf("%s of node %s is not found:%s", c.ID, c.Node, words(&rep))
	}
	if len(rep.Causes) == 0 || rep.Causes[0].ID != c.ID {
		t.Errorf("first is not %s:%s", c.ID, words(&rep))
	}
}
