package swarm

import (
	"fmt"
	"reflect"
	"slices"
	"strings"

	"github.com/moby/moby/api/types/swarm"

	"quarterdeck/sources"
)

// changedMost bounds the words of a change: they are kept of every service.
const changedMost = 240

// changedWords tell in a line in what a spec differs from the one before it, which the engine keeps; "": in nothing that is looked at. Values of
// the environment, of labels and of commands are never told, names are.
func changedWords(before, now *swarm.ServiceSpec) string {
	if before == nil {
		return ""
	}
	var was, is sources.Service
	was.Mode, was.Desired = modeOf(&before.Mode)
	is.Mode, is.Desired = modeOf(&now.Mode)
	fillTemplate(&was, &before.TaskTemplate)
	fillTemplate(&is, &now.TaskTemplate)
	w := differences{}
	w.value("image", was.Image, is.Image)
	if was.Image == is.Image && was.Digest != is.Digest {
		w.add("image " + is.Image + " has a new digest")
	}
	if was.Mode == is.Mode {
		w.value("replicas", was.Desired, is.Desired)
	}
	w.value("mode", was.Mode, is.Mode)
	w.resources(&was.Resources, &is.Resources)
	w.names("constraint", was.Constraints, is.Constraints)
	w.names("env", was.EnvNames, is.EnvNames)
	w.names("secret", was.Secrets, is.Secrets)
	w.names("config", was.Configs, is.Configs)
	w.names("network", was.Networks, is.Networks)
	w.names("mount", mountNames(was.Mounts), mountNames(is.Mounts))
	w.value("health check", was.Healthcheck, is.Healthcheck)
	w.container(before.TaskTemplate.ContainerSpec, now.TaskTemplate.ContainerSpec)
	w.differs("ports", before.EndpointSpec, now.EndpointSpec)
	w.differs("service labels", before.Labels, now.Labels)
	w.differs("update policy", before.UpdateConfig, now.UpdateConfig)
	w.value("restart policy", was.Restart, is.Restart)
	if len(w.words) == 0 && before.TaskTemplate.ForceUpdate != now.TaskTemplate.ForceUpdate {
		w.add("started anew by force, no setting was changed")
	}
	return shared(clipTo(strings.Join(w.words, ", "), changedMost))
}

// clipTo cuts a text after so many bytes, at a rune's end.
func clipTo(s string, most int) string {
	if len(s) <= most {
		return s
	}
	return strings.ToValidUTF8(s[:most], "") + "…"
}

type differences struct{ words []string }

func (w *differences) add(word string) { w.words = append(w.words, word) }

func (w *differences) value(name string, was, is any) {
	if was == is {
		return
	}
	if p, q := fmt.Sprint(was), fmt.Sprint(is); p != "" && q != "" && len(p)+len(q) < changedMost/2 && !strings.ContainsAny(p+q, "{}") {
		w.add(name + " " + p + " → " + q)
		return
	}
	w.add(name + " changed")
}

func (w *differences) differs(name string, was, is any) {
	if !reflect.DeepEqual(was, is) {
		w.add(name + " changed")
	}
}

func (w *differences) resources(was, is *sources.Resources) {
	size := func(n int64) string {
		if n == 0 {
			return "none"
		}
		return fmt.Sprintf("%dMiB", n>>20)
	}
	cores := func(n int64) string {
		if n == 0 {
			return "none"
		}
		return fmt.Sprintf("%.2f", float64(n)/1e9)
	}
	w.value("memory limit", size(was.LimitBytes), size(is.LimitBytes))
	w.value("CPU limit", cores(was.LimitNanoCPUs), cores(is.LimitNanoCPUs))
	w.value("memory reserved", size(was.ReserveBytes), size(is.ReserveBytes))
	w.value("CPU reserved", cores(was.ReserveNanoCPUs), cores(is.ReserveNanoCPUs))
}

// names tell which of a list came and went.
func (w *differences) names(what string, was, is []string) {
	for _, x := range is {
		if !slices.Contains(was, x) {
			w.add(what + " " + x + " added")
		}
	}
	for _, x := range was {
		if !slices.Contains(is, x) {
			w.add(what + " " + x + " taken away")
		}
	}
}

// container tells of what has no words of its own: the environment's values by name, the command without its words.
func (w *differences) container(was, is *swarm.ContainerSpec) {
	if was == nil || is == nil {
		return
	}
	before := map[string]string{}
	for _, kv := range was.Env {
		name, v, _ := strings.Cut(kv, "=")
		before[name] = v
	}
	for _, kv := range is.Env {
		name, v, _ := strings.Cut(kv, "=")
		if old, had := before[name]; had && old != v {
			w.add("env " + name + " changed")
		}
	}
	if !slices.Equal(was.Command, is.Command) || !slices.Equal(was.Args, is.Args) {
		w.add("command changed")
	}
	w.value("user", was.User, is.User)
}

func mountNames(list []sources.Mount) []string {
	out := make([]string, len(list))
	for i, m := range list {
		out[i] = m.Source + ":" + m.Target
	}
	return out
}
