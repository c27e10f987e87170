package stages

import (
	"encoding/json"
	"reflect"
	"strings"
	"testing"

	"quarterdeck/sources"
)

// A record survives being written down, tells what has turned, and takes what could not be looked at for no turn.
func TestRecord(t *testing.T) {
	s := Defaults()
	before := Judge(good(func(e *Evidence) { web(e).Restart.Condition = "none"; e.Up = nil }), &s)
	after := Judge(good(func(e *Evidence) { e.Now = now.Add(days); web(e).Digest = "" }), &s)
	data, err := json.Marshal(before.Record())
	if err != nil {
		t.Fatal(err)
	}
	var kept Record
	if err := json.Unmarshal(data, &kept); err != nil || !reflect.DeepEqual(&kept, before.Record()) {
		t.Errorf("%+v, %v", kept, err)
	}
	var got []string
	for _, x := range after.Record().Turns(&kept) {
		got = append(got, x.Check.ID+" "+string(x.From)+" "+string(x.To))
	}
	// targets-up, cache-hit and slow-queries could not be looked at before.
	want := []string{"restart-policy fail pass", "image-pinned pass warn"}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("turned: %q, want %q", got, want)
	}
	if !kept.Same(before.Record()) || kept.Same(after.Record()) || kept.Same(nil) {
		t.Error("what is the same is not told from what is not")
	}
}

// The report has all that a reader needs, and whatever a person or a server has written stays text.
func TestMarkdown(t *testing.T) {
	s := Defaults()
	if err := s.Customise(map[string]string{"rto.pass": "20m"}, []string{"ci-green"}); err != nil {
		t.Fatal(err)
	}
	e := good(func(e *Evidence) {
		web(e).Name, web(e).Digest = "we|b<script>", ""
		e.Attestations["no-touch-deploy"] = sources.Attestation{Who: "ann", At: now, Until: now.Add(days), Note: "see [here](http://evil) | `x`\n# head"}
	})
	r := Judge(e, &s)
	old := Judge(good(func(e *Evidence) { e.Now = now.Add(-31 * days); e.Fleet.Nodes = e.Fleet.Nodes[:1] }), &s)
	var b strings.Builder
	if err := r.Markdown(&b, "pro*d*", old.Record()); err != nil {
		t.Fatal(err)
	}
	out := b.String()
	for _, want := range []string{"## Since 2026-10-30", "- manager-quorum: pass, it was warn", "## Stage 4: scalable", "not required", "(customised)", "## Next", "**Out of order:**", "Gate on 2026-10-30"} {
		if !strings.Contains(out, want) {
			t.Errorf("no %q in\n%s", want, out)
		}
	}
	for _, bad := range []string{"<script>", "[here](", "\n# head", "pro*d*"} {
		if strings.Contains(out, bad) {
			t.Errorf("%q got through", bad)
		}
	}
	b.Reset()
	if err := r.Markdown(&b, "", nil); err != nil || !strings.Contains(b.String(), "## Stage 4") || strings.Contains(b.String(), "Gate on") || strings.Contains(b.String(), "Since") {
		t.Errorf("without a record: %v\n%s", err, b.String()[:400])
	}
}
