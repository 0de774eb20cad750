# The commands of a newcomer and of CI. `make demo` and `make test` are the first two.

GO ?= go
export CGO_ENABLED = 1

VERSION ?= $(shell git describe --tags --always --dirty 2>/dev/null || echo unknown)
LDFLAGS := -X hyok/internal/metrics.version=$(VERSION)
PROGRAMS := hyok kmsfront xksproxy
FUZZTIME ?= 30s

.PHONY: help deps build up demo test race lint generate bench fuzz clean

help: ## this list
	@sed -n 's/^\([a-z]*\):.*## /  make \1: /p' $(MAKEFILE_LIST)

deps: ## installs SoftHSM and a C compiler if they are missing
	@./.ci/deps

build: deps ## bin/hyok, bin/kmsfront, bin/xksproxy
	@$(GO) build -trimpath -ldflags '$(LDFLAGS)' -o bin/ $(addprefix ./cmd/,$(PROGRAMS))

up: build ## everything on this machine, in the foreground
	@exec bin/hyok up

demo: build ## walks the whole road once and checks each step
	@exec bin/hyok demo

test: deps ## all tests
	$(GO) test -count=1 ./...

race: deps ## all tests under the race detector
	$(GO) test -race -count=1 -p 1 -timeout 15m ./...

lint: deps ## gofmt, vet, staticcheck, govulncheck
	@./.ci/lint

generate: ## rewrites generated code
	$(GO) generate ./...

bench: build ## what each hop costs, against its floor
	@exec bin/hyok bench

fuzz: deps ## every fuzz target for FUZZTIME
	@./.ci/fuzz $(FUZZTIME)

clean: ## removes what was built
	rm -rf bin .cache
