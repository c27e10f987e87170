package objectstore

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"unicode/utf8"

	"github.com/minio/minio-go/v7"

	"quarterdeck/sources"
)

// maxKey bounds a key, in bytes, with the store's prefix: S3's own limit.
const maxKey = 1024

// noName tells a character that no name has: the control characters of Unicode (C0, DEL, C1).
func noName(r rune) bool { return r < 0x20 || r >= 0x7f && r < 0xa0 }

// checkKey refuses keys that servers take in different ways: those on a file system take .. for the folder above.
func checkKey(key string) error {
	if len(key) > maxKey {
		return fmt.Errorf("it has more than %d bytes", maxKey)
	}
	for part := range strings.SplitSeq(key, "/") {
		if part == "" || part == "." || part == ".." {
			return errors.New("it has a part that is empty, . or ..")
		}
	}
	if !utf8.ValidString(key) || strings.ContainsFunc(key, noName) {
		return errors.New("it has a character that no name has")
	}
	return nil
}

// checkPrefix is the same of what keys begin with.
func checkPrefix(prefix string) error {
	if prefix == "" {
		return nil
	}
	return checkKey(strings.TrimSuffix(prefix, "/"))
}

func badKey(op string, err error) error {
	return &sources.Error{Source: Name, Kind: sources.BadQuestion, Op: op, Err: err, Next: "nothing was sent: name it otherwise"}
}

// shown is a key as an error has it.
func shown(key string) string {
	if key == "" {
		return "everything"
	}
	out := strings.Map(func(r rune) rune {
		if noName(r) {
			return '?'
		}
		return r
	}, strings.ToValidUTF8(key, "?"))
	if r := []rune(out); len(r) > 200 {
		return string(r[:200]) + "…"
	}
	return out
}

// fault is the library's error as ours; nil stays nil, and so does the end of a context that the caller ended.
func (s *Store) fault(ctx context.Context, op string, err error) error {
	var already *sources.Error
	var answer minio.ErrorResponse
	switch {
	case err == nil:
		return nil
	case errors.As(err, &already): // of the keys
		return err
	case errors.Is(ctx.Err(), context.Canceled):
		return ctx.Err()
	case ctx.Err() != nil, errors.Is(err, context.DeadlineExceeded):
		return &sources.Error{Source: Name, Kind: sources.Unreachable, Op: op, Err: fmt.Errorf("no answer within %s", s.within), Next: s.at.Host + " is stopped, overloaded or cut off: look whether it answers"}
	case errors.As(err, &answer) && answer.StatusCode != 0:
		return s.refused(op, &answer)
	case errors.As(err, &answer): // the library's own check of what was asked
		return &sources.Error{Source: Name, Kind: sources.BadQuestion, Op: op, Err: errors.New(answer.Code + ": " + words(answer.Message)), Next: "look at the address of the object store (--s3, QUARTERDECK_S3)"}
	case strings.Contains(err.Error(), "Connection closed by foreign host"): // the library's words for an EOF, with the whole URL
		err = errCut
	}
	scheme := "http://"
	if s.at.TLS {
		scheme = "https://"
	}
	err = sources.FromTransport("the object store", op, scheme+s.at.Host, err)
	var e *sources.Error
	if errors.As(err, &e) {
		e.Source = Name
		e.Next = strings.NewReplacer("its address must begin with http://", "its address must begin with s3+http://", "in the config's tls section", "among this machine's, or name it in SSL_CERT_FILE").Replace(e.Next)
	}
	return err
}

// errCut is a connection that ended before the answer did.
var errCut = fmt.Errorf("the connection was cut: %w", io.ErrUnexpectedEOF)

// words are a server's, on one line and bounded.
func words(text string) string {
	return shown(strings.Join(strings.Fields(text), " "))
}

// refused maps an answer's code and status.
func (s *Store) refused(op string, r *minio.ErrorResponse) error {
	says := words(r.Message)
	if r.Code != "" && !strings.Contains(says, r.Code) {
		says = words(r.Code) + ": " + says
	}
	e := &sources.Error{Source: Name, Op: op, Err: fmt.Errorf("HTTP %d: %s", r.StatusCode, says)}
	to := func(kind sources.Kind, next string) { e.Kind, e.Next = kind, next }
	switch r.Code {
	case minio.NoSuchBucket:
		to(sources.NotFound, "make the bucket "+s.at.Bucket+", or name another (--s3, QUARTERDECK_S3)")
	case minio.NoSuchKey:
		to(sources.NotFound, "it is gone, or was never there")
	case "InvalidAccessKeyId", "SignatureDoesNotMatch", "InvalidToken", "ExpiredToken", "TokenRefreshRequired", "XAdminUserNotFound": // the last is versitygw's, with 404: it must not pass for an object that is not there
		to(sources.Unauthorised, "look at AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or the files that they are in")
	case "RequestTimeTooSkewed":
		to(sources.Unauthorised, "set this machine's clock: the server refuses what is signed at another time")
	case "AuthorizationHeaderMalformed", "InvalidRegion", "PermanentRedirect":
		to(sources.BadQuestion, "set AWS_REGION to the bucket's region, and name the host of that region")
	case "SlowDown", "Throttling", "RequestLimitExceeded":
		to(sources.OverLimit, "the server limits requests: ask again later, or raise its limit")
	}
	if strings.Contains(r.Message, "HTTP request to an HTTPS server") {
		to(sources.BadAnswer, "the server speaks TLS: its address must begin with s3+https://")
	}
	if e.Kind == 0 {
		s.refusedBy(r.StatusCode, to)
	}
	return e
}

// refusedBy maps an answer's status, where its code says no more.
func (s *Store) refusedBy(status int, to func(sources.Kind, string)) {
	keys, _ := s.keys()
	switch {
	case status == http.StatusNotFound:
		to(sources.BadAnswer, "look whether an object store, and no other server, answers at "+s.at.Host)
	case status == http.StatusPreconditionFailed, status == http.StatusConflict:
		to(sources.Conflict, "another was first: read what is there")
	case status == http.StatusUnauthorized, status == http.StatusForbidden && keys.Access == "":
		next := "look at AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY"
		if keys.Access == "" {
			next = "no keys are given: set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or the names of their files in AWS_ACCESS_KEY_ID_FILE and AWS_SECRET_ACCESS_KEY_FILE"
		}
		to(sources.Unauthorised, next)
	case status == http.StatusForbidden:
		to(sources.Forbidden, "the keys are known and may not do this in bucket "+s.at.Bucket+": let their policy allow it")
	case status == http.StatusTooManyRequests, status == http.StatusRequestEntityTooLarge:
		to(sources.OverLimit, "the server limits requests: ask again later, or raise its limit")
	case status == http.StatusBadGateway, status == http.StatusServiceUnavailable, status == http.StatusGatewayTimeout:
		to(sources.Unreachable, "the object store is starting, stopping or overloaded: ask again in a moment")
	case status >= 500:
		to(sources.BadAnswer, "look at the object store's own log")
	case status >= 400:
		to(sources.BadQuestion, "look whether an object store, and no other server, answers at "+s.at.Host)
	default:
		to(sources.BadAnswer, "an object store does not redirect: name the host that it points to")
	}
}
