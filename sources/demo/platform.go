package demo

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"quarterdeck/sources/demo/alerts"
	"quarterdeck/sources/demo/docker"
	"quarterdeck/sources/demo/grafana"
	"quarterdeck/sources/demo/logs"
	"quarterdeck/sources/demo/metrics"
	"quarterdeck/sources/demo/objects"
	"quarterdeck/sources/demo/registry"
	"quarterdeck/sources/demo/world"
)

// Options say what kind of platform to start. The zero value is the platform of twelve services.
type Options struct {
	Services, Tasks int              // 0: the twelve; else a big fleet of that size
	Seed            int64            // the same seed makes the same world
	Listen          string           // host or host:port, default 127.0.0.1; see ports
	Managers        int              // managers whose Engine API is served, 0: one; see DockerHosts
	Scenario        string           // an incident that is started at once, or several parted by commas, and one of Teams; Quiet is then implied
	Quiet           bool             // no deploys or incidents by themselves, only steady traffic
	Now             func() time.Time // default time.Now
	Logger          *slog.Logger     // default: none
}

// Scenario is an incident that can be started by name.
type Scenario = world.Scenario

// Scenarios lists the incidents, in the order in which they are best tried.
func Scenarios() []Scenario { return world.Scenarios() }

// Team is a team at one of the stages, whose platform it is.
type Team = world.Team

// Teams lists them, in the order of the stages.
func Teams() []Team { return world.Teams() }

// TeamOf is the team that a scenario names, nil where it names none.
func TeamOf(scenario string) *Team {
	t, _, _ := parted(scenario)
	return t
}

func names(teams []Team) []string {
	var out []string
	for i := range teams {
		out = append(out, teams[i].Name)
	}
	return out
}

// parted takes the team out of the names of a scenario. Two teams cannot be had at once.
func parted(scenario string) (t *Team, incidents string, err error) {
	var rest []string
	for name := range strings.SplitSeq(scenario, ",") {
		name = strings.TrimSpace(name)
		found := world.TeamOf(name)
		switch {
		case found == nil:
			rest = append(rest, name)
		case t != nil && t.Name != name:
			return nil, "", fmt.Errorf("demo: a platform is one team's: %s or %s", t.Name, name)
		default:
			t = found
		}
	}
	return t, strings.Join(rest, ","), nil
}

// Platform is a running demo. Safe for concurrent use.
type Platform struct {
	world    *world.World
	faults   docker.Faults
	logs     *logs.Server
	rules    *metrics.Rules
	images   *registry.Server
	addr     map[string]string // by protocol: host:port
	mu       sync.Mutex        // guards the managers' servers
	managers []*manager
	servers  []*http.Server  // of all other protocols
	ctx      context.Context //nolint:containedctx // that of the servers, for one that is brought back
	cancel   context.CancelFunc
	log      *slog.Logger
	wg       sync.WaitGroup
	closed   sync.Once
	err      error
}

// Start brings a platform up and returns when all its listeners accept. It ends with Close or with ctx.
func Start(ctx context.Context, o Options) (*Platform, error) {
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.Tasks > 0 && o.Services == 0 {
		return nil, errors.New("demo: a number of tasks needs a number of services")
	}
	team, incidents, err := parted(o.Scenario)
	switch {
	case err != nil:
		return nil, err
	case team != nil && o.Services > 0:
		return nil, fmt.Errorf("demo: %s is a team with the platform of twelve: leave the number of services away", team.Name)
	case team != nil:
		o.Managers = max(o.Managers, team.Managers())
	}
	addresses, err := ports(o.Listen)
	if err != nil {
		return nil, err
	}
	store, err := objects.New(o.Now, o.Logger)
	if err != nil {
		return nil, err
	}
	w, err := world.New(world.Options{Store: store, Services: o.Services, Tasks: o.Tasks, Seed: o.Seed, Managers: o.Managers, Quiet: o.Quiet || o.Scenario != "", Team: team, Now: o.Now, Logger: o.Logger})
	if err != nil {
		return nil, fmt.Errorf("demo: %w", err)
	}
	if incidents != "" {
		if err := w.StartScenario(incidents); errors.Is(err, world.ErrNotFound) {
			return nil, fmt.Errorf("demo: %w; or a team: %s", err, strings.Join(names(Teams()), ", "))
		} else if err != nil {
			return nil, fmt.Errorf("demo: %w", err)
		}
	}
	ctx, cancel := context.WithCancel(ctx)
	prom := metrics.New(w, o.Logger)
	p := &Platform{world: w, logs: logs.New(w, metrics.NewEngine(o.Logger), o.Logger), rules: prom.Rules(), images: registry.New(w), addr: map[string]string{}, ctx: ctx, cancel: cancel, log: o.Logger}
	if err := p.listen(addresses, max(o.Managers, 1), []http.Handler{p.logs, prom, alerts.New(w, p.rules), p.images, store, grafana.New(w)}); err != nil {
		return nil, errors.Join(err, p.Close())
	}
	p.wg.Go(func() { w.Run(ctx) })
	p.wg.Go(func() { p.rules.Run(ctx) })
	context.AfterFunc(ctx, func() { _ = p.Close() })
	return p, nil
}

// protocols are what is served, in the order of their ports.
var protocols = [...]string{"docker", "loki", "prometheus", "alertmanager", "registry", "s3", "grafana"}

// ports is the address of each protocol. A host alone gives each a free port; with a port, that is the first one's, and
// the others have those that follow.
func ports(listen string) ([]string, error) {
	host, port, first := listen, "", 0
	if h, p, err := net.SplitHostPort(listen); err == nil {
		host, port = h, p
	}
	if port != "" {
		n, err := strconv.Atoi(port)
		if err != nil || n < 0 || n > 65535-len(protocols)+1 {
			return nil, fmt.Errorf("demo: %q is no port: give one from 1 to %d, the first of %d in a row", port, 65535-len(protocols)+1, len(protocols))
		}
		first = n
	}
	out := make([]string, len(protocols))
	for i := range out {
		n := 0
		if first > 0 {
			n = first + i
		}
		out[i] = net.JoinHostPort(cmp.Or(strings.Trim(host, "[]"), "127.0.0.1"), strconv.Itoa(n))
	}
	return out, nil
}

// listen serves all protocols. Managers but the first have free ports, which nobody needs to know beforehand.
func (p *Platform) listen(addresses []string, managers int, others []http.Handler) error {
	for i := range managers {
		address := addresses[0]
		if i > 0 {
			host, _, _ := net.SplitHostPort(address)
			address = net.JoinHostPort(host, "0")
		}
		if err := p.addManager(p.ctx, address); err != nil {
			return err
		}
	}
	p.addr["docker"] = p.managers[0].addr
	for i, h := range others {
		srv, addr, err := p.serve(p.ctx, addresses[i+1], protocols[i+1], h)
		if err != nil {
			return err
		}
		p.addr[protocols[i+1]] = addr
		p.servers = append(p.servers, srv)
	}
	return nil
}

// serve starts a server, which ends when it is closed.
func (p *Platform) serve(ctx context.Context, address, name string, h http.Handler) (*http.Server, string, error) {
	var lc net.ListenConfig
	l, err := lc.Listen(ctx, "tcp", address)
	switch {
	case errors.Is(err, syscall.EADDRINUSE):
		return nil, "", fmt.Errorf("demo: the port for %s, %s, is taken: free it, or listen on another one: %w", name, address, err)
	case err != nil:
		return nil, "", fmt.Errorf("demo: listen for %s on %s: %w", name, address, err)
	}
	// Docker's streams and Loki's tail last for hours: only the head of a request has a time limit.
	srv := &http.Server{Handler: h, ReadHeaderTimeout: 10 * time.Second, ErrorLog: slog.NewLogLogger(p.log.Handler(), slog.LevelWarn)}
	p.wg.Go(func() {
		if err := srv.Serve(l); !errors.Is(err, http.ErrServerClosed) {
			p.log.Error("demo server ended", "server", name, "err", err)
		}
	})
	return srv, l.Addr().String(), nil
}

// Close ends everything: streams, tails, servers and the simulation. It may be called more than once.
func (p *Platform) Close() error {
	p.closed.Do(func() {
		p.cancel()
		var errs []error
		p.mu.Lock()
		for _, m := range p.managers {
			m.engine.Close()
			if m.server != nil {
				errs = append(errs, m.server.Close())
				m.server = nil
			}
		}
		p.mu.Unlock()
		for _, s := range p.servers {
			errs = append(errs, s.Close())
		}
		p.logs.Close()
		p.wg.Wait()
		p.err = errors.Join(errs...)
	})
	return p.err
}

// DockerHost is the Engine API's address, as DOCKER_HOST has it.
func (p *Platform) DockerHost() string { return "tcp://" + p.addr["docker"] }

// LokiAddr is Loki's base URL.
func (p *Platform) LokiAddr() string { return "http://" + p.addr["loki"] }

// PrometheusURL is Prometheus' base URL.
func (p *Platform) PrometheusURL() string { return "http://" + p.addr["prometheus"] }

// AlertmanagerURL is Alertmanager's base URL.
func (p *Platform) AlertmanagerURL() string { return "http://" + p.addr["alertmanager"] }

// RegistryURL is the base URL of the registry that has the platform's images.
func (p *Platform) RegistryURL() string { return "http://" + p.addr["registry"] }

// GrafanaURL is Grafana's base URL.
func (p *Platform) GrafanaURL() string { return "http://" + p.addr["grafana"] }

// S3 is the object store's address, as QUARTERDECK_S3 has it.
func (p *Platform) S3() string {
	return "s3+http://" + p.addr["s3"] + "/" + objects.Bucket + "/" + objects.Prefix
}

// S3Env are the variables that hold the object store's keys. They open a simulation, and are no secret.
func (p *Platform) S3Env() map[string]string {
	return map[string]string{"AWS_ACCESS_KEY_ID": objects.AccessKey, "AWS_SECRET_ACCESS_KEY": objects.SecretKey, "AWS_REGION": objects.Region}
}

// RunnerImage is the image of the jobs that save and bring back. Its containers pretend.
func (p *Platform) RunnerImage() string { return world.RunnerImage }

// RegistryMirrors is where to ask instead of each registry that the services' images name, by its host.
func (p *Platform) RegistryMirrors() map[string]string {
	out := map[string]string{}
	for _, host := range p.images.Hosts() {
		out[host] = p.RegistryURL()
	}
	return out
}

// StartScenario begins an incident, or several whose names are parted by commas; one that runs already is left as it is.
func (p *Platform) StartScenario(name string) error { return p.world.StartScenario(name) }

// Running are the names of the incidents under way, sorted.
func (p *Platform) Running() []string { return p.world.Running() }

// StopScenario takes an incident's cause away; the platform recovers by its own means.
func (p *Platform) StopScenario(name string) error { return p.world.StopScenario(name) }

// Deploy starts a rolling update of a service to an image. A tag with "bad" or "broken" in it crashes at its
// start, one with "unhealthy" never passes its health check, one that begins with "missing" cannot be pulled.
func (p *Platform) Deploy(service, image string) error { return p.world.Deploy(service, image) }

// KillNode takes a node away, by name or id. A manager's, one of the first, cannot be killed.
func (p *Platform) KillNode(name string) error { return p.world.KillNode(name) }

// ReviveNode brings a node back.
func (p *Platform) ReviveNode(name string) error { return p.world.ReviveNode(name) }

// CrashLoop makes a service's tasks crash shortly after their start, or lets them live again.
func (p *Platform) CrashLoop(service string, on bool) error { return p.world.CrashLoop(service, on) }

// Burst lets one task of a service write lines at once; each carries burst=ID and seq=1..lines.
func (p *Platform) Burst(service string, lines int) error { return p.world.Burst(service, lines) }

// SetForbidEvents lets the Engine API's /events answer 403, as behind a socket proxy.
func (p *Platform) SetForbidEvents(on bool) {
	for _, m := range p.managers {
		m.engine.SetForbidEvents(on)
	}
}

// DropConnections cuts every open event stream, followed log and tail, as a lost connection does.
func (p *Platform) DropConnections() {
	for _, m := range p.managers {
		m.engine.DropConnections()
	}
	p.logs.DropConnections()
}
