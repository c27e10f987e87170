package alertmanager

import (
	"context"
	"net/http"
	"time"

	"quarterdeck/sources"
)

type wireStatus struct {
	VersionInfo struct {
		Version string `json:"version"`
	} `json:"versionInfo"`
	Cluster struct {
		Status string `json:"status"` // ready | settling | disabled
	} `json:"cluster"`
}

func (c *Client) status(ctx context.Context) (wireStatus, error) {
	var s wireStatus
	err := c.call(ctx, "ask for the status", http.MethodGet, "/api/v2/status", nil, nil, &s)
	return s, err
}

// Probe reads the version and tries what can be tried without changing anything. That silences may be
// made is not tried: it is listed as neither allowed nor missing.
func (c *Client) Probe(ctx context.Context) sources.Probe {
	began := time.Now()
	p := sources.Probe{Name: name, Address: c.api.Shown, State: sources.Live}
	st, err := c.status(ctx)
	p.Version = st.VersionInfo.Version
	tried := []struct {
		ability string
		try     func() error
	}{
		{"status", func() error { return err }},
		{"alerts", func() error { _, err := c.Alerts(ctx); return err }},
		{"groups", func() error { _, err := c.Groups(ctx); return err }},
		{"silences", func() error { _, err := c.Silences(ctx); return err }},
	}
	for _, t := range tried {
		failed := t.try()
		if failed == nil {
			p.Allows = append(p.Allows, t.ability)
			continue
		}
		p.Missing = append(p.Missing, t.ability)
		if p.Fix == "" {
			p.Fix = sources.NextOf(failed)
		}
		// Alerts are what this source is for: without them it is in the state of that failure.
		if t.ability == "alerts" {
			p.State, p.Fix = sources.StateOf(failed), failed.Error()
			break
		}
	}
	if p.Fix == "" && st.Cluster.Status == "settling" {
		p.Fix = "the cluster is still settling: notifications wait for it"
	}
	p.Took = time.Since(began)
	return p
}
