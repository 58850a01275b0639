//! Nothing can be changed, and nobody takes more time or memory than is allowed.

use std::time::{Duration, Instant};

use records::Role;
use sql::Format;

use crate::fake::{csv, database};
use crate::wire::{connect, listening};

/// What somebody with bad intentions, or in the wrong window, may send.
pub const CHANGES: [&str; 34] = [
    "INSERT INTO left_side (id) VALUES ('x')",
    "UPDATE left_side SET n = 0",
    "DELETE FROM left_side",
    "TRUNCATE left_side",
    "DROP TABLE left_side",
    "DROP SCHEMA public CASCADE",
    "CREATE TABLE t (a int)",
    "CREATE TABLE t AS SELECT * FROM left_side",
    "SELECT * INTO t FROM left_side",
    "WITH x AS (SELECT * INTO t FROM left_side) SELECT 1",
    "CREATE VIEW v AS SELECT 1",
    "CREATE SCHEMA s",
    "CREATE DATABASE d",
    "CREATE FUNCTION f(int) RETURNS int RETURN $1",
    "CREATE EXTERNAL TABLE t STORED AS CSV LOCATION '/etc/passwd'",
    "COPY left_side TO '/tmp/copied.csv'",
    "COPY (SELECT 1) TO '/tmp/copied.parquet' STORED AS PARQUET",
    "COPY left_side FROM '/etc/passwd'",
    "COPY left_side TO PROGRAM 'cat'",
    "COPY left_side FROM STDIN",
    "ALTER TABLE left_side RENAME TO other",
    "GRANT ALL ON left_side TO public",
    "CREATE USER mallory PASSWORD 'x'",
    "SET datafusion.runtime.memory_limit = '100G'",
    "SET datafusion.execution.batch_size = 1",
    "SET \"datafusion\".\"runtime\".\"memory_limit\" = '100G'",
    "RESET datafusion.runtime.memory_limit",
    "EXPLAIN ANALYZE INSERT INTO left_side (id) VALUES ('x')",
    "PREPARE p AS DELETE FROM left_side",
    "MERGE INTO left_side USING right_side ON true WHEN MATCHED THEN DELETE",
    "LOAD DATA INPATH '/etc/passwd' INTO TABLE left_side",
    "SELECT * FROM '/etc/passwd'",
    "SELECT * FROM read_csv('/etc/passwd')",
    "SELECT pg_read_file('/etc/passwd')",
];

#[test]
fn nothing_can_be_changed() {
    let (numbers, database) = database();
    numbers.state(3);
    let address = listening(&database);
    let mut client = connect(address);
    for change in CHANGES {
        assert!(database.ask(Role::Analyst, change).is_err(), "{change}");
        if !change.starts_with("RESET") {
            assert!(client.simple_query(change).is_err(), "{change}");
            assert!(client.query(change, &[]).is_err(), "{change}");
        }
    }
    assert!(!std::path::Path::new("/tmp/copied.csv").exists());
    assert_eq!(csv(&database, "SELECT count(*) c, max(n) n FROM left_side"), "c,n\n1000,3\n");
    let tables =
        csv(&database, "SELECT table_name FROM information_schema.tables WHERE table_schema = 'public' ORDER BY 1");
    assert_eq!(tables, "table_name\nleft_side\nright_side\n");
    // What was refused did no harm to the connection.
    assert_eq!(client.query_one("SELECT count(*) FROM left_side", &[]).expect("rows").get::<_, i64>(0), 1000);
}

/// Works for a very long time, in several ways.
const LONG: [&str; 3] = [
    "SELECT count(*) FROM left_side a, left_side b, left_side c, left_side d",
    "SELECT sum(value) FROM generate_series(1, 1000000000000)",
    "SELECT a.n FROM left_side a, generate_series(1, 1000000000) g WHERE a.n + value < 0",
];

#[test]
fn nobody_takes_more_time_than_is_allowed() {
    let (numbers, database) = database();
    numbers.state(1);
    let mut client = connect(listening(&database));
    for question in LONG {
        let began = Instant::now();
        let problem =
            database.ask(Role::Analyst, question).and_then(|answer| answer.write(Format::Csv, std::io::sink()));
        assert_eq!(problem.expect_err(question).code, "57014", "{question}");
        assert!(began.elapsed() < Duration::from_secs(15), "{question}: {:?}", began.elapsed());
    }
    // Who wants less gets less.
    client.batch_execute("SET statement_timeout = '200ms'").expect("it may be set");
    for question in LONG {
        let began = Instant::now();
        let error = client.query(question, &[]).expect_err(question);
        assert_eq!(error.code().map(|code| code.code()), Some("57014"), "{error:?}");
        assert!(began.elapsed() < Duration::from_secs(4), "{question}: {:?}", began.elapsed());
    }
    // Rows that come and come are stopped, too.
    let endless = "SELECT id, value FROM left_side, generate_series(1, 1000000000)";
    let error = client.simple_query(endless).expect_err("it never ends");
    assert_eq!(error.code().map(|code| code.code()), Some("57014"), "{error:?}");
    // Who wants more does not.
    client.batch_execute("SET statement_timeout = 0").expect("it may be set");
    let error = client.query(LONG[0], &[]).expect_err("the limit holds");
    assert_eq!(error.code().map(|code| code.code()), Some("57014"), "{error:?}");
}

#[test]
fn nobody_takes_more_memory_than_is_allowed() {
    let (numbers, database) = database();
    numbers.state(1);
    let mut client = connect(listening(&database));
    let large = [
        "SELECT a.id || b.id AS both FROM left_side a, left_side b ORDER BY 1",
        "SELECT a.id || b.id AS both, count(*) FROM left_side a, left_side b GROUP BY 1",
        "SELECT array_agg(a.id || b.id) FROM left_side a, left_side b",
    ];
    for question in large {
        let problem =
            database.ask(Role::Analyst, question).and_then(|answer| answer.write(Format::Csv, std::io::sink()));
        let problem = problem.expect_err(question);
        assert_eq!((problem.code, problem.status()), ("53200", 429), "{question}: {problem}");
        let error = client.query(question, &[]).expect_err(question);
        assert_eq!(error.code().map(|code| code.code()), Some("53200"), "{error:?}");
    }
    // What makes much of little in one call is not there at all.
    for question in ["SELECT repeat('x', 1000000000)", "SELECT lpad('x', 1000000000)", "SELECT range(0, 1000000000)"] {
        assert_eq!(
            database.ask(Role::Analyst, question).err().map(|problem| problem.code),
            Some("42883"),
            "{question}"
        );
    }
    numbers.fill(true);
    let problem = database.ask(Role::Analyst, "SELECT max(n) FROM left_side").err().expect("there is no room");
    assert_eq!(problem.code, "53200");
    numbers.fill(false);
    assert_eq!(csv(&database, "SELECT max(n) n FROM left_side"), "n\n1\n");
}
