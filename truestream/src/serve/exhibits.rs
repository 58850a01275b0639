//! What the page of a track shows of its sound and of its metadata, and what that of an artist or uploader shows of its tracks.
//!
//! ```text
//! track ──▶ its row, and what was heard of its recording (places: out of the log) ──▶ evidence in words, where it matches another one
//!                                   │                                                         │
//!                                   └──▶ waveform, spectrogram, sound (listening room) ◀──────┴──▶ rows of the other one: what differs
//! ```

use std::sync::Arc;

use console::desk::{Clip, Difference, Field, Heard, Match, Recording, Silence, Sound, Work, Works};
use dataflows::clock::Tick;
use datasets::formats::instant;
use features::sound::landmarks::ACCEPTED_SCORE_MIN;
use features::sound::synthesis::calibration::{CERTAIN, LIKELY};
use records::{Disclosure, Evidence, Id, Millis, Subject, Track};
use serde_json::Value;

use super::clips::Clips;
use super::listening::{ListeningRoom, Recorded};
use super::places::{Places, key_of};
use crate::replay::in_words;

/// The detector that finds copies.
const DUPLICATE: &str = "duplicate";
/// So many other tracks are laid beside one.
const BESIDE_MAX: usize = 3;
/// So many tracks of an artist or uploader can be listened to on its page.
const WORKS_MAX: usize = 5;

/// What can be shown.
pub struct Exhibits {
    places: Arc<Places>,
    room: ListeningRoom,
    clips: Clips,
}

impl Exhibits {
    /// Out of the log, and of folders of scans.
    pub fn new(places: Arc<Places>, room: ListeningRoom) -> Exhibits {
        Exhibits { places, room, clips: Clips::default() }
    }

    /// What was heard of the track's recording as of the tick, and what other tracks with that sound say otherwise. Nothing where nothing
    /// is known of the track.
    pub fn of_track(&self, id: &Id, tick: Tick) -> Option<(Sound, Vec<Difference>)> {
        let row = self.places.track(key_of(id), tick);
        let recording = row.as_ref().and_then(|row| row.content_id.clone()).unwrap_or_else(|| id.clone());
        let evidence = self.places.evidence(&recording, tick);
        if row.is_none() && evidence.is_empty() {
            return None;
        }
        let (found, other) = the_match(&evidence).unzip();
        let file = found.or(evidence.first()).and_then(|row| row.file.as_deref());
        let mut sound = Sound { evidence: self.heard(&evidence), ..Sound::default() };
        sound.own = self.recording(&format!("track {id}"), &recording, file, &mut sound.missing);
        let mut beside: Vec<(Track, String)> = Vec::new();
        if let Some((found, other)) = found.zip(other.as_ref()) {
            let tracks = self.places.carriers(other, tick, BESIDE_MAX);
            let name = match tracks.first() {
                Some(track) => format!("recording {other} of track {}", track.track_id),
                None => format!("recording {other}"),
            };
            if let Some(own) = &sound.own {
                sound.matched = matched(found, own.seconds);
                sound.other = self.recording(&name, other, None, &mut sound.missing);
            }
            beside.extend(tracks.into_iter().map(|track| (track, format!("which has recording {other}, found in it"))));
        }
        let copies = self.places.carriers(&recording, tick, BESIDE_MAX + 1);
        let others = copies.into_iter().filter(|track| track.track_id != *id);
        beside.extend(others.map(|track| (track, "which has the same recording".to_owned())));
        let beside = beside.iter().take(BESIDE_MAX);
        let differences =
            row.iter().flat_map(|row| beside.clone().map(move |(track, why)| difference(track, row, why)));
        let differences = differences.collect();
        if row.is_none() {
            sound
                .missing
                .push("The catalogue has no row of this track as of now: its metadata is not known.".to_owned());
        }
        Some((sound, differences))
    }

    /// What was heard of the first tracks of an artist or uploader as of the tick; nothing where nobody listened to any.
    pub fn of_owner(&self, subject: Subject, id: &Id, tick: Tick) -> Option<Works> {
        let (keys, heard) = self.places.heard_of(subject, key_of(id), 2 * WORKS_MAX);
        let is_its = |row: &Track| {
            let owner = if subject == Subject::Artist { &row.artist_id } else { &row.uploader_id };
            owner.as_ref() == Some(id)
        };
        let rows = keys.into_iter().filter_map(|key| self.places.track(key, tick)).filter(is_its);
        let work = |row: Track| {
            let recording = row.content_id.clone().unwrap_or_else(|| row.track_id.clone());
            let evidence = self.places.evidence(&recording, tick);
            let file = evidence.first().and_then(|row| row.file.as_deref());
            let recorded = self.room.recorded(&recording, file);
            let heard = self.heard(&evidence).into_iter().next();
            let name = format!("track {}", row.track_id);
            let shown = recorded.map(|recorded| Recording {
                silent: self.room.file(&recorded).err(),
                ..Exhibits::plain(&name, &recorded)
            });
            Work { track: row.track_id.to_string(), title: row.title, heard, recording: shown }
        };
        let tracks: Vec<Work> = rows.map(work).take(WORKS_MAX).collect();
        (!tracks.is_empty()).then_some(Works { tracks, heard })
    }

    /// A tile of the spectrogram of these bytes.
    pub fn spectrum(&self, hash: &str, tile: usize) -> Option<Vec<u8>> {
        let recorded = self.room.of_hash(hash)?;
        self.room.tile(&recorded, tile)
    }

    /// A part of the sound of these bytes, as a WAV file.
    ///
    /// # Errors
    /// Why it cannot be heard.
    pub fn clip(&self, clip: &Clip) -> Result<Arc<[u8]>, Silence> {
        let recorded = self.room.of_hash(&clip.hash).ok_or(Silence::Unknown)?;
        self.clips.get(clip, recorded.rate_hz, || self.room.file(&recorded))
    }

    /// What detectors heard, the gravest first.
    fn heard(&self, rows: &[Evidence]) -> Vec<Heard> {
        let mut rows: Vec<&Evidence> = rows.iter().collect();
        rows.sort_by_key(|row| std::cmp::Reverse((row.confidence.parts() > 0, row.risk)));
        let heard = |row: &Evidence| {
            let details: Value = serde_json::from_str(&row.details).unwrap_or_default();
            Heard {
                detector: row.detector.clone(),
                version: row.version.clone(),
                risk: row.risk.share(),
                confidence: row.confidence.share(),
                words: words(row, &details),
                threshold: threshold(&row.detector, &details),
                known_at: (row.known_at > Millis::MIN).then(|| instant::to_text(row.known_at)),
                file: row.file.clone(),
            }
        };
        rows.into_iter().map(heard).collect()
    }

    /// A recording as far as it can be seen and listened to; what of it is missing is told.
    fn recording(&self, name: &str, id: &Id, file: Option<&str>, missing: &mut Vec<String>) -> Option<Recording> {
        let [is_heard, _] = self.room.has();
        let Some(recorded) = self.room.recorded(id, file) else {
            missing.push(match is_heard {
                true => format!("No scan that this service was told of (--heard) has recording {id}: it can be neither seen nor listened to."),
                false => format!("Recording {id} can be neither seen nor listened to: this service was not told of a scan (--heard)."),
            });
            return None;
        };
        Some(self.shown(name, &recorded, missing))
    }

    fn shown(&self, name: &str, recorded: &Recorded, missing: &mut Vec<String>) -> Recording {
        let (peaks, tiles) = (self.room.peaks(recorded), self.room.tiles(recorded));
        if peaks.is_none() && tiles.is_empty() {
            missing.push(format!("The scan made no previews of recording {}.", recorded.content_id));
        }
        Recording { peaks, tiles, silent: self.room.file(recorded).err(), ..Exhibits::plain(name, recorded) }
    }

    /// A recording without its pictures and its sound.
    fn plain(name: &str, recorded: &Recorded) -> Recording {
        Recording {
            name: name.to_owned(),
            hash: recorded.hash.clone(),
            seconds: recorded.seconds,
            rate_hz: recorded.rate_hz,
            ..Recording::default()
        }
    }
}

/// The row of evidence that finds another recording, and which one: of several the gravest, of equals the surest.
fn the_match(rows: &[Evidence]) -> Option<(&Evidence, Id)> {
    let found = rows.iter().filter(|row| row.detector == DUPLICATE && row.confidence.parts() > 0);
    let found = found.filter_map(|row| {
        let details: Value = serde_json::from_str(&row.details).ok()?;
        let score = details["score"].as_f64().unwrap_or(f64::INFINITY);
        Some((row, score, Id::from(details["recording"].as_str()?)))
    });
    let found = found.max_by(|(row, score, _), (other, other_score, _)| {
        row.risk.cmp(&other.risk).then(score.total_cmp(other_score))
    });
    found.map(|(row, _, other)| (row, other))
}

/// Where the recordings share their sound, as the detector tells; `None` where it does not.
fn matched(row: &Evidence, seconds: f64) -> Option<Match> {
    let details: Value = serde_json::from_str(&row.details).ok()?;
    if details["same_bytes"] == true {
        return Some(Match { from: 0.0, length: seconds, offset: 0.0, speed: 1.0, pitch: 1.0 });
    }
    let number = |name: &str| details[name].as_f64().filter(|number| number.is_finite());
    let factor = |name: &str| number(name).filter(|factor| (0.1..=10.0).contains(factor));
    Some(Match {
        from: number("from_seconds")?,
        length: number("length_seconds").filter(|length| *length > 0.0)?,
        offset: number("offset_seconds")?,
        speed: factor("speed")?,
        pitch: factor("pitch").unwrap_or(1.0),
    })
}

/// What was heard, without the name of who heard it.
fn words(row: &Evidence, details: &Value) -> String {
    let said = in_words(row);
    let said = said.strip_prefix(&row.detector).map_or(&*said, |rest| rest.trim_start_matches([':', ' ']));
    let unheard = ["not_heard", "unheard"].into_iter().find_map(|name| details[name].as_str());
    match (said, unheard) {
        (said, Some(why)) if row.confidence.parts() == 0 => {
            format!("could not hear it: {} {said}", why.replace('_', " "))
        }
        ("", _) if row.confidence.parts() == 0 => "could not hear it".to_owned(),
        ("", _) => "nothing".to_owned(),
        (said, _) => said.to_owned(),
    }
}

/// From when on the detector speaks, and what it measured.
fn threshold(detector: &str, details: &Value) -> String {
    let measured =
        |what: &str, name: &str| details[name].as_f64().map_or(String::new(), |found| format!("{what} {found:.2}; "));
    match detector {
        "synthesis" => {
            // Beside the middle of a long recording more is asked for.
            let from = |name: &str, usual: f64| details[name].as_f64().unwrap_or(usual);
            let (likely, certain) = (from("likely_from", LIKELY), from("certain_from", CERTAIN));
            format!("{}likely from {likely}, certain from {certain}", measured("evidence", "evidence"))
        }
        DUPLICATE => format!("{}a match from {ACCEPTED_SCORE_MIN}", measured("score", "score")),
        "sanity" => "each complaint has its own (docs/SOUND.md)".to_owned(),
        "impersonation" | "resemblance" => {
            let chance = details["chance"].as_f64();
            let chance =
                chance.map_or(String::new(), |chance| format!("as {:.2} % of unrelated pairs", 100.0 * chance));
            measured("likeness", "likeness") + &chance
        }
        _ => String::new(),
    }
}

/// What the catalogue says of the other track and of this one.
fn difference(other: &Track, own: &Track, why: &str) -> Difference {
    let date = |at: Option<Millis>| at.map(instant::to_text);
    let id = |id: &Option<Id>| id.as_ref().map(Id::to_string);
    let declared = |said: Option<Disclosure>| Some(said.map_or("undeclared", Disclosure::name).to_owned());
    let said = |track: &Track| {
        [
            ("title", track.title.clone()),
            ("version", track.version.clone()),
            ("artist", track.artist_name.clone()),
            ("artist id", id(&track.artist_id)),
            ("ISRC", track.isrc.clone()),
            ("label", track.label.clone()),
            ("distributor", id(&track.distributor_id)),
            ("uploader", id(&track.uploader_id)),
            ("released", date(track.released_at)),
            ("uploaded", date(track.uploaded_at)),
            ("length in ms", track.duration_ms.map(|ms| ms.to_string())),
            ("genre", track.genre.clone()),
            ("language", track.language.clone()),
            ("country", track.country.clone()),
            ("AI in it", declared(track.contains_ai)),
            ("AI vocals", declared(track.ai_vocals)),
            ("AI instruments", declared(track.ai_instruments)),
            ("AI post-production", declared(track.ai_postproduction)),
            ("consent", track.consent_ref.clone()),
        ]
    };
    let fields = said(other).into_iter().zip(said(own)).map(|((name, before), (_, after))| Field {
        name: name.to_owned(),
        before,
        after,
    });
    let fields = fields.filter(|field| field.before.is_some() || field.after.is_some()).collect();
    Difference { track: other.track_id.to_string(), why: why.to_owned(), fields }
}
