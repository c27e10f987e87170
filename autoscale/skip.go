package autoscale

import (
	"cmp"
	"fmt"
	"time"

	"quarterdeck/sources"
	"quarterdeck/sources/fleet"
)

// Skip is why a service is not scaled at all.
type Skip string

// The reasons. Counts: there is none.
const (
	Counts      Skip = ""
	NoPolicy    Skip = "no-policy"
	BadPolicy   Skip = "bad-policy"
	Off         Skip = "off"
	Global      Skip = "global"
	Job         Skip = "job"
	LocalVolume Skip = "local-volume"
	Locked      Skip = "locked"
	IsUpdating  Skip = "updating"
	Paused      Skip = "paused"
	SwitchedOff Skip = "scaled-to-0"
	Unread      Skip = "tasks-unread"
)

// stateOf reads a service's state; locked are the services that a run has in hand, by name.
func stateOf(s *fleet.Service, p *Policy, locked map[string]string) State {
	out := State{Replicas: s.Desired, Running: s.Running, Before: s.DesiredBefore, Updated: s.Updated, Deployed: deployed(&s.Service),
		CPU: Reserved(&s.Service, CPU), Memory: Reserved(&s.Service, Memory)}
	for i := range s.Tasks {
		if t := &s.Tasks[i]; t.NodeID == "" && t.Desired == sources.TaskRunning && !t.State.Ended() {
			out.Pending++
		}
	}
	out.Skip, out.Why = skip(s, p, locked)
	return out
}

// deployed is when the template of what runs came to be. A change of the number of replicas starts no update, and so does not count.
func deployed(s *sources.Service) time.Time {
	if s.UpdateCompleted.After(s.Created) {
		return s.UpdateCompleted
	}
	return s.Created
}

func skip(s *fleet.Service, p *Policy, locked map[string]string) (Skip, string) {
	switch {
	case !p.Declared:
		return NoPolicy, p.Why()
	case s.Mode == sources.Global:
		return Global, "it is global: it runs once on each node that fits"
	case s.Mode.Job():
		return Job, "it is a job: it runs to its end"
	case p.off:
		return Off, p.Why()
	case !p.Usable():
		return BadPolicy, p.Why()
	case s.Labels[sources.LabelRun] != "":
		return Locked, "it was made by run " + s.Labels[sources.LabelRun]
	case locked[s.Name] != "":
		return Locked, "run " + locked[s.Name] + " has it in hand"
	case s.Desired == 0:
		return SwitchedOff, "it is scaled to 0, which is somebody's word that it is not to run"
	case s.Unread:
		return Unread, "its tasks may not be read, so nobody knows how many run"
	}
	for _, m := range s.Mounts {
		if m.Type == "volume" {
			return LocalVolume, fmt.Sprintf("each node has its own volume %s: replicas on other nodes would begin with an empty one", m.Source)
		}
	}
	switch s.UpdateState {
	case "updating", "rollback_started":
		return IsUpdating, "an update is on its way"
	case "paused", "rollback_paused":
		return Paused, "its update is paused, and scaling would resume it"
	}
	return Counts, ""
}

// locks are the services that runs have in hand, with the run's name.
func locks(snap *fleet.Snapshot) map[string]string {
	out := map[string]string{}
	for i := range snap.Configs {
		if c := &snap.Configs[i]; c.Labels[sources.LabelService] != "" && c.Labels[sources.LabelRun] != "" {
			out[c.Labels[sources.LabelService]] = c.Labels[sources.LabelRun]
		}
	}
	return out
}

// StopConfig is a config that stops every autoscaler of a swarm for as long as it is there, whoever has made it: `quarterdeck autoscale stop`, or `docker config create`.
const StopConfig = "qd-autoscale-stop"

// Stop is who has stopped the autoscalers, when and why. What is not known is empty. Who and Why are untrusted.
type Stop struct {
	Who, Why string
	At       time.Time
	// Run is the run that has stopped them; "": none of ours.
	Run string
}

// StopOf is what the stop's config tells.
func StopOf(c *sources.Reference) Stop {
	return Stop{Who: cut(c.Labels["qd.who"]), Why: cut(c.Labels["qd.note"]), At: c.Created, Run: c.Labels[sources.LabelRun]}
}

// StoppedBy is who has stopped the autoscalers; nil: nobody has.
func StoppedBy(configs []sources.Reference) *Stop {
	for i := range configs {
		if c := &configs[i]; c.Name == StopConfig {
			s := StopOf(c)
			return &s
		}
	}
	return nil
}

// Stopped says who has stopped the autoscalers, and why; "": nobody has.
func Stopped(snap *fleet.Snapshot) string {
	if s := StoppedBy(snap.Configs); s != nil {
		return s.Words()
	}
	return ""
}

// Words say who has stopped them, and why.
func (s *Stop) Words() string {
	text := fmt.Sprintf("stopped by %s on %s (config %s)", cmp.Or(s.Who, "somebody"), s.At.UTC().Format("2006-01-02 15:04:05Z"), StopConfig)
	if s.Why != "" {
		text += ": " + s.Why
	}
	return text
}
