package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"quarterdeck/actions"
	"quarterdeck/actions/journal"
	"quarterdeck/sources"
	"quarterdeck/ui/plain"
)

// The journal's words for a pipeline that was started: it is asked for in one entry, and what came of that is in another.
const (
	pipelineAction = "pipeline"
	phaseAsked     = "asked"
	phaseAnswered  = "answered"
)

func newDeliveryStartCommand(s *surroundings) *cobra.Command {
	f := &actFlags{}
	cmd := &cobra.Command{
		Use:   "start SERVICE",
		Short: "Start the pipeline of the repository that a service is built from",
		Long: `Starts the pipeline for the head of the branch that counts. It is asked for once: where the answer is lost it may have begun or not, and ` + "`quarterdeck delivery SERVICE`" + `
tells. What was asked for, and what came of it, is in the journal.

EXIT STATUS
  0 it has begun, or --dry-run; 2 usage; 3 a source that the command needs is unreachable or refuses; 4 refused: read-only, not confirmed, or without a reason where one is demanded`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error { return runDeliveryStart(cmd.Context(), s, f, args[0]) },
	}
	cmd.Flags().BoolVar(&f.dryRun, "dry-run", false, "say what would be started and do nothing")
	cmd.Flags().BoolVarP(&f.yes, "yes", "y", false, "do not ask")
	cmd.Flags().StringVar(&f.reason, "reason", "", "why, for the journal")
	return cmd
}

type pipelineJSON struct {
	Action     string                `json:"action"`
	Service    string                `json:"service"`
	Repository string                `json:"repository"`
	Branch     string                `json:"branch"`
	Number     int                   `json:"number,omitempty"`
	State      sources.PipelineState `json:"state,omitempty"`
	Result     string                `json:"result"` // planned | done
}

func runDeliveryStart(ctx context.Context, s *surroundings, f *actFlags, service string) error {
	asJSON, err := s.json("table")
	if err != nil {
		return err
	}
	p, d, end, err := s.openDeck(ctx)
	if err != nil {
		return err
	}
	defer end()
	snap, err := d.Ready(ctx)
	if err != nil {
		return err
	}
	services, err := deliverable(snap, service)
	if err != nil {
		return err
	}
	builds := p.systems.builds(0)
	if builds == nil {
		return &sources.Error{Source: "bitbucket", Kind: sources.NotConfigured, Op: "start a pipeline", Next: "set bitbucket.workspace in the config"}
	}
	out := pipelineJSON{Action: pipelineAction, Service: service, Repository: builds.Repository(services[0]), Result: "planned"}
	if out.Repository == "" {
		return &exitStatus{exitUsage, fmt.Errorf("%s names no repository: set the label %s on it, or bitbucket.repositories in the config", service, sources.LabelRepository)}
	}
	out.Branch = builds.Branch(out.Repository)
	if !f.dryRun {
		if err := mayStart(&d.Policy, f); err != nil {
			return &exitStatus{exitRefused, err}
		}
		asking, cancel := context.WithTimeout(ctx, p.settings.Timeout)
		defer cancel()
		if err := startPipeline(asking, d, builds.Pipelines, f.reason, &out); err != nil {
			return err
		}
	}
	if asJSON {
		return json.NewEncoder(s.out).Encode(out)
	}
	line := fmt.Sprintf("would start the pipeline of %s on %s", out.Repository, out.Branch)
	if out.Result == "done" {
		line = fmt.Sprintf("pipeline %d of %s on %s: %s", out.Number, out.Repository, out.Branch, out.State)
	}
	_, err = fmt.Fprintln(s.out, plain.Line(line))
	return err
}

func mayStart(policy *actions.Policy, f *actFlags) error {
	switch {
	case policy.ReadOnly:
		return errors.New("read-only: no pipeline is started")
	case policy.NeedReason && f.reason == "":
		return errors.New("a reason is demanded: --reason")
	case !f.yes:
		return errors.New("not confirmed: --yes starts it, --dry-run says what would be started")
	}
	return nil
}

// startPipeline writes down what is asked for before it is.
func startPipeline(ctx context.Context, d *actions.Deck, pipelines sources.Pipelines, reason string, out *pipelineJSON) error {
	e := journal.Entry{Actor: d.Policy.Actor, Host: d.Policy.Host, Context: d.Policy.Context, Cluster: d.Fleet.Snapshot().Engine.ClusterID,
		Action: pipelineAction, Target: out.Service, Step: out.Repository + " on " + out.Branch, Phase: phaseAsked, Reason: reason}
	if _, err := d.Journal.Append(e); err != nil {
		return err
	}
	run, err := pipelines.Start(ctx, out.Repository, out.Branch)
	e.Phase, e.Result, e.Reason = phaseAnswered, "done", fmt.Sprintf("pipeline %d", run.Number)
	if err != nil {
		e.Result, e.Reason = "failed", err.Error()
	}
	if _, failed := d.Journal.Append(e); err == nil {
		err = failed
	}
	out.Number, out.State, out.Result = run.Number, run.State, "done"
	return err
}
