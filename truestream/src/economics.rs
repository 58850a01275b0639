//! `truestream economics`: does an attack pay under a policy, and is an honest artist paid?
//!
//! ```text
//! attacks.toml of who runs the store, or built in ──┐
//! attacks.toml of the policy: more of them ─────────┴─× royalties.toml ──▶ what an account earns, what an artist gets ──┐
//! signals of its accounts × rules, thresholds, wherever they are gentlest ──▶ held? ─────────────────────────────────────┴──▶ profit, pay
//! ```
//!
//! A policy cannot take an attack out of the catalogue that it is measured by: what it tells itself comes on top.

use std::fmt::Write as _;
use std::io::{ErrorKind, Write as _};
use std::path::{Path, PathBuf};

use clap::Args;
use datasets::policy;
use features::economics::{Profit, artist_gets, at_its_best, caught, is_eligible, profit};
use features::risk::{self, fuse_in};
use features::signals::{Name, Seen, Signal};
use records::attack::{Artist, Attack, Attacks};
use records::policy::{Origin, Percent};
use records::royalty::{Sharing, Terms};
use records::{Policy, Subject, Territory, Verdict};
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
  truestream economics --policy strict --store laws --json
      by the attacks of laws/attacks.toml, and those of the policy's own

docs/ROYALTIES.md says how it is computed and what is assumed. `truestream policy check` fails where an attack pays.
Exit codes: 0 done, 4 a policy that cannot be read.")]
pub struct EconomicsArgs {
    /// A folder of policy files instead of the built-in policy
    #[arg(long, value_name = "DIR")]
    pub policy: Option<PathBuf>,
    /// The folder of activated policies whose attacks.toml, if it has one, holds instead of the built-in one
    #[arg(long, value_name = "DIR")]
    pub store: Option<PathBuf>,
    /// Print as JSON
    #[arg(long)]
    pub json: bool,
}

/// An attack under a policy.
pub struct Balance {
    /// Where it is written.
    pub of: String,
    /// The attack, with as many tracks as pay it best.
    pub attack: Attack,
    /// Where its accounts are registered: in a territory that the policy judges more gently than all others, if there is one.
    pub registered_in: Option<Territory>,
    /// What the policy does about its accounts there.
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

/// An honest artist under a policy.
pub struct Paid {
    /// Where it is written.
    pub of: String,
    /// The artist.
    pub artist: Artist,
    /// What it gets in a month, in the currency.
    pub gets: f64,
}

impl Paid {
    /// Whether it is less than it must be.
    pub fn is_short(&self) -> bool {
        self.gets * 1e6 < self.artist.least as f64
    }
}

/// Everybody in the catalogues under a policy.
pub struct Economy {
    /// What the policy is called.
    pub policy: String,
    /// Its terms.
    pub terms: Terms,
    /// The attacks.
    pub balances: Vec<Balance>,
    /// The artists.
    pub artists: Vec<Paid>,
    /// The catalogues whose amounts are in another currency than the terms, with that currency: they are not counted.
    pub foreign: Vec<(String, String)>,
}

/// Asks that a folder of activated policies that somebody named is there and is none of a policy: a misspelt one has no catalogue, and must not pass
/// for the built-in one; nor may the catalogue of a policy pass for that of whoever measures it.
///
/// # Errors
/// When it is none.
pub fn must_be_a_store(store: Option<&Path>) -> Result<(), Failure> {
    let Some(store) = store else { return Ok(()) };
    if !store.is_dir() {
        return Err(Failure::Usage(format!("--store {}: found no folder, expected one", store.display())));
    }
    policy::refuse_own_policy(store).map_err(|error| Failure::Input(error.to_string()))
}

/// What the policy in the folder, or the built-in one, is measured by: what whoever runs the store wrote into it, or the built-in catalogue; and
/// then the policy's own.
fn catalogues(policy: Option<&Path>, store: Option<&Path>) -> Result<Vec<(String, Attacks)>, datasets::Error> {
    let own = |folder: Option<&Path>| folder.map(policy::own_attacks).transpose().map(Option::flatten);
    let latest = policy.map(policy::latest).transpose()?;
    let store = store.or(policy.filter(|policy| policy::is_store(policy)));
    let mut catalogues = vec![match own(store)? {
        Some(attacks) => ("attacks.toml of the store".to_owned(), attacks),
        None => ("attacks.toml as built in".to_owned(), policy::attacks(None)?),
    }];
    if let Some(attacks) = own(latest.as_deref())?.filter(|attacks| *attacks != catalogues[0].1) {
        catalogues.push(("attacks.toml of the policy".to_owned(), attacks));
    }
    Ok(catalogues)
}

/// All attacks and artists under the policy in the folder, or the built-in one.
///
/// # Errors
/// When the policy cannot be read, or an attack shows what is no signal.
pub fn economy(folder: Option<&Path>, store: Option<&Path>) -> Result<Economy, Failure> {
    let input = |error: datasets::Error| Failure::Input(error.to_string());
    let policy = replay::policy_of(folder)?;
    let terms = policy::terms(latest(folder)?.as_deref()).map_err(input)?;
    let (mut balances, mut artists, mut foreign) = (Vec::new(), Vec::new(), Vec::new());
    for (of, attacks) in catalogues(folder, store).map_err(input)? {
        if attacks.currency != terms.currency {
            foreign.push((of, attacks.currency));
            continue;
        }
        for attack in &attacks.attacks {
            balances.push(balance(&of, attack, &attacks, &terms, &policy)?);
        }
        artists.extend(attacks.artists.iter().map(|artist| Paid {
            of: of.clone(),
            gets: artist_gets(artist, &attacks, &terms),
            artist: artist.clone(),
        }));
    }
    Ok(Economy { policy: policy.version.clone(), terms, balances, artists, foreign })
}

fn balance(of: &str, attack: &Attack, attacks: &Attacks, terms: &Terms, policy: &Policy) -> Result<Balance, Failure> {
    let best = |terms: &Terms| at_its_best(attack, attacks, terms);
    let (registered_in, verdict) = gentlest(policy, &signals(of, attack, policy)?);
    let unhindered = |sharing| {
        let terms = Terms { sharing, ..terms.clone() };
        (sharing, profit(&best(&terms), attacks, &terms, 0.0))
    };
    let unhindered = Sharing::ALL.map(unhindered);
    let attack = best(terms);
    Ok(Balance {
        of: of.to_owned(),
        registered_in,
        verdict,
        is_eligible: is_eligible(&attack, terms),
        now: profit(&attack, attacks, terms, caught(&attack, verdict > Verdict::Allow, terms)),
        unhindered,
        attack,
    })
}

/// Where whoever attacks registers accounts that show these signals, and what is done about them there: an attacker chooses the country, so
/// everybody's numbers and those of each territory are tried. The gentlest verdict pays best, because only what is held is ever caught.
fn gentlest(policy: &Policy, signals: &[Signal]) -> (Option<Territory>, Verdict) {
    let judged_in = |territory: Option<Territory>| {
        let found = fuse_in(policy, (Subject::Account, territory), false, signals.to_vec());
        (territory, risk::verdict(policy, Subject::Account, Origin { tier: None, territory }, &found))
    };
    let everywhere = [None].into_iter().chain(policy.territories().map(Some));
    everywhere.map(judged_in).min_by_key(|(_, verdict)| *verdict).expect("everybody is somewhere")
}

/// What its accounts show.
fn signals(of: &str, attack: &Attack, policy: &Policy) -> Result<Vec<Signal>, Failure> {
    let known = &policy.rules.account;
    let signal = |(name, strength): (&String, &Percent)| {
        let signal = known.contains_key(name).then(|| serde_json::from_value::<Name>(json!(name)).ok()).flatten();
        let seen = Seen { window_ms: 0, count: strength.parts().into(), of: 0 };
        let no_signal = || Failure::Input(format!("{of}: {:?}: `{name}` is no signal of account", attack.name));
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
    must_be_a_store(args.store.as_deref())?;
    let economy = economy(args.policy.as_deref(), args.store.as_deref())?;
    let told = if args.json { format!("{:#}\n", json(&economy)) } else { text(&economy) };
    match std::io::stdout().lock().write_all(told.as_bytes()) {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => {
            Err(Failure::Output(format!("standard output: {error}")))
        }
        _ => Ok(()),
    }
}

fn text(economy: &Economy) -> String {
    let Economy { policy, terms, balances, artists, foreign } = economy;
    let mut text = format!("Under {policy:?}. ");
    let _ = writeln!(
        text,
        "Per account and month in {}, {}, paid {} days after the month\n",
        terms.currency,
        terms.sharing.name(),
        terms.close_days + terms.pay_days
    );
    let _ = writeln!(
        text,
        "{:<18}{:>11}{:>9}{:>8}{:>11}{:>9}{:>9}{:>12}{:>14}   if nobody were caught",
        "attack", "tracks", "earns", "costs", "verdict", "caught", "keeps", "a month", "a loss from"
    );
    for balance in balances {
        let Balance { attack, registered_in, verdict, now, unhindered, .. } = balance;
        let others: Vec<String> =
            unhindered.iter().map(|(sharing, profit)| format!("{} {:+.2}", sharing.name(), profit.profit)).collect();
        let _ = writeln!(
            text,
            "{:<18}{:>11}{:>9.2}{:>8.2}{:>11}{:>7.0} %{:>+9.2}{:>+12.0}{:>12.0} %   {}{}{}",
            attack.name,
            attack.tracks,
            now.revenue,
            now.cost,
            verdict.name(),
            100.0 * now.caught,
            now.profit,
            now.profit * attack.accounts as f64,
            100.0 * now.break_even,
            others.join(", "),
            if balance.is_eligible { "" } else { " (its tracks have no share)" },
            registered_in.map(|territory| format!(" (registered in {territory})")).unwrap_or_default()
        );
    }
    for Paid { artist, gets, .. } in artists {
        let least = artist.least as f64 / 1e6;
        let _ = writeln!(text, "{:<29}{gets:>9.2}   must get {least:.2}", artist.name);
    }
    for (of, currency) in foreign {
        let _ = writeln!(text, "note: {of} is in {currency}, and not counted");
    }
    text
}

fn json(economy: &Economy) -> Value {
    let Economy { policy, terms, balances, artists, foreign } = economy;
    let row = |balance: &Balance| {
        let Balance { of, attack, registered_in, verdict, is_eligible, now, unhindered } = balance;
        let unhindered: serde_json::Map<_, _> =
            unhindered.iter().map(|(sharing, profit)| (sharing.name().to_owned(), json!(profit.profit))).collect();
        json!({
            "attack": attack.name, "of": of, "accounts": attack.accounts, "tracks": attack.tracks, "registered_in": registered_in, "verdict": verdict.name(), "eligible": is_eligible,
            "revenue": now.revenue, "cost": now.cost, "caught": now.caught, "profit": now.profit, "break_even": now.break_even,
            "profit_if_nobody_were_caught": unhindered, "pays": balance.pays().is_some(),
        })
    };
    json!({
        "policy": policy,
        "currency": terms.currency,
        "sharing": terms.sharing,
        "attacks": balances.iter().map(row).collect::<Vec<_>>(),
        "artists": artists.iter().map(|paid| json!({
            "artist": paid.artist.name, "of": paid.of, "gets": paid.gets, "least": paid.artist.least as f64 / 1e6, "is_short": paid.is_short(),
        })).collect::<Vec<_>>(),
        "not_counted": foreign.iter().map(|(of, currency)| json!({"of": of, "currency": currency})).collect::<Vec<_>>(),
    })
}
