package demo

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/moby/moby/api/types/swarm"
	"github.com/moby/moby/api/types/system"
)

// attempt is a call on one manager that may fail.
func attempt(t *testing.T, method, address, body string) (int, string, error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, method, strings.Replace(address, "tcp", "http", 1), strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return 0, "", err
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	return resp.StatusCode, string(b), err
}

// Several managers speak for one world, each for its own node; one that is killed refuses and comes back where it was.
func TestManagers(t *testing.T) {
	p := start(t, Options{Managers: 3})
	hosts := p.DockerHosts()
	if len(hosts) != 3 || hosts[0] != p.DockerHost() {
		t.Fatalf("%v, the first is %s", hosts, p.DockerHost())
	}
	selves := map[string]bool{}
	for _, h := range hosts {
		info := ask[system.Info](t, strings.Replace(h, "tcp", "http", 1)+"/info")
		if selves[info.Swarm.NodeID] = true; info.Swarm.Managers != 3 || !info.Swarm.ControlAvailable {
			t.Errorf("%s: %+v", h, info.Swarm)
		}
	}
	if len(selves) != 3 {
		t.Errorf("they speak for %v", selves)
	}
	stream, err := http.Get(strings.Replace(hosts[0], "tcp", "http", 1) + "/events") //nolint:noctx // ends with its server
	if err != nil {
		t.Fatal(err)
	}
	defer stream.Body.Close()
	if err := p.KillManager(0); err != nil {
		t.Fatal(err)
	}
	if _, err := io.ReadAll(stream.Body); err == nil {
		t.Error("the killed manager's events ended as if they were complete")
	}
	if _, _, err := attempt(t, http.MethodGet, hosts[0]+"/_ping", ""); err == nil {
		t.Error("the killed manager answers")
	}
	if err := p.Deploy("batch_worker", "registry.quarterdeck.demo/batch/worker:1.4.1"); err != nil {
		t.Fatal(err)
	}
	seen := ask[swarm.Service](t, strings.Replace(hosts[1], "tcp", "http", 1)+"/services/batch_worker")
	if !strings.Contains(seen.Spec.TaskTemplate.ContainerSpec.Image, ":1.4.1@") {
		t.Errorf("another manager has %s", seen.Spec.TaskTemplate.ContainerSpec.Image)
	}
	if err := p.ReviveManager(0); err != nil {
		t.Fatal(err)
	}
	if back := ask[swarm.Service](t, engine(p)+"/services/batch_worker"); back.Version.Index < seen.Version.Index {
		t.Errorf("back with version %d, %d was seen", back.Version.Index, seen.Version.Index)
	}
	if p.KillManager(3) == nil || p.ReviveManager(-1) == nil || p.KillNode("node3") == nil {
		t.Error("a manager that is not there was killed or revived, or a manager's node was killed")
	}
}

// A change whose connection is cut was made, or not, as it was asked for; the next one goes through.
func TestCutChanges(t *testing.T) {
	p := start(t, Options{Managers: 2})
	for cut, made := range map[Cut]bool{CutBefore: false, CutAfter: true, CutWithin: true} {
		for _, c := range []struct{ method, path, body, thing string }{
			{http.MethodPost, "/configs/create", `{"Name":"cut","Data":"eA=="}`, "/configs/cut"},
			{http.MethodDelete, "/configs/cut", "", "/configs/cut"},
		} {
			status := func() int {
				code, _, err := attempt(t, http.MethodGet, p.DockerHosts()[0]+c.thing, "")
				if err != nil {
					t.Fatal(err)
				}
				return code
			}
			before := status()
			p.CutNextChange(cut)
			code, body, err := attempt(t, c.method, p.DockerHosts()[1]+c.path, c.body)
			if !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) || (cut == CutWithin) != errors.Is(err, io.ErrUnexpectedEOF) {
				t.Errorf("%d, %s: %d %q %v", cut, c.method, code, body, err)
			}
			if now := status(); (now != before) != made {
				t.Errorf("%d, %s: %d before, %d after", cut, c.method, before, now)
			}
			if p.CutPending() {
				t.Errorf("%d, %s: still to come", cut, c.method)
			}
			if !made {
				if code, body, err := attempt(t, c.method, p.DockerHosts()[1]+c.path, c.body); err != nil || code >= 300 {
					t.Errorf("%s again: %d %s %v", c.method, code, body, err)
				}
			}
		}
	}
}

// The registry has the tags of all services' images, in pages, and their manifests under the digests that are pinned.
func TestRegistryServer(t *testing.T) {
	p := start(t, Options{})
	base := p.RegistryURL() + "/v2/"
	for path, want := range map[string]string{
		"":                                       "200 {}",
		"nope/tags/list":                         `404 {"errors":[{"code":"NAME_UNKNOWN","message":"repository name not known to registry","detail":{"name":"nope"}}]}`,
		"shop/web/manifests/missing-1":           `404 {"errors":[{"code":"MANIFEST_UNKNOWN","message":"manifest unknown","detail":{"Tag":"missing-1"}}]}`,
		"library/redis/tags/list?n=3":            `200 {"name":"library/redis","tags":["7.1.0","7.1.1","7.1.2"]}`,
		"library/redis/tags/list?n=2&last=7.4.1": `200 {"name":"library/redis","tags":["7.4.2","7.5.0"]}`,
		"library/redis/tags/list?n=x":            `400 {"errors":[{"code":"PAGINATION_NUMBER_INVALID","message":"invalid number of results requested","detail":{"n":"x"}}]}`,
	} {
		if got := request(t, http.MethodGet, base+path, ""); got != want {
			t.Errorf("%s\n got %s\nwant %s", path, got, want)
		}
	}
	if got := request(t, http.MethodPut, base+"shop/web/manifests/x", ""); !strings.HasPrefix(got, "405 ") {
		t.Errorf("a push: %s", got)
	}
	for _, svc := range ask[[]swarm.Service](t, engine(p)+"/services") {
		image := svc.Spec.TaskTemplate.ContainerSpec.Image
		ref, digest, _ := strings.Cut(image, "@")
		path, host := ref, "docker.io"
		for h := range p.RegistryMirrors() {
			if rest, ok := strings.CutPrefix(ref, h+"/"); ok {
				path, host = rest, h
			}
		}
		if p.RegistryMirrors()[host] != p.RegistryURL() {
			t.Errorf("no registry for %s", image)
		}
		name, tag, _ := strings.Cut(path, ":")
		if host == "docker.io" && !strings.Contains(name, "/") {
			name = "library/" + name
		}
		for _, under := range []string{tag, digest} {
			resp, err := http.Head(base + name + "/manifests/" + under) //nolint:noctx // a test's own server
			if err != nil {
				t.Fatal(err)
			}
			_ = resp.Body.Close()
			if resp.Header.Get("Docker-Content-Digest") != digest {
				t.Errorf("%s under %s: %s %v", image, under, resp.Status, resp.Header)
			}
		}
		tags := ask[struct{ Tags []string }](t, base+name+"/tags/list").Tags
		if n := len(tags); n < 8 || !strings.Contains(fmt.Sprint(tags), " "+tag+" ") || !strings.Contains(fmt.Sprint(tags), "-bad") {
			t.Errorf("%s: %v", name, tags)
		}
	}
	if got := request(t, http.MethodGet, base+"shop/api/tags/list", ""); !strings.Contains(got, `"2.32.0-bad"`) || strings.Contains(got, "missing") {
		t.Errorf("the scenario's tag: %s", got)
	}
}
