//! The same plays give the same bytes, however many workers read them and however their files are cut and ordered.

use std::collections::BTreeMap;
use std::path::Path;

use serde_json::Value;
use tempfile::TempDir;

use crate::data::{copy, read, shuffled, text, world, world_of_texts, write};
use crate::process::{assert_same, files, truestream};

const CHANGES: [&str; 6] = ["--every", "6h", "--windows", "6h,24h", "--emit", "changes"];

/// The tables of a replay; `run.json` without the names of the files, which the caller chose.
fn tables(data: &Path, out: &Path, more: &[&str]) -> BTreeMap<String, Vec<u8>> {
    let (data, out_text) = (text(data), text(out));
    let line = [&["replay", "--data", &data, "--out", &out_text], more].concat();
    truestream(&line).good();
    let mut files = files(out);
    let manifest = files.get_mut("run.json").expect("a manifest");
    let mut run: Value = serde_json::from_slice(manifest).expect("JSON");
    run.as_object_mut().expect("an object").remove("inputs").expect("its inputs");
    *manifest = run.to_string().into_bytes();
    files
}

/// The tables that do not name files and rows; how many rows were refused stands in the manifest.
fn of_plays(mut tables: BTreeMap<String, Vec<u8>>) -> BTreeMap<String, Vec<u8>> {
    tables.remove("refusal.parquet").expect("a table of refusals");
    tables
}

#[test]
fn one_two_and_four_workers_write_the_same_bytes() {
    let folder = TempDir::new().expect("a folder");
    let texts = folder.path().join("texts");
    world_of_texts(&texts);
    for data in [world(), &texts] {
        for emit in [&CHANGES[..], &["--every", "1d", "--windows", "1d,28d", "--links", "device,ip_prefix,payment"]] {
            let run = |workers: &str| {
                let out = folder.path().join("out");
                tables(data, &out, &[emit, &["--workers", workers]].concat())
            };
            let one = run("1");
            assert!(one["account_window.parquet"].len() > 2_000, "a world with something in it");
            for workers in ["2", "4"] {
                assert_same(&format!("{workers} workers, {emit:?}"), &one, &run(workers));
            }
        }
    }
}

#[test]
fn files_cut_ordered_and_grouped_otherwise_give_the_same_bytes() {
    let folder = TempDir::new().expect("a folder");
    let out = folder.path().join("out");
    let sorted = of_plays(tables(world(), &out, &CHANGES));
    let plays = read(&world().join("plays.parquet"));
    let other = |name: &str| {
        let data = folder.path().join(name);
        copy(world(), &data);
        std::fs::remove_file(data.join("plays.parquet")).expect("its plays");
        data
    };

    let unsorted = other("unsorted");
    write(&unsorted.join("plays.parquet"), &shuffled(&plays), 100_000);
    let more = [&CHANGES[..], &["--sort-plays-max", "1000"]].concat();
    assert_same("sorted on disk", &sorted, &of_plays(tables(&unsorted, &out, &more)));
    let more = [&more[..], &["--workers", "3"]].concat();
    write(&unsorted.join("plays.parquet"), &shuffled(&plays), 333);
    assert_same("sorted on disk by three", &sorted, &of_plays(tables(&unsorted, &out, &more)));

    let many = other("many");
    std::fs::create_dir(many.join("plays")).expect("a folder");
    let rows = plays.num_rows();
    for (number, first) in (0..rows).step_by(1_111).enumerate() {
        let name = if number % 2 == 0 { format!("plays-{number}.parquet") } else { format!("plays/{number}.parquet") };
        write(&many.join(name), &plays.slice(first, 1_111.min(rows - first)), 64 << (number % 5));
    }
    assert_same("many files", &sorted, &of_plays(tables(&many, &out, &CHANGES)));
    let more = [&CHANGES[..], &["--workers", "2"]].concat();
    assert_same("many files for two", &sorted, &of_plays(tables(&many, &out, &more)));
}

#[test]
fn a_run_that_writes_nothing_counts_what_changed_and_leaves_the_tables_of_another() {
    let folder = TempDir::new().expect("a folder");
    let out = folder.path().join("out");
    tables(world(), &out, &CHANGES);
    let before = files(&out);
    let (data, out_text) = (text(world()), text(&out));
    let line =
        ["replay", "--data", &data, "--out", &out_text, "--every", "6h", "--windows", "6h,24h", "--emit", "none"];
    let said = truestream(&[&line[..], &["--views", "account_window", "--json"]].concat()).good();
    assert_same("after a run with --emit none", &before, &files(&out));

    let said = said.json();
    let written = read(&out.join("account_window.parquet")).num_rows() as u64;
    // A change is at most two rows, the old one and the new.
    assert!(written > 0 && said["changed_rows"].as_u64().expect("a count") >= written / 2, "{said}");
    assert!(said["refresh_ms"]["p50"].is_f64(), "{said}");
}
