//! Six questions to a spacing of lines.
//!
//! Each compares teeth (bins at multiples of the spacing) with what is not a tooth, so none depends on the colour of the music:
//!
//! * **Height**: do the teeth stand out?
//! * **Contrast**: do they stand out more than any other set of bins with the same spacing? A loop in tempo has lines every few Hz, so every
//!   comb that fits its tempo is high, and so is the same comb moved by one line.
//! * **Steadiness**: do they stand out at nearly all times? A held note comes and goes.
//! * **Rise**: do they come out of the bass? A note's harmonics are strongest at its pitch; a decoder's lines drown there, where music is loudest,
//!   and come up in the middle of the spectrum.
//! * **Evenness**: are they there at every multiple? A note of so many times the spacing raises only every so manieth tooth.
//! * **Breadth**: are they there all over the spectrum? A buzz (mains, an engine, a loose wire) is heard where something resonates with it.

use multiversion::multiversion;

use super::levels::Levels;

/// Teeth are sought in here, Hz. Below, music covers them; above, encoders end.
const BAND_HZ: (f64, f64) = (2_500.0, 15_990.0);
/// The bass, where a note is strongest.
const BASS_HZ: (f64, f64) = (150.0, 1_000.0);
/// The middle, where a decoder's lines must have come up and a coder's own artefacts have not.
const MIDDLE_HZ: (f64, f64) = (1_500.0, 5_000.0);
/// How far the spacing may be off when the bass and the middle are asked: with fewer teeth below, it is known less exactly.
const BASS_SLACK: f64 = 2e-4;
const MIDDLE_SLACK: f64 = 6e-5;
/// Another set of bins begins so far from a tooth, Hz: the foot of a tooth that a pitch shifter smeared.
const FOOT_HZ: f64 = 3.0;
/// Between the teeth, in spacings: off the half, the thirds and the quarters, where other strides of the same decoder have lines.
const BETWEEN: [f64; 6] = [0.17, 0.29, 0.41, 0.59, 0.71, 0.83];
/// How far one tooth may count in one frame, dB.
const TOOTH_DB: f64 = 12.0;
/// Every second, third or fifth tooth is left out to see what the others hold: notes have small multiples of a common spacing.
const LEFT_OUT: [usize; 3] = [2, 3, 5];
/// The part of the teeth that is left out, side by side, to see what the others hold: a resonance is heard within an octave or so.
const RESONANT_SHARE: usize = 4;
/// Least spread of the frames' heights: that of noise alone is 1, a little less by chance.
const FRAME_SPREAD_MIN: f64 = 0.7;
/// A quarter of normal noise lies so many standard deviations below its mean.
const QUARTILE: f64 = 0.674;

/// Spacings that are tried at once: their teeth of one number lie close together, so the relief there is at hand.
const TRIED_AT_ONCE: usize = 64;
/// Added to a number below 2^32 and not negative, it leaves the nearest whole number in the lowest bits: a tenth of the time of a conversion.
const ROUNDS: f64 = (1_u64 << 52) as f64;

/// A relief and how to find frequencies in it.
pub struct Relief<'a> {
    levels: &'a Levels,
    relief: Vec<f64>,
    band: Part,
    middle: Part,
    bass: Part,
}

/// A part of the spectrum with the mean and the spread of its relief.
#[derive(Clone, Copy)]
struct Part {
    from_hz: f64,
    to_hz: f64,
    mean: f64,
    spread: f64,
}

impl<'a> Relief<'a> {
    /// The relief of the levels' mean.
    pub fn of(levels: &'a Levels) -> Relief<'a> {
        let relief: Vec<f64> = levels.relief().into_iter().map(f64::from).collect();
        let [band, middle, bass] = [BAND_HZ, MIDDLE_HZ, BASS_HZ].map(|part| Part::of(levels, &relief, part));
        Relief { levels, relief, band, middle, bass }
    }

    /// How high the teeth of each spacing stand, in standard deviations of as many random bins.
    pub fn heights(&self, spacings_hz: impl Iterator<Item = f64>) -> Vec<(f64, f64)> {
        let spacings_hz: Vec<f64> = spacings_hz.collect();
        let mut heights = Vec::with_capacity(spacings_hz.len());
        for spacings_hz in spacings_hz.chunks(TRIED_AT_ONCE) {
            heights.extend(spacings_hz.iter().copied().zip(self.heights_at_once(spacings_hz, self.band)));
        }
        heights
    }

    /// The height less that of the highest other set of bins with this spacing.
    pub fn contrast(&self, spacing_hz: f64, height: f64) -> f64 {
        let part = self.band;
        let bins_per_tooth = spacing_hz / self.levels.hz_per_bin;
        let phases = bins_per_tooth.floor() as usize;
        let foot = (FOOT_HZ / self.levels.hz_per_bin).ceil() as usize;
        let (first, last) = teeth(spacing_hz, part.from_hz, part.to_hz);
        // One tooth less: all sets then lie within the band.
        let teeth = first..last;
        if teeth.is_empty() || phases <= 2 * foot {
            return 0.0;
        }
        let count = teeth.len() as f64;
        let offsets: Vec<f64> = (0..phases).map(|phase| phase as f64 / phases as f64 * bins_per_tooth).collect();
        let steps = vec![bins_per_tooth; phases];
        let mut sums = vec![0.0_f64; phases];
        for tooth in teeth {
            self.add(&mut sums, &offsets, &steps, tooth);
        }
        let highest = sums[foot + 1..phases - foot].iter().copied().fold(f64::NEG_INFINITY, f64::max);
        height - (highest - part.mean * count) / (part.spread * count.sqrt())
    }

    /// The height that three quarters of the frames reach, over the standard error of their heights; at most that of their mean.
    ///
    /// The mean alone would be high, too, where a note is loud for a third of the time. Lines that are always there have heights that scatter
    /// as noise does, by 1 around their mean, so a quarter of them lies [`QUARTILE`] below it.
    pub fn steadiness(&self, spacing_hz: f64) -> f64 {
        let (first, last) = teeth(spacing_hz, self.band.from_hz, self.band.to_hz);
        let Some(sites) = Sites::of(self.levels, spacing_hz, first..last) else { return 0.0 };
        let mut heights: Vec<f64> =
            self.levels.db.chunks_exact(self.levels.bins).map(|frame| sites.height(frame)).collect();
        heights.sort_unstable_by(f64::total_cmp);
        let count = heights.len() as f64;
        let mean = heights.iter().sum::<f64>() / count.max(1.0);
        let variance = heights.iter().map(|height| (height - mean).powi(2)).sum::<f64>() / count.max(1.0);
        let usual = heights.get(heights.len() / 4).map_or(0.0, |quarter| quarter + QUARTILE);
        mean.min(usual) * count.sqrt() / variance.sqrt().max(FRAME_SPREAD_MIN)
    }

    /// Height in the middle, and in the bass.
    pub fn middle_and_bass(&self, spacing_hz: f64) -> (f64, f64) {
        let best = |part: Part, slack: f64| {
            let nearby: [f64; 7] = std::array::from_fn(|step| spacing_hz * (slack * (step as f64 - 3.0) / 3.0).exp());
            self.heights_at_once(&nearby, part).into_iter().fold(f64::NEG_INFINITY, f64::max)
        };
        (best(self.middle, MIDDLE_SLACK), best(self.bass, BASS_SLACK))
    }

    /// What is left of the teeth's mean height without every second, third or fifth of them, whichever takes most: 1 is all, 0 nothing.
    pub fn evenness(&self, spacing_hz: f64) -> f64 {
        let part = self.band;
        let (first, last) = teeth(spacing_hz, part.from_hz, part.to_hz);
        let mean_over = |is_asked: &dyn Fn(usize) -> bool| {
            let teeth = || (first..=last).filter(|tooth| is_asked(*tooth));
            let sum: f64 = teeth().map(|tooth| self.at(tooth as f64 * spacing_hz)).sum();
            sum / teeth().count().max(1) as f64 - part.mean
        };
        let all = mean_over(&|_| true);
        let least = LEFT_OUT.map(|every| mean_over(&|tooth| tooth % every != 0)).into_iter().fold(all, f64::min);
        if all > 0.0 { (least / all).max(0.0) } else { 0.0 }
    }

    /// What is left of the teeth's mean height without the quarter of them, side by side, that holds most: near 1 for lines that are
    /// everywhere, 0 where that quarter held all.
    pub fn breadth(&self, spacing_hz: f64) -> f64 {
        let part = self.band;
        let (first, last) = teeth(spacing_hz, part.from_hz, part.to_hz);
        let over: Vec<f64> = (first..=last).map(|tooth| self.at(tooth as f64 * spacing_hz) - part.mean).collect();
        let (count, left_out) = (over.len(), over.len() / RESONANT_SHARE);
        if left_out == 0 {
            return 0.0;
        }
        let sum_of = |teeth: &[f64]| teeth.iter().sum::<f64>();
        let (all, most) = (sum_of(&over), over.windows(left_out).map(sum_of).fold(f64::NEG_INFINITY, f64::max));
        let (mean, rest) = (all / count as f64, (all - most) / (count - left_out) as f64);
        if mean > 0.0 { (rest / mean).max(0.0) } else { 0.0 }
    }

    /// How many teeth there are in the band, and how many of them stand out by more than one spread.
    pub fn count(&self, spacing_hz: f64) -> (usize, usize) {
        let (first, last) = teeth(spacing_hz, self.band.from_hz, self.band.to_hz);
        let stands_out = |tooth: &usize| self.at(*tooth as f64 * spacing_hz) > 1.0;
        (last + 1 - first.min(last + 1), (first..=last).filter(stands_out).count())
    }

    /// The heights of a few spacings that lie close together, side by side: tooth by tooth, not spacing by spacing.
    fn heights_at_once(&self, spacings_hz: &[f64], part: Part) -> Vec<f64> {
        let steps: Vec<f64> = spacings_hz.iter().map(|spacing_hz| spacing_hz / self.levels.hz_per_bin).collect();
        let teeth = || spacings_hz.iter().map(|spacing_hz| teeth(*spacing_hz, part.from_hz, part.to_hz));
        let mut sums = vec![0.0; steps.len()];
        let starts = sums.clone();
        let first = teeth().map(|(first, _)| first).max().unwrap_or(0);
        let last = teeth().map(|(_, last)| last).min().unwrap_or(0);
        for tooth in first..=last {
            self.add(&mut sums, &starts, &steps, tooth);
        }
        let height = |(n, (own_first, own_last)): (usize, (usize, usize))| {
            // What is not a tooth of all of them.
            let mut sum = sums[n];
            let (before, after) = match first <= last {
                true => (own_first..first, last + 1..own_last + 1),
                false => (own_first..own_last + 1, 0..0),
            };
            for tooth in before.chain(after) {
                sum += self.in_bin(tooth as f64 * steps[n]);
            }
            let count = (own_last + 1).saturating_sub(own_first) as f64;
            if count == 0.0 { 0.0 } else { (sum - part.mean * count) / (part.spread * count.sqrt()) }
        };
        teeth().enumerate().map(height).collect()
    }

    /// Adds to each sum the relief at its start and so many of its steps, in bins.
    fn add(&self, sums: &mut [f64], starts: &[f64], steps: &[f64], tooth: usize) {
        add_relief(sums, starts, steps, tooth as f64, &self.relief, self.levels.first_bin);
    }

    fn at(&self, hz: f64) -> f64 {
        self.in_bin(hz / self.levels.hz_per_bin)
    }

    /// The relief in the bin nearest to this one.
    fn in_bin(&self, bin: f64) -> f64 {
        self.relief[nearest_bin(bin).saturating_sub(self.levels.first_bin).min(self.relief.len() - 1)]
    }
}

impl Part {
    fn of(levels: &Levels, relief: &[f64], (from_hz, to_hz): (f64, f64)) -> Part {
        let last_hz = (levels.first_bin + levels.bins.saturating_sub(2)) as f64 * levels.hz_per_bin;
        let to_hz = to_hz.min(last_hz);
        let column = |hz: f64| ((hz / levels.hz_per_bin) as usize).saturating_sub(levels.first_bin).min(levels.bins);
        let bins = &relief[column(from_hz)..column(to_hz).max(column(from_hz))];
        let count = bins.len().max(1) as f64;
        let mean = bins.iter().sum::<f64>() / count;
        let variance = bins.iter().map(|relief| (relief - mean).powi(2)).sum::<f64>() / count;
        Part { from_hz, to_hz, mean, spread: variance.sqrt().max(1e-6) }
    }
}

/// The whole number nearest to a bin's; ties go to the even one.
#[inline(always)]
fn nearest_bin(bin: f64) -> usize {
    (bin + ROUNDS).to_bits() as u32 as usize
}

/// Adds to each sum the relief in the bin nearest to `start + tooth * step`; the first value of the relief is that of `first_bin`.
#[multiversion(targets("x86_64+avx2+fma", "aarch64+neon"))]
fn add_relief(sums: &mut [f64], starts: &[f64], steps: &[f64], tooth: f64, relief: &[f64], first_bin: usize) {
    let Some(last) = relief.len().checked_sub(1) else { return };
    for ((sum, start), step) in sums.iter_mut().zip(starts).zip(steps) {
        let bin = nearest_bin(start + tooth * step);
        *sum += relief[bin.saturating_sub(first_bin).min(last)];
    }
}

/// The first and the last multiple of the spacing in a band; the last is below the first if there is none.
fn teeth(spacing_hz: f64, from_hz: f64, to_hz: f64) -> (usize, usize) {
    ((from_hz / spacing_hz).ceil() as usize, (to_hz / spacing_hz).floor().max(0.0) as usize)
}

/// The columns of every tooth and of what lies between.
struct Sites {
    teeth: Vec<usize>,
    between: [Vec<usize>; BETWEEN.len()],
}

impl Sites {
    /// `None` if there is no tooth.
    fn of(levels: &Levels, spacing_hz: f64, teeth: std::ops::Range<usize>) -> Option<Sites> {
        let column = |at: f64| {
            let bin = (at * spacing_hz / levels.hz_per_bin).round() as usize;
            bin.saturating_sub(levels.first_bin).clamp(1, levels.bins - 2)
        };
        let columns = |offset: f64| teeth.clone().map(|tooth| column(tooth as f64 + offset)).collect::<Vec<_>>();
        (!teeth.is_empty() && levels.bins > 3).then(|| Sites { teeth: columns(0.0), between: BETWEEN.map(columns) })
    }

    /// How high the teeth stand in one frame: the mean of teeth over between, in standard errors of between over the rest of between.
    fn height(&self, frame: &[f32]) -> f64 {
        let level =
            |column: usize| f64::from(0.25 * frame[column - 1] + 0.5 * frame[column] + 0.25 * frame[column + 1]);
        let sets = BETWEEN.len() as f64;
        // One against the mean of n others varies as 1 + 1/n; brought to the n of a tooth against all.
        let alike = ((1.0 + 1.0 / sets) / (1.0 + 1.0 / (sets - 1.0))).sqrt();
        let (mut height, mut sums, mut squares) = (0.0, [0.0; BETWEEN.len()], [0.0; BETWEEN.len()]);
        for (n, &tooth) in self.teeth.iter().enumerate() {
            let between = std::array::from_fn::<f64, { BETWEEN.len() }, _>(|set| level(self.between[set][n]));
            let total: f64 = between.iter().sum();
            height += (level(tooth) - total / sets).clamp(-TOOTH_DB, TOOTH_DB);
            for set in 0..BETWEEN.len() {
                let others = (total - between[set]) / (sets - 1.0);
                let distance = ((between[set] - others) * alike).clamp(-TOOTH_DB, TOOTH_DB);
                sums[set] += distance;
                squares[set] += distance * distance;
            }
        }
        let count = self.teeth.len() as f64;
        let variance =
            (0..BETWEEN.len()).map(|set| squares[set] / count - (sums[set] / count).powi(2)).sum::<f64>() / sets;
        height / count / (variance.max(0.0) / count + 1e-9).sqrt()
    }
}
