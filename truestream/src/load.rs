//! `truestream load`: sends plays to a service as fast as it is told, asks it questions meanwhile, and measures both.
//!
//! ```text
//! beat ──▶ plays of one refresh ──▶ senders ──▶ acknowledged? ──▶ "all has arrived until then" ──▶ watcher: when does SQL say so?
//!                                                                         readers: a point question after the other
//! ```
//!
//! Time is the load's own: each beat is one refresh interval of a service that runs with `--time told`.

use std::fmt::Write as _;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};
use std::thread::{self, sleep};
use std::time::{Duration, Instant};

use clap::{Args, ValueEnum};
use datasets::intake::arrow_of;
use datasets::tables::IdKind;
use hdrhistogram::Histogram;
use records::{Id, IdSpace, Millis, Play};
use serde_json::{Value, json};
use ureq::Agent;

use crate::exit::Failure;
use crate::replay::millis;

/// When the plays of a service that has none begin: 2026-01-01.
const BEGIN: Millis = 1_767_225_600_000;
/// Where the token is looked for when no file is named: what stands on the command line is seen by everybody.
const TOKEN: &str = "TRUESTREAM_TOKEN";
/// How long the last plays may take until SQL shows them.
const SHOWN_WITHIN: Duration = Duration::from_secs(300);
/// How often is looked whether they are shown.
const LOOKED_EVERY: Duration = Duration::from_millis(10);
/// How long is waited when the service asks to come again.
const AGAIN_AFTER: Duration = Duration::from_millis(100);

/// Sends plays to a service as fast as it is told, asks it questions meanwhile, and measures both.
#[derive(Args, Clone, Debug)]
#[command(after_help = "\
Examples:
  truestream serve --state S --time told --every 1min --plain-ids &
  TRUESTREAM_TOKEN=... truestream load --rate 100000 --beats 60
      a minute of plays each second, in Arrow batches, with two readers beside
  TRUESTREAM_TOKEN=... truestream load --rate 30000 --format json --json
      as JSON lines; figures for machines

Exit codes: 0 all plays are counted by the service, 2 options that cannot be, 3 the service counts other plays than it
took, 4 the service cannot be reached or refuses.")]
pub struct LoadArgs {
    /// The service
    #[arg(long, default_value = "http://127.0.0.1:8490", value_name = "URL")]
    pub to: String,
    /// A file with the token; the variable TRUESTREAM_TOKEN otherwise
    #[arg(long, value_name = "FILE")]
    pub token_file: Option<PathBuf>,
    /// Plays per beat
    #[arg(long, default_value_t = 100_000, value_parser = clap::value_parser!(u64).range(1..))]
    pub rate: u64,
    /// How many beats
    #[arg(long, default_value_t = 60, value_parser = clap::value_parser!(u64).range(1..=100_000))]
    pub beats: u64,
    /// Begin no further beat after so long, however many there were
    #[arg(long, value_name = "TIME")]
    pub time_max: Option<String>,
    /// How long a beat takes
    #[arg(long, default_value = "1s", value_name = "TIME")]
    pub beat: String,
    /// The refresh interval of the service: so much of its time is a beat
    #[arg(long, default_value = "1min", value_name = "TIME")]
    pub every: String,
    /// In which form plays are sent
    #[arg(long, value_enum, default_value_t = Form::Arrow)]
    pub format: Form,
    /// Plays per request
    #[arg(long, default_value_t = 10_000, value_parser = clap::value_parser!(u64).range(1..=1_000_000))]
    pub rows: u64,
    /// Requests at once
    #[arg(long, default_value_t = 4, value_parser = clap::value_parser!(u16).range(1..=256))]
    pub senders: u16,
    /// Readers, each with one point question after the other
    #[arg(long, default_value_t = 2, value_parser = clap::value_parser!(u16).range(0..=256))]
    pub readers: u16,
    /// How long a reader waits after each answer, in milliseconds
    #[arg(long, default_value_t = 10, value_name = "MS")]
    pub pause: u64,
    /// Accounts that play
    #[arg(long, default_value_t = 20_000, value_parser = clap::value_parser!(u64).range(1..))]
    pub accounts: u64,
    /// Tracks that are played
    #[arg(long, default_value_t = 50_000, value_parser = clap::value_parser!(u64).range(1..))]
    pub tracks: u64,
    /// Another seed, other plays
    #[arg(long, default_value_t = 1)]
    pub seed: u64,
    /// Figures for machines
    #[arg(long)]
    pub json: bool,
}

/// In which form plays are sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Form {
    /// Arrow IPC streams.
    Arrow,
    /// JSON lines.
    Json,
}

/// How long things took, in microseconds.
struct Times(Histogram<u64>);

impl Times {
    fn new() -> Times {
        // What is recorded beyond an hour counts as an hour.
        Times(Histogram::new_with_bounds(1, 3_600_000_000, 3).expect("three digits can be"))
    }

    fn note(&mut self, since: Instant) {
        self.0.saturating_record(since.elapsed().as_micros() as u64);
    }

    fn told(&self) -> Value {
        let millis = |micros: u64| (micros as f64 / 100.0).round() / 10.0;
        let at = |quantile| millis(self.0.value_at_quantile(quantile));
        json!({
            "count": self.0.len(),
            "p50_ms": at(0.5),
            "p90_ms": at(0.9),
            "p99_ms": at(0.99),
            "max_ms": millis(self.0.max()),
        })
    }
}

/// What all threads share.
struct Load {
    args: LoadArgs,
    token: String,
    begin: Millis,
    every_ms: Millis,
    taken: AtomicU64,
    again: AtomicU64,
    acknowledged: Mutex<Times>,
    shown: Mutex<Times>,
    answered: Mutex<Times>,
    ended: AtomicBool,
    failure: Mutex<Option<Failure>>,
}

/// Runs the load.
///
/// # Errors
/// When options cannot be, the service cannot be reached or refuses, or counts other plays than it took.
pub fn run(args: &LoadArgs) -> Result<(), Failure> {
    let (beat, every_ms) = (Duration::from_millis(millis(&args.beat)?.unsigned_abs()), millis(&args.every)?);
    let pause = Duration::from_millis(args.pause);
    let time_max = args.time_max.as_deref().map(millis).transpose()?;
    let time_max = time_max.map_or(Duration::MAX, |ms| Duration::from_millis(ms.unsigned_abs()));
    let token = token(args)?;
    let (as_of, before) = counted(&agent(), args, &token)?;
    let load = Arc::new(Load {
        begin: as_of.unwrap_or(BEGIN).max(BEGIN),
        args: args.clone(),
        token,
        every_ms,
        taken: AtomicU64::new(0),
        again: AtomicU64::new(0),
        acknowledged: Mutex::new(Times::new()),
        shown: Mutex::new(Times::new()),
        answered: Mutex::new(Times::new()),
        ended: AtomicBool::new(false),
        failure: Mutex::new(None),
    });
    let readers: Vec<_> = (0..args.readers).map(|_| spawn(&load, move |load| load.read(pause))).collect();
    let (told, tells) = channel();
    let watcher = spawn(&load, move |load| load.watch(&tells));
    let started = Instant::now();
    let sent = load.send(beat, time_max, &told);
    let seconds = started.elapsed().as_secs_f64();
    drop(told);
    let _ = watcher.join();
    load.ended.store(true, Ordering::Relaxed);
    readers.into_iter().for_each(|reader| drop(reader.join()));
    sent?;
    if let Some(failure) = load.failure.lock().expect("nobody panics with it").take() {
        return Err(failure);
    }
    let (_, after) = counted(&agent(), args, &load.token)?;
    load.tell(seconds, after - before)
}

fn spawn(load: &Arc<Load>, work: impl FnOnce(&Load) -> Result<(), Failure> + Send + 'static) -> thread::JoinHandle<()> {
    let load = load.clone();
    thread::spawn(move || {
        if let Err(failure) = work(&load) {
            load.failure.lock().expect("nobody panics with it").get_or_insert(failure);
        }
    })
}

fn token(args: &LoadArgs) -> Result<String, Failure> {
    let (from, text) = match &args.token_file {
        Some(path) => {
            let name = path.display().to_string();
            (name.clone(), std::fs::read_to_string(path).map_err(|error| format!("{name}: {error}")))
        }
        None => {
            let unset = format!("no token: set {TOKEN}, or name a file with --token-file");
            (TOKEN.to_owned(), std::env::var(TOKEN).map_err(|_| unset))
        }
    };
    let token = text.map_err(Failure::Usage)?.trim().to_owned();
    match token.is_empty() {
        true => Err(Failure::Usage(format!("{from} holds no token"))),
        false => Ok(token),
    }
}

fn agent() -> Agent {
    let minute = Some(Duration::from_secs(60));
    Agent::config_builder().http_status_as_error(false).timeout_global(minute).build().into()
}

/// Asks a question of SQL; the rows.
fn ask(agent: &Agent, args: &LoadArgs, token: &str, question: &str) -> Result<Vec<Value>, Failure> {
    let asked = agent.get(format!("{}/v1/query", args.to)).query("sql", question);
    let unreachable = |error: ureq::Error| Failure::Input(format!("{}: {error}", args.to));
    let mut answer = asked.header("Authorization", format!("Bearer {token}")).call().map_err(unreachable)?;
    let body = answer.body_mut().read_to_string().map_err(unreachable)?;
    let refused = || Failure::Input(format!("{}: {}: {body}", args.to, answer.status()));
    let told: Value = serde_json::from_str(&body).map_err(|_| refused())?;
    told["rows"].as_array().cloned().ok_or_else(refused)
}

/// As of when the service states, and how many plays its longest window counts.
fn counted(agent: &Agent, args: &LoadArgs, token: &str) -> Result<(Option<Millis>, i64), Failure> {
    let question = "SELECT CAST(max(as_of) AS BIGINT) AS as_of FROM as_of";
    let as_of = ask(agent, args, token, question)?.first().and_then(|row| row["as_of"].as_i64());
    let question =
        "SELECT max(plays) AS plays FROM (SELECT sum(plays) AS plays FROM account_window GROUP BY \"window\")";
    let plays = ask(agent, args, token, question)?.first().and_then(|row| row["plays"].as_i64());
    Ok((as_of, plays.unwrap_or(0)))
}

impl Load {
    /// Sends beat after beat, until there were enough or time is over; returns when all is acknowledged.
    fn send(&self, beat: Duration, time_max: Duration, told: &Sender<(Millis, Instant)>) -> Result<(), Failure> {
        let (teller, started) = (agent(), Instant::now());
        for number in (0..self.args.beats).take_while(|_| started.elapsed() < time_max) {
            sleep((started + beat * number as u32).saturating_duration_since(Instant::now()));
            let next = AtomicU64::new(0);
            let parts = self.args.rate.div_ceil(self.args.rows);
            thread::scope(|scope| {
                let senders: Vec<_> =
                    (0..self.args.senders).map(|_| scope.spawn(|| self.send_parts(number, &next, parts))).collect();
                senders.into_iter().try_for_each(|sender| sender.join().expect("senders do not panic"))
            })?;
            let until = self.begin + (number as Millis + 1) * self.every_ms;
            let since = Instant::now();
            self.post(&teller, "application/x-ndjson", Some(until), &[])?;
            let _ = told.send((until, since));
        }
        Ok(())
    }

    fn send_parts(&self, beat: u64, next: &AtomicU64, parts: u64) -> Result<(), Failure> {
        let agent = agent();
        loop {
            let part = next.fetch_add(1, Ordering::Relaxed);
            if part >= parts {
                return Ok(());
            }
            let rows = part * self.args.rows..((part + 1) * self.args.rows).min(self.args.rate);
            let plays: Vec<Play> = rows.map(|at| self.play(beat, at)).collect();
            let (media_type, body) = match self.args.format {
                Form::Arrow => {
                    let kinds = [IdKind::Text; IdSpace::ALL.len()];
                    let body = arrow_of(&plays, &kinds).map_err(|error| Failure::Input(error.to_string()))?;
                    ("application/vnd.apache.arrow.stream", body)
                }
                Form::Json => ("application/x-ndjson", json_lines(&plays).into_bytes()),
            };
            let since = Instant::now();
            self.post(&agent, media_type, None, &body)?;
            self.acknowledged.lock().expect("nobody panics with it").note(since);
            self.taken.fetch_add(plays.len() as u64, Ordering::Relaxed);
        }
    }

    /// Sends what is acknowledged before this returns, again and again if it must be.
    fn post(&self, agent: &Agent, media_type: &str, until: Option<Millis>, body: &[u8]) -> Result<(), Failure> {
        loop {
            let mut sent = agent.post(format!("{}/v1/plays", self.args.to)).header("Content-Type", media_type);
            sent = sent.header("Authorization", format!("Bearer {}", self.token));
            if let Some(until) = until {
                sent = sent.header("Truestream-Until", until.to_string());
            }
            let unreachable = |error: ureq::Error| Failure::Input(format!("{}: {error}", self.args.to));
            let mut answer = sent.send(body).map_err(unreachable)?;
            let told = answer.body_mut().read_to_string().map_err(unreachable)?;
            match answer.status().as_u16() {
                200 => return Ok(()),
                429 => {
                    self.again.fetch_add(1, Ordering::Relaxed);
                    sleep(AGAIN_AFTER);
                }
                status => return Err(Failure::Input(format!("{}: {status}: {told}", self.args.to))),
            }
        }
    }

    /// The play at that place of a beat: always the same for the same seed.
    fn play(&self, beat: u64, at: u64) -> Play {
        let number = beat * self.args.rate + at;
        let chance = |salt: u64| mixed(number ^ mixed(self.args.seed ^ salt << 48)) as f64 / (u64::MAX as f64 + 1.0);
        let account = (chance(1) * self.args.accounts as f64) as u64;
        // Few tracks are played much.
        let track = (chance(2).powi(3) * self.args.tracks as f64) as u64;
        let within = (at as i64 * self.every_ms) / self.args.rate as i64;
        let id = |letter: char, number: u64| Id::from(&*format!("{letter}{number}"));
        Play {
            play_id: Id::from(&*format!("l{}-{number}", self.begin)),
            ended_at: self.begin + beat as Millis * self.every_ms + within,
            arrived_at: None,
            account_id: id('a', account),
            track_id: id('t', track),
            played_ms: 1_000 + (chance(3) * 240_000.0) as u64,
            track_ms: None,
            device_id: Some(id('d', account)),
            ip_prefix: None,
            asn: None,
            country: Some("SE".to_owned()),
            platform: None,
            source: Some("library".to_owned()),
            playlist_id: None,
            reason_start: None,
            reason_end: None,
            shuffle: None,
            offline: None,
        }
    }

    /// Looks how long each beat takes until SQL states it.
    fn watch(&self, told: &Receiver<(Millis, Instant)>) -> Result<(), Failure> {
        let agent = agent();
        let mut stated = 0;
        for (until, since) in told {
            while stated < until {
                if since.elapsed() > SHOWN_WITHIN {
                    return Err(Failure::Input(format!("{}: nothing new for {SHOWN_WITHIN:?}", self.args.to)));
                }
                let question = "SELECT CAST(as_of AS BIGINT) AS as_of FROM as_of";
                let rows = ask(&agent, &self.args, &self.token, question)?;
                stated = rows.first().and_then(|row| row["as_of"].as_i64()).unwrap_or(stated);
                if stated < until {
                    sleep(LOOKED_EVERY);
                }
            }
            self.shown.lock().expect("nobody panics with it").note(since);
        }
        Ok(())
    }

    /// Asks for one account after the other.
    fn read(&self, pause: Duration) -> Result<(), Failure> {
        let agent = agent();
        let mut number = 0_u64;
        while !self.ended.load(Ordering::Relaxed) {
            number += 1;
            let account = mixed(number) % self.args.accounts;
            let question = format!("SELECT * FROM account_window WHERE account_id = 'a{account}'");
            let since = Instant::now();
            ask(&agent, &self.args, &self.token, &question)?;
            self.answered.lock().expect("nobody panics with it").note(since);
            sleep(pause);
        }
        Ok(())
    }

    fn tell(&self, seconds: f64, counted: i64) -> Result<(), Failure> {
        let taken = self.taken.load(Ordering::Relaxed);
        let times = |times: &Mutex<Times>| times.lock().expect("nobody panics with it").told();
        let (acknowledged, shown, answered) = (times(&self.acknowledged), times(&self.shown), times(&self.answered));
        let per_second = taken as f64 / seconds;
        if self.args.json {
            let told = json!({
                "plays": taken, "seconds": seconds, "plays_per_second": per_second.round(),
                "asked_to_come_again": self.again.load(Ordering::Relaxed), "counted": counted,
                "acknowledged": acknowledged, "shown": shown, "answered": answered,
            });
            println!("{told}");
        } else {
            println!("Sent      {taken} plays in {seconds:.1} s: {per_second:.0}/s, all acknowledged");
            for (what, times) in [("Requests", &acknowledged), ("Visible", &shown), ("Answers", &answered)] {
                let at = |name: &str| times[name].as_f64().unwrap_or(0.0);
                let (half, most, worst) = (at("p50_ms"), at("p99_ms"), at("max_ms"));
                println!(
                    "{what:9} {:>7}: half within {half} ms, 99 % within {most} ms, all within {worst} ms",
                    times["count"]
                );
            }
            println!("Counted   {counted} plays more than before, in the longest window");
        }
        match i64::try_from(taken) == Ok(counted) {
            true => Ok(()),
            false => Err(Failure::Different(format!("{taken} plays were taken, {counted} are counted"))),
        }
    }
}

fn json_lines(plays: &[Play]) -> String {
    let mut lines = String::with_capacity(plays.len() * 160);
    for play in plays {
        let Play { play_id, ended_at, account_id, track_id, played_ms, device_id, country, source, .. } = play;
        let text = |id: &Option<Id>| id.as_ref().map(ToString::to_string).unwrap_or_default();
        let (device, country) = (text(device_id), country.as_deref().unwrap_or_default());
        // Nothing in these texts needs to be escaped.
        let _ = writeln!(
            lines,
            r#"{{"play_id":"{play_id}","ended_at":{ended_at},"account_id":"{account_id}","track_id":"{track_id}","played_ms":{played_ms},"device_id":"{device}","country":"{country}","source":"{}"}}"#,
            source.as_deref().unwrap_or_default()
        );
    }
    lines
}

/// The number, so changed that it looks like chance: the finaliser of SplitMix64.
fn mixed(number: u64) -> u64 {
    let number = number.wrapping_add(0x9E37_79B9_7F4A_7C15);
    let number = (number ^ (number >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    let number = (number ^ (number >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    number ^ (number >> 31)
}
