package main

import (
	"context"
	"fmt"
	"maps"
	"slices"

	"quarterdeck/sources"
	"quarterdeck/sources/bitbucket"
	"quarterdeck/sources/harbor"
	"quarterdeck/sources/portainer"
	"quarterdeck/sources/traefik"
	"quarterdeck/stages"
)

// systems are the sources that a platform may do without: where one is not configured nothing is missing, and it is nil.
type systems struct {
	proxy     *traefik.Client
	scans     *harbor.Client
	pipelines *bitbucket.Client
	stacks    *portainer.Client
	// branches are the repositories that are judged, with the branch that counts; built is which of them a service is built from.
	branches, built map[string]string
}

// openSystems makes the adapters that are configured. It asks none of them anything.
func (p *platform) openSystems() (err error) {
	set, x := p.settings, &p.systems
	if set.Traefik.Address != "" {
		if x.proxy, err = traefik.New(traefik.Options{Access: set.Traefik.Access("traefik", set.Timeout), Logger: p.log}); err != nil {
			return err
		}
		p.closers = append(p.closers, x.proxy)
	}
	if set.Harbor.Address != "" {
		if x.scans, err = harbor.New(harbor.Options{Access: set.Harbor.Access("harbor", set.Timeout), Registries: set.Harbor.Registries, Logger: p.log}); err != nil {
			return err
		}
		p.closers = append(p.closers, x.scans)
	}
	if set.Portainer.Address != "" {
		if x.stacks, err = portainer.NewClient(portainer.ClientOptions{Access: set.Portainer.Access("portainer", set.Timeout), TokenFile: set.Portainer.TokenFile, Logger: p.log}); err != nil {
			return err
		}
		p.closers = append(p.closers, x.stacks)
	}
	if set.Bitbucket.Workspace != "" {
		if x.branches, x.built, err = set.Bitbucket.Built(); err != nil {
			return &exitStatus{exitUsage, fmt.Errorf("config: %w", err)}
		}
		if x.pipelines, err = bitbucket.New(bitbucket.Options{Workspace: set.Bitbucket.Workspace, Access: set.Bitbucket.Access(set.Timeout), Logger: p.log}); err != nil {
			return err
		}
		p.closers = append(p.closers, x.pipelines)
	}
	return nil
}

// buildsEach is how many repositories the console looks at in one gathering: Bitbucket gets at most four requests for each.
const buildsEach = 7

// builds are the pipelines of what runs; nil: none is read. budget is how many repositories are looked at at once, 0: all.
func (x *systems) builds(budget int) *stages.Builds {
	if x.pipelines == nil {
		return nil
	}
	return &stages.Builds{Pipelines: x.pipelines, Branches: x.branches, Of: x.built, Budget: budget}
}

// feed gives the stages what is configured. budget is that of the console, 0: none.
func (x *systems) feed(to *stages.Sources, budget int) {
	if budget > 0 {
		budget = buildsEach
	}
	to.Builds = x.builds(budget)
	if x.scans != nil && to.Images != nil {
		to.Images.Scans = x.scans
	}
	if x.proxy != nil {
		to.Proxy = x.proxy
	}
}

// optional are the doctor's questions to the systems that a platform may do without.
func (p *platform) optional() []namedProbe {
	out := []namedProbe{{name: "grafana", setting: "grafana.address"}, {name: "traefik", setting: "traefik.address"}, {name: "bitbucket", setting: "bitbucket.workspace"}, {name: "harbor", setting: "harbor.address"},
		{name: "portainer", setting: "portainer.address"}}
	if p.grafana != nil {
		out[0].ask = p.grafana.Probe
	}
	if x := p.systems.proxy; x != nil {
		out[1].ask = x.Probe
	}
	if x := p.systems.pipelines; x != nil {
		out[2].ask = func(c context.Context) sources.Probe { return x.Probe(c, p.systems.anyRepository()) }
	}
	if x := p.systems.scans; x != nil {
		out[3].ask = x.Probe
	}
	if x := p.systems.stacks; x != nil {
		out[4].ask = x.Probe
	}
	return out
}

// anyRepository is one that is configured; "": none is.
func (x *systems) anyRepository() string {
	for _, name := range slices.Sorted(maps.Keys(x.branches)) {
		return name
	}
	return ""
}
