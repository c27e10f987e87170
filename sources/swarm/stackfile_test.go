package swarm

import (
	"os"
	"strings"
	"testing"
	"time"
)

// TestReadStackOfTheLab reads a stack that is deployed in the lab, with anchors, a log driver, a global service and a volume.
func TestReadStackOfTheLab(t *testing.T) {
	body, err := os.ReadFile("../../testdata/lab/stacks/shop.yml")
	if err != nil {
		t.Fatal(err)
	}
	got, err := ReadStack("shop", body)
	if err != nil {
		t.Fatal(err)
	}
	seen := map[string]bool{}
	for _, s := range got {
		seen[s.Name] = true
		if s.Stack != "shop" || s.LogDriver != "loki:latest" || s.Restart.Delay != 2*time.Second || s.Update.FailureAction != "rollback" || s.Resources.LimitBytes != 64<<20 || s.Resources.LimitNanoCPUs != 5e8 {
			t.Errorf("%+v", s.Service)
		}
		switch s.Name {
		case "shop_store":
			if len(s.Mounts) != 1 || s.Mounts[0].Source != "shop_store-data" || !strings.Contains(s.Labels["qd.backup.verify"], `\1  &/'`) {
				t.Errorf("%+v %v", s.Mounts, s.Labels)
			}
		case "shop_agent":
			if s.Mode != "global" || s.Desired != 0 {
				t.Errorf("%v %d", s.Mode, s.Desired)
			}
		case "shop_web":
			if s.Desired != 3 || !strings.Contains(s.Healthcheck, "/workload") || len(s.Ports) == 0 && !strings.Contains(string(s.Spec.JSON()), `"PublishMode":"host"`) {
				t.Errorf("%+v", s.Service)
			}
		}
	}
	for _, n := range []string{"shop_web", "shop_api", "shop_store", "shop_worker", "shop_agent"} {
		if !seen[n] {
			t.Errorf("%s is missing", n)
		}
	}
}

// TestReadStackLeavesNothingOut: a field that is not taken over is an error, and so is what docker stack deploy itself refuses.
func TestReadStackLeavesNothingOut(t *testing.T) {
	for text, says := range map[string]string{
		"services: {a: {image: x, cap_add: [NET_ADMIN]}}": "NET_ADMIN",
		"services: {a: {image: x, nonsense: 1}}":          "nonsense",
		"services: {a: {image: \"${X:?say it}\"}}":        "say it",
		"services: [": "yaml",
		"services: {a: {image: x, volumes: [\"data:/v\"]}}":                          "no volume",
		"services: {a: {image: x, networks: [nets]}}":                                "no network",
		"services: {a: {image: x, secrets: [keys]}}":                                 "no secret",
		"services: {a: {image: x, configs: [confs]}}":                                "no config",
		"services: {a: {image: x, deploy: {resources: {limits: {cpus: \"many\"}}}}}": "many",
	} {
		if got, err := ReadStack("s", []byte("version: \"3.8\"\n"+text)); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%s: %v %v", text, got, err)
		}
	}
}
