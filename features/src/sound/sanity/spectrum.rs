//! What the mean spectrum says: where the treble ends, and whether there is any tone in it.

/// Bins that are averaged before an edge is looked for: 97 Hz at 44.1 kHz and 4096 samples.
const SMOOTH_BINS: usize = 9;
/// An edge falls by this much...
const EDGE_DB: f32 = 12.0;
/// ...within this.
const EDGE_HZ: f64 = 600.0;
/// Below this the spectrum falls for many reasons.
const EDGE_FROM_HZ: f64 = 3_000.0;
/// What lies further below the loudest bin is the floor of the coder, not sound; an edge starts above it.
const FLOOR_BELOW_MAX_DB: f32 = 85.0;
/// Flatness is of the bins of these frequencies: bins 4 to 1800 of 4096 at 44.1 kHz.
const FLAT_BINS: std::ops::Range<usize> = 4..1_800;

/// The highest frequency above 3 kHz from which the smoothed mean spectrum falls by 12 dB within 600 Hz; `None` where it falls nowhere.
///
/// Encoders cut the treble: 64 kb/s mp3 near 11 kHz, 128 near 16, 192 near 19, 320 near 20. So a lossless file that
/// ends at 16 kHz was an mp3 once. It is no proof: old tape and sober microphones end early too.
pub fn cutoff_hz(mean_db: &[f32], hz_per_bin: f64) -> Option<f64> {
    let smooth = smoothed(mean_db, SMOOTH_BINS);
    let loudest = smooth.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let reach = (EDGE_HZ / hz_per_bin).round().max(1.0) as usize;
    let from = (EDGE_FROM_HZ / hz_per_bin).ceil() as usize;
    let is_edge =
        |&bin: &usize| smooth[bin] > loudest - FLOOR_BELOW_MAX_DB && smooth[bin] - smooth[bin + reach] >= EDGE_DB;
    let last = smooth.len().checked_sub(reach)?;
    (from..last).rev().find(is_edge).map(|bin| bin as f64 * hz_per_bin)
}

/// Geometric over arithmetic mean of the mean spectrum: 1 if all frequencies are alike, near 0 if few stand out.
pub fn flatness(mean_db: &[f32]) -> f64 {
    let bins = &mean_db[FLAT_BINS.start.min(mean_db.len())..FLAT_BINS.end.min(mean_db.len())];
    if bins.is_empty() {
        return 0.0;
    }
    let count = bins.len() as f64;
    let geometric_db = bins.iter().map(|&db| f64::from(db)).sum::<f64>() / count;
    let arithmetic = bins.iter().map(|&db| power_from_db(f64::from(db))).sum::<f64>() / count;
    power_from_db(geometric_db) / arithmetic
}

fn power_from_db(db: f64) -> f64 {
    10.0_f64.powf(db / 10.0)
}

/// The mean of each bin and its neighbours; fewer at the edges.
fn smoothed(values: &[f32], width: usize) -> Vec<f32> {
    let half = width / 2;
    let mean = |at: usize| {
        let around = &values[at.saturating_sub(half)..(at + half + 1).min(values.len())];
        around.iter().sum::<f32>() / around.len() as f32
    };
    (0..values.len()).map(mean).collect()
}
