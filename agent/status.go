package agent

import (
	"context"
	"errors"
	"maps"
	"time"

	"quarterdeck/actions"
	"quarterdeck/recovery"
	"quarterdeck/sources"
)

// Status is what an agent knows at a moment, for metrics. It is a value.
type Status struct {
	// Held: the lease is held, and so what is told of services is this agent's to tell. Holder is who has it, as far as is known.
	Held   bool
	Holder string
	// Turned is when the loop came round last: one that hangs is to be started anew. Running is what is being done, nil: nothing; Run is its run.
	Turned  time.Time
	Running *Task
	Run     string
	// Restores are how many restores are not at their end, which are for people to go on with.
	Restores int
	// Failures counts attempts that failed, by kind and service with a blank between; CleanUps those after a backup, by service.
	Failures map[string]int
	CleanUps map[string]int

	// What follows is told while the lease is held. Read is when the catalogue was read last; zero: never.
	Read     time.Time
	Services []Service
	Audit    *recovery.Audit
	AuditDue time.Time
}

// Service is how one service stands.
type Service struct {
	recovery.Coverage
	Created time.Time
	// Due is the time that is due now or comes next; zero: never.
	Due time.Time
	// GivenUp: all attempts for the backup that is due have failed.
	GivenUp bool
}

// Failed is how many attempts of a kind failed.
func (s *Status) Failed(kind Kind, service string) int {
	return s.Failures[(&Task{Kind: kind, Service: service}).key()]
}

// hungAfter is how long a turn of the loop may take; one in which something is done takes as long as that.
const hungAfter = 2 * time.Minute

// Alive tells whether the loop goes round, or has something in hand that has bounds of its own.
func (s *Status) Alive(now time.Time) bool {
	return s.Running != nil || now.Sub(s.Turned) < hungAfter
}

// Status is as of now.
func (a *Agent) Status() Status {
	a.mu.Lock()
	s, f := a.status, a.facts
	s.Failures, s.CleanUps = maps.Clone(s.Failures), maps.Clone(s.CleanUps)
	a.mu.Unlock()
	if s.Held {
		s.tell(&f, a.Now())
	}
	return s
}

// tell fills in what follows from facts.
func (s *Status) tell(f *Facts, now time.Time) {
	if f.Contents == nil || !f.Snap.Ready() {
		return
	}
	s.Read, s.Audit, s.AuditDue = f.Contents.Read, f.Audit, f.Audit.Due()
	given := map[string]bool{}
	for _, t := range Agenda(f, now) {
		given[t.key()] = t.GivenUp()
	}
	rows := recovery.Cover(f.Snap, f.Contents, now)
	for i := range rows {
		c := rows[i]
		if c.Service == "" || !c.Policy.Declared || c.Policy.Engine == recovery.None {
			continue
		}
		t := Task{Kind: Backup, Service: c.Service}
		s.Services = append(s.Services, Service{Coverage: c, Created: f.Snap.Service(c.Service).Created, Due: Next(f, c.Service, &c.Policy, now), GivenUp: given[t.key()]})
	}
}

// Outlook is what an agent would do now, and who works already.
type Outlook struct {
	Time   time.Time
	Holder string // of the lease; "": nobody
	Due    []Task
	Status Status
	Tries  map[string]Try
}

// Last is the attempt for a task that failed last; nil: there was none.
func (o *Outlook) Last(t *Task) *Try {
	if x, ok := o.Tries[t.key()]; ok && x.Due.Equal(t.Due) {
		return &x
	}
	return nil
}

// Outlook looks what is due, and does nothing. It is for an agent that does not run.
func (a *Agent) Outlook(ctx context.Context) (*Outlook, error) {
	if a.Deck.Objects == nil {
		return nil, noStore()
	}
	if _, err := a.Deck.Ready(ctx); err != nil {
		return nil, err
	}
	a.feed = recovery.NewFeed(a.Deck.Objects, a.Now)
	holder, err := a.Deck.LeaseHolder(ctx, actions.AgentLease)
	if err != nil {
		return nil, err
	}
	if err := errors.Join(a.remember(ctx), a.look(ctx, 0)); err != nil {
		return nil, err
	}
	f, now := a.known(), a.Now()
	o := &Outlook{Time: now, Holder: holder, Due: Agenda(f, now), Tries: f.Tries}
	o.Status.tell(f, now)
	return o, nil
}

func noStore() error {
	return &sources.Error{Source: "backups", Kind: sources.NotConfigured, Op: "run the agent", Next: "set --s3, QUARTERDECK_S3 or s3.address in the config"}
}
