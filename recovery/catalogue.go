package recovery

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"quarterdeck/sources"
)

// Keys of the object store. Restic's repository lies beside them, under RepositoryDir, when it is in the same bucket.
const (
	RepositoryDir = "repository"
	snapshotsDir  = "records/snapshots/"
	drillsDir     = "records/drills/"
	daysDir       = "records/days/"
	runsDir       = "runs/"
)

// maxRecord bounds a record, in bytes; maxRecords how many are read of one kind.
const (
	maxRecord  = 256 << 10
	maxRecords = 20_000
)

// stamp is a moment as keys have it: it sorts by time.
func stamp(t time.Time) string { return t.UTC().Format("20060102T150405.000Z") }

func (s *Snapshot) key() string {
	return snapshotsDir + s.Service + "/" + stamp(s.Taken) + "-" + s.Short() + ".json"
}

func (d *Drill) key() string {
	return drillsDir + d.Service + "/" + stamp(d.Began) + "-" + d.Run + ".json"
}

// ClaimKey is what a container makes before it does a job: a second one of the same job finds it and ends.
func (j *Job) ClaimKey() string { return j.base() + "claim.json" }

// ResultKey is where the job's Result is written.
func (j *Job) ResultKey() string { return j.base() + "result.json" }

func (j *Job) base() string { return fmt.Sprintf("%s%s/%s.%d.", runsDir, j.Run, j.Name, j.Attempt) }

// Catalogue is the records of snapshots, drills and DR days. Each is read once: one that was written anew, as a DR day's is, has another tag. Safe for concurrent use.
type Catalogue struct {
	Objects sources.Objects

	mu    sync.Mutex
	known map[string]any // by key: *Snapshot, *Drill, *Day, or the error of one that cannot be read
}

// Contents is the catalogue as of one moment.
type Contents struct {
	// Read is when it was read; zero: not told.
	Read time.Time
	// Snapshots and Drills are by service, the newest first.
	Snapshots map[string][]Snapshot
	Drills    map[string][]Drill
	// Days are DR days by stack, the newest first.
	Days map[string][]Day
	// Unreadable are keys of records that are none.
	Unreadable []string
}

// Newest is a service's newest snapshot; nil: there is none. Those of what was there before a restore do not count: they hold what was to be got rid of.
func (c *Contents) Newest(service string) *Snapshot {
	if c == nil {
		return nil
	}
	list := c.Snapshots[service]
	if i := slices.IndexFunc(list, func(s Snapshot) bool { return s.Origin != Safety }); i >= 0 {
		return &list[i]
	}
	return nil
}

// Before is the newest snapshot of what a policy asks for that was taken at or before a moment, and after the first one taken after it; nil: there is none.
func (c *Contents) Before(service string, p *Policy, moment time.Time) (before, after *Snapshot) {
	if c == nil {
		return nil, nil
	}
	list := c.Snapshots[service]
	for i := range list {
		s := &list[i]
		switch {
		case s.Origin == Safety || !p.wants(s):
		case !s.Taken.After(moment):
			return s, after
		default:
			after = s
		}
	}
	return nil, after
}

// Find is the snapshot of an id, or of the beginning of one that names only one; "latest" is the newest of the service.
func (c *Contents) Find(service, id string) (*Snapshot, error) {
	missing := func(err error) error {
		return &sources.Error{Source: "backups", Kind: sources.NotFound, Op: "find snapshot " + id, Err: err, Next: "see `quarterdeck snapshots " + service + "` for those there are"}
	}
	if id == "latest" {
		if s := c.Newest(service); s != nil {
			return s, nil
		}
		return nil, missing(errors.New("no snapshot of " + service + " is recorded"))
	}
	if len(id) < 4 {
		return nil, missing(errors.New("an id has at least four digits"))
	}
	var found *Snapshot
	for of := range c.Snapshots {
		for i := range c.Snapshots[of] {
			s := &c.Snapshots[of][i]
			if !strings.HasPrefix(s.ID, id) {
				continue
			}
			if found != nil && found.ID != s.ID {
				return nil, missing(errors.New("it is the beginning of more than one id"))
			}
			found = s
		}
	}
	if found == nil {
		return nil, missing(errors.New("no such snapshot is recorded"))
	}
	return found, nil
}

// Read gives what the store has now.
func (c *Catalogue) Read(ctx context.Context) (*Contents, error) {
	out := &Contents{Snapshots: map[string][]Snapshot{}, Drills: map[string][]Drill{}, Days: map[string][]Day{}}
	seen := map[string]bool{}
	for _, dir := range []string{snapshotsDir, drillsDir, daysDir} {
		list, err := c.Objects.List(ctx, dir)
		if err != nil {
			return nil, err
		}
		if len(list) > maxRecords { // the newest are what counts, and keys sort by service first: say so rather than choose
			return nil, &sources.Error{Source: "backups", Kind: sources.OverLimit, Op: "read the catalogue", Err: fmt.Errorf("%d records under %s, more than %d", len(list), dir, maxRecords), Next: "let the policies keep fewer snapshots"}
		}
		c.fetch(ctx, list)
		for i := range list {
			seen[list[i].Key] = true
			switch r := c.record(ctx, &list[i]).(type) {
			case *Snapshot:
				out.Snapshots[r.Service] = append(out.Snapshots[r.Service], *r)
			case *Drill:
				out.Drills[r.Service] = append(out.Drills[r.Service], *r)
			case *Day:
				out.Days[r.Stack] = append(out.Days[r.Stack], *r)
			case errGone:
			case *sources.Error:
				return nil, r
			default:
				out.Unreadable = append(out.Unreadable, list[i].Key)
			}
		}
	}
	c.forget(seen)
	for s := range out.Snapshots {
		slices.SortFunc(out.Snapshots[s], func(a, b Snapshot) int { return cmp.Or(b.Taken.Compare(a.Taken), cmp.Compare(a.ID, b.ID)) })
	}
	for s := range out.Drills {
		slices.SortFunc(out.Drills[s], func(a, b Drill) int { return cmp.Or(b.Began.Compare(a.Began), cmp.Compare(a.Run, b.Run)) })
	}
	for s := range out.Days {
		slices.SortFunc(out.Days[s], func(a, b Day) int { return cmp.Or(b.Began.Compare(a.Began), cmp.Compare(a.Run, b.Run)) })
	}
	return out, nil
}

// fetchers is how many records are read at once: the first reading of a large catalogue is bound by the way to the store.
const fetchers = 8

// fetch reads the records that are not known yet, and gives up at the first that the store does not give: whoever reads them one by one meets that too.
func (c *Catalogue) fetch(ctx context.Context, list []sources.Object) {
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	var next atomic.Int64
	var wg sync.WaitGroup
	for range fetchers {
		wg.Go(func() {
			for {
				i := int(next.Add(1)) - 1
				if i >= len(list) || ctx.Err() != nil {
					return
				}
				if _, failed := c.record(ctx, &list[i]).(*sources.Error); failed {
					stop()
				}
			}
		})
	}
	wg.Wait()
}

// SnapshotsOf reads the records of one service's snapshots. What is no record is left out.
func SnapshotsOf(ctx context.Context, from sources.Objects, service string) ([]Snapshot, error) {
	list, err := from.List(ctx, snapshotsDir+service+"/")
	if err != nil {
		return nil, err
	}
	var out []Snapshot
	c := Catalogue{Objects: from}
	for i := range list {
		switch r := c.record(ctx, &list[i]).(type) {
		case *Snapshot:
			out = append(out, *r)
		case *sources.Error:
			return nil, r
		}
	}
	return out, nil
}

type errGone struct{}

// record is a record, read once: *Snapshot, *Drill, *Day, errGone, a *sources.Error where the store does not answer, or another error where it is none.
func (c *Catalogue) record(ctx context.Context, o *sources.Object) any {
	c.mu.Lock()
	r, known := c.known[o.Key+o.ETag]
	c.mu.Unlock()
	if known {
		return r
	}
	data, err := c.Objects.Get(ctx, o.Key, maxRecord)
	var failed *sources.Error
	switch {
	case sources.KindOf(err) == sources.NotFound:
		return errGone{}
	case sources.KindOf(err) == sources.OverLimit:
		r = err.Error()
	case errors.As(err, &failed):
		return failed
	case err != nil:
		return &sources.Error{Source: "backups", Kind: sources.BadAnswer, Op: "read " + o.Key, Err: err}
	default:
		r = parse(o.Key, data)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.known == nil {
		c.known = map[string]any{}
	}
	c.known[o.Key+o.ETag] = r
	return r
}

// parse reads a record. What does not fit its own key is none: whoever can write to the bucket is not believed more than that.
func parse(key string, data []byte) any {
	if strings.HasPrefix(key, drillsDir) {
		var d Drill
		if err := json.Unmarshal(data, &d); err != nil || d.key() != key {
			return errors.New("no record of a drill")
		}
		return &d
	}
	if strings.HasPrefix(key, daysDir) {
		var d Day
		if err := json.Unmarshal(data, &d); err != nil || d.key() != key {
			return errors.New("no record of a DR day")
		}
		return &d
	}
	var s Snapshot
	if err := json.Unmarshal(data, &s); err != nil || s.key() != key || !isID(s.ID) {
		return errors.New("no record of a snapshot")
	}
	return &s
}

// isID tells an id of restic's from anything else: it goes into a command line.
func isID(id string) bool {
	return len(id) == 64 && !strings.ContainsFunc(id, func(r rune) bool { return (r < '0' || r > '9') && (r < 'a' || r > 'f') })
}

// forget drops what is not there any more.
func (c *Catalogue) forget(seen map[string]bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.known) <= 2*len(seen) {
		return
	}
	c.known = nil
}

// SaveSnapshot writes a snapshot's record.
func SaveSnapshot(ctx context.Context, to sources.Objects, s *Snapshot) error {
	return save(ctx, to, s.key(), s)
}

// SaveDrill writes a drill's record.
func SaveDrill(ctx context.Context, to sources.Objects, d *Drill) error {
	return save(ctx, to, d.key(), d)
}

// SaveDay writes a DR day's record, over what was written of it before.
func SaveDay(ctx context.Context, to sources.Objects, d *Day) error {
	return save(ctx, to, d.key(), d)
}

// ReadDay reads the record of one DR day as it was written last. NotFound: there is none.
func ReadDay(ctx context.Context, from sources.Objects, stack, run string) (*Day, error) {
	key := (&Day{Stack: stack, Run: run}).key()
	data, err := from.Get(ctx, key, maxRecord)
	if err != nil {
		return nil, err
	}
	d, ok := parse(key, data).(*Day)
	if !ok {
		return nil, &sources.Error{Source: "backups", Kind: sources.BadAnswer, Op: "read the record of DR day " + run, Next: "look at the object " + key}
	}
	return d, nil
}

// ForgetSnapshot removes the record of a snapshot that is not in the repository any more.
func ForgetSnapshot(ctx context.Context, from sources.Objects, s *Snapshot) error {
	return from.Remove(ctx, s.key())
}

func save(ctx context.Context, to sources.Objects, key string, v any) error {
	data, err := json.Marshal(v)
	if err != nil {
		return err
	}
	return to.Put(ctx, key, data)
}

// Claim makes the job's claim: Conflict tells that another container has had it.
func (j *Job) Claim(ctx context.Context, in sources.Objects, node string, now time.Time) error {
	data, err := json.Marshal(map[string]any{"node": node, "time": now.UTC()})
	if err != nil {
		return err
	}
	return in.Create(ctx, j.ClaimKey(), data)
}

// SaveResult writes what came of the job.
func (j *Job) SaveResult(ctx context.Context, to sources.Objects, r *Result) error {
	return save(ctx, to, j.ResultKey(), r)
}

// Result reads what came of the job. NotFound: nothing yet.
func (j *Job) Result(ctx context.Context, from sources.Objects) (*Result, error) {
	data, err := from.Get(ctx, j.ResultKey(), maxRecord)
	if err != nil {
		return nil, err
	}
	var r Result
	if err := json.Unmarshal(data, &r); err != nil {
		return nil, &sources.Error{Source: "backups", Kind: sources.BadAnswer, Op: "read the result of " + j.Name, Err: err, Next: "look at the object " + j.ResultKey()}
	}
	return &r, nil
}

// Claimed tells whether a container has begun the job.
func (j *Job) Claimed(ctx context.Context, in sources.Objects) (bool, error) {
	_, err := in.Get(ctx, j.ClaimKey(), maxRecord)
	if sources.KindOf(err) == sources.NotFound {
		return false, nil
	}
	return err == nil, err
}
