package ui

import (
	"strings"
	"time"

	"charm.land/bubbles/v2/textinput"
	tea "charm.land/bubbletea/v2"

	"quarterdeck/actions"
	"quarterdeck/ui/theme"
)

// Times in which a question takes no answer.
const (
	// graceTime is how long after it has appeared; what was typed before it was seen must not answer it.
	graceTime = 400 * time.Millisecond
	// graceQuiet is how long after the last key that came too early: a key that is held down, or a line typed ahead, goes on coming.
	graceQuiet = 150 * time.Millisecond
)

// grace lets no key through that was typed before a question could be read.
type grace struct{ shown, early time.Time }

// early tells whether a key at now comes too early, and remembers it.
func (g *grace) tooEarly(now time.Time) bool {
	if now.Sub(g.shown) < graceTime || now.Sub(g.early) < graceQuiet {
		g.early = now
		return true
	}
	return false
}

func (g *grace) restart(now time.Time) { *g = grace{shown: now} }

// answer is what somebody has said to a question.
type answer int

const (
	answerNone answer = iota
	answerNo
	answerYes
)

// choice is a Yes and a No of which No is the default.
type choice struct{ yes bool }

// key takes a key. quick: y alone says yes.
func (c *choice) key(k string, quick bool) answer {
	switch k {
	case "y", "Y":
		if quick {
			return answerYes
		}
		c.yes = true
	case "n", "N":
		return answerNo
	case "tab", "shift+tab":
		c.yes = !c.yes
	case "left", "h":
		c.yes = false
	case "right", "l":
		c.yes = true
	case "enter":
		if c.yes {
			return answerYes
		}
		return answerNo
	}
	return answerNone
}

func (c *choice) draw(st theme.Styles, no, yes string) string {
	one := func(text string, on bool) string {
		if on {
			return st.Selection.Render("[ " + text + " ]")
		}
		return st.Muted.Render("  " + text + "  ")
	}
	return one(no, !c.yes) + " " + one(yes, c.yes)
}

// stage is what a plan's confirmation asks for now.
type stage int

const (
	stageReason stage = iota
	stageAsk
	stageAgain
	stageType
)

// confirm asks for what the harm of a plan demands: a reason, a yes, a second yes, or the target's name.
type confirm struct {
	plan     *actions.Plan
	need     bool // a reason
	stage    stage
	grace    grace
	choice   choice
	reason   textinput.Model
	typed    textinput.Model
	complain string
}

func newConfirm(m *Model, p *actions.Plan, reason string) confirm {
	c := confirm{plan: p, reason: newInput(m.st, "why: "), typed: newInput(m.st, "> "), need: m.o.Deck.Policy.NeedReason}
	c.reason.SetValue(reason)
	if c.enter(m, c.first()); c.need && reason == "" {
		c.enter(m, stageReason)
	}
	return c
}

func (c *confirm) first() stage {
	if c.plan.Harm == actions.Guarded {
		return stageType
	}
	return stageAsk
}

// enter comes to a stage, whose question has to be read first.
func (c *confirm) enter(m *Model, s stage) {
	c.stage, c.choice, c.complain = s, choice{}, ""
	c.grace.restart(m.o.Now())
}

// typing tells whether letters are text now.
func (c *confirm) typing() bool { return c.stage == stageReason || c.stage == stageType }

// key takes a key; answerYes: all that was asked for was given.
func (c *confirm) key(m *Model, k tea.KeyPressMsg) answer {
	s := k.String()
	if s == "esc" || s == "ctrl+c" { // a no is never too early
		return answerNo
	}
	if c.stage == stageReason && s != "enter" { // text, which answers nothing: none of it is lost
		c.reason, _ = c.reason.Update(k)
		c.complain = ""
		return answerNone
	}
	if c.grace.tooEarly(m.o.Now()) {
		if c.typing() {
			c.complain = "that came before this could be read: type it now"
		}
		return answerNone
	}
	switch c.stage {
	case stageReason:
		c.reasonGiven(m)
		return answerNone
	case stageType:
		return c.typedKey(k)
	}
	if s == "e" {
		c.enter(m, stageReason)
		return answerNone
	}
	a := c.choice.key(s, c.plan.Harm == actions.Light)
	if a == answerYes && c.stage == stageAsk && c.plan.Harm == actions.Grave {
		c.enter(m, stageAgain)
		return answerNone
	}
	return a
}

// reasonGiven goes on to the question.
func (c *confirm) reasonGiven(m *Model) {
	if c.need && strings.TrimSpace(c.reason.Value()) == "" {
		c.complain = "the configuration asks for a reason"
		return
	}
	c.enter(m, c.first())
}

func (c *confirm) typedKey(k tea.KeyPressMsg) answer {
	if k.String() != "enter" {
		c.typed, _ = c.typed.Update(k)
		c.complain = ""
		return answerNone
	}
	if c.typed.Value() != c.plan.Word() {
		c.complain = "that is not " + c.plan.Word()
		return answerNone
	}
	return answerYes
}

// paste takes a pasted reason. A confirmation is never pasted.
func (c *confirm) paste(text string) {
	if c.stage == stageReason {
		pasteInto(&c.reason, text)
		return
	}
	c.complain = "a paste confirms nothing: type it"
}

// approval is what was given, once all was.
func (c *confirm) approval() actions.Approval {
	return actions.Approval{Yes: true, Typed: c.typed.Value(), Reason: strings.TrimSpace(c.reason.Value())}
}

// page is the question, drawn.
func (c *confirm) page(m *Model, w int) *page {
	p := &page{w: w}
	switch c.stage {
	case stageReason:
		c.input(p, &c.reason)
		p.hints(m, "enter", "goes on", "esc", "no")
	case stageType:
		p.sign(m.st.Warn, m.st.Signs.Warning, c.plan.Why+": type "+c.plan.Word()+" to go on")
		c.input(p, &c.typed)
		p.hints(m, "enter", "does it", "esc", "no")
	case stageAgain:
		p.sign(m.st.Error, m.st.Signs.Down, "It will not run at all. Really?")
		p.drawn(c.choice.draw(m.st, "No", "Yes, to 0"))
		p.hints(m, "tab y", "choose", "enter", "takes", "n esc", "no")
	default:
		p.drawn(c.choice.draw(m.st, "No", "Yes"))
		if c.plan.Harm == actions.Light {
			p.hints(m, "y", "yes", "n esc", "no", "e", "say why")
		} else {
			p.hints(m, "tab y", "choose", "enter", "takes", "n esc", "no", "e", "say why")
		}
	}
	if v := strings.TrimSpace(c.reason.Value()); v != "" && c.stage != stageReason {
		p.add(m.st.Muted, "why: "+v)
	}
	if c.complain != "" {
		p.sign(m.st.Warn, m.st.Signs.Warning, c.complain)
	}
	return p
}

func (c *confirm) input(p *page, in *textinput.Model) {
	in.SetWidth(max(p.w-8, 8))
	p.drawn(in.View())
}
