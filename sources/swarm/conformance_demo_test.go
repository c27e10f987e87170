package swarm_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"quarterdeck/sources/demo"
)

func TestConformanceDemo(t *testing.T) {
	t.Parallel()
	testConformance(t, startDemo, false)
}

func TestHandsDemo(t *testing.T) {
	t.Parallel()
	p := startDemo(t)
	s, err := handsOf(t, p.host).ServiceState(t.Context(), p.service)
	if err != nil {
		t.Fatal(err)
	}
	name := s.Image[:strings.LastIndexByte(s.Image, ':')]
	testHands(t, p, registry{good: s.Image, missing: name + ":missing-1", nowhere: "registry.invalid/app:1"})
}

func TestBenchDemo(t *testing.T) {
	t.Parallel()
	testBench(t, bench{host: startDemo(t).host, image: "registry.quarterdeck.demo/batch/worker:1.4.0", once: map[string]any{"Args": []string{"--once"}}})
}

func startDemo(t *testing.T) platform {
	d, err := demo.Start(t.Context(), demo.Options{Quiet: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = d.Close() })
	w, err := connect(t, d.DockerHost()).List(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	must := func(t *testing.T, err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	p := platform{host: d.DockerHost()}
	var soonest time.Duration // the time that an update takes decides the tests' own
	for _, s := range w.Services {
		if took := time.Duration(s.Desired) * (s.Update.Delay + s.Update.Monitor); s.Desired >= 2 && (p.size == 0 || took < soonest) {
			p.service, p.size, soonest = s.Name, s.Desired, took
		}
	}
	n := 0
	p.update = func(t *testing.T) {
		n++
		must(t, d.Deploy(p.service, fmt.Sprintf("registry.example/app:9.%d", n)))
	}
	p.crash = func(t *testing.T) { must(t, d.CrashLoop(p.service, true)) }
	p.mend = func(t *testing.T) { must(t, d.CrashLoop(p.service, false)) }
	p.talk = func(t *testing.T) { must(t, d.Burst(p.service, 40)) }
	return p
}
