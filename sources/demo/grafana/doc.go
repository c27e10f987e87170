// Package grafana is the part of Grafana's HTTP API that marks and lists dashboards
// (https://grafana.com/docs/grafana/latest/developers/http_api/): health, search, annotations. It draws nothing.
//
// What flows in: the world's services that have a dashboard, and annotations that clients make. It must not import another server of the demo.
package grafana
