//! What people decided: a sealed file like the record of who did what, and its sum in memory.
//!
//! ```text
//! decision, undo ──▶ decisions.jsonl ──▶ by case, by number ──▶ after 30 s: a ruling and a label in the log, once
//! ```
//!
//! A decision on much money, and one that frees what is blocked, waits until a second person decides the same.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::path::Path;
use std::sync::{Arc, Mutex};

use console::desk::{Audited, Choice, Decided, FRAUD, HONEST, OVERTURN, Queue, Reviewer, UPHOLD, WITHDRAW};
use datasets::formats::instant;
use imbl::Vector;
use records::{LabelKind, Millis, RulingKind, Subject, Verdict};
use serde::{Deserialize, Serialize};

use super::appeals::APPEALS_MAX;
use super::audit::{Audit, Done};
use super::cabinet::FILES_MAX;
use super::state::now;
use crate::exit::Failure;
use crate::learn::share_of_hits;

/// A decision can be undone for so long, and becomes a ruling and a label after that.
pub const UNDO_MS: Millis = 30_000;
const HOUR_MS: Millis = 3_600_000;
/// A day.
const DAY_MS: Millis = 24 * HOUR_MS;
/// From so much money on, in USD, a second person has to agree: about a month's pay of 25,000 streams.
pub const SECOND_USD: f64 = 100.0;

/// The name of the files.
pub const DECISIONS: &str = "decisions";
const DECISION: &str = "decision";
const UNDO: &str = "undo";
const APPEAL: &str = "appeal";
const FILE: &str = "file";
/// Who appeals: the one who has the code of the case.
pub const CONCERNED: &str = "who it is about";

/// What stands in a line of the file.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Line {
    subject: String,
    id: String,
    choice: String,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    reason: String,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    note: String,
    verdict: String,
    risk: f64,
    #[serde(default)]
    payable: u64,
    needs_second: bool,
    /// By which queue; nothing where it was the one by urgency.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    queue: String,
    /// How probable it was to be drawn, where it was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    inclusion: Option<f64>,
    /// Its place among those that were made together, and how many those are.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    together: Option<(u64, u64)>,
    /// Of who brought it, where it is freed after an appeal.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    reputations: Vec<Reputed>,
}

/// The reputation of an uploader or a distributor when somebody decided: as what, who, and from 0 to 1.
pub type Reputed = (String, String, f64);

/// What is known of a case beside what somebody decides about it.
#[derive(Clone, Debug, Default)]
pub struct Circumstances {
    /// R.
    pub risk: f64,
    /// Plays of the longest window that hang on it.
    pub payable: u64,
    /// Whether a second person has to agree.
    pub needs_second: bool,
    /// How probable it was to be drawn by lot, where it was.
    pub inclusion: Option<f64>,
    /// Of who brought it, where it is freed after an appeal.
    pub reputations: Vec<Reputed>,
}

/// What stands in the line of an appeal.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct AppealLine {
    subject: String,
    id: String,
    text: String,
}

/// A file that was sent with an appeal, as it stands in its line.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Filed {
    /// What the appeal is about.
    pub subject: String,
    /// Which one.
    pub id: String,
    /// What who sent it calls it.
    pub name: String,
    /// What it is by its first bytes.
    pub kind: String,
    /// How many bytes it has.
    pub bytes: u64,
    /// Their hash.
    pub hash: String,
}

/// An appeal against a verdict.
#[derive(Clone, Debug, PartialEq)]
pub struct Appealed {
    /// Its number, among those of decisions.
    pub number: u64,
    /// When it came.
    pub at: Millis,
    /// What it is about: `track`, `artist`, …
    pub subject: String,
    /// Which one.
    pub id: String,
    /// What is said.
    pub text: String,
}

/// A decision and what it is about.
#[derive(Clone, Debug, PartialEq)]
pub struct Decision {
    /// What it is about: `account`, `track`, …
    pub subject: String,
    /// Which one.
    pub id: String,
    /// What was decided.
    pub decided: Decided,
    /// When.
    pub at: Millis,
    /// Plays of the longest window that hung on it.
    pub payable: u64,
    /// The reputations of who brought it, where it is freed after an appeal.
    pub reputations: Vec<Reputed>,
    /// Whether a second person has to agree.
    pub needs_second: bool,
    /// Whether who decided the same did so before.
    is_second: bool,
    /// Its place among those that were made together.
    place: u64,
}

impl Decision {
    /// What it says is true, where it says something.
    pub fn label(&self) -> Option<LabelKind> {
        match (self.decided.choice.as_str(), self.decided.reason.as_str()) {
            ("confirm" | UPHOLD | FRAUD, _) => Some(LabelKind::Fraud),
            (HONEST, _) => Some(LabelKind::Honest),
            ("override" | OVERTURN, "victim") => Some(LabelKind::Victim),
            ("override" | OVERTURN, _) => Some(LabelKind::Honest),
            _ => None,
        }
    }

    /// What it rules, where it rules something.
    pub fn ruling(&self) -> Option<RulingKind> {
        match (self.decided.choice.as_str(), self.label()) {
            // Who looked at somebody by lot and found nothing says what is true, and frees nobody from rules that may see more one day.
            (HONEST, _) => None,
            (FRAUD, _) => Some(RulingKind::Confirmed(Verdict::Hold)),
            (_, Some(LabelKind::Fraud)) => {
                let verdict = Verdict::named(&self.decided.verdict).filter(|verdict| *verdict > Verdict::Allow);
                verdict.map(RulingKind::Confirmed)
            }
            (_, Some(LabelKind::Victim)) => Some(RulingKind::Victim),
            (_, Some(LabelKind::Honest)) => Some(RulingKind::Cleared),
            (WITHDRAW, None) => Some(RulingKind::Withdrawn),
            (_, None) => None,
        }
    }

    /// Whether it is about an appeal.
    pub fn is_about_appeal(&self) -> bool {
        matches!(self.decided.choice.as_str(), UPHOLD | OVERTURN)
    }

    /// Whether it rules something or says what is true, was not undone, and waits for nobody.
    pub fn is_final(&self) -> bool {
        let says = self.ruling().is_some() || self.label().is_some();
        says && !self.decided.undone && !self.decided.waits_for_second
    }

    /// Whether it is told to the log: it is final, and where two had to agree it is the later of them, so that neither can be undone any more when
    /// it is old enough.
    pub fn is_told(&self) -> bool {
        self.is_final() && (!self.needs_second || self.is_second)
    }

    /// What has to be the same where two have to decide the same; nothing where it says nothing.
    fn word(&self) -> Option<&'static str> {
        match self.label() {
            Some(label) => Some(label.name()),
            None => (self.decided.choice == WITHDRAW).then_some(WITHDRAW),
        }
    }

    /// The number of the first of those that were made with it, and how many there are.
    pub fn together(&self) -> (u64, u64) {
        (self.decided.number - self.place, self.decided.together.max(1))
    }

    /// Whether it closes the case: it is final, and says what is true.
    pub fn closes(&self) -> bool {
        self.is_final() && self.label().is_some()
    }

    /// Whether it says that the rules are wrong.
    fn is_against_rules(&self) -> bool {
        matches!(self.decided.choice.as_str(), "override" | OVERTURN | FRAUD)
    }

    /// How it stands, in a word.
    pub fn standing(&self) -> &'static str {
        match (self.decided.undone, self.decided.waits_for_second, self.is_final()) {
            (true, _, _) => "undone",
            (_, true, _) => "waits",
            (_, _, true) => "final",
            _ => "open",
        }
    }
}

/// Those about one kind of subject.
#[derive(Clone, Copy)]
pub struct About<'a> {
    all: &'a Vector<Arc<Decision>>,
    cases: Option<&'a imbl::HashMap<String, Vector<usize>>>,
}

impl<'a> About<'a> {
    /// Those about the one with this id, the earliest first.
    pub fn of(self, id: &str) -> impl DoubleEndedIterator<Item = &'a Arc<Decision>> + use<'a> {
        let places = self.cases.and_then(|cases| cases.get(id));
        places.into_iter().flatten().filter_map(move |place| self.all.get(*place))
    }

    /// The last one about it that was not undone.
    pub fn last(self, id: &str) -> Option<&'a Arc<Decision>> {
        self.of(id).rev().find(|decision| !decision.decided.undone)
    }
}

/// All decisions as of a moment.
#[derive(Clone, Default)]
pub struct Sum {
    /// In the order in which they were made.
    pub all: Vector<Arc<Decision>>,
    /// By the kind of the subject and its id, which is asked for of every case of a list.
    by_case: imbl::HashMap<String, imbl::HashMap<String, Vector<usize>>>,
    /// In the order in which they came.
    pub appeals: Vector<Arc<Appealed>>,
    /// Files, each with the number of the appeal that it came with.
    files: Vector<(u64, Arc<Filed>)>,
}

impl Sum {
    /// Those about one kind of subject, for who asks about many.
    pub fn about(&self, subject: &str) -> About<'_> {
        About { all: &self.all, cases: self.by_case.get(subject) }
    }

    /// Those of a case, the earliest first.
    pub fn of<'a>(&'a self, subject: &str, id: &str) -> impl DoubleEndedIterator<Item = &'a Arc<Decision>> + use<'a> {
        self.about(subject).of(id)
    }

    /// Those that somebody decided about.
    fn cases(&self) -> impl Iterator<Item = (&str, &str)> {
        self.by_case.iter().flat_map(|(subject, cases)| cases.keys().map(move |id| (subject.as_str(), id.as_str())))
    }

    /// The last word on each case that is closed.
    pub fn closed(&self) -> impl Iterator<Item = &Arc<Decision>> {
        self.cases().filter_map(|(subject, id)| self.last(subject, id)).filter(|last| last.closes())
    }

    /// The last decision of a case that was not undone.
    pub fn last(&self, subject: &str, id: &str) -> Option<&Arc<Decision>> {
        self.about(subject).last(id)
    }

    /// The number of the last decision about a case, also where that was undone; 0 before the first.
    pub fn seen(&self, subject: &str, id: &str) -> u64 {
        self.of(subject, id).next_back().map_or(0, |last| last.decided.number)
    }

    /// Whether two had to agree on what rules about the case.
    pub fn two_ruled(&self, subject: &str, id: &str) -> bool {
        let mut rules =
            self.of(subject, id).rev().filter(|decision| decision.is_final() && decision.ruling().is_some());
        rules.next().is_some_and(|last| last.needs_second)
    }

    /// The appeals of a case, the earliest first.
    pub fn appeals_of<'a>(&'a self, subject: &str, id: &str) -> impl DoubleEndedIterator<Item = &'a Arc<Appealed>> {
        let (subject, id) = (subject.to_owned(), id.to_owned());
        self.appeals.iter().filter(move |appeal| appeal.subject == subject && appeal.id == id)
    }

    /// The files that came with an appeal.
    pub fn files_of(&self, appeal: &Appealed) -> impl Iterator<Item = &Arc<Filed>> {
        let number = appeal.number;
        self.files.iter().filter(move |(with, _)| *with == number).map(|(_, file)| file)
    }

    /// The file with that hash.
    pub fn file(&self, hash: &str) -> Option<&Arc<Filed>> {
        self.files.iter().map(|(_, file)| file).find(|file| file.hash == hash)
    }

    /// What was decided about the appeal, once that is final.
    pub fn outcome(&self, appeal: &Appealed) -> Option<&Arc<Decision>> {
        let is_outcome = |decision: &&Arc<Decision>| {
            decision.decided.number > appeal.number && decision.is_about_appeal() && decision.is_final()
        };
        self.of(&appeal.subject, &appeal.id).find(is_outcome)
    }

    /// The appeal of the case that waits, if one does.
    pub fn open_appeal(&self, subject: &str, id: &str) -> Option<&Arc<Appealed>> {
        self.appeals_of(subject, id).next_back().filter(|appeal| self.outcome(appeal).is_none())
    }

    /// Who said what is true of the case before the appeal: they have no say in it.
    pub fn decided_before(&self, appeal: &Appealed) -> impl Iterator<Item = &str> {
        let number = appeal.number;
        let before = move |decision: &&Arc<Decision>| decision.decided.number < number && !decision.decided.undone;
        let decisions = self.of(&appeal.subject, &appeal.id).filter(before);
        decisions.filter(|decision| decision.label().is_some()).map(|decision| decision.decided.by.as_str())
    }

    /// Whoever cannot bring the case to its end: who waits for a second person, and who said what is true before somebody appealed.
    pub fn said(&self, subject: &str, id: &str) -> Vec<&str> {
        let last = self.last(subject, id).filter(|last| last.decided.waits_for_second);
        let before = self.open_appeal(subject, id).into_iter().flat_map(|appeal| self.decided_before(appeal));
        before.chain(last.map(|last| last.decided.by.as_str())).collect()
    }

    /// The cases about which somebody has said something and somebody else has to: on appeal, or for a second person.
    pub fn for_others(&self) -> BTreeSet<(&str, &str)> {
        let appealed = self.appeals.iter().filter(|appeal| self.outcome(appeal).is_none());
        let appealed = appealed.map(|appeal| (appeal.subject.as_str(), appeal.id.as_str()));
        let waits = |decision: &&Arc<Decision>| decision.decided.waits_for_second && !decision.decided.undone;
        let second = self.all.iter().filter(waits).map(|decision| (decision.subject.as_str(), decision.id.as_str()));
        appealed.chain(second).collect()
    }

    /// What each person decided, those who decided most first.
    pub fn people(&self, now: Millis) -> Vec<Reviewer> {
        let mut people: Vec<Reviewer> = Vec::new();
        for decision in self.all.iter().filter(|decision| !decision.decided.undone) {
            let place = people.iter().position(|person| person.name == decision.decided.by).unwrap_or_else(|| {
                people.push(Reviewer { name: decision.decided.by.clone(), ..Reviewer::default() });
                people.len() - 1
            });
            let person = &mut people[place];
            person.decisions[0] += u64::from(now - decision.at < DAY_MS);
            person.decisions[1] += 1;
            person.overrides.0 += u64::from(decision.is_against_rules());
            person.overrides.1 += u64::from(decision.label().is_some());
        }
        people.sort_by(|a, b| b.decisions[1].cmp(&a.decisions[1]).then_with(|| a.name.cmp(&b.name)));
        people
    }

    /// By verdict, of the cases whose last decision is final: how many were confirmed, and how many there are.
    pub fn confirmed(&self) -> Vec<(String, u64, u64)> {
        let mut counts: BTreeMap<String, (u64, u64)> = BTreeMap::new();
        for last in self.closed().filter(|last| last.decided.verdict != Verdict::Allow.name()) {
            let (confirmed, all) = counts.entry(last.decided.verdict.clone()).or_default();
            *confirmed += u64::from(last.label() == Some(LabelKind::Fraud));
            *all += 1;
        }
        counts.into_iter().map(|(verdict, (confirmed, all))| (verdict, confirmed, all)).collect()
    }

    /// Of the verdicts that people closed last by a decision of these places, on whom somebody may see: how many were confirmed, and how many there are.
    pub fn confirmed_of(&self, made: Range<u64>, may_see: impl Fn(Subject) -> bool) -> (u64, u64) {
        let closed = self.closed().filter(|last| last.decided.verdict != Verdict::Allow.name());
        let seen = closed.filter(|last| Subject::named(&last.subject).is_some_and(&may_see));
        // Decisions are numbered from 1 on.
        let of_them = seen.filter(|last| made.contains(&(last.decided.number - 1)));
        of_them.fold((0, 0), |(confirmed, all), last| {
            (confirmed + u64::from(last.label() == Some(LabelKind::Fraud)), all + 1)
        })
    }

    /// By verdict, of the cases that were drawn by lot: what people found, and what that says of all that they were drawn from. Of a case the
    /// last word counts, whatever queue it came from: who was drawn and decided for another reason is in the sample, too.
    pub fn audited(&self) -> Vec<Audited> {
        let mut drawn: BTreeMap<&str, Vec<(f64, bool)>> = BTreeMap::new();
        for (subject, id) in self.cases() {
            let about = || self.of(subject, id).filter(|decision| !decision.decided.undone);
            let Some(first) = about().find(|decision| decision.decided.inclusion.is_some()) else { continue };
            let last = about().rev().find(|decision| decision.closes());
            if let (Some(inclusion), Some(label)) = (first.decided.inclusion, last.and_then(|last| last.label())) {
                let drawn = drawn.entry(&first.decided.verdict).or_default();
                drawn.push((inclusion, label == LabelKind::Fraud));
            }
        }
        let found = |(verdict, drawn): (&str, Vec<(f64, bool)>)| Audited {
            verdict: verdict.to_owned(),
            looked_at: drawn.len(),
            fraud: drawn.iter().filter(|(_, is_fraud)| *is_fraud).count(),
            share: share_of_hits(&drawn),
        };
        drawn.into_iter().map(found).collect()
    }

    /// How many decisions were made in each of the last so many hours, the earliest first; those that were undone are left out.
    pub fn by_hour(&self, now: Millis, hours: usize) -> Vec<(Millis, u64)> {
        let first = now.div_euclid(HOUR_MS) - hours as Millis + 1;
        let mut counts: Vec<(Millis, u64)> = (0..hours as Millis).map(|hour| ((first + hour) * HOUR_MS, 0)).collect();
        let recent = self.all.iter().rev().take_while(|decision| decision.at >= first * HOUR_MS);
        for decision in recent.filter(|decision| !decision.decided.undone) {
            let place = decision.at.div_euclid(HOUR_MS) - first;
            if let Some((_, count)) = usize::try_from(place).ok().and_then(|place| counts.get_mut(place)) {
                *count += 1;
            }
        }
        counts
    }

    /// Of the cases on which two people said what is true: on how many the last words of the first two agree whether it is fraud, how many
    /// there are, and how much that is beyond chance (Cohen's kappa, 1960); nothing where chance alone would always agree.
    pub fn agreement(&self) -> (u64, u64, Option<f64>) {
        let (mut agreed, mut all, mut fraud) = (0, 0, [0u64; 2]);
        for (subject, id) in self.cases() {
            let mut words: Vec<(&str, bool)> = Vec::new();
            for decision in self.of(subject, id).filter(|decision| !decision.decided.undone) {
                let Some(label) = decision.label() else { continue };
                let is_fraud = label == LabelKind::Fraud;
                match words.iter_mut().find(|(who, _)| *who == decision.decided.by) {
                    Some((_, word)) => *word = is_fraud,
                    None => words.push((&decision.decided.by, is_fraud)),
                }
            }
            let [(_, first), (_, second), ..] = words[..] else { continue };
            all += 1;
            agreed += u64::from(first == second);
            fraud[0] += u64::from(first);
            fraud[1] += u64::from(second);
        }
        let [first, second] = fraud.map(|fraud| fraud as f64 / all.max(1) as f64);
        let chance = first * second + (1.0 - first) * (1.0 - second);
        let kappa = (all > 0 && chance < 1.0).then(|| (agreed as f64 / all as f64 - chance) / (1.0 - chance));
        (agreed, all, kappa)
    }

    fn add(&mut self, number: u64, at: Millis, by: &str, line: Line) {
        let Line { subject, id, choice, reason, note, verdict, risk, payable, needs_second, inclusion, .. } = line;
        let reputations = line.reputations;
        let (at_text, by) = (instant::to_text(at), by.to_owned());
        let queue = if line.queue.is_empty() { Queue::Urgent.name().to_owned() } else { line.queue };
        let (place, together) = line.together.unwrap_or((0, 1));
        let (undone, waits_for_second) = (false, false);
        let decided = Decided {
            number,
            at: at_text,
            by,
            choice,
            reason,
            note,
            verdict,
            risk,
            undone,
            waits_for_second,
            queue,
            inclusion,
            together,
        };
        let is_second = false;
        let decision = Decision { subject, id, decided, at, payable, reputations, needs_second, is_second, place };
        let (subject, id) = (decision.subject.clone(), decision.id.clone());
        let place = self.all.len();
        self.all.push_back(Arc::new(decision));
        self.by_case.entry(subject.clone()).or_default().entry(id.clone()).or_default().push_back(place);
        self.settle(&subject, &id);
    }

    fn appeal(&mut self, number: u64, at: Millis, line: AppealLine) {
        let AppealLine { subject, id, text } = line;
        self.appeals.push_back(Arc::new(Appealed { number, at, subject, id, text }));
    }

    /// It came with the appeal that waits.
    fn take_file(&mut self, file: Filed) {
        if let Some(number) = self.open_appeal(&file.subject, &file.id).map(|appeal| appeal.number) {
            self.files.push_back((number, Arc::new(file)));
        }
    }

    /// Takes back a decision, and those that were made with it.
    fn undo(&mut self, number: u64) {
        let Some(found) = self.all.iter().rev().find(|decision| decision.decided.number == number) else { return };
        let (first, count) = found.together();
        (first..first + count).for_each(|number| self.undo_one(number));
    }

    fn undo_one(&mut self, number: u64) {
        let Some(place) = self.all.iter().rposition(|decision| decision.decided.number == number) else { return };
        let mut decision = Decision::clone(&self.all[place]);
        decision.decided.undone = true;
        let (subject, id) = (decision.subject.clone(), decision.id.clone());
        self.all.set(place, Arc::new(decision));
        self.settle(&subject, &id);
    }

    /// Says of the decisions of a case which wait: those that need a second person and have none who decided the same just before or after. What
    /// says nothing stands between nobody, and neither does what was undone.
    fn settle(&mut self, subject: &str, id: &str) {
        let places = self.by_case.get(subject).and_then(|cases| cases.get(id));
        let says = |place: &usize| !self.all[*place].decided.undone && self.all[*place].word().is_some();
        let places: Vec<usize> = places.into_iter().flatten().copied().filter(says).collect();
        for (at, place) in places.iter().enumerate() {
            let decision = self.all[*place].clone();
            let agrees = |other: &usize| {
                let other = &self.all[*other];
                other.decided.by != decision.decided.by && other.word() == decision.word()
            };
            let is_second = places[..at].last().is_some_and(agrees);
            let waits_for_second = decision.needs_second && !is_second && !places.get(at + 1).is_some_and(agrees);
            if (waits_for_second, is_second) != (decision.decided.waits_for_second, decision.is_second) {
                let mut decision = Decision { is_second, ..Decision::clone(&decision) };
                decision.decided.waits_for_second = waits_for_second;
                self.all.set(*place, Arc::new(decision));
            }
        }
    }
}

/// Of lines that a crash kept from the head, how many count: of what was decided at once all or nothing.
fn whole(lines: &[Done]) -> usize {
    let last = lines.last().filter(|last| last.what == DECISION);
    let last: Option<Line> = last.and_then(|last| serde_json::from_str(&last.about).ok());
    match last.and_then(|last| last.together) {
        Some((place, count)) if place + 1 < count => lines.len().saturating_sub(place as usize + 1),
        _ => lines.len(),
    }
}

/// The file and its sum.
pub struct Decisions {
    record: Audit,
    sum: Mutex<Sum>,
}

impl Decisions {
    /// Opens the decisions of a service's folder, to which this process adds. What a crash tore goes.
    ///
    /// # Errors
    /// When somebody changed them, or their end is missing: names the places.
    pub fn open(state: &Path) -> Result<Decisions, Failure> {
        let record = Audit::open_with(state, DECISIONS, whole)?;
        record.mend()?;
        Decisions::of(state, record)
    }

    /// Reads the decisions of a service's folder, also of one that runs; changes nothing.
    ///
    /// # Errors
    /// When somebody changed them, or their end is missing: names the places.
    pub fn read(state: &Path) -> Result<Decisions, Failure> {
        Decisions::of(state, Audit::open_with(state, DECISIONS, whole)?)
    }

    fn of(state: &Path, record: Audit) -> Result<Decisions, Failure> {
        let counted = record.counted()?;
        let checked = record.verify()?;
        if let Some(wrong) = checked.wrong.first() {
            return Err(Failure::Input(format!("{}/{DECISIONS}.jsonl: {wrong}", state.display())));
        }
        let mut sum = Sum::default();
        record.each(|number, done| {
            let Some(done) = done.ok().filter(|_| number <= counted) else { return };
            match (done.what.as_str(), serde_json::from_str(&done.about), done.about.parse()) {
                (DECISION, Ok(line), _) => {
                    sum.add(number, instant::from_text(&done.at).unwrap_or_default(), &done.who, line);
                }
                (UNDO, _, Ok(undone)) => sum.undo(undone),
                (APPEAL, ..) => {
                    let line = serde_json::from_str(&done.about);
                    let at = instant::from_text(&done.at).unwrap_or_default();
                    line.into_iter().for_each(|line| sum.appeal(number, at, line));
                }
                (FILE, ..) => {
                    let file = serde_json::from_str(&done.about);
                    file.into_iter().for_each(|file| sum.take_file(file));
                }
                _ => {}
            }
        })?;
        Ok(Decisions { record, sum: Mutex::new(sum) })
    }

    /// All decisions as of now.
    pub fn now(&self) -> Sum {
        self.sum.lock().expect("nobody panics with it").clone()
    }

    /// Takes decisions that were looked at, all or none, if they may be made as of now; the number of the first. They are on disk when this
    /// returns, and are undone together. Nothing is decided between the question and the answer.
    ///
    /// # Errors
    /// When they may not be made, or cannot be written.
    pub fn add(
        &self,
        by: &str,
        made: Vec<(Choice, Circumstances)>,
        may: impl FnOnce(&Sum) -> Result<(), String>,
    ) -> Result<u64, String> {
        let count = made.len() as u64;
        let line = |(place, (made, circumstances)): (u64, (Choice, Circumstances))| {
            let Choice { subject, id, choice, reason, note, verdict, queue, .. } = made;
            let Circumstances { risk, payable, needs_second, inclusion, reputations } = circumstances;
            let queue = if queue == Queue::Urgent { String::new() } else { queue.name().to_owned() };
            let together = (count > 1).then_some((place, count));
            Line {
                subject,
                id,
                choice,
                reason,
                note,
                verdict,
                risk,
                payable,
                needs_second,
                queue,
                inclusion,
                together,
                reputations,
            }
        };
        let lines: Vec<Line> = (0..).zip(made).map(line).collect();
        let text = |line: &Line| serde_json::to_string(line).expect("texts and numbers have a JSON form");
        let texts: Vec<String> = lines.iter().map(text).collect();
        let mut sum = self.sum.lock().expect("nobody panics with it");
        may(&sum)?;
        let last = self.record.enter_each(by, DECISION, &texts).map_err(|failure| failure.to_string())?;
        let first = last + 1 - count;
        (first..).zip(lines).for_each(|(number, line)| sum.add(number, now(), by, line));
        Ok(first)
    }

    /// Takes an appeal of the one the case is about. It is on disk when this returns.
    ///
    /// # Errors
    /// When one waits already, there were as many as are heard, or it cannot be written.
    pub fn appeal(&self, subject: &str, id: &str, text: &str) -> Result<(), Failure> {
        let mut sum = self.sum.lock().expect("nobody panics with it");
        if sum.open_appeal(subject, id).is_some() {
            return Err(Failure::Usage("your appeal waits to be decided".to_owned()));
        }
        if sum.appeals_of(subject, id).count() >= APPEALS_MAX {
            return Err(Failure::Usage(format!("{APPEALS_MAX} appeals were decided; no further one is heard here")));
        }
        let line = AppealLine { subject: subject.to_owned(), id: id.to_owned(), text: text.to_owned() };
        let about = serde_json::to_string(&line).expect("texts have a JSON form");
        let number = self.record.enter(CONCERNED, APPEAL, &about)?;
        sum.appeal(number, now(), line);
        Ok(())
    }

    /// Takes a file for the appeal that waits. It is on disk when this returns that it came.
    ///
    /// # Errors
    /// When none waits, it has as many as are taken, or it cannot be written.
    pub fn file(&self, file: Filed) -> Result<(), Failure> {
        let mut sum = self.sum.lock().expect("nobody panics with it");
        let Some(appeal) = sum.open_appeal(&file.subject, &file.id) else {
            return Err(Failure::Usage("no appeal waits that it could belong to".to_owned()));
        };
        if sum.files_of(appeal).count() >= FILES_MAX {
            return Err(Failure::Usage(format!("{FILES_MAX} files came with this appeal; no further one is taken")));
        }
        let about = serde_json::to_string(&file).expect("texts and a number have a JSON form");
        self.record.enter(CONCERNED, FILE, &about)?;
        sum.take_file(file);
        Ok(())
    }

    /// Takes back a decision and those that were made with it; the first of them.
    ///
    /// # Errors
    /// When it is somebody else's, too old or undone already, or it cannot be written.
    pub fn undo(&self, by: &str, number: u64) -> Result<Arc<Decision>, Failure> {
        let mut sum = self.sum.lock().expect("nobody panics with it");
        let found = sum.all.iter().rev().find(|decision| decision.decided.number == number).cloned();
        let decision = match found {
            None => Err("there is no such decision"),
            Some(decision) if decision.decided.by != by => Err("somebody else decided that"),
            Some(decision) if decision.decided.undone => Err("it was undone already"),
            Some(decision) if now() - decision.at > UNDO_MS => Err("30 s have passed; decide anew"),
            Some(decision) => Ok(decision),
        };
        let decision = decision.map_err(|why| Failure::Usage(why.to_owned()))?;
        let (first, _) = decision.together();
        self.record.enter(by, UNDO, &number.to_string())?;
        sum.undo(number);
        Ok(sum.all.iter().rev().find(|other| other.decided.number == first).cloned().unwrap_or(decision))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn choice(choice: &str, reason: &str) -> Choice {
        let text = str::to_owned;
        Choice {
            subject: text("account"),
            id: text("a1"),
            choice: text(choice),
            reason: text(reason),
            note: String::new(),
            verdict: text("block"),
            queue: Queue::Urgent,
            seen: 0,
        }
    }

    fn add(decisions: &Decisions, by: &str, made: Vec<(Choice, Circumstances)>) -> Result<u64, String> {
        decisions.add(by, made, |_| Ok(()))
    }

    fn said(word: &str, reason: &str, needs_second: bool) -> Vec<(Choice, Circumstances)> {
        let circumstances = Circumstances { risk: 0.9, payable: 7, needs_second, ..Circumstances::default() };
        vec![(choice(word, reason), circumstances)]
    }

    #[test]
    fn an_appeal_is_decided_once_by_somebody_else_and_its_outcome_is_a_ruling() {
        let folder = tempfile::tempdir().expect("a folder");
        let decisions = Decisions::open(folder.path()).expect("nobody changed them");
        add(&decisions, "ana", said("confirm", "", false)).expect("it is written");
        let ruling = |sum: &Sum| sum.last("account", "a1").and_then(|last| last.ruling());
        assert_eq!(ruling(&decisions.now()), Some(RulingKind::Confirmed(Verdict::Block)));
        decisions.appeal("account", "a1", "that was a concert").expect("none waits");
        assert!(decisions.appeal("account", "a1", "hurry").is_err());
        let sum = decisions.now();
        let appeal = sum.open_appeal("account", "a1").expect("it waits");
        assert_eq!(sum.decided_before(appeal).collect::<Vec<_>>(), ["ana"]);
        let undone = add(&decisions, "bob", said(UPHOLD, "", false)).expect("it is written");
        decisions.undo("bob", undone).expect("it is young and his");
        assert!(decisions.now().open_appeal("account", "a1").is_some());
        add(&decisions, "bob", said(OVERTURN, "fans", false)).expect("it is written");
        let sum = Decisions::open(folder.path()).expect("nobody changed them").now();
        assert_eq!((sum.open_appeal("account", "a1"), ruling(&sum)), (None, Some(RulingKind::Cleared)));
        let outcome = sum.appeals.iter().find_map(|appeal| sum.outcome(appeal)).expect("it was decided");
        assert_eq!((outcome.decided.by.as_str(), outcome.payable), ("bob", 7));
        for _ in 1..APPEALS_MAX {
            decisions.appeal("account", "a1", "once more").expect("none waits");
            add(&decisions, "bob", said(UPHOLD, "", false)).expect("it is written");
        }
        assert!(decisions.appeal("account", "a1", "once more").is_err());
    }

    #[test]
    fn decisions_are_kept_undone_and_need_two_where_much_depends_on_them() {
        let folder = tempfile::tempdir().expect("a folder");
        let decisions = Decisions::open(folder.path()).expect("nobody changed them");
        let first = add(&decisions, "ana", said("override", "victim", true)).expect("it is written");
        assert_eq!(decisions.now().last("account", "a1").map(|last| last.standing()), Some("waits"));
        // The same person again is no second one.
        let again = add(&decisions, "ana", said("override", "victim", true)).expect("it is written");
        assert_eq!(decisions.now().last("account", "a1").map(|last| last.standing()), Some("waits"));
        assert!(decisions.undo("bob", again).is_err());
        decisions.undo("ana", again).expect("it is young and hers");
        assert!(decisions.undo("ana", again).is_err());
        let second = add(&decisions, "bob", said("override", "victim", true)).expect("it is written");
        // What was undone stands between nobody.
        let standing = |sum: &Sum| sum.of("account", "a1").map(|decision| decision.standing()).collect::<Vec<_>>();
        assert_eq!(standing(&decisions.now()), ["final", "undone", "final"]);
        let third = add(&decisions, "ana", said("override", "victim", true)).expect("it is written");
        assert_eq!(standing(&decisions.now()), ["final", "undone", "final", "final"]);
        assert_eq!(decisions.now().last("account", "a1").and_then(|last| last.label()), Some(LabelKind::Victim));
        assert_eq!([first, again, second, third], [1, 2, 4, 5]);
        let sum = decisions.now();
        assert_eq!((sum.confirmed(), sum.agreement()), (vec![("block".to_owned(), 0, 1)], (1, 1, None)));
        let people: Vec<_> =
            sum.people(now()).into_iter().map(|person| (person.name, person.decisions[1], person.overrides)).collect();
        assert_eq!(people, [("ana".to_owned(), 2, (2, 2)), ("bob".to_owned(), 1, (1, 1))]);

        let (before, path) = (decisions.now(), folder.path().join("decisions.jsonl"));
        let opened = Decisions::open(folder.path()).expect("nobody changed them").now();
        assert_eq!(standing(&opened), standing(&before));
        let text = std::fs::read_to_string(&path).expect("a file");
        std::fs::write(&path, text.replace("victim", "fans")).expect("a file");
        assert!(Decisions::open(folder.path()).is_err());
    }

    #[test]
    fn files_come_with_the_appeal_that_waits() {
        let folder = tempfile::tempdir().expect("a folder");
        let decisions = Decisions::open(folder.path()).expect("nobody changed them");
        let text = str::to_owned;
        let file = |name: &str| Filed {
            subject: text("account"),
            id: text("a1"),
            name: text(name),
            kind: text("PDF"),
            bytes: 8,
            hash: blake3::hash(name.as_bytes()).to_hex().to_string(),
        };
        assert!(decisions.file(file("early.pdf")).is_err());
        for round in 0..2 {
            decisions.appeal("account", "a1", "that was a concert").expect("none waits");
            for name in 0..FILES_MAX {
                decisions.file(file(&format!("{round} {name}"))).expect("there is room");
            }
            assert!(decisions.file(file("one more")).is_err());
            add(&decisions, "bob", said(UPHOLD, "", false)).expect("it is written");
        }
        assert!(decisions.file(file("late.pdf")).is_err());
        let sum = Decisions::open(folder.path()).expect("nobody changed them").now();
        let names = sum.appeals.iter().map(|appeal| sum.files_of(appeal).map(|file| file.name.clone()).collect());
        let names: Vec<Vec<String>> = names.collect();
        let expected = |round| (0..FILES_MAX).map(|name| format!("{round} {name}")).collect::<Vec<_>>();
        assert_eq!(names, [expected(0), expected(1)]);
        assert!(sum.file(&file("0 0").hash).is_some() && sum.file("").is_none());
    }

    #[test]
    fn what_was_decided_together_is_undone_together() {
        let folder = tempfile::tempdir().expect("a folder");
        let decisions = Decisions::open(folder.path()).expect("nobody changed them");
        let of = |id: &str| Choice { id: id.to_owned(), ..choice("confirm", "") };
        let circumstances = || Circumstances { risk: 0.5, ..Circumstances::default() };
        add(&decisions, "ana", vec![(of("a0"), circumstances())]).expect("it is written");
        let all = ["a1", "a2", "a3"].map(|id| (of(id), circumstances())).to_vec();
        let first = add(&decisions, "ana", all).expect("they are written");
        let undone = || decisions.now().all.iter().map(|decision| decision.decided.undone).collect::<Vec<_>>();
        assert_eq!((first, undone()), (2, vec![false; 4]));
        assert!(decisions.undo("bob", 3).is_err());
        // Any of them stands for all.
        assert_eq!(decisions.undo("ana", 3).expect("they are young and hers").id, "a1");
        assert_eq!(undone(), [false, true, true, true]);
        let opened = Decisions::open(folder.path()).expect("nobody changed them").now();
        assert!(opened.all.iter().map(|decision| decision.decided.undone).eq(undone()));
    }

    #[test]
    fn of_those_drawn_each_counts_for_all_that_it_was_drawn_from() {
        let folder = tempfile::tempdir().expect("a folder");
        let decisions = Decisions::open(folder.path()).expect("nobody changed them");
        let decide = |id: &str, word: &str, verdict: &str, inclusion: Option<f64>| {
            let made = Choice { id: id.to_owned(), verdict: verdict.to_owned(), ..choice(word, "") };
            let circumstances = Circumstances { inclusion, ..Circumstances::default() };
            add(&decisions, "ana", vec![(made, circumstances)]).expect("it is written");
        };
        // One in four was drawn of the one kind, one in two of the other; who was not drawn says nothing of others.
        decide("a1", HONEST, "allow", Some(0.25));
        decide("a2", FRAUD, "allow", Some(0.5));
        decide("a3", "confirm", "block", None);
        decide("a4", "confirm", "block", Some(0.5));
        // The last word counts.
        decide("a4", "override", "block", None);
        decide("a5", "skip", "hold", Some(0.5));
        let found: Vec<_> = decisions.now().audited();
        let told: Vec<_> = found.iter().map(|one| (one.verdict.as_str(), one.looked_at, one.fraud)).collect();
        assert_eq!(told, [("allow", 2, 1), ("block", 1, 0)]);
        let [share, low, high] = found[0].share;
        assert!((share - 2.0 / 6.0).abs() < 1e-9 && low < share && share < high, "{:?}", found[0]);
        assert_eq!(decisions.now().by_hour(now(), 48).iter().map(|(_, count)| count).sum::<u64>(), 6);
    }

    #[test]
    fn two_agree_whatever_says_nothing_between_them_and_the_later_one_is_told() {
        let folder = tempfile::tempdir().expect("a folder");
        let decisions = Decisions::open(folder.path()).expect("nobody changed them");
        let told = || decisions.now().all.iter().map(|decision| decision.is_told()).collect::<Vec<_>>();
        add(&decisions, "ana", said("override", "fans", true)).expect("it is written");
        add(&decisions, "carl", said("skip", "", false)).expect("it is written");
        let second = add(&decisions, "bob", said("override", "habit", true)).expect("it is written");
        // However old the first one is: it is the second that can still be undone.
        assert_eq!(told(), [false, false, true]);
        decisions.undo("bob", second).expect("it is young and his");
        assert_eq!(told(), [false; 3]);
        assert_eq!(decisions.now().last("account", "a1").map(|last| last.standing()), Some("open"));
        // Who says otherwise stands between.
        add(&decisions, "carl", said("confirm", "", true)).expect("it is written");
        add(&decisions, "bob", said("override", "habit", true)).expect("it is written");
        assert_eq!(told(), [false; 5]);
        // What two ruled two take back.
        add(&decisions, "ana", said("override", "fans", true)).expect("it is written");
        assert!(decisions.now().two_ruled("account", "a1"));
        add(&decisions, "ana", said(WITHDRAW, "", true)).expect("it is written");
        assert_eq!(decisions.now().last("account", "a1").map(|last| last.standing()), Some("waits"));
        add(&decisions, "bob", said(WITHDRAW, "", true)).expect("it is written");
        assert_eq!(told(), [false, false, false, false, false, true, false, true]);
    }

    #[test]
    fn of_two_that_decide_at_once_one_is_taken() {
        let folder = tempfile::tempdir().expect("a folder");
        let decisions = Decisions::open(folder.path()).expect("nobody changed them");
        let unseen = |sum: &Sum| {
            // Whoever asks beside another one has the time to do so.
            std::thread::sleep(std::time::Duration::from_millis(20));
            (sum.seen("account", "a1") == 0).then_some(()).ok_or_else(|| "look again".to_owned())
        };
        let taken = std::thread::scope(|scope| {
            let one = |by: &'static str| decisions.add(by, said("confirm", "", false), unseen).is_ok();
            let all = ["ana", "bob", "carl", "dora"].map(|by| scope.spawn(move || one(by)));
            all.into_iter().map(|one| one.join().expect("it ends")).filter(|taken| *taken).count()
        });
        assert_eq!((taken, decisions.now().all.len()), (1, 1));
    }

    #[test]
    fn a_kill_amid_what_is_decided_at_once_leaves_all_of_it_or_nothing() {
        let folder = tempfile::tempdir().expect("a folder");
        let at = |name: &str| folder.path().join(name);
        let of = |id: &str| Choice { id: id.to_owned(), ..choice("confirm", "") };
        let batch = |count: usize| {
            (0..count).map(|number| (of(&format!("b{number}")), Circumstances::default())).collect::<Vec<_>>()
        };
        let opened = || Decisions::open(folder.path());
        add(&opened().expect("nobody changed them"), "ana", batch(1)).expect("it is written");
        let read = |name: &str| std::fs::read(at(name)).expect("a file");
        let (one, head) = (read("decisions.jsonl"), read("decisions.head"));
        add(&opened().expect("nobody changed them"), "ana", batch(4)).expect("they are written");
        let (all, told) = (read("decisions.jsonl"), read("decisions.head"));
        let put = |bytes: &[u8], head: &[u8]| {
            std::fs::write(at("decisions.jsonl"), bytes).expect("a file");
            std::fs::write(at("decisions.head"), head).expect("a file");
        };
        // At both sides of the end of each line, and at each seventh byte of them.
        let is_tried = |cut: &usize| cut.is_multiple_of(7) || all[cut - 1] == b'\n' || all.get(*cut) == Some(&b'\n');
        for cut in (one.len()..=all.len()).filter(is_tried) {
            // Who only reads sees the same, and cuts nothing.
            put(&all[..cut], &head);
            let count = if cut == all.len() { 5 } else { 1 };
            let read_only = Decisions::read(folder.path()).expect("that is no change").now().all.len();
            assert_eq!((read_only, read("decisions.jsonl").len()), (count, cut));
            let open = opened().unwrap_or_else(|failure| panic!("cut at byte {cut}: {failure}"));
            assert_eq!(open.now().all.len(), count, "cut at byte {cut}");
            // It goes on where that ends.
            if cut.is_multiple_of(16) {
                assert_eq!(add(&open, "bob", batch(2)).expect("they are written"), count as u64 + 1);
                assert_eq!(opened().expect("nobody changed them").now().all.len(), count + 2);
            }
        }
        // What was acknowledged is not lost in silence.
        for cut in (one.len()..all.len()).filter(is_tried) {
            put(&all[..cut], &told);
            assert!(opened().is_err() && Decisions::read(folder.path()).is_err(), "cut at byte {cut}");
        }
        // Beyond the head, too, a line that somebody changed is none that a crash left.
        let changed = String::from_utf8(all.clone()).expect("text").replace("b2", "b9");
        put(changed.as_bytes(), &head);
        assert!(opened().is_err());
        put(&all, &told);
        assert_eq!(opened().expect("nobody changed them").now().all.len(), 5);
    }
}
