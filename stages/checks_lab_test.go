//go:build lab

package stages

import (
	"encoding/json"
	"flag"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

var checksPage = flag.String("checks", "", "write to this `file` what was seen of each check in each state")

// elsewhere are the states that no server of the lab can bring a check to, and where they are shown instead.
var elsewhere = map[string]map[State]string{
	"dashboard-per-service": {"": "Grafana is not to be had: sources/grafana, made from its published API"},
	"git-no-credentials":    {"": "Bitbucket is a service of others: sources/bitbucket, made from its published API"},
	"ci-green":              {"": "Bitbucket is a service of others: sources/bitbucket, made from its published API"},
	"restart-policy":        {Unknown: "where the services cannot be listed the command ends with 3 and judges nothing: TestChecks, on made evidence"},
	"cache-hit":             {Pass: exportersTest, Warn: exportersTest, Fail: exportersTest},
	"slow-queries":          {Pass: exportersTest, Warn: exportersTest, Fail: exportersTest},
}

const exportersTest = "a real Redis, Postgres and MariaDB with their exporters: TestExportersLab"

// laboratory is the lab while its checks are judged.
type laboratory struct {
	*testing.T
	bin   string
	dir   string
	env   map[string]string // over the process' own
	began time.Time
	seen  map[string]map[State]seen
}

// seen is how a check was brought to a state, and what it then said.
type seen struct{ by, said string }

// TestChecksLab brings each check to each of its states by what happens to the lab, and asks `quarterdeck check` until it says so: services made well and ill, words given and over, backups, drills, a DR
// day, an autoscaler that dies, a manager that dies, servers that are stopped, an API that is closed in part, and the thresholds of a team. What needs a week of history has it from a Prometheus of the test's own, whose blocks
// are made, and that scrapes the lab. With -checks it writes a table.
func TestChecksLab(t *testing.T) {
	if os.Getenv("QD_LAB") == "" {
		t.Fatal("QD_LAB is not set: eval \"$(testdata/lab/lab env)\"")
	}
	l := &laboratory{T: t, dir: t.TempDir(), began: time.Now(), seen: map[string]map[State]seen{}}
	l.bin = filepath.Join(l.dir, "quarterdeck")
	l.run("go", "build", "-o", l.bin, "../cmd/quarterdeck")
	l.empty()
	l.fresh()
	other := l.otherPrometheus()
	l.words()
	l.saved()
	l.thresholds()
	l.history(other)
	l.scaler(other)
	l.specs()
	l.images()
	l.newest()
	l.room()
	l.managers()
	l.closed()
	l.away()
	l.dark()
	l.fewer()
	l.complete()
}

// run runs a program to its end, and gives what it prints.
func (l *laboratory) run(name string, args ...string) string {
	l.Helper()
	cmd := exec.Command(name, args...)
	var errs strings.Builder
	cmd.Stderr = &errs
	out, err := cmd.Output()
	if err != nil {
		l.Fatalf("%s %v: %v\n%s%s", filepath.Base(name), args, err, out, errs.String())
	}
	return strings.TrimSpace(string(out))
}

// later runs a program at the test's end, however it ends.
func (l *laboratory) later(name string, args ...string) {
	l.Cleanup(func() { _ = exec.Command(name, args...).Run() })
}

func (l *laboratory) lab(args ...string) string {
	l.Helper()
	return l.run(os.Getenv("QD_LAB_BIN"), args...)
}
func (l *laboratory) docker(args ...string) string { l.Helper(); return l.run("docker", args...) }

// change changes a service; its tasks follow on their own.
func (l *laboratory) change(service string, args ...string) {
	l.Helper()
	l.docker(append(append([]string{"service", "update", "--detach", "-q"}, args...), service)...)
}

// console runs a command of quarterdeck, with what is other than in the lab's environment. What it prints on its standard error is shown where the code is not one of those wanted.
func (l *laboratory) console(over map[string]string, codes []int, args ...string) []byte {
	l.Helper()
	cmd := exec.CommandContext(l.Context(), l.bin, args...)
	var errs strings.Builder
	cmd.Stderr = &errs
	cmd.Env = os.Environ()
	for _, m := range []map[string]string{l.env, over} {
		for k, v := range m {
			cmd.Env = append(cmd.Env, k+"="+v)
		}
	}
	out, err := cmd.Output()
	if cmd.ProcessState == nil || !slices.Contains(codes, cmd.ProcessState.ExitCode()) {
		l.Fatalf("quarterdeck %v: %v\n%s%s", args, err, out, errs.String())
	}
	return out
}

func (l *laboratory) does(args ...string) {
	l.Helper()
	l.console(nil, []int{0}, args...)
}

// round is what happens to the lab, in words, how the command is started, and what the checks are then to say.
type round struct {
	by         string
	env        map[string]string
	thresholds map[string]string
	config     map[string]any // what else is in the team's config
	limit      time.Duration  // 0: two minutes
	want       map[State]string
}

// judged asks for the checks until all wanted states are there, and remembers them.
func (l *laboratory) judged(r round) {
	l.Helper()
	if r.limit == 0 {
		r.limit = 2 * time.Minute
	}
	over := maps.Clone(r.env)
	if over == nil {
		over = map[string]string{}
	}
	if len(r.thresholds)+len(r.config) > 0 {
		file, config := filepath.Join(l.dir, "config.yaml"), map[string]any{"stages": map[string]any{"thresholds": r.thresholds}}
		maps.Copy(config, r.config)
		text, err := json.Marshal(map[string]any{"context": "lab", "contexts": map[string]any{"lab": config}})
		l.must(err)
		l.must(os.WriteFile(file, text, 0o600))
		over["QUARTERDECK_CONFIG"] = file
	}
	for end := time.Now().Add(r.limit); ; {
		found := l.check(over)
		var amiss []string
		for state, ids := range r.want {
			for _, id := range strings.Fields(ids) {
				if got, ok := found[id]; !ok || got.State != state {
					amiss = append(amiss, fmt.Sprintf("%s is %s, not %s: %s", id, got.State, state, got.said()))
				}
			}
		}
		if len(amiss) == 0 {
			for state, ids := range r.want {
				for _, id := range strings.Fields(ids) {
					l.saw(id, state, r.by, found[id].said())
				}
			}
			l.Logf("%4.0f s  %s", time.Since(l.began).Seconds(), r.by)
			return
		}
		if time.Now().After(end) {
			l.Fatalf("%s: not within %s:\n%s", r.by, r.limit, strings.Join(amiss, "\n"))
		}
		time.Sleep(200 * time.Millisecond)
	}
}

func (l *laboratory) saw(id string, state State, by, said string) {
	if l.seen[id] == nil {
		l.seen[id] = map[State]seen{}
	}
	if _, before := l.seen[id][state]; !before {
		l.seen[id][state] = seen{by, said}
	}
}

func (l *laboratory) must(err error) {
	l.Helper()
	if err != nil {
		l.Fatal(err)
	}
}

// told is what the command prints of a check.
type told struct {
	ID, Value, Reason string
	State             State
	Subjects          []struct{ Name, Says string }
}

func (r *told) said() string {
	parts := []string{r.Value, r.Reason}
	if len(r.Subjects) > 0 {
		parts = append(parts, r.Subjects[0].Name+": "+r.Subjects[0].Says)
	}
	return strings.Join(slices.DeleteFunc(parts, func(s string) bool { return s == "" }), "; ")
}

func (l *laboratory) check(over map[string]string) map[string]*told {
	l.Helper()
	var doc struct{ Stages []struct{ Checks []*told } }
	out := l.console(over, []int{0, 1}, "check", "-o", "json")
	if err := json.Unmarshal(out, &doc); err != nil {
		l.Fatalf("%v: %s", err, out)
	}
	found := map[string]*told{}
	for _, s := range doc.Stages {
		for _, c := range s.Checks {
			found[c.ID] = c
		}
	}
	return found
}

// complete holds what was seen against the cases that are tried on made evidence, and writes it down.
func (l *laboratory) complete() {
	var page strings.Builder
	page.WriteString("# Each check in each state, on the real lab\n\nWritten by `testdata/lab-checks`: what was done to three real engines, Loki, Prometheus, Alertmanager, S3 and a registry, and what `quarterdeck check` then said. Where a threshold is set it is a setting of the team, and the evidence is as it was.\n\n" +
		"| check | state | by | said |\n|---|---|---|---|\n")
	pairs, other := 0, 0
	for _, c := range All {
		states := slices.Collect(maps.Keys(cases[c.ID]))
		for s := range l.seen[c.ID] {
			if !slices.Contains(states, s) {
				states = append(states, s)
			}
		}
		slices.SortFunc(states, func(a, b State) int { return b.rank() - a.rank() })
		for _, s := range states {
			x, ok := l.seen[c.ID][s]
			switch {
			case ok:
				pairs++
				fmt.Fprintf(&page, "| %s | %s | %s | %s |\n", c.ID, s, x.by, strings.ReplaceAll(x.said, "|", "/"))
				continue
			case elsewhere[c.ID][s] != "":
				x.by = elsewhere[c.ID][s]
			case elsewhere[c.ID][""] != "":
				x.by = elsewhere[c.ID][""]
			default:
				l.Errorf("%s was never %s", c.ID, s)
				continue
			}
			other++
			fmt.Fprintf(&page, "| %s | %s | not here: %s | |\n", c.ID, s, x.by)
		}
	}
	fmt.Fprintf(&page, "\n%d states of %d checks here, %d elsewhere, in %.0f minutes.\n", pairs, len(All), other, time.Since(l.began).Minutes())
	if *checksPage != "" && !l.Failed() {
		l.must(os.WriteFile(*checksPage, []byte(page.String()), 0o644))
	}
}
