//! Scrobbles of Last.fm: the 1K data set (with profiles) and the CSV of the `scrobbler` package.
//!
//! A scrobble tells when a play began, not how long it lasted: `docs/FORMATS.md`, "Plays without a length".

use records::{Account, Id, Millis};

use super::folding::{clean_name, country_of_name, name_key};
use super::instant::{self, Clock};
use super::reading::{Context, Facts, Listen, Reading, bare_play, scrobbled_ms};
use super::record::{Record, Refused};

/// Columns of `userid-timestamp-artid-artname-traid-traname.tsv`, which has no header.
pub const COLUMNS_1K: [&str; 6] = ["userid", "timestamp", "artid", "artname", "traid", "traname"];

/// 2010-01-01T00:00:00Z: the 1K data set was collected in 2009, so a later play is a wrong clock.
const LATEST_1K: Millis = 1_262_304_000_000;

/// A scrobble of the 1K data set.
pub fn scrobble_1k(record: &Record, context: &mut Context<'_>) -> Result<Reading, Refused> {
    let account = Id::from(record.required_text("userid")?);
    let started = instant::required(record, "timestamp", Clock::Text)?;
    let bounds = &context.options.bounds;
    instant::within(started, &(*bounds.start()..=LATEST_1K.min(*bounds.end())))?;
    let song = Song {
        artist: record.required_text("artname")?,
        title: record.required_text("traname")?,
        artist_mbid: record.text("artid")?,
        track_mbid: record.text("traid")?,
    };
    song.listen(account, started, record, context, &[])
}

/// A row of `userid-profile.tsv`.
pub fn profile_1k(record: &Record, _context: &mut Context<'_>) -> Result<Reading, Refused> {
    Ok(Reading::Account(Box::new(Account {
        account_id: record.required_text("#id")?.into(),
        created_at: record.text("registered")?.and_then(|text| instant::from_american_date(&text)),
        plan: None,
        country: record.text("country")?.and_then(|text| country_of_name(&text)),
        payment_id: None,
        family_id: None,
        email_domain_class: None,
    })))
}

/// A row of the CSV that the `scrobbler` package writes. Its first, nameless column numbers the rows anew in each
/// export and says nothing about the play.
pub fn scrobbler_csv(record: &Record, context: &mut Context<'_>) -> Result<Reading, Refused> {
    let started = instant::required(record, "date", Clock::Text)?;
    instant::within(started, &context.options.bounds)?;
    let song = Song {
        artist: record.required_text("artist")?,
        title: record.required_text("track")?,
        artist_mbid: None,
        track_mbid: None,
    };
    let account = context.account(None);
    song.listen(account, started, record, context, &[""])
}

struct Song {
    artist: String,
    title: String,
    artist_mbid: Option<String>,
    track_mbid: Option<String>,
}

impl Song {
    fn listen(
        self,
        account: Id,
        started: Millis,
        record: &Record,
        context: &mut Context<'_>,
        unhashed: &[&str],
    ) -> Result<Reading, Refused> {
        let artist = clean_name(&self.artist).ok_or_else(|| Refused::missing("artist"))?;
        let title = clean_name(&self.title).ok_or_else(|| Refused::missing("track"))?;
        let track_id = self.track_mbid.as_deref().and_then(clean_name).unwrap_or_else(|| name_key(&[&artist, &title]));
        let played = scrobbled_ms(None, context.options);

        let mut facts = Facts::of_names(Some(&artist), Some(&title));
        facts.artist_id = self.artist_mbid.as_deref().and_then(clean_name).map(Id::from).or(facts.artist_id);
        let play_id = context.play_id(&account, record, unhashed);
        let play = bare_play(play_id, account, track_id.into(), started.saturating_add(played as i64), played);
        Ok(Reading::Play(Box::new(Listen { play, facts, assumed: true })))
    }
}
