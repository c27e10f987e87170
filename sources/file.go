package sources

import (
	"fmt"
	"io"
	"os"
)

// ReadFile reads a file that somebody has named: a regular one, since a pipe or a device may never end, of 1 to most bytes, whatever becomes of it meanwhile.
func ReadFile(path string, most int64) ([]byte, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, fmt.Errorf("%s is no regular file", path)
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	body, err := io.ReadAll(io.LimitReader(f, most+1))
	switch {
	case err != nil:
		return nil, err
	case len(body) == 0:
		return nil, fmt.Errorf("%s is empty", path)
	case int64(len(body)) > most:
		return nil, fmt.Errorf("%s has more than the %d bytes that are taken", path, most)
	}
	return body, nil
}
