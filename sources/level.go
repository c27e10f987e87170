package sources

import "strings"

// Bounds of LevelOf's look at a line, in bytes. A level stands near a line's start; a JSON object may name it
// late, but a line of a megabyte must not cost a megabyte's reading.
const (
	levelReach = 4096 // for keys: level=…, "level":…
	wordReach  = 256  // for plain words: ERROR, [warn], error:
)

// ParseLevel folds a level's word, whatever its case ("warning", "WRN", "err", "critical"), into a Level.
// syslog's three highest and "panic" are LevelFatal, "notice" is LevelInfo. What is no level's word is LevelUnknown.
func ParseLevel(word string) Level {
	if len(word) < 3 || len(word) > 13 {
		return LevelUnknown
	}
	var buf [13]byte
	for i := range len(word) {
		c := word[i]
		if 'A' <= c && c <= 'Z' {
			c += 'a' - 'A'
		}
		buf[i] = c
	}
	switch string(buf[:len(word)]) { // the compiler does not allocate for this
	case "trace", "trc", "finest", "finer", "verbose":
		return LevelTrace
	case "debug", "dbg", "fine":
		return LevelDebug
	case "info", "inf", "information", "informational", "notice":
		return LevelInfo
	case "warn", "wrn", "warning":
		return LevelWarn
	case "error", "err", "eror", "severe":
		return LevelError
	case "fatal", "ftl", "critical", "crit", "panic", "emerg", "emergency", "alert", "dpanic":
		return LevelFatal
	}
	return LevelUnknown
}

// LevelOf guesses a log line's level without parsing it: logfmt (level=warn), JSON ("level":"error", pino's and
// GELF's numbers), the plain words of common loggers (ERROR, [warn], "error: …", klog's E0102, Go's panic), through
// terminal colours. A key beats a word; a key inside a quoted value does not count. It reads at most 4 KiB, never
// allocates, and takes any bytes. A guess: LevelUnknown means only that the line does not say.
func LevelOf(line string) Level {
	if len(line) > levelReach {
		line = line[:levelReach]
	}
	s := levelScan{line: line, object: strings.HasPrefix(strings.TrimLeft(line, " \t"), "{")}
	if l := s.keyOrWord(); l != LevelUnknown {
		return l
	}
	return openingLevel(line)
}

// levelScan walks a line once: quoted values are jumped over, so that what they quote is not taken for the line's own.
type levelScan struct {
	line   string
	i      int
	object bool  // the line is a JSON object: only its own keys count, no plain words
	depth  int   // of braces
	word   Level // the first plain word that is a level's
}

func (s *levelScan) keyOrWord() Level {
	for s.i < len(s.line) {
		switch c := s.line[s.i]; {
		case c == 0x1b:
			s.i = afterEscape(s.line, s.i)
		case c == '{':
			s.depth++
			s.i++
		case c == '}':
			s.depth--
			s.i++
		case c == '"' && opensQuote(s.line, s.i):
			if l := s.quoted(); l != LevelUnknown {
				return l
			}
		case isWordByte(c):
			if l := s.bare(); l != LevelUnknown {
				return l
			}
		default:
			s.i++
		}
	}
	return s.word
}

// quoted passes a quoted string; where it is a key of JSON that names the level, the value's level is returned.
func (s *levelScan) quoted() Level {
	start := s.i + 1
	end := closingQuote(s.line, start)
	if end < 0 { // cut or unbalanced: the quote is taken for a character
		s.i++
		return LevelUnknown
	}
	s.i = end + 1
	if s.depth > 1 || !isLevelKey(s.line[start:end]) {
		return LevelUnknown
	}
	rest := strings.TrimLeft(s.line[s.i:], " ")
	if !strings.HasPrefix(rest, ":") {
		return LevelUnknown
	}
	return levelValue(strings.TrimLeft(rest[1:], " "))
}

// bare passes a word outside quotes: a logfmt key, or a level's plain word.
func (s *levelScan) bare() Level {
	start := s.i
	for s.i < len(s.line) && isWordByte(s.line[s.i]) {
		s.i++
	}
	if s.object {
		return LevelUnknown
	}
	word := s.line[start:s.i]
	if s.i < len(s.line) && s.line[s.i] == '=' && isLevelKey(word) {
		return levelValue(s.line[s.i+1:])
	}
	if s.word == LevelUnknown && start < wordReach {
		if l := ParseLevel(strings.Trim(word, "-.@")); l != LevelUnknown && standsAsLevel(s.line, start, s.i) {
			s.word = l
		}
	}
	return LevelUnknown
}

// isLevelKey knows the names that loggers give the level: zap, logrus, pino, slog, serilog (@l), ECS (log.level),
// Python (levelname), Google (severity), OpenTelemetry (severityText).
func isLevelKey(k string) bool {
	switch k {
	case "level", "lvl", "severity", "Level", "LEVEL", "loglevel", "log_level", "log.level", "logLevel", "levelname",
		"level_name", "@l", "@level", "severityText", "severity_text", "Severity", "SEVERITY", "lev":
		return true
	}
	return false
}

// levelValue reads the level at the start of v: a word, quoted or not, or a number (below 8 syslog's severity as in
// GELF; from 10 on bunyan's and pino's tens).
func levelValue(v string) Level {
	v = strings.TrimPrefix(v, `"`)
	end := 0
	for end < len(v) && (isLetter(v[end]) || isDigit(v[end])) {
		end++
	}
	v = v[:end]
	if v == "" || !isDigit(v[0]) {
		return ParseLevel(v)
	}
	switch n := leadingNumber(v); {
	case n <= 2:
		return LevelFatal
	case n == 3:
		return LevelError
	case n == 4:
		return LevelWarn
	case n <= 6:
		return LevelInfo
	case n == 7:
		return LevelDebug
	case n < 10:
		return LevelUnknown
	case n < 20:
		return LevelTrace
	case n < 30:
		return LevelDebug
	case n < 40:
		return LevelInfo
	case n < 50:
		return LevelWarn
	case n < 60:
		return LevelError
	case n < 70:
		return LevelFatal
	}
	return LevelUnknown
}

func leadingNumber(v string) int {
	n := 0
	for i := 0; i < len(v) && i < 3 && isDigit(v[i]); i++ {
		n = n*10 + int(v[i]-'0')
	}
	return n
}

// standsAsLevel tells whether the level's word at line[start:end] is the line's level or a word of its text.
// In capitals it is the level wherever it stands alone; else only in brackets, between tabs or dashes, or before a
// colon with no other word of the sentence right before it ("error: …", but not "see the info: …").
func standsAsLevel(line string, start, end int) bool {
	before, after := byte(' '), byte(' ')
	if start > 0 {
		before = line[start-1]
	}
	if end < len(line) {
		after = line[end]
	}
	if before == '/' || after == '/' || after == '=' || before == '=' || after == '(' {
		return false
	}
	if !strings.ContainsAny(line[start:end], "abcdefghijklmnopqrstuvwxyz") {
		return true
	}
	switch {
	case before == '[' && after == ']', before == '<' && after == '>', before == '(' && after == ')', before == '|' || after == '|':
		return true
	case before == '\t' && after == '\t':
		return true
	case strings.HasSuffix(line[:start], " - ") && strings.HasPrefix(line[end:], " - "):
		return true
	case after != ':':
		return false
	}
	head := strings.TrimRight(line[:start], " \t")
	return head == "" || !isLetter(head[len(head)-1]) && head[len(head)-1] != ','
}

// openingLevel knows lines by how they begin: klog (I0102 15:04:05), Go's and Python's crashes, Java's uncaught exceptions.
func openingLevel(line string) Level {
	if len(line) > 6 && isDigit(line[1]) && isDigit(line[2]) && isDigit(line[3]) && isDigit(line[4]) && line[5] == ' ' {
		switch line[0] {
		case 'I':
			return LevelInfo
		case 'W':
			return LevelWarn
		case 'E':
			return LevelError
		case 'F':
			return LevelFatal
		}
	}
	switch {
	case strings.HasPrefix(line, "fatal error: "):
		return LevelFatal
	case strings.HasPrefix(line, "Traceback (most recent call last)"), strings.HasPrefix(line, "Exception in thread "),
		strings.HasPrefix(line, "Unhandled exception"), strings.HasPrefix(line, "Uncaught "):
		return LevelError
	}
	return LevelUnknown
}

// afterEscape is the index after the terminal control sequence at line[i].
func afterEscape(line string, i int) int {
	i++
	if i >= len(line) || line[i] != '[' {
		return i
	}
	for i++; i < len(line); i++ {
		if c := line[i]; c >= 0x40 && c <= 0x7e {
			return i + 1
		}
	}
	return i
}

// opensQuote: an inch sign or an apostrophe's twin in the middle of a word does not begin a value.
func opensQuote(line string, i int) bool {
	return i == 0 || strings.IndexByte("={:,[( \t", line[i-1]) >= 0
}

// closingQuote is the index of the quote that ends the string begun before i, or -1.
func closingQuote(line string, i int) int {
	for ; i < len(line); i++ {
		switch line[i] {
		case '\\':
			i++
		case '"':
			return i
		}
	}
	return -1
}

func isWordByte(c byte) bool {
	return isLetter(c) || isDigit(c) || c == '_' || c == '-' || c == '.' || c == '@' || c >= 0x80
}

func isLetter(c byte) bool { return 'a' <= c|0x20 && c|0x20 <= 'z' }
func isDigit(c byte) bool  { return '0' <= c && c <= '9' }
