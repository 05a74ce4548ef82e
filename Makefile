# `make demo` and `make test` are all that a newcomer needs. Programs are built into target/debug.

export ORT_DISABLE_TELEMETRY := 1

proof-options = $(if $(ONLY),--only $(ONLY)) $(if $(filter-out 0,$(FULL)),--full)

.PHONY: setup build demo test lint advisories bench data peers proof-kill proof-tiny proof-compress clean-demo

setup: ## installs what is missing; nothing else does
	@scripts/setup

build: setup ## console, programs and tests
	@scripts/build

demo: build ## a whole fleet on this machine; ONCE=1: headless, ends with one line of JSON
	@exec target/debug/noroshi-demo $(if $(filter-out 0,$(ONCE)),--once)

test: build ## everything
	@scripts/test

lint: setup ## format, clippy, bans, licences, sources
	@scripts/lint

advisories: setup ## known holes in dependencies; needs the network
	@scripts/advisories

bench: build ## figures beside Python onnxruntime, in one run; memory is that of the release build
	@cargo build --release -p noroshi-agent -p noroshi-gateway
	@exec target/debug/noroshi-bench

proof-kill: build ## kill -9 and power cuts: nothing lost, nothing twice
	@exec target/debug/noroshi-proof-kill

data: setup ## the proofs' data sets, in .cache/data; NAME=letter: only that one
	@.venv/bin/python scripts/datasets.py $(NAME)

peers: ## scikit-learn, river, emlearn, LightGBM and XGBoost, which proofs are held against
	@scripts/setup-peers

proof-tiny: build data peers ## models of a few kilobytes; ONLY=row; FULL=1: five seeds, resumable
	@exec target/debug/noroshi-proof-tiny $(proof-options)

proof-compress: build data peers ## compression of networks; ONLY=row; FULL=1: five seeds, resumable
	@exec target/debug/noroshi-proof-compress $(proof-options)

clean-demo: ## forgets the demo's state, not its downloads
	@rm -rf .demo
