#!/usr/bin/env bash
# Makes the virtual environment of the peers, with the versions that stand beside this file.
# Usage: install.sh [--pathway] [--flink]
# An optional peer gets an environment of its own: it pins what the others need newer or older.
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

# The package of Debian 12 (Flink 2.3 runs on Java 11, 17 and 21). Debian keeps only the newest of each suite: if this one has gone,
# name another (`apt-cache madison openjdk-17-jre-headless`) by TRUESTREAM_JRE.
jre_package="${TRUESTREAM_JRE:-openjdk-17-jre-headless=17.0.21.1+2-1~deb12u1}"

# Unpacks the Java runtime without root and lets its links into /etc lead to the files that came with it.
java_runtime() {
    local jre="$folder/flink-jre" from link to
    if [[ ! -x "$jre/bin/java" ]]; then
        from="$(mktemp -d "$folder/flink-jre.XXXXXX")"
        (cd "$from" && apt-get download --quiet "$jre_package" && dpkg -x ./*.deb .)
        mv "$from"/usr/lib/jvm/java-17-openjdk-* "$jre"
        find "$jre" -lname '/etc/*' | while read -r link; do
            to="$from$(readlink "$link")"
            rm "$link"
            if [[ -f "$to" ]]; then cp "$to" "$link"; fi
        done
        rm -r "$from"
    fi
    echo "java: $("$jre/bin/java" -version 2>&1 | sed -n 2p)"
}

environment columns requirements.txt
for option in "$@"; do
    case "$option" in
        --pathway) environment pathway requirements-pathway.txt ;;
        --flink)
            environment flink requirements-flink.txt
            java_runtime
            ;;
        *) echo "install.sh knows --pathway and --flink, not $option" >&2; exit 2 ;;
    esac
done
