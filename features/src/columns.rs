//! The numbers of a window row by the names of their columns: what tables show and conditions read.

use records::Millis;

use crate::tally::Axis;
use crate::{Entropy, WindowRow};

/// A number of a row.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Figure {
    /// A count or a sum.
    Count(u64),
    /// A number with a fraction.
    Fraction(f64),
}

impl Figure {
    /// As a number with a fraction; exact below 2^53.
    pub fn as_f64(self) -> f64 {
        match self {
            Figure::Count(count) => count as f64,
            Figure::Fraction(fraction) => fraction,
        }
    }
}

/// A column of a window view: its name in the contract, and its number in a row.
#[derive(Clone, Copy, Debug)]
pub struct Column {
    /// The name.
    pub name: &'static str,
    /// The number.
    pub read: fn(&WindowRow) -> Figure,
    write: fn(&mut WindowRow, u64),
}

macro_rules! counts {
    ($($name:literal: $field:ident),* $(,)?) => {
        &[$(Column {
            name: $name,
            read: |row| Figure::Count(row.$field as u64),
            write: |row, count| row.$field = count.try_into().unwrap_or_default(),
        }),*]
    };
}

const ALL: &[Column] = counts!("plays": plays, "payable": payable, "edge": edge, "played_ms": played_ms);
const OF_LISTENERS: &[Column] = counts!(
    "tracks": tracks, "artists": artists, "countries": countries, "devices": devices, "ip_prefixes": ip_prefixes,
    "asns": asns, "playlists": playlists, "top_track_plays": top_plays, "track_sum_squares": sum_squares,
);
const ENTROPY: &[Column] = &[Column {
    name: "track_entropy",
    read: |row| Figure::Fraction(row.entropy.nats()),
    write: |row, nats| row.entropy = Entropy::from_nats(nats as f64),
}];
const HABITS: &[Column] = counts!(
    "active_hours": active_hours, "offline": offline, "shuffled": shuffled, "skipped": skipped, "hosted": hosted,
);
const OF_AUDIENCES: &[Column] = counts!(
    "listeners": listeners, "top_account_plays": top_plays, "account_sum_squares": sum_squares,
    "countries": countries, "devices": devices, "ip_prefixes": ip_prefixes,
);
const BY_SOURCE: &[Column] = counts!(
    "by_search": by_search, "by_library": by_library, "by_algorithm": by_algorithm, "by_editorial": by_editorial,
    "by_playlist": by_playlist,
);
const NEW: &[Column] = counts!("new_account_plays": new_account_plays);
const TRACKS: &[Column] = counts!("tracks": tracks);
const UPLOADS: &[Column] = counts!("uploads": uploads);

/// The columns of a view, in the order of the contract.
pub fn columns(axis: Axis) -> impl Iterator<Item = &'static Column> {
    let lists: &[&[Column]] = match axis {
        Axis::Account => &[ALL, OF_LISTENERS, ENTROPY, HABITS, BY_SOURCE],
        Axis::Track => &[ALL, OF_AUDIENCES, BY_SOURCE, NEW],
        Axis::Artist | Axis::Playlist => &[ALL, OF_AUDIENCES, BY_SOURCE, NEW, TRACKS],
        Axis::Uploader | Axis::Distributor => &[ALL, OF_AUDIENCES, BY_SOURCE, NEW, TRACKS, UPLOADS],
    };
    lists.iter().copied().flatten()
}

/// A row in which this column has the number; all others are 0.
///
/// # Errors
/// What was expected, where the column cannot have the number.
pub fn row_of(axis: Axis, name: &str, number: u64) -> Result<WindowRow, String> {
    let mut row = WindowRow::default();
    let column = columns(axis).find(|column| column.name == name).ok_or("a column")?;
    (column.write)(&mut row, number);
    if (column.read)(&row).as_f64() == number as f64 { Ok(row) } else { Err(format!("at most {}", u32::MAX)) }
}

/// The length of a window by its name: a number and s, m or min, h, d or w.
pub fn window_ms(name: &str) -> Option<Millis> {
    let digits = name.len() - name.trim_start_matches(|c: char| c.is_ascii_digit()).len();
    let unit_ms = match &name[digits..] {
        "s" => 1_000,
        "m" | "min" => 60_000,
        "h" => 3_600_000,
        "d" => 86_400_000,
        "w" => 7 * 86_400_000,
        _ => 0,
    };
    let length = name[..digits].parse::<Millis>().ok()?.checked_mul(unit_ms)?;
    (length > 0).then_some(length)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_column_is_read_where_it_is_written() {
        for axis in Axis::ALL {
            for (place, column) in columns(axis).enumerate() {
                let number = place as u64 + 1;
                let row = row_of(axis, column.name, number).unwrap();
                let others = columns(axis).filter(|other| other.name != column.name);
                assert_eq!((column.read)(&row).as_f64(), number as f64, "{}", column.name);
                assert!(others.into_iter().all(|other| (other.read)(&row).as_f64() == 0.0), "{}", column.name);
            }
        }
        let wrong = |name: &str, number| row_of(Axis::Track, name, number).unwrap_err();
        assert!(wrong("skipped", 1).contains("a column") && wrong("plays", u64::MAX).contains("at most"));
    }
}
