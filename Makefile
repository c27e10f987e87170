# The project's commands. Go alone is enough for build, demo and test.
GO ?= go
BIN := bin/quarterdeck

.PHONY: demo test race lab lab-down lab-test bench lint fuzz build docs smoke release-check

demo: ## the console on the embedded platform
	$(GO) run ./cmd/quarterdeck demo

build:
	CGO_ENABLED=0 $(GO) build -trimpath -o $(BIN) ./cmd/quarterdeck

test: ## all tests that need nothing but Go (four packages at once: most of their time they wait)
	$(GO) test -p 4 -timeout 20m ./...

race: ## the same with the race detector (needs a C compiler), but for what is tried on another process, which it does not see, and for commands one after the other
	$(GO) test -race -short -p 3 -timeout 30m ./...

lab: ## the real three-node platform on this machine (root, Debian)
	testdata/lab/lab install
	testdata/lab/lab up

lab-down:
	testdata/lab/lab down

lab-test: lab build ## the integration tests on the real platform
	testdata/lab-tests

smoke: build ## keys pressed and frames read in a real terminal (tmux)
	testdata/smoke
	testdata/stranger demo crash-loop bad-deploy

bench: ## the tables of docs/benchmarks.md
	testdata/bench

lint: ## gofmt, go vet, and golangci-lint where it is installed
	test -z "$$(gofmt -l cmd ui sources actions agent autoscale blueprint capacity delivery deploy diagnosis incident recovery stages)"
	$(GO) vet ./...
	if command -v golangci-lint >/dev/null; then golangci-lint run; fi

fuzz: ## a minute of each fuzz target
	testdata/fuzz-all

docs: build ## what of the manual is made from the program: the keys, README's picture
	UPDATE_DOCS=1 $(GO) test ./ui -run KeysPage
	$(BIN) snapshot --demo --scenario crash-loop --settle 30s --select shop_payments --size 140x42 --format svg >docs/overview.svg

release-check: ## archives, packages and checksums as a release makes them, in dist/ (GoReleaser)
	goreleaser check
	goreleaser release --snapshot --clean --skip=docker
