package actions

import "quarterdeck/actions/journal"

// SetAfterWrite lets a test look, or die, right after an entry is on the disk and before what follows it.
func (d *Deck) SetAfterWrite(f func(*journal.Entry)) { d.afterWrite = f }
