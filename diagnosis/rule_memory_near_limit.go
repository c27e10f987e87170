package diagnosis

import (
	"cmp"
	"fmt"
	"strings"
	"time"

	"quarterdeck/sources"
	"quarterdeck/sources/fleet"
)

// What counts as a climb to the limit, in parts of the limit.
const (
	climbLeast  = 0.1  // what it rises by at least
	climbSlack  = 0.03 // how far a climb may fall back and still be one
	climbPoints = 4    // samples that a climb has at least, where it is not at the limit yet
	riseLeast   = 0.15 // how far below it was before, where it stands at the limit
	climbSpans  = 10   // how many times its own length a climb is drawn on
	climbFar    = 12 * time.Hour
	atLimit     = 0.9
	steadyFit   = 0.8 // of the variance that a line must explain (R²)
)

// climb is how memory rises, from the bottom up to now.
type climb struct {
	from, to sources.Point
	// a second, in parts of the limit: the less of that of the whole climb and of its last third; 0: it stands.
	slope float64
	// young: it began with the container's first sample.
	young bool
}

// left is how long it takes to the limit if it goes on so; 0: it is there, or does not rise.
func (k *climb) left() time.Duration {
	if k.slope <= 0 || k.to.V >= 1 {
		return 0
	}
	return time.Duration((1 - k.to.V) / k.slope * float64(time.Second))
}

// climbing finds the climb at the end of a series, nil: it does not end in one. What falls back by more than climbSlack begins anew.
func climbing(points []sources.Point) *climb {
	n := len(points)
	if n < 3 {
		return nil
	}
	last := points[n-1]
	low, top := n-1, last.V // backwards: the lowest point that all that follows it has risen from
	for i := n - 2; i >= 0 && points[i].V <= top+climbSlack; i-- {
		if points[i].V <= points[low].V {
			low = i
		} else if points[i].V > points[low].V+climbSlack {
			break
		}
		top = max(top, points[i].V)
	}
	for bottom := points[low].V; low+1 < n && points[low+1].V <= bottom+climbSlack/10; { // where it stood long at the bottom it begins when it leaves that
		low++
	}
	k := &climb{from: points[low], to: last, young: low == 0}
	if last.V-k.from.V < climbLeast || !steady(points[low:]) {
		return nil
	}
	third := points[low+(n-1-low)*2/3]
	k.slope = rise(k.from, last)
	if third.T.Before(last.T) && n-low >= climbPoints {
		k.slope = max(min(k.slope, rise(third, last)), 0)
	}
	return k
}

func rise(a, b sources.Point) float64 {
	if d := b.T.Sub(a.T).Seconds(); d > 0 {
		return (b.V - a.V) / d
	}
	return 0
}

// steady tells whether a straight line, or one that levels off at its end, explains most of how points rise.
func steady(points []sources.Point) bool {
	fit := func(points []sources.Point) float64 {
		var sx, sy, sxx, sxy, syy float64
		n := float64(len(points))
		for _, p := range points {
			px := p.T.Sub(points[0].T).Seconds()
			sx, sy, sxx, sxy, syy = sx+px, sy+p.V, sxx+px*px, sxy+px*p.V, syy+p.V*p.V
		}
		vx, vy := n*sxx-sx*sx, n*syy-sy*sy
		if vx <= 0 || vy <= 0 {
			return 0
		}
		return (n*sxy - sx*sy) * (n*sxy - sx*sy) / (vx * vy)
	}
	end := len(points)
	for end > 2 && points[end-1].V-points[end-2].V < climbSlack/10 {
		end--
	}
	return fit(points) >= steadyFit || fit(points[:end]) >= steadyFit
}

// fullest is what the memory of one container does.
type fullest struct {
	of    *Course
	now   sources.Point
	climb *climb
	// rose is what brought it to where it stands, where that is known: it was well below within the windows; nil: it stands there throughout.
	rose *climb
	// usual is the most that it and its like have had before, of those that were not killed; 0: not known.
	usual float64
}

// memoryNearLimit: a task's memory climbs to its limit and will be there soon, or stands at it. Nothing has been killed for it yet: that is oom-killed. It
// is no id of OPERATIONS.md's table, which names the kill alone.
func memoryNearLimit(s *Scene, _ *Wide) *Cause {
	if s.Metrics == nil || s.Metrics.Course == nil {
		return nil
	}
	f := s.fullestTask()
	if f == nil {
		return nil
	}
	c := &Cause{Grade: Anomaly}
	query := s.Metrics.Course.Query
	if f.climb != nil {
		c.climbs(s, f)
	} else {
		c.stands(s, f)
	}
	if r := s.Metrics.Course.Resident; r > 0 && r < f.now.V/2 {
		c.Confidence -= 0.25
		c.objects(fleet.PrometheusName, s.Metrics.Course.ResidentQuery, "only %s of the limit is memory of its own: the rest are pages of files, which the kernel takes back before it kills", percent(r))
	}
	if up := cmp.Or(f.climb, f.rose); up != nil {
		if asked := s.askedMore(up.from.T); asked >= 1.5 {
			c.Confidence -= 0.1
			c.objects(fleet.PrometheusName, s.Metrics.Readings["requests"].Answer.Query, "it is asked %.1f times as much as before: that may be load and no leak", asked)
		}
		if d := s.changeBefore(c.Since); d != nil && !scaledOnly(d) {
			c.Grade = ChangeBefore
			c.add(d.proof(c.Since))
			c.step("go back to before the change", "rollback", s.Service.Name)
		}
	}
	if f.usual >= f.now.V-climbSlack && f.usual > 0 {
		if s.alert(sources.Firing) == nil && s.alert(sources.Pending) == nil { // a cache that fills what it is given is nobody's trouble
			return nil
		}
		c.Confidence = min(c.Confidence, 0.35)
		c.objects(fleet.PrometheusName, query, "it or its like were at %s before, and were not killed", percent(f.usual))
	}
	if c.Confidence < 0.3 {
		return nil
	}
	c.Next = append([]Step{{Text: "see its memory against the limit: a steady rise is a leak, a step is a load", Action: "metrics", On: s.Service.Name}}, c.Next...)
	c.step("redeploy it: that empties its memory until the leak is found", "redeploy", s.Service.Name)
	if s.Service.Mode == sources.Replicated && s.Service.Desired > 0 {
		c.step("scale it up, where it is load: more tasks share it", "scale", s.Service.Name)
	}
	if limit := s.Service.Resources.LimitBytes; limit > 0 {
		c.outside("or raise the limit until then", "docker service update --limit-memory %dM %s", (2*limit)>>20, s.Service.Name)
	}
	return c
}

// climbs says how fast, since when, and when it will be at the limit.
func (c *Cause) climbs(s *Scene, f *fullest) {
	k, limit := f.climb, s.Service.Resources.LimitBytes
	c.Since = k.from.T
	span := k.to.T.Sub(k.from.T)
	c.Title = fmt.Sprintf("its memory climbs to its limit: %s of %s", percent(k.to.V), bytesWords(limit))
	c.Confidence = 0.5
	left := k.left()
	switch {
	case k.to.V >= atLimit:
		c.Confidence = 0.75
	case left <= time.Hour && k.to.V >= nearLimit:
		c.Confidence = 0.7
	case left <= time.Hour || k.to.V >= 0.8:
		c.Confidence = 0.6
	}
	c.Why = fmt.Sprintf("it has risen from %s to %s of the limit within %s, and at the limit the kernel kills it", percent(k.from.V), percent(k.to.V), short(span))
	if k.young && f.usual == 0 {
		c.Confidence = min(c.Confidence, 0.45)
		c.objects(fleet.PrometheusName, s.Metrics.Course.Query, "it has risen since it started, and nothing is known of how far others of it rise: it may be warming up")
	}
	c.proves(fleet.PrometheusName, s.Metrics.Course.Query, k.from.T, "%s: %s of the limit at %s, %s at %s", f.name(s), percent(k.from.V), k.from.T.UTC().Format(time.TimeOnly), percent(k.to.V), k.to.T.UTC().Format(time.TimeOnly))
	if left > 0 {
		c.proves(fleet.PrometheusName, "", k.to.T, "at %s a minute, as of late, it is at the limit in about %s, about %s (an estimate: as it rose within these %s)", ofLimit(k.slope*60, limit), about(left), k.to.T.Add(left).UTC().Format("15:04"), short(span))
	}
}

// stands says that it is at the limit and rises no further.
func (c *Cause) stands(s *Scene, f *fullest) {
	c.Title = fmt.Sprintf("its memory stands at its limit: %s of %s", percent(f.now.V), bytesWords(s.Service.Resources.LimitBytes))
	c.Confidence = 0.4
	c.Why = "it does not rise any more; what needs a little more than this is killed by the kernel"
	if k := f.rose; k != nil {
		c.Confidence, c.Since = 0.75, k.from.T
		c.Title = fmt.Sprintf("its memory has risen to its limit: %s of %s", percent(f.now.V), bytesWords(s.Service.Resources.LimitBytes))
		c.Why = fmt.Sprintf("it has risen from %s to %s of the limit within %s, and what needs a little more than this is killed by the kernel", percent(k.from.V), percent(k.to.V), short(k.to.T.Sub(k.from.T)))
		c.proves(fleet.PrometheusName, s.Metrics.Course.Query, k.from.T, "%s: %s of the limit at %s, %s at %s and since", f.name(s), percent(k.from.V), k.from.T.UTC().Format(time.TimeOnly), percent(k.to.V), k.to.T.UTC().Format(time.TimeOnly))
		return
	}
	for _, a := range []*sources.Alert{s.alert(sources.Firing), s.alert(sources.Pending)} {
		if a != nil {
			c.Confidence, c.Since = 0.55, a.Since
		}
	}
	if c.Since.IsZero() && len(f.of.Near) > 0 {
		c.Since = f.of.Near[0].T
	}
	c.proves(fleet.PrometheusName, s.Metrics.Course.Query, f.now.T, "%s is at %s of the limit", f.name(s), percent(f.now.V))
}

// name is a container's, without its task's id.
func (f *fullest) name(s *Scene) string {
	if i := strings.LastIndexByte(f.of.Container, '.'); i > 0 {
		return f.of.Container[:i]
	}
	return orWord(f.of.Container, s.Service.Name)
}

// ofLimit is a part of a limit in bytes, or in percent where the limit is not known.
func ofLimit(part float64, limit int64) string {
	if limit <= 0 {
		return fmt.Sprintf("%.1f%% of the limit", 100*part)
	}
	return bytesWords(int64(part * float64(limit)))
}

// about is a duration that is only an estimate.
func about(d time.Duration) string {
	if d < time.Minute {
		return "a minute"
	}
	return short(d)
}

// fullestTask is the container that comes nearest to its limit in time, of those that live; nil: none comes near it. Ties are broken by name.
func (s *Scene) fullestTask() *fullest {
	var best *fullest
	for i := range s.Metrics.Course.Of {
		of := &s.Metrics.Course.Of[i]
		f := s.fill(of)
		if f == nil {
			continue
		}
		if best == nil || f.sooner(best) {
			best = f
		}
	}
	return best
}

func (f *fullest) sooner(o *fullest) bool {
	if (f.climb != nil) != (o.climb != nil) {
		return f.climb != nil
	}
	if f.climb != nil && f.climb.left() != o.climb.left() {
		return f.climb.left() < o.climb.left()
	}
	return f.now.V > o.now.V
}

// fill looks at one container that lives: whether it climbs to the limit, or stands at it.
func (s *Scene) fill(of *Course) *fullest {
	points := of.Near
	if len(points) == 0 {
		points = of.Far
	}
	if len(points) == 0 || s.At.Sub(points[len(points)-1].T) > 2*memoryNearStep || s.endedTask(of.Container) {
		return nil
	}
	f := &fullest{of: of, now: points[len(points)-1]}
	for _, list := range [][]sources.Point{of.Near, of.Far} {
		k := climbing(list)
		if k == nil || f.climb != nil {
			continue
		}
		if len(list) > 0 && len(of.Far) > 0 && k.from.T.After(of.Far[0].T.Add(memoryFarStep)) {
			k.young = false
		}
		left, span := k.left(), k.to.T.Sub(k.from.T)
		switch {
		case k.to.V >= atLimit, left > 0 && left <= min(climbFar, climbSpans*span) && k.to.V >= memoryAsked && countSince(list, k.from.T) >= climbPoints:
			f.climb = k
		}
	}
	if f.climb == nil && f.now.V < atLimit {
		return nil
	}
	if f.climb == nil {
		f.rose = risen(of.Near)
		if f.rose == nil {
			f.rose = risen(of.Far)
		}
	}
	f.usual = s.usualShare(f)
	return f
}

// risen finds how a series came to where it stands now: from the last point that was well below; nil: there is none.
func risen(points []sources.Point) *climb {
	for i := len(points) - 2; i >= 0; i-- {
		if now := points[len(points)-1].V; points[i].V > now-riseLeast {
			continue
		}
		from := i
		for from > 0 && points[from-1].V < points[from].V-climbSlack { // down to where it began
			from--
		}
		k := &climb{from: points[from], to: points[len(points)-1]}
		for _, p := range points[i+1:] {
			if p.V >= k.to.V-climbSlack {
				k.to = p
				break
			}
		}
		return k
	}
	return nil
}

func countSince(points []sources.Point, t time.Time) int {
	n := 0
	for _, p := range points {
		if !p.T.Before(t) {
			n++
		}
	}
	return n
}

// usualShare is the most that containers of the service have had without being killed: this one before its climb, or before the last twenty minutes where it
// stands, and its like, those that live and those that ended otherwise.
func (s *Scene) usualShare(f *fullest) float64 {
	usual := 0.0
	until := s.At.Add(-memoryNear)
	if up := cmp.Or(f.climb, f.rose); up != nil {
		until = up.from.T
	}
	for i := range s.Metrics.Course.Of {
		of := &s.Metrics.Course.Of[i]
		if s.killedTask(of.Container) {
			continue
		}
		for _, list := range [][]sources.Point{of.Far, of.Near} {
			for _, p := range list {
				if p.T.Before(until) {
					usual = max(usual, p.V)
				}
			}
		}
	}
	return usual
}

// endedTask and killedTask tell of a container's task, by the id that its name ends in, whether it has ended, and whether by a kill.
func (s *Scene) endedTask(container string) bool {
	t := s.taskOf(container)
	return t != nil && t.State.Ended()
}

func (s *Scene) killedTask(container string) bool {
	t := s.taskOf(container)
	return t != nil && sigkilled(t)
}

func (s *Scene) taskOf(container string) *sources.Task {
	id := container[strings.LastIndexByte(container, '.')+1:]
	for i := range s.Tasks {
		if t := &s.Tasks[i]; id != "" && t.ID == id {
			return t
		}
	}
	return nil
}
