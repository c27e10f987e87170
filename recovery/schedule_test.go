package recovery

import (
	"strings"
	"testing"
	"time"
)

func at(text string) time.Time {
	t, err := time.Parse("2006-01-02 15:04:05Z07:00", text)
	if err != nil {
		panic(err)
	}
	return t
}

func scheduled(schedule string) Policy {
	return ParsePolicy(labelled("engine=volume", "verify=true", "schedule="+schedule))
}

// TestNextAndLast: the two sides of a moment, by the schedule's own clock on the wall, whoever asks from whatever time zone. In an hour that the clocks leave out
// nothing is lost; an hour that comes twice has its times twice.
func TestNextAndLast(t *testing.T) {
	for _, x := range []struct{ name, schedule, now, last, next string }{
		{"daily", "15 3 * * *", "2026-11-30 12:00:00Z", "2026-11-30 03:15:00Z", "2026-12-01 03:15:00Z"},
		{"on the second", "15 3 * * *", "2026-11-30 03:15:00Z", "2026-11-30 03:15:00Z", "2026-12-01 03:15:00Z"},
		{"a second before", "15 3 * * *", "2026-11-30 03:14:59Z", "2026-11-29 03:15:00Z", "2026-11-30 03:15:00Z"},
		{"each minute", "* * * * *", "2026-11-30 12:00:30Z", "2026-11-30 12:00:00Z", "2026-11-30 12:01:00Z"},
		{"without a zone it is UTC", "0 1 * * *", "2026-07-01 02:30:00+02:00", "2026-06-30 01:00:00Z", "2026-07-01 01:00:00Z"},
		{"a zone", "CRON_TZ=Europe/Berlin 15 3 * * *", "2026-07-01 12:00:00Z", "2026-07-01 01:15:00Z", "2026-07-02 01:15:00Z"},
		{"the day before the clocks go forward", "CRON_TZ=Europe/Berlin 30 2 * * *", "2026-03-28 12:00:00Z", "2026-03-28 01:30:00Z", "2026-03-29 01:00:00Z"},
		{"the day on which they went forward", "CRON_TZ=Europe/Berlin 30 2 * * *", "2026-03-29 12:00:00Z", "2026-03-29 01:00:00Z", "2026-03-30 00:30:00Z"},
		{"forward, of no matter to each hour", "CRON_TZ=Europe/Berlin 30 * * * *", "2026-03-29 00:45:00Z", "2026-03-29 00:30:00Z", "2026-03-29 01:30:00Z"},
		{"forward, before midnight of UTC", "CRON_TZ=America/New_York 15 2 * * *", "2026-03-08 06:59:00Z", "2026-03-07 07:15:00Z", "2026-03-08 07:00:00Z"},
		{"forward, another hour", "CRON_TZ=Europe/Berlin 30 4 * * *", "2026-03-28 12:00:00Z", "2026-03-28 03:30:00Z", "2026-03-29 02:30:00Z"},
		{"back, the first time", "CRON_TZ=Europe/Berlin 30 2 * * *", "2026-10-25 00:30:00Z", "2026-10-25 00:30:00Z", "2026-10-25 01:30:00Z"},
		{"leap days", "0 0 29 2 *", "2026-11-30 00:00:00Z", "2024-02-29 00:00:00Z", "2028-02-29 00:00:00Z"},
		{"never", "0 0 30 2 *", "2026-11-30 00:00:00Z", "", ""},
		{"never, in a zone with summer time", "CRON_TZ=Europe/Berlin 0 0 30 2 *", "2026-11-30 00:00:00Z", "", ""},
	} {
		t.Run(x.name, func(t *testing.T) {
			p := scheduled(x.schedule)
			if len(p.Problems) > 0 {
				t.Fatal(p.Problems)
			}
			want := func(what string, got time.Time, text string) {
				t.Helper()
				if text == "" && !got.IsZero() || text != "" && !got.Equal(at(text)) {
					t.Errorf("%s is %v, want %s", what, got.UTC(), text)
				}
			}
			want("next", p.Next(at(x.now)), x.next)
			want("last", p.Last(at(x.now)), x.last)
		})
	}
}

// TestZoneWithoutTimes: a label that the parser of schedules breaks on is a problem of the policy.
func TestZoneWithoutTimes(t *testing.T) {
	for _, text := range []string{"TZ=UTC", "CRON_TZ=", "TZ=", "CRON_TZ=Europe/Berlin"} {
		p := scheduled(text)
		if len(p.Problems) != 1 || !strings.Contains(p.Problems[0].Says, "no schedule") || p.Next(noon).IsZero() {
			t.Errorf("%q: %v", text, p.Problems)
		}
	}
}

// TestDue: what is due is the last time that no snapshot of what the policy names was made for, or after; of many that were missed one, and none from before there was
// a service.
func TestDue(t *testing.T) {
	taken := func(text string) Snapshot {
		return Snapshot{Engine: Volume, Volume: "shop_data", Origin: Scheduled, Taken: at(text)}
	}
	with := func(s Snapshot, f func(*Snapshot)) Snapshot { f(&s); return s }
	const long = "2020-01-01 00:00:00Z"
	for _, x := range []struct {
		name, schedule, created, now string
		list                         []Snapshot
		due                          string
	}{
		{"nothing was ever made", "15 3 * * *", long, "2026-11-30 12:00:00Z", nil, "2026-11-30 03:15:00Z"},
		{"made after it", "15 3 * * *", long, "2026-11-30 12:00:00Z", []Snapshot{taken("2026-11-30 03:15:04Z")}, ""},
		{"made on the second", "15 3 * * *", long, "2026-11-30 12:00:00Z", []Snapshot{taken("2026-11-30 03:15:00Z")}, ""},
		{"made before it", "15 3 * * *", long, "2026-11-30 12:00:00Z", []Snapshot{taken("2026-11-30 03:14:59Z")}, "2026-11-30 03:15:00Z"},
		{"made for it, by a node whose clock is behind", "15 3 * * *", long, "2026-11-30 12:00:00Z", []Snapshot{with(taken("2026-11-30 03:14:40Z"), func(s *Snapshot) { s.Due = at("2026-11-30 03:15:00Z") })}, ""},
		{"made for another time", "15 3 * * *", long, "2026-11-30 12:00:00Z", []Snapshot{with(taken("2026-11-30 03:14:40Z"), func(s *Snapshot) { s.Due = at("2026-11-29 03:15:00Z") })}, "2026-11-30 03:15:00Z"},
		{"by hand", "15 3 * * *", long, "2026-11-30 12:00:00Z", []Snapshot{with(taken("2026-11-30 09:00:00Z"), func(s *Snapshot) { s.Origin = Manual })}, ""},
		{"before a restore", "15 3 * * *", long, "2026-11-30 12:00:00Z", []Snapshot{with(taken("2026-11-30 09:00:00Z"), func(s *Snapshot) { s.Origin = Safety })}, "2026-11-30 03:15:00Z"},
		{"of another volume", "15 3 * * *", long, "2026-11-30 12:00:00Z", []Snapshot{with(taken("2026-11-30 09:00:00Z"), func(s *Snapshot) { s.Volume = "other" })}, "2026-11-30 03:15:00Z"},
		{"of another engine", "15 3 * * *", long, "2026-11-30 12:00:00Z", []Snapshot{with(taken("2026-11-30 09:00:00Z"), func(s *Snapshot) { s.Engine = Redis })}, "2026-11-30 03:15:00Z"},
		{"dated in the future", "15 3 * * *", long, "2026-11-30 12:00:00Z", []Snapshot{taken("2027-11-30 09:00:00Z")}, "2026-11-30 03:15:00Z"},
		{"dated in the future, for this time", "15 3 * * *", long, "2026-11-30 12:00:00Z", []Snapshot{with(taken("2027-11-30 09:00:00Z"), func(s *Snapshot) { s.Due = at("2026-11-30 03:15:00Z") })}, ""},
		{"after ten days away, once", "15 3 * * *", long, "2026-11-30 12:00:00Z", []Snapshot{taken("2026-11-20 03:15:04Z")}, "2026-11-30 03:15:00Z"},
		{"the clock was put back", "15 3 * * *", long, "2026-11-29 02:00:00Z", []Snapshot{taken("2026-11-29 03:15:04Z"), taken("2026-11-28 03:15:04Z")}, ""},
		{"the clock was ahead, and is right again", "15 3 * * *", long, "2026-11-30 03:15:01Z", []Snapshot{with(taken("2026-11-29 12:00:00Z"), func(s *Snapshot) { s.Due = at("2027-01-01 03:15:00Z") })}, "2026-11-30 03:15:00Z"},
		{"a service of this morning", "15 3 * * *", "2026-11-30 08:00:00Z", "2026-11-30 12:00:00Z", nil, ""},
		{"a service of this very second", "15 3 * * *", "2026-11-30 03:15:00Z", "2026-11-30 12:00:00Z", nil, ""},
		{"a service of just before", "15 3 * * *", "2026-11-30 03:14:59Z", "2026-11-30 12:00:00Z", nil, "2026-11-30 03:15:00Z"},
		{"the schedule is another now", "0 11 * * *", long, "2026-11-30 12:00:00Z", []Snapshot{taken("2026-11-30 03:15:04Z")}, "2026-11-30 11:00:00Z"},
		{"the schedule is another now, and later", "0 13 * * *", long, "2026-11-30 12:00:00Z", []Snapshot{taken("2026-11-30 03:15:04Z")}, ""},
		{"left out by the clocks", "CRON_TZ=Europe/Berlin 30 2 * * *", long, "2026-03-29 01:00:00Z", []Snapshot{taken("2026-03-28 01:30:03Z")}, "2026-03-29 01:00:00Z"},
		{"every, first from the service's beginning", "@every 2h", "2026-11-30 09:00:00Z", "2026-11-30 11:00:00Z", nil, "2026-11-30 11:00:00Z"},
		{"every, not yet", "@every 2h", "2026-11-30 09:00:00Z", "2026-11-30 10:59:59Z", nil, ""},
		{"every, from the last", "@every 2h", long, "2026-11-30 12:00:00Z", []Snapshot{taken("2026-11-30 09:30:00Z"), taken("2026-11-30 01:00:00Z")}, "2026-11-30 11:30:00Z"},
		{"every, made lately", "@every 2h", long, "2026-11-30 12:00:00Z", []Snapshot{taken("2026-11-30 10:30:00Z")}, ""},
		{"never", "0 0 30 2 *", long, "2026-11-30 12:00:00Z", nil, ""},
	} {
		t.Run(x.name, func(t *testing.T) {
			p := scheduled(x.schedule)
			got := p.Due(at(x.created), at(x.now), x.list)
			if x.due == "" && !got.IsZero() || x.due != "" && !got.Equal(at(x.due)) {
				t.Errorf("due is %v, want %s", got.UTC(), x.due)
			}
		})
	}
}

// TestAuditDue: at once, then once a week, and sooner after one that was not good.
func TestAuditDue(t *testing.T) {
	var none *Audit
	if !none.Due().IsZero() {
		t.Error("the first one waits")
	}
	if got := (&Audit{Began: noon, OK: true}).Due(); !got.Equal(noon.Add(7 * 24 * time.Hour)) {
		t.Errorf("after a good one %v", got)
	}
	if got := (&Audit{Began: noon}).Due(); !got.Equal(noon.Add(24 * time.Hour)) {
		t.Errorf("after a bad one %v", got)
	}
}
