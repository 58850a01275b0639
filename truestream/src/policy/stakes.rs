//! What hangs on a change of policy: streams that would stand otherwise, their money, and the honest artists who would notice.
//!
//! ```text
//! plays ──▶ streams ──verdicts under the one, under the other──▶ standing before, after ──┬──▶ money by way
//! labels ─────────────────────────────────────────────────────────────────────────────────┴──▶ artists, streams of people
//! ```

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fmt::Write as _;
use std::path::Path;

use datasets::policy;
use datasets::tables::Inputs;
use datasets::tables::read::id_kinds;
use features::royalty::Standing;
use features::standing::Course;
use indicatif::HumanCount;
use records::royalty::Micros;
use records::{Id, IdSpace, LabelKind, Millis, Track};
use serde_json::{Value, json};

use super::backtest::Who;
use super::folder;
use super::pay::Pay;
use super::uploads::Uploads;
use crate::exit::Failure;
use crate::labels::Labels;
use crate::replay::laws::latest;
use crate::royalties::streams::{Judged, Known, catalogue, each_stream};
use crate::verify::Settings;

/// What hangs on a change.
#[derive(Debug, Default)]
pub(super) struct Stakes {
    currency: String,
    /// What a stream earns.
    rate: Micros,
    /// Streams by how they stand before and after.
    ways: BTreeMap<(Standing, Standing), u64>,
    /// Streams of every subject.
    streams: HashMap<Who, u64>,
    /// The artists that nobody labelled as fraud.
    artists: BTreeMap<String, Artist>,
    /// Whether somebody labelled anything.
    is_labelled: bool,
    /// The uploads that would wait at the gate, or not any more.
    pub(super) uploads: Uploads,
    /// A month under the terms of both, where they differ.
    pub(super) pay: Option<Pay>,
}

/// An artist that is honest as far as anybody knows, and the streams of accounts that are, too.
#[derive(Debug, Default)]
struct Artist {
    streams: u64,
    /// Paid before, not after.
    lost: u64,
    /// The other way round.
    won: u64,
}

/// An account in both replays.
struct Listener<'a> {
    courses: [Option<&'a Course>; 2],
    is_false: bool,
    streams: u64,
}

/// A track in both replays.
struct Heard<'a> {
    judged: [Judged<'a>; 2],
    streams: u64,
    of_people: Artist,
}

/// How a stream stands, in a word.
fn name(standing: Standing) -> &'static str {
    match standing {
        Standing::Payable => "paid",
        Standing::Held => "waits",
        Standing::Withheld => "counts for nothing",
        Standing::Ineligible => "has no share",
    }
}

impl Stakes {
    /// Counts the streams of the data under the verdicts of two replays of it.
    ///
    /// # Errors
    /// When a table or the policy cannot be read.
    pub(super) fn read(
        inputs: &Inputs,
        [before, after]: [&Path; 2],
        labels: &Labels,
        [against, policy]: [&Path; 2],
    ) -> Result<Stakes, Failure> {
        let input = |error: datasets::Error| Failure::Input(error.to_string());
        let folder = latest(folder(policy))?;
        let mut stakes = Stakes {
            currency: policy::terms(folder.as_deref()).map_err(input)?.currency,
            rate: policy::attacks(folder.as_deref()).map_err(input)?.stream_rate,
            is_labelled: !labels.is_empty(),
            ..Stakes::default()
        };
        let kinds = id_kinds(inputs.by_table()).map_err(input)?;
        let catalogue = catalogue(inputs, &kinds, Millis::MAX, Millis::MAX)?;
        let known =
            |tables: &Path| Known::read((tables, &Settings::read(tables)?), (inputs, &kinds), &catalogue, Millis::MAX);
        let known = [known(before)?, known(after)?];
        let is_called_fraud =
            |subject: &str, id: String| labels.get(&(subject.to_owned(), id)) == Some(&LabelKind::Fraud);
        let is_fraud = |subject: &str, id: &Id| is_called_fraud(subject, id.to_string());
        let mut accounts: HashMap<Id, Listener> = HashMap::new();
        let mut tracks: HashMap<Id, Heard> = HashMap::new();
        let mut playlists: HashMap<Id, u64> = HashMap::new();
        each_stream(inputs, after, &kinds, Millis::MIN..Millis::MAX, Millis::MAX, |stream| {
            let account = accounts.entry(stream.account).or_insert_with_key(|id| Listener {
                courses: known.each_ref().map(|known| known.of_account(id)),
                is_false: is_fraud("account", id),
                streams: 0,
            });
            let track = tracks.entry(stream.track).or_insert_with_key(|id| Heard {
                judged: known.each_ref().map(|known| known.judged(id)),
                streams: 0,
                of_people: Artist::default(),
            });
            let [from, to] =
                [0, 1].map(|at| known[at].standing(stream.ended_at, account.courses[at], &track.judged[at]));
            if from != to {
                *stakes.ways.entry((from, to)).or_default() += 1;
            }
            account.streams += 1;
            track.streams += 1;
            if !account.is_false {
                track.of_people.streams += 1;
                track.of_people.lost += u64::from(from == Standing::Payable && to != from);
                track.of_people.won += u64::from(to == Standing::Payable && to != from);
            }
            if let Some(playlist) = stream.playlist {
                *playlists.entry(playlist).or_default() += 1;
            }
        })?;
        stakes.add("account", accounts.into_iter().map(|(id, account)| (id, account.streams)));
        stakes.add("playlist", playlists.into_iter());
        for (id, Heard { streams, of_people, .. }) in &tracks {
            let Some(row) = catalogue.get(id) else { continue };
            let Track { artist_id, uploader_id, distributor_id, .. } = row;
            for (subject, id) in [("artist", artist_id), ("uploader", uploader_id), ("distributor", distributor_id)] {
                stakes.add(subject, id.iter().map(|id| (id.clone(), *streams)));
            }
            if let Some(artist) = artist_id.as_ref().filter(|artist| !is_fraud("artist", artist)) {
                let sum = stakes.artists.entry(artist.to_string()).or_default();
                sum.streams += of_people.streams;
                sum.lost += of_people.lost;
                sum.won += of_people.won;
            }
        }
        stakes.add("track", tracks.into_iter().map(|(id, track)| (id, track.streams)));
        let streams = |track: &Id| stakes.streams(&("track".to_owned(), track.to_string()));
        let kind = kinds[IdSpace::Track as usize];
        stakes.uploads = Uploads::read([before, after], (&catalogue, kind), streams, labels)?;
        let is_fraud = |artist: &str| is_called_fraud("artist", artist.to_owned());
        stakes.pay = Pay::read(inputs, [before, after], [against, policy], is_fraud)?;
        Ok(stakes)
    }

    fn add(&mut self, subject: &str, streams: impl Iterator<Item = (Id, u64)>) {
        for (id, streams) in streams {
            *self.streams.entry((subject.to_owned(), id.to_string())).or_default() += streams;
        }
    }

    /// The streams of the subject in the data.
    pub(super) fn streams(&self, who: &Who) -> u64 {
        self.streams.get(who).copied().unwrap_or_default()
    }

    /// What so many streams earn, in the currency.
    fn amount(&self, streams: u64) -> f64 {
        (streams * self.rate) as f64 / 1e6
    }

    /// Those who lose or win, who loses most first.
    fn touched(&self) -> Vec<(&String, &Artist)> {
        let mut touched: Vec<_> = self.artists.iter().filter(|(_, artist)| artist.lost + artist.won > 0).collect();
        touched.sort_by_key(|(id, artist)| (std::cmp::Reverse(artist.lost), *id));
        touched
    }

    /// How many honest artists newly have a verdict, lose streams of people, or are paid less than they may be; `decided` are the artists who newly
    /// have a verdict.
    pub(super) fn wronged(&self, decided: &BTreeSet<&str>) -> usize {
        let paid_less = self.pay.as_ref().map(Pay::wronged).unwrap_or_default();
        let is_wronged = |(id, artist): &(&String, &Artist)| {
            artist.lost > 0 || decided.contains(id.as_str()) || paid_less.contains(id.as_str())
        };
        self.artists.iter().filter(is_wronged).count()
    }

    /// How many artists nobody labelled as fraud.
    pub(super) fn honest_artists(&self) -> usize {
        self.artists.len()
    }

    /// In words, with so many artists by name; `decided` are the artists who newly have a verdict.
    pub(super) fn text(&self, decided: &BTreeSet<&str>, named: usize) -> String {
        let mut text = format!("Money at {} {} a stream:", self.amount(1), self.currency);
        if self.ways.is_empty() {
            text.push_str(" every stream stands as before");
        }
        for ((from, to), streams) in &self.ways {
            let (streams, amount) = (HumanCount(*streams), self.amount(*streams));
            let _ = write!(text, "\n  {} -> {}: {streams} streams, {amount:.2}", name(*from), name(*to));
        }
        let touched = self.touched();
        let [lost, won] = [|artist: &Artist| artist.lost, |artist: &Artist| artist.won].map(|count| {
            let those = touched.iter().filter(|(_, artist)| count(artist) > 0);
            those.fold((0, 0), |(artists, streams), (_, artist)| (artists + 1, streams + count(artist)))
        });
        let who = if self.is_labelled { "that are not labelled fraud" } else { "; the data has no labels" };
        let stopped = decided.iter().filter(|id| self.artists.contains_key(**id)).count();
        let _ = write!(
            text,
            "\nHonest artists ({} {who}): {stopped} newly have a verdict; {} lose {} streams of people ({:.2}), {} win {} ({:.2})",
            self.artists.len(),
            lost.0,
            HumanCount(lost.1),
            self.amount(lost.1),
            won.0,
            HumanCount(won.1),
            self.amount(won.1),
        );
        for (id, Artist { streams, lost, .. }) in touched.into_iter().filter(|(_, artist)| artist.lost > 0).take(named)
        {
            let _ = write!(text, "\n  artist {id}: {lost} of {streams} streams, {:.2}", self.amount(*lost));
        }
        text
    }

    /// The same as JSON.
    pub(super) fn json(&self, decided: &BTreeSet<&str>) -> Value {
        let way = |((from, to), streams): (&(Standing, Standing), &u64)| json!({"from": name(*from), "to": name(*to), "streams": streams, "amount": self.amount(*streams)});
        let artist = |(id, artist): (&String, &Artist)| json!({"artist": id, "streams": artist.streams, "lost": artist.lost, "won": artist.won});
        json!({
            "currency": self.currency,
            "stream_rate": self.amount(1),
            "ways": self.ways.iter().map(way).collect::<Vec<_>>(),
            "honest_artists": self.artists.len(),
            "honest_artists_newly_decided": decided.iter().filter(|id| self.artists.contains_key(**id)).count(),
            "honest_artists_touched": self.touched().into_iter().map(artist).collect::<Vec<_>>(),
        })
    }
}

#[cfg(test)]
impl Stakes {
    /// Where nothing but the streams of subjects is known.
    pub(super) fn with_streams(streams: impl IntoIterator<Item = (Who, u64)>) -> Stakes {
        Stakes { streams: streams.into_iter().collect(), ..Stakes::default() }
    }
}
