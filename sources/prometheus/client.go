package prometheus

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/prometheus/client_golang/api"
	v1 "github.com/prometheus/client_golang/api/prometheus/v1"
	"github.com/prometheus/common/model"

	"quarterdeck/sources"
)

const name = "prometheus"

// atOnce bounds the questions that are under way at a time: Prometheus itself runs 20 (--query.max-concurrency)
// for everybody, and a console with many panes must not take them all.
const atOnce = 4

// Options say where Prometheus is and what is known of its labels.
type Options struct {
	Access sources.Access
	// ServiceLabel names the service in the container metrics; "" = discover.
	ServiceLabel string
	// AlertLabels are the labels that name an alert's service, the first present wins; nil = sources.AlertLabels.
	AlertLabels []string
	// ScrapeInterval of the container metrics; 0 = ask, and take DefaultScrape where that fails.
	ScrapeInterval time.Duration
	Logger         *slog.Logger
}

// Client is a source of metrics. It remembers what it has discovered for some minutes; safe for concurrent use.
type Client struct {
	api     v1.API
	http    *http.Client
	log     *slog.Logger
	shown   string
	timeout time.Duration

	serviceLabel string
	alertLabels  []string
	scrapeGiven  time.Duration

	label  memo[labelFinding]
	scrape memo[time.Duration]
	web    memo[webFinding]
	// scraped are the targets, as of some seconds ago, for saying why something is empty.
	scraped memo[[]sources.Target]

	catalog *catalog
}

var _ sources.Metrics = (*Client)(nil)

// New makes a client and asks nothing. An address or a label that cannot be one, or TLS files that
// cannot be read, are an error here.
func New(o Options) (*Client, error) {
	o.Access.Source = name
	base, err := o.Access.URL()
	if err != nil {
		return nil, err
	}
	if o.ServiceLabel != "" && !model.LegacyValidation.IsValidLabelName(o.ServiceLabel) {
		return nil, &sources.Error{Source: name, Op: "connect", Kind: sources.BadQuestion, Next: "correct the service label in the config",
			Err: fmt.Errorf("%q is no label's name", o.ServiceLabel)}
	}
	hc, err := o.Access.Client()
	if err != nil {
		return nil, err
	}
	// An address copied out of a browser or of another tool's config still works.
	base.RawQuery, base.Fragment, base.RawPath = "", "", ""
	base.Path = strings.TrimSuffix(strings.TrimSuffix(strings.TrimSuffix(base.Path, "/graph"), "/query"), "/api/v1")
	inner, err := api.NewClient(api.Config{Address: base.String(), Client: hc})
	if err != nil {
		return nil, &sources.Error{Source: name, Op: "connect", Kind: sources.BadQuestion, Next: "correct the address", Err: err}
	}
	c := &Client{
		http: hc, log: o.Logger, shown: o.Access.Shown(), timeout: hc.Timeout,
		serviceLabel: o.ServiceLabel, alertLabels: o.AlertLabels, scrapeGiven: o.ScrapeInterval,
		label: newMemo[labelFinding](), scrape: newMemo[time.Duration](), web: newMemo[webFinding](), scraped: newMemo[[]sources.Target](), catalog: newCatalog(),
	}
	if c.log == nil {
		c.log = slog.New(slog.DiscardHandler)
	}
	if c.alertLabels == nil {
		c.alertLabels = sources.AlertLabels
		if o.ServiceLabel != "" {
			c.alertLabels = append([]string{o.ServiceLabel}, sources.AlertLabels...)
		}
	}
	c.api = v1.NewAPI(&gate{inner: inner, slots: make(chan struct{}, atOnce), log: c.log})
	return c, nil
}

// Close lets the kept-alive connections go. The client can still be used after it.
func (c *Client) Close() error {
	c.http.CloseIdleConnections()
	return nil
}

// gate stands between the library and the wire. It bounds what is under way at once, and makes
// the domain's errors while status, type and body of the answer are still there: the library keeps the
// status only as words, and takes a login page for broken JSON.
type gate struct {
	inner api.Client
	slots chan struct{}
	log   *slog.Logger
}

// The library finds the method by this interface.
var _ api.Client = (*gate)(nil)

// Do implements [api.Client]. The response goes back together with the error, for the library's
// fall back from POST to GET (a read-only proxy answers POST with 403 or 405).
func (g *gate) Do(ctx context.Context, req *http.Request) (*http.Response, []byte, error) {
	select {
	case g.slots <- struct{}{}:
		defer func() { <-g.slots }()
	case <-ctx.Done():
		return nil, nil, ctx.Err()
	}
	began := time.Now()
	resp, body, err := g.inner.Do(ctx, req)
	if err != nil {
		g.log.DebugContext(ctx, "prometheus", "path", req.URL.Path, "took", time.Since(began), "err", err)
		return nil, nil, err
	}
	g.log.DebugContext(ctx, "prometheus", "path", req.URL.Path, "took", time.Since(began), "status", resp.StatusCode, "bytes", len(body))
	if resp.StatusCode/100 != 2 {
		return resp, body, fromAnswer(resp.StatusCode, body)
	}
	if trimmed := bytes.TrimSpace(body); bytes.HasPrefix(trimmed, []byte("<")) {
		return resp, body, &sources.Error{Source: name, Kind: sources.BadAnswer, Err: errors.New("the answer is a web page, not JSON"),
			Next: "check that the address is Prometheus' own, and that no login page stands before it"}
	} else if len(trimmed) == 0 {
		return resp, body, &sources.Error{Source: name, Kind: sources.BadAnswer, Err: errors.New("the answer is empty"), Next: "look at the server's own log, and at a proxy before it"}
	}
	return resp, body, nil
}

// URL implements [api.Client].
func (g *gate) URL(ep string, args map[string]string) *url.URL { return g.inner.URL(ep, args) }
