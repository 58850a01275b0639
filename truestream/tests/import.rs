//! The command as a script sees it: exit codes, what is left behind, and the acceptance run over real exports.

use std::path::{Path, PathBuf};

use clap::Parser;
use tempfile::TempDir;
use truestream::exit::Failure;
use truestream::import::{ImportArgs, run};

#[derive(Parser)]
struct Line {
    #[command(flatten)]
    import: ImportArgs,
}

fn import(line: &[&str]) -> Result<(), Failure> {
    run(&Line::try_parse_from(["import"].iter().chain(line)).expect("a command line").import)
}

fn write(folder: &Path, name: &str, content: &[u8]) -> String {
    let path = folder.join(name);
    std::fs::write(&path, content).expect("a temporary file");
    path.display().to_string()
}

fn tables(out: &Path) -> Vec<String> {
    let mut names: Vec<String> = std::fs::read_dir(out)
        .map(|entries| {
            entries.map(|entry| entry.expect("an entry").file_name().to_string_lossy().into_owned()).collect()
        })
        .unwrap_or_default();
    names.sort();
    names
}

const TABLES: [&str; 4] = ["accounts.parquet", "plays.parquet", "refusal.parquet", "tracks.parquet"];
const ROW: &str = r#"{"endTime":"2022-04-06 00:02","artistName":"Band","trackName":"Song","msPlayed":268919}"#;

#[test]
fn a_good_import_leaves_four_tables_and_nothing_else() {
    let folder = TempDir::new().expect("a folder");
    let file = write(folder.path(), "StreamingHistory0.json", format!("[{ROW}]").as_bytes());
    let out = folder.path().join("new/data");
    import(&["auto", &file, "--out", &out.display().to_string(), "--json"]).expect("an import");
    assert_eq!(tables(&out), TABLES);
    import(&["spotify-basic", &file, "--out", &out.display().to_string()]).expect("a second import replaces the first");
    assert_eq!(tables(&out), TABLES);
}

#[test]
fn a_damaged_file_fails_the_import_and_keeps_its_good_rows() {
    let folder = TempDir::new().expect("a folder");
    let file = write(folder.path(), "StreamingHistory0.json", format!("[{ROW},{ROW},{{\"endTi").as_bytes());
    let out = folder.path().join("data");
    let failure = import(&["auto", &file, "--out", &out.display().to_string()]).expect_err("damage");
    assert_eq!(failure.code(), 4);
    let text = failure.to_string();
    assert!(text.contains("1 of 1 files damaged") && text.contains("StreamingHistory0.json"), "{text}");
    assert_eq!(tables(&out), TABLES);
}

#[test]
fn what_cannot_be_read_is_an_input_failure_that_names_it() {
    let folder = TempDir::new().expect("a folder");
    let unknown = write(folder.path(), "plays.csv", b"a,b\n1,2\n");
    let out = folder.path().join("data").display().to_string();
    let nowhere = folder.path().join("nowhere").display().to_string();
    let map = write(folder.path(), "map.toml", b"[columns]\nended_at = 'a'\n");
    for (line, says) in [
        (vec!["auto", &unknown, "--out", &out], "plays.csv"),
        (vec!["auto", &nowhere, "--out", &out], "nowhere"),
        (vec!["mapped", &unknown, "--map", &map, "--out", &out], "map.toml"),
        (vec!["mapped", &unknown, "--map", &nowhere, "--out", &out], "nowhere"),
    ] {
        let failure = import(&line).expect_err(says);
        assert_eq!(failure.code(), 4, "{failure}");
        assert!(failure.to_string().contains(says), "{failure}");
    }
    assert_eq!(tables(&folder.path().join("data")), Vec::<String>::new());
    assert_eq!(import(&["mapped", &unknown, "--out", &out]).expect_err("no map").code(), 2);
    assert_eq!(import(&["tidal", &unknown, "--out", &out]).expect_err("no such format").code(), 2);
}

#[test]
fn an_output_that_cannot_be_written_is_an_output_failure() {
    let folder = TempDir::new().expect("a folder");
    let file = write(folder.path(), "StreamingHistory0.json", format!("[{ROW}]").as_bytes());
    let failure = import(&["auto", &file, "--out", &format!("{file}/data")]).expect_err("a file is no folder");
    assert_eq!(failure.code(), 5);
}

#[test]
fn ids_as_numbers_need_numbers() {
    let folder = TempDir::new().expect("a folder");
    let events = write(folder.path(), "LFM-1b_LEs.txt", b"31435736\t15\t3\t5\t1385212958\n");
    let names = write(folder.path(), "StreamingHistory0.json", format!("[{ROW}]").as_bytes());
    let out = folder.path().join("data");
    let out_text = out.display().to_string();
    import(&["auto", &events, "--ids", "number", "--out", &out_text]).expect("numbers");
    let before = std::fs::read(out.join("plays.parquet")).expect("a table");
    let failure = import(&["auto", &names, "--ids", "number", "--out", &out_text]).expect_err("names");
    assert_eq!(failure.code(), 4);
    assert_eq!(tables(&out), TABLES);
    assert_eq!(std::fs::read(out.join("plays.parquet")).expect("a table"), before, "a failed import changes nothing");
}

#[test]
fn several_real_exports_go_into_one_folder() {
    let beside = || PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../shared/data"));
    let data = std::env::var_os("TRUESTREAM_SHARED_DATA").map_or_else(beside, PathBuf::from);
    if !data.is_dir() {
        eprintln!("SKIPPED: no real exports at {}; set TRUESTREAM_SHARED_DATA", data.display());
        return;
    }
    let places =
        ["spotify-extended-export/u03", "spotify-basic-export/u01", "spotify-basic-export/u02", "lastfm-scrobbles/u04"];
    let paths: Vec<String> = places.iter().map(|place| data.join(place).display().to_string()).collect();
    let out = TempDir::new().expect("a folder");
    let out_text = out.path().display().to_string();
    let mut line = vec!["auto"];
    line.extend(paths.iter().map(String::as_str));
    line.extend(["--out", &out_text]);
    import(&line).expect("an import");
    assert_eq!(tables(out.path()), TABLES);
}
