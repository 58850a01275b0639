#!/usr/bin/env bash
# Lays every attack at every level over worlds of honest accounts, trains on seven tenths of the accounts, and says what is found of the rest.
#
# Usage: run.sh [--seeds "1 2 3 4 5"] [--accounts 20000] [--days 28] [--holdouts "hijacked_account mimicry"] [--out FILE]
#
# Needs benches/peers/install.sh (DuckDB) for the rules' column; without it that column is left out. --holdouts trains once more for each family
# without it, and measures on all of its accounts.
set -euo pipefail

here="$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)"
root="$(cd "$here/../.." && pwd)"
target="${CARGO_TARGET_DIR:-$root/target}"
peers="${TRUESTREAM_PEERS:-$root/target/peers}"
seeds="1 2 3 4 5" accounts=20000 days=28 holdouts="" out=""
asked="${*@Q}"
while (($#)); do
    (($# > 1)) || { echo "$1 needs a value" >&2; exit 2; }
    case "$1" in
        --seeds) seeds="$2" ;;
        --accounts) accounts="$2" ;;
        --days) days="$2" ;;
        --holdouts) holdouts="$2" ;;
        --out) out="$2" ;;
        *) sed -n '4p' "${BASH_SOURCE[0]}" >&2; exit 2 ;;
    esac
    shift 2
done
out="${out:-$root/benches/results/$(date -u +%Y-%m-%d)-detection.md}"

(cd "$root" && cargo build --release --quiet -p truestream)
truestream="$target/release/truestream"
work="$(mktemp -d)"
trap 'rm -rf "$work"' EXIT
python="$peers/columns/bin/python"
[[ -x "$python" ]] || { echo "no DuckDB in $peers: the rules are not measured" >&2; python=""; }

for seed in $seeds; do
    folder="$work/$seed"
    "$truestream" world --seed "$seed" --accounts "$accounts" --days "$days" --no-attacks --out "$folder/world" >/dev/null
    "$truestream" inject --data "$folder/world" --seed "$seed" --out "$folder/data" --json >"$folder/injected.json"
    "$truestream" train --data "$folder/data" --registry "$folder/registry" --seed "$seed" --json >"$folder/trained.json"
    cp "$folder"/registry/mlruns/1/*/artifacts/report.json "$folder/report.json"
    echo "seed $seed: trained" >&2
    for family in $holdouts; do
        "$truestream" train --data "$folder/data" --registry "$folder/without" --seed "$seed" --family-holdout "$family" --json >/dev/null
        cp "$folder"/without/mlruns/1/*/artifacts/report.json "$folder/without-$family.json"
        rm -r "$folder/without/mlruns"
        echo "seed $seed: without $family" >&2
    done
    if [[ -n "$python" ]]; then
        "$truestream" replay --data "$folder/data" --out "$folder/rules" --every 1d --windows 24h,7d,28d --views risk --emit changes --json >/dev/null
        "$python" "$here/rules.py" "$folder" >"$folder/rules.json"
        echo "seed $seed: rules" >&2
    fi
    rm -rf "$folder/world" "$folder/data" "$folder/rules" "$folder/registry" "$folder/without"
done

{
    echo "# Detection of accounts, $(date -u '+%Y-%m-%d %H:%M') UTC"
    echo
    echo "- command: \`benches/detection/run.sh $asked\`; seeds $seeds, $accounts accounts, $days days, every family at every level laid over by \`truestream inject\`"
    echo "- source: $(git -C "$root" describe --always --dirty 2>/dev/null || echo 'not a git checkout')"
    python3 "$here/collect.py" "$work" $seeds
} >"$out"
echo "$out" >&2
