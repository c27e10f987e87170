package logview

import (
	"encoding/json"
	"strings"
)

// fieldValue is the value of one key of a logfmt line or a JSON object, without taking the whole line apart.
// Of nested objects the names are joined by _ or . as Loki does. The result is as untrusted as the line.
func fieldValue(line, key string) (string, bool) {
	switch {
	case len(line) < 3 || len(line) > maxFields || key == "":
		return "", false
	case line[0] == '{':
		return jsonValue(line, key)
	case strings.IndexByte(line, '=') <= 0:
		return "", false
	}
	return logfmtValue(line, key)
}

// logfmtValue walks key=value words; what is no such word is passed over.
func logfmtValue(line, key string) (string, bool) {
	if !strings.Contains(line, key) {
		return "", false
	}
	for i := 0; i < len(line); {
		for i < len(line) && line[i] == ' ' {
			i++
		}
		from := i
		for i < len(line) && line[i] > ' ' && line[i] != '=' {
			i++
		}
		if i == len(line) || line[i] != '=' {
			i++
			continue
		}
		name := line[from:i]
		i++
		var value string
		if i < len(line) && line[i] == '"' {
			end := closing(line, i+1)
			value = unquoted(line[i:min(end+1, len(line))])
			i = end + 1
		} else {
			at := i
			for i < len(line) && line[i] > ' ' {
				i++
			}
			value = line[at:i]
		}
		if name == key {
			return value, true
		}
	}
	return "", false
}

// closing is the place of the quote that ends the string begun before i; the line's length where there is none.
func closing(line string, i int) int {
	for ; i < len(line); i++ {
		switch line[i] {
		case '\\':
			i++
		case '"':
			return i
		}
	}
	return len(line)
}

// unquoted is a quoted string's text; what is no good string is given without its first quote.
func unquoted(s string) string {
	if strings.IndexByte(s, '\\') < 0 {
		return strings.Trim(s, `"`)
	}
	var out string
	if json.Unmarshal([]byte(s), &out) != nil {
		return strings.Trim(s, `"`)
	}
	return out
}

// jsonValue walks the members of an object.
func jsonValue(line, key string) (string, bool) {
	for i := 1; ; {
		i = pastBlank(line, i, ", \t\r\n")
		if i >= len(line) || line[i] != '"' {
			return "", false
		}
		end := closing(line, i+1)
		if end >= len(line) {
			return "", false
		}
		name := line[i+1 : end]
		i = pastBlank(line, end+1, ": \t\r\n")
		if i >= len(line) {
			return "", false
		}
		from := i
		i = pastValue(line, i)
		if name == key {
			if line[from] == '"' {
				return unquoted(line[from:i]), true
			}
			return line[from:i], true
		}
		if inner, ok := strings.CutPrefix(key, name); ok && line[from] == '{' && len(inner) > 1 && (inner[0] == '_' || inner[0] == '.') {
			if v, ok := jsonValue(line[from:i], inner[1:]); ok {
				return v, true
			}
		}
	}
}

func pastBlank(s string, i int, blank string) int {
	for i < len(s) && strings.IndexByte(blank, s[i]) >= 0 {
		i++
	}
	return i
}

// pastValue is the place behind the value at i.
func pastValue(s string, i int) int {
	if s[i] == '"' {
		return min(closing(s, i+1)+1, len(s))
	}
	depth := 0
	for ; i < len(s); i++ {
		switch s[i] {
		case '"':
			i = closing(s, i+1)
		case '{', '[':
			depth++
		case '}', ']':
			if depth == 0 {
				return i
			}
			if depth--; depth == 0 {
				return i + 1
			}
		case ',', ' ', '\t', '\n', '\r':
			if depth == 0 {
				return i
			}
		}
	}
	return min(i, len(s))
}
