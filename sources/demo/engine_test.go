package demo

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/moby/moby/api/types/swarm"
)

// subject is an engine that the same cases are run against: the demo's, and with QD_LAB=1 the lab's.
type subject struct {
	*testing.T
	client *http.Client
	base   string
	image  string // a repository with the tags 1.0, and 2.0-bad, which exits with 1
	real   bool
}

// onEngines runs a case against every engine there is.
func onEngines(t *testing.T, run func(s *subject)) {
	t.Run("demo", func(t *testing.T) {
		p := start(t, Options{})
		run(&subject{T: t, client: http.DefaultClient, base: engine(p), image: "registry.quarterdeck.demo/hlp/app:"})
	})
	t.Run("lab", func(t *testing.T) {
		path, ok := strings.CutPrefix(os.Getenv("DOCKER_HOST"), "unix://")
		if os.Getenv("QD_LAB") != "1" || !ok {
			t.Skip("QD_LAB=1 and DOCKER_HOST=unix://… are not set (testdata/lab)")
		}
		t.Parallel()
		tr := &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			var d net.Dialer
			return d.DialContext(ctx, "unix", path)
		}}
		t.Cleanup(tr.CloseIdleConnections)
		run(&subject{T: t, client: &http.Client{Transport: tr}, base: "http://engine/v1.41", image: "10.200.0.254:5000/workload:", real: true})
	})
}

// call is a call's status and trimmed body.
func (s *subject) call(method, path, body string) string {
	s.Helper()
	ctx, cancel := context.WithTimeout(context.WithoutCancel(s.Context()), 20*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, method, s.base+path, strings.NewReader(body))
	if err != nil {
		s.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/json")
	resp, err := s.client.Do(req)
	if err != nil {
		s.Fatal(err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		s.Fatal(err)
	}
	return strings.TrimSpace(fmt.Sprint(resp.StatusCode, " ", string(b)))
}

func read[T any](s *subject, path string) (out T) {
	s.Helper()
	body, ok := strings.CutPrefix(s.call(http.MethodGet, path, ""), "200 ")
	if err := json.Unmarshal([]byte(body), &out); err != nil || !ok {
		s.Fatalf("%s: %v: %.300s", path, err, body)
	}
	return out
}

// name is one that nobody else uses. What goes by it is removed with the test.
func (s *subject) name(kind, what string) string {
	n := fmt.Sprintf("hlp-%s-%d", what, os.Getpid())
	s.Cleanup(func() { s.call(http.MethodDelete, "/"+kind+"/"+n, "") })
	return n
}

// made is the id that a create answers with.
func (s *subject) made(path, body string) string {
	s.Helper()
	var out struct{ ID string }
	got := s.call(http.MethodPost, path, body)
	if err := json.Unmarshal([]byte(strings.TrimPrefix(got, "201 ")), &out); err != nil || out.ID == "" {
		s.Fatalf("%s: %s", path, got)
	}
	return out.ID
}

func (s *subject) want(method, path, body, want string) {
	s.Helper()
	if got := s.call(method, path, body); got != want {
		s.Errorf("%s %s %.200s\n got %s\nwant %s", method, path, body, got, want)
	}
}

// Secrets and configs are made, labelled and removed as the engine does it, and refused in its words.
func TestMaterial(t *testing.T) {
	onEngines(t, func(s *subject) {
		const invalid = `400 {"message":"rpc error: code = InvalidArgument desc = %s"}`
		for kind, limit := range map[string]int{"secret": 512000, "config": 1024000} {
			path, name := "/"+kind+"s", s.name(kind+"s", kind)
			id := s.made(path+"/create", `{"Name":"`+name+`","Labels":{"a":"b"},"Data":"aGVsbG8="}`)
			s.want("POST", path+"/create", `{"Name":"`+name+`","Data":"aGVsbG8="}`, fmt.Sprintf(`409 {"message":"rpc error: code = AlreadyExists desc = %s %s already exists"}`, kind, name))
			s.want("POST", path+"/create", `{"Data":"aGVsbG8="}`, fmt.Sprintf(invalid, "name must be provided"))
			s.want("POST", path+"/create", `{"Name":"-x","Data":"aGVsbG8="}`, fmt.Sprintf(invalid, "invalid name, only 64 [a-zA-Z0-9-_.] characters allowed, and the start and end character must be [a-zA-Z0-9]"))
			for _, data := range []string{"", strings.Repeat("AAAA", limit/3+1)} {
				s.want("POST", path+"/create", `{"Name":"`+name+`x","Data":"`+data+`"}`, fmt.Sprintf(invalid, fmt.Sprintf("%s data must be larger than 0 and less than %d bytes", kind, limit)))
			}
			x := read[swarm.Config](s, path+"/"+name)
			if x.ID != id || x.Spec.Labels["a"] != "b" || (string(x.Spec.Data) == "hello") != (kind == "config") || len(x.Spec.Data) > 0 != (kind == "config") {
				s.Errorf("%+v", x)
			}
			update := fmt.Sprintf("%s/%s/update?version=", path, id)
			s.want("POST", update+"1", `{"Name":"`+name+`"}`, `500 {"message":"rpc error: code = Unknown desc = update out of sequence"}`)
			s.want("POST", update+"x", `{"Name":"`+name+`"}`, `400 {"message":"invalid `+kind+` version"}`)
			s.want("POST", update+fmt.Sprint(x.Version.Index), `{"Name":"`+name+`","Data":"eHg="}`, fmt.Sprintf(invalid, "only updates to Labels are allowed"))
			s.want("POST", update+fmt.Sprint(x.Version.Index), `{"Name":"`+name+`","Labels":{"c":"d"}}`, "200")
			if y := read[swarm.Config](s, path+"/"+id); y.Spec.Labels["c"] != "d" || len(y.Spec.Labels) != 1 || y.Version.Index <= x.Version.Index || len(y.Spec.Data) != len(x.Spec.Data) {
				s.Errorf("%+v", y)
			}
			s.inUse(kind, id, name)
			s.want("DELETE", path+"/"+id, "", "204")
			s.want("DELETE", path+"/"+id, "", `404 {"message":"`+kind+" "+id+` not found"}`)
		}
	})
}

// inUse lets a service refer to a secret or config: it cannot be removed then, and no spec may refer to one that is not there.
func (s *subject) inUse(kind, id, name string) {
	title := strings.ToUpper(kind[:1]) + kind[1:]
	ref := func(id, name, file string) string {
		return fmt.Sprintf(`{"%[1]sID":%[2]q,"%[1]sName":%[3]q,"File":{"Name":%[4]q,"UID":"0","GID":"0","Mode":292}}`, title, id, name, file)
	}
	user := s.name("services", kind+"-user")
	spec := func(refs ...string) string {
		return fmt.Sprintf(`{"Name":%q,"TaskTemplate":{"ContainerSpec":{"Image":%q,"%ss":[%s]}},"Mode":{"Replicated":{"Replicas":0}},"EndpointSpec":{"Mode":"dnsrr"}}`, user, s.image+"1.0", title, strings.Join(refs, ","))
	}
	const invalid = `400 {"message":"rpc error: code = InvalidArgument desc = %s"}`
	malformed := fmt.Sprintf(invalid, "malformed secret reference, no target provided")
	if kind == "config" {
		malformed = `400 {"message":"invalid Config: either File or Runtime should be set"}`
	}
	s.want("POST", "/services/create", spec(ref("nope", "gone", "x")), fmt.Sprintf(invalid, kind+" not found: gone"))
	s.made("/services/create", spec(ref(id, name, "x")))
	s.want("DELETE", "/"+kind+"s/"+id, "", fmt.Sprintf(invalid, fmt.Sprintf("%s '%s' is in use by the following service: %s", kind, name, user)))
	for body, want := range map[string]string{
		spec(ref(id, name, "x"), ref("n", "gone", "y")):             fmt.Sprintf(invalid, kind+" not found: gone"),
		spec(ref("m", "gone", "x"), ref("n", "too", "y")):           fmt.Sprintf(invalid, kind+"s not found: gone, too"),
		spec(ref(id, "wrong", "x")):                                 fmt.Sprintf(invalid, kind+" not found: wrong"),
		spec(ref(id, name, "x"), ref(id, name, "x")):                fmt.Sprintf(invalid, fmt.Sprintf("%s references '%s' and '%s' have a conflicting target: 'x'", kind, name, name)),
		spec(fmt.Sprintf(`{"%[1]sID":"a","%[1]sName":"a"}`, title)): malformed,
	} {
		v := read[swarm.Service](s, "/services/"+user)
		s.want("POST", fmt.Sprintf("/services/%s/update?version=%d", user, v.Version.Index), body, want)
	}
	if got := s.call(http.MethodDelete, "/services/"+user, ""); got != "200" {
		s.Errorf("remove %s: %s", user, got)
	}
}

// A reference's digest is asked of its registry.
func TestDistribution(t *testing.T) {
	onEngines(t, func(s *subject) {
		ref := s.image + "1.0"
		if !s.real {
			ref = "registry.quarterdeck.demo/shop/api:2.31.4" // one that a service runs: its digest is known
		}
		type inspect struct {
			Descriptor struct{ MediaType, Digest string }
			Platforms  []struct{ Architecture, OS string }
		}
		byTag := read[inspect](s, "/distribution/"+ref+"/json")
		if !regexp.MustCompile(`^sha256:[0-9a-f]{64}$`).MatchString(byTag.Descriptor.Digest) || len(byTag.Platforms) != 1 || byTag.Platforms[0].Architecture != "amd64" || byTag.Platforms[0].OS != "linux" {
			s.Errorf("%+v", byTag)
		}
		if by := read[inspect](s, "/distribution/"+ref+"@"+byTag.Descriptor.Digest+"/json"); by.Descriptor != byTag.Descriptor {
			s.Errorf("by digest: %+v", by)
		}
		const unknown = `404 {"message":"manifest unknown: manifest unknown"}`
		s.want("GET", "/distribution/"+s.image+"missing-1/json", "", unknown)
		s.want("GET", "/distribution/"+ref+"@sha256:"+strings.Repeat("0", 64)+"/json", "", unknown)
		if got := s.call(http.MethodGet, "/distribution/UPPER/json", ""); !regexp.MustCompile(`^400 {"message":"invalid reference format: repository name .*must be lowercase"}$`).MatchString(got) {
			s.Error(got) // the name itself is in newer engines' words
		}
		if !s.real {
			if svc := read[swarm.Service](s, "/services/shop_api"); svc.Spec.TaskTemplate.ContainerSpec.Image != ref+"@"+byTag.Descriptor.Digest {
				s.Errorf("the service runs %s", svc.Spec.TaskTemplate.ContainerSpec.Image)
			}
		}
	})
}

// What keeps a task from being placed is said in the scheduler's words.
func TestNoSuitableNode(t *testing.T) {
	onEngines(t, func(s *subject) {
		port := 18000 + os.Getpid()%1000
		for what, c := range map[string]struct{ task, endpoint, want string }{
			"constraint": {`,"Placement":{"Constraints":["node.labels.hlp==x"]}`, "", "no suitable node (scheduling constraints not satisfied on 3 nodes)"},
			"memory":     {`,"Resources":{"Reservations":{"MemoryBytes":35184372088832}}`, "", "no suitable node (insufficient resources on 3 nodes)"},
			"cpu":        {`,"Resources":{"Reservations":{"NanoCPUs":900000000000}}`, "", "no suitable node (insufficient resources on 3 nodes)"},
			"replicas":   {`,"Placement":{"MaxReplicas":1}`, "", "no suitable node (max replicas per node limit exceed)"},
			"port":       {"", fmt.Sprintf(`,"Ports":[{"Protocol":"tcp","TargetPort":80,"PublishedPort":%d,"PublishMode":"host"}]`, port), "no suitable node (host-mode port already in use on 3 nodes)"},
		} {
			name := s.name("services", what)
			s.made("/services/create", fmt.Sprintf(`{"Name":%q,"TaskTemplate":{"ContainerSpec":{"Image":%q}%s},"Mode":{"Replicated":{"Replicas":4}},"EndpointSpec":{"Mode":"dnsrr"%s}}`, name, s.image+"1.0", c.task, c.endpoint))
			var last string
			eventually(s, what+": "+c.want, func() bool {
				for _, x := range s.tasks(name) {
					last = cmp.Or(x.Status.Err, last)
					if x.Status.State == swarm.TaskStatePending && x.Status.Message == "pending task scheduling" && x.Status.Err == c.want && x.DesiredState == swarm.TaskStateRunning {
						return true
					}
				}
				return false
			})
			if last != c.want {
				s.Errorf("%s: %q, want %q", what, last, c.want)
			}
		}
		// Ports that the engine chooses by itself are in nobody's way.
		free := s.name("services", "free-port")
		s.made("/services/create", fmt.Sprintf(`{"Name":%q,"TaskTemplate":{"ContainerSpec":{"Image":%q}},"Mode":{"Replicated":{"Replicas":4}},"EndpointSpec":{"Mode":"dnsrr","Ports":[{"Protocol":"tcp","TargetPort":80,"PublishMode":"host"}]}}`, free, s.image+"1.0"))
		eventually(s, "four tasks on three nodes are placed", func() bool {
			placed := 0
			for _, x := range s.tasks(free) {
				if x.NodeID != "" {
					placed++
				}
			}
			return placed == 4
		})
	})
}

func (s *subject) tasks(service string) []swarm.Task {
	return read[[]swarm.Task](s, `/tasks?filters=%7B%22service%22%3A%7B%22`+service+`%22%3Atrue%7D%7D`)
}
