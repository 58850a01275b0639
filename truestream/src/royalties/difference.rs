//! What a month that is opened again changes for each track, and for whom.

use std::collections::BTreeMap;
use std::fmt::Display;
use std::path::Path;

use datasets::tables::rows::{Rows, Value};
use records::royalty::Micros;
use serde_json::Value as Json;

use super::calendar::Month;
use super::month::{Closed, Line};
use super::streams::text_of;
use crate::exit::Failure;

/// A month as it was closed before: by track its distributor, and what was payable and held, in streams and money.
pub struct Earlier(BTreeMap<String, (String, Numbers)>);

/// Streams payable, held, withheld, ineligible; money payable and held.
pub type Numbers = [u64; 6];

/// A track whose numbers are other than they were.
pub struct Difference {
    /// The track.
    pub track: String,
    /// Whose it was, and is; empty where nobody delivers it, or it had no stream.
    pub distributors: [String; 2],
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
        let texts = ["month", "track_id", "distributor_id"];
        let numbers = ["payable", "held", "withheld", "ineligible", "payable_micros", "held_micros"];
        let columns = [&texts[..], &numbers].concat();
        let mut rows = Rows::open(&path, &columns).map_err(input)?;
        let mut earlier = BTreeMap::new();
        while rows.advance().map_err(input)? {
            let (Value::Text(of), Value::Text(track)) = (rows.value(0), rows.value(1)) else { continue };
            if of != month.text() {
                let text = month.text();
                return Err(Failure::Input(format!("{}: found {of}, expected {text}", path.display())));
            }
            let number = |at| if let Value::Int(number) = rows.value(at) { number.unsigned_abs() } else { 0 };
            earlier.insert(track.to_owned(), (text_of(rows.value(2)), std::array::from_fn(|at| number(at + 3))));
        }
        Ok(Earlier(earlier))
    }
}

fn numbers(line: &Line) -> Numbers {
    [line.payable, line.held, line.withheld, line.ineligible, line.paid_micros, line.held_micros]
}

/// The tracks that differ, by id.
pub fn between(Earlier(earlier): &Earlier, closed: &Closed) -> Vec<Difference> {
    let side = |line: &Line| (line.distributor.clone(), numbers(line));
    let now: BTreeMap<&str, _> = closed.lines.iter().map(|line| (line.track.as_str(), side(line))).collect();
    let gone = earlier.keys().map(String::as_str).filter(|track| !now.contains_key(track));
    let mut tracks: Vec<&str> = now.keys().copied().chain(gone).collect();
    tracks.sort_unstable();
    let difference = |track: &str| {
        let sides = [earlier.get(track), now.get(track)].map(|side| side.cloned().unwrap_or_default());
        let [(was, before), (is, after)] = sides;
        (was != is || before != after).then(|| Difference {
            track: track.to_owned(),
            distributors: [was, is],
            before,
            after,
        })
    };
    tracks.into_iter().filter_map(difference).collect()
}

/// Money that is more on some tracks and less on others than it was.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Moved {
    /// Payable, more and less.
    pub payable: [Micros; 2],
    /// Held, more and less.
    pub held: [Micros; 2],
}

impl Moved {
    /// What is newly payable or newly held somewhere.
    pub fn sum(&self) -> Micros {
        self.payable[0] + self.held[0]
    }
}

/// The money that is more and less.
pub fn moved(differences: &[Difference]) -> Moved {
    let mut moved = Moved::default();
    for Difference { before, after, .. } in differences {
        for (of, at) in [(&mut moved.payable, 4), (&mut moved.held, 5)] {
            of[0] += after[at].saturating_sub(before[at]);
            of[1] += before[at].saturating_sub(after[at]);
        }
    }
    moved
}

/// What the earlier close in the folder was made with, where this one was made with something else: then not all that differs is a correction.
///
/// # Errors
/// When the earlier close did not end.
pub fn made_otherwise(folder: &Path, now: &Json) -> Result<Vec<String>, Failure> {
    let path = folder.join("royalties.json");
    let failed = |error: &dyn Display| {
        Failure::Input(format!("{}: {error}; expected what an earlier close wrote", path.display()))
    };
    let text = std::fs::read_to_string(&path).map_err(|error| failed(&error))?;
    let before: Json = serde_json::from_str(&text).map_err(|error| failed(&error))?;
    // An earlier version of the program did not tell where its pool was from.
    let both = |name: &str| before[name].as_str().zip(now[name].as_str()).filter(|(before, now)| before != now);
    let told = |name: &str| both(name).map(|(before, now)| format!("{} {before}, now {now}", name.replace('_', " ")));
    let mut otherwise: Vec<String> =
        ["pool_from", "currency", "sharing", "policy_version", "pool"].into_iter().filter_map(told).collect();
    if both("terms").is_some() && both("policy_version").is_none() {
        otherwise.push("other terms under the same policy version".to_owned());
    }
    Ok(otherwise)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_freed_moves_from_held_to_payable() {
        let one = |before, after| Difference { track: "t".to_owned(), distributors: Default::default(), before, after };
        let freed = one([0, 3, 0, 0, 0, 200], [3, 0, 0, 0, 200, 0]);
        assert_eq!(moved(&[freed]), Moved { payable: [200, 0], held: [0, 200] });
        let shared_anew =
            [one([1, 0, 0, 0, 70, 0], [1, 0, 0, 0, 50, 0]), one([1, 0, 0, 0, 30, 0], [1, 0, 0, 0, 50, 0])];
        assert_eq!((moved(&shared_anew), moved(&shared_anew).sum()), (Moved { payable: [20, 20], held: [0, 0] }, 20));
    }
}
