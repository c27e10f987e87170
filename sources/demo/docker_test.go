package demo

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"
)

// dockerCLI runs the real command line against a platform.
func dockerCLI(t *testing.T, p *Platform, args ...string) (out string, exit int) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	cmd := exec.CommandContext(ctx, "docker", append([]string{"--config", t.TempDir(), "-H", p.DockerHost()}, args...)...) //nolint:gosec // our own words
	b, err := cmd.CombinedOutput()
	var ended *exec.ExitError
	if err != nil && !errors.As(err, &ended) || ctx.Err() != nil {
		t.Fatalf("docker %s: %v\n%s", strings.Join(args, " "), err, b)
	}
	return string(b), cmd.ProcessState.ExitCode()
}

// The docker command line cannot tell the demo from an engine.
func TestDockerCommandLine(t *testing.T) {
	if _, err := exec.LookPath("docker"); err != nil {
		t.Skip("no docker command on this machine")
	}
	p := start(t, Options{})
	for _, c := range []struct {
		args, want string // want is a regular expression over all of the output
		exit       int
	}{
		{"version", `(?s)Server: .*Version: +28\.5\.2.*API version: +1\.51 \(minimum version 1\.24\)`, 0},
		{"info", `(?s)Swarm: active.*Is Manager: true.*Managers: 1\n +Nodes: 3`, 0},
		{"node ls", `(?s)node1 +Ready +Active +Leader +28\.5\.2.*node3 +Ready`, 0},
		{"node ps node1", `platform_traefik\.1 +traefik:v3\.2\.1 +node1 +Running +Running \d+ hours ago`, 0},
		{"node inspect --pretty node2", `(?s)storage=ssd.*State:\s+Ready\n Availability:\s+Active.*CPUs:\s+4\n Memory:\s+8GiB.*Engine Version:\s+28\.5\.2`, 0},
		{"node inspect nope", `Error response from daemon: node nope not found`, 1},
		{"service ls", `(?s)platform_agent +global +3/3 .*shop_api +replicated +3/3 +registry\.quarterdeck\.demo/shop/api:2\.31\.4`, 0},
		{"service ls --filter name=shop_s", `^ID.*\n\w+ +shop_store +replicated +1/1 +postgres:16\.4 *\n$`, 0},
		{"service ls --filter mode=global -q", `^\w{12}\n$`, 0},
		{"service ps --no-trunc shop_api", `(?s)\w{25} +shop_api\.1 +registry\.quarterdeck\.demo/shop/api:2\.31\.4@sha256:[0-9a-f]{64} +node\d +Running +Running \d+ hours ago.*\\_ shop_api\.1 .*Shutdown +Shutdown \d+ hours ago`, 0},
		{"service ps nope", `no such service: nope`, 1},
		{"service inspect --pretty shop_api", `(?s)UpdateStatus:\n State:\s+completed.*Message:\s+update completed.*On failure:\s+rollback.*Update order: +start-first.*Memory:\s+256MiB.*Endpoint Mode:\s+vip`, 0},
		{"service inspect nope", `no such service: nope`, 1},
		{"service logs --tail 20 --timestamps shop_api", `(?m)\A(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{9}Z shop_api\.\d\.\w{12}@node\d +\| ts=.*\n){60}\z`, 0},
		{"service logs nope", `no such task or service: nope`, 1},
		{"service rollback shop_store", `code = FailedPrecondition desc = service \w{25} does not have a previous spec`, 1},
		{"stack ls", `(?s)batch +2 *\nplatform +4 *\nshop +6`, 0},
		{"stack services shop", `(?s)shop_cache.*shop_web`, 0},
		{"stack ps shop", `shop_web\.1`, 0},
		{"config ls", `shop_web_conf`, 0},
		{"config inspect nope", `config nope not found`, 1},
		{"secret ls", `shop_pay_key`, 0},
		{"secret inspect nope", `secret nope not found`, 1},
		{"network ls --filter driver=overlay", `(?s)ingress +overlay +swarm.*shop_back`, 0},
		{"network inspect nope", `Error response from daemon: network nope not found`, 1},
		{"ps", `Up \d+ hours \(healthy\).*shop_web\.`, 0},
		{"inspect nope", `No such object: nope`, 1},
		{"events --since 48h --until 0s --filter type=service --filter service=shop_api", `\A\S+ service update \w{25} \(image\.new=.*updatestate\.new=updating\)\n\S+ service update \w{25} \(name=shop_api, updatestate\.new=completed, updatestate\.old=updating\)\n\z`, 0},
		{"events --since 48h --until 0s --filter service=nope", `\A\z`, 0},
		{"system df", `Error response from daemon: the demo's engine does not know GET /system/df`, 1},
		{"images", `Error response from daemon: the demo's engine does not know GET /images/json`, 1},
		{"node demote node1", `code = FailedPrecondition desc = attempting to demote the last manager of the swarm`, 1},
	} {
		out, exit := dockerCLI(t, p, strings.Fields(c.args)...)
		if exit != c.exit || !regexp.MustCompile(c.want).MatchString(out) {
			t.Errorf("docker %s: exit %d, wanted %d and %s in:\n%s", c.args, exit, c.exit, c.want, out)
		}
	}
}

// What changes the platform can be done with the docker command, which prints what it prints of an engine.
func TestDockerCommandLineChanges(t *testing.T) {
	if _, err := exec.LookPath("docker"); err != nil {
		t.Skip("no docker command on this machine")
	}
	p := start(t, Options{})
	file := filepath.Join(t.TempDir(), "value")
	if err := os.WriteFile(file, []byte("s3cret"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		args, want string
		exit       int
	}{
		{"secret create --label a=b fresh " + file, `^\w{25}\n$`, 0},
		{"secret create fresh " + file, `code = AlreadyExists desc = secret fresh already exists`, 1},
		{"secret inspect fresh", `"a": "b"`, 0},
		{"secret rm shop_pay_key", `code = InvalidArgument desc = secret 'shop_pay_key' is in use by the following service: shop_payments`, 1},
		{"config create fresh " + file, `^\w{25}\n$`, 0},
		{"config inspect --pretty fresh", `s3cret`, 0},
		{"service update --detach --secret-add fresh batch_reports", `^batch_reports\n$`, 0},
		{"secret rm fresh", `is in use by the following service: batch_reports`, 1},
		{"service update --detach --secret-rm fresh batch_reports", `^batch_reports\n$`, 0},
		{"secret rm fresh", `^fresh\n$`, 0},
		{"secret rm fresh", `secret fresh not found`, 1},
		{"config rm fresh", `^fresh\n$`, 0},
		{"events --since 1m --until -1s --filter type=secret --filter type=config", `(?s)secret create \w{25} \(name=fresh\).*config create .*secret remove .*config remove \w{25} \(name=fresh\)\n$`, 0},
		{"node update --label-add disk=nvme node3", `^node3\n$`, 0},
		{"node inspect --pretty node3", `disk=nvme`, 0},
		{"node update --availability drain node3", `^node3\n$`, 0},
		{"node ls --filter name=node3", `node3 +Ready +Drain`, 0},
		{"node promote node2", `^Node node2 promoted to a manager in the swarm\.\n$`, 0},
		{"node inspect --format {{.Spec.Role}} node2", `^manager\n$`, 0},
		{"service update --detach --image registry.quarterdeck.demo/shop/web:4.12.1 shop_web", `^shop_web\n$`, 0},
		{"service inspect --format {{.Spec.TaskTemplate.ContainerSpec.Image}} shop_web", `:4\.12\.1@sha256:[0-9a-f]{64}\n$`, 0},
		{"service update --detach --image registry.quarterdeck.demo/shop/web:missing-1 shop_cart", `image registry\.quarterdeck\.demo/shop/web:missing-1 could not be accessed on a registry to record\nits digest`, 0},
		{"service update --detach --replicas 4 batch_reports", `^batch_reports\n$`, 0},
		{"service inspect --format {{.PreviousSpec.Mode.Replicated.Replicas}} batch_reports", `^0\n$`, 0},
		{"service rollback --detach batch_reports", `^batch_reports\n$`, 0},
		{"service inspect --format {{.Spec.Mode.Replicated.Replicas}} batch_reports", `^0\n$`, 0},
	} {
		out, exit := dockerCLI(t, p, strings.Fields(c.args)...)
		if exit != c.exit || !regexp.MustCompile(c.want).MatchString(out) {
			t.Errorf("docker %s: exit %d, wanted %d and %s in:\n%s", c.args, exit, c.exit, c.want, out)
		}
		if strings.HasPrefix(c.args, "secret") && strings.Contains(out, "s3cret") {
			t.Errorf("docker %s shows the secret: %s", c.args, out)
		}
	}
}

// A followed log goes on until it is cut.
func TestDockerLogsFollow(t *testing.T) {
	if _, err := exec.LookPath("docker"); err != nil {
		t.Skip("no docker command on this machine")
	}
	p := start(t, Options{})
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	cmd := exec.CommandContext(ctx, "docker", "--config", t.TempDir(), "-H", p.DockerHost(), "service", "logs", "-f", "--tail", "1", "shop_web") //nolint:gosec // our own words
	var out lockedBuffer
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the look-back", func() bool { return out.count("\n") >= 3 })
	if err := p.Burst("shop_web", 2000); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the burst", func() bool { return out.count(`"msg":"burst"`) == 2000 })
	p.DropConnections()
	_ = cmd.Wait()
	if ctx.Err() != nil {
		t.Error("the command did not end with its connection")
	}
}

// Every version from 1.24 to 1.51 is spoken, with and without a version in the path; HEAD /_ping tells the newest.
func TestAPIVersions(t *testing.T) {
	p := start(t, Options{})
	for _, v := range []string{"", "/v1.24", "/v1.40", "/v1.41", "/v1.47", "/v1.51"} {
		for _, path := range []string{"/services", "/info", "/_ping", "/version"} {
			if code, body := get(t, engine(p)+v+path); code != 200 {
				t.Errorf("%s%s: %d %s", v, path, code, body)
			}
		}
	}
	resp, err := http.Head(engine(p) + "/_ping") //nolint:noctx // a test's own server
	if err != nil {
		t.Fatal(err)
	}
	_ = resp.Body.Close()
	if h := resp.Header; resp.StatusCode != 200 || h.Get("Api-Version") != "1.51" || h.Get("Swarm") != "active/manager" || h.Get("Ostype") != "linux" || resp.ContentLength != 0 {
		t.Errorf("%d %v", resp.StatusCode, h)
	}
}

// No call hangs, panics, or answers an error in another form than {"message": …}.
func TestEngineErrors(t *testing.T) {
	p := start(t, Options{})
	svc := "/services/shop_cart"
	for _, c := range []struct{ call, want string }{
		{"GET /services/nope", `404 {"message":"service nope not found"}`},
		{"GET /tasks/nope", `404 {"message":"task nope not found"}`},
		{"GET /nodes/nope", `404 {"message":"node nope not found"}`},
		{"GET /containers/nope/json", `404 {"message":"No such container: nope"}`},
		{"GET /v1.99/info", `400 {"message":"client version 1.99 is too new. Maximum supported API version is 1.51"}`},
		{"GET /v1.12/info", `400 {"message":"client version 1.12 is too old. Minimum supported API version is 1.24, please upgrade your client to a newer version"}`},
		{"GET /services/shop_api/logs", `500 {"message":"Bad parameters: you must choose at least one stream"}`},
		{"GET /nothing", `404 {"message":"page not found"}`},
		{"PUT /services", `501 {"message":"the demo's engine does not know PUT /services"}`},
		{"POST /containers/x/exec", `501 {"message":"the demo's engine does not know POST /containers/x/exec"}`},
		{`GET /services?filters={"nope":{"a":true}}`, `400 {"message":"invalid filter 'nope'"}`},
		{"GET /services?filters=[", `400 {"message":"invalid filter"}`},
		{"POST " + svc + "/update?version=x", `400 {"message":"invalid service version 'x': strconv.ParseUint: parsing \"x\": invalid syntax"}`},
		{"POST " + svc + "/update?version=1&rollback=previous", `400 {"message":"invalid JSON: got EOF while reading request body"}`},
		{"POST /secrets/create {", `400 {"message":"invalid JSON: unexpected end of JSON input"}`},
		{"GET /distribution/x", `404 {"message":"page not found"}`},
		{"POST " + svc + "/update?version=1", `400 {"message":"invalid JSON: got EOF while reading request body"}`},
		{"POST /services/create {", `400 {"message":"invalid JSON: unexpected end of JSON input"}`},
		{`POST /services/create {"Name":"shop_api","TaskTemplate":{"ContainerSpec":{"Image":"x"}}}`, `409 {"message":"rpc error: code = AlreadyExists desc = name conflicts with an existing object: service shop_api already exists"}`},
		{`POST /services/create {"Name":"new"}`, `400 {"message":"mismatched Runtime and *Spec fields"}`},
		{`POST /services/create {"Name":"new","TaskTemplate":{"ContainerSpec":{"Image":"UPPER"}}}`, `400 {"message":"rpc error: code = InvalidArgument desc = ContainerSpec: \"UPPER\" is not a valid repository/tag"}`},
		{`POST /services/create {"Name":"new","TaskTemplate":{"ContainerSpec":{}}}`, `400 {"message":"rpc error: code = InvalidArgument desc = ContainerSpec: image reference must be provided"}`},
		{"DELETE /services/nope", `404 {"message":"service nope not found"}`},
	} {
		method, rest, _ := strings.Cut(c.call, " ")
		path, body, _ := strings.Cut(rest, " ")
		if got := request(t, method, engine(p)+strings.ReplaceAll(path, `"`, "%22"), body); got != c.want {
			t.Errorf("%s\n got %s\nwant %s", c.call, got, c.want)
		}
	}
	p.SetForbidEvents(true)
	if code, _ := get(t, engine(p)+"/events"); code != http.StatusForbidden {
		t.Errorf("forbidden events: %d", code)
	}
}

// An update that renames, or changes the mode, is not implemented by swarmkit.
func TestUpdateRefusals(t *testing.T) {
	p := start(t, Options{})
	svc := ask[map[string]any](t, engine(p)+"/services/shop_cart")
	version := svc["Version"].(map[string]any)["Index"] //nolint:forcetypeassert // a test
	for body, want := range map[string]string{
		`{"Name":"other","TaskTemplate":{"ContainerSpec":{"Image":"x"}},"Mode":{"Replicated":{"Replicas":1}}}`: `501 {"message":"rpc error: code = Unimplemented desc = renaming services is not supported"}`,
		`{"Name":"shop_cart","TaskTemplate":{"ContainerSpec":{"Image":"x"}},"Mode":{"Global":{}}}`:             `501 {"message":"rpc error: code = Unimplemented desc = service mode change is not allowed"}`,
	} {
		if got := request(t, http.MethodPost, fmt.Sprintf("%s/services/shop_cart/update?version=%v", engine(p), version), body); got != want {
			t.Errorf("%s\n got %s\nwant %s", body, got, want)
		}
	}
}

// A client that reads slowly or goes away leaves nothing behind: [TestMain] counts the goroutines.
func TestStreamsEndWithTheirClients(t *testing.T) {
	p := start(t, Options{})
	for _, path := range []string{"/events", "/services/shop_web/logs?stdout=1&follow=1"} {
		ctx, cancel := context.WithCancel(t.Context())
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, engine(p)+path, http.NoBody)
		if err != nil {
			t.Fatal(err)
		}
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		cancel()
		_ = resp.Body.Close()
	}
}

// lockedBuffer is written by a command and read by a test.
type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

// Write is io.Writer's.
func (l *lockedBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lockedBuffer) count(s string) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return strings.Count(l.b.String(), s)
}
