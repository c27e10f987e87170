package docker

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/moby/moby/api/types/common"
	"github.com/moby/moby/api/types/swarm"
	"github.com/moby/moby/api/types/system"

	"quarterdeck/sources/demo/world"
)

// APIVersion is the newest version that is spoken, that of Engine 28.5.
const APIVersion = "1.51"

const minAPIVersion = "1.24"

// Server is the API as an http.Handler. Safe for concurrent use.
type Server struct {
	w       *world.World
	self    int // the manager that we speak for
	faults  *Faults
	mux     *http.ServeMux
	forbid  atomic.Bool
	mu      sync.Mutex
	streams map[*stream]struct{}
	stop    context.CancelFunc
	ended   context.Context //nolint:containedctx // ends all streams at Close
}

type stream struct{ cut context.CancelFunc }

// New makes a server of a world, the engine of its manager number self. Several servers may share their faults.
func New(w *world.World, self int, faults *Faults) *Server {
	s := &Server{w: w, self: self, faults: faults, mux: http.NewServeMux(), streams: map[*stream]struct{}{}}
	s.ended, s.stop = context.WithCancel(context.Background())
	for pattern, h := range map[string]func(http.ResponseWriter, *http.Request) error{
		"GET /_ping":                 s.ping,
		"GET /version":               s.version,
		"GET /info":                  s.info,
		"GET /swarm":                 s.swarm,
		"GET /services":              s.services,
		"POST /services/create":      s.create,
		"GET /services/{id}":         s.service,
		"DELETE /services/{id}":      s.remove,
		"POST /services/{id}/update": s.update,
		"GET /services/{id}/logs":    s.serviceLogs,
		"GET /tasks":                 s.tasks,
		"GET /tasks/{id}":            s.task,
		"GET /tasks/{id}/logs":       s.taskLogs,
		"GET /nodes":                 s.nodes,
		"GET /nodes/{id}":            s.node,
		"POST /nodes/{id}/update":    s.updateNode,
		"GET /networks":              s.networks,
		"GET /networks/{id}":         s.network,
		"POST /networks/create":      s.createNetwork,
		"DELETE /networks/{id}":      s.removeNetwork,
		"GET /secrets":               s.secrets,
		"GET /secrets/{id}":          s.secret,
		"POST /secrets/create":       s.createSecret,
		"POST /secrets/{id}/update":  s.labelSecret,
		"DELETE /secrets/{id}":       s.removeMaterial(world.SecretKind),
		"GET /configs":               s.configs,
		"GET /configs/{id}":          s.config,
		"POST /configs/create":       s.createConfig,
		"POST /configs/{id}/update":  s.labelConfig,
		"DELETE /configs/{id}":       s.removeMaterial(world.ConfigKind),
		"GET /distribution/{ref...}": s.distribution,
		"GET /events":                s.events,
		"GET /containers/json":       s.containers,
		"GET /containers/{id}/json":  s.container,

		"GET /demo/scenarios":           s.scenarios,
		"POST /demo/scenarios/{name}":   s.startScenario,
		"DELETE /demo/scenarios/{name}": s.stopScenario,
	} {
		s.mux.HandleFunc(pattern, func(rw http.ResponseWriter, r *http.Request) {
			s.faults.serve(rw, r, func(rw http.ResponseWriter) {
				err := s.managing(r.URL.Path)
				if err == nil {
					err = h(rw, r)
				}
				if err != nil {
					fail(rw, err)
				}
			})
		})
	}
	for pattern, absent := range map[string]string{
		"GET /images/{id}/json": "No such image: %s:latest", "GET /volumes/{id}": "get %s: no such volume", "GET /plugins/{id}/json": "plugin %q not found",
	} { // what `docker inspect` asks of a name before it gives up
		s.mux.HandleFunc(pattern, func(rw http.ResponseWriter, r *http.Request) {
			fail(rw, problem{http.StatusNotFound, fmt.Sprintf(absent, r.PathValue("id"))})
		})
	}
	s.mux.HandleFunc("/", elsewhere)
	return s
}

// managing refuses, on a node that is no manager any more, what only managers answer (moby daemon/cluster/errors.go).
func (s *Server) managing(path string) error {
	section, _, _ := strings.Cut(strings.TrimPrefix(path, "/"), "/")
	switch section {
	case "configs", "nodes", "secrets", "services", "swarm", "tasks":
		if s.w.Manager(s.self).ManagerStatus == nil {
			return problem{http.StatusServiceUnavailable, "This node is not a swarm manager. Worker nodes can't be used to view or modify cluster state. Please run this command on a manager node or promote the current node to a manager."}
		}
	}
	return nil
}

// sections are the first words of the engine's paths of which the demo knows few or none.
var sections = []string{
	"auth", "build", "commit", "configs", "containers", "distribution", "exec", "grpc", "images", "networks", "nodes", "plugins", "secrets", "services", "session", "swarm", "system", "volumes",
}

// elsewhere answers 501 to what the real engine may know and the demo does not, else 404 as the engine does.
func elsewhere(rw http.ResponseWriter, r *http.Request) {
	section, _, _ := strings.Cut(strings.TrimPrefix(r.URL.Path, "/"), "/")
	if slices.Contains(sections, section) {
		fail(rw, problem{http.StatusNotImplemented, "the demo's engine does not know " + r.Method + " " + r.URL.Path})
		return
	}
	fail(rw, problem{http.StatusNotFound, "page not found"})
}

// SetForbidEvents lets /events answer 403, as a socket proxy that does not allow it.
func (s *Server) SetForbidEvents(on bool) { s.forbid.Store(on) }

// DropConnections cuts every stream that is open.
func (s *Server) DropConnections() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for st := range s.streams {
		st.cut()
	}
}

// Close ends all streams for good.
func (s *Server) Close() { s.stop() }

// open registers a stream; its context ends with the request, at DropConnections and at Close.
func (s *Server) open(r *http.Request) (context.Context, func()) {
	ctx, cut := context.WithCancel(r.Context())
	unhook := context.AfterFunc(s.ended, cut)
	st := &stream{cut}
	s.mu.Lock()
	s.streams[st] = struct{}{}
	s.mu.Unlock()
	return ctx, func() {
		unhook()
		cut()
		s.mu.Lock()
		delete(s.streams, st)
		s.mu.Unlock()
	}
}

var versioned = regexp.MustCompile(`^/v(\d+)\.(\d+)(/.*)$`)

// ServeHTTP strips the version and serves.
func (s *Server) ServeHTTP(rw http.ResponseWriter, r *http.Request) {
	h := rw.Header()
	h.Set("Api-Version", APIVersion)
	h.Set("Docker-Experimental", "false")
	h.Set("Ostype", "linux")
	h.Set("Server", "Docker/"+world.EngineVersion+" (linux)")
	if m := versioned.FindStringSubmatch(r.URL.Path); m != nil {
		if bad := versionProblem(m[1], m[2]); bad != "" {
			fail(rw, problem{http.StatusBadRequest, bad})
			return
		}
		r = r.Clone(r.Context())
		r.URL.Path = m[3]
		r.URL.RawPath = ""
	}
	s.mux.ServeHTTP(rw, r)
}

func versionProblem(major, minor string) string {
	asked := major + "." + minor
	switch {
	case less(asked, minAPIVersion):
		return "client version " + asked + " is too old. Minimum supported API version is " + minAPIVersion + ", please upgrade your client to a newer version"
	case less(APIVersion, asked):
		return "client version " + asked + " is too new. Maximum supported API version is " + APIVersion
	}
	return ""
}

func less(a, b string) bool {
	x, y, _ := strings.Cut(a, ".")
	p, q, _ := strings.Cut(b, ".")
	if x != p {
		return len(x) < len(p) || len(x) == len(p) && x < p
	}
	return len(y) < len(q) || len(y) == len(q) && y < q
}

// problem is an answer that is not a success.
type problem struct {
	status  int
	message string
}

// Error is the message that the client sees.
func (p problem) Error() string { return p.message }

// fail writes an error as the engine does: {"message": …} with the status that fits.
func fail(rw http.ResponseWriter, err error) {
	p := problem{http.StatusInternalServerError, err.Error()}
	for kind, status := range map[error]int{world.ErrNotFound: http.StatusNotFound, world.ErrConflict: http.StatusConflict, world.ErrInvalid: http.StatusBadRequest, world.ErrUnimplemented: http.StatusNotImplemented} {
		if errors.Is(err, kind) {
			p = problem{status, strings.TrimSuffix(err.Error(), ": "+kind.Error())}
		}
	}
	var own problem
	if errors.As(err, &own) {
		p = own
	}
	rw.Header().Set("Content-Type", "application/json")
	rw.WriteHeader(p.status)
	_ = json.NewEncoder(rw).Encode(common.ErrorResponse{Message: p.message})
}

func answer(rw http.ResponseWriter, v any) error {
	return answerStatus(rw, http.StatusOK, v)
}

func answerStatus(rw http.ResponseWriter, status int, v any) error {
	rw.Header().Set("Content-Type", "application/json")
	rw.WriteHeader(status)
	_ = json.NewEncoder(rw).Encode(v) // the client has gone: nobody is left to tell
	return nil
}

func (s *Server) ping(rw http.ResponseWriter, r *http.Request) error {
	h := rw.Header()
	h.Set("Cache-Control", "no-cache, no-store, must-revalidate")
	h.Set("Pragma", "no-cache")
	h.Set("Builder-Version", "2")
	h.Set("Swarm", "active/manager")
	h.Set("Content-Type", "text/plain; charset=utf-8")
	if r.Method == http.MethodHead {
		h.Set("Content-Length", "0")
		return nil
	}
	_, _ = rw.Write([]byte("OK"))
	return nil
}

func (s *Server) version(rw http.ResponseWriter, _ *http.Request) error {
	v := system.VersionResponse{
		Platform: system.PlatformInfo{Name: "Docker Engine - Quarterdeck demo"}, Version: world.EngineVersion, APIVersion: APIVersion, MinAPIVersion: minAPIVersion,
		Os: "linux", Arch: "amd64", GitCommit: "demo", GoVersion: "go1.24.8", KernelVersion: "6.1.0-demo", BuildTime: "2025-11-05T14:43:26.000000000+00:00",
	}
	v.Components = []system.ComponentVersion{{Name: "Engine", Version: v.Version, Details: map[string]string{
		"ApiVersion": APIVersion, "MinAPIVersion": minAPIVersion, "Os": "linux", "Arch": "amd64", "Experimental": "false", "GitCommit": v.GitCommit, "GoVersion": v.GoVersion, "KernelVersion": v.KernelVersion, "BuildTime": v.BuildTime,
	}}}
	return answer(rw, v)
}

func (s *Server) info(rw http.ResponseWriter, _ *http.Request) error {
	self, nodes, cluster := s.w.Manager(s.self), s.w.Nodes(), s.w.Cluster()
	managers := 0
	var peers []swarm.Peer
	for i := range nodes {
		if m := nodes[i].ManagerStatus; m != nil {
			managers++
			peers = append(peers, swarm.Peer{NodeID: nodes[i].ID, Addr: m.Addr})
		}
	}
	boxes := s.w.Boxes(seconds(s.w), seconds(s.w), func(c *world.Container) bool { return c.NodeID == self.ID })
	return answer(rw, system.Info{
		ID: "demo-" + self.ID, Containers: len(boxes), ContainersRunning: len(boxes), Images: 14, Driver: "overlay2", Name: self.Description.Hostname,
		ServerVersion: world.EngineVersion, OSType: "linux", OperatingSystem: "Quarterdeck demo (a simulation)", Architecture: "x86_64", KernelVersion: "6.1.0-demo",
		NCPU: int(self.Description.Resources.NanoCPUs / 1e9), MemTotal: self.Description.Resources.MemoryBytes, LoggingDriver: "json-file", CgroupDriver: "systemd", CgroupVersion: "2",
		SystemTime: s.w.Now().UTC().Format("2006-01-02T15:04:05.000000000Z"), Labels: []string{}, DockerRootDir: "/var/lib/docker", IndexServerAddress: "https://index.docker.io/v1/", LiveRestoreEnabled: false,
		Swarm: swarm.Info{NodeID: self.ID, NodeAddr: self.Status.Addr, LocalNodeState: swarm.LocalNodeStateActive, ControlAvailable: self.ManagerStatus != nil, RemoteManagers: peers, Nodes: len(nodes), Managers: managers, Cluster: &cluster},
	})
}

func (s *Server) swarm(rw http.ResponseWriter, _ *http.Request) error {
	return answer(rw, swarm.Swarm{ClusterInfo: s.w.Cluster(), JoinTokens: swarm.JoinTokens{Worker: "SWMTKN-1-demo-worker", Manager: "SWMTKN-1-demo-manager"}})
}

func seconds(w *world.World) float64 { return float64(w.Now().UnixNano()) / 1e9 }
