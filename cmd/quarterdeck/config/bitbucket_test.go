package config

import (
	"strings"
	"testing"
)

func TestBitbucket(t *testing.T) {
	f, err := Parse([]byte("contexts: {a: {bitbucket: {workspace: team, token-file: /t, repositories: {shop: {branch: master, services: [shop_web, shop_api]}, blog: {}}}}}"))
	if err != nil {
		t.Fatal(err)
	}
	b := f.Contexts["a"].Bitbucket
	branches, of, err := b.Built()
	if err != nil || len(branches) != 2 || branches["shop"] != "master" || len(of) != 2 || of["shop_api"] != "shop" {
		t.Error(branches, of, err)
	}
	if a := b.Access(0); a.BearerTokenFile != "/t" || a.PasswordFile != "" {
		t.Errorf("%+v", a)
	}
	b.Username = "ann@example.com"
	if a := b.Access(0); a.BearerTokenFile != "" || a.PasswordFile != "/t" || a.Username != b.Username {
		t.Errorf("%+v", a)
	}
	for text, says := range map[string]string{"{'a/b/c': {}}": "names no repository", "{b: {services: [x]}, a: {services: [x]}}": "x is built from a and from b"} {
		f, err := Parse([]byte("contexts: {a: {bitbucket: {repositories: " + text + "}}}"))
		if err != nil {
			t.Fatal(err)
		}
		b := f.Contexts["a"].Bitbucket
		if _, _, err := b.Built(); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%s: %v", text, err)
		}
	}
}
