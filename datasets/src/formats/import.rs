//! Reads recognised files into the canonical tables.
//!
//! ```text
//! Recognised ──▶ rows ──▶ reading ─┬─▶ plays.parquet      (streamed)
//!                                  ├─▶ refusal.parquet    (streamed)
//!                                  ├─▶ tracks.parquet     (one entry per track in memory until the end)
//!                                  └─▶ accounts.parquet   (one entry per account in memory until the end)
//! ```
//!
//! The tables are made in a hidden folder inside the output folder and moved to their names when all are whole.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use hashbrown::HashMap;
use records::{Account, Code, Id, Millis, Play, Refusal, Track};
use serde::Serialize;
use tempfile::TempDir;

use super::content_id::ContentIds;
use super::instant;
use super::reading::{Context, Facts, Listen, Options, Reading};
use super::recognise::Recognised;
use super::record::{Record, Refused};
use super::rows::{Rows, Step};
use super::shape::Format;
use crate::Error;
use crate::tables::{IdKind, Row, TableWriter};

/// Rows between two words of progress.
const PROGRESS_ROWS: u64 = 4_096;

/// Why an import stops.
#[derive(Debug, thiserror::Error)]
pub enum Fault {
    /// An input cannot be used.
    #[error("{0}")]
    Input(Error),
    /// An output cannot be written.
    #[error("{0}")]
    Output(Error),
}

/// Refusals of one code: how many, and what the first says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Seen {
    /// How many.
    pub rows: u64,
    /// The reason of the first.
    pub example: String,
}

/// What came of a file.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct FileReport {
    /// The file, as it was named.
    pub file: String,
    /// Its format.
    pub format: String,
    /// What it was taken for.
    pub taken_for: String,
    /// Rows in the file: plays + described + refusals.
    pub rows: u64,
    /// Rows that became plays.
    pub plays: u64,
    /// Plays whose length the source does not tell.
    pub assumed_lengths: u64,
    /// Rows that described a track or an account.
    pub described: u64,
    /// Refused rows.
    pub refusals: u64,
    /// Refused rows by code.
    pub refused: BTreeMap<&'static str, Seen>,
    /// The earliest end of a play.
    pub first: Option<Millis>,
    /// The latest end of a play.
    pub last: Option<Millis>,
    /// What damaged the file, if anything did; the rows before the damage were read.
    pub damage: Option<String>,
}

impl FileReport {
    /// Adds another report's rows to this one.
    pub fn add(&mut self, other: &FileReport) {
        self.rows += other.rows;
        self.plays += other.plays;
        self.assumed_lengths += other.assumed_lengths;
        self.described += other.described;
        self.refusals += other.refusals;
        for (code, seen) in &other.refused {
            let entry = self.refused.entry(code);
            entry.and_modify(|mine| mine.rows += seen.rows).or_insert_with(|| seen.clone());
        }
        self.first = [self.first, other.first].into_iter().flatten().min();
        self.last = [self.last, other.last].into_iter().flatten().max();
    }

    /// From when to when plays ended, such as `2020-01-01T00:00:00Z to 2020-02-01T00:00:00Z`.
    pub fn range(&self) -> Option<String> {
        Some(format!("{} to {}", instant::to_text(self.first?), instant::to_text(self.last?)))
    }

    fn refuse(&mut self, refused: &Refused) {
        self.refusals += 1;
        let seen = || Seen { rows: 0, example: format!("row {}: {}", self.rows - 1, refused.reason) };
        self.refused.entry(refused.code.name()).or_insert_with(seen).rows += 1;
    }

    fn check(&self) {
        assert_eq!(self.rows, self.plays + self.described + self.refusals, "every row comes out exactly once");
    }
}

/// How large the tables became.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Totals {
    /// Rows of `plays`.
    pub plays: u64,
    /// Rows of `tracks`.
    pub tracks: u64,
    /// Rows of `accounts`.
    pub accounts: u64,
    /// Rows of `refusal`.
    pub refusals: u64,
}

/// How the folder's name begins in which the tables grow.
const STAGING: &str = ".import-";

/// An import under way.
pub struct Import {
    options: Options,
    out: PathBuf,
    staging: TempDir,
    plays: TableWriter<Play>,
    refusals: TableWriter<Refusal>,
    tracks: HashMap<Id, Facts>,
    accounts: HashMap<Id, Account>,
}

impl Import {
    /// Begins an import into the folder, which is made if need be. Tables of an earlier import stay until
    /// [`Import::finish`].
    ///
    /// # Errors
    /// When the folder cannot be written.
    pub fn begin(out: &Path, options: Options) -> Result<Import, Fault> {
        let output = |error| Fault::Output(Error::io(out, error));
        std::fs::create_dir_all(out).map_err(output)?;
        remove_abandoned(out).map_err(output)?;
        let staging = tempfile::Builder::new().prefix(STAGING).tempdir_in(out).map_err(output)?;
        let ids = id_kind(&options);
        Ok(Import {
            plays: TableWriter::create(staging.path(), ids).map_err(Fault::Output)?,
            refusals: TableWriter::create(staging.path(), ids).map_err(Fault::Output)?,
            out: out.to_owned(),
            staging,
            options,
            tracks: HashMap::new(),
            accounts: HashMap::new(),
        })
    }

    /// Reads a file; `progress` hears how many of its bytes were read.
    ///
    /// # Errors
    /// When the file cannot be opened, an id is no number though ids shall be numbers, or the disk takes no more.
    pub fn read(&mut self, file: &Recognised, progress: &mut dyn FnMut(u64)) -> Result<FileReport, Fault> {
        let mut report = FileReport {
            file: file.path.display().to_string(),
            format: file.format().name().to_owned(),
            taken_for: file.what().to_owned(),
            ..FileReport::default()
        };
        let options = self.options.clone();
        let required = match &options.map {
            Some(map) if file.format() == Format::Mapped => map.required(),
            _ => file.shape.required.to_vec(),
        };
        let folder = folder_name(&file.path);
        let mut ids = ContentIds::default();
        let mut context = Context { options: &options, folder: &folder, ids: &mut ids };

        let mut rows = Rows::open(&file.path, &file.layout, &required).map_err(Fault::Input)?;
        while let Some(step) = rows.next() {
            report.rows += 1;
            let refused = match step {
                Step::Row(record) => match (file.shape.read)(&record, &mut context) {
                    Ok(reading) => self.take(reading, &record, &mut report)?,
                    Err(refused) => Some((refused, Some(record.raw()))),
                },
                Step::Bad(refused, raw) => Some((refused, raw)),
                Step::Damaged(refused, raw) => {
                    report.damage = Some(refused.reason.clone());
                    Some((refused, raw))
                }
            };
            if let Some((refused, raw)) = refused {
                self.refuse(refused, raw, &mut report)?;
            }
            if report.rows.is_multiple_of(PROGRESS_ROWS) {
                progress(rows.bytes());
            }
        }
        progress(file.bytes);
        report.check();
        Ok(report)
    }

    /// Completes the tables and gives them their names.
    ///
    /// # Errors
    /// When the disk does not take them.
    pub fn finish(self) -> Result<Totals, Fault> {
        let ids = id_kind(&self.options);
        let folder = self.staging.path();
        let mut tracks: Vec<(Id, Facts)> = self.tracks.into_iter().collect();
        tracks.sort_unstable_by(|a, b| a.0.cmp(&b.0));
        let mut accounts: Vec<Account> = self.accounts.into_values().collect();
        accounts.sort_unstable();

        let tracks = tracks.into_iter().map(|(id, facts)| facts.into_track(id));
        let totals = Totals {
            tracks: write(folder, ids, tracks).map_err(Fault::Output)?,
            accounts: write(folder, ids, accounts.into_iter()).map_err(Fault::Output)?,
            plays: self.plays.finish().map_err(Fault::Output)?,
            refusals: self.refusals.finish().map_err(Fault::Output)?,
        };
        for table in [Track::TABLE, Account::TABLE, Refusal::TABLE, Play::TABLE] {
            let name = format!("{table}.parquet");
            let (from, to) = (folder.join(&name), self.out.join(&name));
            std::fs::rename(&from, &to).map_err(|error| Fault::Output(Error::io(&to, error)))?;
        }
        Ok(totals)
    }

    /// Keeps what a row describes; what contradicts an earlier row is handed back as a refusal.
    fn take(
        &mut self,
        reading: Reading,
        record: &Record,
        report: &mut FileReport,
    ) -> Result<Option<(Refused, Option<String>)>, Fault> {
        match reading {
            Reading::Play(listen) => self.take_play(*listen, report)?,
            Reading::Track(mut id, mut facts) => {
                self.number(report, [Some(&mut id), facts.artist_id.as_mut(), facts.content_id.as_mut()])?;
                self.describe(&id, *facts);
                report.described += 1;
            }
            Reading::Account(mut account) => {
                self.number(report, [Some(&mut account.account_id)])?;
                let known = self.accounts.get(&account.account_id);
                if known.is_some_and(|known| *known != *account) {
                    let reason = format!("account {} was described otherwise before", account.account_id);
                    return Ok(Some((Refused::new(Code::Conflicting, reason), Some(record.raw()))));
                }
                self.accounts.insert(account.account_id.clone(), *account);
                report.described += 1;
            }
        }
        Ok(None)
    }

    fn take_play(&mut self, listen: Listen, report: &mut FileReport) -> Result<(), Fault> {
        let Listen { mut play, mut facts, assumed } = listen;
        let required = [&mut play.play_id, &mut play.account_id, &mut play.track_id].map(Some);
        self.number(report, required)?;
        self.number(report, [play.device_id.as_mut(), play.ip_prefix.as_mut(), play.playlist_id.as_mut()])?;
        self.number(report, [facts.artist_id.as_mut(), facts.content_id.as_mut()])?;
        if let Some(more) = &mut facts.more {
            self.number(report, [more.uploader_id.as_mut(), more.distributor_id.as_mut()])?;
        }

        report.plays += 1;
        report.assumed_lengths += u64::from(assumed);
        report.first = Some(report.first.map_or(play.ended_at, |first| first.min(play.ended_at)));
        report.last = Some(report.last.map_or(play.ended_at, |last| last.max(play.ended_at)));
        if !self.accounts.contains_key(&play.account_id) {
            self.accounts.insert(play.account_id.clone(), bare_account(play.account_id.clone()));
        }
        self.describe(&play.track_id, facts);
        self.plays.push(play).map_err(Fault::Output)
    }

    fn describe(&mut self, track: &Id, facts: Facts) {
        match self.tracks.get_mut(track) {
            Some(known) => known.merge(facts),
            None => {
                self.tracks.insert(track.clone(), facts);
            }
        }
    }

    /// Turns ids into numbers where the caller wants numbers.
    fn number<const N: usize>(&self, report: &FileReport, ids: [Option<&mut Id>; N]) -> Result<(), Fault> {
        if !self.options.numeric_ids {
            return Ok(());
        }
        for id in ids.into_iter().flatten() {
            if let Id::Text(text) = &*id {
                let number: u64 = text.parse().map_err(|_| {
                    let row = report.rows - 1;
                    Fault::Input(Error::Input(format!(
                        "{}: row {row}: the id {text:?} is no number; import this data with text ids (--ids text)",
                        report.file
                    )))
                })?;
                *id = Id::Number(number);
            }
        }
        Ok(())
    }

    fn refuse(&mut self, refused: Refused, raw: Option<String>, report: &mut FileReport) -> Result<(), Fault> {
        report.refuse(&refused);
        let refusal = Refusal {
            source: report.format.clone(),
            file: report.file.clone(),
            row: report.rows - 1,
            code: refused.code,
            reason: refused.reason,
            raw,
        };
        self.refusals.push(refusal).map_err(Fault::Output)
    }
}

/// Removes what imports left that were killed.
fn remove_abandoned(out: &Path) -> std::io::Result<()> {
    for entry in std::fs::read_dir(out)? {
        let entry = entry?;
        if entry.file_name().to_string_lossy().starts_with(STAGING) && entry.file_type()?.is_dir() {
            std::fs::remove_dir_all(entry.path())?;
        }
    }
    Ok(())
}

fn id_kind(options: &Options) -> IdKind {
    if options.numeric_ids { IdKind::Number } else { IdKind::Text }
}

fn write<R: Row>(folder: &Path, ids: IdKind, rows: impl Iterator<Item = R>) -> Result<u64, Error> {
    let mut table = TableWriter::create(folder, ids)?;
    for row in rows {
        table.push(row)?;
    }
    table.finish()
}

fn bare_account(account_id: Id) -> Account {
    Account {
        account_id,
        created_at: None,
        plan: None,
        country: None,
        payment_id: None,
        family_id: None,
        email_domain_class: None,
    }
}

/// The name of the folder that holds the file.
fn folder_name(path: &Path) -> String {
    let whole = path.canonicalize().unwrap_or_else(|_| path.to_owned());
    let folder = whole.parent().and_then(Path::file_name).map(|name| name.to_string_lossy().into_owned());
    folder.unwrap_or_else(|| "unknown".to_owned())
}
