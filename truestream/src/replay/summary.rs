//! What a replay did, in words and as JSON.

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::fmt::Write;
use std::time::Duration;

use records::{Millis, Risk, Subject, Verdict};
use serde_json::{Value, json};
use std::sync::atomic::Ordering;

use super::args::{Emit, ReplayArgs};
use super::books::Books;
use super::feed::Feed;
use super::feed::Refreshes;
use super::prepare::Prepared;
use super::views::{RowKey, RowValue, VerdictRow, View, link_name};

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
    refused: BTreeMap<(String, &'static str), u64>,
    first_as_of: Option<Millis>,
    last_as_of: Option<Millis>,
    largest_groups: Vec<(String, u32)>,
    grouped_accounts: usize,
    hubs: usize,
    pairs: usize,
    /// Subjects by verdict, worst first, and kind; `None` where nobody was judged.
    verdicts: Option<BTreeMap<(Reverse<Verdict>, Subject), u64>>,
    suspects: Vec<Suspect>,
    /// How long the refreshes took, where each of them was stated.
    refreshes: Option<Refreshes>,
    /// Rows of views that changed, counted where they are not written.
    changed_rows: Option<u64>,
    elapsed: Duration,
    manifest: Value,
}

/// A subject that is not allowed.
struct Suspect {
    subject: Subject,
    id: String,
    verdict: Verdict,
    r: Risk,
    reasons: Vec<String>,
}

impl Summary {
    /// Of a run that has come to its end.
    pub fn new(args: &ReplayArgs, prepared: &Prepared, feed: &Feed, books: &Books, elapsed: Duration) -> Summary {
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
        let mut summary = Summary {
            is_first_process: prepared.is_first_process,
            plays: feed.plays.load(Ordering::Relaxed),
            rows: prepared.survey.rows(),
            corrections: prepared.corrections_count,
            refused,
            first_as_of: ran.then(|| clock.instant(prepared.first)),
            last_as_of: ran.then(|| clock.instant(prepared.plan.until)),
            largest_groups,
            grouped_accounts: books.state(View::Groups).count(),
            hubs: books.state(View::Hubs).count(),
            pairs: books.state(View::Lockstep).count(),
            verdicts: prepared.views.contains(&View::Verdict).then(|| verdicts(books)),
            suspects: suspects(books),
            refreshes: (args.emit != Emit::Last).then(|| feed.refreshes()).flatten(),
            changed_rows: (args.emit == Emit::None).then(|| books.changed_rows()),
            elapsed,
            manifest: Value::Null,
        };
        summary.manifest = summary.manifest_of(args, prepared);
        summary
    }

    fn manifest_of(&self, args: &ReplayArgs, prepared: &Prepared) -> Value {
        let paths = |files: &[std::path::PathBuf]| files.iter().map(|f| f.display().to_string()).collect::<Vec<_>>();
        let inputs = &prepared.inputs;
        json!({
            "format": 1,
            "every_ms": prepared.every_ms,
            "windows": prepared.window_labels.iter().map(|label| label.to_string()).collect::<Vec<_>>(),
            "windows_ms": prepared.windows_ms,
            "hub": args.hub,
            "links": prepared.plan.links.iter().map(|link| link_name(*link)).collect::<Vec<_>>(),
            "views": prepared.views.iter().map(|view| view.name()).collect::<Vec<_>>(),
            "policy_version": prepared.plan.judging.as_ref().map(|judging| judging.policy.version.as_str()),
            "emit": args.emit.name(),
            "first_as_of_ms": self.first_as_of,
            "last_as_of_ms": self.last_as_of,
            "inputs": {
                "plays": paths(&inputs.plays),
                "corrections": paths(&inputs.corrections),
                "tracks": paths(&inputs.tracks),
                "accounts": paths(&inputs.accounts),
                "distributors": paths(&inputs.distributors),
                "networks": paths(&inputs.networks),
                "playlists": paths(&inputs.playlists),
                "labels": paths(&inputs.labels),
            },
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
            "refused": refused,
            "first_as_of_ms": self.first_as_of,
            "last_as_of_ms": self.last_as_of,
            "grouped_accounts": self.grouped_accounts,
            "hubs": self.hubs,
            "lockstep_pairs": self.pairs,
            "verdicts": verdicts,
            "suspects": suspects,
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
        for ((source, code), count) in &self.refused {
            let _ = writeln!(text, "          {count} rows of {source} refused: {code} (see refusal.parquet)");
        }
        if let (Some(first), Some(last)) = (self.first_as_of, self.last_as_of) {
            let _ = writeln!(text, "As of     {} to {}", instant(first), instant(last));
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
        self.tell_verdicts(&mut text);
        text
    }
}

impl Summary {
    fn tell_verdicts(&self, text: &mut String) {
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

/// An instant as people write it, in UTC.
pub fn instant(at: Millis) -> String {
    // Days to a civil date: Howard Hinnant, "chrono-compatible low-level date algorithms".
    let (days, of_day) = (at.div_euclid(86_400_000), at.rem_euclid(86_400_000));
    let z = days + 719_468;
    let era = z.div_euclid(146_097);
    let doe = z.rem_euclid(146_097);
    let yoe = (doe - doe / 1_460 + doe / 36_524 - doe / 146_096) / 365;
    let doy = doe - (365 * yoe + yoe / 4 - yoe / 100);
    let mp = (5 * doy + 2) / 153;
    let (day, month) = (doy - (153 * mp + 2) / 5 + 1, if mp < 10 { mp + 3 } else { mp - 9 });
    let year = yoe + era * 400 + i64::from(month <= 2);
    format!("{year:04}-{month:02}-{day:02} {:02}:{:02} UTC", of_day / 3_600_000, of_day / 60_000 % 60)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn instants_are_shown_in_utc() {
        assert_eq!(instant(0), "1970-01-01 00:00 UTC");
        assert_eq!(instant(1_709_251_199_000), "2024-02-29 23:59 UTC");
        assert_eq!(instant(1_767_225_600_000), "2026-01-01 00:00 UTC");
    }

    #[test]
    fn row_keys_sort_windows_before_ids() {
        use super::super::views::RowKey;
        let key = |window, id: u64| RowKey::Window(window, id.into());
        assert!(key(0, 9) < key(1, 2) && key(1, 2) < key(1, 10));
    }
}
