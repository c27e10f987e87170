package grafana

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"strconv"

	"quarterdeck/sources"
)

// Bounds of the list of dashboards. The page is the most that Grafana gives at once (HTTP API, "Folder/Dashboard Search": limit).
const (
	dashboardPage  = 5000
	dashboardPages = 4
)

var _ sources.Dashboards = (*Client)(nil)

// Dashboards lists those that the token may see. More than 20,000 are an OverLimit error, with those that were read.
func (c *Client) Dashboards(ctx context.Context) ([]sources.Dashboard, error) {
	const op = "list dashboards"
	var out []sources.Dashboard
	for page := 1; page <= dashboardPages; page++ {
		var hits []struct {
			UID, Title, URL, FolderTitle string
			Tags                         []string
		}
		q := url.Values{"type": {"dash-db"}, "limit": {strconv.Itoa(dashboardPage)}, "page": {strconv.Itoa(page)}}
		if err := c.call(ctx, op, http.MethodGet, "/api/search", q, nil, &hits); err != nil {
			if e, ok := err.(*sources.Error); ok && e.Kind == sources.Forbidden { //nolint:errorlint // as call made it
				e.Next = "the token's role does not allow it: reading needs the permission dashboards:read, which a Viewer has"
			}
			return out, err
		}
		for _, h := range hits {
			out = append(out, sources.Dashboard{UID: h.UID, Title: h.Title, Folder: h.FolderTitle, Tags: h.Tags, Path: h.URL})
		}
		if len(hits) < dashboardPage {
			return out, nil
		}
	}
	return out, &sources.Error{Source: name, Op: op, Kind: sources.OverLimit, Err: fmt.Errorf("there are more than %d", dashboardPage*dashboardPages), Next: "give the console a token that sees the folders of the services alone"}
}
