package incident

import (
	"context"
	"fmt"
	"math"
	"strconv"
	"strings"
	"sync"
	"time"

	"quarterdeck/sources"
	"quarterdeck/sources/fleet"
)

// UserImpact is what the users of a service felt within the window, and what is usual: the middle of the time before. What is not known is
// null, and Reason says why there is no count.
type UserImpact struct {
	Service string `json:"service"`
	Also    bool   `json:"also"` // the incident is not of it
	// Requests and Failed (HTTP 5xx) are counted; Share is the ratio of the two.
	Requests   *sources.Counted `json:"requests"`
	Failed     *sources.Counted `json:"failed"`
	Share      *sources.Counted `json:"share"`
	UsualShare *float64         `json:"usual_share"`
	// Slowest and Usual are the 95th percentile of the answer's time in seconds, as exact as the histogram's steps.
	Slowest   *Between   `json:"slowest"`
	SlowestAt *time.Time `json:"slowest_at"`
	Usual     *Between   `json:"usual"`
	How       string     `json:"how"`
	Query     string     `json:"query"`
	Reason    string     `json:"reason"`
}

// Between is a value that lies between two bounds; Most is null where there is no upper one.
type Between struct {
	Least float64  `json:"least"`
	Most  *float64 `json:"most"`
}

// readUsers counts the requests of the services that were in trouble, and reads what users feel of those that the incident is not of.
func (g *gatherer) readUsers(ctx context.Context) {
	if g.Metrics == nil {
		return
	}
	counter, _ := g.Metrics.(sources.RequestCounter)
	w := g.r.Window
	var wg sync.WaitGroup
	each := func(service string, also bool) {
		if counter != nil && w.To.After(w.From) {
			wg.Go(func() {
				n, err := counter.RequestsIn(ctx, service, w.From, w.To)
				g.mu.Lock()
				defer g.mu.Unlock()
				g.counts[service] = counted{n, err}
			})
		}
		if also {
			wg.Go(func() { g.readSide(ctx, service) })
		}
	}
	for _, s := range g.r.Services {
		each(s, false)
	}
	for i := range g.r.Also {
		each(g.r.Also[i].Service, true)
	}
	wg.Wait()
}

// readSide reads the figures that users feel of a service that the incident is not of; they are not drawn.
func (g *gatherer) readSide(ctx context.Context, service string) {
	w := sources.Window{Start: g.r.Since, End: g.r.Until}
	list, err := g.Metrics.Standard(ctx, service, w, "errors", "p95")
	if err != nil && len(list) == 0 {
		g.gap(fleet.PrometheusName, "metrics of "+service, why(err))
		return
	}
	var charts []Chart
	for i := range list {
		charts = append(charts, g.chart(service, &list[i], w))
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	g.side[service] = charts
}

// users puts together what was felt, service by service. Services beside the incident's are there only where something is known of them.
func (g *gatherer) users() []UserImpact {
	var out []UserImpact
	for _, s := range g.r.Services {
		if u, some := g.userOf(s, g.charts[s], false); some || u.Reason != "" {
			out = append(out, u)
		}
	}
	for i := range g.r.Also {
		s := g.r.Also[i].Service
		if u, some := g.userOf(s, g.side[s], true); some {
			out = append(out, u)
		}
	}
	return out
}

// userOf is what the users of one service felt; some: anything is known.
func (g *gatherer) userOf(service string, charts []Chart, also bool) (u UserImpact, some bool) {
	u = UserImpact{Service: service, Also: also}
	c, ok := g.counts[service]
	switch {
	case !ok:
		u.Reason = "its requests could not be counted"
	case c.err != nil:
		u.Reason = why(c.err)
		g.gap(fleet.PrometheusName, "requests of "+service, u.Reason)
	case c.Reason != "":
		u.Reason = c.Reason
	default:
		u.Requests, u.Failed, u.How, u.Query = &c.All, &c.Failed, c.How, c.Query
		if c.All.Most > 0 {
			u.Share = shareOf(c.Failed, c.All)
		}
		some = true
	}
	for i := range charts {
		x := &charts[i]
		switch x.Name {
		case "errors":
			if m, ok := x.usual(g.r.Window); ok {
				u.UsualShare = &m
			}
		case "p95":
			if at, v, ok := x.worstIn(g.r.Window); ok {
				b, t := x.between(v), at.UTC()
				u.Slowest, u.SlowestAt, some = &b, &t, true
				if u.How == "" {
					u.How = x.How
				}
			}
			if m, ok := x.usual(g.r.Window); ok {
				b := x.between(m)
				u.Usual = &b
			}
		}
	}
	return u, some
}

// shareOf are the bounds of the ratio of what failed, from those of what failed and of what did not.
func shareOf(failed, all sources.Counted) *sources.Counted {
	ratio := func(bad, good float64) float64 {
		if bad+good <= 0 {
			return 0
		}
		return bad / (bad + max(good, 0))
	}
	return &sources.Counted{Least: ratio(failed.Least, all.Most-failed.Most), Most: ratio(failed.Most, all.Least-failed.Least)}
}

// worstIn is the greatest sample within a window.
func (c *Chart) worstIn(w Window) (at time.Time, v float64, ok bool) {
	for i := range c.Points {
		p := &c.Points[i]
		if p.V != nil && between(p.T, w.From.Add(-lead), w.To) && (!ok || *p.V > v) {
			at, v, ok = p.T, *p.V, true
		}
	}
	return at, v, ok
}

// usual is what the figure was before it went up, else the middle of the samples before a window: of three at least.
func (c *Chart) usual(w Window) (float64, bool) {
	if c.roseIn(w) {
		return c.rise.base, true
	}
	var before []float64
	for i := range c.Points {
		if p := &c.Points[i]; p.V != nil && p.T.Before(w.From.Add(-lead)) {
			before = append(before, *p.V)
		}
	}
	if len(before) < 3 {
		return 0, false
	}
	return median(before), true
}

// between is between what bounds a quantile lies.
func (c *Chart) between(v float64) Between {
	lo, hi, coarse := sources.Reading{Bounds: c.Bounds}.Bucket(v)
	switch {
	case !coarse:
		return Between{v, &v}
	case math.IsInf(hi, 1):
		return Between{Least: lo}
	}
	return Between{lo, &hi}
}

// words are a range of seconds.
func (b Between) words() string {
	switch {
	case b.Most == nil:
		return "more than " + figure(b.Least, "s")
	case *b.Most == b.Least:
		return figure(b.Least, "s")
	case b.Least <= 0:
		return "at most " + figure(*b.Most, "s")
	}
	return figure(b.Least, "s") + " to " + figure(*b.Most, "s")
}

// coarse tells that the bounds are a histogram's.
func (b Between) coarse() bool { return b.Most == nil || *b.Most != b.Least }

// numbers are a count for people: one number where its bounds are the same, else both.
func numbers(c sources.Counted) string {
	least, most := thousands(c.Least), thousands(c.Most)
	if least == most {
		return least
	}
	return least + " to " + most
}

func percents(c sources.Counted) string {
	least, most := figure(c.Least, "ratio"), figure(c.Most, "ratio")
	if least == most {
		return least
	}
	return strings.TrimSuffix(least, " %") + " to " + most
}

// thousands is a whole number with its thousands apart.
func thousands(v float64) string {
	s := strconv.FormatFloat(math.Round(v), 'f', 0, 64)
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}

// failures say how many requests failed, "" where that is not known.
func (u *UserImpact) failures() string {
	switch {
	case u.Failed == nil:
		return ""
	case u.Requests.Most == 0:
		return "no request was counted"
	case u.Failed.Most == 0:
		return "none of " + numbers(*u.Requests) + " requests failed with 5xx"
	}
	text := fmt.Sprintf("%s of %s requests failed with 5xx (%s", numbers(*u.Failed), numbers(*u.Requests), percents(*u.Share))
	if u.UsualShare != nil {
		text += "; usually " + figure(*u.UsualShare, "ratio")
	}
	return text + ")"
}

// latency says how slow it was, and how slow it is else; "" where that is not known.
func (u *UserImpact) latency() string {
	if u.Slowest == nil {
		return ""
	}
	worst := u.Slowest.words()
	text := "95th percentile of the answer's time was " + worst
	if u.Usual != nil && u.Usual.words() == worst {
		text += " at worst, as usual"
	} else {
		text += " at worst (" + clockOf(*u.SlowestAt) + " UTC)"
		if u.Usual != nil {
			text += ", usually " + u.Usual.words()
		}
	}
	return text
}

// words are all that is known of what the users of the service felt, in a sentence or two; "" where nothing is.
func (u *UserImpact) words() []string {
	var out []string
	name := u.Service
	if u.Also {
		name += " (also)"
	}
	if f := u.failures(); f != "" {
		text := name + ": " + f
		if u.How != "" {
			how, _, _ := strings.Cut(u.How, " (") // how the two names were matched is in the JSON
			text += ", " + how
		}
		out = append(out, text+".")
	}
	if l := u.latency(); l != "" {
		out = append(out, name+": "+l+".")
	}
	return out
}

// hit tells whether more requests failed than usual, or may have: one of a hundred at least, and three times as many as usual.
func (u *UserImpact) hit() bool {
	usual := 0.0
	if u.UsualShare != nil {
		usual = *u.UsualShare
	}
	return u.Share != nil && u.Share.Most > max(floorOf("errors"), jumpTimes*usual)
}

// userSummary is how many requests failed of the services whose users were hit; where none were, that is said.
func (g *gatherer) userSummary() []string {
	var out, well []string
	for i := range g.r.Users {
		u := &g.r.Users[i]
		switch {
		case u.hit():
			text := fmt.Sprintf("%s: %s.", u.Service, u.failures())
			if u.Also {
				text = "Also " + text
			}
			out = append(out, text)
		case u.Share != nil && !u.Also:
			well = append(well, u.Service+" "+percents(*u.Share))
		}
	}
	if len(out) == 0 && len(well) > 0 {
		out = append(out, "No more requests failed than usual: "+strings.Join(well, ", ")+".")
	}
	return out
}

// userWords are what is known of what users felt, what is not known, and how exact it is.
func (g *gatherer) userWords() []string {
	var out []string
	counted, coarse := false, false
	unknown := map[string][]string{}
	var reasons []string
	for i := range g.r.Users {
		u := &g.r.Users[i]
		out = append(out, u.words()...)
		if u.Failed != nil {
			counted = counted || u.Failed.Most > 0 && (u.Failed.Least != u.Failed.Most || u.Requests.Least != u.Requests.Most)
		} else if !u.Also {
			reason := firstClause(strings.ReplaceAll(u.Reason, " of service "+u.Service, ""))
			if len(unknown[reason]) == 0 {
				reasons = append(reasons, reason)
			}
			unknown[reason] = append(unknown[reason], u.Service)
		}
		coarse = coarse || u.Slowest != nil && u.Slowest.coarse()
	}
	if counted || coarse {
		w := g.r.Window
		text := fmt.Sprintf("How that is known: over %s to %s UTC", clockOf(w.From), clockOf(w.To))
		if counted {
			text += "; a count is given as a range, where requests fell between two readings of the counter on either side of an edge"
		}
		if coarse {
			text += "; an answer's time is a range, as wide as the histogram's steps"
		}
		out = append(out, text+".")
	}
	for _, r := range reasons {
		out = append(out, fmt.Sprintf("How many requests failed is not known of %s: %s.", strings.Join(unknown[r], ", "), r))
	}
	return out
}

// firstClause is what a reason says first: what it advises beside that is for the console's pages, where one looks at that service.
func firstClause(reason string) string {
	reason, _, _ = strings.Cut(reason, ";")
	return reason
}
