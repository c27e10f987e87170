package blueprint

import (
	"errors"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"

	"github.com/distribution/reference"
	"go.yaml.in/yaml/v3"

	"quarterdeck/sources/markdown"
)

// Param is something that only the team knows, or may know better.
type Param struct {
	Key, Text string
	// Default is taken where none is given; "": one must be given.
	Default string
	check   func(string) error
}

// Image tells whether the parameter is an image's reference.
func (p *Param) Image() bool { return strings.Contains(p.Key, "IMAGE") }

// Params are all parameters. Images have the exact version that was current when the files were written; a digest is in none, as what a
// tag names is its registry's to say: Rendered files take NAME:TAG@DIGEST as well.
var Params = []*Param{
	{Key: "DOMAIN", Text: "the domain under which all is served: www.DOMAIN, grafana.DOMAIN, …", check: matches(domainName, "a domain's name, as apps.example.com")},
	{Key: "ACME_MAIL", Text: "who is told by the certificates' issuer", check: matches(mailAddress, "a mail address")},
	{Key: "LOG_RETENTION", Text: "how long log lines are kept, in hours", Default: "744h", check: matches(hours, "hours, as 744h")},
	{Key: "METRICS_RETENTION", Text: "how long figures are kept", Default: "30d", check: matches(promTime, "a time as 30d or 12h")},
	{Key: "QUARTERDECK_S3", Text: "where backups go: s3+https://host/bucket/prefix", check: matches(s3Address, "s3+https://host/bucket/prefix")},
	{Key: "QUARTERDECK_IMAGE", Text: "Quarterdeck's image, as you have pushed it", check: image},
	{Key: "QUARTERDECK_RUNNER_IMAGE", Text: "the image of the backups' runner, as you have pushed it", check: image},
	{Key: "AWS_REGION", Text: "the object store's region", Default: "us-east-1", check: matches(word, "a region's name")},
	{Key: "CACHE_MEMORY", Text: "how much the cache may hold", Default: "256mb", check: matches(redisMemory, "an amount as 256mb or 1gb")},
	{Key: "CACHE_LIMIT", Text: "the memory limit of the cache's task: well above CACHE_MEMORY", Default: "384M", check: matches(memory, "an amount as 384M or 2G")},
	{Key: "POSTGRES_ADDRESS", Text: "host:port of Postgres, in the network data", check: matches(hostPort, "host:port")},
	{Key: "POSTGRES_USER", Text: "the user of Postgres with the role pg_monitor", Default: "monitor", check: matches(word, "a user's name")},
	{Key: "POSTGRES_TLS", Text: "whether the exporter asks Postgres for TLS: disable, require, verify-full", Default: "disable", check: matches(regexp.MustCompile(`^(disable|require|verify-full)$`), "disable, require or verify-full")},
	{Key: "IMAGE_TRAEFIK", Text: "Traefik", Default: "traefik:v3.7.13", check: image},
	{Key: "IMAGE_SOCKET_PROXY", Text: "the proxy before the engine's socket", Default: "tecnativa/docker-socket-proxy:v0.5.0", check: image},
	{Key: "IMAGE_WEB", Text: "the example's image: it serves on 8080 and has wget", Default: "nginxinc/nginx-unprivileged:1.29.3-alpine", check: image},
	{Key: "IMAGE_LOKI", Text: "Loki, 3.7 or later: its health check is the binary's own", Default: "grafana/loki:3.7.8", check: image},
	{Key: "IMAGE_ALLOY", Text: "Alloy", Default: "grafana/alloy:v1.19.2", check: image},
	{Key: "IMAGE_PROMETHEUS", Text: "Prometheus", Default: "prom/prometheus:v3.16.0", check: image},
	{Key: "IMAGE_CADVISOR", Text: "cAdvisor, 0.54 or later: older ones lose the labels on Docker 29", Default: "ghcr.io/google/cadvisor:v0.60.5", check: image},
	{Key: "IMAGE_NODE_EXPORTER", Text: "node-exporter", Default: "prom/node-exporter:v1.12.1", check: image},
	{Key: "IMAGE_ALERTMANAGER", Text: "Alertmanager", Default: "prom/alertmanager:v0.35.0", check: image},
	{Key: "IMAGE_GRAFANA", Text: "Grafana", Default: "grafana/grafana:12.3.1", check: image},
	{Key: "IMAGE_REGISTRY", Text: "the registry", Default: "registry:3.0.0", check: image},
	{Key: "IMAGE_REDIS", Text: "Redis", Default: "redis:8.2.2-alpine", check: image},
	{Key: "IMAGE_REDIS_EXPORTER", Text: "the exporter of Redis, of the images with a shell (-alpine)", Default: "oliver006/redis_exporter:v1.69.0-alpine", check: image},
	{Key: "IMAGE_POSTGRES_EXPORTER", Text: "the exporter of Postgres", Default: "prometheuscommunity/postgres-exporter:v0.19.1", check: image},
}

var (
	domainName  = regexp.MustCompile(`^([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z][a-z0-9-]*[a-z0-9]$`)
	mailAddress = regexp.MustCompile(`^[A-Za-z0-9._%+-]+@[A-Za-z0-9-]+(\.[A-Za-z0-9-]+)+$`)
	hours       = regexp.MustCompile(`^[1-9][0-9]*h$`)
	promTime    = regexp.MustCompile(`^[1-9][0-9]*[hdwy]$`)
	s3Address   = regexp.MustCompile(`^s3\+https?://[A-Za-z0-9.:-]+/[A-Za-z0-9._/-]+$`)
	word        = regexp.MustCompile(`^[A-Za-z0-9_][A-Za-z0-9_.-]*$`)
	redisMemory = regexp.MustCompile(`^[1-9][0-9]*(mb|gb)$`)
	memory      = regexp.MustCompile(`^[1-9][0-9]*[MG]$`)
	hostPort    = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]*:[0-9]{1,5}$`)
)

func matches(re *regexp.Regexp, what string) func(string) error {
	return func(v string) error {
		if !re.MatchString(v) {
			return errors.New("it is to be " + what)
		}
		return nil
	}
}

// image refuses what is no reference and what can be another program tomorrow.
func image(v string) error {
	named, err := reference.ParseNormalizedNamed(v)
	if err != nil {
		return errors.New("it is no image's reference")
	}
	if _, pinned := named.(reference.Digested); pinned {
		return nil
	}
	if t, ok := named.(reference.Tagged); !ok || t.Tag() == "latest" {
		return errors.New("it has no tag, or latest: name a version, or a digest")
	}
	return nil
}

// ErrValue is what is wrong with a value, or that there is none.
var ErrValue = errors.New("blueprint")

// Find is a parameter by its key; nil: there is none.
func Find(key string) *Param {
	for _, p := range Params {
		if p.Key == key {
			return p
		}
	}
	return nil
}

// maxValue bounds a value.
const maxValue = 400

// Check holds a value against its parameter. The value itself is in no error: it may be anything.
func Check(key, value string) error {
	p := Find(key)
	switch {
	case p == nil:
		return fmt.Errorf("%w: there is no parameter %q: see `quarterdeck blueprint list`", ErrValue, key)
	case len(value) > maxValue || markdown.Harmless(value) != value:
		return fmt.Errorf("%w: the value of %s has a line break or another character that is not printed, or is longer than %d bytes", ErrValue, key, maxValue)
	}
	if err := p.check(value); err != nil {
		return fmt.Errorf("%w: %s, %s: %w", ErrValue, key, p.Text, err)
	}
	return nil
}

// Values are values by their parameters' keys.
type Values map[string]string

// ReadValues reads a YAML file of values: KEY: VALUE, one a line.
func ReadValues(body []byte) (Values, error) {
	var nodes map[string]yaml.Node
	if err := yaml.Unmarshal(body, &nodes); err != nil {
		return nil, fmt.Errorf("%w: the file of values: %w", ErrValue, err)
	}
	out := Values{}
	for _, k := range slices.Sorted(maps.Keys(nodes)) {
		n := nodes[k]
		if n.Kind != yaml.ScalarNode {
			return nil, fmt.Errorf("%w: the file of values: %q is no single value", ErrValue, k)
		}
		if err := Check(k, n.Value); err != nil {
			return nil, err
		}
		out[k] = n.Value
	}
	return out, nil
}

// Fill gives the values that the stacks need, from what is given and the defaults. All that are missing are named at once.
func Fill(stacks []*Stack, given Values) (Values, error) {
	out, missing := Values{}, []string{}
	for _, k := range slices.Sorted(maps.Keys(given)) {
		if err := Check(k, given[k]); err != nil {
			return nil, err
		}
	}
	for _, p := range paramsOf(stacks) {
		switch v := given[p.Key]; {
		case v != "":
			out[p.Key] = v
		case p.Default != "":
			out[p.Key] = p.Default
		default:
			missing = append(missing, fmt.Sprintf("%s (%s)", p.Key, p.Text))
		}
	}
	if len(missing) > 0 {
		return nil, fmt.Errorf("%w: no value for %s: give it with --set KEY=VALUE or in --values FILE", ErrValue, strings.Join(missing, "; "))
	}
	return out, nil
}

// Missing are the parameters of the stack that need a value and have none in given.
func (s *Stack) Missing(given Values) []*Param {
	return slices.DeleteFunc(s.Params(), func(p *Param) bool { return p.Default != "" || given[p.Key] != "" })
}

var variable = regexp.MustCompile(`\$\{([A-Z0-9_]+)`)

// Params are the parameters that a stack's files have.
func (s *Stack) Params() []*Param {
	return paramsOf([]*Stack{s})
}

func paramsOf(stacks []*Stack) []*Param {
	used := map[string]bool{}
	for _, s := range stacks {
		for _, f := range s.Compose {
			body, err := s.read(f)
			if err != nil { // it is embedded
				panic(err)
			}
			for _, m := range variable.FindAllSubmatch(body, -1) {
				used[string(m[1])] = true
			}
		}
	}
	return slices.DeleteFunc(slices.Clone(Params), func(p *Param) bool { return !used[p.Key] })
}
