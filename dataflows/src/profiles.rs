//! Keeps the feature row of every account current.
//!
//! ```text
//! dossiers ──▶ Profiles ──▶ (account, features), where they changed
//! ```

use features::profile::{Profile, of_account};
use hashbrown::HashMap;
use records::{Key, Millis};

use crate::clock::Tick;
use crate::dossiers::{AccountNews, Dossiers};
use crate::keep::Keep;

/// The features of an account as of now; `None` when it has no play in the longest window (any more).
pub type ProfileChange = (Key, Option<Profile>);

/// The accounts of one worker.
pub(crate) struct Profiles {
    dossiers: Dossiers,
    said: HashMap<Key, Profile>,
}

impl Profiles {
    /// Reads the windows at these places, shortest first.
    pub fn new(windows: Vec<(u8, Millis)>) -> Profiles {
        Profiles { dossiers: Dossiers::new(windows), said: HashMap::new() }
    }
}

impl Keep for Profiles {
    type In = AccountNews;
    type Out = ProfileChange;

    fn take(&mut self, _tick: Tick, news: AccountNews, _out: &mut Vec<ProfileChange>) {
        self.dossiers.take(news);
    }

    fn close(&mut self, _tick: Tick, out: &mut Vec<ProfileChange>) {
        let Profiles { dossiers, said } = self;
        dossiers.close(|account, plays, facts, _network| {
            let now = (plays > 0).then(|| of_account(facts));
            if said.get(&account) != now.as_ref() {
                match now.clone() {
                    Some(profile) => _ = said.insert(account, profile),
                    None => _ = said.remove(&account),
                }
                out.push((account, now));
            }
        });
    }
}
