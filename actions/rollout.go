package actions

import (
	"fmt"
	"time"

	"quarterdeck/sources"
	"quarterdeck/sources/fleet"
)

// Rules of time that a verdict on a rollout stands on.
const (
	// DefaultDeadline is how long a rollout may make no progress. The updater of the swarm has no limit of its own (OPERATIONS.md, "Updates").
	DefaultDeadline = 3 * time.Minute
	// BlockedDeadline is the same where a task has no suitable node: that does not mend itself in a while.
	BlockedDeadline = 45 * time.Second
	// LoopDeadline is the same where a task crashes again and again, and no update is under way that the swarm would stop by itself.
	LoopDeadline = 45 * time.Second
	// PullDeadline is the same while an image is being pulled.
	PullDeadline = 10 * time.Minute
)

// RolloutState is how far a service is with what was asked of it.
type RolloutState string

// The states of a rollout.
const (
	RolloutWaiting    RolloutState = "waiting"      // its turn has not come, or the change is not seen yet
	RolloutRolling    RolloutState = "rolling"      // tasks are replaced, started or stopped
	RolloutSettling   RolloutState = "stabilising"  // all run; they must stay well for the window
	RolloutDone       RolloutState = "converged"    // proven
	RolloutBack       RolloutState = "rolling back" // by the swarm itself
	RolloutFailed     RolloutState = "failed"       // and stays as it is
	RolloutRolledBack RolloutState = "rolled back"  // by the swarm itself: a failure, whatever runs now
	RolloutOvertaken  RolloutState = "overtaken"    // somebody else changed it meanwhile
	RolloutUnseen     RolloutState = "out of sight" // could not look
	RolloutGone       RolloutState = "removed"      // as was asked for
)

// Ended tells whether the state is a verdict.
func (s RolloutState) Ended() bool {
	switch s {
	case RolloutDone, RolloutFailed, RolloutRolledBack, RolloutOvertaken, RolloutUnseen, RolloutGone:
		return true
	}
	return false
}

// Rollout is one service on its way, as of one look.
type Rollout struct {
	Service string
	State   RolloutState
	// Reason is one line: what it waits for, or why it failed. It may quote the orchestrator: untrusted.
	Reason string
	// Want is how many places should be filled; Fresh how many run what was asked for; Well how many of those have been stable for the window.
	Want, Fresh, Well int
	// Window is how long a task must have run to count as stable.
	Window time.Duration
	// Began is when the change was made; Converged when it was proven.
	Began, Converged time.Time
	// Left is how long it will take from now, by the service's own history; 0: not known.
	Left time.Duration
	// Slots are the places with what runs there, old beside new.
	Slots []SlotProgress
	// Lines are the last lines of the newest task that died, where logs could be read: untrusted.
	Lines []sources.Entry
}

// applied is a change as the swarm has taken it.
type applied struct {
	change     *Change
	at         time.Time
	version    uint64
	generation string
	desired    int
	mode       sources.Mode
	scaleOnly  bool
	// by a hook, the spec is not known before; then these are not held against what is seen.
	anySpec bool
	// made: the service was not there before. That it is not seen does not mean that it is gone: a listing may have begun before it was made.
	made bool
}

// watcher follows one rollout from look to look.
type watcher struct {
	applied
	deadline  time.Duration
	best      int // the most that was reached
	progress  time.Time
	phase     string
	blocked   time.Time // since when there was no suitable node
	loop      time.Time // since when it crashes
	unseen    time.Time // since when nobody could look
	last      Rollout
	seen      bool      // the service was there
	lastAsked string    // task whose lines were asked for
	judged    time.Time // when the swarm's own verdict was first seen
	cause     string    // why the swarm rolls back, in its words at the time
}

// look judges a rollout by a snapshot. It is pure but for what it remembers of earlier looks.
func (w *watcher) look(snap *fleet.Snapshot, now time.Time) (r Rollout) {
	r = Rollout{Service: w.change.Service, State: RolloutWaiting, Began: w.at, Window: window(w.change.Policy.Monitor), Lines: w.last.Lines}
	if w.progress.IsZero() {
		w.progress = w.at
	}
	if w.last.State.Ended() && w.last.State != RolloutUnseen {
		return w.last
	}
	defer func() { w.last = r }()
	if st := snap.Source(fleet.SwarmName); !st.OK() {
		if w.unseen.IsZero() {
			w.unseen = now
		}
		r = w.last
		r.Service, r.Began, r.State, r.Reason = w.change.Service, w.at, RolloutWaiting, "could not look: "+orWords(st.Detail, string(st.State))
		if now.Sub(w.unseen) > w.deadline {
			r.State = RolloutUnseen
		}
		return r
	}
	if !w.unseen.IsZero() { // time in which nobody could look does not count
		w.progress, w.unseen = w.progress.Add(now.Sub(w.unseen)), time.Time{}
	}
	s := snap.Service(w.change.ID)
	if s == nil {
		return w.gone(r, snap, now)
	}
	w.seen = true
	asked := w.generation
	if w.anySpec {
		asked = s.Generation
	}
	if r.Want = s.Want; s.Generation == asked {
		r.Well = s.Well
	}
	r.Slots, r.Fresh = slotsOf(s, snap, asked, w.at)
	if s.Version < w.version {
		r.Reason = "the change is not seen yet"
		return w.timed(r, s, now)
	}
	w.judge(&r, s, now)
	r.Left = w.left(r, now)
	return r
}

func (w *watcher) gone(r Rollout, snap *fleet.Snapshot, now time.Time) Rollout {
	r.Reason = "the service is not there"
	if w.seen || !w.made && snap.Ready() && snap.Listed.After(w.at) || now.Sub(w.at) >= w.deadline {
		r.State, r.Reason = RolloutOvertaken, "the service was removed"
	}
	return r
}

func window(monitor time.Duration) time.Duration {
	if monitor <= 0 {
		monitor = fleet.DefaultWindow
	}
	return min(monitor, fleet.MaxWindow)
}

func (w *watcher) judge(r *Rollout, s *fleet.Service, now time.Time) {
	switch s.UpdateState {
	case "rollback_started":
		w.cause = orWords(s.UpdateMessage, "the swarm takes the update back")
		r.State, r.Reason = RolloutBack, because(w.cause, r)
		w.advance("back", s, r, now)
		*r = w.timed(*r, s, now)
		return
	case "rollback_completed":
		if s.Well < s.Want { // it is said before the last of the old tasks runs again
			r.State, r.Reason = RolloutBack, because(orWords(w.cause, orWords(s.UpdateMessage, "the swarm has taken the update back")), r)
			w.advance("back", s, r, now)
			*r = w.timed(*r, s, now)
			return
		}
		w.verdict(r, RolloutRolledBack, orWords(w.cause, orWords(s.UpdateMessage, "the swarm has taken the update back")), now)
		return
	case "rollback_paused":
		w.verdict(r, RolloutFailed, "the swarm began to roll back, and that failed as well: "+orWords(s.UpdateMessage, "rollback paused"), now)
		return
	case "paused":
		w.verdict(r, RolloutFailed, orWords(s.UpdateMessage, "update paused"), now)
		return
	}
	if w.cause != "" && s.Generation != w.generation && s.UpdateState == "completed" && s.Well >= s.Want {
		// The engine may forget that it was rolling back, and call the rollback a completed update (seen on 20.10.24, on a busy machine).
		w.verdict(r, RolloutRolledBack, w.cause, now)
		return
	}
	if why := w.overtaken(s); why != "" && (w.cause == "" || s.UpdateState != "completed") {
		r.State, r.Reason = RolloutOvertaken, why
		return
	}
	w.advance(s.UpdateState, s, r, now)
	switch {
	case s.UpdateState == "updating":
		r.State, r.Reason = RolloutRolling, s.Reason
	case s.Health == fleet.Healthy && w.others(s):
		r.State, r.Reason = RolloutRolling, "tasks of another spec are still to be stopped"
	case s.Health == fleet.Healthy && now.Sub(w.at) < r.Window: // the swarm may not have begun
		r.State = RolloutSettling
	case s.Health == fleet.Healthy:
		r.State, r.Converged = RolloutDone, now
		return
	case s.Health == fleet.Idle && w.settledAtNothing(s):
		r.State, r.Converged = RolloutDone, now
		return
	case r.Fresh >= r.Want && s.Health == fleet.Updating:
		r.State, r.Reason = RolloutSettling, s.Reason
	default:
		r.State, r.Reason = RolloutRolling, s.Reason
	}
	*r = w.timed(*r, s, now)
}

// explainWithin is how long the tasks behind a verdict of the swarm are waited for: the service is often seen before them.
const explainWithin = 2 * time.Second

// verdict is the swarm's own on an update, with what the task died of.
func (w *watcher) verdict(r *Rollout, state RolloutState, words string, now time.Time) {
	if w.judged.IsZero() {
		w.judged = now
	}
	r.State, r.Reason = state, because(words, r)
	if newestFailed(r) == nil && now.Sub(w.judged) < explainWithin {
		r.State = RolloutRolling
	}
}

// because adds to the orchestrator's words, which name a task at most, what that task died of.
func because(words string, r *Rollout) string {
	newest := newestFailed(r)
	if newest == nil || newest.Err == "" {
		return words
	}
	return words + ": " + newest.Err
}

func (w *watcher) overtaken(s *fleet.Service) string {
	switch {
	case w.anySpec:
		return ""
	case s.Generation != w.generation:
		return "somebody else has changed what it runs"
	case w.mode == sources.Replicated && s.Desired != w.desired:
		return fmt.Sprintf("somebody else has scaled it to %d", s.Desired)
	}
	return ""
}

// others tells whether tasks of another spec are still meant to run: the swarm has not begun, or not ended, to replace them.
func (w *watcher) others(s *fleet.Service) bool {
	for i := range s.Tasks {
		if t := &s.Tasks[i]; !w.anySpec && t.Generation != w.generation && !t.State.Ended() && !t.Desired.Ended() {
			return true
		}
	}
	return false
}

// settledAtNothing: a service that is to run nothing is there when nothing is left alive.
func (w *watcher) settledAtNothing(s *fleet.Service) bool {
	for i := range s.Tasks {
		if !s.Tasks[i].State.Ended() {
			return false
		}
	}
	return true
}

// advance notes progress: more places filled, more of them well, fewer old tasks, or another phase of the update.
func (w *watcher) advance(phase string, s *fleet.Service, r *Rollout, now time.Time) {
	reached := 2*r.Fresh + r.Well
	if r.Want == 0 {
		for i := range s.Tasks {
			if s.Tasks[i].State.Ended() {
				reached++
			}
		}
	}
	if reached > w.best || phase != w.phase {
		w.progress = now
	}
	w.best, w.phase = max(w.best, reached), phase
	w.blocked = since(w.blocked, blockedTask(s) != nil, now)
	w.loop = since(w.loop, r.failures() >= fleet.FlapFailures && (s.Health == fleet.Degraded || s.Health == fleet.Down), now)
}

// failures are those of what was asked for, since the change: what failed before it is another matter.
func (r *Rollout) failures() int {
	n := 0
	for i := range r.Slots {
		n += r.Slots[i].Failures
	}
	return n
}

// since keeps the moment from which on something holds.
func since(at time.Time, holds bool, now time.Time) time.Time {
	switch {
	case !holds:
		return time.Time{}
	case at.IsZero():
		return now
	}
	return at
}

// timed turns a rollout that has made no progress for too long into a failure, with the reason.
func (w *watcher) timed(r Rollout, s *fleet.Service, now time.Time) Rollout {
	limit, why := w.deadline, ""
	for i := range s.Tasks {
		if t := &s.Tasks[i]; t.State == sources.TaskPreparing && !t.Desired.Ended() {
			limit = max(limit, PullDeadline)
			why = "an image is still being pulled"
		}
	}
	if d := 2 * (w.change.Policy.Delay + w.change.Policy.Monitor); s.UpdateState != "" && d > limit { // it waits on purpose between tasks
		limit = d
	}
	stuck := now.Sub(w.progress)
	switch {
	case !w.blocked.IsZero() && now.Sub(w.blocked) >= min(BlockedDeadline, w.deadline) && stuck >= min(BlockedDeadline, w.deadline):
		why = blockedTask(s).Err
	case !w.loop.IsZero() && s.UpdateState != "updating" && s.UpdateState != "rollback_started" && now.Sub(w.loop) >= min(LoopDeadline, w.deadline):
		why = s.Reason
	case stuck >= limit:
		why = orWords(why, s.Reason)
	default:
		return r
	}
	r.State, r.Reason = RolloutFailed, fmt.Sprintf("no progress for %s: %s", stuck.Round(time.Second), orWords(why, "the swarm does not say why"))
	return r
}

// left estimates by what such a rollout took before.
func (w *watcher) left(r Rollout, now time.Time) time.Duration {
	if w.change.Usually == 0 || r.State.Ended() {
		return 0
	}
	return max(w.change.Usually-now.Sub(w.at), time.Second)
}
