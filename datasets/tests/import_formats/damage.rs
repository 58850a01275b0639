//! Broken files: nothing panics, no good row before the damage is lost, the damage is told.

use datasets::formats::{Format, Import};

use super::research::yambda_listens;
use super::{array, extended, import, import_with, options};

#[test]
fn half_an_array_keeps_its_whole_rows_and_is_one_refusal() {
    let rows: Vec<String> =
        (10..60).map(|second| extended(&format!(r#"{{"ts":"2021-02-16T19:38:{second}Z"}}"#))).collect();
    let whole = array(&rows);
    let outcome = import(&[("a/endsong_0.json", &whole[..whole.len() / 2 + 9])]);
    assert_eq!(outcome.plays.len(), 25);
    assert_eq!(outcome.codes(), ["malformed"]);
    assert_eq!(outcome.reports[0].damage.as_deref(), Some("the file ends in the middle of a row"));
    assert_eq!(outcome.reports[0].rows, 26);
}

#[test]
fn a_spoilt_row_in_the_middle_costs_that_row_only() {
    let mut rows = vec![extended("{}"), r#"{"ts":"2021-02-16T19:38:59Z","ms_played":}"#.to_owned(), "7".to_owned()];
    rows.push(extended(r#"{"ms_played":5}"#));
    let outcome = import(&[("a/endsong_0.json", &array(&rows))]);
    assert_eq!(outcome.column("played_ms"), ["214450", "5"]);
    assert_eq!(outcome.codes(), ["malformed", "wrong_type"]);
    assert_eq!(outcome.reports[0].damage, None);
    assert_eq!(outcome.refusals[0]["raw"], r#"{"ts":"2021-02-16T19:38:59Z","ms_played":}"#);
}

#[test]
fn empty_files_say_so() {
    for (name, refusals) in
        [("a/endsong_0.json", 1), ("a/userid-profile.tsv", 1), ("a/LFM-1b_LEs.txt", 0), ("a/listens.parquet", 1)]
    {
        let outcome = import(&[(name, b"")]);
        assert_eq!((outcome.plays.len(), outcome.refusals.len()), (0, refusals), "{name}");
    }
    let lines = import_with(&[("a/x.jsonl", b"")], Some(Format::ListenBrainz), &options()).unwrap();
    assert_eq!(lines.reports[0].rows, 0);
}

#[test]
fn a_parquet_file_cut_anywhere_is_one_refusal() {
    let whole = yambda_listens();
    for end in [0, 3, 4, 50, whole.len() / 2, whole.len() - 8, whole.len() - 1] {
        let outcome = import(&[("a/listens.parquet", &whole[..end])]);
        assert_eq!(outcome.codes(), ["malformed"], "cut at {end}");
        assert!(outcome.reports[0].damage.is_some());
    }
}

#[test]
fn a_parquet_file_with_any_byte_spoilt_never_panics() {
    let whole = yambda_listens();
    for place in (4..whole.len()).step_by(29) {
        let mut spoilt = whole.clone();
        spoilt[place] ^= 0x55;
        let _ = import_with(&[("a/listens.parquet", &spoilt)], Some(Format::Yambda), &options());
    }
}

#[test]
fn a_file_of_the_wrong_format_is_refused_and_not_a_panic() {
    let files: [&[u8]; 6] =
        [b"\xff\xfe[\x00{\x00", b"{\"a\":1}", b"[1,2", b"a\tb\n\tc", b"\"open quote\nand on\n", &[0_u8; 300]];
    for format in Format::ALL.into_iter().filter(|format| *format != Format::Mapped) {
        for content in files {
            let outcome = import_with(&[("a/x", content)], Some(format), &options()).unwrap();
            assert_eq!(outcome.plays.len(), 0, "{}", format.name());
            assert!(outcome.reports[0].refusals > 0, "{} {content:?}", format.name());
        }
    }
}

#[test]
fn a_missing_column_is_named_with_those_found_and_other_files_go_on() {
    let good = array(&[extended("{}")]);
    let outcome = import_with(&[("a/x.csv", b"date,artist\n1,2\n")], Some(Format::LastfmCsv), &options()).unwrap();
    assert_eq!(outcome.refusals[0]["reason"], "column `track` is missing; columns found: date, artist");
    assert_eq!(outcome.codes(), ["missing"]);
    let both = import(&[("a/listens.parquet", b"PAR1"), ("a/endsong_0.json", &good)]);
    assert_eq!((both.plays.len(), both.refusals.len()), (1, 1));
}

#[test]
fn the_raw_row_of_a_refusal_is_shortened() {
    let long = extended(&format!(r#"{{"ms_played":-1,"master_metadata_track_name":"{}"}}"#, "å".repeat(5_000)));
    let outcome = import(&[("a/endsong_0.json", &array(&[long]))]);
    assert!(outcome.refusals[0]["raw"].len() < 1_100);
}

/// A process that is killed drops nothing; the next import into the folder tidies up after it.
#[test]
fn an_import_that_was_killed_leaves_nothing_for_ever() {
    let folder = tempfile::tempdir().unwrap();
    std::mem::forget(Import::begin(folder.path(), options()).unwrap());
    Import::begin(folder.path(), options()).unwrap().finish().unwrap();
    let names = std::fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().file_name());
    let hidden: Vec<_> = names.filter(|name| name.to_string_lossy().starts_with('.')).collect();
    assert!(hidden.is_empty(), "{hidden:?}");
}
