package registry

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/v1/remote"

	"quarterdeck/sources"
)

const source = "registry"

// The bounds of one question, where the options name none.
const (
	DefaultTimeout  = 15 * time.Second
	DefaultMaxTags  = 10_000
	DefaultMaxBytes = 16 << 20 // of all bodies of one question; 10,000 tags of 128 bytes are 1.3 MiB
)

// maxPages bounds the pages of one question: a registry that gives none but small ones is a broken one.
const maxPages = 500

// Options say how registries are reached. The zero value is how docker reaches them.
type Options struct {
	// Mirrors is where to ask instead of a registry, by the registry's host as it stands in references
	// (docker.io for references without one): http://host:port or https://host, with a path that goes before the
	// repository's. The credentials are those that docker has for the registry, else for the mirror.
	Mirrors map[string]string
	// Insecure are hosts, with their port where they have one, that may be spoken to with plain http or with a
	// certificate that nobody vouches for. Loopback and RFC 1918 addresses are tried with plain http without that.
	Insecure []string
	Timeout  time.Duration // of one question from start to end; 0: DefaultTimeout
	MaxTags  int           // 0: DefaultMaxTags
	MaxBytes int64         // 0: DefaultMaxBytes
	Logger   *slog.Logger
}

// Client asks registries. It holds no state but kept-alive connections; safe for concurrent use.
type Client struct {
	o        Options
	mirrors  map[string]mirror
	verified *http.Transport
	lax      *http.Transport // for hosts that are listed as insecure
	log      *slog.Logger
}

var _ sources.Registry = (*Client)(nil)

type mirror struct {
	host, path string
	plain      bool
}

// New makes a client and asks nothing. A mirror whose address cannot be one is an error here.
func New(o Options) (*Client, error) {
	o.Timeout, o.MaxTags, o.MaxBytes = cmp.Or(o.Timeout, DefaultTimeout), cmp.Or(o.MaxTags, DefaultMaxTags), cmp.Or(o.MaxBytes, DefaultMaxBytes)
	c := &Client{o: o, mirrors: map[string]mirror{}, log: o.Logger, verified: newTransport(false), lax: newTransport(true)}
	if c.log == nil {
		c.log = slog.New(slog.DiscardHandler)
	}
	for host, address := range o.Mirrors {
		reg, err := name.NewRegistry(host)
		u, errURL := sources.Access{Source: source, Address: address}.URL()
		if err != nil || errURL != nil {
			return nil, &sources.Error{Source: source, Kind: sources.BadQuestion, Op: "connect", Next: "correct the config: registries has a host as in image names, and for each an address such as http://host:port", Err: fmt.Errorf("registry %q: %w", host, errors.Join(err, errURL))}
		}
		c.mirrors[reg.RegistryStr()] = mirror{host: u.Host, path: strings.Trim(u.Path, "/"), plain: u.Scheme == "http"}
	}
	return c, nil
}

// Close lets the kept-alive connections go. The client can still be used after it.
func (c *Client) Close() error {
	c.verified.CloseIdleConnections()
	c.lax.CloseIdleConnections()
	return nil
}

// target is a reference, and where it is really looked up.
type target struct {
	asked name.Reference // as it stands in specs
	ref   name.Reference // at the mirror, if there is one
	plain bool           // plain http is allowed
	lax   bool           // so is a certificate that nobody vouches for
}

func (c *Client) target(image string) (target, error) {
	bad := func(err error) (target, error) {
		return target{}, &sources.Error{Source: source, Kind: sources.BadQuestion, Op: "read the image's name", Next: "give an image as registry/name:tag", Err: err}
	}
	asked, err := name.ParseReference(image, name.WeakValidation)
	if err != nil {
		return bad(err)
	}
	t := target{asked: asked, ref: asked}
	m, mirrored := c.mirrors[asked.Context().RegistryStr()]
	host := asked.Context().RegistryStr()
	if mirrored {
		host = m.host
	}
	t.lax = slices.Contains(c.o.Insecure, host) || slices.Contains(c.o.Insecure, asked.Context().RegistryStr())
	var options []name.Option
	if t.lax || mirrored && m.plain {
		options = append(options, name.Insecure)
	}
	reg, err := name.NewRegistry(host, options...)
	if err != nil {
		return bad(err)
	}
	repo := reg.Repo(asked.Context().RepositoryStr())
	if m.path != "" {
		repo = reg.Repo(m.path, asked.Context().RepositoryStr())
	}
	t.plain = reg.Scheme() == "http" && (!mirrored || m.plain || t.lax)
	if digest, ok := asked.(name.Digest); ok {
		t.ref = repo.Digest(digest.DigestStr())
	} else {
		t.ref = repo.Tag(asked.Identifier())
	}
	return t, nil
}

// Tags are the tags of an image's repository in the registry's order. Where there are more than are read, the first
// ones come with an OverLimit error.
func (c *Client) Tags(ctx context.Context, image string) ([]string, error) {
	t, err := c.target(image)
	if err != nil {
		return nil, err
	}
	op := "list the tags of " + t.asked.Context().Name()
	ctx, cancel := context.WithTimeoutCause(ctx, c.o.Timeout, errTimeout)
	defer cancel()
	tags, err := c.list(ctx, t)
	if err != nil {
		return tags, c.failed(ctx, op, t, err)
	}
	return tags, nil
}

// Digest is the digest that an image's registry has under its tag now.
func (c *Client) Digest(ctx context.Context, image string) (string, error) {
	t, err := c.target(image)
	if err != nil {
		return "", err
	}
	op := "look up " + t.asked.Name()
	ctx, cancel := context.WithTimeoutCause(ctx, c.o.Timeout, errTimeout)
	defer cancel()
	p, err := c.puller(ctx, t)
	if err != nil {
		return "", c.failed(ctx, op, t, err)
	}
	d, err := p.Head(ctx, t.ref)
	if err != nil {
		return "", c.failed(ctx, op, t, err)
	}
	return d.Digest.String(), nil
}

func (c *Client) puller(ctx context.Context, t target) (*remote.Puller, error) {
	auth, err := credentials(ctx, t)
	if err != nil {
		return nil, err
	}
	return remote.NewPuller(remote.WithAuth(auth), remote.WithTransport(c.transport(t)), remote.WithRetryBackoff(remote.Backoff{Steps: 1}), remote.WithUserAgent("quarterdeck"))
}

var errTooMany = errors.New("too many tags")

// tag is what the distribution specification allows: anything else could not stand in a reference.
var tag = sources.LazyRegexp(`^[a-zA-Z0-9_][a-zA-Z0-9._-]{0,127}$`)

func (c *Client) list(ctx context.Context, t target) ([]string, error) {
	p, err := c.puller(ctx, t)
	if err != nil {
		return nil, err
	}
	pages, err := p.Lister(ctx, t.ref.Context())
	if err != nil {
		return nil, err
	}
	var out []string
	seen := map[string]bool{}
	visited := map[string]bool{}
	for pages.HasNext() {
		page, err := pages.Next(ctx)
		if err != nil {
			return out, err
		}
		for _, x := range page.Tags {
			switch {
			case seen[x]:
			case !tag().MatchString(x):
				c.log.WarnContext(ctx, "registry: a tag that is none is left out", "repository", t.asked.Context().Name(), "tag", fmt.Sprintf("%.100q", x))
			case len(out) == c.o.MaxTags:
				return out, fmt.Errorf("%w: the first %d were read", errTooMany, len(out))
			default:
				out = append(out, x)
			}
			seen[x] = true
		}
		if page.Next != "" && visited[page.Next] || len(visited) == maxPages {
			return out, errCircle
		}
		visited[page.Next] = true
	}
	return out, nil
}

var errCircle = errors.New("the pages of the list of tags come to no end")

// shown is where a target is looked up, for the reader.
func (t target) shown() string {
	scheme := "https"
	if t.plain {
		scheme = "http"
	}
	return (&url.URL{Scheme: scheme, Host: t.ref.Context().RegistryStr()}).String()
}
