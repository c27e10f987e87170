package objectstore_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"quarterdeck/sources"
	"quarterdeck/sources/objectstore"
)

func TestParseAddress(t *testing.T) {
	for text, want := range map[string]objectstore.Address{
		"s3+http://10.0.0.1:9000/backups":          {Host: "10.0.0.1:9000", Bucket: "backups"},
		"s3+https://s3.example.com/backups/":       {Host: "s3.example.com", TLS: true, Bucket: "backups"},
		" s3+https://h/backups/prod/eu\n":          {Host: "h", TLS: true, Bucket: "backups", Prefix: "prod/eu"},
		"s3+http://[::1]:9000/backups/with%20room": {Host: "[::1]:9000", Bucket: "backups", Prefix: "with room"},
		"S3+HTTP://h/my.bucket-1//prod/":           {Host: "h", Bucket: "my.bucket-1", Prefix: "prod"},
	} {
		got, err := objectstore.ParseAddress(text)
		if err != nil || got != want {
			t.Errorf("%q is %+v, %v; want %+v", text, got, err, want)
			continue
		}
		if again, err := objectstore.ParseAddress(got.String()); err != nil || again != got {
			t.Errorf("%q is written as %q, which is %+v, %v", text, got, again, err)
		}
	}
	for text, want := range map[string]string{
		"": "begins with neither", "http://h/bucket": "begins with neither", "s3://bucket/x": "begins with neither", "s3cr3t:x": "begins with neither", "h/bucket": "begins with neither",
		"s3+http://h": "a host and a bucket", "s3+http:///bucket": "a host and a bucket", "s3+http://:9000/bucket": "a host and a bucket", "s3+http:h/bucket": "nothing follows",
		"s3+http://AK:s3cr3t@h/bucket": "keys do not belong into it", "s3+http://s3cr3t@h/bucket": "keys do not belong into it", "http://AK:s3cr3t@h/bucket": "keys do not belong into it",
		"s3+http://h/bucket?key=s3cr3t": "nothing follows", "s3+http://h/bucket#s3cr3t": "nothing follows", "s3+http://h/bucket?": "nothing follows",
		"s3+http://h/b": "bucket's name is none", "s3+http://h/up_per CASE": "bucket's name is none", "s3+http://h/bucket/a//b": "its prefix has", "s3+http://h/bucket/../x": "its prefix has", "s3+http://h/bucket/%00": "its prefix has",
		"s3+http://h:s3cr3t/bucket": "it is no address", "s3+http://%zz/bucket": "it is no address",
	} {
		_, err := objectstore.ParseAddress(text)
		if sources.KindOf(err) != sources.BadQuestion || !strings.Contains(err.Error(), want) || !strings.Contains(sources.NextOf(err), "s3+https://host/bucket/prefix") {
			t.Errorf("%q: %v, want %q", text, err, want)
		}
		if strings.Contains(fmt.Sprint(err), "s3cr3t") {
			t.Errorf("%q: the error says too much: %v", text, err)
		}
	}
}

func FuzzParseAddress(f *testing.F) {
	for _, text := range []string{"s3+http://h/bucket/p", "s3+https://[::1]:9000/bucket", "s3+http://a:b@h/bucket", "s3+http://h/bucket/%2e%2e/x", "s3+http://h/bucket/%2f", "s3+http://h%41/bucket/a b"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		a, err := objectstore.ParseAddress(text)
		if err != nil {
			if sources.KindOf(err) != sources.BadQuestion {
				t.Fatalf("%q: %v", text, err)
			}
			return
		}
		again, err := objectstore.ParseAddress(a.String())
		if err != nil || again != a {
			t.Fatalf("%q is written as %q, which is %+v, %v; want %+v", text, a, again, err, a)
		}
		if strings.HasPrefix(a.Prefix, "/") || strings.HasSuffix(a.Prefix, "/") || strings.Contains(a.Bucket, "/") {
			t.Fatalf("%q: %+v", text, a)
		}
	})
}

func TestKeysFrom(t *testing.T) {
	dir := t.TempDir()
	file := func(name, text string) string {
		path := filepath.Join(dir, name)
		must(t, os.WriteFile(path, []byte(text), 0o600))
		return path
	}
	id, secret := file("id", "AK\n"), file("secret", " s3cr3t \n")
	for name, c := range map[string]struct {
		env  map[string]string
		want objectstore.Keys
		err  string
	}{
		"variables":                 {map[string]string{"AWS_ACCESS_KEY_ID": "AK", "AWS_SECRET_ACCESS_KEY": "s3cr3t", "AWS_REGION": "eu-1", "AWS_SESSION_TOKEN": "t"}, objectstore.Keys{Access: "AK", Secret: "s3cr3t", Region: "eu-1", Session: "t"}, ""},
		"files":                     {map[string]string{"AWS_ACCESS_KEY_ID_FILE": id, "AWS_SECRET_ACCESS_KEY_FILE": secret}, objectstore.Keys{Access: "AK", Secret: "s3cr3t"}, ""},
		"a variable before a file":  {map[string]string{"AWS_ACCESS_KEY_ID": "other", "AWS_ACCESS_KEY_ID_FILE": id, "AWS_SECRET_ACCESS_KEY_FILE": secret}, objectstore.Keys{Access: "other", Secret: "s3cr3t"}, ""},
		"none":                      {nil, objectstore.Keys{}, ""},
		"a file that is not there":  {map[string]string{"AWS_ACCESS_KEY_ID_FILE": dir + "/none", "AWS_SECRET_ACCESS_KEY": "s3cr3t"}, objectstore.Keys{}, "name a file that can be read"},
		"one without the other":     {map[string]string{"AWS_SECRET_ACCESS_KEY": "s3cr3t"}, objectstore.Keys{}, "set both"},
		"the other without the one": {map[string]string{"AWS_ACCESS_KEY_ID": "AK"}, objectstore.Keys{}, "set both"},
	} {
		got, err := objectstore.KeysFrom(func(n string) string { return c.env[n] })
		if got != c.want || (err == nil) != (c.err == "") || err != nil && (sources.KindOf(err) != sources.Unauthorised || !strings.Contains(sources.NextOf(err), c.err)) {
			t.Errorf("%s: %q, %v", name, [...]string{got.Access, got.Secret, got.Session, got.Region}, err)
		}
		if text := fmt.Sprintf("%v %+v %#v %s %v", got, got, got, got, err); strings.Contains(text, "s3cr3t") {
			t.Errorf("%s: printed keys are %s", name, text)
		}
	}
}
