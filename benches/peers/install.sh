#!/usr/bin/env bash
# Makes the virtual environment of the peers, with the versions that stand beside this file.
# Usage: install.sh [--pathway]
# The optional peer gets an environment of its own: it pins what the others need newer.
# TRUESTREAM_PEERS names the folder; by default it lies in target/, which git ignores.
set -euo pipefail
here="$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)"
folder="${TRUESTREAM_PEERS:-$here/../../target/peers}"

environment() {
    local name="$1" requirements="$2"
    [[ -x "$folder/$name/bin/python" ]] || python3 -m venv "$folder/$name"
    "$folder/$name/bin/python" -m pip install --quiet --disable-pip-version-check --requirement "$here/$requirements"
    echo "$name: $folder/$name"
}

environment columns requirements.txt
for option in "$@"; do
    case "$option" in
        --pathway) environment pathway requirements-pathway.txt ;;
        *) echo "install.sh knows --pathway, not $option" >&2; exit 2 ;;
    esac
done
