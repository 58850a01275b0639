//! Reads a policy from a folder of TOML files, and a table of rules, that business people edit.
//!
//! ```text
//! built-in files ──▶ Policy ◀── laid over it: policy.toml, weights.toml, thresholds.toml, rules.toml, flow.toml, review.toml
//!                  Listening ◀── listening.toml, Declaring ◀── disclosure.toml, Limits ◀── gate.toml, Terms ◀── royalties.toml,
//!                  Attacks ◀── attacks.toml, Clauses ◀── conditions.toml, decisions.csv, Surges ◀── sensitivity.toml, Cases ◀── tests.toml
//! ```
//!
//! A folder needs `policy.toml`, because a changed policy must have another name; what its other files leave out stays
//! as built in. A word that nothing reads is an error: a misspelt rule must not look like a rule that is off.

mod activations;
mod attacks;
mod cases;
mod clauses;
mod decisions;
mod faults;
mod gate;
mod lists;
mod sensitivity;
mod terms;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use records::declaring::{Consequence, Declaring, Own};
use records::listening::Listening;
use records::policy::{BySubject, Local, Mix, Percent, Policy, Review, Rule, Thresholds};
use records::{Millis, Subject, Territory};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer};

use crate::Error;
use crate::formats::instant;

pub use activations::{
    Activation, Said, Signature, Stage, activate, activations, beta, clash, clashes, digest, folder_as_of, go_back,
    history, in_force, is_store, latest, list_of, refuse_own_policy, withdraw,
};
pub use attacks::{attacks, own_attacks};
pub use cases::{Cases, PayoutCase, VerdictCase, cases};
pub use clauses::{ClauseTest, TestedClause, clauses};
pub use faults::{faults, settings};
pub use gate::gate;
pub use lists::pins;
pub use sensitivity::surges;
pub use terms::{amount, amount_text, terms};

/// The built-in policy as files, name and text: copy them into a folder and edit.
pub const BUILT_IN: [(&str, &str); 11] = [
    ("policy.toml", include_str!("policy/default/policy.toml")),
    ("weights.toml", include_str!("policy/default/weights.toml")),
    ("thresholds.toml", include_str!("policy/default/thresholds.toml")),
    ("rules.toml", include_str!("policy/default/rules.toml")),
    ("flow.toml", include_str!("policy/default/flow.toml")),
    LISTENING,
    DISCLOSURE,
    GATE,
    ROYALTIES,
    ATTACKS,
    TESTS,
];

const DISCLOSURE: (&str, &str) = ("disclosure.toml", include_str!("policy/default/disclosure.toml"));
const GATE: (&str, &str) = ("gate.toml", include_str!("policy/default/gate.toml"));
const ROYALTIES: (&str, &str) = ("royalties.toml", include_str!("policy/default/royalties.toml"));
const ATTACKS: (&str, &str) = ("attacks.toml", include_str!("policy/default/attacks.toml"));
/// Rules as conditions: a folder's own, none are built in.
const CONDITIONS: &str = "conditions.toml";
/// Rules as rows of a table: likewise.
const DECISIONS: &str = "decisions.csv";
/// What editors put forward: likewise.
const PINS: &str = "pins.toml";
/// Within how long people are to look: what it leaves out is as built in.
const REVIEW: &str = "review.toml";
/// Surges that tighten thresholds: likewise.
const SENSITIVITY: &str = "sensitivity.toml";
const TESTS: (&str, &str) = ("tests.toml", include_str!("policy/default/tests.toml"));
const LISTENING: (&str, &str) = ("listening.toml", include_str!("policy/default/listening.toml"));

/// The policy that holds where the user gives none.
pub fn built_in() -> Policy {
    let [policy, weights, thresholds, rules, flow, ..] =
        BUILT_IN.map(|(name, text)| (PathBuf::from("built-in policy").join(name), text));
    let read = || -> Result<Policy, Error> {
        let thresholds: ThresholdsFile = parse(&thresholds.0, thresholds.1)?;
        Ok(Policy {
            version: parse::<PolicyFile>(&policy.0, policy.1)?.version,
            weights: parse(&weights.0, weights.1)?,
            thresholds: thresholds.default.ok_or_else(|| Error::Input("thresholds.toml: no default".to_string()))?,
            tiers: thresholds.tier,
            local_weights: BTreeMap::new(),
            local_thresholds: thresholds.territory,
            rules: parse(&rules.0, rules.1)?,
            flow: parse(&flow.0, flow.1)?,
            review: Review::default(),
        })
    };
    read().expect("the built-in policy is read by a test")
}

/// Reads the policy in `folder`; what it leaves out stays as built in.
pub fn load(folder: &Path) -> Result<Policy, Error> {
    refuse_strangers(folder)?;
    let mut policy = built_in();
    let PolicyFile { version } = read(folder, "policy.toml")?.ok_or_else(|| no_name(folder))?;
    policy.version = version;
    if let Some(weights) = read::<WeightsFile>(folder, "weights.toml")? {
        let WeightsFile { account, artist, distributor, playlist, track, uploader, territory } = weights;
        let kinds = [account, artist, distributor, playlist, track, uploader];
        // In the order of the kinds, which is that of their names.
        let given = Subject::ALL.into_iter().zip(kinds).filter_map(|(subject, mix)| Some((subject, mix?)));
        given.for_each(|(subject, mix)| *policy.weights.of_mut(subject) = mix);
        policy.local_weights = territory;
    }
    if let Some(thresholds) = read::<ThresholdsFile>(folder, "thresholds.toml")? {
        policy.thresholds = thresholds.default.unwrap_or(policy.thresholds);
        policy.tiers.extend(thresholds.tier);
        policy.local_thresholds = thresholds.territory;
    }
    if let Some(rules) = read::<BTreeMap<Subject, BTreeMap<String, Rule>>>(folder, "rules.toml")? {
        lay_over(&mut policy.rules, rules, &folder.join("rules.toml"))?;
    }
    policy.flow = read(folder, "flow.toml")?.unwrap_or(policy.flow);
    policy.review = read(folder, REVIEW)?.unwrap_or(policy.review);
    Ok(policy)
}

/// Who hears which recordings: `listening.toml` of the policy in `folder`, or the built-in one.
pub fn listening(folder: Option<&Path>) -> Result<Listening, Error> {
    let given = folder.map(|folder| refuse_strangers(folder).and_then(|()| read(folder, LISTENING.0))).transpose()?;
    let built_in = || parse(&Path::new("built-in policy").join(LISTENING.0), LISTENING.1);
    given.flatten().map_or_else(built_in, Ok)
}

/// What must be declared of generative AI: `disclosure.toml` of the policy in `folder`, or the built-in one.
///
/// # Errors
/// When the folder or the file cannot be read, or says what cannot be.
pub fn declaring(folder: Option<&Path>) -> Result<Declaring, Error> {
    if let Some(folder) = folder {
        refuse_strangers(folder)?;
        if let Some(declaring) = own_declaring(folder)? {
            return Ok(declaring);
        }
    }
    let built_in = Path::new("built-in policy").join(DISCLOSURE.0);
    parse::<DisclosureFile>(&built_in, DISCLOSURE.1)?.read(&built_in)
}

fn own_declaring(folder: &Path) -> Result<Option<Declaring>, Error> {
    let file: Option<DisclosureFile> = read(folder, DISCLOSURE.0)?;
    file.map(|file| file.read(&folder.join(DISCLOSURE.0))).transpose()
}

impl DisclosureFile {
    fn read(self, path: &Path) -> Result<Declaring, Error> {
        let DisclosureFile { required_from, undeclared, no_consent, contradicted, detected, own } = self;
        let required_from = instant::from_text(&required_from).ok_or_else(|| {
            let found = format!("required_from: found {required_from:?}, expected a day such as \"2026-01-01\"");
            Error::Input(format!("{}: {found}", path.display()))
        })?;
        Ok(Declaring { required_from, undeclared, no_consent, contradicted, detected, own })
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct DisclosureFile {
    required_from: String,
    undeclared: Consequence,
    no_consent: Consequence,
    contradicted: Consequence,
    detected: Percent,
    #[serde(default)]
    own: Own,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct PolicyFile {
    version: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ThresholdsFile {
    default: Option<Thresholds>,
    #[serde(default)]
    tier: BTreeMap<String, Thresholds>,
    #[serde(default)]
    territory: BTreeMap<Territory, Local<Thresholds>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WeightsFile {
    account: Option<Mix>,
    artist: Option<Mix>,
    distributor: Option<Mix>,
    playlist: Option<Mix>,
    track: Option<Mix>,
    uploader: Option<Mix>,
    #[serde(default)]
    territory: BTreeMap<Territory, Local<Mix>>,
}

fn no_name(folder: &Path) -> Error {
    let found = "found none, expected `version = \"a name of its own\"`";
    Error::Input(format!("{}: {found}", folder.join("policy.toml").display()))
}

/// Replaces the rules that the folder names; a name that is no signal of its subject is refused.
fn lay_over(
    rules: &mut BySubject<BTreeMap<String, Rule>>,
    given: BTreeMap<Subject, BTreeMap<String, Rule>>,
    path: &Path,
) -> Result<(), Error> {
    for (subject, given) in given {
        let known = rules.of_mut(subject);
        for (name, rule) in given {
            let Some(place) = known.get_mut(&name) else {
                let names: Vec<&str> = known.keys().map(String::as_str).collect();
                return Err(Error::Input(format!(
                    "{}: `{}.{name}` is no rule; expected one of {}",
                    path.display(),
                    subject.name(),
                    names.join(", ")
                )));
            };
            *place = rule;
        }
    }
    Ok(())
}

fn refuse_strangers(folder: &Path) -> Result<(), Error> {
    let names: Vec<&str> =
        BUILT_IN.iter().map(|(name, _)| *name).chain([CONDITIONS, DECISIONS, SENSITIVITY, PINS, REVIEW]).collect();
    let entries = fs::read_dir(folder).map_err(|source| Error::io(folder, source))?;
    for entry in entries {
        let path = entry.map_err(|source| Error::io(folder, source))?.path();
        let known = path.file_name().is_some_and(|name| names.iter().any(|known| name == *known));
        if is_part(&path) && !known {
            return Err(Error::Input(format!(
                "{}: no part of a policy; expected {}",
                path.display(),
                names.join(", ")
            )));
        }
    }
    Ok(())
}

/// Whether a file of this name would be a part of a policy: all others may lie beside.
fn is_part(path: &Path) -> bool {
    path.extension().is_some_and(|extension| extension == "toml" || extension == "csv")
}

/// An instant that is written as a day, or finer.
fn a_day<'de, D: Deserializer<'de>>(from: D) -> Result<Millis, D::Error> {
    let text = String::deserialize(from)?;
    let expected = || serde::de::Error::custom(format!("found {text:?}, expected a day such as \"2026-02-01\""));
    instant::from_text(&text).ok_or_else(expected)
}

fn read<V: DeserializeOwned>(folder: &Path, name: &str) -> Result<Option<V>, Error> {
    let path = folder.join(name);
    match fs::read_to_string(&path) {
        Ok(text) => parse(&path, &text).map(Some),
        Err(missing) if missing.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(source) => Err(Error::io(&path, source)),
    }
}

/// The reader's message shows the line with the key, what was found there and what was expected.
fn parse<V: DeserializeOwned>(path: &Path, text: &str) -> Result<V, Error> {
    toml::from_str(text).map_err(|error| Error::Input(format!("{}: {}", path.display(), error.to_string().trim_end())))
}

#[cfg(test)]
mod tests {
    use records::policy::{Origin, Segment};

    use super::*;

    fn folder(files: &[(&str, &str)]) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        for (name, text) in files {
            fs::write(folder.path().join(name), text).unwrap();
        }
        folder
    }

    fn refused(files: &[(&str, &str)]) -> String {
        load(folder(files).path()).unwrap_err().to_string()
    }

    #[test]
    fn a_copy_of_the_built_in_files_is_the_built_in_policy() {
        assert_eq!(load(folder(&BUILT_IN).path()).unwrap(), built_in());
    }

    #[test]
    fn who_listens_is_as_built_in_or_as_the_folder_says() {
        let own =
            "budget_secs = 5\nflag = 30\nsynthesis = \"flagged\"\nresemblance = \"all\"\nimpersonation = \"nothing\"";
        let built_in = listening(None).unwrap();
        assert_eq!(listening(Some(folder(&[]).path())).unwrap(), built_in);
        let given = listening(Some(folder(&[("listening.toml", own)]).path())).unwrap();
        assert_eq!((given.budget_secs, given.synthesis), (5, records::listening::Hears::Flagged));
        for (word, wrong) in [("budget_sec", "budget_secs"), ("\"some\"", "\"all\""), ("130", "30")] {
            let text = own.replace(wrong, word);
            let error = listening(Some(folder(&[("listening.toml", &text)]).path())).unwrap_err().to_string();
            assert!(error.contains("listening.toml"), "{error}");
        }
    }

    #[test]
    fn what_must_be_declared_is_as_built_in_or_as_the_folder_says() {
        let built_in = declaring(None).unwrap();
        assert_eq!(declaring(Some(folder(&[]).path())).unwrap(), built_in);
        let own = DISCLOSURE.1.replace("2026-01-01", "2027-01-01").replace("tracks = []", "tracks = [\"dj-1\"]");
        let given = declaring(Some(folder(&[("disclosure.toml", &own)]).path())).unwrap();
        assert_eq!(given.required_from - built_in.required_from, 365 * 86_400_000);
        assert_eq!(given.own.tracks, ["dj-1"]);
        for (right, wrong) in [
            ("2026-01-01", "soon"),
            ("\"hold\"", "\"keep\""),
            ("= 90", "= 101"),
            ("detected", "detects"),
            ("artists", "artist"),
        ] {
            let text = DISCLOSURE.1.lines().filter(|line| !line.starts_with('#')).collect::<Vec<_>>().join("\n");
            let error = declaring(Some(folder(&[("disclosure.toml", &text.replacen(right, wrong, 1))]).path()));
            let error = error.unwrap_err().to_string();
            assert!(error.contains("disclosure.toml") && error.contains("expected"), "{error}");
        }
    }

    #[test]
    fn what_a_folder_leaves_out_stays_as_built_in() {
        let files = [
            ("policy.toml", "version = \"spring\""),
            ("rules.toml", "[account]\nedge = { on = false, weight = 65 }"),
            (
                "thresholds.toml",
                "[tier.new]\nhold = 1\nescalate = 2\nblock = 3\nescalate_signals = 0\nblock_signals = 0",
            ),
        ];
        let policy = load(folder(&files).path()).unwrap();
        assert_eq!(policy.version, "spring");
        assert_eq!(policy.rule_weight(Subject::Account, "edge"), 0);
        assert_eq!(policy.rule_weight(Subject::Track, "edge"), 6_000);
        fn of<'a>(policy: &'a Policy, tier: &str) -> (Segment<'a>, Thresholds) {
            policy.segment(Subject::Track, Origin { tier: Some(tier), territory: None })
        }
        assert_eq!(of(&policy, "new").1.steps().hold.get(), 1);
        assert_eq!(of(&policy, "major"), of(&built_in(), "major"));
        assert_eq!(of(&policy, "unheard of").0, Segment::Default);
    }

    #[test]
    fn a_territory_has_the_numbers_that_the_folder_gives_it() {
        let named = ("policy.toml", "version = \"x\"");
        let steps = "hold = 30\nescalate = 50\nblock = 80\nescalate_signals = 2\nblock_signals = 3";
        let thresholds = format!("[territory.DE.account]\n{steps}");
        let weights = "[territory.FR.track]\nheard = { content = 40, behaviour = 60, policy = 0 }\n\
                       unheard = { content = 0, behaviour = 100, policy = 0 }";
        let policy =
            load(folder(&[named, ("thresholds.toml", &thresholds), ("weights.toml", weights)]).path()).unwrap();
        assert_eq!(policy.segments(), ["default", "major", "probation", "territory.DE.account"]);
        assert_eq!(policy.territories().map(|territory| territory.to_string()).collect::<Vec<_>>(), ["FR", "DE"]);
        assert_eq!(policy.weights, built_in().weights);
        for (right, wrong, words) in [
            (".DE", ".de", vec!["found \"de\"", "two capitals"]),
            (".DE", ".UK", vec!["found \"UK\"", "ISO 3166-1"]),
            (".account", ".uploader", vec!["`uploader`", "`account` or `track`"]),
            (".account", "", vec!["hold", "`account` or `track`"]),
            ("hold = 30", "hold = 60", vec!["hold 60", "expected"]),
        ] {
            let message = refused(&[named, ("thresholds.toml", &thresholds.replacen(right, wrong, 1))]);
            for word in [vec!["thresholds.toml"], words].concat() {
                assert!(message.contains(word), "`{word}` is missing from: {message}");
            }
        }
        assert!(refused(&[named, ("weights.toml", &weights.replace("FR", "XX"))]).contains("found \"XX\""));
    }

    #[test]
    fn within_how_long_people_look_is_as_the_folder_says() {
        let named = ("policy.toml", "version = \"x\"");
        let policy = load(folder(&[named, ("review.toml", "hold_hours = 8")]).path()).unwrap();
        assert_eq!(policy.review, Review { hold_hours: 8, ..Review::default() });
        let named_people = "[areas.content]\npeople = [\"ann\"]";
        let areas = load(folder(&[named, ("review.toml", named_people)]).path()).unwrap().review.areas;
        assert!(areas.len() == 1 && areas["content"].people.contains("ann"), "{areas:?}");
        for (wrong, words) in [
            ("hold_hours = 0", "found hold_hours 0, expected 1"),
            ("hold_days = 3", "hold_days"),
            ("[areas.sound]\npeople = [\"ann\"]", "found areas.sound, expected one of content"),
            ("[areas.content]\npeople = []", "areas.content has no people"),
        ] {
            let error = refused(&[named, ("review.toml", wrong)]);
            assert!(error.contains("review.toml") && error.contains(words), "{error}");
        }
    }

    #[test]
    fn a_mistake_is_named_with_file_key_found_and_expected() {
        let named = ("policy.toml", "version = \"x\"");
        for (name, text, words) in [
            ("rules.toml", "[account]\nedgy = { on = true, weight = 1 }", vec!["account.edgy", "edge, group"]),
            ("rules.toml", "[account]\nedge = { on = true, weight = 101 }", vec!["edge", "found 101", "0 to 100"]),
            ("rules.toml", "[account]\nedge = { on = true, weight = 1, full_at = 0 }", vec!["found 0", "1 to 100"]),
            ("rules.toml", "[account]\nedge = { on = true, weight = 0.5 }", vec!["edge", "0.5", "expected"]),
            ("rules.toml", "[acount]", vec!["acount", "account"]),
            ("flow.toml", "floor = 1\ndamping = 2", vec!["rounds"]),
            (
                "thresholds.toml",
                "[default]\nhold = 60\nescalate = 40\nblock = 85\nescalate_signals = 2\nblock_signals = 3",
                vec!["default", "hold 60", "expected"],
            ),
            (
                "weights.toml",
                "[track]\nheard = { content = 1, behaviour = 1, policy = 1 }\nunheard = { content = 0, behaviour = 75, policy = 25 }",
                vec!["line 2", "heard", "= 3", "expected 100"],
            ),
            ("wieghts.toml", "", vec!["wieghts.toml", "weights.toml"]),
        ] {
            let message = refused(&[named, (name, text)]);
            for word in [vec![name], words].concat() {
                assert!(message.contains(word), "`{word}` is missing from: {message}");
            }
        }
        assert!(refused(&[]).contains("version"), "a policy without a name");
    }
}
