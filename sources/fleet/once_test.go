package fleet

import (
	"testing"

	"quarterdeck/sources"
)

// A command that asks once knows what is not configured: the engine's own logs are not a Loki that still connects.
func TestOnceSaysWhatIsAbsent(t *testing.T) {
	f := New(nil, SwarmName, LokiName, PrometheusName, AlertmanagerName)
	logs := fakeLogs{feed: &feed{name: "docker logs", value: 2}}
	if err := f.Once(t.Context(), Feeds{Logs: logs}); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]sources.State{SwarmName: sources.Absent, LokiName: sources.Absent, PrometheusName: sources.Absent,
		AlertmanagerName: sources.Absent, DockerLogsName: sources.Live} {
		if got := f.Snapshot().Source(name).State; got != want {
			t.Errorf("%s is %s, want %s", name, got, want)
		}
	}
	f = New(nil, LokiName)
	logs.feed.name = LokiName
	if err := f.Once(t.Context(), Feeds{Logs: logs}); err != nil {
		t.Fatal(err)
	}
	if got := f.Snapshot().Source(LokiName).State; got != sources.Live {
		t.Errorf("loki is %s", got)
	}
}
