//! Real exports, where a developer has them beside the repository.

use std::path::PathBuf;

use datasets::formats::{Format, walk};

use super::{import_files, options, recognised};

/// The folder of real data, if there is one.
fn folder() -> Option<PathBuf> {
    let beside = || PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../shared/data"));
    let folder = std::env::var_os("TRUESTREAM_SHARED_DATA").map_or_else(beside, PathBuf::from);
    if folder.is_dir() {
        return Some(folder);
    }
    eprintln!("SKIPPED: no real exports at {}; set TRUESTREAM_SHARED_DATA", folder.display());
    None
}

#[test]
fn real_exports_lose_no_row() {
    let Some(folder) = folder() else { return };
    let expected = [
        ("spotify-extended-export/u03", Format::SpotifyExtended, 2_080, 1),
        ("spotify-basic-export/u01", Format::SpotifyBasic, 38_403, 0),
        ("spotify-basic-export/u02", Format::SpotifyBasic, 8_373, 0),
        ("lastfm-scrobbles/u04", Format::LastfmCsv, 16_545, 0),
    ];
    let mut files = Vec::new();
    for (place, format, ..) in expected {
        let found = walk(&[folder.join(place)]).unwrap();
        files.extend(found.iter().map(|(path, _)| recognised(path, None, &options())));
        assert!(files.last().is_some_and(|file| file.format() == format), "{place}");
    }
    let outcome = import_files(&files, &options()).unwrap();
    for (place, _, rows, refusals) in expected {
        let mut seen = (0, 0, 0);
        for report in outcome.reports.iter().filter(|report| report.file.contains(place)) {
            seen = (seen.0 + report.rows, seen.1 + report.plays, seen.2 + report.refusals);
            assert_eq!(report.damage, None);
        }
        assert_eq!(seen, (rows, rows - refusals, refusals), "{place}");
    }

    let accounts: Vec<&str> = outcome.accounts.iter().map(|row| row["account_id"].as_str()).collect();
    assert_eq!(accounts, ["u01", "u02", "u03", "u04"]);
    let mut ids = outcome.column("play_id");
    ids.sort_unstable();
    ids.dedup();
    assert_eq!(ids.len(), outcome.plays.len(), "every play has an id of its own");
    let late = outcome.plays.iter().filter(|play| play.contains_key("arrived_at")).count();
    assert_eq!(late, 31, "plays of an offline device");
}

/// The slow twin: the whole file in memory, field by field.
#[test]
fn a_real_basic_export_comes_out_as_it_stands() {
    let Some(folder) = folder() else { return };
    let path = folder.join("spotify-basic-export/u02/StreamingHistory0.json");
    let rows: Vec<serde_json::Value> = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
    let outcome = import_files(&[recognised(&path, None, &options())], &options()).unwrap();
    assert_eq!(outcome.plays.len(), rows.len());
    for (row, play) in rows.iter().zip(&outcome.plays) {
        assert_eq!(play["ended_at"], format!("{}:00.000", row["endTime"].as_str().unwrap().replace(' ', "T")));
        assert_eq!(play["played_ms"], row["msPlayed"].to_string());
        assert_eq!(
            play["track_id"],
            format!("name:{}/{}", row["artistName"].as_str().unwrap(), row["trackName"].as_str().unwrap())
        );
    }
}
