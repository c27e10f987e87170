package portainer

import (
	"cmp"
	"context"
	"encoding/json"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"time"

	"quarterdeck/sources"
)

// keyHeader carries an access token (openapi.yaml, securitySchemes: ApiKeyAuth).
const keyHeader = "X-API-KEY"

// ClientOptions say where Portainer is.
type ClientOptions struct {
	Access sources.Access
	// TokenFile holds an access token of a user who may see the stacks. It is read at each request.
	TokenFile string
	Logger    *slog.Logger // nil: silent
}

// Client lists stacks, and changes nothing. It holds no state but kept-alive connections; safe for concurrent use.
type Client struct{ api *sources.API }

var _ sources.StackManager = (*Client)(nil)

// NewClient makes a client and asks nothing. An address that cannot be one, or TLS files that cannot be read, are an error here.
func NewClient(o ClientOptions) (*Client, error) {
	o.Access.Source = name
	if o.TokenFile != "" {
		o.Access.HeaderFiles = map[string]string{keyHeader: o.TokenFile}
	}
	api, err := sources.NewAPI("Portainer", "/api", o.Access, o.Logger)
	if err != nil {
		return nil, err
	}
	api.Refused = refusedList
	return &Client{api}, nil
}

func refusedList(_ context.Context, _ string, status int, e *sources.Error) {
	switch status {
	case http.StatusUnauthorized:
		e.Next = "check portainer.token-file in the config: an access token of Portainer (My account, Access tokens) that was removed, or whose user was, is refused"
	case http.StatusForbidden:
		e.Next = "the token's user may not see the environment or its stacks: give it access in Portainer"
	case http.StatusNotFound:
		e.Next = "check that portainer.address is Portainer's own, without /api and without /#!/…"
	}
}

// Close lets the kept-alive connections go. The client can still be used after it.
func (c *Client) Close() error { return c.api.Close() }

// Name is what people call it.
func (c *Client) Name() string { return c.api.Title }

// The stacks' types and states (openapi.yaml, portainer.StackType and portainer.StackStatus; older versions know the first two states alone).
const typeSwarm = 1

var stackStates = map[int]sources.StackState{1: sources.StackActive, 2: sources.StackStopped, 3: sources.StackDeploying, 4: sources.StackFailed}

// wireStack is of a stack what is read. Its variables, which hold credentials, are not.
type wireStack struct {
	Name       string
	Type       int
	Status     int
	SwarmID    string `json:"SwarmId"`
	EntryPoint string
	UpdateDate int64
	UpdatedBy  string
	// CreationDate and CreatedBy are of one that was not changed since.
	CreationDate int64
	CreatedBy    string
	AutoUpdate   *struct {
		Interval                    string
		Webhook                     present
		ForceUpdate, ForcePullImage bool
	}
	GitConfig *struct {
		URL, ReferenceName, ConfigFilePath, ConfigHash string
	}
	CurrentDeploymentInfo *struct{ RepositoryURL, ReferenceName, ConfigFilePath, ConfigHash string }
	DeploymentStatus      []struct {
		Status  int
		Message string
	}
}

// present is a text of which only whether there is one is kept: it is a secret.
type present bool

// UnmarshalJSON keeps whether there is a text.
func (p *present) UnmarshalJSON(b []byte) error {
	var s string
	err := json.Unmarshal(b, &s)
	*p = s != ""
	return err
}

// Stacks are those of a swarm. Portainer gives them in one answer, whose list has no pages.
func (c *Client) Stacks(ctx context.Context, swarm string) ([]sources.ManagedStack, error) {
	ask := sources.Ask{Op: "list stacks", Path: "/api/stacks", NoContent: true}
	if swarm != "" {
		filters, err := json.Marshal(map[string]string{"SwarmID": swarm})
		if err != nil {
			return nil, err
		}
		ask.Query = url.Values{"filters": {string(filters)}}
	}
	var list []wireStack
	if _, err := c.api.Call(ctx, ask, &list); err != nil {
		return nil, err
	}
	out := make([]sources.ManagedStack, 0, len(list))
	for i := range list {
		if s := &list[i]; s.Type == typeSwarm && (swarm == "" || s.SwarmID == swarm) {
			out = append(out, s.stack())
		}
	}
	return out, nil
}

func (s *wireStack) stack() sources.ManagedStack {
	out := sources.ManagedStack{Name: s.Name, Swarm: s.SwarmID, State: cmp.Or(stackStates[s.Status], sources.StackUnknown), File: s.EntryPoint, UpdatedBy: s.UpdatedBy}
	at := s.UpdateDate
	if at == 0 {
		at, out.UpdatedBy = s.CreationDate, s.CreatedBy
	}
	if at > 0 {
		out.Updated = time.Unix(at, 0).UTC()
	}
	if g := s.GitConfig; g != nil {
		out.Repository, out.Branch, out.File, out.Commit = bare(g.URL), g.ReferenceName, cmp.Or(g.ConfigFilePath, out.File), g.ConfigHash
	}
	if d := s.CurrentDeploymentInfo; d != nil && d.RepositoryURL != "" { // what was deployed, where the settings have changed since
		out.Repository, out.Branch, out.File, out.Commit = bare(d.RepositoryURL), d.ReferenceName, cmp.Or(d.ConfigFilePath, out.File), d.ConfigHash
	}
	out.Branch = strings.TrimPrefix(out.Branch, "refs/heads/")
	if a := s.AutoUpdate; a != nil {
		out.Webhook, out.Force, out.Pull = bool(a.Webhook), a.ForceUpdate, a.ForcePullImage
		if d, err := time.ParseDuration(a.Interval); err == nil && d > 0 {
			out.Every = d
		}
	}
	if n := len(s.DeploymentStatus); out.State == sources.StackFailed && n > 0 {
		out.Says, _ = sources.Redact(s.DeploymentStatus[n-1].Message) // git quotes addresses, with what is in them
	}
	return out
}

// bare is a repository's address without user and password.
func bare(address string) string {
	u, err := url.Parse(address)
	if err != nil || u.Host == "" { // as git@host:path, in which no password can be; of what is neither nothing is shown
		if _, path, ok := strings.Cut(address, ":"); ok && !strings.ContainsAny(path, "@:") && !strings.Contains(address, "//") {
			return address
		}
		return ""
	}
	u.RawQuery, u.Fragment = "", ""
	if u.User != nil && u.Scheme == "ssh" {
		u.User = url.User(u.User.Username())
	} else {
		u.User = nil
	}
	return u.String()
}

// Probe reads the list, which is what this source is for.
func (c *Client) Probe(ctx context.Context) sources.Probe {
	began := time.Now()
	p := sources.Probe{Name: name, Address: c.api.Shown, State: sources.Live}
	version, err := c.version(ctx)
	if err == nil {
		p.Version = version
		_, err = c.Stacks(ctx, "")
	}
	if err != nil {
		p.State, p.Fix, p.Missing = sources.StateOf(err), err.Error(), []string{"stacks"}
	} else {
		p.Allows = []string{"stacks"}
	}
	p.Took = time.Since(began)
	return p
}

// version asks for Portainer's own, which needs no login. Versions before 2.17 have it elsewhere.
func (c *Client) version(ctx context.Context) (string, error) {
	var status struct{ Version string }
	_, err := c.api.Call(ctx, sources.Ask{Op: "read the version", Path: "/api/system/status"}, &status)
	if sources.KindOf(err) == sources.NotFound {
		_, err = c.api.Call(ctx, sources.Ask{Op: "read the version", Path: "/api/status"}, &status)
	}
	return status.Version, err
}
