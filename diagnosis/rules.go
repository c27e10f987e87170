package diagnosis

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"quarterdeck/sources"
	"quarterdeck/sources/fleet"
)

// rule looks at one service's scene for one kind of cause. It is pure. wide is nil before the questions about all were answered.
type rule struct {
	id   string
	look func(s *Scene, wide *Wide) *Cause
}

// rules are all that look at a service; those about nodes and certificates are in platform.go.
var rules = []rule{
	{"oom-killed", oomKilled},
	{"memory-near-limit", memoryNearLimit},
	{"healthcheck-failing", healthcheckFailing},
	{"crash-loop", crashLoop},
	{"exits-cleanly", exitsCleanly},
	{"killed", killed},
	{"image-missing", imageMissing},
	{"start-failed", startFailed},
	{"constraint-unsatisfied", constraintUnsatisfied},
	{"insufficient-resources", insufficientResources},
	{"port-conflict", portConflict},
	{"label-changed", labelChanged},
	{"bind-missing", bindMissing},
	{"addresses-exhausted", addressesExhausted},
	{"bad-deploy", badDeploy},
	{"secret-or-config-missing", secretMissing},
	{"errors-after-dependency", errorsAfterDependency},
	{"dependency-failing", dependencyFailing},
	{"disk-full", diskFull},
	{"cpu-throttled", cpuThrottled},
	{"log-pattern-new", logPatternNew},
	{"log-burst", logBurst},
	{"desired-zero", desiredZero},
}

func (r rule) causes(s *Scene, wide *Wide) []Cause {
	c := r.look(s, wide)
	if c == nil {
		return nil
	}
	c.ID, c.Service = r.id, s.Service.Name
	if c.Since.IsZero() {
		c.Since = s.Onset
	}
	if slices.Contains(placed, c.ID) {
		c.nodeChanges(s)
	}
	if c.Grade == Signature { // when it came, and with what: the deploy is part of the proof
		if d := s.changeBefore(c.Since); d != nil && len(c.Evidence) > 0 {
			c.add(d.proof(c.Since))
			if u := s.Service.UpdateState; u != "rollback_started" && u != "rollback_completed" && !slices.ContainsFunc(s.Changes, func(o Change) bool { return o.Engine && o.At.After(d.At) }) {
				c.step("go back to before the change", "rollback", s.Service.Name)
			}
		}
	}
	return []Cause{*c}
}

// placed are the ids of what a node can bring about for being changed: its labels, its role, its availability.
var placed = []string{"constraint-unsatisfied", "insufficient-resources", "label-changed"}

// nodeChangesTold is how many changes of nodes are told of as what may have brought something.
const nodeChangesTold = 3

// nodeChanges adds what was changed about nodes just before it began, as the fleet's history tells.
func (c *Cause) nodeChanges(s *Scene) {
	onset := c.Since
	if onset.IsZero() {
		onset = s.At
	}
	told := 0
	for i := len(s.Snap.History) - 1; i >= 0 && told < nodeChangesTold; i-- {
		h := &s.Snap.History[i]
		if h.Time.Before(onset.Add(-JustBefore)) {
			break
		}
		if h.Kind != fleet.NodeChanged || h.Node == "" || h.Time.After(onset.Add(clockSlack+h.Within)) || c.tellsOf(h) {
			continue
		}
		when := "just before"
		if ago := onset.Sub(h.Time); ago >= time.Second {
			when = short(ago) + " before"
		}
		c.add(Proof{Text: oneLine(fmt.Sprintf("%s: node %s: %s", when, h.Node, h.Text)), Source: orWord(h.Source, fleet.SwarmName), Query: "docker node inspect " + h.Node, At: h.Time})
		told++
	}
}

// tellsOf tells whether a piece of evidence is about a node's change already.
func (c *Cause) tellsOf(h *fleet.Happening) bool {
	return slices.ContainsFunc(c.Evidence, func(p Proof) bool {
		return len(h.Labels) > 0 && p.At.Equal(h.Time) && p.Query == "docker node inspect "+shell(h.Node)
	})
}

// step adds a next action that the console has a key for, once: a key does one thing in one place. Its text promises what the key does and no more.
func (c *Cause) step(text, action, on string) {
	for _, n := range c.Next {
		if n.Action == action {
			return
		}
	}
	c.Next = append(c.Next, Step{Text: text, Action: action, On: on})
}

// outside adds a next action that is done elsewhere: what, and the command that does it, with the real names.
func (c *Cause) outside(what, command string, args ...any) {
	command = oneLine(fmt.Sprintf(command, args...))
	c.Next = append(c.Next, Step{Text: what + ": " + command, Command: command})
}

// shell quotes a word for a shell where it needs that.
func shell(word string) string {
	if word != "" && !strings.ContainsFunc(word, func(r rune) bool {
		return !strings.ContainsRune("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-./:=@%+,", r)
	}) {
		return word
	}
	return "'" + strings.ReplaceAll(word, "'", `'\''`) + "'"
}

func (c *Cause) proves(source, query string, at time.Time, format string, args ...any) {
	c.Evidence = append(c.Evidence, Proof{Text: oneLine(fmt.Sprintf(format, args...)), Source: source, Query: query, At: at})
}

// add adds a piece of evidence that it has not yet: what is said already, or a change that is told of already.
func (c *Cause) add(p Proof) {
	if !slices.ContainsFunc(c.Evidence, func(have Proof) bool {
		return have.Text == p.Text || p.Change != nil && have.Change != nil && have.Change.At.Sub(p.Change.At).Abs() < 2*clockSlack
	}) {
		c.Evidence = append(c.Evidence, p)
	}
}

func (c *Cause) objects(source, query, format string, args ...any) {
	c.Against = append(c.Against, Proof{Text: oneLine(fmt.Sprintf(format, args...)), Source: source, Query: query})
}

// proof is a change as evidence for something that began then.
func (d *Change) proof(onset time.Time) Proof {
	text := d.Text
	if f := d.fields(3); f != "" {
		text += " (" + f + ")"
	}
	by := ""
	if d.Actor != "" {
		by = " by " + d.Actor
	}
	when := "just before"
	if ago := onset.Sub(d.At); ago >= time.Second {
		when = short(ago) + " before"
	}
	p := Proof{Text: oneLine(when + ": " + text + by), Source: fleet.SwarmName, At: d.At, Change: d}
	if d.Run != "" {
		p.Source, p.Query = "journal", "quarterdeck journal --run "+d.Run
	}
	return p
}

// fields are what a change changed, at most so many, in words.
func (d *Change) fields(n int) string {
	var parts []string
	for i := range d.Fields {
		if i == n {
			parts = append(parts, fmt.Sprintf("and %d more", len(d.Fields)-n))
			break
		}
		f := &d.Fields[i]
		before, after := f.Text()
		parts = append(parts, fmt.Sprintf("%s %s → %s", f.Field, clip(before, 60), clip(after, 60)))
	}
	return strings.Join(parts, ", ")
}

func value(v any) string {
	if v == nil {
		return "none"
	}
	return clip(fmt.Sprint(v), 60)
}

func clip(s string, n int) string {
	r := []rune(s)
	if len(r) <= n {
		return s
	}
	return string(r[:n-1]) + "…"
}

// oneLine takes line ends away: evidence is untrusted text, and a row.
func oneLine(s string) string { return strings.Join(strings.Fields(s), " ") }

// short is a duration in two parts at most.
func short(d time.Duration) string {
	if d < 0 {
		d = 0
	}
	switch {
	case d < time.Minute:
		return fmt.Sprintf("%d s", int(d.Seconds()))
	case d < time.Hour:
		return fmt.Sprintf("%d min", int(d.Minutes()))
	}
	return fmt.Sprintf("%d h", int(d.Hours()))
}

// taskWords are a task and what the orchestrator says of it.
func (s *Scene) taskWords(t *sources.Task) string {
	name := s.Service.Name
	if t.Slot > 0 {
		name = fmt.Sprintf("%s.%d", name, t.Slot)
	}
	if t.NodeID != "" {
		name += " on " + s.node(t.NodeID)
	}
	text := t.Err
	if text == "" {
		text = t.Message
	}
	if t.ExitCode != 0 && !strings.Contains(text, fmt.Sprint(t.ExitCode)) {
		text += fmt.Sprintf(" (exit %d)", t.ExitCode)
	}
	return fmt.Sprintf("%s %s: %s", name, t.State, text)
}

// tasksQuery shows the same in any shell.
func (s *Scene) tasksQuery() string {
	return "docker service ps --no-trunc " + s.Service.Name
}

// shows adds what the orchestrator says of the newest of some tasks, and how many there are.
func (c *Cause) shows(s *Scene, tasks []sources.Task) {
	if len(tasks) == 0 {
		return
	}
	more := ""
	if len(tasks) > 1 {
		more = fmt.Sprintf(" (%d such tasks)", len(tasks))
	}
	c.proves(fleet.SwarmName, s.tasksQuery(), tasks[0].Since, "%s%s", s.taskWords(&tasks[0]), more)
	first := tasks[len(tasks)-1]
	if first.State.Ended() {
		c.Since = s.began(&first)
	} else {
		c.Since = first.Created
	}
}

// lastWords adds what dead tasks said last.
func (c *Cause) lastWords(s *Scene, tasks []sources.Task, n int) {
	if s.Logs == nil {
		return
	}
	dead := map[string]bool{}
	for _, t := range tasks {
		dead[t.ID] = true
	}
	var lines []sources.Entry
	for _, e := range s.Logs.Dead {
		if e.Stream != nil && dead[e.Stream.Task] {
			lines = append(lines, e)
		}
	}
	if len(lines) == 0 {
		lines = s.Logs.Dead
	}
	for _, e := range telling(lines, n) {
		c.proves(s.Logs.Source, s.Logs.DeadQuery, e.Time, "it said last: %s", clip(e.Line, 240))
	}
}

// lastWordsWithin is how long before its end what a task says is about its end.
const lastWordsWithin = 5 * time.Second

// telling picks of the last lines those that say what happened: a stack trace's frames do not. Where none does, the last ones.
func telling(lines []sources.Entry, n int) []sources.Entry {
	if len(lines) == 0 {
		return nil
	}
	end := lines[len(lines)-1].Time
	var out []sources.Entry
	for i := len(lines) - 1; i >= 0 && len(out) < n; i-- {
		e := lines[i]
		if end.Sub(e.Time) > lastWordsWithin {
			break
		}
		if e.Level >= sources.LevelFatal || has(e.Line, "panic", "fatal", "exception", "failed", "cannot", "could not", "unable", "refused", "error") {
			out = append(out, e)
		}
	}
	if len(out) == 0 {
		return lines[max(len(lines)-n, 0):]
	}
	slices.Reverse(out)
	return out
}
