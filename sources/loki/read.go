package loki

import "io"

// headReader keeps the beginning of what goes through it, to tell what came instead of JSON, and the
// reader's own error, to tell a broken connection from broken JSON.
type headReader struct {
	r    io.Reader
	head []byte
	err  error
}

func (h *headReader) Read(p []byte) (int, error) {
	n, err := h.r.Read(p)
	if room := 256 - len(h.head); room > 0 {
		h.head = append(h.head, p[:min(n, room)]...)
	}
	if err != nil && err != io.EOF {
		h.err = err
	}
	return n, err
}
