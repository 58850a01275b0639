//! The laws of the log, on a disk that fails from a seed: nothing acknowledged is lost, nothing is there twice, no flipped
//! bit goes unnoticed.
//!
//! More of it: `TRUESTREAM_SEEDS=100000 cargo test --release -p datasets log:: -- --include-ignored`.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;

use super::simulated::{Faults, SimulatedDisk};
use super::*;
use crate::chance::{Chance, Purpose};

/// Small segments: many are sealed.
const SEGMENT: u64 = 2_000;

fn entry(offset: u64) -> Entry {
    let length = (offset * 7_919 % 1_500) as usize;
    let columns = (0..length).map(|at| (at as u64 * 31 + offset) as u8).collect();
    let unread = Unread { row: offset, code: records::Code::Missing, reason: "why".to_owned(), raw: "{}".to_owned() };
    Entry {
        source: Some(("a".to_owned(), offset)),
        until: offset.is_multiple_of(3).then_some(offset as i64 * 1_000),
        rows: Some(Rows {
            table: TABLES[(offset as usize + 1) % TABLES.len()],
            refused: vec![unread; length % 2],
            columns,
        }),
    }
}

fn read_all(disk: &Arc<SimulatedDisk>, durable: u64) -> Result<Vec<Entry>, LogError> {
    let mut reader = Reader::new(disk.clone());
    let mut entries = Vec::new();
    while let Some((number, entry)) = reader.next(durable)? {
        entries.push(entry);
        assert_eq!(number, entries.len() as u64);
    }
    Ok(entries)
}

/// Opens the log through failures and crashes, at last without any.
fn reopen(disk: &Arc<SimulatedDisk>, chance: &mut Chance, faults: Faults) -> Log {
    for _ in 0..chance.below(6) {
        disk.set_faults(faults);
        let opened = Log::open(disk.clone(), SEGMENT);
        assert!(!matches!(opened, Err(LogError::Damaged { .. })), "{:?}", opened.err());
        disk.crash();
    }
    disk.set_faults(Faults::default());
    Log::open(disk.clone(), SEGMENT).unwrap_or_else(|error| panic!("{error}"))
}

/// One sender through several lives of the service: it sends in order, and again what was not acknowledged.
fn live(seed: u64) {
    let mut chance = Chance::of(seed, Purpose::Sample, 0, 0);
    let disk = Arc::new(SimulatedDisk::new(seed));
    let mut acknowledged = 0;
    for life in 0..6 {
        let one_in = |chance: &mut Chance| if chance.below(2) == 0 { 0 } else { 4 + chance.below_u64(60) };
        let faults = Faults {
            read: one_in(&mut chance),
            write: one_in(&mut chance),
            sync: one_in(&mut chance),
            names: one_in(&mut chance),
            room: (chance.below(3) == 0).then(|| 4_000 + chance.below_u64(20_000)),
        };
        let mut log = reopen(&disk, &mut chance, faults);
        let found = read_all(&disk, log.durable().last()).unwrap_or_else(|error| panic!("{error}"));
        assert!(
            found.len() as u64 >= acknowledged,
            "seed {seed}: {} entries, {acknowledged} acknowledged",
            found.len()
        );
        for (at, found) in found.iter().enumerate() {
            assert_eq!(*found, entry(at as u64 + 1), "seed {seed}");
        }
        assert!(check(&*disk).expect("no faults").damage.is_empty(), "seed {seed}");
        // Not even the last sender knows: it begins again after the last acknowledgement.
        disk.set_faults(if life == 5 { Faults::default() } else { faults });
        for _ in 0..chance.below(12) {
            let group = 1 + chance.below_u64(5);
            let taken = (1..=group).try_for_each(|more| log.append(&entry(acknowledged + more)).map(drop));
            match taken.and_then(|()| log.commit()) {
                Ok(()) => acknowledged += group,
                Err(error) if error.is_full() => disk.set_faults(Faults { room: None, ..faults }),
                Err(LogError::Stopped(_)) => break,
                Err(_) => {}
            }
        }
        disk.crash();
    }
    let log = reopen(&disk, &mut chance, Faults::default());
    let entries = read_all(&disk, log.durable().last()).expect("no faults");
    assert!(entries.len() as u64 >= acknowledged, "seed {seed}");
    assert!(entries.iter().enumerate().all(|(at, found)| *found == entry(at as u64 + 1)), "seed {seed}");
}

fn seeds(default: u64) -> u64 {
    std::env::var("TRUESTREAM_SEEDS").ok().and_then(|seeds| seeds.parse().ok()).unwrap_or(default)
}

#[test]
fn what_was_acknowledged_is_there_once_and_in_order_whatever_the_disk_does() {
    (0..seeds(2_000)).for_each(live);
}

/// A log of sealed segments and one that is not.
fn small_log(entries: u64, segment: u64) -> (Arc<SimulatedDisk>, Vec<Entry>) {
    let disk = Arc::new(SimulatedDisk::new(7));
    let mut log = Log::open(disk.clone(), segment).expect("an empty folder");
    let entries: Vec<Entry> = (1..=entries).map(entry).collect();
    for entry in &entries {
        log.append(entry).expect("room");
        log.commit().expect("room");
    }
    (disk, entries)
}

fn numbered(entries: Vec<Entry>) -> Vec<(u64, Entry)> {
    (1..).zip(entries).collect()
}

/// Flips one bit of every byte, and lets nothing pass.
fn flip_all(disk: &Arc<SimulatedDisk>, entries: &[(u64, Entry)], segment: u64) {
    let last = entries.last().map_or(0, |(number, _)| *number);
    let mut chance = Chance::of(3, Purpose::Sample, 0, 0);
    for name in disk.names().expect("names") {
        let bytes = disk.len(&name).expect("a length").expect("a file");
        for byte in 0..bytes {
            let bit = byte * 8 + chance.below_u64(8);
            disk.flip(&name, bit);
            let findings = check(&**disk).expect("no faults");
            let named = findings.damage.iter().any(|damage| match damage {
                LogError::Damaged { file, .. } | LogError::Version { file, .. } => *file == name,
                _ => false,
            });
            assert!(named, "byte {byte} of {name}: {findings:?}");
            // Whoever reads it all the same reads what was written, or nothing.
            let mut reader = Reader::new(disk.clone());
            for entry in entries {
                match reader.next(last) {
                    Ok(read) => assert_eq!(read.as_ref(), Some(entry), "byte {byte} of {name}"),
                    Err(_) => break,
                }
            }
            disk.flip(&name, bit);
        }
    }
    assert!(check(&**disk).expect("no faults").damage.is_empty());
    Log::open(disk.clone(), segment).expect("a whole log");
}

#[test]
fn every_flipped_byte_is_named() {
    let (disk, entries) = small_log(12, SEGMENT);
    assert!(disk.names().expect("names").len() >= 5, "sealed ones, the last one, manifest and hint");
    flip_all(&disk, &numbered(entries), SEGMENT);
    let mut log = Log::open(disk.clone(), SEGMENT).expect("whole");
    squeeze(&mut log, &disk, u64::MAX).expect("room");
    let found = found_with_gaps(&disk, 12);
    assert!(found.len() < 12);
    flip_all(&disk, &found, SEGMENT);
}

/// Fifty logs of 20 KiB: a mebibyte.
#[test]
#[ignore = "takes minutes"]
fn every_flipped_byte_of_a_mebibyte_is_named() {
    for more in 0..50 {
        let (disk, entries) = small_log(25 + more % 3, 5_000);
        flip_all(&disk, &numbered(entries), 5_000);
    }
}

/// What was taken under an earlier format is read for ever: the folder beside this file is a log as format 1 has it, and stays as it is.
#[test]
fn a_log_of_format_1_is_read() {
    const TABLES: [&str; 4] = ["plays", "corrections", "tracks", "accounts"];
    let disk = Arc::new(Folder::to_read(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src/log/format-1")));
    assert!(check(&*disk).expect("files").damage.is_empty());
    let mut reader = Reader::new(disk);
    for number in 1..=12 {
        let (found, entry) = reader.next(12).expect("it is whole").expect("twelve entries");
        let Entry { source, until, rows: Some(rows) } = entry else { panic!("{number}: no rows") };
        assert_eq!((found, source), (number, Some(("a".to_owned(), number))));
        assert_eq!(until, number.is_multiple_of(3).then_some(number as i64 * 1_000));
        assert_eq!(rows.table, TABLES[number as usize % TABLES.len()]);
        let raw = |unread: &Unread| (unread.row, unread.code, unread.reason.clone(), unread.raw.clone());
        let expected = (number, records::Code::Missing, "why".to_owned(), "{}".to_owned());
        assert!(rows.refused.iter().map(raw).eq(vec![expected; rows.columns.len() % 2]), "{number}");
        let columns = (0..number * 7_919 % 1_500).map(|at| (at * 31 + number) as u8);
        assert!(rows.columns.iter().copied().eq(columns), "{number}");
    }
    assert_eq!(reader.next(12).expect("it is whole"), None);
}

/// A flip in what was durable is damage, also in the segment that a crash may tear.
#[test]
fn damage_is_told_from_a_torn_end() {
    let (disk, entries) = small_log(6, 1 << 20);
    let name = segment_name(1);
    let last = disk.len(&name).expect("a length").expect("a file") * 8 - 1;
    disk.flip(&name, last);
    let opened = Log::open(disk.clone(), 1 << 20);
    assert!(matches!(&opened, Err(LogError::Damaged { file, .. }) if *file == name), "{:?}", opened.err());
    // Without the hint, as after a power cut, the last frame may have been torn; an earlier one may not.
    disk.remove("durable").expect("it is there");
    disk.flip(&name, 40 * 8);
    let opened = Log::open(disk.clone(), 1 << 20);
    assert!(matches!(&opened, Err(LogError::Damaged { offset: 32, .. })), "{:?}", opened.err());
    disk.flip(&name, 40 * 8);
    let log = Log::open(disk.clone(), 1 << 20).expect("a torn end");
    assert_eq!(read_all(&disk, log.durable().last()).expect("whole"), entries[..5]);
}

#[test]
fn a_source_is_heard_once_also_across_segments_and_restarts() {
    let (disk, entries) = small_log(20, SEGMENT);
    let mut log = Log::open(disk.clone(), SEGMENT).expect("whole");
    assert!(disk.names().expect("names").len() > 5);
    for entry in &entries {
        assert_eq!(log.append(entry).expect("room"), Taken::Known);
    }
    assert_eq!(log.append(&entry(21)).expect("room"), Taken::New(21));
    assert_eq!(log.append(&entry(21)).expect("room"), Taken::Known);
}

#[test]
fn one_writer_only_and_a_copy_is_the_same_log() {
    let folder = tempfile::tempdir().expect("a folder");
    let (from, to) = (folder.path().join("log"), folder.path().join("copy"));
    let disk = Arc::new(Folder::to_write(&from).expect("a folder").expect("nobody else"));
    assert!(Folder::to_write(&from).expect("a folder").is_none(), "a second writer");
    let mut log = Log::open(disk.clone(), SEGMENT).expect("an empty folder");
    for offset in 1..=9 {
        log.append(&entry(offset)).expect("room");
        log.commit().expect("room");
    }
    let copied = copy(&Folder::to_read(&from), &Folder::to_write(&to).expect("a folder").expect("nobody else"));
    assert_eq!(copied.expect("whole").entries, 9, "while the original is open");
    let mut reader = Reader::new(Arc::new(Folder::to_read(&to)));
    for offset in 1..=9 {
        assert_eq!(reader.next(9).expect("whole"), Some((offset, entry(offset))));
    }
    assert_eq!(reader.next(9).expect("whole"), None);
}

/// Takes all plays out of the segments that end before this entry.
fn squeeze(log: &mut Log, disk: &Arc<SimulatedDisk>, before: u64) -> Result<(), LogError> {
    while let Some(sealed) = log.to_squeeze(before) {
        log.replace(squeezed(&**disk, &sealed, |rows| rows.table != "plays")?)?;
    }
    Ok(())
}

/// What is there of the entries 1 to `last`: whole, or without the rows of plays; the time of one may be told by a later one.
fn found_with_gaps(disk: &Arc<SimulatedDisk>, last: u64) -> Vec<(u64, Entry)> {
    let mut reader = Reader::new(disk.clone());
    let mut found = Vec::new();
    while let Some(next) = reader.next(last).unwrap_or_else(|error| panic!("{error}")) {
        found.push(next);
    }
    assert!(found.windows(2).all(|pair| pair[0].0 < pair[1].0));
    assert_eq!(found.last().map(|(number, _)| *number), Some(last));
    for number in 1..=last {
        let written = entry(number);
        let rows = written.rows.as_ref().expect("all have rows");
        let there = found.iter().find(|(found, _)| *found == number).map(|(_, entry)| entry);
        match there.and_then(|entry| entry.rows.as_ref()) {
            Some(found) if found == rows => {}
            Some(found) => {
                assert!(rows.table == "plays" && found.columns.is_empty() && found.refused == rows.refused);
            }
            None => assert!(rows.table == "plays" && rows.refused.is_empty(), "entry {number}"),
        }
    }
    let told = |entries: &mut dyn Iterator<Item = Option<i64>>| entries.flatten().max();
    assert_eq!(
        told(&mut found.iter().map(|(_, entry)| entry.until)),
        told(&mut (1..=last).map(|number| entry(number).until))
    );
    // Whoever asks for some by number finds them, and those alone.
    for step in 1..4 {
        let wanted: BTreeSet<u64> = (0..=last + 1).step_by(step).collect();
        let expected: Vec<_> = found.iter().filter(|(number, _)| wanted.contains(number)).cloned().collect();
        assert_eq!(entries_of(&**disk, &wanted).expect("no faults"), expected);
    }
    found
}

#[test]
fn only_what_is_not_needed_leaves_whatever_the_disk_does() {
    for seed in 0..seeds(150) {
        let mut chance = Chance::of(seed, Purpose::Sample, 2, 0);
        let (disk, entries) = small_log(30, SEGMENT);
        let mut last = entries.len() as u64;
        for _ in 0..5 {
            let one_in = |chance: &mut Chance| if chance.below(2) == 0 { 0 } else { 2 + chance.below_u64(20) };
            let (read, write, sync) = (one_in(&mut chance), one_in(&mut chance), one_in(&mut chance));
            let names = one_in(&mut chance);
            let mut log = reopen(&disk, &mut chance, Faults { read, write, sync, names, room: None });
            assert_eq!(log.durable().last(), last, "seed {seed}");
            assert_eq!(log.append(&entry(last)).expect("known"), Taken::Known);
            disk.set_faults(Faults { read, write, sync, names, room: None });
            let _ = squeeze(&mut log, &disk, chance.below_u64(last + 2));
            disk.set_faults(Faults::default());
            let _ = log.append(&entry(last + 1)).and_then(|_| log.commit());
            disk.crash();
            let mut log = reopen(&disk, &mut chance, Faults::default());
            // A frame that nobody was told of may be there.
            last = log.durable().last();
            found_with_gaps(&disk, last);
            assert!(check(&*disk).expect("no faults").damage.is_empty(), "seed {seed}");
            assert!(log.to_squeeze(0).is_none() && squeeze(&mut log, &disk, 0).is_ok());
        }
        let mut log = reopen(&disk, &mut chance, Faults::default());
        let sealed = log.to_squeeze(u64::MAX);
        squeeze(&mut log, &disk, u64::MAX).expect("no faults");
        let found = found_with_gaps(&disk, last);
        assert!(log.to_squeeze(u64::MAX).is_none());
        assert!(sealed.is_none() || found.len() < last as usize, "seed {seed}: something left");
        let copy = Arc::new(SimulatedDisk::new(seed));
        copy_is_the_same(&disk, &copy, last, &found);
    }
}

/// Takes all plays out, or as many as the disk lets.
fn erase_plays(log: &mut Log, disk: &Arc<SimulatedDisk>) -> Result<(), LogError> {
    log.seal()?;
    for place in 0..log.sealed().len() {
        let sealed = log.sealed()[place].clone();
        let anew =
            erased(&**disk, &sealed, |rows| rows.table == "plays" && !std::mem::take(&mut rows.columns).is_empty())?;
        if let Some(anew) = anew {
            log.replace(anew)?;
        }
    }
    Ok(())
}

#[test]
fn what_is_erased_is_gone_and_nothing_else_whatever_the_disk_does() {
    for seed in 0..seeds(150) {
        let mut chance = Chance::of(seed, Purpose::Sample, 3, 0);
        let (disk, entries) = small_log(30, SEGMENT);
        let mut last = entries.len() as u64;
        for _ in 0..5 {
            let one_in = |chance: &mut Chance| if chance.below(2) == 0 { 0 } else { 2 + chance.below_u64(20) };
            let (read, write, sync) = (one_in(&mut chance), one_in(&mut chance), one_in(&mut chance));
            let faults = || Faults { read, write, sync, names: 0, room: None };
            let mut log = reopen(&disk, &mut chance, Faults::default());
            // What was made of a segment that is another meanwhile takes no place.
            let stale = log.to_squeeze(u64::MAX);
            disk.set_faults(faults());
            let _ = erase_plays(&mut log, &disk);
            if chance.below(2) == 0 {
                let _ = squeeze(&mut log, &disk, chance.below_u64(last + 2));
            }
            disk.set_faults(Faults::default());
            if let Some(stale) = stale.filter(|stale| !log.sealed().contains(stale)) {
                let anew = squeezed(&*disk, &stale, |_| true);
                assert!(anew.is_err() || log.replace(anew.expect("a segment")).is_ok());
            }
            let _ = log.append(&entry(last + 1)).and_then(|_| log.commit());
            disk.crash();
            let log = reopen(&disk, &mut chance, Faults::default());
            last = log.durable().last();
            found_with_gaps(&disk, last);
            assert!(check(&*disk).expect("no faults").damage.is_empty(), "seed {seed}");
        }
        let mut log = reopen(&disk, &mut chance, Faults::default());
        erase_plays(&mut log, &disk).expect("no faults");
        let found = found_with_gaps(&disk, last);
        let is_gone = |rows: &Rows| rows.table != "plays" || rows.columns.is_empty();
        assert!(found.iter().filter_map(|(_, entry)| entry.rows.as_ref()).all(is_gone), "seed {seed}");
        // No file is left that has them.
        let segments: Vec<String> =
            disk.names().expect("names").into_iter().filter(|name| name.ends_with(".log")).collect();
        assert_eq!(segments.len(), log.sealed().len() + 1, "seed {seed}: {segments:?}");
        let copy = Arc::new(SimulatedDisk::new(seed));
        copy_is_the_same(&disk, &copy, last, &found);
    }
}

fn copy_is_the_same(disk: &Arc<SimulatedDisk>, to: &Arc<SimulatedDisk>, last: u64, found: &[(u64, Entry)]) {
    assert_eq!(copy(&**disk, &**to).expect("whole").entries, found.len() as u64);
    assert_eq!(found_with_gaps(to, last), found);
}
