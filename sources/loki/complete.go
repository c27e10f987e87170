package loki

import (
	"context"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"

	"quarterdeck/sources"
)

const (
	// offerAge is how long names are remembered for the next key.
	offerAge  = time.Minute
	offerMemo = 64
	// offerLines are looked at for the values of a field.
	offerLines = "500"
)

// memo remembers names that a completion asked for. Safe for concurrent use.
type memo struct {
	mu   sync.Mutex
	have map[string]memoEntry
}

type memoEntry struct {
	names []string
	at    time.Time
}

// get asks where it does not remember; an error is not remembered.
func (m *memo) get(key string, ask func() ([]string, error)) ([]string, error) {
	m.mu.Lock()
	e, ok := m.have[key]
	m.mu.Unlock()
	if ok && time.Since(e.at) < offerAge {
		return e.names, nil
	}
	names, err := ask()
	if err != nil {
		return nil, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.have == nil || len(m.have) >= offerMemo {
		m.have = map[string]memoEntry{}
	}
	m.have[key] = memoEntry{names, time.Now()}
	return names, nil
}

// Complete implements [sources.LogCompleter].
func (c *Client) Complete(ctx context.Context, query string, at int, since, until time.Time) (sources.Completion, error) {
	p := placeIn(query, at)
	out := sources.Completion{From: p.from, To: p.to}
	from, to, err := c.window(since, until)
	if err != nil {
		return out, err
	}
	// Rounded, so that what was asked a moment ago is known for the next key.
	w := url.Values{"start": {nano(from / 60e9 * 60e9)}, "end": {nano(to/60e9*60e9 + 60e9)}}
	var offers []sources.Offer
	switch p.kind {
	case placeStart:
		offers = []sources.Offer{
			{Text: "{" + c.labels.Service + `=""}`, Kind: sources.OfferKeyword, Note: "the lines of a service", Back: 2},
			{Text: "{" + c.labels.Stack + `=""}`, Kind: sources.OfferKeyword, Note: "the lines of a stack", Back: 2},
			{Text: "{" + c.labels.Service + `=~".+"}`, Kind: sources.OfferKeyword, Note: "all lines"},
		}
	case placeLabel:
		offers, err = c.offer(ctx, sources.OfferLabel, "labels", "/loki/api/v1/labels", w, c.withSelector(p, w), true)
		for i := range offers {
			offers[i].Text += `=""`
			offers[i].Back = 1
		}
	case placeMatch:
		offers = keywords(`="`, "is", `=~"`, "matches (RE2)", `!="`, "is not", `!~"`, "does not match")
	case placeValue:
		offers, err = c.offer(ctx, sources.OfferValue, "label "+p.label, "/loki/api/v1/label/"+p.label+"/values", w, c.withSelector(p, w), true)
	case placePipe:
		offers = keywords(`|= ""`, "lines with the text", `!= ""`, "lines without it", `|~ ""`, "lines that match (RE2)", `!~ ""`, "that do not",
			`|> ""`, "lines of a pattern: <_> for what varies", "| json", "fields of JSON", "| logfmt", "fields of logfmt", `| detected_level="error"`, "by level")
	case placeStage:
		offers = keywords("json", "fields of JSON", "logfmt", "fields of logfmt", "pattern \"\"", "fields by a pattern", "regexp \"\"", "fields by (?P<name>...)",
			"line_format \"\"", "the line anew", "label_format", "labels anew", "drop", "without labels", "keep", "with these labels alone", "decolorize", "without colours",
			`detected_level="error"`, "by level")
		var more []sources.Offer
		more, err = c.fieldOffers(ctx, p, w)
		offers = append(offers, more...)
	case placeField:
		w.Set("query", p.selector)
		w.Set("line_limit", offerLines)
		offers, err = c.offer(ctx, sources.OfferValue, "field "+p.label, "/loki/api/v1/detected_field/"+p.label+"/values", w, "", false)
	}
	if err != nil && ctx.Err() != nil {
		return out, ctx.Err()
	}
	out.Offers, out.More = fitting(offers, p.word)
	switch {
	case err != nil:
		out.Reason = err.Error()
	case len(offers) == 0 && (p.kind == placeValue || p.kind == placeField):
		out.Reason = "no line of the shown time has a value of " + p.label
	case len(offers) > 0 && len(out.Offers) == 0:
		out.Reason = "nothing begins so"
	}
	return out, err
}

// withSelector narrows labels to the streams that what is written already selects.
func (c *Client) withSelector(p place, w url.Values) string {
	if p.selector == "" {
		return ""
	}
	w.Set("query", p.selector)
	return p.selector
}

// offer asks for names, with the envelope of the older calls or without.
func (c *Client) offer(ctx context.Context, kind sources.OfferKind, what, path string, w url.Values, narrow string, wrapped bool) ([]sources.Offer, error) {
	names, err := c.memo.get(what+" "+w.Encode(), func() ([]string, error) {
		if wrapped {
			var out []string
			return out, c.getJSON(ctx, "complete "+what, path, w, &out)
		}
		var v struct {
			Values []string `json:"values"`
		}
		err := c.getPlain(ctx, "complete "+what, path, w, &v)
		return v.Values, err
	})
	slices.Sort(names)
	out := make([]sources.Offer, len(names))
	for i, n := range names {
		text := n
		if kind == sources.OfferValue {
			text = strings.Trim(quote(n), "\"`")
		}
		out[i] = sources.Offer{Text: text, Kind: kind, Note: narrow}
	}
	return out, err
}

// fieldOffers are the fields and labels that a stage may compare.
func (c *Client) fieldOffers(ctx context.Context, p place, w url.Values) ([]sources.Offer, error) {
	if p.selector == "" {
		return nil, nil
	}
	names, err := c.memo.get("fields "+p.selector+w.Encode(), func() ([]string, error) {
		var v struct {
			Fields []detectedField `json:"fields"`
		}
		ask := url.Values{"query": {p.selector}, "start": w["start"], "end": w["end"], "line_limit": {offerLines}}
		err := c.getPlain(ctx, "complete fields", "/loki/api/v1/detected_fields", ask, &v)
		var names []string
		for _, f := range v.Fields {
			if labelName.MatchString(f.Label) {
				names = append(names, f.Label)
			}
		}
		return names, err
	})
	slices.Sort(names)
	out := make([]sources.Offer, len(names))
	for i, n := range names {
		out[i] = sources.Offer{Text: n + `=""`, Kind: sources.OfferLabel, Note: "field", Back: 1}
	}
	return out, err
}

func keywords(pairs ...string) []sources.Offer {
	var out []sources.Offer
	for i := 0; i+1 < len(pairs); i += 2 {
		o := sources.Offer{Text: pairs[i], Kind: sources.OfferKeyword, Note: pairs[i+1]}
		if strings.HasSuffix(o.Text, `""`) {
			o.Back = 1
		}
		out = append(out, o)
	}
	return out
}

// fitting are the offers that hold a word, those that begin with it first.
func fitting(offers []sources.Offer, word string) (out []sources.Offer, more int) {
	word = strings.ToLower(word)
	var later []sources.Offer
	for _, o := range offers {
		switch i := strings.Index(strings.ToLower(o.Text), word); {
		case i == 0:
			out = append(out, o)
		case i > 0:
			later = append(later, o)
		}
	}
	out = append(out, later...)
	n := min(len(out), sources.MaxOffers)
	return out[:n], len(out) - n
}
