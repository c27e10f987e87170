package main

import (
	"encoding/csv"
	"slices"
	"strings"
	"testing"
)

// capacityContract holds for capacity and cost on the demo and the lab alike.
func capacityContract(t *testing.T, x target) {
	var picture any
	x.askJSON(t, &picture, -1, "capacity")
	nodes := list(t, fields(t, "capacity", picture, "time", "nodes"), "nodes")
	if len(nodes) == 0 {
		t.Fatal("no nodes")
	}
	for _, n := range nodes {
		m := fields(t, "node", n, "name", "places", "tasks", "cpu", "memory", "loss")
		for _, of := range []string{"cpu", "memory"} {
			if s := fields(t, of, m[of], "total", "reserved", "limits", "unlimited", "used"); s["total"].(float64) <= 0 {
				t.Errorf("%v has no %s", m["name"], of)
			}
		}
		l := fields(t, "loss", m["loss"], "node", "tasks", "placed", "global", "fits", "moves")
		sum := 0.0
		for _, move := range list(t, l, "moves") {
			v := fields(t, "move", move, "service", "tasks", "placed", "on", "volumes")
			placed := 0.0
			for _, n := range v["on"].(map[string]any) {
				placed += n.(float64)
			}
			if placed != v["placed"] || v["on"].(map[string]any)[m["name"].(string)] != nil {
				t.Errorf("%v without %v goes to %v: %v", v["service"], m["name"], v["on"], v["placed"])
			}
			sum += v["tasks"].(float64)
		}
		if sum != l["tasks"] {
			t.Errorf("%v tasks move from %v, and its services have %v", l["tasks"], m["name"], sum)
		}
	}
	name := nodes[0].(map[string]any)["name"].(string)
	if out, errs, code := x.ask(t, "capacity", "--lose", name); code > exitDegraded || !strings.Contains(out, "without "+name) {
		t.Errorf("exit %d: %s%s", code, out, errs)
	}
	if _, errs, code := x.ask(t, "capacity", "--lose", "no-such-node"); code != exitUsage || !strings.Contains(errs, name) {
		t.Errorf("exit %d: %s", code, errs)
	}
	var doc any
	x.askJSON(t, &doc, -1, "capacity", "--more", x.service)
	fields(t, "more", fields(t, "capacity", doc, "more")["more"], "service", "more", "at_least")

	x.askJSON(t, &doc, 0, "cost", "--since", "2h")
	c := fields(t, "cost", doc, "time", "hour", "idle", "services", "stacks", "nodes", "over")
	fields(t, "over", c["over"], "since", "until", "all")
	for _, s := range list(t, c, "services") {
		v := fields(t, "service", s, "service", "stack", "tasks", "hour", "cpu_hour", "memory_hour", "reserved_cores", "used_cores", "reserved_memory", "used_memory", "over")
		if v["hour"] == nil && v["reason"] == nil {
			t.Errorf("%v has no cost and does not say why", v["service"])
		}
		fields(t, "trend", v["over"], "total", "hour", "days", "rise", "fit_cores", "fit_memory", "saves_hour")
	}
	for _, n := range list(t, c, "nodes") {
		fields(t, "node", n, "node", "hour", "taken", "idle", "oversold")
	}
	out, errs, code := x.ask(t, "cost", "-o", "csv")
	rows, err := csv.NewReader(strings.NewReader(out)).ReadAll()
	if code != 0 || err != nil || len(rows) != len(list(t, c, "services"))+1 || !slices.ContainsFunc(rows, func(r []string) bool { return r[0] == x.service }) {
		t.Errorf("exit %d, %v: %d rows, %s", code, err, len(rows), errs)
	}
	if _, _, code := x.ask(t, "cost", "--since", "1s"); code != exitUsage {
		t.Errorf("a time of a second: exit %d", code)
	}
}

func TestNoFormulaInCSV(t *testing.T) {
	for text, want := range map[string]string{"=1+1": "'=1+1", "+x": "'+x", "-x": "'-x", "@x": "'@x", "shop_web": "shop_web", "": ""} {
		if got := cell(text); got != want {
			t.Errorf("%q: %q", text, got)
		}
	}
}
