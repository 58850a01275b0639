//! Good files, broken at random: whatever comes in, an answer comes out.

use std::io::Cursor;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::{Duration, Instant};

use datasets::audio::{Cause, Clip, Limits, Undecodable, decode};

use crate::breaking::{broken, fuzz_seed, fuzzed_for, mangled};
use crate::waves::{encoded, tones, wav};

/// Broken files made of each good one.
const BROKEN_EACH: u64 = 40;
/// No second and a half of sound takes so long, broken or not.
const DECODED_WITHIN: Duration = Duration::from_secs(20);

fn check(answer: &Result<Clip, Undecodable>, limits: &Limits) {
    match answer {
        Ok(clip) => {
            assert!(clip.samples.len() as u64 <= clip.facts.frames.min(limits.samples_kept_max));
            assert!(clip.samples.iter().all(|sample| sample.is_finite()));
            assert!(clip.facts.packets >= clip.facts.packets_bad);
            assert_eq!(clip.facts.levels.len(), usize::from(clip.facts.channels));
        }
        Err(why) => assert!(!why.reason.is_empty()),
    }
}

/// A panic of a decoder is no failure of ours: the process of the decoder makes a refusal of it. How many there are is
/// printed; that none takes long, or gives back nonsense, is asserted.
#[test]
fn broken_files_get_an_answer() {
    let mut good = encoded();
    good.push(("tone.wav".to_owned(), wav(44_100, 2, &tones(44_100, 2, 0.5))));
    let limits = Limits { samples_kept_max: 1 << 20, ..Limits::default() };
    let (mut decoded, mut refused, mut panicked) = (0, 0, Vec::new());
    for (name, bytes) in &good {
        for seed in 0..BROKEN_EACH {
            let broken = broken(bytes, seed);
            let began = Instant::now();
            match catch_unwind(AssertUnwindSafe(|| decode(Cursor::new(broken), &limits))) {
                Ok(answer) => {
                    check(&answer, &limits);
                    if answer.is_ok() { decoded += 1 } else { refused += 1 }
                }
                Err(_) => panicked.push((name.clone(), seed)),
            }
            assert!(began.elapsed() < DECODED_WITHIN, "{name}, seed {seed}: {:?}", began.elapsed());
        }
    }
    println!("{} broken files: {decoded} decoded, {refused} refused, panics: {panicked:?}", decoded + refused);
    assert!(decoded + refused + panicked.len() as u64 >= 300);
    assert!(decoded > 0 && refused > 0);
}

/// As the test above, for as long as it is asked for, and worse. `tests/fuzz.sh` asks for a minute.
#[test]
fn random_damage_gets_an_answer() {
    let mut good = encoded();
    good.push(("tone.wav".to_owned(), wav(44_100, 2, &tones(44_100, 2, 0.5))));
    // Pages that are mended are what they were.
    assert!(good.iter().all(|(_, bytes)| !bytes.starts_with(b"OggS") || mended_is_same(bytes)));
    let limits = Limits { samples_kept_max: 1 << 20, ..Limits::default() };
    let (began, seed) = (Instant::now(), fuzz_seed());
    let (mut files, mut decoded, mut panicked, mut slowest) = (0, 0, Vec::new(), Duration::ZERO);
    while began.elapsed() < fuzzed_for() {
        let (name, bytes) = mangled(&good, seed + files);
        let started = Instant::now();
        match catch_unwind(AssertUnwindSafe(|| decode(Cursor::new(bytes), &limits))) {
            Ok(answer) => {
                check(&answer, &limits);
                decoded += u64::from(answer.is_ok());
            }
            Err(_) => panicked.push((name.clone(), seed + files)),
        }
        slowest = slowest.max(started.elapsed());
        assert!(slowest < DECODED_WITHIN, "{name}, seed {}: {slowest:?}", seed + files);
        files += 1;
    }
    println!(
        "{files} files: {decoded} decoded, slowest {slowest:?}, {} panics: {:?}",
        panicked.len(),
        panicked.first()
    );
}

fn mended_is_same(bytes: &[u8]) -> bool {
    let mut mended = bytes.to_vec();
    crate::breaking::mend_pages(&mut mended);
    mended == bytes
}

/// Of an MP4 the index at its end is missing, of an AIFF a whole chunk, and a second of Ogg is one page: of these little is left.
fn can_be_cut(name: &str) -> bool {
    name.ends_with(".aac") || name.ends_with(".flac") || name.ends_with(".mp3")
}

#[test]
fn a_cut_file_gives_what_was_before_the_cut() {
    for (name, bytes) in encoded().into_iter().filter(|(name, _)| can_be_cut(name)) {
        let half = bytes[..bytes.len() * 2 / 3].to_vec();
        let clip = decode(Cursor::new(half), &Limits::default()).unwrap_or_else(|why| panic!("{name}: {why}"));
        assert!((0.4..1.2).contains(&clip.seconds()), "{name}: {} s", clip.seconds());
    }
    // ffmpeg writes the index of an MP4 at its end: without it nothing can be found.
    let (_, mp4) = encoded().into_iter().find(|(name, _)| name == "tone.m4a").expect("there is one");
    let cut = decode(Cursor::new(mp4[..mp4.len() / 2].to_vec()), &Limits::default()).expect_err("no index");
    assert!(matches!(cut.cause, Cause::UnknownFormat | Cause::NoAudio | Cause::Damaged), "{cut}");
}
