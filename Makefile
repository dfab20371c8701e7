# make run and make test are all that a newcomer needs; make help lists the rest.

VERSION := $(shell git describe --tags --always --dirty 2>/dev/null || echo dev)
LDFLAGS := -s -w -X main.version=$(VERSION)
# NVIDIA's library is reached through cgo; without a C compiler the binary is built,
# and can't read GPUs. It must not be linked statically, nor with -z now: a symbol
# that an older driver lacks would end it.
CGO := $(if $(shell command -v gcc),1,0)
export CGO_CFLAGS ?= -O2 -g -Wno-deprecated-declarations
FUZZTIME ?= 30s
CRASHES ?= 200
BENCHFLAGS ?=

.PHONY: run
run: build ## build and show the demo: simulated GPUs and backends, nothing needed, nothing left
	./bin/pilothouse --demo

.PHONY: test
test: deps ## all tests, against real parts
	go test ./...

.PHONY: build
build: ## bin/pilothouse, one binary
	CGO_ENABLED=$(CGO) go build -tags netgo,osusergo -trimpath -ldflags '$(LDFLAGS)' -o bin/pilothouse .

.PHONY: check
check: deps ## vet, staticcheck, format, and the tests with the race detector and all fuzz corpora
	@test -z "$$(gofmt -l .)" || { gofmt -l .; echo "run gofmt -w on these"; exit 1; }
	go mod tidy -diff
	go vet ./...
	go tool staticcheck ./...
	go test -race ./...

.PHONY: bench
bench: build ## the gateway against nginx and HAProxy, interleaved; prints a table and judges the goals
	go run ./gateway/bench -pilothouse bin/pilothouse $(BENCHFLAGS)

.PHONY: bench-dashboard
bench-dashboard: build ## what attached dashboards cost, beside btop over OpenSSH where both are installed; 6 minutes
	go run ./ui/bench -pilothouse bin/pilothouse $(BENCHFLAGS)

.PHONY: day
day: ## what a day takes of memory, in simulated time: the past of a large platform, and ten dashboards
	PILOTHOUSE_DAY=1 go test -count=1 -timeout 60m -run '^TestDay$$' -v ./ui/past ./ui

.PHONY: pictures
pictures: build ## draw the pictures of the docs anew, from the demo
	go run ./ui/picture -pilothouse bin/pilothouse

.PHONY: golden
golden: ## draw the goldens of the screens anew, to be looked at before they are committed
	go test ./ui ./ui/pane ./ui/play -run Golden -update

.PHONY: fuzz
fuzz: ## every fuzz target for FUZZTIME
	@set -e; for pkg in $$(go list ./...); do \
		for f in $$(go test -list '^Fuzz' $$pkg | grep '^Fuzz' || true); do \
			go test -run '^$$' -fuzz "^$$f$$" -fuzztime $(FUZZTIME) -fuzzminimizetime 20x $$pkg; \
		done; \
	done

.PHONY: crash
crash: deps ## kill the gateway, and three that share Redis, CRASHES times under load; hold their ledgers against what clients got
	PILOTHOUSE_CRASH_ROUNDS=$(CRASHES) go test -count=1 -timeout 1h -run '^TestCrash' -v .

.PHONY: deps
deps: ## install what the tests need (Debian, as root), or say what is missing
	@./.ci/deps

.PHONY: clean
clean: ## remove what was built
	rm -rf bin

.PHONY: help
help: ## list these targets
	@sed -n 's/^\([a-z]*\):.*## /\1\t/p' $(MAKEFILE_LIST) | expand -t 10
