//! Which other recording each recording sounds most like: evidence for whoever searches or reviews, and never a reason to suspect.
//!
//! ```text
//! timbre of each content (journal) ─┐
//! timbre of --index recordings ─────┴─▶ nearest by dot product ──▶ without what is the same recording ──▶ finding of `resemblance`
//! ```

use std::collections::BTreeMap;

use datasets::audio_index::{AudioIndex, Recording};
use features::sound::timbre::{self, DIMENSIONS, Timbre, Vector};
use kernels::{AudioKernels, Vectors};
use records::{Confidence, Id, Millis, Risk};
use serde_json::json;

use super::alike::Other;
use super::catalogue::Catalogue;
use super::character::Character;
use super::detectors::{Finding, confidence_of};
use super::impersonation::{rounded, share};
use super::jobs::{Costs, cpu_of_this_thread};
use super::journal::Journal;
use super::tables::Sound;
use crate::exit::Failure;

/// Who says it.
pub(super) const DETECTOR: &str = "resemblance";

/// So many neighbours are asked for: the first of them that is another recording is told. One that has more copies than that has none to tell.
const NEIGHBOURS: usize = 16;
/// Contents that are searched for at a time.
const QUERIES: usize = 256;

/// Per content the others that sound most like it, the most alike first.
pub(super) type Resemblances = BTreeMap<String, Vec<(Other, f64)>>;

/// Compares the contents, which are in order, with each other and with the recordings of the index.
pub(super) fn compare(
    contents: &[String],
    journal: &Journal,
    known: Option<&AudioIndex>,
    kernels: &dyn AudioKernels,
    costs: &mut Costs,
) -> Result<Resemblances, Failure> {
    let began = cpu_of_this_thread();
    let heard = contents.iter().filter_map(|content| {
        let timbre = journal.entry(content)?.character.timbre?;
        Some((Other::Heard(content.clone()), timbre))
    });
    let indexed = known.into_iter().flat_map(AudioIndex::recordings).filter_map(|recording| {
        let timbre = Character::from_index(&recording.vectors).timbre?;
        Some((Other::Known(recording.content_id.clone()), timbre))
    });
    let (others, timbres): (Vec<Other>, Vec<Timbre>) = heard.chain(indexed).unzip();
    let found = search(&others, &timbres, kernels).map_err(|error| Failure::Input(error.to_string()));
    costs.comparing += cpu_of_this_thread().saturating_sub(began);
    found
}

/// The voices of the recordings of the index, by what they are called there.
pub(super) fn voices(known: Option<&AudioIndex>) -> Vec<(String, Vector<DIMENSIONS>)> {
    let recordings = known.into_iter().flat_map(AudioIndex::recordings);
    let voice =
        |recording: &Recording| Some((recording.content_id.clone(), Character::from_index(&recording.vectors).voice?));
    recordings.filter_map(voice).collect()
}

fn search(
    others: &[Other],
    timbres: &[Timbre],
    kernels: &dyn AudioKernels,
) -> Result<Resemblances, kernels::KernelError> {
    let values: Vec<f32> = timbres.iter().flat_map(Timbre::unit).collect();
    let heard = others.iter().take_while(|other| matches!(other, Other::Heard(_))).count();
    let mut found = Resemblances::new();
    for (batch, queries) in values[..heard * DIMENSIONS].chunks(QUERIES * DIMENSIONS).enumerate() {
        let vectors = Vectors::new(&values, DIMENSIONS)?;
        for (query, near) in
            kernels.nearest_dot(vectors, Vectors::new(queries, DIMENSIONS)?, NEIGHBOURS)?.iter().enumerate()
        {
            let own = batch * QUERIES + query;
            let Other::Heard(content) = &others[own] else { continue };
            // Counted again in whole numbers: the same on every device.
            let told = |near: usize| (others[near].clone(), timbres[own].likeness(&timbres[near]));
            let near = near.iter().map(|near| near.index as usize).filter(|near| *near != own);
            let mut near: Vec<(Other, f64)> = near.map(told).collect();
            near.sort_by(|a, b| b.1.total_cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
            found.insert(content.clone(), near);
        }
    }
    Ok(found)
}

/// What the file sounds most like.
pub(super) fn finding(
    sound: &Sound<'_>,
    character: &Character,
    near: Option<&Near>,
    catalogue: &Catalogue,
) -> (Finding, Millis) {
    let finding = |confidence: Confidence, details: serde_json::Value| Finding {
        detector: DETECTOR.to_owned(),
        version: timbre::VERSION.to_owned(),
        risk: Risk::from_parts(0),
        confidence,
        details: details.to_string(),
    };
    if character.timbre.is_none() {
        return (finding(Confidence::NONE, json!({ "heard": false })), sound.known_at);
    }
    let heard = confidence_of(Character::heard_share(&sound.facts));
    let Some(near) = near else {
        return (finding(heard, json!({ "heard": true })), sound.known_at);
    };
    let chance = timbre::chance(near.likeness);
    let artist = catalogue.artist_of(&near.recording);
    let by = artist.as_ref().map_or_else(String::new, |artist| format!(" of {artist}"));
    let details = json!({
        "words": format!("sounds most like recording {}{by}: likeness {:.2}, as {} of unrelated pairs", near.recording, near.likeness, share(chance)),
        "recording": near.recording.to_string(),
        "artist": artist,
        "likeness": rounded(near.likeness),
        "chance": chance,
    });
    (finding(heard, details), near.known_at.map_or(sound.known_at, |known_at| known_at.max(sound.known_at)))
}

/// Another recording that sounds alike.
pub(super) struct Near {
    pub(super) recording: Id,
    pub(super) likeness: f64,
    /// Since when it is known; `None`: before the scan.
    pub(super) known_at: Option<Millis>,
}
