package actions_test

import (
	"context"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

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
