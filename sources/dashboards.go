package sources

import "context"

// Dashboard is one that people look at.
type Dashboard struct {
	UID, Title, Folder string
	Tags               []string
	// Path is where it is, under the server's address.
	Path string
}

// Dashboards lists dashboards. Safe for concurrent use; errors are *Error.
type Dashboards interface {
	Dashboards(ctx context.Context) ([]Dashboard, error)
}
