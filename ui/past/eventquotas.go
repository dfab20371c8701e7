package past

import (
	"fmt"
	"time"

	"pilothouse/gateway"
	"pilothouse/gateway/quota"
)

// window tells windows of quotas apart.
type window struct{ org, key, name string }

// level is how full a window was when that was told last.
type level struct {
	percent int // 80, 90 or 100
	limit   int64
	resets  time.Time
}

const (
	leeway      = 0.05 // below a level from which on it is left
	clockFormat = "15:04 UTC"
	dateFormat  = "2 January 15:04 UTC"
)

// seeQuotas tells of limited windows that pass 80, 90 and 100 %, once until they
// begin anew, have another limit, or have gone well below.
func (w *watch) seeQuotas(now time.Time, all []gateway.OrgQuotas, first bool, t Trends) {
	there := 0
	for _, q := range all {
		for i := range q.Windows {
			v := &q.Windows[i]
			id := window{q.Org, v.Key, v.Name}
			old, had := w.levels[id]
			if had {
				there++
			}
			used := 0.0
			if v.Limit > 0 {
				used = share(v.Used, v.Limit)
			}
			next := level{reached(used, v.Limit > 0 && v.Remaining() == 0), v.Limit, v.ResetsAt}
			if next.percent < old.percent && next.limit == old.limit && next.resets.Equal(old.resets) && used > float64(old.percent)/100-leeway {
				continue
			}
			switch {
			case first || next.percent == old.percent:
			case next.percent > old.percent:
				w.tell(now, KindQuota, q.Org, levelGrade(next.percent), id.passed(now, next, v, used, t))
			case old.percent == 100:
				w.tell(now, KindQuota, q.Org, Good, fmt.Sprintf("%s has room again: %s of %s used", id.words(), amount(v.Used), amount(v.Limit)))
			}
			if next.percent > 0 {
				w.levels[id] = next
			} else if had {
				delete(w.levels, id)
				there--
			}
		}
	}
	if there < len(w.levels) {
		w.forget(all)
	}
}

// forget drops windows that are no more.
func (w *watch) forget(all []gateway.OrgQuotas) {
	there := map[window]bool{}
	for _, q := range all {
		for _, v := range q.Windows {
			there[window{q.Org, v.Key, v.Name}] = true
		}
	}
	for id := range w.levels {
		if !there[id] {
			delete(w.levels, id)
		}
	}
}

// reached is the level of a window; 0: it has not come to one.
func reached(used float64, full bool) int {
	switch {
	case full || used >= 1:
		return 100
	case used >= .9:
		return 90
	case used >= .8:
		return 80
	}
	return 0
}

func levelGrade(percent int) Grade {
	switch percent {
	case 100:
		return Bad
	case 90:
		return Warn
	}
	return Plain
}

func (id window) words() string {
	if id.key == "" {
		return id.name
	}
	return id.name + " of key " + id.key
}

// passed says what it means that a window has come so far.
func (id window) passed(now time.Time, l level, v *quota.Window, share float64, t Trends) string {
	if l.percent == 100 {
		return fmt.Sprintf("%s is used up (%s of %s): requests get 429 until %s", id.words(), amount(v.Used), amount(v.Limit), clock(l.resets, now))
	}
	text := fmt.Sprintf("%s is %d %% used (%s of %s)", id.words(), int(share*100), amount(v.Used), amount(v.Limit))
	if o := Foresee(t, id.org, v, now); !o.Out.IsZero() {
		return text + "; at its pace of late it runs out " + clock(o.Out, now)
	}
	return text
}

// clock writes a moment to come.
func clock(t, now time.Time) string {
	if t.Sub(now) < 24*time.Hour {
		return t.UTC().Format(clockFormat)
	}
	return t.UTC().Format(dateFormat)
}
