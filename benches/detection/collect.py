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


models, rules = read("report.json"), read("rules.json")
print("\n## All families in training\n\nRecall on accounts that training never saw (30 % of them less those that fit probabilities), by seed:\n")
print("| | at 0.1 % false positives | at 1 % |\n|---|---|---|")
print(f"| model | {overall(models, RATES[0])} | {overall(models, RATES[1])} |")
print(f"| rules, all accounts | {overall(rules, RATES[0])} | {overall(rules, RATES[1])} |")
print("\nAn honest look-alike's share is people who would be wronged. An account counts by its worst day.\n")
print("| family / level | accounts | model at 0.1 % | at 1 % | rules at 0.1 % | at 1 % |\n|---|---|---|---|---|---|")
for family in sorted({family for report in models for family in report["families"]}):
    cells = [cell(*pooled(reports, family, rate)) for reports in (models, rules) for rate in RATES]
    print(f"| {family} | {pooled(models, family, RATES[0])[0]} | {' | '.join(cells)} |")
for path in sorted(folder.glob("*/without-*.json")):
    family = path.stem.removeprefix("without-")
    if path != sorted(folder.glob(f"*/{path.name}"))[0]:
        continue
    reports = read(path.name)
    print(f"\n## Without {family} in training\n\n| level | accounts | at 0.1 % | at 1 % |\n|---|---|---|---|")
    for level in sorted({name for report in reports for name in report["families"] if name.split("/")[0] == family}):
        cells = [cell(*pooled(reports, level, rate)) for rate in RATES]
        print(f"| {level} | {pooled(reports, level, RATES[0])[0]} | {' | '.join(cells)} |")
