"""Polars recomputes each view at each refresh."""

import time

import week

started = time.monotonic()
asked = week.options(__doc__)
week.limit_threads(asked.threads)

import groups  # noqa: E402
import polars as pl  # noqa: E402
from polars import col  # noqa: E402


def plays_of(folder) -> pl.LazyFrame:
    """The plays with the artist of their track and times in milliseconds."""
    tracks = pl.scan_parquet(folder / "tracks.parquet").select("track_id", "artist_id")
    arrived = pl.max_horizontal(pl.coalesce("arrived_at", "ended_at"), "ended_at")
    plays = pl.scan_parquet(folder / "plays.parquet").select(
        "play_id",
        "ended_at",
        col("ended_at").dt.epoch("ms").alias("ended_ms"),
        arrived.dt.epoch("ms").alias("arrived_ms"),
        "account_id",
        "track_id",
        "device_id",
        "country",
        "played_ms",
    )
    return plays.join(tracks, on="track_id", how="left")


def live(plays: pl.LazyFrame, corrections: pl.LazyFrame, as_of: int, length_ms: int) -> pl.LazyFrame:
    """The plays that count as of the instant."""
    known = corrections.filter(col("corrected_ms") < as_of)
    # Compared as the file holds it, so that a scan can skip row groups.
    start, end = (pl.lit(at).cast(pl.Datetime("ms", "UTC")) for at in (as_of - length_ms, as_of))
    in_window = (col("ended_at") >= start) & (col("ended_at") < end) & (col("arrived_ms") < as_of)
    return plays.filter(in_window).join(known, on="play_id", how="anti")


TOTALS = [
    pl.len().cast(pl.Int64).alias("plays"),
    (col("played_ms") >= 30_000).sum().cast(pl.Int64).alias("payable"),
    ((col("played_ms") >= 30_000) & (col("played_ms") < 35_000)).sum().cast(pl.Int64).alias("edge"),
    (col("played_ms") < 30_000).sum().cast(pl.Int64).alias("skipped"),
    col("played_ms").sum(),
]


def accounts(rows: pl.LazyFrame) -> pl.LazyFrame:
    """`account_window`, keyed by `key`."""
    count = col("c").cast(pl.Float64)
    entropy = count.sum().log() - (count * count.log()).sum() / count.sum()
    by_track = rows.group_by("account_id", "track_id").agg(pl.len().cast(pl.Int64).alias("c"))
    concentration = by_track.group_by("account_id").agg(
        pl.len().alias("tracks"),
        col("c").max().alias("top_track_plays"),
        (col("c") * col("c")).sum().alias("track_sum_squares"),
        (entropy.clip(lower_bound=0) * 1e6).round().cast(pl.Int64).alias("track_entropy_micronats"),
    )
    sums = rows.group_by("account_id").agg(
        *TOTALS,
        col("artist_id").n_unique().alias("artists"),
        col("country").n_unique().alias("countries"),
        col("device_id").n_unique().alias("devices"),
        (col("ended_ms") // week.HOUR_MS).n_unique().alias("active_hours"),
    )
    return sums.join(concentration, on="account_id").with_columns(key=col("account_id"))


def tracks(rows: pl.LazyFrame) -> pl.LazyFrame:
    """`track_window`, keyed by `key`."""
    by_account = rows.group_by("track_id", "account_id").agg(pl.len().cast(pl.Int64).alias("c"))
    concentration = by_account.group_by("track_id").agg(
        pl.len().alias("listeners"),
        col("c").max().alias("top_account_plays"),
        (col("c") * col("c")).sum().alias("account_sum_squares"),
    )
    sums = rows.group_by("track_id").agg(
        *TOTALS, col("country").n_unique().alias("countries"), col("device_id").n_unique().alias("devices")
    )
    return sums.join(concentration, on="track_id").with_columns(key=col("track_id"))


def lockstep(rows: pl.LazyFrame) -> pl.LazyFrame:
    """`lockstep`, keyed by `key`."""
    bucket = ["track_id", "bucket"]
    members = rows.select("track_id", "account_id", (col("ended_ms") // week.BUCKET_MS).alias("bucket")).unique()
    joining = members.group_by(bucket).len().filter(col("len").is_between(2, week.BUCKET_ACCOUNTS))
    kept = members.join(joining, on=bucket, how="semi")
    pairs = kept.join(kept, on=bucket, suffix="_b").filter(col("account_id") < col("account_id_b"))
    shared = pairs.group_by("account_id", "account_id_b").agg(pl.len().alias("shared"))
    shared = shared.filter(col("shared") >= week.LOCKSTEP_SHARED)
    return shared.with_columns(key=col("account_id") * 31 + col("account_id_b"))


def links(rows: pl.LazyFrame) -> pl.DataFrame:
    """Each account of a joining device with the smallest of that device."""
    used = rows.select("device_id", "account_id").unique()
    joining = used.group_by("device_id").agg(col("account_id").min().alias("first"), pl.len().alias("accounts"))
    joining = joining.filter(col("accounts").is_between(2, week.HUB_ACCOUNTS))
    return used.join(joining, on="device_id").select("first", "account_id").collect()


VIEWS = {"q1": accounts, "q2": tracks, "q4": lockstep}


def main() -> None:
    plays = plays_of(asked.data)
    corrections = pl.scan_parquet(asked.data / "corrections.parquet").select(
        "play_id", col("arrived_at").dt.epoch("ms").alias("corrected_ms")
    )
    corrections = corrections.collect().lazy()
    if asked.source == "memory":
        # Numbers of half the width and a dictionary of countries: what a tuned notebook does.
        narrow = [col(name).cast(pl.UInt32) for name in ("account_id", "track_id", "artist_id", "device_id")]
        plays = plays.with_columns(*narrow, col("country").cast(pl.Categorical)).collect().lazy()
    count, first, last = plays.select(pl.len(), first=col("arrived_ms").min(), last=col("arrived_ms").max()).collect().row(0)
    corrected = corrections.select(col("corrected_ms").max()).collect().item()
    instants = week.refreshes(first, max(last, corrected or last), asked.every_ms)

    def answer(question: str, as_of: int) -> list[int]:
        rows = live(plays, corrections, as_of, asked.length_ms(question))
        if question == "q3":
            found = links(rows)
            return groups.digest(found["first"].to_numpy(), found["account_id"].to_numpy())
        weight = 1 + col("key").cast(pl.Int64) % week.WEIGHTS
        sums = [(weight * col(column).cast(pl.Int64)).sum().alias(column) for column in week.COLUMNS[question]]
        return VIEWS[question](rows).select(pl.len().alias("rows"), *sums).collect().row(0)

    week.measure("polars", asked, instants, count, started, answer)


main()
