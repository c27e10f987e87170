package stages

import (
	"context"
	"strings"
	"testing"
	"time"

	"quarterdeck/sources"
)

// shelf is a registry that has every image, and tells of scans.
type shelf struct {
	scan   sources.ImageScan
	err    error
	covers bool
	asked  []string
}

func (s *shelf) Digest(_ context.Context, image string) (string, error) { return "sha256:aa", nil }
func (s *shelf) Look(context.Context, string) (sources.ImageLook, error) {
	return sources.ImageLook{}, nil
}
func (s *shelf) Covers(string) bool { return s.covers }
func (s *shelf) Scan(_ context.Context, image string) (sources.ImageScan, error) {
	s.asked = append(s.asked, image)
	return s.scan, s.err
}

func TestScans(t *testing.T) {
	settings := Defaults()
	for _, c := range []struct {
		name  string
		shelf shelf
		state State
		says  string
	}{
		{"clean", shelf{covers: true, scan: sources.ImageScan{State: sources.ScanDone, Total: 9}}, Pass, "2 of 2 services"},
		{"high", shelf{covers: true, scan: sources.ImageScan{State: sources.ScanDone, High: 2, Scanner: "Trivy 1"}}, Warn, "Trivy 1 found 2 high"},
		{"critical", shelf{covers: true, scan: sources.ImageScan{State: sources.ScanDone, Critical: 1, High: 2}}, Fail, "1 critical and 2 high"},
		{"none", shelf{covers: true, scan: sources.ImageScan{State: sources.ScanNone}}, Warn, "nobody has scanned it"},
		{"failed", shelf{covers: true, scan: sources.ImageScan{State: sources.ScanFailed}}, Warn, "failed"},
		{"not done", shelf{covers: true, scan: sources.ImageScan{State: sources.ScanRunning}}, Unknown, "is not done"},
		{"refused", shelf{covers: true, err: &sources.Error{Source: "harbor", Kind: sources.Forbidden, Op: "x"}}, Unknown, "forbidden"},
		{"of another registry", shelf{}, Pass, "their scans are not read"},
	} {
		s := c.shelf
		e := Gather(t.Context(), Sources{Fleet: good().Fleet, Images: &Looker{Images: &s, Scans: &s}}, now)
		r := Find("image-traceable").run(e, &settings)
		says := r.Value
		if len(r.Subjects) > 0 {
			says = r.Subjects[0].Says
		}
		if r.State != c.state || !strings.Contains(says, c.says) || s.covers != (len(s.asked) == 1 && s.asked[0] == "registry/app:1.0@sha256:aa") {
			t.Errorf("%s: %+v, asked %v", c.name, r.Finding, s.asked)
		}
	}
}

// What was scanned is asked for again with its image, what was not done or could not be read after ten minutes.
func TestScansAreAskedForAgain(t *testing.T) {
	s := &shelf{covers: true, scan: sources.ImageScan{State: sources.ScanRunning}}
	l := &Looker{Images: s, Scans: s}
	services := good().services()
	at := now
	for _, c := range []struct {
		after time.Duration
		asked int
	}{{0, 1}, {lookFailed - 1, 1}, {lookFailed, 2}, {lookFailed * 2, 2}, {lookFailed + lookAgain, 3}} {
		if at = now.Add(c.after); c.asked == 2 {
			s.scan.State = sources.ScanDone
		}
		if l.Look(t.Context(), services, at); len(s.asked) != c.asked {
			t.Errorf("after %s: asked %d times, want %d", c.after, len(s.asked), c.asked)
		}
	}
}
