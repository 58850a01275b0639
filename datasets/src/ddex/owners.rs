//! Whose a release and its tracks are: who delivered them first, until that one has them forgotten.
//!
//! ```text
//! messages by receipt ──▶ about which releases and tracks ──┬──▶ held by another: foreign
//!                                                           └──▶ the sender's: from when on it may speak of them
//! ```
//!
//! What a sender says of time decides nothing here: else whoever knows a barcode could send a message dated before the owner's, and take a release over
//! with what it earns.

use std::collections::HashMap;

use records::Millis;

/// Who has a release or a track.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Tenure {
    owner: Option<String>,
    /// From when on the owner may speak of it: after the last word of who had it before, or ever.
    since: Millis,
    /// The owner's last word about it.
    last: Millis,
    /// Releases of the owner that hold it and are not purged; of a release itself 1, or 0 once it is purged.
    held: u32,
}

/// What a message is about, in the words of the catalogue.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct About {
    /// Who sent it.
    pub(super) sender: Option<String>,
    /// When it would come into force if nobody had had any of it before.
    pub(super) at: Millis,
    /// Its release; of a purge each one.
    pub(super) releases: Vec<String>,
    /// The release's tracks; of a purge none.
    pub(super) tracks: Vec<String>,
    pub(super) is_purge: bool,
}

/// Everybody's releases and tracks, as far as messages were received.
#[derive(Debug, Default)]
pub(super) struct Owners {
    releases: HashMap<String, Tenure>,
    tracks: HashMap<String, Tenure>,
    /// The tracks of each release that is not purged.
    held: HashMap<String, Vec<String>>,
}

impl Owners {
    /// Takes the next message by receipt: from when on its sender may speak of what it is about.
    ///
    /// # Errors
    /// Why it is not the sender's to send; then nothing changes.
    pub(super) fn take(&mut self, about: &About) -> Result<Millis, String> {
        let things = [("release", &self.releases, &about.releases), ("track", &self.tracks, &about.tracks)];
        let mut since = Millis::MIN;
        for (what, tenures, ids) in things {
            for id in ids {
                let Some(tenure) = tenures.get(id) else { continue };
                let is_theirs = tenure.owner == about.sender;
                if !is_theirs && tenure.held > 0 {
                    let name = |sender: &Option<String>| sender.clone().unwrap_or_else(|| "nobody".to_owned());
                    let (owner, sender) = (name(&tenure.owner), name(&about.sender));
                    return Err(format!("{what} {id} was delivered by {owner}, who has not purged it; found {sender}"));
                }
                since = since.max(if is_theirs { tenure.since } else { tenure.last + 1 });
            }
        }
        let at = about.at.max(since);
        about.releases.iter().for_each(|release| self.release(release, at));
        if !about.is_purge {
            let word = Tenure { owner: about.sender.clone(), since: Millis::MIN, last: at, held: 0 };
            for release in &about.releases {
                claim(&mut self.releases, release, &word);
                about.tracks.iter().for_each(|track| claim(&mut self.tracks, track, &word));
                self.held.insert(release.clone(), about.tracks.clone());
            }
        }
        Ok(since)
    }

    /// Nobody holds the release and what was on it, as far as it is on no other one.
    fn release(&mut self, release: &str, at: Millis) {
        let Some(tracks) = self.held.remove(release) else { return };
        let end = |tenure: &mut Tenure| {
            tenure.held -= 1;
            tenure.last = tenure.last.max(at);
        };
        for track in tracks {
            self.tracks.get_mut(&track).into_iter().for_each(end);
        }
        self.releases.get_mut(release).into_iter().for_each(end);
    }
}

/// The sender has it, and this is the last word about it.
fn claim(tenures: &mut HashMap<String, Tenure>, id: &str, word: &Tenure) {
    let tenure = tenures.entry(id.to_owned()).or_insert_with(|| word.clone());
    if tenure.owner != word.owner {
        *tenure = Tenure { since: tenure.last + 1, ..word.clone() };
    }
    tenure.last = tenure.last.max(word.last);
    tenure.held += 1;
}

#[cfg(test)]
mod tests {
    use super::*;

    fn about(sender: &str, at: Millis, release: &str, tracks: &[&str]) -> About {
        let tracks = tracks.iter().map(|track| (*track).to_owned()).collect();
        About { sender: Some(sender.to_owned()), at, releases: vec![release.to_owned()], tracks, is_purge: false }
    }

    #[test]
    fn a_release_and_its_tracks_are_whose_message_came_first_until_they_are_purged() {
        let mut owners = Owners::default();
        let purge = |sender, at, release| About { is_purge: true, ..about(sender, at, release, &[]) };
        assert_eq!(owners.take(&about("a", 1, "r", &["t", "u"])), Ok(Millis::MIN));
        assert_eq!(owners.take(&about("a", 2, "s", &["t"])), Ok(Millis::MIN));
        let told = owners.take(&about("b", 3, "r", &[])).expect_err("it is another's");
        assert_eq!(told, "release r was delivered by a, who has not purged it; found b");
        assert!(owners.take(&about("b", 3, "q", &["t"])).expect_err("a track, too").contains("track t"));
        assert!(owners.take(&purge("b", 4, "r")).is_err());
        assert_eq!(owners.take(&purge("a", 5, "r")), Ok(Millis::MIN));
        // One release of two still holds the track.
        assert!(owners.take(&about("b", 6, "q", &["t"])).is_err());
        // Whatever time it says: it had been another's until then.
        assert_eq!(owners.take(&about("b", 0, "q", &["u"])), Ok(6));
        assert_eq!(owners.take(&about("b", 8, "q", &["u"])), Ok(6));
        assert_eq!(owners.take(&purge("a", 9, "s")), Ok(Millis::MIN));
        assert_eq!(owners.take(&about("b", 10, "p", &["t"])), Ok(10));
        // What no update has any more is free for others, from then on.
        assert_eq!(owners.take(&about("b", 12, "q", &[])), Ok(Millis::MIN));
        assert_eq!(owners.take(&about("a", 11, "s", &["u"])), Ok(13));
    }
}
