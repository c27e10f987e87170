package stages

var noTouchDeploy = &Check{
	ID: "no-touch-deploy", Stage: 1, Attested: 90,
	Question:  "does nobody touch production directly to deploy?",
	Why:       "What is typed on a server is in no repository, and the next deploy takes it away. What nobody can see cannot be reviewed or repeated.",
	Threshold: func(*Settings) string { return "a person's word, for 90 days" },
	Fix:       "quarterdeck attest no-touch-deploy --note TEXT",
}
