package main

import (
	"quarterdeck/sources/traefik"
	"quarterdeck/stages"
)

// systems are the sources that a platform may do without: where one is not configured nothing is missing, and it is nil.
type systems struct {
	proxy *traefik.Client
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
	return nil
}

// feed gives the stages what is configured.
func (x *systems) feed(to *stages.Sources) {
	if x.proxy != nil {
		to.Proxy = x.proxy
	}
}

// optional are the doctor's questions to the systems that a platform may do without.
func (p *platform) optional() []namedProbe {
	out := []namedProbe{{name: "grafana", setting: "grafana.address"}, {name: "traefik", setting: "traefik.address"}}
	if p.grafana != nil {
		out[0].ask = p.grafana.Probe
	}
	if x := p.systems.proxy; x != nil {
		out[1].ask = x.Probe
	}
	return out
}
