#!/usr/bin/env bash
# What the tests of the review desk need to run in a real browser: Debian's chromium and its driver, and axe-core, which finds what people who
# see little or use no mouse would stumble over. Without them the tests say so and pass.
#
#   ops/browser.sh              installs what is missing (apt needs root or sudo without a password; axe-core needs npm), says what there is
#   ops/browser.sh --look       installs nothing
#
# axe-core is unpacked into ${TRUESTREAM_AXE:-~/.cache/truestream/axe-core-VERSION}, where the tests look for it, too. Ends with exit code 1 where
# something is still missing.
set -euo pipefail

# The version that truestream/tests/command_line/browser.rs names, and the SHA-512 of its package.
axe=4.14.1
axe_sha512=1477dafa598d8d065f273d6af302aa203c02e83131707b7fa648cd41bd3d6b734f8c22a0dab86ee6a6f64b8afbe804b214d36db85a2826965edfb3a0b9d546b5
folder="${TRUESTREAM_AXE:-${XDG_CACHE_HOME:-$HOME/.cache}/truestream/axe-core-$axe}"
look=false
[[ "${1:-}" != --look ]] || look=true

has() { command -v "$1" >/dev/null; }
privileged() {
    if ((EUID == 0)); then "$@"; elif has sudo && sudo -n true 2>/dev/null; then sudo -n "$@"; else return 1; fi
}

if ! $look && ! { has chromium && has chromedriver; } && has apt-get; then
    # A list of packages that is older than the archive names files that are gone.
    privileged apt-get update -qq && privileged env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq chromium chromium-driver >/dev/null ||
        echo "apt did not install chromium and chromium-driver" >&2
fi

if ! $look && [[ ! -s "$folder/axe.min.js" ]] && has npm; then
    work="$(mktemp -d)"
    trap 'rm -rf "$work"' EXIT
    if (cd "$work" && npm pack --silent --fetch-retries 1 --fetch-timeout 60000 "axe-core@$axe" >/dev/null); then
        echo "$axe_sha512  $work/axe-core-$axe.tgz" | sha512sum --check --quiet
        mkdir -p "$folder"
        tar -xzf "$work/axe-core-$axe.tgz" -C "$work" package/axe.min.js package/LICENSE
        mv "$work/package/LICENSE" "$work/package/axe.min.js" "$folder"
    else
        echo "npm did not bring axe-core $axe" >&2
    fi
fi

missing=0
for program in chromium chromedriver; do
    if has "$program"; then
        echo "$program: $("$program" --version 2>/dev/null | head -n 1)"
    else
        echo "$program: missing"
        missing=1
    fi
done
if [[ -s "$folder/axe.min.js" ]]; then
    echo "axe-core: $axe, in $folder"
else
    echo "axe-core: missing"
    missing=1
fi
exit "$missing"
