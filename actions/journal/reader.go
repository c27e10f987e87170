package journal

// Reader reads a journal bit by bit. Not safe for concurrent use.
type Reader struct{ c cursor }

// NewReader begins at the first entry.
func (j *Journal) NewReader() *Reader { return &Reader{cursor{path: j.path(fileName)}} }

// Read gives the entries that have come since the last call, of other processes too, until f returns false.
func (r *Reader) Read(f func(Entry) bool) error { return r.c.read(f) }
