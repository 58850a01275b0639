//! Listening events of LFM-1b and LFM-2b: ids and a start, nothing else.

use records::Id;

use super::instant::{self, Clock};
use super::reading::{Context, Facts, Listen, Reading, bare_play, scrobbled_ms};
use super::record::{Record, Refused};

/// Columns of `LFM-1b_LEs.txt`, which has no header.
pub const COLUMNS_1B: [&str; 5] = ["user-id", "artist-id", "album-id", "track-id", "timestamp"];

/// A listening event of LFM-1b.
pub fn event_1b(record: &Record, context: &mut Context<'_>) -> Result<Reading, Refused> {
    let artist = record.text("artist-id")?.map(Id::from);
    event(record, context, ["user-id", "track-id"], Clock::EpochS, artist)
}

/// A listening event of LFM-2b.
pub fn event_2b(record: &Record, context: &mut Context<'_>) -> Result<Reading, Refused> {
    event(record, context, ["user_id", "track_id"], Clock::Text, None)
}

fn event(
    record: &Record,
    context: &mut Context<'_>,
    [user, track]: [&str; 2],
    clock: Clock,
    artist_id: Option<Id>,
) -> Result<Reading, Refused> {
    let account = Id::from(record.required_text(user)?);
    let track_id = Id::from(record.required_text(track)?);
    let started = instant::within(instant::required(record, "timestamp", clock)?, &context.options.bounds)?;
    let played = scrobbled_ms(None, context.options);
    let play_id = context.play_id(&account, record, &[]);
    let play = bare_play(play_id, account, track_id, started.saturating_add(played as i64), played);
    Ok(Reading::Play(Box::new(Listen { play, facts: Facts { artist_id, ..Facts::default() }, assumed: true })))
}
