//! Keeps what each content is heard to be: of all that listened to it, the one that is surest that something is wrong.
//!
//! ```text
//! findings ──▶ in force by content and source ──▶ the gravest opinion of each content, where that changed
//! ```

use std::cmp::Reverse;

use hashbrown::{HashMap, HashSet};
use records::Key;

use super::{Finding, Opinion, Update};
use crate::clock::Tick;
use crate::keep::Keep;

/// What is in force about one content.
#[derive(Default)]
struct Content {
    opinions: HashMap<u32, Opinion>,
    said: Option<Opinion>,
}

impl Content {
    /// Detectors that find the same fault are no two faults, so they do not add up.
    fn gravest(&self) -> Option<Opinion> {
        self.opinions.values().copied().max_by_key(|opinion| (opinion.risk, Reverse(opinion.words)))
    }
}

/// The contents of one worker.
#[derive(Default)]
pub(super) struct Contents {
    contents: HashMap<Key, Content>,
    touched: HashSet<Key>,
}

impl Keep for Contents {
    type In = (Key, Finding);
    type Out = Update<(Key, Opinion)>;

    fn take(&mut self, _tick: Tick, (key, finding): (Key, Finding), _out: &mut Vec<Self::Out>) {
        let opinions = &mut self.contents.entry(key).or_default().opinions;
        match finding.says {
            Some(opinion) => _ = opinions.insert(finding.source, opinion),
            None => _ = opinions.remove(&finding.source),
        }
        self.touched.insert(key);
    }

    fn close(&mut self, tick: Tick, out: &mut Vec<Self::Out>) {
        for key in self.touched.drain() {
            let Some(content) = self.contents.get_mut(&key) else { continue };
            let gravest = content.gravest();
            if gravest != content.said {
                out.extend(content.said.map(|old| ((key, old), tick, -1)));
                out.extend(gravest.map(|new| ((key, new), tick, 1)));
                content.said = gravest;
            }
            if content.opinions.is_empty() {
                self.contents.remove(&key);
            }
        }
    }
}
