#!/usr/bin/env bash
# Lays every attack at every level over worlds of honest accounts, trains on seven tenths of the accounts, and says what is found of the rest; then
# judges the next seed's world with that model beside the rules, and says who was held, how early, and who was wronged.
#
# Usage: run.sh [--seeds "1 2 3 4 5"] [--accounts 20000] [--days 28] [--holdouts "hijacked_account mimicry"|all] [--holdout-seeds "1"] [--out FILE] [--keep DIR]
#
# Needs benches/peers/install.sh (DuckDB) for the rules and the verdicts. --holdouts trains once more for each family without it, and measures on all of
# its accounts. --keep leaves what was measured in a folder, and a run with the same folder goes on where it was stopped.
set -euo pipefail

here="$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)"
root="$(cd "$here/../.." && pwd)"
target="${CARGO_TARGET_DIR:-$root/target}"
peers="${TRUESTREAM_PEERS:-$root/target/peers}"
seeds="1 2 3 4 5" accounts=20000 days=28 holdouts="" holdout_seeds="" out="" keep=""
while (($#)); do
    (($# > 1)) || { echo "$1 needs a value" >&2; exit 2; }
    case "$1" in
        --seeds) seeds="$2" ;;
        --accounts) accounts="$2" ;;
        --days) days="$2" ;;
        --holdouts) holdouts="$2" ;;
        --holdout-seeds) holdout_seeds="$2" ;;
        --out) out="$2" ;;
        --keep) keep="$2" ;;
        *) sed -n '5p' "${BASH_SOURCE[0]}" >&2; exit 2 ;;
    esac
    shift 2
done
out="${out:-$root/benches/results/$(date -u +%Y-%m-%d)-detection.md}"
[[ "$holdouts" != all ]] || holdouts="loop_farm edge_farm breadth_farm hijacked_account playlist_farm device_farm country_hopping launch_lockstep micro_artists framing sleeper mimicry"
holdout_seeds="${holdout_seeds:-$seeds}"

truestream="${TRUESTREAM:-$target/release/truestream}"
[[ -n "${TRUESTREAM:-}" ]] || (cd "$root" && cargo build --release --quiet -p truestream)
python="$peers/columns/bin/python"
[[ -x "$python" ]] || { echo "no DuckDB in $peers: run benches/peers/install.sh" >&2; exit 2; }
work="${keep:-$(mktemp -d)}"
mkdir -p "$work"
[[ -n "$keep" ]] || trap 'rm -rf "$work"' EXIT

# Runs a step whose result is a file, unless the file is there. Inside it a failure does not end the script by itself: steps say `|| return`.
made() {
    local file="$1"
    shift
    [[ -s "$file" ]] || { "$@" >"$file.part" && mv "$file.part" "$file"; }
}
report() { cat "$1"/mlruns/1/*/artifacts/report.json; }
trained() { # FOLDER SEED REGISTRY OPTIONS...
    local folder="$1" seed="$2" registry="$3"
    shift 3
    "$truestream" train --data "$folder/data" --registry "$folder/$registry" --seed "$seed" --json "$@" >/dev/null || return
    report "$folder/$registry"
}
attacked() { # SEED: the world of that seed with attacks in it
    local folder="$work/$1"
    [[ ! -d "$folder/data" ]] || return 0
    mkdir -p "$folder"
    rm -rf "$folder/world"
    "$truestream" world --seed "$1" --accounts "$accounts" --days "$days" --no-attacks --out "$folder/world" >/dev/null
    "$truestream" inject --data "$folder/world" --seed "$1" --out "$folder/data" --json >"$folder/injected.json"
}
judged() { # FOLDER OTHER: the other world's verdicts, with the model of this one
    "$truestream" replay --data "$2/data" --out "$2/verdicts" --every 6h --windows 24h,7d,28d --views verdict --emit changes \
        --models "$1/registry" --model 1 --json >/dev/null || return
    "$python" "$here/verdicts.py" "$2/data" "$2/verdicts/verdict.parquet" || return
    rm -rf "$2/verdicts"
}
by_rules() { # FOLDER
    "$truestream" replay --data "$1/data" --out "$1/rules" --every 1d --windows 24h,7d,28d --views risk --emit changes --json >/dev/null || return
    "$python" "$here/rules.py" "$1" || return
    rm -rf "$1/rules"
}

first="${seeds%% *}"
previous=""
for seed in $seeds; do
    folder="$work/$seed"
    attacked "$seed"
    made "$folder/report.json" trained "$folder" "$seed" registry
    mkdir -p "$folder/plain"
    [[ -d "$folder/plain/features" || ! -d "$folder/registry/features" ]] || cp -al "$folder/registry/features" "$folder/plain/features"
    made "$folder/plain.json" trained "$folder" "$seed" plain --only "$(cat "$here/plain-features.txt")"
    made "$folder/rules.json" by_rules "$folder"
    echo "seed $seed: trained, and judged by rules" >&2
    if [[ " $holdout_seeds " == *" $seed "* ]]; then
        for family in $holdouts; do
            # Feature rows are the same: they are not computed again.
            mkdir -p "$folder/without"
            [[ -d "$folder/without/features" || ! -d "$folder/registry/features" ]] || cp -al "$folder/registry/features" "$folder/without/features"
            rm -rf "$folder/without/mlruns"
            made "$folder/without-$family.json" trained "$folder" "$seed" without --family-holdout "$family"
            echo "seed $seed: without $family" >&2
        done
    fi
    if [[ -n "$previous" ]]; then
        made "$work/$previous/verdicts.json" judged "$work/$previous" "$folder"
        rm -rf "$work/$previous/world" "$work/$previous/registry" "$work/$previous/plain" "$work/$previous/without"
        [[ "$previous" == "$first" ]] || rm -rf "$work/$previous/data"
        echo "seed $seed: judged with the model of seed $previous" >&2
    fi
    previous="$seed"
done
[[ "$previous" == "$first" ]] || made "$work/$previous/verdicts.json" judged "$work/$previous" "$work/$first"

{
    echo "# Detection of accounts, $(date -u '+%Y-%m-%d %H:%M') UTC"
    echo
    echo "- command: \`benches/detection/run.sh --seeds '$seeds' --accounts $accounts --days $days${holdouts:+ --holdouts '$holdouts' --holdout-seeds '$holdout_seeds'}\`; every family at every level laid over by \`truestream inject\`"
    echo "- source: $(git -C "$root" describe --always --dirty 2>/dev/null || echo 'not a git checkout')"
    python3 "$here/collect.py" "$work" $seeds
} >"$out"
echo "$out" >&2
