//! What is injected is what its family says, is all labelled, and leaves the data as they were.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use datasets::formats::Fault;
use datasets::inject::{Family, Plan, Summary, inject};
use datasets::tables::rows::{Column, ColumnKind, Rows, Value, columns, write};
use datasets::tables::{Inputs, read};
use datasets::world::{World, WorldSpec};
use proptest::prelude::*;
use records::{Id, IdSpace, Label, LabelKind};
use tempfile::TempDir;

const DAY_MS: i64 = 86_400_000;

/// A world of honest listeners, made once.
fn world() -> &'static Path {
    static WORLD: OnceLock<TempDir> = OnceLock::new();
    WORLD
        .get_or_init(|| {
            let folder = tempfile::tempdir().unwrap();
            let spec = WorldSpec { accounts: 150, days: 12, attacks: false, lookalikes: false, ..WorldSpec::default() };
            World::write(&spec, folder.path(), 2, |_| ()).unwrap();
            folder
        })
        .path()
}

struct Injected {
    folder: TempDir,
    summary: Summary,
}

impl Injected {
    fn into(data: &Path, plan: &str, seed: u64, threads: usize) -> Injected {
        let folder = tempfile::tempdir().unwrap();
        let plan = Plan::parse(plan, "plan").unwrap();
        let summary = inject(data, &plan, seed, &folder.path().join("out"), threads, |_| ()).unwrap();
        Injected { folder, summary }
    }

    fn out(&self) -> PathBuf {
        self.folder.path().join("out")
    }

    fn plays(&self) -> Vec<Played> {
        plays(&self.out().join("plays-injected.parquet"))
    }

    /// The plays that are what the attacks are about.
    fn targets(&self) -> Vec<Played> {
        let parts = table(&self.out().join("truth.parquet"), &["play_id", "part"]);
        let targets: BTreeSet<&String> = parts.iter().filter(|row| row[1] != "camouflage").map(|row| &row[0]).collect();
        self.plays().into_iter().filter(|play| targets.contains(&play.id)).collect()
    }

    fn labels(&self) -> Vec<Label> {
        let inputs = Inputs::in_folder(&self.out()).unwrap();
        let kinds = read::id_kinds(inputs.by_table()).unwrap();
        let mut labels = Vec::new();
        read::read_all(&inputs.labels, &kinds, |label: Label| labels.push(label), &mut Vec::new()).unwrap();
        labels
    }
}

#[derive(Clone, Debug)]
struct Played {
    id: String,
    ended_at: i64,
    account: String,
    track: String,
    played_ms: i64,
    track_ms: i64,
    device: String,
    country: String,
    playlist: String,
}

fn text(value: Value<'_>) -> String {
    match value {
        Value::Null => String::new(),
        Value::Int(number) => number.to_string(),
        Value::UInt(number) => number.to_string(),
        Value::Text(text) => text.to_owned(),
        other => format!("{other:?}"),
    }
}

fn table(path: &Path, names: &[&str]) -> Vec<Vec<String>> {
    let mut rows = Rows::open(path, names).unwrap();
    let mut table = Vec::new();
    while rows.advance().unwrap() {
        table.push((0..names.len()).map(|place| text(rows.value(place))).collect());
    }
    table
}

fn plays(path: &Path) -> Vec<Played> {
    let names = [
        "play_id",
        "ended_at",
        "account_id",
        "track_id",
        "played_ms",
        "track_ms",
        "device_id",
        "country",
        "playlist_id",
    ];
    let of = |row: Vec<String>| Played {
        id: row[0].clone(),
        ended_at: row[1].parse().unwrap(),
        account: row[2].clone(),
        track: row[3].clone(),
        played_ms: row[4].parse().unwrap(),
        track_ms: row[5].parse().unwrap_or(0),
        device: row[6].clone(),
        country: row[7].clone(),
        playlist: row[8].clone(),
    };
    table(path, &names).into_iter().map(of).collect()
}

fn attack(family: &str, level: &str, more: &str) -> String {
    format!("[[attack]]\nfamily = \"{family}\"\nlevel = \"{level}\"\naccounts = 6\ndays = 4\nstart = 0.4\n{more}")
}

fn files(folder: &Path) -> BTreeMap<String, Vec<u8>> {
    let read = |entry: fs::DirEntry| (entry.file_name().into_string().unwrap(), fs::read(entry.path()).unwrap());
    fs::read_dir(folder).unwrap().map(|entry| read(entry.unwrap())).collect()
}

/// Plays by account and day.
fn per_day(plays: &[Played]) -> BTreeMap<(&str, i64), Vec<&Played>> {
    let mut days: BTreeMap<(&str, i64), Vec<&Played>> = BTreeMap::new();
    plays.iter().for_each(|play| days.entry((&play.account, play.ended_at / DAY_MS)).or_default().push(play));
    days
}

fn distinct<'a>(plays: impl IntoIterator<Item = &'a Played>, what: fn(&Played) -> &String) -> usize {
    plays.into_iter().map(what).collect::<BTreeSet<_>>().len()
}

#[test]
fn one_thread_and_three_write_the_same_bytes_and_another_seed_others() {
    let plan = Plan::built_in();
    let (one, three) = (Injected::into(world(), &plan, 5, 1), Injected::into(world(), &plan, 5, 3));
    assert_eq!(one.summary, three.summary);
    let (one, three) = (files(&one.out()), files(&three.out()));
    assert_eq!(one.keys().collect::<Vec<_>>(), three.keys().collect::<Vec<_>>());
    for (name, bytes) in &one {
        assert!(three[name] == *bytes, "{name} differs");
    }
    let other = files(&Injected::into(world(), &plan, 6, 2).out());
    assert!(other["plays-injected.parquet"] != one["plays-injected.parquet"]);
}

#[test]
fn the_built_in_plan_injects_every_family_and_labels_all_it_made() {
    let injected = Injected::into(world(), &Plan::built_in(), 1, 2);
    let summary = &injected.summary;
    assert_eq!(summary.attacks.len(), 3 * Family::ALL.len());
    for attack in &summary.attacks {
        assert!(attack.plays > 0 && attack.accounts > 0, "{attack:?}");
        assert!(attack.target_plays <= attack.plays);
    }
    // The data stay as they were.
    let out = files(&injected.out());
    for (name, bytes) in files(world()) {
        assert!(out[&name] == bytes, "{name} was changed");
    }
    assert_eq!(injected.plays().len() as u64, summary.plays_added);

    let labels = injected.labels();
    let labelled = |subject: &str| -> BTreeMap<String, LabelKind> {
        let of = labels.iter().filter(|label| label.subject == subject);
        of.map(|label| (label.subject_id.to_string(), label.label)).collect()
    };
    let (accounts, tracks) = (labelled("account"), labelled("track"));
    let own: BTreeSet<String> =
        table(&world().join("accounts.parquet"), &["account_id"]).concat().into_iter().collect();
    for play in injected.plays() {
        let label = accounts.get(&play.account).unwrap_or_else(|| panic!("{} has no label", play.account));
        assert_eq!(own.contains(&play.account), *label == LabelKind::Victim, "{play:?}");
    }
    for name in ["accounts-injected", "tracks-injected"] {
        let id = if name.starts_with('a') { "account_id" } else { "track_id" };
        for row in table(&injected.out().join(format!("{name}.parquet")), &[id]) {
            assert!(accounts.contains_key(&row[0]) || tracks.contains_key(&row[0]), "{name} {row:?}");
        }
    }
    for label in &labels {
        assert_eq!(label.labelled_by.as_deref(), Some("injected"));
        assert_eq!(label.labelled_at, label.until.map(|until| until + 7 * DAY_MS));
        assert!(label.from < label.until);
        let family = label.attack.as_deref().unwrap().split('/').next().unwrap();
        let honest = Family::ALL.iter().find(|known| known.name() == family).is_some_and(|known| !known.is_attack());
        assert_eq!(honest, label.label == LabelKind::Honest, "{label:?}");
    }
    // Framed are those whose music it is, fraud are those who play it.
    let framed: Vec<&Label> = labels.iter().filter(|l| l.attack.as_deref() == Some("framing/easy")).collect();
    assert!(framed.iter().any(|label| label.subject == "artist" && label.label == LabelKind::Victim));
    let guilty = |label: &&&Label| label.label == LabelKind::Fraud;
    assert!(framed.iter().filter(guilty).all(|label| label.subject == "account"));
}

#[test]
fn ids_are_new_of_the_same_kind_and_told_apart_by_nothing() {
    let injected = Injected::into(world(), &Plan::built_in(), 3, 2);
    let inputs = Inputs::in_folder(&injected.out()).unwrap();
    let before = read::id_kinds(Inputs::in_folder(world()).unwrap().by_table()).unwrap();
    assert_eq!(read::id_kinds(inputs.by_table()).unwrap(), before);
    let mut ids = BTreeSet::new();
    for path in &inputs.plays {
        let own: BTreeSet<String> = plays(path).into_iter().map(|play| play.id).collect();
        let had = ids.len();
        ids.extend(own.iter().cloned());
        assert_eq!(ids.len(), had + own.len(), "play ids meet");
    }
    assert_eq!(injected.plays().len(), distinct(&injected.plays(), |play| &play.id));
}

#[test]
fn a_loop_farm_plays_31_seconds_round_the_clock() {
    let injected = Injected::into(world(), &attack("loop_farm", "easy", ""), 1, 2);
    let plays = injected.plays();
    assert!(plays.iter().all(|play| (30_800..33_500).contains(&play.played_ms)));
    let days = per_day(&plays);
    let whole: Vec<_> = days.values().filter(|plays| plays.len() > 500).collect();
    assert!(whole.len() >= 18, "{}", whole.len());
    for plays in whole {
        let hours: BTreeSet<i64> = plays.iter().map(|play| play.ended_at / 3_600_000).collect();
        assert!(hours.len() >= 23 && (560..700).contains(&plays.len()));
        assert_eq!(distinct(plays.iter().copied(), |play| &play.track), 25);
        assert_eq!(distinct(plays.iter().copied(), |play| &play.playlist), 1);
    }
}

#[test]
fn an_edge_farm_is_just_past_thirty_seconds() {
    let injected = Injected::into(world(), &attack("edge_farm", "easy", ""), 1, 2);
    let edge = injected.targets().iter().filter(|play| (30_000..35_000).contains(&play.played_ms)).count();
    assert_eq!(edge, injected.targets().len());
    assert!(edge > 6 * 3 * 450);
}

#[test]
fn a_breadth_farm_hardly_plays_a_track_twice() {
    let injected = Injected::into(world(), &attack("breadth_farm", "easy", "tracks = 20000"), 1, 2);
    let plays = injected.plays();
    let days = per_day(&plays);
    let whole: Vec<_> = days.values().filter(|plays| plays.len() > 500).collect();
    assert!(whole.len() >= 18);
    for plays in whole {
        assert!((620..650).contains(&plays.len()), "{}", plays.len());
        let share = distinct(plays.iter().copied(), |play| &play.track) as f64 / plays.len() as f64;
        assert!(share > 0.95, "{share}");
        // More than a day of music in a day: the figure of the case.
        assert!(plays.iter().map(|play| play.played_ms).sum::<i64>() > DAY_MS);
    }
}

#[test]
fn a_hijacked_account_keeps_its_plays_and_gets_some_at_night() {
    let injected = Injected::into(world(), &attack("hijacked_account", "easy", ""), 1, 2);
    let taken: BTreeSet<String> = injected.plays().into_iter().map(|play| play.account).collect();
    assert_eq!(taken.len(), 6);
    let before = plays(&world().join("plays.parquet"));
    let after = plays(&injected.out().join("plays.parquet"));
    assert_eq!(before.len(), after.len());
    let devices: BTreeSet<&String> = before.iter().map(|play| &play.device).collect();
    for account in &taken {
        let home: BTreeSet<&String> =
            before.iter().filter(|play| play.account == *account).map(|p| &p.country).collect();
        assert!(!home.is_empty(), "{account} is nobody of the data");
        for play in injected.plays().iter().filter(|play| play.account == *account) {
            assert!(!devices.contains(&play.device) && !home.contains(&play.country), "{play:?}");
        }
    }
    let labels = injected.labels();
    let accounts = labels.iter().filter(|label| label.subject == "account");
    assert!(accounts.clone().count() == 6 && accounts.into_iter().all(|label| label.label == LabelKind::Victim));
}

#[test]
fn a_playlist_farm_plays_targets_and_hits_about_equally() {
    let injected = Injected::into(world(), &attack("playlist_farm", "easy", "spread = 0"), 1, 2);
    let plays = injected.plays();
    let mut counts: BTreeMap<&String, f64> = BTreeMap::new();
    plays.iter().for_each(|play| *counts.entry(&play.track).or_default() += 1.0);
    assert_eq!(counts.len(), 32);
    let mean = plays.len() as f64 / 32.0;
    assert!(counts.values().all(|count| (count / mean - 1.0).abs() < 0.25), "{counts:?}");
    let victims = injected.labels().into_iter().filter(|label| label.label == LabelKind::Victim).count();
    assert!(victims > 0, "the hits' artists are victims");
}

#[test]
fn devices_are_shared_and_countries_hopped() {
    let farm = Injected::into(world(), &attack("device_farm", "easy", "camouflage = 0"), 1, 2);
    assert_eq!((distinct(&farm.plays(), |play| &play.account), distinct(&farm.plays(), |play| &play.device)), (6, 1));
    let hopper = Injected::into(world(), &attack("country_hopping", "easy", ""), 1, 2);
    let plays = hopper.plays();
    let days = per_day(&plays);
    let most = days.values().map(|plays| distinct(plays.iter().copied(), |play| &play.country)).max();
    assert!(most >= Some(10), "{most:?}");
}

#[test]
fn lockstep_meets_within_minutes() {
    let injected = Injected::into(world(), &attack("launch_lockstep", "easy", ""), 1, 2);
    let mut together: BTreeMap<(String, i64), BTreeSet<String>> = BTreeMap::new();
    for play in injected.targets() {
        together.entry((play.track, play.ended_at / 180_000)).or_default().insert(play.account);
    }
    let full = together.values().filter(|accounts| accounts.len() >= 5).count();
    assert!(full as f64 > 0.9 * together.len() as f64, "{full} of {}", together.len());
}

#[test]
fn micro_artists_stay_under_the_threshold() {
    let injected = Injected::into(world(), &attack("micro_artists", "easy", ""), 1, 2);
    let mut counts: BTreeMap<String, u32> = BTreeMap::new();
    injected.targets().into_iter().for_each(|play| *counts.entry(play.track).or_default() += 1);
    // 1 000 a year are 11 in four days; a row of the round more at its ends.
    assert!(counts.values().all(|count| *count <= 13), "{:?}", counts.values().max());
    let artists = injected.labels().into_iter().filter(|label| label.subject == "artist").count();
    assert_eq!(artists, counts.len().div_ceil(2));
}

#[test]
fn a_sleeper_listens_before_it_turns() {
    let injected = Injected::into(world(), &attack("sleeper", "easy", "sleep = 0.5"), 1, 2);
    let attack = &injected.summary.attacks[0];
    let turn = (attack.from + attack.until) / 2 / DAY_MS * DAY_MS;
    let (targets, all) = (injected.targets(), injected.plays());
    assert!(targets.iter().all(|play| play.ended_at >= turn));
    assert!(all.iter().filter(|play| play.ended_at < turn).count() > 20, "it listens");
    assert!(injected.labels().iter().all(|label| label.from == Some(turn)));
}

#[test]
fn mimicry_repeats_a_real_trace_with_other_tracks() {
    let injected = Injected::into(world(), &attack("mimicry", "medium", ""), 1, 2);
    // Gaps between plays, to about two seconds, are those of somebody in the data.
    let gaps = |plays: Vec<&Played>| -> Vec<i64> { plays.windows(2).map(|p| p[1].ended_at - p[0].ended_at).collect() };
    let before = plays(&world().join("plays.parquet"));
    let mut real: BTreeMap<&String, Vec<&Played>> = BTreeMap::new();
    before.iter().for_each(|play| real.entry(&play.account).or_default().push(play));
    real.values_mut().for_each(|plays| plays.sort_by_key(|play| play.ended_at));
    let injected_plays = injected.plays();
    let mut copies: BTreeMap<&String, Vec<&Played>> = BTreeMap::new();
    injected_plays.iter().for_each(|play| copies.entry(&play.account).or_default().push(play));
    for (account, mut copy) in copies {
        copy.sort_by_key(|play| play.ended_at);
        copy.truncate(12);
        let lengths: Vec<i64> = copy.iter().map(|play| play.played_ms).collect();
        let copied = gaps(copy);
        let alike = |plays: &Vec<&Played>| {
            plays.windows(lengths.len()).any(|some| {
                let gaps = gaps(some.to_vec());
                gaps.iter().zip(&copied).filter(|(a, b)| (*a - *b).abs() <= 2_000).count() * 10 >= copied.len() * 8
            })
        };
        assert!(real.values().any(alike), "{account} copies nobody");
    }
    let share = injected.targets().len() as f64 / injected_plays.len() as f64;
    assert!((0.4..0.6).contains(&share), "{share}");
}

#[test]
fn framing_plays_music_of_the_data() {
    let injected = Injected::into(world(), &attack("framing", "easy", ""), 1, 2);
    let known: BTreeSet<String> = table(&world().join("tracks.parquet"), &["track_id"]).concat().into_iter().collect();
    assert!(injected.plays().iter().all(|play| known.contains(&play.track)));
    assert!(!injected.out().join("tracks-injected.parquet").exists());
}

#[test]
fn honest_lookalikes_are_what_they_are() {
    let fan = Injected::into(world(), &attack("super_fan", "hard", "spread = 0"), 1, 2);
    let plays = fan.plays();
    let loved = per_day(&plays).values().map(|plays| plays.len()).max().unwrap();
    assert!(loved > 100, "{loved}");
    let sleep = Injected::into(world(), &attack("sleep_music", "medium", ""), 1, 2);
    assert!(!sleep.out().join("tracks-injected.parquet").exists(), "others know this music too");
    let mut times: BTreeMap<String, usize> = BTreeMap::new();
    sleep.plays().into_iter().for_each(|play| *times.entry(play.track).or_default() += 1);
    let mut times: Vec<(usize, String)> = times.into_iter().map(|(track, plays)| (plays, track)).collect();
    times.sort_unstable_by(|a, b| b.cmp(a));
    let rain: BTreeSet<String> = times.into_iter().take(40).map(|(_, track)| track).collect();
    let (rain, other): (Vec<Played>, Vec<Played>) =
        sleep.plays().into_iter().partition(|play| rain.contains(&play.track));
    assert!(rain.len() > 6 * 3 * 100 && rain.len() > 4 * other.len(), "{} and {}", rain.len(), other.len());
    // Some of the same songs are heard by day too.
    let other = rain.iter().filter(|play| play.played_ms < play.track_ms || play.track_ms > 180_000).count();
    assert!(other < rain.len() / 50, "{other} of {}", rain.len());
    let clip = Injected::into(world(), &attack("viral_clip", "medium", ""), 1, 2);
    let labels = clip.labels();
    assert_eq!(labels.iter().filter(|label| label.subject == "track").count(), 1);
    assert!(labels.iter().all(|label| label.label == LabelKind::Honest));
    let family = Injected::into(world(), &attack("family_device", "medium", ""), 1, 2);
    let devices = distinct(&family.plays(), |play| &play.device);
    assert!(devices < 6 * 3, "{devices}");
}

/// Plays with texts for ids and nothing but what must be there.
fn bare(folder: &Path) {
    let column = |name: &str, kind| Column { name: name.to_owned(), kind };
    let columns = [
        column("play_id", ColumnKind::Text),
        column("ended_at", ColumnKind::Instant),
        column("account_id", ColumnKind::Text),
        column("track_id", ColumnKind::Text),
        column("played_ms", ColumnKind::Int),
    ];
    let texts: Vec<[String; 3]> = (0..2_000_u64)
        .map(|n| [format!("p{:06}", n * 37 % 100_003), format!("u0{}", n % 4), format!("kind-{:04x}", n * n % 397)])
        .collect();
    let rows: Vec<Vec<Value<'_>>> = texts
        .iter()
        .enumerate()
        .map(|(n, [play, account, track])| {
            let ended_at = Value::Int(1_600_000_000_000 + n as i64 * 1_700_000);
            vec![Value::Text(play), ended_at, Value::Text(account), Value::Text(track), Value::Int(203_000)]
        })
        .collect();
    write(&folder.join("plays.parquet"), &columns, &rows).unwrap();
}

#[test]
fn what_the_data_do_not_tell_is_not_told() {
    let folder = tempfile::tempdir().unwrap();
    bare(folder.path());
    let injected = Injected::into(folder.path(), &Plan::built_in(), 1, 2);
    let names: Vec<String> = files(&injected.out()).into_keys().collect();
    assert_eq!(
        names,
        ["labels-injected.parquet", "plan.toml", "plays-injected.parquet", "plays.parquet", "truth.parquet"]
    );
    let told =
        ["device_id", "ip_prefix", "country", "platform", "source", "playlist_id", "track_ms", "reason_end", "offline"];
    for row in table(&injected.out().join("plays-injected.parquet"), &told) {
        assert!(row.iter().all(String::is_empty), "{row:?}");
    }
    for play in injected.plays() {
        assert!(play.id.starts_with('p') && play.account.starts_with('u'), "{play:?}");
    }
    // Four accounts are all that can be hijacked.
    let hijacked = injected.summary.attacks.iter().filter(|attack| attack.family == Family::HijackedAccount);
    assert!(hijacked.into_iter().all(|attack| attack.accounts <= 4));
}

#[test]
fn what_was_injected_can_be_injected_into() {
    let first = Injected::into(world(), &attack("loop_farm", "hard", ""), 1, 2);
    let second = Injected::into(&first.out(), &attack("sleeper", "hard", ""), 2, 2);
    let names: Vec<String> = files(&second.out()).into_keys().collect();
    for name in ["plays-injected.parquet", "plays-injected-2.parquet", "truth.parquet", "truth-2.parquet"] {
        assert!(names.iter().any(|found| found == name), "{name} is missing from {names:?}");
    }
    let attacks: BTreeSet<Option<String>> = second.labels().into_iter().map(|label| label.attack).collect();
    assert_eq!(attacks.len(), 2);
}

#[test]
fn mistakes_say_what_is_wrong_and_leave_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let plan = Plan::parse(&attack("loop_farm", "hard", ""), "plan").unwrap();
    let try_to = |data: &Path, out: &Path| inject(data, &plan, 1, out, 1, |_| ()).unwrap_err();
    let fault = try_to(&folder.path().join("nowhere"), &folder.path().join("out"));
    assert!(matches!(&fault, Fault::Input(error) if error.to_string().contains("nowhere")), "{fault:?}");
    fs::create_dir(folder.path().join("full")).unwrap();
    fs::write(folder.path().join("full/mine.txt"), "mine").unwrap();
    let fault = try_to(world(), &folder.path().join("full"));
    assert!(matches!(&fault, Fault::Output(error) if error.to_string().contains("not empty")), "{fault:?}");

    let empty = tempfile::tempdir().unwrap();
    bare(empty.path());
    let all: Vec<Column> = columns(&empty.path().join("plays.parquet")).unwrap();
    write(&empty.path().join("plays.parquet"), &all, &[]).unwrap();
    let fault = try_to(empty.path(), &folder.path().join("out"));
    assert!(matches!(&fault, Fault::Input(error) if error.to_string().contains("no row")), "{fault:?}");
    let left: Vec<_> = fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(left, ["full"]);
}

/// Any plan that can be said.
fn plans() -> impl Strategy<Value = String> {
    let share = 0.0..=1.0_f64;
    let numbers = (1_u32..6, 0.0..60.0_f64, share.clone(), share.clone(), share, 0.02..20.0_f64);
    let more = (1_u32..40, 1_u32..4, 1_u32..4, 0.0..2.0_f64, 0_u32..5, 1_u32..3);
    let words = (
        0..Family::ALL.len(),
        prop::sample::select(vec!["easy", "medium", "hard"]),
        prop::sample::select(vec!["clock", "human", "night", "together"]),
        prop::sample::select(vec!["loop", "random", "even"]),
        prop::sample::select(vec!["home", "mobile", "hosting", "vpn"]),
    );
    let entry = (numbers, more, words).prop_map(|(numbers, more, (family, level, timing, order, network))| {
        let (accounts, plays, start, camouflage, sleep, days) = numbers;
        let (tracks, shared, countries, spread, innocents, tabs) = more;
        format!(
            "[[attack]]\nfamily = \"{}\"\nlevel = \"{level}\"\ntiming = \"{timing}\"\norder = \"{order}\"\n\
             network = \"{network}\"\naccounts = {accounts}\nplays_per_day = {plays}\nstart = {start}\ncamouflage = {camouflage}\n\
             sleep = {sleep}\ndays = {days}\ntracks = {tracks}\naccounts_per_device = {shared}\naccounts_per_address = {shared}\n\
             countries = {countries}\nspread = {spread}\ninnocents = {innocents}\ntabs = {tabs}\nabroad = true\n",
            Family::ALL[family].name()
        )
    });
    prop::collection::vec(entry, 1..5).prop_map(|entries| entries.concat())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 12, ..ProptestConfig::default() })]

    #[test]
    fn any_plan_makes_tables_that_can_be_read(plan in plans(), seed in any::<u64>()) {
        let injected = Injected::into(world(), &plan, seed, 2);
        let inputs = Inputs::in_folder(&injected.out()).unwrap();
        let kinds = read::id_kinds(inputs.by_table()).unwrap();
        let mut refusals = Vec::new();
        read::read_table(&inputs.accounts, &kinds, |_: records::Account| (), &mut refusals).unwrap();
        read::read_table(&inputs.tracks, &kinds, |_: records::Track| (), &mut refusals).unwrap();
        read::read_table(&inputs.labels, &kinds, |_: Label| (), &mut refusals).unwrap();
        read::read_table(&inputs.networks, &kinds, |_: records::Network| (), &mut refusals).unwrap();
        read::read_table(&inputs.playlists, &kinds, |_: records::Playlist| (), &mut refusals).unwrap();
        prop_assert!(refusals.is_empty(), "{:?}", refusals);
        let accounts: BTreeSet<String> = injected.labels().iter().filter(|l| l.subject == "account").map(|l| l.subject_id.to_string()).collect();
        let spans = injected.summary.attacks.iter().map(|attack| (attack.from, attack.until)).collect::<Vec<_>>();
        for play in injected.plays() {
            prop_assert!(accounts.contains(&play.account));
            prop_assert!(spans.iter().any(|(from, until)| (*from..*until).contains(&play.ended_at)));
        }
    }
}

#[test]
fn two_attacks_of_one_name_and_time_say_one_thing_of_whom_they_hide_among() {
    // The data have few artists with hits: the same ones serve both.
    let entry = "[[attack]]\nfamily = \"playlist_farm\"\nlevel = \"easy\"\naccounts = 3\ninnocents = 40\nstart = 0.2\ndays = 2\n";
    let injected = Injected::into(world(), &entry.repeat(2), 5, 1);
    let labels = injected.labels();
    let victims: Vec<_> = labels.iter().filter(|label| label.label == LabelKind::Victim).collect();
    let different: BTreeSet<_> = victims.iter().map(|label| (&label.subject, &label.subject_id)).collect();
    assert!(!different.is_empty() && different.len() == victims.len(), "{} of {}", different.len(), victims.len());
}

#[test]
fn an_id_of_a_space_is_of_its_kind() {
    // Accounts are texts, everything else numbers: the new rows follow column by column.
    let folder = tempfile::tempdir().unwrap();
    let columns = ["play_id", "ended_at", "account_id", "track_id", "played_ms"].map(|name| Column {
        name: name.to_owned(),
        kind: match name {
            "account_id" => ColumnKind::Text,
            "ended_at" => ColumnKind::Instant,
            "played_ms" => ColumnKind::Int,
            _ => ColumnKind::UInt,
        },
    });
    let names: Vec<String> = (0..300).map(|n| format!("listener{}", n % 30)).collect();
    let row = |n: usize| {
        let at = Value::Int(1_600_000_000_000 + n as i64 * 600_000);
        vec![Value::UInt(n as u64), at, Value::Text(&names[n]), Value::UInt(n as u64 % 50), Value::Int(100_000)]
    };
    write(&folder.path().join("plays.parquet"), &columns, &(0..300).map(row).collect::<Vec<_>>()).unwrap();
    let injected = Injected::into(folder.path(), &attack("loop_farm", "easy", ""), 1, 1);
    let inputs = Inputs::in_folder(&injected.out()).unwrap();
    let kinds = read::id_kinds(inputs.by_table()).unwrap();
    use datasets::tables::IdKind::{Number, Text};
    assert_eq!(
        (kinds[IdSpace::Account as usize], kinds[IdSpace::Track as usize], kinds[IdSpace::Play as usize]),
        (Text, Number, Number)
    );
    assert!(
        injected.labels().iter().any(|label| label.subject == "account" && matches!(label.subject_id, Id::Text(_)))
    );
}
