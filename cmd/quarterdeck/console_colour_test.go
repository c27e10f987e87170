//go:build unix

package main

import (
	"encoding/base64"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"quarterdeck/sources/demo"
)

// consoleWith opens the console with more in its environment, and waits until all is there.
func consoleWith(t *testing.T, d *demo.Platform, env ...string) *terminal {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), builtBinary(t))
	cmd.Env = append(terminalEnv(t, d), env...)
	c := startInTerminal(t, cmd, 160, 48)
	c.wait(t, 30*time.Second, allLive...)
	return c
}

// colours are the kinds of colour that a byte stream's styles use: "16", "256", "true".
func colours(stream string) map[string]int {
	kinds := map[string]int{}
	for _, s := range sgr.FindAllString(stream, -1) {
		p := strings.FieldsFunc(s[2:len(s)-1], func(r rune) bool { return r == ';' || r == ':' })
		for i := 0; i < len(p); i++ {
			n, _ := strconv.Atoi(p[i])
			switch {
			case (n == 38 || n == 48 || n == 58) && i+1 < len(p) && p[i+1] == "5":
				kinds["256"]++
				i += 2
			case (n == 38 || n == 48 || n == 58) && i+1 < len(p) && p[i+1] == "2":
				kinds["true"]++
				i += 4
			case n >= 30 && n <= 37, n >= 40 && n <= 47, n >= 90 && n <= 97, n >= 100 && n <= 107:
				kinds["16"]++
			}
		}
	}
	return kinds
}

// TestColours: what a terminal or its user does not want is not written, in any view; signs and words stay.
func TestColours(t *testing.T) {
	d := quietDemo(t)
	if err := d.StartScenario("noise"); err != nil { // an alert, for its page
		t.Fatal(err)
	}
	for _, c := range []struct {
		name string
		env  []string
		want []string // the kinds that may be used, and the first must be
	}{
		{"true colour", nil, []string{"true"}},
		{"256", []string{"COLORTERM=", "TERM=xterm-256color"}, []string{"256", "16"}},
		{"16", []string{"COLORTERM=", "TERM=xterm"}, []string{"16"}},
		{"the Linux console", []string{"COLORTERM=", "TERM=linux"}, []string{"16"}},
		{"NO_COLOR", []string{"NO_COLOR=1"}, nil},
		{"tmux", []string{"COLORTERM=", "TERM=screen-256color", "TMUX=/tmp/x,1,0"}, []string{"256", "16"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			x := consoleWith(t, d, c.env...)
			for _, view := range []struct{ key, mark string }{{"2", "IMAGE"}, {"3", "logs "}, {"4", "memory"}, {"5", "SEVERITY"}, {"6", "WHAT"}, {"9", "leader"}, {"?", "Everywhere"}} {
				x.keys(t, view.key)
				x.wait(t, time.Minute, view.mark)
			}
			got := colours(x.written())
			t.Log(got)
			for _, kind := range c.want {
				if kind == c.want[0] && got[kind] == 0 {
					t.Errorf("no colour of kind %s is used: %v", kind, got)
				}
				delete(got, kind)
			}
			if len(got) > 0 {
				t.Errorf("colours that this terminal was not to get: %v", got)
			}
		})
	}
}

// TestMouse: the wheel scrolls what is under it, a click selects a row, gives the focus, and opens a tab.
func TestMouse(t *testing.T) {
	t.Parallel()
	c := consoleIn(t, quietDemo(t))
	place := func(text string) (x, y int) {
		t.Helper()
		for y, l := range strings.Split(c.text(), "\n") {
			if before, _, ok := strings.Cut(l, text); ok {
				return len([]rune(before)), y
			}
		}
		t.Fatalf("no %q on the screen:\n%s", text, c.text())
		return 0, 0
	}
	click := func(x, y int) { c.keys(t, fmt.Sprintf("\x1b[<0;%d;%dM\x1b[<0;%d;%dm", x+1, y+1, x+1, y+1)) }
	wheel := func(down bool, x, y int) {
		button := 64
		if down {
			button = 65
		}
		c.keys(t, fmt.Sprintf("\x1b[<%d;%d;%dM", button, x+1, y+1))
	}
	x, y := place("shop_cart")
	click(x, y)
	c.wait(t, 10*time.Second, "metrics shop_cart", "logs shop_cart")
	wheel(true, x, y) // three rows
	c.wait(t, 10*time.Second, "metrics shop_web")
	wheel(false, x, y)
	c.wait(t, 10*time.Second, "metrics shop_cart")
	x, y = place("logs shop_cart")
	c.wait(t, 20*time.Second, "request served")
	click(x, y+6)
	c.wait(t, 10*time.Second, "p pause", "e next error") // the log pane's own keys: it has the focus, and holds still
	clock := regexp.MustCompile(`\d\d:\d\d:\d\d\.\d\d\d`).FindString(strings.Split(c.text(), "\n")[y+4])
	click(x, y+4)
	c.waitFor(t, "the line clicked on is selected", func(s string) bool {
		return clock != "" && regexp.MustCompile(`▌ ?`+clock).MatchString(s)
	})
	for range 4 {
		wheel(false, x, y+4)
	}
	c.waitFor(t, "the lines go down under the wheel", func(s string) bool {
		for at, l := range strings.Split(s, "\n") {
			if strings.Contains(l, clock) {
				return at > y+4
			}
		}
		return false
	})
	x, y = place("9 nodes")
	click(x+3, y)
	c.wait(t, 10*time.Second, "leader", "ENGINE")
	for range 200 { // motion with a button held, and wheels over nothing
		c.keys(t, "\x1b[<32;5;5M\x1b[<65;300;300M\x1b[<0;9999;9999M")
	}
	c.keys(t, "1")
	c.wait(t, 10*time.Second, "timeline, last hour")
}

var clipboard = regexp.MustCompile("\x1b]52;c;([^\x07\x1b]*)(\x07|\x1b\\\\)")

// TestCopy: c writes the row under the cursor to the terminal's clipboard.
func TestCopy(t *testing.T) {
	t.Parallel()
	c := consoleIn(t, quietDemo(t))
	c.keys(t, "/shop_st\r")
	c.wait(t, 10*time.Second, "metrics shop_store")
	c.keys(t, "c")
	c.wait(t, 10*time.Second, "copied shop_store")
	m := clipboard.FindAllStringSubmatch(c.written(), -1)
	if len(m) != 1 {
		t.Fatalf("%d writes to the clipboard", len(m))
	}
	if b, err := base64.StdEncoding.DecodeString(m[0][1]); err != nil || string(b) != "shop_store" {
		t.Errorf("the clipboard has %q, %v", b, err)
	}
}

// TestStartsThatFail: exit codes as documented, a sentence on stderr, and nothing on the terminal.
func TestStartsThatFail(t *testing.T) {
	dir := t.TempDir()
	write := func(name, text string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	for _, c := range []struct {
		name string
		env  []string
		args []string
		says string
	}{
		{"TERM=dumb", []string{"TERM=dumb"}, nil, "quarterdeck status"},
		{"a flag that is none", nil, []string{"--frobnicate"}, "frobnicate"},
		{"a command that is none", nil, []string{"frobnicate"}, "frobnicate"},
		{"no such config", nil, []string{"--config", filepath.Join(dir, "none.yaml")}, "none.yaml"},
		{"a config that is none", nil, []string{"--config", write("bad.yaml", "contexts: [1, {\x1b]0;x\x07")}, "bad.yaml"},
		{"a key of the config that is none", nil, []string{"--config", write("key.yaml", "frobnicate: 1\n")}, "frobnicate"},
		{"a theme that is none", nil, []string{"--theme", "frob"}, "frob"},
		{"a context that is none", nil, []string{"--context", "frob"}, "frob"},
		{"a log file that cannot be", nil, []string{"--log-file", dir}, "log file"},
		{"an address that is none", []string{"LOKI_ADDR=:// "}, nil, "loki"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			cmd := exec.CommandContext(t.Context(), builtBinary(t), c.args...)
			cmd.Env = append(terminalEnv(t, nil), c.env...)
			x := startInTerminal(t, cmd, 80, 24)
			code := x.exit(t, 10*time.Second)
			<-x.stopped
			errs := x.stderr(t)
			if code != exitUsage || !strings.HasPrefix(errs, "quarterdeck: ") || !strings.Contains(errs, c.says) || strings.Count(errs, "\n") != 1 || strings.ContainsAny(errs, "\x1b\x07") {
				t.Errorf("exit code %d, stderr %q", code, errs)
			}
			if raw := x.written(); raw != "" {
				t.Errorf("on the terminal: %q", raw)
			}
		})
	}
}

// TestNoTerminal: without a terminal on one side or the other the console says so and names what serves there.
func TestNoTerminal(t *testing.T) {
	for name, script := range map[string]string{"stdout is a pipe": `"$0" | cat; exit 0`, "stdin is a pipe": `echo q | "$0"; exit 0`} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			cmd := exec.CommandContext(t.Context(), "sh", "-c", strings.Replace(script, `"$0"`, `{ "$0"; echo "exit $?" >&2; }`, 1), builtBinary(t))
			cmd.Env = terminalEnv(t, nil)
			x := startInTerminal(t, cmd, 80, 24)
			x.exit(t, 10*time.Second)
			if errs := x.stderr(t); !strings.Contains(errs, "needs a terminal") || !strings.Contains(errs, "quarterdeck status") || !strings.HasSuffix(errs, "exit 2\n") {
				t.Errorf("stderr %q", errs)
			}
			if raw := x.written(); raw != "" {
				t.Errorf("on the terminal: %q", raw)
			}
		})
	}
}

// TestNothingAnswers: the console opens although no source is there, tells why in each pane, and nothing of it is on stderr.
func TestNothingAnswers(t *testing.T) {
	t.Parallel()
	cmd := exec.CommandContext(t.Context(), builtBinary(t), "--host", "tcp://127.0.0.1:1", "--loki", "http://127.0.0.1:1", "--prometheus", "http://127.0.0.1:1", "--alertmanager", "http://127.0.0.1:1")
	cmd.Env = terminalEnv(t, nil)
	c := startInTerminal(t, cmd, 160, 48)
	c.wait(t, 20*time.Second, "swarm RECONNECTING", "no listing yet", "refused", "since")
	for _, view := range []struct{ key, mark string }{{"2", "refused"}, {"3", "refused"}, {"4", "refused"}, {"5", "refused"}, {"9", "refused"}} {
		c.keys(t, view.key)
		c.wait(t, 20*time.Second, view.mark)
	}
	c.keys(t, "\x03")
	if code := c.exit(t, 10*time.Second); code != 0 {
		t.Errorf("exit code %d", code)
	}
	if s := c.stderr(t); s != "" {
		t.Errorf("stderr %q", s)
	}
}
