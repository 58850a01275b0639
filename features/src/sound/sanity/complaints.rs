//! From numbers to what a reviewer is told.

use super::Sanity;

/// More than half of a track silent pads its length.
const SILENT_SHARE_MAX: f64 = 0.5;
/// So long a silence is no pause in music; hidden tracks have one, and a reviewer hears it at once.
const SILENT_SECS_MAX: f64 = 30.0;
/// Measured: 40 human recordings had 0 at the 95th percentile, the same ones driven 12 dB into the ceiling 3,956 at the 5th.
const CLIPPED_PPM_MAX: f64 = 1_000.0;
/// 1 % of full scale off centre. Judgement: mastering removes DC, a faulty converter leaves more.
const DC_MAX: f64 = 0.01;
/// Measured: 40 human recordings .24 to .68 (5th to 95th percentile), exact loops .88 and more.
const LOOP_MIN: f64 = 0.85;
/// Measured: noise tracks .01 to .02, human recordings .24 and more.
const NOISE_LOOP_MAX: f64 = 0.05;
/// Measured: noise tracks .14 to 1.66 dB, human recordings 1.4 and more: so it must come with no repetition at all.
const NOISE_SPREAD_MAX_DB: f64 = 2.0;
/// Channels that cancel out in mono: inverted wiring. Judgement.
const INVERTED_CORRELATION_MAX: f64 = -0.9;
/// A declared lossless file, or one of 256 kb/s and more, keeps its treble beyond this; a 128 kb/s mp3 ends at 16 to 17 kHz.
const TRANSCODED_BELOW_HZ: f64 = 17_500.0;
/// Shorter by this much than the container says: it was cut.
const MISSING_SECS_MAX: f64 = 2.0;

/// What the file says of its own quality.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Declared {
    /// PCM, FLAC, ALAC: nothing was thrown away.
    Lossless,
    /// A lossy codec at so many bits per second.
    Lossy {
        /// Bits per second.
        bits_per_sec: u32,
    },
}

/// Something a reviewer would want to know; with the number that says so.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Complaint {
    /// More than half is silence: the share.
    MostlySilent(f64),
    /// One silence of more than 30 s: its seconds.
    LongSilence(f64),
    /// More than 1,000 samples of a million clipped: ppm.
    Clipped(f64),
    /// The wave's centre is off: of full scale.
    OffCentre(f64),
    /// Channels that carry nothing: how many.
    DeadChannels(usize),
    /// Two channels that cancel out: their correlation.
    CancelsInMono(f64),
    /// The same seconds again and again: similarity and seconds.
    Loop(super::Loop),
    /// No melody, no rhythm, no change of level: the spread of the level, dB.
    NoiseLike(f64),
    /// Treble that the declared quality should have is missing: where it ends, Hz.
    Transcoded(f64),
    /// Shorter than the container says: the missing seconds.
    Cut(f64),
}

impl Sanity {
    /// Everything that is beyond its threshold.
    pub fn complaints(&self, declared: Option<Declared>) -> Vec<Complaint> {
        let over = |value: f64, max: f64, complaint: fn(f64) -> Complaint| (value > max).then(|| complaint(value));
        [
            over(self.silence.share, SILENT_SHARE_MAX, Complaint::MostlySilent),
            over(self.silence.longest_secs, SILENT_SECS_MAX, Complaint::LongSilence),
            over(self.clipping.ppm, CLIPPED_PPM_MAX, Complaint::Clipped),
            over(self.channels.dc_max, DC_MAX, Complaint::OffCentre),
            (self.channels.dead > 0).then_some(Complaint::DeadChannels(self.channels.dead)),
            self.inverted(),
            self.looped(),
            self.noise_like(),
            self.transcoded(declared),
            self.secs_beyond_promise.and_then(|beyond| over(-beyond, MISSING_SECS_MAX, Complaint::Cut)),
        ]
        .into_iter()
        .flatten()
        .collect()
    }

    fn inverted(&self) -> Option<Complaint> {
        let correlation = self.channels.correlation.filter(|&r| r < INVERTED_CORRELATION_MAX)?;
        Some(Complaint::CancelsInMono(correlation))
    }

    fn looped(&self) -> Option<Complaint> {
        self.repeats.filter(|repeats| repeats.similarity > LOOP_MIN).map(Complaint::Loop)
    }

    fn noise_like(&self) -> Option<Complaint> {
        let never_repeats = self.repeats.is_some_and(|repeats| repeats.similarity < NOISE_LOOP_MAX);
        let is_steady = self.level_spread_db < NOISE_SPREAD_MAX_DB && self.silence.share < SILENT_SHARE_MAX;
        (never_repeats && is_steady).then_some(Complaint::NoiseLike(self.level_spread_db))
    }

    /// Says nothing of files that never promised treble: a cut-off alone tells a lossy original from nothing.
    fn transcoded(&self, declared: Option<Declared>) -> Option<Complaint> {
        let promises_treble = match declared? {
            Declared::Lossless => true,
            Declared::Lossy { bits_per_sec } => bits_per_sec >= 256_000,
        };
        let cutoff = self.cutoff_hz.filter(|&hz| promises_treble && hz < TRANSCODED_BELOW_HZ)?;
        Some(Complaint::Transcoded(cutoff))
    }
}
