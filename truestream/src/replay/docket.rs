//! The cases that stand, filed so that those lie together that another policy touches.
//!
//! ```text
//! (subject, judgement, risk) ──▶ files by kind, segment, territory and signals that speak, in each by risk ──revision──▶ the cases it touches
//! ```

use std::collections::{BTreeMap, BTreeSet, HashMap};

use dataflows::risk::Judgement;
use features::revision::Revision;
use features::signals::Name;
use records::policy::Origin;
use records::{Key, Risk, Subject};

/// A subject.
pub type Who = (Subject, Key);

/// All that is filed together: the kind of the subjects, their segment and territory, and which signals speak against them.
type File = (Subject, (u16, u16), Vec<Name>);

/// The cases that stand.
#[derive(Default)]
pub struct Docket {
    cases: HashMap<Who, (Judgement, Risk)>,
    files: BTreeMap<File, BTreeSet<(Risk, Key)>>,
}

fn file((subject, _): Who, judgement: &Judgement) -> File {
    let names = judgement.signals.iter().map(|signal| signal.name).collect();
    (subject, (judgement.segment, judgement.territory), names)
}

impl Docket {
    /// How many cases stand.
    pub fn len(&self) -> usize {
        self.cases.len()
    }

    /// Files the case in the place of what stood; without one, nothing stands any more.
    pub fn enter(&mut self, who: Who, case: Option<(Judgement, Risk)>) {
        self.take(who);
        if let Some((judgement, r)) = case {
            self.files.entry(file(who, &judgement)).or_default().insert((r, who.1));
            self.cases.insert(who, (judgement, r));
        }
    }

    /// Takes what stands out of its file.
    pub fn take(&mut self, who: Who) -> Option<Judgement> {
        let (judgement, r) = self.cases.remove(&who)?;
        let of = file(who, &judgement);
        if let Some(cases) = self.files.get_mut(&of) {
            cases.remove(&(r, who.1));
            if cases.is_empty() {
                self.files.remove(&of);
            }
        }
        Some(judgement)
    }

    /// The cases that may be decided otherwise, or for other reasons; nothing is read of any other.
    pub fn touched<'a>(&self, revision: &Revision, origin: impl Fn((u16, u16)) -> Origin<'a>) -> Vec<Who> {
        let mut touched = Vec::new();
        for ((subject, numbers, names), cases) in &self.files {
            let origin = origin(*numbers);
            if revision.reweighs((*subject, origin.territory), names.iter().copied()) {
                touched.extend(cases.iter().map(|(_, key)| (*subject, *key)));
                continue;
            }
            for (from, to) in revision.redraws(*subject, origin) {
                let within = cases.range((from, Key(0))..).take_while(|(r, _)| to.is_none_or(|to| *r < to));
                touched.extend(within.map(|(_, key)| (*subject, *key)));
            }
        }
        touched.sort_unstable();
        touched.dedup();
        touched
    }
}

#[cfg(test)]
mod tests {
    use datasets::policy::built_in;
    use features::risk::fuse;
    use features::signals::{Seen, Signal};
    use records::policy::{Local, Percent, Thresholds};
    use records::{Policy, Territory};

    use super::*;

    fn judgement(names: &[Name], strength: u16) -> Judgement {
        let seen = Seen { window_ms: 0, count: 1, of: 1 };
        let signals = names.iter().map(|name| Signal { name: *name, strength, seen }).collect();
        Judgement { signals, ..Judgement::default() }
    }

    fn docket(policy: &Policy) -> Docket {
        let mut docket = Docket::default();
        for key in 0..100 {
            let names: &[Name] = if key % 2 == 0 { &[Name::Edge] } else { &[Name::Loop] };
            // One in ten is at home in the first territory.
            let territory = u16::from(key % 10 == 0);
            let judgement = Judgement { territory, ..judgement(names, 100 + key as u16 * 90) };
            let r = fuse(policy, Subject::Account, false, judgement.signals.clone()).r;
            docket.enter((Subject::Account, Key(key)), Some((judgement, r)));
        }
        docket
    }

    fn home((_, territory): (u16, u16)) -> Origin<'static> {
        Origin { tier: None, territory: if territory == 1 { Territory::of("DE") } else { None } }
    }

    #[test]
    fn a_threshold_touches_who_lies_between_and_a_weight_whom_its_signal_speaks_against() {
        let before = built_in();
        let docket = docket(&before);
        let touched = |now: &Policy| docket.touched(&Revision { before: &before, now }, home);
        assert!(touched(&before).is_empty());

        let mut now = before.clone();
        let mut steps = before.thresholds.steps();
        steps.hold = Percent::new(steps.hold.get() - 10).unwrap();
        now.thresholds = Thresholds::new(steps).unwrap();
        let (from, to) = (steps.hold.risk(), before.thresholds.steps().hold.risk());
        let between: Vec<Who> = {
            let within = docket.cases.iter().filter(|(_, (_, r))| (from..to).contains(r));
            within.map(|(who, _)| *who).collect::<BTreeSet<_>>().into_iter().collect()
        };
        assert!(between.len() > 5 && between.len() < 50, "{}", between.len());
        assert_eq!(touched(&now), between);

        let mut now = before.clone();
        now.rules.account.get_mut("edge").unwrap().weight = Percent::new(1).unwrap();
        let each = |step: usize| (0..100).step_by(step).map(|key| (Subject::Account, Key(key))).collect::<Vec<_>>();
        assert_eq!(touched(&now), each(2));

        // Numbers of a territory touch who is at home there.
        let germany = Territory::of("DE").unwrap();
        let mut now = before.clone();
        now.local_weights.insert(germany, Local { account: Some(before.weights.track), track: None });
        assert_eq!(touched(&now), each(10));
        let mut now = before.clone();
        now.local_thresholds.insert(germany, Local { account: Thresholds::new(steps), track: None });
        let found = touched(&now);
        assert!(found.len() > 1 && found.iter().all(|(_, Key(key))| key % 10 == 0), "{found:?}");
    }

    #[test]
    fn what_is_taken_leaves_nothing() {
        let mut docket = docket(&built_in());
        for key in 0..100 {
            let who = (Subject::Account, Key(key));
            docket.enter(who, Some((judgement(&[Name::Edge], 1), Risk::CERTAIN)));
            docket.enter(who, None);
        }
        assert_eq!((docket.len(), docket.files.len()), (0, 0));
    }
}
