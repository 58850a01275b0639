//! Verdicts and decisions, cut by what the catalogue and plays tell of whom they are about.
//!
//! ```text
//! track ───▶ genre ────────────────────────┐
//! account ─┬▶ country ─────────────────────┼──▶ (axis, group) ──▶ held, escalated, blocked; found to be fraud, and not
//!          └▶ where most of its plays begin ┘
//! ```
//!
//! It is for people who look. Whether a difference between groups is chance is asked by `truestream assess`.

use std::collections::BTreeMap;
use std::sync::Arc;

use console::desk::Cut;
use records::{LabelKind, Source, Subject, Verdict};
use serde::{Deserialize, Serialize};

use super::decisions::Sum;
use super::places::{Places, key_of};
use super::shelf::{Outline, Stated};
use super::urgency::{Ranked, Ranking, id_of, usage};

/// By what is cut, and whom.
pub const AXES: [(&str, Subject); 3] =
    [("genre", Subject::Track), ("country", Subject::Account), ("source", Subject::Account)];
const GENRE: usize = 0;
const COUNTRY: usize = 1;
const SOURCE: usize = 2;

/// An axis by its place, and a group of it; nothing where nobody tells one.
type Group = (usize, Arc<str>);

/// Verdicts of a group.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Verdicts {
    /// The axis, by its name.
    pub axis: String,
    /// The group; nothing where nobody tells one.
    pub group: String,
    /// Held, escalated, blocked.
    pub counts: [u64; 3],
}

/// The word of the `source` column.
pub fn word(source: Source) -> &'static str {
    match source {
        Source::Other => "other",
        Source::Search => "search",
        Source::Library => "library",
        Source::Algorithmic => "algorithmic",
        Source::Editorial => "editorial",
        Source::Playlist => "playlist",
    }
}

/// The groups that a subject belongs to.
fn groups(places: &Places, outline: &Outline, subject: Subject, id: &str, source: Option<Source>) -> Vec<Group> {
    let told = || {
        let key = key_of(&id_of(outline.names.kind(subject.space()), id)?);
        places.origin(subject, key)
    };
    match subject {
        Subject::Track => vec![(GENRE, told().unwrap_or_default())],
        Subject::Account => {
            vec![(COUNTRY, told().unwrap_or_default()), (SOURCE, source.map(word).unwrap_or_default().into())]
        }
        _ => Vec::new(),
    }
}

/// The verdicts of each group that has some.
pub fn verdicts(places: &Places, outline: &Outline, ranking: &Ranking) -> Vec<Verdicts> {
    let mut counts: BTreeMap<Group, [u64; 3]> = BTreeMap::new();
    for Ranked { waiting, .. } in &ranking.ranked {
        let Some(place) = (waiting.verdict as usize).checked_sub(Verdict::Hold as usize) else { continue };
        for group in groups(places, outline, waiting.subject, &waiting.id, waiting.source) {
            counts.entry(group).or_default()[place] += 1;
        }
    }
    let told = |((axis, group), counts): (Group, [u64; 3])| Verdicts {
        axis: AXES[axis].0.to_owned(),
        group: group.to_string(),
        counts,
    };
    counts.into_iter().map(told).collect()
}

/// The same beside what people found of the closed cases of each group, the most verdicts and decisions first.
pub fn beside_decisions(
    places: &Places,
    outline: &Outline,
    stated: &Stated,
    verdicts: &[Verdicts],
    sum: &Sum,
) -> Vec<Cut> {
    let mut cuts: BTreeMap<(usize, String), Cut> = BTreeMap::new();
    let cut = |cuts: &mut BTreeMap<(usize, String), Cut>, axis: usize, group: &str, add: &dyn Fn(&mut Cut)| {
        let key = (axis, group.to_owned());
        let fresh = || Cut { axis: AXES[axis].0.to_owned(), group: group.to_owned(), ..Cut::default() };
        add(cuts.entry(key).or_insert_with(fresh));
    };
    for found in verdicts {
        if let Some(axis) = AXES.iter().position(|(name, _)| *name == found.axis) {
            cut(&mut cuts, axis, &found.group, &|cut| cut.verdicts = found.counts);
        }
    }
    for last in sum.closed() {
        let Some(subject) = Subject::named(&last.subject) else { continue };
        let source = usage(outline, stated, subject, &last.id).and_then(|usage| usage.source);
        let is_fraud = last.label() == Some(LabelKind::Fraud);
        for (axis, group) in groups(places, outline, subject, &last.id, source) {
            cut(&mut cuts, axis, &group, &|cut| cut.found[usize::from(!is_fraud)] += 1);
        }
    }
    let mut cuts: Vec<((usize, String), Cut)> = cuts.into_iter().collect();
    let cases = |cut: &Cut| cut.verdicts.iter().chain(&cut.found).sum::<u64>();
    cuts.sort_by(|((a, _), one), ((b, _), other)| a.cmp(b).then(cases(other).cmp(&cases(one))));
    cuts.into_iter().map(|(_, cut)| cut).collect()
}
