//! Small worlds in which everything that may go wrong with telemetry goes wrong: late, repeated, conflicting,
//! corrected and impossible rows, catalogues that change, columns that are absent, ids of every kind.
//!
//! ```text
//! (seed, size) ──▶ settings, people, plays, catalogue ──▶ rows, shuffled ──▶ files of a folder
//! ```
//!
//! They are not likely, they are mean: instants fall on the edges of windows, and few ids meet often.

use std::path::{Path, PathBuf};

use datasets::tables::rows::{Column, ColumnKind, Value, write};

const MINUTE_MS: i64 = 60_000;
const HOUR_MS: i64 = 60 * MINUTE_MS;
const DAY_MS: i64 = 24 * HOUR_MS;

/// How a world is to be replayed.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The refresh interval, as on the command line.
    pub every: &'static str,
    /// The windows.
    pub windows: Vec<&'static str>,
    /// last, all or changes.
    pub emit: &'static str,
    /// More accounts than this are a hub.
    pub hub: u64,
    /// What joins accounts.
    pub links: Vec<&'static str>,
    /// The policy; the built-in one without.
    pub policy: Option<PathBuf>,
}

/// A world: how to replay it, and its tables.
#[derive(Clone, Debug)]
pub struct SmallWorld {
    /// How to replay it.
    pub settings: Settings,
    files: Vec<File>,
}

impl SmallWorld {
    /// The world of this seed with about `size` plays.
    pub fn new(seed: u64, size: usize) -> SmallWorld {
        let mut chance = Chance(seed);
        let (settings, clock) = settings(&mut chance);
        let mut maker = Maker::new(chance, &clock);
        let plays = maker.plays(size);
        let tables = [
            maker.corrections(&plays),
            maker.tracks(),
            maker.accounts(),
            maker.distributors(),
            maker.networks(),
            maker.playlists(),
        ];
        let mut files = maker.split(plays);
        files.extend(tables.into_iter().flat_map(|table| maker.split(table)));
        SmallWorld { settings, files }
    }

    /// Writes the files.
    pub fn write(&self, folder: &Path) {
        for file in &self.files {
            let path = folder.join(&file.name);
            std::fs::create_dir_all(path.parent().expect("the folder is above")).expect("the folder can be made");
            let rows: Vec<Vec<Value>> = file.rows.iter().map(|row| row.iter().map(Cell::value).collect()).collect();
            write(&path, &file.columns, &rows).expect("the file can be written");
        }
    }

    /// The same rows in other files: all of a table in one, in another order.
    pub fn regrouped(&self, seed: u64) -> SmallWorld {
        let mut chance = Chance(seed);
        let mut files = self.files.clone();
        for file in &mut files {
            chance.shuffle(&mut file.rows);
        }
        chance.shuffle(&mut files);
        for (number, file) in files.iter_mut().enumerate() {
            let table = file.table;
            file.name = format!("{table}/other-{number}.parquet");
        }
        SmallWorld { settings: self.settings.clone(), files }
    }
}

#[derive(Clone, Debug)]
struct File {
    table: &'static str,
    name: String,
    columns: Vec<Column>,
    rows: Vec<Vec<Cell>>,
}

/// A value before its file has decided how to write it.
#[derive(Clone, Debug, PartialEq)]
enum Cell {
    Null,
    Int(i64),
    UInt(u64),
    Text(String),
    Bool(bool),
}

impl Cell {
    fn value(&self) -> Value<'_> {
        match self {
            Cell::Null => Value::Null,
            Cell::Int(number) => Value::Int(*number),
            Cell::UInt(number) => Value::UInt(*number),
            Cell::Text(text) => Value::Text(text),
            Cell::Bool(flag) => Value::Bool(*flag),
        }
    }

    fn word(word: &str) -> Cell {
        Cell::Text(word.to_owned())
    }
}

/// What a column holds, and so how it may be written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Holds {
    /// An id of the kind of this number.
    Id(usize),
    Instant,
    Whole,
    Word,
    Flag,
}

/// A table of the input: the first `required` columns must be there.
struct Table {
    name: &'static str,
    required: usize,
    columns: Vec<(&'static str, Holds)>,
    rows: Vec<Vec<Cell>>,
}

/// splitmix64 (Steele, Lea, Flood 2014): the same seed gives the same world on every machine.
#[derive(Clone, Debug)]
struct Chance(u64);

impl Chance {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn below(&mut self, bound: u64) -> u64 {
        self.next() % bound.max(1)
    }

    fn between(&mut self, low: i64, high: i64) -> i64 {
        low + self.below((high - low).unsigned_abs() + 1).cast_signed()
    }

    fn one_in(&mut self, n: u64) -> bool {
        self.below(n) == 0
    }

    fn pick<T: Clone>(&mut self, of: &[T]) -> T {
        of[self.below(of.len() as u64) as usize].clone()
    }

    fn shuffle<T>(&mut self, of: &mut [T]) {
        for last in (1..of.len()).rev() {
            of.swap(last, self.below(last as u64 + 1) as usize);
        }
    }
}

/// The instants of a world: where its edges are.
struct Clock {
    start_ms: i64,
    end_ms: i64,
    every_ms: i64,
    windows_ms: Vec<i64>,
}

fn settings(chance: &mut Chance) -> (Settings, Clock) {
    let (every, every_ms) = chance.pick(&[
        ("1m", MINUTE_MS),
        ("10m", 10 * MINUTE_MS),
        ("15m", 15 * MINUTE_MS),
        ("1h", HOUR_MS),
        ("6h", 6 * HOUR_MS),
        ("1d", DAY_MS),
    ]);
    let all = [
        ("1h", HOUR_MS),
        ("6h", 6 * HOUR_MS),
        ("24h", DAY_MS),
        ("3d", 3 * DAY_MS),
        ("7d", 7 * DAY_MS),
        ("28d", 28 * DAY_MS),
    ];
    let possible: Vec<_> = all.into_iter().filter(|(_, length_ms)| length_ms % every_ms == 0).collect();
    let mut windows: Vec<_> = possible.iter().copied().filter(|_| chance.one_in(2)).collect();
    if windows.is_empty() {
        windows.push(chance.pick(&possible));
    }
    // So many refreshes that the check stays short; often enough for plays to leave the shorter windows.
    let refreshes = chance.between(3, 80);
    // 2024-02-28T00:00Z and some odd milliseconds: the end of a month, in a leap year.
    let start_ms = 1_709_078_400_000 + chance.between(0, DAY_MS);
    let clock = Clock {
        start_ms,
        end_ms: start_ms + refreshes * every_ms,
        every_ms,
        windows_ms: windows.iter().map(|(_, length_ms)| *length_ms).collect(),
    };
    let links = match chance.below(4) {
        0 => vec!["device", "ip_prefix", "payment"],
        1 => vec!["device", "payment"],
        _ => vec!["device"],
    };
    let settings = Settings {
        every,
        windows: windows.iter().map(|(name, _)| *name).collect(),
        emit: chance.pick(&["last", "all", "changes"]),
        hub: chance.between(2, 4).unsigned_abs(),
        links,
        policy: None,
    };
    (settings, clock)
}

const ACCOUNT: usize = 0;
const TRACK: usize = 1;
const ARTIST: usize = 2;
const DEVICE: usize = 3;
const IP_PREFIX: usize = 4;
const PLAYLIST: usize = 5;
const UPLOADER: usize = 6;
const DISTRIBUTOR: usize = 7;
const PAYMENT: usize = 8;
const PLAY: usize = 9;
const ID_KINDS: usize = 10;

/// Titles that are short, near one another, loud or empty.
const TITLES: [Option<&str>; 9] = [
    None,
    Some(""),
    Some("Song"),
    Some("Other song"),
    Some("Rain on a Tin Roof, Pt. 3"),
    Some("rain on a tin roof (pt 41)"),
    Some("Rain on a Thin Roof, Pt. 3"),
    Some("Lluvia — SOBRE el tejado Nº 7"),
    Some("Song song SONG: my song (Official Audio)"),
];

/// How the ids of one kind are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum IdStyle {
    /// Unsigned numbers in every file.
    Numbers,
    /// Texts in every file.
    Texts,
    /// Each file as it likes; they are the same ids all the same.
    Mixed,
}

struct Maker<'c> {
    chance: Chance,
    clock: &'c Clock,
    styles: [IdStyle; ID_KINDS],
    accounts: u64,
    tracks: u64,
    play_columns: Vec<(&'static str, Holds)>,
}

impl<'c> Maker<'c> {
    fn new(mut chance: Chance, clock: &'c Clock) -> Maker<'c> {
        let all = chance.pick(&[Some(IdStyle::Numbers), Some(IdStyle::Texts), None]);
        let style =
            |chance: &mut Chance| chance.pick(&[IdStyle::Numbers, IdStyle::Numbers, IdStyle::Texts, IdStyle::Mixed]);
        let styles = std::array::from_fn(|_| all.unwrap_or_else(|| style(&mut chance)));
        let accounts = 1 + chance.below(8);
        let tracks = 1 + chance.below(8);
        let play_columns = vec![
            ("play_id", Holds::Id(PLAY)),
            ("ended_at", Holds::Instant),
            ("account_id", Holds::Id(ACCOUNT)),
            ("track_id", Holds::Id(TRACK)),
            ("played_ms", Holds::Whole),
            ("arrived_at", Holds::Instant),
            ("device_id", Holds::Id(DEVICE)),
            ("ip_prefix", Holds::Id(IP_PREFIX)),
            ("asn", Holds::Whole),
            ("country", Holds::Word),
            ("source", Holds::Word),
            ("playlist_id", Holds::Id(PLAYLIST)),
            ("shuffle", Holds::Flag),
            ("offline", Holds::Flag),
        ];
        Maker { chance, clock, styles, accounts, tracks, play_columns }
    }

    /// The id of this number: some are so great that a signed integer does not hold them.
    fn id(&mut self, kind: usize, number: u64) -> Cell {
        let number = if number % 3 == 2 { u64::MAX - 1 - number } else { number * 7 + 3 };
        match self.styles[kind] {
            IdStyle::Texts if number % 2 == 0 => Cell::Text(format!("é{}", number % 1_000)),
            IdStyle::Texts => Cell::Text(format!("{}", number % 100_000)),
            IdStyle::Numbers | IdStyle::Mixed => Cell::UInt(number),
        }
    }

    /// One of a few ids, or none.
    fn some_id(&mut self, kind: usize, of: u64) -> Cell {
        if self.chance.one_in(5) {
            return Cell::Null;
        }
        let number = self.chance.below(of);
        self.id(kind, number)
    }

    /// An instant, often on an edge: of a refresh, of the hour, of a window that ends then.
    fn instant(&mut self) -> i64 {
        let Clock { start_ms, end_ms, every_ms, ref windows_ms } = *self.clock;
        let any = self.chance.between(start_ms, end_ms);
        match self.chance.below(6) {
            0 => any / every_ms * every_ms + self.chance.between(-1, 1),
            1 => any / HOUR_MS * HOUR_MS + self.chance.between(-1, 0),
            2 => (any / every_ms * every_ms - self.chance.pick(windows_ms)).max(start_ms),
            3 => self.chance.between(start_ms, start_ms + 2 * every_ms),
            _ => any,
        }
    }

    fn arrival(&mut self, ended_at: i64) -> Cell {
        let Clock { every_ms, ref windows_ms, end_ms, .. } = *self.clock;
        match self.chance.below(8) {
            0..3 => Cell::Null,
            3 => Cell::Int(ended_at - self.chance.between(0, DAY_MS)),
            4 => Cell::Int((ended_at / every_ms + 1) * every_ms + self.chance.between(-1, 1)),
            5 => Cell::Int(ended_at + self.chance.between(0, 3 * every_ms)),
            // Too late for a window, but not for ever.
            6 => Cell::Int((ended_at + self.chance.pick(windows_ms)).min(end_ms + 9 * every_ms)),
            _ => Cell::Int(ended_at + self.chance.between(0, 1_000)),
        }
    }

    fn plays(&mut self, size: usize) -> Table {
        let mut rows = Vec::new();
        for number in 0..size as u64 {
            let ended_at = self.instant();
            let (account, track) = (self.chance.below(self.accounts), self.chance.below(self.tracks));
            rows.push(self.play(number, ended_at, account, track));
        }
        if !self.chance.one_in(3) {
            self.plant_lockstep(&mut rows);
        }
        if self.chance.one_in(10) {
            self.plant_premiere(&mut rows);
        }
        self.repeat(&mut rows);
        self.spoil(&mut rows);
        self.chance.shuffle(&mut rows);
        Table { name: "plays", required: 5, columns: self.play_columns.clone(), rows }
    }

    fn play(&mut self, number: u64, ended_at: i64, account: u64, track: u64) -> Vec<Cell> {
        let word = |chance: &mut Chance, of: &[&str]| match chance.one_in(4) {
            true => Cell::Null,
            false => Cell::word(chance.pick(of)),
        };
        let flag = |chance: &mut Chance| chance.pick(&[Cell::Null, Cell::Bool(false), Cell::Bool(true)]);
        vec![
            self.id(PLAY, number),
            Cell::Int(ended_at),
            self.id(ACCOUNT, account),
            self.id(TRACK, track),
            Cell::Int(self.chance.pick(&[0, 29_999, 30_000, 34_999, 35_000, 180_000, 4_294_967_295])),
            self.arrival(ended_at),
            self.some_id(DEVICE, 5),
            self.some_id(IP_PREFIX, 4),
            self.chance.pick(&[Cell::Null, Cell::Int(0), Cell::Int(64_500), Cell::Int(4_294_967_294)]),
            word(&mut self.chance, &["DE", "FR", "US", "us"]),
            word(
                &mut self.chance,
                &["search", "library", "algorithmic", "editorial", "playlist", "radio", "album", "Search"],
            ),
            self.some_id(PLAYLIST, 3),
            flag(&mut self.chance),
            flag(&mut self.chance),
        ]
    }

    /// Two or three accounts play the same tracks within the same ten minutes.
    fn plant_lockstep(&mut self, rows: &mut Vec<Vec<Cell>>) {
        let at = self.instant() / (10 * MINUTE_MS) * 10 * MINUTE_MS;
        for meeting in 0..self.chance.between(5, 12) {
            // Not always the same track: where time is short, meetings differ by their tracks alone.
            let track = self.chance.pick(&[0, meeting.unsigned_abs()]);
            for account in 0..self.chance.between(2, 3).unsigned_abs() {
                let ended_at = at + meeting * 10 * MINUTE_MS + self.chance.between(0, 2 * MINUTE_MS);
                let number = rows.len() as u64;
                rows.push(self.play(number, ended_at.min(self.clock.end_ms), account, track));
            }
        }
    }

    /// So many accounts play one track within the same ten minutes that it tells nothing about a pair of them.
    fn plant_premiere(&mut self, rows: &mut Vec<Vec<Cell>>) {
        let at = self.instant() / (10 * MINUTE_MS) * 10 * MINUTE_MS;
        for account in 0..self.chance.between(49, 52).unsigned_abs() {
            let number = rows.len() as u64;
            rows.push(self.play(number, at + account.cast_signed(), account, 0));
        }
    }

    /// Says some plays again, the same or differently.
    fn repeat(&mut self, rows: &mut Vec<Vec<Cell>>) {
        for place in 0..rows.len() {
            if !self.chance.one_in(6) {
                continue;
            }
            let mut again = rows[place].clone();
            let column = self.chance.below(again.len() as u64) as usize;
            match self.chance.below(3) {
                0 => {}
                1 => {
                    let Cell::Int(ended_at) = again[1] else { continue };
                    again[5] = self.arrival(ended_at);
                }
                _ if column > 0 => again[column] = self.chance.pick(rows)[column].clone(),
                _ => {}
            }
            rows.push(again);
        }
    }

    /// Makes some rows impossible.
    fn spoil(&mut self, rows: &mut [Vec<Cell>]) {
        // Past 2200-01-01, which is 7 258 118 400 000 ms.
        let out_of_time = [Cell::Int(-1), Cell::Int(7_258_118_400_000), Cell::Int(i64::MAX), Cell::Int(i64::MIN)];
        for row in rows {
            if !self.chance.one_in(12) {
                continue;
            }
            match self.chance.below(7) {
                0 | 1 => row[self.chance.below(5) as usize] = Cell::Null,
                2 => row[1] = self.chance.pick(&out_of_time),
                3 => row[5] = self.chance.pick(&out_of_time),
                4 => row[4] = self.chance.pick(&[Cell::Int(-1), Cell::Int(4_294_967_296), Cell::Int(i64::MAX)]),
                5 => row[8] = self.chance.pick(&[Cell::Int(-1), Cell::Int(4_294_967_295)]),
                _ => row[9] = self.chance.pick(&[Cell::word("MOON!"), Cell::word("\0"), Cell::word("D\0")]),
            }
            if self.chance.one_in(4) {
                let place = self.chance.pick(&[0, 2, 3, 6, 7, 11]);
                if matches!(row[place], Cell::UInt(_)) {
                    row[place] = Cell::UInt(u64::MAX);
                }
            }
        }
    }

    fn corrections(&mut self, plays: &Table) -> Table {
        let mut rows = Vec::new();
        for play in &plays.rows {
            if !self.chance.one_in(6) {
                continue;
            }
            let around = match play[1] {
                Cell::Int(ended_at) if (0..self.clock.end_ms).contains(&ended_at) => ended_at,
                _ => self.clock.start_ms,
            };
            let at = match self.chance.below(4) {
                // Before its play.
                0 => around - self.chance.between(0, 2 * self.clock.every_ms),
                1 => self.instant() / self.clock.every_ms * self.clock.every_ms,
                _ => (around + self.chance.between(0, 5 * self.clock.every_ms)).min(self.clock.end_ms),
            };
            // No earlier than the world, or there would be much to say about nothing.
            rows.push(vec![play[0].clone(), Cell::Int(at.max(self.clock.start_ms - 3 * self.clock.every_ms))]);
        }
        if self.chance.one_in(3) {
            let unknown = self.id(PLAY, 1_000_000);
            rows.push(vec![unknown, Cell::Int(self.clock.end_ms + 5 * self.clock.every_ms)]);
        }
        if self.chance.one_in(4) {
            rows.push(vec![Cell::Null, Cell::Int(self.clock.start_ms)]);
            let spoilt = self.id(PLAY, 0);
            rows.push(vec![spoilt.clone(), Cell::Null]);
            rows.push(vec![spoilt, Cell::Int(-1)]);
        }
        self.chance.shuffle(&mut rows);
        Table {
            name: "corrections",
            required: 2,
            columns: vec![("play_id", Holds::Id(PLAY)), ("arrived_at", Holds::Instant)],
            rows,
        }
    }

    fn tracks(&mut self) -> Table {
        let mut rows: Vec<Vec<Cell>> = Vec::new();
        for track in 0..self.tracks + 2 {
            for _ in 0..self.chance.pick(&[0_u64, 1, 1, 1, 2, 3]) {
                let valid_from = match self.chance.below(3) {
                    0 => Cell::Int(self.instant()),
                    1 => Cell::Int(self.instant() / self.clock.every_ms * self.clock.every_ms),
                    _ => Cell::Null,
                };
                let uploaded_at = match self.chance.below(3) {
                    0 => Cell::Null,
                    1 => Cell::Int(self.instant() - self.chance.pick(&self.clock.windows_ms.clone())),
                    _ => Cell::Int(self.instant()),
                };
                rows.push(vec![
                    self.id(TRACK, track),
                    self.some_id(ARTIST, 3),
                    self.some_id(UPLOADER, 3),
                    self.some_id(DISTRIBUTOR, 2),
                    self.chance.pick(&TITLES).map_or(Cell::Null, Cell::word),
                    uploaded_at,
                    valid_from,
                    self.chance.pick(&[
                        Cell::Null,
                        Cell::Int(0),
                        Cell::Int(31_000),
                        Cell::Int(180_000),
                        Cell::Int(8_000_000),
                    ]),
                    self.chance.pick(&[Cell::Null, Cell::word("none"), Cell::word("ALL"), Cell::word("")]),
                ]);
                if self.chance.one_in(12) {
                    let spoilt = rows.len() - 1;
                    let (column, cell) = self.chance.pick(&[(7, Cell::Int(-1)), (8, Cell::word("maybe"))]);
                    rows[spoilt][column] = cell;
                }
            }
        }
        for place in 0..rows.len() {
            if self.chance.one_in(5) {
                let mut again = rows[place].clone();
                let column = 1 + self.chance.below(5) as usize;
                if self.chance.one_in(2) {
                    again[column] = self.chance.pick(&rows)[column].clone();
                }
                rows.push(again);
            }
        }
        if self.chance.one_in(4) && !rows.is_empty() {
            let mut nameless = rows[0].clone();
            nameless[0] = Cell::Null;
            rows.push(nameless);
        }
        self.chance.shuffle(&mut rows);
        let columns = vec![
            ("track_id", Holds::Id(TRACK)),
            ("artist_id", Holds::Id(ARTIST)),
            ("uploader_id", Holds::Id(UPLOADER)),
            ("distributor_id", Holds::Id(DISTRIBUTOR)),
            ("title", Holds::Word),
            ("uploaded_at", Holds::Instant),
            ("valid_from", Holds::Instant),
            ("duration_ms", Holds::Whole),
            ("contains_ai", Holds::Word),
        ];
        Table { name: "tracks", required: 1, columns, rows }
    }

    fn accounts(&mut self) -> Table {
        let mut rows = Vec::new();
        for account in 0..self.accounts + 3 {
            for _ in 0..self.chance.pick(&[0, 1, 1, 1, 1, 2]) {
                let created_at = match self.chance.below(3) {
                    0 => Cell::Null,
                    1 => Cell::Int(self.instant()),
                    _ => Cell::Int(self.instant() - 7 * DAY_MS),
                };
                rows.push(vec![self.id(ACCOUNT, account), created_at, self.some_id(PAYMENT, 3)]);
            }
        }
        if self.chance.one_in(4) {
            rows.push(vec![Cell::Null, Cell::Null, Cell::Null]);
        }
        self.chance.shuffle(&mut rows);
        let columns = vec![
            ("account_id", Holds::Id(ACCOUNT)),
            ("created_at", Holds::Instant),
            ("payment_id", Holds::Id(PAYMENT)),
        ];
        Table { name: "accounts", required: 1, columns, rows }
    }

    fn distributors(&mut self) -> Table {
        let mut rows = Vec::new();
        for _ in 0..self.chance.below(5) {
            let valid_from = self.chance.pick(&[Cell::Null, Cell::Int(self.clock.start_ms)]);
            let distributor = self.chance.below(2);
            rows.push(vec![
                self.id(DISTRIBUTOR, distributor),
                self.chance.pick(&[Cell::Null, Cell::word("gold"), Cell::word("new")]),
                valid_from,
            ]);
        }
        let columns =
            vec![("distributor_id", Holds::Id(DISTRIBUTOR)), ("tier", Holds::Word), ("valid_from", Holds::Instant)];
        Table { name: "distributors", required: 1, columns, rows }
    }

    fn networks(&mut self) -> Table {
        let mut rows = Vec::new();
        for _ in 0..self.chance.below(5) {
            let asn = self.chance.pick(&[Cell::Int(0), Cell::Int(64_500), Cell::Int(4_294_967_294)]);
            let kind = self.chance.pick(&["hosting", "vpn", "mobile", "residential", "unknown"]);
            rows.push(vec![asn, Cell::word(kind)]);
        }
        Table { name: "networks", required: 2, columns: vec![("asn", Holds::Whole), ("kind", Holds::Word)], rows }
    }

    fn playlists(&mut self) -> Table {
        let mut rows = Vec::new();
        for _ in 0..self.chance.below(4) {
            let playlist = self.chance.below(3);
            rows.push(vec![
                self.id(PLAYLIST, playlist),
                self.chance.pick(&[Cell::Null, Cell::Bool(true), Cell::Bool(false)]),
            ]);
        }
        let columns = vec![("playlist_id", Holds::Id(PLAYLIST)), ("editorial", Holds::Flag)];
        Table { name: "playlists", required: 1, columns, rows }
    }

    /// Spreads a table over files, each of which may lack a column and write its ids and instants in its own way.
    fn split(&mut self, table: Table) -> Vec<File> {
        if table.rows.is_empty() && table.name != "plays" {
            return Vec::new();
        }
        let count = self.chance.pick(&[1, 1, 2, 3]);
        let mut parts: Vec<Vec<Vec<Cell>>> = vec![Vec::new(); count];
        for row in table.rows {
            parts[self.chance.below(count as u64) as usize].push(row);
        }
        let style = self.chance.below(2);
        let named = parts.into_iter().enumerate().map(|(number, rows)| {
            let name = match (number, style) {
                (0, _) => format!("{}.parquet", table.name),
                (_, 0) => format!("{}-{number}.parquet", table.name),
                _ => format!("{0}/{0}-part-{number}.parquet", table.name),
            };
            (name, rows)
        });
        let named: Vec<_> = named.collect();
        named
            .into_iter()
            .map(|(name, rows)| self.file(table.name, name, table.required, &table.columns, rows))
            .collect()
    }

    fn file(
        &mut self,
        table: &'static str,
        name: String,
        required: usize,
        columns: &[(&'static str, Holds)],
        rows: Vec<Vec<Cell>>,
    ) -> File {
        let mut places: Vec<usize> =
            (0..columns.len()).filter(|place| *place < required || !self.chance.one_in(8)).collect();
        self.chance.shuffle(&mut places);
        let mut rows: Vec<Vec<Cell>> =
            rows.iter().map(|row| places.iter().map(|place| row[*place].clone()).collect()).collect();
        let mut written = Vec::new();
        for (column, &place) in places.iter().enumerate() {
            let (name, holds) = columns[place];
            let kind = self.kind(holds, rows.iter().map(|row| &row[column]));
            for row in &mut rows {
                row[column] = written_as(&row[column], kind);
            }
            written.push(Column { name: name.to_owned(), kind });
        }
        File { table, name, columns: written, rows }
    }

    fn kind<'a>(&mut self, holds: Holds, mut values: impl Iterator<Item = &'a Cell>) -> ColumnKind {
        match holds {
            Holds::Id(kind) => {
                let signed_fits = values.all(|value| match value {
                    Cell::UInt(number) => i64::try_from(*number).is_ok(),
                    _ => true,
                });
                match self.styles[kind] {
                    IdStyle::Texts => ColumnKind::Text,
                    IdStyle::Mixed if self.chance.one_in(2) => ColumnKind::Text,
                    _ if signed_fits && self.chance.one_in(3) => ColumnKind::Int,
                    _ => ColumnKind::UInt,
                }
            }
            Holds::Instant => self.chance.pick(&[ColumnKind::Instant, ColumnKind::Instant, ColumnKind::Int]),
            Holds::Whole => ColumnKind::Int,
            Holds::Word => ColumnKind::Text,
            Holds::Flag => ColumnKind::Bool,
        }
    }
}

fn written_as(cell: &Cell, kind: ColumnKind) -> Cell {
    match (cell, kind) {
        (Cell::UInt(number), ColumnKind::Text) => Cell::Text(number.to_string()),
        (Cell::UInt(number), ColumnKind::Int) => Cell::Int(number.cast_signed()),
        (cell, _) => cell.clone(),
    }
}
