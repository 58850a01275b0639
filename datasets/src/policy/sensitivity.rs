//! Which surges tighten and relax whom: `sensitivity.toml` of a policy.

use std::collections::BTreeSet;
use std::path::Path;

use records::Policy;
use records::policy::DEFAULT_SEGMENT;
use records::sensitivity::Surge;
use serde::Deserialize;

use super::{SENSITIVITY, built_in, load, read};
use crate::Error;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct SensitivityFile {
    #[serde(default)]
    wave: Vec<Surge>,
}

/// The surges of the policy in the folder, in their order; none are built in.
///
/// # Errors
/// When the file cannot be read, says what cannot be, two surges have one name, or one names a segment without thresholds.
pub fn surges(folder: Option<&Path>) -> Result<Vec<Surge>, Error> {
    let Some(folder) = folder else { return Ok(Vec::new()) };
    let surges = read::<SensitivityFile>(folder, SENSITIVITY)?.map(|file| file.wave).unwrap_or_default();
    if surges.is_empty() {
        return Ok(surges);
    }
    // Another file's mistakes are told there.
    let policy = load(folder).unwrap_or_else(|_| built_in());
    let mut names = BTreeSet::new();
    for surge in &surges {
        let wrong = match surge {
            surge if !names.insert(&surge.name) => "found this name twice, expected one wave of each".to_owned(),
            surge if policy.thresholds_of(&surge.segment).is_none() => {
                format!("found segment {:?}, expected one of {}", surge.segment, policy.segments().join(", "))
            }
            surge => match surge.fault().or_else(|| misplaced(surge, &policy)) {
                Some(fault) => fault,
                None => continue,
            },
        };
        return Err(Error::Input(format!("{}: wave {:?}: {wrong}", folder.join(SENSITIVITY).display(), surge.name)));
    }
    Ok(surges)
}

/// What of those whom it relaxes cannot be: everybody is not whom one trusts, and nobody is tightened and relaxed by one wave.
fn misplaced(surge: &Surge, policy: &Policy) -> Option<String> {
    let known = policy.segments();
    let may_be: Vec<&String> =
        known.iter().filter(|name| *name != DEFAULT_SEGMENT && **name != surge.segment).collect();
    let mut named = BTreeSet::new();
    surge.relaxes.iter().find_map(|relief| match relief {
        relief if !may_be.contains(&&relief.segment) => {
            let expected = may_be.iter().map(|name| name.as_str()).collect::<Vec<_>>().join(", ");
            Some(format!("relaxes: found segment {:?}, expected one of {expected}", relief.segment))
        }
        relief if !named.insert(&relief.segment) => {
            Some(format!("relaxes: found segment {:?} twice, expected it once", relief.segment))
        }
        relief => relief.fault(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const WAVE: &str = "[[wave]]\nname = 'uploads'\nmeasure = 'uploads'\nhours = 24\nweeks = 4\nseen_min = 50\ntimes_min = 3\n\
                        deviations = 6\nsegment = 'default'\npoints = 5\nfloor = { hold = 30, escalate = 50, block = 80 }\n\
                        lasts_hours = 48\nlasts_max_hours = 168\n";

    #[test]
    fn a_mistake_is_named_with_what_was_expected() {
        let folder = tempfile::tempdir().unwrap();
        let surges = |text: &str| {
            std::fs::write(folder.path().join(SENSITIVITY), text).unwrap();
            surges(Some(folder.path())).map_err(|error| error.to_string())
        };
        assert_eq!(surges(WAVE).unwrap().len(), 1);
        assert_eq!(surges("").unwrap().len(), 0);
        assert_eq!(surges(&WAVE.replace("'default'", "'probation'")).unwrap()[0].segment, "probation");
        for (right, wrong, words) in [
            ("'default'", "'gold'", "expected one of default, major, probation"),
            ("measure = 'uploads'", "measure = 'plays'", "new_accounts"),
            ("points = 5", "points = 50", "expected 1 to 20"),
            ("weeks = 4", "week = 4", "weeks"),
            ("lasts_max_hours = 168", "lasts_max_hours = 721", "at most 720"),
            ("hold = 30", "hold = 60", "does not rise"),
        ] {
            let error = surges(&WAVE.replacen(right, wrong, 1)).unwrap_err();
            assert!(error.contains("sensitivity.toml") && error.contains(words), "{error}");
        }
        assert!(surges(&format!("{WAVE}{WAVE}")).unwrap_err().contains("twice"));
        const RELAXES: &str = "relaxes = [{ segment = 'major', points = 5, ceiling = { hold = 55, escalate = 75 } }]\n";
        let relaxing = format!("{WAVE}{RELAXES}");
        assert_eq!(surges(&relaxing).unwrap()[0].relaxes[0].segment, "major");
        for (right, wrong, words) in [
            ("'major'", "'default'", "expected one of major, probation"),
            ("'major'", "'gold'", "expected one of major, probation"),
            ("segment = 'default'", "segment = 'major'", "found segment \"major\", expected one of probation"),
            ("'major', points = 5", "'major', points = 21", "expected 1 to 20"),
            ("escalate = 75 }", "escalate = 50 }", "does not rise from hold to escalate"),
            ("escalate = 75 }", "escalate = 75, block = 99 }", "block"),
            (
                "relaxes = [",
                "relaxes = [{ segment = 'major', points = 1, ceiling = { hold = 5, escalate = 7 } }, ",
                "twice",
            ),
        ] {
            let error = surges(&relaxing.replacen(right, wrong, 1)).unwrap_err();
            assert!(error.contains("sensitivity.toml") && error.contains(words), "{error}");
        }
    }
}
