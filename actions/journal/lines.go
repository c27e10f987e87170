package journal

import (
	"bufio"
	"bytes"
	"errors"
	"io"
)

// line is one line of the file, without its end.
type line struct {
	text  []byte // valid until the next line; nil where it is longer than maxLine
	bytes int64  // in the file, with its end
	torn  bool   // the last one, without an end
}

func (l line) decode() (Entry, error) {
	if l.text == nil && l.bytes > maxLine {
		return Entry{}, errTooLong
	}
	return decode(l.text)
}

// scan gives the lines of r one after the other until f returns false. It holds no more than one line.
func scan(r io.Reader, f func(line) bool) error {
	br := bufio.NewReaderSize(r, 64<<10)
	var text []byte
	for {
		l := line{}
		text = text[:0]
		for {
			part, err := br.ReadSlice('\n')
			l.bytes += int64(len(part))
			if l.bytes <= maxLine+1 {
				text = append(text, part...)
			}
			if err == nil {
				break
			}
			if errors.Is(err, bufio.ErrBufferFull) {
				continue
			}
			if !errors.Is(err, io.EOF) {
				return err
			}
			if l.bytes == 0 {
				return nil
			}
			l.torn = true
			break
		}
		if l.bytes <= maxLine+1 {
			l.text = bytes.TrimSuffix(text, []byte("\n"))
		}
		if !f(l) || l.torn {
			return nil
		}
	}
}

// lineEnd is the place after the last line's end within [lo, hi), or lo.
func lineEnd(r io.ReaderAt, lo, hi int64) (int64, error) {
	for chunk := int64(4 << 10); hi > lo; chunk = min(2*chunk, 1<<20) {
		from := max(lo, hi-chunk)
		b := make([]byte, hi-from)
		if _, err := r.ReadAt(b, from); err != nil && !errors.Is(err, io.EOF) {
			return 0, err
		}
		if i := bytes.LastIndexByte(b, '\n'); i >= 0 {
			return from + int64(i) + 1, nil
		}
		hi = from
	}
	return lo, nil
}

// lastGood is the tip of the last good line within [lo, hi); both are places where a line begins.
func lastGood(r io.ReaderAt, lo, hi int64) (tip, bool, error) {
	for hi > lo {
		from, err := lineEnd(r, lo, hi-1)
		if err != nil {
			return tip{}, false, err
		}
		if hi-from <= maxLine {
			b := make([]byte, hi-1-from)
			if _, err := r.ReadAt(b, from); err != nil && !errors.Is(err, io.EOF) {
				return tip{}, false, err
			}
			if e, err := decode(b); err == nil {
				return e.tip(), true, nil
			}
		}
		hi = from
	}
	return tip{}, false, nil
}
