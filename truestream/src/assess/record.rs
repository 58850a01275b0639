//! What an assessment came to: a record that says what was assessed, on what, who may be harmed, what was found, and until when that holds.
//!
//! ```text
//! measures ──▶ gates, harms ──▶ record, sealed ──▶ assessment.json ──▶ `promote`, `policy activate`
//! ```

use std::path::Path;

use datasets::formats::instant;
use records::Millis;
use serde::{Deserialize, Serialize};

use super::lists::OfList;
use super::measure::{Limits, Measures, OfGroup, Overall};
use crate::exit::Failure;
use crate::learn::Audit;

/// The file of a report that other commands read.
pub const RECORD: &str = "assessment.json";
const DAY_MS: Millis = 86_400_000;
/// The form of a record: 2 since it says of everybody what it says of groups.
pub const FORMAT: u32 = 2;

/// What is assessed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Candidate {
    /// policy, model or evidence.
    pub kind: String,
    /// Its own name.
    pub version: String,
    /// The hash of its files.
    pub digest: String,
}

/// One condition, and whether it is met.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Gate {
    /// What is asked.
    pub gate: String,
    /// What was found.
    pub found: String,
    /// Whether that is as it must be.
    pub met: bool,
}

/// What the gates come to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Decision {
    /// All of them are met.
    Pass,
    /// One is not.
    Block,
}

impl Decision {
    /// That of these gates.
    pub fn of(gates: &[Gate]) -> Decision {
        if gates.iter().all(|gate| gate.met) { Decision::Pass } else { Decision::Block }
    }

    /// Its name in the record.
    pub fn name(self) -> &'static str {
        match self {
            Decision::Pass => "pass",
            Decision::Block => "block",
        }
    }
}

/// A harm that somebody may come to, and what was measured of it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Harm {
    /// Who, and how.
    pub harm: String,
    /// What was measured.
    pub measured: String,
    /// What the person does who is harmed.
    pub remedy: String,
}

/// The record.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Record {
    /// Of this form.
    pub format: u32,
    /// What decides.
    pub system: String,
    /// Who answers for it.
    pub owner: String,
    /// What was assessed.
    pub candidate: Candidate,
    /// Beside what.
    pub against: String,
    /// The plays, by file, with their number of rows.
    pub data: Vec<(String, u64)>,
    /// From the first to the last instant decided.
    pub as_of: [String; 2],
    /// When it was made.
    pub made_at: String,
    /// Until when it is believed.
    pub expires_at: String,
    /// The groups that were told apart: kind and axis.
    pub affected_groups: Vec<String>,
    /// The checklist.
    pub harms: Vec<Harm>,
    /// What had to be met.
    pub gates: Vec<Gate>,
    /// Whether all of them were.
    pub decision: Decision,
    /// What was tolerated.
    pub limits: Limits,
    /// All that was measured.
    pub measures: Measures,
    /// The subjects whose risk moved when tags were exchanged: kind and id, at most a hundred of them.
    pub moved_by_tags: Vec<(String, String)>,
    /// How often fraud is missed, by accounts that chance drew.
    pub audit: Option<Audit>,
    /// What became of those whom people put on lists, by list and author.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub lists: Vec<OfList>,
    /// The hash of this record without this field.
    pub hash: String,
}

impl Record {
    fn hashed(&self) -> String {
        let unsealed = Record { hash: String::new(), ..self.clone() };
        let text = serde_json::to_string(&unsealed).expect("texts and numbers have a JSON form");
        blake3::hash(text.as_bytes()).to_hex().to_string()
    }

    /// With its hash.
    pub fn sealed(self) -> Record {
        let hash = self.hashed();
        Record { hash, ..self }
    }
}

/// The conditions, for what was measured. `unmeasured` are rules of the candidate that were in force at no instant of the data yet.
pub fn gates(measures: &Measures, moved: usize, unmeasured: &[String], limits: &Limits) -> Vec<Gate> {
    let judged = measures.groups.iter().filter(|group| group.is_judged(limits)).count();
    let beyond = |word: &str| -> Vec<&OfGroup> {
        measures.groups.iter().filter(|group| group.beyond.iter().any(|known| known == word)).collect()
    };
    let named = |word: &str, groups: &[&OfGroup], says: &dyn Fn(&OfGroup) -> String| {
        let listed = |groups: &mut dyn Iterator<Item = &OfGroup>| groups.map(says).collect::<Vec<_>>().join("; ");
        let is_standing = |group: &&OfGroup| group.standing.iter().any(|known| known == word);
        let standing = listed(&mut measures.groups.iter().filter(is_standing));
        let worse = if groups.is_empty() { "none is".to_owned() } else { listed(&mut groups.iter().copied()) };
        if standing.is_empty() { worse } else { format!("{worse}; as now and no worse: {standing}") }
    };
    let percent = |share: f64| format!("{:.1} %", 100.0 * share);
    let beside = |[share, others]: [f64; 2]| {
        let times = if others > 0.0 { format!(", {:.1} times as much", share / others) } else { String::new() };
        format!("{} beside {}{times}", percent(share), percent(others))
    };
    let labelled =
        if measures.is_labelled { "by labels" } else { "nobody labelled anything: everybody counts as honest" };
    let stopped = beyond("stopped");
    let unpaid = beyond("unpaid");
    let money = beyond("money");
    let all = |is_beyond: &dyn Fn(&Overall) -> bool, says: &dyn Fn(&Overall) -> f64| {
        let worse = measures.overall.iter().filter(|overall| is_beyond(overall));
        let worse: Vec<String> =
            worse.map(|overall| format!("{}s: {}", overall.about, percent(says(overall)))).collect();
        if worse.is_empty() { "none are".to_owned() } else { worse.join("; ") }
    };
    let none_or = |named: &[String]| if named.is_empty() { "none".to_owned() } else { named.join(", ") };
    vec![
        Gate {
            gate: format!("groups of at least {} honest members can be told apart", limits.honest_min),
            found: format!("{judged} of {} groups, {labelled}", measures.groups.len()),
            met: judged > 1,
        },
        Gate {
            gate: format!(
                "no group's honest members are newly stopped more than {} times as often as all others (and more than {})",
                limits.times_max,
                percent(limits.stopped_floor)
            ),
            found: named("stopped", &stopped, &|group| {
                let shares = [group.stopped[1].share, group.others_stopped[1]];
                format!("{} {} {}: {}", group.about, group.axis, group.group, beside(shares))
            }),
            met: stopped.is_empty(),
        },
        Gate {
            gate: format!(
                "of no group's streams of people are newly more unpaid than {} times those of all others and {} points",
                limits.times_max, limits.unpaid_points_max
            ),
            found: named("unpaid", &unpaid, &|group| {
                let shares = [group.unpaid[1].value, group.others_unpaid[1]];
                format!("{} {} {}: {}", group.about, group.axis, group.group, beside(shares))
            }),
            met: unpaid.is_empty(),
        },
        Gate {
            gate: format!("of no kind more than {} of the honest are newly stopped", percent(limits.stopped_max)),
            found: all(&|overall| overall.is_stopped_beyond(limits), &|overall| overall.stopped[1].share),
            met: !measures.overall.iter().any(|overall| overall.is_stopped_beyond(limits)),
        },
        Gate {
            gate: format!("of no kind more than {} of streams of people are newly unpaid", percent(limits.unpaid_max)),
            found: all(&|overall| overall.is_unpaid_beyond(limits), &|overall| overall.unpaid[1].value),
            met: !measures.overall.iter().any(|overall| overall.is_unpaid_beyond(limits)),
        },
        Gate {
            gate: format!(
                "under other terms of payment no group of honest artists keeps less than 1/{} of what all others keep of theirs",
                limits.times_max
            ),
            found: named("money", &money, &|group| {
                let [share, others] = group.kept.map(percent);
                format!("{} {} {}: {share} beside {others}", group.about, group.axis, group.group)
            }),
            met: money.is_empty(),
        },
        Gate {
            gate: "every rule of the candidate is in force in the data, or was before".to_owned(),
            found: format!("not yet in force: {}", none_or(unmeasured)),
            met: unmeasured.is_empty(),
        },
        Gate {
            gate: "no risk moves when music and accounts exchange genre, language and country".to_owned(),
            found: format!("{moved} subjects moved"),
            met: moved == 0,
        },
    ]
}

/// The checklist of harms, each with what was measured of it.
pub fn harms(measures: &Measures) -> Vec<Harm> {
    let percent = |share: f64| format!("{:.2} %", 100.0 * share);
    let of = |about: &str| {
        // Every member is in one group of each axis: of one axis all are there once.
        let axis = measures.groups.iter().find(|group| group.about == about).map(|group| group.axis.clone());
        let groups = measures.groups.iter().filter(|group| group.about == about && Some(&group.axis) == axis.as_ref());
        groups.fold(([0, 0], 0), |(hits, all), group| {
            ([0, 1].map(|side| hits[side] + group.stopped[side].hits), all + group.stopped[1].of)
        })
    };
    let beside = |[now, then]: [usize; 2], all: usize| format!("{then} of {all} stopped, now {now}");
    let harm = |harm: &str, measured: String, remedy: &str| Harm {
        harm: harm.to_owned(),
        measured,
        remedy: remedy.to_owned(),
    };
    let [accounts, tracks, artists] = ["account", "track", "artist"].map(of);
    let exposure = &measures.exposure;
    let [framed, hijacked] = [&measures.framed, &measures.hijacked]
        .map(|victims| beside(victims.each_ref().map(|share| share.hits), victims[1].of));
    vec![
        harm(
            "honest listeners are taken for bots",
            beside(accounts.0, accounts.1),
            "listening goes on; only streams wait or do not count",
        ),
        harm(
            "honest tracks are stopped",
            beside(tracks.0, tracks.1),
            "appeal; a hold is lifted by itself when the reason is gone",
        ),
        harm(
            "honest artists are stopped",
            beside(artists.0, artists.1),
            "appeal; withheld money is paid with the next month",
        ),
        harm(
            "artists to whose music somebody sent bots are punished for it",
            framed,
            "only the bots' streams are taken out",
        ),
        harm(
            "listeners whose account was taken over are punished for it",
            hijacked,
            "the account is held, not blocked",
        ),
        harm(
            "exposure moves to those who are large already",
            format!(
                "Gini of paid streams {:.3}, now {:.3}, of all streams {:.3}",
                exposure.gini[2], exposure.gini[1], exposure.gini[0]
            ),
            "look at the ratios by size and age",
        ),
        harm(
            "people meet fewer new artists",
            format!(
                "{} of first meetings in paid streams, now {}, of all {}",
                percent(exposure.with_new_artists[2]),
                percent(exposure.with_new_artists[1]),
                percent(exposure.with_new_artists[0])
            ),
            "look at uploads that wait at the gate",
        ),
        harm(
            "listening is made narrower",
            format!(
                "specialism {:.3} in paid streams, now {:.3}, of all {:.3}",
                exposure.specialism[2], exposure.specialism[1], exposure.specialism[0]
            ),
            "look at genres",
        ),
    ]
}

/// Until when something made at the instant is believed.
pub fn expiry(made_at: Millis, limits: &Limits) -> String {
    instant::to_text(made_at + i64::from(limits.expires_days) * DAY_MS)
}

/// The record in a report that is about this candidate, passed, and is still believed.
///
/// # Errors
/// [`Failure::Input`] when there is none or somebody changed it; [`Failure::Different`] when it is about something else, did not pass, tolerated more
/// than `most`, or has expired.
pub fn passed(report: &Path, candidate: &Candidate, most: &Limits, now: Millis) -> Result<Record, Failure> {
    let path = if report.is_dir() { report.join(RECORD) } else { report.to_owned() };
    let wrong = |why: &dyn std::fmt::Display| Failure::Input(format!("{}: {why}", path.display()));
    let next = "run `truestream assess --candidate` on it";
    let text = std::fs::read_to_string(&path).map_err(|error| wrong(&format!("{error}; {next}")))?;
    let record: Record = serde_json::from_str(&text).map_err(|error| wrong(&error))?;
    if record.format != FORMAT {
        let found = record.format;
        return Err(wrong(&format!(
            "found format {found}, expected {FORMAT}: another version of the program made it; {next}"
        )));
    }
    if record.hash != record.hashed() {
        return Err(wrong(&format!("it was changed after it was made; {next}")));
    }
    let different = |why: String| Failure::Different(format!("{}: {why}; {next}", path.display()));
    if record.candidate.digest != candidate.digest {
        let Candidate { kind, version, digest } = &record.candidate;
        let found = format!("it is about the {kind} {version:?} ({digest:.12})");
        return Err(different(format!("{found}, expected {:?} ({:.12})", candidate.version, candidate.digest)));
    }
    if record.decision == Decision::Block {
        let missed: Vec<String> =
            record.gates.iter().filter(|gate| !gate.met).map(|gate| format!("{}: {}", gate.gate, gate.found)).collect();
        return Err(different(format!("it did not pass: {}", missed.join("; "))));
    }
    if let Some(looser) = record.limits.looser_than(most) {
        return Err(different(format!("it tolerates {looser}: [limits] of governance.toml may say otherwise")));
    }
    if instant::from_text(&record.expires_at).is_none_or(|expires| expires <= now) {
        return Err(different(format!("it expired at {}", record.expires_at)));
    }
    Ok(record)
}
