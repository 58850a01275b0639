//! Small worlds, counted by hand.

use std::path::Path;

use datasets::tables::{IdKind, Row, TableWriter};
use records::{Account, Correction, Id, Network, NetworkKind, Play, Track};

use super::compare::{Plan, compare, instant};
use super::expected::{Cell, Form, Query};
use super::found::{Line, Lines};
use super::settings::{Emit, Settings};
use super::views::VIEWS;
use super::{Inputs, Oracle, load};
use crate::exit::Failure;

const HOUR: i64 = 3_600_000;
const MINUTE: i64 = 60_000;

fn play(play_id: u64, ended_at: i64, account_id: u64, track_id: u64, played_ms: u64) -> Play {
    Play {
        play_id: play_id.into(),
        ended_at,
        arrived_at: None,
        account_id: account_id.into(),
        track_id: track_id.into(),
        played_ms,
        track_ms: None,
        device_id: None,
        ip_prefix: None,
        asn: None,
        country: None,
        platform: None,
        source: None,
        playlist_id: None,
        reason_start: None,
        reason_end: None,
        shuffle: None,
        offline: None,
    }
}

fn write<R: Row + Clone>(folder: &Path, rows: &[R]) {
    let mut writer = TableWriter::create(folder, IdKind::Number).unwrap();
    for row in rows {
        writer.push(row.clone()).unwrap();
    }
    writer.finish().unwrap();
}

fn settings() -> Settings {
    Settings {
        every_ms: HOUR,
        windows: vec![("1h".to_owned(), HOUR), ("24h".to_owned(), 24 * HOUR)],
        hub: 2,
        links: vec!["device".to_owned()],
        views: Vec::new(),
        emit: Emit::All,
        as_of_ms: None,
    }
}

/// A folder of tables and the oracle that read it.
struct World {
    oracle: Oracle,
    _folder: tempfile::TempDir,
}

fn world(fill: impl FnOnce(&Path)) -> World {
    let folder = tempfile::tempdir().unwrap();
    fill(folder.path());
    let inputs = Inputs::from_folder(folder.path()).unwrap();
    World { oracle: Oracle::new(&inputs, settings()).unwrap(), _folder: folder }
}

impl World {
    /// The view's rows as of the hour, each as `key …: column value …`, zeros left out.
    fn rows(&self, view: &str, hour: i64, window_ms: i64) -> Vec<String> {
        let view = VIEWS.iter().find(|known| known.name == view).unwrap();
        let connection = load::reopen(&self.oracle.database()).unwrap();
        let mut query = Query::new(view, &self.oracle.settings, self.oracle.text_ids, &connection).unwrap();
        let forms = query.forms().to_vec();
        let rows = query.rows(hour * HOUR, window_ms).unwrap();
        let show = |row: Vec<Cell>| {
            let cells = row.iter().zip(&forms).zip(view.columns()).enumerate();
            let said = cells.filter(|(at, ((cell, _), _))| *at < view.keys.len() || **cell != Cell::Whole(0));
            let said = said.map(|(at, ((cell, form), (name, _)))| match at < view.keys.len() {
                true => cell.show(form.is_id()),
                false => format!("{name}={}", cell.show(form.is_id())),
            });
            said.collect::<Vec<_>>().join(" ")
        };
        rows.into_iter().map(show).collect()
    }

    fn refusals(&self) -> Vec<String> {
        let connection = load::reopen(&self.oracle.database()).unwrap();
        let mut statement = connection.prepare("SELECT source || ' ' || row || ' ' || code FROM refusal").unwrap();
        let rows = statement.query_map([], |row| row.get(0)).unwrap();
        let mut rows: Vec<String> = rows.map(Result::unwrap).collect();
        rows.sort();
        rows
    }
}

#[test]
fn an_accounts_numbers_are_those_of_its_plays() {
    let world = world(|folder| {
        let mut plays = vec![
            play(1, 10 * MINUTE, 7, 100, 30_000),
            play(2, 59 * MINUTE, 7, 100, 34_999),
            play(3, 60 * MINUTE, 7, 100, 35_000),
            play(4, 61 * MINUTE, 7, 101, 29_999),
        ];
        plays[0].asn = Some(9);
        plays[0].country = Some("DE".to_owned());
        plays[1].country = Some("FR".to_owned());
        plays[1].source = Some("algorithmic".to_owned());
        plays[2].shuffle = Some(true);
        plays[3].source = Some("radio".to_owned());
        write(folder, &plays);
        write(folder, &[Network { asn: 9, kind: NetworkKind::Vpn }]);
        let mut track = Track::new(100.into());
        // An artist whose id is that of a track without one: they are two artists all the same.
        track.artist_id = Some(101.into());
        write(folder, &[track]);
    });

    assert_eq!(world.oracle.as_of_ms, Some((HOUR, 2 * HOUR)));
    assert_eq!(
        world.rows("account_window", 1, HOUR),
        [format!(
            "7 plays=2 payable=2 edge=2 played_ms=64999 tracks=1 artists=1 countries=2 asns=1 top_track_plays=2 \
             track_sum_squares=4 track_entropy={} active_hours=1 hosted=1 by_algorithm=1",
            -0.0
        )]
    );
    let entropy = -(0.75 * 0.75_f64.ln() + 0.25 * 0.25_f64.ln());
    assert_eq!(
        world.rows("account_window", 2, 24 * HOUR),
        [format!(
            "7 plays=4 payable=3 edge=2 played_ms=129998 tracks=2 artists=2 countries=2 asns=1 top_track_plays=3 \
             track_sum_squares=10 track_entropy={entropy} active_hours=2 shuffled=1 skipped=1 hosted=1 by_algorithm=1"
        )]
    );
}

#[test]
fn late_and_corrected_plays_count_from_when_they_are_known() {
    let world = world(|folder| {
        let mut late = play(1, 10 * MINUTE, 1, 100, 1_000);
        // At the full hour it is not yet known.
        late.arrived_at = Some(2 * HOUR);
        let mut before_its_end = play(2, 20 * MINUTE, 1, 100, 2_000);
        before_its_end.arrived_at = Some(0);
        write(folder, &[late, before_its_end, play(3, 30 * MINUTE, 1, 100, 4_000)]);
        let corrected = |play_id: u64, arrived_at| Correction { play_id: play_id.into(), arrived_at, reason: None };
        write(folder, &[corrected(2, 3 * HOUR), corrected(2, 2 * HOUR + 1), corrected(3, 5), corrected(9, 5 * HOUR)]);
    });
    let heard = |hour| world.rows("track_window", hour, 24 * HOUR);

    // Play 3 was forgotten before it happened; the correction of a play that never comes still is news.
    assert_eq!(world.oracle.as_of_ms, Some((HOUR, 6 * HOUR)));
    assert!(heard(1)[0].starts_with("100 plays=1 played_ms=2000"), "{:?}", heard(1));
    assert!(heard(2)[0].starts_with("100 plays=1 played_ms=2000"), "{:?}", heard(2));
    assert!(heard(3)[0].starts_with("100 plays=1 played_ms=1000"), "{:?}", heard(3));
    assert_eq!(world.rows("track_window", 3, HOUR), [""; 0]);
    assert_eq!(heard(25), [""; 0]);
}

#[test]
fn a_track_takes_its_history_to_its_next_owner() {
    let world = world(|folder| {
        write(folder, &[play(1, 10 * MINUTE, 1, 100, 0), play(2, 3 * HOUR, 2, 100, 0), play(3, 3 * HOUR, 2, 101, 0)]);
        let owned = |track_id: u64, artist: u64, valid_from| {
            let mut track = Track::new(track_id.into());
            track.artist_id = Some(artist.into());
            track.uploader_id = Some((artist * 10).into());
            track.uploaded_at = Some(HOUR / 2);
            track.valid_from = valid_from;
            track
        };
        write(
            folder,
            &[
                owned(100, 5, None),
                owned(100, 6, Some(2 * HOUR)),
                owned(101, 6, None),
                owned(102, 5, Some(0)),
                owned(100, 5, None),
                owned(101, 7, None),
            ],
        );
        let account = |id: u64, created_at| Account {
            account_id: id.into(),
            created_at: Some(created_at),
            plan: None,
            country: None,
            payment_id: None,
            family_id: None,
            email_domain_class: None,
        };
        write(folder, &[account(1, 10 * MINUTE), account(2, 3 * HOUR + 1)]);
    });

    assert_eq!(
        world.rows("artist_window", 2, 24 * HOUR),
        ["5 plays=1 listeners=1 top_account_plays=1 account_sum_squares=1 new_account_plays=1 tracks=1"]
    );
    assert_eq!(
        world.rows("artist_window", 4, 24 * HOUR),
        ["6 plays=3 listeners=2 top_account_plays=2 account_sum_squares=5 new_account_plays=1 tracks=2"]
    );
    assert_eq!(
        world.rows("uploader_window", 1, HOUR),
        [
            "50 plays=1 listeners=1 top_account_plays=1 account_sum_squares=1 new_account_plays=1 tracks=1 uploads=2",
            "60 uploads=1",
        ]
    );
    assert_eq!(world.rows("uploader_window", 3, 24 * HOUR)[0], "50 uploads=1");
    assert_eq!(world.refusals(), ["tracks 4 repeated", "tracks 5 conflicting"]);
}

#[test]
fn devices_join_accounts_unless_they_are_hubs() {
    let world = world(|folder| {
        let used = |play_id: u64, hour: i64, account: u64, device: u64| {
            let mut play = play(play_id, hour * HOUR, account, 100, 0);
            play.device_id = Some(device.into());
            play
        };
        write(
            folder,
            &[
                used(1, 0, 3, 50),
                used(2, 0, 2, 50),
                used(3, 1, 3, 51),
                used(4, 1, 9, 51),
                used(5, 1, 4, 52),
                used(6, 1, 5, 52),
                used(7, 1, 6, 52),
                used(8, 1, 8, 53),
            ],
        );
    });

    assert_eq!(world.rows("account_group", 1, 168 * HOUR), ["2 group_id=2 size=2", "3 group_id=2 size=2"]);
    assert_eq!(
        world.rows("account_group", 2, 168 * HOUR),
        ["2 group_id=2 size=3", "3 group_id=2 size=3", "9 group_id=2 size=3"]
    );
    assert_eq!(world.rows("hubs", 2, 168 * HOUR), ["device 52 accounts=3"]);
    // A week later the first link is gone.
    assert_eq!(world.rows("account_group", 169, 168 * HOUR), ["3 group_id=3 size=2", "9 group_id=3 size=2"]);
}

#[test]
fn lockstep_is_meeting_five_times_in_small_company() {
    let bucket = 10 * MINUTE;
    let world = world(|folder| {
        let mut plays = Vec::new();
        let mut meet = |account: u64, track: u64, bucket_number: i64| {
            plays.push(play(plays.len() as u64, bucket_number * bucket + 7, account, track, 0));
        };
        for meeting in 0..5 {
            meet(1, 100, meeting);
            meet(2, 100, meeting);
            // Twice in the same ten minutes is once.
            meet(2, 100, meeting);
        }
        // Account 3 meets them five times, but once among 51.
        for meeting in 1..5 {
            meet(3, 100, meeting);
        }
        for account in (1..=3).chain(1_000..1_048) {
            meet(account, 7, 5);
        }
        write(folder, &plays);
    });

    assert_eq!(world.rows("lockstep", 1, 24 * HOUR), ["1 2 shared=5"]);
}

#[test]
fn rows_that_are_no_plays_are_refused() {
    let world = world(|folder| {
        let first = play(1, HOUR, 1, 100, 5);
        let mut earlier = first.clone();
        earlier.ended_at = HOUR - 1;
        let mut later_arrival = first.clone();
        later_arrival.arrived_at = Some(3 * HOUR);
        let mut smaller = first.clone();
        smaller.track_id = Id::from(99);
        let mut long_country = play(5, 0, 1, 1, 1);
        long_country.country = Some("WORLD".to_owned());
        write(
            folder,
            &[
                first.clone(),
                later_arrival,
                smaller,
                earlier,
                first,
                play(2, -1, 1, 1, 1),
                play(3, 7_258_118_400_000, 1, 1, 1),
                play(4, 0, 1, 1, 4_294_967_296),
                long_country,
                play(u64::MAX, 0, 1, 1, 1),
                play(u64::MAX - 1, 7_258_118_399_999, 1, 1, 4_294_967_295),
            ],
        );
    });

    // The earliest arrival is the play: row 3.
    assert_eq!(
        world.refusals(),
        [
            "plays 0 conflicting",
            "plays 1 conflicting",
            "plays 2 conflicting",
            "plays 4 conflicting",
            "plays 5 out_of_range",
            "plays 6 out_of_range",
            "plays 7 out_of_range",
            "plays 8 out_of_range",
            "plays 9 out_of_range",
        ]
    );
}

/// Lines from memory.
struct Written(Vec<Line>);

impl Lines for Written {
    fn peek(&self) -> Option<&Line> {
        self.0.first()
    }

    fn step(&mut self) -> Result<(), Failure> {
        self.0.remove(0);
        Ok(())
    }
}

/// A view of one key and one value that is `states[as_of]`; compares the lines with it.
fn against(states: &[&[(i64, i64)]], emit: Emit, lines: &[(i64, i64, i64, i64)]) -> (u64, Vec<String>) {
    let instants: Vec<i64> = (0..states.len() as i64).collect();
    let plan = Plan {
        instants: &instants,
        sampled: false,
        every_ms: 1,
        first_ms: 0,
        emit,
        windows: &[("1h".to_owned(), 0)],
        columns: &[("key", Form::Count), ("plays", Form::Count)],
        keys: 1,
    };
    let line = |&(as_of, diff, key, value): &(i64, i64, i64, i64)| Line {
        as_of,
        window: 0,
        diff,
        cells: vec![Cell::Whole(key), Cell::Whole(value)],
    };
    let state = |as_of: i64, _: i64| {
        let rows = states[as_of as usize].iter();
        Ok(rows.map(|&(key, value)| vec![Cell::Whole(key), Cell::Whole(value)]).collect())
    };
    let outcome = compare(&plan, state, &mut Written(lines.iter().map(line).collect()), || ()).unwrap();
    (outcome.agreed, outcome.shown)
}

#[test]
fn every_kind_of_difference_is_named() {
    let states: [&[(i64, i64)]; 2] = [&[(1, 10), (3, 30)], &[(1, 10), (2, 20)]];
    let right = [(0, 0, 1, 10), (0, 0, 3, 30), (1, 0, 1, 10), (1, 0, 2, 20)];
    assert_eq!(against(&states, Emit::All, &right), (4, vec![]));

    let at = "as of 1970-01-01T00:00:00";
    let wrong = [(0, 0, 1, 11), (0, 0, 2, 20), (1, 0, 1, 10), (1, 0, 2, 20), (5, 0, 1, 1)];
    assert_eq!(
        against(&states, Emit::All, &wrong),
        (
            2,
            vec![
                format!("{at}Z, window 1h, key 1: plays expected 10, found 11"),
                format!("{at}Z, window 1h, key 2: expected no such row (here), found plays 20"),
                format!("{at}Z, window 1h, key 3: expected plays 30, found no such row"),
                format!("{at}.005Z, window 1h, key 1: expected no such row (here), found plays 1"),
            ]
        )
    );
}

#[test]
fn changes_take_back_what_was_and_state_what_is() {
    let states: [&[(i64, i64)]; 3] = [&[(1, 10), (3, 30)], &[(1, 11), (2, 20)], &[(1, 11), (2, 20)]];
    let right = [(0, 1, 1, 10), (0, 1, 3, 30), (1, -1, 1, 10), (1, 1, 1, 11), (1, 1, 2, 20), (1, -1, 3, 30)];
    assert_eq!(against(&states, Emit::Changes, &right), (6, vec![]));

    let silent = &right[..5];
    assert_eq!(
        against(&states, Emit::Changes, silent),
        (
            5,
            vec![
                "as of 1970-01-01T00:00:00.001Z, window 1h, diff -1, key 3: expected plays 30, found no such row"
                    .to_owned()
            ]
        )
    );
}

#[test]
fn instants_are_dates() {
    assert_eq!(instant(951_782_400_000), "2000-02-29T00:00:00Z");
    assert_eq!(instant(1_767_225_599_999), "2025-12-31T23:59:59.999Z");
}
