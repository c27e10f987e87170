package blueprint

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"path"
	"strings"

	"github.com/docker/cli/cli/compose/template"
	"go.yaml.in/yaml/v3"
)

// File is one that is written.
type File struct {
	Path string // below the directory, with slashes
	Body []byte
}

// Render gives the files of stacks with all values in them. A value is put into the scalar that has its variable, and the scalar is quoted: it
// stays a value whatever is in it. What remains of `$` is doubled, because `docker stack deploy` replaces variables once more.
func Render(stacks []*Stack, values Values) ([]File, error) {
	var out []File
	for _, s := range stacks {
		others := map[string][]byte{}
		for _, f := range s.Others {
			body, err := s.read(f)
			if err != nil {
				return nil, err
			}
			others[f] = body
			out = append(out, File{path.Join(s.Name, f), body})
		}
		for _, f := range s.Compose {
			body, err := s.read(f)
			if err != nil {
				return nil, err
			}
			if body, err = s.compose(body, values, others); err != nil {
				return nil, fmt.Errorf("%s/%s: %w", s.Name, f, err)
			}
			out = append(out, File{path.Join(s.Name, f), body})
		}
	}
	return out, nil
}

func (s *Stack) compose(body []byte, values Values, others map[string][]byte) ([]byte, error) {
	var doc yaml.Node
	if err := yaml.Unmarshal(body, &doc); err != nil {
		return nil, err
	}
	if err := fill(&doc, values); err != nil {
		return nil, err
	}
	if err := s.nameConfigs(&doc, others); err != nil {
		return nil, err
	}
	var b bytes.Buffer
	enc := yaml.NewEncoder(&b)
	enc.SetIndent(2)
	if err := enc.Encode(&doc); err != nil {
		return nil, err
	}
	return b.Bytes(), enc.Close()
}

func fill(n *yaml.Node, values Values) error {
	if n.Kind == yaml.ScalarNode && strings.Contains(n.Value, "$") {
		text, err := template.Substitute(n.Value, func(k string) (string, bool) { v, ok := values[k]; return v, ok })
		if err != nil {
			return err
		}
		n.Value, n.Tag, n.Style = strings.ReplaceAll(text, "$", "$$"), "!!str", yaml.DoubleQuotedStyle
	}
	for _, c := range n.Content {
		if err := fill(c, values); err != nil {
			return err
		}
	}
	return nil
}

// nameConfigs gives each configuration a name by its contents: the swarm's own never change, so that a changed one must be another.
func (s *Stack) nameConfigs(doc *yaml.Node, others map[string][]byte) error {
	configs := child(doc.Content[0], "configs")
	if configs == nil {
		return nil
	}
	for i := 0; i+1 < len(configs.Content); i += 2 {
		key, c := configs.Content[i].Value, configs.Content[i+1]
		file := child(c, "file")
		if file == nil {
			continue
		}
		body, ok := others[path.Clean(file.Value)]
		if !ok {
			return fmt.Errorf("the configuration %s is of %s, which the stack does not have", key, file.Value)
		}
		sum := sha256.Sum256(body)
		c.Content = append(c.Content, scalar("name"), scalar(s.Name+"_"+key+"-"+hex.EncodeToString(sum[:4])))
	}
	return nil
}

func child(n *yaml.Node, key string) *yaml.Node {
	for i := 0; i+1 < len(n.Content); i += 2 {
		if n.Content[i].Value == key {
			return n.Content[i+1]
		}
	}
	return nil
}

func scalar(v string) *yaml.Node { return &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!str", Value: v} }

// File is the values as the YAML that ReadValues reads, each with what it is. Where there was such a file, whose values are these or not there, it
// stays as it is and only grows.
func (v Values) File(before []byte) ([]byte, error) {
	var b bytes.Buffer
	fmt.Fprintf(&b, "# The values of the blueprint, version %d of its files. No secret is here. `quarterdeck blueprint write` reads it again.\n", Version)
	had, err := ReadValues(before)
	for k := range had {
		if had[k] != v[k] {
			err = ErrDiffers
		}
	}
	if err == nil && len(had) > 0 {
		b.Reset()
		b.Write(bytes.TrimRight(before, "\n"))
		b.WriteByte('\n')
	} else {
		had = nil
	}
	for _, p := range Params {
		value, ok := v[p.Key]
		if _, there := had[p.Key]; !ok || there {
			continue
		}
		line, err := yaml.Marshal(map[string]string{p.Key: value})
		if err != nil {
			return nil, err
		}
		fmt.Fprintf(&b, "# %s\n%s", p.Text, line)
	}
	return b.Bytes(), nil
}
