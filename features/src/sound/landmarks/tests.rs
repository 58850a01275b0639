//! Laws of the whole way from samples to finds, over small pieces of music made from a seed.

use datasets::audio_index::segment::{Entry, parts_of};

use super::listen::{FRAMES_PER_SECOND, Listener, Print, RATE_HZ};
use super::passage::{copies, passages};
use super::search::search;
use super::shelf::{IndexedPrint, Shelf, Span};
use super::{PackedLandmark, PackedPosting, is_accepted};

/// A stream of numbers from a seed (splitmix64).
struct Chance(u64);

impl Chance {
    fn next(&mut self, below: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % below
    }
}

/// Plucked notes of a scale with three harmonics, at times of no grid; `speed` and `pitch` change how it is played, not what.
fn music(seed: u64, seconds: f32, speed: f32, pitch: f32) -> Vec<f32> {
    let mut chance = Chance(seed);
    let mut samples = vec![0.0_f32; (seconds / speed * RATE_HZ as f32) as usize];
    let mut at = 0.0;
    while at < seconds {
        let semitone = [0, 2, 3, 5, 7, 8, 10][chance.next(7) as usize] + 12 * chance.next(3) as i32;
        let hz = 220.0 * (semitone as f32 / 12.0).exp2() * pitch;
        let loudness = 0.05 + chance.next(100) as f32 / 800.0;
        pluck(&mut samples, at / speed, hz, loudness, speed);
        at += 0.06 + chance.next(1000) as f32 / 4000.0;
    }
    samples
}

fn pluck(samples: &mut [f32], at_seconds: f32, hz: f32, loudness: f32, speed: f32) {
    let first = (at_seconds * RATE_HZ as f32) as usize;
    let length = (0.6 / speed * RATE_HZ as f32) as usize;
    for (n, sample) in samples.iter_mut().skip(first).take(length).enumerate() {
        let seconds = n as f32 / RATE_HZ as f32;
        let harmonics = (1..=3).map(|k| (std::f32::consts::TAU * hz * k as f32 * seconds).sin() / k as f32);
        *sample += loudness * (-5.0 * seconds * speed).exp() * harmonics.sum::<f32>();
    }
}

fn listen(samples: &[f32]) -> Print {
    let (kernels, _) = kernels::open_with_threads(kernels::DeviceChoice::Cpu, Some(1)).expect("the CPU is there");
    Listener::default().listen(&*kernels, samples).expect("a print")
}

/// A shelf and all it borrows.
struct Case {
    postings: Vec<PackedPosting>,
    directory: Vec<[u8; 4]>,
    landmarks: Vec<PackedLandmark>,
    spans: Vec<Span>,
}

impl Case {
    fn of(prints: &[Print]) -> Case {
        let entry = |(at, print): (usize, &Print)| {
            let IndexedPrint { frames, landmarks, postings } = IndexedPrint::of(print);
            Entry { content_id: format!("{at:03}"), frames, landmarks, postings, ..Entry::default() }
        };
        let entries: Vec<Entry> = prints.iter().enumerate().map(entry).collect();
        let parts = parts_of(&entries);
        let span = |(first_landmark, frames): &(u32, u32)| Span {
            first_landmark: *first_landmark,
            frames: *frames,
            is_gone: false,
        };
        Case {
            postings: parts.postings,
            directory: parts.directory,
            landmarks: parts.landmarks,
            spans: parts.recordings.iter().map(span).collect(),
        }
    }

    fn shelf(&self) -> Shelf<'_> {
        Shelf::new(&self.postings, &self.directory, &self.landmarks, &self.spans).expect("a shelf")
    }
}

fn twelve_pieces() -> Case {
    Case::of(&(0..12).map(|seed| listen(&music(seed, 30.0, 1.0, 1.0))).collect::<Vec<Print>>())
}

#[test]
fn a_part_is_found_at_its_place_at_every_speed_and_pitch() {
    let case = twelve_pieces();
    for (speed, pitch) in
        [(1.0, 1.0), (1.05, 1.05), (0.95, 0.95), (1.1, 1.1), (0.9, 0.9), (1.08, 1.0), (1.0, 1.122), (1.0, 0.891)]
    {
        let played = music(7, 30.0, speed, pitch);
        let begin = (8.0 / speed * RATE_HZ as f32) as usize;
        let found = search(&listen(&played[begin..begin + 10 * RATE_HZ as usize]), &case.shelf());
        let best = found.first().unwrap_or_else(|| panic!("nothing at speed {speed}, pitch {pitch}"));
        let alignment = best.overlay.alignment;
        assert_eq!(best.span, 7, "speed {speed}, pitch {pitch}: {best:?}");
        assert!(is_accepted(best.overlay.score), "speed {speed}, pitch {pitch}: {best:?}");
        assert!((alignment.speed() / speed - 1.0).abs() < 0.005, "speed {speed}: {alignment:?}");
        assert!((alignment.pitch() / pitch - 1.0).abs() < 0.008, "pitch {pitch}: {alignment:?}");
        assert!((alignment.offset_seconds() - 8.0).abs() < 0.2, "offset of speed {speed}: {alignment:?}");
    }
}

#[test]
fn what_is_not_there_is_not_accepted() {
    let case = twelve_pieces();
    for seed in 100..120 {
        let found = search(&listen(&music(seed, 10.0, 1.0, 1.0)), &case.shelf());
        let best = found.first().map_or(0.0, |found| found.overlay.score);
        assert!(!is_accepted(best), "seed {seed}: {best}");
    }
    assert!(search(&listen(&vec![0.0; 80_000]), &case.shelf()).is_empty(), "silence is in nothing");
    assert!(search(&Print::default(), &case.shelf()).is_empty());
}

#[test]
fn what_is_gone_is_not_found() {
    let mut case = twelve_pieces();
    case.spans[7].is_gone = true;
    let found = search(&listen(&music(7, 10.0, 1.0, 1.0)), &case.shelf());
    assert!(found.iter().all(|found| found.span != 7));
}

#[test]
fn a_long_piece_is_one_passage_and_a_medley_two() {
    let case = twelve_pieces();
    let whole = passages(&listen(&music(4, 30.0, 1.04, 1.04)), &[case.shelf()]);
    assert_eq!(whole.len(), 1, "{whole:?}");
    assert!((whole[0].speed - 1.04).abs() < 0.002 && whole[0].length_seconds > 25.0, "{whole:?}");

    let (first, second) = (music(2, 30.0, 1.0, 1.0), music(9, 30.0, 1.0, 1.0));
    let (half, rate) = (15 * RATE_HZ as usize, RATE_HZ as usize);
    let medley: Vec<f32> = first[..half].iter().chain(&second[5 * rate..5 * rate + half]).copied().collect();
    let mut found = passages(&listen(&medley), &[case.shelf()]);
    found.sort_by_key(|passage| passage.span);
    let spans: Vec<usize> = found.iter().map(|passage| passage.span).collect();
    assert_eq!(spans, [2, 9], "{found:?}");
    assert!((found[1].origin_seconds() + 10.0).abs() < 0.2, "{found:?}");
}

#[test]
fn a_copy_is_followed_as_far_as_it_goes_and_itself_is_none() {
    let (long, rate) = (90.0, RATE_HZ as usize);
    let prints: Vec<Print> = (0..6).map(|seed| listen(&music(seed, long, 1.0, 1.0))).collect();
    let case = Case::of(&prints);
    let faster = copies(&listen(&music(4, long, 1.03, 1.03)), &[case.shelf()], |_, _| false);
    assert_eq!(faster.len(), 1, "{faster:?}");
    let copy = &faster[0].longest;
    assert!((copy.speed - 1.03).abs() < 5e-4 && (copy.pitch - 1.03).abs() < 5e-3, "{copy:?}");
    assert!(copy.from_seconds < 3.0 && copy.length_seconds > 80.0 && copy.origin_seconds().abs() < 0.1, "{copy:?}");
    assert!(copy.matched_share > 0.4, "{copy:?}");
    assert!(faster[0].stretches == 1 && (faster[0].seconds - copy.length_seconds).abs() < 0.1, "{faster:?}");

    // 34 s of another recording in the middle of a third one.
    let (borrower, lender) = (music(200, long, 1.0, 1.0), music(2, long, 1.0, 1.0));
    let borrowed = [&borrower[..26 * rate], &lender[40 * rate..74 * rate], &borrower[60 * rate..]].concat();
    let found = copies(&listen(&borrowed), &[case.shelf()], |_, _| false);
    assert_eq!(found.iter().map(|common| common.longest.span).collect::<Vec<_>>(), [2], "{found:?}");
    let near = |found: f32, expected: f32| (found - expected).abs() < 4.5;
    let stretch = &found[0].longest;
    assert!(near(stretch.from_seconds, 26.0) && near(stretch.length_seconds, 34.0), "{found:?}");
    assert!((stretch.origin_seconds() - 14.0).abs() < 0.1, "{found:?}");

    assert!(copies(&prints[3], &[case.shelf()], |_, span| span == 3).is_empty());
    assert!(copies(&listen(&music(100, long, 1.0, 1.0)), &[case.shelf()], |_, _| false).is_empty());
    assert!(copies(&Print::default(), &[case.shelf()], |_, _| false).is_empty());
}

#[test]
fn fillers_at_any_places_hide_no_copy() {
    let (long, rate) = (120.0, RATE_HZ as usize);
    let case = Case::of(&(0..4).map(|seed| listen(&music(seed, long, 1.0, 1.0))).collect::<Vec<Print>>());
    let (stolen, other) = (music(2, long, 1.0, 1.0), music(300, long, 1.0, 1.0));
    // 11 s of something else around the middle of each quarter, where parts once were taken, instead of the sound and between it.
    let is_filler = |second: usize| [15, 45, 75, 105].iter().any(|middle| second.abs_diff(*middle) < 6);
    let hidden: Vec<f32> = (0..stolen.len()).map(|n| if is_filler(n / rate) { other[n] } else { stolen[n] }).collect();
    let mut parted = Vec::new();
    for (second, sound) in stolen.chunks(rate).enumerate() {
        if [15, 45, 75, 105].contains(&second) {
            parted.extend_from_slice(&other[second * rate..(second + 11) * rate]);
        }
        parted.extend_from_slice(sound);
    }
    for (what, samples, share) in [("instead", hidden, 0.63), ("between", parted, 0.73)] {
        let print = listen(&samples);
        let found = copies(&print, &[case.shelf()], |_, _| false);
        assert_eq!(found.iter().map(|common| common.longest.span).collect::<Vec<_>>(), [2], "{what}: {found:?}");
        let common = found[0];
        assert!(common.stretches > 2 && common.longest.length_seconds < 40.0, "{what}: {common:?}");
        assert!((common.seconds / print.seconds() - share).abs() < 0.15, "{what}: {common:?}");
    }
}

#[test]
fn what_is_heard_in_pieces_is_heard_as_one() {
    let samples = music(8, 60.0, 1.0, 1.0);
    let whole = listen(&samples);
    let rate = RATE_HZ as usize;
    let mut parts = listen(&samples[..25 * rate]);
    parts.go_on(&listen(&samples[21 * rate..45 * rate]), 21.0);
    parts.go_on(&listen(&samples[41 * rate..]), 41.0);
    let places = |print: &Print| -> Vec<(u32, u16)> {
        print.landmarks.iter().map(|landmark| (landmark.frame, landmark.pitch)).collect()
    };
    let (whole_places, part_places) = (places(&whole), places(&parts));
    assert!(part_places.is_sorted() && parts.frames.abs_diff(whole.frames) <= 1);
    // Pieces begin between two frames of the whole, so a landmark may be told one frame off.
    let is_near = |(frame, pitch): &(u32, u16)| {
        part_places.iter().any(|(other, there)| other.abs_diff(*frame) <= 1 && there.abs_diff(*pitch) <= 2)
    };
    let common = whole_places.iter().filter(|place| is_near(place)).count();
    assert!(common * 100 >= whole_places.len() * 90, "{common} of {}", whole_places.len());
    assert!(part_places.len().abs_diff(whole_places.len()) * 100 <= 3 * whole_places.len());
    let found = search(&parts.part(20 * 62, 30 * 62), &Case::of(&[whole]).shelf());
    assert!(is_accepted(found[0].overlay.score), "{found:?}");
}

#[test]
fn silence_tells_nothing() {
    let heard = listen(&music(6, 20.0, 1.0, 1.0));
    assert!((heard.telling_seconds() - heard.seconds()).abs() < 0.1, "{}", heard.telling_seconds());
    let mostly_silent = [vec![0.0; 60 * RATE_HZ as usize], music(6, 20.0, 1.0, 1.0)].concat();
    assert!((15.0..=24.0).contains(&listen(&mostly_silent).telling_seconds()));
    assert_eq!(listen(&vec![0.0; 60 * RATE_HZ as usize]).telling_seconds(), 0.0);
    assert_eq!(Print::default().telling_seconds(), 0.0);
}

#[test]
fn a_print_does_not_depend_on_loudness_or_on_what_lies_far_away() {
    let samples = music(3, 20.0, 1.0, 1.0);
    let quiet: Vec<f32> = samples.iter().map(|sample| sample * 0.25).collect();
    let places = |print: &Print| -> Vec<(u32, u16)> {
        print.landmarks.iter().map(|landmark| (landmark.frame, landmark.pitch)).collect()
    };
    let (loud, quiet) = (places(&listen(&samples)), places(&listen(&quiet)));
    let common = loud.iter().filter(|place| quiet.contains(place)).count();
    assert!(common * 100 >= loud.len() * 97, "{common} of {}", loud.len());

    // The last 12 s alone, cut at a frame: the same landmarks but for the edge.
    let cut = 500_u32;
    let late = listen(&samples[cut as usize * 128..]);
    let inside = |place: &&(u32, u16)| place.0 > cut + 64;
    let whole: Vec<(u32, u16)> = loud.iter().filter(inside).copied().collect();
    let part: Vec<(u32, u16)> =
        places(&late).iter().map(|(frame, pitch)| (frame + cut, *pitch)).filter(|place| inside(&place)).collect();
    assert_eq!(whole, part);
}

#[test]
fn an_index_keeps_at_most_165_bytes_of_a_second() {
    let prints: Vec<Print> = (0..4).map(|seed| listen(&music(seed, 60.0, 1.0, 1.0))).collect();
    let case = Case::of(&prints);
    let bytes = case.postings.len() * 8 + case.landmarks.len() * 4 + case.directory.len() * 4 + case.spans.len() * 12;
    let seconds: f32 = prints.iter().map(Print::seconds).sum();
    assert!(bytes as f32 / seconds <= 165.0, "{:.1}", bytes as f32 / seconds);
}

#[test]
fn any_bytes_can_be_searched() {
    let mut chance = Chance(5);
    let query = listen(&music(7, 10.0, 1.0, 1.0));
    for round in 0..200 {
        let mut case = if round % 2 == 0 { Case::of(std::slice::from_ref(&query)) } else { noise(&mut chance) };
        for _ in 0..50 {
            let postings = case.postings.len().max(1) as u64;
            if let Some(posting) = case.postings.get_mut(chance.next(postings) as usize) {
                posting[chance.next(8) as usize] ^= chance.next(256) as u8;
            }
            let landmarks = case.landmarks.len().max(1) as u64;
            if let Some(landmark) = case.landmarks.get_mut(chance.next(landmarks) as usize) {
                landmark[chance.next(4) as usize] ^= chance.next(256) as u8;
            }
            let entries = case.directory.len() as u64;
            case.directory[chance.next(entries) as usize][chance.next(4) as usize] ^= chance.next(256) as u8;
        }
        for common in copies(&query, &[case.shelf()], |_, _| false) {
            assert!(common.longest.matched_share.is_finite() && common.longest.length_seconds >= 0.0);
        }
        for found in search(&query, &case.shelf()) {
            assert!(
                found.overlay.score.is_finite()
                    && found.overlay.matched <= found.overlay.heard.max(query.landmarks.len() as u32)
            );
        }
    }
}

fn noise(chance: &mut Chance) -> Case {
    let mut bytes = |n: usize| -> Vec<u8> { (0..n).map(|_| chance.next(256) as u8).collect() };
    let (postings, landmarks) = (bytes(8 * 300), bytes(4 * 100));
    let spans = [0, 40, 40, 100].map(|first_landmark| Span { first_landmark, frames: 1000, is_gone: false });
    Case {
        postings: postings.as_chunks().0.to_vec(),
        directory: [0_u32, 150, 300].map(u32::to_le_bytes).to_vec(),
        landmarks: landmarks.as_chunks().0.to_vec(),
        spans: spans.to_vec(),
    }
}

#[test]
fn a_second_is_as_long_as_it_says() {
    let print = listen(&music(1, 10.0, 1.0, 1.0));
    assert!((print.seconds() - 10.0).abs() < 0.3, "{}", print.seconds());
    assert_eq!(print.part(100, 200).seconds(), 100.0 / FRAMES_PER_SECOND);
}
