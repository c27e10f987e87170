package config

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"quarterdeck/sources"
)

var cartPanel = sources.Panel{Name: "queue: depth", Query: `sum(queue_depth{app="$service"}) # all`, Unit: "1", Service: "shop_cart"}

func kept(t *testing.T, body string) []sources.Panel {
	t.Helper()
	f, err := Parse([]byte(body))
	if err != nil {
		t.Fatalf("%v in\n%s", err, body)
	}
	return f.Panels
}

// TestPanelsLeaveTheRestAlone: whatever a file looks like, a panel that is put in and taken off again leaves its lines as they were.
func TestPanelsLeaveTheRestAlone(t *testing.T) {
	for name, body := range map[string]string{
		"nothing":         "",
		"comments alone":  "# mine\n",
		"the example":     Example,
		"no last newline": "theme: dark",
		"panels last":     "theme: dark # my eyes\n\n# What we look at\npanels:\n- name: a\n  query: up\n  # why: it was slow once\n- {name: b, query: 'x{y=\"z\"}'}\n",
		"panels first":    "panels:\n    - name: a\n      query: |-\n        sum(x)\n\n        + y\n\n# eyes\ntheme: dark\n",
		"dash alone":      "panels:\n  -\n    name: a\n    query: up\ntheme: dark\n",
		"indented note":   "panels:\n  - name: a\n    query: up\n  # the end of them\n\ntheme: dark\n",
		"carriage":        "theme: dark\r\npanels:\r\n  - name: a\r\n    query: up\r\nascii: true\r\n",
	} {
		t.Run(name, func(t *testing.T) {
			before := kept(t, body)
			with, err := withPanel([]byte(body), cartPanel)
			if err != nil {
				t.Fatal(err)
			}
			after := kept(t, string(with))
			if len(after) != len(before)+1 || after[len(after)-1] != cartPanel {
				t.Fatalf("%+v in\n%s", after, with)
			}
			for _, line := range strings.Split(strings.TrimSuffix(body, "\n"), "\n") {
				if !strings.Contains(string(with), line) {
					t.Errorf("line lost: %q in\n%s", line, with)
				}
			}
			back, err := withoutPanel(with, len(before))
			if err != nil {
				t.Fatal(err)
			}
			if got, want := strings.TrimSpace(string(back)), strings.TrimSpace(body); got != want && strings.TrimSpace(strings.TrimSuffix(got, "panels:")) != want {
				t.Errorf("not as it was:\n%s\nwant\n%s", back, body)
			}
			for i := range before {
				less, err := withoutPanel(with, i)
				if err != nil || len(kept(t, string(less))) != len(before) {
					t.Errorf("panel %d off: %v\n%s", i, err, less)
				}
			}
		})
	}
}

func TestPanelsEmptyList(t *testing.T) {
	for _, body := range []string{"panels: []\ntheme: dark\n", "panels:\ntheme: dark\n", "panels: ~\n"} {
		with, err := withPanel([]byte(body), cartPanel)
		if err != nil || len(kept(t, string(with))) != 1 {
			t.Errorf("%q: %v\n%s", body, err, with)
		}
	}
}

// TestPanelsByHand: what cannot be changed line by line is not changed at all.
func TestPanelsByHand(t *testing.T) {
	for _, body := range []string{"panels: [{name: a, query: up}]\n", "{theme: dark}\n", "\"panels\": []\n"} {
		if with, err := withPanel([]byte(body), cartPanel); !errors.Is(err, errByHand) {
			t.Errorf("%q: %v\n%s", body, err, with)
		}
	}
	if _, err := withoutPanel([]byte("panels: [{name: a, query: up}]\n"), 0); !errors.Is(err, errByHand) {
		t.Error(err)
	}
}

func TestKeeper(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "real.yaml")
	if err := os.WriteFile(file, []byte("# ours\ntheme: dark\n"), 0o640); err != nil {
		t.Fatal(err)
	}
	link := filepath.Join(dir, "config.yaml")
	if err := os.Symlink("real.yaml", link); err != nil {
		t.Fatal(err)
	}
	k := NewKeeper(link, filepath.Join(dir, "state"))
	where, err := k.Keep(cartPanel)
	if err != nil || where != link {
		t.Fatal(where, err)
	}
	if _, err := k.Keep(cartPanel); err == nil || !strings.Contains(err.Error(), "already") {
		t.Errorf("twice: %v", err)
	}
	info, err := os.Lstat(link)
	if err != nil || info.Mode()&fs.ModeSymlink == 0 {
		t.Errorf("the link is no link any more: %v %v", info, err)
	}
	if info, err := os.Stat(file); err != nil || info.Mode().Perm() != 0o640 {
		t.Errorf("its mode is %v, %v", info, err)
	}
	left, err := os.ReadDir(dir)
	if err != nil || len(left) != 2 {
		t.Errorf("left behind: %v %v", left, err)
	}
	if _, err := k.TakeOff(cartPanel); err != nil {
		t.Fatal(err)
	}
	if got, err := k.Panels(); err != nil || len(got) != 0 {
		t.Error(got, err)
	}
	if _, err := k.TakeOff(cartPanel); err == nil {
		t.Error("what is gone cannot be taken off")
	}
	for i := range MaxPanels {
		if _, err := k.Keep(sources.Panel{Name: "n", Query: strings.Repeat("x", i+1)}); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := k.Keep(cartPanel); err == nil {
		t.Error("there is no end to them")
	}
	for _, p := range []sources.Panel{{Name: "a"}, {Query: "up"}} {
		if _, err := k.Keep(p); err == nil {
			t.Errorf("%+v is kept", p)
		}
	}
}

// TestKeeperWithoutConfig: a file that cannot be written leaves the state directory, and says so.
func TestKeeperWithoutConfig(t *testing.T) {
	dir := t.TempDir()
	k := NewKeeper(filepath.Join(dir, "config.yaml"), dir)
	write := k.write
	k.write = func(path string, change func([]byte) ([]byte, error)) error {
		if path == k.path {
			return &fs.PathError{Op: "open", Path: path, Err: fs.ErrPermission}
		}
		return write(path, change)
	}
	where, err := k.Keep(cartPanel)
	if err != nil || where != filepath.Join(dir, "panels.yaml") {
		t.Fatal(where, err)
	}
	if got, err := k.Panels(); err != nil || len(got) != 1 || got[0] != cartPanel {
		t.Error(got, err)
	}
	if where, err = k.TakeOff(cartPanel); err != nil || where != filepath.Join(dir, "panels.yaml") {
		t.Error(where, err)
	}
	if err := os.WriteFile(k.path, []byte("panels:\n- {name: a, query: up}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := k.TakeOff(sources.Panel{Name: "a", Query: "up"}); err == nil || !strings.Contains(err.Error(), "cannot be written") {
		t.Errorf("a panel of a file that cannot be written: %v", err)
	}
	if err := os.WriteFile(k.path, []byte("panels: 7\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := k.Panels(); err == nil || !strings.Contains(err.Error(), "line 1") {
		t.Errorf("a mistake of the hand: %v", err)
	}
}

func TestPastQueries(t *testing.T) {
	k := NewKeeper("", filepath.Join(t.TempDir(), "state"))
	if got, err := k.Past("promql"); err != nil || got != nil {
		t.Error(got, err)
	}
	for _, q := range []string{"up", "sum(\n  up)", "up", "", strings.Repeat("x", 1<<15)} {
		if err := k.Remember("promql", q); err != nil {
			t.Fatal(err)
		}
	}
	if got, err := k.Past("promql"); err != nil || strings.Join(got, "|") != "sum( up)|up" {
		t.Error(got, err)
	}
	for i := range keptQueries + 50 {
		if err := k.Remember("logql", strings.Repeat("y", i+1)); err != nil {
			t.Fatal(err)
		}
	}
	if got, err := k.Past("logql"); err != nil || len(got) != keptQueries || len(got[keptQueries-1]) != keptQueries+50 {
		t.Error(len(got), err)
	}
}

func FuzzPanels(f *testing.F) {
	for _, s := range []string{"", Example, "panels:\n- {name: a, query: up}\n", "panels: []", "a: b\n---\nc: d\n", "panels: &x\n  - name: a\n    query: up\n"} {
		f.Add(s, "name", "up")
	}
	f.Fuzz(func(t *testing.T, body, name, query string) {
		was, err := Parse([]byte(body))
		if err != nil {
			return
		}
		p := sources.Panel{Name: name, Query: query}
		with, err := withPanel([]byte(body), p)
		if err != nil {
			return
		}
		is, err := Parse(with)
		if err != nil || len(is.Panels) != len(was.Panels)+1 || is.Panels[len(was.Panels)] != p || is.Theme != was.Theme {
			t.Fatalf("%v\n%s", err, with)
		}
	})
}
