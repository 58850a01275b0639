//! Names the plays that count for nothing: those of blocked accounts, in a second pass over the files of plays.
//!
//! ```text
//! verdicts ──▶ blocked accounts ──┐
//! plays, row by row ──────────────┴──▶ not refused, not corrected, in the longest window ──▶ withheld
//! ```

use std::collections::{BTreeMap, HashSet};
use std::path::{Path, PathBuf};

use datasets::names::{NameTable, play_id_of};
use datasets::tables::rows::{Rows, Value};
use datasets::tables::{Cell, ViewFile};
use records::{Id, IdSpace, Millis, Refusal};

use crate::exit::Failure;

/// Which plays count as of the last instant.
pub struct Counting<'a> {
    /// The files of plays.
    pub files: &'a [PathBuf],
    /// The kinds of ids.
    pub names: &'a NameTable,
    /// Rows that count as no play.
    pub refused: &'a [Refusal],
    /// Plays that were corrected.
    pub corrected: &'a HashSet<u128>,
    /// The last instant.
    pub as_of: Millis,
    /// The length of the longest window.
    pub window_ms: Millis,
}

/// Writes the plays of the blocked accounts, each with the reason why its account is blocked, ordered by play.
pub fn write(counting: &Counting, blocked: &BTreeMap<&str, String>, file: &mut ViewFile) -> Result<(), Failure> {
    if blocked.is_empty() {
        return Ok(());
    }
    let mut found = Vec::new();
    for path in counting.files {
        collect(counting, blocked, path, &mut found)?;
    }
    found.sort();
    for (play, account, track) in &found {
        let reason = &blocked[account.to_string().as_str()];
        let cells =
            [Cell::Instant(counting.as_of), Cell::Id(play), Cell::Id(account), Cell::Id(track), Cell::Text(reason)];
        file.push(cells).map_err(|error| Failure::Output(error.to_string()))?;
    }
    Ok(())
}

fn collect(
    counting: &Counting,
    blocked: &BTreeMap<&str, String>,
    path: &Path,
    found: &mut Vec<(Id, Id, Id)>,
) -> Result<(), Failure> {
    let input = |error: datasets::Error| Failure::Input(error.to_string());
    let file = path.display().to_string();
    let refused: HashSet<u64> = counting
        .refused
        .iter()
        .filter(|refusal| refusal.source == "plays" && refusal.file == file)
        .map(|refusal| refusal.row)
        .collect();
    let live = counting.as_of - counting.window_ms..counting.as_of;
    let mut rows = Rows::open(path, &["play_id", "account_id", "track_id", "ended_at"]).map_err(input)?;
    let mut row = 0;
    while rows.advance().map_err(input)? {
        let number = row;
        row += 1;
        let Value::Int(ended_at) = rows.value(3) else { continue };
        if !live.contains(&ended_at) || refused.contains(&number) {
            continue;
        }
        let id = |at, space| rows.value(at).id(counting.names.kind(space));
        let Some(account) = id(1, IdSpace::Account).filter(|id| blocked.contains_key(id.to_string().as_str())) else {
            continue;
        };
        let (Some(play), Some(track)) = (id(0, IdSpace::Play), id(2, IdSpace::Track)) else { continue };
        let key = match &play {
            Id::Number(number) => u128::from(*number),
            Id::Text(text) => play_id_of(text),
        };
        if !counting.corrected.contains(&key) {
            found.push((play, account, track));
        }
    }
    Ok(())
}
