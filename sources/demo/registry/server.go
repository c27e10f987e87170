package registry

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/distribution/reference"

	"quarterdeck/sources/demo/world"
)

// Server is the API. Safe for concurrent use.
type Server struct{ w *world.World }

// New makes a server of a world's images.
func New(w *world.World) *Server { return &Server{w} }

// Hosts are the names of the registries that the server stands for, sorted, as they stand in references.
func (s *Server) Hosts() []string {
	var out []string
	for _, name := range s.w.Repositories() {
		if named, err := reference.ParseNormalizedNamed(name); err == nil && !slices.Contains(out, reference.Domain(named)) {
			out = append(out, reference.Domain(named))
		}
	}
	slices.Sort(out)
	return out
}

// ServeHTTP answers as Debian's docker-registry 2.8.2 does, but for tags in pages, which the specification has and
// that server does not.
func (s *Server) ServeHTTP(rw http.ResponseWriter, r *http.Request) {
	rw.Header().Set("Docker-Distribution-Api-Version", "registry/2.0")
	path, ok := strings.CutPrefix(r.URL.Path, "/v2/")
	if !ok {
		http.NotFound(rw, r)
		return
	}
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		fail(rw, http.StatusMethodNotAllowed, "UNSUPPORTED", "The operation is unsupported.", nil)
		return
	}
	if path == "" {
		rw.Header().Set("Content-Type", "application/json; charset=utf-8")
		_, _ = rw.Write([]byte("{}"))
		return
	}
	if name, ok := strings.CutSuffix(path, "/tags/list"); ok {
		s.tags(rw, r, name)
		return
	}
	if i := strings.LastIndex(path, "/manifests/"); i > 0 {
		s.manifest(rw, path[:i], path[i+len("/manifests/"):])
		return
	}
	if i := strings.LastIndex(path, "/blobs/"); i > 0 {
		s.blob(rw, path[:i], path[i+len("/blobs/"):])
		return
	}
	http.NotFound(rw, r)
}

// blob serves the configs of images; their layers nobody pulls here.
func (s *Server) blob(rw http.ResponseWriter, path, digest string) {
	name := s.repository(path)
	b, err := s.w.Config(name, digest)
	if name == "" || err != nil {
		fail(rw, http.StatusNotFound, "BLOB_UNKNOWN", "blob unknown to registry", map[string]string{"digest": digest})
		return
	}
	h := rw.Header()
	h.Set("Content-Type", "application/octet-stream")
	h.Set("Content-Length", strconv.Itoa(len(b)))
	h.Set("Docker-Content-Digest", digest)
	h.Set("Etag", `"`+digest+`"`)
	_, _ = rw.Write(b)
}

// repository is the one whose path a request names, as docker shows it, or "".
func (s *Server) repository(path string) string {
	for _, name := range s.w.Repositories() {
		if named, err := reference.ParseNormalizedNamed(name); err == nil && reference.Path(named) == path {
			return name
		}
	}
	return ""
}

func (s *Server) tags(rw http.ResponseWriter, r *http.Request, path string) {
	name := s.repository(path)
	if name == "" {
		fail(rw, http.StatusNotFound, "NAME_UNKNOWN", "repository name not known to registry", map[string]string{"name": path})
		return
	}
	tags := s.w.Tags(name)
	if last := r.URL.Query().Get("last"); last != "" {
		tags = slices.DeleteFunc(tags, func(t string) bool { return t <= last })
	}
	if raw := r.URL.Query().Get("n"); raw != "" {
		n, err := strconv.Atoi(raw)
		if err != nil || n < 0 {
			fail(rw, http.StatusBadRequest, "PAGINATION_NUMBER_INVALID", "invalid number of results requested", map[string]string{"n": raw})
			return
		}
		if n > 0 && n < len(tags) {
			tags = tags[:n]
			rw.Header().Set("Link", fmt.Sprintf(`</v2/%s/tags/list?last=%s&n=%d>; rel="next"`, path, url.QueryEscape(tags[n-1]), n))
		}
	}
	rw.Header().Set("Content-Type", "application/json; charset=utf-8")
	_ = json.NewEncoder(rw).Encode(struct { // the client has gone: nobody is left to tell
		Name string   `json:"name"`
		Tags []string `json:"tags"`
	}{path, tags})
}

func (s *Server) manifest(rw http.ResponseWriter, path, ref string) {
	name, detail := s.repository(path), map[string]string{"Tag": ref}
	full := name + ":" + ref
	if strings.Contains(ref, ":") {
		full = name + "@" + ref
	}
	m, err := s.w.Resolve(full)
	if name == "" || err != nil {
		fail(rw, http.StatusNotFound, "MANIFEST_UNKNOWN", "manifest unknown", detail)
		return
	}
	h := rw.Header()
	h.Set("Content-Type", world.ManifestType)
	h.Set("Content-Length", strconv.Itoa(len(m)))
	h.Set("Docker-Content-Digest", world.DigestOf(m))
	h.Set("Etag", `"`+world.DigestOf(m)+`"`)
	_, _ = rw.Write(m)
}

func fail(rw http.ResponseWriter, status int, code, message string, detail any) {
	type problem struct {
		Code    string `json:"code"`
		Message string `json:"message"`
		Detail  any    `json:"detail"`
	}
	rw.Header().Set("Content-Type", "application/json; charset=utf-8")
	rw.WriteHeader(status)
	_ = json.NewEncoder(rw).Encode(map[string][]problem{"errors": {{code, message, detail}}})
}
