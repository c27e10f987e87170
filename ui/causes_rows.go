package ui

import (
	"slices"
	"time"

	"quarterdeck/diagnosis"
)

// The rows of the box of causes: the causes as ranked, and among them what is not well and has no cause.

// causeRow is a cause, or a trouble that none explains; one of them is nil.
type causeRow struct {
	id      string
	cause   *diagnosis.Cause
	trouble *diagnosis.Trouble
}

func (r causeRow) about() string {
	if r.cause != nil {
		return r.cause.About()
	}
	return r.trouble.About()
}

func (r causeRow) service() string {
	if r.cause != nil {
		return r.cause.Service
	}
	return r.trouble.Service
}

func (r causeRow) since() time.Time {
	if r.cause != nil {
		return r.cause.Since
	}
	return r.trouble.Since
}

// rowsOf puts what is not explained behind the causes that are likely, and before what only follows or only may be.
func rowsOf(r *diagnosis.Report) []causeRow {
	var out []causeRow
	for i := range r.Causes {
		c := &r.Causes[i]
		out = append(out, causeRow{id: c.Service + c.Node + ":" + c.ID, cause: c})
	}
	at := slices.IndexFunc(out, func(x causeRow) bool { return x.cause.EffectOf != "" || x.cause.Confidence < 0.5 })
	if at < 0 {
		at = len(out)
	}
	var open []causeRow
	list := r.Unexplained()
	for i := range list {
		t := &list[i]
		open = append(open, causeRow{id: string(t.Kind) + ":" + t.Service + t.Node + ":" + t.Alert + ":" + t.Text, trouble: t})
	}
	return slices.Insert(out, at, open...)
}

// arrange takes what is known into the rows. As long as nobody has moved the cursor it is on the likeliest; while somebody moves it the rows keep
// their places, and what is new stands below.
func (b *causesBox) arrange(now time.Time) {
	ranked := rowsOf(&b.q.report)
	ids := make([]string, len(ranked))
	for i := range ranked {
		ids[i] = ranked[i].id
	}
	b.rows = make(map[string]causeRow, len(ranked))
	for _, r := range ranked {
		b.rows[r.id] = r
	}
	ids, b.kept = b.list.keepOrder(ids, b.moved, now)
	if !b.kept {
		b.ordered = b.q.report.At
	}
	was := b.list.selected()
	b.list.setRows(ids)
	if b.moved.IsZero() {
		b.list.moveTo(0)
	}
	if b.list.selected() != was {
		b.scroll = scroller{}
	}
}

// selected is the row under the cursor; false: there is none.
func (b *causesBox) selected() (causeRow, bool) {
	r, ok := b.rows[b.list.selected()]
	return r, ok
}

// cause is the cause under the cursor; nil: there is none, or it is a trouble without one.
func (b *causesBox) cause() *diagnosis.Cause { return b.rows[b.list.selected()].cause }
