package logs

import (
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// token is a lexeme of LogQL.
type token struct {
	kind tokenKind
	text string // of a string: its value
	at   int    // byte offset
	end  int
}

type tokenKind uint8

const (
	tokEOF tokenKind = iota
	tokIdent
	tokString
	tokNumber // also durations and bytes: 5m, 1.5s, 10KB
	tokOp
)

var operators = []string{"|=", "|~", "!=", "!~", "=~", "==", ">=", "<=", "|>", "!>", "|", "{", "}", "(", ")", "[", "]", ",", "=", ">", "<", "+", "-", "*", "/", "%", "^", "@", ":"}

// lex cuts a query into tokens, the last of which is tokEOF.
func lex(in string) ([]token, error) {
	var out []token
	for i := 0; i < len(in); {
		c, size := utf8.DecodeRuneInString(in[i:])
		switch {
		case unicode.IsSpace(c):
			i += size
		case c == '#':
			for i < len(in) && in[i] != '\n' {
				i++
			}
		case c == '"' || c == '`':
			end, value, err := lexString(in, i)
			if err != nil {
				return nil, err
			}
			out = append(out, token{tokString, value, i, end})
			i = end
		case c == '_' || unicode.IsLetter(c):
			end := i
			for end < len(in) {
				r, n := utf8.DecodeRuneInString(in[end:])
				if r != '_' && !unicode.IsLetter(r) && !unicode.IsDigit(r) {
					break
				}
				end += n
			}
			out = append(out, token{tokIdent, in[i:end], i, end})
			i = end
		case c >= '0' && c <= '9' || c == '.' && i+1 < len(in) && in[i+1] >= '0' && in[i+1] <= '9':
			end := i
			for end < len(in) && (in[end] == '.' || in[end] >= '0' && in[end] <= '9' || in[end] >= 'a' && in[end] <= 'z' || in[end] >= 'A' && in[end] <= 'Z' || strings.HasPrefix(in[end:], "µ")) {
				_, n := utf8.DecodeRuneInString(in[end:])
				end += n
			}
			out = append(out, token{tokNumber, in[i:end], i, end})
			i = end
		default:
			op := ""
			for _, o := range operators {
				if strings.HasPrefix(in[i:], o) {
					op = o
					break
				}
			}
			if op == "" {
				return nil, parseError(in, i, "syntax error: unexpected character %q", c)
			}
			out = append(out, token{tokOp, op, i, i + len(op)})
			i += len(op)
		}
	}
	return append(out, token{kind: tokEOF, at: len(in), end: len(in)}), nil
}

func lexString(in string, i int) (int, string, error) {
	quote := in[i]
	for end := i + 1; end < len(in); end++ {
		switch {
		case in[end] == '\\' && quote == '"':
			end++
		case in[end] == quote:
			value, err := strconv.Unquote(in[i : end+1])
			if err != nil {
				return 0, "", parseError(in, i, "invalid char escape")
			}
			return end + 1, value, nil
		}
	}
	return 0, "", parseError(in, i, "literal not terminated")
}
