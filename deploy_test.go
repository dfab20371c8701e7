package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"
)

// What deploy/ has, as text.
const (
	rulesFile     = "deploy/prometheus/pilothouse.rules.yml"
	rulesTests    = "deploy/prometheus/tests/*.yml"
	dashboardFile = "deploy/grafana/pilothouse.json"
	unitFile      = "deploy/systemd/pilothouse.service"
)

// inTrouble are the metrics that a demo which is well does not have, and the
// file that makes each.
var inTrouble = map[string]string{
	"pilothouse_quota_store_up":                     "gateway/metrics.go", // where quotas are shared
	"pilothouse_quota_store_waits_total":            "gateway/metrics.go",
	"pilothouse_job_last_failure_timestamp_seconds": "gateway/metrics.go", // once one has failed
	"DCGM_FI_DEV_XID_ERRORS":                        "gpu/dcgm/fields.go", // once there was one
}

func readFile(t *testing.T, name string) string {
	t.Helper()
	b, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// promtool runs it; that it is not there fails the test.
func promtool(t *testing.T, args ...string) {
	t.Helper()
	if out, err := exec.CommandContext(t.Context(), "promtool", args...).CombinedOutput(); err != nil {
		t.Errorf("promtool %s: %v\n%s", strings.Join(args, " "), err, out)
	}
}

func TestRules(t *testing.T) {
	files, err := filepath.Glob(rulesTests)
	if err != nil || len(files) == 0 {
		t.Fatalf("no tests of the rules: %v", err)
	}
	promtool(t, "check", "rules", rulesFile)
	promtool(t, "check", "config", "deploy/prometheus/prometheus.yml")
	promtool(t, append([]string{"test", "rules"}, files...)...)
}

var severities = []string{"critical", "warning", "info"}

// alert is one, as the rules have it.
type alert struct {
	name, text string
}

func alerts(t *testing.T) []alert {
	t.Helper()
	begins := regexp.MustCompile(`(?m)^ +- (alert|record|name): (\S+)$`)
	text := readFile(t, rulesFile)
	at := begins.FindAllStringSubmatchIndex(text, -1)
	var all []alert
	for i, a := range at {
		end := len(text)
		if i+1 < len(at) {
			end = at[i+1][0]
		}
		if text[a[2]:a[3]] == "alert" {
			all = append(all, alert{text[a[4]:a[5]], text[a[0]:end]})
		}
	}
	if len(all) < 30 {
		t.Fatalf("%d alerts found", len(all))
	}
	return all
}

// TestAlerts: each waits for a while, says how grave it is, what it is and what
// to do, and is seen to fire and not to. The words of an alert name no label
// that it does not have, and no command that does not exist.
func TestAlerts(t *testing.T) {
	files, _ := filepath.Glob(rulesTests)
	var tests strings.Builder
	for _, f := range files {
		tests.WriteString(readFile(t, f))
	}
	asked := regexp.MustCompile(`(?m)alertname="(\w+)", alertstate="firing"}\n +eval_time: \S+\n +exp_samples:( \[\])?\n(?: +- labels: '(.*)')?`).FindAllStringSubmatch(tests.String(), -1)
	describes := regexp.MustCompile(`(?m)^          (summary|description): (['"])(.+)['"]$`)
	command := regexp.MustCompile("`(pilothouse [^`]*)`")
	for _, a := range alerts(t) {
		fires, silent, has := false, false, ""
		for _, q := range asked {
			if q[1] == a.name {
				fires, silent, has = fires || q[2] == "", silent || q[2] != "", has+q[3]
			}
		}
		if !fires || !silent {
			t.Errorf("%s: it is seen to fire: %v, and not to: %v", a.name, fires, silent)
		}
		if !regexp.MustCompile(`(?m)^        for: \d+[smh]`).MatchString(a.text) {
			t.Errorf("%s: no for", a.name)
		}
		severity := regexp.MustCompile(`(?m)^        labels: \{severity: (\w+)\}$`).FindStringSubmatch(a.text)
		if severity == nil || !slices.Contains(severities, severity[1]) {
			t.Errorf("%s: severity %v, want one of %v", a.name, severity, severities)
		}
		said := map[string]string{}
		for _, d := range describes.FindAllStringSubmatch(a.text, -1) {
			said[d[1]] = d[3]
		}
		if said["summary"] == "" || said["description"] == "" {
			t.Errorf("%s: it says %v", a.name, said)
		}
		for _, l := range regexp.MustCompile(`\$labels\.(\w+)`).FindAllStringSubmatch(a.text, -1) {
			if !regexp.MustCompile(`\b` + l[1] + `="`).MatchString(has) {
				t.Errorf("%s: it names the label %s; where it fires it has %s", a.name, l[1], has)
			}
		}
		for _, c := range command.FindAllStringSubmatch(said["summary"]+said["description"], -1) {
			if err := known(strings.Fields(regexp.MustCompile(`{{.*?}}`).ReplaceAllString(c[1], "X"))); err != nil {
				t.Errorf("%s: %q: %v", a.name, c[1], err)
			}
		}
	}
}

// known tells what is wrong with a command line: a command or a flag that
// Pilothouse does not have.
func known(line []string) error {
	cmd, rest, err := newRoot().Find(line[1:])
	if err != nil {
		return err
	}
	if cmd.Name() == "pilothouse" {
		return fmt.Errorf("no command")
	}
	for _, arg := range rest {
		if flag, ok := strings.CutPrefix(arg, "--"); ok && cmd.Flags().Lookup(flag) == nil {
			return fmt.Errorf("no flag --%s", flag)
		}
	}
	return nil
}

// dashboard is the part of Grafana's that tests look at.
type dashboard struct {
	UID, Title    string
	SchemaVersion int
	Templating    struct {
		List []struct {
			Name, Type string
			Definition string
		}
	}
	Panels []struct {
		ID                       int
		Type, Title, Description string
		Datasource               struct{ UID string }
		GridPos                  struct{ H, W, X, Y int }
		FieldConfig              struct{ Defaults struct{ Unit string } }
		Targets                  []struct {
			RefID, Expr, LegendFormat string
			Datasource                struct{ UID string }
		}
	}
}

func board(t *testing.T) (d dashboard) {
	t.Helper()
	if err := json.Unmarshal([]byte(readFile(t, dashboardFile)), &d); err != nil {
		t.Fatal(err)
	}
	return d
}

// plain is a query without Grafana's variables.
var plain = strings.NewReplacer("$__rate_interval", "5m", "$__range", "3h", "$instance", ".*", "$backend", ".*", "$org", ".*").Replace

// queries are the dashboard's, by the panel's title and their letter.
func (d *dashboard) queries() map[string]string {
	all := map[string]string{}
	for _, p := range d.Panels {
		for _, q := range p.Targets {
			all[p.Title+" "+q.RefID] = plain(q.Expr)
		}
	}
	return all
}

func TestDashboardFile(t *testing.T) {
	d := board(t)
	if d.UID != "pilothouse" || d.SchemaVersion < 38 {
		t.Errorf("uid %q, schema %d", d.UID, d.SchemaVersion)
	}
	kinds := map[string]string{}
	for _, v := range d.Templating.List {
		kinds[v.Name] = v.Type
	}
	if want := map[string]string{"datasource": "datasource", "instance": "query", "backend": "query", "org": "query"}; !maps.Equal(kinds, want) {
		t.Errorf("variables %v, want %v", kinds, want)
	}
	ids, titles, taken := map[int]bool{}, map[string]bool{}, map[[2]int]string{}
	for _, p := range d.Panels {
		if p.ID == 0 || ids[p.ID] || p.Title == "" || titles[p.Title] {
			t.Errorf("panel %d %q: its id or its title is missing, or there twice", p.ID, p.Title)
		}
		ids[p.ID], titles[p.Title] = true, true
		for x := p.GridPos.X; x < p.GridPos.X+p.GridPos.W; x++ {
			for y := p.GridPos.Y; y < p.GridPos.Y+p.GridPos.H; y++ {
				if other, ok := taken[[2]int{x, y}]; ok || x >= 24 {
					t.Fatalf("%q lies over %q, or beyond the edge", p.Title, other)
				}
				taken[[2]int{x, y}] = p.Title
			}
		}
		if p.Type == "row" {
			continue
		}
		if len(p.Description) < 20 || !strings.HasSuffix(p.Description, ".") || p.FieldConfig.Defaults.Unit == "" || len(p.Targets) == 0 {
			t.Errorf("%q: description %q, unit %q, %d queries", p.Title, p.Description, p.FieldConfig.Defaults.Unit, len(p.Targets))
		}
		for _, q := range p.Targets {
			if q.Datasource.UID != "${datasource}" || p.Datasource.UID != "${datasource}" || q.LegendFormat == "" {
				t.Errorf("%q %s: data source %q, legend %q", p.Title, q.RefID, q.Datasource.UID, q.LegendFormat)
			}
		}
	}
	// promtool has no command that parses a query: rules made of them are checked.
	var rules strings.Builder
	rules.WriteString("groups:\n- name: queries\n  rules:\n")
	for i, title := range slices.Sorted(maps.Keys(d.queries())) {
		expr, err := json.Marshal(d.queries()[title])
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprintf(&rules, "  - record: q%d # %s\n    expr: %s\n", i, title, expr)
	}
	if strings.Contains(rules.String(), "$") {
		t.Errorf("a variable that nobody knows:\n%s", rules.String())
	}
	path := filepath.Join(t.TempDir(), "queries.yml")
	write(t, path, rules.String())
	promtool(t, "check", "rules", path)
}

var (
	metricName = regexp.MustCompile(`\b(?:pilothouse_|DCGM_FI_|process_)\w+`)
	recorded   = regexp.MustCompile(`\b\w+:\w+(?::\w+)?\b`)
	selector   = regexp.MustCompile(`\b((?:pilothouse_|DCGM_FI_)\w+)\{([^}]*)\}`)
	matcher    = regexp.MustCompile(`(\w+)(?:=~|!~|!=|=)"`)
	grouping   = regexp.MustCompile(`\b(?:by|on) \(([^)]*)\)`)
	legend     = regexp.MustCompile(`\{\{(\w+)\}\}`)
)

// scraped are the labels of what a gateway exports, by metric.
type scraped map[string]map[string]bool

func scrape(t *testing.T, admin string) scraped {
	t.Helper()
	code, text := send(t, "GET", admin+"/metrics", "", "")
	if code != 200 {
		t.Fatalf("metrics: status %d", code)
	}
	s := scraped{}
	series := regexp.MustCompile(`^([a-zA-Z_:]\w*)(\{.*\})? `)
	for lines := bufio.NewScanner(strings.NewReader(text)); lines.Scan(); {
		if m := series.FindStringSubmatch(lines.Text()); m != nil {
			if s[m[1]] == nil {
				s[m[1]] = map[string]bool{"job": true, "instance": true} // Prometheus' own
			}
			for _, l := range matcher.FindAllStringSubmatch(m[2], -1) {
				s[m[1]][l[1]] = true
			}
		}
	}
	return s
}

// foreign are labels that no reading of a GPU without MIG has, and that which
// label_replace makes.
var foreign = []string{"GPU_I_ID", "backend"}

// missing lists what a query asks for and a gateway doesn't have: metrics, and
// labels of them.
func (s scraped) missing(query string) (names, labels []string) {
	has := map[string]bool{}
	sure := true // the labels of all its metrics are known
	for _, name := range metricName.FindAllString(recorded.ReplaceAllString(query, ""), -1) {
		switch {
		case s[name] != nil:
			maps.Copy(has, s[name])
		case inTrouble[name] != "":
			sure = false
		default:
			names = append(names, name)
		}
	}
	for _, sel := range selector.FindAllStringSubmatch(query, -1) {
		for _, l := range matcher.FindAllStringSubmatch(sel[2], -1) {
			if s[sel[1]] != nil && !s[sel[1]][l[1]] && !slices.Contains(foreign, l[1]) {
				labels = append(labels, sel[1]+" "+l[1])
			}
		}
	}
	if sure && len(has) > 0 && !recorded.MatchString(query) {
		for _, by := range grouping.FindAllStringSubmatch(query, -1) {
			for _, l := range strings.FieldsFunc(by[1], func(r rune) bool { return r == ',' || r == ' ' }) {
				if !has[l] && !slices.Contains(foreign, l) {
					labels = append(labels, l)
				}
			}
		}
	}
	return names, labels
}

// TestExported: whatever rules and dashboard ask for is what a real gateway
// exports, or what it exports in trouble.
func TestExported(t *testing.T) {
	_, at := start(t, nil, "serve", "--demo")
	admin := at["admin"].(string)
	rules := regexp.MustCompile(`(?m)^ *#.*$`).ReplaceAllString(readFile(t, rulesFile), "")
	d := board(t)
	asked := map[string]string{}
	for title, q := range d.queries() {
		asked["dashboard, "+title] = q
	}
	for _, v := range d.Templating.List {
		asked["dashboard, variable "+v.Name] = plain(v.Definition)
	}
	for i, rule := range regexp.MustCompile(`(?m)^ +- (?:alert|record): `).Split(rules, -1)[1:] {
		asked[fmt.Sprintf("rule %d, %s", i, strings.Fields(rule)[0])] = strings.Join(strings.Fields(rule), " ")
	}
	// Requests have to end, and readings of engines and GPUs to come, before all is there.
	var s scraped
	wrong := func() (list []string) {
		s = scrape(t, admin)
		for title, q := range asked {
			if names, labels := s.missing(q); len(names)+len(labels) > 0 {
				list = append(list, fmt.Sprintf("%s: no metric %v, no label %v", title, names, labels))
			}
		}
		slices.Sort(list)
		return list
	}
	look := time.NewTicker(200 * time.Millisecond)
	defer look.Stop()
	end := time.After(90 * time.Second)
wait:
	for len(wrong()) > 0 {
		select {
		case <-look.C:
		case <-end:
			t.Errorf("a gateway does not export:\n%s", strings.Join(wrong(), "\n"))
			break wait
		}
	}
	all := fmt.Sprint(asked)
	for name, file := range inTrouble {
		if s[name] != nil {
			t.Errorf("%s is there without trouble", name)
		}
		if !strings.Contains(all, name) {
			t.Errorf("nobody asks for %s", name)
		}
		if source := readFile(t, file); !strings.Contains(source, `desc("`+strings.TrimPrefix(name, "pilothouse_")+`"`) && !strings.Contains(source, `= "`+name+`"`) {
			t.Errorf("%s is not in %s", name, file)
		}
	}
	for _, p := range d.Panels {
		for _, q := range p.Targets {
			for _, l := range legend.FindAllStringSubmatch(q.LegendFormat, -1) {
				if !regexp.MustCompile(`by \([^)]*\b`+l[1]+`\b`).MatchString(q.Expr) && (len(grouping.FindString(q.Expr)) > 0 || !s[metricName.FindString(q.Expr)][l[1]]) {
					t.Errorf("%s: its legend has %s, its query %s", p.Title, l[1], q.Expr)
				}
			}
		}
	}
}

// TestUnit holds what the unit promises.
func TestUnit(t *testing.T) {
	set := map[string][]string{}
	for line := range strings.Lines(readFile(t, unitFile)) {
		line = strings.TrimSpace(line)
		if key, value, ok := strings.Cut(line, "="); ok && !strings.HasPrefix(line, "#") {
			set[key] = append(set[key], value)
		} else if line != "" && line[0] != '#' && line[0] != '[' {
			t.Errorf("a line that is none: %q", line)
		}
	}
	for key, want := range map[string]string{
		"User": "pilothouse", "SupplementaryGroups": "docker video", "StateDirectory": "pilothouse", "ReadWritePaths": "/var/lib/pilothouse",
		"CapabilityBoundingSet": "", "AmbientCapabilities": "", "NoNewPrivileges": "yes", "ProtectSystem": "strict",
		"Restart": "on-failure", "RestartPreventExitStatus": fmt.Sprint(exitUsage), "ExecReload": "/bin/kill -HUP $MAINPID", "KillSignal": "SIGTERM",
	} {
		if got := set[key]; len(got) != 1 || got[0] != want {
			t.Errorf("%s is %q, want %q", key, got, want)
		}
	}
	if _, hides := set["PrivateDevices"]; hides {
		t.Error("PrivateDevices hides the GPUs")
	}
	if run := strings.Fields(strings.Join(set["ExecStart"], " ")); len(run) != 4 || filepath.Base(run[0]) != "pilothouse" || known(run[:2]) != nil || run[2] != "--config" {
		t.Errorf("ExecStart is %q", run)
	}
	c, err := parseConfig("config.toml", reference)
	if err != nil {
		t.Fatal(err)
	}
	if c.Server.StateDir != "/var/lib/"+set["StateDirectory"][0] {
		t.Errorf("state_dir is %s", c.Server.StateDir)
	}
	stop, err := time.ParseDuration(strings.Join(set["TimeoutStopSec"], ""))
	if drain := time.Duration(c.Server.DrainTimeout); err != nil || stop < drain+10*time.Second {
		t.Errorf("it is killed after %v (%v); it drains for %v, and then writes its books", stop, err, drain)
	}
}
