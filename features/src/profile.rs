//! The feature row of an account: what a model learns from and scores, by one function for training and for the living system.
//!
//! ```text
//! AccountFacts (rows of day, week, month; ties; company; cohort) ──▶ one f32 per name; NaN where nothing can be said
//! ```
//!
//! A feature is a level (per day), a share, a shape, a change against the account's own past, or a tie to others. No
//! feature is an id, a country or anything else that says who somebody is instead of what was done.

mod audience;
mod past;
pub mod track;
pub mod uploader;

use std::sync::LazyLock;

use records::Risk;
use serde::{Deserialize, Serialize};

use self::past::AgainstPast;
use crate::WindowRow;
use crate::cohort::ACCOUNTS;
use crate::company::Company;
use crate::crowd::suspicion;
use crate::signals::windows::{View, day, month, week};
use crate::signals::{self, AccountFacts, Signal, WHOLE};

/// The version of this list; it changes whenever a name or a meaning does. Rows of different versions are not compared.
pub const VERSION: &str = "account-4";

/// The text of the code that the features of accounts are made by, file by file. Rows that were kept are made anew where a letter of it changed,
/// whether or not somebody thought of [`VERSION`].
pub const CODE: [&str; 17] = [
    include_str!("cohort.rs"),
    include_str!("company.rs"),
    include_str!("counts.rs"),
    include_str!("crowd.rs"),
    include_str!("neighbours.rs"),
    include_str!("profile.rs"),
    include_str!("profile/past.rs"),
    include_str!("row.rs"),
    include_str!("signals/account.rs"),
    include_str!("signals/audience.rs"),
    include_str!("signals/gate.rs"),
    include_str!("signals/hearing.rs"),
    include_str!("signals/mod.rs"),
    include_str!("signals/suspicion.rs"),
    include_str!("signals/windows.rs"),
    include_str!("signals/words.rs"),
    include_str!("tally.rs"),
];

/// One number of a window: its name and how it is computed.
type OfView = (&'static str, fn(&View) -> f32);

/// What is said of each window.
const OF_WINDOW: [OfView; 29] = [
    ("plays_per_day", |view| per_day(view, view.row.plays)),
    ("payable_share", |view| share(view.row.payable, view.row.plays)),
    ("edge_share", |view| share(view.row.edge, view.row.payable)),
    ("heard_secs_per_play", |view| over(view.row.played_ms as f64 / 1_000.0, f64::from(view.row.plays))),
    ("heard_hours_per_day", |view| over(view.row.played_ms as f64 / 3_600_000.0, days(view))),
    ("distinct_share", |view| share(view.row.tracks, view.row.plays)),
    ("tracks_per_artist", |view| share(view.row.tracks, view.row.artists)),
    ("top_share", |view| share(view.row.top_plays, view.row.plays)),
    // Sum of squares over square of the sum: 1 is one track alone.
    ("concentration", |view| over(view.row.sum_squares as f64, f64::from(view.row.plays).powi(2))),
    // Mean square over square of the mean of the plays per track: 1 is a playlist on repeat.
    ("evenness", |view| {
        over(view.row.sum_squares as f64 * f64::from(view.row.tracks), f64::from(view.row.plays).powi(2))
    }),
    // Of the greatest that so many plays can have.
    ("entropy_share", |view| over(view.row.entropy.nats(), f64::from(view.row.plays).ln())),
    ("active_hours_per_day", |view| per_day(view, view.row.active_hours)),
    ("plays_per_active_hour", |view| share(view.row.plays, view.row.active_hours)),
    ("offline_share", |view| share(view.row.offline, view.row.plays)),
    ("shuffled_share", |view| share(view.row.shuffled, view.row.plays)),
    ("hosted_share", |view| share(view.row.hosted, view.row.plays)),
    ("search_share", |view| share(view.row.by_search, view.row.plays)),
    ("library_share", |view| share(view.row.by_library, view.row.plays)),
    ("algorithm_share", |view| share(view.row.by_algorithm, view.row.plays)),
    ("editorial_share", |view| share(view.row.by_editorial, view.row.plays)),
    ("playlist_share", |view| share(view.row.by_playlist, view.row.plays)),
    ("countries", |view| view.row.countries as f32),
    ("devices", |view| view.row.devices as f32),
    ("ip_prefixes", |view| view.row.ip_prefixes as f32),
    ("networks", |view| view.row.asns as f32),
    ("playlists", |view| view.row.playlists as f32),
    ("plays_per_device", |view| share(view.row.plays, view.row.devices)),
    ("plays_per_ip_prefix", |view| share(view.row.plays, view.row.ip_prefixes)),
    ("plays_per_playlist", |view| share(view.row.by_playlist, view.row.playlists)),
];

/// What is laid beside the account's own past.
const AGAINST_PAST: AgainstPast = AgainstPast {
    grows: &[("plays", |row| row.plays.into())],
    shares: &[
        ("payable_share", |row| row.payable.into()),
        ("edge_share", |row| row.edge.into()),
        ("offline_share", |row| row.offline.into()),
        ("shuffled_share", |row| row.shuffled.into()),
        ("hosted_share", |row| row.hosted.into()),
        ("search_share", |row| row.by_search.into()),
        ("library_share", |row| row.by_library.into()),
        ("algorithm_share", |row| row.by_algorithm.into()),
        ("playlist_share", |row| row.by_playlist.into()),
        ("heard_secs_per_play", |row| row.played_ms / 1_000),
    ],
    fresh: &[
        ("countries", |row| row.countries.into()),
        ("devices", |row| row.devices.into()),
        ("ip_prefixes", |row| row.ip_prefixes.into()),
        ("networks", |row| row.asns.into()),
        ("tracks", |row| row.tracks.into()),
    ],
};

/// What is said of the company in the longest window, beside that window's row.
type OfCompany = (&'static str, fn(&Company, &WindowRow) -> f32);
const OF_COMPANY: [OfCompany; 7] = [
    ("rare_tracks_share", |company, row| share(company.rare_tracks, row.tracks)),
    ("rare_plays_share", |company, row| share(company.rare_plays, row.plays)),
    ("lone_tracks_share", |company, row| share(company.lone_tracks, row.tracks)),
    ("lone_plays_share", |company, row| share(company.lone_plays, row.plays)),
    ("rare_track_listeners", |company, _| over(company.others as f64, company.rare_tracks.into())),
    ("shared_company", |company, _| finite(company.shared())),
    // Who plays more rare tracks shares more of them by chance.
    ("shared_company_over_chance", |company, _| finite(company.shared() / f64::from(company.rare_tracks).sqrt())),
];

/// What the rules see, without what they count: how strong the strongest signal is, and all together as if each alone justified half a certainty.
/// A model that never met an attack that rules know has their word for it. Suspicion that travelled is not in it, and no policy.
type OfSignals = (&'static str, fn(&[Signal]) -> f32);
const OF_SIGNALS: [OfSignals; 2] = [
    ("signals_strongest", |signals| signals.iter().map(strength).fold(0.0, f32::max)),
    ("signals_together", |signals| 1.0 - signals.iter().map(|signal| 1.0 - strength(signal) / 2.0).product::<f32>()),
];

fn strength(signal: &Signal) -> f32 {
    f32::from(signal.strength) / WHOLE as f32
}

/// Features of which more is never less suspicious, whatever the examples say.
pub fn rising() -> impl Iterator<Item = &'static str> {
    OF_SIGNALS.iter().map(|(name, _)| *name)
}

/// The names of the features, in the order of a [`Profile`].
pub fn names() -> &'static [&'static str] {
    static NAMES: LazyLock<Vec<&'static str>> = LazyLock::new(|| {
        let of_window = |window| OF_WINDOW.iter().map(move |(name, _)| format!("{window}_{name}"));
        let mut names: Vec<String> = ["day", "week", "month"].into_iter().flat_map(of_window).collect();
        names.extend(AGAINST_PAST.names());
        names.extend(TIES.map(str::to_owned));
        names.extend(OF_COMPANY.iter().map(|(name, _)| (*name).to_owned()));
        names.extend(rising().map(str::to_owned));
        names.extend(ACCOUNTS.names());
        keep(names)
    });
    &NAMES
}

/// The names as texts that are made once and kept as long as the program runs.
fn keep(names: Vec<String>) -> Vec<&'static str> {
    names.into_iter().map(|name| &*name.leak()).collect()
}

/// The features of an account, in the order of [`names`]; NaN where nothing can be said.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Profile(pub Vec<f32>);

/// Equal is what has the same bits: a feature of which nothing can be said is equal to itself.
impl PartialEq for Profile {
    fn eq(&self, other: &Profile) -> bool {
        self.0.len() == other.0.len() && self.0.iter().zip(&other.0).all(|(a, b)| a.to_bits() == b.to_bits())
    }
}

impl Eq for Profile {}

/// The features of an account.
pub fn of_account(facts: &AccountFacts) -> Profile {
    let [day, week, month] = [day(facts.rows), week(facts.rows), month(facts.rows)];
    let mut values = Vec::with_capacity(names().len());
    for view in [&day, &week, &month] {
        values.extend(OF_WINDOW.iter().map(|(_, of)| view.as_ref().map_or(f32::NAN, of)));
    }
    values.extend(AGAINST_PAST.values([day.as_ref(), week.as_ref(), month.as_ref()]));
    let signals = signals::of_account(&AccountFacts { suspicious_tracks: Risk::CLEAN, ..*facts });
    values.extend(ties(facts, suspicion(&signals)));
    let longest = facts.rows.last().map(|(_, row)| *row).unwrap_or_default();
    // Of whom nothing older than a day is known, it is not known either what is rare: on the first day of a log every track has few listeners.
    let has_past = longest.plays > day.as_ref().map_or(0, |day| day.row.plays);
    let of_company =
        |of: fn(&Company, &WindowRow) -> f32| if has_past { of(&facts.company, &longest) } else { f32::NAN };
    values.extend(OF_COMPANY.iter().map(|(_, of)| of_company(*of)));
    values.extend(OF_SIGNALS.iter().map(|(_, of)| of(&signals)));
    values.extend(ACCOUNTS.over(&longest, facts.usual).map(finite));
    Profile(values)
}

/// How many accounts it is tied to, and how suspicious they are.
const TIES: [&str; 5] =
    ["group_size", "group_suspicion", "lockstep_partners", "lockstep_shared", "lockstep_partners_suspicion"];

/// The values of [`TIES`]; `own` is how suspicious the account itself is.
fn ties(facts: &AccountFacts, own: u16) -> [f32; TIES.len()] {
    let AccountFacts { group_size, lockstep_partners, lockstep_shared, neighbours, .. } = *facts;
    [
        group_size as f32,
        finite(neighbours.of_group(group_size, own)),
        lockstep_partners as f32,
        lockstep_shared as f32,
        finite(neighbours.of_partners(lockstep_partners)),
    ]
}

fn days(view: &View) -> f64 {
    view.window_ms as f64 / signals::windows::DAY_MS as f64
}

fn per_day(view: &View, count: u32) -> f32 {
    over(f64::from(count), days(view))
}

fn share(count: u32, of: u32) -> f32 {
    over(count.into(), of.into())
}

/// NaN of nothing: a share of no plays is not 0.
fn over(count: f64, of: f64) -> f32 {
    finite(count / of)
}

fn finite(value: f64) -> f32 {
    if value.is_finite() { value as f32 } else { f32::NAN }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DAY_MS: i64 = 86_400_000;

    fn row(plays: u32, hosted: u32, devices: u32) -> WindowRow {
        WindowRow {
            plays,
            payable: plays / 2,
            hosted,
            devices,
            played_ms: 60_000 * u64::from(plays),
            ..WindowRow::default()
        }
    }

    fn feature(facts: &AccountFacts, name: &str) -> f32 {
        let at = names().iter().position(|known| *known == name).expect("a feature");
        of_account(facts).0[at]
    }

    #[test]
    fn every_name_has_a_value_and_stands_once() {
        let mut names = names().to_vec();
        assert_eq!(of_account(&AccountFacts::default()).0.len(), names.len());
        names.sort();
        names.dedup();
        assert_eq!(names.len(), 3 * 29 + 2 * 16 + 5 + 7 + 2 + 9);
    }

    #[test]
    fn levels_are_per_day_and_changes_are_against_the_days_before() {
        let rows = [(DAY_MS, row(20, 10, 2)), (7 * DAY_MS, row(80, 10, 3)), (28 * DAY_MS, row(80, 10, 3))];
        let facts = AccountFacts { rows: &rows, group_size: 4, ..AccountFacts::default() };
        assert_eq!(feature(&facts, "day_plays_per_day"), 20.0);
        assert_eq!(feature(&facts, "week_heard_secs_per_play"), 60.0);
        // Half of today's plays, none of the 60 before.
        assert_eq!(feature(&facts, "day_against_week_hosted_share"), 0.5);
        // 20 a day against 10 a day.
        assert!((feature(&facts, "day_against_week_plays") - 21.0 / 11.0).abs() < 1e-6);
        assert!((feature(&facts, "day_against_week_devices") - 2.0 / 3.0).abs() < 1e-6);
        assert_eq!(feature(&facts, "group_size"), 4.0);
        // Of whom more than a day is known, company is known.
        let company = Company { rare_tracks: 10, rare_plays: 40, ..Company::default() };
        assert_eq!(feature(&AccountFacts { company, ..facts }, "rare_plays_share"), 0.5);
        let first_day = [(DAY_MS, row(80, 10, 3)), (28 * DAY_MS, row(80, 10, 3))];
        let newcomer = AccountFacts { rows: &first_day, company, ..AccountFacts::default() };
        assert!(feature(&newcomer, "rare_plays_share").is_nan());
        // Nothing before the week: no past to differ from.
        assert!(feature(&facts, "week_against_month_hosted_share").is_nan());
        assert!(feature(&AccountFacts { rows: &rows[1..], ..facts }, "day_plays_per_day").is_nan());
    }
}
