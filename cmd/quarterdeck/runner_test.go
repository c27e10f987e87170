package main

import (
	"bytes"
	"encoding/json"
	"log/slog"
	"net/http/httptest"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"quarterdeck/recovery"
	"quarterdeck/sources/demo/objects"
)

// TestRunnerWithoutAJob holds that a container that was given nothing says so as an Event, and ends with 1.
func TestRunnerWithoutAJob(t *testing.T) {
	var out, errs bytes.Buffer
	code := run([]string{"runner", "--job", filepath.Join(t.TempDir(), "none"), "--repository", filepath.Join(t.TempDir(), "none")}, strings.NewReader(""), &out, &errs)
	var e recovery.Event
	if err := json.Unmarshal(out.Bytes(), &e); err != nil || e.QD != 1 || e.Result == nil || e.Result.OK || e.Result.Code != recovery.NotUnderstood {
		t.Errorf("%v: %s", err, out.String())
	}
	if code != exitDegraded || errs.Len() > 0 {
		t.Errorf("exit %d, %s", code, errs.String())
	}
}

// TestRunnerFindsTheStoreInTheRepositorysSecret goes the whole way from the two files to the Result in the bucket, with a restic that knows no such password.
func TestRunnerFindsTheStoreInTheRepositorysSecret(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("a shell script")
	}
	store, err := objects.New(nil, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(store)
	defer server.Close()
	dir := t.TempDir()
	put := func(name, text string, mode os.FileMode) string {
		t.Helper()
		file := filepath.Join(dir, name)
		if err := os.WriteFile(file, []byte(text), mode); err != nil {
			t.Fatal(err)
		}
		return file
	}
	put("restic", "#!/bin/sh\necho 'Fatal: wrong password or no key found' >&2\nexit 1\n", 0o755)
	t.Setenv("PATH", dir+":"+os.Getenv("PATH"))
	const id = "abababababababababababababababababababababababababababababababab"
	job := put("job.json", `{"run":"r1","name":"check","attempt":1,"kind":"check","service":"shop_db","environment":"demo","engine":"volume","snapshot":"`+id+`"}`, 0o600)
	secret := put("repository", "RESTIC_REPOSITORY=/nowhere\nRESTIC_PASSWORD=hunter2-of-the-repository\nAWS_ACCESS_KEY_ID="+objects.AccessKey+"\nAWS_SECRET_ACCESS_KEY="+objects.SecretKey+
		"\nQUARTERDECK_S3=s3+"+server.URL+"/"+objects.Bucket+"/"+objects.Prefix+"\n", 0o600)
	var out, errs bytes.Buffer
	code := run([]string{"runner", "--job", job, "--repository", secret}, strings.NewReader(""), &out, &errs)
	if code != exitDegraded || errs.Len() > 0 || strings.Contains(out.String(), "hunter2") {
		t.Errorf("exit %d, %s\n%s", code, errs.String(), out.String())
	}
	data, err := store.Get("runs/r1/check.1.result.json")
	var res recovery.Result
	if err != nil || json.Unmarshal(data, &res) != nil || res.Code != recovery.WrongPassword || !strings.Contains(out.String(), string(res.Code)) {
		t.Errorf("%v: %s\n%s", err, data, out.String())
	}
	if code := run([]string{"runner", "--job", job, "--repository", secret}, strings.NewReader(""), &out, &errs); code != exitDegraded || !strings.Contains(out.String(), string(recovery.ClaimedBefore)) {
		t.Errorf("the second time: exit %d\n%s", code, out.String())
	}
}

// TestRunnerIsHidden: it is no command for people.
func TestRunnerIsHidden(t *testing.T) {
	var out, errs bytes.Buffer
	run([]string{"--help"}, strings.NewReader(""), &out, &errs)
	if !strings.Contains(out.String(), "doctor") || strings.Contains(out.String(), "runner") {
		t.Errorf("%s", out.String())
	}
}
