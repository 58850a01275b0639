//! A row of power becomes dB: summed over time per bin, or gathered into bands.

use multiversion::multiversion;

use super::dot::dot;
use super::level::db_from_power;
use crate::statistics::BLOCK_FRAMES;
use crate::{BinStatistics, Decibels, MelBank};

/// Mean and spread of each bin's dB so far.
///
/// Within a block of [`BLOCK_FRAMES`] frames, f64 sums of the f32 distance to the block's first frame: where that frame is silent,
/// sixty dB below the rest, the squares cancel to their fifth digit. Blocks are joined in f64 (Chan, Golub and LeVeque 1979).
pub struct Moments {
    decibels: Decibels,
    frames: usize,
    first: Vec<f32>,
    sums: Vec<f64>,
    squares: Vec<f64>,
    means: Vec<f64>,
    spreads: Vec<f64>,
}

impl Moments {
    /// Of no frame yet.
    pub fn new(bins: usize, decibels: Decibels) -> Moments {
        let (empty, whole) = (vec![0.0; bins], vec![0.0; bins]);
        Moments {
            decibels,
            frames: 0,
            first: empty,
            sums: whole.clone(),
            squares: whole.clone(),
            means: whole.clone(),
            spreads: whole,
        }
    }

    /// Adds a frame.
    pub fn add(&mut self, power: &[f32]) {
        if self.frames.is_multiple_of(BLOCK_FRAMES) {
            levels(power, self.decibels.floor(), &mut self.first);
            self.sums.fill(0.0);
            self.squares.fill(0.0);
        } else {
            add_levels(power, self.decibels.floor(), &self.first, &mut self.sums, &mut self.squares);
        }
        self.frames += 1;
        if self.frames.is_multiple_of(BLOCK_FRAMES) {
            self.join(BLOCK_FRAMES);
        }
    }

    /// The mean and the variance of all frames.
    pub fn finish(mut self) -> BinStatistics {
        let rest = self.frames % BLOCK_FRAMES;
        if rest > 0 {
            self.join(rest);
        }
        if self.frames == 0 {
            self.means.fill(f64::from(db_from_power(self.decibels.floor())));
        }
        let frames = self.frames.max(1) as f64;
        BinStatistics {
            frames: self.frames,
            mean_db: self.means.iter().map(|mean| *mean as f32).collect(),
            variance_db2: self.spreads.iter().map(|spread| (spread / frames) as f32).collect(),
        }
    }

    /// Joins the open block of `here` frames, the last of those counted, to the blocks before it.
    fn join(&mut self, here: usize) {
        let (before, here, all) = ((self.frames - here) as f64, here as f64, self.frames as f64);
        for bin in 0..self.means.len() {
            let (sum, squares) = (self.sums[bin], self.squares[bin]);
            let mean = f64::from(self.first[bin]) + sum / here;
            let spread = (squares - sum * sum / here).max(0.0);
            let step = mean - self.means[bin];
            self.means[bin] += step * here / all;
            self.spreads[bin] += spread + step * step * before * here / all;
        }
    }
}

/// Appends the dB of one frame's bands.
pub fn mel_row(bank: &MelBank, power: &[f32], decibels: Decibels, bands: &mut Vec<f32>) {
    let before = bands.len();
    bands.resize(before + bank.bands(), 0.0);
    band_levels(bank, power, decibels.floor(), &mut bands[before..]);
}

#[multiversion(targets("x86_64+avx2+fma", "aarch64+neon"))]
fn band_levels(bank: &MelBank, power: &[f32], floor: f32, levels: &mut [f32]) {
    for (band, level) in levels.iter_mut().enumerate() {
        let (first, weights) = bank.band(band);
        *level = dot(&power[first..][..weights.len()], weights) + floor;
    }
    for level in levels {
        *level = db_from_power(*level);
    }
}

#[multiversion(targets("x86_64+avx2+fma", "aarch64+neon"))]
fn levels(power: &[f32], floor: f32, levels: &mut [f32]) {
    for (level, power) in levels.iter_mut().zip(power) {
        *level = db_from_power(power + floor);
    }
}

#[multiversion(targets("x86_64+avx2+fma", "aarch64+neon"))]
fn add_levels(power: &[f32], floor: f32, first: &[f32], sums: &mut [f64], squares: &mut [f64]) {
    for (((power, first), sum), square) in power.iter().zip(first).zip(sums).zip(squares) {
        let step = f64::from(db_from_power(power + floor) - first);
        *sum += step;
        *square += step * step;
    }
}
