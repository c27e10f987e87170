package stages

var gitNoCredentials = &Check{
	ID: "git-no-credentials", Stage: 1,
	Question: "is no credential in any git repository?",
	Why:      "What was pushed once is in every clone for ever, whatever is deleted later. A scan in each pipeline finds it on the day that it can still be changed in peace.",
	Threshold: func(*Settings) string {
		return "the scan of each repository passed in the last 7 days; older is a warning, a failed one fails"
	},
	Fix: "run gitleaks in the pipeline",
	judge: func(*Evidence, *Settings) Finding {
		return unknown("the pipeline's step that scans for secrets", "no pipeline is read")
	},
}
