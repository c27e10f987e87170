package sources

import (
	"context"
	"strings"
	"time"
)

// AlertLabels are the labels that name an alert's service where no setting says otherwise, the first that is
// present wins. "job" is not among them: it names a scrape job, which is the exporter more often than the service.
var AlertLabels = []string{"swarm_service", "service_name", "container_label_com_docker_swarm_service_name", "service"}

// ServiceOf is the value of the first label of names that is present, or "". Traefik's "name@provider"
// loses its provider: no service's name has an @ in it.
func ServiceOf(labels map[string]string, names []string) string {
	for _, l := range names {
		if v, _, _ := strings.Cut(labels[l], "@"); v != "" {
			return v
		}
	}
	return ""
}

// AlertState is where an alert stands.
type AlertState string

// The states of an alert. Pending alerts are known to Prometheus alone.
const (
	Firing     AlertState = "firing"
	Pending    AlertState = "pending"
	Suppressed AlertState = "suppressed" // silenced or inhibited
)

// Alert is one alert.
type Alert struct {
	Fingerprint, Name, Severity, Service string
	State                                AlertState
	Since                                time.Time
	Ends                                 time.Time // zero: not known
	Summary                              string
	Labels, Annotations                  map[string]string
	SilencedBy, InhibitedBy              []string
	Receivers                            []string
	Generator                            string // URL of the rule in Prometheus
	Value                                string // of a pending or firing rule, as Prometheus has it
}

// Matcher selects alerts by a label.
type Matcher struct {
	Name, Value string
	Regexp      bool
	Negative    bool
}

// Silence mutes alerts between two moments.
type Silence struct {
	ID, Author, Comment, State string // state: active | pending | expired
	Starts, Ends               time.Time
	Matchers                   []Matcher
}

// AlertGroup is alerts that are notified together.
type AlertGroup struct {
	Receiver string
	Labels   map[string]string
	Alerts   []Alert
}

// Alerts is a source of alerts. Safe for concurrent use.
type Alerts interface {
	Alerts(ctx context.Context) ([]Alert, error)
	Groups(ctx context.Context) ([]AlertGroup, error)
	Silences(ctx context.Context) ([]Silence, error)
	// Silence makes a silence and returns its id.
	Silence(ctx context.Context, s Silence) (string, error)
	// Expire ends a silence now.
	Expire(ctx context.Context, id string) error
	Probe(ctx context.Context) Probe
}
