//! An assessment for those who read it: in a terminal, as a page, as JSON.

use std::fmt::Write as _;
use std::path::Path;

use console::paper::{Bar, Bars, Paper, Section, paper};

use super::lists::OfList;
use super::measure::OfGroup;
use super::record::{Decision, RECORD, Record};

fn percent(share: f64) -> String {
    format!("{:.1} %", 100.0 * share)
}

/// The record as JSON.
pub fn json(record: &Record) -> String {
    serde_json::to_string_pretty(record).expect("texts and numbers have a JSON form")
}

/// What it comes to, in some lines.
pub fn text(record: &Record, out: &Path) -> String {
    let candidate = &record.candidate;
    let mut text =
        format!("{} {} beside {}: {}\n", candidate.kind, candidate.version, record.against, record.decision.name());
    for gate in &record.gates {
        let _ = writeln!(text, "  {}  {}: {}", if gate.met { "met   " } else { "missed" }, gate.gate, gate.found);
    }
    for harm in &record.harms {
        let _ = writeln!(text, "  {}: {}", harm.harm, harm.measured);
    }
    for (subject, id) in record.moved_by_tags.iter().take(5) {
        let _ = writeln!(text, "  moved when tags were exchanged: {subject} {id}");
    }
    if let Some(audit) = &record.audit {
        let _ = writeln!(text, "  {}", audit.words());
    }
    for list in &record.lists {
        let _ = writeln!(text, "  {}", list.words());
    }
    let _ = writeln!(text, "{} is believed until {}", out.join(RECORD).display(), record.expires_at);
    let _ = writeln!(text, "{} shows every group", out.join("report.html").display());
    text
}

/// The page.
pub fn html(record: &Record) -> String {
    let Record { candidate, measures, gates, limits, .. } = record;
    let plays: u64 = record.data.iter().map(|(_, rows)| rows).sum();
    let about = [
        ("System", record.system.clone()),
        ("Owner", record.owner.clone()),
        ("Candidate", format!("{} {} ({:.12})", candidate.kind, candidate.version, candidate.digest)),
        ("Beside", record.against.clone()),
        ("Data", format!("{plays} plays, decided as of {} to {}", record.as_of[0], record.as_of[1])),
        ("Groups", record.affected_groups.join(", ")),
        ("Made", record.made_at.clone()),
        ("Believed until", record.expires_at.clone()),
    ];
    let mut sections = vec![
        Section {
            heading: "Gates".to_owned(),
            table: table(
                &["Condition", "Found", ""],
                gates.iter().map(|gate| {
                    vec![gate.gate.clone(), gate.found.clone(), if gate.met { "met" } else { "missed" }.to_owned()]
                }),
            ),
            ..Section::default()
        },
        Section {
            heading: "Who may be harmed".to_owned(),
            table: table(
                &["Harm", "Measured", "Remedy"],
                record.harms.iter().map(|harm| vec![harm.harm.clone(), harm.measured.clone(), harm.remedy.clone()]),
            ),
            ..Section::default()
        },
    ];
    if let Some(audit) = &record.audit {
        let heading = "How often fraud is missed".to_owned();
        sections.push(Section { heading, note: audit.words(), ..Section::default() });
    }
    if !record.lists.is_empty() {
        sections.push(lists(&record.lists));
    }
    for same in measures.groups.chunk_by(|a, b| (&a.about, &a.axis) == (&b.about, &b.axis)) {
        sections.extend(of_axis(same, limits.honest_min));
    }
    sections.push(exposure(record));
    let is_passed = record.decision == Decision::Pass;
    let outcome = if is_passed { "Passed: all gates are met" } else { "Blocked: a gate is not met" };
    paper(&Paper {
        title: format!("Assessment of {} {}", candidate.kind, candidate.version),
        outcome: (outcome.to_owned(), is_passed),
        about: about.map(|(term, text)| (term.to_owned(), text)).to_vec(),
        sections,
    })
}

fn table(head: &[&str], rows: impl Iterator<Item = Vec<String>>) -> (Vec<String>, Vec<Vec<String>>) {
    (head.iter().map(|name| (*name).to_owned()).collect(), rows.collect())
}

fn lists(lists: &[OfList]) -> Section {
    let head = [
        "List",
        "By",
        "Entries",
        "Expired",
        "Fraud",
        "Honest",
        "Streams",
        "Of fraud",
        "Paid now",
        "Paid",
        "Of all paid",
        "Money",
    ];
    Section {
        heading: "Whom people let pass or put forward".to_owned(),
        note: "By hand: entries of the policy's lists, and rulings that clear. Fraud and honest are by labels or rulings that confirm; streams of fraud are those of accounts that labels call fraud.".to_owned(),
        table: table(
            &head,
            lists.iter().map(|list| {
                vec![
                    list.list.clone(),
                    if list.by.is_empty() { "not told".to_owned() } else { list.by.clone() },
                    list.entries.to_string(),
                    list.expired.to_string(),
                    list.fraud.to_string(),
                    list.honest.to_string(),
                    list.streams.to_string(),
                    list.streams_of_fraud.to_string(),
                    list.paid[0].to_string(),
                    list.paid[1].to_string(),
                    format!("{:.2} %", 100.0 * list.paid_share[1]),
                    format!("{:.2} {}", list.money[1], list.currency),
                ]
            }),
        ),
        ..Section::default()
    }
}

/// The shares of a group now and with the candidate, and the interval of the second.
type Beside = dyn Fn(&OfGroup) -> ([f64; 2], [f64; 2]);

fn of_axis(groups: &[OfGroup], honest_min: usize) -> Vec<Section> {
    let (about, axis) = (&groups[0].about, &groups[0].axis);
    let names = ["now", "with the candidate"].map(str::to_owned);
    let is_beyond = |group: &OfGroup, word: &str| group.beyond.iter().chain(&group.standing).any(|known| known == word);
    let judged = |group: &&OfGroup| group.stopped[1].of >= honest_min || axis == "source";
    let bars = |word: &str, of: &Beside| {
        let line = |group: &OfGroup| {
            let (shares, interval) = of(group);
            Bar { label: group.group.clone(), shares, interval, is_beyond: is_beyond(group, word) }
        };
        let lines: Vec<Bar> = groups.iter().filter(judged).map(line).collect();
        // Where nobody was stopped there is nothing to see.
        lines.iter().any(|bar| bar.shares != [0.0; 2]).then(|| Bars { names: names.clone(), lines })
    };
    let unpaid = Section {
        heading: format!("{about}s by {axis}: streams of people that are not paid"),
        note: "Of honest members. A stream waits or counts for nothing because of a verdict on its account, track, artist or uploader. What waits for a declaration or an approval, whoever it is, stands in the last column and is not judged.".to_owned(),
        bars: bars("unpaid", &|group| {
            (group.unpaid.map(|side| side.value), [group.unpaid[1].low, group.unpaid[1].high])
        }),
        table: table(
            &["Group", "Streams of people", "Unpaid now", "Unpaid", "95 %", "All others", "Waiting for a word"],
            groups.iter().map(|group| {
                let then = &group.unpaid[1];
                vec![
                    group.group.clone(),
                    group.streams.to_string(),
                    percent(group.unpaid[0].value),
                    percent(then.value),
                    format!("{} to {}", percent(then.low), percent(then.high)),
                    percent(group.others_unpaid[1]),
                    percent(group.waiting[1]),
                ]
            }),
        ),
    };
    if axis == "source" && about == "artist" {
        return vec![unpaid];
    }
    let stopped = Section {
        heading: format!("{about}s by {axis}: honest ones that were ever stopped"),
        note: format!(
            "Held, escalated or blocked at any time. Groups with fewer than {honest_min} honest members stand in the table only."
        ),
        bars: bars("stopped", &|group| {
            (group.stopped.map(|side| side.share), [group.stopped[1].low, group.stopped[1].high])
        }),
        table: table(
            &["Group", "Honest", "Stopped now", "Stopped", "95 %", "All others", "Hours", "By chance", "Fraud missed"],
            groups.iter().map(|group| {
                let (then, missed) = (&group.stopped[1], &group.missed[1]);
                vec![
                    group.group.clone(),
                    then.of.to_string(),
                    group.stopped[0].hits.to_string(),
                    format!("{} ({})", then.hits, percent(then.share)),
                    format!("{} to {}", percent(then.low), percent(then.high)),
                    percent(group.others_stopped[1]),
                    format!("{:.0}", group.stopped_hours[1]),
                    format!("{:.2}", group.chance),
                    format!("{} of {}", missed.hits, missed.of),
                ]
            }),
        ),
    };
    vec![stopped, unpaid]
}

fn exposure(record: &Record) -> Section {
    let exposure = &record.measures.exposure;
    let triple = |name: String, values: &[f64; 3]| {
        let [all, now, then] = values.map(|value| format!("{value:.3}"));
        vec![name, all, now, then]
    };
    let mut rows = vec![
        triple("Gini coefficient of artists' streams".to_owned(), &exposure.gini),
        triple("Specialism of listening, by genres".to_owned(), &exposure.specialism),
        triple("First meetings with artists younger than a year".to_owned(), &exposure.with_new_artists),
    ];
    for (axis, groups) in &exposure.group_ratio {
        rows.extend(
            groups
                .iter()
                .map(|(group, ratio)| triple(format!("{axis} {group}: streams per artist over the mean"), ratio)),
        );
    }
    Section {
        heading: "Whom people get to hear".to_owned(),
        note: "Streams of people: all of them, those paid now, those paid with the candidate.".to_owned(),
        table: table(&["", "All", "Paid now", "Paid with the candidate"], rows.into_iter()),
        ..Section::default()
    }
}
