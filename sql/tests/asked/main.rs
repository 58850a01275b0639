//! What is asked of a database, through HTTP's formats and through the wire, of tables that never stop changing.

mod fake;
mod limits;
mod subscribe;
mod wire;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use records::Role;
use sql::Format;

use crate::fake::{csv, database, written};

#[test]
fn an_answer_is_the_same_in_every_format() {
    let (numbers, database) = database();
    numbers.state(7);
    let question = "SELECT id, n, as_of FROM left_side WHERE id <= 'k1' ORDER BY id";
    let json = written(&database, question, Format::Json);
    let rows = r#"[{"id":"k0","n":7,"as_of":"1970-01-01T00:00:00.007Z"},{"id":"k1","n":7,"as_of":"1970-01-01T00:00:00.007Z"}]"#;
    assert_eq!(String::from_utf8(json).expect("JSON is text"), format!(r#"{{"as_of":7,"rows":{rows}}}"#));
    assert_eq!(csv(&database, question), "id,n,as_of\nk0,7,1970-01-01T00:00:00.007Z\nk1,7,1970-01-01T00:00:00.007Z\n");
    assert_eq!(&written(&database, question, Format::Parquet)[..4], b"PAR1");
    assert_eq!(&written(&database, question, Format::Arrow)[..4], [0xff; 4]);

    assert_eq!(csv(&database, "SELECT id FROM left_side WHERE false"), "id\n");
    assert_eq!(written(&database, "SELECT id FROM left_side WHERE false", Format::Json), br#"{"as_of":7,"rows":[]}"#);
    assert_eq!(
        csv(&database, "SELECT count(*) c, sum(n) s, count(DISTINCT as_of) t FROM right_side"),
        "c,s,t\n1000,7000,1\n"
    );
}

/// A question that names keys reads their rows and no others.
#[test]
fn a_key_is_looked_up() {
    let (numbers, database) = database();
    numbers.state(1);
    let read = [
        ("SELECT n FROM left_side WHERE id = 'k5'", 1),
        ("SELECT n FROM left_side WHERE 'k5' = id AND n = 1", 1),
        ("SELECT n FROM left_side WHERE id IN ('k5', 'k7', 'no')", 2),
        ("SELECT n FROM left_side WHERE id = 'k5' OR id = 'k6'", 2),
        ("SELECT n FROM left_side WHERE id = 'k5'::text", 1),
        ("SELECT n FROM left_side WHERE id IN ('k1', 'k2', 'k3', 'k4', 'k5', 'k6', 'k7', 'k8')", 8),
        ("SELECT l.n FROM left_side l JOIN right_side r USING (id) WHERE l.id = 'k5'", 2),
        ("SELECT n FROM (SELECT id, n FROM left_side) inner_one WHERE id = 'k9'", 1),
        ("SELECT n FROM left_side WHERE id = 'no'", 0),
        ("SELECT n FROM left_side WHERE number = 3", 1),
        ("SELECT n FROM left_side WHERE number IN (3, 4)", 2),
        ("SELECT n FROM left_side WHERE n = 1", 1000),
        ("SELECT n FROM left_side WHERE id > 'k5'", 1000),
    ];
    for (question, rows) in read {
        let before = database.rows_read();
        csv(&database, question);
        assert_eq!(database.rows_read() - before, rows, "{question}");
    }
}

/// Who joins two tables while they change never sees two instants.
#[test]
fn a_question_sees_one_instant() {
    let (numbers, database) = database();
    let stop = Arc::new(AtomicBool::new(false));
    let (keeper, ended) = (numbers.clone(), stop.clone());
    let keeping = thread::spawn(move || {
        for tick in 1.. {
            keeper.state(tick);
            if ended.load(Ordering::Relaxed) {
                return tick;
            }
        }
        0
    });
    let question = "SELECT count(*) c FROM left_side l JOIN right_side r USING (id)
        WHERE l.n <> r.n OR l.as_of <> r.as_of OR l.n <> (SELECT max(n) FROM right_side)";
    let mut instants = Vec::new();
    for _ in 0..40 {
        let answer = database.ask(Role::Analyst, question).expect("it can be asked");
        instants.push(answer.as_of);
        let mut told = Vec::new();
        answer.write(Format::Csv, &mut told).expect("it can be written");
        assert_eq!(told, b"c\n0\n");
    }
    stop.store(true, Ordering::Relaxed);
    assert!(keeping.join().expect("it goes on") > 40);
    assert!(instants.is_sorted() && instants.first() < instants.last(), "{instants:?}");
}

#[test]
fn what_is_wrong_is_said_plainly() {
    let (numbers, database) = database();
    numbers.state(1);
    let wrong = [
        ("SELECT nn FROM left_side", "42703", "left_side.n"),
        ("SELECT n FROM (left_side", "42601", ""),
        ("SELECT n FROM lefty", "42P01", "SHOW TABLES"),
        ("SELEC n", "42601", "Line: 1, Column: 1"),
        ("SELECT n FROM left_side; SELECT 1", "0A000", "single"),
        ("SELECT 1 / 0", "22", "zero"),
        ("SELECT nofunction(n) FROM left_side", "42883", "nofunction"),
        ("", "42000", "No SQL statements"),
    ];
    for (question, code, says) in wrong {
        let problem = database.ask(Role::Analyst, question).err().unwrap_or_else(|| panic!("{question} has an answer"));
        assert!(problem.code.starts_with(code), "{question}: {problem:?}");
        assert!(problem.message.contains(says), "{question}: {problem:?}");
        assert!((400..500).contains(&problem.status()), "{question}: {problem:?}");
    }
}
