package ui

import (
	"bytes"
	"io"
	"os"
	"time"
	"unicode/utf8"
)

// The brackets that a terminal puts around a paste (https://invisible-island.net/xterm/ctlseqs/ctlseqs.html, "Bracketed Paste Mode").
const pasteStart, pasteEnd = "\x1b[200~", "\x1b[201~"

const (
	// pasteLeast is how many bytes of text in one read no fingers have typed, pasteSame how many of
	// one key: that may be held down while the console is busy.
	pasteLeast = 64
	pasteSame  = 1024
	// pasteGap is how long after a piece of a paste the next piece belongs to it.
	pasteGap = 100 * time.Millisecond
)

// typed is a terminal's input in which a paste without brackets has them: terminals, multiplexers and serial
// lines are about that know none, and a pasted text's letters would act as keys, a megabyte of them for minutes.
type typed struct {
	*os.File
	held   []byte    // the begin of a character whose rest has not come
	tail   []byte    // what was read last, a bracket's length less one
	inside bool      // the terminal's own brackets are open
	last   time.Time // of a paste's last piece
}

// Typed wraps a terminal's input so that what came too fast for fingers is a paste. What is no file is given back
// as it is. Like a file it is read by one goroutine at a time.
func Typed(in io.Reader) io.Reader {
	if f, ok := in.(*os.File); ok {
		return &typed{File: f}
	}
	return in
}

// Read reads what is there, in brackets where it is a paste.
func (t *typed) Read(p []byte) (int, error) {
	const room = len(pasteStart) + len(pasteEnd) + utf8.UTFMax
	if len(p) < room+pasteLeast {
		return t.File.Read(p)
	}
	n, err := t.File.Read(p[len(t.held) : len(p)-room])
	if err != nil || n <= 0 {
		return n, err
	}
	n, t.held = n+copy(p, t.held), nil
	if !t.pasted(p[:n], time.Now()) {
		return n, nil
	}
	n = t.hold(p[:n])
	copy(p[len(pasteStart):], p[:n])
	copy(p, pasteStart)
	copy(p[len(pasteStart)+n:], pasteEnd)
	return len(pasteStart) + n + len(pasteEnd), nil
}

// hold keeps the begin of a character back, and gives the length of what is before it.
func (t *typed) hold(b []byte) int {
	for i := len(b) - 1; i >= max(len(b)-utf8.UTFMax+1, 1); i-- {
		if utf8.RuneStart(b[i]) {
			if !utf8.FullRune(b[i:]) {
				t.held = bytes.Clone(b[i:])
				return i
			}
			break
		}
	}
	return len(b)
}

// pasted tells whether what was read is a paste, or the next piece of one, that the terminal has put no brackets around.
func (t *typed) pasted(b []byte, now time.Time) bool {
	seen := append(t.tail, b...)
	if start, end := bytes.LastIndex(seen, []byte(pasteStart)), bytes.LastIndex(seen, []byte(pasteEnd)); start != end {
		t.inside = start > end
	}
	t.tail = bytes.Clone(seen[max(0, len(seen)-len(pasteStart)+1):])
	next := now.Sub(t.last) < pasteGap
	if t.inside || !isText(b) || !next && (len(b) < pasteLeast || len(b) < pasteSame && oneKey(b)) {
		return false
	}
	t.last = now
	return true
}

// isText tells whether keys could not have sent anything else than text and line ends.
func isText(b []byte) bool {
	for _, c := range b {
		if c < ' ' && c != '\r' && c != '\n' && c != '\t' || c == 0x7f {
			return false
		}
	}
	return true
}

func oneKey(b []byte) bool { return bytes.Count(b, b[:1]) == len(b) }
