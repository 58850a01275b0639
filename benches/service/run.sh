#!/usr/bin/env bash
# A living service with all views under load: what is taken in, when SQL shows it, what 50 sessions of PostgreSQL's protocol wait for, and what
# 2,048 subscribers who hear nothing cost.
#
#   benches/service/run.sh [RATE [SECONDS]]      prints JSON lines
#
# Wants a built truestream (target/release/truestream, or TRUESTREAM) and a python with asyncpg (TRUESTREAM_PYTHON). With 2,048 subscribers
# each side has as many files open: ulimit -n of 8192 or more.
set -euo pipefail
cd "$(dirname "$0")/../.."
rate="${1:-20000}" seconds="${2:-30}"
truestream="$(realpath "${TRUESTREAM:-target/release/truestream}")" python="${TRUESTREAM_PYTHON:-python3}"
ulimit -n 8192
work="$(mktemp -d)"
trap 'kill "${service:-}" 2>/dev/null || true; wait 2>/dev/null || true; rm -rf "$work"' EXIT
"$truestream" serve --state "$work/state" --time told --plain-ids --memory-max 12000 --query-rate 0 --listen 127.0.0.1:0 --sql-listen 127.0.0.1:0 \
    >"$work/out" 2>"$work/err" &
service=$!
until grep -q "^Listening on" "$work/err"; do
    kill -0 "$service" || { cat "$work/err" >&2; exit 1; }
    sleep 0.1
done
token="$(sed -n 's/^Token, told this once: //p' "$work/out")"
http="$(sed -n 's/^Listening on //p' "$work/err")"
port="$(sed -n 's/^Asked by psql .* -p \([0-9]*\) .*/\1/p' "$work/err")"
export TRUESTREAM_TOKEN="$token"
"$truestream" load --to "$http" --rate "$rate" --beats "$seconds" --readers 0 --json &
load=$!
"$python" benches/service/guests.py sessions "$port" "$token" 50 "$seconds"
wait "$load"
"$python" benches/service/guests.py sessions "$port" "$token" 50 10
"$python" benches/service/guests.py subscribers "$http" "$token" 2048 "$service"
