package runner

import (
	"context"
	"errors"
	"strings"

	"quarterdeck/recovery"
	"quarterdeck/sources"
)

// fault is why a job failed, as its Result says it.
type fault struct {
	code         recovery.Code
	reason, next string
	err          error
}

// Error is the reason.
func (f *fault) Error() string { return f.reason }

// Unwrap gives the cause.
func (f *fault) Unwrap() error { return f.err }

// errWithin and errTold are why a job's context ended.
var (
	errWithin = errors.New("the job's time is over")
	errTold   = errors.New("the container was told to stop")
)

// blame is the fault that an error comes to. What ended the job from outside is told rather than what broke because of it.
func blame(ctx context.Context, err error) *fault {
	var f *fault
	switch {
	case errors.Is(context.Cause(ctx), errWithin):
		return &fault{recovery.TimedOut, "the job did not end within its time", "look what was slow in the job's last lines; then try again, with more time", err}
	case ctx.Err() != nil:
		return &fault{recovery.Interrupted, "the runner was told to stop", "try again", err}
	case errors.As(err, &f):
		return f
	case sources.KindOf(err) != 0:
		return noStore(err)
	}
	return &fault{recovery.UnexpectedError, err.Error(), "", err}
}

func noStore(err error) *fault {
	next := sources.NextOf(err)
	if next == "" {
		next = "look whether the object store of QUARTERDECK_S3 answers"
	}
	return &fault{recovery.NoStore, "the object store: " + err.Error(), next, err}
}

// scrubber takes secrets out of what tools say.
type scrubber []string

// minSecret is the shortest value that is replaced wherever it stands: shorter ones would tear words apart.
const minSecret = 4

// newScrubber knows the values that must not be seen.
func newScrubber(values ...string) scrubber {
	var out scrubber
	for _, v := range values {
		if len(v) >= minSecret {
			out = append(out, v, "[redacted]")
		}
	}
	return out
}

func (s scrubber) clean(text string) string {
	text, _ = sources.Redact(strings.NewReplacer(s...).Replace(text))
	return strings.ToValidUTF8(text, "?")
}
