//! What is followed: the sum of what was told is the answer, for as long as somebody reads.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader};
use std::sync::Arc;
use std::thread::sleep;
use std::time::{Duration, Instant};

use futures::executor::block_on;
use postgres::NoTls;
use records::Role;
use serde_json::Value;
use sql::{Database, Difference, Format, Subscription};

use crate::fake::{database, written};
use crate::wire::{connect, listening};

/// Rows, and how often there is each.
type Counted = BTreeMap<String, i64>;

/// Adds what was told; as of when.
fn add(told: &Difference, to: &mut Counted) -> i64 {
    let mut stated = None;
    for event in told.events().expect("it has a form").split_terminator("\n\n") {
        let data = event.lines().find_map(|line| line.strip_prefix("data: ")).expect("each event has data");
        let data: Value = serde_json::from_str(data).expect("it is JSON");
        if event.starts_with("event: stated") {
            stated = data["as_of"].as_i64();
        }
        for row in data["rows"].as_array().into_iter().flatten() {
            *to.entry(row["row"].to_string()).or_default() += row["diff"].as_i64().expect("a number");
        }
    }
    to.retain(|_, times| *times != 0);
    stated.expect("the end of an instant is told")
}

fn answer(database: &Arc<Database>, question: &str) -> Counted {
    let answer: Value = serde_json::from_slice(&written(database, question, Format::Json)).expect("it is JSON");
    let mut rows = Counted::new();
    answer["rows"].as_array().into_iter().flatten().for_each(|row| *rows.entry(row.to_string()).or_default() += 1);
    rows
}

fn next(told: &mut Subscription) -> Arc<Difference> {
    block_on(told.next()).expect("it goes on")
}

#[test]
fn the_sum_of_what_was_told_is_the_answer_at_every_instant() {
    let (numbers, database) = database();
    numbers.state(1);
    let questions = [
        "SELECT id, n FROM left_side",
        "SELECT id, number, share, note, series FROM left_side WHERE number % 7 < n % 3",
        "SELECT n % 2 AS half FROM left_side",
        "SELECT note, count(*) AS times, sum(n) AS n FROM right_side GROUP BY note",
        "SELECT l.id FROM left_side l JOIN right_side r USING (id) WHERE l.n % 5 = 0 AND r.number < 30",
        "SELECT n FROM left_side WHERE id = 'k5'",
        "SELECT id FROM left_side WHERE n < 0",
    ];
    let follow = |question: &str| database.subscribe("ada", Role::Analyst, question).expect("it can be followed");
    let mut all: Vec<_> = questions.iter().map(|question| (*question, follow(question), Counted::new())).collect();
    for (_, told, sum) in &mut all {
        assert_eq!(add(&next(told), sum), 1);
    }
    for tick in [2, 3, 4, 10, 11, 1_000] {
        for (question, told, sum) in &mut all {
            assert_eq!(*sum, answer(&database, question), "{question} before {tick}");
            assert!(told.is_quiet(), "{question}: nothing was stated since");
        }
        numbers.state(tick);
        for (question, told, sum) in &mut all {
            assert_eq!(add(&next(told), sum), tick, "{question}");
        }
        // Who comes later hears the whole of it first.
        let (mut late, mut sum) = (follow(questions[1]), Counted::new());
        assert_eq!((add(&next(&mut late), &mut sum), &sum), (tick, &all[1].2));
    }
    drop(all);
    let until = Instant::now() + Duration::from_secs(20);
    while database.readers().0 > 0 {
        assert!(Instant::now() < until, "who left is forgotten");
        sleep(Duration::from_millis(5));
    }
}

#[test]
fn who_does_not_read_is_cut_off_and_nobody_else() {
    let (numbers, database) = database();
    numbers.state(1);
    let question = "SELECT id, n FROM left_side";
    let follow = || database.subscribe("ada", Role::Analyst, question).expect("it can be followed");
    let (mut slow, mut quick) = (follow(), follow());
    let mut sum = Counted::new();
    add(&next(&mut quick), &mut sum);
    for tick in 2..30 {
        numbers.state(tick);
        assert_eq!(add(&next(&mut quick), &mut sum), tick);
    }
    assert_eq!(sum, answer(&database, question));
    let heard = std::iter::from_fn(|| block_on(slow.next()).ok()).count();
    let problem = block_on(slow.next()).expect_err("it is over");
    assert_eq!((problem.code, heard), ("53400", 8), "{problem}");
    assert_eq!(database.readers().1, 1);
}

#[test]
fn what_cannot_be_followed_is_said_and_takes_no_place() {
    let (numbers, database) = database();
    numbers.state(1);
    let refused = [
        (Role::PolicyEditor, "SELECT id FROM right_side", "42501", "right_side"),
        (Role::PolicyEditor, "SELECT (SELECT max(n) FROM right_side) AS n FROM left_side", "42501", "right_side"),
        (Role::Service, "SELECT id FROM left_side", "42501", "left_side"),
        (Role::Admin, "SHOW TABLES", "25006", "SHOW TABLES"),
        (Role::Admin, "DELETE FROM left_side", "25006", "DELETE"),
        (Role::Admin, "SELECT nn FROM left_side", "42703", "nn"),
        (Role::Admin, "SELECT l.id, r.id FROM left_side l CROSS JOIN right_side r", "54000", "100000 rows"),
    ];
    for (role, question, code, says) in refused {
        let problem = database.subscribe("ada", role, question).err().unwrap_or_else(|| panic!("{question}"));
        assert_eq!(problem.code, code, "{question}: {problem}");
        assert!(problem.message.contains(says), "{question}: {problem}");
    }
    assert_eq!(database.readers(), (0, 0));
    let own =
        std::iter::repeat_with(|| database.subscribe("ada", Role::Analyst, "SELECT n FROM left_side WHERE id = 'k1'"));
    let mut own: Vec<_> = own.take(2_048).map(|told| told.expect("there is place")).collect();
    let more =
        |who| database.subscribe(who, Role::Analyst, "SELECT 1 AS one").map(drop).map_err(|problem| problem.code);
    assert_eq!((more("ada"), more("bob")), (Err("53300"), Ok(())));
    drop(own.pop());
    assert_eq!(more("ada"), Ok(()));
    // Memory that runs short ends them, and says so.
    numbers.fill(true);
    numbers.state(2);
    let told = own.last_mut().expect("there are many");
    assert!(block_on(told.next()).is_ok());
    assert_eq!(block_on(told.next()).expect_err("it is over").code, "53200");
}

#[test]
fn a_client_of_postgresql_reads_on_until_it_cancels() {
    let (numbers, database) = database();
    numbers.state(1);
    let mut ada = connect(listening(&database));
    let cancel = ada.cancel_token();
    let question = "COPY (SUBSCRIBE (SELECT id, n, number FROM left_side WHERE id IN ('k1', 'k2'))) TO STDOUT (FORMAT csv, HEADER)";
    let mut lines = BufReader::new(ada.copy_out(question).expect("it is followed")).lines();
    let code = |error: std::io::Error| {
        let cause = error.get_ref().and_then(|cause| cause.downcast_ref::<postgres::Error>());
        cause.and_then(|cause| cause.code()).map(|code| code.code().to_owned())
    };
    let mut line = || lines.next().expect("it goes on").map_err(code);
    assert_eq!(line().expect("a line"), "as_of,diff,id,n,number");
    for tick in 1..5 {
        numbers.state(tick);
        let mut heard = Vec::new();
        loop {
            let next = line().expect("a line");
            assert!(next.starts_with(&format!("1970-01-01 00:00:00.00{tick}")), "{next}");
            let (_, row) = next.split_once(',').expect("columns");
            heard.push(row.to_owned());
            if row == "0,,," {
                break;
            }
        }
        let rows = |sign: i64, tick: i64| [1, 2].map(|key| format!("{sign},k{key},{tick},{key}"));
        let mut expected = rows(1, tick).to_vec();
        if tick > 1 {
            expected.extend(rows(-1, tick - 1));
        }
        expected.push("0,,,".to_owned());
        heard.sort();
        expected.sort();
        assert_eq!(heard, expected);
    }
    cancel.cancel_query(NoTls).expect("it can be cancelled");
    let why = std::iter::from_fn(|| Some(line())).find_map(Result::err).expect("it ends");
    assert_eq!(why.as_deref(), Some("57014"));
    drop(lines);
    // The connection goes on; what cannot be followed is said.
    assert_eq!(ada.query_one("SELECT count(*) FROM left_side", &[]).expect("a row").get::<_, i64>(0), 1_000);
    let wrong = [
        ("SUBSCRIBE (SELECT nn FROM left_side)", "42703"),
        ("SUBSCRIBE SHOW TABLES", "42601"),
        ("SUBSCRIBE (SELECT 1); SELECT 2", "42601"),
        ("COPY (SUBSCRIBE (SELECT 1)) TO STDOUT (FORMAT binary)", "0A000"),
        ("COPY (SUBSCRIBE (SELECT 1)) TO '/tmp/x'", "25006"),
    ];
    for (text, code) in wrong {
        let error = ada.simple_query(text).err().unwrap_or_else(|| panic!("{text}"));
        assert_eq!(error.code().map(|code| code.code()), Some(code), "{text}: {error:?}");
    }
    let error = ada.query("SUBSCRIBE (SELECT n FROM left_side)", &[]).expect_err("it cannot be prepared");
    assert_eq!(error.code().map(|code| code.code()), Some("0A000"), "{error:?}");
}
