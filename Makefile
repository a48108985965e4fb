# Every target loops over the modules of the repository: the root and those nested in it.

SHELL       := bash -o pipefail
GO          ?= go
STATICCHECK ?= honnef.co/go/tools/cmd/staticcheck@v0.8.2
FUZZTIME    ?= 10s
SOAKTIME    ?= 5m
RACE        := $(if $(shell $(GO) env CC | xargs -r -n1 sh -c 'command -v $$0' 2>/dev/null),-race)
BENCH       ?= .
BENCHTIME   ?= 20ms
COUNT       ?= 1
ROUNDS      ?= 4
MODULES     := $(patsubst %/go.mod,%,$(wildcard go.mod */go.mod */*/go.mod))
MODULES     := $(patsubst go.mod,.,$(MODULES))

.DEFAULT_GOAL := help

.PHONY: help
help: ## List the targets
	@awk -F ':.*## ' '/^[a-z0-9]+:.*## / { printf "%-10s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

.PHONY: demo
demo: ## Run the main example: a cache in front of an HTTP origin that is slow, fails and goes down
	$(GO) run ./examples/httpcache

.PHONY: test
test: ## Run all tests, with the race detector if there is a C compiler, which that needs
	@set -e; $(if $(RACE),,echo "no C compiler: without the race detector";) for m in $(MODULES); do echo "== $$m"; (cd $$m && $(GO) test $(RACE) -timeout 10m ./...); done
	$(GO) test -tags evidence ./internal/evidence/explore ./internal/evidence/leaks

PROVE := EVIDENCE=long $(GO) test -count=1 -timeout 3h -v

.PHONY: prove
prove: ## Run the long form of every checker and print what it has checked; takes half an hour
	@{ $(PROVE) -tags evidence ./internal/evidence/explore ./internal/evidence/leaks && \
		$(PROVE) ./internal/evidence/model ./internal/evidence/faults ./serde && \
		$(PROVE) -cpu 1,2,4,8 ./internal/evidence/parallel && \
		cd internal/benchmarks && $(PROVE) -run TestProbes ./probes; } 2>&1 | tee prove.log | \
		sed -u -n -E 's/^.*evidence: //p; /^(panic|--- FAIL|FAIL|ok)/p'

.PHONY: mutants
mutants: ## Put one fault after the other into the library and print which checkers find it
	$(GO) run ./internal/evidence/mutants

.PHONY: soak
soak: ## Run everything at once for SOAKTIME, and check every second that nothing is lost
	SOAK=$(SOAKTIME) $(GO) test -count=1 -timeout 0 -v -run TestSoak ./internal/evidence/leaks

.PHONY: lint
lint: ## Check formatting, vet, staticcheck, and what every package owes: its comment, its Examples, its imports
	@out=$$(gofmt -l .); if [ -n "$$out" ]; then echo "not gofmt-ed:"; echo "$$out"; exit 1; fi
	@set -e; for m in $(MODULES); do echo "== $$m"; (cd $$m && $(GO) mod verify && $(GO) vet ./... && $(GO) run $(STATICCHECK) ./...); done
	$(GO) vet -tags evidence ./... && $(GO) run $(STATICCHECK) -tags evidence ./...
	$(GO) test -count=1 ./internal/project

.PHONY: examples
examples: ## Run every example and check what it prints
	$(GO) test -count=1 -v ./examples/...

.PHONY: cross
cross: ## Build and vet everything for a 32-bit machine
	@set -e; for m in $(MODULES); do echo "== $$m"; (cd $$m && GOARCH=386 CGO_ENABLED=0 $(GO) vet ./...); done

# What takes long and is not needed to see whether something has become slower.
LONG := Hit/.*/entries=1000000|Memory/lib=memoize-|Ratio/workload=(zipf1|scan|loop|shift)|Ratio/.*/capacity=(5000|10000)

.PHONY: bench
bench: ## Run the benchmarks in a short form; BENCH selects, COUNT repeats
	@set -e; for m in $(MODULES); do echo "== $$m"; \
		(cd $$m && $(GO) test -run '^$$' -bench '$(BENCH)' -skip '$(LONG)' -benchtime $(BENCHTIME) -benchmem -count $(COUNT) -timeout 0 ./...); \
	done

# Each group has its number of operations, and the most rounds it is worth: some hardly vary. In most groups the
# libraries take turns within a round.
GROUPS_COMPARED := Hit/./entries=4096:2000000x:$(ROUNDS) Hit/./entries=1000000:2000000x:$(ROUNDS) Writes:500000x:$(ROUNDS) \
	Miss:200000x:$(ROUNDS) Stampede:30x:$(ROUNDS) RefreshLatency:3000000x:$(ROUNDS) Churn:2000000x:$(ROUNDS) Memory:1x:3 Ratio:1x:1

.PHONY: compare
compare: ## Compare with other libraries in ROUNDS rounds, for the tables and plots of docs/performance.md; takes half an hour
	@set -e; cd internal/benchmarks; $(GO) test -c -o compare.test .; : > compare.out; \
	for round in $$(seq $(ROUNDS)); do for group in $(GROUPS_COMPARED); do \
		IFS=: read -r name benchtime most <<< "$$group"; \
		if [ $$round -le $$most ]; then \
			echo "== $$name, round $$round of $$((most < $(ROUNDS) ? most : $(ROUNDS)))"; \
			./compare.test -test.run '^$$' -test.bench "^Benchmark$$name\$$" -test.benchtime $$benchtime -test.timeout 0 -turns 5 | tee -a compare.out; \
		fi; \
	done; done; \
	$(GO) run ./report -in compare.out -doc ../../docs/performance.md -plots ../../docs/performance

.PHONY: cover
cover: ## Measure test coverage over all packages, in coverage.html
	$(GO) test -coverprofile=coverage.out -coverpkg=./... ./...
	$(GO) tool cover -func=coverage.out | tail -n 1
	$(GO) tool cover -html=coverage.out -o coverage.html

.PHONY: fuzz
fuzz: ## Run every fuzz target for FUZZTIME each
	@set -e; for p in $$($(GO) list ./...); do \
		for f in $$($(GO) test -list '^Fuzz' $$p | grep '^Fuzz' || true); do \
			echo "== $$p $$f"; $(GO) test -run '^$$' -fuzz "^$$f\$$" -fuzztime $(FUZZTIME) -fuzzminimizetime 1x $$p; \
		done; \
	done

.PHONY: tidy
tidy: ## Tidy the go.mod files
	@set -e; for m in $(MODULES); do (cd $$m && $(GO) mod tidy); done
