package swarm

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net/url"
	"strings"
	"time"
)

// Bounds of a log stream. moby's own stdcopy allocates whatever a frame's header says (up to 4 GiB), so it is not used
// here; a fuzz test holds the two against each other.
const (
	maxFrame = 2 << 20   // bytes; engines cut messages at 16 KiB, or 1 MiB where a driver is told so
	maxLine  = 256 << 10 // bytes of one line put together from partial messages; the rest of it is dropped
)

// The streams that a frame's header names (moby, api/pkg/stdcopy).
const (
	streamStdout = 1
	streamStderr = 2
	streamSystem = 3 // the engine's own word on what went wrong
)

// demux reads a log stream to its end and hands over each frame; payload is valid only during the call. A service with a
// terminal sends bare lines, which the first bytes tell apart: a frame begins with 0..3 0 0 0, a line with its year.
func demux(r io.Reader, frame func(stream byte, payload []byte) error) error {
	b := bufio.NewReaderSize(r, 64<<10)
	head, err := b.Peek(8)
	if len(head) == 0 && errors.Is(err, io.EOF) {
		return nil
	}
	if len(head) >= 4 && head[0] <= streamSystem && head[1] == 0 && head[2] == 0 && head[3] == 0 {
		return demuxFrames(b, frame)
	}
	return demuxLines(b, frame)
}

func demuxFrames(b *bufio.Reader, frame func(byte, []byte) error) error {
	var payload []byte
	var head [8]byte
	for {
		if _, err := io.ReadFull(b, head[:]); err != nil {
			if errors.Is(err, io.EOF) {
				return nil
			}
			return err
		}
		size := binary.BigEndian.Uint32(head[4:])
		if head[0] > streamSystem || head[1]|head[2]|head[3] != 0 || size > maxFrame {
			return fmt.Errorf("%w: a log frame of stream %d with %d bytes", errNotEngine, head[0], size)
		}
		if uint32(cap(payload)) < size {
			payload = make([]byte, size)
		}
		payload = payload[:size]
		if _, err := io.ReadFull(b, payload); err != nil {
			if errors.Is(err, io.EOF) {
				err = io.ErrUnexpectedEOF
			}
			return err
		}
		if err := frame(head[0], payload); err != nil {
			return err
		}
	}
}

func demuxLines(b *bufio.Reader, frame func(byte, []byte) error) error {
	for {
		line, err := b.ReadSlice('\n')
		if errors.Is(err, bufio.ErrBufferFull) { // handed over in parts: without its end it is a partial message
			err = nil
		}
		if len(line) > 0 {
			if err := frame(streamStdout, line); err != nil {
				return err
			}
		}
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
	}
}

// rawLine is one line as the engine has it.
type rawLine struct {
	stream              byte
	time                time.Time
	task, node, service string // ids
	text                string
}

// lines puts frames together to lines. One reader has one.
type lines struct {
	sink    func(rawLine) error
	system  func(message string)
	partial map[string]*rawLine // by stream and task: what has no end yet
	last    rawLine
}

// frame takes one frame in: "TIME DETAILS TEXT", as asked for by timestamps and details.
func (l *lines) frame(stream byte, payload []byte) error {
	if stream == streamSystem {
		l.system(strings.TrimSpace(string(payload)))
		return nil
	}
	line, ok := parseLine(payload)
	if !ok { // no time: goes on from the line before, or is nothing that an engine sends
		line = l.last
		line.text = string(payload)
	}
	line.stream = stream
	l.last = line
	text, rest, ended := strings.Cut(line.text, "\n")
	for {
		if err := l.part(line, text, ended); err != nil {
			return err
		}
		if !ended || rest == "" {
			return nil
		}
		text, rest, ended = strings.Cut(rest, "\n")
	}
}

// part adds text to the line under way, and hands the line over where it ends.
func (l *lines) part(line rawLine, text string, ended bool) error {
	key := string(line.stream) + line.task
	p := l.partial[key]
	if ended && p == nil {
		line.text = strings.TrimSuffix(clip(text), "\r")
		return l.sink(line)
	}
	if p == nil {
		if l.partial == nil {
			l.partial = map[string]*rawLine{}
		}
		p = &line
		p.text = ""
		l.partial[key] = p
	}
	if room := maxLine - len(p.text); room > 0 {
		p.text += text[:min(room, len(text))]
	}
	if !ended {
		return nil
	}
	delete(l.partial, key)
	p.text = strings.TrimSuffix(p.text, "\r")
	return l.sink(*p)
}

// flush hands over what has no end at the stream's end.
func (l *lines) flush() error {
	for key, p := range l.partial {
		delete(l.partial, key)
		if err := l.sink(*p); err != nil {
			return err
		}
	}
	return nil
}

func clip(s string) string { return s[:min(len(s), maxLine)] }

// Keys of the details that the engine adds to each line of a service.
const (
	nodeDetail    = "com.docker.swarm.node.id"
	serviceDetail = "com.docker.swarm.service.id"
	taskDetail    = "com.docker.swarm.task.id"
)

// parseLine reads a line with its time and details; it tells whether there is a time.
func parseLine(b []byte) (rawLine, bool) {
	stamp, rest, ok := bytes.Cut(b, []byte{' '})
	if !ok || len(stamp) > 40 {
		return rawLine{}, false
	}
	t, err := time.Parse(time.RFC3339Nano, string(stamp))
	if err != nil {
		return rawLine{}, false
	}
	details, text, ok := bytes.Cut(rest, []byte{' '})
	if !ok {
		return rawLine{time: t, text: string(rest)}, true
	}
	line := rawLine{time: t, text: string(text)}
	for pair := range strings.SplitSeq(string(details), ",") {
		key, value, _ := strings.Cut(pair, "=")
		key, _ = url.QueryUnescape(key) // what cannot be read is no key of ours
		switch key {
		case nodeDetail:
			line.node = value
		case serviceDetail:
			line.service = value
		case taskDetail:
			line.task = value
		}
	}
	return line, true
}

// readLog reads one log stream to its end.
func readLog(r io.Reader, sink func(rawLine) error, system func(string)) error {
	l := &lines{sink: sink, system: system}
	if err := demux(r, l.frame); err != nil {
		return err // a line cut in the middle is not handed over: a retry brings it whole
	}
	return l.flush()
}
