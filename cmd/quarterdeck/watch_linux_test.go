package main

import (
	"os"
	"os/exec"
	"testing"
	"time"

	"github.com/moby/moby/client"

	"quarterdeck/sources/demo"
)

// BenchmarkWatchRollout is the CPU that the real binary needs while it watches one rollout through a long stability window, on the platform of
// twelve services and on one of 300. The platform is another process' (this one's).
func BenchmarkWatchRollout(b *testing.B) {
	bin := builtBinary(b)
	_, watch := restTime()
	for name, o := range map[string]demo.Options{"small": {}, "300-services": {Services: 300, Tasks: 1200}} {
		b.Run(name, func(b *testing.B) {
			o.Seed, o.Quiet = 1, true
			d, err := demo.Start(b.Context(), o)
			if err != nil {
				b.Fatal(err)
			}
			defer d.Close()
			a := newActor(b, target{env: map[string]string{"DOCKER_HOST": d.DockerHost(), "LOKI_ADDR": "", "PROMETHEUS_URL": "", "ALERTMANAGER_URL": "", "QUARTERDECK_CONFIG": ""}}, "registry.quarterdeck.demo/act/app:")
			s := a.look(b, a.service)
			s.Spec.UpdateConfig.Monitor = watch + time.Minute
			if _, err := a.api.ServiceUpdate(b.Context(), s.ID, client.ServiceUpdateOptions{Version: s.Version, Spec: s.Spec}); err != nil {
				b.Fatal(err)
			}
			for range b.N {
				cmd := exec.Command(bin, "redeploy", a.service, "--yes")
				cmd.Env = os.Environ()
				for k, v := range a.env {
					cmd.Env = append(cmd.Env, k+"="+v)
				}
				cmd.Env = append(cmd.Env, "QUARTERDECK_STATE_DIR="+b.TempDir())
				said := &waiting{word: a.service + " rolling 2/2", seen: make(chan struct{})}
				cmd.Stderr = said
				if err := cmd.Start(); err != nil {
					b.Fatal(err)
				}
				select {
				case <-said.seen:
				case <-time.After(time.Minute):
					b.Error("it never came to the verdict")
				}
				p := &terminal{cmd: cmd}
				before, began := p.spent(b), time.Now()
				time.Sleep(watch)
				used, took := p.spent(b)-before, time.Since(began)
				_ = cmd.Process.Signal(os.Interrupt)
				_ = cmd.Wait()
				b.ReportMetric(100*used.Seconds()/took.Seconds(), "%core")
			}
			b.ReportMetric(0, "ns/op")
		})
	}
}
