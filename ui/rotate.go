package ui

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	tea "charm.land/bubbletea/v2"

	"quarterdeck/actions"
	"quarterdeck/sources"
)

// lookCommands are the palette's commands that go back, hand over and rotate.
func (m *Model) lookCommands() []command {
	out := []command{{name: "handover: what was done since", hint: "H", run: (*Model).handover}, {name: "backups: report of the last DR day", run: (*Model).dayCommand}, {name: "apply a stack file: deploy, or change", hint: "apply", run: (*Model).askStackFile}}
	stacks := map[string]bool{}
	for _, v := range m.snap.Services {
		if v.Stack != "" && !stacks[v.Stack] {
			stacks[v.Stack] = true
			stack := v.Stack
			out = append(out, command{name: "rollback stack " + inLine(stack), hint: "stack", run: func(m *Model) tea.Cmd { return m.requestStackRollback(stack, nil) }})
		}
	}
	for _, of := range []struct {
		kind sources.MaterialKind
		list []sources.Reference
	}{{sources.Secret, m.snap.Secrets}, {sources.Config, m.snap.Configs}} {
		for _, r := range of.list {
			out = append(out, command{name: fmt.Sprintf("rotate %s %s", of.kind, inLine(r.Name)), hint: string(of.kind), run: func(m *Model) tea.Cmd { return m.askRotate(of.kind, r.Name) }})
		}
	}
	return out
}

func (m *Model) handover() tea.Cmd {
	if cmd, no := m.noDeck(); no {
		return cmd
	}
	return m.askHandover()
}

// askRotate asks for the file with the new value. The value itself is never typed on the screen.
func (m *Model) askRotate(kind sources.MaterialKind, name string) tea.Cmd {
	if cmd, no := m.noDeck(); no {
		return cmd
	}
	what := fmt.Sprintf("rotate %s %s", kind, inLine(name))
	words := []string{fmt.Sprintf("A new version of the %s is made from a file; the services that use it are moved over, and the old one is removed once they are proven well.", kind),
		"The value is never shown or written down."}
	m.overlay = newAsk(m, what, "file: ", "", words, func(m *Model, path string) (tea.Cmd, string) {
		if strings.TrimSpace(path) == "" {
			return nil, "give the path of the file with the new value"
		}
		m.overlay = nil // what is planned comes back to nothing, not to the question
		return m.requestPlan(what, func(ctx context.Context, d *actions.Deck) (*actions.Plan, error) {
			data, err := readMaterial(path, actions.MaxConfig)
			if err != nil {
				return nil, err
			}
			return d.PlanRotate(ctx, actions.RotateOptions{Kind: kind, Name: name, Data: data})
		}), ""
	})
	return nil
}

// home is a path with the home directory in place of ~.
func home(path string) (string, error) {
	rest, ok := strings.CutPrefix(path, "~/")
	if !ok {
		return path, nil
	}
	dir, err := os.UserHomeDir()
	return filepath.Join(dir, rest), err
}

// readMaterial reads a file with the value of a secret or a config, of at most so many bytes.
func readMaterial(path string, most int64) ([]byte, error) {
	path, err := home(path)
	if err != nil {
		return nil, err
	}
	return sources.ReadFile(path, most)
}
