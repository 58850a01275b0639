//! What can be heard in a world follows from its seed, and belongs to its catalogue.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::time::UNIX_EPOCH;

use datasets::audio::{Limits, decode};
use datasets::world::{Origin, Recording, World, WorldSpec};
use records::{Id, Track};

fn spec() -> WorldSpec {
    WorldSpec { accounts: 120, days: 3, sound: true, ..WorldSpec::default() }
}

fn files(folder: &Path) -> BTreeMap<String, Vec<u8>> {
    let read = |entry: fs::DirEntry| (entry.file_name().into_string().unwrap(), fs::read(entry.path()).unwrap());
    fs::read_dir(folder).unwrap().map(Result::unwrap).filter(|entry| entry.path().is_file()).map(read).collect()
}

#[test]
fn sound_is_the_same_for_any_number_of_threads_and_changes_nothing_else() {
    let folders = [(); 3].map(|()| tempfile::tempdir().unwrap());
    let [one, three, silent] = folders.each_ref().map(|folder| folder.path());
    let summary = World::write(&spec(), one, 1, |_| ()).unwrap();
    assert_eq!(summary, World::write(&spec(), three, 3, |_| ()).unwrap());
    let sound = files(&one.join("audio"));
    assert!(sound == files(&three.join("audio")) && sound.len() == summary.recordings.len());

    let without = World::write(&WorldSpec { sound: false, ..spec() }, silent, 2, |_| ()).unwrap();
    assert!(without.recordings.is_empty() && !silent.join("audio").exists());
    let (with, without) = (files(one), files(silent));
    for (name, bytes) in &without {
        assert_eq!(with[name] == *bytes, name != "tracks.parquet", "{name}");
    }

    let rows: Vec<Track> = World::new(&spec()).unwrap().tracks().collect();
    for Recording { track_id, file, .. } in &summary.recordings {
        let row = rows.iter().find(|row| row.track_id == Id::Number(*track_id)).expect("a track has a row");
        assert_eq!(row.audio_uri.as_deref(), Some(&**file));
        assert!(row.content_id.as_ref().is_none_or(|content| *content == row.track_id), "{row:?}");
        let path = one.join(file);
        let clip = decode(fs::File::open(&path).unwrap(), &Limits::default()).unwrap();
        assert!((15.0..35.0).contains(&clip.facts.seconds()), "{file}: {} s", clip.facts.seconds());
        let changed = fs::metadata(&path).unwrap().modified().unwrap().duration_since(UNIX_EPOCH).unwrap();
        assert_eq!(row.uploaded_at, Some(changed.as_millis() as i64), "{file}");
    }
    assert_eq!(rows.iter().filter(|row| row.audio_uri.is_some()).count(), summary.recordings.len());
}

#[test]
fn copies_are_of_what_was_played_and_without_attacks_all_is_played() {
    let recordings = |spec: &WorldSpec| World::new(spec).unwrap().recordings();
    let all = recordings(&spec());
    let played: Vec<u64> = all.iter().filter(|one| one.origin == Origin::Played).map(|one| one.track_id).collect();
    let copied = all.iter().filter_map(|one| match one.origin {
        Origin::Copied { of } => Some(of),
        _ => None,
    });
    let copied: Vec<u64> = copied.collect();
    assert!(copied.len() >= 3 && copied.iter().all(|of| played.contains(of)), "{all:?}");
    assert!(all.iter().any(|one| one.origin == Origin::Decoded) && all.iter().any(|one| one.origin == Origin::Faulty));

    let honest = recordings(&WorldSpec { attacks: false, ..spec() });
    assert_eq!(honest.len(), played.len());
    assert!(honest.iter().all(|one| one.origin == Origin::Played));
}
