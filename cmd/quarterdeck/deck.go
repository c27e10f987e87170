package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"os/user"
	"strings"
	"sync"
	"time"

	"quarterdeck/actions"
	"quarterdeck/actions/journal"
	"quarterdeck/sources"
	"quarterdeck/sources/fleet"
	"quarterdeck/sources/harbor"
	"quarterdeck/sources/portainer"
	"quarterdeck/sources/registry"
	"quarterdeck/sources/swarm"
)

// flushWithin is how long the end of a command waits for the team's record.
const flushWithin = 5 * time.Second

// deck makes what acts on the platform. Its fleet must be run by the caller (watch, or watchSwarm).
func (p *platform) deck() (*actions.Deck, error) {
	set := p.settings
	j, err := journal.Open(set.StateDir)
	if err != nil {
		return nil, err
	}
	write := p.swarm
	if set.WriteHost != "" {
		write, err = swarm.New(swarm.Options{Host: set.WriteHost, TLS: set.Context.TLS.Source(), Timeout: set.Timeout, Logger: p.log})
		if err != nil {
			return nil, err
		}
		p.closers = append(p.closers, write)
	}
	policy, err := p.policy()
	if err != nil {
		return nil, err
	}
	hands := swarm.NewHands(p.swarm, write)
	d := &actions.Deck{Hands: hands, Bench: hands, EngineLogs: swarm.NewLogs(p.swarm), Recovery: actions.RecoverySettings{Image: set.S3.RunnerImage, Repository: set.S3.RepositorySecret}, Fleet: p.fleet, Journal: j, Logs: p.logs, Policy: policy, Now: time.Now, Logger: p.log}
	plain, err := p.registry()
	if err != nil {
		return nil, err
	}
	d.Registry = tagLists{p.systems.scans, plain}
	if d.Hooks, err = p.hooks(); err != nil {
		return nil, err
	}
	if d.Objects = p.objects(); p.backups != nil {
		d.Recovery.Store = p.backups.Address().String()
	}
	if p.alerts != nil {
		d.Alerts = p.alerts
	}
	if p.metrics != nil {
		d.Metrics = p.metrics
	}
	if p.loki != nil {
		d.Sink = p.loki
	}
	if p.grafana != nil {
		d.Marks = p.grafana
	}
	return d, nil
}

// hooks are the webhooks of the config. Their addresses are secrets: they are in no message.
func (p *platform) hooks() (map[string]sources.Hook, error) {
	out := map[string]sources.Hook{}
	for name, w := range p.settings.Webhooks {
		address := w.URL
		if w.URLFile != "" {
			body, err := os.ReadFile(w.URLFile)
			if err != nil {
				return nil, &exitStatus{exitUsage, fmt.Errorf("config: webhooks.%s.url-file: %w", name, err)}
			}
			address = strings.TrimSpace(string(body))
		}
		h, err := portainer.New(portainer.Options{Name: name, URL: address, Access: sources.Access{Source: "portainer", TLS: w.TLS.Source(), Timeout: p.settings.Timeout}})
		if err != nil {
			return nil, err
		}
		p.closers = append(p.closers, h)
		out[name] = h
	}
	return out, nil
}

// tagLists lists tags by Harbor where an image is in one and it answers, and by the registry itself else.
type tagLists struct {
	harbor *harbor.Client // nil: there is none
	other  sources.Registry
}

func (x tagLists) Tags(ctx context.Context, image string) ([]string, error) {
	if x.harbor != nil && x.harbor.Covers(image) {
		if tags, err := x.harbor.Tags(ctx, image); err == nil {
			return tags, nil
		}
	}
	return x.other.Tags(ctx, image)
}

// registry is where tags are listed.
func (p *platform) registry() (*registry.Client, error) {
	mirrors, insecure := p.settings.Mirrors()
	return registry.New(registry.Options{Mirrors: mirrors, Insecure: insecure, Timeout: p.settings.Timeout, Logger: p.log})
}

func (p *platform) policy() (actions.Policy, error) {
	set := p.settings
	host, err := os.Hostname()
	if err != nil {
		host = "unknown"
	}
	out := actions.Policy{ReadOnly: set.ReadOnly, Actor: set.Actor, Host: host, Context: set.Name, NeedReason: set.Actions.RequireReason,
		Protected: set.Actions.Protected, Deadline: time.Duration(set.Actions.Deadline)}
	if out.Actor == "" {
		out.Actor = whoami()
	}
	for _, text := range set.Actions.QuietHours {
		h, err := actions.ParseHours(text)
		if err != nil {
			return out, &exitStatus{exitUsage, fmt.Errorf("config: actions.quiet-hours: %w", err)}
		}
		out.Quiet = append(out.Quiet, h)
	}
	return out, nil
}

// whoami is git's user.email, else the user of this machine.
func whoami() string {
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	if out, err := exec.CommandContext(ctx, "git", "config", "--get", "user.email").Output(); err == nil {
		if email := strings.TrimSpace(string(out)); email != "" {
			return email
		}
	}
	if u, err := user.Current(); err == nil && u.Username != "" {
		return u.Username
	}
	return "unknown"
}

// watchSwarm keeps the fleet fresh with what actions need, and no more: the swarm.
func (p *platform) watchSwarm(ctx context.Context) (stop func()) {
	ctx, cancel := context.WithCancel(ctx)
	done := make(chan struct{})
	go func() {
		defer close(done)
		p.fleet.Run(ctx, fleet.Feeds{Swarm: p.swarm, Logger: p.log})
	}()
	return func() { cancel(); <-done }
}

// record keeps the history of specs, and follows what others do, until stop is called or ctx ends, and then waits for the team's record.
func (p *platform) record(ctx context.Context, d *actions.Deck) (stop func()) {
	ctx, cancel := context.WithCancel(ctx)
	var wg sync.WaitGroup
	wg.Go(func() { d.Record(ctx) })
	wg.Go(func() {
		if p.loki == nil {
			d.FollowTeam(ctx, nil)
			return
		}
		d.FollowTeam(ctx, p.loki)
	})
	return func() {
		cancel()
		wg.Wait()
		flush, end := context.WithTimeout(context.WithoutCancel(ctx), flushWithin)
		defer end()
		if err := d.Close(flush); err != nil {
			p.log.Warn("the team's record", "error", err)
		}
	}
}
