package journal

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"
	"unicode/utf8"

	"quarterdeck/sources"
)

// Entry is one line. The names of its JSON fields are stable (COMMANDS.md).
type Entry struct {
	Seq     uint64          `json:"seq"`  // from 1, without holes
	Time    time.Time       `json:"time"` // UTC
	Run     string          `json:"run"`  // run id
	Actor   string          `json:"actor"`
	Host    string          `json:"host"`              // machine that the program runs on
	Cluster string          `json:"cluster,omitempty"` // the swarm's id
	Context string          `json:"context,omitempty"`
	Action  string          `json:"action"` // scale | redeploy | rollback | undo | rotate | observe | journal …
	Target  string          `json:"target"` // names of services, with commas between
	Phase   string          `json:"phase"`  // begin | step | end | mend …
	Step    string          `json:"step,omitempty"`
	State   string          `json:"state,omitempty"` // of the step: started | done | failed
	Before  json.RawMessage `json:"before,omitempty"`
	After   json.RawMessage `json:"after,omitempty"`
	Detail  json.RawMessage `json:"detail,omitempty"` // the plan at begin, and what else a phase has to say
	Result  string          `json:"result,omitempty"` // done | failed | taken-back | interrupted | nothing-to-do
	Reason  string          `json:"reason,omitempty"`
	Prev    string          `json:"prev"` // hash of the line before; "" of the first
	Hash    string          `json:"hash"` // of this line, see the package's text; must stay the last field
}

// PhaseMend is the phase of an entry that the journal wrote itself, about itself.
const PhaseMend = "mend"

// Bounds of an entry, in bytes. Text that is longer is cut and ends in "…"; JSON that is longer is an error, because a plan that
// was cut could not be resumed.
const (
	maxName   = 256
	maxStep   = 1 << 10
	maxReason = 4 << 10
	maxTarget = 64 << 10
	// MaxJSON bounds each of Before, After and Detail.
	MaxJSON = 2 << 20
	// maxLine is over what the bounds above can come to; longer lines are broken.
	maxLine = 8 << 20
	maxSeq  = 1 << 62
)

var (
	errNoEntry = errors.New("is no entry of a journal")
	errTooLong = fmt.Errorf("is longer than %d MiB", maxLine>>20)
	errChanged = errors.New("has been changed: its hash does not fit its content")
)

const (
	hexLen = 2 * sha256.Size
	opener = `"hash":"`
	closer = `"}`
)

// tip is where a chain has got to; its zero value is the beginning.
type tip struct {
	seq  uint64
	hash string
}

func (e *Entry) tip() tip { return tip{e.Seq, e.Hash} }

// bounded is the entry as it may be written.
func (e Entry) bounded() (Entry, error) {
	e.Time = e.Time.UTC().Round(0)
	for _, p := range []*string{&e.Run, &e.Actor, &e.Host, &e.Cluster, &e.Context, &e.Action, &e.Phase, &e.State, &e.Result} {
		*p = cut(*p, maxName)
	}
	e.Step, e.Reason, e.Target = cut(e.Step, maxStep), cut(e.Reason, maxReason), cut(e.Target, maxTarget)
	for _, r := range []struct {
		name string
		raw  *json.RawMessage
	}{{"before", &e.Before}, {"after", &e.After}, {"detail", &e.Detail}} {
		if err := compact(r.raw); err != nil {
			return e, bad("append", fmt.Errorf("%s: %w", r.name, err))
		}
	}
	return e, nil
}

func cut(s string, limit int) string {
	s = strings.ToValidUTF8(s, "\uFFFD")
	if len(s) <= limit {
		return s
	}
	n := limit - len("…")
	for n > 0 && !utf8.RuneStart(s[n]) {
		n--
	}
	return s[:n] + "…"
}

func compact(raw *json.RawMessage) error {
	if len(*raw) > MaxJSON {
		return fmt.Errorf("%d bytes: %w", len(*raw), sources.ErrTooLarge)
	}
	if t := bytes.TrimSpace(*raw); len(t) == 0 || string(t) == "null" {
		*raw = nil
		return nil
	}
	var b bytes.Buffer
	if err := json.Compact(&b, bytes.ToValidUTF8(*raw, []byte("\uFFFD"))); err != nil {
		return err
	}
	*raw = b.Bytes()
	return nil
}

// encode gives the line, with its end, of an entry that is bounded, and the entry with its hash.
func encode(e Entry) (Entry, []byte, error) {
	e.Hash = ""
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(e); err != nil {
		return e, nil, bad("append", err)
	}
	body := bytes.TrimSuffix(b.Bytes(), []byte(closer+"\n"))
	e.Hash = hashOf(body)
	return e, fmt.Appendf(body, "%s%s\n", e.Hash, closer), nil
}

// hashOf is the hash of a line of which what stands before the hash's digits is given.
func hashOf(body []byte) string {
	h := sha256.New()
	h.Write(body)
	h.Write([]byte(closer))
	return hex.EncodeToString(h.Sum(nil))
}

// decode reads a line without its end. With errChanged it gives what the line says, all the same.
func decode(line []byte) (Entry, error) {
	at := len(line) - len(closer) - hexLen
	if at < len(opener) || !bytes.HasSuffix(line[:at], []byte(opener)) || !bytes.HasSuffix(line, []byte(closer)) {
		return Entry{}, errNoEntry
	}
	var e Entry
	if err := json.Unmarshal(line, &e); err != nil || e.Seq == 0 || e.Seq > maxSeq {
		return Entry{}, errNoEntry
	}
	if stated := string(line[at : at+hexLen]); e.Hash != stated || hashOf(line[:at]) != stated {
		return e, errChanged
	}
	return e, nil
}
