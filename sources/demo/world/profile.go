package world

import "time"

// Profile says how a service behaves. Rates are per task.
type Profile struct {
	Kind      string  // names the words of its log lines, see words.go
	Format    string  // json | logfmt | plain
	Requests  float64 // a second
	Errors    float64 // share of 5xx
	Median    float64 // seconds an answer takes
	Sigma     float64 // of the log-normal spread
	CPU       float64 // cores
	Memory    float64 // bytes
	Lines     float64 // log lines a second
	Routed    bool    // traefik has a router for it
	Prepare   time.Duration
	StartTime time.Duration // until running, health check included
}

const mib = 1 << 20

// draft is a service as the catalogue writes it down.
type draft struct {
	name, stack, image string
	mode               string // replicated | global | job
	replicas           uint64
	constraints        []string
	cpu, cpuLimit      float64 // cores reserved, limit
	mem, memLimit      int64   // MiB reserved, limit
	health             string
	restart, logDriver string // "": any, and the engine's own
	loose              bool   // the image is named by its tag alone
	order, failure     string // "": the engine's defaults
	parallel           uint64
	env                []string
	secrets, configs   []string
	volumes            []string // name:target
	ports              []uint32 // published:target the same
	host               bool     // mode=host ports
	nets               []string
	labels             map[string]string
	command            []string
	profile            Profile
}

// The platform of twelve: three stacks, of a quality that varies as real ones do.
func catalogue() []draft {
	web := func(d draft) draft { d.profile.Routed = true; return d }
	return []draft{
		web(draft{
			name: "shop_web", stack: "shop", image: "registry.quarterdeck.demo/shop/web:4.12.0", replicas: 3, cpu: 0.1, cpuLimit: 0.5, mem: 64, memLimit: 128,
			health: "wget -q -O- http://127.0.0.1:8080/healthz || exit 1", order: "start-first", failure: "rollback", parallel: 1,
			env: []string{"API_URL=http://api:8080", "NODE_ENV=production"}, configs: []string{"shop_web_conf"}, nets: []string{"shop_front", "platform_public"},
			labels:  map[string]string{"traefik.enable": "true", "traefik.http.routers.web.rule": "Host(`shop.example`)", "qd.runbook": "https://runbooks.example/shop/web"},
			profile: Profile{Kind: "access", Format: "json", Requests: 9, Errors: 0.001, Median: 0.035, Sigma: 0.7, CPU: 0.06, Memory: 70 * mib, Lines: 1.2, Prepare: 600 * time.Millisecond, StartTime: 2500 * time.Millisecond},
		}),
		web(draft{
			name: "shop_api", stack: "shop", image: "registry.quarterdeck.demo/shop/api:2.31.4", replicas: 3, cpu: 0.25, cpuLimit: 1, mem: 128, memLimit: 256,
			health: "/app/healthcheck", order: "start-first", failure: "rollback", parallel: 1,
			env:     []string{"STORE_DSN_FILE=/run/secrets/store_dsn", "CACHE_URL=redis://cache:6379", "LOG_LEVEL=info"},
			secrets: []string{"shop_store_dsn"}, nets: []string{"shop_front", "shop_back", "platform_public"},
			labels:  map[string]string{"traefik.enable": "true", "qd.autoscale.enable": "true", "qd.autoscale.min": "2", "qd.autoscale.max": "8", "qd.runbook": "https://runbooks.example/shop/api"},
			profile: Profile{Kind: "http", Format: "logfmt", Requests: 12, Errors: 0.002, Median: 0.06, Sigma: 0.8, CPU: 0.18, Memory: 120 * mib, Lines: 1.5, Prepare: 900 * time.Millisecond, StartTime: 3 * time.Second},
		}),
		web(draft{
			name: "shop_cart", stack: "shop", image: "registry.quarterdeck.demo/shop/cart:1.9.2", replicas: 2, cpu: 0.1, cpuLimit: 0.5, mem: 64, memLimit: 192,
			health: "/app/healthcheck", order: "stop-first", failure: "pause", parallel: 1,
			env: []string{"CACHE_URL=redis://cache:6379"}, nets: []string{"shop_front", "shop_back"}, labels: map[string]string{"traefik.enable": "true"},
			profile: Profile{Kind: "http", Format: "json", Requests: 4, Errors: 0.001, Median: 0.02, Sigma: 0.6, CPU: 0.05, Memory: 60 * mib, Lines: 0.6, Prepare: 500 * time.Millisecond, StartTime: 2 * time.Second},
		}),
		web(draft{
			name: "shop_payments", stack: "shop", image: "registry.quarterdeck.demo/shop/payments:3.0.7", replicas: 2, cpu: 0.1, cpuLimit: 0.5, mem: 128, memLimit: 256,
			health: "/app/healthcheck", order: "start-first", failure: "rollback", parallel: 1,
			env: []string{"PROVIDER_URL=https://pay.example", "PROVIDER_KEY_FILE=/run/secrets/pay_key"}, secrets: []string{"shop_pay_key"}, nets: []string{"shop_back"},
			labels:  map[string]string{"traefik.enable": "true", "qd.runbook": "https://runbooks.example/shop/payments"},
			profile: Profile{Kind: "http", Format: "json", Requests: 1.2, Errors: 0.004, Median: 0.22, Sigma: 0.6, CPU: 0.03, Memory: 110 * mib, Lines: 0.35, Prepare: 700 * time.Millisecond, StartTime: 3 * time.Second},
		}),
		{
			name: "shop_store", stack: "shop", image: "postgres:16.4", replicas: 1, constraints: []string{"node.labels.storage==ssd"}, cpu: 0.5, cpuLimit: 2, mem: 512, memLimit: 1024,
			health: "pg_isready -U shop", order: "stop-first", failure: "pause", parallel: 1,
			env: []string{"POSTGRES_USER=shop", "POSTGRES_DB=shop", "POSTGRES_PASSWORD_FILE=/run/secrets/store_password"}, secrets: []string{"shop_store_password"}, volumes: []string{"shop_store_data:/var/lib/postgresql/data"}, nets: []string{"shop_back"},
			labels: map[string]string{"qd.backup.engine": "postgres", "qd.backup.schedule": "0 2 * * *", "qd.backup.max-age": "26h", "qd.backup.volume": "shop_store_data", "qd.backup.db": "shop", "qd.backup.user": "shop",
				"qd.backup.secret": "shop_store_password", "qd.backup.verify": "psql -Atc 'select count(*) > 0 from orders' | grep -qx t", "qd.backup.rto": "15m"},
			profile: Profile{Kind: "postgres", Format: "plain", Requests: 0, Errors: 0.002, Median: 0.004, Sigma: 0.9, CPU: 0.25, Memory: 480 * mib, Lines: 0.3, Prepare: 800 * time.Millisecond, StartTime: 4 * time.Second},
		},
		{
			name: "shop_cache", stack: "shop", image: "redis:7.4.1", replicas: 1, cpu: 0.1, mem: 128, memLimit: 256, health: "redis-cli ping", nets: []string{"shop_back"},
			volumes: []string{"shop_cache_data:/data"},
			labels:  map[string]string{"qd.backup.engine": "redis", "qd.backup.schedule": "30 3 * * *", "qd.backup.volume": "shop_cache_data", "qd.backup.verify": "test $(redis-cli dbsize) -gt 0", "qd.backup.keep": "daily=7 weekly=4"},
			profile: Profile{Kind: "redis", Format: "plain", Errors: 0.0005, Median: 0.001, Sigma: 0.5, CPU: 0.04, Memory: 90 * mib, Lines: 0.08, Prepare: 400 * time.Millisecond, StartTime: 1500 * time.Millisecond},
		},
		{
			name: "platform_traefik", stack: "platform", image: "traefik:v3.2.1", replicas: 1, constraints: []string{"node.role==manager"}, cpu: 0.2, cpuLimit: 1, mem: 64, memLimit: 256,
			health: "traefik healthcheck --ping", order: "stop-first", failure: "rollback", parallel: 1, ports: []uint32{80, 443}, host: true, nets: []string{"platform_public"}, configs: []string{"platform_traefik_conf"},
			command: []string{"--providers.swarm=true", "--providers.swarm.allowEmptyServices=true", "--metrics.prometheus=true", "--accesslog=true"},
			profile: Profile{Kind: "traefik", Format: "json", Errors: 0.001, Median: 0.04, Sigma: 0.8, CPU: 0.12, Memory: 90 * mib, Lines: 1.5, Prepare: 500 * time.Millisecond, StartTime: 1500 * time.Millisecond},
		},
		{
			name: "platform_prometheus", stack: "platform", image: "prom/prometheus:v3.1.0", replicas: 1, constraints: []string{"node.role==manager"}, cpu: 0.3, mem: 512, memLimit: 1536,
			labels: map[string]string{"qd.backup.engine": "files", "qd.backup.volume": "platform_prometheus_data"}, // a mistake, so that there is one to be seen
			order:  "stop-first", failure: "pause", parallel: 1, nets: []string{"platform_public"}, volumes: []string{"platform_prometheus_data:/prometheus"}, configs: []string{"platform_prometheus_conf"},
			profile: Profile{Kind: "go", Format: "logfmt", Errors: 0.001, CPU: 0.1, Memory: 640 * mib, Lines: 0.05, Prepare: 900 * time.Millisecond, StartTime: 2 * time.Second},
		},
		{
			name: "platform_loki", stack: "platform", image: "grafana/loki:3.3.2", replicas: 1, constraints: []string{"node.role==manager"}, cpu: 0.3, mem: 256, memLimit: 1024,
			nets: []string{"platform_public"}, volumes: []string{"platform_loki_data:/loki"},
			profile: Profile{Kind: "go", Format: "logfmt", Errors: 0.002, CPU: 0.12, Memory: 380 * mib, Lines: 0.2, Prepare: 800 * time.Millisecond, StartTime: 2 * time.Second},
		},
		{
			name: "platform_agent", stack: "platform", image: "gcr.io/cadvisor/cadvisor:v0.49.1", mode: "global", cpu: 0.05, mem: 64, memLimit: 256, ports: []uint32{8080}, host: true, nets: []string{"platform_public"},
			health: "wget -q -O- http://localhost:8080/healthz || exit 1", parallel: 1, order: "stop-first", failure: "continue",
			profile: Profile{Kind: "go", Format: "logfmt", Errors: 0.001, CPU: 0.05, Memory: 100 * mib, Lines: 0.05, Prepare: 500 * time.Millisecond, StartTime: 1500 * time.Millisecond},
		},
		{
			name: "batch_worker", stack: "batch", image: "registry.quarterdeck.demo/batch/worker:1.4.0", replicas: 2, constraints: []string{"node.role==worker"}, cpu: 0.2, cpuLimit: 1, mem: 128, memLimit: 384,
			order: "stop-first", failure: "continue", parallel: 2, env: []string{"QUEUE_URL=redis://cache:6379/1", "API_TOKEN=demo-not-a-secret"}, nets: []string{"shop_back"},
			profile: Profile{Kind: "worker", Format: "logfmt", Errors: 0.01, Median: 0.8, Sigma: 0.6, CPU: 0.3, Memory: 150 * mib, Lines: 0.4, Prepare: 600 * time.Millisecond, StartTime: time.Second},
		},
		{
			name: "batch_reports", stack: "batch", image: "registry.quarterdeck.demo/batch/reports:0.8.1", replicas: 0, cpu: 0.2, mem: 128, nets: []string{"shop_back"},
			profile: Profile{Kind: "worker", Format: "logfmt", Errors: 0.01, Median: 2, Sigma: 0.6, CPU: 0.4, Memory: 120 * mib, Lines: 0.3, Prepare: 600 * time.Millisecond, StartTime: time.Second},
		},
	}
}

// fleet drafts a big platform: services of the catalogue's kinds over and over, the tasks spread over them.
func fleet(services, tasks int) []draft {
	kinds := catalogue()
	domains := []string{"billing", "search", "mail", "auth", "media", "stock", "ledger", "geo", "chat", "ads"}
	out := make([]draft, 0, services)
	for i := range services {
		d := kinds[i%4] // only the stateless kinds scale
		stack := domains[(i/10)%len(domains)]
		if n := i / (10 * len(domains)); n > 0 {
			stack += itoa(n)
		}
		d.stack, d.name = stack, stack+"_"+[]string{"web", "api", "cart", "payments", "feed", "jobs", "admin", "edge", "sync", "core"}[i%10]
		d.image = "registry.quarterdeck.demo/" + stack + "/" + d.name[len(stack)+1:] + ":1." + itoa(i%40) + ".0"
		d.replicas = uint64(tasks / services) //nolint:gosec // bounded by New
		if i < tasks%services {
			d.replicas++
		}
		d.secrets, d.configs, d.nets = nil, nil, []string{"platform_public"}
		d.profile.Lines = 0.02
		d.profile.Requests /= 4
		d.profile.CPU /= 8
		d.profile.Memory /= 4
		d.cpu, d.mem = d.cpu/8, d.mem/4
		out = append(out, d)
	}
	return out
}
