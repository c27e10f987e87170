//go:build unix

package main

import (
	"math/rand/v2"
	"regexp"
	"strings"
	"testing"
	"time"
)

// moving is what of a screen changes by itself: figures with their units, times, bars and the points of charts.
var moving = regexp.MustCompile(`[<.]?[0-9][0-9.,:]*(m|h|s|d|[KMGT]i?B|/s)?|[▁▂▃▄▅▆▇█·⠀-⣿–]+`)

// structure is a screen without what moves, and without the space that it moves in.
func structure(screen string) string {
	lines := strings.Split(moving.ReplaceAllString(screen, ""), "\n")
	for i, l := range lines {
		lines[i] = strings.Join(strings.Fields(l), " ")
	}
	return strings.Join(lines, "\n")
}

// same waits until two terminals show the same but for what moves.
func same(t *testing.T, what string, got, want *terminal) {
	t.Helper()
	for end := time.Now().Add(20 * time.Second); ; time.Sleep(20 * time.Millisecond) {
		g, w := got.text(), want.text()
		if structure(g) == structure(w) {
			return
		}
		if time.Now().After(end) {
			t.Fatalf("%s: not as a fresh console's:\n%s\nwant\n%s", what, g, w)
		}
	}
}

// escape is the key as terminals with the kitty protocol write it: the bare byte is told from the start of a sequence
// by time alone, and on a busy machine takes the key after it along (alt+2).
const escape = "\x1b[27u"

// TestResizeStorm makes the terminal hundreds of sizes within moments: what is drawn in the end is whole, and the same as
// a console draws that was opened at that size.
func TestResizeStorm(t *testing.T) {
	t.Parallel()
	d := quietDemo(t)
	fresh := openTerminal(t, builtBinary(t), d)
	fresh.size(t, 120, 40)
	fresh.wait(t, 30*time.Second, "● swarm", "shop_web", "services 12")
	c := consoleIn(t, d)
	r := rand.New(rand.NewPCG(1, 2)) //nolint:gosec // sizes
	for i := range 400 {
		w, h := 1+r.IntN(300), 1+r.IntN(100)
		switch i % 20 {
		case 0:
			w, h = 1, 1
		case 10:
			w, h = 300, 100
		}
		c.size(t, uint16(w), uint16(h)) //nolint:gosec // small
		if i%8 == 0 {
			c.keys(t, []string{"1", "2", "9", "?", escape, "4", "5", "6"}[r.IntN(8)])
			time.Sleep(time.Duration(r.IntN(5)) * time.Millisecond)
		}
	}
	c.size(t, 120, 40)
	c.keys(t, escape)
	for _, view := range []struct{ key, mark string }{{"2", "IMAGE"}, {"9", "leader"}, {"?", "Everywhere"}} {
		for _, x := range []*terminal{fresh, c} {
			x.keys(t, view.key)
			x.wait(t, 20*time.Second, view.mark)
		}
		same(t, "view "+view.key, c, fresh)
	}
	if s := c.stderr(t); s != "" {
		t.Errorf("stderr: %q", s)
	}
}

// TestSmallTerminals: too small a terminal is told in words, and the console comes back when it is large enough.
func TestSmallTerminals(t *testing.T) {
	t.Parallel()
	c := consoleIn(t, quietDemo(t))
	c.size(t, 20, 5)
	c.wait(t, 10*time.Second, "quarterdeck needs", "40×10, this is 20×5", "make it larger")
	c.size(t, 1, 1)
	c.waitFor(t, "one letter at 1x1", func(s string) bool { return s == "q" })
	c.size(t, 40, 10)
	c.wait(t, 10*time.Second, "services", "batch_work")
	c.size(t, 80, 24)
	c.wait(t, 10*time.Second, "SERVICE", "shop_web")
	c.size(t, 20, 5)
	c.wait(t, 10*time.Second, "quarterdeck needs")
	c.keys(t, "q")
	if code := c.exit(t, 10*time.Second); code != 0 {
		t.Errorf("exit code %d", code)
	}
}

// waitFor waits until the screen is as wanted.
func (t *terminal) waitFor(tb testing.TB, what string, wanted func(screen string) bool) {
	tb.Helper()
	for end := time.Now().Add(10 * time.Second); !wanted(t.text()); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			tb.Fatalf("%s: not within 10 s:\n%s", what, t.text())
		}
	}
}

// TestPastedMegabyte pastes a megabyte, with and without a terminal's brackets, where it means something and where it means
// nothing: no letter of it acts as a key, and the console answers soon after.
func TestPastedMegabyte(t *testing.T) {
	d := quietDemo(t)
	megabyte := strings.Repeat("q: 9 ?jkq!\x1b[31mq\x1b]0;x\x07\r\n", 1<<20/24)
	plainText := strings.Repeat("q: 9 ?jkq! not keys 3 4 5 6\r", 1<<20/28)
	for name, paste := range map[string]string{"bracketed": "\x1b[200~" + megabyte + "\x1b[201~", "bare": plainText} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := consoleIn(t, d)
			c.paste(t, paste)
			c.wait(t, 20*time.Second, "a paste means nothing here", "timeline, last hour") // still in the overview
			c.keys(t, "\x1b[I/")                                                           // the focus comes: any sequence ends a paste without brackets
			c.wait(t, 20*time.Second, "enter keeps, esc takes back")
			c.paste(t, paste)
			c.wait(t, 20*time.Second, "none of 12 services matches")
			c.keys(t, escape)
			c.waitFor(t, "esc takes the filter back", func(s string) bool { return strings.Contains(s, "shop_web") && !strings.Contains(s, "none of 12") })
			c.keys(t, "9")
			c.wait(t, 10*time.Second, "leader")
			if s := c.stderr(t); s != "" {
				t.Errorf("stderr: %q", s)
			}
		})
	}
}

// paste writes text to the console as fast as it is taken.
func (t *terminal) paste(tb testing.TB, text string) {
	tb.Helper()
	began := time.Now()
	if err := t.pty.SetWriteDeadline(began.Add(20 * time.Second)); err != nil {
		tb.Fatal(err)
	}
	if n, err := t.pty.WriteString(text); err != nil {
		tb.Fatalf("%d of %d bytes taken: %v\n%s", n, len(text), err, t.text())
	}
	tb.Logf("%d bytes taken in %v", len(text), time.Since(began))
}
