package journal

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"strings"
	"time"
)

// Mend puts right what a process that died while it wrote has left: a torn last line is cut off, its bytes are kept beside the
// journal as journal.torn-<time>, and an entry of the phase "mend" says so. Lines that are missing at the end, or changed there, are
// said in such an entry too, and the numbers go on after them, so that Verify names the hole for ever. mended is how many such
// entries were written, 0 or 1. Append does the same by itself.
func (j *Journal) Mend() (mended int, err error) {
	unlock, err := j.lock("mend")
	if err != nil {
		return 0, err
	}
	defer unlock()
	return j.mend("mend")
}

type mending struct {
	TornBytes int64  `json:"torn_bytes,omitempty"`
	Kept      string `json:"kept,omitempty"`
	EndsAt    uint64 `json:"ends_at,omitempty"`
	Reached   uint64 `json:"reached,omitempty"`
}

// mend brings j.seen up to the file's end, and puts that end right. The lock is held.
func (j *Journal) mend(op string) (int, error) {
	reached := j.seen.tip
	torn, err := j.catchUp()
	if err != nil {
		return 0, failed(op, j.path(fileName), err)
	}
	var m mending
	var words []string
	if torn > 0 {
		m.TornBytes = torn
		if m.Kept, err = j.cutTail(); err != nil {
			return 0, failed(op, j.path(fileName), err)
		}
		words = append(words, fmt.Sprintf("the last line was torn: %d bytes were cut off and kept as %s", torn, m.Kept))
	}
	head, err := readHead(j.dir)
	last := j.seen.tip
	switch {
	case err != nil && last.seq > 0:
		words = append(words, "the head file was missing or broken: whether lines were missing at the end cannot be said")
	case err == nil && head.seq >= reached.seq:
		reached = head
	}
	base := last
	if reached.seq >= last.seq && reached != last {
		base, m.EndsAt, m.Reached = reached, last.seq, reached.seq
		words = append(words, fmt.Sprintf("the journal had reached number %d; its last good line was number %d", reached.seq, last.seq))
	}
	if len(words) == 0 {
		return 0, nil
	}
	detail, err := json.Marshal(m)
	if err != nil {
		return 0, failed(op, j.path(fileName), err)
	}
	host, _ := os.Hostname()
	_, err = j.write(op, base, Entry{
		Time: time.Now().UTC().Round(0), Actor: "quarterdeck", Host: cut(host, maxName), Action: name, Target: fileName,
		Phase: PhaseMend, Detail: detail, Result: "done", Reason: strings.Join(words, "; "),
	})
	if err != nil {
		return 0, err
	}
	return 1, nil
}

// catchUp reads what others have written since, from the end, and returns how many bytes of a torn line are there.
func (j *Journal) catchUp() (torn int64, err error) {
	f, err := os.OpenFile(j.path(fileName), os.O_RDWR|os.O_CREATE, filePerm)
	if err != nil {
		return 0, err
	}
	defer func() { _ = f.Close() }()
	info, err := f.Stat()
	if err != nil {
		return 0, err
	}
	known := j.seen
	if known.file == nil || !os.SameFile(known.file, info) || info.Size() < known.end {
		known.end, known.tip = 0, tip{}
	}
	end, err := lineEnd(f, known.end, info.Size())
	if err != nil {
		return 0, err
	}
	last, found, err := lastGood(f, known.end, end)
	if err != nil {
		return 0, err
	}
	if !found {
		last = known.tip
	}
	j.seen = seen{file: info, end: end, tip: last}
	return info.Size() - end, nil
}

// cutTail keeps what is after the last whole line beside the journal and cuts it off.
func (j *Journal) cutTail() (kept string, err error) {
	f, err := os.Open(j.path(fileName))
	if err != nil {
		return "", err
	}
	defer func() { _ = f.Close() }()
	info, err := f.Stat()
	if err != nil {
		return "", err
	}
	kept = "journal.torn-" + time.Now().UTC().Format("20060102T150405.000000000Z")
	out, err := os.OpenFile(j.path(kept), os.O_WRONLY|os.O_CREATE|os.O_EXCL, filePerm)
	if err != nil {
		return "", err
	}
	defer func() { _ = out.Close() }()
	if _, err := io.Copy(out, io.NewSectionReader(f, j.seen.end, info.Size()-j.seen.end)); err != nil {
		return "", err
	}
	if err := out.Sync(); err != nil {
		return "", err
	}
	if err := syncDir(j.dir); err != nil {
		return "", err
	}
	return kept, os.Truncate(j.path(fileName), j.seen.end)
}
