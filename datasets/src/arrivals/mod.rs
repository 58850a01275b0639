//! Brings plays and what is known of them to the dataflow in the order of their arrival.
//!
//! ```text
//! files ──▶ survey: sorted? which play ids come again? from when to when?
//!       ──▶ decode ──▶ sort (only files that need it; in runs on disk when large) ──▶ by arrival ──▶ plays, suspects
//! log   ──▶ living: the same decoder, entry by entry ──▶ suspects: whose ids come again is not known beforehand
//! ```

mod catalogue;
mod decode;
mod evidence;
mod living;
mod merge;
mod spill;
mod survey;

pub use catalogue::{
    Facts, Listing, RuledOn, Tier, Upload, judge_others, read_corrections, read_facts, read_listings, read_rulings,
    read_territories, read_tiers, read_uploads,
};
pub(crate) use decode::instants as instants_of;
pub use decode::{Arrived, Suspect, Wanted};
pub use evidence::{Contents, Grouping, Hearing, Hearings, read_hearings};
pub use living::{Dated, InWords, Incoming, News, Told, read_again};
pub use merge::Arrivals;
pub use survey::{FileSurvey, Survey, survey};
