//go:build lab

package diagnosis_test

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

var (
	scoreFile = flag.String("score", "", "write the score as a table into this `file`")
	// atOnce: they touch each other only where the test says so, but for the machine that they all load.
	atOnce = flag.Int("at-once", 4, "how many faults are on the lab at a `time`")
	only   = flag.String("fault", "", "only this `kind` of fault, and neither pairs nor the healthy fleet; healthy: that alone")
)

// healthyAlone is the -fault by which no fault is seeded, but the noise.
const healthyAlone = "healthy"

const (
	// within is how long after the seed the true cause may take to be named first. The slowest fault to show is the leak, at 35 s and 68 s.
	within = 100 * time.Second
	// stays is how many answers in a row must agree before a fault counts as found.
	stays = 3
)

// singles are the kinds of `lab fault list`, those that show late first; each is alone in its stack.
var singles = []string{"leak", "dependency", "dependency-declared", "bad-deploy", "new-pattern", "disk-full", "bad-image", "bad-image-rolled-back", "secret-missing", "config-missing",
	"image-missing-update", "throttled", "kill", "scaled-to-zero", "crash-loop", "turns-unhealthy", "unhealthy-stubborn", "bad-health-check", "subnet-small", "exits-cleanly", "certificate",
	"label-removed", "full-node", "port-taken", "image-missing", "start-failed", "bind-missing", "wrong-constraint", "too-large"}

// pairs are beside each other in one stack.
var pairs = [][2]string{{"bad-deploy", "leak"}, {"dependency", "throttled"}, {"port-taken", "wrong-constraint"}, {"disk-full", "scaled-to-zero"}}

// nodePair is seeded in turn: the second while node 3 is down.
var nodePair = [2]string{"node-killed", "image-missing"}

// alike are ids that name the same thing as the one that is expected, for a reason.
var alike = map[string][]string{
	"killed": {"crash-loop"}, // killed from outside again and again: both are what is seen
}

// besides are ids that are true as well, beside the cause: to be sure of them is not wrong.
var besides = map[string][]string{
	"bad-image":           {"crash-loop"},         // the new version exits at once, again and again
	"dependency":          {"dependency-failing"}, // of the one at the chain's end
	"dependency-declared": {"dependency-failing"},
}

// rootIDs are ids that may stand first where another is expected: of the service where the trouble begins, which goes before those that it fails.
var rootIDs = map[string][]string{"dependency": {"dependency-failing"}, "dependency-declared": {"dependency-failing"}}

// truth is what is wrong with a service.
type truth struct{ fault, service, id string }

type seeded struct {
	Fault, Node, Stack string
	Seeded             time.Time
	Expect             []struct{ Service, ID string }
}

type investigation struct {
	Took   float64
	Causes []struct {
		ID, Title, Service, Node, Grade, Why string
		Confidence                           float64
		EffectOf                             string `json:"effect_of"`
	}
	Looked []struct{ Source, State, Detail string }
}

// blind tells that a source could not look.
func (inv *investigation) blind() bool {
	for _, l := range inv.Looked {
		if l.State == "could not look" {
			return true
		}
	}
	return false
}

// String is the causes in a line.
func (inv *investigation) String() string {
	var parts []string
	for _, c := range inv.Causes {
		parts = append(parts, strings.TrimSpace(fmt.Sprintf("%s%s: %s %.2f %s", c.Service, c.Node, c.ID, c.Confidence, map[bool]string{true: "<- " + c.EffectOf}[c.EffectOf != ""])))
	}
	if parts == nil {
		parts = []string{"nothing found"}
	}
	for _, l := range inv.Looked {
		if l.State == "could not look" {
			parts = append(parts, l.Source+": could not look")
		}
	}
	return strings.Join(parts, "; ")
}

// row is a line of the score.
type row struct {
	group, fault, want, got string
	confidence              float64
	after, took             time.Duration
	wrong                   []string
	found                   bool
}

// bench is the lab, the program and what has been seen. Safe for concurrent use.
type bench struct {
	t     testing.TB
	bin   string
	state string

	mu     sync.Mutex
	truths []truth
	rows   []row
	// answers were had; of blind ones a source could not look.
	answers, blind int
}

func TestFaultsLab(t *testing.T) {
	if os.Getenv("QD_LAB") == "" || os.Getenv("QD_LAB_BIN") == "" {
		t.Skip("no lab: eval \"$(testdata/lab/lab env)\"")
	}
	begin := time.Now()
	b := newBench(t)
	noise := b.start("noise")
	kinds := singles
	if *only == healthyAlone {
		b.healthy(noise)
		b.report(time.Since(begin))
		return
	}
	if *only != "" {
		kinds = strings.Split(*only, ",")
	}
	b.together(kinds, func(kind string) { b.single(kind) })
	if *only == "" {
		b.together([]string{"0", "1", "2", "3"}, func(n string) { b.pair(pairs[n[0]-'0']) })
		b.healthy(noise) // what failed before is over for some minutes by now
		b.nodes()
	}
	b.report(time.Since(begin))
}

func newBench(t *testing.T) *bench {
	b := &bench{t: t, bin: filepath.Join(t.TempDir(), "quarterdeck"), state: t.TempDir()}
	if out, err := exec.Command("go", "build", "-o", b.bin, "quarterdeck/cmd/quarterdeck").CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	return b
}

// lab runs a command of the lab and returns its standard output.
func (b *bench) lab(args ...string) ([]byte, error) {
	ctx, cancel := context.WithTimeout(context.Background(), 4*time.Minute)
	defer cancel()
	out, err := exec.CommandContext(ctx, os.Getenv("QD_LAB_BIN"), args...).Output()
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		err = fmt.Errorf("lab %s: %w\n%s", strings.Join(args, " "), err, exit.Stderr)
	}
	return out, err
}

// start seeds a fault, which ends with the test or with stop.
func (b *bench) start(kind string, stack ...string) seeded {
	b.t.Cleanup(func() { b.stop(kind) })
	out, err := b.lab(append([]string{"fault", "start", kind}, stack...)...)
	var s seeded
	if err == nil {
		err = json.Unmarshal(out, &s)
	}
	if err != nil {
		b.t.Errorf("%s: %v", kind, err)
		return s
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, e := range s.Expect {
		b.truths = append(b.truths, truth{kind, e.Service, e.ID})
	}
	return s
}

func (b *bench) stop(kind string) {
	if _, err := b.lab("fault", "stop", kind); err != nil {
		b.t.Errorf("%s: %v", kind, err)
	}
}

func (b *bench) together(kinds []string, run func(string)) {
	gate := make(chan struct{}, max(*atOnce, 1))
	var wg sync.WaitGroup
	for _, kind := range kinds {
		gate <- struct{}{}
		wg.Go(func() {
			defer func() { <-gate }()
			run(kind)
		})
	}
	wg.Wait()
}

func (b *bench) single(kind string) {
	if s := b.start(kind); s.Fault != "" {
		b.watchAll("alone", s)
	}
	b.stop(kind)
}

// pair seeds both in one stack, and looks at both.
func (b *bench) pair(kinds [2]string) {
	first := b.start(kinds[0])
	if first.Fault == "" {
		return
	}
	second := b.start(kinds[1], first.Stack)
	group := strings.Join(kinds[:], " + ")
	var wg sync.WaitGroup
	for _, s := range []seeded{first, second} {
		wg.Go(func() { b.watchAll(group, s) })
	}
	wg.Wait()
	b.stop(kinds[1])
	b.stop(kinds[0])
}

// nodes has the lab for itself: what happens to a node happens to all that is on it.
func (b *bench) nodes() {
	b.single("node-paused")
	down := b.start(nodePair[0])
	if down.Fault == "" {
		return
	}
	b.watchAll("alone", down)
	b.watchAll(strings.Join(nodePair[:], " + "), b.start(nodePair[1]))
	b.watchAll(strings.Join(nodePair[:], " + "), down)
	b.stop(nodePair[1])
	b.stop(nodePair[0])
}

func (b *bench) watchAll(group string, s seeded) {
	var wg sync.WaitGroup
	for _, e := range s.Expect {
		wg.Go(func() {
			r := b.watch(truth{s.Fault, e.Service, e.ID}, s.Seeded)
			r.group = group
			b.mu.Lock()
			defer b.mu.Unlock()
			b.rows = append(b.rows, r)
		})
	}
	wg.Wait()
}

// watch asks about a service until the true cause is first, answer after answer, or time is up. What the program was sure of and wrong about
// counts from the first answer on.
func (b *bench) watch(want truth, since time.Time) row {
	r := row{fault: want.fault, want: want.id}
	begin, run, last := time.Now(), 0, ""
	for ; time.Since(begin) < within && run < stays; time.Sleep(2 * time.Second) { // between two questions, as somebody who watches
		inv, err := b.ask(want.service)
		if err != nil {
			b.t.Logf("%s: %v", want.fault, err)
			continue
		}
		for _, c := range inv.Causes {
			if c.Confidence >= 0.8 && c.EffectOf == "" && !b.known(c.Service, c.Node, c.ID) {
				if w := fmt.Sprintf("%s (%.2f)", c.ID, c.Confidence); !slices.Contains(r.wrong, w) {
					r.wrong = append(r.wrong, w)
					b.t.Errorf("%s: sure of what is wrong: %s%s: %s %.2f, %s", want.fault, c.Service, c.Node, c.ID, c.Confidence, c.Why)
				}
			}
		}
		if s := fmt.Sprintf("%s, asked %s: %v", want.fault, want.service, &inv); s != last {
			b.t.Logf("%5.1f s  %s", time.Since(since).Seconds(), s)
			last = s
		}
		r.got, r.confidence, r.took = "nothing", 0, max(r.took, time.Duration(inv.Took*float64(time.Second)))
		if len(inv.Causes) > 0 {
			r.got, r.confidence = inv.Causes[0].ID, inv.Causes[0].Confidence
		}
		if len(inv.Causes) == 0 || !is(want.id, r.got) && !slices.Contains(rootIDs[want.fault], r.got) || inv.Causes[0].Node == "" && !b.of(want.fault, inv.Causes[0].Service) {
			run = 0
			continue
		}
		if run++; run == 1 {
			r.after = time.Since(since)
		}
	}
	if r.found = run >= stays; !r.found {
		b.t.Errorf("%s: asked about %s for %v: want %s first, got %s; the last answer: %s", want.fault, want.service, within, want.id, r.got, last)
	}
	return r
}

// of says whether the service is one of the fault's: of a chain, what is next to the cause comes first.
func (b *bench) of(fault, service string) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return slices.ContainsFunc(b.truths, func(h truth) bool { return h.fault == fault && h.service == service })
}

func is(want, got string) bool { return want == got || slices.Contains(alike[want], got) }

// known says whether it is true that the service, or the node, has that.
func (b *bench) known(service, node, id string) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, h := range b.truths {
		onNode := h.id == "node-down" && node != ""
		if (h.service == service || onNode) && (is(h.id, id) || slices.Contains(besides[h.fault], id)) {
			return true
		}
	}
	return false
}

// ask runs `quarterdeck investigate`, of the whole fleet for "".
func (b *bench) ask(service string) (investigation, error) {
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	args := []string{"investigate", "-o", "json"}
	if service != "" {
		args = append(args, service)
	}
	cmd := exec.CommandContext(ctx, b.bin, args...)
	cmd.Env = append(os.Environ(), "QUARTERDECK_STATE_DIR="+b.state)
	out, err := cmd.Output()
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		return investigation{}, fmt.Errorf("%w: %s", err, exit.Stderr)
	}
	var inv investigation
	if err == nil {
		err = json.Unmarshal(out, &inv)
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.answers++
	if inv.blind() {
		b.blind++
	}
	return inv, err
}
