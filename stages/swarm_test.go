package stages

import (
	"strings"
	"testing"

	"quarterdeck/sources"
)

// Of one task that writes to a volume it is right that it stops before the next starts, and it is never told to do otherwise.
func TestUpdatesOfOneWriter(t *testing.T) {
	s := Defaults()
	for _, x := range []struct {
		order, action string
		state         State
		set           string
	}{
		{"stop-first", "pause", Pass, ""},
		{"start-first", "rollback", Warn, "order: stop-first"},
		{"start-first", "continue", Warn, "order: stop-first"},
		{"stop-first", "continue", Fail, "failure_action: rollback"},
	} {
		r := zeroDowntimeUpdate.run(good(func(e *Evidence) {
			web(e).Desired, web(e).Mounts = 1, []sources.Mount{{Type: "volume", Source: "data", Target: "/data"}}
			web(e).Update = sources.UpdatePolicy{Order: x.order, FailureAction: x.action}
		}), &s)
		if r.State != x.state || x.set != "" && (len(r.Subjects) != 1 || !strings.Contains(r.Subjects[0].Set, x.set)) {
			t.Errorf("%s, %s: %s %+v", x.order, x.action, r.State, r.Subjects)
		}
	}
}

// Where the nodes alone cannot be listed that is said, and not that the swarm was not read.
func TestNodesThatCannotBeListed(t *testing.T) {
	s := Defaults()
	e := good(func(e *Evidence) { e.Fleet.Nodes = nil })
	for _, c := range []*Check{managerQuorum, costPerService, capacityHeadroom} {
		if r := c.run(e, &s); r.State != Unknown || !strings.Contains(r.Reason, "GET /nodes") {
			t.Errorf("%s: %s %s", c.ID, r.State, r.Reason)
		}
	}
}
