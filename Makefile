# Targets have the same names here, in the README and in CI; `make help` lists them.

# The stack, and on this machine the stack whose config file a new one starts from.
STACK ?= local
FROM ?= dev
# The stacks, where there may be several: make drift STACKS="staging prod"
STACKS ?= $(STACK)
# The image to run, by its digest, or "deployed" for the one that the stack runs
# now. Without, the stack's config decides, which builds app/ unless it says otherwise.
IMAGE ?=
# Where states are kept: this and the stack's name, gs://acme-timber- is gs://acme-timber-prod
# for prod. Without, where pulumi is logged in.
BACKEND ?=
# The version to release, v1.2.0.
TAG ?=
export STACK IMAGE CONFIRM TAG

# Nothing here needs a C compiler, and one setting lets all modules share what is compiled.
export CGO_ENABLED = 0
# Pulumi compiles and links the program after each edit, which takes a third less of time
# and space without what only a debugger reads; and after each commit, if that is in it.
export GOFLAGS ?= -buildvcs=false -trimpath -gcflags=all=-dwarf=false -ldflags=-s

SETUP = .emulator/bin/setup
WITH_EMULATOR = eval "$$($(SETUP) env $(STACK))" &&

# Stacks named local… and e2e… are on this machine, where the emulator stands in for
# Google. All others are where the environment's own pulumi finds them.
LOCAL = local% e2e%
EMULATOR = $(if $(filter $(LOCAL),$(STACKS)),build)
local = $(if $(filter $(LOCAL),$(STACK)),,$(error stacks of this machine are named local… or e2e…; to mend: make $(1) STACK=$(STACK)))
# What the pulumi commands about one stack need before them: $(call in,STACK)
in = $(if $(filter $(LOCAL),$(1)),$(SETUP) stack $(1) $(FROM) && eval "$$($(SETUP) env $(1))",export PULUMI_STACK=$(1) $(if $(BACKEND),PULUMI_BACKEND_URL=$(BACKEND)$(1))) &&
# A copy of its config, because what a stack is given to run is no change of its file.
config = mkdir -p bin/config && cp Pulumi.$(1).yaml bin/config/$(1).yaml &&
# A stack that was never deployed runs no image: its first preview builds.
image = $(if $(IMAGE),$(config)) $(if $(filter deployed,$(IMAGE)),IMAGE=$$(pulumi stack output image 2> /dev/null || true) &&)
with = $(if $(IMAGE),--config-file bin/config/$(1).yaml --config image="$$IMAGE")

# Tools of a module of their own, so that the program does not depend on them.
TOOL = go tool -modfile=$(CURDIR)/pipelines/tools/go.mod
# Of a clone whose lint runs at the same time, it would otherwise complain.
GOLANGCI = go tool -modfile=$(CURDIR)/pipelines/lint/go.mod golangci-lint run --allow-parallel-runners

.DEFAULT_GOAL := help
.PHONY: help up preview down env deploy image destroy summary comment drift issue verify release doctor vet lint vulnerabilities unit test faults bench pictures clean setup build browser FORCE

help: ## List the targets
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "make %-15s  %s\n", $$1, $$2 }' Makefile

up: build ## From source code to an answering URL, on this machine
	@$(call local,deploy)
	@$(SETUP) stack $(STACK) $(FROM)
	@$(WITH_EMULATOR) pulumi up --yes --skip-preview
	@$(SETUP) answer $(STACK)

preview: $(EMULATOR) ## What `make up` would change, or `make deploy` with its STACK and IMAGE
	@$(call in,$(STACK)) $(call image,$(STACK)) pulumi preview --diff $(call with,$(STACK))

down: setup ## Destroy everything that `make up` made
	@$(call local,destroy)
	@# With its preview, which stops at a protected resource before anything is deleted.
	@$(WITH_EMULATOR) pulumi destroy --yes
	@$(SETUP) gone

env: setup ## Environment for pulumi and kubectl: eval "$(make -s env)"
	@$(SETUP) env $(STACK)

# What pipelines do, and people may. With STACK=local or another local name all of
# it happens on this machine.

deploy: $(EMULATOR) ## Update STACK, to IMAGE if given; a preview right after must show no change
	@$(call in,$(STACK)) $(call image,$(STACK)) pulumi up --yes $(call with,$(STACK)) && \
	pulumi preview --expect-no-changes --diff $(call with,$(STACK))

image: $(EMULATOR) ## Name the image that STACK runs, by its digest
	@$(call in,$(STACK)) pulumi stack output image

verify: ## Check that IMAGE was built by this repository's deploy workflow
	@[ -n "$$IMAGE" ] || { echo "stack $$STACK is given an image, it builds none; to mend: IMAGE=REGION-docker.pkg.dev/PROJECT/REPOSITORY/timber-tutorial@sha256:HEX" >&2; exit 1; }
	@gcloud auth configure-docker "$${IMAGE%%/*}" --quiet
	@gh attestation verify "oci://$$IMAGE" --repo "$$GITHUB_REPOSITORY" --signer-workflow "$$GITHUB_REPOSITORY/.github/workflows/deploy.yml"

release: ## Publish TAG on GitHub, with its part of CHANGELOG.md
	@mkdir -p bin && go run ./pipelines notes "$$TAG" > bin/notes.md
	@gh release create "$$TAG" --verify-tag --title "$$TAG" --notes-file bin/notes.md

destroy: $(EMULATOR) ## Destroy STACK, if CONFIRM is its name once more
	@[ "$$CONFIRM" = "$$STACK" ] || { echo "this destroys stack $$STACK; to confirm: make destroy STACK=$$STACK CONFIRM=$$STACK" >&2; exit 1; }
	@# With its preview, which stops at a protected resource before anything is deleted.
	@$(call in,$(STACK)) pulumi destroy --yes

summary: $(STACKS:%=bin/preview/%.json) ## What deploying STACKS would change, as text for a pull request
	@go run ./pipelines preview $^

comment: ## The last summary of STACKS, as the one comment on PULL_REQUEST
	@go run ./pipelines comment $(STACKS:%=bin/preview/%.json)

drift: $(STACKS:%=bin/drift/%.json) ## Fail if STACKS are not as they were deployed, and say what differs
	@go run ./pipelines drift $^

issue: ## The last drift of STACKS, as the one open issue; closed if there is none
	@go run ./pipelines issue $(STACKS:%=bin/drift/%.json)

# A preview that fails is told as such by what reads it, together with the others.
bin/preview/%.json: $(EMULATOR) FORCE
	@mkdir -p $(@D) && echo "preview of $*" >&2
	@$(call in,$*) $(call image,$*) pulumi preview --json $(call with,$*) > $@ || echo "the preview of $* failed" >&2

# Against the config of the last deployment: what waits to be deployed is no drift.
bin/drift/%.json: $(EMULATOR) FORCE
	@mkdir -p $(@D) && rm -f $@ && touch $@ && echo "preview of $*" >&2
	@$(call in,$*) $(call config,$*) pulumi config refresh --force --config-file bin/config/$*.yaml >&2 && \
	pulumi preview --refresh --json --config-file bin/config/$*.yaml > $@ || echo "the preview of $* failed" >&2

FORCE:

doctor: $(if $(filter $(LOCAL),$(STACK)),setup) ## Check what this machine needs, or what STACK=dev does on Google Cloud
	@$(if $(filter $(LOCAL),$(STACK)),$(SETUP) doctor,$(call in,$(STACK)) go run ./doctor)

vet: ## Check formatting, vet all modules, check the workflows
	@unformatted=$$(gofmt -l main.go stacks pipelines doctor app emulator); \
	if [ -n "$$unformatted" ]; then echo "not formatted, to mend: gofmt -w" $$unformatted; exit 1; fi
	go vet ./...
	cd app && go vet ./...
	cd emulator && go vet ./...
	cd emulator/hyperkube && go vet ./...
	cd emulator/network && go vet ./...
	$(TOOL) actionlint -shellcheck= -pyflakes= .github/workflows/*.yml
	go test ./pipelines -run 'TestWorkflows|TestDrone'

lint: vet ## The same, and golangci-lint: some minutes when nothing is cached
	$(GOLANGCI)
	cd app && $(GOLANGCI)
	cd emulator && $(GOLANGCI)

vulnerabilities: ## Known vulnerabilities that the modules' code can reach
	$(TOOL) govulncheck ./...
	cd app && $(TOOL) govulncheck ./...
	cd emulator && $(TOOL) govulncheck ./...

unit: vet ## Checks and unit tests of all modules
	go test ./...
	cd app && go test ./...
	cd emulator && go test ./...

test: build browser unit ## Everything: unit tests, then the tutorial and its faults end to end on the emulator
	@eval "$$($(SETUP) env e2e)" && cd emulator && go test -count 1 -timeout 90m -short -v ./e2e

faults: build ## What goes wrong, for long: an hour of faults under load. Restarts the Docker engine
	@eval "$$($(SETUP) env e2e)" && cd emulator && go test -count 1 -timeout 3h -v -run TestFaults ./e2e

bench: build ## Measure all of it, for docs/benchmarks.md, or PARTS=loop,app; PARTS=cold compiles from nothing
	@cd emulator && go build -buildvcs=false -o ../.emulator/bin/bench ./bench
	@eval "$$($(SETUP) env e2e-bench)" && .emulator/bin/bench $(PARTS)

pictures: build browser ## Make the documents' pictures, by following docs/tutorial.md
	@eval "$$($(SETUP) env e2e)" && cd emulator && go test -count 1 -timeout 30m -v -run TestDocument ./e2e -pictures

clean: setup ## Remove every trace of the emulator, after `make down`
	@$(SETUP) clean

build: setup
	@$(SETUP) build

browser: setup
	@$(SETUP) browser

setup:
	@command -v go > /dev/null || { echo "Go is missing; to mend: install Go 1.26 or newer from https://go.dev/dl"; exit 1; }
	@if [ ! -x $(SETUP) ]; then \
		echo "compiling emulator/setup (half a minute at most, once)" >&2; \
		while sleep 5; do echo "compiling emulator/setup" >&2; done & trap "kill $$!" EXIT; \
	fi; \
	cd emulator && go build -buildvcs=false -o ../$(SETUP) ./setup
