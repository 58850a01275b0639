//! Every stream that a replay knows, and how it stands: paid, waiting, or of nobody.
//!
//! ```text
//! verdicts, rulings ──▶ courses ──┐
//! payout_hold, gate ──────────────┴──▶ standing
//! plays, without those refused, corrected or shorter than 30 s ──▶ streams
//! ```

use std::collections::{HashMap, HashSet};
use std::ops::Range;
use std::path::Path;

use datasets::arrivals::read_corrections;
use datasets::names::play_id_of;
use datasets::tables::Inputs;
use datasets::tables::read::{IdKinds, read_all, read_table};
use datasets::tables::rows::{Rows, Value};
use features::royalty::Standing;
use features::standing::Course;
use features::tally::PAYABLE_MS;
use records::{Id, IdSpace, Millis, Ruled, Ruling, Source, Subject, Track, Verdict};

use crate::exit::Failure;
use crate::ingredients::Ingredients;
use crate::verify::Settings;

fn input(error: datasets::Error) -> Failure {
    Failure::Input(error.to_string())
}

/// A play of 30 seconds or more.
pub(crate) struct Stream {
    /// Who listened.
    pub(crate) account: Id,
    /// What was played.
    pub(crate) track: Id,
    /// The playlist it came from.
    pub(crate) playlist: Option<Id>,
    /// When it ended.
    pub(crate) ended_at: Millis,
    /// When it was known.
    pub(crate) arrived_at: Millis,
    /// Where the listener found it.
    pub(crate) source: Source,
}

/// Hears every stream that ended in the time and is known at the close, in the order of the files.
///
/// # Errors
/// When an input cannot be read, or the tables were made of other files.
pub(crate) fn each_stream(
    inputs: &Inputs,
    tables: &Path,
    kinds: &IdKinds,
    ended: Range<Millis>,
    close: Millis,
    mut hear: impl FnMut(Stream),
) -> Result<(), Failure> {
    // What was refused is known by file and row, so the plays must be the replay's; what they are called may have changed.
    let replayed = Ingredients::read(tables)?;
    if let Some(other) = replayed.other("plays", &inputs.plays)? {
        return Err(other_inputs(tables, &other));
    }
    let corrections = read_corrections(&inputs.corrections, kinds, &mut Vec::new()).map_err(input)?;
    let corrected: HashSet<u128> =
        corrections.into_iter().filter(|(_, at)| *at < close).map(|(play, _)| play).collect();
    let (refused, none) = (refused(tables)?, HashSet::new());
    for (path, then) in inputs.plays.iter().zip(replayed.table("plays")) {
        let refused = refused.get(&then.file).unwrap_or(&none);
        let columns =
            ["play_id", "account_id", "track_id", "ended_at", "arrived_at", "played_ms", "source", "playlist_id"];
        let mut rows = Rows::open(path, &columns).map_err(input)?;
        let mut number = 0;
        while rows.advance().map_err(input)? {
            let row = number;
            number += 1;
            let Value::Int(ended_at) = rows.value(3) else { continue };
            let arrived_at = if let Value::Int(at) = rows.value(4) { at.max(ended_at) } else { ended_at };
            let is_known = arrived_at < close && ended.contains(&ended_at);
            if !is_known || whole(rows.value(5)) < u64::from(PAYABLE_MS) || refused.contains(&row) {
                continue;
            }
            let id = |at, space: IdSpace| rows.value(at).id(kinds[space as usize]);
            let (Some(play), Some(account), Some(track)) =
                (id(0, IdSpace::Play), id(1, IdSpace::Account), id(2, IdSpace::Track))
            else {
                continue;
            };
            let key = match &play {
                Id::Number(number) => u128::from(*number),
                Id::Text(text) => play_id_of(text),
            };
            if !corrected.contains(&key) {
                let source =
                    if let Value::Text(name) = rows.value(6) { Source::from_name(name) } else { Source::Other };
                hear(Stream { account, track, playlist: id(7, IdSpace::Playlist), ended_at, arrived_at, source });
            }
        }
    }
    Ok(())
}

/// The rows of plays that the replay refused, by file.
fn refused(tables: &Path) -> Result<HashMap<String, HashSet<u64>>, Failure> {
    let mut refused: HashMap<String, HashSet<u64>> = HashMap::new();
    let mut rows = Rows::open(&tables.join("refusal.parquet"), &["source", "file", "row"]).map_err(input)?;
    while rows.advance().map_err(input)? {
        if rows.value(0) == Value::Text("plays") {
            refused.entry(text_of(rows.value(1))).or_default().insert(whole(rows.value(2)));
        }
    }
    Ok(refused)
}

fn whole(value: Value<'_>) -> u64 {
    match value {
        Value::Int(number) => u64::try_from(number).unwrap_or(0),
        Value::UInt(number) => number,
        _ => 0,
    }
}

/// The rows of the catalogue in force at the end of a time; of tracks without one then the first that came into force before the close.
pub(crate) fn catalogue(
    inputs: &Inputs,
    kinds: &IdKinds,
    end: Millis,
    close: Millis,
) -> Result<HashMap<Id, Track>, Failure> {
    let mut catalogue: HashMap<Id, Track> = HashMap::new();
    let begins = |track: &Track| track.valid_from.unwrap_or(Millis::MIN);
    let keep = |track: Track| {
        let from = begins(&track);
        let is_better = |known: &Track| match (from < end, begins(known) < end) {
            (true, true) => from > begins(known),
            (false, false) => from < begins(known),
            (is_in_force, _) => is_in_force,
        };
        if (from < end || from < close) && catalogue.get(&track.track_id).is_none_or(is_better) {
            catalogue.insert(track.track_id.clone(), track);
        }
    };
    read_table(&inputs.tracks, kinds, keep, &mut Vec::new()).map_err(input)?;
    Ok(catalogue)
}

/// What decides how a stream stands.
pub(crate) struct Known<'a> {
    courses: Courses,
    waiting: HashSet<String>,
    catalogue: &'a HashMap<Id, Track>,
    window_ms: Millis,
    every_ms: Millis,
}

/// The courses of those whom plays of a track are about.
pub(crate) struct Judged<'a> {
    track: Option<&'a Course>,
    owners: Vec<&'a Course>,
    waits: bool,
}

impl Judged<'_> {
    /// Whether it waits for a word or an approval, whatever the verdicts are.
    pub(crate) fn waits(&self) -> bool {
        self.waits
    }

    /// Without what waits for a word or an approval.
    pub(crate) fn by_verdicts_alone(self) -> Self {
        Judged { waits: false, ..self }
    }
}

impl<'a> Known<'a> {
    /// What the tables say as of instants up to the close, and what is left of it of what people had ruled by then.
    ///
    /// # Errors
    /// When the replay wrote no verdicts, or a table cannot be read.
    pub(crate) fn read(
        (tables, settings): (&Path, &Settings),
        (inputs, kinds): (&Inputs, &IdKinds),
        catalogue: &'a HashMap<Id, Track>,
        close: Millis,
    ) -> Result<Known<'a>, Failure> {
        Ok(Known {
            courses: ruled(courses(tables, close)?, (inputs, kinds), close, settings.every_ms)?,
            waiting: waiting(tables, settings, close)?,
            catalogue,
            window_ms: settings.windows.last().map_or(0, |(_, ms)| *ms),
            every_ms: settings.every_ms,
        })
    }

    /// The verdicts on the account over time.
    pub(crate) fn of_account(&self, id: &Id) -> Option<&Course> {
        self.course(Subject::Account, &id.to_string())
    }

    fn course(&self, subject: Subject, id: &str) -> Option<&Course> {
        self.courses.get(&subject)?.get(id)
    }

    /// The verdicts over time that plays of the track are about, beside their accounts'.
    pub(crate) fn judged(&self, track: &Id) -> Judged<'_> {
        let row = self.catalogue.get(track);
        let owner = |subject, id: Option<&Id>| self.course(subject, &id?.to_string());
        let artist = owner(Subject::Artist, row.and_then(|row| row.artist_id.as_ref()));
        let uploader = owner(Subject::Uploader, row.and_then(|row| row.uploader_id.as_ref()));
        let track = track.to_string();
        Judged {
            track: self.course(Subject::Track, &track),
            owners: artist.into_iter().chain(uploader).collect(),
            waits: self.waiting.contains(&track),
        }
    }

    /// A blocked account or track makes a stream count for nothing; whatever else speaks against somebody makes its money wait.
    pub(crate) fn standing(&self, ended_at: Millis, account: Option<&Course>, judged: &Judged) -> Standing {
        let gravest = |course: &Course| course.gravest(ended_at, self.window_ms, self.every_ms);
        let own = account.into_iter().chain(judged.track).map(gravest).max().unwrap_or_default();
        let of_owners = judged.owners.iter().map(|course| gravest(course)).max().unwrap_or_default();
        match own {
            Verdict::Block => Standing::Withheld,
            Verdict::Allow if of_owners == Verdict::Allow && !judged.waits => Standing::Payable,
            _ => Standing::Held,
        }
    }
}

/// The verdicts over time of every subject that ever had one, by its id.
pub(crate) type Courses = HashMap<Subject, HashMap<String, Course>>;

/// The verdicts on accounts, tracks, artists and uploaders as of instants up to the close.
///
/// # Errors
/// When the replay wrote no verdicts.
pub(crate) fn courses(tables: &Path, close: Millis) -> Result<Courses, Failure> {
    let path = tables.join("verdict.parquet");
    let has_changes = has_changes(&path)?;
    let mut courses = Courses::new();
    each_until(&path, &["subject", "subject_id", "verdict"], close, |as_of, comes, row| {
        let subject = match row.value(2) {
            Value::Text("account") => Subject::Account,
            Value::Text("track") => Subject::Track,
            Value::Text("artist") => Subject::Artist,
            Value::Text("uploader") => Subject::Uploader,
            _ => return,
        };
        let verdict = match row.value(4) {
            Value::Text("block") => Verdict::Block,
            Value::Text("escalate") => Verdict::Escalate,
            _ => Verdict::Hold,
        };
        let course = courses.entry(subject).or_default().entry(text_of(row.value(3))).or_default();
        match comes {
            true => course.begins(as_of, verdict),
            false => course.ends(as_of),
        }
        if !has_changes {
            // Rows as of an instant say nothing of the next one.
            course.ends(as_of + 1);
        }
    })?;
    Ok(courses)
}

/// What is left of verdicts of what people had ruled by the close.
///
/// # Errors
/// When a ruling cannot be read.
pub(crate) fn ruled(
    mut courses: Courses,
    (inputs, kinds): (&Inputs, &IdKinds),
    close: Millis,
    every_ms: Millis,
) -> Result<Courses, Failure> {
    for ((subject, id), rulings) in rulings(inputs, kinds)? {
        let course = courses.entry(subject).or_default().entry(id).or_default();
        *course = course.ruled(subject, &rulings, close, every_ms);
    }
    Ok(courses)
}

/// What people ruled about whom.
fn rulings(inputs: &Inputs, kinds: &IdKinds) -> Result<HashMap<(Subject, String), Vec<Ruling>>, Failure> {
    let mut rulings: HashMap<(Subject, String), Vec<Ruling>> = HashMap::new();
    let keep = |Ruled { subject, subject_id, ruling }: Ruled| {
        rulings.entry((subject, subject_id.to_string())).or_default().push(ruling);
    };
    read_all(&inputs.rulings, kinds, keep, &mut Vec::new()).map_err(input)?;
    Ok(rulings)
}

/// Tracks that wait as of the close: for what they must declare, or at the gate.
fn waiting(tables: &Path, settings: &Settings, close: Millis) -> Result<HashSet<String>, Failure> {
    let mut waiting = HashSet::new();
    let last = settings.as_of_ms.map_or(close, |(_, last)| close.min(last));
    let last = last.div_euclid(settings.every_ms) * settings.every_ms;
    for (table, column, word) in [("payout_hold", "track_id", None), ("gate", "action", Some("wait"))] {
        let path = tables.join(format!("{table}.parquet"));
        if !path.is_file() {
            continue;
        }
        let has_changes = has_changes(&path)?;
        // Reasons by track: it waits while it has one. Rows as of an instant say nothing of the next one.
        let mut reasons: HashMap<String, i64> = HashMap::new();
        each_until(&path, &["track_id", column], close, |as_of, comes, row| {
            let speaks = has_changes || as_of == last;
            if speaks && word.is_none_or(|word| row.value(3) == Value::Text(word)) {
                *reasons.entry(text_of(row.value(2))).or_default() += if comes { 1 } else { -1 };
            }
        })?;
        waiting.extend(reasons.into_iter().filter(|(_, reasons)| *reasons > 0).map(|(track, _)| track));
    }
    Ok(waiting)
}

/// Whether the table tells what comes and goes, and not what there is as of each instant.
fn has_changes(path: &Path) -> Result<bool, Failure> {
    let columns = datasets::tables::rows::columns(path).map_err(input)?;
    Ok(columns.iter().any(|column| column.name == "diff"))
}

/// The rows of a table of the replay as of instants up to the close: the instant, whether the row comes (or goes), and the row.
pub(crate) fn each_until(
    path: &Path,
    columns: &[&str],
    close: Millis,
    mut take: impl FnMut(Millis, bool, &Rows),
) -> Result<(), Failure> {
    let wanted: Vec<&str> = ["as_of", "diff"].into_iter().chain(columns.iter().copied()).collect();
    let mut rows = Rows::open(path, &wanted).map_err(input)?;
    while rows.advance().map_err(input)? {
        if let Value::Int(as_of) = rows.value(0)
            && as_of <= close
        {
            take(as_of, rows.value(1) != Value::Int(-1), &rows);
        }
    }
    Ok(())
}

/// The value as a text; empty where it is none.
pub(crate) fn text_of(value: Value<'_>) -> String {
    match value {
        Value::Text(text) => text.to_owned(),
        Value::Int(number) => number.to_string(),
        Value::UInt(number) => number.to_string(),
        _ => String::new(),
    }
}

/// Other files than those of which the tables speak.
pub(crate) fn other_inputs(tables: &Path, other: &str) -> Failure {
    let tables = tables.display();
    Failure::Input(format!(
        "{tables}: made of other files than given: {other}; give the files that were replayed, or replay these"
    ))
}
