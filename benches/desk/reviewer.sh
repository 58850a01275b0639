#!/usr/bin/env bash
# Two reviewers who know the truth of a world work through the pages of the desk; a model learns with what they said and one without, and both
# score another world. Prints the recall of both at 0.1 % false positives, and ends with an error where the first is no better.
#
# Usage: reviewer.sh [--accounts 1600] [--decisions 200] [--seed 1] [--debug]     --debug: an unoptimised build, as the tests have it
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
profile=(--release)
while (($#)); do
    case "$1" in
        --accounts) export TRUESTREAM_ACCOUNTS="$2"; shift 2 ;;
        --decisions) export TRUESTREAM_DECISIONS="$2"; shift 2 ;;
        --seed) export TRUESTREAM_SEED="$2"; shift 2 ;;
        --debug) profile=(); shift ;;
        *) sed -n '5p' "${BASH_SOURCE[0]}" >&2; exit 2 ;;
    esac
done
cargo test --workspace --locked "${profile[@]}" --test command_line reviewer:: -- --ignored --nocapture
