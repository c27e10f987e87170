package ui

import (
	"errors"
	"fmt"
	"testing"
	"time"

	tea "charm.land/bubbletea/v2"
	"github.com/charmbracelet/x/exp/golden"

	"quarterdeck/actions"
	"quarterdeck/sources"
	"quarterdeck/ui/theme"
)

// planOf is a plan with all that a plan may have.
func planOf(harm actions.Harm) *actions.Plan {
	const image = "registry.example.com/shop_web:"
	return &actions.Plan{Action: actions.Redeploy, Harm: harm, Changes: []actions.Change{{Service: "shop_web", Stack: "shop", Usually: 42 * time.Second,
		Policy: sources.UpdatePolicy{Parallelism: 1, Order: "stop-first", FailureAction: "pause"},
		Fields: []sources.FieldChange{
			{Path: []string{"TaskTemplate", "ContainerSpec", "Image"}, Field: "image", Before: image + "1.4.2@sha256:0123456789abcdef0123", After: image + "1.5.0@sha256:feedc0de89abcdef0123"},
			{Path: []string{"TaskTemplate", "ContainerSpec", "Env", "LOG_LEVEL"}, Field: "env LOG_LEVEL", Before: "LOG_LEVEL=info", After: nil}}}},
		Warnings: []string{"shop_web: update failure action pause: a bad image stops half way and stays there until somebody acts"}}
}

// actFrames are the boxes of the hands, each put on the screen.
var actFrames = map[string]func(r *rig) overlay{
	"plan": func(r *rig) overlay { return newPlanBox(r.Model, asking{}, planOf(actions.Serious), nil) },
	"plan-guarded": func(r *rig) overlay {
		p := planOf(actions.Guarded)
		p.Why = "shop_web is protected; quiet hours (fri-sun 16:00-24:00)"
		return newPlanBox(r.Model, asking{note: "somebody else changed shop_web (replicas 3 → 7): look again"}, p, nil)
	},
	"plan-again": func(r *rig) overlay {
		b := newPlanBox(r.Model, asking{}, planOf(actions.Grave), nil)
		b.confirm.enter(r.Model, stageAgain)
		return b
	},
	"plan-refused": func(r *rig) overlay {
		return newPlanBox(r.Model, asking{}, &actions.Plan{Action: actions.Scale, Refused: "shop_agent: it is global: it runs once on each node that fits, so add nodes or change its constraints"}, nil)
	},
	"plan-many": func(r *rig) overlay {
		p := &actions.Plan{Action: actions.Scale, Warnings: []string{"service007: 2 of the 2 new replicas have no place now: no node has 512 MiB free"}}
		for i := range 60 {
			p.Changes = append(p.Changes, actions.Change{Service: fmt.Sprintf("service%03d", i), Fields: []sources.FieldChange{{Path: []string{"r"}, Field: "replicas", Before: "2", After: "4"}}})
		}
		return newPlanBox(r.Model, asking{}, p, nil)
	},
	"plan-drain": func(r *rig) overlay {
		c := &actions.NodeChange{Node: "node3", ID: "n3", Before: sources.NodeWant{Role: "manager", Availability: "active"}, After: sources.NodeWant{Role: "manager", Availability: "drain"}, Moves: []actions.NodeMove{
			{Service: "shop_web", Tasks: 2, Placed: 2, On: map[string]int{"node1": 1, "node2": 1}}, {Service: "shop_store", Tasks: 1, Volumes: []string{"shop_store_data"}, Reason: "node1, node2 does not meet node.labels.storage==ssd"}}}
		return newPlanBox(r.Model, asking{}, &actions.Plan{Action: actions.Drain, Node: c, Harm: actions.Guarded, Why: "on it 1 of 3 tasks finds no place",
			Warnings: []string{"shop_store: the only task finds no place: node1, node2 does not meet node.labels.storage==ssd", "all tasks of shop_store are on it: away until they run elsewhere", "it stays a manager: demote it before the machine is taken away"}}, nil)
	},
	"progress": func(r *rig) overlay {
		e := progressOf(1, 3)
		e.progress.Rollouts[0].Lines = []sources.Entry{{Time: noon, Line: "panic: no database", Level: sources.LevelError}}
		r.Model.hands.add(e)
		return newProgressBox(r.Model, e)
	},
	"progress-many": func(r *rig) overlay {
		e := progressOf(300, 2)
		e.progress.Title = "scale 300 services"
		for i := range 250 {
			e.progress.Rollouts[i].State, e.progress.Rollouts[i].Converged = actions.RolloutDone, e.at
		}
		r.Model.hands.add(e)
		return newProgressBox(r.Model, e)
	},
	"verdict": func(r *rig) overlay {
		e := progressOf(1, 2)
		e.ended, e.progress.Ended, e.progress.Result, e.progress.Reason = true, e.at, actions.ResultFailed, "shop_web: no progress for 45s: no suitable node (insufficient resources on 3 nodes)"
		e.progress.Rollouts[0].State = actions.RolloutFailed
		e.report = actions.Report{Result: actions.ResultFailed, Undo: "quarterdeck undo x"}
		return newProgressBox(r.Model, e)
	},
	"redeploy": func(r *rig) overlay { r.press("r"); return r.overlay },
	"tags": func(r *rig) overlay {
		b := &tagsBox{service: "shop_web", input: newInput(r.st, "tag: ")}
		b.apply(tagsMsg{image: "registry.example.com/shop_web:1.4.2", tags: []string{"1.5.0", "1.4.2", "1.4.1"}})
		return b
	},
	"scale": func(r *rig) overlay {
		b := &scaleBox{services: []string{"shop_web"}, input: newInput(r.st, "replicas: "), planned: 1, generation: 1, plan: planOf(actions.Serious)}
		b.input.SetValue("4")
		return b
	},
	"interrupted": func(r *rig) overlay {
		s := actions.Standing{Run: actions.RunRecord{ID: "20261124-115500-abcde", Action: "redeploy", Target: "shop_web,shop_cart", Actor: "ada@example.com", Host: "laptop", Began: noon.Add(-5 * time.Minute), Why: "ticket 42"},
			Step: "update shop_cart", Done: 1, Of: 3, Services: []actions.ServiceStanding{{Service: "shop_web", State: "changed"}, {Service: "shop_cart", State: "as before"}}}
		r.Model.hands.open = []actions.Standing{s}
		return newOpenBox(r.Model, s)
	},
	"quit": func(r *rig) overlay { r.Model.hands.add(progressOf(1, 3)); r.quitKey(); return r.overlay },
	"runs": func(r *rig) overlay {
		e := progressOf(1, 2)
		e.ended, e.report.Result, e.progress.Result, e.progress.Reason = true, actions.ResultFailed, actions.ResultFailed, "update paused due to failure"
		r.Model.hands.runs = []*runEntry{e, progressOf(1, 3)}
		return &runsBox{}
	},
	"error": func(*rig) overlay {
		return newErrorBox("redeploy shop_web", &sources.Error{Source: "registry", Kind: sources.Unreachable, Op: "resolve registry.example.com/shop_web:1.5.0", Err: errors.New("connection refused"), Next: "check that the registry listens"}, nil)
	},
}

func (r *rig) quitKey() { press(r.t, r.Model, "q") }

func actFrame(t *testing.T, name string, w, h int, mend func(*Options)) {
	t.Helper()
	r := newRig(t, w, h, mend)
	r.overlay = actFrames[name](r)
	checkFrame(t, r.Model)
	golden.RequireEqual(t, r.Frame()+"\n")
	r.Model.hands.runs = nil // they were never begun
}

// TestGoldenActs holds each box at each size in the dark theme, and the plan and the progress in all themes.
func TestGoldenActs(t *testing.T) {
	for _, size := range sizes {
		for name := range actFrames {
			t.Run(fmt.Sprintf("%s-%dx%d", name, size[0], size[1]), func(t *testing.T) { actFrame(t, name, size[0], size[1], nil) })
		}
		for _, name := range theme.Names() {
			for _, box := range []string{"plan", "progress"} {
				t.Run(fmt.Sprintf("theme-%s-%s-%dx%d", name, box, size[0], size[1]), func(t *testing.T) { actFrame(t, box, size[0], size[1], func(o *Options) { o.Theme = name }) })
			}
		}
	}
}

// TestActsAtAnySize draws each box at sizes down to what is too small.
func TestActsAtAnySize(t *testing.T) {
	for name := range actFrames {
		for _, ascii := range []bool{false, true} {
			r := newRig(t, 120, 40, func(o *Options) { o.ASCII = ascii })
			r.overlay = actFrames[name](r)
			for w := 20; w < 200; w += 13 {
				for h := 5; h < 50; h += 7 {
					r.Update(tea.WindowSizeMsg{Width: w, Height: h})
					checkFrame(t, r.Model)
				}
			}
			r.Model.hands.runs = nil
		}
	}
}
