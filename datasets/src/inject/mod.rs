//! Lays labelled attacks over a data set, so that somebody without labels can train and measure.
//!
//! ```text
//! data ──▶ survey ──▶ what people do, which ids are taken ──┐
//! plan ──▶ families, levels, numbers ───────────────────────┴─▶ cast ──▶ a day of each account ──▶ plays, truth
//!                                                                └──▶ accounts, tracks, labels
//! ```
//!
//! A day of an account is a function of (seed, attack, account, day) and of the survey. Same data, plan and seed, same
//! bytes, for any number of threads. Memory holds the survey, the casts and about two days of injected plays.

mod cast;
mod ids;
mod plan;
mod plays;
mod survey;
mod write;

pub use plan::{Attack, Family, Level, Network, Order, Parameters, Plan, Timing};

use std::collections::BTreeMap;
use std::path::Path;

use rayon::prelude::*;
use records::Millis;
use serde::Serialize;

use crate::Error;
use crate::formats::Fault;
use crate::tables::Inputs;
use crate::world::DAY_MS;
use cast::{Cast, NewRows};
use plays::Made;
use survey::Telemetry;
use write::{Folder, PlayWriter};

/// How far an injection is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Progress {
    /// Rows of the data seen, of how many.
    Survey(u64, u64),
    /// Days made, of how many.
    Days(u64, u64),
}

/// What one attack or look-alike added.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct AttackSummary {
    /// What it is.
    pub family: Family,
    /// How hard.
    pub level: Level,
    /// Whether it is fraud.
    pub attack: bool,
    /// Accounts that take part; hijacked ones are of the data, the others new.
    pub accounts: u64,
    /// Tracks it is about.
    pub tracks: u64,
    /// Plays.
    pub plays: u64,
    /// Those of them that are what it is about.
    pub target_plays: u64,
    /// Its plays among all, those of the data included.
    pub share: f64,
    /// When it begins.
    pub from: Millis,
    /// When it ends.
    pub until: Millis,
}

/// What an injection added.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Summary {
    /// The seed.
    pub seed: u64,
    /// Rows of plays of the data.
    pub plays_before: u64,
    /// Rows of plays that were added.
    pub plays_added: u64,
    /// Plays that attacks made, their camouflage included, among all.
    pub fraud_share: f64,
    /// The share of the data's plays that the plan asked attacks to add as targets, if it did.
    pub share_asked: Option<f64>,
    /// Rows added to the accounts.
    pub accounts_added: u64,
    /// Rows added to the tracks.
    pub tracks_added: u64,
    /// Labels added.
    pub labels_added: u64,
    /// One by one, in the order of the plan.
    pub attacks: Vec<AttackSummary>,
}

/// The plan with all its numbers, as [`inject`] would carry it out on these data.
///
/// # Errors
/// When the data cannot be read, or hold nothing to learn from.
pub fn fitted(data: &Path, plan: &Plan, seed: u64, mut progress: impl FnMut(Progress)) -> Result<Plan, Error> {
    let inputs = Inputs::in_folder(data)?;
    let telemetry = Telemetry::survey(&inputs, seed, &mut |rows, of| progress(Progress::Survey(rows, of)))?;
    Ok(plan.clone().fitted(&telemetry))
}

/// Writes to the folder `out`, which must be empty or not exist, the data with the plan's attacks in it.
///
/// # Errors
/// `Input` when the data cannot be read or hold nothing to learn from, `Output` when the folder cannot be written.
pub fn inject(
    data: &Path,
    plan: &Plan,
    seed: u64,
    out: &Path,
    threads: usize,
    mut progress: impl FnMut(Progress) + Send,
) -> Result<Summary, Fault> {
    let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build();
    let pool = pool.map_err(|error| Fault::Input(Error::Input(format!("cannot start {threads} threads: {error}"))))?;
    let inputs = Inputs::in_folder(data).map_err(Fault::Input)?;
    let folder = Folder::begin(data, &inputs, out)?;
    let see = &mut |rows, of| progress(Progress::Survey(rows, of));
    let mut telemetry = Telemetry::survey(&inputs, seed, see).map_err(Fault::Input)?;
    let (share_asked, plan) = (plan.share, plan.clone().fitted(&telemetry));
    folder.text("plan.toml", &plan.text())?;
    let (casts, rows) = cast::cast(&plan, seed, &mut telemetry);
    let mut summary = Summary::of(seed, &telemetry, &casts, &rows);
    folder.small_tables(&telemetry, rows)?;

    let mut writer = PlayWriter::begin(&folder, &telemetry, &casts, seed)?;
    pool.install(|| {
        flow(&mut telemetry, &casts, seed, &mut progress, |telemetry, plays| {
            plays.iter().for_each(|made| summary.count(made));
            writer.write(telemetry, plays)
        })
    })?;
    writer.finish()?;
    folder.publish()?;
    summary.share_asked = share_asked;
    summary.divide();
    Ok(summary)
}

/// Makes day after day, each by all threads, and hands on the plays that are known to have arrived.
fn flow(
    telemetry: &mut Telemetry,
    casts: &[Cast],
    seed: u64,
    progress: &mut impl FnMut(Progress),
    mut take: impl FnMut(&mut Telemetry, Vec<Made>) -> Result<(), Fault>,
) -> Result<(), Fault> {
    let day_of = |at: Millis| at.div_euclid(DAY_MS);
    let mut under_way: BTreeMap<i64, Vec<Made>> = BTreeMap::new();
    let first = casts.iter().map(|cast| day_of(cast.from)).min().unwrap_or(0) - 1;
    let last = casts.iter().map(|cast| day_of(cast.until)).max().unwrap_or(0);
    for day in first..=last {
        let on = casts.iter().filter(|cast| day_of(cast.from) - 1 <= day && day <= day_of(cast.until));
        let members: Vec<(&Cast, u32)> =
            on.flat_map(|cast| (0..cast.members.len() as u32).map(move |member| (cast, member))).collect();
        let whole: &Telemetry = telemetry;
        let made: Vec<Vec<Made>> =
            members.par_iter().map(|(cast, member)| plays::day(whole, cast, seed, *member, day)).collect();
        for made in made.into_iter().flatten() {
            under_way.entry(day_of(made.arrival())).or_default().push(made);
        }
        // A listener's day begins within the UTC day of its number: later days end after this midnight.
        let later = under_way.split_off(&day);
        for (_, plays) in std::mem::replace(&mut under_way, later) {
            take(telemetry, plays)?;
        }
        progress(Progress::Days((day - first + 1) as u64, (last - first + 1) as u64));
    }
    under_way.into_values().try_for_each(|plays| take(telemetry, plays))
}

impl Summary {
    fn of(seed: u64, telemetry: &Telemetry, casts: &[Cast], rows: &NewRows) -> Summary {
        let attack = |cast: &Cast| AttackSummary {
            family: cast.attack.family,
            level: cast.attack.level,
            attack: cast.attack.family.is_attack(),
            accounts: cast.members.len() as u64,
            tracks: cast.music.iter().filter(|piece| piece.aim).count() as u64,
            plays: 0,
            target_plays: 0,
            share: 0.0,
            from: cast.from,
            until: cast.until,
        };
        Summary {
            seed,
            plays_before: telemetry.rows,
            plays_added: 0,
            fraud_share: 0.0,
            share_asked: None,
            accounts_added: rows.accounts.len() as u64,
            tracks_added: rows.tracks.len() as u64,
            labels_added: rows.labels.len() as u64,
            attacks: casts.iter().map(attack).collect(),
        }
    }

    fn count(&mut self, made: &Made) {
        let attack = &mut self.attacks[made.cast as usize];
        attack.plays += 1;
        attack.target_plays += u64::from(made.aim);
    }

    fn divide(&mut self) {
        self.plays_added = self.attacks.iter().map(|attack| attack.plays).sum();
        let all = (self.plays_before + self.plays_added).max(1) as f64;
        let fraud: u64 = self.attacks.iter().filter(|attack| attack.attack).map(|attack| attack.plays).sum();
        self.fraud_share = fraud as f64 / all;
        self.attacks.iter_mut().for_each(|attack| attack.share = attack.plays as f64 / all);
    }
}
