package ui

import (
	"bytes"
	"math/rand/v2"
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

// TestPacerLooks: with any times between frames, each one (or a later one) is looked at soon, looks
// are no denser than the renderer's own rate would be, and at rest there is one a second.
func TestPacerLooks(t *testing.T) {
	for _, longest := range []time.Duration{time.Millisecond, 5 * time.Millisecond, 40 * time.Millisecond, 400 * time.Millisecond, 5 * time.Second} {
		t.Run(longest.String(), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { testPacerLooks(t, longest) })
		})
	}
}

func testPacerLooks(t *testing.T, longest time.Duration) {
	ticker := time.NewTicker(lookApart)
	defer ticker.Stop()
	m := &numbered{}
	p := &pacer{Model: m, ticker: func() *time.Ticker { return ticker }}
	defer p.stop()
	rng := rand.New(rand.NewPCG(1, uint64(longest)))
	looks := 0
	type frame struct {
		at    time.Time
		limit time.Duration
	}
	var waiting []frame // not looked at yet
	began := time.Now()
	next := time.NewTimer(0)
	for frames := 0; frames < 2000; {
		select {
		case <-next.C:
			f := frame{time.Now(), lookApart + 2*lookSoon}
			if rng.IntN(4) == 0 {
				p.Update(tea.KeyPressMsg{Code: 'j'})
				f.limit = keyApart + 2*lookSoon
			} else {
				p.Update(settleMsg{})
			}
			p.View()
			waiting = append(waiting, f)
			frames++
			next.Reset(time.Duration(rng.Int64N(int64(longest))) + 1)
		case now := <-ticker.C:
			looks++
			for _, f := range waiting {
				if late := now.Sub(f.at); late > f.limit {
					t.Fatalf("frame looked at after %s, not %s", late, f.limit)
				}
			}
			waiting = waiting[:0]
		}
	}
	if most := int(time.Since(began)/keyApart) + 10; longest < keyApart && looks > most {
		t.Errorf("%d looks in %s", looks, time.Since(began))
	}
	time.Sleep(2 * lookIdle)
	looks = 0
	for end := time.After(time.Minute); ; {
		select {
		case <-ticker.C:
			looks++
			continue
		case <-end:
		}
		break
	}
	if looks > 62 {
		t.Errorf("%d looks in a minute at rest", looks)
	}
}
