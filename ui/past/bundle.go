package past

import (
	"archive/tar"
	"cmp"
	"compress/gzip"
	"context"
	"fmt"
	"io"
	"strings"
	"time"

	"pilothouse/backends"
)

// Logs tells the lines of a container's log; a *backends.Lifecycle.
type Logs interface {
	Logs(ctx context.Context, name string, o backends.LogOptions, each func(container string, l backends.LogLine)) error
}

// BundleOptions are what a bundle is made of besides what is recorded. The zero
// value is one of now, without logs and configuration.
type BundleOptions struct {
	At      time.Time // the moment that it is about; zero: now
	By      string    // who wants it
	Version string    // of this program
	Logs    Logs      // of containers; nil: there are none
	Log     *Log      // the gateway's own; nil: it is not kept
	Config  []byte    // without anything secret; nil: it is not told
}

// Bundle writes all that is known of the quarter of an hour before a moment as one
// .tar.gz: see docs/incidents.md for what is in it. There is no key in it, no
// prompt and no body, as far as those can be told in logs that others write. What
// can't be read costs a note in it, a container whose engine doesn't answer five
// seconds. An error is that it could not be written, that ctx has ended, or that
// nothing is known of that time.
func (r *Recorder) Bundle(ctx context.Context, w io.Writer, o BundleOptions) error {
	now := r.o.Now().UTC()
	end := o.At.UTC()
	if o.At.IsZero() {
		end = now
	}
	m, ok := r.At(end)
	if !ok {
		return fmt.Errorf("write an incident bundle: nothing is known of %s", end.Format(time.RFC3339))
	}
	z := gzip.NewWriter(w)
	a := &archive{tar: tar.NewWriter(z), made: now, names: map[string]bool{}}
	r.tables(a, m, end, now)
	a.documents(r, m, now)
	a.logs(ctx, o, m, end, now)
	if o.Config != nil {
		a.add("config.toml", "the configuration, without anything secret", []byte(scrubKeys(string(o.Config))))
	}
	a.add("README.txt", "this text", a.readme(o, m, end))
	err := cmp.Or(ctx.Err(), a.err, a.tar.Close(), z.Close())
	if err != nil {
		return fmt.Errorf("write an incident bundle: %w", err)
	}
	return nil
}

// archive is a bundle that is being written.
type archive struct {
	tar   *tar.Writer
	made  time.Time
	names map[string]bool
	index []string // a line for each file
	notes []string // of what is missing
	err   error    // the first that writing met
}

// add adds a file. Its name is made safe, and told apart from others.
func (a *archive) add(name, about string, data []byte) {
	parts := strings.Split(name, "/")
	for i := range parts {
		parts[i] = fileName(parts[i])
	}
	name = strings.Join(parts, "/")
	for n := 2; a.names[name]; n++ {
		dir, file := "", parts[len(parts)-1]
		if len(parts) > 1 {
			dir = strings.Join(parts[:len(parts)-1], "/") + "/"
		}
		name = fmt.Sprintf("%s%d-%s", dir, n, file)
	}
	a.names[name] = true
	a.index = append(a.index, fmt.Sprintf("%-28s %s", name, about))
	if a.err == nil {
		a.err = a.tar.WriteHeader(&tar.Header{Typeflag: tar.TypeReg, Name: name, Mode: 0o600, Size: int64(len(data)), ModTime: a.made, Format: tar.FormatPAX})
	}
	if a.err == nil {
		_, a.err = a.tar.Write(data)
	}
}

// note notes what could not be had.
func (a *archive) note(format string, args ...any) {
	a.notes = append(a.notes, line(scrub(fmt.Sprintf(format, args...))))
}

func (a *archive) readme(o BundleOptions, m Moment, end time.Time) []byte {
	var b strings.Builder
	fmt.Fprintf(&b, "Pilothouse incident bundle\n\nmoment   %s\nframe    %s, how everything was at that moment\nspan     15 minutes before it, and a day by the minute in day/\nmade     %s by %s\nversion  %s\n",
		end.Format(time.RFC3339), m.At.Format(time.RFC3339), a.made.Format(time.RFC3339), line(cmp.Or(o.By, "nobody who was named")), line(cmp.Or(o.Version, "not told")))
	if m.Gateway != nil {
		fmt.Fprintf(&b, "started  %s\n", m.Gateway.Started.UTC().Format(time.RFC3339))
	}
	if m.GPUs != nil && m.GPUs.Driver != "" {
		fmt.Fprintf(&b, "driver   %s, CUDA %s\n", line(m.GPUs.Driver), line(cmp.Or(m.GPUs.CUDA, "not known")))
	}
	if m.GPUs != nil && m.GPUs.Simulated {
		b.WriteString("GPUs are simulated.\n")
	}
	b.WriteString("\nTimes are UTC. An empty cell is a figure that was not known, never 0.\nKeys, prompts and bodies are left out; logs are searched for what looks like one.\n\nFiles\n\n")
	for _, l := range a.index {
		b.WriteString(l + "\n")
	}
	if len(a.notes) > 0 {
		b.WriteString("\nMissing\n\n")
		for _, n := range a.notes {
			b.WriteString("- " + n + "\n")
		}
	}
	return []byte(b.String())
}

// line makes a text one line without control characters.
func line(s string) string {
	var b strings.Builder
	for _, r := range strings.ToValidUTF8(s, "\uFFFD") {
		switch {
		case r == '\t':
			b.WriteByte(' ')
		case r < 0x20 || r >= 0x7f && r < 0xa0 || r == 0x2028 || r == 0x2029:
			fmt.Fprintf(&b, `\x%02x`, r)
		default:
			b.WriteRune(r)
		}
	}
	return b.String()
}
