package patterns

import (
	"fmt"
	"math/rand"
	"testing"

	"quarterdeck/sources"
)

// TestUsualIsNotNew parts the same kind of access lines into a baseline and a now: whatever order they come in, which decides what
// the miner joins, what is in both is not called new; and what is in neither's shape or values is.
func TestUsualIsNotNew(t *testing.T) {
	paths := []string{"/", "/products", "/products/42", "/cart", "/checkout", "/search?q=lamp", "/login", "/orders/8841"}
	access := func(r *rand.Rand, path string, status int) sources.Entry {
		return sources.Entry{Level: sources.LevelWarn, Line: fmt.Sprintf(
			`{"time":"2026-11-25T12:38:%02d.661Z","level":"warn","method":%q,"path":%q,"status":%d,"duration_ms":%.2f,"bytes":%d,"remote":"10.0.1.%d","trace_id":"%016x"}`,
			r.Intn(60), []string{"GET", "GET", "GET", "POST"}[r.Intn(4)], path, status, r.Float64()*50, 200+r.Intn(9000), 2+r.Intn(200), r.Uint64())}
	}
	for seed := range int64(500) {
		r := rand.New(rand.NewSource(seed)) //nolint:gosec // the same lines each time
		usual := func(n int) (out []sources.Entry) {
			for range n {
				out = append(out, access(r, paths[r.Intn(len(paths))], []int{404, 404, 429}[r.Intn(3)]))
			}
			return out
		}
		base, now := Mine(usual(80)), usual(12)
		for _, p := range New(base, Mine(now)) {
			if p.Count >= 5 {
				t.Fatalf("seed %d: %d lines are called new: %s, of %q", seed, p.Count, p.Text, p.Sample)
			}
		}
		for range 6 {
			now = append(now, access(r, "/cart", 507))
		}
		if fresh := New(base, Mine(now)); len(fresh) == 0 || fresh[0].Count < 6 {
			t.Fatalf("seed %d: another status is not called new: %+v", seed, fresh)
		}
	}
}
