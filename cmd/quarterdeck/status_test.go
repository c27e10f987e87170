package main

import (
	"strings"
	"testing"
	"time"

	"quarterdeck/sources"
	"quarterdeck/sources/fleet"
)

// Where nobody looked for alerts, the text does not say that there are none.
func TestStatusTextSaysWhatNobodyLookedAt(t *testing.T) {
	f := fleet.New(time.Now, fleet.SwarmName, fleet.AlertmanagerName)
	text := func() string {
		var b strings.Builder
		if err := writeStatus(&b, f.Snapshot()); err != nil {
			t.Fatal(err)
		}
		return b.String()
	}
	f.SetStatus(sources.Status{Name: fleet.SwarmName, State: sources.Live})
	f.SetStatus(sources.Status{Name: fleet.AlertmanagerName, State: sources.Absent})
	if s := text(); !strings.Contains(s, "alerts ? firing") || !strings.Contains(s, "\nalertmanager ABSENT\n") || strings.Contains(s, "swarm") {
		t.Errorf("not configured:\n%s", s)
	}
	f.SetStatus(sources.Status{Name: fleet.AlertmanagerName, State: sources.Denied, Detail: "a proxy says no"})
	if s := text(); !strings.Contains(s, "alerts ? firing") || !strings.Contains(s, "alertmanager FORBIDDEN: a proxy says no\n") {
		t.Errorf("forbidden:\n%s", s)
	}
	f.SetStatus(sources.Status{Name: fleet.AlertmanagerName, State: sources.Live})
	if s := text(); !strings.Contains(s, "alerts 0 firing") {
		t.Errorf("live:\n%s", s)
	}
}
