package prometheus

import (
	"fmt"
	"strings"
	"testing"
)

func series(metric string, kv ...string) webSeries {
	s := webSeries{metric: metric, labels: map[string]string{"__name__": metric}}
	for i := 0; i+1 < len(kv); i += 2 {
		s.labels[kv[i]] = kv[i+1]
	}
	return s
}

func TestWebSource(t *testing.T) {
	traefik := func(service string) webFinding {
		return webFinding{
			series("traefik_service_requests_total", "service", service, "code", "200"),
			series("traefik_service_request_duration_seconds_bucket", "service", service, "code", "200"),
			series("traefik_service_request_duration_seconds_count", "service", service, "code", "200"),
		}
	}
	own := webFinding{
		series("http_requests_total", "swarm_service", "shop_web", "status_code", "200"),
		series("http_request_duration_seconds_bucket", "swarm_service", "shop_web"),
	}
	for _, tc := range []struct {
		name     string
		found    webFinding
		services []string
		matchers string // "" : none found
		how      string
		requests string
	}{
		{"Traefik, named as the service", traefik("shop_web@swarm"), nil, `service=~"(?:shop_web|shop-web)(?:@.*)?"`, "as Traefik counts them",
			`sum by (code) (rate(traefik_service_requests_total{service=~"(?:shop_web|shop-web)(?:@.*)?"}[1m]))`},
		{"Traefik, named as it makes names", traefik("shop-web@docker"), nil, `service=~"(?:shop_web|shop-web)(?:@.*)?"`, "as Traefik counts them", ""},
		{"Traefik, by the name without the stack", traefik("web@swarm"), []string{"shop_web", "shop_db"}, `service=~"(?:web|web)(?:@.*)?"`, "is taken for this one by its name", ""},
		{"no guess where another stack has such a service", traefik("web@swarm"), []string{"shop_web", "blog_web"}, "", "", ""},
		{"no guess where a service is called so", traefik("web@swarm"), []string{"shop_web", "web"}, "", "", ""},
		{"another service's", traefik("shop_web2@swarm"), nil, "", "", ""},
		{"Traefik, without a provider", traefik("shop_web"), nil, `service=~"(?:shop_web|shop-web)(?:@.*)?"`, "as Traefik counts them", ""},
		{"under the target's own service label", webFinding{series("traefik_service_requests_total", "service", "edge_traefik", "exported_service", "shop_web@swarm", "code", "200")}, nil,
			`exported_service=~"(?:shop_web|shop-web)(?:@.*)?"`, "as Traefik counts them", ""},
		{"the service's own", own, nil, `swarm_service="shop_web"`, "as its own http_requests_total counts them, by swarm_service",
			`sum by (status_code) (rate(http_requests_total{swarm_service="shop_web"}[1m]))`},
		{"Traefik before the service's own", append(traefik("shop_web@swarm"), own...), nil, `service=~"(?:shop_web|shop-web)(?:@.*)?"`, "as Traefik counts them", ""},
		{"by its job", webFinding{series("app_http_requests_total", "job", "shop_web")}, nil, `job="shop_web"`, "as its own app_http_requests_total counts them, by job",
			`sum (rate(app_http_requests_total{job="shop_web"}[1m]))`},
		{"a histogram alone", webFinding{series("http_server_request_duration_seconds_count", "service", "shop_web", "http_response_status_code", "500"),
			series("http_server_request_duration_seconds_bucket", "service", "shop_web", "http_response_status_code", "500")}, nil, `service="shop_web"`, "_count",
			`sum by (http_response_status_code) (rate(http_server_request_duration_seconds_count{service="shop_web"}[1m]))`},
		{"a native histogram alone", webFinding{series("http_request_duration_seconds", "service", "shop_web")}, nil, `service="shop_web"`, "own http_request_duration_seconds ",
			`sum (histogram_count(rate(http_request_duration_seconds{service="shop_web"}[1m])))`},
		{"nothing", nil, nil, "", "", ""},
	} {
		t.Run(tc.name, func(t *testing.T) {
			src, ok := tc.found.webSource("shop_web", swarmLabel, tc.services)
			if ok != (tc.matchers != "") {
				t.Fatalf("found: %v, %+v", ok, src)
			}
			if !ok {
				return
			}
			if src.matchers != tc.matchers || !strings.Contains(src.words(src.any()), tc.how) {
				t.Errorf("matchers %s, how %q", src.matchers, src.how)
			}
			if q, why := src.query("requests", "1m"); tc.requests != "" && q != tc.requests {
				t.Errorf("requests\n got %s %s\nwant %s", q, why, tc.requests)
			}
		})
	}
}

func TestCodeLabelIsCalledCode(t *testing.T) {
	f := newFake(t, labelled,
		rule{"count by (__name__, swarm_service", vector(
			`{"__name__":"http_requests_total","swarm_service":"shop_web","status_code":"200"} 3`,
			`{"__name__":"http_request_duration_seconds_bucket","swarm_service":"shop_web"} 3`)},
		rule{"sum by (status_code)", matrix(`{"status_code":"200"} 1 2`, `{"status_code":"503"} 0 1`)},
		rule{"count by (le)", vector(`{"le":"0.3"} 1`, `{"le":"0.1"} 1`, `{"le":"+Inf"} 1`, `{"le":"1.2"} 1`)},
		rule{"histogram_quantile", matrix(`{} 0.2 0.3`)},
		rule{`status_code=~"5.."`, matrix(`{} NaN NaN`)},
	)
	c := f.client(t, Options{})
	rs, err := c.Standard(t.Context(), "shop_web", lastQuarter(), "requests", "errors", "p50", "p95", "p99")
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range reading(t, rs, "requests").Answer.Series {
		if s.Labels["code"] == "" || s.Labels["status_code"] != "" {
			t.Errorf("labels %v", s.Labels)
		}
	}
	if r := reading(t, rs, "errors"); !strings.Contains(r.Reason, "no requests to service shop_web in the last 15 min") {
		t.Errorf("errors: %q", r.Reason)
	}
	for _, name := range []string{"p50", "p95", "p99"} {
		r := reading(t, rs, name)
		if fmt.Sprint(r.Bounds) != "[0.1 0.3 1.2]" || r.How != "as its own http_request_duration_seconds_bucket counts them, by swarm_service" {
			t.Errorf("%s: bounds %v, how %q", name, r.Bounds, r.How)
		}
	}
	if r := reading(t, rs, "requests"); r.Bounds != nil || r.How == "" {
		t.Errorf("requests: bounds %v, how %q", r.Bounds, r.How)
	}
	if n := len(f.asked("count by (le)")); n != 1 {
		t.Errorf("the bounds were asked %d times", n)
	}
}
