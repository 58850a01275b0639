//! The counterfactual: the same plays of the same music, with genre, language and country of other music.
//!
//! ```text
//! tracks ──tags exchanged among those that have one──▶ the same data otherwise ──▶ replay ──▶ whose risk moved?
//! ```
//!
//! Who is stopped for what he does is stopped whatever his music is called. A test of the whole river, not of one model: whatever reads a
//! tag on the way to a risk is found, however it is hidden.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::hash::{BuildHasher, BuildHasherDefault, DefaultHasher};
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use datasets::tables::read::{FromRow, IdKinds, id_kinds, read_table};
use datasets::tables::rows::{Rows, Value};
use datasets::tables::{Inputs, TableWriter};
use records::{Account, Id, Track};

use crate::exit::Failure;
use crate::royalties::streams::text_of;

fn input(error: datasets::Error) -> Failure {
    Failure::Input(error.to_string())
}

/// Makes a folder of data that is the same but for tags of tracks and countries of accounts: these two tables are written, all others are
/// links to the files as they are.
///
/// # Errors
/// When a table cannot be read or written.
pub fn relabel(inputs: &Inputs, folder: &Path) -> Result<(), Failure> {
    let kinds = id_kinds(inputs.by_table()).map_err(input)?;
    for (table, files) in inputs.by_table() {
        let into = folder.join(table);
        let failed = |error| Failure::Output(format!("{}: {error}", into.display()));
        std::fs::create_dir_all(&into).map_err(failed)?;
        if ["tracks", "accounts"].contains(&table) {
            continue;
        }
        for (number, file) in files.iter().enumerate() {
            let file = std::fs::canonicalize(file).map_err(failed)?;
            // In the order of the files, which is that of their names.
            symlink(file, into.join(format!("{number:05}.parquet"))).map_err(failed)?;
        }
    }
    let tags: [Tag<Track>; 3] = [|row| &mut row.genre, |row| &mut row.language, |row| &mut row.country];
    rewrite(&inputs.tracks, &folder.join("tracks/0.parquet"), &kinds, |row| row.track_id.clone(), &tags)?;
    let tags: [Tag<Account>; 1] = [|row| &mut row.country];
    rewrite(&inputs.accounts, &folder.join("accounts/0.parquet"), &kinds, |row| row.account_id.clone(), &tags)
}

/// Where a row has a tag.
type Tag<R> = fn(&mut R) -> &mut Option<String>;

fn rewrite<R: FromRow>(
    from: &[PathBuf],
    into: &Path,
    kinds: &IdKinds,
    id: fn(&R) -> Id,
    tags: &[Tag<R>],
) -> Result<(), Failure> {
    let output = |error: datasets::Error| Failure::Output(error.to_string());
    if from.is_empty() {
        return Ok(());
    }
    let mut rows: Vec<R> = Vec::new();
    read_table(from, kinds, |row| rows.push(row), &mut Vec::new()).map_err(input)?;
    tags.iter().for_each(|tag| exchange(&mut rows, id, tag));
    let mut writer = TableWriter::of_kinds(into, *kinds).map_err(output)?;
    rows.into_iter().try_for_each(|row| writer.push(row)).map_err(output)?;
    writer.finish().map_err(output)?;
    Ok(())
}

/// Gives each distinct value of the tag to those who had another one: in a circle, so that everybody who has a tag has another one and
/// groups stay as large as the value that they take. Who has none keeps none: what is missing is a fact about a delivery, not a group.
fn exchange<R>(rows: &mut [R], id: impl Fn(&R) -> Id, tag: impl Fn(&mut R) -> &mut Option<String>) {
    let mut values: BTreeSet<String> = BTreeSet::new();
    let mut had: BTreeMap<Id, String> = BTreeMap::new();
    for row in rows.iter_mut() {
        let key = id(row);
        if let Some(value) = tag(row) {
            values.insert(value.clone());
            had.insert(key, value.clone());
        }
    }
    let values: Vec<String> = values.into_iter().collect();
    let Some(last) = values.len().checked_sub(1).filter(|last| *last > 0) else { return };
    // By turns another step: were all of one value to take the same other one, a rule about groups would find them again.
    let mut steps = 0;
    let next: HashMap<Id, String> = had
        .into_iter()
        .map(|(id, value)| {
            let at = values.binary_search(&value).expect("it is among the values");
            steps = steps % last + 1;
            (id, values[(at + steps) % values.len()].clone())
        })
        .collect();
    for row in rows {
        let key = id(row);
        if let (value @ Some(_), Some(next)) = (tag(row), next.get(&key)) {
            *value = Some(next.clone());
        }
    }
}

/// Subjects whose risk or verdict at some instant is not the same in both folders of tables, by kind and id.
///
/// # Errors
/// When a table cannot be read.
pub fn moved(one: &Path, other: &Path) -> Result<BTreeSet<(String, String)>, Failure> {
    let mut moved = BTreeSet::new();
    for (table, columns) in [
        ("risk", &["as_of", "diff", "subject", "subject_id", "r", "rc", "rb", "rp"][..]),
        ("verdict", &["as_of", "diff", "subject", "subject_id", "verdict", "r"][..]),
    ] {
        // How often each row stands in the one and not in the other, by its hash: rows of a subject that moved do not cancel out.
        let mut rows: HashMap<(String, String), HashMap<u64, i64>> = HashMap::new();
        for (tables, sign) in [(one, 1), (other, -1)] {
            let mut table = Rows::open(&tables.join(format!("{table}.parquet")), columns).map_err(input)?;
            while table.advance().map_err(input)? {
                let who = (text_of(table.value(2)), text_of(table.value(3)));
                let says: Vec<String> = (0..columns.len()).map(|at| said(table.value(at))).collect();
                let hash = BuildHasherDefault::<DefaultHasher>::default().hash_one(says);
                let of_it = rows.entry(who).or_default();
                let count = of_it.entry(hash).or_default();
                *count += sign;
                if *count == 0 {
                    of_it.remove(&hash);
                }
            }
        }
        moved.extend(rows.into_iter().filter(|(_, rows)| !rows.is_empty()).map(|(who, _)| who));
    }
    Ok(moved)
}

fn said(value: Value<'_>) -> String {
    match value {
        Value::Float(number) => number.to_string(),
        value => text_of(value),
    }
}

#[cfg(test)]
mod tests {
    use datasets::tables::rows::{self, Column, ColumnKind};

    use super::*;

    fn row(id: u64, genre: Option<&str>) -> (Id, Option<String>) {
        (Id::Number(id), genre.map(str::to_owned))
    }

    #[test]
    fn whoever_is_decided_otherwise_at_some_instant_has_moved() {
        let folders = [0, 1].map(|_| tempfile::tempdir().expect("a folder"));
        let column = |(name, kind): (&str, ColumnKind)| Column { name: name.to_owned(), kind };
        for (side, folder) in folders.iter().enumerate() {
            let who =
                |id, r| vec![Value::Int(id), Value::Int(1), Value::Text("track"), Value::Int(id), Value::Float(r)];
            let risks = [
                ("as_of", ColumnKind::Int),
                ("diff", ColumnKind::Int),
                ("subject", ColumnKind::Text),
                ("subject_id", ColumnKind::Int),
                ("r", ColumnKind::Float),
                ("rc", ColumnKind::Float),
                ("rb", ColumnKind::Float),
                ("rp", ColumnKind::Float),
            ];
            let rest = [Value::Float(0.0), Value::Float(0.0), Value::Float(0.0)];
            let rows = [(1, 0.5), (2, [0.5, 0.4][side]), (3, 0.5)].map(|(id, r)| [who(id, r), rest.to_vec()].concat());
            // In another order, the same rows are the same.
            let rows = if side == 0 { rows.to_vec() } else { rows.into_iter().rev().collect() };
            rows::write(&folder.path().join("risk.parquet"), &risks.map(column), &rows).expect("written");
            let verdicts = [&risks[..4], &[("verdict", ColumnKind::Text), ("r", ColumnKind::Float)]].concat();
            let row =
                |id, verdict| [who(id, 0.5)[..4].to_vec(), vec![Value::Text(verdict), Value::Float(0.5)]].concat();
            let rows = [row(1, "hold"), row(3, ["hold", "block"][side])];
            let columns: Vec<Column> = verdicts.into_iter().map(column).collect();
            rows::write(&folder.path().join("verdict.parquet"), &columns, &rows).expect("written");
        }
        let moved = moved(folders[0].path(), folders[1].path()).expect("tables");
        let who = |id: &str| ("track".to_owned(), id.to_owned());
        assert_eq!(moved, BTreeSet::from([who("2"), who("3")]));
    }

    #[test]
    fn everybody_who_has_a_tag_has_another_one() {
        let genres = ["rock", "jazz", "folk", "ambient"];
        let rows: Vec<_> = (0..400).map(|at| row(at % 200, (at % 5 > 0).then(|| genres[at as usize % 4]))).collect();
        let mut exchanged = rows.clone();
        exchange(&mut exchanged, |row| row.0.clone(), |row| &mut row.1);
        for (before, after) in rows.iter().zip(&exchanged) {
            assert_eq!(before.1.is_some(), after.1.is_some(), "who has none keeps none");
            assert!(before.1.is_none() || before.1 != after.1, "{before:?}");
        }
        // A track has the same tag in all its rows, and no group moves as one.
        assert_eq!(exchanged[..200], exchanged[200..]);
        let to: BTreeSet<_> = exchanged
            .iter()
            .zip(&rows)
            .filter(|(_, row)| row.1.as_deref() == Some("rock"))
            .map(|(row, _)| &row.1)
            .collect();
        assert!(to.len() > 1, "{to:?}");
        // One value only: nothing can be exchanged.
        let mut same = vec![row(1, Some("rock")), row(2, Some("rock"))];
        exchange(&mut same, |row| row.0.clone(), |row| &mut row.1);
        assert_eq!(same, [row(1, Some("rock")), row(2, Some("rock"))]);
    }
}
