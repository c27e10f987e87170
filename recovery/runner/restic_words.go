package runner

import (
	"errors"
	"strings"

	"quarterdeck/recovery"
)

// Exit codes of restic since 0.17. Before, all of them are 1, and the words tell.
const (
	exitIncomplete    = 3 // of backup, all versions: some files could not be read
	exitNoRepository  = 10
	exitLocked        = 11
	exitWrongPassword = 12
)

// sayings are restic's words, in the order in which they are looked for: what the network does comes before what was being done meanwhile.
var sayings = []struct {
	code  recovery.Code
	words []string
}{
	{recovery.Locked, []string{"repository is already locked", "unable to create lock in backend"}},
	{recovery.WrongPassword, []string{"wrong password or no key found", "an empty password is not"}},
	{recovery.NoStore, []string{"connection refused", "no such host", "i/o timeout", "network is unreachable", "no route to host", "connection reset", "TLS handshake",
		"server misbehaving", "Access Denied", "InvalidAccessKeyId", "SignatureDoesNotMatch", "does not match the signature", "SlowDown", "503 Service Unavailable", "permission denied"}},
	{recovery.NoSpace, []string{"no space left on device", "disk quota exceeded"}},
	{recovery.NoSnapshot, []string{"no matching ID found", "no snapshot found"}},
}

// absent are words of a config file that is not there; with others at the same place the store does not answer.
var absent = []string{"no such file or directory", "does not exist", "NoSuchKey", "NoSuchBucket", "not found", "404"}

// resticCode tells what failed from how restic ended and what it said.
func resticCode(exit int, text string, otherwise recovery.Code) recovery.Code {
	switch exit {
	case exitNoRepository:
		return recovery.NoRepository
	case exitLocked:
		return recovery.Locked
	case exitWrongPassword:
		return recovery.WrongPassword
	}
	for _, s := range sayings {
		if hasAny(text, s.words) {
			return s.code
		}
	}
	if hasAny(text, []string{"unable to open config file", "Is there a repository at the following location"}) {
		if hasAny(text, absent) {
			return recovery.NoRepository
		}
		return recovery.NoStore
	}
	return otherwise
}

func hasAny(text string, words []string) bool {
	for _, w := range words {
		if strings.Contains(text, w) {
			return true
		}
	}
	return false
}

// ways are what to do about each code of the repository's.
var ways = map[recovery.Code]string{
	recovery.WrongPassword: "give the repository's own password as RESTIC_PASSWORD in its secret",
	recovery.NoRepository:  "look at RESTIC_REPOSITORY in the repository's secret; the first backup makes the repository",
	recovery.Locked:        "wait until it has ended; if its runner is gone, restic gives the lock up 30 minutes after its last sign of life",
	recovery.NoStore:       "look whether the store of RESTIC_REPOSITORY answers, and at its keys",
	recovery.NoSpace:       "make room there",
	recovery.NoSnapshot:    "choose one of those that `quarterdeck snapshots` lists",
	recovery.Damaged:       "choose an older snapshot, and look at the repository with `restic check`",
}

var states = map[recovery.Code]string{
	recovery.WrongPassword: "the repository's password is wrong, or its keys are gone",
	recovery.NoRepository:  "there is no repository at that place",
	recovery.NoStore:       "the repository's store does not answer, or refuses",
	recovery.NoSpace:       "no space is left",
	recovery.NoSnapshot:    "the repository has no such snapshot",
	recovery.Damaged:       "the repository cannot be read back",
}

// resticFault is a failed restic as a fault; other errors, and nil, stay what they are.
func resticFault(err error, otherwise recovery.Code) error {
	var f *failed
	if !errors.As(err, &f) {
		return err
	}
	code := resticCode(f.code, f.text, otherwise)
	if f.code == -1 && f.text == "" {
		code = recovery.UnexpectedError
	}
	reason := f.Error()
	switch {
	case code == recovery.Locked:
		reason = "another restic holds the repository's lock: " + holder(f.text)
	case states[code] != "":
		reason = states[code] + ": " + lastLines(f.text)
	}
	return &fault{code, reason, ways[code], err}
}

// holder is who has the lock, as restic says it.
func holder(text string) string {
	var out []string
	for _, line := range strings.Split(text, "\n") {
		if _, who, ok := strings.Cut(line, "already locked "); ok {
			out = append(out, strings.TrimSpace(who))
		} else if strings.HasPrefix(line, "lock was created at") {
			out = append(out, strings.TrimSpace(line))
		}
	}
	if len(out) == 0 {
		return lastLines(text)
	}
	return strings.Join(out, ", ")
}

// lastLines is the end of what a tool said, in one line, without the stack that Go programs print where they did not expect what they met.
func lastLines(text string) string {
	var lines []string
	for line := range strings.Lines(strings.TrimSpace(text)) {
		if strings.HasPrefix(line, "\t") {
			if len(lines) > 0 && !strings.Contains(lines[len(lines)-1], " ") {
				lines = lines[:len(lines)-1] // the function's name
			}
			continue
		}
		lines = append(lines, strings.TrimSpace(line))
	}
	return strings.Join(lines[max(0, len(lines)-3):], "; ")
}
