//! Q4 by hand: `lockstep`, by counting the pairs of every bucket that changed.

use hashbrown::HashMap;

use super::View;
use super::accounts::bump;
use crate::feed::Play;
use crate::views::{BUCKET_ACCOUNTS, BUCKET_MS, Digest, LOCKSTEP_SHARED, LockstepRow, pair_weight};

/// A track and a 10-minute bucket.
type Bucket = (u32, i64);

/// Who played which track in which bucket.
#[derive(Default)]
pub struct Lockstep {
    /// Accounts of the bucket and their plays, in order of account.
    buckets: HashMap<Bucket, Vec<(u32, u32)>>,
    /// The joining accounts of changed buckets, as they were at the last refresh.
    before: HashMap<Bucket, Vec<u32>>,
    /// Buckets shared, by pair.
    pairs: HashMap<(u32, u32), u32>,
    digest: Digest,
}

/// The accounts that a bucket joins: none when it is alone or crowded.
fn joined(accounts: &[(u32, u32)]) -> Vec<u32> {
    if (2..=BUCKET_ACCOUNTS).contains(&accounts.len()) {
        accounts.iter().map(|(account, _)| *account).collect()
    } else {
        Vec::new()
    }
}

impl View for Lockstep {
    fn change(&mut self, play: &Play, diff: isize) {
        let bucket = (play.track, play.ended_at.div_euclid(BUCKET_MS));
        let accounts = self.buckets.entry(bucket).or_default();
        self.before.entry(bucket).or_insert_with(|| joined(accounts));
        match accounts.binary_search_by_key(&play.account, |(account, _)| *account) {
            Ok(place) => {
                let plays = &mut accounts[place].1;
                *plays = plays.wrapping_add_signed(diff as i32);
                if *plays == 0 {
                    accounts.remove(place);
                }
            }
            Err(place) => accounts.insert(place, (play.account, diff as u32)),
        }
    }

    fn refresh(&mut self) -> Digest {
        for (bucket, before) in std::mem::take(&mut self.before) {
            let accounts = &self.buckets[&bucket];
            let after = joined(accounts);
            if accounts.is_empty() {
                self.buckets.remove(&bucket);
            }
            if before != after {
                self.count_pairs(&before, -1);
                self.count_pairs(&after, 1);
            }
        }
        self.digest.clone()
    }
}

impl Lockstep {
    fn count_pairs(&mut self, accounts: &[u32], diff: isize) {
        for (place, a) in accounts.iter().enumerate() {
            for b in &accounts[place + 1..] {
                let (before, after) = bump(&mut self.pairs, (*a, *b), diff);
                let weight = pair_weight(*a, *b);
                for (shared, diff) in [(before, -1), (after, 1)] {
                    if shared >= LOCKSTEP_SHARED {
                        self.digest.add(weight, &LockstepRow { shared }, diff);
                    }
                }
            }
        }
    }
}
