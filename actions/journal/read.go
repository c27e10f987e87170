package journal

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"io/fs"
	"os"
	"time"
)

// pollEvery is how often Follow looks whether the file has grown, where the system does not announce it.
const pollEvery = 250 * time.Millisecond

// Read gives all entries, oldest first, that are there when it is called, until f returns false. A torn last line is passed over. A
// line that is no entry, or whose hash does not fit its content, is given to nobody; Broken counts them. The entry is f's to keep.
func (j *Journal) Read(f func(Entry) bool) error {
	c := cursor{path: j.path(fileName)}
	err := c.read(f)
	j.broken.Store(c.broken)
	return err
}

// ReadOf is Read for the entries of one action. The others are passed over without being decoded, broken ones among them, so that a long journal is
// looked through in a moment.
func (j *Journal) ReadOf(action string, f func(Entry) bool) error {
	named, err := json.Marshal(action)
	if err != nil {
		return bad("read", err)
	}
	c := cursor{path: j.path(fileName), want: append([]byte(`"action":`), named...)}
	return c.read(func(e Entry) bool { return e.Action != action || f(e) })
}

// Broken is how many lines the last Read passed over because they are no entries, or were changed. Verify names them.
func (j *Journal) Broken() int { return int(j.broken.Load()) }

// Follow gives the entries with a Seq above from, and then each new one as it comes, of other processes too, within a quarter of a
// second. It ends with the context, whose error it returns, or when the file cannot be read.
func (j *Journal) Follow(ctx context.Context, from uint64, f func(Entry)) error {
	c := cursor{path: j.path(fileName)}
	changed, stop, err := j.news(j.dir)
	every := lookAnyway
	if err != nil {
		every = pollEvery // too many watches, or a system without them
	} else {
		defer stop()
	}
	tick := time.NewTicker(every)
	defer tick.Stop()
	for {
		err := c.read(func(e Entry) bool {
			if e.Seq > from {
				from = e.Seq
				f(e)
			}
			return ctx.Err() == nil
		})
		if err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-changed:
		case <-tick.C:
		}
	}
}

// cursor reads what a file has more than at the last time.
type cursor struct {
	path   string
	file   os.FileInfo // as last seen
	off    int64       // after the last whole line that was read
	rest   bool        // f stopped the last read: there may be more
	broken int64
	want   []byte // what a line must have in it to be looked at; nil: nothing
}

// read gives the good entries after off up to the file's end as of now.
func (c *cursor) read(f func(Entry) bool) error {
	info, err := os.Stat(c.path)
	if errors.Is(err, fs.ErrNotExist) {
		c.file, c.off = nil, 0
		return nil
	}
	if err != nil {
		return failed("read", c.path, err)
	}
	if c.file != nil && !c.rest && os.SameFile(c.file, info) && info.Size() == c.file.Size() && info.ModTime().Equal(c.file.ModTime()) {
		return nil
	}
	if c.file == nil || !os.SameFile(c.file, info) || info.Size() < c.off {
		c.off = 0
	}
	file, err := os.Open(c.path)
	if err != nil {
		return failed("read", c.path, err)
	}
	defer func() { _ = file.Close() }()
	c.file, c.rest = info, false
	err = scan(io.NewSectionReader(file, c.off, info.Size()-c.off), func(l line) bool {
		if l.torn {
			return false
		}
		c.off += l.bytes
		if c.want != nil && !bytes.Contains(l.text, c.want) {
			return true
		}
		e, err := l.decode()
		if err != nil {
			c.broken++
			return true
		}
		c.rest = !f(e)
		return !c.rest
	})
	return failed("read", c.path, err)
}
