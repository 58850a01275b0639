//! Listens of ListenBrainz: the JSON lines of its dumps and of a person's own export.

use records::{Code, Id};

use super::folding::{clean_name, name_key};
use super::instant::{self, Clock};
use super::reading::{Context, Facts, Listen, Reading, bare_play, scrobbled_ms};
use super::record::{Record, Refused};

/// Says when the row was written to the server's database, which differs between dumps of the same listen.
const UNHASHED: &[&str] = &["inserted_at"];

/// A listen. `additional_info` is free-form: what cannot be read there is taken as absent, never as a fault.
pub fn listen(record: &Record, context: &mut Context<'_>) -> Result<Reading, Refused> {
    let started = instant::required(record, "listened_at", Clock::EpochS)?;
    instant::within(started, &context.options.bounds)?;
    let artist = name(record, "track_metadata.artist_name")?;
    let title = name(record, "track_metadata.track_name")?;
    let account = match record.text("user_name")? {
        Some(user) => Id::from(user),
        None => context.account(None),
    };

    let track_id = first_text(record, &["recording_msid", "track_metadata.recording_msid"])
        .or_else(|| first_text(record, &["track_metadata.additional_info.recording_msid"]))
        .unwrap_or_else(|| name_key(&[&artist, &title]));
    let recording = first_text(
        record,
        &["track_metadata.mbid_mapping.recording_mbid", "track_metadata.additional_info.recording_mbid"],
    );
    let track_ms = duration_ms(record);
    let played = scrobbled_ms(track_ms, context.options);

    let mut facts = Facts::of_names(Some(&artist), Some(&title));
    facts.content_id = recording.map(Id::from).or(facts.content_id);
    facts.duration_ms = track_ms;
    let play_id = context.play_id(&account, record, UNHASHED);
    let mut play = bare_play(play_id, account, track_id.into(), started.saturating_add(played as i64), played);
    play.track_ms = track_ms;
    Ok(Reading::Play(Box::new(Listen { play, facts, assumed: true })))
}

fn name(record: &Record, column: &str) -> Result<String, Refused> {
    clean_name(&record.required_text(column)?)
        .ok_or_else(|| Refused::new(Code::Missing, format!("`{column}` is blank")))
}

fn first_text(record: &Record, columns: &[&str]) -> Option<String> {
    columns.iter().find_map(|column| record.text(column).ok().flatten())
}

/// The track's length: `duration_ms`, or `duration` in seconds; clients write numbers, texts, zero and nonsense.
fn duration_ms(record: &Record) -> Option<u64> {
    let of = |column: &str, unit_ms: f64| {
        let number = record.number(&format!("track_metadata.additional_info.{column}")).ok().flatten()?;
        let millis = (number * unit_ms).round();
        (millis >= 1.0 && millis <= super::reading::PLAYED_MAX_MS as f64).then_some(millis as u64)
    };
    of("duration_ms", 1.0).or_else(|| of("duration", 1_000.0))
}
