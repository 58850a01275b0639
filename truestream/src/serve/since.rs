//! Keeps on disk what a start cannot know without going through all ticks: since when each verdict stands, what ever had one, and how reputations moved.
//!
//! ```text
//! shelf ──now and then──▶ since.json: tick, entry, the past ──a start under the same options──▶ that tick in one step
//!                                                         └─otherwise──▶ tick by tick from the first entry
//! ```
//!
//! Everything else that is stated at a tick follows from the rows that are known by then. The file is no second truth: without it
//! a start takes longer and states the same.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use dataflows::clock::Tick;
use imbl::{OrdMap, OrdSet};
use records::{Key, Subject};
use serde::{Deserialize, Serialize};

use super::state::write_whole;
use crate::exit::Failure;
use crate::replay::deliveries::{Deliveries, Move};
use crate::replay::judge::Judge;
use crate::replay::prepare::Living;
use crate::replay::reputation::{Bringer, Thing};
use crate::replay::views::RowKey;
use crate::replay::watch::Watch;

/// The name of the file.
pub const FILE: &str = "since.json";
/// The version of its form.
const FORMAT: u32 = 2;

/// The last moves of a reputation, earliest first.
pub type Moves = OrdMap<RowKey, Arc<[Move]>>;

/// What the rows of a tick do not tell of those before it.
#[derive(Clone, Debug, PartialEq)]
pub struct Since {
    /// The tick.
    pub tick: Tick,
    /// The entry of the log with which everything up to the tick was in.
    pub entry: u64,
    /// Plays of entries up to this one count at no tick after it: who starts again from here does not miss them.
    pub needless: u64,
    /// Since when verdicts stand, by subject.
    pub verdicts: OrdMap<RowKey, Tick>,
    /// The tracks and playlists that had a verdict at any tick.
    pub stopped: OrdSet<Thing>,
    /// How reputations moved.
    pub moves: Moves,
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Written {
    format: u32,
    options: String,
    tick: Tick,
    entry: u64,
    needless: u64,
    verdicts: Vec<(String, String, Tick)>,
    /// By their keys, which are the same in each life of the folder.
    stopped: Vec<(String, u64)>,
    moves: Vec<Moved>,
}

/// The owner, its id, and its moves: when, from what, to what.
type Moved = (String, String, Vec<(Tick, u16, u16)>);

impl Written {
    /// Its text behind the hash of it.
    fn sealed(&self) -> String {
        let body = serde_json::to_string(self).expect("texts and numbers have a JSON form");
        format!("{}\n{body}", blake3::hash(body.as_bytes()).to_hex())
    }

    fn unsealed(text: &str) -> Result<Written, String> {
        let (hash, body) = text.split_once('\n').ok_or("it has no second line")?;
        if hash != blake3::hash(body.as_bytes()).to_hex().as_str() {
            return Err("it is damaged: its hash is another".to_owned());
        }
        serde_json::from_str(body).map_err(|error| error.to_string())
    }
}

/// The file of a service's folder.
pub struct SinceFile {
    path: PathBuf,
    living: Options,
    /// The tick of which was written last.
    written: Option<Tick>,
}

/// What verdicts depend on beside the log: another of these, and they may stand since another tick.
struct Options {
    always: String,
    /// Each from a tick on.
    dated: Vec<(Tick, String)>,
}

impl Options {
    fn of(living: &Living) -> Options {
        let plan = &living.plan;
        let version = env!("CARGO_PKG_VERSION");
        let windows: Vec<_> = plan.judging.iter().map(|judging| &judging.windows_ms).collect();
        let reputes = living.deliveries.as_ref().is_some_and(Deliveries::reputes);
        let always = (version, plan.clock, &plan.windows, &plan.links, plan.hub, plan.lockstep, windows, reputes);
        let always = format!("{always:?}");
        // Which waves there were follows from the log.
        let mut dated: Vec<(Tick, String)> = living.watch.iter().flat_map(Watch::outline).collect();
        for beta in living.judge.iter().flat_map(Judge::betas) {
            dated.push((beta.from, format!("{} % {:?}", beta.percent, beta.policy)));
            dated.push((beta.until, format!("{} ends", beta.policy.version)));
        }
        dated.extend(living.scorers.outline());
        for judging in &plan.judging {
            dated.extend(judging.policies.iter().map(|(from, policy)| (*from, format!("{policy:?}"))));
            for (place, asked) in (0..).zip(judging.clauses.iter()) {
                let Some(clause) = living.judge.as_ref().and_then(|judge| judge.asked(place)) else { continue };
                // The condition stands in the clause as it was written.
                let question = (asked.axis, asked.window);
                for ticks in &asked.in_force {
                    dated.push((ticks.start, format!("{question:?} {clause:?}")));
                    dated.push((ticks.end, format!("{} ends", clause.id)));
                }
            }
        }
        Options { always, dated }
    }

    /// What of it acted up to the tick.
    fn digest(&self, tick: Tick) -> String {
        let mut hasher = blake3::Hasher::new();
        hasher.update(self.always.as_bytes());
        for (from, text) in self.dated.iter().filter(|(from, _)| *from <= tick) {
            hasher.update(format!("\n{from} {text}").as_bytes());
        }
        hasher.finalize().to_hex().to_string()
    }
}

impl SinceFile {
    /// That of a folder, for a service that computes this.
    pub fn of(folder: &Path, living: &Living) -> SinceFile {
        SinceFile { path: folder.join(FILE), living: Options::of(living), written: None }
    }

    /// What was written last, where it can be gone on from in a log that ends with that entry.
    ///
    /// # Errors
    /// When it cannot be read, or why nothing can be gone on from.
    pub fn read(&self, last_entry: u64) -> Result<Option<Since>, String> {
        let text = match std::fs::read_to_string(&self.path) {
            Ok(text) => text,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error.to_string()),
        };
        let Written { format, options, tick, entry, needless, verdicts, stopped, moves } = Written::unsealed(&text)?;
        if format != FORMAT {
            return Err(format!("it has form {format}; expected {FORMAT}"));
        }
        if options != self.living.digest(tick) {
            return Err("it was written under other options, or another policy".to_owned());
        }
        if entry > last_entry {
            return Err(format!("it knows entry {entry}, and the log ends with {last_entry}"));
        }
        let row = |(subject, id, since): (String, String, Tick)| {
            Some((RowKey::Subject(Subject::named(&subject)?, id), since))
        };
        let verdicts: Option<OrdMap<RowKey, Tick>> = verdicts.into_iter().map(row).collect();
        let thing = |(subject, key): (String, u64)| Some((Subject::named(&subject)?, Key(key)));
        let stopped: Option<OrdSet<Thing>> = stopped.into_iter().map(thing).collect();
        let moved = |(owner, id, moves): Moved| {
            let moves = moves.into_iter().map(|(at, from, to)| Move { at, from, to });
            Some((RowKey::Owner(Bringer::named(&owner)?, id), moves.collect::<Arc<[Move]>>()))
        };
        let moves: Option<Moves> = moves.into_iter().map(moved).collect();
        let nobody = "it names what is no subject";
        let (verdicts, stopped) = (verdicts.ok_or(nobody)?, stopped.ok_or(nobody)?);
        Ok(Some(Since { tick, entry, needless, verdicts, stopped, moves: moves.ok_or(nobody)? }))
    }

    /// Writes what is known now, where something is that was not written; what of the log nobody needs any more once it is. A failure is told: the
    /// next start takes longer.
    pub fn write(&mut self, since: Option<Since>) -> Option<u64> {
        self.write_anew(since.filter(|since| self.written != Some(since.tick)))
    }

    /// The same, also where it was written: something of it was to be forgotten.
    pub fn write_anew(&mut self, since: Option<Since>) -> Option<u64> {
        let since = since?;
        let put = self.put(&since);
        match put {
            Ok(()) => self.written = Some(since.tick),
            Err(failure) => {
                eprintln!("Since when verdicts stand is not kept: {failure}");
                return None;
            }
        }
        Some(since.needless)
    }

    fn put(&self, since: &Since) -> Result<(), Failure> {
        let row = |(key, since): (&RowKey, &Tick)| match key {
            RowKey::Subject(subject, id) => Some((subject.name().to_owned(), id.clone(), *since)),
            _ => None,
        };
        let verdicts = since.verdicts.iter().filter_map(row).collect();
        let stopped = since.stopped.iter().map(|(subject, key)| (subject.name().to_owned(), key.0)).collect();
        let moved = |(key, moves): (&RowKey, &Arc<[Move]>)| match key {
            RowKey::Owner(owner, id) => {
                let moves = moves.iter().map(|Move { at, from, to }| (*at, *from, *to)).collect();
                Some(((*owner).to_owned(), id.clone(), moves))
            }
            _ => None,
        };
        let moves = since.moves.iter().filter_map(moved).collect();
        let Since { tick, entry, needless, .. } = *since;
        let options = self.living.digest(tick);
        let written = Written { format: FORMAT, options, tick, entry, needless, verdicts, stopped, moves };
        write_whole(&self.path, written.sealed().as_bytes())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_flipped_bit_is_noticed() {
        let verdicts = vec![("account".to_owned(), "a1".to_owned(), 7), ("track".to_owned(), "ü".to_owned(), 8)];
        let stopped = vec![("playlist".to_owned(), u64::MAX - 1)];
        let moves = vec![("uploader".to_owned(), "u".to_owned(), vec![(9, 9_000, 8_000)])];
        let options = "these".to_owned();
        let written = Written { format: FORMAT, options, tick: 9, entry: 11, needless: 3, verdicts, stopped, moves };
        let sealed = written.sealed();
        assert_eq!(Written::unsealed(&sealed), Ok(written));
        for bit in 0..sealed.len() * 8 {
            let mut flipped = sealed.clone().into_bytes();
            flipped[bit / 8] ^= 1 << (bit % 8);
            // What is no text is not read at all.
            if let Ok(text) = String::from_utf8(flipped) {
                assert!(Written::unsealed(&text).is_err(), "bit {bit}: {text}");
            }
        }
    }
}
