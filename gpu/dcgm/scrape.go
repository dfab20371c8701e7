package dcgm

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"strconv"
	"strings"
	"time"
	"unicode"

	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"

	"pilothouse/gpu"
)

// What one exporter may have. A DGX has 8 GPUs, a GPU at most 7 MIG devices.
const (
	mostGPUs  = 256
	mostParts = 64
	lineMost  = 16 << 10
	labelMost = 128
)

// What an exposition can be besides readable. None of it is quoted.
var (
	errNone  = errors.New("it shows no GPU: is a DCGM exporter there?")
	errMixed = errors.New("it shows two GPUs of the same number: name the exporter of one host, and nothing that gathers several")
)

// scrape is what an exporter showed at one moment.
type scrape struct {
	at   time.Time
	gpus map[int]*shown
}

// shown is what there is of one GPU. Values are in the exporter's units.
type shown struct {
	uuid, name, pci, driver, serves string
	values                          map[string]gpu.Reading
	parts                           []part // in any order
}

// part is a MIG device.
type part struct {
	id, profile string
	values      map[string]gpu.Reading
}

// parse reads an exposition. The exporter writes labels as they are, without
// escaping them, so a line that can't be read costs itself alone. Of series
// that come twice, as they do where a device is shared, the first counts. What
// has no line's end was cut, and counts as little.
func parse(in io.Reader, at time.Time) (*scrape, error) {
	x := &scrape{at, make(map[int]*shown)}
	r, wanted, parser := bufio.NewReaderSize(in, lineMost), wanted(), expfmt.NewTextParser(model.LegacyValidation)
	for {
		line, err := r.ReadSlice('\n')
		for err == bufio.ErrBufferFull { // no row is that long; the buffer is used again
			line = nil
			_, err = r.ReadSlice('\n')
		}
		if err != nil && err != io.EOF {
			return nil, err
		}
		if n := bytes.IndexByte(line, '{'); n > 0 && wanted[string(line[:n])] {
			name := string(line[:n])
			families, wrong := parser.TextToMetricFamilies(bytes.NewReader(line))
			if f := families[name]; wrong == nil && f != nil && len(f.Metric) == 1 {
				m := f.Metric[0]
				row := make(map[string]string, len(m.Label))
				for _, l := range m.Label {
					row[l.GetName()] = plain(l.GetValue())
				}
				if !x.add(name, row, number(line, m.GetUntyped().GetValue(), at)) {
					return nil, errMixed
				}
			}
		}
		if err == io.EOF {
			break
		}
	}
	if len(x.gpus) == 0 {
		return nil, errNone
	}
	return x, nil
}

// plain is a label without anything that a terminal would obey. DCGM's words
// for having none, all of them like "<<<NULL>>>", are none.
func plain(s string) string {
	if strings.HasPrefix(s, "<<<") {
		return ""
	}
	return strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) {
			return '\uFFFD'
		}
		return r
	}, s[:min(len(s), labelMost)])
}

// DCGM's blank values, dcgm_structs.h: from these on, by their kind. Two above
// is that the device can't measure it. Exporters leave them out; old ones did not.
const (
	blankFloat = 1 << 47
	blankInt   = 1<<63 - 16
)

// number makes a reading of a value, which says by a blank what it is not.
func number(line []byte, v float64, at time.Time) gpu.Reading {
	switch {
	case v == blankFloat+2 || v >= blankInt && bytes.Contains(line, []byte(strconv.Itoa(blankInt+2))):
		return gpu.NotSupported()
	case v < 0 || v >= blankFloat && v < blankFloat+16 || v >= blankInt:
		return gpu.Reading{}
	}
	return gpu.Read(v, at)
}

// add notes a row; it is false where another GPU has its number. Rows without a
// number of a GPU, of switches and processors, are passed over.
func (x *scrape) add(name string, row map[string]string, r gpu.Reading) bool {
	index, err := strconv.Atoi(row["gpu"])
	if err != nil || index < 0 || index >= mostGPUs {
		return true
	}
	g := x.gpus[index]
	if g == nil {
		g = &shown{values: make(map[string]gpu.Reading)}
		x.gpus[index] = g
	}
	uuid, id := row["UUID"], row["GPU_I_ID"]
	if uuid == "" {
		uuid = row["uuid"] // of the exporter's old name space
	}
	if id != "" && !strings.HasPrefix(uuid, "GPU-") {
		uuid = "" // not the GPU's own
	}
	if uuid != "" && g.uuid != "" && uuid != g.uuid {
		return false
	}
	for _, l := range []struct {
		to   *string
		from string
	}{{&g.uuid, uuid}, {&g.name, row["modelName"]}, {&g.pci, addressOf(row["pci_bus_id"])}, {&g.driver, row["DCGM_FI_DRIVER_VERSION"]}} {
		if *l.to == "" {
			*l.to = l.from
		}
	}
	values := g.values
	if id != "" {
		values = g.part(id, row["GPU_I_PROFILE"])
	} else if g.serves == "" {
		g.serves = row["container"]
	}
	if _, twice := values[name]; !twice && values != nil {
		values[name] = r
	}
	return true
}

// part is where the values of a MIG device belong; nil where there are too many.
func (g *shown) part(id, profile string) map[string]gpu.Reading {
	for i := range g.parts {
		if g.parts[i].id == id {
			return g.parts[i].values
		}
	}
	if len(g.parts) == mostParts {
		return nil
	}
	p := part{id, profile, make(map[string]gpu.Reading)}
	g.parts = append(g.parts, p)
	return p.values
}
