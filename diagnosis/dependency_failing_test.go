package diagnosis

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"quarterdeck/sources"
	"quarterdeck/sources/fleet"
)

// neighbours are a scene of a service that runs well, "db", and what it and its caller have said.
func neighbours(own, callers []string) *Scene {
	db := &fleet.Service{Service: sources.Service{Name: "s_db", Stack: "s", Networks: []string{"n"}, Mode: sources.Replicated, Desired: 1}, Verdict: fleet.Verdict{Health: fleet.Healthy, Want: 1, Running: 1, Well: 1}}
	api := &fleet.Service{Service: sources.Service{Name: "s_api", Stack: "s", Networks: []string{"n"}}}
	s := &Scene{At: noon, Snap: &fleet.Snapshot{At: noon, Services: []*fleet.Service{db, api}}, Service: db, Logs: &LogsSeen{Source: "loki", BeforeSeen: true, Jump: Jump{Found: true}}}
	s.Logs.Errors = said(own)
	learnLinks(s)
	if len(callers) > 0 {
		s.Quotes = []Quote{{By: "s_api", Lines: said(callers), Source: "loki"}}
	}
	return s
}

// said are lines of level error, a second apart, the last at noon.
func said(lines []string) []sources.Entry {
	out := make([]sources.Entry, len(lines))
	for i, l := range lines {
		out[i] = sources.Entry{Time: noon.Add(time.Duration(i+1-len(lines)) * time.Second), Level: sources.LevelError, Line: l}
	}
	return out
}

func times(n int, line string) []string {
	out := make([]string, n)
	for i := range out {
		out[i] = fmt.Sprintf("%s (%d)", line, i)
	}
	return out
}

// TestDependencyFailing: what others need is told of where it says itself that it is at a limit, where others wait for it, where it errs and others name
// it; and not where one caller was changed, or where it only passes on.
func TestDependencyFailing(t *testing.T) {
	for name, c := range map[string]struct {
		own, callers []string
		mend         func(*Scene)
		title        string // what it contains; "": it is no cause
		least, most  float64
	}{
		"at a limit, and named":        {times(4, "FATAL: sorry, too many clients already"), times(3, "db: FATAL: sorry, too many clients already"), nil, "at a limit", 0.85, 0.95},
		"at a limit, nobody is hurt":   {times(4, "FATAL: remaining connection slots are reserved"), nil, nil, "at a limit", 0.65, 0.75},
		"at a limit, as ever":          {times(4, "too many connections"), nil, func(s *Scene) { s.Logs.Before = said(times(9, "too many connections")) }, "", 0, 0},
		"whether before is not known":  {times(4, "too many connections"), nil, func(s *Scene) { s.Logs.Blind = true }, "at a limit", 0.5, 0.6},
		"two lines are a peak":         {times(2, "too many connections"), nil, nil, "", 0, 0},
		"another's limit, quoted":      {times(4, `api: "too many connections"`), nil, nil, "", 0, 0},
		"waited for":                   {nil, times(3, "db: context deadline exceeded"), nil, "slow", 0.4, 0.5},
		"waited for, and it shows":     {nil, times(3, "db: context deadline exceeded"), slowLog(4000, 400), "slow", 0.6, 0.7},
		"waited for, slow as ever":     {nil, times(3, "db: context deadline exceeded"), slowLog(4000, 3500), "slow", 0.4, 0.5},
		"waited for, by two":           {nil, times(3, "db: i/o timeout"), func(s *Scene) { s.Quotes = append(s.Quotes, Quote{By: "s_web", Lines: s.Quotes[0].Lines}) }, "slow", 0.55, 0.65},
		"a figure that looks like 504": {nil, times(3, "db: 502 Bad Gateway trace=a50439504"), nil, "do not reach it", 0.4, 0.5},
		"its errors came first":        {times(6, "ERROR: deadlock detected"), times(3, "db: query failed"), nil, "came first", 0.7, 0.79},
		"it passes on":                 {append(times(1, "own"), times(6, "api: refused")...), times(3, "db: query failed"), nil, "", 0, 0},
		"the caller was changed":       {nil, times(3, "db: context deadline exceeded"), func(s *Scene) { s.Quotes[0].Changed = true }, "", 0, 0},
		"nobody says anything of it":   {times(6, "ERROR: deadlock detected"), nil, nil, "", 0, 0},
	} {
		t.Run(name, func(t *testing.T) {
			s := neighbours(c.own, c.callers)
			if c.mend != nil {
				c.mend(s)
			}
			got := dependencyFailing(s, nil)
			if (got != nil) != (c.title != "") {
				t.Fatalf("%+v", got)
			}
			if got != nil && (!strings.Contains(got.Title, c.title) || got.Confidence < c.least || got.Confidence > c.most || len(got.Evidence) == 0 || got.Since.IsZero()) {
				t.Errorf("%+v", got)
			}
		})
	}
}

// slowLog are statements that take so many milliseconds now, and took so many before.
func slowLog(now, before int) func(*Scene) {
	return func(s *Scene) {
		s.Logs.Slow = said(times(5, fmt.Sprintf("LOG: duration: %d.25 ms  statement: SELECT 1", now)))
		s.Logs.SlowBefore = said(times(5, fmt.Sprintf("LOG: duration: %d.25 ms  statement: SELECT 1", before)))
	}
}

// TestFullDiskIsWhoseLineSaysSo: a caller that quotes the full disk of what it calls has none itself; that one has, surely where the disk under it is
// measured full.
func TestFullDiskIsWhoseLineSaysSo(t *testing.T) {
	quote := times(3, "api: ERROR: could not extend file: No space left on device")
	if c := diskFull(neighbours(quote, nil), nil); c != nil {
		t.Errorf("who quotes it has it: %+v", c)
	}
	s := neighbours(nil, quote)
	if c := diskFull(s, nil); c == nil || c.Confidence >= Confident {
		t.Errorf("by quotes alone: %+v", c)
	}
	s.Tasks = []sources.Task{{NodeID: "n1", State: sources.TaskRunning}}
	s.Snap.Nodes = []fleet.Node{{Node: sources.Node{ID: "n1", Name: "node1"}}}
	if c := diskFull(s, &Wide{Disks: []Disk{{Node: "node1", Mount: "/", Free: 0.001}}}); c == nil || c.Confidence < Confident {
		t.Errorf("and measured: %+v", c)
	}
}

// TestEffectsStandBehindTheRoot: along a chain all point to where it begins, however sure; of a ring one stays a cause.
func TestEffectsStandBehindTheRoot(t *testing.T) {
	x := &inquiry{snap: &fleet.Snapshot{}, links: map[string][]Link{"web": {{Service: "api"}}, "api": {{Service: "db"}}, "db": {{Service: "api"}}}}
	after := func(service, of string, sure float64) Cause {
		return Cause{ID: "errors-after-dependency", Service: service, of: of, Confidence: sure}
	}
	got := x.arrange([]Cause{after("web", "api", 0.75), after("api", "db", 0.85), {ID: "dependency-failing", Service: "db", Confidence: 0.5}})
	if got[0].Service != "db" || got[1].Service != "api" || got[2].Service != "web" || got[1].EffectOf != "db: dependency-failing" || got[2].EffectOf != got[1].EffectOf || len(got[0].Effects) != 2 {
		t.Errorf("%+v", got)
	}
	got = x.arrange([]Cause{after("web", "api", 0.75), after("api", "db", 0.85), after("db", "api", 0.8)})
	if got[0].EffectOf != "" {
		t.Errorf("a ring has no cause: %+v", got)
	}
	x.scenes = map[string]*Scene{"api": {Learnt: []Link{{Service: "db", Learnt: true}}}}
	got = x.arrange([]Cause{after("web", "api", 0.6), {ID: "dependency-failing", Service: "db", Confidence: 0.45}})
	if got[0].Service != "db" || got[1].EffectOf != "db: dependency-failing" {
		t.Errorf("through one that is no cause: %+v", got)
	}
	x.asking = map[string]bool{"db": true}
	if left := x.holdBack([]Cause{after("web", "api", 0.75), after("api", "db", 0.85), {ID: "killed", Service: "web"}}); len(left) != 1 || left[0].ID != "killed" {
		t.Errorf("shown before what it comes from: %+v", left)
	}
}
