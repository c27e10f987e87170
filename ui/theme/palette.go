package theme

import (
	"image/color"

	"charm.land/lipgloss/v2"
)

// palette names colours by what they say. nil is the terminal's own colour.
//
// Each colour is chosen three times over: by its contrast on the backgrounds that terminals have
// (palette_test.go), by what colorprofile makes of it on 256 and on 16 colours (a warning must stay yellow and
// not become red, a selection must not become the background), and by restraint: only what is wrong is bright.
type palette struct {
	text, muted, faint   color.Color
	border, focus        color.Color
	accent               color.Color
	ok, info, updating   color.Color
	warn, err, fatal     color.Color
	unknown, spark       color.Color
	selFg, selBg         color.Color
	blurFg, blurBg       color.Color
	matchFg, matchBg     color.Color
	currentFg, currentBg color.Color
	badgeFg, badgeBg     color.Color
	// series are after Okabe and Ito's set (jfly.uni-koeln.de/color), moved as little as makes them differ by 0.12 in
	// CIEDE2000 for an eye without red or green cones, keeps their contrast, and gives six colours of sixteen.
	series [6]color.Color
}

func hex(s string) color.Color { return lipgloss.Color(s) }

func six(c ...string) (out [6]color.Color) {
	for i := range out {
		out[i] = hex(c[i])
	}
	return out
}

func darkPalette() palette {
	return palette{
		muted: hex("#b2b2b2"), faint: hex("#949494"), border: hex("#585858"), focus: hex("#6cb6ff"), accent: hex("#6cb6ff"),
		ok: hex("#87af87"), info: hex("#6cb6ff"), updating: hex("#56c8d8"), warn: hex("#d7d75f"), err: hex("#ff6b6b"), fatal: hex("#ff87ff"), unknown: hex("#b48ead"), spark: hex("#7d9cc4"),
		selFg: hex("#ffffff"), selBg: hex("#264f78"), blurFg: hex("#ffffff"), blurBg: hex("#444444"),
		matchFg: hex("#000000"), matchBg: hex("#d7d75f"), currentFg: hex("#000000"), currentBg: hex("#ff8c42"),
		badgeFg: hex("#000000"), badgeBg: hex("#6cb6ff"),
		series: six("#3db6f6", "#c28fb4", "#24a47e", "#f4ec35", "#ff8c42", "#c6c6c6"),
	}
}

func lightPalette() palette {
	return palette{
		muted: hex("#585858"), faint: hex("#6c6c6c"), border: hex("#8a8a8a"), focus: hex("#0057b8"), accent: hex("#0057b8"),
		ok: hex("#1a7f37"), info: hex("#0057b8"), updating: hex("#00757f"), warn: hex("#6b5f00"), err: hex("#c00000"), fatal: hex("#af00af"), unknown: hex("#875f87"), spark: hex("#4f7096"),
		selFg: hex("#ffffff"), selBg: hex("#0057b8"), blurFg: hex("#000000"), blurBg: hex("#b2b2b2"),
		matchFg: hex("#000000"), matchBg: hex("#ffff5f"), currentFg: hex("#ffffff"), currentBg: hex("#b84e00"),
		badgeFg: hex("#ffffff"), badgeBg: hex("#0057b8"),
		series: six("#0072c7", "#954589", "#047a5a", "#4d4300", "#b5550b", "#333333"),
	}
}

func brightPalette() palette { // high contrast on a dark background
	return palette{
		text: hex("#ffffff"), muted: hex("#dadada"), faint: hex("#c6c6c6"), border: hex("#b2b2b2"), focus: hex("#ffffff"), accent: hex("#87d7ff"),
		ok: hex("#5fff5f"), info: hex("#87d7ff"), updating: hex("#5fffff"), warn: hex("#ffff5f"), err: hex("#ff8787"), fatal: hex("#ff87ff"), unknown: hex("#ffafff"), spark: hex("#87d7ff"),
		selFg: hex("#000000"), selBg: hex("#ffffff"), blurFg: hex("#000000"), blurBg: hex("#b2b2b2"),
		matchFg: hex("#000000"), matchBg: hex("#ffff5f"), currentFg: hex("#000000"), currentBg: hex("#ff8787"),
		badgeFg: hex("#000000"), badgeBg: hex("#ffff5f"),
		series: six("#abdaff", "#f06fff", "#37e28b", "#ffff5f", "#fc893c", "#ffffff"),
	}
}

func inkPalette() palette { // high contrast on a light background
	return palette{
		text: hex("#000000"), muted: hex("#3a3a3a"), faint: hex("#444444"), border: hex("#585858"), focus: hex("#000000"), accent: hex("#00408f"),
		ok: hex("#005f00"), info: hex("#00408f"), updating: hex("#005757"), warn: hex("#4f4f00"), err: hex("#9b0000"), fatal: hex("#870087"), unknown: hex("#5f005f"), spark: hex("#00408f"),
		selFg: hex("#ffffff"), selBg: hex("#000000"), blurFg: hex("#ffffff"), blurBg: hex("#585858"),
		matchFg: hex("#000000"), matchBg: hex("#ffff5f"), currentFg: hex("#ffffff"), currentBg: hex("#9b0000"),
		badgeFg: hex("#ffffff"), badgeBg: hex("#000000"),
		series: six("#0357dc", "#84007c", "#0b3c24", "#4f4c00", "#985344", "#000000"),
	}
}
