//! What stands on the pages of the review desk: cases from the shelf, beside what people decided.
//!
//! ```text
//! shelf as of an instant ──┬──▶ verdicts, most urgent first ──┬──▶ cases ──▶ decision ──▶ decisions ──▶ registrar: rulings and labels in the log
//!          ▲               └──▶ by lot, by doubt ─────────────┘                                                      │
//!          └────────────────────────────────────────────── at the next tick ◀─────────────────────────────────────────┘
//! ```

use std::cmp::Ordering;
use std::collections::{HashMap, HashSet};
use std::fs::File;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use console::Guest;
use console::desk::{
    AREAS, AT_ONCE, AT_ONCE_MAX, Alike, Appeal, Bulk, CHOICES, Case, CaseLine, Cases, Choice, Circle, Clip,
    Contribution, Desk, FRAUD, Found, Graph, Group, HONEST, Hit, Hour, InForce, MINE, Named, OVERTURN, Outcome,
    Overview, Part, Queue, REASONS, Reputation, Restored, SentFile, Silence, Statement, UPHOLD, WITHDRAW, Wanted, Wave,
};
use dataflows::clock::Tick;
use dataflows::scores::Side;
use datasets::formats::instant;
use datasets::intake::Ids;
use datasets::intake::pseudonyms::Whose;
use records::policy::{Review, Shares};
use records::reputation::Record;
use records::{Deed, Id, LabelKind, Millis, Risk, Role, Subject, Verdict};
use serde_json::Value;
use sql::Users;

use super::appeals::{self, Codes};
use super::areas::Areas;
use super::audit::Clerk;
use super::cabinet::{self, BYTES_MAX, Cabinet, FILES_MAX};
use super::crowds;
use super::decisions::{Appealed, CONCERNED, Circumstances, Decision, Decisions, Filed, Reputed, SECOND_USD, Sum};
use super::exhibits::Exhibits;
use super::graph::graph;
use super::likeness::Likeness;
use super::lookup::Span;
use super::pace::Pace;
use super::people::People;
use super::places::{Places, key_of};
use super::samples::{Sampled, Samples};
use super::search::{FOUND_MAX, search};
use super::shelf::{Asked, Shelf, Stated};
use super::source::Progress;
use super::state::now;
use super::trends::Trends;
use super::urgency::{Ranked, Ranking, USD_PER_PLAY, Urgency, Waiting, clock, id_of, payable, waits_hours};
use crate::replay::deliveries::Move;
use crate::replay::reputation::Bringer;
use crate::replay::views::{RiskRow, RowKey, RowValue, VerdictRow, View, Voiced};

/// Cases on a page.
const PER_PAGE: usize = 50;
/// Whoever opened a case has so long before others are offered it.
const CLAIMED_FOR: Duration = Duration::from_secs(600);
/// Who said something about a case, and be it to skip it, is not offered it again for so long.
const SAID_FOR_MS: Millis = 24 * 3_600_000;
/// That somebody read a statement is written down once in so long, of each case.
const READ_EVERY_SECS: f64 = 600.0;
/// So many wrong codes are written down at once, and one in so long after that: whoever guesses must not fill the record, which is never shortened.
const WRONG_BURST: f64 = 20.0;
const WRONG_EVERY_SECS: f64 = 10.0;
/// Of an id that a stranger made up so many letters are written down.
const LETTERS_MAX: usize = 64;
/// So many signals are named in a statement.
const SAID_MAX: usize = 5;
/// So many ways out of a verdict are shown.
const HANGS_SHOWN: usize = 3;
const DAY_MS: Millis = 24 * 3_600_000;
/// So many of a group, and so many rules that match, are shown.
const SHOWN_MAX: usize = 200;
/// Decisions are shown for so many hours.
const HOURS_SHOWN: usize = 48;
/// How long cases have waited at most, in hours, in the picture of their ages; those above are one more.
const AGES: [u64; 5] = [6, 24, 48, 72, 168];

/// Whether somebody decided about the verdict that there is.
fn is_closed(last: Option<&Arc<Decision>>, verdict: Verdict) -> bool {
    last.is_some_and(|last| last.closes() && last.decided.verdict == verdict.name())
}

/// A case, and who claimed it until when.
type Claims = HashMap<(String, String), (String, Instant)>;

/// A case of a queue, and why it stands there.
struct Listed<'a> {
    subject: Subject,
    id: &'a str,
    verdict: Verdict,
    risk: Option<Risk>,
    /// How probable it was to be drawn, or how far R is from a threshold, where that is why.
    sampled: Option<f64>,
}

/// What the pages are made of, beside the shelf.
pub struct Material {
    /// Who waits, by urgency.
    pub urgency: Arc<Urgency>,
    /// Who is drawn by lot, and whom nobody can tell.
    pub samples: Arc<Samples>,
    /// How verdicts went.
    pub trends: Arc<Trends>,
    /// What is known of tracks and accounts beside views.
    pub places: Arc<Places>,
    /// What was heard.
    pub exhibits: Exhibits,
    /// What came with appeals.
    pub cabinet: Cabinet,
    /// How long the longest window is.
    pub longest_ms: Millis,
    /// A thing that more accounts use links nobody.
    pub hub: u32,
    /// Whether time goes on.
    pub progress: Arc<Progress>,
}

/// The desk.
pub struct ReviewDesk {
    shelf: Arc<Shelf>,
    people: Arc<People>,
    clerk: Clerk,
    decisions: Arc<Decisions>,
    codes: Codes,
    ids: Ids,
    material: Material,
    claims: Mutex<Claims>,
    /// Statements that were read and wrong codes, as far as they are written down; and how many of those were not.
    read: Pace,
    wrong: Pace,
    wrong_left_out: AtomicU64,
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
        material: Material,
    ) -> ReviewDesk {
        let read = Pace::new(1.0, 1.0 / READ_EVERY_SECS);
        let wrong = Pace::new(WRONG_BURST, 1.0 / WRONG_EVERY_SECS);
        let (claims, wrong_left_out) = Default::default();
        ReviewDesk { shelf, people, clerk, decisions, codes, ids, material, claims, read, wrong, wrong_left_out }
    }

    /// The cases of a queue, in its order, that wait and that this guest may see and is to be offered.
    fn listed<T>(
        &self,
        guest: &Guest,
        queue: Queue,
        sum: &Sum,
        ranking: &Ranking,
        see: impl FnOnce(&mut dyn Iterator<Item = Listed<'_>>) -> T,
    ) -> T {
        let decided = Subject::ALL.map(|subject| sum.about(subject.name()));
        let said = |last: &Arc<Decision>| last.decided.by == guest.name && now() - last.at < SAID_FOR_MS;
        let waits = |listed: &Listed| {
            let last = decided[listed.subject as usize].last(listed.id);
            may_see(guest, listed.subject) && !is_closed(last, listed.verdict) && !last.is_some_and(said)
        };
        match queue {
            Queue::Urgent => see(&mut ranking.ranked.iter().map(Listed::of).filter(waits)),
            Queue::Audit => {
                let drawn = self.material.samples.drawn(&ranking.stated);
                see(&mut drawn.subjects.iter().map(Listed::sampled).filter(waits))
            }
            Queue::Uncertain => {
                let near = self.material.samples.uncertain(&ranking.stated);
                see(&mut near.iter().map(Listed::sampled).filter(waits))
            }
        }
    }

    /// Whether a case has what is asked for.
    fn fits(&self, stated: &Stated, wanted: &Wanted, listed: &Listed) -> bool {
        let risk_min = wanted.risk_min.map(|percent| Risk::from_parts(u64::from(percent) * 100));
        let has_words = |words: &str| {
            let row = self.verdict_row(stated, listed.subject, listed.id);
            verdict_of(row.as_deref()).is_some_and(|row| {
                row.rules_json.contains(words) || row.reasons.iter().any(|reason| reason.contains(words))
            })
        };
        wanted.subject.as_deref().is_none_or(|kind| kind == listed.subject.name())
            && wanted.verdict.as_deref().is_none_or(|verdict| verdict == listed.verdict.name())
            && risk_min.is_none_or(|least| {
                listed.risk.or_else(|| self.risk(stated, listed.subject, listed.id)).is_some_and(|risk| risk >= least)
            })
            && wanted.words.as_deref().is_none_or(has_words)
            && wanted
                .area
                .as_deref()
                .filter(|area| *area != MINE)
                .is_none_or(|area| self.area(stated, listed.subject, listed.id) == area)
            && wanted.origin.as_deref().is_none_or(|origin| self.is_from(listed.subject, listed.id, origin))
    }

    /// What speaks most against it, one of [`AREAS`].
    fn area(&self, stated: &Stated, subject: Subject, id: &str) -> &'static str {
        let [content, behaviour, provenance, rules] = AREAS;
        let row = self.verdict_row(stated, subject, id);
        if verdict_of(row.as_deref()).is_some_and(|row| row.rules_json.contains("\"rule.")) {
            return rules;
        }
        let mut area = behaviour;
        stated.copy(View::Risk, &mut [Span::Row(RowKey::Subject(subject, id.to_owned()))].into(), 1, |_, value| {
            if let RowValue::Risk(row) = &**value {
                let [_, rc, rb, rp] = row.risks;
                area = if rc > rb.max(rp) {
                    content
                } else if rp > rb {
                    provenance
                } else {
                    behaviour
                };
            }
            true
        });
        area
    }

    /// Who takes which area as of now.
    fn areas(&self, stated: &Stated) -> Areas {
        let decides = |name: &str| self.people.user(name).is_some_and(|(_, role)| has_last_word(role));
        Areas::of(&self.shelf.review(stated), decides)
    }

    /// The area of the case and those who take it, where the guest is none of them.
    fn kept_for(
        &self,
        areas: &Areas,
        guest: &Guest,
        stated: &Stated,
        sum: &Sum,
        case: (Subject, &str),
    ) -> Option<(String, Vec<String>)> {
        if areas.is_empty() {
            return None;
        }
        let (subject, id) = case;
        let area = self.area(stated, subject, id);
        if areas.people(area, &[]).contains(&guest.name) {
            return None;
        }
        let people = areas.people(area, &sum.said(subject.name(), id));
        (!people.is_empty()).then(|| (area.to_owned(), people.to_vec()))
    }

    /// Whether a case is for the guest, who may decide it, or for everybody.
    fn is_for(&self, guest: &Guest, stated: &Stated, sum: &Sum) -> impl Fn(&Listed<'_>) -> bool {
        let areas = self.areas(stated);
        move |listed| self.kept_for(&areas, guest, stated, sum, (listed.subject, listed.id)).is_none()
    }

    /// Whether it is a track of that genre, or an account of that country.
    fn is_from(&self, subject: Subject, id: &str, origin: &str) -> bool {
        let told = self.id(subject, id).and_then(|id| self.material.places.origin(subject, key_of(&id)));
        told.is_some_and(|told| *told == *origin)
    }

    /// R, where something is said of it.
    fn risk(&self, stated: &Stated, subject: Subject, id: &str) -> Option<Risk> {
        let mut found = None;
        stated.copy(View::Risk, &mut [Span::Row(RowKey::Subject(subject, id.to_owned()))].into(), 1, |_, value| {
            if let RowValue::Risk(row) = &**value {
                found = Some(row.risks[0]);
            }
            true
        });
        found
    }

    /// What speaks most against one who has no verdict, in words.
    fn loudest(&self, stated: &Stated, subject: Subject, id: &str) -> Option<String> {
        let signals = self.contributions(stated, subject, id);
        signals.first().filter(|signal| signal.share > 0.0).map(|signal| appeals::plain(&signal.name).to_owned())
    }

    /// What is known of a case when somebody decides about it.
    fn circumstances(&self, ranking: &Ranking, line: &CaseLine, subject: Subject, choice: &str) -> Circumstances {
        let verdict = Verdict::named(&line.verdict).unwrap_or_default();
        Circumstances {
            risk: line.risk,
            payable: line.payable,
            needs_second: needs_second(line, choice),
            inclusion: self.material.samples.drawn(&ranking.stated).shares.inclusion(subject, &line.id, verdict),
            reputations: match choice {
                OVERTURN => self.brought_by(&ranking.stated, subject, &line.id),
                _ => Vec::new(),
            },
        }
    }

    /// The reputations of who brought a track.
    fn brought_by(&self, stated: &Stated, subject: Subject, id: &str) -> Vec<Reputed> {
        let track = self.id(subject, id).filter(|_| subject == Subject::Track).zip(stated.tick());
        let row = track.and_then(|(track, tick)| self.material.places.track(key_of(&track), tick));
        let owners = row.map(|row| [(Bringer::Uploader, row.uploader_id), (Bringer::Distributor, row.distributor_id)]);
        let reputed = |(role, id): (Bringer, Option<Id>)| {
            let id = id?.to_string();
            let record = record(stated, role, &id)?;
            Some((role.name().to_owned(), id, share(record.reputation())))
        };
        owners.into_iter().flatten().filter_map(reputed).collect()
    }

    /// What became of what an uploader or a distributor brought.
    fn reputation(&self, stated: &Stated, subject: Subject, id: &str) -> Option<Reputation> {
        let role = match subject {
            Subject::Uploader => Bringer::Uploader,
            Subject::Distributor => Bringer::Distributor,
            _ => return None,
        };
        let (record, moves) = (record(stated, role, id), stated.moves(&RowKey::Owner(role.name(), id.to_owned())));
        let moved = |moved: &Move| {
            let at = instant::to_text(self.shelf.outline.instant(moved.at));
            (at, share(moved.from), share(moved.to))
        };
        let counts = |record: Record| {
            let Record { subjects, held, escalated, blocked, overturned, contradicted, .. } = record;
            let names = ["tracks", "held", "escalated", "blocked", "overturned", "contradicted by what is heard"];
            let counts = names.into_iter().zip([subjects, held, escalated, blocked, overturned, contradicted]);
            counts.filter(|(_, count)| *count > 0).map(|(name, count)| (name.to_owned(), count)).collect()
        };
        (record.is_some() || !moves.is_empty()).then(|| Reputation {
            now: record.map(|record| share(record.reputation())),
            counts: record.map(counts).unwrap_or_default(),
            moves: moves.iter().rev().map(moved).collect(),
        })
    }

    /// The cases of a list that are decided at once, and how many more there are.
    fn at_once(&self, guest: &Guest, wanted: &Wanted, sum: &Sum, ranking: &Ranking) -> (Vec<CaseLine>, usize) {
        self.listed(guest, wanted.queue, sum, ranking, |listed| {
            let mut fitting = listed
                .filter(|listed| listed.verdict > Verdict::Allow && self.fits(&ranking.stated, wanted, listed))
                .filter(|listed| self.claimed(guest, listed.subject.name(), listed.id).is_none())
                .filter(self.is_for(guest, &ranking.stated, sum))
                .filter(|listed| sum.open_appeal(listed.subject.name(), listed.id).is_none());
            let cases = fitting.by_ref().take(AT_ONCE_MAX).map(|listed| self.listed_line(ranking, sum, &listed));
            (cases.collect(), fitting.count())
        })
    }

    fn listed_line(&self, ranking: &Ranking, sum: &Sum, listed: &Listed) -> CaseLine {
        let row = self.verdict_row(&ranking.stated, listed.subject, listed.id);
        let line = self.line(&ranking.stated, listed.subject, listed.id, verdict_of(row.as_deref()), sum);
        CaseLine { sampled: listed.sampled, ..line }
    }

    fn line(&self, stated: &Stated, subject: Subject, id: &str, row: Option<&VerdictRow>, sum: &Sum) -> CaseLine {
        let verdict = row.map_or(Verdict::Allow, |row| row.verdict);
        let payable = payable(&self.shelf.outline, stated, subject, id).unwrap_or(0);
        let since = stated.since(&RowKey::Subject(subject, id.to_owned()));
        let waits_hours = waits_hours(&self.shelf.outline, self.shelf.outline.as_of(stated), since);
        CaseLine {
            subject: subject.name().to_owned(),
            id: id.to_owned(),
            verdict: verdict.name().to_owned(),
            risk: row.map(|row| row.r).or_else(|| self.risk(stated, subject, id)).map_or(0.0, Risk::share),
            payable,
            stake_usd: payable as f64 * USD_PER_PLAY,
            waits_hours,
            clock: clock(waits_hours, verdict, &self.shelf.review(stated)),
            reason: row
                .map_or_else(|| self.loudest(stated, subject, id), |row| row.reasons.first().cloned())
                .unwrap_or_default(),
            decided: sum.last(subject.name(), id).map(|last| last.decided.clone()),
            ..CaseLine::default()
        }
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

    /// Gives back what the guest has claimed and that is asked for.
    fn leave(&self, guest: &Guest, is_left: impl Fn(&str, &str) -> bool) {
        let mut claims = self.claims.lock().expect("nobody panics with it");
        claims.retain(|(subject, id), (who, _)| *who != guest.name || !is_left(subject, id));
    }

    /// Whether time stands still: what is decided is a ruling at the next instant, and none comes.
    fn stands(&self) -> bool {
        self.material.progress.is_over.load(Relaxed)
    }

    /// The subject of a case that was asked for with its code; writes down who came, and never the code.
    fn opened(&self, subject: &str, id: &str, code: &str) -> Option<Subject> {
        let kind = Subject::named(subject).filter(|subject| has_statement(*subject));
        let opened = kind.filter(|subject| self.codes.opens(*subject, id, code));
        let (now, about) = (Instant::now(), format!("{} {id}", kind.map_or("?", Subject::name)));
        match opened {
            Some(_) if self.read.take(&about, now).is_ok() => self.clerk.note(CONCERNED, "statement", &about),
            Some(_) => {}
            None if self.wrong.take("", now).is_ok() => {
                let about: String = about.chars().take(LETTERS_MAX).collect();
                let more = match self.wrong_left_out.swap(0, Relaxed) {
                    0 => String::new(),
                    more => format!(", after {more} that are not written down"),
                };
                self.clerk.note("somebody", "wrong code", &format!("{about}{more}"));
            }
            None => _ = self.wrong_left_out.fetch_add(1, Relaxed),
        }
        opened
    }

    fn decided(&self, guest: &Guest, choice: &Choice) -> Result<u64, String> {
        let subject = Subject::named(&choice.subject).filter(|subject| decides(guest) && may_see(guest, *subject));
        let subject = subject.ok_or("your role decides nothing about that")?;
        if !CHOICES.iter().any(|(word, ..)| *word == choice.choice) {
            return Err(format!("{:?}: expected one of {}", choice.choice, CHOICES.map(|(word, ..)| word).join(", ")));
        }
        has_reason(choice, &self.shelf.review(&self.shelf.now()))?;
        let (ranking, sum) = (self.material.urgency.now(), self.decisions.now());
        let stated = &ranking.stated;
        let kept = self.kept_for(&self.areas(stated), guest, stated, &sum, (subject, &choice.id));
        if let Some((area, people)) = kept.filter(|_| guest.role != Role::Admin) {
            return Err(format!("the policy keeps {area} for {}: they decide it, or an admin", people.join(", ")));
        }
        if let Some(who) = self.claim(guest, &choice.subject, &choice.id) {
            return Err(format!("{who} looks at it; come back in ten minutes"));
        }
        let row = self.verdict_row(stated, subject, &choice.id);
        let row = verdict_of(row.as_deref());
        let is_ruled = self.ruling(stated, subject, &choice.id).is_some();
        let is_known = row.is_some() || payable(&self.shelf.outline, stated, subject, &choice.id).is_some();
        let may = |sum: &Sum| match refused(guest, choice, sum, row.is_some(), is_ruled, is_known) {
            Some(why) => Err(why.to_owned()),
            None => Ok(()),
        };
        may(&sum)?;
        let line = self.line(stated, subject, &choice.id, row, &sum);
        if line.verdict != choice.verdict {
            return Err(format!("it was {}, and is {} now: look again", choice.verdict, line.verdict));
        }
        let mut circumstances = self.circumstances(&ranking, &line, subject, &choice.choice);
        // What two had to rule one does not take back.
        circumstances.needs_second |= choice.choice == WITHDRAW && sum.two_ruled(&choice.subject, &choice.id);
        self.decisions.add(&guest.name, vec![(choice.clone(), circumstances)], may)
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
    fn last_appeal(&self, sum: &Sum, stated: &Stated, subject: Subject, id: &str) -> Option<Appeal> {
        let appeal = sum.appeals_of(subject.name(), id).next_back()?;
        let due = appeal.at + Millis::from(self.shelf.review(&self.shelf.now()).appeal_days) * DAY_MS;
        let restored = |(role, id, before): &Reputed| {
            let role = Bringer::ALL.into_iter().find(|known| known.name() == role)?;
            // Where nothing is told any more it is as if nothing had ever been stopped.
            let now = record(stated, role, id).map(|record| share(record.reputation()))?;
            Some(Restored { role: role.name().to_owned(), id: id.clone(), before: *before, now })
        };
        let outcome = sum.outcome(appeal).map(|decision| Outcome {
            restored: decision.reputations.iter().filter_map(restored).collect(),
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
            files: sum.files_of(appeal).map(|file| sent_file(file)).collect(),
            more_files: outcome.is_none() && sum.files_of(appeal).count() < FILES_MAX,
            outcome,
        })
    }

    /// The cases that somebody appealed against, by how long that waits.
    fn appealed(&self, guest: &Guest) -> Vec<CaseLine> {
        let (stated, sum) = (self.shelf.now(), self.decisions.now());
        let open = sum.appeals.iter().filter(|appeal| sum.outcome(appeal).is_none());
        let hours = f64::from(self.shelf.review(&stated).appeal_days) * 24.0;
        let line = |appeal: &Arc<Appealed>| {
            let subject = Subject::named(&appeal.subject).filter(|subject| may_see(guest, *subject))?;
            let row = self.verdict_row(&stated, subject, &appeal.id);
            let line = self.line(&stated, subject, &appeal.id, verdict_of(row.as_deref()), &sum);
            let waits_hours = (now() - appeal.at).max(0) as f64 / 3_600_000.0;
            Some(CaseLine { waits_hours, clock: waits_hours / hours, ..line })
        };
        open.filter_map(line).collect()
    }

    /// Somebody of that id among its kind; `None` where no id of the kind is written so.
    fn likeness<'a>(&'a self, stated: &'a Stated, subject: Subject, id: &str) -> Option<Likeness<'a>> {
        Some(Likeness::of(&self.shelf.outline, stated, subject, self.id(subject, id)?))
    }

    /// Who hangs together with an account.
    fn graph(&self, stated: &Stated, subject: Subject, id: &str) -> Graph {
        let Some(own) = self.id(subject, id).filter(|_| subject == Subject::Account) else { return Graph::default() };
        graph(stated, &self.shelf.outline.names, &self.material.places.ties(), self.material.hub, &own)
    }

    /// The group of an account, and how large it is.
    fn group_of(&self, stated: &Stated, subject: Subject, id: &str) -> Option<(String, u64)> {
        let own = self.id(subject, id).filter(|_| subject == Subject::Account)?;
        let mut group = None;
        stated.copy(View::Groups, &mut [Span::Row(RowKey::Account(own))].into(), 1, |_, value| {
            if let RowValue::Group(of, size) = &**value {
                group = Some((of.to_string(), u64::from(*size)));
            }
            true
        });
        group
    }

    /// What the model that scores says of an account, and its name, where one does.
    fn score(&self, stated: &Stated, subject: Subject, id: &str) -> Option<(Arc<str>, Risk)> {
        let own = self.id(subject, id).filter(|_| subject == Subject::Account)?;
        let mut score = None;
        stated.copy(View::Scores, &mut [Span::Row(RowKey::Scored(own, Side::Champion))].into(), 1, |_, value| {
            if let RowValue::Score(model, fraud) = &**value {
                score = Some((model.clone(), *fraud));
            }
            true
        });
        score
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

    /// How R is mixed, what would be said without each signal, and on which of them the verdict hangs. Where another policy decided than the one
    /// in force for everybody (a trial, or one of the past), its weights are not told.
    fn weigh(&self, case: &mut Case, tick: Option<Tick>, subject: Subject, row: &RiskRow) {
        let [_, rc, rb, rp] = row.risks.map(|risk| risk.share());
        let mut parts = [rc, rb, rp].map(|risk| Part { risk, weight: None });
        if let Some(policy) = tick.and_then(|tick| self.shelf.policy(tick)) {
            let (Voiced { voices, .. }, origin) = (&row.voiced, row.voiced.origin());
            let (r, weights) = voices.mixed(&policy, subject, origin, &[]);
            if r == row.risks[0] {
                let Shares { content, behaviour, policy: provenance } = weights.shares();
                let shares = [content, behaviour, provenance];
                parts.iter_mut().zip(shares).for_each(|(part, share)| part.weight = Some(share.get()));
                for signal in &mut case.contributions {
                    let name = voices.alone.iter().map(|(name, _)| *name).find(|name| name.name() == signal.name);
                    let without = name.map(|name| voices.without(&policy, subject, origin, &[name]));
                    signal.without = without.map(|(r, verdict)| (r.share(), verdict.name().to_owned()));
                }
                let called = voices.without(&policy, subject, origin, &[]).1;
                case.by_risk = Some(called.name().to_owned());
                let sets = voices.hangs_on(&policy, subject, origin).into_iter().take(HANGS_SHOWN);
                case.hangs_on = sets.map(|names| names.iter().map(|name| name.name().to_owned()).collect()).collect();
            }
        }
        case.parts = Some(parts);
    }

    /// What people found about a look-alike.
    fn found(&self, sum: &Sum, stated: &Stated, subject: Subject, alike: Alike) -> Alike {
        let ruled = self.ruling(stated, subject, &alike.id).is_some_and(|ruling| ruling.ruling == "cleared");
        let said = sum.last(subject.name(), &alike.id).is_some_and(|last| last.decided.choice == HONEST);
        Alike { is_found_honest: ruled || said, ..alike }
    }

    fn hits(&self, stated: &Stated, subject: Subject, id: &str) -> Vec<Hit> {
        let mut hits = Vec::new();
        let key = |place| RowKey::Hit(subject, id.to_owned(), place);
        let mut part = [Span::Rows(key(0), None)].into();
        stated.copy(View::RuleHit, &mut part, SHOWN_MAX, |key, value| {
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

/// What became of what they brought, where there is something to tell.
fn record(stated: &Stated, role: Bringer, id: &str) -> Option<Record> {
    let mut found = None;
    let mut part = [Span::Row(RowKey::Owner(role.name(), id.to_owned()))].into();
    stated.copy(View::Reputation, &mut part, 1, |_, value| {
        if let RowValue::Record(record) = &**value {
            found = Some(**record);
        }
        true
    });
    found
}

/// Of ten-thousandths.
fn share(parts: u16) -> f64 {
    f64::from(parts) / 10_000.0
}

/// The surges that last.
fn waves(stated: &Stated) -> Vec<Wave> {
    let mut waves = Vec::new();
    stated.copy(View::Wave, &mut [Span::All].into(), usize::MAX, |_, value| {
        if let RowValue::Wave(row) = &**value {
            waves.push(Wave {
                measure: row.measure.to_owned(),
                segment: row.segment.clone(),
                from: instant::to_text(row.from),
                until: instant::to_text(row.until),
                seen: row.seen,
                expected: row.expected,
                effect: row.effect.clone(),
            });
        }
        true
    });
    waves
}

fn verdict_of(row: Option<&RowValue>) -> Option<&VerdictRow> {
    match row {
        Some(RowValue::Verdict(row)) => Some(row),
        _ => None,
    }
}

/// Whether the guest has the last word.
fn decides(guest: &Guest) -> bool {
    has_last_word(guest.role)
}

fn has_last_word(role: Role) -> bool {
    matches!(role, Role::Admin | Role::Reviewer)
}

fn may_see(guest: &Guest, subject: Subject) -> bool {
    guest.role.may(if subject == Subject::Account { Deed::ReadListening } else { Deed::Read })
}

/// Whether a second person has to agree: much money waits, what is blocked would be freed, or somebody is accused against whom nothing speaks.
fn needs_second(line: &CaseLine, choice: &str) -> bool {
    line.stake_usd >= SECOND_USD
        || choice == FRAUD
        || (["override", OVERTURN, WITHDRAW].contains(&choice) && line.verdict == "block")
}

/// Why somebody cannot decide that about a case, as decisions are now and the verdict was when it was looked for.
fn refused(
    guest: &Guest,
    choice: &Choice,
    sum: &Sum,
    has_verdict: bool,
    is_ruled: bool,
    is_known: bool,
) -> Option<&'static str> {
    if sum.seen(&choice.subject, &choice.id) != choice.seen {
        return Some("somebody decided about it since you opened it: look again");
    }
    let appeal = sum.open_appeal(&choice.subject, &choice.id);
    match choice.choice.as_str() {
        UPHOLD | OVERTURN => match appeal {
            None => Some("nobody appealed against it, or that is decided"),
            Some(appeal) if sum.decided_before(appeal).any(|who| who == guest.name) => {
                Some("you decided about it before; an appeal is for somebody else")
            }
            Some(_) if !has_verdict && choice.choice == UPHOLD => Some("there is no verdict any more to uphold"),
            Some(_) => None,
        },
        WITHDRAW if !is_ruled => Some("nothing is ruled about it that could be taken back"),
        WITHDRAW if appeal.is_some() => Some("somebody appealed: uphold or overturn it"),
        WITHDRAW => None,
        HONEST | FRAUD if has_verdict => Some("there is a verdict: confirm or override it"),
        HONEST | FRAUD if appeal.is_some() => Some("somebody appealed: overturn what was decided"),
        "confirm" | "override" if !has_verdict => Some("nothing speaks against it any more"),
        _ if !is_known => Some("nothing is known of it as of now"),
        "confirm" | "override" if appeal.is_some() => Some("somebody appealed: uphold or overturn it"),
        _ => None,
    }
}

impl<'a> Listed<'a> {
    fn of(ranked: &'a Ranked) -> Listed<'a> {
        let Waiting { subject, id, verdict, risk, .. } = &*ranked.waiting;
        Listed { subject: *subject, id, verdict: *verdict, risk: Some(*risk), sampled: None }
    }

    fn sampled(sampled: &'a Sampled) -> Listed<'a> {
        let Sampled { subject, id, verdict, number } = sampled;
        Listed { subject: *subject, id, verdict: *verdict, risk: None, sampled: Some(*number) }
    }
}

/// What tells a list of cases and their verdicts from any other.
fn seal(cases: &[CaseLine]) -> String {
    let mut hasher = blake3::Hasher::new();
    for case in cases {
        for text in [&case.subject, &case.id, &case.verdict] {
            hasher.update(&(text.len() as u64).to_le_bytes()).update(text.as_bytes());
        }
    }
    hasher.finalize().to_hex().to_string()
}

/// Whether a case of a list that is made of decisions has what is asked for.
fn is_asked(wanted: &Wanted, subject: &str, verdict: &str) -> bool {
    wanted.subject.as_deref().is_none_or(|wanted| subject == wanted)
        && wanted.verdict.as_deref().is_none_or(|wanted| verdict == wanted)
}

/// Whether a reason is told where one has to be, and is one that there is; and a note where the policy asks for one.
fn has_reason(choice: &Choice, review: &Review) -> Result<(), String> {
    let has_reason = REASONS.iter().any(|(word, _)| *word == choice.reason);
    let needs_reason = ["override", OVERTURN].contains(&choice.choice.as_str());
    if !(has_reason || choice.reason.is_empty() && !needs_reason) {
        return Err("who overrides or overturns says why: choose a reason".to_owned());
    }
    if choice.note.trim().is_empty() && review.notes.asks_for(&choice.choice) {
        return Err(format!("the policy asks for a note with {}: write why", choice.choice));
    }
    if choice.note.chars().count() > 1_000 {
        return Err("the note is longer than 1000 characters".to_owned());
    }
    Ok(())
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
        let (ranking, sum) = (self.material.urgency.now(), self.decisions.now());
        let stated = &ranking.stated;
        let as_of = self.shelf.outline.as_of(stated).map(instant::to_text);
        let (skipped, taken) = match wanted.all {
            true => (0, usize::MAX),
            false => (wanted.page.saturating_mul(PER_PAGE), PER_PAGE),
        };
        let (total, mut cases): (usize, Vec<CaseLine>) = if wanted.appealed {
            let mut found = self.appealed(guest);
            found.retain(|line| is_asked(wanted, &line.subject, &line.verdict));
            (found.len(), found.into_iter().skip(skipped).take(taken).collect())
        } else if wanted.decided {
            let verdict = |subject, id: &str| stated.verdict(&RowKey::Subject(subject, id.to_owned())).name();
            let mut seen = HashSet::new();
            let latest = sum.all.iter().rev().filter(|decision| !decision.decided.undone);
            let first = latest.filter(|decision| seen.insert((&decision.subject, &decision.id)));
            let asked = |decision: &&Arc<Decision>| {
                let subject = Subject::named(&decision.subject).filter(|subject| may_see(guest, *subject));
                subject.is_some_and(|subject| match &wanted.verdict {
                    None => is_asked(wanted, subject.name(), ""),
                    Some(_) => is_asked(wanted, subject.name(), verdict(subject, &decision.id)),
                })
            };
            let found: Vec<&Arc<Decision>> = first.filter(asked).collect();
            let shown = |decision: &Arc<Decision>| {
                let subject = Subject::named(&decision.subject)?;
                let row = self.verdict_row(stated, subject, &decision.id);
                Some(self.line(stated, subject, &decision.id, verdict_of(row.as_deref()), &sum))
            };
            let page = found.iter().skip(skipped).take(taken);
            (found.len(), page.filter_map(|decision| shown(decision)).collect())
        } else {
            self.listed(guest, wanted.queue, &sum, &ranking, |listed| {
                // All are counted, and those of the page made: a hundred thousand need no place for that.
                let (is_for, is_any) = (self.is_for(guest, stated, &sum), wanted.area.as_deref() != Some(MINE));
                let fits = |listed: &Listed<'_>| self.fits(stated, wanted, listed) && (is_any || is_for(listed));
                let mut fitting = listed.filter(fits);
                let before = fitting.by_ref().take(skipped).count();
                let page = fitting.by_ref().take(taken).map(|listed| self.listed_line(&ranking, &sum, &listed));
                let page: Vec<CaseLine> = page.collect();
                (before + page.len() + fitting.count(), page)
            })
        };
        match wanted.all {
            true => self.clerk.note(&guest.name, "export", &format!("{total} cases")),
            // Whoever goes back to the list has left the case.
            false => self.leave(guest, |_, _| true),
        }
        for line in &mut cases {
            line.claimed_by = self.claimed(guest, &line.subject, &line.id);
        }
        Cases { as_of, stands: self.stands(), total, per_page: PER_PAGE, cases }
    }

    fn next(&self, guest: &Guest, queue: Queue) -> Option<(String, String)> {
        let (ranking, sum) = (self.material.urgency.now(), self.decisions.now());
        self.listed(guest, queue, &sum, &ranking, |listed| {
            let mine = listed.filter(self.is_for(guest, &ranking.stated, &sum));
            let mut claimed = mine.filter(|listed| self.claim(guest, listed.subject.name(), listed.id).is_none());
            let free = claimed.next()?;
            Some((free.subject.name().to_owned(), free.id.to_owned()))
        })
    }

    fn groups(&self, guest: &Guest, wanted: &Wanted) -> Vec<Group> {
        let (ranking, sum) = (self.material.urgency.now(), self.decisions.now());
        let known = |ranked: &Ranked| {
            let waiting = &ranked.waiting;
            let last = sum.last(waiting.subject.name(), &waiting.id);
            // By nothing that is finer than the groups: two answers must not tell apart who is in one of them alone.
            let is_told =
                !is_closed(last, waiting.verdict) && is_asked(wanted, waiting.subject.name(), waiting.verdict.name());
            is_told.then(|| crowds::known(waiting.subject, waiting.verdict, waiting.risk, waiting.payable))
        };
        let groups = crowds::grouped(ranking.ranked.iter().filter_map(known));
        self.clerk.note(&guest.name, "export", &format!("{} groups of cases", groups.len()));
        groups
    }

    fn bulk(&self, guest: &Guest, wanted: &Wanted) -> Option<Bulk> {
        if !decides(guest) {
            return None;
        }
        let (ranking, sum) = (self.material.urgency.now(), self.decisions.now());
        let (cases, more) = self.at_once(guest, wanted, &sum, &ranking);
        let as_of = self.shelf.outline.as_of(&ranking.stated).map(instant::to_text);
        Some(Bulk { as_of, seal: seal(&cases), cases, more })
    }

    fn decide_all(
        &self,
        guest: &Guest,
        wanted: &Wanted,
        choice: &Choice,
        sealed: &str,
    ) -> Result<(u64, usize), String> {
        if !decides(guest) {
            return Err("your role decides nothing".to_owned());
        }
        if !AT_ONCE.contains(&choice.choice.as_str()) {
            return Err(format!("{:?}: expected one of {}", choice.choice, AT_ONCE.join(", ")));
        }
        has_reason(choice, &self.shelf.review(&self.shelf.now()))?;
        if choice.note.trim().is_empty() {
            return Err("who decides about many at once says why: write a note".to_owned());
        }
        let (ranking, sum) = (self.material.urgency.now(), self.decisions.now());
        let (cases, _) = self.at_once(guest, wanted, &sum, &ranking);
        if cases.is_empty() || seal(&cases) != sealed {
            return Err("it is another list than you saw: look again".to_owned());
        }
        let made = cases.iter().filter_map(|line| {
            let circumstances = self.circumstances(&ranking, line, Subject::named(&line.subject)?, &choice.choice);
            let (subject, id, verdict) = (line.subject.clone(), line.id.clone(), line.verdict.clone());
            Some((Choice { subject, id, verdict, queue: wanted.queue, ..choice.clone() }, circumstances))
        });
        let made: Vec<_> = made.collect();
        let count = made.len();
        let is_as_before = |line: &CaseLine, now: &Sum| {
            let (subject, id) = (&line.subject, &line.id);
            now.seen(subject, id) == sum.seen(subject, id) && now.open_appeal(subject, id).is_none()
        };
        let first = self.decisions.add(&guest.name, made, |now| {
            let is_same = cases.iter().all(|line| is_as_before(line, now));
            if is_same { Ok(()) } else { Err("it is another list than you saw: look again".to_owned()) }
        })?;
        let about = format!("{} of {count} cases, numbers {first} to {}", choice.choice, first + count as u64 - 1);
        self.clerk.note(&guest.name, "bulk decision", &about);
        Ok((first, count))
    }

    fn case(&self, guest: &Guest, subject: &str, id: &str) -> Option<Case> {
        let subject = Subject::named(subject).filter(|subject| may_see(guest, *subject))?;
        let (stated, sum) = (self.shelf.now(), self.decisions.now());
        let verdict = self.verdict_row(&stated, subject, id);
        let row = verdict_of(verdict.as_deref());
        let history: Vec<_> = sum.of(subject.name(), id).rev().map(|decision| decision.decided.clone()).collect();
        let likeness = self.likeness(&stated, subject, id);
        let (measures, alike) = likeness.as_ref().map(Likeness::measures).unwrap_or_default();
        let ruling = self.ruling(&stated, subject, id);
        let appeal = self.last_appeal(&sum, &stated, subject, id);
        let reputation = self.reputation(&stated, subject, id);
        let track = self.id(subject, id).filter(|_| subject == Subject::Track);
        let heard = track.zip(stated.tick()).and_then(|(track, tick)| self.material.exhibits.of_track(&track, tick));
        let is_known = row.is_some() || ruling.is_some() || appeal.is_some() || heard.is_some() || reputation.is_some();
        let (sound, differences) = heard.unzip();
        let owner = self.id(subject, id).filter(|_| matches!(subject, Subject::Artist | Subject::Uploader));
        let works = owner.zip(stated.tick());
        let works = works.and_then(|(owner, tick)| self.material.exhibits.of_owner(subject, &owner, tick));
        if !is_known && history.is_empty() && measures.is_empty() {
            return None;
        }
        self.clerk.note(&guest.name, "case", &format!("{} {id}", subject.name()));
        let mut line = self.line(&stated, subject, id, row, &sum);
        let kept_for = self.kept_for(&self.areas(&stated), guest, &stated, &sum, (subject, id));
        // Who may only look keeps nobody from deciding.
        line.claimed_by = match kept_for {
            Some(_) if guest.role != Role::Admin => self.claimed(guest, subject.name(), id),
            _ => self.claim(guest, subject.name(), id),
        };
        let mut case = Case {
            as_of: self.shelf.outline.as_of(&stated).map(instant::to_text),
            stands: self.stands(),
            kept_for,
            needs_second: needs_second(&line, "confirm"),
            frees_with_second: needs_second(&line, "override"),
            windows: self.shelf.outline.labels.iter().map(|label| label.to_string()).collect(),
            measures,
            alike: alike.into_iter().map(|alike| self.found(&sum, &stated, subject, alike)).collect(),
            habit: likeness.and_then(|own| own.habit(&self.material.places.habits(), self.material.longest_ms)),
            graph: self.graph(&stated, subject, id),
            group: self.group_of(&stated, subject, id),
            notes_for: self.shelf.review(&stated).notes.words(),
            hits: self.hits(&stated, subject, id),
            ruling,
            appeal,
            statement: (decides(guest) && has_statement(subject)).then(|| {
                let code = self.codes.of(subject, id);
                format!("/appeal/{}/{}/{code}", subject.name(), console::desk::path_part(id))
            }),
            sound: (subject == Subject::Track).then(|| sound.unwrap_or_default()),
            works,
            reputation,
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
        if let Some((model, fraud)) = self.score(&stated, subject, id) {
            let name = format!("model {model}");
            case.versions.retain(|version| *version != name);
            case.versions.push(format!("{name} finds fraud {:.1} % probable", 100.0 * fraud.share()));
        }
        stated.copy(View::Risk, &mut [Span::Row(RowKey::Subject(subject, id.to_owned()))].into(), 1, |_, value| {
            if let RowValue::Risk(row) = &**value {
                case.contributions = contributions(&row.parts);
                self.weigh(&mut case, stated.tick(), subject, row);
            }
            true
        });
        Some(case)
    }

    fn search(&self, guest: &Guest, part: &str) -> Option<Found> {
        let stated = self.shelf.now();
        let kinds: Vec<Subject> = Subject::ALL.into_iter().filter(|kind| may_see(guest, *kind)).collect();
        let mut found = search(&self.shelf.outline, &stated, &self.material.places, &kinds, part)?;
        // A part may be of a name of somebody.
        self.clerk.note(&guest.name, "search", &format!("{} found", found.len()));
        let more = found.len() > FOUND_MAX;
        found.truncate(FOUND_MAX);
        let named = |(subject, id, name): (Subject, String, Option<String>)| {
            let verdict = stated.verdict(&RowKey::Subject(subject, id.clone())).name().to_owned();
            Named { subject: subject.name().to_owned(), id, name, verdict }
        };
        let as_of = self.shelf.outline.as_of(&stated).map(instant::to_text);
        Some(Found { as_of, subjects: found.into_iter().map(named).collect(), more })
    }

    fn circle(&self, guest: &Guest, group: &str) -> Option<Circle> {
        let of = self.id(Subject::Account, group).filter(|_| may_see(guest, Subject::Account))?;
        let (stated, sum) = (self.shelf.now(), self.decisions.now());
        let mut ids: Vec<String> = Vec::new();
        stated.copy(View::Groups, &mut [Span::All].into(), usize::MAX, |key, value| {
            if let (RowKey::Account(account), RowValue::Group(theirs, _)) = (key, &**value)
                && *theirs == of
            {
                ids.push(account.to_string());
            }
            true
        });
        if ids.is_empty() {
            return None;
        }
        self.clerk.note(&guest.name, "group", group);
        let line = |id: &String| {
            let row = self.verdict_row(&stated, Subject::Account, id);
            self.line(&stated, Subject::Account, id, verdict_of(row.as_deref()), &sum)
        };
        let (size, mut members) = (ids.len(), ids.iter().map(line).collect::<Vec<_>>());
        members.sort_by(|a, b| b.risk.total_cmp(&a.risk).then_with(|| a.id.cmp(&b.id)));
        members.truncate(SHOWN_MAX);
        let as_of = self.shelf.outline.as_of(&stated).map(instant::to_text);
        let graph = self.graph(&stated, Subject::Account, &members.first()?.id);
        Some(Circle { as_of, id: group.to_owned(), size, members, graph })
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
        self.material.exhibits.spectrum(hash, tile).filter(|_| may_see(guest, Subject::Track))
    }

    fn clip(&self, guest: &Guest, clip: &Clip) -> Result<Arc<[u8]>, Silence> {
        if !may_see(guest, Subject::Track) {
            return Err(Silence::Unknown);
        }
        self.material.exhibits.clip(clip)
    }

    fn overview(&self, guest: &Guest) -> Overview {
        let (ranking, sum) = (self.material.urgency.now(), self.decisions.now());
        let as_of = self.shelf.outline.as_of(&ranking.stated);
        let review = self.shelf.review(&ranking.stated);
        let decided = Subject::ALL.map(|subject| sum.about(subject.name()));
        let mut verdicts = [[0; 3]; Subject::ALL.len()];
        let mut waits: Vec<(f64, bool)> = Vec::new();
        for Ranked { waiting, waits_hours, .. } in &ranking.ranked {
            let kind = waiting.subject as usize;
            if let Some(place) = (waiting.verdict as usize).checked_sub(Verdict::Hold as usize) {
                verdicts[kind][place] += 1;
            }
            let is_open = !is_closed(decided[kind].last(&waiting.id), waiting.verdict);
            if is_open && may_see(guest, waiting.subject) {
                waits.push((*waits_hours, clock(*waits_hours, waiting.verdict, &review) >= 1.0));
            }
        }
        waits.sort_by(|a, b| a.0.total_cmp(&b.0));
        let areas = self.areas(&ranking.stated);
        // Nobody is left of those who take the area.
        let is_for_all = |(subject, id): &(&str, &str)| {
            let Some(kind) = Subject::named(subject).filter(|kind| may_see(guest, *kind)) else { return false };
            let area = self.area(&ranking.stated, kind, id);
            !areas.people(area, &[]).is_empty() && areas.people(area, &sum.said(subject, id)).is_empty()
        };
        let hours = |place: usize| waits.get(place).map_or(0.0, |(hours, _)| *hours);
        let seen = || Subject::ALL.into_iter().filter(|kind| may_see(guest, *kind));
        let hour = |(at, count): (Millis, u64)| Hour { at: instant::to_text(at), counts: vec![count] };
        let sees = |subject| may_see(guest, subject);
        Overview {
            as_of: as_of.map(instant::to_text),
            stands: self.stands(),
            lags_hours: as_of.map_or(0.0, |as_of| (now() - as_of).max(0) as f64 / 3_600_000.0),
            verdicts: seen().map(|kind| (kind.name().to_owned(), verdicts[kind as usize])).collect(),
            waiting: waits.len(),
            late: waits.iter().filter(|(_, is_late)| *is_late).count(),
            half_hours: hours(waits.len() / 2),
            oldest_hours: hours(waits.len().saturating_sub(1)),
            for_all: sum.for_others().into_iter().filter(is_for_all).count(),
            areas: areas.all(),
            people: sum.people(now()),
            confirmed: sum.confirmed(),
            agreement: sum.agreement(),
            audited: sum.audited(),
            drawn: self.listed(guest, Queue::Audit, &sum, &ranking, |listed| listed.count()),
            decisions: sum.by_hour(now(), HOURS_SHOWN).into_iter().map(hour).collect(),
            ages: ages(&waits),
            verdicts_by_hour: self.material.trends.hours(sees),
            drift: self.material.trends.drift(sees),
            turns: self.material.trends.turns(&sum, sees),
            cuts: self.material.trends.cuts(&sum, sees),
            detected: self.material.trends.detected(sees),
            waves: waves(&ranking.stated),
        }
    }

    fn decide(&self, guest: &Guest, choice: &Choice) -> Result<u64, String> {
        let decided = self.decided(guest, choice);
        // Who decided, or was refused, keeps nobody from it any longer.
        self.leave(guest, |subject, id| subject == choice.subject && id == choice.id);
        if decided.is_ok() {
            let about = format!("{} {}: {}", choice.subject, choice.id, choice.choice);
            self.clerk.note(&guest.name, "decision", &about);
        }
        decided
    }

    fn statement(&self, subject: &str, id: &str, code: &str) -> Option<Statement> {
        let subject = self.opened(subject, id, code)?;
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
            appeal: self.last_appeal(&sum, &stated, subject, id),
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

    fn add_file(&self, subject: &str, id: &str, code: &str, name: &str, bytes: &[u8]) -> Result<(), String> {
        let told = self.statement(subject, id, code).ok_or("there is no such case")?;
        if !told.appeal.is_some_and(|appeal| appeal.more_files) {
            return Err(format!("no appeal waits that it could belong to, or it has {FILES_MAX} files"));
        }
        if bytes.len() > BYTES_MAX {
            return Err(format!("the file is larger than {} MB", BYTES_MAX >> 20));
        }
        let kind = cabinet::kind(bytes).ok_or_else(|| format!("the file is none of {}", cabinet::kinds()))?;
        let hash = self.material.cabinet.put(bytes).map_err(|failure| failure.to_string())?;
        let [subject, id, name, kind] = [subject, id, name, kind].map(str::to_owned);
        let file = Filed { subject, id, name, kind, bytes: bytes.len() as u64, hash };
        self.decisions.file(file).map_err(|failure| failure.to_string())
    }

    fn file(&self, guest: &Guest, hash: &str) -> Option<(u64, File)> {
        if !decides(guest) {
            return None;
        }
        let sum = self.decisions.now();
        let file = sum.file(hash)?;
        self.clerk.note(&guest.name, "file", &format!("{} {}: {hash}", file.subject, file.id));
        self.material.cabinet.get(hash)
    }

    fn undo(&self, guest: &Guest, number: u64) -> Result<(String, String), String> {
        let undone = self.decisions.undo(&guest.name, number).map_err(|failure| failure.to_string())?;
        self.clerk.note(&guest.name, "undo", &number.to_string());
        Ok((undone.subject.clone(), undone.id.clone()))
    }
}

/// How many cases have waited how long, and how many of them too long.
fn ages(waits: &[(f64, bool)]) -> Vec<(String, u64, u64)> {
    let bounds = AGES.map(|hours| hours as f64).into_iter().chain([f64::INFINITY]);
    let name = |least: f64, most: f64| match most.is_finite() {
        true => format!("{least:.0} to {most:.0} h"),
        false => format!("{least:.0} h and more"),
    };
    let mut least = 0.0;
    let counted = |most: f64| {
        let of_age = || waits.iter().filter(|(hours, _)| *hours >= least && *hours < most);
        let (all, late) = (of_age().count() as u64, of_age().filter(|(_, is_late)| *is_late).count() as u64);
        let age = (name(least, most), all, late);
        least = most;
        age
    };
    bounds.map(counted).collect()
}

fn sent_file(file: &Filed) -> SentFile {
    let Filed { name, kind, bytes, hash, .. } = file.clone();
    SentFile { name, kind, bytes, hash }
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
        without: None,
    };
    let mut contributions: Vec<Contribution> = parts.iter().map(part).collect();
    contributions.sort_by(|a, b| b.share.partial_cmp(&a.share).unwrap_or(Ordering::Equal));
    contributions
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_ruled_is_taken_back_by_two_where_two_had_to_rule_and_never_around_an_appeal() {
        let folder = tempfile::tempdir().expect("a folder");
        let decisions = Decisions::open(folder.path()).expect("a folder to write to");
        let guest = Guest { name: "rita".to_owned(), role: Role::Reviewer };
        let [subject, id] = ["track", "1"].map(str::to_owned);
        let withdraw = Choice { subject, id, choice: WITHDRAW.to_owned(), ..Choice::default() };
        let refused = |choice: &Choice| refused(&guest, choice, &decisions.now(), true, true, true);
        assert_eq!(refused(&withdraw), None);
        decisions.appeal("track", "1", "that was a concert").expect("none waits");
        assert_eq!(refused(&withdraw), Some("somebody appealed: uphold or overturn it"));
        let uphold = Choice { choice: UPHOLD.to_owned(), ..withdraw.clone() };
        assert_eq!(refused(&uphold), None);
        let number = decisions.add("rick", vec![(uphold.clone(), Circumstances::default())], |_| Ok(()));
        // The page was made before.
        assert!(refused(&withdraw).is_some_and(|why| why.contains("look again")));
        assert_eq!(refused(&Choice { seen: number.expect("it is written"), ..withdraw }), None);

        let line =
            |verdict: &str, stake_usd| CaseLine { verdict: verdict.to_owned(), stake_usd, ..CaseLine::default() };
        for (verdict, stake_usd, needs) in [("hold", 1.0, false), ("hold", SECOND_USD, true), ("block", 1.0, true)] {
            assert_eq!(needs_second(&line(verdict, stake_usd), WITHDRAW), needs, "{verdict} {stake_usd}");
        }
    }
}
