# Commands for development. The gate, .ci/run, calls the same targets.

VERSION ?= dev
FUZZTIME ?= 30s
SOAK ?= 2m
TOOLS := $(CURDIR)/.cache/tools
GOLANGCI_LINT_VERSION := v2.15.0
HELM_VERSION := v4.3.1
KUBECTL_VALIDATE_VERSION := v0.0.4
GOVULNCHECK_VERSION := v1.8.0
GORELEASER_VERSION := v2.15.1
CYCLONEDX_VERSION := v1.10.0
# The module of Prometheus 3.15.0 has the version v0.315.0.
PROMETHEUS3_VERSION := 3.15.0
PROMETHEUS3_MODULE := v0.315.0
AXE_VERSION := 4.10.3
AXE_SHA256 := 0f2b4d7dcdf7d1219df8d1959ad68e565f51d14c3f0d88bb71cd59abeb956292
DEBIAN_PACKAGES := prometheus prometheus-alertmanager
MODULES := . atlas/atlastest/contract deploy/grafana internal/benchmark internal/runbooks/generate
FUZZ_TARGETS := FuzzPage:./atlas FuzzDecodeError:./atlas FuzzExposition:./collector FuzzConfig:./internal/config \
	FuzzWebConfig:./internal/server FuzzStatusPage:./internal/status
# The tests that measure real time and must run alone.
INCIDENTS := TestIncidents|TestHealthyYear

export PATH := $(TOOLS)/bin:$(TOOLS)/usr/bin:$(PATH)
export AXE_CORE := $(TOOLS)/axe-core-$(AXE_VERSION).js

.DEFAULT_GOAL := help
.PHONY: help build test race lint contract bench performance fuzz incidents soak golden demo tools helm browser prometheus3 vulncheck release packages reproduce clean

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z0-9]+:.*## / {printf "%-12s %s\n", $$1, $$2}' Makefile

build: ## build the binary
	CGO_ENABLED=0 go build -trimpath -ldflags "-s -w -X main.version=$(VERSION)" -o atlas-restore-exporter .

test: ## run the tests that need only Go
	go test ./...
	go -C deploy/grafana test ./...
	go -C internal/benchmark test ./...

race: ## run the same tests as the gate: with the race detector, in random order
	go test -race -shuffle=on -timeout 20m -skip '$(INCIDENTS)' ./...
	go -C internal/runbooks/generate test ./...
	go -C deploy/grafana test ./...
	go -C internal/benchmark test ./...

lint: $(TOOLS)/bin/golangci-lint-$(GOLANGCI_LINT_VERSION) ## check formatting, go vet, golangci-lint, go.mod
	@test -z "$$(gofmt -l .)" || { gofmt -l .; echo "run gofmt -w on these files"; exit 1; }
	for module in $(MODULES); do go -C $$module vet ./... && go -C $$module mod tidy -diff || exit 1; done
	for module in $(MODULES); do (cd $$module && golangci-lint run) || exit 1; done

contract: ## compare the simulator with the official API description (set ATLAS_CONTRACT_DIR)
	go -C atlas/atlastest/contract test ./...

bench: ## run all benchmarks of the packages
	go test -run '^$$' -bench . ./...

performance: $(TOOLS)/debian $(TOOLS)/bin/prometheus3 ## measure all figures of docs/performance.md and write the page (40 minutes; leave the machine idle meanwhile)
	cd internal/benchmark && go run . -write

fuzz: ## run each fuzz target for FUZZTIME
	for target in $(FUZZ_TARGETS); do \
		go test -run '^$$' -fuzz "^$${target%%:*}\$$" -fuzztime $(FUZZTIME) -fuzzminimizetime 10x $${target#*:} || exit 1; done

incidents: ## test the alerts with a real Prometheus and Alertmanager (leave the machine idle meanwhile)
	go test -count=1 -v -timeout 25m -run '$(INCIDENTS)' ./internal/e2e

soak: ## simulate days of polls within SOAK, and test the history with random values (SOAK_FLAGS=-race for the race detector)
	SOAK=$(SOAK) go test $(SOAK_FLAGS) -count=1 -v -timeout 0 -run TestSoak ./internal/e2e
	go test $(SOAK_FLAGS) -count=1 -timeout 0 -run TestModel ./collector/history -rapid.seed=0 -rapid.checks=2000

golden: ## rewrite golden files, runbooks, dashboards, and tables in the documentation; review the difference
	go generate ./internal/runbooks
	go -C deploy/grafana run .
	UPDATE_GOLDEN=1 go test -count=1 -skip '$(INCIDENTS)' ./...

demo: ## run the exporter against a simulated Atlas API
	go run . demo

tools: $(TOOLS)/bin/golangci-lint-$(GOLANGCI_LINT_VERSION) $(TOOLS)/debian $(TOOLS)/browser $(AXE_CORE) \
	$(TOOLS)/bin/helm-$(HELM_VERSION) \
	$(TOOLS)/bin/kubectl-validate-$(KUBECTL_VALIDATE_VERSION) ## install the tools of the gate in .cache

$(TOOLS)/bin/golangci-lint-$(GOLANGCI_LINT_VERSION):
	GOBIN=$(TOOLS)/bin go install github.com/golangci/golangci-lint/v2/cmd/golangci-lint@$(GOLANGCI_LINT_VERSION)
	touch $@

$(TOOLS)/bin/govulncheck-$(GOVULNCHECK_VERSION):
	GOBIN=$(TOOLS)/bin go install golang.org/x/vuln/cmd/govulncheck@$(GOVULNCHECK_VERSION)
	touch $@

$(TOOLS)/bin/goreleaser-$(GORELEASER_VERSION):
	GOBIN=$(TOOLS)/bin go install github.com/goreleaser/goreleaser/v2@$(GORELEASER_VERSION)
	touch $@

$(TOOLS)/bin/cyclonedx-gomod-$(CYCLONEDX_VERSION):
	GOBIN=$(TOOLS)/bin go install github.com/CycloneDX/cyclonedx-gomod/cmd/cyclonedx-gomod@$(CYCLONEDX_VERSION)
	touch $@

helm: $(TOOLS)/bin/helm-$(HELM_VERSION) ## install Helm, which also publishes the chart, in .cache

$(TOOLS)/bin/helm-$(HELM_VERSION):
	GOBIN=$(TOOLS)/bin go install helm.sh/helm/v4/cmd/helm@$(HELM_VERSION)
	touch $@

$(TOOLS)/bin/kubectl-validate-$(KUBECTL_VALIDATE_VERSION):
	GOBIN=$(TOOLS)/bin go install sigs.k8s.io/kubectl-validate@$(KUBECTL_VALIDATE_VERSION)
	touch $@

# The Debian packages are unpacked and not installed, because they would start services. Alertmanager reads its default
# template from the directory of the package.
SUDO := $(if $(shell test -w /usr/share && echo yes),,sudo)
$(TOOLS)/debian:
	mkdir -p $(TOOLS)/packages
	cd $(TOOLS)/packages && { apt-get download $(DEBIAN_PACKAGES) || \
		{ $(SUDO) apt-get update && apt-get download $(DEBIAN_PACKAGES); }; }
	cd $(TOOLS) && for package in packages/*.deb; do dpkg -x $$package .; done
	$(SUDO) mkdir -p /usr/share/prometheus/alertmanager
	$(SUDO) cp $(TOOLS)/usr/share/prometheus/alertmanager/*.tmpl /usr/share/prometheus/alertmanager/
	touch $@

# Without Chromium, the tests of the pages in a browser are skipped.
$(TOOLS)/browser:
	command -v chromium || { $(SUDO) apt-get update && \
		$(SUDO) apt-get install --yes --no-install-recommends chromium fonts-dejavu-core; } || true
	mkdir -p $(TOOLS) && touch $@

# axe-core checks the accessibility of pages. Without npm or its registry, this test is skipped; a package with another
# checksum is an error.
$(AXE_CORE):
	mkdir -p $(TOOLS)/packages
	cd $(TOOLS)/packages && if timeout 300 npm pack --silent --fetch-retries=1 axe-core@$(AXE_VERSION); then \
		echo "$(AXE_SHA256)  axe-core-$(AXE_VERSION).tgz" | sha256sum --check && \
		tar -xzOf axe-core-$(AXE_VERSION).tgz package/axe.min.js >axe-core.js && mv axe-core.js $@; \
	else echo "axe-core can't be downloaded, so the accessibility of pages is not checked"; fi

browser: $(TOOLS)/browser $(AXE_CORE) ## check the pages in Chromium, including their accessibility
	go test -count=1 -v -run TestPages ./internal/e2e

prometheus3: $(TOOLS)/debian $(TOOLS)/bin/prometheus3 ## run the incidents with the current Prometheus, built from source (10 CPU minutes)
	mkdir -p .cache/prometheus3 && ln -sf $(TOOLS)/bin/prometheus3 .cache/prometheus3/prometheus
	PATH=$(CURDIR)/.cache/prometheus3:$$PATH REQUIRE_TOOLS=1 $(MAKE) incidents

$(TOOLS)/bin/prometheus3:
	mkdir -p $(TOOLS)/prometheus3
	cd $(TOOLS)/prometheus3 && { test -f go.mod || go mod init prometheus3; } && \
		go get -tool github.com/prometheus/prometheus/cmd/prometheus@$(PROMETHEUS3_MODULE) && \
		go build -tags remove_all_sd -ldflags "-X github.com/prometheus/common/version.Version=$(PROMETHEUS3_VERSION)" -o $@ \
		github.com/prometheus/prometheus/cmd/prometheus

vulncheck: $(TOOLS)/bin/govulncheck-$(GOVULNCHECK_VERSION) ## check for known vulnerabilities in called code (needs the network)
	.ci/vulncheck

# The toolchain in go.mod, whatever version is installed, and no flags of the environment: the same commit gives the same
# bytes everywhere. RELEASE_FLAGS is empty in the public CI, which also signs and publishes.
RELEASE_FLAGS ?= --skip=publish,sign
release: $(TOOLS)/bin/goreleaser-$(GORELEASER_VERSION) $(TOOLS)/bin/cyclonedx-gomod-$(CYCLONEDX_VERSION) ## build archives, packages, SBOMs, and checksums of the current tag in dist
	umask 022 && env -u GOFLAGS -u GOAMD64 -u GOARM64 GOTOOLCHAIN=$$(awk '$$1 == "toolchain" {print $$2}' go.mod) \
		goreleaser release --clean $(RELEASE_FLAGS)

packages: $(TOOLS)/bin/goreleaser-$(GORELEASER_VERSION) $(TOOLS)/bin/cyclonedx-gomod-$(CYCLONEDX_VERSION) ## release a clone twice, compare the bytes, and install, upgrade, and remove the deb (needs root, debootstrap, 10 minutes)
	deploy/release/packages/test.sh

reproduce: ## build a release binary twice, from scratch and in two directories, and compare the bytes
	REPRODUCE=1 go test -count=1 -v -run TestReproducibleBuild ./deploy/release

clean: ## remove the binary and the tools
	rm -rf atlas-restore-exporter .cache
