#!/usr/bin/env bash
# Runs every test of the workspace, with what they need installed first. Arguments go to the test runner (a filter).
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
tests/support/setup.sh

# Everything is built and run with the feature: one feature set, so that nothing is compiled twice.
if cargo nextest --version >/dev/null 2>&1; then
    cargo nextest run --workspace --features spark --locked "$@"
    # The worked figures of three systems are those of data that may not be passed on, so they are not in the repository.
    data=${STEPWELL_DEVELOPMENT_DATA:-../shared/data}
    if [ $# -gt 0 ]; then
        :
    elif [ -d "$data" ]; then
        cargo nextest run --workspace --features spark --locked --run-ignored only \
            -E 'package(stepwell) or binary(gold) or binary(spark)'
    else
        echo "!! $data is not there: THE TESTS ON THE DEVELOPMENT DATA WERE NOT RUN (set STEPWELL_DEVELOPMENT_DATA)" >&2
    fi
    # nextest does not run examples in doc comments.
    [ $# -gt 0 ] || cargo test --workspace --features spark --locked --doc --quiet
else
    cargo test --workspace --features spark --locked "$@"
fi
