//! Counts which of the copies that somebody made a scan put into one group with their originals.
//!
//! ```text
//! duplicate_group.parquet, copies.tsv (copy, original, what was done, seconds later, speed, pitch) ──▶ a table in Markdown
//! ```
//!
//! `benches/sound/scan.sh` makes both.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use datasets::tables::rows::{Rows, Value};

/// A file of a group: its group, where it begins there, how fast and how high it is.
#[derive(Clone)]
struct Member {
    group: String,
    offset_secs: f64,
    speed: f64,
    pitch: f64,
}

/// How the copies of one kind fared.
#[derive(Default)]
struct Fared {
    made: u32,
    grouped: u32,
    exact: u32,
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let mut path = || arguments.next().ok_or("usage: copies duplicate_group.parquet copies.tsv");
    let (table, list) = (path()?, path()?);
    let members = members(Path::new(&table))?;
    let mut fared: BTreeMap<String, Fared> = BTreeMap::new();
    let mut made: BTreeMap<String, String> = BTreeMap::new();
    for line in std::fs::read_to_string(&list)?.lines() {
        let [copy, original, what, later, speed, pitch] = line.split('\t').collect::<Vec<_>>()[..] else {
            return Err(format!("{list}: six columns expected in {line:?}").into());
        };
        made.insert(copy.to_owned(), original.to_owned());
        let row = fared.entry(what.to_owned()).or_default();
        row.made += 1;
        let (Some(copy), Some(original)) = (members.get(copy), members.get(original)) else { continue };
        if copy.group != original.group {
            continue;
        }
        row.grouped += 1;
        // The group may be called by another copy: both are told against that one.
        let (told_speed, told_pitch) = (copy.speed / original.speed, copy.pitch / original.pitch);
        let begins = (copy.offset_secs - original.offset_secs) / original.speed;
        let near = |found: f64, expected: f64, share: f64| (found / expected - 1.0).abs() < share;
        let is_exact = (begins - later.parse::<f64>()?).abs() < 0.5
            && near(told_speed, speed.parse()?, 0.003)
            && near(told_pitch, pitch.parse()?, 0.006);
        row.exact += u32::from(is_exact);
    }
    println!(
        "\n| groups of the scan | copies made | in the group of their original | place, speed and pitch right |\n|---|---|---|---|"
    );
    for (what, Fared { made, grouped, exact }) in &fared {
        println!("| {what} | {made} | {grouped} | {exact} |");
    }
    // Files that are the copy of the same original are one recording; of what else is in a group nobody made a copy.
    let mut groups: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for (file, member) in &members {
        groups.entry(&member.group).or_default().insert(made.get(file).unwrap_or(file));
    }
    groups.retain(|_, originals| originals.len() > 1);
    println!("\n{} groups hold more than one original:\n", groups.len());
    for originals in groups.values() {
        println!("- {}", originals.iter().copied().collect::<Vec<_>>().join(", "));
    }
    Ok(())
}

/// The files of the table by their paths.
fn members(table: &Path) -> Result<BTreeMap<String, Member>, datasets::Error> {
    let mut rows = Rows::open(table, &["group_id", "file", "offset_seconds", "speed", "pitch"])?;
    let mut members = BTreeMap::new();
    while rows.advance()? {
        let text = |at: usize| match rows.value(at) {
            Value::Text(text) => text.to_owned(),
            other => format!("{other:?}"),
        };
        let number = |at: usize| if let Value::Float(number) = rows.value(at) { number } else { f64::NAN };
        let member = Member { group: text(0), offset_secs: number(2), speed: number(3), pitch: number(4) };
        members.insert(text(1), member);
    }
    Ok(members)
}
