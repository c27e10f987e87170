//go:build lab

package main

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"go.yaml.in/yaml/v3"
	"golang.org/x/crypto/bcrypt"

	"quarterdeck/blueprint"
)

// served is the blueprint, deployed on the lab.
type served struct {
	*testing.T
	*actor
	host, dir string
	set       []string // of the blueprint's parameters
	told      chan string
}

const (
	platformDomain = "apps.example.com"
	platformLogin  = "ops"
	platformSecret = "of-the-lab-alone"
)

// TestBlueprintServes deploys each stack of the blueprint on the lab with images that `lab blueprint` has made, of the programs in the versions that the files pin, waits until all services have converged by
// the files' own health checks, and uses them: through Traefik's routes and logins, by Prometheus' targets and rules, by an alert that is made to fire and comes to its webhook. Then the console is
// held against this platform alone. On top of the files comes what the lab is (README.md there): no IP_VS, the engines' sockets elsewhere, ports by which the test asks.
func TestBlueprintServes(t *testing.T) {
	values := filepath.Join(os.Getenv("QD_LAB_DIR"), "blueprint", "values.yml")
	if _, err := os.Stat(values); err != nil {
		t.Fatal("the images are not made: testdata/lab/lab blueprint")
	}
	p := &served{T: t, host: os.Getenv("DOCKER_HOST"), dir: t.TempDir(), told: make(chan string, 100)}
	p.actor = &actor{target: target{env: map[string]string{"DOCKER_HOST": p.host, "LOKI_ADDR": "", "PROMETHEUS_URL": "", "ALERTMANAGER_URL": "", "QUARTERDECK_STATE_DIR": t.TempDir(), "QUARTERDECK_READ_ONLY": ""}}}
	image := os.Getenv("QUARTERDECK_RUNNER_IMAGE")
	if image == "" {
		t.Fatal("the runner's image is not made: testdata/lab/lab runner")
	}
	p.set = []string{"--values", values, "--set", "DOMAIN=" + platformDomain, "--set", "ACME_MAIL=ops@example.com", "--set", "QUARTERDECK_S3=" + os.Getenv("QUARTERDECK_S3"), "--set", "POSTGRES_ADDRESS=db:5432",
		"--set", "QUARTERDECK_IMAGE=" + image, "--set", "QUARTERDECK_RUNNER_IMAGE=" + image}
	if _, errs, code := p.ask(t, append([]string{"blueprint", "write", p.dir}, p.set...)...); code != exitDone {
		t.Fatalf("exit %d: %s", code, errs)
	}
	p.clear() // of a run that was ended: an Alertmanager that remembers would tell nobody twice
	t.Cleanup(p.clear)
	p.ground()
	p.database()
	for _, st := range blueprint.All {
		p.deploy(st)
	}
	for _, st := range blueprint.All {
		p.converges(st)
	}
	t.Run("routes", func(t *testing.T) { p.in(t).routes() })
	t.Run("figures", func(t *testing.T) { p.in(t).figures() })
	t.Run("logs", func(t *testing.T) { p.in(t).logs() })
	t.Run("console", func(t *testing.T) { p.in(t).console() })
	t.Run("alert", func(t *testing.T) { p.in(t).alert() })
}

func (p *served) in(t *testing.T) *served {
	q := *p
	q.T = t
	return &q
}

func (p *served) docker(args ...string) (string, error) {
	cmd := exec.Command("docker", append([]string{"-H", p.host}, args...)...)
	out, err := cmd.CombinedOutput()
	return strings.TrimSpace(string(out)), err
}

// made runs a docker command, and the one that undoes it with the test.
func (p *served) made(do, undo []string) {
	p.Helper()
	if out, err := p.docker(do...); err != nil {
		p.Fatalf("docker %v: %v: %s", do, err, out)
	}
	p.Cleanup(func() {
		for range 20 { // a network has its last task for a while
			out, err := p.docker(undo...)
			if err == nil {
				return
			}
			p.Logf("docker %v: %v: %s", undo, err, out)
			time.Sleep(time.Second)
		}
	})
}

func (p *served) secret(name, value string) {
	p.Helper()
	if _, err := p.docker("secret", "inspect", name); err == nil {
		return // the lab's own
	}
	file := filepath.Join(p.TempDir(), "secret")
	if err := os.WriteFile(file, []byte(value), 0o600); err != nil {
		p.Fatal(err)
	}
	p.made([]string{"secret", "create", name, file}, []string{"secret", "rm", name})
}

func (p *served) until(what string, limit time.Duration, ok func() (string, bool)) {
	p.Helper()
	for deadline := time.Now().Add(limit); ; time.Sleep(500 * time.Millisecond) {
		said, is := ok()
		if is {
			return
		}
		if time.Now().After(deadline) {
			p.Fatalf("never: %s; last: %s", what, said)
		}
	}
}

// clear removes the stacks' volumes on all nodes.
func (p *served) clear() {
	for _, n := range []string{"1", "2", "3"} {
		for _, st := range blueprint.All {
			out, err := exec.Command(os.Getenv("QD_LAB_BIN"), "docker", n, "volume", "ls", "-q", "--filter", "label=com.docker.stack.namespace="+st.Name).Output()
			if names := strings.Fields(string(out)); err == nil && len(names) > 0 {
				if out, err := exec.Command(os.Getenv("QD_LAB_BIN"), append([]string{"docker", n, "volume", "rm", "-f"}, names...)...).CombinedOutput(); err != nil {
					p.Logf("node %s: %v: %s", n, err, out)
				}
			}
		}
	}
}

// ground is what the files' heads say is made before them.
func (p *served) ground() {
	for _, n := range []string{"edge", "monitoring", "data"} {
		p.made([]string{"network", "create", "--driver", "overlay", "--attachable", n}, []string{"network", "rm", n})
	}
	for label, node := range map[string]string{"edge": "node2", "data": "node1"} {
		p.made([]string{"node", "update", "--label-add", label + "=true", node}, []string{"node", "update", "--label-rm", label, node})
	}
	hash, err := bcrypt.GenerateFromPassword([]byte(platformSecret), bcrypt.MinCost)
	if err != nil {
		p.Fatal(err)
	}
	users := platformLogin + ":" + string(hash) + "\n"
	l, err := net.Listen("tcp", "10.200.0.254:0")
	if err != nil {
		p.Fatal(err)
	}
	hook := &httptest.Server{Listener: l, Config: &http.Server{Handler: http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(io.LimitReader(r.Body, 1<<20))
		select {
		case p.told <- string(body):
		default:
		}
	})}}
	hook.Start()
	p.Cleanup(hook.Close)
	for name, value := range map[string]string{"edge-users": users, "registry-users": users, "web-key": "any", "grafana-admin": "any", "alert-webhook": hook.URL + "/alerts", "qd-s3-key-id": os.Getenv("AWS_ACCESS_KEY_ID"),
		"qd-s3-secret-key": os.Getenv("AWS_SECRET_ACCESS_KEY"), "redis-conf": "requirepass " + platformSecret + "\n", "redis-passwords": `{"redis://cache:6379": "` + platformSecret + `"}`, "postgres-monitor": platformSecret} {
		p.secret(name, value)
	}
}

// database is the team's Postgres, on the network data, with a user for the exporter.
func (p *served) database() {
	p.made([]string{"service", "create", "--detach", "--name", "db", "--network", "data", "--endpoint-mode", "dnsrr", "--constraint", "node.hostname==node1", "--secret", "data_db_password", "--mount", "type=tmpfs,target=/var/lib/postgresql/data",
		"--env", "POSTGRES_PASSWORD_FILE=/run/secrets/data_db_password", os.Getenv("QD_LAB_REGISTRY") + "/data:1", "run-postgres"}, []string{"service", "rm", "db"})
	p.until("Postgres has the exporter's user", time.Minute, func() (string, bool) {
		id, err := p.docker("ps", "-q", "--filter", "label=com.docker.swarm.service.name=db")
		if err != nil || id == "" {
			return id, false
		}
		out, err := p.docker("exec", "-u", "postgres", id, "psql", "-c", "create role monitor login password '"+platformSecret+"' in role pg_monitor")
		return out, err == nil || strings.Contains(out, "already exists")
	})
}

// deploy puts a stack's file on the swarm by the docker command, with what the lab needs on top.
func (p *served) deploy(st *blueprint.Stack) {
	p.Helper()
	dir := filepath.Join(p.dir, st.Name)
	var file struct{ Services map[string]any }
	body, err := os.ReadFile(filepath.Join(dir, st.Compose[0]))
	if err != nil {
		p.Fatal(err)
	}
	if err := yaml.Unmarshal(body, &file); err != nil {
		p.Fatal(err)
	}
	lab := os.Getenv("QD_LAB_DIR")
	run := lab + "/blueprint/run/{{.Node.Hostname}}"
	socket := []string{run + "/docker.sock:/var/run/docker.sock"}
	port := func(n, target int) []any {
		return []any{map[string]any{"target": target, "published": n, "mode": "host"}}
	}
	more := map[string]map[string]any{
		"edge/socket": {"volumes": socket}, "observe/socket": {"volumes": socket}, "agent/agent": {"volumes": socket},
		"observe/cadvisor":     {"volumes": []string{run + ":/var/run:ro", lab + ":" + lab + ":ro"}},
		"observe/prometheus":   {"ports": port(19090, 9090)},
		"observe/loki":         {"ports": port(13100, 3100)},
		"observe/alertmanager": {"ports": port(19093, 9093)},
	}
	none := map[string]any{"mode": "replicated", "replicas": 0, "endpoint_mode": "dnsrr"} // neither program can be built from what the lab has
	services := map[string]any{}
	for name := range file.Services {
		x := map[string]any{"deploy": map[string]any{"endpoint_mode": "dnsrr"}}
		for k, v := range more[st.Name+"/"+name] {
			x[k] = v
		}
		if st.Name == "observe" && slices.Contains([]string{"alloy", "grafana"}, name) {
			x["deploy"] = none
		}
		services[name] = x
	}
	top, err := yaml.Marshal(map[string]any{"version": "3.8", "services": services})
	if err != nil {
		p.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "lab.yml"), top, 0o600); err != nil {
		p.Fatal(err)
	}
	args := []string{"-H", p.host, "stack", "deploy"}
	for _, f := range append(slices.Clone(st.Compose), "lab.yml") {
		args = append(args, "-c", f)
	}
	cmd := exec.Command("docker", append(args, st.Name)...)
	cmd.Dir = dir
	out, err := cmd.CombinedOutput()
	if err != nil {
		p.Fatalf("%s: %v: %s", st.Name, err, out)
	}
	p.Cleanup(func() {
		if out, err := exec.Command(os.Getenv("QD_LAB_BIN"), "remove", st.Name).CombinedOutput(); err != nil {
			p.Errorf("%s: %v: %s", st.Name, err, out)
		}
	})
}

func (p *served) converges(st *blueprint.Stack) {
	p.Helper()
	began := time.Now()
	p.until(st.Name+" converges", 4*time.Minute, func() (string, bool) {
		out, err := p.docker("stack", "services", "--format", "{{.Name}} {{.Replicas}}", st.Name)
		if err != nil {
			return out, false
		}
		for _, line := range strings.Split(out, "\n") {
			f := strings.Fields(line)
			if len(f) < 2 {
				return out, false
			}
			if is, want, _ := strings.Cut(f[1], "/"); is != want {
				ps, _ := p.docker("service", "ps", "--no-trunc", "--format", "{{.CurrentState}} {{.Error}}", f[0])
				logs, _ := p.docker("service", "logs", "--tail", "8", f[0])
				return line + "\n" + ps + "\n" + logs, false
			}
		}
		return out, true
	})
	p.Logf("%s: converged, waited %.0f s", st.Name, time.Since(began).Seconds())
}

// edge asks Traefik on its node for a host of the domain.
func (p *served) edge(scheme, host, path, user string) (int, string, http.Header) {
	p.Helper()
	c := &http.Client{Timeout: 10 * time.Second, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }, Transport: edgeTransport()}
	r, err := http.NewRequestWithContext(p.Context(), http.MethodGet, scheme+"://"+host+"."+platformDomain+path, nil)
	if err != nil {
		p.Fatal(err)
	}
	if user != "" {
		r.SetBasicAuth(user, platformSecret)
	}
	got, err := c.Do(r)
	if err != nil {
		return 0, err.Error(), nil
	}
	defer func() { _ = got.Body.Close() }()
	body, _ := io.ReadAll(io.LimitReader(got.Body, 1<<20))
	return got.StatusCode, string(body), got.Header
}

// edgeTransport leads each host to the node that the domain's DNS records would name. There is no issuer of certificates in the lab: Traefik has its own.
func edgeTransport() *http.Transport {
	return &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}, DisableKeepAlives: true, //nolint:gosec // see above
		DialContext: func(ctx context.Context, network, address string) (net.Conn, error) {
			_, port, _ := net.SplitHostPort(address)
			return (&net.Dialer{}).DialContext(ctx, network, "10.200.0.2:"+port)
		}}
}

func (p *served) routes() {
	p.until("the example is served through Traefik", time.Minute, func() (string, bool) {
		code, body, _ := p.edge("https", "www", "/", "")
		return fmt.Sprint(code, " ", body), code == 200 && strings.HasPrefix(body, "served by ")
	})
	seen := map[string]bool{}
	for range 20 {
		_, body, _ := p.edge("https", "www", "/", "")
		seen[body] = true
	}
	if len(seen) != 2 {
		p.Errorf("the two tasks of the example answer, not %v", seen)
	}
	if code, _, h := p.edge("http", "www", "/x", ""); code/100 != 3 || h.Get("Location") != "https://www."+platformDomain+"/x" {
		p.Errorf("plain HTTP: %d to %q", code, h.Get("Location"))
	}
	for host, path := range map[string]string{"prometheus": "/-/ready", "alertmanager": "/-/ready", "loki": "/ready", "traefik": "/api/rawdata", "registry": "/v2/"} {
		p.until(host+" asks for a login", time.Minute, func() (string, bool) { // Traefik hears of a service some seconds after it has started
			code, body, _ := p.edge("https", host, path, "")
			return fmt.Sprint(code, " ", body), code == http.StatusUnauthorized
		})
		p.until(host+" with a login", time.Minute, func() (string, bool) {
			code, body, _ := p.edge("https", host, path, platformLogin)
			return fmt.Sprint(code, " ", body), code == http.StatusOK
		})
	}
}

// answer asks a server of the stack observe, on the node with the data, for JSON.
func (p *served) answer(into any, address string, body ...string) error {
	method, rd := http.MethodGet, io.Reader(nil)
	if len(body) > 0 {
		method, rd = http.MethodPost, bytes.NewBufferString(body[0])
	}
	r, err := http.NewRequestWithContext(p.Context(), method, address, rd)
	if err != nil {
		return err
	}
	r.Header.Set("Content-Type", "application/json")
	got, err := (&http.Client{Timeout: 10 * time.Second}).Do(r)
	if err != nil {
		return err
	}
	defer func() { _ = got.Body.Close() }()
	raw, err := io.ReadAll(got.Body)
	if err != nil || got.StatusCode/100 != 2 {
		return fmt.Errorf("%d: %s, %v", got.StatusCode, raw, err)
	}
	if into == nil {
		return nil
	}
	return json.Unmarshal(raw, into)
}

const platformPrometheus, platformLoki, platformAlertmanager = "http://10.200.0.1:19090", "http://10.200.0.1:13100", "http://10.200.0.1:19093"

// series are the values of an instant query by a label.
func (p *served) series(query, label string) (map[string][]string, error) {
	var doc struct {
		Data struct {
			Result []struct {
				Metric map[string]string
				Value  [2]any
			}
		}
	}
	err := p.answer(&doc, platformPrometheus+"/api/v1/query?query="+url.QueryEscape(query))
	out := map[string][]string{}
	for _, r := range doc.Data.Result {
		out[r.Metric[label]] = append(out[r.Metric[label]], fmt.Sprint(r.Value[1]))
	}
	return out, err
}

func (p *served) figures() {
	targets := map[string]int{"edge_traefik": 1, "observe_loki": 1, "observe_prometheus": 1, "observe_alertmanager": 1, "observe_cadvisor": 3, "observe_node-exporter": 3, "agent_agent": 2, "cache_redis-exporter": 1, "cache_postgres-exporter": 1}
	p.until("Prometheus gets figures of each service that has some", 2*time.Minute, func() (string, bool) {
		up, err := p.series("up == 1", "swarm_service")
		ok := err == nil && len(up) == len(targets)
		for name, n := range targets {
			ok = ok && len(up[name]) == n
		}
		return fmt.Sprint(up, err), ok
	})
	for query, want := range map[string]string{"redis_up": "1", "pg_up": "1", "count(group by (node) (node_load1))": "3", "count(traefik_service_requests_total{code=\"200\",service=~\"web.*\"}) > bool 0": "1",
		`count(group by (container_label_com_docker_swarm_service_name) (container_memory_working_set_bytes{container_label_com_docker_swarm_service_name=~"web_web|cache_cache"}))`: "2"} {
		p.until(query+" is "+want, time.Minute, func() (string, bool) {
			got, err := p.series(query, "none")
			return fmt.Sprint(got, err), err == nil && len(got[""]) == 1 && got[""][0] == want
		})
	}
	var rules struct {
		Data struct {
			Groups []struct {
				Name  string
				Rules []struct{ Name, Health, LastError string }
			}
		}
	}
	p.until("each rule is well", time.Minute, func() (string, bool) {
		if err := p.answer(&rules, platformPrometheus+"/api/v1/rules"); err != nil {
			return err.Error(), false
		}
		n := 0
		for _, g := range rules.Data.Groups {
			for _, r := range g.Rules {
				if r.Health != "ok" {
					return fmt.Sprintf("%+v", r), false
				}
				n++
			}
		}
		return fmt.Sprint(n, " rules"), n == 8
	})
}

func (p *served) logs() {
	// What Alloy would send, with the labels that its configuration gives.
	line := fmt.Sprintf(`{"streams":[{"stream":{"swarm_service":"web_web","swarm_stack":"web","host":"node1","container_name":"web_web.1.x"},"values":[["%d","level=error msg=\"the blueprint's Loki keeps this\""]]}]}`, time.Now().UnixNano())
	if err := p.answer(nil, platformLoki+"/loki/api/v1/push", line); err != nil {
		p.Fatal(err)
	}
	p.actor.env["LOKI_ADDR"] = platformLoki
	p.until("the console reads it", 30*time.Second, func() (string, bool) {
		out, errs, _ := p.ask(p.T, "logs", "web_web", "--since", "5m")
		return out + errs, strings.Contains(out, "the blueprint's Loki keeps this")
	})
}

// console holds the commands against the platform of the blueprint.
func (p *served) console() {
	toTraefik := &httputil.ReverseProxy{Transport: edgeTransport(), Rewrite: func(r *httputil.ProxyRequest) {
		r.SetURL(&url.URL{Scheme: "https", Host: "traefik." + platformDomain})
		r.Out.Host = r.Out.URL.Host
	}}
	s := httptest.NewServer(toTraefik)
	p.Cleanup(s.Close)
	home := p.TempDir()
	login, config := filepath.Join(home, "login"), filepath.Join(home, "config.yaml")
	for name, text := range map[string]string{login: platformSecret + "\n", config: "context: blueprint\ncontexts: {blueprint: {traefik: {address: '" + s.URL + "', username: " + platformLogin + ", password-file: '" + login + "'}}}\n"} {
		if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
			p.Fatal(err)
		}
	}
	for k, v := range map[string]string{"QUARTERDECK_CONFIG": config, "LOKI_ADDR": platformLoki, "PROMETHEUS_URL": platformPrometheus, "ALERTMANAGER_URL": platformAlertmanager, "QUARTERDECK_S3": os.Getenv("QUARTERDECK_S3"),
		"AWS_ACCESS_KEY_ID": os.Getenv("AWS_ACCESS_KEY_ID"), "AWS_SECRET_ACCESS_KEY": os.Getenv("AWS_SECRET_ACCESS_KEY"), "AWS_REGION": os.Getenv("AWS_REGION")} {
		p.actor.env[k] = v
	}
	out, errs, code := p.ask(p.T, "doctor")
	p.Logf("doctor, exit %d:\n%s%s", code, out, errs)
	var doc struct {
		Stages []struct {
			Checks []struct {
				ID, State, Value string
				Subjects         []struct{ Name, State, Value string }
			}
		}
	}
	out, errs, code = p.ask(p.T, "check", "-o", "json")
	if err := json.Unmarshal([]byte(out), &doc); err != nil {
		p.Fatalf("exit %d: %v: %s %s", code, err, out, errs)
	}
	states := map[string]string{}
	for _, st := range doc.Stages {
		for _, c := range st.Checks {
			states[c.ID] = c.State
			p.Logf("%-26s %-8s %s", c.ID, c.State, c.Value)
		}
	}
	for _, id := range []string{"restart-policy", "manager-quorum", "tls-all-routers", "secrets-not-env", "image-pinned", "metrics-per-service", "targets-up", "critical-alerts", "alert-fatigue", "mttd", "capacity-headroom", "slow-queries", "cost-per-service"} {
		if states[id] != "pass" {
			p.Errorf("%s is %q", id, states[id])
		}
	}
}

// alert has a service vanish and waits for what the team is told.
func (p *served) alert() {
	if out, err := p.docker("service", "scale", "--detach", "web_web=0"); err != nil {
		p.Fatal(out, err)
	}
	began := time.Now()
	limit := time.After(6 * time.Minute)
	for {
		select {
		case body := <-p.told:
			if strings.Contains(body, "ServiceGone") && strings.Contains(body, "web_web") {
				p.Logf("told after %.0f s: %s", time.Since(began).Seconds(), body)
				return
			}
			p.Logf("told: %s", body)
		case <-limit:
			up, err := p.series(`ALERTS`, "alertname")
			p.Fatalf("nobody was told that web_web is gone; alerts: %v %v", up, err)
		}
	}
}
