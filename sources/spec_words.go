package sources

import (
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"time"
)

// fieldWords are the docker command's names of a spec's fields (docker service update --help), in the order in which they
// are shown. A trailing dot takes what follows as the name of an element.
var fieldWords = []struct{ path, word string }{
	{"Mode.Replicated.Replicas", "replicas"},
	{"TaskTemplate.ContainerSpec.Image", "image"},
	{"TaskTemplate.ForceUpdate", "force-update"},
	{"TaskTemplate.ContainerSpec.Command", "entrypoint"},
	{"TaskTemplate.ContainerSpec.Args", "args"},
	{"TaskTemplate.ContainerSpec.Env.", "env "},
	{"TaskTemplate.ContainerSpec.Secrets.", "secret "},
	{"TaskTemplate.ContainerSpec.Configs.", "config "},
	{"TaskTemplate.ContainerSpec.Mounts.", "mount "},
	{"TaskTemplate.ContainerSpec.Healthcheck.", "health-check "},
	{"TaskTemplate.ContainerSpec.Labels.", "container-label "},
	{"TaskTemplate.ContainerSpec.", ""},
	{"TaskTemplate.Resources.Limits.NanoCPUs", "limit-cpu"},
	{"TaskTemplate.Resources.Limits.MemoryBytes", "limit-memory"},
	{"TaskTemplate.Resources.Limits.Pids", "limit-pids"},
	{"TaskTemplate.Resources.Reservations.NanoCPUs", "reserve-cpu"},
	{"TaskTemplate.Resources.Reservations.MemoryBytes", "reserve-memory"},
	{"TaskTemplate.Placement.Constraints.", "constraint "},
	{"TaskTemplate.Placement.MaxReplicas", "replicas-max-per-node"},
	{"TaskTemplate.Placement.Platforms", "platforms"},
	{"TaskTemplate.Networks.", "network "},
	{"TaskTemplate.RestartPolicy.", "restart-"},
	{"TaskTemplate.LogDriver.Name", "log-driver"},
	{"TaskTemplate.LogDriver.Options.", "log-opt "},
	{"TaskTemplate.", ""},
	{"EndpointSpec.Ports.", "publish "},
	{"EndpointSpec.Mode", "endpoint-mode"},
	{"UpdateConfig.", "update-"},
	{"RollbackConfig.", "rollback-"},
	{"Labels.", "label "},
}

func fieldRank(path []string) int {
	dotted := strings.Join(path, ".")
	for i, w := range fieldWords {
		if dotted == w.path || strings.HasSuffix(w.path, ".") && strings.HasPrefix(dotted, w.path) {
			return i
		}
	}
	return len(fieldWords)
}

// fieldName is a field in the docker command's words.
func fieldName(path []string) string {
	at := fieldRank(path)
	if at == len(fieldWords) {
		return kebab(strings.Join(path, " "))
	}
	w := fieldWords[at]
	if !strings.HasSuffix(w.path, ".") {
		return w.word
	}
	rest := path[strings.Count(w.path, "."):]
	if strings.HasSuffix(w.word, " ") && len(rest) > 0 && !strings.HasSuffix(w.word, "check ") { // the element's own name is not ours to change
		name := w.word + rest[0]
		if len(rest) > 1 {
			name += " " + kebab(strings.Join(rest[1:], " "))
		}
		return name
	}
	return w.word + kebab(strings.Join(rest, " "))
}

// kebab writes an API's name as the command line would: MaxFailureRatio is max-failure-ratio.
func kebab(s string) string {
	var b strings.Builder
	was := rune(' ')
	for _, r := range s {
		if r >= 'A' && r <= 'Z' {
			if was >= 'a' && was <= 'z' {
				b.WriteByte('-')
			}
			b.WriteRune(r + 'a' - 'A')
		} else {
			b.WriteRune(r)
		}
		was = r
	}
	return b.String()
}

// Text is a value of a FieldChange for people: bytes, cores and durations with their units; "none" for what is not there.
func (c FieldChange) Text() (before, after string) {
	return c.valueText(c.Before), c.valueText(c.After)
}

func (c FieldChange) valueText(v any) string {
	switch x := v.(type) {
	case nil:
		if isForce(c.Path) {
			return "0"
		}
		return "none"
	case string:
		if len(c.Path) > 2 && c.Path[len(c.Path)-2] == "Env" {
			if _, value, ok := strings.Cut(x, "="); ok {
				return strconv.Quote(value)
			}
			return "(no value)"
		}
		return x
	case json.Number:
		return numberText(c.Path[len(c.Path)-1], x)
	case []any:
		var parts []string
		for _, e := range x {
			if s, ok := e.(string); ok {
				parts = append(parts, s)
				continue
			}
			raw, _ := json.Marshal(e)
			parts = append(parts, string(raw))
		}
		return strings.Join(parts, " ")
	}
	return fmt.Sprint(v)
}

func numberText(field string, n json.Number) string {
	v, err := n.Int64()
	if err != nil {
		return n.String()
	}
	switch field {
	case "NanoCPUs":
		return strconv.FormatFloat(float64(v)/1e9, 'f', -1, 64)
	case "MemoryBytes", "SizeBytes":
		if v%(1<<20) == 0 {
			return strconv.FormatInt(v>>20, 10) + " MiB"
		}
		return strconv.FormatInt(v, 10) + " B"
	case "Mode": // of a file
		return fmt.Sprintf("%#o", v)
	case "Delay", "Monitor", "Window", "Interval", "Timeout", "StartPeriod", "StopGracePeriod", "StartInterval":
		return time.Duration(v).String()
	}
	return n.String()
}
