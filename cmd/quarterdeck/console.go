package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	tea "charm.land/bubbletea/v2"
	"github.com/charmbracelet/x/term"

	"quarterdeck/cmd/quarterdeck/config"
	"quarterdeck/ui"
)

// runConsole opens the console on what the settings name.
func runConsole(ctx context.Context, s *surroundings) error {
	set, err := s.settings()
	if err != nil {
		return err
	}
	if err := s.needTerminal(); err != nil {
		return err
	}
	return consoleOn(ctx, s, set, false)
}

// needTerminal says what to do where there is no terminal.
func (s *surroundings) needTerminal() error {
	for _, f := range []any{s.in, s.out} {
		file, ok := f.(*os.File)
		if !ok || !term.IsTerminal(file.Fd()) {
			return &exitStatus{exitUsage, errors.New("the console needs a terminal; in scripts and pipes use `quarterdeck status` (or logs, metrics, alerts, snapshot)")}
		}
	}
	if t := s.getenv("TERM"); t == "dumb" {
		return &exitStatus{exitUsage, errors.New("TERM=dumb cannot show the console; use `quarterdeck status`")}
	}
	return nil
}

func consoleOn(ctx context.Context, s *surroundings, set *config.Settings, demo bool) error {
	p, err := openPlatform(set)
	if err != nil {
		return err
	}
	defer p.Close()
	o := p.console(demo)
	o.Keeper = keeper(set, demo)
	if o.Deck, err = p.deck(); err != nil { // what can be seen is worth seeing where nothing can be written down
		o.NoDeck = err
	}
	o.Doctor = p.doctor(o.Deck)
	o.Stack, o.StackFrom = stackWanted, stackFrom
	if o.Delivery, err = p.deliveryOf(); err != nil {
		return err
	}
	if o.Deck != nil {
		o.Incidents = p.deskOfConsole(o.Deck)
	}
	if o.Stages, err = p.stageFeed(o); err != nil {
		return err
	}
	o.Scaling = p.scaling()
	m, err := ui.New(o)
	if err != nil {
		return &exitStatus{exitUsage, err}
	}
	defer p.watch(ctx)()
	defer inBackground(ctx, o.Stages.Run)()
	defer inBackground(ctx, o.Scaling.Run)()
	if o.Deck != nil {
		defer p.record(ctx, o.Deck)()
		defer p.followIncidents(ctx, o.Incidents)()
	}
	err = ui.Run(ctx, m, tea.WithInput(ui.Typed(s.in)), tea.WithOutput(s.out), tea.WithoutSignalHandler())
	if errors.Is(err, context.Canceled) {
		return &exitStatus{code: exitInterrupted}
	}
	if err != nil {
		return fmt.Errorf("console: %w", err)
	}
	return nil
}

// keeper keeps panels and past queries; those of a simulation end with it.
func keeper(set *config.Settings, demo bool) *config.Keeper {
	path := cmp.Or(set.Path, config.DefaultPath())
	if demo {
		path = filepath.Join(set.StateDir, "config.yaml")
	}
	return config.NewKeeper(path, set.StateDir)
}

// console is what the ui is wired with.
func (p *platform) console(demo bool) ui.Options {
	set := p.settings
	o := ui.Options{Fleet: p.fleet, Logs: p.logs, Context: set.Name, Demo: demo, ReadOnly: set.ReadOnly, Mouse: set.Mouse, Shell: hasShell(),
		Theme: set.Theme, ASCII: set.ASCII, NoColor: set.NoColor, Now: time.Now, Location: time.Local,
		LogBytes: set.LogMemory << 20, Timeout: set.Timeout}
	if p.metrics != nil {
		o.Metrics, o.Rules = p.metrics, p.metrics
	}
	if p.alerts != nil {
		o.Alerts = p.alerts
	}
	if p.grafana != nil {
		o.Notes = p.grafana
	}
	o.Backups = p.saved
	o.Doctor = p.doctor(nil)
	return o
}
