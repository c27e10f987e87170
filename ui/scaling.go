package ui

import (
	"cmp"
	"fmt"

	"quarterdeck/autoscale"
	"quarterdeck/sources/fleet"
	"quarterdeck/ui/plain"
	"quarterdeck/ui/theme"
)

// What an autoscaler would do with the services that have a policy: beside the replicas in the table, in a sentence where one service is told of, and in the header where all of it is
// stopped. It is of now alone: of a past moment nothing is said.

// scalingSeen is what is known of autoscaling, as of the last wake-up.
type scalingSeen struct {
	advice *autoscale.Advice // nil: nothing was decided yet
	stop   *autoscale.Stop   // who has stopped it all; nil: nobody
}

// lookAtScaling takes the news in.
func (m *Model) lookAtScaling() {
	m.scaling = scalingSeen{advice: m.o.Scaling.Advice(), stop: autoscale.StoppedBy(m.snap.Configs)}
}

// advised is what is decided about a service, and its policy; both nil where it has none that is switched on, or a past moment is shown. d is nil too until something was decided about
// the number that it has now.
func (m *Model) advised(v *fleet.Service) (d *autoscale.Decision, p *autoscale.Policy) {
	if !m.when.live() {
		return nil, nil
	}
	d, p = m.scaling.advice.Of(v)
	if p == nil || p.SwitchedOff() {
		return nil, nil
	}
	return d, p
}

// heldBack tells whether a limit is one that somebody should know of: the others pass by themselves, or are as they were meant.
func heldBack(d *autoscale.Decision) bool {
	switch d.Limit {
	case autoscale.AtMax, autoscale.NoCapacity, autoscale.ByFlaps:
		return true
	case autoscale.Skipped:
		return d.Skip == autoscale.BadPolicy
	}
	return false
}

// scaleMark is what stands beside a row's replicas: "→6", with a sign where something holds it back; "": nothing is to be done. Where there is room the limit is named.
func (m *Model) scaleMark(v *fleet.Service, words bool) (string, theme.Style) {
	st := m.st
	d, _ := m.advised(v)
	if d == nil {
		return "", st.Muted
	}
	text, style := "", st.Muted
	switch {
	case d.Recommended > d.Current:
		text, style = fmt.Sprint(st.Signs.Right, d.Recommended), st.Accent
	case d.Changes():
		text, style = fmt.Sprint(st.Signs.Right, d.Recommended), st.Info
	}
	switch {
	case heldBack(d):
		text, style = text+st.Signs.Warning, st.Warn
	case d.Limit == autoscale.ByMissing:
		text, style = text+st.Signs.Unknown, st.Unknown
	}
	if text != "" && words && d.Limit != autoscale.Free {
		text += " " + limitWord(d)
	}
	if m.scaling.stop != nil || m.scaling.advice.Stale(m.now()) {
		style = st.Stale
	}
	return text, style
}

// limitWord names what holds a decision.
func limitWord(d *autoscale.Decision) string {
	if d.Skip == autoscale.BadPolicy {
		return "policy"
	}
	return string(d.Limit)
}

// wordsFrom is from which width on the table names the limits.
const wordsFrom = 120

// scaleColumn gives the marks their column, as wide as the widest; the replicas' own gives what it does not need to it. Where nothing is to be done there is none.
func (p *servicesPane) scaleColumn(m *Model, cols []column, w int) {
	if a := m.scaling.advice; a == nil || len(a.Decisions) == 0 {
		return
	}
	then := m.then()
	marks, runs := 0, plain.Width(cols[colRun].title)
	for _, id := range p.ids {
		if v := then.Service(id); v != nil {
			text, _ := m.scaleMark(v, w >= wordsFrom)
			marks, runs = max(marks, plain.Width(text)), max(runs, plain.Width(v.Run()))
		}
	}
	if marks == 0 {
		return
	}
	cols[colScale].width = max(marks, plain.Width(cols[colScale].title))
	cols[colRun].width = runs
}

// scaleSentence is the decision about a service in a sentence, and how it is drawn. Not harmless.
func (m *Model) scaleSentence(d *autoscale.Decision) (string, theme.Style) {
	switch {
	case d == nil && m.scaling.advice != nil:
		return "its replicas were changed just now: nothing is decided about them yet", m.st.Muted
	case d == nil:
		return "nothing is decided yet", m.st.Muted
	case heldBack(d):
		return d.Reason, m.st.Warn
	case d.Limit == autoscale.ByMissing:
		return d.Reason, m.st.Unknown
	case d.Changes():
		return d.Reason, m.st.Accent
	}
	return d.Reason, m.st.Muted
}

// scaleReason is why other replicas are recommended, or what holds them back, for a row that has nothing worse to say.
func (m *Model) scaleReason(v *fleet.Service) cell {
	d, _ := m.advised(v)
	if d == nil || !d.Changes() && !heldBack(d) && d.Limit != autoscale.ByMissing {
		return cell{}
	}
	return cell{text: d.Reason, style: m.st.Muted}
}

// scaleLine is the decision about a service in one line, with the key where there is something to apply.
func (m *Model) scaleLine(v *fleet.Service, w int) string {
	d, _ := m.advised(v)
	text, style := m.scaleSentence(d)
	head, tail := "scaling", ""
	if m.scaling.stop != nil {
		head, style = "scaling stopped", m.st.Stale
	}
	if d != nil && d.Changes() {
		head += fmt.Sprint(" ", m.st.Signs.Right, d.Recommended)
		tail = " " + m.st.Signs.Dot + " A applies"
	}
	text = inLine(head + ": " + text)
	return style.Render(plain.Fit("   "+plain.Clip(text, max(w-4-plain.Width(tail), 1))+tail, w))
}

// scaleBlock tells all of a service's autoscaling in at most so many lines: the decision, the policy, who carries it out; nil where it has no policy.
func (m *Model) scaleBlock(v *fleet.Service, w, most int) []string {
	d, p := m.advised(v)
	if p == nil || most < 1 {
		return nil
	}
	page := &page{w: w}
	text, style := m.scaleSentence(d)
	if d != nil && d.Changes() {
		text += " " + m.st.Signs.Dot + " A applies it"
	}
	if a := m.scaling.advice; a.Stale(m.now()) {
		text += " " + m.st.Signs.Dot + " as of " + m.clock(a.At)
		style = m.st.Stale
	}
	page.hang(style, " scaling ", text)
	page.hang(m.st.Muted, " policy  ", m.policyWords(d, p))
	words, style := m.carriedOut()
	page.hang(style, " agent   ", words)
	for _, x := range p.Problems {
		if !x.Fatal {
			page.sign(m.st.Warn, " "+m.st.Signs.Warning, x.String())
		}
	}
	return page.lines[:min(len(page.lines), most)]
}

// policyWords are a policy in a line, with the bounds that hold now where hours raise them. Not harmless.
func (m *Model) policyWords(d *autoscale.Decision, p *autoscale.Policy) string {
	if !p.Usable() {
		return p.Why()
	}
	words := p.Text()
	if d != nil && d.Min != p.Min && d.Skip == autoscale.Counts {
		words += fmt.Sprintf(" (now at least %d)", d.Min)
	}
	mode := "mode " + string(p.Mode)
	if p.Mode == "" {
		mode = "mode as the autoscaler's own"
	}
	return words + " " + m.st.Signs.Dot + " " + mode
}

// carriedOut tells who carries policies out: whether that is stopped, and when an autoscaler decided last. Not harmless.
func (m *Model) carriedOut() (string, theme.Style) {
	a := m.scaling.advice
	text, style := "", m.st.Muted
	switch {
	case a.NoBeat != "":
		text, style = "it is not known when an autoscaler decided last: "+a.NoBeat, m.st.Unknown
	case a.Beat.IsZero():
		text, style = "no autoscaler has told of a decision in the last hour: nobody carries this out", m.st.Warn
	case m.now().Sub(a.Beat) > autoscale.LateAfter:
		text, style = "the autoscaler decided last at "+m.clock(a.Beat)+", "+calmAge(a.Beat, m.now())+" ago: it may be dead", m.st.Warn
	default:
		text = "the autoscaler decided last at " + m.clock(a.Beat)
	}
	if s := m.scaling.stop; s != nil {
		return m.stopWords(s) + "; " + text, m.st.Warn
	}
	return text, style
}

// stopWords say who has stopped all autoscaling, when and why. Not harmless.
func (m *Model) stopWords(s *autoscale.Stop) string {
	text := "all autoscaling was stopped by " + cmp.Or(s.Who, "somebody")
	if !s.At.IsZero() {
		text += " at " + m.clock(s.At)
	}
	if s.Why != "" {
		text += " (" + s.Why + ")"
	}
	return text + ", Z lets it go on"
}

// scalingPieces say in the header that all autoscaling is stopped, and by whom.
func (m *Model) scalingPieces() []piece {
	s := m.scaling.stop
	if s == nil {
		return nil
	}
	by := ""
	if s.Who != "" {
		by = " by " + plain.Clip(shortName(s.Who), 16)
	}
	ps := []piece{{text: " ", style: m.st.Text}, {text: " SCALING STOPPED ", style: m.st.DemoBadge}, {text: by, style: m.st.Warn, drop: 5}}
	if !s.At.IsZero() {
		ps = append(ps, piece{text: " " + m.clock(s.At), style: m.st.Warn, drop: 7})
	}
	return ps
}
