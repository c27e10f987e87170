package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// A new service's files are written once, never over what differs, and judged at once; what is missing is named all at once.
func TestNewService(t *testing.T) {
	x, dir := target{}, filepath.Join(t.TempDir(), "orders")
	args := []string{"new", "service", "orders", "--stack", "shop", "--image", "registry.example/shop/orders:1.0.0", "--port", "8080", "--domain", "orders.example.com", "--database", "postgres", "--dir", dir}
	var doc newJSON
	out, errs, code := x.ask(t, append(args, "-o", "json")...)
	if err := json.Unmarshal([]byte(out), &doc); err != nil || code != exitDone || len(doc.Written) != 5 || doc.Service != "shop_orders" || len(doc.Checks) == 0 || len(doc.Later) == 0 {
		t.Fatalf("exit %d: %v: %s%s", code, err, out, errs)
	}
	for _, f := range doc.Written {
		if _, err := os.Stat(filepath.Join(dir, f)); err != nil {
			t.Error(err)
		}
	}
	// Some seconds later it is the same: the time of its creation stays.
	if err := os.WriteFile(filepath.Join(dir, "stack.yml"), replacedOnce(t, filepath.Join(dir, "stack.yml"), doc.Created.Format("2006-01-02"), "2026-01-02"), 0o600); err != nil {
		t.Fatal(err)
	}
	out, errs, code = x.ask(t, args...)
	if code != exitDone || !strings.Contains(out, "all files are there") || !strings.Contains(out, "zero-downtime-update") || !strings.Contains(out, "once it runs it is judged by") {
		t.Errorf("exit %d: %s%s", code, out, errs)
	}
	if _, errs, code = x.ask(t, append(args, "--replicas", "3")...); code != exitRefused || !strings.Contains(errs, "stack.yml") {
		t.Errorf("over what differs: exit %d: %s", code, errs)
	}
	if _, errs, code = x.ask(t, "new", "service", "orders", "--stack", "shop"); code != exitUsage || !strings.Contains(errs, "--image, --port, --domain") {
		t.Errorf("what is missing: exit %d: %s", code, errs)
	}
	if _, errs, code = x.ask(t, append(args, "--database", "oracle")...); code != exitUsage || strings.Contains(errs, "oracle") {
		t.Errorf("a database that is none: exit %d: %s", code, errs)
	}
}

// replacedOnce is a file's text with each of one text as another; it must be there.
func replacedOnce(t *testing.T, file, old, with string) []byte {
	t.Helper()
	body, err := os.ReadFile(file)
	if err != nil || !strings.Contains(string(body), old) {
		t.Fatalf("no %s in %s: %v", old, body, err)
	}
	return []byte(strings.ReplaceAll(string(body), old, with))
}
