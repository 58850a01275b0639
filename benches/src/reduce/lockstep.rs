//! Q4 in the textbook's way: each bucket names its pairs, and the pairs are counted.

use differential_dataflow::VecCollection;
use differential_dataflow::operators::CountTotal;

use super::Facts;
use crate::views::{BUCKET_ACCOUNTS, BUCKET_MS, LOCKSTEP_SHARED, LockstepRow};

/// The pairs that share enough buckets.
pub fn lockstep(plays: Facts<'_>) -> VecCollection<'_, u64, ((u32, u32), LockstepRow)> {
    plays
        .map(|(account, track, _artist, _device, _country, _played_ms, ended_at)| {
            ((track, ended_at.div_euclid(BUCKET_MS)), account)
        })
        .reduce_named("Pairs", |_bucket, accounts: &[(&u32, isize)], pairs| {
            if (2..=BUCKET_ACCOUNTS).contains(&accounts.len()) {
                for (place, (a, _)) in accounts.iter().enumerate() {
                    pairs.extend(accounts[place + 1..].iter().map(|(b, _)| ((**a, **b), 1_isize)));
                }
            }
        })
        .map(|(_bucket, pair)| pair)
        .count_total()
        .filter(|(_pair, shared)| *shared >= LOCKSTEP_SHARED as isize)
        .map(|(pair, shared)| (pair, LockstepRow { shared: shared as u32 }))
}
