package config

import (
	"fmt"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/adrg/xdg"
)

// Flags are the global flags as given; the zero value of each means: not given.
type Flags struct {
	Config, Context, Host, WriteHost, Loki, Prometheus, Alertmanager, Grafana, S3 string
	ReadOnly                                                                      bool
	Theme, LogFile, Output                                                        string
	Timeout                                                                       time.Duration
}

// Settings are what is in force.
type Settings struct {
	// Name is the context's name, or "default".
	Name string
	Context
	Theme     string
	LogFile   string
	Output    string
	Timeout   time.Duration
	Mouse     bool
	ASCII     bool
	NoColor   bool
	LogMemory int // MiB
	// StateDir is where journal and history are kept; Actor is who acts, "" where neither file nor environment says.
	StateDir, Actor string
	// Path is the configuration file's, "" where there is none.
	Path string
	// Getenv is the environment that they are of, for the keys that are in none of their fields (AWS_…).
	Getenv func(string) string
}

// Defaults that neither flag, environment nor file set.
const (
	DefaultTimeout   = 15 * time.Second
	DefaultLogMemory = 24 // MiB: about 120,000 lines; once it is full the heap may be as much again until the collector runs
)

// Resolve joins flag, environment, file and default, in that order of precedence.
func Resolve(flags Flags, getenv func(string) string) (*Settings, error) {
	file, err := Load(first(flags.Config, getenv("QUARTERDECK_CONFIG")))
	if err != nil {
		return nil, err
	}
	s := &Settings{Path: file.Path, Getenv: getenv, Name: first(flags.Context, getenv("QUARTERDECK_CONTEXT"), file.Context)}
	if s.Name != "" {
		c, ok := file.Contexts[s.Name]
		if !ok {
			return nil, fmt.Errorf("context %q is not in %s; it has: %s", s.Name, first(file.Path, DefaultPath()), first(strings.Join(file.Names(), ", "), "none"))
		}
		s.Context = c
	} else {
		s.Name = "default"
	}
	// A host named by DOCKER_HOST or the current Docker context comes after the file's: the swarm
	// source looks those up itself where Host stays empty.
	if host := first(flags.Host, getenv("DOCKER_HOST")); host != "" {
		s.Host, s.Hosts, s.DockerContext = host, nil, "" // the file's other endpoints may be another swarm's
	}
	override(&s.WriteHost, flags.WriteHost, getenv("QUARTERDECK_WRITE_HOST"))
	override(&s.Loki.Address, flags.Loki, getenv("LOKI_ADDR"))
	override(&s.Prometheus.Address, flags.Prometheus, getenv("PROMETHEUS_URL"))
	override(&s.Alertmanager.Address, flags.Alertmanager, getenv("ALERTMANAGER_URL"))
	override(&s.Grafana.Address, flags.Grafana, getenv("GRAFANA_URL"))
	override(&s.S3.Address, flags.S3, getenv("QUARTERDECK_S3"))
	override(&s.S3.RunnerImage, getenv("QUARTERDECK_RUNNER_IMAGE"))
	override(&s.S3.RepositorySecret, getenv("QUARTERDECK_REPOSITORY_SECRET"))
	lokiLogin(&s.Loki.Endpoint, getenv)
	readOnly, err := truth("QUARTERDECK_READ_ONLY", getenv)
	if err != nil {
		return nil, err
	}
	s.ReadOnly = s.ReadOnly || flags.ReadOnly || readOnly
	s.Theme = first(flags.Theme, getenv("QUARTERDECK_THEME"), file.Theme)
	s.LogFile = first(flags.LogFile, getenv("QUARTERDECK_LOG_FILE"), file.LogFile)
	s.Output = flags.Output
	s.NoColor = getenv("NO_COLOR") != ""
	s.ASCII = file.ASCII
	s.Mouse = file.Mouse == nil || *file.Mouse
	s.StateDir = first(getenv("QUARTERDECK_STATE_DIR"), file.StateDir, filepath.Join(xdg.StateHome, "quarterdeck"))
	s.Actor = first(getenv("QUARTERDECK_ACTOR"), file.Actor)
	s.Timeout = flags.Timeout
	if s.Timeout == 0 {
		s.Timeout = time.Duration(file.Timeout)
	}
	if s.Timeout == 0 {
		s.Timeout = DefaultTimeout
	}
	s.LogMemory = file.LogMemory
	if s.LogMemory == 0 {
		s.LogMemory = DefaultLogMemory
	}
	return s, nil
}

// lokiLogin takes logcli's own variables, which people have set already
// (https://grafana.com/docs/loki/latest/query/logcli/, "LogCLI configuration").
func lokiLogin(e *Endpoint, getenv func(string) string) {
	override(&e.Username, getenv("LOKI_USERNAME"))
	override(&e.Password, getenv("LOKI_PASSWORD"))
	override(&e.BearerToken, getenv("LOKI_BEARER_TOKEN"))
	override(&e.BearerTokenFile, getenv("LOKI_BEARER_TOKEN_FILE"))
	override(&e.Tenant, getenv("LOKI_ORG_ID"))
	override(&e.TLS.CA, getenv("LOKI_CA_CERT_PATH"))
	override(&e.TLS.Cert, getenv("LOKI_CLIENT_CERT_PATH"))
	override(&e.TLS.Key, getenv("LOKI_CLIENT_KEY_PATH"))
}

func truth(name string, getenv func(string) string) (bool, error) {
	v := getenv(name)
	if v == "" {
		return false, nil
	}
	b, err := strconv.ParseBool(v)
	if err != nil {
		return false, fmt.Errorf("%s=%q is neither true nor false", name, v)
	}
	return b, nil
}

// override sets *to to the first value that is given.
func override(to *string, values ...string) {
	if v := first(values...); v != "" {
		*to = v
	}
}

func first(values ...string) string {
	for _, v := range values {
		if v != "" {
			return v
		}
	}
	return ""
}
