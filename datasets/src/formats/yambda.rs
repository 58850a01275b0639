//! Yambda (Yandex Music, 2025): flat listens, the multi-event table, and the mapping from tracks to artists.

use records::{Code, Id, Millis};

use super::instant;
use super::reading::{Context, Facts, Listen, Reading, bare_play, played_ms};
use super::record::{Record, Refused};

/// A row of `listens.parquet`.
pub fn listen(record: &Record, context: &mut Context<'_>) -> Result<Reading, Refused> {
    let account = Id::from(record.required_text("uid")?);
    let track_id = Id::from(record.required_text("item_id")?);
    let length_s = record.required_integer("track_length_seconds")?;
    let ratio_pct = record.required_integer("played_ratio_pct")?;
    let since_start_s = record.required_integer("timestamp")?;

    // One per cent of a second is ten milliseconds. More than 100 % is a listener who rewound: kept.
    let played = played_ms(ratio_pct.saturating_mul(length_s).saturating_mul(10))?;
    let track_ms = u64::try_from(length_s.saturating_mul(1_000)).ok().filter(|track| *track > 0);
    let ended = i128::from(context.options.origin).saturating_add(since_start_s.saturating_mul(1_000));
    let ended_at = Millis::try_from(ended)
        .map_err(|_| Refused::new(Code::BadTime, format!("`timestamp` is {since_start_s} seconds")))?;
    let ended_at = instant::within(ended_at, &context.options.bounds)?;

    let play_id = context.play_id(&account, record, &[]);
    let mut play = bare_play(play_id, account, track_id, ended_at, played);
    play.track_ms = track_ms;
    // 0 = a recommendation led there. 1 = the listener's own way, which one is not told.
    play.source = (record.flag("is_organic")? == Some(false)).then(|| "algorithmic".to_owned());
    Ok(Reading::Play(Box::new(Listen {
        play,
        facts: Facts { duration_ms: track_ms, ..Facts::default() },
        assumed: false,
    })))
}

/// A row of `multi_event.parquet`.
pub fn event(record: &Record, context: &mut Context<'_>) -> Result<Reading, Refused> {
    match record.required_text("event_type")?.as_str() {
        "listen" => listen(record, context),
        other => Err(Refused::new(Code::NotAPlay, format!("an event of type {other}"))),
    }
}

/// A row of `likes.parquet` and its kin.
pub fn opinion(_record: &Record, _context: &mut Context<'_>) -> Result<Reading, Refused> {
    Err(Refused::new(Code::NotAPlay, "a like, a dislike or one taken back"))
}

/// A row of `artist_item_mapping.parquet`. A track of several artists keeps the first.
pub fn artist(record: &Record, _context: &mut Context<'_>) -> Result<Reading, Refused> {
    let track_id = Id::from(record.required_text("item_id")?);
    let artist_id = Some(Id::from(record.required_text("artist_id")?));
    Ok(Reading::Track(track_id, Box::new(Facts { artist_id, ..Facts::default() })))
}
