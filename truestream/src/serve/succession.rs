//! Which model scores accounts from when on: the champions of a registry, as this service took them up.
//!
//! ```text
//! champion at the first start ──▶ from the beginning ────────────────────┐
//! another champion ──▶ the dataflow ends as of T ──▶ from the next tick on ┴──▶ models.jsonl ──▶ `--model 1 --model 2@T` of a replay
//! another beta     ──▶ the same ──▶ models.jsonl ──▶ `--beta 3:10@T`
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
use crate::learn::{Beta, Registry, SUBJECT, Version};
use crate::replay::ReplayArgs;

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
    /// What is tried on some accounts meanwhile.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    beta: Option<Tried>,
}

/// A model that is tried.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Tried {
    version: u32,
    digest: String,
    /// On so many of a hundred accounts.
    percent: u8,
}

impl Reign {
    /// The versions of the registry that it needs, with the hashes of their files.
    fn needs(&self) -> impl Iterator<Item = (u32, &str)> {
        let tried = self.beta.iter().map(|beta| (beta.version, beta.digest.as_str()));
        [(self.version, self.digest.as_str())].into_iter().chain(tried)
    }

    /// What an option of a replay says, from when this begins on.
    fn since(&self, what: &str) -> String {
        self.after.as_ref().map_or_else(|| what.to_owned(), |after| format!("{what}@{after}"))
    }
}

/// Who is to score: the champion, and what is tried beside it.
pub struct Next {
    champion: Version,
    beta: Option<Beta>,
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
        for (version, digest) in succession.reigns.iter().flat_map(Reign::needs) {
            let known = succession.registry.version(&version.to_string())?.digest();
            if known != digest {
                return Err(Failure::Input(format!(
                    "{}: version {version} had the files {digest:.12}, and in {} it has {known:.12}: bring the registry back with which the service ran, \
                     or begin with another --state",
                    succession.file.display(),
                    models.display()
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
            let next = Next { champion, beta: succession.registry.beta()? };
            succession.reigns.push(next.reign(None));
        }
        Ok(succession)
    }

    /// The options of the replay that scores as this service does.
    pub fn in_options(&self, how: ReplayArgs) -> ReplayArgs {
        let (mut model, mut beta) = (Vec::new(), Vec::new());
        let mut before: Option<&Reign> = None;
        for reign in &self.reigns {
            if before.is_none_or(|before| before.version != reign.version) {
                model.push(reign.since(&reign.version.to_string()));
            }
            match &reign.beta {
                Some(tried) => beta.push(reign.since(&format!("{}:{}", tried.version, tried.percent))),
                None if before.is_some_and(|before| before.beta.is_some()) => beta.push(reign.since("none")),
                None => {}
            }
            before = Some(reign);
        }
        ReplayArgs { model, beta, ..how }
    }

    /// The one that speaks, as verdicts name it, what is tried, and since when.
    pub fn in_words(&self) -> String {
        let Some(Reign { version, after, beta, .. }) = self.reigns.last() else { return "none".to_owned() };
        let since = after.as_ref().map_or_else(|| "from the beginning".to_owned(), |after| format!("after {after}"));
        let tried =
            beta.iter().map(|beta| format!(", and {SUBJECT}/{} on {} % of accounts", beta.version, beta.percent));
        format!("{SUBJECT}/{version} {since}{}", tried.collect::<String>())
    }

    /// Who is to score by the registry, where that is somebody else than does.
    ///
    /// # Errors
    /// When nobody knows who is.
    pub fn next(&self) -> Result<Option<Next>, Failure> {
        let champion = self.registry.champion_number()?;
        let champion = champion.ok_or_else(|| Failure::Input("the registry has no champion any more".to_owned()))?;
        let beta = self.registry.beta()?;
        let tried = |beta: &Beta| (beta.version.number, beta.percent);
        let is_known = |reign: &Reign| {
            let known = reign.beta.as_ref().map(|beta| (beta.version, beta.percent));
            reign.version == champion && known == beta.as_ref().map(tried)
        };
        if self.reigns.last().is_some_and(is_known) {
            return Ok(None);
        }
        Ok(self.registry.champion()?.map(|champion| Next { champion, beta }))
    }

    /// With these scoring after the instant that was stated last; from the beginning, and alone, where nothing was.
    pub fn with(&self, next: &Next, stated: Option<Millis>) -> Succession {
        let mut succession = self.clone();
        if stated.is_none() {
            succession.reigns.clear();
        }
        succession.reigns.push(next.reign(stated));
        succession
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

impl Next {
    fn reign(&self, stated: Option<Millis>) -> Reign {
        let Next { champion, beta } = self;
        let tried = |Beta { version, percent, .. }: &Beta| Tried {
            version: version.number,
            digest: version.digest(),
            percent: *percent,
        };
        Reign {
            version: champion.number,
            digest: champion.digest(),
            after: stated.map(instant::to_text),
            beta: beta.as_ref().map(tried),
        }
    }
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
    use crate::words::parsed;

    #[test]
    fn who_spoke_until_when_is_read_as_it_was_written_and_nothing_else_is() {
        let file = Path::new(FILE);
        let first = r#"{"version":1,"digest":"a"}"#;
        let second = r#"{"version":2,"digest":"b","after":"2026-01-05T06:00:00Z"}"#;
        let again = r#"{"version":1,"digest":"a","after":"2026-01-06T06:00:00Z"}"#;
        let tries = r#"{"version":1,"digest":"a","after":"2026-01-07T06:00:00Z","beta":{"version":3,"digest":"c","percent":10}}"#;
        let ends = r#"{"version":1,"digest":"a","after":"2026-01-08T06:00:00Z"}"#;
        let reigns = read(file, &[first, second, again, tries, ends].join("\n")).expect("in the order of time");
        let folder = tempfile::tempdir().expect("a folder");
        let succession = Succession { registry: Registry::at(folder.path()), file: file.to_owned(), reigns };
        let how: ReplayArgs = parsed(["replay", "--data", "-", "--out", "-", "--models", "-"]).expect("a line");
        let ReplayArgs { model, beta, .. } = succession.in_options(how);
        assert_eq!(model, ["1", "2@2026-01-05T06:00:00Z", "1@2026-01-06T06:00:00Z"]);
        assert_eq!(beta, ["3:10@2026-01-07T06:00:00Z", "none@2026-01-08T06:00:00Z"]);
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
