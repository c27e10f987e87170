package objectstore

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"time"

	"github.com/cenkalti/backoff/v5"
	"github.com/minio/minio-go/v7"
	"github.com/minio/minio-go/v7/pkg/credentials"

	"quarterdeck/sources"
)

// Name is the source's name in errors and in doctor.
const Name = "backups"

const (
	// callWithin bounds one call unless Open says otherwise; a list's pages are within it too.
	callWithin = 20 * time.Second
	// maxListed bounds a list, in objects: a server that goes on for ever must not fill the memory.
	maxListed = 200_000
	// tries is how often a call is made in all, where it failed in a way that may pass.
	tries = 3
)

// Store is a bucket's prefix. Safe for concurrent use.
type Store struct {
	client *minio.Core // tries again
	once   *minio.Core // does not: Create must know whether its own first try was the one that wrote
	at     Address
	keys   func() (Keys, error)
	within time.Duration
	idle   interface{ CloseIdleConnections() }
}

var _ sources.Objects = (*Store)(nil)

// Open gives the store at an address, with keys that are read from the environment, or from the files that it names, at each call. Nothing is asked yet.
func Open(address string, env func(string) string, within time.Duration) (*Store, error) {
	at, err := ParseAddress(address)
	if err != nil {
		return nil, err
	}
	if env == nil {
		env = os.Getenv
	}
	region := env("AWS_REGION")
	s, err := open(at, func() (Keys, error) { return KeysFrom(env) }, region, nil)
	if err != nil {
		return nil, err
	}
	if within > 0 {
		s.within = within
	}
	return s, nil
}

// New gives a store; nothing is asked yet. Transport nil: one of its own.
func New(at Address, keys Keys, transport http.RoundTripper) (*Store, error) {
	return open(at, func() (Keys, error) { return keys, nil }, keys.Region, transport)
}

func open(at Address, keys func() (Keys, error), region string, transport http.RoundTripper) (*Store, error) {
	s := &Store{at: at, keys: keys, within: callWithin}
	if transport == nil {
		t := newTransport()
		transport, s.idle = t, t
	}
	if region == "" {
		region = "us-east-1"
	}
	for _, c := range []struct {
		into  **minio.Core
		tries int
	}{{&s.client, tries}, {&s.once, 1}} {
		o := &minio.Options{Creds: credentials.New(reader{keys}), Secure: at.TLS, Region: region, BucketLookup: minio.BucketLookupPath, Transport: transport, MaxRetries: c.tries}
		if host, _, _ := strings.Cut(at.Host, ":"); strings.HasSuffix(host, ".amazonaws.com") {
			o.BucketLookup = minio.BucketLookupAuto
		}
		client, err := minio.NewCore(at.Host, o)
		if err != nil {
			return nil, &sources.Error{Source: Name, Kind: sources.BadQuestion, Op: "reach " + at.Host, Err: err, Next: "write the address like s3+https://host/bucket/prefix"}
		}
		*c.into = client
	}
	return s, nil
}

// newTransport is the library's own with a shorter patience. What was stored is read as it was stored.
func newTransport() *http.Transport {
	return &http.Transport{
		Proxy:                 http.ProxyFromEnvironment,
		DialContext:           (&net.Dialer{Timeout: 5 * time.Second, KeepAlive: 15 * time.Second}).DialContext,
		MaxIdleConnsPerHost:   8,
		IdleConnTimeout:       90 * time.Second,
		TLSHandshakeTimeout:   10 * time.Second,
		ExpectContinueTimeout: time.Second,
		DisableCompression:    true,
	}
}

// Address is where the store is.
func (s *Store) Address() Address { return s.at }

// Close lets the kept-alive connections go. The store can still be used after it.
func (s *Store) Close() error {
	if s.idle != nil {
		s.idle.CloseIdleConnections()
	}
	return nil
}

func (s *Store) key(key string) string {
	if s.at.Prefix == "" {
		return key
	}
	return s.at.Prefix + "/" + key
}

// List gives what is below a prefix.
func (s *Store) List(ctx context.Context, prefix string) ([]sources.Object, error) {
	op := "list " + shown(prefix)
	if err := checkPrefix(prefix); err != nil {
		return nil, badKey(op, err)
	}
	ctx, cancel := context.WithTimeout(ctx, s.within)
	defer cancel()
	var out []sources.Object
	for o := range s.client.ListObjectsIter(ctx, s.at.Bucket, minio.ListObjectsOptions{Prefix: s.key(prefix), Recursive: true}) {
		if o.Err != nil {
			return nil, s.fault(ctx, op, o.Err)
		}
		key, below := strings.CutPrefix(o.Key, s.key(""))
		if !below || key == "" || strings.HasSuffix(key, "/") { // a folder, as servers on a file system have them
			continue
		}
		if len(out) == maxListed {
			return nil, &sources.Error{Source: Name, Kind: sources.OverLimit, Op: op, Err: fmt.Errorf("there are more than %d objects", maxListed), Next: "give the records a prefix of their own"}
		}
		out = append(out, sources.Object{Key: key, Size: o.Size, Modified: o.LastModified, ETag: o.ETag})
	}
	if err := ctx.Err(); err != nil { // the iterator ends without a word
		return nil, s.fault(ctx, op, err)
	}
	return out, nil
}

// Get reads an object.
func (s *Store) Get(ctx context.Context, key string, limit int64) ([]byte, error) {
	op := "read " + shown(key)
	if err := checkKey(key); err != nil {
		return nil, badKey(op, err)
	}
	ctx, cancel := context.WithTimeout(ctx, s.within)
	defer cancel()
	body, info, _, err := s.client.GetObject(ctx, s.at.Bucket, s.key(key), minio.GetObjectOptions{})
	if err != nil {
		return nil, s.fault(ctx, op, err)
	}
	defer body.Close()
	tooLarge := func() error {
		return &sources.Error{Source: Name, Kind: sources.OverLimit, Op: op, Err: fmt.Errorf("it has more than %d bytes", limit), Next: "look who wrote the object " + shown(s.key(key)) + ": no record is so large"}
	}
	if info.Size > limit {
		return nil, tooLarge()
	}
	data, err := io.ReadAll(io.LimitReader(body, limit+1))
	switch {
	case err != nil:
		return nil, s.fault(ctx, op, err)
	case int64(len(data)) > limit:
		return nil, tooLarge()
	}
	return data, nil
}

// Put writes an object.
func (s *Store) Put(ctx context.Context, key string, data []byte) error {
	op := "write " + shown(key)
	if err := checkKey(key); err != nil {
		return badKey(op, err)
	}
	ctx, cancel := context.WithTimeout(ctx, s.within)
	defer cancel()
	return s.fault(ctx, op, s.put(ctx, s.client, key, data, minio.PutObjectOptions{}))
}

// put writes with one signature over all: a record is small, and the library's signature in pieces loses the length of an empty one.
func (s *Store) put(ctx context.Context, with *minio.Core, key string, data []byte, o minio.PutObjectOptions) error {
	o.ContentType, o.DisableContentSha256 = "application/json", true
	sum := sha256.Sum256(data)
	_, err := with.PutObject(ctx, s.at.Bucket, s.key(key), bytes.NewReader(data), int64(len(data)), "", hex.EncodeToString(sum[:]), o)
	return err
}

// byHeader carries a number that a Create has drawn, so that it knows its own object again.
const byHeader = "Qd-Created-By"

// Create writes an object if there is none of that key. A try whose answer was lost may have written it, and the next then finds the key taken by
// ourselves: who wrote it stands with the object.
func (s *Store) Create(ctx context.Context, key string, data []byte) error {
	op := "create " + shown(key)
	if err := checkKey(key); err != nil {
		return badKey(op, err)
	}
	ctx, cancel := context.WithTimeout(ctx, s.within)
	defer cancel()
	by := rand.Text()
	o := minio.PutObjectOptions{UserMetadata: map[string]string{byHeader: by}}
	o.SetMatchETagExcept("*")
	try := 0
	_, err := backoff.Retry(ctx, func() (struct{}, error) {
		try++
		err := s.fault(ctx, op, s.put(ctx, s.once, key, data, o))
		switch kind := sources.KindOf(err); {
		case err == nil, kind == sources.Conflict && try > 1 && s.createdBy(ctx, key, by):
			return struct{}{}, nil
		case kind != sources.Unreachable && kind != sources.BadAnswer:
			return struct{}{}, backoff.Permanent(err)
		}
		return struct{}{}, err
	}, backoff.WithBackOff(&backoff.ExponentialBackOff{InitialInterval: 200 * time.Millisecond, Multiplier: 2, MaxInterval: time.Second}), backoff.WithMaxTries(tries))
	return err
}

// createdBy tells whether the object of a key is the one that a Create has written.
func (s *Store) createdBy(ctx context.Context, key, by string) bool {
	info, err := s.client.Client.StatObject(ctx, s.at.Bucket, s.key(key), minio.StatObjectOptions{})
	return err == nil && info.UserMetadata[byHeader] == by
}

// Remove removes an object.
func (s *Store) Remove(ctx context.Context, key string) error {
	op := "remove " + shown(key)
	if err := checkKey(key); err != nil {
		return badKey(op, err)
	}
	ctx, cancel := context.WithTimeout(ctx, s.within)
	defer cancel()
	err := s.client.Client.RemoveObject(ctx, s.at.Bucket, s.key(key), minio.RemoveObjectOptions{})
	if minio.ToErrorResponse(err).Code == minio.NoSuchKey {
		return nil
	}
	return s.fault(ctx, op, err)
}
