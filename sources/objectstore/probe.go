package objectstore

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"time"

	"quarterdeck/sources"
)

// probesDir is where a probe writes what it removes again.
const probesDir = "probes/"

// errBlind is of a store that takes a second object of a key that was to be made once.
var errBlind = &sources.Error{Source: Name, Kind: sources.TooOld, Op: "create what is there already", Err: errors.New("the store wrote over it (it does not know If-None-Match)"),
	Next: "two runners could do one job: use a store that knows If-None-Match (AWS S3, MinIO, Ceph, versitygw)"}

// Probe lists, and with write it makes an object, tries to make it a second time, and removes it: what runs of backups need. Without write (read-only)
// those are listed as neither allowed nor missing.
func (s *Store) Probe(ctx context.Context, write bool) sources.Probe {
	began := time.Now()
	p := sources.Probe{Name: Name, Address: s.at.String(), State: sources.Live}
	key := probesDir + rand.Text() + ".json"
	mark := []byte(fmt.Sprintf(`{"probe":%q}`, began.UTC().Format(time.RFC3339)))
	tried := []struct {
		ability string
		changes bool
		try     func() error
	}{
		{"list", false, func() error { _, err := s.List(ctx, probesDir); return err }},
		{"write", true, func() error { return s.Put(ctx, key, mark) }},
		{"create-only", true, func() error {
			switch err := s.Create(ctx, key, mark); {
			case err == nil:
				return errBlind
			case sources.KindOf(err) != sources.Conflict:
				return err
			}
			return nil
		}},
		{"read", true, func() error { _, err := s.Get(ctx, key, int64(len(mark))); return err }},
		{"remove", true, func() error { return s.Remove(ctx, key) }},
	}
	for _, t := range tried {
		if t.changes && !write {
			break
		}
		failed := t.try()
		if failed == nil {
			p.Allows = append(p.Allows, t.ability)
			continue
		}
		p.Missing = append(p.Missing, t.ability)
		if p.Fix == "" {
			p.Fix = failed.Error()
		}
		if t.ability == "list" { // then nothing can be seen, and the source is in the state of that failure
			p.State = sources.StateOf(failed)
			break
		}
		if t.ability == "write" { // nothing was written that could be created twice or removed
			p.Missing = append(p.Missing, "create-only")
			break
		}
	}
	p.Took = time.Since(began)
	return p
}
