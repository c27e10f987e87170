package runner

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"quarterdeck/recovery"
	"quarterdeck/sources"
)

// memory is an object store without a network.
type memory struct {
	mu   sync.Mutex
	has  map[string][]byte
	fail func(op, key string) error // nil: nothing fails
}

var _ sources.Objects = (*memory)(nil)

func (m *memory) begin(op, key string) (func(), error) {
	m.mu.Lock()
	if m.has == nil {
		m.has = map[string][]byte{}
	}
	if m.fail != nil {
		if err := m.fail(op, key); err != nil {
			m.mu.Unlock()
			return nil, err
		}
	}
	return m.mu.Unlock, nil
}

func (m *memory) List(_ context.Context, prefix string) ([]sources.Object, error) {
	end, err := m.begin("list", prefix)
	if err != nil {
		return nil, err
	}
	defer end()
	var out []sources.Object
	for k, v := range m.has {
		if strings.HasPrefix(k, prefix) {
			out = append(out, sources.Object{Key: k, Size: int64(len(v))})
		}
	}
	slices.SortFunc(out, func(a, b sources.Object) int { return strings.Compare(a.Key, b.Key) })
	return out, nil
}

func (m *memory) Get(_ context.Context, key string, _ int64) ([]byte, error) {
	end, err := m.begin("get", key)
	if err != nil {
		return nil, err
	}
	defer end()
	v, ok := m.has[key]
	if !ok {
		return nil, &sources.Error{Source: "backups", Kind: sources.NotFound, Op: "read " + key}
	}
	return bytes.Clone(v), nil
}

func (m *memory) Put(_ context.Context, key string, data []byte) error {
	end, err := m.begin("put", key)
	if err != nil {
		return err
	}
	defer end()
	m.has[key] = bytes.Clone(data)
	return nil
}

func (m *memory) Create(_ context.Context, key string, data []byte) error {
	end, err := m.begin("create", key)
	if err != nil {
		return err
	}
	defer end()
	if _, ok := m.has[key]; ok {
		return &sources.Error{Source: "backups", Kind: sources.Conflict, Op: "write " + key}
	}
	m.has[key] = bytes.Clone(data)
	return nil
}

func (m *memory) Remove(_ context.Context, key string) error {
	end, err := m.begin("remove", key)
	if err != nil {
		return err
	}
	defer end()
	delete(m.has, key)
	return nil
}

// place is what the tests of jobs stand on: a store, a repository's secret, a volume.
type place struct {
	t       *testing.T
	objects *memory
	secret  Repository
	data    string
	pass    string // the file with the service's password
	out     bytes.Buffer
	n       int
}

const (
	repositorySecret = "repo-hunter2-secret"
	serviceSecret    = "db-hunter2-secret"
	nodeID           = "node1"
)

func newPlace(t *testing.T) *place {
	dir := t.TempDir()
	p := &place{t: t, objects: &memory{}, data: t.TempDir(), pass: dir + "/password"}
	p.secret = Repository{"RESTIC_REPOSITORY": dir + "/repository", "RESTIC_PASSWORD": repositorySecret, "QUARTERDECK_S3": "s3+http://127.0.0.1:1/none"}
	write(t, p.pass, serviceSecret+"\n")
	return p
}

// runner is one for a job of this place; each job has a name of its own.
func (p *place) runner(j recovery.Job) *Runner {
	p.n++
	j.Run, j.Name, j.Attempt = "run1", string(j.Kind)+string(rune('a'+p.n)), 1
	j.Service, j.Environment, j.Node = "shop_db", "lab", nodeID
	if j.Kind == recovery.JobBackup && j.Origin == "" {
		j.Origin = recovery.Manual
	}
	return &Runner{Job: j, Repository: p.secret, Objects: p.objects, Out: &p.out, DataDir: p.data, PasswordFile: p.pass,
		Patience: Patience{Store: 2 * time.Second, Server: 20 * time.Second, Lock: time.Second, Stop: 3 * time.Second}}
}

// run does a job.
func (p *place) run(j recovery.Job) recovery.Result {
	p.t.Helper()
	res := p.runner(j).Run(p.t.Context())
	p.secrets()
	return res
}

// well does a job that must go well.
func (p *place) well(j recovery.Job) recovery.Result {
	p.t.Helper()
	res := p.run(j)
	if !res.OK {
		p.t.Fatalf("%s: %s: %s (%s)\n%s", j.Kind, res.Code, res.Reason, res.Next, p.out.String())
	}
	return res
}

// secrets looks whether one was told.
func (p *place) secrets() {
	p.t.Helper()
	for _, s := range []string{repositorySecret, serviceSecret} {
		if strings.Contains(p.out.String(), s) {
			p.t.Errorf("a secret is in the events:\n%s", p.out.String())
		}
		for k, v := range p.objects.has {
			if bytes.Contains(v, []byte(s)) {
				p.t.Errorf("a secret is in the object %s: %s", k, v)
			}
		}
	}
}

// events are the lines that were written.
func (p *place) events() []recovery.Event {
	p.t.Helper()
	var out []recovery.Event
	for line := range strings.Lines(p.out.String()) {
		var e recovery.Event
		if err := json.Unmarshal([]byte(line), &e); err != nil || e.QD != 1 {
			p.t.Fatalf("no event: %q: %v", line, err)
		}
		out = append(out, e)
	}
	return out
}

var errAway = &sources.Error{Source: "backups", Kind: sources.Unreachable, Op: "write", Err: errors.New("connection refused")}
