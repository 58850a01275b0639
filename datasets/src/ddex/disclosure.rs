//! What a recording declares of its parts: vocals, instruments, post-production.
//!
//! ```text
//! contributors ──▶ roles ──▶ part ──▶ All │ Partly │ None │ nothing said
//! ```
//!
//! The standard has no element for the parts. Who did what does, and each contributor may say how much of it a machine did.
//! Nothing said is never `None`: a part is declared free of generative AI where everybody who made it says so, and vocals where there are none. What a
//! machine did, and nobody can tell, counts as vocals, because only of them more is asked.

use std::collections::{HashMap, HashSet};
use std::sync::LazyLock;

use records::Disclosure;

use super::message::{Contributor, Resource, Said};

/// A part of a recording.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[allow(missing_docs)]
pub enum Part {
    Vocals,
    Instruments,
    Postproduction,
}

impl Part {
    /// The word in tables and findings.
    pub fn name(self) -> &'static str {
        match self {
            Part::Vocals => "vocals",
            Part::Instruments => "instruments",
            Part::Postproduction => "postproduction",
        }
    }

    /// The parts that a contributor made, by roles and instruments, as far as they are known.
    pub fn of(contributor: &Contributor) -> Vec<Part> {
        let of_roles = contributor.roles.iter().filter_map(|role| parts_of_role(role)).flatten();
        // A singer is sometimes a performer whose instrument is the voice.
        let of_instruments = contributor.instruments.iter().flat_map(|instrument| parts_of_instrument(instrument));
        let mut parts: Vec<Part> = of_roles.chain(of_instruments).collect();
        parts.sort_unstable();
        parts.dedup();
        parts
    }
}

/// Of what a machine did and nobody can tell, the role: there is none, or one that is not known.
pub(super) fn untold(contributor: &Contributor) -> Option<&str> {
    // An instrument tells the part whatever the role is: who plays the guitar may be a performer.
    if !contributor.disclosure().is_some_and(Disclosure::is_machine) || !contributor.instruments.is_empty() {
        return None;
    }
    match contributor.roles.is_empty() {
        true => Some("no role"),
        false => contributor.roles.iter().map(String::as_str).find(|role| parts_of_role(role).is_none()),
    }
}

/// Whether the contributor's is a voice, or may be: of what a machine did and nobody can tell, unless there are no vocals.
pub(super) fn sings(resource: &Resource, contributor: &Contributor) -> bool {
    let may_be = || resource.is_instrumental.is_none() && untold(contributor).is_some();
    Part::of(contributor).contains(&Part::Vocals) || may_be()
}

/// Whether a part is a machine's, and nobody says which: who wrote or led made none of them.
pub(super) fn is_of_what_untold(resource: &Resource) -> bool {
    let tells = |one: &Contributor| {
        let is_machine = one.disclosure().is_some_and(Disclosure::is_machine);
        // Whose role nobody knows has a finding of its own, and may sing anyway.
        is_machine && (!Part::of(one).is_empty() || untold(one).is_some())
    };
    let whole = resource.contains_ai.as_ref().and_then(Said::disclosure);
    whole == Some(Disclosure::Partly) && !resource.contributors.iter().any(tells)
}

/// The parts that a role speaks of; `None` where it is not known.
fn parts_of_role(role: &str) -> Option<Vec<Part>> {
    let parts = ROLES.parts.get(&plain(role)).cloned().unwrap_or_else(|| parts_of_words(role));
    (!parts.is_empty() || ROLES.whole.contains(&plain(role))).then_some(parts)
}

fn parts_of_instrument(instrument: &str) -> Vec<Part> {
    let parts = ROLES.parts.get(&plain(instrument)).cloned().unwrap_or_else(|| parts_of_words(instrument));
    match parts.contains(&Part::Vocals) {
        true => vec![Part::Vocals],
        false => vec![Part::Instruments],
    }
}

/// The parts that somebody's own words speak of.
fn parts_of_words(text: &str) -> Vec<Part> {
    let words = words(text);
    let speaks = |of: &HashSet<String>| words.iter().any(|word| of.contains(word));
    // However it is run together: `AIVOICE and guitar` is not guitar alone.
    let is_voice = || ["vocal", "voice"].iter().any(|word| plain(text).contains(word));
    let is_sung = speaks(&ROLES.vocal_words) || is_voice();
    let parts = [(Part::Vocals, is_sung), (Part::Instruments, speaks(&ROLES.instrument_words))];
    parts.into_iter().filter(|(_, speaks)| *speaks).map(|(part, _)| part).collect()
}

/// `Lead Vocalist`, `lead-vocalist` and `LeadVocalist` are one.
fn plain(role: &str) -> String {
    role.chars().filter(|letter| letter.is_alphanumeric()).collect::<String>().to_lowercase()
}

/// `LeadVocals2` and `lead vocals 2` have the words `lead`, `vocals` and `2`, `AIRapper` has `ai` and `rapper`.
fn words(text: &str) -> Vec<String> {
    let (mut words, mut word, mut before) = (Vec::new(), String::new(), ' ');
    let mut letters = text.chars().peekable();
    while let Some(letter) = letters.next() {
        let is_next_lower = letters.peek().is_some_and(|next| next.is_lowercase());
        let is_capital = letter.is_uppercase() && (before.is_lowercase() || (before.is_uppercase() && is_next_lower));
        let begins = !letter.is_alphanumeric() || is_capital || letter.is_numeric() != before.is_numeric();
        if begins && !word.is_empty() {
            words.push(std::mem::take(&mut word));
        }
        before = letter;
        word.extend(letter.to_lowercase().filter(|letter| letter.is_alphanumeric()));
    }
    words.push(word);
    words
}

#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct RolesFile {
    #[serde(rename = "version")]
    _version: u32,
    vocals: Vec<String>,
    instruments: Vec<String>,
    postproduction: Vec<String>,
    whole: Vec<String>,
    vocal_words: HashSet<String>,
    instrument_words: HashSet<String>,
}

struct Roles {
    parts: HashMap<String, Vec<Part>>,
    whole: HashSet<String>,
    vocal_words: HashSet<String>,
    instrument_words: HashSet<String>,
}

static ROLES: LazyLock<Roles> = LazyLock::new(|| {
    let file: RolesFile = toml::from_str(include_str!("roles.toml")).expect("the built-in roles are read by a test");
    let of = |part, words: Vec<String>| words.into_iter().map(move |word| (plain(&word), vec![part]));
    let vocals = of(Part::Vocals, file.vocals);
    let instruments = of(Part::Instruments, file.instruments);
    Roles {
        parts: vocals.chain(instruments).chain(of(Part::Postproduction, file.postproduction)).collect(),
        whole: file.whole.iter().map(|role| plain(role)).collect(),
        vocal_words: file.vocal_words,
        instrument_words: file.instrument_words,
    }
});

/// What a recording declares of its parts; `None` where nothing is said.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[allow(missing_docs)]
pub struct Parts {
    pub vocals: Option<Disclosure>,
    pub instruments: Option<Disclosure>,
    pub postproduction: Option<Disclosure>,
}

impl Parts {
    /// What the contributors say together.
    pub fn of(resource: &Resource) -> Parts {
        let said = |is_of: &dyn Fn(&Contributor) -> bool| -> Vec<Option<Disclosure>> {
            resource.contributors.iter().filter(|one| is_of(one)).map(Contributor::disclosure).collect()
        };
        let part = |part: Part| together(&said(&|one| Part::of(one).contains(&part)));
        let sung = said(&|one| sings(resource, one));
        // A part, and nobody says which: that may be the voice, too.
        let may_sing = is_of_what_untold(resource);
        let is_all = resource.contains_ai.as_ref().and_then(Said::disclosure) == Some(Disclosure::All);
        Parts {
            vocals: match (&resource.is_instrumental, together(&sung)) {
                (Some(_), _) if sung.is_empty() => Some(Disclosure::None),
                (Some(_), told) => told,
                // What says all says it of the voice, whoever says none.
                (None, Some(Disclosure::None)) if is_all => Some(Disclosure::Partly),
                (None, told) => told.or(may_sing.then_some(Disclosure::Partly)),
            },
            instruments: part(Part::Instruments),
            postproduction: part(Part::Postproduction),
        }
    }

    /// Of each part the graver of what two recordings say that become one track.
    pub(super) fn graver(self, other: Parts) -> Parts {
        let graver = |one, other| if gravity(other) > gravity(one) { other } else { one };
        Parts {
            vocals: graver(self.vocals, other.vocals),
            instruments: graver(self.instruments, other.instruments),
            postproduction: graver(self.postproduction, other.postproduction),
        }
    }
}

/// How much is asked of who declares it. Who says nothing is not made to say `None` by another.
pub(super) fn gravity(said: Option<Disclosure>) -> u8 {
    match said {
        Some(Disclosure::All) => 3,
        Some(Disclosure::Partly) => 2,
        None => 1,
        Some(Disclosure::None) => 0,
    }
}

/// What several say together: all only where everybody says all, none only where everybody says none, partly where somebody
/// says all or partly; else nothing.
fn together(said: &[Option<Disclosure>]) -> Option<Disclosure> {
    let everybody = |word| !said.is_empty() && said.iter().all(|one| *one == Some(word));
    let somebody = said.iter().any(|one| matches!(one, Some(Disclosure::All | Disclosure::Partly)));
    match () {
        () if everybody(Disclosure::All) => Some(Disclosure::All),
        () if everybody(Disclosure::None) => Some(Disclosure::None),
        () if somebody => Some(Disclosure::Partly),
        () => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_said_is_never_none() {
        use Disclosure::{All, None as Never, Partly};
        for (said, expected) in [
            (vec![], None),
            (vec![None], None),
            (vec![Some(Never), None], None),
            (vec![Some(Never), Some(Never)], Some(Never)),
            (vec![Some(All), Some(All)], Some(All)),
            (vec![Some(All), None], Some(Partly)),
            (vec![Some(All), Some(Never)], Some(Partly)),
            (vec![Some(Partly)], Some(Partly)),
        ] {
            assert_eq!(together(&said), expected, "{said:?}");
        }
    }

    #[test]
    fn roles_are_words_of_one_part_each() {
        let file: RolesFile = toml::from_str(include_str!("roles.toml")).unwrap();
        let words = file.vocals.len() + file.instruments.len() + file.postproduction.len();
        assert_eq!(ROLES.parts.len(), words);
        assert!(ROLES.whole.iter().all(|role| !ROLES.parts.contains_key(role)));
        assert!(ROLES.vocal_words.is_disjoint(&ROLES.instrument_words));
        for (role, parts) in [
            ("leadvocalist", Some(vec![Part::Vocals])),
            ("Lead Vocals", Some(vec![Part::Vocals])),
            ("backing-singer", Some(vec![Part::Vocals])),
            ("vocals & guitar", Some(vec![Part::Vocals, Part::Instruments])),
            ("ElectricGuitar", Some(vec![Part::Instruments])),
            ("AIVoiceAndGuitar", Some(vec![Part::Vocals, Part::Instruments])),
            ("AIVOICE and guitar", Some(vec![Part::Vocals, Part::Instruments])),
            ("AIRapper", Some(vec![Part::Vocals])),
            ("Singer2", Some(vec![Part::Vocals])),
            ("DJ", None),
            ("Vocal Editing Engineer", Some(vec![Part::Postproduction])),
            ("Composer", Some(vec![])),
            ("Grapefruit", None),
            ("UserDefined", None),
        ] {
            assert_eq!(parts_of_role(role), parts, "{role}");
        }
    }
}
