package journal

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"quarterdeck/sources"
)

const (
	fileName = "journal.jsonl"
	headFile = "head"
	lockFile = "lock"
	keyFile  = "key"
	runsDir  = "runs"
	specsDir = "specs"

	dirPerm  = 0o700
	filePerm = 0o600
)

// Journal is a directory with the record of what was done. It keeps no file open. Safe for concurrent use, by goroutines and by
// processes; any number of them may have it open.
type Journal struct {
	dir    string
	wait   time.Duration // for the lock
	news   func(dir string) (changed <-chan struct{}, stop func(), err error)
	broken atomic.Int64

	mu   sync.Mutex
	seen seen
}

// seen is how far the file was read or written by this Journal, so that an Append reads only what others added since.
type seen struct {
	file os.FileInfo // nil: nothing yet
	end  int64       // after a whole line
	tip  tip         // of the last good line before end
}

// Open makes the directory where there is none, for this user alone, and the files in it. An error says what to do; it means that
// nothing can be recorded, so nothing may be done either.
func Open(dir string) (*Journal, error) {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return nil, failed("open", dir, err)
	}
	j := &Journal{dir: dir, wait: lockWait, news: news}
	if err := j.makeDir(dir); err != nil {
		return nil, err
	}
	for _, sub := range []string{runsDir, specsDir} {
		if err := j.makeDir(j.path(sub)); err != nil {
			return nil, err
		}
	}
	unlock, err := j.lock("open")
	if err != nil {
		return nil, err
	}
	defer unlock()
	f, err := os.OpenFile(j.path(fileName), os.O_RDWR|os.O_CREATE|os.O_APPEND, filePerm)
	if err != nil {
		return nil, failed("open", j.path(fileName), err)
	}
	defer func() { _ = f.Close() }()
	info, err := f.Stat()
	if err != nil {
		return nil, failed("open", j.path(fileName), err)
	}
	if !info.Mode().IsRegular() {
		return nil, failed("open", j.path(fileName), fs.ErrExist)
	}
	if _, err := readHead(j.dir); errors.Is(err, fs.ErrNotExist) && info.Size() == 0 {
		if err := j.writeHead(tip{}); err != nil {
			return nil, err
		}
	}
	return j, failed("open", j.path(fileName), syncDir(j.dir))
}

// Dir is where the journal is.
func (j *Journal) Dir() string { return j.dir }

func (j *Journal) path(name string) string { return filepath.Join(j.dir, name) }

func (j *Journal) makeDir(dir string) error {
	if info, err := os.Stat(dir); err == nil && info.IsDir() {
		return nil
	}
	if err := os.MkdirAll(dir, dirPerm); err != nil {
		return failed("open", filepath.Join(dir, fileName), err)
	}
	return failed("open", filepath.Join(dir, fileName), syncDir(filepath.Dir(dir)))
}

// Append writes an entry and gives it back as written: Seq, Prev and Hash are filled in, Time where it is zero, and text is cut to
// its bounds. When it returns without an error the entry is on the disk. With an error it may be or not, and the caller must not act.
// What an earlier process left half written is mended before (see Mend).
func (j *Journal) Append(e Entry) (Entry, error) {
	const op = "append"
	if e.Time.IsZero() {
		e.Time = time.Now()
	}
	e, err := e.bounded()
	if err != nil {
		return Entry{}, err
	}
	unlock, err := j.lock(op)
	if err != nil {
		return Entry{}, err
	}
	defer unlock()
	if _, err := j.mend(op); err != nil {
		return Entry{}, err
	}
	return j.write(op, j.seen.tip, e)
}

// write adds one line, which follows base, at the end that was seen. The lock is held.
func (j *Journal) write(op string, base tip, e Entry) (Entry, error) {
	path := j.path(fileName)
	e.Seq, e.Prev = base.seq+1, base.hash
	if e.Seq > maxSeq {
		return Entry{}, &sources.Error{Source: name, Op: op, Kind: sources.OverLimit, Next: "the journal has been tampered with: verify it, and set another directory", Err: errors.New("the last entry's number is too large")}
	}
	e, line, err := encode(e)
	if err != nil {
		return Entry{}, err
	}
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_APPEND, filePerm)
	if err != nil {
		return Entry{}, failed(op, path, err)
	}
	defer func() { _ = f.Close() }()
	_, err = f.Write(line)
	if err == nil {
		err = f.Sync()
	}
	if err == nil && j.seen.end == 0 {
		err = syncDir(j.dir)
	}
	if err != nil {
		_ = os.Truncate(path, j.seen.end) // what stays half written is mended by the next Append
		return Entry{}, failed(op, path, err)
	}
	info, err := f.Stat()
	if err != nil {
		return Entry{}, failed(op, path, err)
	}
	j.seen = seen{file: info, end: j.seen.end + int64(len(line)), tip: e.tip()}
	return e, j.writeHead(e.tip())
}
