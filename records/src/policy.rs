//! The rules of the house: what each signal counts, how the three parts of a risk are mixed, and from which risk on
//! something is done.
//!
//! ```text
//! signals × Rule ──▶ Rc, Rb, Rp ──× Weights──▶ R ──Thresholds of the segment──▶ Verdict
//! ```
//!
//! A policy is a value with a version: the same facts under the same policy give the same verdict, today and in
//! the replay of an appeal. `docs/POLICY.md` explains each number to those who edit them.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use serde::{Deserialize, Serialize};

use crate::{Risk, Subject, Territory, Verdict};

/// The segment of a subject that neither a tier nor a territory names.
pub const DEFAULT_SEGMENT: &str = "default";
/// Before the code of a territory and the kind of its subjects, in the name of their segment.
const OF_TERRITORY: &str = "territory.";

/// A share in whole percent, 0 to 100.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "i64", into = "u8")]
pub struct Percent(u8);

impl Percent {
    /// All of it.
    pub fn whole() -> Percent {
        Percent(100)
    }

    /// `None` above 100.
    pub fn new(percent: u8) -> Option<Percent> {
        (percent <= 100).then_some(Percent(percent))
    }

    /// Whole percent.
    pub fn get(self) -> u8 {
        self.0
    }

    /// The share in ten-thousandths.
    pub fn parts(self) -> u16 {
        u16::from(self.0) * 100
    }

    /// The share as a risk.
    pub fn risk(self) -> Risk {
        Risk::from_parts(u64::from(self.parts()))
    }
}

impl TryFrom<i64> for Percent {
    type Error = String;

    fn try_from(found: i64) -> Result<Percent, String> {
        let percent = u8::try_from(found).ok().and_then(Percent::new);
        percent.ok_or_else(|| format!("found {found}, expected whole percent from 0 to 100"))
    }
}

impl From<Percent> for u8 {
    fn from(percent: Percent) -> u8 {
        percent.get()
    }
}

/// How content, behaviour and policy make up a risk; the three always make a whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "Shares", into = "Shares")]
pub struct Weights(Shares);

/// The three weights as they are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Shares {
    /// Of Rc: what the audio says.
    pub content: Percent,
    /// Of Rb: what the plays say.
    pub behaviour: Percent,
    /// Of Rp: what the metadata and the uploads say.
    pub policy: Percent,
}

impl Weights {
    /// `None` unless the three shares make a whole.
    pub fn new(shares: Shares) -> Option<Weights> {
        let total = [shares.content, shares.behaviour, shares.policy].map(|share| u16::from(share.get()));
        (total.iter().sum::<u16>() == 100).then_some(Weights(shares))
    }

    /// The three shares.
    pub fn shares(self) -> Shares {
        self.0
    }
}

impl TryFrom<Shares> for Weights {
    type Error = String;

    fn try_from(shares: Shares) -> Result<Weights, String> {
        let [content, behaviour, policy] = [shares.content, shares.behaviour, shares.policy].map(Percent::get);
        Weights::new(shares).ok_or_else(|| {
            format!(
                "found content {content} + behaviour {behaviour} + policy {policy} = {}, expected 100",
                u16::from(content) + u16::from(behaviour) + u16::from(policy)
            )
        })
    }
}

impl From<Weights> for Shares {
    fn from(weights: Weights) -> Shares {
        weights.shares()
    }
}

/// The weights of one kind of subject: with audio evidence, and without.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "MixText", into = "MixText")]
pub struct Mix {
    heard: Weights,
    unheard: Weights,
}

/// A mix as it is written.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct MixText {
    heard: Weights,
    unheard: Weights,
}

impl Mix {
    /// `None` if audio would count where none was heard.
    pub fn new(heard: Weights, unheard: Weights) -> Option<Mix> {
        (unheard.shares().content.get() == 0).then_some(Mix { heard, unheard })
    }

    /// Where audio evidence is given.
    pub fn heard(self) -> Weights {
        self.heard
    }

    /// Where none is: the content weight is 0.
    pub fn unheard(self) -> Weights {
        self.unheard
    }
}

impl TryFrom<MixText> for Mix {
    type Error = String;

    fn try_from(text: MixText) -> Result<Mix, String> {
        let content = text.unheard.shares().content.get();
        Mix::new(text.heard, text.unheard).ok_or_else(|| {
            format!("found unheard.content = {content}, expected 0: without audio evidence it counts nothing")
        })
    }
}

impl From<Mix> for MixText {
    fn from(mix: Mix) -> MixText {
        MixText { heard: mix.heard, unheard: mix.unheard }
    }
}

/// How much one signal may count.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rule {
    /// Whether it counts at all.
    pub on: bool,
    /// The risk that the signal alone justifies when it is as strong as it can be.
    pub weight: Percent,
    /// From this strength on it counts as if it were as strong as it can be, below in proportion. Unless given, what a signal is
    /// says it; of `learned`, the model.
    #[serde(default, deserialize_with = "some", skip_serializing_if = "Option::is_none")]
    pub full_at: Option<Percent>,
}

/// A percentage that is not 0.
fn some<'de, D: serde::Deserializer<'de>>(from: D) -> Result<Option<Percent>, D::Error> {
    let percent = Percent::deserialize(from)?;
    let nothing = || serde::de::Error::custom("found 0, expected whole percent from 1 to 100");
    (percent.get() > 0).then_some(Some(percent)).ok_or_else(nothing)
}

/// From which risk on something is done, in one segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "Steps", into = "Steps")]
pub struct Thresholds(Steps);

/// Thresholds as they are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Steps {
    /// At or above: money waits.
    pub hold: Percent,
    /// At or above: a person looks.
    pub escalate: Percent,
    /// At or above: plays count for nothing.
    pub block: Percent,
    /// So many strong signals must agree before a case goes to a person.
    pub escalate_signals: u8,
    /// So many strong signals must agree before anything is blocked.
    pub block_signals: u8,
}

impl Thresholds {
    /// `None` unless hold <= escalate <= block, and blocking needs at least as many signals as escalating.
    pub fn new(steps: Steps) -> Option<Thresholds> {
        let ordered = steps.hold <= steps.escalate && steps.escalate <= steps.block;
        (ordered && steps.escalate_signals <= steps.block_signals).then_some(Thresholds(steps))
    }

    /// The numbers.
    pub fn steps(self) -> Steps {
        self.0
    }

    /// What `risk` calls for, before anybody asks how many signals agree.
    pub fn by_risk(self, risk: Risk) -> Verdict {
        let Steps { hold, escalate, block, .. } = self.0;
        match risk {
            risk if risk >= block.risk() => Verdict::Block,
            risk if risk >= escalate.risk() => Verdict::Escalate,
            risk if risk >= hold.risk() => Verdict::Hold,
            _ => Verdict::Allow,
        }
    }

    /// The most that `strong` agreeing signals allow.
    pub fn by_agreement(self, strong: usize) -> Verdict {
        match strong {
            strong if strong >= usize::from(self.0.block_signals) => Verdict::Block,
            strong if strong >= usize::from(self.0.escalate_signals) => Verdict::Escalate,
            _ => Verdict::Hold,
        }
    }
}

impl TryFrom<Steps> for Thresholds {
    type Error = String;

    fn try_from(steps: Steps) -> Result<Thresholds, String> {
        Thresholds::new(steps).ok_or_else(|| {
            format!(
                "found hold {}, escalate {}, block {} with {} and {} signals, expected each at least the one before",
                steps.hold.get(),
                steps.escalate.get(),
                steps.block.get(),
                steps.escalate_signals,
                steps.block_signals
            )
        })
    }
}

impl From<Thresholds> for Steps {
    fn from(thresholds: Thresholds) -> Steps {
        thresholds.steps()
    }
}

/// How suspicion travels between accounts and the tracks they play.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Flow {
    /// An account below this risk spreads nothing.
    pub floor: Percent,
    /// What of the suspicion around an account reaches it in one round.
    pub damping: Percent,
    /// How many times suspicion goes to the tracks and back.
    pub rounds: u8,
}

/// Within how long people are to look, and who.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "ReviewHours")]
pub struct Review {
    /// At whom is held: the next payout waits.
    pub hold_hours: u32,
    /// At whom a person must look before anything else happens.
    pub escalate_hours: u32,
    /// At whom is blocked.
    pub block_hours: u32,
    /// An appeal is decided within so many days; the law asks for no undue delay.
    pub appeal_days: u32,
    /// With which choices of the desk a note has to say why.
    #[serde(rename = "notes_for")]
    pub notes: Notes,
    /// Who takes the cases of an area, one of [`AREAS`]; whoever decides takes those of the others.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub areas: BTreeMap<String, Area>,
}

/// What speaks most against a case of the desk: a part of R, or a rule that people wrote and that acts.
pub const AREAS: [&str; 4] = ["content", "behaviour", "provenance", "rules"];

/// An area with people of its own.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Area {
    /// The names of users.
    pub people: BTreeSet<String>,
}

/// The choices of the desk that can ask for a note, by their words.
const CHOICES: [&str; 10] =
    ["confirm", "override", "escalate", "more", "skip", "uphold", "overturn", "withdraw", "honest", "fraud"];

/// A set of choices of the desk: a bit for each.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "Vec<String>", into = "Vec<String>")]
pub struct Notes(u16);

impl Notes {
    /// Whether a note has to come with the choice.
    pub fn asks_for(self, choice: &str) -> bool {
        CHOICES.iter().position(|known| *known == choice).is_some_and(|bit| self.0 & (1 << bit) != 0)
    }

    /// The choices, in their order.
    pub fn words(self) -> Vec<String> {
        CHOICES.iter().filter(|choice| self.asks_for(choice)).map(|choice| (*choice).to_owned()).collect()
    }
}

impl TryFrom<Vec<String>> for Notes {
    type Error = String;

    fn try_from(words: Vec<String>) -> Result<Notes, String> {
        let bit = |word: &String| {
            let bit = CHOICES.iter().position(|known| known == word);
            bit.ok_or_else(|| format!("found notes_for {word:?}, expected some of {}", CHOICES.join(", ")))
        };
        words.iter().try_fold(0, |bits, word| Ok(bits | 1 << bit(word)?)).map(Notes)
    }
}

impl From<Notes> for Vec<String> {
    fn from(notes: Notes) -> Vec<String> {
        notes.words()
    }
}

/// What was written, before it is known that it can be.
#[derive(Deserialize)]
#[serde(deny_unknown_fields, default)]
struct ReviewHours {
    hold_hours: u32,
    escalate_hours: u32,
    block_hours: u32,
    appeal_days: u32,
    #[serde(rename = "notes_for")]
    notes: Notes,
    areas: BTreeMap<String, Area>,
}

impl Default for ReviewHours {
    fn default() -> ReviewHours {
        let Review { hold_hours, escalate_hours, block_hours, appeal_days, notes, areas } = Review::default();
        ReviewHours { hold_hours, escalate_hours, block_hours, appeal_days, notes, areas }
    }
}

impl TryFrom<ReviewHours> for Review {
    type Error = String;

    fn try_from(written: ReviewHours) -> Result<Review, String> {
        let ReviewHours { hold_hours, escalate_hours, block_hours, appeal_days, notes, areas } = written;
        if let Some(area) = areas.keys().find(|area| !AREAS.contains(&area.as_str())) {
            return Err(format!("found areas.{area}, expected one of {}", AREAS.join(", ")));
        }
        if let Some((area, _)) = areas.iter().find(|(_, area)| area.people.is_empty()) {
            return Err(format!(
                "areas.{area} has no people, expected names of users; leave it out where everybody takes it"
            ));
        }
        let most = [("hold_hours", hold_hours), ("escalate_hours", escalate_hours), ("block_hours", block_hours)];
        let days = ("appeal_days", appeal_days);
        match most.into_iter().chain([days]).find(|(_, found)| !(1..=8_760).contains(found)) {
            Some((name, found)) => Err(format!("found {name} {found}, expected 1 to 8760")),
            None => Ok(Review { hold_hours, escalate_hours, block_hours, appeal_days, notes, areas }),
        }
    }
}

impl Default for Review {
    /// Judgement: a payout is never missed for want of a look, and a day is short enough for whoever is stopped.
    fn default() -> Review {
        let (notes, areas) = Default::default();
        Review { hold_hours: 72, escalate_hours: 24, block_hours: 24, appeal_days: 14, notes, areas }
    }
}

/// One value for each kind of subject.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[allow(missing_docs)]
pub struct BySubject<V> {
    pub account: V,
    pub artist: V,
    pub distributor: V,
    pub playlist: V,
    pub track: V,
    pub uploader: V,
}

impl<V> BySubject<V> {
    /// The value of `subject`.
    pub fn of(&self, subject: Subject) -> &V {
        match subject {
            Subject::Account => &self.account,
            Subject::Artist => &self.artist,
            Subject::Distributor => &self.distributor,
            Subject::Playlist => &self.playlist,
            Subject::Track => &self.track,
            Subject::Uploader => &self.uploader,
        }
    }

    /// The value of `subject`, to be changed.
    pub fn of_mut(&mut self, subject: Subject) -> &mut V {
        match subject {
            Subject::Account => &mut self.account,
            Subject::Artist => &mut self.artist,
            Subject::Distributor => &mut self.distributor,
            Subject::Playlist => &mut self.playlist,
            Subject::Track => &mut self.track,
            Subject::Uploader => &mut self.uploader,
        }
    }
}

/// What holds in a territory for those kinds of subjects that have one: of accounts it is where they are registered, of tracks where their
/// artist is at home.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[allow(missing_docs)]
pub struct Local<V> {
    #[serde(default = "none", skip_serializing_if = "Option::is_none")]
    pub account: Option<V>,
    #[serde(default = "none", skip_serializing_if = "Option::is_none")]
    pub track: Option<V>,
}

fn none<V>() -> Option<V> {
    None
}

impl<V> Local<V> {
    /// The value of `subject`, if it has one.
    pub fn of(&self, subject: Subject) -> Option<&V> {
        match subject {
            Subject::Account => self.account.as_ref(),
            Subject::Track => self.track.as_ref(),
            Subject::Artist | Subject::Distributor | Subject::Playlist | Subject::Uploader => None,
        }
    }

    fn of_mut(&mut self, subject: Subject) -> Option<&mut V> {
        match subject {
            Subject::Account => self.account.as_mut(),
            Subject::Track => self.track.as_mut(),
            Subject::Artist | Subject::Distributor | Subject::Playlist | Subject::Uploader => None,
        }
    }
}

/// Where a subject comes from, as far as a policy may tell subjects of one kind apart.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Origin<'a> {
    /// The tier of its distributor, or `verified`.
    pub tier: Option<&'a str>,
    /// Where it is at home.
    pub territory: Option<Territory>,
}

/// Whose thresholds hold for a subject.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Segment<'a> {
    /// Everybody's.
    Default,
    /// Those of a tier.
    Tier(&'a str),
    /// Those of a territory for subjects of the kind.
    Territory(Territory, Subject),
}

impl fmt::Display for Segment<'_> {
    fn fmt(&self, into: &mut fmt::Formatter) -> fmt::Result {
        match self {
            Segment::Default => into.write_str(DEFAULT_SEGMENT),
            Segment::Tier(tier) => into.write_str(tier),
            Segment::Territory(territory, subject) => write!(into, "{OF_TERRITORY}{territory}.{}", subject.name()),
        }
    }
}

/// The territory and the kind of subjects in the name of a segment.
fn of_territory(segment: &str) -> Option<(Territory, Subject)> {
    let (territory, subject) = segment.strip_prefix(OF_TERRITORY)?.split_once('.')?;
    Some((Territory::try_from(territory.to_owned()).ok()?, Subject::named(subject)?))
}

/// Everything a verdict depends on besides the facts.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Policy {
    /// Its name; another policy has another one.
    pub version: String,
    /// The mix of the parts.
    pub weights: BySubject<Mix>,
    /// Thresholds of subjects whose tier has none of its own.
    pub thresholds: Thresholds,
    /// Thresholds by distributor tier.
    pub tiers: BTreeMap<String, Thresholds>,
    /// The mix in a territory, where it has its own.
    #[serde(default)]
    pub local_weights: BTreeMap<Territory, Local<Mix>>,
    /// Thresholds in a territory, where it has its own; a tier's own go before them.
    #[serde(default)]
    pub local_thresholds: BTreeMap<Territory, Local<Thresholds>>,
    /// What each signal counts, by its name.
    pub rules: BySubject<BTreeMap<String, Rule>>,
    /// How suspicion travels.
    pub flow: Flow,
    /// Within how long people are to look; no verdict depends on it.
    #[serde(default)]
    pub review: Review,
}

impl Policy {
    /// What the signal `name` of a `subject` may count, in ten-thousandths: nothing while its rule is off or missing.
    pub fn rule_weight(&self, subject: Subject, name: &str) -> u16 {
        let rule = self.rules.of(subject).get(name);
        rule.filter(|rule| rule.on).map_or(0, |rule| rule.weight.parts())
    }

    /// From which strength on the signal `name` of a `subject` counts in full, where its rule says so.
    pub fn rule_full_at(&self, subject: Subject, name: &str) -> Option<Percent> {
        self.rules.of(subject).get(name)?.full_at
    }

    /// The mix of the parts for such a subject: its territory's, where that has its own.
    pub fn mix(&self, subject: Subject, territory: Option<Territory>) -> Mix {
        *self.local_mix(subject, territory).unwrap_or(self.weights.of(subject))
    }

    /// The mix that a territory has of its own.
    pub fn local_mix(&self, subject: Subject, territory: Option<Territory>) -> Option<&Mix> {
        self.local_weights.get(&territory?)?.of(subject)
    }

    /// The segment of such a subject, and its thresholds. A tier is what somebody signed who answers for the delivery, so its own go before
    /// those of a territory; where neither has any, everybody's hold.
    pub fn segment<'a>(&'a self, subject: Subject, origin: Origin) -> (Segment<'a>, Thresholds) {
        let of_tier = origin.tier.and_then(|tier| self.tiers.get_key_value(tier));
        if let Some((tier, thresholds)) = of_tier {
            return (Segment::Tier(tier), *thresholds);
        }
        let local = |territory: Territory| Some((territory, self.local_thresholds.get(&territory)?.of(subject)?));
        match origin.territory.and_then(local) {
            Some((territory, thresholds)) => (Segment::Territory(territory, subject), *thresholds),
            None => (Segment::Default, self.thresholds),
        }
    }

    /// The names of the segments that have thresholds.
    pub fn segments(&self) -> Vec<String> {
        let local = self.local_thresholds.iter().flat_map(|(territory, local)| {
            let kinds = Subject::ALL.into_iter().filter(|kind| local.of(*kind).is_some());
            kinds.map(|kind| Segment::Territory(*territory, kind).to_string())
        });
        [DEFAULT_SEGMENT.to_owned()].into_iter().chain(self.tiers.keys().cloned()).chain(local).collect()
    }

    /// The thresholds of the segment of that name, if it has its own.
    pub fn thresholds_of(&self, segment: &str) -> Option<Thresholds> {
        match (segment, self.tiers.get(segment)) {
            (DEFAULT_SEGMENT, _) => Some(self.thresholds),
            (_, Some(tier)) => Some(*tier),
            (_, None) => {
                let (territory, subject) = of_territory(segment)?;
                self.local_thresholds.get(&territory)?.of(subject).copied()
            }
        }
    }

    /// Puts these thresholds in the place of those that the segment of that name has, if it has its own.
    pub fn put_thresholds(&mut self, segment: &str, thresholds: Thresholds) {
        let place = match segment {
            DEFAULT_SEGMENT => Some(&mut self.thresholds),
            tier if self.tiers.contains_key(tier) => self.tiers.get_mut(tier),
            other => match of_territory(other) {
                Some((territory, subject)) => {
                    self.local_thresholds.get_mut(&territory).and_then(|local| local.of_mut(subject))
                }
                None => None,
            },
        };
        place.into_iter().for_each(|place| *place = thresholds);
    }

    /// The territories that have numbers of their own.
    pub fn territories(&self) -> impl Iterator<Item = Territory> {
        self.local_weights.keys().chain(self.local_thresholds.keys()).copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn percent(percent: u8) -> Percent {
        Percent::new(percent).unwrap()
    }

    fn steps(hold: u8, escalate: u8, block: u8) -> Steps {
        let [hold, escalate, block] = [hold, escalate, block].map(percent);
        Steps { hold, escalate, block, escalate_signals: 2, block_signals: 3 }
    }

    #[test]
    fn weights_make_a_whole() {
        let shares = |content, behaviour, policy| Shares {
            content: percent(content),
            behaviour: percent(behaviour),
            policy: percent(policy),
        };
        assert!(Weights::new(shares(40, 45, 15)).is_some());
        assert!(Weights::new(shares(40, 45, 14)).is_none());
        let [heard, unheard] = [shares(40, 45, 15), shares(0, 75, 25)].map(|shares| Weights::new(shares).unwrap());
        assert!(Mix::new(heard, unheard).is_some());
        assert!(Mix::new(heard, heard).is_none());
    }

    #[test]
    fn a_threshold_is_met_from_its_number_on() {
        let thresholds = Thresholds::new(steps(40, 60, 85)).unwrap();
        let verdicts =
            [3_999, 4_000, 5_999, 6_000, 8_499, 8_500].map(|parts| thresholds.by_risk(Risk::from_parts(parts)));
        use Verdict::{Allow, Block, Escalate, Hold};
        assert_eq!(verdicts, [Allow, Hold, Hold, Escalate, Escalate, Block]);
        assert_eq!([0, 1, 2, 3].map(|strong| thresholds.by_agreement(strong)), [Hold, Hold, Escalate, Block]);
        assert!(Thresholds::new(steps(60, 40, 85)).is_none());
    }
}
