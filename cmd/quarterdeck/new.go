package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/charmbracelet/x/term"
	"github.com/spf13/cobra"

	"quarterdeck/blueprint"
	"quarterdeck/sources"
	"quarterdeck/sources/swarm"
	"quarterdeck/stages"
	"quarterdeck/ui/plain"
)

func newNewCommand(s *surroundings) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "new",
		Short: "Begin something as the stages ask for it",
		Args:  noArgs,
		RunE: func(*cobra.Command, []string) error {
			return &exitStatus{exitUsage, errors.New("say what: new service NAME")}
		},
	}
	cmd.AddCommand(newNewServiceCommand(s))
	return cmd
}

// newOptions are what a new service is made of, and where to.
type newOptions struct {
	service        blueprint.Service
	dir            string
	force, resolve bool
}

func newNewServiceCommand(s *surroundings) *cobra.Command {
	var o newOptions
	cmd := &cobra.Command{
		Use:   "service NAME",
		Short: "The files of a new service: stack, dashboard, rules, backups, and what will judge it",
		Long: `Writes a directory for a new service: a stack file with health check, bounds, an update that goes back by itself, a route with a certificate, a policy for
scaling and one for backups; a dashboard for Grafana; rules for Prometheus; and what is to be done in which order. Nothing is deployed by it. What is not
said is asked for at a terminal, and named all at once elsewhere. The checks of the stages that a file can answer are run over it at once.

  quarterdeck new service orders --stack shop --image registry.example/shop/orders:1.0.0 --port 8080 --domain orders.example.com --database postgres

EXIT STATUS
  0 written, or all was there already; 2 usage, or something is missing or wrong; 3 a registry is unreachable or refuses; 4 a file is there and differs`,
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) != 1 {
				return &exitStatus{exitUsage, errors.New("name one service: new service NAME")}
			}
			o.service.Name, o.service.Created = args[0], time.Now()
			return runNewService(cmd.Context(), s, &o)
		},
	}
	f, v := cmd.Flags(), &o.service
	f.StringVar(&v.Stack, "stack", "", "the `stack` that it belongs to")
	f.StringVar(&v.Image, "image", "", "its image, with a tag that is no latest: `NAME:TAG`")
	f.IntVar(&v.Port, "port", 0, "the `port` that it serves on")
	f.StringVar(&v.Domain, "domain", "", "the `domain` under which users reach it")
	f.StringVar(&v.Health, "health", blueprint.DefaultHealth, "the `path` that answers 200 while it is well")
	f.IntVar(&v.Replicas, "replicas", blueprint.DefaultReplicas, "how `many` tasks at least")
	f.StringVar(&v.Memory, "memory", blueprint.DefaultMemory, "its memory limit, as 128M or 2G")
	f.StringVar(&v.CPU, "cpu", blueprint.DefaultCPU, "its CPU limit, in `cores`")
	f.StringVar(&v.Database, "database", "none", "a database beside it: "+strings.Join(blueprint.Databases, ", "))
	f.StringVar(&o.dir, "dir", "", "the `directory` to write to (default NAME)")
	f.BoolVar(&o.force, "force", false, "write over files that differ")
	f.BoolVar(&o.resolve, "resolve", false, "pin its image by the digest that its registry has for the tag now")
	return cmd
}

func runNewService(ctx context.Context, s *surroundings, o *newOptions) error {
	asJSON, err := s.json("table")
	if err != nil {
		return err
	}
	v := &o.service
	if err := s.complete(v); err != nil {
		return err
	}
	if err := v.Check(); err != nil {
		return &exitStatus{exitUsage, err}
	}
	if o.resolve && !strings.Contains(v.Image, "@") {
		values := blueprint.Values{"IMAGE_WEB": v.Image}
		if err := resolveImages(ctx, s, values); err != nil {
			return err
		}
		v.Image = values["IMAGE_WEB"]
	}
	dir := o.dir
	if dir == "" {
		dir = v.Name
	}
	if !o.force { // a file that was written before has its own time of creation
		v.Created = createdBefore(filepath.Join(dir, blueprint.StackFile), v)
	}
	files, err := v.Files()
	if err != nil {
		return err
	}
	judged, later, err := judgeNew(v, files)
	if err != nil {
		return err
	}
	written, err := blueprint.Write(dir, files, o.force)
	if errors.Is(err, blueprint.ErrDiffers) {
		return &exitStatus{exitRefused, err}
	}
	if err != nil {
		return err
	}
	if asJSON {
		return json.NewEncoder(s.out).Encode(newJSONOf(v, dir, written, judged, later))
	}
	return writeNew(s.out, v, dir, written, judged, later)
}

// complete asks for what is missing at a terminal, and names it elsewhere.
func (s *surroundings) complete(v *blueprint.Service) error {
	missing := v.Missing()
	if len(missing) == 0 {
		return nil
	}
	in, ok := s.in.(*os.File)
	if !ok || !term.IsTerminal(in.Fd()) {
		return &exitStatus{exitUsage, fmt.Errorf("a new service needs %s", strings.Join(missing, ", "))}
	}
	lines := bufio.NewReader(in)
	for _, x := range []struct {
		flag, text string
		put        func(string)
	}{
		{"--stack", "the stack that it belongs to", func(t string) { v.Stack = t }},
		{"--image", "its image, NAME:TAG", func(t string) { v.Image = t }},
		{"--port", "the port that it serves on", func(t string) { v.Port, _ = strconv.Atoi(t) }}, // what is no number is no port: Check says so
		{"--domain", "the domain under which users reach it", func(t string) { v.Domain = t }},
	} {
		if slices.Contains(missing, x.flag) {
			x.put(s.question(in, lines, x.text+": "))
		}
	}
	return nil
}

// createdBefore is the time in a stack file that was written before, if it is otherwise what would be written now; else that of the service as it is.
func createdBefore(file string, v *blueprint.Service) time.Time {
	have, err := os.ReadFile(file)
	if err != nil {
		return v.Created
	}
	services, err := swarm.ReadStack(v.Stack, have)
	if err != nil {
		return v.Created
	}
	for i := range services {
		if at, err := time.Parse(time.RFC3339, services[i].Labels[stages.LabelCreated]); err == nil {
			return at
		}
	}
	return v.Created
}

// judgeNew reads the stack file as docker stack deploy would, and runs the stages' checks over it.
func judgeNew(v *blueprint.Service, files []blueprint.File) (judged, later []stages.Result, err error) {
	var dashboards []sources.Dashboard
	var body []byte
	for _, f := range files {
		if f.Path == blueprint.StackFile {
			body = f.Body
		} else if name, ok := strings.CutPrefix(f.Path, "dashboards/"); ok {
			dashboards = append(dashboards, sources.Dashboard{Title: strings.TrimSuffix(name, ".json")})
		}
	}
	services, err := swarm.ReadStack(v.Stack, body)
	if err != nil {
		return nil, nil, err
	}
	judged, later = blueprint.Judge(services, dashboards, v.Created)
	return judged, later, nil
}

type newJSON struct {
	Service   string      `json:"service"`
	Stack     string      `json:"stack"`
	Directory string      `json:"directory"`
	Written   []string    `json:"written"`
	Created   time.Time   `json:"created"`
	Checks    []judgeJSON `json:"checks"`
	Later     []string    `json:"later"`
}

type judgeJSON struct {
	ID       string        `json:"id"`
	State    stages.State  `json:"state"`
	Value    string        `json:"value"`
	Subjects []subjectJSON `json:"subjects"`
}

func newJSONOf(v *blueprint.Service, dir string, written []string, judged, later []stages.Result) newJSON {
	out := newJSON{Service: v.Full(), Stack: v.Stack, Directory: dir, Written: append([]string{}, written...), Created: v.Created.UTC().Truncate(time.Second), Checks: []judgeJSON{}, Later: []string{}}
	for i := range judged {
		r := &judged[i]
		x := judgeJSON{ID: r.Check.ID, State: r.State, Value: valueOf(r), Subjects: []subjectJSON{}}
		for _, s := range r.Subjects {
			x.Subjects = append(x.Subjects, subjectJSON(s))
		}
		out.Checks = append(out.Checks, x)
	}
	for i := range later {
		out.Later = append(out.Later, later[i].Check.ID)
	}
	return out
}

// valueOf is what a check measured, or why it could not.
func valueOf(r *stages.Result) string {
	if r.Reason != "" {
		return r.Reason
	}
	return r.Value
}

func writeNew(out io.Writer, v *blueprint.Service, dir string, written []string, judged, later []stages.Result) error {
	for _, f := range written {
		fmt.Fprintln(out, plain.Line(filepath.Join(dir, filepath.FromSlash(f))))
	}
	if len(written) == 0 {
		fmt.Fprintln(out, "all files are there as they are")
	}
	fmt.Fprintf(out, "\n%s by the checks of the stages, from its file:\n", v.Full())
	w := tabwriter.NewWriter(out, 2, 8, 2, ' ', 0)
	for i := range judged {
		r := &judged[i]
		fmt.Fprintf(w, "  %s\t%s\t%s\n", r.State, r.Check.ID, plain.Line(valueOf(r)))
		for _, x := range r.Subjects {
			fmt.Fprintf(w, "  \t\t%s %s: %s\n", x.State, plain.Line(x.Name), plain.Line(x.Says))
		}
	}
	if err := w.Flush(); err != nil {
		return err
	}
	fmt.Fprintln(out, "\nonce it runs it is judged by:")
	for i := range later {
		fmt.Fprintf(out, "  %s: %s\n", later[i].Check.ID, later[i].Check.Question)
	}
	_, err := fmt.Fprintf(out, "\n%s says what comes next.\n", plain.Line(filepath.Join(dir, "README.md")))
	return err
}
