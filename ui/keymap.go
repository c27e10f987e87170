package ui

import (
	"slices"
	"strings"

	"charm.land/bubbles/v2/key"
	tea "charm.land/bubbletea/v2"
)

// area is where a key means something. The focused area is asked first, then areaAll.
type area int

const (
	areaAll area = iota
	areaPanes
	areaList
	areaServices
	areaLogs
	areaMetrics
	areaAlerts
	areaTimeline
	areaStages
	areaBackups
	areaNodes
	areaRows
	areaTasks
	areaHistory
	areaChange
	areaRecord
	areaReading
	areaCauses
	areaIncident
	areaRule
	areaDelivery

	areaCompare
	areaOverlay
)

var areaTitles = map[area]string{
	areaAll: "Everywhere", areaPanes: "Panes side by side", areaList: "Lists", areaServices: "Services", areaLogs: "Logs",
	areaMetrics: "Metrics", areaAlerts: "Alerts", areaTimeline: "Timeline", areaStages: "Stages", areaBackups: "Backups", areaNodes: "Nodes", areaRows: "Tasks, alerts, timeline, stages, backups", areaTasks: "Tasks", areaRule: "An alert's rule", areaHistory: "A service's history", areaChange: "What changed",
	areaRecord: "A run's record", areaReading: "Handover, report", areaCauses: "Why: the causes", areaIncident: "An incident", areaOverlay: "Dialogs",
	areaCompare: "Before and after", areaDelivery: "A delivery",
}

// boxed tells whether an area's keys mean something in a box alone.
func (a area) boxed() bool { return a >= areaHistory }

// act is what a key does.
type act int

const (
	actNone act = iota
	actQuit
	actLeave
	actBack
	actHelp
	actPalette
	actNextPane
	actPrevPane
	actZoom
	actOverview
	actServices
	actLogs
	actMetrics
	actAlerts
	actTimeline
	actStages
	actBackups
	actNodes
	actFilter
	actRedraw
	actSuspend
	actUp
	actDown
	actPageUp
	actPageDown
	actHalfUp
	actHalfDown
	actTop
	actBottom
	actEnter
	actMark
	actMarkAll
	actSort
	actSortReverse
	actOpenLogs
	actOpenMetrics
	actCopy
	actOnlyBad
	actFollow
	actPause
	actWrap
	actTimestamps
	actColumns
	actFields
	actFind
	actFindNext
	actFindPrev
	actExclude
	actLevel
	actNextError
	actPrevError
	actContext
	actBookmark
	actNextBookmark
	actSave
	actClear
	actChipOff
	actChips
	actVolume
	actPatterns
	actFacets
	actQuery
	actLastLines
	actMoment
	actLeft
	actRight
	actZoomIn
	actZoomOut
	actEarlier
	actLater
	actLive
	actBrush
	actCompareA
	actCompareB
	actStepBack
	actStepOn
	actPromQL
	actThen
	actTable
	actKeep
	actTakeOff
	actCharts
	actConfirm
	actScale
	actMore
	actLess
	actRedeploy
	actUndo
	actRuns
	actHistory
	actChange
	actHandover
	actIncident
	actIncidentList
	actIncidentNew
	actIncidentReport
	actNote
	actAcknowledge
	actMitigate
	actResolve
	actImpact
	actReopen
	actFlip
	actCompare
	actReplicas
	actScrollUp
	actScrollDown
	actOlder
	actNewer
	actInvestigate
	actTasks
	actRefresh
	actSilence
	actEndSilence
	actRule
	actAllSeries
	actKinds
	actFold
	actOnlyService
	actCopyAll
	actWorst
	actBackup
	actDrill
	actRestore
	actDay
	actRunbook
	actNextCheck
	actWhole
	actReport
	actAttest
	actApply
	actDelivery
	actScaling
	actDrain
	actActivate
	actPromote
	actDemote
)

// binding is one line of the keymap.
type binding struct {
	area area
	act  act
	key  key.Binding
	hint int // order among the hints of the last line; 0: not there
}

func bind(a area, do act, hint int, help, desc string, keys ...string) binding {
	return binding{area: a, act: do, hint: hint, key: key.NewBinding(key.WithKeys(keys...), key.WithHelp(help, desc))}
}

// keymap is every key of the console: the one table that dispatch, hints, help and the manual's key
// page are made from. Where k9s or lazydocker have a key for the same thing it is theirs.
var keymap = []binding{
	bind(areaAll, actHelp, 90, "?", "help", "?"),
	bind(areaAll, actPalette, 80, ":", "command", ":", "ctrl+p"),
	bind(areaAll, actBack, 0, "esc", "back", "esc"),
	bind(areaAll, actInvestigate, 55, "i", "why: the causes", "i"),
	bind(areaAll, actIncident, 0, "I", "incident: the open one, or start one", "I"),
	bind(areaPanes, actNextPane, 70, "tab", "next pane", "tab"),
	bind(areaPanes, actPrevPane, 0, "shift+tab", "previous pane", "shift+tab"),
	bind(areaPanes, actZoom, 0, "f", "this pane alone, and back", "f"),
	bind(areaAll, actOverview, 0, "1", "overview", "1"),
	bind(areaAll, actServices, 0, "2", "services and tasks", "2"),
	bind(areaAll, actLogs, 0, "3", "logs", "3"),
	bind(areaAll, actMetrics, 0, "4", "metrics", "4"),
	bind(areaAll, actAlerts, 0, "5", "alerts", "5"),
	bind(areaAll, actTimeline, 0, "6", "timeline", "6"),
	bind(areaAll, actStages, 0, "7", "stages", "7"),
	bind(areaAll, actBackups, 0, "8", "backups", "8"),
	bind(areaAll, actNodes, 0, "9", "nodes", "9"),
	bind(areaAll, actFilter, 60, "/", "filter", "/"),
	bind(areaAll, actStepBack, 62, "< >", "a moment back", "<"),
	bind(areaAll, actStepOn, 0, ">", "a moment on", ">"),
	bind(areaAll, actEarlier, 0, "[", "earlier, by a quarter of the shown time", "["),
	bind(areaAll, actLater, 0, "]", "later", "]"),
	bind(areaAll, actZoomOut, 0, "{", "longer shown time", "{"),
	bind(areaAll, actZoomIn, 0, "}", "shorter shown time", "}"),
	bind(areaAll, actBrush, 0, ".", "compare two moments: once for the first, again for the second", "."),
	bind(areaAll, actLive, 0, "0", "live: back to now", "0"),
	bind(areaAll, actRuns, 0, "R", "runs: under way, ended, interrupted", "R"),
	bind(areaAll, actScaling, 0, "Z", "autoscaling: stop all of it, or let it go on", "Z"),
	bind(areaAll, actRedraw, 0, "ctrl+l", "draw again", "ctrl+l"),
	bind(areaAll, actSuspend, 0, "ctrl+z", "to the shell and back (fg)", "ctrl+z"),
	bind(areaAll, actQuit, 0, "q", "back, or quit from the overview", "q"),
	bind(areaAll, actLeave, 0, "ctrl+c", "quit", "ctrl+c"),

	bind(areaList, actUp, 0, "↑ k", "up", "up", "k"),
	bind(areaList, actDown, 0, "↓ j", "down", "down", "j"),
	bind(areaList, actPageUp, 0, "pgup ctrl+b", "a page up", "pgup", "ctrl+b"),
	bind(areaList, actPageDown, 0, "pgdn ctrl+f", "a page down", "pgdown", "ctrl+f"),
	bind(areaList, actHalfUp, 0, "ctrl+u", "half a page up", "ctrl+u"),
	bind(areaList, actHalfDown, 0, "ctrl+d", "half a page down", "ctrl+d"),
	bind(areaList, actTop, 0, "g home", "first", "g", "home"),
	bind(areaList, actBottom, 0, "G end", "last", "G", "end"),
	bind(areaList, actEnter, 10, "enter", "open", "enter"),
	bind(areaList, actCopy, 0, "c", "copy the selected row", "c"),

	bind(areaServices, actInvestigate, 5, "i", "why", "i"),
	bind(areaServices, actIncident, 0, "I", "incident: the open one, or start one", "I"),
	bind(areaServices, actOpenLogs, 20, "l", "logs", "l"),
	bind(areaServices, actOpenMetrics, 30, "m", "metrics", "m"),
	bind(areaServices, actCharts, 0, "v", "the overview's other charts", "v"),
	bind(areaServices, actScale, 32, "s", "scale", "s"),
	bind(areaServices, actRedeploy, 34, "r", "redeploy", "r"),
	bind(areaServices, actUndo, 36, "u", "undo", "u"),
	bind(areaServices, actHistory, 37, "b", "history, go back", "b"),
	bind(areaServices, actChange, 38, "d", "what changed", "d"),
	bind(areaServices, actDelivery, 0, "p", "delivery: from commit to healthy", "p"),
	bind(areaServices, actHandover, 0, "H", "handover", "H"),
	bind(areaServices, actMore, 0, "+", "one replica more", "+", "="),
	bind(areaServices, actLess, 0, "-", "one replica less", "-"),
	bind(areaServices, actApply, 0, "A", "apply the recommended replicas", "A"),
	bind(areaServices, actMark, 40, "space", "mark", "space"),
	bind(areaServices, actMarkAll, 0, "ctrl+a", "mark all shown, or none", "ctrl+a"),
	bind(areaServices, actSort, 50, "o", "sort", "o"),
	bind(areaServices, actSortReverse, 0, "O", "reverse the order", "O"),
	bind(areaServices, actWorst, 0, "W", "to the worst service", "W"),
	bind(areaServices, actOnlyBad, 0, "!", "only what is not well", "!"),

	bind(areaLogs, actPause, 10, "p", "pause", "p", "space"),
	bind(areaLogs, actFollow, 20, "s", "follow", "s"),
	bind(areaLogs, actNextError, 30, "e", "next error", "e"),
	bind(areaLogs, actPrevError, 0, "E", "previous error", "E"),
	bind(areaLogs, actFind, 40, "F", "find", "F", "ctrl+s"),
	bind(areaLogs, actFindNext, 0, "n", "next match", "n"),
	bind(areaLogs, actFindPrev, 0, "N", "previous match", "N"),
	bind(areaLogs, actExclude, 50, "!", "exclude", "!"),
	bind(areaLogs, actLevel, 0, "L", "least level: all, info, warn, error", "L"),
	bind(areaLogs, actWrap, 25, "w", "wrap", "w"),
	bind(areaLogs, actTimestamps, 0, "t", "time: local, relative, none", "t"),
	bind(areaLogs, actColumns, 0, "x", "columns of service, task and node", "x"),
	bind(areaLogs, actFields, 0, "v", "fields of logfmt and JSON", "v"),
	bind(areaLogs, actContext, 60, "enter", "context: the task's lines around it", "enter", "C"),
	bind(areaLogs, actBookmark, 0, "b", "bookmark", "b"),
	bind(areaLogs, actNextBookmark, 0, "B", "next bookmark", "B"),
	bind(areaLogs, actSave, 0, "ctrl+o", "save to a file", "ctrl+o"),
	bind(areaLogs, actClear, 0, "X", "take all filters off", "X"),
	bind(areaLogs, actChipOff, 0, "backspace", "take the last filter off", "backspace"),
	bind(areaLogs, actChips, 0, "K", "filters: take any off", "K"),
	bind(areaLogs, actVolume, 51, "V", "histogram by level", "V"),
	bind(areaLogs, actPatterns, 32, "P", "patterns, new ones first", "P"),
	bind(areaLogs, actFacets, 52, "T", "fields and labels, columns", "T"),
	bind(areaLogs, actQuery, 54, "Q", "LogQL by hand", "Q"),
	bind(areaLogs, actLastLines, 0, "D", "the last lines of its task", "D"),
	bind(areaLogs, actMoment, 31, "a", "moment here", "a"),
	bind(areaLogs, actLeft, 0, "← h", "left", "left", "h"),
	bind(areaLogs, actRight, 0, "→ l", "right", "right", "l"),

	bind(areaMetrics, actLeft, 10, "← →", "the moment", "left", "h"),
	bind(areaMetrics, actRight, 0, "→", "the moment later", "right", "l"),
	bind(areaMetrics, actZoomIn, 20, "+", "shorter time", "+", "="),
	bind(areaMetrics, actZoomOut, 30, "-", "longer time", "-"),
	bind(areaMetrics, actPromQL, 32, "Q", "PromQL", "Q"),
	bind(areaMetrics, actThen, 34, "y", "yesterday, last week", "y"),
	bind(areaMetrics, actCharts, 0, "v", "the overview's other charts", "v"),
	bind(areaMetrics, actTable, 0, "t", "a query's result as a table, or as a chart", "t"),
	bind(areaMetrics, actKeep, 36, "K", "keep the query as a panel", "K"),
	bind(areaMetrics, actTakeOff, 0, "x", "take a panel off", "x"),
	bind(areaMetrics, actApply, 0, "A", "apply the recommended replicas", "A"),
	bind(areaMetrics, actChange, 45, "d", "what changed before the moment", "d"),
	bind(areaMetrics, actHistory, 46, "b", "history, go back", "b"),

	bind(areaAlerts, actEnter, 5, "enter", "its service, then", "enter"),
	bind(areaAlerts, actSilence, 10, "S", "silence", "S"),
	bind(areaAlerts, actEndSilence, 12, "x", "end silence", "x"),
	bind(areaAlerts, actRule, 14, "Q", "rule's query", "Q"),

	bind(areaTimeline, actEnter, 5, "enter", "its evidence", "enter"),
	bind(areaTimeline, actKinds, 10, "T", "kinds", "T"),
	bind(areaTimeline, actOnlyService, 12, "a", "one service, or all", "a"),
	bind(areaTimeline, actFold, 14, "space", "open, fold", "space"),

	bind(areaStages, actEnter, 5, "enter", "what it is about", "enter"),
	bind(areaStages, actNextCheck, 7, "n", "next to be mended", "n"),
	bind(areaStages, actWhole, 8, "v", "all of it", "v"),
	bind(areaStages, actReport, 10, "e", "report", "e"),
	bind(areaStages, actAttest, 9, "a", "attest", "a"),
	bind(areaStages, actApply, 0, "A", "apply the blueprint's stack that answers it", "A"),
	bind(areaStages, actRefresh, 11, "ctrl+r", "judge anew", "ctrl+r"),

	bind(areaBackups, actEnter, 5, "enter", "snapshots, service then", "enter"),
	bind(areaBackups, actBackup, 7, "B", "backup now", "B"),
	bind(areaBackups, actDrill, 8, "D", "drill", "D"),
	bind(areaBackups, actRestore, 9, "r", "restore", "r"),
	bind(areaBackups, actMark, 10, "space", "compare two snapshots", "space"),
	bind(areaBackups, actMoment, 11, "a", "moment here", "a"),
	bind(areaBackups, actRunbook, 13, "e", "runbook", "e"),
	bind(areaBackups, actDay, 14, "P", "DR day: drill its whole stack", "P"),

	bind(areaNodes, actDrain, 12, "D", "drain", "D"),
	bind(areaNodes, actActivate, 14, "A", "activate", "A"),
	bind(areaNodes, actPromote, 16, "P", "promote", "P"),
	bind(areaNodes, actDemote, 18, "M", "demote", "M"),
	bind(areaNodes, actUndo, 36, "u", "undo", "u"),

	bind(areaStages, actBackup, 12, "B", "backup now", "B"),
	bind(areaStages, actDrill, 13, "D", "drill", "D"),

	bind(areaRows, actInvestigate, 12, "i", "why", "i"),
	bind(areaRows, actOpenLogs, 20, "l", "its logs", "l"),
	bind(areaRows, actOpenMetrics, 30, "m", "its metrics", "m"),
	bind(areaRows, actScale, 32, "s", "scale", "s"),
	bind(areaRows, actRedeploy, 34, "r", "redeploy", "r"),
	bind(areaRows, actUndo, 36, "u", "undo", "u"),
	bind(areaRows, actHistory, 37, "b", "history, go back", "b"),
	bind(areaRows, actChange, 15, "d", "what changed", "d"),
	bind(areaRows, actDelivery, 0, "p", "delivery: from commit to healthy", "p"),
	bind(areaRows, actHandover, 50, "H", "handover", "H"),
	bind(areaRows, actMore, 0, "+", "one replica more", "+", "="),
	bind(areaRows, actLess, 0, "-", "one replica less", "-"),
	bind(areaRows, actApply, 0, "A", "apply the recommended replicas", "A"),

	bind(areaTasks, actLastLines, 12, "D", "a task's last lines, dead or alive", "D"),

	bind(areaHistory, actEnter, 10, "enter", "go back to it", "enter"),
	bind(areaHistory, actFlip, 20, "d", "this change, or going back", "d", "tab", "shift+tab"),
	bind(areaHistory, actCompare, 30, "m", "compare with another", "m", "space"),
	bind(areaHistory, actReplicas, 40, "r", "replicas too", "r"),
	bind(areaHistory, actScrollDown, 50, "pgdn", "scroll the difference", "pgdown", "ctrl+d", "ctrl+f"),
	bind(areaHistory, actScrollUp, 0, "pgup", "and back", "pgup", "ctrl+u", "ctrl+b"),

	bind(areaChange, actHistory, 10, "b", "go back to before it", "b"),
	bind(areaChange, actUndo, 20, "u", "take its run back", "u"),
	bind(areaChange, actOlder, 30, "[", "older change", "[", "left"),
	bind(areaChange, actNewer, 31, "]", "newer", "]", "right"),
	bind(areaChange, actEnter, 40, "enter", "all the history", "enter"),
	bind(areaChange, actOpenLogs, 50, "l", "logs", "l"),
	bind(areaChange, actOpenMetrics, 60, "m", "metrics then", "m"),

	bind(areaRecord, actUndo, 10, "u", "take it back", "u"),
	bind(areaRecord, actChange, 20, "d", "what changed", "d", "enter"),
	bind(areaRecord, actHistory, 30, "b", "history, go back", "b"),

	bind(areaCauses, actEnter, 10, "enter", "do what is next", "enter"),
	bind(areaCauses, actOpenLogs, 20, "l", "logs then", "l"),
	bind(areaCauses, actOpenMetrics, 30, "m", "metrics then", "m"),
	bind(areaCauses, actTasks, 32, "t", "tasks", "t"),
	bind(areaCauses, actChange, 34, "d", "what changed", "d"),
	bind(areaCauses, actHistory, 36, "b", "history, go back", "b"),
	bind(areaCauses, actUndo, 0, "u", "undo", "u"),
	bind(areaCauses, actScale, 38, "s", "scale", "s"),
	bind(areaCauses, actRedeploy, 40, "r", "redeploy", "r"),
	bind(areaCauses, actFlip, 50, "tab", "this service, or all", "tab", "shift+tab"),
	bind(areaCauses, actRefresh, 52, "ctrl+r", "look again", "ctrl+r"),
	bind(areaCauses, actSave, 60, "ctrl+o", "save", "ctrl+o"),
	bind(areaCauses, actCopy, 0, "c", "copy its command; again: its next one", "c"),
	bind(areaCauses, actCopyAll, 0, "C", "copy all as Markdown", "C"),

	bind(areaIncident, actNote, 10, "n", "note", "n"),
	bind(areaIncident, actAcknowledge, 20, "a", "acknowledge", "a"),
	bind(areaIncident, actMitigate, 30, "m", "mitigated", "m"),
	bind(areaIncident, actResolve, 40, "r", "resolve", "r"),
	bind(areaIncident, actImpact, 50, "t", "when the impact began", "t"),
	bind(areaIncident, actIncidentReport, 60, "e", "report", "e"),
	bind(areaIncident, actReopen, 70, "o", "reopen", "o"),
	bind(areaIncident, actIncidentList, 80, "L", "all", "L"),
	bind(areaIncident, actIncidentNew, 90, "N", "another", "N"),
	bind(areaCompare, actFlip, 10, "m", "around both moments, or from A to B", "m", "tab", "shift+tab"),
	bind(areaCompare, actCompareA, 20, "a", "go to A", "a", "["),
	bind(areaCompare, actCompareB, 30, "b", "go to B", "b", "]"),
	bind(areaCompare, actChange, 40, "d", "what changed last before B", "d"),

	bind(areaReading, actSave, 10, "ctrl+o", "save to a file", "ctrl+o"),
	bind(areaReading, actCopy, 20, "c", "copy", "c"),

	bind(areaRule, actAllSeries, 10, "a", "all series", "a"),
	bind(areaRule, actEnter, 20, "enter", "its service, then", "enter"),
	bind(areaDelivery, actRefresh, 10, "ctrl+r", "ask again", "ctrl+r"),
	bind(areaDelivery, actRedeploy, 20, "r", "redeploy", "r"),
	bind(areaDelivery, actCopy, 30, "c", "copy", "c"),
	bind(areaDelivery, actDelivery, 0, "p", "close", "p"),

	bind(areaRule, actRule, 0, "Q", "close", "Q"),

	bind(areaOverlay, actConfirm, 10, "enter", "take", "enter"),
}

// lookup finds what a key does: in the first of the areas that has it, then everywhere.
func lookup(k tea.KeyPressMsg, areas ...area) act {
	for _, a := range append(areas, areaAll) {
		for i := range keymap {
			if keymap[i].area == a && key.Matches(k, keymap[i].key) {
				return keymap[i].act
			}
		}
	}
	return actNone
}

// hintsFor are the hints of the last line for the areas that have the focus: the first area's before the others',
// and none whose key means something else there. The last two, help and the palette, lead to all the others.
func hintsFor(areas ...area) []key.Help {
	var out []key.Help
	taken := map[string]bool{}
	for _, a := range append(areas, areaAll) {
		var here []binding
		for _, b := range keymap {
			if b.area != a {
				continue
			}
			if k := b.key.Keys()[0]; !taken[k] && b.hint > 0 {
				here = append(here, b)
			}
			for _, k := range b.key.Keys() {
				taken[k] = true
			}
		}
		slices.SortFunc(here, func(x, y binding) int { return x.hint - y.hint })
		for _, b := range here {
			out = append(out, b.key.Help())
		}
	}
	return out
}

// helpOf is how an act's key is told of in one of the areas, or everywhere.
func helpOf(do act, areas ...area) key.Help {
	for _, a := range append(areas, areaAll) {
		for _, b := range keymap {
			if b.area == a && b.act == do {
				return b.key.Help()
			}
		}
	}
	return key.Help{}
}

// hintsOf are the hints of an area alone.
func hintsOf(a area) []key.Help {
	var here []binding
	for _, b := range keymap {
		if b.area == a && b.hint > 0 {
			here = append(here, b)
		}
	}
	slices.SortStableFunc(here, func(x, y binding) int { return x.hint - y.hint })
	out := make([]key.Help, len(here))
	for i, b := range here {
		out[i] = b.key.Help()
	}
	return out
}

// KeysMarkdown is the manual's page of keys.
func KeysMarkdown() string {
	var b strings.Builder
	b.WriteString("# Keys\n\nMade from the keymap by `UPDATE_DOCS=1 go test ./ui -run KeysPage`. Do not edit.\n")
	for a := areaAll; a <= areaOverlay; a++ {
		b.WriteString("\n## " + areaTitles[a] + "\n\n| key | does |\n|---|---|\n")
		for _, x := range keymap {
			if x.area == a {
				h := x.key.Help()
				b.WriteString("| `" + strings.ReplaceAll(h.Key, "|", "\\|") + "` | " + h.Desc + " |\n")
			}
		}
	}
	return b.String()
}
