package blueprint

import (
	"embed"
	"io/fs"
	"path"
	"slices"

	"quarterdeck/deploy"
)

// Version is that of the files: it grows with each change of them that changes what is deployed.
const Version = 1

//go:embed files
var embedded embed.FS

// Stack is what is deployed under one name.
type Stack struct {
	Name  string
	Stage int
	// Brings says what is there once it runs.
	Brings string
	// Compose are its stack files in the order in which they are merged; Others what they refer to, and what lies beside.
	Compose, Others []string
	// Secrets and Networks are made before it, Labels are of nodes.
	Secrets  []Secret
	Networks []string
	Labels   []string
}

// Secret is one that a stack expects in the swarm. Its value is nobody's business here.
type Secret struct{ Name, Holds string }

// All are the stacks in the order in which they are deployed.
var All = []*Stack{
	{Name: "edge", Stage: 1, Brings: "Traefik: routes by labels, certificates that renew on their own, figures of requests", Compose: []string{"stack.yml"},
		Secrets:  []Secret{{"edge-users", "lines of `htpasswd -nB USER`: who may see the operators' pages"}},
		Networks: []string{"edge", "monitoring"}, Labels: []string{"edge=true"}},
	{Name: "web", Stage: 1, Brings: "an example of a service as each should be, to copy", Compose: []string{"stack.yml"},
		Secrets: []Secret{{"web-key", "anything: it shows how a program is given a credential"}}, Networks: []string{"edge"}},
	{Name: "observe", Stage: 2, Brings: "Loki with Alloy, Prometheus with cAdvisor and node-exporter, Alertmanager with five critical rules, Grafana with a dashboard of any service", Compose: []string{"stack.yml"},
		Others:   []string{"loki.yml", "config.alloy", "prometheus.yml", "rules.yml", "alertmanager.yml", "datasources.yml", "dashboards.yml", "service.json"},
		Secrets:  []Secret{{"grafana-admin", "the password of Grafana's admin"}, {"alert-webhook", "the address that Alertmanager calls"}},
		Networks: []string{"edge", "monitoring"}, Labels: []string{"data=true"}},
	{Name: "registry", Stage: 3, Brings: "a registry for your images, behind Traefik", Compose: []string{"stack.yml"},
		Secrets: []Secret{{"registry-users", "lines of `htpasswd -nB USER`"}}, Networks: []string{"edge"}, Labels: []string{"data=true"}},
	{Name: "agent", Stage: 3, Brings: "Quarterdeck's agent: backups by their schedules", Compose: []string{"stack.yml", "platform.yml"}, Others: []string{"rules.yml"},
		Secrets: []Secret{{"qd-s3-key-id", "the object store's key id"}, {"qd-s3-secret-key", "the object store's secret key"},
			{"qd-repository", "lines NAME=VALUE: RESTIC_REPOSITORY, RESTIC_PASSWORD, AWS_…, QUARTERDECK_S3 (docs/backups.md)"}}, Networks: []string{"monitoring"}},
	{Name: "cache", Stage: 4, Brings: "a Redis cache, and the exporters of Redis and Postgres", Compose: []string{"stack.yml"},
		Secrets: []Secret{{"redis-conf", "redis.conf with the line `requirepass PASSWORD`"}, {"redis-passwords", `{"redis://cache:6379": "PASSWORD"}`},
			{"postgres-monitor", "the password of the user of Postgres that has the role pg_monitor"}},
		Networks: []string{"data", "monitoring"}, Labels: []string{"data=true"}},
}

// Of are the stacks of a stage; 0: all.
func Of(stage int) []*Stack {
	return slices.DeleteFunc(slices.Clone(All), func(s *Stack) bool { return stage != 0 && s.Stage != stage })
}

// read gives a file of a stack as it is embedded. The agent's are the project's own.
func (s *Stack) read(file string) ([]byte, error) {
	body, err := embedded.ReadFile(path.Join("files", s.Name, file))
	if err != nil && s.Name == "agent" {
		return fs.ReadFile(deploy.Files, path.Join("agent", file))
	}
	return body, err
}
