//! Counts which account used which device (or payment, or network prefix) on which days, for whoever looks at one of them: no rows leave, readers ask.
//!
//! ```text
//! turns of the link window, on every worker ──▶ uses ──┬──▶ by account: link ──▶ plays of each day ◀── pages
//!                                                      └──▶ by link: accounts                      ◀── pages
//! ```
//!
//! Counts commute, so no play travels for it (see [`crate::habits`]). A reader sees the tick that is stated, or a part of the next one.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, MutexGuard};

use records::{Key, Millis};

use crate::keep::mix;
use crate::links::{Link, LinkKind, Use};

/// So many locks of each kind: far more than workers, so that they seldom meet.
const SHARDS: usize = 64;
const DAY_MS: Millis = 24 * 3_600_000;
/// Before and after all links.
const ALL: [Link; 2] = [(LinkKind::Device, Key(0)), (LinkKind::Payment, Key(u64::MAX))];

/// Days, by their number since 1970, with as many plays of each: what was counted can be taken back, whichever day it was of.
type Days = Vec<(i32, u32)>;
/// The days of accounts with links.
type ByAccount = BTreeMap<(Key, Link), Days>;
/// The accounts of links.
type ByLink = BTreeSet<(Link, Key)>;

/// How an account used a link in the link window.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Used {
    /// What it used.
    pub link: Link,
    /// In how many plays.
    pub plays: u64,
    /// On how many days, in UTC.
    pub days: usize,
    /// The first day, since 1970.
    pub first: i32,
    /// The last day, since 1970.
    pub last: i32,
}

/// All accounts with all that they used.
pub struct Ties {
    by_account: [Mutex<ByAccount>; SHARDS],
    by_link: [Mutex<ByLink>; SHARDS],
}

impl Default for Ties {
    /// Nothing counted yet.
    fn default() -> Ties {
        Ties {
            by_account: std::array::from_fn(|_| Mutex::default()),
            by_link: std::array::from_fn(|_| Mutex::default()),
        }
    }
}

fn shard<T>(shards: &[Mutex<T>; SHARDS], key: Key) -> MutexGuard<'_, T> {
    shards[mix(key.0) as usize % SHARDS].lock().expect("nobody panics with it")
}

impl Ties {
    /// A play that ended then, and used the link, begins or ceases to count.
    pub fn count(&self, used: &Use, ended_at: Millis) {
        let Use { link, account, enters } = *used;
        let day = ended_at.div_euclid(DAY_MS) as i32;
        // The shard of the account stays locked while that of the link changes: who comes and who goes must not overtake each other. Nobody
        // locks them the other way round.
        let mut by_account = shard(&self.by_account, account);
        let days = by_account.entry((account, link)).or_default();
        let was_empty = days.is_empty();
        match days.binary_search_by_key(&day, |(day, _)| *day) {
            Ok(place) if enters => days[place].1 += 1,
            Ok(place) if days[place].1 > 1 => days[place].1 -= 1,
            Ok(place) => _ = days.remove(place),
            Err(place) if enters => days.insert(place, (day, 1)),
            Err(_) => {}
        }
        match (was_empty, days.is_empty()) {
            (true, false) => _ = shard(&self.by_link, link.1).insert((link, account)),
            (_, true) => {
                by_account.remove(&(account, link));
                shard(&self.by_link, link.1).remove(&(link, account));
            }
            (false, false) => {}
        }
    }

    /// What the account used, at most so many links.
    pub fn of(&self, account: Key, links_max: usize) -> Vec<Used> {
        let by_account = shard(&self.by_account, account);
        let [first, last] = ALL.map(|link| (account, link));
        let used = by_account.range(first..=last).filter_map(|((_, link), days)| {
            let ((first, _), (last, _)) = days.first().zip(days.last())?;
            let plays = days.iter().map(|(_, plays)| u64::from(*plays)).sum();
            Some(Used { link: *link, plays, days: days.len(), first: *first, last: *last })
        });
        used.take(links_max).collect()
    }

    /// Who used the link, at most so many accounts.
    pub fn users(&self, link: Link, accounts_max: usize) -> Vec<Key> {
        let by_link = shard(&self.by_link, link.1);
        let users = by_link.range((link, Key(0))..=(link, Key(u64::MAX)));
        users.map(|(_, account)| *account).take(accounts_max).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The next number of a seed.
    fn chance(seed: &mut u64) -> u64 {
        *seed = seed.wrapping_add(0x9E37_79B9_7F4A_7C15);
        mix(*seed)
    }

    #[test]
    fn what_is_told_is_what_the_plays_that_count_say_and_nothing_stays_of_those_that_do_not() {
        let seed = 7;
        let (mut drawn, ties) = (seed, Ties::default());
        let mut live: Vec<(Link, Key, Millis)> = Vec::new();
        let device = |number: u64| (LinkKind::Device, Key(number));
        for step in 0..4_000 {
            let enters = live.is_empty() || (step < 3_000 && !chance(&mut drawn).is_multiple_of(3));
            let (link, account, ended_at) = if enters {
                let ended_at = (chance(&mut drawn) % 8) as Millis * DAY_MS - 3 * DAY_MS + 17;
                let play = (device(chance(&mut drawn) % 5), Key(chance(&mut drawn) % 7), ended_at);
                live.push(play);
                play
            } else {
                live.swap_remove(chance(&mut drawn) as usize % live.len())
            };
            ties.count(&Use { link, account, enters }, ended_at);
            if step % 50 > 0 {
                continue;
            }
            for account in (0..7).map(Key) {
                let recounted = (0..5).map(device).filter_map(|link| {
                    let own = live.iter().filter(|play| (play.0, play.1) == (link, account));
                    let days: Vec<i32> = own.map(|play| play.2.div_euclid(DAY_MS) as i32).collect();
                    let different: BTreeSet<i32> = days.iter().copied().collect();
                    let (first, last) = (*different.first()?, *different.last()?);
                    Some(Used { link, plays: days.len() as u64, days: different.len(), first, last })
                });
                assert_eq!(ties.of(account, 9), recounted.collect::<Vec<_>>(), "seed {seed}, step {step}");
            }
            for link in (0..5).map(device) {
                let users: BTreeSet<Key> = live.iter().filter(|play| play.0 == link).map(|play| play.1).collect();
                assert_eq!(ties.users(link, 9), users.into_iter().collect::<Vec<_>>(), "seed {seed}, step {step}");
            }
        }
        for (link, account, ended_at) in live {
            ties.count(&Use { link, account, enters: false }, ended_at);
        }
        assert!(ties.by_account.iter().all(|shard| shard.lock().expect("whole").is_empty()));
        assert!(ties.by_link.iter().all(|shard| shard.lock().expect("whole").is_empty()));
    }
}
