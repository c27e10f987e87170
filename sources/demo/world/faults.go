package world

import (
	"slices"
	"strings"
	"time"

	"github.com/moby/moby/api/types/mount"
	"github.com/moby/moby/api/types/swarm"
)

// onceFlag lets a container end with exit 0 when it has done its work once.
const onceFlag = "--once"

func once(c *swarm.ContainerSpec) bool { return slices.Contains(c.Args, onceFlag) }

// programs are what the demo's images have below /app. Commands elsewhere are taken as there.
var programs = []string{"/app/serve", "/app/healthcheck"}

// noProgram is a spec's command that its image does not have, or "".
func noProgram(c *swarm.ContainerSpec) string {
	if len(c.Command) == 0 || !strings.HasPrefix(c.Command[0], "/app/") || slices.Contains(programs, c.Command[0]) {
		return ""
	}
	return c.Command[0]
}

// folders are the paths of the nodes that are there to be mounted, with all that is below them.
var folders = []string{"/var/run", "/run", "/etc", "/proc", "/sys", "/dev", "/tmp", "/var/lib", "/var/log", "/usr", "/home", "/mnt", "/opt"}

// noSource is the path of a spec's bind mount that no node has, or "".
func noSource(c *swarm.ContainerSpec) string {
	for i := range c.Mounts {
		m := &c.Mounts[i]
		if m.Type == mount.TypeBind && m.Source != "/" && !slices.ContainsFunc(folders, func(f string) bool { return m.Source == f || strings.HasPrefix(m.Source, f+"/") }) {
			return m.Source
		}
	}
	return ""
}

// absent is what an engine says of a secret or config that a task refers to and that is gone, or "". That can only be
// after a rollback: an update with it would be refused.
func (w *World) absent(c *swarm.ContainerSpec) string {
	for _, kind := range []Kind{SecretKind, ConfigKind} {
		for _, r := range referencesOf(kind, c) {
			if !slices.ContainsFunc(w.materials[kind], func(m material) bool { return m.id == r.id }) {
				return "unable to get " + string(kind) + " from " + string(kind) + " store: " + string(kind) + " " + r.id + " not found"
			}
		}
	}
	return ""
}

// unstartable is the engine's error at the start of a container, with the exit code that it gives it; "" where it
// starts. The words are those of Docker 20.10 with runc 1.1.
func (w *World) unstartable(c *swarm.ContainerSpec) (why string, code int) {
	if why := w.absent(c); why != "" {
		return "starting container failed: " + why, 128
	}
	if p := noProgram(c); p != "" {
		return "starting container failed: failed to create shim task: OCI runtime create failed: runc create failed: unable to start container process: exec: \"" + p + "\": stat " + p + ": no such file or directory: unknown", 127
	}
	return "", 0
}

// finish lets a container that has nothing left to do end with exit 0, as swarmkit's agent reports it.
func (w *World) finish(t *Task) {
	w.then(t, w.between(1500*time.Millisecond, 3*time.Second), func() {
		w.say(t.box, Info, fields{"ts", clock(w.now().UnixNano()), "level", "info", "msg", "queue is empty, nothing left to do", "mode", "once"}.in(t.service.Profile.Format))
		w.end(t, swarm.TaskStateComplete, "finished", "", exit(0))
	})
}
