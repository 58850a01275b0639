//! What people hold to be true of somebody, where more than one of them said something.
//!
//! ```text
//! labels ──the latest word, of one instant the gravest──▶ one word about each subject
//! ```

use std::collections::HashMap;
use std::collections::hash_map::Entry;

use datasets::tables::Inputs;
use datasets::tables::read::{IdKinds, read_all};
use records::{Label, LabelKind};

use crate::exit::Failure;

/// The word that counts, by kind and id of the subject.
pub(crate) type Labels = HashMap<(String, String), LabelKind>;

/// What the labels of the inputs say; nothing where there are none.
///
/// # Errors
/// When a file cannot be read.
pub(crate) fn labels(inputs: &Inputs, kinds: &IdKinds) -> Result<Labels, Failure> {
    let mut words: HashMap<(String, String), Label> = HashMap::new();
    let hear = |label: Label| heard(&mut words, (label.subject.clone(), label.subject_id.to_string()), label);
    read_all(&inputs.labels, kinds, hear, &mut Vec::new()).map_err(|error| Failure::Input(error.to_string()))?;
    Ok(words.into_iter().map(|(who, label)| (who, label.label)).collect())
}

/// Keeps of all words about somebody the one that counts.
pub(crate) fn heard<W: Eq + std::hash::Hash>(words: &mut HashMap<W, Label>, about: W, label: Label) {
    match words.entry(about) {
        Entry::Occupied(mut known) if label.outweighs(known.get()) => _ = known.insert(label),
        Entry::Occupied(_) => {}
        Entry::Vacant(place) => _ = place.insert(label),
    }
}
