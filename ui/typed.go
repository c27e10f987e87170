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
	m := t.pasted(p[:n], time.Now())
	if m == 0 {
		return n, nil
	}
	if m == n {
		n = t.hold(p[:n])
		m = n
	}
	copy(p[len(pasteStart)+m+len(pasteEnd):], p[m:n])
	copy(p[len(pasteStart):], p[:m])
	copy(p, pasteStart)
	copy(p[len(pasteStart)+m:], pasteEnd)
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

// pasted is how much of what was read is a paste, or the next piece of one, that the terminal has put no brackets
// around; text comes first.
func (t *typed) pasted(b []byte, now time.Time) int {
	within := t.inside
	seen := append(t.tail, b...)
	if start, end := bytes.LastIndex(seen, []byte(pasteStart)), bytes.LastIndex(seen, []byte(pasteEnd)); start != end {
		t.inside = start > end
	}
	t.tail = bytes.Clone(seen[max(0, len(seen)-len(pasteStart)+1):])
	n, next := text(b), now.Sub(t.last) < pasteGap
	t.last = time.Time{}
	switch {
	case within, n == 0, !next && (n < pasteLeast || n < pasteSame && oneKey(b[:n])):
		return 0
	case t.inside && n == len(b): // the brackets came in two pieces
		return 0
	case n == len(b):
		t.last = now
	}
	return n
}

// text is how many bytes at the beginning are text and line ends.
func text(b []byte) int {
	for i, c := range b {
		if c < ' ' && c != '\r' && c != '\n' && c != '\t' || c == 0x7f {
			return i
		}
	}
	return len(b)
}

func oneKey(b []byte) bool { return bytes.Count(b, b[:1]) == len(b) }
