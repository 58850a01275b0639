//! A seed is a world, down to the last byte, whatever made it.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use datasets::world::{Progress, World, WorldSpec, WorldSummary};
use records::{Id, LabelKind, Play};

const TABLES: [&str; 8] =
    ["accounts", "corrections", "distributors", "labels", "networks", "playlists", "plays", "tracks"];

fn spec() -> WorldSpec {
    WorldSpec { accounts: 300, days: 5, ..WorldSpec::default() }
}

fn written(spec: &WorldSpec, threads: usize) -> (WorldSummary, BTreeMap<String, Vec<u8>>) {
    let folder = tempfile::tempdir().unwrap();
    let summary = World::write(spec, folder.path(), threads, |_| ()).unwrap();
    let read = |entry: fs::DirEntry| (entry.file_name().into_string().unwrap(), fs::read(entry.path()).unwrap());
    (summary, fs::read_dir(folder.path()).unwrap().map(|entry| read(entry.unwrap())).collect())
}

#[test]
fn one_thread_and_three_write_the_same_bytes() {
    let (one, three) = (written(&spec(), 1), written(&spec(), 3));
    assert_eq!(one.0, three.0);
    for (name, bytes) in &one.1 {
        assert!(three.1[name] == *bytes, "{name} differs");
    }
    assert_eq!(one.1.keys().cloned().collect::<Vec<_>>(), TABLES.map(|table| format!("{table}.parquet")));
}

#[test]
fn another_seed_is_another_world() {
    let other = WorldSpec { seed: 2, ..spec() };
    assert_ne!(written(&spec(), 2).1["plays.parquet"], written(&other, 2).1["plays.parquet"]);
}

#[test]
fn progress_ends_with_all_days_and_all_plays() {
    let folder = tempfile::tempdir().unwrap();
    let mut last = Progress { days: 0, days_total: 0, plays: 0 };
    let summary = World::write(&spec(), folder.path(), 2, |progress| {
        assert!(progress.days >= last.days && progress.plays >= last.plays);
        last = progress;
    });
    assert_eq!(last, Progress { days: 5, days_total: 5, plays: summary.unwrap().plays });
}

#[test]
fn a_folder_that_cannot_be_is_named() {
    let file = tempfile::NamedTempFile::new().unwrap();
    let error = World::write(&spec(), &file.path().join("below"), 1, |_| ()).unwrap_err();
    assert!(error.to_string().contains(&*file.path().to_string_lossy()), "{error}");
    assert!(!Path::new(file.path()).is_dir());
}

fn arrival(play: &Play) -> i64 {
    play.arrived_at.map_or(play.ended_at, |arrived| arrived.max(play.ended_at))
}

#[test]
fn plays_come_in_the_order_of_arrival_and_some_late_twice_or_taken_back() {
    let spec = spec();
    let (plays, corrections) = World::new(&spec).unwrap().telemetry();
    assert!(plays.windows(2).all(|pair| arrival(&pair[0]) <= arrival(&pair[1])));
    assert!(plays.iter().all(|play| (spec.start_ms..spec.end_ms()).contains(&play.ended_at)));

    let mut first: BTreeMap<&Id, &Play> = BTreeMap::new();
    let (mut twice, mut conflicting, mut late) = (0, 0, 0);
    for play in &plays {
        match first.get(&play.play_id) {
            Some(seen) => {
                twice += 1;
                conflicting += u32::from(seen.played_ms != play.played_ms);
            }
            None => {
                late += u32::from(arrival(play) > play.ended_at);
                first.insert(&play.play_id, play);
            }
        }
    }
    let share = |count: u32| f64::from(count) / plays.len() as f64;
    assert!((0.01..0.06).contains(&share(late)), "late {}", share(late));
    assert!((0.0005..0.002).contains(&share(twice)), "twice {}", share(twice));
    assert!(conflicting < twice);
    assert!((0.0005..0.002).contains(&share(corrections.len() as u32)), "{} corrections", corrections.len());
    assert!(corrections.iter().all(|correction| first.contains_key(&correction.play_id)));
}

#[test]
fn every_id_in_plays_stands_in_its_table() {
    let world = World::new(&spec()).unwrap();
    let (plays, _) = world.telemetry();
    let tracks: BTreeSet<Id> = world.tracks().map(|track| track.track_id).collect();
    let accounts: BTreeSet<Id> = world.accounts().map(|account| account.account_id).collect();
    let playlists: BTreeSet<Id> = world.playlists().map(|playlist| playlist.playlist_id).collect();
    let networks: BTreeSet<u32> = world.networks().into_iter().map(|network| network.asn).collect();
    for play in &plays {
        assert!(tracks.contains(&play.track_id) && accounts.contains(&play.account_id), "{play:?}");
        assert!(play.playlist_id.as_ref().is_none_or(|id| playlists.contains(id)), "{play:?}");
        assert!(play.asn.is_none_or(|asn| networks.contains(&asn)), "{play:?}");
    }
    let distributors: BTreeSet<Id> = world.distributors().into_iter().map(|row| row.distributor_id).collect();
    assert!(world.tracks().all(|track| distributors.contains(&track.distributor_id.unwrap())));
    let contents = world.tracks().filter_map(|track| track.content_id.filter(|content| *content != track.track_id));
    let again: Vec<Id> = contents.collect();
    assert!(!again.is_empty() && again.iter().all(|content| tracks.contains(content)));
    assert!(world.tracks().any(|track| track.valid_from.is_some()), "no track changes hands");
}

#[test]
fn no_track_is_played_before_it_is_uploaded() {
    let world = World::new(&spec()).unwrap();
    let uploaded: BTreeMap<Id, i64> =
        world.tracks().map(|track| (track.track_id, track.uploaded_at.unwrap())).collect();
    for play in world.telemetry().0 {
        assert!(play.ended_at > uploaded[&play.track_id], "{play:?}");
    }
}

#[test]
fn every_family_is_labelled_and_plays() {
    let folder = tempfile::tempdir().unwrap();
    let summary = World::write(&spec(), folder.path(), 2, |_| ()).unwrap();
    assert_eq!(summary.families.len(), 14);
    assert!(summary.families.iter().all(|family| family.plays > 0), "{summary:#?}");
    let labels = World::new(&spec()).unwrap().labels();
    for family in &summary.families {
        let of_family = || labels.iter().filter(|label| label.attack.as_deref() == Some(family.name));
        assert_eq!(of_family().filter(|label| label.subject == "account").count() as u64, family.accounts);
        assert_eq!(of_family().any(|label| label.label == LabelKind::Fraud), family.attack, "{}", family.name);
        assert_eq!(of_family().any(|label| label.subject == "uploader" && family.attack), family.attack);
    }
    assert!(labels.iter().any(|label| label.subject == "artist" && label.label == LabelKind::Victim));

    let honest = World::new(&WorldSpec { attacks: false, ..spec() }).unwrap();
    assert!(honest.labels().iter().all(|label| label.label == LabelKind::Honest));
}

/// What makes an attack an attack, seen in the plays alone.
#[test]
fn attacks_do_what_their_names_say() {
    let world = World::new(&WorldSpec { accounts: 400, days: 8, ..WorldSpec::default() }).unwrap();
    let (plays, _) = world.telemetry();
    let labels = world.labels();
    let of = |name: &str| -> Vec<&Play> {
        let members: BTreeSet<&Id> = labels
            .iter()
            .filter(|label| label.subject == "account" && label.attack.as_deref() == Some(name))
            .map(|label| &label.subject_id)
            .collect();
        plays.iter().filter(|play| members.contains(&play.account_id)).collect()
    };
    let share = |plays: &[&Play], test: &dyn Fn(&Play) -> bool| {
        plays.iter().filter(|play| test(play)).count() as f64 / plays.len() as f64
    };

    let farm = of("loop_farm");
    assert!(share(&farm, &|play| (30_000..35_000).contains(&play.played_ms)) > 0.99);
    let hours: BTreeSet<i64> = farm.iter().map(|play| play.ended_at / 3_600_000 % 24).collect();
    assert_eq!(hours.len(), 24, "round the clock");

    let breadth = of("breadth_farm");
    let tracks: BTreeSet<&Id> = breadth.iter().map(|play| &play.track_id).collect();
    let days: BTreeSet<i64> = breadth.iter().map(|play| play.ended_at / 86_400_000).collect();
    let per_track_day = breadth.len() as f64 / tracks.len() as f64 / days.len() as f64;
    assert!((5.0..8.0).contains(&per_track_day), "{per_track_day} plays per track and day; the case had 6.6");

    let mut by_device: BTreeMap<&Id, BTreeSet<&Id>> = BTreeMap::new();
    for play in of("device_farm") {
        by_device.entry(play.device_id.as_ref().unwrap()).or_default().insert(&play.account_id);
    }
    assert!(by_device.values().any(|accounts| accounts.len() >= 4));

    let mut slots: BTreeMap<(&Id, i64), BTreeSet<&Id>> = BTreeMap::new();
    for play in of("lockstep") {
        slots.entry((&play.track_id, play.ended_at / 600_000)).or_default().insert(&play.account_id);
    }
    let together = slots.values().filter(|accounts| accounts.len() >= 5).count();
    assert!(together * 2 > slots.len(), "{together} of {} slots have five or more", slots.len());

    let fan = of("super_fan");
    let mut per_day: BTreeMap<(&Id, &Id, i64), u32> = BTreeMap::new();
    for play in &fan {
        *per_day.entry((&play.account_id, &play.track_id, play.ended_at / 86_400_000)).or_default() += 1;
    }
    assert!(fan.len() / 8 / 2 > 60, "{} plays", fan.len());
    assert!(per_day.values().max() > Some(&8));
}
