package logview

import (
	"bytes"
	"encoding/json"
	"strings"

	"github.com/go-logfmt/logfmt"
)

// maxFields bounds the lines that are taken apart, in bytes: larger ones are shown as they came.
const maxFields = 16 << 10

// field is one key and value of a structured line.
type field struct{ key, value string }

// parseFields takes a JSON object or a logfmt line apart. Order is kept. False: it is neither.
func parseFields(line string) ([]field, bool) {
	if len(line) > maxFields || len(line) < 3 {
		return nil, false
	}
	if line[0] == '{' {
		return parseJSON(line)
	}
	if eq := strings.IndexByte(line, '='); eq <= 0 || strings.IndexByte(line[:eq], ' ') >= 0 {
		return nil, false
	}
	return parseLogfmt(line)
}

func parseJSON(line string) ([]field, bool) {
	d := json.NewDecoder(strings.NewReader(line))
	if t, err := d.Token(); err != nil || t != json.Delim('{') {
		return nil, false
	}
	var out []field
	for d.More() {
		t, err := d.Token()
		name, ok := t.(string)
		if err != nil || !ok {
			return nil, false
		}
		var raw json.RawMessage
		if err := d.Decode(&raw); err != nil {
			return nil, false
		}
		value := string(raw)
		var s string
		if raw[0] == '"' && json.Unmarshal(raw, &s) == nil {
			value = s
		}
		out = append(out, field{name, value})
	}
	if _, err := d.Token(); err != nil || d.More() {
		return nil, false
	}
	return out, len(out) > 0
}

// parseLogfmt wants every word to be key=value: prose with an equals sign in it is left alone.
func parseLogfmt(line string) ([]field, bool) {
	d := logfmt.NewDecoder(strings.NewReader(line))
	var out []field
	for d.ScanRecord() {
		for d.ScanKeyval() {
			if d.Value() == nil && !bytes.Contains([]byte(line), append(bytes.Clone(d.Key()), '=')) {
				return nil, false
			}
			out = append(out, field{string(d.Key()), string(d.Value())})
		}
	}
	return out, d.Err() == nil && len(out) > 1
}

// names of fields that other columns show, or that come first.
var (
	messageNames = map[string]bool{"msg": true, "message": true, "log": true, "event": true}
	timeNames    = map[string]bool{"ts": true, "time": true, "timestamp": true, "@timestamp": true, "t": true}
	levelNames   = map[string]bool{"level": true, "lvl": true, "severity": true, "level_name": true}
)

// Gist is a line as the pane shows it without its columns: of a structured line the message, then the other fields but time and level.
// The result is as untrusted as the line.
func Gist(line string) string {
	fields, ok := parseFields(line)
	if !ok {
		return line
	}
	message, rest := arrange(fields, true, true)
	for _, f := range rest {
		message += " " + f.key + "=" + f.value
	}
	return strings.TrimPrefix(message, " ")
}

// arrange puts the message first and leaves away what the columns show.
func arrange(fields []field, noTime, noLevel bool) (message string, rest []field) {
	found := false
	for _, f := range fields {
		name := strings.ToLower(f.key)
		switch {
		case !found && messageNames[name]:
			message, found = f.value, true
		case noTime && timeNames[name], noLevel && levelNames[name]:
		default:
			rest = append(rest, f)
		}
	}
	return message, rest
}
