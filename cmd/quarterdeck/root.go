package main

import (
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"

	"quarterdeck/cmd/quarterdeck/config"
)

// surroundings are what the process is given: streams and environment.
type surroundings struct {
	in        io.Reader
	out, errs io.Writer
	getenv    func(string) string
	flags     config.Flags
	// endsItself is called by a command that has much to do after it was told to stop, and bounds that itself.
	endsItself func()
}

// settings are what is in force for this call.
func (s *surroundings) settings() (*config.Settings, error) {
	set, err := config.Resolve(s.flags, s.getenv)
	if err != nil {
		return nil, &exitStatus{exitUsage, err}
	}
	return set, nil
}

// json tells whether -o json was asked for; an unknown format is an error that names the known ones.
func (s *surroundings) json(known ...string) (bool, error) {
	if s.flags.Output == "" {
		return false, nil
	}
	known = append(known, "json")
	for _, k := range known {
		if s.flags.Output == k {
			return k == "json", nil
		}
	}
	return false, &exitStatus{exitUsage, fmt.Errorf("-o %s is not known here: %v", s.flags.Output, known)}
}

const rootLong = `Quarterdeck is a terminal operations console for Docker Swarm: service health,
Loki logs, Prometheus metrics and alerts, live in one screen, without a shell on any server.

Without a command it opens the console. 'quarterdeck demo' opens it on an embedded platform.

EXIT STATUS
  0    done, or healthy
  1    degraded
  2    usage: a flag, an argument or the config file is wrong
  3    a source that the command needs is unreachable or refuses
  4    refused: read-only, not confirmed, busy
  5    an action failed and was taken back
  6    an action failed and was left as the message says
  130  interrupted`

func newRootCommand(s *surroundings) *cobra.Command {
	cmd := &cobra.Command{
		Use:           "quarterdeck",
		Short:         "A terminal operations console for Docker Swarm",
		Long:          rootLong,
		Args:          noArgs,
		SilenceErrors: true,
		SilenceUsage:  true,
		RunE:          func(cmd *cobra.Command, _ []string) error { return runConsole(cmd.Context(), s) },
	}
	f := cmd.PersistentFlags()
	f.StringVar(&s.flags.Config, "config", "", "configuration `file` [QUARTERDECK_CONFIG]")
	f.StringVar(&s.flags.Context, "context", "", "the config's context by `name` [QUARTERDECK_CONTEXT]")
	f.StringVar(&s.flags.Host, "host", "", "Docker `endpoint` of a Swarm manager, or several: a,b,c [DOCKER_HOST, then the current Docker context]")
	f.StringVar(&s.flags.WriteHost, "write-host", "", "a second `endpoint` for changes, where --host is a GET-only socket proxy [QUARTERDECK_WRITE_HOST]")
	f.StringVar(&s.flags.Loki, "loki", "", "Loki's `URL` [LOKI_ADDR]")
	f.StringVar(&s.flags.Prometheus, "prometheus", "", "Prometheus' `URL` [PROMETHEUS_URL]")
	f.StringVar(&s.flags.Alertmanager, "alertmanager", "", "Alertmanager's `URL` [ALERTMANAGER_URL]")
	f.StringVar(&s.flags.Grafana, "grafana", "", "Grafana's `URL` [GRAFANA_URL]")
	f.StringVar(&s.flags.S3, "s3", "", "backups: s3+http(s)://host/bucket/prefix [QUARTERDECK_S3]")
	f.BoolVar(&s.flags.ReadOnly, "read-only", false, "refuse every change [QUARTERDECK_READ_ONLY=1]")
	f.StringVar(&s.flags.Theme, "theme", "", "dark, light, high-contrast or none [QUARTERDECK_THEME]")
	f.StringVar(&s.flags.LogFile, "log-file", "", "warnings go to this `file` [QUARTERDECK_LOG_FILE]")
	f.StringVarP(&s.flags.Output, "output", "o", "", "`format`: table or json")
	f.DurationVar(&s.flags.Timeout, "timeout", 0, "how long one request may take (default 15s)")
	cmd.SetFlagErrorFunc(func(_ *cobra.Command, err error) error { return &exitStatus{exitUsage, err} })
	cmd.AddCommand(newDemoCommand(s), newSnapshotCommand(s), newSnapshotsCommand(s), newStatusCommand(s), newCheckCommand(s), newCapacityCommand(s), newCostCommand(s), newAttestCommand(s), newDeliveryCommand(s), newBlueprintCommand(s), newApplyCommand(s), newLogsCommand(s), newMetricsCommand(s),
		newAlertsCommand(s), newInvestigateCommand(s), newScaleCommand(s), newRedeployCommand(s), newRollbackCommand(s), newUndoCommand(s), newResumeCommand(s), newRotateCommand(s), newNodeCommand(s), newRightsizeCommand(s), newBackupCommand(s), newDrillCommand(s), newRestoreCommand(s), newRunbookCommand(s), newAgentCommand(s), newJournalCommand(s), newIncidentCommand(s), newNewCommand(s), newDoctorCommand(s), newVersionCommand(s), newManCommand())
	cmd.AddCommand(newAutoscaleCommand(s), newRunnerCommand(s))
	return cmd
}

// noArgs is cobra.NoArgs with the way out.
func noArgs(cmd *cobra.Command, args []string) error {
	if len(args) > 0 {
		return &exitStatus{exitUsage, fmt.Errorf("unknown command %q: see %s --help", args[0], cmd.CommandPath())}
	}
	return nil
}

// moment reads a time as people write it: a duration before now, RFC 3339, a date, or a time today.
func moment(text string, now time.Time) (time.Time, error) {
	if text == "" {
		return time.Time{}, nil
	}
	if d, err := time.ParseDuration(text); err == nil {
		return now.Add(-d.Abs()), nil
	}
	var days int
	if n, err := fmt.Sscanf(text, "%dd", &days); n == 1 && err == nil && text == fmt.Sprintf("%dd", days) {
		return now.Add(-time.Duration(days) * 24 * time.Hour), nil
	}
	for _, layout := range []string{time.RFC3339Nano, "2006-01-02T15:04:05", "2006-01-02 15:04:05", "2006-01-02 15:04", "2006-01-02"} {
		if t, err := time.ParseInLocation(layout, text, now.Location()); err == nil {
			return t, nil
		}
	}
	for _, layout := range []string{"15:04:05", "15:04"} {
		if t, err := time.ParseInLocation(layout, text, now.Location()); err == nil {
			y, m, d := now.Date()
			return time.Date(y, m, d, t.Hour(), t.Minute(), t.Second(), 0, now.Location()), nil
		}
	}
	return time.Time{}, &exitStatus{exitUsage, errors.New("\"" + text + "\" is no time: write 15m, 2d, 14:30 or 2026-11-24T08:00:00Z")}
}
