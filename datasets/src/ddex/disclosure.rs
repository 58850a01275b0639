//! What a recording declares of its parts: vocals, instruments, post-production.
//!
//! ```text
//! contributors ──▶ roles ──▶ part ──▶ All │ Partly │ None │ nothing said
//! ```
//!
//! The standard has no element for the parts. Who did what does, and each contributor may say how much of it a machine did.
//! Nothing said is never `None`: a part is declared free of generative AI where everybody who made it says so.

use std::collections::HashMap;
use std::sync::LazyLock;

use records::Disclosure;

use super::message::Contributor;

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

    /// The parts that a contributor made, by roles and instruments.
    pub fn of(contributor: &Contributor) -> Vec<Part> {
        let mut parts: Vec<Part> = contributor.roles.iter().filter_map(|role| Part::of_role(role)).collect();
        // A singer is sometimes a performer whose instrument is the voice.
        parts.extend(contributor.instruments.iter().map(|instrument| match Part::of_role(instrument) {
            Some(Part::Vocals) => Part::Vocals,
            _ if instrument.to_ascii_lowercase().contains("vocal") => Part::Vocals,
            _ => Part::Instruments,
        }));
        parts.sort_unstable();
        parts.dedup();
        parts
    }

    fn of_role(role: &str) -> Option<Part> {
        ROLES.get(&role.to_ascii_lowercase()).copied()
    }
}

#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct RolesFile {
    #[serde(rename = "version")]
    _version: u32,
    vocals: Vec<String>,
    instruments: Vec<String>,
    postproduction: Vec<String>,
}

static ROLES: LazyLock<HashMap<String, Part>> = LazyLock::new(|| {
    let file: RolesFile = toml::from_str(include_str!("roles.toml")).expect("the built-in roles are read by a test");
    let of = |part, words: Vec<String>| words.into_iter().map(move |word| (word.to_ascii_lowercase(), part));
    of(Part::Vocals, file.vocals)
        .chain(of(Part::Instruments, file.instruments))
        .chain(of(Part::Postproduction, file.postproduction))
        .collect()
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
    pub fn of(contributors: &[Contributor]) -> Parts {
        let part = |part: Part| {
            let who = contributors.iter().filter(|contributor| Part::of(contributor).contains(&part));
            together(who.map(Contributor::disclosure))
        };
        Parts {
            vocals: part(Part::Vocals),
            instruments: part(Part::Instruments),
            postproduction: part(Part::Postproduction),
        }
    }
}

/// What several say together: all only where everybody says all, none only where everybody says none, partly where somebody
/// says all or partly; else nothing.
fn together(said: impl Iterator<Item = Option<Disclosure>>) -> Option<Disclosure> {
    let said: Vec<Option<Disclosure>> = said.collect();
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
            assert_eq!(together(said.iter().copied()), expected, "{said:?}");
        }
    }

    #[test]
    fn roles_are_words_of_one_part_each() {
        let file: RolesFile = toml::from_str(include_str!("roles.toml")).unwrap();
        let words = file.vocals.len() + file.instruments.len() + file.postproduction.len();
        assert_eq!(ROLES.len(), words);
        assert_eq!(Part::of_role("leadvocalist"), Some(Part::Vocals));
        assert_eq!(Part::of_role("Composer"), None);
    }
}
