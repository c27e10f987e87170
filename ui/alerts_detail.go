package ui

import (
	"fmt"
	"slices"
	"sort"
	"strings"

	"quarterdeck/sources"
	"quarterdeck/sources/fleet"
)

// alertDetail is all that the selected row says, in exactly h lines.
func (m *Model) alertDetail(w, h int) []string {
	p := &page{w: w - 2}
	if a := m.selectedAlert(); a != nil {
		m.tellAlert(p, a)
	} else if s := m.selectedSilence(); s != nil {
		m.tellSilence(p, s)
	}
	lines := []string{m.st.Border.Render(strings.Repeat(m.st.Signs.Rule, w))}
	for _, l := range p.exactly(h - 1) {
		lines = append(lines, " "+l+" ")
	}
	return lines
}

// tellAlert tells of an alert, what is asked for first above what is long.
func (m *Model) tellAlert(p *page, a *sources.Alert) {
	sign, _, style := m.st.Alert(string(a.State), a.Severity)
	head := alertWord(a) + " " + a.Name
	if a.Service != "" {
		head += " on " + a.Service
	}
	since, lasts := m.alertSince(a)
	head += ", since " + since
	if lasts != "" {
		head += " (" + lasts + ")"
	}
	if v := shortValue(a.Value); v != "" && m.when.live() {
		head += ", value " + v
	}
	p.sign(style, sign, head)
	switch id := alertID(a); {
	case m.alerts.sampled[id]:
		p.add(m.st.Muted, "by Prometheus' samples: whether it was muted then, and what it said, is not known")
	case m.then().Past:
		p.add(m.st.Muted, "what it says is of when the console saw it last")
	}
	if m.strayAlert(a) {
		p.add(m.st.Muted, "the swarm has no service "+a.Service+", or not any more: it ends when Prometheus forgets its series, or is of another swarm; S silences it")
	}
	if a.Summary != "" {
		p.add(m.st.Text, a.Summary)
	}
	for _, id := range a.SilencedBy {
		p.sign(m.st.Accent, m.st.Signs.Paused, m.silencedWords(id))
	}
	for _, f := range a.InhibitedBy {
		p.sign(m.st.Muted, m.st.Signs.Paused, "inhibited by "+m.inhibitorWords(f))
	}
	if d := a.Annotations["description"]; d != "" && d != a.Summary {
		p.add(m.st.Text, d)
	}
	for _, k := range otherNotes(a) {
		p.add(m.st.Muted, k+": "+a.Annotations[k])
	}
	if len(a.Receivers) > 0 {
		p.add(m.st.Muted, "goes to "+strings.Join(a.Receivers, ", "))
	}
	p.add(m.st.Muted, labelText(a.Labels))
}

// otherNotes are the names of an alert's further annotations, the links first.
func otherNotes(a *sources.Alert) []string {
	var out []string
	for k := range a.Annotations {
		if k != "summary" && k != "description" && (k != "message" || a.Annotations[k] != a.Summary) {
			out = append(out, k)
		}
	}
	link := func(k string) int {
		if strings.Contains(k, "runbook") {
			return 0
		}
		if strings.HasPrefix(a.Annotations[k], "http") {
			return 1
		}
		return 2
	}
	sort.Slice(out, func(i, j int) bool {
		if x, y := link(out[i]), link(out[j]); x != y {
			return x < y
		}
		return out[i] < out[j]
	})
	return out
}

// silencedWords tell of a silence by its id.
func (m *Model) silencedWords(id string) string {
	s := m.silence(id)
	if s == nil {
		return "silenced by " + id + ", of which no more is known"
	}
	return fmt.Sprintf("silenced by %s until %s (%s left): %s · x ends it", shortName(s.Author), m.clock(s.Ends), age(m.now(), s.Ends), s.Comment)
}

// inhibitorWords name the alert that inhibits another, by its fingerprint.
func (m *Model) inhibitorWords(fingerprint string) string {
	for i := range m.alerts.rows {
		if a := &m.alerts.rows[i]; a.Fingerprint == fingerprint {
			return strings.TrimSpace(a.Name + " " + a.Service + ": " + a.Summary)
		}
	}
	return "alert " + fingerprint
}

func (m *Model) tellSilence(p *page, s *sources.Silence) {
	head := "silence by " + s.Author + ": " + s.Comment
	p.sign(m.st.Accent, m.st.Signs.Paused, head)
	words := fmt.Sprintf("from %s until %s, %s left", m.clock(s.Starts), m.clock(s.Ends), age(m.now(), s.Ends))
	if s.State == "pending" {
		words = "from " + m.clock(s.Starts) + " until " + m.clock(s.Ends) + ": it has not begun"
	}
	p.add(m.st.Text, words)
	p.add(m.st.Text, "mutes "+fleet.MatchersText(s.Matchers))
	var names []string
	for i := range m.snap.Alerts {
		if a := &m.snap.Alerts[i]; slices.Contains(a.SilencedBy, s.ID) {
			names = append(names, strings.TrimSpace(a.Name+" "+a.Service))
		}
	}
	switch {
	case len(names) > 0:
		p.add(m.st.Text, "now "+count(len(names), "alert")+": "+strings.Join(names, ", "))
	case s.State == "active":
		p.add(m.st.Muted, "now none: what it mutes does not fire")
	}
	p.add(m.st.Muted, s.ID)
}

// shortValue is a rule's value as people read it: Prometheus writes 9.5e-01.
func shortValue(v string) string {
	if v == "" {
		return ""
	}
	var f float64
	if _, err := fmt.Sscan(v, &f); err != nil {
		return v
	}
	return fmt.Sprintf("%.4g", f)
}

func labelText(labels map[string]string) string {
	keys := make([]string, 0, len(labels))
	for k := range labels {
		keys = append(keys, k)
	}
	sort.Strings(keys)
	for i, k := range keys {
		keys[i] = k + "=" + labels[k]
	}
	return strings.Join(keys, "  ")
}
