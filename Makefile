# Targets have the same names here, in the README and in CI; `make help` lists them.

# What people type is data: neither make nor a shell expands it, and it reaches
# programs as environment variables only. `go doc ./pipelines` says what each is, and
# `go doc ./emulator/setup` what the two of downloads are; ROWS are the tests of make e2e and make pictures.
TYPED = STACK STACKS FROM IMAGE APPROVED ROLLBACK CONFIRM BASE COMMIT PULL_REQUEST GITHUB_REPOSITORY DOWNLOAD DOWNLOAD_MIRROR ROWS
$(foreach name,$(TYPED),$(if $(filter-out undefined,$(origin $(name))),$(eval override $(name) := $$(value $(name)))$(eval export $(name))))
# The stack, and on this machine the stack whose config file a new one starts from.
STACK ?= local
FROM ?= dev
export STACK FROM

# Nothing here needs a C compiler, and with the same settings all modules share what is
# compiled. Pulumi compiles and links the program after each edit: without debug
# information that takes a third less time and space, and without the commit in it a
# commit is no edit. With few cores the compiler's own threads cost more than they
# bring, and with Go's default of 100 it collects garbage in processes that live for a
# second: the two cost a quarter of all CPU time.
CORES := $(shell nproc)
export CGO_ENABLED = 0
export GOFLAGS ?= -buildvcs=false -trimpath '-gcflags=all=-dwarf=false$(if $(filter 1 2 3 4,$(CORES)), -c=1)' -ldflags=-s
export GOGC ?= 400
# A go.work in a folder above is about other modules.
export GOWORK = off
# go run and go test start what they compile in /tmp, which may be mounted noexec.
ifeq ($(GOTMPDIR)$(shell f=$$(mktemp) && chmod +x "$$f" && "$$f" 2> /dev/null && echo starts; rm -f "$$f"),)
export GOTMPDIR := $(shell mkdir -p bin/tmp && cd bin/tmp && pwd)
endif

# The door to the emulator: what runs on a stack of this machine, runs through it.
SETUP = .emulator/bin/setup

# Stacks whose names begin with one of these are on this machine, where the emulator
# replaces Google. All others are where the environment's own pulumi finds them.
override LOCAL = local e2e
export LOCAL
is-local = $(filter $(LOCAL:=%),$(STACK))
local = $(if $(is-local),,$(error stacks of this machine are named local… or e2e…. Fix: make $(1) STACK=$(STACK)))

# What pipelines do, on either kind of stack.
PIPELINES = go run ./pipelines

# The modules with packages of their own. The large ones, which import Kubernetes or act,
# are tested by `make test` only: to compile that takes minutes.
# All of this is looked up where it is used, not in each make.
FOLDERS = $(patsubst ./%,%,$(patsubst %/go.mod,%,$(shell find . -path './.*' -prune -o -path ./bin -prune -o -name go.mod -print)))
MODULES = $(sort $(foreach module,$(FOLDERS),$(if $(wildcard $(module)/*.go),$(module))))
LARGE = $(filter emulator/% tools/workflows,$(MODULES))
QUICK = $(filter-out emulator/% tools/workflows,$(MODULES))
# go test compiles packages without tests too, which `make up` may have downloaded.
TESTED = $(foreach module,$(LARGE),$(if $(shell find $(module) -name '*_test.go'),$(module)))
# go vet reads the source of all that a package imports, two thousand packages, which
# takes longer than the tests. It is a part of golangci-lint.
TESTS = go test -vet=off ./...
# A command in each of some modules: $(call each,MODULES,COMMAND)
each = @for module in $(1); do echo "$$module:" '$(2)' >&2; (cd "$$module" && $(2)) || exit 1; done

# The tools have a module of their own, so that the program does not depend on them.
export ROOT := $(CURDIR)
TOOL = go tool -modfile="$$ROOT/tools/go.mod"
# Without the flag it refuses to run beside the lint of another clone.
GOLANGCI = go tool -modfile="$$ROOT/tools/lint/go.mod" golangci-lint run --allow-parallel-runners

.DEFAULT_GOAL := help
.PHONY: $(shell sed -n 's/^\([a-z0-9]*\):.*/\1/p' Makefile)

help: ## List the targets
	@awk -F ':.*## ' '/^[a-z0-9]+:.*## / { printf "make %-15s  %s\n", $$1, $$2 }' Makefile

up: setup ## From source code to an answering URL, on this machine
	@$(call local,deploy)
	@$(SETUP) run "$$STACK" -- pulumi up --yes --skip-preview
	@$(SETUP) answer "$$STACK"

preview: ## What `make up` would change, or `make deploy` with its STACK and IMAGE
	@$(PIPELINES) preview

down: setup ## Destroy the stack that `make up` created
	@$(call local,destroy)
	@# With its preview, which stops at a protected resource before anything is deleted.
	@$(SETUP) env "$$STACK" pulumi destroy --yes
	@$(SETUP) gone

env: setup ## Environment for pulumi and kubectl: eval "$(make -s env)"
	@$(SETUP) env "$$STACK"

# What pipelines do, and people may. With STACK=local or another local name all of
# it happens on this machine. docs/pipelines.md describes each.

deploy: ## Update STACK, to IMAGE if given, or return to the image before; a preview must then show no change
	@$(PIPELINES) deploy

cost: ## What STACK costs a month, now and after an update to IMAGE
	@$(PIPELINES) cost

image: ## Print the image that STACK runs, by its digest
	@$(PIPELINES) image

verify: ## Check that main's sign workflow signed IMAGE
	@$(PIPELINES) verify

sbom: ## List what is in IMAGE, exported to bin/image.tar, as bin/sbom.json
	@$(PIPELINES) sbom

version: ## Check that a change of app/ since BASE has a new imageVersion
	@$(PIPELINES) version

settings: ## Check the settings on GitHub that docs/pipelines.md relies on
	@$(PIPELINES) settings

destroy: ## Destroy STACK, if CONFIRM repeats its name
	@$(PIPELINES) destroy

summary: ## What deploying STACKS would change, as text for a pull request
	@$(PIPELINES) summary

comment: ## Publish what summary found of STACKS as the one comment on PULL_REQUEST
	@$(PIPELINES) comment

drift: ## Fail if STACKS have drifted from their last deployment, and print what differs
	@$(PIPELINES) drift

issue: ## Like drift; publish it as the one open issue about STACKS, or close that one
	@$(PIPELINES) issue

doctor: $(if $(is-local),setup) ## Check what this machine needs, or what STACK=dev needs on Google Cloud
	@$(if $(is-local),$(SETUP) doctor,PULUMI_STACK="$$STACK" go run ./doctor)

lint: words ## Workflows, words, and golangci-lint with go vet: some minutes when nothing is cached
	@# Version 1.7.12 does not know that jobs can queue: https://github.com/rhysd/actionlint/issues/657
	$(TOOL) actionlint -shellcheck= -pyflakes= -ignore 'unexpected key "queue" for "concurrency"' .github/workflows/*.yml
	$(call each,$(MODULES),$(GOLANGCI))

words: ## Find words that the project does not use, tools/words.csv, in all texts
	@git ls-files -z | grep -zvE '(^|/)testdata/|^tools/|\.(sum|png)$$|^LICENSE$$' | \
		xargs -0 go tool -modfile="$$ROOT/tools/lint/go.mod" misspell -error -dict tools/words.csv

vulnerabilities: ## Known vulnerabilities that the modules' code can reach
	$(call each,$(MODULES),$(TOOL) govulncheck ./...)

unit: ## Check formatting, and run the unit tests of all modules but the large ones
	@unformatted=$$(find . -path './.*' -prune -o -path ./bin -prune -o -name '*.go' -exec gofmt -l {} +); \
	if [ -n "$$unformatted" ]; then echo "these files are not formatted. Fix: gofmt -w" $$unformatted; exit 1; fi
	$(call each,$(QUICK),$(TESTS))

workflows: ## Run the jobs of .github/workflows on this machine, with stand-ins for GitHub and the stacks
	cd tools/workflows && go test -count 1 .

test: build browser unit ## Before a commit: unit tests, workflows, and the tutorial end to end, with a failed update and drift
	$(call each,$(TESTED),$(TESTS))
	@$(SETUP) env e2e go test -C emulator -vet=off -tags e2e -count 1 -timeout 20m -v -run TestRows/first ./e2e

e2e: build metrics ## Everything else end to end, or the tests that match ROWS, as for go test -run
	@$(SETUP) env e2e go test -C emulator -vet=off -tags e2e -count 1 -timeout 90m -v -run "$${ROWS:-TestRows/rest}" ./e2e

pictures: build browser ## Make docs/*.png, those that match ROWS; that of the service's page follows docs/tutorial.md
	@$(SETUP) env e2e go test -C emulator -vet=off -tags e2e -count 1 -timeout 20m -v -run "$${ROWS:-TestPreviewPicture|TestRows/first/the_tutorial$$}" ./e2e -pictures

clean: setup ## Remove what is left of the emulator after `make down`
	@$(SETUP) clean

build: setup
	@$(SETUP) build

browser: setup
	@$(SETUP) browser

metrics: setup
	@$(SETUP) metrics

setup:
	@command -v go > /dev/null || { echo "Go is not installed. Fix: install Go 1.26 or newer from https://go.dev/dl" >&2; exit 1; }
	@if [ ! -x $(SETUP) ]; then \
		echo "compiling emulator/setup (half a minute at most, once)" >&2; \
		while sleep 5 > /dev/null 2>&1 && kill -0 $$$$ 2> /dev/null; do echo "compiling emulator/setup" >&2; done & trap "kill $$!" EXIT; \
	fi; \
	cd emulator && go build -buildvcs=false -o ../$(SETUP) ./setup
