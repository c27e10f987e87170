package loki

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"sync/atomic"
	"time"

	"quarterdeck/sources"
)

const name = "loki"

// Labels are the stream labels that say where a line comes from. The defaults are those of
// Grafana's Docker log driver: swarm_service, swarm_stack, host, "" and container_name.
type Labels struct {
	Service, Stack, Node string
	// Task holds a task's id. Where it is "", the id is the last part of Container (web.1.<task id>).
	Task      string
	Container string
}

// Options say where Loki is and how its labels are called.
type Options struct {
	Access sources.Access
	Labels Labels
	// DelayFor is the tail's delay_for, 0 to 5 s: how long Loki waits for lines that come late. 0 is right
	// here, where the tail only wakes and the reorder window is ours.
	DelayFor time.Duration
	Logger   *slog.Logger // nil: silent
}

// Client speaks Loki's HTTP API. It implements [sources.Logs] and is safe for concurrent use.
type Client struct {
	access  sources.Access
	labels  Labels
	delay   time.Duration
	log     *slog.Logger
	base    *url.URL
	http    *http.Client
	patient *patient     // its transport
	socket  *http.Client // without a time-out, for the tail
	streams *interner
	pace    pace
	memo    memo
	// stretches are how much time to ask for at first.
	stretches stretches
	reach     reach

	// pageMax is the most lines that one answer may have, as the server said; starts at defaultPage.
	pageMax atomic.Int64
	// skew is the server's clock less ours in nanoseconds, 0 where they agree within clockSlack.
	skew    atomic.Int64
	version atomic.Pointer[string]
	// stop ends every Follow.
	stop    context.Context
	stopNow context.CancelFunc
}

var (
	_ sources.Logs      = (*Client)(nil)
	_ sources.Horizoner = (*Client)(nil)
)

var labelName = regexp.MustCompile(`^[a-zA-Z_][a-zA-Z0-9_]*$`)

// New makes a client; it does no I/O. Settings that cannot work are an error here.
func New(o Options) (*Client, error) {
	if o.Access.Source == "" {
		o.Access.Source = name
	}
	l, err := o.Labels.withDefaults()
	if err != nil {
		return nil, err
	}
	if o.DelayFor < 0 || o.DelayFor > 5*time.Second {
		return nil, &sources.Error{Source: name, Kind: sources.BadQuestion, Op: "connect",
			Next: "set sources.loki.delay_for to 0s..5s", Err: fmt.Errorf("delay_for %s is not allowed by loki", o.DelayFor)}
	}
	base, err := o.Access.URL()
	if err != nil {
		return nil, err
	}
	hc, err := o.Access.Client()
	if err != nil {
		return nil, err
	}
	base.User, base.RawQuery, base.Fragment = nil, "", ""
	// People paste the push or the query address; what follows the API's root is not part of the base.
	if i := strings.Index(base.Path, "/loki/api/"); i >= 0 {
		base.Path = base.Path[:i]
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	c := &Client{
		access: o.Access, labels: l, delay: o.DelayFor, log: o.Logger.With("source", name), base: base,
		http: hc, socket: &http.Client{Transport: hc.Transport}, streams: newInterner(l), pace: defaultPace(),
	}
	c.pageMax.Store(defaultPage)
	c.stop, c.stopNow = context.WithCancel(context.Background())
	c.patient = &patient{base: hc.Transport, stop: c.stop, after: abandonAfter}
	c.http.Transport = c.patient
	return c, nil
}

func (l Labels) withDefaults() (Labels, error) {
	def := func(p *string, v string) {
		if *p == "" {
			*p = v
		}
	}
	def(&l.Service, "swarm_service")
	def(&l.Stack, "swarm_stack")
	def(&l.Node, "host")
	def(&l.Container, "container_name")
	for _, s := range []struct{ key, value string }{
		{"service", l.Service}, {"stack", l.Stack}, {"node", l.Node}, {"task", l.Task}, {"container", l.Container},
	} {
		if s.value != "" && !labelName.MatchString(s.value) {
			return l, &sources.Error{Source: name, Kind: sources.BadQuestion, Op: "connect",
				Next: "a label's name is letters, digits and _; correct sources.loki.labels." + s.key,
				Err:  errNoLabel(s.value)}
		}
	}
	return l, nil
}

// Name is "loki".
func (c *Client) Name() string { return name }

// Close ends every Follow of this client, and what goes on of questions that were called off, and lets its connections go.
func (c *Client) Close() error {
	c.stopNow()
	c.patient.close()
	c.http.CloseIdleConnections()
	return nil
}

// Ready asks /ready. A Loki that is starting answers 503 with its reason.
func (c *Client) Ready(ctx context.Context) error {
	body, err := c.get(ctx, "ask whether it is ready", "/ready", nil, 1)
	if err != nil {
		return err
	}
	defer drain(body)
	b, err := io.ReadAll(io.LimitReader(body, 512))
	if err != nil {
		return c.transportErr("ask whether it is ready", err)
	}
	if looksHTML(b) {
		return c.notLoki("ask whether it is ready", b)
	}
	return nil
}

// now is the time as the server has it, as far as we know.
func (c *Client) now() time.Time { return time.Now().Add(time.Duration(c.skew.Load())) }
