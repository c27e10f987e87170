package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"quarterdeck/sources/demo"
	"quarterdeck/ui"
	"quarterdeck/ui/frame"
)

type snapshotOptions struct {
	view, size, selected, format, keys string
	settle                             time.Duration
	demo                               bool
	scenario                           string
}

func newSnapshotCommand(s *surroundings) *cobra.Command {
	var o snapshotOptions
	cmd := &cobra.Command{
		Use:   "snapshot",
		Short: "One frame of a view, without a terminal",
		Long: `Opens the console without a terminal, lets it settle, presses the keys given, and
prints the frame.

EXIT STATUS
  0 done; 2 usage; 3 the swarm is unreachable or refuses; 130 interrupted`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return runSnapshot(cmd.Context(), s, o) },
	}
	f := cmd.Flags()
	f.StringVar(&o.view, "view", "overview", "`view`: "+strings.Join(ui.ViewNames(), ", "))
	f.StringVar(&o.size, "size", "160x48", "`columns`x rows")
	f.StringVar(&o.selected, "select", "", "the `service` under the cursor")
	f.StringVar(&o.format, "format", "text", "`format`: text, ansi, svg or png")
	f.StringVar(&o.keys, "keys", "", "`keys` to press first, with spaces between: \"j j enter\"")
	f.BoolVar(&o.demo, "demo", false, "of the embedded platform, started for it")
	f.StringVar(&o.scenario, "scenario", "", "with --demo: an incident by `name`")
	f.DurationVar(&o.settle, "settle", 2*time.Second, "how long sources may take until the frame is drawn")
	return cmd
}

// The sizes a frame may have, in cells.
const mostWidth, mostHeight = 1000, 500

func (o snapshotOptions) parse() (w, h int, err error) {
	if n, err := fmt.Sscanf(o.size, "%dx%d", &w, &h); n != 2 || err != nil || w < 1 || h < 1 || w > mostWidth || h > mostHeight {
		return 0, 0, &exitStatus{exitUsage, fmt.Errorf("--size %q is not like 160x48 (at most %dx%d)", o.size, mostWidth, mostHeight)}
	}
	switch o.format {
	case "text", "ansi", "svg", "png":
	default:
		return 0, 0, &exitStatus{exitUsage, fmt.Errorf("--format %q is none of text, ansi, svg, png", o.format)}
	}
	if o.settle < 0 {
		return 0, 0, &exitStatus{exitUsage, errors.New("--settle cannot be negative")}
	}
	return w, h, nil
}

func runSnapshot(ctx context.Context, s *surroundings, o snapshotOptions) error {
	w, h, err := o.parse()
	if err != nil {
		return err
	}
	set, err := s.settings()
	if err != nil {
		return err
	}
	if o.demo {
		d, err := startDemo(ctx, demo.Options{Seed: 1, Scenario: o.scenario}, set)
		if err != nil {
			return err
		}
		defer d.Close()
	}
	p, err := openPlatform(set)
	if err != nil {
		return err
	}
	defer p.Close()
	wired := p.console(o.demo)
	if wired.Stages, err = p.stageFeed(wired); err != nil {
		return err
	}
	if wired.Delivery, err = p.deliveryOf(); err != nil {
		return err
	}
	wired.Scaling = p.scaling()
	m, err := ui.New(wired)
	if err != nil {
		return &exitStatus{exitUsage, err}
	}
	stop := p.watch(ctx)
	defer stop()
	defer inBackground(ctx, wired.Stages.Run)()
	defer inBackground(ctx, wired.Scaling.Run)()
	text, err := ui.Shoot(ctx, m, ui.Shot{View: o.view, Width: w, Height: h, Select: o.selected, Keys: strings.Fields(o.keys), Settle: o.settle})
	if err != nil {
		return &exitStatus{exitUsage, err}
	}
	if err := writeFrame(s.out, text, w, h, o.format, set.Theme != "light"); err != nil {
		return err
	}
	if err := m.SwarmError(); err != nil {
		return &exitStatus{exitUnreachable, err}
	}
	return nil
}

func writeFrame(out io.Writer, text string, w, h int, format string, dark bool) error {
	f := frame.Parse(text, w, h)
	switch format {
	case "ansi":
		_, err := io.WriteString(out, f.ANSI()+"\n")
		return err
	case "svg":
		_, err := io.WriteString(out, f.SVG(frame.Options{Dark: dark, Title: "quarterdeck"}))
		return err
	case "png":
		return f.PNG(out, frame.Options{Dark: dark, Title: "quarterdeck"})
	}
	_, err := io.WriteString(out, f.Text()+"\n")
	return err
}
