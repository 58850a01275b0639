//! The world's ordinary listeners behave like people: their statistics lie in the ranges measured over real listeners.
//!
//! The ranges are those of seven people's exports (years each) and, where seven heavy users say nothing about a population, of
//! the laws fitted to them; `docs/WORLD.md` shows the whole table, with the rows that cannot be checked here and why.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::RangeInclusive;

use datasets::world::{World, WorldSpec};
use records::{Id, Play};

const DAY_MS: i64 = 86_400_000;
const HOUR_MS: i64 = 3_600_000;
/// Exports of the seven cover 9-14 months.
const DAYS: u32 = 300;
/// The seven are heavy users: comparisons with them are made with listeners of at least this many plays.
const HEAVY_PLAYS: usize = 4_000;

/// A world's plays told once, by account, in the order of the ear.
type Listeners = BTreeMap<Id, Vec<Play>>;

/// The worlds that are looked at: one, because they are long. `TRUESTREAM_WORLD_SEEDS=2,3,4` names others,
/// `TRUESTREAM_WORLD_ACCOUNTS` another size.
fn specs() -> impl Iterator<Item = WorldSpec> {
    let seeds = std::env::var("TRUESTREAM_WORLD_SEEDS").unwrap_or_else(|_| "1".to_owned());
    let accounts = std::env::var("TRUESTREAM_WORLD_ACCOUNTS").map_or(150, |accounts| accounts.parse().unwrap());
    let seeds: Vec<u64> = seeds.split(',').map(|seed| seed.trim().parse().unwrap()).collect();
    let people = WorldSpec { accounts, days: DAYS, attacks: false, lookalikes: false, ..WorldSpec::default() };
    seeds.into_iter().map(move |seed| WorldSpec { seed, ..people.clone() })
}

fn listen(spec: &WorldSpec) -> Listeners {
    let mut listeners = Listeners::new();
    let (mut plays, _) = World::new(spec).unwrap().telemetry();
    plays.sort_by_key(|play| play.ended_at);
    let mut seen = BTreeSet::new();
    for play in plays {
        if seen.insert(play.play_id.clone()) {
            listeners.entry(play.account_id.clone()).or_default().push(play);
        }
    }
    listeners
}

/// Collects what is out of range, so that one run shows all of it.
#[derive(Default)]
struct Checks {
    seed: u64,
    failed: Vec<String>,
}

impl Checks {
    fn within(&mut self, name: &str, value: f64, range: RangeInclusive<f64>) {
        println!("{}|{name:44} {value:10.4}   {:.4} .. {:.4}", self.seed, range.start(), range.end());
        if !range.contains(&value) {
            self.failed.push(format!("seed {}: {name}: {value:.4} is not in {range:?}", self.seed));
        }
    }
}

fn share<T>(rows: &[T], test: impl Fn(&T) -> bool) -> f64 {
    rows.iter().filter(|row| test(row)).count() as f64 / rows.len() as f64
}

fn quantile(values: &mut [f64], at: f64) -> f64 {
    values.sort_by(f64::total_cmp);
    values[((values.len() - 1) as f64 * at).round() as usize]
}

/// The median over listeners of a number of each.
fn middle<'a>(listeners: impl Iterator<Item = &'a Vec<Play>>, number: impl Fn(&[Play]) -> f64) -> f64 {
    quantile(&mut listeners.map(|plays| number(plays)).collect::<Vec<_>>(), 0.5)
}

fn counts<K: Ord>(keys: impl Iterator<Item = K>) -> Vec<f64> {
    let mut counts: BTreeMap<K, u32> = BTreeMap::new();
    keys.for_each(|key| *counts.entry(key).or_default() += 1);
    let mut counts: Vec<f64> = counts.into_values().map(f64::from).collect();
    counts.sort_by(|a, b| b.total_cmp(a));
    counts
}

fn entropy_bits(counts: &[f64]) -> f64 {
    let total: f64 = counts.iter().sum();
    -counts.iter().map(|count| count / total * (count / total).log2()).sum::<f64>()
}

fn top(counts: &[f64], n: usize) -> f64 {
    counts.iter().take(n).sum::<f64>() / counts.iter().sum::<f64>()
}

/// Slope of log count over log rank among the first hundred.
fn zipf_exponent(counts: &[f64]) -> f64 {
    let points: Vec<(f64, f64)> =
        counts.iter().take(100).enumerate().map(|(rank, count)| (((rank + 1) as f64).ln(), count.ln())).collect();
    let mean = |value: fn(&(f64, f64)) -> f64| points.iter().map(value).sum::<f64>() / points.len() as f64;
    let (x, y) = (mean(|p| p.0), mean(|p| p.1));
    let covariance: f64 = points.iter().map(|p| (p.0 - x) * (p.1 - y)).sum();
    -covariance / points.iter().map(|p| (p.0 - x).powi(2)).sum::<f64>()
}

fn word(value: &Option<String>) -> &str {
    value.as_deref().unwrap_or("")
}

/// Plays between silences of half an hour.
fn sessions(plays: &[Play]) -> Vec<&[Play]> {
    plays.chunk_by(|a, b| b.ended_at - b.played_ms as i64 - a.ended_at < 30 * 60_000).collect()
}

fn days(plays: &[Play]) -> Vec<&[Play]> {
    plays.chunk_by(|a, b| a.ended_at / DAY_MS == b.ended_at / DAY_MS).collect()
}

#[test]
fn listeners_are_like_people() {
    let mut check = Checks::default();
    for spec in specs() {
        check.seed = spec.seed;
        let listeners = listen(&spec);
        lengths_and_reasons(&listeners, &mut check);
        days_and_sessions(&listeners, &mut check);
        tastes(&spec, &listeners, &mut check);
    }
    assert!(check.failed.is_empty(), "{:#?}", check.failed);
}

fn lengths_and_reasons(listeners: &Listeners, check: &mut Checks) {
    let plays: Vec<&Play> = listeners.values().flatten().collect();

    let heard = |low: u64, high: u64| share(&plays, |play| (low * 1_000..high * 1_000).contains(&play.played_ms));
    check.within("heard < 30 s", heard(0, 30), 0.20..=0.30);
    check.within("heard < 1 s", heard(0, 1), 0.02..=0.08);
    check.within("heard 1-5 s", heard(1, 5), 0.09..=0.13);
    check.within("heard 5-10 s", heard(5, 10), 0.02..=0.05);
    check.within("heard 10-30 s", heard(10, 30), 0.03..=0.07);
    check.within("heard 30-31 s", heard(30, 31), 0.0005..=0.0025);
    check.within("heard 31-36 s", heard(31, 36), 0.004..=0.0135);
    check.within("heard 36-60 s", heard(36, 60), 0.016..=0.041);
    check.within("heard 60-120 s", heard(60, 120), 0.04..=0.11);
    check.within("heard 120-180 s", heard(120, 180), 0.10..=0.21);
    check.within("heard 180-240 s", heard(180, 240), 0.20..=0.37);
    check.within("heard 240-300 s", heard(240, 300), 0.06..=0.20);
    check.within("heard 300-600 s", heard(300, 600), 0.035..=0.083);

    let ratio = |low: f64, high: f64| {
        share(&plays, |play| (low..high).contains(&(play.played_ms as f64 / play.track_ms.unwrap() as f64)))
    };
    check.within("heard / length < .1", ratio(0.0, 0.1), 0.06..=0.30);
    check.within("heard / length .1-.75", ratio(0.1, 0.75), 0.03..=0.13);
    check.within("heard / length .75-.98", ratio(0.75, 0.98), 0.01..=0.15);
    check.within("heard / length .98-1.02", ratio(0.98, 1.02), 0.52..=0.89);
    check.within("heard / length > 1.02", ratio(1.02, 99.0), 0.002..=0.019);

    let skips = |plays: &[Play]| share(plays, |play| play.played_ms < 30_000);
    let mut per_listener: Vec<f64> = listeners.values().filter(|plays| plays.len() > 300).map(|p| skips(p)).collect();
    let mean = per_listener.iter().sum::<f64>() / per_listener.len() as f64;
    let deviation =
        (per_listener.iter().map(|share| (share - mean).powi(2)).sum::<f64>() / per_listener.len() as f64).sqrt();
    check.within("skips per listener, median", quantile(&mut per_listener, 0.5), 0.20..=0.30);
    check.within("skips per listener, deviation", deviation, 0.08..=0.16);

    let end = |reason: &str| share(&plays, |play| word(&play.reason_end) == reason);
    check.within("ends by trackdone", end("trackdone"), 0.60..=0.64);
    check.within("ends by fwdbtn", end("fwdbtn"), 0.10..=0.18);
    check.within("ends by endplay", end("endplay"), 0.14..=0.18);
    check.within("ends by logout", end("logout"), 0.03..=0.05);
    check.within("ends by unexpected exit", end("unexpected-exit-while-paused"), 0.01..=0.04);
    check.within("ends by backbtn", end("backbtn"), 0.004..=0.017);
    let start = |reason: &str| share(&plays, |play| word(&play.reason_start) == reason);
    check.within("starts by trackdone", start("trackdone"), 0.60..=0.63);
    check.within("starts by fwdbtn", start("fwdbtn"), 0.11..=0.19);
    check.within("starts by clickrow", start("clickrow"), 0.13..=0.19);
    check.within("starts by playbtn", start("playbtn"), 0.015..=0.034);
    check.within("starts by appload", start("appload"), 0.010..=0.025);
    check.within("starts by unknown", start("unknown"), 0.0..=0.04);
    check.within("starts by backbtn", start("backbtn"), 0.004..=0.014);

    let secs = |reason: &str, at: f64| {
        let of_reason = plays.iter().filter(|play| word(&play.reason_end) == reason);
        quantile(&mut of_reason.map(|play| play.played_ms as f64 / 1_000.0).collect::<Vec<_>>(), at)
    };
    check.within("trackdone seconds, median", secs("trackdone", 0.5), 195.0..=210.0);
    check.within("trackdone seconds, p5", secs("trackdone", 0.05), 100.0..=130.0);
    check.within("trackdone seconds, p95", secs("trackdone", 0.95), 310.0..=365.0);
    check.within("fwdbtn seconds, median", secs("fwdbtn", 0.5), 2.0..=5.0);
    check.within("endplay seconds, median", secs("endplay", 0.5), 12.0..=19.0);
    check.within("logout seconds, median", secs("logout", 0.5), 51.0..=95.0);
    check.within("backbtn seconds, median", secs("backbtn", 0.5), 1.0..=2.0);

    let shuffle = |plays: &[Play]| share(plays, |play| play.shuffle == Some(true));
    check.within("shuffle per listener, median", middle(listeners.values(), shuffle), 0.61..=0.89);
    check.within("offline", share(&plays, |play| play.offline == Some(true)), 0.015..=0.033);
    for (platform, wanted) in [("ios", 0.38), ("android", 0.31), ("desktop", 0.18), ("web", 0.05), ("cast", 0.05)] {
        let found = share(&plays, |play| word(&play.platform) == platform);
        // 150 accounts, the heavy ones weigh most: the shares scatter by about a third.
        check.within(platform, found, wanted * 0.6..=wanted * 1.4);
    }
}

fn days_and_sessions(listeners: &Listeners, check: &mut Checks) {
    let per_day = |plays: &[Play]| days(plays).iter().map(|day| day.len() as f64).collect::<Vec<_>>();
    let enough = || listeners.values().filter(|plays| days(plays).len() >= 20);
    let mut medians: Vec<f64> = enough().map(|plays| quantile(&mut per_day(plays), 0.5)).collect();
    let logs: Vec<f64> = medians.iter().map(|median| median.ln()).collect();
    let mean = logs.iter().sum::<f64>() / logs.len() as f64;
    let spread = (logs.iter().map(|log| (log - mean).powi(2)).sum::<f64>() / logs.len() as f64).sqrt();
    check.within("plays per active day: median of medians", quantile(&mut medians, 0.5), 10.0..=17.0);
    check.within("plays per active day: spread of medians", spread, 0.65..=1.0);
    check.within("plays per active day: heaviest median", quantile(&mut medians, 1.0), 60.0..=200.0);

    let day_sigma = |plays: &[Play]| {
        let mut logs: Vec<f64> = per_day(plays).iter().map(|plays| plays.ln()).collect();
        (quantile(&mut logs, 0.84) - quantile(&mut logs, 0.16)) / 2.0
    };
    check.within("day-to-day sigma, median", middle(enough(), day_sigma), 0.65..=0.95);

    let active = |plays: &[Play]| days(plays).len() as f64 / f64::from(DAYS);
    let mut active: Vec<f64> = listeners.values().map(|plays| active(plays)).collect();
    // The law is Beta(2.2, 1.3): quartiles .46, .66, .83; the seven were active on .52 to .995 of the days.
    check.within("active-day share, median", quantile(&mut active, 0.5), 0.57..=0.75);
    check.within("active-day share, first quartile", quantile(&mut active, 0.25), 0.36..=0.56);

    let mut hours: Vec<f64> = Vec::new();
    for plays in listeners.values() {
        let per_day = days(plays);
        hours.extend(
            per_day.iter().map(|day| day.iter().map(|play| play.played_ms as f64).sum::<f64>() / HOUR_MS as f64),
        );
    }
    check.within("hours per active day, p50", quantile(&mut hours, 0.5), 0.4..=2.2);
    check.within("hours per active day, p95", quantile(&mut hours, 0.95), 2.0..=12.0);
    check.within("hours per active day, p99", quantile(&mut hours, 0.99), 3.0..=12.0);

    let heavy = || listeners.values().filter(|plays| plays.len() >= HEAVY_PLAYS);
    check.within("heavy listeners, share", heavy().count() as f64 / listeners.len() as f64, 0.13..=0.60);
    let session_plays = |at: f64| {
        move |plays: &[Play]| quantile(&mut sessions(plays).iter().map(|s| s.len() as f64).collect::<Vec<_>>(), at)
    };
    check.within("plays per session, p50", middle(heavy(), session_plays(0.5)), 5.0..=16.0);
    check.within("plays per session, p95", middle(heavy(), session_plays(0.95)), 29.0..=126.0);
    check.within("plays per session, p99", middle(heavy(), session_plays(0.99)), 44.0..=270.0);
    let per_active_day = |plays: &[Play]| sessions(plays).len() as f64 / days(plays).len() as f64;
    check.within("sessions per active day", middle(heavy(), per_active_day), 1.75..=4.6);
    let minutes = |at: f64| {
        move |plays: &[Play]| {
            let length =
                |s: &&[Play]| (s[s.len() - 1].ended_at - s[0].ended_at + s[0].played_ms as i64) as f64 / 60_000.0;
            quantile(&mut sessions(plays).iter().map(length).collect::<Vec<_>>(), at)
        }
    };
    check.within("session minutes, p50", middle(heavy(), minutes(0.5)), 20.0..=50.0);
    check.within("session minutes, p95", middle(heavy(), minutes(0.95)), 78.0..=372.0);
    let gaps = |at: f64| {
        move |plays: &[Play]| {
            let gap = |pair: &[Play]| (pair[1].ended_at - pair[1].played_ms as i64 - pair[0].ended_at) as f64 / 1_000.0;
            let of_session = |s: &&[Play]| s.windows(2).map(gap).collect::<Vec<_>>();
            quantile(&mut sessions(plays).iter().flat_map(of_session).collect::<Vec<_>>(), at)
        }
    };
    check.within("gap in a session, seconds, p50", middle(heavy(), gaps(0.5)), 0.3..=0.7);
    check.within("gap in a session, seconds, p75", middle(heavy(), gaps(0.75)), 0.8..=2.0);

    let by_hour = |plays: &[Play]| {
        let mut hours = [0.0; 24];
        plays.iter().for_each(|play| hours[(play.ended_at / HOUR_MS % 24) as usize] += 1.0);
        hours
    };
    let hour_entropy = |plays: &[Play]| {
        let counts: Vec<f64> = by_hour(plays).into_iter().filter(|&count| count > 0.0).collect();
        entropy_bits(&counts)
    };
    let quietest = |plays: &[Play]| {
        let hours = by_hour(plays);
        let six = |from: usize| (from..from + 6).map(|hour| hours[hour % 24]).sum::<f64>();
        (0..24).map(six).fold(f64::MAX, f64::min) / hours.iter().sum::<f64>()
    };
    let each = |number: &dyn Fn(&[Play]) -> f64| heavy().map(|plays| number(plays)).collect::<Vec<_>>();
    for at in [0.05, 0.5, 0.95] {
        check.within("entropy of hours, bits", quantile(&mut each(&hour_entropy), at), 3.94..=4.52);
        check.within("share of the quietest six hours", quantile(&mut each(&quietest), at), 0.008..=0.194);
    }
    let weekdays = |plays: &[Play]| {
        let mut week = [0.0; 7];
        plays.iter().for_each(|play| week[(play.ended_at / DAY_MS % 7) as usize] += 1.0);
        week.iter().copied().fold(0.0, f64::max) / week.iter().copied().fold(f64::MAX, f64::min)
    };
    check.within("busiest / quietest weekday", middle(heavy(), weekdays), 1.3..=3.2);
}

fn tastes(spec: &WorldSpec, listeners: &Listeners, check: &mut Checks) {
    let world = World::new(spec);
    let artists: BTreeMap<Id, Id> =
        world.unwrap().tracks().map(|track| (track.track_id, track.artist_id.unwrap())).collect();
    let heavy = || listeners.values().filter(|plays| plays.len() >= HEAVY_PLAYS);

    let repeats = |plays: &[Play]| share(&plays.windows(2).collect::<Vec<_>>(), |p| p[0].track_id == p[1].track_id);
    check.within("immediate repeats, median", middle(heavy(), repeats), 0.016..=0.124);
    let longest_run =
        |plays: &[Play]| plays.chunk_by(|a, b| a.track_id == b.track_id).map(<[Play]>::len).max().unwrap_or(0) as f64;
    check.within("longest run of a track", middle(heavy(), longest_run), 6.0..=9.0);
    let most_a_day = |plays: &[Play]| {
        let most = |day: &&[Play]| counts(day.iter().map(|play| &play.track_id))[0];
        days(plays).iter().map(most).fold(0.0, f64::max)
    };
    check.within("most plays of a track in a day", middle(heavy(), most_a_day), 9.0..=25.0);

    let tracks = |plays: &[Play]| counts(plays.iter().map(|play| &play.track_id));
    let by_artist = |plays: &[Play]| counts(plays.iter().map(|play| &artists[&play.track_id]));
    let per_track = |plays: &[Play]| plays.len() as f64 / tracks(plays).len() as f64;
    check.within("plays per distinct track", middle(heavy(), per_track), 2.3..=17.9);
    check.within("top track", middle(heavy(), |p| top(&tracks(p), 1)), 0.004..=0.026);
    check.within("top 10 tracks", middle(heavy(), |p| top(&tracks(p), 10)), 0.03..=0.19);
    check.within("top 100 tracks", middle(heavy(), |p| top(&tracks(p), 100)), 0.17..=0.64);
    check.within("top artist", middle(heavy(), |p| top(&by_artist(p), 1)), 0.036..=0.27);
    check.within("top 10 artists", middle(heavy(), |p| top(&by_artist(p), 10)), 0.17..=0.67);
    check.within("entropy of artists, bits", middle(heavy(), |p| entropy_bits(&by_artist(p))), 4.7..=9.0);
    check.within("entropy of tracks, bits", middle(heavy(), |p| entropy_bits(&tracks(p))), 8.3..=11.2);
    check.within("Zipf exponent of tracks", middle(heavy(), |p| zipf_exponent(&tracks(p))), 0.51..=0.92);
    check.within("Zipf exponent of artists", middle(heavy(), |p| zipf_exponent(&by_artist(p))), 0.71..=1.70);
    let new_tracks = |plays: &[Play]| {
        let (first, second) = plays.split_at(plays.len() / 2);
        let known: BTreeSet<&Id> = first.iter().map(|play| &play.track_id).collect();
        share(second, |play| !known.contains(&play.track_id))
    };
    check.within("plays of new tracks, second half", middle(heavy(), new_tracks), 0.04..=0.45);
}
