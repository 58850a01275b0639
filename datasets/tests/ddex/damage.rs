//! Messages damaged at random are read or refused, never more: no crash, no hang, no memory without end.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use datasets::ddex::{FINDINGS_MAX, Fate, Received, Settings, check, write};
use tempfile::TempDir;

use super::{ERN_41, ERN_383, ERN_432, PURGE, read};

/// A number that looks random, always the same for the same two (Steele, Lea and Flood: SplitMix64).
fn mixed(seed: u64, number: u64) -> u64 {
    let mut z = seed.wrapping_add(number.wrapping_mul(0x9E37_79B9_7F4A_7C15));
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
}

/// What a mutation puts in, besides single bytes.
const DICTIONARY: [&[u8]; 26] = [
    b"<",
    b">",
    b"</",
    b"/>",
    b"<!--",
    b"-->",
    b"<![CDATA[",
    b"]]>",
    b"<!DOCTYPE x [",
    b"<!ENTITY a 'b'>",
    b"&a;",
    b"&#0;",
    b"&#x110000;",
    b"&",
    b"\xff",
    b"\xc3",
    b"\0",
    b"<ContainsAI>All</ContainsAI>",
    b"xmlns:ern=''",
    b"<SoundRecordingEdition><ContainsAI>Partly</ContainsAI></SoundRecordingEdition>",
    b"<PartyId>PA-DPIDA-\xe2\x80\x8b</PartyId>",
    b"<Role><Value UserDefinedValue='L\xc3\xa9ad-Vocals'>UserDefined</Value></Role>",
    b"<SpecialContributor>GenerativeAI</SpecialContributor>",
    b"<DisplayArtist><ArtistPartyReference>P2</ArtistPartyReference></DisplayArtist>",
    b"<EndDate>9999-13</EndDate>",
    b"<?xml encoding='UTF-16'?>",
];

fn damaged(good: &[u8], seed: u64, number: u64) -> Vec<u8> {
    let mut bytes = good.to_vec();
    for turn in 0..1 + mixed(seed, number) % 8 {
        let dice = |what: u64| mixed(seed ^ number.rotate_left(17), turn * 8 + what);
        let at = dice(0) as usize % bytes.len().max(1);
        let many = (dice(1) as usize % 200).min(bytes.len() - at.min(bytes.len()));
        match dice(2) % 6 {
            0 if !bytes.is_empty() => bytes[at] = dice(3) as u8,
            1 => drop(bytes.splice(at..at, DICTIONARY[dice(4) as usize % DICTIONARY.len()].iter().copied())),
            2 => drop(bytes.drain(at..at + many)),
            3 => {
                let copy = bytes[at..at + many].to_vec();
                let to = dice(5) as usize % (bytes.len() + 1);
                drop(bytes.splice(to..to, copy));
            }
            4 => bytes.truncate(at),
            _ => {
                let to = dice(6) as usize % (bytes.len() + 1);
                let copy = bytes[at..at + many].to_vec();
                drop(bytes.splice(to..to, copy.repeat(1 + dice(7) as usize % 64)));
            }
        }
    }
    bytes
}

#[test]
fn random_damage() {
    let wanted = |name: &str| std::env::var(name).ok().and_then(|text| text.parse::<u64>().ok());
    let (secs, seed) = (wanted("TRUESTREAM_FUZZ_SECS"), wanted("TRUESTREAM_FUZZ_SEED").unwrap_or(1));
    let began = Instant::now();
    let is_over = |number: u64| match secs {
        Some(secs) => began.elapsed() >= Duration::from_secs(secs),
        None => number >= 2_000,
    };
    let (mut whole, mut refused, mut number) = (0_u64, 0_u64, 0);
    while !is_over(number) {
        let good = [ERN_432, ERN_383, ERN_41, PURGE][number as usize % 4];
        let bytes = damaged(good.as_bytes(), seed, number);
        let one = Instant::now();
        match read(&bytes) {
            Ok(message) => {
                let findings = check(&message, None);
                assert!(findings.told.is_sorted() && findings.told.len() <= FINDINGS_MAX);
                whole += 1;
            }
            Err(unread) => {
                assert!(unread.to_string().contains(": found "), "{unread}");
                refused += 1;
            }
        }
        assert!(one.elapsed() < Duration::from_secs(10), "seed {seed}, number {number}: {:?}", one.elapsed());
        number += 1;
    }
    println!("seed {seed}: {whole} messages read, {refused} refused");
    assert!(whole > 0 && refused > 0);
}

#[test]
fn damaged_messages_are_imported_or_set_aside_and_the_others_are_as_they_would_be_alone() {
    let folder = TempDir::new().expect("a folder");
    let mut paths = Vec::new();
    for number in 0..400 {
        let good = [ERN_432, ERN_383, ERN_41, PURGE][number as usize % 4];
        // Damage to ids, times and lengths alone, so that many can be read.
        let named = good.replacen("<MessageId>message-", &format!("<MessageId>{number}-"), 1);
        let mut bytes = named.into_bytes();
        for turn in 0..1 + mixed(7, number) % 16 {
            let dice = |what: u64| mixed(number, turn * 4 + what) as usize;
            let at = dice(0) % bytes.len();
            let digit = b"0123456789AaZz-\"<"[dice(1) % 17];
            bytes[at] = if bytes[at].is_ascii_digit() { digit } else { bytes[at] };
        }
        let path = folder.path().join(format!("{number:03}.xml"));
        std::fs::write(&path, bytes).expect("written");
        paths.push(path);
    }
    let out = folder.path().join("out");
    let settings = |at| Settings { received: Received::At(at), ..Settings::default() };
    let import = |paths: &[PathBuf], at| write(paths, &out, settings(at), || {}).expect("tables").outcomes;
    let first = import(&paths, 1_770_000_000_000);
    let applied = first.iter().filter(|outcome| outcome.fate == Fate::Applied).count();
    assert!(first.len() == paths.len() && applied > 10 && applied < paths.len(), "{applied} were applied");
    let tables = ["tracks", "releases", "contributors", "deals", "disclosures", "messages"];
    let bytes = || tables.map(|name| std::fs::read(out.join(format!("{name}.parquet"))).expect("a table"));
    // Named in another order, later: all is as it was.
    let before = bytes();
    paths.reverse();
    assert_eq!(import(&paths, 1_780_000_000_000), first);
    assert!(bytes() == before);
}
