package ui

import (
	"fmt"
	"slices"
	"strings"

	tea "charm.land/bubbletea/v2"

	"quarterdeck/actions"
	"quarterdeck/sources"
	"quarterdeck/ui/plain"
)

// planBox shows a plan and asks for what it takes to run it.
type planBox struct {
	asking
	plan    *actions.Plan
	under   overlay
	confirm confirm
	scroll  scroller
	// started: the yes was given, and the run is about to begin.
	started bool
	dry     bool
}

func newPlanBox(m *Model, a asking, p *actions.Plan, under overlay) *planBox {
	return &planBox{asking: a, plan: p, under: under, confirm: newConfirm(m, p, orText(a.reason, p.Reason)), dry: m.readOnly()}
}

// closed tells whether there is nothing to be asked.
func (b *planBox) closed() bool { return b.plan.Refused != "" || b.plan.Nothing != "" || b.dry }

func (b *planBox) title() string {
	if len(b.plan.Changes) == 0 && b.what != "" {
		return "plan: " + inLine(b.what)
	}
	return "plan: " + inLine(b.plan.Title())
}

func (b *planBox) paste(text string) {
	if !b.closed() && !b.started {
		b.confirm.paste(text)
	}
}

func (b *planBox) size(m *Model) (int, int) {
	w := boxWidth(m)
	return w, len(planPage(m, b.plan, b.note, w).lines) + 1 + len(b.foot(m, w).lines)
}

func (b *planBox) lines(m *Model, w, h int) []string {
	body, foot := planPage(m, b.plan, b.note, w), b.foot(m, w)
	room := max(h-len(foot.lines)-1, 1)
	over := max(len(body.lines)-room, 0)
	out := body.window(min(b.scroll.at, over), room)
	between := strings.Repeat(" ", w)
	if over > 0 {
		between = m.st.Muted.Render(plain.Fit(b.scroll.note(m, over), w))
	}
	return append(append(out, between), foot.lines...)[:h]
}

// foot is what is asked.
func (b *planBox) foot(m *Model, w int) *page {
	p := &page{w: w}
	switch {
	case b.started:
		p.add(m.st.Updating, m.st.Signs.Updating+" it begins"+m.st.Signs.Ellipsis)
	case b.plan.Refused != "" || b.plan.Nothing != "":
		p.hints(m, "enter esc", "close")
	case b.dry:
		p.sign(m.st.Warn, m.st.Signs.Warning, "read-only: this can only be looked at")
		p.hints(m, "enter esc", "close")
	default:
		return b.confirm.page(m, w)
	}
	return p
}

func (b *planBox) key(m *Model, k tea.KeyPressMsg) (tea.Cmd, bool) {
	if b.started {
		return nil, false
	}
	if b.scrolled(m, k) {
		return nil, false
	}
	if !b.confirm.typing() || b.closed() {
		if b.step != nil && (k.String() == "+" || k.String() == "=") {
			return b.step(m, 1), false
		}
		if b.step != nil && k.String() == "-" {
			return b.step(m, -1), false
		}
	}
	if b.closed() {
		switch k.String() {
		case "esc", "enter", "n", "q", "ctrl+c":
			m.overlay = b.under
		}
		return nil, false
	}
	switch b.confirm.key(m, k) {
	case answerNo:
		m.overlay = b.under
	case answerYes:
		b.started = true
		return m.start(b), false
	}
	return nil, false
}

// scrolled scrolls where a key says so. While something is typed letters and the keys of its line are not for that.
func (b *planBox) scrolled(m *Model, k tea.KeyPressMsg) bool {
	if s := k.String(); !b.closed() && b.confirm.typing() && s != "up" && s != "down" && s != "pgup" && s != "pgdown" {
		return false
	}
	w, h := b.size(m)
	shown := max(min(h, m.h-4)-len(b.foot(m, w).lines)-1, 1)
	return b.scroll.handle(lookup(k, areaList), len(planPage(m, b.plan, b.note, w).lines)-shown, shown)
}

// fewChanges is up to how many services the diff comes before the warnings: both are in sight then.
const fewChanges = 4

// planPage is a plan, drawn: what would change, what is risky, and the steps.
func planPage(m *Model, plan *actions.Plan, note string, w int) *page {
	p := &page{w: w}
	st := m.st
	if note != "" {
		p.sign(st.Warn, st.Signs.Warning, note)
		p.gap()
	}
	switch {
	case plan.Refused != "":
		p.sign(st.Error, st.Signs.Down, "refused: "+plan.Refused)
	case plan.Nothing != "":
		p.sign(st.Muted, st.Signs.Idle, "nothing to do: "+plan.Nothing)
	}
	if plan.Of != "" {
		p.add(st.Muted, "takes back run "+plan.Of)
	}
	if plan.Silence != nil {
		p.silence(m, plan.Silence)
	}
	if plan.Scaling != nil {
		p.scaling(m, plan.Scaling)
		if len(plan.Warnings) > 0 {
			p.gap()
		}
	}
	if plan.Node != nil {
		p.node(m, plan.Node)
	}
	if text := plan.SavesText(); text != "" {
		p.add(st.Text, text)
	}
	if len(plan.Changes) > fewChanges {
		p.warnings(m, plan)
		p.diff(m, plan)
	} else {
		p.diff(m, plan)
		p.warnings(m, plan)
	}
	if plan.Refused == "" && plan.Nothing == "" {
		p.steps(m, plan)
	}
	return p
}

func (p *page) warnings(m *Model, plan *actions.Plan) {
	for _, w := range gather(plan) {
		p.sign(m.st.Warn, m.st.Signs.Warning, "warning: "+w)
	}
	if plan.Why != "" && plan.Refused == "" {
		p.sign(m.st.Warn, m.st.Signs.Critical, "guarded: "+plan.Why)
	}
}

// gather are a plan's warnings, those that say the same of several services as one: hundreds in a row are not read.
func gather(plan *actions.Plan) []string {
	type same struct {
		text     string
		services []string
	}
	var all []*same
	by := map[string]*same{}
	for _, w := range plan.Warnings {
		service, text, ok := strings.Cut(w, ": ")
		if !ok || !slices.ContainsFunc(plan.Changes, func(c actions.Change) bool { return c.Service == service }) {
			all = append(all, &same{text: w})
			continue
		}
		if by[text] == nil {
			by[text] = &same{text: text}
			all = append(all, by[text])
		}
		by[text].services = append(by[text].services, service)
	}
	out := make([]string, len(all))
	for i, s := range all {
		switch n := len(s.services); {
		case n == 0:
			out[i] = s.text
		case n <= 3:
			out[i] = strings.Join(s.services, ", ") + ": " + s.text
		default:
			out[i] = fmt.Sprintf("%s, %s and %d more: %s", s.services[0], s.services[1], n-2, s.text)
		}
	}
	return out
}

// diff is what changes: a block a service, or a line each where one field of each changes.
func (p *page) diff(m *Model, plan *actions.Plan) {
	if mat := plan.Material; mat != nil && mat.New != "" {
		p.add(m.st.Text, fmt.Sprintf("%s %s is made", mat.Kind, mat.New))
	}
	if st := plan.Stack; st != nil {
		verb := map[bool]string{true: "removed", false: "made"}[st.Remove]
		for i := range st.Parts {
			p.add(m.st.Text, st.Parts[i].About()+" is "+verb)
		}
	}
	names, fields := 0, 0
	for i := range plan.Changes {
		names = max(names, plain.Width(inLine(plan.Changes[i].Service)))
		for _, f := range plan.Changes[i].Fields {
			fields = max(fields, plain.Width(inLine(f.Field)))
		}
	}
	names, fields = min(names, p.w/3), min(fields, p.w/3)
	for i := range plan.Changes {
		c := &plan.Changes[i]
		head := plain.Fit(inLine(c.Service), names)
		if c.Make || c.Remove {
			p.whole(m, c, head, fields)
			continue
		}
		if len(c.Fields) == 1 && len(plan.Changes) > 1 {
			p.field(m, m.st.Title.Render(head)+"  ", names+2, fields, &c.Fields[0])
			continue
		}
		p.drawn(m.st.Title.Render(head) + m.st.Muted.Render(rolloutFacts(c)))
		for k := range c.Fields {
			p.field(m, "  ", 2, fields, &c.Fields[k])
		}
	}
}

// whole is a service that is made, with all that it is made of, or one that is removed.
func (p *page) whole(m *Model, c *actions.Change, head string, fields int) {
	if c.Remove {
		p.drawn(m.st.Title.Render(head) + m.st.Muted.Render("  is removed"))
		return
	}
	p.drawn(m.st.Title.Render(head) + m.st.Muted.Render("  is made"))
	for i := range c.Fields {
		_, after := c.Fields[i].Text()
		p.drawn("  " + m.st.Muted.Render(plain.Fit(inLine(c.Fields[i].Field), fields)) + "  " + m.st.Title.Render(plain.Clip(shortDigest(inLine(after)), max(p.w-fields-4, 8))))
	}
}

// field is one value before and after: in a line, or below each other where they are too long.
func (p *page) field(m *Model, head string, used, fields int, f *sources.FieldChange) {
	before, after := f.Text()
	before, after = shortDigest(inLine(before)), shortDigest(inLine(after))
	if f.Field == "image" {
		before, after = sameStart(before, after, m.st.Signs.Ellipsis)
	}
	arrow := m.st.Signs.Right
	left := head + m.st.Muted.Render(plain.Fit(inLine(f.Field), fields)) + "  "
	used += fields + 2
	if used+plain.Width(before)+plain.Width(after)+3 <= p.w {
		p.drawn(left + m.st.Muted.Render(before) + " " + m.st.Accent.Render(arrow) + " " + m.st.Title.Render(after))
		return
	}
	room := max(p.w-used-2, 8)
	p.drawn(left + "  " + m.st.Muted.Render(plain.Clip(before, room)))
	p.drawn(strings.Repeat(" ", used) + m.st.Accent.Render(arrow) + " " + m.st.Title.Render(plain.Clip(after, room)))
}

// digestShown is how many of a digest's hex digits are shown.
const digestShown = 12

// shortDigest is a reference with as much of its digest as tells it apart.
func shortDigest(s string) string {
	name, digest, ok := strings.Cut(s, "@sha256:")
	if !ok || len(digest) <= digestShown {
		return s
	}
	return name + "@" + digest[:digestShown]
}

// sameStart takes from two references the registry that both have: what follows is what differs.
func sameStart(a, b, ellipsis string) (string, string) {
	x, y := shortImage(a), shortImage(b)
	if x == a || y == b || strings.TrimSuffix(a, x) != strings.TrimSuffix(b, y) {
		return a, b
	}
	return ellipsis + "/" + x, ellipsis + "/" + y
}

// rolloutFacts is how tasks are replaced, where any are.
func rolloutFacts(c *actions.Change) string {
	if !c.Rolls() {
		return ""
	}
	u := c.Policy
	many := "all at once"
	if u.Parallelism > 0 {
		many = fmt.Sprintf("%d at a time", u.Parallelism)
	}
	out := "  " + many + ", " + orText(u.Order, "stop-first") + ", on failure " + orText(u.FailureAction, "pause")
	if c.Usually > 0 {
		out += ", took " + shortly(c.Usually) + " before"
	}
	return inLine(out)
}

func orText(s, other string) string {
	if s == "" {
		return other
	}
	return s
}

// stepsShown is how many steps are shown of more than that many.
const stepsShown = 8

func (p *page) steps(m *Model, plan *actions.Plan) {
	steps := plan.Steps()
	p.gap()
	shown := stepsShown
	if plan.Recovery != nil || plan.Day != nil { // each of them is worth a thought
		shown = len(steps)
	}
	for i, s := range steps {
		if len(steps) > shown && i == shown-2 {
			p.add(m.st.Muted, fmt.Sprintf("   %s %d more", m.st.Signs.Ellipsis, len(steps)-shown+1))
		}
		if len(steps) <= shown || i < shown-2 || i == len(steps)-1 {
			p.hang(m.st.Muted, fmt.Sprintf("%2d ", i+1), s.Name)
		}
	}
}
