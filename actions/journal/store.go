package journal

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"quarterdeck/sources"
)

// MaxSpec bounds what SaveSpec takes, in bytes.
const MaxSpec = sources.MaxSpec

const (
	keyLen   = 32
	tempName = ".tmp-*"
)

// isHash tells whether a text is a SHA-256 in lower case hex.
func isHash(s string) bool {
	return len(s) == hexLen && strings.Trim(s, "0123456789abcdef") == ""
}

// SaveSpec keeps a body under the SHA-256 of its bytes, in lower-case hex. When it returns without an error the body is on the disk. One that is
// there already is left as it is.
func (j *Journal) SaveSpec(hash string, body []byte) error {
	const op = "keep a spec"
	path, err := j.specPath(op, hash)
	if err != nil {
		return err
	}
	if len(body) > MaxSpec {
		return bad(op, fmt.Errorf("%d bytes: %w", len(body), sources.ErrTooLarge))
	}
	if sumOf(body) != hash {
		return bad(op, errors.New("the hash is not that of the content"))
	}
	dir := filepath.Dir(path)
	if err := j.makeDir(dir); err != nil {
		return err
	}
	if checkSpec(path, hash) == nil {
		return failed(op, path, syncDir(dir)) // who made it may have died before this
	}
	return failed(op, path, replace(path, body))
}

// Spec is the body that was kept under a hash; a *sources.Error of the kind NotFound where there is none, of BadAnswer where the content
// is no longer what was kept.
func (j *Journal) Spec(hash string) ([]byte, error) {
	const op = "read a spec"
	path, err := j.specPath(op, hash)
	if err != nil {
		return nil, err
	}
	b, err := readSpec(path, hash)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, &sources.Error{Source: name, Op: op, Kind: sources.NotFound, Next: "it was recorded on another machine, or its file was removed", Err: err}
	}
	return b, failed(op, path, err)
}

func (j *Journal) specPath(op, hash string) (string, error) {
	if !isHash(hash) {
		return "", bad(op, fmt.Errorf("%.80q is no SHA-256 in hex", hash))
	}
	return filepath.Join(j.dir, specsDir, hash[:2], hash+".json"), nil
}

func sumOf(b []byte) string {
	s := sha256.Sum256(b)
	return hex.EncodeToString(s[:])
}

func checkSpec(path, hash string) error {
	_, err := readSpec(path, hash)
	return err
}

func readSpec(path, hash string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }()
	b, err := io.ReadAll(io.LimitReader(f, MaxSpec+1))
	if err != nil {
		return nil, err
	}
	if sumOf(b) != hash {
		return nil, &sources.Error{Source: name, Op: "read a spec", Kind: sources.BadAnswer, Next: "the file was changed: do not use it; restore it from a copy of the journal's directory", Err: errors.New(path + " is not what was kept")}
	}
	return b, nil
}

// replace puts a whole file in the place of path, or leaves it as it is, and makes it durable.
func replace(path string, body []byte) error {
	dir := filepath.Dir(path)
	f, err := os.CreateTemp(dir, tempName) // made with 0600
	if err != nil {
		return err
	}
	_, err = f.Write(body)
	if err == nil {
		err = f.Sync()
	}
	err = errors.Join(err, f.Close())
	if err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		_ = os.Remove(f.Name())
		return err
	}
	return syncDir(dir)
}

// Key is a secret of 32 random bytes, the same for all processes of this journal, for HMACs by which masked values are told apart without being
// known. It is made at the first call.
func (j *Journal) Key() ([]byte, error) {
	const op = "read the key"
	path := j.path(keyFile)
	unlock, err := j.lock(op)
	if err != nil {
		return nil, err
	}
	defer unlock()
	b, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		b = make([]byte, keyLen)
		_, _ = rand.Read(b) // never fails
		return b, failed(op, path, replace(path, b))
	}
	if err != nil {
		return nil, failed(op, path, err)
	}
	if len(b) != keyLen {
		return nil, &sources.Error{Source: name, Op: op, Kind: sources.BadAnswer, Next: "restore " + path + ", or remove it: then masked values of before cannot be compared with new ones", Err: fmt.Errorf("the key has %d bytes, not %d", len(b), keyLen)}
	}
	return b, nil
}
