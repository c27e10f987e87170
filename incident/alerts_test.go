package incident

import (
	"context"
	"slices"
	"strings"
	"testing"
	"time"

	"quarterdeck/sources"
	"quarterdeck/sources/fleet"
)

// book is a Prometheus that tells of alerts that fired.
type book struct {
	counting
	fired []sources.Alert
}

func (book) RuleOf(context.Context, *sources.Alert) (sources.Rule, sources.Threshold, error) {
	return sources.Rule{}, sources.Threshold{}, nil
}
func (b book) Fired(context.Context, sources.Window) ([]sources.Alert, error) { return b.fired, nil }

// An alert that Alertmanager has forgotten is dated as it was noticed, and not on a step of Prometheus': detection and timeline agree. When it was
// over is told, and one that comes and goes is told once.
func TestAnAlertHasOneTime(t *testing.T) {
	g := gathering([]string{"cart"}, nil)
	g.x = &Incident{State: Acknowledged, Services: []string{"cart"}, Started: Moment{At: after(52)}, Impact: Moment{At: after(0), By: "ada"}, Detected: Moment{At: after(40), By: "alert HighErrorRate (alertmanager)"}}
	begin := after(0)
	g.r.Start = ImpactStart{At: &begin, By: "ada"}
	labels := map[string]string{"alertname": "HighErrorRate", "service": "cart"}
	near := func(from, to int) sources.Alert {
		return sources.Alert{Name: "MemoryNearLimit", Severity: "warning", Service: "cart", Labels: map[string]string{"alertname": "MemoryNearLimit"}, Since: after(from), Ends: after(to)}
	}
	g.Metrics = book{fired: []sources.Alert{{Name: "HighErrorRate", Severity: "critical", Service: "cart", Labels: labels, Since: after(60), Ends: after(90)}, near(5, 35), near(65, 95), near(105, 120)}}
	g.readAlerts(t.Context())
	g.placeAlerts()
	g.r.Window = g.window()
	var rows []string
	slices.SortStableFunc(g.rows, func(a, b Row) int { return a.Time.Compare(b.Time) })
	for _, x := range g.rows {
		rows = append(rows, clockOf(x.Time)+" "+x.Text)
	}
	if want := []string{"12:00:05 MemoryNearLimit (warning) fires", "12:00:40 HighErrorRate (critical) fires", "12:01:30 HighErrorRate (critical) is over", "12:02:00 MemoryNearLimit (warning) is over: it fired 3 times"}; !slices.Equal(rows, want) {
		t.Errorf("%q", rows)
	}
	want := []string{"Noticed at 12:00:40 UTC by alert HighErrorRate (alertmanager); the incident was declared 12s later by .", "Alert MemoryNearLimit (warning) fired at 12:00:05 UTC, 5s after the impact began; it came and went 3 times, and was over at 12:02:00.",
		"Alert HighErrorRate (critical) fired at 12:00:40 UTC, 40s after the impact began; it was over at 12:01:30."}
	if got := g.detection(); !slices.Equal(got, want) {
		t.Errorf("%q", got)
	}
}

// What fires now is not taken for a firing that was over before it, and what the console saw end has ended.
func TestSpells(t *testing.T) {
	g := gathering([]string{"web"}, nil)
	g.Deck.Fleet.Note(fleet.Happening{Time: after(10), Kind: fleet.AlertFiring, Service: "web", Text: "Slow: it is slow", Source: fleet.AlertmanagerName, Ref: "f1"})
	g.Deck.Fleet.Note(fleet.Happening{Time: after(70), Kind: fleet.AlertResolved, Service: "web", Text: "Slow", Source: fleet.AlertmanagerName, Ref: "f1", Began: after(10)})
	g.readAlerts(t.Context())
	if s := g.spells; len(s) != 1 || s[0].Name != "Slow" || s[0].Summary != "it is slow" || !s[0].Ends.Equal(after(70)) {
		t.Errorf("%+v", s)
	}
	live := []spell{{Alert: sources.Alert{Name: "Slow", Service: "web", Since: after(100)}, live: true}}
	if sameSpell(live, &sources.Alert{Name: "Slow", Service: "web", Since: after(70), Ends: after(95)}) != -1 || sameSpell(live, &sources.Alert{Name: "Slow", Service: "web", Since: after(110)}) != 0 {
		t.Error("the firing before it is another")
	}
}

// An alert that knows a node alone is of the incident whose likely cause is about that node.
func TestTheAlertOfTheCausesNode(t *testing.T) {
	g := gathering([]string{"store"}, nil)
	g.r.Window = Window{From: after(0), To: after(600)}
	g.r.Causes = []Cause{{ID: "disk-full", Service: "store", Node: "node2", Confidence: 0.9}}
	for node, service := range map[string]string{"node2:9100": "", "node3:9100": "", "node2:8080": "other"} {
		a := sources.Alert{Name: "Disk of " + node, Service: service, Since: after(20), Labels: map[string]string{"instance": node}}
		g.spells = append(g.spells, spell{Alert: a, live: true})
	}
	g.placeAlerts()
	if len(g.own) != 1 || g.own[0].Name != "Disk of node2:9100" {
		t.Errorf("%+v", g.own)
	}
	x := &Incident{Services: []string{"store"}, Entries: []Entry{{causes: g.r.Causes}}}
	for i := range g.spells {
		if a := &g.spells[i].Alert; x.Owns(g.Deck.Fleet.Snapshot(), a) != (a.Name == "Disk of node2:9100") {
			t.Errorf("whether it is over: %s", a.Name)
		}
	}
	g.x = &Incident{Detected: Moment{At: after(30), By: "ada"}, Started: Moment{At: after(30)}}
	if text := strings.Join(g.detection(), "\n"); strings.Contains(text, "No alert fired") || !strings.Contains(text, "Alert Disk of node2:9100 fired") {
		t.Errorf("%s", text)
	}
}

// What differs in the request alone is one reason, and a line that is too long keeps the reason at its end.
func TestTheReasonIsKept(t *testing.T) {
	at := func(text string, n int, fresh bool, first int) Pattern {
		return Pattern{Text: text, Count: n, New: fresh, First: after(first), Last: after(first + 10)}
	}
	got := sameReason([]Pattern{at(`level=error path=/<_> status=502 error="pool exhausted"`, 3, true, 5), at(`level=error path="/search?q=lamp" status=500 error="pool exhausted"`, 4, true, 1),
		at(`{"path":"/cart","status":500,"error":"no memory"}`, 1, false, 0), at(`{"path":"/","status":504,"error":"no memory"}`, 9, true, 2)})
	if len(got) != 2 || got[0].Count != 7 || !got[0].New || got[0].Text != `level=error path=<_> status=<_> error="pool exhausted"` || !got[0].First.Equal(after(1)) || !got[0].Last.Equal(after(15)) {
		t.Errorf("%+v", got)
	}
	if got[1].Count != 10 || got[1].New || got[1].Text != `{"path":<_>,"status":<_>,"error":"no memory"}` {
		t.Errorf("%+v", got[1])
	}
	line := "ts=now level=error " + strings.Repeat("x", 400) + ` error="the reason"`
	if c := clipMiddle(line, lineText); len([]rune(c)) != lineText || !strings.HasPrefix(c, "ts=now level=error") || !strings.HasSuffix(c, `error="the reason"`) {
		t.Errorf("%q", c)
	}
	if clipMiddle("short", lineText) != "short" {
		t.Error("it is short")
	}
}

// Where nothing is named it is of the likeliest cause, and of what that brings about; one that names an effect alone is of what it follows from as well.
func TestOfWhatTheCausesSay(t *testing.T) {
	wide := []Cause{{ID: "disk-full", Service: "store", Node: "node2", Confidence: 0.9}, {ID: "errors-after-dependency", Service: "api", Confidence: 0.7, EffectOf: "store: disk-full"},
		{ID: "errors-after-dependency", Service: "web", Confidence: 0.4, EffectOf: "store: disk-full"}, {ID: "log-burst", Service: "other", Confidence: 0.6}}
	o := Opening{}
	o.widen(wide)
	if !slices.Equal(o.Services, []string{"store", "api"}) || o.Causes[0].ID != "disk-full" {
		t.Errorf("%+v", o)
	}
	o = Opening{Services: []string{"api"}, Causes: wide[1:2]}
	o.widen(wide)
	if !slices.Equal(o.Services, []string{"api"}) || o.Causes[0].ID != "disk-full" {
		t.Errorf("%+v", o)
	}
	o = Opening{}
	if o.widen(wide[2:3]); len(o.Services) != 0 {
		t.Errorf("one that is hardly believed: %+v", o)
	}
}

// A stack's name stands for its services that are in trouble.
func TestIncidentOfAStack(t *testing.T) {
	k := &Desk{Deck: gathering(nil, nil).Deck}
	f := fleet.New(func() time.Time { return after(600) }, fleet.SwarmName, fleet.AlertmanagerName)
	f.Fold(sources.Change{World: &sources.World{At: noon, Services: []sources.Service{{ID: "1", Name: "shop_a", Stack: "shop"}, {ID: "2", Name: "shop_b", Stack: "shop"}, {ID: "3", Name: "x_c", Stack: "x"}}}})
	f.Snapshot()
	k.Deck.Fleet = f
	o := Opening{Services: []string{"shop", "x_c", "gone"}}
	k.unstack(t.Context(), &o)
	if !slices.Equal(o.Services, []string{"shop_a", "shop_b", "x_c", "gone"}) {
		t.Errorf("%q", o.Services)
	}
}

// An alert that begins to fire while somebody fills in what an incident is of has noticed it first.
func TestNoticedByTheAlertOfTheStart(t *testing.T) {
	k := newDesk(t, t.TempDir(), "ada")
	k.Deck.Fleet = fleet.New(k.Deck.Now, fleet.AlertmanagerName)
	since := k.Deck.Now().Add(-10 * time.Second)
	k.Deck.Fleet.SetAlerts([]sources.Alert{{Name: "Errors", Service: "web", State: sources.Firing, Since: since}})
	x, err := k.Start(Opening{Title: "it fails", Services: []string{"web"}})
	if must(t, x, err); !x.Detected.At.Equal(since) || !strings.HasPrefix(x.Detected.By, "alert Errors") {
		t.Errorf("%+v", x.Detected)
	}
}
