#!/bin/sh
# What the tests do with the living service, more of it: 100,000 seeds of a failing disk, every byte of a mebibyte of log
# flipped, a service killed and ended 1,000 times. Takes hours.
set -eu
cd "$(dirname "$0")/.."
TRUESTREAM_SEEDS="${TRUESTREAM_SEEDS:-100000}" cargo test --release -p datasets --lib log:: -- --include-ignored
TRUESTREAM_ROUNDS="${TRUESTREAM_ROUNDS:-1000}" cargo test --release -p truestream --test command_line -- alive:: kafka::
