package main

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"
)

// watched is how long the memory of what has a width is watched.
func (p *plan) watched(width int) time.Duration {
	if width != 120 {
		return 0
	}
	return p.watch
}

// part is something that holds memory, and how much: resident, in MiB.
type part struct {
	name string
	held func() (float64, error)
}

// grow watches memory while a key a second is pressed, as in make day, and tells how
// fast it grows.
func (s *screen) grow(ctx context.Context, name string, watch time.Duration, t toggle, parts ...part) (string, error) {
	all := make([][]float64, len(parts))
	var at []float64 // hours
	every := min(20*time.Second, max(time.Second, watch/30)).Truncate(time.Second)
	for i, began := 0, time.Now(); time.Since(began) <= watch; i++ {
		if time.Duration(i)*time.Second%every == 0 {
			at = append(at, time.Since(began).Hours())
			for j, part := range parts {
				held, err := part.held()
				if err != nil {
					return "", err
				}
				all[j] = append(all[j], held)
			}
		}
		if _, err := s.press(t, i); err != nil {
			return "", err
		}
		if err := pass(ctx, time.Until(began.Add(time.Duration(i+1)*time.Second))); err != nil {
			return "", err
		}
	}
	var told []string
	for j, held := range all {
		text := fmt.Sprintf("%s from %.2f to %.2f MiB resident, lowest %.2f, highest %.2f", parts[j].name, held[0], held[len(held)-1], slices.Min(held), slices.Max(held))
		if watch >= 5*time.Minute { // of less nobody can tell what an hour brings
			text += fmt.Sprintf(", %+.2f MiB an hour by least squares", slope(at, held))
		}
		told = append(told, text)
	}
	return fmt.Sprintf("%s over %v with a key a second, seen every %v: %s\n", name, watch, every, strings.Join(told, "; ")), nil
}

// slope is how much y grows with x, by least squares; 0 of fewer than two.
func slope(x, y []float64) float64 {
	n := float64(len(x))
	var sx, sy, sxx, sxy float64
	for i := range x {
		sx, sy, sxx, sxy = sx+x[i], sy+y[i], sxx+x[i]*x[i], sxy+x[i]*y[i]
	}
	if d := n*sxx - sx*sx; d > 0 {
		return (n*sxy - sx*sy) / d
	}
	return 0
}
