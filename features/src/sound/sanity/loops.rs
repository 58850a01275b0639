//! How much a recording repeats itself exactly.
//!
//! ```text
//! 64 bands over time, dB ──▶ less each band's mean ──▶ correlation with itself, 1 to 12 s later ──▶ the largest
//! ```

use multiversion::multiversion;

/// Bands of the spectrogram that is compared with itself: a multiple of eight.
pub(super) const BANDS: usize = 64;
/// The lags that are tried, seconds: a beat is shorter, a verse longer.
const LAG_SECS: std::ops::RangeInclusive<f64> = 1.0..=12.0;
/// At a lag, at least so many seconds must overlap.
const OVERLAP_SECS: f64 = 6.0;
/// Below this, dB, a band counts as empty: 70 dB under the loudest cell. Decoders fill silence with what they like.
const EMPTY_BELOW_MAX_DB: f32 = 70.0;

/// The strongest repetition.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Loop {
    /// Normalised correlation of the log spectrogram with itself: 1 is an exact loop.
    pub similarity: f64,
    /// After how many seconds.
    pub lag_secs: f64,
}

/// The lag at which the bands, row-major by frame, agree best with themselves; `None` if they last less than 7 s or never change.
pub fn loopiness(bands_db: &[f32], bands: usize, frames_per_sec: f64) -> Option<Loop> {
    let centred = centred(bands_db, bands)?;
    let frames = centred.len() / bands;
    let overlap = (OVERLAP_SECS * frames_per_sec).ceil() as usize;
    let first = (LAG_SECS.start() * frames_per_sec).ceil() as usize;
    let last = ((LAG_SECS.end() * frames_per_sec).floor() as usize).min(frames.checked_sub(overlap)?);
    // What each stretch from the beginning has in it: any other stretch is a difference of two.
    let mut energies = vec![0.0];
    for frame in centred.chunks_exact(bands) {
        energies.push(energies[energies.len() - 1] + product(frame, frame));
    }
    let similarity = |lag: usize| {
        let (later, earlier) = (energies[frames] - energies[lag], energies[frames - lag]);
        let product = product(&centred[lag * bands..], &centred[..(frames - lag) * bands]);
        (lag, if later > 0.0 && earlier > 0.0 { product / (later * earlier).sqrt() } else { 0.0 })
    };
    let (lag, similarity) = (first.max(1)..=last).map(similarity).max_by(|a, b| a.1.total_cmp(&b.1))?;
    Some(Loop { similarity, lag_secs: lag as f64 / frames_per_sec })
}

/// Each cell less its band's mean over time, the empty ones lifted to one floor; `None` if nothing is left.
fn centred(bands_db: &[f32], bands: usize) -> Option<Vec<f32>> {
    let frames = bands_db.len().checked_div(bands).filter(|&frames| frames > 0)?;
    let loudest = bands_db.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let mut cells: Vec<f32> = bands_db.iter().map(|db| db.max(loudest - EMPTY_BELOW_MAX_DB)).collect();
    let mut means = vec![0.0_f64; bands];
    for frame in cells.chunks_exact(bands) {
        means.iter_mut().zip(frame).for_each(|(mean, &db)| *mean += f64::from(db) / frames as f64);
    }
    for frame in cells.chunks_exact_mut(bands) {
        frame.iter_mut().zip(&means).for_each(|(db, &mean)| *db -= mean as f32);
    }
    let energy: f64 = cells.iter().map(|&db| f64::from(db) * f64::from(db)).sum();
    // A steady tone's bands change by rounding only; a hundredth of a dB on average is no change to compare.
    (energy > 1e-4 * cells.len() as f64).then_some(cells)
}

/// The sum of the products: rows of 64 in f32, by eight partial sums, totals in f64.
#[multiversion(targets("x86_64+avx2+fma", "aarch64+neon"))]
fn product(a: &[f32], b: &[f32]) -> f64 {
    let mut total = 0.0;
    for (a, b) in a.chunks(BANDS).zip(b.chunks(BANDS)) {
        let mut sums = [0.0_f32; 8];
        for (a, b) in a.chunks_exact(8).zip(b.chunks_exact(8)) {
            for lane in 0..8 {
                sums[lane] += a[lane] * b[lane];
            }
        }
        total += f64::from(sums.iter().sum::<f32>());
    }
    total
}
