//! Turns what was heard of recordings into what comes into force, tick by tick, and into words.
//!
//! ```text
//! evidence ──▶ hearings ──▶ of a source and tick the latest ──┬──▶ entries (integers) ──▶ dataflow ──▶ judgements
//! duplicates ──▶ groups ──▶ of a recording and tick the latest ┘
//! evidence ──▶ words, each once ──────────────────────────────────────────────────────────────▶ reasons
//! ```

use std::cmp::Reverse;
use std::collections::{HashMap, HashSet};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::ops::RangeInclusive;
use std::path::PathBuf;

use dataflows::clock::Tick;
use dataflows::risk::{Entry, Finding, Opinion};
use datasets::arrivals::{Contents, Grouping, Hearing, Hearings, Listing, read_hearings};
use records::{Evidence, Key, Millis, Refusal};
use serde_json::Value;

/// Longer words are cut: reasons are for people.
const WORDS_MAX: usize = 200;

/// What was heard, ready to flow.
pub struct Heard {
    hearings: Hearings,
}

/// What was heard, counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct HeardCounts {
    /// Rows of evidence.
    pub rows: u64,
    /// Rows that are not known yet as of the last instant.
    pub unknown_yet: u64,
    /// Recordings that are heard as of the last instant.
    pub recordings: u64,
    /// Tracks of the catalogue that carry one of them.
    pub tracks: u64,
    /// Recordings that are in a group with another as of the last instant.
    pub copies: u64,
    /// Of all rows and words: the same where they are the same.
    pub digest: u64,
}

impl Heard {
    /// Reads the tables of evidence and of duplicates.
    pub fn read(
        evidence: &[PathBuf],
        duplicates: &[PathBuf],
        refusals: &mut Vec<Refusal>,
    ) -> Result<Heard, datasets::Error> {
        Ok(Heard { hearings: read_hearings(evidence, duplicates, in_words, refusals)? })
    }

    /// The recordings that somebody listened to.
    pub fn contents(&self) -> &Contents {
        &self.hearings.contents
    }

    /// Every row.
    pub fn rows(&self) -> &[Hearing] {
        &self.hearings.rows
    }

    /// Counts what is in force at the end of the ticks; `catalogue` is in the order of its ticks.
    pub fn counts(
        &self,
        ticks: &RangeInclusive<Tick>,
        tick: impl Fn(Millis) -> Tick,
        catalogue: &[(Tick, Listing)],
    ) -> HeardCounts {
        let mut digest = DefaultHasher::new();
        self.hearings.words.hash(&mut digest);
        let rows = &self.hearings.rows;
        for Hearing { content, source, known_at, risk, words, .. } in rows {
            (content, source, known_at, risk, words).hash(&mut digest);
        }
        for Grouping { content, known_at, group } in &self.hearings.groupings {
            (content, known_at, group).hash(&mut digest);
        }
        let known: Vec<&Hearing> = rows.iter().filter(|row| tick(row.known_at) <= *ticks.end()).collect();
        let in_force = known.chunk_by(|a, b| a.source == b.source).filter_map(|rows| rows.last());
        let heard: HashSet<Key> = in_force.filter(|row| row.risk.is_some()).map(|row| row.content).collect();
        let mut tracks: HashSet<Key> = HashSet::new();
        for (_, row) in catalogue.iter().filter(|(tick, _)| tick <= ticks.end()) {
            match heard.contains(&row.content) {
                true => tracks.insert(row.track),
                false => tracks.remove(&row.track),
            };
        }
        HeardCounts {
            rows: rows.len() as u64,
            unknown_yet: (rows.len() - known.len()) as u64,
            recordings: heard.len() as u64,
            tracks: tracks.len() as u64,
            copies: self.copies(|known_at| tick(known_at) <= *ticks.end()),
            digest: digest.finish(),
        }
    }

    /// Recordings that are in a group with another one.
    fn copies(&self, is_known: impl Fn(Millis) -> bool) -> u64 {
        let groupings = &self.hearings.groupings;
        let mut in_force: HashMap<Key, (Millis, Key)> = HashMap::new();
        for Grouping { content, known_at, group } in groupings.iter().filter(|row| is_known(row.known_at)) {
            let current = in_force.entry(*content).or_insert((*known_at, *group));
            if current.0 < *known_at {
                *current = (*known_at, *group);
            }
        }
        let mut sizes: HashMap<Key, u64> = HashMap::new();
        in_force.values().for_each(|(_, group)| *sizes.entry(*group).or_default() += 1);
        sizes.into_values().filter(|size| *size > 1).sum()
    }

    /// What comes into force, by tick and of each source and recording once a tick, and the words that its numbers stand for.
    pub fn flow(self, first: Tick, tick: impl Fn(Millis) -> Tick) -> (Vec<(Tick, Entry)>, Vec<String>) {
        let Hearings { rows, words, groupings, contents } = self.hearings;
        let recordings = recordings(&groupings, contents.len(), first, &tick);
        let mut by_tick: Vec<(Tick, Hearing)> =
            rows.into_iter().map(|row| (tick(row.known_at).max(first), row)).collect();
        // Of what a source says at one tick only the latest is heard, and of what it says at once the gravest.
        by_tick.sort_by_key(|(tick, row)| (*tick, row.source, Reverse((row.known_at, row.risk))));
        by_tick.dedup_by_key(|(tick, row)| (*tick, row.source));
        let entry = |(tick, row): (Tick, Hearing)| {
            let says = row.risk.map(|risk| Opinion { risk, words: row.words });
            (tick, Entry::Finding(row.content, Finding { source: row.source, says }))
        };
        (by_tick.into_iter().map(entry).chain(recordings).collect(), words)
    }
}

/// Which recording each content is, by tick: the one that its group is called by, and at first itself.
fn recordings(
    groupings: &[Grouping],
    contents: u64,
    first: Tick,
    tick: impl Fn(Millis) -> Tick,
) -> impl Iterator<Item = (Tick, Entry)> {
    let itself = (0..contents).map(|content| (first, Key(content), None, Key(content)));
    let told = groupings.iter().map(|row| (tick(row.known_at).max(first), row.content, Some(row.known_at), row.group));
    let mut all: Vec<(Tick, Key, Option<Millis>, Key)> = itself.chain(told).collect();
    // Of what is told of a content at one tick the latest holds, and of what is told at once the smallest group.
    all.sort_by_key(|(tick, content, known_at, group)| (*tick, *content, Reverse(*known_at), *group));
    all.dedup_by_key(|(tick, content, ..)| (*tick, *content));
    all.into_iter().map(|(tick, content, _, group)| (tick, Entry::Recording(content, group)))
}

/// What a detector heard, as a person would say it: its name and what its details say in words.
pub(crate) fn in_words(row: &Evidence) -> String {
    let details: Value = serde_json::from_str(&row.details).unwrap_or(Value::Null);
    let text = |value: &Value| value.as_str().filter(|text| !text.is_empty()).map(str::to_owned);
    let complaints = |value: &Value| {
        let complaints: Vec<String> = value.as_array()?.iter().filter_map(text).collect();
        (!complaints.is_empty()).then(|| complaints.join(", ").replace('_', " "))
    };
    let seen = text(&details["words"]).or_else(|| text(&details["trace"]["words"]));
    let seen = seen.or_else(|| complaints(&details["complaints"]));
    let said: Vec<String> = [seen, text(&details["tier"])].into_iter().flatten().collect();
    let words = match said.is_empty() {
        true => row.detector.clone(),
        false => format!("{}: {}", row.detector, said.join(", ")),
    };
    words.chars().take(WORDS_MAX).collect()
}

#[cfg(test)]
mod tests {
    use records::{Confidence, Risk};

    use super::*;

    fn row(detector: &str, details: &str) -> Evidence {
        Evidence {
            content_id: 1.into(),
            detector: detector.to_owned(),
            version: "1".to_owned(),
            risk: Risk::CERTAIN,
            confidence: Confidence::FULL,
            details: details.to_owned(),
            known_at: 0,
            file: None,
        }
    }

    #[test]
    fn details_are_said_in_words() {
        let trace = r#"{"tier": "certain", "trace": {"words": "lines every 86.13 Hz = 44100/512, 40 of 44 raised"}}"#;
        let synthesis = "synthesis: lines every 86.13 Hz = 44100/512, 40 of 44 raised, certain";
        assert_eq!(in_words(&row("synthesis", trace)), synthesis);
        let complaints = r#"{"complaints": ["mostly_silent", "clipped"], "silent_share": 0.9}"#;
        assert_eq!(in_words(&row("sanity", complaints)), "sanity: mostly silent, clipped");
        assert_eq!(
            in_words(&row("theirs", r#"{"words": "a voice of somebody else"}"#)),
            "theirs: a voice of somebody else"
        );
        for nothing in ["{}", "", "not JSON", "[1]", r#"{"words": 7, "complaints": []}"#] {
            assert_eq!(in_words(&row("theirs", nothing)), "theirs");
        }
        assert_eq!(in_words(&row(&"é".repeat(500), "{}")).chars().count(), WORDS_MAX);
    }
}
