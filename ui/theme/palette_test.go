package theme

import (
	"image/color"
	"math"
	"reflect"
	"testing"

	"charm.land/lipgloss/v2"
	"github.com/charmbracelet/colorprofile"
	"github.com/charmbracelet/x/ansi"
	"github.com/lucasb-eyer/go-colorful"
)

// The backgrounds that the themes are made for: black, the common editors' dark greys (Dracula's is the
// lightest of them), white and Solarized's paper.
var (
	darks  = []string{"#000000", "#1e1e1e", "#282a36"}
	lights = []string{"#ffffff", "#fafafa", "#fdf6e3"}
)

var themes = []struct {
	name        string
	dark        bool
	p           palette
	backgrounds []string
	least       float64 // of text; WCAG 2.2, 1.4.3 and 1.4.6
}{
	{"dark", true, darkPalette(), darks, 4.5},
	{"light", false, lightPalette(), lights, 4.5},
	{"high-contrast on dark", true, brightPalette(), darks[:2], 7},
	{"high-contrast on light", false, inkPalette(), lights[:2], 7},
}

// luminance and contrast are WCAG 2.2's definitions.
func luminance(c color.Color) float64 {
	r, g, b, _ := c.RGBA()
	f := func(v uint32) float64 {
		x := float64(v) / 0xffff
		if x <= 0.04045 {
			return x / 12.92
		}
		return math.Pow((x+0.055)/1.055, 2.4)
	}
	return 0.2126*f(r) + 0.7152*f(g) + 0.0722*f(b)
}

func contrast(a, b color.Color) float64 {
	x, y := luminance(a), luminance(b)
	if x < y {
		x, y = y, x
	}
	return (x + 0.05) / (y + 0.05)
}

func (p palette) texts() map[string]color.Color {
	return map[string]color.Color{"text": p.text, "muted": p.muted, "faint": p.faint, "focus": p.focus, "accent": p.accent, "ok": p.ok, "info": p.info,
		"updating": p.updating, "warn": p.warn, "error": p.err, "fatal": p.fatal, "unknown": p.unknown, "spark": p.spark}
}

func TestContrastOfText(t *testing.T) {
	for _, th := range themes {
		for _, b := range th.backgrounds {
			for name, c := range th.p.texts() {
				if c == nil {
					continue // the terminal's own on the terminal's own
				}
				if got := contrast(c, lipgloss.Color(b)); got < th.least {
					t.Errorf("%s: %s on %s: %.2f < %v", th.name, name, b, got, th.least)
				}
			}
			// Lines of a chart are graphics: 3 suffices (WCAG 1.4.11), but their names are in their colour.
			for i, c := range th.p.series {
				if got := contrast(c, lipgloss.Color(b)); got < 4.5 {
					t.Errorf("%s: series %d on %s: %.2f < 4.5", th.name, i, b, got)
				}
			}
		}
	}
}

func TestContrastOfPairs(t *testing.T) {
	for _, th := range themes {
		p := th.p
		for name, pair := range map[string][2]color.Color{"selection": {p.selFg, p.selBg}, "blurred": {p.blurFg, p.blurBg}, "match": {p.matchFg, p.matchBg},
			"current match": {p.currentFg, p.currentBg}, "badge": {p.badgeFg, p.badgeBg}} {
			if got := contrast(pair[0], pair[1]); got < th.least {
				t.Errorf("%s: %s: %.2f < %v", th.name, name, got, th.least)
			}
			// Converted to 16 colours the pair must not become one colour, nor the background the terminal's.
			f, b := colorprofile.ANSI.Convert(pair[0]), colorprofile.ANSI.Convert(pair[1])
			if f == b {
				t.Errorf("%s: %s is %v on %v on 16 colours", th.name, name, f, b)
			}
			if (th.dark && b == ansi.Black) || (!th.dark && b == ansi.BrightWhite) {
				t.Errorf("%s: %s cannot be told from the background on 16 colours", th.name, name)
			}
		}
	}
}

// TestSixteenColoursKeepTheMeaning: what is red must stay red, and only that.
func TestSixteenColoursKeepTheMeaning(t *testing.T) {
	family := map[color.Color]string{
		ansi.Red: "red", ansi.BrightRed: "red", ansi.Yellow: "yellow", ansi.BrightYellow: "yellow", ansi.Green: "green", ansi.BrightGreen: "green",
		ansi.Blue: "blue", ansi.BrightBlue: "blue", ansi.Cyan: "cyan", ansi.BrightCyan: "cyan", ansi.Magenta: "magenta", ansi.BrightMagenta: "magenta",
		ansi.Black: "grey", ansi.BrightBlack: "grey", ansi.White: "grey", ansi.BrightWhite: "grey",
	}
	for _, th := range themes {
		p := th.p
		for name, want := range map[string]struct {
			c      color.Color
			family string
		}{"ok": {p.ok, "green"}, "warn": {p.warn, "yellow"}, "error": {p.err, "red"}, "fatal": {p.fatal, "magenta"}, "updating": {p.updating, "cyan"},
			"info": {p.info, "blue"}, "muted": {p.muted, "grey"}, "faint": {p.faint, "grey"}, "border": {p.border, "grey"}, "unknown": {p.unknown, "magenta"}} {
			if got := family[colorprofile.ANSI.Convert(want.c)]; got != want.family {
				t.Errorf("%s: %s is %s on 16 colours, want %s", th.name, name, got, want.family)
			}
		}
		for name, c := range th.p.texts() {
			if c == nil {
				continue
			}
			got := colorprofile.ANSI.Convert(c)
			if (th.dark && got == ansi.Black) || (!th.dark && got == ansi.BrightWhite) {
				t.Errorf("%s: %s cannot be seen on 16 colours", th.name, name)
			}
		}
		seen := map[color.Color]int{}
		for i, c := range p.series {
			k := colorprofile.ANSI.Convert(c)
			if j, ok := seen[k]; ok {
				t.Errorf("%s: series %d and %d are both %v on 16 colours", th.name, j, i, k)
			}
			seen[k] = i
		}
	}
}

// deficient is how a colour looks to an eye without red, green or blue cones: the matrices at full severity of
// Machado, Oliveira and Fernandes, 2009, on linear RGB.
func deficient(c color.Color, m [9]float64) colorful.Color {
	k, _ := colorful.MakeColor(c)
	r, g, b := k.LinearRgb()
	return colorful.LinearRgb(m[0]*r+m[1]*g+m[2]*b, m[3]*r+m[4]*g+m[5]*b, m[6]*r+m[7]*g+m[8]*b).Clamped()
}

func TestSeriesCanBeToldApartByEveryEye(t *testing.T) {
	eyes := map[string][9]float64{
		"full":         {1, 0, 0, 0, 1, 0, 0, 0, 1},
		"protanopia":   {0.152286, 1.052583, -0.204868, 0.114503, 0.786281, 0.099216, -0.003882, -0.048116, 1.051998},
		"deuteranopia": {0.367322, 0.860646, -0.227968, 0.280085, 0.672501, 0.047413, -0.011820, 0.042940, 0.968881},
	}
	const least = 0.12 // CIEDE2000, of 1; 0.023 is just noticeable side by side
	for _, th := range themes {
		for eye, m := range eyes {
			for i := range th.p.series {
				for j := range i {
					if d := deficient(th.p.series[i], m).DistanceCIEDE2000(deficient(th.p.series[j], m)); d < least {
						t.Errorf("%s, %s: series %d and %d differ by %.3f", th.name, eye, j, i, d)
					}
				}
			}
		}
	}
}

// TestNoneHasNoColour looks at every style there is, also at ones added later.
func TestNoneHasNoColour(t *testing.T) {
	s, err := New(None, true)
	if err != nil {
		t.Fatal(err)
	}
	v := reflect.ValueOf(*s.Sheet)
	for i := range v.NumField() {
		styles, ok := v.Field(i).Interface().([]Style)
		if st, one := v.Field(i).Interface().(Style); one {
			styles, ok = []Style{st}, true
		}
		if !ok {
			continue
		}
		for _, st := range styles {
			for _, c := range []color.Color{st.Full().GetForeground(), st.Full().GetBackground()} {
				if _, none := c.(lipgloss.NoColor); !none {
					t.Errorf("%s has the colour %v", v.Type().Field(i).Name, c)
				}
			}
		}
	}
}
