package runner

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"quarterdeck/recovery"
)

// readWhole and readFiles are up to which size, in bytes, and how many files a snapshot is read back to its end by a check; of larger ones the beginning is. Restic
// reads files out one by one, a question to the store for each: a few thousand small ones take minutes.
const (
	readWhole = 1 << 30
	readFiles = 300
)

// askFor is how long a check waits for a server that does not answer.
const askFor = 10 * time.Second

// check looks whether the job's snapshot can be restored here. It changes nothing.
func (w *work) check(ctx context.Context) error {
	e := w.engineOf()
	snap, k, err := w.chosen(ctx, e)
	if err != nil {
		return err
	}
	w.res.Snapshot, w.res.Bytes = snap, snap.Size
	if err := w.fits(snap); err != nil {
		return err
	}
	if err := w.understands(ctx, e, snap); err != nil {
		return err
	}
	w.tell.begin("read", "")
	if snap.Size > readWhole || k.files > readFiles {
		return w.beginning(ctx, e, k)
	}
	if e != nil {
		if err := w.beginning(ctx, e, k); err != nil {
			return err
		}
	}
	in, err := w.restic.contents(ctx, k.ID, k.path())
	if err != nil {
		return err
	}
	defer in.close()
	_, err = io.Copy(&counter{to: io.Discard, tell: w.tell, total: snap.Size}, in)
	return err
}

// chosen opens the repository and finds the job's snapshot, which must be of its service.
func (w *work) chosen(ctx context.Context, e engine) (*recovery.Snapshot, *inside, error) {
	w.tell.begin("repository", "")
	k, err := w.restic.look(ctx, w.Job.Snapshot)
	if err != nil {
		return nil, nil, err
	}
	switch of := k.tag(tagService); {
	case of != w.Job.Service:
		return nil, nil, &fault{recovery.OtherService, fmt.Sprintf("the snapshot %.8s is of %q, not of %q", k.ID, of, w.Job.Service), "choose one of those that `quarterdeck snapshots " + w.Job.Service + "` lists", nil}
	case k.tag(tagEngine) != string(w.Job.Engine):
		return nil, nil, &fault{recovery.OtherService, fmt.Sprintf("the snapshot %.8s is of engine %q, and the policy says %q", k.ID, k.tag(tagEngine), w.Job.Engine), "choose a snapshot that was made with the policy's engine", nil}
	case e != nil && filepath.Dir(k.path()) != "/" || !filepath.IsAbs(k.path()):
		return nil, nil, &fault{recovery.Damaged, fmt.Sprintf("the snapshot %.8s has no dump in it", k.ID), "choose another", nil}
	}
	return &recovery.Snapshot{ID: k.ID, Service: w.Job.Service, Environment: k.Host, Engine: w.Job.Engine, DB: w.Job.DB, Volume: w.Job.Volume, Node: k.tag(tagNode), Origin: recovery.Origin(k.tag(tagOrigin)), Run: k.tag(tagRun),
		Taken: k.Time.UTC(), Ended: k.Time.UTC(), Size: k.size, Server: k.tag(tagServer)}, k, nil
}

// fits holds the snapshot's size against the space where a volume is mounted. A database needs more than its dump: indexes, and the log of what is written.
func (w *work) fits(snap *recovery.Snapshot) error {
	if w.mounted() != nil {
		return nil
	}
	free, err := freeSpace(w.DataDir)
	if err != nil {
		return err
	}
	need := snap.Size
	if w.Job.Engine == recovery.Postgres || w.Job.Engine == recovery.MySQL {
		need += need / 2
	}
	if free < need {
		return &fault{recovery.NoSpace, fmt.Sprintf("the volume has %d MB free, and the restore needs %d MB", free>>20, need>>20+1), "make room on the node, or choose a smaller snapshot", nil}
	}
	return nil
}

// understands holds the version of the server that was dumped against the one that is to take it: the server's own word, or what its data folder says.
func (w *work) understands(ctx context.Context, e engine, snap *recovery.Snapshot) error {
	if e == nil {
		return nil
	}
	if w.Job.Host != "" {
		w.Patience.Server = min(w.Patience.Server, askFor)
		v, err := w.answers(ctx, e)
		if ctx.Err() != nil {
			return err
		}
		if err != nil { // a server that is broken is what restores are for
			w.tell.say("its version is not compared: " + w.tools.scrub.clean(err.Error()))
		}
		w.res.Server = v
	}
	if w.res.Server == "" && w.Job.Engine == recovery.Postgres && w.mounted() == nil {
		w.res.Server = dataVersion(w.DataDir)
	}
	return older(w.Job.Engine, snap.Server, w.res.Server)
}

func older(engine recovery.Engine, dumped, server string) error {
	if !newer(engine, dumped, server) {
		return nil
	}
	return &fault{recovery.NewerServer, fmt.Sprintf("the snapshot is of %s %s, and the server that is to take it is %s", engine, dumped, server), "update the service to " + dumped + " first, or choose an older snapshot", nil}
}

// dataVersion is what a data folder of postgres says, in the volume or one below it; "": nothing.
func dataVersion(dir string) string {
	files, _ := filepath.Glob(filepath.Join(dir, "*", "PG_VERSION"))
	for _, f := range append([]string{filepath.Join(dir, "PG_VERSION")}, files...) {
		if data, err := os.ReadFile(f); err == nil { //nolint:gosec // a version is all that is taken of it
			if v := strings.TrimSpace(string(data)); token.MatchString(v) {
				return v
			}
		}
	}
	return ""
}

// newer tells whether a dump's server is of a later series than another: postgres' first number, and the first two of the others. What cannot be compared is not.
func newer(engine recovery.Engine, dumped, server string) bool {
	maria := func(v string) bool { return strings.Contains(strings.ToLower(v), "maria") }
	if dumped == "" || server == "" || maria(dumped) != maria(server) {
		return false
	}
	n := 2
	if engine == recovery.Postgres {
		n = 1
	}
	a, b := strings.SplitN(dumped, ".", n+1), strings.SplitN(server, ".", n+1)
	for i := range min(n, len(a), len(b)) {
		x, ex := strconv.Atoi(digits(a[i]))
		y, ey := strconv.Atoi(digits(b[i]))
		if ex != nil || ey != nil || x != y {
			return ex == nil && ey == nil && x > y
		}
	}
	return false
}

// digits are those that a text begins with: "17beta1" is 17.
func digits(s string) string {
	return s[:len(s)-len(strings.TrimLeft(s, "0123456789"))]
}
