package journal

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// headLen is the length of the head file: 20 digits, a space, a hash, a line's end. It is always the same and within one sector, so
// that writing it anew in place leaves the old or the new one.
const headLen = 20 + 1 + hexLen + 1

var errHead = errors.New("the head file cannot be understood")

func readHead(dir string) (tip, error) {
	b, err := os.ReadFile(filepath.Join(dir, headFile))
	if err != nil {
		return tip{}, err
	}
	digits, rest, _ := strings.Cut(string(b), " ")
	hash, after, ended := strings.Cut(rest, "\n")
	seq, err := strconv.ParseUint(digits, 10, 64)
	if err != nil || len(b) != headLen || seq > maxSeq || !isHash(hash) || !ended || after != "" {
		return tip{}, errHead
	}
	if seq == 0 {
		hash = ""
	}
	return tip{seq, hash}, nil
}

// writeHead notes the last line. It is made durable only when it is made: an older head notices less and claims nothing false.
func (j *Journal) writeHead(t tip) error {
	path := j.path(headFile)
	if t.hash == "" {
		t.hash = strings.Repeat("0", hexLen)
	}
	_, missing := os.Lstat(path)
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE, filePerm)
	if err != nil {
		return failed("note the last entry", path, err)
	}
	defer func() { _ = f.Close() }()
	_, err = fmt.Fprintf(f, "%020d %s\n", t.seq, t.hash)
	if err == nil && errors.Is(missing, fs.ErrNotExist) {
		err = errors.Join(f.Sync(), syncDir(j.dir))
	}
	return failed("note the last entry", path, err)
}
