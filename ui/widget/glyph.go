package widget

// Glyphs are the shapes that carry meaning and the strokes that carry none.
// Each is one cell wide.
type Glyphs struct {
	Good, Warn, Bad, Unknown, Half, Drain string // marks of a state

	None     string // no data
	Ellipsis string // text goes on
	Dot      string // between facts
	Arrow    string // from, to
	Pointer  string // focused box, selected row
	Branch   string // belongs to the line above

	Horizontal, Vertical                       string
	TopLeft, TopRight, BottomLeft, BottomRight string
	Tick, AxisEnd                              string // on the axes of a graph
	Bars                                       []string
}

var unicodeGlyphs = Glyphs{
	Good: "●", Warn: "▲", Bad: "■", Unknown: "○", Half: "◐", Drain: "▼",
	None: "–", Ellipsis: "…", Dot: "·", Arrow: "→", Pointer: "▸", Branch: "└",
	Horizontal: "─", Vertical: "│",
	TopLeft: "╭", TopRight: "╮", BottomLeft: "╰", BottomRight: "╯",
	Tick: "╴", AxisEnd: "┤",
	Bars: []string{" ", "▏", "▎", "▍", "▌", "▋", "▊", "▉", "█"},
}

var asciiGlyphs = Glyphs{
	Good: "+", Warn: "!", Bad: "X", Unknown: "?", Half: "~", Drain: "v",
	None: "-", Ellipsis: "~", Dot: "|", Arrow: ">", Pointer: ">", Branch: "`",
	Horizontal: "-", Vertical: "|",
	TopLeft: "+", TopRight: "+", BottomLeft: "+", BottomRight: "+",
	Tick: "'", AxisEnd: "+",
	Bars: []string{".", "#"},
}

// Mark is the shape of a meaning; a space for those that have none.
func (t *Theme) Mark(s Style) string {
	switch s & meaning {
	case Good:
		return t.Good
	case Warn:
		return t.Warn
	case Bad:
		return t.Bad
	case Unknown:
		return t.Unknown
	}
	return " "
}
