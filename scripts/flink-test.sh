#!/usr/bin/env bash
# The Beam engine on a real Flink cluster and on Prism: starts one, builds the other,
# runs tests/flink, stops everything.
# The cluster's logs are kept, and their folder named, when a test fails.
set -euo pipefail
cd "$(dirname "$0")/.."
python="$PWD/.venv/bin/python"
[ -x "$python" ] || python="$(command -v python3)"

# need COMMAND PACKAGE: install a Debian package when its command is missing.
need() {
    command -v "$1" >/dev/null 2>&1 && return 0
    local root=()
    [ "$(id -u)" -eq 0 ] || root=(sudo)
    "${root[@]}" apt-get update -qq
    "${root[@]}" env DEBIAN_FRONTEND=noninteractive \
        apt-get install -y -qq --no-install-recommends "$2" >/dev/null
}
need java default-jdk-headless
need mvn maven

state="$(mktemp -d "${TMPDIR:-/tmp}/flink-test.XXXXXX")"
finish() {
    local status=$?
    scripts/flink-cluster stop --state "$state" || status=1
    if [ "$status" -eq 0 ]; then
        rm -rf "$state"
    else
        echo "flink-test: the cluster's logs are in $state" >&2
    fi
    exit "$status"
}
trap finish EXIT
PYTHONPATH="$PWD${PYTHONPATH:+:$PYTHONPATH}" scripts/flink-cluster start \
    --state "$state" --python "$python" > "$state/options.json"

# Prism is run from its Go module; its version is Beam's.
beam="$("$python" -c 'import apache_beam; print(apache_beam.__version__)')"
bin="${XDG_CACHE_HOME:-$HOME/.cache}/consentfilter/prism-$beam"
if [ ! -x "$bin/prism" ]; then
    need go golang-go
    GOBIN="$bin" GOFLAGS=-p=1 go install \
        "github.com/apache/beam/sdks/v2/go/cmd/prism@v$beam"
fi

CONSENTFILTER_PRISM="$bin/prism" CONSENTFILTER_FLINK="$state" "$python" -m pytest tests/flink -q -p no:xdist "$@"
