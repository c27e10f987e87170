package delivery

import (
	"context"
	"strings"
	"testing"
	"time"

	"quarterdeck/sources"
	"quarterdeck/sources/fleet"
)

// keeper deploys stacks.
type keeper struct {
	list  []sources.ManagedStack
	err   error
	asked []string
}

func (k *keeper) Name() string { return "Portainer" }

func (k *keeper) Stacks(_ context.Context, swarm string) ([]sources.ManagedStack, error) {
	k.asked = append(k.asked, swarm)
	return k.list, k.err
}

// Who deploys stacks is asked once for all services, and what he says of the service's own stack is told.
func TestStackOfAService(t *testing.T) {
	web := service(func(v *fleet.Service) { v.Stack = "shop" })
	alone := service(func(v *fleet.Service) { v.Name = "alone" })
	for name, x := range map[string]struct {
		list []sources.ManagedStack
		err  error
		says string
	}{
		"from a repository": {[]sources.ManagedStack{{Name: "other", Repository: "https://g/other"}, {Name: "shop", Swarm: "s1", State: sources.StackActive, Repository: "https://g/ops", Branch: "main", File: "shop/stack.yml", Commit: good, Every: 90 * time.Second, Webhook: true,
			Force: true, Pull: true, Updated: t0, UpdatedBy: "ada"}}, nil,
			"shop by Portainer, active, of shop/stack.yml in https://g/ops on main at 01234567; looked at every 1m30s and by a webhook, deployed though nothing is new, images pulled anew; updated 2026-11-30 08:00Z by ada"},
		"by hand":        {[]sources.ManagedStack{{Name: "shop", State: sources.StackStopped, Repository: "https://g/ops", File: "a.yml", Force: true}}, nil, "shop by Portainer, stopped, of a.yml in https://g/ops on its default branch; deployed by hand"},
		"by a webhook":   {[]sources.ManagedStack{{Name: "shop", State: sources.StackUnknown, Repository: "https://g/ops", Branch: "b", File: "a.yml", Webhook: true, Updated: t0}}, nil, "shop by Portainer, unknown, of a.yml in https://g/ops on b; looked at by a webhook; updated 2026-11-30 08:00Z"},
		"typed":          {[]sources.ManagedStack{{Name: "shop", State: sources.StackActive, File: "a.yml", UpdatedBy: "ada"}}, nil, "shop by Portainer, active, of a file that was typed or uploaded there"},
		"of another":     {[]sources.ManagedStack{{Name: "shop2"}}, nil, "shop is none that Portainer deploys"},
		"of two swarms":  {[]sources.ManagedStack{{Name: "shop", Swarm: "s1"}, {Name: "shop", Swarm: "s2"}}, nil, "shop: several swarms have one of that name, and the id of this one is not known"},
		"nobody answers": {nil, &sources.Error{Source: "portainer", Kind: sources.Unauthorised, Op: "list stacks"}, "shop: portainer: list stacks: unauthorised"},
	} {
		k := &keeper{list: x.list, err: x.err}
		got := Follow(t.Context(), Sources{Stacks: k, Swarm: "s1"}, []*fleet.Service{web, alone, web})
		if len(k.asked) != 1 || k.asked[0] != "s1" {
			t.Errorf("%s: asked %q", name, k.asked)
		}
		if got[0].Stack == nil || got[0].Stack.Words() != x.says || got[2].Stack.Words() != x.says {
			t.Errorf("%s: %s\nwant %s", name, got[0].Stack.Words(), x.says)
		}
		if got[1].Stack != nil {
			t.Errorf("%s: a service without a stack has %s", name, got[1].Stack.Words())
		}
	}
	if got := Follow(t.Context(), Sources{}, []*fleet.Service{web}); got[0].Stack != nil {
		t.Error("nobody was asked, and a stack is told of")
	}
}

// A stack that could not be deployed holds its services up, but not before what the swarm itself says of them.
func TestStackHoldsUp(t *testing.T) {
	managed := func(state sources.StackState) func(*Facts) {
		return func(f *Facts) {
			f.Stack = &Stack{Name: "shop", Manager: "Portainer", Managed: &sources.ManagedStack{State: state, Says: "no such branch"}}
		}
	}
	for _, x := range []struct {
		name   string
		change func(*fleet.Service)
		facts  func(*Facts)
		state  State
		says   string
		next   string
	}{
		{"active", nil, managed(sources.StackActive), Done, "as asked for", ""},
		{"deploying", nil, managed(sources.StackDeploying), Running, "Portainer deploys the stack shop", "wait for the update"},
		{"failed", nil, managed(sources.StackFailed), Failed, "Portainer could not deploy the stack shop: no such branch", "look at the stack shop in Portainer"},
		{"failed, and taken back", func(v *fleet.Service) { v.UpdateState = "rollback_completed" }, managed(sources.StackFailed), Failed, "taken back", "quarterdeck redeploy shop_web"},
		{"not read", nil, func(f *Facts) { f.Stack = &Stack{NotRead: "x"} }, Done, "as asked for", ""},
	} {
		v := service()
		if x.change != nil {
			x.change(v)
		}
		d := Judge(v, facts(x.facts))
		if s := d.Steps[4]; s.State != x.state || !strings.Contains(s.Says, x.says) || !strings.HasPrefix(d.Next, x.next) || (x.next == "") != (d.Stuck == "") {
			t.Errorf("%s: %+v, stuck %q, next %q", x.name, s, d.Stuck, d.Next)
		}
	}
}
