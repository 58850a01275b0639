//! Which of ours others have stopped, and through whom it came.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::fmt::Write as _;

use serde_json::json;

use super::clusters::Sources;
use super::sounds::{self, Sketches};
use super::tags::Tagger;
use super::{FindArgs, Kind, print, read};
use crate::exit::Failure;

/// What is found of one kind: ids of ours that a file names, and how many accounts or tracks by who brought them.
#[derive(Default)]
struct Seen {
    ids: BTreeSet<String>,
    by: BTreeMap<String, BTreeSet<String>>,
}

/// Runs `truestream exchange find`.
pub(super) fn find(args: &FindArgs) -> Result<(), Failure> {
    let tagger = Tagger::read(&args.key_file)?;
    let (head, clusters) = read(&args.file)?;
    if head.key_check != tagger.check() {
        return Err(Failure::Input(format!("{}: made under another key than --key-file", args.file.display())));
    }
    let mut tags: HashMap<Kind, HashSet<&String>> = HashMap::new();
    clusters.iter().for_each(|cluster| tags.entry(cluster.kind).or_default().extend(&cluster.tags));
    let sketches: Vec<&String> = tags.remove(&Kind::Sound).unwrap_or_default().into_iter().collect();
    let sketches = Sketches::of(sketches);
    let is_named = |kind: Kind, id: &str| tags.get(&kind).is_some_and(|tags| tags.contains(&tagger.tag(kind, id)));
    let sources = Sources::read(&args.data, args.evidence.as_deref())?;
    let mut seen: BTreeMap<Kind, Seen> = BTreeMap::new();
    // Each id is hashed once.
    let mut known: HashMap<String, bool> = HashMap::new();
    for kind in [Kind::Device, Kind::Payment] {
        known.clear();
        let found = seen.entry(kind).or_default();
        let hear = |account: String, id: String| {
            if *known.entry(id.clone()).or_insert_with(|| is_named(kind, &id)) {
                found.by.entry("accounts".to_owned()).or_default().insert(account);
                found.ids.insert(id);
            }
        };
        match kind {
            Kind::Device => sources.devices(hear)?,
            _ => sources.payments(hear)?,
        }
    }
    known.clear();
    for track in sources.tracks()? {
        for file in track.ids(Kind::Sound) {
            if !known.contains_key(file) {
                // Places that no figure of ours came to are equal to none of theirs.
                let sketch = sources.sketch(file, &tagger, "ours")?;
                let is_alike = sketch.is_some_and(|sketch| !sketches.alike(&sketch).is_empty());
                known.insert(file.to_owned(), is_alike);
            }
        }
        for kind in [Kind::File, Kind::Isrc, Kind::Sound] {
            for id in track.ids(kind) {
                let is_theirs = match kind {
                    Kind::Sound => known[id],
                    _ => is_named(kind, id),
                };
                if is_theirs {
                    let found = seen.entry(kind).or_default();
                    let through = match &track.distributor {
                        Some(distributor) => format!("tracks through distributor {distributor}"),
                        None => "tracks without distributor".to_owned(),
                    };
                    found.by.entry(through).or_default().insert(track.track.clone());
                    found.ids.insert(id.to_owned());
                }
            }
        }
    }
    if args.json {
        let of = |seen: &Seen| json!({"ids": seen.ids, "by": seen.by});
        let kinds: BTreeMap<&str, _> = seen.iter().map(|(kind, seen)| (kind.name(), of(seen))).collect();
        return print(&format!("{:#}", json!(kinds)));
    }
    let mut text = String::new();
    for (kind, Seen { ids, by }) in &seen {
        let told: Vec<String> = by.iter().map(|(who, what)| format!("{} {who}", what.len())).collect();
        let told = if told.is_empty() { "nobody here".to_owned() } else { told.join(", ") };
        let _ = writeln!(text, "{:<8} {} that they have stopped: {told}", kind.name(), ids.len());
    }
    if seen.contains_key(&Kind::Sound) {
        let _ = writeln!(text, "{}", sounds::in_words());
    }
    print(&text)
}
