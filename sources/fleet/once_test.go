package fleet

import (
	"testing"

	"quarterdeck/sources"
)

// A command that asks once knows what is not configured: the engine's own logs are not a Loki that still connects.
func TestOnceSaysWhatIsAbsent(t *testing.T) {
	f := New(nil, SwarmName, LokiName, PrometheusName, AlertmanagerName, BackupsName)
	logs := fakeLogs{feed: &feed{name: "docker logs", value: 2}}
	if err := f.Once(t.Context(), Feeds{Logs: logs}); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]sources.State{SwarmName: sources.Absent, LokiName: sources.Absent, PrometheusName: sources.Absent,
		AlertmanagerName: sources.Absent, BackupsName: sources.Absent, DockerLogsName: sources.Live} {
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
	f = New(nil, BackupsName)
	store := &feed{}
	for err, want := range map[error]sources.State{nil: sources.Live, errDead: sources.Reconnecting} {
		store.err = err
		if err := f.Once(t.Context(), Feeds{Backups: store.answer}); err != nil { // it tells of the swarm alone
			t.Fatal(err)
		}
		if got := f.Snapshot().Source(BackupsName).State; got != want {
			t.Errorf("backups are %s, want %s", got, want)
		}
	}
}
