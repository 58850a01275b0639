"""Runs `truestream replay` as a user would, and measures that process and nothing else."""

import argparse
import json
import os
import subprocess
import tempfile
import time
from pathlib import Path

import week


def command(given: argparse.Namespace, out: Path, emit: str) -> list[str]:
    """The command line for the questions."""
    views = ",".join(week.VIEWS[question] for question in given.questions.split(","))
    return [
        *[str(given.binary), "replay", "--data", str(given.data), "--out", str(out)],
        *["--every", f"{given.every_minutes}m", "--windows", f"{given.window_hours}h", "--views", views],
        *["--emit", emit, "--workers", str(given.workers), "--hub", str(week.HUB_ACCOUNTS), "--json"],
    ]  # fmt: skip


def run(line: list[str]) -> tuple[dict, dict]:
    """Runs the command; returns what it said and what it used."""
    started = time.monotonic()
    with tempfile.TemporaryFile() as said:
        child = subprocess.Popen(line, stdout=said)
        _, status, used = os.wait4(child.pid, 0)
        child.returncode = os.waitstatus_to_exitcode(status)
        if child.returncode != 0:
            raise SystemExit(f"{' '.join(line)} ended with {child.returncode}")
        wall_s = time.monotonic() - started
        said.seek(0)
        text = said.read().decode()
    cost = {
        "cpu_s": used.ru_utime + used.ru_stime,
        "user_s": used.ru_utime,
        "sys_s": used.ru_stime,
        "wall_s": wall_s,
        "peak_rss_mb": used.ru_maxrss / 1024,
    }
    return last_object(text), cost


def last_object(text: str) -> dict:
    """The JSON object that the command printed: all of its output, or the last line."""
    for candidate in (text, text.strip().rsplit("\n", 1)[-1]):
        try:
            found = json.loads(candidate)
        except json.JSONDecodeError:
            continue
        if isinstance(found, dict):
            return found
    return {}


# What the columns of the digests are called in the tables, where they are not columns themselves.
EXPRESSIONS = {"track_entropy_micronats": "round(track_entropy * 1e6)::BIGINT"}
KEYS = {"q1": "account_id", "q2": "track_id", "q3": "account_id", "q4": "account_a * 31 + account_b"}


def digests(out: Path, question: str, length_h: int) -> list[dict]:
    """The digests of a view that was written with `--emit all`, at each refresh that has rows."""
    import duckdb

    view = week.VIEWS[question]
    files = sorted(str(path) for path in out.rglob("*.parquet") if view in path.relative_to(out).as_posix())
    if not files:
        raise SystemExit(f"{out} has no files of {view}")
    # Ids may be unsigned: as wide integers, products and sums cannot wrap.
    key = KEYS[question].replace("account_a", "account_a::HUGEINT").replace("account_b", "account_b::HUGEINT")
    values = [(column, EXPRESSIONS.get(column, column)) for column in week.COLUMNS[question]]
    sums = ", ".join(f"sum((1 + ({key})::HUGEINT % {week.WEIGHTS}) * ({value})::HUGEINT) AS {column}" for column, value in values)
    rows = duckdb.connect().execute(
        f"SELECT epoch_ms(as_of) AS as_of, count(*) AS rows, {sums} FROM read_parquet($files) GROUP BY ALL ORDER BY as_of",
        {"files": files},
    )
    names = [column[0] for column in rows.description]
    return [dict(zip(names, (int(value) for value in row), strict=True)) for row in rows.fetchall()]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--binary", type=Path, required=True)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--questions", default="q1,q2,q3,q4")
    parser.add_argument("--every-minutes", type=int, default=60)
    parser.add_argument("--window-hours", type=int, default=24)
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--emit", default="none", choices=["none", "last", "changes", "all"])
    parser.add_argument("--check", action="store_true", help="also write every refresh and take its digests")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        said, cost = run(command(given, Path(folder) / "out", given.emit))
        views = {}
        if given.check:
            everything = Path(folder) / "all"
            run(command(given, everything, "all"))
            views = {week.VIEWS[q]: digests(everything, q, given.window_hours) for q in given.questions.split(",")}
    engine = "truestream" if given.workers == 1 else f"truestream, {given.workers} workers"
    engine += "" if given.emit == "none" else f", emit {given.emit}"
    report = {"engine": engine, "every_ms": given.every_minutes * week.MINUTE_MS, "views": views, **cost}
    report["refresh_ms"] = said.get("refresh_ms", {})
    report["said"] = {name: value for name, value in said.items() if isinstance(value, (int, float, str))}
    print(json.dumps(report))


main()
