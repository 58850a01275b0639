//! How well and at what cost are transformed clips found again, and how often is something found that is not there?
//!
//! ```text
//! tracks.tsv ─▶ listen ─▶ prints (kept in --work) ─▶ index ─┐
//! queries/<split>.tsv ─▶ listen ─▶ search ─▶ finds.tsv ◀────┤
//! parts of the tracks themselves, each track taken out ─────┘
//! ```
//!
//! Reads the corpus that `benches/sound/corpus.sh` gathers; `benches/sound/fingerprints.py` makes tables of what comes out.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::Parser;
use datasets::audio::{Limits, decode};
use datasets::audio_index::{AudioIndex, Entry, IndexWriter};
use features::sound::landmarks::{
    FRAMES_PER_SECOND, Found, IndexedPrint, Landmark, Listener, PASS_HZ, Print, RATE_HZ, Shelf, Span, is_accepted,
    search,
};
use kernels::{AudioKernels, DeviceChoice, open_with_threads, resampled};
use rustix::time::{ClockId, clock_gettime};

type Error = Box<dyn std::error::Error>;

/// Measures the fingerprints on a corpus of corpus.sh.
#[derive(Parser)]
struct Options {
    /// The corpus.
    corpus: PathBuf,
    /// Which split: dev or test.
    split: String,
    /// Where prints and the index are kept between runs.
    #[arg(long)]
    work: PathBuf,
    /// Where the finds go.
    #[arg(long)]
    out: PathBuf,
    /// Seconds of a query.
    #[arg(long, value_delimiter = ',', default_value = "5,10,30")]
    seconds: Vec<u32>,
    /// Leaves out longer tracks, in seconds, except those that queries were cut from.
    #[arg(long)]
    longest: Option<f32>,
    /// Measures the growth of cost with the index instead.
    #[arg(long)]
    growth: bool,
}

/// A track of the corpus.
struct Track {
    sha: String,
    package: String,
    path: PathBuf,
    print: Print,
}

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> Result<(), Error> {
    let options = Options::parse();
    let (kernels, _) = open_with_threads(DeviceChoice::Cpu, Some(1))?;
    let listener = Listener::default();
    fs::create_dir_all(&options.work)?;
    let tracks = tracks(&options, &listener, &*kernels)?;
    let index = index(&options.work.join(format!("{}.index", options.split)), &tracks)?;
    let [segment] = index.segments() else { return Err("the index is not compact".into()) };
    let seconds: f32 = tracks.iter().map(|track| track.print.seconds()).sum();
    println!(
        "tracks {} seconds {seconds:.0} bytes {} bytes_per_second {:.1}",
        tracks.len(),
        index.bytes(),
        index.bytes() as f32 / seconds
    );
    let library = Library {
        spans: segment
            .recordings()
            .iter()
            .map(|recording| Span {
                first_landmark: recording.first_landmark,
                frames: recording.frames,
                is_gone: false,
            })
            .collect(),
        names: segment.recordings().iter().map(|recording| recording.content_id.clone()).collect(),
        segment,
    };
    if options.growth {
        return growth(&options, &tracks, &listener, &*kernels);
    }
    let mut out = std::io::BufWriter::new(File::create(&options.out)?);
    writeln!(out, "kind\tsha\ttransform\tseconds\tat\tfound\tscore\tvotes\tmatched\theard\ttempo\torigin_s\tshift")?;
    queries(&options, &library, &listener, &*kernels, &mut out)?;
    unknown(&options, &tracks, &library, &mut out)?;
    Ok(())
}

/// The recordings of an index, and their names.
struct Library<'a> {
    spans: Vec<Span>,
    names: Vec<String>,
    segment: &'a datasets::audio_index::Segment,
}

impl Library<'_> {
    /// What is found when this recording is not there.
    fn search(&self, query: &Print, without: Option<&str>) -> Vec<Found> {
        let mut spans = self.spans.clone();
        if let Some(gone) = without.and_then(|name| self.names.iter().position(|known| known == name)) {
            spans[gone].is_gone = true;
        }
        let segment = self.segment;
        let shelf = Shelf::new(segment.postings(), segment.directory(), segment.landmarks(), &spans);
        search(query, &shelf.expect("the index was just written"))
    }
}

fn rows(path: &Path) -> Result<Vec<Vec<String>>, Error> {
    Ok(fs::read_to_string(path)?.lines().map(|line| line.split('\t').map(str::to_owned).collect()).collect())
}

fn samples(path: &Path) -> Result<Vec<f32>, Error> {
    let clip =
        decode(File::open(path)?, &Limits::default()).map_err(|error| format!("{}: {error:?}", path.display()))?;
    Ok(resampled(&clip.samples, clip.rate_hz(), RATE_HZ, PASS_HZ).into_owned())
}

/// The tracks of the split with their prints; prints are kept from run to run.
fn tracks(options: &Options, listener: &Listener, kernels: &dyn AudioKernels) -> Result<Vec<Track>, Error> {
    let mut tracks = Vec::new();
    let (mut cpu, mut heard) = (Duration::ZERO, 0.0);
    let queries = rows(&options.corpus.join("queries").join(format!("{}.tsv", options.split)))?;
    let is_wanted = |row: &&Vec<String>| {
        let is_short =
            options.longest.is_none_or(|longest| row[3].parse::<f32>().is_ok_and(|seconds| seconds <= longest));
        row[0] == options.split && (is_short || queries.iter().any(|query| query[0] == row[2]))
    };
    for row in rows(&options.corpus.join("tracks.tsv"))?.iter().filter(is_wanted) {
        let path = options.corpus.join("tracks").join(&row[4]);
        let kept = options.work.join(format!("{}.print", row[2]));
        let print = match fs::read(&kept) {
            Ok(bytes) => unpack(&bytes),
            Err(_) => {
                let samples = match samples(&path) {
                    Ok(samples) => samples,
                    Err(error) => {
                        println!("SKIPPED: {error}");
                        continue;
                    }
                };
                let before = cpu_time();
                let print = listener.listen(kernels, &samples)?;
                cpu += cpu_time() - before;
                heard += print.seconds();
                fs::write(kept.with_extension("part"), pack(&print))?;
                fs::rename(kept.with_extension("part"), &kept)?;
                print
            }
        };
        tracks.push(Track { sha: row[2].clone(), package: row[1].clone(), path, print });
    }
    if heard > 0.0 {
        println!(
            "listened to {heard:.0} s of sound in {:.2} s CPU: {:.0} x real time",
            cpu.as_secs_f32(),
            heard / cpu.as_secs_f32()
        );
    }
    Ok(tracks)
}

fn pack(print: &Print) -> Vec<u8> {
    let mut bytes = print.frames.to_le_bytes().to_vec();
    for landmark in &print.landmarks {
        bytes.extend(landmark.frame.to_le_bytes());
        bytes.extend(u32::from(landmark.pitch).to_le_bytes());
        bytes.extend(landmark.level_db.to_le_bytes());
    }
    bytes
}

fn unpack(bytes: &[u8]) -> Print {
    let number = |bytes: &[u8]| u32::from_le_bytes(bytes.try_into().expect("four bytes"));
    let landmark = |bytes: &[u8; 12]| Landmark {
        frame: number(&bytes[..4]),
        pitch: number(&bytes[4..8]) as u16,
        level_db: f32::from_bits(number(&bytes[8..])),
    };
    Print { frames: number(&bytes[..4]), landmarks: bytes[4..].as_chunks().0.iter().map(landmark).collect() }
}

fn entry(name: &str, print: &Print) -> Entry {
    let IndexedPrint { frames, landmarks, postings } = IndexedPrint::of(print);
    Entry { content_id: name.to_owned(), frames, landmarks, postings, ..Entry::default() }
}

fn index(dir: &Path, tracks: &[Track]) -> Result<AudioIndex, Error> {
    if dir.exists() {
        fs::remove_dir_all(dir)?;
    }
    let mut writer = IndexWriter::open(dir)?;
    tracks.iter().for_each(|track| writer.add(entry(&track.sha, &track.print)));
    writer.compact()?;
    Ok(AudioIndex::open(dir)?)
}

/// Seconds of the clip before a query begins: not on a frame, and elsewhere for "trim".
fn begin_seconds(transform: &str) -> f32 {
    if transform == "trim" { 1.142 } else { 0.5 }
}

fn queries(
    options: &Options,
    library: &Library<'_>,
    listener: &Listener,
    kernels: &dyn AudioKernels,
    out: &mut impl Write,
) -> Result<(), Error> {
    let mut costs: BTreeMap<u32, (usize, Duration, Duration)> = BTreeMap::new();
    for row in rows(&options.corpus.join("queries").join(format!("{}.tsv", options.split)))? {
        let (sha, at, transform) = (&row[0], &row[1], &row[2]);
        let samples = samples(&options.corpus.join("queries").join(&options.split).join(&row[3]))?;
        let begin = (begin_seconds(transform) * RATE_HZ as f32) as usize;
        for seconds in &options.seconds {
            let end = (begin + (seconds * RATE_HZ) as usize).min(samples.len());
            let started = cpu_time();
            let print = listener.listen(kernels, &samples[begin..end])?;
            let listened = cpu_time();
            let found = library.search(&print, None);
            let cost = costs.entry(*seconds).or_default();
            *cost = (cost.0 + 1, cost.1 + (listened - started), cost.2 + (cpu_time() - listened));
            let query = format!("{sha}\t{transform}\t{seconds}\t{at}");
            write_found(out, "known", &query, found.first(), library)?;
            write_found(out, "second", &query, found.get(1), library)?;
            write_found(out, "unknown", &query, library.search(&print, Some(sha)).first(), library)?;
        }
    }
    for (seconds, (n, listening, searching)) in costs {
        let ms = |time: Duration| time.as_secs_f64() * 1e3 / n as f64;
        let all = (listening + searching).as_secs_f64() / n as f64;
        println!(
            "query_seconds {seconds} queries {n} listening_ms {:.2} searching_ms {:.2} queries_per_cpu_second {:.1}",
            ms(listening),
            ms(searching),
            1.0 / all
        );
    }
    Ok(())
}

/// Parts of every track, that track itself taken out of the index.
fn unknown(options: &Options, tracks: &[Track], library: &Library<'_>, out: &mut impl Write) -> Result<(), Error> {
    for seconds in &options.seconds {
        let length = (*seconds as f32 * FRAMES_PER_SECOND) as u32 - 15;
        // One part in ten seconds of sound, or as many as do not overlap.
        let step = (seconds.max(&10) * 125).div_ceil(2);
        for track in tracks {
            for from in (0..track.print.frames.saturating_sub(length)).step_by(step as usize) {
                let found = library.search(&track.print.part(from, from + length), Some(&track.sha));
                let at = from as f32 / FRAMES_PER_SECOND;
                let query =
                    format!("{}\tpart of {} {}\t{seconds}\t{at:.2}", track.sha, track.package, track.path.display());
                write_found(out, "unknown", &query, found.first(), library)?;
            }
        }
    }
    Ok(())
}

fn write_found(
    out: &mut impl Write,
    kind: &str,
    query: &str,
    found: Option<&Found>,
    library: &Library<'_>,
) -> Result<(), Error> {
    match found {
        None => writeln!(out, "{kind}\t{query}\t\t0\t0\t0\t0\t1\t0\t0")?,
        Some(found) => {
            let (overlay, alignment) = (found.overlay, found.overlay.alignment);
            writeln!(
                out,
                "{kind}\t{query}\t{}\t{:.3}\t{}\t{}\t{}\t{:.5}\t{:.3}\t{:.1}",
                library.names[found.span],
                overlay.score,
                found.votes,
                overlay.matched,
                overlay.heard,
                alignment.tempo,
                alignment.offset_seconds(),
                alignment.shift
            )?;
        }
    }
    Ok(())
}

/// The cost of a query and what it still finds, from a sixteenth of the corpus to many times all of it. What the corpus lacks is made of
/// it: the same landmarks 4 to 11 semitones higher or lower and 25 to 60 % slower, which no query can be taken for.
fn growth(options: &Options, tracks: &[Track], listener: &Listener, kernels: &dyn AudioKernels) -> Result<(), Error> {
    let mut asked: Vec<(String, Print)> = Vec::new();
    for row in rows(&options.corpus.join("queries").join(format!("{}.tsv", options.split)))? {
        if ["mp3_64", "speed_p5", "pitch_m1"].contains(&row[2].as_str()) {
            let samples = samples(&options.corpus.join("queries").join(&options.split).join(&row[3]))?;
            let begin = RATE_HZ as usize / 2;
            asked.push((row[0].clone(), listener.listen(kernels, &samples[begin..begin + 10 * RATE_HZ as usize])?));
        }
    }
    let sought: Vec<&str> = asked.iter().map(|(sha, _)| sha.as_str()).collect();
    let mut order: Vec<&Track> = tracks.iter().filter(|track| sought.contains(&track.sha.as_str())).collect();
    order.extend(tracks.iter().filter(|track| !sought.contains(&track.sha.as_str())));
    for copies in [0, 1, 3, 7, 15, 31] {
        for share in if copies == 0 { vec![4, 2, 1] } else { vec![1] } {
            let dir = options.work.join("growth.index");
            if dir.exists() {
                fs::remove_dir_all(&dir)?;
            }
            let mut writer = IndexWriter::open(&dir)?;
            let mut seconds = 0.0;
            for track in &order[..order.len() / share] {
                writer.add(entry(&track.sha, &track.print));
                seconds += track.print.seconds();
                for copy in 1..=copies {
                    let print = elsewhere(&track.print, copy);
                    seconds += print.seconds();
                    writer.add(entry(&format!("{}-{copy}", track.sha), &print));
                }
            }
            writer.compact()?;
            let index = AudioIndex::open(&dir)?;
            let segment = &index.segments()[0];
            let recordings = segment.recordings();
            let spans: Vec<Span> = recordings
                .iter()
                .map(|recording| Span {
                    first_landmark: recording.first_landmark,
                    frames: recording.frames,
                    is_gone: false,
                })
                .collect();
            let shelf = Shelf::new(segment.postings(), segment.directory(), segment.landmarks(), &spans)
                .ok_or("a damaged index")?;
            let started = cpu_time();
            let is_right = |(sha, print): &&(String, Print)| {
                search(print, &shelf)
                    .first()
                    .is_some_and(|found| recordings[found.span].content_id == *sha && is_accepted(found.overlay.score))
            };
            let right = asked.iter().filter(is_right).count();
            let ms = (cpu_time() - started).as_secs_f64() * 1e3 / asked.len() as f64;
            println!(
                "hours {:.1} recordings {} bytes_per_second {:.1} search_ms {ms:.2} recall {:.3} of {}",
                seconds / 3600.0,
                spans.len(),
                index.bytes() as f32 / seconds,
                right as f64 / asked.len() as f64,
                asked.len()
            );
        }
    }
    Ok(())
}

/// Other music of the same kind.
fn elsewhere(print: &Print, copy: u32) -> Print {
    let semitones = 4 + (copy / 2) % 8;
    let up = copy.is_multiple_of(2);
    let slower = 1.25 + 0.35 * (copy as f32 / 31.0);
    let moved = |landmark: &Landmark| {
        let pitch = i32::from(landmark.pitch) + if up { 16 } else { -16 } * semitones as i32;
        // What falls off one end comes in at the other.
        Landmark { frame: (landmark.frame as f32 * slower) as u32, pitch: pitch.rem_euclid(856) as u16, ..*landmark }
    };
    let mut landmarks: Vec<Landmark> = print.landmarks.iter().map(moved).collect();
    landmarks.sort_by_key(|landmark| (landmark.frame, landmark.pitch));
    Print { frames: (print.frames as f32 * slower) as u32, landmarks }
}

fn cpu_time() -> Duration {
    let time = clock_gettime(ClockId::ProcessCPUTime);
    Duration::new(time.tv_sec as u64, time.tv_nsec as u32)
}
