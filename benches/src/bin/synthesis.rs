//! Hears audio files with the synthesis detector and says what it found, one line per file.
//!
//! ```text
//! paths on stdin ──▶ decode ──▶ synthesis ──▶ path, tier, evidence, spacing, lattice, scale, …, milliseconds
//! ```
//!
//! `benches/sound/synthesis.py` makes the clips and reads the lines.

use std::fs::File;
use std::io::{BufRead, Write, stdin, stdout};
use std::time::Instant;

use datasets::audio::{Limits, decode};
use features::sound::synthesis::{Synthesis, synthesis};
use kernels::cpu::Cpu;

const HEAD: &str = "path\ttier\tevidence\tspacing_hz\tlattice\tscale\theight\tcontrast\tsteadiness\trise\tevenness\tbreadth\tteeth_raised\
                    \tteeth\tsecs\taudible_to_hz\tdecode_ms\tdetect_ms";

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let kernels = Cpu::with_threads(1)?;
    let mut out = stdout().lock();
    writeln!(out, "{HEAD}")?;
    for path in stdin().lock().lines() {
        let path = path?;
        let begun = Instant::now();
        let clip = match decode(File::open(&path)?, &Limits::default()) {
            Ok(clip) => clip,
            Err(refusal) => {
                eprintln!("{path}: {refusal:?}");
                continue;
            }
        };
        let decoded = Instant::now();
        let found = synthesis(&kernels, &clip.samples, clip.facts.rate_hz)?;
        let (decode_ms, detect_ms) = (millis(decoded - begun), millis(decoded.elapsed()));
        writeln!(out, "{path}\t{}\t{decode_ms:.1}\t{detect_ms:.1}", line(&found))?;
    }
    Ok(())
}

fn line(found: &Synthesis) -> String {
    let trace = found.trace.map_or_else(
        || "\t\t\t\t\t\t\t\t\t\t".to_string(),
        |trace| {
            format!(
                "{:.4}\t{}/{}\t{:.5}\t{:.2}\t{:.2}\t{:.2}\t{:.2}\t{:.2}\t{:.2}\t{}\t{}",
                trace.spacing_hz,
                trace.lattice.rate_hz,
                trace.lattice.stride,
                trace.scale,
                trace.height,
                trace.contrast,
                trace.steadiness,
                trace.rise,
                trace.evenness,
                trace.breadth,
                trace.teeth_raised,
                trace.teeth
            )
        },
    );
    format!("{:?}\t{:.3}\t{trace}\t{:.2}\t{:.0}", found.tier, found.evidence, found.secs, found.audible_to_hz)
}

fn millis(duration: std::time::Duration) -> f64 {
    duration.as_secs_f64() * 1e3
}
