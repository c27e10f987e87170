package stages

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
)

// threshold is one that a team may set: CHECK.pass, CHECK.warn or CHECK.fail.
type threshold struct {
	name     string
	share    func(*Settings) *float64 // of 1, written as 80%
	number   func(*Settings) *float64
	whole    func(*Settings) *int
	duration func(*Settings) *time.Duration // written as 90s, 15m, 26h, 31d
}

var thresholds = []threshold{
	{name: "svc-healthcheck.warn", share: func(s *Settings) *float64 { return &s.HealthcheckWarn }},
	{name: "tls-expiry.pass", duration: func(s *Settings) *time.Duration { return &s.CertificatePass }},
	{name: "tls-expiry.fail", duration: func(s *Settings) *time.Duration { return &s.CertificateFail }},
	{name: "git-no-credentials.pass", duration: func(s *Settings) *time.Duration { return &s.ScanPass }},
	{name: "logs-per-service.warn", share: func(s *Settings) *float64 { return &s.LoggedWarn }},
	{name: "targets-up.warn", share: func(s *Settings) *float64 { return &s.TargetsWarn }},
	{name: "critical-alerts.least", whole: func(s *Settings) *int { return &s.AlertsLeast }},
	{name: "critical-alerts.most", whole: func(s *Settings) *int { return &s.AlertsMost }},
	{name: "critical-alerts.many", whole: func(s *Settings) *int { return &s.AlertsMany }},
	{name: "alert-fatigue.pass", number: func(s *Settings) *float64 { return &s.NotificationsPass }},
	{name: "alert-fatigue.warn", number: func(s *Settings) *float64 { return &s.NotificationsWarn }},
	{name: "mttd.pass", duration: func(s *Settings) *time.Duration { return &s.DetectPass }},
	{name: "mttd.warn", duration: func(s *Settings) *time.Duration { return &s.DetectWarn }},
	{name: "backup-fresh.warn", duration: func(s *Settings) *time.Duration { return &s.BackupWarn }},
	{name: "restore-test.pass", duration: func(s *Settings) *time.Duration { return &s.DrillPass }},
	{name: "restore-test.warn", duration: func(s *Settings) *time.Duration { return &s.DrillWarn }},
	{name: "rto.pass", duration: func(s *Settings) *time.Duration { return &s.RTOPass }},
	{name: "rto.warn", duration: func(s *Settings) *time.Duration { return &s.RTOWarn }},
	{name: "self-heal.pass", duration: func(s *Settings) *time.Duration { return &s.HealPass }},
	{name: "self-heal.warn", duration: func(s *Settings) *time.Duration { return &s.HealWarn }},
	{name: "ci-green.pass", duration: func(s *Settings) *time.Duration { return &s.BuildPass }},
	{name: "dr-drill.pass", duration: func(s *Settings) *time.Duration { return &s.DayPass }},
	{name: "dr-drill.warn", duration: func(s *Settings) *time.Duration { return &s.DayWarn }},
	{name: "time-at-max.pass", share: func(s *Settings) *float64 { return &s.AtMaxPass }},
	{name: "time-at-max.warn", share: func(s *Settings) *float64 { return &s.AtMaxWarn }},
	{name: "cost-anomaly.pass", share: func(s *Settings) *float64 { return &s.CostPass }},
	{name: "cost-anomaly.warn", share: func(s *Settings) *float64 { return &s.CostWarn }},
	{name: "cache-hit.pass", share: func(s *Settings) *float64 { return &s.CachePass }},
	{name: "cache-hit.warn", share: func(s *Settings) *float64 { return &s.CacheWarn }},
	{name: "slow-queries.seconds", number: func(s *Settings) *float64 { return &s.SlowPass }},
	{name: "slow-queries.logged", number: func(s *Settings) *float64 { return &s.SlowMany }},
	{name: "slow-queries.connections-pass", share: func(s *Settings) *float64 { return &s.ConnectionsPass }},
	{name: "slow-queries.connections-warn", share: func(s *Settings) *float64 { return &s.ConnectionsWarn }},
	{name: "new-service-time.pass", duration: func(s *Settings) *time.Duration { return &s.NewPass }},
	{name: "new-service-time.warn", duration: func(s *Settings) *time.Duration { return &s.NewWarn }},
}

// Thresholds are the names of those that can be set, in the order of the checks.
func Thresholds() []string {
	var out []string
	for i := range thresholds {
		out = append(out, thresholds[i].name)
	}
	return out
}

// Customise sets thresholds by their names and the checks that a gate does not ask for. A value that is the stages' own changes nothing.
func (s *Settings) Customise(values map[string]string, optional []string) error {
	for _, id := range optional {
		if Find(id) == nil {
			return fmt.Errorf("optional: there is no check %q", id)
		}
	}
	s.Optional = slices.Clone(optional)
	for name, text := range values {
		i := slices.IndexFunc(thresholds, func(t threshold) bool { return t.name == name })
		if i < 0 {
			return fmt.Errorf("there is no threshold %q: they are %s", name, strings.Join(Thresholds(), ", "))
		}
		changed, err := thresholds[i].set(s, strings.TrimSpace(text))
		if err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		if id, _, _ := strings.Cut(name, "."); changed && !slices.Contains(s.Custom, id) {
			s.Custom = append(s.Custom, id)
		}
	}
	slices.Sort(s.Custom)
	return nil
}

func (t *threshold) set(s *Settings, text string) (changed bool, err error) {
	switch {
	case t.share != nil:
		return setTo(t.share(s), text, func(text string) (float64, error) {
			n, ok := strings.CutSuffix(text, "%")
			v, err := strconv.ParseFloat(strings.TrimSpace(n), 64)
			if !ok || err != nil || !(v >= 0 && v <= 100) {
				return 0, fmt.Errorf("%q is no share from 0%% to 100%%", text)
			}
			return v / 100, nil
		})
	case t.number != nil:
		return setTo(t.number(s), text, func(text string) (float64, error) {
			v, err := strconv.ParseFloat(text, 64)
			if err != nil || !(v >= 0 && v <= 1e9) {
				return 0, fmt.Errorf("%q is no number from 0 on", text)
			}
			return v, nil
		})
	case t.whole != nil:
		return setTo(t.whole(s), text, func(text string) (int, error) {
			v, err := strconv.Atoi(text)
			if err != nil || v < 0 {
				return 0, fmt.Errorf("%q is no whole number from 0 on", text)
			}
			return v, nil
		})
	}
	return setTo(t.duration(s), text, durationOf)
}

func setTo[T comparable](at *T, text string, read func(string) (T, error)) (changed bool, err error) {
	v, err := read(text)
	if err != nil {
		return false, err
	}
	changed = *at != v
	*at = v
	return changed, nil
}

// durationOf reads 90s, 15m, 26h and, because stages think in days, 31d.
func durationOf(text string) (time.Duration, error) {
	if n, ok := strings.CutSuffix(text, "d"); ok {
		if v, err := strconv.ParseFloat(n, 64); err == nil && v >= 0 && v < 1e5 {
			return time.Duration(v * float64(days)), nil
		}
	} else if d, err := time.ParseDuration(text); err == nil && d >= 0 {
		return d, nil
	}
	return 0, fmt.Errorf("%q is no duration as 90s, 15m, 26h or 31d", text)
}
