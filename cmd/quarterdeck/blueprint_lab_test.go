//go:build lab

package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"quarterdeck/blueprint"
)

// TestBlueprintLab deploys each stack of the blueprint by the docker command itself, and asks what would be changed of it: nothing may be. The
// images need not be there: the specs are compared, and nothing has to run.
func TestBlueprintLab(t *testing.T) {
	host := os.Getenv("DOCKER_HOST")
	if host == "" {
		t.Fatal("DOCKER_HOST is not set: eval \"$(testdata/lab/lab env)\"")
	}
	docker := func(in, dir string, args ...string) (string, error) {
		cmd := exec.CommandContext(t.Context(), "docker", append([]string{"-H", host}, args...)...)
		cmd.Dir, cmd.Stdin = dir, strings.NewReader(in)
		out, err := cmd.CombinedOutput()
		return strings.TrimSpace(string(out)), err
	}
	gone := func(args ...string) { // with the test, which has made it
		t.Cleanup(func() {
			if out, err := exec.Command("docker", append([]string{"-H", host}, args...)...).CombinedOutput(); err != nil {
				t.Logf("docker %v: %v: %s", args, err, out)
			}
		})
	}
	a := &actor{target: target{env: map[string]string{"DOCKER_HOST": host, "LOKI_ADDR": "", "PROMETHEUS_URL": "", "ALERTMANAGER_URL": "", "QUARTERDECK_STATE_DIR": t.TempDir(), "QUARTERDECK_READ_ONLY": ""}}}
	dir := t.TempDir()
	set := []string{"--set", "DOMAIN=apps.example.com", "--set", "ACME_MAIL=ops@example.com", "--set", "QUARTERDECK_S3=s3+http://10.200.0.254:9000/none/none", "--set", "POSTGRES_ADDRESS=db:5432",
		"--set", "QUARTERDECK_IMAGE=10.200.0.254:5000/none:1", "--set", "QUARTERDECK_RUNNER_IMAGE=10.200.0.254:5000/none:1"}
	if _, errs, code := a.ask(t, append([]string{"blueprint", "write", dir}, set...)...); code != exitDone {
		t.Fatalf("exit %d: %s", code, errs)
	}
	have, err := docker("", dir, "network", "ls", "--format", "{{.Name}}")
	if err != nil {
		t.Fatal(have, err)
	}
	known := strings.Fields(have)
	for _, st := range blueprint.All {
		for _, n := range st.Networks {
			if slices.Contains(known, n) {
				continue
			}
			known = append(known, n)
			if out, err := docker("", dir, "network", "create", "--driver", "overlay", "--attachable", n); err != nil {
				t.Fatal(out, err)
			}
			gone("network", "rm", n)
		}
		for _, x := range st.Secrets {
			if _, err := docker("", dir, "secret", "inspect", x.Name); err == nil {
				continue // the lab's own
			}
			if out, err := docker("nothing", dir, "secret", "create", x.Name, "-"); err != nil {
				t.Fatal(out, err)
			}
			gone("secret", "rm", x.Name)
		}
	}
	for _, st := range blueprint.All {
		t.Run(st.Name, func(t *testing.T) {
			args := []string{"stack", "deploy", "--resolve-image", "never"}
			for _, f := range st.Compose {
				args = append(args, "-c", f)
			}
			defer func() {
				if out, err := exec.Command("docker", "-H", host, "stack", "rm", st.Name).CombinedOutput(); err != nil {
					t.Errorf("%v: %s", err, out)
				}
			}()
			if out, err := docker("", filepath.Join(dir, st.Name), append(args, st.Name)...); err != nil {
				t.Fatal(out, err)
			}
			var doc any
			a.askJSON(t, &doc, exitDone, append([]string{"blueprint", "apply", st.Name, "--plan"}, set...)...)
			r := fields(t, "apply", doc, "result", "plan")
			if r["result"] != "nothing-to-do" {
				t.Errorf("it would change %v", r["plan"])
			}
		})
	}
}
