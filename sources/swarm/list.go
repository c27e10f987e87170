package swarm

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"sync"
	"time"

	"github.com/moby/moby/api/types/network"
	"github.com/moby/moby/api/types/swarm"
	"github.com/moby/moby/client"

	"quarterdeck/sources"
)

// memories are what a watch remembers between listings. Each is used by one call at a time.
type memories struct {
	nodes    memory[sources.Node]
	services memory[sources.Service]
	tasks    memory[sources.Task]
	networks memory[sources.Network]
	secrets  memory[sources.Reference]
	configs  memory[sources.Reference]
}

// List reads everything once. What the endpoint does not allow is nil and named in World.Missing; services
// that cannot be read are an error.
func (c *Client) List(ctx context.Context) (*sources.World, error) {
	engine, err := c.engine(ctx)
	if err != nil {
		return nil, err
	}
	got, err := c.listAll(ctx, nil)
	if err != nil {
		return nil, err
	}
	got.world.Engine = engine
	return got.world, nil
}

// listed is a whole listing with the hashes of its tasks.
type listed struct {
	world      *sources.World
	taskHashes []uint64
	took       time.Duration // of the tasks alone
}

// listAll reads all lists side by side; m may be nil.
func (c *Client) listAll(parent context.Context, m *memories) (listed, error) {
	if m == nil {
		m = &memories{}
	}
	w := &sources.World{At: time.Now()}
	out := listed{world: w}
	var mu sync.Mutex
	var failed error
	ctx, cancel := context.WithCancel(parent)
	defer cancel()
	missing := map[string]bool{}
	var wg sync.WaitGroup
	read := func(what string, needed bool, f func() error) {
		wg.Go(func() {
			err := f()
			if err == nil {
				return
			}
			mu.Lock()
			defer mu.Unlock()
			if !needed && refusedFor(err) {
				missing[what] = true
				return
			}
			if failed == nil { // the first; the rest only say that they were cancelled
				failed = err
			}
			cancel()
		})
	}
	// The version is agreed once, before six calls want it at the same time.
	if err := c.do(ctx, "connect", func(context.Context, *client.Client) error { return nil }); err != nil {
		return out, err
	}
	read("services", true, func() (err error) { w.Services, err = c.services(ctx, &m.services, nil); return err })
	read("tasks", false, func() (err error) {
		start := time.Now()
		w.Tasks, out.taskHashes, err = c.tasks(ctx, &m.tasks, nil)
		out.took = time.Since(start)
		return err
	})
	read("nodes", false, func() (err error) { w.Nodes, err = c.nodes(ctx, &m.nodes); return err })
	read("networks", false, func() (err error) { w.Networks, err = c.networks(ctx, &m.networks); return err })
	read("secrets", false, func() (err error) { w.Secrets, err = c.secrets(ctx, &m.secrets); return err })
	read("configs", false, func() (err error) { w.Configs, err = c.configs(ctx, &m.configs); return err })
	wg.Wait()
	if failed != nil {
		return out, c.withManagers(parent, failed)
	}
	for _, what := range []string{"tasks", "nodes", "networks", "secrets", "configs"} {
		if missing[what] {
			w.Missing = append(w.Missing, what)
		}
	}
	return out, nil
}

// refusedFor tells a call that a proxy does not let through from one that failed.
func refusedFor(err error) bool {
	switch sources.KindOf(err) {
	case sources.Forbidden, sources.NotFound, sources.Unauthorised:
		return true
	}
	var r *refusal
	return errors.As(err, &r) && (r.status == 405 || r.status == 501)
}

func (c *Client) services(ctx context.Context, m *memory[sources.Service], ids []string) ([]sources.Service, error) {
	f := client.Filters{}
	if len(ids) > 0 {
		f.Add("id", ids...)
	}
	got, _, err := list(ctx, c, m, len(ids) > 0, "list services", toService, func(ctx context.Context, api *client.Client) ([]swarm.Service, error) {
		r, err := api.ServiceList(ctx, client.ServiceListOptions{Filters: f})
		return r.Items, err
	})
	return got, err
}

// tasks lists the tasks of the services named, or all. The engine answers NotFound if one of the services is gone.
func (c *Client) tasks(ctx context.Context, m *memory[sources.Task], services []string) ([]sources.Task, []uint64, error) {
	f := client.Filters{}
	if len(services) > 0 {
		f.Add("service", services...)
	}
	return c.tasksWhere(ctx, m, f)
}

func (c *Client) tasksWhere(ctx context.Context, m *memory[sources.Task], f client.Filters) ([]sources.Task, []uint64, error) {
	return list(ctx, c, m, len(f) > 0, "list tasks", toTask, func(ctx context.Context, api *client.Client) ([]swarm.Task, error) {
		r, err := api.TaskList(ctx, client.TaskListOptions{Filters: f})
		return r.Items, err
	})
}

func (c *Client) nodes(ctx context.Context, m *memory[sources.Node]) ([]sources.Node, error) {
	got, _, err := list(ctx, c, m, false, "list nodes", toNode, func(ctx context.Context, api *client.Client) ([]swarm.Node, error) {
		r, err := api.NodeList(ctx, client.NodeListOptions{})
		return r.Items, err
	})
	return got, err
}

func (c *Client) networks(ctx context.Context, m *memory[sources.Network]) ([]sources.Network, error) {
	got, _, err := list(ctx, c, m, false, "list networks", toNetwork, func(ctx context.Context, api *client.Client) ([]network.Summary, error) {
		r, err := api.NetworkList(ctx, client.NetworkListOptions{Filters: client.Filters{}.Add("scope", "swarm")})
		return r.Items, err
	})
	return got, err
}

func (c *Client) secrets(ctx context.Context, m *memory[sources.Reference]) ([]sources.Reference, error) {
	got, _, err := list(ctx, c, m, false, "list secrets", toSecret, func(ctx context.Context, api *client.Client) ([]swarm.Secret, error) {
		r, err := api.SecretList(ctx, client.SecretListOptions{})
		return r.Items, err
	})
	return got, err
}

func (c *Client) configs(ctx context.Context, m *memory[sources.Reference]) ([]sources.Reference, error) {
	got, _, err := list(ctx, c, m, false, "list configs", toConfig, func(ctx context.Context, api *client.Client) ([]swarm.Config, error) {
		r, err := api.ConfigList(ctx, client.ConfigListOptions{})
		return r.Items, err
	})
	return got, err
}

// engine asks the engine who it is. A proxy that forbids /info leaves all but the API version unknown; a node that is no
// manager is an error that names the managers.
func (c *Client) engine(ctx context.Context) (sources.EngineInfo, error) {
	var e sources.EngineInfo
	var info client.SystemInfoResult
	err := c.do(ctx, "ask the engine who it is", func(ctx context.Context, api *client.Client) (err error) {
		e.API = api.ClientVersion()
		if info, err = api.Info(ctx, client.InfoOptions{}); err == nil && !info.Info.Swarm.ControlAvailable {
			err = notManager(seatOf(ctx), info.Info.Swarm)
		}
		return err
	})
	if err != nil {
		var r *refusal
		if refusedFor(err) && errors.As(err, &r) && e.API != "" {
			e.Manager = true // not known to be none: the listing tells
			return e, nil
		}
		return e, err
	}
	i := &info.Info
	e.Version, e.NodeID, e.Manager, e.Name = i.ServerVersion, i.Swarm.NodeID, i.Swarm.ControlAvailable, i.Name
	if i.Swarm.Cluster != nil {
		e.ClusterID = i.Swarm.Cluster.ID
	}
	return e, nil
}

// notManager says which engine it is that cannot serve, why, and where to go instead.
func notManager(at string, s swarm.Info) error {
	e := &sources.Error{Source: name, Kind: sources.NotManager, Op: "read the swarm"}
	switch {
	case s.LocalNodeState == swarm.LocalNodeStateLocked:
		e.Kind, e.Err, e.Next = sources.Unauthorised, errLocked, "run `docker swarm unlock` on this manager"
		return e
	case s.LocalNodeState == swarm.LocalNodeStateInactive || s.LocalNodeState == "":
		e.Err = fmt.Errorf("the engine at %s is in no swarm", at)
		e.Next = "point --host or --context at a manager, or run `docker swarm init` there"
		return e
	case s.Error != "":
		e.Err = fmt.Errorf("the engine at %s is no manager that works: %s", at, s.Error)
	default:
		e.Err = fmt.Errorf("the engine at %s is a worker", at)
	}
	e.Next = "point --host at a manager"
	var addrs []string
	for _, p := range s.RemoteManagers {
		if host, _, err := net.SplitHostPort(p.Addr); err == nil {
			addrs = append(addrs, host)
		}
	}
	if len(addrs) > 0 {
		e.Next = "point --host at one of the managers: " + strings.Join(addrs, ", ")
	}
	return e
}

// withManagers adds the managers' addresses to an error that says no more than "not a manager".
func (c *Client) withManagers(ctx context.Context, err error) error {
	if sources.KindOf(err) != sources.NotManager {
		return err
	}
	if _, better := c.engine(ctx); sources.KindOf(better) == sources.NotManager {
		return better
	}
	return err
}
