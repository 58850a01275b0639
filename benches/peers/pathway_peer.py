"""Pathway keeps `account_window` current from a Python connector.

The connector holds the plays of the window and takes them back when they are old or corrected, as for the textbook version
of this crate: windows of its own would copy each play 24 times. Only q1; all refreshes.
"""

import math
import os
import queue
import sys
import time
from collections import defaultdict

import week

started = time.monotonic()
asked = week.options(__doc__)
week.limit_threads(asked.threads)
os.environ["PATHWAY_THREADS"] = str(asked.threads)

import pathway as pw  # noqa: E402
import pyarrow.compute as pc  # noqa: E402
import pyarrow.parquet as pq  # noqa: E402

# The account of the row that changes at each refresh, so that every refresh ends with a change.
MARK = -1


class Plays(pw.Schema):
    """What q1 needs to know of a play."""

    play_id: int = pw.column_definition(primary_key=True)
    account_id: int
    track_id: int
    artist_id: int
    device_id: int
    country: str
    hour: int
    played_ms: int


def rows_in_order(folder) -> list[tuple[int, int, dict]]:
    """(arrived_ms, ended_ms, row) in order of arrival."""
    artists = pq.read_table(folder / "tracks.parquet", columns=["track_id", "artist_id"]).to_pydict()
    artist_of = dict(zip(artists["track_id"], artists["artist_id"], strict=True))
    names = ["play_id", "ended_at", "arrived_at", "account_id", "track_id", "device_id", "country", "played_ms"]
    table = pq.read_table(folder / "plays.parquet", columns=names)
    for name in ("ended_at", "arrived_at"):
        table = table.set_column(names.index(name), name, pc.cast(table[name], "int64"))
    rows = []
    for one in table.to_pylist():
        ended_ms = one.pop("ended_at")
        arrived_ms = max(ended_ms, one.pop("arrived_at") or ended_ms)
        one |= {"artist_id": artist_of[one["track_id"]], "hour": ended_ms // week.HOUR_MS}
        rows.append((arrived_ms, ended_ms, one))
    return sorted(rows, key=lambda row: row[0])


def corrections_in_order(folder) -> list[tuple[int, int]]:
    """(arrived_ms, play_id) in order of arrival."""
    table = pq.read_table(folder / "corrections.parquet", columns=["play_id", "arrived_at"])
    at = pc.cast(table["arrived_at"], "int64").to_pylist()
    return sorted(zip(at, table["play_id"].to_pylist(), strict=True))


class Week(pw.io.python.ConnectorSubject):
    """Sends the week refresh by refresh and waits for each to be answered."""

    def __init__(self, answers: queue.Queue) -> None:
        super().__init__()
        self.answers = answers
        self.rows = rows_in_order(asked.data)
        self.corrections = corrections_in_order(asked.data)
        self.sent = self.corrected = 0
        self.live, self.leaving, self.forgotten = {}, defaultdict(list), set()
        self.mark = None

    @property
    def _deletions_enabled(self) -> bool:
        # Pathway reads the source of `run` to find this out, and does not see through `measure`.
        return True

    def run(self) -> None:
        last = max(self.rows[-1][0], self.corrections[-1][0] if self.corrections else 0)
        instants = week.refreshes(self.rows[0][0], last, asked.every_ms)
        week.measure("pathway", asked, instants, len(self.rows), started, self.answer)

    def take_back(self, play_id: int) -> None:
        row = self.live.pop(play_id, None)
        if row is not None:
            self.delete(**row)

    def answer(self, _question: str, as_of: int) -> list[int]:
        for play_id in self.leaving.pop(as_of, []):
            self.take_back(play_id)
        while self.sent < len(self.rows) and self.rows[self.sent][0] < as_of:
            _, ended_ms, row = self.rows[self.sent]
            self.sent += 1
            leaves = (ended_ms // asked.every_ms + 1) * asked.every_ms + asked.window_ms
            if leaves > as_of and row["play_id"] not in self.live and row["play_id"] not in self.forgotten:
                self.live[row["play_id"]] = row
                self.leaving[leaves].append(row["play_id"])
                self.next(**row)
        while self.corrected < len(self.corrections) and self.corrections[self.corrected][0] < as_of:
            play_id = self.corrections[self.corrected][1]
            self.corrected += 1
            self.forgotten.add(play_id)
            self.take_back(play_id)
        self.move_mark(as_of)
        self.commit()
        return self.answers.get()

    def move_mark(self, as_of: int) -> None:
        if self.mark is not None:
            self.delete(**self.mark)
        nowhere = {"track_id": 0, "artist_id": 0, "device_id": 0, "country": "", "hour": 0}
        self.mark = {"play_id": -as_of, "account_id": MARK, "played_ms": as_of, **nowhere}
        self.next(**self.mark)


def view(plays: pw.Table) -> pw.Table:
    """`account_window`."""
    by_track = plays.groupby(plays.account_id, plays.track_id).reduce(plays.account_id, c=pw.reducers.count())
    by_track = by_track.with_columns(
        squared=pw.this.c * pw.this.c,
        # In whole billionths: the default sum of floats came out some percent too small here, that of integers is exact.
        times_ln=pw.apply_with_type(lambda c: round(c * math.log(c) * 1e9), int, pw.this.c),
    )
    concentration = by_track.groupby(by_track.account_id).reduce(
        by_track.account_id,
        tracks=pw.reducers.count(),
        top_track_plays=pw.reducers.max(by_track.c),
        track_sum_squares=pw.reducers.sum(by_track.squared),
        times_ln=pw.reducers.sum(by_track.times_ln),
    )
    flagged = plays.with_columns(
        payable=pw.if_else(pw.this.played_ms >= 30_000, 1, 0),
        edge=pw.if_else((pw.this.played_ms >= 30_000) & (pw.this.played_ms < 35_000), 1, 0),
    )
    sums = flagged.groupby(flagged.account_id).reduce(
        flagged.account_id,
        plays=pw.reducers.count(),
        payable=pw.reducers.sum(flagged.payable),
        edge=pw.reducers.sum(flagged.edge),
        played_ms=pw.reducers.sum(flagged.played_ms),
        artists=pw.reducers.count_distinct(flagged.artist_id),
        countries=pw.reducers.count_distinct(flagged.country),
        devices=pw.reducers.count_distinct(flagged.device_id),
        active_hours=pw.reducers.count_distinct(flagged.hour),
    )
    right = {name: concentration[name] for name in ("tracks", "top_track_plays", "track_sum_squares", "times_ln")}
    return sums.join(concentration, sums.account_id == concentration.account_id).select(*sums, **right)


class Digest:
    """Sums what comes out of the view."""

    def __init__(self, answers: queue.Queue) -> None:
        self.answers = answers
        self.sums = [0] * (1 + len(week.COLUMNS["q1"]))
        self.marked = False

    def change(self, key, row: dict, time: int, is_addition: bool) -> None:
        if row["account_id"] == MARK:
            self.marked = True
            return
        plays = row["plays"]
        row["skipped"] = plays - row["payable"]
        row["track_entropy_micronats"] = round(max(0.0, math.log(plays) - row["times_ln"] / 1e9 / plays) * 1e6)
        sign = 1 if is_addition else -1
        weight = sign * (1 + row["account_id"] % week.WEIGHTS)
        self.sums[0] += sign
        for place, column in enumerate(week.COLUMNS["q1"], start=1):
            self.sums[place] += weight * row[column]

    def time_end(self, time: int) -> None:
        if self.marked:
            self.marked = False
            self.answers.put(list(self.sums))


def main() -> None:
    if asked.questions != ["q1"] or asked.refreshes:
        sys.exit("pathway_peer.py answers q1 at all refreshes: --questions q1")
    answers = queue.Queue()
    # No commits but ours: one for each refresh.
    plays = pw.io.python.read(Week(answers), schema=Plays, autocommit_duration_ms=None)
    digest = Digest(answers)
    pw.io.subscribe(view(plays), on_change=digest.change, on_time_end=digest.time_end)
    pw.run(monitoring_level=pw.MonitoringLevel.NONE)


main()
