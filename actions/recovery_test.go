package actions_test

import (
	"flag"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/moby/moby/api/types/mount"
	"github.com/moby/moby/api/types/swarm"

	"quarterdeck/actions"
	"quarterdeck/recovery"
	"quarterdeck/sources"
	"quarterdeck/sources/demo/world"
	"quarterdeck/sources/objectstore"
	sut "quarterdeck/sources/swarm"
)

// means are what recoveries need beside the swarm: an object store, the runner's image, the repository's secret. Children get them in their job.
type means struct {
	Store, Image, Secret string
	Env                  map[string]string
}

func (m *means) equip(d *actions.Deck, hands *sut.Hands) error {
	store, err := objectstore.Open(m.Store, func(name string) string { return m.Env[name] }, waitLimit)
	if err != nil {
		return err
	}
	d.Bench, d.Objects, d.EngineLogs = hands, store, d.Logs
	d.Recovery = actions.RecoverySettings{Image: m.Image, Repository: m.Secret}
	return nil
}

// means of a platform: the embedded one's, or the lab's as its environment names them.
func (p *platform) means(t testing.TB) *means {
	t.Helper()
	if p.demo != nil {
		return &means{Store: p.demo.S3(), Env: p.demo.S3Env(), Image: world.RunnerImage, Secret: world.RepositorySecret}
	}
	m := &means{Store: os.Getenv("QUARTERDECK_S3"), Image: os.Getenv("QUARTERDECK_RUNNER_IMAGE"), Secret: os.Getenv("QUARTERDECK_REPOSITORY_SECRET"), Env: map[string]string{}}
	for _, name := range []string{"AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_REGION"} {
		m.Env[name] = os.Getenv(name)
	}
	if m.Image == "" {
		t.Fatal("no runner: testdata/lab/lab deploy testdata/lab/stacks/data.yml, then its environment anew")
	}
	return m
}

// recoverable is a deck that can save and restore.
func (p *platform) recoverable(t testing.TB, dir string) *rig {
	t.Helper()
	r := p.deckIn(t, dir)
	must(t, p.means(t).equip(r.Deck, p.hands))
	t.Cleanup(func() { _ = r.Objects.(*objectstore.Store).Close() })
	return r
}

// filesSpec is a service with a volume and a policy about it.
func filesSpec(name, verify string) []option {
	return []option{replicas(1), label(recovery.LabelEngine, "volume"), label(recovery.LabelVerify, verify), func(s *swarm.ServiceSpec) {
		s.UpdateConfig.Order = swarm.UpdateOrderStopFirst
		s.TaskTemplate.ContainerSpec.Mounts = []mount.Mount{{Type: mount.TypeVolume, Source: name, Target: "/data"}}
	}}
}

// nothingLeft holds that nothing of any run is left in the swarm for a service, and that it has its replica.
func (p *platform) nothingLeft(t testing.TB, service string) {
	t.Helper()
	all, err := p.hands.ServiceStates(t.Context())
	must(t, err)
	for i := range all {
		if all[i].Labels["qd.service"] == service {
			t.Errorf("service %s is left", all[i].Name)
		}
	}
	configs, err := p.hands.Materials(t.Context(), sources.Config)
	must(t, err)
	for i := range configs {
		if configs[i].Labels["qd.service"] == service {
			t.Errorf("config %s is left", configs[i].Name)
		}
	}
	if n := p.replicas(t, service); n != 1 {
		t.Errorf("it has %d replicas", n)
	}
}

// saved makes a service with a policy and its first snapshot.
func (p *platform) saved(t *testing.T, options ...option) (service, snapshot string) {
	t.Helper()
	name := named(t)
	s := p.spec(name, append(filesSpec(name, "test -s state"), options...)...)
	p.createNamed(t, s)
	p.well(t, name)
	r := p.recoverable(t, t.TempDir())
	report, err := r.run(r.planned(r.PlanBackup(t.Context(), name)), actions.ResultDone)
	must(t, err)
	if len(report.Snapshot) != 64 {
		t.Fatalf("no snapshot: %+v", report)
	}
	p.nothingLeft(t, name)
	return name, report.Snapshot
}

// TestRecovery saves, tries and restores on the embedded platform: the report and the record tell of it, and nothing is left.
func TestRecovery(t *testing.T) {
	t.Parallel()
	p := sharedDemo(t)
	service, snapshot := p.saved(t)
	r := p.recoverable(t, t.TempDir())
	drill, err := r.run(r.planned(r.PlanDrill(t.Context(), service, "")), actions.ResultDone)
	must(t, err)
	if drill.Snapshot != snapshot || drill.RTO == nil || *drill.RTO <= 0 || drill.RPO == nil || *drill.RPO <= 0 || drill.Verified == nil || drill.Verified.Exit != 0 {
		t.Errorf("%+v", drill.RecoveryReport)
	}
	p.nothingLeft(t, service)
	plan := r.planned(r.PlanRestore(t.Context(), service, snapshot[:8]))
	if err := r.notStarted(plan, actions.Approval{Yes: true}, "type"); err == nil {
		t.Error("a restore began without the service's name")
	}
	restore, err := r.run(plan, actions.ResultDone)
	must(t, err)
	if restore.Snapshot != snapshot || restore.RTO == nil || restore.Verify == nil || !restore.Verify.Converged {
		t.Errorf("%+v %+v", restore.RecoveryReport, restore.Verify)
	}
	p.nothingLeft(t, service)
	all, err := (&recovery.Catalogue{Objects: r.Objects}).Read(t.Context())
	must(t, err)
	if d := all.Drills[service]; len(d) != 2 || !d[0].Real || d[1].Real || !d[0].OK {
		t.Errorf("the records: %+v", d)
	}
	undo := r.planned(r.PlanUndo(t.Context(), restore.Run))
	if undo.Action != actions.Restore || undo.Recovery.Snapshot.Origin != recovery.Safety {
		t.Errorf("what takes it back is %s of %+v", undo.Action, undo.Recovery.Snapshot)
	}
}

// everyEntry kills restores at each entry in each way; else each entry has one way, and every third is tried.
var everyEntry = flag.Bool("every-entry", false, "kill restores at every entry of their journals, and go on with each in all ways")

// restoreEntries are those of a restore of files in the journal: begin, two of each of twelve steps, end.
const restoreEntries = 2 + 2*12

// TestRestoreKilled kills the console by SIGKILL after each entry of a restore's journal. A second restore is refused then, from this machine and from another;
// whether gone on with or taken back, on this machine or on another, it comes to its end, and nothing of it is left in the swarm.
func TestRestoreKilled(t *testing.T) {
	t.Parallel()
	restoreKilled(t, sharedDemo(t), func(int) bool { return true })
}

func restoreKilled(t *testing.T, p *platform, wanted func(entry int) bool) {
	t.Helper()
	for entry := 1; entry <= restoreEntries; entry++ {
		for i, way := range []string{"gone on with", "taken back", "by another"} {
			if !wanted(entry) || !*everyEntry && (entry%3 != 0 || entry/3%3 != i || testing.Short() && entry%2 != 0) {
				continue
			}
			t.Run(fmt.Sprintf("entry %d %s", entry, way), func(t *testing.T) {
				t.Parallel()
				killedAt(t, p, entry, way)
			})
		}
	}
}

func killedAt(t *testing.T, p *platform, entry int, way string) {
	service, snapshot := p.saved(t)
	dir := t.TempDir()
	said, killed := spawn(t, job{Dir: dir, Host: p.host, Image: p.image, Action: actions.Restore, Service: service, Snapshot: snapshot, Means: p.means(t), DieAtEntry: entry}).rest()
	if !killed {
		t.Fatalf("the child was not killed: %s", said)
	}
	if way == "by another" {
		dir = t.TempDir() // another machine's journal
	}
	r := p.recoverable(t, dir)
	if way == "by another" {
		r.Policy.Host = "elsewhere"
	}
	run := p.openRun(t, r, way, entry)
	if run == nil {
		return
	}
	locked := entry > 2 && entry < restoreEntries-1
	if plan, err := r.PlanRestore(t.Context(), service, snapshot); locked && (err != nil || !strings.Contains(plan.Refused, run.ID)) {
		t.Errorf("a second restore is not refused: %+v %v", plan, err)
	}
	if way == "taken back" {
		plan, err := r.PlanUndo(t.Context(), run.ID)
		must(t, err)
		if plan.Refused != "" {
			t.Fatal(plan.Refused)
		}
		if touched := entry >= 15; (plan.Recovery.Snapshot != nil) != touched || touched && plan.Recovery.Snapshot.Origin != recovery.Safety {
			t.Errorf("what is put back is %+v", plan.Recovery.Snapshot)
		}
		back, err := r.Start(t.Context(), plan, actions.Approval{Yes: true}, nil)
		must(t, err)
		if _, err := r.ended(back, actions.ResultDone); err != nil {
			t.Error(err)
		}
	} else {
		st, err := r.Stand(t.Context(), *run)
		must(t, err)
		again, err := r.Resume(t.Context(), st, nil)
		must(t, err)
		if _, err := r.ended(again, actions.ResultDone); err != nil {
			t.Error(err)
		}
	}
	p.nothingLeft(t, service)
	if open, err := r.Unfinished(); err != nil || len(open) > 0 {
		t.Errorf("%d unfinished, %v", len(open), err)
	}
}

// openRun is the run that a child has left, as this machine's journal or the swarm's lock tells of it; nil: it has ended, or nothing is to be seen of it from
// another machine.
func (p *platform) openRun(t *testing.T, r *rig, way string, entry int) *actions.RunRecord {
	t.Helper()
	open, err := r.Unfinished()
	must(t, err)
	if way == "by another" {
		if len(open) != 0 {
			t.Fatalf("another machine's journal has %d runs", len(open))
		}
		all, err := r.Foreign(t.Context())
		must(t, err)
		for i := range all {
			if strings.Contains(all[i].Target, fmt.Sprintf("entry%dbyanother", entry)) {
				own, err := r.Adopt(t.Context(), all[i])
				must(t, err)
				return &own
			}
		}
		if entry > 3 && entry < restoreEntries-1 {
			t.Fatal("the swarm's lock tells of no run")
		}
		return nil
	}
	if entry == restoreEntries { // its end was written
		if len(open) != 0 {
			t.Fatalf("%d runs are unfinished", len(open))
		}
		return nil
	}
	if len(open) != 1 {
		t.Fatalf("%d runs are unfinished", len(open))
	}
	return &open[0]
}
