//go:build lab

package agent_test

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"time"
)

func clock(d time.Duration) string {
	sign := "+"
	if d < 0 {
		sign, d = "-", -d
	}
	return fmt.Sprintf("%s%02d:%02d", sign, int(d.Minutes()), int(d.Seconds())%60)
}

// written is a line of a journal.
type written struct {
	Time                  time.Time
	Actor, Action, Target string
	Phase, Result, Reason string
	Before, After         json.RawMessage
	journal               string
}

// journals are both autoscalers' lines on the service, in their order.
func (r *ride) journals() []written {
	var out []written
	for _, dir := range []string{"state", "state2"} {
		cmd := exec.Command(r.bin, "journal", "-o", "json", "--all")
		cmd.Env = append(os.Environ(), "QUARTERDECK_STATE_DIR="+filepath.Join(r.work, dir), "XDG_CONFIG_HOME="+filepath.Join(r.work, "config"))
		text, err := cmd.Output()
		must(r.t, err)
		var list []written
		must(r.t, json.Unmarshal(text, &list))
		for _, w := range list {
			if w.Target == autoService {
				w.journal = map[string]string{"state": "the service", "state2": "the second"}[dir]
				out = append(out, w)
			}
		}
	}
	slices.SortStableFunc(out, func(a, b written) int { return a.Time.Compare(b.Time) })
	return out
}

// replicasIn reads them from what a journal has of a service: -1 where it does not tell.
func replicasIn(raw json.RawMessage) int {
	var one struct{ Replicas *int }
	var list []struct{ Replicas *int }
	if json.Unmarshal(raw, &list) == nil && len(list) == 1 {
		one.Replicas = list[0].Replicas
	} else if json.Unmarshal(raw, &one) != nil {
		return -1
	}
	if one.Replicas == nil {
		return -1
	}
	return *one.Replicas
}

// rideStep is a change of the number of replicas by an autoscaler.
type rideStep struct {
	at       time.Time
	from, to int
	why, by  string
}

// stepsOf are the changes that were begun and did not fail, from the journals.
func stepsOf(list []written) []rideStep {
	var out []rideStep
	for _, w := range list {
		if w.Action == "scale" && w.Phase == "begin" {
			out = append(out, rideStep{w.Time, replicasIn(w.Before), replicasIn(w.After), w.Reason, w.journal})
		}
	}
	return out
}

// predicted is what a replay of the ride's own history says.
type predicted struct {
	Services []struct {
		Policies []struct {
			Least, Most, Changes, Flaps int
			Replicas                    []struct {
				Time  time.Time
				Value float64
			}
		}
	}
}

func (r *ride) replay() (predicted, string) {
	since := r.samples[0].t.UTC().Format(time.RFC3339)
	run := func(args ...string) []byte {
		cmd := exec.Command(r.bin, append([]string{"autoscale", "replay", autoService, "--since", since}, args...)...)
		cmd.Env = append(os.Environ(), "QUARTERDECK_STATE_DIR="+filepath.Join(r.work, "state3"), "XDG_CONFIG_HOME="+filepath.Join(r.work, "config"), "DOCKER_HOST="+os.Getenv("QD_LAB_NODE3"))
		out, err := cmd.Output()
		must(r.t, err)
		return out
	}
	var p predicted
	must(r.t, json.Unmarshal(run("-o", "json"), &p))
	return p, string(run())
}

// judge holds what happened against what must have, and writes it down.
func (r *ride) judge() {
	list := r.journals()
	steps := stepsOf(list)
	r.judgeBounds()
	r.judgeSteps(steps)
	p, text := r.replay()
	off := r.judgeReplay(&p)
	r.write(list, steps, &p, text, off)
}

// judgeBounds: never under the least or over the most, back at the least in the end, and the script's twin beside it.
func (r *ride) judgeBounds() {
	for _, s := range r.samples {
		if s.auto >= 0 && (s.auto < rideLeast || s.auto > rideMax) {
			r.t.Errorf("%s: %d replicas were wanted, of %d to %d", clock(s.t.Sub(r.began)), s.auto, rideLeast, rideMax)
		}
	}
	if last := r.samples[len(r.samples)-1]; last.auto != rideLeast {
		r.t.Errorf("%d replicas are left after the ride, want %d", last.auto, rideLeast)
	}
	if r.took == 0 {
		r.t.Error("there never were enough replicas for the load")
	}
}

// judgeSteps: each number that was seen is one that a journal has a reason for, each step begins where the one before ended, so that no two autoscalers wrote beside each other,
// and nothing was taken away while nothing was measured.
func (r *ride) judgeSteps(steps []rideStep) {
	if len(steps) == 0 {
		r.t.Error("the journals have no step")
		return
	}
	now := rideLeast
	for _, s := range steps {
		if s.from != now {
			r.t.Errorf("%s: a step from %d to %d, but there were %d", clock(s.at.Sub(r.began)), s.from, s.to, now)
		}
		if s.why == "" {
			r.t.Errorf("%s: a step from %d to %d without a reason", clock(s.at.Sub(r.began)), s.from, s.to)
		}
		if at := s.at.Sub(r.began); s.to < s.from && at > 7*time.Minute && at < 9*time.Minute {
			r.t.Errorf("%s: from %d to %d while Prometheus was cut off", clock(at), s.from, s.to)
		}
		now = s.to
	}
	was := rideLeast
	for _, s := range r.samples {
		if s.auto < 0 || s.auto == was {
			continue
		}
		ok := slices.ContainsFunc(steps, func(x rideStep) bool {
			return x.to == s.auto && s.t.Sub(x.at) > -time.Second && s.t.Sub(x.at) < 3*sampleEvery
		})
		if !ok {
			r.t.Errorf("%s: from %d to %d replicas, and no journal says why", clock(s.t.Sub(r.began)), was, s.auto)
		}
		was = s.auto
	}
}

// judgeReplay is by how many replicas the replay is off, on average over the ride, where a real number is known.
func (r *ride) judgeReplay(p *predicted) float64 {
	if len(p.Services) != 1 || len(p.Services[0].Policies) == 0 {
		r.t.Fatal("the replay tells nothing of the service")
	}
	most := 0
	for _, s := range r.samples {
		most = max(most, s.auto)
	}
	own := &p.Services[0].Policies[0]
	if own.Most != most {
		r.t.Errorf("the replay has %d replicas at most, there were %d", own.Most, most)
	}
	sum, n := 0.0, 0
	for _, s := range r.samples {
		if v, ok := r.at(p, s.t); ok && s.auto >= 0 {
			sum += max(v-float64(s.auto), float64(s.auto)-v)
			n++
		}
	}
	if n == 0 {
		r.t.Fatal("the replay and the ride have no moment in common")
	}
	return sum / float64(n)
}

// at is how many replicas the replay has at a moment.
func (r *ride) at(p *predicted, t time.Time) (float64, bool) {
	points := p.Services[0].Policies[0].Replicas
	v, ok := 0.0, false
	for _, x := range points {
		if x.Time.After(t) {
			break
		}
		v, ok = x.Value, true
	}
	return v, ok && t.Sub(points[len(points)-1].Time) < time.Minute
}

func (r *ride) write(list []written, steps []rideStep, p *predicted, replay string, off float64) {
	var b strings.Builder
	fmt.Fprintf(&b, "# The ride: ten times the load and back, with no hand on it\n\nWritten by `go test -tags lab ./agent -run TestRideLab -ride FILE` on the real lab (`testdata/lab-ride`), %s UTC, %s, %d cores, which the swarm, the load and the\ntest share. ",
		r.samples[0].t.UTC().Format("2006-01-02 15:04"), runtime.Version(), runtime.NumCPU())
	fmt.Fprintf(&b, "Two services of one image, each with the same users (a task serves one request at a time, 50 ms each and more): one is the autoscaler's, by\nits labels (%d to %d replicas, %d requests a second each), by the stack file that is shipped, and one a script's, which adds or takes one every 30 s.\n\n", rideLeast, rideMax, rideShare)
	fmt.Fprintf(&b, "| | autoscaler | script |\n|---|---|---|\n| from the step (%d to %d requests a second) to enough running replicas (%d) | %s | %s |\n", rideBase, rideHigh, enoughFor(rideHigh), seconds(r.took), seconds(r.tookBy))
	a, s := r.total(func(x *rideSample) (span, int) { return x.autoSpan, x.autoUp }), r.total(func(x *rideSample) (span, int) { return x.plainOne, x.plainUp })
	fmt.Fprintf(&b, "| requests of the whole ride; failed (no answer within %s, or an error) | %d; %d | %d; %d |\n| their p95, over all | %d ms | %d ms |\n| replica-minutes | %.0f | %.0f |\n\n", userWaits,
		a.sent, a.failed, s.sent, s.failed, a.p95.Milliseconds(), s.p95.Milliseconds(), a.minutes, s.minutes)
	fmt.Fprintf(&b, "The replay of that same history (`quarterdeck autoscale replay %s --since …`), which knows nothing of what was killed, has %d replicas at most, as there were, %d changes (there were %d), and is off by %.2f replicas on\naverage.\n\n## Minute by minute\n\n",
		autoService, p.Services[0].Policies[0].Most, p.Services[0].Policies[0].Changes, len(steps), off)
	b.WriteString("Replicas are those wanted, with those that ran where that is another number; failed and p95 are of the minute before. Reasons are the journal's.\n\n| time | load | replicas | failed | p95 | script's | failed | p95 | replay | what happened, and why |\n|---|---|---|---|---|---|---|---|---|---|\n")
	r.writeMinutes(&b, list, p)
	for _, text := range r.happened {
		fmt.Fprintf(&b, "\n%s\n", text)
	}
	fmt.Fprintf(&b, "\n## The replay\n\n```\n%s\n```\n", strings.TrimSpace(replay))
	must(r.t, os.WriteFile(*rideDoc, []byte(b.String()), 0o644))
}

func seconds(d time.Duration) string {
	if d == 0 {
		return "never"
	}
	return fmt.Sprintf("%.0f s", d.Seconds())
}

type rideTotal struct {
	sent, failed int
	p95          time.Duration
	minutes      float64
}

func (r *ride) total(of func(*rideSample) (span, int)) (out rideTotal) {
	var all span
	for i := range r.samples {
		s, n := of(&r.samples[i])
		all.sent, all.failed, all.took = all.sent+s.sent, all.failed+s.failed, append(all.took, s.took...)
		out.minutes += float64(max(n, 0)) * sampleEvery.Minutes()
	}
	slices.Sort(all.took)
	out.sent, out.failed, out.p95 = all.sent, all.failed, all.p95()
	return out
}

func (r *ride) writeMinutes(b *strings.Builder, list []written, p *predicted) {
	number := func(want, up int) string {
		if want != up {
			return fmt.Sprintf("%d (%d)", want, up)
		}
		return fmt.Sprint(want)
	}
	var auto, plain span
	from := r.samples[0].t
	for i, s := range r.samples {
		auto.sent, auto.failed, auto.took = auto.sent+s.autoSpan.sent, auto.failed+s.autoSpan.failed, append(auto.took, s.autoSpan.took...)
		plain.sent, plain.failed, plain.took = plain.sent+s.plainOne.sent, plain.failed+s.plainOne.failed, append(plain.took, s.plainOne.took...)
		if s.t.Sub(from) < time.Minute-sampleEvery/2 && i < len(r.samples)-1 {
			continue
		}
		slices.Sort(auto.took)
		slices.Sort(plain.took)
		guess := ""
		if v, ok := r.at(p, s.t); ok {
			guess = fmt.Sprint(v)
		}
		fmt.Fprintf(b, "| %s | %d/s | %s | %d | %d ms | %s | %d | %d ms | %s | %s |\n", clock(s.t.Sub(r.began)), s.load, number(s.auto, s.autoUp), auto.failed, auto.p95().Milliseconds(),
			number(s.plain, s.plainUp), plain.failed, plain.p95().Milliseconds(), guess, r.words(list, from, s.t))
		auto, plain, from = span{}, span{}, s.t
	}
}

// words is what was done to the lab in a time, and what the journals say of it.
func (r *ride) words(list []written, from, to time.Time) string {
	var out []string
	for _, e := range rideEvents {
		if at := r.began.Add(e.at); at.After(from) && !at.After(to) {
			out = append(out, "**"+e.what+"**")
		}
	}
	for _, w := range list {
		if !w.Time.After(from) || w.Time.After(to) {
			continue
		}
		switch {
		case w.Action == "scale" && w.Phase == "begin":
			out = append(out, fmt.Sprintf("%s %s", w.Actor, w.Reason))
		case w.Action == "autoscale" && w.Phase == "decision":
			out = append(out, fmt.Sprintf("%s %s: %s", w.Actor, w.Result, w.Reason))
		}
	}
	return strings.ReplaceAll(strings.Join(out, "; "), "|", "/")
}
