package runner

import (
	"context"
	"errors"

	"quarterdeck/recovery"
)

// restore brings the job's snapshot back, and has the policy's command look at it. What can be refused is refused before anything is touched.
func (w *work) restore(ctx context.Context) error {
	e := w.engineOf()
	snap, k, err := w.chosen(ctx, e)
	if err != nil {
		return err
	}
	w.res.Snapshot = snap
	if e == nil {
		if err := w.mounted(); err != nil {
			return err
		}
		if err := w.fits(snap); err != nil {
			return err
		}
		if err := w.loadFiles(ctx, k, snap); err != nil {
			return err
		}
	} else if err := w.loadStream(ctx, e, k, snap); err != nil {
		return err
	}
	return w.verify(ctx, e)
}

// loadStream pipes the snapshot into the server.
func (w *work) loadStream(ctx context.Context, e engine, k *inside, snap *recovery.Snapshot) error {
	v, err := w.answers(ctx, e)
	if err != nil {
		return err
	}
	w.res.Server = v
	if err := older(w.Job.Engine, snap.Server, v); err != nil {
		return err
	}
	if err := w.beginning(ctx, e, k); err != nil {
		return err
	}
	w.tell.begin("restore", "")
	if err := w.loadRoles(ctx, e, snap); err != nil {
		return err
	}
	in, err := w.restic.contents(ctx, k.ID, k.path())
	if err != nil {
		return err
	}
	defer in.close()
	told := &progress{r: in, tell: w.tell, total: snap.Size}
	err = e.Load(ctx, told, func() { w.res.Touched = true })
	w.res.Bytes = in.n
	if bad := in.fault(); bad != nil && ctx.Err() == nil {
		return bad // the load broke on that
	}
	return restoreFault(err)
}

// restoreFault is a load's error as a fault.
func restoreFault(err error) error {
	var f *fault
	if err == nil || errors.As(err, &f) {
		return err
	}
	return &fault{recovery.RestoreFailed, "the data could not be brought in: " + err.Error(), "the place has half of it now: restore again, or put the safety backup back", err}
}
