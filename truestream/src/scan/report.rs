//! What a scan did, in words and as JSON.

use serde_json::{Value, json};

use super::args::{Plan, ScanArgs};
use super::jobs::Done;
use super::tables::Counts;
use crate::exit::Failure;

/// Tells it on standard output.
pub(super) fn tell(args: &ScanArgs, plan: &Plan, done: &Done, counts: &Counts) -> Result<(), Failure> {
    let text = if args.json {
        let text = serde_json::to_string_pretty(&as_json(args, plan, done, counts));
        text.map_err(|error| Failure::Output(error.to_string()))?
    } else {
        in_words(args, plan, done, counts)
    };
    warnings(counts).iter().for_each(|warning| eprintln!("warning: {warning}"));
    use std::io::{ErrorKind, Write};
    match writeln!(std::io::stdout().lock(), "{text}") {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => {
            Err(Failure::Output(format!("standard output: {error}")))
        }
        _ => Ok(()),
    }
}

fn as_json(args: &ScanArgs, plan: &Plan, done: &Done, counts: &Counts) -> Value {
    let detectors = counts
        .detectors
        .iter()
        .map(|(name, (heard, suspicious))| (name.clone(), json!({ "heard": heard, "suspicious": suspicious })));
    json!({
        "out": args.out.display().to_string(),
        "device": plan.device,
        "jobs": plan.jobs,
        "files": counts.files,
        "files_of_earlier_scans": done.kept,
        "warnings": warnings(counts),
        "recordings": counts.recordings,
        "refused": counts.refused,
        "evidence": counts.evidence,
        "detectors": detectors.collect::<serde_json::Map<_, _>>(),
        "not_heard": unheard(counts),
        "duplicate_groups": counts.groups,
        "not_in_catalogue": counts.nameless,
        "contents_known_before": done.remembered,
        "contents_heard_now": done.heard,
        "audio_seconds_heard_now": done.costs.audio_seconds,
        "cpu_seconds": {
            "decoding": done.costs.decoding.as_secs_f64(),
            "listening": done.costs.listening.as_secs_f64(),
            "characterising": done.costs.characterising.as_secs_f64(),
            "drawing": done.costs.drawing.as_secs_f64(),
            "printing": done.costs.printing.as_secs_f64(),
            "comparing": done.costs.comparing.as_secs_f64(),
        },
        "guards": done.guards,
    })
}

fn warnings(counts: &Counts) -> Vec<String> {
    let mut warnings = counts.dates.warnings();
    if counts.is_begun_anew {
        let what = "scan.journal was of other settings or another version of this program and is begun anew";
        warnings
            .push(format!("{what}: of earlier scans into the folder only files that this one names are in the tables"));
    }
    warnings
}

/// Per listener how many recordings it did not hear, by why.
fn unheard(counts: &Counts) -> Value {
    let mut told = json!({});
    for ((listener, why), recordings) in &counts.unheard {
        told[listener][why] = json!(recordings);
    }
    told
}

fn in_words(args: &ScanArgs, plan: &Plan, done: &Done, counts: &Counts) -> String {
    let refused: u64 = counts.refused.values().sum();
    let mut lines = vec![format!("{} files = {} recordings + {refused} refusals", counts.files, counts.recordings)];
    lines.extend(counts.refused.iter().map(|(cause, files)| format!("  refused {cause}: {files}")));
    for (name, (heard, suspicious)) in &counts.detectors {
        lines.push(format!("  {name}: {heard} heard, {suspicious} with a risk of a half or more"));
    }
    for ((listener, why), recordings) in &counts.unheard {
        lines.push(format!("  {listener}: {recordings} not heard ({why})"));
    }
    if done.kept > 0 {
        lines.push(format!("  {} of the files are of earlier scans into this folder", done.kept));
    }
    if counts.groups > 0 {
        lines.push(format!("  {} groups of recordings are one recording each", counts.groups));
    }
    if counts.nameless > 0 {
        lines.push(format!("  {} files are named by no track of the catalogue", counts.nameless));
    }
    if done.heard > 0 {
        let costs = &done.costs;
        lines.push(format!(
            "heard {:.1} min of sound in {} contents; CPU: {:.1} s decoding, {:.1} s listening, {:.1} s on timbre and voice, {:.1} s taking and {:.1} s \
             comparing fingerprints, {:.1} s drawing",
            costs.audio_seconds / 60.0,
            done.heard,
            costs.decoding.as_secs_f64(),
            costs.listening.as_secs_f64(),
            costs.characterising.as_secs_f64(),
            costs.printing.as_secs_f64(),
            costs.comparing.as_secs_f64(),
            costs.drawing.as_secs_f64(),
        ));
    } else {
        lines.push("nothing new to hear".to_owned());
    }
    if done.remembered > 0 {
        lines.push(format!("{} contents were heard before and not again", done.remembered));
    }
    lines.push(format!("kernels on {}", plan.device));
    for guard in &done.guards {
        let state = if guard.in_force { "in force" } else { "NOT in force" };
        lines.push(format!("decoder's {} {state}: {}", guard.name, guard.says));
    }
    lines.push(format!("{}: evidence, audio, duplicate_group, refusal, previews, prints", args.out.display()));
    lines.join("\n")
}
