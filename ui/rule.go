package ui

import (
	"context"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	tea "charm.land/bubbletea/v2"

	"quarterdeck/sources"
	"quarterdeck/ui/chart"
	"quarterdeck/ui/plain"
)

// ruleMsg is sent when the rule behind an alert was found and its query answered, or could not be.
type ruleMsg struct {
	box        *ruleBox
	generation uint64
	rule       sources.Rule
	threshold  sources.Threshold
	found      bool
	answer     sources.MetricsAnswer
	window     sources.Window
	err        error
}

// ruleSeries is up to how many series are drawn.
const ruleSeries = 8

// ruleBox draws the query of an alert's rule, with its threshold, over the shared time.
type ruleBox struct {
	alert      sources.Alert
	generation uint64 // of the question
	when       uint64 // the shared time's generation that was asked for
	asked      time.Time
	rule       sources.Rule
	threshold  sources.Threshold
	found      bool
	answer     sources.MetricsAnswer
	window     sources.Window
	loaded     bool
	err        error
	all        bool // every series, and not the alert's alone
}

// openRule shows the rule of the alert under the cursor.
func (m *Model) openRule() tea.Cmd {
	a := m.selectedAlert()
	switch {
	case a == nil:
		return m.say("no alert is under the cursor")
	case m.o.Rules == nil:
		return m.say("no Prometheus is configured, whose rules make the alerts: --prometheus or PROMETHEUS_URL")
	}
	b := &ruleBox{alert: *a}
	m.overlay = b
	return b.ask(m)
}

// ask finds the rule, once, and reads its query over the shared time.
func (b *ruleBox) ask(m *Model) tea.Cmd {
	b.generation++
	b.when, b.asked = m.when.generation, m.o.Now()
	start, end := m.when.window(m.o.Now())
	msg := ruleMsg{box: b, generation: b.generation, rule: b.rule, threshold: b.threshold, found: b.found, window: sources.Window{Start: start, End: end}}
	rules, metrics, alert := m.o.Rules, m.o.Metrics, b.alert
	ctx, cancel := m.queryContext()
	return func() tea.Msg {
		defer cancel()
		return msg.read(ctx, rules, metrics, &alert)
	}
}

func (msg ruleMsg) read(ctx context.Context, rules sources.Rulebook, metrics sources.Metrics, a *sources.Alert) ruleMsg {
	if !msg.found {
		msg.rule, msg.threshold, msg.err = rules.RuleOf(ctx, a)
		if msg.err != nil {
			return msg
		}
		msg.found = true
	}
	if metrics != nil {
		msg.answer, msg.err = metrics.Range(ctx, msg.threshold.Watched, msg.window)
	}
	return msg
}

func (b *ruleBox) apply(msg ruleMsg) {
	if msg.generation != b.generation {
		return
	}
	b.loaded, b.err = true, msg.err
	b.rule, b.threshold, b.found = msg.rule, msg.threshold, msg.found
	if msg.err == nil {
		b.answer, b.window = msg.answer, msg.window
	}
}

// wake asks again where the shared time has moved, and live from time to time.
func (b *ruleBox) wake(m *Model) tea.Cmd {
	if b.loaded && (m.when.generation != b.when || m.when.live() && m.o.Now().Sub(b.asked) >= refreshLeast) {
		return b.ask(m)
	}
	return nil
}

func (b *ruleBox) title() string {
	return "rule " + inLine(b.alert.Name)
}
func (b *ruleBox) paste(string)             {}
func (b *ruleBox) size(m *Model) (int, int) { return min(m.w-4, 150), m.h - 4 }

func (b *ruleBox) lines(m *Model, w, h int) []string {
	foot := boxHints(m, w, areaRule)
	p := &page{w: w}
	switch {
	case !b.loaded:
		p.add(m.st.Muted, "asking Prometheus for the rule of "+b.alert.Name+m.st.Signs.Ellipsis)
	case !b.found:
		text, next := errorWords(b.err)
		p.sign(m.st.Error, m.st.Signs.Down, "the rule is not known: "+text)
		if next != "" {
			p.add(m.st.Text, next)
		}
	default:
		b.whole(m, p, h-len(foot.lines))
	}
	return append(p.exactly(max(h-len(foot.lines), 0)), foot.lines...)[:h]
}

// whole is the rule in words, its chart in what is left of h lines, and what the chart leaves out.
func (b *ruleBox) whole(m *Model, p *page, h int) {
	t := &b.threshold
	words := "fires where its query has a value"
	if t.Known() {
		words = "fires at " + t.Op + " " + figure(t.Value)
	}
	if b.rule.For > 0 {
		words += " for " + shortly(b.rule.For)
	}
	for _, x := range []struct{ head, text string }{{"group ", b.rule.Group}, {"", b.rule.Severity}, {"", b.rule.State}} {
		if x.text != "" {
			words += " · " + x.head + x.text
		}
	}
	p.add(m.st.Title, words)
	p.hang(m.st.Muted, "  ", b.rule.Query)
	if t.Also != "" {
		p.add(m.st.Muted, "drawn without: "+t.Also)
	}
	if !t.Known() {
		p.sign(m.st.Warn, m.st.Signs.Warning, "drawn as it is, without a threshold: "+t.Reason)
	}
	if b.rule.LastError != "" {
		p.sign(m.st.Error, m.st.Signs.Down, "its last evaluation failed: "+b.rule.LastError)
	}
	if b.err != nil {
		text, _ := errorWords(b.err)
		p.sign(m.st.Error, m.st.Signs.Down, text)
	}
	shown, note := b.shown()
	if room := h - len(p.lines) - 2; room >= 4 {
		p.lines = append(p.lines, strings.Split(b.chart(m, shown, p.w, room), "\n")...)
	}
	p.add(m.st.Muted, note)
}

// shown are the series that are drawn: those of the alert, by their labels, or all where none is known to be.
func (b *ruleBox) shown() (list []sources.Series, note string) {
	all := b.answer.Series
	own := all
	if !b.all {
		own = nil
		for i := range all {
			if b.isOwn(all[i].Labels) {
				own = append(own, all[i])
			}
		}
	}
	switch {
	case len(all) == 0:
		return nil, ""
	case len(own) == 0:
		own, note = all, fmt.Sprintf("none of the %d series has the alert's labels: all are drawn", len(all))
	case len(own) < len(all):
		note = fmt.Sprintf("%d of %d series: the alert's own · a draws all", len(own), len(all))
	case b.all:
		note = "all " + count(len(all), "series")
	}
	if n := len(own); n > ruleSeries {
		own = slices.Clone(own[:ruleSeries])
		note += fmt.Sprintf(" · the first %d of %d", ruleSeries, n)
	}
	return own, note
}

// isOwn tells whether the alert can have been made of a series: it has all of its labels.
func (b *ruleBox) isOwn(labels map[string]string) bool {
	for k, v := range labels {
		if k != "__name__" && b.alert.Labels[k] != v {
			return false
		}
	}
	return true
}

func (b *ruleBox) chart(m *Model, series []sources.Series, w, h int) string {
	start, end := m.when.window(m.now())
	spec := chart.Spec{Width: w, Height: h, Start: start, End: end, Unit: "1", Styles: m.st, ASCII: m.st.ASCII, Location: m.o.Location, Now: m.now(), Empty: b.whyEmpty()}
	if b.threshold.Known() && !math.IsInf(b.threshold.Value, 0) {
		v := b.threshold.Value
		spec.Limit, spec.LimitName = &v, "fires "+b.threshold.Op
		spec.Min0 = v >= 0
	}
	if at := m.when.at; !at.IsZero() {
		spec.Cursor = &at
	}
	spec.Marks = append(m.chartMarks(b.alert.Service, sources.Window{Start: start, End: end}), chart.Mark{Time: b.alert.Since, Kind: chart.MarkAlert, Label: inLine(b.alert.Name)})
	for i := range series {
		spec.Series = append(spec.Series, chart.Series{Name: seriesName(series, i, &b.alert), Points: series[i].Points, Style: m.st.Series[i%len(m.st.Series)]})
	}
	return chart.Line(spec)
}

func (b *ruleBox) whyEmpty() string {
	if b.err != nil {
		return "Prometheus could not be asked"
	}
	return "its query has no sample in this time"
}

// seriesName is what tells a series from the others that are drawn.
func seriesName(all []sources.Series, i int, a *sources.Alert) string {
	var parts []string
	for k, v := range all[i].Labels {
		differs := slices.ContainsFunc(all, func(s sources.Series) bool { return s.Labels[k] != v })
		if k != "__name__" && differs {
			parts = append(parts, v)
		}
	}
	slices.Sort(parts)
	if len(parts) == 0 {
		parts = []string{orText(a.Service, a.Name)}
	}
	return plain.Clip(inLine(strings.Join(parts, " ")), 40)
}

func figure(v float64) string { return strconv.FormatFloat(v, 'g', 6, 64) }

func (b *ruleBox) key(m *Model, k tea.KeyPressMsg) (tea.Cmd, bool) {
	switch a := lookup(k, areaRule); a {
	case actBack, actQuit, actRule:
		return nil, true
	case actLeave:
		return m.quit(), false
	case actAllSeries:
		b.all = !b.all
	case actEnter:
		m.overlay = nil
		return m.alertMoment(), false
	case actZoomIn, actZoomOut, actEarlier, actLater, actStepBack, actStepOn, actLive:
		cmd := m.doWhen(a)
		if m.when.generation != b.when {
			return tea.Batch(cmd, b.ask(m)), false
		}
		return cmd, false
	}
	return nil, false
}
