package ui

import (
	"context"
	"errors"
	"fmt"
	"math"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/charmbracelet/x/exp/golden"

	"quarterdeck/actions"
	"quarterdeck/sources"
	"quarterdeck/sources/fleet"
)

// ringing is an Alertmanager with what the fixture shows; silences made in it are kept.
type ringing struct {
	alerts   []sources.Alert
	silences []sources.Silence
}

func (r *ringing) Alerts(context.Context) ([]sources.Alert, error)      { return r.alerts, nil }
func (r *ringing) Groups(context.Context) ([]sources.AlertGroup, error) { return nil, nil }
func (r *ringing) Silences(context.Context) ([]sources.Silence, error)  { return r.silences, nil }
func (r *ringing) Probe(context.Context) sources.Probe                  { return sources.Probe{} }
func (r *ringing) Expire(context.Context, string) error                 { return errors.New("not of these tests") }
func (r *ringing) Silence(_ context.Context, s sources.Silence) (string, error) {
	s.ID, s.State = "s9", "active"
	r.silences = append(r.silences, s)
	for i := range r.alerts {
		if m, err := sources.NewMuter(s.Matchers); err == nil && m.Mutes(r.alerts[i].Labels) {
			r.alerts[i].State, r.alerts[i].SilencedBy = sources.Suppressed, []string{s.ID}
		}
	}
	return s.ID, nil
}

// ringers are alerts of each kind, and silences. hostile is put into all that others write.
func ringers(hostile string) *ringing {
	labels := func(kv ...string) map[string]string {
		out := map[string]string{}
		for i := 0; i < len(kv); i += 2 {
			out[kv[i]] = kv[i+1] + hostile
		}
		return out
	}
	at := func(m int) time.Time { return noon.Add(-time.Duration(m) * time.Minute) }
	return &ringing{alerts: []sources.Alert{
		{Fingerprint: "a1", Name: "HighErrorRate" + hostile, Severity: "critical", Service: "shop_web", State: sources.Firing, Since: at(12), Value: "1.869e-01", Receivers: []string{"on-call" + hostile, "chat"},
			Summary: "shop_web answers with errors" + hostile, Labels: labels("alertname", "HighErrorRate", "severity", "critical", "swarm_service", "shop_web", "instance", "10.0.0.3:9100"),
			Annotations: map[string]string{"description": "19 % of its requests fail" + hostile, "runbook_url": "https://runbooks.example.com/errors" + hostile, "dashboard": "https://grafana.example.com/d/1"}},
		{Fingerprint: "a2", Name: "DiskAlmostFull", Severity: "warning", State: sources.Suppressed, Since: at(90), SilencedBy: []string{"s1"}, Summary: "the disk of node2 is almost full",
			Labels: labels("alertname", "DiskAlmostFull", "node", "node2")},
		{Fingerprint: "a3", Name: "HighLatency", Severity: "warning", Service: "shop_api", State: sources.Suppressed, Since: at(11), InhibitedBy: []string{"a1"}, Labels: labels("alertname", "HighLatency", "swarm_service", "shop_api")},
		{Fingerprint: "a4", Name: "MemoryNearLimit", Severity: "warning", Service: "shop_cart", State: sources.Pending, Since: at(1), Value: "0.93", Labels: labels("alertname", "MemoryNearLimit", "swarm_service", "shop_cart")},
	}, silences: []sources.Silence{
		{ID: "s1", State: "active", Author: "ada@example.com" + hostile, Comment: "disk is on order" + hostile, Starts: at(60), Ends: noon.Add(3 * time.Hour), Matchers: []sources.Matcher{{Name: "alertname", Value: "DiskAlmostFull" + hostile}, {Name: "node", Value: "node2|node3", Regexp: true}}},
		{ID: "s2", State: "pending", Author: "grace", Comment: "the move", Starts: noon.Add(time.Hour), Ends: noon.Add(2 * time.Hour), Matchers: []sources.Matcher{{Name: "swarm_stack", Value: "batch"}}},
	}}
}

// rules is a rulebook of one rule.
type rules struct {
	reason string
	err    error
	fired  []sources.Alert
	asked  atomic.Int64
}

func (r *rules) RuleOf(_ context.Context, a *sources.Alert) (sources.Rule, sources.Threshold, error) {
	query := "sum by (swarm_service) (rate(errors[1m])) / sum by (swarm_service) (rate(requests[1m])) > 0.05"
	t := sources.Threshold{Watched: strings.TrimSuffix(query, " > 0.05"), Op: ">", Value: 0.05}
	if r.reason != "" {
		t = sources.Threshold{Watched: query, Reason: r.reason}
	}
	return sources.Rule{Group: "services", Name: a.Name, Query: query, State: "firing", Severity: "critical", For: 2 * time.Minute, Alerting: true}, t, r.err
}

func (r *rules) Fired(context.Context, sources.Window) ([]sources.Alert, error) {
	r.asked.Add(1)
	return r.fired, r.err
}

// rated answers a rule's query with a series that crosses the threshold, and one of another service.
type rated struct{ *stub }

func (r rated) Range(_ context.Context, q string, w sources.Window) (sources.MetricsAnswer, error) {
	out := sources.MetricsAnswer{Query: q}
	for _, service := range []string{"shop_web", "shop_api"} {
		s := sources.Series{Labels: map[string]string{"swarm_service": service}}
		for t := w.Start; !t.After(w.End); t = t.Add(30 * time.Second) {
			v := 0.02 + 0.01*math.Sin(t.Sub(w.Start).Minutes()/5)
			if service == "shop_web" && noon.Sub(t) < 14*time.Minute {
				v = 0.18
			}
			s.Points = append(s.Points, sources.Point{T: t, V: v})
		}
		out.Series = append(out.Series, s)
	}
	return out, nil
}

// ringingRig is a rig whose Alertmanager has something to tell.
func ringingRig(t testing.TB, w, h int, hostile string) (*rig, *ringing, *rules) {
	am, book := ringers(hostile), &rules{}
	r := newRig(t, w, h, func(o *Options) {
		o.Alerts, o.Rules = am, book
		o.Metrics = rated{o.Metrics.(*stub)}
		o.Deck.Alerts = am
		o.Fleet.SetStatus(sources.Status{Name: fleet.AlertmanagerName, State: sources.Live, Fresh: noon})
		o.Fleet.SetAlerts(am.alerts)
		o.Fleet.SetSilences(am.silences)
	})
	r.send(wakeMsg{snap: r.o.Fleet.Snapshot()})
	return r, am, book
}

// alertFrames are what the alerts and the timeline lead to.
var alertFrames = map[string]func(r *rig){
	"list":        func(r *rig) { r.press("5") },
	"silenced":    func(r *rig) { r.press("5", "j", "j") },
	"silence-row": func(r *rig) { r.press("5", "G") },
	"silence-box": func(r *rig) { r.press("5", "S"); r.press(strings.Split("because", "")...) },
	"silence-plan": func(r *rig) {
		r.press("5", "S")
		r.press(strings.Split("because", "")...)
		r.press("enter")
		r.planned()
	},
	"rule": func(r *rig) {
		r.press("5", "Q")
		r.until("the rule", func() bool { return r.overlay.(*ruleBox).loaded })
	},
	"timeline-open": func(r *rig) {
		r.press("6", "T", "esc")
		for i, id := range r.timeline.ids {
			if o := r.timeline.byID[id].of; o != nil && o.Kind == fleet.TaskDied {
				r.timeline.moveTo(i)
			}
		}
		r.press("space")
	},
	"timeline-kinds": func(r *rig) { r.press("6", "T", "j", "space") },
}

func TestGoldenAlerts(t *testing.T) {
	for _, size := range sizes {
		for name, show := range alertFrames {
			t.Run(fmt.Sprintf("%s-%dx%d", name, size[0], size[1]), func(t *testing.T) {
				r, _, _ := ringingRig(t, size[0], size[1], "")
				show(r)
				checkFrame(t, r.Model)
				golden.RequireEqual(t, r.Frame()+"\n")
			})
		}
	}
}

// TestHostileAlertsAreHarmless: labels, comments, authors, queries and marks are others' text.
func TestHostileAlertsAreHarmless(t *testing.T) {
	evil := "\x1b[2J\x1b]52;c;AAAA\x07\u202e\u200b\x9b31m\r\n\x00\xff日本" + strings.Repeat("x", 1<<10)
	for _, size := range append(sizes, [2]int{40, 10}, [2]int{61, 13}) {
		for name, show := range alertFrames {
			r, _, _ := ringingRig(t, size[0], size[1], evil)
			r.o.Fleet.Note(fleet.Happening{Time: noon, Kind: fleet.Annotated, Text: evil, Actor: evil, Source: "grafana" + evil, Target: evil})
			r.send(wakeMsg{snap: r.o.Fleet.Snapshot()})
			show(r)
			checkFrame(t, r.Model)
			if s := r.Frame(); strings.Contains(s, "\x1b]") || strings.Contains(s, "\x1b[2J") || strings.ContainsAny(s, "\x07\u202e") {
				t.Fatalf("%s at %v lets a sequence through", name, size)
			}
		}
	}
}

// TestSilenceByKey: from the alert through the box and the plan to a silence, which is Alertmanager's and the journal's.
func TestSilenceByKey(t *testing.T) {
	r, am, _ := ringingRig(t, 120, 40, "")
	r.press("5", "S")
	r.shows("[x] alertname=HighErrorRate", "[ ] instance=10.0.0.3:9100", "[2h]", "mutes HighErrorRate shop_web (firing)")
	r.press("enter")
	r.shows("say why")
	r.press(strings.Split("rollback", "")...)
	r.press("up", "right", "enter")
	plan := r.planned().plan
	r.shows("mutes now: 1 alert", "until 16:00", "by tester: rollback")
	if d := plan.Silence.Silence.Ends.Sub(r.clock.now()); d.Round(time.Minute) != 4*time.Hour || len(plan.Silence.Silence.Matchers) != 3 {
		t.Fatalf("%s, %v", d, plan.Silence.Silence.Matchers)
	}
	r.slowly("y")
	box := r.running()
	r.ended(box.entry)
	r.shows("done", "it is muted")
	if n := len(am.silences); n != 3 || am.silences[2].Author != "tester" || am.silences[2].Comment != "rollback" {
		t.Fatalf("%+v", am.silences)
	}
	runs, err := r.deck.Runs()
	if err != nil || len(runs) != 1 || runs[0].Action != actions.Silence || runs[0].Result != actions.ResultDone {
		t.Fatalf("%+v %v", runs, err)
	}
}

// TestSilenceOfEverythingIsRefused: in the box at once, and by the plan.
func TestSilenceOfEverythingIsRefused(t *testing.T) {
	r, am, _ := ringingRig(t, 120, 40, "")
	r.press("5", "S")
	b := r.overlay.(*silenceBox)
	for range b.matchers {
		b.focus(0)
		r.press("e")
		b.add.SetValue("")
	}
	b.focus(fieldAdd)
	r.press(strings.Split("alertname=~.+", "")...)
	r.press("enter")
	r.shows("it would mute every alert")
	b.focus(len(b.matchers) + fieldWhy)
	r.press("x", "enter")
	if p := r.planned().plan; p.Refused == "" {
		t.Fatalf("%+v", p)
	}
	r.slowly("y", "enter")
	if len(am.silences) != 2 {
		t.Fatal("it was made")
	}
}

func TestReadOnlySilencesNothing(t *testing.T) {
	r, am, _ := ringingRig(t, 120, 40, "")
	r.deck.Policy.ReadOnly = true
	r.press("5", "S", "w", "enter")
	r.planned()
	r.slowly("y", "enter")
	if len(am.silences) != 2 {
		t.Fatal("it was made")
	}
	r.press("esc", "G", "x")
	r.planned()
	r.shows("read-only")
}

func TestParseLasting(t *testing.T) {
	for text, want := range map[string]time.Duration{"90m": 90 * time.Minute, "2h": 2 * time.Hour, "3d": 72 * time.Hour, "13:30": 90 * time.Minute, "11:00": 23 * time.Hour} {
		if got, err := parseLasting(text, noon, time.UTC); err != nil || got != want {
			t.Errorf("%s: %v %v", text, got, err)
		}
	}
	for _, text := range []string{"", "0", "5s", "-1h", "d", "1.5d", "3dd", "25:00", "9999h", "soon"} {
		if got, err := parseLasting(text, noon, time.UTC); err == nil {
			t.Errorf("%q is %v", text, got)
		}
	}
}

// TestAlertLeadsToItsMoment: enter goes to the service, at the time at which the alert began.
func TestAlertLeadsToItsMoment(t *testing.T) {
	r, _, _ := ringingRig(t, 120, 40, "")
	r.press("5", "enter")
	if r.view != viewTasks || r.tasks.service != "shop_web" || !r.when.at.Equal(noon.Add(-12*time.Minute)) {
		t.Fatalf("view %d of %q at %s", r.view, r.tasks.service, r.when.at)
	}
	r.press("0", "5", "/", "D", "i", "s", "k", "enter", "enter")
	if r.view != viewNodes || r.nodes.selected() != "n2" || !r.when.at.Equal(noon.Add(-90*time.Minute)) {
		t.Fatalf("view %d, node %q at %s", r.view, r.nodes.selected(), r.when.at)
	}
}

// TestAlertOnWhatIsGone: a row, its line in the overview and its text say that the swarm does not have the service; at another moment that is not known.
func TestAlertOnWhatIsGone(t *testing.T) {
	r, from, _ := ringingRig(t, 120, 40, "")
	from.alerts[0].Service = "left_over"
	r.o.Fleet.SetAlerts(from.alerts)
	r.send(wakeMsg{snap: r.o.Fleet.Snapshot()})
	r.press("5", "j") // behind the others
	for r.selectedAlert() == nil || r.selectedAlert().Service != "left_over" {
		r.press("j")
	}
	if !strings.Contains(r.Frame(), "no such: left_over") {
		t.Fatalf("no row:\n%s", r.Frame())
	}
	if !strings.Contains(r.Frame(), "the swarm has no service left_over") {
		t.Errorf("its text says nothing of it:\n%s", r.Frame())
	}
	r.press("1")
	if !strings.Contains(r.Frame(), "left_over: not in the") {
		t.Errorf("the overview says nothing of it:\n%s", r.Frame())
	}
	r.press("5", "<")
	if strings.Contains(r.Frame(), "no such") {
		t.Errorf("said of another moment:\n%s", r.Frame())
	}
}

func TestRuleWithoutThreshold(t *testing.T) {
	r, _, book := ringingRig(t, 120, 40, "")
	book.reason = "it compares two series with each other, and not with a number"
	r.press("5", "Q")
	r.until("the rule", func() bool { return r.overlay.(*ruleBox).loaded })
	r.shows("drawn as it is, without a threshold: it compares two series", "1 of 2 series")
	r.press("a")
	r.shows("all 2 series")
	before := r.overlay.(*ruleBox).generation
	r.press("[")
	if b := r.overlay.(*ruleBox); b.generation == before || r.when.live() {
		t.Fatal("the shared time does not move the rule's chart")
	}
	r.press("esc")
	book.err = &sources.Error{Source: "prometheus", Kind: sources.NotFound, Op: "find the rule", Err: errors.New("no rule of that name"), Next: "ask the ruler"}
	r.press("Q")
	r.until("the answer", func() bool { return r.overlay.(*ruleBox).loaded })
	r.shows("the rule is not known", "no rule of that name", "ask the ruler")
}
