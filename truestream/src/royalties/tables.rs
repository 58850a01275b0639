//! Writes a closed month: tables for the platform, a report for each distributor.

use std::collections::BTreeMap;
use std::path::Path;

use datasets::dsr::{self, Report, Usage};
use datasets::tables::rows::{Column, ColumnKind, Value, write as write_rows};

use super::Told;
use super::calendar::DAY_MS;
use super::difference::Difference;
use super::month::Closed;
use crate::exit::Failure;

fn columns(texts: &[&str], numbers: &[&str]) -> Vec<Column> {
    let column = |kind| move |name: &&str| Column { name: (*name).to_owned(), kind };
    texts.iter().map(column(ColumnKind::Text)).chain(numbers.iter().map(column(ColumnKind::Int))).collect()
}

fn count<'a>(number: u64) -> Value<'a> {
    Value::Int(i64::try_from(number).unwrap_or(i64::MAX))
}

const STREAMS: [&str; 4] = ["payable", "held", "withheld", "ineligible"];
const MONEY: [&str; 2] = ["payable_micros", "held_micros"];

/// Writes everything into the folder; `royalties.json` comes last. A close is never replaced by another one: of what was paid there is no second copy.
///
/// # Errors
/// When the folder holds another close, or cannot be written.
pub fn write(out: &Path, told: &Told) -> Result<(), Failure> {
    let output = |error: datasets::Error| Failure::Output(error.to_string());
    let failed = |error: std::io::Error| Failure::Output(format!("{}: {error}", out.display()));
    let manifest = out.join("royalties.json");
    let json = format!("{:#}\n", told.json());
    if manifest.exists() && std::fs::read_to_string(&manifest).map_err(failed)? != json {
        return Err(Failure::Usage(format!(
            "--out {0}: it holds another close, which stays; write this one into a folder of its own, and name {0} as --against to be told what differs",
            out.display()
        )));
    }
    std::fs::create_dir_all(out.join("dsr")).map_err(failed)?;
    // Without a manifest what is there is of a close that broke off; with one it is this close, whose files are written over with the same bytes.
    if !manifest.exists() {
        clear(out).map_err(failed)?;
    }
    let month = told.month.text();
    tracks(&out.join("royalty.parquet"), &month, &told.closed).map_err(output)?;
    days(&out.join("royalty_day.parquet"), told).map_err(output)?;
    if let Some(differences) = &told.differences {
        changes(&out.join("royalty_difference.parquet"), &month, differences).map_err(output)?;
    }
    for (name, report) in reports(told) {
        std::fs::write(out.join("dsr").join(name), dsr::write(&report)).map_err(failed)?;
    }
    std::fs::write(manifest, json).map_err(failed)
}

/// Removes what a close that broke off may have left and this one does not write.
fn clear(out: &Path) -> std::io::Result<()> {
    let difference = out.join("royalty_difference.parquet");
    if difference.exists() {
        std::fs::remove_file(difference)?;
    }
    for report in std::fs::read_dir(out.join("dsr"))? {
        let path = report?.path();
        if path.extension().is_some_and(|extension| extension == "tsv") {
            std::fs::remove_file(path)?;
        }
    }
    Ok(())
}

fn tracks(path: &Path, month: &str, closed: &Closed) -> Result<(), datasets::Error> {
    let texts = ["month", "track_id", "artist_id", "distributor_id", "ineligible_because", "held_because"];
    let year = ["year_days", "year_streams", "year_listeners", "listeners_needed"];
    let numbers: Vec<&str> = year.into_iter().chain(STREAMS).chain(MONEY).collect();
    let mut rows = Vec::new();
    for line in &closed.lines {
        let [ineligible, held] = [line.ineligible_because, line.held_because].map(|because| because.unwrap_or(""));
        let texts = [month, &line.track, &line.artist, &line.distributor, ineligible, held];
        let year = [closed.year.known, line.year_streams, line.year_listeners, line.listeners_needed];
        let numbers = [line.payable, line.held, line.withheld, line.ineligible, line.paid_micros, line.held_micros];
        rows.push(texts.into_iter().map(Value::Text).chain(year.into_iter().chain(numbers).map(count)).collect());
    }
    write_rows(path, &columns(&texts, &numbers), &rows)
}

fn days(path: &Path, told: &Told) -> Result<(), datasets::Error> {
    let day = Column { name: "day".to_owned(), kind: ColumnKind::Instant };
    let columns: Vec<Column> = [day].into_iter().chain(columns(&["track_id"], &STREAMS)).collect();
    let mut rows = Vec::new();
    for ((day, track), counts) in &told.closed.days {
        let at = told.month.start_ms + i64::from(*day) * DAY_MS;
        let track = Value::Text(&told.closed.lines[*track as usize].track);
        rows.push([Value::Int(at), track].into_iter().chain(counts.iter().copied().map(count)).collect());
    }
    write_rows(path, &columns, &rows)
}

fn changes(path: &Path, month: &str, differences: &[Difference]) -> Result<(), datasets::Error> {
    let names =
        |when: &str| -> Vec<String> { STREAMS.iter().chain(&MONEY).map(|name| format!("{name}_{when}")).collect() };
    let names = [names("before"), names("after")].concat();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let mut rows = Vec::new();
    for one in differences {
        let numbers = one.before.into_iter().chain(one.after).map(count);
        let [was, is] = &one.distributors;
        let texts = [month, &one.track, was, is].map(Value::Text);
        rows.push(texts.into_iter().chain(numbers).collect());
    }
    write_rows(path, &columns(&["month", "track_id", "distributor_id_before", "distributor_id_after"], &names), &rows)
}

/// A report per distributor, by the name of its file; tracks without one are reported to nobody.
fn reports(told: &Told) -> BTreeMap<String, Report> {
    let [from, until] = told.month.days();
    let mut reports: BTreeMap<String, Report> = BTreeMap::new();
    for line in told.closed.lines.iter().filter(|line| !line.distributor.is_empty()) {
        let report = reports.entry(file_name(&line.distributor)).or_insert_with(|| Report {
            message_id: format!("{}/{}/{}", told.month.text(), told.close.at, line.distributor),
            created_at: told.close.at,
            from: from.clone(),
            until: until.clone(),
            sender: "platform".to_owned(),
            recipient: line.distributor.clone(),
            currency: told.terms.currency.clone(),
            year_days: [told.closed.year.known, told.closed.year.days],
            usages: Vec::new(),
        });
        report.usages.push(Usage {
            track: line.track.clone(),
            isrc: line.isrc.clone(),
            title: line.title.clone(),
            artist: line.artist_name.clone(),
            streams: [line.payable, line.held, line.withheld, line.ineligible],
            micros: [line.paid_micros, line.held_micros],
        });
    }
    reports
}

/// Longer names are cut, so that with `.tsv` and a hash they are names on every file system (255 bytes).
const NAME_BYTES: usize = 160;

/// The id as the name of a file: everything but letters, digits, `-` and `_` as `%` and its bytes; one that is too long ends with a hash of all of it.
fn file_name(id: &str) -> String {
    let safe = |byte: u8| match byte {
        b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' => char::from(byte).to_string(),
        _ => format!("%{byte:02X}"),
    };
    let mut name: String = id.bytes().map(safe).collect();
    if name.len() > NAME_BYTES {
        name.truncate(NAME_BYTES);
        name.push_str(&format!("-{}", blake3::hash(id.as_bytes()).to_hex()));
    }
    format!("{name}.tsv")
}
