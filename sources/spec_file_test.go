package sources

import (
	"strings"
	"testing"
)

func fileSpec(t *testing.T, raw string) Spec {
	t.Helper()
	s, err := NewSpec([]byte(raw))
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// TestFileDiff: what only the engine knows is no difference; what somebody has put there is; and a spec that is changed in what differs differs no more.
func TestFileDiff(t *testing.T) {
	file := fileSpec(t, `{"Name":"a","Labels":{"l":"1"},"Mode":{"Replicated":{"Replicas":2}},"UpdateConfig":{"Parallelism":1,"MaxFailureRatio":0},"EndpointSpec":{"Ports":[{"Protocol":"tcp","TargetPort":80,"PublishedPort":80,"PublishMode":"host"}]},
		"TaskTemplate":{"Networks":[{"Target":"n1","Aliases":["a"]}],"ContainerSpec":{"Image":"r/a:1","Env":["A=1"],"Secrets":[{"SecretName":"k","File":{"Name":"k"}}]}}}`)
	same := fileSpec(t, `{"Name":"a","Labels":{"l":"1"},"Mode":{"Replicated":{"Replicas":2}},"UpdateConfig":{"Parallelism":1,"Order":"stop-first"},"EndpointSpec":{"Mode":"vip","Ports":[{"Protocol":"tcp","TargetPort":80,"PublishedPort":80,"PublishMode":"host"}]},
		"TaskTemplate":{"ForceUpdate":3,"Runtime":"container","Networks":[{"Target":"n1","Aliases":["a"]}],"ContainerSpec":{"Image":"r/a:1@sha256:ff","Isolation":"default","Env":["A=1"],"Secrets":[{"SecretID":"id","SecretName":"k","File":{"Name":"k"}}]}}}`)
	if got := FileDiff(same, file); len(got) != 0 {
		t.Errorf("%+v", got)
	}
	other := fileSpec(t, `{"Name":"a","Labels":{"l":"1","by":"hand"},"Mode":{"Replicated":{"Replicas":5}},"UpdateConfig":{"Parallelism":1},
		"TaskTemplate":{"Networks":[{"Target":"n1","Aliases":["a"]},{"Target":"n2"}],"ContainerSpec":{"Image":"r/a:0@sha256:ff","Isolation":"default","Env":["A=2","B=1"]}}}`)
	fields := ""
	changes := FileDiff(other, file)
	for _, c := range changes {
		fields += c.Field + ", "
	}
	for _, want := range []string{"replicas", "image", "env A", "env B", "secret k secret-name", "network n2 target", "label by", "publish 80/tcp/80 target-port"} {
		if !strings.Contains(fields, want+", ") {
			t.Errorf("%s is no difference: %s", want, fields)
		}
	}
	if got := FileDiff(other, file, "TaskTemplate.Networks.", "Labels."); len(got) != len(changes)-2 {
		t.Errorf("without networks and labels: %+v", got)
	}
	after := other.Changed(changes)
	if left := FileDiff(after, file); len(left) != 0 {
		t.Errorf("it still differs: %+v in %s", left, after.JSON())
	}
	if !strings.Contains(string(after.JSON()), `"Isolation":"default"`) || strings.Contains(string(after.JSON()), "n2") || strings.Contains(string(after.JSON()), "hand") {
		t.Errorf("%s", after.JSON())
	}
	if moved := string(file.WithNetwork("n1", "id1").JSON()); !strings.Contains(moved, `"Target":"id1"`) || strings.Contains(moved, `"n1"`) {
		t.Error(moved)
	}
	for raw, want := range map[string]string{`{}`: "replicated", `{"Mode":{"Global":{}}}`: "global", `{"Mode":{"ReplicatedJob":{}}}`: "replicated-job", `{"Mode":{"Replicated":{}}}`: "replicated"} {
		if got := fileSpec(t, raw).ModeName(); got != want {
			t.Errorf("%s is %s", raw, got)
		}
	}
}
