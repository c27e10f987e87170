package fleet

import (
	"cmp"
	"reflect"
	"slices"

	"quarterdeck/sources"
)

// taskOrder is by slot, then node, then the newest first.
func taskOrder(a, b sources.Task) int {
	node := 0
	if a.Slot == 0 && b.Slot == 0 {
		node = cmp.Compare(a.NodeID, b.NodeID)
	}
	return cmp.Or(cmp.Compare(a.Slot, b.Slot), node, b.Created.Compare(a.Created), cmp.Compare(a.ID, b.ID))
}

func nodeOrder(a, b sources.Node) int {
	return cmp.Or(cmp.Compare(a.Name, b.Name), cmp.Compare(a.ID, b.ID))
}

// entryOrder is by stack, then name; of two with one name (the older is being removed) the newest last.
func entryOrder(a, b *entry) int { return serviceOrder(&a.service, &b.service) }

func serviceOrder(a, b *sources.Service) int {
	return cmp.Or(cmp.Compare(a.Stack, b.Stack), cmp.Compare(a.Name, b.Name), a.Created.Compare(b.Created), cmp.Compare(a.ID, b.ID))
}

var (
	severityRank = map[string]int{"critical": 1, "error": 2, "warning": 3, "info": 4}
	stateRank    = map[sources.AlertState]int{sources.Firing: 1, sources.Pending: 2, sources.Suppressed: 3}
)

// alertOrder is what fires first, by severity (unknown words last), then the newest first.
func alertOrder(a, b sources.Alert) int {
	rank := func(n int) int { return cmp.Or(n, 9) }
	return cmp.Or(rank(stateRank[a.State])-rank(stateRank[b.State]), rank(severityRank[a.Severity])-rank(severityRank[b.Severity]),
		b.Since.Compare(a.Since), cmp.Compare(alertKey(&a), alertKey(&b)))
}

func alertKey(a *sources.Alert) string {
	if a.Fingerprint != "" {
		return a.Fingerprint
	}
	return key(a.Name, a.Service)
}

func sameAlerts(a, b []sources.Alert) bool {
	return slices.EqualFunc(a, b, func(x, y sources.Alert) bool { return reflect.DeepEqual(x, y) })
}
