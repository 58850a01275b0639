//! Small worlds, counted by hand.

use std::path::Path;

use datasets::tables::rows::{self, Column, ColumnKind, Value};
use datasets::tables::{IdKind, Inputs, Row, TableWriter};
use records::{Account, Correction, Id, Network, NetworkKind, Play, Track};

use super::compare::{Plan, changes, compare};
use super::expected::{Cell, Form, Query};
use super::found::{self, Line, Lines};
use super::settings::{Emit, Settings};
use super::views::{Span, VIEWS};
use super::{Oracle, Scope, check, check_within, load};
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
        hindsight: false,
        every_ms: HOUR,
        windows: vec![("1h".to_owned(), HOUR), ("24h".to_owned(), 24 * HOUR)],
        hub: 2,
        links: vec!["device".to_owned()],
        views: Vec::new(),
        emit: Emit::All,
        as_of_ms: None,
        policies: Vec::new(),
        tried: Vec::new(),
        gate: Vec::new(),
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
    let inputs = Inputs::in_folder(folder.path()).unwrap();
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
        ["7 plays=2 payable=2 edge=2 played_ms=64999 tracks=1 artists=1 countries=2 asns=1 top_track_plays=2 \
             track_sum_squares=4 track_entropy=0 active_hours=1 hosted=1 by_algorithm=1"]
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

/// Writes what the oracle expects as a replay would; `spoil` may change the lines of a view.
fn pretend_replay(world: &World, out: &Path, emit: Emit, spoil: impl Fn(&str, &mut Vec<Line>)) {
    let settings = Settings { emit, ..settings() };
    let connection = load::reopen(&world.oracle.database()).unwrap();
    let (first, last) = world.oracle.as_of_ms.unwrap();
    for view in VIEWS {
        let mut query = Query::new(view, &settings, world.oracle.text_ids, &connection).unwrap();
        let forms = query.forms().to_vec();
        let windows = query.windows();
        let mut before = vec![Vec::new(); windows.len()];
        let mut lines = Vec::new();
        for as_of in (first..=last).step_by(HOUR as usize).filter(|at| emit != Emit::Last || *at == last) {
            for (window, (_, length_ms)) in windows.iter().enumerate() {
                let state = query.rows(as_of, *length_ms).unwrap();
                let stated = match emit {
                    Emit::Changes => changes(&before[window], &state, view.keys.len(), false),
                    _ => state.iter().map(|cells| (0, cells.clone(), false)).collect(),
                };
                let stated = stated.into_iter().filter(|(_, _, optional)| !optional);
                lines.extend(stated.map(|(diff, cells, _)| Line { as_of, window, diff, cells }));
                before[window] = state;
            }
        }
        spoil(view.name, &mut lines);
        let mut kinds = vec![("as_of", ColumnKind::Instant)];
        kinds.extend((emit == Emit::Changes).then_some(("diff", ColumnKind::Int)));
        kinds.extend((view.span == Span::Windows).then_some(("window", ColumnKind::Text)));
        kinds.extend(view.columns().zip(&forms).map(|((name, _), form)| (name, found::kind_of(*form))));
        let columns: Vec<Column> =
            kinds.into_iter().map(|(name, kind)| Column { name: name.to_owned(), kind }).collect();
        let row = |line: &Line| {
            let mut row = vec![Value::Int(line.as_of)];
            row.extend((emit == Emit::Changes).then_some(Value::Int(line.diff)));
            let window = if line.window == 0 { "1h" } else { "24h" };
            row.extend((view.span == Span::Windows).then_some(Value::Text(window)));
            row.extend(line.cells.iter().zip(&forms).map(|(cell, form)| match cell {
                Cell::Whole(number) if *form == Form::NumberId => Value::UInt(load::unshifted(*number)),
                Cell::Whole(number) => Value::Int(*number),
                Cell::Real(number) => Value::Float(*number),
                Cell::Text(_) => Value::Text("device"),
                Cell::Null => Value::Null,
            }));
            row
        };
        let rows: Vec<Vec<Value>> = lines.iter().map(row).collect();
        rows::write(&out.join(format!("{}.parquet", view.name)), &columns, &rows).unwrap();
    }
    let names: Vec<&str> = VIEWS.iter().map(|view| view.name).chain(["verdict"]).collect();
    let run = serde_json::json!({
        "format": 1, "every_ms": HOUR, "windows": ["1h", "24h"], "windows_ms": [HOUR, 24 * HOUR], "hub": 2,
        "links": ["device"], "views": names, "first_as_of_ms": first, "last_as_of_ms": last,
        "emit": match emit { Emit::Last => "last", Emit::All => "all", Emit::Changes => "changes" },
    });
    std::fs::write(out.join("run.json"), run.to_string()).unwrap();
}

fn busy_world() -> (World, std::path::PathBuf) {
    let world = world(|folder| {
        let plays: Vec<Play> = (0..60_u64)
            .map(|number| {
                let account = number * number % 7;
                let mut play =
                    play(number, (number * number % 30).cast_signed() * HOUR / 3, account, number % 4, number);
                play.device_id = Some((account / 2 + number % 3 * 10).into());
                play.arrived_at = (number % 5 == 0).then_some(play.ended_at + 3 * HOUR);
                play.playlist_id = (number % 3 == 0).then_some((number % 2).into());
                play
            })
            .collect();
        write(folder, &plays);
        let mut track = Track::new(1.into());
        (track.uploader_id, track.distributor_id) = (Some(4.into()), Some(u64::MAX.wrapping_sub(1).into()));
        track.uploaded_at = Some(2 * HOUR);
        write(folder, &[track]);
    });
    let data = world._folder.path().to_owned();
    (world, data)
}

#[test]
fn a_right_answer_is_equal_and_a_wrong_one_is_named() {
    let (world, data) = busy_world();
    let inputs = Inputs::in_folder(&data).unwrap();
    for emit in [Emit::Last, Emit::All, Emit::Changes] {
        let out = tempfile::tempdir().unwrap();
        pretend_replay(&world, out.path(), emit, |_, _| {});
        for sample in [None, Some(3)] {
            let scope = Scope { sample, ..Scope::default() };
            let report = check_within(&inputs, out.path(), &scope).unwrap();
            assert!(report.equal, "{emit:?}\n{report}");
            assert_eq!(report.not_checked, ["verdict"]);
            assert_eq!(report.views.len(), VIEWS.len());
        }

        pretend_replay(&world, out.path(), emit, |view, lines| {
            if view == "track_window" {
                let last = lines.len() - 1;
                lines[last].cells[1] = Cell::Whole(77);
            }
        });
        let report = check(&inputs, out.path()).unwrap();
        let differing: Vec<_> = report.views.iter().filter(|view| view.differences > 0).collect();
        assert_eq!(differing.len(), 1, "{emit:?}\n{report}");
        assert_eq!((differing[0].view.as_str(), differing[0].differences), ("track_window", 1));
        assert!(differing[0].shown[0].ends_with("found 77") || differing[0].shown[0].contains("found 77;"), "{report}");
    }
}

#[test]
fn what_cannot_be_checked_is_said() {
    let (world, data) = busy_world();
    let out = tempfile::tempdir().unwrap();
    let inputs = Inputs::in_folder(&data).unwrap();
    let no_run = check(&inputs, out.path()).unwrap_err();
    assert!(matches!(&no_run, Failure::Input(why) if why.contains("run.json")), "{no_run}");

    pretend_replay(&world, out.path(), Emit::Last, |_, _| {});
    let unknown = Scope { views: vec!["weather".to_owned()], ..Scope::default() };
    let unknown = check_within(&inputs, out.path(), &unknown).unwrap_err();
    assert!(matches!(unknown, Failure::Usage(_)), "{unknown}");

    let columns = ["play_id", "ended_at", "account", "track_id", "played_ms"];
    let columns = columns.map(|name| Column { name: name.to_owned(), kind: ColumnKind::Int });
    rows::write(&data.join("plays-2.parquet"), &columns, &[]).unwrap();
    let missing = check(&Inputs::in_folder(&data).unwrap(), out.path()).unwrap_err().to_string();
    assert!(missing.contains("plays-2.parquet") && missing.contains("`account_id` is missing"), "{missing}");
    assert!(missing.ends_with("columns found: play_id, ended_at, account, track_id, played_ms"), "{missing}");
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
