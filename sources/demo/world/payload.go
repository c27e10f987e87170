package world

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/moby/moby/api/types/swarm"
)

// jobFile is where a container finds the job that it is to do. A container without one is no runner.
const jobFile = "/qd/job.json"

// job is what a runner is told, as far as it matters here.
type job struct {
	Run      string         `json:"run"`
	Name     string         `json:"name"`
	Attempt  int            `json:"attempt"`
	Kind     string         `json:"kind"`
	Service  string         `json:"service"`
	Env      string         `json:"environment"`
	Engine   string         `json:"engine"`
	Host     string         `json:"host"`
	DB       string         `json:"db"`
	Volume   string         `json:"volume"`
	Node     string         `json:"node"`
	Origin   string         `json:"origin"`
	Due      time.Time      `json:"due"`
	Snapshot string         `json:"snapshot"`
	Fresh    bool           `json:"fresh"`
	Verify   string         `json:"verify"`
	Keep     map[string]int `json:"keep"`
}

// outcome is what came of a job.
type outcome struct {
	Run      string         `json:"run"`
	Name     string         `json:"name"`
	Attempt  int            `json:"attempt"`
	Kind     string         `json:"kind"`
	Service  string         `json:"service"`
	Node     string         `json:"node,omitempty"`
	Began    time.Time      `json:"began"`
	Ended    time.Time      `json:"ended"`
	OK       bool           `json:"ok"`
	Code     string         `json:"code,omitempty"`
	Reason   string         `json:"reason,omitempty"`
	Next     string         `json:"next,omitempty"`
	Touched  bool           `json:"touched,omitempty"`
	Snapshot *savedSnapshot `json:"snapshot,omitempty"`
	Bytes    int64          `json:"bytes,omitempty"`
	Server   string         `json:"server,omitempty"`
	Verified *verified      `json:"verified,omitempty"`
	Forgot   []string       `json:"forgot,omitempty"`
}

// mishap is why a job fails.
type mishap struct{ code, reason, next string }

// payload is a job that a task does.
type payload struct {
	w       *World
	t       *Task
	job     job
	out     outcome
	phase   string
	claimed bool
	done    bool
}

// stage is a part of a job: it takes its time, says how far it is, and may fail at its end.
type stage struct {
	phase string
	bytes int64
	took  time.Duration
	do    func() *mishap // nil: it cannot fail
}

// jobOf is the job of a task's spec, nil where it has none or there is no store for what comes of it.
func (w *World) jobOf(c *swarm.ContainerSpec) *job {
	if w.store == nil || c == nil {
		return nil
	}
	for _, r := range referencesOf(ConfigKind, c) {
		if r.target != jobFile {
			continue
		}
		if i, err := w.material(ConfigKind, r.id); err == nil {
			var j job
			if json.Unmarshal(w.materials[ConfigKind][i].data, &j) != nil {
				j = job{}
			}
			return &j
		}
	}
	return nil
}

// work lets a task that has begun to run do its job, as the runner of package recovery/runner would: it claims the job, takes some seconds, writes its result,
// and ends. Nothing is saved and nothing brought back: the world has no data.
func (w *World) work(t *Task, j *job) {
	p := &payload{w: w, t: t, job: *j}
	p.out = outcome{Run: j.Run, Name: j.Name, Attempt: j.Attempt, Kind: j.Kind, Service: j.Service, Node: t.node.Description.Hostname, Began: w.now().UTC()}
	t.payload = p
	if j.Run == "" || j.Name == "" || strings.ContainsAny(j.Run+j.Name, "/.") {
		p.end(&mishap{"not-understood", "the job's file is none", "look at the config that is mounted at " + jobFile})
		return
	}
	p.begin("claim", "this is a simulation: nothing is saved, and nothing is brought back")
	claim, _ := json.Marshal(map[string]any{"node": p.out.Node, "time": w.now().UTC()}) // these types always marshal
	made, err := w.store.Create(p.base()+"claim.json", claim)
	switch {
	case err != nil:
		p.end(&mishap{"no-store", "the object store does not answer: " + err.Error(), "look at the object store"})
		return
	case !made:
		p.end(&mishap{"claimed-before", "another container has had this job already", "wait for that one's result, or make the job anew with another attempt"})
		return
	}
	p.claimed = true
	stages := p.stages()
	if stages == nil {
		p.end(&mishap{"not-understood", fmt.Sprintf("a job of kind %q is none", j.Kind), "use a runner of the console's own version"})
		return
	}
	p.next(stages)
}

func (p *payload) base() string {
	return fmt.Sprintf("runs/%s/%s.%d.", p.job.Run, p.job.Name, p.job.Attempt)
}

// next does the first of the stages, and then the others.
func (p *payload) next(stages []stage) {
	if len(stages) == 0 {
		p.end(nil)
		return
	}
	s := stages[0]
	p.begin(s.phase, "")
	const parts = 8
	part := 0
	var on func()
	on = func() {
		if part++; s.bytes > 0 {
			p.say(map[string]any{"done": s.bytes * int64(part) / parts, "total": s.bytes})
		}
		if part < parts {
			p.w.then(p.t, s.took/parts, on)
			return
		}
		if s.do != nil {
			switch m := s.do(); m {
			case nil:
			case again:
				p.next(stages)
				return
			default:
				p.end(m)
				return
			}
		}
		p.next(stages[1:])
	}
	p.w.then(p.t, s.took/parts, on)
}

// begin opens a phase; say writes a line of progress.
func (p *payload) begin(phase, text string) {
	p.phase = phase
	more := map[string]any{}
	if text != "" {
		more["text"] = text
	}
	p.say(more)
}

func (p *payload) say(more map[string]any) {
	more["qd"], more["time"], more["phase"] = 1, p.w.now().UTC(), p.phase
	line, err := json.Marshal(more)
	if err != nil {
		p.w.log.Warn("demo: a line is lost", "err", err)
		return
	}
	p.w.say(p.t.box, Info, string(line))
}

// end writes what came of it, and ends the container.
func (p *payload) end(m *mishap) {
	p.result(m)
	if m == nil {
		p.w.end(p.t, swarm.TaskStateComplete, "finished", "", exit(0))
		return
	}
	p.w.fail(p.t, 1)
}

func (p *payload) result(m *mishap) {
	p.done = true
	p.out.Ended, p.out.OK = p.w.now().UTC(), m == nil
	if m != nil {
		p.out.Code, p.out.Reason, p.out.Next = m.code, m.reason, m.next
	}
	if p.claimed { // else the place of the result is another's
		p.begin("result", "")
		p.w.keepRecord(p.base()+"result.json", &p.out)
	}
	p.phase = "ended"
	p.say(map[string]any{"result": p.out})
}

// interrupt is the container being told to stop.
func (p *payload) interrupt() {
	if !p.done {
		p.result(&mishap{"interrupted", "the container was told to stop", "do it again"})
	}
}

// stages are what a job of its kind does; nil: there is no such kind.
func (p *payload) stages() []stage {
	open := stage{"repository", 0, 600 * time.Millisecond, p.open}
	switch p.job.Kind {
	case "backup":
		s, d := p.saved()
		if d == nil {
			return []stage{{"repository", 0, 600 * time.Millisecond, func() *mishap {
				return &mishap{"dump-failed", p.job.Service + " has nothing that could be saved", "look at its labels qd.backup"}
			}}}
		}
		taken := p.w.now()
		x := p.w.snapshotOf(s, d, p.job.Origin, p.job.Run, taken)
		x.Environment, x.Due = p.job.Env, p.job.Due
		return []stage{open, {"dump", x.Size, 4 * time.Second, p.reach}, {"verify", 0, 800 * time.Millisecond, nil}, {"record", 0, 200 * time.Millisecond, func() *mishap {
			x.Ended = p.w.now().UTC()
			p.w.saveSnapshot(x)
			p.out.Snapshot, p.out.Bytes, p.out.Server = &x, x.Size, x.Server
			return nil
		}}}
	case "check":
		return []stage{{"read", 0, 200 * time.Millisecond, nil}, open, {"read", 0, 400 * time.Millisecond, p.check}}
	case "restore":
		size := p.w.snapshots[p.job.Snapshot].Size
		return []stage{open, {"server", 0, 800 * time.Millisecond, p.server(60)}, {"restore", size, 4 * time.Second, p.restored}, {"verify", 0, time.Second, p.verify}}
	case "audit":
		return []stage{open, {"read", 0, 2 * time.Second, nil}}
	case "forget":
		return []stage{open, {"forget", 0, 600 * time.Millisecond, p.forget}, {"prune", 0, time.Second, nil}}
	}
	return nil
}

// saved is the service that is to be saved, and what it has.
func (p *payload) saved() (*Service, *dataset) {
	s, err := p.w.find(p.job.Service)
	if err != nil {
		return nil, nil
	}
	d := datasetOf(s)
	if d != nil && p.job.Engine != d.engine { // by its files, where its server is down
		d = &dataset{engine: p.job.Engine, volume: p.job.Volume, size: d.size}
	}
	return s, d
}

// open is the repository.
func (p *payload) open() *mishap {
	if p.w.incident["restore-wrong-password"] != nil {
		return &mishap{"wrong-password", "the repository's password is wrong, or its keys are gone", "give the repository's own password as RESTIC_PASSWORD in its secret"}
	}
	return nil
}

// reach is the server that is dumped.
func (p *payload) reach() *mishap {
	if p.job.Host == "" || p.answers() {
		return nil
	}
	return &mishap{"no-server", p.job.Engine + " at " + p.job.Host + " does not answer", "look at the service's own log"}
}

// answers tells whether a task of the service that Host names runs.
func (p *payload) answers() bool {
	s, err := p.w.find(strings.TrimPrefix(p.job.Host, "tasks."))
	return err == nil && len(p.w.atWork(s)) > 0
}

// check is what a restore needs to know before.
func (p *payload) check() *mishap {
	x, known := p.w.snapshots[p.job.Snapshot]
	switch {
	case !known:
		return &mishap{"no-snapshot", "the repository has no snapshot " + p.job.Snapshot, "choose one of those that `quarterdeck snapshots` lists"}
	case x.Service != p.job.Service:
		return &mishap{"other-service", fmt.Sprintf("the snapshot %.8s is of %q, not of %q", x.ID, x.Service, p.job.Service), "choose one of those that `quarterdeck snapshots " + p.job.Service + "` lists"}
	case p.w.incident["restore-node-full"] != nil:
		return &mishap{"no-space", fmt.Sprintf("the volume has %d MB free, and the restore needs %d MB", x.Size/mib/5, x.Size/mib*3/2), "make room on the node, or choose a smaller snapshot"}
	}
	p.out.Snapshot, p.out.Server = &x, x.Server
	return nil
}

// server waits until the server that the data goes into answers, and gives up after so many looks.
func (p *payload) server(looks int) func() *mishap {
	return func() *mishap {
		if p.job.Host == "" || p.answers() {
			return p.found()
		}
		if looks--; looks < 0 {
			return p.reach()
		}
		return again
	}
}

// again is no failure: the stage begins anew.
var again = &mishap{}

// found is the snapshot that is to be brought back. From here on the place is not what it was.
func (p *payload) found() *mishap {
	x, known := p.w.snapshots[p.job.Snapshot]
	if !known || x.Service != p.job.Service {
		return &mishap{"no-snapshot", "the repository has no snapshot " + p.job.Snapshot + " of " + p.job.Service, "choose one of those that `quarterdeck snapshots` lists"}
	}
	p.out.Snapshot, p.out.Touched = &x, true
	return nil
}

func (p *payload) restored() *mishap {
	p.out.Bytes, p.out.Server = p.out.Snapshot.Size, p.out.Snapshot.Server
	return nil
}

func (p *payload) verify() *mishap {
	if p.job.Verify == "" {
		return nil
	}
	p.out.Verified = &verified{Command: p.job.Verify}
	if p.w.incident["verify-fails"] == nil {
		return nil
	}
	p.out.Verified.Exit, p.out.Verified.Output = 1, "0 rows of orders since yesterday, at least 1 wanted\n"
	return &mishap{"verify-failed", "the data is back, and the policy's command says no (exit 1): 0 rows of orders since yesterday, at least 1 wanted", "run qd.backup.verify by hand, and look at an older snapshot"}
}

// forget removes what the policy does not keep, by restic's rules.
func (p *payload) forget() *mishap {
	var all []savedSnapshot
	for _, x := range p.w.snapshots {
		if x.Service == p.job.Service {
			all = append(all, x)
		}
	}
	slices.SortFunc(all, func(a, b savedSnapshot) int { return b.Taken.Compare(a.Taken) })
	stays := map[string]bool{}
	for rule, layout := range map[string]string{"last": time.RFC3339Nano, "hourly": "2006-01-02T15", "daily": "2006-01-02", "weekly": "", "monthly": "2006-01", "yearly": "2006"} {
		seen := map[string]bool{}
		for _, x := range all {
			name := x.Taken.Format(layout)
			if rule == "weekly" {
				year, week := x.Taken.ISOWeek()
				name = fmt.Sprint(year, week)
			}
			if !seen[name] && len(seen) < p.job.Keep[rule] {
				seen[name], stays[x.ID] = true, true
			}
		}
	}
	for _, x := range all {
		if len(p.job.Keep) == 0 || stays[x.ID] {
			continue
		}
		if err := p.w.store.Remove(x.key()); err != nil {
			return &mishap{"no-store", "a record could not be removed: " + err.Error(), "look at the object store"}
		}
		delete(p.w.snapshots, x.ID)
		p.out.Forgot = append(p.out.Forgot, x.ID)
	}
	return nil
}
