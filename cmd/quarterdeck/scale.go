package main

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"quarterdeck/actions"
)

func newScaleCommand(s *surroundings) *cobra.Command {
	var f actFlags
	cmd := &cobra.Command{
		Use:   "scale SERVICE=N...",
		Short: "Give services another number of replicas, with a plan, a proof and a record",
		Long: `N is the number of replicas, or +N or -N to count from what there is.

  quarterdeck scale shop_web=4
  quarterdeck scale shop_web=+1 shop_api=+1 --yes --reason "sale begins"
` + actExits,
		RunE: func(cmd *cobra.Command, args []string) error {
			targets, err := scaleTargets(args)
			if err != nil {
				return err
			}
			return act(cmd.Context(), s, &f, func(ctx context.Context, d *actions.Deck) (*actions.Plan, error) { return d.PlanScale(ctx, targets) })
		},
	}
	f.add(cmd)
	return cmd
}

func scaleTargets(args []string) ([]actions.ScaleTarget, error) {
	if len(args) == 0 {
		return nil, &exitStatus{exitUsage, errors.New("say what to scale: scale SERVICE=N")}
	}
	out := make([]actions.ScaleTarget, 0, len(args))
	for _, a := range args {
		name, number, ok := strings.Cut(a, "=")
		if !ok || name == "" || number == "" {
			return nil, &exitStatus{exitUsage, fmt.Errorf("%q: write SERVICE=N, as in shop_web=4", a)}
		}
		t := actions.ScaleTarget{Service: name}
		if number[0] == '+' || number[0] == '-' {
			n, err := strconv.ParseInt(number, 10, 32)
			if err != nil || n == 0 {
				return nil, &exitStatus{exitUsage, fmt.Errorf("%q: %q is no number to count by", a, number)}
			}
			t.By = int(n)
		} else {
			n, err := strconv.ParseUint(number, 10, 32)
			if err != nil {
				return nil, &exitStatus{exitUsage, fmt.Errorf("%q: %q is no number of replicas", a, number)}
			}
			t.Replicas = n
		}
		out = append(out, t)
	}
	return out, nil
}
