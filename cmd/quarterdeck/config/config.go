package config

import (
	"bytes"
	_ "embed"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"sort"
	"strings"
	"time"

	"github.com/adrg/xdg"
	"go.yaml.in/yaml/v3"

	"quarterdeck/sources"
)

// Example is the commented example of the configuration file, whole and valid.
//
//go:embed example.yaml
var Example string

// MaxFile bounds the configuration file, in bytes: one larger is no configuration.
const MaxFile = 1 << 20

// File is the configuration file's shape.
type File struct {
	// Context names the one in force where neither flag nor environment does.
	Context  string             `yaml:"context"`
	Contexts map[string]Context `yaml:"contexts"`
	Theme    string             `yaml:"theme"`
	LogFile  string             `yaml:"log-file"`
	Timeout  Duration           `yaml:"timeout"`
	Mouse    *bool              `yaml:"mouse"`
	ASCII    bool               `yaml:"ascii"`
	// LogMemory bounds the log pane, in MiB.
	LogMemory int `yaml:"log-memory"`
	// StateDir is where journal and history are kept.
	StateDir string `yaml:"state-dir"`
	// Actor is who acts, as the journal names it.
	Actor string `yaml:"actor"`
	// Panels are queries that are shown beside the standard series; the console adds to them and takes them off.
	Panels []sources.Panel `yaml:"panels"`

	// Path is where it was read from; "" : no file.
	Path string `yaml:"-"`
}

// Context is one platform.
type Context struct {
	Host          string     `yaml:"host"`
	Hosts         []string   `yaml:"hosts"` // further managers, tried in order
	DockerContext string     `yaml:"docker-context"`
	WriteHost     string     `yaml:"write-host"`
	TLS           TLS        `yaml:"tls"`
	ReadOnly      bool       `yaml:"read-only"`
	Loki          Loki       `yaml:"loki"`
	Prometheus    Prometheus `yaml:"prometheus"`
	Alertmanager  Endpoint   `yaml:"alertmanager"`
	Grafana       Endpoint   `yaml:"grafana"`
	Traefik       Endpoint   `yaml:"traefik"`
	Bitbucket     Bitbucket  `yaml:"bitbucket"`
	Harbor        Harbor     `yaml:"harbor"`
	Portainer     Portainer  `yaml:"portainer"`
	S3            S3         `yaml:"s3"`
	Actions       Actions    `yaml:"actions"`
	Stages        Stages     `yaml:"stages"`
	// Webhooks redeploy services or stacks through Portainer, by the service's or stack's name.
	Webhooks map[string]Webhook `yaml:"webhooks"`
	// Registries say how image registries are reached, by their host as image names have it.
	Registries map[string]Registry `yaml:"registries"`
}

// Actions is what changes demand.
type Actions struct {
	// Deadline is how long a rollout may make no progress.
	Deadline Duration `yaml:"deadline"`
	// RequireReason refuses what has no --reason.
	RequireReason bool `yaml:"require-reason"`
	// Protected are patterns of services whose name must be typed.
	Protected []string `yaml:"protected"`
	// QuietHours are hours in which every change must be typed: "22:00-06:00", "fri-sun 16:00-24:00".
	QuietHours []string `yaml:"quiet-hours"`
}

// Stages are a team's own thresholds for the checks of the stages, and the checks that no gate asks for.
type Stages struct {
	Optional   []string          `yaml:"optional"`
	Thresholds map[string]string `yaml:"thresholds"`
}

// Webhook is a Portainer webhook. Its address is a secret.
type Webhook struct {
	URL     string `yaml:"url"`
	URLFile string `yaml:"url-file"`
	TLS     TLS    `yaml:"tls"`
}

// Endpoint is an HTTP source's address and login.
type Endpoint struct {
	Address         string            `yaml:"address"`
	Username        string            `yaml:"username"`
	Password        string            `yaml:"password"`
	PasswordFile    string            `yaml:"password-file"`
	BearerToken     string            `yaml:"bearer-token"`
	BearerTokenFile string            `yaml:"bearer-token-file"`
	Tenant          string            `yaml:"tenant"`
	Headers         map[string]string `yaml:"headers"`
	TLS             TLS               `yaml:"tls"`
}

// Access is the endpoint as adapters take it.
func (e Endpoint) Access(source string, timeout time.Duration) sources.Access {
	return sources.Access{Source: source, Address: e.Address, Username: e.Username, Password: e.Password,
		PasswordFile: e.PasswordFile, BearerToken: e.BearerToken, BearerTokenFile: e.BearerTokenFile,
		Tenant: e.Tenant, Headers: e.Headers, TLS: e.TLS.Source(), Timeout: timeout}
}

// Loki is Loki's endpoint and the names of its labels.
type Loki struct {
	Endpoint `yaml:",inline"`
	Labels   struct {
		Service   string `yaml:"service"`
		Stack     string `yaml:"stack"`
		Node      string `yaml:"node"`
		Task      string `yaml:"task"`
		Container string `yaml:"container"`
	} `yaml:"labels"`
}

// Prometheus is Prometheus' endpoint and the name of the label that names a service.
type Prometheus struct {
	Endpoint     `yaml:",inline"`
	ServiceLabel string `yaml:"service-label"`
}

// Harbor is the API of a Harbor, which tells what the scans of images found. Registries are its hosts in image names, where they are others than the address's.
type Harbor struct {
	Endpoint   `yaml:",inline"`
	Registries []string `yaml:"registries"`
}

// Portainer is the API of a Portainer, which tells how stacks are deployed. TokenFile holds an access token.
type Portainer struct {
	Endpoint  `yaml:",inline"`
	TokenFile string `yaml:"token-file"`
}

// S3 is where backups are: s3+http(s)://host/bucket/prefix. Keys come from AWS_* variables or files.
type S3 struct {
	Address string `yaml:"address"`
	// RunnerImage does the work; RepositorySecret is the swarm secret with the repository's address and keys.
	RunnerImage      string `yaml:"runner-image"`
	RepositorySecret string `yaml:"repository-secret"`
}

// TLS is whom to trust and who we are.
type TLS struct {
	CA         string `yaml:"ca"`
	Cert       string `yaml:"cert"`
	Key        string `yaml:"key"`
	ServerName string `yaml:"server-name"`
	Insecure   bool   `yaml:"insecure"`
}

// Source is the same as adapters take it.
func (t TLS) Source() sources.TLS {
	return sources.TLS{CAFile: t.CA, CertFile: t.Cert, KeyFile: t.Key, ServerName: t.ServerName, Insecure: t.Insecure}
}

// Duration is a time.Duration written as Go writes it: 15s, 2m.
type Duration time.Duration

// UnmarshalYAML reads it, and says what is wrong with it and where.
func (d *Duration) UnmarshalYAML(n *yaml.Node) error {
	v, err := time.ParseDuration(n.Value)
	if err != nil || v < 0 {
		return fmt.Errorf("line %d: %q is no duration such as 15s or 2m", n.Line, n.Value)
	}
	*d = Duration(v)
	return nil
}

// DefaultPath is where the file is looked for: $XDG_CONFIG_HOME/quarterdeck/config.yaml.
func DefaultPath() string { return filepath.Join(xdg.ConfigHome, "quarterdeck", "config.yaml") }

// Load reads a file; an empty path means the default one, which may be missing.
func Load(path string) (*File, error) {
	asked := path != ""
	if !asked {
		path = DefaultPath()
	}
	f, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) && !asked {
		return &File{}, nil
	}
	if err != nil {
		return nil, fmt.Errorf("config: %w", err)
	}
	defer f.Close()
	body, err := io.ReadAll(io.LimitReader(f, MaxFile+1))
	if err != nil {
		return nil, fmt.Errorf("config: %s: %w", path, err)
	}
	out, err := Parse(body)
	if err != nil {
		return nil, fmt.Errorf("config: %s: %w", path, err)
	}
	out.Path = path
	return out, nil
}

// Parse reads a file's text. Unknown and doubled keys are errors that name their line.
func Parse(body []byte) (*File, error) {
	if len(body) > MaxFile {
		return nil, fmt.Errorf("it is larger than %d KiB", MaxFile>>10)
	}
	var out File
	dec := yaml.NewDecoder(bytes.NewReader(body))
	dec.KnownFields(true)
	if err := dec.Decode(&out); err != nil && !errors.Is(err, io.EOF) {
		return nil, plainError(err)
	}
	if out.Context != "" {
		if _, ok := out.Contexts[out.Context]; !ok {
			return nil, fmt.Errorf("context %q is not among the contexts: %s", out.Context, strings.Join(out.Names(), ", "))
		}
	}
	return &out, nil
}

// Names are the contexts' names, sorted.
func (f *File) Names() []string {
	var names []string
	for n := range f.Contexts {
		names = append(names, n)
	}
	sort.Strings(names)
	return names
}

var unknownField = regexp.MustCompile(`line (\d+): field (\S+) not found in type \S+`)

// plainError says what yaml found in the user's words: the line and the key.
func plainError(err error) error {
	var te *yaml.TypeError
	if !errors.As(err, &te) {
		return errors.New(strings.TrimPrefix(err.Error(), "yaml: "))
	}
	var lines []string
	for _, line := range te.Errors {
		lines = append(lines, unknownField.ReplaceAllString(line, "line $1: unknown key \"$2\""))
	}
	return fmt.Errorf("%s (see `quarterdeck doctor --example` for every key)", strings.Join(lines, "; "))
}
