package blueprint

import (
	"encoding/json"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/rulefmt"
	"github.com/prometheus/prometheus/promql/parser"

	"quarterdeck/recovery"
	"quarterdeck/sources"
	"quarterdeck/sources/swarm"
	"quarterdeck/stages"
)

func newService(database string) *Service {
	return &Service{Name: "orders", Stack: "shop", Image: "registry.example/shop/orders:1.0.0@sha256:" + strings.Repeat("ab", 32), Domain: "orders.example.com", Health: DefaultHealth, Memory: DefaultMemory, CPU: DefaultCPU,
		Database: database, Port: 8080, Replicas: DefaultReplicas, Created: time.Date(2026, 11, 30, 6, 0, 0, 0, time.UTC)}
}

// made reads what is written of a new service as docker stack deploy would.
func made(t *testing.T, s *Service) (services []sources.ServiceState, files map[string][]byte) {
	t.Helper()
	if err := s.Check(); err != nil {
		t.Fatal(err)
	}
	all, err := s.Files()
	if err != nil {
		t.Fatal(err)
	}
	files = map[string][]byte{}
	for _, f := range all {
		files[f.Path] = f.Body
	}
	if services, err = swarm.ReadStack(s.Stack, files[StackFile]); err != nil {
		t.Fatalf("%v in\n%s", err, files[StackFile])
	}
	return services, files
}

// A new service passes all checks that its files can answer, with each of the databases; the database's policy is one that backups can go by.
func TestNewServicePasses(t *testing.T) {
	for _, database := range Databases {
		s := newService(database)
		services, files := made(t, s)
		var boards []sources.Dashboard
		for _, x := range services {
			var d struct {
				Title, UID string
				Tags       []string
			}
			body := files["dashboards/"+x.Name+".json"]
			if err := json.Unmarshal(body, &d); err != nil || strings.Contains(string(body), "$service") || d.UID == "" {
				t.Errorf("%s: the dashboard of %s: %v", database, x.Name, err)
			}
			boards = append(boards, sources.Dashboard{Title: d.Title, Tags: d.Tags})
		}
		judged, later := Judge(services, boards, s.Created)
		if len(judged) != len(byFile) || len(later) != len(byRunning) {
			t.Errorf("%s: %d checks are judged, %d later", database, len(judged), len(later))
		}
		for _, r := range judged {
			pinned := r.Check.ID != "image-pinned" || !slices.ContainsFunc(r.Subjects, func(x stages.Subject) bool { return x.Name != "shop_orders-db" }) // its image has the version that was current
			if r.State != stages.Pass && r.State != stages.NA && !(r.Check.ID == "image-pinned" && pinned && r.State == stages.Warn) {
				t.Errorf("%s: %s is %s: %s%s %v", database, r.Check.ID, r.State, r.Value, r.Reason, r.Subjects)
			}
		}
		for _, x := range services {
			if got := x.Labels[stages.LabelCreated]; got != "2026-11-30T06:00:00Z" {
				t.Errorf("%s was made at %q", x.Name, got)
			}
			if p := recovery.ParsePolicy(&x.Service); x.Name == "shop_orders-db" && (!p.Usable() || p.Verify == "" || database != "redis" && p.Secret != "shop-orders-db-password") {
				t.Errorf("%s: its policy: %s %+v", database, p.Why(), p)
			}
		}
		if want := map[string]int{"none": 1}[database]; want == 0 && len(services) != 2 || want == 1 && len(services) != 1 {
			t.Errorf("%s: %d services", database, len(services))
		}
	}
}

// The rules are ones that Prometheus takes, of this service alone, and none is critical: three to five of these are what somebody can know by heart.
func TestNewServiceRules(t *testing.T) {
	groups, errs := rulefmt.Parse(newService("none").rules(), false, model.UTF8Validation, parser.NewParser(parser.Options{}), slog.New(slog.DiscardHandler))
	if len(errs) > 0 {
		t.Fatal(errs)
	}
	n := 0
	for _, g := range groups.Groups {
		for _, r := range g.Rules {
			n++
			if r.Labels["severity"] != "warning" || !strings.HasPrefix(r.Alert, "ShopOrders") || !strings.Contains(r.Expr, "orders") || r.Annotations["summary"] == "" {
				t.Errorf("%+v", r)
			}
		}
	}
	if n != 3 {
		t.Errorf("%d rules", n)
	}
}

// What cannot be is refused before anything is written, and what it was is in no error.
func TestNewServiceFaults(t *testing.T) {
	for says, change := range map[string]func(*Service){
		"the name":       func(s *Service) { s.Name = "orders\n  evil: true" },
		"--stack":        func(s *Service) { s.Stack = "Shop_" },
		"--image":        func(s *Service) { s.Image = "shop/orders:latest" },
		"--domain":       func(s *Service) { s.Domain = "x`) || Host(`evil.example" },
		"--health":       func(s *Service) { s.Health = "/healthz && evil" },
		"--memory":       func(s *Service) { s.Memory = "evil" },
		"--cpu":          func(s *Service) { s.CPU = "0" },
		"--port":         func(s *Service) { s.Port = 70000 },
		"--replicas":     func(s *Service) { s.Replicas = 0 },
		"none, postgres": func(s *Service) { s.Database = "evil" },
	} {
		s := newService("none")
		change(s)
		if err := s.Check(); err == nil || !strings.Contains(err.Error(), says) || strings.Contains(err.Error(), "evil") {
			t.Errorf("%s: %v", says, err)
		}
	}
	s := newService("none")
	s.Stack, s.Port = "", 0
	if got := strings.Join(s.Missing(), " "); got != "--stack --port" {
		t.Errorf("%s is missing", got)
	}
}

// Values stay values past the checks: text that would be YAML, and `$`, which docker stack deploy would replace.
func TestNewServiceKeepsValues(t *testing.T) {
	s := newService("none")
	files, err := (&Service{Name: s.Name, Stack: s.Stack, Image: s.Image, Domain: "${HOME}\"\n    privileged: true", Health: "/$x", Memory: s.Memory, CPU: s.CPU, Database: "none", Port: 1, Replicas: 1}).Files()
	if err != nil {
		t.Fatal(err)
	}
	services, err := swarm.ReadStack(s.Stack, files[0].Body)
	if err != nil || len(services) != 1 {
		t.Fatalf("%v in\n%s", err, files[0].Body)
	}
	if got := services[0].Labels["traefik.http.routers.shop-orders.rule"]; got != "Host(`${HOME}\"\n    privileged: true`)" {
		t.Errorf("the rule became %q", got)
	}
}
