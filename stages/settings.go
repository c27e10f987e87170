package stages

import (
	"slices"
	"time"
)

// Settings are the thresholds. (T) of STAGES.md are the mission's own; a team may set others, and the gate then says that it is customised.
type Settings struct {
	// HealthcheckWarn is the share of services with a health check from which on the lack of others is a warning.
	HealthcheckWarn float64
	// CertificatePass and CertificateFail are how long before its end a certificate is renewed at the latest, and is in danger.
	CertificatePass, CertificateFail time.Duration
	// LoggedWarn is the share of services with log lines from which on the lack of others is a warning.
	LoggedWarn  float64
	TargetsWarn float64
	// AlertsLeast to AlertsMost critical rules are right; up to AlertsMany, and from one on, is a warning.
	AlertsLeast, AlertsMost, AlertsMany int
	// NotificationsPass and NotificationsWarn are how many notifications a week a team can heed.
	NotificationsPass, NotificationsWarn float64
	DetectPass, DetectWarn               time.Duration
	BackupWarn                           time.Duration
	DrillPass, DrillWarn                 time.Duration
	RTOPass, RTOWarn                     time.Duration
	HealPass, HealWarn                   time.Duration
	// ScanPass is how long ago a repository may have been scanned for credentials, BuildPass how long ago its newest pipeline may have run.
	ScanPass, BuildPass time.Duration
	// DayPass and DayWarn are how long ago the last DR day may be.
	DayPass, DayWarn time.Duration
	// AtMaxPass and AtMaxWarn are shares of a day at the maximum of replicas.
	AtMaxPass, AtMaxWarn float64
	// CostPass and CostWarn are by how much of a week's median a day may cost more.
	CostPass, CostWarn float64
	// CachePass and CacheWarn are shares of lookups that a cache answers.
	CachePass, CacheWarn float64
	// SlowPass is how long a statement may run, in seconds; SlowMany how many of MySQL an hour are too many that took longer than its own limit. ConnectionsPass and ConnectionsWarn are shares of a server's connections.
	SlowPass, SlowMany, ConnectionsPass, ConnectionsWarn float64
	// NewPass and NewWarn are how long a new service may take until it runs.
	NewPass, NewWarn time.Duration
	// Optional are ids of checks that the gate does not ask for.
	Optional []string
	// Custom are ids of checks whose threshold is the team's own.
	Custom []string
}

const days = 24 * time.Hour

// Defaults are the stages' own thresholds (STAGES.md).
func Defaults() Settings {
	return Settings{
		HealthcheckWarn: 0.8, CertificatePass: 25 * days, CertificateFail: 7 * days,
		LoggedWarn: 0.9, TargetsWarn: 0.95, AlertsLeast: 3, AlertsMost: 5, AlertsMany: 8, NotificationsPass: 7, NotificationsWarn: 20,
		DetectPass: 5 * time.Minute, DetectWarn: 10 * time.Minute,
		BackupWarn: 48 * time.Hour, DrillPass: 31 * days, DrillWarn: 45 * days, RTOPass: 15 * time.Minute, RTOWarn: 30 * time.Minute,
		HealPass: time.Minute, HealWarn: 5 * time.Minute,
		ScanPass: 7 * days, BuildPass: 90 * days, DayPass: 92 * days, DayWarn: 120 * days, AtMaxPass: 0.05, AtMaxWarn: 0.2, CostPass: 0.3, CostWarn: 0.5, CachePass: 0.8, CacheWarn: 0.5,
		SlowPass: 1, SlowMany: 60, ConnectionsPass: 0.8, ConnectionsWarn: 0.95, NewPass: 2 * time.Hour, NewWarn: 4 * time.Hour,
	}
}

func (s *Settings) required(id string) bool { return !slices.Contains(s.Optional, id) }
func (s *Settings) customised(id string) bool {
	return slices.Contains(s.Custom, id) || slices.Contains(s.Optional, id)
}
