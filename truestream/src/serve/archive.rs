//! The log and the policies that were activated, as tables: what their folders say at the moment of asking.
//!
//! ```text
//! manifest of the log ──▶ log_segment        activations.jsonl ──▶ activation
//! ```

use std::path::PathBuf;
use std::sync::Arc;

use datasets::log::{Disk, Manifest, Sealed};
use datasets::policy::{self, Activation, Stage};
use datasets::tables::{Cell, Holds, Rows};
use sql::Scan;

pub const LOG_SEGMENT: &str = "log_segment";
pub const ACTIVATION: &str = "activation";

/// Where the log is, and the activated policies, if the service goes by some.
#[derive(Clone)]
pub struct Archive {
    /// The folder of the log.
    pub disk: Arc<dyn Disk>,
    /// The folder of activated policies.
    pub store: Option<PathBuf>,
}

pub fn segment_columns() -> Vec<(&'static str, Holds)> {
    let counts = ["first_entry", "last_entry", "bytes", "erased"].map(|name| (name, Holds::Count));
    counts.into_iter().chain([("blake3", Holds::Text)]).collect()
}

pub fn activation_columns() -> Vec<(&'static str, Holds)> {
    let texts = ["version", "stage", "by", "why", "signed", "digest"].map(|name| (name, Holds::Text));
    let head = [("number", Holds::Count), ("from", Holds::Instant)];
    head.into_iter().chain(texts).chain([("percent", Holds::Count), ("withdraws", Holds::Count)]).collect()
}

impl Archive {
    /// The sealed segments; none where the manifest cannot be read, which `fsck` tells.
    pub fn segments(&self) -> Box<dyn Scan> {
        let manifest = Manifest::read(&*self.disk).unwrap_or_default();
        Box::new(Listed { all: manifest.segments.into_iter(), push: segment })
    }

    /// What was activated; nothing where the chain is broken, which `/health` tells.
    pub fn activations(&self) -> Box<dyn Scan> {
        let all = self.store.as_deref().and_then(|store| policy::history(store).ok()).unwrap_or_default();
        Box::new(Listed { all: all.into_iter(), push: activation })
    }
}

/// What is pushed one by one.
struct Listed<One> {
    all: std::vec::IntoIter<One>,
    push: fn(&One, &mut Rows),
}

impl<One: Send + Sync + 'static> Scan for Listed<One> {
    fn push(&mut self, rows_max: usize, to: &mut Rows) -> bool {
        self.all.by_ref().take(rows_max).for_each(|one| (self.push)(&one, to));
        !self.all.as_slice().is_empty()
    }
}

fn segment(Sealed { first, last, bytes, blake3, erased, .. }: &Sealed, to: &mut Rows) {
    let counts = [*first, *last, *bytes, u64::from(*erased)].map(Cell::Count);
    to.push(counts.into_iter().chain([Cell::Text(blake3)]));
}

fn activation(one: &Activation, to: &mut Rows) {
    let Activation { number, version, by, why, digest, stage, signed, withdraws, .. } = one;
    let (stage, percent) = match stage {
        None => ("full", 100),
        Some(Stage::Beta(percent)) => ("beta", u64::from(*percent)),
        Some(Stage::Shadow) => ("shadow", 0),
    };
    let signed: Vec<String> = signed.iter().map(|one| format!("{} ({})", one.by, one.role)).collect();
    let signed = signed.join(", ");
    let texts = [version, stage, by, why, &signed, digest].map(Cell::Text);
    let head = [Cell::Count(*number), Cell::Instant(one.from_ms())];
    let tail = [percent, withdraws.unwrap_or_default()].map(Cell::Count);
    to.push(head.into_iter().chain(texts).chain(tail));
}
