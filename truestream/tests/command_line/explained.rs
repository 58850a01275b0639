//! Of whom nothing is said, and of whom nobody ever heard: the one is allowed, the other is told not to be known.

use tempfile::TempDir;

use crate::data::{rows, text, world};
use crate::process::truestream;

#[test]
fn who_is_not_known_is_not_said_to_be_allowed() {
    let folder = TempDir::new().expect("a folder");
    let data = text(world());
    let replayed = |name: &str, views: &str| {
        let out = text(&folder.path().join(name));
        let line = ["replay", "--data", &data, "--out", &out, "--every", "24h", "--windows", "28d", "--views", views];
        truestream(&line).good();
        out
    };
    let explain = |tables: &str, subject: &str, id: &str, more: &[&str]| {
        truestream(&[&["explain", subject, id, "--tables", tables][..], more].concat())
    };
    let (all, verdicts) = (replayed("all", "verdict,account_window"), replayed("verdicts", "verdict"));
    let column = |table: &str, names: &[&str]| rows(&folder.path().join("all").join(table), names);
    let judged = column("verdict.parquet", &["subject", "subject_id"]);
    let is_judged = |id: &String| judged.iter().any(|row| row[0] == "account" && row[1] == *id);
    let heard = column("account_window.parquet", &["account_id"]).concat();
    let quiet = heard.iter().find(|id| !is_judged(id)).expect("somebody honest");
    for tables in [&all, &verdicts] {
        assert!(explain(tables, "account", quiet, &[]).good().out.ends_with(": allow\n"));
        explain(tables, "account", "999999999", &["--data", &data]).failed(4, &["nothing is known of it"]);
        explain(tables, "song", quiet, &[]).failed(2, &["song: expected account, artist"]);
    }
    explain(&all, "account", "999999999", &[]).failed(4, &["nothing is known of it", "--data"]);
    let told = explain(&verdicts, "account", "999999999", &[]).good();
    assert!(told.err.contains("warning: whether there is account 999999999 at all is not known"), "{told:?}");
    explain(&verdicts, "account", quiet, &["--data", &data]).good();
}
