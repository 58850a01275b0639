//! Tables of a thousand rows, in which everything is the number of the instant.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::time::Duration;

use datasets::tables::{Cell, Holds, IdKind, Rows};
use records::{Deed, Id, Millis, Role};
use sql::{Database, Equal, Format, Limits, Moment, Scan, Table, Value, Views};

/// Two equal tables; the second one is about single accounts.
const TABLES: [&str; 2] = ["left_side", "right_side"];

/// Keeps the tables: as of any instant all their rows say that instant.
#[derive(Default)]
pub struct Numbers {
    now: AtomicI64,
    is_full: AtomicBool,
}

impl Numbers {
    /// From now on everything is this number.
    pub fn state(&self, tick: i64) {
        self.now.store(tick, Ordering::Relaxed);
    }

    /// Whether there is no memory left.
    pub fn fill(&self, is_full: bool) {
        self.is_full.store(is_full, Ordering::Relaxed);
    }
}

impl Views for Numbers {
    fn tables(&self) -> Vec<Table> {
        let columns = vec![
            ("as_of", Holds::Instant),
            ("id", Holds::Id(IdKind::Text)),
            ("number", Holds::Id(IdKind::Number)),
            ("n", Holds::Count),
            ("share", Holds::Float),
            ("note", Holds::Remark),
            ("series", Holds::Series),
        ];
        let comments = ["", "who it is", "", "the instant, as a number", "", "", ""];
        let table = |name| Table {
            name,
            comment: "A table of numbers".to_owned(),
            columns: columns.clone(),
            column_comments: comments.map(str::to_owned).into(),
            deed: if name == "left_side" { Deed::Read } else { Deed::ReadListening },
        };
        TABLES.map(table).into()
    }

    fn now(&self) -> Arc<dyn Moment> {
        Arc::new(Still(self.now.load(Ordering::Relaxed)))
    }

    fn has_room(&self) -> bool {
        !self.is_full.load(Ordering::Relaxed)
    }
}

struct Still(i64);

impl Moment for Still {
    fn as_of(&self) -> Option<Millis> {
        Some(self.0)
    }

    fn scan(self: Arc<Self>, _: &str, equal: &[Equal], _: bool) -> Box<dyn Scan> {
        let number = |value: &Value| match value {
            Value::Text(text) => text.strip_prefix('k').and_then(|number| number.parse().ok()),
            Value::Number(number) => Some(*number),
        };
        let named = equal.iter().find(|equal| ["id", "number"].contains(&&*equal.column));
        let numbers: Vec<u64> = match named {
            Some(equal) => equal.any_of.iter().filter_map(number).collect(),
            None => (0..1_000).collect(),
        };
        Box::new(Going { tick: self.0, numbers, next: 0 })
    }
}

struct Going {
    tick: i64,
    numbers: Vec<u64>,
    next: usize,
}

impl Scan for Going {
    fn push(&mut self, rows_max: usize, to: &mut Rows) -> bool {
        // In small parts, so that the instant has time to change meanwhile.
        for _ in 0..rows_max.min(100) {
            let Some(number) = self.numbers.get(self.next) else { return false };
            let id = Id::from(&*format!("k{number}"));
            let note = if number % 2 == 0 { Cell::Nothing } else { Cell::Text("a \"tab\"\t,\\ here") };
            let series = [0.5, *number as f32];
            to.push([
                Cell::Instant(self.tick),
                Cell::Id(&id),
                Cell::Id(&Id::Number(*number)),
                Cell::Count(self.tick as u64),
                Cell::Float(*number as f64 / 4.0),
                note,
                Cell::Series(&series),
            ]);
            self.next += 1;
        }
        true
    }
}

/// A database of them that allows half a second and a megabyte.
pub fn database() -> (Arc<Numbers>, Arc<Database>) {
    database_for(20)
}

/// The same, for so many clients at once.
pub fn database_for(connections: usize) -> (Arc<Numbers>, Arc<Database>) {
    let numbers = Arc::new(Numbers::default());
    let limits = Limits { statement: Duration::from_secs(5), memory: 1 << 20, threads: 2, connections };
    let database = Database::open(numbers.clone(), limits).expect("a database");
    (numbers, Arc::new(database))
}

/// The answer in a format.
pub fn written(database: &Arc<Database>, question: &str, format: Format) -> Vec<u8> {
    let answer = database.ask(Role::Analyst, question).unwrap_or_else(|problem| panic!("{question}: {problem}"));
    let mut told = Vec::new();
    answer.write(format, &mut told).unwrap_or_else(|problem| panic!("{question}: {problem}"));
    told
}

/// The answer as CSV.
pub fn csv(database: &Arc<Database>, question: &str) -> String {
    String::from_utf8(written(database, question, Format::Csv)).expect("CSV is text")
}
