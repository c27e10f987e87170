package sources

import (
	"context"
	"fmt"
	"regexp"
	"strconv"
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

// String is the matcher as Alertmanager's own tools write it: service="web", job!~"a|b"; the quotes only where they are needed.
func (m Matcher) String() string {
	value := m.Value
	if value == "" || strings.ContainsFunc(value, func(r rune) bool { return r <= ' ' || strings.ContainsRune("\"'{},=~\\", r) }) {
		value = strconv.Quote(value)
	}
	return m.Name + m.Op() + value
}

// Op is the matcher's operator: = != =~ or !~.
func (m Matcher) Op() string {
	switch {
	case m.Regexp && m.Negative:
		return "!~"
	case m.Regexp:
		return "=~"
	case m.Negative:
		return "!="
	}
	return "="
}

// matcherForm is one matcher; the value may be in quotes.
var matcherForm = regexp.MustCompile(`(?s)^\s*([a-zA-Z_][a-zA-Z0-9_]*)\s*(=~|!~|!=|=)\s*(.*?)\s*$`)

// ParseMatcher reads what String writes, and the same without quotes.
func ParseMatcher(text string) (Matcher, error) {
	p := matcherForm.FindStringSubmatch(text)
	if p == nil {
		return Matcher{}, fmt.Errorf("%q is no matcher such as service=web or alertname=~\"High.*\"", text)
	}
	m := Matcher{Name: p[1], Value: p[3], Regexp: p[2] == "=~" || p[2] == "!~", Negative: p[2][0] == '!'}
	if strings.HasPrefix(m.Value, `"`) {
		v, err := strconv.Unquote(m.Value)
		if err != nil {
			return Matcher{}, fmt.Errorf("%q: the quotes do not match", text)
		}
		m.Value = v
	}
	if m.Regexp {
		if _, err := regexp.Compile("^(?:" + m.Value + ")$"); err != nil {
			return Matcher{}, fmt.Errorf("%q: %w", text, err)
		}
	}
	return m, nil
}

// Muter tells which alerts a set of matchers mutes. Made once for many alerts: it has the regexps compiled.
type Muter struct {
	matchers []Matcher
	re       []*regexp.Regexp
}

// NewMuter compiles matchers as Alertmanager does: anchored at both ends.
func NewMuter(ms []Matcher) (*Muter, error) {
	u := &Muter{matchers: ms, re: make([]*regexp.Regexp, len(ms))}
	for i, m := range ms {
		if m.Regexp {
			re, err := regexp.Compile("^(?:" + m.Value + ")$")
			if err != nil {
				return nil, fmt.Errorf("matcher of %s: %w", m.Name, err)
			}
			u.re[i] = re
		}
	}
	return u, nil
}

// Mutes tells whether all matchers hold for a set of labels; a label that is not there is empty.
func (u *Muter) Mutes(labels map[string]string) bool {
	for i, m := range u.matchers {
		v := labels[m.Name]
		hit := v == m.Value
		if m.Regexp {
			hit = u.re[i].MatchString(v)
		}
		if hit == m.Negative {
			return false
		}
	}
	return len(u.matchers) > 0
}

// nobody is a label's value that no alert has.
const nobody = "\x01quarterdeck\x01"

// Everything tells whether the matchers name nothing: they mute an alert without labels, or one whose labels are whatever.
// Alertmanager refuses the first alone.
func (u *Muter) Everything() bool {
	unheard := map[string]string{}
	for _, m := range u.matchers {
		unheard[m.Name] = nobody
	}
	return u.Mutes(nil) || u.Mutes(unheard)
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
