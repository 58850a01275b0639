//! Q1 in the textbook's way: an account's row is computed anew from its plays whenever one of them changes.

use differential_dataflow::VecCollection;

use super::Facts;
use crate::views::{AccountRow, CLOCK_HOUR_MS, entropy_micronats};

/// (track, artist, device, clock hour, country, played_ms): sorted, a track's plays stand together.
type Heard = (u32, u32, u32, i64, u16, u32);

/// The row of each account that has plays.
pub fn accounts(plays: Facts<'_>) -> VecCollection<'_, u64, (u32, AccountRow)> {
    plays
        .map(|(account, track, artist, device, country, played_ms, ended_at)| {
            (account, (track, artist, device, ended_at.div_euclid(CLOCK_HOUR_MS), country, played_ms))
        })
        .reduce_named("Accounts", |_account, heard: &[(&Heard, isize)], rows| rows.push((row_of(heard), 1)))
}

fn row_of(heard: &[(&Heard, isize)]) -> AccountRow {
    let mut row = AccountRow::default();
    for ((.., played_ms), times) in heard {
        row.totals.add(*played_ms, *times as i64);
    }
    let mut count_times_ln = 0.0;
    for track in heard.chunk_by(|(a, _), (b, _)| a.0 == b.0) {
        let plays: u32 = track.iter().map(|(_, times)| *times as u32).sum();
        row.tracks += 1;
        row.top_track_plays = row.top_track_plays.max(plays);
        row.track_sum_squares += u64::from(plays).pow(2);
        count_times_ln += f64::from(plays) * f64::from(plays).ln();
    }
    row.track_entropy_micronats = entropy_micronats(row.totals.plays, count_times_ln);
    row.artists = distinct(heard.iter().map(|(heard, _)| heard.1));
    row.devices = distinct(heard.iter().map(|(heard, _)| heard.2));
    row.active_hours = distinct(heard.iter().map(|(heard, _)| heard.3));
    row.countries = distinct(heard.iter().map(|(heard, _)| heard.4));
    row
}

/// How many different values there are.
pub fn distinct<V: Ord>(values: impl Iterator<Item = V>) -> u32 {
    let mut values: Vec<V> = values.collect();
    values.sort_unstable();
    values.dedup();
    values.len() as u32
}
