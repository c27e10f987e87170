package fleet

import (
	"fmt"
	"math/rand/v2"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"quarterdeck/sources"
)

// said are rows in a line each: time, kind, service, text, outcome, count and sources.
func said(rows []Occurrence) []string {
	var out []string
	for i := range rows {
		o := &rows[i]
		line := fmt.Sprintf("%s %s %s %q", o.Time.UTC().Format("15:04:05"), o.Kind, o.Service, o.Text)
		if o.Outcome != "" {
			line += fmt.Sprintf(" → %q", o.Outcome)
		}
		if o.Count > 1 {
			line += fmt.Sprintf(" ×%d last %s", o.Count, o.Last.UTC().Format("15:04:05"))
		}
		out = append(out, line+" ["+strings.Join(o.Sources, " ")+"]")
	}
	return out
}

func sec(n int) time.Time { return noon.Add(time.Duration(n) * time.Second) }

func deployAt(n int, service, text string) Happening {
	return Happening{Time: sec(n), Kind: DeployStarted, Service: service, Text: text, Source: SwarmName}
}

func outcomeAt(n, began int, kind, service, text string) Happening {
	h := Happening{Time: sec(n), Kind: kind, Service: service, Text: text, Source: SwarmName, Bad: kind != DeployDone}
	if began >= 0 {
		h.Began = sec(began)
	}
	return h
}

func runAt(n int, run, action, target, result string, began int) Happening {
	h := Happening{Time: sec(n), Kind: ActionBegun, Run: run, Action: action, Target: target, Service: firstName(target), Actor: "ada", Source: "journal", Text: "ada: " + action + " " + target + " begun"}
	if result != "" {
		h.Kind, h.Text, h.Began, h.Bad = ActionEnded, "ada: "+action+" "+target+" "+result, sec(began), strings.HasPrefix(result, "failed")
	}
	return h
}

func ofNoService(h Happening, ref string) Happening { h.Service, h.Ref = "", ref; return h }

func firstName(s string) string { name, _, _ := strings.Cut(s, ","); return name }

func mark(n int, text string) Happening {
	return Happening{Time: sec(n), Kind: Annotated, Text: text, Source: "grafana"}
}

func alertAt(n int, kind, source, name, service, ref, text string, within time.Duration) Happening {
	return Happening{Time: sec(n), Kind: kind, Service: service, Text: strings.TrimSuffix(name+": "+text, ": "), Ref: ref, Source: source, Within: within, Bad: kind == AlertFiring}
}

func death(n int, service, slot, task, why string) Happening {
	return Happening{Time: sec(n), Kind: TaskDied, Service: service, Node: "n1", Text: service + "." + slot + ": " + why, Ref: task, Source: SwarmName, Bad: true}
}

func started(n int, service, slot, task string) Happening {
	return Happening{Time: sec(n), Kind: TaskStarted, Service: service, Node: "n1", Text: service + "." + slot, Ref: task, Source: SwarmName}
}

var timelineCases = []struct {
	about string
	list  []Happening
	want  []string
}{
	{"one deploy that four tell of", []Happening{
		runAt(0, "r1", "redeploy", "web", "", 0), deployAt(1, "web", "web:1 → web:2"), outcomeAt(40, 1, DeployDone, "web", "update completed"),
		runAt(46, "r1", "redeploy", "web", "done: release", 0), mark(0, "redeploy web: done by ada"),
	}, []string{`12:00:01 deploy web "web:1 → web:2" → "deployed" [grafana journal swarm]`}},
	{"a deploy by nobody that we know", []Happening{deployAt(1, "web", "web:2"), outcomeAt(40, 1, DeployPaused, "web", "task failed")},
		[]string{`12:00:01 deploy web "web:2" → "paused: task failed" [swarm]`}},
	{"an outcome whose beginning is not dated goes to the last rollout", []Happening{deployAt(1, "web", "web:2"), deployAt(100, "web", "web:3"), outcomeAt(140, -1, RolledBack, "web", "x")},
		[]string{`12:00:01 deploy web "web:2" [swarm]`, `12:01:40 rolled back web "web:3" → "rolled back: x" [swarm]`}},
	{"an outcome alone", []Happening{outcomeAt(140, 20, DeployDone, "web", "completed")}, []string{`12:02:20 deployed web "completed" [swarm]`}},
	{"another service's run stays for itself", []Happening{runAt(0, "r1", "redeploy", "api", "", 0), deployAt(1, "web", "web:2")},
		[]string{`12:00:00 action api "ada: redeploy api" [journal]`, `12:00:01 deploy web "web:2" [swarm]`}},
	{"a run over two services keeps its row", []Happening{runAt(0, "r1", "rollback", "api,web", "", 0), deployAt(1, "web", "w"), deployAt(2, "api", "a"), runAt(60, "r1", "rollback", "api,web", "done", 0)},
		[]string{`12:00:00 action api "ada: rollback api,web" → "done" [journal]`, `12:00:01 deploy web "w" → "done" [journal swarm]`, `12:00:02 deploy api "a" → "done" [journal swarm]`}},
	{"two deploys of a service, each of its own run", []Happening{runAt(0, "r1", "redeploy", "web", "", 0), deployAt(1, "web", "2"), runAt(20, "r1", "redeploy", "web", "failed: x", 0),
		runAt(30, "r2", "undo", "web", "", 0), deployAt(31, "web", "1"), runAt(60, "r2", "undo", "web", "done", 30)},
		[]string{`12:00:01 deploy web "2" → "failed: x" [journal swarm]`, `12:00:31 deploy web "1" → "done" [journal swarm]`}},
	{"a scale", []Happening{runAt(0, "r1", "scale", "web", "", 0), {Time: sec(2), Kind: Scaled, Service: "web", Text: "2 → 4", Source: SwarmName}, runAt(20, "r1", "scale", "web", "done", 0)},
		[]string{`12:00:02 scaled web "2 → 4" → "done" [journal swarm]`}},
	{"a mark about something else", []Happening{deployAt(1, "web", "2"), mark(1, "webshop is being measured"), mark(500, "web again")},
		[]string{`12:00:01 deploy web "2" [swarm]`, `12:00:01 marked  "webshop is being measured" [grafana]`, `12:08:20 marked  "web again" [grafana]`}},
	{"an alert that two tell of", []Happening{alertAt(0, AlertFiring, "alertmanager", "Slow", "web", "f1", "p95 is 2 s", 0), alertAt(-20, AlertFiring, "prometheus", "Slow", "web", "f1", "", 30*time.Second)},
		[]string{`12:00:00 alert web "Slow: p95 is 2 s" [alertmanager prometheus]`}},
	{"labels that were added on the way", []Happening{alertAt(0, AlertFiring, "alertmanager", "Slow", "web", "f1", "p95", 0), alertAt(10, AlertFiring, "prometheus", "Slow", "web", "f2", "", 15*time.Second)},
		[]string{`12:00:00 alert web "Slow: p95" [alertmanager prometheus]`}},
	{"two alerts of one name", []Happening{alertAt(0, AlertFiring, "alertmanager", "Disk", "", "f1", "a", 0), alertAt(0, AlertFiring, "alertmanager", "Disk", "", "f2", "b", 0), alertAt(20, AlertFiring, "prometheus", "Disk", "", "f2", "", 0)},
		[]string{`12:00:00 alert  "Disk: a" [alertmanager]`, `12:00:00 alert  "Disk: b" [alertmanager prometheus]`}},
	{"it fires again", []Happening{alertAt(0, AlertFiring, "alertmanager", "Slow", "web", "f1", "p", 0), alertAt(600, AlertFiring, "alertmanager", "Slow", "web", "f1", "p", 0)},
		[]string{`12:00:00 alert web "Slow: p" [alertmanager]`, `12:10:00 alert web "Slow: p" [alertmanager]`}},
	{"a silence by a run, and as Alertmanager has it", []Happening{{Time: sec(1), Kind: SilenceBegun, Text: "alertname=Slow", Ref: "s1", Actor: "ada", Source: "alertmanager"},
		ofNoService(runAt(0, "r1", "silence", "alertname=Slow", "", 0), ""), ofNoService(runAt(2, "r1", "silence", "alertname=Slow", "done", 0), "s1")},
		[]string{`12:00:01 silence  "alertname=Slow" [alertmanager journal]`}},
	{"a crash loop", []Happening{death(0, "pay", "1", "a", "exit 1"), death(30, "pay", "2", "b", "exit 1"), death(60, "pay", "1", "c", "exit 1"), death(61, "pay", "1", "c", "exit 1"), death(90, "pay", "1", "d", "exit 137"), death(60+1200, "pay", "1", "e", "exit 1")},
		[]string{`12:00:00 task failed pay "exit 1" ×3 last 12:01:01 [swarm]`, `12:01:30 task failed pay "pay.1: exit 137" [swarm]`, `12:21:00 task failed pay "pay.1: exit 1" [swarm]`}},
	{"starts", []Happening{started(0, "web", "1", "a"), started(9, "web", "2", "b"), started(9, "api", "1", "c"), started(400, "web", "1", "d")},
		[]string{`12:00:00 started web "2 tasks" ×2 last 12:00:09 [swarm]`, `12:00:09 started api "api.1" [swarm]`, `12:06:40 started web "web.1" [swarm]`}},
}

func TestTimeline(t *testing.T) {
	for _, tc := range timelineCases {
		if got := said(Timeline(tc.list)); !slices.Equal(got, tc.want) {
			t.Errorf("%s:\n%s\nwant\n%s", tc.about, strings.Join(got, "\n"), strings.Join(tc.want, "\n"))
		}
	}
}

// TestTimelineKnowsNoOrder: in whatever order things become known, and however often, the rows are the same, and nothing is lost.
func TestTimelineKnowsNoOrder(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	var pool []Happening
	for _, tc := range timelineCases {
		pool = append(pool, tc.list...)
	}
	pick := func(n int) []Happening {
		var list []Happening
		for range n {
			h := pool[rng.IntN(len(pool))]
			h.Time = h.Time.Add(time.Duration(rng.IntN(3)) * time.Second)
			list = append(list, h)
		}
		return list
	}
	for round := range 300 {
		list := pick(1 + rng.IntN(60))
		want := Timeline(list)
		parts := map[string]bool{}
		ids := map[string]bool{}
		for i := range want {
			o := &want[i]
			if ids[o.ID] {
				t.Fatalf("round %d: two rows have the id %q", round, o.ID)
			}
			ids[o.ID] = true
			for k := range o.Parts {
				parts[fmt.Sprintf("%+v", *o.Parts[k])] = true
				if !slices.Contains(o.Sources, o.Parts[k].Source) {
					t.Fatalf("round %d: %s does not name %s", round, said(want[i:i+1]), o.Parts[k].Source)
				}
			}
			if i > 0 && o.Time.Before(want[i-1].Time) {
				t.Fatalf("round %d: out of order", round)
			}
		}
		for i := range list {
			if !parts[fmt.Sprintf("%+v", list[i])] {
				t.Fatalf("round %d: %+v is in no row", round, list[i])
			}
		}
		for range 3 {
			shuffled := slices.Clone(list)
			rng.Shuffle(len(shuffled), func(i, j int) { shuffled[i], shuffled[j] = shuffled[j], shuffled[i] })
			before := slices.Clone(shuffled)
			if got := Timeline(shuffled); !reflect.DeepEqual(got, want) {
				t.Fatalf("round %d: another order, other rows:\n%s\nwant\n%s", round, strings.Join(said(got), "\n"), strings.Join(said(want), "\n"))
			}
			if !reflect.DeepEqual(before, shuffled) {
				t.Fatal("the list that was given was changed")
			}
		}
	}
}

// TestStartsDoNotPushOutTheRest: of thousands of starts the newest stay, and every deploy.
func TestStartsDoNotPushOutTheRest(t *testing.T) {
	var h history
	for i := range 1000 {
		h.add(Happening{Time: sec(i), Kind: DeployStarted, Service: fmt.Sprint("s", i), Source: SwarmName})
		for k := range 10 {
			h.add(Happening{Time: sec(i), Kind: TaskStarted, Service: fmt.Sprint("s", i), Text: fmt.Sprint(k), Source: SwarmName})
		}
	}
	h.settle()
	starts := 0
	for i := range h.list {
		if h.list[i].Kind == TaskStarted {
			starts++
		}
	}
	if starts > startsCap+startsCap/4 || starts < startsCap || starts != h.starts || len(h.list)-starts != 1000 || len(h.keys) != len(h.list) {
		t.Errorf("%d starts (counted %d) of %d entries, %d keys", starts, h.starts, len(h.list), len(h.keys))
	}
	if last := h.list[len(h.list)-1]; last.Kind != TaskStarted || !last.Time.Equal(sec(999)) {
		t.Errorf("the newest is %+v", last)
	}
}

// TestSilencedIsNotResolved: an alert that is muted has not gone away, and firing on afterwards is no news.
func TestSilencedIsNotResolved(t *testing.T) {
	f, now := at(noon)
	a := sources.Alert{Fingerprint: "f1", Name: "Slow", Service: "web", State: sources.Firing, Since: ago(time.Minute)}
	f.SetAlerts([]sources.Alert{a})
	*now = noon.Add(time.Minute)
	a.State = sources.Suppressed
	f.SetAlerts([]sources.Alert{a})
	*now = noon.Add(2 * time.Minute)
	a.State = sources.Firing
	f.SetAlerts([]sources.Alert{a})
	if got := texts(f.Snapshot(), AlertFiring, AlertResolved); !slices.Equal(got, []string{"alert web: Slow"}) {
		t.Errorf("%q", got)
	}
	a.State = sources.Suppressed
	f.SetAlerts([]sources.Alert{a})
	*now = noon.Add(3 * time.Minute)
	f.SetAlerts(nil)
	if got := texts(f.Snapshot(), AlertResolved); len(got) != 1 {
		t.Errorf("resolved while it was muted: %q", got)
	}
}

func TestSilencesInHistory(t *testing.T) {
	f, now := at(noon)
	s := sources.Silence{ID: "s1", State: "active", Author: "ada", Comment: "deploy", Starts: ago(time.Minute), Ends: noon.Add(time.Hour), Matchers: []sources.Matcher{{Name: "alertname", Value: "Slow"}, {Name: "swarm_service", Value: "web"}}}
	old := sources.Silence{ID: "s0", State: "expired", Starts: ago(time.Hour), Ends: ago(time.Minute)}
	f.SetSilences([]sources.Silence{s, old})
	snap := f.Snapshot()
	if len(snap.Silences) != 1 || snap.Silences[0].ID != "s1" {
		t.Errorf("%+v", snap.Silences)
	}
	if f.SetSilences([]sources.Silence{s, old}); f.Snapshot() != snap {
		t.Error("the same silences make no new picture")
	}
	*now = noon.Add(time.Minute)
	s.State, s.Ends = "expired", *now
	f.SetSilences([]sources.Silence{s, old})
	got := texts(f.Snapshot(), SilenceBegun, SilenceEnded)
	if !slices.Equal(got, []string{"silence web: alertname=Slow swarm_service=web for 1h1m0s: deploy", "unsilenced web: alertname=Slow swarm_service=web"}) {
		t.Errorf("%q", got)
	}
	if f.Snapshot().Silences == nil {
		t.Error("none is not the same as not known")
	}
	f.SetSilences(nil)
	if f.Snapshot().Silences != nil {
		t.Error("what cannot be read is not none")
	}
}

func BenchmarkTimeline(b *testing.B) {
	var list []Happening
	for i := range HistoryCap {
		tc := timelineCases[i%len(timelineCases)]
		h := tc.list[i/len(timelineCases)%len(tc.list)]
		h.Time = h.Time.Add(time.Duration(i) * 10 * time.Second)
		list = append(list, h)
	}
	for b.Loop() {
		Timeline(list)
	}
}
