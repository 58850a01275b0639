//! What must be declared of generative AI before a track is paid for the first time.
//!
//! ```text
//! declared, heard, uploaded when ──▶ Declaring ──▶ doubts ──▶ money waits, or it is noted
//! ```

use serde::{Deserialize, Serialize};

use crate::policy::Percent;
use crate::{Disclosure, Millis, Risk};

/// What a doubt leads to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Consequence {
    /// Money waits.
    Hold,
    /// Nothing.
    Ignore,
}

/// What must be declared.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Declaring {
    /// Tracks uploaded from this instant on must declare, and show consent.
    pub required_from: Millis,
    /// A track that does not say whether generative AI was used.
    pub undeclared: Consequence,
    /// A track whose vocals a machine made, in whole or part, or that is all a machine's and does not say whose its vocals are; without a reference of a
    /// consent.
    pub no_consent: Consequence,
    /// A track that says no AI was used, and sounds like a machine's or says of a part that it is one's.
    pub contradicted: Consequence,
    /// From this risk on, said by the detector of synthesis, a recording sounds like a machine's.
    pub detected: Percent,
    /// The platform's own generated audio, which is asked for nothing and judged by nothing.
    pub own: Own,
}

/// Ids of the platform's own generated audio.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Own {
    /// Tracks.
    #[serde(default)]
    pub tracks: Vec<String>,
    /// Artists, with all their tracks.
    #[serde(default)]
    pub artists: Vec<String>,
    /// Uploaders, with all their tracks.
    #[serde(default)]
    pub uploaders: Vec<String>,
}

/// What a row of the catalogue says about generative AI.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Declared {
    /// Of the recording; `None` = undeclared.
    pub whole: Option<Disclosure>,
    /// Of its vocals.
    pub vocals: Option<Disclosure>,
    /// Whether vocals, instruments or post-production are said to be a machine's, in whole or part.
    pub has_machine_part: bool,
    /// Whether a consent is referred to.
    pub has_consent: bool,
}

/// What speaks against paying a track.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Doubt {
    /// It does not say whether generative AI was used.
    Undeclared,
    /// A machine made vocals, and nobody shows a consent.
    NoConsent,
    /// It says no AI was used and sounds like a machine's.
    Contradicted,
    /// It says no AI was used, and that a part of it is a machine's.
    Inconsistent,
}

impl Doubt {
    /// The rule's id, as verdicts name rules.
    pub fn rule(self) -> &'static str {
        match self {
            Doubt::Undeclared => "disclosure.undeclared",
            Doubt::NoConsent => "disclosure.no_consent",
            Doubt::Contradicted => "disclosure.contradicted",
            Doubt::Inconsistent => "disclosure.inconsistent",
        }
    }

    /// The doubt in a sentence.
    pub fn words(self) -> &'static str {
        match self {
            Doubt::Undeclared => "does not say whether generative AI was used; saying so, whatever it says, ends this",
            Doubt::NoConsent => "a machine made vocals, or all, and no consent of whose voice it is is referred to",
            Doubt::Contradicted => "says that no generative AI was used, and sounds like a machine's",
            Doubt::Inconsistent => "says that no generative AI was used, and that a machine made a part of it",
        }
    }
}

impl Declaring {
    /// Why money waits for a track that says this, was uploaded then and of which `synthesis` says this risk.
    pub fn doubts(&self, said: Declared, uploaded_at: Option<Millis>, heard: Option<Risk>) -> Vec<Doubt> {
        // A track of unknown age is not held for what could not be said when it was uploaded.
        let is_asked = uploaded_at.is_some_and(|at| at >= self.required_from);
        // Where all is a machine's so is the voice, unless the track says that it is none's: who says less must not be asked for less.
        let sung_by_machine = said.vocals.or(said.whole.filter(|whole| *whole == Disclosure::All));
        let sung_by_machine = sung_by_machine.is_some_and(Disclosure::is_machine);
        let denies = said.whole == Some(Disclosure::None);
        let found = [
            (Doubt::Undeclared, self.undeclared, is_asked && said.whole.is_none()),
            (Doubt::NoConsent, self.no_consent, is_asked && sung_by_machine && !said.has_consent),
            (Doubt::Contradicted, self.contradicted, denies && self.is_machine(heard)),
            (Doubt::Inconsistent, self.contradicted, denies && said.has_machine_part),
        ];
        let counts = |(doubt, consequence, is_so): (Doubt, Consequence, bool)| {
            (is_so && consequence == Consequence::Hold).then_some(doubt)
        };
        found.into_iter().filter_map(counts).collect()
    }

    /// Whether what was heard sounds like a machine's.
    pub fn is_machine(&self, heard: Option<Risk>) -> bool {
        heard.is_some_and(|risk| risk >= self.detected.risk())
    }
}

/// What the tracks of a distributor declare beside what they sound like.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[allow(missing_docs)]
pub struct Ledger {
    pub tracks: u64,
    /// Of them the platform's own, which count below nowhere.
    pub own: u64,
    pub undeclared: u64,
    pub declared_none: u64,
    pub declared_partly: u64,
    pub declared_all: u64,
    /// Heard by the detector of synthesis.
    pub heard: u64,
    /// Sounds like a machine's, and says so.
    pub confirmed: u64,
    /// Sounds like a machine's, and says nothing.
    pub unsaid: u64,
    /// Sounds like a machine's, and says it is none.
    pub contradicted: u64,
    /// Says that AI was used, and does not sound so: detectors miss, so this accuses nobody.
    pub unconfirmed: u64,
    /// Money waits.
    pub held: u64,
}

impl Ledger {
    /// The entry of one track that is not the platform's own.
    pub fn of(declaring: &Declaring, said: Declared, heard: Option<Risk>, is_held: bool) -> Ledger {
        let is_machine = declaring.is_machine(heard);
        let uses_ai = said.whole.is_some_and(Disclosure::is_machine);
        let says = |word: Option<Disclosure>| u64::from(said.whole == word);
        Ledger {
            tracks: 1,
            own: 0,
            undeclared: says(None),
            declared_none: says(Some(Disclosure::None)),
            declared_partly: says(Some(Disclosure::Partly)),
            declared_all: says(Some(Disclosure::All)),
            heard: u64::from(heard.is_some()),
            confirmed: u64::from(is_machine && uses_ai),
            unsaid: u64::from(is_machine && said.whole.is_none()),
            contradicted: u64::from(is_machine && said.whole == Some(Disclosure::None)),
            unconfirmed: u64::from(heard.is_some() && !is_machine && uses_ai),
            held: u64::from(is_held),
        }
    }

    /// The entry of one of the platform's own tracks.
    pub const OWN: Ledger = Ledger {
        tracks: 1,
        own: 1,
        undeclared: 0,
        declared_none: 0,
        declared_partly: 0,
        declared_all: 0,
        heard: 0,
        confirmed: 0,
        unsaid: 0,
        contradicted: 0,
        unconfirmed: 0,
        held: 0,
    };

    /// The numbers with their names, in the order of the columns.
    pub fn counts(&self) -> [(&'static str, u64); 12] {
        [
            ("tracks", self.tracks),
            ("own", self.own),
            ("undeclared", self.undeclared),
            ("declared_none", self.declared_none),
            ("declared_partly", self.declared_partly),
            ("declared_all", self.declared_all),
            ("heard", self.heard),
            ("confirmed", self.confirmed),
            ("unsaid", self.unsaid),
            ("contradicted", self.contradicted),
            ("unconfirmed", self.unconfirmed),
            ("held", self.held),
        ]
    }

    /// The numbers in the order of [`Ledger::counts`].
    fn numbers(&mut self) -> [&mut u64; 12] {
        let Ledger { tracks, own, undeclared, declared_none, declared_partly, declared_all, .. } = self;
        let first = [tracks, own, undeclared, declared_none, declared_partly, declared_all];
        let Ledger { heard, confirmed, unsaid, contradicted, unconfirmed, held, .. } = self;
        let [a, b, c, d, e, f] = first;
        [a, b, c, d, e, f, heard, confirmed, unsaid, contradicted, unconfirmed, held]
    }

    fn each(&mut self, other: Ledger, change: impl Fn(&mut u64, u64)) {
        for (number, (_, by)) in self.numbers().into_iter().zip(other.counts()) {
            change(number, by);
        }
    }
}

/// To which numbers of a ledger a track adds one: a bit each, in the order of [`Ledger::counts`]. Every track of a catalogue has one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Entry(u16);

impl Entry {
    /// What a track adds to its ledger.
    pub fn of(track: Ledger) -> Entry {
        Entry(track.counts().into_iter().zip(0..).map(|((_, one), place)| u16::from(one > 0) << place).sum())
    }

    /// The same as a ledger of one track; of none where nothing was entered.
    pub fn ledger(self) -> Ledger {
        let mut ledger = Ledger::default();
        ledger.numbers().into_iter().zip(0..).for_each(|(number, place)| *number = u64::from(self.0 >> place & 1));
        ledger
    }
}

impl std::ops::AddAssign for Ledger {
    fn add_assign(&mut self, more: Ledger) {
        self.each(more, |number, by| *number += by);
    }
}

impl std::ops::SubAssign for Ledger {
    fn sub_assign(&mut self, less: Ledger) {
        self.each(less, |number, by| *number -= by);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn declaring() -> Declaring {
        Declaring {
            required_from: 100,
            undeclared: Consequence::Hold,
            no_consent: Consequence::Hold,
            contradicted: Consequence::Hold,
            detected: Percent::new(90).expect("a share"),
            own: Own::default(),
        }
    }

    fn said(whole: Option<Disclosure>) -> Declared {
        Declared { whole, ..Declared::default() }
    }

    #[test]
    fn silence_holds_what_was_uploaded_since_it_could_be_broken() {
        let policy = declaring();
        for (uploaded_at, expected) in [(Some(100), vec![Doubt::Undeclared]), (Some(99), vec![]), (None, vec![])] {
            assert_eq!(policy.doubts(said(None), uploaded_at, None), expected);
        }
        for word in [Disclosure::Partly, Disclosure::None] {
            assert_eq!(policy.doubts(said(Some(word)), Some(100), None), []);
        }
        let lenient = Declaring { undeclared: Consequence::Ignore, ..policy };
        assert_eq!(lenient.doubts(said(None), Some(100), None), []);
    }

    #[test]
    fn vocals_of_a_machine_need_a_consent() {
        let policy = declaring();
        let sung = |vocals, has_consent| Declared {
            whole: Some(Disclosure::Partly),
            vocals,
            has_machine_part: true,
            has_consent,
        };
        assert_eq!(policy.doubts(sung(Some(Disclosure::Partly), false), Some(100), None), [Doubt::NoConsent]);
        assert_eq!(policy.doubts(sung(Some(Disclosure::All), true), Some(100), None), []);
        assert_eq!(policy.doubts(sung(Some(Disclosure::None), false), Some(100), None), []);
        assert_eq!(policy.doubts(sung(None, false), Some(100), None), []);
        // All of it is all of its voice, unless it says that it is not.
        let all = |vocals, has_consent| Declared { whole: Some(Disclosure::All), ..sung(vocals, has_consent) };
        assert_eq!(policy.doubts(all(None, false), Some(100), None), [Doubt::NoConsent]);
        assert_eq!(policy.doubts(all(None, true), Some(100), None), []);
        assert_eq!(policy.doubts(all(Some(Disclosure::None), false), Some(100), None), []);
        assert_eq!(policy.doubts(all(None, false), Some(99), None), []);
    }

    #[test]
    fn who_denies_what_is_heard_waits_whenever_it_was_uploaded() {
        let policy = declaring();
        let machine = Some(Risk::from_parts(9_000));
        assert_eq!(policy.doubts(said(Some(Disclosure::None)), None, machine), [Doubt::Contradicted]);
        assert_eq!(policy.doubts(said(Some(Disclosure::None)), None, Some(Risk::from_parts(8_999))), []);
        assert_eq!(policy.doubts(said(Some(Disclosure::All)), None, machine), []);
    }

    #[test]
    fn who_denies_what_they_say_of_a_part_waits() {
        let policy = declaring();
        let said = |whole| Declared { whole: Some(whole), has_machine_part: true, ..Declared::default() };
        assert_eq!(policy.doubts(said(Disclosure::None), None, None), [Doubt::Inconsistent]);
        assert_eq!(policy.doubts(said(Disclosure::Partly), None, None), []);
        let lenient = Declaring { contradicted: Consequence::Ignore, ..policy };
        assert_eq!(lenient.doubts(said(Disclosure::None), None, None), []);
    }

    #[test]
    fn what_was_added_to_a_ledger_can_be_taken_back() {
        let policy = declaring();
        let words = [None, Some(Disclosure::All), Some(Disclosure::Partly), Some(Disclosure::None)];
        let heard = [None, Some(Risk::CLEAN), Some(Risk::CERTAIN)];
        let entries: Vec<Ledger> = words
            .iter()
            .flat_map(|word| heard.map(|heard| Ledger::of(&policy, said(*word), heard, word.is_none())))
            .collect();
        let mut ledger = Ledger::default();
        entries.iter().for_each(|entry| ledger += *entry);
        let Ledger { tracks, undeclared, declared_none, declared_partly, declared_all, .. } = ledger;
        assert_eq!((tracks, undeclared, declared_none, declared_partly, declared_all), (12, 3, 3, 3, 3));
        let Ledger { heard, confirmed, unsaid, contradicted, unconfirmed, held, .. } = ledger;
        assert_eq!((heard, confirmed, unsaid, contradicted, unconfirmed, held), (8, 2, 1, 1, 2, 3));
        entries.iter().for_each(|entry| ledger -= *entry);
        assert_eq!(ledger, Ledger::default());
        for entry in entries.into_iter().chain([Ledger::OWN]) {
            assert_eq!(Entry::of(entry).ledger(), entry);
        }
    }
}
