#!/usr/bin/env bash
# The Beam engine on a real Flink cluster: starts one, runs tests/flink, stops it.
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
CONSENTFILTER_FLINK="$state" "$python" -m pytest tests/flink -q -p no:xdist "$@"
