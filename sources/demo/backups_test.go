package demo_test

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"quarterdeck/recovery"
	"quarterdeck/sources"
	"quarterdeck/sources/demo"
	"quarterdeck/sources/objectstore"
	"quarterdeck/sources/swarm"
)

// shelf is a demo's object store, as the console reaches it.
func shelf(t *testing.T, p *demo.Platform) *objectstore.Store {
	t.Helper()
	keys := p.S3Env()
	s, err := objectstore.Open(p.S3(), func(n string) string { return keys[n] }, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return s
}

func catalogue(t *testing.T, s *objectstore.Store) *recovery.Contents {
	t.Helper()
	c := recovery.Catalogue{Objects: s}
	all, err := c.Read(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if len(all.Unreadable) > 0 {
		t.Fatalf("records that are none: %v", all.Unreadable)
	}
	return all
}

// From the start there are some weeks of snapshots and last month's drills, the same for a seed; one policy is bad, and one volume nobody saves.
func TestBackupsFromTheStart(t *testing.T) {
	now := time.Date(2026, 11, 20, 12, 0, 0, 0, time.UTC)
	start := func(seed int64) *demo.Platform {
		p, err := demo.Start(t.Context(), demo.Options{Seed: seed, Quiet: true, Now: func() time.Time { return now }})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = p.Close() })
		return p
	}
	p := start(3)
	all := catalogue(t, shelf(t, p))
	for _, service := range []string{"shop_store", "shop_cache"} {
		list, drills := all.Snapshots[service], all.Drills[service]
		if len(list) != 11 || len(drills) != 1 {
			t.Fatalf("%s: %d snapshots, %d drills", service, len(list), len(drills))
		}
		if age := now.Sub(list[0].Taken); age < 0 || age > 26*time.Hour || list[0].Size <= list[10].Size || now.Sub(list[10].Taken) < 30*24*time.Hour || list[0].Node == "" {
			t.Errorf("%s: %+v", service, list)
		}
		d := drills[0]
		if _, err := all.Find(service, d.Snapshot); err != nil || !d.OK || d.RTO <= 0 || d.RTO >= 900 || d.RPO <= 0 || d.Verified == nil || now.Sub(d.Began) > 31*24*time.Hour {
			t.Errorf("%s: %+v, %v", service, d, err)
		}
	}
	again := catalogue(t, shelf(t, start(3)))
	for _, service := range []string{"shop_store", "shop_cache"} {
		if !slices.Equal(again.Snapshots[service], all.Snapshots[service]) || again.Drills[service][0].Run != all.Drills[service][0].Run {
			t.Errorf("%s: the same seed makes other backups", service)
		}
	}
	if other := catalogue(t, shelf(t, start(4))); other.Snapshots["shop_store"][3].ID == all.Snapshots["shop_store"][3].ID {
		t.Error("another seed makes the same backups")
	}
	c, err := swarm.New(swarm.Options{Host: p.DockerHost()})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	w, err := c.List(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for i := range w.Services {
		policy := recovery.ParsePolicy(&w.Services[i])
		want := map[string]bool{"shop_store": true, "shop_cache": true}[w.Services[i].Name]
		if policy.Usable() != want || want && len(policy.Problems) > 0 || (w.Services[i].Name == "platform_prometheus") != (policy.Declared && !policy.Usable()) {
			t.Errorf("%s: %+v", w.Services[i].Name, policy)
		}
	}
	if !slices.ContainsFunc(w.Secrets, func(r sources.Reference) bool { return r.Name == "qd-repository" }) {
		t.Error("there is no secret for the jobs")
	}
}

// hall is a demo in which jobs are done.
type hall struct {
	p     *demo.Platform
	hands *swarm.Hands
	logs  sources.Logs
	store *objectstore.Store
}

func newHall(t *testing.T) *hall {
	p, err := demo.Start(t.Context(), demo.Options{Seed: 3, Quiet: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = p.Close() })
	c, err := swarm.New(swarm.Options{Host: p.DockerHost()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return &hall{p, swarm.NewHands(c, c), swarm.NewLogs(c), shelf(t, p)}
}

// begin makes a job's config and service, as actions do.
func (h *hall) begin(t *testing.T, j *recovery.Job) (service string) {
	t.Helper()
	data, err := json.Marshal(j)
	if err != nil {
		t.Fatal(err)
	}
	service = fmt.Sprintf("qd-%s-%s-%d-%d", j.Name, j.Run, j.Attempt, time.Now().UnixNano()%1e9)
	id, err := h.hands.CreateMaterial(t.Context(), sources.Config, sources.Material{Name: service, Data: data})
	if err != nil {
		t.Fatal(err)
	}
	raw := fmt.Sprintf(`{"Name":%q,"TaskTemplate":{"ContainerSpec":{"Image":%q,"Configs":[{"ConfigID":%q,"ConfigName":%q,"File":{"Name":%q,"UID":"0","GID":"0","Mode":256}}]},"RestartPolicy":{"Condition":"none"}},"Mode":{"Replicated":{"Replicas":1}}}`,
		service, h.p.RunnerImage(), id, service, recovery.JobFile)
	spec, err := sources.NewSpec([]byte(raw))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := h.hands.CreateService(t.Context(), spec); err != nil {
		t.Fatal(err)
	}
	return service
}

// ended waits for the task of a service to end.
func (h *hall) ended(t *testing.T, service string) sources.Task {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	for {
		tasks, err := h.hands.ServiceTasks(ctx, service)
		if err != nil {
			t.Fatal(err)
		}
		if len(tasks) == 1 && tasks[0].State.Ended() {
			return tasks[0]
		}
		time.Sleep(50 * time.Millisecond)
	}
}

// A job's container claims it, says how far it is, writes its result as recovery reads it, and ends with 0 or 1; a second one of the same job does nothing.
func TestPretendedJobs(t *testing.T) {
	t.Parallel()
	h := newHall(t)
	newest := catalogue(t, h.store).Newest("shop_store")
	backup := &recovery.Job{Run: "r1", Name: "backup", Attempt: 1, Kind: recovery.JobBackup, Service: "shop_store", Environment: "demo", Engine: recovery.Postgres, Host: "tasks.shop_store", DB: "shop", Origin: recovery.Manual}
	service := h.begin(t, backup)
	if task := h.ended(t, service); task.State != sources.TaskComplete || task.ExitCode != 0 {
		t.Errorf("%+v", task)
	}
	r, err := backup.Result(t.Context(), h.store)
	if err != nil || !r.OK || r.Snapshot == nil || r.Snapshot.Server != "16.4" || r.Bytes != r.Snapshot.Size || r.Node == "" || r.Ended.Before(r.Began) {
		t.Fatalf("%+v, %v", r, err)
	}
	if now := catalogue(t, h.store).Newest("shop_store"); now.ID != r.Snapshot.ID || now.ID == newest.ID || now.Origin != recovery.Manual || now.Run != "r1" || !now.Verified {
		t.Errorf("the newest is %+v", now)
	}
	h.progress(t, service)
	if task := h.ended(t, h.begin(t, backup)); task.State != sources.TaskFailed || task.ExitCode != 1 {
		t.Errorf("the same job again: %+v", task)
	}
	if again, err := backup.Result(t.Context(), h.store); err != nil || again.Snapshot == nil || again.Snapshot.ID != r.Snapshot.ID {
		t.Errorf("the second has written over the first's result: %+v, %v", again, err)
	}
	for name, c := range map[string]struct {
		job      recovery.Job
		scenario string
		code     recovery.Code
		touched  bool
	}{
		"check":             {recovery.Job{Kind: recovery.JobCheck}, "", "", false},
		"restore":           {recovery.Job{Kind: recovery.JobRestore, Host: "tasks.shop_store", Verify: "true"}, "", "", true},
		"no such snapshot":  {recovery.Job{Kind: recovery.JobCheck, Snapshot: strings.Repeat("a", 64)}, "", recovery.NoSnapshot, false},
		"of another":        {recovery.Job{Kind: recovery.JobCheck, Service: "shop_cache"}, "", recovery.OtherService, false},
		"of no server":      {recovery.Job{Kind: recovery.JobBackup, Host: "tasks.nobody", Snapshot: "-"}, "", recovery.NoServer, false},
		"no kind":           {recovery.Job{Kind: "dance"}, "", recovery.NotUnderstood, false},
		"wrong password":    {recovery.Job{Kind: recovery.JobCheck}, "restore-wrong-password", recovery.WrongPassword, false},
		"no room":           {recovery.Job{Kind: recovery.JobCheck}, "restore-node-full", recovery.NoSpace, false},
		"verify says no":    {recovery.Job{Kind: recovery.JobRestore, Fresh: true, Host: "tasks.shop_store", Verify: "false"}, "verify-fails", recovery.VerifyFailed, true},
		"forget all but 3":  {recovery.Job{Kind: recovery.JobForget, Service: "shop_cache", Keep: recovery.Keep{Last: 3}}, "", "", false},
		"forget all but 2w": {recovery.Job{Kind: recovery.JobForget, Service: "shop_cache", Keep: recovery.Keep{Weekly: 2}}, "", "", false},
	} {
		t.Run(name, func(t *testing.T) {
			j := c.job
			j.Run, j.Name, j.Attempt, j.Engine = strings.ReplaceAll(name, " ", ""), "job", 1, recovery.Postgres
			if j.Service == "" {
				j.Service = "shop_store"
			}
			if j.Snapshot == "" {
				j.Snapshot = newest.ID
			}
			if c.scenario != "" {
				if err := h.p.StartScenario(c.scenario); err != nil {
					t.Fatal(err)
				}
				defer h.p.StopScenario(c.scenario) //nolint:errcheck // it runs
			}
			task := h.ended(t, h.begin(t, &j))
			r, err := j.Result(t.Context(), h.store)
			if err != nil || r.Code != c.code || r.OK != (c.code == "") || r.OK != (task.ExitCode == 0) || r.Touched != c.touched || !r.OK && (r.Reason == "" || r.Next == "") {
				t.Errorf("exit %d, %+v, %v", task.ExitCode, r, err)
			}
			if (j.Verify != "") != (r.Verified != nil) || r.Verified != nil && (r.Verified.Exit == 0) != r.OK {
				t.Errorf("%+v", r.Verified)
			}
			if j.Kind == recovery.JobForget {
				if left := len(catalogue(t, h.store).Snapshots["shop_cache"]); left > 3 || left < 1 {
					t.Errorf("%d are left, %d forgotten", left, len(r.Forgot))
				}
			}
		})
	}
}

// progress reads what a job said, from the log of its service.
func (h *hall) progress(t *testing.T, service string) {
	t.Helper()
	page, err := h.logs.Query(t.Context(), sources.LogQuery{Services: []string{service}, Since: time.Now().Add(-time.Minute), Limit: 100})
	if err != nil {
		t.Fatal(err)
	}
	var phases []string
	var most int64
	var last recovery.Event
	for _, l := range page.Entries {
		var e recovery.Event
		if json.Unmarshal([]byte(l.Line), &e) != nil || e.QD != 1 {
			t.Fatalf("no event: %s", l.Line)
		}
		if len(phases) == 0 || phases[len(phases)-1] != e.Phase {
			phases = append(phases, e.Phase)
		}
		most, last = max(most, e.Done), e
	}
	if got := strings.Join(phases, " "); got != "claim repository dump verify record result ended" || most == 0 || last.Result == nil || !last.Result.OK {
		t.Errorf("%s, %d bytes, at last %+v", got, most, last)
	}
}

// A job whose container is told to stop says that it was interrupted.
func TestInterruptedJob(t *testing.T) {
	t.Parallel()
	h := newHall(t)
	j := &recovery.Job{Run: "r1", Name: "restore", Attempt: 1, Kind: recovery.JobRestore, Service: "shop_store", Engine: recovery.Postgres, Host: "tasks.nobody-yet", Snapshot: catalogue(t, h.store).Newest("shop_store").ID}
	service := h.begin(t, j)
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	for claimed := false; !claimed; time.Sleep(20 * time.Millisecond) {
		var err error
		if claimed, err = j.Claimed(ctx, h.store); err != nil {
			t.Fatal(err)
		}
	}
	if err := h.hands.RemoveService(ctx, service); err != nil {
		t.Fatal(err)
	}
	if r, err := j.Result(ctx, h.store); err != nil || r.Code != recovery.Interrupted || r.OK || r.Touched {
		t.Errorf("%+v, %v", r, err)
	}
}

// The backups of one service stop for days, until somebody makes one or the schedule goes on.
func TestBackupStale(t *testing.T) {
	t.Parallel()
	h := newHall(t)
	if err := h.p.StartScenario("backup-stale"); err != nil {
		t.Fatal(err)
	}
	all := catalogue(t, h.store)
	if age := time.Since(all.Newest("shop_store").Taken); age < 72*time.Hour {
		t.Errorf("the newest is %s old", age)
	}
	if age := time.Since(all.Newest("shop_cache").Taken); age > 26*time.Hour {
		t.Errorf("another's is %s old", age)
	}
	if err := h.p.StopScenario("backup-stale"); err != nil {
		t.Fatal(err)
	}
	if age := time.Since(catalogue(t, h.store).Newest("shop_store").Taken); age > time.Minute {
		t.Errorf("the schedule goes on, and the newest is %s old", age)
	}
}
