package blueprint

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// ErrDiffers says that a file is there and is another one.
var ErrDiffers = errors.New("it is there and differs")

// ValuesFile is the name of the file of values in the directory that is written.
const ValuesFile = "values.yml"

// Write writes files below dir, and gives the paths of those that were not there before as they are. Where one is there that differs, in
// more than that it is to grow, nothing is written at all, unless force is set.
func Write(dir string, files []File, force bool) (written []string, err error) {
	var todo []File
	var differ []string
	for _, f := range files {
		have, err := os.ReadFile(filepath.Join(dir, filepath.FromSlash(f.Path)))
		switch {
		case errors.Is(err, fs.ErrNotExist):
			todo = append(todo, f)
		case err != nil:
			return nil, err
		case bytes.Equal(have, f.Body):
		case len(have) > 0 && bytes.HasPrefix(f.Body, have): // nothing of it is lost
			todo = append(todo, f)
		default:
			differ = append(differ, f.Path)
			todo = append(todo, f)
		}
	}
	if len(differ) > 0 && !force {
		return nil, fmt.Errorf("%s: %w; nothing was written, --force writes over it", strings.Join(differ, ", "), ErrDiffers)
	}
	for _, f := range todo {
		p := filepath.Join(dir, filepath.FromSlash(f.Path))
		if err := os.MkdirAll(filepath.Dir(p), 0o755); err != nil {
			return written, err
		}
		if err := os.WriteFile(p, f.Body, 0o644); err != nil {
			return written, err
		}
		written = append(written, f.Path)
	}
	return written, nil
}

// Deploy is the command that deploys a stack, in the directory that was written.
func (s *Stack) Deploy() string {
	var b strings.Builder
	b.WriteString("docker stack deploy --with-registry-auth")
	for _, f := range s.Compose {
		fmt.Fprintf(&b, " -c %s/%s", s.Name, f)
	}
	return b.String() + " " + s.Name
}

// Readme says what is to be done, in which order. No value is in it: what it names are the files' own names.
func Readme(stacks []*Stack) File {
	var b strings.Builder
	fmt.Fprintf(&b, "# Blueprint, version %d\n\nWritten by `quarterdeck blueprint write`. The stacks are deployed in this order, on a manager, from this directory. `quarterdeck blueprint diff --values values.yml` holds\nthem against what runs, `quarterdeck check` says where you stand.\n\n## Before\n\n```\n", Version)
	var networks, labels []string
	for _, s := range stacks {
		networks, labels = append(networks, s.Networks...), append(labels, s.Labels...)
	}
	slices.Sort(networks)
	slices.Sort(labels)
	for _, n := range slices.Compact(networks) {
		fmt.Fprintf(&b, "docker network create --driver overlay --attachable %s\n", n)
	}
	for _, l := range slices.Compact(labels) {
		fmt.Fprintf(&b, "docker node update --label-add %s NODE\n", l)
	}
	b.WriteString("```\n")
	for _, s := range stacks {
		fmt.Fprintf(&b, "\n## %s (stage %d)\n\nBrings %s.\n", s.Name, s.Stage, s.Brings)
		if len(s.Secrets) > 0 {
			b.WriteString("\nEach secret is read from standard input, so that it is in no history of commands:\n\n")
			for _, x := range s.Secrets {
				fmt.Fprintf(&b, "- `docker secret create %s -`: %s\n", x.Name, x.Holds)
			}
		}
		fmt.Fprintf(&b, "\n```\n%s\n```\n", s.Deploy())
	}
	return File{"README.md", []byte(b.String())}
}
