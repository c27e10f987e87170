package incident

import (
	"context"
	"slices"
	"strings"
	"testing"
	"time"

	"quarterdeck/actions"
	"quarterdeck/diagnosis"
	"quarterdeck/sources"
	"quarterdeck/sources/fleet"
)

// after is a moment so many seconds after noon.
func after(seconds int) time.Time { return noon.Add(time.Duration(seconds) * time.Second) }

// gathering is a report in the making, of a service or a node, on a fleet of which nothing is known yet.
func gathering(services, nodes []string) *gatherer {
	now := func() time.Time { return after(600) }
	f := fleet.New(now, fleet.AlertmanagerName)
	g := newGatherer(&Desk{Deck: &actions.Deck{Fleet: f, Now: now}})
	g.r = &Report{Made: after(600), Since: after(-900), Until: after(600), Services: services, Nodes: nodes}
	return g
}

func sureCause(service, node, id, title string, since time.Time) Cause {
	return Cause{ID: id, Title: title, Service: service, Node: node, Confidence: 0.95, Grade: diagnosis.Signature.String(), Since: &since, Evidence: []Proof{{Text: "it says so", Source: fleet.SwarmName, Query: "docker node ls"}}}
}

// Where the managers say since when a node is down, that is the beginning that is proposed, and not a few errors an hour before.
func TestTheSureCauseProposesTheBeginning(t *testing.T) {
	g := gathering([]string{"web"}, []string{"node3"})
	g.r.Causes = []Cause{sureCause("", "node3", "node-down", "node node3 is down", after(100))}
	g.propose(Proposal{At: after(-500), end: after(-480), Text: "the ratio of errors of web goes from 0 % to 2 %", Source: fleet.PrometheusName})
	g.propose(Proposal{At: after(145), Text: "alert NodeDown fires", Source: fleet.AlertmanagerName})
	g.startOf()
	if p := First(g.r.Start.Proposed); p == nil || !p.Sure || !p.At.Equal(after(100)) || p.Query != "docker node ls" || !strings.Contains(p.Text, "node3") {
		t.Errorf("%+v", p)
	}
	g = gathering([]string{"web"}, nil) // a figure that rose before and was up still is the earlier sign
	g.r.Causes = []Cause{sureCause("web", "", "oom-killed", "killed for its memory", after(500))}
	g.propose(Proposal{At: after(60), end: after(590), Text: "error lines of web go from 0 to 9", Source: fleet.LokiName})
	g.startOf()
	if p := First(g.r.Start.Proposed); p == nil || !p.At.Equal(after(60)) {
		t.Errorf("%+v", p)
	}
	if First([]Proposal{{Before: true}}) != nil {
		t.Error("a change alone is no impact")
	}
}

// A rise that was over long before the incident began is of something else.
func TestAnOldRiseIsNotOfThis(t *testing.T) {
	g := gathering([]string{"web"}, nil)
	g.starting = true
	if old := (stretch{at: after(-800), end: after(-700)}); g.ofThis(old) {
		t.Error("it was over 20 min ago")
	}
	if !g.ofThis(stretch{at: after(-800), end: after(500)}) {
		t.Error("it is still on")
	}
	g.x, g.starting = &Incident{Started: Moment{At: after(-600)}}, false
	if !g.ofThis(stretch{at: after(-800), end: after(-700)}) {
		t.Error("the incident began just after")
	}
}

// What else fired or was in trouble within the window is named and marked, what fired before it is said apart, and neither proposes a beginning.
func TestAlso(t *testing.T) {
	g := gathering([]string{"web"}, nil)
	at := after(0)
	g.r.Start = ImpactStart{At: &at, By: "ada"}
	g.x = &Incident{State: Open, Services: []string{"web"}, Started: Moment{At: after(60)}, Impact: Moment{At: at}}
	alert := func(name, service string, since int) *sources.Alert {
		return &sources.Alert{Name: name, Severity: "critical", Service: service, State: sources.Firing, Since: after(since)}
	}
	for _, a := range []*sources.Alert{alert("Errors", "web", 30), alert("Errors", "api", 45), alert("Old", "api", -800), alert("Cert", "", 20)} {
		g.spells = append(g.spells, spell{Alert: *a, live: true, source: fleet.AlertmanagerName, query: "quarterdeck alerts"})
	}
	g.placeAlerts()
	for _, h := range []fleet.Happening{{Time: after(10), Kind: fleet.HealthChanged, Service: "store", Text: "healthy → degraded", Source: "fleet", Bad: true},
		{Time: after(-700), Kind: fleet.HealthChanged, Service: "elsewhere", Text: "healthy → down", Source: "fleet", Bad: true}} {
		g.Deck.Fleet.Note(h)
	}
	g.r.Causes = []Cause{{ID: "disk-full", Title: "its disk is full", Service: "base", Confidence: 0.7, At: after(60)}}
	g.r.Window = g.window()
	g.findAlso()
	var names []string
	for _, a := range g.r.Also {
		names = append(names, a.Service)
	}
	if !slices.Equal(names, []string{"store", "api", "base"}) {
		t.Errorf("%+v", g.r.Also)
	}
	if len(g.earlier) != 1 || !strings.Contains(g.earlier[0], "Old") {
		t.Errorf("fired before: %q", g.earlier)
	}
	for _, x := range g.rows {
		if x.Also != (x.Service != "web") {
			t.Errorf("%+v", x)
		}
		if x.Service == "elsewhere" || strings.Contains(x.Text, "Old") {
			t.Errorf("it was before the window: %+v", x)
		}
	}
	if len(g.proposals) != 1 || !strings.Contains(g.proposals[0].Text, "Errors") {
		t.Errorf("%+v", g.proposals)
	}
	if g.severity != "critical, as alert Errors of web has it" {
		t.Errorf("severity %q", g.severity)
	}
	text := strings.Join(g.impact(), "\n")
	if !strings.Contains(text, "Also in trouble: api, from 12:00:45 UTC on: alert Errors (critical) fired at 12:00:45.") {
		t.Errorf("%s", text)
	}
}

// An alert of a node is known by its labels, whatever they are called.
func TestAlertsOfNode(t *testing.T) {
	g := gathering([]string{"web"}, []string{"node3"})
	for label, want := range map[string]bool{"node3": true, "node3:9100": true, "node33": false, "web": false} {
		if got := g.alertsOf(&sources.Alert{Name: "X", Labels: map[string]string{"instance": label}}, "node3"); got != want {
			t.Errorf("%s: %v", label, got)
		}
	}
}

// How often tasks failed is told with in how long and of how many, and not as so many tasks.
func TestDeathsInWords(t *testing.T) {
	for want, d := range map[string]deaths{
		"web failed 80 times in 7m (1 replica).":                                                                              {service: "web", n: 80, first: after(0), last: after(420), want: 1},
		"web: a task failed, at 12:00:05 UTC (3 replicas).":                                                                   {service: "web", n: 1, first: after(5), last: after(5), want: 3},
		"agent failed 2 times in 10s (a task on each of 3 nodes).":                                                            {service: "agent", n: 2, first: after(0), last: after(10), want: 3, global: true},
		"web failed 5 times in 20s (1 replica), and may have before 12:05:00: the swarm keeps the last five tasks of a slot.": {service: "web", n: 5, first: after(300), last: after(320), want: 1, late: true},
	} {
		if got := d.words(); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}

// One truth: the change that the likeliest cause names is the trigger, whatever lies nearest to the first evidence; its diff is taken in too.
func TestTheCausesChangeIsTheTrigger(t *testing.T) {
	g := gathering([]string{"web"}, nil)
	g.x = &Incident{Services: []string{"web"}, Started: Moment{At: after(60)}}
	change := &Deploy{Service: "store", At: after(-30), Fields: []Field{{Field: "env POOL"}}}
	g.r.Causes = []Cause{{ID: "bad-deploy", Title: "it began with a deploy", Service: "store", Confidence: 0.85, Change: change}}
	g.r.Window = g.window()
	if text := g.trigger(); len(text) != 1 || !strings.Contains(text[0], "store was changed at 11:59:30 UTC") || !strings.Contains(text[0], "env POOL") || !strings.Contains(text[0], "bad-deploy") {
		t.Errorf("%q", text)
	}
	g.namedChanges()
	if len(g.r.Deploys) != 1 || len(g.rows) != 1 || !g.rows[0].Also {
		t.Errorf("%+v %+v", g.r.Deploys, g.rows)
	}
	g.r.Deploys = []Deploy{{Service: "store", At: after(-28), Actor: "bo", Run: "r1", Fields: change.Fields}} // the record knows more of the same
	if text := g.trigger(); !strings.Contains(text[0], "by bo (run r1)") {
		t.Errorf("%q", text)
	}
	g.namedChanges()
	if len(g.r.Deploys) != 1 {
		t.Errorf("one change is told of twice: %+v", g.r.Deploys)
	}
	g.r.Causes = []Cause{sureCause("", "node3", "node-down", "node node3 is down", after(5))}
	g.r.Deploys = nil
	if text := g.trigger(); len(text) != 1 || !strings.Contains(text[0], "node3 is down, at 12:00:05 UTC") || !strings.Contains(text[0], "names no change") {
		t.Errorf("%q", text)
	}
}

// The surest cause stands first, one about the incident's own service before another that is as sure, and effects behind all.
func TestCausesInOrder(t *testing.T) {
	g := gathering([]string{"web"}, nil)
	g.r.Causes = []Cause{{ID: "effect", Service: "web", Confidence: 0.99, EffectOf: "store: full"}, {ID: "node", Node: "node2", Confidence: 0.7}, {ID: "full", Service: "store", Confidence: 0.9}, {ID: "own", Service: "web", Confidence: 0.85},
		{ID: "hardly", Service: "web", Confidence: 0.3}}
	g.sortCauses()
	var got []string
	for i := range g.r.Causes {
		got = append(got, g.r.Causes[i].ID)
	}
	if want := []string{"own", "full", "node", "hardly", "effect"}; !slices.Equal(got, want) {
		t.Errorf("%q", got)
	}
}

// Evidence from outside the window is marked as that.
func TestOutsideIsMarked(t *testing.T) {
	g := gathering([]string{"web"}, nil)
	g.r.Window = Window{From: after(0), To: after(300)}
	old, in := after(-600), after(10)
	g.r.Causes = []Cause{{ID: "crash-loop", Evidence: []Proof{{Text: "old", At: &old}, {Text: "in", At: &in}, {Text: "no moment"}}}}
	g.rows = []Row{{Time: after(500), Bad: true, Text: "late"}, {Time: in, Bad: true}, {Time: old, Text: "not bad"}}
	g.markOutside()
	e := g.r.Causes[0].Evidence
	if e[0].Outside != "before" || e[1].Outside != "" || e[2].Outside != "" || !strings.HasPrefix(e[0].words(), "(before the impact) 11:50:00 old") {
		t.Errorf("%+v", e)
	}
	if g.rows[0].Outside != "after" || g.rows[1].Outside != "" || g.rows[2].Outside != "" {
		t.Errorf("%+v", g.rows)
	}
}

// Sentences that say the same but for figures are told once, with how many more there are.
func TestAlikeProofsAreOne(t *testing.T) {
	g := gathering([]string{"web"}, nil)
	line := func(path, id string) diagnosis.Proof {
		return diagnosis.Proof{Source: fleet.LokiName, Text: "it says: ts=2026-11-25T14:53:16.831Z level=error path=" + path + " trace_id=" + id + ` error="pool exhausted: 4 of 4 in use"`}
	}
	got := g.proofs([]diagnosis.Proof{line("/a", "f2ebfabf60d4250b"), line("/b", "aaebfabf60d42511"), {Source: fleet.LokiName, Text: "it says: another thing"}})
	if len(got) != 2 || got[0].More != 1 || got[1].More != 0 {
		t.Errorf("%+v", got)
	}
}

// counting is a source of metrics that counts requests.
type counting struct {
	sources.Metrics
	n sources.RequestCount
}

func (c counting) RequestsIn(context.Context, string, time.Time, time.Time) (sources.RequestCount, error) {
	return c.n, nil
}

// Users' impact stands in figures: how many requests failed, of how many, between what bounds, and what is usual; the answer's time is one range.
func TestUsersInFigures(t *testing.T) {
	g := gathering([]string{"web"}, nil)
	g.r.Window = Window{From: after(0), To: after(300)}
	g.Metrics = counting{n: sources.RequestCount{All: sources.Counted{Least: 1000, Most: 1200}, Failed: sources.Counted{Least: 250, Most: 260}, How: `as Traefik counts them (service="web@swarm")`, Query: "q"}}
	sample := func(s int, v float64) Sample { return Sample{T: after(s), V: &v} }
	g.charts["web"] = []Chart{{Name: "errors", Unit: "ratio", Points: []Sample{sample(-300, 0.001), sample(-200, 0.002), sample(-100, 0.002), sample(30, 0.3)}},
		{Name: "p95", Unit: "s", Bounds: []float64{0.1, 0.3, 1.2}, Points: []Sample{sample(-300, 0.2), sample(-200, 0.2), sample(-100, 0.25), sample(30, 0.9), sample(900, 5)}}}
	g.readUsers(t.Context())
	g.r.Users = g.users()
	want := []string{"web: 250 to 260 of 1,000 to 1,200 requests failed with 5xx (21 to 25.7 %; usually 0.2 %), as Traefik counts them.",
		"web: 95th percentile of the answer's time was 300 ms to 1.2 s at worst (12:00:30 UTC), usually 100 ms to 300 ms."}
	if got := g.userWords(); len(got) != 3 || got[0] != want[0] || got[1] != want[1] || !strings.Contains(got[2], "two readings of the counter") {
		t.Errorf("%q", got)
	}
	if got := g.userSummary(); len(got) != 1 || !strings.HasPrefix(got[0], "web: 250 to 260") {
		t.Errorf("%q", got)
	}
	g.Metrics = counting{n: sources.RequestCount{Reason: "no request metrics of service web; 3 are there: route it"}}
	g.counts, g.charts = map[string]counted{}, map[string][]Chart{}
	g.readUsers(t.Context())
	g.r.Users = g.users()
	if got := g.userWords(); len(got) != 1 || got[0] != "How many requests failed is not known of web: no request metrics." {
		t.Errorf("what is not known is no 0: %q", got)
	}
}

// What is proposed to be done stands on what was found, and what was done already is not proposed.
func TestProposedItems(t *testing.T) {
	g := gathering([]string{"web"}, nil)
	g.Metrics = counting{}
	g.r.Window = Window{From: after(0), To: after(300)}
	g.r.Start.Proposed = []Proposal{{At: after(0), Text: "error lines of web go from 0 to 9", Query: "q1"}}
	g.Deck.Fleet = proposing()
	g.rulesRead = true
	g.r.Timeline = []Row{{Time: after(150), Kind: "alert", Bad: true, Text: "Errors (critical) fires: x", Service: "web"}}
	g.r.Causes = []Cause{{ID: "bad-deploy", Title: "it began with a deploy", Service: "web", Confidence: 0.85, Steps: []Step{{"see what was changed", "change", "web"}, {"go back to before it", "rollback", "web"}},
		Change: &Deploy{Service: "web", At: after(-5), Fields: []Field{{"web", "env POOL", "none", `"4"`}}}},
		{ID: "x", Title: "hardly", Confidence: 0.3, Steps: []Step{{"nothing", "", ""}}}}
	g.r.Fixes = []Mitigation{{Action: actions.Rollback, Target: "web", Result: actions.ResultDone}}
	g.r.Users = []UserImpact{{Service: "web", Reason: "no request metrics; route it"}, {Service: "base", Reason: "no request metrics"}}
	g.r.Gaps = []Gap{{Source: "loki", What: "logs of tasks that are gone", Reason: notConfigured}}
	g.proposeItems()
	var got []string
	for _, x := range g.r.Proposed {
		if x.From == "" {
			t.Errorf("it stands on nothing: %+v", x)
		}
		got = append(got, x.Text)
	}
	want := []string{"have a test before the deploy of web that fails on this change: env POOL 4",
		"give web a health check that fails on what failed here: without one the swarm calls any task that runs well",
		"have a deploy of web that fails be taken back: docker service update --update-failure-action rollback web", "watch a new task of web for longer: docker service update --update-monitor 30s web",
		"add an alert on the share of requests that fail", "add an alert that tells sooner: the first one, Errors (critical), fired 2m30s after the first sign",
		"have the requests to web counted, by the proxy or by themselves: how many failed is not known", "connect loki: without it logs of tasks that are gone are not known"}
	if !slices.Equal(got, want) {
		t.Errorf("%q", got)
	}
	g.r.Proposed, g.r.Timeline = nil, nil
	g.itemOfAlerts()
	if len(g.r.Proposed) != 1 || !strings.HasPrefix(g.r.Proposed[0].Text, "add an alert: none fired for web") {
		t.Errorf("%+v", g.r.Proposed)
	}
	empty := gathering([]string{"web"}, nil)
	empty.proposeItems()
	if len(empty.r.Proposed) != 0 {
		t.Errorf("nothing was found, and it proposes %+v", empty.r.Proposed)
	}
}

// proposing is a fleet with a service that a proxy sends requests to, and a database that none does.
func proposing() *fleet.Fleet {
	f := fleet.New(func() time.Time { return after(600) }, fleet.SwarmName)
	f.Fold(sources.Change{World: &sources.World{At: noon, Services: []sources.Service{
		{ID: "web", Name: "web", Mode: sources.Replicated, Desired: 2, Labels: map[string]string{"traefik.http.routers.web.rule": "Host(`x`)"}, Update: sources.UpdatePolicy{FailureAction: "pause", Monitor: 5 * time.Second}},
		{ID: "base", Name: "base", Mode: sources.Replicated, Desired: 1, Resources: sources.Resources{LimitBytes: 192 << 20}}}}})
	f.Snapshot()
	return f
}

// What is proposed after a kill for memory is what keeps it from coming again, with what the spec has, and no step of looking for the cause.
func TestMeasuresOfAKillForMemory(t *testing.T) {
	g := gathering([]string{"base"}, nil)
	g.Deck.Fleet = proposing()
	g.r.Causes = []Cause{sureCause("base", "", "oom-killed", "killed for its memory", after(0))}
	g.r.Causes[0].Steps = []Step{{"see its memory against the limit", "metrics", "base"}}
	g.rules, g.rulesRead = []sources.Rule{{Name: "MemoryNearLimit", Query: "container_memory_working_set_bytes / container_spec_memory_limit_bytes > 0.9"}}, true
	g.itemsOfCauses()
	if p := g.r.Proposed; len(p) != 2 || !strings.Contains(p[0].Text, "leaks") || p[0].From != "its spec: the limit is 192 MiB" || !strings.Contains(p[1].Text, "reserve memory") {
		t.Errorf("%+v", p)
	}
	g.r.Proposed, g.rules = nil, nil
	g.itemsOfCauses()
	if p := g.r.Proposed; len(p) != 3 || p[2].Text != "add an alert on memory near its limit" {
		t.Errorf("no rule looks at memory: %+v", p)
	}
}

// A node's incident is of the node and not of the service under the cursor; the services are those that had tasks there.
func TestIncidentOfNode(t *testing.T) {
	k := newDesk(t, t.TempDir(), "ada")
	o := Opening{Title: "node node3 is down", Services: []string{"api", "web"}, Nodes: []string{"node3"}}
	x, err := k.Start(o)
	if must(t, x, err); x.Of() != "node3" || !x.AboutNode("node3") || !x.About("api") {
		t.Errorf("%+v", x)
	}
	if _, err := k.Start(Opening{Title: "again", Nodes: []string{"node3"}}); err == nil {
		t.Error("a second one of the same node is begun")
	}
	y, err := newDesk(t, k.Deck.Journal.Dir(), "bo").Find(x.ID)
	if must(t, y, err); !slices.Equal(y.Nodes, o.Nodes) {
		t.Errorf("the record does not know the node: %+v", y)
	}
	downed := []Cause{sureCause("", "node9", "node-down", "node node9 is down", noon)}
	for state, want := range map[string]int{"down": 1, "ready": 0} {
		k.Deck.Fleet = fleetWith(t, state)
		z := Opening{Services: []string{"idle"}, Anything: true, Causes: downed}
		k.ofNode(&z)
		if len(z.Nodes) != want || want == 1 && !slices.Equal(z.Services, []string{"web"}) || want == 0 && !slices.Equal(z.Services, []string{"idle"}) {
			t.Errorf("%s: %+v", state, z)
		}
	}
}

// fleetWith is a fleet with a node in a state, on which a task of web is.
func fleetWith(t *testing.T, state string) *fleet.Fleet {
	t.Helper()
	f := fleet.New(func() time.Time { return after(60) }, fleet.SwarmName)
	f.Fold(sources.Change{World: &sources.World{At: noon, Nodes: []sources.Node{{ID: "n9", Name: "node9", State: state, Availability: "active"}},
		Services: []sources.Service{{ID: "web", Name: "web", Mode: sources.Replicated, Desired: 1}, {ID: "idle", Name: "idle", Mode: sources.Replicated}},
		Tasks:    []sources.Task{{ID: "web1", ServiceID: "web", Slot: 1, NodeID: "n9", State: sources.TaskRunning, Desired: sources.TaskRunning, Created: after(-600), Since: after(-600)}}}})
	f.Snapshot()
	return f
}

// Where a node has lost a label, that is what set it off: it is told with its time, and not that nothing is known.
func TestALostLabelIsTheTrigger(t *testing.T) {
	g := gathering([]string{"store"}, nil)
	c := sureCause("store", "", "label-changed", "the label disk=ssd was taken off node2", after(30))
	seen := after(29)
	c.Evidence = append(c.Evidence, Proof{Text: "the label disk=ssd was taken off node2, seen as it happened; by whom the swarm does not say", Source: fleet.SwarmName, Query: "docker node inspect node2", At: &seen})
	g.r.Causes = []Cause{c}
	if got := g.trigger(); len(got) != 1 || got[0] != "12:00:29 UTC: the label disk=ssd was taken off node2, seen as it happened; by whom the swarm does not say." {
		t.Errorf("%q", got)
	}
	g.r.Causes[0].Evidence = g.r.Causes[0].Evidence[:1]
	if got := g.trigger(); len(got) != 1 || !strings.Contains(got[0], "is not known") {
		t.Errorf("nobody saw it: %q", got)
	}
}
