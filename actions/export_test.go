package actions

import "quarterdeck/actions/journal"

// SetAfterWrite lets a test look, or die, right after an entry is on the disk and before what follows it.
func (d *Deck) SetAfterWrite(f func(*journal.Entry)) { d.afterWrite = f }

// SetChanges lets a test say what a run has changed, without a journal.
func (h *Handover) SetChanges(run string, fields ...FieldReport) {
	h.changes = map[string][]FieldReport{run: fields}
}
