package ui

import (
	"context"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	tea "charm.land/bubbletea/v2"

	"quarterdeck/actions"
	"quarterdeck/blueprint"
	"quarterdeck/sources"
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
	values, read := m.stages.values, m.o.Stack
	return m.planWanted("apply the stack "+st.Name, func() (*sources.Stack, error) {
		filled, err := blueprint.Fill([]*blueprint.Stack{st}, values)
		if err != nil {
			return nil, err
		}
		return read(st, filled)
	}, actions.Given{})
}

// askStackFile asks for the files of a stack and its name, and plans it.
func (m *Model) askStackFile() tea.Cmd {
	if cmd, no := m.noDeck(); no {
		return cmd
	}
	if m.o.StackFrom == nil {
		return m.say("stack files are not read here")
	}
	words := []string{"A stack is made, or changed in what differs, from its files, as docker stack deploy reads them: with a plan first, a proof after it, and an undo.", "Several are merged in their order, with a comma between them."}
	var b *askBox
	b = newAsk(m, "apply a stack file", "file: ", m.stages.stackFile, words, func(m *Model, text string) (tea.Cmd, string) {
		var files []string
		for _, f := range strings.Split(text, ",") {
			if f = strings.TrimSpace(f); f != "" {
				files = append(files, f)
			}
		}
		if len(files) == 0 {
			return nil, "give the path of a stack file"
		}
		m.stages.stackFile = text
		return b.look(func() (func(m *Model) tea.Cmd, error) {
			name, err := stackFiles(files)
			return func(m *Model) tea.Cmd { return m.askStackName(files, name) }, err
		})
	})
	m.overlay = b
	return nil
}

// stackFiles puts the home directory into the files' names, looks whether they are there, and gives the name of the first one's directory.
func stackFiles(files []string) (dir string, err error) {
	for i, f := range files {
		if files[i], err = home(f); err != nil {
			return "", err
		}
		if _, err := os.Stat(files[i]); err != nil {
			return "", err
		}
	}
	path, err := filepath.Abs(files[0])
	return filepath.Base(filepath.Dir(path)), err
}

// askStackName asks what the stack is called: as the file's directory, unless somebody says so.
func (m *Model) askStackName(files []string, name string) tea.Cmd {
	read := m.o.StackFrom
	m.overlay = newAsk(m, "apply a stack file", "stack: ", name, []string{"The stack's name, which its services' names begin with. One that runs already is changed."}, func(m *Model, name string) (tea.Cmd, string) {
		if name = strings.TrimSpace(name); name == "" {
			return nil, "give the stack a name"
		}
		return m.planWanted("apply the stack "+inLine(name), func() (*sources.Stack, error) { return read(name, files...) }, actions.Given{}), ""
	})
	return nil
}

// planWanted plans what the files of a stack make. What they need and nobody has given yet, secrets and nodes for labels, is asked for, one by one, and planned with.
func (m *Model) planWanted(what string, read func() (*sources.Stack, error), given actions.Given) tea.Cmd {
	m.overlay = nil // what is planned comes back to nothing, not to the question
	return m.request(asking{what: what, plan: func(ctx context.Context, d *actions.Deck) (*actions.Plan, error) {
		want, err := read()
		if err != nil {
			return nil, err
		}
		return d.PlanApply(ctx, want, given)
	}, needs: func(m *Model, n actions.StackNeed, of int) { m.askNeed(what, read, given, n, of) }})
}

// askNeed asks for something that a stack needs and its files do not have, the first of so many, and then plans again.
func (m *Model) askNeed(what string, read func() (*sources.Stack, error), given actions.Given, n actions.StackNeed, of int) {
	more := ""
	if of > 1 {
		more = fmt.Sprintf(" %d more after it.", of-1)
	}
	again := func(m *Model, add func(*actions.Given)) tea.Cmd {
		next := actions.Given{Secrets: maps.Clone(given.Secrets), Labels: maps.Clone(given.Labels)}
		add(&next)
		return m.planWanted(what, read, next)
	}
	if n.Kind == actions.PartLabel {
		var nodes []string
		for i := range m.snap.Nodes {
			nodes = append(nodes, m.snap.Nodes[i].Name)
		}
		words := []string{"No node has the label " + n.Name + ", which says " + n.Text + "." + more, "The nodes: " + strings.Join(nodes, ", ") + "."}
		m.overlay = newAsk(m, what+": label "+n.Name, "node: ", "", words, func(m *Model, node string) (tea.Cmd, string) {
			if node = strings.TrimSpace(node); !slices.Contains(nodes, node) {
				return nil, "no node has this name"
			}
			return again(m, func(g *actions.Given) { g.Labels = withKey(g.Labels, n.Name, node) }), ""
		})
		return
	}
	words := []string{"The secret " + n.Name + " is missing: " + n.Text + "." + more, "What is typed here is not shown, and is written down nowhere but in the swarm."}
	var b *askBox
	b = newAsk(m, what+": secret "+n.Name, "value: ", "", words, func(m *Model, text string) (tea.Cmd, string) {
		take := func(value []byte) tea.Cmd {
			return again(m, func(g *actions.Given) { g.Secrets = withKey(g.Secrets, n.Name, value) })
		}
		switch {
		case text == "":
			return nil, "it is empty"
		case b.file:
			return b.look(func() (func(*Model) tea.Cmd, error) {
				value, err := readMaterial(strings.TrimSpace(text), actions.MaxSecret)
				return func(*Model) tea.Cmd { return take(value) }, err
			})
		}
		return take([]byte(text)), ""
	})
	b.hide()
	m.overlay = b
}

func withKey[V any](m map[string]V, k string, v V) map[string]V {
	if m == nil {
		m = map[string]V{}
	}
	m[k] = v
	return m
}
