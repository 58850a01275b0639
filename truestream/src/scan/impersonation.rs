//! Whether a recording passes for another artist: it has the voice of a registered artist, or nearly the name, and comes from somebody else.
//!
//! ```text
//! voices of recordings + catalogue ──▶ registered artists: the mean of their voices
//! voice of a recording ──▶ likeness to each that is not its uploader's ─┐
//! names and titles ──▶ which of them it claims to be ───────────────────┴─▶ finding of `impersonation`
//! ```
//!
//! A voice vector that was trained on speech is a weak witness of who sings (docs/SOUND.md): so the risk stays low, and voice and name together are asked for before it
//! says more than a copy would.

use std::collections::{BTreeMap, BTreeSet};

use features::sound::timbre::{self, DIMENSIONS, Vector};
use records::{Confidence, Id, Risk};
use serde_json::json;

use super::catalogue::{Catalogue, Maker};
use super::character::Character;
use super::detectors::{Finding, confidence_of};
use super::tables::Sound;

/// Who says it.
pub(super) const DETECTOR: &str = "impersonation";

/// An artist is registered from so many recordings with a voice on: fewer say more of the songs than of the singer.
const RECORDINGS_MIN: usize = 3;
/// Shorter names are words of titles by chance.
const NAME_LETTERS_MIN: usize = 4;
/// Names from this length on are imitated with a letter wrong, too.
const MISSPELT_LETTERS_MIN: usize = 6;

/// Risks in ten-thousandths, by judgement. Voice and name: as much as cannot hold a track alone. A voice alone is of too many people.
const VOICE_AND_NAME: u64 = 4_000;
const VOICE: u64 = 1_000;

/// An artist whose voice is known, and who brings their recordings.
pub(super) struct Registered {
    pub(super) artist: Id,
    names: BTreeSet<String>,
    owner: Id,
    voice: Vector<DIMENSIONS>,
    recordings: usize,
}

/// The registered artists, in order: one uploader brought the first track of theirs and at least three recordings with a voice.
pub(super) fn registered(catalogue: &Catalogue, voices: &BTreeMap<Id, Vector<DIMENSIONS>>) -> Vec<Registered> {
    let mut by_artist: BTreeMap<&Id, Vec<(&Id, &Maker)>> = BTreeMap::new();
    let makers = catalogue.makers();
    for (recording, maker) in &makers {
        // A recording of two artists, or of two uploaders, is of neither alone.
        if let (Some(artist), 1, 1) = (maker.artists.first(), maker.artists.len(), maker.uploaders.len()) {
            by_artist.entry(artist).or_default().push((recording, maker));
        }
    }
    let registered = |(artist, recordings): (&Id, Vec<(&Id, &Maker)>)| {
        let first = recordings.iter().filter_map(|(_, maker)| maker.uploaded_at).min()?;
        let mut firsts = recordings.iter().filter(|(_, maker)| maker.uploaded_at == Some(first));
        let owner = firsts.next()?.1.uploaders.first()?;
        if firsts.any(|(_, maker)| maker.uploaders.first() != Some(owner)) {
            return None;
        }
        let own = || recordings.iter().filter(|(_, maker)| maker.uploaders.contains(owner));
        let voices: Vec<[f32; DIMENSIONS]> = own().filter_map(|(id, _)| voices.get(*id)).map(Vector::unit).collect();
        let sum = std::array::from_fn(|at| voices.iter().map(|voice| f64::from(voice[at])).sum());
        (voices.len() >= RECORDINGS_MIN).then_some(Registered {
            artist: artist.clone(),
            names: own().flat_map(|(_, maker)| maker.artist_names.iter().cloned()).collect(),
            owner: owner.clone(),
            voice: Vector::of(&sum)?,
            recordings: voices.len(),
        })
    };
    by_artist.into_iter().filter_map(registered).collect()
}

/// What a recording has of a registered artist.
struct Claim<'a> {
    whose: &'a Registered,
    likeness: Option<f64>,
    /// What imitates the name.
    by_name: Option<&'a str>,
}

impl Claim<'_> {
    fn risk(&self) -> u64 {
        let is_close = |share: f64| self.likeness.is_some_and(|likeness| timbre::voice_chance(likeness) <= share);
        match self.by_name {
            Some(_) if is_close(0.01) => VOICE_AND_NAME,
            None if is_close(0.001) => VOICE,
            _ => 0,
        }
    }
}

/// Whom the recording passes for.
pub(super) fn finding(
    sound: &Sound<'_>,
    character: &Character,
    registered: &[Registered],
    catalogue: &Catalogue,
) -> Finding {
    said(&sound.content_id, Character::heard_share(&sound.facts), character, registered, catalogue)
}

/// The same of a recording of which so much was listened to.
fn said(
    recording: &Id,
    heard_share: f64,
    character: &Character,
    registered: &[Registered],
    catalogue: &Catalogue,
) -> Finding {
    let maker = catalogue.maker(recording);
    let claims = registered.iter().filter_map(|whose| claim(whose, maker, character.voice.as_ref()));
    let worst = claims.max_by(|one, other| {
        let likeness = |claim: &Claim<'_>| claim.likeness.unwrap_or(-1.0);
        let order = one.risk().cmp(&other.risk()).then(one.by_name.is_some().cmp(&other.by_name.is_some()));
        order.then(likeness(one).total_cmp(&likeness(other))).then(other.whose.artist.cmp(&one.whose.artist))
    });
    let risk = worst.as_ref().map_or(0, Claim::risk);
    // Without a voice, or anybody to compare it with, nothing was tested.
    let confidence = match character.voice.is_some() && worst.is_some() {
        true if risk > 0 => Confidence::FULL,
        // Nobody, in as much as was heard.
        true => confidence_of(heard_share),
        false => Confidence::NONE,
    };
    let details = match &worst {
        None => json!({ "voice_seconds": character.voice_secs, "registered_artists": registered.len() }),
        Some(claim) => json!({
            "words": words(claim),
            "artist": claim.whose.artist.to_string(),
            "likeness": claim.likeness.map(rounded),
            "chance": claim.likeness.map(timbre::voice_chance),
            "name": claim.by_name,
            "voice_seconds": character.voice_secs,
            "registered_artists": registered.len(),
        }),
    };
    Finding {
        detector: DETECTOR.to_owned(),
        version: timbre::VERSION.to_owned(),
        risk: Risk::from_parts(risk),
        confidence,
        details: details.to_string(),
    }
}

/// What a recording of this maker has of the artist; `None` where the artist is its own, or has the same uploader, or consents.
fn claim<'a>(whose: &'a Registered, maker: Option<&'a Maker>, voice: Option<&Vector<DIMENSIONS>>) -> Option<Claim<'a>> {
    let maker = maker?;
    let is_own = maker.artists.contains(&whose.artist) || maker.uploaders.contains(&whose.owner);
    if is_own || maker.uploaders.is_empty() || maker.has_consent {
        return None;
    }
    let artists = maker.artist_names.iter().filter(|name| whose.names.iter().any(|own| is_imitated(own, name)));
    let titles = maker.titles.iter().filter(|title| whose.names.iter().any(|own| is_mentioned(own, title)));
    let by_name = artists.chain(titles).map(String::as_str).next();
    let likeness = voice.map(|voice| voice.likeness(&whose.voice));
    (by_name.is_some() || likeness.is_some()).then_some(Claim { whose, likeness, by_name })
}

/// `called "Nina Veld (AI cover)" and sung by a voice like that of Nina Veld (likeness 0.91, as 1 in 300 other voices)`.
fn words(claim: &Claim<'_>) -> String {
    let whose = claim.whose;
    let artist = whose.names.first().cloned().unwrap_or_else(|| whose.artist.to_string());
    let recordings = whose.recordings;
    let voice = claim.likeness.map(|likeness| {
        let share = share(timbre::voice_chance(likeness));
        format!("a voice like that of {artist} in {recordings} recordings of another uploader: likeness {likeness:.2}, as {share} of other voices")
    });
    match (claim.by_name, voice) {
        (Some(name), Some(voice)) => format!("called \"{name}\", with {voice}"),
        (Some(name), None) => format!("called \"{name}\", as {artist} of another uploader; no voice was heard"),
        (None, Some(voice)) => voice,
        (None, None) => String::new(),
    }
}

/// `one in 300`, or `more than one in 2`.
pub(super) fn share(chance: f64) -> String {
    match chance {
        chance if chance >= 0.5 => "most".to_owned(),
        chance => format!("1 in {:.0}", 1.0 / chance),
    }
}

/// Letters and digits in small letters, digits that stand for letters as these.
fn plain(name: &str) -> String {
    let letter = |letter: char| match letter {
        '0' => 'o',
        '1' | '!' | '|' => 'l',
        '3' => 'e',
        '4' | '@' => 'a',
        '5' | '$' => 's',
        '7' => 't',
        other => other,
    };
    name.chars().flat_map(char::to_lowercase).map(letter).filter(|letter| letter.is_alphanumeric()).collect()
}

/// Whether the name is the artist's, or written so that it passes for it: other capitals, signs and digits, or one letter off.
fn is_imitated(own: &str, name: &str) -> bool {
    let (own, name) = (plain(own), plain(name));
    let letters = own.chars().count();
    letters >= NAME_LETTERS_MIN && (own == name || (letters >= MISSPELT_LETTERS_MIN && is_one_edit_away(&own, &name)))
}

/// Whether the title names the artist, in whole words.
fn is_mentioned(own: &str, title: &str) -> bool {
    let words: Vec<String> = title
        .split(|letter: char| letter.is_whitespace() || "()[]-,:;/".contains(letter))
        .map(plain)
        .filter(|word| !word.is_empty())
        .collect();
    let own = plain(own);
    let longest = words.len();
    own.chars().count() >= NAME_LETTERS_MIN
        && (0..longest).any(|from| (from + 1..=longest).any(|to| words[from..to].concat() == own))
}

/// Whether one letter that is missing, too many or another makes one of the other.
fn is_one_edit_away(one: &str, other: &str) -> bool {
    let (one, other): (Vec<char>, Vec<char>) = (one.chars().collect(), other.chars().collect());
    let (short, long) = if one.len() <= other.len() { (one, other) } else { (other, one) };
    let same = short.iter().zip(&long).take_while(|(a, b)| a == b).count();
    match long.len() - short.len() {
        0 => short.get(same + 1..) == long.get(same + 1..),
        1 => short[same..] == long[same + 1..],
        _ => false,
    }
}

/// Four places.
pub(super) fn rounded(number: f64) -> f64 {
    (number * 1e4).round() / 1e4
}

#[cfg(test)]
mod tests {
    use records::{Millis, Track};

    use super::*;

    #[test]
    fn a_name_is_imitated_by_signs_and_letters_but_not_by_other_names() {
        for name in ["Nina Veld", "NINA VELD", "Nina-Veld.", "N1na Ve1d", "Nina Vled", "Ninna Veld", "Nina Vel"] {
            assert_eq!(is_imitated("Nina Veld", name), name != "Nina Vled", "{name}");
        }
        assert!(is_imitated("Nina Veld", "Nina Ve1d") && is_imitated("Solo5", "5OLO$"));
        for name in ["Nina", "Nina Veldkamp", "Anna Veld", "", "Mira"] {
            assert!(!is_imitated("Nina Veld", name), "{name}");
        }
        assert!(!is_imitated("Ana", "Ana"), "too short a name to be anybody's alone");
        assert!(!is_imitated("Mira", "Mara"));
        assert!(
            is_mentioned("Nina Veld", "Lost (Nina Veld AI cover)") && is_mentioned("Nina Veld", "Nina Veld - Lost")
        );
        assert!(!is_mentioned("Mira", "Miracle") && !is_mentioned("Nina Veld", "Nina in the veldt"));
    }

    /// A voice near the axis.
    fn voice(axis: usize, off: f64) -> Vector<DIMENSIONS> {
        Vector::of(&std::array::from_fn(|at| if at == axis { 1.0 } else { off * (at as f64).sin() }))
            .expect("a direction")
    }

    fn track(id: u64, artist: (u64, &str), uploader: u64, uploaded_at: Millis, title: &str) -> Track {
        Track {
            artist_id: Some(Id::from(artist.0)),
            artist_name: Some(artist.1.to_owned()),
            uploader_id: Some(Id::from(uploader)),
            uploaded_at: Some(uploaded_at),
            title: Some(title.to_owned()),
            ..Track::new(Id::from(id))
        }
    }

    #[test]
    fn who_has_voice_and_name_of_another_uploaders_artist_is_told() {
        let nina = (1, "Nina Veld");
        let own = (0..4).map(|at| track(at, nina, 10, 1_000 + at as i64, "Own"));
        let others = [
            track(50, (2, "N1na Veld"), 20, 9_000, "Lost"),
            track(51, (3, "Somebody"), 20, 9_000, "Lost"),
            track(52, (4, "Somebody else"), 20, 9_000, "Lost (Nina Veld AI cover)"),
            track(53, (5, "A side project"), 10, 9_000, "Lost"),
            track(54, (1, "Nina Veld"), 30, 9_000, "Moved label"),
            track(55, (6, "Nobody"), 20, 9_000, "Lost"),
            Track { consent_ref: Some("C-1".to_owned()), ..track(56, (2, "N1na Veld"), 20, 9_000, "Lost") },
            track(57, (7, "Nina Veld"), 20, 9_000, "No voice"),
        ];
        let catalogue = Catalogue::of(own.chain(others));
        let voices: BTreeMap<Id, _> = (0..4).map(|at| (Id::from(at), voice(0, 0.01 * at as f64))).collect();
        let registered = registered(&catalogue, &voices);
        let told: Vec<(&Id, usize)> = registered.iter().map(|one| (&one.artist, one.recordings)).collect();
        assert_eq!(told, [(&Id::from(1), 4)]);

        let found = |id: u64, own: Option<Vector<DIMENSIONS>>| {
            let character = Character { voice: own, ..Character::default() };
            let claim = said(&Id::from(id), 0.5, &character, &registered, &catalogue);
            (claim.risk.parts(), claim.confidence > Confidence::NONE, claim.details)
        };
        let same = Some(voice(0, 0.0));
        let risks = [50, 51, 52, 53, 54, 55, 56].map(|id| found(id, same).0);
        assert_eq!(risks, [4_000, 1_000, 4_000, 0, 0, 1_000, 0]);
        assert!(
            found(50, same).2.contains("called \\\"N1na Veld\\\", with a voice like that of Nina Veld in 4 recordings"),
            "{}",
            found(50, same).2
        );
        // Another voice under her name, and her name without a voice: told, not suspected.
        let (risk, is_heard, details) = found(50, Some(voice(9, 0.0)));
        assert!(risk == 0 && is_heard && details.contains("N1na"), "{details}");
        let (risk, is_heard, details) = found(57, None);
        assert!(risk == 0 && !is_heard && details.contains("no voice was heard"), "{details}");
        assert_eq!(found(55, Some(voice(9, 0.0))).0, 0);
    }

    #[test]
    fn an_artist_of_few_recordings_or_of_several_first_uploaders_is_not_registered() {
        let nina = (1, "Nina Veld");
        let voices: BTreeMap<Id, _> = (0..4).map(|at| (Id::from(at), voice(0, 0.0))).collect();
        let few = Catalogue::of((0..2).map(|at| track(at, nina, 10, 1_000, "Own")));
        assert!(registered(&few, &voices).is_empty());
        let two = Catalogue::of((0..4).map(|at| track(at, nina, 10 + at % 2, 1_000, "Own")));
        assert!(registered(&two, &voices).is_empty());
        let three = Catalogue::of((0..4).map(|at| track(at, nina, 10 + at / 3, 1_000, "Own")));
        assert!(registered(&three, &voices).is_empty(), "both came first");
        let later = Catalogue::of((0..4).map(|at| track(at, nina, 10 + at / 3, 1_000 + at as i64, "Own")));
        assert_eq!(registered(&later, &voices).len(), 1);
    }
}
