package stages

import (
	"fmt"
	"time"

	"quarterdeck/capacity"
	"quarterdeck/recovery"
	"quarterdeck/sources"
	"quarterdeck/sources/fleet"
)

// Evidence is what all checks are judged by, gathered once. A part that could not be looked at is nil and has its reason in Reasons.
// It is never changed after it is made.
type Evidence struct {
	Now time.Time
	// Fleet is the swarm as it is now; nil: the swarm was not read.
	Fleet *fleet.Snapshot
	// Images are the images that run, as NAME:TAG@DIGEST; one that is not in it was not looked at yet, nil: no registry was.
	Images map[string]ImageFact
	// Coverage holds the services against their backups, Contents is the catalogue; nil: the object store could not be read.
	Coverage []recovery.Coverage
	Contents *recovery.Contents
	// Logged counts the log lines of the last hour by service; nil: could not be asked.
	Logged map[string]float64
	// Measured counts the containers that have figures, by service, for each of MeasuredKinds.
	Measured map[string]map[string]float64
	// Up is the share of scrape targets that answer, Targets how many there are.
	Up      *float64
	Targets []sources.Target
	Rules   []sources.Rule
	// Notified counts the notifications of the last seven days; nil: not known.
	Notified *float64
	// Dashboards are Grafana's; nil: they were not read.
	Dashboards []sources.Dashboard
	// Routers are the proxy's; nil: it was not asked, or did not answer.
	Routers []sources.Router
	// Builds are the pipelines of the repositories; nil: none is read. Unbuilt counts the services that name no repository.
	Builds  map[string]BuildFact
	Unbuilt int
	// Counts are how many tasks each service had, at moments of the last day that are equally far apart; nil: not known.
	Counts map[string][]float64
	// Spent is what services used over the last days; nil: not known.
	Spent *capacity.History
	// CacheHits is the share of a cache's lookups that it answered, Slowest the seconds of the longest statement that runs in a database, SlowLogged how many took too long for a MySQL in an hour, Connections the greatest
	// share of a database's connections that are in use; nil: nothing tells.
	CacheHits, Slowest, SlowLogged, Connections *float64
	// Beats is how many of its intervals ago an autoscaler decided last; nil: nothing tells of any.
	Beats *float64
	// CertificateExpires is when the first certificate ends; zero: no metric tells of any.
	CertificateExpires time.Time
	// Detect is how long trouble has taken to be noticed.
	Detect Detection
	// Attestations are persons' words, by check; nil: they could not be read.
	Attestations map[string]sources.Attestation
	// Reasons say why a part could not be looked at, by the name of the part's source.
	Reasons map[string]string
}

// Detection is how long trouble has taken to be noticed, by the incidents of the record whose beginning is known.
type Detection struct {
	Measured  time.Duration // the mean of Incidents
	Incidents int
}

// Names of what is no source of the console's header, in Reasons.
const (
	imagesName = "registry"
	wordsName  = "attestations"
	// grafanaName is that of the source of dashboards.
	grafanaName = "grafana"
	// proxyName is that of the source of routers.
	proxyName = "traefik"
	// buildsName is that of the source of pipelines.
	buildsName = "bitbucket"
)

// MeasuredKinds are the kinds of figures that each service should have.
var MeasuredKinds = []string{"cpu", "memory", "network", "disk"}

// reason is why a source could not be looked at.
func (e *Evidence) reason(source, otherwise string) string {
	if r := e.Reasons[source]; r != "" {
		return r
	}
	return otherwise
}

// noNodes is the finding of what is asked of nodes, where none is known. A swarm that was read has some.
func (e *Evidence) noNodes(evidence string) Finding {
	if e.Fleet == nil || e.Fleet.Listed.IsZero() {
		return unknown(evidence, e.reason(fleet.SwarmName, "the swarm has not been read"))
	}
	return unknown(evidence, "the nodes could not be listed: what is before the engine does not let GET /nodes through")
}

// attested is the finding of a check that a person answers.
func (e *Evidence) attested(c *Check) Finding {
	evidence := "quarterdeck attest " + c.ID + " --note TEXT"
	if e.Attestations == nil {
		return unknown(evidence, e.reason(wordsName, "what persons have said could not be read"))
	}
	a, ok := e.Attestations[c.ID]
	if !ok {
		return Finding{State: Fail, Value: "nobody has said so", Evidence: evidence}
	}
	value := fmt.Sprintf("%s on %s, until %s", a.Who, day(a.At), day(a.Until))
	if a.Note != "" {
		value += ": " + a.Note
	}
	if e.Now.After(a.Until) {
		return Finding{State: Expired, Value: value, Evidence: evidence}
	}
	return Finding{State: Pass, Value: value, Evidence: evidence}
}

func day(t time.Time) string { return t.UTC().Format("2006-01-02") }

// services are those that are meant to run and stay: no jobs, nothing that a run of ours made, nothing that is switched off.
func (e *Evidence) services() []*fleet.Service {
	var out []*fleet.Service
	if e.Fleet == nil {
		return nil
	}
	for _, s := range e.Fleet.Services {
		if s.NotYet || s.Mode.Job() || s.Labels[recovery.LabelRun] != "" || s.Mode == sources.Replicated && s.Desired == 0 {
			continue
		}
		out = append(out, s)
	}
	return out
}

// each asks of every service that is meant to run; evidence is the API's call. good is the share of those that it finds no fault with.
func (e *Evidence) each(evidence string, look func(*fleet.Service) *Subject) (f Finding, good float64) {
	if e.Fleet == nil || e.Fleet.Listed.IsZero() {
		return unknown(evidence, e.reason(fleet.SwarmName, "the swarm has not been read")), 0
	}
	all := e.services()
	if len(all) == 0 {
		return notApplicable(evidence, "no service is meant to run"), 0
	}
	f = Finding{Evidence: evidence}
	for _, s := range all {
		if x := look(s); x != nil {
			x.Name = s.Name
			f.Subjects = append(f.Subjects, *x)
		}
	}
	n := len(all) - len(f.Subjects)
	f.State = worst(f.Subjects)
	f.Value = fmt.Sprintf("%d of %d services", n, len(all))
	return f, float64(n) / float64(len(all))
}
