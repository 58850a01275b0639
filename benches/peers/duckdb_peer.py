"""DuckDB recomputes each view at each refresh."""

import time

import week

started = time.monotonic()
asked = week.options(__doc__)
week.limit_threads(asked.threads)

import duckdb  # noqa: E402
import groups  # noqa: E402

PLAYS = """
    SELECT play_id, ended_at, epoch_ms(ended_at) AS ended_ms,
        epoch_ms(greatest(coalesce(arrived_at, ended_at), ended_at)) AS arrived_ms,
        account_id::BIGINT AS account_id, p.track_id::BIGINT AS track_id, artist_id::BIGINT AS artist_id,
        device_id::BIGINT AS device_id, country, played_ms
    FROM read_parquet($plays) p
    LEFT JOIN (SELECT track_id, artist_id FROM read_parquet($tracks)) t ON t.track_id = p.track_id
"""

LIVE = """
    live AS (
        SELECT * FROM plays p
        WHERE ended_at >= to_timestamp(($as_of - $length) // 1000) AND ended_at < to_timestamp($as_of // 1000)
            AND arrived_ms < $as_of
            AND NOT EXISTS (FROM corrections c WHERE c.play_id = p.play_id AND c.arrived_ms < $as_of)
    )
"""

QUERIES = {
    "q1": f"""
        WITH {LIVE},
        by_track AS (SELECT account_id, count(*) AS c FROM live GROUP BY account_id, track_id),
        concentration AS (
            SELECT account_id, count(*) AS tracks, max(c) AS top_track_plays, sum(c * c) AS track_sum_squares,
                round(greatest(0, ln(sum(c)) - sum(c * ln(c)) / sum(c)) * 1e6)::BIGINT AS track_entropy_micronats
            FROM by_track GROUP BY account_id
        ),
        sums AS (
            SELECT account_id, count(*) AS plays, count(*) FILTER (played_ms >= 30000) AS payable,
                count(*) FILTER (played_ms >= 30000 AND played_ms < 35000) AS edge,
                count(*) FILTER (played_ms < 30000) AS skipped, sum(played_ms) AS played_ms,
                count(DISTINCT artist_id) AS artists, count(DISTINCT country) AS countries,
                count(DISTINCT device_id) AS devices, count(DISTINCT ended_ms // {week.HOUR_MS}) AS active_hours
            FROM live GROUP BY account_id
        ),
        rows AS (SELECT account_id AS key, * FROM sums JOIN concentration USING (account_id))
    """,
    "q2": f"""
        WITH {LIVE},
        by_account AS (SELECT track_id, count(*) AS c FROM live GROUP BY track_id, account_id),
        concentration AS (
            SELECT track_id, count(*) AS listeners, max(c) AS top_account_plays, sum(c * c) AS account_sum_squares
            FROM by_account GROUP BY track_id
        ),
        sums AS (
            SELECT track_id, count(*) AS plays, count(*) FILTER (played_ms >= 30000) AS payable,
                count(*) FILTER (played_ms >= 30000 AND played_ms < 35000) AS edge, sum(played_ms) AS played_ms,
                count(DISTINCT country) AS countries, count(DISTINCT device_id) AS devices
            FROM live GROUP BY track_id
        ),
        rows AS (SELECT track_id AS key, * FROM sums JOIN concentration USING (track_id))
    """,
    "q4": f"""
        WITH {LIVE},
        members AS (SELECT DISTINCT track_id, ended_ms // {week.BUCKET_MS} AS bucket, account_id FROM live),
        joining AS (
            SELECT track_id, bucket FROM members GROUP BY track_id, bucket
            HAVING count(*) BETWEEN 2 AND {week.BUCKET_ACCOUNTS}
        ),
        kept AS (SELECT * FROM members SEMI JOIN joining USING (track_id, bucket)),
        rows AS (
            SELECT a.account_id * 31 + b.account_id AS key, count(*) AS shared
            FROM kept a JOIN kept b USING (track_id, bucket)
            WHERE a.account_id < b.account_id
            GROUP BY a.account_id, b.account_id HAVING count(*) >= {week.LOCKSTEP_SHARED}
        )
    """,
}

LINKS = f"""
    WITH {LIVE},
    used AS (SELECT DISTINCT device_id, account_id FROM live),
    joining AS (
        SELECT device_id, min(account_id) AS first FROM used GROUP BY device_id
        HAVING count(*) BETWEEN 2 AND {week.HUB_ACCOUNTS}
    )
    SELECT first, account_id AS other FROM used JOIN joining USING (device_id)
"""


def digest_of(question: str) -> str:
    """The query that states the view's rows as one line of sums."""
    sums = ", ".join(f"sum((1 + key % {week.WEIGHTS}) * {column})" for column in week.COLUMNS[question])
    return f"{QUERIES[question]} SELECT count(*), {sums} FROM rows"


def main() -> None:
    database = duckdb.connect(config={"threads": asked.threads})
    database.execute("SET TimeZone = 'UTC'")
    files = {"plays": str(asked.data / "plays.parquet"), "tracks": str(asked.data / "tracks.parquet")}
    if asked.source == "memory":
        database.execute(f"CREATE TABLE plays AS {PLAYS}", files)
    else:
        quoted = {name: f"'{path.replace(chr(39), chr(39) * 2)}'" for name, path in files.items()}
        scan = PLAYS.replace("$plays", quoted["plays"]).replace("$tracks", quoted["tracks"])
        database.execute(f"CREATE VIEW plays AS {scan}")
    database.execute(
        "CREATE TABLE corrections AS SELECT play_id, epoch_ms(arrived_at) AS arrived_ms FROM read_parquet($file)",
        {"file": str(asked.data / "corrections.parquet")},
    )
    plays, first, last = database.execute("SELECT count(*), min(arrived_ms), max(arrived_ms) FROM plays").fetchone()
    corrected = database.execute("SELECT max(arrived_ms) FROM corrections").fetchone()[0]
    instants = week.refreshes(first, max(last, corrected or last), asked.every_ms)

    def answer(question: str, as_of: int) -> list[int]:
        at = {"as_of": as_of, "length": asked.length_ms(question)}
        if question == "q3":
            links = database.execute(LINKS, at).fetchnumpy()
            return groups.digest(links["first"], links["other"])
        return database.execute(digest_of(question), at).fetchone()

    week.measure("duckdb", asked, instants, plays, started, answer)


main()
