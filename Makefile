# What people type. The gate, .ci/run, calls the same.

VERSION ?= dev
TOOLS := $(CURDIR)/.cache/tools
GOLANGCI_LINT_VERSION := v2.15.0
HELM_VERSION := v4.3.1
KUBECTL_VALIDATE_VERSION := v0.0.4
GOVULNCHECK_VERSION := v1.8.0
PROMETHEUS3_VERSION := v0.315.0
DEBIAN := prometheus prometheus-alertmanager

export PATH := $(TOOLS)/bin:$(TOOLS)/usr/bin:$(PATH)

.PHONY: build release reproduce test race lint contract bench fuzz tools prometheus3 vulncheck soak demo golden clean

build: ## the binary
	CGO_ENABLED=0 go build -trimpath -ldflags "-s -w -X main.version=$(VERSION)" -o atlas-restore-exporter .

release: ## archives, bills of materials and checksums of VERSION for all platforms, in dist (see deploy/release)
	rm -rf dist
	go run ./deploy/release -version $(VERSION)

reproduce: ## the binary of a release twice, from scratch and in two places: the same bytes
	REPRODUCE=1 go test -count=1 -v -run TestReproducibleBuild ./deploy/release

test: ## what needs nothing but Go
	go test ./...

race: ## the same, as the gate runs it
	go test -race -shuffle=on ./...

contract: ## the simulator against the official description (set ATLAS_CONTRACT_DIR)
	cd atlas/atlastest/contract && go vet ./... && go test ./...

lint: $(TOOLS)/bin/golangci-lint-$(GOLANGCI_LINT_VERSION) ## formatting, vet, golangci-lint
	@test -z "$$(gofmt -l .)" || { gofmt -l .; echo "run gofmt -w on these"; exit 1; }
	go vet ./...
	golangci-lint run
	cd atlas/atlastest/contract && go vet ./...
	cd collector/benchmark && go vet ./...

vulncheck: $(TOOLS)/bin/govulncheck-$(GOVULNCHECK_VERSION) ## known vulnerabilities in what is called; needs the network
	.ci/vulncheck

bench: ## benchmarks, and a simulated organization of 2,000 clusters (half an hour; leave the machine alone meanwhile)
	go test -run '^$$' -bench . ./...
	SIMULATED_CLUSTERS=2000 go test -count=1 -v -run TestOrganization ./collector
	cd collector/benchmark && for what in scrape memory polls fleet; do echo "== $$what" && go run . $$what || exit 1; done

fuzz: ## each fuzz target for FUZZTIME
	go test -run '^$$' -fuzz '^FuzzPage$$' -fuzztime $(FUZZTIME) -fuzzminimizetime 10x ./atlas
	go test -run '^$$' -fuzz '^FuzzDecodeError$$' -fuzztime $(FUZZTIME) -fuzzminimizetime 10x ./atlas
	go test -run '^$$' -fuzz '^FuzzExposition$$' -fuzztime $(FUZZTIME) -fuzzminimizetime 10x ./collector
	go test -run '^$$' -fuzz '^FuzzConfig$$' -fuzztime $(FUZZTIME) -fuzzminimizetime 10x .
	go test -run '^$$' -fuzz '^FuzzWebConfig$$' -fuzztime $(FUZZTIME) -fuzzminimizetime 10x .
	go test -run '^$$' -fuzz '^FuzzShown$$' -fuzztime $(FUZZTIME) -fuzzminimizetime 10x .
FUZZTIME ?= 30s

soak: ## days of polls within SOAK: memory, goroutines and file descriptors must not grow (SOAK_FLAGS=-race for races too)
	SOAK=$(SOAK) go test $(SOAK_FLAGS) -count=1 -v -timeout 0 -run TestSoak .
SOAK ?= 2m

demo: ## a simulated Atlas and an exporter that polls it
	go run . demo

golden: ## rewrite golden files, dashboards and manifests; look at the difference before you commit it
	go run ./deploy/grafana
	UPDATE_GOLDEN=1 go test . ./collector ./deploy

tools: $(TOOLS)/bin/golangci-lint-$(GOLANGCI_LINT_VERSION) $(TOOLS)/debian $(TOOLS)/bin/helm-$(HELM_VERSION) \
	$(TOOLS)/bin/kubectl-validate-$(KUBECTL_VALIDATE_VERSION) ## what the gate needs besides Go

$(TOOLS)/bin/golangci-lint-$(GOLANGCI_LINT_VERSION):
	GOBIN=$(TOOLS)/bin go install github.com/golangci/golangci-lint/v2/cmd/golangci-lint@$(GOLANGCI_LINT_VERSION)
	touch $@

$(TOOLS)/bin/govulncheck-$(GOVULNCHECK_VERSION):
	GOBIN=$(TOOLS)/bin go install golang.org/x/vuln/cmd/govulncheck@$(GOVULNCHECK_VERSION)
	touch $@

$(TOOLS)/bin/helm-$(HELM_VERSION):
	GOBIN=$(TOOLS)/bin go install helm.sh/helm/v4/cmd/helm@$(HELM_VERSION)
	touch $@

$(TOOLS)/bin/kubectl-validate-$(KUBECTL_VALIDATE_VERSION):
	GOBIN=$(TOOLS)/bin go install sigs.k8s.io/kubectl-validate@$(KUBECTL_VALIDATE_VERSION)
	touch $@

# Debian's packages, unpacked but not installed: they would start services. Alertmanager looks for its template where the
# package would put it.
SUDO := $(if $(shell test -w /usr/share && echo yes),,sudo)
$(TOOLS)/debian:
	mkdir -p $(TOOLS)/packages
	cd $(TOOLS)/packages && { apt-get download $(DEBIAN) || { $(SUDO) apt-get update && apt-get download $(DEBIAN); }; }
	cd $(TOOLS) && for package in packages/*.deb; do dpkg -x $$package .; done
	$(SUDO) mkdir -p /usr/share/prometheus/alertmanager
	$(SUDO) cp $(TOOLS)/usr/share/prometheus/alertmanager/*.tmpl /usr/share/prometheus/alertmanager/
	touch $@

prometheus3: $(TOOLS)/debian ## the incidents and the healthy year against a current Prometheus, built from source (10 CPU minutes)
	mkdir -p .cache/prometheus3
	cd .cache/prometheus3 && { test -f go.mod || go mod init prometheus3; } && \
		go get -tool github.com/prometheus/prometheus/cmd/prometheus@$(PROMETHEUS3_VERSION) && \
		go build -tags remove_all_sd -o prometheus github.com/prometheus/prometheus/cmd/prometheus
	PATH=$(CURDIR)/.cache/prometheus3:$$PATH REQUIRE_TOOLS=1 go test -count=1 -v -run 'TestIncidents|TestHealthyYear' .

clean:
	rm -rf atlas-restore-exporter .cache
