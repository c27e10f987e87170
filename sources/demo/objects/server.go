package objects

import (
	"bytes"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"time"

	"github.com/johannesboyne/gofakes3"
	"github.com/johannesboyne/gofakes3/backend/s3mem"
)

// Where records are, and the keys that open it. They open a simulation: they are no secret.
const (
	Bucket    = "backups"
	Prefix    = "demo"
	AccessKey = "quarterdeck-demo"
	SecretKey = "a-simulation-has-no-secrets"
	Region    = "us-east-1"
)

// maxBody bounds an object, in bytes: everything is in memory.
const maxBody = 64 << 20

// Server is the store. Safe for concurrent use.
type Server struct {
	backend *s3mem.Backend
	inner   http.Handler
	now     func() time.Time
}

// New makes a store with one empty bucket.
func New(now func() time.Time, log *slog.Logger) (*Server, error) {
	if now == nil {
		now = time.Now
	}
	clock := clock(now)
	s := &Server{backend: s3mem.New(s3mem.WithTimeSource(clock)), now: now}
	if err := s.backend.CreateBucket(Bucket); err != nil {
		return nil, fmt.Errorf("demo: object store: %w", err)
	}
	// The skew is for signatures, and those are checked here.
	s.inner = gofakes3.New(s.backend, gofakes3.WithTimeSource(clock), gofakes3.WithTimeSkewLimit(0), gofakes3.WithLogger(logger{log})).Server()
	return s, nil
}

// ServeHTTP lets in who has signed with the keys.
func (s *Server) ServeHTTP(rw http.ResponseWriter, r *http.Request) {
	if code, message := refuse(r); code != "" {
		rw.Header().Set("Content-Type", "application/xml")
		rw.WriteHeader(http.StatusForbidden)
		fmt.Fprintf(rw, "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<Error><Code>%s</Code><Message>%s</Message></Error>", code, message)
		return
	}
	if strings.HasPrefix(r.Header.Get("X-Amz-Content-Sha256"), "STREAMING-") && r.Header.Get("X-Amz-Content-Sha256") != "STREAMING-AWS4-HMAC-SHA256-PAYLOAD" {
		http.Error(rw, "trailing checksums are not simulated", http.StatusNotImplemented)
		return
	}
	r.Body = http.MaxBytesReader(rw, r.Body, maxBody)
	s.inner.ServeHTTP(rw, r)
}

// Put writes an object of the bucket, by a key under Prefix.
func (s *Server) Put(key string, data []byte) error { return s.put(key, data, nil) }

// Create writes an object if there is none of that key.
func (s *Server) Create(key string, data []byte) (made bool, err error) {
	whatever := "*"
	err = s.put(key, data, &gofakes3.PutConditions{IfNoneMatch: &whatever})
	if gofakes3.HasErrorCode(err, gofakes3.ErrPreconditionFailed) {
		return false, nil
	}
	return err == nil, err
}

// Get reads an object; nil: there is none.
func (s *Server) Get(key string) ([]byte, error) {
	o, err := s.backend.GetObject(Bucket, Prefix+"/"+key, nil)
	if gofakes3.HasErrorCode(err, gofakes3.ErrNoSuchKey) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	defer o.Contents.Close()
	return io.ReadAll(o.Contents)
}

// Remove removes an object; one that is not there is as good.
func (s *Server) Remove(key string) error {
	_, err := s.backend.DeleteObject(Bucket, Prefix+"/"+key)
	return err
}

func (s *Server) put(key string, data []byte, c *gofakes3.PutConditions) error {
	_, err := s.backend.PutObject(Bucket, Prefix+"/"+key, map[string]string{"Content-Type": "application/json", "Last-Modified": s.now().UTC().Format(http.TimeFormat)}, bytes.NewReader(data), int64(len(data)), c)
	return err
}

// clock is the simulation's time as gofakes3 takes it.
type clock func() time.Time

// Now is the time.
func (c clock) Now() time.Time { return c() }

// Since is the time since.
func (c clock) Since(t time.Time) time.Duration { return c().Sub(t) }

// logger takes gofakes3's words.
type logger struct{ to *slog.Logger }

// Print takes errors and warnings, and drops the rest: a line a request.
func (l logger) Print(level gofakes3.LogLevel, v ...any) {
	if l.to != nil && (level == gofakes3.LogErr || level == gofakes3.LogWarn) {
		l.to.Warn("demo object store", "says", fmt.Sprint(v...))
	}
}
