package loki

import (
	"context"
	"errors"
	"fmt"
	"io"
	"regexp"
	"sync"
	"time"

	"github.com/prometheus/common/model"
	"go.yaml.in/yaml/v3"

	"quarterdeck/sources"
)

// How far back Loki can be asked. max_query_lookback: past it Loki answers nothing. retention_period: past it the compactor deletes, where
// retention_enabled is on. The first period of schema_config: before it nothing can have been stored. Loki tells them to whom it lets read: a
// tenant's limits at /loki/api/v1/drilldown-limits (3.5 and later; tenant_limits_allow_publish may leave some out), the whole configuration at /config.
// Else a refusal tells them.

const (
	// horizonFor is how long an answer about limits holds.
	horizonFor = 10 * time.Minute
	// maxConfig bounds what is read of the configuration: that of 3.7 has about 60 KB.
	maxConfig = 1 << 20
	// lengthSlack is by how much a stretch is shorter than max_query_length: Loki rounds its ends to milliseconds.
	lengthSlack = time.Second
	// leastLength is the shortest max_query_length that is believed: a shorter one would make a day thousands of questions.
	leastLength = time.Minute
	// deleteSlack is by how much lines may outlive retention_period: the compactor works table by table, and a table has a day.
	deleteSlack = 24 * time.Hour
)

// limits are what a server lets be asked; zero: no such limit, nil: it did not say.
type limits struct {
	Lookback  *model.Duration `json:"max_query_lookback" yaml:"max_query_lookback"`
	Length    *model.Duration `json:"max_query_length" yaml:"max_query_length"`
	Retention *model.Duration `json:"retention_period" yaml:"retention_period"`
	Streams   []struct {
		Period model.Duration `json:"period" yaml:"period"`
	} `json:"retention_stream" yaml:"retention_stream"`
}

func length(d *model.Duration) time.Duration {
	if d == nil {
		return 0
	}
	return time.Duration(*d)
}

// longest is the longest time that anything is kept.
func (l limits) longest() time.Duration {
	d := length(l.Retention)
	if d <= 0 { // off: what no rule names is kept for ever
		return 0
	}
	for _, s := range l.Streams {
		d = max(d, time.Duration(s.Period))
	}
	return d
}

// reach is what is known of how far back and how much at once the server can be asked. Safe for concurrent use.
type reach struct {
	mu   sync.Mutex
	read time.Time // when limits and deletes were read
	// lookback and length are the limits, as they were read or as a refusal told them; 0: none is known.
	lookback, length time.Duration
	kept             time.Duration // the longest retention; 0: for ever, or not known
	deletes          bool          // the compactor is known to delete what is older
	start            time.Time     // nothing can have been stored before; zero: not known
	whyNot           string        // what could not be read, and why; "": all was
}

// learn takes a limit over that a refusal named.
func (r *reach) learn(lookback, length time.Duration) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if lookback > 0 {
		r.lookback = lookback
	}
	if length > 0 {
		r.length = length
	}
}

// step is how much of a range can be asked for at once, in nanoseconds; 0: any.
func (r *reach) step() int64 {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.length < leastLength {
		return 0
	}
	return int64(r.length - lengthSlack)
}

// Horizon tells how far back lines can be had. See [sources.Horizoner].
func (c *Client) Horizon(ctx context.Context) sources.Horizon {
	r := &c.reach
	r.mu.Lock()
	stale := time.Since(r.read) > horizonFor
	r.mu.Unlock()
	if stale {
		c.readLimits(ctx)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.horizon(c.now())
}

// horizon is the nearest of the ends that are known. Under mu.
func (r *reach) horizon(now time.Time) (h sources.Horizon) {
	nearer := func(oldest time.Time, why string) {
		if oldest.After(h.Oldest) {
			h = sources.Horizon{Oldest: oldest, Why: why}
		}
	}
	if !r.start.After(now) {
		nearer(r.start, "the start of what loki has: it stores since "+r.start.UTC().Format(time.DateOnly))
	}
	if r.deletes && r.kept > 0 {
		nearer(now.Add(-r.kept-deleteSlack), "loki keeps "+days(r.kept))
	}
	if r.lookback > 0 {
		nearer(now.Add(-r.lookback), "loki answers for "+days(r.lookback)+" (max_query_lookback)")
	}
	switch {
	case !h.Oldest.IsZero():
	case r.whyNot != "" && r.kept > 0:
		h.Why = "loki's retention_period is " + days(r.kept) + "; could not ask whether it deletes: " + r.whyNot
	case r.whyNot != "":
		h.Why = "could not ask how far back: " + r.whyNot
	default:
		h.Why = "loki does not say how far back it keeps lines"
	}
	return h
}

// days writes a duration in whole days where it has those.
func days(d time.Duration) string {
	const day = 24 * time.Hour
	switch {
	case d == day:
		return "1 day"
	case d > day && d%day == 0:
		return fmt.Sprintf("%d days", d/day)
	}
	return model.Duration(d).String()
}

// readLimits asks for the configuration and the tenant's own limits, which go before it. A server that is away is asked again at the next look.
func (c *Client) readLimits(ctx context.Context) {
	whole, errWhole := c.readConfig(ctx)
	told := struct{ Limits *limits }{&whole.Limits}
	errTold := c.getPlain(ctx, "read the limits", "/loki/api/v1/drilldown-limits", nil, &told)
	if ctx.Err() != nil {
		return
	}
	r := &c.reach
	r.mu.Lock()
	defer r.mu.Unlock()
	r.whyNot = ""
	if errWhole != nil {
		r.whyNot = cause(errWhole)
	}
	if errWhole == nil || sources.KindOf(errWhole) != sources.Unreachable {
		r.read = time.Now()
	}
	if errWhole != nil && (errTold != nil || told.Limits == nil) {
		return // what refusals told stays
	}
	l := whole.Limits
	if errTold == nil && told.Limits != nil {
		l = *told.Limits
	}
	if l.Lookback != nil {
		r.lookback = length(l.Lookback)
	}
	if l.Length != nil {
		r.length = length(l.Length)
	}
	r.kept = l.longest()
	if errWhole == nil {
		r.deletes, r.start = whole.Compactor.Deletes, whole.start()
	}
}

// cause is an error's own words, without who says it and what to do.
func cause(err error) string {
	var e *sources.Error
	if errors.As(err, &e) && e.Err != nil {
		return e.Err.Error()
	}
	return err.Error()
}

// config is the part of Loki's configuration that matters here.
type config struct {
	Limits    limits `yaml:"limits_config"`
	Compactor struct {
		Deletes bool `yaml:"retention_enabled"`
	} `yaml:"compactor"`
	Schema struct {
		Configs []struct {
			From string `yaml:"from"`
		} `yaml:"configs"`
	} `yaml:"schema_config"`
}

// start is when the first period of the schema begins; zero: it is not told in a way that can be read.
func (c config) start() (first time.Time) {
	for _, p := range c.Schema.Configs {
		t, err := time.Parse(time.DateOnly, p.From)
		if err != nil {
			return time.Time{}
		}
		if t.Before(time.Unix(0, 0)) {
			t = time.Unix(0, 0)
		}
		if first.IsZero() || t.Before(first) {
			first = t
		}
	}
	return first
}

// told tells whether anything in it is of Loki's configuration.
func (c config) told() bool {
	return c.Limits.Lookback != nil || c.Limits.Length != nil || c.Limits.Retention != nil || len(c.Schema.Configs) > 0
}

func (c *Client) readConfig(ctx context.Context) (out config, err error) {
	const op = "read the configuration"
	body, err := c.get(ctx, op, "/config", nil, 1)
	if err != nil {
		return out, err
	}
	defer drain(body)
	b, err := io.ReadAll(io.LimitReader(body, maxConfig+1))
	if err != nil {
		return out, c.transportErr(op, err)
	}
	if looksHTML(b) {
		return out, c.notLoki(op, b)
	}
	bad := func(why error) (config, error) {
		return config{}, &sources.Error{Source: name, Op: op, Kind: sources.BadAnswer, Next: "is this Loki's address?", Err: why}
	}
	if len(b) > maxConfig {
		return bad(fmt.Errorf("the configuration has more than %d bytes", maxConfig))
	}
	if err := yaml.Unmarshal(b, &out); err != nil || !out.told() {
		return bad(errors.New("what came is not loki's configuration"))
	}
	return out, nil
}

var (
	// Loki's words (pkg/util/validation/validate.go): they are the same since 2.0.
	lengthText   = sources.LazyRegexp(`time range exceeds the limit \(query length: [^,]*, limit: ([0-9a-zµ.]+)\)`)
	lookbackText = sources.LazyRegexp(`past now - max_query_lookback \(([0-9a-zµ.]+)\)`)
)

// limitIn reads a duration out of a refusal; 0: it names none.
func limitIn(text func() *regexp.Regexp, err error) time.Duration {
	m := text().FindStringSubmatch(err.Error())
	if m == nil {
		return 0
	}
	if d, err := model.ParseDuration(m[1]); err == nil {
		return time.Duration(d)
	}
	d, err := time.ParseDuration(m[1])
	if err != nil {
		return 0
	}
	return d
}

// refused takes a limit over that a refusal names, so that the range is read within it. over: nothing that is left of it can be had, and gap says why.
func (s *span) refused(err error, length int64) (again, over bool, gap *sources.Gap) {
	if d := limitIn(lookbackText, err); d > 0 {
		s.c.reach.learn(d, 0)
		oldest := s.c.now().Add(-d).UnixNano()
		g := gapOf(s.from, min(s.to, max(oldest, s.from)), "loki answers for "+days(d)+" (max_query_lookback)")
		if s.clipped || s.to <= oldest || s.from >= oldest {
			return false, true, &g
		}
		s.from, s.clipped = oldest, true
		return true, false, &g
	}
	if d := limitIn(lengthText, err); d >= leastLength {
		s.c.reach.learn(0, d)
		if step := s.c.reach.step(); step > 0 && step < length {
			s.step = step
			return true, false, nil
		}
	}
	return false, false, nil
}
