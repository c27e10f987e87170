package main

import (
	"context"
	"errors"
	"fmt"
	"path"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"quarterdeck/actions"
	"quarterdeck/blueprint"
	"quarterdeck/sources"
	"quarterdeck/sources/swarm"
)

func newBlueprintApplyCommand(s *surroundings, o *blueprintFlags) *cobra.Command {
	f, g := &actFlags{}, &givenFlags{}
	cmd := &cobra.Command{
		Use:   "apply STACK",
		Short: "Make what is missing of a stack, and change what differs from its files",
		Long: `Makes the networks, configs and services of one stack that are missing, and changes the services that differ, in the order of what depends on what. The plan
is shown as a diff first, each step is in the journal before it is done, and each service is watched until it is proven well. What runs as the files say
is left alone, and so is what is in no file. ` + "`quarterdeck undo`" + ` removes what was made and changes back what was changed; volumes stay.

A secret that is missing, or a label that no node has, is named with the command that makes it; or it is given here. What is in the way and not the stack's is refused.

  quarterdeck blueprint apply edge --set DOMAIN=apps.example.com --set ACME_MAIL=ops@example.com --plan
  quarterdeck blueprint apply edge -f platform/values.yml --secret edge-users=users.txt --on node1 --yes
` + actExits,
		RunE: func(cmd *cobra.Command, args []string) error {
			st, err := o.stack(args)
			if err != nil {
				return err
			}
			want, err := o.wanted(st)
			if err != nil {
				return err
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
	o.add(cmd)
	g.add(cmd)
	f.add(cmd)
	cmd.Flags().BoolVar(&f.dryRun, "plan", false, "the same as --dry-run")
	return cmd
}

// stack is the one that is named.
func (o *blueprintFlags) stack(args []string) (*blueprint.Stack, error) {
	stacks, err := o.stacks()
	if err != nil {
		return nil, err
	}
	var names []string
	for _, st := range stacks {
		if len(args) == 1 && st.Name == args[0] {
			return st, nil
		}
		names = append(names, st.Name)
	}
	return nil, &exitStatus{exitUsage, errors.New("name one stack: " + strings.Join(names, ", "))}
}

// wanted is a stack with the values that were given.
func (o *blueprintFlags) wanted(st *blueprint.Stack) (*sources.Stack, error) {
	given, err := o.given("")
	if err != nil {
		return nil, err
	}
	values, err := blueprint.Fill([]*blueprint.Stack{st}, given)
	if err != nil {
		return nil, &exitStatus{exitUsage, err}
	}
	return stackWanted(st, values)
}

// stackWanted is what the files of a stack would make.
func stackWanted(st *blueprint.Stack, values blueprint.Values) (*sources.Stack, error) {
	files, err := blueprint.Render([]*blueprint.Stack{st}, values)
	if err != nil {
		return nil, err
	}
	others := map[string][]byte{}
	for _, name := range st.Others {
		others[name] = fileOf(files, st, name)
	}
	out, err := swarm.StackOf(st.Name, others, composeOf(files, st)...)
	if err != nil {
		return nil, err
	}
	for _, n := range out.Networks {
		if n.Shared && !slices.Contains(st.Networks, n.Name) {
			return nil, fmt.Errorf("the stack %s does not say that it needs the network %s", st.Name, n.Name)
		}
	}
	out.Holds = map[string]string{}
	for _, x := range st.Secrets {
		out.Holds[x.Name] = x.Holds
	}
	return out, nil
}

// composeOf are the stack files of a stack, in their order.
func composeOf(files []blueprint.File, st *blueprint.Stack) [][]byte {
	var out [][]byte
	for _, name := range st.Compose {
		out = append(out, fileOf(files, st, name))
	}
	return out
}

func fileOf(files []blueprint.File, st *blueprint.Stack, name string) []byte {
	at := slices.IndexFunc(files, func(f blueprint.File) bool { return f.Path == path.Join(st.Name, name) })
	return files[at].Body
}
