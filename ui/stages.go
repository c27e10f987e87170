package ui

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	tea "charm.land/bubbletea/v2"

	"quarterdeck/actions"
	"quarterdeck/blueprint"
	"quarterdeck/sources"
	"quarterdeck/sources/fleet"
	"quarterdeck/stages"
)

// rowStage is the first letters of the id of a row that is a stage; other rows are checks, by their id.
const rowStage = "stage\x00"

// stagesPane is where the team stands on the four stages.
type stagesPane struct {
	listPane
	report *stages.Report // as of the last wake-up; nil: none was made yet
	made   stagesOf
	rows   map[string]stageRow
	opened bool // the cursor was put on what is next since the view was opened
	// file and values are what was given for stacks of the blueprint so far.
	file   string
	values blueprint.Values
	// stackFile is what was given for a stack file.
	stackFile string
}

type stagesOf struct {
	report *stages.Report
	filter string
}

// stageRow is a stage, or a check of it.
type stageRow struct {
	stage *stages.StageReport
	check *stages.Result // nil: the row is the stage itself
}

func stageID(n int) string { return fmt.Sprint(rowStage, n) }

// arrangeStages makes the rows, while they are on the screen.
func (m *Model) arrangeStages() {
	p := &m.stages
	m.o.Stages.Watch(m.view == viewStages)
	if m.view != viewStages || p.report == nil {
		return
	}
	if made := (stagesOf{p.report, p.filter}); made != p.made {
		p.made = made
		p.rows = map[string]stageRow{}
		var ids []string
		needle := strings.ToLower(p.filter)
		for i := range p.report.Stages {
			s := &p.report.Stages[i]
			p.rows[stageID(s.Number)] = stageRow{stage: s}
			at := len(ids)
			for k := range s.Results {
				x := &s.Results[k]
				p.rows[x.Check.ID] = stageRow{s, x}
				if needle == "" || strings.Contains(strings.ToLower(x.Check.ID+" "+string(x.State)+" "+x.Value+" "+x.Reason), needle) {
					ids = append(ids, x.Check.ID)
				}
			}
			if needle == "" || len(ids) > at {
				ids = slices.Insert(ids, at, stageID(s.Number))
			}
		}
		p.setRows(ids)
	}
	if !p.opened && len(p.ids) > 0 {
		p.opened = true
		if next := p.report.Next(); next != nil && (p.cursor == "" || strings.HasPrefix(p.selected(), rowStage)) {
			p.selectID(next.Check.ID)
		}
	}
}

// selectedStage is what is under the cursor; its zero value: nothing is.
func (m *Model) selectedStage() stageRow { return m.stages.rows[m.stages.selected()] }

// doInStages does what a key means in the stages, and tells whether it was one.
func (m *Model) doInStages(a act) (tea.Cmd, bool) {
	m.arrangeStages()
	if m.stages.handle(a) {
		return nil, true
	}
	switch a {
	case actEnter:
		return m.enterStage(), true
	case actNextCheck:
		return m.nextCheck(), true
	case actAttest:
		return m.askAttest(), true
	case actApply:
		return m.askApply(), true
	case actBackup, actDrill:
		service := m.stageService()
		switch {
		case service == "":
			return m.say("this is about no service that runs here"), true
		case a == actBackup:
			return m.askBackup(service), true
		}
		return m.askDrill(service, "latest"), true
	case actWhole, actReport:
		return m.readStages(a == actWhole), true
	case actRefresh:
		m.o.Stages.Refresh()
		return m.say("the checks are judged anew"), true
	case actMark, actMarkAll, actSort, actSortReverse, actWorst, actOnlyBad:
		return nil, true // of the service table, which is not shown
	}
	return nil, false
}

// stageService is the service that the check under the cursor is about: the first that keeps it from passing; "": none does. What is done by key, such as a redeploy
// or a scale, is done with it.
func (m *Model) stageService() string {
	x := m.selectedStage().check
	if x == nil {
		return ""
	}
	for _, s := range x.Subjects {
		if m.snap.Service(s.Name) != nil {
			return s.Name
		}
	}
	return ""
}

// nextCheck puts the cursor on what keeps a gate shut: the first, and with each further press the one after the cursor.
func (m *Model) nextCheck() tea.Cmd {
	p := &m.stages
	if p.report == nil {
		return m.say(m.whyNoStages())
	}
	n := len(p.ids)
	for i := 1; i <= n; i++ {
		at := (p.index + i) % n
		if x := p.rows[p.ids[at]].check; x != nil && x.Required && x.State != stages.Pass && x.State != stages.NA {
			p.moveTo(at)
			return nil
		}
	}
	return m.say("every check that a gate asks for passes")
}

// enterStage goes on to what a check is about: the first service or node that keeps it from passing, or the view where it is mended.
func (m *Model) enterStage() tea.Cmd {
	r := m.selectedStage()
	if r.check == nil {
		return nil
	}
	for _, s := range r.check.Subjects {
		if m.snap.Service(s.Name) != nil || m.nodeNamed(s.Name) != nil {
			if r.check.Check.Saved && m.o.Backups != nil {
				m.services.selectID(s.Name)
				m.open(viewBackups)
				return nil
			}
			return m.goTo(s.Name, s.Name, time.Time{})
		}
	}
	if r.check.Check.Attested > 0 {
		return m.askAttest()
	}
	return m.say("nothing of the swarm is named here: see what to do below")
}

// readStages shows all that there is to be said of the check or stage under the cursor, or of all of them: to be read, copied or saved.
func (m *Model) readStages(one bool) tea.Cmd {
	r, row := m.stages.report, m.selectedStage()
	if r == nil {
		return m.say(m.whyNoStages())
	}
	name := "stages"
	if one && row.check != nil {
		name = row.check.Check.ID
	} else if one && row.stage != nil {
		name = "stage-" + row.stage.Name
	}
	b := &readingBox{head: name, name: name + "-" + r.At.UTC().Format("20060102-150405") + ".md"}
	return m.read(b, func(context.Context) (string, error) {
		var out strings.Builder
		switch {
		case one && row.check != nil:
			return row.check.Markdown(), nil
		case one && row.stage != nil:
			return row.stage.Markdown(), nil
		}
		err := r.Markdown(&out, m.o.Context, nil)
		return out.String(), err
	})
}

// askAttest asks for the note of a person's word, and then plans it.
func (m *Model) askAttest() tea.Cmd {
	r := m.selectedStage()
	if r.check == nil || r.check.Check.Attested == 0 {
		return m.say("this check is answered by what is measured: a person's word is for those that nothing can show")
	}
	if cmd, no := m.noDeck(); no {
		return cmd
	}
	c := r.check.Check
	m.ask(fmt.Sprintf("%s, for %d days. What was seen: ", c.ID, c.Attested), func(note string) tea.Cmd {
		if note == "" {
			return m.say("nothing was said: a word needs a note")
		}
		until := m.o.Now().AddDate(0, 0, c.Attested)
		return m.requestPlan("attest "+c.ID, func(ctx context.Context, d *actions.Deck) (*actions.Plan, error) {
			return d.PlanAttest(ctx, sources.Attestation{Check: c.ID, Note: note, Until: until})
		})
	})
	return nil
}

// stageHappenings are the checks that have turned, as the timeline has them.
func (m *Model) stageHappenings() []fleet.Happening {
	var out []fleet.Happening
	for _, t := range m.o.Stages.Turned() {
		text := fmt.Sprintf("%s: %s, it was %s", t.Check.ID, t.To, t.From)
		if t.Says != "" {
			text += " (" + t.Says + ")"
		}
		out = append(out, fleet.Happening{Time: t.At, Kind: fleet.CheckTurned, Text: oneLine(text), Source: "stages", Ref: t.Check.ID, Bad: t.To != stages.Pass && t.To != stages.NA})
	}
	return out
}

// stageEvidence shows a check of the timeline.
func (m *Model) stageEvidence(h *fleet.Happening) tea.Cmd {
	m.open(viewStages)
	m.stages.filter, m.stages.opened = "", true
	m.arrangeStages()
	if !m.stages.selectID(h.Ref) {
		return m.say(inLine(h.Ref) + " is no check that is known here")
	}
	return nil
}
