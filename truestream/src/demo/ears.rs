//! What a scan heard in the world, held against what is true of its recordings.
//!
//! ```text
//! evidence of a scan ─┐
//! recordings, truth ──┼─▶ per origin: how many are suspicious, and why
//! verdicts ───────────┘   and the first verdict on a track for which its audio spoke
//! ```

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;

use datasets::tables::read_evidence;
use datasets::tables::rows::{Rows, Value};
use datasets::world::{Origin, Recording};
use records::{Confidence, Evidence, Millis, Risk};
use serde_json::json;

use crate::replay;

/// Suspicious from here on, in ten-thousandths.
const SUSPICIOUS_PARTS: u16 = 5_000;
/// The rule of a track's audio.
const RULE: &str = "\"track.audio\"";

/// What was heard.
pub(super) struct Heard {
    origins: BTreeMap<&'static str, Origins>,
    verdict: Option<Verdict>,
}

/// The recordings of one origin.
#[derive(Default)]
struct Origins {
    recordings: u64,
    /// Of which a detector said something at all.
    noticed: u64,
    suspicious: u64,
    /// The gravest finding, in words.
    gravest: Option<(Risk, String)>,
}

/// A verdict on a track.
struct Verdict {
    track: String,
    at: Millis,
    verdict: String,
    reasons: Vec<String>,
}

impl Heard {
    /// Reads the evidence of a scan and the verdicts of a replay.
    pub(super) fn read(scanned: &Path, tables: &Path, truth: &[Recording]) -> Result<Heard, datasets::Error> {
        let mut findings: BTreeMap<String, (Risk, String)> = BTreeMap::new();
        let keep = |row: Evidence| {
            if row.confidence > Confidence::NONE {
                let finding = (row.risk, replay::in_words(&row));
                let gravest = findings.entry(row.content_id.to_string()).or_default();
                *gravest = finding.max(std::mem::take(gravest));
            }
        };
        read_evidence(&[scanned.join("evidence.parquet")], keep, &mut Vec::new())?;
        let mut origins: BTreeMap<&'static str, Origins> = BTreeMap::new();
        for recording in truth {
            let tally = origins.entry(name(recording.origin)).or_default();
            tally.recordings += 1;
            let said = findings.get(&recording.track_id.to_string()).filter(|(risk, _)| *risk > Risk::CLEAN);
            if let Some(finding) = said {
                tally.noticed += 1;
                tally.suspicious += u64::from(finding.0.parts() >= SUSPICIOUS_PARTS);
                tally.gravest = tally.gravest.take().max(Some(finding.clone()));
            }
        }
        let verdict = first_verdict(&tables.join("verdict.parquet"), truth)?;
        Ok(Heard { origins, verdict })
    }

    pub(super) fn text(&self) -> String {
        let mut text = "Recordings          heard  noticed  suspicious  the gravest\n".to_owned();
        for (origin, Origins { recordings, noticed, suspicious, gravest }) in &self.origins {
            let words = gravest.as_ref().map_or("", |(_, words)| words);
            let line = format!("  {origin:<18}{recordings:>5}{noticed:>9}{suspicious:>12}  {words}");
            let _ = writeln!(text, "{}", line.trim_end());
        }
        if let Some(Verdict { track, at, verdict, reasons }) = &self.verdict {
            let _ = writeln!(text, "\nOne verdict by ear: track {track} on {}: {verdict}", replay::instant(*at));
            reasons.iter().for_each(|reason| _ = writeln!(text, "  {reason}"));
        }
        text
    }

    pub(super) fn json(&self) -> serde_json::Value {
        let origin = |(name, tally): (&&'static str, &Origins)| {
            let gravest = tally.gravest.as_ref().map(|(_, words)| words);
            json!({
                "origin": name,
                "heard": tally.recordings,
                "noticed": tally.noticed,
                "suspicious": tally.suspicious,
                "gravest": gravest,
            })
        };
        let verdict = self.verdict.as_ref().map(|Verdict { track, at, verdict, reasons }| {
            json!({"track": track, "as_of": replay::instant(*at), "verdict": verdict, "reasons": reasons})
        });
        json!({"recordings": self.origins.iter().map(origin).collect::<Vec<_>>(), "verdict": verdict})
    }
}

fn name(origin: Origin) -> &'static str {
    match origin {
        Origin::Played => "played",
        Origin::Copied { .. } => "copied",
        Origin::Decoded => "decoded",
        Origin::Faulty => "faulty",
    }
}

/// The first verdict on a track for which its audio spoke: on a copy if there is one, for then two recordings tell.
fn first_verdict(path: &Path, truth: &[Recording]) -> Result<Option<Verdict>, datasets::Error> {
    let is_copy: BTreeMap<String, bool> = truth
        .iter()
        .map(|recording| (recording.track_id.to_string(), matches!(recording.origin, Origin::Copied { .. })))
        .collect();
    let mut first: Option<(bool, Verdict)> = None;
    let mut rows = Rows::open(path, &["as_of", "diff", "subject", "subject_id", "verdict", "reasons", "rules"])?;
    while rows.advance()? {
        let [at, diff, subject, id, verdict, reasons, rules] = std::array::from_fn(|column| rows.value(column));
        let (Value::Int(at), Value::Int(1), Value::Text("track"), Value::Text(track)) = (at, diff, subject, id) else {
            continue;
        };
        let (Value::Text(verdict), Value::Text(reasons), Value::Text(rules)) = (verdict, reasons, rules) else {
            continue;
        };
        let Some(&copy) = is_copy.get(track).filter(|_| rules.contains(RULE)) else { continue };
        if first.as_ref().is_none_or(|(known, _)| copy && !known) {
            let reasons = serde_json::from_str(reasons).unwrap_or_default();
            first = Some((copy, Verdict { track: track.to_owned(), at, verdict: verdict.to_owned(), reasons }));
        }
    }
    Ok(first.map(|(_, verdict)| verdict))
}
