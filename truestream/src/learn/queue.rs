//! `truestream queue`: whom people should look at next.
//!
//! ```text
//! scores ──▶ uncertain ──┐
//! distance to all that is labelled ──▶ novel ──┼──▶ in turn, each account once ──▶ queue.parquet
//! payable plays ──▶ money at stake ──┤
//! chance, among those that nothing speaks against ──▶ audit, with the probability of being drawn
//! ```

use std::path::PathBuf;

use clap::Args;
use datasets::tables::{Cell, Holds, IdKind, ViewFile, read_features};
use models::Table;
use records::{Id, Millis};
use serde_json::json;

use super::EXIT_CODES;
use super::data::{DataArgs, Features};
use super::examples::{Instants, Lots, said};
use super::registry::{Lock, Registry};
use crate::exit::Failure;

/// What a payable play costs, in USD: between 0.003 and 0.005 on the largest service (published payouts per stream).
const USD_PER_PLAY: f64 = 0.004;
/// Features that distances are measured in: those the model asks about most. More would be noise to a person, too.
const COMPARED: usize = 20;

/// Ranks the accounts that people should look at next, and draws a random sample of the others.
#[derive(Args, Clone, Debug)]
#[command(after_help = format!("\
Examples:
  truestream queue --registry models --data platform --out queue.parquet
      a hundred accounts, a fifth of them drawn by chance
  truestream queue --registry models --data platform --count 500 --audit-share 0.1 --seed 7 --out queue.parquet --json

Labels that people give go into the folder's labels.parquet; the next training uses them.

{EXIT_CODES}"))]
pub struct QueueArgs {
    /// Accounts and labels.
    #[command(flatten)]
    pub data: DataArgs,
    /// The folder of the registry
    #[arg(long, value_name = "DIR")]
    pub registry: PathBuf,
    /// Which version: a number, `latest` or `champion`
    #[arg(long, default_value = "champion")]
    pub version: String,
    /// The file to write
    #[arg(long, value_name = "FILE")]
    pub out: PathBuf,
    /// How many accounts people can look at
    #[arg(long, default_value_t = 100)]
    pub count: usize,
    /// Share of them that is drawn by chance: only of those can it be said how often the model misses
    #[arg(long, default_value_t = 0.2, value_name = "SHARE")]
    pub audit_share: f64,
    /// Print a summary as JSON
    #[arg(long)]
    pub json: bool,
}

/// An account that nobody has labelled yet.
#[derive(Clone, Debug)]
struct Candidate {
    id: String,
    probability: f64,
    /// 1 where the model cannot tell, 0 where it is sure.
    uncertainty: f64,
    /// Mean distance to the nearest labelled account, in shares of all accounts that lie between.
    novelty: f64,
    /// Fraud that would be paid: probability times payable plays of the longest window.
    stake_usd: f64,
    /// Whether the model's word alone holds it.
    is_flagged: bool,
}

/// Why an account is in the queue.
const REASONS: [&str; 3] = ["uncertain", "novel", "stake"];

/// A place in the queue.
struct Place<'a> {
    candidate: &'a Candidate,
    reason: &'static str,
    /// How probable it was to be drawn; null where it was chosen.
    inclusion: Option<f64>,
}

/// Runs the command.
///
/// # Errors
/// When options cannot be, data or registry cannot be read, or the file cannot be written.
pub fn run(args: &QueueArgs) -> Result<(), Failure> {
    if !(0.0..=1.0).contains(&args.audit_share) {
        return Err(Failure::Usage(format!("--audit-share {}: expected 0 to 1", args.audit_share)));
    }
    let registry = Registry::open(&args.registry)?;
    let lock = registry.lock()?;
    let features = args.data.features(&registry, &lock)?;
    let instants = args.data.instants(&features)?;
    let as_of = instants.last_look;
    let (candidates, ids) = candidates(args, &registry, &lock, &features, instants)?;
    let places = places(args, &candidates);
    write(args, &places, ids, as_of)?;
    tell(args, &candidates, &places);
    Ok(())
}

fn candidates(
    args: &QueueArgs,
    registry: &Registry,
    lock: &Lock,
    features: &Features,
    Instants { as_of, last_look }: Instants,
) -> Result<(Vec<Candidate>, IdKind), Failure> {
    let version = registry.version(&args.version)?;
    let scorer = registry.scorer(&version)?;
    let rows = read_features(&features.rows, "account_id", |_| true, |known, _| known == last_look);
    let rows = rows.map_err(|error| Failure::Input(error.to_string()))?;
    let table = Table::new(rows.names, rows.columns).map_err(|error| Failure::Input(error.to_string()))?;
    let asked = rows.ids.iter().map(|id| (last_look, id.as_str()));
    let network = args.data.said(registry, lock, features, &scorer, asked)?;
    let scores = scorer.scores(&table, &network).map_err(|error| Failure::Input(error.to_string()))?;
    let known = said(&features.labels, as_of)?;
    let is_known: Vec<bool> = rows.ids.iter().map(|id| known.label(id).is_some()).collect();
    let novelty = novelty(&table, &scorer.booster.most_asked(COMPARED), &is_known);
    let column = |name: &str| table.names().iter().position(|known| known == name).map(|at| &table.columns()[at]);
    let (per_day, payable) = (column("month_plays_per_day"), column("month_payable_share"));
    let stake = |row: usize, probability: f64| {
        let of = |column: Option<&Vec<f32>>| column.map_or(0.0, |column| f64::from(column[row]));
        let plays = of(per_day) * of(payable) * 28.0;
        if plays.is_nan() { 0.0 } else { probability * plays * USD_PER_PLAY }
    };
    let unknown = (0..scores.len()).filter(|row| !is_known[*row]);
    let candidates = unknown
        .map(|row| {
            let probability = scorer.calibration.probability(scores[row]);
            Candidate {
                id: rows.ids[row].clone(),
                probability,
                uncertainty: 1.0 - (2.0 * probability - 1.0).abs(),
                novelty: novelty[row],
                stake_usd: stake(row, probability),
                is_flagged: probability >= scorer.sharp_from.risk().share(),
            }
        })
        .collect();
    Ok((candidates, if rows.ids_are_numbers { IdKind::Number } else { IdKind::Text }))
}

/// How far each row is from the nearest that is known, 0 to 1: in ranks, so that no feature's unit counts; a missing value is
/// the whole way from any other.
fn novelty(table: &Table, features: &[usize], is_known: &[bool]) -> Vec<f64> {
    let ranks: Vec<Vec<f32>> = features.iter().map(|feature| ranks(&table.columns()[*feature])).collect();
    let known: Vec<usize> = (0..table.rows()).filter(|row| is_known[*row]).collect();
    let apart = |a: f32, b: f32| match (a.is_nan(), b.is_nan()) {
        (true, true) => 0.0,
        (false, false) => f64::from((a - b).abs()),
        _ => 1.0,
    };
    let distance = |a: usize, b: usize| ranks.iter().map(|ranks| apart(ranks[a], ranks[b])).sum::<f64>();
    let nearest = |row: usize| known.iter().map(|known| distance(row, *known)).fold(f64::INFINITY, f64::min);
    let whole = ranks.len().max(1) as f64;
    (0..table.rows()).map(|row| if known.is_empty() { 1.0 } else { nearest(row) / whole }).collect()
}

/// The share of values below each; equal values share one rank, NaN stays NaN.
fn ranks(column: &[f32]) -> Vec<f32> {
    let mut sorted: Vec<f32> = column.iter().copied().filter(|value| !value.is_nan()).collect();
    sorted.sort_unstable_by(f32::total_cmp);
    let rank = |value: &f32| match value.is_nan() {
        true => f32::NAN,
        false => sorted.partition_point(|known| known < value) as f32 / sorted.len() as f32,
    };
    column.iter().map(rank).collect()
}

/// The three orders take turns, each account once; then chance.
fn places<'a>(args: &QueueArgs, candidates: &'a [Candidate]) -> Vec<Place<'a>> {
    let audited = (args.count as f64 * args.audit_share).round() as usize;
    let orders: [fn(&Candidate) -> f64; 3] = [|c| c.uncertainty, |c| c.novelty, |c| c.stake_usd];
    let mut orders = orders.map(|of| {
        let mut order: Vec<usize> = (0..candidates.len()).collect();
        order.sort_by(|a, b| {
            of(&candidates[*b]).total_cmp(&of(&candidates[*a])).then_with(|| candidates[*a].id.cmp(&candidates[*b].id))
        });
        order.into_iter()
    });
    let mut is_taken = vec![false; candidates.len()];
    let mut places = Vec::new();
    while places.len() < (args.count - audited).min(candidates.len()) {
        let turn = places.len() % orders.len();
        let Some(next) = orders[turn].find(|candidate| !is_taken[*candidate]) else { break };
        is_taken[next] = true;
        places.push(Place { candidate: &candidates[next], reason: REASONS[turn], inclusion: None });
    }
    let unflagged = (0..candidates.len()).filter(|at| !is_taken[*at] && !candidates[*at].is_flagged);
    let mut drawn: Vec<&Candidate> = unflagged.map(|at| &candidates[at]).collect();
    let inclusion = audited.min(drawn.len()) as f64 / drawn.len().max(1) as f64;
    let lots = Lots { seed: args.data.seed, purpose: "audit" };
    drawn.sort_by_cached_key(|candidate| lots.of(&candidate.id));
    let audit = |candidate| Place { candidate, reason: "audit", inclusion: Some(inclusion) };
    places.extend(drawn.into_iter().take(audited).map(audit));
    places
}

fn write(args: &QueueArgs, places: &[Place], ids: IdKind, as_of: Millis) -> Result<(), Failure> {
    let output = |error: datasets::Error| Failure::Output(error.to_string());
    let columns = [
        ("as_of", Holds::Instant),
        ("place", Holds::Count),
        ("account_id", Holds::Id(ids)),
        ("reason", Holds::Text),
        ("probability", Holds::Float),
        ("uncertainty", Holds::Float),
        ("novelty", Holds::Float),
        ("stake_usd", Holds::Float),
        ("inclusion", Holds::Feature),
    ];
    let mut file = ViewFile::create(&args.out, &columns).map_err(output)?;
    for (number, Place { candidate, reason, inclusion }) in places.iter().enumerate() {
        let id = match (ids, candidate.id.parse::<u64>()) {
            (IdKind::Number, Ok(number)) => Id::from(number),
            _ => Id::from(candidate.id.as_str()),
        };
        let cells = [
            Cell::Instant(as_of),
            Cell::Count(number as u64 + 1),
            Cell::Id(&id),
            Cell::Text(reason),
            Cell::Float(candidate.probability),
            Cell::Float(candidate.uncertainty),
            Cell::Float(candidate.novelty),
            Cell::Float(candidate.stake_usd),
            Cell::Feature(inclusion.map_or(f32::NAN, |share| share as f32)),
        ];
        file.push(cells).map_err(output)?;
    }
    file.complete().and_then(|(_, part)| part.publish()).map_err(output)
}

fn tell(args: &QueueArgs, candidates: &[Candidate], places: &[Place]) {
    let of = |reason: &str| places.iter().filter(|place| place.reason == reason).count();
    let reasons = REASONS.into_iter().chain(["audit"]);
    if args.json {
        let counts = reasons.map(|reason| (reason.to_owned(), json!(of(reason))));
        println!(
            "{}",
            json!({ "unlabelled": candidates.len(), "queue": counts.collect::<serde_json::Map<_, _>>(), "file": args.out })
        );
        return;
    }
    println!("{} accounts that nobody has labelled; {} in the queue", candidates.len(), places.len());
    reasons.for_each(|reason| println!("  {reason:<10}{}", of(reason)));
    for place in places.iter().take(5) {
        let Candidate { id, probability, stake_usd, .. } = place.candidate;
        println!(
            "  account {id}: {}, fraud {:.0} % probable, {stake_usd:.2} USD at stake",
            place.reason,
            probability * 100.0
        );
    }
    println!("written to {}", args.out.display());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn novelty_is_the_distance_to_the_nearest_known() {
        let columns = vec![vec![1.0, 2.0, 3.0, 4.0], vec![5.0, 5.0, f32::NAN, 9.0]];
        let table = Table::new(vec!["a".to_owned(), "b".to_owned()], columns).expect("columns of one length");
        let found = novelty(&table, &[0, 1], &[true, false, false, false]);
        // Ranks 0, 1/4, 1/2, 3/4 and 0, 0, none, 2/3.
        for (found, expected) in found.iter().zip([0.0, 0.125, 0.75, (0.75 + 2.0 / 3.0) / 2.0]) {
            assert!((found - expected).abs() < 1e-6, "{found} for {expected}");
        }
    }
}
