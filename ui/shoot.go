package ui

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"time"

	tea "charm.land/bubbletea/v2"

	"quarterdeck/sources"
	"quarterdeck/sources/fleet"
)

// Shot asks for one frame without a terminal.
type Shot struct {
	View          string // of ViewNames
	Width, Height int    // cells
	Select        string // service; "" : the first
	Keys          []string
	Settle        time.Duration // how long sources may take once the swarm has answered, before and after the keys together
}

// ViewNames are the views that a Shot can name.
func ViewNames() []string {
	out := make([]string, len(tabs))
	for i, t := range tabs {
		out[i] = t.name
	}
	return out
}

// Shoot runs the console without a terminal until it has settled, presses keys, and returns the frame.
// The fleet must be running.
func Shoot(ctx context.Context, m *Model, s Shot) (string, error) {
	presses, err := parseKeys(s.Keys)
	if err != nil {
		return "", err
	}
	at := -1
	for i, t := range tabs {
		if t.name == s.View {
			at = i
		}
	}
	if at < 0 {
		return "", fmt.Errorf("--view %q is none of %v", s.View, ViewNames())
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	program := tea.NewProgram(m, tea.WithContext(ctx), tea.WithInput(nil), tea.WithOutput(io.Discard), tea.WithoutRenderer(),
		tea.WithoutSignalHandler(), tea.WithWindowSize(s.Width, s.Height))
	var wg sync.WaitGroup
	if m.feed != nil {
		wg.Go(func() { m.feed.Run(ctx) })
	}
	wg.Go(func() {
		pump{fleet: m.o.Fleet, lines: m.logs.lines, runs: m.hands.news, saved: m.o.Backups.Changed(), gates: m.o.Stages.Changed(), scales: m.o.Scaling.Changed(), send: func(w wakeMsg) { program.Send(w) }}.Run(ctx)
	})
	wg.Go(func() {
		defer program.Quit()
		program.Send(tea.WindowSizeMsg{Width: s.Width, Height: s.Height})
		if !m.waitListed(ctx, max(s.Settle, firstAnswer)) {
			return
		}
		program.Send(showMsg{view: tabs[at].view, service: s.Select})
		pause(ctx, s.Settle/2)
		for _, k := range presses {
			program.Send(k)
		}
		pause(ctx, s.Settle/2)
	})
	_, err = program.Run()
	cancel()
	wg.Wait()
	if err != nil && !errors.Is(err, tea.ErrProgramKilled) {
		return "", err
	}
	if s.Select != "" && m.snap.Ready() && m.snap.Service(s.Select) == nil {
		return "", fmt.Errorf("--select %q: there is no such service", s.Select)
	}
	return m.Frame(), nil
}

// showMsg is sent when a Shot chooses what is shown.
type showMsg struct {
	view    view
	service string
}

func (m *Model) applyShow(msg showMsg) {
	m.snap = m.o.Fleet.Snapshot() // the wake-up with it may still be under way
	m.arrange()
	if msg.service != "" {
		m.gotoService(msg.service)
	}
	if msg.view != viewOverview {
		m.open(msg.view)
	}
}

// firstAnswer is how long a swarm that has neither answered nor failed is waited for, however short the settling time.
const firstAnswer = 10 * time.Second

// waitListed waits until the swarm was listed or its source has failed, up to most.
func (m *Model) waitListed(ctx context.Context, most time.Duration) bool {
	deadline := time.Now().Add(most)
	for time.Now().Before(deadline) {
		s := m.o.Fleet.Snapshot()
		if s.Ready() || s.Source(fleet.SwarmName).State != sources.Connecting {
			return true
		}
		if !pause(ctx, 20*time.Millisecond) {
			return false
		}
	}
	return true
}

func pause(ctx context.Context, d time.Duration) bool {
	select {
	case <-ctx.Done():
		return false
	case <-time.After(d):
		return true
	}
}

// SwarmError is why the swarm could not be read; nil where it was.
func (m *Model) SwarmError() error {
	if m.snap.Ready() {
		return nil
	}
	s := m.snap.Source(fleet.SwarmName)
	return fmt.Errorf("swarm %s: %s", s.State, s.Detail)
}

var namedKeys = map[string]rune{"enter": tea.KeyEnter, "esc": tea.KeyEscape, "tab": tea.KeyTab, "backspace": tea.KeyBackspace, "delete": tea.KeyDelete,
	"up": tea.KeyUp, "down": tea.KeyDown, "left": tea.KeyLeft, "right": tea.KeyRight, "pgup": tea.KeyPgUp, "pgdown": tea.KeyPgDown, "home": tea.KeyHome, "end": tea.KeyEnd}

// parseKeys reads keys as the keymap names them: "j", "enter", "ctrl+c", "shift+tab", "space".
func parseKeys(names []string) ([]tea.KeyPressMsg, error) {
	out := make([]tea.KeyPressMsg, 0, len(names))
	for _, name := range names {
		var mod tea.KeyMod
		rest := name
		for {
			if len(rest) > 5 && rest[:5] == "ctrl+" {
				mod |= tea.ModCtrl
				rest = rest[5:]
			} else if len(rest) > 6 && rest[:6] == "shift+" {
				mod |= tea.ModShift
				rest = rest[6:]
			} else {
				break
			}
		}
		runes := []rune(rest)
		switch {
		case rest == "space":
			out = append(out, tea.KeyPressMsg{Code: tea.KeySpace, Text: " "})
		case namedKeys[rest] != 0:
			out = append(out, tea.KeyPressMsg{Code: namedKeys[rest], Mod: mod})
		case len(runes) == 1 && mod == 0:
			out = append(out, tea.KeyPressMsg{Code: runes[0], Text: rest})
		case len(runes) == 1:
			out = append(out, tea.KeyPressMsg{Code: runes[0], Mod: mod})
		default:
			return nil, fmt.Errorf("--keys: %q is no key such as j, enter, tab, ctrl+d", name)
		}
	}
	return out, nil
}
