package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"sync"

	"github.com/spf13/cobra"

	"quarterdeck/cmd/quarterdeck/config"
	"quarterdeck/sources"
	"quarterdeck/sources/fleet"
	"quarterdeck/sources/objectstore"
	"quarterdeck/ui/plain"
)

func newDoctorCommand(s *surroundings) *cobra.Command {
	var example bool
	cmd := &cobra.Command{
		Use:   "doctor",
		Short: "Each source: reachable, version, what it allows, what is missing and what to do",
		Long: `Checks the config file, then asks each source for the least that tells whether it can serve,
and holds the services against their backups: a policy that is bad or missing is named with the
label to set.

EXIT STATUS
  0 all sources serve; 1 some do; 2 the config file or a flag is wrong; 3 none does`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if example {
				_, err := io.WriteString(s.out, config.Example)
				return err
			}
			return runDoctor(cmd.Context(), s)
		},
	}
	cmd.Flags().BoolVar(&example, "example", false, "print a commented configuration file")
	return cmd
}

func runDoctor(ctx context.Context, s *surroundings) error {
	p, asJSON, err := s.open("table")
	if err != nil {
		return err
	}
	defer p.Close()
	ctx, cancel := context.WithTimeout(ctx, p.settings.Timeout)
	defer cancel()
	probes := p.probe(ctx)
	cover := p.coverage(ctx)
	if asJSON {
		out := doctorOf(probes)
		out.Backups = cover.json()
		if err := json.NewEncoder(s.out).Encode(out); err != nil {
			return err
		}
	} else if err := writeDoctor(s.out, p.settings, probes, cover); err != nil {
		return err
	}
	ok := 0
	for _, x := range probes {
		if (sources.Status{State: x.State}).OK() {
			ok++
		}
	}
	switch ok {
	case len(probes):
		return nil
	case 0:
		return &exitStatus{code: exitUnreachable}
	}
	return &exitStatus{code: exitDegraded}
}

// probe asks all sources at once; those that are not configured say what to set.
func (p *platform) probe(ctx context.Context) []sources.Probe {
	out := make([]sources.Probe, 5)
	var wg sync.WaitGroup
	ask := func(i int, name, setting string, there bool, probe func(context.Context) sources.Probe) {
		if !there {
			out[i] = sources.Probe{Name: name, State: sources.Absent, Fix: "set " + setting + " if there is one"}
			return
		}
		wg.Go(func() {
			out[i] = probe(ctx)
			out[i].Name = name
		})
	}
	ask(0, fleet.SwarmName, "--host", true, p.swarm.Probe)
	ask(1, fleet.LokiName, "--loki, LOKI_ADDR or loki.address", p.loki != nil, func(c context.Context) sources.Probe { return p.loki.Probe(c) })
	ask(2, fleet.PrometheusName, "--prometheus, PROMETHEUS_URL or prometheus.address", p.metrics != nil, func(c context.Context) sources.Probe { return p.metrics.Probe(c) })
	ask(3, fleet.AlertmanagerName, "--alertmanager, ALERTMANAGER_URL or alertmanager.address", p.alerts != nil, func(c context.Context) sources.Probe { return p.alerts.Probe(c) })
	ask(4, objectstore.Name, "--s3, QUARTERDECK_S3 or s3.address", p.backups != nil, func(c context.Context) sources.Probe { return p.backups.Probe(c, !p.settings.ReadOnly) })
	if p.grafana != nil { // it only takes marks: where there is none nothing is missing
		out = append(out, sources.Probe{})
		ask(5, "grafana", "", true, p.grafana.Probe)
	}
	wg.Wait()
	return out
}

type doctorJSON struct {
	Sources []probeJSON `json:"sources"`
	Backups coverJSON   `json:"backups"`
}

type probeJSON struct {
	Name    string   `json:"name"`
	Address string   `json:"address"`
	State   string   `json:"state"`
	Version string   `json:"version"`
	Allows  []string `json:"allows"`
	Missing []string `json:"missing"`
	Fix     string   `json:"fix"`
}

func doctorOf(probes []sources.Probe) doctorJSON {
	out := doctorJSON{Sources: []probeJSON{}}
	for _, x := range probes {
		out.Sources = append(out.Sources, probeJSON{x.Name, x.Address, string(x.State), x.Version, orEmpty(x.Allows), orEmpty(x.Missing), x.Fix})
	}
	return out
}

func writeDoctor(out io.Writer, set *config.Settings, probes []sources.Probe, cover covered) error {
	var b strings.Builder
	if set.Path != "" {
		fmt.Fprintf(&b, "config      %s, context %s\n", plain.Line(set.Path), plain.Line(set.Name))
	} else {
		fmt.Fprintf(&b, "config      none at %s (quarterdeck doctor --example prints one)\n", plain.Line(config.DefaultPath()))
	}
	for _, x := range probes {
		fmt.Fprintf(&b, "%-13s %-13s %s %s\n", x.Name, x.State, plain.Line(x.Address), plain.Line(x.Version))
		for _, line := range []struct{ name, text string }{{"allows", strings.Join(x.Allows, ", ")}, {"missing", strings.Join(x.Missing, ", ")}, {"do", x.Fix}} {
			if line.text != "" {
				fmt.Fprintf(&b, "  %-8s %s\n", line.name, plain.Line(line.text))
			}
		}
	}
	cover.write(&b)
	_, err := io.WriteString(out, b.String())
	return err
}
