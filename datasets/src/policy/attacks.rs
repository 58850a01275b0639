//! The attacks that must not pay under a policy, and the artists who must be paid: `attacks.toml`.

use std::collections::BTreeMap;
use std::path::Path;

use records::attack::{Artist, Attack, Attacks};
use records::policy::Percent;
use records::royalty::Micros;
use serde::{Deserialize, Deserializer};

use super::{ATTACKS, amount, parse, read, refuse_strangers};
use crate::Error;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct AttacksFile {
    currency: String,
    #[serde(deserialize_with = "an_amount")]
    stream_rate: Micros,
    #[serde(deserialize_with = "an_amount")]
    account_brings: Micros,
    mean_times: f64,
    attack: Vec<Written>,
    #[serde(default)]
    artist: Vec<WrittenArtist>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WrittenArtist {
    name: String,
    tracks: u64,
    track_streams_year: u64,
    track_listeners_year: u64,
    #[serde(default)]
    genres: Vec<String>,
    track_seconds: u64,
    plan: String,
    listener_streams_month: u64,
    #[serde(deserialize_with = "an_amount")]
    least: Micros,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    name: String,
    accounts: u64,
    #[serde(default = "one")]
    accounts_per_circle: u64,
    streams_per_day: u64,
    #[serde(default)]
    own_streams_per_day: u64,
    tracks: u64,
    plan: String,
    #[serde(deserialize_with = "an_amount")]
    seat_cost: Micros,
    signals: BTreeMap<String, Percent>,
    caught: Percent,
    hazard: Percent,
    #[serde(default, deserialize_with = "an_amount")]
    most: Micros,
}

fn one() -> u64 {
    1
}

fn an_amount<'de, D: Deserializer<'de>>(from: D) -> Result<Micros, D::Error> {
    let text = String::deserialize(from)?;
    let expected = || serde::de::Error::custom(format!("found {text:?}, expected an amount such as \"0.004\""));
    amount(&text).ok_or_else(expected)
}

impl AttacksFile {
    fn read(self, path: &Path) -> Result<Attacks, Error> {
        let wrong = |what: String| Err(Error::Input(format!("{}: {what}", path.display())));
        if !(self.mean_times.is_finite() && self.mean_times > 0.0) {
            return wrong(format!("found mean_times {}, expected a number above 0", self.mean_times));
        }
        if self.account_brings == 0 {
            return wrong("found account_brings 0, expected what such an account brings in a month".to_owned());
        }
        let mut attacks = Vec::new();
        for written in self.attack {
            let Written { name, accounts, accounts_per_circle, streams_per_day, own_streams_per_day, tracks, .. } =
                written;
            let counts = [accounts, accounts_per_circle, streams_per_day, tracks];
            if counts.iter().any(|count| !(1..=1_000_000_000).contains(count)) || own_streams_per_day > 1_000_000 {
                return wrong(format!("attack {name:?}: found a count that cannot be, expected 1 to 1,000,000,000"));
            }
            let Written { plan, seat_cost, signals, caught, hazard, most, .. } = written;
            attacks.push(Attack {
                name,
                accounts,
                accounts_per_circle,
                streams_per_day,
                own_streams_per_day,
                tracks,
                plan,
                seat_cost,
                signals,
                caught,
                hazard,
                most,
            });
        }
        let mut artists = Vec::new();
        for written in self.artist {
            let WrittenArtist { name, tracks, track_streams_year, track_listeners_year, plan, .. } = written;
            let WrittenArtist { listener_streams_month, least, genres, track_seconds, .. } = written;
            let counts = [tracks, track_streams_year, track_listeners_year, listener_streams_month, track_seconds];
            if counts.iter().any(|count| !(1..=1_000_000_000).contains(count)) {
                return wrong(format!("artist {name:?}: found a count that cannot be, expected 1 to 1,000,000,000"));
            }
            artists.push(Artist {
                name,
                tracks,
                track_streams_year,
                track_listeners_year,
                genres,
                track_seconds,
                plan,
                listener_streams_month,
                least,
            });
        }
        let AttacksFile { currency, stream_rate, account_brings, mean_times, .. } = self;
        Ok(Attacks { currency, stream_rate, account_brings, mean_times, attacks, artists })
    }
}

/// The attacks that must not pay: `attacks.toml` of the policy in `folder`, or the built-in ones.
///
/// # Errors
/// When the folder or the file cannot be read, or says what cannot be.
pub fn attacks(folder: Option<&Path>) -> Result<Attacks, Error> {
    if let Some(folder) = folder {
        refuse_strangers(folder)?;
        if let Some(attacks) = own_attacks(folder)? {
            return Ok(attacks);
        }
    }
    let built_in = Path::new("built-in policy").join(ATTACKS.0);
    parse::<AttacksFile>(&built_in, ATTACKS.1)?.read(&built_in)
}

/// The attacks that `attacks.toml` in the folder itself tells: of a policy, or of whoever runs a folder of activated policies.
///
/// # Errors
/// When the file cannot be read, or says what cannot be.
pub fn own_attacks(folder: &Path) -> Result<Option<Attacks>, Error> {
    let file: Option<AttacksFile> = read(folder, ATTACKS.0)?;
    file.map(|file| file.read(&folder.join(ATTACKS.0))).transpose()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn attacks_are_as_built_in_or_as_the_folder_says() {
        let built_in = attacks(None).unwrap();
        assert!(built_in.attacks.len() >= 5 && built_in.stream_rate == 4_000);
        let folder = tempfile::tempdir().unwrap();
        let write = |text: &str| std::fs::write(folder.path().join("attacks.toml"), text).unwrap();
        assert_eq!(attacks(Some(folder.path())).unwrap(), built_in);
        for (key, wrong) in [
            ("accounts", "accounts = 0"),
            ("seat_cost", "seat_cost = \"cheap\""),
            ("caught", "caught = 165"),
            ("hazard", "hazard = -1"),
            ("account_brings", "account_brings = \"0\""),
            ("least", "least = 3"),
            ("track_listeners_year", "track_listeners_year = 0"),
            ("mean_times", "mean_times = nan"),
            ("tracks", "songs = 1"),
        ] {
            let is_it = |line: &&str| line.split_once(" = ").is_some_and(|(name, _)| name == key);
            let right = ATTACKS.1.lines().find(is_it).expect("the built-in file says it");
            write(&ATTACKS.1.replacen(&format!("\n{right}\n"), &format!("\n{wrong}\n"), 1));
            let error = attacks(Some(folder.path())).unwrap_err().to_string();
            assert!(error.contains("attacks.toml") && error.contains("expected"), "{error}");
        }
    }
}
