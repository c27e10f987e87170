package diagnosis

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"quarterdeck/sources"
	"quarterdeck/sources/fleet"
)

// TestSinceIsTheBeginning: a loop began with its first failure, though the swarm keeps the last five alone; neither another kind of end, nor one long
// before, nor what was before a deploy belongs to it.
func TestSinceIsTheBeginning(t *testing.T) {
	const loop = "task: non-zero exit (1)"
	died := func(ago time.Duration, words string) fleet.Happening {
		return fleet.Happening{Time: noon.Add(-ago), Kind: fleet.TaskDied, Service: "web", Text: "web.1 on n1: " + words}
	}
	row := []fleet.Happening{died(12*time.Minute, loop), died(9*time.Minute, loop), died(5*time.Minute, loop), died(time.Minute, loop)}
	for name, c := range map[string]struct {
		before []fleet.Happening
		want   time.Duration
	}{
		"the row":             {nil, 12 * time.Minute},
		"another end":         {[]fleet.Happening{died(13*time.Minute, "task: non-zero exit (137)")}, 12 * time.Minute},
		"long before":         {[]fleet.Happening{died(30*time.Minute, loop)}, 12 * time.Minute},
		"a deploy in between": {[]fleet.Happening{died(14*time.Minute, loop), {Time: noon.Add(-13 * time.Minute), Kind: fleet.DeployStarted, Service: "web"}}, 12 * time.Minute},
		"another's":           {[]fleet.Happening{{Time: noon.Add(-13 * time.Minute), Kind: fleet.TaskDied, Service: "api", Text: loop}}, 12 * time.Minute},
	} {
		t.Run(name, func(t *testing.T) {
			v := &fleet.Service{Service: sources.Service{Name: "web"}}
			s := &Scene{At: noon, Service: v, Snap: &fleet.Snapshot{At: noon, History: append(c.before, row...), Services: []*fleet.Service{v}}}
			cause := &Cause{}
			cause.shows(s, []sources.Task{{State: sources.TaskFailed, Err: loop, Since: noon.Add(-time.Second)}, {State: sources.TaskFailed, Err: loop, Since: noon.Add(-time.Minute)}})
			if got := noon.Sub(cause.Since); got != c.want {
				t.Errorf("%s ago", got)
			}
		})
	}
}

// TestSinceStays: a cause that is named again and again keeps its date; one that comes back after a while does not.
func TestSinceStays(t *testing.T) {
	var m memory
	at := noon
	look := func(since time.Time) time.Time {
		c := []Cause{{ID: "disk-full", Service: "db", Since: since}}
		m.recall(c, at, true)
		return c[0].Since
	}
	first := look(noon.Add(-time.Minute))
	for range 5 {
		at = at.Add(Recent - time.Second)
		if got := look(at.Add(-time.Second)); !got.Equal(first) {
			t.Fatalf("it slides to %s", got)
		}
	}
	at = at.Add(Recent + time.Second)
	if got := look(at); !got.Equal(at) {
		t.Errorf("what is over is remembered: %s", got)
	}
	if len(m.known) != 1 {
		t.Errorf("%d are remembered", len(m.known))
	}
}

// TestLinesCutBeginWithTheJump: where lines were left away, the first that was read is not the beginning.
func TestLinesCutBeginWithTheJump(t *testing.T) {
	l := &LogsSeen{From: noon.Add(-5 * time.Minute), Jump: Jump{Found: true, From: noon.Add(-10 * time.Minute)}, Cut: true, Headless: true}
	if got := l.saidSince(noon.Add(-time.Minute)); !got.Equal(l.Jump.From) {
		t.Errorf("cut by number: %s", got)
	}
	l.Headless = false
	if got := l.saidSince(noon.Add(-time.Minute)); !got.Equal(noon.Add(-time.Minute)) {
		t.Errorf("with its oldest lines: %s", got)
	}
	if got := l.saidSince(l.From.Add(time.Second)); !got.Equal(l.Jump.From) {
		t.Errorf("cut by time: %s", got)
	}
}

// TestOneChangeIsOneProof: however it is told, with units; and what the swarm took back by itself is no change by anybody.
func TestOneChangeIsOneProof(t *testing.T) {
	d := Change{At: noon.Add(-time.Minute), Text: "redeploy", Fields: []sources.FieldChange{
		{Path: []string{"TaskTemplate", "Resources", "Limits", "MemoryBytes"}, Field: "limit-memory", Before: json.Number("201326592"), After: json.Number("50331648")}}}
	c := &Cause{}
	c.add(d.proof(noon))
	c.add(d.proof(noon.Add(-30 * time.Second)))
	if len(c.Evidence) != 1 || !strings.Contains(c.Evidence[0].Text, "limit-memory 192 MiB → 48 MiB") {
		t.Errorf("%+v", c.Evidence)
	}
	folded := fold([]Cause{{ID: "bad-deploy", Service: "web", Confidence: 0.9, Evidence: []Proof{d.proof(noon.Add(-20 * time.Second))}}, {ID: "start-failed", Service: "web", Confidence: 0.95, Evidence: c.Evidence}})
	if len(folded) != 1 || len(folded[0].Evidence) != 1 {
		t.Errorf("%+v", folded)
	}
	back := Change{At: noon.Add(-30 * time.Second), Engine: true, Fields: d.Fields}
	s := &Scene{At: noon, Changes: []Change{back, d}}
	if got := s.changeBefore(noon); got == nil || !got.At.Equal(d.At) {
		t.Errorf("the swarm's own is taken for somebody's: %+v", got)
	}
}

// TestTookBack: within a rollback of the swarm's own, and not after it.
func TestTookBack(t *testing.T) {
	v := &fleet.Service{Service: sources.Service{Name: "web", UpdateState: "rollback_completed", UpdateStarted: noon.Add(-2 * time.Minute), UpdateCompleted: noon.Add(-time.Minute)}}
	s := &Scene{At: noon, Service: v, Snap: &fleet.Snapshot{}}
	if !s.tookBack(noon.Add(-90*time.Second)) || s.tookBack(noon) || s.tookBack(noon.Add(-5*time.Minute)) {
		t.Error("by its update state")
	}
	v.UpdateState = "completed"
	s.Snap.History = []fleet.Happening{{Time: noon.Add(-time.Minute), Began: noon.Add(-2 * time.Minute), Kind: fleet.RolledBack, Service: "web"}}
	if !s.tookBack(noon.Add(-90*time.Second)) || s.tookBack(noon) {
		t.Error("by the history")
	}
}

// TestLastWordsAreRemembered: dead tasks' lines do not change. A look that comes too late to read them again knows what an earlier one has read, and what was
// never heard speaks for no clean exit where there is a health check.
func TestLastWordsAreRemembered(t *testing.T) {
	web := &fleet.Service{Service: sources.Service{Name: "web", Mode: sources.Replicated, Desired: 1, Healthcheck: "CMD wget -q localhost"}}
	s := &Scene{At: noon, Snap: &fleet.Snapshot{At: noon, Services: []*fleet.Service{web}}, Service: web, Logs: &LogsSeen{Source: "loki"}}
	var lines []sources.Entry
	for _, id := range []string{"a", "b"} {
		end := noon.Add(-time.Duration(len(lines)+1) * 24 * time.Second)
		s.Tasks = append(s.Tasks, sources.Task{ID: id, Slot: 1, State: sources.TaskComplete, Desired: sources.TaskShutdown, Created: end.Add(-20 * time.Second), Since: end})
		lines = append(lines, sources.Entry{Time: end, Line: "SIGTERM received, draining", Stream: &sources.Stream{Service: "web", Task: id}})
	}
	if got := exitsCleanly(s, nil); got == nil || got.Confidence >= 0.5 || strings.Contains(textOfNext(got), "restart-condition") {
		t.Errorf("unheard: %+v", got)
	}
	var m memory
	m.lastWords(lines, s.Tasks)
	s.Logs.Dead = m.lastWords(nil, s.Tasks)
	if len(s.Logs.Dead) != 2 || s.Logs.Dead[0].Stream.Task != "b" {
		t.Fatalf("%+v", s.Logs.Dead)
	}
	if got := exitsCleanly(s, nil); got == nil || got.Confidence != 0.4 {
		t.Errorf("remembered: %+v", got)
	}
	if got := m.lastWords(lines[:1], s.Tasks[:1]); len(got) != 1 {
		t.Errorf("read anew, and of tasks that are asked about alone: %+v", got)
	}
}

func textOfNext(c *Cause) string {
	text := ""
	for _, n := range c.Next {
		text += n.Text + n.Action + "\n"
	}
	return text
}
