package pane

import "testing"

// A history that has just begun fills its graph; from a whole span on the steps are
// those of the span.
func TestYoungStep(t *testing.T) {
	for _, tt := range []struct{ known, columns, most, want int }{
		{0, 100, 9, 9}, {1, 100, 9, 1}, {100, 100, 9, 1}, {101, 100, 9, 2}, {400, 100, 9, 4}, {401, 100, 9, 8}, {801, 100, 9, 9}, {900, 100, 9, 9},
		{5, 1000, 1, 1}, {5000, 1000, 1, 1}, {5, 0, 3, 3},
	} {
		if got := youngStep(tt.known, tt.columns, tt.most); got != tt.want {
			t.Errorf("%d known in %d columns, at most %d: %d, want %d", tt.known, tt.columns, tt.most, got, tt.want)
		}
	}
}
