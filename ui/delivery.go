package ui

import (
	"context"
	"strings"

	tea "charm.land/bubbletea/v2"

	"quarterdeck/delivery"
	"quarterdeck/sources/fleet"
	"quarterdeck/ui/plain"
	"quarterdeck/ui/theme"
)

// deliveryMsg is sent when it is known how far the newest change to a service has come.
type deliveryMsg struct {
	box        *deliveryBox
	generation uint64
	of         delivery.Delivery
}

// deliveryBox shows how far the newest change to a service has come: commit, pipeline, image and its scan, deploy, healthy, with times, and where it is stuck.
type deliveryBox struct {
	service    string
	of         delivery.Delivery
	loaded     bool
	loading    bool
	generation uint64
	cancel     context.CancelFunc
	scroll     scroller
	tall, over int
}

// openDelivery opens it on what is selected, and asks the sources in the background.
func (m *Model) openDelivery() tea.Cmd {
	v := m.snap.Service(m.subject())
	switch {
	case v == nil:
		return m.say("this is about no service that runs here")
	case m.o.Delivery == nil:
		return m.say("deliveries are not followed here")
	}
	b := &deliveryBox{service: v.Name}
	m.overlay = b
	return b.ask(m, v)
}

// ask asks the sources. What is known already stands there meanwhile.
func (b *deliveryBox) ask(m *Model, v *fleet.Service) tea.Cmd {
	b.stop()
	b.generation++
	b.loading = true
	ctx, cancel := context.WithTimeout(context.Background(), 2*m.o.Timeout) // up to five servers, one after the other
	b.cancel = cancel
	generation, follow := b.generation, m.o.Delivery
	return func() tea.Msg {
		defer cancel()
		return deliveryMsg{b, generation, follow(ctx, v)}
	}
}

func (b *deliveryBox) stop() {
	if b.cancel != nil {
		b.cancel()
	}
}

func (b *deliveryBox) apply(msg deliveryMsg) {
	if msg.generation == b.generation {
		b.of, b.loaded, b.loading = msg.of, true, false
	}
}

func (b *deliveryBox) title() string { return "delivery: " + inLine(b.service) }
func (b *deliveryBox) paste(string)  {}

func (b *deliveryBox) size(m *Model) (int, int) {
	w := boxWidth(m)
	return w, len(b.page(m, w).lines) + 1 + len(boxHints(m, w, areaDelivery).lines)
}

func (b *deliveryBox) lines(m *Model, w, h int) []string {
	foot := boxHints(m, w, areaDelivery)
	p := b.page(m, w)
	b.tall = max(h-len(foot.lines)-1, 1)
	b.over = max(len(p.lines)-b.tall, 0)
	b.scroll.at = min(b.scroll.at, b.over)
	between := strings.Repeat(" ", w)
	if b.over > 0 {
		between = m.st.Muted.Render(plain.Fit(b.scroll.note(m, b.over), w))
	}
	return append(append(p.window(b.scroll.at, b.tall), between), foot.lines...)[:h]
}

// stepWidth holds the longest name of a step, and a gap.
const stepWidth = 10

func (b *deliveryBox) page(m *Model, w int) *page {
	p := &page{w: w}
	if !b.loaded {
		p.add(m.st.Muted, "asking the pipelines, the registry and its scans"+m.st.Signs.Ellipsis)
		return p
	}
	d := &b.of
	p.add(m.st.Muted, b.about(m))
	if d.Stack != nil {
		p.add(m.st.Muted, "stack "+d.Stack.Words())
	}
	p.gap()
	for i := range d.Steps {
		s := &d.Steps[i]
		sign, style := deliveryLook(m.st, s.State)
		at := ""
		if !s.At.IsZero() {
			at = m.clock(s.At)
		}
		head := plain.Fit(sign+" "+s.Name, stepWidth+2) + plain.Fit(string(s.State), 8) + " " + plain.Fit(at, 12) + " "
		p.hang(style, head, s.Says)
	}
	p.gap()
	if d.Stuck == "" {
		p.sign(m.st.OK, m.st.Signs.OK, "nothing holds it up")
		return p
	}
	p.sign(m.st.Warn, m.st.Signs.Warning, "it is stuck at: "+d.Stuck)
	p.add(m.st.Accent, "do: "+d.Next)
	return p
}

// about says what is followed, and how long it took the last time.
func (b *deliveryBox) about(m *Model) string {
	d := &b.of
	out := "no repository is named for it"
	if d.Repository != "" {
		out = "repository " + d.Repository
	}
	if d.Lead > 0 {
		out += " · what runs took " + shortly(d.Lead) + " from its pipeline to its deploy"
	}
	if b.loading {
		out += " · asking again" + m.st.Signs.Ellipsis
	}
	return out
}

// deliveryLook is how a step's state is shown.
func deliveryLook(st theme.Styles, s delivery.State) (sign string, style theme.Style) {
	switch s {
	case delivery.Done:
		return st.Signs.OK, st.OK
	case delivery.Running:
		return st.Signs.Updating, st.Updating
	case delivery.Waiting:
		return st.Signs.Warning, st.Warn
	case delivery.Failed:
		return st.Signs.Down, st.Error
	case delivery.NA:
		return st.Signs.Idle, st.Muted
	}
	return st.Signs.Unknown, st.Unknown
}

// text is what is copied: as the command prints it.
func (b *deliveryBox) text() string {
	var out strings.Builder
	for i := range b.of.Steps {
		s := &b.of.Steps[i]
		at := "-"
		if !s.At.IsZero() {
			at = s.At.UTC().Format("2006-01-02 15:04:05Z")
		}
		out.WriteString(s.Name + " " + string(s.State) + " " + at + " " + plain.Line(s.Says) + "\n")
	}
	if b.of.Stack != nil {
		out.WriteString("stack " + plain.Line(b.of.Stack.Words()) + "\n")
	}
	if b.of.Stuck != "" {
		out.WriteString("stuck " + b.of.Stuck + ": " + plain.Line(b.of.Next) + "\n")
	}
	return out.String()
}

func (b *deliveryBox) key(m *Model, k tea.KeyPressMsg) (tea.Cmd, bool) {
	switch a := lookup(k, areaDelivery, areaList); a {
	case actBack, actQuit, actDelivery:
		b.stop()
		return nil, true
	case actLeave:
		return m.quit(), false
	case actRefresh:
		v := m.snap.Service(b.service)
		if v == nil {
			return m.say(inLine(b.service) + " does not run here any more"), false
		}
		return b.ask(m, v), false
	case actCopy:
		if !b.loaded {
			return m.say("there is nothing yet to be copied"), false
		}
		return tea.Batch(tea.SetClipboard(b.text()), m.say("copied "+inLine(b.service)+"'s delivery")), false
	case actRedeploy:
		b.stop()
		return m.askRedeploy([]string{b.service}), false
	default:
		b.scroll.handle(a, b.over, b.tall)
	}
	return nil, false
}
