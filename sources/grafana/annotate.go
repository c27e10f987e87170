package grafana

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"quarterdeck/sources"
)

// Times are Unix milliseconds. Without a dashboard and a panel the annotation is the organisation's and is shown by every dashboard
// that asks for its tags.
type wireAnnotation struct {
	Time    int64    `json:"time"`
	TimeEnd int64    `json:"timeEnd,omitempty"`
	Tags    []string `json:"tags,omitempty"`
	Text    string   `json:"text"`
}

// Annotate makes an annotation of the organisation. A zero From is now. BadQuestion: it has no text, or ends before it begins. Tried once:
// after Unreachable it may be there or not.
func (c *Client) Annotate(ctx context.Context, a sources.Annotation) error {
	const op = "make an annotation"
	if a.From.IsZero() {
		a.From = time.Now()
	}
	var wrong error
	switch {
	case strings.TrimSpace(a.Text) == "":
		wrong = errors.New("an annotation needs a text")
	case !a.To.IsZero() && a.To.Before(a.From):
		wrong = errors.New("the annotation ends before it begins")
	}
	if wrong != nil {
		return &sources.Error{Source: name, Op: op, Kind: sources.BadQuestion, Next: "correct the annotation", Err: wrong}
	}
	w := wireAnnotation{Time: a.From.UnixMilli(), Text: a.Text}
	if !a.To.IsZero() {
		w.TimeEnd = a.To.UnixMilli()
	}
	for _, t := range a.Tags {
		if t = strings.TrimSpace(t); t != "" && !slices.Contains(w.Tags, t) {
			w.Tags = append(w.Tags, t)
		}
	}
	var answer struct {
		ID int64 `json:"id"`
	}
	if err := c.call(ctx, op, http.MethodPost, "/api/annotations", nil, w, &answer); err != nil {
		return err
	}
	if answer.ID == 0 {
		return &sources.Error{Source: name, Op: op, Kind: sources.BadAnswer, Next: "check that the address is Grafana's own", Err: errors.New("the answer names no annotation")}
	}
	return nil
}

// Probe asks for the version, which needs no login, and tries to read annotations, which does. That annotations may be made is not tried,
// because it would make one: it is listed as neither allowed nor missing.
func (c *Client) Probe(ctx context.Context) sources.Probe {
	began := time.Now()
	p := sources.Probe{Name: name, Address: c.api.Shown, State: sources.Live}
	var health struct{ Version, Database string }
	err := c.call(ctx, "ask for its health", http.MethodGet, "/api/health", nil, nil, &health)
	if err != nil {
		p.State, p.Fix, p.Missing = sources.StateOf(err), err.Error(), []string{"health"}
		p.Took = time.Since(began)
		return p
	}
	p.Version, p.Allows = health.Version, []string{"health"}
	var found []struct{}
	if err := c.call(ctx, "read annotations", http.MethodGet, "/api/annotations", url.Values{"limit": {"1"}}, nil, &found); err != nil {
		p.State, p.Fix, p.Missing = sources.StateOf(err), err.Error(), []string{"annotations"}
	} else {
		p.Allows = append(p.Allows, "annotations")
	}
	if p.Fix == "" && health.Database != "" && health.Database != "ok" {
		p.State, p.Fix = sources.Faulty, "Grafana says of its database: "+health.Database
	}
	p.Took = time.Since(began)
	return p
}

// annotationsMost is how many annotations are read at once.
const annotationsMost = 1000

var _ sources.Annotations = (*Client)(nil)

// Annotations are those that touch a window, the oldest first. What Grafana itself notes of its own alert rules is not among them:
// type=annotation (api/annotations).
func (c *Client) Annotations(ctx context.Context, from, to time.Time) ([]sources.Annotation, error) {
	q := url.Values{"from": {strconv.FormatInt(from.UnixMilli(), 10)}, "to": {strconv.FormatInt(to.UnixMilli(), 10)}, "limit": {strconv.Itoa(annotationsMost)}, "type": {"annotation"}}
	var wire []wireAnnotation
	if err := c.call(ctx, "read annotations", http.MethodGet, "/api/annotations", q, nil, &wire); err != nil {
		return nil, err
	}
	out := make([]sources.Annotation, 0, len(wire))
	for i := range wire {
		w := &wire[i]
		a := sources.Annotation{From: time.UnixMilli(w.Time).UTC(), Tags: w.Tags, Text: w.Text}
		if w.TimeEnd > w.Time {
			a.To = time.UnixMilli(w.TimeEnd).UTC()
		}
		out = append(out, a)
	}
	slices.SortStableFunc(out, func(a, b sources.Annotation) int { return a.From.Compare(b.From) })
	return out, nil
}
