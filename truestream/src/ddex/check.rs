//! `truestream ddex check`: what is wrong with messages, for people and for machines.

use std::fmt::Write;
use std::path::{Path, PathBuf};

use clap::Args;
use datasets::ddex::{self, Finding, Findings, Limits, Received, Severity, Unread};
use serde_json::{Value, json};

use super::{messages, plural, print, progress_bar, received};
use crate::exit::Failure;

/// Says what is wrong with messages: contradictions about generative AI, what is missing, what refers to nothing.
#[derive(Args, Clone, Debug)]
#[command(after_help = "\
Examples:
  truestream ddex check 0724384960650.xml
      each finding with line and column, what is wrong and what to do
  truestream ddex check deliveries --json
      all XML files of a folder, for machines

Exit codes: 0 nothing graver than a warning, 3 a finding of severity error, 4 a message that cannot be read.")]
pub(super) struct CheckArgs {
    /// Messages, or folders whose XML files are messages
    #[arg(required = true, value_name = "FILE|DIR")]
    paths: Vec<PathBuf>,
    /// When the messages came: a time, `file` (when the file became what it is), or `sent` (when they say they were made)
    #[arg(long, value_name = "TIME", default_value = "file")]
    received: String,
    /// Print the findings as JSON
    #[arg(long)]
    json: bool,
}

/// A message and what was found, or why it cannot be read.
struct Checked {
    path: PathBuf,
    result: Result<About, Unread>,
}

struct About {
    kind: &'static str,
    version: &'static str,
    message_id: Option<String>,
    sender: Option<String>,
    findings: Findings,
}

pub(super) fn run(args: &CheckArgs) -> Result<(), Failure> {
    let (files, received) = (messages(&args.paths)?, received(&args.received)?);
    let bar = progress_bar(files.len(), 1);
    let mut totals = Totals::default();
    let mut rows = Vec::new();
    for path in files {
        let checked = check(path, received);
        totals.add(&checked);
        match args.json {
            true => rows.push(checked.json()),
            // Findings are told as they come: folders can be large.
            false => bar.suspend(|| print(&checked.text()))?,
        }
        bar.inc(1);
    }
    bar.finish_and_clear();
    match args.json {
        true => print(&format!("{:#}", json!({"messages": rows, "totals": totals.json()})))?,
        false => print(&totals.text())?,
    }
    totals.verdict()
}

fn check(path: PathBuf, received: Received) -> Checked {
    let about = |message: ddex::Message| About {
        kind: match message.kind {
            ddex::Kind::NewRelease => "NewReleaseMessage",
            ddex::Kind::Purge => "PurgeReleaseMessage",
        },
        version: message.version.name(),
        findings: ddex::check(&message, received.of(&path)),
        sender: message.header.sender.and_then(|sender| sender.id.or(sender.name)),
        message_id: message.header.message_id,
    };
    let result = ddex::read(&path, Limits::default()).map(about);
    Checked { path, result }
}

impl Checked {
    fn text(&self) -> String {
        let path = self.path.display();
        match &self.result {
            Err(unread) => format!("{unread}"),
            Ok(About { version, message_id, findings, kind, .. }) => {
                let id = message_id.as_deref().unwrap_or("without id");
                let mut text = format!("{path}: {kind} {id}, ERN {version}");
                if findings.told.is_empty() {
                    text.push_str(": nothing found");
                }
                for finding in &findings.told {
                    let _ = write!(text, "\n{}", in_words(&self.path, finding));
                }
                if findings.untold > 0 {
                    let _ = write!(text, "\n{path}: and {} more", plural(findings.untold, "finding"));
                }
                text
            }
        }
    }

    fn json(&self) -> Value {
        let file = self.path.display().to_string();
        match &self.result {
            Err(Unread { at, found, expected, next, .. }) => {
                json!({"file": file, "unread": {"at": at, "found": found, "expected": expected, "next": next}})
            }
            Ok(About { kind, version, message_id, sender, findings }) => json!({
                "file": file,
                "kind": kind,
                "ern": version,
                "message_id": message_id,
                "sender": sender,
                "findings": findings.told,
                "findings_untold": findings.untold,
            }),
        }
    }
}

/// A line as compilers write it, which editors can follow, and below it what to do.
fn in_words(path: &Path, finding: &Finding) -> String {
    let Finding { at, code, severity, subject, wrong, fix } = finding;
    format!("{}:{at}: {} [{code}] {subject}: {wrong}\n    {fix}", path.display(), severity.name())
}

#[derive(Default)]
struct Totals {
    messages: u64,
    unread: Vec<String>,
    errors: u64,
    warnings: u64,
    notes: u64,
    untold: u64,
}

impl Totals {
    fn add(&mut self, checked: &Checked) {
        self.messages += 1;
        match &checked.result {
            Err(unread) => self.unread.push(unread.to_string()),
            Ok(about) => {
                let of =
                    |severity| about.findings.told.iter().filter(|finding| finding.severity == severity).count() as u64;
                self.errors += about.findings.errors;
                self.warnings += of(Severity::Warning);
                self.notes += of(Severity::Note);
                self.untold += about.findings.untold;
            }
        }
    }

    fn text(&self) -> String {
        let Totals { messages, unread, errors, warnings, notes, .. } = self;
        let unread = match unread.len() {
            0 => String::new(),
            many => format!(", {many} cannot be read"),
        };
        let found = [plural(*errors, "error"), plural(*warnings, "warning"), plural(*notes, "note")].join(", ");
        format!("{}{unread}: {found}", plural(*messages, "message"))
    }

    fn json(&self) -> Value {
        let Totals { messages, unread, errors, warnings, notes, untold } = self;
        json!({
            "messages": messages,
            "unread": unread.len(),
            "errors": errors,
            "warnings": warnings,
            "notes": notes,
            "untold": untold,
        })
    }

    fn verdict(&self) -> Result<(), Failure> {
        if let Some(first) = self.unread.first() {
            let many = self.unread.len() as u64;
            return Err(Failure::Input(format!("{} cannot be read; the first: {first}", plural(many, "message"))));
        }
        match self.errors {
            0 => Ok(()),
            many => {
                Err(Failure::Different(format!("{} in {}", plural(many, "error"), plural(self.messages, "message"))))
            }
        }
    }
}
