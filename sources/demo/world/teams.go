package world

import (
	"slices"
	"strings"
	"time"

	"github.com/moby/moby/api/types/swarm"
)

// Team is a team on its way over the four stages: the platform of twelve as that team has it.
type Team struct {
	Name, Description string
	// passed is the last stage whose gate the team has passed, as far as Quarterdeck can see it.
	passed int
}

// Teams lists them, in the order of the stages.
func Teams() []Team {
	return []Team{
		{"chaos", "a team at the beginning: tags that move, credentials in the environment, one manager, a certificate about to end, and nobody sees anything", 0},
		{"functional", "a team that deploys without downtime; one service's logs do not arrive, and nine critical rules call forty times a week", 1},
		{"observable", "a team that sees everything; its newest backup is three days old, and no stack was ever brought back as a whole", 2},
		{"reliable", "a team that brings everything back and has practised it; a spike of traffic still needs a person", 3},
		{"scalable", "a team with policies for a spike, prices for its nodes, and services that others make by themselves", 4},
	}
}

// TeamOf is the team of a name; nil: none has it.
func TeamOf(name string) *Team {
	all := Teams()
	if i := slices.IndexFunc(all, func(t Team) bool { return t.Name == name }); i >= 0 {
		return &all[i]
	}
	return nil
}

// Managers is how many managers the team's swarm has.
func (t *Team) Managers() int {
	if t.passed == 0 {
		return 1
	}
	return 3
}

// reached and before tell whether the world is that of a team that has passed a stage, or of one that has not; without a team it is neither.
func (w *World) reached(stage int) bool { return w.team != nil && w.team.passed >= stage }
func (w *World) before(stage int) bool  { return w.team != nil && w.team.passed < stage }

// Autoscales tells whether the team has an autoscaler that runs.
func (w *World) Autoscales() bool { return w.reached(4) }

// Alerting is what a team has made of its alerts.
type Alerting struct {
	// None: there is no rule. AllCritical: every rule calls somebody.
	None, AllCritical bool
	// Weekly is how many notifications Alertmanager sends in a week; 0: nobody counts them.
	Weekly float64
}

// Alerting is what the world's team has made of its alerts.
func (w *World) Alerting() Alerting {
	switch {
	case w.team == nil:
		return Alerting{}
	case w.team.passed == 0:
		return Alerting{None: true}
	case w.team.passed == 1:
		return Alerting{AllCritical: true, Weekly: 40}
	}
	return Alerting{Weekly: 3}
}

// Dashboards are the services that have one in Grafana, sorted.
func (w *World) Dashboards() []string {
	w.settle()
	w.mu.RLock()
	defer w.mu.RUnlock()
	var out []string
	for _, s := range w.services {
		name := s.Spec.Name
		if w.reached(2) || w.team == nil && strings.HasPrefix(name, "shop_") || w.team != nil && w.team.passed == 1 && name == "shop_web" {
			out = append(out, name)
		}
	}
	slices.Sort(out)
	return out
}

// ships tells whether the lines of a task arrive in Loki: its driver sends them there, or an agent reads what the engine has written. Where nobody is on a
// team's way yet something beside the swarm does.
func (w *World) ships(t *swarm.TaskSpec) bool {
	driver := ""
	if t.LogDriver != nil {
		driver = t.LogDriver.Name
	}
	switch {
	case strings.HasPrefix(driver, "loki"):
		return true
	case driver == "" || driver == "json-file":
		return w.team == nil || w.team.passed > 0
	}
	return false
}

// word is what a person of a team has attested.
type word struct {
	stage       int
	check, note string
	ago, holds  int // days
}

// said is what they have attested, by the stage that asks for it.
var said = []word{
	{1, "no-touch-deploy", "all deploys of the last quarter came from the pipeline; the nodes' shells are closed", 20, 90},
	{2, "dashboard-habit", "looked at together each morning, at the stand-up", 9, 30},
	{3, "dr-plan", "read aloud by the two who are on call; the order of the stack was wrong and is mended", 60, 180},
	{4, "new-service-time", "the last one took an hour and ten minutes, from its first commit", 30, 180},
	{4, "team-not-bottleneck", "no ticket waited for us in the last month", 12, 90},
}

// foundWords writes down what the team's people have said, as Quarterdeck keeps it: in the labels of configs.
func (w *World) foundWords() {
	for _, x := range said {
		if !w.reached(x.stage) {
			continue
		}
		at := w.began.AddDate(0, 0, -x.ago).UTC().Truncate(time.Second)
		labels := map[string]string{
			"qd.attest": x.check, "qd.who": actor, "qd.note": x.note, "qd.at": at.Format(time.RFC3339), "qd.until": at.AddDate(0, 0, x.holds).Format(time.RFC3339),
		}
		w.foundMaterial(ConfigKind, swarm.Annotations{Name: "qd-attest-" + x.check, Labels: labels}, []byte(`{"check":"`+x.check+`","read":"the labels"}`), at)
	}
}

// foundDeath is a task that has died some hours ago and was replaced within seconds: at is when its replacement ran.
func (w *World) foundDeath(s *Service, key slotKey, at time.Time) {
	died := at.Add(-9 * time.Second)
	t := w.newTask(s, key)
	t.CreatedAt = died.Add(-6 * time.Hour).UTC()
	w.place(t)
	if t.node == nil {
		return
	}
	w.openBox(t, t.CreatedAt)
	t.box.End, t.box.ExitCode = seconds(died), 1
	t.DesiredState = swarm.TaskStateShutdown
	t.Status = swarm.TaskStatus{State: swarm.TaskStateFailed, Timestamp: died.UTC(), Message: "started", Err: "task: non-zero exit (1)", ContainerStatus: &swarm.ContainerStatus{ContainerID: t.box.ID, ExitCode: 1}}
	t.UpdatedAt = died.UTC()
	w.release(t)
}
