package sources

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestReadFile(t *testing.T) {
	dir := t.TempDir()
	file := func(name, text string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	if got, err := ReadFile(file("just", "12345"), 5); err != nil || string(got) != "12345" {
		t.Errorf("%q %v", got, err)
	}
	for path, says := range map[string]string{file("more", "123456"): "more than the 5 bytes", file("none", ""): "is empty", dir: "no regular file", filepath.Join(dir, "gone"): "no such file"} {
		if got, err := ReadFile(path, 5); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%s: %q %v", path, got, err)
		}
	}
}
