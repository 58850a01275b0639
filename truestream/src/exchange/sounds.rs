//! What a recording sounds like, so that who has the key knows it again, and nobody can hear it.
//!
//! ```text
//! print ──▶ figures, wherever they lie ──keyed hash──▶ places, in each the figure that comes first ──▶ its tag ──▶ sketch
//! two sketches ──equal places──▶ the share of figures that both have ──at least ALIKE_MIN──▶ alike
//! ```
//!
//! A sketch is min-wise hashing with one permutation (Li, Owen, Zhang 2012): a place of two sketches is equal as probably as a figure of either recording is
//! one of both. What is told of a figure is another part of its hash than what puts it first, so a sketch does not tell how many figures there were, and
//! with that how long the recording is.

use std::collections::HashMap;

use super::tags::Tagger;

/// Places of a sketch.
pub(super) const PLACES: usize = 128;
/// From so many equal places on two recordings are alike; docs/EXCHANGE.md says by what measurement.
pub(super) const ALIKE_MIN: usize = 12;
/// Digits of a place: two figures have one tag by chance once in 2^32 places.
const DIGITS: usize = 8;
/// Digits of a sketch.
pub(super) const SKETCH_DIGITS: usize = PLACES * DIGITS;
/// Changes with what a figure is: sketches of others are not alike.
const FIGURES: &str = "sound 4";

/// The sketch of a recording with these figures; `None` where they are fewer than its places. `secret` fills the places that no figure came to, so that nobody
/// can tell them.
pub(super) fn sketch(tagger: &Tagger, figures: &[u64], secret: &str) -> Option<String> {
    let mut first: Vec<Option<(u64, String)>> = vec![None; PLACES];
    for figure in figures {
        let hash = tagger.hash(FIGURES, &figure.to_le_bytes());
        let number = |from: usize| u64::from_le_bytes(*hash[from..].first_chunk().expect("a hash is longer"));
        let (place, order) = (&mut first[number(0) as usize % PLACES], number(8));
        if place.as_ref().is_none_or(|(known, _)| order < *known) {
            *place = Some((order, hash[16..16 + DIGITS / 2].iter().map(|byte| format!("{byte:02x}")).collect()));
        }
    }
    let nobodys = nobodys(tagger, secret);
    let tag = |(place, first): (usize, Option<(u64, String)>)| match first {
        Some((_, tag)) => tag,
        None => nobodys[place * DIGITS..][..DIGITS].to_owned(),
    };
    (figures.len() >= PLACES).then(|| first.into_iter().enumerate().map(tag).collect())
}

/// A sketch of no recording at all.
pub(super) fn nobodys(tagger: &Tagger, secret: &str) -> String {
    (0..PLACES).map(|place| tagger.nobodys(&format!("{secret}/{place}"))[..DIGITS].to_owned()).collect()
}

/// Sketches by what stands in their places.
pub(super) struct Sketches<'a>(HashMap<(usize, &'a [u8]), Vec<u32>>);

impl<'a> Sketches<'a> {
    /// Of sketches of [`SKETCH_DIGITS`] digits, each called by its place among them.
    pub(super) fn of(sketches: impl IntoIterator<Item = &'a String>) -> Sketches<'a> {
        let mut places: HashMap<(usize, &[u8]), Vec<u32>> = HashMap::new();
        for (number, sketch) in sketches.into_iter().enumerate() {
            for (place, tag) in sketch.as_bytes().chunks(DIGITS).enumerate() {
                places.entry((place, tag)).or_default().push(number as u32);
            }
        }
        Sketches(places)
    }

    /// Those that are alike to a sketch, and in how many places.
    pub(super) fn alike(&self, sketch: &str) -> Vec<(u32, usize)> {
        let mut equal: HashMap<u32, usize> = HashMap::new();
        for (place, tag) in sketch.as_bytes().chunks(DIGITS).enumerate() {
            let there = self.0.get(&(place, tag)).into_iter().flatten();
            there.for_each(|number| *equal.entry(*number).or_default() += 1);
        }
        equal.into_iter().filter(|(_, places)| *places >= ALIKE_MIN).collect()
    }
}

/// What is told beside recordings that are alike: how sure that is.
pub(super) fn in_words() -> String {
    format!(
        "sound: alike are recordings with {ALIKE_MIN} or more equal places of {PLACES}, which chance alone makes of less than one in 10^9 pairs"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Figures that look random, those from `from` to before `to` of a row of them.
    fn figures(from: u64, to: u64) -> Vec<u64> {
        (from..to).map(|number| number.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 31).collect()
    }

    fn equal(one: &str, other: &str) -> usize {
        let pairs = one.as_bytes().chunks(DIGITS).zip(other.as_bytes().chunks(DIGITS));
        pairs.filter(|(one, other)| one == other).count()
    }

    #[test]
    fn equal_places_tell_the_share_of_figures_that_both_have() {
        let tagger = Tagger::of(&[1; 32]);
        let sketched = |from, to| sketch(&tagger, &figures(from, to), "secret").expect("figures enough");
        for (shared, share) in [(10_000, 1.0), (5_000, 1.0 / 3.0), (2_000, 1.0 / 9.0), (0, 0.0)] {
            // Many pairs that share so many figures of 10 000.
            let of = |pair: u64| {
                let from = pair * 100_000;
                equal(&sketched(from, from + 10_000), &sketched(from + 10_000 - shared, from + 20_000 - shared))
            };
            let mean = (0..40).map(of).sum::<usize>() as f64 / (40 * PLACES) as f64;
            // Four standard deviations of 5 120 places.
            let deviation = (share * (1.0 - share) / (40 * PLACES) as f64).sqrt();
            assert!((mean - share).abs() <= 4.0 * deviation + 1e-9, "{shared} shared: {mean}, expected {share}");
        }
    }

    #[test]
    fn a_sketch_depends_on_the_key_and_says_nothing_of_how_many_figures_there_are() {
        let (one, other) = (Tagger::of(&[1; 32]), Tagger::of(&[2; 32]));
        let all = figures(0, 3_000);
        let sketched = |tagger: &Tagger, figures: &[u64]| sketch(tagger, figures, "secret").expect("figures enough");
        assert_eq!(equal(&sketched(&one, &all), &sketched(&other, &all)), 0);
        assert_eq!(sketch(&one, &all[..PLACES - 1], "secret"), None);
        for count in [PLACES, 1_000, 3_000] {
            let sketch = sketched(&one, &all[..count]);
            assert_eq!(sketch.len(), SKETCH_DIGITS);
            // Digits are even whatever their number: of 1 024 each of the 16 is there 64 times, give or take.
            let counts = (0..16).map(|digit| sketch.chars().filter(|sign| sign.to_digit(16) == Some(digit)).count());
            assert!(counts.into_iter().all(|count| (25..=110).contains(&count)), "{sketch}");
        }
    }

    #[test]
    fn those_that_are_alike_are_found_among_many() {
        let tagger = Tagger::of(&[3; 32]);
        let sketched = |from, to| sketch(&tagger, &figures(from, to), "secret").expect("figures enough");
        let many: Vec<String> = (0..50).map(|number| sketched(number * 5_000, number * 5_000 + 4_000)).collect();
        let sketches = Sketches::of(&many);
        // Half of the figures of the eighth.
        let found = sketches.alike(&sketched(7 * 5_000 + 2_000, 7 * 5_000 + 6_000 - 1_000));
        assert!(matches!(found[..], [(7, places)] if places >= ALIKE_MIN), "{found:?}");
        assert!(sketches.alike(&nobodys(&tagger, "x")).is_empty());
    }
}
