package ui

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/charmbracelet/x/exp/golden"

	"quarterdeck/actions"
	"quarterdeck/recovery"
	"quarterdeck/sources"
	"quarterdeck/sources/fleet"
)

// bench is what a recovery makes in a swarm, as far as plans and locks need it.
type bench struct {
	sources.Workbench
	hands *fakeHands
	locks map[string]sources.ConfigState // by name; guarded by hands.mu
}

func (b *bench) ReadConfig(_ context.Context, name string) (sources.ConfigState, error) {
	b.hands.mu.Lock()
	defer b.hands.mu.Unlock()
	if c, ok := b.locks[name]; ok {
		return c, nil
	}
	return sources.ConfigState{}, &sources.Error{Source: "swarm", Kind: sources.NotFound, Op: "read config " + name}
}

func (b *bench) ServiceTasks(_ context.Context, id string) ([]sources.Task, error) {
	b.hands.mu.Lock()
	defer b.hands.mu.Unlock()
	var out []sources.Task
	for _, t := range b.hands.world.Tasks {
		if t.ServiceID == id {
			out = append(out, t)
		}
	}
	return out, nil
}

// lock is the lock of a drill of shop_store that another machine has begun.
func (b *bench) lock(t testing.TB, version uint64) {
	t.Helper()
	steps := []string{"lock shop_store", "look whether snapshot 00001000 of shop_store can be brought back", "bring snapshot 00001000 back into an empty place, and verify it", "write the record down", "unlock shop_store"}
	doc, err := json.Marshal(map[string]any{"run": "20261124-115000-xyz", "action": "drill", "actor": "bo@example.com", "host": "bridge", "began": noon.Add(-10 * time.Minute),
		"plan": map[string]any{"services": []string{}, "steps": steps, "recovery": map[string]any{"service": "shop_store", "id": "id-shop_store", "replicas": 1, "snapshot": map[string]any{"id": idOf(0x1000), "engine": "postgres"}}}})
	if err != nil {
		t.Fatal(err)
	}
	c := sources.ConfigState{Version: version, Data: doc}
	c.Name, c.ID, c.Created = "qd-lock-shop_store", "lock", noon.Add(-10*time.Minute)
	c.Labels = map[string]string{"qd.run": "20261124-115000-xyz", "qd.service": "shop_store", "qd.phase": steps[2], "qd.owner": "bo@example.com on bridge", "qd.holder": "a word"}
	b.hands.mu.Lock()
	defer b.hands.mu.Unlock()
	b.locks[c.Name] = c
	b.hands.materials[sources.Config] = []sources.Reference{c.Reference}
}

// recoveryRig is a console whose hands can plan recoveries.
func recoveryRig(t testing.TB, w, h int, r records) (*rig, *bench) {
	t.Helper()
	c := &clock{}
	hands := newHandsOf(c, filledAt(c.now))
	withLabels(hands.world)
	hands.materials = map[sources.MaterialKind][]sources.Reference{sources.Secret: {{ID: "s1", Name: "qd-repository"}, {ID: "s2", Name: "pw"}}}
	hands.tell()
	hands.fleet.SetStatus(sources.Status{Name: fleet.BackupsName, State: sources.Live, Since: noon.Add(-time.Minute)})
	b := &bench{hands: hands, locks: map[string]sources.ConfigState{}}
	x := rigOn(t, stateDir(t), hands, w, h, func(o *Options) {
		o.Backups, o.SaveDir = feedOf(t, r), t.TempDir()
		o.Deck.Bench, o.Deck.Objects, o.Deck.Recovery = b, r, actions.RecoverySettings{Image: "registry.example.com/runner@sha256:00", Repository: "qd-repository", Store: "s3+https://s3.example.com/backups"}
	})
	x.Model.hands.looked = true
	x.press("8", "G", "k")
	return x, b
}

// aDay is a DR day of the shop, twelve days ago.
func aDay() *recovery.Day {
	drill := &recovery.Drill{Run: "d1", Service: "shop_store", Engine: recovery.Postgres, Snapshot: idOf(0x100c), Taken: noon.Add(-298 * time.Hour), Began: noon.Add(-12 * 24 * time.Hour), OK: true, RTO: 372, RPO: 36000, Bytes: 1 << 29,
		Verified: &recovery.Verified{Command: "psql -Atc 'select count(*) > 0 from orders' | grep -qx t", Output: "t"},
		Steps:    []recovery.DrillStep{{Step: recovery.Step{Name: "look", Kind: "job check"}, Took: 12}, {Step: recovery.Step{Name: "bring back", Kind: "job drill"}, Took: 340}}}
	return &recovery.Day{Run: "20261112-120000-abc", Stack: "shop", Actor: "ada@example.com", Began: noon.Add(-12 * 24 * time.Hour), Ended: noon.Add(-12*24*time.Hour + 8*time.Minute),
		Drills: []recovery.DayDrill{{Service: "shop_store", Engine: recovery.Postgres, State: recovery.DayOK, Run: "d1", Snapshot: drill.Snapshot, Taken: drill.Taken, Allowed: 900, Drill: drill},
			{Service: "shop_cart", Engine: recovery.Redis, State: recovery.DayFailed, Run: "d2", Snapshot: idOf(0x2000), Taken: noon.Add(-298 * time.Hour), Allowed: 900, Reason: "its server does not answer"}},
		Left: []recovery.DayLeft{{Service: "shop_payments", Why: recovery.LabelDB + " is missing"}, {Service: "shop_api", Why: "its labels say that it has nothing to be saved", Exempt: true}}}
}

func withDay(t testing.TB) records {
	t.Helper()
	r := savedRecords(t)
	if err := recovery.SaveDay(t.Context(), r, aDay()); err != nil {
		t.Fatal(err)
	}
	return r
}

func (r *rig) reading() *readingBox {
	r.t.Helper()
	r.until("a text to be read", func() bool { b, ok := r.overlay.(*readingBox); return ok && b.loaded })
	return r.overlay.(*readingBox)
}

func TestGoldenRunbook(t *testing.T) {
	for _, size := range sizes {
		for name, show := range map[string]func(*rig, *bench){
			"runbook":  func(r *rig, _ *bench) { r.press("e"); r.reading() },
			"day-plan": func(r *rig, _ *bench) { r.press("P"); r.planned() },
			"day-report": func(r *rig, _ *bench) {
				r.do(r.dayCommand())
				r.reading()
			},
			"title": func(*rig, *bench) {},
			"then": func(r *rig, _ *bench) {
				r.press("enter", "j", "j", "a", "esc")
				r.when.set(r.when.at.Add(90*time.Minute), noon)
				r.press("r")
				r.planned()
			},
			"foreign":       func(r *rig, b *bench) { r.foreign(b, lifeNone) },
			"foreign-alive": func(r *rig, b *bench) { r.foreign(b, lifeSeen) },
		} {
			t.Run(fmt.Sprintf("%s-%dx%d", name, size[0], size[1]), func(t *testing.T) {
				r, b := recoveryRig(t, size[0], size[1], withDay(t))
				show(r, b)
				checkFrame(t, r.Model)
				golden.RequireEqual(t, r.Frame()+"\n")
			})
		}
	}
}

// foreign shows another machine's run, of which it is known whether somebody executes it.
func (r *rig) foreign(b *bench, l life) {
	r.t.Helper()
	b.lock(r.t, 3)
	runs, err := r.deck.Foreign(r.t.Context())
	if err != nil || len(runs) != 1 {
		r.t.Fatalf("%v, %+v", err, runs)
	}
	s, err := r.deck.Stand(r.t.Context(), runs[0])
	if err != nil {
		r.t.Fatal(err)
	}
	r.Model.hands.foreign = []foreignRun{{s, l}}
	r.overlay = newOpenBox(r.Model, s)
}

// The runbook is of the stack under the cursor, what is not proven stands first, and it can be saved.
func TestRunbookIsReadAndSaved(t *testing.T) {
	r, _ := recoveryRig(t, 120, 40, withDay(t))
	r.press("e")
	b := r.reading()
	for _, want := range []string{"# Runbook", "## What is not proven", "quarterdeck restore shop_store --snapshot latest --confirm shop_store", "s3+https://s3.example.com/backups"} {
		if !strings.Contains(b.text, want) {
			t.Errorf("no %q in:\n%s", want, b.text)
		}
	}
	if strings.Contains(b.text, "platform_loki") {
		t.Error("a service of another stack is in it")
	}
	r.press("ctrl+o")
	path := filepath.Join(r.o.SaveDir, b.name)
	r.until("the file", func() bool { _, err := os.Stat(path); return err == nil })
	if raw, err := os.ReadFile(path); err != nil || string(raw) != b.text {
		t.Errorf("%v: what is saved differs", err)
	}
	if f := frameOf(backupsConsole(t, 160, 48, nil)); !strings.Contains(f, "no DR day of shop yet") {
		t.Errorf("nobody says that there was none:\n%s", f)
	}
}

// At a past moment r and D take the newest snapshot at or before it, and say so.
func TestRecoveryAtThePastMoment(t *testing.T) {
	for _, k := range []string{"r", "D"} {
		r, _ := recoveryRig(t, 120, 40, withDay(t))
		r.when.set(noon.Add(-33*time.Hour), noon)
		r.press(k)
		p := r.planned().plan
		if p.Recovery.Snapshot.ID != idOf(0x1001) {
			t.Errorf("%s takes %s", k, p.Recovery.Snapshot.Short())
		}
		if !strings.Contains(strings.Join(p.Warnings, "\n"), "taken 1h0m0s before it") {
			t.Errorf("%s says %q", k, p.Warnings)
		}
	}
}

// Another machine's run is watched for a sign of life; only one without is offered, and it cannot be left as it is.
func TestForeignRuns(t *testing.T) {
	r, b := recoveryRig(t, 120, 40, withDay(t))
	r.until("that the view has looked", func() bool { return !r.Model.hands.watching })
	b.lock(t, 3)
	r.Model.hands.looked = false
	r.do(r.lookAtStart())
	r.until("that it is being looked", func() bool { return len(r.Model.hands.foreign) == 1 })
	if r.overlay != nil || r.Model.hands.foreign[0].life != lifeUnknown {
		t.Fatalf("%T, %+v", r.overlay, r.Model.hands.foreign)
	}
	version := uint64(3)
	r.until("a sign of life", func() bool {
		version++
		b.lock(t, version) // somebody changes it
		return r.Model.hands.foreign[0].life == lifeSeen
	})
	if r.overlay != nil || !strings.Contains(r.screen(), "drill shop_store under way on bridge") {
		t.Errorf("%T:\n%s", r.overlay, r.screen())
	}
	r.press("R")
	r.mustHave("is under way there")
	r.slowly("f", "t", "x")
	if box := r.overlay.(*openBox); box.asked() {
		t.Error("a run that goes on elsewhere is offered")
	}
	r.press("esc")
	b.hands.mu.Lock() // it ends
	delete(b.locks, "qd-lock-shop_store")
	b.hands.materials[sources.Config] = nil
	b.hands.mu.Unlock()
	r.send(foreignAgainMsg{})
	r.until("that it is not told of any more", func() bool { return len(r.Model.hands.foreign) == 0 })
}

func TestForeignRunThatIsDead(t *testing.T) {
	r, b := recoveryRig(t, 120, 40, withDay(t))
	r.foreign(b, lifeNone)
	r.mustHave("begun by bo@example.com on bridge", "no program executes it, on any machine", "f finish", "t take back")
	if strings.Contains(r.screen(), "leave it") {
		t.Error("it is offered to be left as it is")
	}
	r.slowly("x")
	if r.overlay.(*openBox).leave {
		t.Error("x leaves it")
	}
	r.slowly("t")
	r.mustHave("Take it over from bridge", "[ No ]")
	r.slowly("enter")
	if open, err := r.deck.Unfinished(); err != nil || len(open) != 0 {
		t.Errorf("it was taken over without a yes: %v, %v", open, err)
	}
	r.slowly("t", "y", "enter")
	if p := r.planned().plan; p.Of != "20261124-115000-xyz" {
		t.Errorf("%+v", p)
	}
	if open, err := r.deck.Unfinished(); err != nil || len(open) != 1 {
		t.Errorf("it is not this machine's: %v, %v", open, err)
	}
}
