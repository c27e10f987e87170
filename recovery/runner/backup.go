package runner

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"quarterdeck/recovery"
	"quarterdeck/sources"
)

// backup saves the service's data, reads back what was saved, and records it.
func (w *work) backup(ctx context.Context) error {
	e := w.engineOf()
	snap := &recovery.Snapshot{Service: w.Job.Service, Environment: w.Job.Environment, Engine: w.Job.Engine, DB: w.Job.DB, Volume: w.Job.Volume, Node: w.Job.Node, Origin: w.Job.Origin, Due: w.Job.Due, Run: w.Job.Run}
	if e != nil {
		v, err := w.answers(ctx, e)
		if err != nil {
			return err
		}
		snap.Server, w.res.Server = v, v
	} else if err := w.mounted(); err != nil {
		return err
	}
	w.tell.begin("repository", "")
	open, parent := w.restic.open, ""
	if e == nil { // one question instead of two: each asks for restic's key anew, which takes it a second of a busy core
		open = func(ctx context.Context) (err error) {
			parent, err = w.newestHere(ctx)
			return err
		}
	}
	if err := w.opened(ctx, open); err != nil {
		return err
	}
	if err := w.saveRoles(ctx, e, snap); err != nil {
		return err
	}
	w.tell.begin("dump", "")
	var sum *summary
	var err error
	if e != nil {
		sum, err = w.saveStream(ctx, e, snap)
	} else {
		sum, err = w.saveFiles(ctx, snap, parent)
	}
	if err != nil {
		return err
	}
	snap.Ended, snap.Size, snap.Added, w.res.Bytes = time.Now().UTC(), sum.Size, sum.Added, sum.Size
	w.tell.begin("verify", "")
	if err := w.prove(ctx, e, snap, sum.ID); err != nil {
		return err
	}
	w.tell.begin("record", "")
	if err := w.store(ctx, func(ctx context.Context) error { return recovery.SaveSnapshot(ctx, w.Objects, snap) }); err != nil {
		return err
	}
	w.res.Snapshot = snap
	return nil
}

// mounted tells whether there is a place for files.
func (w *work) mounted() error {
	if st, err := os.Stat(w.DataDir); err != nil || !st.IsDir() {
		return &fault{recovery.UnexpectedError, "no volume is mounted at " + w.DataDir, "look at " + recovery.LabelVolume, err}
	}
	return nil
}

// initKey is the claim of the one that makes the repository: two that did it at once would leave one that no password opens.
const initKey = "repository-init.json"

// initWithin is how long a repository may take to be made.
const initWithin = 2 * time.Minute

// opened opens the repository, and makes it where there is none.
func (w *work) opened(ctx context.Context, open func(context.Context) error) error {
	err := open(ctx)
	if !is(err, recovery.NoRepository) {
		return err
	}
	err = w.store(ctx, func(ctx context.Context) error {
		return w.Objects.Create(ctx, initKey, []byte(`{"run":"`+w.Job.Run+`"}`))
	})
	if sources.KindOf(err) == sources.Conflict {
		w.tell.say("another runner makes the repository")
		wait, cancel := context.WithTimeout(ctx, initWithin)
		defer cancel()
		if err := until(wait, func() (bool, error) {
			err := open(wait)
			if is(err, recovery.NoRepository) {
				return false, nil
			}
			return true, err
		}); err == nil || wait.Err() == nil {
			return err
		}
		err = nil // the other one is gone
	}
	if err != nil {
		return err
	}
	w.tell.say("making the repository: there is none yet")
	if _, err := w.restic.do(ctx, recovery.NoRepository, "init"); err != nil {
		return err
	}
	return open(ctx)
}

func is(err error, code recovery.Code) bool {
	var f *fault
	return errors.As(err, &f) && f.code == code
}

// tags are what restic keeps of the snapshot's record.
func tags(s *recovery.Snapshot) []string {
	var out []string
	for _, t := range [][2]string{{tagService, s.Service}, {tagEngine, string(s.Engine)}, {tagRun, s.Run}, {tagOrigin, string(s.Origin)}, {tagServer, s.Server}, {tagNode, s.Node}} {
		if token.MatchString(t[1]) {
			out = append(out, "--tag", t[0]+":"+t[1])
		}
	}
	return out
}

// saveStream pipes the dump into restic.
func (w *work) saveStream(ctx context.Context, e engine, snap *recovery.Snapshot) (*summary, error) {
	snap.Taken = time.Now().UTC()
	return w.pipe(ctx, e.File(), tags(snap), e.Dump)
}

// pipe saves what dump writes as a file. Restic is told the end of its input only once the dump's tool has ended with 0; else it is ended before, and saves nothing.
func (w *work) pipe(ctx context.Context, file string, tags []string, dump func(context.Context, io.Writer) error) (*summary, error) {
	out := &said{tell: &reporter{out: io.Discard}}
	c := w.restic.command(append([]string{"backup", "--json", "--stdin", "--stdin-filename=/" + file, "--host=" + w.Job.Environment}, tags...)...)
	c.stdout, c.pipes = out, pipeIn
	p, err := w.tools.start(ctx, c)
	if err != nil {
		return nil, resticFault(err, recovery.UnexpectedError)
	}
	defer p.end()
	count := &counter{to: p.in, tell: w.tell}
	dumped := dump(ctx, count)
	if dumped == nil {
		dumped = ctx.Err()
	}
	if dumped != nil {
		var first *failed
		p.cancel() // before its input ends: wait closes that only after restic is gone
		ended := p.wait()
		if errors.As(ended, &first) && first.code > 0 && ctx.Err() == nil && !isInterrupt(first) { // restic went first, and the dump broke on that
			return nil, resticFault(ended, recovery.UnexpectedError)
		}
		return nil, w.dumpFault(dumped)
	}
	if err := p.in.Close(); err != nil {
		return nil, err
	}
	if err := resticFault(p.wait(), recovery.UnexpectedError); err != nil {
		return nil, err
	}
	if out.ID == "" {
		return nil, &fault{recovery.UnexpectedError, "restic ended well and named no snapshot", "try again", nil}
	}
	if out.Size != count.n {
		return nil, &fault{recovery.Damaged, fmt.Sprintf("restic saved %d bytes of a dump of %d", out.Size, count.n), "try again", nil}
	}
	return &out.summary, nil
}

// isInterrupt tells a restic that ended because it was asked to.
func isInterrupt(f *failed) bool {
	return f.code == 130 || strings.Contains(f.text, "context canceled")
}

// dumpFault is a dump's error as a fault.
func (w *work) dumpFault(err error) error {
	var f *fault
	if errors.As(err, &f) {
		return f
	}
	next := "look at what the tool says, and whether " + w.Job.User + " may read all of it"
	if strings.Contains(err.Error(), "server version mismatch") {
		next = "use a runner's image whose client is as new as the server"
	}
	return &fault{recovery.DumpFailed, "the dump ended before its end: " + err.Error(), next, err}
}

// prove looks whether the snapshot is there as it was to be, and reads its beginning back.
func (w *work) prove(ctx context.Context, e engine, snap *recovery.Snapshot, id string) error {
	in, err := w.restic.look(ctx, id)
	if err != nil {
		return err
	}
	if in.tag(tagRun) != w.Job.Run || in.tag(tagService) != w.Job.Service {
		return &fault{recovery.OtherService, "the snapshot " + id + " that restic named is of another run", "try again", nil}
	}
	snap.ID = in.ID
	if err := w.beginning(ctx, e, in); err != nil {
		return err
	}
	snap.Verified = true
	return nil
}

// beginning reads the first of a snapshot's data. Its trees were read by who looked at it.
func (w *work) beginning(ctx context.Context, e engine, k *inside) error {
	path := k.first
	if e != nil {
		path = k.path()
	}
	if path == "" {
		return nil // nothing in it but folders, or files too large for a short look
	}
	in, err := w.restic.contents(ctx, k.ID, path)
	if err != nil {
		return err
	}
	defer in.close()
	if e != nil {
		return e.Proof(ctx, in)
	}
	_, err = io.Copy(io.Discard, in)
	return err
}

// path is what was saved.
func (k *kept) path() string {
	if len(k.Paths) == 0 {
		return "/"
	}
	return k.Paths[0]
}
