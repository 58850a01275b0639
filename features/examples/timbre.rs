//! Hears audio files as the encoders do, and writes what they hear as numbers, or what they make of it and what that costs.
//!
//! ```text
//! paths on stdin ──▶ decode ──▶ bands ──┬─ without arguments ─▶ per line: u32 frames, then frames x 64 x f32 (little-endian)
//!                                       └─ `vectors` ─────────▶ per line: path, seconds, ms of each step, timbre, voice
//! ```
//!
//! `benches/sound/timbre.py` and `voice.py` train on it and measure with it: so the networks learn from exactly what they will hear. A file that cannot be decoded has 0
//! frames, or no line.

use std::error::Error;
use std::fs::File;
use std::io::{BufRead, BufWriter, Write, stdin, stdout};

use datasets::audio::{Clip, Limits, decode};
use features::sound::landmarks::{self, Listener};
use features::sound::sanity::{Sound, sanity};
use features::sound::synthesis::synthesis;
use features::sound::timbre::{BandListener, Bands, Ear, PASS_HZ, RATE_HZ, Vector, excerpts};
use kernels::cpu::Cpu;
use kernels::resampled;

fn main() -> Result<(), Box<dyn Error>> {
    let kernels = Cpu::with_threads(1)?;
    let (listener, ear) = (BandListener::default(), Ear::default());
    let asks_for_vectors = std::env::args().nth(1).is_some_and(|argument| argument == "vectors");
    let mut out = BufWriter::new(stdout().lock());
    for path in stdin().lock().lines() {
        let path = path?;
        let began = cpu_ms()?;
        let clip = decode(File::open(&path)?, &Limits::default());
        let decoding = cpu_ms()? - began;
        match clip {
            Ok(clip) if asks_for_vectors => {
                let told = vectors(&clip, &ear, &kernels)?;
                writeln!(out, "{path}\t{:.1}\t{:.1}\t{told}", clip.seconds(), decoding)?;
            }
            Ok(clip) => write(
                &mut out,
                &listener.listen(&kernels, &resampled(&clip.samples, clip.rate_hz(), RATE_HZ, PASS_HZ))?,
            )?,
            Err(refusal) => {
                eprintln!("{path}: {refusal:?}");
                if !asks_for_vectors {
                    write(&mut out, &Bands::default())?;
                }
            }
        }
        out.flush()?;
    }
    Ok(())
}

/// CPU time of all threads, as Linux tells it: the kernels have threads of their own.
fn cpu_ms() -> Result<f64, Box<dyn Error>> {
    let mut nanoseconds = 0.0;
    for thread in std::fs::read_dir("/proc/self/task")? {
        let told = std::fs::read_to_string(thread?.path().join("schedstat"))?;
        nanoseconds += told.split(' ').next().unwrap_or_default().parse::<f64>()?;
    }
    Ok(nanoseconds / 1e6)
}

fn write(out: &mut impl Write, bands: &Bands) -> std::io::Result<()> {
    out.write_all(&(bands.frames as u32).to_le_bytes())?;
    bands.db.iter().try_for_each(|db| out.write_all(&db.to_le_bytes()))
}

/// Milliseconds of CPU time for sanity, synthesis, fingerprint, bands, timbre, voice; then timbre and voice.
fn vectors(clip: &Clip, ear: &Ear, kernels: &Cpu) -> Result<String, Box<dyn Error>> {
    let mut marks = vec![cpu_ms()?];
    let mono = &clip.samples;
    let rate_hz = clip.rate_hz();
    sanity(
        kernels,
        &Sound { mono, rate_hz, levels: &[], correlation: None, secs: clip.seconds(), secs_promised: None },
    )?;
    marks.push(cpu_ms()?);
    synthesis(kernels, mono, rate_hz)?;
    marks.push(cpu_ms()?);
    Listener::default().listen(kernels, &resampled(mono, rate_hz, landmarks::RATE_HZ, landmarks::PASS_HZ))?;
    marks.push(cpu_ms()?);
    let mut windows = Vec::new();
    for part in excerpts(clip.samples.len(), rate_hz) {
        windows.extend(ear.windows(kernels, &resampled(&mono[part], rate_hz, RATE_HZ, PASS_HZ))?);
    }
    marks.push(cpu_ms()?);
    let timbre = ear.timbre(kernels, &windows)?;
    marks.push(cpu_ms()?);
    let voice = ear.voice(kernels, &windows)?;
    marks.push(cpu_ms()?);
    let ms = marks.windows(2).map(|pair| format!("{:.2}", pair[1] - pair[0]));
    let text = |vector: Option<Vector<64>>| vector.map_or_else(String::new, String::from);
    let told: Vec<String> = ms.chain([text(timbre), text(voice.map(|voice| voice.vector))]).collect();
    Ok(told.join("\t"))
}
