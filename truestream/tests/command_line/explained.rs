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
        let told = explain(tables, "account", quiet, &[]).good().out;
        assert!(
            told.contains(": allow\nLaw       policy \"default-") && told.contains("thresholds of default: "),
            "{told}"
        );
        explain(tables, "account", "999999999", &["--data", &data]).failed(4, &["nothing is known of it"]);
        explain(tables, "song", quiet, &[]).failed(2, &["song: expected account, artist"]);
    }
    explain(&all, "account", "999999999", &[]).failed(4, &["nothing is known of it", "--data"]);
    let told = explain(&verdicts, "account", "999999999", &[]).good();
    assert!(told.err.contains("warning: whether there is account 999999999 at all is not known"), "{told:?}");
    explain(&verdicts, "account", quiet, &["--data", &data]).good();
}

#[test]
fn who_is_allowed_is_told_by_whose_thresholds() {
    let folder = TempDir::new().expect("a folder");
    let (data, policy, out) = (text(world()), folder.path().join("lenient"), text(&folder.path().join("tables")));
    std::fs::create_dir(&policy).expect("a folder");
    let own = "[territory.US.account]\nhold = 90\nescalate = 95\nblock = 99\nescalate_signals = 2\nblock_signals = 3\n";
    for (file, text) in [("policy.toml", "version = 'lenient'"), ("thresholds.toml", own)] {
        std::fs::write(policy.join(file), text).expect("written");
    }
    let policy = text(&policy);
    let how = ["--every", "24h", "--windows", "28d", "--views", "verdict,risk", "--policy", &policy];
    truestream(&[&["replay", "--data", &data, "--out", &out][..], &how].concat()).good();
    let of = |table: &str, names: &[&str]| rows(&folder.path().join("tables").join(table), names);
    let judged = of("verdict.parquet", &["subject", "subject_id"]);
    let countries = rows(&world().join("accounts.parquet"), &["account_id", "country"]);
    let allowed = |is_home: bool| {
        let risks = of("risk.parquet", &["subject", "subject_id", "r"]).into_iter();
        let risks = risks.filter(|row| row[0] == "account" && !judged.contains(&row[..2].to_vec()));
        let lives = |id: &str| countries.iter().any(|row| row[0] == id && (row[1] == "US") == is_home);
        let id = risks.map(|row| row[1].clone()).find(|id| lives(id));
        id.expect("somebody against whom something speaks, who is allowed")
    };
    let explain = |id: &str, more: &[&str]| {
        truestream(&[&["explain", "account", id, "--tables", &out][..], more].concat()).good()
    };
    let (home, away) = (allowed(true), allowed(false));
    for (id, segment, told) in [
        (&home, "territory.US.account", "thresholds of territory.US.account: hold from 0.90 on, escalate from 0.95"),
        (&away, "default", "thresholds of default: hold from 0.40 on"),
    ] {
        let with = ["--policy", &policy, "--data", &data];
        let words = explain(id, &with).out;
        assert!(words.contains(": allow\nLaw       policy \"lenient\"\n") && words.contains(told), "{words}");
        assert_eq!(explain(id, &[&with[..], &["--json"]].concat()).json()["segment"], segment);
        // What is not known is said, with what would tell it.
        let words = explain(id, &with[..2]).out;
        assert!(words.contains("by whose thresholds is not known: --data says"), "{words}");
        let words = explain(id, &[]).out;
        assert!(words.contains("by whose thresholds is not known: --policy says"), "{words}");
    }
}
