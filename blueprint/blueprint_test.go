package blueprint

import (
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/docker/cli/cli/compose/loader"
	"github.com/docker/cli/cli/compose/types"
	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/rulefmt"
	"github.com/prometheus/prometheus/promql/parser"
	"go.yaml.in/yaml/v3"

	"quarterdeck/stages"
)

// given are values for all that has no default.
func given() Values {
	return Values{"DOMAIN": "apps.example.com", "ACME_MAIL": "ops@example.com", "QUARTERDECK_S3": "s3+https://store.example/bucket/prefix", "QUARTERDECK_IMAGE": "registry.example/quarterdeck:1.2.0",
		"QUARTERDECK_RUNNER_IMAGE": "registry.example/quarterdeck-runner:1.2.0", "POSTGRES_ADDRESS": "db:5432"}
}

func filled(t *testing.T, stacks []*Stack) Values {
	t.Helper()
	v, err := Fill(stacks, given())
	if err != nil {
		t.Fatal(err)
	}
	return v
}

// load is what `docker stack deploy` makes of a stack's files, with nothing in its environment.
func load(s *Stack, files []File) (*types.Config, error) {
	details := types.ConfigDetails{WorkingDir: "/", Environment: map[string]string{}}
	var dicts []map[string]any
	for _, name := range s.Compose {
		i := slices.IndexFunc(files, func(f File) bool { return f.Path == path.Join(s.Name, name) })
		dict, err := loader.ParseYAML(files[i].Body)
		if err != nil {
			return nil, err
		}
		dicts = append(dicts, dict)
		details.ConfigFiles = append(details.ConfigFiles, types.ConfigFile{Filename: name, Config: dict})
	}
	if ignored := append(loader.GetUnsupportedProperties(dicts...), fmt.Sprint(loader.GetDeprecatedProperties(dicts...))); len(ignored) > 1 || ignored[0] != "map[]" {
		return nil, fmt.Errorf("docker stack deploy ignores %v", ignored)
	}
	return loader.Load(details)
}

// TestEachStackLoads holds each stack against the loader of docker stack deploy itself.
func TestEachStackLoads(t *testing.T) {
	files, err := Render(All, filled(t, All))
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range All {
		c, err := load(s, files)
		if err != nil {
			t.Errorf("%s: %v", s.Name, err)
			continue
		}
		var secrets, networks []string
		for _, n := range c.Networks {
			if n.External.External {
				networks = append(networks, n.Name)
			}
		}
		for _, x := range c.Secrets {
			secrets = append(secrets, x.Name)
			if !x.External.External || !slices.ContainsFunc(s.Secrets, func(k Secret) bool { return k.Name == x.Name }) {
				t.Errorf("%s: the secret %s is not one that the README tells to make", s.Name, x.Name)
			}
		}
		if s.Name == "agent" {
			secrets = append(secrets, "qd-repository") // what the runners are given, which the agent starts
		}
		slices.Sort(networks)
		if len(secrets) != len(s.Secrets) || !slices.Equal(networks, s.Networks) {
			t.Errorf("%s: secrets %v, networks %v; told are %v, %v", s.Name, secrets, networks, s.Secrets, s.Networks)
		}
		for key, x := range c.Configs {
			if !strings.HasPrefix(x.Name, s.Name+"_"+key+"-") || !slices.Contains(s.Others, filepath.Base(x.File)) {
				t.Errorf("%s: configuration %s is %q of %s", s.Name, key, x.Name, x.File)
			}
		}
	}
}

// TestParamsAreUsed: each variable of the files has a parameter, and each parameter a file; the defaults pass their own checks.
func TestParamsAreUsed(t *testing.T) {
	used := map[string]bool{}
	for _, s := range All {
		for _, f := range s.Compose {
			body, err := s.read(f)
			if err != nil {
				t.Fatal(err)
			}
			for _, m := range variable.FindAllSubmatch(body, -1) {
				used[string(m[1])] = true
				if Find(string(m[1])) == nil {
					t.Errorf("%s/%s: ${%s} is no parameter", s.Name, f, m[1])
				}
			}
		}
	}
	for _, p := range Params {
		if !used[p.Key] {
			t.Errorf("%s is in no file", p.Key)
		}
		if p.Default != "" {
			if err := Check(p.Key, p.Default); err != nil {
				t.Error(err)
			}
		}
	}
}

func TestFaultsOfValues(t *testing.T) {
	for _, x := range []struct{ key, value, says string }{
		{"DOMAIN", "apps.example.com\n  evil: true", "line break"},
		{"DOMAIN", "apps.example.com`) || Host(`x", "a domain's name"},
		{"DOMAIN", "", "a domain's name"},
		{"ACME_MAIL", "nobody", "a mail address"},
		{"IMAGE_LOKI", "grafana/loki:latest", "latest"},
		{"IMAGE_LOKI", "grafana/loki", "no tag"},
		{"IMAGE_LOKI", "grafana/loki:3.7.8 --privileged", "no image's reference"},
		{"METRICS_RETENTION", "30d --web.enable-admin-api", "30d or 12h"},
		{"LOG_RETENTION", "${HOME}", "744h"},
		{"NO_SUCH", "x", "no parameter"},
		{"DOMAIN", strings.Repeat("a.", 300) + "com", "longer"},
	} {
		err := Check(x.key, x.value)
		if err == nil || !errors.Is(err, ErrValue) || !strings.Contains(err.Error(), x.says) {
			t.Errorf("%s = %q: %v", x.key, x.value, err)
		}
	}
	if err := Check("IMAGE_LOKI", "grafana/loki:3.7.8@sha256:"+strings.Repeat("ab", 32)); err != nil {
		t.Error(err)
	}
	_, err := Fill(Of(1), nil)
	if err == nil || !strings.Contains(err.Error(), "DOMAIN") || !strings.Contains(err.Error(), "ACME_MAIL") || strings.Contains(err.Error(), "QUARTERDECK_S3") {
		t.Errorf("what is missing: %v", err)
	}
	for _, text := range []string{"DOMAIN: [a]", "DOMAIN: a.example\nDOMAIN: b.example", "NOPE: 1", "- x"} {
		if v, err := ReadValues([]byte(text)); err == nil {
			t.Errorf("%q: %v", text, v)
		}
	}
}

// TestAHostileValueStaysAValue puts past the checks what would be something else if it were not quoted.
func TestAHostileValueStaysAValue(t *testing.T) {
	for _, evil := range []string{"x\"\n    privileged: true\n    y: \"", "a: b # c", "$HOME ${PATH:-x} $$", "{a: 1}", "*keeper", "!!binary x", "true", "' \\ \" \t"} {
		s := Of(1)[1]
		v := filled(t, Of(1))
		v["DOMAIN"] = evil
		files, err := Render([]*Stack{s}, v)
		if err != nil {
			t.Fatal(err)
		}
		c, err := load(s, files)
		if err != nil {
			t.Errorf("%q: %v", evil, err)
			continue
		}
		if got := c.Services[0].Deploy.Labels["traefik.http.routers.web.rule"]; got != "Host(`www."+evil+"`)" {
			t.Errorf("%q became %q", evil, got)
		}
		if c.Services[0].Privileged || len(c.Services) != 1 {
			t.Errorf("%q is more than a value", evil)
		}
	}
}

func TestWriteNeverWritesOver(t *testing.T) {
	dir := t.TempDir()
	files := []File{{"a/x.yml", []byte("1\n")}, {"y.yml", []byte("2\n")}}
	if w, err := Write(dir, files, false); err != nil || len(w) != 2 {
		t.Fatal(w, err)
	}
	if w, err := Write(dir, files, false); err != nil || len(w) != 0 {
		t.Fatal(w, err)
	}
	changed := []File{{"new.yml", nil}, {"a/x.yml", []byte("other\n")}, {"y.yml", []byte("2\n3\n")}}
	if _, err := Write(dir, changed, false); !errors.Is(err, ErrDiffers) || !strings.Contains(err.Error(), "a/x.yml") || strings.Contains(err.Error(), "y.yml,") {
		t.Fatal(err)
	}
	if _, err := os.Stat(filepath.Join(dir, "new.yml")); !errors.Is(err, os.ErrNotExist) {
		t.Error("something was written all the same")
	}
	if w, err := Write(dir, changed[2:], false); err != nil || len(w) != 1 { // it only grows
		t.Error(w, err)
	}
	if w, err := Write(dir, changed, true); err != nil || len(w) != 2 {
		t.Error(w, err)
	}
}

func TestTheFileOfValuesOnlyGrows(t *testing.T) {
	before := []byte("# ours\nDOMAIN: apps.example.com\n")
	v := Values{"DOMAIN": "apps.example.com", "ACME_MAIL": "ops@example.com"}
	body, err := v.File(before)
	if err != nil || !strings.HasPrefix(string(body), string(before)) {
		t.Fatalf("%s %v", body, err)
	}
	if back, err := ReadValues(body); err != nil || len(back) != 2 || back["ACME_MAIL"] != v["ACME_MAIL"] {
		t.Error(back, err)
	}
	v["DOMAIN"] = "other.example.com"
	if body, err = v.File(before); err != nil || strings.Contains(string(body), "# ours") {
		t.Errorf("%s %v", body, err)
	}
}

// TestRules: Prometheus takes them, five are critical, and each names a service or a node.
func TestRules(t *testing.T) {
	observe := Of(2)[0]
	body, err := observe.read("rules.yml")
	if err != nil {
		t.Fatal(err)
	}
	groups, errs := rulefmt.Parse(body, false, model.UTF8Validation, parser.NewParser(parser.Options{}), slog.New(slog.DiscardHandler))
	if len(errs) > 0 {
		t.Fatal(errs)
	}
	critical := 0
	for _, g := range groups.Groups {
		for _, r := range g.Rules {
			if r.Labels["severity"] == "critical" {
				critical++
			}
			if r.Annotations["summary"] == "" || r.Labels["severity"] == "" {
				t.Errorf("%s has no summary or no severity", r.Alert)
			}
		}
	}
	if critical != 5 {
		t.Errorf("%d critical rules", critical)
	}
	for _, f := range observe.Others {
		if !strings.HasSuffix(f, ".yml") && !strings.HasSuffix(f, ".json") {
			continue
		}
		body, err := observe.read(f)
		if err != nil {
			t.Fatal(err)
		}
		var v map[string]any
		if err := yaml.Unmarshal(body, &v); err != nil || len(v) == 0 {
			t.Errorf("%s: %v", f, err)
		}
	}
}

// TestChecksNameStacks: a check that says that a stack answers it names one that there is.
func TestChecksNameStacks(t *testing.T) {
	named := 0
	for _, c := range stages.All {
		if c.Stack == "" {
			continue
		}
		named++
		if !slices.ContainsFunc(All, func(s *Stack) bool { return s.Name == c.Stack && s.Stage == c.Stage }) {
			t.Errorf("%s, of stage %d, names %s", c.ID, c.Stage, c.Stack)
		}
	}
	if named == 0 {
		t.Error("no check names a stack")
	}
}
