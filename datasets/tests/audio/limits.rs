//! What is beyond the limits is refused with its cause, at once and in little memory.

use std::io::{Cursor, Read, Seek, SeekFrom};

use datasets::audio::{Cause, Limits, Undecodable, decode, decode_into};

use crate::waves::{header, tones, wav};

fn cause(bytes: Vec<u8>, limits: &Limits) -> Cause {
    decode(Cursor::new(bytes), limits).map(|clip| clip.facts).expect_err("beyond the limits").cause
}

/// A WAV file whose samples are made while they are read.
struct Long {
    header: Vec<u8>,
    bytes: u64,
    at: u64,
}

impl Long {
    fn new(rate_hz: u32, channels: u16, seconds: u64) -> Long {
        let data = seconds * u64::from(rate_hz) * u64::from(channels) * 2;
        let header = header(rate_hz, channels, 1, 16, u32::try_from(data).unwrap());
        Long { bytes: header.len() as u64 + data, header, at: 0 }
    }
}

impl Read for Long {
    fn read(&mut self, into: &mut [u8]) -> std::io::Result<usize> {
        let count = into.len().min((self.bytes - self.at) as usize);
        for (place, byte) in into[..count].iter_mut().enumerate() {
            let at = self.at as usize + place;
            *byte = self.header.get(at).copied().unwrap_or((at / 64 % 16) as u8);
        }
        self.at += count as u64;
        Ok(count)
    }
}

impl Seek for Long {
    fn seek(&mut self, to: SeekFrom) -> std::io::Result<u64> {
        self.at = match to {
            SeekFrom::Start(at) => at,
            SeekFrom::End(back) => self.bytes.saturating_add_signed(back),
            SeekFrom::Current(on) => self.at.saturating_add_signed(on),
        }
        .min(self.bytes);
        Ok(self.at)
    }
}

#[test]
fn three_hours_are_heard_and_not_kept() {
    let limits = Limits { samples_kept_max: 1_000_000, ..Limits::default() };
    let mut kept = 0;
    let facts = decode_into(Long::new(4_000, 1, 3 * 3_600), &limits, &mut |more| {
        kept += more.len();
        Ok(())
    })
    .expect("three hours are within the limits");
    assert_eq!((facts.frames, kept), (4_000 * 3 * 3_600, 1_000_000));

    let minute = Limits { seconds_max: 60, samples_kept_max: 0, ..Limits::default() };
    let longer = decode(Long::new(4_000, 1, 61), &minute);
    assert_eq!(longer.expect_err("longer").cause, Cause::TooLong);
}

#[test]
fn the_edges_of_the_limits() {
    let limits = Limits::default();
    let sound =
        |rate_hz, channels| decode(Cursor::new(wav(rate_hz, channels, &tones(rate_hz, channels, 0.2))), &limits);
    assert_eq!(sound(192_000, 2).expect("192 kHz").facts.rate_hz, 192_000);
    assert_eq!(sound(48_000, 8).expect("8 channels").facts.levels.len(), 8);

    assert_eq!(cause(wav(192_001, 1, &tones(48_000, 1, 0.2)), &limits), Cause::SampleRate);
    assert_eq!(cause(wav(1, 1, &tones(48_000, 1, 0.2)), &limits), Cause::SampleRate);
    assert_eq!(cause(wav(48_000, 9, &tones(48_000, 9, 0.2)), &limits), Cause::ChannelCount);
    assert_eq!(cause(Vec::new(), &limits), Cause::Empty);
    assert_eq!(cause(b"once upon a time there was a song".repeat(50), &limits), Cause::UnknownFormat);
    assert_eq!(cause(wav(48_000, 1, &[]), &limits), Cause::Damaged);

    let small = Limits { file_bytes_max: 1_000, ..Limits::default() };
    assert_eq!(cause(wav(48_000, 1, &tones(48_000, 1, 0.2)), &small), Cause::TooBig);
    let little = Limits { decoded_bytes_max: 10_000, ..Limits::default() };
    assert_eq!(cause(wav(48_000, 1, &tones(48_000, 1, 0.2)), &little), Cause::TooMuchSound);
}

#[test]
fn a_header_may_promise_what_it_likes() {
    // Four gigabytes promised, a fifth of a second there.
    let mut promises = header(48_000, 2, 1, 16, u32::MAX - 36);
    promises.extend(tones(48_000, 2, 0.2).iter().flat_map(|sample| sample.to_le_bytes()));
    let clip = decode(Cursor::new(promises), &Limits::default()).expect("what is there is heard");
    assert_eq!(clip.facts.frames, 9_600);
    assert!(clip.facts.is_cut, "{:?}", clip.facts);
}

#[test]
fn values_that_are_no_numbers_are_silence() {
    let mut bytes = header(48_000, 1, 3, 32, 4 * 4_800);
    let values = (0..4_800).map(|n| if n % 3 == 0 { f32::NAN } else { 0.25 });
    bytes.extend(values.flat_map(f32::to_le_bytes));
    let clip = decode(Cursor::new(bytes), &Limits::default()).expect("floats are read");
    assert_eq!(clip.facts.wild_values, 1_600);
    assert!(clip.samples.iter().all(|sample| sample.is_finite()));
}

#[test]
fn a_cause_says_its_name() {
    let why = Undecodable::new(Cause::TooLong, "longer than 3 s");
    assert_eq!(why.to_string(), "too_long: longer than 3 s");
}
