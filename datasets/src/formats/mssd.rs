//! Spotify's Music Streaming Sessions Dataset (WSDM Cup 2019): sessions without users or milliseconds.

use records::{Code, Id};

use super::instant;
use super::reading::{Context, Facts, Listen, Reading, bare_play};
use super::record::{Record, Refused};

/// Columns that a log must have.
pub const COLUMNS: &[&str] = &[
    "session_id",
    "session_position",
    "track_id_clean",
    "skip_1",
    "skip_2",
    "skip_3",
    "not_skipped",
    "hour_of_day",
    "date",
];

/// What stands for the length of a play of each skip class, in milliseconds.
///
/// Skips of personal histories are lognormal with a median of 3.2 s; 17.3 s is the geometric middle of 10 to 30 s; the
/// median song lasts 203 s, and 176 s is the middle (.865) of "most, but not all" (.75 to .98) of it.
const HEARD_MS: [(&str, u64); 4] =
    [("skip_1", 3_200), ("skip_2", 17_300), ("skip_3", 176_000), ("not_skipped", 203_000)];

/// A track of a session. The session stands for the account: sessions of one person cannot be linked.
pub fn track(record: &Record, context: &mut Context<'_>) -> Result<Reading, Refused> {
    let account = Id::from(record.required_text("session_id")?);
    let track_id = Id::from(record.required_text("track_id_clean")?);
    let position = small(record, "session_position", 1..=20)?;
    let hour = small(record, "hour_of_day", 0..=23)?;
    let date = record.required_text("date")?;
    let day = instant::from_text(&date)
        .ok_or_else(|| Refused::new(Code::BadTime, format!("`date` is {date:?}; expected YYYY-MM-DD")))?;
    // Only the hour is told: position n is put at minute 3 (n - 1), which keeps the order, and 20 positions in the hour.
    let ended_at = day + hour * 3_600_000 + (position - 1) * 3 * 60_000;
    let ended_at = instant::within(ended_at, &context.options.bounds)?;
    let played = heard_ms(record)?;

    let play_id = context.play_id(&account, record, &[]);
    let mut play = bare_play(play_id, account, track_id, ended_at, played);
    play.source = record.text("context_type")?.map(|context| source(&context).to_owned());
    play.shuffle = record.flag("hist_user_behavior_is_shuffle")?;
    play.reason_start = record.text("hist_user_behavior_reason_start")?;
    play.reason_end = record.text("hist_user_behavior_reason_end")?;
    Ok(Reading::Play(Box::new(Listen { play, facts: Facts::default(), assumed: true })))
}

/// The classes include each other (who skipped within the first seconds also skipped before the end), so the first
/// that is true tells.
fn heard_ms(record: &Record) -> Result<u64, Refused> {
    for (column, heard) in HEARD_MS {
        if record.flag(column)? == Some(true) {
            return Ok(heard);
        }
    }
    Err(Refused::new(
        Code::Missing,
        "none of skip_1, skip_2, skip_3, not_skipped is true: how long it was heard is not told",
    ))
}

fn small(record: &Record, column: &str, range: std::ops::RangeInclusive<i64>) -> Result<i64, Refused> {
    let value = record.required_integer(column)?;
    i64::try_from(value).ok().filter(|value| range.contains(value)).ok_or_else(|| {
        Refused::new(Code::OutOfRange, format!("`{column}` is {value}; expected {} to {}", range.start(), range.end()))
    })
}

fn source(context: &str) -> &str {
    match context {
        "user_collection" => "library",
        "editorial_playlist" | "charts" => "editorial",
        "personalized_playlist" => "algorithmic",
        "radio" => "radio",
        _ => "other",
    }
}
