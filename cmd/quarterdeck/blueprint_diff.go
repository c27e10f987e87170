package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"quarterdeck/blueprint"
	"quarterdeck/sources"
	"quarterdeck/sources/swarm"
	"quarterdeck/ui/plain"
)

func newBlueprintDiffCommand(s *surroundings, o *blueprintFlags) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "diff",
		Short: "The stack files against what runs",
		Long: `Which services of the blueprint are missing in the swarm, which run under a stack's name and are in no file, and which differ, field by field. It only
reads. Networks are not compared, nor the digest of an image that a file names by its tag.

EXIT STATUS
  0 what runs is what the files say; 1 it differs; 2 usage, or a value is missing or wrong; 3 the swarm is unreachable or refuses`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return runBlueprintDiff(cmd.Context(), s, o) },
	}
	o.add(cmd)
	return cmd
}

func runBlueprintDiff(ctx context.Context, s *surroundings, o *blueprintFlags) error {
	stacks, err := o.stacks()
	if err != nil {
		return err
	}
	given, err := o.given("")
	if err != nil {
		return err
	}
	values, err := fillValues(stacks, given)
	if err != nil {
		return err
	}
	want, err := stackServices(stacks, values)
	if err != nil {
		return err
	}
	p, asJSON, err := s.open("table")
	if err != nil {
		return err
	}
	defer p.Close()
	ctx, cancel := context.WithTimeout(ctx, p.settings.Timeout)
	defer cancel()
	have, err := swarm.NewHands(p.swarm, p.swarm).ServiceStates(ctx)
	if err != nil {
		return err
	}
	found := blueprint.Compare(stacks, want, have)
	if asJSON {
		err = json.NewEncoder(s.out).Encode(map[string]any{"services": len(want), "differences": differencesOf(found)})
	} else {
		err = writeDifferences(s.out, found, len(want))
	}
	if err == nil && len(found) > 0 {
		return &exitStatus{code: exitDegraded}
	}
	return err
}

// stackServices are the services that the stacks' files would make.
func stackServices(stacks []*blueprint.Stack, values blueprint.Values) ([]sources.ServiceState, error) {
	files, err := blueprint.Render(stacks, values)
	if err != nil {
		return nil, err
	}
	var out []sources.ServiceState
	for _, st := range stacks {
		services, err := swarm.ReadStack(st.Name, composeOf(files, st)...)
		if err != nil {
			return nil, err
		}
		out = append(out, services...)
	}
	return out, nil
}

type differenceJSON struct {
	Service string      `json:"service"`
	Stack   string      `json:"stack"`
	State   string      `json:"state"`
	Fields  []otherJSON `json:"fields"`
}

type otherJSON struct {
	Field string `json:"field"`
	Runs  string `json:"runs"`
	File  string `json:"file"`
}

func differencesOf(found []blueprint.Difference) []differenceJSON {
	out := []differenceJSON{}
	for _, d := range found {
		x := differenceJSON{Service: d.Service, Stack: d.Stack, State: d.State, Fields: []otherJSON{}}
		for _, f := range d.Fields {
			runs, file := f.Text()
			x.Fields = append(x.Fields, otherJSON{f.Field, runs, file})
		}
		out = append(out, x)
	}
	return out
}

func writeDifferences(out io.Writer, found []blueprint.Difference, services int) error {
	if len(found) == 0 {
		_, err := fmt.Fprintf(out, "all %d services run as the files say\n", services)
		return err
	}
	for _, d := range found {
		fmt.Fprintf(out, "%s %s\n", d.State, plain.Line(d.Service))
		for _, f := range d.Fields {
			runs, file := f.Text()
			fmt.Fprintf(out, "  %s: %s -> %s\n", plain.Line(f.Field), plain.Line(runs), plain.Line(file))
		}
	}
	return nil
}
