package main

import (
	"bytes"
	"context"
	"errors"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/moby/moby/api/types/swarm"

	"quarterdeck/sources/demo"
)

// TestInterruptedByHand is the real binary that somebody ends with Ctrl-C while it waits, and with kill -9: the run is unfinished, keeps
// others off, says where it stands, and is finished or taken back.
func TestInterruptedByHand(t *testing.T) {
	bin := builtBinary(t)
	d, err := demo.Start(context.Background(), demo.Options{Seed: 3, Quiet: true})
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	a := newActor(t, target{env: map[string]string{"DOCKER_HOST": d.DockerHost(), "LOKI_ADDR": "", "PROMETHEUS_URL": "", "ALERTMANAGER_URL": "", "DOCKER_CONTEXT": "", "QUARTERDECK_CONFIG": ""}}, "registry.quarterdeck.demo/act/app:")
	for _, c := range []struct {
		name   string
		signal os.Signal
		exit   int
		after  []string
		image  string
	}{
		{"ctrl-c", os.Interrupt, exitInterrupted, []string{"--yes"}, "1.1@"},
		{"kill -9", os.Kill, -1, []string{"--undo"}, "1.1@"},
		{"and left as it is", os.Kill, -1, []string{"--leave", "--reason", "a test"}, "1.2@"},
	} {
		t.Run(c.name, func(t *testing.T) {
			tag := ":1.1"
			if c.name != "ctrl-c" {
				tag = ":1.2"
			}
			cmd := exec.Command(bin, "redeploy", a.service, "--image", tag, "--yes", "-o", "json")
			cmd.Env = os.Environ()
			for k, v := range a.env {
				cmd.Env = append(cmd.Env, k+"="+v)
			}
			var out bytes.Buffer
			said := &waiting{word: "verify " + a.service, seen: make(chan struct{})}
			cmd.Stdout, cmd.Stderr = &out, said
			was := a.look(t, a.service).UpdateStatus
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			select {
			case <-said.seen:
			case <-time.After(30 * time.Second):
				t.Error("it never came to the verdict")
			}
			if err := cmd.Process.Signal(c.signal); err != nil {
				t.Fatal(err)
			}
			var exit *exec.ExitError
			if err := cmd.Wait(); !errors.As(err, &exit) || exit.ExitCode() != c.exit {
				t.Fatalf("it ended with %v: %s", err, &out)
			}
			if c.signal == os.Interrupt && !strings.Contains(out.String(), `"result":"interrupted"`) {
				t.Errorf("%s", &out)
			}
			a.updated(t, was)
			a.refuses(t, exitRefused, "has "+a.service+" in hand", "scale", a.service+"=5", "--yes")
			text, errs, code := a.ask(t, "resume")
			if code != exitDone || !strings.Contains(text, "interrupted at \"verify "+a.service+"\", after 1 of 2 steps") || !strings.Contains(text, a.service+"  changed") {
				t.Errorf("exit %d: %s %s", code, text, errs)
			}
			if _, errs, code := a.ask(t, append([]string{"resume"}, c.after...)...); code != exitDone {
				t.Errorf("exit %d: %s", code, errs)
			}
			if _, _, code := a.ask(t, "resume", "--yes", "--undo"); code != exitUsage {
				t.Errorf("two ways at once: exit %d", code)
			}
			if image := a.look(t, a.service).Spec.TaskTemplate.ContainerSpec.Image; !strings.HasPrefix(image, a.image+c.image) {
				t.Error(image)
			}
			if _, errs, code := a.ask(t, "resume"); code != exitDone || !strings.Contains(errs, "no run of this swarm is unfinished") {
				t.Errorf("exit %d: %s", code, errs)
			}
		})
	}
}

// waiting closes seen once a word was written.
type waiting struct {
	word string
	text bytes.Buffer
	seen chan struct{}
	done bool
}

func (w *waiting) Write(p []byte) (int, error) {
	w.text.Write(p)
	if !w.done && strings.Contains(w.text.String(), w.word) {
		w.done = true
		close(w.seen)
	}
	return len(p), nil
}

// updated waits until the update that followed on one is over: while it goes on another is refused for that. Right after the engine has
// taken it, it still tells of the one before, or of none.
func (a *actor) updated(t testing.TB, was *swarm.UpdateStatus) {
	t.Helper()
	for deadline := time.Now().Add(raceSlows * time.Minute); ; time.Sleep(50 * time.Millisecond) {
		u := a.look(t, a.service).UpdateStatus
		if u != nil && u.State != swarm.UpdateStateUpdating && (was == nil || !u.StartedAt.Equal(*was.StartedAt)) {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("%s is still being updated: %+v", a.service, u)
		}
	}
}
