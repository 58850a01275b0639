//! Levels in dB and what is left of them when time is summed away.

use crate::KernelError;

/// How power becomes dB: 10·log10(power + floor).
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Decibels {
    floor: f32,
}

impl Decibels {
    /// dB over this floor of power; from 1e-30 to 1e30, so that the sum is never subnormal.
    pub fn over(floor: f32) -> Result<Decibels, KernelError> {
        if (1e-30..=1e30).contains(&floor) {
            Ok(Decibels { floor })
        } else {
            Err(KernelError::plan("the floor of power", floor, "from 1e-30 to 1e30"))
        }
    }

    /// What is added to every power.
    pub fn floor(self) -> f32 {
        self.floor
    }
}

/// Mean and variance over time of each bin's dB.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct BinStatistics {
    /// Over how many frames; of none, the mean is the floor and the variance 0.
    pub frames: usize,
    /// Per bin, dB.
    pub mean_db: Vec<f32>,
    /// Per bin, dB²; over the number of frames, not one less. Exact to 1e-5 of the greatest bin's, or 1e-4 dB² where that is more.
    pub variance_db2: Vec<f32>,
}

/// Frames per partial sum: sums of so many f32 stay within a few roundings, then f64 takes over. Every back-end cuts time here.
pub(crate) const BLOCK_FRAMES: usize = 32;
