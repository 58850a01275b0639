//! Rules over more than one table: whom they match is whom plain SQL over the tables matches.
//!
//! ```text
//! seed ──▶ random rules, each in two spellings ──┬──▶ replay ──▶ rule_hit ──────────────────┐
//! world, its catalogue dated, much of it null ───┴──▶ SQL over windows, catalogue, accounts ──┴──▶ equal
//! ```

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;

use arrow::array::{ArrayRef, RecordBatch, StringArray, UInt64Array};
use arrow::compute::concat_batches;
use rusqlite::Connection;
use tempfile::TempDir;

use crate::data::{copy, instants, plays, rewrite, rows, text, whole, with, world, write};
use crate::process::truestream;

/// Rules over more than one table that match some in every world.
pub const SEVERAL: &str = r#"
[[rule]]
id = "sudden"
version = 1
subject = "account"
window = "28d"
when = "w24h.plays * 2 > plays and (account.age_hours < 20000 or country in ('BR', 'US')) or signal.edge > 0.1"
action = "hold"
code = "S1"
reason = "half of its plays in one day"
owner = "payments"
expires = "2030-01-01"
tests = [
    { row = { plays = 5, "w24h.plays" = 3, "account.country" = "BR" }, matches = true },
    { row = { plays = 5, "w24h.plays" = 3, country = "DE", age_hours = 20000 }, matches = false },
]

[[rule]]
id = "one_of_many"
version = 1
subject = "track"
window = "28d"
when = "artist.plays > plays and uploader.w24h.plays > 1 and track.duration_ms < 300000 and age_hours >= 36"
action = "hold"
code = "S2"
reason = "not all that its artist has"
owner = "labels"
expires = "2030-01-01"
tests = [
    { row = { "artist.plays" = 1, "uploader.w24h.plays" = 2, duration_ms = 5, age_hours = 36 }, matches = true },
    { row = { "artist.plays" = 1, "uploader.w24h.plays" = 2, duration_ms = 5 }, matches = false },
]
"#;

/// Rules that read signals alone, and that a track has no artist.
const SIGNALS_AND_NOBODY: &str = r#"
[[rule]]
id = "edges"
version = 1
subject = "account"
window = "28d"
when = "signal.edge + signal.loop + signal.no_sleep > 0"
action = "hold"
code = "S3"
reason = "an edge"
owner = "payments"
shadow = true
expires = "2030-01-01"
tests = [{ row = { "signal.edge" = 1 }, matches = true }, { row = {}, matches = false }]

[[rule]]
id = "nobody"
version = 1
subject = "track"
window = "28d"
when = "artist.plays is null"
action = "hold"
code = "S4"
reason = "of no artist"
owner = "labels"
expires = "2030-01-01"
tests = [{ row = { "artist.plays" = "null" }, matches = true }, { row = {}, matches = false }]
"#;

/// The world begins on the first day of 2026.
const BEGIN_MS: i64 = 1_767_225_600_000;

/// Numbers that look random (xorshift64*, Vigna 2016).
struct Chance(u64);

impl Chance {
    fn below(&mut self, end: usize) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 33) as usize % end
    }

    fn one_of<T: Copy>(&mut self, of: &[T]) -> T {
        of[self.below(of.len())]
    }
}

/// What rules about one kind of subject may name.
struct Vocabulary {
    subject: &'static str,
    numbers: &'static [&'static str],
    /// With the words that they are compared with.
    texts: &'static [(&'static str, &'static [&'static str])],
}

const ACCOUNTS: Vocabulary = Vocabulary {
    subject: "account",
    numbers: &[
        "plays",
        "skipped",
        "tracks",
        "w7d.plays",
        "account.w7d.tracks",
        "w24h.payable",
        "w6h.plays",
        "w6h.skipped",
    ],
    texts: &[("country", &["US", "BR", "DE", "VN"]), ("account.plan", &["free", "premium", "family"])],
};
const TRACKS: Vocabulary = Vocabulary {
    subject: "track",
    numbers: &[
        "plays",
        "listeners",
        "w7d.plays",
        "w6h.plays",
        "artist.plays",
        "artist.w7d.tracks",
        "uploader.plays",
        "uploader.w6h.listeners",
        "duration_ms",
    ],
    texts: &[("track.contains_ai", &["all", "partly", "none"]), ("genre", &["dated", "pop", "rock"])],
};

/// A condition as a rule has it; the other spelling is [`in_sql`].
fn condition(chance: &mut Chance, of: &Vocabulary, depth: usize) -> String {
    if depth > 0 && chance.below(3) > 0 {
        let [a, b] = [0, 1].map(|_| condition(chance, of, depth - 1));
        return match chance.below(4) {
            0 => format!("(not ({a}))"),
            1 => format!("({a} and {b})"),
            _ => format!("({a} or {b})"),
        };
    }
    let compare = |chance: &mut Chance| chance.one_of(&["<", "<=", ">", ">=", "=", "<>"]);
    match chance.below(7) {
        0 | 1 => {
            let (column, words) = chance.one_of(of.texts);
            let word = chance.one_of(words);
            match chance.below(5) {
                0 => format!("{column} = '{word}'"),
                1 => format!("{column} <> '{word}'"),
                2 => format!("{column} in ('{word}', '{}')", words[0]),
                3 => format!("{column} not in ('{word}')"),
                _ => format!("{column} is {}null", chance.one_of(&["", "not "])),
            }
        }
        // Of the hours at which a day of the world begins or ends, and between.
        2 => format!("age_hours {} {}.0", compare(chance), chance.one_of(&[6, 24, 30, 48, 1_000, 9_000])),
        3 => format!("{} between {}.0 and {}.0", number(chance, of, 1), chance.below(9), chance.below(40)),
        4 => format!("{} is not null", number(chance, of, 1)),
        _ => format!("{} {} {}", number(chance, of, 2), compare(chance), number(chance, of, 1)),
    }
}

fn number(chance: &mut Chance, of: &Vocabulary, depth: usize) -> String {
    match chance.below(if depth > 0 { 7 } else { 2 }) {
        0 => format!("{}.0", chance.below(30)),
        1..=3 => chance.one_of(of.numbers).to_owned(),
        4 => format!("({} - {})", number(chance, of, depth - 1), number(chance, of, depth - 1)),
        5 => format!("({} / {})", number(chance, of, depth - 1), number(chance, of, depth - 1)),
        _ => format!("coalesce({} / {}, 3.0)", number(chance, of, depth - 1), number(chance, of, depth - 1)),
    }
}

/// The condition over the joined tables, which have the rule's tables as names.
fn in_sql(condition: &str) -> String {
    let is_part = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '.';
    let mut sql = String::new();
    let mut rest = condition;
    while let Some(first) = rest.chars().next() {
        if first == '\'' {
            let end = rest[1..].find('\'').expect("a text ends") + 2;
            sql.push_str(&rest[..end]);
            rest = &rest[end..];
            continue;
        }
        let length = rest.find(|c| !is_part(c)).unwrap_or(rest.len());
        let name = &rest[..length];
        match name {
            "" => sql.push(first),
            "and" | "or" | "not" | "in" | "is" | "null" | "between" | "coalesce" => sql.push_str(name),
            name if first.is_ascii_digit() => sql.push_str(name),
            name => sql.push_str(&column(name)),
        }
        rest = &rest[length.max(if name.is_empty() { first.len_utf8() } else { 0 })..];
    }
    sql
}

/// A column of the rule's own window is of `own`; of another window nothing counts where there is no row; who has no artist has no numbers of one.
fn column(name: &str) -> String {
    let name = name.strip_prefix("account.").or_else(|| name.strip_prefix("track.")).unwrap_or(name);
    let of_owner = |owner: &str, window: &str, name: &str| {
        format!("iif(told.{owner}_id is null, null, coalesce({owner}_{window}.{name}, 0))")
    };
    match name.split('.').collect::<Vec<_>>()[..] {
        ["age_hours"] => "((own.as_of - told.since) / 3600000.0)".to_owned(),
        [name @ ("country" | "plan" | "contains_ai" | "genre" | "duration_ms")] => format!("told.{name}"),
        [name] | ["w24h", name] => format!("own.{name}"),
        [window @ ("w7d" | "w6h"), name] => format!("coalesce({window}.{name}, 0)"),
        [owner, name] => of_owner(owner, "w24h", name),
        [owner, window, name] => of_owner(owner, window, name),
        _ => panic!("{name}"),
    }
}

/// The world with a catalogue that changes, and accounts and tracks of which much is not told.
fn mean_world(folder: &Path, chance: &mut Chance) {
    copy(world(), folder);
    let texts = |values: Vec<Option<&str>>| Arc::new(StringArray::from(values)) as ArrayRef;
    rewrite(folder, "accounts", 500, |accounts| {
        let some = |chance: &mut Chance, of: &[&'static str]| (chance.below(4) > 0).then(|| chance.one_of(of));
        let countries = (0..accounts.num_rows()).map(|_| some(chance, &["US", "BR", "DE", "VN", "us"])).collect();
        let plans = (0..accounts.num_rows()).map(|_| some(chance, &["free", "premium", "family", "trial"])).collect();
        // Some are made while the world goes on, on the hour.
        let created = |at: usize| chance_of(at, 5).then(|| BEGIN_MS + (at as i64 % 90 - 60) * 3_600_000);
        let created: Vec<Option<i64>> = (0..accounts.num_rows()).map(created).collect();
        let accounts = with(&accounts, "created_at", instants(&created));
        with(&with(&accounts, "country", texts(countries)), "plan", texts(plans))
    });
    rewrite(folder, "tracks", 500, |tracks| {
        let words = |chance: &mut Chance, of: &[&'static str]| -> Vec<Option<&str>> {
            (0..tracks.num_rows()).map(|_| (chance.below(4) > 0).then(|| chance.one_of(of))).collect()
        };
        let first = with(&tracks, "contains_ai", texts(words(chance, &["all", "Partly", "NONE"])));
        let uploaded: Vec<Option<i64>> = (0..tracks.num_rows())
            .map(|at| chance_of(at, 3).then(|| BEGIN_MS + (at as i64 % 60 - 30) * 3_600_000))
            .collect();
        let first = with(&first, "uploaded_at", instants(&uploaded));
        // A third of them change in the midst, some on the hour: another artist, uploader, length and genre, or none.
        let few = first.slice(0, tracks.num_rows() / 3);
        let ids = |few: usize, of: u64| -> ArrayRef {
            Arc::new((0..few).map(|at| chance_of(at, of as usize).then_some(at as u64 % of)).collect::<UInt64Array>())
        };
        let n = few.num_rows();
        let later: Vec<Option<i64>> =
            (0..n).map(|at| Some(BEGIN_MS + (at as i64 % 70 - 10) * 3_600_000 + at as i64 / 70)).collect();
        let mut changed = with(&few, "valid_from", instants(&later));
        for (name, column) in [
            ("artist_id", ids(n, 7)),
            ("uploader_id", ids(n, 5)),
            ("duration_ms", whole(&(0..n).map(|at| chance_of(at, 3).then_some(at as i64 % 40)).collect::<Vec<_>>())),
            ("genre", texts((0..n).map(|at| chance_of(at, 2).then_some("dated")).collect())),
        ] {
            changed = with(&changed, name, column);
        }
        let of = |rows: &RecordBatch| -> RecordBatch {
            let schema = first.schema();
            let columns = schema.fields().iter().map(|field| {
                let column = rows.column_by_name(field.name()).expect("the same columns").clone();
                let column = arrow::compute::cast(&column, field.data_type()).expect("of the same type");
                (field.name().clone(), column, true)
            });
            RecordBatch::try_from_iter_with_nullable(columns.collect::<Vec<_>>()).expect("columns of one length")
        };
        concat_batches(&of(&first).schema(), &[of(&first), of(&changed)]).expect("rows of one table")
    });
}

/// Whether so many of a row are not null: all but each `of`-th.
fn chance_of(at: usize, of: usize) -> bool {
    !at.is_multiple_of(of)
}

/// A table of SQL with these rows; what is empty is null.
fn load(base: &Connection, name: &str, file: &Path, columns: &[&str]) {
    let typed = columns.iter().map(|column| match *column {
        "as_of" | "since" | "valid_from" | "created_at" | "uploaded_at" => format!("{column} INTEGER"),
        column if column.ends_with("_id") => format!("{column} TEXT"),
        "window" | "country" | "plan" | "contains_ai" | "genre" => format!("\"{column}\" TEXT"),
        column => format!("{column} REAL"),
    });
    let typed = typed.collect::<Vec<_>>().join(", ");
    base.execute_batch(&format!("CREATE TABLE {name} ({typed})")).expect("a table");
    let marks = vec!["nullif(?, '')"; columns.len()].join(", ");
    let mut insert = base.prepare(&format!("INSERT INTO {name} VALUES ({marks})")).expect("SQL");
    base.execute_batch("BEGIN").expect("begun");
    for row in rows(file, columns) {
        insert.execute(rusqlite::params_from_iter(row)).expect("a row");
    }
    base.execute_batch("COMMIT").expect("done");
}

/// Whom the conditions match: (as of, id).
fn expected(base: &Connection, subject: &str, conditions: &[String]) -> Vec<BTreeSet<(String, String)>> {
    let join = |name: &str, view: &str, id: &str, window: &str| {
        format!(
            "LEFT JOIN {view}_window {name} ON {name}.as_of = own.as_of AND {name}.{view}_id = {id} AND {name}.window = '{window}'"
        )
    };
    let own = format!("own.{subject}_id");
    let mut from = format!("FROM {subject}_window own ");
    if subject == "account" {
        from += "LEFT JOIN (SELECT *, created_at AS since FROM accounts) told ON told.account_id = own.account_id ";
    } else {
        from += "LEFT JOIN (SELECT *, uploaded_at AS since FROM tracks) told ON told.track_id = own.track_id \
                 AND coalesce(told.valid_from, -1) = (SELECT max(coalesce(valid_from, -1)) FROM tracks t \
                 WHERE t.track_id = own.track_id AND coalesce(valid_from, -1) < own.as_of) ";
        for owner in ["artist", "uploader"] {
            for window in ["24h", "7d", "6h"] {
                from += &join(&format!("{owner}_w{window}"), owner, &format!("told.{owner}_id"), window);
                from.push(' ');
            }
        }
    }
    from += &format!("{} {}", join("w7d", subject, &own, "7d"), join("w6h", subject, &own, "6h"));
    let asked = |condition: &String| {
        let sql = format!("SELECT own.as_of, {own} {from} WHERE own.window = '24h' AND ({})", in_sql(condition));
        let mut query = base.prepare(&sql).unwrap_or_else(|error| panic!("{error}: {sql}"));
        let row = |row: &rusqlite::Row| Ok((row.get::<_, i64>(0)?.to_string(), row.get(1)?));
        query.query_map([], row).expect("rows").collect::<Result<_, _>>().expect("rows")
    };
    conditions.iter().map(asked).collect()
}

#[test]
fn random_rules_over_more_than_one_table_match_whom_sql_matches() {
    const RULES: usize = 24;
    for (seed, workers) in [(1_u64, "1"), (2, "4")] {
        let chance = &mut Chance(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15));
        let folder = TempDir::new().expect("a folder");
        let (data, tables) = (folder.path().join("data"), folder.path().join("tables"));
        mean_world(&data, chance);
        let mut written = String::new();
        let all: Vec<(&str, Vec<String>)> =
            [&ACCOUNTS, &TRACKS].map(|of| (of.subject, (0..RULES).map(|_| condition(chance, of, 2)).collect())).into();
        for (subject, conditions) in &all {
            for (number, condition) in conditions.iter().enumerate() {
                // Of which a test row can be written, whatever chance wrote.
                written += &format!(
                    "[[rule]]\nid = '{subject}_{number}'\nversion = 1\nsubject = '{subject}'\nwindow = '24h'\n\
                     when = \"\"\"({condition}) and plays > 0 or plays = 4000000000\"\"\"\naction = 'hold'\ncode = 'X'\nreason = 'x'\n\
                     owner = 'x'\nshadow = true\nexpires = '2030-01-01'\n\
                     tests = [{{ row = {{ plays = 4000000000 }}, matches = true }}, {{ row = {{}}, matches = false }}]\n"
                );
            }
        }
        let policy = folder.path().join("policy");
        std::fs::create_dir(&policy).expect("a folder");
        std::fs::write(policy.join("policy.toml"), "version = 'several'").expect("written");
        std::fs::write(policy.join("conditions.toml"), &written).expect("written");
        let views = "account_window,track_window,artist_window,uploader_window,rule_hit";
        let line =
            ["replay", "--data", &text(&data), "--out", &text(&tables), "--every", "6h", "--windows", "6h,24h,7d"];
        let more = ["--emit", "all", "--views", views, "--policy", &text(&policy), "--workers", workers];
        truestream(&[&line[..], &more].concat()).good();

        let base = Connection::open_in_memory().expect("a base");
        for (view, columns) in [
            ("account", &["plays", "skipped", "tracks", "payable"][..]),
            ("track", &["plays", "listeners"]),
            ("artist", &["plays", "tracks"]),
            ("uploader", &["plays", "listeners"]),
        ] {
            let (name, id) = (format!("{view}_window"), format!("{view}_id"));
            let columns = [&["as_of", &id, "window"][..], columns].concat();
            load(&base, &name, &tables.join(format!("{name}.parquet")), &columns);
            base.execute_batch(&format!("CREATE INDEX of_{view} ON {name} ({id}, as_of, window)")).expect("an index");
        }
        load(&base, "accounts", &data.join("accounts.parquet"), &["account_id", "created_at", "plan", "country"]);
        let columns = [
            "track_id",
            "artist_id",
            "uploader_id",
            "valid_from",
            "uploaded_at",
            "duration_ms",
            "genre",
            "contains_ai",
        ];
        load(&base, "tracks", &data.join("tracks.parquet"), &columns);
        base.execute_batch(
            "UPDATE tracks SET contains_ai = lower(contains_ai); CREATE INDEX of_tracks ON tracks (track_id)",
        )
        .expect("an index");
        let hits = rows(&tables.join("rule_hit.parquet"), &["rule", "as_of", "subject_id"]);
        let mut told = 0;
        for (subject, conditions) in &all {
            for (number, expected) in expected(&base, subject, conditions).into_iter().enumerate() {
                let rule = format!("{subject}_{number}");
                let found = hits.iter().filter(|hit| hit[0] == rule).map(|hit| (hit[1].clone(), hit[2].clone()));
                let found: BTreeSet<_> = found.collect();
                told += usize::from(!expected.is_empty());
                let other: Vec<_> = found.symmetric_difference(&expected).take(3).collect();
                let condition = &conditions[number];
                assert!(
                    other.is_empty(),
                    "seed {seed}, {workers} workers, {rule}: {condition}: {other:?} of {}",
                    expected.len()
                );
            }
        }
        assert!(told > RULES, "seed {seed}: only {told} of {} rules matched anybody", 2 * RULES);
    }
}

#[test]
fn an_explanation_shows_what_a_rule_saw() {
    let folder = TempDir::new().expect("a folder");
    let (data, policy, tables) =
        (folder.path().join("data"), folder.path().join("policy"), folder.path().join("tables"));
    mean_world(&data, &mut Chance(7));
    std::fs::create_dir(&policy).expect("a folder");
    std::fs::write(policy.join("policy.toml"), "version = 'several'").expect("written");
    let nobody = "id,version,subject,window,artist.plays,uploader.plays,action,code,reason,owner,expires\n\
                  nobody_in_a_table,1,track,28d,null,-,hold,S5,of no artist,labels,2030-01-01\n\
                  somebody,1,track,28d,!= null,-,hold,S6,of an artist,labels,2030-01-01\n";
    std::fs::write(policy.join("conditions.toml"), format!("{SEVERAL}{SIGNALS_AND_NOBODY}")).expect("written");
    std::fs::write(policy.join("decisions.csv"), nobody).expect("written");
    truestream(&["policy", "check", &text(&policy)]).good();
    let [data, policy, out] = [&data, &policy, &tables].map(|path| text(path));
    let views = "account_window,track_window,artist_window,verdict,rule_hit";
    let line = ["replay", "--data", &data, "--out", &out, "--every", "6h", "--windows", "24h,28d", "--policy", &policy];
    truestream(&[&line[..], &["--views", views, "--emit", "changes"]].concat()).good();
    let hits = rows(&tables.join("rule_hit.parquet"), &["rule", "subject_id", "as_of", "diff"]);
    for (rule, subject, saw) in [
        ("sudden", "account", &["plays", "w24h.plays", "age_hours", "country"][..]),
        ("one_of_many", "track", &["plays", "artist.plays", "duration_ms", "age_hours"]),
        ("nobody", "track", &["artist.plays"]),
        ("edges", "account", &[]),
    ] {
        let hit = hits
            .iter()
            .find(|hit| hit[0] == rule && hit[3] == "1")
            .unwrap_or_else(|| panic!("{rule} matches somebody"));
        let as_of = datasets::formats::instant::to_text(hit[2].parse().expect("an instant"));
        let line =
            ["explain", subject, &hit[1], "--tables", &out, "--as-of", &as_of, "--policy", &policy, "--data", &data];
        let told = truestream(&[&line[..], &["--json"]].concat()).good().json();
        let told = told["rules"].as_array().expect("rules").iter().find(|told| told["rule"] == rule).expect("the rule");
        let shown = told["saw"].as_object().expect("what it saw");
        assert_eq!(
            shown.keys().map(String::as_str).collect::<BTreeSet<_>>(),
            saw.iter().copied().collect(),
            "{told:#}"
        );
        let words = truestream(&line).good().out;
        match rule {
            "nobody" => assert!(words.contains("\n  saw artist.plays null\n"), "{words}"),
            "edges" => assert!(words.contains("\n  saw signals alone, which are told as evidence\n"), "{words}"),
            _ => assert!(shown[saw[0]].as_u64() > Some(0) && words.contains("\n  saw "), "{words}"),
        }
        assert!(words.contains("\n  when "), "{words}");
    }
    // Written out or in a table it matches the same tracks, and never those of an artist.
    // Of two rules one decides, which one can change: a row goes then and another comes.
    let of = |rule: &str| -> BTreeMap<_, i32> {
        let mut moves = BTreeMap::new();
        for hit in hits.iter().filter(|hit| hit[0] == rule) {
            *moves.entry((&hit[1], &hit[2])).or_default() += if hit[3] == "1" { 1 } else { -1 };
        }
        moves.retain(|_, count| *count != 0);
        moves
    };
    assert!(of("nobody") == of("nobody_in_a_table"), "{} {}", of("nobody").len(), of("nobody_in_a_table").len());
    let stands = |rule: &str| -> BTreeMap<&str, i32> {
        let mut stands = BTreeMap::new();
        for hit in hits.iter().filter(|hit| hit[0] == rule) {
            *stands.entry(hit[1].as_str()).or_default() += if hit[3] == "1" { 1 } else { -1 };
        }
        stands.retain(|_, count| *count != 0);
        stands
    };
    let (nobody, somebody) = (stands("nobody"), stands("somebody"));
    assert!(!nobody.is_empty() && !somebody.is_empty() && nobody.keys().all(|track| !somebody.contains_key(track)));
}

/// A world of three plays by hand.
fn three_plays(folder: &Path) -> String {
    let data = folder.join("data");
    std::fs::create_dir(&data).expect("a folder");
    write(&data.join("plays.parquet"), &plays(), 500);
    text(&data)
}

/// A policy of these files.
fn policy(folder: &Path, name: &str, files: &[(&str, &str)]) -> String {
    let policy = folder.join(name);
    std::fs::create_dir(&policy).expect("a folder");
    std::fs::write(policy.join("policy.toml"), format!("version = {name:?}")).expect("written");
    files.iter().for_each(|(file, text)| std::fs::write(policy.join(file), text).expect("written"));
    text(&policy)
}

#[test]
fn of_more_rules_than_sixteen_bits_count_the_one_that_matches_decides() {
    let folder = TempDir::new().expect("a folder");
    let mut table = "id,version,subject,window,plays,action,code,reason,owner,expires\n".to_owned();
    for number in 1..=65_600 {
        let least = if number == 65_540 { 2 } else { 1_000_000 };
        table += &format!("r{number},1,account,24h,>= {least},block,T,many plays,ann,2030-01-01\n");
    }
    let (data, strict) = (three_plays(folder.path()), policy(folder.path(), "strict", &[("decisions.csv", &table)]));
    let out = folder.path().join("tables");
    let line = ["replay", "--data", &data, "--out", &text(&out), "--every", "24h", "--windows", "24h"];
    let told = truestream(&[&line[..], &["--views", "verdict,rule_hit", "--policy", &strict]].concat()).good();
    assert!(told.out.contains("Rule      r65540/1, block: matches 1 as of the last instant"), "{}", told.out);
    let hits = rows(&out.join("rule_hit.parquet"), &["rule", "subject_id", "decides"]);
    assert_eq!(hits, [["r65540", "7", "1"]]);
    let verdicts = rows(&out.join("verdict.parquet"), &["subject", "subject_id", "verdict", "rules"]);
    assert_eq!(verdicts, [["account", "7", "block", r#"["rule.r65540"]"#]]);
}

#[test]
fn a_table_of_rules_names_each_column_once() {
    let folder = TempDir::new().expect("a folder");
    let check = |name: &str, columns: &str, rows: &[&str]| {
        let mut table = format!("id,version,subject,{columns},action,code,reason,owner,expires,shadow\n");
        rows.iter().for_each(|row| table += &format!("{row},hold,T,why,ann,2030-01-01,yes\n"));
        truestream(&["policy", "check", &policy(folder.path(), name, &[("decisions.csv", &table)])])
    };
    for (name, columns) in [("case", "plays,Plays"), ("table", "plays,account.plays"), ("window", "plays,w24h.plays")] {
        let told = check(name, &format!("window,{columns}"), &["r1,1,account,24h,>= 5,< 9"]);
        let [one, other] = [0, 1].map(|at| columns.split(',').nth(at).expect("a column"));
        let quoted = [one, other].map(|column| format!("{column:?}"));
        let says = [&*quoted[0], &*quoted[1], "which are one"];
        assert!(told.code == Some(4) && says.iter().all(|says| told.out.contains(says)), "{told:?}");
    }
    // Of rules about other windows or subjects they are two.
    check("windows", "window,plays,w24h.plays", &["r1,1,account,24h,>= 5,-", "r2,1,account,7d,>= 5,< 9"]).good();
    check("subjects", "window,plays,artist.plays", &["r1,1,artist,24h,>= 5,-", "r2,1,track,24h,>= 5,< 9"]).good();
}
