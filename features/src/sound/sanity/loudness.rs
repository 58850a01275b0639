//! How loud a recording is to listeners.
//!
//! ```text
//! samples ──▶ K weighting (shelf, high-pass) ──▶ power of every 100 ms ──▶ blocks of 400 ms ──▶ gated mean ──▶ LUFS
//! ```

use multiversion::multiversion;

use super::Sound;
use super::silence::energy;

/// Stretches of the recording that are filtered side by side: a filter waits for its own last answer, eight of them fill the time.
const LANES: usize = 8;
/// Blocks overlap by three quarters, so a recording is cut into quarters of a block: 100 ms.
const QUARTERS: usize = 4;
/// LUFS of a mean power of 1 (BS.1770).
const OFFSET_DB: f64 = -0.691;
/// Quieter blocks are no programme (BS.1770).
const GATE_LUFS: f64 = -70.0;
/// Nor are those so much below the mean of the rest (BS.1770).
const RELATIVE_GATE_DB: f64 = -10.0;
/// Below twice the frequency of the shelf there is no such filter.
const RATE_HZ_MIN: u32 = 4_000;
/// States below it count as none: numbers that are hardly any take a processor a hundred times as long.
const FAINT: f64 = 1e-30;

/// Integrated loudness, LUFS: EBU R 128 on ITU-R BS.1770, gated.
///
/// BS.1770 adds up the channels' powers; here only their mean is at hand. So the mean is measured as one channel and
/// lifted by what the channels have more in power than their mean. That is exact for equal channels and for one live channel of several,
/// and off only as far as what the mean loses differs in colour or in time from what it keeps. The weights of surround channels are left out.
pub(super) fn integrated_lufs(sound: &Sound<'_>) -> Option<f64> {
    let quarters = quarter_powers(sound.mono, sound.rate_hz)?;
    let blocks: Vec<f64> =
        quarters.windows(QUARTERS).map(|quarters| quarters.iter().sum::<f64>() / QUARTERS as f64).collect();
    let loud = mean_of_those_over(&blocks, power_from_lufs(GATE_LUFS))?;
    let gate = power_from_lufs(lufs(loud) + RELATIVE_GATE_DB).max(power_from_lufs(GATE_LUFS));
    Some(lufs(mean_of_those_over(&blocks, gate)?) + lift_db(sound))
}

fn lufs(power: f64) -> f64 {
    OFFSET_DB + 10.0 * power.log10()
}

fn power_from_lufs(lufs: f64) -> f64 {
    10.0_f64.powf((lufs - OFFSET_DB) / 10.0)
}

fn mean_of_those_over(blocks: &[f64], gate: f64) -> Option<f64> {
    let loud = || blocks.iter().filter(|power| **power >= gate);
    (loud().count() > 0).then(|| loud().sum::<f64>() / loud().count() as f64)
}

/// The weighted power of each 100 ms; a last, shorter stretch is left out. `None` at rates without such a weighting.
fn quarter_powers(mono: &[f32], rate_hz: u32) -> Option<Vec<f64>> {
    if rate_hz < RATE_HZ_MIN {
        return None;
    }
    let filters = [shelf(f64::from(rate_hz)), high_pass(f64::from(rate_hz))];
    let long = (rate_hz as usize + 5) / 10;
    let quarters = mono.len() / long;
    let per_lane = quarters.div_ceil(LANES);
    let silence = vec![0.0; long];
    let quarter =
        |at: Option<usize>| at.filter(|at| *at < quarters).map_or(&silence[..], |at| &mono[at * long..][..long]);
    let mut powers = vec![0.0; per_lane * LANES];
    let mut states = States::default();
    // Each lane first hears the 100 ms before its own: of what was before that, the filters know less than a thousand-millionth.
    for step in 0..=per_lane {
        let heard = std::array::from_fn(|lane| quarter((lane * per_lane + step).checked_sub(1)));
        let energies = weighted_energies(&filters, &mut states, heard);
        states.forget_what_is_faint();
        if let Some(step) = step.checked_sub(1) {
            (0..LANES).for_each(|lane| powers[lane * per_lane + step] = energies[lane] / long as f64);
        }
    }
    powers.truncate(quarters);
    Some(powers)
}

/// A filter of second order: b over 1 and a.
struct Filter {
    b: [f64; 3],
    a: [f64; 2],
}

/// The head's shelf: its parameters are the analogue ones of the coefficients that BS.1770 gives for 48 kHz (B. De Man, AES 2014).
fn shelf(rate_hz: f64) -> Filter {
    let (centre_hz, gain_db, quality) = (1_681.974_450_955_533, 3.999_843_853_973_347, 0.707_175_236_955_419_6);
    let k = (std::f64::consts::PI * centre_hz / rate_hz).tan();
    let high = 10.0_f64.powf(gain_db / 20.0);
    let band = high.powf(0.499_666_774_154_541_6);
    let whole = 1.0 + k / quality + k * k;
    Filter {
        b: [high + band * k / quality + k * k, 2.0 * (k * k - high), high - band * k / quality + k * k]
            .map(|b| b / whole),
        a: [2.0 * (k * k - 1.0) / whole, (1.0 - k / quality + k * k) / whole],
    }
}

/// The high-pass filter, from the same source.
fn high_pass(rate_hz: f64) -> Filter {
    let (centre_hz, quality) = (38.135_470_876_024_44, 0.500_327_037_323_877_3);
    let k = (std::f64::consts::PI * centre_hz / rate_hz).tan();
    let whole = 1.0 + k / quality + k * k;
    Filter { b: [1.0, -2.0, 1.0], a: [2.0 * (k * k - 1.0) / whole, (1.0 - k / quality + k * k) / whole] }
}

/// What two filters remember, in each lane.
#[derive(Default)]
struct States([[[f64; LANES]; 2]; 2]);

impl States {
    fn forget_what_is_faint(&mut self) {
        let states = self.0.iter_mut().flatten().flatten();
        states.filter(|state| state.abs() < FAINT).for_each(|state| *state = 0.0);
    }
}

/// The energy of each lane behind both filters. All lanes are as long as the first.
#[multiversion(targets("x86_64+avx2+fma", "aarch64+neon"))]
fn weighted_energies(filters: &[Filter; 2], states: &mut States, lanes: [&[f32]; LANES]) -> [f64; LANES] {
    let long = lanes[0].len();
    let lanes = lanes.map(|lane| &lane[..long]);
    let [[mut s1, mut s2], [mut h1, mut h2]] = states.0;
    let [shelf, high] = filters;
    let mut energies = [0.0; LANES];
    #[expect(clippy::needless_range_loop, reason = "the same place of all lanes")]
    for at in 0..long {
        for lane in 0..LANES {
            let x = f64::from(lanes[lane][at]);
            let y = shelf.b[0] * x + s1[lane];
            s1[lane] = shelf.b[1] * x - shelf.a[0] * y + s2[lane];
            s2[lane] = shelf.b[2] * x - shelf.a[1] * y;
            let z = high.b[0] * y + h1[lane];
            h1[lane] = high.b[1] * y - high.a[0] * z + h2[lane];
            h2[lane] = high.b[2] * y - high.a[1] * z;
            energies[lane] += z * z;
        }
    }
    states.0 = [[s1, s2], [h1, h2]];
    energies
}

/// The power of all channels over that of their mean, dB; 0 where the levels do not say.
fn lift_db(sound: &Sound<'_>) -> f64 {
    let channels: f64 = sound.levels.iter().map(|level| level.rms * level.rms).sum();
    let mean = energy(sound.mono) / sound.mono.len().max(1) as f64;
    if channels > 0.0 && mean > 0.0 { 10.0 * (channels / mean).log10() } else { 0.0 }
}

#[cfg(test)]
mod tests {
    use ebur128::{EbuR128, Mode};

    use super::*;
    use crate::sound::noise;

    #[test]
    fn the_filters_are_those_of_the_standard_at_48_khz() {
        // ITU-R BS.1770-4, tables 1 and 2.
        let (shelf, high) = (shelf(48_000.0), high_pass(48_000.0));
        let near = |got: f64, expected: f64| assert!((got - expected).abs() < 1e-9, "{got}, expected {expected}");
        [1.53512485958697, -2.69169618940638, 1.19839281085285].iter().zip(shelf.b).for_each(|(b, got)| near(got, *b));
        [-1.69065929318241, 0.73248077421585].iter().zip(shelf.a).for_each(|(a, got)| near(got, *a));
        [-1.99004745483398, 0.99007225036621].iter().zip(high.a).for_each(|(a, got)| near(got, *a));
    }

    #[test]
    fn loudness_is_what_another_meter_says() {
        for (rate_hz, secs) in
            [(44_100, 9.05), (48_000, 3.3), (8_000, 31.0), (22_050, 0.7), (96_000, 0.41), (44_100, 0.3)]
        {
            let mut mono = noise::white(u64::from(rate_hz), (secs * f64::from(rate_hz)) as usize);
            // Loud and quiet by turns, and nothing at all for a while: both gates have something to do.
            let levels = [0.5, 0.02, 0.3, 0.0, 0.0001];
            let quarter = rate_hz as usize / 3;
            mono.iter_mut().enumerate().for_each(|(at, x)| *x *= levels[(at / quarter) % levels.len()]);
            let mut meter = EbuR128::new(1, rate_hz, Mode::I).expect("a meter");
            meter.add_frames_f32(&mono).expect("heard");
            let expected = meter.loudness_global().ok().filter(|lufs| lufs.is_finite());
            let sound = Sound { mono: &mono, rate_hz, levels: &[], correlation: None, secs, secs_promised: None };
            match (integrated_lufs(&sound), expected) {
                (Some(got), Some(expected)) => assert!((got - expected).abs() < 1e-4, "{rate_hz}: {got}, {expected}"),
                (got, expected) => assert_eq!(got, expected, "{rate_hz}"),
            }
        }
    }
}
