package recovery

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/robfig/cron/v3"

	"quarterdeck/sources"
)

// Engine is how the data of a service is saved and brought back.
type Engine string

// The engines. None is a service's word that it has nothing to be saved.
const (
	Postgres Engine = "postgres"
	MySQL    Engine = "mysql" // MariaDB too
	Redis    Engine = "redis"
	Volume   Engine = "volume"
	None     Engine = "none"
)

// Server tells whether the engine saves through a server that runs, and not from files at rest.
func (e Engine) Server() bool { return e == Postgres || e == MySQL || e == Redis }

// Port is where such a server listens unless the policy says otherwise.
func (e Engine) Port() int {
	return map[Engine]int{Postgres: 5432, MySQL: 3306, Redis: 6379}[e]
}

// The labels of a policy (STAGES.md, "Labels that declare policy"). LabelUser, LabelPort are ours, for databases that are not set up as usual.
const (
	LabelEngine   = "qd.backup.engine"
	LabelSchedule = "qd.backup.schedule"
	LabelMaxAge   = "qd.backup.max-age"
	LabelVolume   = "qd.backup.volume"
	LabelDB       = "qd.backup.db"
	LabelSecret   = "qd.backup.secret"
	LabelKeep     = "qd.backup.keep"
	LabelVerify   = "qd.backup.verify"
	LabelRTO      = "qd.backup.rto"
	LabelUser     = "qd.backup.user"
	LabelPort     = "qd.backup.port"

	prefix = "qd.backup."
)

// What holds where a policy says nothing (STAGES.md, stage 3: daily backups, 26 h; a restore in less than 15 minutes).
const (
	DefaultSchedule = "@daily"
	DefaultMaxAge   = 26 * time.Hour
	DefaultRTO      = 15 * time.Minute
)

// DefaultKeep is a week of days, a month of weeks, half a year of months.
var DefaultKeep = Keep{Daily: 7, Weekly: 4, Monthly: 6}

// Policy is what a service's labels ask for. It is a value.
type Policy struct {
	// Declared: there are labels of a policy at all.
	Declared bool   `json:"-"`
	Engine   Engine `json:"engine"`
	// Schedule is as written: five fields of cron, or @daily and its like (Policy.Next).
	Schedule string `json:"schedule,omitempty"`
	// MaxAge is how old the newest snapshot may be.
	MaxAge time.Duration `json:"-"`
	// Volume is the named volume that holds the data.
	Volume string `json:"volume,omitempty"`
	// DB is the database; of redis it is not used.
	DB string `json:"db,omitempty"`
	// Secret is the swarm secret that holds the password, User the one who has it.
	Secret string `json:"secret,omitempty"`
	User   string `json:"user,omitempty"`
	Port   int    `json:"port,omitempty"`
	Keep   Keep   `json:"keep"`
	// Verify is a shell command that ends with 0 where restored data is good. It runs in the runner, with the server's address in the environment
	// (PGHOST …, MYSQL_HOST …, REDIS_HOST …) or the restored files as its folder.
	Verify string `json:"verify,omitempty"`
	// RTO is how long a restore may take.
	RTO time.Duration `json:"-"`
	// Problems are what is wrong with the labels; with one that is Fatal nothing can be saved.
	Problems []Problem `json:"-"`

	times cron.Schedule
}

// Problem is a label that is wrong or missing.
type Problem struct {
	Label string
	// Says is what is wrong, Set the label as it could be.
	Says, Set string
	// Fatal: without it there is no backup.
	Fatal bool
}

// String is the problem and what to do, in a line.
func (p Problem) String() string {
	if p.Set == "" {
		return p.Label + " " + p.Says
	}
	return p.Label + " " + p.Says + ": set " + p.Label + "=" + p.Set
}

// Usable tells whether backups can be made by the policy.
func (p *Policy) Usable() bool {
	return p.Declared && p.Engine != None && !slices.ContainsFunc(p.Problems, func(x Problem) bool { return x.Fatal })
}

// Why is the first thing that makes it unusable; "": it is usable.
func (p *Policy) Why() string {
	if !p.Declared {
		return "it has no backup policy: set " + LabelEngine + " on its deploy labels to postgres, mysql, redis, volume, or none"
	}
	if p.Engine == None {
		return "its policy says that it has nothing to be saved (" + LabelEngine + "=none)"
	}
	for _, x := range p.Problems {
		if x.Fatal {
			return x.String()
		}
	}
	return ""
}

// ParsePolicy reads the labels of a service. Problems are in the policy: what is wrong takes its default, where there is one, and is named.
func ParsePolicy(s *sources.Service) Policy {
	p := Policy{Schedule: DefaultSchedule, MaxAge: DefaultMaxAge, Keep: DefaultKeep, RTO: DefaultRTO}
	for name := range s.Labels {
		if strings.HasPrefix(name, prefix) {
			p.Declared = true
		}
	}
	if !p.Declared {
		return p
	}
	get := func(label string) string { return strings.TrimSpace(s.Labels[label]) }
	wrong := func(fatal bool, label, says, set string) {
		p.Problems = append(p.Problems, Problem{Label: label, Says: says, Set: set, Fatal: fatal})
	}
	p.Engine, p.Volume, p.DB, p.Secret, p.User, p.Verify = Engine(strings.ToLower(get(LabelEngine))), get(LabelVolume), get(LabelDB), get(LabelSecret), get(LabelUser), get(LabelVerify)
	switch p.Engine {
	case "mariadb":
		p.Engine = MySQL
	case "postgresql":
		p.Engine = Postgres
	case Postgres, MySQL, Redis, Volume:
	case None:
		return p
	case "":
		wrong(true, LabelEngine, "is missing", string(guess(s, p.Volume)))
	default:
		wrong(true, LabelEngine, fmt.Sprintf("is %q, which is no engine (postgres, mysql, mariadb, redis, volume, none)", p.Engine), string(guess(s, p.Volume)))
	}
	p.readTimes(get, wrong)
	p.readPlace(s, get, wrong)
	for _, name := range slices.Sorted(maps.Keys(s.Labels)) {
		if strings.HasPrefix(name, prefix) && !slices.Contains(labels, name) {
			wrong(false, name, "is no label of a policy, and nothing reads it", "")
		}
	}
	return p
}

var labels = []string{LabelEngine, LabelSchedule, LabelMaxAge, LabelVolume, LabelDB, LabelSecret, LabelKeep, LabelVerify, LabelRTO, LabelUser, LabelPort}

// readTimes reads what the policy says of times.
func (p *Policy) readTimes(get func(string) string, wrong func(bool, string, string, string)) {
	if text := get(LabelSchedule); text != "" {
		p.Schedule = text
	}
	var err error
	if p.times, err = ParseSchedule(p.Schedule); err != nil {
		wrong(false, LabelSchedule, fmt.Sprintf("is %q, which is no schedule (%v)", p.Schedule, err), `"15 3 * * *" or @daily`)
		p.Schedule = DefaultSchedule
		p.times, _ = ParseSchedule(DefaultSchedule)
	}
	span := func(label string, into *time.Duration) {
		text := get(label)
		if text == "" {
			return
		}
		d, err := ParseSpan(text)
		if err != nil || d <= 0 {
			wrong(false, label, fmt.Sprintf("is %q, which is no span of time", text), SpanText(*into))
			return
		}
		*into = d
	}
	span(LabelMaxAge, &p.MaxAge)
	span(LabelRTO, &p.RTO)
	if text := get(LabelKeep); text != "" {
		k, err := ParseKeep(text)
		if err != nil {
			wrong(false, LabelKeep, err.Error(), DefaultKeep.String())
		} else {
			p.Keep = k
		}
	}
}

// readPlace reads where the data is, and with whom it is reached.
func (p *Policy) readPlace(s *sources.Service, get func(string) string, wrong func(bool, string, string, string)) {
	volumes := namedVolumes(s)
	switch {
	case p.Volume == "" && len(volumes) == 1:
		p.Volume = volumes[0]
	case p.Volume != "" && !slices.Contains(volumes, p.Volume) && s.Stack != "" && slices.Contains(volumes, s.Stack+"_"+p.Volume):
		p.Volume = s.Stack + "_" + p.Volume // as the stack's file calls it
	case p.Volume != "" && !slices.Contains(volumes, p.Volume):
		wrong(p.Engine == Volume, LabelVolume, fmt.Sprintf("is %q, which the service does not mount", p.Volume), orFirst(volumes, "a volume that it mounts"))
	case p.Volume == "" && p.Engine == Volume:
		wrong(true, LabelVolume, "is missing", orFirst(volumes, "a volume that it mounts"))
	}
	p.Port = p.Engine.Port()
	if text := get(LabelPort); text != "" {
		n, err := strconv.Atoi(text)
		if err != nil || n < 1 || n > 65535 {
			wrong(true, LabelPort, fmt.Sprintf("is %q, which is no port", text), strconv.Itoa(p.Engine.Port()))
		}
		p.Port = n
	}
	if p.User == "" {
		p.User = map[Engine]string{Postgres: "postgres", MySQL: "root"}[p.Engine]
	}
	if p.Engine == Postgres || p.Engine == MySQL {
		if p.DB == "" {
			wrong(true, LabelDB, "is missing", "the database's name")
		}
		if p.Secret == "" {
			wrong(false, LabelSecret, "is missing, so "+p.User+" is tried without a password", "the swarm secret with the password of "+p.User)
		}
	}
	if p.Engine.Server() && len(s.Networks) == 0 {
		wrong(true, LabelEngine, "is "+string(p.Engine)+", and the service is on no network by which a runner could reach it", string(Volume))
	}
	if p.Engine != "" && p.Verify == "" {
		wrong(false, LabelVerify, "is missing: a drill can tell only that the data could be read back", verifyLike[p.Engine])
	}
}

// verifyLike are commands that show how one looks.
var verifyLike = map[Engine]string{
	Postgres: `psql -Atc 'select count(*) > 0 from orders' | grep -qx t`,
	MySQL:    `mysql -Ne 'select count(*) > 0 from orders' | grep -qx 1`,
	Redis:    `test $(redis-cli dbsize) -gt 0`,
	Volume:   `test -s data.db`,
}

func namedVolumes(s *sources.Service) []string {
	var out []string
	for _, m := range s.Mounts {
		if m.Type == "volume" && m.Source != "" {
			out = append(out, m.Source)
		}
	}
	return out
}

func orFirst(list []string, other string) string {
	if len(list) == 0 {
		return other
	}
	return list[0]
}

// besides are words in the names of images that stand beside a database and keep nothing of it.
var besides = []string{"exporter", "backup", "commander", "admin", "insight", "proxy", "pool", "bouncer", "operator"}

// guess is the engine that an image's name speaks of: its last part, without registry, tag and digest.
func guess(s *sources.Service, volume string) Engine {
	image := s.Image[strings.LastIndex(s.Image, "/")+1:]
	if end := strings.IndexAny(image, ":@"); end >= 0 {
		image = image[:end]
	}
	if slices.ContainsFunc(besides, func(word string) bool { return strings.Contains(image, word) }) {
		image = ""
	}
	for _, x := range []struct {
		word   string
		engine Engine
	}{{"postgres", Postgres}, {"timescale", Postgres}, {"mariadb", MySQL}, {"mysql", MySQL}, {"redis", Redis}, {"valkey", Redis}} {
		if strings.Contains(image, x.word) {
			return x.engine
		}
	}
	if volume != "" || len(namedVolumes(s)) > 0 {
		return Volume
	}
	return None
}

// ParseSpan is time.ParseDuration that knows days and weeks as well: "26h", "35d", "2w".
func ParseSpan(text string) (time.Duration, error) {
	for unit, of := range map[string]time.Duration{"d": 24 * time.Hour, "w": 7 * 24 * time.Hour} {
		if n, ok := strings.CutSuffix(text, unit); ok {
			v, err := strconv.ParseFloat(n, 64)
			if err != nil || !(v >= 0 && v <= 100_000) { // NaN is none either
				return 0, fmt.Errorf("%q is no span of time", text)
			}
			return time.Duration(v * float64(of)), nil
		}
	}
	return time.ParseDuration(text)
}

// SpanText is a span as the labels have it: "26h", "15m", "2h30m"; of more than two days in days.
func SpanText(d time.Duration) string {
	if day := 24 * time.Hour; d > 2*day {
		days := strconv.FormatInt(int64(d/day), 10) + "d"
		if d %= day; d == 0 {
			return days
		}
		return days + SpanText(d)
	}
	s := d.String()
	if strings.HasSuffix(s, "m0s") {
		s = strings.TrimSuffix(s, "0s")
	}
	if strings.HasSuffix(s, "h0m") {
		s = strings.TrimSuffix(s, "0m")
	}
	return s
}

// Keep is how many snapshots stay, by restic's own rules (restic forget --keep-…). All 0: all stay.
type Keep struct {
	Last    int `json:"last,omitempty"`
	Hourly  int `json:"hourly,omitempty"`
	Daily   int `json:"daily,omitempty"`
	Weekly  int `json:"weekly,omitempty"`
	Monthly int `json:"monthly,omitempty"`
	Yearly  int `json:"yearly,omitempty"`
}

func (k *Keep) fields() []struct {
	name string
	n    *int
} {
	return []struct {
		name string
		n    *int
	}{{"last", &k.Last}, {"hourly", &k.Hourly}, {"daily", &k.Daily}, {"weekly", &k.Weekly}, {"monthly", &k.Monthly}, {"yearly", &k.Yearly}}
}

// String is the rule as the label has it: "daily=7 weekly=4 monthly=6".
func (k Keep) String() string {
	var out []string
	for _, f := range k.fields() {
		if *f.n > 0 {
			out = append(out, fmt.Sprintf("%s=%d", f.name, *f.n))
		}
	}
	return strings.Join(out, " ")
}

// Args are the rule for restic forget; nil: everything stays.
func (k Keep) Args() []string {
	var out []string
	for _, f := range k.fields() {
		if *f.n > 0 {
			out = append(out, "--keep-"+f.name, strconv.Itoa(*f.n))
		}
	}
	return out
}

// ParseKeep reads "daily=7 weekly=4", with spaces or commas between.
func ParseKeep(text string) (Keep, error) {
	var k Keep
	for _, part := range strings.FieldsFunc(text, func(r rune) bool { return r == ' ' || r == ',' }) {
		name, number, _ := strings.Cut(part, "=")
		n, err := strconv.Atoi(number)
		known := false
		for _, f := range k.fields() {
			if f.name == name {
				*f.n, known = n, true
			}
		}
		if !known || err != nil || n < 1 || n > 10_000 {
			return Keep{}, fmt.Errorf("has %q, which is not like daily=7 (last, hourly, daily, weekly, monthly, yearly)", part)
		}
	}
	if k == (Keep{}) {
		return k, fmt.Errorf("is empty, and would keep nothing")
	}
	return k, nil
}
