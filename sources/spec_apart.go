package sources

import (
	"encoding/json"
	"slices"
)

// Apart is how a copy of a service runs beside it.
type Apart struct {
	Name   string
	Labels map[string]string
	// Network is the id or name of the one network that the copy is on.
	Network string
	// Node is the id of the node that it must run on; "": as the service's own constraints have it.
	Node string
	// Without names a volume in whose place the copy gets an empty one without a name, which goes when the task does; "": all are as they are.
	Without string
}

// Apart is the spec of a copy of a service that nobody meets but who is told of it: one replica, no published ports, no labels of the service or of its
// containers (by which proxies and stacks find it), on one network of its own. Image, command, environment, secrets, configs, mounts, resources and
// health check are the service's.
func (s Spec) Apart(o Apart) Spec {
	root := s.tree()
	root["Name"] = o.Name
	labels := map[string]any{}
	for k, v := range o.Labels {
		labels[k] = v
	}
	root["Labels"] = labels
	root["Mode"] = map[string]any{"Replicated": map[string]any{"Replicas": json.Number("1")}}
	root["EndpointSpec"] = map[string]any{"Mode": "dnsrr"}
	for _, gone := range []string{"UpdateConfig", "RollbackConfig", "Networks"} {
		delete(root, gone)
	}
	task, _ := root["TaskTemplate"].(map[string]any)
	if task == nil {
		return specOf(root)
	}
	task["Networks"] = []any{map[string]any{"Target": o.Network}}
	if o.Node != "" {
		place, _ := task["Placement"].(map[string]any)
		if place == nil {
			place = map[string]any{}
			task["Placement"] = place
		}
		constraints, _ := place["Constraints"].([]any)
		place["Constraints"] = append(slices.Clone(constraints), "node.id=="+o.Node)
	}
	if box, _ := task["ContainerSpec"].(map[string]any); box != nil {
		delete(box, "Labels")
		delete(box, "Hostname") // two of one name would be one too many
		mounts, _ := box["Mounts"].([]any)
		for _, m := range mounts {
			if mount, _ := m.(map[string]any); mount != nil && o.Without != "" && mount["Source"] == o.Without {
				delete(mount, "Source")
				delete(mount, "VolumeOptions") // a driver's options may name the very place that is to be left alone
			}
		}
	}
	return specOf(root)
}

// NetworkTargets are the networks that the tasks are on, as the spec names them.
func (s Spec) NetworkTargets() []string {
	list, _ := valueAt(s.tree(), "TaskTemplate", "Networks").([]any)
	if len(list) == 0 {
		list, _ = valueAt(s.tree(), "Networks").([]any) // where older engines have them
	}
	var out []string
	for _, n := range list {
		if m, _ := n.(map[string]any); m != nil {
			if target, _ := m["Target"].(string); target != "" {
				out = append(out, target)
			}
		}
	}
	return out
}
