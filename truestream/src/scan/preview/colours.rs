//! Colours for levels, from dark to light, that print in grey and can be told apart by the colour-blind.

/// "Magma" by Nathaniel Smith and Stéfan van der Walt (published with matplotlib under CC0): every seventeenth of its 256
/// colours. Between them it is a straight line to less than 3 of 255.
const MAGMA: [[u8; 3]; 16] = [
    [0x00, 0x00, 0x04],
    [0x0b, 0x09, 0x24],
    [0x20, 0x11, 0x4b],
    [0x3b, 0x0f, 0x70],
    [0x57, 0x15, 0x7e],
    [0x72, 0x1f, 0x81],
    [0x8c, 0x29, 0x81],
    [0xa8, 0x32, 0x7d],
    [0xc4, 0x3c, 0x75],
    [0xde, 0x49, 0x68],
    [0xf1, 0x60, 0x5d],
    [0xfa, 0x7f, 0x5e],
    [0xfe, 0x9f, 0x6d],
    [0xfe, 0xbf, 0x84],
    [0xfd, 0xde, 0xa0],
    [0xfc, 0xfd, 0xbf],
];

/// The palette of a picture whose points are levels: red, green and blue for each of 256.
pub(super) fn palette() -> Vec<u8> {
    (0..=255).flat_map(colour).collect()
}

fn colour(level: u8) -> [u8; 3] {
    let (below, part) = (usize::from(level) / 17, u32::from(level) % 17);
    let above = (below + 1).min(MAGMA.len() - 1);
    let between = |channel: usize| {
        let (from, to) = (u32::from(MAGMA[below][channel]), u32::from(MAGMA[above][channel]));
        ((from * (17 - part) + to * part + 8) / 17) as u8
    };
    [between(0), between(1), between(2)]
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Relative luminance of sRGB (IEC 61966-2-1).
    fn luminance([red, green, blue]: [u8; 3]) -> f64 {
        let linear = |value: u8| match f64::from(value) / 255.0 {
            low if low <= 0.040_45 => low / 12.92,
            high => ((high + 0.055) / 1.055).powf(2.4),
        };
        0.2126 * linear(red) + 0.7152 * linear(green) + 0.0722 * linear(blue)
    }

    #[test]
    fn louder_is_lighter() {
        let lights: Vec<f64> = (0..=255).map(|level| luminance(colour(level))).collect();
        assert!(lights.windows(2).all(|pair| pair[0] <= pair[1] + 1e-4), "{lights:?}");
        assert!(lights[0] < 0.001 && lights[255] > 0.9);
        assert_eq!(palette().len(), 768);
    }
}
