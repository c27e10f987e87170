package portainer

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"quarterdeck/sources"
)

const (
	here  = "jpofkc0i9uo9wtx1zesuk649w"
	there = "k0aocz9r1mrt8q2jvs7o4x1nb"
	key   = "ptr_geheim="
)

// fake answers as Portainer's published descriptions have it (portainer/portainer: api/docs/openapi.yaml of version 2.43.0, operations StackList and systemStatus; the
// annotations of api/http/handler/stacks/stack_list.go and api/portainer.go of version 2.23.0, and the words that its code refuses with). It has not been held against a
// real Portainer. The list has neither pages nor a limit in either.
type fake struct {
	*httptest.Server
	old    bool   // 2.23, and for the version's address 2.16
	status int    // not 0: what it answers to everything, with body
	body   string // not "": the list
	retry  string
	asked  []string
}

func start(t *testing.T, old bool) *fake {
	t.Helper()
	f := &fake{old: old}
	f.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		f.asked = append(f.asked, r.Method+" "+r.RequestURI)
		w.Header().Set("Content-Type", "application/json")
		switch {
		case f.status != 0:
			w.Header().Set("Retry-After", f.retry)
			w.WriteHeader(f.status)
			_, _ = w.Write([]byte(f.body))
		case r.URL.Path == "/api/system/status" && f.old:
			w.WriteHeader(404)
			_, _ = w.Write([]byte("404 page not found\n"))
		case r.URL.Path == "/api/system/status", r.URL.Path == "/api/status":
			_, _ = w.Write([]byte(`{"Version":"` + map[bool]string{true: "2.16.0", false: "2.43.0"}[f.old] + `","InstanceID":"299ab403-70a8-4c05-92f7-bf7a994d50df"}`))
		case r.Header.Get(keyHeader) == "":
			w.WriteHeader(401)
			_, _ = w.Write([]byte(`{"message":"A valid authorization token is missing","details":"Unauthorized"}`))
		case r.Header.Get(keyHeader) != key:
			w.WriteHeader(401)
			_, _ = w.Write([]byte(`{"message":"Invalid JWT token","details":"Unauthorized"}`))
		case r.URL.Path != "/api/stacks":
			w.WriteHeader(404)
		case f.body != "":
			_, _ = w.Write([]byte(f.body))
		default:
			f.list(w, r)
		}
	}))
	t.Cleanup(f.Close)
	return f
}

// list filters as filterStacks does.
func (f *fake) list(w http.ResponseWriter, r *http.Request) {
	var filters struct{ SwarmID string }
	if text := r.URL.Query().Get("filters"); text != "" {
		if err := json.Unmarshal([]byte(text), &filters); err != nil {
			w.WriteHeader(400)
			_, _ = w.Write([]byte(`{"message":"Invalid query parameter: filters","details":"` + err.Error() + `"}`))
			return
		}
	}
	out := []string{}
	for swarm, all := range f.stacks() {
		if filters.SwarmID == "" || swarm == filters.SwarmID {
			out = append(out, all...)
		}
	}
	_, _ = fmt.Fprintf(w, "[%s]", strings.Join(out, ","))
}

// stacks are stacks by their swarms, as the versions write them. All that is secret has the word kept-secret in it.
func (f *fake) stacks() map[string][]string {
	const env = `"Env":[{"name":"DB_PASSWORD","value":"kept-secret-1"}],"ResourceControl":{"Id":1,"ResourceId":"1_shop","Type":6},"ProjectPath":"/data/compose/1","AdditionalFiles":null,"FromAppTemplate":false,"Namespace":"","Option":{"Prune":false}`
	git := func(address string) string {
		return `"GitConfig":{"URL":"` + address + `","ReferenceName":"refs/heads/main","ConfigFilePath":"shop/stack.yml","Authentication":{"Username":"ops","Password":"kept-secret-2","GitCredentialID":0},"ConfigHash":"bc4c183d756879ea4d173315338110b31004b8e0","TLSSkipVerify":false}`
	}
	shop := `{"Id":1,"Name":"shop","Type":1,"EndpointId":1,"SwarmId":"` + here + `","EntryPoint":"shop/stack.yml","Status":1,"CreationDate":1587399600,"CreatedBy":"admin","UpdateDate":1796025600,"UpdatedBy":"ada",` + env +
		`,"AutoUpdate":{"Interval":"1m30s","Webhook":"kept-secret-05de31a2","JobID":"15","ForceUpdate":false,"ForcePullImage":true},` + git("https://ops:kept-secret-3@git.example.com/ops/stacks.git?token=kept-secret-4")
	typed := `{"Id":2,"Name":"batch","Type":1,"EndpointId":1,"SwarmId":"` + here + `","EntryPoint":"docker-compose.yml","Status":2,"CreationDate":1587399600,"CreatedBy":"admin","UpdateDate":0,"UpdatedBy":"","AutoUpdate":null,"GitConfig":null,` + env
	other := `{"Id":3,"Name":"shop","Type":1,"EndpointId":2,"SwarmId":"` + there + `","EntryPoint":"stack.yml","Status":1,"CreationDate":1587399600,"CreatedBy":"admin","UpdateDate":1587399601,"UpdatedBy":"bob","AutoUpdate":{"Interval":"","Webhook":"","ForceUpdate":true},` + git("git@git.example.com:ops/stacks.git")
	if f.old {
		return map[string][]string{here: {shop + "}", typed + "}"}, there: {other + "}"}, "": {`{"Id":4,"Name":"alone","Type":2,"EndpointId":3,"SwarmId":"","Status":1,` + env + "}"}}
	}
	shop = strings.Replace(shop, `"Status":1`, `"Status":4`, 1) + `,"WorkflowID":7,"DeploymentStartStatus":1,"DeploymentStatus":[{"Status":3,"Time":1796025599},{"Status":4,"Time":1796025600,"Message":"clone https://ops:kept-secret-5@git.example.com/ops/stacks.git: not found"}],` +
		`"CurrentDeploymentInfo":{"RepositoryURL":"https://git.example.com/ops/before.git","ReferenceName":"refs/tags/v7","ConfigFilePath":"stack.yml","ConfigHash":"0123456789abcdef0123456789abcdef01234567","Version":3,"FileVersion":3,"SourceID":2}`
	return map[string][]string{here: {shop + "}", typed + `,"CurrentDeploymentInfo":{"RepositoryURL":"","Version":1},"DeploymentStatus":null}`}, there: {other + `,"Status":3}`}, "": {`{"Id":4,"Name":"alone","Type":2,"EndpointId":3,"SwarmId":"","Status":1,` + env + "}"}}
}

func (f *fake) client(t *testing.T, token string) *Client {
	t.Helper()
	file := filepath.Join(t.TempDir(), "token")
	if err := os.WriteFile(file, []byte(token+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	c, err := NewClient(ClientOptions{Access: sources.Access{Address: f.URL + "/api"}, TokenFile: file})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return c
}

// TestStacks is held against a server of each description: a swarm's stacks are those of that swarm, and nothing secret of them is kept.
func TestStacks(t *testing.T) {
	old := time.Unix(1587399600, 0).UTC()
	batch := sources.ManagedStack{Name: "batch", Swarm: here, State: sources.StackStopped, File: "docker-compose.yml", Updated: old, UpdatedBy: "admin"}
	shop := sources.ManagedStack{Name: "shop", Swarm: here, State: sources.StackActive, Repository: "https://git.example.com/ops/stacks.git", Branch: "main", File: "shop/stack.yml", Commit: "bc4c183d756879ea4d173315338110b31004b8e0",
		Every: 90 * time.Second, Webhook: true, Pull: true, Updated: time.Unix(1796025600, 0).UTC(), UpdatedBy: "ada"}
	other := sources.ManagedStack{Name: "shop", Swarm: there, State: sources.StackActive, Repository: "git@git.example.com:ops/stacks.git", Branch: "main", File: "shop/stack.yml", Commit: shop.Commit, Force: true, Updated: old.Add(time.Second), UpdatedBy: "bob"}
	newer, moving := shop, other
	newer.State, newer.Says = sources.StackFailed, "clone https://ops:[redacted]@git.example.com/ops/stacks.git: not found"
	newer.Repository, newer.Branch, newer.File, newer.Commit = "https://git.example.com/ops/before.git", "refs/tags/v7", "stack.yml", "0123456789abcdef0123456789abcdef01234567"
	moving.State = sources.StackDeploying
	for version, x := range map[string]struct {
		old         bool
		mine, other []sources.ManagedStack
	}{"2.23.0": {true, []sources.ManagedStack{shop, batch}, []sources.ManagedStack{other}}, "2.43.0": {false, []sources.ManagedStack{newer, batch}, []sources.ManagedStack{moving}}} {
		t.Run(version, func(t *testing.T) {
			f := start(t, x.old)
			c := f.client(t, key)
			for swarm, want := range map[string][]sources.ManagedStack{here: x.mine, there: x.other, "none": {}} {
				got, err := c.Stacks(t.Context(), swarm)
				if err != nil || fmt.Sprintf("%+v", got) != fmt.Sprintf("%+v", want) {
					t.Errorf("of %s: %v\n%+v, want\n%+v", swarm, err, got, want)
				}
				if text := fmt.Sprintf("%+v", got); strings.Contains(text, "kept-secret") {
					t.Errorf("a secret is kept: %s", text)
				}
			}
			if all, err := c.Stacks(t.Context(), ""); err != nil || len(all) != 3 { // without the one that is no swarm's
				t.Errorf("of any swarm: %v %+v", err, all)
			}
			if want := `GET /api/stacks?filters=%7B%22SwarmID%22%3A%22` + here + `%22%7D`; !strings.Contains(strings.Join(f.asked, "\n"), want) {
				t.Errorf("asked %v, want %s", f.asked, want)
			}
			p := c.Probe(t.Context())
			if p.State != sources.Live || p.Version != map[bool]string{true: "2.16.0", false: "2.43.0"}[x.old] || len(p.Allows) != 1 || c.Name() != "Portainer" {
				t.Errorf("%+v", p)
			}
		})
	}
}

func TestBareAddresses(t *testing.T) {
	for address, want := range map[string]string{
		"https://git.example.com/a.git":          "https://git.example.com/a.git",
		"https://token@git.example.com/a.git":    "https://git.example.com/a.git",
		"https://u:p@git.example.com/a.git#x":    "https://git.example.com/a.git",
		"ssh://git:p@git.example.com:7999/a.git": "ssh://git@git.example.com:7999/a.git",
		"git@git.example.com:a.git":              "git@git.example.com:a.git",
		"https://u:p%zz@git.example.com/a.git":   "",
		"u:p@git.example.com/a.git":              "",
		"u:p@git.example.com:a.git":              "",
		"/srv/git/a.git":                         "",
		"":                                       "",
	} {
		if got := bare(address); got != want {
			t.Errorf("%q: %q, want %q", address, got, want)
		}
	}
}

func TestStacksAreRefused(t *testing.T) {
	f := start(t, false)
	for token, says := range map[string]string{"ptr_old": "Invalid JWT token", "": "is empty"} {
		_, err := f.client(t, token).Stacks(t.Context(), here)
		if sources.KindOf(err) != sources.Unauthorised || !strings.Contains(err.Error(), says) || sources.NextOf(err) == "" || strings.Contains(err.Error(), "ptr_") {
			t.Errorf("%q: %v", token, err)
		}
	}
	bare, err := NewClient(ClientOptions{Access: sources.Access{Address: f.URL}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = bare.Close() })
	if p := bare.Probe(t.Context()); p.State != sources.NoAuth || p.Version != "2.43.0" || !strings.Contains(p.Fix, "portainer.token-file") || strings.Join(p.Missing, "") != "stacks" {
		t.Errorf("%+v", p)
	}
	c := f.client(t, key)
	for _, tc := range []struct {
		status     int
		body, says string
		kind       sources.Kind
	}{
		{403, `{"message":"Access denied","details":"Unauthorized"}`, "may not see", sources.Forbidden},
		{400, `{"message":"Invalid query parameter: filters","details":"x"}`, "filters", sources.BadQuestion},
		{404, "404 page not found", "without /api", sources.NotFound},
		{500, `{"message":"Unable to retrieve stacks from the database","details":"x"}`, "database", sources.BadAnswer},
		{502, "<html>", "tried again", sources.Unreachable},
		{307, "", "redirects", sources.BadAnswer},
		{200, "<html>login", "web page", sources.BadAnswer},
		{200, `{"message":"x"}`, "cannot understand", sources.BadAnswer},
		{200, `[{"Name":"shop"`, "cut off", sources.BadAnswer},
	} {
		f.status, f.body = tc.status, tc.body
		if got, err := c.Stacks(t.Context(), here); sources.KindOf(err) != tc.kind || !strings.Contains(err.Error(), tc.says) || len(got) != 0 {
			t.Errorf("%d %s: %v %v", tc.status, tc.body, got, err)
		}
	}
	f.status, f.body = 204, "" // the description has it
	if got, err := c.Stacks(t.Context(), here); err != nil || len(got) != 0 {
		t.Errorf("204: %v %v", got, err)
	}
	f.status, f.body = 0, "null"
	if got, err := c.Stacks(t.Context(), here); err != nil || len(got) != 0 {
		t.Errorf("null: %v %v", got, err)
	}
	f.status, f.retry = 429, "30" // a proxy's
	before := len(f.asked)
	for range 2 {
		if _, err := c.Stacks(t.Context(), here); sources.KindOf(err) != sources.OverLimit || !strings.Contains(err.Error(), "wait") {
			t.Error(err)
		}
	}
	if n := len(f.asked) - before; n != 1 {
		t.Errorf("it was asked %d times, and wanted to be left alone", n)
	}
}

// The token goes to Portainer alone: not to where a redirect leads.
func TestTokenStaysAtHome(t *testing.T) {
	var got []string
	elsewhere := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		got = append(got, r.Header.Get(keyHeader))
		_, _ = w.Write([]byte("[]"))
	}))
	t.Cleanup(elsewhere.Close)
	f := start(t, false)
	f.Server.Config.Handler = http.RedirectHandler(elsewhere.URL, http.StatusFound)
	_, _ = f.client(t, key).Stacks(t.Context(), "")
	if len(got) != 1 || got[0] != "" {
		t.Errorf("elsewhere was told %q", got)
	}
}
