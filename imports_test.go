package main

import (
	"os/exec"
	"slices"
	"strings"
	"testing"
)

// TestImports holds the direction of imports that docs/design.md draws.
func TestImports(t *testing.T) {
	out, err := exec.Command("go", "list", "-f", `{{.ImportPath}}{{range .Imports}} {{.}}{{end}}`, "./...").Output()
	if err != nil {
		t.Fatal(err)
	}
	const fasthttp = "github.com/valyala/fasthttp"
	// What each package, or each below a prefix ending in /, may import of the project.
	may := map[string]string{
		"backends":            "backends/openai backends/docker",
		"backends/docker":     "",
		"backends/dockertest": "",
		"backends/openai":     "",
		"backends/sim":        "backends/openai",
		"gateway":             "gateway/keys gateway/ledger gateway/queue gateway/quota backends backends/openai",
		"gateway/accesslog":   "",
		"gateway/bench":       "",
		"gateway/keys":        "",
		"gateway/ledger":      "",
		"gateway/queue":       "",
		"gateway/quota":       "",
		"gateway/redistest":   "",
		"gpu":                 "",
		"gpu/dcgm":            "gpu",
		"gpu/nvml":            "gpu",
		"gpu/sim":             "gpu",
		"ui":                  "ui/ask ui/chat ui/paint ui/play ui/query ui/desk ui/pane ui/past ui/widget gateway gateway/quota backends gpu",
		"ui/ask":              "ui/query",
		"ui/chat":             "backends/openai",
		"ui/play":             "ui/ask ui/chat ui/pane ui/query ui/widget",
		"ui/query":            "backends",
		"ui/bench":            "",
		"ui/cli":              "ui/ask ui/query ui/desk ui/pane ui/widget gateway gateway/keys gateway/ledger gateway/quota backends backends/sim gpu",
		"ui/demo":             "backends backends/docker backends/sim gateway/keys gpu gpu/sim",
		"ui/desk":             "gateway gateway/ledger backends",
		"ui/pane":             "ui/past ui/widget gateway gateway/ledger gateway/quota backends gpu",
		"ui/paint":            "",
		"ui/picture":          "",
		"ui/past":             "gateway gateway/ledger gateway/quota backends gpu",
		"ui/saved":            "ui/desk ui/past",
		"ui/shell":            "ui/cli ui/desk ui/sshd backends gateway/ledger",
		"ui/sshd":             "ui ui/desk backends",
		"ui/widget":           "",
	}
	for line := range strings.Lines(string(out)) {
		imports := strings.Fields(line)
		pkg := strings.TrimPrefix(imports[0], "pilothouse/")
		if pkg == "pilothouse" {
			continue
		}
		if strings.Count(pkg, "/") > 1 {
			t.Errorf("%s is more than two levels deep", pkg)
		}
		allowed, known := may[pkg]
		if !known {
			t.Errorf("package %s is not in this test's table, nor in docs/design.md's", pkg)
		}
		for _, imp := range imports[1:] {
			own, ok := strings.CutPrefix(imp, "pilothouse/")
			if ok && !slices.Contains(strings.Fields(allowed), own) {
				t.Errorf("%s imports %s; it may import: %s", pkg, own, allowed)
			}
			if strings.HasPrefix(imp, fasthttp) && pkg != "gateway" && pkg != "gateway/bench" {
				t.Errorf("%s imports fasthttp, which is the gateway's alone", pkg)
			}
		}
	}
}
