//! What messages become: every table of every message, and every refusal, as snapshots. Of a message that was made of one in
//! order and a few edits, what of its rows is another by them.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;
use std::path::Path;

use datasets::ddex::{Settings, write};
use datasets::tables::rows::{Rows, Value, columns};
use tempfile::TempDir;

use super::findings::{CASES, NONE_2};
use super::{ERN_41, ERN_383, ERN_432, PURGE, edited, is_as_in, read};

const TABLES: [&str; 6] = ["messages", "releases", "tracks", "contributors", "deals", "disclosures"];

/// A table, and what a row of it says: columns and values, without those that say nothing.
type Row = (&'static str, BTreeMap<String, String>);

/// The rows of all tables that messages become.
fn rows(messages: &[String]) -> Vec<Row> {
    let folder = TempDir::new().expect("a folder");
    let mut paths = Vec::new();
    for (number, message) in messages.iter().enumerate() {
        let path = folder.path().join(format!("{number}.xml"));
        std::fs::write(&path, message).expect("written");
        paths.push(path);
    }
    let out = folder.path().join("out");
    write(&paths, &out, Settings::default(), || {}).expect("tables");
    // Where the test's files lie is no part of what they say.
    let place = format!("{}/", folder.path().display());
    TABLES.iter().flat_map(|table| of_table(&out, table, &place)).collect()
}

fn of_table(out: &Path, table: &'static str, place: &str) -> Vec<Row> {
    let path = out.join(format!("{table}.parquet"));
    let names = columns(&path).expect("a table").into_iter().map(|column| column.name);
    // Every edit changes the bytes of its message.
    let names: Vec<String> = names.filter(|name| name != "hash").collect();
    let wanted: Vec<&str> = names.iter().map(String::as_str).collect();
    let mut rows = Rows::open(&path, &wanted).expect("a table");
    let mut found = Vec::new();
    while rows.advance().expect("rows") {
        let cells = names.iter().enumerate().filter_map(|(at, name)| {
            let text = match rows.value(at) {
                Value::Null => return None,
                Value::Int(number) => number.to_string(),
                Value::Bool(is_so) => is_so.to_string(),
                Value::Text(text) => text.replace(place, ""),
                other => format!("{other:?}"),
            };
            Some((name.clone(), text))
        });
        found.push((table, cells.collect()));
    }
    found
}

fn told((table, cells): &Row) -> String {
    let cells: Vec<String> = cells.iter().map(|(name, value)| format!("{name}={value}")).collect();
    format!("{table}: {}", cells.join(", "))
}

/// The rows that went and came. A row in the place of another of its table is told by what of it is another.
fn difference(before: &[Row], after: &[Row]) -> String {
    let mut text = String::new();
    for table in TABLES {
        let only = |rows: &[Row], others: &[Row]| -> Vec<Row> {
            rows.iter().filter(|row| row.0 == table && !others.contains(row)).cloned().collect()
        };
        let (went, came) = (only(before, after), only(after, before));
        if went.len() != came.len() {
            went.iter().for_each(|row| _ = writeln!(text, "  - {}", told(row)));
            came.iter().for_each(|row| _ = writeln!(text, "  + {}", told(row)));
            continue;
        }
        for ((_, old), (_, new)) in went.iter().zip(&came) {
            let named = ["subject_id", "track_id", "release_id", "message_id"].iter().find_map(|name| old.get(*name));
            let names: BTreeSet<&String> = old.keys().chain(new.keys()).collect();
            let says = |row: &BTreeMap<String, String>, name: &String| row.get(name).cloned().unwrap_or("-".to_owned());
            let others = names.into_iter().filter(|name| old.get(*name) != new.get(*name));
            let others: Vec<String> =
                others.map(|name| format!("{name} {} -> {}", says(old, name), says(new, name))).collect();
            let _ = writeln!(text, "  {table} {}: {}", named.map_or("", String::as_str), others.join(", "));
        }
    }
    if text.is_empty() { "  the same rows\n".to_owned() } else { text }
}

fn listed(rows: &[Row]) -> String {
    rows.iter().map(|row| format!("  {}\n", told(row))).collect()
}

#[test]
fn what_fifty_messages_become() {
    let names = [("ERN 4.3.2", ERN_432), ("ERN 3.8.3", ERN_383), ("ERN 4.1", ERN_41), ("a purge", PURGE)];
    let mut found = String::new();
    let mut bases: BTreeMap<&str, Vec<Row>> = BTreeMap::new();
    for (name, text) in names {
        let base = rows(&[text.to_owned()]);
        let _ = write!(found, "{name}\n{}", listed(&base));
        bases.insert(text, base);
    }
    for (name, text, edits) in CASES.iter().filter(|(.., edits)| !edits.is_empty()) {
        let _ = write!(found, "{name}\n{}", difference(&bases[text], &rows(&[edited(text, edits)])));
    }
    assert!(CASES.len() > 40);
    is_as_in("tables.txt", &found);
}

type Edits<'a> = &'a [(&'a str, &'a str)];

#[test]
fn what_releases_become_that_change_are_taken_down_and_forgotten() {
    let sent = |text: &str, edits: Edits, day: u32, more: Edits| {
        let (id, time) = (format!("<MessageId>message-{day}"), format!("2026-01-{day:02}T10:00:00Z"));
        let number = text.find("<MessageId>").and_then(|at| text[at..].split('<').nth(1)).expect("an id").to_owned();
        let at = text.find("<MessageCreatedDateTime>").expect("a time") + "<MessageCreatedDateTime>".len();
        let before = text[at..].split('<').next().expect("a time").to_owned();
        edited(&edited(&edited(text, edits), &[(&format!("<{number}"), &id), (&before, &time)]), more)
    };
    let down_3: Edits =
        &[("<TerritoryCode>Worldwide</TerritoryCode>\n        <Validity", "<TakeDown>true</TakeDown><Validity")];
    let end = |day: u32| format!("</StartDateTime><EndDateTime>2026-01-{day:02}T00:00:00Z</EndDateTime>");
    let (past, ahead) = (end(1), end(30));
    let undeclared: Edits = &[(NONE_2, "")];
    let lives: [(&str, Vec<String>); 8] = [
        ("a declaration that comes later, 4.3.2", vec![sent(ERN_432, undeclared, 6, &[]), sent(ERN_432, &[], 9, &[])]),
        ("a declaration that is taken back, 4.3.1", {
            let of = |edits: Edits, day| sent(&edited(ERN_432, &[("ern/432", "ern/431")]), edits, day, &[]);
            vec![of(&[], 6), of(undeclared, 9)]
        }),
        ("the same twice", vec![sent(ERN_432, &[], 6, &[]), sent(ERN_432, &[], 6, &[])]),
        ("another message of the same id", vec![sent(ERN_432, &[], 6, &[]), sent(ERN_432, undeclared, 6, &[])]),
        ("a takedown by its deal, 3.8.3", vec![sent(ERN_383, &[], 6, &[]), sent(ERN_383, down_3, 9, &[])]),
        ("a takedown by its end, and back, 4.3.2", {
            let of = |end: &str, day| sent(ERN_432, &[], day, &[("</StartDateTime>", end)]);
            vec![of("</StartDateTime>", 6), of(&past, 9), of(&ahead, 12)]
        }),
        ("a release that loses a recording, 4.3.2", {
            let loses: Edits = &[(
                "<ResourceGroupContentItem><SequenceNumber>2</SequenceNumber><ReleaseResourceReference>A2</ReleaseResourceReference></ResourceGroupContentItem>",
                "",
            )];
            vec![sent(ERN_432, &[], 6, &[]), sent(ERN_432, loses, 9, &[])]
        }),
        (
            "a purge before and after",
            vec![sent(PURGE, &[], 3, &[]), sent(ERN_432, &[], 6, &[]), sent(PURGE, &[], 9, &[])],
        ),
    ];
    let mut found = String::new();
    for (name, messages) in lives {
        let _ = write!(found, "{name}\n{}", listed(&rows(&messages)));
    }
    is_as_in("lives.txt", &found);
}

#[test]
fn what_is_refused_of_hostile_messages() {
    let deep = format!("<MessageHeader>{}", "<a>".repeat(64));
    let many: String = (0..300).map(|number| format!(" a{number}='1'")).collect();
    let crowded = format!("<MessageHeader{many}>");
    let long = format!("<MessageId>{}", "x".repeat(2 << 20));
    let cases: [(&str, Edits); 18] = [
        ("a billion laughs", &[("<ern:New", "<!DOCTYPE lolz [<!ENTITY a \"ha\"><!ENTITY b \"&a;&a;\">]><ern:New")]),
        ("a file of the reader's", &[("<ern:New", "<!DOCTYPE x [<!ENTITY e SYSTEM \"file:///etc/passwd\">]><ern:New")]),
        ("a document type far away", &[("<ern:New", "<!DOCTYPE x SYSTEM \"http://127.0.0.1/x.dtd\"><ern:New")]),
        ("an entity that nobody declared", &[("Second", "&second;")]),
        ("a number that is no character", &[("Second", "&#0;")]),
        ("a number past all characters", &[("Second", "&#x110000;")]),
        ("another encoding", &[("encoding=\"UTF-8\"", "encoding=\"ISO-8859-1\"")]),
        ("too deep", &[("<MessageHeader>", &deep)]),
        ("too many attributes", &[("<MessageHeader>", &crowded)]),
        ("an attribute twice", &[("<MessageHeader>", "<MessageHeader a='1' a='2'>")]),
        ("a text without an end", &[("<MessageId>", &long)]),
        ("tags that cross", &[("</ResourceList>", "</ReleaseList>")]),
        ("no end", &[("</ern:NewReleaseMessage>", "")]),
        ("a second root", &[("</ern:NewReleaseMessage>", "</ern:NewReleaseMessage><a/>")]),
        (
            "a second header",
            &[("  <PartyList>", "  <MessageHeader><MessageId>2</MessageId></MessageHeader>\n  <PartyList>")],
        ),
        (
            "a root of another namespace",
            &[
                ("<ern:NewReleaseMessage", "<x:NewReleaseMessage xmlns:x=\"http://example.org/x\""),
                ("</ern:NewReleaseMessage", "</x:NewReleaseMessage"),
            ],
        ),
        ("a version that is not there", &[("ern/432", "ern/500")]),
        ("another standard", &[("ddex.net/xml/ern/432", "example.org/432")]),
    ];
    let mut found = String::new();
    for (name, edits) in cases {
        let unread = read(edited(ERN_432, edits)).expect_err(name);
        let _ = writeln!(found, "{name}\n  {unread}");
    }
    is_as_in("refused.txt", &found);
}
