package ui

import (
	"charm.land/bubbles/v2/key"

	"pilothouse/ui/widget"
)

// themeWords are the names of the commands that choose one.
var themeWords = map[widget.Palette]string{
	widget.Auto: "theme auto: after the terminal's background", widget.Dark: "theme dark: for a dark background", widget.Light: "theme light: for a light background",
	widget.ColourBlind: "theme colour-blind: blue for good, orange for bad",
}

// words say what a key of global does.
func (k keyMap) words(b key.Binding) string {
	for i, v := range k.Views {
		if v.Help() == b.Help() {
			return "go to view " + viewNames[i]
		}
	}
	for _, of := range []struct {
		b     key.Binding
		words string
	}{
		{k.Next, "move the focus to the next pane"},
		{k.Previous, "move the focus to the previous pane"},
		{k.Enter, "open the selected row, or tell why something is wrong"},
		{k.Filter, "filter the list while you type"},
		{k.NextMatch, "next row that matches the filter"},
		{k.PrevMatch, "previous row that matches the filter"},
		{k.Sort, "sort the list by its next order"},
		{k.Describe, "describe the selected row: all that is known of it"},
		{k.Copy, "copy the selected row to the terminal's clipboard"},
		{k.Logs, "show the logs of what is selected"},
		{k.Findings, "list all findings, the most urgent first"},
		{k.Try, "show a curl line to try the gateway with"},
		{k.Help, "help: all keys that work here"},
		{k.Palette, "commands: this list"},
		{k.Full, "full screen for the focused pane, and back"},
		{k.Pause, "pause the picture, and go on"},
		{k.Earlier, "go back ten seconds in time"},
		{k.Later, "go forth ten seconds in time"},
		{k.Now, "go back to now"},
		{k.NextView, "go to the next view"},
		{k.PrevView, "go to the previous view"},
		{k.Mouse, "turn the mouse on or off"},
		{k.Refresh, "refresh: read all figures now"},
		{k.Redraw, "redraw the screen, should something have spoilt it"},
		{k.Quit, b.Help().Desc + ": " + quitWords[b.Help().Desc]},
		{k.Interrupt, b.Help().Desc + ", without a question"},
	} {
		if of.b.Help() == b.Help() {
			return of.words
		}
	}
	return b.Help().Desc
}

// quitWords say what happens in the end.
var quitWords = map[string]string{
	"back, then quit":  "at last it asks what becomes of the gateway",
	"back, then leave": "the gateway goes on",
}
