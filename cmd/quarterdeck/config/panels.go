package config

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"syscall"

	"quarterdeck/sources"
)

// MaxPanels bounds the panels that are kept: each is a query at every refresh.
const MaxPanels = 40

// Keeper keeps what a person has made in the console: panels, in the configuration file or, where that cannot be
// written, in panels.yaml of the state directory; and past queries, in the state directory. It reads the files at each
// call, so that a hand's changes count. Safe for concurrent use.
type Keeper struct {
	path, stateDir string
	write          func(path string, change func([]byte) ([]byte, error)) error
	mu             sync.Mutex
}

// NewKeeper keeps in a configuration file (which need not be there yet) and a state directory.
func NewKeeper(path, stateDir string) *Keeper {
	return &Keeper{path: path, stateDir: stateDir, write: rewrite}
}

func (k *Keeper) stateFile() string { return filepath.Join(k.stateDir, "panels.yaml") }

// Panels are all that are kept: the configuration file's, then the state directory's.
func (k *Keeper) Panels() ([]sources.Panel, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	var out []sources.Panel
	for _, path := range []string{k.path, k.stateFile()} {
		_, f, err := read(path)
		if err != nil {
			return nil, err
		}
		out = append(out, f.Panels...)
	}
	return out, nil
}

// Keep writes a panel down, and says into which file.
func (k *Keeper) Keep(p sources.Panel) (where string, err error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	switch {
	case p.Query == "":
		return "", errors.New("a panel without a query shows nothing")
	case p.Name == "":
		return "", errors.New("a panel needs a name")
	}
	n := 0
	for _, path := range []string{k.path, k.stateFile()} {
		_, f, err := read(path)
		if err != nil {
			return "", err
		}
		if slices.Contains(f.Panels, p) {
			return "", fmt.Errorf("it is kept already, in %s", path)
		}
		n += len(f.Panels)
	}
	if n >= MaxPanels {
		return "", fmt.Errorf("%d panels are kept, which is the most: take one off first (x)", n)
	}
	add := func(body []byte) ([]byte, error) { return withPanel(body, p) }
	err = k.write(k.path, add)
	if readOnly(err) {
		return k.stateFile(), k.write(k.stateFile(), add)
	}
	return k.path, err
}

// TakeOff removes a panel from where it is kept, and says which file that was.
func (k *Keeper) TakeOff(p sources.Panel) (where string, err error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	for _, path := range []string{k.stateFile(), k.path} {
		_, f, err := read(path)
		if err != nil {
			return "", err
		}
		i := slices.Index(f.Panels, p)
		if i < 0 {
			continue
		}
		err = k.write(path, func(body []byte) ([]byte, error) { return withoutPanel(body, i) })
		if readOnly(err) {
			return path, fmt.Errorf("%s cannot be written, so the panel %s stays in it", path, p.Name)
		}
		return path, err
	}
	return "", fmt.Errorf("the panel %s is not kept any more", p.Name)
}

func readOnly(err error) bool {
	return errors.Is(err, fs.ErrPermission) || errors.Is(err, syscall.EROFS)
}

// read is a file and what it says; one that is not there says nothing.
func read(path string) ([]byte, *File, error) {
	body, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, &File{}, nil
	}
	if err != nil {
		return nil, nil, fmt.Errorf("config: %w", err)
	}
	f, err := Parse(body)
	if err != nil {
		return nil, nil, fmt.Errorf("config: %s: %w", path, err)
	}
	return body, f, nil
}

// rewrite changes a file in one step: who reads it meanwhile sees the old or the new one. Its mode stays; a link
// to it stays a link.
func rewrite(path string, change func([]byte) ([]byte, error)) error {
	body, _, err := read(path)
	if err != nil {
		return err
	}
	if target, err := filepath.EvalSymlinks(path); err == nil {
		path = target
	}
	after, err := change(body)
	if err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	mode := fs.FileMode(0o600)
	if info, err := os.Stat(path); err == nil {
		mode = info.Mode().Perm()
		f, err := os.OpenFile(path, os.O_WRONLY, 0) // a file that is locked against writing stays as it is
		if err != nil {
			return err
		}
		_ = f.Close()
	} else if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return err
	}
	return replace(path, after, mode)
}

// replace writes a file beside the old one and puts it in its place.
func replace(path string, body []byte, mode fs.FileMode) error {
	f, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+"-*")
	if err != nil {
		return err
	}
	defer os.Remove(f.Name())
	_, err = f.Write(body)
	err = errors.Join(err, f.Chmod(mode), f.Sync(), f.Close())
	if err != nil {
		return err
	}
	return os.Rename(f.Name(), path)
}

// keptQueries is how many past queries of a language are kept.
const keptQueries = 200

func (k *Keeper) historyFile(language string) string {
	return filepath.Join(k.stateDir, language+"-history")
}

// Past are past queries of a language (promql, logql), the newest last, each once.
func (k *Keeper) Past(language string) ([]string, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.past(language)
}

func (k *Keeper) past(language string) ([]string, error) {
	body, err := os.ReadFile(k.historyFile(language))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	var out []string
	for line := range bytes.SplitSeq(body, []byte("\n")) {
		if q := string(bytes.TrimSpace(line)); q != "" {
			out = append(slices.DeleteFunc(out, func(o string) bool { return o == q }), q)
		}
	}
	return out[max(len(out)-keptQueries, 0):], nil
}

// Remember adds a query to the past ones.
func (k *Keeper) Remember(language, query string) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	query = string(bytes.Join(bytes.Fields([]byte(query)), []byte(" ")))
	if query == "" || len(query) > 1<<14 {
		return nil
	}
	past, err := k.past(language)
	if err != nil {
		return err
	}
	past = append(slices.DeleteFunc(past, func(o string) bool { return o == query }), query)
	past = past[max(len(past)-keptQueries, 0):]
	var b bytes.Buffer
	for _, q := range past {
		b.WriteString(q + "\n")
	}
	if err := os.MkdirAll(k.stateDir, 0o700); err != nil {
		return err
	}
	return replace(k.historyFile(language), b.Bytes(), 0o600)
}
