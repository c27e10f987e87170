package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"time"

	"quarterdeck/cmd/quarterdeck/config"
	"quarterdeck/recovery"
	"quarterdeck/sources"
	"quarterdeck/sources/alertmanager"
	"quarterdeck/sources/fleet"
	"quarterdeck/sources/grafana"
	"quarterdeck/sources/loki"
	"quarterdeck/sources/objectstore"
	"quarterdeck/sources/prometheus"
	"quarterdeck/sources/swarm"
)

// platform is the sources of one context, wired.
type platform struct {
	settings *config.Settings
	log      *slog.Logger
	fleet    *fleet.Fleet
	swarm    *swarm.Client
	loki     *loki.Client         // nil: not configured
	metrics  *prometheus.Client   // nil: not configured
	alerts   *alertmanager.Client // nil: not configured
	grafana  *grafana.Client      // nil: not configured
	systems  systems
	backups  *objectstore.Store // nil: not configured
	saved    *recovery.Feed     // of backups; nil: not configured
	logs     sources.Logs
	closers  []io.Closer
}

// open is what a command begins with: the platform that flags, environment and config name, which the caller closes, and
// whether -o json was asked for.
func (s *surroundings) open(formats ...string) (*platform, bool, error) {
	asJSON, err := s.json(formats...)
	if err != nil {
		return nil, false, err
	}
	set, err := s.settings()
	if err != nil {
		return nil, false, err
	}
	p, err := openPlatform(set)
	return p, asJSON, err
}

// watch runs the fleet until stop is called or ctx ends; stop waits for its end.
func (p *platform) watch(ctx context.Context) (stop func()) {
	ctx, cancel := context.WithCancel(ctx)
	done := make(chan struct{})
	go func() {
		defer close(done)
		p.fleet.Run(ctx, p.feeds())
	}()
	return func() { cancel(); <-done }
}

// openPlatform makes the adapters. It asks no source anything yet.
func openPlatform(set *config.Settings) (p *platform, err error) {
	opened := &platform{settings: set}
	p = opened
	defer func() {
		if err != nil { // then p is nil
			_ = opened.Close()
		}
	}()
	if p.log, err = p.openLog(); err != nil {
		return nil, err
	}
	p.fleet = fleet.New(time.Now, fleet.SwarmName, fleet.LokiName, fleet.PrometheusName, fleet.AlertmanagerName, fleet.BackupsName)
	p.swarm, err = swarm.New(swarm.Options{Host: set.Host, Hosts: set.Hosts, Context: set.DockerContext, TLS: set.Context.TLS.Source(), Timeout: set.Timeout, Logger: p.log})
	if err != nil {
		return nil, err
	}
	p.closers = append(p.closers, p.swarm)
	docker := swarm.NewLogs(p.swarm)
	p.logs = docker
	if set.Loki.Address != "" {
		l := set.Loki.Labels
		p.loki, err = loki.New(loki.Options{Access: set.Loki.Access("loki", set.Timeout),
			Labels: loki.Labels{Service: l.Service, Stack: l.Stack, Node: l.Node, Task: l.Task, Container: l.Container}, Logger: p.log})
		if err != nil {
			return nil, err
		}
		p.closers = append(p.closers, p.loki)
		p.logs = sources.WithFallback(p.loki, docker, sources.FallbackOptions{})
	}
	if set.Prometheus.Address != "" {
		p.metrics, err = prometheus.New(prometheus.Options{Access: set.Prometheus.Access("prometheus", set.Timeout), ServiceLabel: set.Prometheus.ServiceLabel, Logger: p.log})
		if err != nil {
			return nil, err
		}
		p.closers = append(p.closers, p.metrics)
	}
	if set.Alertmanager.Address != "" {
		p.alerts, err = alertmanager.New(alertmanager.Options{Access: set.Alertmanager.Access("alertmanager", set.Timeout), Logger: p.log})
		if err != nil {
			return nil, err
		}
		p.closers = append(p.closers, p.alerts)
	}
	if set.Grafana.Address != "" {
		p.grafana, err = grafana.New(grafana.Options{Access: set.Grafana.Access("grafana", set.Timeout), Logger: p.log})
		if err != nil {
			return nil, err
		}
		p.closers = append(p.closers, p.grafana)
	}
	if err := p.openSystems(); err != nil {
		return nil, err
	}
	if set.S3.Address != "" {
		p.backups, err = objectstore.Open(set.S3.Address, set.Getenv, set.Timeout)
		if err != nil {
			return nil, err
		}
		p.closers = append(p.closers, p.backups)
		p.saved = recovery.NewFeed(p.backups, time.Now)
	}
	return p, nil
}

// openLog is where warnings go: a file where one is set, else nowhere. Never the terminal.
func (p *platform) openLog() (*slog.Logger, error) {
	if p.settings.LogFile == "" {
		return slog.New(slog.DiscardHandler), nil
	}
	f, err := os.OpenFile(p.settings.LogFile, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, &exitStatus{exitUsage, fmt.Errorf("log file: %w", err)}
	}
	p.closers = append(p.closers, f)
	return slog.New(slog.NewTextHandler(f, nil)), nil
}

// feeds are the sources as the fleet takes them. A source that is not there must be a nil interface.
func (p *platform) feeds() fleet.Feeds {
	f := fleet.Feeds{Swarm: p.swarm, Logs: p.logs, Logger: p.log}
	if p.metrics != nil {
		f.Metrics = p.metrics
	}
	if p.alerts != nil {
		f.Alerts = p.alerts
	}
	if p.saved != nil {
		f.Backups = p.saved.Read
	}
	return f
}

// needMetrics is the metrics source, or what to do to have one.
func (p *platform) needMetrics() (*prometheus.Client, error) {
	if p.metrics == nil {
		return nil, &sources.Error{Source: "prometheus", Kind: sources.NotConfigured, Op: "connect", Next: "set --prometheus, PROMETHEUS_URL or prometheus.address in the config"}
	}
	return p.metrics, nil
}

func (p *platform) needAlerts() (*alertmanager.Client, error) {
	if p.alerts == nil {
		e := &sources.Error{Source: "alertmanager", Kind: sources.NotConfigured, Op: "connect", Next: "set --alertmanager, ALERTMANAGER_URL or alertmanager.address in the config"}
		if p.metrics != nil { // it tells what fires
			e.Err = errors.New("silences are Alertmanager's, Prometheus has none")
		}
		return nil, e
	}
	return p.alerts, nil
}

// objects is where records of backups are kept; nil: not configured.
func (p *platform) objects() sources.Objects {
	if p.backups == nil {
		return nil
	}
	return p.backups
}

// needObjects is the same, or what to do to have it.
func (p *platform) needObjects() (sources.Objects, error) {
	if p.backups == nil {
		return nil, &sources.Error{Source: "backups", Kind: sources.NotConfigured, Op: "connect", Next: "set --s3, QUARTERDECK_S3 or s3.address in the config"}
	}
	return p.backups, nil
}

// Close ends all connections.
func (p *platform) Close() error {
	var err error
	for i := len(p.closers) - 1; i >= 0; i-- {
		err = errors.Join(err, p.closers[i].Close())
	}
	return err
}
