//! Keeps whose track it is, what its release declares, what was heard of it and which thresholds apply to it.
//!
//! ```text
//! entries ──▶ in force ──┬──▶ owners of a track, tracks of an uploader and of an artist
//!                        ├──▶ what each track and all tracks of an owner declare
//!                        ├──▶ tracks of a distributor ⋈ its segment; the territory of each track
//!                        ├──▶ tracks of a content ⋈ what was heard of it
//!                        └──▶ tracks of a content ⋈ the recording that it is
//! ```

use differential_dataflow::AsCollection;
use differential_dataflow::operators::arrange::Arranged;
use differential_dataflow::operators::arrange::TraceAgent;
use differential_dataflow::trace::implementations::ValSpine;
use hashbrown::HashMap;
use records::{Key, Metadata, Subject};
use timely::dataflow::StreamVec;
use timely::dataflow::operators::Concat;
use timely::dataflow::operators::vec::Map;

use super::audience::AudienceNews;
use super::{Coll, Entry, Opinion, Release, Update, updates};
use crate::clock::Tick;
use crate::keep::{Keep, keep, mix};

pub(super) type ByKey<'scope, V> = Arranged<'scope, TraceAgent<ValSpine<Key, V, Tick, isize>>>;
/// What a track or an owner hears.
type News = ((Subject, Key), AudienceNews);

/// The catalogue as joins and judgements want it.
pub(super) struct Laws<'scope> {
    /// The owners of each track.
    pub owners: ByKey<'scope, (Subject, Key)>,
    /// The tracks of each uploader.
    pub uploaded: ByKey<'scope, Key>,
    /// The tracks of each artist.
    pub performed: ByKey<'scope, Key>,
    /// Each track with the recording that its content is, where those are told.
    pub copies: Coll<'scope, (Key, Key)>,
    /// What each track declares, what was heard of it, its segment and its territory.
    pub track_news: StreamVec<'scope, Tick, News>,
    /// What the tracks of each owner declare, what was heard of them, and a distributor's segment.
    pub owner_news: StreamVec<'scope, Tick, News>,
}

impl<'scope> Laws<'scope> {
    pub fn of(entries: StreamVec<'scope, Tick, Entry>, until: Tick) -> Laws<'scope> {
        let releases = entries.clone().flat_map(|entry| match entry {
            Entry::Release(track, release) => Some((track, release)),
            Entry::Segment(..) | Entry::Territory(..) => None,
            Entry::Heard(..) | Entry::Recording(..) | Entry::Ruling(..) | Entry::Told(..) => None,
        });
        let segments = entries.clone().flat_map(|entry| match entry {
            Entry::Segment(distributor, segment) => Some((distributor, segment)),
            Entry::Release(..) | Entry::Territory(..) => None,
            Entry::Heard(..) | Entry::Recording(..) | Entry::Ruling(..) | Entry::Told(..) => None,
        });
        let recordings = entries.clone().flat_map(|entry| match entry {
            Entry::Recording(content, recording) => Some((content, recording)),
            Entry::Release(..) | Entry::Segment(..) | Entry::Territory(..) => None,
            Entry::Heard(..) | Entry::Ruling(..) | Entry::Told(..) => None,
        });
        let heard = entries.flat_map(|entry| match entry {
            Entry::Heard(content, opinion) => Some((content, opinion)),
            Entry::Release(..) | Entry::Segment(..) | Entry::Territory(..) => None,
            Entry::Recording(..) | Entry::Ruling(..) | Entry::Told(..) => None,
        });
        let route = |entry: &(Key, Release)| mix(entry.0.0);
        let releases: Coll<(Key, Release)> =
            keep(releases, "Releases", route, until, InForce::default()).as_collection();
        let route = |entry: &(Key, u16)| mix(entry.0.0);
        let segments: Coll<(Key, u16)> = keep(segments, "Segments", route, until, InForce::default()).as_collection();
        // The default segment needs no telling.
        let segments = segments.filter(|(_, segment)| *segment != 0);

        let owners = releases.clone().flat_map(|(track, release)| release.owners().map(move |owner| (track, owner)));
        let of_uploader = |(track, release): (Key, Release)| (release.uploader, track);
        let of_artist = |(track, release): (Key, Release)| (release.artist, track);
        let of_distributor = |(track, release): (Key, Release)| (release.distributor, track);
        let delivered = releases.clone().map(of_distributor).filter(|(distributor, _)| distributor.is_some());
        let track_segments = delivered
            .arrange_by_key_named("Delivered")
            .join_core(segments.clone().arrange_by_key_named("Segments"), |_, track, segment| Some((*track, *segment)));

        // Only what somebody listened to has a content here.
        let recorded = releases.clone().filter(|(_, release)| release.content.is_some());
        let recorded = recorded.map(|(track, release)| (release.content, (track, release)));
        let route = |heard: &(Key, Option<Opinion>)| mix(heard.0.0);
        let opinions: Coll<(Key, Option<Opinion>)> =
            keep(heard, "Heard", route, until, InForce::default()).as_collection();
        let opinions = opinions.flat_map(|(content, opinion)| opinion.map(|opinion| (content, opinion)));
        let recorded = recorded.arrange_by_key_named("TracksOfContent");
        let route = |told: &(Key, Key)| mix(told.0.0);
        let recordings: Coll<(Key, Key)> =
            keep(recordings, "Recordings", route, until, InForce::default()).as_collection();
        let copies = recorded
            .clone()
            .join_core(recordings.arrange_by_key_named("RecordingOfContent"), |_, (track, _), recording| {
                Some((*track, *recording))
            });
        let heard = recorded.join_core(opinions.arrange_by_key_named("Opinions"), |_, (track, release), opinion| {
            Some((*track, *release, *opinion))
        });
        let heard_of = |subject, opinion, diff: isize| (subject, AudienceNews::Heard(opinion, diff as i64));
        let heard_by_track =
            updates(heard.clone(), move |(track, _, opinion), diff| heard_of((Subject::Track, track), opinion, diff));
        let heard_by_owner = updates(heard, |(_, release, opinion), diff| (release, opinion, diff)).flat_map(
            move |(release, opinion, diff)| release.owners().map(move |owner| heard_of(owner, opinion, diff)),
        );

        let declared = |subject: (Subject, Key), metadata: Metadata, diff: isize| {
            (subject, AudienceNews::Declared(metadata, diff as i64))
        };
        let by_track = updates(releases.clone(), move |(track, release), diff| {
            declared((Subject::Track, track), release.metadata, diff)
        });
        let by_owner =
            updates(releases.clone(), |(_, release), diff| (release, diff)).flat_map(move |(release, diff)| {
                release.owners().map(move |owner| declared(owner, release.metadata, diff))
            });
        // Where no policy names a territory, nobody has one.
        let at_home = releases.clone().filter(|(_, release)| release.territory != 0);
        let territories = updates(at_home, |(track, release), diff| {
            ((Subject::Track, track), AudienceNews::Territory(release.territory, diff as i64))
        });
        let segment_of = |subject: Subject| {
            move |(key, segment): (Key, u16), diff: isize| ((subject, key), AudienceNews::Segment(segment, diff as i64))
        };
        Laws {
            copies,
            owners: owners.arrange_by_key_named("OwnersOfTrack"),
            performed: releases
                .clone()
                .map(of_artist)
                .filter(|(artist, _)| artist.is_some())
                .arrange_by_key_named("TracksOfArtist"),
            uploaded: releases
                .map(of_uploader)
                .filter(|(uploader, _)| uploader.is_some())
                .arrange_by_key_named("TracksOfUploader"),
            track_news: by_track
                .concat(heard_by_track)
                .concat(updates(track_segments, segment_of(Subject::Track)))
                .concat(territories),
            owner_news: by_owner.concat(heard_by_owner).concat(updates(segments, segment_of(Subject::Distributor))),
        }
    }
}

/// The value in force of each key.
pub(crate) struct InForce<V> {
    current: HashMap<Key, V>,
    replaced: HashMap<Key, V>,
}

impl<V> Default for InForce<V> {
    fn default() -> InForce<V> {
        InForce { current: HashMap::new(), replaced: HashMap::new() }
    }
}

impl<V: timely::ExchangeData + Copy + PartialEq> Keep for InForce<V> {
    type In = (Key, V);
    type Out = Update<(Key, V)>;

    fn take(&mut self, _tick: Tick, (key, value): (Key, V), _out: &mut Vec<Self::Out>) {
        self.replaced.insert(key, value);
    }

    fn close(&mut self, tick: Tick, out: &mut Vec<Self::Out>) {
        for (key, new) in self.replaced.drain() {
            let old = self.current.insert(key, new);
            if old != Some(new) {
                out.extend(old.map(|old| ((key, old), tick, -1)));
                out.push(((key, new), tick, 1));
            }
        }
    }
}
