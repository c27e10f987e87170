package actions

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"quarterdeck/sources"
	"quarterdeck/sources/fleet"
)

// setNode wants of the node what was planned.
func (r *Running) setNode(ctx context.Context) error {
	c := r.plan.Node
	return r.wantOfNode(ctx, c.Version, c.Before, c.After)
}

// resetNode takes that back.
func (r *Running) resetNode(ctx context.Context) error {
	c := r.plan.Node
	return r.wantOfNode(ctx, 0, c.After, c.Before)
}

// wantOfNode wants one thing of a node in place of another, whatever happens to the manager meanwhile, and never over somebody else's change. version is the one that
// the node was read in; 0: it is to be read.
func (r *Running) wantOfNode(ctx context.Context, version uint64, before, after sources.NodeWant) error {
	c := r.plan.Node
	for try := 0; ; try++ {
		if try > 0 || r.resumed || version == 0 { // what is there now says whether the change was taken
			st, err := r.reachNode(ctx)
			if err != nil {
				return err
			}
			switch now := st.Want(); now {
			case after:
				r.nodeSet = true
				return nil
			case before:
			default:
				return &Conflict{Service: nodeTarget(c.Node), Changed: []string{fmt.Sprintf("now a %s, %s", now.Role, now.Availability)}}
			}
			version = st.Version
		}
		err := r.d.Hands.UpdateNode(ctx, c.ID, version, after)
		switch kind := sources.KindOf(err); {
		case err == nil:
			r.nodeSet = true
			return nil
		case ctx.Err() != nil:
			return ctx.Err()
		case (kind == sources.Conflict || kind == sources.Unreachable) && try < sequenceTries:
		default:
			return err
		}
	}
}

// reachNode reads the node, and while no manager answers tries again, for ReachWithin.
func (r *Running) reachNode(ctx context.Context) (st sources.NodeState, err error) {
	err = persist(ctx, func() error {
		var err error
		st, err = r.d.Hands.NodeState(ctx, r.plan.Node.ID)
		return err
	})
	return st, err
}

// nodeSo is the proof: it waits until the node is what was asked for and, of a drain, until nothing is left on it and what it ran is well elsewhere. Time without progress is
// bounded, as that of a rollout.
func (r *Running) nodeSo(ctx context.Context) error {
	changed, stop := r.d.Fleet.Subscribe()
	defer stop()
	least, since, unseen := -1, r.d.Now(), time.Time{}
	for {
		checks, err := r.lookAtNode(ctx)
		now := r.d.Now()
		switch {
		case ctx.Err() != nil:
			return ctx.Err()
		case sources.KindOf(err) == sources.Unreachable: // time in which nobody could look does not count
			if unseen.IsZero() {
				unseen = now
			}
			if now.Sub(unseen) > r.deadline() {
				return &failure{rollout: Rollout{Service: nodeTarget(r.plan.Node.Node), State: RolloutUnseen, Reason: "could not look: " + err.Error()}}
			}
		case err != nil:
			return err
		default:
			if !unseen.IsZero() {
				since, unseen = since.Add(now.Sub(unseen)), time.Time{}
			}
			left, bad := r.showNode(checks)
			if left == 0 {
				return nil
			}
			if left < least || least < 0 {
				least, since = left, now
			}
			if stuck := now.Sub(since); stuck >= r.deadline() {
				return fmt.Errorf("no progress for %s: %s", stuck.Round(time.Second), bad)
			}
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-changed:
		case <-time.After(lookAgain):
		}
	}
}

// showNode takes a look into the progress, counts what is still missing, and says the first of it.
func (r *Running) showNode(checks []nodeCheck) (left int, bad string) {
	var all []CheckReport
	for _, c := range checks {
		left += c.left
		all = append(all, c.CheckReport)
	}
	r.mu.Lock()
	r.checks = all
	r.mu.Unlock()
	bad = firstBad(all)
	r.tell(func(s *StepReport) { s.Detail = bad })
	return left, bad
}

// nodeCheck is one thing that was looked at, and how much of it is missing.
type nodeCheck struct {
	CheckReport
	left int
}

func checked(service, name string, left int, detail string) nodeCheck {
	return nodeCheck{CheckReport{Service: service, Name: name, OK: left == 0, Detail: detail}, left}
}

func missing(so bool) int {
	if so {
		return 0
	}
	return 1
}

func (r *Running) lookAtNode(ctx context.Context) ([]nodeCheck, error) {
	c := r.plan.Node
	n, err := r.d.Hands.NodeState(ctx, c.ID)
	if err != nil {
		return nil, err
	}
	if now := n.Want(); now != c.After {
		return nil, &Conflict{Service: nodeTarget(c.Node), Changed: []string{fmt.Sprintf("now a %s, %s", now.Role, now.Availability)}}
	}
	switch c.does() {
	case Promote:
		return []nodeCheck{checked("", "manager", missing(n.Reachability == "reachable"), orWords(n.Reachability, "it has not joined the managers yet"))}, nil
	case Demote:
		return []nodeCheck{checked("", "worker", missing(n.Reachability == ""), orWords(n.Reachability, "it has left the managers"))}, nil
	case Drain:
		return r.lookAtDrained(ctx, &n)
	}
	return []nodeCheck{checked("", "availability", 0, n.Availability)}, nil
}

// lookAtDrained looks at what is left on a node, and at what has left it.
func (r *Running) lookAtDrained(ctx context.Context, n *sources.NodeState) ([]nodeCheck, error) {
	tasks, err := r.d.Hands.NodeTasks(ctx, n.ID)
	if err != nil {
		return nil, err
	}
	snap := r.d.Fleet.Snapshot()
	left, of := 0, map[string]bool{}
	for i := range tasks {
		t := &tasks[i]
		if t.State.Ended() || n.State != "ready" && t.Desired.Ended() { // nobody tells of the end of what runs on a node that is away
			continue
		}
		left++
		name := t.ServiceID
		if v := snap.Service(t.ServiceID); v != nil {
			name = v.Name
		}
		of[name] = true
	}
	detail := "nothing is left on it"
	if left > 0 {
		detail = tasksOf(left) + " still there, of " + strings.Join(slices.Sorted(maps.Keys(of)), ", ")
	}
	out := []nodeCheck{checked("", "tasks", left, detail)}
	for i := range r.plan.Node.Moves {
		m := &r.plan.Node.Moves[i]
		v := snap.Service(m.Service)
		if !m.Well || m.Placed < m.Tasks || v == nil { // it was not well before, cannot be, or is gone
			continue
		}
		well := v.Health == fleet.Healthy || v.Health == fleet.Idle
		if slices.ContainsFunc(v.Tasks, func(t sources.Task) bool { return t.NodeID == n.ID && !t.State.Ended() && !t.Desired.Ended() }) { // the picture is of before
			well = false
		}
		out = append(out, checked(m.Service, "health", missing(well), strings.TrimSuffix(string(v.Health)+": "+v.Reason, ": ")))
	}
	return out, nil
}
