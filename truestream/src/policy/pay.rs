//! What another law of payment does to honest artists: the same month under the terms of both.
//!
//! ```text
//! plays, verdicts of the one   ──terms of the one────▶ month ──┐
//! plays, verdicts of the other ──terms of the other──▶ month ──┴──▶ artists: paid before, after; tracks that newly have no share
//! ```

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::path::Path;

use datasets::formats::instant;
use datasets::policy;
use datasets::tables::Inputs;
use records::royalty::Micros;
use serde_json::{Value, json};

use super::folder;
use crate::exit::Failure;
use crate::replay::laws::latest;
use crate::royalties::{Closed, month_with};
use crate::verify::Settings;

/// A month of honest artists under two laws.
#[derive(Debug, Default)]
pub(super) struct Pay {
    month: String,
    /// The currencies of both.
    currencies: [String; 2],
    artists: BTreeMap<String, Artist>,
}

#[derive(Clone, Debug, Default, PartialEq)]
struct Artist {
    /// Paid and held, under the one and under the other.
    money: [Micros; 2],
    /// Tracks that had a share and have none any more.
    shut_out: u64,
}

impl Artist {
    /// Whether a track newly has no share, or less than half is left.
    fn is_wronged(&self) -> bool {
        self.shut_out > 0 || self.money[1] < self.money[0] / 2
    }
}

impl Pay {
    /// Closes the month in which the middle of the data lies under both; `None` where the terms are the same, because then streams tell everything.
    ///
    /// # Errors
    /// When a policy or a table cannot be read.
    pub(super) fn read(
        inputs: &Inputs,
        tables: [&Path; 2],
        policies: [&Path; 2],
        is_fraud: impl Fn(&str) -> bool,
    ) -> Result<Option<Pay>, Failure> {
        let input = |error: datasets::Error| Failure::Input(error.to_string());
        let terms = |policy| policy::terms(latest(folder(policy))?.as_deref()).map_err(input);
        let terms = [terms(policies[0])?, terms(policies[1])?];
        let Some((first, last)) = Settings::read(tables[1])?.as_of_ms.filter(|_| terms[0] != terms[1]) else {
            return Ok(None);
        };
        let middle = first + (last - first) / 2;
        let closed = |at: usize| month_with(inputs, tables[at], &terms[at], middle);
        let artists = artists(&closed(0)?, &closed(1)?, is_fraud);
        let month = instant::to_text(middle)[..7].to_owned();
        Ok(Some(Pay { month, currencies: terms.map(|terms| terms.currency), artists }))
    }

    /// Those who lose a share or more than half of their money.
    pub(super) fn wronged(&self) -> BTreeSet<&str> {
        self.artists.iter().filter(|(_, artist)| artist.is_wronged()).map(|(id, _)| id.as_str()).collect()
    }

    /// In words, with so many artists by name.
    pub(super) fn text(&self, named: usize) -> String {
        let sum = |at: usize| self.artists.values().map(|artist| artist.money[at]).sum::<Micros>() as f64 / 1e6;
        let [before, after] = &self.currencies;
        let shut_out = self.artists.values().filter(|artist| artist.shut_out > 0).count();
        let mut text = format!(
            "Other terms, {} as far as the data tells: honest artists get {:.2} {after} instead of {:.2} {before}; {shut_out} have tracks that newly have no share, {} lose a share or more than half of their money",
            self.month,
            sum(1),
            sum(0),
            self.wronged().len(),
        );
        let mut wronged: Vec<_> = self.artists.iter().filter(|(_, artist)| artist.is_wronged()).collect();
        wronged.sort_by_key(|(id, artist)| (std::cmp::Reverse(artist.money[0].saturating_sub(artist.money[1])), *id));
        for (id, Artist { money, shut_out }) in wronged.into_iter().take(named) {
            let [from, to] = money.map(|micros| micros as f64 / 1e6);
            let _ = write!(text, "\n  artist {id}: {from:.2} -> {to:.2}, {shut_out} tracks newly without a share");
        }
        text
    }

    /// The same as JSON.
    pub(super) fn json(&self) -> Value {
        let artist = |(id, Artist { money: [from, to], shut_out }): (&String, &Artist)| json!({"artist": id, "micros_before": from, "micros_after": to, "tracks_shut_out": shut_out});
        let wronged = self.artists.iter().filter(|(_, artist)| artist.is_wronged());
        json!({"month": self.month, "currencies": self.currencies, "wronged": wronged.map(artist).collect::<Vec<_>>()})
    }
}

fn artists(before: &Closed, after: &Closed, is_fraud: impl Fn(&str) -> bool) -> BTreeMap<String, Artist> {
    let mut artists: BTreeMap<String, Artist> = BTreeMap::new();
    let mut had_share: BTreeSet<&str> = BTreeSet::new();
    for (at, closed) in [before, after].into_iter().enumerate() {
        for line in closed.lines.iter().filter(|line| !line.artist.is_empty() && !is_fraud(&line.artist)) {
            let artist = artists.entry(line.artist.clone()).or_default();
            artist.money[at] += line.paid_micros + line.held_micros;
            match (at, line.ineligible_because) {
                (0, None) => drop(had_share.insert(&line.track)),
                (1, Some(_)) => artist.shut_out += u64::from(had_share.contains(line.track.as_str())),
                _ => {}
            }
        }
    }
    artists
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::royalties::Line;

    #[test]
    fn who_loses_a_share_or_more_than_half_is_wronged() {
        let month = |lines: &[(&str, &str, Micros, Option<&'static str>)]| Closed {
            pool: 0,
            left: 0,
            lines: lines
                .iter()
                .map(|(artist, track, paid_micros, ineligible_because)| Line {
                    artist: (*artist).to_owned(),
                    track: (*track).to_owned(),
                    paid_micros: *paid_micros,
                    ineligible_because: *ineligible_because,
                    ..Line::default()
                })
                .collect(),
            days: BTreeMap::new(),
            year: Default::default(),
        };
        let why = Some("streams");
        let before = month(&[
            ("a", "1", 10, None),
            ("a", "2", 5, why),
            ("b", "3", 10, None),
            ("c", "4", 9, None),
            ("f", "5", 9, None),
            ("d", "6", 9, None),
        ]);
        let after = month(&[
            ("a", "1", 10, None),
            ("a", "2", 5, why),
            ("b", "3", 10, why),
            ("c", "4", 3, None),
            ("f", "5", 0, why),
            ("d", "6", 5, None),
        ]);
        let pay = Pay { artists: artists(&before, &after, |artist| artist == "f"), ..Pay::default() };
        assert_eq!(pay.wronged(), BTreeSet::from(["b", "c"]));
        assert_eq!(pay.artists["b"], Artist { money: [10, 10], shut_out: 1 });
    }
}
