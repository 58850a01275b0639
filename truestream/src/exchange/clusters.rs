//! What belongs together among what was stopped: devices and payments of many accounts, recordings of one uploader.
//!
//! ```text
//! verdicts of a period, rulings ──▶ stopped accounts ──plays, accounts──▶ per device and payment ──at least k──┐
//!                               └─▶ stopped uploaders ─────────tracks──▶ per uploader its recordings ──at least k─┴──▶ clusters
//! ```

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::path::{Path, PathBuf};

use datasets::tables::Inputs;
use datasets::tables::read::id_kinds;
use datasets::tables::rows::{Rows, Value};
use features::sound::landmarks::figures;
use features::standing::Course;
use records::{Millis, Subject, Verdict};

use super::sounds::{nobodys, sketch};
use super::tags::Tagger;
use super::{Cluster, Kind};
use crate::exit::Failure;
use crate::ingredients::Ingredients;
use crate::royalties::streams::{courses, other_inputs, ruled, text_of};
use crate::scan::prints::kept;
use crate::verify::Settings;

fn input(error: datasets::Error) -> Failure {
    Failure::Input(error.to_string())
}

/// Where ids stand.
pub(super) struct Sources {
    inputs: Inputs,
    audio: Vec<PathBuf>,
    /// Where a scan kept the prints of what it heard.
    scans: Vec<PathBuf>,
}

impl Sources {
    /// The tables of a folder, and the files that a scan read.
    pub(super) fn read(data: &Path, evidence: Option<&Path>) -> Result<Sources, Failure> {
        let mut inputs = Inputs::in_folder(data).map_err(input)?;
        if let Some(folder) = evidence {
            inputs.add_evidence(folder).map_err(input)?;
        }
        let audio = std::mem::take(&mut inputs.audio);
        let scans = [Some(data), evidence].into_iter().flatten().map(Path::to_owned).collect();
        Ok(Sources { inputs, audio, scans })
    }

    /// Refuses data without the files that the tables were made of; what came since may lie beside them.
    pub(super) fn refuse_others(&self, tables: &Path) -> Result<(), Failure> {
        let replayed = Ingredients::read(tables)?;
        for (name, files) in self.inputs.by_table() {
            let is_asked = matches!(name, "plays" | "accounts" | "tracks");
            if let Some(one) = replayed.lacking(name, files)?.filter(|_| is_asked) {
                let lacks = format!("{name}: nothing there is {}, BLAKE3 {}", one.file, one.hash);
                return Err(other_inputs(tables, &lacks));
            }
        }
        Ok(())
    }

    /// What people ruled, in files beside the folder.
    pub(super) fn add_rulings(&mut self, files: &[PathBuf]) {
        self.inputs.rulings.extend_from_slice(files);
    }

    /// Every account with a device that it used, as often as it did.
    pub(super) fn devices(&self, hear: impl FnMut(String, String)) -> Result<(), Failure> {
        pairs(&self.inputs.plays, ["account_id", "device_id"], hear)
    }

    /// Every account with its payment instrument.
    pub(super) fn payments(&self, hear: impl FnMut(String, String)) -> Result<(), Failure> {
        pairs(&self.inputs.accounts, ["account_id", "payment_id"], hear)
    }

    /// The sketch of what the file of this hash sounds like; `None` where no scan kept its print, or there is too little of it.
    pub(super) fn sketch(&self, file: &str, tagger: &Tagger, secret: &str) -> Result<Option<String>, Failure> {
        for scan in &self.scans {
            if let Some(print) = kept(scan, file)? {
                return Ok(sketch(tagger, &figures(&print), secret));
            }
        }
        Ok(None)
    }

    /// Every row of the catalogue, with the hashes of the files of its recording.
    pub(super) fn tracks(&self) -> Result<Vec<Carried>, Failure> {
        let mut files: HashMap<String, BTreeSet<String>> = HashMap::new();
        pairs(&self.audio, ["content_id", "hash"], |content, hash| {
            files.entry(content).or_default().insert(hash);
        })?;
        let mut tracks = Vec::new();
        for path in &self.inputs.tracks {
            let columns = ["track_id", "content_id", "isrc", "uploader_id", "distributor_id"];
            let mut rows = Rows::open(path, &columns).map_err(input)?;
            while rows.advance().map_err(input)? {
                let text = |column: usize| some(rows.value(column));
                let Some(track) = text(0) else { continue };
                let content = text(1).unwrap_or_else(|| track.clone());
                let files = files.get(&content).cloned().unwrap_or_default();
                let isrc = text(2).and_then(|isrc| plain_isrc(&isrc));
                tracks.push(Carried { track, files, isrc, uploader: text(3), distributor: text(4) });
            }
        }
        Ok(tracks)
    }
}

/// A track, and what its recording is known by elsewhere.
pub(super) struct Carried {
    pub(super) track: String,
    pub(super) files: BTreeSet<String>,
    pub(super) isrc: Option<String>,
    pub(super) uploader: Option<String>,
    pub(super) distributor: Option<String>,
}

impl Carried {
    /// The ids of a kind.
    pub(super) fn ids(&self, kind: Kind) -> Vec<&str> {
        match kind {
            Kind::File | Kind::Sound => self.files.iter().map(String::as_str).collect(),
            Kind::Isrc => self.isrc.iter().map(String::as_str).collect(),
            Kind::Device | Kind::Payment => Vec::new(),
        }
    }
}

/// An ISRC without hyphens and spaces, in capitals; `None` where it has not twelve signs.
fn plain_isrc(isrc: &str) -> Option<String> {
    let plain: String = isrc.chars().filter(char::is_ascii_alphanumeric).collect::<String>().to_ascii_uppercase();
    (plain.len() == 12).then_some(plain)
}

fn some(value: Value<'_>) -> Option<String> {
    (value != Value::Null).then(|| text_of(value))
}

fn pairs(paths: &[PathBuf], columns: [&str; 2], mut hear: impl FnMut(String, String)) -> Result<(), Failure> {
    for path in paths {
        let mut rows = Rows::open(path, &columns).map_err(input)?;
        while rows.advance().map_err(input)? {
            if let (Some(one), Some(other)) = (some(rows.value(0)), some(rows.value(1))) {
                hear(one, other);
            }
        }
    }
    Ok(())
}

/// The instants from the one to the other, both counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Period {
    pub(super) from: Millis,
    pub(super) until: Millis,
}

/// Who was escalated or blocked at some time of a period.
#[derive(Debug, Default)]
pub(super) struct Stopped {
    accounts: HashSet<String>,
    uploaders: HashSet<String>,
    tracks: HashSet<String>,
    /// What only this party can know: its verdicts, as a hash.
    secret: String,
}

/// Who was stopped in the period, by the table of verdicts and what people ruled of it since: who was cleared was never stopped. What is only held is
/// not told to anybody.
pub(super) fn stopped(
    tables: &Path,
    sources: &Sources,
    settings: &Settings,
    Period { from, until }: Period,
) -> Result<Stopped, Failure> {
    let kinds = id_kinds(sources.inputs.by_table()).map_err(input)?;
    let courses = ruled(courses(tables, until)?, (&sources.inputs, &kinds), Millis::MAX, settings.every_ms)?;
    let of = |subject: Subject| -> HashSet<String> {
        let is_stopped = |course: &Course| course.gravest_between(from, until) >= Verdict::Escalate;
        let all = courses.get(&subject).into_iter().flatten();
        all.filter(|(_, course)| is_stopped(course)).map(|(id, _)| id.clone()).collect()
    };
    let verdicts = std::fs::read(tables.join("verdict.parquet"));
    let verdicts = verdicts.map_err(|error| Failure::Input(format!("{}: {error}", tables.display())))?;
    Ok(Stopped {
        accounts: of(Subject::Account),
        uploaders: of(Subject::Uploader),
        tracks: of(Subject::Track),
        secret: blake3::hash(&verdicts).to_hex().to_string(),
    })
}

/// The clusters of at least `k`, sorted: their order says nothing.
pub(super) fn of(sources: &Sources, stopped: &Stopped, k: u64, tagger: &Tagger) -> Result<Vec<Cluster>, Failure> {
    let mut clusters = Vec::new();
    for kind in [Kind::Device, Kind::Payment] {
        let mut users: HashMap<String, HashSet<String>> = HashMap::new();
        let hear = |account: String, id: String| {
            if stopped.accounts.contains(&account) {
                users.entry(id).or_default().insert(account);
            }
        };
        match kind {
            Kind::Device => sources.devices(hear)?,
            _ => sources.payments(hear)?,
        }
        let many = users.into_iter().filter(|(_, accounts)| accounts.len() as u64 >= k);
        clusters.extend(many.map(|(id, accounts)| Cluster {
            kind,
            size_min: rounded(accounts.len() as u64).max(k),
            tags: vec![tagger.tag(kind, &id)],
        }));
    }
    let tracks = sources.tracks()?;
    for kind in [Kind::File, Kind::Isrc, Kind::Sound] {
        let mut brought: BTreeMap<&String, BTreeSet<&str>> = BTreeMap::new();
        for track in &tracks {
            let Some(uploader) = &track.uploader else { continue };
            if stopped.uploaders.contains(uploader) || stopped.tracks.contains(&track.track) {
                brought.entry(uploader).or_default().extend(track.ids(kind));
            }
        }
        for (uploader, ids) in brought {
            let seed = format!("{}/{}/{uploader}", stopped.secret, kind.name());
            let mut tags = Vec::new();
            for id in ids {
                match kind {
                    Kind::Sound => tags.extend(sources.sketch(id, tagger, &format!("{seed}/{id}"))?),
                    _ => tags.push(tagger.tag(kind, id)),
                }
            }
            let count = tags.len() as u64;
            if count < k {
                continue;
            }
            // So many that their number says no more than the size.
            tags.extend((count..above(count)).map(|number| match kind {
                Kind::Sound => nobodys(tagger, &format!("{seed}/{number}")),
                _ => tagger.nobodys(&format!("{seed}/{number}")),
            }));
            tags.sort_unstable();
            clusters.push(Cluster { kind, size_min: rounded(count).max(k), tags });
        }
    }
    clusters.sort();
    Ok(clusters)
}

/// The first of 1, 2 or 5 times a power of ten that is more.
fn above(count: u64) -> u64 {
    let least = rounded(count);
    // After 2 comes 5, after 1 and 5 twice as much.
    if least / 10_u64.pow(least.ilog10()) == 2 { least / 2 * 5 } else { least * 2 }
}

/// Rounded down to 1, 2 or 5 times a power of ten.
fn rounded(count: u64) -> u64 {
    let power = 10_u64.pow(count.max(1).ilog10());
    [5, 2, 1].into_iter().map(|times| times * power).find(|round| *round <= count).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_rounded_down() {
        assert_eq!([1, 4, 5, 9, 12, 20, 49, 50, 1_999].map(rounded), [1, 2, 5, 5, 10, 20, 20, 50, 1_000]);
        assert_eq!([1, 4, 5, 9, 12, 20, 49, 50, 1_999].map(above), [2, 5, 10, 10, 20, 50, 50, 100, 2_000]);
    }

    #[test]
    fn an_isrc_is_one_however_it_is_written() {
        assert_eq!(plain_isrc("de-a01-26-00001").as_deref(), Some("DEA012600001"));
        assert_eq!(plain_isrc("DEA01"), None);
    }
}
