package sources

import "time"

// Attestation is a person's word for what no API can show, such as that the team looks at its dashboards.
type Attestation struct {
	// Check is the id of the question that it answers (STAGES.md).
	Check string `json:"check"`
	Who   string `json:"who"`
	// At is when it was given, Until when it has to be given anew.
	At    time.Time `json:"at"`
	Until time.Time `json:"until"`
	Note  string    `json:"note,omitempty"`
}
