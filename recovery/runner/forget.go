package runner

import (
	"context"
	"fmt"
	"slices"
	"time"

	"quarterdeck/recovery"
)

const (
	// safeFor is how long a snapshot stays that was made before a restore, whatever the policy keeps; the newest of them stays until there is a newer one.
	safeFor = 7 * 24 * time.Hour
	// strangeFor is how old a snapshot without a record must be to be taken for what a broken backup has left: none takes that long.
	strangeFor = 24 * time.Hour
)

// forget removes the snapshots of the service that the policy does not keep, what only they needed, and their records.
func (w *work) forget(ctx context.Context) error {
	w.tell.begin("repository", "")
	if err := w.restic.open(ctx); err != nil {
		return err
	}
	before, err := w.restic.of(ctx, &w.Job)
	if err != nil {
		return err
	}
	records, err := w.records(ctx)
	if err != nil {
		return err
	}
	w.tell.begin("forget", "")
	now := time.Now()
	drop := append(w.strange(before, records, now), w.oldSafety(before, now)...)
	if len(drop) > 0 {
		if _, err := w.restic.do(ctx, recovery.UnexpectedError, append([]string{"forget"}, drop...)...); err != nil {
			return err
		}
	}
	if keep := w.Job.Keep.Args(); len(keep) > 0 && len(before) > len(drop) {
		args := []string{"forget", "--host=" + w.Job.Environment, "--tag", tagService + ":" + w.Job.Service, "--group-by=", "--keep-tag", tagOrigin + ":" + string(recovery.Safety)}
		if _, err := w.restic.do(ctx, recovery.UnexpectedError, append(args, keep...)...); err != nil {
			return err
		}
	}
	after, err := w.restic.of(ctx, &w.Job)
	if err != nil {
		return err
	}
	for _, k := range before {
		if !has(after, k.ID) {
			w.res.Forgot = append(w.res.Forgot, k.ID)
		}
	}
	if err := w.dropRecords(ctx, records, after); err != nil {
		return err
	}
	if err := w.dropRoles(ctx, after); err != nil {
		return err
	}
	if len(w.res.Forgot) > 0 {
		w.tell.begin("prune", fmt.Sprintf("%d snapshots are forgotten", len(w.res.Forgot)))
		if _, err := w.restic.do(ctx, recovery.UnexpectedError, "prune"); err != nil {
			return err
		}
	}
	if w.Job.Volume != "" && w.mounted() == nil {
		return w.dropAside()
	}
	return nil
}

func has(list []kept, id string) bool {
	return slices.ContainsFunc(list, func(k kept) bool { return k.ID == id })
}

func (w *work) records(ctx context.Context) ([]recovery.Snapshot, error) {
	var out []recovery.Snapshot
	err := w.store(ctx, func(ctx context.Context) error {
		var err error
		out, err = recovery.SnapshotsOf(ctx, w.Objects, w.Job.Service)
		return err
	})
	return slices.DeleteFunc(out, func(s recovery.Snapshot) bool { return s.Environment != w.Job.Environment }), err
}

// strange are snapshots without a record: a backup that was killed between saving and proving leaves one, and the rules must not keep it in the place of a
// good one. Where no snapshot has a record it is the records that are lost, and none is strange.
func (w *work) strange(list []kept, records []recovery.Snapshot, now time.Time) []string {
	var out []string
	for _, k := range list {
		if !slices.ContainsFunc(records, func(s recovery.Snapshot) bool { return s.ID == k.ID }) && now.Sub(k.Time) > strangeFor {
			out = append(out, k.ID)
		}
	}
	if len(out) == len(list) {
		return nil
	}
	if len(out) > 0 {
		w.tell.say(fmt.Sprintf("%d snapshots without a record are forgotten: their backups did not end", len(out)))
	}
	return out
}

// oldSafety are the safety snapshots that are older than safeFor, but for the newest. List is sorted, the oldest first.
func (w *work) oldSafety(list []kept, now time.Time) []string {
	var out []string
	stays := 0
	newest := true
	for _, k := range slices.Backward(list) {
		if k.tag(tagOrigin) != string(recovery.Safety) {
			continue
		}
		if newest || now.Sub(k.Time) <= safeFor {
			newest = false
			stays++
			continue
		}
		out = append(out, k.ID)
	}
	if stays > 0 {
		w.tell.say(fmt.Sprintf("%d safety snapshots stay: the newest, and those of the last 7 days", stays))
	}
	return out
}

// dropRecords removes the records of snapshots that are not in the repository any more.
func (w *work) dropRecords(ctx context.Context, records []recovery.Snapshot, there []kept) error {
	for i := range records {
		if has(there, records[i].ID) {
			continue
		}
		if err := w.store(ctx, func(ctx context.Context) error { return recovery.ForgetSnapshot(ctx, w.Objects, &records[i]) }); err != nil {
			return err
		}
	}
	return nil
}
