package stages

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"time"

	"quarterdeck/sources"
	"quarterdeck/sources/fleet"
)

// ImageFact is what a registry tells of an image that a service runs.
type ImageFact struct {
	// Found: the registry still has the digest that runs. Resolves: it has the tag, whatever it names now.
	Found, Resolves bool
	// Healthcheck: the image that runs has a health check of its own.
	Healthcheck bool
	// Reason is why it could not be looked at; "": it was.
	Reason string

	at time.Time
}

// Bounds of a look at registries.
const (
	looksAtOnce = 4
	// lookAgain is after how long an image is looked at again: its registry may have thrown it away. That it could not be looked at is tried again at once.
	lookAgain = time.Hour
	// lookKept is how many images are remembered.
	lookKept = 5000
)

// Looker looks at images in their registries, and remembers what it saw. Safe for concurrent use.
type Looker struct {
	Images sources.Images
	// Budget is how many images are looked at in one gathering, those first that were never looked at; 0: all of them.
	Budget int

	mu    sync.Mutex
	known map[string]ImageFact
}

// imageKey is how facts name the image that a service runs.
func imageKey(v *fleet.Service) string {
	if v.Digest == "" {
		return v.Image
	}
	return v.Image + "@" + v.Digest
}

// Look gives what is known of the services' images once as many were looked at as the budget allows.
func (l *Looker) Look(ctx context.Context, services []*fleet.Service, now time.Time) map[string]ImageFact {
	var want []string
	for _, v := range services {
		if k := imageKey(v); !slices.Contains(want, k) && v.Image != "" {
			want = append(want, k)
		}
	}
	todo := l.due(want, now)
	tickets := make(chan struct{}, looksAtOnce)
	var wait sync.WaitGroup
	for _, k := range todo {
		wait.Go(func() {
			tickets <- struct{}{}
			defer func() { <-tickets }()
			f := l.look(ctx, k)
			f.at = now
			l.mu.Lock()
			defer l.mu.Unlock()
			if len(l.known) >= lookKept {
				clear(l.known)
			}
			l.known[k] = f
		})
	}
	wait.Wait()
	l.mu.Lock()
	defer l.mu.Unlock()
	out := map[string]ImageFact{}
	for _, k := range want {
		if f, ok := l.known[k]; ok {
			out[k] = f
		}
	}
	return out
}

// due are the images to look at now.
func (l *Looker) due(want []string, now time.Time) []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.known == nil {
		l.known = map[string]ImageFact{}
	}
	var fresh, stale []string
	for _, k := range want {
		switch f, ok := l.known[k]; {
		case !ok:
			fresh = append(fresh, k)
		case f.Reason != "" || now.Sub(f.at) >= lookAgain:
			stale = append(stale, k)
		}
	}
	slices.SortStableFunc(stale, func(a, b string) int { return l.known[a].at.Compare(l.known[b].at) })
	out := append(fresh, stale...)
	if l.Budget > 0 {
		out = out[:min(len(out), l.Budget)]
	}
	return out
}

// look asks for the tag, which is the image that runs where nobody has moved it, and else for the digest.
func (l *Looker) look(ctx context.Context, key string) ImageFact {
	image, digest, pinned := strings.Cut(key, "@")
	var f ImageFact
	x, err := l.Images.Look(ctx, image)
	switch {
	case err == nil:
		f.Resolves = true
		if !pinned || x.Digest == digest {
			f.Found, f.Healthcheck = true, x.Healthcheck
			return f
		}
	case sources.KindOf(err) != sources.NotFound:
		return ImageFact{Reason: reasonOf(ctx, err)}
	}
	if !pinned {
		return f
	}
	x, err = l.Images.Look(ctx, image+"@"+digest)
	switch {
	case err == nil:
		f.Found, f.Healthcheck = true, x.Healthcheck
	case sources.KindOf(err) != sources.NotFound:
		return ImageFact{Reason: reasonOf(ctx, err)}
	}
	return f
}

func reasonOf(ctx context.Context, err error) string {
	if ctx.Err() != nil && errors.Is(err, context.Canceled) {
		return "there was no time left to look"
	}
	return err.Error()
}
