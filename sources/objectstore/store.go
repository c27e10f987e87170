package objectstore

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"strings"
	"time"

	"github.com/minio/minio-go/v7"
	"github.com/minio/minio-go/v7/pkg/credentials"

	"quarterdeck/sources"
)

const name = "backups"

// callWithin bounds one call; listing pages within it too.
const callWithin = 20 * time.Second

// Address is where the store is.
type Address struct {
	Host   string // with its port
	TLS    bool
	Bucket string
	Prefix string // without slashes at its ends
}

// ParseAddress reads s3+http(s)://host[:port]/bucket[/prefix].
func ParseAddress(text string) (Address, error) {
	wrong := func(why string) (Address, error) {
		return Address{}, &sources.Error{Source: name, Kind: sources.BadQuestion, Op: "read the address of the object store", Err: errors.New(why), Next: "write it like s3+https://host/bucket/prefix (--s3, QUARTERDECK_S3)"}
	}
	u, err := url.Parse(text)
	if err != nil {
		return wrong("it is no address") // not the parser's words: a password may stand in it
	}
	a := Address{Host: u.Host, TLS: u.Scheme == "s3+https"}
	path, rest, _ := strings.Cut(strings.Trim(u.Path, "/"), "/")
	a.Bucket, a.Prefix = path, strings.Trim(rest, "/")
	switch {
	case u.Scheme != "s3+http" && u.Scheme != "s3+https":
		return wrong(fmt.Sprintf("%q is not s3+http or s3+https", u.Scheme))
	case u.User != nil:
		return wrong("keys do not belong into it: give them as AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY")
	case a.Host == "" || a.Bucket == "":
		return wrong("a host and a bucket are needed")
	}
	return a, nil
}

// String is the address as it is written.
func (a Address) String() string {
	scheme := "s3+http"
	if a.TLS {
		scheme = "s3+https"
	}
	return strings.TrimSuffix(scheme+"://"+a.Host+"/"+a.Bucket+"/"+a.Prefix, "/")
}

// Keys are the credentials.
type Keys struct{ Access, Secret, Session, Region string }

// KeysFrom reads AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_SESSION_TOKEN and AWS_REGION; each may instead be the name of a file in a variable
// that ends in _FILE.
func KeysFrom(env func(string) string) (Keys, error) {
	var k Keys
	for _, f := range []struct {
		name string
		into *string
	}{{"AWS_ACCESS_KEY_ID", &k.Access}, {"AWS_SECRET_ACCESS_KEY", &k.Secret}, {"AWS_SESSION_TOKEN", &k.Session}, {"AWS_REGION", &k.Region}} {
		*f.into = env(f.name)
		if file := env(f.name + "_FILE"); *f.into == "" && file != "" {
			data, err := os.ReadFile(file) //nolint:gosec // the user names it
			if err != nil {
				return k, &sources.Error{Source: name, Kind: sources.Unauthorised, Op: "read " + f.name + "_FILE", Err: err, Next: "name a file that can be read"}
			}
			*f.into = strings.TrimSpace(string(data))
		}
	}
	return k, nil
}

// Store is a bucket's prefix. Safe for concurrent use.
type Store struct {
	client *minio.Client
	at     Address
}

var _ sources.Objects = (*Store)(nil)

// New gives a store; nothing is asked yet. Transport nil: the library's own.
func New(at Address, keys Keys, transport http.RoundTripper) (*Store, error) {
	region := keys.Region
	if region == "" {
		region = "us-east-1"
	}
	o := &minio.Options{Creds: credentials.NewStaticV4(keys.Access, keys.Secret, keys.Session), Secure: at.TLS, Region: region, BucketLookup: minio.BucketLookupPath, Transport: transport, MaxRetries: 3}
	if strings.HasSuffix(strings.Split(at.Host, ":")[0], ".amazonaws.com") {
		o.BucketLookup = minio.BucketLookupAuto
	}
	c, err := minio.New(at.Host, o)
	if err != nil {
		return nil, &sources.Error{Source: name, Kind: sources.BadQuestion, Op: "reach " + at.Host, Err: err, Next: "write the address like s3+https://host/bucket/prefix"}
	}
	return &Store{client: c, at: at}, nil
}

// Address is where the store is.
func (s *Store) Address() Address { return s.at }

func (s *Store) key(key string) string {
	if s.at.Prefix == "" {
		return key
	}
	return s.at.Prefix + "/" + key
}

// List gives what is below a prefix.
func (s *Store) List(ctx context.Context, prefix string) ([]sources.Object, error) {
	ctx, cancel := context.WithTimeout(ctx, callWithin)
	defer cancel()
	var out []sources.Object
	for o := range s.client.ListObjects(ctx, s.at.Bucket, minio.ListObjectsOptions{Prefix: s.key(prefix), Recursive: true}) {
		if o.Err != nil {
			return nil, s.fault(ctx, "list "+prefix, o.Err)
		}
		out = append(out, sources.Object{Key: strings.TrimPrefix(o.Key, s.key("")), Size: o.Size, Modified: o.LastModified, ETag: o.ETag})
	}
	return out, nil
}

// Get reads an object.
func (s *Store) Get(ctx context.Context, key string, limit int64) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, callWithin)
	defer cancel()
	o, err := s.client.GetObject(ctx, s.at.Bucket, s.key(key), minio.GetObjectOptions{})
	if err != nil {
		return nil, s.fault(ctx, "read "+key, err)
	}
	defer o.Close()
	data, err := io.ReadAll(io.LimitReader(o, limit+1))
	switch {
	case err != nil:
		return nil, s.fault(ctx, "read "+key, err)
	case int64(len(data)) > limit:
		return nil, &sources.Error{Source: name, Kind: sources.OverLimit, Op: "read " + key, Err: fmt.Errorf("it has more than %d bytes", limit)}
	}
	return data, nil
}

// Put writes an object.
func (s *Store) Put(ctx context.Context, key string, data []byte) error {
	return s.put(ctx, key, data, false)
}

// Create writes an object if there is none of that key.
func (s *Store) Create(ctx context.Context, key string, data []byte) error {
	return s.put(ctx, key, data, true)
}

func (s *Store) put(ctx context.Context, key string, data []byte, fresh bool) error {
	ctx, cancel := context.WithTimeout(ctx, callWithin)
	defer cancel()
	o := minio.PutObjectOptions{ContentType: "application/json"}
	if fresh {
		o.SetMatchETagExcept("*")
	}
	_, err := s.client.PutObject(ctx, s.at.Bucket, s.key(key), bytes.NewReader(data), int64(len(data)), o)
	return s.fault(ctx, "write "+key, err)
}

// Remove removes an object.
func (s *Store) Remove(ctx context.Context, key string) error {
	ctx, cancel := context.WithTimeout(ctx, callWithin)
	defer cancel()
	err := s.fault(ctx, "remove "+key, s.client.RemoveObject(ctx, s.at.Bucket, s.key(key), minio.RemoveObjectOptions{}))
	if sources.KindOf(err) == sources.NotFound {
		return nil
	}
	return err
}

// fault is the library's error as ours; nil stays nil.
func (s *Store) fault(ctx context.Context, op string, err error) error {
	if err == nil {
		return nil
	}
	out := &sources.Error{Source: name, Kind: sources.Unreachable, Op: op, Err: err, Next: "look whether " + s.at.Host + " answers"}
	r := minio.ToErrorResponse(err)
	switch {
	case ctx.Err() != nil:
	case r.Code == "NoSuchBucket":
		out.Kind, out.Next = sources.NotFound, "make the bucket "+s.at.Bucket+", or name another"
	case r.StatusCode == http.StatusNotFound || r.Code == "NoSuchKey":
		out.Kind, out.Next = sources.NotFound, ""
	case r.StatusCode == http.StatusPreconditionFailed || r.StatusCode == http.StatusConflict:
		out.Kind, out.Next = sources.Conflict, ""
	case r.StatusCode == http.StatusUnauthorized, r.Code == "InvalidAccessKeyId", r.Code == "SignatureDoesNotMatch":
		out.Kind, out.Next = sources.Unauthorised, "look at AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY"
	case r.StatusCode == http.StatusForbidden:
		out.Kind, out.Next = sources.Forbidden, "the keys are known and may not do this in bucket "+s.at.Bucket
	case r.StatusCode == http.StatusTooManyRequests, r.Code == "SlowDown":
		out.Kind, out.Next = sources.OverLimit, "ask again later"
	case r.StatusCode >= 500:
		out.Kind = sources.BadAnswer
	case r.StatusCode >= 400:
		out.Kind, out.Next = sources.BadQuestion, ""
	}
	return out
}
