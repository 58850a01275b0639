//! Clips of recordings for who listens: decoded in a process of their own that can reach nothing, so no browser decodes what strangers sent.
//!
//! ```text
//! clip ──▶ kept? ──▶ its turn, two at once ──▶ decode-worker, a fresh one ──▶ samples from … on ──▶ WAV, 16 bits, one channel ──▶ kept
//!                        └──▶ too many wait, or too long ──▶ busy
//! ```
//!
//! A decoder begins at the first sample of the file and ends with the last one of the clip: where a codec would let one jump, where one lands is a guess.

use std::collections::{HashSet, VecDeque};
use std::fs::File;
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::time::{Duration, Instant};

use console::desk::{Clip, Silence};
use datasets::audio::Limits;

use crate::scan::hearing::{Allowance, Ear};

/// So many are decoded at once.
const AT_ONCE: usize = 2;
/// So many more wait: what a few people with a page each ask for.
const WAITING_MAX: usize = 16;
/// Nobody waits longer.
const WAITS: Duration = Duration::from_secs(20);
/// Those that were asked for last are kept: ten minutes at 48 kHz.
const KEPT_BYTES_MAX: usize = 64 << 20;
/// A WAV file begins with so many bytes that are no sound.
const HEAD_BYTES: usize = 44;

/// Makes clips.
#[derive(Default)]
pub struct Clips {
    state: Mutex<State>,
    /// Something of the state has changed.
    changed: Condvar,
}

#[derive(Default)]
struct State {
    /// Those that were asked for last, the last one last.
    kept: VecDeque<(Clip, Arc<[u8]>)>,
    under_way: HashSet<Clip>,
    waiting: usize,
}

impl State {
    fn kept(&mut self, clip: &Clip) -> Option<Arc<[u8]>> {
        let place = self.kept.iter().position(|(kept, _)| kept == clip)?;
        let found = self.kept.remove(place)?;
        let sound = found.1.clone();
        self.kept.push_back(found);
        Some(sound)
    }

    fn keep(&mut self, clip: Clip, sound: Arc<[u8]>) {
        self.kept.push_back((clip, sound));
        let mut bytes: usize = self.kept.iter().map(|(_, sound)| sound.len()).sum();
        while bytes > KEPT_BYTES_MAX {
            bytes -= self.kept.pop_front().map_or(bytes, |(_, sound)| sound.len());
        }
    }
}

/// A clip that is being made; dropped, it is not any more.
struct UnderWay<'a> {
    clips: &'a Clips,
    clip: &'a Clip,
}

impl Drop for UnderWay<'_> {
    fn drop(&mut self) {
        self.clips.state().under_way.remove(self.clip);
        self.clips.changed.notify_all();
    }
}

impl Clips {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("nobody panics with it")
    }

    /// The clip as a WAV file, of a recording with that sample rate whose file `open` opens.
    ///
    /// # Errors
    /// Why it cannot be heard.
    pub fn get(
        &self,
        clip: &Clip,
        rate_hz: u32,
        open: impl FnOnce() -> Result<(File, u64), String>,
    ) -> Result<Arc<[u8]>, Silence> {
        if clip.samples == 0 || clip.samples > Clip::SECONDS_MAX * u64::from(rate_hz) {
            let most = Clip::SECONDS_MAX * u64::from(rate_hz);
            let why =
                format!("A clip has 1 to {most} samples ({} s); this one has {}.", Clip::SECONDS_MAX, clip.samples);
            return Err(Silence::Refused(why));
        }
        let until = Instant::now() + WAITS;
        let mut state = self.state();
        loop {
            if let Some(sound) = state.kept(clip) {
                return Ok(sound);
            }
            // Who asks for what is being made already gets that.
            if state.under_way.len() < AT_ONCE && !state.under_way.contains(clip) {
                break;
            }
            let left = until.saturating_duration_since(Instant::now());
            if state.waiting == WAITING_MAX || left.is_zero() {
                return Err(Silence::Busy);
            }
            state.waiting += 1;
            state = self.changed.wait_timeout(state, left).expect("nobody panics with it").0;
            state.waiting -= 1;
        }
        state.under_way.insert(clip.clone());
        drop(state);
        let _under_way = UnderWay { clips: self, clip };
        let (file, bytes) = open().map_err(Silence::Refused)?;
        let sound: Arc<[u8]> = decoded(clip, rate_hz, &file, bytes).map_err(Silence::Refused)?.into();
        self.state().keep(clip.clone(), sound.clone());
        Ok(sound)
    }
}

/// The clip, decoded by a process that has seen no other file and sees none after it.
fn decoded(clip: &Clip, rate_hz: u32, file: &File, bytes: u64) -> Result<Vec<u8>, String> {
    let limits =
        Limits { samples_passed: clip.from, samples_kept_max: clip.samples, ends_when_kept: true, ..Limits::default() };
    let ear = Ear::new(limits, Allowance::default()).map_err(|error| error.to_string());
    let heard = ear.and_then(|mut ear| ear.hear(file, bytes));
    let heard = heard.map_err(|why| {
        eprintln!("no clip can be decoded: {why}");
        "No decoder can be started: ask who runs this service to look at what it says.".to_owned()
    })?;
    let decoded = heard.clip.map_err(|why| format!("It cannot be decoded: {why}."))?;
    if decoded.rate_hz() != rate_hz {
        return Err(format!("It has {} samples a second, and the scan found {rate_hz}.", decoded.rate_hz()));
    }
    if decoded.samples.is_empty() {
        return Err(format!("It ends after {:.3} s, before this clip begins.", decoded.seconds()));
    }
    Ok(wav(&decoded.samples, rate_hz))
}

/// A WAV file of one channel and 16 bits (Microsoft and IBM, Multimedia Programming Interface 1.0, 1991).
fn wav(samples: &[f32], rate_hz: u32) -> Vec<u8> {
    let length = 2 * samples.len() as u32;
    let mut file = Vec::with_capacity(HEAD_BYTES + length as usize);
    let (pcm, channels, frame_bytes, bits) = (1_u16, 1_u16, 2_u16, 16_u16);
    for part in [
        &b"RIFF"[..],
        &(HEAD_BYTES as u32 - 8 + length).to_le_bytes(),
        b"WAVEfmt ",
        &16_u32.to_le_bytes(),
        &pcm.to_le_bytes(),
        &channels.to_le_bytes(),
        &rate_hz.to_le_bytes(),
        &(rate_hz * u32::from(frame_bytes)).to_le_bytes(),
        &frame_bytes.to_le_bytes(),
        &bits.to_le_bytes(),
        b"data",
        &length.to_le_bytes(),
    ] {
        file.extend_from_slice(part);
    }
    // What was encoded louder than full scale is as loud as that.
    let levels = samples.iter().map(|sample| (sample * 32_768.0).round().clamp(-32_768.0, 32_767.0) as i16);
    file.extend(levels.flat_map(i16::to_le_bytes));
    file
}

#[cfg(test)]
mod tests {
    use super::*;

    fn clip(from: u64) -> Clip {
        Clip { hash: "0".repeat(64), from, samples: 10 }
    }

    #[test]
    fn a_clip_has_each_sample_once_and_no_more_than_full_scale() {
        let made = wav(&[0.0, 0.5, -1.0, 1.5, -7.0], 44_100);
        let sound: Vec<i16> =
            made[HEAD_BYTES..].as_chunks::<2>().0.iter().map(|two| i16::from_le_bytes(*two)).collect();
        assert_eq!(sound, [0, 16_384, -32_768, 32_767, -32_768]);
        let number = |at: usize| u32::from_le_bytes(made[at..at + 4].try_into().expect("four bytes"));
        assert_eq!((number(4), number(24), number(28), number(40)), (46, 44_100, 88_200, 10));
    }

    #[test]
    fn what_was_asked_for_last_is_kept_and_who_comes_too_many_goes() {
        let clips = Clips::default();
        let third: Arc<[u8]> = vec![0; KEPT_BYTES_MAX / 3].into();
        for from in 0..3 {
            clips.state().keep(clip(from), third.clone());
        }
        // The first one is asked for again, so the second one has to go.
        assert!(clips.state().kept(&clip(0)).is_some());
        clips.state().keep(clip(3), third);
        let kept = [0, 1, 2, 3].map(|from| clips.state().kept(&clip(from)).is_some());
        assert_eq!(kept, [true, false, true, true]);

        clips.state().under_way.extend([clip(5), clip(6)]);
        clips.state().waiting = WAITING_MAX;
        let unasked = || panic!("nobody opens a file");
        assert_eq!(clips.get(&clip(7), 44_100, unasked), Err(Silence::Busy));
        assert!(clips.get(&clip(2), 44_100, unasked).is_ok());
        for samples in [0, 60 * 44_100 + 1] {
            let asked = Clip { samples, ..clip(0) };
            assert!(matches!(clips.get(&asked, 44_100, unasked), Err(Silence::Refused(_))));
        }
        // What could not be made keeps nobody's place.
        clips.state().under_way.clear();
        let gone = || Err("it is gone".to_owned());
        assert_eq!(clips.get(&clip(7), 44_100, gone), Err(Silence::Refused("it is gone".to_owned())));
        assert!(clips.state().under_way.is_empty());
    }
}
