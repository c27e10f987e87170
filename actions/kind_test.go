package actions

import (
	"encoding/json"
	"reflect"
	"testing"
)

// TestKinds: each field of a plan that says what it is about is a kind of its own, and is the same kind again once it was in the journal. One that was forgotten in
// kind.go would pass for a change of no services.
func TestKinds(t *testing.T) {
	plan := reflect.TypeFor[Plan]()
	seen := map[reflect.Type]string{reflect.TypeFor[services](): "the changes of services"}
	for i := range plan.NumField() {
		f := plan.Field(i)
		if f.Type.Kind() != reflect.Pointer {
			continue
		}
		p := &Plan{}
		reflect.ValueOf(p).Elem().Field(i).Set(reflect.New(f.Type.Elem()))
		is := reflect.TypeOf(p.kind())
		if seen[is] != "" {
			t.Errorf("%s is a %s, and so is %s", f.Name, is, seen[is])
		}
		seen[is] = f.Name
		var rec recordedPlan
		if err := json.Unmarshal(raw(p.recorded()), &rec); err != nil {
			t.Errorf("%s: %v", f.Name, err)
		}
		if back := reflect.TypeOf(rec.about().kind()); back != is {
			t.Errorf("%s was a %s, and is a %s once it was in the journal", f.Name, is, back)
		}
	}
	if len(seen) < 2 {
		t.Error("a plan has no field that says what it is about")
	}
}
