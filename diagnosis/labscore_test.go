//go:build lab

package diagnosis_test

import (
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"strings"
	"time"
)

// healthyRuns is how often the healthy fleet is investigated: the whole of it, and one service in turn.
const healthyRuns = 20

// healthy investigates a fleet in which nothing is wrong, but which has a past, a deploy every 40 s and errors at the usual rate. Services that
// are not the lab's own are somebody else's business.
func (b *bench) healthy(noise seeded) {
	services := b.services("shop", "ops", noise.Stack)
	if len(services) == 0 {
		b.t.Error("no service of the lab's own")
		return
	}
	for i := range healthyRuns {
		r := row{group: "healthy", fault: fmt.Sprintf("run %d", i+1), want: "nothing", got: "nothing", found: true}
		for _, asked := range []string{"", services[i%len(services)]} {
			inv, err := b.ask(asked)
			if err != nil {
				b.t.Errorf("healthy: %v", err)
				r.found = false
				continue
			}
			r.took = max(r.took, time.Duration(inv.Took*float64(time.Second)))
			for _, c := range inv.Causes {
				if !slices.Contains(services, c.Service) && c.Node == "" {
					continue
				}
				r.got, r.confidence, r.found = c.ID, c.Confidence, false
				r.wrong = append(r.wrong, fmt.Sprintf("%s%s: %s (%.2f)", c.Service, c.Node, c.ID, c.Confidence))
				b.t.Errorf("healthy, asked about %q: %s%s: %s %.2f, %s", asked, c.Service, c.Node, c.ID, c.Confidence, c.Why)
			}
		}
		b.rows = append(b.rows, r)
	}
}

// services are those of the stacks that are meant to run: of one with 0 replicas there is something to say.
func (b *bench) services(stacks ...string) []string {
	out, err := b.lab("docker", "1", "service", "ls", "--format", "{{.Name}} {{.Replicas}}")
	if err != nil {
		b.t.Error(err)
	}
	var list []string
	for line := range strings.Lines(string(out)) {
		name, replicas, _ := strings.Cut(strings.TrimSpace(line), " ")
		if strings.HasSuffix(replicas, "/0") {
			continue
		}
		if stack, _, ok := strings.Cut(name, "_"); ok && slices.Contains(stacks, stack) {
			list = append(list, name)
		}
	}
	return list
}

// report says the score, and writes it where it was asked for.
func (b *bench) report(took time.Duration) {
	slices.SortStableFunc(b.rows, func(x, y row) int { return strings.Compare(group(x), group(y)) })
	var s strings.Builder
	fmt.Fprintf(&s, "# How well the causes are found\n\nWritten by `testdata/faults-score`; do not edit. %s, %s. The whole run took %.0f s.\n", time.Now().UTC().Format("2006-01-02 15:04 UTC"), machine(), took.Seconds())
	fmt.Fprintf(&s, "Load average over the last 15 minutes: %s. Of %d answers %d had a source that could not be looked at in the two seconds that an investigation has.\n\n", load(), b.answers, b.blind)
	s.WriteString(preface)
	b.totals(&s)
	s.WriteString("\n| | seeded | true cause | first cause named | confidence | s after the seed | investigation, s | sure and wrong |\n|---|---|---|---|---|---|---|---|\n")
	for _, r := range b.rows {
		if r.group == "healthy" && r.found {
			continue
		}
		fmt.Fprintf(&s, "| %s | %s | %s | %s%s | %.2f | %s | %.2f | %s |\n", r.group, r.fault, r.want, map[bool]string{false: "✗ "}[r.found], r.got, r.confidence, seconds(r), r.took.Seconds(), strings.Join(r.wrong, ", "))
	}
	b.t.Log("\n" + s.String())
	b.hold()
	if *scoreFile != "" {
		if err := os.WriteFile(*scoreFile, []byte(s.String()), 0o644); err != nil {
			b.t.Error(err)
		}
	}
}

const preface = `Each fault of docs/faults.md is seeded in the real lab, in services with names that change with every run, beside unrelated noise: a deploy every
40 s, failures that are over, a job that is done, errors at the usual rate, and up to 7 other faults elsewhere. The program is asked about the
service (` + "`quarterdeck investigate SERVICE -o json`" + `) again and again from the seed on. Found: the true cause is named first in three answers in a row within
100 s; the seconds are those until the first of them, the platform's own delay included. Sure and wrong: a cause at 0.8 or above that is not true, in any
answer, the earlier ones included. Pairs are in one stack. A healthy run asks about the whole fleet and about one service.

`

// total is a group's score.
type total struct{ n, found, wrong int }

// sums are the totals by group: alone, pairs, healthy.
func (b *bench) sums() map[string]*total {
	sums := map[string]*total{}
	for _, r := range b.rows {
		g := group(r)[1:]
		if sums[g] == nil {
			sums[g] = &total{}
		}
		sums[g].n++
		if r.found {
			sums[g].found++
		}
		if len(r.wrong) > 0 {
			sums[g].wrong++
		}
	}
	return sums
}

// hold holds the score against the project's own bar: of 20 faults 19 are found, of a healthy fleet nothing is said, and nothing wrong is ever said with
// confidence. Where only some kinds were asked for, each must be found.
func (b *bench) hold() {
	for g, t := range b.sums() {
		missed := t.n - t.found
		if t.wrong > 0 {
			b.t.Errorf("%s: of %d answers %d are sure and wrong", g, t.n, t.wrong)
		}
		if *only != "" && missed > 0 || missed > t.n/20 {
			b.t.Errorf("%s: of %d causes %d were not found", g, t.n, missed)
		}
	}
}

func (b *bench) totals(s *strings.Builder) {
	sums := b.sums()
	s.WriteString("| | looked at | right | sure and wrong |\n|---|---|---|---|\n")
	for _, g := range []string{"alone", "pairs", "healthy"} {
		if t := sums[g]; t != nil {
			fmt.Fprintf(s, "| %s | %d | %d | %d |\n", g, t.n, t.found, t.wrong)
		}
	}
}

// group is the row's, behind a letter that sorts.
func group(r row) string {
	switch r.group {
	case "alone":
		return "aalone"
	case "healthy":
		return "chealthy"
	}
	return "bpairs"
}

func seconds(r row) string {
	if r.after == 0 {
		return "-"
	}
	return fmt.Sprintf("%.0f", r.after.Seconds())
}

func machine() string {
	kernel, _ := exec.Command("uname", "-sr").Output()
	engine, _ := exec.Command("docker", "version", "--format", "{{.Server.Version}}").Output()
	return fmt.Sprintf("%d cores, %s, Docker %s", runtime.NumCPU(), strings.TrimSpace(string(kernel)), strings.TrimSpace(string(engine)))
}

// load is the average of the last 15 minutes: what else the machine had to do.
func load() string {
	raw, err := os.ReadFile("/proc/loadavg")
	if f := strings.Fields(string(raw)); err == nil && len(f) > 2 {
		return f[2]
	}
	return "not known"
}
