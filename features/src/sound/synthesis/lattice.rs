//! Where a decoder's strides would leave lines.
//!
//! A decoder that upsamples by strides k1, k2, … repeats what it does every k1·k2·… samples of its output. Whatever of
//! that does not depend on the music, a bias or a kernel that does not sum up evenly, is periodic with that many samples, so it is a line at
//! every multiple of rate / (k1·k2·…). The positions follow from the architecture, not from what was learned.

/// Output rate and number of samples after which a decoder repeats itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lattice {
    /// The rate the decoder writes, Hz.
    pub rate_hz: u32,
    /// The product of its strides, samples.
    pub stride: u32,
}

impl Lattice {
    const fn new(rate_hz: u32, stride: u32) -> Lattice {
        Lattice { rate_hz, stride }
    }

    /// From one line to the next, Hz.
    pub fn spacing_hz(self) -> f64 {
        f64::from(self.rate_hz) / f64::from(self.stride)
    }
}

/// Lattices that are also sought at another speed or pitch: the whole stride of published decoders.
///
/// 44100/512: DAC, HiFi-GAN and its descendants (at 22050/256 too), the vocoder of ACE-Step. 48000/512: the same at 48 kHz. 24000/320: EnCodec at
/// 24 kHz, SNAC, Mimi's inner stage. 32000/640: EnCodec at 32 kHz, so MusicGen. Two of them are less than 9 % apart: at another speed one is taken for the other,
/// and only the spacing is certain.
pub const SCALED: [Lattice; 4] =
    [Lattice::new(44_100, 512), Lattice::new(48_000, 512), Lattice::new(24_000, 320), Lattice::new(32_000, 640)];

/// Rates that decoders write.
const RATES_HZ: [u32; 6] = [44_100, 48_000, 32_000, 24_000, 22_050, 16_000];
/// Products of the strides in use: powers of two, and those with factors of 5 and 3.
const STRIDES: [u32; 14] = [64, 80, 128, 160, 240, 256, 300, 320, 480, 512, 600, 640, 1_024, 2_048];
/// Lines closer than this stand in each other's way in the spectrum; wider apart than this there are too few.
const SPACINGS_HZ: std::ops::RangeInclusive<f64> = 20.0..=400.0;

/// The lattice of [`SCALED`] that needs the least scaling to have this spacing.
pub fn nearest(spacing_hz: f64) -> Lattice {
    let scaling = |lattice: &Lattice| (spacing_hz / lattice.spacing_hz()).ln().abs();
    SCALED.into_iter().min_by(|a, b| scaling(a).total_cmp(&scaling(b))).expect("there are lattices")
}

/// The lattices that are sought exactly where they were made, each spacing once.
pub fn unscaled() -> Vec<Lattice> {
    let mut lattices: Vec<Lattice> = Vec::new();
    for rate_hz in RATES_HZ {
        for stride in STRIDES {
            let lattice = Lattice { rate_hz, stride };
            let is_known = lattices.iter().any(|known| known.spacing_hz() == lattice.spacing_hz());
            if SPACINGS_HZ.contains(&lattice.spacing_hz()) && !is_known {
                lattices.push(lattice);
            }
        }
    }
    lattices
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_spacing_is_sought_once_and_the_scaled_ones_are_among_them() {
        let spacings: Vec<f64> = unscaled().iter().map(|lattice| lattice.spacing_hz()).collect();
        for (n, spacing) in spacings.iter().enumerate() {
            assert!(!spacings[..n].contains(spacing), "{spacing} Hz twice");
        }
        for lattice in SCALED {
            assert!(spacings.contains(&lattice.spacing_hz()), "{lattice:?}");
        }
    }
}
