//go:build lab

package stages

import (
	"fmt"
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
	"syscall"
	"time"
)

// empty takes the lab's own services away, for the time of the test.
func (l *laboratory) empty() {
	runner := l.lab("runner")
	l.env = map[string]string{"QUARTERDECK_RUNNER_IMAGE": runner, "QUARTERDECK_STATE_DIR": filepath.Join(l.dir, "state"), "QUARTERDECK_ACTOR": "ada", "QUARTERDECK_CONFIG": filepath.Join(l.dir, "none.yaml")}
	l.must(os.WriteFile(l.env["QUARTERDECK_CONFIG"], []byte("{}\n"), 0o600))
	l.lab("remove", "shop", "ops")
	l.Cleanup(func() {
		for _, s := range []string{"shop", "ops"} {
			if out, err := exec.Command(os.Getenv("QD_LAB_BIN"), "deploy", "../testdata/lab/stacks/"+s+".yml").CombinedOutput(); err != nil {
				l.Errorf("%v: %s", err, out)
			}
		}
	})
	if left := l.docker("service", "ls", "-q"); left != "" {
		l.Fatalf("the swarm is not empty: %s", left)
	}
	l.judged(round{by: "a swarm without a service", want: map[State]string{
		NA:      "svc-healthcheck tls-all-routers volumes-covered backup-fresh image-traceable dr-drill autoscaler-alive time-at-max cache-hit slow-queries",
		Unknown: "rto self-heal",
		Pass:    "manager-quorum cost-per-service",
		Fail:    strings.Join(Attestable(), " "),
	}})
}

// stackOf is a stack of two services as the checks ask for it: one that serves, one that keeps files. A word of the workload's own registry's databases in it has `lab deploy` make what a backup needs.
func stackOf() string {
	return strings.NewReplacer("REGISTRY", os.Getenv("QD_LAB_REGISTRY"), "LOKI", os.Getenv("LOKI_ADDR")).Replace(`# REGISTRY/data:
version: "3.8"
x-service: &service
  ports: [{target: 8080, mode: host}]
  logging: {driver: "loki:latest", options: {loki-url: LOKI/loki/api/v1/push, loki-batch-wait: 200ms, loki-timeout: 2s, loki-retries: "3", loki-max-backoff: 1s}}
  healthcheck: {test: [CMD, /workload, -check, "http://127.0.0.1:8080/healthz"], interval: 5s, timeout: 5s, retries: 3}
  stop_grace_period: 6s
services:
  web:
    <<: *service
    image: REGISTRY/workload:1.0
    environment: {NAME: web, RATE: "2", ERROR_RATIO: "0", TLS_NAME: www.example.com, TLS_VALID: 2000h}
    deploy:
      endpoint_mode: dnsrr
      replicas: 2
      restart_policy: {condition: any, delay: 2s}
      update_config: {order: start-first, failure_action: rollback, monitor: 1s}
      resources: {limits: {memory: 64M}, reservations: {cpus: "0.02", memory: 16M}}
      labels: {qd.autoscale.enable: "true", qd.autoscale.min: "1", qd.autoscale.max: "2", qd.autoscale.cpu: "70", "traefik.http.routers.web.rule": "Host(` + "`www.example.com`" + `)", traefik.http.routers.web.tls.certresolver: acme}
  files:
    <<: *service
    image: REGISTRY/workload:writer
    environment: {NAME: files, WRITER: files, WRITE_TO: /data}
    volumes: [files:/data]
    deploy:
      endpoint_mode: dnsrr
      replicas: 1
      restart_policy: {condition: any, delay: 2s}
      update_config: {order: stop-first, failure_action: rollback, monitor: 1s}
      placement: {constraints: [node.hostname == node2]}
      resources: {limits: {memory: 64M}, reservations: {cpus: "0.02", memory: 16M}}
      labels: {qd.backup.engine: volume, qd.backup.volume: files, qd.backup.schedule: "@daily", qd.backup.max-age: 26h, qd.backup.verify: "cd entries && ls | grep -q ."}
volumes: {files: }
`)
}

const (
	labWeb   = "checks_web"
	labFiles = "checks_files"
	labQuiet = "checks-quiet" // a service whose lines go nowhere
)

// fresh deploys what is well made, and has neither a backup nor an autoscaler yet.
func (l *laboratory) fresh() {
	file := filepath.Join(l.dir, "checks.yml")
	l.must(os.WriteFile(file, []byte(stackOf()), 0o600))
	l.Cleanup(func() {
		_ = exec.Command(os.Getenv("QD_LAB_BIN"), "remove", "checks").Run()
		_ = exec.Command(os.Getenv("QD_LAB_BIN"), "docker", "2", "volume", "rm", "-f", "checks_files").Run()
		for _, id := range Attestable() {
			_ = exec.Command("docker", "config", "rm", "qd-attest-"+id).Run()
		}
	})
	l.lab("deploy", file)
	l.later(os.Getenv("QD_LAB_BIN"), "docker", "1", "volume", "rm", "-f", "checks_quiet")
	l.made(labQuiet, "--log-driver", "json-file", "--mount", "type=volume,source=checks_quiet,target=/data", "--update-failure-action", "rollback")
	l.judged(round{by: "a volume that no policy is for", want: map[State]string{Fail: "volumes-covered"}})
	l.docker("service", "update", "--detach", "-q", "--label-add", "qd.backup.engine=none", labQuiet)
	l.judged(round{by: "services that are well made, and nothing saved yet", want: map[State]string{
		Pass: "svc-healthcheck zero-downtime-update restart-policy tls-expiry tls-all-routers secrets-not-env image-pinned logs-per-service log-agent-supported metrics-per-service targets-up critical-alerts alert-fatigue " +
			"mttd no-shell-needed volumes-covered image-traceable one-key-deploy autoscale-policy capacity-headroom",
		Fail:    "backup-fresh restore-test dr-drill time-at-max", // in the minutes of its life it had its maximum
		Unknown: "rto self-heal cost-anomaly",
	}})
	l.judged(round{by: "the same, where a team asks for other numbers of rules and shorter times", thresholds: map[string]string{"critical-alerts.least": "5", "mttd.pass": "1s", "tls-expiry.pass": "9999d"}, want: map[State]string{
		Warn: "critical-alerts mttd tls-expiry"}})
	l.judged(round{by: "the same, where a team asks for still others", thresholds: map[string]string{"critical-alerts.many": "1", "mttd.warn": "1s", "tls-expiry.fail": "9999d"}, want: map[State]string{
		Fail: "critical-alerts mttd tls-expiry"}})
	l.change(labWeb, "--label-add", "qd.autoscale.max=4")
	l.judged(round{by: "a maximum that was not reached", want: map[State]string{Pass: "time-at-max"}})
}

// made makes a service of one task, on node 1, and takes it away at the test's end.
func (l *laboratory) made(name string, args ...string) {
	l.Helper()
	l.later("docker", "service", "rm", name)
	l.docker(append(append([]string{"service", "create", "--detach", "-q", "--name", name, "--constraint", "node.hostname==node1", "--env", "NAME=" + name, "--endpoint-mode", "dnsrr"}, args...), os.Getenv("QD_LAB_REGISTRY")+"/workload:1.0")...)
}

func (l *laboratory) words() {
	ids := Attestable()
	for _, id := range ids {
		l.does("attest", id, "--note", "seen by the test")
	}
	l.judged(round{by: "a person's word", want: map[State]string{Pass: strings.Join(ids, " ")}})
	for _, id := range ids { // the same record, of long ago
		l.docker("config", "rm", "qd-attest-"+id)
		cmd := exec.Command("docker", "config", "create", "--label", "qd.attest="+id, "--label", "qd.who=ada", "--label", "qd.at=2026-01-01T00:00:00Z", "--label", "qd.until=2026-02-01T00:00:00Z", "--label", "qd.note=long ago", "qd-attest-"+id, "-")
		cmd.Stdin = strings.NewReader("-")
		if out, err := cmd.CombinedOutput(); err != nil {
			l.Fatalf("%v: %s", err, out)
		}
	}
	l.judged(round{by: "a word whose time is over", want: map[State]string{Expired: strings.Join(ids, " ")}})
}

func (l *laboratory) saved() {
	l.does("backup", labFiles, "--yes")
	l.judged(round{by: "a backup", want: map[State]string{Pass: "backup-fresh"}})
	l.does("drill", labFiles, "--yes")
	l.judged(round{by: "a drill", want: map[State]string{Pass: "restore-test rto"}})
	l.does("drill", "--stack", "checks", "--yes")
	l.judged(round{by: "a DR day", want: map[State]string{Pass: "dr-drill"}})
	l.lab("call", labWeb, "/fail?code=1&after=1s&why=the+checks")
	l.judged(round{by: "a task that dies", want: map[State]string{Pass: "self-heal"}})
	l.change(labFiles, "--label-add", "qd.backup.max-age=1s")
	l.judged(round{by: "a backup that is older than its policy asks", want: map[State]string{Warn: "backup-fresh"}})
	l.change(labFiles, "--label-add", "qd.backup.max-age=26h")
}

func (l *laboratory) thresholds() {
	l.judged(round{by: "the same drill, DR day and task, where a team asks for more", thresholds: map[string]string{"restore-test.pass": "0s", "rto.pass": "0s", "dr-drill.pass": "0s", "self-heal.pass": "0s"}, want: map[State]string{
		Warn: "restore-test rto dr-drill self-heal"}})
	l.judged(round{by: "the same, where it asks for still more", thresholds: map[string]string{"restore-test.warn": "0s", "rto.warn": "0s", "dr-drill.warn": "0s", "self-heal.warn": "0s"}, want: map[State]string{
		Fail: "restore-test rto dr-drill self-heal"}})
}

// Ports of what the test starts itself, on loopback.
const (
	prometheusPort, alertmanagerPort, scalerPort = "19490", "19493", "19425"
)

// otherPrometheus scrapes the lab's containers, an Alertmanager of its own that calls the test, and an autoscaler that is started later. Its past of eight days is made: web used a core, and 1.4 in the last day; it had one task, and two for
// the last two hours.
func (l *laboratory) otherPrometheus() (address string) {
	hook := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	l.Cleanup(hook.Close)
	now := time.Now()
	var cpu, memory, there strings.Builder
	used := 0.0
	for at := now.Add(-8*24*time.Hour - time.Hour).Truncate(time.Minute); at.Before(now.Add(-10 * time.Minute)); at = at.Add(time.Minute) {
		rate := 1.0
		if now.Sub(at) < 24*time.Hour {
			rate = 1.4
		}
		used += rate * 60
		labels := func(id string) string {
			return `{container_label_com_docker_swarm_service_name="` + labWeb + `",id="` + id + `",cpu="total"}`
		}
		fmt.Fprintf(&cpu, "container_cpu_usage_seconds_total%s %v %d\n", labels("a"), used, at.Unix())
		fmt.Fprintf(&memory, "container_memory_working_set_bytes%s %v %d\n", labels("a"), 1<<24, at.Unix())
		fmt.Fprintf(&there, "container_last_seen%s %d %d\n", labels("a"), at.Unix(), at.Unix())
		if now.Sub(at) < 2*time.Hour {
			fmt.Fprintf(&there, "container_last_seen%s %d %d\n", labels("b"), at.Unix(), at.Unix())
		}
	}
	text := "# TYPE container_cpu_usage_seconds_total unknown\n" + cpu.String() + "# TYPE container_memory_working_set_bytes unknown\n" + memory.String() + "# TYPE container_last_seen unknown\n" + there.String() + "# EOF\n"
	for name, content := range map[string]string{"past.om": text,
		"alertmanager.yml": "route: {receiver: test, group_wait: 1s, group_interval: 1s, group_by: ['...']}\nreceivers: [{name: test, webhook_configs: [{url: '" + hook.URL + "'}]}]\n",
		"prometheus.yml": "global: {scrape_interval: 2s, scrape_timeout: 2s}\nscrape_configs:\n- {job_name: cadvisor, scrape_interval: 5s, scrape_timeout: 4s, static_configs: [{targets: ['10.200.0.1:8080', '10.200.0.2:8080', '10.200.0.3:8080']}]}\n" +
			"- {job_name: alertmanager, static_configs: [{targets: ['127.0.0.1:" + alertmanagerPort + "']}]}\n- {job_name: autoscaler, static_configs: [{targets: ['127.0.0.1:" + scalerPort + "']}]}\n"} {
		l.must(os.WriteFile(filepath.Join(l.dir, name), []byte(content), 0o600))
	}
	l.run("promtool", "tsdb", "create-blocks-from", "openmetrics", filepath.Join(l.dir, "past.om"), filepath.Join(l.dir, "prometheus"))
	l.started("prometheus", "--config.file="+filepath.Join(l.dir, "prometheus.yml"), "--storage.tsdb.path="+filepath.Join(l.dir, "prometheus"), "--web.listen-address=127.0.0.1:"+prometheusPort, "--log.level=error")
	l.started("prometheus-alertmanager", "--config.file="+filepath.Join(l.dir, "alertmanager.yml"), "--storage.path="+filepath.Join(l.dir, "alertmanager"), "--web.listen-address=127.0.0.1:"+alertmanagerPort, "--cluster.listen-address=", "--log.level=error")
	return "http://127.0.0.1:" + prometheusPort
}

// started runs a program until the test ends, or the function it gives is called.
func (l *laboratory) started(name string, args ...string) (stop func()) {
	l.Helper()
	cmd := exec.Command(name, args...)
	var said strings.Builder
	cmd.Stdout, cmd.Stderr, cmd.Env = &said, &said, os.Environ()
	for k, v := range l.env {
		cmd.Env = append(cmd.Env, k+"="+v)
	}
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	l.must(cmd.Start())
	stopped := false
	stop = func() {
		if !stopped {
			stopped = true
			_ = cmd.Process.Kill()
			_ = cmd.Wait()
			if text := said.String(); l.Failed() {
				l.Logf("%s: %s", filepath.Base(name), text[max(0, len(text)-1500):])
			}
		}
	}
	l.Cleanup(stop)
	return stop
}

func (l *laboratory) history(other string) {
	env := map[string]string{"PROMETHEUS_URL": other}
	l.judged(round{by: "a day that cost 40% more than the week before, by a Prometheus whose past is made", env: env, want: map[State]string{Warn: "cost-anomaly"}})
	l.judged(round{by: "the same, where a team lets it rise by half", env: env, thresholds: map[string]string{"cost-anomaly.pass": "50%", "cost-anomaly.warn": "60%"}, want: map[State]string{Pass: "cost-anomaly"}})
	l.judged(round{by: "the same, where 31% are too much", env: env, thresholds: map[string]string{"cost-anomaly.warn": "31%"}, want: map[State]string{Fail: "cost-anomaly"}})
	l.change(labWeb, "--label-add", "qd.autoscale.max=2")
	l.judged(round{by: "two hours of a day at the maximum, by the same Prometheus", env: env, want: map[State]string{Warn: "time-at-max"}})
	l.judged(round{by: "an Alertmanager that has called nobody", env: env, want: map[State]string{Pass: "alert-fatigue"}})
	for i := range 4 {
		body := fmt.Sprintf(`[{"labels":{"alertname":"test%d"}}]`, i)
		resp, err := http.Post("http://127.0.0.1:"+alertmanagerPort+"/api/v2/alerts", "application/json", strings.NewReader(body))
		l.must(err)
		_ = resp.Body.Close()
		if resp.StatusCode != http.StatusOK {
			l.Fatal(resp.Status)
		}
	}
	l.judged(round{by: "four notifications, where a team can heed one", env: env, thresholds: map[string]string{"alert-fatigue.pass": "1"}, want: map[State]string{Warn: "alert-fatigue"}})
	l.judged(round{by: "the same, where a second is too many", env: env, thresholds: map[string]string{"alert-fatigue.pass": "0", "alert-fatigue.warn": "1"}, want: map[State]string{Fail: "alert-fatigue"}})
}

// scaler has an autoscaler run and die.
func (l *laboratory) scaler(other string) {
	env := map[string]string{"PROMETHEUS_URL": other}
	l.judged(round{by: "a policy, and no autoscaler", env: env, want: map[State]string{Fail: "autoscaler-alive"}})
	l.env["PROMETHEUS_URL"] = other
	stop := l.started(l.bin, "autoscale", "run", "--only", "checks_*", "--listen", "127.0.0.1:"+scalerPort)
	delete(l.env, "PROMETHEUS_URL")
	l.judged(round{by: "an autoscaler", env: env, want: map[State]string{Pass: "autoscaler-alive"}})
	l.judged(round{by: "five targets that answer", env: env, want: map[State]string{Pass: "targets-up"}})
	stop()
	l.judged(round{by: "one target in five that does not answer", env: env, want: map[State]string{Fail: "targets-up"}})
	l.judged(round{by: "the same, where a team takes it for a warning", env: env, thresholds: map[string]string{"targets-up.warn": "70%"}, want: map[State]string{Warn: "targets-up"}})
	l.judged(round{by: "an autoscaler that died a minute ago", env: env, want: map[State]string{Warn: "autoscaler-alive"}})
}

// specs makes the services ill, each fault for itself and taken back.
func (l *laboratory) specs() {
	registry := os.Getenv("QD_LAB_REGISTRY")
	l.change(labWeb, "--update-failure-action", "pause", "--label-add", "qd.autoscale.mode=recommend", "--no-resolve-image", "--image", registry+"/workload:1.0")
	l.judged(round{by: "failure action pause, a policy that only recommends, an image by its tag", want: map[State]string{Warn: "zero-downtime-update autoscale-policy image-pinned"}})
	l.change(labWeb, "--no-healthcheck", "--update-order", "stop-first", "--replicas", "1", "--restart-condition", "none", "--env-add", "DB_PASSWORD=x", "--label-rm", "traefik.http.routers.web.tls.certresolver", "--label-rm", "qd.autoscale.enable",
		"--no-resolve-image", "--image", registry+"/workload:latest", "--log-driver", "json-file")
	l.judged(round{by: "a service as many are made: no health check, one replica, never started again, a password in its environment, a router in the clear, the newest image", want: map[State]string{
		Fail: "svc-healthcheck zero-downtime-update restart-policy secrets-not-env tls-all-routers image-pinned autoscale-policy"}})
	l.judged(round{by: "the same, where a team lets two of three do", thresholds: map[string]string{"svc-healthcheck.warn": "60%"}, want: map[State]string{Warn: "svc-healthcheck"}})
	l.change(labFiles, "--log-driver", "json-file")
	l.judged(round{by: "lines that come, and nobody is seen who ships them", want: map[State]string{Unknown: "log-agent-supported"}})
	l.judged(round{by: "no agent, and no Loki that has anything", env: map[string]string{"LOKI_ADDR": ""}, want: map[State]string{Fail: "log-agent-supported"}})
	l.change(labFiles, "--no-resolve-image", "--image", registry+"/promtail:3.0") // it has no such image: what runs is not asked for
	l.judged(round{by: "a service named as Promtail's image", want: map[State]string{Warn: "log-agent-supported"}})
	l.lab("deploy", filepath.Join(l.dir, "checks.yml")) // as it was
	l.judged(round{by: "all taken back", want: map[State]string{Pass: "svc-healthcheck zero-downtime-update log-agent-supported image-pinned"}})
}

func (l *laboratory) images() {
	registry := os.Getenv("QD_LAB_REGISTRY")
	running, digest, ok := strings.Cut(l.docker("service", "inspect", "-f", "{{.Spec.TaskTemplate.ContainerSpec.Image}}", labWeb), "@")
	if !ok {
		l.Fatalf("web runs %s", running)
	}
	lost := "checks-lost"
	l.later("docker", "service", "rm", lost)
	l.docker("service", "create", "--detach", "-q", "--no-resolve-image", "--name", lost, "--constraint", "node.hostname==node1", registry+"/workload:thrown-away@"+digest)
	l.judged(round{by: "an image that is there, under a tag that is not", want: map[State]string{Fail: "one-key-deploy", Pass: "image-traceable"}})
	l.change(lost, "--no-resolve-image", "--image", registry+"/workload:1.0@sha256:"+strings.Repeat("0", 64))
	l.judged(round{by: "a digest that its registry has not", want: map[State]string{Fail: "image-traceable"}})
	l.docker("service", "rm", lost)
	l.change(labWeb, "--health-cmd", "") // neither set nor switched off: the image may have one
	l.lab("server", "stop", "registry")
	l.later(os.Getenv("QD_LAB_BIN"), "server", "start", "registry")
	l.judged(round{by: "a registry that is stopped", want: map[State]string{Unknown: "image-traceable one-key-deploy svc-healthcheck"}})
	l.lab("server", "start", "registry")
}

// newest makes services of whom it is known when their files were made.
func (l *laboratory) newest() {
	for _, x := range []struct {
		ago   time.Duration
		state State
	}{{10 * time.Minute, Pass}, {3 * time.Hour, Warn}, {5 * time.Hour, Fail}} {
		name := "checks-new-" + string(x.state)
		l.made(name, "--no-healthcheck", "--label", LabelCreated+"="+time.Now().Add(-x.ago).UTC().Format(time.RFC3339))
		l.judged(round{by: fmt.Sprintf("a service whose file was made %s ago", inHours(x.ago)), want: map[State]string{x.state: "new-service-time"}})
		l.docker("service", "rm", name)
	}
}

// room changes what is reserved and what there is.
func (l *laboratory) room() {
	memory := l.docker("node", "inspect", "-f", "{{.Description.Resources.MemoryBytes}}", "node1")
	var bytes int64
	if _, err := fmt.Sscan(memory, &bytes); err != nil {
		l.Fatal(err)
	}
	big := fmt.Sprint(bytes * 6 / 10)
	l.change(labWeb, "--replicas", "3", "--replicas-max-per-node", "1", "--reserve-memory", big, "--limit-memory", "0", "--update-order", "stop-first", "--update-parallelism", "0")
	l.judged(round{by: "three tasks of which a node holds one", want: map[State]string{Warn: "capacity-headroom"}})
	l.later("docker", "node", "update", "--availability", "active", "node2")
	l.later("docker", "node", "update", "--availability", "active", "node3")
	l.docker("node", "update", "--availability", "pause", "node2")
	l.docker("node", "update", "--availability", "pause", "node3")
	l.judged(round{by: "two nodes paused", want: map[State]string{Fail: "capacity-headroom"}})
	l.docker("node", "update", "--availability", "active", "node2")
	l.docker("node", "update", "--availability", "active", "node3")
	l.change(labWeb, "--replicas", "2", "--reserve-memory", "0", "--reserve-cpu", "0")
	l.change(labFiles, "--reserve-memory", "0", "--reserve-cpu", "0")
	l.judged(round{by: "nothing is reserved", want: map[State]string{Unknown: "capacity-headroom"}})
	price := l.docker("node", "inspect", "-f", `{{index .Spec.Labels "qd.price.hour"}}`, "node3")
	l.later("docker", "node", "update", "--label-add", "qd.price.hour="+price, "node3")
	l.docker("node", "update", "--label-rm", "qd.price.hour", "node3")
	l.judged(round{by: "a node without a price", want: map[State]string{Fail: "cost-per-service"}})
	l.docker("node", "update", "--label-add", "qd.price.hour="+price, "node3")
}

// managers has one of them die.
func (l *laboratory) managers() {
	l.later(os.Getenv("QD_LAB_BIN"), "node", "start", "3")
	l.lab("node", "kill", "3")
	l.judged(round{by: "a manager that was killed", want: map[State]string{Fail: "manager-quorum"}})
	l.lab("node", "start", "3")
	l.judged(round{by: "and is back", want: map[State]string{Pass: "manager-quorum"}})
}

// fewer takes a manager out of the quorum. It is the last: an engine of 20.10 that was demoted and promoted does not find its managers again once it was killed (its raft log has no longer the others' addresses), so the lab is made anew
// afterwards.
func (l *laboratory) fewer() {
	l.later("docker", "node", "promote", "node3")
	l.docker("node", "demote", "node3")
	l.judged(round{by: "two managers", want: map[State]string{Warn: "manager-quorum"}})
	l.docker("node", "promote", "node3")
	l.judged(round{by: "three again", want: map[State]string{Pass: "manager-quorum"}})
}

// closed asks through a proxy that lets some lists through.
func (l *laboratory) closed() {
	socket := strings.TrimPrefix(os.Getenv("DOCKER_HOST"), "unix://")
	proxy := httputil.NewSingleHostReverseProxy(&url.URL{Scheme: "http", Host: "engine"})
	dial := &http.Transport{DisableKeepAlives: true}
	dial.Dial = func(string, string) (net.Conn, error) { return net.Dial("unix", socket) } //nolint:staticcheck // no context is to end it
	proxy.Transport, proxy.FlushInterval = dial, -1
	var shut string
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.Contains(r.URL.Path, shut) {
			http.Error(w, "Forbidden", http.StatusForbidden)
			return
		}
		proxy.ServeHTTP(w, r)
	}))
	l.Cleanup(s.Close)
	env := map[string]string{"DOCKER_HOST": "tcp://" + strings.TrimPrefix(s.URL, "http://")}
	for _, x := range []struct{ list, ids string }{
		{"/nodes", "manager-quorum cost-per-service"},
		{"/configs", strings.Join(slices.DeleteFunc(Attestable(), func(id string) bool { return id == "new-service-time" }), " ")},
	} {
		shut = x.list
		l.judged(round{by: "a proxy before the engine that does not let GET " + x.list + " through", env: env, want: map[State]string{Unknown: x.ids}})
	}
}

// away stops servers, or asks where none is.
func (l *laboratory) away() {
	const nobody = "http://127.0.0.1:9" // discard
	l.judged(round{by: "a Prometheus that does not answer", env: map[string]string{"PROMETHEUS_URL": nobody}, want: map[State]string{
		Unknown: "tls-expiry metrics-per-service targets-up critical-alerts alert-fatigue mttd no-shell-needed autoscaler-alive time-at-max cache-hit slow-queries cost-anomaly"}})
	l.judged(round{by: "a Traefik that does not answer", config: map[string]any{"traefik": map[string]string{"address": nobody}}, want: map[State]string{Unknown: "tls-all-routers"}})
	l.judged(round{by: "a Loki that does not answer", env: map[string]string{"LOKI_ADDR": nobody}, want: map[State]string{Unknown: "logs-per-service"}})
	l.lab("server", "stop", "s3")
	l.later(os.Getenv("QD_LAB_BIN"), "server", "start", "s3")
	l.judged(round{by: "an object store that is stopped", want: map[State]string{Unknown: "backup-fresh volumes-covered restore-test dr-drill"}})
	l.lab("server", "start", "s3")
}

// dark waits until a service is old enough that its lines and figures are expected.
func (l *laboratory) dark() {
	l.lab("server", "stop", "cadvisor-1") // its figures bear times of their own, so that Prometheus gives them for five minutes more
	l.later(os.Getenv("QD_LAB_BIN"), "server", "start", "cadvisor-1")
	l.judged(round{by: "a service whose lines go nowhere", limit: 6 * time.Minute, want: map[State]string{Fail: "logs-per-service"}})
	l.judged(round{by: "the same, where a team lets two of three do", thresholds: map[string]string{"logs-per-service.warn": "60%"}, want: map[State]string{Warn: "logs-per-service"}})
	l.judged(round{by: "cAdvisor of a node that is stopped", limit: 6 * time.Minute, want: map[State]string{Fail: "metrics-per-service no-shell-needed"}})
	l.lab("server", "start", "cadvisor-1")
	l.judged(round{by: "cAdvisor is back", want: map[State]string{Pass: "metrics-per-service"}})
}
