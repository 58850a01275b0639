//! How far each partition is, for who asks: `/health`, `/metrics`, and standard error when it changes.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::{Mutex, MutexGuard};
use std::time::Instant;

use serde_json::{Value, json};

use super::position::Partition;

/// How far the topics are that are read.
#[derive(Default)]
pub struct Standing(Mutex<State>);

#[derive(Default)]
struct State {
    partitions: BTreeMap<Partition, Stands>,
    /// Since when the cluster cannot be asked, and why.
    down: Option<(Instant, String)>,
    /// Why nothing is asked for although there may be something.
    holds: Option<String>,
}

/// How far a partition is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Stands {
    /// The offset that is read next; none while it is not known.
    at: Option<i64>,
    /// The offset that comes after its last message.
    end: Option<i64>,
    /// Why it is not read.
    problem: Option<String>,
}

impl Stands {
    fn lag(&self) -> Option<i64> {
        Some((self.end? - self.at?).max(0))
    }
}

impl Standing {
    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().expect("nobody panics with it")
    }

    /// The partition is read from there on, and ends there.
    pub fn reads(&self, partition: &Partition, at: i64, end: i64) {
        let mut state = self.state();
        let stands = state.partitions.entry(partition.clone()).or_default();
        if stands.problem.take().is_some() {
            eprintln!("Kafka: {partition} is read on from offset {at}");
        }
        (stands.at, stands.end) = (Some(at), Some(end));
    }

    /// The partition is not read, for this reason, which is told once.
    pub fn stops(&self, partition: &Partition, why: &str) {
        let mut state = self.state();
        let stands = state.partitions.entry(partition.clone()).or_default();
        if stands.problem.as_deref() != Some(why) {
            eprintln!("Kafka: {partition} is not read: {why}");
            stands.problem = Some(why.to_owned());
        }
    }

    /// The cluster cannot be asked, for this reason, which is told when it begins.
    pub fn is_down(&self, why: &str) {
        match &mut self.state().down {
            Some((_, last)) => *last = why.to_owned(),
            down => {
                eprintln!("Kafka: no broker can be asked, and each is tried again: {why}");
                *down = Some((Instant::now(), why.to_owned()));
            }
        }
    }

    /// It can.
    pub fn is_up(&self) {
        if let Some((since, _)) = self.state().down.take() {
            eprintln!("Kafka: brokers answer again after {} s", since.elapsed().as_secs());
        }
    }

    /// Nothing is asked for, for this reason; or it is.
    pub fn holds(&self, why: Option<String>) {
        self.state().holds = why;
    }

    /// It as JSON.
    pub fn health(&self) -> Value {
        let state = self.state();
        let partitions: BTreeMap<String, Value> = state
            .partitions
            .iter()
            .map(|(partition, stands)| {
                let Stands { at, end, problem } = stands;
                (partition.to_string(), json!({ "at": at, "end": end, "lag": stands.lag(), "problem": problem }))
            })
            .collect();
        let down = state.down.as_ref().map(|(_, why)| why);
        json!({ "partitions": partitions, "down": down, "holds": state.holds })
    }

    /// It as Prometheus reads it; without labels where no topic is followed.
    pub fn metrics(this: Option<&Standing>, to: &mut String) {
        let none = Standing::default();
        let state = this.unwrap_or(&none).state();
        let stopped = state.partitions.values().filter(|stands| stands.problem.is_some()).count();
        let down = state.down.as_ref().map_or(0.0, |(since, _)| since.elapsed().as_secs_f64());
        for (name, help, value) in [
            ("down_seconds", "For how long no broker can be asked.", down),
            ("partitions_stopped", "Partitions that are not read, for a reason that /health tells.", stopped as f64),
        ] {
            let name = format!("truestream_kafka_{name}");
            let _ = writeln!(to, "# HELP {name} {help}\n# TYPE {name} gauge\n{name} {value}");
        }
        let name = "truestream_kafka_lag_messages";
        let _ = writeln!(to, "# HELP {name} Offsets of a partition that are not read yet.\n# TYPE {name} gauge");
        for (partition, lag) in
            state.partitions.iter().filter_map(|(partition, stands)| Some((partition, stands.lag()?)))
        {
            let Partition { topic, number } = partition;
            let _ = writeln!(to, "{name}{{topic=\"{topic}\",partition=\"{number}\"}} {lag}");
        }
    }
}
