//! What the one is told whom a verdict is about, and how they answer: statements of reasons, and who may read which.
//!
//! ```text
//! key of the folder ──▶ case code ──▶ verdict, signals, ruling ──▶ statement in plain words, and as JSON
//! ```
//!
//! A statement names no number that was counted, no threshold and nobody else: it is for the honest, and read by others, too.

use console::desk::{Appeal, Restored, Statement};
use records::Subject;
use serde_json::{Value, json};

/// What the key of codes is derived for.
pub const PURPOSE: &str = "truestream 2026-11 codes of cases";
/// What a code is made of begins so; what else may be derived of the key one day begins otherwise.
const CASE: &str = "case";
/// An appeal has at least and at most so many letters.
pub const TEXT: std::ops::RangeInclusive<usize> = 20..=5_000;
/// So many appeals of one case are heard.
pub const APPEALS_MAX: usize = 3;

/// Makes and checks the codes that open a case to the one it is about.
pub struct Codes([u8; 32]);

impl Codes {
    /// With a key of the folder.
    pub fn new(key: [u8; 32]) -> Codes {
        Codes(key)
    }

    fn hash(&self, subject: Subject, id: &str) -> blake3::Hash {
        blake3::keyed_hash(&self.0, format!("{CASE}\n{}\n{id}", subject.name()).as_bytes())
    }

    /// The code of the case: nobody can guess it, and it opens no other.
    pub fn of(&self, subject: Subject, id: &str) -> String {
        self.hash(subject, id).to_hex().to_string()
    }

    /// Whether the code is the one of the case; takes as long for every wrong one.
    pub fn opens(&self, subject: Subject, id: &str, code: &str) -> bool {
        blake3::Hash::from_hex(code).is_ok_and(|code| code == self.hash(subject, id))
    }
}

/// What follows from a verdict, for the one it is about.
pub fn effect(verdict: &str) -> &'static str {
    match verdict {
        "hold" => "Payment for its plays waits. Nothing else changes, and listeners see no difference.",
        "escalate" => "Payment for its plays waits, and a person looks at it before anything else happens.",
        "block" => "Its plays count for nothing: they are not paid.",
        _ => "Nothing is held against it.",
    }
}

/// A signal in words that say what, and not how much.
pub fn plain(signal: &str) -> &'static str {
    match signal {
        "edge" => "Many plays end just after the length from which on a play is paid.",
        "cut_short" => "Plays are much shorter than those of people.",
        "loop" => "The same few tracks are played round and round, without a person's skips and pauses.",
        "breadth" => "Very many different tracks are played once each, more than people find.",
        "impossible_time" => "More was played than a day has hours.",
        "volume" => "There are more plays than people make.",
        "no_sleep" => "Plays go on through day and night.",
        "no_skips" => "Hardly a track is ever skipped.",
        "hosted" => "Many plays come from data centres or hidden networks.",
        "network_hops" => "Plays come from unusually many networks.",
        "devices" => "Plays come from unusually many devices.",
        "one_channel" => "Nearly all plays come from playlists, and none from a search or a library.",
        "group" => "The accounts that play share devices with many others.",
        "rig" => "The accounts that play share devices as racks of telephones do.",
        "intruder" => "Somebody else seems to use the account.",
        "lockstep" => "Accounts play in step with one another.",
        "suspicious_tracks" => "What is played is played mostly by accounts that look automatic.",
        "learned" => "A model that learned from earlier cases finds it similar to fraud.",
        "replays" => "Each listener plays it far more often than people play music.",
        "top_account" => "One account makes a large part of the plays.",
        "even_accounts" => "All accounts play it equally often, as people do not.",
        "new_accounts" => "Many plays come from accounts that have only just been made.",
        "suspicious_accounts" => "A large part of the plays comes from accounts that look automatic.",
        "suspicious_copies" => "Other tracks of the same recording are played by accounts that look automatic.",
        "upload_rate" => "Very many tracks were uploaded in a short time.",
        "missing_fields" => "Important details of the release are missing.",
        "short_tracks" => "Tracks are just long enough to be paid.",
        "long_tracks" => "Tracks are unusually long.",
        "undeclared_ai" => "It does not say whether generative AI was used.",
        "audio" => "The recording itself speaks against it: it is a copy, made by a machine, or faulty.",
        _ => "A rule of the service applies.",
    }
}

/// The statement by the fields of Article 17 (3) of Regulation (EU) 2022/2065, with the words of its transparency database where it has some.
pub fn json(statement: &Statement) -> Value {
    let Statement { subject, id, verdict, effect, since, reasons, grounds, person, versions, appeal, .. } = statement;
    let monetary = match verdict.as_str() {
        "hold" | "escalate" => Some("DECISION_MONETARY_SUSPENSION"),
        "block" => Some("DECISION_MONETARY_TERMINATION"),
        _ => None,
    };
    let appealed = appeal.as_ref().map(|Appeal { at, due, outcome, .. }| {
        let reputation = |of: &Restored| json!({"of": of.role, "when_decided": of.before, "now": of.now});
        let outcome = outcome.as_ref().map(|outcome| {
            let reputations: Vec<Value> = outcome.restored.iter().map(reputation).collect();
            json!({"decided_at": outcome.at, "outcome": outcome.choice, "reputations": reputations})
        });
        json!({"filed_at": at, "due": due, "decision": outcome})
    });
    json!({
        "about": {"subject": subject, "id": id},
        "as_of": statement.as_of,
        "decision": verdict,
        "decision_monetary": monetary,
        "effect": effect,
        "application_date": since,
        "category": "STATEMENT_CATEGORY_SCAMS_AND_FRAUD",
        "content_type": ["CONTENT_TYPE_AUDIO"],
        "source_type": "SOURCE_VOLUNTARY",
        "automated_detection": "Yes",
        "automated_decision":
            if person.is_some() { "AUTOMATED_DECISION_PARTIALLY" } else { "AUTOMATED_DECISION_FULLY" },
        "decision_facts": reasons,
        "decision_ground": "DECISION_GROUND_INCOMPATIBLE_CONTENT",
        "incompatible_content_ground":
            if grounds.is_empty() { json!(["terms of the service: artificial streams are not paid"]) } else { json!(grounds) },
        "reviewed_by_a_person_at": person,
        "decided_by": versions,
        "at_stake": {"payable_plays": statement.payable, "about_usd": statement.stake_usd},
        "redress": {"appeal": "the form of this page", "allowed_now": statement.may_appeal, "last_appeal": appealed},
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_opens_its_case_and_no_other() {
        let codes = Codes::new([7; 32]);
        let code = codes.of(Subject::Track, "1");
        assert!(codes.opens(Subject::Track, "1", &code));
        for (subject, id) in [(Subject::Artist, "1"), (Subject::Track, "11"), (Subject::Track, "")] {
            assert!(!codes.opens(subject, id, &code) && codes.of(subject, id) != code);
        }
        assert!(!codes.opens(Subject::Track, "1", "") && !codes.opens(Subject::Track, "1", &code[1..]));
        assert!(!Codes::new([8; 32]).opens(Subject::Track, "1", &code));
    }

    #[test]
    fn every_signal_is_said_in_words_without_a_number() {
        let policy = datasets::policy::built_in();
        for name in Subject::ALL.into_iter().flat_map(|subject| policy.rules.of(subject).keys()) {
            let words = plain(name);
            assert!(words != plain("") && !words.chars().any(|letter| letter.is_ascii_digit()), "{name}: {words}");
        }
    }
}
