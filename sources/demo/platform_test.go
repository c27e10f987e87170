package demo

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"
	"go.uber.org/goleak"

	"github.com/moby/moby/api/types/swarm"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func start(t testing.TB, o Options) *Platform {
	t.Helper()
	if p, ok := t.(*testing.T); ok {
		p.Parallel() // most of a test is waiting for its own platform
	}
	o.Quiet = true
	p, err := Start(context.Background(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		http.DefaultClient.CloseIdleConnections()
		if err := p.Close(); err != nil {
			t.Error(err)
		}
	})
	return p
}

func get(t testing.TB, address string) (int, string) {
	t.Helper()
	resp, err := http.Get(address) //nolint:noctx // a test's own server
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, string(body)
}

func engine(p *Platform) string { return strings.Replace(p.DockerHost(), "tcp", "http", 1) }

func ask[T any](t testing.TB, address string) T {
	t.Helper()
	status, body := get(t, address)
	var out T
	if err := json.Unmarshal([]byte(body), &out); err != nil || status != 200 {
		t.Fatalf("%s: %d %v: %.300s", address, status, err, body)
	}
	return out
}

func eventually(t testing.TB, what string, ok func() bool) {
	t.Helper()
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	deadline := time.After(30 * time.Second)
	for !ok() {
		select {
		case <-deadline:
			t.Fatalf("did not happen: %s", what)
		case <-tick.C:
		}
	}
}

func prom(t testing.TB, p *Platform, q string) []struct {
	Metric map[string]string
	Value  [2]any
} {
	t.Helper()
	return ask[struct {
		Data struct {
			Result []struct {
				Metric map[string]string
				Value  [2]any
			}
		}
	}](t, p.PrometheusURL()+"/api/v1/query?query="+url.QueryEscape(q)).Data.Result
}

func TestDockerCommandLine(t *testing.T) {
	if _, err := exec.LookPath("docker"); err != nil {
		t.Skip("no docker command on this machine")
	}
	p := start(t, Options{})
	for args, want := range map[string]string{
		"node ls":             "node1",
		"service ls":          "shop_api",
		"service ps shop_api": "shop_api.1",
		"service ps --filter desired-state=running shop_api": "Running",
		"service inspect --pretty shop_api":                  "update completed",
		"service logs --tail 3 shop_api":                     "level=info",
		"stack ls":                                           "platform",
		"stack services shop":                                "shop_store",
		"stack ps shop":                                      "shop_web.1",
		"network ls":                                         "shop_back",
		"secret ls":                                          "shop_pay_key",
		"config ls":                                          "shop_web_conf",
		"info":                                               "Is Manager: true",
		"events --since 48h --until 0s":                      "service update",
	} {
		out, err := exec.Command("docker", append([]string{"-H", p.DockerHost()}, strings.Fields(args)...)...).CombinedOutput() //nolint:gosec // our own words
		if err != nil || !strings.Contains(string(out), want) {
			t.Errorf("docker %s: %v, wanted %q in:\n%s", args, err, want, out)
		}
	}
}

func TestUpdateIsVersioned(t *testing.T) {
	p := start(t, Options{})
	svc := ask[swarm.Service](t, engine(p)+"/v1.41/services/shop_cart")
	body, _ := json.Marshal(svc.Spec)
	post := func(version uint64) (int, string) {
		resp, err := http.Post(fmt.Sprintf("%s/services/%s/update?version=%d", engine(p), svc.ID, version), "application/json", strings.NewReader(string(body))) //nolint:noctx // a test's own server
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		b, _ := io.ReadAll(resp.Body)
		return resp.StatusCode, strings.TrimSpace(string(b))
	}
	if code, text := post(svc.Version.Index - 1); code != 500 || text != `{"message":"rpc error: code = Unknown desc = update out of sequence"}` {
		t.Errorf("old version: %d %s", code, text)
	}
	if code, text := post(svc.Version.Index); code != 200 {
		t.Errorf("present version: %d %s", code, text)
	}
}

func updateState(t *testing.T, p *Platform, name string) string {
	if u := ask[swarm.Service](t, engine(p)+"/services/"+name).UpdateStatus; u != nil {
		return string(u.State)
	}
	return ""
}

func TestDeployCompletes(t *testing.T) {
	p := start(t, Options{})
	if err := p.Deploy("batch_worker", "registry.quarterdeck.demo/batch/worker:1.4.1"); err != nil {
		t.Fatal(err)
	}
	eventually(t, "updating", func() bool { return updateState(t, p, "batch_worker") == "updating" })
	eventually(t, "completed", func() bool { return updateState(t, p, "batch_worker") == "completed" })
}

func TestBadDeployRollsBack(t *testing.T) {
	p := start(t, Options{Scenario: "bad-deploy-rollback"})
	eventually(t, "rollback_completed", func() bool { return updateState(t, p, "shop_api") == "rollback_completed" })
	image := ask[swarm.Service](t, engine(p)+"/services/shop_api").Spec.TaskTemplate.ContainerSpec.Image
	if strings.Contains(image, "bad") {
		t.Errorf("the spec still has %s", image)
	}
	_, logs := get(t, p.LokiAddr()+"/loki/api/v1/query_range?query="+url.QueryEscape(`{swarm_service="shop_api",source="stderr"} |= "panic"`))
	if !strings.Contains(logs, "PAYMENT_TIMEOUT") {
		t.Errorf("no last words in Loki: %.300s", logs)
	}
}

func tasks(t *testing.T, p *Platform, service string) []swarm.Task {
	return ask[[]swarm.Task](t, engine(p)+"/tasks?filters="+url.QueryEscape(`{"service":["`+service+`"]}`))
}

func TestCrashLoopKeepsFiveTasksASlot(t *testing.T) {
	p := start(t, Options{Scenario: "crash-loop"})
	eventually(t, "two failed tasks in a slot", func() bool {
		failed := 0
		bySlot := map[int]int{}
		for _, x := range tasks(t, p, "shop_payments") {
			if bySlot[x.Slot]++; bySlot[x.Slot] > 5 {
				t.Fatalf("slot %d has more than 5 tasks", x.Slot)
			}
			if x.Slot == 1 && x.Status.State == swarm.TaskStateFailed {
				if x.Status.Err != "task: non-zero exit (1)" || x.Status.ContainerStatus.ExitCode != 1 {
					t.Fatalf("%+v", x.Status)
				}
				failed++
			}
		}
		return failed >= 2
	})
	if err := p.StopScenario("crash-loop"); err != nil {
		t.Fatal(err)
	}
}

func TestImageMissingRejects(t *testing.T) {
	p := start(t, Options{Scenario: "image-missing"})
	eventually(t, "a rejected task", func() bool {
		for _, x := range tasks(t, p, "batch_worker") {
			if x.Status.State == swarm.TaskStateRejected && strings.HasPrefix(x.Status.Err, "No such image: ") {
				return true
			}
		}
		return false
	})
}

func TestNodeDownMovesTasks(t *testing.T) {
	p := start(t, Options{})
	if err := p.KillNode("node3"); err != nil {
		t.Fatal(err)
	}
	down := false
	for _, n := range ask[[]swarm.Node](t, engine(p)+"/nodes") {
		down = down || n.Description.Hostname == "node3" && n.Status.State == swarm.NodeStateDown && n.Status.Message == "heartbeat failure"
	}
	if !down {
		t.Error("node3 is not down")
	}
	eventually(t, "shop_web on the other nodes", func() bool {
		n := 0
		for _, x := range tasks(t, p, "shop_web") {
			if x.DesiredState == swarm.TaskStateRunning && x.Status.State == swarm.TaskStateRunning {
				n++
			}
		}
		return n == 3
	})
	for _, s := range ask[[]swarm.Service](t, engine(p)+"/services?status=true") {
		if s.Spec.Name == "shop_web" && s.ServiceStatus.RunningTasks != 4 { // swarmkit counts the lost one, too
			t.Errorf("%+v", s.ServiceStatus)
		}
	}
	if err := p.ReviveNode("node3"); err != nil {
		t.Fatal(err)
	}
	if err := p.KillNode("node1"); err == nil {
		t.Error("the engine's own node was killed")
	}
}

func TestHistoryIsThere(t *testing.T) {
	p := start(t, Options{})
	now := time.Now()
	type matrix struct {
		Data struct {
			Result []struct{ Values [][2]any }
		}
	}
	m := ask[matrix](t, fmt.Sprintf("%s/api/v1/query_range?query=%s&start=%d&end=%d&step=60", p.PrometheusURL(), url.QueryEscape("count(up)"), now.Add(-6*time.Hour).Unix(), now.Unix()))
	if len(m.Data.Result) != 1 || len(m.Data.Result[0].Values) != 361 {
		t.Errorf("six hours of metrics: %d series", len(m.Data.Result))
	}
	if r := prom(t, p, `sum by (container_label_com_docker_swarm_service_name) (rate(container_cpu_usage_seconds_total[2m]))`); len(r) != 11 {
		t.Errorf("cpu of %d services, wanted 11", len(r))
	}
	type vector struct {
		Data struct {
			Result []struct{ Value [2]any }
		}
	}
	v := ask[vector](t, p.LokiAddr()+"/loki/api/v1/query?query="+url.QueryEscape(`sum(count_over_time({swarm_stack="shop"}[1h]))`))
	if len(v.Data.Result) != 1 || v.Data.Result[0].Value[1] == "0" {
		t.Errorf("an hour of logs: %v", v)
	}
}

// What the lab's Prometheus 2.42 and Loki 3.7.8 answer to the same questions.
func TestErrorsAreTheRealOnes(t *testing.T) {
	p := start(t, Options{})
	loki, pr := p.LokiAddr()+"/loki/api/v1/", p.PrometheusURL()+"/api/v1/"
	q := url.QueryEscape
	for address, want := range map[string]string{
		loki + "query_range?query=" + q(`{a="b"}`) + "&limit=6000":         "400 max entries limit per query exceeded, limit > max_entries_limit_per_query (6000 > 5000)",
		loki + "query_range?query=" + q(`{foo="bar"`):                      "400 parse error at line 1, col 11: syntax error: unexpected $end, expecting } or ,",
		loki + "query_range?query=" + q(`{foo="a"} |= `):                   "400 parse error at line 1, col 14: syntax error: unexpected $end, expecting STRING or ip",
		loki + "query_range?query=" + q(`{foo="a"} | nope`):                "400 parse error at line 1, col 17: syntax error: unexpected $end",
		loki + "query_range?query=" + q(`sum(count_over_time({foo="a"}))`): "400 parse error at line 1, col 30: syntax error: unexpected )",
		loki + "query_range?query=":                                        "400 parse error : syntax error: unexpected $end",
		loki + "query?query=" + q(`{foo="a"}`):                             "400 log queries are not supported as an instant query type, please change your query to a range query type",
		loki + "tail?query=" + q(`{foo="a"}`) + "&delay_for=9":             "400 delay_for can't be greater than 5",
		pr + "query?query=" + q("sum("):                                    `400 {"status":"error","errorType":"bad_data","error":"invalid parameter \"query\": 1:5: parse error: unclosed left parenthesis"}`,
		pr + "query_range?query=up&start=0&end=1000000&step=1":             `400 {"status":"error","errorType":"bad_data","error":"exceeded maximum resolution of 11,000 points per timeseries. Try decreasing the query resolution (?step=XX)"}`,
		pr + "query?query=up&time=x":                                       `400 {"status":"error","errorType":"bad_data","error":"invalid parameter \"time\": Invalid time value for 'time': cannot parse \"x\" to a valid timestamp"}`,
		pr + "query?query=nothing":                                         `200 {"status":"success","data":{"resultType":"vector","result":[]}}`,
		engine(p) + "/services/nope":                                       `404 {"message":"service nope not found"}`,
		engine(p) + "/v1.99/info":                                          `400 {"message":"client version 1.99 is too new. Maximum supported API version is 1.51"}`,
		engine(p) + "/services/shop_api/logs":                              `500 {"message":"Bad parameters: you must choose at least one stream"}`,
	} {
		if code, body := get(t, address); fmt.Sprint(code, " ", strings.TrimSpace(body)) != want {
			t.Errorf("%s\n got %d %.300s\nwant %s", address, code, body, want)
		}
	}
	p.SetForbidEvents(true)
	if code, _ := get(t, engine(p)+"/events"); code != http.StatusForbidden {
		t.Errorf("forbidden events: %d", code)
	}
}

func TestBurstIsWholeInLokiAndDocker(t *testing.T) {
	p := start(t, Options{})
	if err := p.Burst("shop_web", 3000); err != nil {
		t.Fatal(err)
	}
	type streams struct {
		Data struct {
			Result []struct{ Values [][2]string }
		}
	}
	n := 0
	for _, s := range ask[streams](t, p.LokiAddr()+"/loki/api/v1/query_range?limit=5000&query="+url.QueryEscape(`{swarm_service="shop_web"} |= "burst"`)).Data.Result {
		n += len(s.Values)
	}
	_, raw := get(t, engine(p)+"/services/shop_web/logs?stdout=1&since="+fmt.Sprint(time.Now().Add(-time.Minute).Unix()))
	if d := strings.Count(raw, `"msg":"burst"`); n != 3000 || d != 3000 {
		t.Errorf("Loki has %d, docker %d of 3000 lines", n, d)
	}
}

func TestTailFollowsAndIsCut(t *testing.T) {
	p := start(t, Options{})
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	conn, _, err := websocket.Dial(ctx, strings.Replace(p.LokiAddr(), "http", "ws", 1)+"/loki/api/v1/tail?query="+url.QueryEscape(`{swarm_service="shop_api"} |= "burst"`), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.CloseNow() }()
	conn.SetReadLimit(1 << 20)
	if err := p.Burst("shop_api", 150); err != nil {
		t.Fatal(err)
	}
	seen := 0
	for seen < 150 {
		_, raw, err := conn.Read(ctx)
		if err != nil {
			t.Fatal(err)
		}
		var m struct {
			Streams []struct{ Values [][2]string }
		}
		if err := json.Unmarshal(raw, &m); err != nil {
			t.Fatal(err)
		}
		for _, s := range m.Streams {
			if seen += len(s.Values); len(s.Values) > 100 {
				t.Errorf("%d entries in a batch", len(s.Values))
			}
		}
	}
	p.DropConnections()
	if _, _, err := conn.Read(ctx); err == nil || ctx.Err() != nil {
		t.Errorf("the tail lives on: %v", err)
	}
}

func TestSilenceSuppresses(t *testing.T) {
	p := start(t, Options{})
	type alert struct {
		Labels map[string]string
		Status struct{ State string }
	}
	list := func() []alert { return ask[[]alert](t, p.AlertmanagerURL()+"/api/v2/alerts") }
	eventually(t, "the certificate's alert", func() bool { return len(list()) > 0 })
	body := fmt.Sprintf(`{"matchers":[{"name":"alertname","value":"Cert.*","isRegex":true}],"startsAt":%q,"endsAt":%q,"createdBy":"t","comment":"t"}`,
		time.Now().Format(time.RFC3339), time.Now().Add(time.Hour).Format(time.RFC3339))
	resp, err := http.Post(p.AlertmanagerURL()+"/api/v2/silences", "application/json", strings.NewReader(body)) //nolint:noctx // a test's own server
	if err != nil {
		t.Fatal(err)
	}
	_ = resp.Body.Close()
	if got := list(); resp.StatusCode != 200 || len(got) != 1 || got[0].Status.State != "suppressed" {
		t.Errorf("%d %v", resp.StatusCode, got)
	}
}

func TestEveryScenarioStartsAndStops(t *testing.T) {
	p := start(t, Options{})
	for _, s := range Scenarios() {
		if err := p.StartScenario(s.Name); err != nil {
			t.Error(err)
		}
	}
	for _, s := range Scenarios() {
		if err := p.StopScenario(s.Name); err != nil {
			t.Error(err)
		}
	}
	if err := p.StartScenario("nope"); err == nil {
		t.Error("an unknown scenario was started")
	}
}

func BenchmarkBigFleet(b *testing.B) {
	for b.Loop() {
		p, err := Start(context.Background(), Options{Services: 1000, Tasks: 10_000, Quiet: true})
		if err != nil {
			b.Fatal(err)
		}
		for _, path := range []string{"/services?status=true", "/tasks", "/nodes"} {
			if code, _ := get(b, engine(p)+path); code != 200 {
				b.Fatal(path, code)
			}
		}
		http.DefaultClient.CloseIdleConnections()
		if err := p.Close(); err != nil {
			b.Fatal(err)
		}
	}
}
