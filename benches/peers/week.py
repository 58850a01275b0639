"""What every peer does around its own work: reads the options, finds the refreshes, measures, prints the report.

A report is one JSON object on standard output, of the same shape as that of the Rust binaries.
"""

import argparse
import json
import os
import resource
import time
from dataclasses import dataclass
from pathlib import Path

MINUTE_MS = 60_000
HOUR_MS = 60 * MINUTE_MS
LINKS_MS = 7 * 24 * HOUR_MS
BUCKET_MS = 10 * MINUTE_MS
HUB_ACCOUNTS = 50
BUCKET_ACCOUNTS = 50
LOCKSTEP_SHARED = 5
WEIGHTS = 65_521

VIEWS = {"q1": "account_window", "q2": "track_window", "q3": "account_group", "q4": "lockstep"}
COLUMNS = {
    "q1": [
        "plays", "payable", "edge", "skipped", "played_ms", "tracks", "artists", "countries", "devices",
        "active_hours", "top_track_plays", "track_sum_squares", "track_entropy_micronats",
    ],
    "q2": [
        "plays", "payable", "edge", "played_ms", "listeners", "top_account_plays", "account_sum_squares",
        "countries", "devices",
    ],
    "q3": ["group_id", "size"],
    "q4": ["shared"],
}  # fmt: skip


@dataclass
class Options:
    """What is asked of a peer."""

    data: Path
    questions: list[str]
    every_ms: int
    window_ms: int
    refreshes: int
    threads: int
    source: str

    def length_ms(self, question: str) -> int:
        """How far back the question looks."""
        return LINKS_MS if question == "q3" else self.window_ms


def options(description: str) -> Options:
    """Reads the command line."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--data", type=Path, required=True, help="the folder of a W1 week")
    parser.add_argument("--questions", default="q1,q2,q3,q4")
    parser.add_argument("--every-minutes", type=int, default=60)
    parser.add_argument("--window-hours", type=int, default=24)
    parser.add_argument(
        "--refreshes", type=int, default=0, help="measure so many refreshes, evenly spread; 0 means all of them"
    )
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument(
        "--source", choices=["memory", "parquet"], default="memory", help="load the week once, or scan it each time"
    )
    given = parser.parse_args()
    return Options(
        data=given.data,
        questions=given.questions.split(","),
        every_ms=given.every_minutes * MINUTE_MS,
        window_ms=given.window_hours * HOUR_MS,
        refreshes=given.refreshes,
        threads=given.threads,
        source=given.source,
    )


def refreshes(first_ms: int, last_ms: int, every_ms: int) -> list[int]:
    """The instants at which the views are stated: from the first arrival to past the last."""
    return list(range((first_ms // every_ms + 1) * every_ms, (last_ms // every_ms + 1) * every_ms + 1, every_ms))


def spread(instants: list[int], count: int) -> list[int]:
    """So many of the instants, evenly spread, each in the middle of its stretch."""
    if count == 0 or count >= len(instants):
        return instants
    return [instants[(2 * n + 1) * len(instants) // (2 * count)] for n in range(count)]


def cpu_s() -> float:
    """User and system time of this process and of the children it has waited for."""
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(one.ru_utime + one.ru_stime for one in used)


def peak_rss_mb() -> float:
    """The most memory this process ever held."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def measure(engine: str, asked: Options, all_refreshes: list[int], plays: int, started: float, answer) -> None:
    """Answers each question at each chosen refresh and prints the report.

    `answer(question, as_of)` returns the digest of the view: the count of rows and the weighted sums. The cost of the
    whole week is the set-up so far plus the mean refresh times all refreshes.
    """
    setup_cpu_s, setup_wall_s = cpu_s(), time.monotonic() - started
    chosen = spread(all_refreshes, asked.refreshes)
    views: dict[str, list[dict]] = {VIEWS[question]: [] for question in asked.questions}
    latencies_ms = []
    before_cpu_s, before_wall = cpu_s(), time.monotonic()
    for as_of in chosen:
        at = time.monotonic()
        for question in asked.questions:
            digest = [int(value or 0) for value in answer(question, as_of)]
            named = dict(zip(["rows", *COLUMNS[question]], digest, strict=True))
            views[VIEWS[question]].append({"as_of": as_of, **named})
        latencies_ms.append((time.monotonic() - at) * 1e3)
    scale = len(all_refreshes) / len(chosen)
    refresh_cpu_s, refresh_wall_s = cpu_s() - before_cpu_s, time.monotonic() - before_wall
    latencies_ms.sort()
    print(
        json.dumps(
            {
                "engine": engine,
                "plays": plays,
                "every_ms": asked.every_ms,
                "refreshes": len(all_refreshes),
                "measured_refreshes": len(chosen),
                "setup_cpu_s": setup_cpu_s,
                "cpu_s": setup_cpu_s + refresh_cpu_s * scale,
                "wall_s": setup_wall_s + refresh_wall_s * scale,
                "peak_rss_mb": peak_rss_mb(),
                "refresh_ms": {
                    "p50": quantile(latencies_ms, 0.5),
                    "p99": quantile(latencies_ms, 0.99),
                    "max": latencies_ms[-1],
                },
                "views": views,
            }
        )
    )


def quantile(ordered: list[float], share: float) -> float:
    """The value at the share of the ordered values."""
    return ordered[round((len(ordered) - 1) * share)]


def limit_threads(count: int) -> None:
    """Tells the libraries that read it from the environment; call before they are imported."""
    for name in ("POLARS_MAX_THREADS", "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
        os.environ[name] = str(count)
