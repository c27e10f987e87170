package recovery

import (
	"context"
	"encoding/json"
	"time"

	"quarterdeck/sources"
)

// Repository stands for the repository where a service's name would: no service can be called so, for a service's name has no dot.
const Repository = "qd.repository"

const (
	// AuditEvery is how often the repository is looked through, AuditAgain how soon where the last look was not good.
	AuditEvery = 7 * 24 * time.Hour
	AuditAgain = 24 * time.Hour
)

// auditsDir has the records of audits; their keys sort by time.
const auditsDir = "records/audits/"

// Audit is the record of a look through the whole repository.
type Audit struct {
	Run   string    `json:"run"`
	Began time.Time `json:"began"`
	Ended time.Time `json:"ended"`
	OK    bool      `json:"ok"`
	// Code and Reason are why it was not good, as the job's Result has them.
	Code   Code   `json:"code,omitempty"`
	Reason string `json:"reason,omitempty"`
	Actor  string `json:"actor,omitempty"`
}

func (a *Audit) key() string { return auditsDir + stamp(a.Began) + "-" + a.Run + ".json" }

// Due is when the next one is: a nil one's at once.
func (a *Audit) Due() time.Time {
	switch {
	case a == nil:
		return time.Time{}
	case a.OK:
		return a.Began.Add(AuditEvery)
	}
	return a.Began.Add(AuditAgain)
}

// SaveAudit writes an audit's record.
func SaveAudit(ctx context.Context, to sources.Objects, a *Audit) error {
	return save(ctx, to, a.key(), a)
}

// LastAudit reads the newest record of one; nil: there is none. What is no record, or dated in the future, is passed over.
func LastAudit(ctx context.Context, from sources.Objects, now time.Time) (*Audit, error) {
	list, err := from.List(ctx, auditsDir)
	if err != nil {
		return nil, err
	}
	for i := len(list) - 1; i >= 0; i-- {
		data, err := from.Get(ctx, list[i].Key, maxRecord)
		switch kind := sources.KindOf(err); {
		case kind == sources.NotFound, kind == sources.OverLimit:
			continue
		case err != nil:
			return nil, err
		}
		var a Audit
		if json.Unmarshal(data, &a) == nil && a.key() == list[i].Key && !a.Began.After(now.Add(clockSlack)) {
			return &a, nil
		}
	}
	return nil, nil
}
