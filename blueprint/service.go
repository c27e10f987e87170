package blueprint

import (
	"bytes"
	"errors"
	"fmt"
	"path"
	"regexp"
	"strconv"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"

	"quarterdeck/stages"
)

// Service is what a new service is made of. Text is checked by Check before anything is made of it.
type Service struct {
	Name, Stack string
	Image       string
	Domain      string
	Health      string // the path that answers 200 while it is well
	Memory, CPU string // limits: 128M, 0.5
	Database    string
	Port        int
	Replicas    int
	Created     time.Time
}

// Databases are those that a new service may have beside it.
var Databases = []string{"none", "postgres", "mariadb", "redis"}

// Defaults of what a team rarely says at the first.
const (
	DefaultHealth   = "/healthz"
	DefaultMemory   = "128M"
	DefaultCPU      = "0.5"
	DefaultReplicas = 2
	maxReplicas     = 1000
)

var (
	serviceName = regexp.MustCompile(`^[a-z]([a-z0-9-]{0,38}[a-z0-9])?$`)
	healthPath  = regexp.MustCompile(`^/[A-Za-z0-9._~/-]{0,200}$`)
	cores       = regexp.MustCompile(`^[0-9]{1,3}(\.[0-9]{1,2})?$`)
)

// Missing are the flags of what nobody but the team knows and that is not said.
func (s *Service) Missing() []string {
	var out []string
	for _, x := range []struct {
		missing bool
		flag    string
	}{{s.Stack == "", "--stack"}, {s.Image == "", "--image"}, {s.Port == 0, "--port"}, {s.Domain == "", "--domain"}} {
		if x.missing {
			out = append(out, x.flag)
		}
	}
	return out
}

// Check tells what of it cannot be. The values themselves are in no error: they may be anything.
func (s *Service) Check() error {
	name := matches(serviceName, "lower-case letters, digits and hyphens, at most 40, a letter first")
	cpu, _ := strconv.ParseFloat(s.CPU, 64)
	for _, x := range []struct {
		what string
		err  error
	}{
		{"the name", name(s.Name)}, {"--stack", name(s.Stack)}, {"--image", image(s.Image)}, {"--domain", matches(domainName, "a domain's name, as shop.example.com")(s.Domain)},
		{"--health", matches(healthPath, "a path, as /healthz")(s.Health)}, {"--memory", matches(memory, "an amount as 128M or 2G")(s.Memory)}, {"--cpu", matches(cores, "cores, as 0.5")(s.CPU)},
		{"--cpu", unless(cpu > 0, "cores, as 0.5")}, {"--port", unless(s.Port > 0 && s.Port < 65536, "a port from 1 to 65535")},
		{"--replicas", unless(s.Replicas >= 1 && s.Replicas <= maxReplicas, "a number from 1 to "+strconv.Itoa(maxReplicas))},
		{"--database", unless(s.Database == "none" || engines[s.Database] != nil, strings.Join(Databases, ", "))},
	} {
		if x.err != nil {
			return fmt.Errorf("%w: %s: %w", ErrValue, x.what, x.err)
		}
	}
	return nil
}

func unless(ok bool, what string) error {
	if ok {
		return nil
	}
	return errors.New("it is to be " + what)
}

// Full is the service's name in the swarm.
func (s *Service) Full() string { return s.Stack + "_" + s.Name }

// StackFile is the name of its stack file in the directory that is written.
const StackFile = "stack.yml"

// Files are what is written of it: the stack file, a dashboard a service, rules, and what is to be done.
func (s *Service) Files() ([]File, error) {
	stack, err := s.stackFile()
	if err != nil {
		return nil, err
	}
	out := []File{{StackFile, stack}, {"rules.yml", s.rules()}, {"README.md", s.readme()}}
	for _, name := range s.services() {
		body, err := dashboard(s.Stack + "_" + name)
		if err != nil {
			return nil, err
		}
		out = append(out, File{path.Join("dashboards", s.Stack+"_"+name+".json"), body})
	}
	return out, nil
}

// services are the names in the stack file.
func (s *Service) services() []string {
	if engines[s.Database] == nil {
		return []string{s.Name}
	}
	return []string{s.Name, s.databaseName()}
}

func (s *Service) databaseName() string { return s.Name + "-db" }

// database is the name of the database in its server, and of who has it.
func (s *Service) database() string { return strings.ReplaceAll(s.Name, "-", "_") }

func (s *Service) secret() string { return s.Stack + "-" + s.Name + "-db-password" }

// The shape of a stack file, as far as it is written here. What is put into it is marshalled: a value stays one, whatever is in it.
type (
	composeFile struct {
		Version  string                     `yaml:"version"`
		Services map[string]*composeService `yaml:"services"`
		Networks map[string]map[string]any  `yaml:"networks"`
		Volumes  map[string]struct{}        `yaml:"volumes,omitempty"`
		Secrets  map[string]external        `yaml:"secrets,omitempty"`
	}
	external       struct{ External bool }
	composeService struct {
		Image       string            `yaml:"image"`
		Command     []string          `yaml:"command,omitempty,flow"`
		Environment map[string]string `yaml:"environment,omitempty"`
		Secrets     []string          `yaml:"secrets,omitempty,flow"`
		Volumes     []string          `yaml:"volumes,omitempty,flow"`
		Networks    []string          `yaml:"networks,flow"`
		Healthcheck health            `yaml:"healthcheck"`
		Grace       string            `yaml:"stop_grace_period"`
		Logging     map[string]any    `yaml:"logging"`
		Deploy      deployment        `yaml:"deploy"`
	}
	health struct {
		Test     []string `yaml:"test,flow"`
		Interval string   `yaml:"interval"`
		Timeout  string   `yaml:"timeout"`
		Retries  int      `yaml:"retries"`
		Start    string   `yaml:"start_period"`
	}
	deployment struct {
		Replicas  int                          `yaml:"replicas"`
		Placement map[string]any               `yaml:"placement"`
		Update    map[string]any               `yaml:"update_config"`
		Rollback  map[string]any               `yaml:"rollback_config"`
		Restart   map[string]any               `yaml:"restart_policy"`
		Resources map[string]map[string]string `yaml:"resources"`
		Labels    map[string]string            `yaml:"labels"`
	}
)

const stackHead = `# Written by ` + "`quarterdeck new service`" + `. It is yours: change what you know better, and keep it in the service's repository.
# Logs: the engine keeps what the next lines bound, and Alloy ships it with the labels swarm_service and swarm_stack.
# The health check needs wget in the image, and a path that answers 200 while the service is well.
`

func (s *Service) stackFile() ([]byte, error) {
	f := composeFile{Version: "3.8", Services: map[string]*composeService{s.Name: s.program()}, Networks: map[string]map[string]any{"edge": {"external": true}}}
	if e := engines[s.Database]; e != nil {
		db := e(s)
		f.Services[s.databaseName()] = db
		f.Networks["data"] = map[string]any{"driver": "overlay"}
		f.Volumes = map[string]struct{}{s.databaseName(): {}}
		program := f.Services[s.Name]
		program.Networks = append(program.Networks, "data")
		program.Environment = map[string]string{"DATABASE_HOST": s.databaseName()}
		if len(db.Secrets) > 0 {
			f.Secrets = map[string]external{s.secret(): {true}}
			program.Secrets = db.Secrets
			program.Environment["DATABASE_NAME"], program.Environment["DATABASE_USER"] = s.database(), s.database()
			program.Environment["DATABASE_PASSWORD_FILE"] = "/run/secrets/" + s.secret()
		}
	}
	var doc yaml.Node
	if err := doc.Encode(f); err != nil {
		return nil, err
	}
	double(&doc)
	var b bytes.Buffer
	b.WriteString(stackHead)
	enc := yaml.NewEncoder(&b)
	enc.SetIndent(2)
	if err := enc.Encode(&doc); err != nil {
		return nil, err
	}
	return b.Bytes(), enc.Close()
}

// double doubles each `$`: docker stack deploy replaces variables.
func double(n *yaml.Node) {
	if n.Kind == yaml.ScalarNode {
		n.Value = strings.ReplaceAll(n.Value, "$", "$$")
	}
	for _, c := range n.Content {
		double(c)
	}
}

// program is the service itself.
func (s *Service) program() *composeService {
	router := s.Stack + "-" + s.Name
	out := s.common(s.Image, s.Replicas, "start-first", health{[]string{"CMD", "wget", "-q", "-O", "/dev/null", fmt.Sprintf("http://127.0.0.1:%d%s", s.Port, s.Health)}, "10s", "3s", 3, "15s"})
	out.Networks = []string{"edge"}
	out.Deploy.Placement = map[string]any{"preferences": []map[string]string{{"spread": "node.id"}}}
	labels := out.Deploy.Labels
	labels["traefik.enable"] = "true"
	labels["traefik.http.routers."+router+".rule"] = "Host(`" + s.Domain + "`)"
	labels["traefik.http.routers."+router+".entrypoints"] = "websecure"
	labels["traefik.http.routers."+router+".tls.certresolver"] = "acme"
	labels["traefik.http.services."+router+".loadbalancer.server.port"] = strconv.Itoa(s.Port)
	labels["qd.backup.engine"] = "none" // it keeps nothing
	labels["qd.autoscale.enable"], labels["qd.autoscale.mode"] = "true", "enforce"
	labels["qd.autoscale.min"], labels["qd.autoscale.max"] = strconv.Itoa(s.Replicas), strconv.Itoa(4*s.Replicas)
	labels["qd.autoscale.cpu"] = "70%"
	if s.Database != "none" {
		labels["qd.depends-on"] = s.databaseName()
	}
	return out
}

// common is what all services have.
func (s *Service) common(image string, replicas int, order string, h health) *composeService {
	cpu, _ := strconv.ParseFloat(s.CPU, 64) // it was checked
	return &composeService{
		Image: image, Healthcheck: h, Grace: "15s", Logging: map[string]any{"driver": "json-file", "options": map[string]string{"max-size": "10m", "max-file": "3"}},
		Deploy: deployment{
			Replicas: replicas,
			Update:   map[string]any{"order": order, "parallelism": 1, "delay": "5s", "failure_action": "rollback", "monitor": "30s", "max_failure_ratio": 0},
			Rollback: map[string]any{"order": order, "parallelism": 1, "monitor": "30s"},
			Restart:  map[string]any{"condition": "any", "delay": "2s"},
			Resources: map[string]map[string]string{
				"limits":       {"cpus": s.CPU, "memory": s.Memory},
				"reservations": {"cpus": strconv.FormatFloat(max(cpu/5, 0.01), 'f', 2, 64), "memory": half(s.Memory)},
			},
			Labels: map[string]string{stages.LabelCreated: s.Created.UTC().Format(time.RFC3339)},
		},
	}
}

// half is half an amount of memory.
func half(amount string) string {
	n, _ := strconv.Atoi(amount[:len(amount)-1]) // it was checked
	if amount[len(amount)-1] == 'G' {
		n *= 1024
	}
	return strconv.Itoa(max(n/2, 4)) + "M"
}
