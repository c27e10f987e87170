package runner

import (
	"context"

	"quarterdeck/recovery"
)

// auditShare bounds how much of the repository's data an audit reads back, as restic's option has it: other packs each time, chosen by chance. A repository that
// has less is read whole.
const auditShare = "1G"

// audit looks whether the repository's structure is whole, and whether a share of its data can be read back.
func (w *work) audit(ctx context.Context) error {
	w.tell.begin("repository", "")
	if err := w.restic.open(ctx); err != nil {
		return err
	}
	w.tell.begin("read", "")
	_, err := w.restic.do(ctx, recovery.Damaged, "check", "--read-data-subset="+auditShare)
	return err
}
