package play

import (
	"strings"
	"unicode"
)

// move applies a key that moves the cursor.
func (e *editor) move(name string) bool {
	goal := -1
	switch name {
	case "left", "ctrl+b":
		e.row, e.col = e.before()
	case "right", "ctrl+f":
		e.row, e.col = e.after()
	case "ctrl+left", "alt+left", "alt+b":
		e.row, e.col = e.wordBefore()
	case "ctrl+right", "alt+right", "alt+f":
		e.row, e.col = e.wordAfter()
	case "home", "ctrl+a":
		e.col = 0
	case "end", "ctrl+e":
		e.col = len(e.lines[e.row])
	case "ctrl+home":
		e.row, e.col = 0, 0
	case "ctrl+end":
		e.row = len(e.lines) - 1
		e.col = len(e.lines[e.row])
	case "up", "down", "pgup", "pgdown":
		if e.single {
			return false
		}
		goal = e.vertical(map[string]int{"up": -1, "down": 1, "pgup": -8, "pgdown": 8}[name])
	default:
		return false
	}
	e.goal = goal
	return true
}

// vertical moves the cursor by lines, and returns the cell that it keeps to.
func (e *editor) vertical(by int) int {
	goal := e.goal
	if goal < 0 {
		goal = lineCells(e.theme, e.lines[e.row][:e.col], e.most*8)
	}
	to := e.row + by
	switch {
	case to < 0:
		e.row, e.col = 0, 0
		return -1
	case to >= len(e.lines):
		e.row = len(e.lines) - 1
		e.col = len(e.lines[e.row])
		return -1
	}
	e.row = to
	e.col, _ = fitCells(e.theme, e.lines[to], goal)
	return goal
}

// before is the place one character to the left.
func (e *editor) before() (row, col int) {
	if e.col == 0 {
		if e.row == 0 {
			return 0, 0
		}
		return e.row - 1, len(e.lines[e.row-1])
	}
	line, at := e.lines[e.row][:e.col], 0
	for {
		size, _ := stepCells(e.theme, line[at:])
		if at+size >= len(line) {
			return e.row, at
		}
		at += size
	}
}

// after is the place one character to the right.
func (e *editor) after() (row, col int) {
	line := e.lines[e.row]
	if e.col == len(line) {
		if e.row == len(e.lines)-1 {
			return e.row, e.col
		}
		return e.row + 1, 0
	}
	size, _ := stepCells(e.theme, line[e.col:])
	return e.row, e.col + size
}

func wordly(r rune) bool { return r == '_' || unicode.IsLetter(r) || unicode.IsDigit(r) }

// wordBefore is where the word begins that the cursor is in or behind.
func (e *editor) wordBefore() (row, col int) {
	if e.col == 0 {
		return e.before()
	}
	line := strings.TrimRightFunc(e.lines[e.row][:e.col], func(r rune) bool { return !wordly(r) })
	return e.row, len(strings.TrimRightFunc(line, wordly))
}

// wordAfter is where the word ends that the cursor is in or before.
func (e *editor) wordAfter() (row, col int) {
	line := e.lines[e.row]
	if e.col == len(line) {
		return e.after()
	}
	rest := strings.TrimLeftFunc(line[e.col:], func(r rune) bool { return !wordly(r) })
	return e.row, len(line) - len(strings.TrimLeftFunc(rest, wordly))
}
