package actions

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"quarterdeck/sources"
)

// RedeployTarget is a service and what it shall run.
type RedeployTarget struct {
	Service string
	// Image is the new reference; "": the one it has, resolved anew. A bare ":tag" or "tag" changes only the tag.
	Image string
}

// PlanRedeploy plans new tasks. The digest is resolved first and pinned; where it cannot be resolved the plan fails, for the engine would
// only warn and deploy unpinned. The number of replicas stays what it is now.
func (d *Deck) PlanRedeploy(ctx context.Context, targets []RedeployTarget) (*Plan, error) {
	if _, err := d.Ready(ctx); err != nil {
		return nil, err
	}
	key, err := d.key()
	if err != nil {
		return nil, err
	}
	p := &Plan{Action: Redeploy, Harm: Serious}
	seen := map[string]bool{}
	for _, t := range targets {
		st, err := d.begin(ctx, t.Service)
		if err != nil {
			return nil, err
		}
		if seen[st.ID] {
			return nil, &Refusal{st.Name + " is named twice"}
		}
		seen[st.ID] = true
		if st.Mode.Job() {
			p.Refused = st.Name + " is a job: a redeploy would run it once more; run it anew on purpose with the docker command"
			continue
		}
		if st.Spec.Image() == "" {
			p.Refused = st.Name + " runs no container image"
			continue
		}
		after, err := d.redeployed(ctx, &st, t.Image)
		if err != nil {
			return nil, err
		}
		p.Changes = append(p.Changes, d.change(&st, after, key))
		d.rolloutWarnings(p, &st.Service, &p.Changes[len(p.Changes)-1])
		switch st.UpdateState {
		case "updating":
			p.warn("%s: an update is on its way and will be overtaken", st.Name)
		case "paused", "rollback_paused":
			p.warn("%s: its update is paused (%s): this begins a new one", st.Name, orWords(st.UpdateMessage, st.UpdateState))
		}
	}
	return d.finish(p), nil
}

func (d *Deck) redeployed(ctx context.Context, st *sources.ServiceState, asked string) (sources.Spec, error) {
	ref, err := newReference(st.Image, asked)
	if err != nil {
		return sources.Spec{}, err
	}
	image, err := d.resolveImage(ctx, ref)
	if err != nil {
		return sources.Spec{}, fmt.Errorf("%s is not redeployed, because its image's digest could not be resolved: %w", st.Name, err)
	}
	if image.Pinned() == st.Spec.Image() {
		return st.Spec.Forced(), nil
	}
	return st.Spec.WithImage(image.Pinned(), image.Platforms), nil
}

// resolveImage is an image with the digest that its registry has for it now; one that has none is an error.
func (d *Deck) resolveImage(ctx context.Context, ref string) (sources.Image, error) {
	image, err := d.Hands.ResolveImage(ctx, ref)
	if err == nil && image.Digest == "" {
		err = &sources.Error{Source: "registry", Kind: sources.BadAnswer, Op: "resolve " + ref, Err: errors.New("the registry gave no digest"), Next: "an image without a digest cannot be pinned: push it anew"}
	}
	return image, err
}

// newReference is what is to be resolved: what was asked for, or what there is without its digest.
func newReference(now, asked string) (string, error) {
	asked = strings.TrimSpace(asked)
	switch {
	case asked == "":
		return now, nil
	case strings.ContainsAny(asked, " \t\n"):
		return "", &sources.Error{Source: "registry", Kind: sources.BadQuestion, Op: "read the image", Err: fmt.Errorf("%q is no reference of an image", asked), Next: "write it as registry/name:tag"}
	case strings.HasPrefix(asked, ":"):
		return withoutTag(now) + asked, nil
	}
	return asked, nil
}

// withoutTag is a reference's name: the tag is what follows the last colon after the last slash.
func withoutTag(ref string) string {
	ref, _, _ = strings.Cut(ref, "@")
	if colon := strings.LastIndexByte(ref, ':'); colon > strings.LastIndexByte(ref, '/') {
		return ref[:colon]
	}
	return ref
}

// Tags are the tags that a service's image may be replaced with, the registry's own order turned round, so that the newest of a sane
// numbering come first.
func (d *Deck) Tags(ctx context.Context, service string) (image string, tags []string, err error) {
	st, err := d.begin(ctx, service)
	if err != nil {
		return "", nil, err
	}
	if d.Registry == nil {
		return st.Image, nil, &sources.Error{Source: "registry", Kind: sources.NotConfigured, Op: "list tags", Next: "name the image by hand"}
	}
	tags, err = d.Registry.Tags(ctx, st.Image)
	if err != nil {
		return st.Image, nil, err
	}
	sortVersions(tags)
	return st.Image, tags, nil
}
