package actions_test

import (
	"context"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/moby/moby/client"

	"quarterdeck/actions"
	"quarterdeck/recovery"
	"quarterdeck/sources/demo"
)

// TestScheduledBackup: it is recorded with the time that it was made for, followed by a clean-up, and not made twice; a clean-up that fails is told, and the backup is
// good.
func TestScheduledBackup(t *testing.T) {
	t.Parallel()
	p := ownDemo(t, demo.Options{Seed: 11})
	name := named(t)
	p.createNamed(t, p.spec(name, append(filesSpec(name, "test -s state"), label(recovery.LabelKeep, "last=1"))...))
	p.well(t, name)
	r := p.recoverable(t, t.TempDir())
	due := time.Now().Add(-time.Minute).UTC().Truncate(time.Second)
	plan := r.planned(r.PlanScheduled(t.Context(), name, due))
	if steps := plan.Report().Plan.Steps; len(steps) != 4 || !strings.Contains(steps[2], "that last=1 does not keep") {
		t.Errorf("the steps are %q", steps)
	}
	report, err := r.run(plan, actions.ResultDone)
	must(t, err)
	saved, err := recovery.SnapshotsOf(t.Context(), r.Objects, name)
	must(t, err)
	if len(saved) != 1 || saved[0].Origin != recovery.Scheduled || !saved[0].Due.Equal(due) || saved[0].ID != report.Snapshot || len(report.RecoveryReport.Warnings) > 0 {
		t.Fatalf("%+v, %+v", saved, report.RecoveryReport)
	}
	again := r.planned(r.PlanScheduled(t.Context(), name, due))
	if report, err = r.run(again, actions.ResultFailed); err == nil || !strings.Contains(report.Reason, "was saved for") || !strings.Contains(report.Reason, saved[0].Run) {
		t.Errorf("%q, %v", report.Reason, err)
	}
	p.nothingLeft(t, name)

	later := r.planned(r.PlanScheduled(t.Context(), name, due.Add(5*time.Minute)))
	spoil := sync.OnceFunc(func() { must(t, p.demo.StartScenario("restore-wrong-password")) })
	var run *actions.Running
	started := make(chan struct{})
	run, err = r.Start(context.Background(), later, actions.Approval{Yes: true}, func() {
		select {
		case <-started:
			if slices.ContainsFunc(run.Progress().Steps, func(s actions.StepReport) bool { return strings.HasPrefix(s.Name, "forget") }) {
				spoil()
			}
		default:
		}
	})
	must(t, err)
	close(started)
	report, err = r.ended(run, actions.ResultDone)
	must(t, err)
	if w := report.RecoveryReport.Warnings; len(w) != 1 || !strings.Contains(w[0], "password") || report.RecoveryReport.Forgot != 0 {
		t.Errorf("what is told of the clean-up is %q", w)
	}
	p.nothingLeft(t, name)
}

// TestAudit: what was found in the repository is a record, where it says something of the repository.
func TestAudit(t *testing.T) {
	t.Parallel()
	p := ownDemo(t, demo.Options{Seed: 12})
	r := p.recoverable(t, t.TempDir())
	report, err := r.run(r.planned(r.PlanAudit(t.Context())), actions.ResultDone)
	must(t, err)
	last, err := recovery.LastAudit(t.Context(), r.Objects, time.Now())
	must(t, err)
	if last == nil || !last.OK || last.Run != report.Run {
		t.Fatalf("%+v", last)
	}
	must(t, p.demo.StartScenario("restore-wrong-password"))
	report, err = r.run(r.planned(r.PlanAudit(t.Context())), actions.ResultFailed)
	if err == nil {
		t.Error("no error")
	}
	if last, err = recovery.LastAudit(t.Context(), r.Objects, time.Now()); err != nil || last.OK || last.Code != recovery.WrongPassword || last.Run != report.Run {
		t.Errorf("%+v, %v", last, err)
	}
	configs, err := r.Hands.Materials(t.Context(), "config")
	must(t, err)
	for i := range configs {
		if configs[i].Labels["qd.service"] == recovery.Repository {
			t.Errorf("%s is left", configs[i].Name)
		}
	}
}

// TestDeadRunOfServiceThatIsGone: a backup is killed, and its service is removed and made anew. Nobody can go on with the run; once it is known to be dead it is
// ended, and the new service of that name can be saved.
func TestDeadRunOfServiceThatIsGone(t *testing.T) {
	t.Parallel()
	p := sharedDemo(t)
	name := named(t)
	p.createNamed(t, p.spec(name, filesSpec(name, "true")...))
	p.well(t, name)
	if said, killed := spawn(t, job{Dir: t.TempDir(), Host: p.host, Image: p.image, Action: actions.Backup, Service: name, Means: p.means(t), DieAtEntry: 4}).rest(); !killed {
		t.Fatalf("the child was not killed: %s", said)
	}
	_, err := p.api.ServiceRemove(t.Context(), name, client.ServiceRemoveOptions{})
	must(t, err)
	p.createNamed(t, p.spec(name, filesSpec(name, "true")...))
	p.well(t, name)

	r := p.recoverable(t, t.TempDir())
	r.Policy.Host = "elsewhere"
	var ahead atomic.Int64
	r.Now = func() time.Time { return time.Now().Add(time.Duration(ahead.Load())) }
	foreign := func() actions.RunRecord {
		all, err := r.Foreign(t.Context())
		must(t, err)
		i := slices.IndexFunc(all, func(x actions.RunRecord) bool { return x.Target == name })
		if i < 0 {
			t.Fatalf("the lock tells of no run: %+v", all)
		}
		return all[i]
	}
	if run := foreign(); run.Silent() {
		t.Error("it is called dead at first sight")
	}
	if plan, err := r.PlanBackup(t.Context(), name); err != nil || plan.Locked == "" {
		t.Errorf("its lock keeps nobody: %+v, %v", plan, err)
	}
	ahead.Store(int64(40 * time.Second))
	run := foreign()
	if !run.Silent() {
		t.Fatal("it is not called dead after its silence")
	}
	run, err = r.Adopt(t.Context(), run)
	must(t, err)
	st, err := r.Stand(t.Context(), run)
	must(t, err)
	if !strings.Contains(st.NoFinish, "is gone") {
		t.Errorf("it can be gone on with: %+v", st)
	}
	must(t, r.EndDead(t.Context(), run))
	p.nothingLeft(t, name)
	if open, err := r.Unfinished(); err != nil || len(open) > 0 {
		t.Errorf("%d unfinished, %v", len(open), err)
	}
	r.planned(r.PlanBackup(t.Context(), name))
}
