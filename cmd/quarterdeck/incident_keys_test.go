//go:build unix

package main

import (
	"context"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	tea "charm.land/bubbletea/v2"

	"quarterdeck/sources"
	"quarterdeck/sources/demo"
	"quarterdeck/ui"
)

// openActingConsole is a console that acts and keeps incidents, with a record and a directory for files of its own.
func openActingConsole(t *testing.T, d *demo.Platform, instead map[string]string) (c *badConsole, dir string) {
	t.Helper()
	dir, state := t.TempDir(), t.TempDir()
	return openConsoleWith(t, d, instead, 15*time.Second, func(ctx context.Context, c *badConsole, o *ui.Options) {
		c.p.settings.StateDir, c.p.settings.Actor = state, "ada@example.com"
		deck, err := c.p.deck()
		if err != nil {
			t.Fatal(err)
		}
		o.Deck, o.Doctor, o.Incidents, o.SaveDir = deck, c.p.doctor(deck), c.p.desk(deck), dir
		desk := o.Incidents
		c.running.Go(func() {
			stop, end := c.p.record(ctx, deck), c.p.followIncidents(ctx, desk)
			<-ctx.Done()
			end()
			stop()
		})
	}), dir
}

// answerTo presses keys at a question, once it has been there long enough to be read: what is typed sooner does not count.
func (c *badConsole) answerTo(question string, keys ...string) {
	c.t.Helper()
	var seen time.Time
	c.wait(question+", read", 30*time.Second, func(s string) bool {
		if !strings.Contains(s, question) {
			seen = time.Time{}
			return false
		}
		if seen.IsZero() {
			seen = time.Now()
		}
		return time.Since(seen) > 600*time.Millisecond
	})
	c.press(keys...)
}

// yes says yes to a question whose default is No. A plan that is made again meanwhile takes no key for a moment: it is pressed until it counts.
func (c *badConsole) yes(question string) {
	c.t.Helper()
	c.answerTo(question)
	var pressed time.Time
	c.wait("the yes", 60*time.Second, func(s string) bool {
		if strings.Contains(s, "[ Yes ]") {
			return true
		}
		if time.Since(pressed) > 3*time.Second {
			pressed = time.Now()
			c.press("tab")
		}
		return false
	})
	c.press("enter")
}

// has tells whether a screen has all of some texts.
func has(texts ...string) func(string) bool {
	return func(s string) bool {
		for _, x := range texts {
			if !strings.Contains(s, x) {
				return false
			}
		}
		return true
	}
}

// TestIncidentToReportByKeys is a bad deploy from the alert to the saved report, by keys alone: nothing is typed that the console knows, the rollback is
// the mitigation without anybody saying so, and the file has what a reader needs who was not there.
func TestIncidentToReportByKeys(t *testing.T) {
	d := quietDemo(t)
	const service = "shop_api"
	c, dir := openActingConsole(t, d, nil)
	c.wait("all is well", 60*time.Second, has("services 12", service))
	if err := d.StartScenario("bad-deploy"); err != nil {
		t.Fatal(err)
	}
	c.wait("an alert fires for it, on the screen", 120*time.Second, func(s string) bool {
		fires := slices.ContainsFunc(c.p.fleet.Snapshot().Alerts, func(a sources.Alert) bool {
			return a.Name == "HighErrorRate" && a.Service == service && a.State == sources.Firing
		})
		return fires && has("HighErrorRate")(s)
	})
	c.press("/")
	c.press(strings.Split(service, "")...)
	c.press("enter")
	c.wait("it is selected", 10*time.Second, has("/"+service))
	c.press("I")
	c.wait("what is known is filled in", 60*time.Second, func(s string) bool {
		return has("start an incident", "of "+service, "alertmanager", "DB_POOL_SIZE")(s) && !strings.Contains(s, "looking for evidence")
	})
	c.answerTo("DB_POOL_SIZE", "enter")
	c.wait("the incident", 30*time.Second, has("incident inc-", "nobody has acknowledged it"))
	c.press("n")
	c.wait("the note's line", 10*time.Second, has("It stands on the timeline"))
	c.press(strings.Split("lesson: the pool has no alert, token=hunter2secret", "")...)
	c.press("enter")
	c.wait("the note", 10*time.Second, has("the pool has no alert", "[redacted]"))
	c.press("a")
	c.wait("acknowledged", 10*time.Second, has("ada looks after it"))
	c.press("esc", "6", "/")
	c.press(strings.Split(service, "")...)
	c.press("enter", "g", "d")
	c.wait("the deploy's diff", 30*time.Second, has("what changed: "+service, "DB_POOL_SIZE"))
	c.press("b")
	c.yes("[ No ]")
	c.wait("the verdict", 120*time.Second, has("converged, stable for"))
	c.press("esc", "I")
	c.wait("the run is the mitigation by itself", 30*time.Second, has("mitigated for", "runs on its services meanwhile", "rollback "+service))
	c.press("r")
	c.answerTo("Is it over?", "y", "enter")
	c.wait("resolved", 30*time.Second, func(s string) bool {
		return has("resolved", "what was written")(s) && !strings.Contains(s, "not resolved") && !strings.Contains(s, "Is it over?")
	})
	c.press("e")
	c.wait("the report", 60*time.Second, has("report of", "Authors", "ada@example.com"))
	c.ask(func(*ui.Model) tea.Msg { return tea.KeyPressMsg{Code: 'o', Mod: tea.ModCtrl} })
	c.wait("the file", 30*time.Second, has("saved "))
	files, err := filepath.Glob(filepath.Join(dir, "inc-*.md"))
	if err != nil || len(files) != 1 {
		t.Fatalf("%v %v", files, err)
	}
	raw, err := os.ReadFile(files[0])
	if err != nil {
		t.Fatal(err)
	}
	holdReport(t, string(raw), service)
}

// section is what stands below a heading of a document; "" : it has no such heading.
func section(md, head string) string {
	_, rest, ok := strings.Cut(md, "\n## "+head+"\n")
	if !ok {
		return ""
	}
	body, _, _ := strings.Cut(rest, "\n## ")
	return body
}

// holdReport holds a bad deploy's report to what SIGNALS.md wants in it.
func holdReport(t *testing.T, md, service string) {
	t.Helper()
	at := 0
	for _, head := range []string{"| Date ", "| Authors ", "| Status ", "## Summary", "## Impact", "## Causes", "## Trigger", "## Resolution", "## Detection", "## Action items", "## Lessons", "## Timeline",
		"## Charts", "## Log lines", "## Queries", "## Spec diff", "## Redactions", "## Gaps", "## The record"} {
		i := strings.Index(md[at:], "\n"+head)
		if i < 0 {
			t.Fatalf("%q is missing, or not in its place:\n%s", head, md)
		}
		at += i
	}
	for head, wants := range map[string][]string{
		"Impact":     {"Began at", "until it was mitigated", "Evidence of when it began", "alertmanager"},
		"Causes":     {"`bad-deploy`", "for it: ", "Looked at:"},
		"Trigger":    {service + " was changed at", "DB_POOL_SIZE"},
		"Resolution": {"rollback of " + service, "proven stable", "resolved by ada@example.com"},
		"Detection":  {"Noticed at", "alert HighErrorRate", "| detect", "| acknowledge", "| mitigate", "| resolve", "run 2"},
		"Lessons":    {"the pool has no alert", "\\[redacted\\]"},
		"Timeline":   {"change", "**alert**", "**incident**", "rollback", "recorded", "said", "inferred"},
		"Charts":     {"```text\n", "errors of " + service, "memory of " + service, "M mitigated", "R resolved"},
		"Log lines":  {"pool exhausted", "new"},
		"Queries":    {"traefik_service_requests_total", "swarm_service=", "quarterdeck journal --run"},
		"Spec diff":  {"image", "DB_POOL_SIZE", "run of quarterdeck"},
		"Redactions": {"credential in a note"},
		"The record": {"the chain is whole"},
		"Gaps":       nil,
	} {
		body := section(md, head)
		for _, want := range wants {
			if !strings.Contains(body, want) {
				t.Errorf("%q is not in %s:\n%s", want, head, body)
			}
		}
	}
	if d := section(md, "Detection"); strings.Contains(d, "not known") {
		t.Errorf("a time was not measured:\n%s", d)
	}
	if strings.Contains(md, "hunter2secret") {
		t.Error("a credential is in the report")
	}
	if strings.Contains(section(md, "Queries"), "journal, for incident "+service+":\n\n```text\n{") {
		t.Error("a query of Loki's is named as the journal's")
	}
}
