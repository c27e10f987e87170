package logview

import (
	"slices"
	"strings"
)

// Bounds of looking for a field in what is loaded, which is done as a key is pressed: the newest lines are gone through, and of those that
// have the name in them so many are taken apart.
const (
	takenRows   = 4000
	takenParsed = 200
)

// Taken is what a typed filter is taken as.
type Taken uint8

// What a filter may be.
const (
	TakenText     Taken = iota
	TakenField          // a field's comparison
	TakenUnknown        // text: it reads as a field's comparison, and no loaded line has such a field
	TakenNoNumber       // text: it would be compared with what is no number, duration or size
)

// TakenAs tells what typed text is taken as. People type prose: retry=3 is a field's comparison where the name is known, as a column, one of
// KnowFields or a field of a structured line or its stream that is loaded; else it is text. Quotes decide it: "a=b" is text, a="b" a field.
// Comparisons by number and by regular expression are fields as they stand.
func (p *Pane) TakenAs(text string) (FieldTerm, Taken) {
	t, quoted, ok := parseFieldTerm(text)
	if !ok {
		return FieldTerm{}, TakenText
	}
	switch t.Op {
	case ">", ">=", "<", "<=":
		if _, err := compileField(t); err != nil {
			return t, TakenNoNumber
		}
	case "=", "!=":
		if !quoted && !p.knows(t.Key) {
			return t, TakenUnknown
		}
	}
	return t, TakenField
}

// KnowFields tells which fields there are beyond what is loaded, as the source has listed them.
func (p *Pane) KnowFields(names []string) { p.fieldNames = slices.Clone(names) }

// knows tells whether a field of this name is known.
func (p *Pane) knows(name string) bool {
	switch name {
	case "service", "stack", "task", "node", "level":
		return true
	}
	return slices.Contains(p.extra, name) || slices.Contains(p.fieldNames, name) || p.loaded(name)
}

// loaded tells whether a loaded line or its stream has the field. A line of prose that has an equals sign in it has none.
func (p *Pane) loaded(name string) bool {
	rows, parsed := takenRows, takenParsed
	for _, c := range slices.Backward(p.snap.chunks) {
		for _, s := range c.streams {
			if _, ok := streamValue(s, name); ok {
				return true
			}
		}
		for i := len(c.recs) - 1; i >= 0; i-- {
			if rows--; rows < 0 || parsed <= 0 {
				return false
			}
			line := c.text(&c.recs[i])
			if !strings.Contains(line, name) {
				if line == "" || line[0] != '{' || !strings.ContainsAny(name, "._") {
					continue
				}
			}
			parsed--
			if hasField(line, name) {
				return true
			}
		}
	}
	return false
}

// hasField tells whether a structured line has the field; of nested objects the names are joined, as fieldValue does.
func hasField(line, name string) bool {
	fields, ok := parseFields(line)
	if !ok {
		return false
	}
	if slices.ContainsFunc(fields, func(f field) bool { return f.key == name }) {
		return true
	}
	if line[0] != '{' {
		return false
	}
	_, ok = fieldValue(line, name)
	return ok
}

// Switch makes a field's comparison text, or text a field's comparison; false: it is neither, or cannot be the other.
func (p *Pane) Switch(chip string) bool {
	for _, c := range p.filter.chips() {
		if c.Text != chip || c.other == nil {
			continue
		}
		f, now := c.other(p.Filter())
		at := slices.Index(p.order, chip)
		if p.SetFilter(f) != nil {
			return false
		}
		if from := slices.Index(p.order, now); at >= 0 && from > at { // it keeps its place
			p.order = slices.Insert(slices.Delete(p.order, from, from+1), at, now)
		}
		return true
	}
	return false
}

// asText is the field's comparison as text, in its place's stead.
func (t FieldTerm) asText(f Filter, at int) (Filter, string) {
	text := Term{Text: t.Key + t.Op + t.Value}
	f.Fields = without(f.Fields, at)
	f.Include = append(slices.Clone(f.Include), text)
	return f, textChip(text)
}

// asField is text that reads as a field's comparison as one; false: it does not.
func (t Term) asField() (FieldTerm, bool) {
	field, ok := ParseFieldTerm(t.Text)
	if !ok || t.Regexp {
		return FieldTerm{}, false
	}
	_, err := compileField(field)
	return field, err == nil
}

// textChip is text in a chip: where it could be a field's comparison, it says that it is none.
func textChip(t Term) string {
	if _, ok := t.asField(); ok {
		return "text " + quoted(t)
	}
	return quoted(t)
}

// fieldChip says that a comparison is of a field, where it could be text.
func fieldChip(t FieldTerm) string {
	if t.Op == "=" || t.Op == "!=" {
		return "field " + t.String()
	}
	return t.String()
}

// takenHint says in the line that is typed in what it is taken as; "": nothing needs to be said.
func takenHint(t FieldTerm, taken Taken) string {
	switch taken {
	case TakenField:
		return "field " + t.Key + "  in quotes: text"
	case TakenUnknown:
		return "text: no line here has a field " + t.Key + "  " + t.Key + t.Op + `"…": field`
	}
	return ""
}
