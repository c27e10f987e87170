// Package registry asks image registries for the tags of a repository and for the digest of a tag.
//
// What lives here: [Client], a [sources.Registry]. What flows in: an image's reference, Docker's own credentials
// (~/.docker/config.json or DOCKER_CONFIG, credential helpers included) and, for registries that are reached
// elsewhere, a map of addresses. What flows out: tags, digests, and errors of the domain's kinds with what to do next.
// It imports sources and go-containerregistry, which speaks the distribution API and its logins; the bounds against
// hostile registries (time, bytes, tags, pages, tags that are none) are this package's.
package registry
