//! Whose a release and its tracks are: who delivered them first, until that one's last word about them has them forgotten.
//!
//! ```text
//! messages by receipt ──▶ about which releases and tracks ──┬──▶ held by another: foreign
//!                                                           └──▶ the sender's: from when on it may speak of them
//! ```
//!
//! What a sender says of time gives it nothing of another's: else whoever knows a barcode could send a message dated before the owner's, and take a
//! release over with what it earns. Among one sender's own words it decides which stands, as in the catalogue: a purge or an old version that comes
//! late, and was made before what came already, gives nothing away.

use std::collections::{BTreeSet, HashMap};

use records::Millis;

/// Who has a release or a track.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Tenure {
    owner: Option<String>,
    /// From when on the owner may speak of it: after the last word of who had it before, or ever.
    since: Millis,
    /// Releases of the owner that it was ever on; of a release itself.
    on: BTreeSet<String>,
}

/// What a sender says of a release in the word that comes into force last.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Word {
    at: Millis,
    message_id: String,
    /// The release's tracks; of a purge nothing.
    tracks: Option<BTreeSet<String>>,
}

/// What a message is about, in the words of the catalogue.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct About {
    /// Who sent it.
    pub(super) sender: Option<String>,
    /// When it would come into force if nobody had had any of it before.
    pub(super) at: Millis,
    /// What puts it in order among the sender's messages of one instant.
    pub(super) message_id: String,
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
    /// What stands of each release, by sender.
    words: HashMap<String, HashMap<Option<String>, Word>>,
}

impl Owners {
    /// Takes the next message by receipt: from when on its sender may speak of what it is about.
    ///
    /// # Errors
    /// Why it is not the sender's to send; then nothing changes.
    pub(super) fn take(&mut self, about: &About) -> Result<Millis, String> {
        let since = self.may_speak(about)?;
        let at = about.at.max(since);
        for release in &about.releases {
            if !about.is_purge {
                self.claim(release, about);
            }
            let tracks = (!about.is_purge).then(|| about.tracks.iter().cloned().collect());
            let word = Word { at, message_id: about.message_id.clone(), tracks };
            let words = self.words.entry(release.clone()).or_default();
            let stands = words.get(&about.sender);
            if stands.is_none_or(|stands| (stands.at, &stands.message_id) <= (word.at, &word.message_id)) {
                words.insert(about.sender.clone(), word);
            }
        }
        Ok(since)
    }

    fn may_speak(&self, about: &About) -> Result<Millis, String> {
        let releases = about.releases.iter().map(|id| ("release", id, self.releases.get(id)));
        let tracks = about.tracks.iter().map(|id| ("track", id, self.tracks.get(id)));
        let mut since = Millis::MIN;
        for (what, id, tenure) in releases.chain(tracks) {
            let Some(tenure) = tenure else { continue };
            let is_theirs = tenure.owner == about.sender;
            let track = (what == "track").then_some(id);
            if !is_theirs && self.is_held(tenure, track) {
                let name = |sender: &Option<String>| sender.clone().unwrap_or_else(|| "nobody".to_owned());
                let (owner, sender) = (name(&tenure.owner), name(&about.sender));
                return Err(format!("{what} {id} was delivered by {owner}, who has not purged it; found {sender}"));
            }
            since = since.max(if is_theirs { tenure.since } else { self.last(tenure) + 1 });
        }
        Ok(since)
    }

    /// The release and its tracks are the sender's; it was found that they may be.
    fn claim(&mut self, release: &str, about: &About) {
        let tenure = |known: Option<&Tenure>| {
            let same = known.filter(|known| known.owner == about.sender);
            let mut tenure = same.cloned().unwrap_or_else(|| Tenure {
                owner: about.sender.clone(),
                since: known.map_or(Millis::MIN, |known| self.last(known) + 1),
                on: BTreeSet::new(),
            });
            tenure.on.insert(release.to_owned());
            tenure
        };
        let of_release = tenure(self.releases.get(release));
        let of_tracks: Vec<Tenure> = about.tracks.iter().map(|track| tenure(self.tracks.get(track))).collect();
        self.releases.insert(release.to_owned(), of_release);
        self.tracks.extend(about.tracks.iter().cloned().zip(of_tracks));
    }

    /// What stands of the releases that it was ever on.
    fn words<'a>(&'a self, tenure: &'a Tenure) -> impl Iterator<Item = &'a Word> {
        tenure.on.iter().filter_map(|release| self.words.get(release)?.get(&tenure.owner))
    }

    /// Whether the owner still holds the release, or this track of one.
    fn is_held(&self, tenure: &Tenure, track: Option<&String>) -> bool {
        let holds = |tracks: &BTreeSet<String>| track.is_none_or(|track| tracks.contains(track));
        self.words(tenure).any(|word| word.tracks.as_ref().is_some_and(holds))
    }

    /// When the owner's last word about it, or about what it was on, comes into force.
    fn last(&self, tenure: &Tenure) -> Millis {
        self.words(tenure).map(|word| word.at).max().unwrap_or(Millis::MIN)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn about(sender: &str, at: Millis, release: &str, tracks: &[&str]) -> About {
        let tracks = tracks.iter().map(|track| (*track).to_owned()).collect();
        let (sender, releases) = (Some(sender.to_owned()), vec![release.to_owned()]);
        About { sender, at, message_id: format!("{at:03}"), releases, tracks, is_purge: false }
    }

    fn purge(sender: &str, at: Millis, release: &str) -> About {
        About { is_purge: true, ..about(sender, at, release, &[]) }
    }

    #[test]
    fn a_release_and_its_tracks_are_whose_message_came_first_until_they_are_purged() {
        let mut owners = Owners::default();
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

    #[test]
    fn a_purge_or_an_old_version_that_comes_late_gives_nothing_away() {
        let mut owners = Owners::default();
        for (about, is_theirs) in [
            (about("a", 5, "r", &["t"]), true),
            (about("a", 10, "r", &["t", "u"]), true),
            (purge("a", 9, "r"), true),
            (about("a", 7, "r", &[]), true),
            (about("b", 12, "r", &[]), false),
            (about("b", 12, "q", &["u"]), false),
            (purge("a", 11, "r"), true),
            (about("b", 12, "r", &["u"]), true),
        ] {
            assert_eq!(owners.take(&about).is_ok(), is_theirs, "{about:?}");
        }
        // A purge that comes before what it purges is in force all the same.
        let mut owners = Owners::default();
        assert_eq!(owners.take(&purge("a", 9, "r")), Ok(Millis::MIN));
        assert_eq!(owners.take(&about("a", 5, "r", &["t"])), Ok(Millis::MIN));
        assert_eq!(owners.take(&about("b", 7, "r", &["t"])), Ok(10));
        // One of what nobody has is no claim to it.
        let mut owners = Owners::default();
        assert_eq!(owners.take(&purge("b", 9, "r")), Ok(Millis::MIN));
        assert_eq!(owners.take(&about("a", 5, "r", &["t"])), Ok(Millis::MIN));
    }

    /// A release or a track.
    #[derive(Clone, Copy)]
    enum Thing<'a> {
        Release(&'a str),
        Track(&'a str),
    }

    impl Thing<'_> {
        fn is_of(self, about: &About) -> bool {
            match self {
                Thing::Release(id) => about.releases.iter().any(|release| release == id),
                Thing::Track(id) => about.tracks.iter().any(|track| track == id),
            }
        }
    }

    /// Who has it, since when, until when so far, and whether still: by looking through all that was accepted, in the order of receipt.
    fn tenure(said: &[About], thing: Thing) -> Option<(Option<String>, Millis, Millis, bool)> {
        let of_it = |about: &About| !about.is_purge && thing.is_of(about);
        let owner = &said.iter().rfind(|about| of_it(about))?.sender;
        let other = said.iter().rposition(|about| of_it(about) && about.sender != *owner);
        let theirs = &said[other.map_or(0, |other| other + 1)..];
        let since = other.and_then(|other| {
            let next = theirs.iter().position(of_it)? + other + 1;
            tenure(&said[..next], thing).map(|(_, _, last, _)| last + 1)
        });
        let on = theirs.iter().filter(|about| of_it(about)).flat_map(|about| &about.releases);
        let stands = on.filter_map(|release| {
            let of_release = said.iter().filter(|about| about.sender == *owner && about.releases.contains(release));
            of_release.max_by_key(|about| (about.at, &about.message_id))
        });
        let stands: Vec<&About> = stands.collect();
        let last = stands.iter().map(|about| about.at).max()?;
        Some((owner.clone(), since.unwrap_or(Millis::MIN), last, stands.into_iter().any(of_it)))
    }

    fn take_slowly(said: &mut Vec<About>, about: &About) -> Option<Millis> {
        let releases = about.releases.iter().map(|id| Thing::Release(id));
        let things = releases.chain(about.tracks.iter().map(|id| Thing::Track(id)));
        let mut all = Millis::MIN;
        for (owner, since, last, is_held) in things.filter_map(|thing| tenure(said, thing)) {
            match owner == about.sender {
                true => all = all.max(since),
                false if is_held => return None,
                false => all = all.max(last + 1),
            }
        }
        said.push(About { at: about.at.max(all), ..about.clone() });
        Some(all)
    }

    /// A number that looks random, always the same for the same two (Steele, Lea and Flood: SplitMix64).
    fn mixed(seed: u64, number: u64) -> u64 {
        let mut z = seed.wrapping_add(number.wrapping_mul(0x9E37_79B9_7F4A_7C15));
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    /// Few senders, releases and tracks, so that they meet; said in any order of time.
    fn message(seed: u64, number: u64) -> About {
        let dice = |what: u64| mixed(seed, number * 16 + what);
        let sender = ["a", "b", "c"][dice(0) as usize % 3];
        let release = ["r", "s"][dice(1) as usize % 2];
        let tracks: Vec<&str> =
            ["t", "u", "v"].into_iter().zip(2..).filter(|(_, n)| dice(*n) % 3 == 0).map(|(t, _)| t).collect();
        let mut about = about(sender, (dice(5) % 40) as Millis, release, &tracks);
        about.message_id = format!("{}", dice(6) % 1_000);
        if dice(7).is_multiple_of(3) {
            about = About { tracks: Vec::new(), is_purge: true, ..about };
            if dice(8).is_multiple_of(4) {
                about.releases = vec!["r".to_owned(), "s".to_owned()];
            }
        }
        about
    }

    #[test]
    fn whose_things_are_is_what_looking_through_all_words_says_and_nobody_speaks_into_anothers_time() {
        let (mut taken, mut foreign) = (0, 0);
        for seed in 0..3_000 {
            let (mut owners, mut said) = (Owners::default(), Vec::new());
            for number in 0..24 {
                let about = message(seed, number);
                let slowly = take_slowly(&mut said, &about);
                let fast = owners.take(&about);
                assert_eq!(fast.as_ref().ok(), slowly.as_ref(), "seed {seed}, message {number}: {about:?} {fast:?}");
                *if fast.is_ok() { &mut taken } else { &mut foreign } += 1;
            }
            // As the catalogue applies them: by time. What somebody has then, nobody else delivers.
            said.sort_by(|a, b| (a.at, &a.message_id).cmp(&(b.at, &b.message_id)));
            let mut held: HashMap<String, &About> = HashMap::new();
            for about in &said {
                for release in &about.releases {
                    let known = held.get(release).filter(|known| known.sender != about.sender);
                    match (known, about.is_purge) {
                        // Who purges what is not theirs purges nothing.
                        (Some(_), true) => {}
                        (None, true) => drop(held.remove(release)),
                        (Some(known), false) => panic!("seed {seed}: {known:?} is spoken over by {about:?}"),
                        (None, false) => drop(held.insert(release.clone(), about)),
                    }
                }
                let others = held.values().filter(|known| known.sender != about.sender);
                let both = others.flat_map(|known| &known.tracks).find(|track| about.tracks.contains(track));
                assert_eq!(both, None, "seed {seed}: {about:?}");
            }
        }
        assert!(taken > 10_000 && foreign > 10_000, "{taken} taken, {foreign} foreign");
    }
}
