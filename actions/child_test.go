package actions_test

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"quarterdeck/actions"
	"quarterdeck/actions/journal"
	"quarterdeck/sources"
	sut "quarterdeck/sources/swarm"
)

// job is what a child process does: it plans and runs an action, or resumes the run that it finds, and dies by SIGKILL where it is told to.
type job struct {
	Dir, Host, Image string
	Action           string // as in the journal; "resume"
	Service          string
	Replicas         uint64
	Tag, Secret      string
	Snapshot         string
	Means            *means // of recoveries; nil: there are none
	DieAtEntry       int    // of the run's own entries, from 1; 0: never
	DieAtEffect      int    // of the changes made by the engine, from 1; 0: never
}

// die ends this process as kill -9 does.
func die() {
	p, err := os.FindProcess(os.Getpid())
	if err == nil {
		err = p.Kill()
	}
	panic(fmt.Sprint("still alive: ", err))
}

// deadly are hands that die right after a change was made, before anybody knows.
type deadly struct {
	sources.Hands
	left int
}

func (h *deadly) made(err error) {
	if err != nil {
		return
	}
	if h.left--; h.left == 0 {
		die()
	}
}

func (h *deadly) UpdateService(ctx context.Context, id string, version uint64, spec sources.Spec) ([]string, error) {
	w, err := h.Hands.UpdateService(ctx, id, version, spec)
	h.made(err)
	return w, err
}

func (h *deadly) CreateMaterial(ctx context.Context, kind sources.MaterialKind, m sources.Material) (string, error) {
	id, err := h.Hands.CreateMaterial(ctx, kind, m)
	h.made(err)
	return id, err
}

func (h *deadly) RemoveMaterial(ctx context.Context, kind sources.MaterialKind, id string) error {
	err := h.Hands.RemoveMaterial(ctx, kind, id)
	h.made(err)
	return err
}

func (h *deadly) UpdateNode(ctx context.Context, id string, version uint64, want sources.NodeWant) error {
	err := h.Hands.UpdateNode(ctx, id, version, want)
	h.made(err)
	return err
}

// child is the other process: what it has to say goes to standard output, a line each.
func child(raw string) int {
	var j job
	if err := json.Unmarshal([]byte(raw), &j); err != nil {
		fmt.Println("error", err)
		return 1
	}
	if err := j.work(); err != nil {
		fmt.Println("error", err)
		return 1
	}
	return 0
}

func (j *job) work() error {
	p, end, err := connect(sut.Options{Host: j.Host}, j.Image)
	if err != nil {
		return err
	}
	defer end()
	book, err := journal.Open(j.Dir)
	if err != nil {
		return err
	}
	d := &actions.Deck{Hands: &deadly{p.hands, j.DieAtEffect}, Fleet: p.fleet, Journal: book, Now: time.Now, Policy: actions.Policy{Actor: "child", Host: "here", Context: "test"}}
	if j.Means != nil {
		if err := j.Means.equip(d, p.hands); err != nil {
			return err
		}
	}
	entries := 0
	d.SetAfterWrite(func(e *journal.Entry) {
		if e.Run == "" {
			return
		}
		if entries++; entries == j.DieAtEntry {
			die()
		}
	})
	ctx, cancel := context.WithTimeout(context.Background(), 6*waitLimit)
	defer cancel()
	run, err := j.begin(ctx, d)
	if err != nil {
		return err
	}
	fmt.Println("begun", run.ID())
	report, err := run.Report()
	fmt.Println("ended", report.Result, report.Reason)
	return err
}

func (j *job) begin(ctx context.Context, d *actions.Deck) (*actions.Running, error) {
	var plan *actions.Plan
	var err error
	switch j.Action {
	case actions.Scale:
		plan, err = d.PlanScale(ctx, []actions.ScaleTarget{{Service: j.Service, Replicas: j.Replicas}})
	case actions.Redeploy:
		plan, err = d.PlanRedeploy(ctx, []actions.RedeployTarget{{Service: j.Service, Image: j.Tag}})
	case actions.Rollback:
		plan, err = d.PlanRollback(ctx, j.Service, actions.RollbackOptions{})
	case actions.Undo:
		plan, err = d.PlanUndo(ctx, "")
	case actions.Rotate:
		plan, err = d.PlanRotate(ctx, actions.RotateOptions{Kind: sources.Secret, Name: j.Secret, Data: []byte("of the child")})
	case actions.Backup:
		plan, err = d.PlanBackup(ctx, j.Service)
	case actions.Drill:
		plan, err = d.PlanDrill(ctx, j.Service, j.Snapshot)
	case actions.Restore:
		plan, err = d.PlanRestore(ctx, j.Service, j.Snapshot)
	case actions.Demote:
		plan, err = d.PlanNode(ctx, j.Action, j.Service)
	case actions.DRDay:
		plan, err = d.PlanDay(ctx, j.Service, time.Time{})
	case "resume":
		var open []actions.RunRecord
		if open, err = d.Unfinished(); err != nil {
			return nil, err
		}
		if len(open) != 1 {
			return nil, fmt.Errorf("%d runs are unfinished", len(open))
		}
		var st actions.Standing
		if st, err = d.Stand(ctx, open[0]); err != nil {
			return nil, err
		}
		return d.Resume(ctx, st, nil)
	}
	if err != nil {
		return nil, err
	}
	if plan.Refused+plan.Nothing != "" {
		return nil, errors.New(plan.Refused + plan.Nothing)
	}
	return d.Start(ctx, plan, actions.Approval{Yes: true, Typed: plan.Word(), Reason: "a child"}, nil)
}

// process is a child that lives.
type process struct {
	t     testing.TB
	cmd   *exec.Cmd
	lines *bufio.Scanner
}

func spawn(t testing.TB, j job) *process {
	t.Helper()
	raw, err := json.Marshal(j)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), 6*waitLimit)
	t.Cleanup(cancel)
	cmd := exec.CommandContext(ctx, os.Args[0], "-test.run=^$")
	cmd.Env = append(os.Environ(), "QD_ACT_CHILD="+string(raw))
	cmd.Stderr = os.Stderr
	if j.DieAtEffect > 0 || j.DieAtEntry > 0 {
		cmd.Stderr = io.Discard
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	return &process{t, cmd, bufio.NewScanner(out)}
}

// line is the next thing that it says, which begins with a word.
func (p *process) line(word string) string {
	p.t.Helper()
	if !p.lines.Scan() {
		p.t.Fatalf("the child says nothing, want %q", word)
	}
	rest, ok := strings.CutPrefix(p.lines.Text(), word)
	if !ok {
		p.t.Fatalf("the child says %q, want %q", p.lines.Text(), word)
	}
	return strings.TrimSpace(rest)
}

// rest waits for its end and gives what it has still said, and whether it was killed.
func (p *process) rest() (said string, killed bool) {
	p.t.Helper()
	for p.lines.Scan() {
		said += p.lines.Text() + "\n"
	}
	err := p.cmd.Wait()
	var exit *exec.ExitError
	return said, errors.As(err, &exit) && exit.ExitCode() == -1
}
