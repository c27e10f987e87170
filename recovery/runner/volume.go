package runner

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"quarterdeck/recovery"
)

// incomingDir is where files are restored to in their volume, until all of them are there. Its name has the run's id behind it.
const incomingDir = ".qd-incoming-"

// lostDir is the file system's own.
const lostDir = "lost+found"

// ours tells the names in a volume's top folder that are not its data.
func ours(name string) bool {
	return name == lostDir || strings.HasPrefix(name, recovery.AsideDir) || strings.HasPrefix(name, incomingDir)
}

// saveFiles lets restic read the volume, but for what is as it was in the snapshot parent. What went away while it was read is no fault of a volume in use; what could not be read is.
func (w *work) saveFiles(ctx context.Context, snap *recovery.Snapshot, parent string) (*summary, error) {
	args := append([]string{"backup", "--json", "--host=" + w.Job.Environment}, tags(snap)...)
	for _, name := range []string{recovery.AsideDir + "*", incomingDir + "*", lostDir} {
		args = append(args, "--exclude="+filepath.Join(w.DataDir, name))
	}
	if parent != "" {
		args = append(args, "--parent="+parent)
	} else {
		args = append(args, "--force") // not another volume's files, which restic would take by their names
	}
	out, errs := &said{tell: w.tell}, &said{tell: w.tell}
	c := w.restic.command(append(args, w.DataDir)...)
	c.stdout, c.errs = out, errs
	snap.Taken = time.Now().UTC()
	err := w.restic.unlocked(ctx, func() error { return resticFault(w.tools.run(ctx, c), recovery.DumpFailed) })
	var f *failed
	wrong := append(out.Errors, errs.Errors...)
	if errors.As(err, &f) && f.code == exitIncomplete && out.ID != "" {
		if len(wrong) == 0 {
			w.tell.say(fmt.Sprintf("%d files went away while they were read", out.Gone+errs.Gone))
			return &out.summary, nil
		}
		if _, e := w.restic.do(ctx, recovery.UnexpectedError, "forget", out.ID); e != nil {
			w.tell.say("the incomplete snapshot " + out.ID + " stays in the repository, without a record: " + e.Error())
		}
		return nil, &fault{recovery.DumpFailed, "files could not be read: " + w.tools.scrub.clean(strings.Join(wrong, "; ")), "look at the node's disk, and at who may read them", err}
	}
	if err == nil && out.ID == "" {
		err = &fault{recovery.UnexpectedError, "restic ended well and named no snapshot", "", nil}
	}
	return &out.summary, err
}

// newestHere is the service's newest snapshot that was made of the same files: restic reads again only what has changed since. "": there is none.
func (w *work) newestHere(ctx context.Context) (string, error) {
	list, err := w.restic.of(ctx, &w.Job)
	if err != nil {
		return "", err
	}
	for _, k := range slices.Backward(list) {
		if k.path() == w.DataDir && k.tag(tagNode) == w.Job.Node {
			return k.ID, nil
		}
	}
	return "", nil
}

// loadFiles restores into a folder in the volume; only when all is there the places are changed, by renaming.
func (w *work) loadFiles(ctx context.Context, k *inside, snap *recovery.Snapshot) error {
	w.tell.begin("restore", "")
	if err := w.clear(); err != nil {
		return err
	}
	there, err := w.data()
	if err != nil {
		return err
	}
	if w.Job.Fresh && len(there) > 0 {
		return &fault{recovery.RestoreFailed, "the place that is to be thrown away afterwards is not empty: it has " + strconv.Quote(there[0]), "give the job a volume of its own", nil}
	}
	incoming := filepath.Join(w.DataDir, incomingDir+w.Job.Run)
	if err := w.fetch(ctx, k.ID, incoming, snap.Size); err != nil {
		return errors.Join(err, os.RemoveAll(incoming))
	}
	from := filepath.Join(incoming, k.path())
	if st, err := os.Stat(from); err != nil || !st.IsDir() {
		return errors.Join(&fault{recovery.Damaged, "the snapshot has no folder " + k.path(), "choose another", err}, os.RemoveAll(incoming))
	}
	if err := ctx.Err(); err != nil {
		return errors.Join(err, os.RemoveAll(incoming))
	}
	w.tell.begin("exchange", "")
	w.res.Touched = true
	if !w.Job.Fresh {
		if err := w.putAside(); err != nil {
			return restoreFault(err)
		}
	}
	if err := w.putIn(from); err != nil {
		return restoreFault(err)
	}
	w.res.Bytes = snap.Size
	return os.RemoveAll(incoming)
}

// data are the names in the volume's top folder that are its data.
func (w *work) data() ([]string, error) {
	list, err := os.ReadDir(w.DataDir)
	if err != nil {
		return nil, err
	}
	var out []string
	for _, e := range list {
		if !ours(e.Name()) {
			out = append(out, e.Name())
		}
	}
	return out, nil
}

// clear removes what jobs that were killed had restored and not put in.
func (w *work) clear() error {
	old, err := filepath.Glob(filepath.Join(w.DataDir, incomingDir+"*"))
	for _, dir := range old {
		err = errors.Join(err, os.RemoveAll(dir))
	}
	return err
}

// fetch has restic write the files, on the disk before it ends.
func (w *work) fetch(ctx context.Context, id, into string, size int64) error {
	if err := os.Mkdir(into, 0o700); err != nil {
		return err
	}
	p, err := w.tools.start(ctx, w.restic.command("restore", "--target="+into, id))
	if err != nil {
		return err
	}
	ended := make(chan struct{})
	watched := make(chan struct{})
	go func() {
		defer close(watched)
		w.watch(p, size, ended)
	}()
	err = resticFault(p.wait(), recovery.Damaged)
	close(ended)
	<-watched
	if err != nil {
		return err
	}
	return syncDisk(into)
}

// watch tells how much restic has written, which restic 0.14 does not: the kernel counts it.
func (w *work) watch(p *process, total int64, ended <-chan struct{}) {
	tick := time.NewTicker(progressEvery)
	defer tick.Stop()
	for {
		select {
		case <-ended:
			return
		case <-tick.C:
		}
		data, err := os.ReadFile(fmt.Sprintf("/proc/%d/io", p.cmd.Process.Pid))
		if err != nil {
			continue
		}
		var n int64
		for _, line := range strings.Split(string(data), "\n") {
			if text, ok := strings.CutPrefix(line, "wchar: "); ok {
				n, _ = strconv.ParseInt(text, 10, 64)
			}
		}
		w.tell.bytes(min(n, total), total)
	}
}

// putAside moves what is in the volume into the run's aside folder. An attempt before this one may have done it, or half of it: a mark beside the folder tells
// that all of what was there is in it, and what is in the volume then was brought by that attempt. It is kept as well, under the attempt's number.
func (w *work) putAside() error {
	aside := filepath.Join(w.DataDir, recovery.AsideDir+w.Job.Run)
	mark := aside + ".whole"
	if _, err := os.Stat(mark); err == nil {
		aside = fmt.Sprintf("%s.%d", aside, w.Job.Attempt)
	}
	if err := os.Mkdir(aside, 0o700); err != nil && !errors.Is(err, os.ErrExist) {
		return err
	}
	there, err := w.data()
	if err != nil {
		return err
	}
	for _, name := range there {
		if err := os.Rename(filepath.Join(w.DataDir, name), filepath.Join(aside, name)); err != nil {
			return err
		}
	}
	if err := syncDisk(w.DataDir); err != nil {
		return err
	}
	if err := os.WriteFile(mark, nil, 0o600); err != nil {
		return err
	}
	return syncDisk(w.DataDir)
}

// putIn moves the restored files into the volume's top folder, which becomes what it was as a folder too.
func (w *work) putIn(from string) error {
	list, err := os.ReadDir(from)
	if err != nil {
		return err
	}
	for _, e := range list {
		if ours(e.Name()) {
			continue
		}
		if err := os.Rename(filepath.Join(from, e.Name()), filepath.Join(w.DataDir, e.Name())); err != nil {
			return err
		}
	}
	st, err := os.Stat(from)
	if err != nil {
		return err
	}
	if err := errors.Join(ownAs(w.DataDir, st), os.Chmod(w.DataDir, st.Mode()), os.Chtimes(w.DataDir, st.ModTime(), st.ModTime())); err != nil {
		return err
	}
	return syncDisk(w.DataDir)
}

// dropAside removes what the job's run had put aside.
func (w *work) dropAside() error {
	aside := filepath.Join(w.DataDir, recovery.AsideDir+w.Job.Run)
	old, err := filepath.Glob(aside + ".*")
	for _, dir := range slices.Concat([]string{aside}, old) {
		err = errors.Join(err, os.RemoveAll(dir))
	}
	return err
}
