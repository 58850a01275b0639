//! People who listen unlike most: none of them may be the price of finding others.
//!
//! ```text
//! feature row ──▶ cohorts it belongs to ──┬──▶ how many of each are flagged ──▶ report, gate, and more weight in training
//!                                         └──▶ how many of each may be taken for hidden fraud
//! ```
//!
//! Cohorts are said by what features give: nobody is in one for what he is. Their bounds are our judgement of what is unusual and
//! honest, after the look-alikes of `docs/WORLD.md` (super-fans, sleep music, cafés, families, travellers, VPN users) and the
//! sources of plays.

use std::collections::BTreeMap;

use models::Table;
use models::measures::{recall_at, surely};
use records::LabelKind;
use serde::{Deserialize, Serialize};

use super::examples::{Account, Known};
use super::measure::{ByAccount, FALSE_POSITIVES};

/// Whose value belongs.
#[derive(Clone, Copy)]
enum Bound {
    Least(f32),
    Below(f32),
    Missing,
}

/// The cohorts: name, feature, whose value belongs.
const COHORTS: [(&str, &str, Bound); 13] = [
    ("all_day", "week_active_hours_per_day", Bound::Least(12.0)),
    ("few_plays", "month_plays_per_day", Bound::Below(2.0)),
    ("few_tracks", "month_distinct_share", Bound::Below(0.2)),
    ("from_algorithms", "month_algorithm_share", Bound::Least(0.5)),
    ("from_library", "month_library_share", Bound::Least(0.5)),
    ("from_playlists", "month_playlist_share", Bound::Least(0.5)),
    ("from_search", "month_search_share", Bound::Least(0.5)),
    ("many_plays", "month_plays_per_day", Bound::Least(60.0)),
    // Of the month before the week nothing can be said.
    ("newcomers", "week_against_month_payable_share", Bound::Missing),
    ("offline", "month_offline_share", Bound::Least(0.3)),
    ("shared_devices", "group_size", Bound::Least(2.0)),
    ("travellers", "month_countries", Bound::Least(2.0)),
    ("vpn", "month_hosted_share", Bound::Least(0.3)),
];

/// Fewer accounts than this are no cohort.
const ACCOUNTS_MIN: usize = 20;

/// How one cohort fares.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct OfCohort {
    /// Accounts that nobody called fraud.
    pub accounts: usize,
    /// How many of them are flagged, by the names of the rates of false positives.
    pub flagged: BTreeMap<String, usize>,
}

impl OfCohort {
    /// How many times the rate at least (Wilson's 95 % interval) is flagged of this cohort, at its worst rate.
    pub fn times(&self) -> f64 {
        let times = |(name, _, rate): (&str, &str, f64)| {
            surely(self.flagged.get(name).copied().unwrap_or(0), self.accounts) / rate
        };
        FALSE_POSITIVES.into_iter().map(times).fold(0.0, f64::max)
    }
}

/// The names of the cohorts, in the order of [`members`].
pub fn names() -> impl Iterator<Item = &'static str> {
    COHORTS.iter().map(|(name, ..)| *name)
}

/// Which rows belong to each cohort. A feature that a table does not have makes its cohort empty.
pub fn members(table: &Table) -> Vec<Vec<bool>> {
    let of = |(_, feature, bound): &(&str, &str, Bound)| {
        let Some(at) = table.names().iter().position(|name| name == feature) else { return vec![false; table.rows()] };
        let belongs = |value: &f32| match bound {
            Bound::Least(least) => value >= least,
            Bound::Below(most) => value < most,
            Bound::Missing => value.is_nan(),
        };
        table.columns()[at].iter().map(belongs).collect()
    };
    COHORTS.iter().map(of).collect()
}

/// How each cohort fares at these thresholds of raw scores. An account belongs by its row of the highest score, which decides.
pub fn fare(known: &Known, by_account: &ByAccount, thresholds: &BTreeMap<String, f64>) -> BTreeMap<String, OfCohort> {
    let mut fares = BTreeMap::new();
    for (name, members) in names().zip(members(&known.table)) {
        let mut fare = OfCohort::default();
        for (at, account) in by_account.accounts.iter().enumerate() {
            if !members[by_account.rows[at]] || is_fraud(account) {
                continue;
            }
            fare.accounts += 1;
            for (rate, threshold) in thresholds {
                *fare.flagged.entry(rate.clone()).or_default() += usize::from(by_account.scores[at] >= *threshold);
            }
        }
        if fare.accounts >= ACCOUNTS_MIN {
            fares.insert(name.to_owned(), fare);
        }
    }
    fares
}

/// How each cohort fares by these raw scores of rows, where as many are flagged as the rates of false positives allow.
pub fn fare_of(known: &Known, scores: &[f64]) -> BTreeMap<String, OfCohort> {
    let by_account = ByAccount::of(known, scores);
    let ones = vec![1.0; by_account.scores.len()];
    // Who is suspected is not fraud until somebody says so.
    let labels: Vec<f32> = by_account.accounts.iter().map(|account| f32::from(is_fraud(account))).collect();
    let found = FALSE_POSITIVES.into_iter().filter_map(|(name, _, rate)| {
        Some((name.to_owned(), recall_at(&by_account.scores, &labels, &ones, rate)?.threshold))
    });
    fare(known, &by_account, &found.collect())
}

fn is_fraud(account: &Account) -> bool {
    matches!(account.label, Some(LabelKind::Fraud | LabelKind::Victim))
}

/// The cohort that fares worst, and how many times the rate of false positives is surely flagged of it.
pub fn worst(fares: &BTreeMap<String, OfCohort>) -> Option<(&str, f64)> {
    let times = fares.iter().map(|(name, fare)| (name.as_str(), fare.times()));
    times.reduce(|a, b| if b.1 > a.1 { b } else { a })
}

/// Lets at most this share of the rows of each cohort, and of all, stay suspected: the least suspected become honest again.
/// `is_open` says whose label may be other than it was told.
pub fn keep_floors(table: &Table, is_open: &[bool], suspected: &mut [f32], share_max: f64) {
    let everybody = vec![true; table.rows()];
    for members in members(table).iter().chain([&everybody]) {
        let mut open: Vec<usize> = (0..is_open.len()).filter(|row| is_open[*row] && members[*row]).collect();
        open.sort_by(|a, b| suspected[*b].total_cmp(&suspected[*a]).then(a.cmp(b)));
        let kept = (open.len() as f64 * share_max) as usize;
        open.iter().skip(kept).for_each(|row| suspected[*row] = 0.0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table(rows: &[[f32; 2]]) -> Table {
        let columns = (0..2).map(|column| rows.iter().map(|row| row[column]).collect()).collect();
        let names = ["group_size", "week_against_month_payable_share"].map(str::to_owned);
        Table::new(names.to_vec(), columns).expect("columns of one length")
    }

    #[test]
    fn rows_belong_by_what_was_done() {
        let members = members(&table(&[[2.0, 0.1], [0.0, f32::NAN], [5.0, f32::NAN]]));
        let of = |name: &str| members[names().position(|known| known == name).expect("a cohort")].clone();
        assert_eq!(of("shared_devices"), [true, false, true]);
        assert_eq!(of("newcomers"), [false, true, true]);
        assert_eq!(of("vpn"), [false; 3], "there is no such column");
        assert!(names().is_sorted(), "reports are in the order of names");
    }

    #[test]
    fn of_no_cohort_more_than_its_share_stays_suspected() {
        // A hundred accounts that share devices, all somewhat suspected, among a thousand; one of them is told to be fraud.
        let rows: Vec<[f32; 2]> = (0..1_000).map(|row| [if row < 100 { 3.0 } else { 0.0 }, 0.0]).collect();
        let mut suspected: Vec<f32> =
            (0..1_000).map(|row| if row < 100 { 0.5 + row as f32 / 1e3 } else { 0.1 }).collect();
        suspected[0] = 1.0;
        let is_open: Vec<bool> = (0..1_000).map(|row| row != 0).collect();
        keep_floors(&table(&rows), &is_open, &mut suspected, 0.05);
        let of = |rows: std::ops::Range<usize>| suspected[rows].iter().filter(|share| **share > 0.0).count();
        assert_eq!(of(0..100), 1 + 4, "the one that was told, and a twentieth of 99");
        assert_eq!(of(0..1_000), 1 + 49);
        assert!(suspected[99] > 0.0 && suspected[1] == 0.0, "the most suspected stay");
    }

    #[test]
    fn a_cohort_fares_badly_only_when_that_is_sure() {
        let fare = |accounts, flagged: [usize; 2]| {
            let flagged = FALSE_POSITIVES.iter().zip(flagged).map(|((name, ..), count)| ((*name).to_owned(), count));
            OfCohort { accounts, flagged: flagged.collect() }
        };
        let (one, many) = (fare(50, [1, 1]), fare(50, [0, 12]));
        assert!(one.times() < 10.0, "one of fifty may be chance: {}", one.times());
        assert!(many.times() > 10.0, "twelve of fifty are not: {}", many.times());
        let fares = BTreeMap::from([("a".to_owned(), one), ("b".to_owned(), many.clone())]);
        assert_eq!(worst(&fares), Some(("b", many.times())));
    }
}
