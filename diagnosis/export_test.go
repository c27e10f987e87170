package diagnosis

// Explains lets tests ask whether a cause explains a trouble.
func Explains(c *Cause, t *Trouble, labels map[string]string) bool { return c.explains(t, labels) }
