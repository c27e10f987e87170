package actions

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"quarterdeck/recovery"
	"quarterdeck/sources"
	"quarterdeck/sources/fleet"
)

// RecoverySettings are where backups are made, and by what.
type RecoverySettings struct {
	// Image is the runner's, Repository the name of the swarm secret with the repository's address and keys (recovery.RepositoryFile).
	Image, Repository string
	// Environment is what snapshots carry as their host; "": the context's name.
	Environment string
	// Store is the object store's address, without keys: runbooks name it.
	Store string
}

// RecoveryChange is what a backup, a drill or a restore does to one service. It is written down whole, so it holds no secret.
type RecoveryChange struct {
	Service string          `json:"service"`
	ID      string          `json:"id"`
	Stack   string          `json:"stack,omitempty"`
	Policy  recovery.Policy `json:"policy"`
	// Snapshot is the one that is brought back; nil: of a backup.
	Snapshot *recovery.Snapshot `json:"snapshot,omitempty"`
	// Node is the id of the node that has the volume; "": not known.
	Node     string `json:"node,omitempty"`
	NodeName string `json:"node_name,omitempty"`
	// Image is the runner's, by its digest. Repository and Password are the ids and names of secrets.
	Image       string `json:"image"`
	Repository  secret `json:"repository"`
	Password    secret `json:"password,omitzero"`
	Network     string `json:"network,omitempty"` // of the service, where the runner reaches it
	Environment string `json:"environment"`
	// Replicas are how many it has, and will have again.
	Replicas uint64 `json:"replicas"`
	// Alive: its server answered when the plan was made, so that it can be dumped.
	Alive bool    `json:"alive,omitempty"`
	RTO   float64 `json:"rto,omitempty"` // seconds, the policy's
	// Safety is the run whose restore is taken back.
	Safety string `json:"safety,omitempty"`
	// Due is the time of the schedule that a backup is made for; zero: somebody asks for it now.
	Due time.Time `json:"due,omitzero"`
}

type secret struct {
	ID   string `json:"id,omitempty"`
	Name string `json:"name,omitempty"`
}

// engine is what the data that is brought back needs: a service that has a server may have been saved by its files.
func (c *RecoveryChange) engine() recovery.Engine {
	if c.Snapshot != nil {
		return c.Snapshot.Engine
	}
	return c.Policy.Engine
}

// safetyEngine is how what is about to be replaced is saved before: by the server where it answers, else by its files once nothing runs.
func (c *RecoveryChange) safetyEngine() recovery.Engine {
	if c.Policy.Engine.Server() && !c.Alive {
		return recovery.Volume
	}
	return c.Policy.Engine
}

// Names of a recovery's jobs: each is a container that the run starts.
const (
	jobBackup  = "backup"
	jobCheck   = "check"
	jobDrill   = "drill"
	jobSafety  = "safety"
	jobRestore = "restore"
	jobClear   = "clear"
	jobForget  = "forget"
	jobAudit   = "audit"
)

// Places of a copy of a service.
const (
	placeEmpty = "empty" // a volume that goes with it
	placeReal  = "real"  // the service's own volume
)

// PlanBackup plans to save a service's data now.
func (d *Deck) PlanBackup(ctx context.Context, service string) (*Plan, error) {
	return d.planRecovery(ctx, Backup, service, chosen{})
}

// PlanScheduled plans to save a service's data for a time of its schedule, and then to forget what its policy does not keep. Where that was done meanwhile, by
// whomever, the run ends before its job is begun.
func (d *Deck) PlanScheduled(ctx context.Context, service string, due time.Time) (*Plan, error) {
	p, err := d.planRecovery(ctx, Backup, service, chosen{})
	if err == nil {
		p.Recovery.Due = due.UTC()
	}
	return p, err
}

// PlanAudit plans to look through the repository.
func (d *Deck) PlanAudit(ctx context.Context) (*Plan, error) {
	if d.Objects == nil {
		return nil, noObjects(Audit + " the repository")
	}
	p := &Plan{Action: Audit, Recovery: &RecoveryChange{Service: recovery.Repository, Environment: d.environment()}}
	if err := d.recoveryMeans(ctx, p); err != nil {
		return nil, err
	}
	return d.finish(p), nil
}

// environment is what snapshots carry as their host.
func (d *Deck) environment() string {
	return cmp.Or(d.Recovery.Environment, d.Policy.Context, "default")
}

func noObjects(op string) error {
	return &sources.Error{Source: "backups", Kind: sources.NotConfigured, Op: op, Next: "set --s3, QUARTERDECK_S3 or s3.address in the config"}
}

// PlanDrill plans to bring a snapshot back into a place that is thrown away, and to verify it there. snapshot "": the newest.
func (d *Deck) PlanDrill(ctx context.Context, service, snapshot string) (*Plan, error) {
	return d.planRecovery(ctx, Drill, service, chosen{id: orWords(snapshot, "latest")})
}

// PlanDrillAt plans the same with the newest snapshot at or before a moment.
func (d *Deck) PlanDrillAt(ctx context.Context, service string, at time.Time) (*Plan, error) {
	return d.planRecovery(ctx, Drill, service, chosen{at: at})
}

// PlanRestore plans to replace a service's data with a snapshot's.
func (d *Deck) PlanRestore(ctx context.Context, service, snapshot string) (*Plan, error) {
	if snapshot == "" {
		return nil, &sources.Error{Source: "backups", Kind: sources.BadQuestion, Op: "restore " + service, Err: errors.New("no snapshot is named"), Next: "see `quarterdeck snapshots " + service + "`, and name one or \"latest\""}
	}
	return d.planRecovery(ctx, Restore, service, chosen{id: snapshot})
}

// PlanRestoreAt plans the same with the newest snapshot at or before a moment.
func (d *Deck) PlanRestoreAt(ctx context.Context, service string, at time.Time) (*Plan, error) {
	return d.planRecovery(ctx, Restore, service, chosen{at: at})
}

// chosen is how a snapshot is named: by its id, or by a moment before which it was taken.
type chosen struct {
	id string
	at time.Time
}

func (d *Deck) planRecovery(ctx context.Context, action, service string, snapshot chosen) (*Plan, error) {
	if d.Objects == nil {
		return nil, noObjects(action + " " + service)
	}
	snap, err := d.Ready(ctx)
	if err != nil {
		return nil, err
	}
	st, err := d.begin(ctx, service)
	if err != nil {
		return nil, err
	}
	c := &RecoveryChange{Service: st.Name, ID: st.ID, Stack: st.Stack, Policy: recovery.ParsePolicy(&st.Service), Environment: d.environment()}
	c.RTO = c.Policy.RTO.Seconds()
	p := &Plan{Action: action, Recovery: c, Harm: map[string]Harm{Backup: Light, Drill: Serious, Restore: Guarded}[action]}
	if !c.Policy.Usable() {
		p.Refused = st.Name + ": " + c.Policy.Why()
		return d.finish(p), nil
	}
	if snapshot != (chosen{}) {
		if err := d.chooseSnapshot(ctx, p, snapshot); err != nil {
			return nil, err
		}
	}
	if err := d.recoveryPlace(ctx, p, &st, snap); err != nil {
		return nil, err
	}
	if err := d.recoveryMeans(ctx, p); err != nil {
		return nil, err
	}
	for _, x := range c.Policy.Problems {
		p.warn("%s", x)
	}
	if action == Restore {
		p.Why = "it replaces the data of " + st.Name
		d.restoreWarnings(p)
	}
	return d.finish(p), nil
}

// chooseSnapshot finds the snapshot and refuses what cannot be right by what is recorded of it.
func (d *Deck) chooseSnapshot(ctx context.Context, p *Plan, by chosen) error {
	c := p.Recovery
	all, err := d.contents(ctx)
	switch {
	case err != nil:
		return err
	case !by.at.IsZero():
		err = c.chooseAt(p, all, by.at)
	default:
		c.Snapshot, err = all.Find(c.Service, by.id)
	}
	if err != nil {
		return err
	}
	switch s := c.Snapshot; {
	case s.Service != c.Service:
		p.Refused = fmt.Sprintf("snapshot %s is of %s, not of %s", s.Short(), s.Service, c.Service)
	case s.Environment != c.Environment:
		p.warn("snapshot %s is of the environment %q, this one is %q", s.Short(), s.Environment, c.Environment)
	case s.Engine != c.Policy.Engine && s.Engine != recovery.Volume:
		p.Refused = fmt.Sprintf("snapshot %s was made by %s, and the policy says %s now", s.Short(), s.Engine, c.Policy.Engine)
	case s.Engine == recovery.Volume && c.Policy.Volume == "":
		p.Refused = fmt.Sprintf("snapshot %s is of files, and %s mounts no volume", s.Short(), c.Service)
	}
	return nil
}

// chooseAt takes the newest snapshot at or before a moment, and says how far from it that is: no engine's dump can be brought to a moment in between.
func (c *RecoveryChange) chooseAt(p *Plan, all *recovery.Contents, at time.Time) error {
	before, after := all.Before(c.Service, &c.Policy, at)
	words := func(s *recovery.Snapshot) string {
		return s.Short() + " of " + s.Taken.UTC().Format("2006-01-02 15:04:05Z")
	}
	if before == nil {
		err := &sources.Error{Source: "backups", Kind: sources.NotFound, Op: "find a snapshot at or before " + at.UTC().Format("2006-01-02 15:04:05Z"), Err: errors.New("none of " + c.Service + " is as old"), Next: "see `quarterdeck snapshots " + c.Service + "` for those there are"}
		if after != nil {
			err.Next = "the oldest after it is " + words(after)
		}
		return err
	}
	c.Snapshot = before
	p.warn("the newest snapshot at or before %s is %s, taken %s before it: what was written in between is not in it", at.UTC().Format("2006-01-02 15:04:05Z"), words(before), at.Sub(before.Taken).Round(time.Second))
	if after != nil {
		p.warn("the next one, %s, was taken %s after that moment", words(after), after.Taken.Sub(at).Round(time.Second))
	}
	return nil
}

// recoveryPlace finds out where the data is.
func (d *Deck) recoveryPlace(ctx context.Context, p *Plan, st *sources.ServiceState, snap *fleet.Snapshot) error {
	c := p.Recovery
	replicas, replicated := st.Spec.Replicas()
	switch {
	case !replicated || st.Mode != sources.Replicated:
		p.Refused = fmt.Sprintf("%s is %s: only replicated services are backed up and restored", st.Name, orWords(string(st.Mode), "not replicated"))
		return nil
	case replicas > 1 && c.Policy.Engine == recovery.Volume:
		p.warn("%s has %d replicas: each node has its own volume %s, and only one is meant here", st.Name, replicas, c.Policy.Volume)
	}
	if why := whyBusy(&st.Service); why != "" && p.Action == Restore {
		p.Refused = st.Name + ": " + why
	}
	c.Replicas = replicas
	if p.Action == Restore && replicas == 0 {
		c.Replicas = max(uint64(st.DesiredBefore), 1) //nolint:gosec // a count of replicas
		p.warn("%s has 0 replicas now: it gets %d", st.Name, c.Replicas)
	}
	if v := snap.Service(st.ID); v != nil {
		c.Alive = v.Running > 0 && v.Health != fleet.Down
	}
	tasks, err := d.Bench.ServiceTasks(ctx, st.ID)
	if err != nil {
		return err
	}
	var last *sources.Task
	for i := range tasks {
		t := &tasks[i]
		if t.NodeID != "" && t.State != sources.TaskRejected && (last == nil || t.State == sources.TaskRunning && last.State != sources.TaskRunning || (t.State == sources.TaskRunning) == (last.State == sources.TaskRunning) && t.Created.After(last.Created)) {
			last = t
		}
	}
	if last != nil {
		c.Node = last.NodeID
		if n := snap.Node(last.NodeID); n != nil {
			c.NodeName = n.Name
		}
	}
	if targets := st.Spec.NetworkTargets(); len(targets) > 0 {
		c.Network = targets[0]
	}
	needsNode := c.engine() == recovery.Volume || p.Action == Restore && c.Policy.Volume != ""
	if needsNode && c.Node == "" {
		p.Refused = fmt.Sprintf("%s: no task of it is known, so nobody can say which node has its volume %s: start it once on the node that has it", st.Name, c.Policy.Volume)
	}
	if p.Action == Backup && c.Policy.Engine.Server() && !c.Alive {
		p.Refused = fmt.Sprintf("%s is not healthy: its server cannot be dumped now", st.Name)
	}
	return nil
}

// recoveryMeans finds the runner's image and the secrets.
func (d *Deck) recoveryMeans(ctx context.Context, p *Plan) error {
	c := p.Recovery
	if d.Recovery.Image == "" {
		return &sources.Error{Source: "backups", Kind: sources.NotConfigured, Op: p.Action + " " + c.Service, Err: errors.New("no image is named that does it"), Next: "set QUARTERDECK_RUNNER_IMAGE or s3.runner-image in the config to the quarterdeck-runner image"}
	}
	c.Image = d.Recovery.Image
	if !strings.Contains(c.Image, "@sha256:") {
		image, err := d.Hands.ResolveImage(ctx, c.Image)
		if err != nil {
			return err
		}
		c.Image = image.Pinned()
	}
	secrets, err := d.Hands.Materials(ctx, sources.Secret)
	if err != nil {
		return err
	}
	find := func(name string) secret {
		for i := range secrets {
			if secrets[i].Name == name || c.Stack != "" && secrets[i].Name == c.Stack+"_"+name {
				return secret{secrets[i].ID, secrets[i].Name}
			}
		}
		return secret{}
	}
	if c.Repository = find(orWords(d.Recovery.Repository, DefaultRepository)); c.Repository.ID == "" {
		p.Refused = fmt.Sprintf("there is no swarm secret %s: make it, with the repository's address and keys (docs/backups.md)", orWords(d.Recovery.Repository, DefaultRepository))
	}
	if name := c.Policy.Secret; name != "" {
		if c.Password = find(name); c.Password.ID == "" {
			p.Refused = fmt.Sprintf("there is no swarm secret %s, which %s names", name, recovery.LabelSecret)
		}
	}
	lock, err := d.lockOf(ctx, c.Service)
	switch {
	case err != nil:
		return err
	case lock != nil && lock.run() != "":
		p.Refused, p.Locked = lock.words(), lock.run()
	}
	return nil
}

// DefaultRepository is the secret's usual name.
const DefaultRepository = "qd-repository"

// restoreWarnings says what a restore costs.
func (d *Deck) restoreWarnings(p *Plan) {
	c := p.Recovery
	lost := d.Now().Sub(c.Snapshot.Taken).Round(time.Second)
	p.warn("what was written in the last %s, since %s, is not in the snapshot", lost, c.Snapshot.Taken.UTC().Format("2006-01-02 15:04:05Z"))
	p.warn("%s is away from the scaling to 0 until it is verified: its callers fail", c.Service)
	switch {
	case c.safetyEngine().Server():
		p.warn("what is there now is saved first, by a dump")
	case c.Policy.Volume != "":
		p.warn("what is there now is saved first, as files, once nothing runs")
	default:
		p.warn("what is there now cannot be saved first: no server answers, and no volume is named")
	}
}
