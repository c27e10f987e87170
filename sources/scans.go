package sources

import (
	"context"
	"time"
)

// ScanState is how far the scan of an image has come.
type ScanState string

// The states of a scan.
const (
	ScanDone    ScanState = "done"
	ScanRunning ScanState = "running"
	ScanFailed  ScanState = "failed"
	ScanNone    ScanState = "none" // nobody has scanned it
)

// ImageScan is what a scanner has found in an image.
type ImageScan struct {
	State ScanState
	// Critical and High count what was found of these severities, Total of all.
	Critical, High, Total int
	// Ended is when the scan did, Scanner who did it.
	Ended   time.Time
	Scanner string
	// Pushed is when the image came into the registry; zero: it does not say.
	Pushed time.Time
}

// Scans tells what scanners have found in images. Safe for concurrent use; errors are *Error.
type Scans interface {
	// Covers tells whether an image is in a registry that is asked here.
	Covers(image string) bool
	// Scan is of an image by its digest, or by its tag where it names none. NotFound: the registry has no such image (any more).
	Scan(ctx context.Context, image string) (ImageScan, error)
}
