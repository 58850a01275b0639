//! What networks learn from, and what they say of accounts: both made by a replay, and kept in the registry for the next command.
//!
//! ```text
//! examples ──▶ a sample of them ──▶ account_sequence ──▶ lessons ──▶ a network
//! a network ──▶ account_network ──▶ its score of every example
//! ```

use std::collections::{BTreeMap, HashMap};
use std::fs;
use std::path::PathBuf;

use datasets::tables::{read_features, read_sequences};
use features::sequence::{self, HOUR_CHANNELS, HOURS, PLAY_CHANNELS, PLAYS};
use models::Scorer;
use models::temporal::{Form, Lessons};
use records::{LabelKind, Millis};

use super::data::{DataArgs, EVERY, Features};
use super::examples::{Known, Lots, Use};
use super::registry::{Lock, Registry, create_folder, write_whole};
use crate::exit::Failure;

/// What a network adds to a score, in the words of reasons.
pub const NETWORK: &str = "the sequence of its plays";
/// The two series of an account.
pub const FORMS: [Form; 2] =
    [Form { steps: HOURS, channels: HOUR_CHANNELS.len() }, Form { steps: PLAYS, channels: PLAY_CHANNELS.len() }];

/// Days that a fraud account, one known to be honest, and any other are learned from: neighbouring days look alike, and fraud is what
/// there is least of.
const ROWS: [usize; 3] = [4, 2, 1];
/// Accounts without a label that a network learns from, and that it is held back from.
const UNLABELLED_MAX: [usize; 2] = [4_000, 1_000];

const SEQUENCES: &str = "account_sequence.parquet";
const SCORES: &str = "account_network.parquet";
/// How a replay is told what to make: a file, and the option that names it.
struct Recipe {
    view: &'static str,
    file: &'static str,
    option: &'static str,
}

const OF_SAMPLE: Recipe = Recipe { view: "account_sequence", file: "asked.json", option: "--sequences-of" };
const OF_NETWORK: Recipe = Recipe { view: "account_network", file: "network.safetensors", option: "--network" };
const DONE: &str = "manifest.json";

/// Sequences of examples.
pub struct Sampled {
    series: [Vec<f32>; 2],
    labels: Vec<f32>,
    weights: Vec<f32>,
}

impl Sampled {
    /// As the learner takes them.
    pub fn lessons(&self) -> Lessons<'_> {
        let series = [self.series[0].as_slice(), self.series[1].as_slice()];
        Lessons { series, labels: &self.labels, weights: &self.weights }
    }
}

/// The rows of the examples that a network learns from or is held back from.
fn sample(known: &Known, used: Use, seed: u64) -> Vec<usize> {
    let lots = Lots { seed, purpose: "sequences" };
    let mut by_account: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
    let rows = 0..known.labels.len();
    let mine = rows.filter(|row| known.accounts[known.account_of[*row]].used == used);
    mine.for_each(|row| by_account.entry(known.account_of[row]).or_default().push(row));
    let unlabelled_max = UNLABELLED_MAX[usize::from(used != Use::Fit)];
    let mut unlabelled: Vec<usize> =
        by_account.keys().copied().filter(|account| known.accounts[*account].label.is_none()).collect();
    unlabelled.sort_by_cached_key(|account| lots.of(&known.accounts[*account].id));
    unlabelled.iter().skip(unlabelled_max).for_each(|account| _ = by_account.remove(account));
    let drawn = by_account.into_iter().flat_map(|(account, mut rows)| {
        let account = &known.accounts[account];
        let is_fraud = rows.iter().any(|row| known.labels[*row] == 1.0);
        let wanted = if is_fraud { ROWS[0] } else { ROWS[1 + usize::from(account.label != Some(LabelKind::Honest))] };
        rows.sort_by_cached_key(|row| lots.of(&format!("{}\0{}", account.id, known.as_of[*row])));
        rows.truncate(wanted);
        rows
    });
    let mut drawn: Vec<usize> = drawn.collect();
    drawn.sort_unstable();
    drawn
}

impl DataArgs {
    /// The sequences of a sample of the examples: those to learn from, and those held back.
    ///
    /// # Errors
    /// When plays cannot be read, or the disk does not take the sequences.
    pub fn sequences(
        &self,
        registry: &Registry,
        lock: &Lock,
        features: &Features,
        known: &Known,
    ) -> Result<[Sampled; 2], Failure> {
        let samples = [Use::Fit, Use::Calibrate].map(|used| sample(known, used, self.seed));
        let mut asked: BTreeMap<Millis, Vec<&str>> = BTreeMap::new();
        for row in samples.iter().flatten() {
            asked.entry(known.as_of[*row]).or_default().push(&known.accounts[known.account_of[*row]].id);
        }
        let asked = serde_json::to_string(&asked).expect("plain data");
        let folder = self.made(registry, lock, features, OF_SAMPLE, asked.as_bytes())?;
        let lists = [("hours", FORMS[0].numbers()), ("plays", FORMS[1].numbers())];
        let read = read_sequences(&folder.join(SEQUENCES), lists);
        let read = read.map_err(|error| Failure::Input(error.to_string()))?;
        let place: HashMap<(Millis, &str), usize> =
            read.as_of.iter().zip(&read.ids).enumerate().map(|(at, (as_of, id))| ((*as_of, id.as_str()), at)).collect();
        Ok(samples.map(|rows| {
            let mut series: [Vec<f32>; 2] = Default::default();
            for row in &rows {
                let id = known.accounts[known.account_of[*row]].id.as_str();
                let found = place.get(&(known.as_of[*row], id));
                for ((to, from), form) in series.iter_mut().zip(&read.series).zip(FORMS) {
                    match found {
                        Some(at) => to.extend_from_slice(&from[at * form.numbers()..][..form.numbers()]),
                        // Who played nothing in the last days has no row.
                        None => to.resize(to.len() + form.numbers(), 0.0),
                    }
                }
            }
            let pick = |column: &[f32]| rows.iter().map(|row| column[*row]).collect();
            Sampled { series, labels: pick(&known.labels), weights: pick(&known.weights) }
        }))
    }

    /// What the model's network says of these accounts as of these instants, NaN where it was not asked; nothing where the
    /// model has none.
    ///
    /// # Errors
    /// When plays cannot be read, or the disk does not take the scores.
    pub fn said<'a>(
        &self,
        registry: &Registry,
        lock: &Lock,
        features: &Features,
        scorer: &Scorer,
        rows: impl Iterator<Item = (Millis, &'a str)>,
    ) -> Result<Vec<f32>, Failure> {
        let Some(network) = &scorer.network else { return Ok(Vec::new()) };
        if network.version != sequence::VERSION || network.forms() != FORMS {
            return Err(Failure::Input(format!(
                "the model looks at sequences {}, this program has {}: train again",
                network.version,
                sequence::VERSION
            )));
        }
        let folder = self.made(registry, lock, features, OF_NETWORK, &network.to_bytes())?;
        let read = read_features(&folder.join(SCORES), "account_id", |_| true, |_, _| true);
        let read = read.map_err(|error| Failure::Input(error.to_string()))?;
        let scores = read.columns.first().map_or(&[][..], Vec::as_slice);
        let instants = read.as_of.iter().zip(&read.ids).map(|(as_of, id)| (*as_of, id.as_str()));
        let said: HashMap<(Millis, &str), f32> = instants.zip(scores.iter().copied()).collect();
        Ok(rows.map(|row| said.get(&row).copied().unwrap_or(f32::NAN)).collect())
    }

    /// The folder of what a replay made of the plays and of this file: an earlier one, or one now.
    fn made(
        &self,
        registry: &Registry,
        _lock: &Lock,
        features: &Features,
        recipe: Recipe,
        content: &[u8],
    ) -> Result<PathBuf, Failure> {
        let Recipe { view, file, option } = recipe;
        let made_of = format!("{}\n{view}\n{}\n{EVERY}\n", features.plays_hash, sequence::VERSION);
        let mut hasher = blake3::Hasher::new();
        hasher.update(made_of.as_bytes()).update(content);
        let folder = registry.features(&hasher.finalize().to_hex()[..32]);
        let done = folder.join(DONE);
        if !done.exists() {
            create_folder(&folder)?;
            let path = folder.join(file);
            fs::write(&path, content).map_err(|error| Failure::Output(format!("{}: {error}", path.display())))?;
            let options = ["--every", EVERY, "--windows", "24h", "--emit", "all", "--views", view, option];
            self.replay(&folder, &[options.as_slice(), &[&path.to_string_lossy()]].concat())?;
            let manifest =
                serde_json::json!({ "view": view, "plays": features.plays_hash, "sequences": sequence::VERSION });
            write_whole(&done, format!("{manifest:#}\n").as_bytes())?;
        }
        Ok(folder)
    }
}
