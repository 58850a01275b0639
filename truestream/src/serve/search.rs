//! Whom somebody means by a part of an id or of a name.
//!
//! ```text
//! rows of the longest window ──▶ ids that are it, or have it in them ──┐
//! names of the catalogue ──────▶ tracks and artists called so ─────────┴──▶ each once
//! ```

use std::collections::BTreeSet;

use dataflows::habits::Habits;
use features::tally::Axis;
use records::{Id, Names, Subject};

use super::places::{Places, key_of};
use super::shelf::{Outline, Stated};
use super::urgency::id_of;
use crate::replay::views::{RowKey, View};

/// So many are found at most.
pub const FOUND_MAX: usize = 50;
/// So many ids of a kind are looked at: a page is to come in time.
const LOOKED_AT_MAX: usize = 500_000;
/// Shorter parts are in too many.
const LETTERS_MIN: usize = 2;

/// Somebody who was found; with a name, in small letters, where it is by that.
pub type Named = (Subject, String, Option<String>);

/// Whoever of these kinds has the part in its id or its name: whole ids first, at most one more than [`FOUND_MAX`]. `None` where the part is too
/// short.
pub fn search(
    outline: &Outline,
    stated: &Stated,
    places: &Places,
    kinds: &[Subject],
    part: &str,
) -> Option<Vec<Named>> {
    let mut found: Vec<Named> = Vec::new();
    let habits = places.habits();
    for kind in kinds {
        found.extend(whole(outline, &habits, *kind, part).map(|id| (*kind, id, None)));
    }
    if part.chars().count() < LETTERS_MIN {
        return (!found.is_empty()).then_some(found);
    }
    for (subject, key, name) in places.called(part, FOUND_MAX + 1) {
        if kinds.contains(&subject) {
            found.push((subject, outline.names.id(subject.space(), key).to_string(), Some(name)));
        }
    }
    for kind in kinds {
        if found.len() <= FOUND_MAX {
            found.extend(with(outline, stated, *kind, part).into_iter().map(|id| (*kind, id, None)));
        }
    }
    let mut seen = BTreeSet::new();
    found.retain(|(subject, id, _)| seen.insert((*subject, id.clone())));
    found.truncate(FOUND_MAX + 1);
    Some(found)
}

/// The one of exactly that id, where it has a play in the longest window.
fn whole(outline: &Outline, habits: &Habits, kind: Subject, id: &str) -> Option<String> {
    let own = id_of(outline.names.kind(kind.space()), id)?;
    habits.of(Axis::from(kind), key_of(&own)).map(|_| own.to_string())
}

/// Those whose id has it in it.
fn with(outline: &Outline, stated: &Stated, kind: Subject, part: &str) -> Vec<String> {
    let (mut found, mut looked_at) = (Vec::new(), 0);
    let mut rows = [outline.rows_of_longest()].into();
    stated.copy(View::Window(Axis::from(kind)), &mut rows, FOUND_MAX, |key, _| {
        looked_at += 1;
        let RowKey::Window(_, id) = key else { return false };
        let has = match id {
            Id::Text(text) => text.contains(part),
            Id::Number(number) => number.to_string().contains(part),
        };
        if has {
            found.push(id.to_string());
        }
        // Who is not looked at is taken, too, so that it ends.
        has || looked_at > LOOKED_AT_MAX
    });
    found
}
