//go:build lab

package main

import (
	"os"
	"testing"
)

// TestContractOnLab runs the contract against the real servers of the lab.
func TestContractOnLab(t *testing.T) {
	env := map[string]string{}
	for _, k := range []string{"DOCKER_HOST", "LOKI_ADDR", "PROMETHEUS_URL", "ALERTMANAGER_URL"} {
		if env[k] = os.Getenv(k); env[k] == "" {
			t.Fatalf("%s is not set: eval \"$(testdata/lab/lab env)\"", k)
		}
	}
	x := target{env: env, service: "shop_web"}
	testContract(t, x)
	testStreams(t, x)
}

// TestActContractOnLab runs the contract of the commands that act against the real swarm, on services of its own.
func TestActContractOnLab(t *testing.T) {
	env := map[string]string{"PROMETHEUS_URL": "", "ALERTMANAGER_URL": ""}
	for _, k := range []string{"DOCKER_HOST", "LOKI_ADDR"} {
		if env[k] = os.Getenv(k); env[k] == "" {
			t.Fatalf("%s is not set: eval \"$(testdata/lab/lab env)\"", k)
		}
	}
	testActContract(t, newActor(t, target{env: env}, os.Getenv("QD_LAB_REGISTRY")+"/workload:"))
}
