package diagnosis

import (
	"strings"
	"testing"

	"quarterdeck/sources"
	"quarterdeck/sources/fleet"
)

// TestLinksAreLearnt: what a service's error lines name as a host that they could not reach, and that is on one of its networks, is what it needs.
func TestLinksAreLearnt(t *testing.T) {
	service := func(name, network, vip string) *fleet.Service {
		stack, _, _ := strings.Cut(name, "_")
		return &fleet.Service{Service: sources.Service{Name: name, Stack: stack, Networks: []string{network}, VIPs: []string{vip}}}
	}
	api := service("shop_api", "back", "10.0.3.2")
	snap := &fleet.Snapshot{At: noon, Services: []*fleet.Service{
		api, service("shop_db", "back", "10.0.3.7"), service("shop_cache", "back", "10.0.3.70"), service("shop_mail", "other", "10.0.4.9"), service("crm_api", "back", "10.0.3.30"), service("crm_search", "back", "10.0.3.31"),
	}}
	for name, c := range map[string]struct{ line, want string }{
		"refused at its address":         {"dial tcp 10.0.3.7:5432: connect: connection refused", "shop_db"},
		"an address that only begins so": {"dial tcp 10.0.3.71:5432: connect: connection refused", ""},
		"Go's resolver":                  {"dial tcp: lookup db on 127.0.0.11:53: no such host", "shop_db"},
		"libpq":                          {`could not translate host name "db" to address: Name or service not known`, "shop_db"},
		"libpq, refused":                 {`connection to server at "db" (10.0.3.7), port 5432 failed`, "shop_db"},
		"Node":                           {"Error: getaddrinfo ENOTFOUND cache", "shop_cache"},
		"Java":                           {"java.net.UnknownHostException: cache", "shop_cache"},
		"nginx":                          {`host not found in upstream "cache" in /etc/nginx/conf.d/default.conf:3`, "shop_cache"},
		"a URL":                          {`Get "http://db:8080/x": context deadline exceeded`, "shop_db"},
		"a DSN":                          {`cannot open postgres://app@db/shop`, "shop_db"},
		"wrapped":                        {`error="db: ERROR: could not extend file: No space left on device"`, "shop_db"},
		"in full":                        {`"ServiceName":"shop_db@swarm","DownstreamStatus":502`, "shop_db"},
		"its tasks":                      {"lookup tasks.db: no such host", "shop_db"},
		"a word of the language":         {"the cache is cold and the db may be slow", ""},
		"part of a word":                 {"lookup db-old: no such host", ""},
		"not on its network":             {"dial tcp: lookup mail: no such host", ""},
		"address not on its network":     {"dial tcp 10.0.4.9:25: i/o timeout", ""},
		"itself":                         {"http://api:8080: no answer", ""},
		"another stack's name":           {"dial tcp: lookup search: no such host", ""},
		"another stack's name in full":   {"dial tcp: lookup crm_search: no such host", "crm_search"},
		"MySQL's client":                 {`Can't connect to MySQL server on '10.0.3.7' (111)`, "shop_db"},
		"to a remote":                    {"cannot reach remote 10.0.3.7:5432: i/o timeout", "shop_db"},
		"who asked, as JSON":             {`{"level":"error","status":500,"remote":"10.0.3.7","trace_id":"1"}`, ""},
		"who asked, with its port":       {`level=error status=500 remote_addr=10.0.3.7:51234`, ""},
		"who asked, in nginx's words":    {`upstream timed out, client: 10.0.3.7, server: _, upstream: "http://10.0.3.70:80/"`, "shop_cache"},
		"who asked, in an access log":    {`10.0.3.7 - - [25/Nov/2026:12:00:00 +0000] "GET / HTTP/1.1" 500 12`, ""},
		"hostile":                        {"lookup ....:::// @@\x00\xff db", ""},
	} {
		t.Run(name, func(t *testing.T) {
			s := &Scene{At: noon, Snap: snap, Service: api, Logs: &LogsSeen{}}
			line := sources.Entry{Time: noon, Level: sources.LevelError, Line: c.line}
			s.Logs.Errors = []sources.Entry{line}
			if got := learnLinks(s); len(got) > 0 {
				t.Errorf("one line is taken for a dependency: %v", got)
			}
			s.Logs.Errors = []sources.Entry{line, line}
			got := learnLinks(s)
			if c.want == "" && len(got) > 0 || c.want != "" && (len(got) != 1 || got[0].Service != c.want || !strings.HasPrefix(got[0].How, "learnt: 2 of its error lines name it")) {
				t.Errorf("%v", got)
			}
			s.Logs.Errors[0].Level, s.Logs.Errors[1].Level = sources.LevelInfo, sources.LevelWarn
			if got := learnLinks(s); len(got) > 0 {
				t.Errorf("learnt from what is no error: %v", got)
			}
		})
	}
}
