package fleet

import (
	"cmp"
	"reflect"
	"slices"
	"strings"
	"time"

	"quarterdeck/sources"
)

// silencesBack is how far back a silence that was made before we looked is told of in the history.
const silencesBack = 24 * time.Hour

// SetSilences takes the whole list of silences in; nil: they cannot be read. Those that are over are left out of the picture: Alertmanager
// keeps them for days.
func (f *Fleet) SetSilences(list []sources.Silence) {
	f.mu.Lock()
	defer f.mu.Unlock()
	var here []sources.Silence
	if list != nil {
		here = []sources.Silence{}
	}
	now := f.now()
	active := map[string]bool{}
	for i := range list {
		s := &list[i]
		if s.State != "expired" {
			here = append(here, *s)
		}
		if s.State != "active" {
			continue
		}
		active[s.ID] = true
		if now.Sub(s.Starts) < silencesBack {
			f.history.add(SilenceHappening(s, s.Starts, SilenceBegun))
		}
	}
	for i := range list {
		if s := &list[i]; s.State == "expired" && f.silenced[s.ID] {
			f.history.add(SilenceHappening(s, s.Ends, SilenceEnded))
		}
	}
	if list != nil {
		f.silenced = active
	}
	slices.SortStableFunc(here, func(a, b sources.Silence) int {
		return cmp.Or(a.Ends.Compare(b.Ends), cmp.Compare(a.ID, b.ID))
	})
	if !reflect.DeepEqual(here, f.silences) {
		f.silences = here
		f.touch()
	}
}

// SilenceHappening is a silence as the history has it.
func SilenceHappening(s *sources.Silence, at time.Time, kind string) Happening {
	text := MatchersText(s.Matchers)
	if kind == SilenceBegun {
		text += " for " + s.Ends.Sub(s.Starts).Round(time.Minute).String() + ": " + s.Comment
	}
	return Happening{Time: at, Kind: kind, Service: sources.ServiceOf(EqualLabels(s.Matchers), sources.AlertLabels), Text: oneLine(text), Source: AlertmanagerName, Actor: s.Author, Ref: s.ID,
		key: key(kind, s.ID)}
}

// MatchersText is a silence's matchers as people write them: `alertname=Slow service=~"web|api"`.
func MatchersText(ms []sources.Matcher) string {
	parts := make([]string, len(ms))
	for i := range ms {
		parts[i] = ms[i].String()
	}
	return strings.Join(parts, " ")
}

// EqualLabels are the labels that matchers ask for by their very value.
func EqualLabels(ms []sources.Matcher) map[string]string {
	out := map[string]string{}
	for _, m := range ms {
		if !m.Regexp && !m.Negative && m.Value != "" {
			out[m.Name] = m.Value
		}
	}
	return out
}
