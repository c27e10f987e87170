package ui

import (
	"context"
	"errors"
	"strings"

	"charm.land/bubbles/v2/textinput"
	tea "charm.land/bubbletea/v2"
	"github.com/sahilm/fuzzy"

	"quarterdeck/actions"
	"quarterdeck/sources"
	"quarterdeck/ui/plain"
)

// way is one way to redeploy.
type way struct {
	key, name string
	take      func(m *Model) tea.Cmd
}

// redeployBox asks how to redeploy.
type redeployBox struct {
	services []string
	ways     []way
	at       int
}

func (m *Model) askRedeploy(services []string) tea.Cmd {
	if cmd, no := m.noDeck(); no {
		return cmd
	}
	b := &redeployBox{services: services}
	b.ways = []way{
		{"s", "the same image again, its digest resolved anew", func(m *Model) tea.Cmd { return m.redeploy(services, "") }},
		{"i", "another image: type a reference or :tag", func(m *Model) tea.Cmd { m.overlay = newImageBox(m, services); return nil }},
	}
	if len(services) == 1 {
		b.ways = append(b.ways, way{"t", "pick a tag from the registry's list", func(m *Model) tea.Cmd { return m.pickTag(services[0]) }})
		if hook := m.hookOf(services[0]); hook != nil {
			b.ways = append(b.ways, way{"w", "through the webhook " + hook.Name(), func(m *Model) tea.Cmd {
				return m.requestPlan("redeploy "+about(services)+" through "+inLine(hook.Name()), func(ctx context.Context, d *actions.Deck) (*actions.Plan, error) {
					return d.PlanRedeployHook(ctx, services[0], "")
				})
			}})
		}
	}
	m.overlay = b
	return nil
}

// hookOf is the webhook of a service or of its stack; nil: none is configured.
func (m *Model) hookOf(service string) sources.Hook {
	if h := m.o.Deck.Hooks[service]; h != nil {
		return h
	}
	if v := m.snap.Service(service); v != nil {
		return m.o.Deck.Hooks[v.Stack]
	}
	return nil
}

func (m *Model) redeploy(services []string, image string) tea.Cmd {
	targets := make([]actions.RedeployTarget, len(services))
	for i, s := range services {
		targets[i] = actions.RedeployTarget{Service: s, Image: image}
	}
	what := "redeploy " + about(services)
	if image != "" {
		what += " with " + inLine(image)
	}
	return m.requestPlan(what, func(ctx context.Context, d *actions.Deck) (*actions.Plan, error) { return d.PlanRedeploy(ctx, targets) })
}

func (b *redeployBox) title() string { return "redeploy " + about(b.services) }
func (b *redeployBox) paste(string)  {}

func (b *redeployBox) page(m *Model, w int) *page {
	p := &page{w: w}
	if len(b.services) == 1 {
		if v := m.snap.Service(b.services[0]); v != nil {
			p.add(m.st.Muted, "runs "+v.Image)
		}
	}
	for i, x := range b.ways {
		text := plain.Fit(" "+x.key+"  "+inLine(x.name), w)
		if i == b.at {
			p.drawn(m.st.Selection.Render(text))
		} else {
			p.drawn(m.st.Text.Render(text))
		}
	}
	p.gap()
	p.hints(m, "enter", "takes", "esc", "back")
	return p
}

func (b *redeployBox) size(m *Model) (int, int) {
	w := min(boxWidth(m), 72)
	return w, len(b.page(m, w).lines)
}

func (b *redeployBox) lines(m *Model, w, h int) []string { return b.page(m, w).exactly(h) }

func (b *redeployBox) key(m *Model, k tea.KeyPressMsg) (tea.Cmd, bool) {
	switch s := k.String(); s {
	case "esc", "q", "ctrl+c":
		return nil, true
	case "up", "k":
		b.at = max(b.at-1, 0)
	case "down", "j":
		b.at = min(b.at+1, len(b.ways)-1)
	case "enter":
		return b.ways[b.at].take(m), false
	default:
		for _, x := range b.ways {
			if x.key == s {
				return x.take(m), false
			}
		}
	}
	return nil, false
}

// imageBox asks for another image.
type imageBox struct {
	services []string
	input    textinput.Model
	under    overlay
}

func newImageBox(m *Model, services []string) *imageBox {
	return &imageBox{services: services, input: newInput(m.st, "image: "), under: m.overlay}
}

func (b *imageBox) title() string            { return "redeploy " + about(b.services) }
func (b *imageBox) paste(text string)        { pasteInto(&b.input, text) }
func (b *imageBox) size(m *Model) (w, h int) { return boxWidth(m), 4 }

func (b *imageBox) lines(m *Model, w, h int) []string {
	p := &page{w: w}
	now := "each keeps its name where only :tag is typed"
	if v := m.snap.Service(b.services[0]); v != nil && len(b.services) == 1 {
		now = "now " + v.Image
	}
	p.add(m.st.Muted, now)
	b.input.SetWidth(max(w-10, 8))
	p.drawn(b.input.View())
	p.gap()
	p.hints(m, "enter", "plans it", "esc", "back")
	return p.exactly(h)
}

func (b *imageBox) key(m *Model, k tea.KeyPressMsg) (tea.Cmd, bool) {
	switch k.String() {
	case "esc", "ctrl+c":
		m.overlay = b.under
	case "enter":
		if image := strings.TrimSpace(b.input.Value()); image != "" {
			return m.redeploy(b.services, image), false
		}
	default:
		b.input, _ = b.input.Update(k)
	}
	return nil, false
}

// tagsBox finds a tag among those that the registry has.
type tagsBox struct {
	service string
	input   textinput.Model
	under   overlay
	image   string
	tags    []string
	found   []string
	list    list
	err     error
	here    bool // the answer
}

func (m *Model) pickTag(service string) tea.Cmd {
	b := &tagsBox{service: service, input: newInput(m.st, "tag: "), under: m.overlay}
	m.overlay = b
	deck := m.o.Deck
	ctx, cancel := m.queryContext()
	return func() tea.Msg {
		defer cancel()
		image, tags, err := deck.Tags(ctx, service)
		return tagsMsg{b, image, tags, err}
	}
}

func (b *tagsBox) apply(msg tagsMsg) {
	b.here, b.image, b.tags, b.err = true, msg.image, msg.tags, msg.err
	b.find()
}

func (b *tagsBox) find() {
	b.found = b.tags
	if v := b.input.Value(); v != "" {
		b.found = nil
		for _, hit := range fuzzy.Find(v, b.tags) {
			b.found = append(b.found, hit.Str)
		}
	}
	b.list.setRows(b.found)
	b.list.moveTo(0)
}

func (b *tagsBox) title() string            { return "a tag for " + inLine(b.service) }
func (b *tagsBox) paste(text string)        { pasteInto(&b.input, text); b.find() }
func (b *tagsBox) size(m *Model) (w, h int) { return min(boxWidth(m), 72), 16 }

func (b *tagsBox) lines(m *Model, w, h int) []string {
	p := &page{w: w}
	b.input.SetWidth(w - 8)
	p.drawn(b.input.View())
	foot := &page{w: w}
	foot.hints(m, "enter", "plans it", "esc", "back")
	room := max(h-1-len(foot.lines), 1)
	b.list.setHeight(room)
	now := tagOf(b.image)
	switch {
	case !b.here:
		p.add(m.st.Muted, "asking the registry"+m.st.Signs.Ellipsis)
	case b.err != nil:
		text, next := errorWords(b.err)
		var src *sources.Error
		if next == "" && errors.As(b.err, &src) {
			next = src.Next
		}
		p.sign(m.st.Error, m.st.Signs.Down, text)
		p.add(m.st.Text, orText(next, "esc goes back, where an image can be typed"))
	case len(b.tags) == 0:
		p.add(m.st.Muted, "the registry has no tag of "+b.image)
	case len(b.found) == 0:
		p.add(m.st.Muted, "no tag matches")
	}
	for i := b.list.offset; i < len(b.found) && i < b.list.offset+room; i++ {
		text := "  " + inLine(b.found[i])
		if b.found[i] == now {
			text = m.st.Signs.Mark + " " + inLine(b.found[i]) + "  (now)"
		}
		style := m.st.Text
		if i == b.list.index {
			style = m.st.Selection
		}
		p.drawn(style.Render(plain.Fit(text, w)))
	}
	return append(p.exactly(max(h-len(foot.lines), 1)), foot.lines...)[:h]
}

// tagOf is a reference's tag.
func tagOf(image string) string {
	image, _, _ = strings.Cut(image, "@")
	if colon := strings.LastIndexByte(image, ':'); colon > strings.LastIndexByte(image, '/') {
		return image[colon+1:]
	}
	return "latest"
}

func (b *tagsBox) key(m *Model, k tea.KeyPressMsg) (tea.Cmd, bool) {
	switch k.String() {
	case "esc", "ctrl+c":
		m.overlay = b.under
	case "enter":
		if !b.here {
			return m.say("the registry is still being asked for its tags"), false
		}
		if tag := b.list.selected(); tag != "" {
			return m.redeploy([]string{b.service}, ":"+tag), false
		}
	case "up", "ctrl+k", "ctrl+p":
		b.list.handle(actUp)
	case "down", "ctrl+j", "ctrl+n":
		b.list.handle(actDown)
	case "pgup":
		b.list.handle(actPageUp)
	case "pgdown":
		b.list.handle(actPageDown)
	default:
		before := b.input.Value()
		b.input, _ = b.input.Update(k)
		if b.input.Value() != before {
			b.find()
		}
	}
	return nil, false
}
