//! Everything that is wrong with a policy folder at once, and what its settings are, one by one.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use records::listening::Listening;
use records::policy::{Flow, Review, Rule};
use records::{Policy, Subject};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::attacks::{attacks, own_attacks};
use super::gate::{gate, own_gate};
use super::terms::{own_terms, terms};
use super::{
    CONDITIONS, LISTENING, PolicyFile, REVIEW, SENSITIVITY, TestedClause, ThresholdsFile, WeightsFile, built_in, cases,
    clauses, declaring, lay_over, listening, load, no_name, own_declaring, parse, pins, read, refuse_strangers, surges,
};
use crate::Error;
use crate::formats::instant;

/// Every mistake in the folder's files; the first of each section of weights, thresholds and rules, the first of every other file.
pub fn faults(folder: &Path) -> Vec<Error> {
    let mut faults = Vec::new();
    if let Err(error) = refuse_strangers(folder) {
        let unreadable = matches!(error, Error::Io { .. });
        faults.push(error);
        if unreadable {
            return faults;
        }
    }
    match read::<PolicyFile>(folder, "policy.toml") {
        Ok(Some(_)) => {}
        Ok(None) => faults.push(no_name(folder)),
        Err(error) => faults.push(error),
    }
    faults.extend(in_sections::<WeightsFile>(folder, "weights.toml"));
    faults.extend(in_sections::<ThresholdsFile>(folder, "thresholds.toml"));
    faults.extend(in_sections::<BTreeMap<Subject, BTreeMap<String, Rule>>>(folder, "rules.toml"));
    if let Ok(rules) = read::<BTreeMap<Subject, BTreeMap<String, Rule>>>(folder, "rules.toml") {
        faults.extend(strange_rules(rules.unwrap_or_default(), &folder.join("rules.toml")));
    }
    faults.extend(read::<Flow>(folder, "flow.toml").err());
    faults.extend(read::<Review>(folder, REVIEW).err());
    faults.extend(read::<Listening>(folder, LISTENING.0).err());
    faults.extend(own_declaring(folder).err());
    faults.extend(own_gate(folder).err());
    faults.extend(cases(Some(folder)).err());
    faults.extend(clauses(Some(folder)).err());
    faults.extend(surges(Some(folder)).err());
    faults.extend(unsaid(folder));
    faults.extend(pins(Some(folder)).err());
    faults.extend(own_terms(folder).err());
    faults.extend(own_attacks(folder).err());
    faults
}

/// The mistakes of a file whose sections say something each on their own: the first one of each section, with its line in the file.
fn in_sections<V: DeserializeOwned>(folder: &Path, name: &str) -> Vec<Error> {
    let path = folder.join(name);
    let Err(whole) = read::<V>(folder, name) else { return Vec::new() };
    let Ok(text) = fs::read_to_string(&path) else { return vec![whole] };
    let is_head = |line: &str| line.starts_with('[');
    let heads: Vec<usize> = text.lines().enumerate().filter(|(_, line)| is_head(line)).map(|(at, _)| at).collect();
    let ends = heads.iter().skip(1).copied().chain([usize::MAX]);
    // All other lines are empty, so that the numbers of lines are those of the file.
    let alone = |(from, until): (usize, usize)| -> String {
        let lines = text.lines().enumerate();
        lines
            .map(|(at, line)| if (from..until).contains(&at) { format!("{line}\n") } else { "\n".to_owned() })
            .collect()
    };
    let sections = heads.iter().copied().zip(ends).map(alone);
    let faults: Vec<Error> = sections.filter_map(|section| parse::<V>(&path, &section).err()).collect();
    if faults.is_empty() { vec![whole] } else { faults }
}

/// A mistake for each rule that is none.
fn strange_rules(given: BTreeMap<Subject, BTreeMap<String, Rule>>, path: &Path) -> Vec<Error> {
    let one_by_one = given.into_iter().flat_map(|(subject, rules)| {
        rules.into_iter().map(move |(name, rule)| BTreeMap::from([(subject, BTreeMap::from([(name, rule)]))]))
    });
    one_by_one.filter_map(|rule| lay_over(&mut built_in().rules, rule, path).err()).collect()
}

/// What of a rule or a wave must say something and says nothing: verdicts and reasons repeat it. A policy that was activated before that was asked is read
/// as ever.
fn unsaid(folder: &Path) -> Vec<Error> {
    let mut unsaid = Vec::new();
    let mut ask = |file: &str, what: &str, key: &str, text: &str| {
        if text.trim().is_empty() {
            let found = format!("{what}: {key}: found nothing, expected a text");
            unsaid.push(Error::Input(format!("{}: {found}", folder.join(file).display())));
        }
    };
    for TestedClause { clause, .. } in clauses(Some(folder)).unwrap_or_default() {
        let keys = [("id", &clause.id), ("code", &clause.code), ("reason", &clause.reason), ("owner", &clause.owner)];
        keys.into_iter().for_each(|(key, text)| ask(CONDITIONS, &format!("rule {:?}", clause.id), key, text));
    }
    for surge in surges(Some(folder)).unwrap_or_default() {
        ask(SENSITIVITY, &format!("the wave of {}", surge.measure.name()), "name", &surge.name);
    }
    unsaid
}

/// The settings of a policy by their names, such as `rules.account.edge.weight`; of the built-in one without a folder.
///
/// # Errors
/// When the folder holds no policy.
pub fn settings(folder: Option<&Path>) -> Result<BTreeMap<String, String>, Error> {
    let policy = match folder {
        Some(folder) => load(folder)?,
        None => built_in(),
    };
    let Policy { version, weights, thresholds, tiers, local_weights, local_thresholds, rules, flow, review } = policy;
    let mut weights = json!(weights);
    weights["territory"] = json!(local_weights);
    let declaring = declaring(folder)?;
    let attacks = attacks(folder)?;
    let by_name: serde_json::Map<_, _> =
        attacks.attacks.iter().map(|attack| (attack.name.clone(), json!(attack))).collect();
    let all = json!({
        "version": version,
        "weights": weights,
        "thresholds": {"default": thresholds, "tier": tiers, "territory": local_thresholds},
        "rules": rules,
        "flow": flow,
        "review": review,
        "listening": listening(folder)?,
        "disclosure": {
            "required_from": instant::to_text(declaring.required_from),
            "undeclared": declaring.undeclared,
            "no_consent": declaring.no_consent,
            "contradicted": declaring.contradicted,
            "detected": declaring.detected,
            "own": declaring.own,
        },
        "gate": dated(json!(gate(folder)?), &["asked_from", "until"]),
        "royalties": terms(folder)?,
        "attacks": {
            "currency": attacks.currency, "stream_rate": attacks.stream_rate, "account_brings": attacks.account_brings,
            "mean_times": attacks.mean_times, "attack": by_name,
            "artist": attacks.artists.iter().map(|artist| (artist.name.clone(), json!(artist))).collect::<serde_json::Map<_, _>>(),
        },
        "sensitivity": surges(folder)?
            .into_iter()
            .map(|surge| (surge.name.clone(), json!(surge)))
            .collect::<serde_json::Map<_, _>>(),
        "conditions": clauses(folder)?
            .into_iter()
            .map(|tested| (tested.clause.id.clone(), dated(json!(tested.clause), &["from", "expires"])))
            .collect::<serde_json::Map<_, _>>(),
    });
    let mut flat = BTreeMap::new();
    flatten(String::new(), &all, &mut flat);
    Ok(flat)
}

/// The settings with the instants of these names as people write them.
fn dated(settings: Value, names: &[&str]) -> Value {
    let dated_field = |(name, value): (String, Value)| match value.as_i64().filter(|_| names.contains(&name.as_str())) {
        Some(at) => (name, json!(instant::to_text(at))),
        None => (name, dated(value, names)),
    };
    match settings {
        Value::Object(fields) => Value::Object(fields.into_iter().map(dated_field).collect()),
        Value::Array(entries) => entries.into_iter().map(|entry| dated(entry, names)).collect(),
        other => other,
    }
}

fn flatten(name: String, value: &Value, into: &mut BTreeMap<String, String>) {
    match value {
        Value::Object(fields) => {
            for (field, value) in fields {
                let name = if name.is_empty() { field.clone() } else { format!("{name}.{field}") };
                flatten(name, value, into);
            }
        }
        Value::String(text) => drop(into.insert(name, text.clone())),
        other => drop(into.insert(name, other.to_string())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::BUILT_IN;

    fn folder(files: &[(&str, &str)]) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        for (name, text) in files {
            fs::write(folder.path().join(name), text).unwrap();
        }
        folder
    }

    #[test]
    fn every_mistake_is_named_at_once() {
        assert_eq!(faults(folder(&BUILT_IN).path()).len(), 0);
        let wrong = folder(&[
            ("rules.toml", "[account]\nedgy = { on = true, weight = 1 }\nloopy = { on = true, weight = 1 }"),
            ("weights.toml", "[track]\nheard = 3"),
            ("disclosure.toml", "required_from = 3"),
            ("tests.toml", "[[verdict]]\nname = 'x'"),
            ("extra.toml", ""),
        ]);
        let texts: Vec<String> = faults(wrong.path()).iter().map(ToString::to_string).collect();
        let words = [
            "extra.toml",
            "policy.toml",
            "weights.toml",
            "account.edgy",
            "account.loopy",
            "disclosure.toml",
            "tests.toml",
        ];
        for word in words {
            assert!(texts.iter().any(|text| text.contains(word)), "{word}: {texts:#?}");
        }
        assert_eq!(texts.len(), 7, "{texts:#?}");
        assert_eq!(faults(&wrong.path().join("nowhere")).len(), 1);
    }

    #[test]
    fn every_section_has_its_own_mistakes() {
        let wrong = folder(&[
            ("policy.toml", "version = \"x\""),
            ("rules.toml", "[account]\nedge = { on = true, weight = 101 }\n\n[track]\nedge = { on = 3, weight = 1 }"),
            ("thresholds.toml", "[tier.a]\nhold = 1\n[tier.b]\nhold = 200\n"),
        ]);
        let texts: Vec<String> = faults(wrong.path()).iter().map(ToString::to_string).collect();
        for (file, line) in [("rules.toml", 2), ("rules.toml", 5), ("thresholds.toml", 1), ("thresholds.toml", 4)] {
            let is_it = |text: &&String| text.contains(file) && text.contains(&format!("line {line}"));
            assert!(texts.iter().any(|text| is_it(&text)), "{file}, line {line}: {texts:#?}");
        }
        assert_eq!(texts.len(), 4, "{texts:#?}");
    }

    #[test]
    fn instants_are_shown_as_people_write_them() {
        let entries =
            json!({"asked_from": 0, "trusted": {"tracks": [{"id": "t", "until": 86_400_000}, {"until": null}]}});
        let shown = dated(entries, &["asked_from", "until"]);
        assert_eq!(shown["asked_from"], "1970-01-01T00:00:00Z");
        assert_eq!(shown["trusted"]["tracks"], json!([{"id": "t", "until": "1970-01-02T00:00:00Z"}, {"until": null}]));
    }

    #[test]
    fn settings_have_names() {
        let flat = settings(None).unwrap();
        assert_eq!(flat["rules.account.edge.weight"], "65");
        assert_eq!(flat["thresholds.tier.major.hold"], "50");
        assert_eq!(flat["disclosure.required_from"], "2026-01-01T00:00:00Z");
        let strict = folder(&[
            ("policy.toml", "version = \"strict\""),
            ("rules.toml", "[account]\nedge = { on = true, weight = 66 }"),
        ]);
        let other = settings(Some(strict.path())).unwrap();
        let differ: Vec<&String> = flat.keys().filter(|name| flat[*name] != other[*name]).collect();
        assert_eq!(differ, ["rules.account.edge.weight", "version"]);
        let steps = "hold = 30\nescalate = 50\nblock = 80\nescalate_signals = 2\nblock_signals = 3";
        let local = folder(&[
            ("policy.toml", "version = \"local\""),
            ("thresholds.toml", &format!("[territory.DE.account]\n{steps}")),
        ]);
        assert_eq!(settings(Some(local.path())).unwrap()["thresholds.territory.DE.account.hold"], "30");
    }
}
