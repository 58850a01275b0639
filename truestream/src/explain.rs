//! `truestream explain`: one subject as of one instant, with the law of that day, the evidence, the rules, and the same found anew.
//!
//! ```text
//! risk, verdict, rule_hit, ruling, payout_hold, gate ──as of T──▶ rows of the subject ──┐
//! activated policies ──in force as of T──▶ law ──accounts, tracks──▶ thresholds ──┼──▶ explanation
//! plays under that law alone ──replay──▶ the rows again ──same?─────────────────┘
//! ```

mod known;
mod ledger;
mod register;
mod sample;
mod sight;

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::{ErrorKind, Write as _};
use std::path::{Path, PathBuf};

use clap::Args;
use datasets::formats::instant;
use datasets::policy::{self, Activation};
use features::risk::JUDGED_AS;
use records::policy::Steps;
use records::{Millis, Policy, Subject};
use serde_json::{Map, Value as Json, json};

use self::ledger::{Name, Row};
use self::sight::Sight;
use crate::exit::Failure;
use crate::ingredients::{Ingredient, Ingredients};
use crate::replay::laws::is_tried_on;
use crate::replay::waves::WAVE;
use crate::replay::{self, ReplayArgs};
use crate::scratch::Scratch;
use crate::verify::{Emit, Settings};
use crate::words::{parsed, refuse_own};

/// The tables that speak about a subject, and what names the row among its subject's.
const TABLES: [(&str, &str); 7] = [
    ("verdict", ""),
    ("risk", ""),
    ("rule_hit", "rule"),
    ("ruling", ""),
    ("payout_hold", ""),
    ("gate", "rule"),
    ("wave", "wave"),
];
/// Those of them that speak about tracks alone.
const OF_TRACKS: [&str; 2] = ["payout_hold", "gate"];
/// Those that a policy and people decide.
const DECIDED: [&str; 4] = ["verdict", "risk", "rule_hit", "ruling"];

/// Says why a subject is decided as it is, or was on an earlier day: verdict, law, evidence, rules.
#[derive(Args, Clone, Debug)]
#[command(after_help = "\
Examples:
  truestream replay --data W --out R --every 6h --emit changes --policy laws
  truestream explain track 4711 --tables R
      as of the last instant
  truestream explain account 144 --tables R --as-of 2026-01-03 --policy laws
      as of that day, and which activation was in force
  truestream explain account 144 --tables R --as-of 2026-01-03 --policy laws --data W
      and found anew: the plays, replayed under the policy of that day alone, must say the same, to the last word.
      What stands after -- goes to truestream replay (--evidence, --models)
  truestream explain --sample 1000 --tables R --policy laws --data W
      a thousand verdicts that chance draws from all days, each found anew under the policy of its day

Exit codes: 0 done, 2 options that cannot be, 3 found anew it is another, 4 an input that cannot be read, or nothing is known of the subject.")]
pub struct ExplainArgs {
    /// account, artist, distributor, playlist, track or uploader
    #[arg(required_unless_present = "sample", default_value = "")]
    pub subject: String,
    /// Its id
    #[arg(required_unless_present = "sample", default_value = "")]
    pub id: String,
    /// Finds so many verdicts anew, of any subject and day, and tells whether they are the same
    #[arg(long, value_name = "COUNT", requires = "data", conflicts_with_all = ["subject", "as_of"])]
    pub sample: Option<usize>,
    /// What `truestream replay` wrote
    #[arg(long, value_name = "DIR")]
    pub tables: PathBuf,
    /// As of this instant; the last one of the tables otherwise
    #[arg(long, value_name = "TIME")]
    pub as_of: Option<String>,
    /// The policy of the replay: says which activation was in force
    #[arg(long, value_name = "DIR")]
    pub policy: Option<PathBuf>,
    /// The plays of the replay: the rows are found anew
    #[arg(long, value_name = "DIR")]
    pub data: Option<PathBuf>,
    /// Print as JSON
    #[arg(long)]
    pub json: bool,
    /// More options of `truestream replay`
    #[arg(last = true, value_name = "OPTIONS")]
    pub more: Vec<String>,
}

/// The rows of a subject, by table and what names the row.
type Rowset = BTreeMap<Name, (Millis, Row)>;

/// Runs the command.
///
/// # Errors
/// When the options cannot be, a table cannot be read, nothing is known of the subject, or what is found anew is another.
pub fn run(args: &ExplainArgs) -> Result<(), Failure> {
    refuse_own(&args.more, &["--data", "--out", "--policy", "--views", "--emit", "--every", "--windows"])?;
    let settings = Settings::read(&args.tables)?;
    if !settings.wrote("verdict") {
        return Err(Failure::Input(format!("{}: the replay wrote no verdicts", args.tables.display())));
    }
    if let Some(data) = &args.data {
        refuse_other_plays(args, data)?;
    }
    if let (Some(count), Some(data)) = (args.sample, &args.data) {
        return sample::run(args, data, &settings, count);
    }
    let subject = args.subject.as_str();
    if Subject::named(subject).is_none() {
        let expected = "account, artist, distributor, playlist, track or uploader";
        return Err(Failure::Usage(format!("{subject}: expected {expected}")));
    }
    let as_of = as_of(args, &settings)?;
    let rows = rows(&args.tables, args, as_of)?;
    if rows.is_empty() {
        known::or_refused(args)?;
    }
    let activation = match args.policy.as_deref().filter(|folder| policy::is_store(folder)) {
        Some(store) => Some(law(store, as_of, &args.subject, &args.id)?),
        None => None,
    };
    let again = match &args.data {
        Some(data) => {
            let scratch = Scratch::new()?;
            again(args, data, &settings, activation.as_ref(), scratch.path())?;
            Some(self::rows(scratch.path(), args, as_of)?)
        }
        None => None,
    };
    let is_same = again.as_ref().map(|again| decided(again) == decided(&rows));
    let matched: Vec<String> = rows.keys().filter(|(of, _)| *of == "rule_hit").map(|(_, rule)| rule.clone()).collect();
    let sights = sight::of_rules(args, &settings, as_of, &matched)?;
    let stated = rows.get(&("verdict", String::new())).map(|(_, row)| plain(&row["policy_version"]));
    let version = stated.or_else(|| settings.version_for(&args.subject, &args.id, as_of));
    let policy = version.as_deref().map_or(Ok(None), |version| policy_of(args, activation.as_ref(), version))?;
    let segment = policy.as_ref().map_or(Ok(None), |policy| register::segment(args, policy, as_of))?;
    let told = Told { args, as_of, rows, activation, is_same, sights, version, policy, segment };
    let text = if args.json { format!("{:#}\n", told.json()) } else { told.text() };
    match std::io::stdout().lock().write_all(text.as_bytes()) {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => {
            return Err(Failure::Output(format!("standard output: {error}")));
        }
        _ => {}
    }
    match is_same {
        Some(false) => Err(Failure::Different(format!("{} {}: found anew it is another", args.subject, args.id))),
        _ => Ok(()),
    }
}

/// The activation that decided about the subject as of the instant.
fn law(store: &Path, as_of: Millis, subject: &str, id: &str) -> Result<Activation, Failure> {
    let subject = Subject::named(subject);
    let is_tried = |(one, percent): &(Activation, u8)| {
        subject.is_some_and(|subject| is_tried_on(&one.version, *percent, subject, id))
    };
    match policy::beta(store, as_of).map_err(input)?.filter(is_tried) {
        Some((tried, _)) => Ok(tried),
        None => policy::in_force(store, as_of).map_err(input),
    }
}

/// The policy of that version, where it is the one that is given, or built in.
fn policy_of(args: &ExplainArgs, activation: Option<&Activation>, version: &str) -> Result<Option<Policy>, Failure> {
    let given = match (&args.policy, activation) {
        (Some(store), Some(activation)) => Some(policy::load(&activation.folder(store)).map_err(input)?),
        (Some(folder), None) => Some(policy::load(folder).map_err(input)?),
        (None, _) => Some(policy::built_in()),
    };
    let without_waves = version.split(WAVE).next().unwrap_or_default();
    Ok(given.filter(|policy| policy.version == without_waves))
}

fn input(error: datasets::Error) -> Failure {
    Failure::Input(error.to_string())
}

/// The instant that is asked about: a multiple of the refresh interval.
fn as_of(args: &ExplainArgs, settings: &Settings) -> Result<Millis, Failure> {
    let tables = args.tables.display();
    let (first, last) = settings.as_of_ms.ok_or_else(|| Failure::Input(format!("{tables}: nothing ever arrived")))?;
    let Some(text) = &args.as_of else { return Ok(last) };
    let asked = instant::from_text(text).ok_or_else(|| Failure::Usage(format!("--as-of {text}: expected a time")))?;
    let as_of = asked.div_euclid(settings.every_ms) * settings.every_ms;
    let is_told = if settings.emit == Emit::Last { as_of == last } else { (first..=last).contains(&as_of) };
    if is_told {
        return Ok(as_of);
    }
    let [first, last] = [first, last].map(instant::to_minute);
    let why = format!(
        "--as-of {text}: the tables tell {first} to {last}; with --emit last, which is the default, the last alone"
    );
    Err(Failure::Usage(why))
}

/// The rows of the subject as of the instant, with since when each is so.
fn rows(tables: &Path, args: &ExplainArgs, as_of: Millis) -> Result<Rowset, Failure> {
    let mut rows = Rowset::new();
    for (table, named) in TABLES {
        if OF_TRACKS.contains(&table) && args.subject != "track" {
            continue;
        }
        ledger::each(tables, (table, named), |line| {
            let is_it = line.subject().is_none_or(|subject| subject == args.subject)
                && line.id().is_none_or(|id| id == args.id)
                && if line.is_change() { line.as_of() <= as_of } else { line.as_of() == as_of };
            match (is_it, line.comes()) {
                (false, _) => None,
                (true, true) => rows.insert(line.name(), (line.as_of(), line.row())),
                // A rule that another policy asks earlier comes at that instant before it goes.
                (true, false) if rows.get(&line.name()).is_none_or(|(_, row)| *row != line.row()) => None,
                (true, false) => rows.remove(&line.name()),
            };
        })?;
    }
    Ok(rows)
}

/// Looks whether what is replayed again is what was replayed. Without the same plays nothing is found again; of tables whose rows have dates, and of plays that
/// came since, an old day knows nothing, so that they have changed is told and no more.
///
/// # Errors
/// When plays of the tables are not there.
fn refuse_other_plays(args: &ExplainArgs, data: &Path) -> Result<(), Failure> {
    let text = data.display().to_string();
    let line = ["replay", "--data", &text, "--out", "-"].into_iter().chain(args.more.iter().map(String::as_str));
    let inputs = parsed::<ReplayArgs>(line)?.inputs()?;
    let (replayed, tables) = (Ingredients::read(&args.tables)?, args.tables.display());
    if let Some(Ingredient { file, bytes, hash, .. }) = replayed.lacking("plays", &inputs.plays)? {
        return Err(Failure::Input(format!(
            "--data {text}: {tables} was made of plays that are not here: {file}, {bytes} bytes, BLAKE3 {hash}; give the files that were replayed, or replay these"
        )));
    }
    // What is labelled decides nothing.
    for (table, files) in inputs.by_table().into_iter().filter(|(table, _)| *table != "labels") {
        if let Some(other) = replayed.other(table, files)? {
            eprintln!(
                "truestream: warning: not what {tables} was made of: {other}; what is found anew may differ for that alone"
            );
        }
    }
    Ok(())
}

/// Replays the same plays under the policy of a day alone.
fn again(
    args: &ExplainArgs,
    data: &Path,
    settings: &Settings,
    activation: Option<&Activation>,
    out: &Path,
) -> Result<(), Failure> {
    let law = match (&args.policy, activation) {
        // What is tried decides at the edge of what the policy in force finds inside: both are needed.
        (Some(store), Some(activation)) if activation.stage.is_none() => Some(activation.folder(store)),
        (policy, _) => policy.clone(),
    };
    let wrote: Vec<&str> = DECIDED.into_iter().filter(|table| settings.wrote(table)).collect();
    let windows: Vec<&str> = settings.windows.iter().map(|(label, _)| label.as_str()).collect();
    let (every, views) = (format!("{}min", settings.every_ms / 60_000), wrote.join(","));
    let texts = [data, out].map(|path| path.display().to_string());
    let mut line = vec!["replay", "--data", &texts[0], "--out", &texts[1], "--emit", "changes", "--views", &views];
    let (windows, law) = (windows.join(","), law.map(|law| law.display().to_string()));
    line.extend(["--every", &every, "--windows", &windows]);
    line.extend(law.iter().flat_map(|law| ["--policy", law]));
    line.extend(settings.hindsight.then_some("--hindsight"));
    line.extend(args.more.iter().map(String::as_str));
    replay::replay(&parsed(line)?)?;
    Ok(())
}

/// What a policy decides, without since when.
fn decided(rows: &Rowset) -> Vec<(&Name, &Row)> {
    rows.iter().filter(|((table, _), _)| DECIDED.contains(table)).map(|(key, (_, row))| (key, row)).collect()
}

struct Told<'a> {
    args: &'a ExplainArgs,
    as_of: Millis,
    rows: Rowset,
    activation: Option<Activation>,
    /// Whether it was found anew, where that was asked.
    is_same: Option<bool>,
    /// What the rules saw, by their names, where the policy is given.
    sights: BTreeMap<String, Sight>,
    /// The policy by which it was decided, waves named.
    version: Option<String>,
    /// That policy without its waves, where it is at hand.
    policy: Option<Policy>,
    /// Whose thresholds it has for the subject, where that is known though no verdict says so.
    segment: Option<String>,
}

impl Told<'_> {
    fn row(&self, table: &'static str) -> Option<&(Millis, Row)> {
        self.rows.get(&(table, String::new()))
    }

    fn all(&self, table: &'static str) -> impl Iterator<Item = &(Millis, Row)> {
        self.rows.iter().filter(move |((of, _), _)| *of == table).map(|(_, row)| row)
    }

    fn text(&self) -> String {
        let ExplainArgs { subject, id, .. } = self.args;
        let mut text = format!("{subject} {id} as of {}: ", instant::to_minute(self.as_of));
        match self.row("verdict") {
            None => text.push_str("allow\n"),
            Some((since, row)) => {
                let since = instant::to_minute(*since);
                let _ = writeln!(text, "{} at risk {}, stated so since {since}", plain(&row["verdict"]), row["r"]);
                let reasons = row["reasons"].as_array().into_iter().flatten();
                for reason in reasons {
                    let _ = writeln!(text, "  {}", plain(reason));
                }
            }
        }
        self.law(&mut text);
        self.waves(&mut text);
        if let Some((_, row)) = self.row("risk") {
            let _ = writeln!(
                text,
                "Evidence  risk {} = content {}, behaviour {}, policy {}",
                row["r"], row["rc"], row["rb"], row["rp"]
            );
            // What a person ruled is told below.
            let is_signal = |part: &&Json| !plain(&part["name"]).starts_with("ruling.");
            for part in row["parts"].as_array().into_iter().flatten().filter(is_signal) {
                let _ = writeln!(
                    text,
                    "  {:<22} saw {}, its rule weighs {}, adds {}",
                    plain(&part["name"]),
                    part["value"],
                    part["weight"],
                    part["share"]
                );
            }
        }
        for (since, row) in self.all("rule_hit") {
            let [rule, version, action, effect, reason] =
                ["rule", "rule_version", "action", "effect", "reason"].map(|name| plain(&row[name]));
            let decides = if row["decides"] == json!(1) { ", decides" } else { "" };
            let since = instant::to_minute(*since);
            let _ = writeln!(
                text,
                "Rule      {rule}/{version} calls for {action} ({effect}{decides}), since {since}: {reason}"
            );
            if let Some(sight) = self.sights.get(&rule) {
                let _ = writeln!(text, "  when {}", sight.when.trim());
                let _ = writeln!(text, "  {}", sight.text());
            }
        }
        if let Some((since, row)) = self.row("ruling") {
            let [ruling, verdict, by, reason] =
                ["ruling", "verdict", "ruled_by", "reason"].map(|name| plain(&row[name]));
            let by = if by.is_empty() { "somebody".to_owned() } else { by };
            let of = if verdict.is_empty() { String::new() } else { format!(" ({verdict})") };
            let known = row["known_at"].as_i64().map_or_else(String::new, instant::to_minute);
            let since = instant::to_minute(*since);
            let _ =
                writeln!(text, "Ruling    {ruling}{of}, by {by}, known at {known}, in force since {since}: {reason}");
        }
        if let Some((since, row)) = self.row("payout_hold") {
            let rest: Vec<String> = row.iter().map(|(name, value)| format!("{name} {}", plain(value))).collect();
            let _ = writeln!(text, "Payout    waits since {}: {}", instant::to_minute(*since), rest.join(", "));
        }
        for (since, row) in self.all("gate") {
            let [rule, action, reason] = ["rule", "action", "reason"].map(|name| plain(&row[name]));
            let _ = writeln!(text, "Gate      {rule} ({action}), since {}: {reason}", instant::to_minute(*since));
        }
        match self.is_same {
            Some(true) => text.push_str(
                "Anew      the same plays under the policy of that day alone say the same, to the last word\n",
            ),
            Some(false) => {
                text.push_str("Anew      the same plays under the policy of that day alone say something else\n")
            }
            None => {}
        }
        text
    }

    /// What had tightened the policy.
    fn waves(&self, text: &mut String) {
        for (since, row) in self.all("wave") {
            let [wave, measure, segment, effect] =
                ["wave", "measure", "segment", "effect"].map(|name| plain(&row[name]));
            let _ = writeln!(
                text,
                "Wave      {wave} tightens {segment}, since {}: {} {measure} in {} hours, {} were expected: {effect}",
                instant::to_minute(*since),
                row["seen"],
                row["hours"],
                row["expected"]
            );
        }
    }

    /// Under which policy.
    fn law(&self, text: &mut String) {
        let Some(version) = &self.version else { return };
        let models =
            self.row("verdict").map_or(String::new(), |(_, row)| format!(", models {}", plain(&row["models"])));
        let _ = writeln!(text, "Law       policy {version:?}{models}");
        if let Some(activation) = &self.activation {
            let Activation { number, from, by, why, digest, version: activated, .. } = activation;
            let _ = writeln!(
                text,
                "  activation {number}, in force as of {from}, by {by}: {why}; files {}",
                &digest[..digest.len().min(16)]
            );
            if *activated != version.split(WAVE).next().unwrap_or_default() {
                let _ = writeln!(text, "  the tables were made under another policy than this one, {activated:?}");
            }
        }
        match (self.segment(), &self.policy) {
            (Some(segment), _) => {
                let numbers = self.numbers(&segment).unwrap_or_default();
                let wave = if version.contains(WAVE) && !numbers.is_empty() { " before the wave" } else { "" };
                let _ = writeln!(text, "  thresholds of {segment}{numbers}{wave}");
            }
            (None, Some(_)) => text.push_str(
                "  by whose thresholds is not known: --data says where it is at home and through whom it came\n",
            ),
            (None, None) => text.push_str("  by whose thresholds is not known: --policy says what this policy has\n"),
        }
    }

    /// The segment whose thresholds counted: that of a territory stands in the verdict.
    fn segment(&self) -> Option<String> {
        let reasons = self.row("verdict").and_then(|(_, row)| row["reasons"].as_array()).into_iter().flatten();
        let stated = |reason: &Json| Some(plain(reason).strip_prefix(JUDGED_AS)?.to_owned());
        reasons.into_iter().find_map(stated).or_else(|| self.segment.clone())
    }

    /// From which risks on what is done in the segment, where the policy of the day is known.
    fn numbers(&self, segment: &str) -> Option<String> {
        let Steps { hold, escalate, block, .. } = self.policy.as_ref()?.thresholds_of(segment)?.steps();
        let [hold, escalate, block] = [hold, escalate, block].map(|step| step.risk().share());
        Some(format!(": hold from {hold:.2} on, escalate from {escalate:.2}, block from {block:.2}"))
    }

    fn json(&self) -> Json {
        let with_since = |(since, row): &(Millis, Row)| {
            let mut row: Map<String, Json> = row.clone().into_iter().collect();
            row.insert("since_ms".to_owned(), json!(since));
            Json::Object(row)
        };
        json!({
            "subject": self.args.subject,
            "subject_id": self.args.id,
            "as_of_ms": self.as_of,
            "verdict": self.row("verdict").map(with_since),
            "risk": self.row("risk").map(with_since),
            "rules": self.all("rule_hit").map(|hit| {
                let mut rule = with_since(hit);
                if let Some(Sight { when, saw, .. }) = self.sights.get(&plain(&hit.1["rule"])) {
                    rule["when"] = json!(when);
                    rule["saw"] = json!(saw);
                }
                rule
            }).collect::<Vec<_>>(),
            "ruling": self.row("ruling").map(with_since),
            "payout_hold": self.row("payout_hold").map(with_since),
            "gate": self.all("gate").map(with_since).collect::<Vec<_>>(),
            "waves": self.all("wave").map(with_since).collect::<Vec<_>>(),
            "policy_version": self.version,
            "activation": self.activation,
            "segment": self.segment(),
            "found_anew": self.is_same,
        })
    }
}

/// As people read it.
fn plain(value: &Json) -> String {
    value.as_str().map_or_else(|| value.to_string(), ToOwned::to_owned)
}
