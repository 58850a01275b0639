#!/usr/bin/env bash
# Damages at random whatever Truestream reads of strangers and of disks, for as long as asked for, and fails where something crashes, hangs or takes
# more than it may: audio files (in this process, and in the confined decoder with its limits), what a decoder says, indexes of fingerprints,
# journals of a scan, tables of evidence, messages of distributors. The short form of the same tests runs with all others.
#
# Usage: tests/fuzz.sh [SECONDS_EACH [SEED]]
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
export TRUESTREAM_FUZZ_SECS="${1:-60}" TRUESTREAM_FUZZ_SEED="${2:-$(date +%s)}"
cargo test --release -p datasets --test audio -- --nocapture --test-threads 1 random_damage
cargo test --release -p datasets --test ddex -- --nocapture --test-threads 1 random_damage
cargo test --release -p truestream --lib -- --nocapture --test-threads 1 whatever_comes_through_the_pipe
cargo test --release -p truestream --test command_line -- --nocapture --test-threads 1 fuzz::
