package ui

import (
	"context"
	"strings"
	"time"

	tea "charm.land/bubbletea/v2"

	"quarterdeck/actions"
	"quarterdeck/autoscale"
	"quarterdeck/blueprint"
	"quarterdeck/delivery"
	"quarterdeck/diagnosis"
	"quarterdeck/incident"
	"quarterdeck/recovery"
	"quarterdeck/sources"
	"quarterdeck/sources/fleet"
	"quarterdeck/stages"
	"quarterdeck/ui/logview"
	"quarterdeck/ui/theme"
)

// Options are what the console is wired with. Fleet, Now and Location are required.
type Options struct {
	Fleet   *fleet.Fleet
	Logs    sources.Logs    // nil: ABSENT
	Metrics sources.Metrics // nil: ABSENT
	Alerts  sources.Alerts  // nil: ABSENT
	// Rules tell of the rules behind alerts, and of alerts that are over; nil: nobody can.
	Rules sources.Rulebook
	// Notes are what others have marked on the dashboards; nil: nobody can tell.
	Notes sources.Annotations
	// Deck plans and runs actions; nil: nothing can be done, and NoDeck says why.
	Deck   *actions.Deck
	NoDeck error
	// Incidents keeps them; nil: none are kept. It writes through Deck.
	Incidents *incident.Desk
	// Backups holds the catalogue of snapshots and drills; nil: no object store is configured.
	Backups *recovery.Feed
	// Keeper keeps panels and past queries; nil: they end with the console.
	Keeper Keeper
	// Stages judges the checks of the stages; nil: nobody does.
	Stages *stages.Feed
	// Stack gives what the files of a stack of the blueprint make with values; nil: none can be applied.
	Stack func(st *blueprint.Stack, values blueprint.Values) (*sources.Stack, error)
	// StackFrom gives what stack files of this machine make under a name; nil: none can be applied.
	StackFrom func(name string, files ...string) (*sources.Stack, error)
	// Delivery asks how far the newest change to a service has come; nil: nobody can tell.
	Delivery func(ctx context.Context, v *fleet.Service) delivery.Delivery
	// Scaling says what an autoscaler would do; nil: nobody does.
	Scaling *autoscale.Feed
	// Doctor looks for causes; nil: nobody does.
	Doctor *diagnosis.Doctor
	// Context is the platform's name, as the header shows it.
	Context  string
	Demo     bool
	ReadOnly bool
	Mouse    bool
	// Shell: there is one with job control, that ctrl+z can go to and come back from.
	Shell bool
	// Theme is a name of theme.Names, "" : by the terminal's background.
	Theme    string
	ASCII    bool
	NoColor  bool
	Now      func() time.Time
	Location *time.Location
	LogBytes int           // bound of the log pane, in bytes; 0: its default
	Timeout  time.Duration // of one query; 0: 15 s
	SaveDir  string        // where saved logs go; "" : the working directory
}

// view is what fills the screen between header and hints.
type view int

const (
	viewOverview view = iota
	viewServices
	viewTasks
	viewLogs
	viewMetrics
	viewAlerts
	viewTimeline
	viewStages
	viewBackups
	viewNodes
)

// pane is a part of a view that can have the focus.
type pane int

const (
	paneTable pane = iota
	paneMetrics
	paneLogs
)

// Model is the console's root: it dispatches, and draws by asking the panes. It is used by one
// goroutine at a time, Bubble Tea's.
type Model struct {
	o    Options
	st   theme.Styles
	dark bool
	w, h int
	snap *fleet.Snapshot

	view  view
	trail []view // where esc goes
	focus pane
	zoom  bool
	when  when
	past  thenPane
	still stillness
	brush brush

	services servicesPane
	tasks    tasksPane
	logs     *logsPane
	metrics  metricsPane
	alerts   alertsPane
	timeline timelinePane
	stages   stagesPane
	backups  backupsPane
	nodes    listPane
	loss     lossSeen
	scaling  scalingSeen

	hands     hands
	team      []actions.TeamRun   // all runs that are known, as of the last wake-up
	incidents []incident.Incident // all that are known, the newest first, as of the last wake-up
	heard     incident.Heard      // whether colleagues may have others
	causes    inquest             // of the selected service, where it is not well
	overlay   overlay
	prompt    *prompt
	toast     toast
	feed      *feed
	opened    time.Time // when it began to look
	// scope is a set of services that the logs are about in place of the selection; nil: the selection.
	scope []string
}

// New makes a console. Its goroutines start with Run; without Run it still draws and answers keys.
func New(o Options) (*Model, error) {
	if o.Timeout == 0 {
		o.Timeout = 15 * time.Second
	}
	if o.Location == nil {
		o.Location = time.Local
	}
	m := &Model{o: o, dark: true, when: newWhen(), hands: newHands()}
	if err := m.restyle(); err != nil {
		return nil, err
	}
	m.logs = newLogsPane(o)
	if o.Logs != nil {
		m.feed = newFeed(o.Logs, o.Now)
	}
	m.snap, m.opened = o.Fleet.Snapshot(), o.Now()
	m.backups.contents, m.stages.report = o.Backups.Contents(), o.Stages.Report()
	m.lookAtScaling()
	m.lookAtIncidents()
	return m, nil
}

// restyle makes the styles anew: at the start, and when the terminal's background is known.
func (m *Model) restyle() error {
	name := m.o.Theme
	if m.o.NoColor {
		name = "none"
	}
	st, err := theme.New(name, m.dark)
	if err != nil {
		return err
	}
	if m.o.ASCII {
		st = st.WithASCII()
	}
	m.st = st
	return nil
}

// Init asks the terminal for its background, to choose between dark and light.
func (m *Model) Init() tea.Cmd { return tea.RequestBackgroundColor }

// Update only dispatches: each family of messages has its handler. It does no I/O.
func (m *Model) Update(msg tea.Msg) (tea.Model, tea.Cmd) {
	var cmd tea.Cmd
	switch msg := msg.(type) {
	case tea.WindowSizeMsg:
		m.w, m.h = msg.Width, msg.Height
	case tea.BackgroundColorMsg:
		m.dark = msg.IsDark()
		_ = m.restyle() // the name was good at the start
	case tea.KeyPressMsg:
		m.services.pinned, m.services.moved = true, m.o.Now()
		cmd = m.handleKey(msg)
	case tea.PasteMsg:
		cmd = m.handlePaste(msg)
	case tea.MouseClickMsg, tea.MouseWheelMsg:
		m.services.pinned, m.services.moved = true, m.o.Now()
		cmd = m.handleMouse(msg.(tea.MouseMsg))
	case wakeMsg:
		m.snap = msg.snap
		m.backups.contents, m.stages.report = m.o.Backups.Contents(), m.o.Stages.Report()
		m.lookAtScaling()
		m.hands.look(m.o.Now())
		cmd = tea.Batch(m.lookAtStart(), m.wakeLook())
	case settleMsg:
		if msg.generation == m.metrics.generation {
			cmd = m.metrics.requestAll(m, m.subject())
		}
	case refreshMsg:
		if msg.generation == m.metrics.generation && m.showsMetrics() {
			cmd = m.metrics.requestAll(m, m.subject())
		} else if msg.generation == m.metrics.generation {
			m.metrics.asked = "" // asked for again when it is shown again
		}
	case readingsMsg:
		cmd = m.metrics.apply(m, msg)
	case momentSettledMsg:
		if msg.generation == m.past.generation {
			cmd = m.requestFigures()
		}
	case figuresMsg:
		m.past.applyFigures(msg)
	case metricsMsg:
		cmd = msg.apply(m)
	case logview.ScanMsg:
		cmd = m.logs.scanned(msg)
	case showMsg:
		m.applyShow(msg)
	case savedMsg:
		cmd = m.applySaved(msg)
	case toastExpiredMsg:
		m.toast.expire(msg.generation)
	default:
		cmd = tea.Batch(m.handleAct(msg), m.handleLook(msg), m.handleCauses(msg), m.handleIncident(msg), m.handleLogs(msg))
	}
	return m, tea.Batch(cmd, m.arrange())
}

// arrange brings the panes in line with what is known now: rows, sizes, what is followed and asked for.
func (m *Model) arrange() tea.Cmd {
	ask := m.wantThen()
	m.services.arrange(m.then(), m.o.Now())
	m.arrangeLists()
	r := m.layout()
	m.sizePanes(r)
	m.logs.tasks.Store(m.snap)
	scan := m.arrangeLogs()
	if now := m.layout(); now != r { // what the stream has told may be a trouble, which takes lines
		m.sizePanes(now)
	}
	scan = tea.Batch(scan, m.wantCauses(), m.wantBox(), m.wantPast(), m.wantDiffs(), m.wantFired())
	if !m.showsMetrics() {
		return tea.Batch(ask, scan)
	}
	return tea.Batch(ask, scan, m.metrics.want(m, m.subject(), m.view == viewMetrics || m.zoom))
}

func (m *Model) sizePanes(r rects) {
	m.services.setHeight(r.table.h - 2)
	m.tasks.setHeight(r.table.h - 2 - m.tasksHead(r.table.w))
	m.alerts.setHeight(r.table.h - 2 - m.alertsHead() - m.alertsFoot(r.table.h))
	m.timeline.setHeight(r.table.h - 3 - m.timelineFoot(r.table.h))
	m.stages.setHeight(r.table.h - 3)
	m.sizeBackups(r)
	m.nodes.setHeight(r.table.h - 2)
	m.resizeLogs(r.logs)
}

// subject is the service that the panes beside the table are about.
func (m *Model) subject() string {
	switch m.view {
	case viewAlerts:
		if a := m.selectedAlert(); a != nil {
			return a.Service
		}
	case viewTimeline:
		return m.happeningService()
	case viewStages:
		return m.stageService()
	case viewBackups:
		return m.backupsService()
	case viewTasks:
		return m.tasks.service
	}
	return m.services.selected()
}

func (m *Model) showsMetrics() bool {
	r := m.layout()
	return r.metrics.h > 1
}

// now is the moment that ages are reckoned from: the snapshot's, so that View needs no clock.
func (m *Model) now() time.Time {
	if m.snap == nil || m.snap.At.IsZero() {
		return m.o.Now()
	}
	return m.snap.At
}

// Shown is the snapshot that frames are drawn from. Only Bubble Tea's goroutine may ask while it runs.
func (m *Model) Shown() *fleet.Snapshot { return m.snap }

// logState is the state of the source that the logs come from.
func (m *Model) logState() sources.Status {
	if m.o.Logs == nil {
		return sources.Status{Name: fleet.LokiName, State: sources.Absent}
	}
	if m.o.Logs.Name() == "docker" {
		return m.snap.Source(fleet.DockerLogsName)
	}
	return m.snap.Source(fleet.LokiName)
}

// go to a view, remembering where from.
func (m *Model) open(v view) {
	if m.view == v {
		return
	}
	m.leaveBackups()
	m.trail = append(m.trail, m.view)
	if len(m.trail) > 20 {
		m.trail = m.trail[1:]
	}
	m.view, m.zoom = v, false
	m.focus = paneTable
	m.logs.closeAside()
	switch v {
	case viewBackups:
		p := &m.backups
		p.inside, p.moved, p.unseen, p.want = false, false, true, m.services.selected()
	case viewStages:
		m.stages.opened = false
	case viewLogs:
		m.focus = paneLogs
	case viewMetrics:
		m.focus = paneMetrics
	}
}

// back goes one step back: out of the zoom, a filter, a scope, a view. It tells whether there was one.
func (m *Model) back() bool {
	switch {
	case m.zoom:
		m.zoom = false
	case m.view == viewMetrics && m.metrics.query != nil:
		m.metrics.query = nil
	case m.focus == paneLogs && m.backInLogs():
	case m.focus == paneTable && m.filterOf() != "":
		m.setFilter("")
	case m.view == viewBackups && m.backups.inside:
		m.backups.inside = false
	case m.view == viewOverview && m.focus != paneTable:
		m.focus = paneTable
	case len(m.trail) > 0:
		v := m.trail[len(m.trail)-1]
		m.trail = m.trail[:len(m.trail)-1]
		trail := m.trail
		m.open(v)
		m.trail = trail
		if v != viewLogs {
			m.scope = nil
		}
	case m.view != viewOverview:
		m.open(viewOverview)
		m.trail = nil
	default:
		return false
	}
	return true
}

// View draws the whole frame. It is pure.
func (m *Model) View() tea.View {
	v := tea.NewView(m.Frame())
	v.AltScreen = true
	v.WindowTitle = "quarterdeck " + inLine(m.o.Context)
	if m.o.Mouse {
		v.MouseMode = tea.MouseModeCellMotion
	}
	return v
}

// Frame is the screen's text: exactly h lines of w cells.
func (m *Model) Frame() string {
	if m.w <= 0 || m.h <= 0 {
		return ""
	}
	if m.w < leastWidth || m.h < leastHeight {
		return m.tooSmall()
	}
	r := m.layout()
	lines := m.headerLines(r)
	lines = append(lines, m.bodyLines(r)...)
	lines = append(lines, m.troubleLines()...)
	lines = append(lines, m.lastLine())
	if m.overlay != nil {
		lines = m.overOverlay(lines)
	}
	return strings.Join(lines, "\n")
}

// queryContext bounds a query that a command makes.
func (m *Model) queryContext() (context.Context, context.CancelFunc) {
	return context.WithTimeout(context.Background(), m.o.Timeout)
}
