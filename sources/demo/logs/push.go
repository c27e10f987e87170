package logs

import (
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"strconv"
	"strings"

	"quarterdeck/sources/demo/world"
)

type pushJSON struct {
	Streams []struct {
		Stream map[string]string   `json:"stream"`
		Values [][]json.RawMessage `json:"values"`
	} `json:"streams"`
}

// push takes the JSON form; protobuf is refused with a word on what to do.
func (s *Server) push(rw http.ResponseWriter, r *http.Request) {
	if !strings.HasPrefix(r.Header.Get("Content-Type"), "application/json") {
		http.Error(rw, "the demo's Loki takes pushes as application/json only", http.StatusUnsupportedMediaType)
		return
	}
	body, err := io.ReadAll(http.MaxBytesReader(rw, r.Body, 16<<20))
	var in pushJSON
	if err == nil {
		err = json.Unmarshal(body, &in)
	}
	var streams []world.Pushed
	for _, st := range in.Streams {
		if len(st.Stream) == 0 && err == nil {
			err = errors.New("error at least one label pair is required per stream")
		}
		p := world.Pushed{Labels: st.Stream}
		for _, v := range st.Values {
			var at, line string
			if len(v) < 2 || json.Unmarshal(v[0], &at) != nil || json.Unmarshal(v[1], &line) != nil {
				err = errors.New("loghttp.PushRequest.Streams: []loghttp.LogProtoStream: Value is not a pair of strings")
				break
			}
			ns, bad := strconv.ParseInt(at, 10, 64)
			if bad != nil {
				err = bad
				break
			}
			p.Lines = append(p.Lines, world.StoredLine(ns, levelOf(st.Stream, line), line))
		}
		streams = append(streams, p)
	}
	if err != nil {
		http.Error(rw, err.Error(), http.StatusBadRequest)
		return
	}
	s.w.Push(streams)
	rw.WriteHeader(http.StatusNoContent)
}
