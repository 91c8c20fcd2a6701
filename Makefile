# Everything a developer runs. `make` alone lists the targets.
# Recipes are one line each: what they do stands in tests/support.

CONFORMANCE ?= ../shared/conformance

.PHONY: help up test lint conformance spark bench bench-jobs setup
.DEFAULT_GOAL := help

help: ## this list
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

up: ## run the main job on the embedded database, dashboard at http://127.0.0.1:8083
	cargo run --release --locked -- up

test: ## run all tests; installs what they need (Postgres, Chromium, protoc, boto3, moto, Sail)
	@tests/support/test.sh

lint: ## formatting and clippy, warnings are errors
	cargo fmt --all --check
	cargo clippy --workspace --all-targets --features spark --locked -- -D warnings

conformance: setup ## replay the recorded cases of the real service; CONFORMANCE=<folder with run.py>
	@# A test target beside the binary: the same features as `make test`, so nothing is compiled twice.
	cargo build --workspace --features spark --locked --bin stepwell --test tidy
	"$$(tests/support/venv.sh)/python" tests/support/conformance.py --cases $(CONFORMANCE)

spark: setup ## compare both engines' tables on Apache Spark itself, started from PyPI (needs Java 17; docs/spark.md)
	@tests/support/spark.sh

bench: setup ## measure speed on a Postgres of its own (docs/performance.md); BENCH=<flags of stepwell bench>
	cargo build --release --locked --bin stepwell
	"$$(tests/support/venv.sh)/python" tests/support/bench.py "$${CARGO_TARGET_DIR:-target}/release/stepwell" $(BENCH)

bench-jobs: ## measure jobs beside polars-python and DuckDB (docs/performance.md); BENCH=<flags of tests/bench>
	cargo build --release --locked --bin stepwell
	"$$(STEPWELL_VENV=$(CURDIR)/.venv-bench tests/support/venv.sh tests/bench/requirements.txt)/python" tests/bench "$${CARGO_TARGET_DIR:-target}/release/stepwell" $(BENCH)

setup: ## only install what the tests need
	@tests/support/setup.sh
