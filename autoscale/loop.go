package autoscale

import (
	"cmp"
	"context"
	"path"
	"time"

	"quarterdeck/sources"
	"quarterdeck/sources/fleet"
)

// Loop decides for all services, again and again, and remembers what decisions need of those before. Not safe for concurrent use.
type Loop struct {
	// Mode is for services whose labels name none; "": Recommend.
	Mode Mode
	// Only is a pattern (path.Match) of the services that it decides for; "": all.
	Only string

	policies  map[string]parsed // by service id
	histories map[string]History
	at        time.Time // of the last round
}

type parsed struct {
	version uint64
	policy  *Policy
}

// Policies are those of a snapshot's services that can be followed, by service name.
func (l *Loop) Policies(snap *fleet.Snapshot) map[string]*Policy {
	out := map[string]*Policy{}
	for _, s := range snap.Services {
		if p := l.policy(s); p.Usable() && l.means(s.Name) {
			out[s.Name] = p
		}
	}
	return out
}

// means tells whether a service is one of those that it decides for.
func (l *Loop) means(service string) bool {
	ok, err := path.Match(l.Only, service)
	return l.Only == "" || ok && err == nil
}

// policy reads a service's labels, once for each version of it.
func (l *Loop) policy(s *fleet.Service) *Policy {
	if x, ok := l.policies[s.ID]; ok && x.version == s.Version && s.Version > 0 {
		return x.policy
	}
	if l.policies == nil {
		l.policies = map[string]parsed{}
	}
	p := ParsePolicy(&s.Service)
	l.policies[s.ID] = parsed{s.Version, &p}
	return &p
}

// Decide decides for each service of the snapshot, in its order. What one is given another has not: the room is that of all together.
func (l *Loop) Decide(snap *fleet.Snapshot, e *Evidence, now time.Time) []Decision {
	room, locked := fleet.RoomOf(snap), locks(snap)
	out := make([]Decision, 0, len(snap.Services))
	histories := make(map[string]History, len(snap.Services))
	policies := make(map[string]parsed, len(snap.Services))
	for _, s := range snap.Services {
		if !l.means(s.Name) {
			continue
		}
		p := l.policy(s)
		policies[s.ID] = l.policies[s.ID]
		in := Input{Policy: p, State: stateOf(s, p, locked), History: l.histories[s.ID], Now: now,
			Room: func(more int) (int, string) { return room.Place(&s.Service, more) }}
		if in.State.Skip == Counts {
			in.Samples = e.of(s.Name, p)
		}
		d, h := Decide(&in)
		d.Service, d.ID = s.Name, s.ID
		if d.Mode == "" {
			d.Mode = cmp.Or(l.Mode, Recommend)
		}
		out = append(out, d)
		if in.State.Skip != NoPolicy {
			histories[s.ID] = h
		}
	}
	l.histories, l.policies = histories, policies // of services that are gone nothing is kept
	return out
}

// look is how far back a loop looks that begins: as far as the algorithm does, and a round for the samples to begin.
const look = Window + 2*Every

// Round reads what is measured now and decides for each service of the snapshot. A loop whose last round was not about one period ago begins anew: it decides for the moments of the last
// minutes first, with what was measured then, as one that has run through them.
func (l *Loop) Round(ctx context.Context, snap *fleet.Snapshot, m sources.Metrics, now time.Time) []Decision {
	back := 2 * Every
	if since := now.Sub(l.at); since < Every/2 || since > gap {
		back, l.histories = look, nil
	}
	e := Gather(ctx, m, l.Policies(snap), now.Add(-back), now)
	if l.histories == nil {
		for t := now.Add(-back); t.Before(now); t = t.Add(Every) {
			l.Decide(snap, e.At(t), t)
		}
	}
	l.at = now
	return l.Decide(snap, e, now)
}

// Recommendations are the decisions for a snapshot as a loop would make them that has run for the last minutes, with what was measured then.
func Recommendations(ctx context.Context, snap *fleet.Snapshot, m sources.Metrics, now time.Time) []Decision {
	return (&Loop{}).Round(ctx, snap, m, now)
}
