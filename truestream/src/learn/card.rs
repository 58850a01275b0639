//! The model card: what a model is, how good it is, for whom, and where it must not be used; as a person reads it.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use models::Scorer;
use models::boost::Explainer;
use models::measures::{at_most, surely};
use models::sharpness::HONEST_SHARE_MAX;
use serde::{Deserialize, Serialize};

use super::data::EVERY;
use super::examples::Known;
use super::measure::{ByAccount, FALSE_POSITIVES, Measured, Report, Sharp};
use super::sequences::NETWORK;
use crate::exit::Failure;

/// What a card tells of.
pub struct Told<'a> {
    /// What was chosen.
    pub params: &'a BTreeMap<String, String>,
    /// What was measured.
    pub report: &'a Report,
    /// The model.
    pub scorer: &'a Scorer,
    /// The examples that it was measured on.
    pub test: &'a Known,
    /// Its raw scores of them.
    pub scores: &'a [f64],
    /// What its network says of them; nothing where it has none.
    pub network: &'a [f32],
    /// Features without a value.
    pub empty: &'a [String],
}

/// What features and scores looked like, for the drift of later days: ten shares of each, between these edges.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Baseline {
    /// By name; the raw score has the name `score`.
    pub of: BTreeMap<String, Shares>,
}

/// How values lie.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Shares {
    /// Upper edges of all parts but the last.
    pub edges: Vec<f64>,
    /// Share of the values in each part; the last is that of missing ones.
    pub shares: Vec<f64>,
}

/// Rows that contributions are averaged over: enough for an order of features.
const EXPLAINED_ROWS: usize = 500;
/// Features that are listed.
const LISTED: usize = 20;

/// Anything as indented JSON.
pub fn pretty<T: Serialize>(value: &T) -> String {
    let mut text = serde_json::to_string_pretty(value).expect("plain data");
    text.push('\n');
    text
}

/// The card in Markdown.
///
/// # Errors
/// When the trees cannot be explained.
pub fn text(told: &Told) -> Result<String, Failure> {
    let report = told.report;
    let mut card = String::from("# P(fraud) of an account\n\n");
    card += match told.scorer.network {
        None => "Gradient-boosted trees over rolling windows of an account's plays, calibrated to a probability.",
        Some(_) => {
            "Gradient-boosted trees over rolling windows of an account's plays and a temporal convolutional network over its last week \
             and its last 256 plays, added up and calibrated to a probability."
        }
    };
    card += " It is one signal among others: what follows from it is policy, and a person decides what cannot be taken back.\n\n";
    card += "Not for: accounts with no play in the last 28 days; judging artists; any use without the rules and limits of the \
             policy. It learned from the labels it was given: a family of fraud that nobody labelled may look honest to it.\n\n";
    card += "## What went in\n\n| | |\n|---|---|\n";
    for (name, value) in told.params {
        let _ = writeln!(card, "| {name} | {value} |");
    }
    if !told.empty.is_empty() {
        let _ = writeln!(card, "\nFeatures without a value in any row: {}.", told.empty.join(", "));
    }
    let _ = writeln!(
        card,
        "\n## How good it is\n\nMeasured on {} accounts that training never saw: {} fraud, {} known to be honest. An account counts by \
         its highest score. Intervals are 95 %, bootstrap over accounts.\n\n| | | |\n|---|---|---|",
        report.accounts, report.fraud, report.honest
    );
    let mut line = |name: &str, measured: &Measured| {
        let _ = writeln!(card, "| {name} | {:.3} | {:.3} to {:.3} |", measured.value, measured.low, measured.high);
    };
    report.auc.iter().for_each(|auc| line("AUC", auc));
    for (name, percent, rate) in FALSE_POSITIVES {
        let recall = report.recall.get(name).into_iter();
        recall.for_each(|recall| line(&format!("recall {}", report.at_rate(percent, rate)), recall));
    }
    let _ = writeln!(card, "| calibration error | {:.4} | |", report.calibration_error);
    let _ = writeln!(card, "\n{}", sharp(report));
    card += "\n![ROC](roc.svg) ![reliability](reliability.svg)\n\n## By family\n\n";
    card +=
        "Share that is flagged: of an attack that is recall, of an honest look-alike people who would be wronged.\n\n";
    card += "| family | accounts | at 0.1 % | at 1 % |\n|---|---|---|---|\n";
    for (family, of) in &report.families {
        let share = |rate: &str| of.recall.get(rate).map_or("-".to_owned(), |share| format!("{share:.2}"));
        let _ = writeln!(card, "| {family} | {} | {} | {} |", of.accounts, share("0.1pct"), share("1pct"));
    }
    card += "\n## By cohort\n\nPeople who listen unlike most, as far as features tell; accounts that nobody called fraud. How many are flagged, and how \
             many times the rate that surely is at least (Wilson's 95 % interval).\n\n";
    card += "| cohort | accounts | at 0.1 % | at 1 % | times |\n|---|---|---|---|---|\n";
    for (cohort, of) in &report.cohorts {
        let flagged = |rate: &str| of.flagged.get(rate).map_or("-".to_owned(), usize::to_string);
        let _ = writeln!(
            card,
            "| {cohort} | {} | {} | {} | {:.1} |",
            of.accounts,
            flagged("0.1pct"),
            flagged("1pct"),
            of.times()
        );
    }
    card += "\n## What it looks at\n\nMean absolute contribution to the log odds (of features by TreeSHAP).\n\n| feature | |\n|---|---|\n";
    for (feature, mean) in importance(told)? {
        let _ = writeln!(card, "| {feature} | {mean:.4} |");
    }
    Ok(card)
}

/// From where its word alone holds, why, and who came there, in words.
fn sharp(report: &Report) -> String {
    let Sharp { percent, fraud, honest, others } = report.sharp;
    let why = match percent {
        ..50 => "where it has shown, by accounts held back, that no more of the honest come",
        50 => "as probable as not: too few accounts were held back to show where hardly anybody honest comes",
        _ => "because below that surely more of the honest come",
    };
    format!(
        "Its word alone holds from {percent} %, {why} (at most {:.1} % of them). Of the accounts it is measured on there came {fraud} of {} fraud, \
         {honest} of {} honest and {others} of {} others; accounts are looked at every {EVERY}, and whoever looks more often sees a little more.",
        100.0 * HONEST_SHARE_MAX,
        report.fraud,
        report.honest,
        report.accounts - report.fraud - report.honest
    )
}

/// The features that move scores most.
fn importance(told: &Told) -> Result<Vec<(String, f64)>, Failure> {
    let booster = &told.scorer.booster;
    let explainer = Explainer::new(booster).map_err(|error| Failure::Input(error.to_string()))?;
    let rows = told.test.table.rows();
    let step = rows.div_ceil(EXPLAINED_ROWS).max(1);
    let share = told.scorer.stack.map_or(1.0, |stack| stack.trees);
    let mut sums = vec![0.0; booster.features.len()];
    let explained: Vec<usize> = (0..rows).step_by(step).collect();
    for row in &explained {
        let added = explainer.contributions(&told.test.table.row(*row));
        sums.iter_mut().zip(added).for_each(|(sum, added)| *sum += share * added.abs());
    }
    let mut names = booster.features.clone();
    if let Some(stack) = told.scorer.stack {
        names.push(NETWORK.to_owned());
        sums.push(explained.iter().map(|row| stack.added(stack.known(told.network[*row])).abs()).sum());
    }
    let means = names.into_iter().zip(sums.into_iter().map(|sum| sum / explained.len().max(1) as f64));
    let mut means: Vec<(String, f64)> = means.filter(|(_, mean)| *mean > 0.0).collect();
    means.sort_by(|a, b| b.1.total_cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
    means.truncate(LISTED);
    Ok(means)
}

/// What values looked like in the accounts that the model was measured on; who was drawn counts for all that he was drawn from.
pub fn baseline(told: &Told) -> Baseline {
    let test = told.test;
    let weights: Vec<f64> = test.account_of.iter().map(|account| test.accounts[*account].stands_for).collect();
    let columns = test.table.names().iter().zip(test.table.columns());
    let mut of: BTreeMap<String, Shares> = columns
        .map(|(name, column)| {
            let values: Vec<f64> = column.iter().copied().map(f64::from).collect();
            (name.clone(), Shares::of(&values, &weights))
        })
        .collect();
    of.insert("score".to_owned(), Shares::of(told.scores, &weights));
    Baseline { of }
}

impl Shares {
    /// Ten parts of equally many values, as far as values differ, and how much of their weight lies in each.
    pub fn of(values: &[f64], weights: &[f64]) -> Shares {
        let mut known: Vec<f64> = values.iter().copied().filter(|value| !value.is_nan()).collect();
        known.sort_unstable_by(f64::total_cmp);
        let mut edges: Vec<f64> = (1..10).filter_map(|tenth| known.get(known.len() * tenth / 10).copied()).collect();
        edges.dedup();
        let shares = Shares { edges, shares: Vec::new() };
        Shares { shares: shares.found(values, weights), ..shares }
    }

    /// How the weight of these values lies between the edges.
    pub fn found(&self, values: &[f64], weights: &[f64]) -> Vec<f64> {
        let mut sums = vec![0.0; self.edges.len() + 2];
        for (value, weight) in values.iter().zip(weights) {
            let part = match value.is_nan() {
                true => self.edges.len() + 1,
                false => self.edges.partition_point(|edge| edge < value),
            };
            sums[part] += weight;
        }
        let all: f64 = sums.iter().sum();
        sums.into_iter().map(|sum| if all > 0.0 { sum / all } else { 0.0 }).collect()
    }
}

/// The ROC curve; false positives on a logarithmic axis from 0.01 %, where decisions are made.
pub fn roc(told: &Told) -> String {
    let by_account = ByAccount::of(told.test, told.scores);
    let ones = vec![1.0; by_account.scores.len()];
    let rates = (0..=120).map(|step| 10f64.powf(f64::from(step) / 30.0 - 4.0));
    let points = rates.filter_map(|rate| {
        let found = models::measures::recall_at(&by_account.scores, &by_account.labels, &ones, rate)?;
        Some(((rate.log10() + 4.0) / 4.0, found.recall))
    });
    let ticks = ["0.01 %", "0.1 %", "1 %", "10 %", "100 %"];
    let ticks: Vec<(f64, &str)> = ticks.iter().enumerate().map(|(at, words)| (at as f64 / 4.0, *words)).collect();
    plot("recall, by share of honest accounts flagged", &ticks, &line(points))
}

/// What probabilities said and what was true, in ten bins, with Wilson's 95 % intervals: most bins have few accounts.
pub fn reliability(told: &Told) -> String {
    let mut bins = [(0.0, 0usize, 0usize); 10];
    let by_account = ByAccount::of(told.test, told.scores);
    let said = by_account.probabilities(&told.scorer.calibration);
    for (said, label) in said.into_iter().zip(&by_account.labels) {
        let bin = &mut bins[((said * 10.0) as usize).min(9)];
        *bin = (bin.0 + said, bin.1 + usize::from(*label == 1.0), bin.2 + 1);
    }
    let ticks = [(0.0, "0"), (0.25, "0.25"), (0.5, "0.5"), (0.75, "0.75"), (1.0, "1")];
    let mut drawn =
        format!("<path d=\"M{}L{}\" stroke=\"#999\" stroke-dasharray=\"4\"/>\n", at(0.0, 0.0), at(1.0, 1.0));
    for (said, fraud, all) in bins.into_iter().filter(|(.., all)| *all > 0) {
        let (x, seen) = (said / all as f64, fraud as f64 / all as f64);
        let (low, high) = (at(x, surely(fraud, all)), at(x, at_most(fraud, all)));
        let _ = writeln!(drawn, "<path d=\"M{low}L{high}\" stroke=\"#1f5fa8\"/>");
        let _ = writeln!(drawn, "<circle cx=\"{:.1}\" cy=\"{:.1}\" r=\"3\" fill=\"#1f5fa8\"/>", across(x), down(seen));
    }
    plot("share of accounts that was fraud, by probability", &ticks, &drawn)
}

/// The sides of the unit square that a picture shows, and what is left beside it, in pixels.
const SIDE: f64 = 300.0;
const MARGIN: f64 = 40.0;

fn across(x: f64) -> f64 {
    MARGIN + x * SIDE
}

fn down(y: f64) -> f64 {
    MARGIN + (1.0 - y) * SIDE
}

fn at(x: f64, y: f64) -> String {
    format!("{:.1},{:.1}", across(x), down(y))
}

/// A line through these points.
fn line(points: impl Iterator<Item = (f64, f64)>) -> String {
    let points: Vec<String> = points.map(|(x, y)| at(x, y)).collect();
    format!("<polyline points=\"{}\" fill=\"none\" stroke=\"#1f5fa8\" stroke-width=\"2\"/>\n", points.join(" "))
}

/// What is drawn, in the unit square with shares on its side.
fn plot(title: &str, ticks: &[(f64, &str)], drawn: &str) -> String {
    let whole = SIDE + 2.0 * MARGIN;
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{whole}\" height=\"{whole}\" font-family=\"sans-serif\" font-size=\"11\">\n\
         <rect width=\"100%\" height=\"100%\" fill=\"white\"/>\n<text x=\"{MARGIN}\" y=\"24\">{title}</text>\n"
    );
    for (x, words) in ticks {
        let (bottom, top) = (at(*x, 0.0), at(*x, 1.0));
        let _ = writeln!(svg, "<path d=\"M{bottom}L{top}\" stroke=\"#ddd\"/>");
        let (x, y) = (across(*x), down(0.0) + 16.0);
        let _ = writeln!(svg, "<text x=\"{x:.1}\" y=\"{y:.1}\" text-anchor=\"middle\">{words}</text>");
    }
    for share in [0.0, 0.2, 0.4, 0.6, 0.8, 1.0] {
        let _ = writeln!(svg, "<path d=\"M{}L{}\" stroke=\"#ddd\"/>", at(0.0, share), at(1.0, share));
        let (x, y) = (across(0.0) - 4.0, down(share) + 4.0);
        let _ = writeln!(svg, "<text x=\"{x:.1}\" y=\"{y:.1}\" text-anchor=\"end\">{share:.1}</text>");
    }
    svg + drawn + "</svg>\n"
}

/// The lines of a report that a terminal shows.
pub fn lines(report: &Report) -> String {
    let mut text = String::new();
    let mut line = |name: &str, measured: &Measured| {
        let _ = writeln!(text, "  {name:<48}{:.3} ({:.3} to {:.3})", measured.value, measured.low, measured.high);
    };
    report.auc.iter().for_each(|auc| line("AUC", auc));
    for (name, percent, rate) in FALSE_POSITIVES {
        let recall = report.recall.get(name).into_iter();
        recall.for_each(|recall| line(&format!("recall {}", report.at_rate(percent, rate)), recall));
    }
    let _ = writeln!(text, "  {:<48}{:.4}", "calibration error", report.calibration_error);
    text
}
