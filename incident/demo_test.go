package incident

import (
	"bytes"
	"context"
	"encoding/json"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"quarterdeck/actions"
	"quarterdeck/actions/journal"
	"quarterdeck/diagnosis"
	"quarterdeck/sources"
	"quarterdeck/sources/alertmanager"
	"quarterdeck/sources/demo"
	"quarterdeck/sources/fleet"
	"quarterdeck/sources/loki"
	"quarterdeck/sources/prometheus"
	"quarterdeck/sources/swarm"
)

const waitLimit = 2 * time.Minute

func until(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for deadline := time.Now().Add(waitLimit); !ok(); time.Sleep(50 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("never: " + what)
		}
	}
}

// console is a desk as a console has it: live sources, the record followed. Its journal is its own.
func console(t *testing.T, host, lokiAddr, promURL, alertURL, actor string) *Desk {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	c, err := swarm.New(swarm.Options{Host: host})
	if err != nil {
		t.Fatal(err)
	}
	l, err := loki.New(loki.Options{Access: sources.Access{Address: lokiAddr}})
	if err != nil {
		t.Fatal(err)
	}
	p, err := prometheus.New(prometheus.Options{Access: sources.Access{Address: promURL}})
	if err != nil {
		t.Fatal(err)
	}
	a, err := alertmanager.New(alertmanager.Options{Access: sources.Access{Address: alertURL}})
	if err != nil {
		t.Fatal(err)
	}
	f := fleet.New(time.Now, fleet.SwarmName, fleet.LokiName, fleet.PrometheusName, fleet.AlertmanagerName)
	wg.Go(func() { f.Run(ctx, fleet.Feeds{Swarm: c, Logs: l, Metrics: p, Alerts: a}) })
	j, err := journal.Open(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	d := &actions.Deck{Hands: swarm.NewHands(c, c), Fleet: f, Journal: j, Logs: l, Sink: l, Now: time.Now, Policy: actions.Policy{Actor: actor, Host: "of-" + actor, Context: "test"}}
	k := &Desk{Deck: d, Logs: l, Team: l, Metrics: p, Alerts: a, Doctor: &diagnosis.Doctor{Fleet: f, Logs: l, Metrics: p, Record: record{d}, Explain: l.Explain, Now: time.Now}}
	k.Listen()
	wg.Go(func() { d.Record(ctx) })
	wg.Go(func() { d.FollowTeam(ctx, l) })
	wg.Go(func() { k.Follow(ctx) })
	t.Cleanup(func() {
		cancel()
		wg.Wait()
		flush, end := context.WithTimeout(context.Background(), 10*time.Second)
		defer end()
		_ = d.Close(flush)
		for _, x := range []interface{ Close() error }{a, p, l, c} {
			_ = x.Close()
		}
	})
	if _, err := d.Ready(ctx); err != nil {
		t.Fatal(err)
	}
	return k
}

// record tells the diagnosis of changes, as the program's own does (cmd/quarterdeck/evidence.go).
type record struct{ d *actions.Deck }

func (r record) Changes(ctx context.Context, service string) ([]diagnosis.Change, error) {
	_, states, err := r.d.States(ctx, service)
	if err != nil {
		return nil, err
	}
	var out []diagnosis.Change
	for i := range states {
		c := diagnosis.Change{At: states[i].Since, Text: "changed", First: i == len(states)-1}
		if !c.First {
			if c.Fields, err = r.d.Between(states[i+1].Spec, states[i].Spec); err != nil {
				return nil, err
			}
		}
		if !c.At.IsZero() {
			out = append(out, c)
		}
	}
	return out, nil
}

func (record) Dependencies(context.Context) (map[string][]diagnosis.Link, error) { return nil, nil }

// TestIncidentOnDemo is an incident from its start to its report, on the embedded platform, by two people on two machines.
func TestIncidentOnDemo(t *testing.T) {
	if testing.Short() {
		t.Skip("takes a minute")
	}
	p, err := demo.Start(t.Context(), demo.Options{Quiet: true, Seed: 7})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = p.Close() })
	ada := console(t, p.DockerHost(), p.LokiAddr(), p.PrometheusURL(), p.AlertmanagerURL(), "ada@example.com")
	bo := console(t, p.DockerHost(), p.LokiAddr(), p.PrometheusURL(), p.AlertmanagerURL(), "bo@example.com")
	const service = "shop_api"
	if err := p.StartScenario("bad-deploy"); err != nil {
		t.Fatal(err)
	}
	until(t, "an alert fires for it", func() bool { s := ada.Deck.Fleet.Snapshot().Service(service); return s != nil && s.Firing > 0 })
	ctx, cancel := context.WithTimeout(t.Context(), waitLimit)
	defer cancel()

	o := ada.Prefill(ctx, Opening{Services: []string{service}})
	if o.Title == "" || o.Severity != "critical" || !o.Detected.Known() || len(o.Causes) == 0 {
		t.Errorf("what the console knows is filled in: %+v", o)
	}
	proposed, _, err := ada.Evidence(ctx, o)
	if err != nil || !slices.ContainsFunc(proposed, func(p Proposal) bool { return p.Source == fleet.AlertmanagerName }) || !slices.ContainsFunc(proposed, func(p Proposal) bool { return p.Before && strings.Contains(p.Text, "DB_POOL_SIZE") }) {
		t.Errorf("%+v %v", proposed, err)
	}
	for _, q := range proposed {
		if q.At.IsZero() || q.Source == "" || q.Query == "" {
			t.Errorf("who says so is missing: %+v", q)
		}
		if !q.Before && !o.Impact.Known() {
			o.Impact = Moment{At: q.At, By: q.Source + ": " + q.Text, Query: q.Query}
		}
	}
	x, err := ada.Start(o)
	must(t, x, err)
	until(t, "the colleague sees it", func() bool { return len(bo.Ongoing()) == 1 })
	_, err = bo.Do("", Entry{Phase: Note, Text: "looking at the pool, token=hunter2secret"})
	must(t, x, err)
	_, err = bo.Do("", Entry{Phase: Acknowledge})
	must(t, x, err)
	_, err = bo.Do("", Entry{Phase: Note, Section: ForAction, Text: "alert on the pool's size | <b>soon</b>"})
	must(t, x, err)
	until(t, "she sees what he wrote", func() bool {
		y := ada.Ongoing()
		return len(y) == 1 && y[0].Owner == "bo@example.com" && len(y[0].Entries) >= 5
	})

	plan, err := bo.Deck.PlanRollback(ctx, service, actions.RollbackOptions{})
	if err != nil || plan.Refused != "" || plan.Nothing != "" {
		t.Fatalf("%+v %v", plan, err)
	}
	run, err := bo.Deck.Start(ctx, plan, actions.Approval{Yes: true, Reason: "the last deploy"}, nil)
	if err != nil {
		t.Fatal(err)
	}
	if report, err := run.Report(); err != nil || report.Result != actions.ResultDone {
		t.Fatalf("%+v %v", report, err)
	}
	until(t, "she knows of his run", func() bool {
		y := ada.Ongoing()
		return len(y) == 1 && MitigatedBy(&y[0], Fixes(&y[0], ada.Deck.Team())).Known()
	})
	_, err = ada.Do("", Entry{Phase: Resolve})
	must(t, x, err)
	until(t, "he sees that it is over", func() bool { return len(bo.Ongoing()) == 0 })

	for who, k := range map[string]*Desk{"ada": ada, "bo": bo} {
		a, err := k.Choose(Asked{})
		if err != nil || a.ID != x.ID {
			t.Fatalf("%s: %+v %v", who, a, err)
		}
		r, err := k.Report(ctx, a)
		if err != nil {
			t.Fatal(err)
		}
		checkReport(t, who, r, run.ID())
	}
	r, err := ada.Report(ctx, Asked{Services: []string{service}, Since: time.Now().Add(-time.Hour)})
	if err != nil || r.ID != "" || len(r.Timeline) == 0 || r.Times.Detect.Seconds != nil || r.Times.Detect.Reason == "" {
		t.Errorf("without an incident it works too, and invents no times: %v", err)
	}
}

// checkReport: what the console knows is in the report, whoever writes it.
func checkReport(t *testing.T, who string, r *Report, run string) {
	t.Helper()
	for what, s := range map[string]Span{"detect": r.Times.Detect, "acknowledge": r.Times.Acknowledge, "mitigate": r.Times.Mitigate, "resolve": r.Times.Resolve} {
		if s.Seconds == nil || *s.Seconds <= 0 {
			t.Errorf("%s: time to %s: %+v", who, what, s)
		}
	}
	if !strings.Contains(r.Times.Mitigate.By, run) {
		t.Errorf("%s: mitigated by %q, want run %s", who, r.Times.Mitigate.By, run)
	}
	if len(r.Fixes) != 1 || r.Fixes[0].Run != run || r.Fixes[0].Converged == nil || !*r.Fixes[0].Converged || len(r.Fixes[0].Changes) == 0 {
		t.Errorf("%s: mitigations %+v", who, r.Fixes)
	}
	if len(r.Causes) == 0 || !slices.ContainsFunc(r.Causes, func(c Cause) bool { return c.ID == "bad-deploy" }) {
		t.Errorf("%s: causes %+v", who, r.Causes)
	}
	if len(r.Deploys) != 2 || len(r.Trigger) == 0 || !strings.Contains(r.Trigger[0], "DB_POOL_SIZE") {
		t.Errorf("%s: trigger %q, %d changes", who, r.Trigger, len(r.Deploys))
	}
	if !slices.Equal(r.Authors, []string{"ada@example.com", "bo@example.com"}) {
		t.Errorf("%s: authors %q", who, r.Authors)
	}
	kinds := map[string]bool{}
	for i, x := range r.Timeline {
		kinds[x.Kind] = true
		if x.Source == "" || x.Confidence == "" || x.Query == "" || x.Text == "" || x.Time.Location() != time.UTC {
			t.Errorf("%s: a row is not whole: %+v", who, x)
		}
		if i > 0 && x.Time.Before(r.Timeline[i-1].Time) {
			t.Errorf("%s: the rows are out of order at %s", who, x.Time)
		}
	}
	for _, k := range []string{"change", "alert", "incident", "rollback", "errors"} {
		if !kinds[k] {
			t.Errorf("%s: the timeline has nothing of kind %s", who, k)
		}
	}
	if !slices.ContainsFunc(r.Lines, func(l Lines) bool {
		return slices.ContainsFunc(l.Patterns, func(p Pattern) bool { return p.New && strings.Contains(p.Text, "pool exhausted") })
	}) {
		t.Errorf("%s: the new kind of line is not told of: %+v", who, r.Lines)
	}
	var md bytes.Buffer
	if err := r.Markdown(&md); err != nil {
		t.Fatal(err)
	}
	raw, err := json.Marshal(r)
	if err != nil {
		t.Fatal(err)
	}
	for _, text := range []string{md.String(), string(raw)} {
		if strings.Contains(text, "hunter2secret") {
			t.Errorf("%s: a credential is in the report", who)
		}
	}
	if len(r.Redactions) == 0 || len(r.Actions) != 1 {
		t.Errorf("%s: redactions %v, action items %q", who, r.Redactions, r.Actions)
	}
	checkOrder(t, md.String())
	checkFigures(t, r, md.String())
	if dir := os.Getenv("QD_REPORTS"); dir != "" {
		_ = os.WriteFile(dir+"/"+who+".md", md.Bytes(), 0o600)
	}
}

// sections are those of SIGNALS.md, in its order.
var sections = []string{"| Date ", "| Authors ", "| Status ", "## Summary", "## Impact", "## Causes", "## Trigger", "## Resolution", "## Detection", "## Action items", "## Lessons", "## Timeline",
	"## Queries", "## Spec diff", "## Redactions", "## Gaps"}

func checkOrder(t *testing.T, md string) {
	t.Helper()
	at := 0
	for _, s := range sections {
		i := strings.Index(md[at:], "\n"+s)
		if i < 0 {
			t.Fatalf("%q is missing, or not in its place", s)
		}
		at += i
	}
}

// TestTeamOnLab: two machines' consoles and the lab's Loki: what one writes the other has, and can add to.
func TestTeamOnLab(t *testing.T) {
	if os.Getenv("QD_LAB") == "" {
		t.Skip("needs the lab: eval \"$(testdata/lab/lab env)\"")
	}
	env := func(name string) string { return os.Getenv(name) }
	ada := console(t, env("DOCKER_HOST"), env("LOKI_ADDR"), env("PROMETHEUS_URL"), env("ALERTMANAGER_URL"), "ada@lab")
	bo := console(t, env("DOCKER_HOST"), env("LOKI_ADDR"), env("PROMETHEUS_URL"), env("ALERTMANAGER_URL"), "bo@lab")
	x, err := ada.Start(Opening{Title: "a rehearsal", Services: []string{"shop_web", "shop_idle-of-the-test"}, Also: true, Impact: Moment{At: time.Now().Add(-time.Minute)}})
	must(t, x, err)
	find := func(k *Desk) Incident { y, _ := k.Find(x.ID); return y }
	until(t, "the colleague has it", func() bool { return find(bo).ID == x.ID })
	for _, e := range []Entry{{Phase: Acknowledge}, {Phase: Note, Text: "from the other machine, token=hunter2secret"}, {Phase: Resolve}} {
		_, err := bo.Do(x.ID, e)
		must(t, x, err)
	}
	until(t, "she has what he wrote", func() bool { y := find(ada); return y.State == Resolved && y.Owner == "bo@lab" && len(y.Entries) == 5 })
	late := console(t, env("DOCKER_HOST"), env("LOKI_ADDR"), env("PROMETHEUS_URL"), env("ALERTMANAGER_URL"), "cy@lab")
	until(t, "one who comes later has it all", func() bool { y := find(late); return y.State == Resolved && len(y.Entries) == 5 })
	ctx, cancel := context.WithTimeout(t.Context(), waitLimit)
	defer cancel()
	for who, k := range map[string]*Desk{"ada": ada, "bo": bo, "cy": late} {
		r, err := k.Report(ctx, Asked{ID: x.ID})
		if err != nil {
			t.Fatal(err)
		}
		checkTeamReport(t, who, r)
	}
}

// checkTeamReport: whoever writes it, the report of the rehearsal has its parts; the times that were told are measured, and what is not known is said.
func checkTeamReport(t *testing.T, who string, r *Report) {
	t.Helper()
	for what, s := range map[string]Span{"detect": r.Times.Detect, "acknowledge": r.Times.Acknowledge, "resolve": r.Times.Resolve} {
		if s.Seconds == nil || *s.Seconds < 0 {
			t.Errorf("%s: time to %s: %+v", who, what, s)
		}
	}
	if s := r.Times.Mitigate; s.Seconds != nil || s.Reason == "" {
		t.Errorf("%s: nothing was done, and yet it was mitigated: %+v", who, s)
	}
	for _, name := range []string{"ada@lab", "bo@lab"} {
		if !slices.Contains(r.Authors, name) {
			t.Errorf("%s: %s is not among the authors %q", who, name, r.Authors)
		}
	}
	if !slices.ContainsFunc(r.Gaps, func(g Gap) bool { return strings.Contains(g.What, "shop_idle-of-the-test") && g.Reason != "" }) {
		t.Errorf("%s: that the swarm has no such service is not among the gaps: %+v", who, r.Gaps)
	}
	for i, row := range r.Timeline {
		if row.Source == "" || row.Confidence == "" || row.Query == "" || row.Text == "" || row.Time.Location() != time.UTC || i > 0 && row.Time.Before(r.Timeline[i-1].Time) {
			t.Errorf("%s: a row is not whole, or out of order: %+v", who, row)
		}
	}
	if len(r.Queries) == 0 || len(r.Redactions) == 0 || len(r.Looked) == 0 || r.Chain == "" {
		t.Errorf("%s: %d queries, redactions %v, looked %v, record %q", who, len(r.Queries), r.Redactions, r.Looked, r.Chain)
	}
	var md bytes.Buffer
	if err := r.Markdown(&md); err != nil {
		t.Fatal(err)
	}
	if strings.Contains(md.String(), "hunter2secret") {
		t.Errorf("%s: a credential is in the report", who)
	}
	checkOrder(t, md.String())
	checkTables(t, md.String())
}
