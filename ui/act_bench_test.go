package ui

import (
	"context"
	"os"
	"sync"
	"testing"
	"time"

	tea "charm.land/bubbletea/v2"

	"quarterdeck/actions"
	"quarterdeck/actions/journal"
	"quarterdeck/sources/demo"
	"quarterdeck/sources/fleet"
	"quarterdeck/sources/swarm"
)

// planStamp stamps the frame each time that a plan appears or goes away.
type planStamp struct {
	stamped
	shown bool
}

func (s *planStamp) Update(msg tea.Msg) (tea.Model, tea.Cmd) {
	_, cmd := s.Model.Update(msg)
	b, shown := s.overlay.(*planBox)
	if shown != s.shown {
		s.shown = shown
		s.keys++
	}
	if shown && b.plan.Refused+b.plan.Nothing != "" {
		panic("a plan that does nothing measures nothing: " + b.plan.Refused + b.plan.Nothing)
	}
	return s, cmd
}

// BenchmarkKeyToPlan is from a key's byte on the input until the plan that it asks for is written to the terminal, through the whole
// program (160x48) and the wire of the embedded platform or, with QD_LAB=1, of the lab. b.N is the number of plans.
func BenchmarkKeyToPlan(b *testing.B) {
	on := func(name, host, service string) {
		for _, c := range []struct{ name, keys string }{{"scale", "+"}, {"redeploy", "rs"}} {
			b.Run(name+"/"+c.name, func(b *testing.B) { benchmarkPlans(b, host, service, c.keys) })
		}
	}
	onDemos(b, func(name string, p *demo.Platform, service string) { on(name, p.DockerHost(), service) })
	if os.Getenv("QD_LAB") != "" {
		on("lab", os.Getenv("DOCKER_HOST"), "shop_web")
	}
}

func benchmarkPlans(b *testing.B, host, service, keys string) {
	c, err := swarm.New(swarm.Options{Host: host, Timeout: 15 * time.Second})
	if err != nil {
		b.Fatal(err)
	}
	defer c.Close()
	j, err := journal.Open(b.TempDir())
	if err != nil {
		b.Fatal(err)
	}
	f := fleet.New(time.Now, fleet.SwarmName)
	d := &actions.Deck{Hands: swarm.NewHands(c, c), Fleet: f, Journal: j, Now: time.Now}
	ctx, cancel := context.WithCancel(b.Context())
	var wg sync.WaitGroup
	defer wg.Wait()
	defer cancel()
	wg.Go(func() { f.Run(ctx, fleet.Feeds{Swarm: c}) })
	if _, err := d.Ready(ctx); err != nil {
		b.Fatal(err)
	}
	m, err := New(Options{Fleet: f, Deck: d, Context: "bench", Theme: "dark", Now: time.Now, Location: time.UTC})
	if err != nil {
		b.Fatal(err)
	}
	m.arrange()
	if service != "" {
		m.gotoService(service)
	}
	model := &planStamp{stamped: stamped{Model: m}}
	t, rise := sit(b, m, model)
	defer rise()
	took := make([]time.Duration, 0, b.N)
	for i := range b.N {
		took = append(took, t.press(keys))
		t.press("\x1b[27u") // esc, by the keyboard protocol that leaves nothing to be waited for
		if keys == "rs" {
			t.write("\x1b[27u") // and out of the chooser
		}
		time.Sleep(20*time.Millisecond + time.Duration(i%15)*time.Millisecond)
	}
	report(b, took)
}
