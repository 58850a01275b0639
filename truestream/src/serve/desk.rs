//! What stands on the pages of the review desk: cases from the shelf, beside what people decided.
//!
//! ```text
//! shelf as of an instant ──▶ verdicts, most urgent first ──▶ cases ──▶ decision ──▶ decisions ──▶ rulings and labels in the log
//!          ▲                                                                                                  │
//!          └──────────────────────────────────────── at the next tick ◀───────────────────────────────────────┘
//! ```

use std::cmp::Ordering;
use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use console::Guest;
use console::desk::{
    Appeal, Audio, CHOICES, Case, CaseLine, Cases, Choice, Contribution, Desk, Hit, InForce, Linked, Measure, OVERTURN,
    Outcome, Overview, REASONS, Statement, UPHOLD, WITHDRAW, Wanted,
};
use dataflows::clock::Tick;
use datasets::formats::instant;
use datasets::intake::pseudonyms::Whose;
use datasets::intake::{self, Ids};
use datasets::log::{Entry, Rows};
use datasets::tables::read::IdKinds;
use datasets::tables::{Cell, IdKind};
use features::tally::Axis;
use records::{Deed, Id, Label, LabelKind, Millis, Role, Ruled, Ruling, Subject, Verdict};
use serde_json::Value;
use sql::Users;

use super::appeals::{self, Codes};
use super::args::Time;
use super::audit::Clerk;
use super::decisions::{Appealed, Decision, Decisions, SECOND_USD, Sum, UNDO_MS};
use super::exhibits::Exhibits;
use super::gate::Gate;
use super::lookup::Span;
use super::people::People;
use super::shelf::{Asked, Shelf, Stated};
use super::state::now;
use crate::replay::views::{RowKey, RowValue, VerdictRow, View, window_counts};

/// Cases on a page.
const PER_PAGE: usize = 50;
/// Whoever opened a case has so long before others are offered it.
const CLAIMED_FOR: Duration = Duration::from_secs(600);
/// Who said something about a case, and be it to skip it, is not offered it again for so long.
const SAID_FOR_MS: Millis = 24 * 3_600_000;
/// A subject is compared with so many of its kind at most: enough for a share, and for a page in time.
const COMPARED_MAX: usize = 50_000;
/// So many signals are named in a statement.
const SAID_MAX: usize = 5;
const DAY_MS: Millis = 24 * 3_600_000;
/// So many that are linked are shown.
const LINKED_MAX: usize = 200;
/// What a payable play costs, in USD: between 0.003 and 0.005 on the largest service (published payouts per stream).
const USD_PER_PLAY: f64 = 0.004;
/// The sources of labels and of rulings in the log.
const LABELS: &str = "desk";
const RULINGS: &str = "desk-rulings";

/// How much of the time is over within which a verdict is to be looked at; 1 and more is too late. Whoever is blocked waits for no money,
/// whoever is held for its next payout.
fn clock(waits_hours: f64, verdict: Verdict) -> f64 {
    waits_hours / if verdict == Verdict::Hold { 72.0 } else { 24.0 }
}

/// Whether somebody decided about the verdict that there is.
fn is_closed(last: Option<&Arc<Decision>>, verdict: Verdict) -> bool {
    last.is_some_and(|last| last.closes() && last.decided.verdict == verdict.name())
}

/// A subject with a verdict, and how urgent it is that somebody looks at it. There may be a hundred thousand of them: what else a line of the
/// list says is looked up for the lines of a page alone.
struct Ranked {
    subject: Subject,
    id: String,
    verdict: Verdict,
    waits_hours: f64,
    urgency: f64,
}

/// Those of an instant, the most urgent first.
struct Ranking {
    as_of: Option<Millis>,
    ranked: Vec<Ranked>,
}

/// A case, and who claimed it until when.
type Claims = HashMap<(String, String), (String, Instant)>;

/// The desk.
pub struct ReviewDesk {
    shelf: Arc<Shelf>,
    people: Arc<People>,
    clerk: Clerk,
    decisions: Arc<Decisions>,
    codes: Codes,
    ids: Ids,
    exhibits: Exhibits,
    claims: Mutex<Claims>,
    ranking: Mutex<Option<Arc<Ranking>>>,
}

impl ReviewDesk {
    /// The desk before that shelf.
    pub fn new(
        shelf: Arc<Shelf>,
        people: Arc<People>,
        clerk: Clerk,
        decisions: Arc<Decisions>,
        codes: Codes,
        ids: Ids,
        exhibits: Exhibits,
    ) -> ReviewDesk {
        let (claims, ranking) = (Mutex::default(), Mutex::default());
        ReviewDesk { shelf, people, clerk, decisions, codes, ids, exhibits, claims, ranking }
    }

    /// Everybody with a verdict; ranked once for an instant.
    fn ranking(&self, stated: &Stated) -> Arc<Ranking> {
        let as_of = self.shelf.outline.as_of(stated);
        let mut last = self.ranking.lock().expect("nobody panics with it");
        if let Some(ranking) = last.as_ref().filter(|ranking| ranking.as_of == as_of) {
            return ranking.clone();
        }
        let mut ranked: Vec<Ranked> = Vec::new();
        for (key, value, since) in stated.standing() {
            let (RowKey::Subject(subject, id), RowValue::Verdict(row)) = (key, &**value) else { continue };
            let stake_usd = self.payable(stated, *subject, id) as f64 * USD_PER_PLAY;
            let waits_hours = self.waits_hours(as_of, since);
            let urgency = row.r.share() * (1.0 + stake_usd) * (1.0 + clock(waits_hours, row.verdict));
            ranked.push(Ranked { subject: *subject, id: id.clone(), verdict: row.verdict, waits_hours, urgency });
        }
        ranked.sort_by(|a, b| b.urgency.total_cmp(&a.urgency));
        let ranking = Arc::new(Ranking { as_of, ranked });
        *last = Some(ranking.clone());
        ranking
    }

    /// For how long, in hours, there has been a verdict without a break.
    fn waits_hours(&self, as_of: Option<Millis>, since: Option<Tick>) -> f64 {
        let since = since.map(|tick| self.shelf.outline.instant(tick));
        as_of.zip(since).map_or(0.0, |(as_of, since)| (as_of - since) as f64 / 3_600_000.0)
    }

    fn line(&self, stated: &Stated, subject: Subject, id: &str, row: Option<&VerdictRow>, sum: &Sum) -> CaseLine {
        let verdict = row.map_or(Verdict::Allow, |row| row.verdict);
        let payable = self.payable(stated, subject, id);
        let since = stated.since(&RowKey::Subject(subject, id.to_owned()));
        let waits_hours = self.waits_hours(self.shelf.outline.as_of(stated), since);
        CaseLine {
            subject: subject.name().to_owned(),
            id: id.to_owned(),
            verdict: verdict.name().to_owned(),
            risk: row.map_or(0.0, |row| row.r.share()),
            payable,
            stake_usd: payable as f64 * USD_PER_PLAY,
            waits_hours,
            clock: clock(waits_hours, verdict),
            reason: row.and_then(|row| row.reasons.first().cloned()).unwrap_or_default(),
            claimed_by: None,
            decided: sum.last(subject.name(), id).map(|last| last.decided.clone()),
        }
    }

    /// Payable plays of the longest window.
    fn payable(&self, stated: &Stated, subject: Subject, id: &str) -> u64 {
        let Some(key) = self.id(subject, id) else { return 0 };
        let longest = self.shelf.outline.labels.len().saturating_sub(1) as u8;
        let mut payable: u64 = 0;
        let mut part = [Span::Row(RowKey::Window(longest, key))].into();
        stated.copy(View::Window(subject.into()), &mut part, 1, |_, value| {
            if let RowValue::Window(row) = &**value {
                payable = row.payable.into();
            }
            true
        });
        payable
    }

    fn id(&self, subject: Subject, id: &str) -> Option<Id> {
        id_of(self.shelf.outline.names.kind(subject.space()), id)
    }

    /// Who looks at it, where that is somebody else.
    fn claimed(&self, guest: &Guest, subject: &str, id: &str) -> Option<String> {
        let claims = self.claims.lock().expect("nobody panics with it");
        let (who, until) = claims.get(&(subject.to_owned(), id.to_owned()))?;
        (*who != guest.name && Instant::now() < *until).then(|| who.clone())
    }

    /// Claims it for the guest, unless somebody else has it; who that is.
    fn claim(&self, guest: &Guest, subject: &str, id: &str) -> Option<String> {
        if !decides(guest) {
            return self.claimed(guest, subject, id);
        }
        let now = Instant::now();
        let mut claims = self.claims.lock().expect("nobody panics with it");
        claims.retain(|_, (_, until)| now < *until);
        let claim = claims.entry((subject.to_owned(), id.to_owned()));
        let (who, until) = claim.or_insert_with(|| (guest.name.clone(), now));
        if *who != guest.name {
            return Some(who.clone());
        }
        *until = now + CLAIMED_FOR;
        None
    }

    fn verdict_row(&self, stated: &Stated, subject: Subject, id: &str) -> Option<Arc<RowValue>> {
        let mut found = None;
        let mut part = [Span::Row(RowKey::Subject(subject, id.to_owned()))].into();
        stated.copy(View::Verdict, &mut part, 1, |_, value| {
            found = Some(value.clone());
            true
        });
        found
    }

    /// What a person ruled about it, where that is in force.
    fn ruling(&self, stated: &Stated, subject: Subject, id: &str) -> Option<InForce> {
        let mut found = None;
        let mut part = [Span::Row(RowKey::Subject(subject, id.to_owned()))].into();
        stated.copy(View::Ruling, &mut part, 1, |_, value| {
            if let RowValue::Ruling(ruling) = &**value {
                found = Some(InForce {
                    ruling: ruling.kind.name().to_owned(),
                    verdict: ruling.kind.verdict().map_or("", Verdict::name).to_owned(),
                    known_at: instant::to_text(ruling.known_at),
                    until: ruling.until.map(instant::to_text),
                    by: ruling.ruled_by.clone().unwrap_or_default(),
                    reason: ruling.reason.clone().unwrap_or_default(),
                });
            }
            true
        });
        found
    }

    /// The last appeal of a case.
    fn last_appeal(&self, sum: &Sum, subject: Subject, id: &str) -> Option<Appeal> {
        let appeal = sum.appeals_of(subject.name(), id).next_back()?;
        let due = appeal.at + appeals::DAYS * DAY_MS;
        let outcome = sum.outcome(appeal).map(|decision| Outcome {
            at: decision.decided.at.clone(),
            choice: decision.decided.choice.clone(),
            payable: decision.payable,
            stake_usd: decision.payable as f64 * USD_PER_PLAY,
        });
        Some(Appeal {
            at: instant::to_text(appeal.at),
            due: instant::to_text(due),
            is_late: outcome.is_none() && now() > due,
            text: appeal.text.clone(),
            outcome,
        })
    }

    /// The cases that somebody appealed against, by how long that waits.
    fn appealed(&self, guest: &Guest) -> Vec<CaseLine> {
        let (stated, sum) = (self.shelf.now(), self.decisions.now());
        let open = sum.appeals.iter().filter(|appeal| sum.outcome(appeal).is_none());
        let line = |appeal: &Arc<Appealed>| {
            let subject = Subject::named(&appeal.subject).filter(|subject| may_see(guest, *subject))?;
            let row = self.verdict_row(&stated, subject, &appeal.id);
            let line = self.line(&stated, subject, &appeal.id, verdict_of(row.as_deref()), &sum);
            let waits_hours = (now() - appeal.at).max(0) as f64 / 3_600_000.0;
            Some(CaseLine { waits_hours, clock: waits_hours / (appeals::DAYS as f64 * 24.0), ..line })
        };
        open.filter_map(line).collect()
    }

    /// What it has in each window, and where that lies among its like.
    fn measures(&self, stated: &Stated, subject: Subject, id: &str) -> Vec<Measure> {
        let (Some(key), axis) = (self.id(subject, id), Axis::from(subject)) else { return Vec::new() };
        let windows = self.shelf.outline.labels.len();
        let mut measures: Vec<Measure> = Vec::new();
        for window in 0..windows {
            let own = self.figures(stated, axis, RowKey::Window(window as u8, key.clone()));
            if measures.is_empty() {
                let measure =
                    |(name, _): &(&str, f64)| Measure { name: (*name).to_owned(), cells: vec![None; windows] };
                measures = own.iter().map(measure).collect();
            }
            let shares = self.shares_below(stated, axis, window as u8, &own);
            for (measure, ((_, own), below)) in measures.iter_mut().zip(own.iter().zip(shares)) {
                measure.cells[window] = Some((*own, below));
            }
        }
        measures
    }

    /// The numbers of a row of a window view; nothing where there is none.
    fn figures(&self, stated: &Stated, axis: Axis, key: RowKey) -> Vec<(&'static str, f64)> {
        let mut figures = Vec::new();
        stated.copy(View::Window(axis), &mut [Span::Row(key)].into(), 1, |_, value| {
            figures = numbers(axis, value);
            true
        });
        figures
    }

    /// Of each number, the share of its like that have less.
    fn shares_below(&self, stated: &Stated, axis: Axis, window: u8, own: &[(&str, f64)]) -> Vec<f64> {
        let (mut below, mut all) = (vec![0u64; own.len()], 0u64);
        let first = |window: u8| RowKey::Window(window, Id::Number(0));
        let mut part: VecDeque<Span> = [Span::Rows(first(window), Some(first(window + 1)))].into();
        stated.copy(View::Window(axis), &mut part, if own.is_empty() { 0 } else { COMPARED_MAX }, |_, value| {
            all += 1;
            for ((_, theirs), ((_, own), below)) in numbers(axis, value).iter().zip(own.iter().zip(&mut below)) {
                *below += u64::from(theirs < own);
            }
            true
        });
        below.into_iter().map(|below| below as f64 / all.max(1) as f64).collect()
    }

    /// Who shares devices with an account, and who plays in step with it.
    fn linked(&self, stated: &Stated, subject: Subject, id: &str) -> Vec<Linked> {
        let Some(own) = self.id(subject, id).filter(|_| subject == Subject::Account) else { return Vec::new() };
        let mut found: Vec<(Id, String)> = Vec::new();
        stated.copy(View::Lockstep, &mut [Span::All].into(), usize::MAX, |key, value| {
            if let (RowKey::Pair(a, b), RowValue::Count(shared)) = (key, &**value)
                && found.len() < LINKED_MAX
                && (*a == own || *b == own)
            {
                let other = if *a == own { b } else { a };
                found.push((
                    other.clone(),
                    format!("played the same track in the same ten minutes {shared} times in a day"),
                ));
            }
            true
        });
        let mut group = None;
        stated.copy(View::Groups, &mut [Span::Row(RowKey::Account(own.clone()))].into(), 1, |_, value| {
            group = Some(value.clone());
            true
        });
        if let Some(RowValue::Group(group, size)) = group.as_deref() {
            stated.copy(View::Groups, &mut [Span::All].into(), usize::MAX, |key, value| {
                if let (RowKey::Account(other), RowValue::Group(theirs, _)) = (key, &**value)
                    && found.len() < LINKED_MAX
                    && theirs == group
                    && *other != own
                {
                    found.push((other.clone(), format!("in the same group of {size} accounts that share devices")));
                }
                true
            });
        }
        let linked = |(other, why): (Id, String)| {
            let id = other.to_string();
            let row = self.verdict_row(stated, Subject::Account, &id);
            let verdict = match row.as_deref() {
                Some(RowValue::Verdict(row)) => row.verdict.name(),
                _ => "",
            };
            Linked { subject: Subject::Account.name().to_owned(), id, why, verdict: verdict.to_owned() }
        };
        found.into_iter().map(linked).collect()
    }

    /// What each signal adds, the strongest first.
    fn contributions(&self, stated: &Stated, subject: Subject, id: &str) -> Vec<Contribution> {
        let mut found = Vec::new();
        stated.copy(View::Risk, &mut [Span::Row(RowKey::Subject(subject, id.to_owned()))].into(), 1, |_, value| {
            if let RowValue::Risk(row) = &**value {
                found = contributions(&row.parts);
            }
            true
        });
        found
    }

    fn hits(&self, stated: &Stated, subject: Subject, id: &str) -> Vec<Hit> {
        let mut hits = Vec::new();
        let key = |place| RowKey::Hit(subject, id.to_owned(), place);
        let mut part = [Span::Rows(key(0), None)].into();
        stated.copy(View::RuleHit, &mut part, LINKED_MAX, |key, value| {
            let is_own = matches!(key, RowKey::Hit(theirs, other, _) if *theirs == subject && other == id);
            if let (true, RowValue::Hit(row)) = (is_own, &**value) {
                hits.push(Hit {
                    rule: row.clause.id.clone(),
                    action: row.clause.action.name().to_owned(),
                    effect: row.effect.name().to_owned(),
                    reason: row.clause.reason.clone(),
                    ground: row.clause.ground.clone(),
                    owner: row.clause.owner.clone(),
                });
            }
            true
        });
        hits
    }
}

fn verdict_of(row: Option<&RowValue>) -> Option<&VerdictRow> {
    match row {
        Some(RowValue::Verdict(row)) => Some(row),
        _ => None,
    }
}

/// Whether the guest has the last word.
fn decides(guest: &Guest) -> bool {
    matches!(guest.role, Role::Admin | Role::Reviewer)
}

fn may_see(guest: &Guest, subject: Subject) -> bool {
    guest.role.may(if subject == Subject::Account { Deed::ReadListening } else { Deed::Read })
}

/// The id that is written like this, where ids are of this kind.
fn id_of(kind: IdKind, id: &str) -> Option<Id> {
    match kind {
        IdKind::Text => Some(Id::from(id)),
        IdKind::Number => id.parse().ok().map(Id::Number),
    }
}

/// The numbers of a row, by name.
fn numbers(axis: Axis, value: &RowValue) -> Vec<(&'static str, f64)> {
    let RowValue::Window(row) = value else { return Vec::new() };
    let number = |(name, cell)| match cell {
        Cell::Count(count) => Some((name, count as f64)),
        Cell::Float(number) => Some((name, number)),
        _ => None,
    };
    window_counts(axis, row).into_iter().filter_map(number).collect()
}

/// Whether a second person has to agree: much money waits, or what is blocked would be freed.
fn needs_second(line: &CaseLine, choice: &str) -> bool {
    line.stake_usd >= SECOND_USD || (["override", OVERTURN].contains(&choice) && line.verdict == "block")
}

impl Desk for ReviewDesk {
    fn login(&self, name: &str, password: &str) -> Result<Guest, Option<Duration>> {
        if let Some(wait) = self.people.waits(name) {
            return Err(Some(wait));
        }
        let (verifier, role) = self.people.user(name).unzip();
        // A name that there is not takes as long as a wrong password.
        let is_right = verifier.unwrap_or_else(|| self.people.nobody()).is_of(password);
        let role = role.filter(|role| is_right && role.may(Deed::Read));
        self.people.gave(name, role.is_some(), "desk");
        role.map(|role| Guest { name: name.to_owned(), role }).ok_or(None)
    }

    fn is_still(&self, guest: &Guest) -> bool {
        self.people.user(&guest.name).is_some_and(|(_, role)| role == guest.role)
    }

    fn cases(&self, guest: &Guest, wanted: &Wanted) -> Cases {
        let is_wanted = |subject: &str, verdict: &str| {
            wanted.subject.as_deref().is_none_or(|wanted| subject == wanted)
                && wanted.verdict.as_deref().is_none_or(|wanted| verdict == wanted)
        };
        let (stated, sum) = (self.shelf.now(), self.decisions.now());
        let as_of = self.shelf.outline.as_of(&stated).map(instant::to_text);
        let line = |subject: Subject, id: &str| {
            let row = self.verdict_row(&stated, subject, id);
            self.line(&stated, subject, id, verdict_of(row.as_deref()), &sum)
        };
        let (skipped, taken) = match wanted.all {
            true => (0, usize::MAX),
            false => (wanted.page.saturating_mul(PER_PAGE), PER_PAGE),
        };
        let (total, mut cases): (usize, Vec<CaseLine>) = if wanted.appealed || wanted.decided {
            let found = match wanted.appealed {
                true => self.appealed(guest),
                false => {
                    let mut seen = HashSet::new();
                    let latest = sum.all.iter().rev().filter(|decision| !decision.decided.undone);
                    let first = latest.filter(|decision| seen.insert((&decision.subject, &decision.id)));
                    let shown = |decision: &Arc<Decision>| {
                        let subject = Subject::named(&decision.subject).filter(|subject| may_see(guest, *subject))?;
                        Some(line(subject, &decision.id))
                    };
                    first.filter_map(shown).collect()
                }
            };
            let found: Vec<CaseLine> =
                found.into_iter().filter(|line| is_wanted(&line.subject, &line.verdict)).collect();
            (found.len(), found.into_iter().skip(skipped).take(taken).collect())
        } else {
            let said = |last: &Arc<Decision>| last.decided.by == guest.name && now() - last.at < SAID_FOR_MS;
            let waits = |ranked: &&Ranked| {
                let last = sum.last(ranked.subject.name(), &ranked.id);
                !is_closed(last, ranked.verdict) && !last.is_some_and(said)
            };
            let ranking = self.ranking(&stated);
            let seen = ranking.ranked.iter().filter(|ranked| may_see(guest, ranked.subject));
            let asked = seen.filter(|ranked| is_wanted(ranked.subject.name(), ranked.verdict.name()));
            let found: Vec<&Ranked> = asked.filter(waits).collect();
            let page = found.iter().skip(skipped).take(taken);
            (found.len(), page.map(|ranked| line(ranked.subject, &ranked.id)).collect())
        };
        if wanted.all {
            self.clerk.note(&guest.name, "export", &format!("{total} cases"));
        }
        for line in &mut cases {
            line.claimed_by = self.claimed(guest, &line.subject, &line.id);
        }
        Cases { as_of, total, per_page: PER_PAGE, cases }
    }

    fn case(&self, guest: &Guest, subject: &str, id: &str) -> Option<Case> {
        let subject = Subject::named(subject).filter(|subject| may_see(guest, *subject))?;
        let (stated, sum) = (self.shelf.now(), self.decisions.now());
        let verdict = self.verdict_row(&stated, subject, id);
        let row = verdict_of(verdict.as_deref());
        let history: Vec<_> = sum.of(subject.name(), id).rev().map(|decision| decision.decided.clone()).collect();
        let measures = self.measures(&stated, subject, id);
        let ruling = self.ruling(&stated, subject, id);
        let appeal = self.last_appeal(&sum, subject, id);
        let track = self.id(subject, id).filter(|_| subject == Subject::Track);
        let heard = track.zip(stated.tick()).and_then(|(track, tick)| self.exhibits.of_track(&track, tick));
        let is_known = row.is_some() || ruling.is_some() || appeal.is_some() || heard.is_some();
        let (sound, differences) = heard.unzip();
        if !is_known && history.is_empty() && measures.is_empty() {
            return None;
        }
        self.clerk.note(&guest.name, "case", &format!("{} {id}", subject.name()));
        let mut line = self.line(&stated, subject, id, row, &sum);
        line.claimed_by = self.claim(guest, subject.name(), id);
        let mut case = Case {
            as_of: self.shelf.outline.as_of(&stated).map(instant::to_text),
            needs_second: needs_second(&line, "confirm"),
            frees_with_second: needs_second(&line, "override"),
            windows: self.shelf.outline.labels.iter().map(|label| label.to_string()).collect(),
            measures,
            linked: self.linked(&stated, subject, id),
            hits: self.hits(&stated, subject, id),
            ruling,
            appeal,
            statement: (decides(guest) && has_statement(subject)).then(|| {
                let code = self.codes.of(subject, id);
                format!("/appeal/{}/{}/{code}", subject.name(), console::desk::path_part(id))
            }),
            sound: (subject == Subject::Track).then(|| sound.unwrap_or_default()),
            differences: differences.unwrap_or_default(),
            history,
            line,
            ..Case::default()
        };
        if let Some(row) = row {
            case.reasons.clone_from(&row.reasons);
            case.rules = serde_json::from_str(&row.rules_json).unwrap_or_default();
            case.versions = versions(row);
        }
        stated.copy(View::Risk, &mut [Span::Row(RowKey::Subject(subject, id.to_owned()))].into(), 1, |_, value| {
            if let RowValue::Risk(row) = &**value {
                let [_, rc, rb, rp] = row.risks.map(|risk| risk.share());
                case.parts = Some([rc, rb, rp]);
                case.contributions = contributions(&row.parts);
            }
            true
        });
        Some(case)
    }

    fn id_in_tables(&self, guest: &Guest, subject: &str, id: &str) -> String {
        let stands = |id: &str| {
            let asked = Asked { key: Some(id.to_owned()), rows_max: Some(1), ..Asked::default() };
            self.shelf.ask("account_window", &asked).is_some_and(|answer| !answer.is_empty())
        };
        match &self.ids.pseudonyms {
            Some(pseudonyms)
                if subject == Subject::Account.name() && may_see(guest, Subject::Account) && !stands(id) =>
            {
                let pseudonym = pseudonyms.of(Whose::Account, id, &self.ids.kinds);
                // Who looks for somebody by name is written down, the name is not.
                self.clerk.note(&guest.name, "pseudonym", &pseudonym);
                pseudonym
            }
            _ => id.to_owned(),
        }
    }

    fn spectrum(&self, guest: &Guest, hash: &str, tile: usize) -> Option<Vec<u8>> {
        self.exhibits.spectrum(hash, tile).filter(|_| may_see(guest, Subject::Track))
    }

    fn audio(&self, guest: &Guest, hash: &str) -> Option<Audio> {
        self.exhibits.audio(hash).filter(|_| may_see(guest, Subject::Track))
    }

    fn overview(&self, guest: &Guest) -> Overview {
        let (stated, sum) = (self.shelf.now(), self.decisions.now());
        let ranking = self.ranking(&stated);
        let as_of = self.shelf.outline.as_of(&stated);
        let mut verdicts: Vec<(String, [u64; 3])> = Subject::ALL
            .iter()
            .filter(|kind| may_see(guest, **kind))
            .map(|kind| (kind.name().to_owned(), [0; 3]))
            .collect();
        stated.copy(View::Verdict, &mut [Span::All].into(), usize::MAX, |key, value| {
            if let (RowKey::Subject(kind, _), RowValue::Verdict(row)) = (key, &**value)
                && let Some((_, counts)) = verdicts.iter_mut().find(|(name, _)| name == kind.name())
                && let Some(place) = (row.verdict as usize).checked_sub(1)
            {
                counts[place] += 1;
            }
            true
        });
        let seen = ranking.ranked.iter().filter(|ranked| may_see(guest, ranked.subject));
        let open = seen.filter(|ranked| !is_closed(sum.last(ranked.subject.name(), &ranked.id), ranked.verdict));
        let mut waits: Vec<(f64, bool)> =
            open.map(|open| (open.waits_hours, clock(open.waits_hours, open.verdict) >= 1.0)).collect();
        waits.sort_by(|a, b| a.0.total_cmp(&b.0));
        let late = waits.iter().filter(|(_, is_late)| *is_late).count();
        let hours = |place: usize| waits.get(place).map_or(0.0, |(hours, _)| *hours);
        Overview {
            as_of: as_of.map(instant::to_text),
            lags_hours: as_of.map_or(0.0, |as_of| (now() - as_of).max(0) as f64 / 3_600_000.0),
            verdicts,
            waiting: waits.len(),
            late,
            half_hours: hours(waits.len() / 2),
            oldest_hours: hours(waits.len().saturating_sub(1)),
            people: sum.people(now()),
            confirmed: sum.confirmed(),
            agreement: sum.agreement(),
        }
    }

    fn decide(&self, guest: &Guest, choice: &Choice) -> Result<u64, String> {
        let subject = Subject::named(&choice.subject).filter(|subject| decides(guest) && may_see(guest, *subject));
        let subject = subject.ok_or("your role decides nothing about that")?;
        if !CHOICES.iter().any(|(word, ..)| *word == choice.choice) {
            return Err(format!("{:?}: expected one of {}", choice.choice, CHOICES.map(|(word, ..)| word).join(", ")));
        }
        let has_reason = REASONS.iter().any(|(word, _)| *word == choice.reason);
        let needs_reason = ["override", OVERTURN].contains(&choice.choice.as_str());
        if !(has_reason || choice.reason.is_empty() && !needs_reason) {
            return Err("who overrides or overturns says why: choose a reason".to_owned());
        }
        if choice.note.chars().count() > 1_000 {
            return Err("the note is longer than 1000 characters".to_owned());
        }
        if let Some(who) = self.claimed(guest, &choice.subject, &choice.id) {
            return Err(format!("{who} looks at it; come back in ten minutes"));
        }
        let (stated, sum) = (self.shelf.now(), self.decisions.now());
        let row = self.verdict_row(&stated, subject, &choice.id);
        let row = verdict_of(row.as_deref());
        let appeal = sum.open_appeal(&choice.subject, &choice.id);
        let refused = match choice.choice.as_str() {
            WITHDRAW if self.ruling(&stated, subject, &choice.id).is_none() => {
                Some("nothing is ruled about it that could be taken back")
            }
            WITHDRAW => None,
            UPHOLD | OVERTURN => match appeal {
                None => Some("nobody appealed against it, or that is decided"),
                Some(appeal) if sum.has_decided(appeal, &guest.name) => {
                    Some("you decided about it before; an appeal is for somebody else")
                }
                Some(_) if row.is_none() && choice.choice == UPHOLD => Some("there is no verdict any more to uphold"),
                Some(_) => None,
            },
            _ if row.is_none() => Some("nothing speaks against it any more"),
            "confirm" | "override" if appeal.is_some() => Some("somebody appealed: uphold or overturn it"),
            _ => None,
        };
        if let Some(why) = refused {
            return Err(why.to_owned());
        }
        let line = self.line(&stated, subject, &choice.id, row, &sum);
        if line.verdict != choice.verdict {
            return Err(format!("it was {}, and is {} now: look again", choice.verdict, line.verdict));
        }
        let second = needs_second(&line, &choice.choice);
        let number = self.decisions.add(&guest.name, choice, (line.risk, line.payable), second);
        let number = number.map_err(|failure| failure.to_string())?;
        let about = format!("{} {}: {}", choice.subject, choice.id, choice.choice);
        self.clerk.note(&guest.name, "decision", &about);
        self.claims.lock().expect("nobody panics with it").remove(&(choice.subject.clone(), choice.id.clone()));
        Ok(number)
    }

    fn statement(&self, subject: &str, id: &str, code: &str) -> Option<Statement> {
        let subject = Subject::named(subject).filter(|subject| has_statement(*subject))?;
        if !self.codes.opens(subject, id, code) {
            return None;
        }
        let (stated, sum) = (self.shelf.now(), self.decisions.now());
        let row = self.verdict_row(&stated, subject, id);
        let ruling = self.ruling(&stated, subject, id);
        // Who was cleared hears so at once, though the tables say it from the next instant on.
        let is_honest = |last: &Arc<Decision>| last.closes() && last.label() == Some(LabelKind::Honest);
        let is_cleared = ruling.is_none() && sum.last(subject.name(), id).is_some_and(is_honest);
        let row = verdict_of(row.as_deref()).filter(|_| !is_cleared);
        let line = self.line(&stated, subject, id, row, &sum);
        let since = row.and_then(|_| stated.since(&RowKey::Subject(subject, id.to_owned())));
        let acting: Vec<Hit> = self.hits(&stated, subject, id).into_iter().filter(|hit| hit.effect == "acts").collect();
        let speaks = |part: &Contribution| part.share > 0.0;
        let signals = self.contributions(&stated, subject, id).into_iter().filter(speaks).take(SAID_MAX);
        let reasons = signals.map(|part| appeals::plain(&part.name).to_owned());
        let mut told = Statement {
            subject: line.subject,
            id: line.id,
            as_of: self.shelf.outline.as_of(&stated).map(instant::to_text),
            effect: appeals::effect(&line.verdict).to_owned(),
            since: since.map(|tick| instant::to_text(self.shelf.outline.instant(tick))),
            reasons: acting.iter().map(|hit| hit.reason.clone()).chain(reasons).collect(),
            grounds: acting.into_iter().map(|hit| hit.ground).filter(|ground| !ground.is_empty()).collect(),
            person: ruling.map(|ruling| ruling.known_at),
            versions: row.map(versions).unwrap_or_default(),
            payable: line.payable,
            stake_usd: line.stake_usd,
            appeal: self.last_appeal(&sum, subject, id),
            may_appeal: row.is_some()
                && sum.open_appeal(subject.name(), id).is_none()
                && sum.appeals_of(subject.name(), id).count() < appeals::APPEALS_MAX,
            verdict: line.verdict,
            json: String::new(),
        };
        told.json = format!("{:#}\n", appeals::json(&told));
        Some(told)
    }

    fn appeal(&self, subject: &str, id: &str, code: &str, text: &str) -> Result<(), String> {
        let told = self.statement(subject, id, code).ok_or("there is no such case")?;
        if told.verdict == "allow" {
            return Err("nothing is held against it as of now".to_owned());
        }
        let letters = text.trim().chars().count();
        if !appeals::TEXT.contains(&letters) {
            let (least, most) = (appeals::TEXT.start(), appeals::TEXT.end());
            return Err(format!("an appeal has {least} to {most} letters; this one has {letters}"));
        }
        self.decisions.appeal(subject, id, text.trim()).map_err(|failure| failure.to_string())
    }

    fn undo(&self, guest: &Guest, number: u64) -> Result<(String, String), String> {
        let undone = self.decisions.undo(&guest.name, number).map_err(|failure| failure.to_string())?;
        self.clerk.note(&guest.name, "undo", &number.to_string());
        Ok((undone.subject.clone(), undone.id.clone()))
    }
}

/// Listeners ask elsewhere; statements are for those who bring music.
fn has_statement(subject: Subject) -> bool {
    subject != Subject::Account
}

/// Which policy and models said so.
fn versions(row: &VerdictRow) -> Vec<String> {
    let models: Vec<String> = serde_json::from_str(&row.models_json).unwrap_or_default();
    let policy = [format!("policy {}", row.policy_version)];
    policy.into_iter().chain(models.into_iter().map(|model| format!("model {model}"))).collect()
}

fn contributions(parts: &str) -> Vec<Contribution> {
    let parts: Vec<Value> = serde_json::from_str(parts).unwrap_or_default();
    let part = |part: &Value| Contribution {
        name: part["name"].as_str().unwrap_or_default().to_owned(),
        value: part["value"].as_f64().unwrap_or_default(),
        share: part["share"].as_f64().unwrap_or_default(),
    };
    let mut contributions: Vec<Contribution> = parts.iter().map(part).collect();
    contributions.sort_by(|a, b| b.share.partial_cmp(&a.share).unwrap_or(Ordering::Equal));
    contributions
}

/// Makes rulings and labels of decisions that cannot be undone any more. The number of the decision is its number in the log, so that
/// each is there once however often it is told.
pub struct Registrar {
    decisions: Arc<Decisions>,
    shelf: Arc<Shelf>,
    gate: Gate,
    kinds: IdKinds,
    time: Time,
    told: usize,
}

impl Registrar {
    /// Begins with the first decision. Where who sends says how late it is, a decision is known at the instant that is stated.
    pub fn new(decisions: Arc<Decisions>, shelf: Arc<Shelf>, gate: Gate, kinds: IdKinds, time: Time) -> Registrar {
        Registrar { decisions, shelf, gate, kinds, time, told: 0 }
    }

    /// Tells the log what is final by now, in its order.
    pub fn tell(&mut self) {
        let sum = self.decisions.now();
        while let Some(decision) = sum.all.get(self.told).filter(|decision| now() - decision.at > UNDO_MS) {
            if decision.is_final() && !self.is_told(decision) {
                // There was no room, or nothing is stated yet: it is told again.
                return;
            }
            self.told += 1;
        }
    }

    fn is_told(&self, decision: &Decision) -> bool {
        let known_at = match self.time {
            Time::Wall => Some(decision.at),
            Time::Told => self.shelf.as_of(),
        };
        let Some(known_at) = known_at else { return false };
        let number = decision.decided.number;
        let take = |source: &str, rows: Option<Rows>| {
            let entry = Entry { source: Some((source.to_owned(), number)), until: None, rows };
            entry.rows.is_none() || self.gate.take(entry).is_ok()
        };
        take(RULINGS, self.ruling(decision, known_at)) && take(LABELS, self.label(decision, known_at))
    }

    /// The decision as a row of `rulings`. What is confirmed speaks from then on; who is cleared never was what the rules said.
    fn ruling(&self, decision: &Decision, known_at: Millis) -> Option<Rows> {
        let (kind, subject) = (decision.ruling()?, Subject::named(&decision.subject)?);
        let subject_id = id_of(self.kinds[subject.space() as usize], &decision.id)?;
        let reason = REASONS.iter().find(|(word, _)| *word == decision.decided.reason);
        let ruling = Ruling {
            kind,
            known_at,
            since: kind.verdict().map(|_| known_at),
            until: None,
            ruled_by: Some(decision.decided.by.clone()),
            reason: reason.map(|(_, meaning)| (*meaning).to_owned()),
        };
        intake::rows_of(&[Ruled { subject, subject_id, ruling }], &self.kinds).ok()
    }

    /// The decision as a row of `labels`.
    fn label(&self, decision: &Decision, known_at: Millis) -> Option<Rows> {
        let (label, subject) = (decision.label()?, Subject::named(&decision.subject)?);
        let label = Label {
            subject: decision.subject.clone(),
            subject_id: id_of(self.kinds[subject.space() as usize], &decision.id)?,
            label,
            attack: None,
            from: None,
            until: None,
            labelled_at: Some(known_at),
            labelled_by: Some(if decision.is_about_appeal() { "appeal" } else { "reviewer" }.to_owned()),
        };
        intake::rows_of(&[label], &self.kinds).ok()
    }
}
