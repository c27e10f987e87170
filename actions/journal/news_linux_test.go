package journal

import (
	"testing"
	"time"
)

// What another writer adds is announced, and what is only read is not.
func TestNews(t *testing.T) {
	j := filled(t, 2)
	changed, stop, err := news(j.dir)
	if err != nil {
		t.Skip("the system announces nothing here: ", err)
	}
	defer stop()
	all(t, j)
	verify(t, j.dir)
	select {
	case <-changed:
		t.Error("reading is announced")
	default:
	}
	for range 3 {
		add(t, open(t, j.dir), Entry{})
		select {
		case <-changed:
		case <-time.After(20 * time.Second):
			t.Fatal("writing is not announced")
		}
	}
}
