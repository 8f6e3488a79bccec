# Targets have the same names here, in the README and in CI; `make help` lists them.

# The stack on this machine, and the stack whose config file a new one starts from.
STACK ?= local
FROM ?= dev

# Nothing here needs a C compiler, and one setting lets all modules share what is compiled.
export CGO_ENABLED = 0

SETUP = .emulator/bin/setup
WITH_EMULATOR = eval "$$($(SETUP) env $(STACK))" &&

.DEFAULT_GOAL := help
.PHONY: help up preview down env doctor lint unit test clean setup build

help: ## List the targets
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "make %-8s  %s\n", $$1, $$2 }' Makefile

up: build ## From source code to an answering URL, on this machine
	@$(SETUP) stack $(STACK) $(FROM)
	@$(WITH_EMULATOR) pulumi up --yes --skip-preview
	@$(SETUP) answer $(STACK)

preview: build ## What `make up` would change
	@$(SETUP) stack $(STACK) $(FROM)
	@$(WITH_EMULATOR) pulumi preview --diff

down: setup ## Destroy everything that `make up` made
	@# With its preview, which stops at a protected resource before anything is deleted.
	@$(WITH_EMULATOR) pulumi destroy --yes
	@$(SETUP) gone

env: setup ## Environment for pulumi and kubectl: eval "$(make -s env)"
	@$(SETUP) env $(STACK)

doctor: setup ## Check what this machine needs
	@$(SETUP) doctor

lint: ## Check formatting and vet all modules
	@unformatted=$$(gofmt -l main.go stacks app emulator); \
	if [ -n "$$unformatted" ]; then echo "not formatted, to mend: gofmt -w" $$unformatted; exit 1; fi
	go vet ./...
	cd app && go vet ./...
	cd emulator && go vet ./...
	cd emulator/hyperkube && go vet ./...

unit: lint ## Checks and unit tests of all modules
	go test ./...
	cd app && go test ./...
	cd emulator && go test ./...

test: unit build ## Everything: unit tests, then the tutorial end to end on the emulator
	@eval "$$($(SETUP) env e2e)" && cd emulator && go test -count 1 -timeout 30m -v ./e2e

clean: setup ## Remove every trace of the emulator, after `make down`
	@$(SETUP) clean

build: setup
	@$(SETUP) build

setup:
	@command -v go > /dev/null || { echo "Go is missing; to mend: install Go 1.26 or newer from https://go.dev/dl"; exit 1; }
	@if [ ! -x $(SETUP) ]; then \
		echo "compiling emulator/setup (half a minute at most, once)" >&2; \
		while sleep 5; do echo "compiling emulator/setup" >&2; done & trap "kill $$!" EXIT; \
	fi; \
	cd emulator && go build -buildvcs=false -o ../$(SETUP) ./setup
