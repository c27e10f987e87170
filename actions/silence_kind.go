package actions

import (
	"context"
	"time"

	"quarterdeck/sources"
	"quarterdeck/sources/fleet"
)

// subject: a silence that is made touches the services whose alerts it mutes, and the one that its matchers name. One that is ended touches none: what rings again
// hides nothing.
func (s *SilenceChange) subject(*Plan) subject {
	out := subject{title: s.Title(), target: fleet.MatchersText(s.Silence.Matchers), harmless: true}
	if s.End {
		return out
	}
	out.touches = append(out.touches, sources.ServiceOf(fleet.EqualLabels(s.Silence.Matchers), sources.AlertLabels))
	for i := range s.Alerts {
		out.touches = append(out.touches, s.Alerts[i].Service)
	}
	return out
}

func (s *SilenceChange) steps(*Plan) []Step {
	return []Step{{Name: s.Title(), Kind: StepSilence}, {Name: "verify that Alertmanager has it so", Kind: StepSilenced}}
}

func (s *SilenceChange) report(_ *Plan, report *Report) {
	before, after := any("firing"), any("silenced")
	if s.End {
		before, after = after, before
	}
	for i := range s.Alerts {
		if s.Alerts[i].State != sources.Pending {
			report.Plan.Changes = append(report.Plan.Changes, FieldReport{s.Alerts[i].Service, "alert " + s.Alerts[i].Name, before, after})
		}
	}
}

func (s *SilenceChange) do(ctx context.Context, r *Running, step Step) (out stepped, err error) {
	switch step.Kind {
	case StepSilence:
		if err = r.silence(ctx); r.silenceID != "" {
			out.detail = raw(stepSilence{r.silenceID})
		}
	case StepSilenced:
		err = r.silenced(ctx)
	default:
		err = unknownStep(step)
	}
	return out, err
}

// takeBack: one that Alertmanager does not show is not ended by the run itself; an undo does that.
func (s *SilenceChange) takeBack(context.Context, *Running) (did bool, err error) { return false, nil }

func (s *SilenceChange) finish(r *Running, report *Report) { r.offerUndo(report, r.silenceID != "") }

// names: alerts are no services.
func (s *SilenceChange) names(*RunRecord) []string { return nil }

func (s *SilenceChange) touched(run *RunRecord) bool { return run.silenceID() != "" }

// offered: a silence that was ended is made again only where its run is named.
func (s *SilenceChange) offered(run *RunRecord) bool { return run.Action == Silence && s.touched(run) }

// undo ends a silence that was made, or makes one again that was ended.
func (s *SilenceChange) undo(ctx context.Context, d *Deck, run *RunRecord) (p *Plan, err error) {
	id := run.silenceID()
	switch {
	case id == "":
		p = &Plan{Nothing: "run " + run.ID + " has changed nothing"}
	case s.End:
		again := s.Silence
		again.ID, again.Starts = "", time.Time{}
		p, err = d.PlanSilence(ctx, again)
	default:
		p, err = d.PlanUnsilence(ctx, id)
	}
	if err != nil {
		return nil, err
	}
	p.Action, p.Of = Undo, run.ID
	p.raise(Serious, "")
	return d.finish(p), nil
}

// stand has nothing to look at: whether it is there already is looked at by the step that makes it.
func (s *SilenceChange) stand(context.Context, *Deck, *Standing) error { return nil }

func (s *SilenceChange) resume(context.Context, *Running, *Standing) error { return nil }
