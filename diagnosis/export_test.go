package diagnosis

import "quarterdeck/sources"

// Explains lets tests ask whether a cause explains an alert, and whether it may.
func Explains(c *Cause, t *Trouble, a *sources.Alert, query string) (yes, perhaps bool) {
	asked := *t
	asked.about, asked.labels = aboutAlert(a, query), a.Labels
	return c.explains(&asked)
}
