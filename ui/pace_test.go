package ui

import (
	"bytes"
	"context"
	"math/rand/v2"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	tea "charm.land/bubbletea/v2"
)

// numbered draws its updates' number, and quits at the last.
type numbered struct {
	n, last int
	update  func()
}

func (*numbered) Init() tea.Cmd { return func() tea.Msg { return settleMsg{} } }

func (m *numbered) Update(tea.Msg) (tea.Model, tea.Cmd) {
	if m.n++; m.update != nil {
		m.update()
	}
	if m.n == m.last {
		return m, tea.Quit
	}
	return m, nil
}

func (m *numbered) View() tea.View { return tea.NewView("") }

// TestTickerIsThere fails where Bubble Tea has no ticker under the name that the pacer knows.
func TestTickerIsThere(t *testing.T) {
	var program *tea.Program
	var found *time.Ticker
	m := &numbered{last: 1, update: func() { found = tickerOf(program) }}
	var out bytes.Buffer
	program = tea.NewProgram(m, tea.WithInput(nil), tea.WithOutput(&out), tea.WithoutSignalHandler())
	if _, err := program.Run(); err != nil {
		t.Fatal(err)
	}
	if found == nil {
		t.Fatal("Bubble Tea's renderer has another ticker now: the console looks for frames 60 times a second at rest")
	}
}

// TestPacerLooks: with any times between frames, and a renderer that is busy for up to slow with each, every frame
// (or a later one) is looked at soon; and at rest there is a look a second.
func TestPacerLooks(t *testing.T) {
	for _, longest := range []time.Duration{time.Millisecond, 5 * time.Millisecond, 40 * time.Millisecond, 400 * time.Millisecond, 5 * time.Second} {
		for _, slow := range []time.Duration{0, 2 * time.Millisecond, 12 * time.Millisecond} {
			t.Run(longest.String()+" "+slow.String(), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) { testPacerLooks(t, longest, slow) })
			})
		}
	}
}

func testPacerLooks(t *testing.T, longest, slow time.Duration) {
	ticker := time.NewTicker(time.Second / 60)
	defer ticker.Stop()
	p := &pacer{Model: &numbered{}, ticker: func() *time.Ticker { return ticker }}
	defer p.stop()
	rng := rand.New(rand.NewPCG(1, uint64(longest)))
	var mu sync.Mutex
	var waiting []time.Time // when the frames were drawn that were not looked at yet
	looks := 0
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	go func() {
		busy := rand.New(rand.NewPCG(2, 2))
		for {
			select {
			case <-ctx.Done():
				return
			case <-ticker.C:
			}
			mu.Lock()
			looks++
			for _, at := range waiting {
				if late := time.Since(at); late > lookOften+slow {
					t.Errorf("a frame was looked at after %s", late)
				}
			}
			worked := len(waiting) > 0
			waiting = nil
			mu.Unlock()
			if worked && slow > 0 {
				time.Sleep(time.Duration(busy.Int64N(int64(slow))))
			}
		}
	}()
	for range 2000 {
		p.Update(settleMsg{})
		p.View()
		mu.Lock()
		waiting = append(waiting, time.Now())
		mu.Unlock()
		time.Sleep(time.Duration(rng.Int64N(int64(longest))) + 1)
	}
	time.Sleep(4 * lookIdle)
	mu.Lock()
	if len(waiting) > 0 {
		t.Errorf("%d frames were never looked at", len(waiting))
	}
	looks = 0
	mu.Unlock()
	time.Sleep(time.Minute)
	mu.Lock()
	defer mu.Unlock()
	if looks > 61 {
		t.Errorf("%d looks in a minute at rest", looks)
	}
}

// placard draws what it is told to.
type placard string

func (placard) Init() tea.Cmd                          { return nil }
func (m *placard) Update(tea.Msg) (tea.Model, tea.Cmd) { return m, nil }
func (m *placard) View() tea.View                      { return tea.NewView(string(*m)) }

// TestPacerRests: news that change nothing on the screen are not looked for; a key is, for it may have asked for a redraw.
func TestPacerRests(t *testing.T) {
	ticker := time.NewTicker(time.Second)
	defer ticker.Stop()
	m := placard("one")
	p := &pacer{Model: &m, ticker: func() *time.Ticker { return ticker }}
	defer p.stop()
	for _, tc := range []struct {
		what  string
		msg   tea.Msg
		shows placard
		looks bool
	}{
		{"the first frame", tea.WindowSizeMsg{}, "one", true},
		{"news of nothing to be seen", wakeMsg{}, "one", false},
		{"news that are to be seen", wakeMsg{}, "two", true},
		{"the same again", wakeMsg{}, "two", false},
		{"a key", tea.KeyPressMsg{Code: 'l', Mod: tea.ModCtrl}, "two", true},
	} {
		p.mu.Lock()
		p.apart = lookIdle
		p.mu.Unlock()
		m = tc.shows
		p.Update(tc.msg)
		if v := p.View(); v.Content != string(tc.shows) {
			t.Errorf("%s: %q is drawn", tc.what, v.Content)
		}
		p.mu.Lock()
		if looks := p.apart == lookOften; looks != tc.looks {
			t.Errorf("%s: looked for %v, want %v", tc.what, looks, tc.looks)
		}
		p.mu.Unlock()
	}
}
