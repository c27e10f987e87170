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
		out.Unset = p.unset()
		out.Backups = cover.json()
		if err := json.NewEncoder(s.out).Encode(out); err != nil {
			return err
		}
	} else if err := writeDoctor(s.out, p.settings, probes, p.unset(), cover); err != nil {
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

// probe asks all sources at once; those that are not configured say what to set. Of the systems that a platform may do without only those are among them that
// are configured.
func (p *platform) probe(ctx context.Context) []sources.Probe {
	asked := []namedProbe{
		{fleet.SwarmName, "--host", p.swarm.Probe},
		{fleet.LokiName, "--loki, LOKI_ADDR or loki.address", nil},
		{fleet.PrometheusName, "--prometheus, PROMETHEUS_URL or prometheus.address", nil},
		{fleet.AlertmanagerName, "--alertmanager, ALERTMANAGER_URL or alertmanager.address", nil},
		{objectstore.Name, "--s3, QUARTERDECK_S3 or s3.address", nil},
	}
	if p.loki != nil {
		asked[1].ask = p.loki.Probe
	}
	if p.metrics != nil {
		asked[2].ask = p.metrics.Probe
	}
	if p.alerts != nil {
		asked[3].ask = p.alerts.Probe
	}
	if p.backups != nil {
		asked[4].ask = func(c context.Context) sources.Probe { return p.backups.Probe(c, !p.settings.ReadOnly) }
	}
	for _, x := range p.optional() {
		if x.ask != nil {
			asked = append(asked, x)
		}
	}
	out := make([]sources.Probe, len(asked))
	var wg sync.WaitGroup
	for i, x := range asked {
		if x.ask == nil {
			out[i] = sources.Probe{Name: x.name, State: sources.Absent, Fix: "set " + x.setting + " if there is one"}
			continue
		}
		wg.Go(func() {
			out[i] = x.ask(ctx)
			out[i].Name = x.name
		})
	}
	wg.Wait()
	return out
}

// namedProbe is a question of the doctor to a source; ask is nil where it is not configured.
type namedProbe struct {
	name, setting string
	ask           func(context.Context) sources.Probe
}

// unset are the systems that a platform may do without and does, with what to set.
func (p *platform) unset() []string {
	out := []string{}
	for _, x := range p.optional() {
		if x.ask == nil {
			out = append(out, x.setting)
		}
	}
	return out
}

type doctorJSON struct {
	Sources []probeJSON `json:"sources"`
	// Unset are the settings of systems that a platform may do without.
	Unset   []string  `json:"unset"`
	Backups coverJSON `json:"backups"`
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

func writeDoctor(out io.Writer, set *config.Settings, probes []sources.Probe, unset []string, cover covered) error {
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
	if len(unset) > 0 {
		fmt.Fprintf(&b, "not set       %s: nothing is missing where there is none\n", strings.Join(unset, ", "))
	}
	cover.write(&b)
	_, err := io.WriteString(out, b.String())
	return err
}
