package ui

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/charmbracelet/x/ansi"
	"github.com/charmbracelet/x/exp/golden"

	"quarterdeck/recovery"
	"quarterdeck/sources"
	"quarterdeck/sources/fleet"
	"quarterdeck/stages"
)

// words are what persons have said on the test's platform.
func words(context.Context) (map[string]sources.Attestation, error) {
	return map[string]sources.Attestation{
		"no-touch-deploy": {Check: "no-touch-deploy", Who: "ada@example.com", At: noon.Add(-240 * time.Hour), Until: noon.Add(80 * 24 * time.Hour), Note: "the last 30 deploys came from the pipeline"},
		"dashboard-habit": {Check: "dashboard-habit", Who: "bo@example.com", At: noon.Add(-960 * time.Hour), Until: noon.Add(-240 * time.Hour), Note: "we look each morning"},
	}, nil
}

// judged is a feed that has judged a platform once.
func judged(t testing.TB, f *fleet.Fleet, saved *recovery.Feed) *stages.Feed {
	t.Helper()
	settings := stages.Defaults()
	if err := settings.Customise(map[string]string{"rto.pass": "20m"}, []string{"git-no-credentials"}); err != nil {
		t.Fatal(err)
	}
	out := &stages.Feed{Fleet: f.Snapshot, From: stages.Sources{Backups: saved, Words: words}, Settings: settings, Timeout: time.Minute, Now: func() time.Time { return noon }}
	out.Once(t.Context())
	return out
}

func stagesConsole(t testing.TB, w, h int, mend func(*Options)) *Model {
	t.Helper()
	m, _ := console(t, w, h, func(o *Options) {
		o.Fleet, o.Backups = withPolicies(sources.Live, ""), saved(t)
		o.Stages = judged(t, o.Fleet, o.Backups)
		if mend != nil {
			mend(o)
		}
	})
	press(t, m, "7")
	return m
}

func TestGoldenStages(t *testing.T) {
	for _, size := range sizes {
		for name, c := range map[string]struct {
			mend func(*Options)
			keys []string
		}{
			"next": {}, "stage": {nil, []string{"g"}}, "attested": {nil, []string{"/", "t", "o", "u", "c", "h", "enter", "j"}}, "last": {nil, []string{"G"}},
			"ask":       {nil, []string{"G", "a"}},
			"no-colour": {func(o *Options) { o.NoColor, o.ASCII = true, true }, nil},
			"waiting":   {func(o *Options) { o.Stages = &stages.Feed{} }, nil},
			"absent":    {func(o *Options) { o.Stages = nil }, nil},
			"filter":    {nil, []string{"/", "x", "y", "z", "enter"}},
		} {
			t.Run(fmt.Sprintf("%s-%dx%d", name, size[0], size[1]), func(t *testing.T) {
				m := stagesConsole(t, size[0], size[1], c.mend)
				press(t, m, c.keys...)
				checkFrame(t, m)
				golden.RequireEqual(t, m.Frame()+"\n")
			})
		}
	}
}

// The cursor begins at what is next, n goes on from one shut check to the next and around, enter to what a check is about.
func TestStagesLead(t *testing.T) {
	m := stagesConsole(t, 160, 48, nil)
	next := m.stages.report.Next().Check.ID
	if m.stages.selected() != next {
		t.Fatalf("the cursor is on %q, next is %s", m.stages.selected(), next)
	}
	shut := 0
	for i := range m.stages.report.Stages {
		for _, x := range m.stages.report.Stages[i].Results {
			if x.Required && x.State != stages.Pass && x.State != stages.NA {
				shut++
			}
		}
	}
	seen := map[string]bool{}
	for range shut {
		press(t, m, "n")
		x := m.selectedStage().check
		if x == nil || x.State == stages.Pass || x.State == stages.NA || !x.Required {
			t.Fatalf("n leads to %q", m.stages.selected())
		}
		seen[x.Check.ID] = true
	}
	if len(seen) != shut || m.stages.selected() != next {
		t.Errorf("%d of %d seen, and back at %q", len(seen), shut, m.stages.selected())
	}
	m.stages.selectID("backup-fresh")
	about := m.selectedStage().check.Subjects[0].Name
	press(t, m, "enter")
	if m.view != viewBackups || m.backupsService() != about {
		t.Errorf("enter on backup-fresh leads to view %d of %s, want %s", m.view, m.backupsService(), about)
	}
	press(t, m, "esc")
	m.stages.selectID("svc-healthcheck")
	about = m.selectedStage().check.Subjects[0].Name
	press(t, m, "enter")
	if m.view != viewTasks || m.tasks.service != about {
		t.Errorf("enter on svc-healthcheck leads to view %d of %s, want %s", m.view, m.tasks.service, about)
	}
}

// A person's word is asked for where a person answers, and nowhere else.
func TestStagesAttest(t *testing.T) {
	m := stagesConsole(t, 120, 40, nil)
	m.stages.selectID("restart-policy")
	press(t, m, "a")
	if m.prompt != nil || !strings.Contains(m.toast.text, "answered by what is measured") {
		t.Errorf("on a measured check: %q", m.toast.text)
	}
	m.stages.selectID("dr-plan")
	press(t, m, "a")
	if !strings.Contains(m.toast.text, "nothing can be done here") {
		t.Errorf("without a deck: %q", m.toast.text)
	}
	r, _ := recoveryRig(t, 120, 40, savedRecords(t))
	r.o.Stages = judged(t, r.o.Fleet, r.o.Backups)
	r.Model.stages.report = r.o.Stages.Report()
	r.press("7")
	r.Model.stages.selectID("dr-plan")
	r.press("a", "R", "2", "space", "o", "k", "enter")
	plan := r.planned().plan
	if plan.Attest == nil || plan.Attest.Word.Check != "dr-plan" || plan.Attest.Word.Note != "R2 ok" || plan.Attest.Word.Until.Sub(r.o.Now()).Round(24*time.Hour) != 180*24*time.Hour {
		t.Errorf("%+v", plan.Attest)
	}
	if s := r.screen(); !strings.Contains(s, "attest dr-plan") {
		t.Errorf("the plan is not shown:\n%s", s)
	}
}

// What a check is about can be mended by key from where it stands, and the checks are judged anew once that was done.
func TestStagesMend(t *testing.T) {
	r, _ := recoveryRig(t, 120, 40, savedRecords(t))
	r.o.Stages = judged(t, r.o.Fleet, r.o.Backups)
	r.Model.stages.report = r.o.Stages.Report()
	r.press("7")
	r.Model.stages.selectID("zero-downtime-update")
	about := r.selectedStage().check.Subjects[0].Name
	r.press("s")
	if b, ok := r.overlay.(*scaleBox); !ok || b.services[0] != about {
		t.Fatalf("s opens %T for %s, want %s", b, r.subject(), about)
	}
	r.press("esc")
	r.Model.stages.selectID("backup-fresh")
	about = r.selectedStage().check.Subjects[0].Name
	r.press("D")
	if p := r.planned().plan; p.Recovery == nil || p.Recovery.Service != about {
		t.Errorf("D plans %+v, want a drill of %s", p, about)
	}
	r.press("esc")
	r.Model.stages.selectID("manager-quorum")
	r.press("B")
	if !strings.Contains(r.toast.text, "no service") {
		t.Errorf("B on the managers says %q", r.toast.text)
	}
}

// A check that turns is on the timeline, and leads back to itself.
func TestStagesAreOnTheTimeline(t *testing.T) {
	m := stagesConsole(t, 160, 48, nil)
	w := world()
	for i := range w.Services {
		w.Services[i].Restart.Condition = "none"
	}
	m.o.Fleet.Fold(sources.Change{At: noon.Add(time.Minute), World: w})
	m.o.Stages.Once(t.Context())
	m.Update(wakeMsg{snap: m.o.Fleet.Snapshot()})
	press(t, m, "6")
	if f := frameOf(m); !strings.Contains(f, "restart-policy: fail, it was pass") || !strings.Contains(f, "checks ") {
		t.Fatalf("not on the timeline:\n%s", f)
	}
	for _, id := range m.timeline.ids {
		if r := m.timeline.byID[id]; r.of != nil && r.of.Ref == "restart-policy" {
			m.timeline.selectID(id)
		}
	}
	press(t, m, "enter")
	if m.view != viewStages || m.stages.selected() != "restart-policy" {
		t.Errorf("enter leads to view %d, row %q", m.view, m.stages.selected())
	}
}

// All of a check, and the report of all, can be read: nothing is cut off for want of room.
func TestStagesRead(t *testing.T) {
	r, _ := recoveryRig(t, 80, 24, savedRecords(t))
	r.o.Stages = judged(t, r.o.Fleet, r.o.Backups)
	r.Model.stages.report = r.o.Stages.Report()
	r.press("7")
	r.Model.stages.selectID("volumes-covered")
	x := r.selectedStage().check
	r.press("v")
	text := r.reading().text
	for _, want := range []string{x.Check.Fix, x.Evidence, strings.ReplaceAll(x.Subjects[len(x.Subjects)-1].Name, "_", `\_`)} {
		if !strings.Contains(text, want) && !strings.Contains(text, strings.ReplaceAll(want, `\_`, "_")) {
			t.Errorf("no %q in\n%s", want, text)
		}
	}
	r.press("esc", "e")
	if b := r.reading(); !strings.Contains(b.text, "## Stage 4") || !strings.HasPrefix(b.name, "stages-") {
		t.Errorf("e opens %s:\n%s", b.name, b.text)
	}
	for _, heading := range []string{"Gate: shut", "Pass: ", "Not yet: ", "Could not look: ", "Question: "} { // no figure without its name, however narrow
		if frame := ansi.Strip(r.Frame()); !strings.Contains(frame, heading) {
			t.Errorf("no %q in\n%s", heading, frame)
		}
	}
}
