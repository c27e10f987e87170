package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"quarterdeck/blueprint"
	"quarterdeck/stages"
	"quarterdeck/ui/plain"
)

// blueprintFlags are those of all commands of the blueprint.
type blueprintFlags struct {
	stage  int
	values string
	set    []string
}

func newBlueprintCommand(s *surroundings) *cobra.Command {
	o := &blueprintFlags{}
	cmd := &cobra.Command{
		Use:   "blueprint",
		Short: "Ready stack files for each stage",
		Long: `Ready stack files for each stage, with the settings that the checks of the stages ask for. The files are yours, for your repository and your pipeline;
a stack can also be applied from here.

  quarterdeck blueprint list
  quarterdeck blueprint write platform --stage 1 --set DOMAIN=apps.example.com --set ACME_MAIL=ops@example.com
  quarterdeck blueprint diff --stage 1 --values platform/values.yml
  quarterdeck blueprint apply edge --values platform/values.yml`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return &exitStatus{exitUsage, errors.New("say which: list, write, diff or apply; see `quarterdeck blueprint --help`")}
		},
	}
	cmd.PersistentFlags().IntVar(&o.stage, "stage", 0, "only this `stage`, 1 to 4")
	cmd.AddCommand(newBlueprintListCommand(s, o), newBlueprintWriteCommand(s, o), newBlueprintDiffCommand(s, o), newBlueprintApplyCommand(s, o))
	return cmd
}

func (o *blueprintFlags) add(cmd *cobra.Command) {
	cmd.Flags().StringVarP(&o.values, "values", "f", "", "a YAML `file` with KEY: VALUE")
	cmd.Flags().StringArrayVar(&o.set, "set", nil, "`KEY=VALUE`, before what the file says; may be given several times")
}

// stacks are those asked for.
func (o *blueprintFlags) stacks() ([]*blueprint.Stack, error) {
	if o.stage < 0 || o.stage > len(stages.Stages) {
		return nil, &exitStatus{exitUsage, errors.New("--stage is 1, 2, 3 or 4")}
	}
	return blueprint.Of(o.stage), nil
}

// given are the values of the file and the flags; fallback is a file that is read where none is named, if it is there.
func (o *blueprintFlags) given(fallback string) (blueprint.Values, error) {
	out, file := blueprint.Values{}, o.values
	if file == "" {
		file = fallback
	}
	if file != "" {
		body, err := os.ReadFile(file)
		switch {
		case err == nil:
			if out, err = blueprint.ReadValues(body); err != nil {
				return nil, &exitStatus{exitUsage, err}
			}
		case o.values != "" || !errors.Is(err, fs.ErrNotExist):
			return nil, &exitStatus{exitUsage, err}
		}
	}
	for _, text := range o.set {
		k, v, ok := strings.Cut(text, "=")
		if !ok {
			return nil, &exitStatus{exitUsage, errors.New("--set is KEY=VALUE")}
		}
		out[k] = v
	}
	return out, nil
}

// fill gives what the stacks need, and beside it what was given for others.
func fillValues(stacks []*blueprint.Stack, given blueprint.Values) (blueprint.Values, error) {
	filled, err := blueprint.Fill(stacks, given)
	if err != nil {
		return nil, &exitStatus{exitUsage, err}
	}
	out := maps.Clone(given)
	maps.Copy(out, filled)
	return out, nil
}

func newBlueprintListCommand(s *surroundings, o *blueprintFlags) *cobra.Command {
	return &cobra.Command{
		Use:   "list",
		Short: "The stacks, what each brings, and its parameters",
		Long: `The stacks in the order in which they are deployed, what each brings and what it asks for. A parameter with a default needs no value; those of images have
the version that is taken.

EXIT STATUS
  0 listed; 2 usage`,
		Args: noArgs,
		RunE: func(*cobra.Command, []string) error {
			asJSON, err := s.json("table")
			if err != nil {
				return err
			}
			stacks, err := o.stacks()
			if err != nil {
				return err
			}
			if asJSON {
				return json.NewEncoder(s.out).Encode(blueprintOf(stacks))
			}
			return writeBlueprint(s.out, stacks)
		},
	}
}

type blueprintJSON struct {
	Version int         `json:"version"`
	Stacks  []stackJSON `json:"stacks"`
	// Databases are the images of `quarterdeck new service --database`.
	Databases []imageJSON `json:"databases"`
}

// imageJSON is an image that is taken where no other is named; key is the parameter that names another, or the database's engine.
type imageJSON struct {
	Key     string `json:"key"`
	Name    string `json:"name"`
	Version string `json:"version"`
}

type stackJSON struct {
	Name       string       `json:"name"`
	Stage      int          `json:"stage"`
	Brings     string       `json:"brings"`
	Files      []string     `json:"files"`
	Parameters []paramJSON  `json:"parameters"`
	Images     []imageJSON  `json:"images"`
	Secrets    []secretJSON `json:"secrets"`
	Networks   []string     `json:"networks"`
	NodeLabels []string     `json:"node_labels"`
	Deploy     string       `json:"deploy"`
}

type paramJSON struct {
	Key     string  `json:"key"`
	Text    string  `json:"text"`
	Default *string `json:"default"` // null: a value must be given
}

type secretJSON struct {
	Name  string `json:"name"`
	Holds string `json:"holds"`
}

func blueprintOf(stacks []*blueprint.Stack) blueprintJSON {
	out := blueprintJSON{Version: blueprint.Version, Stacks: []stackJSON{}, Databases: []imageJSON{}}
	for _, i := range blueprint.DatabaseImages() {
		out.Databases = append(out.Databases, imageJSON{i.Key, i.Name, i.Version})
	}
	for _, st := range stacks {
		x := stackJSON{Name: st.Name, Stage: st.Stage, Brings: st.Brings, Files: slices.Concat(st.Compose, st.Others), Parameters: []paramJSON{}, Images: []imageJSON{}, Secrets: []secretJSON{},
			Networks: append([]string{}, st.Networks...), NodeLabels: append([]string{}, st.Labels...), Deploy: st.Deploy()}
		for _, p := range st.Params() {
			j := paramJSON{Key: p.Key, Text: p.Text}
			if p.Default != "" {
				j.Default = &p.Default
			}
			x.Parameters = append(x.Parameters, j)
		}
		for _, i := range st.Images() {
			x.Images = append(x.Images, imageJSON{i.Key, i.Name, i.Version})
		}
		for _, sec := range st.Secrets {
			x.Secrets = append(x.Secrets, secretJSON(sec))
		}
		out.Stacks = append(out.Stacks, x)
	}
	return out
}

func writeBlueprint(out io.Writer, stacks []*blueprint.Stack) error {
	fmt.Fprintf(out, "the blueprint's files, version %d\n", blueprint.Version)
	for _, st := range stacks {
		fmt.Fprintf(out, "\n%s (stage %d): %s\n", st.Name, st.Stage, st.Brings)
		w := tabwriter.NewWriter(out, 2, 8, 2, ' ', 0)
		for _, p := range st.Params() {
			value := p.Default
			if value == "" {
				value = "(needed)"
			}
			fmt.Fprintf(w, "  %s\t%s\t%s\n", p.Key, value, p.Text)
		}
		for _, x := range st.Secrets {
			fmt.Fprintf(w, "  secret %s\t\t%s\n", x.Name, x.Holds)
		}
		if err := w.Flush(); err != nil {
			return err
		}
	}
	fmt.Fprintln(out, "\nthe databases of `quarterdeck new service`")
	w := tabwriter.NewWriter(out, 2, 8, 2, ' ', 0)
	for _, i := range blueprint.DatabaseImages() {
		fmt.Fprintf(w, "  %s\t%s:%s\n", i.Key, i.Name, i.Version)
	}
	return w.Flush()
}

func newBlueprintWriteCommand(s *surroundings, o *blueprintFlags) *cobra.Command {
	var force, resolve bool
	cmd := &cobra.Command{
		Use:   "write DIR",
		Short: "Write the stack files, with your values in them",
		Long: `Writes each stack's files below DIR, the values as values.yml, and a README of what is to be done in which order. A file that is there and differs is
never written over without --force; then nothing is written at all. Where DIR has a values.yml it is read, so that the next stage needs only what is new.
Secrets are named, never asked for.

Images have exact versions. --resolve asks their registries which digest each tag has now, and pins it.

EXIT STATUS
  0 written, or all was there already; 2 usage, or a value is missing or wrong; 3 a registry is unreachable or refuses; 4 a file is there and differs`,
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) != 1 {
				return &exitStatus{exitUsage, errors.New("name one directory to write to")}
			}
			return runBlueprintWrite(cmd.Context(), s, o, args[0], force, resolve)
		},
	}
	o.add(cmd)
	cmd.Flags().BoolVar(&force, "force", false, "write over files that differ")
	cmd.Flags().BoolVar(&resolve, "resolve", false, "pin each image by the digest that its registry has for the tag now")
	return cmd
}

func runBlueprintWrite(ctx context.Context, s *surroundings, o *blueprintFlags, dir string, force, resolve bool) error {
	asJSON, err := s.json("table")
	if err != nil {
		return err
	}
	stacks, err := o.stacks()
	if err != nil {
		return err
	}
	given, err := o.given(filepath.Join(dir, blueprint.ValuesFile))
	if err != nil {
		return err
	}
	values, err := fillValues(stacks, given)
	if err != nil {
		return err
	}
	if resolve {
		if err := resolveImages(ctx, s, values); err != nil {
			return err
		}
	}
	files, err := blueprint.Render(stacks, values)
	if err != nil {
		return err
	}
	before, err := os.ReadFile(filepath.Join(dir, blueprint.ValuesFile))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	body, err := values.File(before)
	if err != nil {
		return err
	}
	files = append(files, blueprint.File{Path: blueprint.ValuesFile, Body: body}, blueprint.Readme(blueprint.All))
	written, err := blueprint.Write(dir, files, force)
	if errors.Is(err, blueprint.ErrDiffers) {
		return &exitStatus{exitRefused, err}
	}
	if err != nil {
		return err
	}
	if asJSON {
		return json.NewEncoder(s.out).Encode(map[string]any{"version": blueprint.Version, "written": append([]string{}, written...), "unchanged": len(files) - len(written)})
	}
	for _, f := range written {
		fmt.Fprintln(s.out, plain.Line(filepath.Join(dir, filepath.FromSlash(f))))
	}
	fmt.Fprintf(s.errs, "%d files written, %d were there as they are. README.md says what comes next.\n", len(written), len(files)-len(written))
	return nil
}

// resolveImages puts the digests that tags have now into the values.
func resolveImages(ctx context.Context, s *surroundings, values blueprint.Values) error {
	set, err := s.settings()
	if err != nil {
		return err
	}
	p := &platform{settings: set}
	if p.log, err = p.openLog(); err != nil {
		return err
	}
	defer p.Close()
	r, err := p.registry()
	if err != nil {
		return err
	}
	defer r.Close()
	for _, k := range slices.Sorted(maps.Keys(values)) {
		if !blueprint.Find(k).Image() || strings.Contains(values[k], "@") {
			continue
		}
		digest, err := r.Digest(ctx, values[k])
		if err != nil {
			return err
		}
		values[k] += "@" + digest
	}
	return nil
}
