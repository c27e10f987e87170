package loki

import (
	"context"
	"net/url"
	"time"

	"quarterdeck/sources"
)

// hello asks once what the server is, which also tells how its clock stands to ours. A server that does
// not say (a proxy in between allows queries only) is no failure.
func (c *Client) hello(ctx context.Context) {
	if c.version.Load() != nil {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, 3*time.Second)
	defer cancel()
	v, err := c.buildInfo(ctx)
	if err == nil || sources.KindOf(err) != 0 && sources.KindOf(err) != sources.Unreachable {
		c.version.Store(&v) // "" where it answers and does not say: it is not asked again
	}
}

// buildInfo is the version that the server says it is, or "".
func (c *Client) buildInfo(ctx context.Context) (string, error) {
	// Answered without the envelope of the other calls.
	var v struct {
		Version string `json:"version"`
	}
	err := c.getPlain(ctx, "ask for the version", "/loki/api/v1/status/buildinfo", url.Values{}, &v)
	return v.Version, err
}
