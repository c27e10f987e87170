package metrics

import (
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"
)

func (s *Server) metadata(r *http.Request) (any, error) {
	type entry struct {
		Type string `json:"type"`
		Help string `json:"help"`
		Unit string `json:"unit"`
	}
	out := map[string][]entry{}
	for _, f := range families {
		name := strings.TrimSuffix(f.name, "_bucket")
		if f.kind == "" || f.help == "" || r.Form.Get("metric") != "" && r.Form.Get("metric") != name {
			continue
		}
		out[name] = []entry{{f.kind, f.help, ""}}
	}
	return out, nil
}

func (s *Server) buildInfo(*http.Request) (any, error) {
	return map[string]string{"version": Version, "revision": "demo", "branch": "demo", "buildUser": "quarterdeck", "buildDate": "", "goVersion": "go1.26"}, nil
}

func (s *Server) config(*http.Request) (any, error) {
	return map[string]string{"yaml": "global:\n  scrape_interval: 15s\n  scrape_timeout: 10s\n  evaluation_interval: 15s\nscrape_configs:\n- job_name: cadvisor\n- job_name: node-exporter\n- job_name: dockerd\n- job_name: traefik\n- job_name: prometheus\n"}, nil
}

func (s *Server) runtimeInfo(*http.Request) (any, error) {
	return map[string]any{"startTime": s.w.Began().UTC(), "CWD": "/prometheus", "reloadConfigSuccess": true, "lastConfigTime": s.w.Began().UTC(), "corruptionCount": 0, "goroutineCount": 40, "GOMAXPROCS": 2, "storageRetention": "15d", "serverTime": s.w.Now().UTC()}, nil
}

func (s *Server) flags(*http.Request) (any, error) {
	return map[string]string{"query.lookback-delta": "5m", "query.max-samples": strconv.Itoa(maxSamples), "query.timeout": "2m", "storage.tsdb.retention.time": "15d"}, nil
}

type target struct {
	DiscoveredLabels map[string]string `json:"discoveredLabels"`
	Labels           map[string]string `json:"labels"`
	ScrapePool       string            `json:"scrapePool"`
	ScrapeURL        string            `json:"scrapeUrl"`
	GlobalURL        string            `json:"globalUrl"`
	LastError        string            `json:"lastError"`
	LastScrape       time.Time         `json:"lastScrape"`
	LastDuration     float64           `json:"lastScrapeDuration"`
	Health           string            `json:"health"`
	Interval         string            `json:"scrapeInterval"`
	Timeout          string            `json:"scrapeTimeout"`
}

func (s *Server) targets(r *http.Request) (any, error) {
	active := []target{}
	if st := r.Form.Get("state"); st == "" || st == "any" || st == "active" {
		now := s.w.Now().UnixMilli()
		q, err := s.store.Querier(now-2*Scrape, now)
		if err != nil {
			return nil, err
		}
		for set := q.Select(r.Context(), true, nil, labels.MustNewMatcher(labels.MatchEqual, model.MetricNameLabel, "up")); set.Next(); {
			sr := set.At().(*series) //nolint:forcetypeassert // our own storage's
			l := sr.labels.Map()
			delete(l, model.MetricNameLabel)
			t := target{
				DiscoveredLabels: map[string]string{"__address__": l["instance"], "__metrics_path__": "/metrics", "__scheme__": "http", "__scrape_interval__": "15s", "__scrape_timeout__": "10s", "job": l["job"]}, Labels: l, ScrapePool: l["job"],
				ScrapeURL: "http://" + l["instance"] + "/metrics", GlobalURL: "http://" + l["instance"] + "/metrics", Health: "up", Interval: "15s", Timeout: "10s", LastDuration: 0.021,
				LastScrape: time.UnixMilli(sr.t0 + int64(len(sr.v)-1)*Scrape).UTC(),
			}
			if sr.v[len(sr.v)-1] == 0 {
				t.Health, t.LastError = "down", fmt.Sprintf("Get %q: context deadline exceeded", t.ScrapeURL)
			}
			active = append(active, t)
		}
	}
	return map[string]any{"activeTargets": active, "droppedTargets": []any{}, "droppedTargetCounts": map[string]int{}}, nil
}
