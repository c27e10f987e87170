package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"quarterdeck/actions"
	"quarterdeck/ui/plain"
)

func newRedeployCommand(s *surroundings) *cobra.Command {
	var f actFlags
	var image string
	var hook, tags bool
	cmd := &cobra.Command{
		Use:   "redeploy SERVICE...",
		Short: "Replace the tasks of services, with the same image or another, pinned by digest",
		Long: `Without --image the image that the service has is resolved anew: where its tag has moved, the new digest is deployed, else the same one again.
--image takes a whole reference, or :TAG for another tag of the same image. The digest is resolved first; where it cannot be, nothing is deployed.
The number of replicas stays what it is.
` + actExits,
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) == 0 {
				return &exitStatus{exitUsage, errors.New("say what to redeploy: redeploy SERVICE")}
			}
			if len(args) > 1 && (hook || tags) {
				return &exitStatus{exitUsage, errors.New("--webhook and --tags take one service")}
			}
			if tags {
				return runTags(cmd.Context(), s, args[0])
			}
			return act(cmd.Context(), s, &f, func(ctx context.Context, d *actions.Deck) (*actions.Plan, error) {
				if hook {
					return d.PlanRedeployHook(ctx, args[0], image)
				}
				targets := make([]actions.RedeployTarget, 0, len(args))
				for _, a := range args {
					targets = append(targets, actions.RedeployTarget{Service: a, Image: image})
				}
				return d.PlanRedeploy(ctx, targets)
			})
		},
	}
	f.add(cmd)
	cmd.Flags().StringVar(&image, "image", "", "the new `reference`, or :TAG; with --webhook a tag")
	cmd.Flags().BoolVar(&hook, "webhook", false, "through the Portainer webhook that the config names for the service or its stack")
	cmd.Flags().BoolVar(&tags, "tags", false, "list the tags that the registry has for the service's image, and do nothing")
	return cmd
}

// runTags lists what could be deployed.
func runTags(ctx context.Context, s *surroundings, service string) error {
	p, _, err := s.open("table")
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
	_, tags, err := d.Tags(ctx, service)
	if err != nil {
		return err
	}
	for _, t := range tags {
		fmt.Fprintln(s.out, plain.Line(t))
	}
	return nil
}
