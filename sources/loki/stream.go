package loki

import (
	"encoding/json"
	"errors"
	"hash/maphash"
	"maps"
	"slices"
	"strings"
	"sync"

	"quarterdeck/sources"
)

// maxStreams bounds the label sets of one generation that are remembered; two generations live. A
// platform of 10,000 tasks has about as many streams.
const maxStreams = 16384

// label names that Loki gives to what it found out itself; they are the entry's level, not the stream's identity.
const (
	detectedLevel = "detected_level"
	levelLabel    = "level"
)

// origin is one label set as it came, folded: the stream that its entries point to, the identity
// of its Loki stream (stable within the process), and what its labels say of the level.
type origin struct {
	stream *sources.Stream
	id     uint64
	level  sources.Level
	leveld bool              // a label says the level
	base   map[string]string // the Loki stream's own labels
}

// selector selects this Loki stream (and those which have more labels).
func (o *origin) selector() string {
	m := make([]string, 0, len(o.base))
	for _, k := range slices.Sorted(maps.Keys(o.base)) {
		m = append(m, k+"="+quote(o.base[k]))
	}
	return "{" + strings.Join(m, ", ") + "}"
}

// interner keeps one Stream for equal label sets. The cache has two generations: what is used stays,
// what is not goes, and a flood of label sets (a trace id in each line) cannot fill memory.
type interner struct {
	labels Labels
	seed   maphash.Seed
	max    int // of a generation

	mu        sync.Mutex
	raw, raw2 map[string]*origin         // by the bytes of stream (and metadata) as they came
	set, set2 map[string]*sources.Stream // by canonical label set
}

func newInterner(l Labels) *interner {
	return &interner{labels: l, seed: maphash.MakeSeed(), max: maxStreams, raw: map[string]*origin{}, set: map[string]*sources.Stream{}}
}

// origin finds the origin of a stream object and of an entry's metadata object (nil: none), both raw JSON.
// key is the scratch in which both stand one after the other: stream, then metadata.
func (n *interner) origin(key []byte, streamLen int) (*origin, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if o, ok := n.raw[string(key)]; ok {
		return o, nil
	}
	o, ok := n.raw2[string(key)]
	if !ok {
		var err error
		if o, err = n.parse(key[:streamLen], key[streamLen:]); err != nil {
			return nil, err
		}
	}
	if len(n.raw) >= n.max {
		n.raw, n.raw2 = map[string]*origin{}, n.raw
	}
	n.raw[string(key)] = o
	return o, nil
}

func (n *interner) parse(stream, meta []byte) (*origin, error) {
	base := map[string]string{}
	if err := json.Unmarshal(stream, &base); err != nil {
		return nil, err
	}
	o := &origin{}
	all := base
	if len(meta) > 0 {
		extra, err := metadata(meta)
		if err != nil {
			return nil, err
		}
		all = maps.Clone(base)
		for k, v := range extra {
			if _, taken := all[k]; !taken {
				all[k] = v
			}
		}
	}
	o.level, o.leveld = levelOfLabels(all)
	delete(base, detectedLevel)
	delete(all, detectedLevel)
	o.id = maphash.String(n.seed, canonical(base))
	o.base, o.stream = base, n.intern(all)
	return o, nil
}

// metadata flattens the third element of a value: {"structuredMetadata":{…},"parsed":{…}}, or plain pairs.
func metadata(raw []byte) (map[string]string, error) {
	var parts map[string]json.RawMessage
	if err := json.Unmarshal(raw, &parts); err != nil {
		return nil, err
	}
	out := map[string]string{}
	for k, v := range parts {
		var s string
		if json.Unmarshal(v, &s) == nil {
			out[k] = s
			continue
		}
		var m map[string]string
		if json.Unmarshal(v, &m) != nil {
			return nil, errors.New("metadata of an entry is no map of strings")
		}
		maps.Copy(out, m)
	}
	return out, nil
}

// levelOfLabels reads level, then detected_level. Loki's "unknown" is no level: the line is looked at, as without a label.
func levelOfLabels(l map[string]string) (sources.Level, bool) {
	for _, k := range []string{levelLabel, detectedLevel} {
		if v, ok := l[k]; ok {
			if lv := sources.ParseLevel(v); lv != sources.LevelUnknown {
				return lv, true
			}
		}
	}
	return sources.LevelUnknown, false
}

func (n *interner) intern(l map[string]string) *sources.Stream {
	key := canonical(l)
	if s, ok := n.set[key]; ok {
		return s
	}
	s, ok := n.set2[key]
	if !ok {
		container := strings.TrimPrefix(l[n.labels.Container], "/")
		s = &sources.Stream{
			Service: l[n.labels.Service], Stack: l[n.labels.Stack], Node: l[n.labels.Node],
			Container: container, Task: n.task(l, container), Source: name, Labels: l,
		}
	}
	if len(n.set) >= n.max {
		n.set, n.set2 = map[string]*sources.Stream{}, n.set
	}
	n.set[key] = s
	return s
}

// task is a task's id: a label's value, or the last part of a Swarm container's name, web.1.<25 of a-z0-9>.
func (n *interner) task(l map[string]string, container string) string {
	if n.labels.Task != "" {
		return l[n.labels.Task]
	}
	i := strings.LastIndexByte(container, '.')
	if i < 0 || len(container)-i-1 != 25 {
		return ""
	}
	return container[i+1:]
}

// canonical is a label set as a string that only equal sets share.
func canonical(l map[string]string) string {
	var b strings.Builder
	for _, k := range slices.Sorted(maps.Keys(l)) {
		b.WriteString(k)
		b.WriteByte(0xff) // in no valid UTF-8, so in no label
		b.WriteString(l[k])
		b.WriteByte(0xff)
	}
	return b.String()
}
