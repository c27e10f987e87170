package stages

var drPlan = &Check{
	ID: "dr-plan", Stage: 3, Attested: 180,
	Question:  "is it written down how each service is brought back?",
	Why:       "At three in the morning nobody remembers the order. A plan that was read by a second person is one that works without the first.",
	Threshold: func(*Settings) string { return "a person's word that the plan was read, for 180 days" },
	Fix:       "`quarterdeck runbook` writes it; quarterdeck attest dr-plan --note TEXT",
}
