package ui

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/charmbracelet/x/exp/golden"

	"quarterdeck/actions"
	"quarterdeck/actions/journal"
	"quarterdeck/sources"
	"quarterdeck/ui/theme"
)

// past is a history with one of each: a state of now, one that failed, one that a run made, and what the engine remembers.
func past(hostile string) ([]actions.State, []sources.FieldChange) {
	two, three := uint64(2), uint64(3)
	digest := "@sha256:" + strings.Repeat("0a1b2c3d", 8)
	ref := func(spec, image string, n *uint64) actions.SpecRef {
		return actions.SpecRef{Service: "shop_web", Spec: strings.Repeat(spec, 8), Image: image + hostile + digest, Replicas: n}
	}
	states := []actions.State{
		{SpecRef: ref("3c4d5e6f", "registry.example.com/shop/web:1.4.2", &three), Since: noon.Add(-4 * time.Minute), Was: "seen", Now: true},
		{SpecRef: ref("99aabbcc", "registry.example.com/shop/web:2.0.0-rc1", &three), Since: noon.Add(-6 * time.Minute), Was: "run", Run: "20261124-115400-abcde" + hostile, Action: "redeploy", Actor: "ada" + hostile, Bad: "shop_web: 2 tasks failed: task: non-zero exit (1)" + hostile},
		{SpecRef: ref("3c4d5e6f", "registry.example.com/shop/web:1.4.2", &three), Since: noon.Add(-26 * time.Hour), Was: "run", Run: "20261123-100000-bcdef", Action: "scale", Actor: "grace@example.com"},
		{SpecRef: ref("12345678", "registry.example.com/shop/web:1.4.2", &two), Was: "engine"},
	}
	fields := []sources.FieldChange{
		{Path: []string{"TaskTemplate", "ContainerSpec", "Image"}, Field: "image", Before: "registry.example.com/shop/web:1.4.2" + digest, After: "registry.example.com/shop/web:2.0.0-rc1" + hostile + digest},
		{Path: []string{"TaskTemplate", "ContainerSpec", "Env", "TIMEOUT" + hostile}, Field: "env TIMEOUT" + hostile, Before: "TIMEOUT=5s", After: "TIMEOUT=5" + hostile},
		{Path: []string{"TaskTemplate", "ContainerSpec", "Env", "API_TOKEN"}, Field: "env API_TOKEN", Before: "API_TOKEN=masked:0123456789abcdef01234567", After: "API_TOKEN=masked:89abcdef0123456789abcdef"},
		{Path: []string{"TaskTemplate", "Resources", "Limits", "MemoryBytes"}, Field: "limit-memory", Before: json.Number("268435456"), After: json.Number("134217728")},
	}
	return states, fields
}

func pastHistory(hostile string, index int, back bool) *historyBox {
	states, fields := past(hostile)
	b := &historyBox{service: "shop_web" + hostile, states: states, loaded: true, back: back, diffs: newDiffs()}
	b.list.setRows([]string{"4", "3", "2", "1"})
	b.list.moveTo(index)
	p, _ := b.pair()
	b.diffs.known[p] = diffAnswer{fields: fields, notes: []string{"env API_TOKEN: today's value stays, for the earlier one was never written down"}}
	return b
}

func pastChange(hostile string) *changeBox {
	states, fields := past(hostile)
	b := &changeBox{service: "shop_web" + hostile, states: states, index: 1, loaded: true, diffs: newDiffs(), when: moment{at: noon.Add(-5 * time.Minute), before: true, what: "task failed" + hostile}}
	b.diffs.known[b.pair()] = diffAnswer{fields: fields}
	return b
}

func pastRecord(hostile string) *recordBox {
	_, fields := past(hostile)
	raw := func(v any) json.RawMessage {
		b, err := json.Marshal(v)
		if err != nil {
			panic(err)
		}
		return b
	}
	at := func(s int) time.Time { return noon.Add(time.Duration(s-360) * time.Second) }
	r := actions.RunRecord{ID: "20261124-115400-abcde", Action: "redeploy", Target: "shop_web" + hostile, Actor: "ada" + hostile, Host: "desk" + hostile, Began: at(0), Ended: at(42),
		Result: actions.ResultTakenBack, Why: "release 2.0" + hostile, Reason: "shop_web: 2 tasks failed: task: non-zero exit (1)" + hostile, UndoneBy: "20261124-115900-fedcb" + hostile,
		Steps: []journal.Entry{
			{Phase: "step", Step: "update shop_web" + hostile, State: "started", Time: at(0)}, {Phase: "step", Step: "update shop_web" + hostile, State: "done", Time: at(1)},
			{Phase: "step", Step: "verify shop_web", State: "started", Time: at(1)}, {Phase: "step", Step: "verify shop_web", State: "failed", Time: at(41), Reason: "2 tasks failed" + hostile},
			{Phase: "end", Time: at(42), Detail: raw(actions.VerifyReport{Checks: []actions.CheckReport{{Service: "shop_web", Name: "rollout", Detail: "failed: 2 tasks failed" + hostile}, {Service: "shop_web", Name: "replicas", OK: true, Detail: "3 of 3 run what was asked for, and stay well"}}})},
		}}
	return &recordBox{id: r.ID, run: r, loaded: true, changes: []actions.ServiceFields{{Service: "shop_web" + hostile, Fields: fields}}}
}

func pastHandover(hostile string) *readingBox {
	text := "# Handover: production" + hostile + "\n\n2026-11-24 12:00:00 UTC, by ada.\n\n## Now\n\n3 of 3 nodes up.\n- **shop_payments** down, 0/2: 3 tasks failed" + hostile + "\n\n## What was done\n\n" +
		"### redeploy shop_web: taken-back\n\n| service | field | before | after |\n|---|---|---|---|\n| shop_web | image | registry.example.com/shop/web:1.4.2 | registry.example.com/shop/web:2.0.0-rc1" + hostile + " |\n" +
		"| shop_web | env A\\|B | none | &lt;x> |\n\nThe record: 12 entries, the chain is whole (`quarterdeck journal verify`).\n"
	return &readingBox{head: "handover since 00:00:00", name: "x.md", text: text, loaded: true}
}

func lookBoxes(hostile string) map[string]func(m *Model) overlay {
	return map[string]func(m *Model) overlay{
		"history":      func(*Model) overlay { return pastHistory(hostile, 1, false) },
		"history-back": func(*Model) overlay { return pastHistory(hostile, 3, true) },
		"change":       func(*Model) overlay { return pastChange(hostile) },
		"record":       func(*Model) overlay { return pastRecord(hostile) },
		"handover":     func(*Model) overlay { return pastHandover(hostile) },
		"ask": func(m *Model) overlay {
			return newAsk(m, "rotate secret cert_v1"+hostile, "file: ", "", []string{"A new version is made from a file."}, nil)
		},
	}
}

// TestGoldenLook holds the boxes that look back at each size, and the history in all themes.
func TestGoldenLook(t *testing.T) {
	for _, size := range sizes {
		for name, box := range lookBoxes("") {
			t.Run(fmt.Sprintf("%s-%dx%d", name, size[0], size[1]), func(t *testing.T) {
				m, _ := console(t, size[0], size[1], nil)
				m.overlay = box(m)
				checkFrame(t, m)
				golden.RequireEqual(t, m.Frame()+"\n")
			})
		}
		for _, name := range theme.Names() {
			t.Run(fmt.Sprintf("theme-%s-%dx%d", name, size[0], size[1]), func(t *testing.T) {
				m, _ := console(t, size[0], size[1], func(o *Options) { o.Theme = name })
				m.overlay = pastHistory("", 1, false)
				checkFrame(t, m)
				golden.RequireEqual(t, m.Frame()+"\n")
			})
		}
	}
}

// TestHostilePastIsHarmless: names, values, reasons and records are others' text.
func TestHostilePastIsHarmless(t *testing.T) {
	evil := "\x1b[2J\x1b]52;c;AAAA\x07\u202e\u200b\x9b31m\r\n\x00\xff日本" + strings.Repeat("x", 1<<14)
	for _, size := range append(sizes, [2]int{40, 10}, [2]int{61, 13}) {
		for name, box := range lookBoxes(evil) {
			m, _ := console(t, size[0], size[1], nil)
			m.team = []actions.TeamRun{{Run: "r" + evil, Action: "scale" + evil, Target: evil, Actor: evil, Step: evil, Began: noon.Add(-time.Minute)}}
			m.overlay = box(m)
			for _, k := range []string{"", "pgdown", "j", "G", "k", "tab"} {
				if k != "" {
					press(t, m, k)
				}
				checkFrame(t, m)
				if s := m.Frame(); strings.Contains(s, "\x1b]") || strings.Contains(s, "\x1b[2J") || strings.ContainsAny(s, "\x07\u202e") {
					t.Fatalf("%s at %v lets a sequence through after %q", name, size, k)
				}
			}
			m.overlay = nil
			press(t, m, "6")
			checkFrame(t, m)
		}
	}
}
