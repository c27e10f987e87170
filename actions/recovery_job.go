package actions

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"quarterdeck/recovery"
	"quarterdeck/sources"
)

// Times of a job's container.
const (
	// startWithin is how long a runner may take from its making until it claims its job, the pull of its image with it.
	startWithin = 5 * time.Minute
	// resultGrace is how long a container that has ended may take to have its result seen in the object store.
	resultGrace = 20 * time.Second
	// progressAgain is between two questions for its last line.
	progressAgain = 2 * time.Second
	// jobLines are how many of its lines are kept.
	jobLines = 200
)

// jobFailure is a job that came to no good end.
type jobFailure struct {
	name   string
	result *recovery.Result // nil: it left none
	why    string
}

func (f *jobFailure) Error() string {
	if f.result == nil {
		return f.why
	}
	text := f.result.Reason
	if f.result.Next != "" {
		text += " (" + f.result.Next + ")"
	}
	return text
}

// job is the job of a step, as its container is told.
func (r *Running) job(name string, attempt int) recovery.Job {
	c := r.plan.Recovery
	j := recovery.Job{Run: r.id, Name: name, Attempt: attempt, Service: c.Service, Environment: c.Environment, Engine: c.engine(), Node: c.NodeName}
	j.Port, j.User, j.DB, j.Password = c.Policy.Port, c.Policy.User, c.Policy.DB, c.Password.ID != ""
	if c.Snapshot != nil {
		j.Snapshot = c.Snapshot.ID
	}
	server := c.engine().Server()
	switch name {
	case jobBackup, jobSafety:
		j.Kind, j.Origin, j.Snapshot, j.Engine = recovery.JobBackup, recovery.Manual, "", c.Policy.Engine
		switch {
		case name == jobSafety:
			j.Origin, j.Engine = recovery.Safety, c.safetyEngine()
		case !c.Due.IsZero():
			j.Origin, j.Due = recovery.Scheduled, c.Due
		}
		if j.Engine.Server() {
			j.Host = "tasks." + c.Service
		} else {
			j.Volume = c.Policy.Volume
		}
	case jobCheck:
		j.Kind = recovery.JobCheck
		if server && c.Alive {
			j.Host = "tasks." + c.Service
		}
		if c.Node != "" {
			j.Volume = c.Policy.Volume
		}
	case jobClear:
		j.Kind, j.Volume, j.Snapshot = recovery.JobForget, c.Policy.Volume, "" // with no rule of what to keep all snapshots stay
	case jobForget:
		j.Kind, j.Keep = recovery.JobForget, c.Policy.Keep
	case jobAudit:
		j.Kind = recovery.JobAudit
	case jobDrill, jobRestore:
		j.Kind, j.Verify, j.Fresh = recovery.JobRestore, c.Policy.Verify, name == jobDrill
		if server {
			j.Host = "tasks." + r.apartName(map[bool]string{true: placeEmpty, false: placeReal}[j.Fresh])
		} else {
			j.Volume = c.Policy.Volume
		}
	}
	return j
}

// jobName names a job's service and its config.
func jobName(j *recovery.Job) string {
	return shortName(fmt.Sprintf("qd-%s-%s-%d", j.Name, j.Run, j.Attempt))
}

// jobSpec is the service that does a job once.
func (r *Running) jobSpec(j *recovery.Job, config string) (sources.Spec, error) {
	c := r.plan.Recovery
	file := func(name string) map[string]any {
		return map[string]any{"Name": name, "UID": "0", "GID": "0", "Mode": 0o400}
	}
	secrets := []any{map[string]any{"SecretID": c.Repository.ID, "SecretName": c.Repository.Name, "File": file("qd-repository")}}
	if j.Password {
		secrets = append(secrets, map[string]any{"SecretID": c.Password.ID, "SecretName": c.Password.Name, "File": file("qd-password")})
	}
	box := map[string]any{
		"Image": c.Image, "Secrets": secrets, "StopGracePeriod": int64(30 * time.Second),
		"Configs": []any{map[string]any{"ConfigID": config, "ConfigName": jobName(j), "File": file(recovery.JobFile)}},
	}
	task := map[string]any{"ContainerSpec": box, "RestartPolicy": map[string]any{"Condition": "none"}}
	pinned := j.Volume != "" && !j.Fresh
	if j.Volume != "" {
		mount := map[string]any{"Type": "volume", "Target": recovery.DataDir}
		if pinned {
			mount["Source"] = j.Volume
			mount["ReadOnly"] = j.Kind == recovery.JobBackup || j.Kind == recovery.JobCheck
		}
		box["Mounts"] = []any{mount}
	}
	if pinned {
		task["Placement"] = map[string]any{"Constraints": []any{"node.id==" + c.Node}}
	}
	switch {
	case j.Host == "":
	case j.Name == jobDrill || j.Name == jobRestore:
		task["Networks"] = []any{map[string]any{"Target": r.netName()}}
	default:
		task["Networks"] = []any{map[string]any{"Target": c.Network}}
	}
	raw, err := json.Marshal(map[string]any{"Name": jobName(j), "Labels": r.labels(j.Name), "TaskTemplate": task,
		"Mode": map[string]any{"Replicated": map[string]any{"Replicas": 1}}, "EndpointSpec": map[string]any{"Mode": "dnsrr"}})
	if err != nil {
		return sources.Spec{}, err
	}
	return sources.NewSpec(raw)
}

// labels are on all that the run makes in the swarm.
func (r *Running) labels(job string) map[string]string {
	return map[string]string{runLabel: r.id, labelService: r.plan.Recovery.Service, labelJob: job}
}

// doJob has a job done: by the container that has it in hand already, where an earlier process has started one, else by a new one.
func (r *Running) doJob(ctx context.Context, name string) (*recovery.Result, error) {
	j, result, err := r.standingJob(ctx, name)
	if err != nil {
		return nil, err
	}
	if result == nil {
		if err := r.startJob(ctx, &j); err != nil {
			return nil, err
		}
		if result, err = r.awaitJob(ctx, &j); err != nil {
			if ctx.Err() == nil {
				r.removeJob(ctx, &j)
			}
			return nil, err
		}
	}
	r.removeJob(ctx, &j)
	if !result.OK {
		return result, &jobFailure{name: name, result: result}
	}
	return result, nil
}

// standingJob is the attempt that is to be waited for, with its result where it has one that is good. A run that was interrupted may have left a container
// that still works, or one that has ended.
func (r *Running) standingJob(ctx context.Context, name string) (recovery.Job, *recovery.Result, error) {
	last, err := r.lastAttempt(ctx, name)
	if err != nil {
		return recovery.Job{}, nil, err
	}
	if last == 0 {
		return r.job(name, 1), nil, nil
	}
	j := r.job(name, last)
	result, err := j.Result(ctx, r.d.Objects)
	switch {
	case err == nil && result.OK:
		return j, result, nil
	case err != nil && sources.KindOf(err) != sources.NotFound:
		return j, nil, err
	case err != nil:
		if tasks, terr := r.d.Bench.ServiceTasks(ctx, jobName(&j)); terr == nil && slices.ContainsFunc(tasks, func(t sources.Task) bool { return !t.State.Ended() }) {
			return j, nil, nil // it still works
		}
	}
	r.removeJob(ctx, &j)
	return r.job(name, last+1), nil, nil
}

// lastAttempt is the highest number of an attempt that was begun: as a service, or by its claim. 0: none.
func (r *Running) lastAttempt(ctx context.Context, name string) (int, error) {
	last := 0
	base := strings.TrimSuffix((&recovery.Job{Run: r.id, Name: name}).ClaimKey(), "0.claim.json")
	err := persist(ctx, func() error {
		list, err := r.d.Objects.List(ctx, base)
		if err != nil {
			return err
		}
		for i := range list {
			number, _, _ := strings.Cut(strings.TrimPrefix(list[i].Key, base), ".")
			if n, err := strconv.Atoi(number); err == nil {
				last = max(last, n)
			}
		}
		return nil
	})
	if err != nil {
		return 0, err
	}
	configs, err := r.d.Hands.Materials(ctx, sources.Config)
	if err != nil {
		return 0, err
	}
	for i := range configs {
		if c := &configs[i]; c.Labels[runLabel] == r.id && c.Labels[labelJob] == name {
			if at := strings.LastIndexByte(c.Name, '-'); at > 0 {
				if n, err := strconv.Atoi(c.Name[at+1:]); err == nil {
					last = max(last, n)
				}
			}
		}
	}
	return last, nil
}

// startJob makes the job's config and its service; what is there already of this run is taken over.
func (r *Running) startJob(ctx context.Context, j *recovery.Job) error {
	data, err := json.Marshal(j)
	if err != nil {
		return err
	}
	config := ""
	err = persist(ctx, func() error {
		id, err := r.d.Hands.CreateMaterial(ctx, sources.Config, sources.Material{Name: jobName(j), Labels: r.labels(j.Name), Data: data})
		if sources.KindOf(err) == sources.Conflict {
			c, rerr := r.d.Bench.ReadConfig(ctx, jobName(j))
			if rerr == nil && c.Labels[runLabel] == r.id {
				id, err = c.ID, nil
			}
		}
		config = id
		return err
	})
	if err != nil {
		return err
	}
	spec, err := r.jobSpec(j, config)
	if err != nil {
		return err
	}
	return r.makeService(ctx, spec)
}

// makeService makes a service of the run; one of that name that it has made already is as good.
func (r *Running) makeService(ctx context.Context, spec sources.Spec) error {
	return persist(ctx, func() error {
		_, err := r.d.Bench.CreateService(ctx, spec)
		if sources.KindOf(err) == sources.Conflict {
			if st, rerr := r.d.Hands.ServiceState(ctx, spec.Name()); rerr == nil && st.Labels[runLabel] == r.id {
				return nil
			}
		}
		return err
	})
}

// awaitJob waits for the job's result, and tells of its progress.
func (r *Running) awaitJob(ctx context.Context, j *recovery.Job) (*recovery.Result, error) {
	began := r.d.Now()
	within := recovery.DefaultWithin + startWithin
	var asked, ended time.Time
	for {
		result, err := j.Result(ctx, r.d.Objects)
		switch {
		case err == nil:
			return result, nil
		case ctx.Err() != nil:
			return nil, ctx.Err()
		case sources.KindOf(err) != sources.NotFound:
			r.tell(func(s *StepReport) { s.Detail = "the object store does not answer, asked again: " + err.Error() })
		}
		now := r.d.Now()
		if now.Sub(asked) >= progressAgain {
			asked = now
			r.jobProgress(ctx, j, began)
		}
		why, over := r.jobTask(ctx, j, now.Sub(began))
		if !over {
			ended = time.Time{}
		} else if ended.IsZero() {
			ended = now
		}
		switch {
		case !ended.IsZero() && now.Sub(ended) > resultGrace:
			return nil, &jobFailure{name: j.Name, why: fmt.Sprintf("the runner ended and left no result: %s", why)}
		case now.Sub(began) > within:
			return nil, &jobFailure{name: j.Name, why: fmt.Sprintf("it has not ended within %s", within)}
		}
		if !pause(ctx, time.Second) {
			return nil, ctx.Err()
		}
	}
}

// jobTask looks how the job's container is, and tells whether it has come to its end, and why.
func (r *Running) jobTask(ctx context.Context, j *recovery.Job, age time.Duration) (why string, over bool) {
	tasks, err := r.d.Bench.ServiceTasks(ctx, jobName(j))
	if err != nil { // a manager that is away says nothing about the container
		return "", sources.KindOf(err) == sources.NotFound
	}
	if len(tasks) == 0 {
		return "no task was made for it", age > startWithin
	}
	t := slices.MaxFunc(tasks, func(a, b sources.Task) int { return cmp.Compare(a.Created.UnixNano(), b.Created.UnixNano()) })
	switch words := orWords(t.Err, t.Message); {
	case t.State == sources.TaskComplete && t.ExitCode == 0:
		return "it ended well, so that its record is somewhere else: QUARTERDECK_S3 in the repository's secret is to name the place that is read here", true
	case t.State.Ended():
		return fmt.Sprintf("%s (exit %d)", orWords(words, string(t.State)), t.ExitCode), true
	case t.State != sources.TaskRunning:
		if t.Err != "" {
			r.tell(func(s *StepReport) { s.Detail = t.Err })
		}
		return fmt.Sprintf("it did not start within %s: %s", startWithin, orWords(words, string(t.State))), age > startWithin
	}
	return "", false
}

// jobProgress shows the newest line of progress. That lines cannot be read harms nothing: the result is in the object store.
func (r *Running) jobProgress(ctx context.Context, j *recovery.Job, since time.Time) {
	lines := r.jobLines(ctx, j, since, 20)
	for i := len(lines) - 1; i >= 0; i-- {
		var e recovery.Event
		if json.Unmarshal([]byte(lines[i]), &e) == nil && e.QD == 1 {
			r.tell(func(s *StepReport) {
				s.Detail, s.Bytes, s.Total = strings.TrimSuffix(e.Phase+": "+e.Text, ": "), e.Done, e.Total
			})
			return
		}
	}
}

func (r *Running) jobLines(ctx context.Context, j *recovery.Job, since time.Time, limit int) []string {
	from := r.d.EngineLogs
	if from == nil {
		from = r.d.Logs
	}
	if from == nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, linesWithin)
	defer cancel()
	page, err := from.Query(ctx, sources.LogQuery{Services: []string{jobName(j)}, Since: since.Add(-time.Minute), Limit: limit})
	if err != nil {
		r.d.log().Warn("a runner's lines could not be read", "job", j.Name, "error", err)
	}
	out := make([]string, 0, len(page.Entries))
	for i := range page.Entries {
		out = append(out, page.Entries[i].Line)
	}
	return out
}

// tell changes what is shown of the step that is under way.
func (r *Running) tell(f func(*StepReport)) {
	r.set(func(p *Progress) {
		if len(p.Steps) > 0 {
			p.Steps = slices.Clone(p.Steps)
			f(&p.Steps[len(p.Steps)-1])
		}
	})
}

// removeJob takes a job's service and config away, after its last lines were kept: with the service they are gone. What cannot be removed now is removed at
// the run's end.
func (r *Running) removeJob(ctx context.Context, j *recovery.Job) {
	if lines := r.jobLines(ctx, j, r.progress.Began, jobLines); len(lines) > 0 {
		r.keepLines(j, lines)
	}
	err := r.d.Bench.RemoveService(ctx, jobName(j))
	if c, rerr := r.d.Bench.ReadConfig(ctx, jobName(j)); rerr == nil {
		err = errors.Join(err, persist(ctx, func() error { return ignoreGone(r.d.Hands.RemoveMaterial(ctx, sources.Config, c.ID)) }))
	}
	if err != nil {
		r.d.log().Warn("a job could not be removed", "job", jobName(j), "error", err)
	}
}

func ignoreGone(err error) error {
	if sources.KindOf(err) == sources.NotFound {
		return nil
	}
	return err
}
