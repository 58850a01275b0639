//! What a run says: answers and costs, as one JSON object that `peers/collect.py` lays beside the others.

use std::time::{Duration, Instant};

use serde_json::{Map, Value, json};

use crate::Error;
use crate::feed::Clock;
use crate::views::{Digest, Row};

/// The digests of one view, refresh by refresh.
pub struct Answers {
    view: &'static str,
    columns: &'static [&'static str],
    digests: Vec<(i64, Digest)>,
}

impl Answers {
    /// No answers yet for the view of the row.
    pub fn of<R: Row>() -> Answers {
        Answers { view: R::VIEW, columns: R::COLUMNS, digests: Vec::new() }
    }

    /// Keeps the digest of a refresh.
    pub fn push(&mut self, refresh: i64, digest: Digest) {
        self.digests.push((refresh, digest));
    }

    /// The digests by refresh.
    pub fn digests(&self) -> &[(i64, Digest)] {
        &self.digests
    }

    /// The view's name.
    pub fn view(&self) -> &'static str {
        self.view
    }

    fn json(&self, clock: Clock) -> Value {
        let one = |(refresh, digest): &(i64, Digest)| {
            let mut object = Map::new();
            object.insert("as_of".into(), clock.as_of(*refresh).into());
            object.insert("rows".into(), digest.rows.into());
            for (place, column) in self.columns.iter().enumerate() {
                object.insert((*column).into(), digest.sums.get(place).copied().unwrap_or(0).into());
            }
            Value::Object(object)
        };
        self.digests.iter().map(one).collect()
    }
}

/// A run in the making.
pub struct Run {
    engine: &'static str,
    clock: Clock,
    started: Instant,
    plays: u64,
    refresh_ms: Vec<f64>,
}

impl Run {
    /// Starts the watch.
    pub fn start(engine: &'static str, clock: Clock) -> Run {
        Run { engine, clock, started: Instant::now(), plays: 0, refresh_ms: Vec::new() }
    }

    /// Notes a refresh: how many plays came in, and how long the views took to be right again.
    pub fn refreshed(&mut self, plays: usize, took: Duration) {
        self.plays += plays as u64;
        self.refresh_ms.push(took.as_secs_f64() * 1e3);
    }

    /// The whole run as JSON.
    ///
    /// # Errors
    /// When the system does not tell what the process used.
    pub fn finish(mut self, answers: &[Answers]) -> Result<Value, Error> {
        let wall_s = self.started.elapsed().as_secs_f64();
        self.refresh_ms.sort_by(f64::total_cmp);
        let quantile = |share: f64| {
            let last = self.refresh_ms.len().saturating_sub(1);
            self.refresh_ms.get((last as f64 * share).round() as usize).copied()
        };
        let views: Map<String, Value> =
            answers.iter().map(|answers| (answers.view.to_owned(), answers.json(self.clock))).collect();
        Ok(json!({
            "engine": self.engine,
            "plays": self.plays,
            "every_ms": self.clock.every_ms,
            "refreshes": self.refresh_ms.len(),
            "measured_refreshes": self.refresh_ms.len(),
            "cpu_s": cpu_s()?,
            "wall_s": wall_s,
            "peak_rss_mb": peak_rss_mb()?,
            "refresh_ms": { "p50": quantile(0.5), "p99": quantile(0.99), "max": quantile(1.0) },
            "views": views,
        }))
    }
}

/// User and system time of this process. Linux states both in hundredths of a second, whatever the kernel's own tick.
fn cpu_s() -> Result<f64, Error> {
    const TICKS_PER_S: f64 = 100.0;
    let stat = std::fs::read_to_string("/proc/self/stat")?;
    // The command's name stands in brackets and may hold spaces; user and system time are fields 14 and 15 (proc(5)).
    let (_, after_name) = stat.rsplit_once(')').ok_or("/proc/self/stat has no command")?;
    let ticks: Result<Vec<u64>, _> = after_name.split_whitespace().skip(11).take(2).map(str::parse).collect();
    Ok(ticks?.iter().sum::<u64>() as f64 / TICKS_PER_S)
}

fn peak_rss_mb() -> Result<f64, Error> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).ok_or("/proc/self/status has no VmHWM")?;
    let kib: f64 = line.split_whitespace().next().ok_or("VmHWM has no value")?.parse()?;
    Ok(kib / 1024.0)
}
