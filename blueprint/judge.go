package blueprint

import (
	"slices"
	"time"

	"quarterdeck/recovery"
	"quarterdeck/sources"
	"quarterdeck/sources/fleet"
	"quarterdeck/stages"
)

// byFile are the checks that a stack file with its dashboards can answer; the others need what runs.
var byFile = []string{"svc-healthcheck", "zero-downtime-update", "restart-policy", "tls-all-routers", "secrets-not-env", "image-pinned", "dashboard-per-service", "volumes-covered", "autoscale-policy"}

// byRunning are those that judge a service once it runs.
var byRunning = []string{"logs-per-service", "metrics-per-service", "backup-fresh", "restore-test", "self-heal", "image-traceable", "one-key-deploy", "capacity-headroom", "time-at-max", "new-service-time"}

// Judge holds services of stack files against the checks of the stages: judged are those that the files can answer, later those that will judge the services
// once they run.
func Judge(services []sources.ServiceState, dashboards []sources.Dashboard, now time.Time) (judged, later []stages.Result) {
	snap := &fleet.Snapshot{Listed: now}
	for i := range services {
		snap.Services = append(snap.Services, &fleet.Service{Service: services[i].Service})
	}
	contents := &recovery.Contents{}
	e := &stages.Evidence{Now: now, Fleet: snap, Dashboards: dashboards, Contents: contents, Coverage: recovery.Cover(snap, contents, now), Reasons: map[string]string{}}
	settings := stages.Defaults()
	report := stages.Judge(e, &settings)
	for i := range report.Stages {
		for _, r := range report.Stages[i].Results {
			switch {
			case slices.Contains(byFile, r.Check.ID):
				judged = append(judged, r)
			case slices.Contains(byRunning, r.Check.ID):
				later = append(later, r)
			}
		}
	}
	return judged, later
}
