package journal

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/gofrs/flock"
)

// Report is the judgement over a journal.
type Report struct {
	Entries    int         `json:"entries"`        // good lines
	Torn       int64       `json:"torn"`           // bytes of a last line that was not written whole; the next Append mends it
	Faults     []Fault     `json:"faults"`         // the first maxFaults
	More       int         `json:"more,omitempty"` // faults over those
	Last       time.Time   `json:"last"`           // of the last good line; zero: none
	Specs      int         `json:"specs"`          // specs that are what was kept
	SpecFaults []SpecFault `json:"spec_faults"`
}

// Fault is what is wrong with one line.
type Fault struct {
	Line int    `json:"line"` // from 1
	Seq  uint64 `json:"seq"`  // that the line says it has; 0: none that can be read
	What string `json:"what"`
}

// SpecFault is what is wrong with one file of the specs.
type SpecFault struct {
	Hash string `json:"hash"`
	What string `json:"what"`
}

// maxFaults bounds the faults of a report that are named.
const maxFaults = 1000

// OK tells whether nothing was changed, removed, inserted or moved. A torn end is no fault in this sense.
func (r Report) OK() bool { return len(r.Faults) == 0 && len(r.SpecFaults) == 0 }

// Verify reads the whole journal in dir, and changes nothing. The error is about reading; what is wrong with the journal is in the report.
func Verify(dir string) (Report, error) {
	path := filepath.Join(dir, fileName)
	f, err := os.Open(path)
	if err != nil {
		return Report{}, failed("verify", path, err)
	}
	defer func() { _ = f.Close() }()
	size, head, err := moment(dir, f)
	if err != nil {
		return Report{}, failed("verify", path, err)
	}
	v := verifier{head: head}
	if err := scan(io.NewSectionReader(f, 0, size), v.line); err != nil {
		return Report{}, failed("verify", path, err)
	}
	v.end()
	if err := v.specs(filepath.Join(dir, specsDir)); err != nil {
		return Report{}, failed("verify", path, err)
	}
	return v.report, nil
}

// moment is the file's size and the head as they belong together: while nobody writes, where the lock can be had.
func moment(dir string, f *os.File) (size int64, h headState, err error) {
	path := filepath.Join(dir, lockFile)
	if _, err := os.Stat(path); err == nil {
		l := flock.New(path, flock.SetFlag(os.O_RDONLY))
		if take(l, l.TryRLock, l.RLock, 2*time.Second) == nil {
			defer func() { _ = l.Unlock() }()
		}
	}
	h.tip, h.err = readHead(dir)
	info, err := f.Stat()
	if err != nil {
		return 0, h, err
	}
	return info.Size(), h, nil
}

type headState struct {
	tip tip
	err error
}

// verifier judges lines that it is given in order.
type verifier struct {
	head   headState
	report Report
	lines  int
	// last is the line that the next should follow. before is what last itself followed: a line that follows before instead shows
	// that last does not belong where it is.
	last, before place
}

// place is a line's place in the chain.
type place struct {
	tip
	line  int
	named bool // in a fault already
}

func (v *verifier) line(l line) bool {
	if l.torn {
		v.report.Torn = l.bytes
		return false
	}
	v.lines++
	e, err := l.decode()
	if err != nil {
		v.fault(v.lines, e.Seq, err.Error())
		if e.Seq > 0 { // changed: the line after it still follows what it says its hash is
			v.step(place{tip: e.tip(), line: v.lines, named: true}, v.last)
		}
		return true
	}
	v.report.Entries++
	v.report.Last = e.Time
	v.chain(e)
	if v.head.err == nil && e.Seq == v.head.tip.seq && e.Hash != v.head.tip.hash {
		v.fault(v.lines, e.Seq, "is not the line that was written under this number")
	}
	return true
}

func (v *verifier) step(last, before place) { v.last, v.before = last, before }

// chain looks whether a good line follows the one before it.
func (v *verifier) chain(e Entry) {
	here := place{tip: e.tip(), line: v.lines}
	// A changed line's number may be what was changed.
	follows := func(p place) bool { return e.Prev == p.hash && (e.Seq == p.seq+1 || p.named) }
	switch {
	case follows(v.last):
		v.step(here, v.last)
		return
	case v.last.line > 0 && !v.last.named && here.tip == v.last.tip:
		v.fault(v.lines, e.Seq, fmt.Sprintf("is not in its place: it is line %d once more", v.last.line))
		return
	case v.last.line > 0 && follows(v.before):
		if !v.last.named {
			v.fault(v.last.line, v.last.seq, fmt.Sprintf("is not in its place: line %d follows the line before it", v.lines))
		}
	case e.Seq > v.last.seq+1:
		v.fault(v.lines, e.Seq, fmt.Sprintf("lines are missing before it: %s", numbers(v.last.seq+1, e.Seq-1)))
	case e.Seq <= v.last.seq:
		v.fault(v.lines, e.Seq, fmt.Sprintf("is not in its place: it stands after number %d", v.last.seq))
		here.named = true
	case v.last.line == 0:
		v.fault(v.lines, e.Seq, "was changed: it is the first, but names a line before it")
	case !v.last.named:
		v.fault(v.last.line, v.last.seq, fmt.Sprintf("was replaced: line %d names another one as the line before it", v.lines))
	}
	v.step(here, v.last)
}

func numbers(from, to uint64) string {
	if from == to {
		return fmt.Sprintf("number %d", from)
	}
	return fmt.Sprintf("numbers %d to %d", from, to)
}

// end compares the journal's end with the head.
func (v *verifier) end() {
	switch {
	case v.head.err != nil && v.lines > 0:
		v.fault(v.lines, v.last.seq, "the head file is missing or broken: whether lines are missing after this one cannot be said")
	case v.head.err == nil && v.head.tip.seq > v.last.seq:
		v.fault(v.lines+1, v.head.tip.seq, fmt.Sprintf("lines are missing at the end: %s", numbers(v.last.seq+1, v.head.tip.seq)))
	}
}

func (v *verifier) fault(line int, seq uint64, what string) {
	if len(v.report.Faults) >= maxFaults {
		v.report.More++
		return
	}
	v.report.Faults = append(v.report.Faults, Fault{line, seq, what})
}

// specs checks each spec against its name.
func (v *verifier) specs(dir string) error {
	return filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		if err != nil {
			return err
		}
		hash, isSpec := strings.CutSuffix(d.Name(), ".json")
		if d.IsDir() || !isSpec {
			return nil
		}
		switch err := checkSpec(path, hash); {
		case err == nil:
			v.report.Specs++
		case len(v.report.SpecFaults) < maxFaults:
			v.report.SpecFaults = append(v.report.SpecFaults, SpecFault{hash, err.Error()})
		default:
			v.report.More++
		}
		return nil
	})
}
