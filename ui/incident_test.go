package ui

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/charmbracelet/x/exp/golden"

	"quarterdeck/actions"
	"quarterdeck/incident"
	"quarterdeck/sources/fleet"
)

// withDesk is a rig that keeps incidents.
func withDesk(t *testing.T, w, h int, mend func(*Options)) *rig {
	r := newRig(t, w, h, func(o *Options) {
		o.Incidents = &incident.Desk{Deck: o.Deck, Logs: o.Logs, Metrics: o.Metrics}
		o.Incidents.Listen()
		if mend != nil {
			mend(o)
		}
	})
	return r
}

// TestIncidentByKeys is an incident from I to its report, by keys alone.
func TestIncidentByKeys(t *testing.T) {
	dir := t.TempDir()
	r := withDesk(t, 120, 40, func(o *Options) { o.SaveDir = dir })
	r.press("I")
	r.shows("start an incident", "of shop_payments", "shop_payments is down", "When did the impact begin?", "task failed") // shop_web is well: the worst is meant
	r.filledIn()
	r.slowly("enter")
	r.shows("incident inc-", "open for", "nobody has acknowledged it", "started", "INCIDENT shop_payments")
	r.press("a")
	r.shows("tester looks after it", "acknowledged  after")
	r.press("a")
	if r.toast.text != "you look after it already" {
		t.Errorf("a second time it says %q", r.toast.text)
	}
	r.press("n")
	r.shows("It stands on the timeline")
	r.press("enter")
	r.shows("say something")
	r.overlay.paste("lesson: a limit was too small, api_key=hunter2")
	r.press("enter")
	r.shows("lesson", "a limit was too small, api_key=[redacted]")
	r.press("m")
	r.overlay.paste("restarted by hand")
	r.press("enter")
	r.shows("mitigated for", "restarted by hand")
	r.press("r")
	r.shows("Is it over?", "shop_payments is down", "[ No ]")
	r.press("enter") // within the time of grace, and No besides
	r.slowly("enter")
	r.shows("mitigated for")
	r.press("r")
	r.slowly("y", "enter")
	r.shows("resolved", "e writes the report")
	r.press("e")
	r.shows("report of", "Incident: shop_payments is down", "Authors", "tester")
	r.press("ctrl+o")
	r.until("the file", func() bool { return strings.HasPrefix(r.toast.text, "saved ") })
	files, err := filepath.Glob(filepath.Join(dir, "inc-*.md"))
	if err != nil || len(files) != 1 {
		t.Fatalf("%v %v", files, err)
	}
	raw, err := os.ReadFile(files[0])
	if text := string(raw); err != nil || !strings.HasPrefix(text, "# Incident: shop\\_payments") && !strings.HasPrefix(text, "# Incident: shop_payments") || strings.Contains(text, "hunter2") || !strings.Contains(text, "## Lessons\n\n- a limit was too small") {
		t.Errorf("%v %s", err, text)
	}
	r.press("c")
	if r.toast.text != "copied as Markdown" {
		t.Errorf("c says %q", r.toast.text)
	}
	r.press("esc")
	r.shows("what was written")
	r.press("esc", "6")
	r.shows("tester: incident started", "tester: resolved")
	if strings.Contains(r.screen(), "INCIDENT") {
		t.Error("the header still tells of it")
	}
	r.press("I")
	r.shows("start an incident")
}

// TestImpactIsTheSharedMoment: the moment that the console looks at is offered, and taken.
func TestImpactIsTheSharedMoment(t *testing.T) {
	r := withDesk(t, 160, 48, nil)
	r.press("I", "up", "up", "up")
	r.until("the evidence", func() bool { b, ok := r.overlay.(*incidentStartBox); return ok && !b.moments.loading })
	r.press("up", "up", "up", "up", "up", "up", "enter")
	r.shows("nobody has set when the impact began: t")
	r.press("esc")
	moment := noon.Add(-17 * time.Minute)
	r.when.set(moment, r.clock.now())
	r.press("I", "t")
	r.shows("the moment under the cursor")
	r.until("the evidence", func() bool { b, ok := r.overlay.(*impactBox); return ok && !b.moments.loading })
	for range 20 {
		r.press("up")
	}
	r.press("down", "enter")
	r.shows("impact began 11:43:00, set by tester")
	x := r.ongoing()[0]
	if !x.Impact.At.Equal(moment) || x.Impact.Source != "a person" {
		t.Errorf("%+v", x.Impact)
	}
	r.press("t", "e")
	r.overlay.paste("25m")
	r.press("enter")
	r.until("a typed time", func() bool { o := r.ongoing(); return len(o) == 1 && o[0].Impact.At.Before(moment) })
}

// TestColleaguesIncident: what another console writes is seen, and can be acknowledged from here.
func TestColleaguesIncident(t *testing.T) {
	r := withDesk(t, 120, 40, nil)
	other := &incident.Desk{Deck: &actions.Deck{Hands: r.hands, Fleet: r.hands.fleet, Journal: r.deck.Journal, Now: r.clock.now, Policy: actions.Policy{Actor: "ada@example.com", Host: "there"}}}
	x, err := other.Start(incident.Opening{Title: "the shop is slow", Services: []string{"shop_web"}})
	if err != nil {
		t.Fatal(err)
	}
	if err := r.o.Incidents.Load(); err != nil { // FollowTeam does it in a console
		t.Fatal(err)
	}
	r.send(wakeMsg{snap: r.o.Fleet.Snapshot()})
	r.shows("INCIDENT shop_web", "nobody's")
	r.press("I")
	r.shows("the shop is slow", "ada")
	r.press("a")
	r.shows("tester looks after it")
	if err := other.Load(); err != nil {
		t.Fatal(err)
	}
	if y, err := other.Find(x.ID); err != nil || y.Owner != "tester" {
		t.Errorf("%+v %v", y, err)
	}
}

func TestReadOnlyIncident(t *testing.T) {
	r := withDesk(t, 120, 40, func(o *Options) { o.ReadOnly = true })
	r.press("I")
	if r.overlay != nil || !strings.Contains(r.toast.text, "read-only") {
		t.Errorf("%T %q", r.overlay, r.toast.text)
	}
}

// TestIncidentIsOffered: where something is in trouble the last line offers the incident behind the why, at each width, and the help has it in its
// first lines; where all is well it does not crowd.
func TestIncidentIsOffered(t *testing.T) {
	for _, size := range sizes {
		r := withDesk(t, size[0], size[1], nil)
		last := func() string {
			lines := strings.Split(strings.TrimRight(r.screen(), "\n"), "\n")
			return lines[len(lines)-1]
		}
		if s := last(); !strings.Contains(s, "i why  I ") || !strings.Contains(s, "incident") || !strings.Contains(s, "? help") {
			t.Errorf("%v, in trouble: %q", size, s)
		}
		r.press("?")
		r.shows("incident: the open one")
		r.press("esc")
		well := *r.snap
		well.Alerts, well.Nodes, well.Services = nil, nil, slices.Clone(well.Services)
		for i, v := range well.Services {
			x := *v
			x.Health, x.Firing, x.Unusual = fleet.Healthy, 0, fleet.Unusual{}
			well.Services[i] = &x
		}
		r.Model.snap = &well
		if s := last(); strings.Contains(s, "I ") {
			t.Errorf("%v, all is well: %q", size, s)
		}
		well.Services[0].Unusual.Errors = true // a deploy that answers with errors is healthy for the swarm
		if s := last(); !strings.Contains(s, "i why  I ") {
			t.Errorf("%v, one needs a look: %q", size, s)
		}
	}
}

// TestStartOfNode: with the cursor on a node that is down the incident is of the node.
func TestStartOfNode(t *testing.T) {
	r := withDesk(t, 120, 40, nil)
	snap := *r.snap
	snap.Nodes = slices.Clone(snap.Nodes)
	for i := range snap.Nodes {
		snap.Nodes[i].State, snap.Nodes[i].Message = "down", "heartbeat failure"
	}
	r.Model.snap = &snap
	r.press("9")
	name := snap.Node(r.nodes.selected()).Name
	r.press("I")
	r.shows("start an incident", "of node "+name)
}

// pastIncident is one with all that one may have; evil is put into each text of others.
func pastIncident(evil string) incident.Incident {
	at := func(minutes int) time.Time { return noon.Add(time.Duration(minutes) * time.Minute) }
	said := func(p incident.Phase, minute int, actor, text string, s incident.Section) incident.Entry {
		return incident.Entry{Phase: p, At: at(minute), Written: at(minute), Actor: actor + evil, Text: text + evil, Section: s}
	}
	return incident.Incident{ID: "inc-20261124-1148-abcde" + evil, Services: []string{"shop_payments", "gone" + evil}, Title: "shop_payments is down: no task runs" + evil, Severity: "critical" + evil, State: incident.Acknowledged,
		Started: incident.Moment{At: at(-12), By: "ada@example.com"}, Owner: "bo@example.com" + evil, Detected: incident.Moment{At: at(-13), By: "alert ServiceDown (alertmanager)" + evil},
		Impact:       incident.Moment{At: at(-15), By: "ada@example.com", Source: "prometheus: the ratio of errors goes from 0 % to 12 %" + evil},
		Acknowledged: incident.Moment{At: at(-10), By: "bo@example.com"},
		Entries: []incident.Entry{said(incident.Start, -12, "ada", "", ""), said(incident.Impact, -15, "ada", "", ""), said(incident.Acknowledge, -10, "bo", "", ""),
			said(incident.Note, -8, "bo", "the card provider answers 503; their status page says nothing yet, so I have asked them by telephone", ""), said(incident.Note, -5, "ada", "add an alert on the provider's answers", incident.ForAction)}}
}

var incidentBoxes = map[string]func(m *Model, evil string) overlay{
	"incident": func(m *Model, _ string) overlay { return &incidentBox{id: m.incidents[0].ID} },
	"start": func(m *Model, evil string) overlay {
		b := &incidentStartBox{opening: incident.Opening{Services: []string{"shop_payments"}, Severity: "critical" + evil}, input: newInput(m.st, "what is wrong: "), moments: newMoments(m)}
		b.applyOpening(m, openingMsg{box: b, opening: incident.Opening{Services: []string{"shop_payments"}, Title: "shop_payments: crashes again and again, exit 1" + evil, Severity: "critical"}})
		b.applyEvidence(m, evidenceMsg{box: b,
			proposed: []incident.Proposal{{At: noon.Add(-16 * time.Minute), Text: "change of shop_payments before it: image" + evil, Source: "swarm", Before: true},
				{At: noon.Add(-15 * time.Minute), Text: "the ratio of errors goes from 0 % to 12 %" + evil, Source: "prometheus"}, {At: noon.Add(-13 * time.Minute), Text: "alert ServiceDown (critical) fires" + evil, Source: "alertmanager"}},
			gaps: []incident.Gap{{Source: "loki", What: "how many error lines shop_payments wrote" + evil}}})
		return b
	},
	"resolve": func(m *Model, _ string) overlay {
		return newResolveBox(m, &m.incidents[0], &incidentBox{id: m.incidents[0].ID})
	},
	"all": func(*Model, string) overlay { return &incidentsBox{} },
	"report": func(_ *Model, evil string) overlay {
		raw, err := os.ReadFile("../incident/testdata/TestGoldenReports/bad-deploy.golden")
		b := &readingBox{head: "report of shop_api" + evil, name: "x.md"}
		b.apply(handoverMsg{text: string(raw) + evil, err: err})
		return b
	},
}

// TestGoldenIncidents holds each box at each size, below the header that tells of the incident.
func TestGoldenIncidents(t *testing.T) {
	for _, size := range sizes {
		for name, box := range incidentBoxes {
			t.Run(fmt.Sprintf("%s-%dx%d", name, size[0], size[1]), func(t *testing.T) {
				m, _ := console(t, size[0], size[1], nil)
				m.incidents = []incident.Incident{pastIncident("")}
				m.team = []actions.TeamRun{{Run: "20261124-115500-abcde", Action: "rollback", Target: "shop_payments", Actor: "bo@example.com", Began: noon.Add(-5 * time.Minute), Ended: noon.Add(-4 * time.Minute), Result: actions.ResultDone}}
				m.overlay = box(m, "")
				checkFrame(t, m)
				golden.RequireEqual(t, m.Frame()+"\n")
			})
		}
	}
}

// TestHostileIncidentIsHarmless: titles, notes and names are others' text.
func TestHostileIncidentIsHarmless(t *testing.T) {
	evil := "\x1b[2J\x1b]52;c;AAAA\x07\u202e\u200b\x9b31m\r\n\x00\xff日本|`<b>" + strings.Repeat("x", 1<<12)
	for _, size := range append(sizes, [2]int{40, 10}, [2]int{61, 13}) {
		for name, box := range incidentBoxes {
			m, _ := console(t, size[0], size[1], nil)
			m.incidents = []incident.Incident{pastIncident(evil), pastIncident(evil)}
			m.overlay = box(m, evil)
			for _, k := range []string{"", "pgdown", "j", "G", "k", "tab"} {
				if k != "" {
					press(t, m, k)
				}
				checkFrame(t, m)
				if s := m.Frame(); strings.Contains(s, "\x1b]") || strings.Contains(s, "\x1b[2J") || strings.ContainsAny(s, "\x07\u202e") {
					t.Fatalf("%s at %v lets a sequence through after %q", name, size, k)
				}
			}
		}
	}
}

func TestInlineText(t *testing.T) {
	for in, want := range map[string]string{`a \| b`: "a | b", "`a*b`": "a*b", "**bold** x": "bold x", "&lt;b&gt; &amp; &x": "<b> & &x", `\*\_\\`: `*_\`, "``a`b``": "a`b", "lone ` tick": "lone ` tick", `ends \`: `ends \`} {
		if got := inlineText(in); got != want {
			t.Errorf("%q reads %q, want %q", in, got, want)
		}
	}
}

// What the box says an incident has been for so long counts from when it came into that state, not from its start.
func TestStateCountsFromItsOwnMoment(t *testing.T) {
	m, _ := console(t, 120, 40, nil)
	x := &incident.Incident{State: incident.Open, Started: incident.Moment{At: noon, By: "ada"}}
	if got := m.stateSince(x); !got.Equal(noon) {
		t.Errorf("open since %s", got)
	}
	x.State, x.Acknowledged = incident.Acknowledged, incident.Moment{At: noon.Add(3 * time.Minute), By: "ada"}
	if got := m.stateSince(x); !got.Equal(x.Acknowledged.At) {
		t.Errorf("acknowledged since %s", got)
	}
	x.State, x.Mitigated = incident.Mitigated, incident.Moment{At: noon.Add(9 * time.Minute), By: "ada"}
	if got := m.stateSince(x); !got.Equal(x.Mitigated.At) {
		t.Errorf("mitigated since %s", got)
	}
}
