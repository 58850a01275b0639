//! Feature rows and labels become examples: what is known of whom, as of when, by the time of training.
//!
//! ```text
//! account_features ──┐
//! labels known ──────┴──▶ examples ──▶ fit │ calibrate │ test, by account
//! ```
//!
//! All rows of an account are in one part, and in the same part for every version: a model is never tested on somebody it has seen, nor is the
//! champion beside it. Trees grow on one look at an account a day, at an hour by lot; accounts that calibrate and test are looked at as
//! often as rows are stated, because who is judged again and again is held for the worst of it.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::path::{Path, PathBuf};

use datasets::tables::read::{id_kinds, read_all};
use datasets::tables::{FeatureRows, read_features};
use models::Table;
use models::boost::Examples;
use records::{Label, LabelKind, Millis, Refusal};

use super::data::LOOK_MS;
use crate::exit::Failure;
use crate::labels::heard;

const DAY_MS: Millis = 86_400_000;
/// Who was seen to be honest counts as much as so many of whom nothing is known: an error about them is one about people, and
/// unlabelled accounts hide some fraud. Our judgement.
const HONEST_WEIGHT: f32 = 5.0;
/// Of a hundred accounts so many train, so many calibrate, and the rest test.
const FIT: u64 = 70;
const CALIBRATE: u64 = 15;

/// What an account is used for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Use {
    /// Trees grow on it.
    Fit,
    /// Training ends where it is scored best, and probabilities are fitted to it.
    Calibrate,
    /// Measures are taken on it.
    Test,
}

/// Examples of one table.
pub struct Known {
    /// The features.
    pub table: Table,
    /// 1 is fraud.
    pub labels: Vec<f32>,
    /// How much each counts.
    pub weights: Vec<f32>,
    /// The number of the account of each row, in `accounts`.
    pub account_of: Vec<usize>,
    /// As of when each row holds.
    pub as_of: Vec<Millis>,
    /// Who they are.
    pub accounts: Vec<Account>,
    /// What was said in vain: labels that could not be read, or of accounts without a row, in words.
    pub lost: Vec<String>,
}

/// An account that there are examples of.
#[derive(Clone, Debug)]
pub struct Account {
    /// Its id, numbers as digits.
    pub id: String,
    /// What it is used for.
    pub used: Use,
    /// What was said of it by the time of training.
    pub label: Option<LabelKind>,
    /// The family of the attack or of the honest look-alike.
    pub family: Option<String>,
    /// Of how many it is a sample: of accounts of whom nothing is known not all may be drawn.
    pub stands_for: f64,
}

/// What somebody said of an account.
struct Said {
    label: LabelKind,
    family: Option<String>,
    from: Millis,
    until: Millis,
}

/// When something is asked.
#[derive(Clone, Copy, Debug)]
pub struct Instants {
    /// Nothing is known that was said or came later.
    pub as_of: Millis,
    /// The last instant by then of which rows have plays of the day before it. Plays that come late are told of for weeks after
    /// the last that happened; an account as of then is no example of anything.
    pub last_look: Millis,
}

/// Which rows become examples.
#[derive(Clone, Copy, Debug)]
pub struct Span {
    /// When everything is asked, and the last look at accounts.
    pub instants: Instants,
    /// Examples reach so far back from the last look.
    pub history_ms: Millis,
    /// Of the accounts of whom nothing is known, so many at most.
    pub unlabelled_max: usize,
    /// Draws and divides accounts.
    pub seed: u64,
}

impl Known {
    /// Makes examples of the rows of a file.
    ///
    /// # Errors
    /// When a file cannot be read, or features are no table.
    pub fn read(features: &Path, labels: &[PathBuf], span: Span) -> Result<Known, Failure> {
        let Labels { of: said, refused } = said(labels, span.instants.as_of)?;
        let from = span.instants.last_look.saturating_sub(span.history_ms);
        let in_span = |as_of: Millis| as_of > from && as_of <= span.instants.last_look;
        let ids = rows(features, |_| false, |as_of, _| in_span(as_of))?.ids;
        let unknown: BTreeSet<&str> = ids.iter().map(String::as_str).filter(|id| !said.contains_key(*id)).collect();
        let mut unknown: Vec<&str> = unknown.into_iter().collect();
        let lots = Lots { seed: span.seed, purpose: "sample" };
        unknown.sort_by_cached_key(|id| lots.of(id));
        let each_stands_for = unknown.len() as f64 / unknown.len().min(span.unlabelled_max).max(1) as f64;
        let drawn: HashSet<&str> = unknown.into_iter().take(span.unlabelled_max).collect();
        let is_drawn = |id: &str| said.contains_key(id) || drawn.contains(id);
        let is_looked_at = |as_of: Millis, id: &str| use_of(id) != Use::Fit || is_look_of_its_day(as_of, id);
        let all = rows(features, |_| true, |as_of, id| in_span(as_of) && is_drawn(id) && is_looked_at(as_of, id))?;
        let known = Known::of(all, &said, each_stands_for)?;
        Ok(Known { lost: lost(&refused, &said, &known.accounts), ..known })
    }

    fn of(rows: FeatureRows, said: &HashMap<String, Said>, each_stands_for: f64) -> Result<Known, Failure> {
        let told: Vec<Option<f32>> =
            rows.ids.iter().zip(&rows.as_of).map(|(id, as_of)| told(said.get(id), *as_of)).collect();
        let kept: Vec<usize> = (0..told.len()).filter(|row| told[*row].is_some()).collect();
        let names: BTreeSet<&str> = kept.iter().map(|row| rows.ids[*row].as_str()).collect();
        let accounts: Vec<Account> = names.into_iter().map(|id| account(id, said.get(id), each_stands_for)).collect();
        let number: HashMap<&str, usize> =
            accounts.iter().enumerate().map(|(number, account)| (account.id.as_str(), number)).collect();
        let account_of: Vec<usize> = kept.iter().map(|row| number[rows.ids[*row].as_str()]).collect();
        let weight = |number: &usize| match accounts[*number].label {
            Some(LabelKind::Honest) => HONEST_WEIGHT,
            _ => 1.0,
        };
        let weights = account_of.iter().map(weight).collect();
        let labels = kept.iter().filter_map(|row| told[*row]).collect();
        let as_of = kept.iter().map(|row| rows.as_of[*row]).collect();
        let table = Table::new(rows.names, rows.columns).map_err(|error| Failure::Input(error.to_string()))?;
        Ok(Known { table: table.pick(&kept), labels, weights, account_of, as_of, accounts, lost: Vec::new() })
    }

    /// The rows of the accounts that are used for this.
    pub fn of_use(&self, used: Use) -> Known {
        self.of_accounts(|account| account.used == used)
    }

    /// The rows of these accounts.
    pub fn of_accounts(&self, wanted: impl Fn(&Account) -> bool) -> Known {
        let wanted: Vec<bool> = self.accounts.iter().map(wanted).collect();
        let rows: Vec<usize> = (0..self.labels.len()).filter(|row| wanted[self.account_of[*row]]).collect();
        let pick = |column: &[f32]| rows.iter().map(|row| column[*row]).collect();
        Known {
            table: self.table.pick(&rows),
            labels: pick(&self.labels),
            weights: pick(&self.weights),
            account_of: rows.iter().map(|row| self.account_of[*row]).collect(),
            as_of: rows.iter().map(|row| self.as_of[*row]).collect(),
            accounts: self.accounts.clone(),
            lost: Vec::new(),
        }
    }

    /// Takes over labels and weights of rows that these have too.
    pub fn take_over(&mut self, others: &[&Known]) {
        let rows =
            |known: &Known| known.account_of.iter().copied().zip(known.as_of.iter().copied()).collect::<Vec<_>>();
        let said: HashMap<(usize, Millis), (f32, f32)> = others
            .iter()
            .flat_map(|other| {
                rows(other).into_iter().zip(other.labels.iter().copied().zip(other.weights.iter().copied()))
            })
            .collect();
        for (at, row) in rows(self).iter().enumerate() {
            if let Some((label, weight)) = said.get(row) {
                (self.labels[at], self.weights[at]) = (*label, *weight);
            }
        }
    }

    /// As of when each row holds, and whom it is about.
    pub fn rows(&self) -> impl Iterator<Item = (Millis, &str)> {
        self.as_of.iter().zip(&self.account_of).map(|(as_of, account)| (*as_of, self.accounts[*account].id.as_str()))
    }

    /// As the learner takes them.
    pub fn examples(&self) -> Examples<'_> {
        Examples { table: &self.table, labels: &self.labels, weights: &self.weights }
    }
}

fn rows(
    features: &Path,
    is_wanted: impl Fn(&str) -> bool,
    keep: impl Fn(Millis, &str) -> bool,
) -> Result<FeatureRows, Failure> {
    read_features(features, "account_id", is_wanted, keep).map_err(|error| Failure::Input(error.to_string()))
}

/// What labels say of accounts.
pub struct Labels {
    of: HashMap<String, Said>,
    /// Rows that could not be read.
    refused: Vec<Refusal>,
}

impl Labels {
    /// What was said of the account.
    pub fn label(&self, id: &str) -> Option<LabelKind> {
        self.of.get(id).map(|said| said.label)
    }
}

/// What was said of accounts by then: the word that counts of each, [`Label::outweighs`] says which.
///
/// # Errors
/// When a file cannot be read.
pub fn said(files: &[PathBuf], as_of: Millis) -> Result<Labels, Failure> {
    let input = |error: datasets::Error| Failure::Input(error.to_string());
    let kinds = id_kinds([("labels", files)]).map_err(input)?;
    let mut words: HashMap<String, Label> = HashMap::new();
    let keep = |label: Label| {
        if label.subject == "account" && label.labelled_at.unwrap_or(Millis::MIN) < as_of {
            heard(&mut words, label.subject_id.to_string(), label);
        }
    };
    let mut refused = Vec::new();
    read_all(files, &kinds, keep, &mut refused).map_err(input)?;
    let said = |Label { label, attack: family, from, until, .. }| Said {
        label,
        family,
        from: from.unwrap_or(Millis::MIN),
        until: until.unwrap_or(Millis::MAX),
    };
    Ok(Labels { of: words.into_iter().map(|(id, label)| (id, said(label))).collect(), refused })
}

/// Labels that nothing comes of, in words.
fn lost(refused: &[Refusal], said: &HashMap<String, Said>, accounts: &[Account]) -> Vec<String> {
    let has_row: HashSet<&str> = accounts.iter().map(|account| account.id.as_str()).collect();
    let strangers = said.keys().filter(|id| !has_row.contains(id.as_str())).count();
    let unread = refused.first().map(|first| {
        format!(
            "{} labels could not be read, the first in {}, row {}: {}",
            refused.len(),
            first.file,
            first.row,
            first.reason
        )
    });
    let strangers = (strangers > 0).then(|| {
        format!("{strangers} of {} labelled accounts have no row in this time that their label is about", said.len())
    });
    unread.into_iter().chain(strangers).collect()
}

/// The label of an account's row as of then: a victim's plays were made by somebody else. `None` where the row is neither: windows still hold plays of an attack that has
/// ended, and one that has not begun may be in preparation.
fn told(said: Option<&Said>, as_of: Millis) -> Option<f32> {
    match said {
        Some(said) if said.label != LabelKind::Honest => {
            let began = as_of > said.from;
            let lasted = as_of <= said.until.saturating_add(DAY_MS);
            (began && lasted).then_some(1.0)
        }
        _ => Some(0.0),
    }
}

/// What an account is used for, by every version of every registry: the number of its id with purpose `use` and seed 0.
fn use_of(id: &str) -> Use {
    match (Lots { seed: 0, purpose: "use" }).of(id) % 100 {
        lot if lot < FIT => Use::Fit,
        lot if lot < FIT + CALIBRATE => Use::Calibrate,
        _ => Use::Test,
    }
}

/// Whether this is the look at the account that its day has by lot.
fn is_look_of_its_day(as_of: Millis, id: &str) -> bool {
    let looks = DAY_MS / LOOK_MS;
    let lot = Lots { seed: as_of.div_euclid(DAY_MS) as u64, purpose: "look" }.of(id) % looks as u64;
    as_of.div_euclid(LOOK_MS).rem_euclid(looks) as u64 == lot
}

fn account(id: &str, said: Option<&Said>, each_stands_for: f64) -> Account {
    Account {
        id: id.to_owned(),
        used: use_of(id),
        label: said.map(|said| said.label),
        family: said.and_then(|said| said.family.clone()),
        stands_for: if said.is_some() { 1.0 } else { each_stands_for },
    }
}

/// Numbers that depend on the seed, the purpose and the id alone.
#[derive(Clone, Copy)]
pub struct Lots {
    /// Another seed gives other numbers.
    pub seed: u64,
    /// So does another purpose.
    pub purpose: &'static str,
}

impl Lots {
    /// The number of this id.
    pub fn of(self, id: &str) -> u64 {
        let Lots { seed, purpose } = self;
        let hash = blake3::hash(format!("{seed}\0{purpose}\0{id}").as_bytes());
        u64::from_le_bytes(hash.as_bytes()[..8].try_into().expect("a hash has 32 bytes"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_is_fraud_while_its_attack_lasts_and_nothing_around_it() {
        let attack = Said { label: LabelKind::Fraud, family: None, from: 10 * DAY_MS, until: 12 * DAY_MS };
        let days = [9, 10, 11, 13, 14].map(|day| told(Some(&attack), day * DAY_MS));
        assert_eq!(days, [None, None, Some(1.0), Some(1.0), None]);
        assert_eq!(told(None, 0), Some(0.0));
        let always = Said { from: Millis::MIN, until: Millis::MAX, ..attack };
        assert_eq!(told(Some(&always), Millis::MAX), Some(1.0));
    }

    #[test]
    fn accounts_are_divided_by_their_ids_alone() {
        let used: Vec<Use> = (0..1_000).map(|id| use_of(&id.to_string())).collect();
        let count = |wanted: Use| used.iter().filter(|used| **used == wanted).count();
        assert!((650..750).contains(&count(Use::Fit)) && (110..190).contains(&count(Use::Test)));
        // Whoever trains elsewhere leaves out the accounts that test: docs/MODELS.md says how they are found.
        let bytes = blake3::hash(b"0\0use\x0042");
        let lot = u64::from_le_bytes(bytes.as_bytes()[..8].try_into().unwrap()) % 100;
        assert_eq!(use_of("42") == Use::Test, lot >= 85);
    }

    #[test]
    fn trees_look_at_an_account_once_a_day_at_some_hour() {
        let looks: Vec<Millis> =
            (0..40).map(|look| look * LOOK_MS).filter(|as_of| is_look_of_its_day(*as_of, "a")).collect();
        let days: Vec<i64> = looks.iter().map(|as_of| as_of.div_euclid(DAY_MS)).collect();
        assert_eq!(days, (0..10).collect::<Vec<_>>());
        let hours: BTreeSet<i64> = looks.iter().map(|as_of| as_of.rem_euclid(DAY_MS)).collect();
        assert!(hours.len() > 1, "{hours:?}");
    }
}
