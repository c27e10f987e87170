package diagnosis

import (
	"fmt"
	"math"
	"net"
	"slices"
	"strings"

	"quarterdeck/sources"
	"quarterdeck/sources/fleet"
)

// What exporters of databases and caches tell of: their connections, their longest statement, what a cache throws away.
const (
	storeConnections = "connections-near-limit"
	storeStatement   = "statement-slow"
	storeStatements  = "statements-slow"
	storeEvictions   = "cache-evicting"
)

// The bounds from which on they are told of. A statement may run as long as it wants where a backup or a report makes it: it is no more than a hint.
const (
	connectionsMuch  = 0.8
	connectionsFull  = 0.95
	statementSeconds = 30
	missesMuch       = 0.2
)

// storesQuery asks all exporters at once; the label what says which of the answers a series is. The names are those of postgres_exporter (pg_stat_activity, pg_settings), mysqld_exporter
// (global_status, global_variables) and redis_exporter. Where none is scraped the answer is empty.
// Of Postgres' places some are kept for superusers: who is none is turned away before all are taken.
var storesQuery = func() string {
	by := "sum by (instance, server, swarm_service) "
	leg := func(what, query string) string { return `label_replace(` + query + `, "what", "` + what + `", "", "")` }
	over := func(used, most string) string {
		return fmt.Sprintf("clamp_max(%s(%s) / %s(%s), 1) > %v", by, used, by, most, connectionsMuch)
	}
	misses, hits := by+"(rate(redis_keyspace_misses_total[5m]))", by+"(rate(redis_keyspace_hits_total[5m]))"
	return strings.Join([]string{
		leg(storeConnections, over("pg_stat_activity_count", "pg_settings_max_connections - pg_settings_superuser_reserved_connections or pg_settings_max_connections")),
		leg(storeConnections, over("mysql_global_status_threads_connected", "mysql_global_variables_max_connections")),
		leg(storeConnections, over("redis_connected_clients", "redis_config_maxclients")),
		leg(storeStatement, fmt.Sprintf(`max by (instance, server, swarm_service) (pg_stat_activity_max_tx_duration{state="active"}) > %d`, statementSeconds)),
		leg(storeStatements, by+"(increase(mysql_global_status_slow_queries[5m])) >= 1"),
		leg(storeEvictions, fmt.Sprintf("%s(rate(redis_evicted_keys_total[5m])) > 0 and %s / (%s + %s) > %v", by, misses, misses, hits, missesMuch)),
	}, " or ")
}()

// Store is what an exporter tells of a database or a cache that is out of the ordinary. Service is the one it is about: the server that the exporter names, else the exporter's own.
type Store struct {
	What, Service, Server string
	Value                 float64 // a part of the connections, seconds, keys a second
}

// storesOf reads the answer to storesQuery.
func storesOf(snap *fleet.Snapshot, list []sources.Series) []Store {
	out := []Store{}
	for _, s := range list {
		v := valueOf(s)
		if math.IsNaN(v) || s.Labels["what"] == "" {
			continue
		}
		server := s.Labels["server"]
		if server == "" {
			server = s.Labels["instance"]
		}
		out = append(out, Store{s.Labels["what"], storeService(snap, server, s.Labels["swarm_service"]), server, v})
	}
	return out
}

// storeService is the service that a server's address means: of its name, or of that name in the exporter's stack; else the exporter's own service.
func storeService(snap *fleet.Snapshot, server, exporter string) string {
	host := server
	if h, _, err := net.SplitHostPort(server); err == nil {
		host = h
	}
	host = strings.TrimPrefix(host, "tasks.")
	names := []string{host}
	own := snap.Service(exporter)
	if own != nil && own.Stack != "" {
		names = []string{own.Stack + "_" + host, host}
	}
	for _, n := range names {
		if v := snap.Service(n); v != nil && n != "" {
			return v.Name
		}
	}
	if own == nil {
		return ""
	}
	return own.Name
}

// stores are the causes that exporters of databases and caches tell of. Where one service is asked about: of that one, and of those that it needs.
func (x *inquiry) stores() []Cause {
	if x.wide == nil {
		return nil
	}
	var out []Cause
	for i := range x.wide.Stores {
		s := &x.wide.Stores[i]
		if x.q.Service != "" && s.Service != x.q.Service && !slices.Contains(x.needs(x.q.Service, 1), s.Service) {
			continue
		}
		if c := s.cause(x); c != nil {
			out = append(out, *c)
		}
	}
	return out
}

func (s *Store) cause(x *inquiry) *Cause {
	name := s.Service
	if name == "" {
		name = oneLine(s.Server)
	}
	c := &Cause{ID: s.What, Service: s.Service, Grade: Anomaly, Why: "its exporter measures so"}
	switch s.What {
	case storeConnections:
		c.Title, c.Confidence = fmt.Sprintf("%.0f%% of its connections are in use", 100*s.Value), 0.6
		if s.Value >= connectionsFull {
			c.Title, c.Confidence, c.urgency = "its connections are used up", 0.85, 1
			c.Why = "who comes now is turned away"
		}
		c.proves(fleet.PrometheusName, storesQuery, x.q.At, "%s: %.0f%% of the connections that it allows are in use", name, 100*s.Value)
	case storeStatement:
		c.Title, c.Confidence = "a statement runs long", 0.4
		c.Why = "it may be a report or a backup, and may hold what others wait for"
		c.proves(fleet.PrometheusName, storesQuery, x.q.At, "%s: its longest statement has been running for %.0f s", name, s.Value)
	case storeStatements:
		c.Title, c.Confidence = "statements take long", 0.4
		c.Why = "they took longer than its own limit, long_query_time, and may hold what others wait for"
		c.proves(fleet.PrometheusName, storesQuery, x.q.At, "%s: %.0f statements of the last 5 minutes took longer than its long_query_time", name, s.Value)
	case storeEvictions:
		c.Title, c.Confidence = "it throws away what it is asked for", 0.5
		c.Why = "it is full, and more than a fifth of what it is asked for is not there"
		c.proves(fleet.PrometheusName, storesQuery, x.q.At, "%s: %.1f keys a second are thrown away for want of memory", name, s.Value)
	default:
		return nil
	}
	if s.Service != "" {
		c.step("see its figures", "metrics", s.Service)
		c.step("see its lines", "logs", s.Service)
	}
	return c
}
