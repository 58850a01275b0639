//! What a policy would have done: the same plays under two policies, and who is decided otherwise.
//!
//! ```text
//! data ──▶ one replay ──┬──▶ decided by the one   ──▶ verdicts ──┐
//!                       └──▶ decided by the other ──▶ verdicts ──┴──▶ newly held, freed, other, with their streams and labels │ stakes
//! ```

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::time::Instant;

use clap::Args;
use datasets::tables::read::id_kinds;
use datasets::tables::rows::{Rows, Value};
use indicatif::HumanCount;
use serde::Serialize;
use serde_json::json;

use super::pay::Pay;
use super::stakes::Stakes;
use super::{BUILT_IN, folder, print};
use crate::exit::Failure;
use crate::labels::{Labels, labels};
use crate::replay::{self, Beside, ReplayArgs};
use crate::royalties::streams::text_of;
use crate::scratch::Scratch;
use crate::words::{parsed, refuse_own};

/// Replays the same data under two policies and says whose gravest verdict is another
#[derive(Args, Clone, Debug)]
#[command(after_help = "\
Examples:
  truestream policy backtest strict --data world
      whom the policy `strict` would newly hold or free, beside the built-in one
  truestream policy backtest strict --data world --against old -- --evidence heard --models registry
      beside another policy, with evidence and models; what stands after -- goes to truestream replay
  truestream policy backtest strict --data world -- --every 1h --windows 1h,24h,7d,28d
      refreshed as truestream replay is, instead of every six hours over 24h, 7d and 28d")]
pub(super) struct BacktestArgs {
    /// The policy
    policy: PathBuf,
    /// A folder with plays and what else `truestream replay` reads
    #[arg(long, value_name = "DIR")]
    data: PathBuf,
    /// The policy beside it
    #[arg(long, default_value = BUILT_IN)]
    against: PathBuf,
    /// Subjects of each kind that are named
    #[arg(long, default_value_t = 10)]
    named: usize,
    /// End with exit code 3 where more honest artists than so many newly have a verdict, lose streams of people, or a share or half of their money
    #[arg(long, value_name = "N")]
    artists_max: Option<usize>,
    /// Keeps the tables of both in this folder, in `before` and `after`
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// Print as JSON
    #[arg(long)]
    json: bool,
    /// More options of `truestream replay`
    #[arg(last = true, value_name = "OPTIONS")]
    more: Vec<String>,
}

/// How often is refreshed, and over which windows, where nobody says: a threshold that is changed is explained while somebody waits, and the
/// hourly refresh of a replay finds a few more verdicts at a few times the cost.
const HOW: [&str; 4] = ["--every", "6h", "--windows", "24h,7d,28d"];
/// More threads than this hardly make a replay of a month faster.
const THREADS_MAX: usize = 4;

/// Subject and id.
pub(super) type Who = (String, String);

/// What is known of a subject under one policy.
#[derive(Clone, Debug, PartialEq)]
struct Stands {
    verdict: String,
    r: f64,
    reason: String,
}

/// A subject that is decided otherwise.
#[derive(Clone, Debug, PartialEq, Serialize)]
struct Moved {
    subject: String,
    id: String,
    from: String,
    to: String,
    r_from: f64,
    r_to: f64,
    /// Its streams in the data: plays of 30 seconds or more.
    streams: u64,
    /// What it is labelled as, where it is.
    label: Option<String>,
    /// The first reason of the graver verdict.
    reason: String,
}

impl BacktestArgs {
    /// The policy beside another over the data, for who only asks how many are wronged.
    pub(super) fn of(policy: &Path, against: &Path, data: &Path, more: &[String]) -> BacktestArgs {
        let [policy, against, data] = [policy, against, data].map(Path::to_owned);
        BacktestArgs { policy, data, against, named: 0, artists_max: None, out: None, json: false, more: more.to_vec() }
    }
}

pub(super) fn run(args: &BacktestArgs) -> Result<(), Failure> {
    let told = told(args)?;
    print(&if args.json { told.json() } else { told.text() })?;
    match args.artists_max.filter(|most| told.wronged() > *most) {
        Some(most) => Err(Failure::Different(too_many(told.wronged(), most))),
        None => Ok(()),
    }
}

/// That more honest artists are wronged than may be.
pub(super) fn too_many(wronged: usize, most: usize) -> String {
    format!(
        "{wronged} honest artists have a verdict, lose streams of people, or a share or half of their money that they had before, \
         expected at most {most}"
    )
}

/// How many honest artists are wronged by the policy that were not by the one beside it, and how many there are.
///
/// # Errors
/// When the data or a policy cannot be read.
pub(super) fn wronged(args: &BacktestArgs) -> Result<(usize, usize), Failure> {
    let told = told(args)?;
    Ok((told.wronged(), told.stakes.honest_artists()))
}

fn told(args: &BacktestArgs) -> Result<Told<'_>, Failure> {
    let scratch = Scratch::new()?;
    let started = Instant::now();
    let out = args.out.as_deref().unwrap_or(scratch.path());
    let [old, new] = ["before", "after"].map(|name| out.join(name));
    // Who does not keep the tables needs only the words that are told here.
    let replayed = ReplayArgs { terse: args.out.is_none(), ..line(args, &old)? };
    let apart = replay::replay_beside(&replayed, &Beside { policy: folder(&args.policy), out: &new })?;
    let (before, after) = (gravest(&old)?, gravest(&new)?);
    let inputs = replayed.inputs()?;
    let kinds = id_kinds(inputs.by_table()).map_err(|error| Failure::Input(error.to_string()))?;
    let labels = labels(&inputs, &kinds)?;
    let stakes = Stakes::read(&inputs, [&old, &new], &labels, [&args.against, &args.policy])?;
    let moved = moved(&before, &after, &stakes, &labels);
    let every = replayed.every.clone();
    Ok(Told { args, every, moved, stakes, apart, seconds: started.elapsed().as_secs_f64() })
}

/// How the data is replayed under the policy beside which the other is laid.
fn line(args: &BacktestArgs, out: &Path) -> Result<ReplayArgs, Failure> {
    refuse_own(&args.more, &["--data", "--out", "--policy", "--views", "--emit"])?;
    let [data, out_text, policy_text] = [&args.data, out, &args.against].map(|path| path.display().to_string());
    let views = "verdict,payout_hold,gate";
    let mut line = vec!["replay", "--data", &data, "--out", &out_text, "--views", views, "--emit", "changes"];
    if folder(&args.against).is_some() {
        line.extend(["--policy", &policy_text]);
    }
    // The tables are the same on any number of threads.
    let threads = std::thread::available_parallelism().map_or(1, usize::from).min(THREADS_MAX).to_string();
    if !args.more.iter().any(|option| option.starts_with("--workers") || option == "--hosts") {
        line.extend(["--workers", &threads]);
    }
    if !args.more.iter().any(|option| option.starts_with("--every") || option.starts_with("--windows")) {
        line.extend(HOW);
    }
    line.extend(args.more.iter().map(String::as_str));
    parsed(line)
}

/// The gravest verdict that each subject ever had. A row without reasons is not the first of its gravity.
fn gravest(out: &Path) -> Result<BTreeMap<Who, Stands>, Failure> {
    let mut verdicts: BTreeMap<Who, Stands> = BTreeMap::new();
    let columns = ["diff", "subject", "subject_id", "verdict", "r", "reasons"];
    each_row(&out.join("verdict.parquet"), &columns, |row| {
        if row.value(0) != Value::Int(1) {
            return;
        }
        let (who, verdict) = ((text_of(row.value(1)), text_of(row.value(2))), text_of(row.value(3)));
        let r = if let Value::Float(r) = row.value(4) { r } else { 0.0 };
        let is_graver = |known: &Stands| (gravity(&verdict), r) > (gravity(&known.verdict), known.r);
        if verdicts.get(&who).is_none_or(is_graver) {
            let reasons: Vec<String> = serde_json::from_str(&text_of(row.value(5))).unwrap_or_default();
            let reason = reasons.into_iter().next().unwrap_or_default();
            verdicts.insert(who, Stands { verdict, r, reason });
        }
    })?;
    Ok(verdicts)
}

fn each_row(path: &Path, columns: &[&str], mut take: impl FnMut(&Rows)) -> Result<(), Failure> {
    let input = |error: datasets::Error| Failure::Input(error.to_string());
    let mut rows = Rows::open(path, columns).map_err(input)?;
    while rows.advance().map_err(input)? {
        take(&rows);
    }
    Ok(())
}

const ALLOW: &str = "allow";
const GRAVITY: [&str; 4] = [ALLOW, "hold", "escalate", "block"];

fn gravity(verdict: &str) -> usize {
    GRAVITY.iter().position(|known| *known == verdict).unwrap_or_default()
}

/// Who is decided otherwise, the most streams first.
fn moved(
    before: &BTreeMap<Who, Stands>,
    after: &BTreeMap<Who, Stands>,
    stakes: &Stakes,
    labels: &Labels,
) -> Vec<Moved> {
    let allowed = Stands { verdict: ALLOW.to_owned(), r: 0.0, reason: String::new() };
    let everybody: BTreeSet<&Who> = before.keys().chain(after.keys()).collect();
    let mut moved: Vec<Moved> = everybody
        .into_iter()
        .filter_map(|who| {
            let [from, to] = [before, after].map(|verdicts| verdicts.get(who).unwrap_or(&allowed));
            let graver = if gravity(&to.verdict) >= gravity(&from.verdict) { to } else { from };
            (from.verdict != to.verdict).then(|| Moved {
                subject: who.0.clone(),
                id: who.1.clone(),
                from: from.verdict.clone(),
                to: to.verdict.clone(),
                r_from: from.r,
                r_to: to.r,
                streams: stakes.streams(who),
                label: labels.get(who).map(|label| label.name().to_owned()),
                reason: graver.reason.clone(),
            })
        })
        .collect();
    moved.sort_by(|a, b| (&a.subject, b.streams, &a.id).cmp(&(&b.subject, a.streams, &b.id)));
    moved
}

/// Subjects of one kind that moved alike.
#[derive(Clone, Debug, Default, PartialEq)]
struct Sum {
    subjects: u64,
    streams: u64,
    labels: BTreeMap<String, u64>,
}

/// Kind, verdict before, verdict after.
type Way = (String, String, String);

fn summed(moved: &[Moved]) -> BTreeMap<Way, Sum> {
    let mut sums: BTreeMap<Way, Sum> = BTreeMap::new();
    for one in moved {
        let sum = sums.entry((one.subject.clone(), one.from.clone(), one.to.clone())).or_default();
        sum.subjects += 1;
        sum.streams += one.streams;
        *sum.labels.entry(one.label.clone().unwrap_or_else(|| "unlabelled".to_owned())).or_default() += 1;
    }
    sums
}

/// What there is to tell.
struct Told<'a> {
    args: &'a BacktestArgs,
    /// How often is refreshed.
    every: String,
    moved: Vec<Moved>,
    stakes: Stakes,
    /// Why signals were found once for each, where they were.
    apart: Option<&'static str>,
    seconds: f64,
}

impl Told<'_> {
    /// How many honest artists are wronged.
    fn wronged(&self) -> usize {
        self.stakes.wronged(&self.decided())
    }

    /// The artists who newly have a verdict.
    fn decided(&self) -> BTreeSet<&str> {
        let newly = |one: &&Moved| one.subject == "artist" && one.from == ALLOW;
        self.moved.iter().filter(newly).map(|one| one.id.as_str()).collect()
    }

    fn text(&self) -> String {
        let Told { args, every, moved, stakes, apart, seconds } = self;
        let (policy, against) = (args.policy.display(), args.against.display());
        let mut lines = vec![match moved.len() {
            0 => format!("{policy} beside {against}, {seconds:.1} s: nobody is decided otherwise"),
            many => format!(
                "{policy} beside {against}, {seconds:.1} s: {many} are decided otherwise, by their gravest verdict"
            ),
        }];
        lines.push(match apart {
            None => format!("One replay every {every}: the same signals, decided by both"),
            Some(why) => format!("One replay every {every}, signals found for each: {why}"),
        });
        for ((subject, from, to), Sum { subjects: many, streams, labels }) in summed(moved) {
            let labels: Vec<String> = labels.iter().map(|(label, many)| format!("{many} {label}")).collect();
            let plural = if many == 1 { "" } else { "s" };
            lines.push(format!(
                "{subject}: {from} -> {to}: {many} {subject}{plural}, {} streams ({})",
                HumanCount(streams),
                labels.join(", ")
            ));
            let alike = moved.iter().filter(|one| (&one.subject, &one.from, &one.to) == (&subject, &from, &to));
            lines.extend(alike.take(args.named).map(|one| {
                let Moved { id, r_from, r_to, streams, reason, .. } = one;
                format!("  {id}  {r_from:.2} -> {r_to:.2}, {} streams: {reason}", HumanCount(*streams))
            }));
        }
        lines.push(stakes.uploads.text(args.named));
        lines.push(stakes.text(&self.decided(), args.named));
        lines.extend(stakes.pay.as_ref().map(|pay| pay.text(args.named)));
        lines.join("\n")
    }

    fn json(&self) -> String {
        let Told { args, every, moved, stakes, apart, seconds } = self;
        let sums = summed(moved).into_iter().map(|((subject, from, to), Sum { subjects: many, streams, labels })| {
            json!({"subject": subject, "from": from, "to": to, "subjects": many, "streams": streams, "labels": labels})
        });
        let sums: Vec<_> = sums.collect();
        let [policy, against] = [&args.policy, &args.against].map(|policy| policy.display().to_string());
        let pay = stakes.pay.as_ref().map(Pay::json);
        let (uploads, stakes) = (stakes.uploads.json(), stakes.json(&self.decided()));
        let told = json!({
            "policy": policy, "against": against, "seconds": seconds, "every": every, "signals_apart": apart, "sums": sums, "moved": moved, "uploads": uploads, "stakes": stakes, "terms": pay,
        });
        format!("{told:#}")
    }
}

#[cfg(test)]
mod tests {
    use records::LabelKind;

    use super::*;

    #[test]
    fn who_is_decided_otherwise_is_told_with_what_hangs_on_it() {
        let stands =
            |verdict: &str, r, reason: &str| Stands { verdict: verdict.to_owned(), r, reason: reason.to_owned() };
        let who = |id: &str| ("track".to_owned(), id.to_owned());
        let before = BTreeMap::from([(who("1"), stands("hold", 0.4, "was")), (who("2"), stands("hold", 0.5, "same"))]);
        let after = BTreeMap::from([(who("2"), stands("hold", 0.6, "same")), (who("3"), stands("block", 0.9, "now"))]);
        let stakes = Stakes::with_streams([(who("1"), 7), (who("3"), 8)]);
        let labels = Labels::from([(who("3"), LabelKind::Fraud)]);
        let found = moved(&before, &after, &stakes, &labels);
        let told: Vec<_> = found
            .iter()
            .map(|one| (one.id.as_str(), one.from.as_str(), one.to.as_str(), one.streams, one.reason.as_str()))
            .collect();
        assert_eq!(told, [("3", ALLOW, "block", 8, "now"), ("1", "hold", ALLOW, 7, "was")]);
        let sums = summed(&found);
        let sum = &sums[&("track".to_owned(), ALLOW.to_owned(), "block".to_owned())];
        assert_eq!((sum.subjects, sum.streams, sum.labels.get("fraud")), (1, 8, Some(&1)));
        assert!(moved(&before, &before, &stakes, &labels).is_empty());
    }
}
