//! What is to be injected: a plan of attacks and look-alikes, each a family at a level with what the plan changes of it.
//!
//! ```text
//! families.toml (all ◀── level) ◀── the plan's own words ──▶ parameters, checked ──▶ as many accounts as the share asks for
//! ```

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;
use std::sync::LazyLock;

use serde::{Deserialize, Serialize};

use super::survey::Telemetry;
use crate::Error;
use crate::world::DAY_MS;

/// The share of the plays that each side of the built-in plan adds: attacks, and honest look-alikes.
const SHARE: f64 = 0.01;
/// Accounts and tracks of one attack at most, and plays of one account in a day.
const ACCOUNTS_MAX: u32 = 10_000_000;
const PLAYS_PER_DAY_MAX: f64 = 20_000.0;

macro_rules! families {
    ($($variant:ident = $name:literal, $members:ident plays $music:ident, $side:ident;)+) => {
        /// What is injected: an attack, or honest listening that looks like one.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize, Serialize)]
        #[serde(rename_all = "snake_case")]
        #[allow(missing_docs, reason = "docs/INJECT.md describes each")]
        pub enum Family { $($variant),+ }

        impl Family {
            /// All of them, attacks first.
            pub const ALL: &[Family] = &[$(Family::$variant),+];

            /// The word in plans and labels.
            pub fn name(self) -> &'static str {
                match self { $(Family::$variant => $name),+ }
            }

            pub(super) fn members(self) -> Members {
                match self { $(Family::$variant => Members::$members),+ }
            }

            pub(super) fn music(self) -> Music {
                match self { $(Family::$variant => Music::$music),+ }
            }

            /// Whether it is fraud, not a look-alike.
            pub fn is_attack(self) -> bool {
                match self { $(Family::$variant => matches!(Side::$side, Side::Attack)),+ }
            }
        }
    };
}

enum Side {
    Attack,
    Honest,
}

/// Who takes part.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Members {
    /// New accounts.
    New,
    /// Accounts of the data.
    Hijacked,
    /// New accounts that repeat what accounts of the data did.
    Copies,
}

/// What is played beside ordinary listening.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Music {
    /// New tracks of new artists.
    Own,
    /// The tracks of an artist of the data that is neither known to all nor unknown.
    Victim,
    /// The tracks of an artist that the account's model likes.
    Favourite,
    /// What everybody plays.
    Hits,
    /// Nothing.
    Nothing,
}

families! {
    LoopFarm = "loop_farm", New plays Own, Attack;
    EdgeFarm = "edge_farm", New plays Own, Attack;
    BreadthFarm = "breadth_farm", New plays Own, Attack;
    HijackedAccount = "hijacked_account", Hijacked plays Own, Attack;
    PlaylistFarm = "playlist_farm", New plays Own, Attack;
    DeviceFarm = "device_farm", New plays Own, Attack;
    CountryHopping = "country_hopping", New plays Own, Attack;
    LaunchLockstep = "launch_lockstep", New plays Own, Attack;
    MicroArtists = "micro_artists", New plays Own, Attack;
    Framing = "framing", New plays Victim, Attack;
    Sleeper = "sleeper", New plays Own, Attack;
    Mimicry = "mimicry", Copies plays Own, Attack;
    SuperFan = "super_fan", New plays Favourite, Honest;
    SleepMusic = "sleep_music", New plays Hits, Honest;
    Cafe = "cafe", New plays Hits, Honest;
    FamilyDevice = "family_device", New plays Nothing, Honest;
    Traveller = "traveller", New plays Nothing, Honest;
    Child = "child", New plays Hits, Honest;
    ViralClip = "viral_clip", New plays Own, Honest;
    VpnUser = "vpn_user", New plays Nothing, Honest;
}

/// How hard it is to tell.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
#[allow(missing_docs)]
pub enum Level {
    Easy,
    Medium,
    Hard,
}

impl Level {
    /// From easy to hard.
    pub const ALL: [Level; 3] = [Level::Easy, Level::Medium, Level::Hard];

    /// The word in plans and labels.
    pub fn name(self) -> &'static str {
        match self {
            Level::Easy => "easy",
            Level::Medium => "medium",
            Level::Hard => "hard",
        }
    }
}

/// When plays happen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Timing {
    /// Evenly over `hours`.
    Clock,
    /// In sessions, at the hours of a listener of the data.
    Human,
    /// In the quietest six hours of a listener of the data.
    Night,
    /// All accounts the same track within `within_minutes`.
    Together,
}

/// Which track comes next.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Order {
    /// One after the other, round and round.
    Loop,
    /// Any of them.
    Random,
    /// The one that had its turn the longest time ago, over all accounts.
    Even,
}

/// Where clients are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
#[allow(missing_docs)]
pub enum Network {
    Home,
    Mobile,
    Hosting,
    Vpn,
}

macro_rules! parameters {
    ($($(#[doc = $doc:literal])+ $name:ident: $type:ty = $default:expr;)+) => {
        /// What one attack does; docs/INJECT.md has the same list.
        #[derive(Clone, Debug, PartialEq, Serialize)]
        pub struct Parameters { $($(#[doc = $doc])+ pub $name: $type),+ }

        /// What a preset or a plan says of the parameters.
        #[derive(Clone, Debug, Default, PartialEq, Deserialize)]
        #[serde(deny_unknown_fields)]
        struct Said { $($name: Option<$type>),+ }

        /// What stands under `[[attack]]` in a plan.
        #[derive(Clone, Debug, PartialEq, Deserialize)]
        #[serde(deny_unknown_fields)]
        struct Entry { family: Family, level: Option<Level>, $($name: Option<$type>),+ }

        impl Entry {
            fn said(self) -> Said {
                Said { $($name: self.$name),+ }
            }
        }

        impl Said {
            fn over(self, below: Said) -> Said {
                Said { $($name: self.$name.or(below.$name)),+ }
            }

            fn complete(self) -> Parameters {
                Parameters { $($name: self.$name.unwrap_or_else(|| $default)),+ }
            }
        }
    };
}

parameters! {
    /// How many accounts.
    accounts: u32 = 20;
    /// Where a share decides how many: no fewer.
    least_accounts: u32 = 1;
    /// When it begins: after this share of the data's plays.
    start: f64 = 0.3;
    /// How long it lasts.
    days: f64 = 14.0;
    /// Where a share decides how much: no shorter.
    least_days: f64 = 2.0;
    /// For this share of its length its accounts only listen, to a day.
    sleep: f64 = 0.0;
    /// Plays of an account on a day on which it plays; 0 = as many as the listener it is modelled after.
    plays_per_day: f64 = 100.0;
    /// How much days differ: sigma of a lognormal law.
    spread: f64 = 0.0;
    /// Share of days on which an account plays.
    active: f64 = 1.0;
    /// Share of the plays that are ordinary listening.
    camouflage: f64 = 0.0;
    /// When plays happen.
    timing: Timing = Timing::Human;
    /// The first hour of the day (UTC) and how many hours, for `clock` and `together`.
    hours: [f64; 2] = [0.0, 24.0];
    /// Players at once, for `clock`.
    tabs: u32 = 1;
    /// Within how many minutes, for `together`.
    within_minutes: f64 = 10.0;
    /// Share of the common plays that an account takes part in, for `together`.
    attendance: f64 = 1.0;
    /// Tracks that are played.
    tracks: u32 = 40;
    /// Where a share decides how many accounts, tracks go with them: no fewer than this; 0 = they do not.
    least_tracks: u32 = 0;
    /// Plays of one track in a day over all accounts, at most: there are as many tracks as that takes. 0 = no limit.
    track_plays_per_day_max: f64 = 0.0;
    /// Tracks of each new artist.
    tracks_per_artist: u32 = 40;
    /// Uploaders of the new artists.
    uploaders: u32 = 1;
    /// Length of the new tracks, from and to; 0 = as tracks of the data. Of hits: those so long, where there are enough.
    track_secs: [f64; 2] = [0.0, 0.0];
    /// How many days before the start the new tracks come out, from and to.
    released_days: [f64; 2] = [2.0, 60.0];
    /// Hits of others among the tracks.
    innocents: u32 = 0;
    /// Which track comes next.
    order: Order = Order::Random;
    /// Share of plays heard to the end.
    complete: f64 = 0.5;
    /// How long the others are heard, from and to.
    heard_secs: [f64; 2] = [31.0, 120.0];
    /// What the client says it plays from.
    source: String = "library".to_owned();
    /// Whether there is a playlist for it.
    playlist: bool = false;
    /// Where clients are.
    network: Network = Network::Home;
    /// Whether they are in another country than the listener the account is modelled after, or belongs to.
    abroad: bool = false;
    /// In how many countries an account plays, and after how many hours it is in the next.
    countries: u32 = 1;
    /// See `countries`.
    hop_hours: f64 = 24.0;
    /// Accounts that share a device.
    accounts_per_device: u32 = 1;
    /// Accounts that share an address.
    accounts_per_address: u32 = 1;
    /// Accounts that share a payment.
    accounts_per_payment: u32 = 1;
    /// How many days before the start the accounts were made, from and to.
    age_days: [f64; 2] = [0.1, 3.0];
}

/// A plan as it stands in a file.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct PlanFile {
    /// Share of the data's plays that attacks add, and look-alikes add.
    share: Option<f64>,
    label_delay_days: Option<f64>,
    #[serde(default)]
    attack: Vec<Entry>,
}

/// One attack or look-alike, with all its parameters.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Attack {
    /// What it is.
    pub family: Family,
    /// How hard.
    pub level: Level,
    /// What exactly.
    #[serde(flatten)]
    pub parameters: Parameters,
    #[serde(skip)]
    scaled: bool,
}

/// What is injected.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Plan {
    /// How many days after its end an attack is labelled.
    pub label_delay_days: f64,
    #[serde(skip)]
    pub(super) share: Option<f64>,
    /// The attacks and look-alikes.
    pub attack: Vec<Attack>,
}

type Presets = BTreeMap<Family, BTreeMap<String, Said>>;

/// The built-in families and levels.
static PRESETS: LazyLock<Presets> =
    LazyLock::new(|| toml::from_str(include_str!("families.toml")).expect("a test reads the built-in families"));

impl Plan {
    /// The built-in plan: every family at every level, one play in a hundred of attacks and one of look-alikes.
    pub fn built_in() -> String {
        let mut text = format!("share = {SHARE}\nlabel_delay_days = 7\n");
        let entries = Family::ALL.iter().flat_map(|family| Level::ALL.map(|level| (family, level)));
        for (number, (family, level)) in entries.enumerate() {
            // Beginnings lie evenly over the middle of the data, whatever their number.
            let start = 0.1 + 0.5 * (number as f64 * 0.618_034).fract();
            let (family, level) = (family.name(), level.name());
            let _ = write!(text, "\n[[attack]]\nfamily = \"{family}\"\nlevel = \"{level}\"\nstart = {start:.2}\n");
        }
        text
    }

    /// Reads the plan in a file, or the built-in one for `default`.
    ///
    /// # Errors
    /// When the file cannot be read or says what cannot be: with the line, what was found and what is allowed.
    pub fn load(path: &Path) -> Result<Plan, Error> {
        if path == Path::new("default") {
            return Plan::parse(&Plan::built_in(), "the built-in plan");
        }
        let text = std::fs::read_to_string(path).map_err(|error| Error::io(path, error))?;
        Plan::parse(&text, &path.display().to_string())
    }

    /// Reads a plan; `name` says whose it is.
    ///
    /// # Errors
    /// When it says what cannot be.
    pub fn parse(text: &str, name: &str) -> Result<Plan, Error> {
        let refuse = |what: String| Error::Input(format!("{name}: {what}"));
        let file: PlanFile = toml::from_str(text).map_err(|error| refuse(error.to_string().trim_end().to_owned()))?;
        if file.share.is_some_and(|share| !(share > 0.0 && share <= 1.0)) {
            return Err(refuse("share: expected a number above 0, at most 1".to_owned()));
        }
        let label_delay_days = file.label_delay_days.unwrap_or(7.0);
        if !(0.0..=36_500.0).contains(&label_delay_days) {
            return Err(refuse("label_delay_days: expected 0 to 36500".to_owned()));
        }
        if file.attack.is_empty() {
            return Err(refuse("nothing to inject: expected at least one [[attack]]".to_owned()));
        }
        let attack: Vec<Attack> = file.attack.into_iter().map(Attack::of).collect();
        for (number, attack) in attack.iter().enumerate() {
            let named = format!("[[attack]] number {}, {}", number + 1, attack.name());
            attack.parameters.check().map_err(|what| refuse(format!("{named}: {what}")))?;
        }
        Ok(Plan { label_delay_days, share: file.share, attack })
    }

    /// All numbers of the plan, in words that [`Plan::parse`] reads; what a share makes of them, [`fitted`](super::fitted) tells.
    pub fn text(&self) -> String {
        toml::to_string(self).expect("a plan is made of numbers and words")
    }

    /// The plan for these data: as many accounts as the share asks for, and no more hijacked ones than there are.
    pub(super) fn fitted(mut self, telemetry: &Telemetry) -> Plan {
        let sides =
            [true, false].map(|side| self.attack.iter().filter(|attack| attack.family.is_attack() == side).count());
        for attack in &mut self.attack {
            if let (Some(share), true) = (self.share, attack.scaled) {
                let among = sides[usize::from(!attack.family.is_attack())];
                attack.scale(share * telemetry.rows as f64 / among as f64, telemetry);
            }
            attack.fit(telemetry);
        }
        self.share = None;
        self
    }
}

impl Attack {
    fn of(entry: Entry) -> Attack {
        let (family, scaled) = (entry.family, entry.accounts.is_none());
        let level = entry.level.unwrap_or(Level::Medium);
        let preset = |word: &str| PRESETS[&family].get(word).cloned().unwrap_or_default();
        let parameters = entry.said().over(preset(level.name())).over(preset("all")).complete();
        Attack { family, level, parameters, scaled }
    }

    /// The word in labels: family and level.
    pub fn name(&self) -> String {
        format!("{}/{}", self.family.name(), self.level.name())
    }

    /// Plays for the attack's purpose, of one account on one day of the attack, on average.
    fn yield_per_day(&self, telemetry: &Telemetry) -> f64 {
        let p = &self.parameters;
        let (plays, active) = match p.plays_per_day {
            0.0 => telemetry.habits(),
            plays => (plays * (0.5 * p.spread * p.spread).exp(), p.active),
        };
        let aim = if p.camouflage < 1.0 { 1.0 - p.camouflage } else { 1.0 };
        let attendance = if p.timing == Timing::Together { p.attendance } else { 1.0 };
        (plays * active * aim * attendance * (1.0 - p.sleep)).max(0.01)
    }

    /// Gives it as many accounts as make so many plays; where the fewest make more, it is shorter.
    fn scale(&mut self, plays: f64, telemetry: &Telemetry) {
        let per_day = self.yield_per_day(telemetry);
        let p = &mut self.parameters;
        let days = p.days.min(telemetry.days());
        let before = p.accounts;
        p.accounts = ((plays / (per_day * days)).round() as u32).clamp(p.least_accounts.max(1), ACCOUNTS_MAX);
        if p.accounts == p.least_accounts {
            p.days = (plays / (per_day * f64::from(p.accounts))).clamp(p.least_days.min(days), days);
        }
        if p.least_tracks > 0 && p.tracks > p.least_tracks {
            let tracks = f64::from(p.tracks) * f64::from(p.accounts) / f64::from(before.max(1));
            p.tracks = (tracks.ceil() as u32).clamp(p.least_tracks, p.tracks.max(p.least_tracks));
        }
    }

    fn fit(&mut self, telemetry: &Telemetry) {
        let per_day = self.yield_per_day(telemetry);
        let p = &mut self.parameters;
        if self.family.members() == Members::Hijacked {
            p.accounts = p.accounts.min(telemetry.donors.len() as u32);
        }
        if p.track_plays_per_day_max > 0.0 {
            let tracks = f64::from(p.accounts) * per_day / p.track_plays_per_day_max;
            p.tracks = (tracks.ceil() as u32).clamp(p.tracks, ACCOUNTS_MAX);
        }
    }
}

impl Telemetry {
    /// Plays of an active day and share of such days of the sampled accounts, on average.
    fn habits(&self) -> (f64, f64) {
        let mean = |value: fn(&super::survey::Donor) -> f64| {
            self.donors.iter().map(value).sum::<f64>() / self.donors.len().max(1) as f64
        };
        (
            mean(|donor| donor.plays_per_day * donor.active) / mean(|donor| donor.active).max(1e-6),
            mean(|donor| donor.active),
        )
    }

    /// From the first to the last play.
    fn days(&self) -> f64 {
        ((self.last_at - self.first_at) as f64 / DAY_MS as f64).max(0.1)
    }
}

impl Parameters {
    /// Refuses what cannot be.
    fn check(&self) -> Result<(), String> {
        let between = |name: &str, value: f64, low: f64, high: f64| match (low..=high).contains(&value) {
            true => Ok(()),
            false => Err(format!("{name} = {value}: expected {low} to {high}")),
        };
        let pair = |name: &str, [low, high]: [f64; 2], least: f64, most: f64| match low <= high {
            true => between(name, low, least, most).and_then(|()| between(name, high, least, most)),
            false => Err(format!("{name} = [{low}, {high}]: expected the smaller number first")),
        };
        let count = |name: &str, value: u32, least: u32| {
            between(name, f64::from(value), f64::from(least), f64::from(ACCOUNTS_MAX))
        };
        let shares = [
            ("start", self.start),
            ("sleep", self.sleep),
            ("active", self.active),
            ("camouflage", self.camouflage),
            ("attendance", self.attendance),
            ("complete", self.complete),
        ];
        shares.into_iter().try_for_each(|(name, value)| between(name, value, 0.0, 1.0))?;
        count("accounts", self.accounts, 1)?;
        count("least_accounts", self.least_accounts, 1)?;
        count("tracks", self.tracks, 1)?;
        count("least_tracks", self.least_tracks, 0)?;
        count("tracks_per_artist", self.tracks_per_artist, 1)?;
        count("uploaders", self.uploaders, 1)?;
        count("innocents", self.innocents, 0)?;
        count("accounts_per_device", self.accounts_per_device, 1)?;
        count("accounts_per_address", self.accounts_per_address, 1)?;
        count("accounts_per_payment", self.accounts_per_payment, 1)?;
        between("tabs", f64::from(self.tabs), 1.0, 100.0)?;
        between("countries", f64::from(self.countries), 1.0, 250.0)?;
        between("days", self.days, 0.01, 36_500.0)?;
        between("least_days", self.least_days, 0.01, 36_500.0)?;
        between("plays_per_day", self.plays_per_day, 0.0, PLAYS_PER_DAY_MAX)?;
        between("spread", self.spread, 0.0, 2.0)?;
        between("hours", self.hours[0], 0.0, 23.99)?;
        between("hours", self.hours[1], 0.1, 24.0)?;
        between("within_minutes", self.within_minutes, 0.01, 1_440.0)?;
        between("hop_hours", self.hop_hours, 0.01, 100_000.0)?;
        between("track_plays_per_day_max", self.track_plays_per_day_max, 0.0, 1e9)?;
        pair("track_secs", self.track_secs, 0.0, 86_400.0)?;
        pair("heard_secs", self.heard_secs, 0.0, 86_400.0)?;
        pair("released_days", self.released_days, 0.0, 36_500.0)?;
        pair("age_days", self.age_days, 0.0, 36_500.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_family_has_three_levels_that_can_be() {
        assert_eq!(PRESETS.len(), Family::ALL.len());
        for (family, levels) in PRESETS.iter() {
            assert_eq!(levels.keys().collect::<Vec<_>>(), ["all", "easy", "hard", "medium"], "{}", family.name());
        }
        let plan = Plan::parse(&Plan::built_in(), "built-in").unwrap();
        assert_eq!(plan.attack.len(), 60);
        let levels: Vec<String> = plan.attack.iter().map(|attack| format!("{:?}", attack.parameters)).collect();
        assert!(levels.windows(2).all(|pair| pair[0] != pair[1]), "two levels are the same");
    }

    #[test]
    fn a_plan_is_laid_over_the_level_and_printed_as_it_is_read() {
        let text = "[[attack]]\nfamily = \"loop_farm\"\nlevel = \"easy\"\naccounts = 7\nheard_secs = [30, 31]";
        let plan = Plan::parse(text, "mine").unwrap();
        let p = &plan.attack[0].parameters;
        assert_eq!((p.accounts, p.heard_secs, p.plays_per_day, p.tracks), (7, [30.0, 31.0], 624.0, 25));
        let again = Plan::parse(&plan.text(), "printed").unwrap();
        assert_eq!(again.attack, plan.attack);
    }

    #[test]
    fn a_mistake_is_named_with_its_line_and_what_is_allowed() {
        let entry = |more: &str| format!("[[attack]]\nfamily = \"sleeper\"\n{more}");
        for (text, words) in [
            (entry("acounts = 3"), vec!["plan.toml", "line 3", "acounts", "accounts", "plays_per_day"]),
            (entry("level = \"extreme\""), vec!["line 3", "extreme", "easy", "hard"]),
            ("[[attack]]\nfamily = \"sleepers\"".to_owned(), vec!["line 2", "sleepers", "sleeper", "mimicry"]),
            ("[[attack]]\naccounts = 3".to_owned(), vec!["line 1", "family"]),
            ("shares = 1".to_owned(), vec!["line 1", "shares", "label_delay_days"]),
            (entry("camouflage = 1.5"), vec!["sleeper/medium", "camouflage = 1.5", "0 to 1"]),
            (entry("heard_secs = [40, 30]"), vec!["heard_secs", "smaller"]),
            (entry("accounts = 0"), vec!["accounts = 0"]),
            (entry("days = nan"), vec!["days"]),
            ("share = 0".to_owned(), vec!["share"]),
            (String::new(), vec!["[[attack]]"]),
        ] {
            let message = Plan::parse(&text, "plan.toml").unwrap_err().to_string();
            for word in words {
                assert!(message.contains(word), "`{word}` is missing from: {message}");
            }
        }
    }
}
