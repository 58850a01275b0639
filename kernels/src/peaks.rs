//! Where a spectrogram stands out.

use crate::KernelError;

/// How far a peak must stand alone and how high.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct PeakPlan {
    time_radius: usize,
    bin_radius: usize,
    floor: f32,
}

impl PeakPlan {
    /// Peaks above `floor`, none within `time_radius` frames and `bin_radius` bins of a higher cell; radii up to 1024.
    /// The floor may be −∞ (every finite cell may be a peak) and is not NaN.
    pub fn new(time_radius: usize, bin_radius: usize, floor: f32) -> Result<PeakPlan, KernelError> {
        if time_radius.max(bin_radius) > 1024 {
            return Err(KernelError::plan("a peak's radius", time_radius.max(bin_radius), "at most 1024"));
        }
        if floor.is_nan() {
            return Err(KernelError::plan("the peak floor", floor, "a number"));
        }
        Ok(PeakPlan { time_radius, bin_radius, floor })
    }

    /// Frames to either side.
    pub fn time_radius(&self) -> usize {
        self.time_radius
    }

    /// Bins to either side.
    pub fn bin_radius(&self) -> usize {
        self.bin_radius
    }

    /// The power a peak must exceed.
    pub fn floor(&self) -> f32 {
        self.floor
    }
}

/// A cell that stands out.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Peak {
    /// Its row.
    pub frame: u32,
    /// Its column.
    pub bin: u32,
    /// Its value.
    pub power: f32,
}
