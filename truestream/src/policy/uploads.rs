//! Which uploads would wait at the gate under the one policy and not under the other, release by release.
//!
//! ```text
//! gate of two replays ──▶ tracks that ever waited ──catalogue──▶ releases that newly wait, or are let through
//! ```

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fmt::Write as _;
use std::path::Path;

use datasets::formats::instant;
use datasets::tables::IdKind;
use datasets::tables::rows::Value;
use indicatif::HumanCount;
use records::gate::Action;
use records::{Id, Millis, Track};
use serde::Serialize;
use serde_json::json;

use crate::exit::Failure;
use crate::labels::Labels;
use crate::royalties::streams::{each_until, text_of};

/// The uploads that wait at the one gate and not at the other.
#[derive(Debug, Default)]
pub(super) struct Uploads {
    newly: Vec<Release>,
    freed: Vec<Release>,
}

/// What somebody brought of one artist on one day, as far as it waits otherwise than before. No table names releases.
#[derive(Debug, Default, PartialEq, Serialize)]
struct Release {
    /// Who brought it: its uploader, or without one its distributor.
    deliverer: Option<String>,
    artist: Option<String>,
    /// The day of its upload (UTC).
    day: String,
    tracks: u64,
    streams: u64,
    /// Tracks by what was found about them.
    findings: BTreeMap<String, u64>,
    /// Tracks by what they are labelled as, where they are.
    labels: BTreeMap<String, u64>,
}

/// The findings for which each track ever waited.
type Waiting = HashMap<Id, BTreeSet<String>>;

fn waiting(tables: &Path, kind: IdKind) -> Result<Waiting, Failure> {
    let mut waiting = Waiting::new();
    let path = tables.join("gate.parquet");
    each_until(&path, &["track_id", "rule", "action"], Millis::MAX, |_, comes, row| {
        if comes && row.value(4) == Value::Text(Action::Wait.name()) {
            let track = row.value(2).id(kind);
            waiting.entry(track.expect("who waits has an id")).or_default().insert(text_of(row.value(3)));
        }
    })?;
    Ok(waiting)
}

impl Uploads {
    /// Lays the gates of two replays beside each other.
    ///
    /// # Errors
    /// When a table cannot be read.
    pub(super) fn read(
        [before, after]: [&Path; 2],
        (catalogue, kind): (&HashMap<Id, Track>, IdKind),
        streams: impl Fn(&Id) -> u64,
        labels: &Labels,
    ) -> Result<Uploads, Failure> {
        let (before, after) = (waiting(before, kind)?, waiting(after, kind)?);
        let label =
            |track: &Id| labels.get(&("track".to_owned(), track.to_string())).map(|label| label.name().to_owned());
        let only = |here: &Waiting, there: &Waiting| {
            let tracks = here.iter().filter(|(track, _)| !there.contains_key(track));
            released(tracks.map(|(track, findings)| (catalogue.get(track), findings, streams(track), label(track))))
        };
        Ok(Uploads { newly: only(&after, &before), freed: only(&before, &after) })
    }

    /// In words, with so many releases of each kind by name.
    pub(super) fn text(&self, named: usize) -> String {
        let mut text = "Gate:".to_owned();
        if self.newly.is_empty() && self.freed.is_empty() {
            text.push_str(" every upload stands as before");
        }
        for (releases, what) in [(&self.newly, "newly wait"), (&self.freed, "are let through")] {
            if releases.is_empty() {
                continue;
            }
            let sum = |count: fn(&Release) -> u64| HumanCount(releases.iter().map(count).sum());
            let (tracks, streams) = (sum(|release| release.tracks), sum(|release| release.streams));
            let _ = write!(text, "\n  {} releases {what}: {tracks} tracks, {streams} streams", releases.len());
            for release in releases.iter().take(named) {
                let Release { deliverer, artist, day, tracks, streams, findings, labels } = release;
                let [deliverer, artist] = [deliverer, artist].map(|id| id.as_deref().unwrap_or("nobody knows"));
                let counts = findings.iter().chain(labels).map(|(what, tracks)| format!("{tracks} {what}"));
                let counts = counts.collect::<Vec<_>>().join(", ");
                let streams = HumanCount(*streams);
                let who = format!("by {deliverer}, artist {artist}, {day}");
                let _ = write!(text, "\n    {who}: {tracks} tracks, {streams} streams ({counts})");
            }
        }
        text
    }

    /// The same as JSON.
    pub(super) fn json(&self) -> serde_json::Value {
        json!({"newly_wait": self.newly, "let_through": self.freed})
    }
}

/// The tracks as releases, those with the most streams first.
fn released<'a>(
    tracks: impl Iterator<Item = (Option<&'a Track>, &'a BTreeSet<String>, u64, Option<String>)>,
) -> Vec<Release> {
    let mut releases: BTreeMap<_, Release> = BTreeMap::new();
    for (row, findings, streams, label) in tracks {
        let text = |id: Option<&Id>| id.map(ToString::to_string);
        let deliverer = text(row.and_then(|row| row.uploader_id.as_ref().or(row.distributor_id.as_ref())));
        let artist = text(row.and_then(|row| row.artist_id.as_ref()));
        let day = row.and_then(|row| row.uploaded_at).map(|at| instant::to_text(at)[..10].to_owned());
        let day = day.unwrap_or_default();
        let release = releases.entry((deliverer.clone(), artist.clone(), day.clone())).or_default();
        (release.deliverer, release.artist, release.day) = (deliverer, artist, day);
        release.tracks += 1;
        release.streams += streams;
        findings.iter().for_each(|finding| *release.findings.entry(finding.clone()).or_default() += 1);
        label.into_iter().for_each(|label| *release.labels.entry(label).or_default() += 1);
    }
    let mut releases: Vec<Release> = releases.into_values().collect();
    releases.sort_by_key(|release| std::cmp::Reverse((release.streams, release.tracks)));
    releases
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tracks_of_one_deliverer_artist_and_day_are_one_release() {
        const DAY: Millis = 86_400_000;
        let row = |track: &str, artist: &str, at| Track {
            artist_id: Some(Id::from(artist)),
            distributor_id: Some(Id::from("d")),
            uploaded_at: Some(at),
            ..Track::new(Id::from(track))
        };
        let rows = [row("1", "a", 0), row("2", "a", DAY - 1), row("3", "a", DAY), row("4", "b", 0)];
        let [long, both] = [&["gate.length"][..], &["gate.length", "gate.incomplete"]]
            .map(|findings| findings.iter().map(|finding| (*finding).to_owned()).collect::<BTreeSet<_>>());
        let label = || Some("fraud".to_owned());
        let tracks = [(0, &long, 1, None), (1, &both, 2, label()), (2, &long, 9, None), (3, &long, 0, label())];
        let tracks =
            tracks.into_iter().map(|(at, findings, streams, label)| (Some(&rows[at]), findings, streams, label));
        let found = released(tracks);
        let told: Vec<_> = found.iter().map(|one| (one.day.as_str(), one.tracks, one.streams)).collect();
        assert_eq!(told, [("1970-01-02", 1, 9), ("1970-01-01", 2, 3), ("1970-01-01", 1, 0)]);
        assert_eq!((found[1].findings["gate.length"], found[1].findings["gate.incomplete"]), (2, 1));
        assert_eq!((found[1].labels["fraud"], found[1].deliverer.as_deref()), (1, Some("d")));
        let uploads = Uploads { newly: found, freed: Vec::new() };
        let text = uploads.text(1);
        assert!(text.contains("3 releases newly wait: 4 tracks, 12 streams"), "{text}");
        assert!(text.ends_with("by d, artist a, 1970-01-02: 1 tracks, 9 streams (1 gate.length)"), "{text}");
    }
}
