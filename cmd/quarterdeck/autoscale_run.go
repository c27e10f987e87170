package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"path"
	"time"

	"github.com/spf13/cobra"

	"quarterdeck/actions"
	"quarterdeck/agent"
	"quarterdeck/agent/metrics"
	"quarterdeck/autoscale"
)

type scaleRunOptions struct {
	mode, listen, only string
	probe              bool
}

func newScaleRunCommand(s *surroundings) *cobra.Command {
	var o scaleRunOptions
	cmd := &cobra.Command{
		Use:   "run",
		Short: "Be the autoscaler: decide every half minute, and change replicas where that is enforced",
		Long: `Runs until it is told to end, as a service on a manager (docs/autoscale.md; quarterdeck agent --autoscale does the same beside
backups). Of several one works: the one that holds the lease qd-lease-autoscale. What a service's label qd.autoscale.mode says holds; --mode is for
those that have none. Every decision is in the log, changes are actions with a journal of their own, and /metrics has the heartbeat.

  quarterdeck autoscale run                  recommend, but for services labelled qd.autoscale.mode=enforce
  quarterdeck autoscale run --mode enforce   change replicas, but of services labelled qd.autoscale.mode=recommend
  quarterdeck autoscale stop                 stop all of them at once, from anywhere

EXIT STATUS
  0 told to end; 1 --probe: it is not alive; 2 usage, or a port that is taken; 3 a source that it needs is not configured; 4 refused: read-only`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if _, err := scaleMode(o.mode); err != nil {
				return &exitStatus{exitUsage, fmt.Errorf("--mode: %w", err)}
			}
			if _, err := path.Match(o.only, ""); err != nil {
				return &exitStatus{exitUsage, fmt.Errorf("--only: %q is no pattern", o.only)}
			}
			if o.probe {
				return probeAgent(cmd.Context(), o.listen)
			}
			return runScaler(cmd.Context(), s, &o)
		},
	}
	f := cmd.Flags()
	f.StringVar(&o.mode, "mode", string(autoscale.Recommend), "recommend or enforce, for services whose labels do not say which")
	f.StringVar(&o.listen, "listen", ":9325", "`address` of /metrics and /healthz; \"\" for none")
	f.StringVar(&o.only, "only", "", "work for services whose names match this `pattern` alone, as shop_*")
	f.BoolVar(&o.probe, "probe", false, "ask /healthz at --listen, and end")
	return cmd
}

func scaleMode(text string) (autoscale.Mode, error) {
	switch m := autoscale.Mode(text); m {
	case autoscale.Recommend, autoscale.Enforce:
		return m, nil
	}
	return "", fmt.Errorf("%q is neither recommend nor enforce", text)
}

// scaler makes an autoscaler that works with a deck.
func (p *platform) scaler(d *actions.Deck, mode, only string, log *slog.Logger) (*agent.Scaler, error) {
	m, err := p.needMetrics()
	if err != nil {
		return nil, err
	}
	what, err := scaleMode(mode)
	if err != nil {
		return nil, err
	}
	return &agent.Scaler{Deck: d, Metrics: m, Now: time.Now, Log: log, Mode: what, Only: only}, nil
}

func runScaler(ctx context.Context, s *surroundings, o *scaleRunOptions) error {
	if s.endsItself != nil {
		s.endsItself() // giving up the lease is bounded
	}
	log := textLog(s.errs)
	p, d, end, err := s.openDeck(ctx)
	if err != nil {
		return err
	}
	defer end()
	if p.settings.Actor == "" {
		d.Policy.Actor = "autoscaler"
	}
	if p.settings.ReadOnly {
		return refusal(actions.ErrReadOnly)
	}
	scaler, err := p.scaler(d, o.mode, o.only, log)
	if err != nil {
		return err
	}
	stop, err := serveAgent(o.listen, metrics.Told{Scaling: scaler.Status}, log)
	if err != nil {
		return err
	}
	defer stop()
	return scaler.Run(ctx)
}

func newScaleStopCommand(s *surroundings) *cobra.Command {
	return scaleSwitch(s, "stop", "Stop every autoscaler of the swarm at once", `Makes the config qd-autoscale-stop, which each autoscaler looks for before each change. Nothing is scaled until
"quarterdeck autoscale start", and decisions go on to be told. Without this program: echo stop | docker config create qd-autoscale-stop -`, (*actions.Deck).StopScaling,
		"autoscaling is stopped; `quarterdeck autoscale start` lets it go on")
}

func newScaleStartCommand(s *surroundings) *cobra.Command {
	return scaleSwitch(s, "start", "Let the autoscalers go on after a stop", `Removes the config qd-autoscale-stop.`, (*actions.Deck).StartScaling, "autoscaling goes on")
}

func scaleSwitch(s *surroundings, use, short, long string, do func(*actions.Deck, context.Context, string) error, done string) *cobra.Command {
	reason := ""
	cmd := &cobra.Command{
		Use: use, Short: short, Args: noArgs,
		Long: long + `

EXIT STATUS
  0 done; 2 usage; 3 the swarm is unreachable or refuses; 4 refused: read-only, or a reason is asked for`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			p, d, end, err := s.openDeck(cmd.Context())
			if err != nil {
				return err
			}
			defer end()
			ctx, cancel := context.WithTimeout(cmd.Context(), p.settings.Timeout)
			defer cancel()
			if _, err := d.Ready(ctx); err != nil {
				return err
			}
			if err := do(d, ctx, reason); errors.Is(err, actions.ErrReadOnly) || errors.Is(err, actions.ErrNoReason) {
				return refusal(err)
			} else if err != nil {
				return err
			}
			_, err = fmt.Fprintln(s.out, done)
			return err
		},
	}
	cmd.Flags().StringVar(&reason, "reason", "", "why, for the others and the journal")
	return cmd
}
