//! Reads the small tables whole: whom a track belongs to, how old an account is, which networks are hosted.

use std::path::PathBuf;

use hashbrown::{HashMap, HashSet};
use records::declaring::Declared;
use records::{
    Account, Correction, Disclosure, Distributor, Id, IdSpace, Key, Label, Metadata, Millis, Network, Playlist,
    Refusal, Ruled, Ruling, Subject, Territory, Track,
};

use super::evidence::Contents;
use crate::Error;
use crate::names::{Naming, play_id_of};
use crate::tables::Inputs;
use crate::tables::read::{IdKinds, read_all, read_table};

/// What is known of accounts and networks and is looked up while plays are read.
#[derive(Debug, Default)]
pub struct Facts {
    /// When each account was created, and its payment instrument.
    pub accounts: HashMap<Key, (Option<Millis>, Key)>,
    /// Autonomous systems of hosting companies and VPNs.
    pub hosted: HashSet<u32>,
}

/// A row of the catalogue, as far as plays are grouped by it and its release is judged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Listing {
    /// The track.
    pub track: Key,
    /// Its recording, or none where nobody listened to it.
    pub content: Key,
    /// Its artist, or none.
    pub artist: Key,
    /// Its uploader, or none.
    pub uploader: Key,
    /// Its distributor, or none.
    pub distributor: Key,
    /// When it was uploaded.
    pub uploaded_at: Option<Millis>,
    /// From when the row is in force; `None` = since the beginning of time.
    pub valid_from: Option<Millis>,
    /// What of its metadata is there.
    pub metadata: Metadata,
    /// What it says of generative AI.
    pub declared: Declared,
    /// Where its artist is at home, if it says a country that there is.
    pub territory: Option<Territory>,
}

/// A row of the catalogue, as far as it is asked when it is uploaded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Upload {
    /// The track.
    pub track: Key,
    /// Its recording, as text.
    pub content: String,
    /// Its artist, or none.
    pub artist: Key,
    /// Its uploader, or none.
    pub uploader: Key,
    /// Its distributor, or none.
    pub distributor: Key,
    /// Its title.
    pub title: Option<String>,
    /// What of its metadata is there.
    pub metadata: Metadata,
    /// When it was uploaded.
    pub uploaded_at: Option<Millis>,
    /// From when the row is in force; `None` = since the beginning of time.
    pub valid_from: Option<Millis>,
}

/// The tier of a distributor, in force from an instant on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tier {
    /// The distributor.
    pub distributor: Key,
    /// Its contract tier, a word the policy knows.
    pub tier: Option<String>,
    /// Whether its identity was verified.
    pub is_verified: bool,
    /// From when the row is in force; `None` = since the beginning of time.
    pub valid_from: Option<Millis>,
}

/// Reads accounts and networks.
///
/// # Errors
/// When a file cannot be read or lacks a required column.
pub fn read_facts(
    inputs: &Inputs,
    kinds: &IdKinds,
    naming: &mut Naming,
    refusals: &mut Vec<Refusal>,
) -> Result<Facts, Error> {
    let mut facts = Facts::default();
    let mut accounts: Vec<Account> = Vec::new();
    read_table(&inputs.accounts, kinds, |account| accounts.push(account), refusals)?;
    for account in accounts {
        let key = naming.key_of(IdSpace::Account, Some(&account.account_id))?;
        let payment = naming.key_of(IdSpace::Payment, account.payment_id.as_ref())?;
        facts.accounts.insert(key, (account.created_at, payment));
    }
    read_table(
        &inputs.networks,
        kinds,
        |network: Network| {
            if network.kind.is_hosted() {
                facts.hosted.insert(network.asn);
            }
        },
        refusals,
    )?;
    Ok(facts)
}

/// Reads in which of these territories accounts are registered, in no particular order; all others are left out. What is refused of the table is
/// told by [`read_facts`].
///
/// # Errors
/// When a file cannot be read or lacks a required column.
pub fn read_territories(
    paths: &[PathBuf],
    kinds: &IdKinds,
    territories: &[Territory],
    naming: &mut Naming,
) -> Result<Vec<(Key, Territory)>, Error> {
    let mut homes = Vec::new();
    let keep = |account: Account| {
        let territory = account.country.as_deref().and_then(Territory::of);
        homes.extend(
            territory
                .filter(|territory| territories.contains(territory))
                .map(|territory| (account.account_id, territory)),
        );
    };
    read_table(paths, kinds, keep, &mut Vec::new())?;
    let keyed = |(account, territory)| Ok((naming.key_of(IdSpace::Account, Some(&account))?, territory));
    homes.into_iter().map(keyed).collect()
}

/// Reads the catalogue, in no particular order; `contents` are the recordings that somebody listened to.
///
/// # Errors
/// When a file cannot be read or lacks a required column.
pub fn read_listings(
    paths: &[PathBuf],
    kinds: &IdKinds,
    contents: &Contents,
    naming: &mut Naming,
    refusals: &mut Vec<Refusal>,
) -> Result<Vec<Listing>, Error> {
    let mut listings = Vec::new();
    let mut failed = None;
    let content = |track: &Track| contents.key(track.content_id.as_ref().unwrap_or(&track.track_id));
    let keep = |track: Track| match listing(&track, content(&track), naming) {
        Ok(listing) => listings.push(listing),
        Err(error) => failed = Some(error),
    };
    read_table(paths, kinds, keep, refusals)?;
    failed.map_or(Ok(listings), Err)
}

/// The row as plays are grouped by it, of the recording of that number.
pub(super) fn listing(track: &Track, content: Key, naming: &mut Naming) -> Result<Listing, Error> {
    Ok(Listing {
        content,
        track: naming.key_of(IdSpace::Track, Some(&track.track_id))?,
        artist: naming.key_of(IdSpace::Artist, track.artist_id.as_ref())?,
        uploader: naming.key_of(IdSpace::Uploader, track.uploader_id.as_ref())?,
        distributor: naming.key_of(IdSpace::Distributor, track.distributor_id.as_ref())?,
        uploaded_at: track.uploaded_at,
        valid_from: track.valid_from,
        metadata: Metadata::of(track),
        declared: Declared {
            whole: track.contains_ai,
            vocals: track.ai_vocals,
            has_machine_part: [track.ai_vocals, track.ai_instruments, track.ai_postproduction]
                .into_iter()
                .flatten()
                .any(Disclosure::is_machine),
            has_consent: track.consent_ref.as_deref().is_some_and(|consent| !consent.trim().is_empty()),
        },
        territory: track.country.as_deref().and_then(Territory::of),
    })
}

/// Reads the catalogue as it was uploaded, in no particular order. What is refused of the table is told by [`read_listings`].
///
/// # Errors
/// When a file cannot be read or lacks a required column.
pub fn read_uploads(paths: &[PathBuf], kinds: &IdKinds, naming: &mut Naming) -> Result<Vec<Upload>, Error> {
    let mut uploads = Vec::new();
    let mut failed = None;
    let keep = |track: Track| match upload(track, naming) {
        Ok(upload) => uploads.push(upload),
        Err(error) => failed = Some(error),
    };
    read_table(paths, kinds, keep, &mut Vec::new())?;
    failed.map_or(Ok(uploads), Err)
}

/// The row as it is asked when it is uploaded.
pub(super) fn upload(track: Track, naming: &mut Naming) -> Result<Upload, Error> {
    Ok(Upload {
        track: naming.key_of(IdSpace::Track, Some(&track.track_id))?,
        content: track.content_id.as_ref().unwrap_or(&track.track_id).to_string(),
        artist: naming.key_of(IdSpace::Artist, track.artist_id.as_ref())?,
        uploader: naming.key_of(IdSpace::Uploader, track.uploader_id.as_ref())?,
        distributor: naming.key_of(IdSpace::Distributor, track.distributor_id.as_ref())?,
        metadata: Metadata::of(&track),
        uploaded_at: track.uploaded_at,
        valid_from: track.valid_from,
        title: track.title,
    })
}

/// Reads the tiers of the distributors, in no particular order.
///
/// # Errors
/// When a file cannot be read or lacks a required column.
pub fn read_tiers(
    paths: &[PathBuf],
    kinds: &IdKinds,
    naming: &mut Naming,
    refusals: &mut Vec<Refusal>,
) -> Result<Vec<Tier>, Error> {
    let mut rows: Vec<Distributor> = Vec::new();
    read_table(paths, kinds, |row| rows.push(row), refusals)?;
    rows.into_iter().map(|row| tier(row, naming)).collect()
}

/// The tier of the row's distributor.
pub(super) fn tier(row: Distributor, naming: &mut Naming) -> Result<Tier, Error> {
    let distributor = naming.key_of(IdSpace::Distributor, Some(&row.distributor_id))?;
    Ok(Tier { distributor, tier: row.tier, is_verified: row.verified == Some(true), valid_from: row.valid_from })
}

/// What somebody ruled, and about whom.
pub type RuledOn = ((Subject, Key), Ruling);

/// Reads what people ruled, in no particular order.
///
/// # Errors
/// When a file cannot be read or lacks a required column.
pub fn read_rulings(
    paths: &[PathBuf],
    kinds: &IdKinds,
    naming: &mut Naming,
    refusals: &mut Vec<Refusal>,
) -> Result<Vec<RuledOn>, Error> {
    let mut rows: Vec<Ruled> = Vec::new();
    read_all(paths, kinds, |row| rows.push(row), refusals)?;
    rows.into_iter().map(|row| ruled(row, naming)).collect()
}

/// What the row rules about whom.
pub(super) fn ruled(row: Ruled, naming: &mut Naming) -> Result<RuledOn, Error> {
    let key = naming.key_of(row.subject.space(), Some(&row.subject_id))?;
    Ok(((row.subject, key), row.ruling))
}

/// Reads the tables that nothing needs, for the rows that are to be refused.
///
/// # Errors
/// When a file cannot be read or lacks a required column.
pub fn judge_others(inputs: &Inputs, kinds: &IdKinds, refusals: &mut Vec<Refusal>) -> Result<(), Error> {
    read_table(&inputs.playlists, kinds, |_: Playlist| {}, refusals)?;
    read_all(&inputs.labels, kinds, |_: Label| {}, refusals)
}

/// Reads the corrections as (play id, arrival), in no particular order.
///
/// # Errors
/// When a file cannot be read or lacks a required column.
pub fn read_corrections(
    paths: &[PathBuf],
    kinds: &IdKinds,
    refusals: &mut Vec<Refusal>,
) -> Result<Vec<(u128, Millis)>, Error> {
    let mut corrections = Vec::new();
    read_all(paths, kinds, |row| corrections.push(correction(&row)), refusals)?;
    Ok(corrections)
}

/// The correction as (play id, arrival).
pub(super) fn correction(correction: &Correction) -> (u128, Millis) {
    let key = match &correction.play_id {
        Id::Number(number) => u128::from(*number),
        Id::Text(text) => play_id_of(text),
    };
    (key, correction.arrived_at)
}
