#!/usr/bin/env bash
# Installs what the tests need beyond Rust: Postgres 15 or newer, Chromium, protoc, Python with boto3, moto and Sail.
# Does nothing, and says nothing, where everything is there. Uses apt-get as root or through sudo.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)

have() { command -v "$1" >/dev/null 2>&1; }

have_postgres() {
    [ -n "${DATABASE_URL:-}" ] || have postgres || compgen -G '/usr/lib/postgresql/*/bin/postgres' >/dev/null
}

have_chromium() {
    [ -x "${CHROMIUM:-}" ] || have chromium || have chromium-browser || have google-chrome
}

# ensurepip is what a Debian python3 without python3-venv lacks.
have_python() { have python3 && python3 -c 'import ensurepip, venv' 2>/dev/null; }

# The client of Spark Connect is generated from its protocol; the compiler needs the protocol's own base types, too.
have_protoc() {
    { [ -x "${PROTOC:-}" ] || have protoc; } &&
        { [ -n "${PROTOC_INCLUDE:-}" ] || [ -f /usr/include/google/protobuf/any.proto ] || [ -f /usr/local/include/google/protobuf/any.proto ]; }
}

missing=()
have cc || missing+=(build-essential)
have make || missing+=(make)
have_postgres || missing+=(postgresql)
have_chromium || missing+=(chromium)
have_protoc || missing+=(protobuf-compiler libprotobuf-dev)
have_python || missing+=(python3 python3-venv)

if [ ${#missing[@]} -gt 0 ]; then
    install="apt-get install -y --no-install-recommends ${missing[*]}"
    as_root=()
    if [ "$(id -u)" -ne 0 ]; then
        have sudo && as_root=(sudo)
    fi
    if ! have apt-get || { [ "$(id -u)" -ne 0 ] && [ ${#as_root[@]} -eq 0 ]; }; then
        echo "The tests need these Debian packages or their like: ${missing[*]}" >&2
        echo "Install them (as root: $install) and run this again. A Postgres of your own works too: set DATABASE_URL" >&2
        echo "to a server where databases may be created. A browser of your own: set CHROMIUM to its program." >&2
        exit 1
    fi
    echo "Installing ${missing[*]}" >&2
    export DEBIAN_FRONTEND=noninteractive
    "${as_root[@]}" apt-get update -qq
    "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null
fi

"$here/venv.sh" >/dev/null
