//! What `--data` tells of a subject, and so by whose thresholds it is judged where no row of the tables says so: who is allowed has none.
//!
//! ```text
//! accounts, tracks ──row in force as of T──▶ home ───────┐
//! distributors ──row in force as of T──▶ tier ───────────┴──policy of the day──▶ segment
//! ```

use datasets::tables::Inputs;
use datasets::tables::read::{id_kinds, read_table};
use records::policy::Origin;
use records::{Account, Distributor, Millis, Policy, Subject, Territory, Track};

use super::{ExplainArgs, input};
use crate::exit::Failure;
use crate::replay::judge::VERIFIED;

/// The row in force of the subject.
pub(super) enum Known {
    Nothing,
    Track(Box<Track>),
    Account(Box<Account>),
}

/// The row in force of an account or a track, where `--data` has it.
///
/// # Errors
/// When a table cannot be read.
pub(super) fn look_up(args: &ExplainArgs, as_of: Millis) -> Result<Known, Failure> {
    let Some(data) = &args.data else { return Ok(Known::Nothing) };
    let inputs = Inputs::in_folder(data).map_err(input)?;
    let kinds = id_kinds(inputs.by_table()).map_err(input)?;
    let mut known = Known::Nothing;
    match Subject::named(&args.subject) {
        Some(Subject::Account) => {
            let take = |row: Account| {
                if row.account_id.to_string() == args.id {
                    known = Known::Account(Box::new(row));
                }
            };
            read_table(&inputs.accounts, &kinds, take, &mut Vec::new()).map_err(input)?;
        }
        Some(Subject::Track) => {
            let take = |row: Track| {
                let is_later = !matches!(&known, Known::Track(before) if before.valid_from >= row.valid_from);
                let is_in_force = row.valid_from.is_none_or(|from| from < as_of) && is_later;
                if is_in_force && row.track_id.to_string() == args.id {
                    known = Known::Track(Box::new(row));
                }
            };
            read_table(&inputs.tracks, &kinds, take, &mut Vec::new()).map_err(input)?;
        }
        _ => {}
    }
    Ok(known)
}

/// The name of the segment by whose thresholds the subject is judged under the policy; `None` where subjects of its kind are judged by several and
/// nobody says, for want of `--data`, where it is at home and by whom it was brought. Of whom the data has no row it is everybody's.
///
/// # Errors
/// When a table cannot be read.
pub(super) fn segment(args: &ExplainArgs, policy: &Policy, as_of: Millis) -> Result<Option<String>, Failure> {
    let Some(subject) = Subject::named(&args.subject) else { return Ok(None) };
    let has_tiers = matches!(subject, Subject::Track | Subject::Distributor) && !policy.tiers.is_empty();
    let has_homes = policy.local_thresholds.values().any(|local| local.of(subject).is_some());
    let (mut distributor, mut territory) = (None, None);
    if has_tiers || has_homes {
        let Some(_) = &args.data else { return Ok(None) };
        let home = |country: Option<String>| country.as_deref().and_then(Territory::of);
        (distributor, territory) = match look_up(args, as_of)? {
            Known::Track(row) => (row.distributor_id.map(|id| id.to_string()), home(row.country)),
            Known::Account(row) => (None, home(row.country)),
            Known::Nothing => ((subject == Subject::Distributor).then(|| args.id.clone()), None),
        };
    }
    let tier = match distributor.filter(|_| has_tiers) {
        Some(distributor) => tier(args, policy, &distributor, as_of)?,
        None => None,
    };
    Ok(Some(policy.segment(subject, Origin { tier: tier.as_deref(), territory }).0.to_string()))
}

/// The tier of the distributor, as far as the policy has thresholds for it: its own, or that of those who are verified.
fn tier(args: &ExplainArgs, policy: &Policy, distributor: &str, as_of: Millis) -> Result<Option<String>, Failure> {
    let Some(data) = &args.data else { return Ok(None) };
    let inputs = Inputs::in_folder(data).map_err(input)?;
    let kinds = id_kinds(inputs.by_table()).map_err(input)?;
    let mut in_force: Option<Distributor> = None;
    let take = |row: Distributor| {
        let is_later = in_force.as_ref().is_none_or(|before| before.valid_from < row.valid_from);
        if is_later && row.valid_from.is_none_or(|from| from < as_of) && row.distributor_id.to_string() == distributor {
            in_force = Some(row);
        }
    };
    read_table(&inputs.distributors, &kinds, take, &mut Vec::new()).map_err(input)?;
    let Some(Distributor { tier, verified, .. }) = in_force else { return Ok(None) };
    let verified = (verified == Some(true)).then(|| VERIFIED.to_owned());
    Ok([tier, verified].into_iter().flatten().find(|tier| policy.tiers.contains_key(tier)))
}
