package runner

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"io"
	"os"
	"strings"
	"time"

	"github.com/cenkalti/backoff/v5"

	"quarterdeck/recovery"
	"quarterdeck/sources"
)

// Runner carries out one job.
type Runner struct {
	Job recovery.Job
	// Unread is why the job's file could not be read whole: then the job is not done, and its Result says so.
	Unread     error
	Repository Repository
	Objects    sources.Objects
	// Out takes the Events.
	Out io.Writer
	// PasswordFile and DataDir are where those of the recovery package are; "": there.
	PasswordFile, DataDir string
	Patience              Patience
}

// Patience is how long things are waited for; zero: as DefaultPatience has it.
type Patience struct {
	Store  time.Duration // an object store that does not answer
	Server time.Duration // a database server that is not there yet
	Lock   time.Duration // another's lock on the repository
	Stop   time.Duration // a program that was asked to end, until it is killed
}

// DefaultPatience is for a swarm that is being mended: servers start slowly, and the store may be away for some minutes.
var DefaultPatience = Patience{Store: 5 * time.Minute, Server: 3 * time.Minute, Lock: 10 * time.Minute, Stop: 8 * time.Second}

// work is a job that is being done.
type work struct {
	*Runner
	tell     *reporter
	tools    *tools
	restic   *restic
	password string
	res      *recovery.Result
}

// Refuse writes the last Event of a job that could not even be read, and gives its Result.
func Refuse(out io.Writer, j *recovery.Job, err error) recovery.Result {
	res := begun(j)
	(&work{tell: &reporter{out: out}, res: &res}).fail(blame(context.Background(), err))
	return res
}

func begun(j *recovery.Job) recovery.Result {
	return recovery.Result{Run: j.Run, Name: j.Name, Attempt: j.Attempt, Kind: j.Kind, Service: j.Service, Node: j.Node, Began: time.Now().UTC()}
}

// Run does the job and gives its Result, which is in the object store by then and on Out as the last Event. A ctx that ends is the container being told to stop.
func (r *Runner) Run(ctx context.Context) recovery.Result {
	res := begun(&r.Job)
	w := &work{Runner: r, tell: &reporter{out: r.Out}, res: &res}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	w.Patience = w.Patience.whole()
	w.PasswordFile, w.DataDir = cmp.Or(w.PasswordFile, recovery.PasswordFile), cmp.Or(w.DataDir, recovery.DataDir)
	if !named(&w.Job) {
		w.fail(blame(ctx, cmp.Or(w.Unread, valid(&w.Job))))
		return res
	}
	w.tell.begin("claim", "")
	if err := w.claim(ctx); err != nil {
		f := blame(ctx, err)
		if f.code == recovery.ClaimedBefore { // the Result's place is the other's
			w.fail(f)
			return res
		}
		w.finish(ctx, f)
		return res
	}
	within := time.Duration(w.Job.Within * float64(time.Second))
	if within <= 0 {
		within = recovery.DefaultWithin
	}
	ctx, end := context.WithTimeoutCause(ctx, within, errWithin)
	defer end()
	var f *fault
	if err := w.do(ctx); err != nil {
		f = blame(ctx, err)
	}
	w.finish(ctx, f)
	return res
}

func (p Patience) whole() Patience {
	return Patience{cmp.Or(p.Store, DefaultPatience.Store), cmp.Or(p.Server, DefaultPatience.Server), cmp.Or(p.Lock, DefaultPatience.Lock), cmp.Or(p.Stop, DefaultPatience.Stop)}
}

// do is the job itself, in a folder of its own that goes with it.
func (w *work) do(ctx context.Context) error {
	if err := cmp.Or(w.Unread, valid(&w.Job)); err != nil {
		return err
	}
	home, err := os.MkdirTemp("", "qd-runner-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(home)
	if w.Job.Password {
		data, err := readFile(w.PasswordFile)
		if err != nil {
			return &fault{recovery.NoServer, "the service's password cannot be read: " + err.Error(), "look at the secret that " + recovery.LabelSecret + " names", err}
		}
		w.password = strings.TrimRight(string(data), "\r\n")
	}
	w.tools = &tools{home: home, stop: w.Patience.Stop, scrub: newScrubber(append(w.Repository.secrets(), w.password)...)}
	w.restic = &restic{tools: w.tools, env: w.Repository.env(), tell: w.tell, patience: w.Patience.Lock}
	switch w.Job.Kind {
	case recovery.JobBackup:
		return w.backup(ctx)
	case recovery.JobCheck:
		return w.check(ctx)
	case recovery.JobRestore:
		return w.restore(ctx)
	case recovery.JobAudit:
		return w.audit(ctx)
	}
	return w.forget(ctx)
}

// claim makes the job's claim. A Conflict with a claim that is our own, whose answer was lost, is none.
func (w *work) claim(ctx context.Context) error {
	now := time.Now().UTC()
	return w.store(ctx, func(ctx context.Context) error {
		err := w.Job.Claim(ctx, w.Objects, w.Job.Node, now)
		if sources.KindOf(err) != sources.Conflict {
			return err
		}
		var c struct {
			Node string    `json:"node"`
			Time time.Time `json:"time"`
		}
		data, e := w.Objects.Get(ctx, w.Job.ClaimKey(), maxFile)
		if e == nil && json.Unmarshal(data, &c) == nil && c.Node == w.Job.Node && c.Time.Equal(now) {
			return nil
		}
		if e != nil {
			return e
		}
		return &fault{recovery.ClaimedBefore, "another container has had this job already, at " + c.Time.UTC().Format(time.RFC3339), "wait for that one's result, or make the job anew with another attempt", err}
	})
}

// store tries to do something with the object store until it is done, or patience is over. What no waiting mends is told at once.
func (w *work) store(ctx context.Context, try func(context.Context) error) error {
	wait := backoff.NewExponentialBackOff()
	wait.MaxInterval = 10 * time.Second
	_, err := backoff.Retry(ctx, func() (struct{}, error) {
		err := try(ctx)
		switch sources.KindOf(err) {
		case sources.Unreachable, sources.BadAnswer, sources.OverLimit:
		default:
			if err != nil {
				err = backoff.Permanent(err)
			}
		}
		return struct{}{}, err
	}, backoff.WithBackOff(wait), backoff.WithMaxElapsedTime(w.Patience.Store))
	return err
}

// finish writes the Result to the object store, whatever ended the job, and then as the last Event.
func (w *work) finish(ctx context.Context, f *fault) {
	w.settle(f)
	w.tell.begin("result", "")
	err := w.store(context.WithoutCancel(ctx), func(ctx context.Context) error { return w.Job.SaveResult(ctx, w.Objects, w.res) })
	if err != nil && f == nil {
		w.settle(noStore(err))
	} else if err != nil {
		w.tell.say("the result could not be written: " + err.Error())
	}
	w.tell.end(w.res)
}

// fail is the end of a job whose Result has no place.
func (w *work) fail(f *fault) {
	w.settle(f)
	w.tell.end(w.res)
}

// settle puts the end into the Result.
func (w *work) settle(f *fault) {
	w.res.Ended, w.res.OK = time.Now().UTC(), f == nil
	if f == nil {
		return
	}
	var s scrubber
	if w.tools != nil {
		s = w.tools.scrub
	} else if w.Runner != nil {
		s = newScrubber(w.Repository.secrets()...)
	}
	w.res.Code, w.res.Reason, w.res.Next = f.code, s.clean(f.reason), f.next
}

// answers waits until the server answers, and gives its version.
func (w *work) answers(ctx context.Context, e engine) (string, error) {
	w.tell.begin("server", "")
	wait := backoff.NewExponentialBackOff()
	wait.InitialInterval, wait.MaxInterval = 200*time.Millisecond, 3*time.Second
	return backoff.Retry(ctx, func() (string, error) {
		v, err := e.Version(ctx)
		var f *failed
		switch {
		case is(err, recovery.UnexpectedError), errors.As(err, &f) && hasAny(f.text, refusals): // its client is not there, or it says no
			err = backoff.Permanent(err)
		case err == nil && !token.MatchString(v):
			err = backoff.Permanent(&fault{recovery.NoServer, "the server tells no version that is understood", "", nil})
		}
		return v, err
	}, backoff.WithBackOff(wait), backoff.WithMaxElapsedTime(w.Patience.Server))
}
