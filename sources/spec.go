package sources

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// MaxSpec bounds a spec, in bytes. The orchestrator's own limit is that of a message between managers, 4 MiB
// (swarmkit, manager/state/raft, MaxRequestBytes is 1.5 MiB).
const MaxSpec = 4 << 20

// Spec is a service's whole desired state: the ServiceSpec of the Docker Engine API in its JSON, nothing left out, so that
// what an engine newer than this program wrote is not lost on the way. It is a value that never changes; the zero value is no spec.
// Safe for concurrent use.
type Spec struct{ raw string }

// NewSpec takes the JSON of a ServiceSpec. The result's bytes are canonical: keys sorted, no space, numbers as written.
func NewSpec(raw []byte) (Spec, error) {
	if len(raw) > MaxSpec {
		return Spec{}, fmt.Errorf("a service's spec of %d bytes: %w", len(raw), ErrTooLarge)
	}
	var v any
	dec := json.NewDecoder(bytes.NewReader(raw))
	dec.UseNumber()
	if err := dec.Decode(&v); err != nil {
		return Spec{}, fmt.Errorf("a service's spec: %w", err)
	}
	root, ok := v.(map[string]any)
	if !ok {
		return Spec{}, errors.New("a service's spec is a JSON object")
	}
	return specOf(root), nil
}

func specOf(root map[string]any) Spec {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(root); err != nil { // it came from a decoder: it can be encoded
		panic(err)
	}
	return Spec{strings.TrimSuffix(b.String(), "\n")}
}

func (s Spec) tree() map[string]any {
	if s.raw == "" {
		return map[string]any{}
	}
	var v map[string]any
	dec := json.NewDecoder(strings.NewReader(s.raw))
	dec.UseNumber()
	if err := dec.Decode(&v); err != nil { // NewSpec has read it before
		panic(err)
	}
	return v
}

// Empty tells whether there is no spec.
func (s Spec) Empty() bool { return s.raw == "" }

// JSON is the spec's canonical JSON.
func (s Spec) JSON() []byte { return []byte(s.raw) }

// Hash names the spec: SHA-256 of its canonical JSON, in hex. "" for no spec.
func (s Spec) Hash() string {
	if s.raw == "" {
		return ""
	}
	sum := sha256.Sum256([]byte(s.raw))
	return hex.EncodeToString(sum[:])
}

// Name is the service's.
func (s Spec) Name() string { return s.text("Name") }

// Image is the container's image as the spec has it, with digest; "" for what is no container.
func (s Spec) Image() string { return s.text("TaskTemplate", "ContainerSpec", "Image") }

// Replicas is how many replicas are asked for, and whether the service is replicated at all (a job is not).
func (s Spec) Replicas() (n uint64, replicated bool) {
	mode, ok := valueAt(s.tree(), "Mode", "Replicated").(map[string]any)
	if !ok {
		return 0, valueAt(s.tree(), "Mode") == nil && !s.Empty() // the engine's default is replicated with one
	}
	if n, ok := uintOf(mode["Replicas"]); ok {
		return n, true
	}
	return 1, true
}

// Writes tells whether tasks of it may write to what outlives them: a named volume or a folder of the node that is not mounted read-only.
func (s Spec) Writes() bool {
	mounts, _ := valueAt(s.tree(), "TaskTemplate", "ContainerSpec", "Mounts").([]any)
	return slices.ContainsFunc(mounts, func(x any) bool {
		m, _ := x.(map[string]any)
		source, _ := m["Source"].(string)
		readOnly, _ := m["ReadOnly"].(bool)
		return source != "" && !readOnly
	})
}

// ForceUpdate is the counter that makes the orchestrator replace tasks although nothing else changed.
func (s Spec) ForceUpdate() uint64 {
	n, _ := uintOf(valueAt(s.tree(), "TaskTemplate", "ForceUpdate"))
	return n
}

// WithReplicas is the spec with another number of replicas. It must be a replicated service's.
func (s Spec) WithReplicas(n uint64) Spec {
	return s.with(json.Number(fmt.Sprint(n)), "Mode", "Replicated", "Replicas")
}

// WithReservations is the spec with other reservations of a task; what is 0 stays as it is.
func (s Spec) WithReservations(nanoCPUs, bytes int64) Spec {
	out := s
	if nanoCPUs > 0 {
		out = out.with(json.Number(strconv.FormatInt(nanoCPUs, 10)), "TaskTemplate", "Resources", "Reservations", "NanoCPUs")
	}
	if bytes > 0 {
		out = out.with(json.Number(strconv.FormatInt(bytes, 10)), "TaskTemplate", "Resources", "Reservations", "MemoryBytes")
	}
	return out
}

// WithImage is the spec with another image; platforms are those that the registry says it is for (none: the limits that the spec has are kept).
func (s Spec) WithImage(image string, platforms []string) Spec {
	out := s.with(image, "TaskTemplate", "ContainerSpec", "Image")
	if len(platforms) == 0 {
		return out
	}
	list := make([]any, 0, len(platforms))
	for _, p := range platforms {
		os, arch, _ := strings.Cut(p, "/")
		list = append(list, map[string]any{"OS": os, "Architecture": arch})
	}
	return out.with(list, "TaskTemplate", "Placement", "Platforms")
}

// Forced is the spec with its ForceUpdate counter one up.
func (s Spec) Forced() Spec {
	return s.with(json.Number(fmt.Sprint(s.ForceUpdate()+1)), "TaskTemplate", "ForceUpdate")
}

// WithMaterial is the spec with every reference to the secret or config named old pointing to another one. used tells whether
// there was one. The file that the container sees keeps its name.
func (s Spec) WithMaterial(kind MaterialKind, old, id, name string) (out Spec, used bool) {
	list, idKey, nameKey := "Secrets", "SecretID", "SecretName"
	if kind == Config {
		list, idKey, nameKey = "Configs", "ConfigID", "ConfigName"
	}
	root := s.tree()
	refs, _ := valueAt(root, "TaskTemplate", "ContainerSpec", list).([]any)
	for _, r := range refs {
		ref, ok := r.(map[string]any)
		if ok && ref[nameKey] == old {
			ref[idKey], ref[nameKey] = id, name
			used = true
		}
	}
	return specOf(root), used
}

// with sets one value, making the objects on the way to it.
func (s Spec) with(value any, path ...string) Spec {
	root := s.tree()
	at := root
	for _, key := range path[:len(path)-1] {
		next, ok := at[key].(map[string]any)
		if !ok {
			next = map[string]any{}
			at[key] = next
		}
		at = next
	}
	at[path[len(path)-1]] = value
	return specOf(root)
}

func (s Spec) text(path ...string) string {
	text, _ := valueAt(s.tree(), path...).(string)
	return text
}

func valueAt(root map[string]any, path ...string) any {
	var at any = root
	for _, key := range path {
		m, ok := at.(map[string]any)
		if !ok {
			return nil
		}
		at = m[key]
	}
	return at
}

func uintOf(v any) (uint64, bool) {
	n, ok := v.(json.Number)
	if !ok {
		return 0, false
	}
	var out uint64
	_, err := fmt.Sscan(n.String(), &out)
	return out, err == nil
}

// MarshalJSON gives the spec itself.
func (s Spec) MarshalJSON() ([]byte, error) {
	if s.raw == "" {
		return []byte("null"), nil
	}
	return []byte(s.raw), nil
}

// UnmarshalJSON takes a ServiceSpec, or null.
func (s *Spec) UnmarshalJSON(b []byte) error {
	if string(b) == "null" {
		*s = Spec{}
		return nil
	}
	v, err := NewSpec(b)
	*s = v
	return err
}

// Texts are the values of the environment, and the words of command and arguments: where a spec names what it talks to.
func (s Spec) Texts() []string {
	box, _ := valueAt(s.tree(), "TaskTemplate", "ContainerSpec").(map[string]any)
	var out []string
	for _, list := range []string{"Env", "Command", "Args"} {
		items, _ := box[list].([]any)
		for _, item := range items {
			text, _ := item.(string)
			if _, value, ok := strings.Cut(text, "="); ok && list == "Env" {
				text = value
			}
			out = append(out, text)
		}
	}
	return out
}

// Materials are the secrets or configs that the spec refers to: ids and names.
func (s Spec) Materials(kind MaterialKind) []Reference {
	list, idKey, nameKey := "Secrets", "SecretID", "SecretName"
	if kind == Config {
		list, idKey, nameKey = "Configs", "ConfigID", "ConfigName"
	}
	refs, _ := valueAt(s.tree(), "TaskTemplate", "ContainerSpec", list).([]any)
	var out []Reference
	for _, r := range refs {
		if ref, ok := r.(map[string]any); ok {
			id, _ := ref[idKey].(string)
			name, _ := ref[nameKey].(string)
			out = append(out, Reference{ID: id, Name: name})
		}
	}
	return out
}
