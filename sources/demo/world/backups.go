package world

import (
	"encoding/json"
	"math"
	"strings"
	"time"

	"github.com/moby/moby/api/types/swarm"
)

// Store is where records of backups are kept. Safe for concurrent use; it must not call back.
type Store interface {
	Put(key string, data []byte) error
	// Create writes an object if there is none of that key.
	Create(key string, data []byte) (made bool, err error)
	Remove(key string) error
}

// The image of the jobs, and the secret that tells them of the repository.
const (
	RunnerImage      = "registry.quarterdeck.demo/quarterdeck/runner:1.0.0"
	RepositorySecret = "qd-repository"
	// environment is what snapshots carry as their host: the demo's context.
	environment = "demo"
)

// savedSnapshot, savedDrill and savedDay are records of recovery's catalogue, field by field: a source knows nothing of what is done with it.
type savedSnapshot struct {
	ID          string    `json:"id"`
	Service     string    `json:"service"`
	Environment string    `json:"environment"`
	Engine      string    `json:"engine"`
	DB          string    `json:"db,omitempty"`
	Volume      string    `json:"volume,omitempty"`
	Node        string    `json:"node,omitempty"`
	Origin      string    `json:"origin"`
	Due         time.Time `json:"due,omitzero"`
	Run         string    `json:"run"`
	Taken       time.Time `json:"taken"`
	Ended       time.Time `json:"ended"`
	Size        int64     `json:"size"`
	Added       int64     `json:"added"`
	Server      string    `json:"server,omitempty"`
	Verified    bool      `json:"verified"`
}

type savedDrill struct {
	Run      string    `json:"run"`
	Service  string    `json:"service"`
	Engine   string    `json:"engine"`
	Snapshot string    `json:"snapshot"`
	Taken    time.Time `json:"taken"`
	Began    time.Time `json:"began"`
	Ended    time.Time `json:"ended"`
	OK       bool      `json:"ok"`
	RTO      float64   `json:"rto"`
	RPO      float64   `json:"rpo"`
	Bytes    int64     `json:"bytes"`
	Verified *verified `json:"verified,omitempty"`
	Actor    string    `json:"actor,omitempty"`
}

type savedDay struct {
	Run    string          `json:"run"`
	Stack  string          `json:"stack"`
	Actor  string          `json:"actor"`
	Began  time.Time       `json:"began"`
	Ended  time.Time       `json:"ended"`
	Drills []savedDayDrill `json:"drills"`
	Left   []struct{}      `json:"left"` // none: all of the stack's data was tried
}

type savedDayDrill struct {
	Service  string      `json:"service"`
	Engine   string      `json:"engine"`
	State    string      `json:"state"`
	Run      string      `json:"run"`
	Snapshot string      `json:"snapshot"`
	Taken    time.Time   `json:"taken"`
	Allowed  float64     `json:"allowed"`
	Drill    *savedDrill `json:"drill"`
}

type verified struct {
	Command string `json:"command"`
	Exit    int    `json:"exit"`
	Output  string `json:"output"`
}

// keyTime is a moment as keys have it.
func keyTime(t time.Time) string { return t.UTC().Format("20060102T150405.000Z") }

func (s *savedSnapshot) key() string {
	return "records/snapshots/" + s.Service + "/" + keyTime(s.Taken) + "-" + s.ID[:8] + ".json"
}

func (d *savedDrill) key() string {
	return "records/drills/" + d.Service + "/" + keyTime(d.Began) + "-" + d.Run + ".json"
}

// keepRecord writes a record. What the store refuses is told of in the log file alone: the simulation goes on.
func (w *World) keepRecord(key string, v any) {
	if w.store == nil {
		return
	}
	data, err := json.Marshal(v)
	if err == nil {
		err = w.store.Put(key, data)
	}
	if err != nil {
		w.log.Warn("demo: a record is lost", "key", key, "err", err)
	}
}

// dataset is what a service has to be saved.
type dataset struct {
	engine, db, volume, server string
	size                       int64
	at                         time.Duration // of the day, when its schedule saves it
}

// datasetOf reads a service's policy; nil: it has none that can be used.
func datasetOf(s *Service) *dataset {
	l := s.Spec.Labels
	d := &dataset{engine: l["qd.backup.engine"], db: l["qd.backup.db"], volume: l["qd.backup.volume"]}
	ref, _, _ := strings.Cut(s.Spec.TaskTemplate.ContainerSpec.Image, "@")
	_, tag, _ := cutTag(ref)
	switch d.engine {
	case "postgres":
		d.size, d.at, d.server = 1900*mib, 2*time.Hour, tag
	case "redis":
		d.size, d.at, d.server = 84*mib, 3*time.Hour+30*time.Minute, tag
	case "mysql", "mariadb":
		d.size, d.at, d.server = 700*mib, 4*time.Hour, tag
	case "volume":
		d.size, d.at = 640*mib, time.Hour
	default:
		return nil
	}
	return d
}

// sizeOf is what a dataset has at a moment: it grows by a few per mille a day.
func (w *World) sizeOf(s *Service, d *dataset, at time.Time) int64 {
	days := at.Sub(w.began).Hours() / 24
	return int64(float64(d.size) * math.Exp(0.004*days) * spread(mix(s.hash+uint64(at.Unix()/86400)), 0.01)) //nolint:gosec // a hash
}

// snapshotOf is a snapshot of a service that was taken at a moment.
func (w *World) snapshotOf(s *Service, d *dataset, origin, run string, taken time.Time) savedSnapshot {
	size := w.sizeOf(s, d, taken)
	return savedSnapshot{ID: hexID(mix(w.seed ^ hashText(s.Spec.Name+run+origin+keyTime(taken)))), Service: s.Spec.Name, Environment: environment, Engine: d.engine, DB: d.db, Volume: d.volume, Node: w.hostOf(s),
		Origin: origin, Run: run, Taken: taken.UTC(), Ended: taken.Add(time.Duration(size/(30*mib)) * time.Second).UTC(), Size: size, Added: size / 45, Server: d.server, Verified: true}
}

// hostOf is the node of a service's first task that runs.
func (w *World) hostOf(s *Service) string {
	for _, t := range w.atWork(s) {
		return t.node.Description.Hostname
	}
	return ""
}

// actor is who works on the platform.
const actor = "ops@quarterdeck.demo"

// keptDays are the ages of the snapshots that a policy of seven days, four weeks and half a year has kept of a platform of six weeks.
var keptDays = []int{0, 1, 2, 3, 4, 5, 6, 13, 20, 27, 34}

// foundBackups gives the store some weeks of snapshots and last month's drills.
func (w *World) foundBackups(born time.Time) {
	w.foundMaterial(SecretKind, swarm.Annotations{Name: RepositorySecret, Labels: map[string]string{}}, nil, born)
	var drills []savedDrill
	for _, s := range w.sorted() {
		d := datasetOf(s)
		if d == nil {
			continue
		}
		last := w.lastDue(d)
		var of savedSnapshot
		for _, days := range keptDays {
			if days < 3 && w.before(3) && s.Spec.Name == "shop_store" {
				continue // its schedule has stopped
			}
			taken := last.AddDate(0, 0, -days).Add(time.Duration(1000+mix(s.hash+uint64(days))%9000) * time.Millisecond) //nolint:gosec // small
			x := w.snapshotOf(s, d, "scheduled", keyTime(taken)[:15]+"-"+base(s.hash+uint64(days)), taken)               //nolint:gosec // small
			w.saveSnapshot(x)
			if days == 20 {
				of = x
			}
		}
		if w.before(3) && s.Spec.Name == "shop_cache" {
			continue // nobody has tried
		}
		drills = append(drills, w.foundDrill(s, d, of))
	}
	if w.reached(3) {
		w.foundDay(drills)
	}
}

// lastDue is when a dataset's schedule last came, with ten minutes for the backup itself.
func (w *World) lastDue(d *dataset) time.Time {
	now := w.now().UTC()
	last := now.Truncate(24 * time.Hour).Add(d.at)
	if last.After(now.Add(-10 * time.Minute)) {
		last = last.AddDate(0, 0, -1)
	}
	return last
}

// base is the end of a run's id.
func base(h uint64) string { return swarmID(h)[:5] }

func (w *World) saveSnapshot(s savedSnapshot) {
	w.snapshots[s.ID] = s
	w.keepRecord(s.key(), &s)
}

// foundDrill is the drill of a snapshot, some hours after it was taken.
func (w *World) foundDrill(s *Service, d *dataset, of savedSnapshot) savedDrill {
	began := of.Taken.Truncate(time.Hour).Add(8*time.Hour + 4*time.Minute + 11*time.Second)
	took := 40*time.Second + time.Duration(of.Size/(4*mib))*time.Second
	x := savedDrill{Run: keyTime(began)[:15] + "-" + base(s.hash^hashText("drill")), Service: s.Spec.Name, Engine: d.engine, Snapshot: of.ID, Taken: of.Taken, Began: began, Ended: began.Add(took), OK: true,
		RTO: took.Seconds(), RPO: began.Sub(of.Taken).Seconds(), Bytes: of.Size, Actor: actor}
	if command := s.Spec.Labels["qd.backup.verify"]; command != "" {
		x.Verified = &verified{Command: command}
	}
	w.keepRecord(x.key(), &x)
	return x
}

// foundDay is the DR day on which these drills were done, one after the other.
func (w *World) foundDay(drills []savedDrill) {
	day := savedDay{Stack: "shop", Actor: actor, Left: []struct{}{}}
	for i := range drills {
		x := &drills[i]
		if day.Began.IsZero() || x.Began.Before(day.Began) {
			day.Began = x.Began
		}
		if x.Ended.After(day.Ended) {
			day.Ended = x.Ended
		}
		day.Drills = append(day.Drills, savedDayDrill{Service: x.Service, Engine: x.Engine, State: "ok", Run: x.Run, Snapshot: x.Snapshot, Taken: x.Taken, Allowed: (15 * time.Minute).Seconds(), Drill: x})
	}
	day.Run = keyTime(day.Began)[:15] + "-" + base(w.seed^hashText("day"))
	w.keepRecord("records/days/"+day.Stack+"/"+day.Run+".json", &day)
}

// recoveryScripts are those that show in backups and restores alone: nothing of the platform fails.
func recoveryScripts() []script {
	fails := func(*World, *incident) error { return nil } // the jobs ask whether it is under way
	return []script{
		{Scenario{
			"backup-stale", "A schedule that stopped", "the backups of shop_store have not been made for three days; nothing else tells of it",
			"the backups (8): the newest snapshot of shop_store is older than its policy allows", "", "a backup of shop_store",
		}, backupStale},
		{Scenario{
			"restore-wrong-password", "A repository's password that was changed", "every job that opens the repository is refused; a restore ends before anything is touched",
			"the job of a backup, a drill or a restore fails: `wrong-password`", "", "nothing through the API: the secret must have the right password",
		}, fails},
		{Scenario{
			"restore-node-full", "No room for what would come back", "the node of the volume has less room than the snapshot needs; a restore ends before anything is touched",
			"the job that looks first fails: `no-space`", "", "nothing through the API: somebody must make room",
		}, fails},
		{Scenario{
			"verify-fails", "Data that comes back wrong", "what is restored is not what the policy's verify command wants; a restore ends before the service is touched",
			"the drill's job fails: `verify-failed`, with what the command said", "", "an older snapshot, a policy that asks for what is there",
		}, fails},
	}
}

// backupStale takes the records of the last three days away: their backups were never made. A generated fleet has none.
func backupStale(w *World, in *incident) error {
	s, err := w.subject(in, runs, "shop_store")
	if err != nil {
		return err
	}
	since := w.now()
	for id, x := range w.snapshots {
		if x.Service != s.Spec.Name || since.Sub(x.Taken) > 72*time.Hour {
			continue
		}
		delete(w.snapshots, id)
		if err := w.store.Remove(x.key()); err != nil {
			return err
		}
	}
	in.over = func() bool {
		for _, x := range w.snapshots {
			if x.Service == s.Spec.Name && x.Taken.After(since) {
				return true
			}
		}
		return w.services[s.ID] != s
	}
	in.undo = append(in.undo, func() { // the schedule goes on
		if d := datasetOf(s); d != nil && !in.over() {
			now := w.now()
			w.saveSnapshot(w.snapshotOf(s, d, "scheduled", keyTime(now)[:15]+"-"+base(uint64(now.UnixNano())), now)) //nolint:gosec // a hash
		}
	})
	return nil
}
