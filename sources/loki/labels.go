package loki

import (
	"context"
	"net/url"
	"slices"
	"time"
)

// Labels are the names of the stream labels in a window, or with a label's name its values; sorted.
// Zero times: the last hour.
func (c *Client) Labels(ctx context.Context, label string, since, until time.Time) ([]string, error) {
	from, to, err := c.window(since, until)
	if err != nil {
		return nil, err
	}
	path, op := "/loki/api/v1/labels", "list labels"
	if label != "" {
		if !labelName.MatchString(label) {
			return nil, badQuestion("a label's name is letters, digits and _", errNoLabel(label))
		}
		path, op = "/loki/api/v1/label/"+label+"/values", "list values of "+label
	}
	var out []string
	if err := c.getJSON(ctx, op, path, url.Values{"start": {nano(from)}, "end": {nano(to)}}, &out); err != nil {
		return nil, err
	}
	slices.Sort(out)
	return out, nil
}
