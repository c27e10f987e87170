package main

import (
	"context"
	"encoding/json"

	"github.com/spf13/cobra"

	"quarterdeck/actions"
)

func newRunbookCommand(s *surroundings) *cobra.Command {
	var o actions.RunbookOptions
	cmd := &cobra.Command{
		Use:   "runbook [SERVICE...]",
		Short: "How each service is brought back: the disaster recovery plan, in Markdown",
		Long: `Written from the services' labels and from what drills and restores have measured: what is not proven first, then what is lost, what to type and how
long each step took, in the order in which the services depend on each other, and what to do where the swarm itself is gone. Keep it where it can be
read without this platform. Where the swarm does not answer it is written from the object store's records alone, and says so.

  quarterdeck runbook > runbook.md
  quarterdeck runbook --stack shop

EXIT STATUS
  0 written; 2 usage; 3 neither the swarm nor the object store could be read; 4 a service that was named has nothing that could be brought back`,
		RunE: func(cmd *cobra.Command, args []string) error {
			o.Services = args
			return runRunbook(cmd.Context(), s, o)
		},
	}
	cmd.Flags().StringVar(&o.Stack, "stack", "", "only of this `stack`")
	return cmd
}

func runRunbook(ctx context.Context, s *surroundings, o actions.RunbookOptions) error {
	p, asJSON, err := s.open("markdown", "table")
	if err != nil {
		return err
	}
	defer p.Close()
	d, err := p.deck()
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, p.settings.Timeout)
	defer cancel()
	book, err := d.Runbook(ctx, o)
	if err != nil {
		return refusal(err)
	}
	if asJSON {
		return json.NewEncoder(s.out).Encode(book)
	}
	return book.Markdown(s.out)
}
