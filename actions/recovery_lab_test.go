//go:build lab

package actions_test

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/moby/moby/api/types/mount"
	"github.com/moby/moby/api/types/swarm"
	"github.com/moby/moby/client"

	"quarterdeck/actions"
	"quarterdeck/recovery"
	"quarterdeck/sources/objectstore"
	sut "quarterdeck/sources/swarm"
)

// kept is a service on node 2 whose volume has one file, `state`, which tests write from outside, and a snapshot of it that says "saved".
type kept struct {
	service, volume string
	snapshot        string
	p               *platform
}

func (k *kept) file() string {
	return filepath.Join(os.Getenv("QD_LAB_DIR"), "2", "data", "volumes", k.volume, "_data", "state")
}

func (k *kept) write(t *testing.T, text string) {
	t.Helper()
	must(t, os.WriteFile(k.file(), []byte(text), 0o644)) //nolint:gosec // the workload's user reads it
}

func (k *kept) says(t *testing.T, want string) {
	t.Helper()
	got, err := os.ReadFile(k.file())
	if err != nil || string(got) != want {
		t.Errorf("the volume says %q (%v), want %q", got, err, want)
	}
}

// clean holds that nothing of any run is left in the swarm for the service, nor in its volume.
func (k *kept) clean(t *testing.T) {
	t.Helper()
	ctx := t.Context()
	all, err := k.p.hands.ServiceStates(ctx)
	must(t, err)
	for i := range all {
		if all[i].Labels["qd.service"] == k.service {
			t.Errorf("service %s is left", all[i].Name)
		}
	}
	configs, err := k.p.hands.Materials(ctx, "config")
	must(t, err)
	for i := range configs {
		if configs[i].Labels["qd.service"] == k.service {
			t.Errorf("config %s is left", configs[i].Name)
		}
	}
	if n := k.p.replicas(t, k.service); n != 1 {
		t.Errorf("it has %d replicas", n)
	}
}

// recoverable gives a deck what recoveries need on the lab.
func recoverable(t testing.TB, d *actions.Deck, p *platform) {
	t.Helper()
	must(t, equip(d, p.hands))
}

// keptOnLab makes the service and its first snapshot.
func keptOnLab(t *testing.T, p *platform) *kept {
	t.Helper()
	name := named(t)
	k := &kept{service: name, volume: name, p: p}
	s := p.spec(name, replicas(1), constraints("node.hostname==node2"), label(recovery.LabelEngine, "volume"), label(recovery.LabelVerify, "grep -qE 'saved|newer' state"),
		func(s *swarm.ServiceSpec) {
			s.UpdateConfig.Order = swarm.UpdateOrderStopFirst
			s.TaskTemplate.ContainerSpec.Mounts = []mount.Mount{{Type: mount.TypeVolume, Source: name, Target: "/data"}}
		})
	p.createNamed(t, s)
	p.well(t, name)
	t.Cleanup(func() {
		c, err := client.New(client.WithHost(os.Getenv("QD_LAB_NODE2")))
		if err != nil {
			return
		}
		defer c.Close()
		for deadline := time.Now().Add(waitLimit); time.Now().Before(deadline); { // in use until the task has gone
			if _, err := c.VolumeRemove(t.Context(), name, client.VolumeRemoveOptions{}); err == nil || strings.Contains(err.Error(), "no such volume") {
				return
			}
			time.Sleep(time.Second)
		}
	})
	k.write(t, "saved")
	r := p.deck(t)
	recoverable(t, r.Deck, p)
	report, err := r.run(r.planned(r.PlanBackup(t.Context(), name)), actions.ResultDone)
	must(t, err)
	k.snapshot = report.Snapshot
	k.write(t, "newer")
	return k
}

// equip reads the lab's object store and runner from the environment.
func equip(d *actions.Deck, hands *sut.Hands) error {
	store, err := objectstore.Open(os.Getenv("QUARTERDECK_S3"), os.Getenv, waitLimit)
	if err != nil {
		return err
	}
	d.Bench, d.Objects, d.EngineLogs = hands, store, d.Logs
	d.Recovery = actions.RecoverySettings{Image: os.Getenv("QUARTERDECK_RUNNER_IMAGE"), Repository: os.Getenv("QUARTERDECK_REPOSITORY_SECRET")}
	return nil
}

func init() { equipChild = equip }

// restoreEntries are those of a restore of files: begin, two of each of twelve steps, end.
const restoreEntries = 2 + 2*12

// everyEntry kills at each entry: some 50 cases, half an hour on two cores. Else a few of them stand for all.
var everyEntry = flag.Bool("every-entry", false, "kill restores at every entry of their journals")

// TestRestoreKilledLab kills the console by SIGKILL after each entry of a restore's journal. What is said of it then is so; gone on with it ends with the
// snapshot's data, taken back with what was there, whatever the entry; and nothing of it is left in the swarm.
func TestRestoreKilledLab(t *testing.T) {
	p := lab(t)
	if os.Getenv("QUARTERDECK_RUNNER_IMAGE") == "" {
		t.Fatal("no runner: testdata/lab/lab deploy testdata/lab/stacks/data.yml")
	}
	gate := make(chan struct{}, 4)
	for n := 1; n <= restoreEntries; n++ {
		for _, back := range []bool{false, true} {
			if some := map[int]bool{6: true, 13: false, 15: true, 17: false}; !*everyEntry && (!contains(some, n) || some[n] != back) {
				continue
			}
			t.Run(fmt.Sprintf("entry %d, %s", n, map[bool]string{false: "gone on with", true: "taken back"}[back]), func(t *testing.T) {
				t.Parallel()
				gate <- struct{}{}
				defer func() { <-gate }()
				restoreKilled(t, p, n, back)
			})
		}
	}
}

func contains(m map[int]bool, n int) bool { _, ok := m[n]; return ok }

func restoreKilled(t *testing.T, p *platform, entry int, back bool) {
	k := keptOnLab(t, p)
	dir := t.TempDir()
	said, killed := spawn(t, job{Dir: dir, Host: p.host, Image: p.image, Action: actions.Restore, Service: k.service, Snapshot: k.snapshot, DieAtEntry: entry}).rest()
	if !killed {
		t.Fatalf("the child was not killed: %s", said)
	}
	r := p.deckIn(t, dir)
	recoverable(t, r.Deck, p)
	open, err := r.Unfinished()
	must(t, err)
	if entry == restoreEntries { // its end was written
		if len(open) != 0 {
			t.Fatalf("%d runs are unfinished", len(open))
		}
		k.says(t, "saved")
		k.clean(t)
		return
	}
	if len(open) != 1 {
		t.Fatalf("%d runs are unfinished", len(open))
	}
	if plan, err := r.PlanRestore(t.Context(), k.service, k.snapshot); entry > 2 && entry < restoreEntries-1 && (err != nil || !strings.Contains(plan.Refused, open[0].ID)) {
		t.Errorf("a second restore is not refused: %+v %v", plan, err)
	}
	if back {
		plan, err := r.PlanUndo(t.Context(), open[0].ID)
		must(t, err)
		if plan.Refused != "" {
			t.Fatal(plan.Refused)
		}
		run, err := r.Start(t.Context(), plan, actions.Approval{Yes: true}, nil)
		must(t, err)
		if report, err := run.Report(); report.Result != actions.ResultDone {
			t.Fatalf("%+v %v", report, err)
		}
		k.says(t, "newer")
	} else {
		st, err := r.Stand(t.Context(), open[0])
		must(t, err)
		run, err := r.Resume(t.Context(), st, nil)
		must(t, err)
		if _, err := r.ended(run, actions.ResultDone); err != nil {
			t.Error(err)
		}
		k.says(t, "saved")
	}
	k.clean(t)
}
