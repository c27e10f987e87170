package swarm

import (
	"fmt"
	"os"
	"path/filepath"
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
		"services: {a: {image: x, dns: [10.9.9.9]}}": "10.9.9.9",
		"services: {a: {image: x, nonsense: 1}}":     "nonsense",
		"services: {a: {image: \"${X:?say it}\"}}":   "say it",
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
		"services: {a: {image: x, secrets: [c]}}\nsecrets: {c: {file: ./key}}":                               "not known here",
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

// TestStackFrom: files of this machine, with what they refer to beside them, variables of the environment, and what compose files of other places have in them.
func TestStackFrom(t *testing.T) {
	dir := t.TempDir()
	write := func(name, text string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	write("one.txt", "contents")
	write("key.txt", "hunter2")
	write("more.env", "FROM_FILE=1\n")
	a := write("stack.yml", `version: "3.8"
services:
  a:
    image: "x:${TAG}"
    build: .
    depends_on: [b]
    restart: unless-stopped
    env_file: [more.env]
    user: "1000"
    working_dir: /srv
    stop_signal: SIGINT
    read_only: true
    init: true
    labels: {team: ours}
    extra_hosts: ["db:10.0.0.1"]
    cap_add: [NET_ADMIN]
    sysctls: {net.core.somaxconn: "1024"}
    ulimits: {nofile: {soft: 10, hard: 20}, nproc: 5}
    configs: [one]
    secrets: [key]
  b: {image: y, restart: "on-failure:3"}
configs: {one: {file: ./one.txt}}
secrets: {key: {file: ./key.txt}}
`)
	b := write("more.yml", "version: \"3.8\"\nservices: {b: {deploy: {replicas: 3}}}\n")
	got, err := StackFrom("s", map[string]string{"TAG": "1.2"}, a, b)
	if err != nil {
		t.Fatal(err)
	}
	raw := string(got.Services[0].Spec.JSON())
	for _, has := range []string{`"Image":"x:1.2"`, `"FROM_FILE=1"`, `"User":"1000"`, `"Dir":"/srv"`, `"StopSignal":"SIGINT"`, `"ReadOnly":true`, `"Init":true`, `"team":"ours"`, `"10.0.0.1 db"`, `"CAP_NET_ADMIN"`, `"net.core.somaxconn":"1024"`,
		`"Hard":20`, `"Soft":5`, `"Condition":"any"`} {
		if !strings.Contains(raw, has) {
			t.Errorf("no %s in %s", has, raw)
		}
	}
	if b := string(got.Services[1].Spec.JSON()); !strings.Contains(b, `"Replicas":3`) || !strings.Contains(b, `"MaxAttempts":3`) {
		t.Errorf("%s", b)
	}
	if len(got.Secrets) != 1 || got.Secrets[0].Name != "s_key" || string(got.Secrets[0].Data) != "hunter2" || len(got.Configs) != 1 || string(got.Configs[0].Data) != "contents" {
		t.Errorf("%d secrets, %d configs", len(got.Secrets), len(got.Configs))
	}
	if !slices.Equal(got.Ignored, []string{"build", "depends_on"}) {
		t.Errorf("passed over: %q", got.Ignored)
	}
	for text, says := range map[string]string{
		"services: {a: {image: x, configs: [c]}}\nconfigs: {c: {file: ./gone.txt}}": "gone.txt",
		"services: {a: {image: x, configs: [c]}}\nconfigs: {c: {file: .}}":          "no regular file",
		"services: {a: {image: x, restart: sometimes}}":                             "sometimes",
	} {
		if _, err := StackFrom("s", nil, write("bad.yml", "version: \"3.8\"\n"+text)); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%s: %v", text, err)
		}
	}
	if _, err := StackFrom("s", nil, dir); err == nil {
		t.Error("a directory was read as a stack file")
	}
}
