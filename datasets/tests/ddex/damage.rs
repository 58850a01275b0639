//! Messages damaged at random are read or refused, never more: no crash, no hang, no memory without end.

use std::time::{Duration, Instant};

use datasets::ddex::{FINDINGS_MAX, check};

use super::{ERN_41, ERN_383, ERN_432, PURGE, read};

/// A number that looks random, always the same for the same two (Steele, Lea and Flood: SplitMix64).
fn mixed(seed: u64, number: u64) -> u64 {
    let mut z = seed.wrapping_add(number.wrapping_mul(0x9E37_79B9_7F4A_7C15));
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
}

/// What a mutation puts in, besides single bytes.
const DICTIONARY: [&[u8]; 20] = [
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
