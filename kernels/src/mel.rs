//! Bands of hearing: triangles over the bins.

use crate::{KernelError, StftPlan};

/// Weighted sums of neighbouring bins. Band m sums `weights(m)[i] * power[first(m) + i]`.
#[derive(Clone, Debug, PartialEq)]
pub struct MelBank {
    bins: usize,
    firsts: Vec<u32>,
    /// Where each band's weights begin; one more than there are bands.
    offsets: Vec<u32>,
    weights: Vec<f32>,
}

/// dB over time and band.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct MelBands {
    /// Rows.
    pub frames: usize,
    /// Columns.
    pub bands: usize,
    /// Row-major, `db[frame * bands + band]`.
    pub db: Vec<f32>,
}

impl MelBank {
    /// Triangles of height 1, evenly spaced on the mel scale 2595·log10(1 + f/700) from `low_hz` to `high_hz`; each reaches
    /// from its lower to its upper neighbour's centre. A band too narrow to hold a bin sums nothing.
    pub fn new(plan: &StftPlan, rate_hz: u32, bands: usize, low_hz: f64, high_hz: f64) -> Result<MelBank, KernelError> {
        let nyquist_hz = f64::from(rate_hz) / 2.0;
        if !(low_hz >= 0.0 && low_hz < high_hz && high_hz <= nyquist_hz) {
            let got = format!("{low_hz} to {high_hz} Hz");
            return Err(KernelError::plan("the mel range", got, "rising, from 0 to half the rate"));
        }
        if !(1..=4096).contains(&bands) {
            return Err(KernelError::plan("the number of mel bands", bands, "from 1 to 4096"));
        }
        let mel = |hz: f64| 2595.0 * (1.0 + hz / 700.0).log10();
        let hz = |mel: f64| 700.0 * (10f64.powf(mel / 2595.0) - 1.0);
        let edge = |i: usize| hz(mel(low_hz) + (mel(high_hz) - mel(low_hz)) * i as f64 / (bands + 1) as f64);
        let hz_per_bin = f64::from(rate_hz) / plan.fft_len() as f64;
        let triangle = |band: usize| {
            let (left, centre, right) = (edge(band), edge(band + 1), edge(band + 2));
            let first = ((left / hz_per_bin).ceil() as usize).min(plan.bins() - 1);
            let end = ((right / hz_per_bin).floor() as usize + 1).clamp(first, plan.bins());
            let weight = move |bin: usize| {
                let at = bin as f64 * hz_per_bin;
                ((at - left) / (centre - left)).min((right - at) / (right - centre)).max(0.0) as f32
            };
            (first, (first..end).map(weight).collect())
        };
        MelBank::from_bands(plan.bins(), (0..bands).map(triangle))
    }

    /// A bank of any bands: (first bin, weights). Weights are from 0 to 10^6.
    pub fn from_bands(bins: usize, bands: impl IntoIterator<Item = (usize, Vec<f32>)>) -> Result<MelBank, KernelError> {
        let mut bank = MelBank { bins, firsts: Vec::new(), offsets: vec![0], weights: Vec::new() };
        for (first, weights) in bands {
            if first + weights.len() > bins {
                return Err(KernelError::Shape {
                    what: "last bin of a band",
                    expected: bins,
                    got: first + weights.len(),
                });
            }
            if let Some(bad) = weights.iter().find(|weight| !(0.0..=1e6).contains(*weight)) {
                return Err(KernelError::plan("a weight of a band", bad, "from 0 to 1000000"));
            }
            bank.firsts.push(first as u32);
            bank.weights.extend(weights);
            bank.offsets.push(bank.weights.len() as u32);
        }
        Ok(bank)
    }

    /// How many bands.
    pub fn bands(&self) -> usize {
        self.firsts.len()
    }

    /// How many bins a frame must have.
    pub fn bins(&self) -> usize {
        self.bins
    }

    /// A band's first bin and its weights from there on.
    pub fn band(&self, band: usize) -> (usize, &[f32]) {
        let (from, to) = (self.offsets[band] as usize, self.offsets[band + 1] as usize);
        (self.firsts[band] as usize, &self.weights[from..to])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn triangles_share_every_bin_between_two_neighbours() {
        let plan = StftPlan::new(2048, 512).expect("a plan");
        let bank = MelBank::new(&plan, 16_000, 40, 100.0, 8000.0).expect("a bank");
        let mut sums = vec![0.0f32; plan.bins()];
        for band in 0..bank.bands() {
            let (first, weights) = bank.band(band);
            weights.iter().enumerate().for_each(|(i, weight)| sums[first + i] += weight);
        }
        // Between the first and the last centre (146 and 7496 Hz) rising and falling edges add up to one.
        assert!(sums[30..900].iter().all(|sum| (sum - 1.0).abs() < 1e-5));
        assert_eq!(sums[0], 0.0);
    }

    #[test]
    fn a_range_beyond_nyquist_is_refused() {
        let plan = StftPlan::new(1024, 512).expect("a plan");
        assert!(MelBank::new(&plan, 16_000, 40, 0.0, 8001.0).is_err());
        assert!(MelBank::new(&plan, 16_000, 40, f64::NAN, 8000.0).is_err());
        assert!(MelBank::from_bands(4, [(3, vec![1.0, 1.0])]).is_err());
        assert!(MelBank::from_bands(4, [(0, vec![f32::NAN])]).is_err());
    }
}
