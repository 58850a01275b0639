#!/usr/bin/env bash
# A policy that comes into force after three weeks of a replayed month: whom it touches and what that costs, beside a replay of the whole month
# under it, and whether both say the same; and what `policy backtest` takes for the same change, beside two replays.
#
#   benches/policy/redecide.sh [accounts [refresh interval]]      prints tables; needs target/release/truestream and python3
set -euo pipefail
cd "$(dirname "$0")/../.."
accounts=${1:-1000} every=${2:-1h}
truestream=$PWD/target/release/truestream
[ -x "${TRUESTREAM:-$truestream}" ] && truestream=${TRUESTREAM:-$truestream}
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
cd "$work"
"$truestream" world --seed 1 --accounts "$accounts" --days 28 --out world > world.txt
echo "$(head -n 1 world.txt)"
echo

policy() { # name
    mkdir "$1"; echo "version = \"$1\"" > "$1/policy.toml"
}
policy before
policy threshold
cat > threshold/thresholds.toml <<'END'
[default]
hold = 35
escalate = 60
block = 85
escalate_signals = 2
block_signals = 3
END
policy track
printf '[track]\nsuspicious_accounts = { on = true, weight = 60 }\n' > track/rules.toml
policy account
printf '[account]\nedge = { on = true, weight = 55 }\n' > account/rules.toml
policy rule
cat > rule/conditions.toml <<'END'
[[rule]]
id = "card_testers"
version = 1
subject = "account"
window = "24h"
when = "plays >= 100 and skipped * 20 <= plays"
action = "hold"
code = "R1"
reason = "many plays, hardly one of them skipped"
owner = "payments"
expires = "2030-01-01"
tests = [{ row = { plays = 100, skipped = 5 }, matches = true }, { row = { plays = 100, skipped = 6 }, matches = false }]
END

how=(--data world --every "$every" --windows 24h,7d,28d --views risk,verdict,rule_hit)
"$truestream" replay "${how[@]}" --policy before --out before.tables --json > before.json
first=$(python3 -c 'import json; print(json.load(open("before.tables/run.json"))["first_as_of_ms"])')
# After three weeks: as of the last instant most plays have left their windows, because some are told weeks late.
from=$(python3 -c "import datetime; print(datetime.datetime.fromtimestamp($first / 1000 + 21 * 86400, datetime.timezone.utc).strftime('%Y-%m-%dT00:00:00Z'))")

echo "| change | decided anew | of cases | in | that refresh | half of all refreshes | whole replay | equal | backtest | moved |"
echo "|---|---:|---:|---:|---:|---:|---:|---|---:|---:|"
for change in threshold track account rule; do
    store=laws.$change
    "$truestream" policy activate before --store "$store" --from 2020-01-01 --by bench --why before > /dev/null
    "$truestream" policy activate "$change" --store "$store" --from "$from" --by bench --why change > /dev/null
    "$truestream" replay "${how[@]}" --policy "$store" --out none --emit none --json > "$change.none.json"
    "$truestream" replay "${how[@]}" --policy "$store" --out "$change.dated" > /dev/null
    began=$(date +%s.%N)
    "$truestream" replay "${how[@]}" --policy "$change" --out "$change.alone" > /dev/null
    ended=$(date +%s.%N)
    equal=yes
    for table in risk verdict rule_hit; do
        cmp -s "$change.dated/$table.parquet" "$change.alone/$table.parquet" || equal="no: $table"
    done
    "$truestream" policy backtest "$change" --against before --data world --json -- --every "$every" --windows 24h,7d,28d > "$change.backtest.json"
    python3 - "$change" "$equal" "$began" "$ended" <<'END'
import json, sys
change, equal, began, ended = sys.argv[1:]
told = json.load(open(f"{change}.none.json"))
turn, backtest = told["policy_turns"][0], json.load(open(f"{change}.backtest.json"))
apart = ", signals found for each" if backtest["signals_apart"] else ""
print(f"| {change} | {turn['decided']} | {turn['cases']} | {turn['took_ms']:.1f} ms | {turn['refresh_ms']:.1f} ms | {told['refresh_ms']['p50']:.1f} ms"
      f" | {float(ended) - float(began):.1f} s | {equal} | {backtest['seconds']:.1f} s{apart} | {len(backtest['moved'])} |")
END
done
