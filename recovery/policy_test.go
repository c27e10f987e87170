package recovery

import (
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"quarterdeck/sources"
)

// labelled is a service with labels as NAME=VALUE without their prefix, a network, and a volume.
func labelled(labels ...string) *sources.Service {
	s := &sources.Service{Name: "shop_db", Stack: "shop", Image: "postgres:15", Networks: []string{"net"}, Labels: map[string]string{},
		Mounts: []sources.Mount{{Type: "volume", Source: "shop_data", Target: "/var/lib/postgresql/data"}}}
	for _, l := range labels {
		k, v, _ := strings.Cut(l, "=")
		s.Labels[prefix+k] = v
	}
	return s
}

// good are the labels of a policy without a fault.
var good = []string{"engine=postgres", "db=orders", "secret=db_password", "verify=psql -c 'select 1'"}

func TestParsePolicy(t *testing.T) {
	with := func(more ...string) *sources.Service { return labelled(append(slices.Clone(good), more...)...) }
	for _, c := range []struct {
		name     string
		service  *sources.Service
		usable   bool
		problems []string // each is part of one, in order
		check    func(*Policy) bool
	}{
		{"none at all", labelled(), false, nil, func(p *Policy) bool {
			return !p.Declared && strings.Contains(p.Why(), "set "+LabelEngine)
		}},
		{"good, with all defaults", with(), true, nil, func(p *Policy) bool {
			return p.Schedule == DefaultSchedule && p.MaxAge == DefaultMaxAge && p.RTO == DefaultRTO && p.Keep == DefaultKeep && p.Port == 5432 && p.User == "postgres" && p.Volume == "shop_data"
		}},
		{"explicit none", labelled("engine=none"), false, nil, func(p *Policy) bool { return p.Declared && strings.Contains(p.Why(), "nothing to be saved") }},
		{"no engine", labelled("schedule=@daily"), false, []string{"engine is missing: set qd.backup.engine=postgres"}, nil},
		{"an engine there is not", labelled("engine=mongo"), false, []string{`is "mongo", which is no engine`}, nil},
		{"other names of engines, in capitals", with("engine=PostgreSQL"), true, nil, func(p *Policy) bool { return p.Engine == Postgres }},
		{"mariadb is mysql", labelled("engine=mariadb", "db=x", "secret=y", "verify=true"), true, nil, func(p *Policy) bool { return p.Engine == MySQL && p.Port == 3306 && p.User == "root" }},
		{"no database", labelled("engine=postgres", "secret=s", "verify=true"), false, []string{"db is missing"}, nil},
		{"no secret, no verify", labelled("engine=postgres", "db=x"), true, []string{"secret is missing", "verify is missing"}, nil},
		{"redis needs neither database nor secret", labelled("engine=redis", "verify=true"), true, nil, func(p *Policy) bool { return p.Port == 6379 }},
		{"cron", with("schedule=15 3 * * *"), true, nil, func(p *Policy) bool { return p.Next(noon).Equal(time.Date(2026, 11, 25, 3, 15, 0, 0, time.UTC)) }},
		{"no schedule", with("schedule=every night"), true, []string{`schedule is "every night", which is no schedule`}, func(p *Policy) bool {
			return p.Schedule == DefaultSchedule && p.Next(noon).Equal(time.Date(2026, 11, 25, 0, 0, 0, 0, time.UTC))
		}},
		{"a day that never comes", with("schedule=0 0 30 2 *"), true, nil, func(p *Policy) bool { return p.Next(noon).IsZero() }},
		{"spans in days and weeks", with("max-age=2d", "rto=1.5h"), true, nil, func(p *Policy) bool { return p.MaxAge == 48*time.Hour && p.RTO == 90*time.Minute }},
		{"spans that are none", with("max-age=soon", "rto=-5m"), true, []string{`max-age is "soon"`, "max-age=26h", `rto is "-5m"`, "rto=15m"}, func(p *Policy) bool { return p.MaxAge == DefaultMaxAge && p.RTO == DefaultRTO }},
		{"keep", with("keep=last=3, daily=14"), true, nil, func(p *Policy) bool { return p.Keep == Keep{Last: 3, Daily: 14} }},
		{"keep nothing", with("keep=,"), true, []string{"keep is empty"}, func(p *Policy) bool { return p.Keep == DefaultKeep }},
		{"keep a lot", with("keep=daily=1000000"), true, []string{`has "daily=1000000"`}, func(p *Policy) bool { return p.Keep == DefaultKeep }},
		{"the volume as the stack's file calls it", with("volume=data"), true, nil, func(p *Policy) bool { return p.Volume == "shop_data" }},
		{"a volume it does not mount, of a server", with("volume=other"), true, []string{`volume is "other", which the service does not mount: set qd.backup.volume=shop_data`}, nil},
		{"the same of files", labelled("engine=volume", "volume=other", "verify=true"), false, []string{`which the service does not mount`}, nil},
		{"a port", with("port=5433"), true, nil, func(p *Policy) bool { return p.Port == 5433 }},
		{"no port", with("port=http"), false, []string{`port is "http", which is no port: set qd.backup.port=5432`}, nil},
		{"a label that nothing reads", with("retention=7"), true, []string{"qd.backup.retention is no label of a policy"}, nil},
	} {
		p := ParsePolicy(c.service)
		var all []string
		for _, x := range p.Problems {
			all = append(all, x.String())
		}
		text := strings.Join(all, " | ")
		from := 0
		for _, want := range c.problems {
			i := strings.Index(text[from:], want)
			if i < 0 {
				t.Errorf("%s: no %q in its place among the problems: %s", c.name, want, text)
				break
			}
			from += i
		}
		if len(c.problems) == 0 && len(all) > 0 {
			t.Errorf("%s: problems: %s", c.name, text)
		}
		if p.Usable() != c.usable || (p.Why() == "") != c.usable {
			t.Errorf("%s: usable %v, want %v (%s)", c.name, p.Usable(), c.usable, p.Why())
		}
		if c.check != nil && !c.check(&p) {
			t.Errorf("%s: %+v", c.name, p)
		}
	}
}

func TestPolicyNeedsANetworkOnlyOfServers(t *testing.T) {
	s := labelled(good...)
	s.Networks = nil
	if p := ParsePolicy(s); p.Usable() || !strings.Contains(p.Why(), "on no network") {
		t.Errorf("a server nobody can reach: %q", p.Why())
	}
	s = labelled("engine=volume", "verify=test -s x")
	s.Networks = nil
	if p := ParsePolicy(s); !p.Usable() {
		t.Errorf("files need no network: %q", p.Why())
	}
}

func TestSpans(t *testing.T) {
	for text, want := range map[string]time.Duration{"26h": 26 * time.Hour, "1.5d": 36 * time.Hour, "2w": 14 * 24 * time.Hour, "90s": 90 * time.Second, "10m": 10 * time.Minute} {
		if got, err := ParseSpan(text); err != nil || got != want {
			t.Errorf("ParseSpan(%q) = %v, %v", text, got, err)
		}
	}
	for _, text := range []string{"", "d", "-1d", "NaNd", "Infw", "1e300d", "5", "five minutes", "1d2h", "\x00d"} {
		if got, err := ParseSpan(text); err == nil {
			t.Errorf("ParseSpan(%q) = %v, and it is none", text, got)
		}
	}
	for d, want := range map[time.Duration]string{26 * time.Hour: "26h", 15 * time.Minute: "15m", 10 * time.Minute: "10m", 20 * time.Second: "20s", 150 * time.Minute: "2h30m", 0: "0s",
		72 * time.Hour: "3d", 73*time.Hour + 10*time.Second: "3d1h0m10s", 48 * time.Hour: "48h"} {
		if got := SpanText(d); got != want {
			t.Errorf("SpanText(%v) = %q, want %q", d, got, want)
		}
	}
}

func TestKeep(t *testing.T) {
	k, err := ParseKeep("daily=7 weekly=4,monthly=6")
	if err != nil || k != DefaultKeep || k.String() != "daily=7 weekly=4 monthly=6" {
		t.Errorf("%+v, %v", k, err)
	}
	if got := k.Args(); !slices.Equal(got, []string{"--keep-daily", "7", "--keep-weekly", "4", "--keep-monthly", "6"}) {
		t.Errorf("args %v", got)
	}
	for _, bad := range []string{"", " ", "daily", "daily=", "daily=0", "daily=-1", "daily=x", "=7", "daily=7 --keep-last=1", "hours=3", "daily==7"} {
		if k, err := ParseKeep(bad); err == nil || k != (Keep{}) {
			t.Errorf("ParseKeep(%q) = %+v, %v", bad, k, err)
		}
	}
}

// What comes out is within its bounds whatever goes in, and what is written can be read again.
func FuzzParseKeep(f *testing.F) {
	for _, s := range []string{"daily=7 weekly=4", "last=1", "daily=-1", "daily=7,,", "=,=", "daily=99999999999999999999"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		k, err := ParseKeep(text)
		if err != nil {
			if k != (Keep{}) {
				t.Fatalf("%q: an error and %+v", text, k)
			}
			return
		}
		again, err := ParseKeep(k.String())
		if err != nil || again != k {
			t.Fatalf("%q: %+v is written %q and read as %+v, %v", text, k, k, again, err)
		}
		for _, a := range k.Args() {
			if strings.ContainsAny(a, " \n\x00=") {
				t.Fatalf("%q: argument %q", text, a)
			}
		}
	})
}

func FuzzParseSpan(f *testing.F) {
	for _, s := range []string{"26h", "35d", "2w", "NaNd", "-1d", "1e9w", "d", "1h1d"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		d, err := ParseSpan(text)
		if err != nil {
			return
		}
		if strings.HasSuffix(text, "d") && (d < 0 || d > 100_000*24*time.Hour) {
			t.Fatalf("%q is %v", text, d)
		}
		if d > 0 {
			if again, err := ParseSpan(SpanText(d)); d <= 48*time.Hour && (err != nil || again != d) {
				t.Fatalf("%q is written %q, and read as %v, %v", text, SpanText(d), again, err)
			}
		}
	})
}

func FuzzParsePolicy(f *testing.F) {
	f.Add("postgres", "@daily", "26h", "data", "orders", "pw", "daily=7", "true", "15m", "5432")
	f.Add("", "", "", "", "", "", "", "", "", "")
	f.Add("volume", "* * * * *", "NaNd", "../..", "a'; drop", "\x1b[2J", "=", "$(reboot)", "-1s", "65536")
	f.Add("MARIADB ", "CRON_TZ=Nowhere/Land 0 0 * * *", "0", "", "", "", "", "", "", "0x10")
	f.Add("redis", "@every 1ns", "1ns", "", "", "", "", "", "", "")
	f.Fuzz(func(t *testing.T, engine, schedule, age, volume, db, secret, keep, verify, rto, port string) {
		s := labelled("engine="+engine, "schedule="+schedule, "max-age="+age, "volume="+volume, "db="+db, "secret="+secret, "keep="+keep, "verify="+verify, "rto="+rto, "port="+port)
		p := ParsePolicy(s)
		if !p.Declared || p.MaxAge <= 0 || p.RTO <= 0 {
			t.Fatalf("%+v", p)
		}
		if p.Usable() != (p.Why() == "") {
			t.Fatalf("usable %v, why %q", p.Usable(), p.Why())
		}
		if p.Usable() {
			if !slices.Contains([]Engine{Postgres, MySQL, Redis, Volume}, p.Engine) {
				t.Fatalf("engine %q is usable", p.Engine)
			}
			if p.Engine.Server() && (p.Port < 1 || p.Port > 65535) {
				t.Fatalf("port %d is usable", p.Port)
			}
			if p.Engine == Volume && !slices.Contains(namedVolumes(s), p.Volume) {
				t.Fatalf("volume %q is usable, and not mounted", p.Volume)
			}
			if next := p.Next(noon); !next.IsZero() && !next.After(noon) {
				t.Fatalf("schedule %q asks for %v after %v", p.Schedule, next, noon)
			}
		}
		// The same labels make the same policy, whatever the order of a map.
		if again := ParsePolicy(s); !reflect.DeepEqual(again.Problems, p.Problems) {
			t.Fatalf("%+v, then %+v", p.Problems, again.Problems)
		}
	})
}

// TestGuess: an image is that of a database by its own name, and not by its registry's; what stands beside one is none.
func TestGuess(t *testing.T) {
	for image, want := range map[string]Engine{
		"postgres:15": Postgres, "docker.io/bitnami/postgresql:16@sha256:00": Postgres, "timescale/timescaledb:2": Postgres, "mysql/mysql-server:8": MySQL, "mariadb:11": MySQL, "redis:8.2.2-alpine": Redis,
		"prometheuscommunity/postgres-exporter:v0.19.1": None, "oliver006/redis_exporter:v1.69.0-alpine": None, "prodrigestivill/postgres-backup-local:16": None, "rediscommander/redis-commander": None,
		"registry.example/postgres-team/web:1": None, "web:redis-fix": None, "postgres:16-exporter-users": Postgres, "": None,
	} {
		if got := guess(&sources.Service{Image: image}, ""); got != want {
			t.Errorf("%s: %s, want %s", image, got, want)
		}
	}
}
