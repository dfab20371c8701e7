package backends

import (
	"strconv"
	"time"
)

// span writes in reasons and notes how long something takes, as the dashboard
// writes ages: 41 s, 12 min, 3 h. What is below 0 is 0.
func span(d time.Duration) string {
	switch d = max(d, 0).Round(time.Second); {
	case d < 2*time.Minute:
		return strconv.Itoa(int(d/time.Second)) + " s"
	case d < 2*time.Hour:
		return strconv.Itoa(int(d/time.Minute)) + " min"
	}
	return strconv.Itoa(int(d/time.Hour)) + " h"
}
