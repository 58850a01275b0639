//! Music that is the same for the same seed, and can be played faster.

/// Samples per second.
pub const RATE_HZ: u32 = 16_000;

/// A number from 0 to 1 that looks random.
pub fn chance(seed: u32, at: u32) -> f32 {
    let mut mixed = u64::from(seed) << 32 | u64::from(at);
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    ((mixed ^ (mixed >> 31)) % 1_000_000) as f32 / 1e6
}

/// Plucked notes at times of no grid, played at some speed.
pub fn music(seed: u32, seconds: f32, speed: f32) -> Vec<i16> {
    let mut samples = vec![0.0_f32; (seconds / speed * RATE_HZ as f32) as usize];
    let (mut at, mut note) = (0.0, 0);
    while at < seconds {
        let hz = 220.0 * ((chance(seed, note) * 30.0).floor() / 12.0).exp2() * speed;
        let loudness = 0.05 + 0.15 * chance(seed, note + 10_000);
        let first = (at / speed * RATE_HZ as f32) as usize;
        for (n, sample) in samples.iter_mut().skip(first).take((0.5 / speed * RATE_HZ as f32) as usize).enumerate() {
            let time = n as f32 / RATE_HZ as f32;
            *sample += loudness * (-5.0 * time * speed).exp() * (std::f32::consts::TAU * hz * time).sin();
        }
        at += 0.06 + 0.25 * chance(seed, note + 20_000);
        note += 1;
    }
    samples.iter().map(|sample| (sample * 30_000.0).clamp(-32_000.0, 32_000.0) as i16).collect()
}
