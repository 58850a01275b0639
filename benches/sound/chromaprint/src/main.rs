//! Chromaprint on the same clips: its fingerprints (a port to Rust, equal bit by bit by its own tests), laid over all recordings at all
//! places; the score is the share of equal bits at the best place.
//!
//! Usage: chromaprint-peer CORPUS SPLIT SECONDS OUT. `TRUESTREAM_FFMPEG` names ffmpeg, if it is not `ffmpeg`. Writes the columns of the
//! bench `fingerprints`.

use std::collections::HashMap;
use std::fs;
use std::io::Write;
use std::process::{Command, Stdio};
use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};
use rusty_chromaprint::{Configuration, Fingerprinter};

const RATE_HZ: u32 = 11_025;

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [corpus, split, seconds, out] = arguments.as_slice() else { panic!("CORPUS SPLIT SECONDS OUT") };
    let seconds: f32 = seconds.parse().expect("seconds");
    let rows = |file: &str| -> Vec<Vec<String>> {
        let text = fs::read_to_string(format!("{corpus}/{file}")).expect("a table");
        text.lines().map(|line| line.split('\t').map(str::to_owned).collect()).collect()
    };
    let mut tracks: Vec<(String, Vec<u32>)> = Vec::new();
    for row in rows("tracks.tsv").iter().filter(|row| row[0] == *split) {
        tracks.push((row[2].clone(), fingerprint(&samples(&format!("{corpus}/tracks/{}", row[4]), 0.0, 1e5))));
    }
    let codes: usize = tracks.iter().map(|track| track.1.len()).sum();
    println!("index {} tracks, {codes} codes, {} bytes", tracks.len(), codes * 4);
    let mut lines = vec!["kind\tsha\ttransform\tseconds\tat\tfound\tscore\tvotes\tmatched\theard\ttempo\torigin_s\tshift".to_owned()];
    let (mut listening, mut searching, mut n) = (Duration::ZERO, Duration::ZERO, 0);
    let places: HashMap<String, usize> = tracks.iter().enumerate().map(|(at, track)| (track.0.clone(), at)).collect();
    for row in rows(&format!("queries/{split}.tsv")) {
        let (sha, transform) = (&row[0], &row[2]);
        let begin = if transform == "trim" { 1.142 } else { 0.5 };
        let samples = samples(&format!("{corpus}/queries/{split}/{}", row[3]), begin, seconds);
        let started = cpu_time();
        let query = fingerprint(&samples);
        let listened = cpu_time();
        let scores: Vec<f32> = tracks.iter().map(|track| best(&query, &track.1)).collect();
        listening += listened - started;
        searching += cpu_time() - listened;
        n += 1;
        let own = places.get(sha).copied();
        let top = |without: Option<usize>| {
            let others = scores.iter().enumerate().filter(|(at, _)| Some(*at) != without);
            others.max_by(|a, b| a.1.total_cmp(b.1)).map(|(at, score)| (at, *score)).expect("tracks")
        };
        for (kind, (at, score)) in [("known", top(None)), ("unknown", top(own))] {
            lines.push(format!("{kind}\t{sha}\t{transform}\t{seconds}\t{}\t{}\t{score:.4}\t0\t0\t0\t1\t0\t0", row[1], tracks[at].0));
        }
    }
    let ms = |time: Duration| time.as_secs_f64() * 1e3 / f64::from(n);
    println!(
        "queries {n} listening_ms {:.2} searching_ms {:.2} queries_per_cpu_second {:.1}",
        ms(listening), ms(searching), 1e3 / (ms(listening) + ms(searching))
    );
    fs::File::create(out).and_then(|mut file| file.write_all(lines.join("\n").as_bytes())).expect("written");
}

fn samples(path: &str, begin: f32, seconds: f32) -> Vec<i16> {
    let ffmpeg = std::env::var("TRUESTREAM_FFMPEG").unwrap_or_else(|_| "ffmpeg".to_owned());
    let (begin, seconds, rate) = (begin.to_string(), seconds.to_string(), RATE_HZ.to_string());
    let line = ["-nostdin", "-v", "error", "-ss", &begin, "-t", &seconds, "-i", path, "-ac", "1", "-ar", &rate, "-f", "s16le", "-"];
    let output = Command::new(ffmpeg).args(line).stderr(Stdio::null()).output().expect("ffmpeg runs");
    output.stdout.chunks_exact(2).map(|bytes| i16::from_le_bytes([bytes[0], bytes[1]])).collect()
}

fn fingerprint(samples: &[i16]) -> Vec<u32> {
    let configuration = Configuration::preset_test2();
    let mut fingerprinter = Fingerprinter::new(&configuration);
    fingerprinter.start(RATE_HZ, 1).expect("a rate and a channel");
    fingerprinter.consume(samples);
    fingerprinter.finish();
    fingerprinter.fingerprint().to_vec()
}

/// The share of equal bits at the best place.
fn best(query: &[u32], track: &[u32]) -> f32 {
    if query.is_empty() || track.len() < query.len() {
        return 0.0;
    }
    let errors = |place: &[u32]| -> u32 { place.iter().zip(query).map(|(a, b)| (a ^ b).count_ones()).sum() };
    let least = track.windows(query.len()).map(errors).min().expect("at least one place");
    1.0 - least as f32 / (32 * query.len()) as f32
}

fn cpu_time() -> Duration {
    let time = clock_gettime(ClockId::ProcessCPUTime);
    Duration::new(time.tv_sec as u64, time.tv_nsec as u32)
}
