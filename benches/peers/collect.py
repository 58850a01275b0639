"""Lays reports side by side: costs as a Markdown table, and whether the answers were equal.

Reports of one directory belong to one set of questions; their directories come in the order of the command line.
"""

import argparse
import json
import sys
from pathlib import Path

# The rounded entropy may differ by one millionth of a nat in a few rows; all else must be equal.
TOLERANCE = {"track_entropy_micronats": 1e-6}


def equal(mine: dict, theirs: dict) -> bool:
    """Whether two digests of a refresh are the same."""
    return mine.keys() == theirs.keys() and all(
        abs(mine[column] - theirs[column]) <= TOLERANCE.get(column, 0) * abs(mine[column]) for column in mine
    )


def empty(digest: dict) -> bool:
    """Whether the view has no rows: an engine may leave such a refresh out."""
    return digest["rows"] == 0


def compared(reference: dict, report: dict) -> tuple[int, int, list[str]]:
    """Refreshes compared, those that were equal, and the first differences in words."""
    count, same, differences = 0, 0, []
    for view, theirs in report.get("views", {}).items():
        truth = {digest["as_of"]: digest for digest in reference["views"].get(view, [])}
        unseen = {digest["as_of"] for digest in theirs} - truth.keys()
        differences += [f"{view} as of {as_of}: a refresh that the reference does not have" for as_of in sorted(unseen)[:1]]
        count += len(unseen)
        for digest in theirs:
            if digest["as_of"] not in truth:
                continue
            mine = truth[digest["as_of"]]
            count += 1
            if equal(mine, digest):
                same += 1
            else:
                wrong = [name for name in mine if mine[name] != digest.get(name)]
                differences.append(f"{view} as of {digest['as_of']}: {', '.join(wrong)}")
    return count, same, differences


def missing(reference: dict, report: dict) -> list[str]:
    """Refreshes with rows that a report of all refreshes says nothing of."""
    found = []
    if report.get("measured_refreshes", 0) < report.get("refreshes", 0):
        return found
    for view, theirs in report.get("views", {}).items():
        stated = {digest["as_of"] for digest in theirs}
        silent = [one["as_of"] for one in reference["views"].get(view, []) if not empty(one) and one["as_of"] not in stated]
        found += [f"{view} as of {as_of}: not stated" for as_of in silent[:1]]
    return found


def number(value: float | None) -> str:
    """Three significant digits, without an exponent."""
    if value is None:
        return "-"
    decimals = 0 if value >= 100 else 1 if value >= 10 else 2 if value >= 1 else 3
    return f"{value:,.{decimals}f}"


def row(report: dict, plays: int, base: dict, ours: dict | None, verdict: str) -> str:
    """A line of the table."""
    ratio = number(report["cpu_s"] / base["cpu_s"]) if base["cpu_s"] > 0 else "-"
    ours_ratio = number(report["cpu_s"] / ours["cpu_s"]) if ours and ours["cpu_s"] > 0 else "-"
    refresh = report.get("refresh_ms") or {}
    cells = [
        report["engine"],
        number(report["cpu_s"]),
        number(report["cpu_s"] * 1e6 / plays),
        number(report["wall_s"]),
        number(report["peak_rss_mb"]),
        number(refresh.get("p50")),
        number(refresh.get("p99")),
        ratio,
        ours_ratio,
        verdict,
    ]
    return "| " + " | ".join(cells) + " |"


HEAD = (
    "| engine | CPU s | CPU us/play | wall s | peak MiB | refresh p50 ms | p99 ms | CPU / floor | CPU / ours | answers |\n"
    "|---|---|---|---|---|---|---|---|---|---|"
)


def table(folder: Path) -> tuple[list[str], bool]:
    """The lines of one set of questions, and whether all answers were equal."""
    reports = [json.loads(path.read_text()) for path in sorted(folder.glob("*.json"))]
    floor = next((report for report in reports if report["engine"] == "floor"), None)
    if floor is None:
        return [f"No report of the floor in {folder.name}: nothing to compare with."], False
    ours = next((report for report in reports if report["engine"] == "truestream"), None)
    lines, remarks = [HEAD], []
    for report in sorted(reports, key=lambda report: report["cpu_s"]):
        count, same, differences = compared(floor, report)
        differences += missing(floor, report)
        verdict = "the reference" if report is floor else f"equal at {same} of {count}" if count else "not compared"
        measured, refreshes = report.get("measured_refreshes"), report.get("refreshes")
        if measured is not None and measured < refreshes:
            verdict += f"; cost scaled from {measured} of {refreshes} refreshes"
        lines.append(row(report, floor["plays"], floor, ours, verdict))
        remarks += [f"- {report['engine']} differs: {text}" for text in differences[:5]]
    return lines + ([""] + remarks if remarks else []), not remarks


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folders", nargs="+", type=Path)
    given = parser.parse_args()
    all_equal = True
    for folder in given.folders:
        lines, same = table(folder)
        all_equal = all_equal and same
        print(f"\n## {folder.name}\n\n" + "\n".join(lines))
    sys.exit(0 if all_equal else 5)


main()
