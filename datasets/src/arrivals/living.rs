//! Turns what the log holds into what the dataflow takes, entry by entry.
//!
//! ```text
//! rows of the log ──▶ plays, corrections, rows of the catalogue, playlists, tiers, rulings, what was heard ──▶ whoever gives them their ticks
//!                 └──▶ accounts, networks: remembered, and looked up while later plays are read
//! ```
//!
//! The same decoder reads plays here and out of files. What differs: every play comes with its id, for nobody knows
//! beforehand which ids come again.

use std::collections::BTreeSet;
use std::sync::Arc;

use records::{
    Account, Distributor, Duplicate, Evidence, Id, IdSpace, Key, Label, Millis, Network, Playlist, Refusal, Ruled,
    Track,
};

use super::catalogue::{Facts, Listing, RuledOn, Tier, Upload, correction, listing, ruled, tier, upload};
use super::decode::{Decoded, Decoder, Suspect, Wanted};
use super::evidence::{Contents, Grouping, Hearing};
use crate::Error;
use crate::intake::batches;
use crate::log::Rows;
use crate::names::{NameTable, Naming};
use crate::tables::read::{FromRow, IdKinds, Refused, read_batches};

/// What the rows of an entry are.
#[derive(Debug)]
pub enum News {
    /// Plays with their ids.
    Plays(Vec<Suspect>),
    /// Corrections as (play id, arrival).
    Corrections(Vec<(u128, Millis)>),
    /// Rows of the catalogue, each with its place in the entry, and what it tells people.
    Listings(Vec<(u32, Listing, InWords)>),
    /// Accounts, and the countries they are registered in.
    Accounts(Vec<(Key, Option<String>)>),
    /// Tiers of distributors.
    Tiers(Vec<Tier>),
    /// What people ruled.
    Rulings(Vec<RuledOn>),
    /// What was heard, each row with its place in the entry.
    Hearings(Vec<(u32, Hearing)>),
    /// Which recordings are one.
    Groupings(Vec<Grouping>),
    /// Playlists and their owners.
    Playlists(Vec<(Id, Id)>),
    /// Nothing that the dataflow asks for.
    Noted,
}

/// What a row of the catalogue tells people.
#[derive(Clone, Debug, Default)]
pub struct InWords {
    /// Its genre.
    pub genre: Option<String>,
    /// What the track is called.
    pub title: Option<String>,
    /// What its artist is called.
    pub artist_name: Option<String>,
}

/// Reads the log's entries, in their order.
pub struct Incoming {
    naming: Naming,
    kinds: IdKinds,
    facts: Facts,
    wanted: Wanted,
    contents: Arc<Contents>,
    in_words: fn(&Evidence) -> String,
    /// What was said of when tracks, accounts and copies came to be, where somebody asks.
    dated: Option<Dated>,
    /// Rows as they came, where somebody asks.
    told: Option<Told>,
}

/// Rows of the catalogue and of accounts, in the order of their entry.
#[derive(Debug, Default)]
pub struct Told {
    /// Rows of the catalogue: one for each of [`News::Listings`].
    pub tracks: Vec<Track>,
    /// Rows of accounts.
    pub accounts: Vec<(Key, Account)>,
}

/// What rows say of when tracks were uploaded, accounts created and copies found, in their order.
#[derive(Debug, Default)]
pub struct Dated {
    /// Rows of the catalogue.
    pub uploads: Vec<Upload>,
    /// Accounts, and when they were created.
    pub accounts: Vec<(Key, Option<Millis>)>,
    /// Recordings, in groups of copies or alone.
    pub groupings: Vec<Grouping>,
}

impl Incoming {
    /// Nothing read yet. Recordings get their numbers from `contents`, and `in_words` says what was heard where something is wrong.
    pub fn new(
        names: Arc<NameTable>,
        kinds: IdKinds,
        wanted: Wanted,
        contents: Arc<Contents>,
        in_words: fn(&Evidence) -> String,
    ) -> Incoming {
        let (naming, facts) = (Naming::new(names), Facts::default());
        Incoming { naming, kinds, facts, wanted, contents, in_words, dated: None, told: None }
    }

    /// The same, for who asks what rows tell besides.
    pub fn telling(self) -> Incoming {
        Incoming { told: Some(Told::default()), ..self }
    }

    /// The rows of the catalogue and of accounts that were read since somebody asked last.
    pub fn take_told(&mut self) -> Told {
        self.told.as_mut().map(std::mem::take).unwrap_or_default()
    }

    /// The same, for who asks when tracks and accounts came to be.
    pub fn dating(self) -> Incoming {
        Incoming { dated: Some(Dated::default()), ..self }
    }

    /// What was said since somebody asked last of when tracks and accounts came to be.
    pub fn take_dated(&mut self) -> Dated {
        self.dated.as_mut().map(std::mem::take).unwrap_or_default()
    }

    /// What the rows are, and those that are refused, as of this entry.
    ///
    /// # Errors
    /// When they cannot be read at all, though they could when they were taken in.
    pub fn read(&mut self, entry: u64, rows: &Rows) -> Result<(News, Vec<Refusal>), Error> {
        let file = format!("log entry {entry}");
        let mut refusals = Vec::new();
        let news = match rows.table {
            "plays" => News::Plays(self.plays(&file, &rows.columns, &mut refusals)?),
            "corrections" => {
                News::Corrections(self.rows(rows, &file, &mut refusals, |_, _, row| Ok(correction(&row)))?)
            }
            "tracks" => News::Listings(self.rows(rows, &file, &mut refusals, |this, place, row: Track| {
                // Nobody knows yet what somebody will listen to: every recording gets a number.
                let content = this.contents.number(row.content_id.as_ref().unwrap_or(&row.track_id));
                let listing = listing(&row, content, &mut this.naming)?;
                let Track { genre, title, artist_name, .. } = &row;
                let (genre, title, artist_name) = (genre.clone(), title.clone(), artist_name.clone());
                let words = InWords { genre, title, artist_name };
                this.told.iter_mut().for_each(|told| told.tracks.push(row.clone()));
                if let Some(dated) = &mut this.dated {
                    dated.uploads.push(upload(row, &mut this.naming)?);
                }
                Ok((place, listing, words))
            })?),
            "distributors" => News::Tiers(
                self.rows(rows, &file, &mut refusals, |this, _, row: Distributor| tier(row, &mut this.naming))?,
            ),
            "rulings" => News::Rulings(
                self.rows(rows, &file, &mut refusals, |this, _, row: Ruled| ruled(row, &mut this.naming))?,
            ),
            "evidence" => News::Hearings(self.rows(rows, &file, &mut refusals, |this, place, row: Evidence| {
                Ok((place, this.contents.hearing(&row, this.in_words)))
            })?),
            "duplicate_group" => {
                News::Groupings(self.rows(rows, &file, &mut refusals, |this, _, row: Duplicate| {
                    let grouping = this.contents.grouping(&row);
                    this.dated.iter_mut().for_each(|dated| dated.groupings.push(grouping.clone()));
                    Ok(grouping)
                })?)
            }
            "accounts" => News::Accounts(self.rows(rows, &file, &mut refusals, Incoming::note_account)?),
            "playlists" => {
                let owned = |_: &mut Incoming, _, row: Playlist| Ok(row.owner_id.map(|owner| (row.playlist_id, owner)));
                News::Playlists(self.rows(rows, &file, &mut refusals, owned)?.into_iter().flatten().collect())
            }
            table => {
                match table {
                    "networks" => drop(self.rows(rows, &file, &mut refusals, Incoming::note_network)?),
                    _ => drop(self.rows(rows, &file, &mut refusals, |_, _, _: Label| Ok(()))?),
                }
                News::Noted
            }
        };
        refusals.iter_mut().for_each(|refusal| refusal.row = sent_row(refusal.row, rows));
        let unread = rows.refused.iter().map(|row| {
            let mut raw = row.raw.clone();
            raw.truncate(raw.floor_char_boundary(1_024));
            let (source, reason) = (rows.table.to_owned(), row.reason.clone());
            Refusal { source, file: file.clone(), row: row.row, code: row.code, reason, raw: Some(raw) }
        });
        refusals.extend(unread);
        Ok((news, refusals))
    }

    fn plays(&mut self, file: &str, columns: &[u8], refusals: &mut Vec<Refusal>) -> Result<Vec<Suspect>, Error> {
        let decoder =
            Decoder { path: file.into(), wanted: self.wanted, facts: &self.facts, suspected: None, play_ids: true };
        let mut decoded = Decoded::default();
        let mut first_row = 0;
        for batch in batches(columns)? {
            decoder.decode(&batch, first_row, &mut self.naming, &mut decoded)?;
            first_row += batch.num_rows() as u64;
        }
        refusals.append(&mut decoded.refusals);
        Ok(decoded.suspects)
    }

    fn rows<R: FromRow, T>(
        &mut self,
        rows: &Rows,
        file: &str,
        refusals: &mut Vec<Refusal>,
        mut take: impl FnMut(&mut Incoming, u32, R) -> Result<T, Error>,
    ) -> Result<Vec<T>, Error> {
        let mut read: Vec<Result<R, Refused>> = Vec::new();
        read_batches(batches(&rows.columns)?, &self.kinds, |row| read.push(row))?;
        let mut taken = Vec::with_capacity(read.len());
        for (number, row) in read.into_iter().enumerate() {
            match row {
                // A body of rows is shorter than 2^32 bytes.
                Ok(record) => taken.push(take(self, number as u32, record)?),
                Err((code, reason)) => refusals.push(Refusal {
                    source: R::TABLE.to_owned(),
                    file: file.to_owned(),
                    row: number as u64,
                    code,
                    reason,
                    raw: None,
                }),
            }
        }
        Ok(taken)
    }

    fn note_account(&mut self, _place: u32, account: Account) -> Result<(Key, Option<String>), Error> {
        let key = self.naming.key_of(IdSpace::Account, Some(&account.account_id))?;
        let payment = self.naming.key_of(IdSpace::Payment, account.payment_id.as_ref())?;
        self.facts.accounts.insert(key, (account.created_at, payment));
        self.dated.iter_mut().for_each(|dated| dated.accounts.push((key, account.created_at)));
        self.told.iter_mut().for_each(|told| told.accounts.push((key, account.clone())));
        Ok((key, account.country))
    }

    fn note_network(&mut self, _place: u32, network: Network) -> Result<(), Error> {
        match network.kind.is_hosted() {
            true => self.facts.hosted.insert(network.asn),
            false => self.facts.hosted.remove(&network.asn),
        };
        Ok(())
    }
}

/// The records of some rows of an entry, by their places; what is none is left out.
///
/// # Errors
/// When the rows cannot be read at all.
pub fn read_again<R: FromRow>(rows: &Rows, kinds: &IdKinds, places: &BTreeSet<u32>) -> Result<Vec<R>, Error> {
    let mut found = Vec::new();
    let mut first = 0;
    for batch in batches(&rows.columns)? {
        let end = first + batch.num_rows() as u32;
        let of_batch = places.range(first..end).map(|place| batch.slice((place - first) as usize, 1));
        read_batches(of_batch.collect(), kinds, |row: Result<R, Refused>| found.extend(row))?;
        first = end;
    }
    Ok(found)
}

/// The number that a row of the columns had in what was sent, where unread rows stood between.
fn sent_row(row: u64, rows: &Rows) -> u64 {
    rows.refused.iter().fold(row, |row, unread| if unread.row <= row { row + 1 } else { row })
}
