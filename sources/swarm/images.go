package swarm

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"

	"github.com/distribution/reference"
	"github.com/docker/cli/cli/config"
	"github.com/docker/cli/cli/config/configfile"
	"github.com/docker/cli/cli/config/credentials"
	"github.com/moby/moby/api/pkg/authconfig"
	"github.com/moby/moby/api/types/registry"
	"github.com/moby/moby/client"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"quarterdeck/sources"
)

// dockerHubKey is the name by which the docker command keeps the credentials of Docker Hub.
const dockerHubKey = "https://index.docker.io/v1/"

// registryFault is what a registry answered to the engine, and so is no failure of the engine's own.
type registryFault struct{ *refusal }

func (f *registryFault) Unwrap() error { return f.refusal }

// ResolveImage asks the image's registry, through the engine, for the digest that a reference has now. A digest in the reference
// counts only where there is no tag beside it.
func (h *Hands) ResolveImage(ctx context.Context, ref string) (sources.Image, error) {
	op := "resolve image " + ref
	named, ask, err := toAsk(ref)
	if err != nil {
		return sources.Image{}, &sources.Error{Source: name, Kind: sources.BadQuestion, Op: op, Err: err, Next: "write it as registry/name:tag"}
	}
	auth, authErr := registryAuth(ctx, ref)
	var got client.DistributionInspectResult
	a := h.read.run(ctx, op, asking, func(ctx context.Context, api *client.Client) (err error) {
		got, err = api.DistributionInspect(ctx, ask, client.DistributionInspectOptions{EncodedRegistryAuth: auth})
		return noted(ctx, err, func(r *refusal) error { return registrySaid(op, named, r, authErr) })
	})
	if a.err != nil {
		return sources.Image{}, a.err
	}
	if got.Descriptor.Digest.Validate() != nil {
		return sources.Image{}, h.read.place().failure(op, fmt.Errorf("%w: no digest", errNotEngine))
	}
	return sources.Image{Ref: reference.FamiliarString(named), Digest: got.Descriptor.Digest.String(), Platforms: platformNames(got.Platforms)}, nil
}

// toAsk gives the reference without its digest, and what the engine is asked for.
func toAsk(ref string) (named reference.Named, ask string, err error) {
	full, err := reference.ParseNormalizedNamed(ref)
	if err != nil {
		return nil, "", err
	}
	_, tagged := full.(reference.Tagged)
	if _, digested := full.(reference.Digested); digested && !tagged {
		return reference.TrimNamed(full), reference.FamiliarString(full), nil
	}
	named = reference.TagNameOnly(reference.TrimNamed(full))
	if t, ok := full.(reference.Tagged); ok {
		if named, err = reference.WithTag(reference.TrimNamed(full), t.Tag()); err != nil {
			return nil, "", err
		}
	}
	return named, reference.FamiliarString(named), nil
}

// platformNames are the platforms as a spec's placement takes them: a manifest's "arm" says less than a node's "armv7l", so that its
// architecture is left open (as the docker command does), and what is unknown is no platform but an attestation.
func platformNames(list []ocispec.Platform) []string {
	var out []string
	for _, p := range list {
		n := p.OS + "/" + p.Architecture
		if p.OS == "unknown" || p.Architecture == "unknown" {
			continue
		}
		if strings.EqualFold(p.Architecture, "arm") {
			n = p.OS
		}
		if !slices.Contains(out, n) {
			out = append(out, n)
		}
	}
	return out
}

// noted gives an engine's own refusal, which the moby client has rewritten, to f.
func noted(ctx context.Context, err error, f func(*refusal) error) error {
	n, ok := ctx.Value(noteKey{}).(*note)
	var r *refusal
	if err == nil || !ok || !errors.As(n.err, &r) || !r.engine {
		return err
	}
	if told := f(r); told != nil {
		return told
	}
	return err
}

// registrySaid explains what came from the registry; nil: it did not come from there. The engine passes on the registry's words, and
// for what it met on the way there those of its own client.
func registrySaid(op string, image reference.Named, r *refusal, authErr error) error {
	host := reference.Domain(image)
	e := &sources.Error{Source: name, Op: op, Err: &registryFault{r}}
	text := strings.ToLower(r.message)
	if _, after, ok := strings.Cut(text, `": `); ok { // what was asked for stands before: its name says nothing of what went wrong
		text = after
	}
	says := func(words ...string) bool {
		return slices.ContainsFunc(words, func(w string) bool { return strings.Contains(text, w) })
	}
	switch {
	case says("not a swarm manager", "client version"):
		return nil
	case says("toomanyrequests", "too many requests", "rate limit"), r.status == http.StatusTooManyRequests:
		e.Kind, e.Next = sources.OverLimit, "the registry limits pulls: wait, or `docker login"+loginName(host)+"` with an account that may more"
	case r.status == http.StatusUnauthorized, says("unauthorized", "authentication required", "no basic auth credentials", "denied"):
		e.Kind, e.Next = sources.Unauthorised, "run `docker login"+loginName(host)+"` here, and check that there is such an image"
		if authErr != nil {
			e.Next += "; the credentials could not be read: " + authErr.Error()
		}
	case r.status == http.StatusNotFound, says("manifest unknown", "name unknown", "not found"):
		e.Kind, e.Next = sources.NotFound, "the registry at "+host+" has no "+reference.FamiliarString(image)+": check name and tag, or push it first"
	case r.status == http.StatusBadRequest:
		e.Kind, e.Next = sources.BadQuestion, "write it as registry/name:tag"
	case says("server gave http response to https client"):
		e.Kind, e.Next = sources.BadAnswer, "the registry speaks no TLS: name "+host+" in the engine's insecure-registries, or give the registry a certificate"
	case says("x509:", "tls:"):
		e.Kind, e.Next = sources.BadAnswer, "the engine does not trust the registry's certificate: put its authority into /etc/docker/certs.d/"+host+"/ca.crt on the managers"
	case says("dial tcp", "no such host", "connection refused", "connection reset", "eof", "timeout", "deadline exceeded", "request canceled"):
		e.Kind, e.Next = sources.Unreachable, "the engine cannot reach the registry "+host+": check its name, and that it runs and can be reached from the managers"
	default:
		e.Kind, e.Next = sources.BadAnswer, "look at the log of the registry "+host
	}
	return e
}

func loginName(host string) string {
	if host == "docker.io" {
		return ""
	}
	return " " + host
}

// registryAuth is the X-Registry-Auth header for an image as the docker command would send it; "" where there are no credentials.
// A credential helper that does not come back is left alone when ctx ends.
func registryAuth(ctx context.Context, image string) (string, error) {
	named, err := reference.ParseNormalizedNamed(image)
	if err != nil {
		return "", err
	}
	type result struct {
		header string
		err    error
	}
	done := make(chan result, 1)
	go func() {
		header, err := lookUpAuth(named)
		done <- result{header, err}
	}()
	select {
	case r := <-done:
		return r.header, r.err
	case <-ctx.Done():
		return "", ctx.Err()
	}
}

func lookUpAuth(image reference.Named) (string, error) {
	key := reference.Domain(image)
	if key == "docker.io" {
		key = dockerHubKey
	}
	file, err := cliConfig()
	if err != nil {
		return "", err
	}
	found, err := file.GetAuthConfig(key)
	if err != nil {
		return "", err
	}
	a := registry.AuthConfig{Username: found.Username, Password: found.Password, Auth: found.Auth,
		ServerAddress: found.ServerAddress, IdentityToken: found.IdentityToken, RegistryToken: found.RegistryToken}
	if a == (registry.AuthConfig{ServerAddress: a.ServerAddress}) {
		return "", nil
	}
	return authconfig.Encode(a)
}

// cliConfig is the docker command's config file, with the credential store that it would choose by itself.
func cliConfig() (*configfile.ConfigFile, error) {
	file, err := config.Load(configDir())
	if err == nil && !file.ContainsAuth() {
		file.CredentialsStore = credentials.DetectDefaultStore(file.CredentialsStore)
	}
	return file, err
}
