package config

import (
	"bytes"
	"errors"
	"fmt"
	"reflect"
	"strings"

	"go.yaml.in/yaml/v3"

	"quarterdeck/sources"
)

// errByHand: the text is written in a way that cannot be changed without touching the rest.
var errByHand = errors.New("its panels cannot be changed without rewriting the rest: write it by hand, as lines below `panels:`")

// The file is a person's: panels are put in and taken out as lines of its text, so that comments, order and spaces stay
// as they are. What comes out must say what the old text said, and the panels besides; else nothing is written.

// withPanel is the text with one panel more, after the others.
func withPanel(body []byte, p sources.Panel) ([]byte, error) {
	lines := splitLines(body)
	b, err := findPanels(body, lines)
	if err != nil {
		return nil, err
	}
	var out []string
	if b.key == 0 {
		out = append(out, lines...)
		if len(lines) > 0 {
			out = append(out, "")
		}
		out = append(out, "panels:")
		out = append(out, itemLines(p, "  ")...)
	} else {
		out = append(out, lines[:b.key-1]...)
		out = append(out, b.keyLine(lines))
		out = append(out, lines[b.key:b.end]...)
		out = append(out, itemLines(p, b.indent)...)
		out = append(out, lines[b.end:]...)
	}
	return verified(body, out, func(old []sources.Panel) []sources.Panel { return append(old, p) })
}

// withoutPanel is the text without panel i.
func withoutPanel(body []byte, i int) ([]byte, error) {
	lines := splitLines(body)
	b, err := findPanels(body, lines)
	if err != nil {
		return nil, err
	}
	if i >= len(b.items) {
		return nil, errByHand
	}
	from, to := b.items[i], b.end
	if i+1 < len(b.items) {
		to = b.items[i+1] - 1
		for to > from && comment(lines[to-1]) { // they are the next one's
			to--
		}
	}
	out := append([]string{}, lines[:from-1]...)
	out = append(out, lines[to:]...)
	return verified(body, out, func(old []sources.Panel) []sources.Panel {
		return append(append([]sources.Panel{}, old[:i]...), old[i+1:]...)
	})
}

// verified is the new text, if it says what it should.
func verified(old []byte, lines []string, panels func([]sources.Panel) []sources.Panel) ([]byte, error) {
	body := []byte(strings.Join(lines, "\n") + "\n")
	was, err := Parse(old)
	if err != nil {
		return nil, err
	}
	is, err := Parse(body)
	if err != nil {
		return nil, fmt.Errorf("%w (%w)", errByHand, err)
	}
	want := *was
	want.Panels = panels(was.Panels)
	if len(want.Panels) == 0 {
		want.Panels, is.Panels = nil, is.Panels[:len(is.Panels):len(is.Panels)]
		if len(is.Panels) == 0 {
			is.Panels = nil
		}
	}
	if !reflect.DeepEqual(&want, is) {
		return nil, errByHand
	}
	return body, nil
}

func splitLines(body []byte) []string {
	text := strings.TrimSuffix(string(body), "\n")
	if text == "" {
		return nil
	}
	return strings.Split(text, "\n")
}

func comment(line string) bool {
	t := strings.TrimSpace(line)
	return t == "" || strings.HasPrefix(t, "#")
}

// itemLines are a panel as an item of a list in block style.
func itemLines(p sources.Panel, indent string) []string {
	text, err := yaml.Marshal([]sources.Panel{p})
	if err != nil { // four strings always have a text
		return nil
	}
	lines := splitLines(text)
	for i := range lines {
		lines[i] = indent + lines[i]
	}
	return lines
}

// panelsBlock is where the panels are in a text. Lines count from 1; end is the last line that is theirs.
type panelsBlock struct {
	key, end int // key 0: there is no such key
	indent   string
	items    []int // the lines of the items' dashes
	empty    bool  // written as [] or as nothing
}

// keyLine is the key's own line, without a [] behind it.
func (b panelsBlock) keyLine(lines []string) string {
	if b.empty {
		return "panels:"
	}
	return lines[b.key-1]
}

func findPanels(body []byte, lines []string) (panelsBlock, error) {
	var doc yaml.Node
	if err := yaml.NewDecoder(bytes.NewReader(body)).Decode(&doc); err != nil || len(doc.Content) == 0 || doc.Content[0].Kind != yaml.MappingNode {
		if len(bytes.TrimSpace(body)) == 0 || err == nil || onlyComments(lines) {
			return panelsBlock{}, nil
		}
		return panelsBlock{}, errByHand
	}
	root := doc.Content[0]
	if root.Style&yaml.FlowStyle != 0 {
		return panelsBlock{}, errByHand
	}
	b := panelsBlock{end: len(lines), indent: "  "}
	for i := 0; i+1 < len(root.Content); i += 2 {
		key, value := root.Content[i], root.Content[i+1]
		if key.Value != "panels" {
			if b.key != 0 {
				b.end = key.Line - 1
				break
			}
			continue
		}
		b.key = key.Line
		if err := b.read(value, lines); err != nil {
			return b, err
		}
	}
	if b.key == 0 {
		return panelsBlock{}, nil
	}
	for b.end > b.key && comment(lines[b.end-1]) && !strings.HasPrefix(lines[b.end-1], " ") { // they are the next key's
		b.end--
	}
	return b, nil
}

func onlyComments(lines []string) bool {
	for _, l := range lines {
		if !comment(l) {
			return false
		}
	}
	return true
}

func (b *panelsBlock) read(value *yaml.Node, lines []string) error {
	rest := strings.TrimSpace(strings.TrimPrefix(strings.TrimSpace(lines[b.key-1]), "panels:"))
	switch {
	case value.Kind == yaml.ScalarNode && value.Tag == "!!null", value.Kind == yaml.SequenceNode && len(value.Content) == 0:
		b.empty = true
		if rest != "" && rest != "[]" && rest != "null" && rest != "~" {
			return errByHand
		}
		return nil
	case value.Kind != yaml.SequenceNode || value.Style&yaml.FlowStyle != 0:
		return errByHand
	}
	for _, item := range value.Content {
		line := item.Line
		for line > b.key && !strings.HasPrefix(strings.TrimSpace(lines[line-1]), "-") {
			line--
		}
		if line == b.key {
			return errByHand
		}
		b.items = append(b.items, line)
	}
	first := lines[b.items[0]-1]
	b.indent = first[:strings.Index(first, "-")]
	return nil
}
