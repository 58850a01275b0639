#!/usr/bin/env bash
# Which clients connect to the service and read it with their default settings. Needs python3 with venv, the package index of
# Python, psql (package postgresql-client) and a built truestream; pgjdbc and psqlODBC are tried where Debian's default-jre-headless and
# libpostgresql-jdbc-java, odbc-postgresql and unixodbc are installed.
#
#   ops/clients.sh [target/release/truestream]
#
# Prints a line per client and ends with exit code 1 if one of them fails.
set -euo pipefail
cd "$(dirname "$0")/.."
TRUESTREAM="$(realpath "${1:-target/release/truestream}")"
WORK="$(mktemp -d)"
trap 'kill "${SERVICE:-}" 2>/dev/null || true; wait 2>/dev/null || true; rm -rf "$WORK"' EXIT

VENV="${TRUESTREAM_CLIENTS_VENV:-$WORK/venv}"
if [ ! -x "$VENV/bin/python" ]; then
  python3 -m venv "$VENV"
  "$VENV/bin/pip" install --quiet --disable-pip-version-check -r ops/clients.txt
fi

"$TRUESTREAM" world --seed 5 --accounts 300 --days 3 --out "$WORK/world" >/dev/null
"$TRUESTREAM" serve --state "$WORK/state" --listen 127.0.0.1:0 --sql-listen 127.0.0.1:0 --follow "$WORK/world" --every 6h --windows 24h,28d --plain-ids \
  >"$WORK/out" 2>"$WORK/err" &
SERVICE=$!
for _ in $(seq 600); do
  grep -q "Followed to the end" "$WORK/err" && break
  kill -0 "$SERVICE" || { cat "$WORK/err"; exit 1; }
  sleep 0.1
done
TOKEN="$(sed -n 's/^Token, told this once: //p' "$WORK/out")"
HTTP="$(sed -n 's/^Listening on //p' "$WORK/err")"
PORT="$(sed -n 's/^Asked by psql .* -p \([0-9]*\) .*/\1/p' "$WORK/err")"
"$VENV/bin/python" ops/clients.py "$HTTP" "$PORT" "$TOKEN"
