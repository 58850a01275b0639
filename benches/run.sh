#!/usr/bin/env bash
# Answers the questions of W1 with every engine there is, and writes a dated result file. See README.md.
#
# Usage: run.sh [--plays N] [--seed N] [--sets "q1 q2 q3 q4 q1,q2,q3,q4"] [--every "60 10 1"] [--windows "24"]
#               [--refreshes N] [--workers "1 2"] [--source memory|parquet] [--without "reduce duckdb polars truestream"]
#               [--emit "none last changes"] [--pathway] [--flink] [--check] [--out FILE]
set -euo pipefail

here="$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)"
root="$(cd "$here/.." && pwd)"
target="${CARGO_TARGET_DIR:-$root/target}"
peers="${TRUESTREAM_PEERS:-$root/target/peers}"
bin="$target/release"

plays=1000000 seed=1 sets="q1 q2 q3 q4 q1,q2,q3,q4" every="60" windows="24" refreshes=12 workers="1" emit="none"
source_of=memory without="" pathway=no flink=no check="" out=""
asked="${*@Q}" load_before="$(cut -d' ' -f1-3 /proc/loadavg)"
while (($#)); do
    case "$1" in
        --pathway) pathway=yes; shift; continue ;;
        --flink) flink=yes; shift; continue ;;
        --check) check=--check; shift; continue ;;
    esac
    (($# > 1)) || { echo "$1 needs a value" >&2; exit 2; }
    case "$1" in
        --plays) plays="$2" ;;
        --seed) seed="$2" ;;
        --sets) sets="$2" ;;
        --every) every="$2" ;;
        --windows) windows="$2" ;;
        --refreshes) refreshes="$2" ;;
        --workers) workers="$2" ;;
        --emit) emit="$2" ;;
        --source) source_of="$2" ;;
        --without) without="$2" ;;
        --out) out="$2" ;;
        *) sed -n '2,6p' "${BASH_SOURCE[0]}" >&2; exit 2 ;;
    esac
    shift 2
done
out="${out:-$here/results/$(date -u +%Y-%m-%d)-w1-$plays.md}"

wanted() { [[ " $without " != *" $1 "* ]]; }

python="$peers/columns/bin/python"
if [[ ! -x "$python" ]]; then
    if wanted duckdb || wanted polars || [[ -n "$check" ]]; then
        echo "no DuckDB and Polars in $peers: run benches/peers/install.sh first, or say --without \"duckdb polars\" and not --check" >&2
        exit 2
    fi
    python=python3
fi

(cd "$root" && cargo build --release --quiet -p benches)
if wanted truestream; then (cd "$root" && cargo build --release --quiet -p truestream); fi

data="$target/w1/$plays-$seed"
if [[ ! -f "$data/corrections.parquet" ]]; then
    "$bin/w1" --plays "$plays" --seed "$seed" --out "$data"
fi

reports="$(mktemp -d)"
trap 'rm -rf "$reports"' EXIT

# One engine, one set of questions: its report, or a word on why there is none.
engine() {
    local name="$1"
    shift
    if "$@" >"$folder/$name.part" 2>"$folder/$name.err"; then
        mv "$folder/$name.part" "$folder/$name.json"
        echo "  $name" >&2
    else
        echo "- $name, $(basename "$folder"): failed: $(tail -n 1 "$folder/$name.err")" | tee -a "$reports/failed" >&2
    fi
}

folders=()
for window in $windows; do
    for minutes in $every; do
        for set in $sets; do
            folder="$reports/${set//,/ + }, window $window h, every $minutes min"
            mkdir "$folder"
            folders+=("$folder")
            echo "$(basename "$folder")" >&2
            given=(--data "$data" --questions "$set" --every-minutes "$minutes" --window-hours "$window")
            engine floor "$bin/floor" "${given[@]}"
            if wanted reduce; then engine reduce "$bin/reduce" "${given[@]}"; fi
            if wanted truestream; then
                for count in $workers; do
                    for kind in $emit; do
                        engine "truestream-$count-$kind" "$python" "$here/peers/ours.py" \
                            --binary "$bin/truestream" --workers "$count" --emit "$kind" $check "${given[@]}"
                    done
                done
            fi
            for peer in duckdb polars; do
                if wanted "$peer"; then
                    engine "$peer" "$python" "$here/peers/${peer}_peer.py" \
                        --refreshes "$refreshes" --source "$source_of" "${given[@]}"
                fi
            done
            if [[ $pathway == yes && $set == q1 ]]; then
                engine pathway "$peers/pathway/bin/python" "$here/peers/pathway_peer.py" "${given[@]}"
            fi
            if [[ $flink == yes && $set == q1 ]]; then
                engine flink "$peers/flink/bin/python" "$here/peers/flink_peer.py" "${given[@]}"
            fi
        done
    done
done

mkdir -p "$(dirname "$out")"
verdict=0
{
    echo "# W1, $plays plays, $(date -u '+%Y-%m-%d %H:%M') UTC"
    echo
    echo "- command: \`benches/run.sh $asked\`"
    echo "- source: $(git -C "$root" describe --always --dirty 2>/dev/null || echo 'not a git checkout')"
    echo "- machine: $(grep -m 1 'model name' /proc/cpuinfo | cut -d: -f2- | xargs), $(nproc) cores," \
        "$(awk '/MemTotal/ { printf "%.0f GiB", $2 / 1048576 }' /proc/meminfo); load before: $load_before, after: $(cut -d' ' -f1-3 /proc/loadavg)"
    echo "- compiler: $(rustc --version)"
    echo "- seed: $seed; CPU is user + system time of the process, reading its input included."
    python3 "$here/peers/collect.py" "${folders[@]}" || verdict=$?
    if [[ -s "$reports/failed" ]]; then printf '\n## Not measured\n\n'; cat "$reports/failed"; fi
} >"$out"
echo "$out" >&2
exit "$verdict"
