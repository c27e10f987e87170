package stages

import (
	"fmt"
	"math"

	"quarterdeck/sources/fleet"
)

// Queries of the exporters of databases and caches (SIGNALS.md). Where no such exporter is scraped the answers are empty.
const (
	hitsQuery = `sum(rate(redis_keyspace_hits_total[1h])) / (sum(rate(redis_keyspace_hits_total[1h])) + sum(rate(redis_keyspace_misses_total[1h])))`
	// slowQuery is how long the longest statement has run, in seconds: the exporter of Postgres tells the longest transaction of each state.
	slowQuery = `max(pg_stat_activity_max_tx_duration{state="active"})`
	// loggedQuery is how many statements of MySQL and MariaDB have taken longer than long_query_time in an hour: 10 s, unless somebody has set it (MySQL, "Server Status Variables":
	// Slow_queries, which counts whether or not the slow log is written).
	loggedQuery = `sum(increase(mysql_global_status_slow_queries[1h]))`
	// connectionsQuery is the greatest share of a server's connections that is in use; an exporter may tell of several servers of Postgres, which keep some for superusers.
	connectionsQuery = `max(clamp_max(sum by (instance, server) (pg_stat_activity_count) / max by (instance, server) (pg_settings_max_connections - pg_settings_superuser_reserved_connections or pg_settings_max_connections), 1) or mysql_global_status_threads_connected / mysql_global_variables_max_connections)`
)

var cacheHit = &Check{
	ID: "cache-hit", Stage: 4, Stack: "cache",
	Question: "does the cache answer most of what it is asked?",
	Why:      "A cache that misses costs a question to it and one to the database. Under ten times the load the database has only what the cache lets through.",
	Threshold: func(s *Settings) string {
		return fmt.Sprintf("%.0f%% of an hour's lookups; %.0f%% is a warning", 100*s.CachePass, 100*s.CacheWarn)
	},
	Fix: "look at evictions and at maxmemory of the cache: `quarterdeck metrics SERVICE`",
	judge: func(e *Evidence, s *Settings) Finding {
		if e.Up == nil {
			return unknown(hitsQuery, e.reason(fleet.PrometheusName, "Prometheus did not answer"))
		}
		if e.CacheHits == nil {
			return notApplicable(hitsQuery, "no exporter of a Redis is scraped, or nobody has asked it anything for an hour")
		}
		f := Finding{State: Pass, Evidence: hitsQuery, Value: fmt.Sprintf("%.0f%%", 100**e.CacheHits)}
		switch {
		case *e.CacheHits < s.CacheWarn:
			f.State = Fail
		case *e.CacheHits < s.CachePass:
			f.State = Warn
		}
		return f
	},
}

var slowQueries = &Check{
	ID: "slow-queries", Stage: 4, Stack: "cache",
	Question: "does the database answer at once, and has it room for more connections?",
	Why:      "One slow statement holds its rows and its connection while others queue behind it. A server at its limit of connections turns users away with the machine half idle.",
	Threshold: func(s *Settings) string {
		return fmt.Sprintf("no statement over %.0f s (of MySQL: over its long_query_time) and under %.0f%% of the connections; up to ten times as long, or under %.0f an hour, or %.0f%%, is a warning", s.SlowPass, 100*s.ConnectionsPass, s.SlowMany, 100*s.ConnectionsWarn)
	},
	Fix: "see what runs: the database's own view of its activity; a pool in front of it for the connections",
	judge: func(e *Evidence, s *Settings) Finding {
		const evidence = slowQuery + "; " + loggedQuery + "; " + connectionsQuery
		if e.Up == nil {
			return unknown(evidence, e.reason(fleet.PrometheusName, "Prometheus did not answer"))
		}
		if e.Slowest == nil && e.SlowLogged == nil && e.Connections == nil {
			return notApplicable(evidence, "no exporter of a database is scraped")
		}
		f := Finding{State: Pass, Evidence: evidence}
		if v := e.Slowest; v != nil {
			f.Value = fmt.Sprintf("the longest statement runs for %.1f s", *v)
			switch {
			case *v >= 10*s.SlowPass:
				f.Subjects = append(f.Subjects, Subject{Name: "statements", State: Fail, Says: f.Value})
			case *v >= s.SlowPass:
				f.Subjects = append(f.Subjects, Subject{Name: "statements", State: Warn, Says: f.Value})
			}
		}
		and := func(says string) {
			if f.Value != "" {
				f.Value += ", "
			}
			f.Value += says
		}
		if v := e.SlowLogged; v != nil {
			says := fmt.Sprintf("%.0f statements in an hour took longer than long_query_time", math.Round(*v))
			and(says)
			switch {
			case math.Round(*v) >= s.SlowMany:
				f.Subjects = append(f.Subjects, Subject{Name: "statements of MySQL", State: Fail, Says: says})
			case math.Round(*v) >= 1:
				f.Subjects = append(f.Subjects, Subject{Name: "statements of MySQL", State: Warn, Says: says})
			}
		}
		if v := e.Connections; v != nil {
			says := fmt.Sprintf("%.0f%% of a server's connections are in use", 100**v)
			and(says)
			switch {
			case *v >= s.ConnectionsWarn:
				f.Subjects = append(f.Subjects, Subject{Name: "connections", State: Fail, Says: says})
			case *v >= s.ConnectionsPass:
				f.Subjects = append(f.Subjects, Subject{Name: "connections", State: Warn, Says: says})
			}
		}
		f.State = worst(f.Subjects)
		return f
	},
}
