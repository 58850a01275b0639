//! Whether a subject exists at all: of whom nothing is said, and of whom nobody ever heard, the verdict is silent alike.
//!
//! ```text
//! tables of the replay, plays and catalogue (--data) ──any row that names it?──▶ known │ refused │ nowhere to look
//! ```

use std::path::{Path, PathBuf};

use datasets::tables::Inputs;
use datasets::tables::rows::{Rows, columns};

use super::{ExplainArgs, input};
use crate::exit::Failure;
use crate::royalties::streams::text_of;

/// Nothing, where a row anywhere names the subject, or there is nowhere to look; then a warning says so.
///
/// # Errors
/// When all places were looked through and none names it.
pub(super) fn or_refused(args: &ExplainArgs) -> Result<(), Failure> {
    let ExplainArgs { subject, id, tables, data, .. } = args;
    let column = format!("{subject}_id");
    let mut places = parquet_of(tables)?;
    if let Some(data) = data {
        let Inputs { plays, tracks, accounts, distributors, playlists, .. } = Inputs::in_folder(data).map_err(input)?;
        places.extend([tracks, accounts, distributors, playlists, plays].concat());
    }
    let mut looked = Vec::new();
    for path in &places {
        let there: Vec<String> = columns(path).map_err(input)?.into_iter().map(|column| column.name).collect();
        let has = |name: &str| there.iter().any(|known| known == name);
        // What speaks about subjects of all kinds speaks about few of each.
        if has("subject") && has("subject_id") && names(path, &[("subject", subject), ("subject_id", id)])? {
            return Ok(());
        }
        if has(&column) {
            if names(path, &[(&column, id)])? {
                return Ok(());
            }
            looked.push(path);
        }
    }
    // Tables of those against whom something speaks say nothing of the others.
    let of_suspects = ["payout_hold.parquet", "gate.parquet", "withheld.parquet"];
    let is_of_all =
        |path: &&PathBuf| path.file_name().is_some_and(|name| !of_suspects.iter().any(|known| name == *known));
    let tables = tables.display();
    if !looked.iter().any(is_of_all) {
        eprintln!(
            "truestream: warning: whether there is {subject} {id} at all is not known: {tables} has no table that names all of its kind; --data says where to look"
        );
        return Ok(());
    }
    let next = if data.is_some() {
        "check the id"
    } else {
        "check the id, or give --data, to look through the plays and the catalogue as well"
    };
    Err(Failure::Input(format!("{subject} {id}: nothing is known of it: no row of {tables} names it; {next}")))
}

fn parquet_of(folder: &Path) -> Result<Vec<PathBuf>, Failure> {
    let failed = |error: std::io::Error| Failure::Input(format!("{}: {error}", folder.display()));
    let mut paths = Vec::new();
    for entry in std::fs::read_dir(folder).map_err(failed)? {
        let path = entry.map_err(failed)?.path();
        if path.is_file() && path.extension().is_some_and(|extension| extension == "parquet") {
            paths.push(path);
        }
    }
    paths.sort();
    Ok(paths)
}

/// Whether a row says all of that.
fn names(path: &Path, said: &[(&str, &String)]) -> Result<bool, Failure> {
    let wanted: Vec<&str> = said.iter().map(|(column, _)| *column).collect();
    let mut rows = Rows::open(path, &wanted).map_err(input)?;
    while rows.advance().map_err(input)? {
        if said.iter().enumerate().all(|(at, (_, text))| text_of(rows.value(at)) == **text) {
            return Ok(true);
        }
    }
    Ok(false)
}
