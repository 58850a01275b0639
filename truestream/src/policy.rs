//! `truestream policy`: is a policy in order, what does it say, what does it change, and does it decide as it is meant to?
//!
//! ```text
//! folder ──▶ check (every mistake) │ show (every setting) │ diff (with another) │ test (its examples decided) │ backtest
//! ```

mod activation;
mod backtest;
mod idle;
mod pay;
mod stakes;
mod uploads;

use self::backtest::BacktestArgs;

use std::collections::{BTreeMap, BTreeSet};
use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use clap::{Args, Subcommand};
use datasets::formats::instant;
use datasets::policy::{self, Cases, PayoutCase, VerdictCase};
use features::risk::{self, fuse_in};
use features::signals::{Name, Seen, Signal};
use records::declaring::Declaring;
use records::lists::Entry;
use records::policy::{Origin, Percent};
use records::{Millis, Policy, Risk};
use serde_json::{Value, json};

use crate::economics::{self, Economy};
use crate::exit::Failure;
use crate::governance;
use crate::replay::clauses;
use crate::replay::laws::latest;

/// Where nobody says how many honest artists may be wronged: one of so many.
const ARTISTS_EACH: usize = 100;

/// The word for the policy that holds where none is given.
const BUILT_IN: &str = "built-in";

/// Checks a policy folder, shows it, compares it with another, decides its examples.
#[derive(Args, Clone, Debug)]
#[command(
    arg_required_else_help = true,
    after_help = "\
Examples:
  truestream policy check strict
      every mistake of the folder with file and line, and what in it never counts
  truestream policy check strict --store laws --data world --artists-max 5
      also whom it would wrong among honest artists, beside what is in force in laws
  truestream policy diff built-in strict
      which settings differ
  truestream policy backtest strict --data world
      whom it would newly hold or free
  truestream policy test strict
      the examples of strict/tests.toml, and the built-in ones, decided under it
  truestream policy activate strict --store laws --from 2026-03-01 --by ann --why spam
      in force from then on wherever `laws` is the policy; rollback, history and show --as-of go back

A policy is a folder (docs/POLICY.md), a folder of activated policies, of which the last one counts, or the word built-in.
Exit codes: 0 in order, 3 an example is decided otherwise than it says, 4 a policy that cannot be read."
)]
pub struct PolicyArgs {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand, Clone, Debug)]
enum Command {
    /// Says every mistake of a policy, what in it never counts, which attack would pay and which honest artist would not be paid
    Check(CheckArgs),
    /// Shows every setting, and which are not as built in
    Show {
        #[command(flatten)]
        one: OneArgs,
        /// Of activated policies the one that was in force as of this time, instead of the last one
        #[arg(long, value_name = "TIME")]
        as_of: Option<String>,
    },
    /// Says which settings differ
    Diff {
        /// The one policy
        from: PathBuf,
        /// The other
        to: PathBuf,
        /// Print as JSON
        #[arg(long)]
        json: bool,
    },
    /// Decides the examples in tests.toml, the test rows of rules, and the built-in examples
    Test(OneArgs),
    Backtest(Box<BacktestArgs>),
    Activate(activation::ActivateArgs),
    Rollback(activation::RollbackArgs),
    Withdraw(activation::WithdrawArgs),
    History(activation::HistoryArgs),
}

#[derive(Args, Clone, Debug)]
struct OneArgs {
    /// The policy
    #[arg(default_value = BUILT_IN)]
    policy: PathBuf,
    /// Print as JSON
    #[arg(long)]
    json: bool,
}

#[derive(Args, Clone, Debug)]
struct CheckArgs {
    #[command(flatten)]
    one: OneArgs,
    /// The folder of activated policies for which it is meant: what its attacks.toml and governance.toml ask holds
    #[arg(long, value_name = "DIR")]
    store: Option<PathBuf>,
    /// A folder with plays and what else `truestream replay` reads: who would be wronged there that is not under what is in force, of the store or
    /// built in, is a mistake, too
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
    /// With --data: so many honest artists at most may newly have a verdict, lose streams of people, or a share or half of their money; instead of
    /// the store's `artists_max`, or one of a hundred where it says none
    #[arg(long, value_name = "N", requires = "data")]
    artists_max: Option<usize>,
    /// With --data: more options of `truestream replay`
    #[arg(last = true, value_name = "OPTIONS")]
    more: Vec<String>,
}

/// Runs the command.
///
/// # Errors
/// `Input` for a policy that cannot be read, `Different` for an example that is decided otherwise.
pub fn run(args: &PolicyArgs) -> Result<(), Failure> {
    match &args.command {
        Command::Check(args) => check(args),
        Command::Show { one, as_of } => show(one, as_of.as_deref()),
        Command::Diff { from, to, json } => diff(from, to, *json),
        Command::Test(one) => test(one),
        Command::Backtest(args) => backtest::run(args),
        Command::Activate(args) => activation::activate(args),
        Command::Rollback(args) => activation::rollback(args),
        Command::Withdraw(args) => activation::withdraw(args),
        Command::History(args) => activation::history(args),
    }
}

/// `None` for the built-in policy.
fn folder(policy: &Path) -> Option<&Path> {
    (policy != Path::new(BUILT_IN)).then_some(policy)
}

fn input(error: datasets::Error) -> Failure {
    Failure::Input(error.to_string())
}

/// Prints to standard output; a closed pipe is nobody's failure.
fn print(text: &str) -> Result<(), Failure> {
    match writeln!(std::io::stdout().lock(), "{}", text.trim_end()) {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => {
            Err(Failure::Output(format!("standard output: {error}")))
        }
        _ => Ok(()),
    }
}

/// Every mistake of the policy in the folder, of the built-in one without a folder, as the store measures it.
fn faults(own: Option<&Path>, store: Option<&Path>) -> Result<Vec<String>, Failure> {
    let mut faults: Vec<String> = own.map(policy::faults).unwrap_or_default().iter().map(ToString::to_string).collect();
    let rules = policy::clauses(own).unwrap_or_default();
    faults.extend(clauses::faults(&rules));
    faults.extend(clauses::strange_columns(&rules));
    faults.extend(clauses::twin_columns(&rules));
    if faults.is_empty() {
        faults.extend(misspent(own, store)?);
    }
    Ok(faults)
}

fn check(CheckArgs { one: args, store, data, artists_max, more }: &CheckArgs) -> Result<(), Failure> {
    economics::must_be_a_store(store.as_deref())?;
    let given = folder(&args.policy);
    let store = store.as_deref().or(given.filter(|given| policy::is_store(given)));
    let own = latest(given)?;
    let own = own.as_deref();
    let mut faults = faults(own, store)?;
    let mut wronged = None;
    if let Some(data) = data.as_deref().filter(|_| faults.is_empty()) {
        let most =
            artists_max.map_or_else(|| store.map_or(Ok(None), governance::artists_max), |most| Ok(Some(most)))?;
        let (found, of) = newly_wronged(own, store, data, more)?;
        let most = most.unwrap_or(of / ARTISTS_EACH);
        faults.extend((found > most).then(|| backtest::too_many(found, most)));
        wronged = Some(found);
    }
    let (idle, lists, warnings) = match faults.is_empty() {
        true => (idle::idle(own)?, untold(own)?, idle::doubtful(own)?),
        false => Default::default(),
    };
    let name = args.policy.display();
    match args.json {
        true => {
            let name = name.to_string();
            print(&format!(
                "{:#}",
                json!({
                    "policy": name, "faults": faults, "never_counts": idle, "lists": lists, "warnings": warnings,
                    "artists_wronged": wronged,
                })
            ))?;
        }
        false => {
            let mut lines = faults.clone();
            lines.extend(warnings.iter().map(|warning| format!("warning: {warning}")));
            lines.extend(idle.iter().chain(&lists).map(|note| format!("note: {note}")));
            lines.extend(wronged.map(|many| format!("note: honest artists that are newly wronged: {many}")));
            lines.extend(faults.is_empty().then(|| format!("{name}: in order")));
            print(&lines.join("\n"))?;
        }
    }
    match faults.len() {
        0 => Ok(()),
        many => Err(Failure::Input(format!("{name}: {}", mistakes(many)))),
    }
}

fn mistakes(many: usize) -> String {
    format!("{many} {}", if many == 1 { "mistake" } else { "mistakes" })
}

fn load(folder: Option<&Path>) -> Result<Policy, Failure> {
    folder.map_or_else(|| Ok(policy::built_in()), policy::load).map_err(input)
}

/// How many honest artists are wronged in the data that are not under what is in force in the store, or built in; and how many there are.
fn newly_wronged(
    own: Option<&Path>,
    store: Option<&Path>,
    data: &Path,
    more: &[String],
) -> Result<(usize, usize), Failure> {
    let store = store.filter(|store| policy::is_store(store));
    let built_in = Path::new(BUILT_IN);
    backtest::wronged(&BacktestArgs::of(own.unwrap_or(built_in), store.unwrap_or(built_in), data, more))
}

/// The catalogued attacks that pay, the artists who are not paid, and catalogues that cannot say so.
fn misspent(folder: Option<&Path>, store: Option<&Path>) -> Result<Vec<String>, Failure> {
    let Economy { policy: _, terms, balances, artists, foreign } = economics::economy(folder, store)?;
    let currency = &terms.currency;
    let pays = |balance: &economics::Balance| {
        let profit = balance.pays()?;
        let (attack, most, caught) = (&balance.attack, balance.attack.most as f64 / 1e6, 100.0 * balance.now.caught);
        let found = format!("found that it keeps {profit:.2} {currency} per account and month");
        let there = balance.registered_in.map(|territory| format!(" of accounts registered in {territory}"));
        let there = there.unwrap_or_default();
        let because = format!("{}{there}, {caught:.0} % caught before it is paid", balance.verdict);
        Some(format!("{}: {:?}: {found} ({because}), expected at most {most:.2}", balance.of, attack.name))
    };
    let is_short = |paid: &&economics::Paid| paid.is_short();
    let starves = |economics::Paid { of, artist, gets }: &economics::Paid| {
        let least = artist.least as f64 / 1e6;
        format!("{of}: artist {:?}: found {gets:.2} {currency} a month, expected at least {least:.2}", artist.name)
    };
    let is_foreign = |(of, found): &(String, String)| {
        format!(
            "royalties.toml: found amounts in {currency}, expected {found} as in {of}: write an attacks.toml in {currency} beside the \
             activated policies, and name that folder with --store"
        )
    };
    let faults = balances.iter().filter_map(pays).chain(artists.iter().filter(is_short).map(starves));
    Ok(faults.chain(foreign.iter().map(is_foreign)).collect())
}

fn now() -> Millis {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_millis() as Millis)
}

/// Entries of lists of which it is not told by whom, why and until when, and those that have expired.
fn untold(own: Option<&Path>) -> Result<Vec<String>, Failure> {
    let now = now();
    let trusted = policy::gate(own).map_err(input)?.trusted;
    let lists = [("tracks", trusted.tracks), ("uploaders", trusted.uploaders), ("distributors", trusted.distributors)];
    let of_gate = lists.into_iter().flat_map(|(list, entries)| {
        entries.into_iter().map(move |entry| (format!("gate.toml: trusted.{list}"), entry))
    });
    let pins = policy::pins(own).map_err(input)?.into_iter();
    let pins = pins.map(|pin| (format!("pins.toml: {}", pin.subject.name()), pin.entry));
    let note = |(list, entry): (String, Entry)| match entry.until.filter(|until| *until <= now) {
        Some(until) => Some(format!("{list} {:?} has expired at {}", entry.id, instant::to_text(until))),
        None if entry.untold().is_empty() => None,
        None => Some(format!("{list} {:?} does not tell {}", entry.id, entry.untold().join(", "))),
    };
    Ok(of_gate.chain(pins).filter_map(note).collect())
}

fn signal_name(name: &str) -> Option<Name> {
    serde_json::from_value(json!(name)).ok()
}

fn show(args: &OneArgs, as_of: Option<&str>) -> Result<(), Failure> {
    let built_in = policy::settings(None).map_err(input)?;
    let folder = match as_of {
        Some(text) => Some(activation::in_force(&args.policy, text)?),
        None => latest(folder(&args.policy))?,
    };
    let settings = policy::settings(folder.as_deref()).map_err(input)?;
    if args.json {
        return print(&format!("{:#}", json!(settings)));
    }
    let lines = settings.iter().map(|(name, value)| match built_in.get(name) {
        Some(before) if before == value => format!("{name} = {value}"),
        Some(before) => format!("{name} = {value}    (built in: {before})"),
        None => format!("{name} = {value}    (not built in)"),
    });
    print(&lines.collect::<Vec<_>>().join("\n"))
}

fn diff(from: &Path, to: &Path, json: bool) -> Result<(), Failure> {
    let settings = |policy| policy::settings(latest(folder(policy))?.as_deref()).map_err(input);
    let [before, after] = [settings(from), settings(to)];
    let changes = changes(&before?, &after?);
    if json {
        let rows: Vec<Value> =
            changes.iter().map(|(name, from, to)| json!({"setting": name, "from": from, "to": to})).collect();
        return print(&format!("{:#}", json!(rows)));
    }
    let or_nothing = |value: &Option<String>| value.clone().unwrap_or_else(|| "nothing".to_owned());
    let lines: Vec<String> =
        changes.iter().map(|(name, from, to)| format!("{name}: {} -> {}", or_nothing(from), or_nothing(to))).collect();
    print(&if lines.is_empty() { "no setting differs".to_owned() } else { lines.join("\n") })
}

type Change = (String, Option<String>, Option<String>);

fn changes(before: &BTreeMap<String, String>, after: &BTreeMap<String, String>) -> Vec<Change> {
    let names: BTreeSet<&String> = before.keys().chain(after.keys()).collect();
    let change = |name: &String| (name.clone(), before.get(name).cloned(), after.get(name).cloned());
    names.into_iter().map(change).filter(|(_, from, to)| from != to).collect()
}

/// An example and how it was decided.
struct Decided {
    name: String,
    /// What is other than the example says.
    wrong: Option<String>,
}

fn test(args: &OneArgs) -> Result<(), Failure> {
    let own = latest(folder(&args.policy))?;
    let own = own.as_deref();
    let policy = load(own)?;
    let declaring = policy::declaring(own).map_err(input)?;
    let mut decided = decide(&policy, &declaring, policy::cases(own).map_err(input)?, "")?;
    let rules = policy::clauses(own).map_err(input)?;
    let rows = clauses::rows(&rules).map_err(Failure::Input)?;
    decided.extend(rows.into_iter().map(|(name, wrong)| Decided { name, wrong }));
    if own.is_some() {
        // What the built-in policy is meant to do, a changed one must not undo unseen.
        decided.extend(decide(&policy, &declaring, policy::cases(None).map_err(input)?, "built-in: ")?);
    }
    let wrong = decided.iter().filter(|case| case.wrong.is_some()).count();
    if args.json {
        let row = |case: &Decided| json!({"name": case.name, "wrong": case.wrong});
        print(&format!("{:#}", json!({"examples": decided.iter().map(row).collect::<Vec<_>>(), "wrong": wrong})))?;
    } else {
        let line = |case: &Decided| match &case.wrong {
            None => format!("as meant   {}", case.name),
            Some(wrong) => format!("OTHERWISE  {}: {wrong}", case.name),
        };
        print(&decided.iter().map(line).collect::<Vec<_>>().join("\n"))?;
    }
    match wrong {
        0 => Ok(()),
        wrong => Err(Failure::Different(format!("{wrong} of {} examples are decided otherwise", decided.len()))),
    }
}

fn decide(policy: &Policy, declaring: &Declaring, cases: Cases, of: &str) -> Result<Vec<Decided>, Failure> {
    let mut decided = Vec::new();
    for case in cases.verdict {
        let wrong = verdict(policy, &case)?;
        decided.push(Decided { name: format!("{of}{}", case.name), wrong });
    }
    for case in cases.payout {
        decided.push(Decided { name: format!("{of}{}", case.name), wrong: payout(declaring, &case) });
    }
    Ok(decided)
}

/// What is other than the example says; a signal that its subject does not have is a mistake of the example.
fn verdict(policy: &Policy, case: &VerdictCase) -> Result<Option<String>, Failure> {
    let mut signals = Vec::new();
    for (name, strength) in &case.signals {
        let known = policy.rules.of(case.subject).contains_key(name);
        let Some(name) = signal_name(name).filter(|_| known) else {
            let subject = case.subject.name();
            return Err(Failure::Input(format!("tests.toml: {:?}: `{name}` is no signal of {subject}", case.name)));
        };
        if strength.get() > 0 {
            signals.push(Signal {
                name,
                strength: strength.parts(),
                seen: Seen { window_ms: 0, count: strength.parts().into(), of: 0 },
            });
        }
    }
    let origin = Origin { tier: case.tier.as_deref(), territory: case.territory };
    let found = fuse_in(policy, (case.subject, origin.territory), case.heard, signals);
    let verdict = risk::verdict(policy, case.subject, origin, &found);
    let is_within = case.risk_min.is_none_or(|least| found.r >= least.risk())
        && case.risk_max.is_none_or(|most| found.r <= most.risk());
    let told = |verdict: &str, r: Risk| format!("{verdict} at risk {:.2}", r.share());
    let expected = || {
        let bound =
            |word: &str, bound: Option<Percent>| bound.map(|bound| format!(" {word} {:.2}", bound.risk().share()));
        let bounds = [bound("at least", case.risk_min), bound("at most", case.risk_max)];
        format!("{}{}", case.verdict, bounds.into_iter().flatten().collect::<String>())
    };
    Ok((verdict != case.verdict || !is_within)
        .then(|| format!("found {}, expected {}", told(verdict.name(), found.r), expected())))
}

fn payout(declaring: &Declaring, case: &PayoutCase) -> Option<String> {
    let doubts = declaring.doubts(case.declared(), case.uploaded_at, case.synthesis.map(Percent::risk));
    let found: BTreeSet<&str> = doubts.iter().map(|doubt| doubt.rule()).collect();
    let expected: BTreeSet<&str> = case.held_by.iter().map(String::as_str).collect();
    let told = |rules: &BTreeSet<&str>| match rules.is_empty() {
        true => "paid".to_owned(),
        false => format!("held by {}", rules.iter().copied().collect::<Vec<_>>().join(", ")),
    };
    (found != expected).then(|| format!("found {}, expected {}", told(&found), told(&expected)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_built_in_policy_decides_its_examples_as_they_are_meant() {
        let cases = policy::cases(None).expect("the built-in examples");
        assert!(cases.verdict.len() >= 5 && cases.payout.len() >= 4);
        let declaring = policy::declaring(None).expect("the built-in policy");
        for case in decide(&policy::built_in(), &declaring, cases, "").expect("signals that are") {
            assert_eq!(case.wrong, None, "{}", case.name);
        }
    }

    #[test]
    fn only_what_differs_is_a_change() {
        let of = |pairs: &[(&str, &str)]| {
            pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
        };
        let found = changes(&of(&[("a", "1"), ("b", "2"), ("c", "3")]), &of(&[("a", "1"), ("b", "4"), ("d", "5")]));
        let names: Vec<&str> = found.iter().map(|(name, ..)| name.as_str()).collect();
        assert_eq!(names, ["b", "c", "d"]);
    }
}
