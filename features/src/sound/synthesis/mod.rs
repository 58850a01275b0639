//! Whether a recording came out of a neural decoder: lines that only upsampling leaves, at any speed and pitch.
//!
//! ```text
//! samples ──▶ windows ──▶ levels ──▶ relief ──▶ comb of every spacing ──▶ the highest few ──▶ height, contrast, steadiness, ──▶ evidence ──▶ tier
//!                                                                                             rise, evenness, breadth
//! ```
//!
//! Nothing here was trained. [`lattice`] says where lines can be, [`levels`] how they are made visible, [`comb`] what
//! tells them from music, and [`calibration`] how high the evidence of human recordings goes. docs/SOUND.md has the reasons, the
//! measurements and a warning about patents.

pub mod calibration;
pub mod comb;
pub mod lattice;
pub mod levels;

use std::ops::Range;

use comb::Relief;
use kernels::{AudioKernels, KernelError};
use lattice::{Lattice, SCALED, nearest, unscaled};
use levels::Levels;

/// How much faster or slower, higher or lower than made a recording may be: a semitone is 5.95 %.
const SCALE_MAX: f64 = 0.0625;
/// The search steps so far that the highest tooth moves by this share of a bin.
const STEP_BINS: f64 = 0.5;
/// The highest tooth, Hz.
const TOP_HZ: f64 = 16_000.0;
/// So many of the highest combs of one search are looked at closely.
const CLOSE_LOOKS: usize = 8;
/// Combs whose spacings are closer than this are one.
const SAME_COMB: f64 = 4e-4;
/// A comb lower than this is noise, whatever else it is.
const HEIGHT_MIN: f64 = 2.0;
/// Steadiness runs higher than contrast on the same lines; measured on songs of a generator.
const STEADINESS_SHARE: f64 = 1.0 / 1.5;
/// A note that explains part of the middle explains at least twice its height in the bass: measured on human recordings with held notes.
const BASS_COUNTS: f64 = 2.0;
/// So much breadth is enough. Encoders and pitch shifters take lines from the treble: songs of the development split half a semitone lower keep .60 and
/// more where their lines are certain (untouched .80), a wind that made a wire or a motor buzz has .14.
const BREADTH_ENOUGH: f64 = 0.5;
/// A scale this close to 1 is none: five steps of the search at 44.1 kHz, and clocks of two sound cards differ by as much.
const UNSCALED: f64 = 1e-4;
/// Less time leaves the noise too high: measured, at 8 s a third of the lines' height is left.
const SECS_MIN: f64 = 8.0;
/// What ends below this has fewer than half of the teeth.
const AUDIBLE_TO_MIN_HZ: f64 = 7_500.0;

/// A longer recording is heard in windows of so much at most: the middle, and what lies before and behind it.
pub const SECS_MAX: f64 = 120.0;
/// A window below this level (root mean square, of full scale) is silence: less than a step of 16 bits.
const SILENT_RMS: f64 = 1.0 / 32_768.0;

/// How sure the lines make us. The rates are in [`calibration`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Tier {
    /// No lines beyond chance.
    None,
    /// Nothing can be said: see [`Synthesis::unheard`].
    Unsure,
    /// Lines that few human recordings have.
    Likely,
    /// Lines that no human recording had.
    Certain,
}

/// Why nothing can be said.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Unheard {
    /// Too few seconds.
    TooShort,
    /// Too little treble: most lines would lie beyond it.
    BandLimited,
    /// Nothing but silence.
    Silent,
}

/// The comb with the strongest evidence.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Trace {
    /// From one line to the next, Hz.
    pub spacing_hz: f64,
    /// The lattice that it is taken for.
    pub lattice: Lattice,
    /// Spacing over the lattice's: how much faster or higher than made the recording is; 1 is as made.
    pub scale: f64,
    /// Teeth between 2.5 and 16 kHz.
    pub teeth: usize,
    /// How many of them stand out.
    pub teeth_raised: usize,
    /// How high the teeth stand, in standard deviations.
    pub height: f64,
    /// Height less that of the next best set of bins with this spacing.
    pub contrast: f64,
    /// The height that it has for three quarters of the time, over the standard error.
    pub steadiness: f64,
    /// Height in the middle less twice that in the bass.
    pub rise: f64,
    /// What is left of the teeth's mean height without every second, third or fifth of them.
    pub evenness: f64,
    /// What is left of the teeth's mean height without the quarter of the band that holds most.
    pub breadth: f64,
}

/// What was found in one recording.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Synthesis {
    /// How sure the lines make us.
    pub tier: Tier,
    /// Why nothing can be said, where that is so.
    pub unheard: Option<Unheard>,
    /// The least of contrast, steadiness and rise of the best comb, in standard deviations, as far as it is even and broad; 0 where there is none.
    pub evidence: f64,
    /// The best comb, found or not: what a reviewer is shown.
    pub trace: Option<Trace>,
    /// Seconds that were heard, in all windows that let lines be heard.
    pub secs: f64,
    /// Where the window begins that the rest is told of: where lines were found, else the middle one.
    pub from_secs: f64,
    /// How long it is.
    pub window_secs: f64,
    /// How many windows the recording has.
    pub windows: usize,
    /// How much more evidence than in the middle was asked for in this one.
    pub more: f64,
    /// Where the treble ends, Hz.
    pub audible_to_hz: f64,
}

impl Trace {
    /// The least of what speaks for it, as far as all teeth do: each of the five rules out another kind of human recording.
    pub fn evidence(&self) -> f64 {
        let least = self.contrast.min(self.steadiness * STEADINESS_SHARE).min(self.rise);
        self.evenness * (self.breadth / BREADTH_ENOUGH).min(1.0) * least
    }

    /// Whether it is where the decoder would have put it: not sped up, slowed down or shifted.
    pub fn is_as_made(&self) -> bool {
        (self.scale - 1.0).abs() < UNSCALED
    }

    /// In words: the spacing, what it corresponds to, how many lines.
    pub fn in_words(&self) -> String {
        let (rate_hz, stride) = (self.lattice.rate_hz, self.lattice.stride);
        let scaled = match self.is_as_made() {
            true => String::new(),
            false => format!(" x {:.4}", self.scale),
        };
        format!(
            "lines every {:.2} Hz = {rate_hz}/{stride}{scaled}, {} of {} raised",
            self.spacing_hz, self.teeth_raised, self.teeth
        )
    }
}

/// Looks for lines in mono samples of full scale ±1.
///
/// The middle [`SECS_MAX`] is judged as all of a shorter recording would be. The windows beside it have to show more
/// ([`calibration::beside`]), because each is another chance for a human recording to pass for a decoder's.
pub fn synthesis(kernels: &dyn AudioKernels, samples: &[f32], rate_hz: u32) -> Result<Synthesis, KernelError> {
    let rate = f64::from(rate_hz.max(1));
    let windows = windows(samples.len(), rate_hz);
    let more = calibration::beside(windows.len() - 1);
    let mut heard = Vec::with_capacity(windows.len());
    for (number, window) in windows.iter().enumerate() {
        let samples = &samples[window.clone()];
        let levels = Levels::of(kernels, samples, rate_hz)?;
        let more = if number == 0 { 0.0 } else { more };
        let mut judged = judged(&levels, samples.len() as f64 / rate, more);
        if is_silent(samples) {
            judged = Synthesis { tier: Tier::Unsure, unheard: Some(Unheard::Silent), ..judged };
        }
        heard.push(Synthesis { from_secs: window.start as f64 / rate, windows: windows.len(), ..judged });
    }
    Ok(together(&heard))
}

/// The windows of so many samples: the middle one first, then those before and behind it, as far as they are long enough to show anything.
fn windows(samples: usize, rate_hz: u32) -> Vec<Range<usize>> {
    let [longest, shortest] = [SECS_MAX, SECS_MIN].map(|secs| ((secs * f64::from(rate_hz)) as usize).max(1));
    let kept = longest.min(samples);
    let from = (samples - kept) / 2;
    let middle = from..from + kept;
    let mut windows = Vec::from([middle]);
    for side in [0..from, from + kept..samples] {
        if side.len() >= shortest {
            let count = side.len().div_ceil(longest);
            let edge = |number: usize| side.start + side.len() * number / count;
            windows.extend((0..count).map(|number| edge(number)..edge(number + 1)));
        }
    }
    windows
}

fn is_silent(samples: &[f32]) -> bool {
    let squares: f64 = samples.chunks(1 << 12).map(|some| f64::from(some.iter().map(|x| x * x).sum::<f32>())).sum();
    squares < SILENT_RMS * SILENT_RMS * samples.len() as f64
}

/// What all windows come to: where lines were found, they were found. Otherwise none were, in as much as let them be heard.
fn together(heard: &[Synthesis]) -> Synthesis {
    let found = heard.iter().filter(|window| window.tier >= Tier::Likely);
    // Of equals the first, so the middle one.
    let best =
        found.reduce(|best, next| if (next.tier, next.evidence) > (best.tier, best.evidence) { next } else { best });
    let audible = || heard.iter().filter(|window| window.unheard.is_none() || window.tier >= Tier::Likely);
    let secs = audible().map(|window| window.window_secs).sum();
    let told = best.or_else(|| audible().next()).unwrap_or(&heard[0]);
    Synthesis { secs, ..*told }
}

/// What the levels of so many seconds show, where so much more evidence than usual is asked for.
fn judged(levels: &Levels, secs: f64, more: f64) -> Synthesis {
    let audible_to_hz = if levels.frames() == 0 { 0.0 } else { levels.audible_to_hz() };
    let trace = if levels.frames() < 2 { None } else { strongest(levels) };
    let evidence = trace.map_or(0.0, |trace| trace.evidence().max(0.0));
    let unheard = if secs < SECS_MIN {
        Some(Unheard::TooShort)
    } else if audible_to_hz < AUDIBLE_TO_MIN_HZ {
        Some(Unheard::BandLimited)
    } else {
        None
    };
    let tier = calibration::tier(evidence - more, unheard.is_none());
    Synthesis {
        tier,
        unheard,
        evidence,
        trace,
        secs,
        from_secs: 0.0,
        window_secs: secs,
        windows: 1,
        more,
        audible_to_hz,
    }
}

/// The comb with the most evidence, of all lattices as made and of the scaled ones.
fn strongest(levels: &Levels) -> Option<Trace> {
    let relief = Relief::of(levels);
    let step = STEP_BINS * levels.hz_per_bin / TOP_HZ;
    let mut best = None;
    for lattice in SCALED {
        let steps = (SCALE_MAX / step).ceil() as i32;
        let spacings = (-steps..=steps).map(|n| lattice.spacing_hz() * (step * f64::from(n)).exp());
        for (spacing_hz, height) in highest(relief.heights(spacings)) {
            // Windows of neighbours overlap; what is found in both is named after the nearer one.
            best = stronger(best, &relief, nearest(spacing_hz), spacing_hz, height);
        }
    }
    for lattice in unscaled() {
        let nearby = (-1..=1).map(|n| lattice.spacing_hz() * (0.5 * step * f64::from(n)).exp());
        for (spacing_hz, height) in highest(relief.heights(nearby)) {
            best = stronger(best, &relief, lattice, spacing_hz, height);
        }
    }
    best.map(|best| centred(best, &relief, step))
}

/// The highest few combs, highest first, one of each neighbourhood.
fn highest(mut combs: Vec<(f64, f64)>) -> Vec<(f64, f64)> {
    combs.retain(|(_, height)| *height >= HEIGHT_MIN);
    combs.sort_by(|a, b| b.1.total_cmp(&a.1).then(a.0.total_cmp(&b.0)));
    let mut few: Vec<(f64, f64)> = Vec::new();
    for comb in combs {
        if few.len() == CLOSE_LOOKS {
            break;
        }
        if few.iter().all(|known| (comb.0 / known.0 - 1.0).abs() >= SAME_COMB) {
            few.push(comb);
        }
    }
    few
}

/// The comb with its spacing in the middle of those that are nearly as high: where lines are strong, several neighbours meet all of them.
fn centred(trace: Trace, relief: &Relief<'_>, step: f64) -> Trace {
    let nearby = (-8..=8).map(|n| trace.spacing_hz * (step * f64::from(n)).exp());
    let heights = relief.heights(nearby);
    let highest = heights.iter().map(|(_, height)| *height).fold(0.0, f64::max);
    let weight = |height: f64| (height - 0.8 * highest).max(0.0);
    let weights: f64 = heights.iter().map(|(_, height)| weight(*height)).sum();
    let moment: f64 = heights.iter().map(|(spacing_hz, height)| spacing_hz * weight(*height)).sum();
    if weights <= 0.0 {
        return trace;
    }
    let spacing_hz = moment / weights;
    Trace { spacing_hz, scale: spacing_hz / trace.lattice.spacing_hz(), ..trace }
}

/// The stronger of the best so far and this comb. The questions are asked cheapest first, and none more once the comb has lost.
fn stronger(best: Option<Trace>, relief: &Relief<'_>, lattice: Lattice, spacing_hz: f64, height: f64) -> Option<Trace> {
    let beaten = best.map_or(f64::NEG_INFINITY, |best| best.evidence());
    let (middle, bass) = relief.middle_and_bass(spacing_hz);
    let rise = middle - BASS_COUNTS * bass.max(0.0);
    if rise <= beaten {
        return best;
    }
    let contrast = relief.contrast(spacing_hz, height);
    if contrast <= beaten {
        return best;
    }
    let evenness = relief.evenness(spacing_hz);
    if evenness * rise.min(contrast) <= beaten {
        return best;
    }
    let breadth = relief.breadth(spacing_hz);
    let steadiness = relief.steadiness(spacing_hz);
    let (teeth, teeth_raised) = relief.count(spacing_hz);
    let scale = spacing_hz / lattice.spacing_hz();
    let trace = Trace {
        spacing_hz,
        lattice,
        scale,
        teeth,
        teeth_raised,
        height,
        contrast,
        steadiness,
        rise,
        evenness,
        breadth,
    };
    if trace.evidence() > beaten { Some(trace) } else { best }
}

#[cfg(test)]
mod tests;
