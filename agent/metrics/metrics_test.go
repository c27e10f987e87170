package metrics

import (
	"io"
	"log/slog"
	"math"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/rulefmt"
	"github.com/prometheus/prometheus/promql/parser"

	"quarterdeck/agent"
	"quarterdeck/autoscale"
	"quarterdeck/capacity"
	"quarterdeck/recovery"
)

const rulesDir = "../../deploy"

var now = time.Date(2026, 11, 30, 12, 0, 0, 0, time.UTC)

// full is a status that has all that can be told.
func full() agent.Status {
	good := recovery.Policy{Declared: true, Engine: recovery.Volume, MaxAge: 26 * time.Hour, RTO: 15 * time.Minute}
	newest := &recovery.Snapshot{Taken: now.Add(-time.Hour), Size: 5 << 20}
	return agent.Status{Held: true, Turned: now, Running: &agent.Task{Kind: agent.Backup, Service: "shop_db"}, Restores: 1, Read: now.Add(-time.Minute),
		Failures: map[string]int{"backup shop_db": 2, "audit qd.repository": 1}, CleanUps: map[string]int{"shop_db": 3}, Audit: &recovery.Audit{Began: now.Add(-48 * time.Hour), OK: true}, AuditDue: now.Add(120 * time.Hour),
		Services: []agent.Service{
			{Coverage: recovery.Coverage{Service: "shop_db", Policy: good, Newest: newest, Kept: 7, Drill: &recovery.Drill{Began: now.Add(-72 * time.Hour), OK: true, RTO: 90.5}}, Created: now.Add(-240 * time.Hour), Due: now, GivenUp: true},
			{Coverage: recovery.Coverage{Service: "shop_new", Policy: good}, Created: now.Add(-time.Hour), Due: now.Add(time.Hour)},
			{Coverage: recovery.Coverage{Service: "odd\xff\n\"", Policy: recovery.Policy{Declared: true, Problems: []recovery.Problem{{Fatal: true}}}}, Created: now},
		}}
}

func scrape(t *testing.T, s agent.Status, path string) (code int, body string) {
	t.Helper()
	w := httptest.NewRecorder()
	Handler(Told{Backups: func() agent.Status { return s }}, func() time.Time { return now }).ServeHTTP(w, httptest.NewRequest("GET", path, nil))
	b, err := io.ReadAll(w.Body)
	if err != nil {
		t.Fatal(err)
	}
	return w.Code, string(b)
}

func TestMetrics(t *testing.T) {
	code, body := scrape(t, full(), "/metrics")
	if code != 200 {
		t.Fatalf("%d: %s", code, body)
	}
	for _, want := range []string{
		"quarterdeck_agent_lease_held 1", `quarterdeck_agent_running_tasks{kind="backup"} 1`, `quarterdeck_agent_running_tasks{kind="drill"} 0`, "quarterdeck_agent_open_restores 1",
		`quarterdeck_agent_task_failures_total{kind="backup",service="shop_db"} 2`, `quarterdeck_agent_task_failures_total{kind="drill",service="shop_new"} 0`, `quarterdeck_agent_task_failures_total{kind="audit",service="qd.repository"} 1`,
		`quarterdeck_backup_cleanup_failures_total{service="shop_db"} 3`, `quarterdeck_backup_cleanup_failures_total{service="shop_new"} 0`,
		`quarterdeck_backup_last_success_timestamp_seconds{service="shop_db"} 1.7960364e+09`, `quarterdeck_backup_max_age_seconds{service="shop_db"} 93600`, `quarterdeck_backup_last_size_bytes{service="shop_db"} 5.24288e+06`,
		`quarterdeck_backup_snapshots{service="shop_db"} 7`, `quarterdeck_backup_given_up{service="shop_db"} 1`, `quarterdeck_backup_given_up{service="shop_new"} 0`, `quarterdeck_backup_policy_usable{service="odd?\n\""} 0`,
		`quarterdeck_drill_last_ok{service="shop_db"} 1`, `quarterdeck_drill_last_rto_seconds{service="shop_db"} 90.5`, `quarterdeck_drill_rto_limit_seconds{service="shop_db"} 900`, "quarterdeck_repository_check_last_ok 1",
	} {
		if !strings.Contains(body, want+"\n") {
			t.Errorf("no %s in\n%s", want, body)
		}
	}
	for _, not := range []string{`last_success_timestamp_seconds{service="shop_new"}`, `max_age_seconds{service="odd`, `drill_last_ok{service="shop_new"}`} {
		if strings.Contains(body, not) {
			t.Errorf("%s, of what is not known", not)
		}
	}
	if _, body = scrape(t, agent.Status{Turned: now}, "/metrics"); !strings.Contains(body, "quarterdeck_agent_lease_held 0\n") || strings.Contains(body, "quarterdeck_backup") {
		t.Errorf("without the lease:\n%s", body)
	}
}

func TestHealthz(t *testing.T) {
	for _, x := range []struct {
		status agent.Status
		code   int
	}{
		{agent.Status{Turned: now.Add(-time.Minute)}, 200},
		{agent.Status{Turned: now.Add(-time.Hour)}, 503},
		{agent.Status{Turned: now.Add(-time.Hour), Running: &agent.Task{}}, 200},
	} {
		if code, body := scrape(t, x.status, "/healthz"); code != x.code {
			t.Errorf("%+v: %d %s", x.status, code, body)
		}
	}
}

// TestRulesAskForWhatThereIs: each metric of the rules is one that is told, or one that they make themselves, and all alerts of a service name it as the console expects.
func TestRulesAskForWhatThereIs(t *testing.T) {
	_, backups := scrape(t, full(), "/metrics")
	_, scaling := scrapeScaling(t, fullScaling(), "/metrics")
	for _, x := range []struct {
		dir, body   string
		told, rules int
	}{{"agent", backups, len(all), 10}, {"autoscaler", scaling, len(allScaling), 8}} {
		t.Run(x.dir, func(t *testing.T) {
			var told []string
			for _, m := range regexp.MustCompile(`(?m)^# TYPE (quarterdeck_\S+)`).FindAllStringSubmatch(x.body, -1) {
				told = append(told, m[1])
			}
			if len(told) != x.told {
				t.Errorf("%d metrics are told of %d that there are", len(told), x.told)
			}
			if n := askOnlyFor(t, x.dir, told); n < x.rules {
				t.Errorf("only %d alerts", n)
			}
		})
	}
}

// askOnlyFor holds that the alerts of a directory ask for what is told, and counts them.
func askOnlyFor(t *testing.T, dir string, told []string) (alerts int) {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(rulesDir, dir, "rules.yml"))
	if err != nil {
		t.Fatal(err)
	}
	groups, errs := rulefmt.Parse(text, false, model.UTF8Validation, parser.NewParser(parser.Options{}), slog.New(slog.DiscardHandler))
	if len(errs) > 0 {
		t.Fatal(errs)
	}
	for _, g := range groups.Groups {
		for _, r := range g.Rules {
			expr, err := parser.NewParser(parser.Options{}).ParseExpr(r.Expr)
			if err != nil {
				t.Fatal(err)
			}
			asked, byService := 0, strings.Contains(r.Expr, "by (service)") || strings.Contains(r.Expr, "service_hour")
			parser.Inspect(expr, func(n parser.Node, _ []parser.Node) error {
				if v, ok := n.(*parser.VectorSelector); ok {
					asked++
					if !slices.Contains(told, v.Name) {
						t.Errorf("%s%s asks for %s, which is not told", r.Alert, r.Record, v.Name)
					}
				}
				return nil
			})
			if asked == 0 {
				t.Errorf("%s%s asks for nothing", r.Alert, r.Record)
			}
			if r.Record != "" {
				told = append(told, r.Record)
				continue
			}
			alerts++
			if named := r.Labels["swarm_service"] == "{{ $labels.service }}"; named != byService || r.Labels["severity"] == "" || r.Annotations["summary"] == "" {
				t.Errorf("%s: labels %v, annotations %v", r.Alert, r.Labels, r.Annotations)
			}
		}
	}
	return alerts
}

// TestRulesFire: promtool's own unit tests of the rules, where it is to be had.
func TestRulesFire(t *testing.T) {
	tool, err := exec.LookPath("promtool")
	if err != nil {
		t.Skip("no promtool")
	}
	for dir, tests := range map[string][]string{"agent": {"rules_test.yml"}, "autoscaler": {"rules_test.yml", "rules_cost_test.yml"}} {
		cmd := exec.CommandContext(t.Context(), tool, append([]string{"test", "rules"}, tests...)...)
		cmd.Dir = filepath.Join(rulesDir, dir)
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Errorf("%s: %v\n%s", dir, err, out)
		}
	}
}

// fullScaling is a status of an autoscaler that has all that can be told.
func fullScaling() agent.ScaleStatus {
	cpu := &autoscale.Metric{Kind: autoscale.CPU, Target: 0.6}
	return agent.ScaleStatus{Held: true, Turned: now, Beat: now.Add(-time.Second), Every: 30 * time.Second, Asked: 2, Took: time.Second, Stopped: "by somebody",
		Ups: map[string]int{"shop_web": 3}, Downs: map[string]int{"shop_web": 1}, Failures: map[string]int{"shop_api": 2},
		Bill: &capacity.Bill{Services: []capacity.ServiceCost{{Service: "shop_web", Hour: 0.25}, {Service: "shop_new", Hour: math.NaN()}}, Nodes: []capacity.NodeCost{
			{Node: "node1", Hour: 0.5, Idle: 0.25}, {Node: "node2", Hour: math.NaN(), Idle: math.NaN()}, {Node: "twin", Hour: 1, Idle: 0.5}, {Node: "twin", Hour: 2, Idle: math.NaN()}}},
		Decisions: []autoscale.Decision{
			{Service: "shop_web", Current: 4, Recommended: 6, Wanted: 9, Min: 2, Max: 6, Limit: autoscale.AtMax, Mode: autoscale.Enforce, Metric: cpu, Value: 0.84, Target: 0.6},
			{Service: "shop_api", Current: 2, Recommended: 2, Wanted: 2, Limit: autoscale.ByMissing, Metric: cpu, Value: math.NaN(), Target: 0.6},
			{Service: "odd\xff", Current: 1, Recommended: 1, Skip: autoscale.LocalVolume},
		}}
}

func scrapeScaling(t *testing.T, s agent.ScaleStatus, path string) (int, string) {
	t.Helper()
	w := httptest.NewRecorder()
	Handler(Told{Scaling: func() agent.ScaleStatus { return s }}, func() time.Time { return now }).ServeHTTP(w, httptest.NewRequest("GET", path, nil))
	return w.Code, w.Body.String()
}

// TestScaleMetrics: what an autoscaler tells, and that one without the lease tells of no service.
func TestScaleMetrics(t *testing.T) {
	s := fullScaling()
	ask := func(path string) (int, string) { return scrapeScaling(t, s, path) }
	code, body := ask("/metrics")
	if code != 200 {
		t.Fatalf("%d: %s", code, body)
	}
	for _, want := range []string{
		"quarterdeck_autoscale_lease_held 1", "quarterdeck_autoscale_heartbeat_timestamp_seconds 1.796039999e+09", "quarterdeck_autoscale_interval_seconds 30\n", "quarterdeck_autoscale_stopped 1\n",
		`quarterdeck_autoscale_current_replicas{service="shop_web"} 4`, `quarterdeck_autoscale_recommended_replicas{service="shop_web"} 6`, `quarterdeck_autoscale_wanted_replicas{service="shop_web"} 9`,
		`quarterdeck_autoscale_limited{by="max",service="shop_web"} 1`, `quarterdeck_autoscale_enforced{service="shop_web"} 1`, `quarterdeck_autoscale_enforced{service="shop_api"} 0`,
		`quarterdeck_autoscale_target_ratio{metric="cpu",service="shop_web"} 1.4`, `quarterdeck_autoscale_skipped{because="local-volume",service="odd?"} 1`,
		`quarterdeck_autoscale_changes_total{direction="up",service="shop_web"} 3`, `quarterdeck_autoscale_change_failures_total{service="shop_api"} 2`,
		`quarterdeck_cost_service_hour{service="shop_web"} 0.25`, `quarterdeck_cost_node_hour{node="node1"} 0.5`, `quarterdeck_cost_node_idle_hour{node="node1"} 0.25`, `quarterdeck_cost_node_hour{node="twin"} 3`,
	} {
		if !strings.Contains(body, want) {
			t.Errorf("no %s in\n%s", want, body)
		}
	}
	if strings.Contains(body, `target_ratio{metric="cpu",service="shop_api"}`) || strings.Contains(body, "quarterdeck_agent") || strings.Contains(body, `{service="shop_new"}`) || strings.Contains(body, `"node2"`) || strings.Contains(body, `idle_hour{node="twin"}`) {
		t.Errorf("what is not known is told:\n%s", body)
	}
	if code, _ := ask("/healthz"); code != 200 {
		t.Errorf("alive: %d", code)
	}
	s.Held, s.Turned = false, now.Add(-time.Hour)
	if _, body := ask("/metrics"); !strings.Contains(body, "quarterdeck_autoscale_lease_held 0\n") || strings.Contains(body, "shop_web") || strings.Contains(body, "heartbeat_timestamp_seconds ") {
		t.Errorf("without the lease:\n%s", body)
	}
	if code, body := ask("/healthz"); code != 503 {
		t.Errorf("one that hangs: %d %s", code, body)
	}
}
