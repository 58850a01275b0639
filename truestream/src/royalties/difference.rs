//! What a month that is opened again changes for each track.

use std::collections::BTreeMap;
use std::path::Path;

use datasets::tables::rows::{Rows, Value};
use records::royalty::Micros;

use super::calendar::Month;
use super::month::{Closed, Line};
use crate::exit::Failure;

/// A month as it was closed before: by track what was payable and held, in streams and money.
pub struct Earlier(BTreeMap<String, Numbers>);

/// Streams payable, held, withheld, ineligible; money payable and held.
pub type Numbers = [u64; 6];

/// A track whose numbers are other than they were.
pub struct Difference {
    /// The track.
    pub track: String,
    /// What they were.
    pub before: Numbers,
    /// What they are.
    pub after: Numbers,
}

impl Earlier {
    /// Reads the royalties in the folder.
    ///
    /// # Errors
    /// When there are none, or they are of another month.
    pub fn read(folder: &Path, month: Month) -> Result<Earlier, Failure> {
        let path = folder.join("royalty.parquet");
        let input = |error: datasets::Error| Failure::Input(error.to_string());
        let columns =
            ["month", "track_id", "payable", "held", "withheld", "ineligible", "payable_micros", "held_micros"];
        let mut rows = Rows::open(&path, &columns).map_err(input)?;
        let mut earlier = BTreeMap::new();
        while rows.advance().map_err(input)? {
            let (Value::Text(of), Value::Text(track)) = (rows.value(0), rows.value(1)) else { continue };
            if of != month.text() {
                let text = month.text();
                return Err(Failure::Input(format!("{}: found {of}, expected {text}", path.display())));
            }
            let number = |at| if let Value::Int(number) = rows.value(at) { number.unsigned_abs() } else { 0 };
            earlier.insert(track.to_owned(), std::array::from_fn(|at| number(at + 2)));
        }
        Ok(Earlier(earlier))
    }
}

fn numbers(line: &Line) -> Numbers {
    [line.payable, line.held, line.withheld, line.ineligible, line.paid_micros, line.held_micros]
}

/// The tracks that differ, by id.
pub fn between(Earlier(earlier): &Earlier, closed: &Closed) -> Vec<Difference> {
    let now: BTreeMap<&str, Numbers> = closed.lines.iter().map(|line| (line.track.as_str(), numbers(line))).collect();
    let gone = earlier.keys().map(String::as_str).filter(|track| !now.contains_key(track));
    let mut tracks: Vec<&str> = now.keys().copied().chain(gone).collect();
    tracks.sort_unstable();
    let difference = |track: &str| {
        let [before, after] = [earlier.get(track), now.get(track)].map(|side| side.copied().unwrap_or_default());
        (before != after).then(|| Difference { track: track.to_owned(), before, after })
    };
    tracks.into_iter().filter_map(difference).collect()
}

/// The money that goes elsewhere: half of all that is more or less.
pub fn moved(differences: &[Difference]) -> Micros {
    let all = |numbers: &Numbers| numbers[4] + numbers[5];
    differences.iter().map(|one| all(&one.after).saturating_sub(all(&one.before))).sum()
}
