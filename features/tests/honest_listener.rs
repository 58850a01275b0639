//! A law with a name: the most extreme real listener we know is never above hold, at any hour of any day.
//!
//! The exports are not part of this repository; the tests read them where they are at hand and say so where not.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::path::PathBuf;

use datasets::policy::built_in;
use features::WindowRow;
use features::risk::{assess_account, decide};
use features::signals::AccountFacts;
use records::policy::Origin;
use records::{Millis, Subject, Verdict};

const MINUTE_MS: Millis = 60_000;
const HOUR_MS: Millis = 60 * MINUTE_MS;
const DAY_MS: Millis = 24 * HOUR_MS;

struct Heard {
    ended_at: Millis,
    track: usize,
    artist: usize,
    played_ms: u64,
}

/// The plays of an account-data export, in order; `None` where it is not at hand.
fn export(listener: &str) -> Option<Vec<Heard>> {
    let beside = || PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../shared/data");
    let data = std::env::var_os("TRUESTREAM_SHARED_DATA").map_or_else(beside, PathBuf::from);
    let files = std::fs::read_dir(data.join("spotify-basic-export").join(listener)).ok()?;
    let mut names: HashMap<String, usize> = HashMap::new();
    let mut id = |name: String| {
        let next = names.len();
        *names.entry(name).or_insert(next)
    };
    let mut plays = Vec::new();
    for file in files {
        let text = std::fs::read_to_string(file.unwrap().path()).unwrap();
        let rows: Vec<serde_json::Value> = serde_json::from_str(&text).unwrap();
        plays.extend(rows.iter().map(|row| {
            let artist = row["artistName"].as_str().unwrap();
            Heard {
                ended_at: instant(row["endTime"].as_str().unwrap()),
                track: id(format!("{artist}\n{}", row["trackName"])),
                artist: id(artist.to_string()),
                played_ms: row["msPlayed"].as_u64().unwrap(),
            }
        }));
    }
    plays.sort_by_key(|play| play.ended_at);
    Some(plays)
}

/// "2022-04-06 00:02", UTC. Days by the civil calendar (Howard Hinnant, "chrono-compatible low-level date algorithms").
fn instant(text: &str) -> Millis {
    let part = |range: std::ops::Range<usize>| text[range].parse::<i64>().unwrap();
    let [year, month, day, hour, minute] = [part(0..4), part(5..7), part(8..10), part(11..13), part(14..16)];
    let year = if month <= 2 { year - 1 } else { year };
    let (era, of_era) = (year.div_euclid(400), year.rem_euclid(400));
    let of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    let days = era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719_468;
    days * DAY_MS + hour * HOUR_MS + minute * MINUTE_MS
}

fn row(plays: &[Heard]) -> WindowRow {
    let mut tracks: BTreeMap<usize, u32> = BTreeMap::new();
    plays.iter().for_each(|play| *tracks.entry(play.track).or_default() += 1);
    let count = |fits: fn(u64) -> bool| plays.iter().filter(|play| fits(play.played_ms)).count() as u32;
    WindowRow {
        plays: plays.len() as u32,
        payable: count(|ms| ms >= 30_000),
        edge: count(|ms| (30_000..35_000).contains(&ms)),
        skipped: count(|ms| ms < 30_000),
        played_ms: plays.iter().map(|play| play.played_ms).sum(),
        tracks: tracks.len() as u32,
        artists: plays.iter().map(|play| play.artist).collect::<HashSet<_>>().len() as u32,
        active_hours: plays.iter().map(|play| play.ended_at / HOUR_MS).collect::<HashSet<_>>().len() as u32,
        top_plays: tracks.values().copied().max().unwrap_or(0),
        sum_squares: tracks.values().map(|&plays| u64::from(plays).pow(2)).sum(),
        ..WindowRow::default()
    }
}

/// Between two judgements: days may begin at any hour, and after five days all hours had their turn. The worst 24 hours of
/// the extreme listener (729 plays, 43.8 h heard) are no day of the calendar (630 plays, 37.8 h).
const EVERY_MS: Millis = 5 * HOUR_MS;

/// The verdict as of every five hours from the first play on, by brute force over all plays of each window.
fn verdicts(plays: &[Heard]) -> Vec<(Verdict, u16, Vec<String>)> {
    let policy = built_in();
    let first = plays.first().unwrap().ended_at.div_euclid(EVERY_MS) + 1;
    let last = plays.last().unwrap().ended_at.div_euclid(EVERY_MS) + 1;
    let judge = |as_of: Millis| {
        let in_window = |window_ms: Millis| {
            let from = plays.partition_point(|play| play.ended_at < as_of - window_ms);
            let to = plays.partition_point(|play| play.ended_at < as_of);
            (window_ms, row(&plays[from..to]))
        };
        let rows = [1, 7, 28].map(|days| in_window(days * DAY_MS));
        let assessment = assess_account(&policy, &AccountFacts { rows: &rows, ..AccountFacts::default() });
        let decision = decide(&policy, Subject::Account, Origin::default(), &assessment);
        (decision.verdict, assessment.r.parts(), decision.reasons)
    };
    (first..=last).map(|tick| judge(tick * EVERY_MS)).collect()
}

/// The worst verdict on a listener; `None` if the export is not at hand.
fn worst(listener: &str) -> Option<Verdict> {
    let Some(plays) = export(listener) else {
        println!("SKIPPED: {listener} (no shared/data beside the repository, see TRUESTREAM_SHARED_DATA)");
        return None;
    };
    let verdicts = verdicts(&plays);
    let held = verdicts.iter().filter(|(verdict, ..)| *verdict > Verdict::Allow).count();
    let (verdict, risk, reasons) = verdicts.iter().max_by_key(|(verdict, risk, _)| (*verdict, *risk)).unwrap();
    println!("{listener}: {held} of {} times not allowed; worst {verdict} {risk}: {reasons:#?}", verdicts.len());
    Some(*verdict)
}

#[test]
fn the_extreme_listener_is_never_above_hold() {
    if let Some(worst) = worst("u01") {
        assert!(worst <= Verdict::Hold, "u01 was {worst}");
    }
}

#[test]
fn an_ordinary_listener_is_always_allowed() {
    if let Some(worst) = worst("u02") {
        assert_eq!(worst, Verdict::Allow);
    }
}
