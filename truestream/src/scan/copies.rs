//! What it means that recordings have sound in common: a finding about each file, and groups of recordings that are one.
//!
//! ```text
//! what contents share + the catalogue ──┬──▶ of each file, the recording that speaks most against it ──▶ finding of `duplicate`
//!                                       └──▶ pairs that are one recording ──▶ groups ──▶ duplicate_group
//! ```
//!
//! A copy is no proof: the same recording is released again on compilations, by other distributors and under licence. What makes it
//! suspicious is who had it first, and a speed or pitch at which nobody would release it but to hide it.

use std::collections::{BTreeMap, BTreeSet};

use features::sound::landmarks::{DuplicateGroup, Likeness, duplicate_groups};
use records::{Confidence, Id, Millis, Risk};
use serde_json::json;

use super::alike::{Alike, Other, Shared};
use super::catalogue::{Catalogue, Maker};
use super::detectors::{Finding, confidence_of};
use super::tables::Sound;

/// Who says it, and which version of it.
pub(super) const DETECTOR: &str = "duplicate";
pub(super) const VERSION: &str = "2";

/// Shorter sound has too few landmarks to be compared.
const COMPARED_SECS_MIN: f64 = 5.0;
/// One recording is (part of) the other if they share half of the shorter one ...
const SHARED_SHARE_MIN: f64 = 0.5;
/// ... and the shorter one is a twelfth of the longer one or more: half a minute of a song of six minutes is that song, and a mix of an hour is not
/// the same recording as each of its songs.
const PART_SHARE_MIN: f64 = 1.0 / 12.0;
/// Beyond it speed is changed on purpose: clocks and encoders stay within a thousandth, and the measurement within two.
const SPEED_CHANGE_MIN: f64 = 0.005;
/// Beyond it pitch is: a sixth of a semitone.
const PITCH_CHANGE_MIN: f64 = 0.01;

/// Risks in ten-thousandths, by judgement: a copy that another uploader brought later is licensed as often as it is not, one at a changed
/// speed or pitch hardly ever; where uploaders or dates are not known, a third of both. Who had it first, and who copies their own, is not
/// suspected.
const LATER: u64 = 1_500;
const LATER_CHANGED: u64 = 5_000;
const UNKNOWN: u64 = 500;
const UNKNOWN_CHANGED: u64 = 2_000;

impl Sound<'_> {
    /// Why no copy of it could be known.
    fn unknowable(&self) -> Option<&'static str> {
        match () {
            () if self.is_noise => Some("noise"),
            () if self.facts.seconds() < COMPARED_SECS_MIN => Some("too_short"),
            () if self.telling_secs < COMPARED_SECS_MIN => Some("no_landmarks"),
            () => None,
        }
    }
}

/// A row of `duplicate_group`.
pub(super) struct GroupRow {
    pub(super) group: Id,
    pub(super) content_id: Id,
    /// `None` of a recording that only the index knows.
    pub(super) file: Option<String>,
    pub(super) is_same_bytes: bool,
    pub(super) offset_secs: f64,
    pub(super) speed: f64,
    pub(super) pitch: f64,
    pub(super) matched_share: f64,
    /// `None` where bytes or the recording itself leave no doubt.
    pub(super) score: Option<f64>,
    pub(super) known_at: Option<Millis>,
}

/// What was found.
pub(super) struct Copies {
    /// The finding about each file and since when it is known, in their order.
    pub(super) findings: Vec<(Finding, Millis)>,
    /// In order of group, recording, file.
    pub(super) rows: Vec<GroupRow>,
    pub(super) groups: u64,
}

/// The recordings of a scan, and what their contents share.
struct Scanned<'a> {
    catalogue: &'a Catalogue,
    alike: &'a Alike,
    sounds: &'a [Sound<'a>],
    /// Per content its files.
    by_content: BTreeMap<&'a str, Vec<&'a Sound<'a>>>,
}

/// Another recording, as a file knows it.
struct Meeting {
    other: Id,
    /// `None`: the same bytes.
    shared: Option<Shared>,
    /// Since when the other is known.
    known_at: Option<Millis>,
}

/// Makes findings and groups of what contents share.
pub(super) fn copies(sounds: &[Sound<'_>], alike: &Alike, catalogue: &Catalogue) -> Copies {
    let mut by_content: BTreeMap<&str, Vec<&Sound<'_>>> = BTreeMap::new();
    sounds.iter().for_each(|sound| by_content.entry(&sound.content.hash).or_default().push(sound));
    let scanned = Scanned { catalogue, alike, sounds, by_content };
    let meetings: Vec<BTreeMap<Id, Meeting>> = sounds.iter().map(|sound| scanned.meetings(sound)).collect();
    let (rows, groups) = scanned.groups(&meetings);
    let findings = sounds.iter().zip(&meetings).map(|(sound, meetings)| scanned.finding(sound, meetings)).collect();
    Copies { findings, rows, groups }
}

impl Scanned<'_> {
    /// The other recordings that the file shares sound with, and of each where that is surest.
    fn meetings(&self, sound: &Sound<'_>) -> BTreeMap<Id, Meeting> {
        let mut meetings: BTreeMap<Id, Meeting> = BTreeMap::new();
        let mut meet = |other: &Id, shared: Option<Shared>, known_at: Option<Millis>| {
            if *other == sound.content_id {
                return;
            }
            let sure = |shared: Option<Shared>| shared.map_or(f64::INFINITY, |shared| shared.score);
            match meetings.get(other) {
                Some(known) if sure(known.shared) >= sure(shared) => (),
                _ => _ = meetings.insert(other.clone(), Meeting { other: other.clone(), shared, known_at }),
            }
        };
        for same in &self.by_content[sound.content.hash.as_str()] {
            meet(&same.content_id, None, Some(same.known_at));
        }
        for (other, shared) in self.alike.get(&sound.content.hash).into_iter().flatten() {
            match other {
                Other::Known(name) => meet(&self.catalogue.known(name), Some(*shared), None),
                Other::Heard(content) => {
                    let files = self.by_content.get(content.as_str()).into_iter().flatten();
                    files.for_each(|file| meet(&file.content_id, Some(*shared), Some(file.known_at)));
                }
            }
        }
        meetings
    }

    fn finding(&self, sound: &Sound<'_>, meetings: &BTreeMap<Id, Meeting>) -> (Finding, Millis) {
        let weighed = meetings.values().map(|meeting| {
            let relation = self.relation(&sound.content_id, &meeting.other);
            (risk(sound, meeting, relation), relation, meeting)
        });
        let worst = weighed.max_by(|(risk, _, one), (other_risk, _, other)| {
            let sure = |meeting: &Meeting| meeting.shared.map_or(f64::INFINITY, |shared| shared.score);
            risk.cmp(other_risk).then(sure(one).total_cmp(&sure(other))).then(other.other.cmp(&one.other))
        });
        let finding = |risk: u64, confidence: Confidence, details: serde_json::Value| Finding {
            detector: DETECTOR.to_owned(),
            version: VERSION.to_owned(),
            risk: Risk::from_parts(risk),
            confidence,
            details: details.to_string(),
        };
        let Some((risk, relation, meeting)) = worst else {
            // No copy, as far as there was anything to know it by.
            let (confidence, unheard) = match sound.unknowable() {
                Some(why) => (Confidence::NONE, Some(why)),
                None => (confidence_of(sound.telling_secs / sound.facts.seconds()), None),
            };
            let details = json!({ "recordings": 0, "unheard": unheard, "heard_secs": rounded(sound.telling_secs) });
            return (finding(0, confidence, details), sound.known_at);
        };
        let known_at = meeting.known_at.map_or(sound.known_at, |known_at| known_at.max(sound.known_at));
        let confidence = meeting.shared.map_or(Confidence::FULL, |shared| confidence_of(shared.confidence));
        (finding(risk, confidence, details(sound, meeting, relation, meetings.len())), known_at)
    }

    fn relation(&self, own: &Id, other: &Id) -> Relation {
        let (Some(own), Some(other)) = (self.catalogue.maker(own), self.catalogue.maker(other)) else {
            return Relation::Unknown;
        };
        Relation::of(own, other)
    }

    fn groups(&self, meetings: &[BTreeMap<Id, Meeting>]) -> (Vec<GroupRow>, u64) {
        let mut likenesses: Vec<Likeness<Id>> = Vec::new();
        let mut same_bytes: BTreeSet<&str> = BTreeSet::new();
        for (sound, meetings) in self.sounds.iter().zip(meetings) {
            for meeting in meetings.values().filter(|meeting| is_one(sound, meeting)) {
                if meeting.shared.is_none() {
                    same_bytes.insert(&sound.content.hash);
                }
                likenesses.push(likeness(&sound.content_id, meeting));
            }
        }
        let mut files: BTreeMap<&Id, Vec<&Sound<'_>>> = BTreeMap::new();
        self.sounds.iter().for_each(|sound| files.entry(&sound.content_id).or_default().push(sound));
        let members = duplicate_groups(&likenesses);
        let groups = members.iter().filter(|member| member.content == member.group).count() as u64;
        let mut rows = Vec::new();
        for member in &members {
            let files = files.get(&member.content).map_or(&[][..], Vec::as_slice);
            if files.is_empty() {
                rows.push(group_row(member, None, false));
            }
            rows.extend(
                files
                    .iter()
                    .copied()
                    .map(|file| group_row(member, Some(file), same_bytes.contains(file.content.hash.as_str()))),
            );
        }
        (rows, groups)
    }
}

/// Whether the file is the same recording as the other, or one is a long part of the other.
fn is_one(sound: &Sound<'_>, meeting: &Meeting) -> bool {
    let Some(shared) = meeting.shared else { return true };
    // Both in the time of the file, which may be faster or slower than the other.
    let (own, other) = (sound.facts.seconds(), shared.other_secs / shared.speed);
    let (shorter, longer) = (own.min(other), own.max(other));
    shared.shared_secs >= SHARED_SHARE_MIN * shorter && shorter >= PART_SHARE_MIN * longer
}

fn likeness(content: &Id, meeting: &Meeting) -> Likeness<Id> {
    let (offset_secs, speed, pitch, matched_share, score) = match meeting.shared {
        Some(shared) => (shared.origin_secs(), shared.speed, shared.pitch, shared.matched_share, shared.score),
        None => (0.0, 1.0, 1.0, 1.0, f64::INFINITY),
    };
    Likeness {
        content: content.clone(),
        found_in: meeting.other.clone(),
        offset_ms: (offset_secs * 1_000.0).round() as i64,
        speed: speed as f32,
        pitch: pitch as f32,
        matched_share: matched_share as f32,
        score: score as f32,
    }
}

fn group_row(member: &DuplicateGroup<Id>, file: Option<&Sound<'_>>, is_same_bytes: bool) -> GroupRow {
    GroupRow {
        group: member.group.clone(),
        content_id: member.content.clone(),
        file: file.map(|file| file.file.clone()),
        is_same_bytes,
        offset_secs: member.offset_ms as f64 / 1_000.0,
        speed: rounded(f64::from(member.speed)),
        pitch: rounded(f64::from(member.pitch)),
        matched_share: rounded(f64::from(member.matched_share)),
        score: member.score.is_finite().then(|| rounded(f64::from(member.score))),
        known_at: file.map(|file| file.known_at),
    }
}

/// Who has the other recording.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Relation {
    /// An uploader of this one.
    Same,
    /// Another uploader, who brought it so many milliseconds earlier.
    Earlier(Millis),
    /// Another uploader, who brought it later.
    Later,
    /// Nobody knows who, or when.
    Unknown,
}

impl Relation {
    fn of(own: &Maker, other: &Maker) -> Relation {
        if own.uploaders.is_empty() || other.uploaders.is_empty() {
            return Relation::Unknown;
        }
        if !own.uploaders.is_disjoint(&other.uploaders) {
            return Relation::Same;
        }
        match (own.uploaded_at, other.uploaded_at) {
            (Some(own), Some(other)) if other < own => Relation::Earlier(own - other),
            (Some(own), Some(other)) if own < other => Relation::Later,
            _ => Relation::Unknown,
        }
    }

    fn word(self) -> &'static str {
        match self {
            Relation::Same => "same",
            Relation::Earlier(_) => "another, earlier",
            Relation::Later => "another, later",
            Relation::Unknown => "unknown",
        }
    }
}

fn is_changed(shared: &Shared) -> bool {
    (shared.speed - 1.0).abs() >= SPEED_CHANGE_MIN || (shared.pitch - 1.0).abs() >= PITCH_CHANGE_MIN
}

fn risk(sound: &Sound<'_>, meeting: &Meeting, relation: Relation) -> u64 {
    if !is_one(sound, meeting) {
        return 0;
    }
    let is_changed = meeting.shared.as_ref().is_some_and(is_changed);
    match (relation, is_changed) {
        (Relation::Same | Relation::Later, _) => 0,
        (Relation::Earlier(_), false) => LATER,
        (Relation::Earlier(_), true) => LATER_CHANGED,
        (Relation::Unknown, false) => UNKNOWN,
        (Relation::Unknown, true) => UNKNOWN_CHANGED,
    }
}

fn details(sound: &Sound<'_>, meeting: &Meeting, relation: Relation, recordings: usize) -> serde_json::Value {
    let mut details = json!({
        "words": words(sound, meeting, relation, recordings),
        "recording": meeting.other.to_string(),
        "uploader": relation.word(),
        "is_one_recording": is_one(sound, meeting),
        "recordings": recordings,
    });
    let numbers = match &meeting.shared {
        None => json!({ "same_bytes": true }),
        Some(shared) => json!({
            "same_bytes": false,
            "from_seconds": rounded(shared.from_secs),
            "length_seconds": rounded(shared.length_secs),
            "shared_seconds": rounded(shared.shared_secs),
            "shared_share": rounded((shared.shared_secs / sound.facts.seconds().max(1e-9)).min(1.0)),
            "stretches": shared.stretches,
            "offset_seconds": rounded(shared.offset_secs),
            "speed": rounded(shared.speed),
            "pitch": rounded(shared.pitch),
            "matched_share": rounded(shared.matched_share),
            "score": rounded(shared.score),
            "confidence": shared.confidence,
        }),
    };
    if let (Some(details), serde_json::Value::Object(numbers)) = (details.as_object_mut(), numbers) {
        details.extend(numbers);
    }
    details
}

/// `41 s from 0:12 are recording X from 1:03, played 2.0 % faster; another uploader had it 12 days earlier`.
fn words(sound: &Sound<'_>, meeting: &Meeting, relation: Relation, recordings: usize) -> String {
    let other = &meeting.other;
    let mut words = match &meeting.shared {
        None => format!("the same bytes as recording {other}"),
        Some(shared) => {
            let (from, offset) = (clock(shared.from_secs), clock(shared.offset_secs));
            let (secs, shared_secs) = (sound.facts.seconds(), shared.shared_secs);
            let what = if shared.length_secs >= 0.9 * secs {
                format!("all {secs:.0} s are recording {other} from {offset}")
            } else if shared.stretches == 1 {
                format!("{shared_secs:.0} s from {from} are recording {other} from {offset}")
            } else {
                let stretches = shared.stretches;
                format!(
                    "{shared_secs:.0} of {secs:.0} s are recording {other}, in {stretches} stretches, the longest from {from} from its {offset}"
                )
            };
            what + &how(shared)
        }
    };
    words += &match relation {
        Relation::Same => ", of the same uploader".to_owned(),
        Relation::Earlier(ms) => format!(", which another uploader had {} earlier", lapse(ms)),
        Relation::Later => ", which another uploader brought later".to_owned(),
        Relation::Unknown => String::new(),
    };
    match recordings - 1 {
        0 => words,
        1 => words + "; one more recording has this sound",
        more => format!("{words}; {more} more recordings have this sound"),
    }
}

/// How the sound was changed: `, played 2.0 % faster and 0.50 semitones lower than at that speed`.
fn how(shared: &Shared) -> String {
    let percent = 100.0 * (shared.speed - 1.0);
    let semitones = 12.0 * shared.pitch.log2();
    let has_speed = (shared.speed - 1.0).abs() >= SPEED_CHANGE_MIN;
    let has_pitch = (shared.pitch - 1.0).abs() >= PITCH_CHANGE_MIN;
    // A record that turns faster sounds higher by as much: that needs no words of its own.
    let as_much = (shared.pitch / shared.speed - 1.0).abs() < PITCH_CHANGE_MIN;
    let speed = format!("{:.1} % {}", percent.abs(), if percent > 0.0 { "faster" } else { "slower" });
    let pitch = format!("{:.2} semitones {}", semitones.abs(), if semitones > 0.0 { "higher" } else { "lower" });
    match (has_speed, has_pitch) {
        (false, false) => String::new(),
        (true, _) if as_much => format!(", played {speed}"),
        (true, true) => format!(", played {speed} and {pitch}"),
        (true, false) => format!(", played {speed} at the same pitch"),
        (false, true) => format!(", {pitch}"),
    }
}

/// Minutes and seconds.
pub(super) fn clock(secs: f64) -> String {
    let whole = secs.max(0.0).round() as u64;
    format!("{}:{:02}", whole / 60, whole % 60)
}

/// A length of time in the largest unit of which there is more than one.
fn lapse(ms: Millis) -> String {
    let units = [("day", 86_400_000), ("hour", 3_600_000), ("minute", 60_000)];
    let (unit, unit_ms) = units.into_iter().find(|(_, unit_ms)| ms >= *unit_ms).unwrap_or(("second", 1_000));
    let count = ms / unit_ms;
    format!("{count} {unit}{}", if count == 1 { "" } else { "s" })
}

/// Four places.
fn rounded(number: f64) -> f64 {
    (number * 1e4).round() / 1e4
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shared(speed: f64, pitch: f64) -> Shared {
        Shared {
            from_secs: 12.4,
            length_secs: 41.0,
            offset_secs: 63.0,
            speed,
            pitch,
            matched_share: 0.5,
            score: 20.0,
            confidence: 1.0,
            shared_secs: 41.0,
            stretches: 1,
            other_secs: 200.0,
        }
    }

    #[test]
    fn a_change_is_said_in_words() {
        for (speed, pitch, words) in [
            (1.0, 1.0, ""),
            (1.001, 0.999, ""),
            (1.02, 1.02, ", played 2.0 % faster"),
            (0.95, 0.9505, ", played 5.0 % slower"),
            (1.0, 1.0595, ", 1.00 semitones higher"),
            (1.05, 1.0, ", played 5.0 % faster at the same pitch"),
            (1.05, 0.9439, ", played 5.0 % faster and 1.00 semitones lower"),
        ] {
            assert_eq!(how(&shared(speed, pitch)), words, "{speed} {pitch}");
            assert_eq!(is_changed(&shared(speed, pitch)), !words.is_empty());
        }
        assert_eq!((clock(63.4), clock(-0.2), clock(3_600.0)), ("1:03".into(), "0:00".into(), "60:00".into()));
        assert_eq!(
            (lapse(86_400_000), lapse(7_300_000), lapse(5)),
            ("1 day".into(), "2 hours".into(), "0 seconds".into())
        );
    }

    #[test]
    fn who_had_it_first_is_not_suspected() {
        let maker = |uploaders: &[u64], uploaded_at| Maker {
            uploaders: uploaders.iter().map(|id| Id::from(*id)).collect(),
            uploaded_at,
            ..Maker::default()
        };
        let (early, late) = (maker(&[1], Some(1_000)), maker(&[2, 3], Some(5_000)));
        assert_eq!(Relation::of(&late, &early), Relation::Earlier(4_000));
        assert_eq!(Relation::of(&early, &late), Relation::Later);
        assert_eq!(Relation::of(&late, &maker(&[3, 9], Some(1))), Relation::Same);
        for unknown in [maker(&[], Some(1)), maker(&[4], None), maker(&[4], Some(5_000))] {
            assert_eq!(Relation::of(&late, &unknown), Relation::Unknown);
        }
    }
}
