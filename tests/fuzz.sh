#!/usr/bin/env bash
# Damages at random whatever Truestream reads of strangers and of disks, for as long as asked for, and fails where something crashes, hangs or takes
# more than it may: audio files (in this process, and in the confined decoder with its limits), what a decoder says, indexes of fingerprints,
# journals of a scan, tables of evidence, messages of distributors, bodies of requests, logs, and what clients of PostgreSQL say before and after they are known.
# The short form of the same tests runs with all others, from the same build: decoders are optimised in it, and a number that overflows is found.
#
# Usage: tests/fuzz.sh [SECONDS_EACH [SEED [audio|ddex|pipe|command_line|service]]]
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
export TRUESTREAM_FUZZ_SECS="${1:-60}" TRUESTREAM_FUZZ_SEED="${2:-$(date +%s)}"
# A decoder that panics is refused, and goes on to the next file; its way there is of no interest.
export RUST_BACKTRACE=0

only="${3:-}"
fuzz() { # its name, the test, and where it is
    if [ "${only:-$1}" = "$1" ]; then
        cargo test --workspace --locked "${@:3}" -- --nocapture --test-threads 1 "$2"
    fi
}
fuzz audio random_damage --test audio
fuzz ddex random_damage --test ddex
fuzz pipe whatever_comes_through_the_pipe --lib
fuzz command_line fuzz:: --test command_line
fuzz service fuzz_service:: --test command_line
