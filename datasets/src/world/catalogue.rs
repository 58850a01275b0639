//! The catalogue: artists by popularity, their tracks, who uploaded them through whom, and playlists.
//!
//! ```text
//! seed ──▶ artists (index = rank of popularity) ──▶ tracks ──▶ rows of `tracks`
//!      └─▶ playlists (the i-th track is a function of playlist and i, never stored)
//! families ──▶ further artists, which no ordinary listener finds by chance
//! ```

use std::ops::Range;

use records::{Disclosure, Distributor, Id, Millis, Playlist, Track};

use super::geography::{self, COUNTRIES};
use super::{DAY_MS, WorldSpec};
use crate::chance::{Chance, Purpose};

const GENRES: [&str; 12] = [
    "pop",
    "hip hop",
    "rock",
    "electronic",
    "latin",
    "r&b",
    "country",
    "metal",
    "jazz",
    "classical",
    "ambient",
    "folk",
];
const ADJECTIVES: [&str; 16] = [
    "Silent", "Golden", "Paper", "Electric", "Midnight", "Broken", "Velvet", "Distant", "Crystal", "Burning", "Hollow",
    "Northern", "Neon", "Slow", "Scarlet", "Wild",
];
const NOUNS: [&str; 16] = [
    "River", "Garden", "Engine", "Mirror", "Harbour", "Signal", "Summer", "Window", "Lantern", "Tiger", "Avenue",
    "Winter", "Machine", "Echo", "Shadow", "Letter",
];
/// Tracks of an artist: lognormal with this median and spread, at least 2.
const TRACKS_PER_ARTIST: (f64, f64) = (12.0, 0.8);
/// Track length in seconds: lognormal, fitted to real listeners' full plays (p5 107, p50 200-208, p95 359 s), and how many
/// tracks are made to the length that radio likes: real lengths are more often near the middle than one lognormal has them.
const LENGTH_SECS: (f64, f64) = (206.0, 0.335);
const RADIO_LENGTH_SECS: (f64, f64) = (207.0, 0.12);
const RADIO_LENGTH: f64 = 0.2;
/// Popularity of artists: exponent of Zipf's law; within-listener exponents of real listeners are .71-1.70.
const ARTIST_EXPONENT: f64 = 0.85;
/// Artists with a hit, at least.
const HIT_ARTISTS_MIN: usize = 24;
/// Share of tracks released during the world's days.
const NEW_RELEASES: f64 = 0.03;
/// Share of tracks that are a second release of the recording before them.
const SECOND_RELEASES: f64 = 0.01;
/// Share of tracks that change artist and uploader during the world's days.
const CHANGES_OF_HANDS: f64 = 0.002;
const MAJOR_LABELS: usize = 20;
const TIERS: [(&str, usize); 3] = [("major", 4), ("indie", 10), ("diy", 8)];
const EDITORIAL_PLAYLISTS: u32 = 40;
/// Length of every playlist.
pub(super) const PLAYLIST_TRACKS: usize = 60;

/// What a track's row says beyond the ordinary.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Style {
    Ordinary,
    /// Mass-produced titles, most without a word about AI.
    Spam,
    Sleep,
}

struct Artist {
    tracks: Range<u32>,
    genre: u8,
    country: u8,
    uploader: u32,
    distributor: u32,
    style: Style,
}

struct Recording {
    artist: u32,
    length_ms: u32,
    uploaded_at: Millis,
}

/// An artist that a family adds.
pub(super) struct NewArtist {
    pub style: Style,
    pub country: u8,
    /// Index of the distributor among those for everybody.
    pub distributor: u32,
    /// Lengths and upload instants of the tracks.
    pub tracks: Vec<(u32, Millis)>,
}

/// All artists, tracks and playlists.
pub(super) struct Catalogue {
    seed: u64,
    start: Millis,
    end: Millis,
    artists: Vec<Artist>,
    /// Artists that ordinary listeners find by chance; families' artists follow.
    open: usize,
    recordings: Vec<Recording>,
    by_genre: Vec<Vec<u32>>,
    user_playlists: u32,
    uploaders: u32,
    extra_playlists: Vec<Playlist>,
}

impl Catalogue {
    /// The open catalogue of a world.
    pub fn of(spec: &WorldSpec) -> Catalogue {
        let (start, end) = (spec.start_ms, spec.end_ms());
        // About thirteen tracks per account, until there are 650 k; a small world too has music for every taste.
        let open = (spec.accounts as usize * 4 / 5).clamp(2_000, 40_000);
        let mut catalogue = Catalogue {
            seed: spec.seed,
            start,
            end,
            artists: Vec::with_capacity(open),
            open,
            recordings: Vec::new(),
            by_genre: vec![Vec::new(); GENRES.len()],
            user_playlists: spec.accounts / 4 + 20,
            uploaders: (MAJOR_LABELS + open / 15) as u32,
            extra_playlists: Vec::new(),
        };
        for rank in 0..open {
            catalogue.draw_artist(rank);
        }
        catalogue
    }

    fn draw_artist(&mut self, rank: usize) {
        let chance = &mut Chance::of(self.seed, Purpose::Artist, rank as u64, 0);
        let standing = rank as f64 / self.open as f64;
        let tier = match standing {
            s if s < 0.05 => chance.pick(&[0.7, 0.25, 0.05]),
            s if s < 0.30 => chance.pick(&[0.3, 0.45, 0.25]),
            _ => chance.pick(&[0.04, 0.26, 0.70]),
        };
        let uploader = match tier {
            0 => chance.below(MAJOR_LABELS) as u32,
            1 => (MAJOR_LABELS + chance.below(self.open / 15)) as u32,
            _ => self.new_uploader(),
        };
        let distributor = distributor_of(tier, chance.below(TIERS[tier].1));
        let genre = chance.pick(&[3.0, 2.5, 2.0, 1.5, 1.5, 1.0, 0.8, 0.7, 0.5, 0.4, 0.6, 0.6]) as u8;
        let country = geography::draw(chance);
        let count = chance.lognormal(TRACKS_PER_ARTIST.0, TRACKS_PER_ARTIST.1).round().clamp(2.0, 120.0) as usize;
        let tracks = (0..count)
            .map(|number| {
                let (median, sigma) = if chance.happens(RADIO_LENGTH) { RADIO_LENGTH_SECS } else { LENGTH_SECS };
                let length = chance.lognormal(median, sigma).clamp(50.0, 1_200.0);
                // An artist's first track is old, so that there is always something to play.
                let uploaded_at = if number > 0 && chance.happens(NEW_RELEASES) {
                    self.start + (chance.unit() * (self.end - self.start) as f64) as Millis
                } else {
                    self.start - (chance.between(5.0, 4_000.0) * DAY_MS as f64) as Millis
                };
                ((length * 1_000.0) as u32, uploaded_at)
            })
            .collect();
        self.by_genre[usize::from(genre)].push(rank as u32);
        self.push_artist(NewArtist { style: Style::Ordinary, country, distributor, tracks }, genre, uploader);
    }

    fn new_uploader(&mut self) -> u32 {
        self.uploaders += 1;
        self.uploaders - 1
    }

    fn push_artist(&mut self, artist: NewArtist, genre: u8, uploader: u32) -> u32 {
        let index = self.artists.len() as u32;
        let first = self.recordings.len() as u32;
        self.recordings.extend(artist.tracks.iter().map(|&(length_ms, uploaded_at)| Recording {
            artist: index,
            length_ms,
            uploaded_at,
        }));
        let tracks = first..self.recordings.len() as u32;
        let NewArtist { style, country, distributor, .. } = artist;
        self.artists.push(Artist { tracks, genre, country, uploader, distributor, style });
        index
    }

    /// Adds a family's artist with an uploader of its own, or with the uploader of an artist before it; returns the artist.
    pub fn add(&mut self, artist: NewArtist, same_uploader_as: Option<u32>) -> u32 {
        let uploader = match same_uploader_as {
            Some(other) => self.artists[other as usize].uploader,
            None => self.new_uploader(),
        };
        let genre = if artist.style == Style::Ordinary { 0 } else { 10 };
        self.push_artist(artist, genre, uploader)
    }

    /// Adds a family's playlist; returns its id.
    pub fn add_playlist(&mut self, owner_id: Option<u64>, followers: u64) -> u32 {
        let id = EDITORIAL_PLAYLISTS + self.user_playlists + self.extra_playlists.len() as u32 + 1;
        self.extra_playlists.push(Playlist {
            playlist_id: Id::Number(u64::from(id)),
            owner_id: owner_id.map(Id::Number),
            editorial: Some(false),
            followers: Some(followers),
        });
        id
    }

    /// The number of tracks.
    pub fn len(&self) -> usize {
        self.recordings.len()
    }

    /// An artist's tracks.
    pub fn tracks_of(&self, artist: u32) -> Range<u32> {
        self.artists[artist as usize].tracks.clone()
    }

    /// A track's artist when the world begins.
    pub fn artist_of(&self, track: u32) -> u32 {
        self.recordings[track as usize].artist
    }

    /// The id of an artist's uploader.
    pub fn uploader_of(&self, artist: u32) -> u64 {
        u64::from(self.artists[artist as usize].uploader) + 1
    }

    /// When a track was uploaded.
    pub fn uploaded_at(&self, track: u32) -> Millis {
        self.recordings[track as usize].uploaded_at
    }

    /// A track's length.
    pub fn length_ms(&self, track: u32) -> u32 {
        self.recordings[track as usize].length_ms
    }

    /// An artist of the open catalogue, popular ones first, within a genre or among all.
    pub fn draw_by_popularity(&self, genre: Option<u8>, chance: &mut Chance) -> u32 {
        match genre.map(|genre| &self.by_genre[usize::from(genre)]).filter(|artists| !artists.is_empty()) {
            Some(artists) => artists[chance.rank(artists.len(), ARTIST_EXPONENT, 0.0)],
            None => chance.rank(self.open, ARTIST_EXPONENT, 0.0) as u32,
        }
    }

    /// The best known track of an artist everybody knows: one in fifty, and a few in a small world.
    pub fn draw_hit(&self, chance: &mut Chance) -> u32 {
        let known = (self.open / 50).max(HIT_ARTISTS_MIN).min(self.open);
        self.tracks_of(chance.rank(known, ARTIST_EXPONENT, 0.0) as u32).start
    }

    /// An artist's track, the earlier ones more often.
    pub fn draw_track(&self, artist: u32, chance: &mut Chance) -> u32 {
        let tracks = self.tracks_of(artist);
        tracks.start + (f64::from(tracks.end - tracks.start) * chance.unit().powf(1.5)) as u32
    }

    /// The track, or the artist's first one where it is not out yet.
    pub fn released(&self, track: u32, at: Millis) -> u32 {
        let recording = &self.recordings[track as usize];
        if recording.uploaded_at <= at { track } else { self.artists[recording.artist as usize].tracks.start }
    }

    /// Whether the track is out.
    pub fn is_out(&self, track: u32, at: Millis) -> bool {
        self.recordings[track as usize].uploaded_at <= at
    }

    /// A track nobody looks for: uniform over the less popular half of the open catalogue.
    pub fn draw_tail(&self, chance: &mut Chance) -> u32 {
        let artist = self.open / 2 + chance.below(self.open - self.open / 2);
        self.artists[artist].tracks.start
    }

    /// A playlist for everybody: an editorial one, or one of another listener.
    pub fn draw_playlist(&self, editorial: bool, chance: &mut Chance) -> u32 {
        match editorial {
            true => 1 + chance.rank(EDITORIAL_PLAYLISTS as usize, 0.8, 0.0) as u32,
            false => 1 + EDITORIAL_PLAYLISTS + chance.below(self.user_playlists as usize) as u32,
        }
    }

    /// The playlist that an account keeps for itself; some accounts share one.
    pub fn own_playlist(&self, account: u32) -> u32 {
        1 + EDITORIAL_PLAYLISTS + account % self.user_playlists
    }

    /// The track at a position of a playlist: one genre per playlist, popular artists first.
    pub fn on_playlist(&self, playlist: u32, position: usize) -> u32 {
        let chance =
            &mut Chance::of(self.seed, Purpose::Playlist, u64::from(playlist), (position % PLAYLIST_TRACKS) as u64);
        let artist = self.draw_by_popularity(Some((playlist as usize % GENRES.len()) as u8), chance);
        self.draw_track(artist, chance)
    }

    /// The rows of one track: one, or two where it changes hands.
    pub fn rows(&self, track: u32) -> Vec<Track> {
        let chance = &mut Chance::of(self.seed, Purpose::Track, u64::from(track), 0);
        let first = self.row(track, chance);
        let open = (self.recordings[track as usize].artist as usize) < self.open;
        if !(open && chance.happens(CHANGES_OF_HANDS)) {
            return vec![first];
        }
        let taker = self.draw_by_popularity(None, chance);
        let mut second = first.clone();
        second.artist_id = Some(artist_id(taker));
        second.artist_name = Some(artist_name(taker));
        second.uploader_id = Some(Id::Number(self.uploader_of(taker)));
        second.distributor_id = Some(Id::Number(u64::from(self.artists[taker as usize].distributor) + 1));
        second.valid_from = Some(self.start + (chance.between(0.2, 0.9) * (self.end - self.start) as f64) as Millis);
        vec![first, second]
    }

    fn row(&self, track: u32, chance: &mut Chance) -> Track {
        let recording = &self.recordings[track as usize];
        let artist = &self.artists[recording.artist as usize];
        let number = track - artist.tracks.start;
        let id = Id::Number(u64::from(track) + 1);
        let again = artist.style == Style::Ordinary && number > 1 && chance.happens(SECOND_RELEASES);
        let content = if again { Id::Number(u64::from(track)) } else { id.clone() };
        let country = &COUNTRIES[usize::from(artist.country)];
        let (contains_ai, part) = disclosed(artist.style, chance);
        Track {
            // A tenth of the rows say nothing of the recording, which the contract reads as the track itself.
            content_id: (again || chance.happens(0.9)).then_some(content),
            isrc: Some(isrc(country.code, track)),
            title: Some(title(artist.style, track, number)),
            version: again.then(|| "Remastered".to_owned()),
            artist_id: Some(artist_id(recording.artist)),
            artist_name: Some(artist_name(recording.artist)),
            uploader_id: Some(Id::Number(u64::from(artist.uploader) + 1)),
            distributor_id: Some(Id::Number(u64::from(artist.distributor) + 1)),
            label: Some(format!("{} Records", NOUNS[artist.uploader as usize % NOUNS.len()])),
            genre: Some(GENRES[usize::from(artist.genre)].to_owned()),
            language: (artist.style == Style::Ordinary).then(|| country.language.to_owned()),
            country: Some(country.code.to_owned()),
            duration_ms: Some(u64::from(recording.length_ms)),
            uploaded_at: Some(recording.uploaded_at),
            released_at: Some(recording.uploaded_at),
            contains_ai,
            ai_vocals: part,
            ai_instruments: part,
            ai_postproduction: part.and(Some(Disclosure::None)),
            ..Track::new(id)
        }
    }

    /// The distributors; one of them loses its verified standing half-way.
    pub fn distributors(&self) -> Vec<Distributor> {
        let row = |id: u32, tier: &str, verified, valid_from| Distributor {
            distributor_id: Id::Number(u64::from(id) + 1),
            tier: Some(tier.to_owned()),
            verified: Some(verified),
            valid_from,
        };
        let mut rows = Vec::new();
        for (tier, &(name, count)) in TIERS.iter().enumerate() {
            for number in 0..count {
                // Half of the distributors for everybody have been verified.
                rows.push(row(distributor_of(tier, number), name, tier < 2 || number % 2 == 0, None));
            }
        }
        rows.push(row(distributor_for_everybody(2), "diy", false, Some((self.start + self.end) / 2)));
        rows
    }

    /// The playlists.
    pub fn playlists(&self, accounts: u64) -> impl Iterator<Item = Playlist> + '_ {
        let everybodys = (1..=EDITORIAL_PLAYLISTS + self.user_playlists).map(move |id| {
            let chance = &mut Chance::of(self.seed, Purpose::Playlist, u64::from(id), u64::MAX);
            let editorial = id <= EDITORIAL_PLAYLISTS;
            let followers = if editorial { chance.lognormal(50_000.0, 1.2) } else { chance.lognormal(3.0, 1.5) };
            Playlist {
                playlist_id: Id::Number(u64::from(id)),
                owner_id: (!editorial).then(|| Id::Number(1 + chance.below(accounts as usize) as u64)),
                editorial: Some(editorial),
                followers: Some(followers as u64),
            }
        });
        everybodys.chain(self.extra_playlists.iter().cloned())
    }
}

fn distributor_of(tier: usize, number: usize) -> u32 {
    (TIERS[..tier].iter().map(|(_, count)| count).sum::<usize>() + number) as u32
}

/// A distributor that takes anybody's music.
pub(super) fn distributor_for_everybody(number: usize) -> u32 {
    distributor_of(2, number % TIERS[2].1)
}

/// The id of an artist.
pub(super) fn artist_id(artist: u32) -> Id {
    Id::Number(u64::from(artist) + 1)
}

fn artist_name(artist: u32) -> String {
    let n = artist as usize;
    format!("{} {} {}", ADJECTIVES[n % 16], NOUNS[n / 16 % 16], n / 256 + 1)
}

fn title(style: Style, track: u32, number: u32) -> String {
    let n = track.wrapping_mul(2_654_435_761) as usize >> 8;
    match style {
        Style::Ordinary => format!("{} {}", ADJECTIVES[n % 16], NOUNS[n / 16 % 16]),
        Style::Spam => format!("Calm {} Pt. {}", NOUNS[number as usize / 25 % 16], number % 25 + 1),
        Style::Sleep => format!("Rain on a {} ({} Hz)", NOUNS[n % 16], 200 + number),
    }
}

/// A code of the right form under a registrant that means nothing: country, three signs, year, five digits.
fn isrc(country: &str, track: u32) -> String {
    let sign = |n: u32| char::from_digit(n % 36, 36).expect("below 36").to_ascii_uppercase();
    let registrant = track / 100_000;
    format!(
        "{country}{}{}{}26{:05}",
        sign(registrant / 1_296),
        sign(registrant / 36),
        sign(registrant),
        track % 100_000
    )
}

/// Most releases say nothing about AI, whatever is in them.
fn disclosed(style: Style, chance: &mut Chance) -> (Option<Disclosure>, Option<Disclosure>) {
    let undeclared = if style == Style::Spam { 0.97 } else { 0.93 };
    match chance.pick(&[undeclared, 0.04, 0.02, 0.01]) {
        0 => (None, None),
        1 => (Some(Disclosure::None), Some(Disclosure::None)),
        2 => (Some(Disclosure::Partly), Some(Disclosure::Partly)),
        _ => (Some(Disclosure::All), Some(Disclosure::All)),
    }
}
