package sources

import (
	"strings"
	"testing"
)

const planted = "hunter2Sw0rdfish"

// shapes are the ways in which lines write a credential; %s is where it stands.
var shapes = map[string]string{
	`level=info password=%s`:                           RedactedVariable,
	`DB_PASSWORD=%s started`:                           RedactedVariable,
	`{"user":"ada","password":"%s","n":1}`:             RedactedVariable,
	`{"msg":"{\"password\":\"%s\"}"}`:                  RedactedVariable,
	`db_password: '%s'`:                                RedactedVariable,
	`msg="login with password=%s failed"`:              RedactedVariable,
	`GET /cart?api_key=%s&x=1`:                         RedactedVariable,
	`run --db-password %s --verbose`:                   RedactedVariable,
	`Authorization: Bearer %s`:                         RedactedHeader,
	`calling with bearer %s`:                           RedactedHeader,
	`postgres://ada:%s@db:5432/x`:                      RedactedURL,
	`dsn root:%s@tcp(db:3306)/x`:                       RedactedURL,
	`token=[%s]`:                                       RedactedVariable,
	`AWS_SECRET_ACCESS_KEY = "%s"`:                     RedactedVariable,
	`-----BEGIN RSA PRIVATE KEY-----%s`:                RedactedKey,
	`ghp_%s0123`:                                       RedactedToken,
	`jwt eyJhbGciOiJIUzI1.eyJzdWIiOjEyMzQ1.%s`:         RedactedToken,
	`{"authorization":"Digest %s"}`:                    RedactedHeader,
	`masked:00 and still password=%s`:                  RedactedVariable,
	`{"time":"x","cookie":"sid=%s; path=/","level":1}`: RedactedVariable,
}

func TestRedactTakesCredentialsOut(t *testing.T) {
	for shape, kind := range shapes {
		line := strings.Replace(shape, "%s", planted, 1)
		got, found := Redact(line)
		if strings.Contains(got, planted) {
			t.Errorf("%s stays in %q", shape, got)
			continue
		}
		if len(found) == 0 || found[0].Kind != kind {
			t.Errorf("%s: found %v, want %s (%s)", shape, found, kind, got)
		}
		if again, more := Redact(got); again != got || len(more) != 0 {
			t.Errorf("%s: a second look makes %q of %q (%v)", shape, again, got, more)
		}
	}
}

func TestRedactLeavesTheRest(t *testing.T) {
	for _, line := range []string{
		"", "request served method=GET path=/cart status=200 duration=3.1ms trace_id=00af12", `{"level":"error","msg":"no connection within 250ms (pool exhausted: 4 of 4 in use)"}`,
		"basic settings loaded", "http://db:5432/x and user@example.com", "12:00:01 started", "keyboard=us monkey=1 author=ada", "password is wrong", "the token has expired", "DB_PASSWORD_FILE=/run/secrets/db",
	} {
		if got, found := Redact(line); got != line || len(found) != 0 {
			t.Errorf("%q becomes %q (%v)", line, got, found)
		}
	}
}

// FuzzRedact: what stands behind a name that says credential never comes out, whatever is around it; and what has been taken out stays out.
func FuzzRedact(f *testing.F) {
	for shape := range shapes {
		f.Add(shape, "")
	}
	f.Add(`"`, `\"`)
	f.Add(`password="`, `'`)
	f.Fuzz(func(t *testing.T, before, after string) {
		if len(before)+len(after) > 4<<10 || strings.Contains(before+after, planted) {
			return
		}
		line := before + " password=" + planted + " " + after
		got, found := Redact(line)
		if strings.Contains(got, planted) {
			t.Fatalf("%q stays in %q", planted, got)
		}
		if len(found) == 0 {
			t.Fatalf("nothing is told of %q", line)
		}
	})
}
