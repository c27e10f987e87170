package ui

import (
	"context"
	"fmt"
	"maps"
	"os"
	"strings"

	tea "charm.land/bubbletea/v2"

	"quarterdeck/actions"
	"quarterdeck/blueprint"
)

// valuesMsg is sent when the file of values of a stack was read, or could not be.
type valuesMsg struct {
	of   *blueprint.Stack
	file string
	read blueprint.Values
	err  error
}

// stackOfCheck is the stack of the blueprint that answers the check under the cursor; nil: none does.
func (m *Model) stackOfCheck() *blueprint.Stack {
	x := m.selectedStage().check
	if x == nil {
		return nil
	}
	for _, s := range blueprint.All {
		if s.Name == x.Check.Stack {
			return s
		}
	}
	return nil
}

// askApply asks for what the stack needs that answers the check under the cursor, and then plans it.
func (m *Model) askApply() tea.Cmd {
	st := m.stackOfCheck()
	if st == nil {
		return m.say("no stack of the blueprint answers this: see what to do below")
	}
	if cmd, no := m.noDeck(); no {
		return cmd
	}
	if m.o.Stack == nil {
		return m.say("the blueprint is not read here")
	}
	words := []string{"It brings " + st.Brings + ".", "The values are in a file, as `quarterdeck blueprint write` makes it (values.yml). Without one each is asked for."}
	m.overlay = newAsk(m, "apply the stack "+st.Name, "file: ", m.stages.file, words, func(m *Model, path string) (tea.Cmd, string) {
		path = strings.TrimSpace(path)
		if path == "" {
			return m.askValue(st), ""
		}
		m.overlay = nil
		return func() tea.Msg {
			body, err := os.ReadFile(path)
			msg := valuesMsg{of: st, file: path, err: err}
			if err == nil {
				msg.read, msg.err = blueprint.ReadValues(body)
			}
			return msg
		}, ""
	})
	return nil
}

// applyValues takes the values of a file, and goes on to what is not among them.
func (m *Model) applyValues(msg valuesMsg) tea.Cmd {
	if msg.err != nil {
		m.overlay = newErrorBox("apply the stack "+msg.of.Name, msg.err, nil)
		return nil
	}
	m.stages.file = msg.file
	m.stages.keep(msg.read)
	return m.askValue(msg.of)
}

// keep remembers values for the next stack.
func (p *stagesPane) keep(v blueprint.Values) {
	next := blueprint.Values{}
	maps.Copy(next, p.values)
	maps.Copy(next, v)
	p.values = next
}

// askValue asks for the first value that is missing and, where none is, plans the stack.
func (m *Model) askValue(st *blueprint.Stack) tea.Cmd {
	missing := st.Missing(m.stages.values)
	if len(missing) == 0 {
		return m.planStack(st)
	}
	p := missing[0]
	more := ""
	if n := len(missing) - 1; n > 0 {
		more = fmt.Sprintf(" %d more after it.", n)
	}
	m.overlay = newAsk(m, "apply the stack "+st.Name+": "+p.Key, p.Key+": ", "", []string{"What it needs: " + p.Text + "." + more}, func(m *Model, text string) (tea.Cmd, string) {
		text = strings.TrimSpace(text)
		if err := blueprint.Check(p.Key, text); err != nil {
			return nil, strings.TrimPrefix(err.Error(), blueprint.ErrValue.Error()+": ")
		}
		m.stages.keep(blueprint.Values{p.Key: text})
		return m.askValue(st), ""
	})
	return nil
}

// planStack plans a stack with the values that are known.
func (m *Model) planStack(st *blueprint.Stack) tea.Cmd {
	m.overlay = nil // what is planned comes back to nothing, not to the question
	values, read := m.stages.values, m.o.Stack
	return m.requestPlan("apply the stack "+st.Name, func(ctx context.Context, d *actions.Deck) (*actions.Plan, error) {
		filled, err := blueprint.Fill([]*blueprint.Stack{st}, values)
		if err != nil {
			return nil, err
		}
		want, err := read(st, filled)
		if err != nil {
			return nil, err
		}
		return d.PlanApply(ctx, want)
	})
}
