package sources

import (
	"strconv"
	"strings"
)

// Panel is a query that somebody wants to see beside the standard series.
type Panel struct {
	Name  string `yaml:"name"`
	Query string `yaml:"query"`
	// Unit is as a chart's: cores, bytes, bytes/s, ratio, 1/s, s, 1; "": a plain number.
	Unit string `yaml:"unit,omitempty"`
	// Service that it belongs to; "": all, with $service and $stack in the query.
	Service string `yaml:"service,omitempty"`
}

// Filled is the query with $service and $stack (or ${service}, ${stack}) as those of one service. They belong between
// quotes in a query, and are escaped for that.
func (p Panel) Filled(service, stack string) string { return FillService(p.Query, service, stack) }

// FillService is a query with $service and $stack (or ${service}, ${stack}) as those of one service.
func FillService(query, service, stack string) string {
	if !strings.Contains(query, "$") {
		return query
	}
	service, stack = inQuotes(service), inQuotes(stack)
	return strings.NewReplacer("${service}", service, "${stack}", stack, "$service", service, "$stack", stack).Replace(query)
}

func inQuotes(s string) string {
	q := strconv.Quote(s)
	return q[1 : len(q)-1]
}
