package ui

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"quarterdeck/actions"
	"quarterdeck/sources"
	"quarterdeck/sources/fleet"
)

// rowOf puts the timeline's cursor on the newest row of a kind and a text.
func rowOf(t *testing.T, r *rig, kind, text string) {
	t.Helper()
	for i, id := range r.timeline.ids {
		if o := r.timeline.byID[id].of; o != nil && o.Kind == kind && strings.Contains(o.Text, text) {
			r.timeline.moveTo(i)
			return
		}
	}
	t.Fatalf("no row of %s %q:\n%s", kind, text, r.screen())
}

// TestRowsLeadToTheirEvidence: and the shared moment is when it happened.
func TestRowsLeadToTheirEvidence(t *testing.T) {
	ago := func(d time.Duration) time.Time { return noon.Add(-d) }
	for _, tc := range []struct {
		about string
		h     fleet.Happening
		there func(r *rig) bool
	}{
		{"node", fleet.Happening{Kind: fleet.NodeChanged, Node: "node2", Text: "down"}, func(r *rig) bool { return r.view == viewNodes && r.nodes.selected() == "n2" }},
		{"source", fleet.Happening{Kind: fleet.SourceChanged, Text: "loki LIVE"}, func(r *rig) bool { _, ok := r.overlay.(*noteBox); return ok }},
		{"deploy", fleet.Happening{Kind: fleet.DeployStarted, Service: "shop_web", Text: "web:2"}, func(r *rig) bool { _, ok := r.overlay.(*changeBox); return ok }},
		{"run", fleet.Happening{Kind: fleet.ActionBegun, Service: "gone", Target: "gone", Action: "scale", Run: "r1", Text: "ada: scale gone begun"}, func(r *rig) bool { _, ok := r.overlay.(*recordBox); return ok }},
		{"start", fleet.Happening{Kind: fleet.TaskStarted, Service: "shop_web", Text: "shop_web.2", Ref: "t-shop_web-2"}, func(r *rig) bool { return r.view == viewTasks && r.tasks.service == "shop_web" }},
		{"alert that is over", fleet.Happening{Kind: fleet.AlertResolved, Service: "shop_api", Text: "Old", Ref: "zz"}, func(r *rig) bool { return r.view == viewTasks && r.tasks.service == "shop_api" }},
		{"silence", fleet.Happening{Kind: fleet.SilenceBegun, Text: "x", Ref: "s2"}, func(r *rig) bool { return r.view == viewAlerts && r.selectedSilence().ID == "s2" }},
		{"health", fleet.Happening{Kind: fleet.HealthChanged, Service: "shop_cart", Text: "healthy → down"}, func(r *rig) bool { return r.view == viewTasks && r.tasks.service == "shop_cart" }},
		{"mark about nothing", fleet.Happening{Kind: fleet.Annotated, Text: "the move begins"}, func(r *rig) bool { _, ok := r.overlay.(*noteBox); return ok }},
	} {
		t.Run(tc.about, func(t *testing.T) {
			r, _, _ := ringingRig(t, 120, 40, "")
			tc.h.Time, tc.h.Source = ago(7*time.Minute+time.Second), "x"
			r.o.Fleet.Note(tc.h)
			r.send(wakeMsg{snap: r.o.Fleet.Snapshot()})
			r.press("6")
			text, _, _ := strings.Cut(tc.h.Text, " begun")
			rowOf(t, r, tc.h.Kind, text)
			r.press("enter")
			if !tc.there(r) || !r.when.at.Equal(tc.h.Time) {
				t.Fatalf("at %s:\n%s", r.when.at, r.screen())
			}
			checkFrame(t, r.Model)
		})
	}
}

func TestAnActiveAlertLeadsToIt(t *testing.T) {
	r, _, _ := ringingRig(t, 120, 40, "")
	r.press("6")
	rowOf(t, r, fleet.AlertFiring, "HighErrorRate")
	r.press("enter")
	if a := r.selectedAlert(); r.view != viewAlerts || a == nil || a.Fingerprint != "a1" || !r.when.at.Equal(noon.Add(-12*time.Minute)) {
		t.Fatalf("at %s:\n%s", r.when.at, r.screen())
	}
}

// TestADeadTaskLeadsToItsLastLines: of a crash loop to those of the last one.
func TestADeadTaskLeadsToItsLastLines(t *testing.T) {
	r, _, _ := ringingRig(t, 160, 48, "")
	r.press("6")
	rowOf(t, r, fleet.TaskDied, "non-zero")
	r.press("enter")
	if r.view != viewTasks || r.tasks.selected() != "dead1" || !r.when.at.Equal(noon.Add(-50*time.Second)) {
		t.Fatalf("task %q at %s:\n%s", r.tasks.selected(), r.when.at, r.screen())
	}
}

// TestEarlierIsAskedFor: what fired before the console was there joins the list; an answer to an older question is dropped; who could not be asked is
// named, and what he knew of is not there without a word.
func TestEarlierIsAskedFor(t *testing.T) {
	r, _, book := ringingRig(t, 160, 48, "")
	book.fired = []sources.Alert{
		{Fingerprint: "p1", Name: "OldTrouble", Service: "shop_api", Since: noon.Add(-40 * time.Minute), Ends: noon.Add(-30 * time.Minute)},
		{Fingerprint: "a1", Name: "HighErrorRate", Service: "shop_web", Since: noon.Add(-12*time.Minute + 20*time.Second)},
	}
	r.press("6")
	r.shows("OldTrouble, after 10m0s", "HighErrorRate: answers with errors", "alertmanager prometheus")
	old := r.timeline.past.generation
	book.err = &sources.Error{Source: "prometheus", Kind: sources.Unreachable, Op: "list the alerts that fired", Err: errors.New("connection refused")}
	book.fired = nil
	r.press("[")
	r.shows("not all could be asked")
	rows := len(r.timeline.rows)
	r.send(pastMsg{generation: old, list: []fleet.Happening{{Time: noon, Kind: fleet.Annotated, Text: "late", Source: "x"}}})
	if len(r.timeline.rows) != rows {
		t.Fatal("an answer to an older question was taken")
	}
	r.timeline.selectID(beganRow)
	r.shows("alerts not known before", "connection refused")
	before := book.asked.Load()
	r.press("j", "k", "j")
	if book.asked.Load() != before || r.timeline.past.loading {
		t.Fatal("moving about asks again")
	}
}

func TestTimelineNarrowed(t *testing.T) {
	r, _, _ := ringingRig(t, 120, 40, "")
	r.press("6")
	all := len(r.timeline.byID)
	r.press("T", "o", "esc")
	for _, row := range r.timeline.byID {
		if sortOf(row.of.Kind) != 0 {
			t.Fatalf("only deploys, and %s", row.of.Kind)
		}
	}
	r.press("T", "a", "esc")
	rowOf(t, r, fleet.AlertFiring, "HighErrorRate")
	r.press("a")
	for _, row := range r.timeline.byID {
		if !aboutService(row.of, "shop_web") {
			t.Fatalf("only shop_web, and %+v", row.of)
		}
	}
	r.shows("only shop_web")
	r.press("a")
	if len(r.timeline.byID) != all {
		t.Fatalf("%d rows of %d", len(r.timeline.byID), all)
	}
	rowOf(t, r, fleet.TaskDied, "non-zero")
	r.press("space")
	if len(r.timeline.byID) != all+3 {
		t.Fatalf("a fold of three opens to %d", len(r.timeline.byID)-all)
	}
	r.press("space")
	if o, _ := r.selectedOccurrence(); len(r.timeline.byID) != all || o == nil || o.Kind != fleet.TaskDied {
		t.Fatalf("folded again, the cursor is on %+v", o)
	}
}

// TestTimelineFollowsTheMoment: the cursor goes to what happened last before it.
func TestTimelineFollowsTheMoment(t *testing.T) {
	r, _, _ := ringingRig(t, 120, 40, "")
	r.press("6")
	r.when.set(noon.Add(-5*time.Minute), noon)
	r.send(wakeMsg{snap: r.o.Fleet.Snapshot()})
	if o, _ := r.selectedOccurrence(); o == nil || !o.Time.Equal(noon.Add(-11*time.Minute)) {
		t.Fatalf("%+v", o)
	}
	r.press("0")
	if r.timeline.index > 1 {
		t.Fatalf("live, the cursor is on row %d", r.timeline.index)
	}
}

func TestFieldsInShort(t *testing.T) {
	image := func(s string) sources.FieldChange {
		a, b, _ := strings.Cut(s, " ")
		return sources.FieldChange{Path: []string{"TaskTemplate", "ContainerSpec", "Image"}, Field: "image", Before: a, After: b}
	}
	env := sources.FieldChange{Field: "env TIMEOUT", Before: "TIMEOUT=5s", After: "TIMEOUT=2s"}
	for _, tc := range []struct {
		fields []sources.FieldChange
		want   string
	}{
		{[]sources.FieldChange{image("reg:5000/shop/web:1.4 reg:5000/shop/web:1.5")}, "image 1.4 → 1.5"},
		{[]sources.FieldChange{image("reg:5000/web reg:5000/web:1.5"), env}, "image  → 1.5, env TIMEOUT 5s → 2s"},
		{[]sources.FieldChange{image("a.io/web:1 a.io/api:1"), env, env, env}, "image web:1 → api:1, env TIMEOUT 5s → 2s, +2"},
		{[]sources.FieldChange{image("web:1@sha256:0123456789abcdef web:1@sha256:fedcba9876543210")}, "image 1@0123456789ab → @fedcba987654"},
	} {
		if got := fieldsInShort(tc.fields); !slices.Equal(strings.Fields(got), strings.Fields(tc.want)) {
			t.Errorf("%q, want %q", got, tc.want)
		}
	}
}

// TestRowsSayWhatMattersFirst: what the columns tell already takes no room from why.
func TestRowsSayWhatMattersFirst(t *testing.T) {
	m, _ := console(t, 80, 24, nil)
	for _, c := range []struct {
		o    fleet.Occurrence
		want string
	}{
		{fleet.Occurrence{Kind: fleet.AlertFiring, Service: "shop_web", Text: "HighErrorRate: shop_web answers with errors", Count: 1}, "HighErrorRate: answers with errors"},
		{fleet.Occurrence{Kind: fleet.AlertFiring, Text: "NodeDown: Node node3 is down", Count: 1}, "NodeDown: Node node3 is down"},
		{fleet.Occurrence{Kind: fleet.TaskDied, Service: "shop_web", Text: "task: non-zero exit (1)", Count: 3, Last: noon}, "+ ×3 non-zero exit (1), last at 12:00:00"},
		{fleet.Occurrence{Kind: fleet.RolledBack, Service: "shop_web", Text: "web:1 → web:2", Outcome: "rolled back: update rolled back due to failure", Time: noon, End: noon.Add(9 * time.Second), Count: 1},
			"web:1 → web:2 → back after 9 s: due to failure"},
		{fleet.Occurrence{Kind: fleet.RolledBack, Service: "shop_web", Text: "web:1 → web:2", Outcome: "rolled back: rollback completed", Time: noon, End: noon.Add(9 * time.Second), Count: 1},
			"web:1 → web:2 → back after 9 s"},
	} {
		if got := m.occurrenceWords(&c.o); got != c.want {
			t.Errorf("%q, want %q", got, c.want)
		}
	}
}

// TestShortDiffGoesTheRightWay: a row of a rollout that the swarm took back says what was tried, and one of somebody who went back says what he went back to.
func TestShortDiffGoesTheRightWay(t *testing.T) {
	r := newRig(t, 120, 40, nil)
	state := func(image string, since time.Duration, run string, now bool) actions.State {
		spec, err := sources.NewSpec([]byte(fmt.Sprintf(`{"Name":"shop_web","TaskTemplate":{"ContainerSpec":{"Image":%q}}}`, image)))
		if err != nil {
			t.Fatal(err)
		}
		if err := r.deck.Journal.SaveSpec(spec.Hash(), spec.JSON()); err != nil {
			t.Fatal(err)
		}
		return actions.State{SpecRef: actions.SpecRef{Spec: spec.Hash()}, Since: noon.Add(since), Run: run, Now: now}
	}
	first := state("web:0", -9*time.Hour, "", false)
	for _, tc := range []struct {
		what   string
		row    fleet.Occurrence
		states []actions.State
		want   string
	}{
		{"a deploy", fleet.Occurrence{Kind: fleet.DeployDone}, []actions.State{state("web:2", 0, "", true), state("web:1", -time.Hour, "", false), first}, "image 1 → 2"},
		{"the swarm took it back", fleet.Occurrence{Kind: fleet.RolledBack}, []actions.State{state("web:1", 0, "", true), state("web:2", -time.Minute, "", false), first}, "image 1 → 2"},
		{"somebody went back", fleet.Occurrence{Kind: fleet.RolledBack, Run: "r1"}, []actions.State{state("web:1", 0, "r1", true), state("web:2", -time.Hour, "", false), first}, "image 2 → 1"},
		{"somebody else's, long ago", fleet.Occurrence{Kind: fleet.DeployDone}, []actions.State{state("web:2", -3*time.Hour, "", true), state("web:1", -4*time.Hour, "", false), first}, ""},
	} {
		tc.row.Time = noon
		if got := shortDiff(r.deck, tc.states, &tc.row); got != tc.want {
			t.Errorf("%s: %q, want %q", tc.what, got, tc.want)
		}
	}
}
