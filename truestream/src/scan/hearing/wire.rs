//! What a decoder's process says, as bytes on a pipe: a letter, a length, that many bytes.
//!
//! ```text
//! H guards (JSON)   once, when it is confined
//! S samples (f32, little endian)   any number of times per file
//! A answer (JSON)   once per file
//! ```

use std::io::{self, Write};
use std::time::Duration;

use datasets::audio::{Facts, Undecodable};
use serde::{Deserialize, Serialize};

use super::confine::Guard;

/// The longest message of samples.
pub const SAMPLES_BYTES_MAX: usize = 1 << 20;
/// The longest message of words; facts of eight channels are under 2 KiB.
pub const WORDS_BYTES_MAX: usize = 64 << 10;
/// Letter and length.
pub const HEAD_BYTES: usize = 5;

/// How the decoding of one file ended.
#[derive(Debug, Serialize, Deserialize)]
pub struct Answer {
    /// What is known of the file, or why it is no audio.
    pub heard: Result<Facts, Undecodable>,
    /// CPU time that the process has used since it began.
    pub cpu: Duration,
}

/// A message whose bytes are there.
#[derive(Debug)]
pub enum Message {
    /// What is in force.
    Hello(Vec<Guard>),
    /// Samples; they are appended to those before.
    Samples,
    /// The end of a file.
    Answer(Box<Answer>),
}

/// Samples are gathered until they are this long: a message for every packet would be a call of the kernel for every 26 ms.
const GATHERED_BYTES: usize = 64 << 10;

/// Writes messages.
pub struct Teller<W> {
    to: W,
    samples: Vec<u8>,
}

impl<W: Write> Teller<W> {
    pub fn new(to: W) -> Teller<W> {
        Teller { to, samples: Vec::new() }
    }

    pub fn hello(&mut self, guards: &[Guard]) -> io::Result<()> {
        let words = serde_json::to_vec(guards)?;
        self.tell(b'H', &words)
    }

    pub fn answer(&mut self, answer: &Answer) -> io::Result<()> {
        self.tell_samples()?;
        let words = serde_json::to_vec(answer)?;
        self.tell(b'A', &words)
    }

    pub fn samples(&mut self, samples: &[f32]) -> io::Result<()> {
        for piece in samples.chunks(GATHERED_BYTES / 4) {
            self.samples.extend(piece.iter().flat_map(|sample| sample.to_le_bytes()));
            if self.samples.len() >= GATHERED_BYTES {
                self.tell_samples()?;
            }
        }
        Ok(())
    }

    fn tell_samples(&mut self) -> io::Result<()> {
        if self.samples.is_empty() {
            return Ok(());
        }
        let mut samples = std::mem::take(&mut self.samples);
        let told = self.tell(b'S', &samples);
        samples.clear();
        self.samples = samples;
        told
    }

    fn tell(&mut self, letter: u8, bytes: &[u8]) -> io::Result<()> {
        let [a, b, c, d] = (bytes.len() as u32).to_le_bytes();
        self.to.write_all(&[letter, a, b, c, d])?;
        self.to.write_all(bytes)
    }
}

/// The length of a message, from its head; an error says what is wrong with it.
pub fn length_of(head: [u8; HEAD_BYTES]) -> Result<usize, String> {
    let [letter, length @ ..] = head;
    let length = u32::from_le_bytes(length) as usize;
    let most = match letter {
        b'S' => SAMPLES_BYTES_MAX,
        b'H' | b'A' => WORDS_BYTES_MAX,
        _ => return Err(format!("a message that begins with the byte {letter:#04x}")),
    };
    if length > most {
        return Err(format!("a message of {length} bytes"));
    }
    Ok(length)
}

/// Reads a message whose head said this letter; samples are appended.
pub fn message(letter: u8, bytes: &[u8], samples: &mut Vec<f32>) -> Result<Message, String> {
    let no_json = |error: serde_json::Error| format!("no JSON in it: {error}");
    match letter {
        b'H' => serde_json::from_slice(bytes).map(Message::Hello).map_err(no_json),
        b'A' => serde_json::from_slice(bytes).map(|answer| Message::Answer(Box::new(answer))).map_err(no_json),
        _ => {
            let (whole, rest) = bytes.as_chunks::<4>();
            if !rest.is_empty() {
                return Err("half a sample".to_owned());
            }
            samples.extend(whole.iter().map(|&sample| f32::from_le_bytes(sample)));
            Ok(Message::Samples)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Reads messages to the end or to the first that is none.
    fn read(mut bytes: &[u8]) -> Result<Vec<f32>, String> {
        let mut samples = Vec::new();
        while let Some((head, rest)) = bytes.split_first_chunk::<HEAD_BYTES>() {
            let length = length_of(*head)?;
            let (told, rest) = rest.split_at_checked(length).ok_or("cut off")?;
            message(head[0], told, &mut samples)?;
            bytes = rest;
        }
        Ok(samples)
    }

    #[test]
    fn whatever_comes_through_the_pipe_is_read_or_refused() {
        let mut good = Vec::new();
        let mut teller = Teller::new(&mut good);
        let facts =
            Facts { rate_hz: 8_000, channels: 1, frames: 900, levels: vec![Default::default()], ..Facts::default() };
        teller.hello(&[]).expect("written");
        teller.samples(&[0.5; 900]).expect("written");
        teller.answer(&Answer { heard: Ok(facts), cpu: Duration::from_millis(3) }).expect("written");
        assert_eq!(read(&good), Ok(vec![0.5; 900]));
        let number_of = |name: &str| std::env::var(name).ok().and_then(|text| text.parse().ok());
        let secs: f64 = number_of("TRUESTREAM_FUZZ_SECS").unwrap_or(1.0);
        let seed = number_of("TRUESTREAM_FUZZ_SEED").unwrap_or(1.0) as u64;
        let (began, mut tried) = (std::time::Instant::now(), 0_u64);
        while began.elapsed().as_secs_f64() < secs {
            let (chance, mut bytes) = (blake3::hash(&(seed << 32 | tried).to_le_bytes()), good.clone());
            for [at, more, change, cut] in chance.as_bytes().as_chunks::<4>().0.iter().take(1 + tried as usize % 8) {
                // Heads come often: the first hundred bytes are half of all places.
                let at = (usize::from(*at) << 8 | usize::from(*more)) % if change % 2 == 0 { 100 } else { bytes.len() };
                if let Some(byte) = bytes.get_mut(at) {
                    *byte ^= change;
                }
                if *cut < 10 {
                    bytes.truncate(at.max(1));
                }
            }
            if let Ok(samples) = read(&bytes) {
                assert!(4 * samples.len() <= bytes.len(), "TRUESTREAM_FUZZ_SEED={seed}, number {tried}");
            }
            tried += 1;
        }
        println!("pipes: {tried} tried");
    }
}
