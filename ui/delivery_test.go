package ui

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/charmbracelet/x/exp/golden"

	"quarterdeck/delivery"
	"quarterdeck/sources"
	"quarterdeck/sources/fleet"
)

// delivered is a delivery that came all the way.
func delivered(service string) delivery.Delivery {
	at := noon.Add(-3 * time.Hour)
	return delivery.Delivery{Service: service, Repository: "shop", Commit: "0123456789abcdef", Runs: "0123456789abcdef", Lead: 11*time.Minute + 20*time.Second, Steps: []delivery.Step{
		{Name: "commit", State: delivery.Done, At: at, Says: "01234567 on main"},
		{Name: "pipeline", State: delivery.Done, At: at.Add(6 * time.Minute), Says: "number 812 passed in 6m0s"},
		{Name: "image", State: delivery.Done, At: at.Add(5 * time.Minute), Says: "registry.example.com/shop/web:1.4.2 is of 01234567"},
		{Name: "scan", State: delivery.Failed, At: at.Add(9 * time.Minute), Says: "1 critical, 4 high, 31 in all"},
		{Name: "deploy", State: delivery.Done, At: at.Add(11 * time.Minute), Says: "as asked for"},
		{Name: "healthy", State: delivery.Done, At: at.Add(12 * time.Minute), Says: "healthy 3/3"}}}
}

// stuck is one that waits for somebody at its pipeline, of a commit that nobody runs yet.
func stuckDelivery(service string) delivery.Delivery {
	d := delivered(service)
	d.Commit = "fedcba9876543210"
	d.Steps[0].Says = "fedcba98 on main, 01234567 runs"
	d.Steps[1] = delivery.Step{Name: "pipeline", State: delivery.Waiting, Says: "number 813 paused: it waits for a person"}
	d.Steps[2] = delivery.Step{Name: "image", State: delivery.NA, Says: "the pipeline has not made one yet"}
	d.Steps[3] = delivery.Step{Name: "scan", State: delivery.Unknown, Says: "harbor: look: unreachable: dial tcp 10.0.0.7:443: i/o timeout"}
	d.Stuck, d.Next = "pipeline", "go on with it on Bitbucket's page of the pipeline"
	return d
}

// managedDelivery is of a service whose stack could not be deployed, in words that are to be made harmless.
func managedDelivery(service string) delivery.Delivery {
	d := delivered(service)
	d.Stack = &delivery.Stack{Name: "shop", Manager: "Portainer", Managed: &sources.ManagedStack{State: sources.StackFailed, Repository: "https://git.example.com/ops/stacks.git", Branch: "main\x1b[2J", File: "shop/stack.yml", Commit: "89abcdef01",
		Every: 5 * time.Minute, Webhook: true, Updated: d.Steps[0].At, UpdatedBy: "ada"}}
	d.Steps[4] = delivery.Step{Name: "deploy", State: delivery.Failed, At: d.Steps[4].At, Says: "Portainer could not deploy the stack shop: authentication required"}
	d.Stuck, d.Next = "deploy", "look at the stack shop in Portainer"
	return d
}

func TestGoldenDelivery(t *testing.T) {
	for _, size := range sizes {
		for name, c := range map[string]struct {
			of   func(string) delivery.Delivery
			mend func(*Options)
		}{
			"all-the-way": {delivered, nil}, "stuck": {stuckDelivery, nil}, "asking": {nil, nil},
			"managed": {managedDelivery, nil}, "no-colour": {stuckDelivery, func(o *Options) { o.NoColor, o.ASCII = true, true }},
		} {
			t.Run(fmt.Sprintf("%s-%dx%d", name, size[0], size[1]), func(t *testing.T) {
				m, _ := console(t, size[0], size[1], func(o *Options) {
					o.Delivery = func(context.Context, *fleet.Service) delivery.Delivery { return delivery.Delivery{} }
					if c.mend != nil {
						c.mend(o)
					}
				})
				press(t, m, "p")
				if b := m.overlay.(*deliveryBox); c.of != nil {
					m.Update(deliveryMsg{b, b.generation, c.of(b.service)})
				}
				checkFrame(t, m)
				golden.RequireEqual(t, m.Frame()+"\n")
			})
		}
	}
}

// The sources are asked beside the console; an answer to an older question is dropped, and what they say is made harmless.
func TestDeliveryIsAsked(t *testing.T) {
	asked := make(chan string, 4)
	r := newRig(t, 120, 40, func(o *Options) {
		o.Delivery = func(_ context.Context, v *fleet.Service) delivery.Delivery {
			asked <- v.Name
			d := stuckDelivery(v.Name)
			d.Steps[1].Says = "evil\x1b[2J pipeline"
			return d
		}
	})
	r.press("p")
	b := r.overlay.(*deliveryBox)
	if !strings.Contains(r.screen(), "asking the pipelines") {
		t.Errorf("it does not say that it asks:\n%s", r.screen())
	}
	r.until("the answer", func() bool { return b.loaded })
	if s := r.Frame(); strings.Contains(s, "\x1b[2J") || !strings.Contains(r.screen(), "it is stuck at: pipeline") {
		t.Errorf("%s", r.screen())
	}
	if name := <-asked; name != "shop_web" {
		t.Errorf("asked of %s", name)
	}
	r.press("ctrl+r")
	r.send(deliveryMsg{b, b.generation - 1, delivered(b.service)})
	if b.of.Stuck == "" || !b.loading {
		t.Error("an answer to an older question was taken")
	}
	r.until("the second answer", func() bool { return !b.loading })
	r.press("p")
	if r.overlay != nil {
		t.Errorf("p leaves %T open", r.overlay)
	}
	r.Model.o.Delivery = nil
	r.press("p")
	if r.overlay != nil || !strings.Contains(r.toast.text, "not followed here") {
		t.Errorf("without sources: %q", r.toast.text)
	}
}
