#!/usr/bin/env bash
# Runs every test of the workspace, with what they need installed first. Arguments go to the test runner (a filter).
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
tests/support/setup.sh

if cargo nextest --version >/dev/null 2>&1; then
    cargo nextest run --workspace --locked "$@"
    # nextest does not run examples in doc comments.
    [ $# -gt 0 ] || cargo test --workspace --locked --doc --quiet
else
    cargo test --workspace --locked "$@"
fi
