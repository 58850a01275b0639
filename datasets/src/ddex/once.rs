//! What the standard lets a message say once, and what becomes of it where it is said more often.
//!
//! ```text
//! element ──▶ all of one name that it holds ──┬──▶ equal: the first counts, once
//!                                             └──▶ contradictory: none counts, and where silence would be a word, that is kept in mind
//! ```
//!
//! Of two readers one takes the first word and one the last. So a message that says both says nothing that anybody may rely on.

use std::collections::BTreeMap;

use super::message::{Repeated, by_territory, editions};
use super::xml::Element;

/// Elements of which a part of a message has one: who declares what, and by what it is known.
const ONCE: [&str; 24] = [
    "ContainsAI",
    "AiContribution",
    "SpecialContributor",
    "HasVocalPerformance",
    "HasForegroundVocalPerformance",
    "IsInstrumental",
    "Duration",
    "ISRC",
    "ICPN",
    "GRid",
    "ResourceReference",
    "ReleaseReference",
    "PartyReference",
    "ContributorPartyReference",
    "MessageId",
    "MessageSender",
    "SentOnBehalfOf",
    "MessageCreatedDateTime",
    "MessageControlType",
    "TakeDown",
    "StartDateTime",
    "StartDate",
    "EndDateTime",
    "EndDate",
];

/// Elements of which a contradiction is not like silence: silent, a deal would last for ever, and a test be in force.
const NOT_SILENT: [&str; 6] =
    ["MessageControlType", "TakeDown", "StartDateTime", "StartDate", "EndDateTime", "EndDate"];

/// Elements that only say by what the one around them is known.
const IDS: [&str; 6] = ["ResourceId", "SoundRecordingId", "VideoId", "ImageId", "TextId", "ReleaseId"];

/// Repeated elements of a message that are told; there may be a million.
const REPEATED_MAX: usize = 1_000;

/// Leaves of everything that may be said once what counts.
pub(super) fn settle(element: &mut Element, repeated: &mut Vec<Repeated>) {
    element.children.iter_mut().for_each(|child| settle(child, repeated));
    let mut said: BTreeMap<&'static str, Vec<&Element>> = BTreeMap::new();
    gather(element, &mut said);
    let mut of_none = Vec::new();
    let mut again = Vec::new();
    for (name, all) in said.into_iter().filter(|(_, all)| all.len() > 1) {
        let is_contradictory = !all[1..].iter().all(|one| says_as(one, all[0]));
        if is_contradictory {
            of_none.push(name)
        } else {
            again.push(name)
        }
        let at = all[1].place();
        // What was told of a part is not told again of the whole.
        if repeated.len() < REPEATED_MAX && !repeated.iter().any(|told| (told.element, told.at) == (name, at)) {
            repeated.push(Repeated { element: name, within: element.name.clone(), is_contradictory, at });
        }
    }
    if !of_none.is_empty() {
        remove(element, &of_none);
    }
    if !again.is_empty() {
        let mut first: Vec<String> = Vec::new();
        element.children.retain(|child| {
            let is_again = again.contains(&child.name.as_str());
            let is_first = !first.contains(&child.name);
            if is_again && is_first {
                first.push(child.name.clone());
            }
            !is_again || is_first
        });
    }
}

/// What the element says, itself and in the parts that speak about all of it: its ids, the edition and the territory that are read.
fn gather<'a>(element: &'a Element, said: &mut BTreeMap<&'static str, Vec<&'a Element>>) {
    for child in &element.children {
        if let Some(name) = ONCE.iter().find(|name| **name == child.name) {
            said.entry(*name).or_default().push(child);
        }
    }
    let ids = element.children.iter().filter(|child| IDS.contains(&child.name.as_str()));
    for part in ids.chain(editions(element).next()).chain(by_territory(element)) {
        gather(part, said);
    }
}

fn remove(element: &mut Element, names: &[&str]) {
    element.children.retain(|child| {
        let name = child.name.as_str();
        !names.contains(&name) || NOT_SILENT.contains(&name)
    });
    for child in element.children.iter_mut().filter(|child| names.contains(&child.name.as_str())) {
        let (name, at) = (std::mem::take(&mut child.name), child.at);
        *child = Element { name, at, is_contradictory: true, ..Element::default() };
    }
    for child in &mut element.children {
        let is_part = child.name.ends_with("Edition") || child.name.ends_with("DetailsByTerritory");
        if is_part || IDS.contains(&child.name.as_str()) {
            remove(child, names);
        }
    }
}

fn says_as(one: &Element, other: &Element) -> bool {
    match one.name.as_str() {
        "ISRC" | "ICPN" | "GRid" => one.text == other.text,
        _ => one.says_as(other),
    }
}
