package stages

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"quarterdeck/capacity"
	"quarterdeck/recovery"
	"quarterdeck/sources"
	"quarterdeck/sources/fleet"
)

var now = time.Date(2026, 11, 30, 2, 0, 0, 0, time.UTC)

// good is a fleet of three managers and two services that pass everything that the swarm tells.
func good(change ...func(*Evidence)) *Evidence {
	e := &Evidence{Now: now, Images: map[string]ImageFact{"registry/app:1.0@sha256:aa": {Found: true, Resolves: true}}, Counts: map[string][]float64{"shop_web": {2, 2, 2, 2}, "shop_api": {2, 2, 2, 2}}, Contents: &recovery.Contents{}, Reasons: map[string]string{}, Attestations: map[string]sources.Attestation{}}
	s := &fleet.Snapshot{Listed: now}
	for _, name := range []string{"node1", "node2", "node3"} {
		s.Nodes = append(s.Nodes, fleet.Node{Node: sources.Node{ID: name, Name: name, Role: "manager", Reachability: "reachable", State: "ready", Availability: "active", NanoCPUs: 4e9, MemoryBytes: 8 << 30}, ReservedNanoCPUs: 1e9, ReservedBytes: 1 << 30})
	}
	for _, name := range []string{"shop_web", "shop_api"} {
		s.Services = append(s.Services, &fleet.Service{Service: sources.Service{
			ID: name, Name: name, Stack: "shop", Mode: sources.Replicated, Desired: 2, Image: "registry/app:1.0", Digest: "sha256:aa", Healthcheck: "CMD /check", Created: now.Add(-time.Hour),
			Update: sources.UpdatePolicy{Order: "start-first", FailureAction: "rollback"}, Restart: sources.RestartPolicy{Condition: "any", Delay: 5 * time.Second},
			EnvNames: []string{"PORT", "DB_PASSWORD_FILE"}, LogDriver: "loki:latest", Resources: sources.Resources{ReserveNanoCPUs: 1e8, ReserveBytes: 1 << 26},
			Labels: map[string]string{"qd.autoscale.enable": "true"},
		}, Verdict: fleet.Verdict{Health: fleet.Healthy, Running: 2}})
	}
	e.Fleet = s
	e.Logged = map[string]float64{"shop_web": 10, "shop_api": 3}
	e.Measured = map[string]map[string]float64{}
	for _, k := range MeasuredKinds {
		e.Measured[k] = map[string]float64{"shop_web": 2, "shop_api": 2}
	}
	up := 1.0
	notified := 3.0
	e.Up, e.Notified = &up, &notified
	e.Targets = []sources.Target{{Job: "node", Instance: "node1", Health: "up"}}
	for _, n := range []string{"A", "B", "C"} {
		e.Rules = append(e.Rules, sources.Rule{Name: n, Alerting: true, Severity: "critical", For: time.Minute, Every: 15 * time.Second})
	}
	e.CertificateExpires = now.Add(60 * days)
	e.Coverage = []recovery.Coverage{{Service: "shop_api", Policy: recovery.Policy{Declared: true, Engine: recovery.Volume}, State: recovery.CoverFresh, DrillState: recovery.DrillOK, DrillAge: time.Hour,
		Drill: &recovery.Drill{OK: true, RTO: 60}}}
	for _, c := range change {
		c(e)
	}
	return e
}

func web(e *Evidence) *fleet.Service { return e.Fleet.Services[0] }

// cases are each check in each of its states, by what is other than in the good fleet.
var cases = map[string]map[State]func(*Evidence){
	"svc-healthcheck": {
		Pass: func(e *Evidence) {
			web(e).Healthcheck, e.Images = "", map[string]ImageFact{"registry/app:1.0@sha256:aa": {Found: true, Healthcheck: true, Read: true}}
		},
		Fail: func(e *Evidence) { web(e).Healthcheck = "none" },
		Warn: func(e *Evidence) {
			for range 4 {
				e.Fleet.Services = append(e.Fleet.Services, e.Fleet.Services[1])
			}
			web(e).Healthcheck = "none"
		},
		Unknown: func(e *Evidence) { web(e).Healthcheck, e.Images = "", nil },
		NA:      func(e *Evidence) { e.Fleet.Services = nil },
	},
	"zero-downtime-update": {
		Pass: func(e *Evidence) { // one writer to one volume
			web(e).Update.Order, web(e).Desired, web(e).Mounts = "stop-first", 1, []sources.Mount{{Type: "volume", Source: "data", Target: "/data"}}
		},
		Warn: func(e *Evidence) { web(e).Update.FailureAction = "pause" },
		Fail: func(e *Evidence) { web(e).Update.Order, web(e).Desired = "stop-first", 1 },
	},
	"restart-policy": {
		Pass:    func(*Evidence) {},
		Fail:    func(e *Evidence) { web(e).Restart.Condition = "none" },
		Unknown: func(e *Evidence) { e.Fleet, e.Reasons[fleet.SwarmName] = nil, "unreachable" },
	},
	"manager-quorum": {
		Pass:    func(*Evidence) {},
		Warn:    func(e *Evidence) { e.Fleet.Nodes = e.Fleet.Nodes[:1] },
		Fail:    func(e *Evidence) { e.Fleet.Nodes[1].Reachability = "unreachable" },
		Unknown: func(e *Evidence) { e.Fleet = nil },
	},
	"tls-expiry": {
		Pass:    func(*Evidence) {},
		Warn:    func(e *Evidence) { e.CertificateExpires = now.Add(20 * days) },
		Fail:    func(e *Evidence) { e.CertificateExpires = now.Add(6 * days) },
		Unknown: func(e *Evidence) { e.CertificateExpires = time.Time{} },
	},
	"tls-all-routers": {
		Pass: func(e *Evidence) {
			web(e).Labels = map[string]string{"traefik.http.routers.web.rule": "Host(`a`)", "traefik.http.routers.web.tls.certResolver": "le",
				"traefik.http.routers.plain.rule": "Host(`a`)", "traefik.http.routers.plain.middlewares": "to-https-redirect"}
		},
		Fail:    func(e *Evidence) { web(e).Labels = map[string]string{"traefik.http.routers.web.rule": "Host(`a`)"} },
		NA:      func(*Evidence) {},
		Unknown: func(e *Evidence) { e.Fleet = nil },
	},
	"git-no-credentials": {
		Pass: func(e *Evidence) { e.Builds = built(sources.PipelinePassed, now.Add(-6*days)) },
		Warn: func(e *Evidence) { e.Builds = built(sources.PipelinePassed, now.Add(-8*days)) },
		Fail: func(e *Evidence) { e.Builds = built(sources.PipelineFailed, now) },
		Unknown: func(e *Evidence) {
			e.Builds = built(sources.PipelinePassed, now)
			e.Builds["shop"] = BuildFact{Reason: "unauthorised"}
		},
	},
	"secrets-not-env": {
		Pass: func(*Evidence) {},
		Fail: func(e *Evidence) { web(e).EnvNames = []string{"PGPASSWORD"} },
	},
	"image-pinned": {
		Pass: func(*Evidence) {},
		Warn: func(e *Evidence) { web(e).Digest = "" },
		Fail: func(e *Evidence) { web(e).Image, web(e).Digest = "localhost:5000/app", "" },
	},
	"no-touch-deploy": {
		Pass: func(e *Evidence) {
			e.Attestations["no-touch-deploy"] = sources.Attestation{Who: "ann", At: now, Until: now.Add(days)}
		},
		Expired: func(e *Evidence) {
			e.Attestations["no-touch-deploy"] = sources.Attestation{Who: "ann", Until: now.Add(-days)}
		},
		Fail:    func(*Evidence) {},
		Unknown: func(e *Evidence) { e.Attestations = nil },
	},
	"logs-per-service": {
		Pass:    func(*Evidence) {},
		Fail:    func(e *Evidence) { delete(e.Logged, "shop_web") },
		Unknown: func(e *Evidence) { e.Logged, e.Reasons["loki"] = nil, "unreachable" },
		Warn: func(e *Evidence) {
			for range 9 {
				e.Fleet.Services = append(e.Fleet.Services, e.Fleet.Services[1])
			}
			delete(e.Logged, "shop_web")
		},
	},
	"log-agent-supported": {
		Pass:    func(*Evidence) {},
		Warn:    func(e *Evidence) { web(e).Image = "grafana/promtail:3.0" },
		Unknown: func(e *Evidence) { web(e).LogDriver, e.Fleet.Services[1].LogDriver = "", "" },
		Fail:    func(e *Evidence) { web(e).LogDriver, e.Fleet.Services[1].LogDriver, e.Logged = "", "", nil },
	},
	"metrics-per-service": {
		Pass:    func(*Evidence) {},
		Fail:    func(e *Evidence) { delete(e.Measured["disk"], "shop_web") },
		Unknown: func(e *Evidence) { e.Measured = map[string]map[string]float64{} },
	},
	"targets-up": {
		Pass:    func(*Evidence) {},
		Warn:    func(e *Evidence) { *e.Up = 0.96 },
		Fail:    func(e *Evidence) { *e.Up = 0.5 },
		Unknown: func(e *Evidence) { e.Up = nil },
	},
	"dashboard-per-service": {
		Pass: func(e *Evidence) {
			e.Dashboards = []sources.Dashboard{{Title: "Web", Tags: []string{"shop_web"}}, {Title: "Shop_API"}}
		},
		Fail:    func(e *Evidence) { e.Dashboards = []sources.Dashboard{{Title: "the old shop_web", Folder: "shop_api"}} },
		Unknown: func(*Evidence) {},
		NA:      func(e *Evidence) { e.Dashboards, e.Fleet.Services = []sources.Dashboard{}, nil },
	},
	"critical-alerts": {
		Pass:    func(*Evidence) {},
		Warn:    func(e *Evidence) { e.Rules = e.Rules[:2] },
		Fail:    func(e *Evidence) { e.Rules = []sources.Rule{} },
		Unknown: func(e *Evidence) { e.Rules = nil },
	},
	"alert-fatigue": {
		Pass:    func(*Evidence) {},
		Warn:    func(e *Evidence) { *e.Notified = 8 },
		Fail:    func(e *Evidence) { *e.Notified = 21 },
		Unknown: func(e *Evidence) { e.Notified = nil },
	},
	"mttd": {
		Pass:    func(*Evidence) {},
		Warn:    func(e *Evidence) { e.Rules[1].For, e.Targets[0].Every = 4*time.Minute, 15*time.Second }, // 15 s, 15 s, 4 min and 30 s: 5 min
		Fail:    func(e *Evidence) { e.Detect.Incidents, e.Detect.Measured = 2, 11*time.Minute },
		Unknown: func(e *Evidence) { e.Rules = nil },
	},
	"no-shell-needed": {
		Pass:    func(*Evidence) {},
		Fail:    func(e *Evidence) { delete(e.Logged, "shop_web") },
		Unknown: func(e *Evidence) { e.Measured = nil },
	},
	"dashboard-habit": {Fail: func(*Evidence) {}},
	"backup-fresh": {
		Pass:    func(*Evidence) {},
		Warn:    func(e *Evidence) { e.Coverage[0].State, e.Coverage[0].Age = recovery.CoverLate, 47*time.Hour },
		Fail:    func(e *Evidence) { e.Coverage[0].State = recovery.CoverNone },
		Unknown: func(e *Evidence) { e.Coverage = nil },
		NA:      func(e *Evidence) { e.Coverage[0].Policy.Declared = false },
	},
	"volumes-covered": {
		Pass:    func(*Evidence) {},
		Fail:    func(e *Evidence) { e.Coverage[0].State = recovery.CoverNotCovered },
		NA:      func(e *Evidence) { e.Coverage = []recovery.Coverage{} },
		Unknown: func(e *Evidence) { e.Coverage = nil },
	},
	"restore-test": {
		Pass:    func(*Evidence) {},
		Warn:    func(e *Evidence) { e.Coverage[0].DrillAge = 40 * days },
		Fail:    func(e *Evidence) { e.Coverage[0].Drill = nil },
		Unknown: func(e *Evidence) { e.Coverage[0].DrillState = recovery.DrillUnknown },
	},
	"rto": {
		Pass:    func(*Evidence) {},
		Warn:    func(e *Evidence) { e.Coverage[0].Drill.RTO = 1000 },
		Fail:    func(e *Evidence) { e.Coverage[0].Drill.RTO = 2000 },
		Unknown: func(e *Evidence) { e.Coverage[0].Drill = nil },
	},
	"self-heal": {
		Pass:    func(e *Evidence) { replaced(e, 20*time.Second) },
		Warn:    func(e *Evidence) { replaced(e, 2*time.Minute) },
		Fail:    func(e *Evidence) { replaced(e, 6*time.Minute) },
		Unknown: func(*Evidence) {},
	},
	"dr-plan": {Fail: func(*Evidence) {}},
	"ci-green": {
		Pass:    func(e *Evidence) { e.Builds = built(sources.PipelinePaused, now) },
		Warn:    func(e *Evidence) { e.Builds = built(sources.PipelinePassed, now.Add(-91*days)) },
		Fail:    func(e *Evidence) { e.Builds = built(sources.PipelineFailed, now) },
		Unknown: func(*Evidence) {},
	},
	"image-traceable": {
		Pass:    func(*Evidence) {},
		Fail:    func(e *Evidence) { e.Images["registry/app:1.0@sha256:aa"] = ImageFact{Resolves: true} },
		Unknown: func(e *Evidence) { e.Images["registry/app:1.0@sha256:aa"] = ImageFact{Reason: "unreachable"} },
		NA:      func(e *Evidence) { e.Fleet.Services = nil },
	},
	"one-key-deploy": {
		Pass:    func(*Evidence) {},
		Fail:    func(e *Evidence) { e.Images["registry/app:1.0@sha256:aa"] = ImageFact{Found: true} },
		Unknown: func(e *Evidence) { clear(e.Images) },
	},
	"dr-drill": {
		Pass:    func(e *Evidence) { practised(e, 10*days, true) },
		Warn:    func(e *Evidence) { practised(e, 100*days, true) },
		Fail:    func(e *Evidence) { practised(e, 10*days, false) },
		Unknown: func(e *Evidence) { e.Contents = nil },
		NA:      func(e *Evidence) { e.Coverage = []recovery.Coverage{} },
	},
	"autoscaler-alive": {
		Pass:    func(e *Evidence) { e.Beats = new(float64); *e.Beats = 2 },
		Warn:    func(e *Evidence) { e.Beats = new(float64); *e.Beats = 2.1 },
		Fail:    func(e *Evidence) { e.Beats = new(float64); *e.Beats = 5.1 },
		NA:      func(e *Evidence) { web(e).Labels, e.Fleet.Services[1].Labels = nil, nil },
		Unknown: func(e *Evidence) { e.Up = nil },
	},
	"time-at-max": {
		Pass:    func(e *Evidence) { limited(e, "3") },
		Warn:    func(e *Evidence) { limited(e, "2"); e.Counts["shop_web"] = []float64{1, 1, 1, 1, 1, 1, 1, 1, 1, 2} },
		Fail:    func(e *Evidence) { limited(e, "2") },
		Unknown: func(e *Evidence) { limited(e, "2"); e.Counts = nil },
		NA:      func(*Evidence) {},
	},
	"cache-hit": {
		Pass:    func(e *Evidence) { e.CacheHits = new(float64); *e.CacheHits = 0.8 },
		Warn:    func(e *Evidence) { e.CacheHits = new(float64); *e.CacheHits = 0.79 },
		Fail:    func(e *Evidence) { e.CacheHits = new(float64); *e.CacheHits = 0.49 },
		NA:      func(*Evidence) {},
		Unknown: func(e *Evidence) { e.Up = nil },
	},
	"slow-queries": {
		Pass:    func(e *Evidence) { e.Slowest, e.Connections = new(float64), new(float64) },
		Warn:    func(e *Evidence) { e.Slowest = new(float64); *e.Slowest = 1 },
		Fail:    func(e *Evidence) { e.Connections = new(float64); *e.Connections = 0.96 },
		NA:      func(*Evidence) {},
		Unknown: func(e *Evidence) { e.Up = nil },
	},
	"cost-per-service": {
		Pass: func(e *Evidence) {
			for i := range e.Fleet.Nodes {
				e.Fleet.Nodes[i].Labels = map[string]string{"qd.price.hour": "0.1"}
			}
		},
		Fail:    func(*Evidence) {},
		Unknown: func(e *Evidence) { e.Fleet = nil },
	},
	"cost-anomaly": {
		Pass:    func(e *Evidence) { spent(e, 2.5, 2) },
		Warn:    func(e *Evidence) { spent(e, 2.8, 2) },
		Fail:    func(e *Evidence) { spent(e, 4, 2) },
		Unknown: func(*Evidence) {},
	},
	"new-service-time": {
		Pass: func(e *Evidence) { begun(e, 40*time.Minute) },
		Warn: func(e *Evidence) { begun(e, 3*time.Hour) },
		Fail: func(e *Evidence) { begun(e, 5*time.Hour) },
	},
	"team-not-bottleneck": {Fail: func(*Evidence) {}},
	"autoscale-policy": {
		Pass: func(*Evidence) {},
		Warn: func(e *Evidence) {
			web(e).Labels = map[string]string{"qd.autoscale.enable": "true", "qd.autoscale.mode": "recommend"}
		},
		Fail: func(e *Evidence) { web(e).Labels = nil },
	},
	"capacity-headroom": {
		Pass: func(*Evidence) {},
		Warn: func(e *Evidence) {
			web(e).Resources.ReserveBytes = 3 << 30
			web(e).Tasks = []sources.Task{{ID: "t", NodeID: "node1", State: sources.TaskRunning, Desired: sources.TaskRunning}}
			e.Fleet.Nodes[1].ReservedBytes, e.Fleet.Nodes[2].ReservedBytes = 6<<30, 6<<30 // of 8: in neither is room for it
		},
		Fail: func(e *Evidence) { e.Fleet.Nodes = e.Fleet.Nodes[:1] },
		Unknown: func(e *Evidence) {
			web(e).Resources, e.Fleet.Services[1].Resources = sources.Resources{}, sources.Resources{}
		},
	},
}

// practised is a DR day of so long ago.
func practised(e *Evidence, ago time.Duration, ok bool) {
	e.Contents.Days = map[string][]recovery.Day{"shop": {{Stack: "shop", Began: now.Add(-ago - time.Hour), Ended: now.Add(-ago), Drills: []recovery.DayDrill{{Service: "shop_db", Drill: &recovery.Drill{OK: ok}}}}}}
}

// spent is a history in which shop_web used so many cores in the last day, and so many before.
func spent(e *Evidence, today, before float64) {
	for i := range e.Fleet.Nodes {
		e.Fleet.Nodes[i].Labels = map[string]string{"qd.price.hour": "0.1"}
	}
	h := &capacity.History{End: now, Cores: map[string][]sources.Point{}, Bytes: map[string][]sources.Point{}, Counts: map[string][]sources.Point{}}
	for back := 8*24 - 1; back >= 0; back-- {
		at, v := now.Add(-time.Duration(back)*time.Hour), before
		if back < 24 {
			v = today
		}
		h.Cores["shop_web"] = append(h.Cores["shop_web"], sources.Point{T: at, V: v})
		h.Bytes["shop_web"] = append(h.Bytes["shop_web"], sources.Point{T: at, V: 0})
		h.Counts["shop_web"] = append(h.Counts["shop_web"], sources.Point{T: at, V: 1})
	}
	e.Spent = h
}

// limited gives shop_web a maximum.
func limited(e *Evidence, most string) {
	web(e).Labels = map[string]string{"qd.autoscale.enable": "true", "qd.autoscale.max": most}
}

// begun is a service whose stack file was made so long before it ran: its tasks do since a quarter of an hour after the swarm had it.
func begun(e *Evidence, took time.Duration) {
	v := web(e)
	ran := v.Created.Add(15 * time.Minute)
	v.Labels = map[string]string{LabelCreated: ran.Add(-took).Format(time.RFC3339)}
	v.Tasks = []sources.Task{{ID: "a", Slot: 1, State: sources.TaskRunning, Since: ran.Add(-time.Minute)}, {ID: "b", Slot: 2, State: sources.TaskRunning, Since: ran}}
}

// replaced is a task that failed, and its successor that ran so much later.
func replaced(e *Evidence, gap time.Duration) {
	died := now.Add(-time.Hour)
	web(e).Tasks = []sources.Task{
		{ID: "b", Slot: 1, State: sources.TaskRunning, Created: died.Add(time.Second), Since: died.Add(gap)},
		{ID: "a", Slot: 1, State: sources.TaskFailed, Created: died.Add(-time.Hour), Since: died},
	}
}

// Each check comes to each of its states, and says what a person needs.
func TestChecks(t *testing.T) {
	s := Defaults()
	for _, c := range All {
		if len(cases[c.ID]) == 0 {
			t.Errorf("%s has no case", c.ID)
		}
		for want, change := range cases[c.ID] {
			r := c.run(good(change), &s)
			if r.State != want {
				t.Errorf("%s: %s %+v, want %s", c.ID, r.State, r.Finding, want)
			}
			if r.Threshold == "" || c.Why == "" || c.Question == "" || c.Fix == "" || r.Evidence == "" {
				t.Errorf("%s says too little: %+v", c.ID, r)
			}
			if (want == Unknown || want == NA) && r.Reason == "" && len(r.Subjects) == 0 {
				t.Errorf("%s: %s without a reason", c.ID, want)
			}
		}
	}
}

// A gate is open when all that it requires passes, blind when only looking is missing, and shut by a single failure.
func TestGates(t *testing.T) {
	s := Defaults()
	s.Optional = []string{"git-no-credentials"}
	e := good(func(e *Evidence) {
		e.Attestations["no-touch-deploy"] = sources.Attestation{Who: "ann", Until: now.Add(days)}
	})
	r := Judge(e, &s)
	if one := r.Stages[0]; one.Gate != Open || !one.Customised || r.Reached != 1 {
		t.Errorf("%+v", one)
	}
	if two := r.Stages[1]; two.Gate != Shut || r.Next() == nil || r.Next().Check.ID != "dashboard-habit" {
		t.Errorf("%s %+v", two.Gate, r.Next())
	}
	if says := r.TooEarly(4); says == "" || r.TooEarly(2) != "" {
		t.Errorf("%q %q", says, r.TooEarly(2))
	}
	if says := r.Stages[3].OutOfOrder; !strings.Contains(says, "stage 2 (observable) is not open") || !strings.Contains(says, "auto-scaling without observability") || r.Stages[1].OutOfOrder != "" {
		t.Errorf("stage 4 is begun before 2: %q; 2 is in its turn: %q", says, r.Stages[1].OutOfOrder)
	}
	s.Optional = nil
	if r = Judge(e, &s); r.Stages[0].Gate != Blind || r.Reached != 0 {
		t.Errorf("%s, reached %d", r.Stages[0].Gate, r.Reached)
	}
	if says := r.Stages[1].OutOfOrder; says != "" {
		t.Errorf("nobody can look at gate 1, and stage 2 is called out of order: %s", says)
	}
	if r = Judge(&Evidence{Now: now}, &s); r.Stages[3].OutOfOrder != "" {
		t.Errorf("nothing is begun: %s", r.Stages[3].OutOfOrder)
	}
	for i := range Stages {
		for k := range i {
			if early[[2]int{i + 1, k + 1}] == "" {
				t.Errorf("nothing is said of stage %d before %d", i+1, k+1)
			}
		}
	}
	e = good(func(e *Evidence) { web(e).Digest = "" })
	if r = Judge(e, &s); r.Stages[0].Gate != Shut {
		t.Errorf("a warning lets it be %s", r.Stages[0].Gate)
	}
}

// How long a new service has taken is measured by the newest that says when it was made; what is not seen is not guessed, and then a person's word counts.
func TestNewServiceTime(t *testing.T) {
	s := Defaults()
	word := func(e *Evidence) {
		e.Attestations["new-service-time"] = sources.Attestation{Who: "ann", Until: now.Add(days)}
	}
	for name, c := range map[string]struct {
		change func(*Evidence)
		state  State
		says   string
	}{
		"measured":        {func(e *Evidence) { begun(e, 40*time.Minute) }, Pass, "40.0 min from its file until it ran"},
		"over a word":     {func(e *Evidence) { begun(e, 5*time.Hour); word(e) }, Fail, "5.0 h"},
		"changed since":   {func(e *Evidence) { begun(e, 40*time.Minute); web(e).UpdateState = "completed" }, Pass, "25.0 min from its file until it was first deployed"},
		"one task short":  {func(e *Evidence) { begun(e, time.Minute); web(e).Tasks = web(e).Tasks[:1]; word(e) }, Pass, "ann"},
		"long ago":        {func(e *Evidence) { begun(e, 5*time.Hour); web(e).Created = now.Add(-200 * days); word(e) }, Pass, "ann"},
		"no time":         {func(e *Evidence) { begun(e, time.Hour); web(e).Labels[LabelCreated] = "yesterday" }, Fail, "nobody has said so"},
		"made afterwards": {func(e *Evidence) { begun(e, time.Minute); word(e) }, Pass, "ann"},
	} {
		if r := newServiceTime.run(good(c.change), &s); r.State != c.state || !strings.Contains(r.Value, c.says) {
			t.Errorf("%s: %s %q", name, r.State, r.Value)
		}
	}
}

// A check that fails itself is unknown, and takes no other with it.
func TestCheckThatPanics(t *testing.T) {
	s := Defaults()
	c := &Check{ID: "x", Threshold: func(*Settings) string { return "" }, judge: func(*Evidence, *Settings) Finding { panic("no") }}
	if r := c.run(&Evidence{}, &s); r.State != Unknown || r.Reason == "" {
		t.Errorf("%+v", r)
	}
}

func TestCredentialNames(t *testing.T) {
	for name, want := range map[string]bool{"PASSWORD": true, "PGPASSWORD": true, "DB_PASSWORD_FILE": false, "API_KEY": true, "MONKEY": false, "KEYBOARD": false, "JWT_SECRET": true, "TOKEN_TTL": false, "PATH": false, "PWD": false, "DB_PWD": true} {
		if credential(name) != want {
			t.Errorf("%s: %v", name, !want)
		}
	}
}

// A team's own thresholds are read, and mark the check; what is none says so.
func TestCustomise(t *testing.T) {
	s := Defaults()
	if err := s.Customise(map[string]string{"svc-healthcheck.warn": "60%", "restore-test.pass": "14d", "rto.pass": "20m", "critical-alerts.most": "6", "mttd.pass": "5m"}, []string{"git-no-credentials"}); err != nil {
		t.Fatal(err)
	}
	if s.HealthcheckWarn != 0.6 || s.DrillPass != 14*days || s.RTOPass != 20*time.Minute || s.AlertsMost != 6 {
		t.Errorf("%+v", s)
	}
	for id, want := range map[string]bool{"svc-healthcheck": true, "restore-test": true, "git-no-credentials": true, "mttd": false, "self-heal": false} {
		if s.customised(id) != want {
			t.Errorf("%s customised: %v", id, !want)
		}
	}
	if s.required("git-no-credentials") || !s.required("mttd") {
		t.Error("what is optional is required, or the other way round")
	}
	for name, value := range map[string]string{"svc-healthcheck.warn": "120%", "restore-test.pass": "soon", "critical-alerts.most": "-1", "alert-fatigue.pass": "NaN", "nope.pass": "1", "rto.warn": "-3m"} {
		s := Defaults()
		if err := s.Customise(map[string]string{name: value}, nil); err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("%s=%s: %v", name, value, err)
		}
	}
	if err := s.Customise(nil, []string{"nope"}); err == nil {
		t.Error("a check that there is none of is optional")
	}
	for i := range thresholds {
		if id, _, _ := strings.Cut(thresholds[i].name, "."); Find(id) == nil {
			t.Errorf("threshold %s is of no check", thresholds[i].name)
		}
	}
}

// The looker asks for no more than its budget, remembers what does not change, finds a moved tag's old image by its digest, and reads a config only where a
// service needs it, and once.
func TestLooker(t *testing.T) {
	shelf := &shelfOf{has: map[string]sources.ImageLook{}}
	var services []*fleet.Service
	for i := range 5 {
		v := &fleet.Service{Service: sources.Service{Name: fmt.Sprint("s", i), Image: fmt.Sprintf("r/a%d:1", i), Digest: fmt.Sprintf("sha256:%d", i)}}
		services = append(services, v)
		shelf.has[v.Image] = sources.ImageLook{Digest: v.Digest}
		shelf.has[v.Image+"@"+v.Digest] = sources.ImageLook{Digest: v.Digest, Healthcheck: true}
	}
	services[0].Healthcheck = "CMD /check"
	shelf.has["r/a1:1"] = sources.ImageLook{Digest: "sha256:moved"}
	delete(shelf.has, "r/a2:1")
	delete(shelf.has, "r/a2:1@sha256:2")
	shelf.fails = "r/a3:1"
	l := &Looker{Images: shelf, Budget: 3}
	if got := l.Look(t.Context(), services, now); len(got) != 3 {
		t.Errorf("at first %v", got)
	}
	got := l.Look(t.Context(), services, now.Add(time.Minute))
	well := ImageFact{Found: true, Resolves: true, Healthcheck: true, Read: true}
	for i, want := range []ImageFact{{Found: true, Resolves: true}, well, {}, {Reason: "unreachable"}, well} {
		f := got[imageKey(services[i])]
		if f.at = (time.Time{}); f != want {
			t.Errorf("image %d: %+v, want %+v", i, f, want)
		}
	}
	if n := shelf.read.Load(); n != 2 {
		t.Errorf("%d configs were read", n)
	}
	before := shelf.asked.Load()
	l.Look(t.Context(), services, now.Add(2*time.Minute))
	if n := shelf.asked.Load() - before; n != 0 {
		t.Errorf("%d questions a minute later", n)
	}
	l.Look(t.Context(), services, now.Add(12*time.Minute))
	if n := shelf.asked.Load() - before; n != 1 {
		t.Errorf("%d questions for the one that could not be looked at", n)
	}
	services[0].Healthcheck = "" // now its image counts
	got = l.Look(t.Context(), services, now.Add(13*time.Minute))
	if f := got[imageKey(services[0])]; !f.Read || !f.Healthcheck {
		t.Errorf("its config was not read: %+v", f)
	}
	l.Look(t.Context(), services, now.Add(7*time.Hour))
	if n := shelf.read.Load(); n != 3 {
		t.Errorf("%d configs were read, of images that do not change", n)
	}
}

// shelfOf is a registry in memory.
type shelfOf struct {
	has         map[string]sources.ImageLook
	fails       string
	asked, read atomic.Int64
}

func (s *shelfOf) Digest(_ context.Context, image string) (string, error) {
	s.asked.Add(1)
	if image == s.fails {
		return "", errors.New("unreachable")
	}
	x, ok := s.has[image]
	if !ok {
		return "", &sources.Error{Source: "registry", Kind: sources.NotFound, Op: "look", Err: errors.New("no such manifest")}
	}
	return x.Digest, nil
}

func (s *shelfOf) Look(ctx context.Context, image string) (sources.ImageLook, error) {
	s.read.Add(1)
	_, err := s.Digest(ctx, image)
	return s.has[image], err
}

// One dashboard with a variable is one of every service.
func TestDashboardOfEveryService(t *testing.T) {
	s := Defaults()
	e := good(func(e *Evidence) {
		e.Dashboards = []sources.Dashboard{{Title: "Service", Tags: []string{everyService}}}
	})
	if r := dashboardPerService.run(e, &s); r.State != Pass {
		t.Errorf("%+v", r)
	}
}
