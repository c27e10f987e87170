package main

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"hash/fnv"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"time"
)

// rawBytes stands in JSON text for bytes that are no UTF-8: encoding/json would not write them.
const rawBytes = "RAWBYTES"

// payloads are what a hostile or broken program puts into a name, a label or a line. Each is harmless to the
// program that hands it on, and does something to a terminal that it reaches.
var payloads = []string{
	"\x1b]0;owned\x07\x1b[2J\x1b[H",
	"\x1b]52;c;ZXZpbA==\x07\x1b]8;;http://x\x1b\\",
	"\x1bPq#0;1~\x1b\\\x1b_Gi=1\x1b\\\x1bc\x1b(0",
	"\u009b2J\u009b31m\u009d0;owned\u009c\u0085\u008d",
	"\r\n\v\f\x00\x07\x08\x08\x08\x7f\x1b",
	"\t\ta\tb",
	"\u202eevil\u202c\u2066x\u2069\u200f\u061c",
	"\u200b\u200d\ufeff\u2060\u00ad\U000e0041",
	"e" + strings.Repeat("\u0301", 1000),
	rawBytes,
	"\u2028\u2029 two\nlines\r",
	"日本語テキスト한국어ｆｕｌｌ",
	"👩‍👩‍👧‍👦🇩🇪👍🏽⚠️\u0d4e\u1160",
	"\x1b[38;2;1;2;3m\x1b[?1049l\x1b[?25h\x1b[999;999H\x1b[6n",
}

// megabytes are payloads of their own, for a few texts.
var megabytes = []string{strings.Repeat("x\x1b]", megabyte/3), strings.Repeat("日\u0301", megabyte/5)}

// spoiled is s with one of the payloads before and after it, always the same one.
func spoiled(s string) string {
	h := fnv.New32a()
	_, _ = h.Write([]byte(s))
	p := payloads[h.Sum32()%uint32(len(payloads))] //nolint:gosec // few
	if s == "shop_cart" || s == "node2" || strings.HasSuffix(s, " expires soon") || strings.Contains(s, "trace_id") && h.Sum32()%50 == 0 {
		p = megabytes[h.Sum32()%2]
	}
	return p + s + p
}

// isDatum tells of strings that are figures, times, ids and digests: spoiling them makes a bad answer, which is
// another test's.
var isDatum = regexp.MustCompile(`^([-+0-9.eE]+|NaN|[-+]?Inf|[a-z0-9]{25}|[0-9a-f]{12,64}|\d{4}-\d\d-\d\dT[0-9:.]+Z|)$`).MatchString

// keptKeys are keys whose texts have a meaning to the program that reads them, keptTexts those by which the sources know
// one service as the same.
var (
	keptKeys  = []string{"status", "resultType", "State", "DesiredState", "state", "Role", "Availability", "Type", "ApiVersion", "MinAPIVersion", "Driver", "Target", "LocalNodeState", "Data", "Subnet", "Gateway", "Addr", "IPRange"}
	keptTexts = []string{"summary", "description", "shop_web", "swarm_service", "swarm_stack", "__name__", "alertname", "severity"}
	mapKeys   = []string{"Labels", "labels", "annotations"}
)

// spoil makes every text of an answer hostile, keys of labels too. everything: also those with a meaning.
func spoil(v any, key string, everything bool) any {
	switch v := v.(type) {
	case map[string]any:
		out := make(map[string]any, len(v))
		for k, x := range v {
			name := k
			if slices.Contains(mapKeys, key) && !slices.Contains(keptTexts, k) && !strings.HasPrefix(k, "com.docker.") && !strings.HasPrefix(k, "container_label_") {
				name = k + payloads[len(k)%len(payloads)]
			}
			out[name] = spoil(x, k, everything)
		}
		return out
	case []any:
		for i := range v {
			v[i] = spoil(v[i], key, everything)
		}
	case string:
		if !isDatum(v) && !slices.Contains(keptTexts, v) && (everything || !slices.Contains(keptKeys, key)) {
			return spoiled(v)
		}
	}
	return v
}

// spoiledJSON is the fault that spoils all texts of JSON answers.
func spoiledJSON(everything bool) func([]byte) []byte {
	return func(b []byte) []byte {
		dec := json.NewDecoder(bytes.NewReader(b))
		dec.UseNumber()
		var v any
		if dec.Decode(&v) != nil {
			return b
		}
		out, err := json.Marshal(spoil(v, "", everything))
		if err != nil {
			return b
		}
		return bytes.ReplaceAll(out, []byte(rawBytes), []byte("\xff\xfe\xc3(\x9b31m"))
	}
}

// hostileLists spoils the engine's lists, not what it says of itself.
func hostileLists(w http.ResponseWriter, r *http.Request, honest http.Handler) {
	if path := r.URL.Path; strings.HasSuffix(path, "/info") || strings.HasSuffix(path, "/version") || strings.HasSuffix(path, "/_ping") {
		honest.ServeHTTP(w, r)
		return
	}
	rewritten(spoiledJSON(false))(w, r, honest)
}

// hostileLine is a payload in a line.
func hostileLine(payload string) string {
	line := strings.ReplaceAll("line of hostile text "+payload+" its end", rawBytes, "\xff\xfe\xc3(\x9b31m")
	return strings.ReplaceAll(line, "\n", " ")
}

// hostileDockerLogs answers an engine's log request with a line of each payload.
func hostileDockerLogs(w http.ResponseWriter, r *http.Request, honest http.Handler) {
	if !strings.HasSuffix(r.URL.Path, "/logs") {
		hostileLists(w, r, honest)
		return
	}
	w.Header().Set("Content-Type", "application/vnd.docker.multiplexed-stream")
	lines := slices.Concat(payloads, megabytes)
	for i, p := range lines {
		text := time.Now().Add(time.Duration(i-len(lines))*time.Millisecond).UTC().Format(time.RFC3339Nano) +
			" com.docker.swarm.node.id=n,com.docker.swarm.service.id=s,com.docker.swarm.task.id=t " + hostileLine(p) + "\n"
		frame := binary.BigEndian.AppendUint32([]byte{1 + byte(i%2), 0, 0, 0}, uint32(len(text))) //nolint:gosec // a megabyte
		if _, err := w.Write(append(frame, text...)); err != nil {
			return
		}
	}
	if r.URL.Query().Get("follow") != "" {
		_ = http.NewResponseController(w).Flush()
		hangs(w, r, honest)
	}
}

// replaced is a fault of the paths that end so: every match of a pattern in the answer becomes something else.
func replaced(suffix, pattern, with string) fault {
	re := regexp.MustCompile(pattern)
	return func(w http.ResponseWriter, r *http.Request, honest http.Handler) {
		if !strings.HasSuffix(r.URL.Path, suffix) {
			honest.ServeHTTP(w, r)
			return
		}
		rewritten(func(b []byte) []byte { return re.ReplaceAll(b, []byte(with)) })(w, r, honest)
	}
}

// twice gives each element of a list twice.
func twice(suffix string) fault {
	return func(w http.ResponseWriter, r *http.Request, honest http.Handler) {
		if !strings.HasSuffix(r.URL.Path, suffix) {
			honest.ServeHTTP(w, r)
			return
		}
		rewritten(func(b []byte) []byte {
			inner := bytes.TrimSuffix(bytes.TrimPrefix(bytes.TrimSpace(b), []byte("[")), []byte("]"))
			if len(inner) == len(bytes.TrimSpace(b)) || len(inner) == 0 {
				return b
			}
			return fmt.Appendf(nil, "[%s,%s]", inner, inner)
		})(w, r, honest)
	}
}
