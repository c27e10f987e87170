package ui

import (
	"bytes"
	"context"
	"io"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	tea "charm.land/bubbletea/v2"
	"github.com/charmbracelet/x/ansi"
)

// stamped draws near the last corner how many keys it has had and, where something is waited for, how often that has come: each
// time all cells of it are other than before, so that they are written together.
type stamped struct {
	*Model
	keys int
	// complete tells whether all is there that was asked for; nil: nothing is waited for. done is how often it became true.
	complete func(*Model) bool
	whole    bool
	done     int
}

func stamp(n int) string {
	return string([]byte{'A' + byte(n%26), 'A' + byte((n+7)%26), 'A' + byte((3*n+1)%26), 'A' + byte((5*n+2)%26)})
}

// doneStamp is stamp in signs that neither a log line nor an escape sequence has in this order.
func doneStamp(n int) string {
	const signs = "!#$%&*+,/:<=>@^~"
	return string([]byte{signs[n%16], signs[(n+5)%16], signs[(3*n+1)%16], signs[(5*n+2)%16]})
}

func (s *stamped) Update(msg tea.Msg) (tea.Model, tea.Cmd) {
	if _, key := msg.(tea.KeyPressMsg); key {
		s.keys++
	}
	_, cmd := s.Model.Update(msg)
	if s.complete != nil {
		was := s.whole
		if s.whole = s.complete(s.Model); s.whole && !was {
			s.done++
		}
	}
	return s, cmd
}

func (s *stamped) View() tea.View {
	v := s.Model.View()
	at := strings.LastIndexByte(v.Content, '\n') + 1
	v.Content = v.Content[:at] + ansi.Truncate(v.Content[at:], s.w-11, "") + doneStamp(s.done) + " " + stamp(s.keys) + "  " // the corner is written in a way of its own
	return v
}

// paper is the program's terminal: it tells when what is waited for was written.
type paper struct {
	mu     sync.Mutex
	wanted []want
}

type want struct {
	text    []byte
	written chan time.Time
}

func (p *paper) Write(b []byte) (int, error) {
	now := time.Now()
	p.mu.Lock()
	defer p.mu.Unlock()
	p.wanted = slices.DeleteFunc(p.wanted, func(w want) bool {
		if !bytes.Contains(b, w.text) {
			return false
		}
		w.written <- now
		return true
	})
	return len(b), nil
}

func (p *paper) want(s string) <-chan time.Time {
	p.mu.Lock()
	defer p.mu.Unlock()
	w := want{[]byte(s), make(chan time.Time, 1)}
	p.wanted = append(p.wanted, w)
	return w.written
}

// typist types into a program that runs, and waits for the frames that answer.
type typist struct {
	b          *testing.B
	in         *io.PipeWriter
	out        *paper
	keys, done int // that were waited for
}

// sit starts the program of a model and sits down before it; rise ends it.
func sit(b *testing.B, m *Model, model tea.Model) (t *typist, rise func()) {
	in, typed := io.Pipe()
	t = &typist{b: b, in: typed, out: &paper{}}
	ctx, cancel := context.WithCancel(b.Context())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_ = RunModel(ctx, m, model, tea.WithInput(in), tea.WithOutput(t.out), tea.WithoutSignalHandler(), tea.WithWindowSize(160, 48))
	}()
	return t, func() {
		cancel()
		<-ended
		_ = typed.Close()
	}
}

func (t *typist) write(keys string) time.Time {
	at := time.Now()
	if _, err := io.WriteString(t.in, keys); err != nil {
		t.b.Fatal(err)
	}
	return at
}

// wait gives the time from a moment on until something was written.
func (t *typist) wait(at time.Time, written <-chan time.Time, what string) time.Duration {
	select {
	case painted := <-written:
		return painted.Sub(at)
	case <-time.After(20 * time.Second):
		t.b.Fatalf("after %q nothing is painted", what)
	}
	return 0
}

// press types keys that make one key press, and gives the time until its frame is written.
func (t *typist) press(keys string) time.Duration {
	t.keys++
	painted := t.out.want(stamp(t.keys))
	return t.wait(t.write(keys), painted, keys)
}

// await gives the channel that tells when what is waited for has come once more, and is on the screen.
func (t *typist) await() <-chan time.Time {
	t.done++
	return t.out.want(doneStamp(t.done))
}
