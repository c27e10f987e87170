package harbor

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"quarterdeck/sources"
)

const name = "harbor"

// Options say where Harbor is. A robot account's name goes into Access.Username, its secret into PasswordFile.
type Options struct {
	Access sources.Access
	// Registries are hosts as image names have them, where they are others than the address's.
	Registries []string
	Logger     *slog.Logger // nil: silent
}

// Client reads scans and tags. It holds no state but kept-alive connections; safe for concurrent use.
type Client struct {
	api   *sources.API
	hosts []string
}

var (
	_ sources.Scans    = (*Client)(nil)
	_ sources.Registry = (*Client)(nil)
)

// New makes a client and asks nothing. An address that cannot be one, or TLS files that cannot be read, are an error here.
func New(o Options) (*Client, error) {
	o.Access.Source = name
	base, err := o.Access.URL()
	if err != nil {
		return nil, err
	}
	api, err := sources.NewAPI("Harbor", "/api/v2.0", o.Access, o.Logger)
	if err != nil {
		return nil, err
	}
	api.Refused = refused
	return &Client{api, append([]string{base.Host}, o.Registries...)}, nil
}

func refused(_ context.Context, _ string, status int, e *sources.Error) {
	switch status {
	case http.StatusUnauthorized:
		e.Next = "check username and password-file of harbor in the config: a robot account may have expired"
	case http.StatusForbidden:
		e.Next = "the account may not see the project: a robot account needs to list and read artifacts of it"
	case http.StatusNotFound:
		e.Next = "Harbor has no such image, or the account may not see its project"
	}
}

// Close lets the kept-alive connections go. The client can still be used after it.
func (c *Client) Close() error { return c.api.Close() }

// Covers tells whether an image's name begins with one of Harbor's hosts.
func (c *Client) Covers(image string) bool {
	host, _, ok := strings.Cut(image, "/")
	return ok && slices.Contains(c.hosts, host)
}

// reports are the kinds of reports that are understood, the better one first (parameter X-Accept-Vulnerabilities).
var reports = []string{"application/vnd.security.vulnerability.report; version=1.1", "application/vnd.scanner.adapter.vuln.report.harbor+json; version=1.0"}

type wireArtifact struct {
	Digest       string
	PushTime     time.Time             `json:"push_time"`
	ScanOverview map[string]wireReport `json:"scan_overview"`
}

type wireReport struct {
	ScanStatus string    `json:"scan_status"`
	EndTime    time.Time `json:"end_time"`
	Summary    struct {
		Total   int
		Summary map[string]int // by severity
	}
	Scanner struct{ Name, Version string }
}

// Scan is of an image by its digest, or by its tag where it names none.
func (c *Client) Scan(ctx context.Context, image string) (sources.ImageScan, error) {
	op := "read the scan of " + image
	path, err := artifactPath(image)
	if err != nil {
		return sources.ImageScan{}, &sources.Error{Source: name, Op: op, Kind: sources.BadQuestion, Err: err, Next: "name the image as HOST/PROJECT/REPOSITORY:TAG"}
	}
	var a wireArtifact
	_, err = c.api.Call(ctx, sources.Ask{Op: op, Path: path, Query: url.Values{"with_scan_overview": {"true"}, "with_tag": {"false"}},
		Header: http.Header{"X-Accept-Vulnerabilities": {strings.Join(reports, ", ")}}}, &a)
	if err != nil {
		return sources.ImageScan{}, err
	}
	if a.Digest == "" {
		return sources.ImageScan{}, &sources.Error{Source: name, Op: op, Kind: sources.BadAnswer, Err: errors.New("the answer names no artifact"), Next: "check that the address is Harbor's own"}
	}
	out := sources.ImageScan{State: sources.ScanNone, Pushed: a.PushTime.UTC()}
	for _, kind := range reports {
		if r, ok := a.ScanOverview[kind]; ok {
			r.read(&out)
			break
		}
	}
	return out, nil
}

func (r *wireReport) read(out *sources.ImageScan) {
	switch r.ScanStatus {
	case "Success":
		out.State = sources.ScanDone
	case "Pending", "Running", "Scheduled":
		out.State = sources.ScanRunning
	default: // Error, Stopped
		out.State = sources.ScanFailed
	}
	out.Critical, out.High, out.Total = r.Summary.Summary["Critical"], r.Summary.Summary["High"], r.Summary.Total
	out.Ended, out.Scanner = r.EndTime.UTC(), strings.TrimSpace(r.Scanner.Name+" "+r.Scanner.Version)
}

// part is what a project, a tag or a digest may look like, and one element of a repository's name.
var part = sources.LazyRegexp(`^[A-Za-z0-9_][A-Za-z0-9._:-]{0,254}$`)

// artifactPath is where an image is. A repository's name that contains a slash is escaped twice (parameter repository_name).
func artifactPath(image string) (string, error) {
	rest, digest, pinned := strings.Cut(image, "@")
	elements := strings.Split(rest, "/")
	if len(elements) < 3 {
		return "", fmt.Errorf("%.200q has no project", image)
	}
	last := &elements[len(elements)-1]
	bare, reference, tagged := strings.Cut(*last, ":")
	*last = bare
	switch {
	case pinned:
		reference = digest
	case !tagged:
		reference = "latest"
	}
	for _, e := range append([]string{reference}, elements[1:]...) {
		if !part().MatchString(e) {
			return "", fmt.Errorf("%.200q is no image's name", image)
		}
	}
	repository := url.PathEscape(url.PathEscape(strings.Join(elements[2:], "/")))
	return "/api/v2.0/projects/" + elements[1] + "/repositories/" + repository + "/artifacts/" + url.PathEscape(reference), nil
}

// Bounds of a list of tags: so many artifacts a page, which is the most that Harbor gives (parameter page_size), and so many pages.
const (
	tagsAPage = 100
	tagsPages = 20
)

// Tags are the tags of an image's repository, of what was pushed last first (operation listArtifacts).
func (c *Client) Tags(ctx context.Context, image string) ([]string, error) {
	op := "list the tags of " + image
	path, err := artifactPath(image)
	if err != nil {
		return nil, &sources.Error{Source: name, Op: op, Kind: sources.BadQuestion, Err: err, Next: "name the image as HOST/PROJECT/REPOSITORY:TAG"}
	}
	path = path[:strings.LastIndexByte(path, '/')]
	var out []string
	for page := 1; page <= tagsPages; page++ {
		var artifacts []struct{ Tags []struct{ Name string } }
		_, err := c.api.Call(ctx, sources.Ask{Op: op, Path: path, Query: url.Values{"page": {strconv.Itoa(page)}, "page_size": {strconv.Itoa(tagsAPage)}, "sort": {"-push_time"}, "with_tag": {"true"}}}, &artifacts)
		if err != nil {
			return nil, err
		}
		for _, a := range artifacts {
			for _, t := range a.Tags {
				out = append(out, t.Name)
			}
		}
		if len(artifacts) < tagsAPage {
			break
		}
	}
	return out, nil
}

// Probe asks for the version, and whether the account may list projects.
func (c *Client) Probe(ctx context.Context) sources.Probe {
	began := time.Now()
	p := sources.Probe{Name: name, Address: c.api.Shown, State: sources.Live}
	var info struct {
		Version string `json:"harbor_version"`
	}
	_, err := c.api.Call(ctx, sources.Ask{Op: "ask for its version", Path: "/api/v2.0/systeminfo"}, &info)
	p.Version = info.Version // only a login is told
	if err == nil {
		var projects []struct{}
		_, err = c.api.Call(ctx, sources.Ask{Op: "list projects", Path: "/api/v2.0/projects", Query: url.Values{"page_size": {"1"}}}, &projects)
	}
	if err != nil {
		p.State, p.Fix, p.Missing = sources.StateOf(err), err.Error(), []string{"scans"}
	} else {
		p.Allows = []string{"scans"}
	}
	p.Took = time.Since(began)
	return p
}
