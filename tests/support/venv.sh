#!/usr/bin/env bash
# Makes `.venv` (or $STEPWELL_VENV) with what requirements.txt (or the file given) names, if it is not there yet, and prints the
# folder of its programs. Safe to run from several tests at once; nothing else is touched.
set -euo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
venv=${STEPWELL_VENV:-$root/.venv}
requirements=${1:-$root/tests/support/requirements.txt}
installed=$venv/requirements.installed
# Only a folder with this file in it is this script's to remove.
mark=$venv/.made-by-stepwell-tests

# The second of two that ask at once waits, and finds everything there.
exec 9>"$venv.lock"
flock 9

if ! cmp -s "$requirements" "$installed" || ! "$venv/bin/python" -c '' 2>/dev/null; then
    echo "Installing what $requirements names into $venv" >&2
    if [ -e "$mark" ] || [ -e "$installed" ]; then
        rm -rf "$venv"
    elif [ -e "$venv" ] && [ -n "$(ls -A "$venv")" ]; then
        echo "$venv is no environment of these tests and is left alone: move it away, or set STEPWELL_VENV to another folder" >&2
        exit 1
    fi
    mkdir -p "$venv"
    touch "$mark"
    if ! python3 -m venv "$venv" >&2; then
        rm -rf "$venv"
        echo "cannot make a virtual environment: install python3 and its venv module (Debian: apt-get install python3-venv)" >&2
        exit 1
    fi
    "$venv/bin/python" -m pip install --quiet --disable-pip-version-check --requirement "$requirements" >&2
    cp "$requirements" "$installed"
fi
echo "$venv/bin"
