package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"regexp"
	"strings"

	"github.com/spf13/cobra"

	"quarterdeck/actions"
	"quarterdeck/sources"
	"quarterdeck/sources/swarm"
)

// givenFlags are what a stack needs beside its files.
type givenFlags struct {
	secrets []string
	on      string
}

func (g *givenFlags) add(cmd *cobra.Command) {
	cmd.Flags().StringArrayVar(&g.secrets, "secret", nil, "`NAME=FILE`: the value of a secret that is missing; may be given several times")
	cmd.Flags().StringVar(&g.on, "on", "", "the `node` that gets the labels that services ask for and no node has")
}

// given reads the files of the secrets.
func (g *givenFlags) given() (actions.Given, error) {
	out := actions.Given{Secrets: map[string][]byte{}, On: g.on}
	for _, text := range g.secrets {
		name, file, ok := strings.Cut(text, "=")
		if !ok || name == "" || file == "" {
			return out, &exitStatus{exitUsage, errors.New("--secret is NAME=FILE")}
		}
		value, err := sources.ReadFile(file, actions.MaxSecret)
		if err != nil {
			return out, &exitStatus{exitUsage, fmt.Errorf("the secret %s: %w", name, err)}
		}
		out.Secrets[name] = value
	}
	return out, nil
}

func newApplyCommand(s *surroundings) *cobra.Command {
	f, g := &actFlags{}, &givenFlags{}
	var files []string
	cmd := &cobra.Command{
		Use:   "apply STACK -c FILE",
		Short: "Make what is missing of a stack of your own, and change what differs from its files",
		Long: `What ` + "`docker stack deploy -c FILE STACK`" + ` does, with a plan before it, a proof after it, and an undo. The files are read by the docker command's own loader; paths
in them begin beside the first of them, and variables are those of the environment. What they need and the swarm does not have is named, or given here.

  quarterdeck apply shop -c stack.yml --plan
  quarterdeck apply shop -c stack.yml -c production.yml --secret shop_key=key.txt --on node1 --yes
` + actExits,
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) != 1 || len(files) == 0 {
				return &exitStatus{exitUsage, errors.New("name the stack, and its file with -c FILE")}
			}
			want, err := stackFrom(args[0], files...)
			if err != nil {
				return &exitStatus{exitUsage, err}
			}
			given, err := g.given()
			if err != nil {
				return err
			}
			return act(cmd.Context(), s, f, func(ctx context.Context, d *actions.Deck) (*actions.Plan, error) {
				return d.PlanApply(ctx, want, given)
			})
		},
	}
	cmd.Flags().StringArrayVarP(&files, "compose-file", "c", nil, "a stack `file`; several are merged in their order")
	g.add(cmd)
	f.add(cmd)
	cmd.Flags().BoolVar(&f.dryRun, "plan", false, "the same as --dry-run")
	return cmd
}

// stackName is what a stack may be called (docker/cli, cli/command/stack/common.go, validateStackName, which takes all that is no quote and no space; the swarm takes less of a service's name).
var stackName = regexp.MustCompile(`^[a-zA-Z0-9][a-zA-Z0-9_-]{0,62}$`)

// stackFrom reads stack files, with this process' environment.
func stackFrom(name string, files ...string) (*sources.Stack, error) {
	if !stackName.MatchString(name) {
		return nil, fmt.Errorf("%q is no name for a stack: letters, digits, - and _, up to 63", name)
	}
	env := map[string]string{}
	for _, x := range os.Environ() {
		k, v, _ := strings.Cut(x, "=")
		env[k] = v
	}
	return swarm.StackFrom(name, env, files...)
}
