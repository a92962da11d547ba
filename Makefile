# What people type. The gate, .ci/run, calls the same.

VERSION ?= dev
TOOLS := $(CURDIR)/.cache/tools
GOLANGCI_LINT_VERSION := v2.15.0

export PATH := $(TOOLS)/bin:$(TOOLS)/usr/bin:$(PATH)

.PHONY: build test race lint contract bench fuzz tools demo golden clean

build: ## the binary
	CGO_ENABLED=0 go build -trimpath -ldflags "-s -w -X main.version=$(VERSION)" -o atlas-restore-exporter .

test: ## what needs nothing but Go
	go test ./...

race: ## the same, as the gate runs it
	go test -race -shuffle=on ./...

contract: ## the simulator against the official description (set ATLAS_CONTRACT_DIR)
	cd atlas/atlastest/contract && go vet ./... && go test ./...

lint: $(TOOLS)/bin/golangci-lint-$(GOLANGCI_LINT_VERSION) ## formatting, vet, golangci-lint
	@test -z "$$(gofmt -l .)" || { gofmt -l .; echo "run gofmt -w on these"; exit 1; }
	go vet ./...
	$< run

bench: ## benchmarks
	go test -run '^$$' -bench . ./...

fuzz: ## each fuzz target for FUZZTIME
	go test -run '^$$' -fuzz FuzzPage -fuzztime $(FUZZTIME) ./atlas
	go test -run '^$$' -fuzz FuzzDecodeError -fuzztime $(FUZZTIME) ./atlas
	go test -run '^$$' -fuzz FuzzConfig -fuzztime $(FUZZTIME) .
FUZZTIME ?= 30s

demo: ## a simulated Atlas and an exporter that polls it
	go run . demo

golden: ## rewrite golden files; look at the difference before you commit it
	UPDATE_GOLDEN=1 go test . ./collector

tools: $(TOOLS)/bin/golangci-lint-$(GOLANGCI_LINT_VERSION) $(TOOLS)/usr/bin/promtool ## what the gate needs besides Go

$(TOOLS)/bin/golangci-lint-$(GOLANGCI_LINT_VERSION):
	GOBIN=$(TOOLS)/bin go install github.com/golangci/golangci-lint/v2/cmd/golangci-lint@$(GOLANGCI_LINT_VERSION)
	mv $(TOOLS)/bin/golangci-lint $@

# Debian's package, unpacked but not installed: it would start a service.
$(TOOLS)/usr/bin/promtool:
	mkdir -p $(TOOLS)
	cd $(TOOLS) && { apt-get download prometheus || { $$(command -v sudo) apt-get update && apt-get download prometheus; }; }
	cd $(TOOLS) && for package in prometheus_*.deb; do dpkg -x $$package .; done

clean:
	rm -rf atlas-restore-exporter .cache
