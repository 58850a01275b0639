"""Flink SQL keeps `account_window` current with a sliding window over a changelog of the plays.

The changelog is Debezium JSON in order of arrival: PyPI has no Parquet connector, and a correction must say the whole play
that it takes back. Making it is not counted. The watermark is the arrival, not the end of a play, and a mark stands at every
refresh, so a window is stated with what had arrived until then; later plays and corrections change the windows to come.
Only q1; all refreshes; a mini-cluster in one JVM with parallelism 1, state on its heap.
"""

import json
import os
import resource
import signal
import sys
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path

import pyarrow.compute as pc
import pyarrow.parquet as pq
import week

# The account of the rows that only carry the time.
MARK = -1
JRE = Path(sys.prefix).parent / "flink-jre"
# One thread for garbage, too: Java's own choice here cost a quarter more CPU and twice the memory.
JVM = "-XX:+UseSerialGC -Xms4g -Xmx4g"

FIELDS = ["account_id", "track_id", "artist_id", "device_id", "country", "played_ms", "ended_ms", "known_ms"]

PLAYS = """
    CREATE TABLE changes (
        account_id BIGINT, track_id BIGINT, artist_id BIGINT, device_id BIGINT, country STRING, played_ms BIGINT,
        ended_ms BIGINT, known_ms BIGINT,
        ended_at AS TO_TIMESTAMP_LTZ(ended_ms, 3),
        WATERMARK FOR ended_at AS TO_TIMESTAMP_LTZ(known_ms - 1, 3)
    ) WITH ('connector' = 'filesystem', 'path' = '{path}', 'format' = 'debezium-json')
"""

VIEWS = {
    "plays": "SELECT * FROM changes WHERE account_id >= 0",
    "live": """
        SELECT * FROM TABLE(HOP(TABLE plays, DESCRIPTOR(ended_at), INTERVAL '{every}' MINUTE(4), INTERVAL '{length}' HOUR(4)))
    """,
    "by_track": """
        SELECT window_start, window_end, account_id, count(*) AS c
        FROM live GROUP BY window_start, window_end, account_id, track_id
    """,
    "concentration": """
        SELECT window_start, window_end, account_id, count(*) AS tracks, max(c) AS top_track_plays,
            sum(c * c) AS track_sum_squares, sum(c * ln(c)) AS times_ln
        FROM by_track GROUP BY window_start, window_end, account_id
    """,
    "sums": """
        SELECT window_start, window_end, account_id, count(*) AS plays, count(*) FILTER (WHERE played_ms >= 30000) AS payable,
            count(*) FILTER (WHERE played_ms >= 30000 AND played_ms < 35000) AS edge,
            count(*) FILTER (WHERE played_ms < 30000) AS skipped, sum(played_ms) AS played_ms,
            count(DISTINCT artist_id) AS artists, count(DISTINCT country) AS countries,
            count(DISTINCT device_id) AS devices, count(DISTINCT ended_ms / {hour_ms}) AS active_hours
        FROM live GROUP BY window_start, window_end, account_id
    """,
    "account_window": """
        SELECT s.*, tracks, top_track_plays, track_sum_squares,
            CAST(round(greatest(0e0, ln(plays) - times_ln / plays) * 1e6) AS BIGINT) AS track_entropy_micronats
        FROM sums s JOIN concentration c
            ON s.account_id = c.account_id AND s.window_start = c.window_start AND s.window_end = c.window_end
    """,
}


def changes(folder: Path) -> list[tuple[int, str, tuple]]:
    """(arrived_ms, operation, row) in order of arrival; what takes a play back says the whole play."""
    artists = pq.read_table(folder / "tracks.parquet", columns=["track_id", "artist_id"]).to_pydict()
    artist_of = dict(zip(artists["track_id"], artists["artist_id"], strict=True))
    names = ["play_id", "ended_at", "arrived_at", "account_id", "track_id", "device_id", "country", "played_ms"]
    plays = pq.read_table(folder / "plays.parquet", columns=names)
    taken_back = pq.read_table(folder / "corrections.parquet", columns=["play_id", "arrived_at"])
    events = [
        (arrived_ms, "d", play_id, None)
        for play_id, arrived_ms in zip(taken_back["play_id"].to_pylist(), milliseconds(taken_back["arrived_at"]), strict=True)
    ]
    ended, arrived = milliseconds(plays["ended_at"]), milliseconds(plays["arrived_at"])
    for one, ended_ms, arrived_ms in zip(plays.drop_columns(["ended_at", "arrived_at"]).to_pylist(), ended, arrived, strict=True):
        track = one["track_id"]
        play = (one["account_id"], track, artist_of[track], one["device_id"], one["country"], one["played_ms"], ended_ms)
        events.append((max(ended_ms, arrived_ms or ended_ms), "c", one["play_id"], play))
    # The operations sort so that a play comes before a correction of the same instant.
    events.sort(key=lambda event: event[:2])
    live, forgotten, told = {}, set(), []
    for arrived_ms, operation, play_id, play in events:
        if operation == "d":
            forgotten.add(play_id)
            play = live.pop(play_id, None)
            if play is not None:
                told.append((arrived_ms, "d", play))
        elif play_id not in live and play_id not in forgotten:
            live[play_id] = play
            told.append((arrived_ms, "c", play))
    return told


def milliseconds(column) -> list[int]:
    """Instants as milliseconds."""
    return pc.cast(column, "int64").to_pylist()


def write(path: Path, told: list[tuple[int, str, tuple]], instants: list[int]) -> None:
    """Writes the changelog as Debezium JSON, a mark before the first change at or after each instant."""
    marks = [(as_of, "b", (MARK, 0, 0, 0, "", 0, as_of)) for as_of in instants]
    with path.open("w") as out:
        for known_ms, operation, play in sorted(told + marks, key=lambda change: change[:2]):
            row = dict(zip(FIELDS, (*play, known_ms), strict=True))
            deleted = operation == "d"
            said = {"before": row if deleted else None, "after": None if deleted else row, "op": "d" if deleted else "c"}
            out.write(json.dumps(said, separators=(",", ":")) + "\n")


def digest_query() -> str:
    """The digest of the view at each refresh, summed by Flink as well."""
    sums = ", ".join(f"sum((1 + account_id % {week.WEIGHTS}) * {column}) AS {column}" for column in week.COLUMNS["q1"])
    return f"SELECT window_start, window_end, count(*) AS accounts, {sums} FROM account_window GROUP BY window_start, window_end"


def session(asked: week.Options, path: Path):
    """A table environment that knows the view."""
    from pyflink.table import EnvironmentSettings, TableEnvironment

    tables = TableEnvironment.create(EnvironmentSettings.in_streaming_mode())
    settings = {
        "table.local-time-zone": "UTC",
        "parallelism.default": str(asked.threads),
        "pipeline.object-reuse": "true",
        # A watermark for each row that moves it, and none by the clock of the wall: the marks decide.
        "pipeline.auto-watermark-interval": "0 ms",
    }
    for name, value in settings.items():
        tables.get_config().set(name, value)
    tables.execute_sql(PLAYS.format(path=path.as_uri()))
    given = {"every": asked.every_ms // week.MINUTE_MS, "length": asked.window_ms // week.HOUR_MS, "hour_ms": week.HOUR_MS}
    for name, query in VIEWS.items():
        tables.execute_sql(f"CREATE TEMPORARY VIEW {name} AS {query.format(**given)}")
    return tables


def digests(tables, instants: list[int]) -> list[dict]:
    """Runs the job to the end of the week: the digests of the refreshes."""
    found = []
    with tables.execute_sql(digest_query()).collect() as rows:
        for _start, end, *digest in rows:
            as_of = round(end.replace(tzinfo=UTC).timestamp() * 1e3)
            found.append({"as_of": as_of, **dict(zip(["rows", *week.COLUMNS["q1"]], digest, strict=True))})
    asked_for = set(instants)
    return sorted((one for one in found if one["as_of"] in asked_for), key=lambda one: one["as_of"])


def end_of_jvm() -> resource.struct_rusage:
    """Ends the JVM that PyFlink started; what it used."""
    from pyflink.java_gateway import get_gateway

    process = get_gateway().jvm.java.lang.ProcessHandle.current().pid()
    os.kill(process, signal.SIGKILL)
    return os.wait4(process, 0)[2]


def main() -> None:
    asked = week.options(__doc__)
    if asked.questions != ["q1"] or asked.refreshes:
        sys.exit("flink_peer.py answers q1 at all refreshes: --questions q1")
    os.environ |= {"JAVA_HOME": str(JRE), "JVM_ARGS": JVM}
    told = changes(asked.data)
    instants = week.refreshes(told[0][0], told[-1][0], asked.every_ms)
    plays = sum(operation == "c" for _, operation, _ in told)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "changes.json"
        write(path, told, instants)
        before_cpu_s, before_wall = week.cpu_s(), time.monotonic()
        tables = session(asked, path)
        stated = digests(tables, instants)
        wall_s, python_cpu_s = time.monotonic() - before_wall, week.cpu_s() - before_cpu_s
        used = end_of_jvm()
    print(
        json.dumps(
            {
                "engine": "flink",
                "plays": plays,
                "every_ms": asked.every_ms,
                "refreshes": len(instants),
                "measured_refreshes": len(instants),
                "cpu_s": python_cpu_s + used.ru_utime + used.ru_stime,
                "wall_s": wall_s,
                "peak_rss_mb": used.ru_maxrss / 1024,
                "views": {week.VIEWS["q1"]: stated},
            }
        ),
        flush=True,
    )
    # What PyFlink would do at the end is to talk to the JVM.
    os._exit(0)


main()
