//go:build unix

package main

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/moby/moby/client"

	"quarterdeck/sources/demo"
	"quarterdeck/ui"
)

// openScalingConsole is a console that acts and decides, on a demo whose shop_api is to have at least five replicas, and has three.
func openScalingConsole(t *testing.T, d *demo.Platform) *badConsole {
	t.Helper()
	api, err := client.New(client.WithHost(d.DockerHost()))
	if err != nil {
		t.Fatal(err)
	}
	defer api.Close()
	x, err := api.ServiceInspect(t.Context(), "shop_api", client.ServiceInspectOptions{})
	if err != nil {
		t.Fatal(err)
	}
	x.Service.Spec.Labels["qd.autoscale.min"] = "5"
	if _, err := api.ServiceUpdate(t.Context(), x.Service.ID, client.ServiceUpdateOptions{Version: x.Service.Version, Spec: x.Service.Spec}); err != nil {
		t.Fatal(err)
	}
	return openConsoleWith(t, d, nil, 15*time.Second, func(ctx context.Context, c *badConsole, o *ui.Options) {
		c.p.settings.StateDir, c.p.settings.Actor = t.TempDir(), "ada@example.com"
		deck, err := c.p.deck()
		if err != nil {
			t.Fatal(err)
		}
		o.Deck, o.Scaling = deck, c.p.scaling()
		feed := o.Scaling
		c.running.Go(func() { feed.Run(ctx) })
	})
}

// TestScalingByKeys is on the embedded platform what somebody does on a busy day: sees what is recommended, why and with which target, applies it, stops all autoscaling, which every
// autoscaler then sees, and lets it go on.
func TestScalingByKeys(t *testing.T) {
	t.Parallel()
	d := quietDemo(t)
	c := openScalingConsole(t, d)
	c.wait("five are recommended", 60*time.Second, has("services 12", "3/3 →5"))
	c.press("/")
	for _, k := range "shop_api" {
		c.press(string(k))
	}
	c.press("enter", "4")
	c.wait("why, the policy, the target and the replicas", 60*time.Second, has("3 -> 5", "A applies it", "5 to 8 replicas, CPU 80%", "no autoscaler has told", "target 80%", "by the policy"))
	c.press("A")
	c.answerTo("scale shop_api 3 → 5", "y")
	c.wait("it runs", 2*time.Minute, has("converged"))
	c.press("esc")
	c.wait("nothing is recommended any more", 60*time.Second, func(s string) bool { return strings.Contains(s, "5 stay") && !strings.Contains(s, "A applies") })
	c.press("A")
	c.wait("why nothing is recommended", 30*time.Second, has("nothing is recommended for shop_api", "5 stay"))
	c.press("esc", "Z")
	c.answerTo("stop all autoscaling", "y")
	c.wait("the header says so", 60*time.Second, func(s string) bool { return strings.Contains(header(s), "SCALING STOPPED  by ada") })
	x := team{env: map[string]string{"DOCKER_HOST": d.DockerHost(), "QUARTERDECK_STATE_DIR": t.TempDir()}, config: filepath.Join(t.TempDir(), "config.yaml")}
	if err := os.WriteFile(x.config, []byte("{}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if out, errs, code := x.ask(t, "autoscale", "start"); code != exitDone {
		t.Fatalf("exit %d: %s %s", code, out, errs)
	}
	c.wait("another's start is seen", 60*time.Second, func(s string) bool { return !strings.Contains(header(s), "STOPPED") })
	if out, errs, code := x.ask(t, "autoscale", "stop", "--reason", "by command"); code != exitDone {
		t.Fatalf("exit %d: %s %s", code, out, errs)
	}
	c.wait("another's stop is seen", 60*time.Second, func(s string) bool { return strings.Contains(header(s), "SCALING STOPPED") })
	c.press("esc", "Z")
	c.yes("let autoscaling go on")
	c.wait("it goes on", 60*time.Second, func(s string) bool { return !strings.Contains(header(s), "STOPPED") })
}
