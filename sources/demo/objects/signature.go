package objects

import (
	"context"
	"crypto/subtle"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
)

const algorithm = "AWS4-HMAC-SHA256"

// refuse is S3's code and message for a request that is not signed with the keys; "" : it is. The time of the signature is not looked at.
func refuse(r *http.Request) (code, message string) {
	auth := r.Header.Get("Authorization")
	if auth == "" {
		return "AccessDenied", "Access Denied."
	}
	fields, known := strings.CutPrefix(auth, algorithm+" ")
	parts := map[string]string{}
	for f := range strings.SplitSeq(fields, ",") {
		name, value, _ := strings.Cut(strings.TrimSpace(f), "=")
		parts[name] = value
	}
	scope := strings.Split(parts["Credential"], "/") // key/date/region/s3/aws4_request
	at, err := time.Parse("20060102T150405Z", r.Header.Get("X-Amz-Date"))
	switch {
	case !known || len(scope) != 5 || err != nil:
		return "AuthorizationHeaderMalformed", "The authorization header is malformed."
	case scope[0] != AccessKey:
		return "InvalidAccessKeyId", "The access key Id you provided does not exist in our records."
	}
	want, err := sign(r, strings.Split(parts["SignedHeaders"], ";"), scope[2], at)
	if err != nil || subtle.ConstantTimeCompare([]byte(want), []byte(auth)) != 1 {
		return "SignatureDoesNotMatch", "The request signature we calculated does not match the signature you provided. Check your key and signing method."
	}
	return "", ""
}

// sign is the header that a request of those headers would have with the right keys.
func sign(r *http.Request, headers []string, region string, at time.Time) (string, error) {
	again := &http.Request{Method: r.Method, URL: &url.URL{Scheme: "http", Host: r.Host, Path: r.URL.Path, RawPath: r.URL.RawPath, RawQuery: r.URL.RawQuery}, Host: r.Host, Header: http.Header{}}
	for name, values := range r.Header {
		if slices.Contains(headers, strings.ToLower(name)) {
			again.Header[name] = values
		}
	}
	if slices.Contains(headers, "content-length") {
		again.ContentLength = r.ContentLength
	}
	err := v4.NewSigner(func(o *v4.SignerOptions) { o.DisableURIPathEscaping = true }).
		SignHTTP(context.Background(), aws.Credentials{AccessKeyID: AccessKey, SecretAccessKey: SecretKey}, again, r.Header.Get("X-Amz-Content-Sha256"), "s3", region, at)
	// Clients write the fields with and without a space between them.
	out := again.Header.Get("Authorization")
	if !strings.Contains(r.Header.Get("Authorization"), ", ") {
		out = strings.ReplaceAll(out, ", ", ",")
	}
	return out, err
}
