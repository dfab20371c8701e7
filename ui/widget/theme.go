package widget

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/charmbracelet/colorprofile"
)

// Style is how a cell looks: one meaning, and attributes or-ed to it.
type Style uint8

// The meanings. Plain is the terminal's own foreground.
const (
	Plain   Style = iota
	Muted         // labels, units, borders, and what is stale
	Good          // as it should be
	Warn          // wants a look
	Bad           // somebody is hurt
	Unknown       // not known, or not known yet
	Focused       // has the keys
	Fill          // a bar that only repeats the figure beside it
	styles
)

// The attributes.
const (
	Track    Style = 1 << 4 // of a bar, what isn't filled: a ground of its own where there are enough colours
	Bold     Style = 1 << 5
	Selected Style = 1 << 6 // the row that keys act on
	Inverse  Style = 1 << 7 // a badge
)

const meaning = 1<<4 - 1

// Palette names a set of colours.
type Palette string

// The palettes. Auto follows the terminal's background; ColourBlind does too,
// with blue for good.
const (
	Auto        Palette = "auto"
	Dark        Palette = "dark"
	Light       Palette = "light"
	ColourBlind Palette = "colour-blind"
)

// ParsePalette reads the name of a palette; "" is Auto.
func ParsePalette(name string) (Palette, error) {
	switch p := Palette(name); p {
	case "":
		return Auto, nil
	case Auto, Dark, Light, ColourBlind:
		return p, nil
	}
	return "", fmt.Errorf("parse theme %q: want %s, %s, %s or %s", name, Auto, Dark, Light, ColourBlind)
}

// Look is what a theme is made from.
type Look struct {
	Palette Palette
	Profile colorprofile.Profile // Unknown and below ANSI: no colour
	OnLight bool                 // the terminal's background is light; for Auto and ColourBlind
	ASCII   bool                 // no Unicode
}

// Theme turns styles into escape sequences and meanings into glyphs.
type Theme struct {
	Glyphs
	ascii bool
	seq   [256]string // by Style; each sets everything anew
}

// NewTheme makes the theme of a look.
func NewTheme(l Look) *Theme {
	t := &Theme{Glyphs: unicodeGlyphs, ascii: l.ASCII}
	if l.ASCII {
		t.Glyphs = asciiGlyphs
	}
	if !l.ASCII && l.Profile <= colorprofile.ANSI { // there is no ground to tell a bar's length
		t.Bars = append([]string{t.Dot}, t.Bars[1:]...)
	}
	p := l.pick()
	for s := range t.seq {
		t.seq[s] = "\x1b[" + p.sgr(Style(s), l.Profile) + "m"
	}
	return t
}

// ASCII tells whether only ASCII may be drawn.
func (t *Theme) ASCII() bool { return t.ascii }

// palette has a colour for each meaning and the grounds of a selected row and of a
// bar: as RRGGBB, and as SGR numbers for terminals of 16 colours.
type palette struct {
	rgb    [styles]uint32
	ansi   [styles]string
	picked uint32
	track  uint32
}

// The colours of each palette have a contrast of at least 4.5 to 1 (WCAG 2.2,
// 1.4.3) against black or white, bars of 3 to 1 (1.4.11), and are all entries of the 256-colour table,
// so that they look the same where there are no more than those. The
// colour-blind ones keep to blue, yellow and orange, after Okabe and Ito.
const (
	green16, yellow16, red16, magenta16, cyan16, blue16 = "32", "33", "31", "35", "36", "34"
	brightGreen16, brightYellow16, brightRed16          = "92", "93", "91"
	brightMagenta16, brightCyan16, brightBlue16         = "95", "96", "94"

	// Faint rather than bright black, which is the background in some themes of
	// terminals (Solarized).
	grey16 = "2"
)

func (l Look) pick() palette {
	light := l.OnLight
	switch l.Palette {
	case Dark:
		light = false
	case Light:
		light = true
	}
	blind := l.Palette == ColourBlind
	switch {
	case blind && light:
		return palette{
			rgb:    [styles]uint32{Muted: 0x626262, Good: 0x005faf, Warn: 0x5f5f00, Bad: 0xaf5f00, Unknown: 0x585858, Focused: 0x87005f, Fill: 0x808080},
			ansi:   [styles]string{Muted: grey16, Good: blue16, Warn: yellow16, Bad: red16, Unknown: grey16, Focused: magenta16, Fill: grey16},
			picked: 0xe4e4e4, track: 0xe4e4e4,
		}
	case blind:
		return palette{
			rgb:    [styles]uint32{Muted: 0x949494, Good: 0x5fafff, Warn: 0xffd75f, Bad: 0xff8700, Unknown: 0xb2b2b2, Focused: 0xd787af, Fill: 0x6c6c6c},
			ansi:   [styles]string{Muted: grey16, Good: brightBlue16, Warn: brightYellow16, Bad: brightRed16, Unknown: grey16, Focused: brightMagenta16, Fill: grey16},
			picked: 0x303030, track: 0x262626,
		}
	case light:
		return palette{
			rgb:    [styles]uint32{Muted: 0x626262, Good: 0x008700, Warn: 0x875f00, Bad: 0xaf0000, Unknown: 0x8700af, Focused: 0x005faf, Fill: 0x808080},
			ansi:   [styles]string{Muted: grey16, Good: green16, Warn: yellow16, Bad: red16, Unknown: magenta16, Focused: blue16, Fill: grey16},
			picked: 0xe4e4e4, track: 0xe4e4e4,
		}
	default:
		return palette{
			rgb:    [styles]uint32{Muted: 0x949494, Good: 0x87d75f, Warn: 0xffaf5f, Bad: 0xff5f5f, Unknown: 0xaf87d7, Focused: 0x5fafff, Fill: 0x6c6c6c},
			ansi:   [styles]string{Muted: grey16, Good: brightGreen16, Warn: brightYellow16, Bad: brightRed16, Unknown: brightMagenta16, Focused: brightCyan16, Fill: grey16},
			picked: 0x303030, track: 0x262626,
		}
	}
}

// sgr is the parameter string of one style: a reset first, so that sequences
// never depend on what came before.
func (p *palette) sgr(s Style, prof colorprofile.Profile) string {
	m := s & meaning
	colour := prof >= colorprofile.ANSI
	var b strings.Builder
	b.WriteByte('0')
	// Without colour weight carries the rest: bold for what wants eyes, faint
	// for what doesn't, reverse for what the keys act on.
	if s&Bold != 0 || m == Bad || (!colour && (m == Warn || m == Focused)) {
		b.WriteString(";1")
	}
	if !colour && (m == Muted || m == Fill) && s&Selected == 0 {
		b.WriteString(";2")
	}
	if s&Inverse != 0 || (s&Selected != 0 && prof <= colorprofile.ANSI) {
		b.WriteString(";7")
	}
	if !colour || m >= styles {
		return b.String()
	}
	if prof == colorprofile.ANSI {
		if p.ansi[m] != "" && s&Selected == 0 {
			b.WriteString(";" + p.ansi[m])
		}
		return b.String()
	}
	if m != Plain {
		b.WriteString(";38;5;" + entry(p.rgb[m]))
	}
	switch {
	case s&Inverse != 0:
	case s&Track != 0:
		b.WriteString(";48;5;" + entry(p.track))
	case s&Selected != 0:
		b.WriteString(";48;5;" + entry(p.picked))
	}
	return b.String()
}

// entry is the number of a colour in the table of 256: of its cube of six levels for
// each of red, green and blue, or of its greys.
func entry(c uint32) string {
	r, g, b := c>>16, c>>8&0xff, c&0xff
	if r == g && g == b && r%10 == 8 && r <= 0xee { // the cube's own greys end in other digits
		return strconv.Itoa(int(232 + (r-8)/10))
	}
	return strconv.Itoa(int(16 + 36*level(r) + 6*level(g) + level(b)))
}

// level is the step of the cube that has a value: 0, 95, 135, 175, 215 or 255.
func level(v uint32) uint32 {
	if v < 95 {
		return 0
	}
	return (v - 55) / 40
}
