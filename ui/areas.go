package ui

import "slices"

// areas are where keys are looked up, by what has the focus.
func (m *Model) areas() []area {
	focused := m.focusedArea()
	if m.view == viewTasks && focused == areaRows {
		return []area{areaTasks, focused, areaPanes, areaList}
	}
	if m.view == viewOverview || m.view == viewTasks {
		return []area{focused, areaPanes, areaList}
	}
	if focused == areaAlerts || focused == areaTimeline || focused == areaStages || focused == areaBackups {
		return []area{focused, areaRows, areaList}
	}
	return []area{focused, areaList}
}

func (m *Model) focusedArea() area {
	switch {
	case m.inLogs():
		return areaLogs
	case m.view == viewMetrics || m.focus == paneMetrics:
		return areaMetrics
	case m.view == viewAlerts:
		return areaAlerts
	case m.view == viewTimeline:
		return areaTimeline
	case m.view == viewStages:
		return areaStages
	case m.view == viewBackups:
		return areaBackups
	case m.view == viewNodes:
		return areaNodes
	case m.view == viewTasks:
		return areaRows
	case m.view == viewOverview || m.view == viewServices:
		return areaServices
	}
	return areaList
}

// means tells whether some key does it here and now.
func (m *Model) means(do act) bool {
	areas := append(m.areas(), areaAll)
	return slices.ContainsFunc(keymap, func(b binding) bool { return b.act == do && slices.Contains(areas, b.area) })
}

// focusArea brings the focus to where an area's keys mean something.
func (m *Model) focusArea(a area) {
	switch a {
	case areaLogs:
		if m.view != viewLogs {
			m.open(viewLogs)
		}
	case areaMetrics:
		if m.view != viewMetrics {
			m.open(viewMetrics)
		}
	case areaAlerts:
		m.open(viewAlerts)
	case areaTimeline:
		m.open(viewTimeline)
	case areaStages:
		m.open(viewStages)
	case areaBackups:
		m.open(viewBackups)
	case areaNodes:
		m.open(viewNodes)
	case areaServices:
		if m.view != viewServices {
			m.open(viewOverview)
			m.focus = paneTable
		}
	}
}
