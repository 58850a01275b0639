//! Samples become landmarks: moments and pitches that stand out from their surroundings.
//!
//! ```text
//! samples ─▶ |STFT|² ─▶ 48 bands per octave, dB ─▶ highest cell around ─▶ strongest of a second ─▶ Print
//! ```

use kernels::{AudioKernels, Decibels, KernelError, MelBank, PeakPlan, Samples, Spectrogram, StftPlan, Wanted};

/// Samples per second that [`Listener::listen`] takes. Nothing above 4 kHz is needed: every codec keeps what lies below.
pub const RATE_HZ: u32 = 8000;
/// What lies below it must be there: the highest band ends here.
pub const PASS_HZ: u32 = 3_550;
/// A frame of 256 ms tells two neighbouring semitones apart from 250 Hz on.
const FFT_LEN: usize = 2048;
/// 16 ms.
const HOP: usize = 128;
/// Frames per second.
pub const FRAMES_PER_SECOND: f32 = RATE_HZ as f32 / HOP as f32;

/// Steps of pitch per octave: 6.25 cents each.
pub const PITCHES_PER_OCTAVE: u16 = BANDS_PER_OCTAVE as u16 * PITCHES_PER_BAND as u16;
const BANDS_PER_OCTAVE: usize = 48;
const PITCHES_PER_BAND: usize = 4;
/// Bass below it is smeared by the frame's length, and cut off by small loudspeakers.
const LOW_HZ: f64 = 160.0;
/// From 160 to 3500 Hz.
const BANDS: usize = 214;

/// A landmark is the highest cell of 13 frames (0.2 s) by 11 bands (2.75 semitones).
const TIME_RADIUS: usize = 6;
const BAND_RADIUS: usize = 5;
/// Power of a frame that counts as silence: a tone at -100 dB of full scale has 2.6e-5.
const SILENCE_POWER: f32 = 1e-7;
const SILENCE_DB: f32 = -62.0;

/// How many landmarks a second keeps in an index, and in a query, which needs more so that it holds those of the index.
const INDEXED_PER_SECOND: f32 = 13.7;
const QUERIED_PER_SECOND: f32 = 20.5;
/// A landmark is compared with those up to this many frames before and after: half a second.
const RIVAL_FRAMES: u32 = 32;

/// Frames that are listened to at a time, so that an hour of sound needs no more memory than four minutes.
const PART_FRAMES: usize = 1 << 14;
/// Frames before and after a part that are heard with it: no landmark depends on more.
const MARGIN_FRAMES: usize = 16;

/// A moment and a pitch that stand out.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Landmark {
    /// When: frames of 16 ms from the beginning.
    pub frame: u32,
    /// How high: steps of 1/192 octave above 160 Hz.
    pub pitch: u16,
    /// How loud, dB.
    pub level_db: f32,
}

/// The landmarks of a piece of sound, in order of time, then pitch.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Print {
    /// How long the piece is.
    pub frames: u32,
    /// The landmarks.
    pub landmarks: Vec<Landmark>,
}

impl Print {
    /// The print with only as many landmarks as an index keeps.
    pub fn thinned(&self) -> Print {
        Print { frames: self.frames, landmarks: strongest(&self.landmarks, INDEXED_PER_SECOND) }
    }

    /// The frames from `from` to before `to`, counted from `from`.
    pub fn part(&self, from: u32, to: u32) -> Print {
        let inside = |landmark: &&Landmark| (from..to).contains(&landmark.frame);
        let landmarks =
            self.landmarks.iter().filter(inside).map(|landmark| Landmark { frame: landmark.frame - from, ..*landmark });
        Print { frames: to.min(self.frames).saturating_sub(from), landmarks: landmarks.collect() }
    }

    /// Goes on with the print of what begins so many seconds after this one's beginning, and before its end: up to the middle of what both have heard,
    /// this one counts. Each needs some time before and after a landmark to know that it is one.
    pub fn go_on(&mut self, later: &Print, at_seconds: f64) {
        let shift = (at_seconds * f64::from(FRAMES_PER_SECOND)).round() as u32;
        let middle = shift + self.frames.saturating_sub(shift) / 2;
        self.landmarks.retain(|landmark| landmark.frame < middle);
        let moved = later.landmarks.iter().map(|landmark| Landmark { frame: landmark.frame + shift, ..*landmark });
        self.landmarks.extend(moved.filter(|landmark| landmark.frame >= middle));
        self.frames = self.frames.max(shift + later.frames);
    }

    /// How long the piece is.
    pub fn seconds(&self) -> f32 {
        self.frames as f32 / FRAMES_PER_SECOND
    }
}

/// Knows how to listen; made once, used for every recording.
#[derive(Clone, Debug)]
pub struct Listener {
    plan: StftPlan,
    bank: MelBank,
    decibels: Decibels,
    peaks: PeakPlan,
}

impl Default for Listener {
    fn default() -> Self {
        let plan = StftPlan::new(FFT_LEN, HOP).expect("a plan within the limits");
        Listener {
            plan,
            bank: MelBank::from_bands(plan.bins(), (0..BANDS).map(band)).expect("all bands lie below half the rate"),
            decibels: Decibels::over(SILENCE_POWER).expect("a floor within the limits"),
            peaks: PeakPlan::new(TIME_RADIUS, BAND_RADIUS, SILENCE_DB).expect("radii within the limits"),
        }
    }
}

impl Listener {
    /// The print of a recording: mono samples, [`RATE_HZ`] of them per second.
    pub fn listen(&self, kernels: &dyn AudioKernels, samples: &[f32]) -> Result<Print, KernelError> {
        let frames = if samples.len() < FFT_LEN { 0 } else { self.plan.frames(samples.len()) };
        let mut landmarks = Vec::new();
        for from in (0..frames).step_by(PART_FRAMES) {
            let to = (from + PART_FRAMES).min(frames);
            let first = from.saturating_sub(MARGIN_FRAMES);
            let last = (to + MARGIN_FRAMES).min(frames);
            let heard = self.hear(kernels, &samples[first * HOP..(last - 1) * HOP + FFT_LEN])?;
            let heard = heard.into_iter().map(|landmark| Landmark { frame: landmark.frame + first as u32, ..landmark });
            // What begins or ends with the piece itself was cut there, and is no landmark.
            landmarks.extend(heard.filter(|landmark| {
                let frame = landmark.frame as usize;
                (from..to).contains(&frame) && frame > 0 && frame + 1 < frames
            }));
        }
        Ok(Print { frames: frames as u32, landmarks: strongest(&landmarks, QUERIED_PER_SECOND) })
    }

    /// All landmarks of a part, weak ones too.
    fn hear(&self, kernels: &dyn AudioKernels, samples: &[f32]) -> Result<Vec<Landmark>, KernelError> {
        let wanted = Wanted { mel: Some((&self.bank, self.decibels)), ..Wanted::default() };
        let heard = kernels.hear(&[Samples::F32(samples)], &self.plan, &wanted)?;
        let bands = heard.into_iter().next().and_then(|clip| clip.mel).expect("bands were asked for");
        let levels = Spectrogram { frames: bands.frames, bins: bands.bands, power: bands.db };
        let peaks = kernels.peaks(&levels, &self.peaks)?;
        let inner = peaks.iter().filter(|peak| (1..BANDS as u32 - 1).contains(&peak.bin));
        Ok(inner
            .map(|peak| {
                let row = &levels.power[peak.frame as usize * BANDS..][..BANDS];
                Landmark { frame: peak.frame, pitch: pitch(row, peak.bin as usize), level_db: peak.power }
            })
            .collect())
    }
}

/// The first bin of a band and its weights: a triangle that reaches to the neighbours' centres, at least a bin wide; weights add up to 1.
fn band(band: usize) -> (usize, Vec<f32>) {
    let bin_hz = f64::from(RATE_HZ) / FFT_LEN as f64;
    let step = (band as f64 / BANDS_PER_OCTAVE as f64).exp2();
    let centre = LOW_HZ * step / bin_hz;
    let reach = (centre * ((1.0 / BANDS_PER_OCTAVE as f64).exp2() - 1.0)).max(1.0);
    let bins = (centre - reach).ceil() as usize..=(centre + reach).floor() as usize;
    let heights: Vec<f64> = bins.clone().map(|bin| 1.0 - (bin as f64 - centre).abs() / reach).collect();
    let sum: f64 = heights.iter().sum();
    (*bins.start(), heights.iter().map(|height| (height / sum) as f32).collect())
}

/// The pitch of a peak, finer than its band: the top of the parabola through it and its neighbours.
fn pitch(row: &[f32], band: usize) -> u16 {
    let (left, top, right) = (row[band - 1], row[band], row[band + 1]);
    let bend = left - 2.0 * top + right;
    let aside = if bend < -1e-6 { (0.5 * (left - right) / bend).clamp(-0.5, 0.5) } else { 0.0 };
    ((band as f32 + aside) * PITCHES_PER_BAND as f32).round() as u16
}

/// Those that are among the strongest of the second around them, so that each second has about `per_second`, wherever it is cut.
fn strongest(landmarks: &[Landmark], per_second: f32) -> Vec<Landmark> {
    let keep = (per_second * (2 * RIVAL_FRAMES) as f32 / FRAMES_PER_SECOND).round() as usize;
    let (mut from, mut to) = (0, 0);
    let mut kept = Vec::new();
    for landmark in landmarks {
        while landmarks[from].frame + RIVAL_FRAMES < landmark.frame {
            from += 1;
        }
        while to < landmarks.len() && landmarks[to].frame <= landmark.frame + RIVAL_FRAMES {
            to += 1;
        }
        let stronger = landmarks[from..to].iter().filter(|rival| rival.level_db > landmark.level_db).count();
        if stronger < keep {
            kept.push(*landmark);
        }
    }
    kept
}
