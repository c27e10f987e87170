package alertmanager

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"quarterdeck/sources"
)

type (
	wireSilence struct {
		ID        string        `json:"id,omitempty"`
		Matchers  []wireMatcher `json:"matchers"`
		StartsAt  time.Time     `json:"startsAt"`
		EndsAt    time.Time     `json:"endsAt"`
		CreatedBy string        `json:"createdBy"`
		Comment   string        `json:"comment"`
		Status    *wireState    `json:"status,omitempty"`
	}
	wireState struct {
		State string `json:"state"`
	}
	wireMatcher struct {
		Name    string `json:"name"`
		Value   string `json:"value"`
		IsRegex bool   `json:"isRegex"`
		// IsEqual is absent before 0.22, where every matcher is positive.
		IsEqual *bool `json:"isEqual,omitempty"`
	}
)

var silenceOrder = map[string]int{"active": 0, "pending": 1, "expired": 2}

// Silences are all silences that Alertmanager still keeps: active, then pending, then expired ones;
// within a state those that end first come first, and of the expired the last ended.
func (c *Client) Silences(ctx context.Context) ([]sources.Silence, error) {
	var wire []wireSilence
	if err := c.call(ctx, "list silences", http.MethodGet, "/api/v2/silences", nil, nil, &wire); err != nil {
		return nil, err
	}
	out := make([]sources.Silence, 0, len(wire))
	for _, w := range wire {
		out = append(out, silence(w))
	}
	slices.SortStableFunc(out, func(a, b sources.Silence) int {
		ends := a.Ends.Compare(b.Ends)
		if a.State == "expired" {
			ends = -ends
		}
		return cmp.Or(cmp.Compare(silenceOrder[a.State], silenceOrder[b.State]), ends, cmp.Compare(a.ID, b.ID))
	})
	return out, nil
}

func silence(w wireSilence) sources.Silence {
	s := sources.Silence{ID: w.ID, Author: w.CreatedBy, Comment: w.Comment, Starts: w.StartsAt, Ends: w.EndsAt}
	if w.Status != nil {
		s.State = w.Status.State
	}
	for _, m := range w.Matchers {
		s.Matchers = append(s.Matchers, sources.Matcher{
			Name: m.Name, Value: m.Value, Regexp: m.IsRegex, Negative: m.IsEqual != nil && !*m.IsEqual,
		})
	}
	return s
}

// Silence makes a silence and returns its id; with an ID it changes that one. A zero Starts is now.
// What Alertmanager would refuse, and what would mute everything, is refused before anything is sent.
func (c *Client) Silence(ctx context.Context, s sources.Silence) (string, error) {
	const op = "make a silence"
	if s.Starts.IsZero() {
		s.Starts = time.Now()
	}
	if err := checkSilence(s); err != nil {
		return "", &sources.Error{Source: name, Op: op, Kind: sources.BadQuestion, Next: "correct the silence", Err: err}
	}
	w := wireSilence{ID: s.ID, StartsAt: s.Starts.UTC(), EndsAt: s.Ends.UTC(), CreatedBy: s.Author, Comment: s.Comment}
	for _, m := range s.Matchers {
		wm := wireMatcher{Name: m.Name, Value: m.Value, IsRegex: m.Regexp}
		if m.Negative {
			equal := false
			wm.IsEqual = &equal
		}
		w.Matchers = append(w.Matchers, wm)
	}
	if slices.ContainsFunc(s.Matchers, func(m sources.Matcher) bool { return m.Negative }) {
		if err := c.knowsNegative(ctx, op); err != nil {
			return "", err
		}
	}
	var answer struct {
		SilenceID string `json:"silenceID"`
	}
	if err := c.call(ctx, op, http.MethodPost, "/api/v2/silences", nil, w, &answer); err != nil {
		return "", err
	}
	if answer.SilenceID == "" {
		return "", &sources.Error{Source: name, Op: op, Kind: sources.BadAnswer, Next: "list the silences to see whether it was made", Err: errors.New("the answer names no silence")}
	}
	return answer.SilenceID, nil
}

// checkSilence holds the rules of Alertmanager's own validation (silence/silence.go, validateSilence).
func checkSilence(s sources.Silence) error {
	switch {
	case len(s.Matchers) == 0:
		return errors.New("a silence needs at least one matcher")
	case s.Ends.IsZero():
		return errors.New("a silence needs an end")
	case !s.Ends.After(s.Starts):
		return errors.New("the silence ends before it starts")
	case !s.Ends.After(time.Now()):
		return errors.New("the silence ends in the past")
	case strings.TrimSpace(s.Author) == "":
		return errors.New("a silence needs its author")
	case strings.TrimSpace(s.Comment) == "":
		return errors.New("a silence needs a comment: say why")
	}
	narrow := false
	for _, m := range s.Matchers {
		if m.Name == "" {
			return errors.New("a matcher needs a label's name")
		}
		matchesEmpty := m.Value == ""
		if m.Regexp {
			re, err := regexp.Compile("^(?:" + m.Value + ")$")
			if err != nil {
				return fmt.Errorf("matcher of %s: %w", m.Name, err)
			}
			matchesEmpty = re.MatchString("")
		}
		narrow = narrow || matchesEmpty == m.Negative
	}
	if !narrow {
		return errors.New("at least one matcher must not match an empty value: this silence would mute every alert")
	}
	return nil
}

// knowsNegative refuses negative matchers where the server is older than 0.22: it would drop the sign
// without a word and mute the very opposite.
func (c *Client) knowsNegative(ctx context.Context, op string) error {
	st, err := c.status(ctx)
	if err != nil {
		return err
	}
	if major, minor, ok := release(st.VersionInfo.Version); ok && major == 0 && minor < 22 {
		return &sources.Error{Source: name, Op: op, Kind: sources.TooOld, Next: "use only positive matchers, or upgrade to 0.22 or later",
			Err: fmt.Errorf("alertmanager %s knows no negative matchers", st.VersionInfo.Version)}
	}
	return nil
}

// release reads "0.25.0" or "v0.25.0+ds"; ok is false for anything else.
func release(version string) (major, minor int, ok bool) {
	parts := strings.SplitN(strings.TrimPrefix(version, "v"), ".", 3)
	if len(parts) < 2 {
		return 0, 0, false
	}
	major, err1 := strconv.Atoi(parts[0])
	minor, err2 := strconv.Atoi(parts[1])
	return major, minor, err1 == nil && err2 == nil
}

// Expire ends a silence now. One that has ended already is left as it is, without an error.
func (c *Client) Expire(ctx context.Context, id string) error {
	const op = "end a silence"
	if id == "" || strings.ContainsAny(id, "./?#%") { // ids are UUIDs; a path's signs would address something else
		return &sources.Error{Source: name, Op: op, Kind: sources.BadQuestion, Next: "name the silence by its id", Err: fmt.Errorf("%q is no silence's id", id)}
	}
	path := "/api/v2/silence/" + id
	err := c.call(ctx, op, http.MethodDelete, path, nil, nil, nil)
	// Alertmanager 0.25 answers 500 both to a second end and to an id that it does not know; the silence itself tells.
	if k := sources.KindOf(err); k == sources.BadAnswer || k == sources.BadQuestion {
		var w wireSilence
		look := c.call(ctx, op, http.MethodGet, path, nil, nil, &w)
		switch {
		case look == nil && w.Status != nil && w.Status.State == "expired":
			return nil
		case sources.KindOf(look) == sources.NotFound:
			err = look
		}
	}
	var e *sources.Error
	if errors.As(err, &e) && e.Kind == sources.NotFound {
		e.Next = "list the silences: it may have ended long ago"
	}
	return err
}
