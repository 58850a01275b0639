//! What rules over more than one table read of the catalogue and of accounts.
//!
//! ```text
//! rows of tracks and accounts ──columns that some rule names──▶ cells, each from the tick on from which the row is in force
//! ```

use std::cmp::Reverse;

use dataflows::clock::Tick;
use dataflows::risk::{Asked, Entry};
use datasets::names::Naming;
use datasets::tables::Inputs;
use datasets::tables::read::{IdKinds, read_table};
use features::attributes::Row;
use features::condition::{Cell, Sheet, Source};
use features::tally::Axis;
use records::{Account, Id, IdSpace, Key, Millis, Subject, Track};

use crate::exit::Failure;

/// The columns of rows that some rule reads.
#[derive(Default)]
pub struct Attributes {
    accounts: Option<Sheet>,
    tracks: Option<Sheet>,
}

/// What is told of a subject from a tick on, and the instant from which its row says so.
type Dated = (Tick, Subject, Key, Option<Millis>, Vec<Cell>);

impl Attributes {
    /// For all these rules.
    pub fn of(asked: &[Asked]) -> Attributes {
        let sheet = |axis| Some(Sheet::of(axis, asked.iter().map(|asked| &asked.condition)));
        let asks = |sheet: &Sheet| !sheet.part(Source::Told).is_empty();
        Attributes { accounts: sheet(Axis::Account).filter(asks), tracks: sheet(Axis::Track).filter(asks) }
    }

    /// Whether some rule asks for any.
    pub fn asks(&self) -> bool {
        self.accounts.is_some() || self.tracks.is_some()
    }

    /// What the row tells of its account, where somebody asks.
    pub fn account(&self, row: &Account) -> Option<Vec<Cell>> {
        self.accounts.as_ref().map(|sheet| sheet.of_told(Row::Account(row)))
    }

    /// What the row tells of its track, where somebody asks.
    pub fn track(&self, row: &Track) -> Option<Vec<Cell>> {
        self.tracks.as_ref().map(|sheet| sheet.of_told(Row::Track(row)))
    }

    /// What the files tell, by the tick from which on it is in force. What is refused of them is told by who reads them first.
    ///
    /// # Errors
    /// When a file cannot be read.
    pub fn read(
        &self,
        inputs: &Inputs,
        kinds: &IdKinds,
        naming: &mut Naming,
        from: impl Fn(Option<Millis>) -> Tick,
    ) -> Result<Vec<(Tick, Entry)>, Failure> {
        let input = |error: datasets::Error| Failure::Input(error.to_string());
        let mut rows: Vec<(Id, Subject, Option<Millis>, Vec<Cell>)> = Vec::new();
        if self.accounts.is_some() {
            let tell = |row: Account| {
                let told = self.account(&row);
                rows.extend(told.map(|cells| (row.account_id, Subject::Account, None, cells)));
            };
            read_table(&inputs.accounts, kinds, tell, &mut Vec::new()).map_err(input)?;
        }
        if self.tracks.is_some() {
            let tell = |row: Track| {
                let told = self.track(&row);
                rows.extend(told.map(|cells| (row.track_id, Subject::Track, row.valid_from, cells)));
            };
            read_table(&inputs.tracks, kinds, tell, &mut Vec::new()).map_err(input)?;
        }
        let mut told: Vec<Dated> = Vec::with_capacity(rows.len());
        for (id, subject, valid_from, cells) in rows {
            let space = if subject == Subject::Account { IdSpace::Account } else { IdSpace::Track };
            let key = naming.key_of(space, Some(&id)).map_err(input)?;
            told.push((from(valid_from), subject, key, valid_from, cells));
        }
        // Of the rows of one that come into force at one tick only the latest does.
        told.sort_by_key(|(tick, subject, key, valid_from, _)| (*tick, *subject, *key, Reverse(*valid_from)));
        told.dedup_by_key(|(tick, subject, key, ..)| (*tick, *subject, *key));
        Ok(told.into_iter().map(|(tick, subject, key, _, cells)| (tick, Entry::Told(subject, key, cells))).collect())
    }
}
