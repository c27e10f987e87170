package ui

import (
	"os"
	"strings"
	"testing"
	"time"
)

// TestTypedBrackets gives input in pieces, as a terminal's line hands them on, and reads what the console gets.
func TestTypedBrackets(t *testing.T) {
	text := "q: not keys, but a pasted text of more than sixty-four letters, spaces\rand lines. "
	for _, c := range []struct {
		name   string
		pieces []string
		want   string
	}{
		{"keys", []string{"q", "jjj"}, "qjjj"},
		{"a key held down while the console was busy", []string{strings.Repeat("j", 300)}, strings.Repeat("j", 300)},
		{"a sequence", []string{"\x1b[<64;10;10M" + text}, "\x1b[<64;10;10M" + text},
		{"control keys", []string{strings.Repeat("\x0cj", 100)}, strings.Repeat("\x0cj", 100)},
		{"a paste", []string{text}, pasteStart + text + pasteEnd},
		{"a paste's end", []string{text, "q\r"}, pasteStart + text + pasteEnd + pasteStart + "q\r" + pasteEnd},
		{"a sequence after a paste", []string{text, text + "\x1b[Iq", "q"}, pasteStart + text + pasteEnd + pasteStart + text + pasteEnd + "\x1b[Iqq"},
		{"a character in two pieces", []string{text + "\xe6\x97", "\xa5"}, pasteStart + text + pasteEnd + pasteStart + "\xe6\x97\xa5" + pasteEnd},
		{"in the terminal's brackets", []string{pasteStart + text, text, text + pasteEnd, "q"}, pasteStart + text + text + text + pasteEnd + "q"},
		{"brackets in two pieces", []string{"\x1b[20", "0~" + text, text, "\x1b[201", "~" + "q"}, pasteStart + text + text + pasteEnd + "q"},
		{"after the brackets", []string{pasteStart + text + pasteEnd, text}, pasteStart + text + pasteEnd + pasteStart + text + pasteEnd},
	} {
		t.Run(c.name, func(t *testing.T) {
			r, w, err := os.Pipe()
			if err != nil {
				t.Fatal(err)
			}
			defer r.Close()
			in := Typed(r)
			var got strings.Builder
			for _, piece := range c.pieces {
				if _, err := w.WriteString(piece); err != nil {
					t.Fatal(err)
				}
				p := make([]byte, 4096)
				n, err := in.Read(p)
				if err != nil {
					t.Fatal(err)
				}
				got.Write(p[:n])
			}
			_ = w.Close()
			if n, err := in.Read(make([]byte, 4096)); n != 0 || err == nil {
				t.Errorf("at the end: %d, %v", n, err)
			}
			if got.String() != c.want {
				t.Errorf("got  %q\nwant %q", got.String(), c.want)
			}
		})
	}
}

func TestTypedForgets(t *testing.T) {
	in := &typed{}
	now := time.Now()
	if in.pasted([]byte(strings.Repeat("ab", 50)), now) != 100 || in.pasted([]byte("q"), now.Add(pasteGap/2)) != 1 {
		t.Fatal("a paste and its end are not known")
	}
	if in.pasted([]byte("q"), now.Add(2*pasteGap)) != 0 {
		t.Error("a key long after a paste is taken for it")
	}
}
