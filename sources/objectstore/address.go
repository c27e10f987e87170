package objectstore

import (
	"errors"
	"net/url"
	"os"
	"strings"

	"github.com/minio/minio-go/v7/pkg/credentials"
	"github.com/minio/minio-go/v7/pkg/s3utils"

	"quarterdeck/sources"
)

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
		return Address{}, &sources.Error{Source: Name, Kind: sources.BadQuestion, Op: "read the address of the object store", Err: errors.New(why), Next: "write it like s3+https://host/bucket/prefix (--s3, QUARTERDECK_S3)"}
	}
	u, err := url.Parse(strings.TrimSpace(text))
	if err != nil {
		return wrong("it is no address") // not the parser's words: a password may stand in it
	}
	a := Address{Host: u.Host, TLS: u.Scheme == "s3+https"}
	bucket, rest, _ := strings.Cut(strings.Trim(u.Path, "/"), "/")
	a.Bucket, a.Prefix = bucket, strings.Trim(rest, "/")
	switch {
	case u.User != nil:
		return wrong("keys do not belong into it: give them as AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY")
	case u.Scheme != "s3+http" && u.Scheme != "s3+https":
		return wrong("it begins with neither s3+http:// nor s3+https://") // nor with what it begins with: that may be a key
	case u.RawQuery != "" || u.ForceQuery || u.Fragment != "" || u.Opaque != "":
		return wrong("nothing follows the prefix")
	case u.Hostname() == "" || a.Bucket == "":
		return wrong("a host and a bucket are needed")
	case s3utils.CheckValidBucketName(a.Bucket) != nil:
		return wrong("its bucket's name is none: 3 to 63 letters, digits, dots and hyphens")
	case a.Prefix != "" && checkKey(a.Prefix) != nil:
		return wrong("its prefix has a part that is empty, . or .., or a character that no name has")
	}
	return a, nil
}

// String is the address as it is written.
func (a Address) String() string {
	u := url.URL{Scheme: "s3+http", Host: a.Host, Path: strings.TrimSuffix("/"+a.Bucket+"/"+a.Prefix, "/")}
	if a.TLS {
		u.Scheme = "s3+https"
	}
	return u.String()
}

// Keys are the credentials.
type Keys struct{ Access, Secret, Session, Region string }

// String says whether there are any, and nothing of them: they end in no message by mistake.
func (k Keys) String() string {
	if k.Access == "" && k.Secret == "" {
		return "no keys"
	}
	return "keys"
}

// GoString is String.
func (k Keys) GoString() string { return k.String() }

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
				return Keys{}, &sources.Error{Source: Name, Kind: sources.Unauthorised, Op: "read " + f.name + "_FILE", Err: err, Next: "name a file that can be read"}
			}
			*f.into = strings.TrimSpace(string(data))
		}
	}
	if (k.Access == "") != (k.Secret == "") {
		return Keys{}, &sources.Error{Source: Name, Kind: sources.Unauthorised, Op: "read the keys", Err: errors.New("one of the two is not set"), Next: "set both AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or the names of their files in AWS_ACCESS_KEY_ID_FILE and AWS_SECRET_ACCESS_KEY_FILE"}
	}
	return k, nil
}

// value is the keys as the client library takes them.
func (k Keys) value() credentials.Value {
	v := credentials.Value{AccessKeyID: k.Access, SecretAccessKey: k.Secret, SessionToken: k.Session, SignerType: credentials.SignatureV4}
	if k.Access == "" {
		v.SignerType = credentials.SignatureAnonymous
	}
	return v
}

// reader reads the keys anew for each request, so that files that were rotated count.
type reader struct{ read func() (Keys, error) }

// Retrieve reads them.
func (r reader) Retrieve() (credentials.Value, error) {
	k, err := r.read()
	return k.value(), err
}

// RetrieveWithCredContext is Retrieve.
func (r reader) RetrieveWithCredContext(*credentials.CredContext) (credentials.Value, error) {
	return r.Retrieve()
}

// IsExpired makes the library ask again.
func (reader) IsExpired() bool { return true }
