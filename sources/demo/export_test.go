package demo

import "context"

// EvaluateRules runs the alerting rules once, as the platform does every few seconds of real time.
func (p *Platform) EvaluateRules(ctx context.Context) { p.rules.Evaluate(ctx) }
