package ui

import (
	"fmt"
	"math/rand/v2"
	"os"
	"strings"
	"testing"
	"time"

	tea "charm.land/bubbletea/v2"
	"github.com/charmbracelet/x/ansi"
	"github.com/charmbracelet/x/exp/golden"

	"quarterdeck/sources"
	"quarterdeck/sources/fleet"
	"quarterdeck/ui/theme"
)

// checkFrame fails where a frame is not exactly w by h cells, or carries anything but styles.
func checkFrame(t *testing.T, m *Model) {
	t.Helper()
	lines := strings.Split(m.Frame(), "\n")
	if len(lines) != m.h {
		t.Fatalf("view %d at %dx%d: %d lines", m.view, m.w, m.h, len(lines))
	}
	for i, l := range lines {
		if got := ansi.StringWidth(l); got != m.w {
			t.Fatalf("view %d at %dx%d: line %d is %d cells wide: %q", m.view, m.w, m.h, i, got, ansi.Strip(l))
		}
		plain := ansi.Strip(l)
		if strings.ContainsFunc(plain, func(r rune) bool { return r < 0x20 || (r >= 0x7f && r < 0xa0) }) {
			t.Fatalf("view %d at %dx%d: line %d has a control character: %q", m.view, m.w, m.h, i, plain)
		}
	}
}

var sizes = [][2]int{{160, 48}, {120, 40}, {80, 24}}

// TestGoldenFrames holds each view at each size in the dark theme, and the overview in all themes.
func TestGoldenFrames(t *testing.T) {
	views := map[string][]string{"overview": nil, "services": {"2"}, "tasks": {"enter"}, "logs": {"l"}, "metrics": {"4"}, "alerts": {"5"}, "timeline": {"6"}, "nodes": {"9"},
		"help": {"?"}, "palette": {":"}, "filter": {"/", "s", "h", "o", "p"}}
	for _, size := range sizes {
		for name, keys := range views {
			t.Run(fmt.Sprintf("%s-%dx%d", name, size[0], size[1]), func(t *testing.T) {
				m, _ := console(t, size[0], size[1], nil)
				press(t, m, keys...)
				m.answer()
				checkFrame(t, m)
				golden.RequireEqual(t, m.Frame()+"\n")
			})
		}
		for _, name := range theme.Names() {
			t.Run(fmt.Sprintf("theme-%s-%dx%d", name, size[0], size[1]), func(t *testing.T) {
				m, _ := console(t, size[0], size[1], func(o *Options) { o.Theme = name })
				checkFrame(t, m)
				golden.RequireEqual(t, m.Frame()+"\n")
			})
		}
	}
}

// TestAnyKeysAnySize: whatever is pressed, whatever the size, a frame is exactly as large as the
// terminal and nothing panics.
func TestAnyKeysAnySize(t *testing.T) {
	keys := []string{}
	for _, b := range keymap {
		for _, k := range b.key.Keys() {
			if k != "ctrl+z" && k != "ctrl+c" && k != "ctrl+o" {
				keys = append(keys, k)
			}
		}
	}
	keys = append(keys, "a", "Z", "backspace", "日", "7", "8")
	rng := rand.New(rand.NewPCG(1, 2))
	for round := range 20 {
		m, _ := console(t, 100, 30, nil)
		var log []string
		for range 60 {
			k := keys[rng.IntN(len(keys))]
			log = append(log, k)
			press(t, m, k)
			if rng.IntN(4) == 0 {
				m.Update(tea.WindowSizeMsg{Width: 1 + rng.IntN(200), Height: 1 + rng.IntN(60)})
			}
			if rng.IntN(6) == 0 {
				m.answer()
			}
			if rng.IntN(5) == 0 {
				m.Update(tea.MouseClickMsg{X: rng.IntN(m.w), Y: rng.IntN(m.h), Button: tea.MouseLeft})
				m.Update(tea.MouseWheelMsg{X: rng.IntN(m.w), Y: rng.IntN(m.h), Button: tea.MouseWheelDown})
			}
			checkFrame(t, m)
			if t.Failed() {
				t.Fatalf("round %d after %v", round, log)
			}
		}
	}
}

// TestUpdateDoesNoIO presses every key of every view, without running the commands: no source may be asked.
func TestUpdateDoesNoIO(t *testing.T) {
	m, s := console(t, 160, 48, nil)
	before := s.calls.Load()
	for _, view := range []string{"1", "2", "3", "4", "5", "6", "7", "8", "9"} {
		press(t, m, view)
		for _, b := range keymap {
			for _, k := range b.key.Keys() {
				if k != "ctrl+z" && k != "ctrl+c" && k != "q" {
					press(t, m, k)
				}
			}
			m.Frame()
		}
		press(t, m, "esc", "esc", "esc")
	}
	if got := s.calls.Load(); got != before {
		t.Fatalf("Update or View asked a source %d times", got-before)
	}
	// The stub counts at all: the command that was returned does ask.
	press(t, m, "esc", "esc", "1")
	m.answer()
	if s.calls.Load() == before {
		t.Fatal("the command asked nothing: the stub proves nothing")
	}
}

func TestFilterNarrowsAndEscTakesItBack(t *testing.T) {
	m, _ := console(t, 120, 40, nil)
	all := len(m.services.ids)
	press(t, m, "/", "p", "a", "y", "enter")
	if got := m.services.ids; len(got) != 1 || got[0] != "shop_payments" {
		t.Fatalf("filter pay shows %v", got)
	}
	press(t, m, "esc")
	if len(m.services.ids) != all {
		t.Fatalf("after esc %d of %d rows", len(m.services.ids), all)
	}
	press(t, m, "/", "x", "y", "z")
	if len(m.services.ids) != 0 || !strings.Contains(ansi.Strip(m.Frame()), "none of 7 services matches") {
		t.Fatalf("an empty result must say why:\n%s", ansi.Strip(m.Frame()))
	}
	press(t, m, "esc")
	if len(m.services.ids) != all {
		t.Fatal("esc in the prompt must take the filter back")
	}
}

func TestCursorStaysOnItsService(t *testing.T) {
	m, _ := console(t, 120, 40, nil)
	m.gotoService("shop_web")
	w := world()
	w.Services = append(w.Services, sources.Service{ID: "new", Name: "aaa_first", Mode: sources.Replicated, Desired: 1, Generation: "x", Updated: noon.Add(-time.Hour)})
	m.o.Fleet.Fold(sources.Change{At: noon, World: w})
	m.Update(wakeMsg{snap: m.o.Fleet.Snapshot()})
	if got := m.services.selected(); got != "shop_web" {
		t.Fatalf("the cursor went to %s", got)
	}
}

func TestStaleAnswersAreDropped(t *testing.T) {
	m, _ := console(t, 160, 48, nil)
	m.gotoService("shop_web")
	m.arrange()
	old := m.metrics.request(m, "shop_web")
	press(t, m, "G") // another service: another generation
	if m.services.selected() == "shop_web" {
		t.Fatal("the cursor did not move")
	}
	m.Update(old())
	if m.metrics.service == "shop_web" {
		t.Fatal("an answer to an older question was taken in")
	}
}

func TestPalettefindsServiceAndCommand(t *testing.T) {
	m, _ := console(t, 120, 40, nil)
	press(t, m, ":", "s", "t", "o", "r", "e", "enter")
	if m.overlay != nil || m.services.selected() != "shop_store" {
		t.Fatalf("the palette went to %q", m.services.selected())
	}
	press(t, m, ":", "t", "i", "m", "e", "l", "enter")
	if m.view != viewTimeline {
		t.Fatalf("the palette opened view %d", m.view)
	}
}

func TestClickOnTabOpensItsView(t *testing.T) {
	for _, w := range []int{80, 120, 160} {
		for _, tab := range tabs {
			m, _ := console(t, w, 40, nil)
			line := strings.Split(ansi.Strip(m.Frame()), "\n")[1]
			x := strings.Index(line, tab.key)
			m.Update(tea.MouseClickMsg{X: x, Y: 1, Button: tea.MouseLeft})
			if m.view != tab.view {
				t.Errorf("a click on %s at %d of %q opened view %d", tab.name, x, line, m.view)
			}
		}
	}
}

func TestNodeTellsItsTasks(t *testing.T) {
	m, _ := console(t, 120, 40, nil)
	press(t, m, "9", "j")
	frame := ansi.Strip(m.Frame())
	n := m.snap.Node(m.nodes.selected())
	if n == nil || !strings.Contains(frame, "tasks on "+n.Name) {
		t.Fatalf("no tasks of the node under the cursor:\n%s", frame)
	}
	_, below, _ := strings.Cut(frame, "tasks on "+n.Name)
	for _, p := range m.placedOn(n.ID) {
		if p.task.NodeID != n.ID || !strings.Contains(below, p.service.Name) {
			t.Errorf("%s is not among the node's tasks:\n%s", p.service.Name, frame)
		}
	}
	if len(m.placedOn(n.ID)) == 0 {
		t.Error("the fixture has no task there: nothing is shown by this test")
	}
}

func TestMarksMakeMergedLogs(t *testing.T) {
	m, _ := console(t, 160, 48, nil)
	press(t, m, "space", "space", "l")
	if m.view != viewLogs || len(m.logServices()) != 2 {
		t.Fatalf("view %d, services %v", m.view, m.logServices())
	}
	if got := m.logs.query.Services; len(got) != 2 {
		t.Fatalf("what is followed: %v", got)
	}
	press(t, m, "esc")
	if m.view != viewOverview || m.scope != nil {
		t.Fatal("esc does not come back")
	}
}

func TestPastedMegabyteIsBounded(t *testing.T) {
	m, _ := console(t, 80, 24, nil)
	big := strings.Repeat("\x1b]0;x\x07payload\n", 1<<16)
	m.Update(tea.PasteMsg{Content: big}) // nowhere: said, not taken
	press(t, m, "/")
	m.Update(tea.PasteMsg{Content: big})
	checkFrame(t, m)
	if len(m.services.filter) > pasteMost {
		t.Fatalf("a filter of %d bytes", len(m.services.filter))
	}
	press(t, m, "esc", "3", "/")
	m.Update(tea.PasteMsg{Content: big})
	checkFrame(t, m)
}

func TestHostileNamesAreHarmless(t *testing.T) {
	m, _ := console(t, 160, 48, nil)
	w := world()
	w.Services[0].Name = "evil\x1b[2J\x1b]52;c;AAAA\x07\u202e\u200b日本"
	w.Services[0].Image = "img\r\n\x9b31m" + strings.Repeat("x", 1<<20)
	w.Services[1].UpdateState, w.Services[1].UpdateMessage = "paused", "\x1b[31mred\x1b[0m\x00\xff"
	w.Nodes[0].Name = "\x1bPq#0\x1b\\node"
	m.o.Fleet.Fold(sources.Change{At: noon, World: w})
	m.o.Fleet.SetAlerts([]sources.Alert{{Name: "\x1b[5m", State: sources.Firing, Summary: "a\nb\x07", Since: noon, Labels: map[string]string{"x\x1b": "y\x9d"}}})
	m.Update(wakeMsg{snap: m.o.Fleet.Snapshot()})
	for _, k := range []string{"1", "2", "enter", "3", "5", "6", "9", ":"} {
		press(t, m, k)
		checkFrame(t, m)
		if s := m.Frame(); strings.Contains(s, "\x1b]") || strings.Contains(s, "\x1b[2J") || strings.Contains(s, "\x1b[5m") || strings.ContainsAny(s, "\x07\u202e") {
			t.Fatalf("view after %s lets a sequence through", k)
		}
	}
}

func TestLostSourceIsSaid(t *testing.T) {
	m, _ := console(t, 160, 48, nil)
	m.o.Fleet.SetStatus(sources.Status{Name: fleet.SwarmName, State: sources.Reconnecting, Since: noon, Detail: "connection refused"})
	m.Update(wakeMsg{snap: m.o.Fleet.Snapshot()})
	if s := ansi.Strip(m.Frame()); !strings.Contains(s, "RECONNECTING") || !strings.Contains(s, "shop_web") {
		t.Fatalf("the header must say it, and what was known must stay:\n%s", s)
	}
}

func TestTooSmallSaysSo(t *testing.T) {
	m, _ := console(t, 20, 5, nil)
	checkFrame(t, m)
	if !strings.Contains(strings.Join(strings.Fields(ansi.Strip(m.Frame())), " "), "quarterdeck needs") {
		t.Fatalf("%q", m.Frame())
	}
	m.Update(tea.WindowSizeMsg{Width: 120, Height: 40})
	checkFrame(t, m)
}

func TestEveryKeyIsNamedOnce(t *testing.T) {
	type at struct {
		a   area
		key string
	}
	seen := map[at]act{}
	for _, b := range keymap {
		for _, k := range b.key.Keys() {
			if old, ok := seen[at{b.area, k}]; ok {
				t.Errorf("%s in %s means both %d and %d", k, areaTitles[b.area], old, b.act)
			}
			seen[at{b.area, k}] = b.act
			if _, err := parseKeys([]string{k}); err != nil {
				t.Errorf("%s cannot be pressed: %v", k, err)
			}
		}
	}
}

// TestKeysPage keeps the manual's page of keys in line with the keymap.
func TestKeysPage(t *testing.T) {
	const page = "../docs/keys.md"
	if os.Getenv("UPDATE_DOCS") != "" {
		if err := os.WriteFile(page, []byte(KeysMarkdown()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	if string(got) != KeysMarkdown() {
		t.Fatal("docs/keys.md is not what the keymap says: UPDATE_DOCS=1 go test ./ui -run KeysPage")
	}
}
