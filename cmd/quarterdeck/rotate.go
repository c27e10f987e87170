package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/charmbracelet/x/term"
	"github.com/spf13/cobra"

	"quarterdeck/actions"
	"quarterdeck/sources"
)

func newRotateCommand(s *surroundings) *cobra.Command {
	var f actFlags
	var file, name string
	var keep bool
	cmd := &cobra.Command{
		Use:   "rotate secret|config NAME",
		Short: "Give a secret or config a new value, and move the services over to it",
		Long: `A new version is made (cert_v2 becomes cert_v3), the services that use the old one are moved over in the order of their dependencies, and the old one is
removed once they are well. The value comes from --file or standard input, never from an argument, and is never shown or written down.

  quarterdeck rotate secret db_password_v1 --file ./new-password --yes
` + actExits,
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) != 2 || args[0] != string(sources.Secret) && args[0] != string(sources.Config) {
				return &exitStatus{exitUsage, errors.New("write: rotate secret NAME, or rotate config NAME")}
			}
			data, err := s.value(file, &f)
			if err != nil {
				return err
			}
			o := actions.RotateOptions{Kind: sources.MaterialKind(args[0]), Name: args[1], Data: data, NewName: name, Keep: keep}
			return act(cmd.Context(), s, &f, func(ctx context.Context, d *actions.Deck) (*actions.Plan, error) { return d.PlanRotate(ctx, o) })
		},
	}
	f.add(cmd)
	cmd.Flags().StringVar(&file, "file", "", "`file` with the new value; left out: standard input")
	cmd.Flags().StringVar(&name, "new-name", "", "the new one's `name`")
	cmd.Flags().BoolVar(&keep, "keep", false, "do not remove the old one")
	return cmd
}

// value reads a secret value.
func (s *surroundings) value(file string, f *actFlags) ([]byte, error) {
	in := s.in
	if file != "" {
		opened, err := os.Open(file)
		if err != nil {
			return nil, &exitStatus{exitUsage, fmt.Errorf("the new value: %w", err)}
		}
		defer opened.Close()
		in = opened
	} else if t, ok := s.in.(*os.File); ok && term.IsTerminal(t.Fd()) {
		return nil, &exitStatus{exitUsage, errors.New("give the new value with --file, or on standard input from a pipe: typed at a terminal it would be seen")}
	} else if !f.yes && !f.dryRun && f.confirm == "" {
		return nil, &exitStatus{exitRefused, fmt.Errorf("%w: standard input holds the value, so nobody can be asked: say --yes", actions.ErrNotConfirmed)}
	}
	data, err := io.ReadAll(io.LimitReader(in, actions.MaxConfig+1))
	if err != nil {
		return nil, &exitStatus{exitUsage, fmt.Errorf("the new value: %w", err)}
	}
	return data, nil
}
