package blueprint

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"

	"quarterdeck/stages"
)

// Images of the databases: the exact versions that were current when this was written. That of Redis is the blueprint's own.
const (
	imagePostgres = "postgres:17.6-alpine"
	imageMariaDB  = "mariadb:11.8.3"
)

// engines make the service of a database.
var engines = map[string]func(*Service) *composeService{
	"postgres": func(s *Service) *composeService {
		db := s.keeps(imagePostgres, "/var/lib/postgresql/data", []string{"CMD-SHELL", "pg_isready -q -U " + s.database() + " -d " + s.database()})
		db.Secrets = []string{s.secret()}
		db.Environment = map[string]string{"POSTGRES_DB": s.database(), "POSTGRES_USER": s.database(), "POSTGRES_PASSWORD_FILE": "/run/secrets/" + s.secret()}
		s.saved(db, "postgres", `psql -Atc "select count(*) > 0 from information_schema.tables where table_schema = 'public'" | grep -qx t`)
		db.Deploy.Labels["qd.backup.user"] = s.database()
		return db
	},
	"mariadb": func(s *Service) *composeService {
		db := s.keeps(imageMariaDB, "/var/lib/mysql", []string{"CMD", "healthcheck.sh", "--connect", "--innodb_initialized"})
		db.Secrets = []string{s.secret()}
		db.Environment = map[string]string{"MARIADB_DATABASE": s.database(), "MARIADB_USER": s.database(), "MARIADB_PASSWORD_FILE": "/run/secrets/" + s.secret(), "MARIADB_ROOT_PASSWORD_FILE": "/run/secrets/" + s.secret()}
		s.saved(db, "mariadb", `mariadb -Ne "select count(*) > 0 from information_schema.tables where table_schema = database()" | grep -qx 1`)
		return db
	},
	"redis": func(s *Service) *composeService {
		db := s.keeps(Find("IMAGE_REDIS").Default, "/data", []string{"CMD-SHELL", "redis-cli ping | grep -q PONG"})
		db.Command = []string{"redis-server", "--appendonly", "yes"}
		s.saved(db, "redis", "test $(redis-cli dbsize) -gt 0")
		return db
	},
}

// keeps is a service with a volume: one task, which stops before the next one starts, so that two never write to it.
func (s *Service) keeps(image, at string, test []string) *composeService {
	out := s.common(image, 1, "stop-first", health{test, "10s", "5s", 5, "60s"})
	out.Grace = "60s"
	out.Networks, out.Volumes = []string{"data"}, []string{s.databaseName() + ":" + at}
	out.Deploy.Placement = map[string]any{"constraints": []string{"node.labels.data == true"}}
	out.Deploy.Resources["limits"]["memory"], out.Deploy.Resources["reservations"]["memory"] = "512M", "256M"
	return out
}

// saved gives a database the policy of its backups.
func (s *Service) saved(db *composeService, engine, verify string) {
	l := db.Deploy.Labels
	l["qd.backup.engine"], l["qd.backup.volume"], l["qd.backup.verify"] = engine, s.databaseName(), verify
	l["qd.backup.schedule"], l["qd.backup.max-age"], l["qd.backup.keep"], l["qd.backup.rto"] = "15 3 * * *", "26h", "daily=7 weekly=4 monthly=6", "15m"
	if len(db.Secrets) > 0 {
		l["qd.backup.db"], l["qd.backup.secret"] = s.database(), s.secret()
	}
}

// dashboard is that of any service, of one. It has the service's name as its tag, which is what dashboard-per-service looks for.
func dashboard(service string) ([]byte, error) {
	body, err := embedded.ReadFile("files/observe/service.json")
	if err != nil {
		return nil, err
	}
	var d map[string]any
	if err := json.Unmarshal(body, &d); err != nil {
		return nil, err
	}
	d["uid"], d["title"], d["tags"] = "qd-"+strings.ReplaceAll(service, "_", "-"), service, []string{service}
	d["templating"] = map[string]any{"list": []any{}}
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", " ")
	if err := enc.Encode(d); err != nil {
		return nil, err
	}
	return bytes.ReplaceAll(b.Bytes(), []byte("$service"), []byte(service)), nil
}

// rules are warnings about what its users feel. None is critical: the few that are look at every service.
func (s *Service) rules() []byte {
	router, full := s.Stack+"-"+s.Name+"@swarm", s.Full()
	var b strings.Builder
	fmt.Fprintf(&b, "# Warnings for %s, for Prometheus. The critical rules are those of every service: three to five of them are what a person on call can know by heart.\ngroups:\n  - name: %s\n    rules:\n", full, full)
	for _, r := range []struct{ name, expr, wait, says string }{
		{"Errors", `sum(rate(traefik_service_requests_total{service="` + router + `",code=~"5.."}[5m])) / sum(rate(traefik_service_requests_total{service="` + router + `"}[5m])) > 0.01`, "5m",
			"{{ $value | humanizePercentage }} of the requests to " + full + " fail"},
		{"Slow", `histogram_quantile(0.95, sum by (le) (rate(traefik_service_request_duration_seconds_bucket{service="` + router + `"}[5m]))) > 1`, "10m",
			"one request of twenty to " + full + " takes more than {{ $value | humanizeDuration }}"},
		{"TooFew", fmt.Sprintf(`count(container_last_seen{container_label_com_docker_swarm_service_name="%s"} > time() - 60) < %d`, full, s.Replicas), "10m",
			full + " has {{ $value }} tasks that run, and should have more"},
	} {
		fmt.Fprintf(&b, "      - alert: %s\n        expr: '%s'\n        for: %s\n        labels: {severity: warning, swarm_service: %s}\n        annotations: {summary: '%s'}\n", alertName(full)+r.name, r.expr, r.wait, full, r.says)
	}
	return []byte(b.String())
}

// alertName is a service's name as alerts are called: shop_api is ShopApi.
func alertName(service string) string {
	var b strings.Builder
	for _, part := range strings.FieldsFunc(service, func(r rune) bool { return r == '_' || r == '-' }) {
		b.WriteString(strings.ToUpper(part[:1]) + part[1:])
	}
	return b.String()
}

// readme says what is to be done, in order.
func (s *Service) readme() []byte {
	var b strings.Builder
	fmt.Fprintf(&b, "# %s\n\nWritten by `quarterdeck new service`. On a manager, from this directory:\n\n```\ndocker network create --driver overlay --attachable edge      # where it is not there: the network of Traefik\n", s.Full())
	if s.Database != "none" {
		b.WriteString("docker node update --label-add data=true NODE                 # the node that has the data\n")
	}
	switch s.Database {
	case "postgres", "mariadb":
		fmt.Fprintf(&b, "docker secret create %s -          # the password, from standard input: it is in no history of commands\n", s.secret())
	}
	fmt.Fprintf(&b, "docker stack deploy --with-registry-auth -c %s %s\nquarterdeck status                                            # healthy?\nquarterdeck check                                             # what judges it from now on\n```\n\n", StackFile, s.Stack)
	b.WriteString("`rules.yml` goes to Prometheus' rule files, `dashboards/` to Grafana (import, or its folder of provisioned ones).\n\n")
	fmt.Fprintf(&b, "The label `%s` is when this was written. The check new-service-time measures from it until the service runs for the first time.\n", stages.LabelCreated)
	if s.Database == "redis" {
		b.WriteString("\nRedis asks for no password: only what is in the stack's network `data` reaches it.\n")
	}
	return []byte(b.String())
}
