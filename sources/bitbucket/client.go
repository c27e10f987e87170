package bitbucket

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"quarterdeck/sources"
)

const name = "bitbucket"

// Address is Bitbucket Cloud's.
const Address = "https://api.bitbucket.org"

// stepPages bounds the pages of a run's steps.
const stepPages = 10

// Options say whose repositories are read. Access.Address is Address where it is empty. A workspace's or repository's access token goes into BearerToken, an
// API token of a person into Password with the person's e-mail address as Username.
type Options struct {
	Workspace string
	Access    sources.Access
	Logger    *slog.Logger // nil: silent
}

// Client reads pipelines. It holds no state but kept-alive connections; safe for concurrent use.
type Client struct {
	api       *sources.API
	workspace string
}

var _ sources.Pipelines = (*Client)(nil)

// New makes a client and asks nothing. A workspace that cannot be one, an address that cannot be one, or TLS files that cannot be read, are an error here.
func New(o Options) (*Client, error) {
	o.Access.Source, o.Access.Address = name, cmp.Or(o.Access.Address, Address)
	if strings.Contains(o.Workspace, "/") || !sources.IsRepository(o.Workspace) {
		return nil, &sources.Error{Source: name, Op: "connect", Kind: sources.BadQuestion, Err: fmt.Errorf("workspace %.100q is none", o.Workspace), Next: "set bitbucket.workspace in the config to the workspace's name as it stands in the repositories' addresses"}
	}
	api, err := sources.NewAPI("Bitbucket", "/2.0", o.Access, o.Logger)
	if err != nil {
		return nil, err
	}
	api.Refused = refused
	return &Client{api, o.Workspace}, nil
}

func refused(_ context.Context, path string, status int, e *sources.Error) {
	switch status {
	case http.StatusUnauthorized:
		e.Next = "check the token of bitbucket in the config: it may have expired or been withdrawn"
	case http.StatusForbidden:
		e.Next = "the token's scopes do not allow it: reading needs read:pipeline:bitbucket, starting write:pipeline:bitbucket"
	case http.StatusNotFound:
		e.Next = "check the names of the workspace and the repository in the config, and that the token may see it"
	case http.StatusBadRequest:
		if strings.HasSuffix(path, "/pipelines/") {
			e.Next = "check that the branch is there with a bitbucket-pipelines.yml, and that pipelines are enabled for the repository"
		}
	}
}

// Close lets the kept-alive connections go. The client can still be used after it.
func (c *Client) Close() error { return c.api.Close() }

// path is that of a repository, which may be named with its workspace.
func (c *Client) path(op, repository string) (string, error) {
	if !sources.IsRepository(repository) {
		return "", &sources.Error{Source: name, Op: op, Kind: sources.BadQuestion, Err: fmt.Errorf("%.100q names no repository", repository), Next: "give the repository's name as it stands in its address"}
	}
	if !strings.Contains(repository, "/") {
		repository = c.workspace + "/" + repository
	}
	return "/2.0/repositories/" + repository, nil
}

// Runs are a repository's, the newest first.
func (c *Client) Runs(ctx context.Context, q sources.PipelineQuery) ([]sources.PipelineRun, error) {
	op := "list the pipelines of " + q.Repository
	path, err := c.path(op, q.Repository)
	if err != nil {
		return nil, err
	}
	query := url.Values{"sort": {"-created_on"}, "pagelen": {strconv.Itoa(min(max(cmp.Or(q.Most, 10), 1), 100))}}
	if q.Branch != "" {
		query.Set("target.branch", q.Branch)
	}
	if q.Commit != "" {
		query.Set("target.commit.hash", q.Commit)
	}
	var page struct{ Values []wireRun }
	if _, err := c.api.Call(ctx, sources.Ask{Op: op, Path: path + "/pipelines/", Query: query}, &page); err != nil {
		return nil, err
	}
	out := make([]sources.PipelineRun, 0, len(page.Values))
	for i := range page.Values {
		out = append(out, page.Values[i].run(q.Repository))
	}
	return out, nil
}

// Steps are a run's, in order.
func (c *Client) Steps(ctx context.Context, repository, run string) ([]sources.PipelineStep, error) {
	op := "list the steps of a pipeline of " + repository
	path, err := c.path(op, repository)
	if err != nil {
		return nil, err
	}
	ask := sources.Ask{Op: op, Path: path + "/pipelines/" + url.PathEscape(run) + "/steps"}
	var out []sources.PipelineStep
	for n := 0; ; n++ {
		var page struct {
			Values []wireStep
			Next   string
		}
		if _, err := c.api.Call(ctx, ask, &page); err != nil {
			return out, err
		}
		for i := range page.Values {
			out = append(out, page.Values[i].step())
		}
		if page.Next == "" {
			return out, nil
		}
		var ok bool
		if ask.Path, ask.Query, ok = c.api.At(page.Next); !ok || n+1 == stepPages {
			return out, &sources.Error{Source: name, Op: op, Kind: sources.BadAnswer, Err: errors.New("the list's pages lead elsewhere, or come to no end"), Next: "look at the pipeline on Bitbucket's own page"}
		}
	}
}

// Start begins a run for the head of a branch.
func (c *Client) Start(ctx context.Context, repository, branch string) (sources.PipelineRun, error) {
	op := "start the pipeline of " + repository
	path, err := c.path(op, repository)
	if err == nil && branch == "" {
		err = &sources.Error{Source: name, Op: op, Kind: sources.BadQuestion, Err: errors.New("a pipeline runs for a branch"), Next: "name a branch"}
	}
	if err != nil {
		return sources.PipelineRun{}, err
	}
	var run wireRun
	in := map[string]any{"target": map[string]string{"type": "pipeline_ref_target", "ref_type": "branch", "ref_name": branch}}
	if _, err := c.api.Call(ctx, sources.Ask{Op: op, Method: http.MethodPost, Path: path + "/pipelines/", In: in}, &run); err != nil {
		return sources.PipelineRun{}, err
	}
	if run.UUID == "" {
		return sources.PipelineRun{}, &sources.Error{Source: name, Op: op, Kind: sources.BadAnswer, Err: errors.New("the answer names no pipeline"), Next: "look at the repository's pipelines whether it has begun"}
	}
	return run.run(repository), nil
}

// Probe reads the newest run of a repository, which is what this source is for; without one it asks for nothing but whether the token is taken.
func (c *Client) Probe(ctx context.Context, repository string) sources.Probe {
	began := time.Now()
	p := sources.Probe{Name: name, Address: c.api.Shown, Version: "2.0", State: sources.Live}
	err := error(nil)
	if repository == "" {
		var page struct{ Values []struct{} }
		_, err = c.api.Call(ctx, sources.Ask{Op: "list repositories", Path: "/2.0/repositories/" + c.workspace, Query: url.Values{"pagelen": {"1"}}}, &page)
	} else {
		_, err = c.Runs(ctx, sources.PipelineQuery{Repository: repository, Most: 1})
	}
	if err != nil {
		p.State, p.Fix, p.Missing = sources.StateOf(err), err.Error(), []string{"pipelines"}
	} else {
		p.Allows = []string{"pipelines"}
	}
	p.Took = time.Since(began)
	return p
}
