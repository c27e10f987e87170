package actions

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/cenkalti/backoff/v5"

	"quarterdeck/sources"
)

// Bounds of the effects.
const (
	// ReachWithin is how long a manager, or another one, is tried to be reached before a change is given up.
	ReachWithin = time.Minute
	// sequenceTries bounds how often a change is sent again because the version alone, and not the spec, has moved on.
	sequenceTries = 10
	// HookWithin is how long a webhook's effect is waited for: it answers before the fact.
	HookWithin = 2 * time.Minute
)

// update gives a service its new spec, whatever happens to the manager meanwhile, and never over somebody else's change. as tells whether the service is as it was
// asked for.
func (r *Running) update(ctx context.Context, c *Change, after sources.Spec, as func(now, asked sources.Spec) bool) ([]SpecRef, error) {
	if err := r.alone(ctx, c, after); err != nil {
		return nil, err
	}
	version, sent := c.Version, r.resumed
	for try := 0; ; try++ {
		if sent || try > 0 { // what is there now says whether the change was taken
			st, err := r.reach(ctx, c.ID)
			if err != nil {
				return nil, err
			}
			switch {
			case as(st.Spec, after):
				return r.took(c, &st)
			case !sources.Same(st.Spec, c.Before):
				return nil, r.conflict(ctx, c, &st)
			case st.Version != version && r.plan.Action == Scale && whyBusy(&st.Service) != "":
				return nil, &Refusal{c.Service + ": " + whyBusy(&st.Service)}
			}
			version = st.Version
		}
		began := r.d.Now()
		_, err := r.d.Hands.UpdateService(ctx, c.ID, version, after)
		switch kind := sources.KindOf(err); {
		case err == nil:
			st, err := r.reach(ctx, c.ID)
			if err != nil {
				return nil, err
			}
			if !as(st.Spec, after) {
				return nil, r.conflict(ctx, c, &st)
			}
			return r.tookAt(c, &st, began)
		case ctx.Err() != nil:
			return nil, ctx.Err()
		case kind == sources.Conflict && try < sequenceTries:
		case kind == sources.Unreachable && try < sequenceTries:
			sent = true
		default:
			return nil, err
		}
	}
}

// alone waits, where a service that writes to a volume is scaled up from 0, until its tasks of before have ended: the orchestrator starts new ones at once (swarmkit, manager/orchestrator/replicated), and two servers on one
// volume ruin what is in it. Tasks on nodes that are down cannot be waited for.
func (r *Running) alone(ctx context.Context, c *Change, after sources.Spec) error {
	before, _ := c.Before.Replicas()
	if n, replicated := after.Replicas(); r.d.Bench == nil || !replicated || before != 0 || n == 0 || c.Before.Empty() || !after.Writes() {
		return nil
	}
	st, err := r.reach(ctx, c.ID)
	if err != nil {
		return err
	}
	if now, _ := st.Spec.Replicas(); now != 0 { // it was scaled already
		return nil
	}
	var gone []string
	if snap := r.d.Fleet.Snapshot(); snap != nil {
		for i := range snap.Nodes {
			if n := &snap.Nodes[i]; !n.Up() {
				gone = append(gone, n.ID)
			}
		}
	}
	return r.rest(ctx, c.ID, gone)
}

// reach reads a service, and while no manager answers tries again, for ReachWithin.
func (r *Running) reach(ctx context.Context, id string) (sources.ServiceState, error) {
	return backoff.Retry(ctx, func() (sources.ServiceState, error) {
		st, err := r.d.Hands.ServiceState(ctx, id)
		if err != nil && sources.KindOf(err) != sources.Unreachable {
			return st, backoff.Permanent(err)
		}
		return st, err
	}, patience()...)
}

func (r *Running) took(c *Change, st *sources.ServiceState) ([]SpecRef, error) {
	return r.tookAt(c, st, r.d.Now())
}

func (r *Running) tookAt(c *Change, st *sources.ServiceState, at time.Time) ([]SpecRef, error) {
	key, err := r.d.key()
	if err != nil {
		return nil, err
	}
	masked := st.Spec.Masked(key)
	if err := r.d.Journal.SaveSpec(masked.Hash(), masked.JSON()); err != nil {
		return nil, err
	}
	r.applied[c.ID] = &applied{change: c, at: at, version: st.Version, generation: st.Generation, desired: st.Desired, mode: st.Mode, scaleOnly: !c.Rolls(), anySpec: r.plan.Hook != nil}
	r.rollout(c.Service, func(o *Rollout) { o.Began = at; o.Window = window(c.Policy.Monitor) })
	ref := refOf(c.Service, c.ID, st.Version, st.Spec, masked)
	ref.Generation = st.Generation
	return []SpecRef{ref}, nil
}

func (r *Running) rollout(service string, f func(*Rollout)) {
	r.set(func(p *Progress) {
		next := append([]Rollout(nil), p.Rollouts...)
		for i := range next {
			if next[i].Service == service {
				f(&next[i])
			}
		}
		p.Rollouts = next
	})
}

// conflict says what somebody else has changed.
func (r *Running) conflict(_ context.Context, c *Change, st *sources.ServiceState) error {
	key, err := r.d.key()
	if err != nil {
		return err
	}
	e := &Conflict{Service: c.Service}
	for _, f := range sources.Diff(c.Before.Masked(key), st.Spec.Masked(key)) {
		was, is := f.Text()
		e.Changed = append(e.Changed, fmt.Sprintf("%s %s → %s", f.Field, was, is))
	}
	return e
}

// create makes the new secret or config. One of that name that an interrupted run of the same id has made is taken over.
func (r *Running) create(ctx context.Context) error {
	m := r.plan.Material
	labels := map[string]string{runLabel: r.id}
	for k, v := range m.Labels {
		labels[k] = v
	}
	labels[runLabel] = r.id
	if id, err := r.made(ctx); err != nil || id != "" {
		r.material = id
		return err
	}
	if m.data == nil {
		return &Refusal{noValue(m.New)}
	}
	return persist(ctx, func() error {
		made, err := r.made(ctx) // by a try whose answer was lost
		if err == nil && made == "" {
			made, err = r.d.Hands.CreateMaterial(ctx, m.Kind, sources.Material{Name: m.New, Labels: labels, Data: m.data})
		}
		r.material = made
		return err
	})
}

// persist tries again while no manager answers, for ReachWithin. f must look first whether it was done.
func persist(ctx context.Context, f func() error) error {
	_, err := backoff.Retry(ctx, func() (struct{}, error) {
		err := f()
		if err != nil && sources.KindOf(err) != sources.Unreachable {
			err = backoff.Permanent(err)
		}
		return struct{}{}, err
	}, patience()...)
	return err
}

func patience() []backoff.RetryOption {
	b := backoff.NewExponentialBackOff()
	b.InitialInterval, b.MaxInterval = 200*time.Millisecond, 5*time.Second
	return []backoff.RetryOption{backoff.WithBackOff(b), backoff.WithMaxElapsedTime(ReachWithin)}
}

// runLabel names the run that has made a secret or config.
const runLabel = sources.LabelRun

// made finds what this run has made already.
func (r *Running) made(ctx context.Context) (string, error) {
	list, err := r.d.Hands.Materials(ctx, r.plan.Material.Kind)
	if err != nil {
		return "", err
	}
	for _, x := range list {
		if x.Name == r.plan.Material.New {
			if x.Labels[runLabel] == r.id {
				return x.ID, nil
			}
			return "", &sources.Error{Source: "swarm", Kind: sources.Conflict, Op: "create " + x.Name, Err: errors.New("somebody else has made one of that name meanwhile"), Next: "plan again: another name is taken"}
		}
	}
	return "", nil
}

// remove takes the old secret or config away. One that is gone already is as good.
func (r *Running) remove(ctx context.Context) error {
	m := r.plan.Material
	return persist(ctx, func() error {
		err := r.d.Hands.RemoveMaterial(ctx, m.Kind, m.OldID)
		if sources.KindOf(err) == sources.NotFound {
			return nil
		}
		return err
	})
}

// callHook asks somebody else for a redeploy and waits until the service really differs: the answer comes before the fact.
func (r *Running) callHook(ctx context.Context) ([]SpecRef, error) {
	c := &r.plan.Changes[0]
	st, err := r.reach(ctx, c.ID)
	if err != nil {
		return nil, err
	}
	if !sources.Same(st.Spec, c.Before) {
		if r.resumed && digestOf(st.Spec.Image()) == digestOf(c.After.Image()) {
			return r.took(c, &st)
		}
		return nil, r.conflict(ctx, c, &st)
	}
	if err := r.d.Hooks[hookKey(r.d, c)].Fire(ctx, r.plan.HookTag); err != nil {
		return nil, err
	}
	began := r.d.Now()
	for r.d.Now().Sub(began) < HookWithin {
		if !pause(ctx, time.Second) {
			return nil, ctx.Err()
		}
		if st, err = r.reach(ctx, c.ID); err != nil {
			return nil, err
		}
		if sources.Same(st.Spec, c.Before) {
			continue
		}
		if want, got := digestOf(c.After.Image()), digestOf(st.Spec.Image()); want != "" && got != "" && want != got {
			return nil, fmt.Errorf("the webhook has deployed another image than the registry has for the tag: %s, not %s", got, want)
		}
		return r.tookAt(c, &st, began)
	}
	return nil, fmt.Errorf("the webhook said yes, and after %s nothing has changed: a stack's webhook acts only when its git commit differs; look at Portainer", HookWithin)
}

func hookKey(d *Deck, c *Change) string {
	if d.Hooks[c.Service] != nil {
		return c.Service
	}
	return c.Stack
}

func digestOf(image string) string {
	_, digest, _ := strings.Cut(image, "@")
	return digest
}

// PlanRedeployHook plans a redeploy through the webhook that is configured for the service or its stack. The digest that should come of
// it is resolved first, and held against what comes.
func (d *Deck) PlanRedeployHook(ctx context.Context, service, tag string) (*Plan, error) {
	image := ""
	if tag != "" {
		image = ":" + tag
	}
	p, err := d.PlanRedeploy(ctx, []RedeployTarget{{Service: service, Image: image}})
	if err != nil || len(p.Changes) == 0 {
		return p, err
	}
	hook := d.Hooks[hookKey(d, &p.Changes[0])]
	if hook == nil {
		return nil, &sources.Error{Source: "portainer", Kind: sources.NotConfigured, Op: "redeploy " + service, Next: "name its webhook in the config (webhooks), or redeploy without --webhook"}
	}
	p.Hook, p.HookTag = hook, tag
	if host, _, _ := strings.Cut(p.Changes[0].After.Image(), "/"); tag != "" && strings.Contains(host, ":") {
		// portainer/api/http/handler/webhooks/webhook_execute.go takes what is before the first colon for the name.
		p.warn("%s: Portainer cuts the image at the first colon, and this one's registry has a port: leave the tag away, or redeploy without the webhook", service)
	}
	p.warn("%s: the webhook acts on its own and answers before the fact: what comes of it is held against the registry's digest", service)
	return p, nil
}
