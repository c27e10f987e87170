package runner

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"quarterdeck/recovery"
)

// verify runs the policy's command where the restored data is. It sees the server's address and password, and nothing of the repository.
func (w *work) verify(ctx context.Context, e engine) error {
	if w.Job.Verify == "" {
		return nil
	}
	w.tell.begin("verify", "")
	said := &tail{max: recovery.MaxOutput}
	c := command{name: "sh", args: []string{"-c", w.Job.Verify}, stdout: said, said: said, dir: w.DataDir}
	if e != nil {
		env, err := e.Env()
		if err != nil {
			return err
		}
		c.env, c.dir = env, ""
	}
	err := w.tools.run(ctx, c)
	v := &recovery.Verified{Command: w.Job.Verify, Output: w.tools.scrub.clean(strings.TrimSpace(said.String()))}
	var f *failed
	if errors.As(err, &f) {
		v.Exit = f.code
		err = &fault{recovery.VerifyFailed, fmt.Sprintf("the data is back, and the policy's command says no (exit %d): %s", f.code, lastLines(v.Output)), "run " + recovery.LabelVerify + " by hand, and look at an older snapshot", err}
	}
	w.res.Verified = v
	return err
}

// progress tells how much was read.
type progress struct {
	r     io.Reader
	tell  *reporter
	n     int64
	total int64
}

// Read reads on.
func (p *progress) Read(b []byte) (int, error) {
	n, err := p.r.Read(b)
	p.n += int64(n)
	p.tell.bytes(p.n, p.total)
	return n, err
}
