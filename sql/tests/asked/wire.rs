//! Clients of PostgreSQL: who comes in, what they read, and in which forms.

use std::collections::HashMap;
use std::io::Read;
use std::net::SocketAddr;
use std::sync::Arc;
use std::thread;

use postgres::{Client, NoTls, SimpleQueryMessage};
use records::Role;
use sql::{Database, Problem, Users, Verifier};

use crate::fake::{database, database_for};

struct Staff(HashMap<&'static str, (Verifier, Role)>);

impl Users for Staff {
    fn user(&self, name: &str) -> Option<(Verifier, Role)> {
        self.0.get(name).cloned()
    }

    fn knocked(&self, _: &str, _: bool) {}

    fn asked(&self, _: &str, _: &str) -> Result<(), Problem> {
        Ok(())
    }
}

/// Listens for three users.
pub fn listening(database: &Arc<Database>) -> SocketAddr {
    let staff = [
        ("ada", "the password of ada", Role::Analyst),
        ("bob", "the password of bob", Role::PolicyEditor),
        ("eve", "the password of eve", Role::Service),
    ];
    let staff = staff.map(|(name, password, role)| (name, (Verifier::of(password), role)));
    database.listen(([127, 0, 0, 1], 0).into(), Arc::new(Staff(HashMap::from(staff))), None).expect("an address")
}

fn knock(address: SocketAddr, user: &str, password: &str) -> Result<Client, postgres::Error> {
    let (host, port) = (address.ip(), address.port());
    Client::connect(&format!("host={host} port={port} user={user} password='{password}' dbname=truestream"), NoTls)
}

/// Ada, connected.
pub fn connect(address: SocketAddr) -> Client {
    knock(address, "ada", "the password of ada").expect("she may come in")
}

#[test]
fn only_who_knows_the_password_comes_in_even_when_many_knock_at_once() {
    // Verifiers of one round each: how long a guess takes is not what is asked here.
    let staff = [
        (
            "ada",
            "SCRAM-SHA-256$1:c2l4dGVlbiBvZiBieXRlcw==$wLiwmWSiK3Y+cRfV+BrdM1o6m6pEteskK/Vc8yGwvuA=:f+Xn/eklFDQJXArWdx9xFg7Hp0GH2AK15UchkJmqgTA=",
            Role::Analyst,
        ),
        (
            "bob",
            "SCRAM-SHA-256$1:c2l4dGVlbiBvZiBieXRlcw==$ONXtykJm8AK0KBOKgkzO4U5d0xkOQb8tlJmJvTaChrs=:WsuAGzmxKArnke3iY5usTfdXz6wtyoJpJ7i+VAtB5dU=",
            Role::PolicyEditor,
        ),
    ];
    let staff = staff.map(|(name, verifier, role)| (name, (verifier.parse().expect("a verifier"), role)));
    let (_, database) = database_for(200);
    let address = database.listen(([127, 0, 0, 1], 0).into(), Arc::new(Staff(HashMap::from(staff))), None);
    let address = address.expect("an address");
    let knocks = [
        ("ada", "the password of ada", true),
        ("ada", "the password of bob", false),
        ("bob", "the password of bob", true),
        ("bob", "the password of ada", false),
        ("bob", " ", false),
        ("mallory", "the password of ada", false),
    ];
    let threads: Vec<_> = (0..200)
        .map(|at| {
            let (user, password, comes_in) = knocks[at % knocks.len()];
            thread::spawn(move || {
                let mut knocked = knock(address, user, password);
                // Whoever came in is nobody else: Bob may not see what Ada sees.
                if let Ok(client) = &mut knocked {
                    let sees = client.simple_query("SELECT count(*) FROM right_side").is_ok();
                    assert_eq!(sees, user == "ada", "{user} with {password:?}");
                }
                (user, password, comes_in, knocked.err())
            })
        })
        .collect();
    for knocked in threads {
        let (user, password, comes_in, error) = knocked.join().expect("it knocks");
        let code = error.as_ref().and_then(|error| error.code()).map(|code| code.code().to_owned());
        let expected = (!comes_in).then_some("28P01");
        assert_eq!(code.as_deref(), expected, "{user} with {password:?}: {error:?}");
    }
}

/// Whatever way a question takes, it reads no table that its role may not see.
#[test]
fn nobody_reads_what_the_role_may_not_see() {
    let (_, database) = database();
    let address = listening(&database);
    let refused = knock(address, "eve", "the password of eve").err().expect("a program that sends rows asks nothing");
    assert_eq!(refused.code().map(|code| code.code()), Some("42501"), "{refused}");
    let mut bob = knock(address, "bob", "the password of bob").expect("he may come in");
    assert_eq!(bob.query("SELECT id FROM left_side", &[]).expect("he may read that").len(), 1_000);
    for question in [
        "SELECT id FROM right_side",
        "SELECT count(*) FROM right_side WHERE id = 'k1'",
        "SELECT l.id FROM left_side l JOIN right_side r USING (id) LIMIT 1",
        "SELECT (SELECT max(n) FROM right_side)",
        "WITH x AS (SELECT * FROM right_side) SELECT 1 FROM x",
        "SELECT 1 WHERE EXISTS (SELECT 1 FROM right_side)",
    ] {
        let asked = [
            bob.query(question, &[]).err(),
            bob.simple_query(question).err(),
            bob.simple_query(&format!("EXPLAIN ANALYZE {question}")).err(),
            bob.simple_query(&format!("BEGIN; DECLARE c CURSOR FOR {question}; FETCH 1 FROM c; COMMIT")).err(),
            bob.copy_out(&format!("COPY ({question}) TO STDOUT")).err(),
        ];
        bob.simple_query("ROLLBACK").expect("it can always be undone");
        for (way, error) in asked.into_iter().enumerate() {
            let error = error.unwrap_or_else(|| panic!("{question}: read by way {way}"));
            assert_eq!(error.code().map(|code| code.code()), Some("42501"), "{question} by way {way}: {error}");
        }
        assert_eq!(
            database.ask(Role::PolicyEditor, question).err().map(|problem| problem.status()),
            Some(403),
            "{question}"
        );
        assert!(database.ask(Role::Analyst, question).is_ok(), "{question}");
    }
}

#[test]
fn who_finds_no_place_is_told_so() {
    let (_, database) = database();
    let address = listening(&database);
    let connected: Vec<Client> = (0..20).map(|_| connect(address)).collect();
    let error = knock(address, "ada", "the password of ada").err().expect("there is no place");
    assert_eq!(error.code().map(|code| code.code()), Some("53300"), "{error:?}");
    drop(connected);
}

#[test]
fn values_come_as_they_are_in_text_and_binary() {
    let (numbers, database) = database();
    numbers.state(1_600_000_000_000);
    let mut client = connect(listening(&database));
    let question = "SELECT as_of, id, n, share, note, series FROM left_side WHERE id = $1";
    let statement = client.prepare(question).expect("it can be prepared");
    for (id, note) in [("k3", Some("a \"tab\"\t,\\ here")), ("k4", None)] {
        let before = database.rows_read();
        let row = client.query_one(&statement, &[&id]).expect("a row");
        assert_eq!(database.rows_read() - before, 1, "a prepared key is looked up, too");
        let number: f64 = id[1..].parse().expect("a number");
        let instant: std::time::SystemTime = row.get(0);
        assert_eq!(instant.duration_since(std::time::UNIX_EPOCH).expect("after").as_millis(), 1_600_000_000_000);
        assert_eq!(row.get::<_, &str>(1), id);
        assert_eq!(row.get::<_, i64>(2), 1_600_000_000_000);
        assert_eq!(row.get::<_, f64>(3), number / 4.0);
        assert_eq!(row.get::<_, Option<&str>>(4), note);
        assert_eq!(row.get::<_, Vec<f32>>(5), [0.5, number as f32]);

        let simple = client.simple_query(&question.replace("$1", &format!("'{id}'"))).expect("a row");
        let row = simple.iter().find_map(|message| match message {
            SimpleQueryMessage::Row(row) => Some(row),
            _ => None,
        });
        let row = row.expect("a row");
        assert_eq!(row.get(0), Some("2020-09-13 12:26:40.000000+00"));
        assert_eq!((row.get(1), row.get(2)), (Some(id), Some("1600000000000")));
        assert_eq!(row.get(4), note);
    }
}

#[test]
fn rows_are_copied_out() {
    let (numbers, database) = database();
    numbers.state(9);
    let mut client = connect(listening(&database));
    let question = "SELECT id, n, note FROM left_side WHERE id IN ('k2', 'k3') ORDER BY id";
    let mut copied = |options: &str| {
        let mut bytes = Vec::new();
        let text = format!("COPY ({question}) TO STDOUT {options}");
        client.copy_out(&text).expect("it can be copied").read_to_end(&mut bytes).expect("rows");
        bytes
    };
    let text = "k2\t9\t\\N\nk3\t9\ta \"tab\"\\t,\\\\ here\n";
    assert_eq!(String::from_utf8(copied("")).expect("text"), text);
    assert_eq!(String::from_utf8(copied("WITH (FORMAT text)")).expect("text"), text);
    let csv = "k2,9,\nk3,9,\"a \"\"tab\"\"\t,\\ here\"\n";
    assert_eq!(String::from_utf8(copied("(FORMAT csv)")).expect("text"), csv);
    assert_eq!(String::from_utf8(copied("WITH CSV HEADER")).expect("text"), format!("id,n,note\n{csv}"));
    let semicolons = "k2;9;-\nk3;9;\"a \"\"tab\"\"\t,\\ here\"\n";
    assert_eq!(String::from_utf8(copied("(FORMAT csv, DELIMITER ';', NULL '-')")).expect("text"), semicolons);
    let binary = copied("(FORMAT binary)");
    assert_eq!(&binary[..19], b"PGCOPY\n\xff\r\n\0\0\0\0\0\0\0\0\0");
    let mut row = vec![0, 3, 0, 0, 0, 2];
    row.extend(b"k2\0\0\0\x08\0\0\0\0\0\0\0\x09\xff\xff\xff\xff");
    assert_eq!(&binary[19..19 + row.len()], row);
    assert_eq!(&binary[binary.len() - 2..], [0xff, 0xff]);

    // A number of 64 bits without a sign is a numeric, as PostgreSQL writes it: one digit to the base of 10 000, no fraction.
    let mut number = Vec::new();
    let question = "COPY (SELECT number FROM left_side WHERE number = 5) TO STDOUT (FORMAT binary)";
    client.copy_out(question).expect("it can be copied").read_to_end(&mut number).expect("a row");
    assert_eq!(number[19..], [0, 1, 0, 0, 0, 10, 0, 1, 0, 0, 0, 0, 0, 0, 0, 5, 0xff, 0xff]);

    let mut all = String::new();
    client.copy_out("COPY right_side (id, n) TO STDOUT").expect("a table").read_to_string(&mut all).expect("rows");
    assert_eq!(all.lines().count(), 1000);
    let error = client.copy_out("COPY (SELECT 1) TO STDOUT (FORMAT xml)").err().expect("it is not known");
    assert_eq!(error.code().map(|code| code.code()), Some("0A000"));
}

#[test]
fn rows_are_fetched_in_parts() {
    let (numbers, database) = database();
    numbers.state(1);
    let mut client = connect(listening(&database));
    let mut transaction = client.transaction().expect("a transaction");
    let portal = transaction.bind("SELECT id FROM left_side", &[]).expect("a portal");
    // The instant stays that of the beginning.
    numbers.state(2);
    let lengths: Vec<usize> = (0..5).map(|_| transaction.query_portal(&portal, 300).expect("rows").len()).collect();
    assert_eq!(lengths, [300, 300, 300, 100, 0]);
    transaction.batch_execute("DECLARE c CURSOR FOR SELECT id FROM left_side").expect("a cursor");
    let fetched = transaction.simple_query("FETCH FORWARD 7 FROM c").expect("rows");
    assert_eq!(fetched.iter().filter(|message| matches!(message, SimpleQueryMessage::Row(_))).count(), 7);
    // Who prepares it is told its columns before its rows.
    let fetch = transaction.prepare("FETCH FORWARD 3 FROM c").expect("it can be prepared");
    assert_eq!(fetch.columns().iter().map(|column| column.name()).collect::<Vec<_>>(), ["id"]);
    transaction.batch_execute("CLOSE c").expect("it is there");
    transaction.commit().expect("nothing changed");
}

/// What tools look up before they show anything.
#[test]
fn the_catalogue_tells_tables_columns_and_what_they_mean() {
    let (numbers, database) = database();
    numbers.state(1);
    let mut client = connect(listening(&database));
    let tables = "SELECT c.relname, obj_description(c.oid, 'pg_class'), d.description
        FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
        LEFT JOIN pg_catalog.pg_description d ON d.objoid = c.oid AND d.objsubid = 0
        WHERE n.nspname = 'public' ORDER BY 1";
    let rows = client.query(tables, &[]).expect("tables");
    let told: Vec<(&str, &str, &str)> = rows.iter().map(|row| (row.get(0), row.get(1), row.get(2))).collect();
    let comment = "A table of numbers";
    assert_eq!(told, [("left_side", comment, comment), ("right_side", comment, comment)]);

    let columns = "SELECT a.attname, pg_catalog.format_type(a.atttypid, a.atttypmod), pg_catalog.col_description(a.attrelid, a.attnum)
        FROM pg_catalog.pg_attribute a JOIN pg_catalog.pg_class c ON c.oid = a.attrelid
        WHERE c.relname = 'left_side' AND a.attnum > 0 ORDER BY a.attnum";
    let rows = client.query(columns, &[]).expect("columns");
    let told: Vec<(&str, &str, Option<&str>)> = rows.iter().map(|row| (row.get(0), row.get(1), row.get(2))).collect();
    assert_eq!(
        told,
        [
            ("as_of", "timestamp with time zone", None),
            ("id", "text", Some("who it is")),
            ("number", "numeric", None),
            ("n", "bigint", Some("the instant, as a number")),
            ("share", "double precision", None),
            ("note", "text", None),
            // The catalogue knows no lists; the values are real[] all the same.
            ("series", "text", None),
        ]
    );
    let objects =
        "SELECT json_build_object('n', n, 'of', id, 'none', note, 'so', n = 1)::text FROM left_side WHERE id = 'k2'";
    let told: String = client.query_one(objects, &[]).expect("an object").get(0);
    assert_eq!(told, r#"{"n" : 1, "of" : "k2", "none" : null, "so" : true}"#);
    // What is not asked keeps the places of the parameters.
    let keys = "SELECT unnest(c.conkey) AS attnum, generate_subscripts(c.conkey, $1::INTEGER) + 1 AS ord FROM pg_catalog.pg_constraint c \
                WHERE c.conname = $2::VARCHAR";
    assert!(client.query(keys, &[&1, &"none"]).expect("an answer").is_empty());
    for question in [
        "SELECT pg_catalog.version()",
        "SELECT current_schema(), current_database(), current_user",
        "SELECT pg_catalog.pg_get_viewdef(1, true), pg_catalog.pg_get_indexdef(1, 0, true), pg_catalog.pg_get_ruledef(1)",
        "SELECT pg_catalog.pg_is_in_recovery(), pg_catalog.txid_current(), pg_catalog.pg_my_temp_schema()",
        "SELECT pg_catalog.pg_get_serial_sequence('left_side', 'n'), pg_catalog.shobj_description(1, 'pg_database')",
        "BEGIN; SAVEPOINT s; SELECT 1; ROLLBACK TO SAVEPOINT s; RELEASE SAVEPOINT s; COMMIT",
        "SELECT oid FROM pg_catalog.pg_type WHERE typreceive != 0 AND typname = 'text'",
        "SELECT ARRAY(SELECT rolname FROM pg_catalog.pg_roles)",
        "SELECT CASE WHEN a.atthasdef THEN (SELECT pg_catalog.pg_get_expr(d.adbin, d.adrelid) FROM pg_catalog.pg_attrdef d \
         WHERE d.adrelid = a.attrelid) ELSE NULL END FROM pg_catalog.pg_attribute a",
        "SELECT (information_schema._pg_expandarray(i.indkey)).n AS ord FROM pg_catalog.pg_index i",
        "SELECT c.relname, c.reloptions FROM pg_catalog.pg_class c",
        "SELECT current_setting('default_tablespace')",
        "SHOW server_version",
        "SHOW standard_conforming_strings",
        "SHOW transaction_isolation",
        "SET client_encoding TO 'UTF8'",
        "SET extra_float_digits = 3",
        "SET application_name = 'a test'",
        "DISCARD ALL",
        "DEALLOCATE ALL",
        "RESET ALL",
    ] {
        client.simple_query(question).unwrap_or_else(|error| panic!("{question}: {error:?}"));
    }
}
