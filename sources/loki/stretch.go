package loki

import (
	"strconv"
	"sync"
	"time"

	"quarterdeck/sources"
)

const (
	// firstStretch is how much time a page is looked for in at first, while nothing is known of how dense its lines are, and shortRange up to
	// what range that is not worth a second question: Loki makes one query or a few of it.
	firstStretch = 15 * time.Minute
	shortRange   = 2 * time.Hour
	// leastStretch is the shortest that is asked for.
	leastStretch = time.Minute
	// widening is by how much a stretch grows that did not have the page.
	widening = 8
	// stretchesKept is of how many questions it is remembered.
	stretchesKept = 256
)

// stretches remembers in how much time a question's page of lines was found, so that the next one asks for not much more. A page out of a day is dear:
// Loki cuts the day into one query for each split_queries_by_interval and starts max_query_parallelism of them at once; when the first have
// filled the page it calls the others off, for which its queriers pause (see patient; grafana/loki, pkg/querier/queryrange/split_by_interval.go, Process).
// The zero value knows nothing. Safe for concurrent use.
type stretches struct {
	mu    sync.Mutex
	known map[string]time.Duration
}

func stretchKey(q logql, limit int) string { return q.String() + " " + strconv.Itoa(limit) }

// of is the stretch to begin with in a range, in nanoseconds; 0: all of it.
func (s *stretches) of(q logql, limit int, length int64) int64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	if d, ok := s.known[stretchKey(q, limit)]; ok {
		return int64(d)
	}
	if length <= int64(shortRange) {
		return 0
	}
	return int64(firstStretch)
}

// learn takes in what a look at asked gave.
func (s *stretches) learn(q logql, limit int, p sources.LogPage, asked time.Duration) {
	took := asked // all of it, and the page is not full: the next is not either
	if p.More {
		took = 2 * p.Entries[len(p.Entries)-1].Time.Sub(p.Entries[0].Time)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.known == nil || len(s.known) >= stretchesKept {
		s.known = map[string]time.Duration{}
	}
	s.known[stretchKey(q, limit)] = max(took, leastStretch)
}
