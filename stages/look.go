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
	// Healthcheck: the image that runs has a health check of its own; where Read, which it is only for services whose spec has none: reading it is a pull.
	Healthcheck, Read bool
	// Scan is what a scanner found in it; nil: its registry tells of no scans. ScanReason is why that could not be looked at; "": it was.
	Scan       *sources.ImageScan
	ScanReason string
	// Reason is why it could not be looked at; "": it was.
	Reason string

	at time.Time
}

// Bounds of a look at registries.
const (
	looksAtOnce = 4
	// lookAgain is after how long an image is looked at again: its registry may have thrown it away. That it could not be looked at is tried again after
	// lookFailed: a registry that refuses is not to be asked each minute.
	lookAgain  = 6 * time.Hour
	lookFailed = 10 * time.Minute
	// lookKept is how many images are remembered.
	lookKept = 5000
)

// Looker looks at images in their registries, and remembers what it saw. Safe for concurrent use.
type Looker struct {
	Images sources.Images
	// Scans tells what scanners found; nil: nobody does.
	Scans sources.Scans
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
	read := map[string]bool{} // those whose config is wanted
	for _, v := range services {
		k := imageKey(v)
		if v.Image != "" && !slices.Contains(want, k) {
			want = append(want, k)
		}
		read[k] = read[k] || v.Healthcheck == ""
	}
	todo := l.due(want, read, now)
	tickets := make(chan struct{}, looksAtOnce)
	var wait sync.WaitGroup
	for _, k := range todo {
		wait.Go(func() {
			tickets <- struct{}{}
			defer func() { <-tickets }()
			l.mu.Lock()
			before := l.known[k]
			l.mu.Unlock()
			f := l.look(ctx, k, read[k], before)
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
func (l *Looker) due(want []string, read map[string]bool, now time.Time) []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.known == nil {
		l.known = map[string]ImageFact{}
	}
	var fresh, stale []string
	for _, k := range want {
		switch f, ok := l.known[k]; {
		case !ok, f.Found && read[k] && !f.Read:
			fresh = append(fresh, k)
		case now.Sub(f.at) >= lookAgain, (f.Reason+f.ScanReason != "" || f.Scan != nil && f.Scan.State == sources.ScanRunning) && now.Sub(f.at) >= lookFailed:
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

// look asks for the tag, which is the image that runs where nobody has moved it, and else for the digest. What a digest names does not change, so its config
// is read once.
func (l *Looker) look(ctx context.Context, key string, read bool, before ImageFact) ImageFact {
	image, digest, pinned := strings.Cut(key, "@")
	f := ImageFact{Healthcheck: before.Healthcheck, Read: before.Read && pinned}
	now, err := l.Images.Digest(ctx, image)
	switch {
	case err == nil:
		f.Resolves, f.Found = true, !pinned || now == digest
	case sources.KindOf(err) != sources.NotFound:
		return ImageFact{Reason: reasonOf(ctx, err)}
	}
	if pinned && !f.Found {
		switch _, err := l.Images.Digest(ctx, image+"@"+digest); {
		case err == nil:
			f.Found = true
		case sources.KindOf(err) != sources.NotFound:
			return ImageFact{Reason: reasonOf(ctx, err)}
		}
	}
	if f.Found {
		l.scan(ctx, key, &f)
	}
	if !f.Found || !read || f.Read {
		return f
	}
	x, err := l.Images.Look(ctx, key)
	if err != nil {
		return ImageFact{Reason: reasonOf(ctx, err)}
	}
	f.Healthcheck, f.Read = x.Healthcheck, true
	return f
}

// scan reads what was found in an image, where its registry tells.
func (l *Looker) scan(ctx context.Context, key string, f *ImageFact) {
	if l.Scans == nil || !l.Scans.Covers(key) {
		return
	}
	s, err := l.Scans.Scan(ctx, key)
	if err != nil {
		f.ScanReason = reasonOf(ctx, err)
		return
	}
	f.Scan = &s
}

func reasonOf(ctx context.Context, err error) string {
	if ctx.Err() != nil && errors.Is(err, context.Canceled) {
		return "there was no time left to look"
	}
	return err.Error()
}
