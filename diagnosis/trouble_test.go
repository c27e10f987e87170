package diagnosis_test

import (
	"strings"
	"testing"
	"time"

	"quarterdeck/diagnosis"
	"quarterdeck/sources"
	"quarterdeck/sources/fleet"
)

var twelve = time.Date(2026, 11, 25, 12, 0, 0, 0, time.UTC)

// troubled is a fleet in which a service that was scaled up waits for addresses that its network has not (worker), an alert fires for one that runs
// (cart), one for a node that is down, and one about neither; store is well.
func troubled() *diagnosis.Doctor {
	now := func() time.Time { return twelve }
	f := fleet.New(now, fleet.SwarmName, fleet.AlertmanagerName)
	f.SetStatus(sources.Status{Name: fleet.SwarmName, State: sources.Live})
	w := sources.World{At: twelve, Networks: []sources.Network{{ID: "small", Name: "small", Subnets: []string{"10.0.9.0/29"}}},
		Nodes: []sources.Node{{ID: "n1", Name: "node1", State: "ready", Availability: "active"}, {ID: "n2", Name: "node2", State: "down", Availability: "active", Message: "heartbeat failure"}}}
	service := func(name string, replicas int, updated time.Duration) *sources.Service {
		w.Services = append(w.Services, sources.Service{ID: name, Name: name, Mode: sources.Replicated, Desired: replicas, Generation: "g", Created: twelve.Add(-48 * time.Hour), Updated: twelve.Add(-updated)})
		for i := range replicas {
			w.Tasks = append(w.Tasks, sources.Task{ID: name + string(rune('a'+i)), ServiceID: name, Slot: i + 1, NodeID: "n1", Generation: "g", State: sources.TaskRunning,
				Desired: sources.TaskRunning, Created: twelve.Add(-time.Hour), Since: twelve.Add(-time.Hour)})
		}
		return &w.Services[len(w.Services)-1]
	}
	service("cart", 1, 24*time.Hour)
	service("store", 1, 24*time.Hour)
	service("queue", 1, 24*time.Hour)
	service("worker", 6, 20*time.Second).Networks = []string{"small"}
	for i := range w.Tasks {
		if t := &w.Tasks[i]; t.ServiceID == "worker" && t.Slot > 2 {
			t.State, t.NodeID, t.Created, t.Since = "new", "", twelve.Add(-20*time.Second), twelve.Add(-20*time.Second)
		}
	}
	w.Tasks = append(w.Tasks, sources.Task{ID: "queue-old", ServiceID: "queue", Slot: 1, NodeID: "n1", Generation: "g", State: sources.TaskFailed, Desired: sources.TaskShutdown,
		Err: "task: non-zero exit (2)", ExitCode: 2, Created: twelve.Add(-90 * time.Minute), Since: twelve.Add(-time.Minute)})
	f.Fold(sources.Change{World: &w})
	f.SetAlerts([]sources.Alert{
		{Name: "MemoryNearLimit", Service: "cart", State: sources.Firing, Since: twelve.Add(-time.Minute), Summary: "cart is near its limit"},
		{Name: "NodeDown", State: sources.Firing, Since: twelve.Add(-30 * time.Second), Summary: "it is down", Labels: map[string]string{"alertname": "NodeDown", "node": "node2"}},
		{Name: "Backlog", State: sources.Firing, Since: twelve.Add(-10 * time.Second), Summary: "much is to do", Labels: map[string]string{"queue": "mails"}},
		{Name: "Soon", Service: "store", State: sources.Pending, Since: twelve}})
	return &diagnosis.Doctor{Fleet: f, Now: now}
}

// TestAllThatIsNotWell: each service in trouble and each alert that fires is listed, with its cause or with what was looked at in vain, and a
// service is not left out for being called updating.
func TestAllThatIsNotWell(t *testing.T) {
	r, err := troubled().Investigate(t.Context(), diagnosis.Question{}, nil)
	must(t, err)
	found := map[string]bool{}
	for i := range r.Causes {
		found[r.Causes[i].About()+" "+r.Causes[i].ID] = r.Causes[i].Confidence >= 0.9
	}
	if !found["worker addresses-exhausted"] || !found["node2 node-down"] {
		t.Errorf("found:%s", words(&r))
	}
	said := map[string]string{}
	for i := range r.Troubles {
		x := &r.Troubles[i]
		said[x.Name()] = x.About() + ": " + r.Explanation(x)
	}
	for name, want := range map[string]string{"MemoryNearLimit": "cart: no cause found yet: looked at swarm", "worker": "worker: 92% its network has no address left", "NodeDown": "node2: 95% node node2 is down", "node2": "node2: 95% node node2 is down", "Backlog": "the platform: no cause found yet"} {
		if !strings.HasPrefix(said[name], want) {
			t.Errorf("%s is said to be %q, want %q", name, said[name], want)
		}
	}
	if last := r.Troubles[len(r.Troubles)-1]; len(said) != 6 || !last.Pending || last.Words() != "alert Soon is pending" || !strings.HasPrefix(said["Soon"], "store: no cause found yet: looked at swarm") {
		t.Errorf("%d troubles, the last %+v: %v", len(said), last, said)
	}
	if got := r.Unexplained(); len(got) != 3 || len(r.Elsewhere) != 0 {
		t.Errorf("unexplained: %+v, elsewhere %+v", got, r.Elsewhere)
	}
	if got, want := diagnosis.Tally(r.Troubles), "1 service in trouble, 1 node down, 3 alerts firing, 1 alert pending"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
}

// TestACauseExplainsAnAlert: about the same service, about the node that the alert is about, or about what a label names; not about where it was measured,
// not if it hardly may be, and not if it began long after.
func TestACauseExplainsAnAlert(t *testing.T) {
	labels := map[string]string{"alertname": "CertificateExpiring", "node": "node1", "instance": "node1:8080", "cn": "shop.example"}
	proof := func(text string) []diagnosis.Proof { return []diagnosis.Proof{{Text: text}} }
	for name, c := range map[string]struct {
		cause diagnosis.Cause
		about diagnosis.Trouble
		want  bool
	}{
		"what a label names":          {diagnosis.Cause{Confidence: 0.9, Evidence: proof("the certificate of shop.example ends in 35 h")}, diagnosis.Trouble{Node: "node1"}, true},
		"its node":                    {diagnosis.Cause{Confidence: 0.9, Node: "node1"}, diagnosis.Trouble{Node: "node1"}, true},
		"where it was measured":       {diagnosis.Cause{Confidence: 0.9, Service: "web", Evidence: proof("web.1 on node1 failed")}, diagnosis.Trouble{Node: "node1"}, false},
		"its service":                 {diagnosis.Cause{Confidence: 0.9, Service: "web"}, diagnosis.Trouble{Service: "web"}, true},
		"another service":             {diagnosis.Cause{Confidence: 0.9, Service: "api"}, diagnosis.Trouble{Service: "web"}, false},
		"it only may be":              {diagnosis.Cause{Confidence: 0.4, Service: "web"}, diagnosis.Trouble{Service: "web"}, false},
		"a new line is no reason":     {diagnosis.Cause{ID: "log-pattern-new", Confidence: 0.9, Service: "web"}, diagnosis.Trouble{Service: "web"}, false},
		"it began long after":         {diagnosis.Cause{Confidence: 0.9, Service: "web", Since: twelve}, diagnosis.Trouble{Service: "web", Since: twelve.Add(-time.Hour)}, false},
		"it began as the alert fired": {diagnosis.Cause{Confidence: 0.9, Service: "web", Since: twelve}, diagnosis.Trouble{Service: "web", Since: twelve.Add(-time.Minute)}, true},
	} {
		c.about.Kind = diagnosis.FiringAlert
		if yes, perhaps := diagnosis.Explains(&c.cause, &c.about, &sources.Alert{Name: "Unheard", Labels: labels}, ""); yes || perhaps != c.want {
			t.Errorf("%s: %v, perhaps %v", name, yes, perhaps)
		}
	}
}

// TestNothingForOne: an answer about a service that is well says so of that service alone, and what is not well elsewhere.
func TestNothingForOne(t *testing.T) {
	d := troubled()
	r, err := d.Investigate(t.Context(), diagnosis.Question{Service: "store"}, nil)
	must(t, err)
	if !r.Inconclusive() || len(r.Unexplained()) != 1 || r.Outcome() != "no cause found yet for what is not well (1 alert pending); elsewhere 1 service in trouble, 1 node down, 3 alerts firing" {
		t.Errorf("%q %+v", r.Outcome(), r.Troubles)
	}
	r, err = d.Investigate(t.Context(), diagnosis.Question{Service: "cart"}, nil)
	must(t, err)
	if got, want := r.Outcome(), "no cause found yet for what is not well (1 alert firing); elsewhere 1 service in trouble, 1 node down, 2 alerts firing, 1 alert pending"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
	if text := r.Markdown(); !strings.Contains(text, "MemoryNearLimit fires: cart is near its limit") || !strings.Contains(text, "Elsewhere: 1 service in trouble, 1 node down, 2 alerts firing, 1 alert pending") {
		t.Error(text)
	}
}

// TestNotKnownIsNoTrouble: of a moment at which nobody was looking no node is said to be down.
func TestNotKnownIsNoTrouble(t *testing.T) {
	r, err := troubled().Investigate(t.Context(), diagnosis.Question{At: twelve.Add(-time.Hour)}, nil)
	must(t, err)
	for _, x := range append(r.Troubles, r.Elsewhere...) {
		if x.Kind == diagnosis.TroubledNode {
			t.Errorf("%s: %s", x.Name(), x.Text)
		}
	}
}

// TestACauseExplainsWhatItIsAbout: what an alert is about is told by its rule's query, by the link that it brings, by its name, in this order; a sure cause of
// another matter does not explain it, and where nobody knows it only may.
func TestACauseExplainsWhatItIsAbout(t *testing.T) {
	const memory, errs = `max by (svc) (container_memory_working_set_bytes / (container_spec_memory_limit_bytes > 0)) > 0.9`, `sum(rate(traefik_service_requests_total{code=~"5.."}[1m])) / sum(rate(traefik_service_requests_total[1m])) > 0.05`
	const link = "http://prometheus:9090/graph?g0.expr=%28traefik_tls_certs_not_after+-+time%28%29%29+%2F+86400+%3C+21&g0.tab=1"
	for _, c := range []struct {
		id, alert, query, link string
		yes, perhaps           bool
	}{
		{"oom-killed", "X", memory, "", true, false},
		{"memory-near-limit", "X", memory, "", true, false},
		{"oom-killed", "X", "", link, false, false},
		{"memory-near-limit", "CertificateExpiring", "", "", false, false},
		{"certificate-expiring", "X", "", link, true, false},
		{"certificate-expiring", "X", memory, "", false, false},
		{"crash-loop", "X", memory, "", false, false},
		{"crash-loop", "X", errs, "", true, false},
		{"cpu-throttled", "X", errs, "", true, false},
		{"disk-full", "NodeFilesystemAlmostOutOfSpace", "", "", true, false},
		{"oom-killed", "NodeFilesystemAlmostOutOfSpace", "", "", false, false},
		{"log-burst", "HighErrorRate", "", "", false, false},
		{"node-down", "X", `up{job="node-exporter"} == 0`, "", true, false},
		{"healthcheck-failing", "X", `count by (svc) (container_last_seen offset 15m) unless count by (svc) (container_last_seen)`, "", true, false},
		{"errors-after-dependency", "X", `histogram_quantile(0.95, sum by (le) (rate(http_request_duration_seconds_bucket[2m]))) > 1`, "", true, false},
		{"memory-near-limit", "TLSExpiry", "", "", false, false},
		{"bad-deploy", "QueueBacklog", `rabbitmq_queue_messages > 1000`, "", false, true},
	} {
		cause := diagnosis.Cause{ID: c.id, Service: "web", Confidence: 0.95}
		yes, perhaps := diagnosis.Explains(&cause, &diagnosis.Trouble{Kind: diagnosis.FiringAlert, Service: "web", Alert: c.alert}, &sources.Alert{Name: c.alert, Service: "web", Generator: c.link}, c.query)
		if yes != c.yes || perhaps != c.perhaps {
			t.Errorf("%s of %s %s%s: %v, perhaps %v", c.id, c.alert, c.query, c.link, yes, perhaps)
		}
	}
}

// TestAlertsOfWhatIsGone: alerts on services that the swarm does not have are folded into one sentence, hide nothing and are no trouble of what it has.
func TestAlertsOfWhatIsGone(t *testing.T) {
	d := troubled()
	var list []sources.Alert
	for i := range 25 {
		list = append(list, sources.Alert{Name: "ServiceDown", Service: "old_" + string(rune('a'+i)), State: sources.Firing, Since: twelve.Add(-time.Hour), Summary: "it is gone"})
	}
	d.Fleet.SetAlerts(append(list, sources.Alert{Name: "MemoryNearLimit", Service: "cart", State: sources.Firing, Since: twelve.Add(-time.Minute)}))
	r, err := d.Investigate(t.Context(), diagnosis.Question{}, nil)
	must(t, err)
	if got, want := diagnosis.Tally(r.Troubles), "1 service in trouble, 1 node down, 1 alert firing"; got != want || len(r.Strays) != 25 {
		t.Errorf("%q, want %q; %d strays", got, want, len(r.Strays))
	}
	want := "25 alerts are about services that the swarm does not have: old_a, old_b, old_c, old_d and 21 more, the first since 1 h; such alerts end by themselves once its figures do, or are of another cluster"
	if got := r.Stray(); got != want {
		t.Errorf("%q", got)
	}
	if text := r.Markdown(); strings.Count(text, "old_") != 4 {
		t.Error(text)
	}
	r, err = d.Investigate(t.Context(), diagnosis.Question{Service: "cart"}, nil)
	must(t, err)
	if len(r.Strays) != 0 || strings.Contains(r.Outcome(), "25") {
		t.Errorf("%q", r.Outcome())
	}
	w := sources.World{At: twelve, Nodes: []sources.Node{{ID: "n1", Name: "node1", State: "ready", Availability: "active"}}}
	d.Fleet.Fold(sources.Change{World: &w}) // all services are taken away
	r, err = d.Investigate(t.Context(), diagnosis.Question{}, nil)
	must(t, err)
	if len(r.Strays) != 26 || !strings.HasPrefix(r.Stray(), "26 alerts are about services that the swarm does not have: cart (removed 0 s ago), old_a") {
		t.Errorf("%d: %q", len(r.Strays), r.Stray())
	}
	if got, want := r.Outcome(), "nothing found that explains trouble, and nothing that the swarm has is known to be in trouble"; got != want {
		t.Errorf("%q", got)
	}
}
