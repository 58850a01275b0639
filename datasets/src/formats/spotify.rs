//! A person's own history as Spotify hands it out: the extended history, and the account-data export of the last year.

use records::{Code, Millis};

use super::folding::{clean_name, country, ip_prefix, name_key, platform};
use super::instant::{self, Clock};
use super::reading::{Context, Facts, Listen, Reading, bare_play, played_ms};
use super::record::{Record, Refused};

/// Offline timestamps at or above this are milliseconds (old exports), below it seconds (new ones): as seconds it would
/// be the year 5138, as milliseconds 1973.
const FIRST_MILLIS: i128 = 100_000_000_000;

/// A row of `endsong_*.json` or `Streaming_History_Audio_*.json`.
pub fn extended(record: &Record, context: &mut Context<'_>) -> Result<Reading, Refused> {
    let stamp = instant::required(record, "ts", Clock::Text)?;
    let played = played_ms(record.required_integer("ms_played")?)?;
    let Some(track_id) = record.text("spotify_track_uri")? else { return Err(no_track(record)?) };
    let (ended_at, arrived_at) = times(record, stamp, played)?;
    let ended_at = instant::within(ended_at, &context.options.bounds)?;

    let artist = record.text("master_metadata_album_artist_name")?;
    let title = record.text("master_metadata_track_name")?;
    let account = context.account(record.text("username")?);
    let address = record.text("ip_addr")?.or(record.text("ip_addr_decrypted")?);

    let play_id = context.play_id(&account, record, &[]);
    let mut play = bare_play(play_id, account, track_id.as_str().into(), ended_at, played);
    play.arrived_at = arrived_at;
    play.country = record.text("conn_country")?.and_then(|text| country(&text));
    play.platform = record.text("platform")?.and_then(|text| platform(&text)).map(str::to_owned);
    play.ip_prefix = address.and_then(|text| ip_prefix(&text)).map(Into::into);
    play.reason_start = record.text("reason_start")?;
    play.reason_end = record.text("reason_end")?;
    play.shuffle = record.flag("shuffle")?;
    play.offline = record.flag("offline")?;
    Ok(Reading::Play(Box::new(Listen {
        play,
        facts: Facts::of_names(artist.as_deref(), title.as_deref()),
        assumed: false,
    })))
}

/// A row of `Streaming_History_Video_*.json`.
pub fn video(_record: &Record, _context: &mut Context<'_>) -> Result<Reading, Refused> {
    Err(Refused::new(Code::NotAPlay, "a video"))
}

/// A row of `StreamingHistory<n>.json` or `StreamingHistory_music_<n>.json`.
pub fn basic(record: &Record, context: &mut Context<'_>) -> Result<Reading, Refused> {
    let ended_at = instant::within(instant::required(record, "endTime", Clock::Text)?, &context.options.bounds)?;
    let played = played_ms(record.required_integer("msPlayed")?)?;
    let artist = clean_name(&record.required_text("artistName")?).ok_or_else(|| Refused::missing("artistName"))?;
    let title = clean_name(&record.required_text("trackName")?).ok_or_else(|| Refused::missing("trackName"))?;

    let account = context.account(record.text("username")?);
    let track_id = name_key(&[&artist, &title]);
    let play_id = context.play_id(&account, record, &[]);
    Ok(Reading::Play(Box::new(Listen {
        play: bare_play(play_id, account, track_id.into(), ended_at, played),
        facts: Facts::of_names(Some(&artist), Some(&title)),
        assumed: false,
    })))
}

/// A row of `StreamingHistory_podcast_<n>.json` or `StreamingHistory_audiobook_<n>.json`.
pub fn basic_spoken(_record: &Record, _context: &mut Context<'_>) -> Result<Reading, Refused> {
    Err(Refused::new(Code::NotAPlay, "a podcast or an audiobook"))
}

/// Why a row without a track is none.
fn no_track(record: &Record) -> Result<Refused, Refused> {
    for (column, what) in [
        ("spotify_episode_uri", "a podcast episode"),
        ("episode_name", "a podcast episode"),
        ("audiobook_uri", "an audiobook"),
        ("audiobook_chapter_uri", "an audiobook"),
    ] {
        if let Some(named) = record.text(column)? {
            return Ok(Refused::new(Code::NotAPlay, format!("{what}: {named}")));
        }
    }
    Ok(Refused::missing("spotify_track_uri"))
}

/// When the play ended, and when Spotify learned of it if that was later.
///
/// `ts` is the end of the play, with one exception seen in every export: plays of an offline device all carry the second
/// of their upload (six plays of one evening share the `ts` of the next day). There the device's own clock,
/// `offline_timestamp`, tells the start.
fn times(record: &Record, stamp: Millis, played: u64) -> Result<(Millis, Option<Millis>), Refused> {
    let begun = record.integer("offline_timestamp")?.filter(|begun| *begun > 0);
    let (Some(true), Some(begun)) = (record.flag("offline")?, begun) else { return Ok((stamp, None)) };
    let begun_ms = if begun < FIRST_MILLIS { begun.saturating_mul(1_000) } else { begun };
    let ended = begun_ms.saturating_add(i128::from(played));
    Ok(match Millis::try_from(ended) {
        Ok(ended) if ended < stamp && ended >= instant::EARLIEST => (ended, Some(stamp)),
        _ => (stamp, None),
    })
}
