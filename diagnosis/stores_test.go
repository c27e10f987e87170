package diagnosis

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/prometheus/promql/parser"

	"quarterdeck/sources"
	"quarterdeck/sources/fleet"
)

// TestStores: what an exporter tells is about the server that it watches, found by its address, and is told of whoever needs that server.
func TestStores(t *testing.T) {
	if _, err := parser.NewParser(parser.Options{}).ParseExpr(storesQuery); err != nil {
		t.Fatalf("%v\n%s", err, storesQuery)
	}
	f := fleet.New(func() time.Time { return noon }, fleet.SwarmName)
	w := sources.World{At: noon}
	for _, name := range []string{"shop_db", "shop_exporter", "shop_web", "cache"} {
		stack, _, _ := strings.Cut(name, "_")
		w.Services = append(w.Services, sources.Service{ID: name, Name: name, Stack: stack, Mode: sources.Replicated})
	}
	f.Fold(sources.Change{World: &w})
	snap := f.Snapshot()
	series := func(what, server, instance, exporter string, v float64) sources.Series {
		return sources.Series{Labels: map[string]string{"what": what, "server": server, "instance": instance, "swarm_service": exporter}, Points: []sources.Point{{T: noon, V: v}}}
	}
	x := &inquiry{q: Question{At: noon}, snap: snap, links: map[string][]Link{"shop_web": {{Service: "shop_db"}}}, wide: &Wide{Stores: storesOf(snap, []sources.Series{
		series(storeConnections, "db:5432", "10.0.0.9:9187", "shop_exporter", 0.97),
		series(storeStatement, "", "10.0.0.9:9187", "shop_exporter", 45),
		series(storeStatements, "db:5432", "10.0.0.9:9104", "shop_exporter", 3),
		series(storeEvictions, "", "cache:6379", "", 12),
		series("", "db:5432", "", "", 1),
	})}}
	for asked, want := range map[string]string{
		"":          "shop_db: connections-near-limit 0.85, shop_exporter: statement-slow 0.40, shop_db: statements-slow 0.40, cache: cache-evicting 0.50",
		"shop_web":  "shop_db: connections-near-limit 0.85, shop_db: statements-slow 0.40",
		"shop_db":   "shop_db: connections-near-limit 0.85, shop_db: statements-slow 0.40",
		"cache":     "cache: cache-evicting 0.50",
		"shop_none": "",
	} {
		x.q.Service = asked
		var got []string
		for _, c := range x.stores() {
			got = append(got, c.key()+" "+percentWords(c.Confidence))
			if len(c.Evidence) == 0 || c.Evidence[0].Query != storesQuery || len(c.Next) == 0 {
				t.Errorf("%s has neither proof nor a next action", c.key())
			}
		}
		if s := strings.Join(got, ", "); s != want {
			t.Errorf("asked about %q: %s\nwant %s", asked, s, want)
		}
	}
}

func percentWords(v float64) string { return fmt.Sprintf("%.2f", v) }
