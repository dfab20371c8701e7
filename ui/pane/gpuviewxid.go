package pane

import (
	"fmt"
	"strings"
	"time"

	"pilothouse/gpu"
	"pilothouse/ui/widget"
)

// gpuLine is a line of a list: a mark and a heading, or what goes on below it.
type gpuLine struct {
	mark  widget.Style // Plain: none
	head  string
	style widget.Style // of the text
	text  string
}

// draw draws a line in w cells.
func (l *gpuLine) draw(c *widget.Canvas, x, y, w int) {
	end := x + w
	if l.mark != widget.Plain {
		c.Text(x, y, w, l.mark, c.Theme.Mark(l.mark))
	}
	x += 2
	if l.head != "" {
		x += c.Text(x, y, end-x, l.mark|widget.Bold, l.head) + 2
	}
	c.Text(x, y, end-x, l.style, l.text)
}

// gpuXIDStyle is how grave an XID is.
func gpuXIDStyle(x *gpu.XID) widget.Style {
	switch {
	case x.Code == 0:
		return widget.Unknown
	case x.Application, x.Mild:
		return widget.Warn
	}
	return widget.Bad
}

// gpuXIDLines are a device's XIDs in rows of w cells, newest first. Each has a
// line; where there are rows left the newest have what they mean, whom they met
// and what to do, too.
func gpuXIDLines(t *widget.Theme, d *gpuDevice, now time.Time, w, rows int) []gpuLine {
	if len(d.xids) == 0 {
		return []gpuLine{{style: widget.Muted, text: gpuNoXIDs(d)}}
	}
	free := rows - len(d.xids)
	var lines []gpuLine
	told := make(map[int]bool)
	for _, x := range d.xids {
		if len(lines) >= rows {
			break
		}
		lines = append(lines, gpuXIDHead(x, now))
		if told[x.Code] && len(x.Owners) == 0 {
			continue // what it means is above
		}
		told[x.Code] = true
		// What to do matters most, then whom it met, then what it means.
		var why, whom []gpuLine
		do := gpuWrap(t, t.Arrow+" ", x.Action, w, widget.Plain, 3)
		if len(do) > free && rows > 1 && len(lines) == 1 {
			// The newest has it whole, at the price of older ones.
			free = min(rows-1, len(do))
		}
		if x.InFlight > 0 || len(x.Owners) > 0 {
			whom = gpuWrap(t, "", gpuVictims(x), w, widget.Plain, 1)
		}
		why = gpuWrap(t, "", gpuMeaning(x), w, widget.Muted, 2)
		if len(do) > free {
			do = do[:max(0, free)]
		}
		free -= len(do)
		if len(whom) > free {
			whom = nil
		}
		free -= len(whom)
		if len(why) > free {
			why = nil
		}
		free -= len(why)
		lines = append(append(append(lines, whom...), do...), why...)
	}
	if len(lines) > rows {
		lines = lines[:rows]
	}
	return lines
}

func gpuXIDHead(x *gpu.XID, now time.Time) gpuLine {
	style := widget.Plain
	if now.Sub(x.Last) >= gpuRecent {
		style = widget.Muted
	}
	text := fmt.Sprintf("%6s ago", widget.Age(now.Sub(x.Last)))
	if x.Count > 1 {
		text += fmt.Sprintf(", %d times", x.Count)
	}
	if x.Old {
		text += ", before the start"
	}
	name := gpuClip(x.Name, 100)
	if name == gpuXID(x) { // it has no other
		name = ""
	}
	return gpuLine{mark: gpuXIDStyle(x), head: fmt.Sprintf("%-7s", gpuXID(x)), style: style, text: text + "  " + name}
}

// gpuMeaning is what an event means; of one without a number what was told.
func gpuMeaning(x *gpu.XID) string {
	if x.Code == 0 {
		return gpuJoined(x.Meaning, gpuClip(x.Text, 200))
	}
	return x.Meaning
}

// gpuVictims is whom an XID met.
func gpuVictims(x *gpu.XID) string {
	whom := make([]string, 0, 4)
	for i, o := range x.Owners {
		if i == 3 {
			whom = append(whom, fmt.Sprintf("%d more", len(x.Owners)-i))
			break
		}
		whom = append(whom, gpuClip(o, 60))
	}
	text := "nothing was in flight"
	switch x.InFlight {
	case 0:
	case 1:
		text = "1 request was in flight"
	default:
		text = fmt.Sprintf("%d requests were in flight", x.InFlight)
	}
	if len(whom) > 0 {
		text += "; it met " + strings.Join(whom, ", ")
	}
	return text
}

// gpuNoXIDs says that there are none, as far as anybody listens.
func gpuNoXIDs(d *gpuDevice) string {
	if d.host != nil && d.host.EventsErr != "" {
		return "none heard of: " + gpuClip(d.host.EventsErr, 200)
	}
	return "none"
}

// gpuWrap breaks a text into at most so many lines of w cells, less the two that
// lines keep for a mark. The last one holds all the rest, to be cut.
func gpuWrap(t *widget.Theme, first, text string, w int, style widget.Style, most int) []gpuLine {
	if text == "" {
		return nil
	}
	w = max(1, w-2)
	var lines []gpuLine
	line := first + gpuClip(text, most*w)
	indent := len(first)
	for len(lines) < most-1 {
		at := gpuBreak(t, line, indent, w)
		if at == 0 {
			break
		}
		lines = append(lines, gpuLine{style: style, text: line[:at]})
		line, indent = line[at+1:], 0
		if first != "" {
			line, indent = "  "+line, 2
		}
	}
	return append(lines, gpuLine{style: style, text: line})
}

// gpuBreak is the last space at which a line of w cells can end, behind its
// indentation; 0: it fits, or there is none.
func gpuBreak(t *widget.Theme, line string, indent, w int) int {
	at, used, from := 0, 0, 0
	for i := indent; i <= len(line); i++ {
		if i < len(line) && line[i] != ' ' {
			continue
		}
		if used += t.Width(line[from:i]); used > w {
			return at
		}
		if i < len(line) {
			at, from = i, i
		}
	}
	return 0
}
