#!/usr/bin/env bash
# Measures the fingerprints on real music, beside Chromaprint on the same clips, and prints the tables of a result file.
#
# Usage: fingerprints.sh CORPUS [--peer] [--growth]
#
# CORPUS is what corpus.sh gathers (about 3 GB and 24 h of music in 410 tracks). Thresholds were chosen on the dev split; the test split, other packages,
# is only for the table. Needs python3 with numpy; TRUESTREAM_PYTHON names another python, TRUESTREAM_FFMPEG another ffmpeg.
# Work files lie in CORPUS/fingerprints. CPU: 8 min per split for the queries, 3 to 5 min for decoding, 2 min for the finds; the peer 5 min.
set -euo pipefail
here="$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)"
root="$(cd "$here/../.." && pwd)"
(($# >= 1)) || { sed -n '4p' "${BASH_SOURCE[0]}" >&2; exit 2; }
corpus="$1"; shift
python="${TRUESTREAM_PYTHON:-python3}"
target="${CARGO_TARGET_DIR:-$root/target}"
work="$corpus/fingerprints"
mkdir -p "$work"

[[ -s "$corpus/tracks.tsv" ]] || bash "$here/corpus.sh" tracks "$corpus" all
(cd "$root" && cargo build --quiet --release -p benches --bin fingerprints)
for split in dev test; do
    [[ -s "$corpus/queries/$split.tsv" ]] || bash "$here/corpus.sh" queries "$corpus" "$split" "$([[ $split == dev ]] && echo 40 || echo 32)"
    echo "## $split"
    "$target/release/fingerprints" "$corpus" "$split" --work "$work" --out "$work/finds-$split.tsv"
    "$python" "$here/fingerprints.py" shared "$corpus" "$work/finds-$split.tsv" "$split" "$work/shared-$split.tsv"
    "$python" "$here/fingerprints.py" table "$work/finds-$split.tsv" "$work/shared-$split.tsv"
done
for option in "$@"; do
    case "$option" in
        --peer)
            (cd "$here/chromaprint" && CARGO_TARGET_DIR="$target" RUSTFLAGS="-C target-cpu=native" cargo build --quiet --release)
            echo "## chromaprint, test"
            "$target/release/chromaprint-peer" "$corpus" test 10 "$work/finds-chromaprint.tsv"
            "$python" "$here/fingerprints.py" table "$work/finds-chromaprint.tsv" "$work/shared-test.tsv" zero ;;
        --growth)
            echo "## growth"
            "$target/release/fingerprints" "$corpus" test --work "$work" --out /dev/null --growth ;;
        *) sed -n '4p' "${BASH_SOURCE[0]}" >&2; exit 2 ;;
    esac
done
