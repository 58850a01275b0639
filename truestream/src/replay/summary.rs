//! What a replay did, in words and as JSON.

use std::cmp::Reverse;
use std::collections::{BTreeMap, HashMap};
use std::fmt::Write;
use std::time::Duration;

use dataflows::clock::Tick;
use records::clause::Clause;
use records::gate::Action;
use records::{Id, Millis, Risk, Subject, Verdict};
use serde_json::{Value, json};
use std::sync::Arc;
use std::sync::atomic::Ordering;

pub use datasets::formats::instant::to_minute as instant;
use datasets::tables::rows::greatest;

use super::args::{Emit, ReplayArgs};
use super::books::Books;
use super::evidence::HeardCounts;
use super::feed::Feed;
use super::feed::Refreshes;
use super::judge::{Judge, Turned};
use super::laws::Beta;
use super::prepare::Prepared;
use super::views::{RowKey, RowValue, VerdictRow, View, link_name};
use crate::ingredients::Ingredients;

/// How many suspects are told.
const SUSPECTS_TOLD_MAX: usize = 5;
/// How many reasons of each.
const REASONS_TOLD_MAX: usize = 2;
/// How many groups are told.
const GROUPS_TOLD_MAX: usize = 5;

/// What came in, what was refused and what was found.
pub struct Summary {
    /// Whether this process wrote the tables.
    pub is_first_process: bool,
    /// Plays that were read (repeats included).
    pub plays: u64,
    rows: u64,
    corrections: usize,
    heard: Option<HeardCounts>,
    refused: BTreeMap<(String, &'static str), u64>,
    first_as_of: Option<Millis>,
    last_as_of: Option<Millis>,
    aftermath: Option<Aftermath>,
    largest_groups: Vec<(String, u32)>,
    grouped_accounts: usize,
    hubs: usize,
    pairs: usize,
    /// Tracks that wait for what they must declare; `None` where nobody asked.
    payout_held: Option<usize>,
    /// Tracks that wait at the gate, and others about which it finds something; `None` where nobody asked.
    gated: Option<[usize; 2]>,
    /// Rulings in force as of the last instant by what was ruled; `None` where nobody ruled.
    rulings: Option<BTreeMap<&'static str, u64>>,
    /// Subjects by verdict, worst first, and kind; `None` where nobody was judged.
    verdicts: Option<BTreeMap<(Reverse<Verdict>, Subject), u64>>,
    suspects: Vec<Suspect>,
    /// The rules that people wrote, and how many matches of each began.
    clauses: Vec<(Arc<Clause>, u64)>,
    /// Whether that is counted as of the last instant only.
    tells_last_alone: bool,
    /// The policies that came into force in between.
    turns: Vec<Turn>,
    /// How long the refreshes took, where each of them was stated.
    refreshes: Option<Refreshes>,
    /// Rows of views that changed, counted where they are not written.
    changed_rows: Option<u64>,
    elapsed: Duration,
    manifest: Value,
}

/// What is left to say when news of plays goes on long after the last play.
struct Aftermath {
    /// When the last play ended.
    last_play_at: Millis,
    /// The first instant as of which it counts.
    as_of: Millis,
    /// The windows in which nothing is left as of the last instant.
    empty: Vec<Arc<str>>,
}

/// A subject that is not allowed.
struct Suspect {
    subject: Subject,
    id: String,
    verdict: Verdict,
    r: Risk,
    reasons: Vec<String>,
}

/// Quieter than this for less long, the last windows are only a little thinner.
const AFTERMATH_MIN_MS: Millis = 86_400_000;

impl Aftermath {
    /// `None` where plays go on until the end, or nothing vouches for when they ended.
    fn of(prepared: &Prepared, last_as_of: Millis) -> Option<Aftermath> {
        let files = prepared.survey.files.iter().filter(|file| file.rows > 0);
        let ends = files.map(|file| greatest(&file.path, "ended_at").ok().flatten());
        // A row that says otherwise is refused, and vouches for nothing.
        let last_play_at =
            ends.collect::<Option<Vec<_>>>()?.into_iter().max().filter(|at| (0..last_as_of).contains(at))?;
        let quiet_ms = last_as_of - last_play_at;
        let windows = prepared.windows_ms.iter().zip(&prepared.window_labels);
        let empty: Vec<_> = windows.filter(|(ms, _)| **ms <= quiet_ms).map(|(_, label)| label.clone()).collect();
        let clock = prepared.plan.clock;
        let as_of = clock.instant(clock.first_after(last_play_at));
        (quiet_ms >= AFTERMATH_MIN_MS && !empty.is_empty()).then_some(Aftermath { last_play_at, as_of, empty })
    }

    fn text(&self, last_as_of: Millis) -> String {
        let (ended, last) = (instant(self.last_play_at), instant(last_as_of));
        format!(
            "the last play ended {ended}, but late plays and corrections arrived until {last}: as of then nothing is left in \
             {} and the other tables are thin. For the tables as they stood when the plays ended, run with --emit all and \
             take the rows with as_of {}",
            self.empty.join(", "),
            instant(self.as_of)
        )
    }
}

/// A policy that came into force while the river flowed.
struct Turn {
    version: String,
    from: Millis,
    /// What it touched.
    turned: Turned,
    refresh_ms: Option<f64>,
}

impl Turn {
    fn all(prepared: &Prepared, books: &Books, feed: &Feed, emit: Emit) -> Vec<Turn> {
        let turn = |judge: &Judge, turned: &Turned| Turn {
            version: judge.version_from(turned.tick).unwrap_or_default().to_owned(),
            from: prepared.plan.clock.instant(turned.tick),
            turned: *turned,
            refresh_ms: feed.refresh_ms(turned.tick).filter(|_| emit != Emit::Last),
        };
        books
            .judge()
            .into_iter()
            .flat_map(|judge| judge.turned().iter().map(move |turned| turn(judge, turned)))
            .collect()
    }
}

impl Summary {
    /// Of a run that has come to its end.
    pub fn new(
        (args, ingredients): (&ReplayArgs, Option<&Ingredients>),
        prepared: &Prepared,
        feed: &Feed,
        books: &Books,
        elapsed: Duration,
    ) -> Summary {
        let mut refused = BTreeMap::new();
        for refusal in books.refused() {
            *refused.entry((refusal.source.clone(), refusal.code.name())).or_insert(0) += 1;
        }
        let clock = prepared.plan.clock;
        let ran = prepared.plan.until >= prepared.first;
        let mut groups: BTreeMap<String, u32> = BTreeMap::new();
        for (_, value) in books.state(View::Groups) {
            if let RowValue::Group(group, size) = value {
                groups.insert(group.to_string(), *size);
            }
        }
        let mut largest_groups: Vec<_> = groups.into_iter().collect();
        largest_groups.sort_by_key(|(_, size)| Reverse(*size));
        largest_groups.truncate(GROUPS_TOLD_MAX);
        let last_as_of = ran.then(|| clock.instant(prepared.plan.until));
        let mut summary = Summary {
            is_first_process: prepared.is_first_process,
            plays: feed.plays.load(Ordering::Relaxed),
            rows: prepared.survey.rows(),
            corrections: prepared.corrections_count,
            heard: prepared.heard,
            refused,
            first_as_of: ran.then(|| clock.instant(prepared.first)),
            last_as_of,
            aftermath: last_as_of.and_then(|last_as_of| Aftermath::of(prepared, last_as_of)),
            largest_groups,
            grouped_accounts: books.state(View::Groups).count(),
            hubs: books.state(View::Hubs).count(),
            pairs: books.state(View::Lockstep).count(),
            gated: prepared.views.contains(&View::Gate).then(|| gated(books)),
            payout_held: prepared.views.contains(&View::PayoutHold).then(|| books.state(View::PayoutHold).count()),
            rulings: prepared.views.contains(&View::Ruling).then(|| ruled(books)),
            verdicts: prepared.views.contains(&View::Verdict).then(|| verdicts(books)),
            suspects: suspects(books),
            clauses: counted(books.clauses()),
            tells_last_alone: args.emit == Emit::Last,
            turns: Turn::all(prepared, books, feed, args.emit),
            refreshes: (args.emit != Emit::Last).then(|| feed.refreshes()).flatten(),
            changed_rows: (args.emit == Emit::None).then(|| books.changed_rows()),
            elapsed,
            manifest: Value::Null,
        };
        summary.manifest = summary.manifest_of((args, ingredients), prepared, books.judge());
        summary
    }

    fn manifest_of(
        &self,
        (args, ingredients): (&ReplayArgs, Option<&Ingredients>),
        prepared: &Prepared,
        judge: Option<&Judge>,
    ) -> Value {
        let instant = |tick: Tick| (tick < Tick::MAX).then(|| prepared.plan.clock.instant(tick));
        let tried = |beta: &Beta| {
            let [from, until] = [beta.from, beta.until].map(instant);
            json!({"from_ms": from, "until_ms": until, "version": beta.policy.version, "percent": beta.percent})
        };
        json!({
            "format": 1,
            "every_ms": prepared.every_ms,
            "windows": prepared.window_labels.iter().map(|label| label.to_string()).collect::<Vec<_>>(),
            "windows_ms": prepared.windows_ms,
            "hub": args.hub,
            "links": prepared.plan.links.iter().map(|link| link_name(*link)).collect::<Vec<_>>(),
            "views": prepared.views.iter().map(|view| view.name()).collect::<Vec<_>>(),
            "models": prepared.models,
            "warnings": prepared.warnings,
            "policy_version": judge.and_then(|judge| judge.policies.last()).map(|(_, policy)| policy.version.as_str()),
            "policies": judge.into_iter().flat_map(|judge| &judge.policies)
                .map(|(from, policy)| json!({"from_ms": prepared.plan.clock.instant(*from), "version": policy.version}))
                .collect::<Vec<_>>(),
            "tried": judge.into_iter().flat_map(Judge::betas).map(tried).collect::<Vec<_>>(),
            "gate": prepared.limits.iter()
                .map(|(from, limits)| json!({"from_ms": prepared.plan.clock.instant(*from), "limits": limits}))
                .collect::<Vec<_>>(),
            "emit": args.emit.name(),
            "hindsight": args.hindsight,
            "first_as_of_ms": self.first_as_of,
            "last_as_of_ms": self.last_as_of,
            "inputs": ingredients,
        })
    }

    /// The manifest of the run, which `verify` reads: no clock and no machine in it, so equal runs have equal bytes.
    pub fn manifest(&self, written: &[(&'static str, u64)]) -> String {
        let mut manifest = self.manifest.clone();
        manifest["rows"] = written
            .iter()
            .map(|(name, rows)| ((*name).to_owned(), json!(rows)))
            .collect::<serde_json::Map<_, _>>()
            .into();
        format!("{manifest:#}\n")
    }

    fn refused_plays(&self) -> u64 {
        self.refused.iter().filter(|((source, _), _)| source == "plays").map(|(_, count)| count).sum()
    }

    /// For machines.
    pub fn json(&self) -> String {
        let refused: Vec<Value> = self
            .refused
            .iter()
            .map(|((source, code), count)| json!({"source": source, "code": code, "rows": count}))
            .collect();
        let verdicts = self.verdicts.as_ref().map(|counts| {
            let mut by_kind = serde_json::Map::new();
            for ((Reverse(verdict), subject), count) in counts {
                by_kind.entry(subject.name()).or_insert_with(|| json!({}))[verdict.name()] = json!(count);
            }
            by_kind
        });
        let suspect = |suspect: &Suspect| {
            let Suspect { subject, id, verdict, r, reasons } = suspect;
            let [subject, verdict] = [subject.name(), verdict.name()];
            json!({"subject": subject, "subject_id": id, "verdict": verdict, "r": r.share(), "reasons": reasons})
        };
        let suspects: Vec<Value> = self.suspects.iter().map(suspect).collect();
        let summary = json!({
            "rows": self.rows,
            "plays": self.rows - self.refused_plays(),
            "refused_plays": self.refused_plays(),
            "corrections": self.corrections,
            "evidence": self.heard.map(|HeardCounts { rows, unknown_yet, recordings, tracks, copies, .. }| {
                json!({
                    "rows": rows,
                    "unknown_yet": unknown_yet,
                    "recordings": recordings,
                    "tracks": tracks,
                    "recordings_with_copies": copies,
                })
            }),
            "refused": refused,
            "first_as_of_ms": self.first_as_of,
            "last_as_of_ms": self.last_as_of,
            "note": self.aftermath.as_ref().zip(self.last_as_of).map(|(aftermath, last)| aftermath.text(last)),
            "grouped_accounts": self.grouped_accounts,
            "hubs": self.hubs,
            "lockstep_pairs": self.pairs,
            "payout_held": self.payout_held,
            "gate": self.gated.map(|[waiting, noted]| json!({"waiting": waiting, "noted": noted})),
            "rulings": self.rulings,
            "verdicts": verdicts,
            "suspects": suspects,
            "rules": self.clauses.iter().map(|(clause, matches)| {
                json!({"rule": clause.id, "version": clause.version, "matches": matches})
            }).collect::<Vec<_>>(),
            "policy_turns": self.turns.iter().map(|Turn { version, from, turned, refresh_ms }| {
                let Turned { cases, decided, took_ms, .. } = turned;
                json!({
                    "version": version, "from_ms": from, "cases": cases, "decided": decided, "took_ms": took_ms,
                    "refresh_ms": refresh_ms,
                })
            }).collect::<Vec<_>>(),
            "refresh_ms": self.refreshes.map(|Refreshes { p50_ms, p99_ms, max_ms }| {
                json!({"p50": p50_ms, "p99": p99_ms, "max": max_ms})
            }),
            "changed_rows": self.changed_rows,
            "elapsed_ms": self.elapsed.as_millis() as u64,
            "run": self.manifest,
        });
        format!("{summary:#}\n")
    }

    /// For people.
    pub fn text(&self) -> String {
        let mut text = String::new();
        let plays_per_s = self.plays as f64 / self.elapsed.as_secs_f64().max(1e-9);
        let _ = writeln!(
            text,
            "Read      {} rows: {} plays and {} refused; {} corrections",
            self.rows,
            self.rows - self.refused_plays(),
            self.refused_plays(),
            self.corrections
        );
        if let Some(HeardCounts { rows, unknown_yet, recordings, tracks, copies, .. }) = self.heard {
            let _ = writeln!(
                text,
                "Heard     {rows} rows of evidence: {recordings} recordings, which {tracks} tracks of the catalogue carry"
            );
            if copies > 0 {
                let _ = writeln!(text, "          {copies} recordings are copies of one another");
            }
            if unknown_yet > 0 {
                let _ = writeln!(
                    text,
                    "Note      {unknown_yet} rows of evidence are known only later than the last instant and say nothing; see \
                     known_at, and --at of truestream scan"
                );
            }
        }
        for ((source, code), count) in &self.refused {
            let see = if self.changed_rows.is_none() { " (see refusal.parquet)" } else { "" };
            let _ = writeln!(text, "          {count} rows of {source} refused: {code}{see}");
        }
        if let (Some(first), Some(last)) = (self.first_as_of, self.last_as_of) {
            let _ = writeln!(text, "As of     {} to {}", instant(first), instant(last));
            if let Some(aftermath) = &self.aftermath {
                let _ = writeln!(text, "Note      {}", aftermath.text(last));
            }
        }
        let _ = writeln!(text, "Took      {:.1} s, {:.0} plays/s", self.elapsed.as_secs_f64(), plays_per_s);
        if let Some(Refreshes { p50_ms, p99_ms, max_ms }) = self.refreshes {
            let _ = writeln!(
                text,
                "Refreshes half within {p50_ms:.1} ms, 99 % within {p99_ms:.1} ms, all in {max_ms:.1} ms"
            );
        }
        if let Some(rows) = self.changed_rows {
            let _ = writeln!(text, "Changed   {rows} rows in all; no table was written (--emit none)");
        }
        let _ = writeln!(
            text,
            "Groups    {} accounts share devices; {} hubs; {} pairs in lockstep",
            self.grouped_accounts, self.hubs, self.pairs
        );
        for (group, size) in &self.largest_groups {
            let _ = writeln!(text, "          group {group}: {size} accounts");
        }
        if let Some(tracks @ 1..) = self.payout_held {
            let _ = writeln!(
                text,
                "Payout    {tracks} tracks wait for what they must declare of generative AI (see payout_hold)"
            );
        }
        if let Some([waiting, noted]) = self.gated.filter(|counts| *counts != [0, 0]) {
            let _ = writeln!(text, "Gate      {waiting} uploads wait for approval, {noted} more are noted (see gate)");
        }
        for Turn { version, from, turned: Turned { cases, decided, took_ms, .. }, refresh_ms } in &self.turns {
            let refresh = refresh_ms.map_or(String::new(), |took| format!("; that refresh took {took:.1} ms"));
            let from = instant(*from);
            let _ = writeln!(
                text,
                "Policy    {version:?} in force as of {from}: {decided} of {cases} cases decided anew in {took_ms:.1} ms{refresh}"
            );
        }
        for (clause, matches) in &self.clauses {
            let Clause { id, version, action, shadow, owner, .. } = &**clause;
            let how = if *shadow { ", in the shadow" } else { "" };
            let told = match matches {
                0 if self.tells_last_alone => {
                    format!("matches nobody as of the last instant; {owner} answers for it")
                }
                many if self.tells_last_alone => format!("matches {many} as of the last instant"),
                0 => format!("matched nobody; {owner} answers for it"),
                1 => "began to match once".to_owned(),
                many => format!("began to match {many} times"),
            };
            let _ = writeln!(text, "Rule      {id}/{version}, {action}{how}: {told}");
        }
        self.tell_verdicts(&mut text);
        text
    }
}

/// A rule that policies ask in different orders is one.
fn counted(clauses: &[(Arc<Clause>, u64)]) -> Vec<(Arc<Clause>, u64)> {
    let mut counted: Vec<(Arc<Clause>, u64)> = Vec::new();
    let mut places: HashMap<&Clause, usize> = HashMap::new();
    for (clause, matches) in clauses {
        let place = *places.entry(clause).or_insert(counted.len());
        match counted.get_mut(place) {
            Some((_, sum)) => *sum += matches,
            None => counted.push((clause.clone(), *matches)),
        }
    }
    counted
}

/// Tracks that wait at the gate, and others about which it finds something.
fn gated(books: &Books) -> [usize; 2] {
    let mut tracks: BTreeMap<&Id, bool> = BTreeMap::new();
    for (key, value) in books.state(View::Gate) {
        if let (RowKey::Finding(track, _), RowValue::Finding(row)) = (key, value) {
            *tracks.entry(track).or_default() |= row.action == Action::Wait;
        }
    }
    let waiting = tracks.values().filter(|waits| **waits).count();
    [waiting, tracks.len() - waiting]
}

impl Summary {
    fn tell_verdicts(&self, text: &mut String) {
        if let Some(rulings) = &self.rulings {
            let told: Vec<String> = rulings.iter().map(|(kind, count)| format!("{count} {kind}")).collect();
            let told = if told.is_empty() { "none".to_owned() } else { told.join(", ") };
            let _ = writeln!(text, "Rulings   in force as of the last instant: {told} (see ruling.parquet)");
        }
        let Some(counts) = &self.verdicts else { return };
        if counts.is_empty() {
            let _ = writeln!(text, "Verdicts  everybody is allowed");
        }
        let mut head = "Verdicts  ";
        for verdict in [Verdict::Block, Verdict::Escalate, Verdict::Hold] {
            let of = counts.iter().filter(|((Reverse(found), _), _)| *found == verdict);
            let told: Vec<String> =
                of.map(|((_, subject), count)| format!("{count} {}", plural(*subject, *count))).collect();
            if !told.is_empty() {
                let _ = writeln!(text, "{head}{verdict}: {}", told.join(", "));
                head = "          ";
            }
        }
        for Suspect { subject, id, verdict, r, reasons } in &self.suspects {
            let _ = writeln!(text, "          {} {id}: {verdict} at risk {:.2}", subject.name(), r.share());
            for reason in reasons.iter().take(REASONS_TOLD_MAX) {
                let _ = writeln!(text, "            {reason}");
            }
        }
    }
}

fn plural(subject: Subject, count: u64) -> String {
    format!("{}{}", subject.name(), if count == 1 { "" } else { "s" })
}

/// How many rulings are in force, by what was ruled.
fn ruled(books: &Books) -> BTreeMap<&'static str, u64> {
    let mut counts = BTreeMap::new();
    for (_, value) in books.state(View::Ruling) {
        if let RowValue::Ruling(ruling) = value {
            *counts.entry(ruling.kind.name()).or_insert(0) += 1;
        }
    }
    counts
}

/// How many subjects of each kind have which verdict.
fn verdicts(books: &Books) -> BTreeMap<(Reverse<Verdict>, Subject), u64> {
    let mut counts = BTreeMap::new();
    for (key, value) in books.state(View::Verdict) {
        if let (RowKey::Subject(subject, _), RowValue::Verdict(row)) = (key, value) {
            *counts.entry((Reverse(row.verdict), *subject)).or_insert(0) += 1;
        }
    }
    counts
}

/// Those against whom most speaks.
fn suspects(books: &Books) -> Vec<Suspect> {
    let mut found = Vec::new();
    for (key, value) in books.state(View::Verdict) {
        if let (RowKey::Subject(subject, id), RowValue::Verdict(row)) = (key, value) {
            found.push((Reverse((row.verdict, row.r)), *subject, id, &**row));
        }
    }
    found.sort_by(|a, b| (a.0, a.1, a.2).cmp(&(b.0, b.1, b.2)));
    let suspect = |(_, subject, id, row): (Reverse<_>, Subject, &String, &VerdictRow)| Suspect {
        subject,
        id: id.clone(),
        verdict: row.verdict,
        r: row.r,
        reasons: row.reasons.clone(),
    };
    found.into_iter().take(SUSPECTS_TOLD_MAX).map(suspect).collect()
}

#[cfg(test)]
mod tests {
    #[test]
    fn row_keys_sort_windows_before_ids() {
        use super::super::views::RowKey;
        let key = |window, id: u64| RowKey::Window(window, id.into());
        assert!(key(0, 9) < key(1, 2) && key(1, 2) < key(1, 10));
    }
}
