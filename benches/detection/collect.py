"""One table of the reports of all seeds: recall by family and level, pooled over seeds, with 95 % Wilson intervals.

Usage: collect.py FOLDER SEED...
"""
import json
import math
import pathlib
import sys

folder, seeds = pathlib.Path(sys.argv[1]), sys.argv[2:]
RATES = ["0.1pct", "1pct"]


def read(name):
    paths = [folder / seed / name for seed in seeds]
    return [json.loads(path.read_text()) for path in paths if path.exists()]


def pooled(reports, family, rate):
    """Accounts and those found, over all seeds."""
    counted = [report["families"][family] for report in reports if family in report["families"]]
    accounts = sum(of["accounts"] for of in counted)
    return accounts, sum(round(of["accounts"] * of["recall"].get(rate, 0.0)) for of in counted)


def cell(accounts, found):
    if not accounts:
        return "-"
    share, z = found / accounts, 1.96
    middle = (share + z * z / (2 * accounts)) / (1 + z * z / accounts)
    half = z * math.sqrt(share * (1 - share) / accounts + z * z / (4 * accounts * accounts)) / (1 + z * z / accounts)
    return f"{share:.2f} ({max(0, middle - half):.2f}-{min(1, middle + half):.2f})"


def overall(reports, rate):
    values = [report["recall"][rate]["value"] for report in reports if rate in report["recall"]]
    return " ".join(f"{value:.3f}" for value in values) or "-"


models, rules, plain = read("report.json"), read("rules.json"), read("plain.json")
print("\n## All families in training\n\nRecall on accounts that training never saw (30 % of them less those that fit probabilities), by seed:\n")
print("| | at 0.1 % false positives | at 1 % |\n|---|---|---|")
print(f"| model | {overall(models, RATES[0])} | {overall(models, RATES[1])} |")
print(f"| the same learner on 20 plain features | {overall(plain, RATES[0])} | {overall(plain, RATES[1])} |")
print(f"| rules, all accounts | {overall(rules, RATES[0])} | {overall(rules, RATES[1])} |")
print("\nAn honest look-alike's share is people who would be wronged. An account counts by its worst day.\n")
print("| family / level | accounts | model at 0.1 % | at 1 % | 20 features at 0.1 % | at 1 % | rules at 0.1 % | at 1 % |\n|---|---|---|---|---|---|---|---|")
for family in sorted({family for report in models for family in report["families"]}):
    cells = [cell(*pooled(reports, family, rate)) for reports in (models, plain, rules) for rate in RATES]
    print(f"| {family} | {pooled(models, family, RATES[0])[0]} | {' | '.join(cells)} |")

without = {}
for path in sorted(folder.glob("*/without-*.json")):
    without.setdefault(path.stem.removeprefix("without-"), []).append(json.loads(path.read_text()))
if without:
    print("\n## One family left out of training\n\nRecall on all accounts of that family, which training never met.\n")
    print("| family | seeds | accounts | at 0.1 % | at 1 % |\n|---|---|---|---|---|")
    shares = {rate: [] for rate in RATES}
    for family, reports in without.items():
        of = lambda rate: [sum(pair) for pair in zip(*(pooled(reports, level, rate) for level in levels))]
        levels = sorted({name for report in reports for name in report["families"] if name.split("/")[0] == family})
        counts = {rate: of(rate) for rate in RATES}
        for rate in RATES:
            shares[rate].append(counts[rate][1] / max(1, counts[rate][0]))
        print(f"| {family} | {len(reports)} | {counts[RATES[0]][0]} | {' | '.join(cell(*counts[rate]) for rate in RATES)} |")
    print(f"| mean of families | | | {' | '.join(f'{sum(shares[rate]) / len(shares[rate]):.2f}' for rate in RATES)} |")

verdicts = read("verdicts.json")


def total(part, key, field):
    return sum(report[part].get(key, {}).get(field, 0) for report in verdicts)


if verdicts:
    keys = lambda part: sorted({key for report in verdicts for key in report[part]})
    print("\n## Rules and model together, on the world of another seed\n\nVerdicts every 6 hours; the model has seen nothing of this world. Hours: from an account's first false play to its first hold, median and nine tenths of those held. "
          "Money: payable false plays of accounts that were held at the play or later, before the month is paid.\n")
    print("| family / level | accounts | held or more | blocked | hours | nine tenths | money that waits |\n|---|---|---|---|---|---|---|")
    for family in keys("families"):
        hours = sorted(hour for report in verdicts for hour in report["families"].get(family, {}).get("hours", []))
        at = lambda share: f"{hours[min(len(hours) - 1, int(share * len(hours)))]:.0f}" if hours else "-"
        accounts, payable = total("families", family, "accounts"), total("families", family, "payable_plays")
        money = f"{total('families', family, 'payable_stopped') / payable:.3f}" if payable else "-"
        print(f"| {family} | {accounts} | {cell(accounts, total('families', family, 'held'))} | {total('families', family, 'blocked')} | {at(.5)} | {at(.9)} | {money} |")
    payable, stopped = (sum(total("families", family, field) for family in keys("families")) for field in ("payable_plays", "payable_stopped"))
    print(f"| all | {sum(total('families', family, 'accounts') for family in keys('families'))} | | | | | {stopped / payable:.3f} |")
    print("\n| honest look-alikes | accounts | held | escalated | blocked |\n|---|---|---|---|---|")
    for family in keys("honest"):
        print(f"| {family} | {' | '.join(str(total('honest', family, field)) for field in ('accounts', 'held', 'escalated', 'blocked'))} |")
    others = [sum(report["others"][field] for report in verdicts) for field in ("accounts", "stopped", "blocked")]
    print(f"| all other honest accounts | {others[0]} | {others[1]} held or more | | {others[2]} |")
    print("\n| victims of | | of them held or more |\n|---|---|---|")
    for family in keys("victims"):
        print(f"| {family} | {total('victims', family, 'of')} | {total('victims', family, 'stopped')} |")
