//! The daily report that a distributor gets: streams, users and tracks as JSON lines.

use records::{Account, Code, Id};

use super::folding::{country, platform};
use super::instant::{self, Clock};
use super::reading::{Context, Facts, Listen, Reading, bare_play, played_ms};
use super::record::{Record, Refused};

/// A stream. Its time is rounded to 15 minutes: hundreds of rows may be equal, and each stays a play of its own.
pub fn stream(record: &Record, context: &mut Context<'_>) -> Result<Reading, Refused> {
    let account = Id::from(record.required_text("user_id")?);
    let track_id = Id::from(record.required_text("track_id")?);
    let ended_at = instant::required(record, "timestamp", Clock::EpochMs)?;
    let ended_at = instant::within(ended_at, &context.options.bounds)?;
    let length_s = record.number("length")?.ok_or_else(|| Refused::missing("length"))?;
    // The cast saturates, so that what is absurd stays out of range.
    let played = played_ms((length_s * 1_000.0).round() as i128)?;

    let os = record.text("os")?.and_then(|os| platform(&os)).filter(|kind| *kind != "other");
    let device = record.text("device_type")?.and_then(|device| platform(&device));
    let play_id = context.play_id(&account, record, &[]);
    let mut play = bare_play(play_id, account, track_id, ended_at, played);
    play.platform = os.or(device).map(str::to_owned);
    Ok(Reading::Play(Box::new(Listen { play, facts: Facts::default(), assumed: false })))
}

/// A user; `access` (premium, free, …) is the plan.
pub fn user(record: &Record, _context: &mut Context<'_>) -> Result<Reading, Refused> {
    Ok(Reading::Account(Box::new(Account {
        account_id: record.required_text("user_id")?.into(),
        created_at: None,
        plan: record.text("access")?,
        country: record.text("country")?.and_then(|text| country(&text)),
        payment_id: None,
        family_id: None,
        email_domain_class: None,
    })))
}

/// A track.
pub fn track(record: &Record, _context: &mut Context<'_>) -> Result<Reading, Refused> {
    let track_id = Id::from(record.required_text("track_id")?);
    let artist = record.text("album_artist")?;
    let title = record.text("track_name")?;
    if artist.is_none() && title.is_none() {
        return Err(Refused::new(Code::Missing, "neither `album_artist` nor `track_name` is there"));
    }
    let facts = Facts::of_names(artist.as_deref(), title.as_deref());
    Ok(Reading::Track(track_id, Box::new(facts)))
}
