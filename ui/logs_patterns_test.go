package ui

import (
	"strings"
	"testing"
	"time"

	"quarterdeck/sources"
)

// TestWhatIsNewAndGrowsIsFirst: of what is new the pattern that has grown most is first, whatever its level; what comes now and then as ever stands behind it,
// and what is not new last, by number.
func TestWhatIsNewAndGrowsIsFirst(t *testing.T) {
	row := func(text string, level sources.Level, isNew bool, counts ...int) patternRow {
		p := sources.Pattern{Text: text, Level: level}
		for i, n := range counts {
			p.Points = append(p.Points, sources.PatternPoint{Time: noon.Add(time.Duration(i) * time.Minute), Count: n})
			p.Count += n
		}
		return patternRow{Pattern: p, new: isNew}
	}
	rows := []patternRow{
		row("rare", sources.LevelError, true, 3, 2, 3, 3),
		row("usual", sources.LevelInfo, false, 900, 900, 900, 900),
		row("steady", sources.LevelWarn, true, 90, 90, 90, 90),
		row("burst", sources.LevelInfo, true, 0, 0, 0, 5000),
		row("few", sources.LevelInfo, false, 1, 1, 1, 1),
		row("begins", sources.LevelError, true, 0, 0, 0, 40),
	}
	orderPatterns(rows, noon, noon.Add(4*time.Minute))
	var got []string
	for i := range rows {
		got = append(got, rows[i].Text)
	}
	if text := strings.Join(got, " "); text != "burst begins rare steady usual few" {
		t.Error(text)
	}
}
