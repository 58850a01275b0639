//! Which cases another policy touches: everybody else is judged as before, to the last word.
//!
//! ```text
//! policy before, policy now ──┬──▶ signals that count otherwise ──▶ the cases in which they speak
//!                             └──▶ thresholds that lie elsewhere ──▶ the cases whose risk lies between
//! ```

use records::policy::{Origin, Segment, Steps, Thresholds};
use records::{Policy, Risk, Subject, Territory};

use crate::signals::Name;

/// A policy in the place of another.
#[derive(Clone, Copy, Debug)]
pub struct Revision<'a> {
    /// What was in force.
    pub before: &'a Policy,
    /// What is in force now.
    pub now: &'a Policy,
}

/// Signals on an account that do not count in what it spreads: what is around it, and what a model says.
const UNSPREAD: [Name; 2] = [Name::SuspiciousTracks, Name::Learned];

impl Revision<'_> {
    /// Whether the risk of such a subject in the territory, against whom these signals speak, may be another or come about otherwise.
    pub fn reweighs(
        &self,
        (subject, territory): (Subject, Option<Territory>),
        names: impl IntoIterator<Item = Name>,
    ) -> bool {
        self.remixes(subject, territory) || names.into_iter().any(|name| self.recounts(subject, name.name()))
    }

    fn remixes(&self, subject: Subject, territory: Option<Territory>) -> bool {
        // Which mix it is, and whose: the reasons say both.
        let mixed = |policy: &Policy| (policy.mix(subject, territory), policy.local_mix(subject, territory).is_some());
        mixed(self.before) != mixed(self.now)
    }

    fn recounts(&self, subject: Subject, name: &str) -> bool {
        let counted = |policy: &Policy| (policy.rule_weight(subject, name), policy.rule_full_at(subject, name));
        counted(self.before) != counted(self.now)
    }

    /// The risks, from and to below, at which another verdict is called for in the segment of such subjects, or the verdict has other words.
    pub fn redraws(&self, subject: Subject, origin: Origin) -> Vec<(Risk, Option<Risk>)> {
        let [(name, before), (other, now)] = [self.before, self.now].map(|policy| policy.segment(subject, origin));
        let mut drawn: Vec<(Risk, Option<Risk>)> = Vec::new();
        for (one, two) in lines(before).into_iter().zip(lines(now)).filter(|(one, two)| one != two) {
            drawn.push((one.min(two), Some(one.max(two))));
        }
        // The number of signals that agree, and the name of the segment, matter to who is called for more than held.
        let agree = |thresholds: Thresholds| {
            let Steps { escalate_signals, block_signals, .. } = thresholds.steps();
            (escalate_signals, block_signals)
        };
        if (name, agree(before)) != (other, agree(now)) {
            drawn.push((lines(before)[1].min(lines(now)[1]), None));
        }
        // Whoever is judged as one of a territory is told so.
        let is_told = [name, other].iter().any(|segment| matches!(segment, Segment::Territory(..)));
        if name != other && is_told {
            drawn.push((lines(before)[0].min(lines(now)[0]), None));
        }
        drawn
    }

    /// Why suspicion travels otherwise than before; `None` where an account spreads what it did and it flows alike.
    pub fn spreads_otherwise(&self) -> Option<&'static str> {
        if self.before.flow != self.now.flow {
            return Some("suspicion flows otherwise (flow.toml)");
        }
        let names = [self.before, self.now].into_iter().flat_map(|policy| policy.rules.account.keys());
        let mut spread = names.filter(|name| UNSPREAD.iter().all(|kept| kept.name() != name.as_str()));
        let reweighs = |name: &String| self.recounts(Subject::Account, name);
        (self.remixes(Subject::Account, None) || spread.any(reweighs))
            .then_some("accounts are weighed otherwise, and what they spread is what they weigh")
    }
}

/// From which risk on each step is called for, mildest first.
fn lines(thresholds: Thresholds) -> [Risk; 3] {
    let Steps { hold, escalate, block, .. } = thresholds.steps();
    [hold, escalate, block].map(|percent| percent.risk())
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use records::policy::{BySubject, Flow, Local, Mix, Percent, Review, Rule, Shares, Weights};

    use super::*;
    use crate::risk::{decide, fuse_in};
    use crate::signals::{Seen, Signal};

    /// Numbers from a seed (splitmix64, Steele and others 2014).
    struct Dice(u64);

    impl Dice {
        fn below(&mut self, end: u64) -> u64 {
            self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
            let mut mixed = self.0;
            mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
            mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
            (mixed ^ (mixed >> 31)) % end
        }

        fn percent(&mut self, least: u64, most: u64) -> Percent {
            Percent::new((least + self.below(most - least + 1)) as u8).expect("a percentage")
        }

        fn thresholds(&mut self) -> Thresholds {
            let [hold, escalate, block] = [self.percent(1, 40), self.percent(40, 70), self.percent(70, 100)];
            let escalate_signals = self.below(3) as u8;
            let block_signals = escalate_signals + self.below(2) as u8;
            Thresholds::new(Steps { hold, escalate, block, escalate_signals, block_signals }).expect("in order")
        }

        fn mix(&mut self) -> Mix {
            let behaviour = self.below(101) as u8;
            let [none, behaviour, policy] =
                [0, behaviour, 100 - behaviour].map(|part| Percent::new(part).expect("a part"));
            let unheard = Weights::new(Shares { content: none, behaviour, policy }).expect("a whole");
            let heard = Weights::new(Shares { content: behaviour, behaviour: policy, policy: none }).expect("a whole");
            Mix::new(heard, unheard).expect("nothing is heard where nobody listens")
        }
    }

    const NAMES: [Name; 5] = [Name::Edge, Name::SuspiciousTracks, Name::Learned, Name::MissingFields, Name::Audio];
    const SUBJECTS: [Subject; 2] = [Subject::Account, Subject::Track];
    const HOMES: [&str; 2] = ["DE", "FR"];

    fn territory(dice: &mut Dice) -> Territory {
        Territory::of(HOMES[dice.below(2) as usize]).expect("a country")
    }

    /// Numbers of some kinds of subjects.
    fn local<V>(dice: &mut Dice, value: impl Fn(&mut Dice) -> V) -> Local<V> {
        let mut some = || (dice.below(2) == 0).then(|| value(dice));
        Local { account: some(), track: some() }
    }

    fn policy(dice: &mut Dice) -> Policy {
        let mut rules: BySubject<BTreeMap<String, Rule>> = BySubject::default();
        for subject in SUBJECTS {
            let rule = |dice: &mut Dice| Rule { on: true, weight: dice.percent(0, 100), full_at: None };
            rules.of_mut(subject).extend(NAMES.map(|name| (name.name().to_owned(), rule(dice))));
        }
        let mix = dice.mix();
        Policy {
            version: "one".to_owned(),
            weights: BySubject {
                account: mix,
                artist: mix,
                distributor: mix,
                playlist: mix,
                track: mix,
                uploader: mix,
            },
            thresholds: dice.thresholds(),
            tiers: BTreeMap::from([("major".to_owned(), dice.thresholds())]),
            local_weights: BTreeMap::from([(territory(dice), local(dice, Dice::mix))]),
            local_thresholds: BTreeMap::from([(territory(dice), local(dice, Dice::thresholds))]),
            rules,
            flow: Flow { floor: dice.percent(1, 50), damping: dice.percent(1, 100), rounds: 2 },
            review: Review::default(),
        }
    }

    /// The policy with one thing changed.
    fn revised(before: &Policy, dice: &mut Dice) -> Policy {
        let mut now = before.clone();
        let subject = SUBJECTS[dice.below(2) as usize];
        let name = NAMES[dice.below(5) as usize].name();
        match dice.below(8) {
            6 => _ = now.local_weights.insert(territory(dice), local(dice, Dice::mix)),
            7 => _ = now.local_thresholds.insert(territory(dice), local(dice, Dice::thresholds)),
            0 => now.thresholds = dice.thresholds(),
            1 => *now.weights.of_mut(subject) = dice.mix(),
            2 => _ = now.tiers.remove("major"),
            3 => {
                _ = now
                    .rules
                    .of_mut(subject)
                    .insert(name.to_owned(), Rule { on: false, weight: dice.percent(1, 9), full_at: None })
            }
            4 => now.rules.of_mut(subject).get_mut(name).expect("a rule").full_at = Some(dice.percent(1, 100)),
            _ => now.rules.of_mut(subject).get_mut(name).expect("a rule").weight = dice.percent(0, 100),
        }
        now
    }

    #[test]
    fn whoever_a_revision_does_not_touch_is_judged_as_before() {
        let (mut touched, mut spared) = (0, 0);
        for seed in 0..4_000 {
            let dice = &mut Dice(seed);
            let before = policy(dice);
            let now = revised(&before, dice);
            let revision = Revision { before: &before, now: &now };
            let subject = SUBJECTS[dice.below(2) as usize];
            let tier = ["major", "minor"].get(dice.below(3) as usize).copied();
            let territory = (dice.below(3) > 0).then(|| territory(dice));
            let origin = Origin { tier, territory };
            let speaks = |name: Name, dice: &mut Dice| {
                (dice.below(2) == 0).then(|| Signal {
                    name,
                    strength: 1 + dice.below(10_000) as u16,
                    seen: Seen { window_ms: 0, count: dice.below(10_001), of: 10_000 },
                })
            };
            let signals: Vec<Signal> = NAMES.into_iter().filter_map(|name| speaks(name, dice)).collect();
            let judged = |policy: &Policy| {
                let found = fuse_in(policy, (subject, territory), false, signals.clone());
                let decision = decide(policy, subject, origin, &found);
                // Words of what is allowed are not told.
                let decision = (decision.verdict > records::Verdict::Allow).then_some(decision);
                (found, decision)
            };
            let [one, two] = [judged(&before), judged(&now)];
            let r = one.0.r;
            let within = |(from, to): &(Risk, Option<Risk>)| *from <= r && to.is_none_or(|to| r < to);
            let is_touched = revision.reweighs((subject, territory), signals.iter().map(|signal| signal.name))
                || revision.redraws(subject, origin).iter().any(within);
            assert!(is_touched || one == two, "seed {seed}: {one:?} {two:?}");
            *(if is_touched { &mut touched } else { &mut spared }) += 1;
        }
        assert!(touched > 500 && spared > 500, "{touched} touched, {spared} spared");
    }

    #[test]
    fn numbers_of_a_territory_touch_nobody_elsewhere_and_nothing_that_travels() {
        for seed in 0..200 {
            let dice = &mut Dice(seed);
            let before = policy(dice);
            let mut now = before.clone();
            let home = territory(dice);
            now.local_weights.insert(home, local(dice, Dice::mix));
            now.local_thresholds.insert(home, local(dice, Dice::thresholds));
            let revision = Revision { before: &before, now: &now };
            assert_eq!(revision.spreads_otherwise(), None);
            let elsewhere = HOMES.map(Territory::of).into_iter().filter(|other| *other != Some(home));
            for territory in elsewhere.chain([None]) {
                for subject in Subject::ALL {
                    let origin = Origin { tier: None, territory };
                    assert!(
                        !revision.reweighs((subject, territory), [Name::Edge]),
                        "seed {seed}: {subject:?} {origin:?}"
                    );
                    assert_eq!(revision.redraws(subject, origin), [], "seed {seed}: {subject:?} {origin:?}");
                }
            }
            // A tier's own thresholds go before those of a territory.
            let origin = Origin { tier: Some("major"), territory: Some(home) };
            assert_eq!(revision.redraws(Subject::Track, origin), []);
        }
    }

    #[test]
    fn what_a_model_says_does_not_travel_and_what_an_account_does_does() {
        let before = policy(&mut Dice(1));
        let spreads_alike = |name: Name, subject: Subject| {
            let mut now = before.clone();
            now.rules
                .of_mut(subject)
                .insert(name.name().to_owned(), Rule { on: false, weight: Percent::new(1).expect("1"), full_at: None });
            Revision { before: &before, now: &now }.spreads_otherwise().is_none()
        };
        assert!(
            spreads_alike(Name::Learned, Subject::Account) && spreads_alike(Name::SuspiciousTracks, Subject::Account)
        );
        assert!(spreads_alike(Name::Edge, Subject::Track) && !spreads_alike(Name::Edge, Subject::Account));
        let mut now = before.clone();
        now.flow.rounds += 1;
        assert!(Revision { before: &before, now: &now }.spreads_otherwise().is_some());
    }
}
