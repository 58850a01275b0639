//! Judges what is listened to: tracks, and the artists, uploaders, playlists and distributors behind them.
//!
//! ```text
//! rows, stains, declarations, opinions, standing, segment, territory, rulings ──▶ by subject ──▶ judgement, and the standing of an uploader and the following
//!                                                                            of an artist, where changed
//! ```

use features::WindowRow;
use features::signals::suspicion::Load;
use features::signals::{Catalogue, Following, Hearing, OwnerFacts, Signal, Standing, TrackFacts};
use features::signals::{of_owner, of_track};
use hashbrown::HashMap;
use records::{Key, Metadata, Millis, Risk, Ruling, Subject};
use serde::{Deserialize, Serialize};
use timely::dataflow::operators::Concatenate;
use timely::dataflow::operators::vec::Map;
use timely::dataflow::{Scope, StreamVec};

use super::accounts::judgement;
use super::{Heard, Judgement, JudgementChange, Judging, Opinion, RulingChange, Update};
use crate::clock::Tick;
use crate::keep::{Keep, mix};
use crate::tallies::RowChange;

/// What is new about a track or an owner.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) enum AudienceNews {
    /// Its row in the window of this place.
    Row(u8, Option<WindowRow>),
    /// So much more (or less) suspicion in its plays.
    Stain(i64),
    /// So much more (or less) of that is in tracks that say nothing against their owners, because a person ruled so.
    Unsaid(i64),
    /// A release of it came (+1) or went (-1).
    Declared(Metadata, i64),
    /// The opinion about it, or about a track of it, holds now (+1) or no more (-1).
    Heard(Opinion, i64),
    /// This is what the other tracks of its recording say of it now (+1) or no more (-1).
    Copies(Risk, i64),
    /// The standing of its uploader holds now (+1) or no more (-1).
    Standing(Standing, i64),
    /// The following of its artist holds now (+1) or no more (-1).
    Following(Following, i64),
    /// The segment holds now (+1) or no more (-1).
    Segment(u16, i64),
    /// The territory holds now (+1) or no more (-1).
    Territory(u16, i64),
    /// What a person ruled about it, as far as it is in force.
    Ruled(Option<Box<Ruling>>),
}

/// Where the subject lives: where its rows are counted, so that most of what is new about it stays with one worker.
pub(super) fn route(news: &((Subject, Key), AudienceNews)) -> u64 {
    let ((_, key), _) = news;
    mix(key.0)
}

/// The rows of several views.
pub(super) fn row_news<'scope>(
    scope: Scope<'scope, Tick>,
    rows: Vec<(Subject, StreamVec<'scope, Tick, RowChange>)>,
) -> StreamVec<'scope, Tick, ((Subject, Key), AudienceNews)> {
    let news = rows
        .into_iter()
        .map(|(subject, rows)| rows.map(move |((place, key), row)| ((subject, key), AudienceNews::Row(place, row))));
    scope.concatenate(news)
}

/// What people ruled about subjects that are listened to.
pub(super) fn ruling_news<'scope>(
    rulings: &StreamVec<'scope, Tick, RulingChange>,
    is_wanted: impl Fn(Subject) -> bool + 'static,
) -> StreamVec<'scope, Tick, ((Subject, Key), AudienceNews)> {
    let news = move |(who, ruling): RulingChange| is_wanted(who.0).then_some((who, AudienceNews::Ruled(ruling)));
    rulings.clone().flat_map(news)
}

/// What is said about a subject.
#[derive(Clone, Debug)]
pub(super) enum Told {
    /// How it is judged.
    Judged(JudgementChange),
    /// The standing of an uploader; the default one is not told.
    Standing(Update<(Key, Standing)>),
    /// The following of an artist; the default one is not told.
    Following(Update<(Key, Following)>),
}

/// The values that hold; more than one only between two updates of a tick.
pub(crate) struct Held<V>(Vec<(V, i64)>);

impl<V> Default for Held<V> {
    fn default() -> Held<V> {
        Held(Vec::new())
    }
}

impl<V: Copy + PartialEq + Default> Held<V> {
    pub(crate) fn change(&mut self, value: V, diff: i64) {
        match self.0.iter_mut().find(|(held, _)| *held == value) {
            Some((_, times)) => *times += diff,
            None => self.0.push((value, diff)),
        }
        self.0.retain(|(_, times)| *times != 0);
    }

    pub(crate) fn value(&self) -> V {
        self.0.first().map_or(V::default(), |(value, _)| *value)
    }
}

#[derive(Default)]
struct Dossier {
    /// By the place of the judged windows.
    rows: Vec<Option<WindowRow>>,
    stain: i64,
    /// What of it does not speak.
    unsaid: i64,
    declared: Catalogue,
    release: Held<Option<Metadata>>,
    /// What the audio of a track says.
    opinion: Held<Option<Opinion>>,
    /// The tracks of an owner that were heard, and their risks summed.
    heard: (i64, i64),
    /// What the other tracks of its recording say of a track.
    copies: Held<Risk>,
    uploader: Held<Standing>,
    artist: Held<Following>,
    segment: Held<u16>,
    territory: Held<u16>,
    ruling: Option<Box<Ruling>>,
    said: Option<Judgement>,
    standing: Standing,
    following: Following,
    /// Whether something new came at the open tick.
    is_touched: bool,
}

impl Dossier {
    fn judged_rows(&self, windows: &[(u8, Millis)]) -> impl Iterator<Item = (Millis, WindowRow)> {
        windows.iter().zip(&self.rows).filter_map(|((_, ms), row)| Some((*ms, (*row)?)))
    }

    /// The share of its plays that suspicious accounts made, as far as it speaks against it.
    fn suspicious(&self, rows: &[(Millis, WindowRow)]) -> Risk {
        share(rows, self.stain - self.unsaid)
    }

    /// How far its plays are its listeners' doing: they are what they are, whether or not somebody ruled that nothing follows of them.
    fn following_of(&self, rows: &[(Millis, WindowRow)]) -> Following {
        Following::of(rows, share(rows, self.stain))
    }

    /// What the audio of an owner's tracks says.
    fn hearing(&self) -> Option<Hearing> {
        let (tracks, suspicion) = self.heard;
        let heard = Hearing { tracks: tracks.unsigned_abs() as u32, suspicion: suspicion.unsigned_abs() };
        heard.of_owner(self.declared.tracks)
    }

    fn heard(&self, subject: Subject) -> Option<Heard> {
        match subject {
            Subject::Track => self.opinion.value().map(|opinion| Heard { words: opinion.words }),
            _ => self.hearing().map(|_| Heard { words: None }),
        }
    }

    fn signals(&self, subject: Subject, rows: &[(Millis, WindowRow)]) -> Vec<Signal> {
        let suspicious_accounts = self.suspicious(rows);
        match subject {
            Subject::Track => of_track(&TrackFacts {
                rows,
                suspicious_accounts,
                metadata: self.release.value(),
                uploader: self.uploader.value(),
                artist: self.artist.value(),
                audio: self.opinion.value().map(|opinion| opinion.risk),
                suspicious_copies: self.copies.value(),
            }),
            _ => {
                let audio = self.hearing();
                of_owner(&OwnerFacts { rows, suspicious_accounts, catalogue: self.declared, audio })
            }
        }
    }

    fn is_empty(&self) -> bool {
        let rows = self.rows.iter().all(Option::is_none);
        let held = self.release.0.is_empty() && self.uploader.0.is_empty() && self.segment.0.is_empty();
        let held = held && self.copies.0.is_empty() && self.artist.0.is_empty() && self.territory.0.is_empty();
        let heard = self.opinion.0.is_empty() && self.heard == (0, 0);
        let ruled = self.ruling.is_some();
        rows && held && heard && !ruled && (self.stain, self.unsaid) == (0, 0) && self.declared == Catalogue::default()
    }
}

/// The share of the plays of the longest window that is suspicion.
fn share(rows: &[(Millis, WindowRow)], suspicion: i64) -> Risk {
    let plays = rows.last().map_or(0, |(_, row)| u64::from(row.plays));
    Load { plays, suspicion: suspicion.unsigned_abs() }.share()
}

/// The tracks or owners of one worker.
pub(super) struct Audience {
    windows: Vec<(u8, Millis)>,
    dossiers: HashMap<(Subject, Key), Dossier>,
    touched: Vec<(Subject, Key)>,
}

impl Audience {
    pub fn new(judging: &Judging) -> Audience {
        Audience { windows: judging.places(), dossiers: HashMap::new(), touched: Vec::new() }
    }
}

impl Keep for Audience {
    type In = ((Subject, Key), AudienceNews);
    type Out = Told;

    fn take(&mut self, _tick: Tick, (subject, news): Self::In, _out: &mut Vec<Told>) {
        let dossier = self.dossiers.entry(subject).or_default();
        match news {
            AudienceNews::Row(place, row) => {
                if let Some(at) = self.windows.iter().position(|(judged, _)| *judged == place) {
                    dossier.rows.resize(self.windows.len(), None);
                    dossier.rows[at] = row;
                }
            }
            AudienceNews::Stain(suspicion) => dossier.stain += suspicion,
            AudienceNews::Unsaid(suspicion) => dossier.unsaid += suspicion,
            AudienceNews::Declared(metadata, diff) if subject.0 == Subject::Track => {
                dossier.release.change(Some(metadata), diff);
            }
            AudienceNews::Declared(metadata, diff) if diff > 0 => dossier.declared += Catalogue::of(&metadata),
            AudienceNews::Declared(metadata, _) => dossier.declared -= Catalogue::of(&metadata),
            AudienceNews::Heard(opinion, diff) if subject.0 == Subject::Track => {
                dossier.opinion.change(Some(opinion), diff);
            }
            AudienceNews::Heard(opinion, diff) => {
                dossier.heard.0 += diff;
                dossier.heard.1 += diff * i64::from(opinion.risk.parts());
            }
            AudienceNews::Copies(risk, diff) => dossier.copies.change(risk, diff),
            AudienceNews::Standing(standing, diff) => dossier.uploader.change(standing, diff),
            AudienceNews::Following(following, diff) => dossier.artist.change(following, diff),
            AudienceNews::Segment(segment, diff) => dossier.segment.change(segment, diff),
            AudienceNews::Territory(territory, diff) => dossier.territory.change(territory, diff),
            AudienceNews::Ruled(ruling) => dossier.ruling = ruling,
        }
        if !std::mem::replace(&mut dossier.is_touched, true) {
            self.touched.push(subject);
        }
    }

    fn close(&mut self, tick: Tick, out: &mut Vec<Told>) {
        let Audience { windows, dossiers, touched } = self;
        let mut rows = Vec::with_capacity(windows.len());
        for (subject, key) in touched.drain(..) {
            let Some(dossier) = dossiers.get_mut(&(subject, key)) else { continue };
            dossier.is_touched = false;
            rows.clear();
            rows.extend(dossier.judged_rows(windows));
            // Who is not in the longest window is in none, and nothing is said of them.
            let signals = if rows.is_empty() { Vec::new() } else { dossier.signals(subject, &rows) };
            let (origin, ruling) = ((dossier.segment.value(), dossier.territory.value()), dossier.ruling.clone());
            let judged = judgement(origin, dossier.heard(subject), signals, ruling);
            if judged != dossier.said {
                out.push(Told::Judged(((subject, key), judged.clone())));
                dossier.said = judged;
            }
            let suspicious = dossier.suspicious(&rows);
            match subject {
                Subject::Uploader => {
                    let is_silenced = dossier.ruling.as_ref().is_some_and(|ruling| ruling.kind.is_silencing());
                    let standing = if is_silenced { Standing::default() } else { Standing::of(&rows, suspicious) };
                    let news = replace(&mut dossier.standing, standing);
                    out.extend(news.map(|(standing, diff)| Told::Standing(((key, standing), tick, diff))));
                }
                Subject::Artist => {
                    let following = dossier.following_of(&rows);
                    let news = replace(&mut dossier.following, following);
                    out.extend(news.map(|(following, diff)| Told::Following(((key, following), tick, diff))));
                }
                _ => {}
            }
            if dossier.is_empty() {
                dossiers.remove(&(subject, key));
            }
        }
    }
}

/// Puts another value in the place of what was told, and says what goes (-1) and comes (+1); the default one is not told.
fn replace<V: Copy + PartialEq + Default>(told: &mut V, now: V) -> impl Iterator<Item = (V, isize)> + use<V> {
    let before = std::mem::replace(told, now);
    let news = [(before, -1), (now, 1)].into_iter().filter(|(value, _)| *value != V::default());
    news.filter(move |_| before != now)
}
