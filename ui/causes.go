package ui

import (
	"context"
	"fmt"
	"strings"
	"time"

	tea "charm.land/bubbletea/v2"

	"quarterdeck/diagnosis"
	"quarterdeck/sources/fleet"
	"quarterdeck/ui/plain"
)

// Why something is broken: what the diagnosis has found, beside the service that is not well, and in a box of its own (causes_box.go).

// causesMsg is sent when an investigation knows more.
type causesMsg struct {
	of         *inquest
	generation uint64
	report     diagnosis.Report
	err        error
	more       <-chan causesMsg // nil: it was the last
}

// causesDueMsg is sent when a service that is not well has been looked at long enough to be asked about.
type causesDueMsg struct{ generation uint64 }

// inquest is one question to the diagnosis, and what is known of the answer.
type inquest struct {
	question   diagnosis.Question
	generation uint64
	asked      bool
	running    bool
	report     diagnosis.Report
	known      bool // report holds something
	err        error
	ended      time.Time
	vain       int // how often in a row no cause was found, restLong where one was
	cancel     context.CancelFunc
}

// askAgain is how often a service that stays ill is looked at again by itself: it costs a handful of queries. While no cause is known it is
// sooner, for the first sign of trouble often comes before its proof: after askSoon, and twice as long each time.
const (
	askAgain = 30 * time.Second
	askSoon  = 4 * time.Second
	restLong = 3 // doublings: askAgain is passed
)

// rest is how long a question that has been answered rests.
func (q *inquest) rest() time.Duration { return min(askSoon<<min(q.vain, restLong), askAgain) }

// start asks; the answers come as messages, the first at once. What was asked before is given up.
func (q *inquest) start(m *Model, question diagnosis.Question) tea.Cmd {
	q.stop()
	if question.Service != q.question.Service || !question.At.Equal(q.question.At) {
		q.report, q.known = diagnosis.Report{}, false
	}
	q.question, q.err, q.asked, q.running = question, nil, true, true
	q.generation++
	ctx, cancel := m.queryContext()
	q.cancel = cancel
	doctor, generation := m.o.Doctor, q.generation
	return func() tea.Msg {
		told := make(chan causesMsg, 16) // more reports than one investigation gives: it never waits for the screen
		go func() {
			defer cancel()
			defer close(told)
			put := func(msg causesMsg) {
				select {
				case told <- msg:
				default:
				}
			}
			r, err := doctor.Investigate(ctx, question, func(r diagnosis.Report) { put(causesMsg{of: q, generation: generation, report: r, more: told}) })
			if err != nil {
				put(causesMsg{of: q, generation: generation, report: r, err: err})
			}
		}()
		return waitCauses(told)()
	}
}

// waitCauses gives the next of what an investigation tells; nil where there is none.
func waitCauses(told <-chan causesMsg) tea.Cmd {
	return func() tea.Msg {
		msg, ok := <-told
		if !ok {
			return nil
		}
		return msg
	}
}

func (q *inquest) stop() {
	if q.cancel != nil {
		q.cancel()
		q.cancel = nil
	}
	q.running = false
}

// apply takes what has come, unless it is to an older question.
func (q *inquest) apply(m *Model, msg causesMsg) tea.Cmd {
	if msg.generation != q.generation {
		return nil
	}
	q.err = msg.err
	if msg.err == nil && (msg.report.Done || !q.known || !q.report.Done && len(msg.report.Causes) > 0) { // a second look does not begin with less than the first knew
		q.report, q.known = msg.report, true
	}
	if msg.err != nil || msg.report.Done {
		q.running, q.ended = false, m.o.Now()
		q.cancel = nil
		if q.vain++; q.top() != nil {
			q.vain = restLong
		}
	}
	if msg.more == nil {
		return nil
	}
	return waitCauses(msg.more)
}

// top is the likeliest cause; nil: none is known.
func (q *inquest) top() *diagnosis.Cause {
	if !q.known || len(q.report.Causes) == 0 {
		return nil
	}
	return &q.report.Causes[0]
}

// ailing is the selected service, where it is not well or its users are hit, and the diagnosis can look at it; nil: nothing is to be explained.
func (m *Model) ailing() *fleet.Service {
	if m.o.Doctor == nil || m.view != viewOverview && m.view != viewServices || !m.when.live() {
		return nil
	}
	v := m.snap.Service(m.services.selected())
	if v == nil || !inTrouble(m.snap, v) {
		return nil
	}
	return v
}

// wantCauses looks by itself at the selected service where that is not well: when it is selected, and again while it stays so.
func (m *Model) wantCauses() tea.Cmd {
	v := m.ailing()
	q := &m.causes
	if v == nil {
		if q.running {
			q.stop()
		}
		q.asked = false
		return nil
	}
	same := q.asked && q.question.Service == v.Name
	if same && (q.running || q.ended.IsZero() || m.o.Now().Sub(q.ended) < q.rest()) {
		return nil
	}
	if !same {
		q.stop()
		q.report, q.known, q.ended, q.vain = diagnosis.Report{}, false, time.Time{}, 0
	}
	q.question, q.asked = diagnosis.Question{Service: v.Name}, true
	q.ended = time.Time{}
	q.generation++
	generation := q.generation
	return tea.Tick(SettleTime, func(time.Time) tea.Msg { return causesDueMsg{generation} })
}

// handleCauses takes what the diagnosis tells.
func (m *Model) handleCauses(msg tea.Msg) tea.Cmd {
	switch msg := msg.(type) {
	case causesDueMsg:
		if msg.generation == m.causes.generation && m.ailing() != nil {
			return m.causes.start(m, m.causes.question)
		}
	case causesMsg:
		return msg.of.apply(m, msg)
	}
	return nil
}

// causeHeight is what the lines about a service take more where it is not well.
const causeHeight = 2

// causeLines tell beside a service that is not well why: the likeliest cause, and what to do next.
func (m *Model) causeLines(w int) []string {
	q := &m.causes
	c := q.top()
	first, second := "", ""
	style := m.st.Text
	switch {
	case c != nil:
		first = fmt.Sprintf("%s %s", sure(c), inLine(c.Title))
		if c.Service != q.question.Service && c.Service+c.Node != "" {
			first = fmt.Sprintf("%s %s: %s", sure(c), inLine(c.Service+c.Node), inLine(c.Title))
		}
		if n := len(q.report.Causes) - 1; n > 0 {
			first += fmt.Sprintf(" · %d more", n)
		}
		if len(c.Next) > 0 {
			second = nextKey(&c.Next[0]) + inLine(c.Next[0].Text)
		}
		style = m.st.Warn
		if c.Confidence >= diagnosis.Confident {
			style = m.st.Error
		}
	case q.err != nil:
		first = "it could not be looked into: " + inLine(q.err.Error())
	case q.known && q.report.Done:
		first, second = inLine(q.report.Outcome()), "l its logs, d what changed"
		if blind := q.blind(); len(blind) > 0 {
			second = "could not look: " + inLine(strings.Join(blind, ", ")) + "; i says why"
		}
	default:
		first = "looking for the cause" + m.st.Signs.Ellipsis
		style = m.st.Muted
	}
	next := ""
	if second != "" {
		next = m.st.Muted.Render("   next: ") + m.st.Text.Render(plain.Fit(second, max(w-9, 8)))
	}
	more := "i all of it"
	head := m.st.Muted.Render("   why: ")
	return []string{fitStyled(head+style.Render(plain.Fit(first, max(w-8-plain.Width(more)-1, 8)))+m.st.HintDesc.Render(" "+more), w),
		fitStyled(next, w)}
}

// blind are the sources that could not be looked at.
func (q *inquest) blind() []string {
	var names []string
	for _, l := range q.report.Looked {
		if l.State == diagnosis.CouldNotLook {
			names = append(names, l.Source)
		}
	}
	return names
}

// sure is how sure a cause is, in a sign that needs no colour.
func sure(c *diagnosis.Cause) string { return fmt.Sprintf("%2.0f%%", 100*c.Confidence) }

// actionKeys are the keys of the box of causes that do what a cause names next.
var actionKeys = map[string]string{"tasks": "t", "logs": "l", "metrics": "m", "change": "d", "rollback": "b", "undo": "u", "scale": "s", "redeploy": "r", "nodes": "9", "alerts": "5", "investigate": "enter"}

// nextKey is a step's key in front of its text; "" where it is done elsewhere.
func nextKey(s *diagnosis.Step) string {
	if k := actionKeys[s.Action]; k != "" {
		return k + " "
	}
	return ""
}
