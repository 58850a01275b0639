//! Q2 in the textbook's way: a track's row is computed anew from its plays whenever one of them changes.

use differential_dataflow::VecCollection;

use super::Facts;
use super::accounts::distinct;
use crate::views::TrackRow;

/// (account, device, country, played_ms): sorted, an account's plays stand together.
type Heard = (u32, u32, u16, u32);

/// The row of each track that has plays.
pub fn tracks(plays: Facts<'_>) -> VecCollection<'_, u64, (u32, TrackRow)> {
    plays
        .map(|(account, track, _artist, device, country, played_ms, _ended_at)| {
            (track, (account, device, country, played_ms))
        })
        .reduce_named("Tracks", |_track, heard: &[(&Heard, isize)], rows| rows.push((row_of(heard), 1)))
}

fn row_of(heard: &[(&Heard, isize)]) -> TrackRow {
    let mut row = TrackRow::default();
    for ((.., played_ms), times) in heard {
        row.totals.add(*played_ms, *times as i64);
    }
    for account in heard.chunk_by(|(a, _), (b, _)| a.0 == b.0) {
        let plays: u32 = account.iter().map(|(_, times)| *times as u32).sum();
        row.listeners += 1;
        row.top_account_plays = row.top_account_plays.max(plays);
        row.account_sum_squares += u64::from(plays).pow(2);
    }
    row.devices = distinct(heard.iter().map(|(heard, _)| heard.1));
    row.countries = distinct(heard.iter().map(|(heard, _)| heard.2));
    row
}
