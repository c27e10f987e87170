package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"path"
	"time"

	"github.com/spf13/cobra"

	"quarterdeck/actions"
	"quarterdeck/agent"
	"quarterdeck/agent/metrics"
)

type agentOptions struct {
	listen, only, autoscale string
	drills, dryRun, probe   bool
}

func newAgentCommand(s *surroundings) *cobra.Command {
	var o agentOptions
	cmd := &cobra.Command{
		Use:   "agent",
		Short: "Make the backups that are due, by the schedules of the services' policies",
		Long: `Runs until it is told to end, as a service on a manager (deploy/agent/stack.yml, docs/backups.md). Each backup that is due is made, and what
its policy does not keep is forgotten; once a week the repository is looked through. What fails is tried again, three times a due time. Of
several agents one works: the one that holds the lease qd-lease-agent. What a dead one has left open is gone on with, but for restores,
which are for people.

  quarterdeck agent --dry-run                what is due now, and when what comes next
  quarterdeck agent --drills                 drills that are overdue as well
  quarterdeck agent --autoscale recommend    decide as well how many replicas services should have (quarterdeck autoscale run)
  quarterdeck agent --probe                  ask the agent that listens here whether it is alive

EXIT STATUS
  0 told to end, or shown; 1 --probe: it is not alive; 2 usage, or a port that is taken; 3 a source that it needs is not configured, unreachable or refuses`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if _, err := path.Match(o.only, ""); err != nil {
				return &exitStatus{exitUsage, fmt.Errorf("--only: %q is no pattern", o.only)}
			}
			if _, err := scaleMode(o.autoscale); o.autoscale != "" && err != nil {
				return &exitStatus{exitUsage, fmt.Errorf("--autoscale: %w", err)}
			}
			switch {
			case o.probe:
				return probeAgent(cmd.Context(), o.listen)
			case o.dryRun:
				return showAgenda(cmd.Context(), s, &o)
			}
			return runAgent(cmd.Context(), s, &o)
		},
	}
	f := cmd.Flags()
	f.StringVar(&o.listen, "listen", ":9324", "`address` of /metrics and /healthz; \"\" for none")
	f.StringVar(&o.only, "only", "", "work for services whose names match this `pattern` alone, as shop_*")
	f.BoolVar(&o.drills, "drills", false, "do drills that are overdue, or that never were")
	f.StringVar(&o.autoscale, "autoscale", "", "run the autoscaler as well: recommend or enforce, for services whose labels do not say which")
	f.BoolVar(&o.dryRun, "dry-run", false, "say what is due, and do nothing")
	f.BoolVar(&o.probe, "probe", false, "ask /healthz at --listen, and end")
	return cmd
}

// agentActor is who acts, where the configuration names nobody.
const agentActor = "agent"

// openAgent makes the agent, and what it works with, which end ends.
func (s *surroundings) openAgent(ctx context.Context, o *agentOptions, log *slog.Logger) (*platform, *agent.Agent, func(), error) {
	p, d, end, err := s.openDeck(ctx)
	if err != nil {
		return nil, nil, nil, err
	}
	if p.settings.Actor == "" {
		d.Policy.Actor = agentActor
	}
	return p, &agent.Agent{Deck: d, Now: time.Now, Log: log, Drills: o.drills, Only: o.only}, end, nil
}

func runAgent(ctx context.Context, s *surroundings, o *agentOptions) error {
	if s.endsItself != nil {
		s.endsItself() // giving up the lease is bounded
	}
	log := textLog(s.errs)
	p, a, end, err := s.openAgent(ctx, o, log)
	if err != nil {
		return err
	}
	defer end()
	if p.settings.ReadOnly {
		return refusal(actions.ErrReadOnly)
	}
	told := metrics.Told{Backups: a.Status}
	work := []func(context.Context) error{a.Run}
	if o.autoscale != "" {
		scaler, err := p.scaler(a.Deck, o.autoscale, o.only, log)
		if err != nil {
			return err
		}
		told.Scaling, work = scaler.Status, append(work, scaler.Run)
	}
	stop, err := serveAgent(o.listen, told, log)
	if err != nil {
		return err
	}
	defer stop()
	return together(ctx, work...)
}

// together does several things until all have ended; the first that fails ends the others.
func together(ctx context.Context, work ...func(context.Context) error) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	failed := make(chan error, len(work))
	for _, f := range work {
		go func() { failed <- f(ctx) }()
	}
	var first error
	for range work {
		if err := <-failed; err != nil {
			if first == nil {
				first = err
			}
			cancel()
		}
	}
	return first
}

func textLog(out io.Writer) *slog.Logger { return slog.New(slog.NewTextHandler(out, nil)) }

// serveAgent serves its metrics until stop is called.
func serveAgent(address string, told metrics.Told, log *slog.Logger) (stop func(), err error) {
	if address == "" {
		return func() {}, nil
	}
	l, err := net.Listen("tcp", address)
	if err != nil {
		return nil, &exitStatus{exitUsage, fmt.Errorf("--listen: %w", err)}
	}
	server := &http.Server{Handler: metrics.Handler(told, time.Now), ReadHeaderTimeout: 5 * time.Second, WriteTimeout: 30 * time.Second}
	done := make(chan struct{})
	go func() {
		defer close(done)
		if err := server.Serve(l); !errors.Is(err, http.ErrServerClosed) {
			log.Error("the metrics are not served any more", "error", err)
		}
	}()
	log.Info("listening", "address", l.Addr().String())
	return func() { _ = server.Close(); <-done }, nil
}

// probeAgent is the health check of a container that has nothing else to ask with.
func probeAgent(ctx context.Context, address string) error {
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		return &exitStatus{exitUsage, fmt.Errorf("--listen: %w", err)}
	}
	if ip := net.ParseIP(host); host == "" || ip != nil && ip.IsUnspecified() {
		host = "localhost"
	}
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+net.JoinHostPort(host, port)+"/healthz", nil)
	if err != nil {
		return &exitStatus{exitUsage, err}
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return &exitStatus{exitDegraded, err}
	}
	defer resp.Body.Close()
	said, _ := io.ReadAll(io.LimitReader(resp.Body, 1<<10)) // only for people
	if resp.StatusCode != http.StatusOK {
		return &exitStatus{exitDegraded, errors.New(string(said))}
	}
	return nil
}
