//! What an upload must pass before money flows: the limits of the gate, and what it can find.
//!
//! ```text
//! row of the catalogue, uploads around it ──Limits──▶ findings ──▶ it is noted, or money waits until the policy frees the track
//! ```

use serde::{Deserialize, Serialize};

use crate::Millis;
use crate::lists::Entry;
use crate::policy::Percent;
use crate::reputation::Record;

/// What a finding leads to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Action {
    /// Nothing; it is not even written down.
    Ignore,
    /// It is written down.
    Note,
    /// Money waits until somebody approves.
    Wait,
}

impl Action {
    /// The word in the tables.
    pub fn name(self) -> &'static str {
        match self {
            Action::Ignore => "ignore",
            Action::Note => "note",
            Action::Wait => "wait",
        }
    }
}

/// What the gate can find about a track, in the order of the names.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Finding {
    /// It names an artist whom others delivered before.
    ArtistProfile,
    /// Its distributor delivers much more than it used to.
    DistributorBurst,
    /// Its distributor delivers more in a week than is allowed.
    DistributorRate,
    /// Of what its distributor brought too much was stopped.
    DistributorReputation,
    /// Too many fields are empty.
    Incomplete,
    /// It is too short or too long.
    Length,
    /// The file says less than music needs.
    LowBitrate,
    /// Many have nearly the same title.
    NearTitles,
    /// Its release is made of tracks that are just long enough to be paid.
    ShortRelease,
    /// Its title has words that nobody sings.
    TitlePhrase,
    /// Its title says a word again and again.
    TitleRepeats,
    /// Its title has too many words.
    TitleWords,
    /// Its uploader uploads much more than before.
    UploaderBurst,
    /// Its uploader uploads more in a week than is allowed.
    UploaderRate,
    /// Of what its uploader brought too much was stopped.
    UploaderReputation,
}

/// All that the gate can find, in the order of their names.
pub const FINDINGS: [Finding; 15] = [
    Finding::ArtistProfile,
    Finding::DistributorBurst,
    Finding::DistributorRate,
    Finding::DistributorReputation,
    Finding::Incomplete,
    Finding::Length,
    Finding::LowBitrate,
    Finding::NearTitles,
    Finding::ShortRelease,
    Finding::TitlePhrase,
    Finding::TitleRepeats,
    Finding::TitleWords,
    Finding::UploaderBurst,
    Finding::UploaderRate,
    Finding::UploaderReputation,
];

impl Finding {
    /// The code of the reason.
    pub const fn code(self) -> &'static str {
        match self {
            Finding::ArtistProfile => "gate.artist_profile",
            Finding::DistributorBurst => "gate.distributor_burst",
            Finding::DistributorRate => "gate.distributor_rate",
            Finding::DistributorReputation => "gate.distributor_reputation",
            Finding::Incomplete => "gate.incomplete",
            Finding::Length => "gate.length",
            Finding::LowBitrate => "gate.low_bitrate",
            Finding::NearTitles => "gate.near_titles",
            Finding::ShortRelease => "gate.short_release",
            Finding::TitlePhrase => "gate.title_phrase",
            Finding::TitleRepeats => "gate.title_repeats",
            Finding::TitleWords => "gate.title_words",
            Finding::UploaderBurst => "gate.uploader_burst",
            Finding::UploaderRate => "gate.uploader_rate",
            Finding::UploaderReputation => "gate.uploader_reputation",
        }
    }

    /// The finding in a sentence: what was seen, and what it was compared with.
    pub fn words(self, seen: u64, against: u64) -> String {
        match self {
            Finding::ArtistProfile => format!(
                "names an artist of whom others had delivered {seen} tracks or more before this uploader came; waits until the \
                 policy trusts the uploader with the artist"
            ),
            Finding::DistributorBurst => burst("distributor", seen, against),
            Finding::DistributorRate => rate("distributor", seen, against),
            Finding::DistributorReputation => reputation("distributor", seen, against),
            Finding::Incomplete => {
                format!("{seen} of ISRC, artist, title, uploader and length are not given, {against} may be missing")
            }
            Finding::Length if seen < against => format!("lasts {} s, less than {} s", seen / 1_000, against / 1_000),
            Finding::Length => format!("lasts {} s, more than {} s", seen / 1_000, against / 1_000),
            Finding::LowBitrate => {
                format!("the file has {} kbit/s, expected at least {}", seen / 1_000, against / 1_000)
            }
            Finding::NearTitles => {
                format!("{seen} tracks of {against} uploaders had nearly this title in the days up to its upload")
            }
            Finding::ShortRelease => {
                format!(
                    "{seen} of the {against} tracks that its uploader brought of the artist that day are just long enough"
                )
            }
            Finding::TitlePhrase => format!("{seen} phrases of the policy's list stand in the title"),
            Finding::TitleRepeats => format!("the title says one word {seen} times, {against} are allowed"),
            Finding::TitleWords => format!("the title has {seen} words, {against} are allowed"),
            Finding::UploaderBurst => burst("uploader", seen, against),
            Finding::UploaderRate => rate("uploader", seen, against),
            Finding::UploaderReputation => reputation("uploader", seen, against),
        }
    }
}

fn rate(who: &str, seen: u64, against: u64) -> String {
    format!("upload {seen} of its {who} in the seven days up to it, {against} are allowed")
}

fn burst(who: &str, seen: u64, against: u64) -> String {
    format!(
        "upload {seen} of its {who} in the seven days up to it; in the four weeks before those there were {against}"
    )
}

fn reputation(who: &str, seen: u64, against: u64) -> String {
    format!(
        "its {who} has a reputation of {seen} of 100, expected at least {against}: so much of what it brought is held, blocked or \
         declared other than it sounds; what is overturned counts no more"
    )
}

/// A finding with the numbers behind it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Found {
    /// What.
    pub finding: Finding,
    /// What was seen.
    pub seen: u64,
    /// What it was compared with.
    pub against: u64,
}

/// The limits of the gate.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[allow(missing_docs)]
pub struct Limits {
    /// Tracks uploaded from this instant on are asked.
    pub asked_from: Millis,
    pub incomplete: Incomplete,
    pub length: Length,
    pub low_bitrate: LowBitrate,
    pub short_release: ShortRelease,
    pub uploader: Rates,
    pub distributor: Rates,
    pub title: Title,
    pub near_titles: NearTitles,
    pub artist_profile: ArtistProfile,
    pub reputation: LowReputation,
    /// Of whom nothing is asked: tracks that somebody approved, and who may bring what they like.
    pub trusted: Trusted,
}

/// Empty fields among ISRC, artist, title, uploader and length.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[allow(missing_docs)]
pub struct Incomplete {
    pub action: Action,
    /// So many may be empty.
    pub missing_max: u64,
}

/// How long a track may be. Of an unknown length nothing is said.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[allow(missing_docs)]
pub struct Length {
    pub action: Action,
    pub secs_min: u64,
    pub secs_max: u64,
}

/// How much a file must say of each second. Of a file that nobody read nothing is said.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[allow(missing_docs)]
pub struct LowBitrate {
    pub action: Action,
    /// Thousands of bits per second.
    pub kbits_min: u64,
}

/// Releases of tracks that are just long enough to be paid: what an uploader brings of an artist on one day (UTC).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[allow(missing_docs)]
pub struct ShortRelease {
    pub action: Action,
    /// Just long enough: from so many seconds ...
    pub secs_min: u64,
    /// ... up to so many.
    pub secs_max: u64,
    /// Releases of fewer tracks are not asked.
    pub tracks_min: u64,
    /// From this share of the tracks on.
    pub share: Percent,
}

/// How much somebody may bring.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[allow(missing_docs)]
pub struct Rates {
    pub action: Action,
    /// So many in seven days; without it there is no such limit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub week_max: Option<u64>,
    /// Fewer than so many in seven days are never a burst.
    pub burst_min: u64,
    /// So many times as many as in a week of the four before are a burst.
    pub burst_times: u64,
}

impl Rates {
    /// Whether so many in the seven days up to an upload, after so many in the four weeks before, are a burst.
    pub fn is_burst(&self, week: u64, before: u64) -> bool {
        week >= self.burst_min && week.saturating_mul(4) > before.saturating_mul(self.burst_times)
    }

    /// The limit that so many in seven days pass.
    pub fn passed(&self, week: u64) -> Option<u64> {
        self.week_max.filter(|max| week > *max)
    }
}

/// What stands in a title.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[allow(missing_docs)]
pub struct Title {
    pub action: Action,
    pub words_max: u64,
    /// One word of at least four letters may stand in it so many times.
    pub repeats_max: u64,
    /// Words that sell and do not name, in lower case, with single spaces.
    pub phrases: Vec<String>,
}

/// Titles that are nearly the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[allow(missing_docs)]
pub struct NearTitles {
    pub action: Action,
    /// Shorter titles are not compared: too many songs share them by chance.
    pub words_min: u64,
    /// Bits of the 64 in which the hashes of two near titles may differ; at most 7.
    pub bits_max: u32,
    /// Uploads of so many days up to the track's own are compared.
    pub days: u32,
    /// So many tracks, itself among them ...
    pub tracks_min: u64,
    /// ... of so many uploaders.
    pub uploaders_min: u64,
}

/// Who may bring tracks of an artist whom others brought before.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[allow(missing_docs)]
pub struct ArtistProfile {
    pub action: Action,
    /// An artist of whom others had delivered so many tracks before is theirs.
    pub tracks_min: u64,
    /// Uploaders that an artist trusts.
    #[serde(default)]
    pub trusted: Vec<ArtistKey>,
}

/// How much of what an uploader or a distributor brought may be stopped, by their ledger of the moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[allow(missing_docs)]
pub struct LowReputation {
    pub action: Action,
    /// A reputation of less is low.
    pub below: Percent,
}

impl Default for LowReputation {
    /// A gate that says nothing of reputations asks for none.
    fn default() -> LowReputation {
        LowReputation { action: Action::Ignore, below: Percent::default() }
    }
}

/// An artist's word that an uploader delivers in their name.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[allow(missing_docs)]
pub struct ArtistKey {
    pub artist: String,
    pub uploader: String,
}

/// Of whom nothing is asked.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[allow(missing_docs)]
pub struct Trusted {
    pub tracks: Vec<Entry>,
    pub uploaders: Vec<Entry>,
    pub distributors: Vec<Entry>,
}

/// The most bits in which near titles may differ.
pub const NEAR_BITS_MAX: u32 = 7;

impl Limits {
    /// What of the numbers cannot be: what was found and what was expected.
    pub fn fault(&self) -> Option<String> {
        let Limits { length, short_release, title, near_titles, reputation, .. } = self;
        let newcomer = Record::default().reputation() / 100;
        let is_plain = |phrase: &String| {
            !phrase.is_empty()
                && phrase.split(' ').all(|word| !word.is_empty() && word.chars().all(char::is_alphanumeric))
                && *phrase == phrase.to_lowercase()
        };
        let strange = title.phrases.iter().find(|phrase| !is_plain(phrase));
        match () {
            () if length.secs_min > length.secs_max => {
                Some(format!("length: found secs_min {} above secs_max {}", length.secs_min, length.secs_max))
            }
            () if short_release.secs_min > short_release.secs_max => {
                let ShortRelease { secs_min, secs_max, .. } = short_release;
                Some(format!(
                    "short_release: found secs_min {secs_min} above secs_max {secs_max}, expected at most as many"
                ))
            }
            () if near_titles.bits_max > NEAR_BITS_MAX => {
                Some(format!("near_titles: found bits_max {}, expected at most {NEAR_BITS_MAX}", near_titles.bits_max))
            }
            () if u16::from(reputation.below.get()) > newcomer => Some(format!(
                "reputation: found below {}, expected at most {newcomer}, at which stands whom nobody knows yet",
                reputation.below.get()
            )),
            () if near_titles.days == 0 => Some("near_titles: found days 0, expected at least 1".to_owned()),
            () => strange.map(|phrase| {
                format!("title: found the phrase {phrase:?}, expected words in lower case with single spaces")
            }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn findings_are_in_the_order_of_their_codes() {
        let codes = FINDINGS.map(Finding::code);
        assert!(codes.is_sorted() && FINDINGS.is_sorted());
    }

    #[test]
    fn a_burst_is_against_ones_own_past() {
        let rates = Rates { action: Action::Wait, week_max: Some(300), burst_min: 100, burst_times: 10 };
        assert!(rates.is_burst(100, 0) && !rates.is_burst(99, 0));
        // 40 a week before: 400 a week are ten times as many, and not more.
        assert!(!rates.is_burst(400, 160) && rates.is_burst(401, 160));
        assert_eq!((rates.passed(300), rates.passed(301)), (None, Some(300)));
    }
}
