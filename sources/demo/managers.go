package demo

import (
	"context"
	"fmt"
	"net/http"

	"quarterdeck/sources/demo/docker"
)

// Cut is where the connection of a change is cut; see [Platform.CutNextChange].
type Cut = docker.Cut

// The moments at which the connection of a change can be cut.
const (
	CutBefore = docker.CutBefore // the change is not made
	CutAfter  = docker.CutAfter  // it is made, and nothing is answered
	CutWithin = docker.CutWithin // it is made, and half of its answer is sent
)

// manager is the Engine API of one of the world's managers.
type manager struct {
	engine *docker.Server
	addr   string
	server *http.Server // nil while it is killed
}

// DockerHosts are the addresses of all managers, as DOCKER_HOST has them. They stay the same while one is killed.
func (p *Platform) DockerHosts() []string {
	out := make([]string, len(p.managers))
	for i, m := range p.managers {
		out[i] = "tcp://" + m.addr
	}
	return out
}

// KillManager takes the Engine API of a manager, counted from 0, off the network: its connections are cut and its port
// refuses. The node and its tasks live on, as they do when only the way to it is lost.
func (p *Platform) KillManager(i int) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if i < 0 || i >= len(p.managers) {
		return fmt.Errorf("demo: there is no manager %d: there are %d", i, len(p.managers))
	}
	m := p.managers[i]
	if m.server == nil {
		return nil
	}
	srv := m.server
	m.server = nil
	return srv.Close()
}

// ReviveManager brings a killed manager's API back at its old address.
func (p *Platform) ReviveManager(i int) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if i < 0 || i >= len(p.managers) {
		return fmt.Errorf("demo: there is no manager %d: there are %d", i, len(p.managers))
	}
	m := p.managers[i]
	if m.server != nil || p.ctx.Err() != nil {
		return nil
	}
	srv, _, err := p.serve(p.ctx, m.addr, "docker", m.engine)
	m.server = srv
	return err
}

// CutNextChange cuts the connection of the next change, a POST or a DELETE to the Engine API of any manager, and of
// that one alone. 0 takes it back.
func (p *Platform) CutNextChange(c Cut) { p.faults.CutNext(c) }

// CutPending tells whether the cut that was asked for is still to come.
func (p *Platform) CutPending() bool { return p.faults.Pending() }

// addManager starts the API of the next manager.
func (p *Platform) addManager(ctx context.Context, address string) error {
	m := &manager{engine: docker.New(p.world, len(p.managers), &p.faults)}
	srv, addr, err := p.serve(ctx, address, "docker", m.engine)
	if err != nil {
		return err
	}
	m.server, m.addr = srv, addr
	p.managers = append(p.managers, m)
	return nil
}
