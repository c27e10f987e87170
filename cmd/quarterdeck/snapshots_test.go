package main

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"quarterdeck/recovery"
	"quarterdeck/sources"
	"quarterdeck/sources/demo"
	"quarterdeck/sources/fleet"
	"quarterdeck/sources/objectstore"
)

// TestSnapshotsOnDemo lists records that were written into the embedded object store, while the swarm is gone.
func TestSnapshotsOnDemo(t *testing.T) {
	p, err := demo.Start(context.Background(), demo.Options{Seed: 3, Quiet: true})
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	env := map[string]string{"DOCKER_HOST": "unix:///nonexistent/docker.sock", "LOKI_ADDR": "", "PROMETHEUS_URL": "", "ALERTMANAGER_URL": "", "DOCKER_CONTEXT": "", "QUARTERDECK_CONFIG": "", "QUARTERDECK_S3": p.S3()}
	keys := p.S3Env()
	for k, v := range keys {
		env[k] = v
	}
	store, err := objectstore.Open(p.S3(), func(k string) string { return keys[k] }, 10*time.Second)
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	taken := time.Now().Add(-3 * time.Hour).UTC().Truncate(time.Millisecond)
	ctx := t.Context()
	id := strings.Repeat("0123456789abcdef", 4)
	err = errors.Join(recovery.SaveSnapshot(ctx, store, &recovery.Snapshot{ID: id, Service: "listed_db", Engine: recovery.Postgres, DB: "x", Origin: recovery.Manual, Taken: taken, Ended: taken, Size: 5 << 20, Server: "15.8\x1b[2J", Verified: true}),
		recovery.SaveDrill(ctx, store, &recovery.Drill{Run: "d1", Service: "listed_db", Snapshot: id, Began: taken, OK: true, RTO: 90, RPO: 60}),
		recovery.SaveDrill(ctx, store, &recovery.Drill{Run: "d0", Service: "listed_db", Snapshot: id, Began: taken.Add(-time.Hour), Reason: "it said no", Real: true}),
		store.Put(ctx, "records/snapshots/listed_db/nonsense", []byte("{}")))
	if err != nil {
		t.Fatal(err)
	}
	x := target{env: env}
	out, errs, code := x.ask(t, "snapshots", "listed_db")
	for _, want := range []string{"01234567 ", "3h", "manual", "5 MiB", "90s", "restore", "FAILED", "it said no"} {
		if code != 0 || !strings.Contains(out, want) {
			t.Errorf("exit %d, no %q in:\n%s", code, want, out)
		}
	}
	if strings.Contains(out, "\x1b") || !strings.Contains(errs, "1 records in the object store are none") {
		t.Errorf("%q, %q", out, errs)
	}
	var doc any
	x.askJSON(t, &doc, 0, "snapshots", "listed_db")
	all := fields(t, "snapshots", doc, "time", "snapshots", "drills", "unreadable")
	if s := list(t, all, "snapshots"); len(s) != 1 {
		t.Errorf("%d snapshots", len(s))
	} else if m := fields(t, "snapshot", s[0], "id", "service", "engine", "origin", "taken", "size", "added", "verified", "age"); m["id"] != id || m["age"].(float64) < 3*3600 {
		t.Errorf("%v", m)
	}
	if d := list(t, all, "drills"); len(d) != 2 {
		t.Errorf("%d drills", len(d))
	} else {
		fields(t, "drill", d[0], "snapshot", "taken", "rto", "rpo", "ok", "service")
	}
	if out, errs, code := x.ask(t, "snapshots", "nobody"); code != 0 || out != "" || !strings.Contains(errs, "no snapshot of nobody is recorded") {
		t.Errorf("of nobody: exit %d: %q, %q", code, out, errs)
	}
	if out, errs, code := x.ask(t, "runbook"); code != 0 || !strings.Contains(out, "**The swarm could not be read**") || !strings.Contains(out, "quarterdeck restore listed_db --snapshot latest --confirm listed_db") || !strings.Contains(out, p.S3()) {
		t.Errorf("the runbook without a swarm: exit %d: %s\n%s", code, errs, out)
	}
	for _, secret := range keys {
		if out, _, _ := x.ask(t, "runbook"); len(secret) > 9 && strings.Contains(out, secret) {
			t.Error("a key is in the runbook")
		}
	}
	x.askJSON(t, &doc, 0, "runbook", "listed_db")
	book := fields(t, "runbook", doc, "time", "context", "store", "swarm_reason", "not_proven", "services", "expected")
	if s := list(t, book, "services"); len(s) != 1 {
		t.Errorf("%d services", len(s))
	} else {
		fields(t, "service", s[0], "service", "engine", "snapshot", "lost_now", "lost_most", "rto", "expected", "unmeasured", "steps", "last_drill", "last_restore", "needs")
	}
	if _, errs, code := x.ask(t, "runbook", "nobody"); code != exitUsage || !strings.Contains(errs, "nobody") {
		t.Errorf("of nobody: exit %d: %s", code, errs)
	}
	env["QUARTERDECK_S3"] = ""
	if _, errs, code := x.ask(t, "snapshots"); code != exitUnreachable || !strings.Contains(errs, "--s3") {
		t.Errorf("without a store: exit %d: %s", code, errs)
	}
}

// TestDoctorNamesPolicies: what is bad or missing is named with the label to set, and what could not be looked at is not said to be missing.
func TestDoctorNamesPolicies(t *testing.T) {
	s := &fleet.Snapshot{Sources: []sources.Status{{Name: fleet.BackupsName, State: sources.Absent}}}
	for name, labels := range map[string]map[string]string{"bad": {recovery.LabelEngine: "mongo"}, "bare": nil,
		"dim": {recovery.LabelEngine: "redis", recovery.LabelMaxAge: "soon"}} {
		s.Services = append(s.Services, &fleet.Service{Service: sources.Service{Name: name, Image: "redis:7", Networks: []string{"n"}, Labels: labels}})
	}
	c := covered{rows: recovery.Cover(s, nil, time.Now())}
	var b strings.Builder
	c.write(&b)
	for _, want := range []string{"coverage      0 of 3", "bad policy    bad: " + recovery.LabelEngine + ` is "mongo"`, "set " + recovery.LabelEngine + "=redis", "not covered   bare", "could not look dim: no object store is configured", recovery.LabelMaxAge + ` is "soon"`} {
		if !strings.Contains(b.String(), want) {
			t.Errorf("no %q in:\n%s", want, b.String())
		}
	}
	j := c.json()
	if len(j.Coverage) != 3 || j.Coverage[0].Set == "" || j.Coverage[0].Age != nil || len(j.Coverage[0].Labels) == 0 {
		t.Errorf("%+v", j)
	}
	b.Reset()
	c.audit = &recovery.Audit{Began: time.Now().Add(-50 * time.Hour), Code: recovery.Damaged, Reason: "pack 12\x1b[2J is gone"}
	c.write(&b)
	if r := c.json().Repository; !strings.Contains(b.String(), "repository    looked through 2d ago: NOT GOOD: pack 12") || strings.Contains(b.String(), "\x1b") || r == nil || r.OK || r.Code != recovery.Damaged {
		t.Errorf("%q, %+v", b.String(), r)
	}
	b.Reset()
	c = covered{err: errors.New("swarm: list: unreachable\x1b[2J")}
	c.write(&b)
	if !strings.HasPrefix(b.String(), "coverage      could not look: swarm") || strings.Contains(b.String(), "\x1b") || c.json().Reason == "" || c.json().Coverage == nil {
		t.Errorf("%q, %+v", b.String(), c.json())
	}
}
