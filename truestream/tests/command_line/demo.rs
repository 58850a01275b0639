//! The demo: what it heard is what is true of its world, and a verdict says so in words.

use arrow::array::{Array, Float64Array, StringArray};
use arrow::compute::cast;
use arrow::datatypes::DataType;
use datasets::world::{Origin, World, WorldSpec};
use tempfile::TempDir;

use crate::data::{read, text};
use crate::process::truestream;

const SMALL: [&str; 6] = ["demo", "--once", "--accounts", "120", "--days", "6"];

#[test]
fn what_the_demo_hears_is_true_and_a_verdict_says_so() {
    let folder = TempDir::new().expect("a folder");
    let out = text(folder.path());
    let told = truestream(&[&SMALL[..], &["--out", &out, "--json"]].concat()).good().json();
    let heard = told["heard"]["recordings"].as_array().unwrap_or_else(|| panic!("nothing heard in {told}"));
    let count = |origin: &str, name: &str| {
        let row = heard.iter().find(|row| row["origin"] == origin).unwrap_or_else(|| panic!("no {origin} in {told}"));
        row[name].as_u64().unwrap_or_else(|| panic!("no {name} in {row}"))
    };
    for origin in ["decoded", "faulty"] {
        assert!(count(origin, "heard") >= 3, "{told}");
        assert_eq!(count(origin, "suspicious"), count(origin, "heard"), "{told}");
    }
    assert!(count("copied", "heard") >= 3 && count("played", "heard") >= 10, "{told}");

    // Verdicts leave attacks less than they would have had, and never more.
    let money = told["money"].as_array().expect("a list");
    let [before, after] = ["profit", "profit_after_verdicts"]
        .map(|name| money.iter().map(|row| row[name].as_f64().expect("an amount")).sum::<f64>());
    assert!(money.len() >= 3 && after < before, "{told}");
    assert!(money.iter().all(|row| row["still_paid"].as_u64() <= row["streams"].as_u64()), "{told}");

    // Of what a band played, no detector says anything at all.
    let spec = WorldSpec { accounts: 120, days: 6, sound: true, ..WorldSpec::default() };
    let truth = World::new(&spec).expect("a world").recordings();
    let evidence = read(&folder.path().join("heard/evidence.parquet"));
    let column = |name: &str| evidence.column_by_name(name).unwrap_or_else(|| panic!("no {name}"));
    let contents = cast(column("content_id"), &DataType::Utf8).expect("texts");
    let contents = contents.as_any().downcast_ref::<StringArray>().expect("texts");
    let risks = column("risk").as_any().downcast_ref::<Float64Array>().expect("risks");
    let played: Vec<String> =
        truth.iter().filter(|one| one.origin == Origin::Played).map(|one| one.track_id.to_string()).collect();
    let rows = (0..evidence.num_rows()).filter(|row| played.iter().any(|track| track == contents.value(*row)));
    let risks: Vec<f64> = rows.map(|row| risks.value(row)).collect();
    assert!(risks.len() >= 2 * played.len() && risks.iter().all(|risk| *risk == 0.0), "{risks:?}");

    let reasons = told["heard"]["verdict"]["reasons"].to_string();
    assert!(reasons.contains("the audio is") && reasons.contains("% content"), "{told}");

    // What was heard is not heard again, and told in words.
    let told = truestream(&[&SMALL[..], &["--out", &out]].concat()).good().out;
    for words in [
        "Heard ",
        "Recordings  ",
        "  decoded  ",
        "lines every ",
        "One verdict by ear: track ",
        "the audio is ",
        "Does it pay? (0.004 ",
    ] {
        assert!(told.contains(words), "no `{words}` in {told}");
    }
}
