//! What is said of the audience of a track and of an uploader alike: of each window, against the past, and when it plays.

use super::past::AgainstPast;
use super::{finite, over, per_day, share};
use crate::crowd::{Crowd, TRAITS};
use crate::rhythm::Rhythm;
use crate::signals::Rows;
use crate::signals::windows::{View, day, month, week};

/// The windows that are read, shortest first.
const WINDOWS: [&str; 3] = ["day", "week", "month"];

/// One number of a window: its name and how it is computed.
pub(super) type OfView = (&'static str, fn(&View) -> f32);

/// What is said of each window.
const OF_WINDOW: [OfView; 28] = [
    ("plays_per_day", |view| per_day(view, view.row.plays)),
    ("payable_share", |view| share(view.row.payable, view.row.plays)),
    ("edge_share", |view| share(view.row.edge, view.row.payable)),
    ("skipped_share", |view| share(view.row.skipped, view.row.plays)),
    ("heard_secs_per_play", |view| over(view.row.played_ms as f64 / 1_000.0, view.row.plays.into())),
    ("listeners", |view| view.row.listeners as f32),
    ("plays_per_listener", |view| share(view.row.plays, view.row.listeners)),
    ("plays_per_listener_and_day", |view| over(f64::from(per_day(view, view.row.plays)), view.row.listeners.into())),
    ("top_listener_share", |view| share(view.row.top_plays, view.row.plays)),
    // Sum of squares over square of the sum: 1 is one listener alone.
    ("concentration", |view| over(view.row.sum_squares as f64, f64::from(view.row.plays).powi(2))),
    // Mean square over square of the mean of the plays per listener: 1 is a schedule.
    ("evenness", |view| {
        over(view.row.sum_squares as f64 * f64::from(view.row.listeners), f64::from(view.row.plays).powi(2))
    }),
    ("new_account_share", |view| share(view.row.new_account_plays, view.row.plays)),
    ("offline_share", |view| share(view.row.offline, view.row.plays)),
    ("shuffled_share", |view| share(view.row.shuffled, view.row.plays)),
    ("hosted_share", |view| share(view.row.hosted, view.row.plays)),
    ("search_share", |view| share(view.row.by_search, view.row.plays)),
    ("library_share", |view| share(view.row.by_library, view.row.plays)),
    ("algorithm_share", |view| share(view.row.by_algorithm, view.row.plays)),
    ("editorial_share", |view| share(view.row.by_editorial, view.row.plays)),
    ("playlist_share", |view| share(view.row.by_playlist, view.row.plays)),
    ("countries", |view| view.row.countries as f32),
    ("devices", |view| view.row.devices as f32),
    ("ip_prefixes", |view| view.row.ip_prefixes as f32),
    ("listeners_per_country", |view| share(view.row.listeners, view.row.countries)),
    ("devices_per_listener", |view| share(view.row.devices, view.row.listeners)),
    ("ip_prefixes_per_listener", |view| share(view.row.ip_prefixes, view.row.listeners)),
    ("plays_per_device", |view| share(view.row.plays, view.row.devices)),
    ("plays_per_ip_prefix", |view| share(view.row.plays, view.row.ip_prefixes)),
];

/// What is laid beside what was before.
const AGAINST_PAST: AgainstPast = AgainstPast {
    grows: &[("plays", |row| row.plays.into()), ("listeners", |row| row.listeners.into())],
    shares: &[
        ("payable_share", |row| row.payable.into()),
        ("edge_share", |row| row.edge.into()),
        ("skipped_share", |row| row.skipped.into()),
        ("new_account_share", |row| row.new_account_plays.into()),
        ("offline_share", |row| row.offline.into()),
        ("shuffled_share", |row| row.shuffled.into()),
        ("hosted_share", |row| row.hosted.into()),
        ("search_share", |row| row.by_search.into()),
        ("library_share", |row| row.by_library.into()),
        ("algorithm_share", |row| row.by_algorithm.into()),
        ("playlist_share", |row| row.by_playlist.into()),
        ("heard_secs_per_play", |row| row.played_ms / 1_000),
    ],
    fresh: &[
        ("fresh_listeners", |row| row.listeners.into()),
        ("fresh_countries", |row| row.countries.into()),
        ("fresh_devices", |row| row.devices.into()),
        ("fresh_ip_prefixes", |row| row.ip_prefixes.into()),
    ],
};

/// What is said of when it is played, in the longest window.
type OfRhythm = (&'static str, fn(&Rhythm) -> f64);
const OF_RHYTHM: [OfRhythm; 8] = [
    // Since its first play, as far as the longest window reaches.
    ("played_days", |rhythm| rhythm.span_hours as f64 / 24.0),
    ("active_hours_share", |rhythm| f64::from(rhythm.active_hours) / rhythm.span_hours as f64),
    ("plays_per_active_hour", |rhythm| rhythm.plays as f64 / f64::from(rhythm.active_hours)),
    ("peak_hour_share", |rhythm| f64::from(rhythm.peak_plays) / rhythm.plays as f64),
    ("first_day_share", |rhythm| rhythm.first_day_plays as f64 / rhythm.plays as f64),
    ("last_day_share", |rhythm| rhythm.last_day_plays as f64 / rhythm.plays as f64),
    ("hours_of_day", |rhythm| rhythm.hours_of_day.into()),
    // 1 where every hour of the day is alike, 24 where one has all.
    ("hour_of_day_evenness", |rhythm| 24.0 * rhythm.hour_squares as f64 / (rhythm.plays as f64).powi(2)),
];

/// The names of what [`values`] says; `more` is said of each window besides.
pub(super) fn names(more: &[OfView]) -> Vec<String> {
    let mut names = Vec::new();
    for window in WINDOWS {
        names.extend(OF_WINDOW.iter().chain(more).map(|(name, _)| format!("{window}_{name}")));
    }
    names.extend(AGAINST_PAST.names());
    names.extend(OF_RHYTHM.iter().map(|(name, _)| (*name).to_owned()));
    names.extend(TRAITS.iter().map(|of| format!("{of}_listeners")));
    names.extend(TRAITS.iter().map(|of| format!("{of}_plays")));
    names
}

/// What is known of an audience.
pub(super) struct Heard<'a> {
    /// The rows of its windows.
    pub rows: Rows<'a>,
    /// When the plays of the longest happened.
    pub rhythm: Option<&'a Rhythm>,
    /// The remarkable ones among the listeners.
    pub crowd: &'a Crowd,
    /// So many listeners are summed up in the crowd.
    pub listeners: u64,
    /// With so many plays.
    pub plays: u64,
}

/// Says all of it, in the order of [`names`].
pub(super) fn values(heard: &Heard, more: &[OfView]) -> Vec<f32> {
    let [day, week, month] = [day(heard.rows), week(heard.rows), month(heard.rows)];
    let mut values = Vec::new();
    for view in [&day, &week, &month] {
        let told = OF_WINDOW.iter().chain(more).map(|(_, of)| view.as_ref().map_or(f32::NAN, of));
        values.extend(told);
    }
    values.extend(AGAINST_PAST.values([day.as_ref(), week.as_ref(), month.as_ref()]));
    values.extend(OF_RHYTHM.iter().map(|(_, of)| heard.rhythm.map_or(f32::NAN, |rhythm| finite(of(rhythm)))));
    values.extend(heard.crowd.of_listeners(heard.listeners).map(finite));
    values.extend(heard.crowd.of_plays(heard.plays).map(finite));
    values
}
