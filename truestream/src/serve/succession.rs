//! Which model scores accounts from when on: the champions of a registry, as this service took them up.
//!
//! ```text
//! champion at the first start ──▶ from the beginning ────────────────────┐
//! another champion ──▶ the dataflow ends as of T ──▶ from the next tick on ┴──▶ models.jsonl ──▶ `--model 1 --model 2@T` of a replay
//! ```
//!
//! A registry tells no time, and what was stated must be stated again after a restart: so it is written down here who spoke until when.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use datasets::formats::instant;
use records::Millis;
use serde::{Deserialize, Serialize};

use super::state::write_whole;
use crate::exit::Failure;
use crate::learn::{Registry, SUBJECT, Version};

/// The name of the file.
pub const FILE: &str = "models.jsonl";

/// A model, and from when on it speaks.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Reign {
    version: u32,
    /// The hashes of its files.
    digest: String,
    /// The last instant that was stated without it; missing where it speaks from the beginning.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    after: Option<String>,
}

impl Reign {
    /// As the option `--model` of a replay says it.
    fn as_option(&self) -> String {
        match &self.after {
            Some(after) => format!("{}@{after}", self.version),
            None => self.version.to_string(),
        }
    }
}

/// The champions of a registry, one after the other.
#[derive(Clone)]
pub struct Succession {
    registry: Registry,
    file: PathBuf,
    reigns: Vec<Reign>,
}

impl Succession {
    /// What the folder of a service knows, and else the champion of now, from the beginning.
    ///
    /// # Errors
    /// When there is no champion, what is written down cannot be read, or a version is not there or another one than spoke.
    pub fn open(models: &Path, folder: &Path) -> Result<Succession, Failure> {
        let (registry, file) = (Registry::open(models)?, folder.join(FILE));
        let reigns = match std::fs::read_to_string(&file) {
            Ok(text) => read(&file, &text)?,
            Err(error) if error.kind() == ErrorKind::NotFound => Vec::new(),
            Err(error) => return Err(Failure::Input(format!("{}: {error}", file.display()))),
        };
        let mut succession = Succession { registry, file, reigns };
        for reign in &succession.reigns {
            let known = succession.registry.version(&reign.version.to_string())?;
            if known.digest() != reign.digest {
                return Err(Failure::Input(format!(
                    "{}: version {} had the files {:.12}, and in {} it has {:.12}: bring the registry back with which the service ran, or begin with \
                     another --state",
                    succession.file.display(),
                    reign.version,
                    reign.digest,
                    models.display(),
                    known.digest()
                )));
            }
        }
        if succession.reigns.is_empty() {
            let champion = succession.registry.champion()?.ok_or_else(|| {
                Failure::Input(format!(
                    "{}: no version is champion, and a service scores with the champion; see `truestream promote`",
                    models.display()
                ))
            })?;
            succession.reigns.push(reign(&champion, None));
        }
        Ok(succession)
    }

    /// The options `--model` of the replay that scores as this service does.
    pub fn as_options(&self) -> Vec<String> {
        self.reigns.iter().map(Reign::as_option).collect()
    }

    /// The one that speaks, as verdicts name it, and since when.
    pub fn in_words(&self) -> String {
        match self.reigns.last() {
            Some(Reign { version, after: Some(after), .. }) => format!("{SUBJECT}/{version} after {after}"),
            Some(Reign { version, .. }) => format!("{SUBJECT}/{version} from the beginning"),
            None => "none".to_owned(),
        }
    }

    /// The champion of the registry, where it is another one than speaks.
    ///
    /// # Errors
    /// When nobody knows who is.
    pub fn challenger(&self) -> Result<Option<Version>, Failure> {
        let speaks = self.reigns.last().map(|reign| reign.version);
        match self.registry.champion_number()? {
            Some(number) if Some(number) == speaks => Ok(None),
            Some(_) => self.registry.champion(),
            None => Err(Failure::Input("the registry has no champion any more".to_owned())),
        }
    }

    /// With this version speaking after the instant that was stated last; from the beginning, and alone, where nothing was.
    pub fn with(&self, version: &Version, stated: Option<Millis>) -> Succession {
        let mut next = self.clone();
        if stated.is_none() {
            next.reigns.clear();
        }
        next.reigns.push(reign(version, stated));
        next
    }

    /// Writes it down; it is there whole or as it was before.
    ///
    /// # Errors
    /// When the disk does not take it.
    pub fn write(&self) -> Result<(), Failure> {
        let line = |reign: &Reign| serde_json::to_string(reign).expect("texts and numbers are JSON") + "\n";
        write_whole(&self.file, self.reigns.iter().map(line).collect::<String>().as_bytes())
    }
}

fn reign(version: &Version, stated: Option<Millis>) -> Reign {
    Reign { version: version.number, digest: version.digest(), after: stated.map(instant::to_text) }
}

/// The lines of the file. Only the first speaks from the beginning, and none before the one above it.
fn read(file: &Path, text: &str) -> Result<Vec<Reign>, Failure> {
    let mut reigns: Vec<Reign> = Vec::new();
    let mut last = None;
    for (number, line) in text.lines().enumerate() {
        let wrong = |why: &dyn std::fmt::Display| {
            let place = format!("{}, line {}", file.display(), number + 1);
            Failure::Input(format!("{place}: {why}; bring the file back from a backup, or begin with another --state"))
        };
        let reign: Reign = serde_json::from_str(line).map_err(|error| wrong(&error))?;
        let after = match &reign.after {
            Some(text) => Some(instant::from_text(text).ok_or_else(|| wrong(&format!("{text:?} is no instant")))?),
            None => None,
        };
        if (number == 0) != after.is_none() || after.is_some() && after < last {
            return Err(wrong(
                &"found another order than that of time, expected the first from the beginning and each after the one above it",
            ));
        }
        last = after;
        reigns.push(reign);
    }
    Ok(reigns)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_spoke_until_when_is_read_as_it_was_written_and_nothing_else_is() {
        let file = Path::new(FILE);
        let first = r#"{"version":1,"digest":"a"}"#;
        let second = r#"{"version":2,"digest":"b","after":"2026-01-05T06:00:00Z"}"#;
        let again = r#"{"version":1,"digest":"a","after":"2026-01-06T06:00:00Z"}"#;
        let known = read(file, &[first, second, again].join("\n")).expect("in the order of time");
        let options: Vec<String> = known.iter().map(Reign::as_option).collect();
        assert_eq!(options, ["1", "2@2026-01-05T06:00:00Z", "1@2026-01-06T06:00:00Z"]);
        for (lines, says) in [
            ([first, first].as_slice(), "line 2: found another order"),
            (&[second], "line 1: found another order"),
            (&[first, again, second], "line 3: found another order"),
            (&[first, r#"{"version":2,"digest":"b","after":"noon"}"#], "\"noon\" is no instant"),
            (&[first, "{"], "line 2: EOF"),
        ] {
            let told = read(file, &lines.join("\n")).expect_err("refused").to_string();
            assert!(told.contains(says), "{told}");
        }
    }
}
