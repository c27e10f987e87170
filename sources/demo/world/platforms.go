package world

import (
	"slices"
	"time"
)

// platformOf is the platform of twelve as a team has it; nil: of a quality that varies, as real ones do.
func platformOf(t *Team) []draft {
	all := catalogue()
	switch {
	case t == nil:
		return all
	case t.passed == 0:
		return chaotic(all)
	}
	all = functional(all)
	if t.passed == 1 {
		return append(all, shipper("platform_promtail", "grafana/promtail:2.9.10"))
	}
	all = append(all, shipper("platform_alloy", "grafana/alloy:v1.5.1"))
	edit(all, func(d *draft) { d.logDriver = "" })
	saved(all)
	if t.passed >= 4 {
		edit(all, scaled)
	}
	return all
}

// edit has a change made to the drafts of some names; of none: to all.
func edit(all []draft, change func(*draft), names ...string) {
	for i := range all {
		if len(names) == 0 || slices.Contains(names, all[i].name) {
			change(&all[i])
		}
	}
}

func (d *draft) label(name, value string) {
	if d.labels == nil {
		d.labels = map[string]string{}
	}
	d.labels[name] = value
}

// chaotic is what grows where nobody has the time: each of it has been seen on a real swarm.
func chaotic(all []draft) []draft {
	edit(all, func(d *draft) {
		d.logDriver = "json-file"
		if d.name != "shop_api" {
			d.health = ""
		}
		for k := range d.labels {
			if k != "traefik.enable" && k != "traefik.http.routers.web.rule" {
				delete(d.labels, k)
			}
		}
	})
	edit(all, func(d *draft) { d.order, d.failure, d.parallel, d.replicas = "", "", 0, 1 }, "shop_web", "shop_payments")
	edit(all, func(d *draft) { d.replicas = 1 }, "shop_api")
	edit(all, func(d *draft) { d.loose = true }, "shop_web")
	edit(all, func(d *draft) { d.loose, d.image = true, "registry.quarterdeck.demo/shop/cart:latest" }, "shop_cart")
	edit(all, func(d *draft) { d.loose, d.image = true, "registry.quarterdeck.demo/batch/worker:latest" }, "batch_worker")
	edit(all, func(d *draft) { d.restart = "none" }, "batch_worker")
	edit(all, func(d *draft) {
		d.env, d.secrets = []string{"POSTGRES_USER=shop", "POSTGRES_DB=shop", "POSTGRES_PASSWORD=demo-not-a-secret"}, nil
	}, "shop_store")
	edit(all, func(d *draft) {
		d.env, d.secrets = []string{"PROVIDER_URL=https://pay.example", "PROVIDER_KEY=demo-not-a-secret"}, nil
	}, "shop_payments")
	return all
}

// functional passes stage 1.
func functional(all []draft) []draft {
	edit(all, func(d *draft) {
		if d.health == "" {
			d.health = "/usr/bin/healthcheck"
		}
		if len(d.volumes) > 0 {
			return // one task at a time writes to it
		}
		d.order, d.failure, d.parallel = "start-first", "rollback", 1
		if d.mode == "global" {
			d.order = "stop-first" // its port is the node's
		}
		d.replicas = max(d.replicas, min(2, d.replicas*2))
	})
	edit(all, func(d *draft) { d.label("traefik.http.routers.web.tls.certresolver", "letsencrypt") }, "shop_web")
	edit(all, func(d *draft) {
		d.env, d.secrets = []string{"QUEUE_URL=redis://cache:6379/1", "API_TOKEN_FILE=/run/secrets/worker_token"}, []string{"batch_worker_token"}
	}, "batch_worker")
	edit(all, func(d *draft) { d.logDriver = "syslog" }, "shop_cart")
	edit(all, func(d *draft) { delete(d.labels, "qd.autoscale.enable") }, "shop_api")
	return all
}

// shipper is a log agent, on each node.
func shipper(name, image string) draft {
	return draft{
		name: name, stack: "platform", image: image, mode: "global", cpu: 0.05, mem: 64, memLimit: 256, nets: []string{"platform_public"}, health: "/usr/bin/healthcheck",
		order: "stop-first", failure: "rollback", parallel: 1,
		profile: Profile{Kind: "go", Format: "logfmt", Errors: 0.001, CPU: 0.04, Memory: 90 * mib, Lines: 0.05, Prepare: 500 * time.Millisecond, StartTime: time.Second},
	}
}

// saved gives all that is kept a policy, or the word that it may be lost.
func saved(all []draft) {
	edit(all, func(d *draft) { d.labels = map[string]string{"qd.backup.engine": "none"} }, "platform_prometheus", "platform_loki")
}

// scaled gives a policy to what can be scaled, and the word that it needs none to the rest.
func scaled(d *draft) {
	switch {
	case d.mode == "global" || len(d.volumes) > 0 || d.replicas == 0:
	case d.host: // each of them has a node's port
		d.label("qd.autoscale.enable", "false")
	default:
		d.label("qd.autoscale.enable", "true")
		d.label("qd.autoscale.mode", "enforce")
		d.label("qd.autoscale.min", "2")
		d.label("qd.autoscale.max", "8")
	}
}
