package swarm

import (
	"fmt"
	"os"
	"slices"
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

// TestStackOf: beside the services, what a stack needs and what it makes; and what is not read is an error, here too.
func TestStackOf(t *testing.T) {
	file := "version: \"3.8\"\nservices:\n  a: {image: x, networks: [front, back], configs: [one, other], secrets: [key], volumes: [\"data:/d\", \"kept:/k\"]}\n  b: {image: y}\n" +
		"networks: {front: {external: true}, back: {driver: overlay, internal: true, driver_opts: {encrypted: \"\"}}, unused: {}}\n" +
		"configs: {one: {file: ./one.txt, labels: {a: b}}, other: {external: true}}\nsecrets: {key: {external: true}}\nvolumes: {data: {driver: fast}, kept: {external: true}}\n"
	got, err := StackOf("s", map[string][]byte{"one.txt": []byte("contents")}, []byte(file))
	if err != nil {
		t.Fatal(err)
	}
	names := []string{}
	for _, n := range got.Networks {
		names = append(names, fmt.Sprintf("%s shared=%t internal=%t attachable=%t stack=%s options=%d", n.Name, n.Shared, n.Internal, n.Attachable, n.Labels["com.docker.stack.namespace"], len(n.Options)))
	}
	want := []string{"s_back shared=false internal=true attachable=false stack=s options=1", "s_default shared=false internal=false attachable=false stack=s options=0", "front shared=true internal=false attachable=true stack= options=0"}
	if !slices.Equal(names, want) {
		t.Errorf("networks %q, want %q", names, want)
	}
	if len(got.Configs) != 1 || got.Configs[0].Name != "s_one" || string(got.Configs[0].Data) != "contents" || got.Configs[0].Labels["com.docker.stack.namespace"] != "s" || got.Configs[0].Labels["a"] != "b" {
		t.Errorf("configs %v %v", got.Configs, got.Configs[0].Labels)
	}
	raw := string(got.Services[0].Spec.JSON())
	for _, has := range []string{`"Source":"s_data"`, `"DriverConfig":{"Name":"fast"}`, `"Source":"kept","Target":"/k","Type":"volume","VolumeOptions":{}`, `"Target":"front"`} {
		if !strings.Contains(raw, has) {
			t.Errorf("no %s in %s", has, raw)
		}
	}
	if other := string(got.Services[1].Spec.JSON()); !strings.Contains(other, `"Target":"s_default"`) {
		t.Errorf("a service that names no network is on none: %s", other)
	}
	for text, says := range map[string]string{
		"services: {a: {image: x, configs: [c]}}\nconfigs: {c: {file: ./gone.txt}}":                          "not known here",
		"services: {a: {image: x, secrets: [c]}}\nsecrets: {c: {file: ./key}}":                               "already",
		"services: {a: {image: x, networks: [n]}}\nnetworks: {n: {driver: macvlan}}":                         "overlay",
		"services: {a: {image: x, networks: [n]}}\nnetworks: {n: {ipam: {config: [{subnet: 10.9.0.0/24}]}}}": "addresses",
		"services: {a: {image: x, volumes: [\"/a:/b:rshared\"]}}":                                            "at /b",
		"services: {a: {image: x, volumes: [{type: npipe, source: a, target: b}]}}":                          "npipe",
	} {
		if got, err := StackOf("s", nil, []byte("version: \"3.8\"\n"+text)); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%s: %v %v", text, got, err)
		}
	}
}
