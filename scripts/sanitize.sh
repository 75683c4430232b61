#!/usr/bin/env bash
# Run the tests of the compiled loops on a copy of the package whose library is built
# with address and undefined behaviour sanitizers: `scripts/sanitize.sh PYTHON`.
set -euo pipefail
cd "$(dirname "$0")/.."
python="$(cd "$(dirname "$1")" && pwd)/$(basename "$1")"
copy="$(mktemp -d)"
trap 'rm -rf "$copy"' EXIT
cp -r consentfilter tests pyproject.toml "$copy"
cd "$copy"
cc -O1 -g -std=c11 -fPIC -shared -fvisibility=hidden -Wall -Wextra -Wpedantic -Werror \
    -fsanitize=address,undefined -fno-sanitize-recover=all \
    consentfilter/kernels/*.c -o consentfilter/kernels/_kernels.so
# Python itself is not built with sanitizers: their runtime has to come first, and
# what Python leaves behind at its end is not looked at.
LD_PRELOAD="$(cc -print-file-name=libasan.so) $(cc -print-file-name=libubsan.so)" \
    ASAN_OPTIONS=detect_leaks=0 PYTHONDONTWRITEBYTECODE=1 \
    "$python" -m pytest -q -p no:cacheprovider tests/kernels tests/lineage/test_rows.py
