package ui

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"charm.land/bubbles/v2/textinput"
	tea "charm.land/bubbletea/v2"

	"quarterdeck/actions"
	"quarterdeck/sources"
)

// scaleSettle is how long a number stands still before its plan is made.
const scaleSettle = 150 * time.Millisecond

// about names the services that something is done to: the one, or how many.
func about(services []string) string {
	if len(services) == 1 {
		return inLine(services[0])
	}
	return count(len(services), "service")
}

// scaleTargets are the services with the number asked for: "4", or "+2" and "-1" from what each has now.
func scaleTargets(services []string, text string) ([]actions.ScaleTarget, error) {
	n, err := strconv.Atoi(text)
	if err != nil || n > actions.MaxReplicas || n < -actions.MaxReplicas {
		return nil, fmt.Errorf("%q is no number of replicas: 4, +2 or -1", text)
	}
	relative := strings.HasPrefix(text, "+") || strings.HasPrefix(text, "-")
	if relative && n == 0 {
		return nil, fmt.Errorf("%q changes nothing", text)
	}
	out := make([]actions.ScaleTarget, len(services))
	for i, s := range services {
		out[i] = actions.ScaleTarget{Service: s}
		if relative {
			out[i].By = n
		} else {
			out[i].Replicas = uint64(n)
		}
	}
	return out, nil
}

// scaleBy plans some more or fewer replicas; + and - pressed again before the yes count on.
func (m *Model) scaleBy(services []string, by int) tea.Cmd {
	targets, err := scaleTargets(services, fmt.Sprintf("%+d", by))
	if err != nil { // back to what there is
		m.overlay = under(m.overlay)
		return nil
	}
	return m.request(asking{
		what: fmt.Sprintf("scale %s by %+d", about(services), by),
		plan: func(ctx context.Context, d *actions.Deck) (*actions.Plan, error) { return d.PlanScale(ctx, targets) },
		step: func(m *Model, more int) tea.Cmd { return m.scaleBy(services, by+more) },
	})
}

// scaleBox asks for a number of replicas, and shows below what it would mean.
type scaleBox struct {
	services []string
	input    textinput.Model
	complain string
	offered  bool // the number is what the service had before, and nobody has typed yet

	generation uint64 // of what is typed
	planned    uint64 // the generation that plan and err are of
	plan       *actions.Plan
	err        error
}

func (m *Model) askScale(services []string) tea.Cmd {
	if cmd, no := m.noDeck(); no {
		return cmd
	}
	b := &scaleBox{services: services, input: newInput(m.st, "replicas: ")}
	b.input.CharLimit = 6
	m.overlay = b
	if v := m.snap.Service(services[0]); len(services) == 1 && v != nil && v.Desired == 0 && v.DesiredBefore > 0 { // back to what it had
		b.offered = true
		b.input.SetValue(strconv.Itoa(v.DesiredBefore))
		b.input.CursorEnd()
		b.generation++
		return b.settled(m, b.generation)
	}
	return nil
}

func (b *scaleBox) title() string { return "scale " + about(b.services) }

func (b *scaleBox) paste(text string) {
	b.complain = "type the number"
	_ = text
}

func (b *scaleBox) size(m *Model) (int, int) { return boxWidth(m), 12 }

// present tells what the services have now.
func (b *scaleBox) present(m *Model) string {
	if len(b.services) == 1 {
		v := m.snap.Service(b.services[0])
		switch {
		case v == nil:
			return "this service is gone"
		case v.Mode != sources.Replicated:
			return "a " + string(v.Mode) + " service"
		}
		text := fmt.Sprintf("now %d, of which %d run", v.Desired, v.Running)
		if v.DesiredBefore > 0 && v.DesiredBefore != v.Desired {
			text += fmt.Sprintf("; was %d before the last change", v.DesiredBefore)
		}
		return text
	}
	counts := map[int]int{}
	for _, name := range b.services {
		if v := m.snap.Service(name); v != nil {
			counts[v.Desired]++
		}
	}
	var numbers []int
	for n := range counts {
		numbers = append(numbers, n)
	}
	slices.Sort(numbers)
	var parts []string
	for _, n := range numbers {
		parts = append(parts, fmt.Sprintf("%d × %d", counts[n], n))
	}
	return "now " + strings.Join(parts, ", ")
}

func (b *scaleBox) lines(m *Model, w, h int) []string {
	p := &page{w: w}
	p.add(m.st.Muted, b.present(m))
	b.input.SetWidth(8)
	p.drawn(b.input.View())
	p.gap()
	switch {
	case b.complain != "":
		p.sign(m.st.Warn, m.st.Signs.Warning, b.complain)
	case b.input.Value() == "":
		p.add(m.st.Muted, "a number, or +2 and -1 from what it has now")
	case b.planned != b.generation || b.plan == nil && b.err == nil:
		p.add(m.st.Muted, "planning"+m.st.Signs.Ellipsis)
	case b.err != nil:
		text, _ := errorWords(b.err)
		p.sign(m.st.Error, m.st.Signs.Down, text)
	default:
		p.lines = append(p.lines, planPage(m, b.plan, "", w).lines...)
	}
	foot := &page{w: w}
	foot.hints(m, "enter", "to the question", "esc", "back")
	return append(p.exactly(max(h-len(foot.lines), 1)), foot.lines...)[:h]
}

func (b *scaleBox) key(m *Model, k tea.KeyPressMsg) (tea.Cmd, bool) {
	switch k.String() {
	case "esc", "ctrl+c":
		return nil, true
	case "enter":
		return b.ask(m), false
	}
	if k.Text != "" && !strings.Contains("0123456789+-", k.Text) {
		return nil, false
	}
	before := b.input.Value()
	if b.offered && k.Text != "" { // what is typed stands in its place
		b.input.SetValue("")
	}
	b.offered = false
	b.input, _ = b.input.Update(k)
	if b.input.Value() == before {
		return nil, false
	}
	b.generation++
	b.complain, b.plan, b.err = "", nil, nil
	generation := b.generation
	return tea.Tick(scaleSettle, func(time.Time) tea.Msg { return scaleSettleMsg{b, generation} }), false
}

// settled makes the plan of a number that has stood still.
func (b *scaleBox) settled(m *Model, generation uint64) tea.Cmd {
	if m.overlay != overlay(b) || generation != b.generation || b.input.Value() == "" {
		return nil
	}
	targets, err := scaleTargets(b.services, b.input.Value())
	if err != nil {
		b.complain = err.Error()
		return nil
	}
	deck := m.o.Deck
	ctx, cancel := m.queryContext()
	return func() tea.Msg {
		defer cancel()
		p, err := deck.PlanScale(ctx, targets)
		return scalePlanMsg{b, generation, p, err}
	}
}

func (b *scaleBox) apply(msg scalePlanMsg) {
	if msg.generation == b.generation {
		b.planned, b.plan, b.err = msg.generation, msg.plan, msg.err
	}
}

// ask goes to the question: with the plan that is on the screen, or with one made for it.
func (b *scaleBox) ask(m *Model) tea.Cmd {
	targets, err := scaleTargets(b.services, b.input.Value())
	if err != nil {
		b.complain = err.Error()
		return nil
	}
	a := asking{what: "scale " + about(b.services) + " to " + b.input.Value(),
		plan: func(ctx context.Context, d *actions.Deck) (*actions.Plan, error) { return d.PlanScale(ctx, targets) }}
	if b.plan != nil && b.planned == b.generation {
		m.overlay = newPlanBox(m, a, b.plan, b)
		return nil
	}
	return m.request(a)
}
