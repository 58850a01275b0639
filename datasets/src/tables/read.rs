//! Reads the small tables as records, one row in force per key.
//!
//! ```text
//! files ──▶ which keys come twice? ──▶ rows ──▶ records; of rows that share a key the first one, the others refused
//! ```

use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::{Path, PathBuf};

use arrow::array::RecordBatch;
use hashbrown::{HashMap, HashSet};
use records::{
    Account, Code, Confidence, Correction, Disclosure, Distributor, Duplicate, Evidence, Id, IdSpace, Label, LabelKind,
    Millis, Network, NetworkKind, Playlist, Refusal, Risk, Ruled, Ruling, RulingKind, Subject, Track, Verdict,
};

use super::columns::{IdKind, Row};
use super::rows::{ColumnKind, Rows, Value, columns};
use crate::Error;

/// Instants before this are refused: the Unix epoch.
pub const INSTANT_MIN: Millis = 0;
/// Instants from this on are refused: the year 2200.
pub const INSTANT_MAX: Millis = 7_258_118_400_000;

/// Whether the ids of each space are texts; a space with a text in any file is all texts.
pub type IdKinds = [IdKind; IdSpace::ALL.len()];

/// A record that can be read from a row of its table.
pub trait FromRow: Row + Clone + Ord {
    /// The columns, in the order of the fields.
    const COLUMNS: &'static [&'static str];
    /// How many of the first columns are required.
    const REQUIRED: usize;
    /// What makes two rows speak of the same thing, and of the same time.
    type Key: Ord + Hash + Clone;

    /// The record of the row.
    ///
    /// # Errors
    /// Why the row is none.
    fn from_row(row: &Cells<'_>) -> Result<Self, (Code, String)>;

    /// What the record speaks of.
    fn key(&self) -> Self::Key;

    /// The columns that must be there.
    fn required() -> &'static [&'static str] {
        &Self::COLUMNS[..Self::REQUIRED]
    }
}

/// The values of a row, by place among [`FromRow::COLUMNS`].
pub struct Cells<'a> {
    rows: &'a Rows,
    names: &'static [&'static str],
    kinds: &'a IdKinds,
}

/// Why a row is no record.
pub(crate) type Refused = (Code, String);

impl Cells<'_> {
    fn missing(&self, at: usize) -> Refused {
        (Code::Missing, format!("{} is null", self.names[at]))
    }

    fn wrong(&self, at: usize, expected: &str) -> Refused {
        (Code::WrongType, format!("{} is {:?}; expected {expected}", self.names[at], self.rows.value(at)))
    }

    fn range(&self, at: usize, expected: &str) -> Refused {
        (Code::OutOfRange, format!("{} is {:?}; expected {expected}", self.names[at], self.rows.value(at)))
    }

    fn id(&self, at: usize, space: Option<IdSpace>) -> Result<Option<Id>, Refused> {
        let texts = space.is_some_and(|space| self.kinds[space as usize] == IdKind::Text);
        let number = |number: u64| match number {
            u64::MAX => Err(self.range(at, "a number below 2^64 - 1")),
            number if texts => Ok(Some(Id::from(number.to_string()))),
            number => Ok(Some(Id::Number(number))),
        };
        match self.rows.value(at) {
            Value::Null => Ok(None),
            Value::Text(text) => Ok(Some(Id::from(text))),
            Value::UInt(value) => number(value),
            Value::Int(value) => match u64::try_from(value) {
                Ok(value) => number(value),
                Err(_) => Err(self.range(at, "a number of at least 0")),
            },
            _ => Err(self.wrong(at, "a text or a whole number")),
        }
    }

    /// An id of the space, however it is written: `7` and `"7"` are one.
    fn id_of(&self, at: usize, space: IdSpace) -> Result<Option<Id>, Refused> {
        let id = self.id(at, Some(space))?;
        let (Some(Id::Text(text)), IdKind::Number) = (&id, self.kinds[space as usize]) else { return Ok(id) };
        let number = text.parse().ok().filter(|number: &u64| *number < u64::MAX && number.to_string() == **text);
        number.map(|number| Some(Id::Number(number))).ok_or_else(|| self.range(at, "a number, as such ids are here"))
    }

    /// The first of the required columns that holds nothing: what is absent is said first, whatever else is wrong with the row.
    fn absent(&self, required: usize) -> Result<(), Refused> {
        let is_null = |at: &usize| matches!(self.rows.value(*at), Value::Null);
        (0..required).find(is_null).map_or(Ok(()), |at| Err(self.missing(at)))
    }

    fn text(&self, at: usize) -> Result<Option<String>, Refused> {
        match self.rows.value(at) {
            Value::Null => Ok(None),
            Value::Text(text) => Ok(Some(text.to_owned())),
            _ => Err(self.wrong(at, "a text")),
        }
    }

    fn whole(&self, at: usize) -> Result<Option<i64>, Refused> {
        match self.rows.value(at) {
            Value::Null => Ok(None),
            Value::Int(number) => Ok(Some(number)),
            Value::UInt(number) => Ok(Some(i64::try_from(number).unwrap_or(i64::MAX))),
            _ => Err(self.wrong(at, "a whole number")),
        }
    }

    fn count(&self, at: usize) -> Result<Option<u64>, Refused> {
        let count = |number| u64::try_from(number).map_err(|_| self.range(at, "a number of at least 0"));
        self.whole(at)?.map(count).transpose()
    }

    /// Ten-thousandths of the whole; a share that is no exact multiple of one is rounded to the nearest.
    fn share(&self, at: usize) -> Result<Option<u64>, Refused> {
        let share = match self.rows.value(at) {
            Value::Null => return Ok(None),
            Value::Float(share) => share,
            Value::Int(whole) => whole as f64,
            Value::UInt(whole) => whole as f64,
            _ => return Err(self.wrong(at, "a number from 0 to 1")),
        };
        // What is not a number lies in no range.
        match (0.0..=1.0).contains(&share) {
            true => Ok(Some((share * 10_000.0).round() as u64)),
            false => Err(self.range(at, "a number from 0 to 1")),
        }
    }

    fn flag(&self, at: usize) -> Result<Option<bool>, Refused> {
        match self.rows.value(at) {
            Value::Null => Ok(None),
            Value::Bool(flag) => Ok(Some(flag)),
            _ => Err(self.wrong(at, "true or false")),
        }
    }

    /// A declaration; an empty one is none.
    fn disclosure(&self, at: usize) -> Result<Option<Disclosure>, Refused> {
        let declared =
            |word: String| Disclosure::from_name(&word).ok_or_else(|| self.range(at, "all, partly, none or null"));
        self.text(at)?.filter(|word| !word.is_empty()).map(declared).transpose()
    }
}

impl FromRow for Track {
    const COLUMNS: &'static [&'static str] = &[
        "track_id",
        "content_id",
        "isrc",
        "title",
        "version",
        "artist_id",
        "artist_name",
        "uploader_id",
        "distributor_id",
        "label",
        "genre",
        "language",
        "country",
        "duration_ms",
        "uploaded_at",
        "released_at",
        "contains_ai",
        "ai_vocals",
        "ai_instruments",
        "ai_postproduction",
        "consent_ref",
        "audio_uri",
        "valid_from",
    ];
    const REQUIRED: usize = 1;
    type Key = (Id, Option<Millis>);

    fn from_row(row: &Cells<'_>) -> Result<Track, Refused> {
        Ok(Track {
            track_id: row.id(0, Some(IdSpace::Track))?.ok_or_else(|| row.missing(0))?,
            content_id: row.id(1, None)?,
            isrc: row.text(2)?,
            title: row.text(3)?,
            version: row.text(4)?,
            artist_id: row.id(5, Some(IdSpace::Artist))?,
            artist_name: row.text(6)?,
            uploader_id: row.id(7, Some(IdSpace::Uploader))?,
            distributor_id: row.id(8, Some(IdSpace::Distributor))?,
            label: row.text(9)?,
            genre: row.text(10)?,
            language: row.text(11)?,
            country: row.text(12)?,
            duration_ms: row.count(13)?,
            uploaded_at: row.whole(14)?,
            released_at: row.whole(15)?,
            contains_ai: row.disclosure(16)?,
            ai_vocals: row.disclosure(17)?,
            ai_instruments: row.disclosure(18)?,
            ai_postproduction: row.disclosure(19)?,
            consent_ref: row.text(20)?,
            audio_uri: row.text(21)?,
            valid_from: row.whole(22)?,
        })
    }

    fn key(&self) -> (Id, Option<Millis>) {
        (self.track_id.clone(), self.valid_from)
    }
}

impl FromRow for Account {
    const COLUMNS: &'static [&'static str] =
        &["account_id", "created_at", "plan", "country", "payment_id", "family_id", "email_domain_class"];
    const REQUIRED: usize = 1;
    type Key = Id;

    fn from_row(row: &Cells<'_>) -> Result<Account, Refused> {
        Ok(Account {
            account_id: row.id(0, Some(IdSpace::Account))?.ok_or_else(|| row.missing(0))?,
            created_at: row.whole(1)?,
            plan: row.text(2)?,
            country: row.text(3)?,
            payment_id: row.id(4, Some(IdSpace::Payment))?,
            family_id: row.id(5, None)?,
            email_domain_class: row.text(6)?,
        })
    }

    fn key(&self) -> Id {
        self.account_id.clone()
    }
}

impl FromRow for Correction {
    const COLUMNS: &'static [&'static str] = &["play_id", "arrived_at", "reason"];
    const REQUIRED: usize = 2;
    type Key = (Id, Millis);

    fn from_row(row: &Cells<'_>) -> Result<Correction, Refused> {
        row.absent(Self::REQUIRED)?;
        let play_id = row.id(0, Some(IdSpace::Play))?.ok_or_else(|| row.missing(0))?;
        let arrived_at = row.whole(1)?.ok_or_else(|| row.missing(1))?;
        if !(INSTANT_MIN..INSTANT_MAX).contains(&arrived_at) {
            return Err(row.range(1, "an instant from 1970 to 2199"));
        }
        Ok(Correction { play_id, arrived_at, reason: row.text(2)? })
    }

    fn key(&self) -> (Id, Millis) {
        (self.play_id.clone(), self.arrived_at)
    }
}

impl FromRow for Distributor {
    const COLUMNS: &'static [&'static str] = &["distributor_id", "tier", "verified", "valid_from"];
    const REQUIRED: usize = 1;
    type Key = (Id, Option<Millis>);

    fn from_row(row: &Cells<'_>) -> Result<Distributor, Refused> {
        Ok(Distributor {
            distributor_id: row.id(0, Some(IdSpace::Distributor))?.ok_or_else(|| row.missing(0))?,
            tier: row.text(1)?,
            verified: row.flag(2)?,
            valid_from: row.whole(3)?,
        })
    }

    fn key(&self) -> (Id, Option<Millis>) {
        (self.distributor_id.clone(), self.valid_from)
    }
}

impl FromRow for Network {
    const COLUMNS: &'static [&'static str] = &["asn", "kind"];
    const REQUIRED: usize = 2;
    type Key = u32;

    fn from_row(row: &Cells<'_>) -> Result<Network, Refused> {
        let asn = row.whole(0)?.ok_or_else(|| row.missing(0))?;
        let asn = u32::try_from(asn).ok().filter(|asn| *asn != u32::MAX);
        let kind = row.text(1)?.map_or(NetworkKind::Unknown, |kind| NetworkKind::from_name(&kind));
        Ok(Network { asn: asn.ok_or_else(|| row.range(0, "0 to 4294967294"))?, kind })
    }

    fn key(&self) -> u32 {
        self.asn
    }
}

impl FromRow for Playlist {
    const COLUMNS: &'static [&'static str] = &["playlist_id", "owner_id", "editorial", "followers"];
    const REQUIRED: usize = 1;
    type Key = Id;

    fn from_row(row: &Cells<'_>) -> Result<Playlist, Refused> {
        Ok(Playlist {
            playlist_id: row.id(0, Some(IdSpace::Playlist))?.ok_or_else(|| row.missing(0))?,
            owner_id: row.id(1, None)?,
            editorial: row.flag(2)?,
            followers: row.count(3)?,
        })
    }

    fn key(&self) -> Id {
        self.playlist_id.clone()
    }
}

impl FromRow for Label {
    const COLUMNS: &'static [&'static str] =
        &["subject", "subject_id", "label", "attack", "from", "until", "labelled_at", "labelled_by"];
    const REQUIRED: usize = 3;
    /// Labels may contradict each other; every row stands.
    type Key = Label;

    fn from_row(row: &Cells<'_>) -> Result<Label, Refused> {
        let label = row.text(2)?.ok_or_else(|| row.missing(2))?;
        Ok(Label {
            subject: row.text(0)?.ok_or_else(|| row.missing(0))?,
            subject_id: row.id(1, None)?.ok_or_else(|| row.missing(1))?,
            label: LabelKind::from_name(&label).ok_or_else(|| row.range(2, "fraud, honest or victim"))?,
            attack: row.text(3)?,
            from: row.whole(4)?,
            until: row.whole(5)?,
            labelled_at: row.whole(6)?,
            labelled_by: row.text(7)?,
        })
    }

    fn key(&self) -> Label {
        self.clone()
    }
}

impl FromRow for Ruled {
    const COLUMNS: &'static [&'static str] =
        &["subject", "subject_id", "ruling", "known_at", "verdict", "since", "until", "ruled_by", "reason"];
    const REQUIRED: usize = 4;
    /// Rulings may contradict each other; every row stands.
    type Key = Ruled;

    fn from_row(row: &Cells<'_>) -> Result<Ruled, Refused> {
        row.absent(Self::REQUIRED)?;
        let word = |at: usize| row.text(at).map(Option::unwrap_or_default);
        let subject = Subject::named(&word(0)?);
        let subject = subject.ok_or_else(|| row.range(0, &Subject::ALL.map(Subject::name).join(", ")))?;
        let subject_id = row.id_of(1, subject.space())?.ok_or_else(|| row.missing(1))?;
        let confirmed = || match Verdict::named(&word(4)?) {
            Some(verdict) if verdict > Verdict::Allow => Ok(RulingKind::Confirmed(verdict)),
            _ => Err(row.range(4, "hold, escalate or block, which is confirmed")),
        };
        let kind = match &*word(2)? {
            "cleared" => RulingKind::Cleared,
            "victim" => RulingKind::Victim,
            "confirmed" => confirmed()?,
            "withdrawn" => RulingKind::Withdrawn,
            _ => return Err(row.range(2, "cleared, victim, confirmed or withdrawn")),
        };
        if kind.verdict().is_none() && row.text(4)?.is_some() {
            return Err(row.range(4, "null: only what is confirmed is a verdict"));
        }
        let known_at = row.whole(3)?.ok_or_else(|| row.missing(3))?;
        if !(INSTANT_MIN..INSTANT_MAX).contains(&known_at) {
            return Err(row.range(3, "an instant from 1970 to 2199"));
        }
        let (since, until) = (row.whole(5)?, row.whole(6)?);
        if since.zip(until).is_some_and(|(since, until)| until <= since) {
            return Err(row.range(6, "an instant later than since"));
        }
        let ruling = Ruling { kind, known_at, since, until, ruled_by: row.text(7)?, reason: row.text(8)? };
        Ok(Ruled { subject, subject_id, ruling })
    }

    fn key(&self) -> Ruled {
        self.clone()
    }
}

impl FromRow for Evidence {
    const COLUMNS: &'static [&'static str] =
        &["content_id", "detector", "version", "risk", "confidence", "details", "known_at", "file"];
    const REQUIRED: usize = 4;
    /// What is heard is dated; every row stands.
    type Key = Evidence;

    /// What an optional column does not say is the plainest claim: full confidence, no details, known since ever, no file.
    fn from_row(row: &Cells<'_>) -> Result<Evidence, Refused> {
        row.absent(Self::REQUIRED)?;
        Ok(Evidence {
            content_id: row.id(0, None)?.ok_or_else(|| row.missing(0))?,
            detector: row.text(1)?.ok_or_else(|| row.missing(1))?,
            version: row.text(2)?.ok_or_else(|| row.missing(2))?,
            risk: Risk::from_parts(row.share(3)?.ok_or_else(|| row.missing(3))?),
            confidence: row.share(4)?.map_or(Confidence::FULL, Confidence::from_parts),
            details: row.text(5)?.unwrap_or_else(|| "{}".to_owned()),
            known_at: row.whole(6)?.unwrap_or(Millis::MIN),
            file: row.text(7)?,
        })
    }

    fn key(&self) -> Evidence {
        self.clone()
    }
}

impl FromRow for Duplicate {
    const COLUMNS: &'static [&'static str] = &["content_id", "group_id", "known_at"];
    const REQUIRED: usize = 2;
    /// As evidence.
    type Key = Duplicate;

    fn from_row(row: &Cells<'_>) -> Result<Duplicate, Refused> {
        let content_id = row.id(0, None)?.ok_or_else(|| row.missing(0))?;
        Ok(Duplicate { content_id, group_id: row.id(1, None)?, known_at: row.whole(2)?.unwrap_or(Millis::MIN) })
    }

    fn key(&self) -> Duplicate {
        self.clone()
    }
}

/// Which columns of which tables hold ids of which space.
pub(super) const ID_COLUMNS: [(&str, &str, IdSpace); 15] = [
    ("plays", "play_id", IdSpace::Play),
    ("plays", "account_id", IdSpace::Account),
    ("plays", "track_id", IdSpace::Track),
    ("plays", "device_id", IdSpace::Device),
    ("plays", "ip_prefix", IdSpace::IpPrefix),
    ("plays", "playlist_id", IdSpace::Playlist),
    ("corrections", "play_id", IdSpace::Play),
    ("tracks", "track_id", IdSpace::Track),
    ("tracks", "artist_id", IdSpace::Artist),
    ("tracks", "uploader_id", IdSpace::Uploader),
    ("tracks", "distributor_id", IdSpace::Distributor),
    ("accounts", "account_id", IdSpace::Account),
    ("accounts", "payment_id", IdSpace::Payment),
    ("distributors", "distributor_id", IdSpace::Distributor),
    ("playlists", "playlist_id", IdSpace::Playlist),
];

/// Which ids the column of the table holds; `None` when it holds none of a space of their own.
pub(crate) fn space_of(table: &str, column: &str) -> Option<IdSpace> {
    let known = ID_COLUMNS.iter().find(|(of, name, _)| *of == table && *name == column);
    known.map(|(_, _, space)| *space)
}

/// Looks into the schemas of the files for the kinds of their ids. Ids of one space are numbers only if all files say so.
///
/// # Errors
/// When a file cannot be read.
pub fn id_kinds<'a>(files: impl IntoIterator<Item = (&'static str, &'a [PathBuf])>) -> Result<IdKinds, Error> {
    let mut kinds = [IdKind::Number; IdSpace::ALL.len()];
    for (table, paths) in files {
        for path in paths {
            for column in columns(path)?.iter().filter(|column| column.kind == ColumnKind::Text) {
                if let Some(space) = space_of(table, &column.name) {
                    kinds[space as usize] = IdKind::Text;
                }
            }
        }
    }
    Ok(kinds)
}

/// Reads every row of the table, one record per key in the order of the files: of rows that share a key the one that
/// sorts first, so that neither files nor their order matter. The others are refused.
///
/// # Errors
/// When a file cannot be read or lacks a required column.
pub fn read_table<R: FromRow>(
    paths: &[PathBuf],
    kinds: &IdKinds,
    mut keep: impl FnMut(R),
    refusals: &mut Vec<Refusal>,
) -> Result<(), Error> {
    let shared = shared_keys::<R>(paths, kinds)?;
    let mut rivals: HashMap<u64, Vec<(R, usize, u64)>> = HashMap::new();
    for (file, path) in paths.iter().enumerate() {
        each_row::<R>(path, kinds, |row, number| match row {
            Ok(record) => {
                let hash = hash_of(&record.key());
                if shared.contains(&hash) {
                    rivals.entry(hash).or_default().push((record, file, number));
                } else {
                    keep(record);
                }
            }
            Err((code, reason)) => refusals.push(refusal::<R>(path, number, code, reason)),
        })?;
    }
    for (_, mut rows) in rivals {
        rows.sort_by(|a, b| (a.0.key(), &a.0, a.1, a.2).cmp(&(b.0.key(), &b.0, b.1, b.2)));
        for same in rows.chunk_by(|a, b| a.0.key() == b.0.key()) {
            for (record, file, number) in &same[1..] {
                let code = if *record == same[0].0 { Code::Repeated } else { Code::Conflicting };
                let reason = format!("another row of {} with the same key is in force", R::TABLE);
                refusals.push(refusal::<R>(&paths[*file], *number, code, reason));
            }
            keep(same[0].0.clone());
        }
    }
    Ok(())
}

/// Reads every row of the table as it comes.
///
/// # Errors
/// When a file cannot be read or lacks a required column.
pub fn read_all<R: FromRow>(
    paths: &[PathBuf],
    kinds: &IdKinds,
    mut keep: impl FnMut(R),
    refusals: &mut Vec<Refusal>,
) -> Result<(), Error> {
    for path in paths {
        each_row::<R>(path, kinds, |row, number| match row {
            Ok(record) => keep(record),
            Err((code, reason)) => refusals.push(refusal::<R>(path, number, code, reason)),
        })?;
    }
    Ok(())
}

/// Recordings are of no space: their ids are read as they are written.
const OF_NO_SPACE: IdKinds = [IdKind::Text; IdSpace::ALL.len()];

/// Reads every row of the tables of evidence as it comes: rows = evidence kept + refusals.
///
/// # Errors
/// When a file cannot be read, lacks a required column, or holds other types than the columns ask for.
pub fn read_evidence(paths: &[PathBuf], keep: impl FnMut(Evidence), refusals: &mut Vec<Refusal>) -> Result<(), Error> {
    read_all(paths, &OF_NO_SPACE, keep, refusals)
}

/// Reads every row of the tables of duplicates, as far as it says which recordings are one.
///
/// # Errors
/// As [`read_evidence`].
pub fn read_duplicates(
    paths: &[PathBuf],
    keep: impl FnMut(Duplicate),
    refusals: &mut Vec<Refusal>,
) -> Result<(), Error> {
    read_all(paths, &OF_NO_SPACE, keep, refusals)
}

/// The hashes of keys that occur more than once (and of a few that do not, where hashes meet).
fn shared_keys<R: FromRow>(paths: &[PathBuf], kinds: &IdKinds) -> Result<HashSet<u64>, Error> {
    let (mut seen, mut shared) = (HashSet::new(), HashSet::new());
    for path in paths {
        each_row::<R>(path, kinds, |row, _| {
            if let Ok(record) = row {
                let hash = hash_of(&record.key());
                if !seen.insert(hash) {
                    shared.insert(hash);
                }
            }
        })?;
    }
    Ok(shared)
}

fn each_row<R: FromRow>(
    path: &Path,
    kinds: &IdKinds,
    mut tell: impl FnMut(Result<R, Refused>, u64),
) -> Result<(), Error> {
    let found: Vec<String> = columns(path)?.into_iter().map(|column| column.name).collect();
    if let Some(column) = R::required().iter().find(|column| !found.iter().any(|name| name == *column)) {
        return Err(Error::MissingColumn { path: path.to_owned(), table: R::TABLE, column, found });
    }
    let mut number = 0;
    each(Rows::open(path, R::COLUMNS)?, kinds, |row| {
        // A column has one type: what is wrong with one of its values is wrong with all.
        if let Err((Code::WrongType, reason)) = row {
            return Err(Error::Input(format!("{}: row {number}: {reason}: convert the column", path.display())));
        }
        tell(row, number);
        number += 1;
        Ok(())
    })
}

fn each<R: FromRow>(
    mut rows: Rows,
    kinds: &IdKinds,
    mut tell: impl FnMut(Result<R, Refused>) -> Result<(), Error>,
) -> Result<(), Error> {
    while rows.advance()? {
        tell(R::from_row(&Cells { rows: &rows, names: R::COLUMNS, kinds }))?;
    }
    Ok(())
}

/// Reads every row of the batches as it comes: a record, or why it is none.
///
/// # Errors
/// When a column holds what no value can be read from.
pub(crate) fn read_batches<R: FromRow>(
    batches: Vec<RecordBatch>,
    kinds: &IdKinds,
    mut tell: impl FnMut(Result<R, Refused>),
) -> Result<(), Error> {
    each(Rows::of_batches(R::TABLE, batches, R::COLUMNS), kinds, |row| {
        tell(row);
        Ok(())
    })
}

fn hash_of(key: &impl Hash) -> u64 {
    // The hasher of the standard library is the same within a process, which is all that is asked of it here.
    let mut hasher = DefaultHasher::new();
    key.hash(&mut hasher);
    hasher.finish()
}

fn refusal<R: FromRow>(path: &Path, row: u64, code: Code, reason: String) -> Refusal {
    Refusal { source: R::TABLE.to_owned(), file: path.display().to_string(), row, code, reason, raw: None }
}
