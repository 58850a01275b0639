//! `truestream economics`: does an attack pay under a policy?
//!
//! ```text
//! attacks.toml × royalties.toml ──▶ what an account earns ──┐
//! signals of its accounts × rules, thresholds ──▶ held? ────┴──▶ profit per attack, and under each way of sharing
//! ```

use std::fmt::Write as _;
use std::io::{ErrorKind, Write as _};
use std::path::{Path, PathBuf};

use clap::Args;
use datasets::policy;
use features::economics::{Profit, caught, is_eligible, profit};
use features::risk::{fuse, verdict};
use features::signals::{Name, Seen, Signal};
use records::attack::{Attack, Attacks};
use records::policy::Percent;
use records::royalty::{Sharing, Terms};
use records::{Policy, Subject, Verdict};
use serde_json::{Value, json};

use crate::exit::Failure;
use crate::replay;
use crate::replay::laws::latest;

/// Says what each catalogued attack earns, costs and keeps under a policy, and how much of it must be caught before it is paid.
#[derive(Args, Clone, Debug)]
#[command(after_help = "\
Examples:
  truestream economics
      profit per account and month of every attack in attacks.toml, under the built-in policy
  truestream economics --policy strict --json

docs/ROYALTIES.md says how it is computed and what is assumed. `truestream policy check` fails where an attack pays.
Exit codes: 0 done, 4 a policy that cannot be read.")]
pub struct EconomicsArgs {
    /// A folder of policy files instead of the built-in policy
    #[arg(long, value_name = "DIR")]
    pub policy: Option<PathBuf>,
    /// Print as JSON
    #[arg(long)]
    pub json: bool,
}

/// An attack under a policy.
pub struct Balance {
    /// The attack.
    pub attack: Attack,
    /// What the policy does about its accounts.
    pub verdict: Verdict,
    /// Whether its tracks have a share.
    pub is_eligible: bool,
    /// What it comes to.
    pub now: Profit,
    /// What it would come to if nobody were caught, under each way of sharing.
    pub unhindered: [(Sharing, Profit); 3],
}

impl Balance {
    /// What is left to the attacker beyond what the catalogue allows, in the currency, per account and month; `None` where nothing is.
    pub fn pays(&self) -> Option<f64> {
        let beyond = self.now.profit - self.attack.most as f64 / 1e6;
        (beyond > 0.0).then_some(self.now.profit)
    }
}

/// All attacks under the policy in the folder, or the built-in one.
///
/// # Errors
/// When the policy cannot be read, or an attack shows what is no signal.
pub fn balances(folder: Option<&Path>) -> Result<(Terms, Vec<Balance>), Failure> {
    let input = |error: datasets::Error| Failure::Input(error.to_string());
    let policy = replay::policy_of(folder)?;
    let folder = latest(folder)?;
    let folder = folder.as_deref();
    let terms = policy::terms(folder).map_err(input)?;
    let attacks = policy::attacks(folder).map_err(input)?;
    let balances =
        attacks.attacks.iter().map(|attack| balance(attack, &attacks, &terms, &policy)).collect::<Result<_, _>>();
    Ok((terms, balances?))
}

fn balance(attack: &Attack, attacks: &Attacks, terms: &Terms, policy: &Policy) -> Result<Balance, Failure> {
    let verdict = verdict(policy, None, &fuse(policy, Subject::Account, false, signals(attack, policy)?));
    let unhindered = |sharing| {
        let terms = Terms { sharing, ..terms.clone() };
        (sharing, profit(attack, attacks, &terms, 0.0))
    };
    Ok(Balance {
        verdict,
        is_eligible: is_eligible(attack, terms),
        now: profit(attack, attacks, terms, caught(attack, verdict > Verdict::Allow)),
        unhindered: Sharing::ALL.map(unhindered),
        attack: attack.clone(),
    })
}

/// What its accounts show.
fn signals(attack: &Attack, policy: &Policy) -> Result<Vec<Signal>, Failure> {
    let known = &policy.rules.account;
    let signal = |(name, strength): (&String, &Percent)| {
        let signal = known.contains_key(name).then(|| serde_json::from_value::<Name>(json!(name)).ok()).flatten();
        let seen = Seen { window_ms: 0, count: strength.parts().into(), of: 0 };
        let no_signal = || Failure::Input(format!("attacks.toml: {:?}: `{name}` is no signal of account", attack.name));
        Ok(Signal { name: signal.ok_or_else(no_signal)?, strength: strength.parts(), seen })
    };
    let all: Result<Vec<Signal>, Failure> = attack.signals.iter().map(signal).collect();
    Ok(all?.into_iter().filter(|signal| signal.strength > 0).collect())
}

/// Runs the command.
///
/// # Errors
/// When the policy cannot be read.
pub fn run(args: &EconomicsArgs) -> Result<(), Failure> {
    let (terms, balances) = balances(args.policy.as_deref())?;
    let told = if args.json { format!("{:#}\n", json(&terms, &balances)) } else { text(&terms, &balances) };
    match std::io::stdout().lock().write_all(told.as_bytes()) {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => {
            Err(Failure::Output(format!("standard output: {error}")))
        }
        _ => Ok(()),
    }
}

fn text(terms: &Terms, balances: &[Balance]) -> String {
    let mut text = String::new();
    let _ = writeln!(
        text,
        "Per account and month in {}, {}, paid {} days after the month\n",
        terms.currency,
        terms.sharing.name(),
        terms.close_days + terms.pay_days
    );
    let _ = writeln!(
        text,
        "{:<18}{:>9}{:>8}{:>11}{:>9}{:>9}{:>12}{:>14}   if nobody were caught",
        "attack", "earns", "costs", "verdict", "caught", "keeps", "a month", "a loss from"
    );
    for balance in balances {
        let Balance { attack, verdict, now, unhindered, .. } = balance;
        let others: Vec<String> =
            unhindered.iter().map(|(sharing, profit)| format!("{} {:+.2}", sharing.name(), profit.profit)).collect();
        let _ = writeln!(
            text,
            "{:<18}{:>9.2}{:>8.2}{:>11}{:>7.0} %{:>+9.2}{:>+12.0}{:>12.0} %   {}{}",
            attack.name,
            now.revenue,
            now.cost,
            verdict.name(),
            100.0 * now.caught,
            now.profit,
            now.profit * attack.accounts as f64,
            100.0 * now.break_even,
            others.join(", "),
            if balance.is_eligible { "" } else { " (its tracks have no share)" }
        );
    }
    text
}

fn json(terms: &Terms, balances: &[Balance]) -> Value {
    let row = |balance: &Balance| {
        let Balance { attack, verdict, is_eligible, now, unhindered } = balance;
        let unhindered: serde_json::Map<_, _> =
            unhindered.iter().map(|(sharing, profit)| (sharing.name().to_owned(), json!(profit.profit))).collect();
        json!({
            "attack": attack.name, "accounts": attack.accounts, "verdict": verdict.name(), "eligible": is_eligible,
            "revenue": now.revenue, "cost": now.cost, "caught": now.caught, "profit": now.profit, "break_even": now.break_even,
            "profit_if_nobody_were_caught": unhindered, "pays": balance.pays().is_some(),
        })
    };
    json!({
        "currency": terms.currency,
        "sharing": terms.sharing,
        "attacks": balances.iter().map(row).collect::<Vec<_>>(),
    })
}
