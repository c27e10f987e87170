package runner

import (
	"bufio"
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net"
	"strconv"
	"strings"
	"sync"
	"time"
)

// master is as much of a redis master as a replica needs that is to take one RDB: so the RDB goes from restic to the server without a file, a second
// server or its memory between. The protocol is that of PSYNC with a full resynchronisation; the RDB's length is not known beforehand, so its end is a mark.
type master struct {
	host, port string // where the server reaches it
	listen     net.Listener
	rdb        io.Reader
	again      chan struct{} // closed when a replica asks a second time

	mu   sync.Mutex
	conn net.Conn
}

// answerWithin bounds how long the server may take to come for its data after it was told to.
const answerWithin = time.Minute

// newMaster listens on the address by which this host reaches the server.
func newMaster(ctx context.Context, host, port string, rdb io.Reader) (*master, error) {
	d := net.Dialer{Timeout: 10 * time.Second}
	c, err := d.DialContext(ctx, "tcp", net.JoinHostPort(host, port))
	if err != nil {
		return nil, err
	}
	own := c.LocalAddr().(*net.TCPAddr).IP.String()
	_ = c.Close()
	l, err := net.Listen("tcp", net.JoinHostPort(own, "0"))
	if err != nil {
		return nil, err
	}
	return &master{host: own, port: strconv.Itoa(l.Addr().(*net.TCPAddr).Port), listen: l, rdb: rdb, again: make(chan struct{})}, nil
}

// serve waits for the replica and sends the RDB. The mark that ends it is sent only after the source has told its end: a replica throws away what has none.
func (m *master) serve(ctx context.Context) error {
	stop := context.AfterFunc(ctx, m.close)
	defer stop()
	if t, ok := m.listen.(*net.TCPListener); ok {
		_ = t.SetDeadline(time.Now().Add(answerWithin))
	}
	conn, err := m.listen.Accept()
	if err != nil {
		return fmt.Errorf("redis did not come for the data: %w", err)
	}
	m.mu.Lock()
	m.conn = conn
	m.mu.Unlock()
	in := bufio.NewReader(conn)
	if err := greet(conn, in); err != nil {
		return err
	}
	var id, mark [20]byte
	_, _ = rand.Read(id[:])
	_, _ = rand.Read(mark[:])
	end := hex.EncodeToString(mark[:])
	out := bufio.NewWriterSize(conn, 64<<10)
	fmt.Fprintf(out, "+FULLRESYNC %x 0\r\n$EOF:%s\r\n", id, end)
	if err := out.Flush(); err != nil { // at once: it waits for this with a time limit of its own
		return err
	}
	if _, err := io.Copy(out, m.rdb); err != nil {
		return err
	}
	_, _ = out.WriteString(end)
	if err := out.Flush(); err != nil {
		return err
	}
	_ = conn.SetReadDeadline(time.Time{})
	go func() { _, _ = io.Copy(io.Discard, in) }() // the replica's reports, so that they do not fill the line
	go m.listenOn()
	return nil
}

// greet answers a replica until it asks for the data.
func greet(conn net.Conn, in *bufio.Reader) error {
	for {
		_ = conn.SetReadDeadline(time.Now().Add(answerWithin))
		words, err := readWords(in)
		if err != nil {
			return fmt.Errorf("redis as a replica: %w", err)
		}
		answer := "+OK\r\n"
		switch strings.ToUpper(words[0]) {
		case "PING":
			answer = "+PONG\r\n"
		case "PSYNC":
			return nil
		}
		if _, err := io.WriteString(conn, answer); err != nil {
			return err
		}
	}
}

// listenOn sees a replica that comes again.
func (m *master) listenOn() {
	if t, ok := m.listen.(*net.TCPListener); ok {
		_ = t.SetDeadline(time.Time{})
	}
	if c, err := m.listen.Accept(); err == nil {
		_ = c.Close()
		close(m.again)
	}
}

// askedAgain tells whether a replica came a second time: it could not use what it was sent.
func (m *master) askedAgain() bool {
	select {
	case <-m.again:
		return true
	default:
		return false
	}
}

func (m *master) close() {
	_ = m.listen.Close()
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.conn != nil {
		_ = m.conn.Close()
	}
}

// readWords reads a command: an array of strings. A replica's are short.
func readWords(in *bufio.Reader) ([]string, error) {
	n, err := readCount(in, '*')
	if err != nil {
		return nil, err
	}
	var out []string
	for range n {
		size, err := readCount(in, '$')
		if err != nil {
			return nil, err
		}
		word := make([]byte, size+2)
		if _, err := io.ReadFull(in, word); err != nil {
			return nil, err
		}
		out = append(out, string(word[:size]))
	}
	return out, nil
}

func readCount(in *bufio.Reader, sign byte) (int, error) {
	line, err := in.ReadSlice('\n')
	if err != nil {
		return 0, err
	}
	text := strings.TrimSpace(string(line))
	if text == "" || text[0] != sign {
		return 0, errors.New("what it says is not understood")
	}
	n, err := strconv.Atoi(text[1:])
	if err != nil || n < 1 || n > 1024 {
		return 0, errors.New("what it says is not understood")
	}
	return n, nil
}
